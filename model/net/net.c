#include "net/net.h"

#include <inttypes.h>
#include <limits.h>
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

enum { ANY = INT_MAX };

static const rs_layer_rule RULES[RS_LAYER_TYPES] = {
    /*                         name             bottoms  tops  parameters */
    [RS_LAYER_INPUT] = { "Input", 0, 0, 1, ANY, 0, false, false, false },
    [RS_LAYER_CONVOLUTION] = { "Convolution", 1, 1, 1, 1, 2, false, false, false },
    [RS_LAYER_INNER_PRODUCT] = { "InnerProduct", 1, 1, 1, 1, 2, false, false, false },
    [RS_LAYER_POOLING] = { "Pooling", 1, 1, 1, 1, 0, false, false, false },
    [RS_LAYER_RELU] = { "ReLU", 1, 1, 1, 1, 0, true, false, false },
    [RS_LAYER_SOFTMAX] = { "Softmax", 1, 1, 1, 1, 0, false, false, false },
    [RS_LAYER_SOFTMAX_LOSS] = { "SoftmaxWithLoss", 2, 2, 1, 1, 0, false, true, true },
    [RS_LAYER_ACCURACY] = { "Accuracy", 2, 2, 1, 1, 0, false, false, true },
    [RS_LAYER_DROPOUT] = { "Dropout", 1, 1, 1, 1, 0, true, false, false },
    [RS_LAYER_DECONVOLUTION] = { "Deconvolution", 1, 1, 1, 1, 2, false, false, false },
    [RS_LAYER_PRELU] = { "PReLU", 1, 1, 1, 1, 1, true, false, false },
    [RS_LAYER_ELU] = { "ELU", 1, 1, 1, 1, 0, true, false, false },
    [RS_LAYER_SIGMOID] = { "Sigmoid", 1, 1, 1, 1, 0, true, false, false },
    [RS_LAYER_TANH] = { "TanH", 1, 1, 1, 1, 0, true, false, false },
    [RS_LAYER_CLIP] = { "Clip", 1, 1, 1, 1, 0, true, false, false },
    [RS_LAYER_QUANTIZE_LINEAR] = { "QuantizeLinear", 1, 1, 1, 1, 0, true, false, false },
    [RS_LAYER_LRN] = { "LRN", 1, 1, 1, 1, 0, false, false, false },
    [RS_LAYER_BATCH_NORM] = { "BatchNorm", 1, 1, 1, 1, 3, true, false, false },
    [RS_LAYER_SCALE] = { "Scale", 1, 1, 1, 1, 2, true, false, false },
    [RS_LAYER_BIAS] = { "Bias", 1, 1, 1, 1, 1, true, false, false },
    [RS_LAYER_CONCAT] = { "Concat", 1, ANY, 1, 1, 0, false, false, false },
    [RS_LAYER_SLICE] = { "Slice", 1, 1, 1, ANY, 0, false, false, false },
    [RS_LAYER_SPLIT] = { "Split", 1, 1, 1, ANY, 0, false, false, false },
    [RS_LAYER_ELTWISE] = { "Eltwise", 2, ANY, 1, 1, 0, false, false, false },
    [RS_LAYER_FLATTEN] = { "Flatten", 1, 1, 1, 1, 0, false, false, false },
    [RS_LAYER_RESHAPE] = { "Reshape", 1, 1, 1, 1, 0, false, false, false },
    [RS_LAYER_EUCLIDEAN_LOSS] = { "EuclideanLoss", 2, 2, 1, 1, 0, false, true, true },
};

const rs_layer_rule *rs_layer_rule_of(rs_layer_type type)
{
    return &RULES[type];
}

const char *rs_layer_type_name(rs_layer_type type)
{
    return (unsigned)type < RS_LAYER_TYPES ? RULES[type].name : "unknown";
}

void rs_layer_clear(rs_layer *layer)
{
    rs_free(layer->name);
    rs_free(layer->bottoms);
    rs_free(layer->tops);
    if (layer->type == RS_LAYER_INPUT) {
        rs_free(layer->data.source);
        rs_free(layer->data.root_folder);
        rs_free(layer->data.mean_file);
        rs_free(layer->data.mean_image);
    } else if (layer->type == RS_LAYER_SLICE) {
        rs_free(layer->slice.points);
    } else if (layer->type == RS_LAYER_ELTWISE) {
        rs_free(layer->eltwise.coefficients);
    }
    for (int p = 0; p < RS_MAX_PARAMS; p++) {
        if (!layer->params[p].shared)
            rs_free(layer->params[p].data);
        rs_free(layer->params[p].name);
    }
}

