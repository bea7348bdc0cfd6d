/* Quantized networks: built from float ones (checked with GMP), refused where they have no integer rule, written and
 * read back, and every damage to the files found. */
#include "support/test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/faults.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/npy.h"
#include "layers/exec.h"
#include "oracle/fxp.h"
#include "engine/engine.h"
#include "search/quantize.h"
#include "support/nets.h"
#include "support/random_qnet.h"
#include "qnet/build.h"

/* conv1 (3x3, ReLU in place) - pool1 - drop - conv2 (ReLU to another blob) - ip - softmax; values drawn from rng. */
static rs_net *example_net(rs_rng *rng)
{
    rs_net *net = rs_test_net(2, 9, 8);
    rs_test_convolution(net, "data", "conv1", 5, 3, 1, 1);
    rs_test_layer(net, RS_LAYER_RELU, "conv1", "conv1");
    rs_test_pooling(net, "conv1", "pool1", RS_POOL_MAX, 3, 2);
    rs_test_layer(net, RS_LAYER_DROPOUT, "pool1", "drop1")->dropout_ratio = 0.5f;
    rs_layer *conv2 = rs_test_convolution(net, "drop1", "conv2", 4, 2, 1, 0);
    conv2->convolution.bias = false;
    rs_test_layer(net, RS_LAYER_RELU, "conv2", "relu2");
    rs_test_inner_product(net, "relu2", "ip", 6);
    rs_test_layer(net, RS_LAYER_SOFTMAX, "ip", "prob");
    rs_test_net_finish(net);
    for (int l = 0; l < net->n_layers; l++)
        for (int p = 0; p < net->layers[l].n_params; p++) {
            rs_param *param = &net->layers[l].params[p];
            for (int64_t i = 0; i < rs_shape_count(&param->shape, 0); i++)
                param->data[i] = (float)(rs_random_unit(rng->seed, (uint64_t)(l * 2 + p), (uint64_t)i) * 2 - 1);
        }
    return net;
}

static void set_format(const rs_net *net, rs_formats *f, const char *name, rs_fxp format, bool weights)
{
    const int i = weights ? rs_net_layer(net, name) : rs_net_blob(net, name);
    assert_true(i >= 0);
    *(weights ? &f->weights[i] : &f->activations[i]) = rs_number_of_fxp(format);
}

static rs_formats *example_formats(const rs_net *net, int bits)
{
    rs_formats *f = NULL;
    assert_int_equal(rs_formats_new(net, &f, NULL), RS_OK);
    assert_int_equal(f->n_layers, net->n_layers);
    assert_int_equal(f->n_blobs, net->n_blobs);
    static const char *const BLOBS[] = { "data", "conv1", "pool1", "drop1", "conv2", "relu2", "ip" };
    static const int IL[] = { 8, 4, 4, 4, 5, 5, 6 };
    for (int i = 0; i < 7; i++)
        set_format(net, f, BLOBS[i], (rs_fxp) { bits, bits - IL[i] }, false);
    set_format(net, f, "conv1", (rs_fxp) { bits, bits }, true);
    set_format(net, f, "conv2", (rs_fxp) { bits, bits - 1 }, true);
    set_format(net, f, "ip", (rs_fxp) { bits, bits - 2 }, true);
    return f;
}

static void check_built(const rs_net *net, const rs_formats *f, const rs_qnet *q, rs_bias_rule rule, uint64_t *compared)
{
    static const char *const NAMES[] = { "conv1", "pool1", "conv2", "ip" }, *const TENSORS[] = { "data", "conv1",
                                                                                                 "pool1", "relu2",
                                                                                                 "ip" };
    assert_int_equal(q->n_ops, 4);
    assert_int_equal(q->n_tensors, 5);
    for (int t = 0; t < 5; t++) {
        assert_string_equal(q->tensors[t].name, TENSORS[t]);
        const rs_number_format format = f->activations[rs_net_blob(net, TENSORS[t])];
        assert_int_equal(q->tensors[t].format.bits, format.bits);
        assert_int_equal(q->tensors[t].format.fl, format.fl);
    }
    for (int i = 0; i < 4; i++) {
        const rs_qop *op = &q->ops[i];
        assert_string_equal(op->name, NAMES[i]);
        if (!rs_qop_weighted(op))
            continue;
        assert_int_equal(op->relu, i != 3);
        const rs_layer *layer = &net->layers[rs_net_layer(net, NAMES[i])];
        const int fl_in = q->tensors[op->input].format.fl;
        assert_int_equal(op->shift, fl_in + op->weight_format.fl - q->tensors[op->output].format.fl);
        for (int64_t k = 0; k < rs_shape_count(&layer->params[0].shape, 0); k++, ++*compared)
            assert_int_equal(op->weights[k],
                             rs_oracle_quantize((double)layer->params[0].data[k], op->weight_format.bits,
                                                op->weight_format.fl, RS_ROUND_NEAREST, 0, NULL));
        for (int o = 0; o < q->tensors[op->output].channels; o++, ++*compared)
            assert_int_equal(op->bias[o],
                             layer->n_params == 1
                                 ? 0
                                 : rs_oracle_bias((double)layer->params[1].data[o], rule, op->weight_format.bits,
                                                  op->weight_format.fl, fl_in, RS_ROUND_NEAREST, NULL));
    }
    assert_int_equal(q->ops[1].type, RS_QOP_MAX_POOL);
    assert_int_equal(rs_qop_terms(q, &q->ops[0]), 18);
    assert_int_equal(rs_qop_macs(q, &q->ops[0]), 18 * 5 * 9 * 8);
    assert_int_equal(rs_qop_macs(q, &q->ops[1]), 0);
}

