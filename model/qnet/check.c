/* What makes a quantized network legal: everything that the engines rely on. */
#include "qnet/check.h"

#include <math.h>

#include "base/integer.h"
#include "base/window.h"

static bool limits_ok(rs_qnet_checker *c, const rs_number_format *format, int max_bits, const char *kind,
                      const char *name)
{
    if (format->bits < 1 || format->bits > max_bits) {
        RS_QNET_WRONG(c, "%s '%s' has %d bits, expected 1 to %d", kind, name, format->bits, max_bits);
        return false;
    }
    if (format->fl < RS_FL_MIN || format->fl > RS_FL_MAX) {
        RS_QNET_WRONG(c, "%s '%s' has the fractional length %d, expected %d to %d", kind, name, format->fl, RS_FL_MIN,
                      RS_FL_MAX);
        return false;
    }
    return true;
}

static bool kind_ok(rs_qnet_checker *c, const rs_number_format *format, const char *kind, const char *name)
{
    if ((unsigned)format->number >= RS_NUMBERS) {
        RS_QNET_WRONG(c, "%s '%s' has numbers of an unknown kind", kind, name);
        return false;
    }
    if ((format->number == RS_NUMBER_MINIFLOAT) != rs_qnet_minifloat(c->qnet)) {
        RS_QNET_WRONG(c, "%s '%s' has %s numbers, the input %s; expected minifloat everywhere or nowhere", kind, name,
                      rs_number_name(format->number), rs_number_name(c->qnet->tensors[0].format.number));
        return false;
    }
    char flaw[128];
    if (!rs_number_ops_of(format)->legal(format, flaw, sizeof flaw)) {
        RS_QNET_WRONG(c, "%s '%s' has %s", kind, name, flaw);
        return false;
    }
    return true;
}

bool rs_qnet_format_ok(rs_qnet_checker *c, const rs_number_format *format, int max_bits, const char *kind,
                       const char *name)
{
    return kind_ok(c, format, kind, name) && limits_ok(c, format, max_bits, kind, name);
}

static bool tensor_ok(rs_qnet_checker *c, int index)
{
    const rs_qtensor *t = &c->qnet->tensors[index];
    const int min_size = t->channels < t->height ? t->channels : t->height;
    if (min_size < 1 || t->width < 1 ||
        rs_multiply_capped(rs_multiply_capped(t->channels, t->height), t->width) > RS_QNET_MAX_ELEMENTS) {
        RS_QNET_WRONG(c, "tensor '%s' has the shape %dx%dx%d, expected sizes from 1 and at most %lld elements", t->name,
                      t->channels, t->height, t->width, (long long)RS_QNET_MAX_ELEMENTS);
        return false;
    }
    /* Scores may be as wide as the accumulator. */
    const bool scores = index > 0 && index == c->qnet->n_tensors - 1 && !t->is_unsigned;
    const rs_number_ops *number = (unsigned)t->format.number < RS_NUMBERS ? rs_number_ops_of(&t->format) : NULL;
    if (number && (number->weights_only || (t->is_unsigned && !number->may_differ))) {
        RS_QNET_WRONG(c, "tensor '%s' has %s%s numbers, which only %s can have", t->name,
                      t->is_unsigned ? "unsigned " : "", rs_number_name(t->format.number),
                      t->is_unsigned ? "fixed point" : "weights");
        return false;
    }
    return rs_qnet_format_ok(c, &t->format, scores ? RS_QNET_MAX_SCORE_BITS : RS_QNET_MAX_BITS, "tensor", t->name);
}

/* One axis of a window over an input of `in` elements. */
typedef struct window_axis {
    const char *name; /* "kernel_h" or "kernel_w" */
    int in, kernel, stride, pad, dilation, out;
} window_axis;

