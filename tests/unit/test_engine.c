/* The exact engine against the oracle on GMP integers: every value of every tensor and every saturation count, on
 * random networks of any geometry and width, on every path and at every level of vector instructions. */
#include "support/test.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/progress.h"
#include "base/threads.h"
#include "fxp/cpu.h"
#include "oracle/fxp.h"
#include "engine/engine.h"
#include "support/random_qnet.h"
#include "emulate/score.h"

static uint8_t *draw_pixels(rs_rng *rng, const rs_qnet *q, int64_t n)
{
    const int64_t count = n * rs_test_tensor_count(&q->tensors[0]);
    uint8_t *pixels = RS_NEW_ARRAY(uint8_t, (size_t)count);
    assert_non_null(pixels);
    for (int64_t i = 0; i < count; i++) {
        const uint64_t r = rs_rng_next(rng);
        pixels[i] = (r & 7) == 0 ? 0 : (r & 7) == 1 ? 255 : (uint8_t)(r >> 8);
    }
    return pixels;
}

typedef struct counts {
    uint64_t values, saturations, ops[RS_PATHS];
} counts;

/* Compares the engine on one path with what the oracle found. */
static void compare(const rs_qnet *q, rs_engine_path path, const uint8_t *pixels, int32_t *const *expected,
                    const uint64_t *saturations, const char *what, counts *c)
{
    rs_diag *diag = rs_diag_new();
    rs_engine *engine = NULL;
    rs_assert_ok(rs_engine_new_path(q, path, &engine, diag), diag);
    int32_t **tensors = rs_test_new_tensors(q);
    uint64_t *got = RS_NEW_ARRAY(uint64_t, (size_t)q->n_ops);
    rs_assert_ok(rs_engine_trace(engine, pixels, tensors, got, diag), diag);
    for (int t = 0; t < q->n_tensors; t++)
        for (int64_t i = 0; i < rs_test_tensor_count(&q->tensors[t]); i++, c->values++)
            if (tensors[t][i] != expected[t][i])
                fail_msg(
                    "%s: tensor %d (%dx%dx%d, %d bits), element %lld: %d, expected %d; op of type %d on path %s at %s",
                    what, t, q->tensors[t].channels, q->tensors[t].height, q->tensors[t].width,
                    q->tensors[t].format.bits, (long long)i, (int)tensors[t][i], (int)expected[t][i],
                    t > 0 ? (int)q->ops[t - 1].type : -1,
                    t > 0 ? rs_engine_path_name(rs_engine_op_path(engine, t - 1)) : "-", rs_cpu_name(rs_cpu_level()));
    for (int i = 0; i < q->n_ops; i++) {
        if (got[i] != saturations[i])
            fail_msg("%s: op %d: %llu saturations, expected %llu", what, i, (unsigned long long)got[i],
                     (unsigned long long)saturations[i]);
        c->saturations += got[i];
        if (rs_engine_op_path(engine, i) < RS_PATHS)
            c->ops[rs_engine_op_path(engine, i)]++;
    }
    rs_free(got);
    rs_test_free_tensors(q, tensors);
    rs_engine_free(engine);
    rs_diag_free(diag);
}

static void check_net(const rs_qnet *q, rs_rng *rng, const char *what, counts *c)
{
    rs_diag *diag = rs_diag_new();
    rs_assert_ok(rs_qnet_check(q, what, diag), diag);
    rs_diag_free(diag);
    uint8_t *pixels = draw_pixels(rng, q, 1);
    int32_t **expected = rs_test_new_tensors(q);
    uint64_t *saturations = RS_NEW_ARRAY(uint64_t, (size_t)q->n_ops);
    rs_oracle_qnet_run(q, pixels, expected, saturations);
    for (int cpu = 0; cpu < RS_CPUS; cpu++) {
        if (rs_cpu_force((rs_cpu)cpu) != (rs_cpu)cpu)
            continue;
        for (int path = 0; path < RS_PATHS; path++)
            if (path != RS_PATH_REFERENCE || cpu == 0)
                compare(q, (rs_engine_path)path, pixels, expected, saturations, what, c);
    }
    rs_cpu_force(RS_CPUS);
    rs_free(saturations);
    rs_test_free_tensors(q, expected);
    rs_free(pixels);
}

