#include "support/random_qnet.h"

#include <math.h>

#include "support/test.h"
#include "oracle/fxp.h"

static int64_t between(rs_rng *rng, int64_t lo, int64_t hi)
{
    return lo + (int64_t)(rs_rng_next(rng) % (uint64_t)(hi - lo + 1));
}

static bool chance(rs_rng *rng, int percent)
{
    return between(rng, 0, 99) < percent;
}

static void must(const void *block)
{
    if (!block)
        fail_msg("out of memory");
}

static rs_qnet *new_qnet(int max_ops)
{
    rs_qnet *q = RS_NEW(rs_qnet);
    must(q);
    q->name = rs_strdup("random");
    q->tensors = RS_NEW_ARRAY(rs_qtensor, (size_t)max_ops + 1);
    q->ops = RS_NEW_ARRAY(rs_qop, (size_t)max_ops);
    must(q->name);
    must(q->tensors);
    must(q->ops);
    return q;
}

static void name_tensor(rs_qnet *q, int i)
{
    q->tensors[i].name = rs_format("blob%d", i);
    must(q->tensors[i].name);
}

static void make_table(rs_qnet *q)
{
    const rs_qtensor *t = &q->tensors[0];
    q->pixel_table = RS_NEW_ARRAY(int32_t, (size_t)t->channels * 256);
    must(q->pixel_table);
    for (int c = 0; c < t->channels; c++)
        for (int v = 0; v < 256; v++) {
            const float value = ((float)v - q->pixel_mean[c]) * q->pixel_scale;
            q->pixel_table[c * 256 + v] = (int32_t)rs_oracle_quantize((double)value, t->format.bits, t->format.fl,
                                                                      RS_ROUND_NEAREST, 0, NULL);
        }
}

/* Weights between the rails, on them, or mostly zero. */
static void draw_weights(rs_rng *rng, rs_qop *op, int64_t count)
{
    op->weights = RS_NEW_ARRAY(int32_t, (size_t)count);
    must(op->weights);
    const int64_t lo = rs_fxp_min(op->weight_format.bits), hi = rs_fxp_max(op->weight_format.bits);
    const int style = (int)between(rng, 0, 3);
    for (int64_t i = 0; i < count; i++) {
        const int64_t any = between(rng, lo, hi);
        const int64_t rail = chance(rng, 50) ? lo : hi;
        op->weights[i] = (int32_t)(style == 0   ? any
                                   : style == 1 ? rail
                                   : style == 2 ? (chance(rng, 80) ? any / 4 : rail)
                                                : (chance(rng, 70) ? 0 : any));
    }
}

/* Biases and the shift: sums land around the output's range, so that some saturate. */
static void draw_scale(rs_rng *rng, rs_qnet *q, rs_qop *op)
{
    const rs_qtensor *in = &q->tensors[op->input];
    rs_qtensor *out = &q->tensors[op->output];
    op->bias = RS_NEW_ARRAY(int64_t, (size_t)out->channels);
    must(op->bias);
    const int room = rs_qop_accumulator_bits(q, op, true);
    const int64_t most = INT64_C(1) << (chance(rng, 10) && room < 44 ? between(rng, room, 44)
                                        : room - 1 < 45              ? room - 1
                                                                     : 45);
    for (int o = 0; o < out->channels; o++)
        op->bias[o] = between(rng, -most, most);
    const double typical = 0.5 * log2((double)rs_qop_terms(q, op)) + in->format.bits + op->weight_format.bits - 3;
    int shift = (int)typical - out->format.bits + (int)between(rng, -2, 3);
    shift = shift < RS_SHIFT_MIN ? RS_SHIFT_MIN : shift > RS_SHIFT_MAX ? RS_SHIFT_MAX : shift;
    if (chance(rng, 5))
        shift = (int)between(rng, RS_SHIFT_MIN, RS_SHIFT_MAX);
    op->shift = shift;
    out->format.fl = (int)between(rng, -6, 18);
    op->weight_format.fl = shift + out->format.fl - in->format.fl;
    if (op->weight_format.fl > RS_FL_MAX || op->weight_format.fl < RS_FL_MIN) {
        out->format.fl = in->format.fl;
        op->weight_format.fl = shift;
    }
}

/* One axis of a window that fits. Returns the output's size. */
static int draw_axis(rs_rng *rng, bool plain, int in, int *kernel, int *stride, int *pad, int *dilation)
{
    *pad = plain || chance(rng, 60) ? 0 : (int)between(rng, 1, 2);
    *kernel = (int)between(rng, 1, in + 2 * *pad < 5 ? in + 2 * *pad : 5);
    *dilation = plain || chance(rng, 75) ? 1 : (int)between(rng, 1, 3);
    while (*dilation > 1 && *dilation * (*kernel - 1) + 1 > in + 2 * *pad)
        --*dilation;
    *stride = plain || chance(rng, 50) ? 1 : (int)between(rng, 1, 3);
    return (in + 2 * *pad - (*dilation * (*kernel - 1) + 1)) / *stride + 1;
}

