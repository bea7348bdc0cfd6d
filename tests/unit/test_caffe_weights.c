/* Weights and solver states: the three forms of layers, shapes old and new, round trips, and files that are wrong, cut
 * off or damaged at every place. */
#include "support/test.h"

#include <fcntl.h>
#include <hdf5.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/faults.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/rng.h"
#include "import/caffe/caffe.h"

/* -------------------------------------------------------------------- protocol buffers by hand, for wrong files */

typedef struct bytes {
    uint8_t data[4096];
    size_t size;
} bytes;

static void put(bytes *b, const void *data, size_t size)
{
    assert_true(b->size + size <= sizeof b->data);
    memcpy(b->data + b->size, data, size);
    b->size += size;
}

static void put_varint(bytes *b, uint64_t v)
{
    do {
        const uint8_t byte = (uint8_t)((v & 0x7f) | (v > 0x7f ? 0x80 : 0));
        put(b, &byte, 1);
        v >>= 7;
    } while (v > 0);
}

static void put_number(bytes *b, unsigned field, uint64_t v)
{
    put_varint(b, (uint64_t)field << 3);
    put_varint(b, v);
}

static void put_block(bytes *b, unsigned field, const void *data, size_t size)
{
    put_varint(b, (uint64_t)field << 3 | 2);
    put_varint(b, size);
    put(b, data, size);
}

static void put_message(bytes *b, unsigned field, const bytes *inner)
{
    put_block(b, field, inner->data, inner->size);
}

static bytes floats_blob(const int64_t *dim, int n_axes, const float *values, size_t n)
{
    bytes shape = { .size = 0 }, dims = { .size = 0 }, blob = { .size = 0 };
    for (int i = 0; i < n_axes; i++)
        put_varint(&dims, (uint64_t)dim[i]);
    put_message(&shape, 1, &dims);
    put_message(&blob, 7, &shape);
    put_block(&blob, 5, values, n * sizeof(float));
    return blob;
}

/* A V2 file with one layer. */
static bytes v2_file(const char *name, const bytes *blobs, int n)
{
    bytes layer = { .size = 0 }, file = { .size = 0 };
    put_block(&layer, 1, name, strlen(name));
    for (int i = 0; i < n; i++)
        put_message(&layer, 7, &blobs[i]);
    put_message(&file, 100, &layer);
    return file;
}

static const char ip_text[] = "layer { name: 'data' type: 'Input' top: 'data' input_param { shape { dim: [1, 3] } } }\n"
                              "layer { name: 'ip' type: 'InnerProduct' bottom: 'data' top: 'ip'\n"
                              "  inner_product_param { num_output: 2 } }\n";

static rs_net *read_net(const char *text)
{
    rs_diag *diag = rs_diag_new();
    const char *path = rs_test_path("net.prototxt");
    rs_test_write(path, text, strlen(text));
    rs_net *net = NULL;
    rs_assert_ok(rs_caffe_read_net(path, RS_TEST, &net, diag), diag);
    rs_assert_ok(rs_net_infer_shapes(net, NULL, diag), diag);
    rs_diag_free(diag);
    return net;
}

static rs_status read_bytes(rs_net *net, const bytes *file, rs_diag *diag)
{
    const char *path = rs_test_path("weights.caffemodel");
    rs_test_write(path, file->data, file->size);
    return rs_caffe_read_weights(path, net, diag);
}

static void expect(const bytes *file, const char *part)
{
    rs_diag *diag = rs_diag_new();
    rs_net *net = read_net(ip_text);
    rs_assert_error(read_bytes(net, file, diag), RS_BAD_INPUT, diag, part);
    rs_net_free(net);
    rs_diag_free(diag);
}

static const float six[6] = { 1, -2, 3.5F, 4, 5, 6e-30F };
static const float two[2] = { -1, 0.125F };

static bytes good_weights(void)
{
    return floats_blob((int64_t[]) { 2, 3 }, 2, six, 6);
}
static bytes good_bias(void)
{
    return floats_blob((int64_t[]) { 2 }, 1, two, 2);
}

static void check_values(const rs_net *net)
{
    assert_memory_equal(net->layers[1].params[0].data, six, sizeof six);
    assert_memory_equal(net->layers[1].params[1].data, two, sizeof two);
    assert_int_equal(net->layers[1].params[0].shape.n_axes, 2); /* the net's shape, whatever the file's form */
}

