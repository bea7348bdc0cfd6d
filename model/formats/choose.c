/* Fractional lengths and formats for given widths, by the rules of a scheme (docs/arithmetic.md section 1). */
#include <math.h>
#include <string.h>

#include "base/progress.h"
#include "emulate/statistics.h"
#include "formats/formats.h"
#include "qnet/qnet.h"

/* How many bits finer than the layer's the format of a channel's weights may be. */
enum { CHANNEL_REACH = 7 };

/* -------------------------------------------------------------------------------------------------------- rules */

enum {
    LEAST_EXPONENT_BITS = 4, /* of a minifloat whose exponent follows from the ranges, as in the original program */
    LENGTHS = 9,             /* integer lengths that the least squared error is sought among */
};

const char *rs_scheme_name(rs_scheme scheme)
{
    static const char *const names[RS_SCHEMES] = { "dynamic", "static", "minifloat", "power-of-two" };
    return (unsigned)scheme < RS_SCHEMES ? names[scheme] : "?";
}

const char *rs_range_rule_name(rs_range_rule rule)
{
    static const char *const names[RS_RANGE_RULES] = { "max", "percentile", "squared_error" };
    return (unsigned)rule < RS_RANGE_RULES ? names[rule] : "?";
}

void rs_format_rules_defaults(rs_format_rules *rules)
{
    *rules = (rs_format_rules) { .scheme = RS_SCHEME_DYNAMIC, .percentile = 99.99 };
    rules->power2 = RS_POWER2_ORIGINAL;
}

rs_status rs_format_rules_check(const rs_format_rules *r, rs_diag *diag)
{
    if ((unsigned)r->scheme >= RS_SCHEMES || (unsigned)r->weight_range >= RS_RANGE_RULES ||
        (unsigned)r->activation_range >= RS_RANGE_RULES)
        return rs_error(diag, RS_INTERNAL, RS_NOWHERE, NULL, "a scheme or range rule that does not exist");
    if (!(r->percentile > 0 && r->percentile <= 100))
        return rs_error(diag, RS_USAGE, RS_NOWHERE, NULL, "percentile %g, expected above 0 and at most 100",
                        r->percentile);
    if (r->scheme == RS_SCHEME_POWER2 && !rs_power2_legal(r->power2))
        return rs_error(diag, RS_USAGE, RS_NOWHERE, NULL,
                        "exponents from %d to %d, expected %d <= first <= last <= %d and at most %d of them",
                        r->power2.min_exponent, r->power2.max_exponent, RS_FL_MIN, RS_FL_MAX, RS_POWER2_MAX_RANGE + 1);
    if (r->scheme == RS_SCHEME_MINIFLOAT && (r->exponent_bits < 0 || r->exponent_bits > 8))
        return rs_error(diag, RS_USAGE, RS_NOWHERE, NULL,
                        "%d exponent bits, expected 1 to 8, or 0 for what the ranges need", r->exponent_bits);
    const rs_minifloat *formats[2] = { &r->weight_minifloat, &r->activation_minifloat };
    for (int i = 0; i < 2; i++)
        if (r->scheme == RS_SCHEME_MINIFLOAT && formats[i]->exponent_bits > 0 && !rs_minifloat_legal(*formats[i]))
            return rs_error(diag, RS_USAGE, RS_NOWHERE, NULL,
                            "a minifloat of %d exponent and %d mantissa bits, expected 1 to 8 and 0 to 10, and "
                            "at most %d bits",
                            formats[i]->exponent_bits, formats[i]->mantissa_bits, RS_MINIFLOAT_MAX_BITS);
    return RS_OK;
}

/* What the largest number of the net needs; all layers and blobs have the same exponent. */
static int exponent_bits(const rs_format_rules *rules, const rs_net *net, const rs_ranges *ranges)
{
    if (rules->exponent_bits > 0)
        return rules->exponent_bits;
    double most = 0;
    for (int i = 0; i < net->n_layers; i++)
        most = fmax(most, ranges->weight_max[i]);
    for (int b = 0; b < net->n_blobs; b++)
        most = fmax(most, fmax(fabs(ranges->blob_min[b]), fabs(ranges->blob_max[b])));
    return rs_minifloat_exponent_bits_for_range(most, LEAST_EXPONENT_BITS);
}

