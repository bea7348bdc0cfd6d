/* test-options: limit=3000
 * Whole networks in lockstep, beat for beat and cycle for cycle: CIFAR-10 Full with every layer (its normalizations are
 * the host's, so that a run is of several segments), the first fire module of SqueezeNet v1.1 and the first inception
 * module of GoogLeNet at full size. Architectures are those of the zoo; weights and images are random, so that nothing
 * depends on files that may not be there: what is compared is two tellings of one computation, not an accuracy.
 * `make check` runs one small image, `make check-full` all. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/rng.h"
#include "cosim/lockstep.h"
#include "import/caffe/caffe.h"
#include "search/quantize.h"
#include "support/test.h"
#include "qnet/build.h"

static bool full(void)
{
    const char *level = getenv("RISTRETTO_LEVEL");
    return level && strcmp(level, "full") == 0;
}

/* ------------------------------------------------------------------------------------------------ architectures */

static rs_net *read_net(const char *path)
{
    rs_diag *diag = rs_diag_new();
    rs_net *net = NULL;
    rs_assert_ok(rs_caffe_read_net(path, RS_TEST, &net, diag), diag);
    rs_assert_ok(rs_net_infer_shapes(net, NULL, diag), diag);
    rs_diag_free(diag);
    return net;
}

/* Some of a file of the zoo: the layers whose names begin with `prefix`. Their first blob, `blob`, has the shape that
 * it has in the whole network; a 1x1 convolution with ReLU makes it from an image. */
static rs_net *module_of(const char *path, const char *prefix, const char *blob, int channels, int size)
{
    rs_net *whole = read_net(path);
    const int index = rs_net_blob(whole, blob);
    assert_true(index >= 0);
    const rs_shape shape = whole->blobs[index].shape;
    assert_int_equal(shape.dim[1], channels);
    assert_int_equal(shape.dim[2], size);
    assert_int_equal(shape.dim[3], size);
    rs_net_free(whole);

    char *text = rs_test_read(path, NULL), *cut = NULL;
    size_t bytes = 0;
    FILE *stream = open_memstream(&cut, &bytes);
    assert_non_null(stream);
    fprintf(stream, "name: \"module\"\nlayer { name: \"data\" type: \"Input\" top: \"data\"\n");
    fprintf(stream, "  input_param { shape { dim: 1 dim: 3 dim: %d dim: %d } } }\n", size, size);
    fprintf(stream, "layer { name: \"stem\" type: \"Convolution\" bottom: \"data\" top: \"%s\"\n", blob);
    fprintf(stream, "  convolution_param { num_output: %d kernel_size: 1 } }\n", channels);
    fprintf(stream, "layer { name: \"stem_relu\" type: \"ReLU\" bottom: \"%s\" top: \"%s\" }\n", blob, blob);
    char name[64];
    snprintf(name, sizeof name, "  name: \"%s", prefix);
    int layers = 0;
    for (char *layer = strstr(text, "\nlayer {\n"); layer;) {
        char *next = strstr(layer + 1, "\nlayer {\n");
        if (strncmp(layer + strlen("\nlayer {\n"), name, strlen(name)) == 0) {
            fwrite(layer + 1, 1, next ? (size_t)(next - layer) : strlen(layer + 1), stream);
            layers++;
        }
        layer = next;
    }
    fclose(stream);
    assert_true(layers >= 7);
    const char *to = rs_test_path("module.prototxt");
    rs_test_write(to, cut, bytes);
    free(cut);
    free(text);
    return read_net(to);
}

/* CIFAR-10 Full for images of another size. */
static rs_net *cifar(int size)
{
    const char *path = "model/zoo/cifar10_full/deploy.prototxt";
    if (size == 32)
        return read_net(path);
    static const char dims[] = "dim: 3 dim: 32 dim: 32";
    char *text = rs_test_read(path, NULL), *at = strstr(text, dims), *cut = NULL;
    assert_non_null(at);
    size_t bytes = 0;
    FILE *stream = open_memstream(&cut, &bytes);
    assert_non_null(stream);
    fwrite(text, 1, (size_t)(at - text), stream);
    fprintf(stream, "dim: 3 dim: %d dim: %d%s", size, size, at + strlen(dims));
    fclose(stream);
    const char *to = rs_test_path("cifar.prototxt");
    rs_test_write(to, cut, bytes);
    free(cut);
    free(text);
    return read_net(to);
}

