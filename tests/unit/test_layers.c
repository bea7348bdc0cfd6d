/* Every layer, forward against the oracle and backward against differences of the oracle's loss, on corner and random
 * geometry. */
#include "support/test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/threads.h"
#include "import/caffe/caffe.h"
#include "layers/exec.h"
#include "layers/functions.h"
#include "oracle/layers.h"
#include "support/layer_check.h"

typedef struct window {
    int64_t kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, dilation;
} window;

static void check_convolution(int64_t n, int64_t channels, int64_t height, int64_t width, int64_t outputs,
                              int64_t groups, bool bias, const window *w)
{
    char *text = rs_format(
        "layer { name: 'tested' type: 'Convolution' bottom: 'a' top: 'b' convolution_param { num_output: %d group: %d "
        "kernel_h: %d kernel_w: %d stride_h: %d stride_w: %d pad_h: %d pad_w: %d dilation: %d bias_term: %s } }",
        (int)outputs, (int)groups, (int)w->kernel_h, (int)w->kernel_w, (int)w->stride_h, (int)w->stride_w,
        (int)w->pad_h, (int)w->pad_w, (int)w->dilation, bias ? "true" : "false");
    assert_non_null(text);
    check_middle(text, n, 2, channels, height, width);
    rs_free(text);
}

static void test_convolution(void **state)
{
    (void)state;
    rng = (rs_rng) { .seed = rs_test_seed(), .stream = 2 };
    compared = 0;
    check_convolution(5, 3, 7, 6, 4, 1, true, &(window) { 3, 3, 1, 1, 0, 0, 1 });
    check_convolution(1, 1, 1, 1, 1, 1, true, &(window) { 1, 1, 1, 1, 0, 0, 1 });  /* a single pixel */
    check_convolution(9, 2, 5, 5, 3, 1, false, &(window) { 1, 1, 1, 1, 0, 0, 1 }); /* the image as it is */
    check_convolution(2, 3, 5, 4, 16, 1, true, &(window) { 5, 4, 1, 1, 0, 0, 1 }); /* as large as the image */
    check_convolution(3, 4, 6, 9, 6, 2, true, &(window) { 2, 3, 2, 1, 1, 2, 1 });  /* groups, rectangles */
    check_convolution(2, 6, 5, 5, 6, 6, true, &(window) { 3, 3, 1, 1, 1, 1, 1 });  /* a group a channel */
    check_convolution(2, 2, 9, 9, 3, 1, true,
                      &(window) { 3, 3, 2, 3, 4, 4, 2 }); /* dilation, padding wider than the kernel */
    check_convolution(1, 1, 2, 2, 2, 1, true, &(window) { 5, 5, 3, 3, 4, 4, 1 }); /* an image smaller than the kernel */
    check_convolution(2, 2, 4, 17, 33, 1, true, &(window) { 1, 7, 1, 5, 0, 3, 1 });
    for (int i = 0; i < 25; i++) {
        const int64_t groups = 1 + below(3);
        window w = { 1 + below(4), 1 + below(4), 1 + below(3), 1 + below(3), below(3), below(3), 1 + below(2) };
        const int64_t least_h = w.dilation * (w.kernel_h - 1) + 1 - 2 * w.pad_h;
        const int64_t least_w = w.dilation * (w.kernel_w - 1) + 1 - 2 * w.pad_w;
        const int64_t height = (least_h > 1 ? least_h : 1) + below(8), width = (least_w > 1 ? least_w : 1) + below(8);
        check_convolution(1 + below(6), groups * (1 + below(3)), height, width, groups * (1 + below(5)), groups,
                          below(2), &w);
    }
    print_message("%lld values compared\n", (long long)compared);
    assert_true(compared > 10000);
}

static void check_pooling(const char *method, int64_t n, int64_t channels, int64_t height, int64_t width,
                          const window *w)
{
    char *text =
        w == NULL
            ? rs_format("layer { name: 'tested' type: 'Pooling' bottom: 'a' top: 'b' pooling_param { pool: %s "
                        "global_pooling: true } }",
                        method)
            : rs_format(
                  "layer { name: 'tested' type: 'Pooling' bottom: 'a' top: 'b' pooling_param { pool: %s kernel_h: %d "
                  "kernel_w: %d stride_h: %d stride_w: %d pad_h: %d pad_w: %d } }",
                  method, (int)w->kernel_h, (int)w->kernel_w, (int)w->stride_h, (int)w->stride_w, (int)w->pad_h,
                  (int)w->pad_w);
    assert_non_null(text);
    check_middle(text, n, 3, channels, height, width);
    rs_free(text);
}

/* Caffe's rounding up can put the last window behind the image when strides are larger than kernels; that is refused.
 */
static bool window_outside(int64_t in, int64_t kernel, int64_t stride, int64_t pad)
{
    int64_t windows = 1, covered = kernel;
    for (; covered < in + 2 * pad; covered += stride)
        windows++;
    if (pad > 0 && (windows - 1) * stride >= in + pad)
        windows--;
    return (windows - 1) * stride - pad >= in;
}