void rs_format_rules_widths(const rs_format_rules *rules, const rs_net *net, const rs_ranges *ranges, rs_group group,
                            int *least, int *most)
{
    *least = 1;
    *most = RS_QNET_MAX_BITS;
    if (rules->scheme == RS_SCHEME_POWER2 && group != RS_GROUP_ACTIVATIONS) {
        *least = *most = rs_power2_bits(rules->power2);
    } else if (rules->scheme == RS_SCHEME_MINIFLOAT) {
        const rs_minifloat fixed = group == RS_GROUP_ACTIVATIONS ? rules->activation_minifloat
                                                                 : rules->weight_minifloat;
        if (fixed.exponent_bits > 0) {
            *least = *most = rs_minifloat_bits(fixed);
        } else {
            const int e = exponent_bits(rules, net, ranges);
            *least = 1 + e;
            *most = e > 5 ? RS_MINIFLOAT_MAX_BITS : 11 + e;
        }
    }
}

/* ------------------------------------------------------------------------------------------------------ formats */

/* A group of numbers whose format is sought: its largest magnitude, and the values themselves or samples of them, in
 * parts. */
typedef struct population {
    double largest;
    int n_parts;
    const float **parts;
    const size_t *sizes;
} population;

/* The fractional length by the rule; `longer` is added to that of the range. */
static rs_status find_fl(const population *p, int bits, rs_range_rule rule, double percentile, int longer, int *fl,
                         rs_diag *diag)
{
    double range = p->largest;
    if (rule == RS_RANGE_PERCENTILE) {
        size_t n = 0;
        for (int i = 0; i < p->n_parts; i++)
            n += p->sizes[i];
        float *all = RS_NEW_ARRAY(float, n);
        if (all == NULL && n > 0)
            return rs_out_of_memory(diag);
        for (int i = 0, at = 0; i < p->n_parts; at += (int)p->sizes[i++])
            memcpy(all + at, p->parts[i], p->sizes[i] * sizeof *all);
        const rs_status st = rs_statistics_percentile(all, n, percentile, &range, diag);
        rs_free(all);
        if (st != RS_OK)
            return st;
        range = fmin(range, p->largest); /* which is exact, where the samples are samples */
        range = range > 0 ? range : p->largest;
    }
    int best = rs_fxp_fl_for_range(range, bits) + longer;
    best = best > RS_FL_MAX ? RS_FL_MAX : best;
    *fl = best;
    if (rule != RS_RANGE_SQUARED_ERROR || bits > 24)
        return RS_OK;
    double least = HUGE_VAL;
    for (int f = best; f < best + LENGTHS && f <= RS_FL_MAX; f++) {
        double error = 0;
        for (int i = 0; i < p->n_parts; i++)
            error += rs_number_squared_error(p->parts[i], p->sizes[i], rs_number_of_fxp((rs_fxp) { bits, f }));
        if (error < least) {
            least = error;
            *fl = f;
        }
    }
    return RS_OK;
}

/* The exponents that end at the one nearest to the largest weight. */
static rs_power2 power2_for(const rs_format_rules *rules, double largest)
{
    rs_power2 f = rules->power2;
    if (!rules->power2_by_layer || largest <= 0)
        return f;
    const int range = f.max_exponent - f.min_exponent, top = rs_power2_exponent(largest);
    f.max_exponent = top > RS_FL_MAX ? RS_FL_MAX : top < RS_FL_MIN + range ? RS_FL_MIN + range : top;
    f.min_exponent = f.max_exponent - range;
    return f;
}

static rs_status choose_weights(const rs_net *net, int i, const rs_ranges *ranges, const rs_format_rules *rules,
                                int bits, int static_fl, rs_formats *f, rs_diag *diag)
{
    const rs_layer *layer = &net->layers[i];
    rs_fxp format = { bits, static_fl };
    rs_status st = RS_OK;
    switch (rules->scheme) {
    case RS_SCHEME_MINIFLOAT: {
        const int e = exponent_bits(rules, net, ranges);
        f->weights[i] = rs_number_of_minifloat(
            rules->weight_minifloat.exponent_bits > 0 ? rules->weight_minifloat : rs_minifloat_plain(e, bits - 1 - e));
        return RS_OK;
    }
    case RS_SCHEME_POWER2:
        f->weights[i] = rs_number_of_power2(power2_for(rules, ranges->weight_max[i]));
        return RS_OK;
    case RS_SCHEME_DYNAMIC: {
        const float *values = layer->params[0].data;
        const size_t n = (size_t)rs_shape_count(&layer->params[0].shape, 0);
        const population p = { .largest = ranges->weight_max[i], .n_parts = 1, .parts = &values, .sizes = &n };
        st = find_fl(&p, bits, rules->weight_range, rules->percentile, 0, &format.fl, diag);
        break;
    }
    case RS_SCHEME_STATIC:
    case RS_SCHEMES:
        break;
    }
    f->weights[i] = rs_number_of_fxp(format);
    return st;
}

