/* test-options: limit=300
 * The published networks on the array: every layer compiles, and one image through the C model gives the exact engine's
 * integers in every blob that lies in memory. Compute cycles are those of the closed forms in
 * docs/reference/microarchitecture.md. Weights are random: sizes and formats are what matters here. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "array/array.h"
#include "base/memory.h"
#include "base/threads.h"
#include "engine/engine.h"
#include "support/array_cases.h"
#include "support/cycle_forms.h"
#include "support/random_qnet.h"
#include "support/test.h"

static void *checked(void *p)
{
    assert_non_null(p);
    return p;
}

/* Seconds of this process: tests run beside others. */
static double cpu_seconds(void)
{
    return (double)clock() / CLOCKS_PER_SEC;
}

/* Sums of about 2^13 at a shift of 9, most of them. */
static void fill(rs_qnet *q)
{
    rs_rng rng = { rs_test_seed(), 2, 0 };
    for (int i = 0; i < q->n_ops; i++) {
        rs_qop *op = &q->ops[i];
        if (!rs_qop_weighted(op))
            continue;
        const int64_t outputs = q->tensors[op->output].channels, terms = rs_qop_terms(q, op);
        const uint64_t most = terms > 4000 ? 6 : terms > 1000 ? 12 : terms > 200 ? 30 : 90;
        for (int64_t k = 0; k < outputs * terms; k++)
            op->weights[k] = (int32_t)(rs_rng_next(&rng) % (2 * most + 1)) - (int32_t)most;
        for (int64_t o = 0; o < outputs; o++)
            op->bias[o] = (int32_t)(rs_rng_next(&rng) % 4001) - 2000;
    }
}