static void test_pooling_refused(void **state)
{
    (void)state;
    rng = (rs_rng) { .seed = rs_test_seed(), .stream = 9 };
    rs_diag *diag = rs_diag_new();
    rs_net *net = read_net(
        "layer { name: 'p' type: 'Pooling' bottom: 'data' top: 'p' pooling_param { kernel_size: 1 stride: 3 } }\n",
        RS_TEST, 1, 1, 5, 5, diag);
    rs_exec *exec = NULL;
    rs_assert_error(rs_exec_new(net, 1, false, &exec, diag), RS_BAD_INPUT, diag, "wholly outside of the 5x5 image");
    rs_net_free(net);
    rs_diag_free(diag);
}

static void test_pooling(void **state)
{
    (void)state;
    rng = (rs_rng) { .seed = rs_test_seed(), .stream = 3 };
    compared = 0;
    for (int m = 0; m < 2; m++) {
        const char *method = m == 0 ? "MAX" : "AVE";
        check_pooling(method, 5, 3, 8, 6, &(window) { 2, 2, 2, 2, 0, 0, 1 });
        check_pooling(method, 2, 2, 7, 5, &(window) { 2, 2, 2, 2, 0, 0, 1 }); /* odd: the last window hangs over */
        check_pooling(method, 2, 2, 10, 10, &(window) { 3, 3, 2, 2, 0, 0, 1 });
        check_pooling(method, 2, 1, 6, 6, &(window) { 3, 3, 2, 2, 1, 1, 1 }); /* clipped on both sides */
        check_pooling(method, 1, 1, 1, 1, &(window) { 1, 1, 1, 1, 0, 0, 1 });
        check_pooling(method, 3, 2, 5, 4, &(window) { 5, 4, 1, 1, 0, 0, 1 });
        check_pooling(method, 2, 2, 9, 9, &(window) { 2, 3, 4, 4, 0, 0, 1 }); /* stride larger than the kernel */
        check_pooling(method, 3, 4, 6, 7, NULL);
        for (int i = 0; i < 20; i++) {
            window w = { 1 + below(4), 1 + below(4), 1 + below(4), 1 + below(4), 0, 0, 1 };
            w.pad_h = below(w.kernel_h);
            w.pad_w = below(w.kernel_w);
            const int64_t height = w.kernel_h + below(7), width = w.kernel_w + below(7);
            if (window_outside(height, w.kernel_h, w.stride_h, w.pad_h) ||
                window_outside(width, w.kernel_w, w.stride_w, w.pad_w))
                continue;
            check_pooling(method, 1 + below(5), 1 + below(3), height, width, &w);
        }
    }
    print_message("%lld values compared\n", (long long)compared);
    assert_true(compared > 10000);
}

static void test_relu_and_inner_product(void **state)
{
    (void)state;
    rng = (rs_rng) { .seed = rs_test_seed(), .stream = 4 };
    compared = 0;
    check_middle("layer { name: 'tested' type: 'ReLU' bottom: 'a' top: 'b' }", 5, 2, 3, 4, 5);
    check_middle("layer { name: 'tested' type: 'ReLU' bottom: 'a' top: 'b' relu_param { negative_slope: 0.25 } }", 5, 2,
                 3, 4, 5);
    check_middle("layer { name: 'in place' type: 'ReLU' bottom: 'a' top: 'a' relu_param { negative_slope: 0.5 } }\n"
                 "layer { name: 'tested' type: 'ReLU' bottom: 'a' top: 'b' relu_param { negative_slope: -0.5 } }",
                 6, 2, 3, 4, 5);
    check_middle(
        "layer { name: 'tested' type: 'InnerProduct' bottom: 'a' top: 'b' inner_product_param { num_output: 70 } }\n"
        "layer { name: 'in place' type: 'ReLU' bottom: 'b' top: 'b' }",
        7, 2, 3, 9, 5);
    check_middle("layer { name: 'tested' type: 'InnerProduct' bottom: 'a' top: 'b' inner_product_param { num_output: 1 "
                 "bias_term: false } }",
                 1, 1, 1, 1, 1);
    check_middle("layer { name: 'tested' type: 'Softmax' bottom: 'a' top: 'b' }", 3, 2, 4, 2, 3);
    check_middle(
        "layer { name: 'more' type: 'InnerProduct' bottom: 'a' top: 'c' inner_product_param { num_output: 6 } }\n"
        "layer { name: 'tested' type: 'Softmax' bottom: 'c' top: 'b' }",
        3, 2, 4, 2, 3);
    print_message("%lld values compared\n", (long long)compared);
    assert_true(compared > 1000);
}

