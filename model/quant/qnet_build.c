/* From a float network and formats to integers. */
#include <math.h>
#include <string.h>

#include "quant/qnet.h"

rs_status rs_formats_new(const rs_net *net, rs_formats **formats, rs_diag *diag)
{
    *formats = NULL;
    rs_formats *f = RS_NEW(rs_formats);
    if (f) {
        f->n_layers = net->n_layers;
        f->n_blobs = net->n_blobs;
        f->weights = RS_NEW_ARRAY(rs_fxp, (size_t)net->n_layers);
        f->activations = RS_NEW_ARRAY(rs_fxp, (size_t)net->n_blobs);
    }
    if (!f || !f->weights || !f->activations) {
        rs_formats_free(f);
        return rs_out_of_memory(diag);
    }
    *formats = f;
    return RS_OK;
}

void rs_formats_free(rs_formats *formats)
{
    if (!formats)
        return;
    rs_free(formats->weights);
    rs_free(formats->activations);
    rs_free(formats);
}

/* State of one build. */
typedef struct builder {
    const rs_net *net;
    const rs_formats *formats;
    rs_qnet *qnet;
    int scores;   /* blob */
    int end;      /* layers [0, end) lead to the scores */
    bool *needed; /* per layer */
    bool *done;   /* per layer: fused into an earlier op */
    int *tensor;  /* per blob: the tensor that it holds at this point of the walk; -1: none */
    bool *wanted; /* per blob, scratch */
    rs_diag *diag;
    rs_status status;
} builder;

#define WRONG(b, layer, hint, ...)                                                                                     \
    ((b)->status = rs_error((b)->diag, RS_BAD_INPUT, (layer) ? (layer)->loc : RS_FILE((b)->net->path), (hint),         \
                            __VA_ARGS__))

static bool weighted(const rs_layer *layer)
{
    return layer->type == RS_LAYER_CONVOLUTION || layer->type == RS_LAYER_INNER_PRODUCT;
}

static bool has(const int *list, int n, int value)
{
    for (int i = 0; i < n; i++)
        if (list[i] == value)
            return true;
    return false;
}

/* Marks the layers that the scores depend on. */
static void find_needed(builder *b)
{
    for (int i = 0; i < b->net->n_layers; i++)
        if (has(b->net->layers[i].tops, b->net->layers[i].n_tops, b->scores))
            b->end = i + 1;
    b->wanted[b->scores] = true;
    for (int i = b->end - 1; i >= 0; i--) {
        const rs_layer *layer = &b->net->layers[i];
        for (int t = 0; t < layer->n_tops; t++)
            b->needed[i] |= b->wanted[layer->tops[t]];
        if (!b->needed[i])
            continue;
        for (int t = 0; t < layer->n_tops; t++)
            b->wanted[layer->tops[t]] = false;
        for (int k = 0; k < layer->n_bottoms; k++)
            b->wanted[layer->bottoms[k]] = true;
    }
}

/* The ReLU that alone reads what layer i writes, or -1: it can be fused. */
static int fusable_relu(const builder *b, int i)
{
    const int blob = b->net->layers[i].tops[0];
    int consumers = 0, consumer = -1;
    bool overwritten = false;
    for (int j = i + 1; j < b->end && !overwritten; j++) {
        const rs_layer *layer = &b->net->layers[j];
        if (b->needed[j] && has(layer->bottoms, layer->n_bottoms, blob)) {
            consumers++;
            consumer = j;
        }
        overwritten = has(layer->tops, layer->n_tops, blob);
    }
    if (blob == b->scores && !overwritten)
        consumers++; /* the host reads the scores */
    if (consumers != 1 || consumer < 0)
        return -1;
    const rs_layer *relu = &b->net->layers[consumer];
    if (relu->type != RS_LAYER_RELU || relu->relu_slope != 0.0f || relu->n_tops != 1)
        return -1;
    /* The ReLU's top is written earlier than the net says: nobody may use that blob in between. */
    for (int j = i + 1; relu->tops[0] != blob && j < consumer; j++) {
        const rs_layer *layer = &b->net->layers[j];
        if (has(layer->bottoms, layer->n_bottoms, relu->tops[0]) || has(layer->tops, layer->n_tops, relu->tops[0]))
            return -1;
    }
    return consumer;
}

/* A new tensor for blob `blob`; its format is that of the blob. Returns its index, -1 if it is not legal or memory is
 * short. */