static void check_build(void **state)
{
    (void)state;
    rs_rng rng = { .seed = rs_test_seed() };
    rs_net *net = example_net(&rng);
    const rs_data_param data = { .scale = 0.5f, .n_mean = 2, .mean = { 100.25f, 7 } };
    rs_diag *diag = rs_diag_new();
    uint64_t compared = 0;
    for (int bits = 1; bits <= 16; bits++)
        for (int rule = 0; rule < 2; rule++) {
            rs_formats *f = example_formats(net, bits);
            rs_qnet *q = NULL;
            rs_assert_ok(rs_qnet_build(net, f, &data, (rs_bias_rule)rule, RS_ROUND_NEAREST_EVEN, &q, diag), diag);
            check_built(net, f, q, (rs_bias_rule)rule, &compared);
            assert_int_equal(q->rounding, RS_ROUND_NEAREST_EVEN);
            for (int c = 0; c < 2; c++)
                for (int v = 0; v < 256; v++, compared++)
                    assert_int_equal(q->pixel_table[c * 256 + v],
                                     rs_oracle_quantize((double)(((float)v - data.mean[c]) * 0.5f), bits, bits - 8,
                                                        RS_ROUND_NEAREST, 0, NULL));
            /* Bounds, against GMP. */
            mpz_t bound;
            mpz_init(bound);
            for (int i = 0; i < q->n_ops; i++) {
                if (!rs_qop_weighted(&q->ops[i]))
                    continue;
                rs_oracle_qop_bound(q, i, bound);
                assert_int_equal(rs_qop_bound(q, &q->ops[i], true), mpz_get_si(bound));
                assert_int_equal(rs_qop_accumulator_bits(q, &q->ops[i], true),
                                 rs_oracle_bits_for_bound(mpz_get_si(bound)));
                assert_true(rs_qop_accumulator_bits(q, &q->ops[i], false) >=
                            rs_qop_accumulator_bits(q, &q->ops[i], true));
            }
            mpz_clear(bound);
            rs_qnet_free(q);
            rs_formats_free(f);
        }
    assert_int_equal(compared, 32 * (2 * 256 + 90 + 5 + 80 + 4 + 6 * 36 + 6));
    rs_net_free(net);
    rs_diag_free(diag);
}

/* By widths alone (section 3): x * 2^(m-1) * 2^(n-1) + max|bias|. */
static void check_accumulator_by_width(void **state)
{
    (void)state;
    rs_rng rng = { .seed = rs_test_seed() };
    rs_qnet *q = rs_test_lenet_qnet(&rng, 8, 8, 8);
    for (int o = 0; o < 50; o++)
        q->ops[2].bias[o] = o == 7 ? -1000 : 10;
    assert_int_equal(rs_qop_bound(q, &q->ops[2], false), 500 * 128 * 128 + 1000);
    assert_int_equal(rs_qop_accumulator_bits(q, &q->ops[2], false), 24); /* 8,193,000 < 2^23 */
    q->ops[2].bias[7] = 500000;
    assert_int_equal(rs_qop_accumulator_bits(q, &q->ops[2], false), 25);
    rs_qnet_free(q);
}

/* ----------------------------------------------------------------------------------------- what cannot be built */

static rs_status build(const rs_net *net, const rs_formats *f, rs_diag *diag)
{
    rs_qnet *q = NULL;
    const rs_status status = rs_qnet_build(net, f, NULL, RS_BIAS_ACCUMULATOR, RS_ROUND_NEAREST, &q, diag);
    rs_qnet_free(q);
    assert_true((status == RS_OK) == (q != NULL));
    return status;
}

