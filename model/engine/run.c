/* Running images: chunks of them over the pool of threads, op by op through buffers that fit the cache. */
#include <string.h>

#include "base/integer.h"
#include "base/memory.h"
#include "base/progress.h"
#include "base/threads.h"
#include "engine/parts.h"
#include "engine/reference/reference.h"

/* By type; NULL: the plain loops. */
static const rs_engine_fast *const fast[RS_QOPS] = { [RS_QOP_CONVOLUTION] = &rs_engine_fast_weighted,
                                                     [RS_QOP_INNER_PRODUCT] = &rs_engine_fast_weighted,
                                                     [RS_QOP_MAX_POOL] = &rs_engine_fast_max_pool,
                                                     [RS_QOP_RELU] = &rs_engine_fast_relu,
                                                     [RS_QOP_AVERAGE_POOL] = &rs_engine_fast_average_pool,
                                                     [RS_QOP_ADD] = &rs_engine_fast_add,
                                                     [RS_QOP_CONCAT] = &rs_engine_fast_concat,
                                                     [RS_QOP_LRN] = &rs_engine_fast_lrn,
                                                     [RS_QOP_CLIP] = &rs_engine_fast_clip };

/* ------------------------------------------------------------------------------------------------------ a chunk */

/* Between HWC, as tensors lie here, and CHW. */
static void to_chw(const rs_qtensor *t, const int32_t *hwc, int32_t *chw)
{
    const int64_t map = (int64_t)t->height * t->width;
    for (int64_t k = 0; k < map; k++)
        for (int c = 0; c < t->channels; c++)
            chw[c * map + k] = *hwc++;
}

void rs_engine_to_hwc(const rs_qtensor *t, const int32_t *chw, int32_t *hwc)
{
    const int64_t map = (int64_t)t->height * t->width;
    for (int64_t k = 0; k < map; k++)
        for (int c = 0; c < t->channels; c++)
            *hwc++ = chw[c * map + k];
}

/* Bytes to the input's storage, HWC. */
static void load_pixels(const rs_engine *e, const uint8_t *pixels, int64_t images, rs_engine_scratch *w)
{
    const rs_qtensor *t = &e->qnet->tensors[0];
    const int64_t map = (int64_t)t->height * t->width;
    char *const to = w->tensors[0];
    for (int64_t i = 0; i < images && !e->qnet->pixel_table; i++, pixels += rs_qtensor_count(t)) {
        rs_qnet_load(e->qnet, pixels, w->chw[0]);
        rs_engine_to_hwc(t, w->chw[0], w->chw[1]);
        rs_storage_pack(w->chw[1], 1, rs_qtensor_count(t), 0,
                        to + i * rs_qtensor_count(t) * rs_storage_size(e->storage[0]), e->storage[0], 0);
    }
    for (int64_t i = 0; i < images && e->qnet->pixel_table; i++)
        for (int c = 0; c < t->channels; c++, pixels += map) {
            if (rs_storage_size(e->storage[0]) == 1) {
                const uint8_t *table = (const uint8_t *)e->pixel_table + c * 256;
                uint8_t *out = (uint8_t *)to + i * map * t->channels + c;
                for (int64_t k = 0; k < map; k++)
                    out[k * t->channels] = table[pixels[k]];
            } else {
                const int16_t *table = (const int16_t *)e->pixel_table + c * 256;
                int16_t *out = (int16_t *)(void *)to + i * map * t->channels + c;
                for (int64_t k = 0; k < map; k++)
                    out[k * t->channels] = table[pixels[k]];
            }
        }
}

/* Tensor t of image i as integers, CHW. */
void rs_engine_take(const rs_engine *e, const rs_engine_scratch *w, int t, int64_t i, int32_t *hwc, int32_t *chw)
{
    const rs_qtensor *tensor = &e->qnet->tensors[t];
    const rs_storage s = e->storage[t];
    rs_storage_unpack((const char *)w->tensors[t] + i * rs_qtensor_count(tensor) * rs_storage_size(s), s, hwc,
                      rs_qtensor_count(tensor));
    to_chw(tensor, hwc, chw);
}

