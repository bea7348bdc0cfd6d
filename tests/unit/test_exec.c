/* The executor: the same bits for any number of threads, any batch and any kernel; parts of a net; hooks; counting of
 * hits; errors. */
#include "support/test.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/faults.h"
#include "base/rng.h"
#include "base/threads.h"
#include "import/caffe/caffe.h"
#include "layers/exec.h"
#include "layers/weighted/gemm.h"

static const char SMALL_NET[] =
    "name: 'small'\n"
    "layer { name: 'data' type: 'Input' top: 'data' input_param { shape { dim: 4 dim: 3 dim: 14 dim: 12 } } }\n"
    "layer { name: 'label' type: 'Input' top: 'label' input_param { shape { dim: 4 } } }\n"
    "layer { name: 'c1' type: 'Convolution' bottom: 'data' top: 'c1' convolution_param { num_output: 21 kernel_size: 3 "
    "pad: 1\n"
    "        weight_filler { type: 'xavier' } } }\n"
    "layer { name: 'p1' type: 'Pooling' bottom: 'c1' top: 'p1' pooling_param { pool: MAX kernel_size: 2 stride: 2 } }\n"
    "layer { name: 'c2' type: 'Convolution' bottom: 'p1' top: 'c2' convolution_param { num_output: 12 group: 3 "
    "kernel_size: 3\n"
    "        weight_filler { type: 'xavier' } } }\n"
    "layer { name: 'r2' type: 'ReLU' bottom: 'c2' top: 'c2' }\n"
    "layer { name: 'i1' type: 'InnerProduct' bottom: 'c2' top: 'i1' inner_product_param { num_output: 150\n"
    "        weight_filler { type: 'xavier' } } }\n"
    "layer { name: 'd1' type: 'Dropout' bottom: 'i1' top: 'd1' dropout_param { dropout_ratio: 0.25 } }\n"
    "layer { name: 'i2' type: 'InnerProduct' bottom: 'd1' top: 'i2' inner_product_param { num_output: 7\n"
    "        weight_filler { type: 'xavier' } } }\n"
    "layer { name: 'loss' type: 'SoftmaxWithLoss' bottom: 'i2' bottom: 'label' top: 'loss' }\n"
    "layer { name: 'hits' type: 'Accuracy' bottom: 'i2' bottom: 'label' top: 'hits' }\n";

enum { BATCH = 29, CLASSES = 7 };

static rs_net *read_net(const char *text, rs_phase phase, rs_diag *diag)
{
    const char *path = rs_test_path("net.prototxt");
    rs_test_write(path, text, strlen(text));
    rs_net *net = NULL;
    rs_assert_ok(rs_caffe_read_net(path, phase, &net, diag), diag);
    rs_assert_ok(rs_net_infer_shapes(net, NULL, diag), diag);
    rs_assert_ok(rs_net_fill(net, rs_test_seed(), diag), diag);
    return net;
}

static void set_inputs(const rs_net *net, rs_exec *exec, int64_t n)
{
    float *data = rs_exec_blob(exec, rs_net_blob(net, "data")), *label = rs_exec_blob(exec, rs_net_blob(net, "label"));
    const int64_t size = rs_exec_blob_size(exec, rs_net_blob(net, "data"));
    for (int64_t i = 0; i < n * size; i++)
        data[i] = (float)rs_random_unit(rs_test_seed(), 1, (uint64_t)i) - 0.3f;
    for (int64_t i = 0; i < n; i++)
        label[i] = (float)rs_random_below(rs_test_seed(), 2, (uint64_t)i, CLASSES);
}

