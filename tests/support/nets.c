/* Makes small nets by hand. */
#include "support/nets.h"

#include "support/test.h"

#include <stdlib.h>
#include <string.h>

static void *made(void *block)
{
    assert_non_null(block);
    return block;
}

static int blob(rs_net *net, const char *name)
{
    const int known = rs_net_blob(net, name);
    if (known >= 0)
        return known;
    net->blobs = made(rs_recalloc(net->blobs, (size_t)net->n_blobs, (size_t)net->n_blobs + 1, sizeof *net->blobs));
    net->blobs[net->n_blobs].name = made(rs_strdup(name));
    return net->n_blobs++;
}

static rs_layer *append(rs_net *net, rs_layer_type type, const char *name)
{
    net->layers = made(rs_recalloc(net->layers, (size_t)net->n_layers, (size_t)net->n_layers + 1, sizeof *net->layers));
    rs_layer *layer = &net->layers[net->n_layers++];
    layer->name = made(rs_strdup(name));
    layer->type = type;
    layer->loc = (rs_loc) { net->path, net->n_layers, 1 };
    layer->bottoms = made(RS_NEW_ARRAY(int, 1));
    layer->tops = made(RS_NEW_ARRAY(int, 1));
    layer->n_tops = 1;
    layer->tops[0] = blob(net, name);
    return layer;
}

rs_net *rs_test_net(int64_t channels, int64_t height, int64_t width)
{
    rs_net *net = made(RS_NEW(rs_net));
    net->name = made(rs_strdup("test"));
    net->path = made(rs_strdup("test.prototxt"));
    net->phase = RS_TEST;
    rs_layer *layer = append(net, RS_LAYER_INPUT, "data");
    layer->data.scale = 1.0f;
    layer->data.batch_size = 1;
    net->blobs[layer->tops[0]].shape = (rs_shape) { 4, { 1, channels, height, width } };
    return net;
}

rs_layer *rs_test_layer(rs_net *net, rs_layer_type type, const char *bottom, const char *top)
{
    const int from = rs_net_blob(net, bottom);
    assert_true(from >= 0);
    rs_layer *layer = append(net, type, top);
    layer->n_bottoms = 1;
    layer->bottoms[0] = from;
    return layer;
}

rs_layer *rs_test_convolution(rs_net *net, const char *bottom, const char *top, int64_t outputs, int64_t kernel,
                              int64_t stride, int64_t pad)
{
    rs_layer *layer = rs_test_layer(net, RS_LAYER_CONVOLUTION, bottom, top);
    layer->convolution = (rs_convolution_param) { .out_channels = outputs,
                                                  .groups = 1,
                                                  .kernel_h = kernel,
                                                  .kernel_w = kernel,
                                                  .stride_h = stride,
                                                  .stride_w = stride,
                                                  .pad_h = pad,
                                                  .pad_w = pad,
                                                  .dilation_h = 1,
                                                  .dilation_w = 1,
                                                  .bias = true };
    return layer;
}

rs_layer *rs_test_pooling(rs_net *net, const char *bottom, const char *top, rs_pool_method method, int64_t kernel,
                          int64_t stride)
{
    rs_layer *layer = rs_test_layer(net, RS_LAYER_POOLING, bottom, top);
    layer->pooling = (rs_pooling_param) {
        .method = method, .kernel_h = kernel, .kernel_w = kernel, .stride_h = stride, .stride_w = stride
    };
    return layer;
}

rs_layer *rs_test_inner_product(rs_net *net, const char *bottom, const char *top, int64_t outputs)
{
    rs_layer *layer = rs_test_layer(net, RS_LAYER_INNER_PRODUCT, bottom, top);
    layer->inner_product = (rs_inner_product_param) { .outputs = outputs, .bias = true };
    return layer;
}

void rs_test_net_finish(rs_net *net)
{
    rs_diag *diag = rs_diag_new();
    rs_assert_ok(rs_net_infer_shapes(net, NULL, diag), diag);
    rs_diag_free(diag);
}
