/* The stage that runs the C model of the array, its scores held against the exact engine's. */
#include "flow/simulate.h"

#include "base/memory.h"
#include "base/progress.h"
#include "engine/engine.h"
#include "layers/exec.h"

/* The images through the array model, the scores against the exact engine's. Counts saturations of the first one in
 * the machine's stats. */
static rs_status score_images(const rs_qnet *qnet, const rs_dataset *part, rs_simulation *s, rs_diag *diag)
{
    enum { AHEAD = 8 }; /* images that are read while one runs */
    const rs_qtensor *last = &qnet->tensors[qnet->n_tensors - 1];
    const int64_t classes = (int64_t)last->channels * last->height * last->width;
    const rs_data_param as_bytes = { .scale = 1.0f };
    int32_t *got = RS_NEW_ARRAY(int32_t, (size_t)classes), *expected = RS_NEW_ARRAY(int32_t, (size_t)classes);
    float *scores = RS_NEW_ARRAY(float, (size_t)classes);
    rs_engine *engine = NULL;
    rs_status status = got == NULL || expected == NULL || scores == NULL ? rs_out_of_memory(diag)
                                                                         : rs_engine_new(qnet, false, &engine, diag);
    rs_feed *feed = NULL;
    if (status == RS_OK)
        status = rs_feed_new(part, &as_bytes, NULL, 0, AHEAD, &feed, diag);
    s->images = part->count;
    rs_progress *progress = rs_progress_begin("simulate", (uint64_t)part->count, "images");
    for (int64_t i = 0; i < part->count && status == RS_OK; i++) {
        const uint8_t *pixels = NULL;
        status = rs_feed_bytes(feed, 1, &pixels, diag);
        if (status != RS_OK)
            break;
        const double begin = rs_seconds();
        status = rs_machine_run(&s->machine, pixels, (uint64_t)i, i == 0 ? &s->machine.stats : NULL, got, diag);
        s->seconds += rs_seconds() - begin;
        if (status == RS_OK)
            status = rs_engine_run(engine, pixels, 1, expected, NULL, diag);
        for (int64_t c = 0; c < classes && status == RS_OK; c++) {
            scores[c] = (float)got[c]; /* at most 16 bits: exact */
            s->compared++;
            s->different += got[c] != expected[c];
        }
        int64_t ties = 0;
        if (status == RS_OK)
            s->hits += rs_count_hits(scores, part->labels + i, 1, classes, 1, &ties);
        s->ties += ties;
        rs_progress_update(progress, (uint64_t)i + 1, NULL);
        if (status == RS_OK && rs_interrupted())
            status = RS_INTERRUPTED;
    }
    rs_progress_end(progress);
    rs_feed_free(feed);
    rs_engine_free(engine);
    rs_free(got);
    rs_free(expected);
    rs_free(scores);
    return status;
}

rs_status rs_stage_simulate(const rs_qnet *qnet, const rs_array_config *config, const rs_dataset *set, rs_slice slice,
                            const rs_data_override *over, rs_simulation *s, rs_diag *diag)
{
    rs_dataset *images = NULL;
    *s = (rs_simulation) { .set = set, .slice = slice };
    rs_status status = set != NULL ? rs_stage_images(qnet, set, slice, over, RS_HELD_MAX_BYTES, &images, diag) : RS_OK;
    if (status == RS_OK)
        status = rs_machine_open(qnet, config, &s->machine, diag);
    if (status == RS_OK)
        status = images != NULL ? score_images(qnet, images, s, diag) : rs_machine_count(&s->machine, diag);
    rs_dataset_free(images);
    if (status == RS_OK && s->different > 0)
        status = rs_error(diag, RS_MISMATCH, RS_NOWHERE,
                          "an accumulator that is too narrow (accumulator_bits) changes sums",
                          "%lld of %lld scores of the array model differ from the exact engine's",
                          (long long)s->different, (long long)s->compared);
    return status;
}

void rs_simulation_clear(rs_simulation *s)
{
    rs_machine_close(&s->machine);
}
