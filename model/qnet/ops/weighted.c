/* What convolutions and inner products share: weights and biases. */
#include "qnet/ops/weighted.h"

#include <math.h>
#include <string.h>

#include "base/integer.h"
#include "base/memory.h"

/* --------------------------------------------------------------------------------------------------------- rules */

/* The integers are numbers of their kind. */
static bool values_ok(rs_qnet_checker *c, const rs_qop *op, int64_t count)
{
    const rs_number_ops *number = rs_number_ops_of(&op->weight_format);
    const int64_t min = rs_qop_weight_min(op), max = rs_qop_weight_max(op);
    for (int64_t i = 0; i < count; i++) {
        const int32_t w = op->weights[i];
        if (w >= min && w <= max && (!number->holds || number->holds(&op->weight_format, w)))
            continue;
        RS_QNET_WRONG(c, "weight %lld of op '%s' is %d, expected %lld to %lld for %d bits%s", (long long)i, op->name,
                      (int)w, (long long)min, (long long)max, op->weight_format.bits,
                      number->holds ? number->holds_only : "");
        return false;
    }
    return true;
}

static void check_minifloat_bias(rs_qnet_checker *c, const rs_qop *op)
{
    const rs_qtensor *in = &c->qnet->tensors[op->input], *out = &c->qnet->tensors[op->output];
    const int fl = rs_minifloat_fl(in->format.minifloat) + rs_minifloat_fl(op->weight_format.minifloat);
    for (int o = 0; o < out->channels; o++)
        if (op->bias_fl > fl || op->bias_fl < RS_FL_MIN || op->bias[o] < rs_fxp_min(32) ||
            op->bias[o] > rs_fxp_max(32)) {
            RS_QNET_WRONG(
                c, "bias %d of op '%s' is %lld at the fractional length %d, expected 32 bits and a length of %d to %d",
                o, op->name, (long long)op->bias[o], op->bias_fl, RS_FL_MIN, fl);
            return;
        }
}

void rs_weighted_check(rs_qnet_checker *c, const rs_qop *op)
{
    const rs_qtensor *in = &c->qnet->tensors[op->input], *out = &c->qnet->tensors[op->output];
    if (!rs_qnet_format_ok(c, &op->weight_format, RS_QNET_MAX_BITS, "op", op->name))
        return;
    if (op->groups < 1 || in->channels % op->groups != 0 || out->channels % op->groups != 0) {
        RS_QNET_WRONG(c, "op '%s' has %d groups, expected a divisor of its %d input and %d output channels", op->name,
                      op->groups, in->channels, out->channels);
        return;
    }
    const int64_t terms = rs_qop_terms(c->qnet, op), count = rs_multiply_capped(terms, out->channels);
    if (count > RS_QNET_MAX_ELEMENTS) {
        RS_QNET_WRONG(c, "op '%s' has more than %lld weights", op->name, (long long)RS_QNET_MAX_ELEMENTS);
        return;
    }
    if (!values_ok(c, op, count))
        return;
    if (!rs_number_ops_of(&op->weight_format)->may_differ && op->weight_fl) {
        RS_QNET_WRONG(c, "op '%s' has fractional lengths by channel, which only fixed point can have", op->name);
        return;
    }
    if (rs_qnet_minifloat(c->qnet)) {
        check_minifloat_bias(c, op);
        return;
    }
    const int shift = in->format.fl + op->weight_format.fl - out->format.fl;
    if (op->shift != shift) {
        RS_QNET_WRONG(c, "op '%s' has the shift %d, expected %d from its fractional lengths %d + %d - %d", op->name,
                      op->shift, shift, in->format.fl, op->weight_format.fl, out->format.fl);
        return;
    }
    bool ok = true;
    for (int o = 0; ok && op->weight_fl && o < out->channels; o++) {
        ok = op->weight_fl[o] >= RS_FL_MIN && op->weight_fl[o] <= RS_FL_MAX;
        if (!ok)
            RS_QNET_WRONG(c, "channel %d of op '%s' has the fractional length %d, expected %d to %d", o, op->name,
                          op->weight_fl[o], RS_FL_MIN, RS_FL_MAX);
        ok = ok && rs_qnet_shift_ok(c, op, rs_qop_shift(op, o));
    }
    if (!op->weight_fl && (shift < RS_SHIFT_MIN || shift > RS_SHIFT_MAX))
        RS_QNET_WRONG(c, "op '%s' shifts its sums by %d bits (fractional lengths %d + %d - %d), expected %d to %d",
                      op->name, shift, in->format.fl, op->weight_format.fl, out->format.fl, RS_SHIFT_MIN, RS_SHIFT_MAX);
    rs_qnet_check_accumulator(c, op, RS_ACCUMULATOR_MAX_BITS);
}

