/* Scores of data sets, on the exact engine and in float emulation (docs/arithmetic.md sections 6 and 8). */
#include "emulate/score.h"

#include <math.h>

#include "base/integer.h"
#include "base/progress.h"
#include "base/threads.h"
#include "emulate/emulate.h"

/* Section 6, score. */
static void count_hits(const int32_t *scores, const int32_t *labels, int64_t n, int64_t classes, int top_k,
                       rs_score *score)
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

/* Images whose pixels take a few megabytes, but enough of them to keep all threads at work. */
static int64_t images_at_once(int64_t pixels)
{
    enum { BYTES = 4 << 20, MAX = 8192, PER_THREAD = 4 };
    return rs_max64(rs_min64(BYTES / rs_max64(pixels, 1), MAX), (int64_t)PER_THREAD * rs_threads());
}

rs_status rs_engine_score(rs_engine *engine, const rs_dataset *set, int top_k, rs_score *score, rs_diag *diag)
{
    const rs_qnet *q = rs_engine_qnet(engine);
    const rs_qtensor *input = &q->tensors[0], *output = &q->tensors[q->n_tensors - 1];
    const int64_t classes = (int64_t)output->channels * output->height * output->width;
    const double begin = rs_seconds();
    score->images = score->hits = score->ties = 0;
    score->seconds = 0;
    if (top_k < 1)
        return rs_error(diag, RS_USAGE, RS_NOWHERE, NULL, "top %d, expected at least 1", top_k);
    if (set->channels != input->channels || set->height != input->height || set->width != input->width)
        return rs_error(diag, RS_BAD_INPUT, RS_FILE(set->path), NULL,
                        "images of %dx%dx%d (channels x height x width), the network '%s' expects %dx%dx%d",
                        set->channels, set->height, set->width, q->name, input->channels, input->height, input->width);
    for (int64_t i = 0; i < set->count; i++)
        if (set->labels[i] < 0 || set->labels[i] >= classes)
            return rs_error(diag, RS_BAD_INPUT, RS_FILE(set->path), NULL,
                            "label %d of image %lld, the network '%s' has %lld classes", (int)set->labels[i],
                            (long long)i, q->name, (long long)classes);
    const int64_t batch = rs_min64(set->count, images_at_once(rs_qtensor_count(input)));
    const rs_data_param as_bytes = { .scale = 1.0f };
    rs_feed *feed = NULL;
    rs_status status = rs_feed_new(set, &as_bytes, NULL, 0, batch, &feed, diag);
    int32_t *scores = status == RS_OK ? RS_NEW_ARRAY(int32_t, (size_t)(batch * classes)) : NULL;
    if (status == RS_OK && scores == NULL)
        status = rs_out_of_memory(diag);
    for (int64_t first = 0; first < set->count && status == RS_OK; first += batch) {
        const int64_t n = rs_min64(batch, set->count - first);
        const uint8_t *pixels = NULL;
        status = rs_feed_bytes(feed, n, &pixels, diag);
        if (status == RS_OK)
            status = rs_engine_run(engine, pixels, n, scores, score->saturations, diag);
        if (status == RS_OK)
            count_hits(scores, set->labels + first, n, classes, top_k, score);
    }
    if (status == RS_OK) {
        score->images = set->count;
        score->seconds = rs_seconds() - begin;
    }
    rs_free(scores);
    rs_feed_free(feed);
    return status;
}

rs_status rs_emulate_score(const rs_calibration *on, const rs_formats *formats, int top_k, rs_counts *counts,
                           rs_diag *diag)
{
    rs_plan *plan = NULL;
    rs_emulator *emulator = NULL;
    const int64_t images = rs_calibration_images(on);
    rs_status st = rs_plan_new(on->net, &plan, diag);
    if (st == RS_OK)
        st = rs_plan_check_set(plan, on->net, on->set, diag);
    if (st == RS_OK)
        st = rs_emulator_new(on->net, plan, on->data, images, &emulator, diag);
    const int64_t batch = st == RS_OK ? rs_emulator_batch(emulator) : 1;
    rs_progress *progress = rs_progress_begin("scoring", (uint64_t)images, "images");
    *counts = (rs_counts) { 0, 0 };
    for (int64_t first = 0; first < images && st == RS_OK; first += batch) {
        if (rs_interrupted()) {
            st = rs_error(diag, RS_INTERRUPTED, RS_NOWHERE, NULL, "interrupted after %lld of %lld images",
                          (long long)first, (long long)images);
            break;
        }
        rs_counts some = { 0, 0 };
        st = rs_emulator_load(emulator, on->set, first, rs_min64(batch, images - first), diag);
        if (st == RS_OK)
            st = rs_emulator_run(emulator, formats, on->bias_rule, on->rounding, top_k, &some, diag);
        counts->hits += some.hits;
        counts->ties += some.ties;
        rs_progress_update(progress, (uint64_t)rs_min64(first + batch, images), NULL);
    }
    rs_progress_end(progress);
    rs_emulator_free(emulator);
    rs_plan_free(plan);
    return st;
}

double rs_cross_entropy(const float *scores, int64_t classes, int32_t label)
{
    double max = (double)scores[0], sum = 0.0;
    for (int64_t c = 1; c < classes; c++)
        max = (double)scores[c] > max ? (double)scores[c] : max;
    for (int64_t c = 0; c < classes; c++)
        sum += exp((double)scores[c] - max);
    return log(sum) + max - (double)scores[label];
}
