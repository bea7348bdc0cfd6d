/* Better fractional lengths and places of scores for given widths, by what they do to labelled images. */
#include <math.h>
#include <string.h>

#include "base/integer.h"
#include "base/memory.h"
#include "base/progress.h"
#include "emulate/emulate.h"
#include "formats/refine.h"

typedef struct refine_quality {
    int64_t hits;
    double loss; /* sum of -log softmax of the label */
} refine_quality;

typedef struct refiner {
    const rs_calibration *on;
    int64_t images;
    rs_plan *plan;
    rs_emulator *emulator;
    rs_formats *formats;
    bool keep_weights;
} refiner;

/* *r is to be released by refiner_clear in any case. */
static rs_status refiner_init(refiner *r, const rs_calibration *on, rs_formats *formats, rs_diag *diag)
{
    *r = (refiner) { .on = on, .images = rs_calibration_images(on), .formats = formats };
    rs_status st = rs_plan_new(on->net, &r->plan, diag);
    if (st == RS_OK)
        st = rs_plan_check_set(r->plan, on->net, on->set, diag);
    if (st == RS_OK)
        st = rs_emulator_new(on->net, r->plan, on->data, r->images, &r->emulator, diag);
    return st;
}

static void refiner_clear(refiner *r)
{
    rs_emulator_free(r->emulator);
    rs_plan_free(r->plan);
}

/* All images with the formats as they are. Gives the scores as well, [images][classes], unless `y` is NULL. */
static rs_status judge(refiner *r, refine_quality *q, float *y, rs_diag *diag)
{
    const rs_calibration *on = r->on;
    const int64_t batch = rs_emulator_batch(r->emulator), classes = rs_plan_count(on->net, r->plan->scores);
    *q = (refine_quality) { 0, 0.0 };
    rs_status st = RS_OK;
    for (int64_t first = 0; first < r->images && st == RS_OK; first += batch) {
        const int64_t n = rs_min64(r->images - first, batch);
        rs_counts counts = { 0, 0 };
        st = rs_emulator_load(r->emulator, on->set, first, n, diag);
        if (st == RS_OK)
            st = rs_emulator_run(r->emulator, r->formats, on->bias_rule, on->rounding, 1, &counts, diag);
        const float *scores = rs_emulator_scores(r->emulator);
        for (int64_t i = 0; i < n && st == RS_OK; i++)
            q->loss += rs_cross_entropy(scores + i * classes, classes, on->set->labels[first + i]);
        q->hits += counts.hits;
        if (st == RS_OK && y != NULL)
            memcpy(y + first * classes, scores, (size_t)(n * classes) * sizeof *y);
        if (st == RS_OK && rs_interrupted())
            st = rs_error(diag, RS_INTERRUPTED, RS_NOWHERE, NULL, "interrupted while formats were chosen");
    }
    return st;
}

static bool better(refine_quality a, refine_quality b)
{
    return a.hits != b.hits ? a.hits > b.hits : a.loss < b.loss;
}

/* Coordinate k: the weights of a layer, then the classes of blobs. Moves its fractional length; false if there is
 * nothing to move. */
static bool move(refiner *r, int k, int by)
{
    if (k < r->on->net->n_layers) {
        rs_number_format *f = &r->formats->weights[k];
        if (r->keep_weights || f->bits == 0 || f->number != RS_NUMBER_FIXED || k >= r->plan->n_layers ||
            f->fl + by < RS_FL_MIN || f->fl + by > RS_FL_MAX)
            return false;
        f->fl += by;
        const int64_t channels = r->formats->weight_fl[k] != NULL ? r->on->net->layers[k].params[0].shape.dim[0] : 0;
        for (int64_t o = 0; o < channels; o++)
            r->formats->weight_fl[k][o] += by;
        return true;
    }
    const int blob = k - r->on->net->n_layers;
    if (r->plan->format_class[blob] != blob || r->formats->activations[blob].bits == 0 ||
        r->formats->activations[blob].number != RS_NUMBER_FIXED)
        return false;
    const int fl = r->formats->activations[blob].fl + by;
    if (fl < RS_FL_MIN || fl > RS_FL_MAX)
        return false;
    for (int b = 0; b < r->on->net->n_blobs; b++)
        if (r->plan->format_class[b] == blob)
            r->formats->activations[b].fl = fl;
    return true;
}

static void move_all(refiner *r, bool weights, int by)
{
    const int from = weights ? 0 : r->on->net->n_layers,
              to = weights ? r->on->net->n_layers : r->on->net->n_layers + r->on->net->n_blobs;
    for (int k = from; k < to; k++)
        (void)move(r, k, by);
}

/* In narrow words everything may round to zero, and no single format mends that: all activations, then all weights, are
 * first made finer together. */