int64_t rs_weighted_bound(const rs_qnet *qnet, const rs_qop *op, bool from_weights)
{
    const int64_t terms = rs_qop_terms(qnet, op), outputs = qnet->tensors[op->output].channels;
    const int64_t activation = rs_qtensor_magnitude(&qnet->tensors[op->input]);
    const int64_t weight_min = -rs_qop_weight_min(op), weight_max = rs_qop_weight_max(op);
    int64_t max = 0, max_bias = 0;
    for (int64_t o = 0; o < outputs; o++) {
        const int64_t bias = rs_magnitude(op->bias[o]);
        max_bias = rs_max64(bias, max_bias);
        if (!from_weights)
            continue;
        int64_t sum = 0;
        for (int64_t i = 0; i < terms; i++)
            sum = rs_add_capped(sum, rs_magnitude(op->weights[o * terms + i]));
        const int64_t bound = rs_add_capped(rs_multiply_capped(sum, activation), bias);
        max = rs_max64(bound, max);
    }
    if (from_weights)
        return max;
    const int64_t weight = rs_max64(weight_min, weight_max);
    return rs_add_capped(rs_multiply_capped(terms, rs_multiply_capped(activation, weight)), max_bias);
}

bool rs_weighted_widen(const rs_qnet *qnet, const rs_qop *op, int *bits, int *shift)
{
    if (op->weight_fl)
        return false;
    *bits = rs_qop_accumulator_bits(qnet, op, true);
    *shift = *bits > RS_QNET_MAX_SCORE_BITS ? *bits - RS_QNET_MAX_SCORE_BITS : 0;
    return true;
}

/* ---------------------------------------------------------------------------------------------------------- disk */

const char *const rs_weighted_keys[] = { "dilation",  "groups",           "weight_number", "weight_bits",
                                         "weight_fl", "weight_minifloat", "bias_fl",       "exponents",
                                         "zero_code", "channel_fl",       "weights",       "bias",
                                         NULL };

/* Bytes of the smallest integer type that holds every weight of the op's format. */
static int weight_size(const rs_qop *op)
{
    return rs_npy_integer_size(rs_fxp_bits_for_bound(rs_max64(-(rs_qop_weight_min(op) + 1), rs_qop_weight_max(op))));
}

static void write_arrays(rs_qnet_writer *w, json_t *j, const rs_qnet *qnet, int index, bool flat)
{
    const rs_qop *op = &qnet->ops[index];
    const rs_qtensor *in = &qnet->tensors[op->input], *out = &qnet->tensors[op->output];
    const int64_t terms = rs_qop_terms(qnet, op), count = terms * out->channels;
    char *base = rs_qnet_file_base(qnet, index);
    char *weights_name = base ? rs_format("%s.weights.npy", base) : NULL,
         *bias_name = base ? rs_format("%s.bias.npy", base) : NULL;
    int64_t *wide = RS_NEW_ARRAY(int64_t, (size_t)count);
    if (!weights_name || !bias_name || !wide) {
        w->status = rs_out_of_memory(w->diag);
    } else {
        for (int64_t i = 0; i < count; i++)
            wide[i] = op->weights[i];
        const int64_t dim[4] = { out->channels, flat ? terms : in->channels / op->groups, op->kernel_h, op->kernel_w };
        json_t *weights = rs_qnet_array_json(w, weights_name, wide, weight_size(op), flat ? 2 : 4, dim);
        json_t *bias = w->status == RS_OK ? rs_qnet_array_json(w, bias_name, op->bias, 8, 1, dim) : NULL;
        rs_qnet_put(w, j, "weights", weights);
        rs_qnet_put(w, j, "bias", bias);
    }
    rs_free(wide);
    rs_free(weights_name);
    rs_free(bias_name);
    rs_free(base);
}

