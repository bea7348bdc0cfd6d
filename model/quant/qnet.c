/* A quantized network in memory: its sizes, its bounds and what makes it legal. */
#include "quant/qnet.h"

#include <math.h>

void rs_qnet_free(rs_qnet *qnet)
{
    if (qnet == NULL)
        return;
    for (int i = 0; qnet->tensors && i < qnet->n_tensors; i++)
        rs_free(qnet->tensors[i].name);
    for (int i = 0; qnet->ops && i < qnet->n_ops; i++) {
        rs_free(qnet->ops[i].name);
        rs_free(qnet->ops[i].weights);
        rs_free(qnet->ops[i].bias);
    }
    rs_free(qnet->tensors);
    rs_free(qnet->ops);
    rs_free(qnet->pixel_table);
    rs_free(qnet->name);
    rs_free(qnet);
}

int64_t rs_qop_terms(const rs_qnet *qnet, const rs_qop *op)
{
    if (!rs_qop_weighted(op))
        return 0;
    return (int64_t)(qnet->tensors[op->input].channels / op->groups) * op->kernel_h * op->kernel_w;
}

int64_t rs_qop_macs(const rs_qnet *qnet, const rs_qop *op)
{
    const rs_qtensor *out = &qnet->tensors[op->output];
    return rs_qop_terms(qnet, op) * out->channels * out->height * out->width;
}

static int64_t magnitude(int64_t v)
{
    return v < 0 ? (v == INT64_MIN ? INT64_MAX : -v) : v;
}

