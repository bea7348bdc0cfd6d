#include "net/net.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/rng.h"

int64_t rs_shape_count(const rs_shape *shape, int from)
{
    const int64_t limit = INT64_C(1) << 62;
    int64_t count = 1;
    bool fits = true;
    for (int i = from; i < shape->n_axes; i++) {
        int64_t d = shape->dim[i];
        if (d == 0)
            return 0;
        if (d < 0 || count > limit / d)
            fits = false;
        else
            count *= d;
    }
    return fits ? count : -1;
}

bool rs_shape_equal(const rs_shape *a, const rs_shape *b)
{
    if (a->n_axes != b->n_axes)
        return false;
    for (int i = 0; i < a->n_axes; i++)
        if (a->dim[i] != b->dim[i])
            return false;
    return true;
}

const char *rs_shape_text(const rs_shape *shape, char *buffer, size_t size)
{
    size_t used = 0;
    if (size > 0)
        buffer[0] = '\0';
    if (shape->n_axes == 0)
        snprintf(buffer, size, "scalar");
    for (int i = 0; i < shape->n_axes && used < size; i++) {
        int n = snprintf(buffer + used, size - used, "%s%" PRId64, i ? "x" : "", shape->dim[i]);
        used += n > 0 ? (size_t)n : 0;
    }
    return buffer;
}

static const char *const type_names[RS_LAYER_TYPES] = {
    [RS_LAYER_INPUT] = "Input",       [RS_LAYER_CONVOLUTION] = "Convolution",
    [RS_LAYER_POOLING] = "Pooling",   [RS_LAYER_INNER_PRODUCT] = "InnerProduct",
    [RS_LAYER_RELU] = "ReLU",         [RS_LAYER_SOFTMAX] = "Softmax",
    [RS_LAYER_ACCURACY] = "Accuracy", [RS_LAYER_SOFTMAX_LOSS] = "SoftmaxWithLoss",
    [RS_LAYER_DROPOUT] = "Dropout",
};

const char *rs_layer_type_name(rs_layer_type type)
{
    return (unsigned)type < RS_LAYER_TYPES ? type_names[type] : "unknown";
}

void rs_net_free(rs_net *net)
{
    if (net == NULL)
        return;
    for (int i = 0; i < net->n_layers; i++) {
        rs_layer *layer = &net->layers[i];
        rs_free(layer->name);
        rs_free(layer->bottoms);
        rs_free(layer->tops);
        if (layer->type == RS_LAYER_INPUT)
            rs_free(layer->data.source);
        for (int p = 0; p < RS_MAX_PARAMS; p++)
            rs_free(layer->params[p].data);
    }
    for (int i = 0; i < net->n_blobs; i++)
        rs_free(net->blobs[i].name);
    rs_free(net->layers);
    rs_free(net->blobs);
    rs_free(net->name);
    rs_free(net->path);
    rs_free(net);
}

int rs_net_layer(const rs_net *net, const char *name)
{
    for (int i = 0; i < net->n_layers; i++)
        if (strcmp(net->layers[i].name, name) == 0)
            return i;
    return -1;
}

int rs_net_blob(const rs_net *net, const char *name)
{
    for (int i = 0; i < net->n_blobs; i++)
        if (strcmp(net->blobs[i].name, name) == 0)
            return i;
    return -1;
}

int rs_net_input(const rs_net *net)
{
    for (int i = 0; i < net->n_layers; i++)
        if (net->layers[i].type == RS_LAYER_INPUT && net->layers[i].n_tops > 0)
            return net->layers[i].tops[0];
    return -1;
}

int rs_net_scores(const rs_net *net)
{
    for (int i = 0; i < net->n_layers; i++) {
        const rs_layer *layer = &net->layers[i];
        bool last =
            layer->type == RS_LAYER_SOFTMAX || layer->type == RS_LAYER_SOFTMAX_LOSS || layer->type == RS_LAYER_ACCURACY;
        if (last && layer->n_bottoms > 0)
            return layer->bottoms[0];
    }
    for (int i = net->n_layers - 1; i >= 0; i--)
        if (net->layers[i].n_tops > 0)
            return net->layers[i].tops[0];
    return -1;
}