/* A blob that several layers read gets the sum of their gradients; a branch without a loss gets none. */
static void test_branches(void **state)
{
    (void)state;
    rng = (rs_rng) { .seed = rs_test_seed(), .stream = 5 };
    compared = 0;
    check_net(
        "layer { name: 'c1' type: 'Convolution' bottom: 'data' top: 'a' convolution_param { num_output: 3 kernel_size: "
        "2 } }\n"
        "layer { name: 'r1' type: 'ReLU' bottom: 'a' top: 'a' }\n"
        "layer { name: 'c2' type: 'Convolution' bottom: 'a' top: 'b' convolution_param { num_output: 2 kernel_size: 3 "
        "pad: 1 } }\n"
        "layer { name: 'c3' type: 'Convolution' bottom: 'a' top: 'c' convolution_param { num_output: 4 kernel_size: 1 "
        "} }\n"
        "layer { name: 'p4' type: 'Pooling' bottom: 'a' top: 'd' pooling_param { pool: MAX kernel_size: 2 stride: 2 } "
        "}\n"
        "layer { name: 'p5' type: 'Pooling' bottom: 'a' top: 'e' pooling_param { pool: AVE kernel_size: 3 } }\n"
        "layer { name: 'r6' type: 'ReLU' bottom: 'a' top: 'f' relu_param { negative_slope: 0.1 } }\n"
        "layer { name: 'i2' type: 'InnerProduct' bottom: 'b' top: 's2' inner_product_param { num_output: 4 } }\n"
        "layer { name: 'i3' type: 'InnerProduct' bottom: 'c' top: 's3' inner_product_param { num_output: 4 } }\n"
        "layer { name: 'i4' type: 'InnerProduct' bottom: 'd' top: 's4' inner_product_param { num_output: 4 } }\n"
        "layer { name: 'i5' type: 'InnerProduct' bottom: 'e' top: 's5' inner_product_param { num_output: 4 } }\n"
        "layer { name: 'i6' type: 'InnerProduct' bottom: 'f' top: 's6' inner_product_param { num_output: 4 } }\n"
        "layer { name: 'i7' type: 'InnerProduct' bottom: 'a' top: 's7' inner_product_param { num_output: 4 } }\n"
        "layer { name: 'dead' type: 'InnerProduct' bottom: 'a' top: 'dead' inner_product_param { num_output: 4 } }\n"
        "layer { name: 'dead too' type: 'Convolution' bottom: 'a' top: 'dead too' convolution_param { num_output: 3 "
        "kernel_size: 2 } }\n"
        "layer { name: 'l2' type: 'SoftmaxWithLoss' bottom: 's2' bottom: 'label' top: 'l2' }\n"
        "layer { name: 'l3' type: 'SoftmaxWithLoss' bottom: 's3' bottom: 'label' top: 'l3' loss_weight: 0.3 }\n"
        "layer { name: 'l4' type: 'SoftmaxWithLoss' bottom: 's4' bottom: 'label' top: 'l4' loss_weight: 2 }\n"
        "layer { name: 'l5' type: 'SoftmaxWithLoss' bottom: 's5' bottom: 'label' top: 'l5' }\n"
        "layer { name: 'l6' type: 'SoftmaxWithLoss' bottom: 's6' bottom: 'label' top: 'l6' }\n"
        "layer { name: 'l7' type: 'SoftmaxWithLoss' bottom: 's7' bottom: 'label' top: 'l7' }\n"
        "layer { name: 'l8' type: 'SoftmaxWithLoss' bottom: 's7' bottom: 'label' top: 'l8' }\n"
        "layer { name: 'hits' type: 'Accuracy' bottom: 's7' bottom: 'label' top: 'hits' accuracy_param { top_k: 2 } "
        "}\n",
        6, 2, 6, 7, 4);
    assert_true(compared > 1000);
}

/* A loss over positions: scores N x C x H x W, a label for each place. */
static void test_loss_by_position(void **state)
{
    (void)state;
    rng = (rs_rng) { .seed = rs_test_seed(), .stream = 10 };
    compared = 0;
    enum { N = 5, HEIGHT = 3, WIDTH = 4, SCORES = 6 };
    rs_diag *diag = rs_diag_new();
    rs_net *net = read_net(
        "layer { name: 'places' type: 'Input' top: 'places' input_param { shape { dim: 5 dim: 1 dim: 3 dim: 4 } } }\n"
        "layer { name: 'c' type: 'Convolution' bottom: 'data' top: 's' convolution_param { num_output: 6 kernel_size: "
        "1 } }\n"
        "layer { name: 'l' type: 'SoftmaxWithLoss' bottom: 's' bottom: 'places' top: 'l' loss_weight: 0.7 }\n",
        RS_TRAIN, N, 2, HEIGHT, WIDTH, diag);
    rs_exec *exec = NULL;
    rs_assert_ok(rs_exec_new(net, N, true, &exec, diag), diag);
    rs_oracle *oracle = rs_oracle_new(net, N);
    set_inputs(net, exec, oracle, N, SCORES);
    const int places = rs_net_blob(net, "places");
    for (int i = 0; i < N * HEIGHT * WIDTH; i++)
        oracle->blobs[places][i] = (double)(rs_exec_blob(exec, places)[i] = (float)below(SCORES));
    double loss;
    rs_assert_ok(rs_exec_forward_backward(exec, N, &loss, diag), diag);
    assert_true(fabs(loss - rs_oracle_run(oracle)) < 1e-5);
    compare_blobs(net, exec, oracle, N);
    compare_gradients(net, exec, oracle);
    assert_true(compared > 100);
    rs_oracle_free(oracle);
    rs_exec_free(exec);
    rs_net_free(net);
    rs_diag_free(diag);
}

static void test_lrn(void **state)
{
    (void)state;
    rng = (rs_rng) { .seed = rs_test_seed(), .stream = 11 };
    compared = 0;
    static const char *const params[] = { "",
                                          "local_size: 3 alpha: 0.5",
                                          "local_size: 1 alpha: 2 beta: 0.5 k: 2",
                                          "local_size: 9 alpha: 1.5 beta: 0.6",
                                          "norm_region: WITHIN_CHANNEL local_size: 3 alpha: 0.9",
                                          "norm_region: WITHIN_CHANNEL alpha: 2",
                                          "norm_region: WITHIN_CHANNEL local_size: 11 alpha: 3 beta: 1" };
    for (size_t i = 0; i < sizeof params / sizeof *params; i++) {
        char *text = rs_format("layer { name: 'tested' type: 'LRN' bottom: 'a' top: 'b' lrn_param { %s } }", params[i]);
        check_middle(text, 5, 2, 7, 5, 6);
        check_middle(text, 1, 1, 1, 1, 1);
        check_middle(text, 2, 2, 3, 9, 17);
        rs_free(text);
    }
    print_message("%lld values compared\n", (long long)compared);
    assert_true(compared > 10000);
}

