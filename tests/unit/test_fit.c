/* Biases of any size behind weights of any size: nothing saturates, whatever the widths, and sums fit their
 * accumulator. */
#include "formats/formats.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/rng.h"
#include "engine/engine.h"
#include "qnet/build.h"
#include "support/nets.h"
#include "support/test.h"

enum { INPUTS = 6, HIDDEN = 5, CLASSES = 4 };

static double uniform(rs_rng *rng, double low, double high)
{
    return low + (high - low) * (double)(rs_rng_next(rng) >> 11) * 0x1p-53;
}

static void fill(rs_layer *layer, rs_rng *rng, double weight, double bias)
{
    for (int p = 0; p < layer->n_params; p++)
        for (int64_t i = 0; i < rs_shape_count(&layer->params[p].shape, 0); i++)
            layer->params[p].data[i] = (float)(uniform(rng, -1, 1) * (p == 0 ? weight : bias));
}

static rs_net *random_net(rs_rng *rng)
{
    rs_net *net = rs_test_net(INPUTS, 1, 1);
    rs_test_inner_product(net, "data", "ip1", HIDDEN);
    rs_test_inner_product(net, "ip1", "ip2", CLASSES);
    rs_test_net_finish(net);
    for (int i = 0; i < net->n_layers; i++)
        if (rs_layer_group(&net->layers[i]) != RS_GROUPS)
            fill(&net->layers[i], rng, pow(10, uniform(rng, -12, 2)), pow(10, uniform(rng, -3, 5)));
    return net;
}

/* One image through the net in double, layer by layer. */
static void forward(const rs_net *net, const double *x, double y[2][HIDDEN])
{
    for (int k = 0; k < 2; k++) {
        const rs_layer *l = &net->layers[k + 1];
        const int64_t outputs = l->params[0].shape.dim[0], inputs = l->params[0].shape.dim[1];
        for (int64_t o = 0; o < outputs; o++) {
            y[k][o] = (double)l->params[1].data[o];
            for (int64_t i = 0; i < inputs; i++)
                y[k][o] += (double)l->params[0].data[o * inputs + i] * (k == 0 ? x[i] : y[0][i]);
        }
    }
}

static double largest(const float *x, int64_t n)
{
    double max = 0;
    for (int64_t i = 0; i < n; i++)
        max = fmax(max, fabs((double)x[i]));
    return max;
}

/* The formats that ranges of -1 to 1 for the input, and of `range` for what the layers give, ask for. */
static rs_formats *choose(const rs_net *net, int bits, bool by_channel, const double range[2], rs_diag *diag)
{
    rs_formats *f = NULL;
    rs_assert_ok(rs_formats_new(net, &f, diag), diag);
    f->activations[net->layers[0].tops[0]] = rs_number_of_fxp((rs_fxp) { bits, rs_fxp_fl_for_range(1, bits) });
    for (int k = 0; k < 2; k++) {
        const rs_layer *l = &net->layers[k + 1];
        const double max = largest(l->params[0].data, rs_shape_count(&l->params[0].shape, 0));
        f->activations[l->tops[0]] = rs_number_of_fxp((rs_fxp) { bits, rs_fxp_fl_for_range(range[k] * 1.02, bits) });
        f->weights[k + 1] = rs_number_of_fxp((rs_fxp) { bits, rs_fxp_fl_for_range(max * 1.02, bits) });
    }
    if (by_channel)
        rs_assert_ok(rs_formats_use_channels(net, f, diag), diag);
    return f;
}

/* How far an output may lie from the real number: the rounding of weights, inputs and outputs. */
static double tolerance(const rs_net *net, const rs_formats *f, int k, int64_t o, const double *x, double before)
{
    const rs_layer *l = &net->layers[k + 1];
    const int64_t inputs = l->params[0].shape.dim[1];
    const int fl = f->weight_fl[k + 1] != NULL ? f->weight_fl[k + 1][o] : f->weights[k + 1].fl;
    double sum = ldexp(1, -f->activations[l->tops[0]].fl) + 1e-6 * fabs((double)l->params[1].data[o]);
    for (int64_t i = 0; i < inputs; i++)
        sum += ldexp(1, -fl) * (fabs(x[i]) + before) + before * fabs((double)l->params[0].data[o * inputs + i]);
    return sum + ldexp(1, -fl - f->activations[l->bottoms[0]].fl);
}

static void check_image(const rs_net *net, const rs_formats *f, const rs_qnet *q, rs_engine *engine,
                        const uint8_t *pixels, rs_diag *diag)
{
    double x[INPUTS], y[2][HIDDEN];
    int32_t scores[CLASSES];
    for (int i = 0; i < INPUTS; i++)
        x[i] = (double)pixels[i] / 256 - 0.5;
    forward(net, x, y);
    rs_assert_ok(rs_engine_run(engine, pixels, 1, scores, NULL, diag), diag);
    double before = 0;
    for (int64_t o = 0; o < HIDDEN; o++)
        before = fmax(before, tolerance(net, f, 0, o, x, ldexp(1, -f->activations[net->layers[0].tops[0]].fl)));
    for (int64_t o = 0; o < CLASSES; o++) {
        const double got = rs_qtensor_value(&q->tensors[q->n_tensors - 1], scores[o]),
                     may = tolerance(net, f, 1, o, y[0], before);
        if (!(fabs(got - y[1][o]) <= may))
            fail_msg("score %d is %g, expected %g up to %g", (int)o, got, y[1][o], may);
    }
}