static void check_refused(void **state)
{
    (void)state;
    rs_rng rng = { .seed = rs_test_seed() };
    rs_net *net = example_net(&rng);
    rs_diag *diag = rs_diag_new();
    rs_formats *f = example_formats(net, 8);
    rs_layer *pool = &net->layers[rs_net_layer(net, "pool1")], *relu = &net->layers[rs_net_layer(net, "relu2")];

    relu->relu_slope = 0.1f;
    assert_int_equal(build(net, f, diag), RS_BAD_INPUT);
    assert_int_equal(rs_diag_errors(diag), 1); /* what follows from the first is not reported again */
    const rs_message *m = rs_diag_message(diag, 0);
    assert_string_equal(m->loc.file, "test.prototxt");
    assert_int_equal(m->loc.line, relu->loc.line);
    rs_assert_error(RS_BAD_INPUT, RS_BAD_INPUT, diag, "'relu2' is a ReLU with slope 0.1");
    relu->relu_slope = 0;
    const rs_layer_type kept_type = pool->type;
    pool->type = RS_LAYER_TANH;
    rs_assert_error(build(net, f, diag), RS_BAD_INPUT, diag, "'pool1' of type TanH has no integer rule");
    pool->type = kept_type;

    const int softmax = rs_net_layer(net, "prob"), conv2 = rs_net_layer(net, "conv2");
    (void)softmax;
    set_format(net, f, "conv2", (rs_fxp) { 0, 0 }, true);
    rs_assert_error(build(net, f, diag), RS_BAD_INPUT, diag, "'conv2' has no number format for its weights");
    set_format(net, f, "conv2", (rs_fxp) { 17, 0 }, true);
    rs_assert_error(build(net, f, diag), RS_BAD_INPUT, diag, "17 bits");
    set_format(net, f, "conv2", (rs_fxp) { 8, 7 }, true);
    set_format(net, f, "relu2", (rs_fxp) { 0, 0 }, false);
    rs_assert_error(build(net, f, diag), RS_BAD_INPUT, diag, "blob 'relu2' has no number format");
    set_format(net, f, "relu2", (rs_fxp) { 8, -64 }, false);
    rs_assert_error(build(net, f, diag), RS_BAD_INPUT, diag, "shifts its sums by 75 bits");
    set_format(net, f, "relu2", (rs_fxp) { 8, 3 }, false);
    set_format(net, f, "pool1", (rs_fxp) { 8, 3 }, false);
    rs_assert_error(build(net, f, diag), RS_BAD_INPUT, diag, "expected the same format on both sides");
    set_format(net, f, "pool1", (rs_fxp) { 8, 4 }, false);
    set_format(net, f, "data", (rs_fxp) { 40, 4 }, false);
    rs_assert_error(build(net, f, diag), RS_BAD_INPUT, diag, "'data' has 40 bits");
    set_format(net, f, "data", (rs_fxp) { 8, 0 }, false);

    float *weight = &net->layers[conv2].params[0].data[3];
    const float kept = *weight;
    *weight = NAN;
    rs_assert_error(build(net, f, diag), RS_BAD_INPUT, diag, "weight 3 of layer 'conv2' is not a number");
    *weight = INFINITY;
    rs_assert_error(build(net, f, diag), RS_BAD_INPUT, diag, "weight 3 of layer 'conv2' is infinite");
    *weight = kept;
    float *bias = &net->layers[rs_net_layer(net, "conv1")].params[1].data[1];
    const float kept_bias = *bias;
    *bias = -INFINITY;
    rs_assert_error(build(net, f, diag), RS_BAD_INPUT, diag, "bias 1 of layer 'conv1' is infinite");
    *bias = NAN;
    rs_assert_error(build(net, f, diag), RS_BAD_INPUT, diag, "bias 1 of layer 'conv1' is not a number");
    *bias = kept_bias;

    rs_data_param data = { .scale = NAN };
    rs_qnet *q = NULL;
    rs_assert_error(rs_qnet_build(net, f, &data, RS_BIAS_ACCUMULATOR, RS_ROUND_NEAREST, &q, diag), RS_BAD_INPUT, diag,
                    "finite");
    data = (rs_data_param) { .scale = 1, .n_mean = 3 };
    rs_assert_error(rs_qnet_build(net, f, &data, RS_BIAS_ACCUMULATOR, RS_ROUND_NEAREST, &q, diag), RS_BAD_INPUT, diag,
                    "3 mean values");
    rs_assert_error(rs_qnet_build(net, f, NULL, RS_BIAS_ACCUMULATOR, RS_ROUND_STOCHASTIC, &q, diag), RS_BAD_INPUT, diag,
                    "deterministic");
    rs_formats_free(f);
    rs_net_free(net);
    rs_diag_free(diag);
}

/* 8 bits and a few fractional ones everywhere. */
static rs_formats *plain_formats(const rs_net *net)
{
    rs_formats *f = NULL;
    assert_int_equal(rs_formats_new(net, &f, NULL), RS_OK);
    for (int b = 0; b < net->n_blobs; b++)
        f->activations[b] = rs_number_of_fxp((rs_fxp) { 8, 4 });
    for (int l = 0; l < net->n_layers; l++)
        f->weights[l] = rs_number_of_fxp((rs_fxp) { net->layers[l].n_params > 0 ? 8 : 0, 7 });
    return f;
}

/* A ReLU whose input somebody else reads is not fused, and one behind pooling stands alone. */
static void check_not_fused(void **state)
{
    (void)state;
    rs_net *net = rs_test_net(1, 6, 6);
    rs_test_convolution(net, "data", "conv", 3, 3, 1, 0);
    rs_test_layer(net, RS_LAYER_RELU, "conv", "relu");
    rs_test_pooling(net, "conv", "side", RS_POOL_MAX, 2, 2); /* leads nowhere: does not count */
    rs_test_pooling(net, "relu", "pool", RS_POOL_MAX, 2, 2);
    rs_test_layer(net, RS_LAYER_RELU, "pool", "pool");
    rs_test_inner_product(net, "pool", "ip", 4);
    rs_test_net_finish(net);
    rs_formats *f = plain_formats(net);
    rs_diag *diag = rs_diag_new();
    rs_qnet *q = NULL;
    rs_assert_ok(rs_qnet_build(net, f, NULL, RS_BIAS_ACCUMULATOR, RS_ROUND_NEAREST, &q, diag), diag);
    assert_int_equal(q->n_ops, 4); /* conv + ReLU, pool, ReLU, ip */
    assert_true(q->ops[0].relu);
    assert_int_equal(q->ops[2].type, RS_QOP_RELU); /* the first ReLU ended the row that it could be fused into */
    rs_qnet_free(q);
    rs_net_free(net);
    net = rs_test_net(1, 6, 6);
    rs_test_convolution(net, "data", "conv", 3, 3, 1, 0);
    rs_test_pooling(net, "conv", "a", RS_POOL_MAX, 4, 1);
    rs_test_layer(net, RS_LAYER_RELU, "conv", "conv");
    rs_test_inner_product(net, "conv", "ip", 4);
    rs_test_net_finish(net);
    rs_formats_free(f);
    f = plain_formats(net);
    rs_assert_ok(rs_qnet_build(net, f, NULL, RS_BIAS_ACCUMULATOR, RS_ROUND_NEAREST, &q, diag), diag);
    assert_true(q->ops[0].relu); /* nothing that counts reads the value before the ReLU */
    rs_qnet_free(q);
    rs_net_free(net);
    /* Here something does. */
    net = rs_test_net(1, 6, 6);
    rs_test_convolution(net, "data", "conv", 3, 3, 1, 0);
    rs_test_layer(net, RS_LAYER_RELU, "conv", "relu");
    rs_test_convolution(net, "conv", "next", 2, 2, 1, 0);
    rs_test_net_finish(net);
    rs_formats_free(f);
    f = plain_formats(net);
    rs_assert_ok(rs_qnet_build(net, f, NULL, RS_BIAS_ACCUMULATOR, RS_ROUND_NEAREST, &q, diag), diag);
    assert_int_equal(q->n_ops, 2);
    assert_false(q->ops[0].relu);
    rs_qnet_free(q);
    rs_formats_free(f);
    rs_net_free(net);
    rs_diag_free(diag);
}