static void run_network(const char *path, int lanes, int multipliers)
{
    rs_diag *diag = rs_diag_new();
    rs_qnet *qnet = rs_test_qnet_of(path);
    fill(qnet);
    rs_array_config config = rs_test_array(lanes, multipliers);
    config.activation_elements = 1 << 18;
    config.output_elements = 1 << 15;
    config.weight_steps = 1 << 12;
    config.bus_bits = 128;
    config.program_depth = 4096;
    rs_program *program = NULL;
    rs_assert_ok(rs_program_compile(qnet, &config, &program, diag), diag);
    rs_array *array = NULL;
    rs_assert_ok(rs_array_new(program, &array, diag), diag);
    const rs_qtensor *in = &qnet->tensors[0];
    const int64_t pixels = (int64_t)in->channels * in->height * in->width;
    uint8_t *image = checked(rs_calloc((size_t)pixels, 1));
    rs_rng rng = { rs_test_seed(), 3, 0 };
    for (int64_t i = 0; i < pixels; i++)
        image[i] = (uint8_t)rs_rng_next(&rng);
    rs_program_load_image(program, image, program->memory);
    rs_run_stats stats = { .layers = checked(RS_NEW_ARRAY(rs_layer_stats, (size_t)program->n_layers)) },
                 bare = { .layers = checked(RS_NEW_ARRAY(rs_layer_stats, (size_t)program->n_layers)) };
    const double start = cpu_seconds();
    rs_assert_ok(rs_array_run(array, program->memory, 0, NULL, NULL, &stats, diag), diag);
    const double middle = cpu_seconds();
    rs_assert_ok(rs_array_run(array, NULL, 0, NULL, NULL, &bare, diag), diag);
    const double end = cpu_seconds();
    assert_int_equal(bare.cycles, stats.cycles);

    int64_t compared = 0, layers = 0;
    int32_t **tensors = checked(RS_NEW_ARRAY(int32_t *, (size_t)qnet->n_tensors));
    rs_engine *engine = NULL;
    for (int t = 0; t < qnet->n_tensors; t++)
        tensors[t] = checked(RS_NEW_ARRAY(int32_t, (size_t)qnet->tensors[t].channels * (size_t)qnet->tensors[t].height *
                                                       (size_t)qnet->tensors[t].width));
    rs_assert_ok(rs_engine_new(qnet, false, &engine, diag), diag);
    rs_assert_ok(rs_engine_trace(engine, image, tensors, NULL, diag), diag);
    int64_t nonzero = 0;
    for (int t = 1; t < qnet->n_tensors; t++) {
        if (program->tensors[t].beats == 0)
            continue;
        const rs_qtensor *q = &qnet->tensors[t];
        const int64_t n = (int64_t)q->channels * q->height * q->width;
        int32_t *got = checked(RS_NEW_ARRAY(int32_t, (size_t)n));
        rs_program_read_tensor(program, program->memory, t, got);
        for (int64_t i = 0; i < n; i++) {
            if (got[i] != tensors[t][i])
                fail_msg("%s: blob %s, element %lld: %d, expected %d", path, q->name, (long long)i, got[i],
                         tensors[t][i]);
            nonzero += got[i] != 0;
        }
        compared += n;
        rs_free(got);
    }
    for (int l = 0; l < program->n_layers; l++) {
        const rs_test_form form = rs_test_form_of(program, &program->layers[l]);
        const int64_t expected = program->layers[l].kind == RS_KIND_HOST ? 0 : rs_test_form_compute(&form);
        if (program->layers[l].count == 1 && (int64_t)stats.layers[l].compute_cycles != expected)
            fail_msg("%s: layer %s computes for %lld cycles, expected %lld", path, program->layers[l].name,
                     (long long)stats.layers[l].compute_cycles, (long long)expected);
        layers += program->layers[l].count == 1;
    }
    print_message(
        "# %s on %dx%d: %d layers in %d tiles, %llu cycles; compared %lld values (%lld not zero) with the engine, "
        "%lld layers with closed forms; %.1f ms of processor time with data, %.3f ms without\n",
        path, lanes, multipliers, program->n_layers, program->n_descriptors, (unsigned long long)stats.cycles,
        (long long)compared, (long long)nonzero, (long long)layers, 1e3 * (middle - start), 1e3 * (end - middle));
    assert_true(compared > 0 && nonzero > compared / 20 && layers > 0);
    for (int t = 0; t < qnet->n_tensors; t++)
        rs_free(tensors[t]);
    rs_free(tensors);
    rs_free(stats.layers);
    rs_free(bare.layers);
    rs_free(image);
    rs_engine_free(engine);
    rs_array_free(array);
    rs_program_free(program);
    rs_qnet_free(qnet);
    rs_diag_free(diag);
}

static void test_cifar10_full(void **state)
{
    (void)state;
    run_network("model/zoo/cifar10_full/deploy.prototxt", 16, 16);
}

static void test_squeezenet(void **state)
{
    (void)state;
    run_network("model/zoo/squeezenet_v1.1/deploy.prototxt", 16, 16);
}

/* The large ones take too long with sanitizers, and do nothing that the small ones do not. */
static bool sanitized(void)
{
    const char *variant = getenv("RISTRETTO_VARIANT");
    return variant && strcmp(variant, "asan") == 0;
}

static void test_googlenet(void **state)
{
    (void)state;
    if (sanitized()) {
        print_message("# takes too long with sanitizers; test_squeezenet runs the same code\n");
        skip();
    }
    run_network("model/zoo/googlenet/deploy.prototxt", 16, 16);
}

static void test_caffenet(void **state)
{
    (void)state;
    if (sanitized()) {
        print_message("# takes too long with sanitizers; test_squeezenet runs the same code\n");
        skip();
    }
    run_network("model/zoo/caffenet/deploy.prototxt", 16, 16);
}

int main(void)
{
    rs_set_threads(1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cifar10_full),
        cmocka_unit_test(test_squeezenet),
        cmocka_unit_test(test_googlenet),
        cmocka_unit_test(test_caffenet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
