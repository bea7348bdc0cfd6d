/* From a float network and formats to integers. */
#include <math.h>
#include <string.h>

#include "qnet/build.h"

/* State of one build. */
typedef struct builder {
    const rs_net *net;
    const rs_formats *formats;
    rs_qnet *qnet;
    int scores;   /* blob */
    int end;      /* layers [0, end) lead to the scores */
    bool *needed; /* per layer */
    bool *done;   /* per layer: fused into an earlier op, which has written its top */
    bool *passed; /* per layer: fused into an op before its input's: it gives what it is given */
    int *tensor;  /* per blob: the tensor that it holds at this point of the walk; -1: none */
    bool *wanted; /* per blob, scratch */
    rs_diag *diag;
    rs_status status;
} builder;

#define WRONG(b, layer, hint, ...)                                                                             \
    ((b)->status = rs_error((b)->diag, RS_BAD_INPUT, (layer) ? (layer)->loc : RS_FILE((b)->net->path), (hint), \
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

/* The layer that alone reads what layer i writes; -1: none, or several, or the host, which reads the scores. */
static int only_reader(const builder *b, int i)
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
        return -1;
    return consumers == 1 ? consumer : -1;
}

/* The layer that alone reads what layer i writes, max pooling apart, which may lie between (*pooled); -1: none. */
static int behind(const builder *b, int i, bool *pooled)
{
    int consumer = only_reader(b, i);
    *pooled = false;
    while (consumer >= 0 && b->net->layers[consumer].type == RS_LAYER_POOLING &&
           b->net->layers[consumer].pooling.method == RS_POOL_MAX && b->net->layers[consumer].n_tops == 1) {
        *pooled = true;
        consumer = only_reader(b, consumer);
    }
    return consumer;
}

/* Whether nothing below zero comes through the layer behind layer i: its sums can be cut at zero, for an unsigned
 * output. */
static bool clipped_at_zero(const builder *b, int i)
{
    bool pooled;
    const int consumer = behind(b, i, &pooled);
    return consumer >= 0 && b->net->layers[consumer].type == RS_LAYER_CLIP && b->net->layers[consumer].clip[0] >= 0.0f;
}

/* The ReLU that alone reads what layer i writes, or -1: it can be fused. *pooled: max pooling lies between. */
static int fusable_relu(const builder *b, int i, bool *pooled)
{
    const int blob = b->net->layers[i].tops[0], consumer = behind(b, i, pooled);
    if (consumer < 0)
        return -1;
    const rs_layer *relu = &b->net->layers[consumer];
    if (relu->type != RS_LAYER_RELU || relu->relu_slope != 0.0f || relu->n_tops != 1)
        return -1;
    /* The ReLU's top is written earlier than the net says: nobody may use that blob in between. */
    for (int j = i + 1; !*pooled && relu->tops[0] != blob && j < consumer; j++) {
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
    tensor->is_unsigned = b->formats->is_unsigned[blob];
    if (tensor->format.bits == 0) {
        WRONG(b, layer, "every blob between the input and the class scores needs a format",
              "blob '%s' has no number format", from->name);
        rs_free(tensor->name);
        tensor->name = NULL;
        return -1;
    }
    return b->qnet->n_tensors++;
}

/* Weights and biases as integers of the layer's kind of numbers. */
static bool quantize_values(builder *b, int layer, const float *weights, int64_t count, const float *bias, rs_qop *op)
{
    const int outputs = b->qnet->tensors[op->output].channels;
    const int64_t terms = count / outputs;
    const int *fl = b->formats->weight_fl[layer];
    rs_number_format format = b->formats->weights[layer];
    const rs_number_format *input = &b->qnet->tensors[op->input].format;
    const rs_number_ops *number = rs_number_ops_of(&format);
    op->bias_fl = number->bias_fl(&format, input, bias, (size_t)outputs);
    for (int o = 0; o < outputs; o++) {
        format.fl = fl ? fl[o] : format.fl;
        rs_number_quantize_array(weights + o * terms, (size_t)terms, format, op->weights + o * terms);
        if (bias)
            op->bias[o] = number->bias(&format, input, op->bias_fl, (double)bias[o], b->qnet->bias_rule);
    }
    return true;
}

static bool quantize_weights(builder *b, const rs_layer *layer, rs_qop *op)
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
    const int index = (int)(layer - b->net->layers);
    const float *biases = b->formats->bias[index] ? b->formats->bias[index] : bias ? bias->data : NULL;
    for (int o = 0; biases && o < out->channels; o++)
        if (isnan(biases[o])) {
            WRONG(b, layer, NULL, "bias %d of layer '%s' is not a number", o, layer->name);
            return false;
        }
    return quantize_values(b, index, b->formats->rounded[index] ? b->formats->rounded[index] : weights->data, count,
                           biases, op);
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

static const int64_t NO_WINDOW[8] = { 1, 1, 1, 1, 0, 0, 1, 1 };

static bool set_convolution(builder *b, const rs_layer *layer, rs_qop *op, const rs_qtensor *input)
{
    const rs_convolution_param *p = &layer->convolution;
    op->type = RS_QOP_CONVOLUTION;
    if (p->groups < 1 || p->groups > input->channels) {
        WRONG(b, layer, NULL, "layer '%s' has %lld groups, expected 1 to %d", layer->name, (long long)p->groups,
              input->channels);
        return false;
    }
    op->groups = (int)p->groups;
    return set_geometry(b, layer, op,
                        (const int64_t[8]) { p->kernel_h, p->kernel_w, p->stride_h, p->stride_w, p->pad_h, p->pad_w,
                                             p->dilation_h, p->dilation_w });
}

static bool set_pooling(builder *b, const rs_layer *layer, rs_qop *op, const rs_qtensor *input)
{
    const rs_pooling_param *p = &layer->pooling;
    op->type = p->method == RS_POOL_MAX ? RS_QOP_MAX_POOL : RS_QOP_AVERAGE_POOL;
    return set_geometry(b, layer, op,
                        p->global ? (const int64_t[8]) { input->height, input->width, 1, 1, 0, 0, 1, 1 }
                                  : (const int64_t[8]) { p->kernel_h, p->kernel_w, p->stride_h, p->stride_w, p->pad_h,
                                                         p->pad_w, 1, 1 });
}

/* Bounds as integers of the output; what lies beyond the format's range does not clip. */
static bool set_clip(const builder *b, const rs_layer *layer, rs_qop *op)
{
    const rs_qtensor *out = &b->qnet->tensors[op->output];
    const rs_rounding rounding = rs_number_nearest(out->format);
    op->type = RS_QOP_CLIP;
    op->least = rs_qtensor_quantize(out, (double)layer->clip[0], rounding, NULL);
    op->most = rs_qtensor_quantize(out, (double)layer->clip[1], rounding, NULL);
    return true;
}

static bool set_lrn(builder *b, const rs_layer *layer, rs_qop *op)
{
    const rs_lrn_param *p = &layer->lrn;
    op->type = RS_QOP_LRN;
    if (p->size < 1 || p->size > 1023) {
        WRONG(b, layer, NULL, "layer '%s' normalizes over %lld values, expected 1 to 1023", layer->name,
              (long long)p->size);
        return false;
    }
    op->lrn = (rs_qlrn) {
        .within = !p->across, .size = (int)p->size, .alpha = p->alpha, .beta = p->beta, .k = p->across ? p->k : 1.0f
    };
    return true;
}

/* Type and geometry of a layer's op. */
static bool set_type(builder *b, const rs_layer *layer, rs_qop *op, const rs_qtensor *input)
{
    op->groups = 1;
    if (!set_geometry(b, layer, op, NO_WINDOW))
        return false;
    switch (layer->type) {
    case RS_LAYER_CONVOLUTION:
        return set_convolution(b, layer, op, input);
    case RS_LAYER_INNER_PRODUCT:
        op->type = RS_QOP_INNER_PRODUCT;
        return set_geometry(b, layer, op, (const int64_t[8]) { input->height, input->width, 1, 1, 0, 0, 1, 1 });
    case RS_LAYER_POOLING:
        return set_pooling(b, layer, op, input);
    case RS_LAYER_LRN:
        return set_lrn(b, layer, op);
    case RS_LAYER_CLIP:
        return set_clip(b, layer, op);
    case RS_LAYER_ELTWISE:
        op->type = RS_QOP_ADD;
        return true;
    case RS_LAYER_CONCAT:
        op->type = RS_QOP_CONCAT;
        return true;
    default:
        op->type = RS_QOP_RELU;
        return true;
    }
}

/* Appends the op of a layer that writes a new tensor for blob `top`. */
static void add_op(builder *b, const rs_layer *layer, int top, bool relu)
{
    rs_qnet *q = b->qnet;
    const int out = add_tensor(b, layer, top);
    if (out < 0)
        return;
    rs_qop *op = &q->ops[q->n_ops++];
    op->n_inputs = layer->n_bottoms;
    for (int k = 0; k < layer->n_bottoms; k++)
        op->inputs[k] = b->tensor[layer->bottoms[k]];
    op->output = out;
    op->relu = relu;
    op->name = rs_strdup(layer->name);
    if (!op->name) {
        b->status = rs_out_of_memory(b->diag);
        return;
    }
    b->tensor[top] = out;
    const rs_qtensor *input = &q->tensors[op->input];
    if (!set_type(b, layer, op, input))
        return;
    if (op->type == RS_QOP_ADD)
        op->shift = input->format.fl + rs_qop_align(q, op, 0) - q->tensors[out].format.fl;
    if (op->type == RS_QOP_AVERAGE_POOL)
        op->shift = input->format.fl - q->tensors[out].format.fl;
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
    const int *weight_fl = b->formats->weight_fl[layer - b->net->layers];
    const size_t channels = (size_t)q->tensors[out].channels;
    if (weight_fl) {
        op->weight_fl = RS_NEW_ARRAY(int, channels);
        if (!op->weight_fl) {
            b->status = rs_out_of_memory(b->diag);
            return;
        }
        memcpy(op->weight_fl, weight_fl, channels * sizeof *weight_fl);
    }
    quantize_weights(b, layer, op);
}

/* Layers that change no integer and no order of integers. */
static bool passes(const rs_layer *layer)
{
    return layer->type == RS_LAYER_DROPOUT || layer->type == RS_LAYER_SPLIT || layer->type == RS_LAYER_FLATTEN ||
           layer->type == RS_LAYER_RESHAPE || (layer->type == RS_LAYER_CONCAT && layer->n_bottoms == 1);
}

/* Says what has no integer rule. */
static bool has_rule(builder *b, const rs_layer *layer)
{
    static const char hint[] = "only layers with a rule in docs/arithmetic.md can run on integers";
    switch (layer->type) {
    case RS_LAYER_POOLING:
        if (!layer->pooling.exclude_padding)
            return true;
        WRONG(b, layer, "the divisor of an average is the window with its padding (count_include_pad 1)",
              "layer '%s' averages without the padding, which has no integer rule", layer->name);
        return false;
    case RS_LAYER_CONVOLUTION:
    case RS_LAYER_INNER_PRODUCT:
    case RS_LAYER_DROPOUT:
    case RS_LAYER_SPLIT:
    case RS_LAYER_FLATTEN:
    case RS_LAYER_RESHAPE:
    case RS_LAYER_LRN:
    case RS_LAYER_CLIP:
        return true;
    case RS_LAYER_RELU:
        if (layer->relu_slope == 0.0f)
            return true;
        WRONG(b, layer, "a slope of 0 has one", "layer '%s' is a ReLU with slope %g, which has no integer rule",
              layer->name, (double)layer->relu_slope);
        return false;
    case RS_LAYER_CONCAT: {
        const int n_axes = b->net->blobs[layer->tops[0]].shape.n_axes;
        if (rs_axis(layer->concat.axis, n_axes) == 1)
            return true;
        WRONG(b, layer, "along the channels, axis 1, it has one",
              "layer '%s' concatenates along axis %lld, which has no "
              "integer rule",
              layer->name, (long long)layer->concat.axis);
        return false;
    }
    case RS_LAYER_ELTWISE: {
        bool plain = layer->eltwise.method == RS_ELTWISE_SUM;
        for (int i = 0; plain && layer->eltwise.coefficients && i < layer->n_bottoms; i++)
            plain = layer->eltwise.coefficients[i] == 1.0f;
        if (plain)
            return true;
        WRONG(b, layer, "sums with coefficients of 1 have one",
              "layer '%s' of type Eltwise has no integer rule for its operation or coefficients", layer->name);
        return false;
    }
    case RS_LAYER_BATCH_NORM:
    case RS_LAYER_SCALE:
    case RS_LAYER_BIAS:
        WRONG(b, layer, "directly behind a convolution or inner product it is folded into that layer",
              "layer '%s' of type %s stands alone, which has no integer rule", layer->name,
              rs_layer_type_name(layer->type));
        return false;
    default:
        WRONG(b, layer, hint, "layer '%s' of type %s has no integer rule", layer->name,
              rs_layer_type_name(layer->type));
        return false;
    }
}

/* Whether the blob has the sizes of the tensor that holds it: not behind a flatten or reshape of maps. */
static bool same_sizes(const builder *b, int blob)
{
    const rs_shape *shape = &b->net->blobs[blob].shape;
    const rs_qtensor *t = &b->qnet->tensors[b->tensor[blob]];
    const int dim[3] = { t->channels, t->height, t->width };
    for (int a = 1; a < 4; a++)
        if ((a < shape->n_axes ? shape->dim[a] : 1) != dim[a - 1])
            return false;
    return true;
}

/* Whether all inputs hold integers, and of the sizes that the layer sees. */
static bool inputs_ok(builder *b, const rs_layer *layer)
{
    for (int k = 0; k < layer->n_bottoms; k++) {
        const int bottom = layer->bottoms[k];
        if (b->tensor[bottom] < 0) {
            /* What made the bottom has been reported; a blob from outside other than the input has not. */
            if (b->status == RS_OK)
                WRONG(b, layer, NULL, "layer '%s' reads blob '%s', which is no activation", layer->name,
                      b->net->blobs[bottom].name);
            return false;
        }
        if (layer->type != RS_LAYER_INNER_PRODUCT && !passes(layer) && layer->type != RS_LAYER_RELU &&
            layer->type != RS_LAYER_CLIP && !same_sizes(b, bottom)) {
            WRONG(b, layer, "an inner product may follow a Flatten or Reshape",
                  "layer '%s' reads blob '%s', whose maps have been reshaped, which has no integer rule", layer->name,
                  b->net->blobs[bottom].name);
            return false;
        }
    }
    return true;
}

static void build_layer(builder *b, int i)
{
    const rs_layer *layer = &b->net->layers[i];
    if (layer->type == RS_LAYER_INPUT || !has_rule(b, layer))
        return;
    const bool several = layer->type == RS_LAYER_CONCAT || layer->type == RS_LAYER_ELTWISE;
    if (layer->n_bottoms < 1 || layer->n_bottoms > (several ? RS_QOP_MAX_INPUTS : 1) || layer->n_tops < 1 ||
        (layer->n_tops != 1 && layer->type != RS_LAYER_SPLIT)) {
        WRONG(b, layer, NULL, "layer '%s' has %d bottoms and %d tops, expected %s", layer->name, layer->n_bottoms,
              layer->n_tops, several ? "at most 64 bottoms and one top" : "one of each");
        return;
    }
    if (!inputs_ok(b, layer))
        return;
    if (passes(layer) || b->passed[i]) {
        for (int t = 0; t < layer->n_tops; t++)
            b->tensor[layer->tops[t]] = b->tensor[layer->bottoms[0]];
        return;
    }
    int top = layer->tops[0];
    bool pooled = false;
    const int relu = weighted(layer) || layer->type == RS_LAYER_ELTWISE ? fusable_relu(b, i, &pooled) : -1;
    if (relu >= 0 && pooled) {
        b->passed[relu] = true;
    } else if (relu >= 0) {
        b->done[relu] = true;
        top = b->net->layers[relu].tops[0];
    }
    const bool sums = weighted(layer) || layer->type == RS_LAYER_ELTWISE;
    add_op(b, layer, top, relu >= 0 || (sums && clipped_at_zero(b, i)));
}

/* The centre of the mean image, as images are cropped. */
static void build_mean_image(builder *b, const rs_data_param *data)
{
    rs_qnet *q = b->qnet;
    const rs_qtensor *t = &q->tensors[0];
    const int64_t *dim = data->mean_dim;
    if (dim[0] != t->channels || dim[1] < t->height || dim[2] < t->width) {
        WRONG(b, (const rs_layer *)NULL, NULL, "the mean image is %lldx%lldx%lld, the input '%s' %dx%dx%d",
              (long long)dim[0], (long long)dim[1], (long long)dim[2], t->name, t->channels, t->height, t->width);
        return;
    }
    q->mean_image = RS_NEW_ARRAY(float, (size_t)t->channels *(size_t)t->height *(size_t)t->width);
    if (!q->mean_image) {
        b->status = rs_out_of_memory(b->diag);
        return;
    }
    const int64_t top = (dim[1] - t->height) / 2, left = (dim[2] - t->width) / 2;
    for (int64_t c = 0, i = 0; c < t->channels; c++)
        for (int64_t y = 0; y < t->height; y++)
            for (int64_t x = 0; x < t->width; x++, i++)
                q->mean_image[i] = data->mean_image[(c * dim[1] + top + y) * dim[2] + left + x];
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
    if (data && data->mean_image) {
        build_mean_image(b, data);
        return;
    }
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
            q->pixel_table[c * 256 + v] = rs_qtensor_quantize(t, (double)value, rs_number_nearest(t->format), NULL);
        }
    }
}