static int add_tensor(builder *b, const rs_layer *layer, int blob)
{
    const rs_blob *from = &b->net->blobs[blob];
    const rs_shape *shape = &from->shape;
    rs_qtensor *tensor = &b->qnet->tensors[b->qnet->n_tensors];
    int64_t dim[3] = { 1, 1, 1 };
    bool ok = shape->n_axes >= 2 && shape->n_axes <= 4;
    for (int a = 1; ok && a < shape->n_axes; a++) {
        dim[a - 1] = shape->dim[a];
        ok = dim[a - 1] >= 1 && dim[a - 1] <= RS_QNET_MAX_ELEMENTS;
    }
    if (!ok) {
        char text[160];
        WRONG(b, layer, "a batch of maps (N x C x H x W) or of vectors (N x C) can be quantized",
              "blob '%s' has the shape %s", from->name, rs_shape_text(shape, text, sizeof text));
        return -1;
    }
    tensor->name = rs_strdup(from->name);
    if (!tensor->name) {
        b->status = rs_out_of_memory(b->diag);
        return -1;
    }
    tensor->channels = (int)dim[0];
    tensor->height = (int)dim[1];
    tensor->width = (int)dim[2];
    tensor->format = b->formats->activations[blob];
    if (tensor->format.bits == 0) {
        WRONG(b, layer, "every blob between the input and the class scores needs a format",
              "blob '%s' has no number format", from->name);
        rs_free(tensor->name);
        tensor->name = NULL;
        return -1;
    }
    return b->qnet->n_tensors++;
}

static bool quantize_weights(builder *b, const rs_layer *layer, rs_qop *op, rs_fxp input)
{
    const rs_param *weights = &layer->params[0], *bias = layer->n_params > 1 ? &layer->params[1] : NULL;
    const int64_t count = layer->n_params > 0 ? rs_shape_count(&weights->shape, 0) : -1;
    const rs_qtensor *out = &b->qnet->tensors[op->output];
    if (count < 1 || count > RS_QNET_MAX_ELEMENTS || !weights->data ||
        (bias && (!bias->data || rs_shape_count(&bias->shape, 0) != out->channels)) ||
        count != (int64_t)out->channels * rs_qop_terms(b->qnet, op)) {
        WRONG(b, layer, "shapes must be inferred and weights loaded first",
              "layer '%s' has no weights that fit its shape", layer->name);
        return false;
    }
    op->weights = RS_NEW_ARRAY(int32_t, (size_t)count);
    op->bias = RS_NEW_ARRAY(int64_t, (size_t)out->channels);
    if (!op->weights || !op->bias) {
        b->status = rs_out_of_memory(b->diag);
        return false;
    }
    for (int64_t i = 0; i < count; i++)
        if (isnan(weights->data[i])) {
            WRONG(b, layer, NULL, "weight %lld of layer '%s' is not a number", (long long)i, layer->name);
            return false;
        }
    rs_fxp_quantize_array(weights->data, (size_t)count, op->weight_format, RS_ROUND_NEAREST, 0, 0, op->weights, NULL);
    for (int o = 0; bias && o < out->channels; o++) {
        if (isnan(bias->data[o])) {
            WRONG(b, layer, NULL, "bias %d of layer '%s' is not a number", o, layer->name);
            return false;
        }
        op->bias[o] = rs_fxp_bias((double)bias->data[o], b->qnet->bias_rule, op->weight_format, input.fl,
                                  RS_ROUND_NEAREST, NULL);
    }
    return true;
}

/* Copies a window's geometry; sizes have been checked by shape inference, this guards the conversion. */
static bool set_geometry(builder *b, const rs_layer *layer, rs_qop *op, const int64_t geometry[8])
{
    int *const to[8] = { &op->kernel_h, &op->kernel_w, &op->stride_h,   &op->stride_w,
                         &op->pad_h,    &op->pad_w,    &op->dilation_h, &op->dilation_w };
    for (int i = 0; i < 8; i++) {
        if (geometry[i] < 0 || geometry[i] > 1 << 20) {
            WRONG(b, layer, NULL, "layer '%s' has a kernel, stride, pad or dilation of %lld, expected 0 to %d",
                  layer->name, (long long)geometry[i], 1 << 20);
            return false;
        }
        *to[i] = (int)geometry[i];
    }
    return true;
}

