/* A quantized network in memory: its sizes, its bounds and what makes it legal. */
#include "qnet/qnet.h"
#include "base/memory.h"
#include "base/window.h"

#include <math.h>

const char *rs_qop_type_name(rs_qop_type type)
{
    static const char *const names[RS_QOPS] = {
        "convolution", "inner product", "max pooling", "ReLU", "average pooling",
        "addition",    "concatenation", "LRN",         "clip"
    };
    return (unsigned)type < RS_QOPS ? names[type] : "?";
}

void rs_qnet_free(rs_qnet *qnet)
{
    if (qnet == NULL)
        return;
    for (int i = 0; qnet->tensors && i < qnet->n_tensors; i++)
        rs_free(qnet->tensors[i].name);
    for (int i = 0; qnet->ops && i < qnet->n_ops; i++) {
        rs_free(qnet->ops[i].name);
        rs_free(qnet->ops[i].weights);
        rs_free(qnet->ops[i].weight_fl);
        rs_free(qnet->ops[i].bias);
    }
    rs_free(qnet->tensors);
    rs_free(qnet->ops);
    rs_free(qnet->pixel_table);
    rs_free(qnet->mean_image);
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

/* ----------------------------------------------------------------------------------------------------- ranges */

int64_t rs_qtensor_min(const rs_qtensor *tensor)
{
    return tensor->is_unsigned ? 0 : rs_number_ops_of(&tensor->format)->min(&tensor->format);
}

int64_t rs_qtensor_max(const rs_qtensor *tensor)
{
    rs_number_format format = tensor->format;
    format.bits = rs_qtensor_signed_bits(tensor);
    return rs_number_ops_of(&format)->max(&format);
}

int64_t rs_qop_weight_min(const rs_qop *op)
{
    return rs_number_ops_of(&op->weight_format)->min(&op->weight_format);
}

int64_t rs_qop_weight_max(const rs_qop *op)
{
    return rs_number_ops_of(&op->weight_format)->max(&op->weight_format);
}

/* The largest magnitude of a tensor's integers. */
static int64_t most_of(const rs_qtensor *tensor)
{
    return tensor->is_unsigned ? rs_qtensor_max(tensor) : -rs_qtensor_min(tensor);
}

/* ---------------------------------------------------------------------------------------------- sections 3 to 6 */

int rs_qop_align(const rs_qnet *qnet, const rs_qop *op, int i)
{
    int fl = qnet->tensors[op->inputs[0]].format.fl;
    for (int k = 1; k < op->n_inputs; k++)
        fl = qnet->tensors[op->inputs[k]].format.fl > fl ? qnet->tensors[op->inputs[k]].format.fl : fl;
    return fl - qnet->tensors[op->inputs[i]].format.fl;
}

int rs_qop_concat_shift(const rs_qnet *qnet, const rs_qop *op, int i)
{
    return qnet->tensors[op->inputs[i]].format.fl - qnet->tensors[op->output].format.fl;
}

/* Length of a window that begins at `first` and ends where the padding behind the map does. */
static int64_t window_length(int64_t first, int kernel, int in, int pad)
{
    const int64_t end = (int64_t)in + pad;
    return first + kernel < end ? kernel : end - first;
}

int64_t rs_qop_area(const rs_qnet *qnet, const rs_qop *op, int y, int x)
{
    const rs_qtensor *in = &qnet->tensors[op->input];
    return window_length((int64_t)y * op->stride_h - op->pad_h, op->kernel_h, in->height, op->pad_h) *
           window_length((int64_t)x * op->stride_w - op->pad_w, op->kernel_w, in->width, op->pad_w);
}

int rs_average_shift(int64_t area)
{
    int log2 = 0;
    while (INT64_C(1) << log2 < area)
        log2++;
    return RS_AVERAGE_BITS + log2;
}

int32_t rs_average_factor(int64_t area)
{
    const int64_t one = INT64_C(1) << rs_average_shift(area);
    return (int32_t)((2 * one + area) / (2 * area));
}

static int64_t weighted_bound(const rs_qnet *qnet, const rs_qop *op, bool from_weights)
{
    const int64_t terms = rs_qop_terms(qnet, op), outputs = qnet->tensors[op->output].channels;
    const int64_t activation = most_of(&qnet->tensors[op->input]);
    const int64_t weight_min = -rs_qop_weight_min(op), weight_max = rs_qop_weight_max(op);
    int64_t most = 0, most_bias = 0;
    for (int64_t o = 0; o < outputs; o++) {
        const int64_t bias = magnitude(op->bias[o]);
        most_bias = bias > most_bias ? bias : most_bias;
        if (!from_weights)
            continue;
        int64_t sum = 0;
        for (int64_t i = 0; i < terms; i++)
            sum = add_capped(sum, magnitude(op->weights[o * terms + i]));
        const int64_t bound = add_capped(multiply_capped(sum, activation), bias);
        most = bound > most ? bound : most;
    }
    if (from_weights)
        return most;
    const int64_t weight = weight_min > weight_max ? weight_min : weight_max;
    return add_capped(multiply_capped(terms, multiply_capped(activation, weight)), most_bias);
}

int64_t rs_qop_bound(const rs_qnet *qnet, const rs_qop *op, bool from_weights)
{
    int64_t bound = 0;
    if (rs_qnet_minifloat(qnet))
        return INT64_MAX; /* of their sums rs_qop_accumulator_bits says more */
    switch (op->type) {
    case RS_QOP_CONVOLUTION:
    case RS_QOP_INNER_PRODUCT:
        return weighted_bound(qnet, op, from_weights);
    case RS_QOP_AVERAGE_POOL:
        return multiply_capped(multiply_capped(op->kernel_h, op->kernel_w), most_of(&qnet->tensors[op->input]));
    case RS_QOP_ADD:
        for (int i = 0; i < op->n_inputs; i++) {
            const int align = rs_qop_align(qnet, op, i);
            const int64_t most = most_of(&qnet->tensors[op->inputs[i]]);
            bound = add_capped(bound, align > 46 ? INT64_MAX : multiply_capped(most, INT64_C(1) << align));
        }
        return bound;
    case RS_QOP_MAX_POOL:
    case RS_QOP_RELU:
    case RS_QOP_CONCAT:
    case RS_QOP_LRN:
    case RS_QOP_CLIP:
    case RS_QOPS:
        break;
    }
    return 0;
}

/* The products of the two largest integers, the sum of so many, the bias, and the sign. */
static int minifloat_bits(const rs_qnet *qnet, const rs_qop *op)
{
    const rs_minifloat a = qnet->tensors[op->input].format.minifloat, w = op->weight_format.minifloat;
    int64_t biggest = 0;
    for (int o = 0; o < qnet->tensors[op->output].channels; o++)
        biggest = magnitude(op->bias[o]) > biggest ? magnitude(op->bias[o]) : biggest;
    const int sum = rs_minifloat_integer_bits(a) + rs_minifloat_integer_bits(w) +
                    rs_fxp_bits_for_bound(rs_qop_terms(qnet, op)) - 1;
    const int bias = rs_fxp_bits_for_bound(biggest) - 1 + rs_minifloat_fl(a) + rs_minifloat_fl(w) - op->bias_fl;
    return (sum > bias ? sum : bias) + 2;
}

/* Of an activation as a product with one, and of the sum of so many. */
static int direct_minifloat_bits(const rs_qtensor *in, int inputs)
{
    return rs_minifloat_integer_bits(in->format.minifloat) + rs_minifloat_fl(in->format.minifloat) + 1 +
           rs_fxp_bits_for_bound(inputs) - 1;
}

int rs_qop_accumulator_bits(const rs_qnet *qnet, const rs_qop *op, bool from_weights)
{
    if (rs_qnet_minifloat(qnet))
        return rs_qop_weighted(op) ? minifloat_bits(qnet, op)
                                   : direct_minifloat_bits(&qnet->tensors[op->input], op->n_inputs);
    return rs_fxp_bits_for_bound(rs_qop_bound(qnet, op, from_weights));
}

/* -------------------------------------------------------------------------------------------------------- check */

/* Where messages of the check go. */
typedef struct check {
    const rs_qnet *qnet;
    rs_loc loc;
    rs_diag *diag;
    rs_status status;
} check;

#define WRONG(c, ...) ((c)->status = rs_error((c)->diag, RS_BAD_INPUT, (c)->loc, NULL, __VA_ARGS__))

static bool format_ok(check *c, rs_number_format format, int most_bits, const char *kind, const char *name)
{
    if (format.bits < 1 || format.bits > most_bits) {
        WRONG(c, "%s '%s' has %d bits, expected 1 to %d", kind, name, format.bits, most_bits);
        return false;
    }
    if (format.fl < RS_FL_MIN || format.fl > RS_FL_MAX) {
        WRONG(c, "%s '%s' has the fractional length %d, expected %d to %d", kind, name, format.fl, RS_FL_MIN,
              RS_FL_MAX);
        return false;
    }
    return true;
}

static bool number_ok(check *c, rs_number_format format, const char *kind, const char *name)
{
    const bool minifloat = format.number == RS_NUMBER_MINIFLOAT;
    if ((unsigned)format.number >= RS_NUMBERS) {
        WRONG(c, "%s '%s' has numbers of an unknown kind", kind, name);
        return false;
    }
    if (minifloat != rs_qnet_minifloat(c->qnet)) {
        WRONG(c, "%s '%s' has %s numbers, the input %s; expected minifloat everywhere or nowhere", kind, name,
              rs_number_name(format.number), rs_number_name(c->qnet->tensors[0].format.number));
        return false;
    }
    char flaw[128];
    if (!rs_number_ops_of(&format)->legal(&format, flaw, sizeof flaw)) {
        WRONG(c, "%s '%s' has %s", kind, name, flaw);
        return false;
    }
    return true;
}

/* A weight that is no number of its kind. */
static bool weight_ok(const rs_qop *op, int32_t w)
{
    return w >= rs_qop_weight_min(op) && w <= rs_qop_weight_max(op) &&
           rs_number_ops_of(&op->weight_format)->holds(&op->weight_format, w);
}

static bool tensor_ok(check *c, int index)
{
    const rs_qtensor *t = &c->qnet->tensors[index];
    const int least = t->channels < t->height ? t->channels : t->height;
    if (least < 1 || t->width < 1 ||
        multiply_capped(multiply_capped(t->channels, t->height), t->width) > RS_QNET_MAX_ELEMENTS) {
        WRONG(c, "tensor '%s' has the shape %dx%dx%d, expected sizes from 1 and at most %lld elements", t->name,
              t->channels, t->height, t->width, (long long)RS_QNET_MAX_ELEMENTS);
        return false;
    }
    /* Scores may be as wide as the accumulator. */
    const bool scores = index > 0 && index == c->qnet->n_tensors - 1 && !t->is_unsigned;
    const rs_number_ops *number = (unsigned)t->format.number < RS_NUMBERS ? rs_number_ops_of(&t->format) : NULL;
    if (number && (number->weights_only || (t->is_unsigned && !number->may_differ))) {
        WRONG(c, "tensor '%s' has %s%s numbers, which only %s can have", t->name, t->is_unsigned ? "unsigned " : "",
              rs_number_name(t->format.number), t->is_unsigned ? "fixed point" : "weights");
        return false;
    }
    return number_ok(c, t->format, "tensor", t->name) &&
           format_ok(c, t->format, scores ? RS_QNET_MAX_SCORE_BITS : RS_QNET_MAX_BITS, "tensor", t->name);
}

static bool pooling(const rs_qop *op)
{
    return op->type == RS_QOP_MAX_POOL || op->type == RS_QOP_AVERAGE_POOL;
}

/* Geometry of one axis of a sliding window; `what` names the axis. */
static bool axis_ok(check *c, const rs_qop *op, const char *axis, int in, int kernel, int stride, int pad, int dilation,
                    int out)
{
    const bool pool = pooling(op);
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
    const int64_t expected = pool ? rs_pooling_output(in, kernel, stride, pad, false)
                                  : rs_convolution_output(in, kernel, stride, pad, dilation);
    /* A pooling's output may be rounded down as well: the tensors say which. */
    if (out != expected && !(pool && out == rs_pooling_output(in, kernel, stride, pad, true))) {
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

/* A shift of requantize. */
static bool shift_ok(check *c, const rs_qop *op, int shift)
{
    if (shift >= RS_SHIFT_MIN && shift <= RS_SHIFT_MAX)
        return true;
    WRONG(c, "op '%s' shifts its sums by %d bits, expected %d to %d", op->name, shift, RS_SHIFT_MIN, RS_SHIFT_MAX);
    return false;
}

static void check_accumulator(check *c, const rs_qop *op, int most)
{
    if (rs_qnet_minifloat(c->qnet))
        return;
    const int bits = rs_qop_accumulator_bits(c->qnet, op, true);
    if (bits > most)
        WRONG(c, "op '%s' needs an accumulator of %d bits, expected at most %d", op->name, bits, most);
}

static void check_weights(check *c, const rs_qop *op)
{
    const rs_qtensor *in = &c->qnet->tensors[op->input], *out = &c->qnet->tensors[op->output];
    if (!number_ok(c, op->weight_format, "op", op->name) ||
        !format_ok(c, op->weight_format, RS_QNET_MAX_BITS, "op", op->name))
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
    const int64_t lo = rs_qop_weight_min(op), hi = rs_qop_weight_max(op);
    for (int64_t i = 0; i < count; i++)
        if (!weight_ok(op, op->weights[i])) {
            WRONG(c, "weight %lld of op '%s' is %d, expected %lld to %lld for %d bits%s", (long long)i, op->name,
                  (int)op->weights[i], (long long)lo, (long long)hi, op->weight_format.bits,
                  op->weight_format.number == RS_NUMBER_POWER2 ? ", powers of two only" : "");
            return;
        }
    if (!rs_number_ops_of(&op->weight_format)->may_differ && op->weight_fl) {
        WRONG(c, "op '%s' has fractional lengths by channel, which only fixed point can have", op->name);
        return;
    }
    if (rs_qnet_minifloat(c->qnet)) {
        const int fl = rs_minifloat_fl(in->format.minifloat) + rs_minifloat_fl(op->weight_format.minifloat);
        for (int o = 0; o < out->channels; o++)
            if (op->bias_fl > fl || op->bias_fl < RS_FL_MIN || op->bias[o] < rs_fxp_min(32) ||
                op->bias[o] > rs_fxp_max(32)) {
                WRONG(
                    c,
                    "bias %d of op '%s' is %lld at the fractional length %d, expected 32 bits and a length of %d to %d",
                    o, op->name, (long long)op->bias[o], op->bias_fl, RS_FL_MIN, fl);
                return;
            }
        return;
    }
    const int shift = in->format.fl + op->weight_format.fl - out->format.fl;
    if (op->shift != shift) {
        WRONG(c, "op '%s' has the shift %d, expected %d from its fractional lengths %d + %d - %d", op->name, op->shift,
              shift, in->format.fl, op->weight_format.fl, out->format.fl);
        return;
    }
    bool ok = true;
    for (int o = 0; ok && op->weight_fl && o < out->channels; o++) {
        ok = op->weight_fl[o] >= RS_FL_MIN && op->weight_fl[o] <= RS_FL_MAX;
        if (!ok)
            WRONG(c, "channel %d of op '%s' has the fractional length %d, expected %d to %d", o, op->name,
                  op->weight_fl[o], RS_FL_MIN, RS_FL_MAX);
        ok = ok && shift_ok(c, op, rs_qop_shift(op, o));
    }
    if (!op->weight_fl && (shift < RS_SHIFT_MIN || shift > RS_SHIFT_MAX))
        WRONG(c, "op '%s' shifts its sums by %d bits (fractional lengths %d + %d - %d), expected %d to %d", op->name,
              shift, in->format.fl, op->weight_format.fl, out->format.fl, RS_SHIFT_MIN, RS_SHIFT_MAX);
    check_accumulator(c, op, RS_ACCUMULATOR_MAX_BITS);
}

/* Ops that choose among the integers of their input. */
static void check_same_format(check *c, const rs_qop *op)
{
    const rs_qtensor *in = &c->qnet->tensors[op->input], *out = &c->qnet->tensors[op->output];
    if (!rs_number_equal(in->format, out->format) || in->is_unsigned != out->is_unsigned)
        WRONG(c,
              "op '%s' turns the format (%d bits, fl %d%s) into (%d bits, fl %d%s), expected the same format on both "
              "sides",
              op->name, in->format.bits, in->format.fl, in->is_unsigned ? ", unsigned" : "", out->format.bits,
              out->format.fl, out->is_unsigned ? ", unsigned" : "");
}

static void check_average(check *c, const rs_qop *op)
{
    const rs_qtensor *in = &c->qnet->tensors[op->input], *out = &c->qnet->tensors[op->output];
    if (op->shift != in->format.fl - out->format.fl) {
        WRONG(c, "op '%s' has the shift %d, expected %d from its fractional lengths %d - %d", op->name, op->shift,
              in->format.fl - out->format.fl, in->format.fl, out->format.fl);
        return;
    }
    /* Areas lie between 1 and the kernel's; the shift grows with them. */
    if (!shift_ok(c, op, RS_AVERAGE_BITS + op->shift) ||
        !shift_ok(c, op, rs_average_shift((int64_t)op->kernel_h * op->kernel_w) + op->shift))
        return;
    check_accumulator(c, op, RS_ACCUMULATOR_MAX_BITS - RS_AVERAGE_BITS - 1);
}

static void check_add(check *c, const rs_qop *op)
{
    const rs_qtensor *out = &c->qnet->tensors[op->output];
    for (int i = 0; i < op->n_inputs; i++) {
        const rs_qtensor *in = &c->qnet->tensors[op->inputs[i]];
        if (in->channels != out->channels || in->height != out->height || in->width != out->width) {
            WRONG(c, "op '%s' adds '%s' of %dx%dx%d to an output of %dx%dx%d, expected the same shape", op->name,
                  in->name, in->channels, in->height, in->width, out->channels, out->height, out->width);
            return;
        }
    }
    const int fl = c->qnet->tensors[op->input].format.fl + rs_qop_align(c->qnet, op, 0);
    if (op->shift != fl - out->format.fl) {
        WRONG(c, "op '%s' has the shift %d, expected %d from its fractional lengths %d - %d", op->name, op->shift,
              fl - out->format.fl, fl, out->format.fl);
        return;
    }
    if (shift_ok(c, op, op->shift))
        check_accumulator(c, op, RS_ACCUMULATOR_MAX_BITS);
}

static void check_concat(check *c, const rs_qop *op)
{
    const rs_qtensor *out = &c->qnet->tensors[op->output];
    int64_t channels = 0;
    for (int i = 0; i < op->n_inputs; i++) {
        const rs_qtensor *in = &c->qnet->tensors[op->inputs[i]];
        channels += in->channels;
        if (in->height != out->height || in->width != out->width) {
            WRONG(c, "op '%s' concatenates '%s' with maps of %dx%d to maps of %dx%d, expected the same size", op->name,
                  in->name, in->height, in->width, out->height, out->width);
            return;
        }
        if (!shift_ok(c, op, rs_qop_concat_shift(c->qnet, op, i)))
            return;
    }
    if (channels != out->channels)
        WRONG(c, "op '%s' concatenates %lld channels to %d", op->name, (long long)channels, out->channels);
}

static void check_lrn(check *c, const rs_qop *op)
{
    const rs_qlrn *p = &op->lrn;
    if (p->size < 1 || p->size > 1 << 10 || p->size % 2 == 0 || !(p->alpha >= 0 && p->alpha <= 0x1p64f) ||
        !(p->beta >= 0 && p->beta <= 4) || !(p->k >= 0x1p-64f && p->k <= 0x1p64f))
        WRONG(
            c,
            "op '%s' has size %d, alpha %g, beta %g, k %g, expected an odd size up to 1023, alpha from 0, beta from 0 "
            "to 4, k above 0",
            op->name, p->size, (double)p->alpha, (double)p->beta, (double)p->k);
}

/* An unsigned output cannot be below zero. */
static void check_sign(check *c, const rs_qop *op)
{
    bool never_below = op->relu;
    if (!never_below && !rs_qop_weighted(op)) {
        never_below = true;
        for (int i = 0; i < op->n_inputs; i++)
            never_below = never_below && c->qnet->tensors[op->inputs[i]].is_unsigned;
    }
    if (c->qnet->tensors[op->output].is_unsigned && !never_below)
        WRONG(c, "the output of op '%s' is unsigned, expected a ReLU or unsigned inputs", op->name);
}

static void check_op(check *c, int i)
{
    const rs_qop *op = &c->qnet->ops[i];
    const bool several = op->type == RS_QOP_ADD || op->type == RS_QOP_CONCAT;
    if ((unsigned)op->type >= RS_QOPS) {
        WRONG(c, "op '%s' is of an unknown type", op->name);
        return;
    }
    if (op->n_inputs < 1 || op->n_inputs > (several ? RS_QOP_MAX_INPUTS : 1)) {
        WRONG(c, "op '%s' has %d inputs, expected 1%s", op->name, op->n_inputs, several ? " to 64" : "");
        return;
    }
    for (int k = 0; k < op->n_inputs; k++)
        if (op->output != i + 1 || op->inputs[k] < 0 || op->inputs[k] > i) {
            WRONG(c, "op '%s' reads tensor %d and writes tensor %d, expected one of 0 to %d and %d", op->name,
                  op->inputs[k], op->output, i, i + 1);
            return;
        }
    const rs_qtensor *in = &c->qnet->tensors[op->input], *out = &c->qnet->tensors[op->output];
    if (op->relu && !rs_qop_weighted(op) && op->type != RS_QOP_ADD)
        WRONG(c, "op '%s' has a ReLU, which only weighted ops and additions can have", op->name);
    check_sign(c, op);
    if ((rs_qop_weighted(op) || pooling(op)) &&
        (!axis_ok(c, op, "kernel_h", in->height, op->kernel_h, op->stride_h, op->pad_h, op->dilation_h, out->height) ||
         !axis_ok(c, op, "kernel_w", in->width, op->kernel_w, op->stride_w, op->pad_w, op->dilation_w, out->width)))
        return;
    const bool same_sizes = op->type == RS_QOP_RELU || op->type == RS_QOP_LRN || op->type == RS_QOP_CLIP;
    if ((same_sizes || pooling(op)) &&
        (in->channels != out->channels || (same_sizes && (in->height != out->height || in->width != out->width)))) {
        WRONG(c, "op '%s' turns %dx%dx%d into %dx%dx%d, expected the same channels%s", op->name, in->channels,
              in->height, in->width, out->channels, out->height, out->width, same_sizes ? " and sizes" : "");
        return;
    }
    switch (op->type) {
    case RS_QOP_CONVOLUTION:
    case RS_QOP_INNER_PRODUCT:
        check_weights(c, op);
        break;
    case RS_QOP_MAX_POOL:
    case RS_QOP_RELU:
        check_same_format(c, op);
        break;
    case RS_QOP_AVERAGE_POOL:
        check_average(c, op);
        break;
    case RS_QOP_ADD:
        check_add(c, op);
        break;
    case RS_QOP_CONCAT:
        check_concat(c, op);
        break;
    case RS_QOP_LRN:
        check_lrn(c, op);
        break;
    case RS_QOP_CLIP:
        check_same_format(c, op);
        if (op->least > op->most || op->least < rs_qtensor_min(out) || op->most > rs_qtensor_max(out))
            WRONG(
                c,
                "op '%s' clips to %d to %d, expected integers of its format, from %lld to %lld, the smaller one first",
                op->name, (int)op->least, (int)op->most, (long long)rs_qtensor_min(out),
                (long long)rs_qtensor_max(out));
        break;
    case RS_QOPS:
        break;
    }
}

static void check_input(check *c)
{
    const rs_qnet *qnet = c->qnet;
    const rs_qtensor *input = &qnet->tensors[0];
    const int64_t pixels = (int64_t)input->channels * input->height * input->width;
    for (int64_t i = 0; qnet->mean_image && i < pixels; i++)
        if (!isfinite(qnet->mean_image[i])) {
            WRONG(c, "element %lld of the mean image is not a finite number", (long long)i);
            return;
        }
    if ((qnet->pixel_table == NULL) == (qnet->mean_image == NULL)) {
        WRONG(c, "the input '%s' needs either a pixel table or a mean image", input->name);
        return;
    }
    const int64_t lo = rs_qtensor_min(input), hi = rs_qtensor_max(input);
    for (int i = 0; qnet->pixel_table && i < input->channels * 256; i++)
        if (qnet->pixel_table[i] < lo || qnet->pixel_table[i] > hi) {
            WRONG(c, "entry %d of the pixel table is %d, expected %lld to %lld for %d bits%s", i,
                  (int)qnet->pixel_table[i], (long long)lo, (long long)hi, input->format.bits,
                  input->is_unsigned ? ", unsigned" : "");
            return;
        }
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
        tensor_ok(&c, i);
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
    check_input(&c);
    for (int i = 0; i < qnet->n_ops; i++)
        check_op(&c, i);
    return c.status;
}