void rs_weighted_write(rs_qnet_writer *w, json_t *j, const rs_qnet *qnet, int index, bool flat)
{
    const rs_qop *op = &qnet->ops[index];
    const rs_number_ops *number = rs_number_ops_of(&op->weight_format);
    rs_qnet_put_pair(w, j, "dilation", op->dilation_h, op->dilation_w);
    rs_qnet_put(w, j, "groups", json_integer(op->groups));
    rs_qnet_put(w, j, "weight_number", json_string(number->word));
    rs_qnet_put(w, j, "weight_bits", json_integer(op->weight_format.bits));
    rs_qnet_put(w, j, "weight_fl", json_integer(op->weight_format.fl));
    if (number->write)
        number->write(w, j, "weight_", &op->weight_format);
    if (!number->aligned_bias)
        rs_qnet_put(w, j, "bias_fl", json_integer(op->bias_fl));
    if (op->weight_fl) {
        json_t *fl = json_array();
        for (int c = 0; c < qnet->tensors[op->output].channels; c++)
            rs_qnet_append(w, fl, json_integer(op->weight_fl[c]));
        rs_qnet_put(w, j, "channel_fl", fl);
    }
    write_arrays(w, j, qnet, index, flat);
}

static void read_weights(rs_qnet_reader *r, const json_t *j, const char *where, const rs_qnet *qnet, rs_qop *op,
                         bool flat)
{
    const rs_qtensor *in = &qnet->tensors[op->input], *out = &qnet->tensors[op->output];
    if (op->groups > in->channels || in->channels % op->groups != 0) {
        RS_QNET_MISREAD(r, NULL, "%s: %d groups, expected a divisor of the %d input channels", where, op->groups,
                        in->channels);
        return;
    }
    /* No product of dimensions is formed here: the file's own size bounds what is read. */
    const int64_t per_map = (int64_t)op->kernel_h * op->kernel_w;
    if (per_map > RS_QNET_MAX_ELEMENTS) {
        RS_QNET_MISREAD(r, NULL, "%s: the kernel is too large", where);
        return;
    }
    const int64_t dim[4] = { out->channels, flat ? in->channels * per_map : in->channels / op->groups, op->kernel_h,
                             op->kernel_w };
    rs_npy weights, bias;
    const rs_qnet_array of_weights = { flat ? 2 : 4, dim, rs_qop_weight_min(op), rs_qop_weight_max(op) };
    if (rs_qnet_get_array(r, j, where, "weights", &of_weights, &weights)) {
        op->weights = RS_NEW_ARRAY(int32_t, (size_t)weights.count);
        if (!op->weights)
            r->status = rs_out_of_memory(r->diag);
        for (int64_t i = 0; op->weights && i < weights.count; i++)
            op->weights[i] = (int32_t)rs_npy_integer(&weights, i);
        rs_npy_free(&weights);
    }
    const rs_qnet_array of_bias = { 1, dim, rs_fxp_min(RS_ACCUMULATOR_MAX_BITS), rs_fxp_max(RS_ACCUMULATOR_MAX_BITS) };
    if (rs_qnet_get_array(r, j, where, "bias", &of_bias, &bias)) {
        op->bias = RS_NEW_ARRAY(int64_t, (size_t)bias.count);
        if (!op->bias)
            r->status = rs_out_of_memory(r->diag);
        for (int64_t i = 0; op->bias && i < bias.count; i++)
            op->bias[i] = rs_npy_integer(&bias, i);
        rs_npy_free(&bias);
    }
}