/* Weights that keep the variance from layer to layer (He et al., 2015), and some bias. */
static void fill_weights(rs_net *net, uint64_t seed)
{
    rs_rng rng = { seed, 20, 0 };
    for (int i = 0; i < net->n_layers; i++)
        for (int p = 0; p < net->layers[i].n_params; p++) {
            rs_param *param = &net->layers[i].params[p];
            const int64_t n = rs_shape_count(&param->shape, 0);
            const double half = p == 0 ? sqrt(6.0 / (double)rs_shape_count(&param->shape, 1)) : 2.0;
            for (int64_t k = 0; k < n; k++)
                param->data[k] = (float)(half * (2 * ldexp((double)(rs_rng_next(&rng) >> 11), -53) - 1));
        }
}

/* Images of blobs and noise; `bias` of 0 to 255 is their mean. */
static rs_dataset random_images(int64_t n, int channels, int size, uint64_t seed)
{
    const int64_t plane = (int64_t)size * size;
    rs_dataset set = { .count = n, .channels = channels, .height = size, .width = size, .classes = 2 };
    set.pixels = rs_calloc((size_t)(n * channels * plane), 1);
    set.labels = RS_NEW_ARRAY(int32_t, (size_t)n);
    assert_true(set.pixels && set.labels);
    rs_rng rng = { seed, 21, 0 };
    for (int64_t i = 0; i < n * channels; i++) {
        const double fx = (double)(rs_rng_next(&rng) % 100) / 200, fy = (double)(rs_rng_next(&rng) % 100) / 200,
                     phase = (double)(rs_rng_next(&rng) % 628) / 100;
        for (int64_t k = 0; k < plane; k++) {
            const double v = 128 + 100 * sin(fx * (double)(k % size) + fy * (double)(k / size) + phase) +
                             (double)(rs_rng_next(&rng) % 54) - 27;
            set.pixels[i * plane + k] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
        }
    }
    return set;
}

/* ----------------------------------------------------------------------------------------------------- lockstep */

typedef struct trial {
    const char *name;
    int bits[RS_GROUPS]; /* in the order of rs_group */
    bool is_unsigned;
    float scale;
    const char *array;
    const char *changes[4]; /* of the array, up to a NULL */
} trial;

static const int eight[] = { 8, 8, 8 };

static rs_qnet *quantized(rs_net *net, const trial *t, const rs_dataset *set)
{
    rs_diag *diag = rs_diag_new();
    const rs_data_param data = { .scale = t->scale };
    rs_ranges *ranges = NULL;
    rs_formats *formats = NULL;
    rs_qnet *qnet = NULL;
    rs_assert_ok(rs_ranges_measure(net, &data, set, set->count, &ranges, diag), diag);
    rs_assert_ok(rs_formats_choose(net, ranges, t->bits, &formats, diag), diag);
    if (t->is_unsigned)
        rs_assert_ok(rs_formats_use_unsigned(net, NULL, formats, diag), diag);
    rs_assert_ok(rs_qnet_build(net, formats, &data, RS_BIAS_ACCUMULATOR, RS_ROUND_NEAREST, &qnet, diag), diag);
    rs_ranges_free(ranges);
    rs_formats_free(formats);
    rs_diag_free(diag);
    return qnet;
}