/* Scores and all gradients of a batch, one after the other. */
static float *results(const rs_net *net, rs_exec *exec, int64_t n, size_t *count, rs_diag *diag)
{
    double loss;
    rs_exec_set_random(exec, 1, 2);
    rs_assert_ok(rs_exec_forward_backward(exec, n, &loss, diag), diag);
    size_t total = (size_t)(n * CLASSES) + 1;
    for (int l = 0; l < net->n_layers; l++)
        for (int p = 0; p < net->layers[l].n_params; p++)
            total += (size_t)rs_shape_count(&net->layers[l].params[p].shape, 0);
    float *all = malloc(total * sizeof *all), *to = all;
    assert_non_null(all);
    *to++ = (float)loss;
    memcpy(to, rs_exec_blob(exec, rs_net_blob(net, "i2")), (size_t)(n * CLASSES) * sizeof *to);
    to += n * CLASSES;
    for (int l = 0; l < net->n_layers; l++)
        for (int p = 0; p < net->layers[l].n_params; p++) {
            const size_t size = (size_t)rs_shape_count(&net->layers[l].params[p].shape, 0);
            memcpy(to, rs_exec_gradient(exec, l, p), size * sizeof *to);
            to += size;
        }
    *count = total;
    return all;
}

static void same_bits(const float *a, const float *b, size_t n, const char *what)
{
    for (size_t i = 0; i < n; i++)
        if (memcmp(&a[i], &b[i], sizeof *a) != 0)
            fail_msg("%s: value %zu of %zu is %.9g, expected %.9g", what, i, n, (double)a[i], (double)b[i]);
}

static void test_threads_and_kernels(void **state)
{
    (void)state;
    rs_diag *diag = rs_diag_new();
    rs_net *net = read_net(SMALL_NET, RS_TRAIN, diag);
    rs_exec *exec = NULL;
    rs_assert_ok(rs_exec_new(net, BATCH, true, &exec, diag), diag);
    set_inputs(net, exec, BATCH);
    size_t count, n;
    rs_set_threads(1);
    float *expected = results(net, exec, BATCH, &count, diag);
    assert_true(count > 1000);
    static const int threads[] = { 2, 3, 5, 1 };
    for (size_t i = 0; i < sizeof threads / sizeof *threads; i++) {
        rs_set_threads(threads[i]);
        float *got = results(net, exec, BATCH, &n, diag);
        assert_int_equal(n, count);
        same_bits(got, expected, count, "another number of threads");
        free(got);
    }
    rs_set_threads(0);
    static const char *const kernels[] = { "avx512", "avx2", "portable" };
    for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++) {
        if (!rs_gemm_select(kernels[i]))
            continue;
        float *got = results(net, exec, BATCH, &n, diag);
        same_bits(got, expected, count, kernels[i]);
        free(got);
    }
    /* OpenBLAS adds in an order of its own. */
    assert_true(rs_gemm_select("openblas"));
    float *near = results(net, exec, BATCH, &n, diag);
    for (size_t i = 0; i < count; i++)
        if (!(fabsf(near[i] - expected[i]) <= 1e-4f * (1.0f + fabsf(expected[i]))))
            fail_msg("OpenBLAS: value %zu is %.9g, expected %.9g", i, (double)near[i], (double)expected[i]);
    free(near);
    rs_gemm_select(NULL);
    print_message("%zu values compared 8 times\n", count);
    free(expected);
    rs_exec_free(exec);
    rs_net_free(net);
    rs_diag_free(diag);
}