static void test_joints(void **state)
{
    (void)state;
    rng = (rs_rng) { .seed = rs_test_seed(), .stream = 12 };
    compared = 0;
#define MORE                                                                                                          \
    "layer { name: 'more' type: 'Convolution' bottom: 'a' top: 'c' convolution_param { num_output: 4 kernel_size: 1 " \
    "} }\n"                                                                                                           \
    "layer { name: 'third' type: 'Pooling' bottom: 'c' top: 'd' pooling_param { kernel_size: 3 stride: 1 pad: 1 } }\n"
    static const char *const middles[] = {
        MORE "layer { name: 'tested' type: 'Concat' bottom: 'a' bottom: 'c' bottom: 'a' bottom: 'd' top: 'b' }",
        MORE "layer { name: 'tested' type: 'Concat' bottom: 'c' bottom: 'd' top: 'b' concat_param { axis: 2 } }",
        MORE "layer { name: 'tested' type: 'Concat' bottom: 'c' bottom: 'd' top: 'b' concat_param { axis: -1 } }",
        MORE "layer { name: 'tested' type: 'Concat' bottom: 'c' top: 'b' concat_param { concat_dim: 3 } }",
        MORE "layer { name: 'tested' type: 'Eltwise' bottom: 'a' bottom: 'c' top: 'b' }",
        MORE "layer { name: 'tested' type: 'Eltwise' bottom: 'a' bottom: 'c' bottom: 'd' bottom: 'a' top: 'b' "
             "eltwise_param { coeff: 1 coeff: -0.5 coeff: 2 coeff: 3 } }",
        MORE "layer { name: 'tested' type: 'Eltwise' bottom: 'a' bottom: 'c' bottom: 'd' top: 'b' eltwise_param { "
             "operation: PROD } }",
        MORE
        "layer { name: 'tested' type: 'Eltwise' bottom: 'c' bottom: 'c' top: 'b' eltwise_param { operation: PROD } }",
        MORE "layer { name: 'tested' type: 'Eltwise' bottom: 'a' bottom: 'c' bottom: 'd' top: 'b' eltwise_param { "
             "operation: MAX } }",
        "layer { name: 'tested' type: 'Slice' bottom: 'a' top: 'p' top: 'q' top: 'r' slice_param { slice_point: 1 "
        "slice_point: 2 } }\n"
        "layer { name: 'j' type: 'Concat' bottom: 'r' bottom: 'p' bottom: 'p' top: 'b' }",
        "layer { name: 'tested' type: 'Slice' bottom: 'a' top: 'p' top: 'q' slice_param { axis: -2 } }\n"
        "layer { name: 'j' type: 'Eltwise' bottom: 'p' bottom: 'q' top: 'b' }",
        "layer { name: 'tested' type: 'Split' bottom: 'a' top: 'p' top: 'q' top: 'unused' }\n"
        "layer { name: 'in place' type: 'ReLU' bottom: 'q' top: 'q' }\n"
        "layer { name: 'j' type: 'Concat' bottom: 'p' bottom: 'q' bottom: 'a' top: 'b' }",
        "layer { name: 'tested' type: 'Flatten' bottom: 'a' top: 'b' }",
        "layer { name: 'tested' type: 'Flatten' bottom: 'a' top: 'c' flatten_param { axis: 2 } }\n"
        "layer { name: 'j' type: 'Concat' bottom: 'c' bottom: 'c' top: 'b' concat_param { axis: 2 } }",
        "layer { name: 'tested' type: 'Reshape' bottom: 'a' top: 'c' reshape_param { shape { dim: 0 dim: 2 dim: -1 "
        "dim: 3 } } }\n"
        "layer { name: 'pool' type: 'Pooling' bottom: 'c' top: 'b' pooling_param { kernel_size: 2 } }",
        "layer { name: 'tested' type: 'Reshape' bottom: 'a' top: 'b' reshape_param { axis: 1 num_axes: 2 shape { dim: "
        "-1 } } }",
    };
#undef MORE
    for (size_t i = 0; i < sizeof middles / sizeof *middles; i++)
        check_middle(middles[i], 5, 2, 4, 6, 4);
    print_message("%lld values compared\n", (long long)compared);
    assert_true(compared > 10000);
}

