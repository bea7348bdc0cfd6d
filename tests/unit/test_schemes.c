/* Networks of minifloats and of power-of-two weights on the exact engine, against oracles; their files; and the
 * searches of every scheme on a small net. */
#include "support/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/threads.h"
#include "oracle/fxp.h"
#include "engine/engine.h"
#include "qnet/rule.h"
#include "support/random_qnet.h"

static rs_minifloat draw_format(rs_rng *rng)
{
    static const char *const NAMES[] = { "e4m3",     "e5m2", "e3m2", "e2m3", "e2m1", "bfloat16",
                                         "binary16", "4:3",  "5:2",  "3:0",  "1:1",  "6:8" };
    rs_minifloat f;
    assert_true(rs_minifloat_parse(NAMES[rs_rng_next(rng) % (sizeof NAMES / sizeof *NAMES)], &f));
    return f;
}

/* A code whose number lies around one for most draws, anywhere for some. */
static int32_t draw_code(rs_rng *rng, rs_minifloat f)
{
    const uint64_t r = rs_rng_next(rng);
    uint32_t code = (uint32_t)(r >> 8) % (rs_minifloat_max_code(f) + 1);
    if (r & 7)
        code = rs_minifloat_quantize(ldexp((double)(r >> 40) * 0x1p-24, 1), f, RS_ROUND_NEAREST_EVEN, 0, NULL);
    return rs_number_of_code(code | (r >> 4 & 1 ? rs_minifloat_sign(f) : 0), f);
}

static bool has_lrn(const rs_qnet *q)
{
    for (int i = 0; i < q->n_ops; i++)
        if (q->ops[i].type == RS_QOP_LRN)
            return true;
    return false;
}

/* The same graph with minifloats drawn for each tensor and each op's weights. */
static void make_minifloat(rs_qnet *q, rs_rng *rng)
{
    for (int t = 0; t < q->n_tensors; t++) {
        rs_qtensor *tensor = &q->tensors[t];
        const rs_qop *op = t > 0 ? &q->ops[t - 1] : NULL;
        const bool same = op != NULL && rs_qop_has(op, RS_QOP_KEEPS);
        tensor->format = same ? q->tensors[op->input].format : rs_number_of_minifloat(draw_format(rng));
        tensor->is_unsigned = false;
    }
    q->pixel_scale = 0x1p-7f;
    for (int i = 0; q->pixel_table != NULL && i < q->tensors[0].channels * 256; i++) {
        const float value = ((float)(i % 256) - q->pixel_mean[i / 256]) * q->pixel_scale;
        q->pixel_table[i] = rs_qtensor_quantize(&q->tensors[0], (double)value, RS_ROUND_NEAREST_EVEN, NULL);
    }
    for (int i = 0; i < q->n_ops; i++) {
        rs_qop *op = &q->ops[i];
        op->shift = 0;
        if (op->type == RS_QOP_CLIP) { /* the middle half of the codes */
            op->max = (int32_t)rs_qtensor_max(&q->tensors[op->output]) / 2;
            op->min = -op->max;
        }
        if (!rs_qop_weighted(op))
            continue;
        op->weight_format = rs_number_of_minifloat(draw_format(rng));
        rs_free(op->weight_fl);
        op->weight_fl = NULL;
        const int fl = rs_minifloat_fl(op->weight_format.minifloat) +
                       rs_minifloat_fl(q->tensors[op->input].format.minifloat);
        op->bias_fl = fl < 24 ? fl : 24;
        for (int64_t k = 0; k < rs_qop_terms(q, op) * q->tensors[op->output].channels; k++)
            op->weights[k] = draw_code(rng, op->weight_format.minifloat);
        for (int o = 0; o < q->tensors[op->output].channels; o++)
            op->bias[o] = (int64_t)(rs_rng_next(rng) >> 33 >> (rs_rng_next(rng) % 31)) * (o % 2 ? 1 : -1);
    }
}

static void make_power2(rs_qnet *q, rs_rng *rng)
{
    for (int i = 0; i < q->n_ops; i++) {
        rs_qop *op = &q->ops[i];
        if (!rs_qop_weighted(op) || op->weight_fl != NULL)
            continue;
        rs_qtensor *out = &q->tensors[op->output];
        const int range = (int)(rs_rng_next(rng) % 9), shift = op->shift, fl = op->weight_format.fl;
        const rs_power2 f = { -fl, -fl + range, rs_rng_next(rng) % 2 };
        if (!rs_power2_legal(f))
            continue;
        op->weight_format = rs_number_of_power2(f);
        assert_int_equal(op->shift, shift);
        for (int64_t k = 0; k < rs_qop_terms(q, op) * out->channels; k++) {
            const uint64_t r = rs_rng_next(rng);
            const int32_t w = INT32_C(1) << (r >> 8) % (unsigned)(range + 1);
            op->weights[k] = f.zero && r % 5 == 0 ? 0 : r >> 40 & 1 ? -w : w;
        }
    }
}