/* ---------------------------------------------------------------------------------------------------- the forms */

static void check_forms(void **state)
{
    (void)state;
    rs_diag *diag = rs_diag_new();
    const bytes v2 = v2_file("ip", (bytes[]) { good_weights(), good_bias() }, 2);

    /* The shapes of older files: num x channels x height x width, with leading ones. */
    bytes weights = { .size = 0 }, bias = { .size = 0 }, v1_layer = { .size = 0 }, v1 = { .size = 0 };
    put_number(&weights, 1, 1);
    put_number(&weights, 2, 1);
    put_number(&weights, 3, 2);
    put_number(&weights, 4, 3);
    put_block(&weights, 5, six, sizeof six);
    for (unsigned f = 1; f <= 3; f++)
        put_number(&bias, f, 1);
    put_number(&bias, 4, 2);
    for (int i = 0; i < 2; i++) { /* not packed */
        put_varint(&bias, 5 << 3 | 5);
        put(&bias, &two[i], sizeof(float));
    }
    put_block(&v1_layer, 4, "ip", 2);
    put_number(&v1_layer, 5, 14);
    put_message(&v1_layer, 6, &weights);
    put_message(&v1_layer, 6, &bias);
    put_message(&v1, 2, &v1_layer);

    /* The first form: a layer inside of the layer. Doubles. */
    double wide[6];
    for (int i = 0; i < 6; i++)
        wide[i] = six[i];
    bytes doubles = { .size = 0 }, v0_inner = { .size = 0 }, v0_layer = { .size = 0 }, v0 = { .size = 0 };
    put_number(&doubles, 3, 2);
    put_number(&doubles, 4, 3);
    put_number(&doubles, 1, 1);
    put_number(&doubles, 2, 1);
    put_block(&doubles, 8, wide, sizeof wide);
    put_block(&v0_inner, 1, "ip", 2);
    put_message(&v0_inner, 50, &doubles);
    put_message(&v0_inner, 50, &bias);
    put_message(&v0_layer, 1, &v0_inner);
    put_message(&v0, 2, &v0_layer);

    /* An unknown field and a layer that is not in the net do no harm. */
    bytes extra = v2;
    put_number(&extra, 4000, 7);
    const bytes other = v2_file("other", (bytes[]) { good_bias() }, 1);
    put(&extra, other.data, other.size);

    const bytes *const files[] = { &v2, &v1, &v0, &extra };
    for (int i = 0; i < 4; i++) {
        rs_net *net = read_net(ip_text);
        rs_assert_ok(read_bytes(net, files[i], diag), diag);
        check_values(net);
        rs_net_free(net);
    }
    const rs_message *m = rs_diag_message(diag, 0);
    assert_non_null(m);
    assert_int_equal(m->severity, RS_WARNING);
    assert_string_equal(m->text, "1 layer of the file is not in the net: 'other'");
    assert_null(rs_diag_message(diag, 1));
    rs_diag_free(diag);
}