static void test_activations(void **state)
{
    (void)state;
    rng = (rs_rng) { .seed = rs_test_seed(), .stream = 13 };
    compared = 0;
    static const char *const types[] = { "type: 'Sigmoid'",
                                         "type: 'TanH'",
                                         "type: 'ELU'",
                                         "type: 'ELU' elu_param { alpha: 0.4 }",
                                         "type: 'Clip' clip_param { min: -0.3 max: 0.5 }",
                                         "type: 'PReLU'",
                                         "type: 'PReLU' prelu_param { channel_shared: true }",
                                         "type: 'ReLU'",
                                         "type: 'Scale'",
                                         "type: 'Scale' scale_param { bias_term: true }",
                                         "type: 'Bias'",
                                         "type: 'Scale' scale_param { axis: 2 num_axes: -1 }",
                                         "type: 'Scale' scale_param { axis: -1 bias_term: true }",
                                         "type: 'Bias' bias_param { axis: 1 num_axes: 2 }",
                                         "type: 'Scale' scale_param { num_axes: 0 bias_term: true }",
                                         "type: 'BatchNorm'",
                                         "type: 'BatchNorm' batch_norm_param { eps: 0.1 use_global_stats: true }" };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        char *apart = rs_format("layer { name: 'tested' %s bottom: 'a' top: 'b' }", types[i]);
        check_middle(apart, 5, 2, 3, 4, 5);
        /* Of few values, normalized ones hardly depend on the parameters: nothing would be left of the gradient's
         * digits. */
        check_middle(apart, strstr(types[i], "BatchNorm") != NULL ? 9 : 2, 2, 1, 1, 1);
        rs_free(apart);
        /* In place, behind and in front of others that are in place. */
        char *in_place = rs_format(
            "layer { name: 'before' type: 'TanH' bottom: 'a' top: 'a' }\n"
            "layer { name: 'tested' %s bottom: 'a' top: 'a' }\n"
            "layer { name: 'after' type: 'Scale' bottom: 'a' top: 'a' }\n"
            "layer { name: 'last' type: 'ReLU' bottom: 'a' top: 'b' relu_param { negative_slope: 0.5 } }",
            types[i]);
        check_middle(in_place, 6, 2, 3, 5, 3);
        rs_free(in_place);
    }
    print_message("%lld values compared\n", (long long)compared);
    assert_true(compared > 10000);
}

/* QuantizeLinear: the gradient of (1 / 2n) sum (y - t)^2 by hand, with dy/dx = 1 where y lies between the ends of its
 * range and 0 elsewhere. */
static void test_quantize_linear(void **state)
{
    (void)state;
    rng = (rs_rng) { .seed = rs_test_seed(), .stream = 19 };
    enum { N = 7, AREA = 5 * 6 };
    static const struct {
        double scale, zero, least, most;
    } forms[] = { { 0.125, 0, -4, 3 }, { 0.07, 3, 0, 15 }, { 0.5, -1, -2, 1 } };
    int64_t inside = 0, outside = 0;
    for (size_t k = 0; k < sizeof forms / sizeof *forms; k++) {
        rs_diag *diag = rs_diag_new();
        char *text = rs_format(
            "layer { name: 'places' type: 'Input' top: 't' input_param { shape { dim: %d dim: 1 dim: 5 dim: 6 } } }\n"
            "layer { name: 'c' type: 'Convolution' bottom: 'data' top: 'a' convolution_param { num_output: 1 "
            "kernel_size: 1 } }\n"
            "layer { name: 'q' type: 'QuantizeLinear' bottom: 'a' top: 'b' quantize_linear_param { scale: %g "
            "zero_point: %d min: %d max: %d } }\n"
            "layer { name: 'l' type: 'EuclideanLoss' bottom: 'b' bottom: 't' top: 'l' }\n",
            N, forms[k].scale, (int)forms[k].zero, (int)forms[k].least, (int)forms[k].most);
        assert_non_null(text);
        rs_net *net = read_net(text, RS_TRAIN, N, 1, 5, 6, diag);
        rs_free(text);
        rs_exec *exec = NULL;
        rs_assert_ok(rs_exec_new(net, N, true, &exec, diag), diag);
        float *data = rs_exec_blob(exec, rs_net_blob(net, "data")), *target = rs_exec_blob(exec, rs_net_blob(net, "t"));
        for (int i = 0; i < N * AREA; i++) {
            data[i] = value();
            target[i] = value();
        }
        const int c = rs_net_layer(net, "c");
        const float weight = net->layers[c].params[0].data[0] = 1.3f, bias = net->layers[c].params[1].data[0] = 0.06f;
        double loss;
        rs_assert_ok(rs_exec_forward_backward(exec, N, &loss, diag), diag);
        double d_weight = 0.0, d_bias = 0.0;
        for (int i = 0; i < N * AREA; i++) {
            const float x = fmaf(weight, data[i], bias), scale = (float)forms[k].scale;
            const double q = fmin(fmax(nearbyint((double)(x / scale)) + forms[k].zero, forms[k].least), forms[k].most);
            const double y = (q - forms[k].zero) * (double)scale;
            assert_true(fabs((double)rs_exec_blob(exec, rs_net_blob(net, "b"))[i] - y) < 1e-6);
            if (q <= forms[k].least || q >= forms[k].most) {
                outside++;
                continue;
            }
            inside++;
            d_weight += (y - (double)target[i]) * (double)data[i] / N;
            d_bias += (y - (double)target[i]) / N;
        }
        assert_true(fabs((double)rs_exec_gradient(exec, c, 0)[0] - d_weight) <= 1e-5 * (1.0 + fabs(d_weight)));
        assert_true(fabs((double)rs_exec_gradient(exec, c, 1)[0] - d_bias) <= 1e-5 * (1.0 + fabs(d_bias)));
        rs_exec_free(exec);
        rs_net_free(net);
        rs_diag_free(diag);
    }
    print_message("%lld values inside, %lld at the ends\n", (long long)inside, (long long)outside);
    assert_true(inside > 100 && outside > 50);
}