/* Geometry of one axis of a sliding window; `what` names the axis. */
static bool axis_ok(rs_qnet_checker *c, const rs_qop *op, const window_axis *a)
{
    const char *axis = a->name;
    const int in = a->in, kernel = a->kernel, stride = a->stride, pad = a->pad, dilation = a->dilation, out = a->out;
    const bool pool = rs_qop_has(op, RS_QOP_POOLS);
    /* A kernel, stride or pad larger than this makes no sense and could overflow below. */
    if (kernel < 1 || stride < 1 || pad < 0 || dilation < 1 || kernel > 1 << 20 || stride > 1 << 20 || pad > 1 << 20 ||
        dilation > 1 << 20) {
        RS_QNET_WRONG(
            c,
            "op '%s' has %s %d, stride %d, pad %d, dilation %d, expected kernel, stride and dilation from 1 and pad "
            "from 0",
            op->name, axis, kernel, stride, pad, dilation);
        return false;
    }
    if (pool && (pad >= kernel || dilation != 1)) {
        RS_QNET_WRONG(
            c,
            "pooling '%s' has %s %d with pad %d and dilation %d, expected a pad below the kernel's size and no "
            "dilation",
            op->name, axis, kernel, pad, dilation);
        return false;
    }
    const int64_t reach = (int64_t)dilation * (kernel - 1) + 1;
    if (!pool && reach > (int64_t)in + 2 * (int64_t)pad) {
        RS_QNET_WRONG(c, "op '%s': its %s covers %lld, the padded input %lld; expected a kernel that fits", op->name,
                      axis, (long long)reach, (long long)in + 2 * (long long)pad);
        return false;
    }
    const int64_t expected = pool ? rs_pooling_output(in, kernel, stride, pad, false)
                                  : rs_convolution_output(in, kernel, stride, pad, dilation);
    /* A pooling's output may be rounded down as well: the tensors say which. */
    if (out != expected && !(pool && out == rs_pooling_output(in, kernel, stride, pad, true))) {
        RS_QNET_WRONG(c, "op '%s' has an output of %d along its %s, expected %lld for an input of %d", op->name, out,
                      axis, (long long)expected, in);
        return false;
    }
    if (pool && (int64_t)(out - 1) * stride - pad >= in) {
        RS_QNET_WRONG(c, "pooling '%s': the last window lies outside the map along its %s", op->name, axis);
        return false;
    }
    return true;
}

bool rs_qnet_window_ok(rs_qnet_checker *c, const rs_qop *op)
{
    const rs_qtensor *in = &c->qnet->tensors[op->input], *out = &c->qnet->tensors[op->output];
    const window_axis h = {
        "kernel_h", in->height, op->kernel_h, op->stride_h, op->pad_h, op->dilation_h, out->height
    };
    const window_axis w = { "kernel_w", in->width, op->kernel_w, op->stride_w, op->pad_w, op->dilation_w, out->width };
    return axis_ok(c, op, &h) && axis_ok(c, op, &w);
}

bool rs_qnet_shift_ok(rs_qnet_checker *c, const rs_qop *op, int shift)
{
    if (shift >= RS_SHIFT_MIN && shift <= RS_SHIFT_MAX)
        return true;
    RS_QNET_WRONG(c, "op '%s' shifts its sums by %d bits, expected %d to %d", op->name, shift, RS_SHIFT_MIN,
                  RS_SHIFT_MAX);
    return false;
}

void rs_qnet_check_accumulator(rs_qnet_checker *c, const rs_qop *op, int max_bits)
{
    if (rs_qnet_minifloat(c->qnet))
        return;
    const int bits = rs_qop_accumulator_bits(c->qnet, op, true);
    if (bits > max_bits)
        RS_QNET_WRONG(c, "op '%s' needs an accumulator of %d bits, expected at most %d", op->name, bits, max_bits);
}

/* Ops that choose among the integers of their input. */
void rs_qnet_check_same_format(rs_qnet_checker *c, const rs_qop *op)
{
    const rs_qtensor *in = &c->qnet->tensors[op->input], *out = &c->qnet->tensors[op->output];
    if (!rs_number_equal(in->format, out->format) || in->is_unsigned != out->is_unsigned)
        RS_QNET_WRONG(
            c,
            "op '%s' turns the format (%d bits, fl %d%s) into (%d bits, fl %d%s), expected the same format on both "
            "sides",
            op->name, in->format.bits, in->format.fl, in->is_unsigned ? ", unsigned" : "", out->format.bits,
            out->format.fl, out->is_unsigned ? ", unsigned" : "");
}

/* An unsigned output cannot be below zero. */
static void check_sign(rs_qnet_checker *c, const rs_qop *op)
{
    bool never_below = op->relu;
    if (!never_below && !rs_qop_has(op, RS_QOP_WEIGHTS)) {
        never_below = true;
        for (int i = 0; i < op->n_inputs; i++)
            never_below = never_below && c->qnet->tensors[op->inputs[i]].is_unsigned;
    }
    if (c->qnet->tensors[op->output].is_unsigned && !never_below)
        RS_QNET_WRONG(c, "the output of op '%s' is unsigned, expected a ReLU or unsigned inputs", op->name);
}

static bool inputs_ok(rs_qnet_checker *c, int index)
{
    const rs_qop *op = &c->qnet->ops[index];
    const bool several = rs_qop_has(op, RS_QOP_SEVERAL);
    if (op->n_inputs < 1 || op->n_inputs > (several ? RS_QOP_MAX_INPUTS : 1)) {
        RS_QNET_WRONG(c, "op '%s' has %d inputs, expected 1%s", op->name, op->n_inputs, several ? " to 64" : "");
        return false;
    }
    for (int k = 0; k < op->n_inputs; k++)
        if (op->output != index + 1 || op->inputs[k] < 0 || op->inputs[k] > index) {
            RS_QNET_WRONG(c, "op '%s' reads tensor %d and writes tensor %d, expected one of 0 to %d and %d", op->name,
                          op->inputs[k], op->output, index, index + 1);
            return false;
        }
    return true;
}

