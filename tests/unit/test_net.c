/* Shapes, output sizes, fillers and names of a net. */
#include "support/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/faults.h"
#include "base/rng.h"
#include "import/caffe/caffe.h"
#include "net/net.h"
#include "support/nets.h"

static rs_net *read_text(const char *text, rs_phase phase)
{
    rs_diag *diag = rs_diag_new();
    const char *path = rs_test_path("net.prototxt");
    rs_test_write(path, text, strlen(text));
    rs_net *net = NULL;
    rs_assert_ok(rs_caffe_read_net(path, phase, &net, diag), diag);
    rs_diag_free(diag);
    return net;
}

static void check_shape_functions(void **state)
{
    (void)state;
    rs_shape s = { 4, { 2, 3, 5, 7 } }, t = s;
    char text[64];
    assert_int_equal(rs_shape_count(&s, 0), 210);
    assert_int_equal(rs_shape_count(&s, 2), 35);
    assert_int_equal(rs_shape_count(&s, 4), 1);
    assert_string_equal(rs_shape_text(&s, text, sizeof text), "2x3x5x7");
    assert_string_equal(rs_shape_text(&s, text, 4), "2x3");
    assert_string_equal(rs_shape_text(&(rs_shape) { 0, { 0 } }, text, sizeof text), "scalar");
    assert_true(rs_shape_equal(&s, &t));
    t.dim[3] = 8;
    assert_false(rs_shape_equal(&s, &t));
    t = s;
    t.n_axes = 3;
    assert_false(rs_shape_equal(&s, &t));
    const int64_t big = INT64_C(1) << 31;
    assert_int_equal(rs_shape_count(&(rs_shape) { 2, { big, big } }, 0), INT64_C(1) << 62);
    assert_int_equal(rs_shape_count(&(rs_shape) { 3, { big, big, 2 } }, 0), -1);
    assert_int_equal(rs_shape_count(&(rs_shape) { 3, { big, big, 0 } }, 0), 0);
    assert_int_equal(rs_shape_count(&(rs_shape) { 2, { INT64_MAX, INT64_MAX } }, 0), -1);
}

/* Against the meaning of the words: windows are laid from the padding's first element until the input is covered. */
static void check_output_sizes(void **state)
{
    (void)state;
    int64_t compared = 0;
    for (int64_t in = 1; in <= 14; in++)
        for (int64_t kernel = 1; kernel <= 6; kernel++)
            for (int64_t stride = 1; stride <= 5; stride++)
                for (int64_t pad = 0; pad <= 3; pad++) {
                    for (int64_t dilation = 1; dilation <= 3; dilation++) {
                        const int64_t reach = dilation * (kernel - 1); /* from a window's first to its last element */
                        int64_t n = 0;
                        for (int64_t start = -pad; start + reach < in + pad; start += stride)
                            n++;
                        assert_int_equal(rs_convolution_output(in, kernel, stride, pad, dilation), n);
                        compared++;
                    }
                    if (pad >= kernel || kernel > in + 2 * pad)
                        continue;
                    int64_t n = 1, start = -pad;
                    while (start + kernel < in + pad) { /* not all of the padded input is covered */
                        start += stride;
                        n++;
                    }
                    if (pad > 0 && start >= in)
                        n--; /* it would lie in the padding alone */
                    assert_int_equal(rs_pooling_output(in, kernel, stride, pad, false), n);
                    assert_int_equal(rs_pooling_output(in, kernel, stride, pad, true),
                                     rs_convolution_output(in, kernel, stride, pad, 1));
                    compared++;
                }
    assert_int_equal(rs_pooling_output(2, 3, 1, 0, false), 0);
    /* What Caffe gives for well-known layers. */
    assert_int_equal(rs_convolution_output(227, 11, 4, 0, 1), 55); /* CaffeNet conv1 */
    assert_int_equal(rs_pooling_output(55, 3, 2, 0, false), 27);   /* CaffeNet pool1 */
    assert_int_equal(rs_convolution_output(224, 7, 2, 3, 1), 112); /* GoogLeNet conv1 */
    assert_int_equal(rs_pooling_output(112, 3, 2, 0, false), 56);  /* GoogLeNet pool1: 55.5 rounded up */
    assert_int_equal(rs_pooling_output(113, 3, 2, 0, false), 56);  /* SqueezeNet v1.1 pool1 */
    assert_int_equal(rs_pooling_output(32, 3, 2, 0, false), 16);   /* CIFAR-10 Full pool1 */
    print_message("# %d sizes\n", (int)compared);
    assert_true(compared > 4000);
}