static void test_deconvolution(void **state)
{
    (void)state;
    rng = (rs_rng) { .seed = rs_test_seed(), .stream = 14 };
    compared = 0;
    for (int i = 0; i < 30; i++) {
        const int groups = i == 0 ? 1 : (int)(1 + below(3)), dilation = (int)(1 + below(2));
        const int kernel_h = i == 0 ? 1 : (int)(1 + below(4)), kernel_w = i == 0 ? 1 : (int)(1 + below(4));
        const int pad_h = (int)below((kernel_h + 1) / 2), pad_w = (int)below((kernel_w + 1) / 2);
        char *text = rs_format(
            "layer { name: 'tested' type: 'Deconvolution' bottom: 'a' top: 'b' convolution_param { num_output: %d "
            "group: %d "
            "kernel_h: %d kernel_w: %d stride_h: %d stride_w: %d pad_h: %d pad_w: %d dilation: %d bias_term: %s } }",
            groups * (int)(1 + below(3)), groups, kernel_h, kernel_w, i == 0 ? 1 : (int)(1 + below(3)),
            i == 0 ? 1 : (int)(1 + below(3)), pad_h, pad_w, dilation, below(2) ? "true" : "false");
        check_middle(text, 1 + below(6), 2, groups * (1 + below(3)), 1 + below(6), 1 + below(6));
        rs_free(text);
    }
    print_message("%lld values compared\n", (long long)compared);
    assert_true(compared > 5000);
}

/* Both bottoms of the loss learn. */
static void test_euclidean_loss(void **state)
{
    (void)state;
    rng = (rs_rng) { .seed = rs_test_seed(), .stream = 15 };
    compared = 0;
    check_net(
        "layer { name: 'a' type: 'Convolution' bottom: 'data' top: 'a' convolution_param { num_output: 3 kernel_size: "
        "2 } }\n"
        "layer { name: 'b' type: 'InnerProduct' bottom: 'data' top: 'b' inner_product_param { num_output: 60 } }\n"
        "layer { name: 'l' type: 'EuclideanLoss' bottom: 'a' bottom: 'b' top: 'l' loss_weight: 0.3 }\n"
        "layer { name: 'm' type: 'EuclideanLoss' bottom: 'b' bottom: 'b' top: 'm' }\n",
        6, 2, 5, 6, 4);
    assert_true(compared > 100);
}

/* The stored statistics after two runs, by the formula. */
static void test_batch_norm_statistics(void **state)
{
    (void)state;
    rng = (rs_rng) { .seed = rs_test_seed(), .stream = 16 };
    enum { N = 5, CHANNELS = 3, AREA = 4 * 3 };
    rs_diag *diag = rs_diag_new();
    rs_net *net = read_net(
        "layer { name: 'c' type: 'Convolution' bottom: 'data' top: 'a' convolution_param { num_output: 3 kernel_size: "
        "1 } }\n"
        "layer { name: 'n' type: 'BatchNorm' bottom: 'a' top: 'b' batch_norm_param { moving_average_fraction: 0.9 } }\n"
        "layer { name: 'i' type: 'InnerProduct' bottom: 'b' top: 's' inner_product_param { num_output: 4 } }\n"
        "layer { name: 'l' type: 'SoftmaxWithLoss' bottom: 's' bottom: 'label' top: 'l' }\n",
        RS_TRAIN, N, 2, 4, 3, diag);
    rs_exec *exec = NULL;
    rs_assert_ok(rs_exec_new(net, N, true, &exec, diag), diag);
    rs_oracle *oracle = rs_oracle_new(net, N);
    set_inputs(net, exec, oracle, N, 4);
    const rs_layer *layer = &net->layers[rs_net_layer(net, "n")];
    double mean[CHANNELS], variance[CHANNELS], factor = (double)layer->params[2].data[0];
    for (int c = 0; c < CHANNELS; c++) {
        mean[c] = (double)layer->params[0].data[c];
        variance[c] = (double)layer->params[1].data[c];
    }
    for (int run = 0; run < 2; run++) {
        double loss;
        rs_assert_ok(rs_exec_forward_backward(exec, N, &loss, diag), diag);
        factor = 0.9 * factor + 1.0;
        const float *a = rs_exec_blob(exec, rs_net_blob(net, "a"));
        for (int c = 0; c < CHANNELS; c++) {
            double sum = 0.0, squares = 0.0;
            for (int i = 0; i < N * AREA; i++)
                sum += (double)a[(i / AREA * CHANNELS + c) * AREA + i % AREA];
            for (int i = 0; i < N * AREA; i++)
                squares += pow((double)a[(i / AREA * CHANNELS + c) * AREA + i % AREA] - sum / (N * AREA), 2.0);
            mean[c] = 0.9 * mean[c] + sum / (N * AREA);
            variance[c] = 0.9 * variance[c] + squares / (N * AREA - 1);
            assert_true(fabs((double)layer->params[0].data[c] - mean[c]) < 1e-5);
            assert_true(fabs((double)layer->params[1].data[c] - variance[c]) < 1e-5);
        }
        assert_true(fabs((double)layer->params[2].data[0] - factor) < 1e-5);
    }
    rs_oracle_free(oracle);
    rs_exec_free(exec);
    rs_net_free(net);
    rs_diag_free(diag);
}