static void check_random(const rs_random_qnet *options, int nets, uint64_t stream)
{
    counts c = { 0 };
    for (int i = 0; i < nets; i++) {
        rs_rng rng = { .seed = rs_test_seed(), .stream = (stream << 32) + (uint64_t)i };
        rs_qnet *q = rs_test_random_qnet(&rng, options);
        char what[64];
        snprintf(what, sizeof what, "net %d of stream %llu", i, (unsigned long long)stream);
        check_net(q, &rng, what, &c);
        rs_qnet_free(q);
    }
    print_message("# %llu values, %llu saturations compared; weighted ops:", (unsigned long long)c.values,
                  (unsigned long long)c.saturations);
    for (int path = 0; path < RS_PATHS; path++)
        print_message(" %s %llu", rs_engine_path_name((rs_engine_path)path), (unsigned long long)c.ops[path]);
    print_message("\n");
    assert_true(c.values > (uint64_t)nets * 100);
    assert_true(c.saturations > (uint64_t)nets);
    assert_true(c.ops[RS_PATH_INT16] > 0);
    assert_true(c.ops[RS_PATH_DOUBLE] > 0);
    assert_true(c.ops[RS_PATH_REFERENCE] > 0);
    if (rs_cpu_level() >= RS_CPU_AVX512VNNI)
        assert_true(c.ops[RS_PATH_INT8] > 0);
}

static void check_small_widths(void **state)
{
    (void)state;
    check_random(&(rs_random_qnet) { .max_ops = 5, .max_bits = 8, .max_size = 10, .max_channels = 8, .branches = true },
                 120, 1);
}

static void check_all_widths(void **state)
{
    (void)state;
    check_random(
        &(rs_random_qnet) { .max_ops = 5, .max_bits = 16, .max_size = 10, .max_channels = 8, .branches = true }, 120,
        2);
}

/* Every type of op, unsigned tensors, formats by channel, scores as wide as the accumulator. */
static void check_graphs(void **state)
{
    (void)state;
    check_random(
        &(rs_random_qnet) {
            .max_ops = 9, .max_bits = 8, .max_size = 9, .max_channels = 8, .branches = true, .graph = true },
        160, 6);
    check_random(
        &(rs_random_qnet) {
            .max_ops = 8, .max_bits = 16, .max_size = 8, .max_channels = 20, .branches = true, .graph = true },
        160, 7);
}

static void check_many_channels(void **state)
{
    (void)state;
    check_random(&(rs_random_qnet) { .max_ops = 3, .max_bits = 9, .max_size = 6, .max_channels = 90 }, 25, 3);
}

static void check_plain_geometry(void **state)
{
    (void)state;
    check_random(&(rs_random_qnet) { .max_ops = 4, .max_bits = 8, .max_size = 14, .max_channels = 20, .plain = true },
                 40, 4);
}

static void check_lenet(void **state)
{
    (void)state;
    static const int BITS[][3] = { { 8, 8, 8 }, { 4, 2, 2 }, { 16, 16, 16 }, { 1, 1, 1 }, { 8, 4, 12 } };
    counts c = { 0 };
    for (size_t i = 0; i < sizeof BITS / sizeof *BITS; i++) {
        rs_rng rng = { .seed = rs_test_seed(), .stream = 5 + i };
        rs_qnet *q = rs_test_lenet_qnet(&rng, BITS[i][0], BITS[i][1], BITS[i][2]);
        check_net(q, &rng, "lenet", &c);
        rs_qnet_free(q);
    }
    assert_true(c.values > 100000);
}