static void check_errors(void **state)
{
    (void)state;
    const bytes w = good_weights(), b = good_bias();
    bytes file = v2_file("pi", (bytes[]) { w, b }, 2);
    expect(&file, "the file has no weights for layer 'ip'");
    file = v2_file("ip", &w, 1);
    expect(&file, "layer 'ip' has 1 blob in the file, expected 2 (weights, bias)");
    file = v2_file("ip", (bytes[]) { w, w }, 2);
    expect(&file, "layer 'ip', bias: the shape is 2x3, expected 2");
    file = v2_file("ip", (bytes[]) { floats_blob((int64_t[]) { 3, 2 }, 2, six, 6), b }, 2);
    expect(&file, "layer 'ip', weights: the shape is 3x2, expected 2x3");
    file = v2_file("ip", (bytes[]) { floats_blob((int64_t[]) { 2, 3 }, 2, six, 5), b }, 2);
    expect(&file, "layer 'ip', weights is 2x3, 6 values, but holds 5");
    file = v2_file("ip", (bytes[]) { floats_blob((int64_t[]) { 2, 0 }, 2, six, 0), b }, 2);
    expect(&file, "layer 'ip', weights is 2x0, expected dimensions of at least 1");
    file = v2_file("ip", (bytes[]) { floats_blob((int64_t[]) { -2, -3 }, 2, six, 6), b }, 2);
    expect(&file, "layer 'ip', weights is -2x-3, expected dimensions of at least 1");
    file = v2_file("ip", (bytes[]) { floats_blob((int64_t[]) { 1, 1, 1, 1, 1, 1, 1, 1, 6 }, 9, six, 6), b }, 2);
    expect(&file, "layer 'ip', weights has 9 axes, expected at most 8");
    file = v2_file("ip", (bytes[]) { w, b }, 2);
    put(&file, file.data, file.size);
    expect(&file, "layer 'ip' is in the file twice");

    float wrong[6];
    memcpy(wrong, six, sizeof wrong);
    wrong[4] = NAN;
    file = v2_file("ip", (bytes[]) { floats_blob((int64_t[]) { 2, 3 }, 2, wrong, 6), b }, 2);
    expect(&file, "layer 'ip', weights: value 4 is not a number, expected a finite number");
    wrong[4] = -INFINITY;
    file = v2_file("ip", (bytes[]) { floats_blob((int64_t[]) { 2, 3 }, 2, wrong, 6), b }, 2);
    expect(&file, "layer 'ip', weights: value 4 is infinite, expected a finite number");
    const double huge[2] = { 1, 1e300 };
    bytes doubles = { .size = 0 };
    put_number(&doubles, 4, 2);
    put_number(&doubles, 1, 1);
    put_number(&doubles, 2, 1);
    put_number(&doubles, 3, 1);
    put_block(&doubles, 8, huge, sizeof huge);
    file = v2_file("ip", (bytes[]) { w, doubles }, 2);
    expect(&file, "layer 'ip', bias: value 1 is infinite");

    /* Thirty bytes that claim a lot. */
    file = v2_file("ip", (bytes[]) { floats_blob((int64_t[]) { 1 << 30, 1 << 30, 1 << 30 }, 3, six, 1), b }, 2);
    expect(&file, "too many values, but holds 1");
    file = (bytes) { .size = 0 };
    put_varint(&file, 100 << 3 | 2);
    put_varint(&file, UINT64_C(30) << 30);
    expect(&file, "a field of 32212254720 bytes, but only 0 are left at byte 0");
    file = v2_file("ip", &w, 1);
    file.data[1]++; /* the tag's second byte: another field */
    expect(&file, "the file holds no layers, expected weights (caffemodel)");

    file = (bytes) { .size = 0 };
    expect(&file, "the file is empty, expected weights (caffemodel)");
    file = (bytes) { .size = 12, .data = "\x89HDF\r\n\x1a\n\0\0\0" };
    expect(&file, "this HDF5 file cannot be read: it is shorter than it says");
    file = (bytes) { .size = 30, .data = "layer { name: 'conv1' type: 'C" };
    expect(&file, "this is a text file, expected weights (caffemodel)");
    file = (bytes) { .size = 3, .data = "\xff\xff\xff" };
    expect(&file, "the file ends inside a field at byte 0");
    file = (bytes) { .size = 3, .data = "\x03\x01\x01" };
    expect(&file, "a field with a wrong tag at byte 0");
    file = (bytes) { .size = 12, .data = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff" };
    expect(&file, "a field with a wrong tag at byte 0");

    rs_diag *diag = rs_diag_new();
    rs_net *net = read_net(ip_text);
    rs_assert_error(rs_caffe_read_weights(rs_test_path("none.caffemodel"), net, diag), RS_BAD_INPUT, diag,
                    "cannot open");
    rs_net_free(net);
    rs_diag_free(diag);
}

/* -------------------------------------------------------------------------------------------------- round trips */

static const char small_text[] =
    "name: 'small' layer { name: 'data' type: 'Input' top: 'data' input_param { shape { dim: [1, 2, 6, 6] } } }\n"
    "layer { name: 'conv' type: 'Convolution' bottom: 'data' top: 'conv' convolution_param { num_output: 3 "
    "kernel_size: 3\n"
    "  weight_filler { type: 'xavier' } bias_filler { type: 'gaussian' } } }\n"
    "layer { name: 'relu' type: 'ReLU' bottom: 'conv' top: 'conv' }\n"
    "layer { name: 'ip' type: 'InnerProduct' bottom: 'conv' top: 'ip' inner_product_param { num_output: 4 bias_term: "
    "false\n"
    "  weight_filler { type: 'gaussian' std: 3 } } }\n";

static void check_same_params(const rs_net *a, const rs_net *b)
{
    int n = 0;
    for (int i = 0; i < a->n_layers; i++)
        for (int p = 0; p < a->layers[i].n_params; p++, n++) {
            const rs_param *x = &a->layers[i].params[p], *y = &b->layers[i].params[p];
            assert_true(rs_shape_equal(&x->shape, &y->shape));
            assert_memory_equal(x->data, y->data, (size_t)rs_shape_count(&x->shape, 0) * sizeof(float));
        }
    assert_true(n > 0);
}

static void check_round_trip(void **state)
{
    (void)state;
    rs_diag *diag = rs_diag_new();
    rs_net *net = read_net(small_text), *back = read_net(small_text);
    rs_assert_ok(rs_net_fill(net, rs_test_seed(), diag), diag);
    const char *a = rs_test_path("a.caffemodel"), *b = rs_test_path("b.caffemodel");
    rs_assert_ok(rs_caffe_write_weights(net, a, diag), diag);
    rs_assert_ok(rs_caffe_read_weights(a, back, diag), diag);
    check_same_params(net, back);
    rs_assert_ok(rs_caffe_write_weights(back, b, diag), diag);
    size_t size_a, size_b;
    char *bytes_a = rs_test_read(a, &size_a), *bytes_b = rs_test_read(b, &size_b);
    assert_int_equal(size_a, size_b); /* the same weights give the same bytes */
    assert_memory_equal(bytes_a, bytes_b, size_a);
    free(bytes_a);
    free(bytes_b);

    /* A net whose shapes are not known has nothing to write; a write that fails leaves the old file. */
    rs_net *raw = NULL;
    rs_assert_ok(rs_caffe_read_net(rs_test_path("net.prototxt"), RS_TEST, &raw, diag), diag);
    assert_int_equal(rs_caffe_write_weights(raw, a, NULL), RS_INTERNAL);
    rs_net_free(raw);
    rs_fault_arm(RS_FAULT_WRITE, 1);
    assert_int_equal(rs_caffe_write_weights(net, a, NULL), RS_RESOURCE);
    rs_fault_arm(RS_FAULT_WRITE, 0);
    rs_assert_ok(rs_caffe_read_weights(a, back, diag), diag);
    check_same_params(net, back);
    rs_net_free(net);
    rs_net_free(back);
    rs_diag_free(diag);
}

/* Changes one byte of a file: much quicker than to write it anew thousands of times. */
static void poke(const char *path, size_t offset, char value)
{
    const int fd = open(path, O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, &value, 1, (off_t)offset), 1);
    close(fd);
}