/* The functions against the C library's in double, to the last bit or two. */
static void test_functions(void **state)
{
    (void)state;
    rng = (rs_rng) { .seed = rs_test_seed(), .stream = 17 };
    compared = 0;
    for (int i = 0; i < 20000; i++) {
        const float x = value() * (i % 2 == 0 ? 1.0f : 60.0f) * (i % 3 == 0 ? 1e-3f : 1.0f), y = value() * 3.0f,
                    up = fabsf(x) + 1e-6f;
        const double pairs[][2] = { { (double)rs_exp(x), exp((double)x) },
                                    { (double)rs_expm1(-up), expm1(-(double)up) },
                                    { (double)rs_sigmoid(x), 1.0 / (1.0 + exp(-(double)x)) },
                                    { (double)rs_tanh(x), tanh((double)x) },
                                    { (double)rs_power(up, y), pow((double)up, (double)y) } };
        for (size_t k = 0; k < sizeof pairs / sizeof *pairs; k++) {
            if (!(fabs(pairs[k][0] - pairs[k][1]) <= 6e-8 * fabs(pairs[k][1]) + 1e-45))
                fail_msg("function %zu of %.9g, %.9g: %.9g, expected %.9g", k, (double)x, (double)y, pairs[k][0],
                         pairs[k][1]);
            compared++;
        }
    }
    assert_true(rs_exp(-200.0f) == 0.0f && isinf(rs_exp(90.0f)) && isnan(rs_exp(NAN)) && rs_exp(0.0f) == 1.0f);
    assert_true(rs_sigmoid(-500.0f) == 0.0f && rs_sigmoid(500.0f) == 1.0f && isnan(rs_sigmoid(NAN)));
    assert_true(rs_tanh(-50.0f) == -1.0f && rs_tanh(50.0f) == 1.0f && rs_tanh(0.0f) == 0.0f && isnan(rs_tanh(NAN)));
    assert_true(rs_power(0.0f, 2.0f) == 0.0f && isinf(rs_power(0.0f, -0.5f)) && isnan(rs_power(-1.0f, 0.5f)) &&
                rs_power(-0.0f, 0.0f) == 1.0f);
    assert_true(compared == 100000);
}

/* Caffe's rule: of equal maxima the first gets the gradient. */
static void test_pooling_ties(void **state)
{
    (void)state;
    rng = (rs_rng) { .seed = rs_test_seed(), .stream = 6 };
    static const struct {
        int kernel, stride, width;
    } shapes[] = {
        { 2, 2, 2 }, { 2, 1, 2 }, { 3, 2, 15 }, { 3, 1, 13 }, { 3, 3, 12 }
    }; /* each of the kernels, and their tails */
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        const int kernel = shapes[s].kernel, stride = shapes[s].stride, width = shapes[s].width;
        rs_diag *diag = rs_diag_new();
        char *text = rs_format(
            "layer { name: 'first' type: 'Convolution' bottom: 'data' top: 'a' convolution_param { num_output: 1 "
            "kernel_size: 1 } }\n"
            "layer { name: 'pool' type: 'Pooling' bottom: 'a' top: 'b' pooling_param { pool: MAX kernel_size: %d "
            "stride: %d } }\n"
            "layer { name: 'i' type: 'InnerProduct' bottom: 'b' top: 's' inner_product_param { num_output: 2 } }\n"
            "layer { name: 'l' type: 'SoftmaxWithLoss' bottom: 's' bottom: 'label' top: 'l' }\n",
            kernel, stride);
        rs_net *net = read_net(text, RS_TRAIN, 1, 1, kernel, width, diag);
        rs_exec *exec = NULL;
        rs_assert_ok(rs_exec_new(net, 1, true, &exec, diag), diag);
        /* The weight of 'first' times the pixels; its gradient is pixel times gradient of the pixel that was chosen,
         * over all windows. With the weight zero all pixels of a window tie, and the gradient tells the chosen ones,
         * which are 1, from the others. */
        net->layers[2].params[0].data[0] = 0.0f;
        float *pixels = rs_exec_blob(exec, rs_net_blob(net, "data"));
        for (int i = 0; i < kernel * width; i++)
            pixels[i] = i % stride == 0 && i <= width - kernel ? 1.0f : (float)(2 + i);
        rs_exec_blob(exec, rs_net_blob(net, "label"))[0] = 1.0f;
        double loss;
        rs_assert_ok(rs_exec_forward_backward(exec, 1, &loss, diag), diag);
        const double by_pixel = (double)rs_exec_gradient(exec, 2, 0)[0],
                     by_bias = (double)rs_exec_gradient(exec, 2, 1)[0];
        assert_true(by_bias != 0.0);
        if (fabs(by_pixel - by_bias) > 1e-5 * fabs(by_bias))
            fail_msg("windows of %d, stride %d: not the first of the equal pixels: %.9g, expected %.9g", kernel, stride,
                     by_pixel, by_bias);
        rs_exec_free(exec);
        rs_net_free(net);
        rs_free(text);
        rs_diag_free(diag);
    }
}