/* Channels, and sizes where no window gives them. */
static bool sizes_ok(rs_qnet_checker *c, const rs_qop *op)
{
    const rs_qtensor *in = &c->qnet->tensors[op->input], *out = &c->qnet->tensors[op->output];
    const bool same = rs_qop_has(op, RS_QOP_SAME_SIZES);
    if ((!same && !rs_qop_has(op, RS_QOP_POOLS)) ||
        (in->channels == out->channels && (!same || (in->height == out->height && in->width == out->width))))
        return true;
    RS_QNET_WRONG(c, "op '%s' turns %dx%dx%d into %dx%dx%d, expected the same channels%s", op->name, in->channels,
                  in->height, in->width, out->channels, out->height, out->width, same ? " and sizes" : "");
    return false;
}

static void check_op(rs_qnet_checker *c, int index)
{
    const rs_qop *op = &c->qnet->ops[index];
    if ((unsigned)op->type >= RS_QOPS) {
        RS_QNET_WRONG(c, "op '%s' is of an unknown type", op->name);
        return;
    }
    if (!inputs_ok(c, index))
        return;
    if (op->relu && !rs_qop_has(op, RS_QOP_RELU_FUSED))
        RS_QNET_WRONG(c, "op '%s' has a ReLU, which only weighted ops and additions can have", op->name);
    check_sign(c, op);
    if ((rs_qop_has(op, RS_QOP_WINDOW) && !rs_qnet_window_ok(c, op)) || !sizes_ok(c, op))
        return;
    if (rs_qop_has(op, RS_QOP_KEEPS))
        rs_qnet_check_same_format(c, op);
    if (rs_qop_rules[op->type]->check)
        rs_qop_rules[op->type]->check(c, op);
}

static void check_input(rs_qnet_checker *c)
{
    const rs_qnet *qnet = c->qnet;
    const rs_qtensor *input = &qnet->tensors[0];
    const int64_t pixels = (int64_t)input->channels * input->height * input->width;
    for (int64_t i = 0; qnet->mean_image && i < pixels; i++)
        if (!isfinite(qnet->mean_image[i])) {
            RS_QNET_WRONG(c, "element %lld of the mean image is not a finite number", (long long)i);
            return;
        }
    if ((qnet->pixel_table == NULL) == (qnet->mean_image == NULL)) {
        RS_QNET_WRONG(c, "the input '%s' needs either a pixel table or a mean image", input->name);
        return;
    }
    const int64_t lo = rs_qtensor_min(input), hi = rs_qtensor_max(input);
    for (int i = 0; qnet->pixel_table && i < input->channels * 256; i++)
        if (qnet->pixel_table[i] < lo || qnet->pixel_table[i] > hi) {
            RS_QNET_WRONG(c, "entry %d of the pixel table is %d, expected %lld to %lld for %d bits%s", i,
                          (int)qnet->pixel_table[i], (long long)lo, (long long)hi, input->format.bits,
                          input->is_unsigned ? ", unsigned" : "");
            return;
        }
}

rs_status rs_qnet_check(const rs_qnet *qnet, const char *path, rs_diag *diag)
{
    rs_qnet_checker c = { .qnet = qnet, .loc = path ? RS_FILE(path) : RS_NOWHERE, .diag = diag, .status = RS_OK };
    if (qnet->n_ops < 1 || qnet->n_tensors != qnet->n_ops + 1)
        return RS_QNET_WRONG(&c, "%d ops and %d tensors, expected at least one op and one tensor more than ops",
                             qnet->n_ops, qnet->n_tensors);
    if ((unsigned)qnet->rounding >= RS_ROUNDINGS || qnet->rounding == RS_ROUND_STOCHASTIC)
        RS_QNET_WRONG(&c, "the rounding mode of a quantized network must be a deterministic one");
    for (int i = 0; i < qnet->n_tensors; i++)
        tensor_ok(&c, i);
    const rs_qtensor *input = &qnet->tensors[0];
    if (input->channels > RS_QNET_MAX_CHANNELS)
        RS_QNET_WRONG(&c, "the input '%s' has %d channels, expected at most %d", input->name, input->channels,
                      RS_QNET_MAX_CHANNELS);
    bool finite = isfinite(qnet->pixel_scale);
    for (int i = 0; i < RS_QNET_MAX_CHANNELS; i++)
        finite = finite && isfinite(qnet->pixel_mean[i]);
    if (!finite)
        RS_QNET_WRONG(&c, "the scale or a mean value of the input '%s' is not a finite number", input->name);
    if (c.status != RS_OK)
        return c.status;
    check_input(&c);
    for (int i = 0; i < qnet->n_ops; i++)
        check_op(&c, i);
    return c.status;
}