int64_t rs_convolution_output(int64_t in, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation)
{
    int64_t span = in + 2 * pad - (dilation * (kernel - 1) + 1);
    return span < 0 ? 0 : span / stride + 1;
}

int64_t rs_pooling_output(int64_t in, int64_t kernel, int64_t stride, int64_t pad)
{
    int64_t span = in + 2 * pad - kernel;
    if (span < 0)
        return 0;
    int64_t out = (span + stride - 1) / stride + 1;
    if (pad > 0 && (out - 1) * stride >= in + pad)
        out--;
    return out;
}

/* ---------------------------------------------------------------------------------------------------------- shapes */

#define SHAPE_TEXT 192

static bool has_bottoms(const rs_layer *layer, int least, int most, rs_diag *diag)
{
    if (layer->n_bottoms >= least && layer->n_bottoms <= most)
        return true;
    rs_error(diag, RS_BAD_INPUT, layer->loc, NULL, "layer '%s' (%s) has %d bottom%s, expected %d", layer->name,
             rs_layer_type_name(layer->type), layer->n_bottoms, layer->n_bottoms == 1 ? "" : "s", least);
    return false;
}

static bool has_tops(const rs_layer *layer, int n, rs_diag *diag)
{
    if (layer->n_tops == n)
        return true;
    rs_error(diag, RS_BAD_INPUT, layer->loc, NULL, "layer '%s' (%s) has %d top%s, expected %d", layer->name,
             rs_layer_type_name(layer->type), layer->n_tops, layer->n_tops == 1 ? "" : "s", n);
    return false;
}

/* Gives parameter p its shape, and memory if it has none. */
static rs_status set_param(rs_layer *layer, int p, rs_shape shape, rs_diag *diag)
{
    rs_param *param = &layer->params[p];
    char now[SHAPE_TEXT], then[SHAPE_TEXT];
    int64_t count = rs_shape_count(&shape, 0);
    if (count < 0 || count > RS_MAX_ELEMENTS)
        return rs_error(diag, RS_BAD_INPUT, layer->loc, NULL,
                        "layer '%s': a parameter of %s is too large, "
                        "expected at most %" PRId64 " elements",
                        layer->name, rs_shape_text(&shape, now, sizeof now), RS_MAX_ELEMENTS);
    if (param->data != NULL) {
        if (rs_shape_equal(&param->shape, &shape))
            return RS_OK;
        return rs_error(diag, RS_BAD_INPUT, layer->loc, NULL,
                        "layer '%s': parameter %d is %s, but for this input it "
                        "would have to be %s",
                        layer->name, p, rs_shape_text(&param->shape, then, sizeof then),
                        rs_shape_text(&shape, now, sizeof now));
    }
    param->data = RS_NEW_ARRAY(float, (size_t)count);
    if (param->data == NULL)
        return rs_out_of_memory(diag);
    param->shape = shape;
    return RS_OK;
}

static rs_status set_params(rs_layer *layer, rs_shape weights, bool bias, rs_diag *diag)
{
    layer->n_params = bias ? 2 : 1;
    rs_status st = set_param(layer, 0, weights, diag);
    if (st == RS_OK && bias)
        st = set_param(layer, 1, (rs_shape){ 1, { weights.dim[0] } }, diag);
    return st;
}

/* Convolution and pooling work on N x C x H x W. */
static bool is_image(const rs_layer *layer, const rs_shape *in, rs_diag *diag)
{
    char text[SHAPE_TEXT];
    if (in->n_axes == 4 && in->dim[1] > 0 && in->dim[2] > 0 && in->dim[3] > 0)
        return true;
    rs_error(diag, RS_BAD_INPUT, layer->loc, NULL,
             "layer '%s' (%s): the input is %s, expected images (N x C x H x W)", layer->name,
             rs_layer_type_name(layer->type), rs_shape_text(in, text, sizeof text));
    return false;
}

