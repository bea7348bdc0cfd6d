/* Better fractional lengths than those that follow from the largest magnitude: coordinate descent on the score. */
#include <math.h>
#include <string.h>

#include "base/progress.h"
#include "formats/refine.h"
#include "emulate/emulate.h"

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
    bool keep_weights;
} refiner;

/* Scores of `images` images, float where their format has no bits, into y. */
static rs_status collect(refiner *r, float *y, rs_diag *diag)
{
    const int64_t batch = rs_emulator_batch(r->emulator), classes = rs_plan_count(r->net, r->plan->scores);
    rs_status st = RS_OK;
    for (int64_t first = 0; first < r->images && st == RS_OK; first += batch) {
        const int64_t n = r->images - first < batch ? r->images - first : batch;
        int64_t hits = 0, ties = 0;
        rs_emulator_load(r->emulator, r->set, first, n);
        st = rs_emulator_run(r->emulator, r->formats, r->bias_rule, r->rounding, 1, &hits, &ties, diag);
        if (st == RS_OK)
            memcpy(y + first * classes, rs_emulator_scores(r->emulator), (size_t)(n * classes) * sizeof *y);
    }
    return st;
}

double rs_cross_entropy(const float *scores, int64_t classes, int32_t label)
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
    *q = (quality) { 0, 0.0 };
    rs_status st = RS_OK;
    for (int64_t first = 0; first < r->images && st == RS_OK; first += batch) {
        const int64_t n = r->images - first < batch ? r->images - first : batch;
        int64_t hits = 0, ties = 0;
        rs_emulator_load(r->emulator, r->set, first, n);
        st = rs_emulator_run(r->emulator, r->formats, r->bias_rule, r->rounding, 1, &hits, &ties, diag);
        const float *scores = rs_emulator_scores(r->emulator);
        for (int64_t i = 0; i < n && st == RS_OK; i++)
            q->loss += rs_cross_entropy(scores + i * classes, classes, r->set->labels[first + i]);
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

/* Coordinate k: the weights of a layer, then the classes of blobs. Moves its fractional length; false if there is
 * nothing to move. */
static bool move(refiner *r, int k, int by)
{
    if (k < r->net->n_layers) {
        rs_number_format *f = &r->formats->weights[k];
        if (r->keep_weights || f->bits == 0 || f->number != RS_NUMBER_FIXED || k >= r->plan->n_layers ||
            f->fl + by < RS_FL_MIN || f->fl + by > RS_FL_MAX)
            return false;
        f->fl += by;
        const int64_t channels = r->formats->weight_fl[k] != NULL ? r->net->layers[k].params[0].shape.dim[0] : 0;
        for (int64_t o = 0; o < channels; o++)
            r->formats->weight_fl[k][o] += by;
        return true;
    }
    const int blob = k - r->net->n_layers;
    if (r->plan->format_class[blob] != blob || r->formats->activations[blob].bits == 0 ||
        r->formats->activations[blob].number != RS_NUMBER_FIXED)
        return false;
    const int fl = r->formats->activations[blob].fl + by;
    if (fl < RS_FL_MIN || fl > RS_FL_MAX)
        return false;
    for (int b = 0; b < r->net->n_blobs; b++)
        if (r->plan->format_class[b] == blob)
            r->formats->activations[b].fl = fl;
    return true;
}

static void move_all(refiner *r, bool weights, int by)
{
    const int from = weights ? 0 : r->net->n_layers,
              to = weights ? r->net->n_layers : r->net->n_layers + r->net->n_blobs;
    for (int k = from; k < to; k++)
        (void)move(r, k, by);
}

/* In narrow words everything may round to zero, and no single format mends that: all activations, then all weights, are
 * first made finer together. */
static rs_status shift(refiner *r, quality *best, int *trials, rs_diag *diag)
{
    enum { MOST = 3 }; /* steps; far from the limits of a fractional length */
    rs_status st = RS_OK;
    for (int i = 0; i < r->net->n_layers; i++)
        if (r->formats->weights[i].fl > RS_FL_MAX - MOST)
            return st; /* no room */
    for (int b = 0; b < r->net->n_blobs; b++)
        if (r->formats->activations[b].fl > RS_FL_MAX - MOST)
            return st;
    for (int kind = 0; kind < 2 && st == RS_OK; kind++) {
        int at = 0;
        for (int by = 1; by <= MOST && st == RS_OK; by++) {
            quality q;
            move_all(r, kind == 1, 1);
            st = judge(r, &q, diag);
            ++*trials;
            if (st == RS_OK && better(q, *best)) {
                *best = q;
                at = by;
            }
        }
        move_all(r, kind == 1, at - MOST);
    }
    return st;
}

static rs_status descend(refiner *r, int passes, int *trials, rs_diag *diag)
{
    const int coordinates = r->net->n_layers + r->net->n_blobs;
    quality best;
    rs_status st = judge(r, &best, diag);
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

rs_status rs_formats_refine(const rs_net *net, const rs_data_param *data, const rs_dataset *set, int64_t images,
                            rs_bias_rule bias_rule, rs_rounding rounding, bool keep_weights, int passes,
                            rs_formats *formats, int *trials, rs_diag *diag)
{
    refiner r = { .keep_weights = keep_weights,
                  .net = net,
                  .set = set,
                  .bias_rule = bias_rule,
                  .rounding = rounding,
                  .formats = formats };
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

/* ------------------------------------------------------------------------------------------------------- scores */

int rs_scores_layer(const rs_net *net, const rs_formats *formats)
{
    const int scores = rs_net_scores(net);
    for (int i = 0; i < net->n_layers && scores >= 0; i++)
        if (net->layers[i].n_tops == 1 && net->layers[i].tops[0] == scores)
            return rs_layer_group(&net->layers[i]) != RS_GROUPS && net->layers[i].n_params == 2 &&
                           formats->activations[scores].bits > 0
                       ? i
                       : -1;
    return -1;
}

/* Every constant in steps of half of the format's, over the range of the scores. */
static void place(const refiner *r, const float *y, float *rounded, rs_fxp *format, float *constant)
{
    const int64_t classes = rs_plan_count(r->net, r->plan->scores), n = r->images * classes;
    const rs_fxp given = *format;
    double most = 0.0;
    for (int64_t i = 0; i < n; i++)
        most = fabs((double)y[i]) > most ? fabs((double)y[i]) : most;
    quality best = { -1, 0.0 };
    for (int by = 0; by <= 4; by++) {
        const rs_fxp f = { given.bits, given.fl + (by <= 2 ? by : 2 - by) }; /* as given, then finer, then coarser */
        if (f.fl > RS_FL_MAX || f.fl < RS_FL_MIN)
            continue;
        const double half = ldexp(0.5, -f.fl);
        for (int k = 0; (double)k * half <= most && k <= 256; k++) {
            quality q = { 0, 0.0 };
            int64_t ties = 0;
            for (int64_t i = 0; i < n; i++)
                rounded[i] = y[i] - (float)((double)k * half);
            rs_fxp_emulate_array(rounded, (size_t)n, f, r->rounding, 0, 0);
            q.hits = rs_count_hits(rounded, r->set->labels, r->images, classes, 1, &ties);
            if (q.hits <= best.hits)
                continue;
            best = q;
            *format = f;
            *constant = (float)((double)k * half);
        }
    }
}

rs_status rs_formats_place_scores(const rs_net *net, const rs_data_param *data, const rs_dataset *set, int64_t images,
                                  rs_bias_rule bias_rule, rs_rounding rounding, rs_formats *formats, float *constant,
                                  rs_diag *diag)
{
    *constant = 0.0f;
    const int scores = rs_net_scores(net);
    if (formats->wide_scores || rs_scores_layer(net, formats) < 0)
        return RS_OK;
    refiner r = { .net = net, .set = set, .bias_rule = bias_rule, .rounding = rounding, .formats = formats };
    r.images = images > 0 && images < set->count ? images : set->count;
    const rs_number_format given = formats->activations[scores];
    rs_fxp format = rs_number_fxp(given);
    float *y = NULL, *rounded = NULL;
    rs_status st = rs_plan_new(net, &r.plan, diag);
    if (st == RS_OK)
        st = rs_plan_check_set(r.plan, net, set, diag);
    if (st == RS_OK)
        st = rs_emulator_new(net, r.plan, data, r.images, &r.emulator, diag);
    if (st == RS_OK) {
        const size_t n = (size_t)(r.images * rs_plan_count(net, r.plan->scores));
        y = RS_NEW_ARRAY(float, n);
        rounded = RS_NEW_ARRAY(float, n);
        st = y == NULL || rounded == NULL ? rs_out_of_memory(diag) : RS_OK;
    }
    if (st == RS_OK) {
        formats->activations[scores].bits = 0;
        st = collect(&r, y, diag);
        formats->activations[scores] = given;
    }
    if (st == RS_OK) {
        place(&r, y, rounded, &format, constant);
        formats->activations[scores] = rs_number_of_fxp(format);
    }
    rs_free(y);
    rs_free(rounded);
    rs_emulator_free(r.emulator);
    rs_plan_free(r.plan);
    return st;
}

/* ------------------------------------------------------------------------------------------------- all together */

/* Takes the constant off the scores by the biases of the formats. */
static rs_status move_scores(const rs_net *net, float constant, rs_formats *formats, rs_diag *diag)
{
    const int i = rs_scores_layer(net, formats);
    const rs_layer *layer = &net->layers[i];
    const size_t n = (size_t)rs_shape_count(&layer->params[1].shape, 0);
    if (formats->bias[i] == NULL) {
        formats->bias[i] = RS_NEW_ARRAY(float, n);
        if (formats->bias[i] == NULL)
            return rs_out_of_memory(diag);
        memcpy(formats->bias[i], layer->params[1].data, n * sizeof(float));
    }
    for (size_t o = 0; o < n; o++)
        formats->bias[i][o] -= constant;
    return RS_OK;
}

rs_status rs_formats_improve(const rs_net *net, const rs_data_param *data, const rs_dataset *set, bool adapt,
                             int64_t refine, rs_bias_rule bias_rule, rs_rounding rounding, rs_formats *formats,
                             rs_diag *diag)
{
    enum { PASSES = 3, ADAPT_IMAGES = 1024 };
    rs_status st = RS_OK;
    if (adapt)
        st = rs_formats_adapt(net, data, set, ADAPT_IMAGES, bias_rule, rounding, formats, diag);
    if (st != RS_OK || refine <= 0)
        return st;
    st = rs_formats_refine(net, data, set, refine, bias_rule, rounding, adapt, PASSES, formats, NULL, diag);
    if (st == RS_OK && adapt)
        st = rs_formats_adapt(net, data, set, ADAPT_IMAGES, bias_rule, rounding, formats, diag);
    float constant = 0.0f;
    if (st == RS_OK)
        st = rs_formats_place_scores(net, data, set, refine, bias_rule, rounding, formats, &constant, diag);
    if (st == RS_OK && constant != 0.0f)
        st = move_scores(net, constant, formats, diag);
    if (st == RS_OK && constant != 0.0f)
        st = rs_formats_refine(net, data, set, refine, bias_rule, rounding, adapt, PASSES, formats, NULL, diag);
    return st;
}
