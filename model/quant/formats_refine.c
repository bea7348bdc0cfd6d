/* Better fractional lengths than those that follow from the largest magnitude: coordinate descent on the score. */
#include <math.h>

#include "base/progress.h"
#include "quant/finetune.h"
#include "quant/quantize_emulate.h"

typedef struct quality {
    int64_t hits;
    double loss; /* sum of -log softmax of the label */
} quality;

typedef struct refiner {
    const rs_net *net;
    const rs_dataset *set;
    int64_t images;
    rs_bias_rule bias_rule;
    rs_rounding rounding;
    rs_plan *plan;
    rs_emulator *emulator;
    rs_formats *formats;
} refiner;

static double cross_entropy(const float *scores, int64_t classes, int32_t label)
{
    double most = (double)scores[0], sum = 0.0;
    for (int64_t c = 1; c < classes; c++)
        most = (double)scores[c] > most ? (double)scores[c] : most;
    for (int64_t c = 0; c < classes; c++)
        sum += exp((double)scores[c] - most);
    return log(sum) + most - (double)scores[label];
}

static rs_status judge(refiner *r, quality *q, rs_diag *diag)
{
    const int64_t batch = rs_emulator_batch(r->emulator), classes = rs_plan_count(r->net, r->plan->scores);
    *q = (quality){ 0, 0.0 };
    rs_status st = RS_OK;
    for (int64_t first = 0; first < r->images && st == RS_OK; first += batch) {
        const int64_t n = r->images - first < batch ? r->images - first : batch;
        int64_t hits = 0, ties = 0;
        rs_emulator_load(r->emulator, r->set, first, n);
        st = rs_emulator_run(r->emulator, r->formats, r->bias_rule, r->rounding, 1, &hits, &ties, diag);
        const float *scores = rs_emulator_scores(r->emulator);
        for (int64_t i = 0; i < n && st == RS_OK; i++)
            q->loss += cross_entropy(scores + i * classes, classes, r->set->labels[first + i]);
        q->hits += hits;
        if (st == RS_OK && rs_interrupted())
            st = rs_error(diag, RS_INTERRUPTED, RS_NOWHERE, NULL, "interrupted while formats were chosen");
    }
    return st;
}

static bool better(quality a, quality b)
{
    return a.hits != b.hits ? a.hits > b.hits : a.loss < b.loss;
}

/* Coordinate k: the weights of a layer, then the classes of blobs. Moves its fractional length; false if there is nothing to move. */
static bool move(refiner *r, int k, int by)
{
    if (k < r->net->n_layers) {
        rs_fxp *f = &r->formats->weights[k];
        if (f->bits == 0 || k >= r->plan->n_layers || f->fl + by < RS_FL_MIN || f->fl + by > RS_FL_MAX)
            return false;
        f->fl += by;
        return true;
    }
    const int blob = k - r->net->n_layers;
    if (r->plan->format_class[blob] != blob || r->formats->activations[blob].bits == 0)
        return false;
    const int fl = r->formats->activations[blob].fl + by;
    if (fl < RS_FL_MIN || fl > RS_FL_MAX)
        return false;
    for (int b = 0; b < r->net->n_blobs; b++)
        if (r->plan->format_class[b] == blob)
            r->formats->activations[b].fl = fl;
    return true;
}

static rs_status descend(refiner *r, int passes, int *trials, rs_diag *diag)
{
    const int coordinates = r->net->n_layers + r->net->n_blobs;
    quality best;
    rs_status st = judge(r, &best, diag);
    *trials = 1;
    bool moved = true;
    rs_progress *progress = rs_progress_begin("formats", (uint64_t)passes * (uint64_t)coordinates, "steps");
    for (int pass = 0; pass < passes && moved && st == RS_OK; pass++) {
        moved = false;
        for (int k = 0; k < coordinates && st == RS_OK; k++) {
            for (int by = 1; by >= -1 && st == RS_OK; by -= 2) {
                bool improved = false;
                while (st == RS_OK && move(r, k, by)) {
                    quality q;
                    st = judge(r, &q, diag);
                    ++*trials;
                    if (st != RS_OK || !better(q, best)) {
                        (void)move(r, k, -by);
                        break;
                    }
                    best = q;
                    moved = improved = true;
                }
                if (improved)
                    break; /* back is where it came from */
            }
            rs_progress_update(progress, (uint64_t)pass * (uint64_t)coordinates + (uint64_t)k + 1, NULL);
        }
    }
    rs_progress_end(progress);
    return st;
}

rs_status rs_formats_refine(const rs_net *net, const rs_data_param *data, const rs_dataset *set, int64_t images, rs_bias_rule bias_rule,
                            rs_rounding rounding, int passes, rs_formats *formats, int *trials, rs_diag *diag)
{
    refiner r = { .net = net, .set = set, .bias_rule = bias_rule, .rounding = rounding, .formats = formats };
    r.images = images > 0 && images < set->count ? images : set->count;
    int scored = 0;
    rs_status st = rs_plan_new(net, &r.plan, diag);
    if (st == RS_OK)
        st = rs_plan_check_set(r.plan, net, set, diag);
    if (st == RS_OK)
        st = rs_emulator_new(net, r.plan, data, r.images, &r.emulator, diag);
    if (st == RS_OK)
        st = descend(&r, passes, &scored, diag);
    if (trials != NULL)
        *trials = scored;
    rs_emulator_free(r.emulator);
    rs_plan_free(r.plan);
    return st;
}