void rs_net_free(rs_net *net)
{
    if (net == NULL)
        return;
    for (int i = 0; i < net->n_layers; i++)
        rs_layer_clear(&net->layers[i]);
    for (int i = 0; i < net->n_folded; i++)
        rs_free(net->folded[i]);
    rs_free(net->folded);
    for (int i = 0; i < net->n_blobs; i++)
        rs_free(net->blobs[i].name);
    rs_free(net->layers);
    rs_free(net->blobs);
    rs_free(net->name);
    rs_free(net->path);
    rs_free(net);
}

rs_param *rs_net_param_owner(const rs_net *net, int layer, int param, int *owner_layer, int *owner_param)
{
    rs_param *self = &net->layers[layer].params[param];
    *owner_layer = layer;
    *owner_param = param;
    for (int i = 0; i <= layer && self->name != NULL; i++)
        for (int p = 0; p < (i < layer ? net->layers[i].n_params : param); p++) {
            rs_param *other = &net->layers[i].params[p];
            if (other->name != NULL && strcmp(other->name, self->name) == 0) {
                *owner_layer = i;
                *owner_param = p;
                return other;
            }
        }
    return self;
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
    int scores = -1, last_top = -1;
    for (int i = net->n_layers - 1; i >= 0; i--) {
        const rs_layer *layer = &net->layers[i];
        if (last_top < 0 && layer->n_tops > 0)
            last_top = layer->tops[0];
        const bool judge = layer->type == RS_LAYER_SOFTMAX || rs_layer_rule_of(layer->type)->scalar;
        if (scores < 0 && judge && layer->n_bottoms > 0)
            scores = layer->bottoms[0];
        else if (scores >= 0 && layer->type == RS_LAYER_SOFTMAX && layer->tops[0] == scores)
            scores = layer->bottoms[0];
    }
    return scores >= 0 ? scores : last_top;
}

int rs_axis(int64_t axis, int n_axes)
{
    if (axis < 0)
        axis += n_axes;
    return axis >= 0 && axis < n_axes ? (int)axis : -1;
}

/* ------------------------------------------------------------------------------------------------------ fillers */

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
    case RS_FILL_BILINEAR: {
        const int64_t k = param->shape.dim[param->shape.n_axes - 1], f = (k + 1) / 2;
        const double c = (double)(2 * f - 1 - f % 2) / (2.0 * (double)f);
        for (size_t i = 0; i < count; i++) {
            const double x = (double)((int64_t)i % k), y = (double)((int64_t)i / k % k);
            param->data[i] = (float)((1.0 - fabs(x / (double)f - c)) * (1.0 - fabs(y / (double)f - c)));
        }
        return;
    }
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

static const rs_filler *filler_of(const rs_layer *layer, int param)
{
    static const rs_filler zero = { .type = RS_FILL_CONSTANT };
    switch (layer->type) {
    case RS_LAYER_CONVOLUTION:
    case RS_LAYER_DECONVOLUTION:
        return param == 0 ? &layer->convolution.weight_filler : &layer->convolution.bias_filler;
    case RS_LAYER_INNER_PRODUCT:
        return param == 0 ? &layer->inner_product.weight_filler : &layer->inner_product.bias_filler;
    case RS_LAYER_SCALE:
    case RS_LAYER_BIAS:
        return param == 0 ? &layer->scale.filler : &layer->scale.bias_filler;
    case RS_LAYER_PRELU:
        return &layer->prelu.filler;
    case RS_LAYER_BATCH_NORM:
        return &zero;
    default:
        return NULL;
    }
}

rs_status rs_net_fill(rs_net *net, uint64_t seed, rs_diag *diag)
{
    for (int i = 0; i < net->n_layers; i++) {
        rs_layer *layer = &net->layers[i];
        for (int p = 0; p < layer->n_params; p++) {
            if (layer->params[p].shared)
                continue; /* the owner's */
            const rs_filler *filler = filler_of(layer, p);
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

int rs_net_unquantize(rs_net *net)
{
    int n = 0;
    for (int i = 0; i < net->n_layers; i++)
        if (net->layers[i].type == RS_LAYER_QUANTIZE_LINEAR) {
            net->layers[i].type = RS_LAYER_DROPOUT;
            net->layers[i].dropout_ratio = 0.5f;
            n++;
        }
    return n;
}
