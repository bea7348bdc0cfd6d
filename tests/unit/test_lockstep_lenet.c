/* test-options: limit=900
 * The LeNet of the zoo on the demo's array: images in lockstep, and, in make check-full, the accuracy of the RTL itself
 * on all embedded digits, which is the exact engine's to the digit. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "cosim/lockstep.h"
#include "import/caffe/caffe.h"
#include "engine/engine.h"
#include "search/quantize.h"
#include "support/test.h"
#include "qnet/build.h"

static const rs_data_param data = { .scale = 0.00390625f };
static rs_net *net;
static rs_dataset *digits;

static bool full(void)
{
    const char *level = getenv("RISTRETTO_LEVEL");
    return level && strcmp(level, "full") == 0;
}

static int set_up(void **state)
{
    (void)state;
    rs_diag *diag = rs_diag_new();
    rs_assert_ok(rs_caffe_read_net("model/zoo/lenet/lenet.prototxt", RS_TEST, &net, diag), diag);
    rs_assert_ok(rs_net_infer_shapes(net, NULL, diag), diag);
    rs_assert_ok(rs_caffe_read_weights("model/zoo/lenet/lenet.caffemodel", net, diag), diag);
    rs_assert_ok(rs_dataset_open("model/zoo/lenet/digits", NULL, false, &digits, diag), diag);
    rs_diag_free(diag);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rs_net_free(net);
    rs_dataset_free(digits);
    return 0;
}

static rs_qnet *quantized(int convolution, int inner_product, int activations)
{
    rs_diag *diag = rs_diag_new();
    const int bits[RS_GROUPS] = { [RS_GROUP_CONVOLUTION] = convolution,
                                  [RS_GROUP_INNER_PRODUCT] = inner_product,
                                  [RS_GROUP_ACTIVATIONS] = activations };
    rs_ranges *ranges = NULL;
    rs_formats *formats = NULL;
    rs_qnet *qnet = NULL;
    rs_assert_ok(rs_ranges_measure(net, &data, digits, 200, &ranges, diag), diag);
    rs_assert_ok(rs_formats_choose(net, ranges, bits, &formats, diag), diag);
    rs_assert_ok(rs_qnet_build(net, formats, &data, RS_BIAS_ACCUMULATOR, RS_ROUND_NEAREST, &qnet, diag), diag);
    rs_ranges_free(ranges);
    rs_formats_free(formats);
    rs_diag_free(diag);
    return qnet;
}

static rs_program *compiled(const rs_qnet *qnet, const char *array)
{
    rs_diag *diag = rs_diag_new();
    rs_array_config *config = NULL;
    rs_program *program = NULL;
    rs_assert_ok(rs_array_config_read(array, &config, diag), diag);
    rs_assert_ok(rs_program_compile(qnet, config, &program, diag), diag);
    rs_array_config_free(config);
    rs_diag_free(diag);
    return program;
}

/* Images in lockstep; the scores that the RTL leaves in memory are the engine's. */
static void lockstep(const char *array, const int *bits, int64_t images)
{
    rs_diag *diag = rs_diag_new();
    rs_qnet *qnet = quantized(bits[0], bits[1], bits[2]);
    rs_program *program = compiled(qnet, array);
    int32_t *scores = rs_calloc((size_t)images * 10, sizeof *scores),
            *expected = rs_calloc((size_t)images * 10, sizeof *expected);
    rs_lockstep_result result;
    const rs_status status = rs_lockstep_run(program, digits->pixels, images, NULL, scores, &result, diag);
    if (result.mismatch)
        rs_lockstep_print(result.mismatch, stderr);
    rs_assert_ok(status, diag);
    rs_engine *engine = NULL;
    rs_assert_ok(rs_engine_new(qnet, false, &engine, diag), diag);
    rs_assert_ok(rs_engine_run(engine, digits->pixels, images, expected, NULL, diag), diag);
    assert_memory_equal(scores, expected, (size_t)images * 10 * sizeof *scores);
    print_message("# %s, %d/%d/%d bits: compared %llu reads, %llu output beats with %llu values, %llu writes over %llu "
                  "cycles of %lld images; "
                  "%llu values with the engine; %.1f s\n",
                  array, bits[0], bits[1], bits[2], (unsigned long long)result.events[RS_EVENT_READ],
                  (unsigned long long)result.events[RS_EVENT_OUTPUT], (unsigned long long)result.values,
                  (unsigned long long)result.events[RS_EVENT_WRITE], (unsigned long long)result.cycles,
                  (long long)images, (unsigned long long)result.engine_values, result.seconds);
    assert_int_equal(result.engine_values, images * (2880 + 800 + 500 + 10));
    rs_engine_free(engine);
    rs_lockstep_result_clear(&result);
    rs_free(scores);
    rs_free(expected);
    rs_program_free(program);
    rs_qnet_free(qnet);
    rs_diag_free(diag);
}

static void test_images_in_lockstep(void **state)
{
    (void)state;
    lockstep("configs/arrays/lenet.yaml", (const int[]) { 4, 4, 6 }, full() ? 100 : 4);
    if (!full())
        return;
    lockstep("configs/arrays/small-4x4.yaml", (const int[]) { 8, 8, 8 }, 20);
    lockstep("configs/arrays/lenet-8x25.yaml", (const int[]) { 3, 5, 7 }, 20);
    lockstep("configs/arrays/paper-16x16.yaml", (const int[]) { 8, 8, 8 }, 20);
    lockstep("configs/arrays/low-bandwidth.yaml", (const int[]) { 8, 4, 8 }, 20);
    lockstep("configs/arrays/stalls-50.yaml", (const int[]) { 16, 16, 16 }, 20);
}

/* Arithmetic.md section 6: a tie with the right class is wrong. */
static bool right(const int32_t *scores, int label)
{
    for (int c = 0; c < 10; c++)
        if (c != label && scores[c] >= scores[label])
            return false;
    return true;
}

static void test_accuracy_of_the_rtl(void **state)
{
    (void)state;
    if (!full())
        return; /* test_images_in_lockstep has run some */
    rs_diag *diag = rs_diag_new();
    rs_quantize_options options;
    rs_quantize_defaults(&options);
    rs_quantize_result *search = NULL;
    rs_assert_ok(rs_quantize(net, &data, digits, digits, &options, &search, diag), diag);
    rs_program *program = compiled(search->qnet, "configs/arrays/lenet.yaml");
    int32_t *scores = rs_calloc((size_t)digits->count * 10, sizeof *scores);
    rs_lockstep_result result;
    const rs_lockstep_options rtl_only = { .rtl_only = true };
    rs_assert_ok(rs_lockstep_run(program, digits->pixels, digits->count, &rtl_only, scores, &result, diag), diag);
    int64_t hits = 0;
    for (int64_t i = 0; i < digits->count; i++)
        hits += right(scores + 10 * i, digits->labels[i]);
    print_message(
        "# %d/%d/%d bits: the RTL has %lld of %lld digits right, the exact engine %lld; %llu cycles in %.1f s\n",
        search->bits[0], search->bits[1], search->bits[2], (long long)hits, (long long)digits->count,
        (long long)search->hits, (unsigned long long)result.cycles, result.seconds);
    assert_int_equal(digits->count, 2000);
    assert_int_equal(hits, search->hits);
    rs_lockstep_result_clear(&result);
    rs_free(scores);
    rs_program_free(program);
    rs_quantize_result_free(search);
    rs_diag_free(diag);
}

int main(void)
{
    setenv("RISTRETTO_CACHE", "build/cache", 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_images_in_lockstep),
        cmocka_unit_test(test_accuracy_of_the_rtl),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
