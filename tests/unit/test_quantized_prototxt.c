/* A quantized prototxt says everything that its formats are: what is written and read again gives the same, for every
 * scheme and net of the zoo; and files as the original's users write them by hand. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "formats/formats.h"
#include "import/import.h"
#include "support/test.h"

static const char *const zoo[] = {
    "lenet/lenet.prototxt",      "cifar10_full/deploy.prototxt",    "caffenet/deploy.prototxt",
    "googlenet/deploy.prototxt", "squeezenet_v1.0/deploy.prototxt", "squeezenet_v1.1/deploy.prototxt"
};
enum { ZOO = sizeof zoo / sizeof zoo[0] };

static rs_net *read_net(const char *path, rs_diag *diag)
{
    rs_net *net = NULL;
    rs_assert_ok(rs_import_net(path, NULL, NULL, &net, diag), diag);
    rs_assert_ok(rs_net_infer_shapes(net, NULL, diag), diag);
    return net;
}

/* Ranges as a calibration could have found them. */
static rs_ranges *random_ranges(const rs_net *net, rs_rng *random)
{
    rs_ranges *r = RS_NEW(rs_ranges);
    assert_non_null(r);
    r->n_layers = net->n_layers;
    r->n_blobs = net->n_blobs;
    r->weight_max = RS_NEW_ARRAY(double, (size_t)net->n_layers);
    r->blob_min = RS_NEW_ARRAY(double, (size_t)net->n_blobs);
    r->blob_max = RS_NEW_ARRAY(double, (size_t)net->n_blobs);
    for (int i = 0; i < net->n_layers; i++)
        r->weight_max[i] = ldexp(1.0 + (double)(rs_rng_next(random) % 1000) / 1000.0,
                                 (int)(rs_rng_next(random) % 9) - 6);
    for (int b = 0; b < net->n_blobs; b++)
        r->blob_max[b] = ldexp(1.0 + (double)(rs_rng_next(random) % 1000) / 1000.0,
                               (int)(rs_rng_next(random) % 12) - 3);
    return r;
}

static void assert_same(const rs_net *net, const rs_formats *a, const rs_formats *b)
{
    assert_int_equal(a->n_layers, b->n_layers);
    assert_int_equal(a->n_blobs, b->n_blobs);
    assert_int_equal(a->wide_scores, b->wide_scores);
    const int scores = rs_net_scores(net);
    for (int i = 0; i < a->n_layers; i++) {
        assert_true(rs_number_equal(a->weights[i], b->weights[i]));
        assert_true((a->weight_fl[i] == NULL) == (b->weight_fl[i] == NULL));
        if (a->weight_fl[i] != NULL)
            assert_memory_equal(a->weight_fl[i], b->weight_fl[i],
                                (size_t)net->layers[i].params[0].shape.dim[0] * sizeof(int));
    }
    for (int k = 0; k < a->n_blobs; k++) {
        if (a->activations[k].bits == 0 || (a->wide_scores && k == scores))
            continue;
        if (!rs_number_equal(a->activations[k], b->activations[k]) || a->is_unsigned[k] != b->is_unsigned[k])
            fail_msg("blob '%s': %d bits, fl %d%s became %d bits, fl %d%s", net->blobs[k].name, a->activations[k].bits,
                     a->activations[k].fl, a->is_unsigned[k] ? " unsigned" : "", b->activations[k].bits,
                     b->activations[k].fl, b->is_unsigned[k] ? " unsigned" : "");
    }
}

static void round_trip(const char *source, rs_net *net, const rs_formats *formats, rs_diag *diag)
{
    const char *path = rs_test_path("quantized.prototxt");
    const rs_rounding rounding = RS_ROUND_NEAREST_UP;
    rs_assert_ok(rs_formats_apply(formats, rounding, RS_BIAS_ACCUMULATOR, net, diag), diag);
    rs_assert_ok(rs_import_write_quantized(source, net, path, diag), diag);
    rs_net *again = read_net(path, diag);
    rs_formats *found = NULL;
    assert_true(rs_net_quantized(again));
    assert_int_equal(again->quantization.rounding, rounding);
    assert_int_equal(again->quantization.bias_rule, RS_BIAS_ACCUMULATOR);
    rs_assert_ok(rs_formats_of_prototxt(again, &found, diag), diag);
    assert_int_equal(rs_diag_message(diag, 0) == NULL, 1); /* nothing was derived */
    assert_same(net, formats, found);
    rs_formats_free(found);
    rs_net_free(again);
}

