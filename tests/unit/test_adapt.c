/* test-options: limit=240 */
/* Rounding of weights by what it does to the outputs: the factor, one output, and LeNet on the first digits in the
 * tree. */
#include "support/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/threads.h"
#include "engine/engine.h"
#include "formats/adapt.h"
#include "support/lenet.h"
#include "qnet/build.h"
#include "emulate/score.h"

enum { N = 45, IMAGES = 48 };

static double uniform(uint64_t seed, uint64_t i)
{
    return (double)(rs_random_u64(seed, 1, i) >> 11) * 0x1p-53 - 0.5;
}

/* X^T X of correlated rows, plus a little. */
static void covariance(uint64_t seed, double *h)
{
    enum { ROWS = 200 };
    double *x = malloc(sizeof *x * ROWS * N);
    assert_non_null(x);
    for (int r = 0; r < ROWS; r++)
        for (int i = 0; i < N; i++)
            x[r * N + i] = uniform(seed, (uint64_t)(r * N + i)) + (i > 0 ? 0.8 * x[r * N + i - 1] : 0.0);
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            h[i * N + j] = i == j ? 0.01 : 0.0;
            for (int r = 0; r < ROWS; r++)
                h[i * N + j] += x[r * N + i] * x[r * N + j] / ROWS;
        }
    free(x);
}

static void check_factor(void **state)
{
    (void)state;
    const uint64_t seed = rs_test_seed();
    static double h[N * N], r[N * N];
    covariance(seed, h);
    memcpy(r, h, sizeof r);
    rs_upper_cholesky(r, N, 1e-9);
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            double sum = 0;
            for (int k = i > j ? i : j; k < N; k++)
                sum += r[i * N + k] * r[j * N + k];
            assert_true(fabs(sum - h[i * N + j]) < 1e-10);
        }
    /* A matrix without power gets the least pivot, and nothing infinite. */
    static double zero[N * N];
    rs_upper_cholesky(zero, N, 1e-6);
    for (int i = 0; i < N; i++)
        assert_true(fabs(zero[i * N + i] - 1e-3) < 1e-12);
}

static void check_row(void **state)
{
    (void)state;
    const uint64_t seed = rs_test_seed() + 1;
    static double h[N * N], r[N * N], room[2 * N];
    const rs_number_format format = rs_number_of_fxp((rs_fxp) { 4, 3 });
    double adapted = 0, nearest = 0;
    for (uint64_t trial = 0; trial < 20; trial++) {
        double w[N];
        float q[N], plain[N];
        covariance(seed + trial, h);
        memcpy(r, h, sizeof r);
        rs_upper_cholesky(r, N, 1e-9);
        for (int i = 0; i < N; i++) {
            w[i] = 1.6 * uniform(seed + 100 + trial, (uint64_t)i);
            plain[i] = (float)w[i];
        }
        rs_number_emulate(plain, N, format, RS_ROUND_NEAREST, 0, 0);
        const double said = rs_adapt_row(w, r, N, format, q, room);
        double of_q = 0, of_plain = 0;
        for (int i = 0; i < N; i++)
            for (int j = 0; j < N; j++) {
                of_q += (w[i] - (double)q[i]) * h[i * N + j] * (w[j] - (double)q[j]);
                of_plain += (w[i] - (double)plain[i]) * h[i * N + j] * (w[j] - (double)plain[j]);
            }
        assert_true(fabs(said - of_q) < 1e-9);
        for (int i = 0; i < N; i++)
            assert_true(q[i] * 8 == rintf(q[i] * 8) && q[i] >= -1 && q[i] <= 0.875f);
        adapted += of_q;
        nearest += of_plain;
        /* Without correlation, rounding to nearest is best. */
        for (int i = 0; i < N; i++)
            for (int j = 0; j < N; j++)
                r[i * N + j] = i == j;
        (void)rs_adapt_row(w, r, N, format, q, room);
        assert_memory_equal(q, plain, sizeof q);
    }
    print_message("# squared error %g, to nearest %g\n", adapted, nearest);
    assert_true(adapted < 0.6 * nearest);
}

static int set_up(void **state)
{
    static rs_test_lenet f;
    rs_test_lenet_open(&f, IMAGES);
    rs_assert_ok(rs_ranges_measure(f.net, &rs_test_lenet_data, &f.set, 0, &f.ranges, f.diag), f.diag);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    rs_test_lenet_close(*state);
    return 0;
}