static rs_status shift(refiner *r, refine_quality *best, int *trials, rs_diag *diag)
{
    enum { STEPS = 3 }; /* steps; far from the limits of a fractional length */
    rs_status st = RS_OK;
    for (int i = 0; i < r->on->net->n_layers; i++)
        if (r->formats->weights[i].fl > RS_FL_MAX - STEPS)
            return st; /* no room */
    for (int b = 0; b < r->on->net->n_blobs; b++)
        if (r->formats->activations[b].fl > RS_FL_MAX - STEPS)
            return st;
    for (int kind = 0; kind < 2 && st == RS_OK; kind++) {
        int at = 0;
        for (int by = 1; by <= STEPS && st == RS_OK; by++) {
            refine_quality q;
            move_all(r, kind == 1, 1);
            st = judge(r, &q, NULL, diag);
            ++*trials;
            if (st == RS_OK && better(q, *best)) {
                *best = q;
                at = by;
            }
        }
        move_all(r, kind == 1, at - STEPS);
    }
    return st;
}

static rs_status descend(refiner *r, int passes, int *trials, rs_diag *diag)
{
    const int coordinates = r->on->net->n_layers + r->on->net->n_blobs;
    refine_quality best;
    rs_status st = judge(r, &best, NULL, diag);
    *trials = 1;
    if (st == RS_OK)
        st = shift(r, &best, trials, diag);
    bool moved = true;
    rs_progress *progress = rs_progress_begin("formats", (uint64_t)passes * (uint64_t)coordinates, "steps");
    for (int pass = 0; pass < passes && moved && st == RS_OK; pass++) {
        moved = false;
        for (int k = 0; k < coordinates && st == RS_OK; k++) {
            for (int by = 1; by >= -1 && st == RS_OK; by -= 2) {
                bool improved = false;
                while (st == RS_OK && move(r, k, by)) {
                    refine_quality q;
                    st = judge(r, &q, NULL, diag);
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

rs_status rs_formats_refine(const rs_calibration *on, bool keep_weights, int passes, rs_formats *formats, int *trials,
                            rs_diag *diag)
{
    refiner r;
    int scored = 0;
    rs_status st = refiner_init(&r, on, formats, diag);
    r.keep_weights = keep_weights;
    if (st == RS_OK)
        st = descend(&r, passes, &scored, diag);
    if (trials != NULL)
        *trials = scored;
    refiner_clear(&r);
    return st;
}

/* ------------------------------------------------------------------------------------------------------- scores */

/* Every constant in steps of half of the format's, over the range of the scores. */
static void place(const refiner *r, const float *y, float *rounded, rs_fxp *format, float *constant)
{
    const int64_t classes = rs_plan_count(r->on->net, r->plan->scores), n = r->images * classes;
    const rs_fxp given = *format;
    double max = 0.0;
    for (int64_t i = 0; i < n; i++)
        max = fabs((double)y[i]) > max ? fabs((double)y[i]) : max;
    refine_quality best = { -1, 0.0 };
    for (int by = 0; by <= 4; by++) {
        const rs_fxp f = { given.bits, given.fl + (by <= 2 ? by : 2 - by) }; /* as given, then finer, then coarser */
        if (f.fl > RS_FL_MAX || f.fl < RS_FL_MIN)
            continue;
        const double half = ldexp(0.5, -f.fl);
        for (int k = 0; (double)k * half <= max && k <= 256; k++) {
            refine_quality q = { 0, 0.0 };
            int64_t ties = 0;
            for (int64_t i = 0; i < n; i++)
                rounded[i] = y[i] - (float)((double)k * half);
            rs_fxp_emulate_array(rounded, (size_t)n, f, r->on->rounding, 0, 0);
            q.hits = rs_count_hits(rounded, r->on->set->labels, r->images, classes, 1, &ties);
            if (q.hits <= best.hits)
                continue;
            best = q;
            *format = f;
            *constant = (float)((double)k * half);
        }
    }
}

rs_status rs_formats_place_scores(const rs_calibration *on, rs_formats *formats, float *constant, rs_diag *diag)
{
    *constant = 0.0f;
    const int scores = rs_net_scores(on->net);
    if (formats->wide_scores || rs_scores_layer(on->net, formats) < 0)
        return RS_OK;
    refiner r;
    const rs_number_format given = formats->activations[scores];
    rs_fxp format = rs_number_fxp(given);
    float *y = NULL, *rounded = NULL;
    rs_status st = refiner_init(&r, on, formats, diag);
    if (st == RS_OK) {
        const size_t n = (size_t)(r.images * rs_plan_count(on->net, r.plan->scores));
        y = RS_NEW_ARRAY(float, n);
        rounded = RS_NEW_ARRAY(float, n);
        st = y == NULL || rounded == NULL ? rs_out_of_memory(diag) : RS_OK;
    }
    if (st == RS_OK) {
        refine_quality q;
        formats->activations[scores].bits = 0;
        st = judge(&r, &q, y, diag);
        formats->activations[scores] = given;
    }
    if (st == RS_OK) {
        place(&r, y, rounded, &format, constant);
        formats->activations[scores] = rs_number_of_fxp(format);
    }
    rs_free(y);
    rs_free(rounded);
    refiner_clear(&r);
    return st;
}