/* Appends the op of a layer that writes a new tensor for blob `top`. */
static void add_op(builder *b, const rs_layer *layer, int top)
{
    rs_qnet *q = b->qnet;
    const int in = b->tensor[layer->bottoms[0]];
    const int out = add_tensor(b, layer, top);
    if (out < 0)
        return;
    rs_qop *op = &q->ops[q->n_ops++];
    const rs_qtensor *input = &q->tensors[in];
    op->n_inputs = 1;
    op->input = in;
    op->output = out;
    op->groups = 1;
    op->name = rs_strdup(layer->name);
    if (!op->name) {
        b->status = rs_out_of_memory(b->diag);
        return;
    }
    b->tensor[top] = out;
    switch (layer->type) {
    case RS_LAYER_CONVOLUTION: {
        const rs_convolution_param *p = &layer->convolution;
        op->type = RS_QOP_CONVOLUTION;
        op->groups = p->groups < 1 || p->groups > input->channels ? 0 : (int)p->groups;
        if (op->groups == 0) {
            WRONG(b, layer, NULL, "layer '%s' has %lld groups, expected 1 to %d", layer->name, (long long)p->groups,
                  input->channels);
            return;
        }
        if (!set_geometry(b, layer, op,
                          (const int64_t[8]) { p->kernel_h, p->kernel_w, p->stride_h, p->stride_w, p->pad_h, p->pad_w,
                                               p->dilation_h, p->dilation_w }))
            return;
        break;
    }
    case RS_LAYER_INNER_PRODUCT:
        op->type = RS_QOP_INNER_PRODUCT;
        set_geometry(b, layer, op, (const int64_t[8]) { input->height, input->width, 1, 1, 0, 0, 1, 1 });
        break;
    case RS_LAYER_POOLING: {
        const rs_pooling_param *p = &layer->pooling;
        op->type = RS_QOP_MAX_POOL;
        if (!set_geometry(b, layer, op,
                          p->global ? (const int64_t[8]) { input->height, input->width, 1, 1, 0, 0, 1, 1 }
                                    : (const int64_t[8]) { p->kernel_h, p->kernel_w, p->stride_h, p->stride_w, p->pad_h,
                                                           p->pad_w, 1, 1 }))
            return;
        break;
    }
    default:
        op->type = RS_QOP_RELU;
        set_geometry(b, layer, op, (const int64_t[8]) { 1, 1, 1, 1, 0, 0, 1, 1 });
        break;
    }
    if (!rs_qop_weighted(op))
        return;
    op->weight_format = b->formats->weights[layer - b->net->layers];
    if (op->weight_format.bits == 0) {
        WRONG(b, layer, NULL, "layer '%s' has no number format for its weights", layer->name);
        return;
    }
    op->shift = input->format.fl + op->weight_format.fl - q->tensors[out].format.fl;
    /* Widths beyond what fxp can take are refused before they are used. */
    if (op->weight_format.bits < 1 || op->weight_format.bits > RS_QNET_MAX_BITS || op->weight_format.fl < RS_FL_MIN ||
        op->weight_format.fl > RS_FL_MAX) {
        WRONG(b, layer, NULL,
              "layer '%s' has weights of %d bits and fractional length %d, expected 1 to %d bits and %d to %d",
              layer->name, op->weight_format.bits, op->weight_format.fl, RS_QNET_MAX_BITS, RS_FL_MIN, RS_FL_MAX);
        return;
    }
    quantize_weights(b, layer, op, input->format);
}

static void build_layer(builder *b, int i)
{
    const rs_layer *layer = &b->net->layers[i];
    if (layer->type == RS_LAYER_INPUT)
        return;
    const bool known = weighted(layer) || layer->type == RS_LAYER_POOLING || layer->type == RS_LAYER_RELU ||
                       layer->type == RS_LAYER_DROPOUT;
    if (!known) {
        WRONG(b, layer, "only layers with a rule in docs/arithmetic.md can run on integers",
              "layer '%s' of type %s has no integer rule", layer->name, rs_layer_type_name(layer->type));
        return;
    }
    if (layer->n_bottoms != 1 || layer->n_tops != 1) {
        WRONG(b, layer, NULL, "layer '%s' has %d bottoms and %d tops, expected one of each", layer->name,
              layer->n_bottoms, layer->n_tops);
        return;
    }
    const int bottom = layer->bottoms[0], in = b->tensor[bottom];
    int top = layer->tops[0];
    if (in < 0) {
        /* What made the bottom has been reported; a blob from outside other than the input has not. */
        if (b->status == RS_OK)
            WRONG(b, layer, NULL, "layer '%s' reads blob '%s', which is no activation", layer->name,
                  b->net->blobs[bottom].name);
        return;
    }
    if (layer->type == RS_LAYER_DROPOUT) { /* the identity where nothing is trained */
        b->tensor[top] = in;
        return;
    }
    if (layer->type == RS_LAYER_POOLING && layer->pooling.method != RS_POOL_MAX) {
        WRONG(b, layer, "only max pooling has one", "layer '%s' pools by the average, which has no integer rule",
              layer->name);
        return;
    }
    if (layer->type == RS_LAYER_RELU && layer->relu_slope != 0.0f) {
        WRONG(b, layer, "a slope of 0 has one", "layer '%s' is a ReLU with slope %g, which has no integer rule",
              layer->name, (double)layer->relu_slope);
        return;
    }
    const int relu = weighted(layer) ? fusable_relu(b, i) : -1;
    if (relu >= 0) {
        b->done[relu] = true;
        top = b->net->layers[relu].tops[0];
    }
    const int before = b->qnet->n_ops;
    add_op(b, layer, top);
    if (b->qnet->n_ops > before)
        b->qnet->ops[before].relu = relu >= 0;
}