/* The mean squared difference of the scores to those of 16-bit words. */
static double distance(const rs_test_lenet *f, const rs_formats *formats)
{
    rs_formats *wide = NULL;
    rs_qnet *q[2] = { NULL, NULL };
    static int32_t scores[2][IMAGES * 10];
    rs_assert_ok(rs_formats_choose(f->net, f->ranges, (const int[RS_GROUPS]) { 16, 16, 16 }, &wide, f->diag), f->diag);
    const rs_formats *both[2] = { formats, wide };
    double sum = 0, step[2] = { 0, 0 };
    for (int k = 0; k < 2; k++) {
        rs_engine *engine = NULL;
        rs_assert_ok(
            rs_qnet_build(f->net, both[k], &rs_test_lenet_data, RS_BIAS_ACCUMULATOR, RS_ROUND_NEAREST, &q[k], f->diag),
            f->diag);
        rs_assert_ok(rs_engine_new(q[k], false, &engine, f->diag), f->diag);
        rs_assert_ok(rs_engine_run(engine, f->set.pixels, IMAGES, scores[k], NULL, f->diag), f->diag);
        step[k] = ldexp(1, -q[k]->tensors[q[k]->n_tensors - 1].format.fl);
        rs_engine_free(engine);
        rs_qnet_free(q[k]);
    }
    for (int i = 0; i < IMAGES * 10; i++) {
        const double d = scores[0][i] * step[0] - scores[1][i] * step[1];
        sum += d * d / (IMAGES * 10);
    }
    rs_formats_free(wide);
    return sum;
}

static void check_lenet(void **state)
{
    const rs_test_lenet *f = *state;
    for (int kind = 1; kind < 3; kind++) { /* by channel, powers of two */
        rs_format_rules rules;
        rs_format_rules_defaults(&rules);
        rules.scheme = kind == 2 ? RS_SCHEME_POWER2 : RS_SCHEME_DYNAMIC;
        rs_formats *formats[2] = { NULL, NULL };
        double before = 0;
        for (int threads = 1; threads <= (kind == 1 ? 2 : 1); threads++) {
            rs_formats **g = &formats[threads - 1];
            const int bits[RS_GROUPS] = { 4, 4, 8 };
            rs_assert_ok(rs_formats_make_groups(f->net, f->ranges, &rules, bits, 0, g, f->diag), f->diag);
            (*g)->wide_scores = true;
            if (kind == 1)
                rs_assert_ok(rs_formats_use_channels(f->net, *g, f->diag), f->diag);
            before = distance(f, *g);
            rs_set_threads(threads);
            const rs_calibration on = { .net = f->net, .data = &rs_test_lenet_data, .set = &f->set };
            rs_assert_ok(rs_formats_adapt(&on, *g, f->diag), f->diag);
            rs_set_threads(0);
        }
        const double after = distance(f, formats[0]);
        print_message("# kind %d: scores are off by %g (squared), to nearest %g\n", kind, after, before);
        assert_true(after < 0.7 * before);
        int layers = 0;
        for (int i = 0; i < f->net->n_layers; i++) {
            const rs_layer *l = &f->net->layers[i];
            if (formats[0]->rounded[i] == NULL)
                continue;
            layers++;
            const size_t n = (size_t)rs_shape_count(&l->params[0].shape, 0),
                         outputs = (size_t)l->params[0].shape.dim[0];
            if (kind != 1)
                continue;
            assert_memory_equal(formats[0]->rounded[i], formats[1]->rounded[i], n * sizeof(float));
            assert_memory_equal(formats[0]->bias[i], formats[1]->bias[i], outputs * sizeof(float));
            assert_int_equal(formats[0]->weights[i].fl, formats[1]->weights[i].fl);
        }
        assert_int_equal(layers, 4);
        rs_formats_free(formats[0]);
        rs_formats_free(formats[1]);
    }
}

/* The whole way: what the search reports is what the integers score. */
static void check_quantize(void **state)
{
    const rs_test_lenet *f = *state;
    rs_quantize_options o;
    rs_quantize_defaults(&o);
    for (int g = 0; g < RS_GROUPS; g++)
        o.fixed_bits[g] = 4;
    o.error_margin = 100;
    rs_quantize_result *plain = NULL, *better = NULL;
    rs_assert_ok(rs_quantize(f->net, &rs_test_lenet_data, &f->set, &f->set, &o, &plain, f->diag), f->diag);
    o.adaptive_weights = true;
    o.refine_images = IMAGES;
    o.unsigned_activations = true;
    rs_assert_ok(rs_quantize(f->net, &rs_test_lenet_data, &f->set, &f->set, &o, &better, f->diag), f->diag);
    print_message("# 4/4/4: %lld of %d right, improved %lld\n", (long long)plain->hits, IMAGES,
                  (long long)better->hits);
    assert_true(better->hits > plain->hits);
    assert_true(better->qnet->tensors[0].is_unsigned); /* bytes without a mean */
    rs_engine *engine = NULL;
    rs_score score = { .images = 0 };
    rs_assert_ok(rs_engine_new(better->qnet, true, &engine, f->diag), f->diag);
    rs_assert_ok(rs_engine_score(engine, &f->set, 1, &score, f->diag), f->diag);
    assert_int_equal(score.hits, better->hits);
    rs_engine_free(engine);
    rs_quantize_result_free(plain);
    rs_quantize_result_free(better);

    o.rules.scheme = RS_SCHEME_STATIC;
    assert_int_equal(rs_quantize(f->net, &rs_test_lenet_data, &f->set, &f->set, &o, &plain, f->diag), RS_USAGE);
    free(rs_test_messages(f->diag));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_factor),
        cmocka_unit_test(check_row),
        cmocka_unit_test(check_lenet),
        cmocka_unit_test(check_quantize),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