/* Behind max pooling a ReLU is fused into the convolution before: conv - pool - ReLU in place - ip. */
static void check_fused_through_pooling(void **state)
{
    (void)state;
    rs_net *net = rs_test_net(1, 6, 6);
    rs_test_convolution(net, "data", "conv", 3, 3, 1, 0);
    rs_test_pooling(net, "conv", "pool", RS_POOL_MAX, 2, 2);
    rs_test_layer(net, RS_LAYER_RELU, "pool", "pool");
    rs_test_inner_product(net, "pool", "ip", 4);
    rs_test_net_finish(net);
    rs_formats *f = plain_formats(net);
    rs_diag *diag = rs_diag_new();
    rs_qnet *q = NULL;
    rs_assert_ok(rs_qnet_build(net, f, NULL, RS_BIAS_ACCUMULATOR, RS_ROUND_NEAREST, &q, diag), diag);
    assert_int_equal(q->n_ops, 3);
    assert_true(q->ops[0].relu);
    assert_int_equal(q->ops[2].input, 2);
    rs_qnet_free(q);
    rs_formats_free(f);
    rs_net_free(net);
    rs_diag_free(diag);
}

/* ------------------------------------------------------------------------------------------------------- graphs */

/* A layer with several bottoms. */
static rs_layer *join(rs_net *net, rs_layer_type type, const char *const *bottoms, int n, const char *top)
{
    rs_layer *layer = rs_test_layer(net, type, bottoms[0], top);
    rs_free(layer->bottoms);
    layer->bottoms = RS_NEW_ARRAY(int, (size_t)n);
    assert_non_null(layer->bottoms);
    layer->n_bottoms = n;
    for (int i = 0; i < n; i++) {
        layer->bottoms[i] = rs_net_blob(net, bottoms[i]);
        assert_true(layer->bottoms[i] >= 0);
    }
    return layer;
}

static void set_clip(rs_layer *layer, float least, float most)
{
    layer->clip[0] = least;
    layer->clip[1] = most;
}

/* Everything that the nets of the paper are made of: LRN of both kinds, an inception module, a fire module, a residual
 * sum with a ReLU, clips (fused with a lower bound of zero, in place with two bounds), grouped, dilated and depthwise
 * convolutions, average pooling with padding, a global one, flatten, an inner product. */
static rs_net *graph_net(rs_rng *rng)
{
    rs_net *net = rs_test_net(3, 19, 17);
    rs_test_convolution(net, "data", "conv1", 8, 3, 2, 1);
    rs_test_layer(net, RS_LAYER_RELU, "conv1", "conv1");
    rs_test_layer(net, RS_LAYER_LRN, "conv1", "norm1")->lrn = (rs_lrn_param) { true, 5, 0.3f, 0.75f, 1 };
    rs_test_pooling(net, "norm1", "pool1", RS_POOL_MAX, 3, 2);
    /* inception */
    rs_test_convolution(net, "pool1", "one", 3, 1, 1, 0);
    rs_test_layer(net, RS_LAYER_RELU, "one", "one");
    rs_test_convolution(net, "pool1", "reduce", 4, 1, 1, 0);
    rs_test_layer(net, RS_LAYER_RELU, "reduce", "reduce");
    rs_layer *three = rs_test_convolution(net, "reduce", "three", 6, 3, 1, 1);
    three->convolution.kernel_w = 1;
    three->convolution.pad_w = 0;
    rs_test_layer(net, RS_LAYER_RELU, "three", "three");
    rs_layer *around = rs_test_pooling(net, "pool1", "around", RS_POOL_MAX, 3, 1);
    around->pooling.pad_h = around->pooling.pad_w = 1;
    rs_test_convolution(net, "around", "proj", 3, 1, 1, 0);
    rs_test_layer(net, RS_LAYER_RELU, "proj", "proj");
    static const char *const PARTS[] = { "one", "three", "proj" };
    join(net, RS_LAYER_CONCAT, PARTS, 3, "concat")->concat.axis = 1;
    /* a residual sum */
    rs_layer *depthwise = rs_test_convolution(net, "concat", "depthwise", 12, 3, 1, 2);
    depthwise->convolution.groups = 12;
    depthwise->convolution.dilation_h = depthwise->convolution.dilation_w = 2;
    set_clip(rs_test_layer(net, RS_LAYER_CLIP, "depthwise", "depthwise6"), 0.0f, 2.5f);
    rs_layer *grouped = rs_test_convolution(net, "depthwise6", "grouped", 12, 1, 1, 0);
    grouped->convolution.groups = 3;
    set_clip(rs_test_layer(net, RS_LAYER_CLIP, "grouped", "grouped"), -2.5f, 1.7f);
    static const char *const TERMS[] = { "grouped", "concat" };
    join(net, RS_LAYER_ELTWISE, TERMS, 2, "sum")->eltwise.method = RS_ELTWISE_SUM;
    rs_test_layer(net, RS_LAYER_RELU, "sum", "sum");
    rs_test_layer(net, RS_LAYER_LRN, "sum", "norm2")->lrn = (rs_lrn_param) { false, 3, 0.5f, 0.6f, 1 };
    rs_layer *average = rs_test_pooling(net, "norm2", "average", RS_POOL_AVERAGE, 3, 2);
    average->pooling.pad_h = average->pooling.pad_w = 1;
    rs_test_convolution(net, "average", "last", 6, 1, 1, 0);
    rs_test_layer(net, RS_LAYER_RELU, "last", "last");
    rs_test_pooling(net, "last", "global", RS_POOL_AVERAGE, 1, 1)->pooling.global = true;
    rs_test_layer(net, RS_LAYER_FLATTEN, "global", "flat")->flatten = (rs_flatten_param) { 1, -1 };
    rs_test_inner_product(net, "flat", "ip", 5);
    rs_test_layer(net, RS_LAYER_SOFTMAX, "ip", "prob");
    rs_test_net_finish(net);
    for (int l = 0; l < net->n_layers; l++)
        for (int p = 0; p < net->layers[l].n_params; p++) {
            rs_param *param = &net->layers[l].params[p];
            const double scale = p == 0 ? 2 / sqrt((double)rs_shape_count(&param->shape, 1)) : 0.1;
            for (int64_t i = 0; i < rs_shape_count(&param->shape, 0); i++)
                param->data[i] = (float)((rs_random_unit(rng->seed, (uint64_t)(l * 2 + p), (uint64_t)i) * 2 - 1) *
                                         scale);
        }
    return net;
}