static const char lenet[] =
    "layer { name: 'data' type: 'Input' top: 'data' input_param { shape { dim: 64 dim: 1 dim: 28 dim: 28 } } }\n"
    "layer { name: 'conv1' type: 'Convolution' bottom: 'data' top: 'conv1' convolution_param { num_output: 20 "
    "kernel_size: 5\n"
    "  weight_filler { type: 'xavier' } bias_filler { value: 0.5 } } }\n"
    "layer { name: 'pool1' type: 'Pooling' bottom: 'conv1' top: 'pool1' pooling_param { kernel_size: 2 stride: 2 } }\n"
    "layer { name: 'ip1' type: 'InnerProduct' bottom: 'pool1' top: 'ip1' inner_product_param { num_output: 500\n"
    "  weight_filler { type: 'msra' } bias_filler { type: 'uniform' min: -2 max: 3 } } }\n"
    "layer { name: 'relu1' type: 'ReLU' bottom: 'ip1' top: 'ip1' }\n"
    "layer { name: 'ip2' type: 'InnerProduct' bottom: 'ip1' top: 'ip2' inner_product_param { num_output: 10\n"
    "  weight_filler { type: 'gaussian' mean: 1 std: 0.25 } } }\n"
    "layer { name: 'prob' type: 'Softmax' bottom: 'ip2' top: 'prob' }\n";

static void check_lookup(void **state)
{
    (void)state;
    rs_net *net = read_text(lenet, RS_TEST);
    assert_int_equal(rs_net_layer(net, "ip1"), 3);
    assert_int_equal(rs_net_layer(net, "ip9"), -1);
    assert_int_equal(rs_net_blob(net, "ip1"), 3);
    assert_int_equal(rs_net_blob(net, "relu1"), -1);
    assert_int_equal(rs_net_input(net), 0);
    assert_int_equal(rs_net_scores(net), rs_net_blob(net, "ip2"));
    net->n_layers--; /* without the softmax: the last top */
    assert_int_equal(rs_net_scores(net), rs_net_blob(net, "ip2"));
    net->n_layers++;
    assert_string_equal(rs_layer_type_name(RS_LAYER_SOFTMAX_LOSS), "SoftmaxWithLoss");
    assert_string_equal(rs_layer_type_name(RS_LAYER_TYPES), "unknown");
    rs_net_free(net);
    rs_net_free(NULL);
    rs_net *empty = rs_calloc(1, sizeof *empty);
    assert_int_equal(rs_net_scores(empty), -1);
    assert_int_equal(rs_net_input(empty), -1);
    const rs_shape shape = { 1, { 1 } };
    assert_int_equal(rs_net_infer_shapes(empty, &shape, NULL), RS_BAD_INPUT);
    rs_net_free(empty);
}

static void check_param(const rs_net *net, const char *layer, int p, const char *expected)
{
    char text[96];
    const rs_layer *l = &net->layers[rs_net_layer(net, layer)];
    assert_true(p < l->n_params);
    assert_string_equal(rs_shape_text(&l->params[p].shape, text, sizeof text), expected);
    assert_non_null(l->params[p].data);
}