/* Batches: any number of images, any number of threads, the same scores and counts as image by image. */
static void check_batches(void **state)
{
    (void)state;
    enum { MOST = 131 };
    static const int64_t SIZES[] = { 1, 2, 7, 48, 49, MOST };
    uint64_t compared = 0;
    for (int net = 0; net < 12; net++) {
        rs_rng rng = { .seed = rs_test_seed(), .stream = 100 + (uint64_t)net };
        const rs_random_qnet options = {
            .max_ops = 4, .max_bits = net % 2 ? 16 : 8, .max_size = 9, .max_channels = 12, .branches = true
        };
        rs_qnet *q = rs_test_random_qnet(&rng, &options);
        const int64_t classes = rs_test_tensor_count(&q->tensors[q->n_tensors - 1]),
                      pixels_each = rs_test_tensor_count(&q->tensors[0]);
        uint8_t *pixels = draw_pixels(&rng, q, MOST);
        int32_t *expected = RS_NEW_ARRAY(int32_t, (size_t)(MOST * classes)),
                *got = RS_NEW_ARRAY(int32_t, (size_t)(MOST * classes));
        uint64_t want_saturations[8] = { 0 };
        rs_diag *diag = rs_diag_new();
        rs_engine *reference = NULL, *engine = NULL;
        rs_assert_ok(rs_engine_new(q, true, &reference, diag), diag);
        rs_assert_ok(rs_engine_new(q, false, &engine, diag), diag);
        for (int64_t i = 0; i < MOST; i++)
            rs_assert_ok(
                rs_engine_run(reference, pixels + i * pixels_each, 1, expected + i * classes, want_saturations, diag),
                diag);
        for (size_t s = 0; s < sizeof SIZES / sizeof *SIZES; s++)
            for (int threads = 1; threads <= 3; threads++) {
                uint64_t saturations[8] = { 0 };
                rs_set_threads(threads);
                memset(got, 0x5a, (size_t)(MOST * classes) * sizeof *got);
                rs_assert_ok(rs_engine_run(engine, pixels, SIZES[s], got, saturations, diag), diag);
                assert_memory_equal(got, expected, (size_t)(SIZES[s] * classes) * sizeof *got);
                if (SIZES[s] < MOST)
                    assert_int_equal(got[SIZES[s] * classes], 0x5a5a5a5a);
                else
                    assert_memory_equal(saturations, want_saturations, (size_t)q->n_ops * sizeof *saturations);
                compared += (uint64_t)(SIZES[s] * classes);
            }
        rs_set_threads(0);
        rs_engine_free(reference);
        rs_engine_free(engine);
        rs_diag_free(diag);
        rs_free(pixels);
        rs_free(expected);
        rs_free(got);
        rs_qnet_free(q);
    }
    assert_true(compared > 1000);
}

/* The score's rule on scores with many ties, for every k. */
static void check_score(void **state)
{
    (void)state;
    rs_rng rng = { .seed = rs_test_seed(), .stream = 200 };
    rs_qnet *q = rs_test_lenet_qnet(&rng, 2, 2, 2); /* four score values for ten classes */
    enum { N = 300 };
    uint8_t *pixels = draw_pixels(&rng, q, N);
    int32_t labels[N], scores[N * 10];
    for (int i = 0; i < N; i++)
        labels[i] = (int32_t)(rs_rng_next(&rng) % 10);
    char path[] = "random images";
    const rs_dataset set = { .path = path,
                             .count = N,
                             .channels = 1,
                             .height = 28,
                             .width = 28,
                             .classes = 10,
                             .pixels = pixels,
                             .labels = labels };
    rs_diag *diag = rs_diag_new();
    rs_engine *engine = NULL;
    rs_assert_ok(rs_engine_new(q, false, &engine, diag), diag);
    rs_assert_ok(rs_engine_run(engine, pixels, N, scores, NULL, diag), diag);
    int64_t all_ties = 0;
    for (int k = 1; k <= 11; k++) {
        uint64_t saturations[6] = { 0 };
        rs_score score = { .saturations = saturations };
        rs_assert_ok(rs_engine_score(engine, &set, k, &score, diag), diag);
        int64_t hits = 0, ties = 0;
        for (int i = 0; i < N; i++) {
            bool tie;
            hits += rs_oracle_hit(scores + i * 10, 10, labels[i], k, &tie);
            ties += tie;
        }
        assert_int_equal(score.images, N);
        assert_int_equal(score.hits, hits);
        assert_int_equal(score.ties, ties);
        assert_true(saturations[0] > 0);
        all_ties += ties;
    }
    assert_true(all_ties > 0);
    /* What does not fit is refused. */
    rs_score score = { 0 };
    rs_assert_error(rs_engine_score(engine, &set, 0, &score, diag), RS_USAGE, diag, "top 0");
    rs_dataset wrong = set;
    wrong.width = 27;
    rs_assert_error(rs_engine_score(engine, &wrong, 1, &score, diag), RS_BAD_INPUT, diag, "expects 1x28x28");
    labels[3] = 10;
    rs_assert_error(rs_engine_score(engine, &set, 1, &score, diag), RS_BAD_INPUT, diag, "label 10 of image 3");
    labels[3] = 1;
    rs_set_interrupted(true);
    assert_int_equal(rs_engine_score(engine, &set, 1, &score, diag), RS_INTERRUPTED);
    rs_set_interrupted(false);
    rs_engine_free(engine);
    rs_diag_free(diag);
    rs_free(pixels);
    rs_qnet_free(q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_small_widths),  cmocka_unit_test(check_all_widths),     cmocka_unit_test(check_graphs),
        cmocka_unit_test(check_many_channels), cmocka_unit_test(check_plain_geometry), cmocka_unit_test(check_lenet),
        cmocka_unit_test(check_batches),       cmocka_unit_test(check_score),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