/* An op by the plain loops, image by image. */
void rs_engine_run_plain(const rs_engine *e, int index, int64_t images, rs_engine_scratch *w)
{
    const rs_qnet *q = e->qnet;
    const rs_qop *op = &q->ops[index];
    const rs_qtensor *out = &q->tensors[op->output];
    const rs_storage s = e->storage[op->output];
    for (int64_t i = 0; i < images; i++) {
        const int32_t *inputs[RS_QOP_MAX_INPUTS];
        int32_t *room = w->chw[1];
        for (int k = 0; k < op->n_inputs; k++) {
            rs_engine_take(e, w, op->inputs[k], i, w->chw[0], room);
            inputs[k] = room;
            room += rs_qtensor_count(&q->tensors[op->inputs[k]]);
        }
        rs_qop_run(q, op, inputs, room, &w->saturations[index]);
        rs_engine_to_hwc(out, room, w->chw[0]);
        rs_storage_pack(w->chw[0], 1, rs_qtensor_count(out), 0,
                        (char *)w->tensors[op->output] + i * rs_qtensor_count(out) * rs_storage_size(s), s, 0);
    }
}

static void run_chunk(const rs_engine *e, const uint8_t *pixels, int64_t images, int32_t *scores, rs_engine_scratch *w)
{
    const rs_qnet *q = e->qnet;
    load_pixels(e, pixels, images, w);
    for (int i = 0; i < q->n_ops; i++) {
        const rs_engine_fast *path = fast[q->ops[i].type];
        if (path != NULL)
            path->run(e, i, images, w);
        else
            rs_engine_run_plain(e, i, images, w);
    }
    const int last = q->n_tensors - 1;
    for (int64_t n = 0; scores && n < images; n++)
        rs_engine_take(e, w, last, n, w->chw[0], scores + n * rs_qtensor_count(&q->tensors[last]));
}

static void run_image_reference(const rs_engine *e, const uint8_t *pixels, int32_t *scores, rs_engine_scratch *w)
{
    const rs_qnet *q = e->qnet;
    const rs_qtensor *last = &q->tensors[q->n_tensors - 1];
    rs_qnet_load(q, pixels, w->tensors[0]);
    for (int i = 0; i < q->n_ops; i++) {
        const int32_t *inputs[RS_QOP_MAX_INPUTS];
        for (int k = 0; k < q->ops[i].n_inputs; k++)
            inputs[k] = w->tensors[q->ops[i].inputs[k]];
        if (e->minifloat && rs_qop_weighted(&q->ops[i]))
            rs_minifloat_engine_run(e->minifloat, i, inputs[0], w->tensors[q->ops[i].output], w->operand,
                                    &w->saturations[i]);
        else
            rs_qop_run(q, &q->ops[i], inputs, w->tensors[q->ops[i].output], &w->saturations[i]);
    }
    if (scores)
        memcpy(scores, w->tensors[q->n_tensors - 1], (size_t)rs_qtensor_count(last) * sizeof *scores);
}

/* -------------------------------------------------------------------------------------------------------- a run */

typedef struct engine_run {
    const rs_engine *engine;
    const uint8_t *pixels;
    int64_t n, chunk;
    int32_t *scores;
    int worker; /* that ran chunk 0 */
} engine_run;

static void run_task(void *context, size_t task, int worker)
{
    engine_run *r = context;
    if (task == 0)
        r->worker = worker;
    if (rs_interrupted())
        return;
    const rs_qnet *q = r->engine->qnet;
    const int64_t first = (int64_t)task * r->chunk, left = r->n - first;
    const uint8_t *pixels = r->pixels + first * rs_qtensor_count(&q->tensors[0]);
    int32_t *scores = r->scores ? r->scores + first * rs_qtensor_count(&q->tensors[q->n_tensors - 1]) : NULL;
    if (r->engine->reference)
        run_image_reference(r->engine, pixels, scores, &r->engine->scratch[worker]);
    else
        run_chunk(r->engine, pixels, left < r->chunk ? left : r->chunk, scores, &r->engine->scratch[worker]);
}