/* The graph with formats measured on images: at 16 bits the integers follow the float net closely, layer by layer; at
 * every width the engine gives what the oracle gives. */
static void check_graph(void **state)
{
    (void)state;
    enum { IMAGES = 4 };
    rs_rng rng = { .seed = rs_test_seed(), .stream = 77 };
    rs_net *net = graph_net(&rng);
    uint8_t pixels[IMAGES * 3 * 19 * 17];
    int32_t labels[IMAGES] = { 0 };
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)(rs_rng_next(&rng) >> 9);
    char path[] = "random";
    const rs_dataset set = { .path = path,
                             .count = IMAGES,
                             .channels = 3,
                             .height = 19,
                             .width = 17,
                             .classes = 5,
                             .pixels = pixels,
                             .labels = labels };
    const rs_data_param data = { .scale = 0.01f, .n_mean = 3, .mean = { 104, 117, 123 } };
    rs_diag *diag = rs_diag_new();
    rs_ranges *ranges = NULL;
    rs_assert_ok(rs_ranges_measure(net, &data, &set, 0, &ranges, diag), diag);
    rs_exec *exec = NULL;
    rs_assert_ok(rs_exec_new(net, 1, false, &exec, diag), diag);
    rs_dataset_transform(&set, &data, 0, 1, rs_exec_blob(exec, rs_net_input(net)));
    rs_assert_ok(rs_exec_forward(exec, 0, net->n_layers, 1, NULL, diag), diag);
    uint64_t compared = 0;
    for (int variant = 0; variant < 8; variant++)
        for (int bits = 16; bits >= 3; bits -= 3) {
            rs_formats *f = NULL;
            rs_qnet *q = NULL;
            rs_assert_ok(rs_formats_choose(net, ranges, (const int[RS_GROUPS]) { bits, bits, bits }, &f, diag), diag);
            if (variant & 1)
                rs_assert_ok(rs_formats_use_unsigned(net, NULL, f, diag), diag);
            if (variant & 2)
                rs_assert_ok(rs_formats_use_channels(net, f, diag), diag);
            f->wide_scores = variant & 4;
            rs_assert_ok(rs_qnet_build(net, f, &data, RS_BIAS_ACCUMULATOR, RS_ROUND_NEAREST, &q, diag), diag);
            assert_int_equal(q->n_ops, 19);
            rs_engine *engine = NULL;
            rs_assert_ok(rs_engine_new(q, false, &engine, diag), diag);
            int32_t *got[32], *want[32];
            uint64_t saturations[2][32] = { { 0 } };
            for (int t = 0; t < q->n_tensors; t++) {
                const size_t count = (size_t)q->tensors[t].channels *
                                     (size_t)(q->tensors[t].height * q->tensors[t].width);
                got[t] = RS_NEW_ARRAY(int32_t, count);
                want[t] = RS_NEW_ARRAY(int32_t, count);
                assert_true(got[t] && want[t]);
            }
            rs_assert_ok(rs_engine_trace(engine, pixels, got, saturations[0], diag), diag);
            rs_oracle_qnet_run(q, pixels, want, saturations[1]);
            for (int t = 0; t < q->n_tensors; t++) {
                const rs_qtensor *tensor = &q->tensors[t];
                const int blob = rs_net_blob(net, tensor->name);
                const int64_t count = (int64_t)tensor->channels * tensor->height * tensor->width;
                bool clipped = false; /* by the next op: what is clipped anyway has no place in the format */
                for (int i = 0; i < q->n_ops; i++)
                    clipped = clipped || (q->ops[i].type == RS_QOP_CLIP && q->ops[i].input == t);
                const double scale = exp2(-tensor->format.fl),
                             range = fmax(fabs(ranges->blob_max[blob]), fabs(ranges->blob_min[blob]));
                for (int64_t i = 0; i < count; i++, compared++) {
                    assert_int_equal(got[t][i], want[t][i]);
                    if (bits == 16 && !clipped &&
                        fabs(got[t][i] * scale - (double)rs_exec_blob(exec, blob)[i]) > 0.01 * range)
                        fail_msg("'%s', element %lld: %g, in float %g", tensor->name, (long long)i, got[t][i] * scale,
                                 (double)rs_exec_blob(exec, blob)[i]);
                }
                rs_free(got[t]);
                rs_free(want[t]);
            }
            assert_memory_equal(saturations[0], saturations[1], sizeof saturations[0]);
            const rs_qtensor *parts = &q->tensors[1];
            assert_int_equal(parts->is_unsigned, variant & 1);
            for (int i = 0; i < q->n_ops; i++) /* the parts of the concatenation are written where the whole is read */
                for (int k = 0; k < q->ops[i].n_inputs && q->ops[i].type == RS_QOP_CONCAT; k++)
                    assert_int_equal(rs_qop_concat_shift(q, &q->ops[i], k), 0);
            rs_engine_free(engine);
            rs_qnet_free(q);
            rs_formats_free(f);
        }
    assert_true(compared > 100000);
    rs_exec_free(exec);
    rs_ranges_free(ranges);
    rs_net_free(net);
    rs_diag_free(diag);
}

