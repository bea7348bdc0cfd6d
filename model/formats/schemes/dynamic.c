/* Dynamic fixed point: a fractional length for each layer's weights and each class of blobs, from their ranges
 * (docs/arithmetic.md section 1). */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "emulate/statistics.h"
#include "formats/schemes/scheme.h"

enum { LENGTHS = 9 }; /* integer lengths among which the smallest squared error is sought */

/* A group of numbers whose format is sought: its largest magnitude, and the values themselves or samples of them, in
 * parts. */
typedef struct dynamic_population {
    double largest;
    int n_parts;
    const float **parts;
    const size_t *sizes;
} dynamic_population;

/* The range of a population by the percentile rule. */
static rs_status find_percentile(const dynamic_population *p, double percentile, double *range, rs_diag *diag)
{
    size_t n = 0;
    for (int i = 0; i < p->n_parts; i++)
        n += p->sizes[i];
    float *all = RS_NEW_ARRAY(float, n);
    if (all == NULL && n > 0)
        return rs_out_of_memory(diag);
    for (int i = 0, at = 0; i < p->n_parts; at += (int)p->sizes[i++])
        memcpy(all + at, p->parts[i], p->sizes[i] * sizeof *all);
    const rs_status st = rs_statistics_percentile(all, n, percentile, range, diag);
    rs_free(all);
    *range = fmin(*range, p->largest); /* which is exact, where the samples are samples */
    *range = *range > 0 ? *range : p->largest;
    return st;
}

/* The fractional length by the rule; `longer` is added to that of the range. */
static rs_status find_fl(const dynamic_population *p, int bits, const rs_format_rules *rules, rs_range_rule rule,
                         int longer, int *fl, rs_diag *diag)
{
    double range = p->largest;
    if (rule == RS_RANGE_PERCENTILE) {
        const rs_status st = find_percentile(p, rules->percentile, &range, diag);
        if (st != RS_OK)
            return st;
    }
    int best = rs_fxp_fl_for_range(range, bits) + longer;
    best = best > RS_FL_MAX ? RS_FL_MAX : best;
    *fl = best;
    if (rule != RS_RANGE_SQUARED_ERROR || bits > 24)
        return RS_OK;
    double min_error = HUGE_VAL;
    for (int f = best; f < best + LENGTHS && f <= RS_FL_MAX; f++) {
        double error = 0;
        for (int i = 0; i < p->n_parts; i++)
            error += rs_number_squared_error(p->parts[i], p->sizes[i], rs_number_of_fxp((rs_fxp) { bits, f }));
        if (error < min_error) {
            min_error = error;
            *fl = f;
        }
    }
    return RS_OK;
}

static rs_status weights(const rs_chooser *c, int layer, int bits, rs_number_format *format, rs_diag *diag)
{
    const rs_param *param = &c->net->layers[layer].params[0];
    const float *values = param->data;
    const size_t n = (size_t)rs_shape_count(&param->shape, 0);
    const dynamic_population p = {
        .largest = c->ranges->weight_max[layer], .n_parts = 1, .parts = &values, .sizes = &n
    };
    int fl = c->fl;
    const rs_status st = find_fl(&p, bits, c->rules, c->rules->weight_range, 0, &fl, diag);
    *format = rs_number_of_fxp((rs_fxp) { bits, fl });
    return st;
}

rs_status rs_scheme_dynamic_blobs(const rs_chooser *c, int class, int bits, rs_number_format *format, rs_diag *diag)
{
    const rs_statistics *s = c->ranges->statistics;
    const size_t blobs = (size_t)c->net->n_blobs;
    dynamic_population p = { .largest = 0, .parts = RS_NEW_ARRAY(const float *, blobs) };
    size_t *sizes = RS_NEW_ARRAY(size_t, blobs);
    rs_status st = p.parts == NULL || sizes == NULL ? rs_out_of_memory(diag) : RS_OK;
    p.sizes = sizes;
    for (int b = 0; b < c->net->n_blobs && st == RS_OK; b++) {
        if (c->plan->format_class[b] != class || !c->plan->in_range[b])
            continue;
        p.largest = fmax(p.largest, fmax(fabs(c->ranges->blob_min[b]), fabs(c->ranges->blob_max[b])));
        if (s != NULL && s->samples[b] != NULL) {
            sizes[p.n_parts] = s->n_samples[b];
            p.parts[p.n_parts++] = s->samples[b];
        }
    }
    const rs_range_rule rule = s != NULL ? c->rules->activation_range : RS_RANGE_MAX;
    int fl = c->fl;
    if (st == RS_OK)
        st = find_fl(&p, bits, c->rules, rule, c->rules->original_lengths, &fl, diag);
    rs_free((void *)p.parts);
    rs_free(sizes);
    *format = rs_number_of_fxp((rs_fxp) { bits, fl });
    return st;
}

const rs_scheme_rule rs_scheme_dynamic = { .weights = weights, .blobs = rs_scheme_dynamic_blobs };