/* Images that a worker takes at once: as many as keep its tensors in the second-level cache. The results do not depend
 * on it. */
static int64_t choose_chunk(const rs_engine *e, int64_t n)
{
    enum { CACHE = 640 * 1024, MAX = 48 };
    int64_t bytes = 1; /* never a division by zero */
    if (e->reference)
        return 1;
    for (int t = 0; t < e->qnet->n_tensors; t++)
        bytes += rs_qtensor_count(&e->qnet->tensors[t]) * rs_storage_size(e->storage[t]);
    int64_t chunk = CACHE / bytes < MAX ? CACHE / bytes : MAX;
    const int64_t share = (n + rs_threads() - 1) / rs_threads();
    chunk = chunk < share ? chunk : share;
    return chunk > 1 ? chunk : 1;
}

static void free_scratch(const rs_engine *e, rs_engine_scratch *w)
{
    for (int t = 0; w->tensors && t < e->qnet->n_tensors; t++)
        rs_free(w->tensors[t]);
    rs_free(w->tensors);
    rs_free(w->operand);
    rs_free(w->gathered);
    rs_free(w->sums);
    rs_free(w->integers);
    rs_free(w->chw[0]);
    rs_free(w->chw[1]);
    rs_free(w->room);
    rs_free(w->saturations);
}

static bool new_scratch(const rs_engine *e, int64_t chunk, rs_engine_scratch *w)
{
    const rs_qnet *q = e->qnet;
    size_t operand = 0, gathered = 0, sums = 0;
    for (int i = 0; i < q->n_ops && !e->reference; i++) {
        const rs_engine_plan *p = &e->plans[i];
        if (!rs_qop_weighted(&q->ops[i]))
            continue;
        const size_t size = (size_t)p->kernel->size;
        const size_t in = (size_t)(chunk * rs_qtensor_count(&q->tensors[q->ops[i].input])) * size;
        const size_t windows = RS_BLOCK * (size_t)(p->steps * p->kernel->group) * size;
        const size_t lanes = RS_BLOCK * (size_t)p->kernel->vectors * (size_t)p->kernel->lanes;
        operand = e->storage[q->ops[i].input] != p->operand && in > operand ? in : operand;
        gathered = p->gather && windows > gathered ? windows : gathered;
        sums = lanes > sums ? lanes : sums;
    }
    operand = e->minifloat ? rs_minifloat_engine_room(e->minifloat) : operand;
    int64_t max = 0, max_together = rs_qtensor_count(&q->tensors[0]), room = 0;
    for (int t = 0; t < q->n_tensors && !e->reference; t++)
        max = rs_max64(rs_qtensor_count(&q->tensors[t]), max);
    for (int i = 0; i < q->n_ops && !e->reference; i++) {
        const rs_qop *op = &q->ops[i];
        int64_t together = rs_qtensor_count(&q->tensors[op->output]);
        for (int k = 0; k < op->n_inputs && !rs_qop_weighted(op); k++)
            together += rs_qtensor_count(&q->tensors[op->inputs[k]]);
        max_together = together > max_together ? together : max_together;
        const int64_t doubles = fast[op->type] && fast[op->type]->doubles ? fast[op->type]->doubles(q, op) : 0;
        room = doubles > room ? doubles : room;
    }
    w->room = RS_NEW_ARRAY(double, (size_t)room + 1);
    w->chw[0] = RS_NEW_ARRAY(int32_t, (size_t)max + 1);
    w->chw[1] = RS_NEW_ARRAY(int32_t, (size_t)max_together);
    w->tensors = RS_NEW_ARRAY(void *, (size_t)q->n_tensors);
    w->operand = rs_calloc(operand + RS_SLACK, 1);
    w->gathered = rs_calloc(gathered + RS_SLACK, 1);
    w->sums = rs_calloc(sums + 1, sizeof(double));
    w->integers = RS_NEW_ARRAY(int32_t, sums + 1);
    w->saturations = RS_NEW_ARRAY(uint64_t, (size_t)q->n_ops);
    bool ok = w->tensors && w->operand && w->gathered && w->sums && w->integers && w->saturations && w->chw[0] &&
              w->chw[1] && w->room;
    for (int t = 0; ok && t < q->n_tensors; t++) {
        const size_t size = e->reference ? sizeof(int32_t) : (size_t)rs_storage_size(e->storage[t]);
        w->tensors[t] = rs_calloc((size_t)(chunk * rs_qtensor_count(&q->tensors[t])) * size + RS_SLACK, 1);
        ok = w->tensors[t] != NULL;
    }
    return ok;
}