/* -------------------------------------------------------------------------------------------------------- files */

static void assert_same(const rs_qnet *a, const rs_qnet *b)
{
    assert_string_equal(a->name, b->name);
    assert_int_equal(a->rounding, b->rounding);
    assert_int_equal(a->bias_rule, b->bias_rule);
    assert_int_equal(a->n_ops, b->n_ops);
    assert_int_equal(a->n_tensors, b->n_tensors);
    assert_true(a->pixel_scale == b->pixel_scale);
    for (int t = 0; t < a->n_tensors; t++) {
        assert_string_equal(a->tensors[t].name, b->tensors[t].name);
        assert_int_equal(a->tensors[t].channels, b->tensors[t].channels);
        assert_int_equal(a->tensors[t].height, b->tensors[t].height);
        assert_int_equal(a->tensors[t].width, b->tensors[t].width);
        assert_int_equal(a->tensors[t].format.bits, b->tensors[t].format.bits);
        assert_int_equal(a->tensors[t].format.fl, b->tensors[t].format.fl);
        assert_int_equal(a->tensors[t].is_unsigned, b->tensors[t].is_unsigned);
        assert_int_equal(a->tensors[t].format.number, b->tensors[t].format.number);
    }
    const rs_qtensor *input = &a->tensors[0];
    for (int c = 0; c < input->channels; c++)
        assert_true(a->pixel_mean[c] == b->pixel_mean[c]);
    assert_true((a->mean_image == NULL) == (b->mean_image == NULL));
    if (a->mean_image)
        assert_memory_equal(a->mean_image, b->mean_image,
                            (size_t)input->channels * (size_t)(input->height * input->width) * sizeof(float));
    else
        assert_memory_equal(a->pixel_table, b->pixel_table, (size_t)input->channels * 256 * sizeof(int32_t));
    for (int i = 0; i < a->n_ops; i++) {
        const rs_qop *x = &a->ops[i], *y = &b->ops[i];
        assert_string_equal(x->name, y->name);
        assert_int_equal(x->type, y->type);
        assert_int_equal(x->n_inputs, y->n_inputs);
        assert_memory_equal(x->inputs, y->inputs, (size_t)x->n_inputs * sizeof *x->inputs);
        assert_int_equal(x->output, y->output);
        assert_int_equal(x->relu, y->relu);
        assert_int_equal(x->shift, y->shift);
        assert_int_equal(x->lrn.within, y->lrn.within);
        assert_int_equal(x->lrn.size, y->lrn.size);
        assert_true(x->lrn.alpha == y->lrn.alpha && x->lrn.beta == y->lrn.beta && x->lrn.k == y->lrn.k);
        assert_int_equal(x->kernel_h, y->kernel_h);
        assert_int_equal(x->kernel_w, y->kernel_w);
        assert_int_equal(x->stride_h, y->stride_h);
        assert_int_equal(x->stride_w, y->stride_w);
        assert_int_equal(x->pad_h, y->pad_h);
        assert_int_equal(x->pad_w, y->pad_w);
        if (!rs_qop_weighted(x))
            continue;
        assert_int_equal(x->dilation_h, y->dilation_h);
        assert_int_equal(x->dilation_w, y->dilation_w);
        assert_int_equal(x->groups, y->groups);
        assert_int_equal(x->weight_format.bits, y->weight_format.bits);
        assert_int_equal(x->weight_format.fl, y->weight_format.fl);
        const size_t outputs = (size_t)a->tensors[x->output].channels;
        assert_true((x->weight_fl == NULL) == (y->weight_fl == NULL));
        if (x->weight_fl)
            assert_memory_equal(x->weight_fl, y->weight_fl, outputs * sizeof *x->weight_fl);
        assert_memory_equal(x->weights, y->weights, outputs * (size_t)rs_qop_terms(a, x) * sizeof(int32_t));
        assert_memory_equal(x->bias, y->bias, outputs * sizeof(int64_t));
    }
}

static void check_files(void **state)
{
    (void)state;
    rs_diag *diag = rs_diag_new();
    rs_random_qnet options = { .max_ops = 7, .max_bits = 16, .max_size = 8, .max_channels = 6, .branches = true };
    for (int i = 0; i < 80; i++) {
        options.graph = i % 3 > 0;
        rs_rng rng = { .seed = rs_test_seed(), .stream = 300 + (uint64_t)i };
        rs_qnet *q = rs_test_random_qnet(&rng, &options), *back = NULL;
        char *folder = rs_format("%s/net%d", rs_test_folder(), i),
             *again = rs_format("%s/again%d", rs_test_folder(), i);
        rs_assert_ok(rs_qnet_write(q, folder, diag), diag);
        rs_assert_ok(rs_qnet_read(folder, &back, diag), diag);
        assert_same(q, back);
        /* The same network gives the same bytes. */
        rs_assert_ok(rs_qnet_write(back, again, diag), diag);
        char *first = rs_path_join(folder, "qnet.json"), *second = rs_path_join(again, "qnet.json");
        char *one = rs_test_read(first, NULL), *two = rs_test_read(second, NULL); /* with the checksums of all files */
        assert_string_equal(one, two);
        assert_int_equal(rs_test_count_files(folder), rs_test_count_files(again));
        free(one);
        free(two);
        rs_free(first);
        rs_free(second);
        rs_free(folder);
        rs_free(again);
        rs_qnet_free(q);
        rs_qnet_free(back);
    }
    rs_diag_free(diag);
}