/* The scores of an image are the same bits alone, in any batch, and at any place of it. */
static void test_batch(void **state)
{
    (void)state;
    rs_diag *diag = rs_diag_new();
    rs_net *net = read_net(SMALL_NET, RS_TEST, diag);
    rs_exec *exec = NULL;
    rs_assert_ok(rs_exec_new(net, BATCH, false, &exec, diag), diag);
    const int data = rs_net_blob(net, "data"), scores = rs_net_blob(net, "i2");
    const int64_t size = rs_exec_blob_size(exec, data);
    float *images = malloc((size_t)(BATCH * size) * sizeof *images),
          *expected = malloc(BATCH * CLASSES * sizeof *expected);
    assert_non_null(images);
    assert_non_null(expected);
    set_inputs(net, exec, BATCH);
    memcpy(images, rs_exec_blob(exec, data), (size_t)(BATCH * size) * sizeof *images);
    rs_assert_ok(rs_exec_forward(exec, 0, net->n_layers, BATCH, NULL, diag), diag);
    memcpy(expected, rs_exec_blob(exec, scores), BATCH * CLASSES * sizeof *expected);
    size_t compared = 0;
    for (int64_t batch = 1; batch <= BATCH; batch += batch < 9 ? 1 : 5)
        for (int64_t first = 0; first + batch <= BATCH; first += batch) {
            memcpy(rs_exec_blob(exec, data), images + first * size, (size_t)(batch * size) * sizeof *images);
            rs_assert_ok(rs_exec_forward(exec, 0, net->n_layers, batch, NULL, diag), diag);
            same_bits(rs_exec_blob(exec, scores), expected + first * CLASSES, (size_t)(batch * CLASSES),
                      "another batch");
            compared += (size_t)(batch * CLASSES);
        }
    print_message("%zu scores compared\n", compared);
    assert_true(compared > 1000);
    free(images);
    free(expected);
    rs_exec_free(exec);
    rs_net_free(net);
    rs_diag_free(diag);
}

static void test_parts(void **state)
{
    (void)state;
    rs_diag *diag = rs_diag_new();
    rs_net *net = read_net(SMALL_NET, RS_TEST, diag);
    rs_exec *whole = NULL, *parts = NULL;
    rs_assert_ok(rs_exec_new(net, BATCH, false, &whole, diag), diag);
    rs_assert_ok(rs_exec_new(net, BATCH, false, &parts, diag), diag);
    set_inputs(net, whole, BATCH);
    set_inputs(net, parts, BATCH);
    double loss, last = -1.0, first = -1.0;
    rs_assert_ok(rs_exec_forward(whole, 0, net->n_layers, BATCH, &loss, diag), diag);
    const int cut = rs_net_layer(net, "i1");
    rs_assert_ok(rs_exec_forward(parts, 0, cut, BATCH, &first, diag), diag);
    rs_assert_ok(rs_exec_forward(parts, cut, net->n_layers, BATCH, &last, diag), diag);
    assert_true(first == 0.0 && last == loss && loss > 0.0);
    const int scores = rs_net_blob(net, "i2");
    same_bits(rs_exec_blob(parts, scores), rs_exec_blob(whole, scores), BATCH * CLASSES, "in two parts");
    rs_assert_ok(rs_exec_forward(parts, cut, cut, BATCH, &last, diag), diag);
    assert_true(last == 0.0);
    rs_exec_free(whole);
    rs_exec_free(parts);
    rs_net_free(net);
    rs_diag_free(diag);
}

/* Two branches, so that one blob is needed for longer than the one after it. */
static const char BRANCHES[] =
    "name: 'branches'\n"
    "layer { name: 'data' type: 'Input' top: 'data' input_param { shape { dim: 4 dim: 3 dim: 14 dim: 12 } } }\n"
    "layer { name: 'label' type: 'Input' top: 'label' input_param { shape { dim: 4 } } }\n"
    "layer { name: 'c1' type: 'Convolution' bottom: 'data' top: 'c1' convolution_param { num_output: 16 kernel_size: "
    "3\n"
    "        pad: 1 weight_filler { type: 'xavier' } } }\n"
    "layer { name: 'r1' type: 'ReLU' bottom: 'c1' top: 'c1' }\n"
    "layer { name: 'c2' type: 'Convolution' bottom: 'c1' top: 'c2' convolution_param { num_output: 9 kernel_size: 1\n"
    "        weight_filler { type: 'xavier' } } }\n"
    "layer { name: 'c3' type: 'Convolution' bottom: 'c2' top: 'c3' convolution_param { num_output: 5 kernel_size: 3\n"
    "        pad: 1 weight_filler { type: 'xavier' } } }\n"
    "layer { name: 'both' type: 'Concat' bottom: 'c1' bottom: 'c3' top: 'both' }\n"
    "layer { name: 'p' type: 'Pooling' bottom: 'both' top: 'p' pooling_param { pool: AVE kernel_size: 2 stride: 2 } }\n"
    "layer { name: 'i2' type: 'InnerProduct' bottom: 'p' top: 'i2' inner_product_param { num_output: 7\n"
    "        weight_filler { type: 'xavier' } } }\n"
    "layer { name: 'loss' type: 'SoftmaxWithLoss' bottom: 'i2' bottom: 'label' top: 'loss' }\n"
    "layer { name: 'hits' type: 'Accuracy' bottom: 'i2' bottom: 'label' top: 'hits' }\n";