/* Section 5: scores as wide as the accumulator; of an average, with the bits that its factor has. */
static void widen_scores(rs_qnet *q)
{
    rs_qop *op = &q->ops[q->n_ops - 1];
    rs_qtensor *out = &q->tensors[op->output];
    const rs_qtensor *in = &q->tensors[op->input];
    const int fl = op->shift + out->format.fl; /* of the accumulator */
    int bits, shift;
    if (op->type == RS_QOP_AVERAGE_POOL) {
        bits = rs_qtensor_signed_bits(in) + RS_AVERAGE_BITS;
        shift = -RS_AVERAGE_BITS;
    } else if ((rs_qop_weighted(op) && !op->weight_fl) || op->type == RS_QOP_ADD) {
        bits = rs_qop_accumulator_bits(q, op, true);
        shift = bits > RS_QNET_MAX_SCORE_BITS ? bits - RS_QNET_MAX_SCORE_BITS : 0;
    } else {
        return;
    }
    out->format.bits = bits < RS_QNET_MAX_SCORE_BITS ? bits : RS_QNET_MAX_SCORE_BITS;
    out->format.fl = fl - shift;
    out->is_unsigned = false;
    op->shift = shift;
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
    b.passed = RS_NEW_ARRAY(bool, layers);
    b.tensor = RS_NEW_ARRAY(int, blobs);
    b.wanted = RS_NEW_ARRAY(bool, blobs);
    if (b.qnet) {
        b.qnet->name = rs_strdup(net->name ? net->name : "");
        b.qnet->tensors = RS_NEW_ARRAY(rs_qtensor, layers + 1);
        b.qnet->ops = RS_NEW_ARRAY(rs_qop, layers);
    }
    if (!b.qnet || !b.needed || !b.done || !b.passed || !b.tensor || !b.wanted || !b.qnet->name || !b.qnet->tensors ||
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
        if (b.status == RS_OK && formats->wide_scores && b.qnet->n_ops > 0)
            widen_scores(b.qnet);
        if (b.status == RS_OK)
            b.status = rs_qnet_check(b.qnet, net->path, diag);
    }
    rs_free(b.needed);
    rs_free(b.done);
    rs_free(b.passed);
    rs_free(b.tensor);
    rs_free(b.wanted);
    if (b.status != RS_OK)
        rs_qnet_free(b.qnet);
    else
        *qnet = b.qnet;
    return b.status;
}