void rs_engine_free_scratch(rs_engine *e)
{
    for (int i = 0; e->scratch && i < e->workers; i++)
        free_scratch(e, &e->scratch[i]);
    rs_free(e->scratch);
    e->scratch = NULL;
    e->workers = 0;
    e->chunk = 0;
}

/* Scratch for all threads and `chunk` images: what there is, or a larger one. Its counters begin at zero. */
static bool make_scratch(rs_engine *e, int64_t chunk)
{
    const int workers = rs_threads();
    if (workers > e->workers || chunk > e->chunk) {
        rs_engine_free_scratch(e);
        e->scratch = RS_NEW_ARRAY(rs_engine_scratch, (size_t)workers);
        e->workers = workers;
        e->chunk = chunk;
        bool ok = e->scratch != NULL;
        for (int i = 0; ok && i < workers; i++)
            ok = new_scratch(e, chunk, &e->scratch[i]);
        if (!ok)
            rs_engine_free_scratch(e);
        return ok;
    }
    for (int i = 0; i < e->workers; i++)
        memset(e->scratch[i].saturations, 0, (size_t)e->qnet->n_ops * sizeof *e->scratch[i].saturations);
    return true;
}

/* Runs n images; with `wanted`, for n = 1, copies its tensors out. */
static rs_status run_images(rs_engine *e, const uint8_t *pixels, int64_t n, int32_t *scores, int32_t *const *wanted,
                            uint64_t *saturations, rs_diag *diag)
{
    const rs_qnet *q = e->qnet;
    engine_run r = { .engine = e, .pixels = pixels, .n = n, .chunk = choose_chunk(e, n), .scores = scores };
    if (!make_scratch(e, r.chunk))
        return rs_out_of_memory(diag);
    rs_parallel((size_t)((n + r.chunk - 1) / r.chunk), run_task, &r);
    for (int i = 0; saturations && i < e->workers; i++)
        for (int k = 0; k < q->n_ops; k++)
            saturations[k] += e->scratch[i].saturations[k];
    for (int t = 0; wanted && t < q->n_tensors; t++) {
        const rs_engine_scratch *w = &e->scratch[r.worker];
        if (wanted[t] && e->reference)
            memcpy(wanted[t], w->tensors[t], (size_t)rs_qtensor_count(&q->tensors[t]) * sizeof(int32_t));
        else if (wanted[t])
            rs_engine_take(e, w, t, 0, w->chw[0], wanted[t]);
    }
    return rs_interrupted() ? RS_INTERRUPTED : RS_OK;
}

rs_status rs_engine_run(rs_engine *engine, const uint8_t *pixels, int64_t n, int32_t *scores, uint64_t *saturations,
                        rs_diag *diag)
{
    return run_images(engine, pixels, n, scores, NULL, saturations, diag);
}

rs_status rs_engine_trace(rs_engine *engine, const uint8_t *pixels, int32_t *const *tensors, uint64_t *saturations,
                          rs_diag *diag)
{
    return run_images(engine, pixels, 1, NULL, tensors, saturations, diag);
}