static void compare(const rs_qnet *q, bool reference, int threads, const uint8_t *pixels, int32_t *const *expected,
                    const uint64_t *saturations, int net, uint64_t *compared)
{
    rs_diag *diag = rs_diag_new();
    rs_engine *engine = NULL;
    const int before = rs_threads();
    rs_set_threads(threads);
    rs_assert_ok(rs_engine_new(q, reference, &engine, diag), diag);
    int32_t **tensors = rs_test_new_tensors(q);
    uint64_t *got = RS_NEW_ARRAY(uint64_t, (size_t)q->n_ops);
    rs_assert_ok(rs_engine_trace(engine, pixels, tensors, got, diag), diag);
    rs_set_threads(before);
    for (int t = 0; t < q->n_tensors; t++)
        for (int64_t i = 0; i < rs_test_tensor_count(&q->tensors[t]); i++, ++*compared)
            if (tensors[t][i] != expected[t][i])
                fail_msg("net %d, %s: tensor %d, element %lld: %d, expected %d; op %s", net,
                         reference ? "reference" : "engine", t, (long long)i, (int)tensors[t][i], (int)expected[t][i],
                         t > 0 ? rs_qop_type_name(q->ops[t - 1].type) : "-");
    for (int i = 0; i < q->n_ops; i++)
        if (got[i] != saturations[i])
            fail_msg("net %d, op %d: %llu saturations, expected %llu", net, i, (unsigned long long)got[i],
                     (unsigned long long)saturations[i]);
    rs_free(got);
    rs_test_free_tensors(q, tensors);
    rs_engine_free(engine);
    rs_diag_free(diag);
}

/* Written and read again: the same net. */
static void check_files(const rs_qnet *q, int net)
{
    rs_diag *diag = rs_diag_new();
    rs_qnet *back = NULL;
    const char *folder = rs_test_path("qnet");
    rs_assert_ok(rs_make_folder(folder, diag), diag);
    rs_assert_ok(rs_qnet_write(q, folder, diag), diag);
    rs_assert_ok(rs_qnet_read(folder, &back, diag), diag);
    for (int t = 0; t < q->n_tensors; t++)
        assert_true(rs_number_equal(back->tensors[t].format, q->tensors[t].format));
    for (int i = 0; i < q->n_ops; i++) {
        const rs_qop *a = &q->ops[i], *b = &back->ops[i];
        if (!rs_qop_weighted(a))
            continue;
        assert_true(rs_number_equal(a->weight_format, b->weight_format) && a->bias_fl == b->bias_fl);
        assert_memory_equal(a->weights, b->weights,
                            (size_t)(rs_qop_terms(q, a) * q->tensors[a->output].channels) * sizeof *a->weights);
        assert_memory_equal(a->bias, b->bias, (size_t)q->tensors[a->output].channels * sizeof *a->bias);
    }
    rs_qnet_free(back);
    rs_diag_free(diag);
    (void)net;
}

static uint8_t *draw_pixels(rs_rng *rng, const rs_qnet *q)
{
    uint8_t *pixels = RS_NEW_ARRAY(uint8_t, (size_t)rs_test_tensor_count(&q->tensors[0]));
    assert_non_null(pixels);
    for (int64_t i = 0; i < rs_test_tensor_count(&q->tensors[0]); i++)
        pixels[i] = (uint8_t)(rs_rng_next(rng) >> 8);
    return pixels;
}

static void check_minifloat_nets(void **state)
{
    (void)state;
    uint64_t compared = 0, saturated = 0;
    int nets = 0;
    for (int i = 0; nets < 60 && i < 1000; i++) {
        rs_rng rng = { .seed = rs_test_seed(), .stream = (UINT64_C(11) << 32) + (uint64_t)i };
        rs_qnet *q = rs_test_random_qnet(
            &rng, &(rs_random_qnet) {
                      .max_ops = 6, .max_bits = 8, .max_size = 6, .max_channels = 6, .branches = true, .graph = true });
        if (!has_lrn(q)) {
            rs_diag *diag = rs_diag_new();
            make_minifloat(q, &rng);
            rs_assert_ok(rs_qnet_check(q, "net", diag), diag);
            rs_diag_free(diag);
            uint8_t *pixels = draw_pixels(&rng, q);
            int32_t **expected = rs_test_new_tensors(q);
            uint64_t *saturations = RS_NEW_ARRAY(uint64_t, (size_t)q->n_ops);
            rs_oracle_minifloat_net_run(q, pixels, expected, saturations);
            compare(q, true, 1, pixels, expected, saturations, i, &compared);
            compare(q, false, 2, pixels, expected, saturations, i, &compared);
            for (int k = 0; k < q->n_ops; k++)
                saturated += saturations[k];
            if (nets % 8 == 0)
                check_files(q, i);
            rs_free(saturations);
            rs_test_free_tensors(q, expected);
            rs_free(pixels);
            nets++;
        }
        rs_qnet_free(q);
    }
    print_message("# %d nets, %llu values, %llu saturations compared\n", nets, (unsigned long long)compared,
                  (unsigned long long)saturated);
    assert_int_equal(nets, 60);
    assert_true(compared > 10000);
    assert_true(saturated > 100);
}

