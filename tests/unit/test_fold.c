/* Folding batch normalization, scales and biases into the layers before them: the net computes the same, from its own
 * file as well. */
#include "support/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "import/caffe/caffe.h"
#include "layers/exec.h"

static rs_rng rng;

static float value(void)
{
    return (float)((double)(int64_t)(rs_rng_next(&rng) >> 40) / 8388608.0 - 1.0);
}

enum { IMAGES = 3 };

static const char TEXT[] =
    "layer { name: 'data' type: 'Input' top: 'data' input_param { shape { dim: 3 dim: 4 dim: 9 dim: 8 } } }\n"
    "layer { name: 'conv1' type: 'Convolution' bottom: 'data' top: 'conv1' convolution_param { num_output: 6 "
    "kernel_size: 3 bias_term: false } }\n"
    "layer { name: 'bn1' type: 'BatchNorm' bottom: 'conv1' top: 'conv1' }\n"
    "layer { name: 'scale1' type: 'Scale' bottom: 'conv1' top: 'conv1' scale_param { bias_term: true } }\n"
    "layer { name: 'relu1' type: 'ReLU' bottom: 'conv1' top: 'conv1' }\n"
    "layer {\n  name: 'conv2'\n  type: 'Convolution'\n  bottom: 'conv1'\n  top: 'conv2'\n  convolution_param { "
    "num_output: 4 kernel_h: 1 kernel_w: 3 group: 2 }\n}\n"
    "layer {\n  name: 'bn2'\n  type: 'BatchNorm'\n  bottom: 'conv2'\n  top: 'bn2'\n  batch_norm_param { eps: 0.01 "
    "}\n}\n"
    "layer { name: 'bias2' type: 'Bias' bottom: 'bn2' top: 'bias2' }\n"
    "layer { name: 'pool' type: 'Pooling' bottom: 'bias2' top: 'pool' pooling_param { kernel_size: 2 stride: 2 } }\n"
    "layer { name: 'stays' type: 'Scale' bottom: 'pool' top: 'stays' }\n"
    "layer { name: 'up' type: 'Deconvolution' bottom: 'stays' top: 'up' convolution_param { num_output: 6 kernel_size: "
    "2 stride: 2 group: 2 bias_term: false } }\n"
    "layer { name: 'scale3' type: 'Scale' bottom: 'up' top: 'scale3' }\n"
    "layer { name: 'two' type: 'Convolution' bottom: 'scale3' top: 'two' convolution_param { num_output: 5 "
    "kernel_size: 1 } }\n"
    "layer { name: 'read too' type: 'Scale' bottom: 'two' top: 'read too' }\n"
    "layer { name: 'sum' type: 'Eltwise' bottom: 'two' bottom: 'read too' top: 'sum' }\n"
    "layer { name: 'ip' type: 'InnerProduct' bottom: 'sum' top: 'ip' inner_product_param { num_output: 7 bias_term: "
    "false } }\n"
    "layer { name: 'bn4' type: 'BatchNorm' bottom: 'ip' top: 'bn4' }\n"
    "layer { name: 'prob' type: 'Softmax' bottom: 'bn4' top: 'prob' }\n";

static rs_net *read_net(const char *path, rs_diag *diag)
{
    rs_net *net = NULL;
    rs_assert_ok(rs_caffe_read_net(path, RS_TEST, &net, diag), diag);
    rs_assert_ok(rs_net_infer_shapes(net, NULL, diag), diag);
    return net;
}

static rs_net *make_net(rs_diag *diag)
{
    const char *path = rs_test_path("net.prototxt");
    rs_test_write(path, TEXT, sizeof TEXT - 1);
    rs_net *net = read_net(path, diag);
    for (int i = 0; i < net->n_layers; i++)
        for (int p = 0; p < net->layers[i].n_params; p++)
            for (int64_t j = 0; j < rs_shape_count(&net->layers[i].params[p].shape, 0); j++) {
                float *x = &net->layers[i].params[p].data[j];
                *x = value();
                if (net->layers[i].type == RS_LAYER_BATCH_NORM && p > 0)
                    *x = 0.5f + fabsf(*x);
            }
    return net;
}

/* Output of blob `name`; the caller frees it. */
static float *run(const rs_net *net, const char *name, const float *input, int64_t *count, rs_diag *diag)
{
    rs_exec *exec = NULL;
    rs_assert_ok(rs_exec_new(net, IMAGES, false, &exec, diag), diag);
    const int in = rs_net_input(net), out = rs_net_blob(net, name);
    assert_true(out >= 0);
    memcpy(rs_exec_blob(exec, in), input, (size_t)(IMAGES * rs_exec_blob_size(exec, in)) * sizeof *input);
    rs_assert_ok(rs_exec_forward(exec, 0, net->n_layers, IMAGES, NULL, diag), diag);
    *count = IMAGES * rs_exec_blob_size(exec, out);
    float *copy = malloc((size_t)*count * sizeof *copy);
    assert_non_null(copy);
    memcpy(copy, rs_exec_blob(exec, out), (size_t)*count * sizeof *copy);
    rs_exec_free(exec);
    return copy;
}