/* A batch that is too large for RS_EXEC_BYTES without sharing gives what one with memory for each blob gives. */
static void test_sharing(void **state)
{
    (void)state;
    static const char *const nets[] = { SMALL_NET, BRANCHES };
    rs_diag *diag = rs_diag_new();
    for (int k = 0; k < 2; k++) {
        rs_net *net = read_net(nets[k], RS_TEST, diag);
        const int scores = rs_net_blob(net, "i2"), loss_blob = rs_net_blob(net, "loss"),
                  hits = rs_net_blob(net, "hits");
        int64_t image = 0, batch = 0;
        for (int b = 0; b < net->n_blobs; b++)
            image += b == loss_blob || b == hits ? 0 : rs_shape_count(&net->blobs[b].shape, 1);
        const int64_t n = RS_EXEC_BYTES / (image * (int64_t)sizeof(float)) + 2;
        rs_assert_ok(rs_exec_sharing_batch(net, scores, 1 << 20, &batch, diag), diag);
        assert_true(batch > n && batch < 8 * n);
        rs_assert_ok(rs_exec_sharing_batch(net, scores, 3, &batch, diag), diag);
        assert_int_equal(batch, 3);
        rs_exec *apart = NULL, *sharing = NULL;
        rs_assert_ok(rs_exec_new(net, n, false, &apart, diag), diag);
        rs_assert_ok(rs_exec_new_sharing(net, n, scores, &sharing, diag), diag);
        double expected, got;
        set_inputs(net, apart, n);
        rs_assert_ok(rs_exec_forward(apart, 0, net->n_layers, n, &expected, diag), diag);
        for (int run = 0; run < 2; run++) { /* the second one finds what the first one left */
            set_inputs(net, sharing, n);
            rs_assert_ok(rs_exec_forward(sharing, 0, net->n_layers, n, &got, diag), diag);
            assert_true(got == expected && got > 0.0);
            same_bits(rs_exec_blob(sharing, scores), rs_exec_blob(apart, scores), (size_t)(n * CLASSES), "sharing");
            same_bits(rs_exec_blob(sharing, loss_blob), rs_exec_blob(apart, loss_blob), 1, "loss");
            same_bits(rs_exec_blob(sharing, hits), rs_exec_blob(apart, hits), 1, "hits");
        }
        rs_exec_free(apart);
        rs_exec_free(sharing);
        rs_net_free(net);
    }
    rs_diag_free(diag);
}

typedef struct calls {
    atomic_llong images[16], bad;
    int64_t per_image[16];
    int double_layer;
} calls;

static void hook(void *context, int layer, float *data, int64_t first, int64_t n, int64_t per_image)
{
    calls *c = context;
    c->images[layer] += n;
    if (first < 0 || n < 1 || first + n > BATCH || per_image != c->per_image[layer])
        c->bad++;
    for (int64_t i = 0; i < n * per_image && layer == c->double_layer; i++)
        data[i] *= 2.0f;
}