static void check_net(const char *file, int scheme, rs_rng *random)
{
    rs_diag *diag = rs_diag_new();
    char path[512];
    snprintf(path, sizeof path, "%s/%s", "model/zoo", file);
    rs_net *net = read_net(path, diag);
    rs_assert_ok(rs_net_fill(net, rs_rng_next(random), diag), diag);
    rs_ranges *ranges = random_ranges(net, random);
    rs_format_rules rules;
    rs_format_rules_defaults(&rules);
    rules.scheme = (rs_scheme)scheme;
    if (scheme == RS_SCHEME_MINIFLOAT && rs_rng_next(random) % 2 == 0)
        assert_true(rs_minifloat_parse("e4m3", &rules.weight_minifloat) &&
                    rs_minifloat_parse("e5m2", &rules.activation_minifloat));
    rules.power2 = (rs_power2) { -7, -1, rs_rng_next(random) % 2 == 0 };
    const int width = 2 + (int)(rs_rng_next(random) % 14);
    const int bits[RS_GROUPS] = { scheme == RS_SCHEME_STATIC ? 8 : width, 8, 8 };
    const int minifloat[RS_GROUPS] = { 8, 8, 8 };
    rs_formats *formats = NULL;
    rs_assert_ok(rs_formats_make_groups(net, ranges, &rules, scheme == RS_SCHEME_MINIFLOAT ? minifloat : bits, 4,
                                        &formats, diag),
                 diag);
    round_trip(path, net, formats, diag);
    if (scheme == RS_SCHEME_DYNAMIC) {
        rs_assert_ok(rs_formats_use_unsigned(net, NULL, formats, diag), diag);
        rs_assert_ok(rs_formats_use_channels(net, formats, diag), diag);
        formats->wide_scores = true;
        round_trip(path, net, formats, diag);
    }
    rs_formats_free(formats);
    rs_ranges_free(ranges);
    rs_net_free(net);
    rs_diag_free(diag);
}

static void test_round_trip(void **state)
{
    (void)state;
    rs_rng random = { rs_test_seed(), 61, 0 };
    for (int i = 0; i < ZOO; i++)
        for (int scheme = 0; scheme < RS_SCHEMES; scheme++)
            check_net(zoo[i], scheme, &random);
}

/* ------------------------------------------------------------------------------------------------------ by hand */

/* A net whose blocks are given; the fields of conv1, conv2 and ip are missing where NULL. */
static rs_net *by_hand(const char *conv1, const char *conv2, const char *between, rs_diag *diag)
{
    const char *path = rs_test_path("hand.prototxt");
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fprintf(
        f,
        "layer { name: \"data\" type: \"Input\" top: \"data\" input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }\n"
        "layer { name: \"conv1\" type: \"ConvolutionRistretto\" bottom: \"data\" top: \"conv1\" convolution_param {\n"
        "  num_output: 4 kernel_size: 3 } quantization_param { %s } }\n%s"
        "layer { name: \"conv2\" type: \"ConvolutionRistretto\" bottom: \"mid\" top: \"conv2\" convolution_param {\n"
        "  num_output: 4 kernel_size: 3 } quantization_param { %s } }\n",
        conv1, between, conv2);
    assert_int_equal(fclose(f), 0);
    return read_net(path, diag);
}

static const char max_pool[] =
    "layer { name: \"mid\" type: \"Pooling\" bottom: \"conv1\" top: \"mid\" pooling_param { kernel_size: 2 } }\n";
static const char average_pool[] = "layer { name: \"mid\" type: \"Pooling\" bottom: \"conv1\" top: \"mid\" "
                                   "pooling_param { pool: AVE kernel_size: 2 } }\n";