static const char *const COMPARED[] = { "conv1", "bias2", "stays", "scale3", "sum", "bn4", "prob" };
enum { BLOBS = sizeof COMPARED / sizeof *COMPARED };

static int64_t compare(const rs_net *net, const float *input, float *const expected[BLOBS], rs_diag *diag)
{
    int64_t compared = 0;
    for (int b = 0; b < BLOBS; b++) {
        int64_t count;
        float *got = run(net, COMPARED[b], input, &count, diag);
        for (int64_t i = 0; i < count; i++, compared++)
            if (!(fabsf(got[i] - expected[b][i]) <= 2e-5f * (1.0f + fabsf(expected[b][i]))))
                fail_msg("blob %s, element %lld: %.9g, expected %.9g", COMPARED[b], (long long)i, (double)got[i],
                         (double)expected[b][i]);
        free(got);
    }
    return compared;
}

static void check_fold(void **state)
{
    (void)state;
    rng = (rs_rng) { .seed = rs_test_seed(), .stream = 1 };
    rs_diag *diag = rs_diag_new();
    rs_net *net = make_net(diag);
    float input[IMAGES * 4 * 9 * 8], *expected[BLOBS];
    for (size_t i = 0; i < sizeof input / sizeof *input; i++)
        input[i] = value();
    for (int b = 0; b < BLOBS; b++) {
        int64_t count;
        expected[b] = run(net, COMPARED[b], input, &count, diag);
    }
    const int layers = net->n_layers, blobs = net->n_blobs;
    rs_assert_ok(rs_net_fold(net, diag), diag);
    assert_int_equal(net->n_folded, 6); /* bn1 scale1 bn2 bias2 scale3 bn4 */
    assert_int_equal(net->n_layers, layers - 6);
    assert_int_equal(net->n_blobs, blobs - 4); /* conv2 bn2 up ip */
    assert_true(rs_net_layer(net, "bn1") < 0 && rs_net_layer(net, "stays") >= 0 && rs_net_layer(net, "read too") >= 0);
    assert_true(rs_net_blob(net, "conv2") < 0 && rs_net_blob(net, "conv1") >= 0);
    assert_true(net->layers[rs_net_layer(net, "conv1")].convolution.bias &&
                net->layers[rs_net_layer(net, "ip")].inner_product.bias);
    int64_t compared = compare(net, input, expected, diag);
    rs_assert_ok(rs_net_infer_shapes(net, NULL, diag), diag); /* consistent with itself */
    rs_assert_ok(rs_net_fold(net, diag), diag);
    assert_int_equal(net->n_folded, 6); /* nothing is left to fold */

    /* The description and the weights that go with it, read back. */
    net->layers[rs_net_layer(net, "conv1")].quantization =
        (rs_quantization_param) { .present = true, .bw_layer_in = 8, .bw_layer_out = 8, .bw_params = 8 };
    net->layers[rs_net_layer(net, "conv2")].quantization = net->layers[rs_net_layer(net, "ip")].quantization =
        net->layers[rs_net_layer(net, "conv1")].quantization;
    char *quantized = rs_strdup(rs_test_path("quantized.prototxt")),
         *weights = rs_strdup(rs_test_path("folded.caffemodel"));
    rs_layer *up = &net->layers[rs_net_layer(net, "up")];
    assert_true(up->convolution.bias);
    rs_assert_ok(rs_caffe_write_quantized(rs_test_path("net.prototxt"), net, quantized, diag), diag);
    rs_assert_ok(rs_caffe_write_weights(net, weights, diag), diag);
    rs_net *back = read_net(quantized, diag);
    assert_int_equal(back->n_layers, net->n_layers);
    assert_true(back->layers[rs_net_layer(back, "conv1")].quantization.present);
    rs_assert_ok(rs_caffe_read_weights(weights, back, diag), diag);
    compared += compare(back, input, expected, diag);
    print_message("%lld values compared\n", (long long)compared);
    assert_true(compared > 4000);
    rs_net_free(back);
    rs_net_free(net);
    rs_free(quantized);
    rs_free(weights);
    for (int b = 0; b < BLOBS; b++)
        free(expected[b]);
    rs_diag_free(diag);
}

static void check_bad_variance(void **state)
{
    (void)state;
    rng = (rs_rng) { .seed = rs_test_seed(), .stream = 2 };
    rs_diag *diag = rs_diag_new();
    rs_net *net = make_net(diag);
    net->layers[rs_net_layer(net, "bn2")].params[1].data[2] = -7.0f;
    rs_assert_error(rs_net_fold(net, diag), RS_BAD_INPUT, diag, "layer 'bn2' (BatchNorm): the variance");
    rs_net_free(net);
    rs_diag_free(diag);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(check_fold), cmocka_unit_test(check_bad_variance) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