static void lockstep(rs_net *net, const trial *t, int64_t images, uint64_t seed)
{
    rs_diag *diag = rs_diag_new();
    fill_weights(net, seed);
    const rs_shape in = net->blobs[net->layers[0].tops[0]].shape;
    rs_dataset set = random_images(images, (int)in.dim[1], (int)in.dim[2], seed);
    rs_qnet *qnet = quantized(net, t, &set);
    rs_array_config *config = NULL;
    rs_program *program = NULL;
    rs_assert_ok(rs_array_config_read(t->array, &config, diag), diag);
    for (int i = 0; i < 4 && t->changes[i]; i++)
        rs_assert_ok(rs_array_config_set(config, t->changes[i], diag), diag);
    rs_assert_ok(rs_program_compile(qnet, config, &program, diag), diag);

    /* What the exact engine must have been asked for: each value of each blob that the array or the host leaves in
     * memory. */
    int64_t values = 0;
    int blobs = 0, host = 0;
    for (int i = 0; i < qnet->n_ops; i++) {
        const rs_qtensor *out = &qnet->tensors[qnet->ops[i].output];
        if (program->tensors[qnet->ops[i].output].beats) {
            values += (int64_t)out->channels * out->height * out->width;
            blobs++;
        }
    }
    for (int i = 0; i < program->n_segments; i++)
        host += program->segments[i].count == 0;

    rs_lockstep_result result;
    const rs_status status = rs_lockstep_run(program, set.pixels, images, NULL, NULL, &result, diag);
    if (result.mismatch)
        rs_lockstep_print(result.mismatch, stderr);
    rs_assert_ok(status, diag);
    print_message("# %s, %d/%d/%d bits%s on %s: %" PRId64 " images, %d layers of the array, %d of the host, %d "
                  "descriptors: compared %" PRIu64 " reads, %" PRIu64 " output beats with %" PRIu64 " values, %" PRIu64
                  " writes over %" PRIu64 " cycles; %" PRIu64 " values of %d blobs with the engine; %" PRIu64
                  " saturations; %.1f s\n",
                  t->name, t->bits[0], t->bits[1], t->bits[2], t->is_unsigned ? ", unsigned" : "", t->array, images,
                  program->n_layers - host, host, program->n_descriptors, result.events[RS_EVENT_READ],
                  result.events[RS_EVENT_OUTPUT], result.values, result.events[RS_EVENT_WRITE], result.cycles,
                  result.engine_values, blobs, result.saturations, result.seconds);
    assert_int_equal(result.images, images);
    assert_true(values > 0);
    assert_int_equal(result.engine_values, images * values);
    rs_lockstep_result_clear(&result);
    rs_program_free(program);
    rs_array_config_free(config);
    rs_qnet_free(qnet);
    rs_free(set.pixels);
    rs_free(set.labels);
    rs_net_free(net);
    rs_diag_free(diag);
}

static trial trial_of(const char *name, const int *bits, float scale, const char *array)
{
    trial t = { .name = name, .scale = scale, .array = array };
    memcpy(t.bits, bits, sizeof t.bits);
    return t;
}

static void test_small_cifar(void **state)
{
    (void)state;
    const trial t = trial_of("CIFAR-10 Full for 12 x 12 pixels", eight, 1, "configs/arrays/small-4x4.yaml");
    lockstep(cifar(12), &t, 1, rs_test_seed());
}

static void test_cifar(void **state)
{
    (void)state;
    if (!full())
        return; /* test_small_cifar has run some */
    trial t = trial_of("CIFAR-10 Full", eight, 1, "configs/arrays/paper-16x16.yaml");
    lockstep(cifar(32), &t, 20, rs_test_seed());
    t = trial_of("CIFAR-10 Full", (const int[]) { 5, 7, 8 }, 1, "configs/arrays/stalls-50.yaml");
    t.is_unsigned = true;
    lockstep(cifar(32), &t, 20, rs_test_seed() + 1);
}

static void test_fire_module(void **state)
{
    (void)state;
    if (!full())
        return;
    trial t = trial_of("SqueezeNet v1.1, fire2", eight, 0.0625f, "configs/arrays/paper-16x16.yaml");
    t.changes[0] = "buffers.activation_elements=16384";
    t.changes[1] = "buffers.output_elements=16384";
    t.changes[2] = "array.program_depth=1024";
    lockstep(module_of("model/zoo/squeezenet_v1.1/deploy.prototxt", "fire2/", "pool1", 64, 56), &t, 2, rs_test_seed());
}

static void test_inception_module(void **state)
{
    (void)state;
    if (!full())
        return;
    trial t = trial_of("GoogLeNet, inception_3a", eight, 0.0625f, "configs/arrays/paper-16x16.yaml");
    t.changes[0] = "buffers.activation_elements=16384";
    t.changes[1] = "buffers.output_elements=16384";
    t.changes[2] = "array.program_depth=1024";
    lockstep(module_of("model/zoo/googlenet/deploy.prototxt", "inception_3a/", "pool2/3x3_s2", 192, 28), &t, 2,
             rs_test_seed());
}

int main(void)
{
    setenv("RISTRETTO_CACHE", "build/cache", 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_cifar),
        cmocka_unit_test(test_cifar),
        cmocka_unit_test(test_fire_module),
        cmocka_unit_test(test_inception_module),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