/* Every length, and every bit: an error or a success, never more. Under the sanitizers this is the test of the parser.
 */
static void check_damage(void **state)
{
    (void)state;
    rs_net *net = read_net(small_text);
    assert_int_equal(rs_net_fill(net, 5, NULL), RS_OK);
    const char *path = rs_test_path("damaged.caffemodel");
    assert_int_equal(rs_caffe_write_weights(net, path, NULL), RS_OK);
    size_t size;
    char *data = rs_test_read(path, &size);
    int cut = 0, flipped = 0, harmless = 0;
    for (size_t bit = 0; bit < 8 * size; bit++, flipped++) {
        rs_diag *diag = rs_diag_new();
        poke(path, bit / 8, (char)(data[bit / 8] ^ 1 << bit % 8));
        const rs_status st = rs_caffe_read_weights(path, net, diag);
        assert_true(st == RS_OK || st == RS_BAD_INPUT);
        assert_int_equal(st, rs_diag_status(diag));
        harmless += st == RS_OK;
        poke(path, bit / 8, data[bit / 8]);
        rs_diag_free(diag);
    }
    for (size_t n = size; n-- > 0; cut++) {
        rs_diag *diag = rs_diag_new();
        assert_int_equal(truncate(path, (off_t)n), 0);
        assert_int_equal(rs_caffe_read_weights(path, net, diag), RS_BAD_INPUT);
        assert_true(rs_diag_errors(diag) > 0);
        assert_string_equal(rs_diag_message(diag, 0)->loc.file, path);
        rs_diag_free(diag);
    }
    print_message("# %d lengths, %d bits (%d of them read as other weights)\n", cut, flipped, harmless);
    assert_true(cut > 1000 && flipped > 8000);
    free(data);
    rs_net_free(net);
}