static void check_shapes(void **state)
{
    (void)state;
    rs_diag *diag = rs_diag_new();
    rs_net *net = read_text(lenet, RS_TEST);
    rs_assert_ok(rs_net_infer_shapes(net, NULL, diag), diag);
    const char *const blobs[] = { "64x1x28x28", "64x20x24x24", "64x20x12x12", "64x500", "64x10", "64x10" };
    char text[96];
    assert_int_equal(net->n_blobs, 6);
    for (int i = 0; i < 6; i++)
        assert_string_equal(rs_shape_text(&net->blobs[i].shape, text, sizeof text), blobs[i]);
    check_param(net, "conv1", 0, "20x1x5x5");
    check_param(net, "conv1", 1, "20");
    check_param(net, "ip1", 0, "500x2880");
    check_param(net, "ip2", 1, "10");

    /* Another batch keeps the parameters; another size of images does not fit them. */
    const float *data = net->layers[1].params[0].data;
    const rs_shape batch = { 4, { 7, 1, 28, 28 } }, larger = { 4, { 7, 1, 32, 32 } };
    rs_assert_ok(rs_net_infer_shapes(net, &batch, diag), diag);
    assert_ptr_equal(net->layers[1].params[0].data, data);
    assert_string_equal(rs_shape_text(&net->blobs[5].shape, text, sizeof text), "7x10");
    rs_assert_error(rs_net_infer_shapes(net, &larger, diag), RS_BAD_INPUT, diag,
                    "layer 'ip1': parameter 0 is 500x2880, but for this input it would have to be 500x3920");
    rs_net_free(net);

    net = read_text("layer { name: 'd' type: 'Data' top: 'x' top: 'y' data_param { source: 'a' batch_size: 4 } }\n"
                    "layer { name: 'ip' type: 'InnerProduct' bottom: 'x' top: 'ip'\n"
                    "  inner_product_param { num_output: 3 bias_term: false } }\n"
                    "layer { name: 'acc' type: 'Accuracy' bottom: 'ip' bottom: 'y' top: 'acc' }\n"
                    "layer { name: 'loss' type: 'SoftmaxWithLoss' bottom: 'ip' bottom: 'y' }\n",
                    RS_TRAIN);
    rs_assert_error(rs_net_infer_shapes(net, NULL, diag), RS_BAD_INPUT, diag,
                    "layer 'd' gives no shape for its top 'x'");
    const rs_shape images = { 4, { 9, 2, 3, 3 } };
    rs_assert_ok(rs_net_infer_shapes(net, &images, diag), diag);
    check_param(net, "ip", 0, "3x18");
    assert_int_equal(net->layers[1].n_params, 1);
    assert_string_equal(rs_shape_text(&net->blobs[rs_net_blob(net, "y")].shape, text, sizeof text), "9");
    assert_string_equal(rs_shape_text(&net->blobs[rs_net_blob(net, "acc")].shape, text, sizeof text), "scalar");
    assert_string_equal(rs_shape_text(&net->blobs[rs_net_blob(net, "loss")].shape, text, sizeof text), "scalar");
    assert_true(net->layers[3].loss_weight == 1 && net->layers[2].loss_weight == 0);
    rs_net_free(net);

    net = read_text(
        "layer { name: 'd' type: 'Input' top: 'x' input_param { shape { dim: 2 dim: 6 dim: 7 dim: 9 } } }\n"
        "layer { name: 'g' type: 'Pooling' bottom: 'x' top: 'g' pooling_param { pool: AVE global_pooling: true } }\n"
        "layer { name: 'c' type: 'Convolution' bottom: 'x' top: 'c' convolution_param { num_output: 4 group: 2\n"
        "  kernel_h: 3 kernel_w: 2 stride_h: 2 stride_w: 1 pad_h: 1 pad_w: 0 dilation: 2 dilation: 3 } }\n"
        "layer { name: 'p' type: 'Pooling' bottom: 'x' top: 'p' pooling_param { kernel_h: 3 kernel_w: 4 stride: 2\n"
        "  pad_h: 1 pad_w: 2 } }\n",
        RS_TEST);
    rs_assert_ok(rs_net_infer_shapes(net, NULL, diag), diag);
    assert_string_equal(rs_shape_text(&net->blobs[1].shape, text, sizeof text), "2x6x1x1");
    assert_string_equal(rs_shape_text(&net->blobs[2].shape, text, sizeof text), "2x4x3x6");
    assert_string_equal(rs_shape_text(&net->blobs[3].shape, text, sizeof text), "2x6x4x6");
    assert_int_equal(net->layers[1].pooling.kernel_h, 7);
    assert_int_equal(net->layers[1].pooling.kernel_w, 9);
    check_param(net, "c", 0, "4x3x3x2");
    rs_net_free(net);
    rs_diag_free(diag);
}

/* Mean and standard deviation of a parameter. */
static void moments(const rs_param *p, double *mean, double *std, double *low, double *high)
{
    const int64_t n = rs_shape_count(&p->shape, 0);
    double sum = 0, squares = 0;
    *low = *high = p->data[0];
    for (int64_t i = 0; i < n; i++) {
        const double v = p->data[i];
        sum += v;
        squares += v * v;
        *low = v < *low ? v : *low;
        *high = v > *high ? v : *high;
    }
    *mean = sum / (double)n;
    *std = sqrt(squares / (double)n - *mean * *mean);
}