static void check_random(void **state)
{
    (void)state;
    rs_rng rng = { .seed = rs_test_seed() };
    rs_diag *diag = rs_diag_new();
    int coarser = 0, wide = 0, images = 0;
    for (int n = 0; n < 2000; n++) {
        rs_net *net = random_net(&rng);
        const int bits = 6 + (int)(rs_rng_next(&rng) % 11);
        const bool by_channel = rs_rng_next(&rng) % 2;
        const rs_data_param data = { .scale = 1.0f / 256, .n_mean = 1, .mean = { 128 } };
        uint8_t pixels[4][INPUTS];
        double range[2] = { 0, 0 }, y[2][HIDDEN], x[INPUTS];
        for (int k = 0; k < 4; k++) {
            for (int i = 0; i < INPUTS; i++) {
                pixels[k][i] = (uint8_t)rs_rng_next(&rng);
                x[i] = (double)pixels[k][i] / 256 - 0.5;
            }
            forward(net, x, y);
            for (int l = 0; l < 2; l++)
                for (int o = 0; o < (l == 0 ? HIDDEN : CLASSES); o++)
                    range[l] = fmax(range[l], fabs(y[l][o]));
        }
        rs_formats *f = choose(net, bits, by_channel, range, diag);
        rs_assert_ok(rs_formats_fit_sums(net, RS_BIAS_ACCUMULATOR, f, diag), diag);
        rs_qnet *q = NULL;
        rs_engine *engine = NULL;
        rs_assert_ok(rs_qnet_build(net, f, &data, RS_BIAS_ACCUMULATOR, RS_ROUND_NEAREST, &q, diag), diag);
        rs_assert_ok(rs_engine_new(q, false, &engine, diag), diag);
        for (int i = 0; i < q->n_ops; i++) {
            int channels;
            assert_true(by_channel ||
                        q->ops[i].clipped_weights == 0); /* a channel's largest may be half a step beyond */
            assert_int_equal(q->ops[i].clipped_biases, 0);
            coarser += rs_formats_coarser(net, f, i + 1, &channels) > 0;
            wide += rs_qop_accumulator_bits(q, &q->ops[i], true) > 33;
        }
        for (int k = 0; k < 4; k++, images++)
            check_image(net, f, q, engine, pixels[k], diag);
        rs_engine_free(engine);
        rs_qnet_free(q);
        rs_formats_free(f);
        rs_net_free(net);
    }
    printf("# %d images compared; %d layers with sums beyond 33 bits, %d with coarser weights\n", images, wide,
           coarser);
    assert_true(images > 0 && coarser > 0 && wide > 0);
    rs_diag_free(diag);
}

/* Weights that are rounded already are rounded again; what was wanted is told. */
static void check_rounded(void **state)
{
    (void)state;
    rs_rng rng = { .seed = rs_test_seed() };
    rs_diag *diag = rs_diag_new();
    rs_net *net = random_net(&rng);
    fill(&net->layers[1], &rng, 1e-6, 1);
    net->layers[1].params[1].data[2] = 1e5f;
    const double range[2] = { 2e5, 1e6 };
    for (int by_channel = 0; by_channel < 2; by_channel++) {
        rs_formats *f = choose(net, 16, by_channel, range, diag);
        const int wanted = f->weights[1].fl;
        f->rounded[1] = RS_NEW_ARRAY(float, INPUTS *HIDDEN);
        memcpy(f->rounded[1], net->layers[1].params[0].data, INPUTS * HIDDEN * sizeof(float));
        rs_assert_ok(rs_formats_fit_sums(net, RS_BIAS_ACCUMULATOR, f, diag), diag);
        int channels = 0;
        const int by = rs_formats_coarser(net, f, 1, &channels);
        const int fl = by_channel ? f->weight_fl[1][2] : f->weights[1].fl;
        assert_true(by > 0);
        assert_int_equal(f->wanted_fl[1][by_channel ? 2 : 0] - fl, by);
        assert_true(by_channel || f->wanted_fl[1][0] == wanted);
        assert_true(by_channel ? channels >= 1 && channels <= HIDDEN : channels == 1);
        for (int i = 0; i < INPUTS; i++) {
            const double q = ldexp((double)f->rounded[1][2 * INPUTS + i], fl);
            assert_true(q == nearbyint(q));
        }
        rs_formats_free(f);
    }
    rs_net_free(net);
    rs_diag_free(diag);
}

/* Biases in the weights' format are the original's: they may saturate, and are counted. */
static void check_counted(void **state)
{
    (void)state;
    rs_rng rng = { .seed = rs_test_seed() };
    rs_diag *diag = rs_diag_new();
    rs_net *net = random_net(&rng);
    fill(&net->layers[1], &rng, 0.5, 0.25);
    fill(&net->layers[2], &rng, 0.5, 0.25);
    net->layers[1].params[1].data[0] = 100;
    net->layers[1].params[1].data[3] = -100;
    const double range[2] = { 101, 404 };
    rs_formats *f = choose(net, 8, false, range, diag);
    f->weights[2].fl = 12;
    net->layers[2].params[0].data[7] = 3;
    rs_qnet *q = NULL;
    for (int rule = 0; rule < 2; rule++) {
        rs_assert_ok(rs_formats_fit_sums(net, (rs_bias_rule)rule, f, diag), diag);
        rs_assert_ok(rs_qnet_build(net, f, NULL, (rs_bias_rule)rule, RS_ROUND_NEAREST, &q, diag), diag);
        assert_int_equal(q->ops[0].clipped_biases, rule == RS_BIAS_WEIGHTS ? 2 : 0);
        assert_int_equal(q->ops[0].clipped_weights, 0);
        assert_true(q->ops[1].clipped_weights >= 1);
        rs_qnet_free(q);
    }
    rs_formats_free(f);
    rs_net_free(net);
    rs_diag_free(diag);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_random),
        cmocka_unit_test(check_rounded),
        cmocka_unit_test(check_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
