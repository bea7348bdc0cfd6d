/* Draws random quantized networks. */
#include "support/random_qnet.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "import/caffe/caffe.h"
#include "support/test.h"
#include "oracle/fxp.h"
#include "qnet/build.h"

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
            const int64_t entry = rs_oracle_quantize((double)value, t->format.bits + t->is_unsigned, t->format.fl,
                                                     RS_ROUND_NEAREST, 0, NULL);
            q->pixel_table[c * 256 + v] = t->is_unsigned && entry < 0 ? 0 : (int32_t)entry;
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

/* Fractional lengths by channel, around the layer's. */
static void draw_channel_fl(rs_rng *rng, rs_qop *op, int channels)
{
    op->weight_fl = RS_NEW_ARRAY(int, (size_t)channels);
    must(op->weight_fl);
    for (int o = 0; o < channels; o++) {
        int by = (int)between(rng, -2, 2);
        if (op->shift + by < RS_SHIFT_MIN || op->shift + by > RS_SHIFT_MAX || op->weight_format.fl + by < RS_FL_MIN ||
            op->weight_format.fl + by > RS_FL_MAX)
            by = 0;
        op->weight_fl[o] = op->weight_format.fl + by;
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
        *out = (rs_qtensor) { .channels = (int)between(rng, 1, options->max_channels * 3), .height = 1, .width = 1 };
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
    out->is_unsigned = options->graph && op->relu && chance(rng, 50);
    if (options->graph && chance(rng, 30))
        draw_channel_fl(rng, op, out->channels);
}

/* The window of a pooling op, no part of its last position outside of the map. */
static void draw_pool(rs_rng *rng, const rs_random_qnet *options, const rs_qtensor *in, rs_qtensor *out, rs_qop *op)
{
    do {
        op->kernel_h = (int)between(rng, 1, in->height < 4 ? in->height : 4);
        op->kernel_w = (int)between(rng, 1, in->width < 4 ? in->width : 4);
        if (op->type == RS_QOP_AVERAGE_POOL && chance(rng, 30)) { /* global */
            op->kernel_h = in->height;
            op->kernel_w = in->width;
        }
        op->stride_h = (int)between(rng, 1, 3);
        op->stride_w = (int)between(rng, 1, 3);
        op->pad_h = options->plain ? 0 : (int)between(rng, 0, op->kernel_h - 1);
        op->pad_w = options->plain ? 0 : (int)between(rng, 0, op->kernel_w - 1);
        out->height = (int)rs_pooling_output(in->height, op->kernel_h, op->stride_h, op->pad_h, false);
        out->width = (int)rs_pooling_output(in->width, op->kernel_w, op->stride_w, op->pad_w, false);
    } while ((out->height - 1) * op->stride_h - op->pad_h >= in->height ||
             (out->width - 1) * op->stride_w - op->pad_w >= in->width);
}

/* A format whose values are about as large as those of `like`. */
static void draw_format(rs_rng *rng, const rs_random_qnet *options, const rs_qtensor *like, bool unsigned_ok,
                        rs_qtensor *out)
{
    out->format.bits = (int)between(rng, 1, options->max_bits);
    out->is_unsigned = unsigned_ok && chance(rng, 60);
    out->format.fl = like->format.fl + out->format.bits - like->format.bits + (int)between(rng, -1, 2);
    out->format.fl = out->format.fl < RS_FL_MIN ? RS_FL_MIN : out->format.fl > RS_FL_MAX ? RS_FL_MAX : out->format.fl;
    if (abs(out->format.fl - like->format.fl) > 12)
        out->format.fl = like->format.fl;
}

/* Several inputs of the same maps (channels too for an addition) as the first one; inputs may repeat. */
static void draw_several(rs_rng *rng, const rs_random_qnet *options, rs_qnet *q, rs_qop *op)
{
    const rs_qtensor first = q->tensors[op->input];
    rs_qtensor *out = &q->tensors[op->output];
    *out = first;
    draw_format(rng, options, &first, false, out);
    bool unsigned_ok = first.is_unsigned;
    for (int t = op->output - 1; t >= 0 && op->n_inputs < 5; t--) {
        const rs_qtensor *in = &q->tensors[t];
        const int apart = abs(in->format.fl - first.format.fl);
        if (in->height != first.height || in->width != first.width || apart > 10 ||
            in->format.bits > RS_QNET_MAX_BITS || abs(in->format.fl - out->format.fl) > 13 ||
            (op->type == RS_QOP_ADD && in->channels != first.channels) || !chance(rng, 80))
            continue;
        op->inputs[op->n_inputs++] = t;
        unsigned_ok = unsigned_ok && in->is_unsigned;
        out->channels += op->type == RS_QOP_CONCAT ? in->channels : 0;
    }
    op->relu = op->type == RS_QOP_ADD && chance(rng, 50);
    out->is_unsigned = (op->relu || unsigned_ok) && chance(rng, 60);
    if (op->type == RS_QOP_CONCAT && chance(rng, 40)) { /* the formats agree */
        out->format = first.format;
        out->is_unsigned = unsigned_ok;
    }
    if (op->type == RS_QOP_ADD)
        op->shift = first.format.fl + rs_qop_align(q, op, 0) - out->format.fl;
    if (op->type == RS_QOP_ADD && op->shift < RS_SHIFT_MIN) {
        out->format.fl = first.format.fl;
        op->shift = rs_qop_align(q, op, 0);
    }
}

static void draw_lrn(rs_rng *rng, const rs_random_qnet *options, const rs_qtensor *in, rs_qtensor *out, rs_qop *op)
{
    static const float BETAS[] = { 0.75f, 0.5f, 1, 0, 2.25f, 0.6f, 0.1f };
    draw_format(rng, options, in, in->is_unsigned, out);
    op->lrn = (rs_qlrn) { .within = chance(rng, 50),
                          .size = (int)between(rng, 0, 2) * 2 + 1,
                          .beta = BETAS[between(rng, 0, 6)],
                          .k = chance(rng, 50) ? 1.0f : 2.0f };
    /* alpha times the largest square is about 1: the normalization does something. */
    op->lrn.alpha = (float)ldexp((double)between(rng, 10, 99) / 50, 2 * (in->format.fl - in->format.bits));
}

static void draw_other(rs_rng *rng, const rs_random_qnet *options, rs_qnet *q, rs_qop *op)
{
    static const rs_qop_type TYPES[] = { RS_QOP_MAX_POOL, RS_QOP_RELU, RS_QOP_AVERAGE_POOL, RS_QOP_ADD,
                                         RS_QOP_CONCAT,   RS_QOP_LRN,  RS_QOP_CLIP };
    const rs_qtensor *in = &q->tensors[op->input];
    rs_qtensor *out = &q->tensors[op->output];
    const int kind = (int)between(rng, 0, 99);
    *out = *in;
    op->groups = op->kernel_h = op->kernel_w = op->stride_h = op->stride_w = op->dilation_h = op->dilation_w = 1;
    op->type = options->graph ? TYPES[kind % 7] : kind < 75 ? RS_QOP_MAX_POOL : RS_QOP_RELU;
    switch (op->type) {
    case RS_QOP_MAX_POOL:
        draw_pool(rng, options, in, out, op);
        break;
    case RS_QOP_AVERAGE_POOL:
        draw_format(rng, options, in, in->is_unsigned, out);
        op->shift = in->format.fl - out->format.fl;
        draw_pool(rng, options, in, out, op);
        break;
    case RS_QOP_ADD:
    case RS_QOP_CONCAT:
        draw_several(rng, options, q, op);
        break;
    case RS_QOP_LRN:
        draw_lrn(rng, options, in, out, op);
        break;
    case RS_QOP_CLIP: /* the middle half, more or less */
        op->min = (int32_t)between(rng, rs_qtensor_min(out), (rs_qtensor_min(out) + rs_qtensor_max(out)) / 2);
        op->max = (int32_t)between(rng, op->min, rs_qtensor_max(out));
        break;
    default:
        break;
    }
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
    op->n_inputs = 1;
    op->input = options->branches && chance(rng, 25) ? (int)between(rng, 0, i) : i;
    if (chance(rng, options->graph ? 45 : 60))
        draw_weighted(rng, options, q, op);
    else
        draw_other(rng, options, q, op);
    name_tensor(q, i + 1);
}

/* Scores as wide as the accumulator, now and then. */
static void widen_scores(rs_rng *rng, const rs_random_qnet *options, rs_qnet *q)
{
    rs_qop *op = &q->ops[q->n_ops - 1];
    rs_qtensor *out = &q->tensors[op->output];
    const int most = op->shift < out->format.fl - RS_FL_MIN ? op->shift : 0;
    if (!options->graph || !rs_qop_weighted(op) || op->weight_fl || most < 1 || !chance(rng, 40))
        return;
    const int bits = rs_qop_accumulator_bits(q, op, true), shift = bits > 32 ? bits - 32 : 0;
    if (shift > op->shift || out->format.fl + op->shift - shift > RS_FL_MAX)
        return;
    out->format.fl += op->shift - shift;
    out->format.bits = bits > 32 ? 32 : bits;
    out->is_unsigned = false;
    op->shift = shift;
}

rs_qnet *rs_test_random_qnet(rs_rng *rng, const rs_random_qnet *options)
{
    rs_qnet *q = new_qnet(options->max_ops);
    q->rounding = (rs_rounding)between(rng, 0, RS_ROUND_TRUNCATE);
    q->bias_rule = chance(rng, 50) ? RS_BIAS_ACCUMULATOR : RS_BIAS_WEIGHTS;
    rs_qtensor *t = &q->tensors[0];
    t->channels = (int)between(rng, 1, 4);
    t->height = (int)between(rng, 1, options->max_size);
    t->width = (int)between(rng, 1, options->max_size);
    t->format = rs_number_of_fxp((rs_fxp) { (int)between(rng, 1, options->max_bits), 0 });
    t->is_unsigned = options->graph && chance(rng, 40);
    name_tensor(q, 0);
    q->n_tensors = 1;
    /* (pixel - mean) * scale fills the range, more or less, at fl. */
    t->format.fl = (int)between(rng, -4, 20);
    q->pixel_scale = (float)ldexp((double)between(rng, 50, 150) / 100, t->format.bits - 8 - t->format.fl);
    for (int c = 0; c < t->channels; c++)
        q->pixel_mean[c] = chance(rng, 30) ? 0.0f : (float)between(rng, 0, 2550) / 10;
    if (options->graph && chance(rng, 20)) { /* a mean image instead of the table */
        const int64_t pixels = (int64_t)t->channels * t->height * t->width;
        q->mean_image = RS_NEW_ARRAY(float, (size_t)pixels);
        must(q->mean_image);
        for (int64_t i = 0; i < pixels; i++)
            q->mean_image[i] = (float)between(rng, 0, 2550) / 10;
        memset(q->pixel_mean, 0, sizeof q->pixel_mean);
    } else {
        make_table(q);
    }
    const int ops = (int)between(rng, 1, options->max_ops);
    while (q->n_ops < ops)
        draw_op(rng, options, q);
    widen_scores(rng, options, q);
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
    *input = (rs_qtensor) { .name = rs_strdup("data"),
                            .channels = 1,
                            .height = 28,
                            .width = 28,
                            .format = rs_number_of_fxp((rs_fxp) { activation_bits, activation_bits - 1 }) };
    must(input->name);
    q->pixel_scale = 0.00390625f;
    q->n_ops = N;
    q->n_tensors = N + 1;
    make_table(q);
    for (int i = 0; i < N; i++) {
        rs_qop *op = &q->ops[i];
        rs_qtensor *out = &q->tensors[i + 1];
        const rs_qtensor *in = &q->tensors[i];
        *out = (rs_qtensor) { .name = rs_strdup(OPS[i].name),
                              .channels = OPS[i].channels,
                              .height = OPS[i].height,
                              .width = OPS[i].width,
                              .format = in->format };
        op->name = rs_strdup(OPS[i].name);
        must(out->name);
        must(op->name);
        op->type = OPS[i].type;
        op->n_inputs = 1;
        op->input = i;
        op->output = i + 1;
        op->kernel_h = op->kernel_w = OPS[i].kernel;
        op->stride_h = op->stride_w = OPS[i].stride;
        op->dilation_h = op->dilation_w = op->groups = 1;
        op->relu = OPS[i].relu;
        if (!rs_qop_weighted(op))
            continue;
        op->weight_format = rs_number_of_fxp(
            (rs_fxp) { op->type == RS_QOP_CONVOLUTION ? convolution_bits : inner_product_bits, 0 });
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

rs_qnet *rs_test_qnet_of(const char *path)
{
    rs_diag *diag = rs_diag_new();
    rs_net *net = NULL;
    rs_formats *formats = NULL;
    rs_qnet *qnet = NULL;
    rs_assert_ok(rs_caffe_read_net(path, RS_TEST, &net, diag), diag);
    rs_assert_ok(rs_net_infer_shapes(net, NULL, diag), diag);
    rs_assert_ok(rs_net_fill(net, 1, diag), diag);
    rs_assert_ok(rs_formats_new(net, &formats, diag), diag);
    for (int i = 0; i < net->n_layers; i++)
        if (net->layers[i].type == RS_LAYER_CONVOLUTION || net->layers[i].type == RS_LAYER_INNER_PRODUCT)
            formats->weights[i] = rs_number_of_fxp((rs_fxp) { 8, 9 });
    for (int i = 0; i < net->n_blobs; i++)
        formats->activations[i] = rs_number_of_fxp((rs_fxp) { 8, 3 });
    const rs_data_param data = { .scale = 0.1f };
    rs_assert_ok(rs_qnet_build(net, formats, &data, RS_BIAS_ACCUMULATOR, RS_ROUND_NEAREST, &qnet, diag), diag);
    rs_formats_free(formats);
    rs_net_free(net);
    rs_diag_free(diag);
    return qnet;
}

int64_t rs_test_tensor_count(const rs_qtensor *t)
{
    return (int64_t)t->channels * t->height * t->width;
}

int32_t **rs_test_new_tensors(const rs_qnet *q)
{
    int32_t **tensors = RS_NEW_ARRAY(int32_t *, (size_t)q->n_tensors);
    assert_non_null(tensors);
    for (int t = 0; t < q->n_tensors; t++) {
        tensors[t] = RS_NEW_ARRAY(int32_t, (size_t)rs_test_tensor_count(&q->tensors[t]));
        assert_non_null(tensors[t]);
    }
    return tensors;
}

void rs_test_free_tensors(const rs_qnet *q, int32_t **tensors)
{
    for (int t = 0; t < q->n_tensors; t++)
        rs_free(tensors[t]);
    rs_free(tensors);
}