static void check_fillers(void **state)
{
    (void)state;
    rs_diag *diag = rs_diag_new();
    rs_net *net = read_text(lenet, RS_TEST), *again = read_text(lenet, RS_TEST);
    assert_int_equal(rs_net_fill(net, 1, diag), RS_INTERNAL);
    rs_diag_free(diag);
    diag = rs_diag_new();
    rs_assert_ok(rs_net_infer_shapes(net, NULL, diag), diag);
    rs_assert_ok(rs_net_infer_shapes(again, NULL, diag), diag);
    rs_assert_ok(rs_net_fill(net, 7, diag), diag);
    rs_assert_ok(rs_net_fill(again, 7, diag), diag);
    for (int i = 0; i < net->n_layers; i++)
        for (int p = 0; p < net->layers[i].n_params; p++) {
            const rs_param *a = &net->layers[i].params[p], *b = &again->layers[i].params[p];
            assert_memory_equal(a->data, b->data, (size_t)rs_shape_count(&a->shape, 0) * sizeof(float));
        }

    double mean, std, low, high;
    const double xavier = sqrt(3.0 / 25.0);
    moments(&net->layers[1].params[0], &mean, &std, &low, &high); /* 500 values */
    assert_true(low >= -xavier && low < -0.95 * xavier && high <= xavier && high > 0.95 * xavier);
    assert_true(fabs(mean) < 0.1 * xavier && fabs(std - 0.2) < 0.02);
    moments(&net->layers[1].params[1], &mean, &std, &low, &high);
    assert_true(low == 0.5 && high == 0.5);
    moments(&net->layers[3].params[0], &mean, &std, &low, &high); /* 1,440,000 values */
    assert_true(fabs(mean) < 2e-4 && fabs(std / sqrt(2.0 / 2880.0) - 1) < 0.005);
    moments(&net->layers[3].params[1], &mean, &std, &low, &high);
    assert_true(low >= -2 && low < -1.9 && high < 3 && high > 2.9);
    moments(&net->layers[5].params[0], &mean, &std, &low, &high);
    assert_true(fabs(mean - 1) < 0.02 && fabs(std - 0.25) < 0.02);

    /* Another seed, other values; and two parameters of equal filler differ. */
    rs_assert_ok(rs_net_fill(again, 8, diag), diag);
    assert_true(net->layers[1].params[0].data[0] != again->layers[1].params[0].data[0]);
    rs_net_free(again);
    rs_net_free(net);

    const struct {
        const char *norm;
        double n; /* of a 8 x 6 x 3 x 3 parameter: fan in 54, fan out 72 */
    } norms[] = { { "FAN_IN", 54 }, { "FAN_OUT", 72 }, { "AVERAGE", 63 } };
    for (int i = 0; i < 3; i++) {
        char *text = rs_format(
            "layer { name: 'd' type: 'Input' top: 'x' input_param { shape { dim: 1 dim: 6 dim: 9 dim: 9 } } }\n"
            "layer { name: 'c' type: 'Convolution' bottom: 'x' top: 'c' convolution_param { num_output: 8\n"
            "  kernel_size: 3 weight_filler { type: 'xavier' variance_norm: %s } } }\n",
            norms[i].norm);
        net = read_text(text, RS_TEST);
        rs_free(text);
        rs_assert_ok(rs_net_infer_shapes(net, NULL, diag), diag);
        rs_assert_ok(rs_net_fill(net, 3, diag), diag);
        moments(&net->layers[1].params[0], &mean, &std, &low, &high);
        const double bound = sqrt(3 / norms[i].n);
        assert_true(high <= bound && high > 0.97 * bound && low >= -bound && low < -0.97 * bound);
        rs_net_free(net);
    }
    rs_diag_free(diag);
}

/* Every allocation fails once; nothing leaks (the sanitizer build looks) and the error is said. */
static void check_allocation_failures(void **state)
{
    (void)state;
    const char *path = rs_test_path("faults.prototxt");
    rs_test_write(path, lenet, strlen(lenet));
    int failed = 0;
    for (uint64_t n = 1;; n++) {
        rs_diag *diag = rs_diag_new();
        rs_net *net = NULL;
        rs_fault_arm(RS_FAULT_ALLOC, n);
        rs_status st = rs_caffe_read_net(path, RS_TEST, &net, diag);
        if (st == RS_OK)
            st = rs_net_infer_shapes(net, NULL, diag);
        const bool struck = rs_fault_count(RS_FAULT_ALLOC) >= n;
        rs_fault_arm(RS_FAULT_ALLOC, 0);
        if (st != RS_OK) {
            assert_true(struck);
            assert_int_equal(st, RS_RESOURCE);
            assert_int_equal(rs_diag_status(diag), RS_RESOURCE);
            failed++;
        }
        rs_net_free(net);
        rs_diag_free(diag);
        if (!struck)
            break;
    }
    print_message("# %d failures injected\n", failed);
    assert_true(failed > 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_shape_functions), cmocka_unit_test(check_output_sizes),
        cmocka_unit_test(check_lookup),          cmocka_unit_test(check_shapes),
        cmocka_unit_test(check_fillers),         cmocka_unit_test(check_allocation_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