static void test_hook(void **state)
{
    (void)state;
    rs_diag *diag = rs_diag_new();
    rs_net *net = read_net(SMALL_NET, RS_TEST, diag);
    rs_exec *exec = NULL;
    rs_assert_ok(rs_exec_new(net, BATCH, false, &exec, diag), diag);
    set_inputs(net, exec, BATCH);
    const int scores = rs_net_blob(net, "i2");
    static float plain[BATCH * CLASSES];
    rs_assert_ok(rs_exec_forward(exec, 0, net->n_layers, BATCH, NULL, diag), diag);
    memcpy(plain, rs_exec_blob(exec, scores), sizeof plain);
    /* Doubled scores of the last layer; then of a layer by chunks, whose doubling goes through ReLU and the linear
     * layers. */
    static const char *const doubled[] = { "i2", "c2" };
    for (size_t d = 0; d < 2; d++) {
        calls c = { .double_layer = rs_net_layer(net, doubled[d]) };
        for (int l = 0; l < net->n_layers; l++)
            c.per_image[l] = rs_exec_blob_size(exec, net->layers[l].tops[0]);
        rs_exec_set_hook(exec, hook, &c);
        rs_assert_ok(rs_exec_forward(exec, 0, net->n_layers, BATCH, NULL, diag), diag);
        assert_int_equal(c.bad, 0);
        for (int l = 0; l < net->n_layers; l++) {
            const rs_layer_type type = net->layers[l].type;
            const bool called = type != RS_LAYER_INPUT && type != RS_LAYER_SOFTMAX_LOSS && type != RS_LAYER_ACCURACY;
            assert_int_equal(c.images[l], called ? BATCH : 0);
        }
        for (int i = 0; i < BATCH * CLASSES; i++) /* no biases: all layers are homogeneous */
            assert_true(rs_exec_blob(exec, scores)[i] == 2.0f * plain[i]);
    }
    rs_exec_set_hook(exec, NULL, NULL);
    rs_assert_ok(rs_exec_forward(exec, 0, net->n_layers, BATCH, NULL, diag), diag);
    same_bits(rs_exec_blob(exec, scores), plain, BATCH * CLASSES, "without the hook");
    rs_exec_free(exec);
    rs_net_free(net);
    rs_diag_free(diag);
}

static void test_errors(void **state)
{
    (void)state;
    rs_diag *diag = rs_diag_new();
    rs_net *net = read_net(SMALL_NET, RS_TRAIN, diag);
    rs_exec *exec = NULL;
    double loss;
    rs_assert_error(rs_exec_new(net, 0, false, &exec, diag), RS_INTERNAL, diag, "batch of 0");
    assert_null(exec);
    rs_assert_ok(rs_exec_new(net, BATCH, false, &exec, diag), diag);
    set_inputs(net, exec, BATCH);
    rs_assert_error(rs_exec_forward_backward(exec, 1, &loss, diag), RS_INTERNAL, diag, "without their buffers");
    rs_assert_error(rs_exec_forward(exec, 0, net->n_layers, BATCH + 1, &loss, diag), RS_INTERNAL, diag,
                    "30 images of 29");
    rs_assert_error(rs_exec_forward(exec, 0, net->n_layers + 1, 1, &loss, diag), RS_INTERNAL, diag, "layers 0 to");
    static const float bad[] = { 7.0f, -1.0f, NAN };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        rs_exec_blob(exec, rs_net_blob(net, "label"))[17] = bad[i];
        rs_exec_blob(exec, rs_net_blob(net, "label"))[25] = 100.0f;
        rs_assert_error(rs_exec_forward(exec, 0, net->n_layers, BATCH, &loss, diag), RS_BAD_INPUT, diag,
                        "of image 17 of the batch");
    }
    rs_assert_ok(rs_exec_forward(exec, 0, net->n_layers, 17, &loss, diag), diag);
    rs_exec_free(exec);
    rs_net_free(net);

    /* What cannot be trained in place is refused, and only when training. */
    static const struct {
        const char *layers, *message;
    } wrong[] = {
        { "layer { name: 'r' type: 'ReLU' bottom: 'a' top: 'a' relu_param { negative_slope: -0.5 } }\n"
          "layer { name: 'i' type: 'InnerProduct' bottom: 'a' top: 's' inner_product_param { num_output: 3 } }\n",
          "negative slope -0.5 cannot be trained in place" },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char *text = rs_format(
            "layer { name: 'data' type: 'Input' top: 'data' input_param { shape { dim: 1 dim: 2 dim: 3 dim: 3 } } }\n"
            "layer { name: 'label' type: 'Input' top: 'label' input_param { shape { dim: 1 } } }\n"
            "layer { name: 'c' type: 'Convolution' bottom: 'data' top: 'a' convolution_param { num_output: 2 "
            "kernel_size: 2 } }\n"
            "%slayer { name: 'l' type: 'SoftmaxWithLoss' bottom: 's' bottom: 'label' top: 'l' }\n",
            wrong[i].layers);
        assert_non_null(text);
        net = read_net(text, RS_TRAIN, diag);
        rs_assert_error(rs_exec_new(net, 1, true, &exec, diag), RS_BAD_INPUT, diag, wrong[i].message);
        assert_null(exec);
        rs_assert_ok(rs_exec_new(net, 1, false, &exec, diag), diag);
        rs_exec_free(exec);
        rs_net_free(net);
        rs_free(text);
    }
    rs_diag_free(diag);
}