static void check_allocation_failures(void **state)
{
    (void)state;
    rs_net *net = read_net(ip_text);
    const bytes file = v2_file("ip", (bytes[]) { good_weights(), good_bias() }, 2);
    int failed = 0;
    for (uint64_t n = 1;; n++, failed++) {
        const char *path = rs_test_path("weights.caffemodel");
        rs_test_write(path, file.data, file.size);
        rs_fault_arm(RS_FAULT_ALLOC, n);
        const rs_status st = rs_caffe_read_weights(path, net, NULL);
        const bool struck = rs_fault_count(RS_FAULT_ALLOC) >= n;
        rs_fault_arm(RS_FAULT_ALLOC, 0);
        assert_int_equal(st, struck ? RS_RESOURCE : RS_OK);
        if (!struck)
            break;
    }
    assert_true(failed >= 3);
    check_values(net);
    rs_net_free(net);
}

/* ------------------------------------------------------------------------------------------------ solver states */

static void check_solver_state(void **state)
{
    (void)state;
    rs_diag *diag = rs_diag_new();
    float values[2][6];
    rs_param history[2] = { { .shape = { 2, { 2, 3 } }, .data = values[0] },
                            { .shape = { 1, { 5 } }, .data = values[1] } };
    for (uint64_t i = 0; i < 12; i++)
        values[i / 6][i % 6] = (float)rs_random_normal(rs_test_seed(), 0, i);
    rs_solver_state to = {
        .iter = 5000, .current_step = 3, .learned_net = "lenet_iter_5000.caffemodel", .n_history = 2, .history = history
    };
    const char *path = rs_test_path("a.solverstate");
    rs_solver_state *from = NULL;
    rs_assert_ok(rs_caffe_write_solver_state(&to, path, diag), diag);
    rs_assert_ok(rs_caffe_read_solver_state(path, &from, diag), diag);
    assert_int_equal(from->iter, 5000);
    assert_int_equal(from->current_step, 3);
    assert_string_equal(from->learned_net, "lenet_iter_5000.caffemodel");
    assert_int_equal(from->n_history, 2);
    assert_true(rs_shape_equal(&from->history[0].shape, &history[0].shape));
    assert_memory_equal(from->history[0].data, values[0], sizeof values[0]);
    assert_memory_equal(from->history[1].data, values[1], 5 * sizeof(float));
    rs_solver_state_free(from);
    rs_solver_state_free(NULL);

    size_t size;
    char *data = rs_test_read(path, &size);
    int errors = 0;
    for (size_t bit = 0; bit < 8 * size; bit++) {
        poke(path, bit / 8, (char)(data[bit / 8] ^ 1 << bit % 8));
        const rs_status st = rs_caffe_read_solver_state(path, &from, NULL);
        assert_true(st == RS_OK || st == RS_BAD_INPUT);
        rs_solver_state_free(from);
        poke(path, bit / 8, data[bit / 8]);
    }
    for (size_t n = size; n-- > 0;) {
        assert_int_equal(truncate(path, (off_t)n), 0);
        const rs_status st = rs_caffe_read_solver_state(path, &from, NULL);
        assert_true((st == RS_OK) == (from != NULL));
        assert_true(st == RS_OK || st == RS_BAD_INPUT);
        errors += st != RS_OK;
        rs_solver_state_free(from);
    }
    assert_true(errors > (int)size - 8); /* only between two blobs nothing shows: the count is the trainer's to check */
    free(data);

    const char *part = rs_test_path("part.solverstate");
    bytes file = { .size = 0 };
    put_number(&file, 4, 1);
    rs_test_write(part, file.data, file.size);
    rs_assert_error(rs_caffe_read_solver_state(part, &from, diag), RS_BAD_INPUT, diag,
                    "the file has no iteration number, expected a solver state");
    put_number(&file, 1, UINT64_MAX);
    rs_test_write(part, file.data, file.size);
    rs_assert_error(rs_caffe_read_solver_state(part, &from, diag), RS_BAD_INPUT, diag,
                    "iteration -1, step 1, expected at least 0");
    to.iter = -1;
    assert_int_equal(rs_caffe_write_solver_state(&to, path, NULL), RS_INTERNAL);
    to.iter = 1;
    history[1].data = NULL;
    assert_int_equal(rs_caffe_write_solver_state(&to, path, NULL), RS_INTERNAL);
    rs_diag_free(diag);
}