/* Layers whose names meet as file names keep their own files. */
static void check_file_names(void **state)
{
    (void)state;
    rs_rng rng = { .seed = rs_test_seed() };
    rs_diag *diag = rs_diag_new();
    rs_qnet *q = rs_test_lenet_qnet(&rng, 8, 8, 8), *back = NULL;
    static const char *const NAMES[] = { "a/b", "../x", "a_b", "\"quoted\"", "a b", "\xc3\xa9" };
    for (int i = 0; i < q->n_ops; i++) {
        rs_free(q->ops[i].name);
        q->ops[i].name = rs_strdup(NAMES[i]);
    }
    rs_assert_ok(rs_qnet_write(q, rs_test_path("names"), diag), diag);
    assert_int_equal(rs_test_count_files(rs_test_path("names")), 2 + 2 * 4);
    rs_assert_ok(rs_qnet_read(rs_test_path("names"), &back, diag), diag);
    assert_same(q, back);
    rs_qnet_free(q);
    rs_qnet_free(back);
    rs_diag_free(diag);
}

/* Replaces the first `from` in a text of qnet.json; NULL if it is not there. rs_free releases it. */
static char *replaced(const char *text, const char *from, const char *to)
{
    const char *at = strstr(text, from);
    return at ? rs_format("%.*s%s%s", (int)(at - text), text, to, at + strlen(from)) : NULL;
}

static void check_bad_description(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to, *message;
    } CASES[] = {
        { "\"format\": \"ristretto qnet\"", "\"format\": \"other\"", "not a quantized network" },
        { "\"version\": 2", "\"version\": 1", "'version' is 1" },
        { "{", "{,", "not valid JSON" },
        { "\"rounding\": \"nearest\"", "\"rounding\": \"nearst\"", "'rounding' is 'nearst'" },
        { "\"rounding\": \"nearest\"", "\"rounding\": \"stochastic\"", "'rounding' is 'stochastic'" },
        { "\"rounding\"", "\"roundig\"", "unknown key 'roundig'" },
        { "\"bias_rule\": \"accumulator\"", "\"bias_rule\": 3", "'bias_rule' has the wrong type" },
        { "\"groups\": 1", "\"groups\": 2", "expected a divisor" },
        { "\"groups\": 1", "\"groups\": 0", "'groups' is 0" },
        { "\"channels\": 1,", "\"channels\": 17,", "expected at most 16 channels" },
        { "\"height\": 28", "\"height\": 27", "expected 23 for an input of 27" },
        { "\"height\": 28", "\"height\": 268435456", "at most 268435456 elements" },
        { "\"height\": 28", "\"height\": 99999999999999999999", "not valid JSON" },
        { "\"bits\": 8", "\"bits\": 0", "'bits' is 0" },
        { "\"bits\": 8", "\"bits\": 4", "expected -8 to 7" },
        { "\"bits\": 8", "\"bits\": 4.5", "'bits' has the wrong type" },
        { "\"fl\": 7", "\"fl\": 6", "expected" },
        { "\"weight_bits\": 8", "\"weight_bits\": 2", "expected -2 to 1" },
        { "\"relu\": false", "\"relu\": 0", "'relu' has the wrong type" },
        { "\"inputs\": [\n        0", "\"inputs\": [1", "inputs[0] must be the number of a tensor from 0 to 0" },
        { "\"inputs\": [\n        0", "\"inputs\": [0, 0", "has 2 inputs, expected 1" },
        { "\"inputs\": [\n        0", "\"inputs\": [", "0 inputs" },
        { "\"signed\": true", "\"signed\": 1", "'signed' has the wrong type" },
        { "\"number\": \"fixed\"", "\"number\": \"fxed\"", "'number' is 'fxed'" },
        { "\"output\": 1", "\"output\": 2", "'output' is 2" },
        { "\"type\": \"convolution\"", "\"type\": \"convolutoin\"", "'type' is 'convolutoin'" },
        { "\"type\": \"max_pool\"", "\"type\": \"relu\"", "unknown key 'kernel'" },
        { "conv1.weights.npy", "../conv1.weights.npy", "must name a file in the same folder" },
        { "conv1.weights.npy", "conv2.weights.npy", "the checksum is" },
        { "conv1.weights.npy", "missing.npy", "cannot open" },
        { "\"accumulator_bits\": ", "\"accumulator_bits\": 1", "'accumulator_bits' is" },
        { "\"scale\": 0.00390625", "\"scale\": 1e300", "finite" },
        { "\"scale\": 0.00390625", "\"scale\": \"1\"", "'scale'" },
    };
    rs_rng rng = { .seed = rs_test_seed() };
    rs_diag *diag = rs_diag_new();
    rs_qnet *q = rs_test_lenet_qnet(&rng, 8, 8, 8), *back = NULL;
    const char *folder = rs_test_path("bad");
    rs_assert_ok(rs_qnet_write(q, folder, diag), diag);
    char *path = rs_path_join(folder, "qnet.json");
    size_t size;
    char *text = rs_test_read(path, &size);
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        char *bad = replaced(text, CASES[i].from, CASES[i].to);
        if (!bad)
            fail_msg("case %zu: '%s' is not in the file", i, CASES[i].from);
        rs_test_write(path, bad, strlen(bad));
        rs_assert_error(rs_qnet_read(folder, &back, diag), RS_BAD_INPUT, diag, CASES[i].message);
        assert_null(back);
        rs_free(bad);
    }
    /* A kernel so large that sizes overflow; a file of a few bytes must not take much memory. */
    char *huge = replaced(text, "\"kernel\": [\n        5,\n        5\n      ]", "\"kernel\": [1048576, 1048576]");
    assert_non_null(huge);
    rs_test_write(path, huge, strlen(huge));
    rs_assert_error(rs_qnet_read(folder, &back, diag), RS_BAD_INPUT, diag, "kernel");
    rs_free(huge);
    /* Cut anywhere. */
    for (size_t cut = 0; cut + 3 < size; cut += 97) {
        rs_test_write(path, text, cut);
        assert_int_equal(rs_qnet_read(folder, &back, diag), RS_BAD_INPUT);
        assert_true(rs_diag_errors(diag) > 0);
        free(rs_test_messages(diag));
    }
    rs_test_write(path, text, size);
    rs_assert_ok(rs_qnet_read(folder, &back, diag), diag);
    rs_qnet_free(back);
    rs_free(path);
    free(text);
    rs_qnet_free(q);
    rs_diag_free(diag);
}