/* A window of `window_h` x `window_w` must fit into the padded input. */
static bool window_fits(const rs_layer *layer, const rs_shape *in, int64_t window_h, int64_t window_w, int64_t pad_h,
                        int64_t pad_w, rs_diag *diag)
{
    int64_t h = in->dim[2] + 2 * pad_h, w = in->dim[3] + 2 * pad_w;
    if (window_h <= h && window_w <= w)
        return true;
    rs_error(diag, RS_BAD_INPUT, layer->loc, NULL,
             "layer '%s': the kernel is %" PRId64 "x%" PRId64 ", larger than its input of %" PRId64 "x%" PRId64
             " (padding included)",
             layer->name, window_h, window_w, h, w);
    return false;
}

static rs_status infer_convolution(rs_layer *layer, const rs_shape *in, rs_shape *out, rs_diag *diag)
{
    const rs_convolution_param *c = &layer->convolution;
    if (!is_image(layer, in, diag))
        return RS_BAD_INPUT;
    if (in->dim[1] % c->groups != 0)
        return rs_error(diag, RS_BAD_INPUT, layer->loc, NULL,
                        "layer '%s': %" PRId64 " input channels cannot be "
                        "divided into %" PRId64 " groups",
                        layer->name, in->dim[1], c->groups);
    if (!window_fits(layer, in, c->dilation_h * (c->kernel_h - 1) + 1, c->dilation_w * (c->kernel_w - 1) + 1, c->pad_h,
                     c->pad_w, diag))
        return RS_BAD_INPUT;
    *out = (rs_shape){ 4,
                       { in->dim[0], c->out_channels,
                         rs_convolution_output(in->dim[2], c->kernel_h, c->stride_h, c->pad_h, c->dilation_h),
                         rs_convolution_output(in->dim[3], c->kernel_w, c->stride_w, c->pad_w, c->dilation_w) } };
    rs_shape weights = { 4, { c->out_channels, in->dim[1] / c->groups, c->kernel_h, c->kernel_w } };
    return set_params(layer, weights, c->bias, diag);
}

static rs_status infer_inner_product(rs_layer *layer, const rs_shape *in, rs_shape *out, rs_diag *diag)
{
    const rs_inner_product_param *ip = &layer->inner_product;
    char text[SHAPE_TEXT];
    int64_t inputs = in->n_axes >= 1 ? rs_shape_count(in, 1) : 0;
    if (inputs <= 0)
        return rs_error(diag, RS_BAD_INPUT, layer->loc, NULL,
                        "layer '%s' (InnerProduct): the input is %s, expected "
                        "a batch of at least one value each",
                        layer->name, rs_shape_text(in, text, sizeof text));
    *out = (rs_shape){ 2, { in->dim[0], ip->outputs } };
    return set_params(layer, (rs_shape){ 2, { ip->outputs, inputs } }, ip->bias, diag);
}

static rs_status infer_pooling(rs_layer *layer, const rs_shape *in, rs_shape *out, rs_diag *diag)
{
    rs_pooling_param *p = &layer->pooling;
    if (!is_image(layer, in, diag))
        return RS_BAD_INPUT;
    if (p->global) {
        p->kernel_h = in->dim[2];
        p->kernel_w = in->dim[3];
        p->stride_h = p->stride_w = 1;
        p->pad_h = p->pad_w = 0;
    }
    if (!window_fits(layer, in, p->kernel_h, p->kernel_w, p->pad_h, p->pad_w, diag))
        return RS_BAD_INPUT;
    *out = (rs_shape){ 4,
                       { in->dim[0], in->dim[1], rs_pooling_output(in->dim[2], p->kernel_h, p->stride_h, p->pad_h),
                         rs_pooling_output(in->dim[3], p->kernel_w, p->stride_w, p->pad_w) } };
    return RS_OK;
}