/* --------------------------------------------------------------------------------------------------- real files */

static char *shared_file(const char *name)
{
    const char *shared = rs_test_shared_data();
    if (shared == NULL)
        skip();
    return rs_path_join(shared, name);
}

static double sum(const rs_param *p)
{
    double s = 0;
    for (int64_t i = 0; i < rs_shape_count(&p->shape, 0); i++)
        s += fabs((double)p->data[i]);
    return s;
}

static void check_published(void **state)
{
    (void)state;
    static const struct {
        const char *file, *net;
    } cases[] = {
        { "caffe-v1/lenet_v1layers.caffemodel", NULL },
        { "caffe-v1/cifar10_full_v1layers.caffemodel",
          "layer { name: 'data' type: 'Input' top: 'data' input_param { shape { dim: [1, 3, 32, 32] } } }\n"
          "layer { name: 'conv1' type: 'Convolution' bottom: 'data' top: 'conv1' convolution_param { num_output: 32\n"
          "  pad: 2 kernel_size: 5 } }\n" },
        { "squeezenet/squeezenet_v1.1.caffemodel",
          "layer { name: 'data' type: 'Input' top: 'data' input_param { shape { dim: [1, 3, 227, 227] } } }\n"
          "layer { name: 'conv1' type: 'Convolution' bottom: 'data' top: 'conv1' convolution_param { num_output: 64\n"
          "  kernel_size: 3 stride: 2 } }\n"
          "layer { name: 'fire2/squeeze1x1' type: 'Convolution' bottom: 'conv1' top: 's' convolution_param { "
          "num_output: 16\n"
          "  kernel_size: 1 } }\n" },
        { "googlenet/bvlc_googlenet.caffemodel",
          "layer { name: 'data' type: 'Input' top: 'data' input_param { shape { dim: [1, 3, 224, 224] } } }\n"
          "layer { name: 'conv1/7x7_s2' type: 'Convolution' bottom: 'data' top: 'conv1' convolution_param { "
          "num_output: 64\n"
          "  kernel_size: 7 stride: 2 pad: 3 } }\n" },
    };
    for (int i = 0; i < 4; i++) {
        char *path = shared_file(cases[i].file); /* first: it skips the test where there is none */
        rs_diag *diag = rs_diag_new();
        rs_net *net = NULL;
        if (cases[i].net != NULL) {
            net = read_net(cases[i].net);
        } else {
            rs_assert_ok(rs_caffe_read_net("model/zoo/lenet/lenet.prototxt", RS_TEST, &net, diag), diag);
            rs_assert_ok(rs_net_infer_shapes(net, NULL, diag), diag);
        }
        rs_assert_ok(rs_caffe_read_weights(path, net, diag), diag);
        for (int k = 0; k < net->n_layers; k++)
            for (int p = 0; p < net->layers[k].n_params; p++)
                assert_true(sum(&net->layers[k].params[p]) > 0);
        rs_net_free(net);
        rs_free(path);
        rs_diag_free(diag);
    }
}

/* A real file, cut off at a thousand places. */
static void check_published_cut(void **state)
{
    (void)state;
    char *path = shared_file("caffe-v1/lenet_v1layers.caffemodel");
    const char *part = rs_test_path("part.caffemodel");
    rs_net *net = NULL;
    assert_int_equal(rs_caffe_read_net("model/zoo/lenet/lenet.prototxt", RS_TEST, &net, NULL), RS_OK);
    assert_int_equal(rs_net_infer_shapes(net, NULL, NULL), RS_OK);
    size_t size;
    char *data = rs_test_read(path, &size);
    int cut = 0;
    rs_test_write(part, data, size);
    for (size_t n = size; n > 0; cut++) { /* shorter and shorter; byte by byte at the beginning of the file */
        const size_t jump = 1 + (size_t)rs_random_below(rs_test_seed(), 1, (uint64_t)cut, size / 250);
        const size_t step = n <= 500 ? 1 : jump < n - 500 ? jump : n - 500;
        n -= step;
        assert_int_equal(truncate(part, (off_t)n), 0);
        assert_int_equal(rs_caffe_read_weights(part, net, NULL), RS_BAD_INPUT);
    }
    print_message("# cut off at %d places\n", cut);
    assert_true(cut > 900);
    free(data);
    rs_free(path);
    rs_net_free(net);
}