static const char eight[] = "bw_layer_in: 8 fl_layer_in: 5 bw_layer_out: 8 fl_layer_out: 4 bw_params: 8 fl_params: 7";
static const char four_in[] = "bw_layer_in: 4 fl_layer_in: 1 bw_layer_out: 8 fl_layer_out: 3 bw_params: 8 fl_params: 7";

/* A layer that reads another format than its input has gets a copy of it; without a statement of the net, biases follow
 * the original's rule. */
static void test_another_format(void **state)
{
    (void)state;
    rs_diag *diag = rs_diag_new();
    rs_net *net = by_hand(eight, four_in, max_pool, diag);
    rs_formats *f = NULL;
    const int layers = net->n_layers;
    rs_assert_ok(rs_formats_of_prototxt(net, &f, diag), diag);
    assert_int_equal(net->n_layers, layers + 1);
    const rs_layer *conv2 = &net->layers[rs_net_layer(net, "conv2")], *copy = conv2 - 1;
    assert_true(copy->type == RS_LAYER_ELTWISE && copy->tops[0] == conv2->bottoms[0]);
    assert_int_equal(copy->bottoms[0], rs_net_blob(net, "mid"));
    const rs_number_format mid = f->activations[rs_net_blob(net, "mid")], in = f->activations[conv2->bottoms[0]];
    assert_true(mid.bits == 8 && mid.fl == 4 && in.bits == 4 && in.fl == 1);
    assert_int_equal(net->quantization.bias_rule, RS_BIAS_WEIGHTS);
    assert_int_equal(net->quantization.rounding, RS_ROUND_NEAREST);
    assert_int_equal(rs_diag_message(diag, 0) == NULL, 1);
    rs_formats_free(f);
    rs_net_free(net);
    rs_diag_free(diag);
}

/* What the file leaves in float has the format in which it is read. */
static void test_left_in_float(void **state)
{
    (void)state;
    rs_diag *diag = rs_diag_new();
    rs_net *net = by_hand(eight, four_in, average_pool, diag);
    rs_formats *f = NULL;
    rs_assert_ok(rs_formats_of_prototxt(net, &f, diag), diag);
    const rs_number_format mid = f->activations[rs_net_blob(net, "mid")];
    assert_true(mid.bits == 4 && mid.fl == 1);
    assert_int_equal(f->activations[rs_net_blob(net, "conv1")].fl, 4);
    rs_formats_free(f);
    rs_net_free(net);
    rs_diag_free(diag);
}

static void expect_refused(const char *conv1, const char *conv2, const char *between, const char *message)
{
    rs_diag *diag = rs_diag_new();
    rs_net *net = by_hand(conv1, conv2, between, diag);
    rs_formats *f = NULL;
    rs_assert_error(rs_formats_of_prototxt(net, &f, diag), RS_BAD_INPUT, diag, message);
    assert_null(f);
    rs_net_free(net);
    rs_diag_free(diag);
}

static void test_refused(void **state)
{
    (void)state;
    expect_refused("bw_layer_out: 8 bw_params: 8", eight, max_pool, "the file gives blob 'data' no number format");
    expect_refused("bw_layer_in: 8 bw_layer_out: 8 bw_params: 8 fl_params_of_output: [7, 7]", eight, max_pool,
                   "layer 'conv1': 2 values of fl_params_of_output, expected one per output channel, 4");
    expect_refused("precision: INTEGER_POWER_OF_2_WEIGHTS exp_min: -40 exp_max: 2 bw_layer_in: 8 bw_layer_out: 8",
                   eight, max_pool, "layer 'conv1': exponents from -40 to 2");
    expect_refused(
        eight, eight,
        "layer { name: \"mid\" type: \"Pooling\" bottom: \"conv1\" top: \"mid\" pooling_param { kernel_size: "
        "2 } quantization_param { bw_layer_out: 8 fl_layer_out: 2 } }\n",
        "layers 'conv1' and 'mid' say different formats of the same values");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_round_trip), cmocka_unit_test(test_another_format),
                                        cmocka_unit_test(test_left_in_float), cmocka_unit_test(test_refused) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