/* Softmax of large scores neither overflows nor loses the sum of one; a score that is not a number is not hidden. */
static void test_softmax_extremes(void **state)
{
    (void)state;
    rng = (rs_rng) { .seed = rs_test_seed(), .stream = 7 };
    rs_diag *diag = rs_diag_new();
    rs_net *net = read_net("layer { name: 'p' type: 'Softmax' bottom: 'data' top: 'p' }\n", RS_TEST, 4, 3, 1, 1, diag);
    rs_exec *exec = NULL;
    rs_assert_ok(rs_exec_new(net, 4, false, &exec, diag), diag);
    const float in[12] = { 1e30f, 0, -1e30f, 88, 88, 88, -200, -100, 0, NAN, 1, 2 };
    memcpy(rs_exec_blob(exec, rs_net_blob(net, "data")), in, sizeof in);
    rs_assert_ok(rs_exec_forward(exec, 0, net->n_layers, 4, NULL, diag), diag);
    const float *p = rs_exec_blob(exec, rs_net_blob(net, "p"));
    assert_true(p[0] == 1.0f && p[1] == 0.0f && p[2] == 0.0f);
    for (int i = 3; i < 6; i++)
        assert_true(fabsf(p[i] - 1.0f / 3.0f) < 1e-7f);
    assert_true(p[6] == 0.0f && p[7] > 0.0f && p[7] < 1e-43f && p[8] == 1.0f);
    assert_true(isnan(p[9]) && isnan(p[10]) && isnan(p[11]));
    rs_exec_free(exec);
    rs_net_free(net);
    rs_diag_free(diag);
}

/* What dropout kept is read off its output; the rest is checked against the oracle with the same choice. */
static void test_dropout(void **state)
{
    (void)state;
    rng = (rs_rng) { .seed = rs_test_seed(), .stream = 8 };
    compared = 0;
    static const char *const layers =
        "layer { name: 'c' type: 'Convolution' bottom: 'data' top: 'a' convolution_param { num_output: 8 kernel_size: "
        "3 } }\n"
        "layer { name: 'd' type: 'Dropout' bottom: 'a' top: 'b' dropout_param { dropout_ratio: 0.3 } }\n"
        "layer { name: 'i' type: 'InnerProduct' bottom: 'b' top: 's' inner_product_param { num_output: 4 } }\n"
        "layer { name: 'l' type: 'SoftmaxWithLoss' bottom: 's' bottom: 'label' top: 'l' }\n";
    rs_diag *diag = rs_diag_new();
    enum { N = 6 };
    rs_net *net = read_net(layers, RS_TRAIN, N, 2, 10, 10, diag);
    rs_exec *exec = NULL;
    rs_assert_ok(rs_exec_new(net, N, true, &exec, diag), diag);
    rs_oracle *oracle = rs_oracle_new(net, N);
    set_inputs(net, exec, oracle, N, 4);
    const int layer = rs_net_layer(net, "d"), blob = rs_net_blob(net, "b"), in = rs_net_blob(net, "a");
    const int64_t count = N * rs_exec_blob_size(exec, blob);
    double *kept = calloc((size_t)count, sizeof *kept);
    float *before = calloc((size_t)count, sizeof *before);
    double loss;
    for (uint64_t iteration = 0; iteration < 2; iteration++) {
        rs_exec_set_random(exec, 9, iteration);
        rs_assert_ok(rs_exec_forward_backward(exec, N, &loss, diag), diag);
        int64_t n_kept = 0, differ = 0;
        for (int64_t i = 0; i < count; i++) {
            const float x = rs_exec_blob(exec, in)[i], y = rs_exec_blob(exec, blob)[i];
            assert_true(y == 0.0f || fabsf(y - x / 0.7f) <= 1e-6f * fabsf(x));
            kept[i] = y != 0.0f ? 1.0 / 0.7 : 0.0;
            n_kept += y != 0.0f;
            differ += y != before[i];
            before[i] = y;
        }
        assert_true(fabs((double)n_kept / (double)count - 0.7) < 0.04);
        assert_true(differ > count / 10); /* another choice in each iteration */
        oracle->kept[layer] = kept;
        assert_true(fabs(loss - rs_oracle_run(oracle)) < 1e-5);
        compare_blobs(net, exec, oracle, N);
        compare_gradients(net, exec, oracle);
    }
    rs_oracle_free(oracle);
    rs_exec_free(exec);
    rs_net_free(net);
    /* In the test phase nothing is dropped. */
    net = read_net(layers, RS_TEST, N, 2, 10, 10, diag);
    rs_assert_ok(rs_exec_new(net, N, false, &exec, diag), diag);
    oracle = rs_oracle_new(net, N);
    set_inputs(net, exec, oracle, N, 4);
    rs_assert_ok(rs_exec_forward(exec, 0, net->n_layers, N, &loss, diag), diag);
    assert_true(fabs(loss - rs_oracle_run(oracle)) < 1e-5);
    compare_blobs(net, exec, oracle, N);
    rs_oracle_free(oracle);
    rs_exec_free(exec);
    rs_net_free(net);
    free(kept);
    free(before);
    rs_diag_free(diag);
    assert_true(compared > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_convolution),
        cmocka_unit_test(test_pooling),
        cmocka_unit_test(test_relu_and_inner_product),
        cmocka_unit_test(test_branches),
        cmocka_unit_test(test_lrn),
        cmocka_unit_test(test_joints),
        cmocka_unit_test(test_activations),
        cmocka_unit_test(test_quantize_linear),
        cmocka_unit_test(test_deconvolution),
        cmocka_unit_test(test_euclidean_loss),
        cmocka_unit_test(test_batch_norm_statistics),
        cmocka_unit_test(test_functions),
        cmocka_unit_test(test_loss_by_position),
        cmocka_unit_test(test_pooling_ties),
        cmocka_unit_test(test_pooling_refused),
        cmocka_unit_test(test_softmax_extremes),
        cmocka_unit_test(test_dropout),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