/* --------------------------------------------------------------------------------------------------------- HDF5 */

enum { H5_PLAIN, H5_DOUBLE, H5_COMPRESSED, H5_FORMS };

static void put_set(hid_t group, const char *name, int axes, const hsize_t *dims, const float *values, int form)
{
    const hid_t space = H5Screate_simple(axes, dims, NULL), plist = H5Pcreate(H5P_DATASET_CREATE);
    if (form == H5_COMPRESSED)
        assert_true(H5Pset_chunk(plist, axes, dims) >= 0 && H5Pset_deflate(plist, 6) >= 0);
    const hid_t set = H5Dcreate2(group, name, form == H5_DOUBLE ? H5T_IEEE_F64LE : H5T_IEEE_F32LE, space, H5P_DEFAULT,
                                 plist, H5P_DEFAULT);
    assert_true(set >= 0 && H5Dwrite(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
    H5Dclose(set);
    H5Pclose(plist);
    H5Sclose(space);
}

/* Weights as libhdf5, and so h5py and Caffe, write them, in the oldest and in the newest form of its files; two files
 * one after the other, and both cut off. */
static void check_hdf5(void **state)
{
    (void)state;
    int read = 0, cut = 0;
    for (int form = 0; form < 2 * H5_FORMS; form++) {
        char *path = rs_strdup(rs_test_path("weights.caffemodel.h5"));
        const hid_t access = H5Pcreate(H5P_FILE_ACCESS);
        if (form >= H5_FORMS)
            assert_true(H5Pset_libver_bounds(access, H5F_LIBVER_LATEST, H5F_LIBVER_LATEST) >= 0);
        const hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, access);
        const hid_t data = H5Gcreate2(file, "data", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
        const hid_t layer = H5Gcreate2(data, "ip", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
        assert_true(file >= 0 && layer >= 0);
        put_set(layer, "0", 2, (const hsize_t[]) { 2, 3 }, six, form % H5_FORMS);
        put_set(layer, "1", 1, (const hsize_t[]) { 2 }, two, form % H5_FORMS);
        H5Gclose(layer);
        H5Gclose(data);
        H5Fclose(file);
        H5Pclose(access);

        rs_diag *diag = rs_diag_new();
        for (int again = 0; again < 2; again++) {
            rs_net *net = read_net(ip_text);
            rs_assert_ok(rs_caffe_read_weights(path, net, diag), diag);
            check_values(net);
            rs_net_free(net);
            read++;
        }
        size_t size = 0;
        char *whole = rs_test_read(path, &size);
        rs_net *net = read_net(ip_text);
        for (size_t n = 8; n < size; n += size / 7) {
            rs_test_write(path, whole, n);
            rs_diag *wrong = rs_diag_new();
            rs_assert_error(rs_caffe_read_weights(path, net, wrong), RS_BAD_INPUT, wrong,
                            "this HDF5 file cannot be read");
            rs_diag_free(wrong);
            cut++;
        }
        rs_net_free(net);
        rs_diag_free(diag);
        free(whole);
        rs_free(path);
    }
    print_message("# read %d times, cut off %d times\n", read, cut);
    assert_true(read == 4 * H5_FORMS && cut > 6 * H5_FORMS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_forms),
        cmocka_unit_test(check_errors),
        cmocka_unit_test(check_round_trip),
        cmocka_unit_test(check_damage),
        cmocka_unit_test(check_allocation_failures),
        cmocka_unit_test(check_solver_state),
        cmocka_unit_test(check_published),
        cmocka_unit_test(check_published_cut),
        cmocka_unit_test(check_hdf5),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