static int divisor(rs_rng *rng, int n)
{
    int d = (int)between(rng, 1, n);
    while (n % d != 0)
        d--;
    return d;
}

static void draw_weighted(rs_rng *rng, const rs_random_qnet *options, rs_qnet *q, rs_qop *op)
{
    const rs_qtensor *in = &q->tensors[op->input];
    rs_qtensor *out = &q->tensors[op->output];
    op->type = chance(rng, 25) ? RS_QOP_INNER_PRODUCT : RS_QOP_CONVOLUTION;
    op->groups = 1;
    if (op->type == RS_QOP_INNER_PRODUCT) {
        op->kernel_h = in->height;
        op->kernel_w = in->width;
        op->stride_h = op->stride_w = op->dilation_h = op->dilation_w = 1;
        *out = (rs_qtensor) { NULL, (int)between(rng, 1, options->max_channels * 3), 1, 1, { 0, 0 } };
    } else {
        out->height = draw_axis(rng, options->plain, in->height, &op->kernel_h, &op->stride_h, &op->pad_h,
                                &op->dilation_h);
        out->width = draw_axis(rng, options->plain, in->width, &op->kernel_w, &op->stride_w, &op->pad_w,
                               &op->dilation_w);
        op->groups = options->plain || chance(rng, 70) ? 1 : divisor(rng, in->channels);
        const int per_group = options->max_channels / op->groups > 0 ? options->max_channels / op->groups : 1;
        out->channels = op->groups * (int)between(rng, 1, per_group);
        if (chance(rng, 20))
            out->channels *= (int)between(rng, 2, 5); /* several vectors of channels */
    }
    out->format.bits = (int)between(rng, 1, options->max_bits);
    op->weight_format.bits = (int)between(rng, 1, options->max_bits);
    op->relu = chance(rng, 40);
    draw_weights(rng, op, (int64_t)out->channels * rs_qop_terms(q, op));
    op->bias = RS_NEW_ARRAY(int64_t, (size_t)out->channels); /* zeros, for the bound without them */
    must(op->bias);
    int64_t *zeros = op->bias;
    draw_scale(rng, q, op);
    rs_free(zeros);
}

static void draw_op(rs_rng *rng, const rs_random_qnet *options, rs_qnet *q)
{
    const int i = q->n_ops;
    rs_qop *op = &q->ops[i];
    q->n_ops++;
    q->n_tensors = i + 2;
    op->name = chance(rng, 10) ? rs_format("block/op%d", i) : rs_format("op%d", i);
    must(op->name);
    op->output = i + 1;
    op->input = options->branches && chance(rng, 25) ? (int)between(rng, 0, i) : i;
    const rs_qtensor *in = &q->tensors[op->input];
    rs_qtensor *out = &q->tensors[op->output];
    const int kind = (int)between(rng, 0, 99);
    if (kind < 60) {
        draw_weighted(rng, options, q, op);
    } else {
        *out = *in;
        op->groups = op->kernel_h = op->kernel_w = op->stride_h = op->stride_w = op->dilation_h = op->dilation_w = 1;
        op->type = kind < 90 ? RS_QOP_MAX_POOL : RS_QOP_RELU;
        if (op->type == RS_QOP_MAX_POOL) {
            for (;;) { /* until no window lies outside of the map */
                op->kernel_h = (int)between(rng, 1, in->height < 4 ? in->height : 4);
                op->kernel_w = (int)between(rng, 1, in->width < 4 ? in->width : 4);
                op->stride_h = (int)between(rng, 1, 3);
                op->stride_w = (int)between(rng, 1, 3);
                op->pad_h = options->plain ? 0 : (int)between(rng, 0, op->kernel_h - 1);
                op->pad_w = options->plain ? 0 : (int)between(rng, 0, op->kernel_w - 1);
                out->height = (int)rs_pooling_output(in->height, op->kernel_h, op->stride_h, op->pad_h);
                out->width = (int)rs_pooling_output(in->width, op->kernel_w, op->stride_w, op->pad_w);
                if ((out->height - 1) * op->stride_h - op->pad_h < in->height &&
                    (out->width - 1) * op->stride_w - op->pad_w < in->width)
                    break;
            }
        }
    }
    name_tensor(q, i + 1);
}

