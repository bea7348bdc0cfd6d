/* From a float network and formats to integers. */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "qnet/builder.h"

/* -------------------------------------------------------------------------------------------- layers and operations */

const rs_qop_rule *rs_qop_rule_of_layer(const rs_layer *layer)
{
    for (int i = 0; i < RS_QOPS; i++)
        if (rs_qop_rules[i]->is_of(layer))
            return rs_qop_rules[i];
    return NULL;
}

bool rs_layer_moves(const rs_layer *layer)
{
    return layer->type == RS_LAYER_DROPOUT || layer->type == RS_LAYER_IDENTITY || layer->type == RS_LAYER_SPLIT ||
           layer->type == RS_LAYER_FLATTEN || layer->type == RS_LAYER_RESHAPE;
}

/* Layers that change no integer and no order of integers. */
static bool passes(const rs_layer *layer)
{
    return rs_layer_moves(layer) || (layer->type == RS_LAYER_CONCAT && layer->n_bottoms == 1);
}

static bool has(const int *list, int n, int value)
{
    for (int i = 0; i < n; i++)
        if (list[i] == value)
            return true;
    return false;
}

/* Marks the layers that the scores depend on. */
static void find_needed(rs_qnet_builder *b)
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
static int only_reader(const rs_qnet_builder *b, int i)
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
static int behind(const rs_qnet_builder *b, int i, bool *pooled)
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

/* Whether nothing below zero comes through the layer after layer i: its sums can be cut at zero, for an unsigned
 * output. */
static bool clipped_at_zero(const rs_qnet_builder *b, int i)
{
    bool pooled;
    const int consumer = behind(b, i, &pooled);
    return consumer >= 0 && b->net->layers[consumer].type == RS_LAYER_CLIP && b->net->layers[consumer].clip[0] >= 0.0f;
}

/* The ReLU that alone reads what layer i writes, or -1: it can be fused. *pooled: max pooling lies between. */
static int fusable_relu(const rs_qnet_builder *b, int i, bool *pooled)
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
static int add_tensor(rs_qnet_builder *b, const rs_layer *layer, int blob)
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
        RS_QNET_REFUSE(b, layer, "a batch of maps (N x C x H x W) or of vectors (N x C) can be quantized",
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
        RS_QNET_REFUSE(b, layer, "every blob between the input and the class scores needs a format",
                       "blob '%s' has no number format", from->name);
        rs_free(tensor->name);
        tensor->name = NULL;
        return -1;
    }
    return b->qnet->n_tensors++;
}

bool rs_qnet_set_window(rs_qnet_builder *b, const rs_layer *layer, rs_qop *op, const int64_t geometry[8])
{
    int *const to[8] = { &op->kernel_h, &op->kernel_w, &op->stride_h,   &op->stride_w,
                         &op->pad_h,    &op->pad_w,    &op->dilation_h, &op->dilation_w };
    for (int i = 0; i < 8; i++) {
        if (geometry[i] < 0 || geometry[i] > 1 << 20) {
            RS_QNET_REFUSE(b, layer, NULL, "layer '%s' has a kernel, stride, pad or dilation of %lld, expected 0 to %d",
                           layer->name, (long long)geometry[i], 1 << 20);
            return false;
        }
        *to[i] = (int)geometry[i];
    }
    return true;
}

bool rs_qnet_set_pooling(rs_qnet_builder *b, const rs_layer *layer, rs_qop *op)
{
    const rs_pooling_param *p = &layer->pooling;
    const rs_qtensor *input = rs_qnet_input_of(b, op);
    return rs_qnet_set_window(b, layer, op,
                              p->global ? (const int64_t[8]) { input->height, input->width, 1, 1, 0, 0, 1, 1 }
                                        : (const int64_t[8]) { p->kernel_h, p->kernel_w, p->stride_h, p->stride_w,
                                                               p->pad_h, p->pad_w, 1, 1 });
}

bool rs_qnet_accepts_pooling(rs_qnet_builder *b, const rs_layer *layer)
{
    if (!layer->pooling.exclude_padding)
        return true;
    RS_QNET_REFUSE(b, layer, "the divisor of an average is the window with its padding (count_include_pad 1)",
                   "layer '%s' averages without the padding, which has no integer rule", layer->name);
    return false;
}

/* Appends the op of a layer that writes a new tensor for blob `top`. */
static void add_op(rs_qnet_builder *b, const rs_layer *layer, const rs_qop_rule *rule, int top, bool relu)
{
    rs_qnet *q = b->qnet;
    const int out = add_tensor(b, layer, top);
    if (out < 0)
        return;
    rs_qop *op = &q->ops[q->n_ops++];
    for (int i = 0; i < RS_QOPS; i++)
        op->type = rs_qop_rules[i] == rule ? (rs_qop_type)i : op->type;
    op->n_inputs = layer->n_bottoms;
    for (int k = 0; k < layer->n_bottoms; k++)
        op->inputs[k] = b->tensor[layer->bottoms[k]];
    op->output = out;
    op->relu = relu;
    op->kernel_h = op->kernel_w = op->stride_h = op->stride_w = op->dilation_h = op->dilation_w = op->groups = 1;
    op->name = rs_strdup(layer->name);
    if (!op->name) {
        b->status = rs_out_of_memory(b->diag);
        return;
    }
    b->tensor[top] = out;
    if (rule->build)
        (void)rule->build(b, layer, op);
}

/* ------------------------------------------------------------------------------------------------------ the walk */