static void check_power2_nets(void **state)
{
    (void)state;
    uint64_t compared = 0, sums = 0;
    int ops = 0;
    for (int i = 0; i < 80; i++) {
        rs_rng rng = { .seed = rs_test_seed(), .stream = (UINT64_C(12) << 32) + (uint64_t)i };
        rs_qnet *q = rs_test_random_qnet(
            &rng, &(rs_random_qnet) {
                      .max_ops = 5, .max_bits = 8, .max_size = 8, .max_channels = 8, .branches = true, .graph = true });
        make_power2(q, &rng);
        rs_diag *diag = rs_diag_new();
        if (rs_qnet_check(q, "net", diag) == RS_OK) { /* a wide range may need more than 48 bits */
            uint8_t *pixels = draw_pixels(&rng, q);
            int32_t **expected = rs_test_new_tensors(q);
            uint64_t *saturations = RS_NEW_ARRAY(uint64_t, (size_t)q->n_ops);
            rs_oracle_qnet_run(q, pixels, expected, saturations);
            compare(q, true, 1, pixels, expected, saturations, i, &compared);
            compare(q, false, 2, pixels, expected, saturations, i, &compared);
            for (int n = 0; n < q->n_ops; n++) {
                const rs_qop *op = &q->ops[n];
                const rs_qtensor *t = &q->tensors[op->output];
                if (op->weight_format.number != RS_NUMBER_POWER2)
                    continue;
                ops++;
                for (int64_t k = 0; k < rs_test_tensor_count(t); k++, sums++) {
                    const int64_t sum = rs_oracle_shift_sum(q, op, expected[op->input], (int)(k / t->height / t->width),
                                                            (int)(k / t->width % t->height), (int)(k % t->width));
                    mpz_t z;
                    mpz_init_set_si(z, sum);
                    assert_int_equal(
                        rs_oracle_requantize(z, op->relu, op->shift, rs_qtensor_signed_bits(t), q->rounding, 0, NULL),
                        expected[op->output][k]);
                    mpz_clear(z);
                }
            }
            if (i % 8 == 0)
                check_files(q, i);
            rs_free(saturations);
            rs_test_free_tensors(q, expected);
            rs_free(pixels);
        }
        free(rs_test_messages(diag));
        rs_diag_free(diag);
        rs_qnet_free(q);
    }
    print_message("# %d ops of power-of-two weights, %llu values, %llu sums by shifts compared\n", ops,
                  (unsigned long long)compared, (unsigned long long)sums);
    assert_true(ops > 40 && sums > 2000);
}

/* What rs_qnet_check refuses. */
static void check_refusals(void **state)
{
    (void)state;
    rs_rng rng = { .seed = rs_test_seed(), .stream = 13 };
    rs_diag *diag = rs_diag_new();
    rs_qnet *q = rs_test_lenet_qnet(&rng, 8, 8, 8);
    q->tensors[1].format.number = RS_NUMBER_MINIFLOAT;
    rs_assert_error(rs_qnet_check(q, NULL, diag), RS_BAD_INPUT, diag, "expected minifloat everywhere or nowhere");
    q->tensors[1].format.number = RS_NUMBER_POWER2;
    rs_assert_error(rs_qnet_check(q, NULL, diag), RS_BAD_INPUT, diag, "which only weights can have");
    q->tensors[1].format.number = RS_NUMBER_FIXED;
    q->ops[0].weight_format.number = RS_NUMBER_POWER2;
    rs_assert_error(rs_qnet_check(q, NULL, diag), RS_BAD_INPUT, diag, "other bits than they need");
    q->ops[0].weight_format.power2 = (rs_power2) { -q->ops[0].weight_format.fl, 6 - q->ops[0].weight_format.fl, true };
    q->ops[0].weights[7] = 3;
    rs_assert_error(rs_qnet_check(q, NULL, diag), RS_BAD_INPUT, diag, "powers of two only");
    make_minifloat(q, &rng);
    rs_assert_ok(rs_qnet_check(q, NULL, diag), diag);
    q->ops[0].bias_fl = RS_FL_MAX;
    q->ops[0].weight_format.minifloat = rs_minifloat_plain(2, 1);
    q->ops[0].weight_format.bits = 4;
    memset(q->ops[0].weights, 0, (size_t)(rs_qop_terms(q, &q->ops[0]) * 20) * sizeof(int32_t));
    rs_assert_error(rs_qnet_check(q, NULL, diag), RS_BAD_INPUT, diag, "expected 32 bits");
    q->tensors[0].format.minifloat.exponent_bits = 9;
    rs_assert_error(rs_qnet_check(q, NULL, diag), RS_BAD_INPUT, diag, "illegal minifloat");
    rs_qnet_free(q);
    rs_diag_free(diag);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_minifloat_nets),
        cmocka_unit_test(check_power2_nets),
        cmocka_unit_test(check_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