static int64_t add_capped(int64_t a, int64_t b)
{
    int64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

static int64_t multiply_capped(int64_t a, int64_t b)
{
    int64_t product;
    return __builtin_mul_overflow(a, b, &product) ? INT64_MAX : product;
}

int64_t rs_qop_bound(const rs_qnet *qnet, const rs_qop *op, bool from_weights)
{
    if (!rs_qop_weighted(op))
        return 0;
    const int64_t terms = rs_qop_terms(qnet, op), outputs = qnet->tensors[op->output].channels;
    const int64_t activation = INT64_C(1) << (qnet->tensors[op->input].format.bits - 1);
    int64_t most = 0, most_bias = 0;
    for (int64_t o = 0; o < outputs; o++) {
        const int64_t bias = magnitude(op->bias[o]);
        most_bias = bias > most_bias ? bias : most_bias;
        if (!from_weights)
            continue;
        int64_t sum = 0; /* at most 2^28 terms of 2^15 */
        for (int64_t i = 0; i < terms; i++)
            sum += magnitude(op->weights[o * terms + i]);
        const int64_t bound = add_capped(multiply_capped(sum, activation), bias);
        most = bound > most ? bound : most;
    }
    if (from_weights)
        return most;
    return add_capped(multiply_capped(terms, activation << (op->weight_format.bits - 1)), most_bias);
}

int rs_qop_accumulator_bits(const rs_qnet *qnet, const rs_qop *op, bool from_weights)
{
    return rs_fxp_bits_for_bound(rs_qop_bound(qnet, op, from_weights));
}

/* --------------------------------------------------------------------------------------------------------- check */

/* Where messages of the check go. */
typedef struct check {
    const rs_qnet *qnet;
    rs_loc loc;
    rs_diag *diag;
    rs_status status;
} check;

#define WRONG(c, ...) ((c)->status = rs_error((c)->diag, RS_BAD_INPUT, (c)->loc, NULL, __VA_ARGS__))

static bool format_ok(check *c, rs_fxp format, const char *kind, const char *name)
{
    if (format.bits < 1 || format.bits > RS_QNET_MAX_BITS) {
        WRONG(c, "%s '%s' has %d bits, expected 1 to %d", kind, name, format.bits, RS_QNET_MAX_BITS);
        return false;
    }
    if (format.fl < RS_FL_MIN || format.fl > RS_FL_MAX) {
        WRONG(c, "%s '%s' has the fractional length %d, expected %d to %d", kind, name, format.fl, RS_FL_MIN,
              RS_FL_MAX);
        return false;
    }
    return true;
}

static bool tensor_ok(check *c, const rs_qtensor *t)
{
    const int least = t->channels < t->height ? t->channels : t->height;
    if (least < 1 || t->width < 1 ||
        multiply_capped((int64_t)t->channels * t->height, t->width) > RS_QNET_MAX_ELEMENTS) {
        WRONG(c, "tensor '%s' has the shape %dx%dx%d, expected sizes from 1 and at most %lld elements", t->name,
              t->channels, t->height, t->width, (long long)RS_QNET_MAX_ELEMENTS);
        return false;
    }
    return format_ok(c, t->format, "tensor", t->name);
}

/* Geometry of one axis of a sliding window; `what` names the axis. */
static bool axis_ok(check *c, const rs_qop *op, const char *axis, int in, int kernel, int stride, int pad, int dilation,
                    int out)
{
    const bool pool = op->type == RS_QOP_MAX_POOL;
    /* A kernel, stride or pad larger than this makes no sense and could overflow below. */
    if (kernel < 1 || stride < 1 || pad < 0 || dilation < 1 || kernel > 1 << 20 || stride > 1 << 20 || pad > 1 << 20 ||
        dilation > 1 << 20) {
        WRONG(c,
              "op '%s' has %s %d, stride %d, pad %d, dilation %d, expected kernel, stride and dilation from 1 and pad "
              "from 0",
              op->name, axis, kernel, stride, pad, dilation);
        return false;
    }
    if (pool && (pad >= kernel || dilation != 1)) {
        WRONG(c,
              "pooling '%s' has %s %d with pad %d and dilation %d, expected a pad below the kernel's size and no "
              "dilation",
              op->name, axis, kernel, pad, dilation);
        return false;
    }
    const int64_t reach = (int64_t)dilation * (kernel - 1) + 1;
    if (!pool && reach > (int64_t)in + 2 * (int64_t)pad) {
        WRONG(c, "op '%s': its %s covers %lld, the padded input %lld; expected a kernel that fits", op->name, axis,
              (long long)reach, (long long)in + 2 * (long long)pad);
        return false;
    }
    const int64_t expected = pool ? rs_pooling_output(in, kernel, stride, pad)
                                  : rs_convolution_output(in, kernel, stride, pad, dilation);
    if (out != expected) {
        WRONG(c, "op '%s' has an output of %d along its %s, expected %lld for an input of %d", op->name, out, axis,
              (long long)expected, in);
        return false;
    }
    if (pool && (int64_t)(out - 1) * stride - pad >= in) {
        WRONG(c, "pooling '%s': the last window lies outside the map along its %s", op->name, axis);
        return false;
    }
    return true;
}

static void check_weights(check *c, const rs_qop *op)
{
    const rs_qtensor *in = &c->qnet->tensors[op->input], *out = &c->qnet->tensors[op->output];
    if (!format_ok(c, op->weight_format, "op", op->name))
        return;
    if (op->groups < 1 || in->channels % op->groups != 0 || out->channels % op->groups != 0) {
        WRONG(c, "op '%s' has %d groups, expected a divisor of its %d input and %d output channels", op->name,
              op->groups, in->channels, out->channels);
        return;
    }
    if (op->type == RS_QOP_INNER_PRODUCT &&
        (op->kernel_h != in->height || op->kernel_w != in->width || op->stride_h != 1 || op->stride_w != 1 ||
         op->pad_h != 0 || op->pad_w != 0 || op->dilation_h != 1 || op->dilation_w != 1 || op->groups != 1)) {
        WRONG(c, "inner product '%s' must have its whole input as kernel, stride 1, no padding, no dilation, one group",
              op->name);
        return;
    }
    const int64_t terms = rs_qop_terms(c->qnet, op), count = multiply_capped(terms, out->channels);
    if (count > RS_QNET_MAX_ELEMENTS) {
        WRONG(c, "op '%s' has more than %lld weights", op->name, (long long)RS_QNET_MAX_ELEMENTS);
        return;
    }
    const int64_t lo = rs_fxp_min(op->weight_format.bits), hi = rs_fxp_max(op->weight_format.bits);
    for (int64_t i = 0; i < count; i++)
        if (op->weights[i] < lo || op->weights[i] > hi) {
            WRONG(c, "weight %lld of op '%s' is %d, expected %lld to %lld for %d bits", (long long)i, op->name,
                  (int)op->weights[i], (long long)lo, (long long)hi, op->weight_format.bits);
            return;
        }
    const int shift = in->format.fl + op->weight_format.fl - out->format.fl;
    if (op->shift != shift)
        WRONG(c, "op '%s' has the shift %d, expected %d from its fractional lengths %d + %d - %d", op->name, op->shift,
              shift, in->format.fl, op->weight_format.fl, out->format.fl);
    else if (shift < RS_SHIFT_MIN || shift > RS_SHIFT_MAX)
        WRONG(c, "op '%s' shifts its sums by %d bits (fractional lengths %d + %d - %d), expected %d to %d", op->name,
              shift, in->format.fl, op->weight_format.fl, out->format.fl, RS_SHIFT_MIN, RS_SHIFT_MAX);
    const int bits = rs_qop_accumulator_bits(c->qnet, op, true);
    if (bits > RS_ACCUMULATOR_MAX_BITS)
        WRONG(c, "op '%s' needs an accumulator of %d bits, expected at most %d", op->name, bits,
              RS_ACCUMULATOR_MAX_BITS);
}

static void check_op(check *c, int i)
{
    const rs_qop *op = &c->qnet->ops[i];
    if (op->output != i + 1 || op->input < 0 || op->input > i) {
        WRONG(c, "op '%s' reads tensor %d and writes tensor %d, expected one of 0 to %d and %d", op->name, op->input,
              op->output, i, i + 1);
        return;
    }
    const rs_qtensor *in = &c->qnet->tensors[op->input], *out = &c->qnet->tensors[op->output];
    if (op->type != RS_QOP_RELU &&
        (!axis_ok(c, op, "kernel_h", in->height, op->kernel_h, op->stride_h, op->pad_h, op->dilation_h, out->height) ||
         !axis_ok(c, op, "kernel_w", in->width, op->kernel_w, op->stride_w, op->pad_w, op->dilation_w, out->width)))
        return;
    if (rs_qop_weighted(op)) {
        check_weights(c, op);
        return;
    }
    if (in->channels != out->channels ||
        (op->type == RS_QOP_RELU && (in->height != out->height || in->width != out->width)))
        WRONG(c, "op '%s' turns %dx%dx%d into %dx%dx%d, expected the same channels%s", op->name, in->channels,
              in->height, in->width, out->channels, out->height, out->width,
              op->type == RS_QOP_RELU ? " and sizes" : "");
    if (in->format.bits != out->format.bits || in->format.fl != out->format.fl)
        WRONG(c,
              "op '%s' turns the format (%d bits, fl %d) into (%d bits, fl %d), expected the same format on both sides",
              op->name, in->format.bits, in->format.fl, out->format.bits, out->format.fl);
}

rs_status rs_qnet_check(const rs_qnet *qnet, const char *path, rs_diag *diag)
{
    check c = { .qnet = qnet, .loc = path ? RS_FILE(path) : RS_NOWHERE, .diag = diag, .status = RS_OK };
    if (qnet->n_ops < 1 || qnet->n_tensors != qnet->n_ops + 1)
        return WRONG(&c, "%d ops and %d tensors, expected at least one op and one tensor more than ops", qnet->n_ops,
                     qnet->n_tensors);
    if ((unsigned)qnet->rounding >= RS_ROUNDINGS || qnet->rounding == RS_ROUND_STOCHASTIC)
        WRONG(&c, "the rounding mode of a quantized network must be a deterministic one");
    for (int i = 0; i < qnet->n_tensors; i++)
        tensor_ok(&c, &qnet->tensors[i]);
    const rs_qtensor *input = &qnet->tensors[0];
    if (input->channels > RS_QNET_MAX_CHANNELS)
        WRONG(&c, "the input '%s' has %d channels, expected at most %d", input->name, input->channels,
              RS_QNET_MAX_CHANNELS);
    bool finite = isfinite(qnet->pixel_scale);
    for (int i = 0; i < RS_QNET_MAX_CHANNELS; i++)
        finite = finite && isfinite(qnet->pixel_mean[i]);
    if (!finite)
        WRONG(&c, "the scale or a mean value of the input '%s' is not a finite number", input->name);
    if (c.status != RS_OK)
        return c.status;
    const int64_t lo = rs_fxp_min(input->format.bits), hi = rs_fxp_max(input->format.bits);
    for (int i = 0; i < input->channels * 256; i++)
        if (qnet->pixel_table[i] < lo || qnet->pixel_table[i] > hi) {
            WRONG(&c, "entry %d of the pixel table is %d, expected %lld to %lld for %d bits", i,
                  (int)qnet->pixel_table[i], (long long)lo, (long long)hi, input->format.bits);
            break;
        }
    for (int i = 0; i < qnet->n_ops; i++)
        check_op(&c, i);
    return c.status;
}