/* Loss and accuracy: scores N x C (x H x W) and one label for each place but the class axis. */
static rs_status infer_judge(const rs_layer *layer, const rs_shape *scores, const rs_shape *labels, rs_shape *out,
                             rs_diag *diag)
{
    char a[SHAPE_TEXT], b[SHAPE_TEXT];
    int64_t places = scores->n_axes >= 2 ? scores->dim[0] * rs_shape_count(scores, 2) : -1;
    if (places < 0 || scores->dim[1] < 1)
        return rs_error(diag, RS_BAD_INPUT, layer->loc, NULL,
                        "layer '%s' (%s): the scores are %s, expected "
                        "N x classes",
                        layer->name, rs_layer_type_name(layer->type), rs_shape_text(scores, a, sizeof a));
    if (rs_shape_count(labels, 0) != places)
        return rs_error(diag, RS_BAD_INPUT, layer->loc, NULL,
                        "layer '%s' (%s): labels are %s, expected one for each "
                        "of the scores' %s",
                        layer->name, rs_layer_type_name(layer->type), rs_shape_text(labels, b, sizeof b),
                        rs_shape_text(scores, a, sizeof a));
    *out = (rs_shape){ 0, { 0 } };
    return RS_OK;
}

static rs_status infer_input(rs_net *net, rs_layer *layer, const rs_shape *input, rs_diag *diag)
{
    const int first = rs_net_input(net);
    if (layer->n_tops < 1)
        return rs_error(diag, RS_BAD_INPUT, layer->loc, NULL, "layer '%s' (Input) has no tops", layer->name);
    rs_shape *top = &net->blobs[layer->tops[0]].shape;
    bool is_data = layer->data.batch_size > 0; /* images and, as a second top, their labels */
    if (layer->tops[0] == first && input != NULL)
        *top = *input;
    if (top->n_axes == 0)
        return rs_error(diag, RS_BAD_INPUT, layer->loc,
                        is_data ? "the images of a data set give a data layer its shape: name one" : NULL,
                        "layer '%s' gives no shape for its top '%s'", layer->name, net->blobs[layer->tops[0]].name);
    if (is_data && layer->n_tops == 2)
        net->blobs[layer->tops[1]].shape = (rs_shape){ 1, { top->dim[0] } };
    for (int i = 1; i < layer->n_tops; i++)
        if (net->blobs[layer->tops[i]].shape.n_axes == 0)
            return rs_error(diag, RS_BAD_INPUT, layer->loc, NULL, "layer '%s' gives no shape for its top '%s'",
                            layer->name, net->blobs[layer->tops[i]].name);
    return RS_OK;
}

static rs_status infer_layer(rs_net *net, rs_layer *layer, const rs_shape *input, rs_diag *diag)
{
    if (layer->type == RS_LAYER_INPUT)
        return infer_input(net, layer, input, diag);

    bool judge = layer->type == RS_LAYER_SOFTMAX_LOSS || layer->type == RS_LAYER_ACCURACY;
    int bottoms = judge ? 2 : 1;
    if (!has_bottoms(layer, bottoms, bottoms, diag) || !has_tops(layer, 1, diag))
        return RS_BAD_INPUT;
    rs_shape in = net->blobs[layer->bottoms[0]].shape;
    rs_shape *out = &net->blobs[layer->tops[0]].shape;

    switch (layer->type) {
    case RS_LAYER_CONVOLUTION: return infer_convolution(layer, &in, out, diag);
    case RS_LAYER_INNER_PRODUCT: return infer_inner_product(layer, &in, out, diag);
    case RS_LAYER_POOLING: return infer_pooling(layer, &in, out, diag);
    case RS_LAYER_SOFTMAX_LOSS:
    case RS_LAYER_ACCURACY: return infer_judge(layer, &in, &net->blobs[layer->bottoms[1]].shape, out, diag);
    case RS_LAYER_RELU:
    case RS_LAYER_DROPOUT:
    case RS_LAYER_SOFTMAX:
        if (layer->type == RS_LAYER_SOFTMAX && in.n_axes < 2) {
            char text[SHAPE_TEXT];
            return rs_error(diag, RS_BAD_INPUT, layer->loc, NULL,
                            "layer '%s' (Softmax): the input is %s, expected "
                            "N x classes",
                            layer->name, rs_shape_text(&in, text, sizeof text));
        }
        *out = in;
        return RS_OK;
    case RS_LAYER_INPUT:
    case RS_LAYER_TYPES: break;
    }
    return rs_error(diag, RS_INTERNAL, layer->loc, NULL, "layer '%s' has no known type", layer->name);
}