static void read_channel_fl(rs_qnet_reader *r, const json_t *j, const char *where, const rs_qnet *qnet, rs_qop *op)
{
    const json_t *fl = json_object_get(j, "channel_fl");
    const size_t n = (size_t)qnet->tensors[op->output].channels;
    if (!fl)
        return;
    if (!json_is_array(fl) || json_array_size(fl) != n) {
        RS_QNET_MISREAD(r, NULL, "%s: 'channel_fl' must be an array of %zu integers, one an output channel", where, n);
        return;
    }
    op->weight_fl = RS_NEW_ARRAY(int, n);
    if (!op->weight_fl) {
        r->status = rs_out_of_memory(r->diag);
        return;
    }
    for (size_t c = 0; c < n; c++) {
        const json_t *value = json_array_get(fl, c);
        const json_int_t v = json_integer_value(value);
        if (!json_is_integer(value) || v < RS_FL_MIN || v > RS_FL_MAX) {
            RS_QNET_MISREAD(r, NULL, "%s: channel_fl[%zu] must be an integer from %d to %d", where, c, RS_FL_MIN,
                            RS_FL_MAX);
            return;
        }
        op->weight_fl[c] = (int)v;
    }
}

void rs_weighted_read(rs_qnet_reader *r, const json_t *j, const char *where, const rs_qnet *qnet, rs_qop *op, bool flat)
{
    rs_qnet_get_pair(r, j, where, "dilation", 1, &op->dilation_h, &op->dilation_w);
    op->groups = rs_qnet_get_integer(r, j, where, "groups", 1, (int)RS_QNET_MAX_ELEMENTS);
    rs_qnet_read_number(r, j, where, "weight_number", &op->weight_format);
    op->weight_format.bits = rs_qnet_get_integer(r, j, where, "weight_bits", 1, RS_QNET_MAX_BITS);
    op->weight_format.fl = rs_qnet_get_integer(r, j, where, "weight_fl", RS_FL_MIN, RS_FL_MAX);
    const rs_number_ops *number = rs_number_ops_of(&op->weight_format);
    if (number->read)
        number->read(r, j, where, "weight_", &op->weight_format);
    if (!number->aligned_bias)
        op->bias_fl = rs_qnet_get_integer(r, j, where, "bias_fl", RS_FL_MIN, RS_FL_MAX);
    if (r->status == RS_OK)
        read_channel_fl(r, j, where, qnet, op);
    if (r->status == RS_OK)
        read_weights(r, j, where, qnet, op, flat);
}

/* ----------------------------------------------------------------------------------------------- from the float net */

/* Weights and biases as integers of the layer's kind of numbers. */
static bool quantize_values(rs_qnet_builder *b, int layer, const float *weights, int64_t count, const float *bias,
                            rs_qop *op)
{
    const int outputs = b->qnet->tensors[op->output].channels;
    const int64_t terms = count / outputs;
    const int *fl = b->formats->weight_fl[layer];
    rs_number_format format = b->formats->weights[layer];
    const rs_number_format *input = &b->qnet->tensors[op->input].format;
    const rs_number_ops *number = rs_number_ops_of(&format);
    uint64_t weights_beyond = 0, biases_beyond = 0;
    op->bias_fl = number->bias_fl(&format, input, bias, (size_t)outputs);
    for (int o = 0; o < outputs; o++) {
        format.fl = fl ? fl[o] : format.fl;
        rs_number_quantize_array(weights + o * terms, (size_t)terms, format, op->weights + o * terms, &weights_beyond);
        if (bias)
            op->bias[o] = number->bias(&format, input, op->bias_fl, (double)bias[o], b->qnet->bias_rule,
                                       &biases_beyond);
    }
    op->clipped_weights = (int64_t)weights_beyond;
    op->clipped_biases = (int64_t)biases_beyond;
    return true;
}