/* Any byte of any file changed is found, or changes nothing. */
static void check_damage(void **state)
{
    (void)state;
    rs_rng rng = { .seed = rs_test_seed(), .stream = 9 };
    rs_diag *diag = rs_diag_new();
    const rs_random_qnet options = { .max_ops = 3, .max_bits = 16, .max_size = 6, .max_channels = 4 };
    rs_qnet *q = rs_test_random_qnet(&rng, &options), *back = NULL;
    while (!rs_qop_weighted(&q->ops[0])) {
        rs_qnet_free(q);
        q = rs_test_random_qnet(&rng, &options);
    }
    const char *folder = rs_test_path("damaged");
    rs_assert_ok(rs_qnet_write(q, folder, diag), diag);
    char *path = rs_format("%s/%s.weights.npy", folder, strchr(q->ops[0].name, '/') ? "block_op0" : q->ops[0].name);
    size_t size;
    char *bytes = rs_test_read(path, &size);
    assert_non_null(bytes);
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (char)(bytes[i] ^ (1 << (i % 8)));
        rs_test_write(path, bytes, size);
        assert_int_equal(rs_qnet_read(folder, &back, diag), RS_BAD_INPUT);
        free(rs_test_messages(diag));
        bytes[i] = (char)(bytes[i] ^ (1 << (i % 8)));
    }
    for (size_t cut = 0; cut < size; cut++) {
        rs_test_write(path, bytes, cut);
        assert_int_equal(rs_qnet_read(folder, &back, diag), RS_BAD_INPUT);
        free(rs_test_messages(diag));
    }
    free(bytes);
    rs_free(path);
    rs_qnet_free(q);
    rs_diag_free(diag);
}

/* The n-th allocation, read and write fail, n = 1, 2, 3, ... until all succeed: no crash, no leak, no file of the old
 * network replaced by half of a new one without the reader noticing. */
static void check_faults(void **state)
{
    (void)state;
    rs_rng rng = { .seed = rs_test_seed(), .stream = 11 };
    rs_net *net = example_net(&rng);
    rs_formats *f = example_formats(net, 8);
    rs_diag *diag = rs_diag_new();
    rs_qnet *q = NULL;
    rs_assert_ok(rs_qnet_build(net, f, NULL, RS_BIAS_ACCUMULATOR, RS_ROUND_NEAREST, &q, diag), diag);
    const char *folder = rs_test_path("faults");
    uint8_t pixels[2 * 9 * 8] = { 0 };
    int32_t scores[6];
    int failures = 0;
    for (int what = 0; what < 4; what++)
        for (uint64_t n = 1;; n++) {
            rs_qnet *made = NULL;
            rs_engine *engine = NULL;
            const rs_fault kind = what == 2 ? RS_FAULT_READ : what == 3 ? RS_FAULT_WRITE : RS_FAULT_ALLOC;
            rs_fault_arm(kind, n);
            rs_status status = RS_OK;
            if (what == 0) {
                status = rs_qnet_build(net, f, NULL, RS_BIAS_ACCUMULATOR, RS_ROUND_NEAREST, &made, diag);
                if (status == RS_OK)
                    status = rs_engine_new(made, false, &engine, diag);
                if (status == RS_OK)
                    status = rs_engine_run(engine, pixels, 1, scores, NULL, diag);
            } else {
                status = rs_qnet_write(q, folder, diag);
                if (status == RS_OK)
                    status = rs_qnet_read(folder, &made, diag);
            }
            const bool struck = rs_fault_count(kind) >= n;
            rs_fault_arm(kind, 0);
            rs_engine_free(engine);
            rs_qnet_free(made);
            if (!struck) {
                rs_assert_ok(status, diag);
                break;
            }
            failures++;
            assert_int_equal(status, what == 2 ? RS_BAD_INPUT : RS_RESOURCE);
            free(rs_test_messages(diag));
        }
    print_message("# %d faults\n", failures);
    assert_true(failures > 50);
    rs_qnet_free(q);
    rs_formats_free(f);
    rs_net_free(net);
    rs_diag_free(diag);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_build),
        cmocka_unit_test(check_accumulator_by_width),
        cmocka_unit_test(check_refused),
        cmocka_unit_test(check_not_fused),
        cmocka_unit_test(check_fused_through_pooling),
        cmocka_unit_test(check_graph),
        cmocka_unit_test(check_files),
        cmocka_unit_test(check_file_names),
        cmocka_unit_test(check_bad_description),
        cmocka_unit_test(check_damage),
        cmocka_unit_test(check_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