rs_status rs_net_infer_shapes(rs_net *net, const rs_shape *input, rs_diag *diag)
{
    if (input != NULL && rs_net_input(net) < 0)
        return rs_error(diag, RS_BAD_INPUT, RS_FILE(net->path), NULL, "the net has no input layer");
    for (int i = 0; i < net->n_layers; i++) {
        rs_layer *layer = &net->layers[i];
        /* Later layers have no input shape if this one fails: one error, not a chain of them. */
        rs_status st = infer_layer(net, layer, input, diag);
        if (st != RS_OK)
            return st;
        for (int t = 0; t < layer->n_tops; t++) {
            const rs_blob *blob = &net->blobs[layer->tops[t]];
            char text[SHAPE_TEXT];
            int64_t count = rs_shape_count(&blob->shape, 0);
            if (count < 0 || count > RS_MAX_ELEMENTS)
                return rs_error(diag, RS_BAD_INPUT, layer->loc, NULL,
                                "layer '%s': its top '%s' of %s is too "
                                "large, expected at most %" PRId64 " elements",
                                layer->name, blob->name, rs_shape_text(&blob->shape, text, sizeof text),
                                RS_MAX_ELEMENTS);
        }
    }
    return RS_OK;
}

/* --------------------------------------------------------------------------------------------------------- fillers */

/* A stream of random numbers of its own for each parameter, by the layer's name: the same for every phase of a net. */
static uint64_t param_stream(const char *name, int param)
{
    uint64_t h = rs_mix64((uint64_t)param);
    for (const char *c = name; *c != '\0'; c++)
        h = rs_mix64(h ^ (uint8_t)*c);
    return h;
}

static void fill(const rs_filler *filler, rs_param *param, uint64_t seed, uint64_t stream)
{
    const size_t count = (size_t)rs_shape_count(&param->shape, 0);
    const int64_t fan_in = (int64_t)count / param->shape.dim[0];
    const int64_t fan_out = param->shape.n_axes > 1 ? (int64_t)count / param->shape.dim[1] : (int64_t)count;
    double n = (double)fan_in;
    if (filler->variance_norm == RS_NORM_FAN_OUT)
        n = (double)fan_out;
    else if (filler->variance_norm == RS_NORM_AVERAGE)
        n = (double)(fan_in + fan_out) / 2;

    double low = filler->min, high = filler->max, mean = filler->mean, std = filler->std;
    switch (filler->type) {
    case RS_FILL_CONSTANT:
        for (size_t i = 0; i < count; i++)
            param->data[i] = filler->value;
        return;
    case RS_FILL_XAVIER:
        high = sqrt(3 / n);
        low = -high;
        /* fall through */
    case RS_FILL_UNIFORM:
        for (size_t i = 0; i < count; i++)
            param->data[i] = (float)(low + (high - low) * rs_random_unit(seed, stream, i));
        return;
    case RS_FILL_MSRA:
        mean = 0;
        std = sqrt(2 / n);
        /* fall through */
    case RS_FILL_GAUSSIAN:
        for (size_t i = 0; i < count; i++)
            param->data[i] = (float)(mean + std * rs_random_normal(seed, stream, i));
        return;
    }
}

rs_status rs_net_fill(rs_net *net, uint64_t seed, rs_diag *diag)
{
    for (int i = 0; i < net->n_layers; i++) {
        rs_layer *layer = &net->layers[i];
        for (int p = 0; p < layer->n_params; p++) {
            const rs_filler *filler = NULL;
            if (layer->type == RS_LAYER_CONVOLUTION)
                filler = p == 0 ? &layer->convolution.weight_filler : &layer->convolution.bias_filler;
            else if (layer->type == RS_LAYER_INNER_PRODUCT)
                filler = p == 0 ? &layer->inner_product.weight_filler : &layer->inner_product.bias_filler;
            if (filler == NULL || layer->params[p].data == NULL)
                return rs_error(diag, RS_INTERNAL, layer->loc, NULL,
                                "layer '%s': parameter %d cannot be filled "
                                "before its shape is known",
                                layer->name, p);
            fill(filler, &layer->params[p], seed, param_stream(layer->name, p));
        }
    }
    return RS_OK;
}