/* Refuses what is no finite number; `kind`: "weight" or "bias". */
static bool all_finite(rs_qnet_builder *b, const rs_layer *layer, const char *kind, const float *values, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (!isfinite(values[i])) {
            RS_QNET_REFUSE(b, layer, NULL, "%s %lld of layer '%s' is %s", kind, (long long)i, layer->name,
                           isnan(values[i]) ? "not a number" : "infinite");
            return false;
        }
    return true;
}

static bool quantize_weights(rs_qnet_builder *b, const rs_layer *layer, rs_qop *op)
{
    const rs_param *weights = &layer->params[0], *bias = layer->n_params > 1 ? &layer->params[1] : NULL;
    const int64_t count = layer->n_params > 0 ? rs_shape_count(&weights->shape, 0) : -1;
    const rs_qtensor *out = &b->qnet->tensors[op->output];
    if (count < 1 || count > RS_QNET_MAX_ELEMENTS || !weights->data ||
        (bias && (!bias->data || rs_shape_count(&bias->shape, 0) != out->channels)) ||
        count != (int64_t)out->channels * rs_qop_terms(b->qnet, op)) {
        RS_QNET_REFUSE(b, layer, "shapes must be inferred and weights loaded first",
                       "layer '%s' has no weights that fit its shape", layer->name);
        return false;
    }
    op->weights = RS_NEW_ARRAY(int32_t, (size_t)count);
    op->bias = RS_NEW_ARRAY(int64_t, (size_t)out->channels);
    if (!op->weights || !op->bias) {
        b->status = rs_out_of_memory(b->diag);
        return false;
    }
    const int index = (int)(layer - b->net->layers);
    const float *biases = b->formats->bias[index] ? b->formats->bias[index] : bias ? bias->data : NULL;
    if (!all_finite(b, layer, "weight", weights->data, count) ||
        (biases && !all_finite(b, layer, "bias", biases, out->channels)))
        return false;
    return quantize_values(b, index, b->formats->rounded[index] ? b->formats->rounded[index] : weights->data, count,
                           biases, op);
}

bool rs_weighted_build(rs_qnet_builder *b, const rs_layer *layer, rs_qop *op)
{
    op->weight_format = b->formats->weights[layer - b->net->layers];
    if (op->weight_format.bits == 0) {
        RS_QNET_REFUSE(b, layer, NULL, "layer '%s' has no number format for its weights", layer->name);
        return false;
    }
    op->shift = rs_qnet_input_of(b, op)->format.fl + op->weight_format.fl - rs_qnet_output_of(b, op)->format.fl;
    /* Widths beyond what fxp can take are refused before they are used. */
    if (op->weight_format.bits < 1 || op->weight_format.bits > RS_QNET_MAX_BITS || op->weight_format.fl < RS_FL_MIN ||
        op->weight_format.fl > RS_FL_MAX) {
        RS_QNET_REFUSE(b, layer, NULL,
                       "layer '%s' has weights of %d bits and fractional length %d, expected 1 to %d bits and %d to %d",
                       layer->name, op->weight_format.bits, op->weight_format.fl, RS_QNET_MAX_BITS, RS_FL_MIN,
                       RS_FL_MAX);
        return false;
    }
    const int *weight_fl = b->formats->weight_fl[layer - b->net->layers];
    const size_t channels = (size_t)rs_qnet_output_of(b, op)->channels;
    if (weight_fl) {
        op->weight_fl = RS_NEW_ARRAY(int, channels);
        if (!op->weight_fl) {
            b->status = rs_out_of_memory(b->diag);
            return false;
        }
        memcpy(op->weight_fl, weight_fl, channels * sizeof *weight_fl);
    }
    return quantize_weights(b, layer, op);
}