/* Each allocation in turn fails: an error, no leak (the sanitizers' build sees it), and success in the end. */
static void test_memory(void **state)
{
    (void)state;
    rs_diag *diag = rs_diag_new();
    rs_net *net = read_net(SMALL_NET, RS_TRAIN, diag);
    rs_exec *exec = NULL;
    uint64_t n = 1;
    for (;; n++) {
        rs_fault_arm(RS_FAULT_ALLOC, n);
        const rs_status st = rs_exec_new(net, 2, true, &exec, diag);
        const uint64_t count = rs_fault_count(RS_FAULT_ALLOC);
        rs_fault_arm(RS_FAULT_ALLOC, 0);
        if (count < n) {
            rs_assert_ok(st, diag);
            break;
        }
        rs_assert_error(st, RS_RESOURCE, diag, "memory");
        assert_null(exec);
    }
    assert_true(n > 50);
    set_inputs(net, exec, 2);
    double loss;
    rs_fault_arm(RS_FAULT_ALLOC, 1);
    const rs_status st = rs_exec_forward_backward(exec, 2, &loss, diag);
    rs_fault_arm(RS_FAULT_ALLOC, 0);
    rs_assert_error(st, RS_RESOURCE, diag, "memory");
    rs_assert_ok(rs_exec_forward_backward(exec, 2, &loss, diag), diag);
    rs_exec_free(exec);
    rs_net_free(net);
    rs_diag_free(diag);
}

static void test_count_hits(void **state)
{
    (void)state;
    const float scores[] = {
        1,         2,         3,   /* right */
        3,         2,         1,   /* wrong */
        1,         3,         3,   /* a tie with the right class is wrong */
        2,         2,         2,   /* all tie */
        NAN,       5,         1,   /* another is not a number */
        0,         1,         NAN, /* the right one is not a number */
        -INFINITY, -INFINITY, INFINITY,
    };
    const int32_t labels[] = { 2, 2, 2, 0, 1, 2, 2 };
    int64_t ties = -1;
    assert_int_equal(rs_count_hits(scores, labels, 7, 3, 1, &ties), 2);
    assert_int_equal(ties, 2);
    assert_int_equal(rs_count_hits(scores, labels, 7, 3, 2, &ties), 4);
    assert_int_equal(ties, 1);
    assert_int_equal(rs_count_hits(scores, labels, 7, 3, 3, &ties), 7);
    assert_int_equal(ties, 0);
    assert_int_equal(rs_count_hits(scores, labels, 1, 3, 1, NULL), 1);
    assert_int_equal(rs_count_hits(scores, labels, 0, 3, 1, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads_and_kernels),
        cmocka_unit_test(test_batch),
        cmocka_unit_test(test_sharing),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_hook),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_count_hits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