/* The format of the blobs of one class, `bits` wide. */
static rs_status choose_class(const rs_net *net, const rs_plan *plan, int class, const rs_ranges *ranges,
                              const rs_format_rules *rules, int bits, int static_fl, rs_number_format *format,
                              rs_diag *diag)
{
    if (rules->scheme == RS_SCHEME_MINIFLOAT) {
        const int e = exponent_bits(rules, net, ranges);
        *format = rs_number_of_minifloat(rules->activation_minifloat.exponent_bits > 0
                                             ? rules->activation_minifloat
                                             : rs_minifloat_plain(e, bits - 1 - e));
        return RS_OK;
    }
    rs_fxp fixed = { bits, static_fl };
    rs_status st = RS_OK;
    if (rules->scheme != RS_SCHEME_STATIC) {
        const rs_statistics *s = ranges->statistics;
        population p = { .largest = 0 };
        p.parts = RS_NEW_ARRAY(const float *, (size_t)net->n_blobs);
        size_t *sizes = RS_NEW_ARRAY(size_t, (size_t)net->n_blobs);
        if (p.parts == NULL || sizes == NULL)
            st = rs_out_of_memory(diag);
        p.sizes = sizes;
        for (int b = 0; b < net->n_blobs && st == RS_OK; b++) {
            if (plan->format_class[b] != class || !plan->in_range[b])
                continue;
            p.largest = fmax(p.largest, fmax(fabs(ranges->blob_min[b]), fabs(ranges->blob_max[b])));
            if (s != NULL && s->samples[b] != NULL) {
                sizes[p.n_parts] = s->n_samples[b];
                p.parts[p.n_parts++] = s->samples[b];
            }
        }
        const rs_range_rule rule = s != NULL ? rules->activation_range : RS_RANGE_MAX;
        if (st == RS_OK)
            st = find_fl(&p, bits, rule, rules->percentile, rules->original_lengths, &fixed.fl, diag);
        rs_free((void *)p.parts);
        rs_free(sizes);
    }
    *format = rs_number_of_fxp(fixed);
    return st;
}

/* New biases, from which the mean error of the outputs is taken away that the rounded weights make. */
static rs_status correct_bias(const rs_net *net, int i, const rs_ranges *ranges, rs_formats *f, rs_diag *diag)
{
    const rs_layer *layer = &net->layers[i];
    const rs_param *w = &layer->params[0];
    const size_t n = (size_t)rs_shape_count(&w->shape, 0), outputs = (size_t)w->shape.dim[0], each = n / outputs;
    if (ranges->statistics == NULL || layer->n_params < 2)
        return RS_OK;
    float *rounded = RS_NEW_ARRAY(float, n), *bias = RS_NEW_ARRAY(float, outputs);
    double *error = RS_NEW_ARRAY(double, outputs);
    bool known = false;
    rs_status st = rounded != NULL && bias != NULL && error != NULL ? RS_OK : rs_out_of_memory(diag);
    if (st == RS_OK) {
        memcpy(rounded, w->data, n * sizeof *rounded);
        for (size_t o = 0; o < outputs; o++) {
            rs_number_format format = f->weights[i];
            if (f->weight_fl[i] != NULL)
                format.fl = f->weight_fl[i][o];
            rs_number_emulate(rounded + o * each, each, format, rs_number_nearest(format), 0, 0);
        }
        st = rs_statistics_output_error(ranges->statistics, net, i, rounded, error, &known, diag);
    }
    if (st == RS_OK && known) {
        for (size_t o = 0; o < outputs; o++)
            bias[o] = (float)((double)layer->params[1].data[o] - error[o]);
        f->bias[i] = bias;
        bias = NULL;
    }
    rs_free(rounded);
    rs_free(bias);
    rs_free(error);
    return st;
}

