/* How tests of layers work: a small net is run, values are compared with the oracle's, and gradients with differences
 * of the oracle's loss. Each test program has its own copy of these. */
#ifndef RISTRETTO_TESTS_SUPPORT_LAYER_CHECK_H
#define RISTRETTO_TESTS_SUPPORT_LAYER_CHECK_H

#include "support/test.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "import/caffe/caffe.h"
#include "layers/exec.h"
#include "oracle/layers.h"

static rs_rng rng;
static int64_t compared;

static inline int64_t below(int64_t n)
{
    return (int64_t)(rs_rng_next(&rng) % (uint64_t)n);
}

static inline float value(void)
{
    return (float)((double)(int64_t)(rs_rng_next(&rng) >> 40) / 8388608.0 - 1.0);
}

static inline rs_net *read_net(const char *layers, rs_phase phase, int64_t n, int64_t channels, int64_t height,
                               int64_t width, rs_diag *diag)
{
    char *text = rs_format(
        "layer { name: 'data' type: 'Input' top: 'data' input_param { shape { dim: %d dim: %d dim: %d dim: %d } } }\n"
        "layer { name: 'label' type: 'Input' top: 'label' input_param { shape { dim: %d } } }\n%s",
        (int)n, (int)channels, (int)height, (int)width, (int)n, layers);
    assert_non_null(text);
    const char *path = rs_test_path("net.prototxt");
    rs_test_write(path, text, strlen(text));
    rs_free(text);
    rs_net *net = NULL;
    rs_assert_ok(rs_caffe_read_net(path, phase, &net, diag), diag);
    rs_assert_ok(rs_net_infer_shapes(net, NULL, diag), diag);
    for (int i = 0; i < net->n_layers; i++)
        for (int p = 0; p < net->layers[i].n_params; p++) {
            const rs_param *param = &net->layers[i].params[p];
            const int64_t count = rs_shape_count(&param->shape, 0);
            for (int64_t j = 0; j < count; j++)
                param->data[j] = value() * 0.7f;
            if (net->layers[i].type == RS_LAYER_BATCH_NORM && p > 0) /* a variance, and a factor */
                for (int64_t j = 0; j < count; j++)
                    param->data[j] = 1.0f + fabsf(param->data[j]);
        }
    return net;
}

static inline void set_inputs(const rs_net *net, rs_exec *exec, rs_oracle *oracle, int64_t n, int64_t classes)
{
    const int data = rs_net_blob(net, "data"), label = rs_net_blob(net, "label");
    for (int64_t i = 0; i < n * rs_exec_blob_size(exec, data); i++)
        oracle->blobs[data][i] = (double)(rs_exec_blob(exec, data)[i] = value());
    for (int64_t i = 0; i < n; i++)
        oracle->blobs[label][i] = (double)(rs_exec_blob(exec, label)[i] = (float)below(classes));
}

static inline void compare_blobs(const rs_net *net, rs_exec *exec, const rs_oracle *oracle, int64_t n)
{
    for (int b = 0; b < net->n_blobs; b++) {
        const bool one = net->blobs[b].shape.n_axes == 0;
        const int64_t count = one ? 1 : n * rs_exec_blob_size(exec, b);
        for (int64_t i = 0; i < count; i++) {
            const double got = (double)rs_exec_blob(exec, b)[i], expected = oracle->blobs[b][i];
            if (!(fabs(got - expected) <= 2e-5 * (1.0 + fabs(expected))))
                fail_msg("blob %s, element %lld: %.9g, expected %.9g", net->blobs[b].name, (long long)i, got, expected);
            compared++;
        }
    }
}

/* The gradient of some elements of every parameter against (loss(w + h) - loss(w - h)) / 2h in double. */
static inline void compare_gradients(const rs_net *net, rs_exec *exec, rs_oracle *oracle)
{
    const double h = 1e-7; /* small, so that few values cross a kink within it; the oracle has the digits */
    for (int l = 0; l < net->n_layers; l++) {
        double largest = 0.0;
        for (int p = 0; p < net->layers[l].n_params; p++)
            for (int64_t i = 0; i < rs_shape_count(&net->layers[l].params[p].shape, 0); i++)
                largest = fmax(largest, fabs((double)rs_exec_gradient(exec, l, p)[i]));
        for (int p = 0; p < net->layers[l].n_params && net->layers[l].type != RS_LAYER_BATCH_NORM; p++) {
            const int64_t count = rs_shape_count(&net->layers[l].params[p].shape, 0);
            const float *gradient = rs_exec_gradient(exec, l, p);
            for (int64_t k = 0; k < 24 && k < count; k++) {
                const int64_t i = count <= 24 ? k : below(count);
                double *w = &oracle->params[l * RS_MAX_PARAMS + p][i];
                const double old = *w;
                *w = old + h;
                const double above = rs_oracle_run(oracle);
                *w = old - h;
                const double below_it = rs_oracle_run(oracle);
                *w = old;
                const double expected = (above - below_it) / (2.0 * h);
                if (!(fabs((double)gradient[i] - expected) <= 1e-4 * (largest + fabs(expected)) + 2e-6))
                    fail_msg("layer %s, parameter %d, element %lld: gradient %.9g, expected %.9g", net->layers[l].name,
                             p, (long long)i, (double)gradient[i], expected);
                compared++;
            }
        }
    }
}

/* Forward (inference and training executors) and backward of a net. classes: of its loss. */
static inline void check_net(const char *layers, int64_t n, int64_t channels, int64_t height, int64_t width,
                             int64_t classes)
{
    rs_diag *diag = rs_diag_new();
    rs_net *net = read_net(layers, RS_TRAIN, n, channels, height, width, diag);
    for (int training = 0; training < 2; training++) {
        rs_exec *exec = NULL;
        rs_assert_ok(rs_exec_new(net, n, training, &exec, diag), diag);
        rs_oracle *oracle = rs_oracle_new(net, n);
        set_inputs(net, exec, oracle, n, classes);
        const double expected = rs_oracle_run(oracle);
        double loss = -1.0;
        if (training)
            rs_assert_ok(rs_exec_forward_backward(exec, n, &loss, diag), diag);
        else
            rs_assert_ok(rs_exec_forward(exec, 0, net->n_layers, n, &loss, diag), diag);
        compare_blobs(net, exec, oracle, n);
        assert_true(fabs(loss - expected) <= 1e-5 * (1.0 + fabs(expected)));
        if (training)
            compare_gradients(net, exec, oracle);
        rs_oracle_free(oracle);
        rs_exec_free(exec);
    }
    rs_net_free(net);
    rs_diag_free(diag);
}

/* A layer between a convolution (so that its gradient to below is seen) and a classifier. `middle` reads 'a' and writes
 * 'b'. */
static inline void check_middle(const char *middle, int64_t n, int64_t in_channels, int64_t channels, int64_t height,
                                int64_t width)
{
    char *text = rs_format(
        "layer { name: 'first' type: 'Convolution' bottom: 'data' top: 'a'\n"
        "  convolution_param { num_output: %d kernel_size: 1 } }\n%s\n"
        "layer { name: 'classify' type: 'InnerProduct' bottom: 'b' top: 'scores'\n"
        "  inner_product_param { num_output: 5 } }\n"
        "layer { name: 'loss' type: 'SoftmaxWithLoss' bottom: 'scores' bottom: 'label' top: 'loss' }\n"
        "layer { name: 'hits' type: 'Accuracy' bottom: 'scores' bottom: 'label' top: 'hits' }\n",
        (int)channels, middle);
    assert_non_null(text);
    check_net(text, n, in_channels, height, width, 5);
    rs_free(text);
}

#endif
