/* Coarser weights where the sums of a layer would need more bits than an accumulator has. */
#include <string.h>

#include "base/integer.h"
#include "base/memory.h"
#include "formats/formats.h"

/* A weighted layer in fixed point, and its output channels. */
typedef struct fit_layer {
    rs_number_format in, out;
    int64_t magnitude; /* the largest of the input's integers */
    int max_shift;
    rs_bias_rule rule;
    const float *weights, *bias; /* bias: or NULL */
    int64_t outputs, terms;
    int32_t *integers; /* [terms] */
} fit_layer;

/* The aligned bias of output o, or INT64_MAX where it saturates. What saturates in the weights' format does so at any
 * length of the sums. */
static int64_t bias_magnitude(const fit_layer *l, int64_t o, rs_fxp format)
{
    uint64_t saturations = 0;
    if (l->bias == NULL)
        return 0;
    const int64_t bias = rs_fxp_bias((double)l->bias[o], l->rule, format, l->in.fl, RS_ROUND_NEAREST, &saturations);
    return saturations > 0 && l->rule == RS_BIAS_ACCUMULATOR ? INT64_MAX : rs_magnitude(bias);
}

/* Whether every sum of output o fits, with weights of this format, and its requantize can shift that far. */
static bool fits(const fit_layer *l, int64_t o, rs_fxp format)
{
    const int64_t limit = rs_fxp_max(RS_ACCUMULATOR_MAX_BITS), bias = bias_magnitude(l, o, format);
    if (l->in.fl + format.fl - l->out.fl > l->max_shift || bias > limit)
        return false;
    const int64_t most = rs_multiply_capped(rs_multiply_capped(l->terms, l->magnitude), -rs_fxp_min(format.bits));
    if (rs_add_capped(most, bias) <= limit)
        return true;
    rs_fxp_quantize_array(l->weights + o * l->terms, (size_t)l->terms, format, RS_ROUND_NEAREST, 0, 0, l->integers,
                          NULL);
    int64_t sum = 0;
    for (int64_t i = 0; i < l->terms; i++)
        sum += rs_magnitude(l->integers[i]); /* below 2^28 terms of at most 2^31 */
    return rs_add_capped(rs_multiply_capped(sum, l->magnitude), bias) <= limit;
}

/* The largest length up to `fl` at which the sums of outputs [from, to) fit; `fl` where none does: the check of the
 * quantized net refuses it. */
static int fitting(const fit_layer *l, int64_t from, int64_t to, rs_fxp format)
{
    const int wanted = format.fl;
    int64_t o = from;
    while (o < to && format.fl >= RS_FL_MIN) {
        if (fits(l, o, format)) {
            o++;
        } else {
            format.fl--;
            o = from;
        }
    }
    return format.fl >= RS_FL_MIN ? format.fl : wanted;
}

/* Keeps the lengths as they were before the first change. */
static rs_status remember(rs_formats *f, int i, const int *lengths, int64_t n, rs_diag *diag)
{
    if (f->wanted_fl[i] != NULL)
        return RS_OK;
    f->wanted_fl[i] = RS_NEW_ARRAY(int, (size_t)n);
    if (f->wanted_fl[i] == NULL)
        return rs_out_of_memory(diag);
    memcpy(f->wanted_fl[i], lengths, (size_t)n * sizeof *lengths);
    return RS_OK;
}

static rs_status fit_lengths(const fit_layer *l, int i, rs_formats *f, rs_diag *diag)
{
    const bool by_channel = f->weight_fl[i] != NULL;
    int *lengths = by_channel ? f->weight_fl[i] : &f->weights[i].fl;
    const int64_t n = by_channel ? l->outputs : 1, each = l->outputs / n;
    rs_number_format format = f->weights[i];
    for (int64_t k = 0; k < n; k++) {
        format.fl = lengths[k];
        const int fl = fitting(l, k * each, (k + 1) * each, rs_number_fxp(format));
        if (fl == lengths[k])
            continue;
        const rs_status st = remember(f, i, lengths, n, diag);
        if (st != RS_OK)
            return st;
        lengths[k] = format.fl = fl;
        if (f->rounded[i] != NULL)
            rs_number_emulate(f->rounded[i] + k * each * l->terms, (size_t)(each * l->terms), format,
                              rs_number_nearest(format), 0, 0);
    }
    return RS_OK;
}

rs_status rs_formats_fit_sums(const rs_net *net, rs_bias_rule bias_rule, rs_formats *f, rs_diag *diag)
{
    const int scores = f->wide_scores ? rs_scores_layer(net, f) : -1;
    rs_status st = RS_OK;
    for (int i = 0; i < net->n_layers && st == RS_OK; i++) {
        const rs_layer *layer = &net->layers[i];
        if (rs_layer_group(layer) == RS_GROUPS || f->weights[i].bits == 0 || layer->n_params < 1 ||
            f->weights[i].number != RS_NUMBER_FIXED)
            continue;
        const int bottom = layer->bottoms[0];
        fit_layer l = { .in = f->activations[bottom],
                        .out = f->activations[layer->tops[0]],
                        .max_shift = i == scores ? INT16_MAX : RS_SHIFT_MAX,
                        .rule = bias_rule,
                        .weights = f->rounded[i] != NULL ? f->rounded[i] : layer->params[0].data,
                        .bias = f->bias[i] != NULL    ? f->bias[i]
                                : layer->n_params > 1 ? layer->params[1].data
                                                      : NULL,
                        .outputs = layer->params[0].shape.dim[0] };
        if (l.in.bits == 0 || l.out.bits == 0 || l.in.number != RS_NUMBER_FIXED)
            continue; /* in float there are no sums of integers */
        l.terms = rs_shape_count(&layer->params[0].shape, 0) / l.outputs;
        l.magnitude = f->is_unsigned[bottom] ? rs_fxp_max(l.in.bits + 1) : -rs_fxp_min(l.in.bits);
        l.integers = RS_NEW_ARRAY(int32_t, (size_t)l.terms);
        st = l.integers == NULL ? rs_out_of_memory(diag) : fit_lengths(&l, i, f, diag);
        rs_free(l.integers);
    }
    return st;
}

int rs_formats_coarser(const rs_net *net, const rs_formats *f, int layer, int *channels)
{
    *channels = 0;
    if (f->wanted_fl[layer] == NULL)
        return 0;
    const bool by_channel = f->weight_fl[layer] != NULL;
    const int *now = by_channel ? f->weight_fl[layer] : &f->weights[layer].fl;
    const int64_t n = by_channel ? net->layers[layer].params[0].shape.dim[0] : 1;
    int most = 0;
    for (int64_t k = 0; k < n; k++) {
        const int by = f->wanted_fl[layer][k] - now[k];
        *channels += by > 0;
        most = by > most ? by : most;
    }
    return most;
}