/* Says what has no integer rule. */
static bool accepted(rs_qnet_builder *b, const rs_layer *layer, const rs_qop_rule *rule)
{
    if (rule != NULL)
        return rule->accepts == NULL || rule->accepts(b, layer);
    switch (layer->type) {
    case RS_LAYER_BATCH_NORM:
    case RS_LAYER_SCALE:
    case RS_LAYER_BIAS:
        RS_QNET_REFUSE(b, layer, "directly after a convolution or inner product it is folded into that layer",
                       "layer '%s' of type %s stands alone, which has no integer rule", layer->name,
                       rs_layer_type_name(layer->type));
        return false;
    default:
        if (passes(layer))
            return true;
        RS_QNET_REFUSE(b, layer, "only layers with a rule in docs/arithmetic.md can run on integers",
                       "layer '%s' of type %s has no integer rule", layer->name, rs_layer_type_name(layer->type));
        return false;
    }
}

/* Whether the blob has the sizes of the tensor that holds it: not after a flatten or reshape of maps. */
static bool same_sizes(const rs_qnet_builder *b, int blob)
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
static bool inputs_ok(rs_qnet_builder *b, const rs_layer *layer, const rs_qop_rule *rule)
{
    for (int k = 0; k < layer->n_bottoms; k++) {
        const int bottom = layer->bottoms[k];
        if (b->tensor[bottom] < 0) {
            /* What made the bottom has been reported; a blob from outside other than the input has not. */
            if (b->status == RS_OK)
                RS_QNET_REFUSE(b, layer, NULL, "layer '%s' reads blob '%s', which is no activation", layer->name,
                               b->net->blobs[bottom].name);
            return false;
        }
        if (!passes(layer) && !(rule->has & RS_QOP_FLAT) && !same_sizes(b, bottom)) {
            RS_QNET_REFUSE(b, layer, "an inner product may follow a Flatten or Reshape",
                           "layer '%s' reads blob '%s', whose maps have been reshaped, which has no integer rule",
                           layer->name, b->net->blobs[bottom].name);
            return false;
        }
    }
    return true;
}

static void build_layer(rs_qnet_builder *b, int i)
{
    const rs_layer *layer = &b->net->layers[i];
    const rs_qop_rule *rule = rs_qop_rule_of_layer(layer);
    if (layer->type == RS_LAYER_INPUT || !accepted(b, layer, rule))
        return;
    const bool several = rule && rule->has & RS_QOP_SEVERAL;
    if (layer->n_bottoms < 1 || layer->n_bottoms > (several ? RS_QOP_MAX_INPUTS : 1) || layer->n_tops < 1 ||
        (layer->n_tops != 1 && layer->type != RS_LAYER_SPLIT)) {
        RS_QNET_REFUSE(b, layer, NULL, "layer '%s' has %d bottoms and %d tops, expected %s", layer->name,
                       layer->n_bottoms, layer->n_tops, several ? "at most 64 bottoms and one top" : "one of each");
        return;
    }
    if (!inputs_ok(b, layer, rule))
        return;
    if (passes(layer) || b->passed[i]) {
        for (int t = 0; t < layer->n_tops; t++)
            b->tensor[layer->tops[t]] = b->tensor[layer->bottoms[0]];
        return;
    }
    int top = layer->tops[0];
    bool pooled = false;
    const bool fuses = rule->has & RS_QOP_RELU_FUSED;
    const int relu = fuses ? fusable_relu(b, i, &pooled) : -1;
    if (relu >= 0 && pooled) {
        b->passed[relu] = true;
    } else if (relu >= 0) {
        b->done[relu] = true;
        top = b->net->layers[relu].tops[0];
    }
    add_op(b, layer, rule, top, relu >= 0 || (fuses && clipped_at_zero(b, i)));
}

/* The centre of the mean image, as images are cropped. */
static void build_mean_image(rs_qnet_builder *b, const rs_data_param *data)
{
    rs_qnet *q = b->qnet;
    const rs_qtensor *t = &q->tensors[0];
    const int64_t *dim = data->mean_dim;
    if (dim[0] != t->channels || dim[1] < t->height || dim[2] < t->width) {
        RS_QNET_REFUSE(b, (const rs_layer *)NULL, NULL, "the mean image is %lldx%lldx%lld, the input '%s' %dx%dx%d",
                       (long long)dim[0], (long long)dim[1], (long long)dim[2], t->name, t->channels, t->height,
                       t->width);
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
static void build_input(rs_qnet_builder *b, const rs_data_param *data)
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
        RS_QNET_REFUSE(
            b, (const rs_layer *)NULL, NULL,
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
                RS_QNET_REFUSE(b, (const rs_layer *)NULL, NULL,
                               "the mean or scale of the input '%s' is not a finite number", t->name);
                return;
            }
            q->pixel_table[c * 256 + v] = rs_qtensor_quantize(t, (double)value, rs_number_nearest(t->format), NULL);
        }
    }
}

/* Section 5: scores as wide as the accumulator. */
static void widen_scores(rs_qnet *q)
{
    rs_qop *op = &q->ops[q->n_ops - 1];
    rs_qtensor *out = &q->tensors[op->output];
    const int fl = op->shift + out->format.fl; /* of the accumulator */
    int bits = 0, shift = 0;
    if (rs_qop_rules[op->type]->widen == NULL || !rs_qop_rules[op->type]->widen(q, op, &bits, &shift))
        return;
    out->format.bits = bits < RS_QNET_MAX_SCORE_BITS ? bits : RS_QNET_MAX_SCORE_BITS;
    out->format.fl = fl - shift;
    out->is_unsigned = false;
    op->shift = shift;
}

rs_status rs_qnet_build(const rs_net *net, const rs_formats *formats, const rs_data_param *data, rs_bias_rule bias_rule,
                        rs_rounding rounding, rs_qnet **qnet, rs_diag *diag)
{
    *qnet = NULL;
    rs_qnet_builder b = { .net = net, .formats = formats, .diag = diag, .status = RS_OK };
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
