/* The exact engine: images in fixed chunks over the pool of threads. */
#include "quant/engine.h"

#include <string.h>

#include "base/progress.h"
#include "base/threads.h"
#include "quant/engine_ops.h"

struct rs_engine {
    const rs_qnet *qnet;
};

const char *rs_engine_path_name(rs_engine_path path)
{
    static const char *const names[RS_PATHS] = { "int8", "int16", "double", "reference" };
    return (unsigned)path < RS_PATHS ? names[path] : "-";
}

rs_status rs_engine_new_path(const rs_qnet *qnet, rs_engine_path fastest, rs_engine **engine, rs_diag *diag)
{
    (void)fastest;
    *engine = RS_NEW(rs_engine);
    if (!*engine)
        return rs_out_of_memory(diag);
    (*engine)->qnet = qnet;
    return RS_OK;
}

rs_status rs_engine_new(const rs_qnet *qnet, bool force_reference, rs_engine **engine, rs_diag *diag)
{
    return rs_engine_new_path(qnet, force_reference ? RS_PATH_REFERENCE : RS_PATH_INT8, engine, diag);
}

void rs_engine_free(rs_engine *engine)
{
    rs_free(engine);
}

rs_engine_path rs_engine_op_path(const rs_engine *engine, int op)
{
    return rs_qop_weighted(&engine->qnet->ops[op]) ? RS_PATH_REFERENCE : RS_PATHS;
}

static int64_t count_of(const rs_qtensor *t)
{
    return (int64_t)t->channels * t->height * t->width;
}

/* A run over n images; task i takes image i. */
typedef struct run {
    const rs_qnet *qnet;
    const uint8_t *pixels;
    int32_t *scores;
    int32_t **tensors;     /* [worker][tensor] */
    uint64_t *saturations; /* [worker][op] */
    int worker;            /* that ran the only image, for n = 1 */
} run;

static void run_image(void *context, size_t image, int worker)
{
    run *r = context;
    if (image == 0)
        r->worker = worker;
    if (rs_interrupted())
        return;
    const rs_qnet *q = r->qnet;
    int32_t **tensors = r->tensors + (size_t)worker * (size_t)q->n_tensors;
    const rs_qtensor *input = &q->tensors[0];
    const int64_t map = (int64_t)input->height * input->width, pixels = count_of(input);
    for (int64_t i = 0; i < pixels; i++)
        tensors[0][i] = q->pixel_table[i / map * 256 + r->pixels[(int64_t)image * pixels + i]];
    for (int i = 0; i < q->n_ops; i++)
        rs_reference_op(q, &q->ops[i], tensors[q->ops[i].input], tensors[q->ops[i].output],
                        &r->saturations[(size_t)worker * (size_t)q->n_ops + (size_t)i]);
    const int64_t classes = count_of(&q->tensors[q->n_tensors - 1]);
    if (r->scores)
        memcpy(r->scores + (int64_t)image * classes, tensors[q->n_tensors - 1], (size_t)classes * sizeof *r->scores);
}

/* Runs n images and, for n = 1, copies the tensors wanted. */
static rs_status run_images(const rs_qnet *q, const uint8_t *pixels, int64_t n, int32_t *scores, int32_t *const *wanted,
                            uint64_t *saturations, rs_diag *diag)
{
    const size_t workers = (size_t)rs_threads(), tensors = (size_t)q->n_tensors, ops = (size_t)q->n_ops;
    run r = { .qnet = q, .pixels = pixels, .scores = scores };
    r.tensors = RS_NEW_ARRAY(int32_t *, workers * tensors);
    r.saturations = RS_NEW_ARRAY(uint64_t, workers * ops);
    bool ok = r.tensors && r.saturations;
    for (size_t i = 0; ok && i < workers * tensors; i++) {
        r.tensors[i] = RS_NEW_ARRAY(int32_t, (size_t)count_of(&q->tensors[i % tensors]));
        ok = r.tensors[i] != NULL;
    }
    if (ok) {
        rs_parallel((size_t)n, run_image, &r);
        for (size_t i = 0; saturations && i < workers * ops; i++)
            saturations[i % ops] += r.saturations[i];
        for (size_t i = 0; wanted && i < tensors; i++)
            if (wanted[i])
                memcpy(wanted[i], r.tensors[(size_t)r.worker * tensors + i], (size_t)count_of(&q->tensors[i]) * sizeof(int32_t));
    }
    for (size_t i = 0; r.tensors && i < workers * tensors; i++)
        rs_free(r.tensors[i]);
    rs_free(r.tensors);
    rs_free(r.saturations);
    if (!ok)
        return rs_out_of_memory(diag);
    return rs_interrupted() ? RS_INTERRUPTED : RS_OK;
}

rs_status rs_engine_run(rs_engine *engine, const uint8_t *pixels, int64_t n, int32_t *scores, uint64_t *saturations, rs_diag *diag)
{
    return run_images(engine->qnet, pixels, n, scores, NULL, saturations, diag);
}

rs_status rs_engine_trace(rs_engine *engine, const uint8_t *pixels, int32_t *const *tensors, uint64_t *saturations, rs_diag *diag)
{
    return run_images(engine->qnet, pixels, 1, NULL, tensors, saturations, diag);
}

/* Section 6, score. */
static void count_hits(const int32_t *scores, const int32_t *labels, int64_t n, int64_t classes, int top_k, rs_score *score)
{
    for (int64_t i = 0; i < n; i++, scores += classes) {
        const int32_t mine = scores[labels[i]];
        int64_t above = 0, equal = -1; /* the label itself is equal to itself */
        for (int64_t c = 0; c < classes; c++) {
            above += scores[c] > mine;
            equal += scores[c] == mine;
        }
        score->hits += above + equal < top_k;
        score->ties += above < top_k && above + equal >= top_k;
    }
}

rs_status rs_engine_score(rs_engine *engine, const rs_dataset *set, int top_k, rs_score *score, rs_diag *diag)
{
    const rs_qnet *q = engine->qnet;
    const rs_qtensor *input = &q->tensors[0];
    const int64_t classes = count_of(&q->tensors[q->n_tensors - 1]);
    const double begin = rs_seconds();
    score->images = score->hits = score->ties = 0;
    score->seconds = 0;
    if (top_k < 1)
        return rs_error(diag, RS_USAGE, RS_NOWHERE, NULL, "top %d, expected at least 1", top_k);
    if (set->channels != input->channels || set->height != input->height || set->width != input->width)
        return rs_error(diag, RS_BAD_INPUT, RS_FILE(set->path), NULL,
                        "images of %dx%dx%d (channels x height x width), the network '%s' expects %dx%dx%d", set->channels, set->height,
                        set->width, q->name, input->channels, input->height, input->width);
    for (int64_t i = 0; i < set->count; i++)
        if (set->labels[i] < 0 || set->labels[i] >= classes)
            return rs_error(diag, RS_BAD_INPUT, RS_FILE(set->path), NULL, "label %d of image %lld, the network '%s' has %lld classes",
                            (int)set->labels[i], (long long)i, q->name, (long long)classes);
    int32_t *scores = RS_NEW_ARRAY(int32_t, (size_t)(set->count * classes));
    if (!scores)
        return rs_out_of_memory(diag);
    rs_status status = rs_engine_run(engine, set->pixels, set->count, scores, score->saturations, diag);
    if (status == RS_OK) {
        score->images = set->count;
        count_hits(scores, set->labels, set->count, classes, top_k, score);
        score->seconds = rs_seconds() - begin;
    }
    rs_free(scores);
    return status;
}