/* Section 7: the table of what each byte becomes in each channel. */
static void build_input(builder *b, const rs_data_param *data)
{
    rs_qnet *q = b->qnet;
    const int input = rs_net_input(b->net);
    const int index = add_tensor(b, NULL, input);
    if (index < 0)
        return;
    b->tensor[input] = index;
    const rs_qtensor *t = &q->tensors[0];
    const int n_mean = data ? data->n_mean : 0;
    if (t->channels > RS_QNET_MAX_CHANNELS || (n_mean > 1 && n_mean != t->channels)) {
        WRONG(b, (const rs_layer *)NULL, NULL,
              "the input '%s' has %d channels and %d mean values, expected at most %d channels and one mean value for "
              "all or each",
              t->name, t->channels, n_mean, RS_QNET_MAX_CHANNELS);
        return;
    }
    if (t->format.bits < 1 || t->format.bits > RS_QNET_MAX_BITS || t->format.fl < RS_FL_MIN || t->format.fl > RS_FL_MAX)
        return; /* the check at the end says so */
    q->pixel_scale = data ? data->scale : 1.0f;
    q->pixel_table = RS_NEW_ARRAY(int32_t, (size_t)t->channels * 256);
    if (!q->pixel_table) {
        b->status = rs_out_of_memory(b->diag);
        return;
    }
    for (int c = 0; c < t->channels; c++) {
        q->pixel_mean[c] = n_mean == 0 ? 0.0f : data->mean[n_mean == 1 ? 0 : c];
        for (int v = 0; v < 256; v++) {
            const float value = ((float)v - q->pixel_mean[c]) * q->pixel_scale;
            if (!isfinite(value)) {
                WRONG(b, (const rs_layer *)NULL, NULL, "the mean or scale of the input '%s' is not a finite number",
                      t->name);
                return;
            }
            q->pixel_table[c * 256 + v] = rs_fxp_quantize((double)value, t->format, RS_ROUND_NEAREST, 0, NULL);
        }
    }
}

rs_status rs_qnet_build(const rs_net *net, const rs_formats *formats, const rs_data_param *data, rs_bias_rule bias_rule,
                        rs_rounding rounding, rs_qnet **qnet, rs_diag *diag)
{
    *qnet = NULL;
    builder b = { .net = net, .formats = formats, .diag = diag, .status = RS_OK };
    if (formats->n_layers != net->n_layers || formats->n_blobs != net->n_blobs)
        return rs_error(diag, RS_INTERNAL, RS_NOWHERE, NULL, "formats of another net");
    b.scores = rs_net_scores(net);
    if (b.scores < 0 || rs_net_input(net) < 0)
        return rs_error(diag, RS_BAD_INPUT, RS_FILE(net->path), NULL, "net '%s' has no %s", net->name ? net->name : "",
                        b.scores < 0 ? "class scores" : "input");
    const size_t layers = (size_t)net->n_layers, blobs = (size_t)net->n_blobs;
    b.qnet = RS_NEW(rs_qnet);
    b.needed = RS_NEW_ARRAY(bool, layers);
    b.done = RS_NEW_ARRAY(bool, layers);
    b.tensor = RS_NEW_ARRAY(int, blobs);
    b.wanted = RS_NEW_ARRAY(bool, blobs);
    if (b.qnet) {
        b.qnet->name = rs_strdup(net->name ? net->name : "");
        b.qnet->tensors = RS_NEW_ARRAY(rs_qtensor, layers + 1);
        b.qnet->ops = RS_NEW_ARRAY(rs_qop, layers);
    }
    if (!b.qnet || !b.needed || !b.done || !b.tensor || !b.wanted || !b.qnet->name || !b.qnet->tensors ||
        !b.qnet->ops) {
        b.status = rs_out_of_memory(diag);
    } else {
        b.qnet->rounding = rounding;
        b.qnet->bias_rule = bias_rule;
        for (int i = 0; i < net->n_blobs; i++)
            b.tensor[i] = -1;
        find_needed(&b);
        build_input(&b, data);
        for (int i = 0; i < b.end; i++)
            if (b.needed[i] && !b.done[i])
                build_layer(&b, i);
        if (b.status == RS_OK)
            b.status = rs_qnet_check(b.qnet, net->path, diag);
    }
    rs_free(b.needed);
    rs_free(b.done);
    rs_free(b.tensor);
    rs_free(b.wanted);
    if (b.status != RS_OK)
        rs_qnet_free(b.qnet);
    else
        *qnet = b.qnet;
    return b.status;
}