rs_status rs_formats_make(const rs_net *net, const rs_ranges *ranges, const rs_format_rules *rules,
                          const rs_widths *widths, int fl, rs_formats **formats, rs_diag *diag)
{
    *formats = NULL;
    rs_plan *plan = NULL;
    rs_formats *f = NULL;
    rs_status st = rs_plan_new(net, &plan, diag);
    if (st == RS_OK)
        st = rs_formats_new(net, &f, diag);
    for (int class = 0; class < net->n_blobs && st == RS_OK; class ++) {
        if (plan->format_class[class] != class)
            continue;
        int bits = 0;
        for (int b = 0; b < net->n_blobs; b++)
            if (plan->format_class[b] == class && widths->activations[b] > bits)
                bits = widths->activations[b];
        rs_number_format format = { .bits = 0 };
        if (bits > 0)
            st = choose_class(net, plan, class, ranges, rules, bits, fl, &format, diag);
        for (int b = 0; b < net->n_blobs; b++)
            if (plan->format_class[b] == class)
                f->activations[b] = format;
    }
    for (int i = 0; i < net->n_layers && st == RS_OK; i++) {
        if (rs_layer_group(&net->layers[i]) == RS_GROUPS || widths->weights[i] == 0)
            continue;
        st = choose_weights(net, i, ranges, rules, widths->weights[i], fl, f, diag);
        if (st == RS_OK && rules->bias_correction)
            st = correct_bias(net, i, ranges, f, diag);
    }
    if (st == RS_OK) {
        *formats = f;
        f = NULL;
    }
    rs_formats_free(f);
    rs_plan_free(plan);
    return st;
}

rs_status rs_formats_make_groups(const rs_net *net, const rs_ranges *ranges, const rs_format_rules *rules,
                                 const int bits[RS_GROUPS], int fl, rs_formats **formats, rs_diag *diag)
{
    *formats = NULL;
    rs_widths widths = { RS_NEW_ARRAY(int, (size_t)net->n_layers), RS_NEW_ARRAY(int, (size_t)net->n_blobs) };
    rs_status st = widths.weights != NULL && widths.activations != NULL ? RS_OK : rs_out_of_memory(diag);
    if (st == RS_OK) {
        for (int i = 0; i < net->n_layers; i++) {
            const rs_group group = rs_layer_group(&net->layers[i]);
            widths.weights[i] = group != RS_GROUPS ? bits[group] : 0;
        }
        for (int b = 0; b < net->n_blobs; b++)
            widths.activations[b] = bits[RS_GROUP_ACTIVATIONS];
        st = rs_formats_make(net, ranges, rules, &widths, fl, formats, diag);
    }
    rs_free(widths.weights);
    rs_free(widths.activations);
    return st;
}

rs_status rs_formats_choose(const rs_net *net, const rs_ranges *ranges, const int bits[RS_GROUPS], rs_formats **formats,
                            rs_diag *diag)
{
    rs_format_rules rules;
    rs_format_rules_defaults(&rules);
    return rs_formats_make_groups(net, ranges, &rules, bits, 0, formats, diag);
}

/* The input and what holds its integers are bytes without a mean. A concatenation may bring in other values. */
static bool input_of_bytes(const rs_net *net, const rs_plan *plan, const rs_data_param *data)
{
    bool bytes = data != NULL && data->n_mean == 0 && data->mean_image == NULL && data->scale > 0.0f &&
                 plan->last_writer[plan->input] < 0;
    for (int i = 0; i < plan->n_layers && bytes; i++)
        bytes = net->layers[i].type != RS_LAYER_CONCAT ||
                plan->format_class[net->layers[i].tops[0]] != plan->format_class[plan->input];
    return bytes;
}