rs_qnet *rs_test_random_qnet(rs_rng *rng, const rs_random_qnet *options)
{
    rs_qnet *q = new_qnet(options->max_ops);
    q->rounding = (rs_rounding)between(rng, 0, RS_ROUND_TRUNCATE);
    q->bias_rule = chance(rng, 50) ? RS_BIAS_ACCUMULATOR : RS_BIAS_WEIGHTS;
    rs_qtensor *t = &q->tensors[0];
    *t = (rs_qtensor) { NULL,
                        (int)between(rng, 1, 4),
                        (int)between(rng, 1, options->max_size),
                        (int)between(rng, 1, options->max_size),
                        { (int)between(rng, 1, options->max_bits), 0 } };
    name_tensor(q, 0);
    q->n_tensors = 1;
    /* (pixel - mean) * scale fills the range, more or less, at fl. */
    t->format.fl = (int)between(rng, -4, 20);
    q->pixel_scale = (float)ldexp((double)between(rng, 50, 150) / 100, t->format.bits - 8 - t->format.fl);
    for (int c = 0; c < t->channels; c++)
        q->pixel_mean[c] = chance(rng, 30) ? 0.0f : (float)between(rng, 0, 2550) / 10;
    make_table(q);
    const int ops = (int)between(rng, 1, options->max_ops);
    while (q->n_ops < ops)
        draw_op(rng, options, q);
    return q;
}

rs_qnet *rs_test_lenet_qnet(rs_rng *rng, int activation_bits, int convolution_bits, int inner_product_bits)
{
    static const struct {
        const char *name;
        rs_qop_type type;
        int channels, height, width, kernel, stride;
        bool relu;
    } OPS[] = {
        { "conv1", RS_QOP_CONVOLUTION, 20, 24, 24, 5, 1, false }, { "pool1", RS_QOP_MAX_POOL, 20, 12, 12, 2, 2, false },
        { "conv2", RS_QOP_CONVOLUTION, 50, 8, 8, 5, 1, false },   { "pool2", RS_QOP_MAX_POOL, 50, 4, 4, 2, 2, false },
        { "ip1", RS_QOP_INNER_PRODUCT, 500, 1, 1, 4, 1, true },   { "ip2", RS_QOP_INNER_PRODUCT, 10, 1, 1, 1, 1, false }
    };
    enum { N = sizeof OPS / sizeof *OPS };
    rs_qnet *q = new_qnet(N);
    rs_qtensor *input = &q->tensors[0];
    *input = (rs_qtensor) { rs_strdup("data"), 1, 28, 28, { activation_bits, activation_bits - 1 } };
    must(input->name);
    q->pixel_scale = 0.00390625f;
    q->n_ops = N;
    q->n_tensors = N + 1;
    make_table(q);
    for (int i = 0; i < N; i++) {
        rs_qop *op = &q->ops[i];
        rs_qtensor *out = &q->tensors[i + 1];
        const rs_qtensor *in = &q->tensors[i];
        *out = (rs_qtensor) { rs_strdup(OPS[i].name), OPS[i].channels, OPS[i].height, OPS[i].width, in->format };
        op->name = rs_strdup(OPS[i].name);
        must(out->name);
        must(op->name);
        op->type = OPS[i].type;
        op->input = i;
        op->output = i + 1;
        op->kernel_h = op->kernel_w = OPS[i].kernel;
        op->stride_h = op->stride_w = OPS[i].stride;
        op->dilation_h = op->dilation_w = op->groups = 1;
        op->relu = OPS[i].relu;
        if (!rs_qop_weighted(op))
            continue;
        op->weight_format = (rs_fxp) { op->type == RS_QOP_CONVOLUTION ? convolution_bits : inner_product_bits, 0 };
        const int64_t terms = rs_qop_terms(q, op);
        const double half = (double)rs_fxp_max(op->weight_format.bits) / 2;
        op->weights = RS_NEW_ARRAY(int32_t, (size_t)(out->channels * terms));
        op->bias = RS_NEW_ARRAY(int64_t, (size_t)out->channels);
        must(op->weights);
        must(op->bias);
        for (int64_t k = 0; k < out->channels * terms; k++)
            op->weights[k] = (int32_t)lrint(half * (rs_random_unit(rng->seed, (uint64_t)i, (uint64_t)k) * 4 - 2) / 1.5 /
                                            (half < 1 ? 1 : 1.5));
        for (int64_t k = 0; k < out->channels * terms; k++)
            op->weights[k] = (int32_t)rs_fxp_saturate(op->weights[k], op->weight_format.bits, NULL);
        for (int o = 0; o < out->channels; o++)
            op->bias[o] = between(rng, -1000, 1000);
        /* Sums are about sqrt(terms) products large. */
        const int shift = (int)(0.5 * log2((double)terms)) + op->weight_format.bits - 1;
        op->shift = shift;
        op->weight_format.fl = shift + out->format.fl - in->format.fl;
    }
    return q;
}