rs_status rs_formats_use_unsigned(const rs_net *net, const rs_data_param *data, rs_formats *formats, rs_diag *diag)
{
    rs_plan *plan = NULL;
    const rs_status st = rs_plan_new(net, &plan, diag);
    const bool bytes = st == RS_OK && input_of_bytes(net, plan, data);
    for (int b = 0; st == RS_OK && b < net->n_blobs; b++) {
        rs_number_format *format = &formats->activations[b];
        const bool never_below = plan->format_class[b] >= 0 &&
                                 (plan->never_below[b] ||
                                  (bytes && plan->format_class[b] == plan->format_class[plan->input]));
        if (!never_below || format->bits == 0 || format->number != RS_NUMBER_FIXED || formats->is_unsigned[b] ||
            format->fl >= RS_FL_MAX)
            continue;
        formats->is_unsigned[b] = true;
        format->fl++;
    }
    rs_plan_free(plan);
    return st;
}

rs_status rs_formats_use_channels(const rs_net *net, rs_formats *formats, rs_diag *diag)
{
    for (int i = 0; i < net->n_layers; i++) {
        const rs_layer *layer = &net->layers[i];
        /* Scores that are not requantized compare only if they have one fractional length. */
        const bool wide = formats->wide_scores && rs_scores_layer(net, formats) == i;
        if (wide || rs_layer_group(layer) == RS_GROUPS || formats->weights[i].bits == 0 || layer->n_params < 1 ||
            formats->weights[i].number != RS_NUMBER_FIXED)
            continue;
        const int64_t channels = layer->params[0].shape.dim[0], each = rs_shape_count(&layer->params[0].shape, 1);
        int *fl = RS_NEW_ARRAY(int, (size_t)channels);
        if (fl == NULL)
            return rs_out_of_memory(diag);
        for (int64_t o = 0; o < channels; o++) {
            double most = 0;
            for (int64_t k = 0; k < each; k++)
                most = fmax(most, fabs((double)layer->params[0].data[o * each + k]));
            fl[o] = rs_fxp_fl_for_range(most, formats->weights[i].bits);
            /* A channel of tiny weights needs no more than this, and shifts stay within reach. */
            const int highest = formats->weights[i].fl + CHANNEL_REACH;
            fl[o] = fl[o] > highest ? highest : fl[o];
        }
        rs_free(formats->weight_fl[i]);
        formats->weight_fl[i] = fl;
    }
    return RS_OK;
}

void rs_formats_apply(const rs_formats *formats, rs_net *net)
{
    for (int i = 0; i < net->n_layers; i++) {
        rs_layer *layer = &net->layers[i];
        layer->quantization = (rs_quantization_param) { .present = false };
        if (rs_layer_group(layer) == RS_GROUPS || formats->weights[i].bits == 0 || layer->n_bottoms < 1 ||
            layer->n_tops < 1)
            continue;
        const rs_number_format in = formats->activations[layer->bottoms[0]], out = formats->activations[layer->tops[0]];
        layer->quantization = (rs_quantization_param) { .present = true,
                                                        .bw_layer_in = in.bits,
                                                        .bw_layer_out = out.bits,
                                                        .bw_params = formats->weights[i].bits,
                                                        .fl_layer_in = in.fl,
                                                        .fl_layer_out = out.fl,
                                                        .fl_params = formats->weights[i].fl };
        const rs_number_format weights = formats->weights[i];
        if (weights.number == RS_NUMBER_MINIFLOAT) {
            layer->quantization.precision = RS_PRECISION_MINIFLOAT;
            layer->quantization.mant_bits = weights.minifloat.mantissa_bits;
            layer->quantization.exp_bits = weights.minifloat.exponent_bits;
        }
        if (weights.number == RS_NUMBER_POWER2) {
            layer->quantization.precision = RS_PRECISION_POWER2_WEIGHTS;
            layer->quantization.bw_params = rs_number_bits(weights);
            layer->quantization.exp_min = weights.power2.min_exponent;
            layer->quantization.exp_max = weights.power2.max_exponent;
        }
    }
}

bool rs_formats_give_params(const rs_formats *formats, rs_net *net)
{
    bool any = false;
    for (int i = 0; i < net->n_layers; i++) {
        const float *from[2] = { formats->rounded[i], formats->bias[i] };
        for (int p = 0; p < 2 && p < net->layers[i].n_params; p++)
            if (from[p] != NULL) {
                memcpy(net->layers[i].params[p].data, from[p],
                       (size_t)rs_shape_count(&net->layers[i].params[p].shape, 0) * sizeof(float));
                any = true;
            }
    }
    return any;
}
