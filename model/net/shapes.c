/* Shape rules: what each layer makes of the shapes of its bottoms. */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "net/net.h"

#define SHAPE_TEXT 192

/* "expected 1", "expected at least 2" */
static bool has(const rs_layer *layer, const char *what, int n, int least, int most, rs_diag *diag)
{
    if (n >= least && n <= most)
        return true;
    rs_error(diag, RS_BAD_INPUT, layer->loc, NULL, "layer '%s' (%s) has %d %s%s, expected %s%d", layer->name,
             rs_layer_type_name(layer->type), n, what, n == 1 ? "" : "s", least == most ? "" : "at least ", least);
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

static rs_status set_params(rs_layer *layer, rs_shape weights, bool bias, rs_shape bias_shape, rs_diag *diag)
{
    layer->n_params = bias ? 2 : 1;
    rs_status st = set_param(layer, 0, weights, diag);
    if (st == RS_OK && bias)
        st = set_param(layer, 1, bias_shape, diag);
    return st;
}

/* Convolution and pooling work on N x C x H x W. */
static bool is_image(const rs_layer *layer, const rs_shape *in, rs_diag *diag)
{
    char text[SHAPE_TEXT];
    if (in->n_axes == 4 && in->dim[1] > 0 && in->dim[2] > 0 && in->dim[3] > 0)
        return true;
    rs_error(diag, RS_BAD_INPUT, layer->loc, NULL, "layer '%s' (%s): the input is %s, expected images (N x C x H x W)",
             layer->name, rs_layer_type_name(layer->type), rs_shape_text(in, text, sizeof text));
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
    *out = (rs_shape) { 4,
                        { in->dim[0], c->out_channels,
                          rs_convolution_output(in->dim[2], c->kernel_h, c->stride_h, c->pad_h, c->dilation_h),
                          rs_convolution_output(in->dim[3], c->kernel_w, c->stride_w, c->pad_w, c->dilation_w) } };
    const rs_shape weights = { 4, { c->out_channels, in->dim[1] / c->groups, c->kernel_h, c->kernel_w } };
    return set_params(layer, weights, c->bias, (rs_shape) { 1, { c->out_channels } }, diag);
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
    *out = (rs_shape) { 2, { in->dim[0], ip->outputs } };
    return set_params(layer, (rs_shape) { 2, { ip->outputs, inputs } }, ip->bias, (rs_shape) { 1, { ip->outputs } },
                      diag);
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
    *out = (rs_shape) { 4,
                        { in->dim[0], in->dim[1],
                          rs_pooling_output(in->dim[2], p->kernel_h, p->stride_h, p->pad_h, p->floor),
                          rs_pooling_output(in->dim[3], p->kernel_w, p->stride_w, p->pad_w, p->floor) } };
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
    *out = (rs_shape) { 0, { 0 } };
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
        net->blobs[layer->tops[1]].shape = (rs_shape) { 1, { top->dim[0] } };
    for (int i = 1; i < layer->n_tops; i++)
        if (net->blobs[layer->tops[i]].shape.n_axes == 0)
            return rs_error(diag, RS_BAD_INPUT, layer->loc, NULL, "layer '%s' gives no shape for its top '%s'",
                            layer->name, net->blobs[layer->tops[i]].name);
    return RS_OK;
}

/* The transpose of a convolution of the same geometry: its channels are a convolution's outputs. */
static rs_status infer_deconvolution(rs_layer *layer, const rs_shape *in, rs_shape *out, rs_diag *diag)
{
    const rs_convolution_param *c = &layer->convolution;
    if (!is_image(layer, in, diag))
        return RS_BAD_INPUT;
    if (in->dim[1] % c->groups != 0)
        return rs_error(diag, RS_BAD_INPUT, layer->loc, NULL,
                        "layer '%s': %" PRId64 " input channels cannot be divided into %" PRId64 " groups", layer->name,
                        in->dim[1], c->groups);
    *out = (rs_shape) { 4, { in->dim[0], c->out_channels } };
    const int64_t kernel[2] = { c->kernel_h, c->kernel_w }, stride[2] = { c->stride_h, c->stride_w };
    const int64_t pad[2] = { c->pad_h, c->pad_w }, dilation[2] = { c->dilation_h, c->dilation_w };
    for (int i = 0; i < 2; i++) {
        out->dim[2 + i] = stride[i] * (in->dim[2 + i] - 1) + dilation[i] * (kernel[i] - 1) + 1 - 2 * pad[i];
        if (out->dim[2 + i] < 1)
            return rs_error(diag, RS_BAD_INPUT, layer->loc, NULL,
                            "layer '%s': padding of %" PRId64 " leaves nothing of the output along axis %d",
                            layer->name, pad[i], 2 + i);
    }
    const rs_shape weights = { 4, { in->dim[1], c->out_channels / c->groups, c->kernel_h, c->kernel_w } };
    return set_params(layer, weights, c->bias, (rs_shape) { 1, { c->out_channels } }, diag);
}

/* An axis as a file gives it, which must exist and not be the batch. -1 and an error if not. */
static int axis_of(const rs_layer *layer, int64_t axis, const rs_shape *in, rs_diag *diag)
{
    char text[SHAPE_TEXT];
    const int a = rs_axis(axis, in->n_axes);
    if (a > 0)
        return a;
    rs_error(diag, RS_BAD_INPUT, layer->loc, NULL, "layer '%s' (%s): axis %" PRId64 " of %s is %s, expected 1 to %d",
             layer->name, rs_layer_type_name(layer->type), axis, rs_shape_text(in, text, sizeof text),
             a == 0 ? "the batch" : "not there", in->n_axes - 1);
    return -1;
}

static rs_status infer_lrn(const rs_layer *layer, const rs_shape *in, rs_shape *out, rs_diag *diag)
{
    if (!is_image(layer, in, diag))
        return RS_BAD_INPUT;
    *out = *in;
    return RS_OK;
}

/* Channels along axis 1. */
static bool has_channels(const rs_layer *layer, const rs_shape *in, rs_diag *diag)
{
    char text[SHAPE_TEXT];
    if (in->n_axes >= 2 && in->dim[1] > 0)
        return true;
    rs_error(diag, RS_BAD_INPUT, layer->loc, NULL, "layer '%s' (%s): the input is %s, expected N x channels",
             layer->name, rs_layer_type_name(layer->type), rs_shape_text(in, text, sizeof text));
    return false;
}

static rs_status infer_batch_norm(rs_layer *layer, const rs_shape *in, rs_shape *out, rs_diag *diag)
{
    if (!has_channels(layer, in, diag))
        return RS_BAD_INPUT;
    const rs_shape channels = { 1, { in->dim[1] } };
    *out = *in;
    layer->n_params = 3;
    rs_status st = set_param(layer, 0, channels, diag);
    if (st == RS_OK)
        st = set_param(layer, 1, channels, diag);
    return st == RS_OK ? set_param(layer, 2, (rs_shape) { 1, { 1 } }, diag) : st;
}

static rs_status infer_prelu(rs_layer *layer, const rs_shape *in, rs_shape *out, rs_diag *diag)
{
    if (!has_channels(layer, in, diag))
        return RS_BAD_INPUT;
    *out = *in;
    layer->n_params = 1;
    return set_param(layer, 0, (rs_shape) { layer->prelu.shared ? 0 : 1, { in->dim[1] } }, diag);
}

static rs_status infer_scale(rs_layer *layer, const rs_shape *in, rs_shape *out, rs_diag *diag)
{
    const rs_scale_param *p = &layer->scale;
    const int axis = axis_of(layer, p->axis, in, diag);
    if (axis < 0)
        return RS_BAD_INPUT;
    const int64_t n = p->num_axes == -1 ? in->n_axes - axis : p->num_axes;
    if (n < 0 || n > in->n_axes - axis)
        return rs_error(diag, RS_BAD_INPUT, layer->loc, NULL,
                        "layer '%s' (%s): num_axes is %" PRId64 ", expected -1 to %d", layer->name,
                        rs_layer_type_name(layer->type), n, in->n_axes - axis);
    rs_shape weights = { (int)n, { 0 } };
    for (int i = 0; i < (int)n; i++)
        weights.dim[i] = in->dim[axis + i];
    *out = *in;
    return set_params(layer, weights, p->bias, weights, diag);
}

/* Shapes that agree but for one axis (-1: altogether). */
static rs_status same_but(const rs_net *net, const rs_layer *layer, int axis, rs_diag *diag)
{
    const rs_shape *first = &net->blobs[layer->bottoms[0]].shape;
    char a[SHAPE_TEXT], b[SHAPE_TEXT];
    for (int i = 1; i < layer->n_bottoms; i++) {
        rs_shape other = net->blobs[layer->bottoms[i]].shape;
        const rs_shape given = other;
        if (axis >= 0 && axis < other.n_axes)
            other.dim[axis] = first->dim[axis];
        if (!rs_shape_equal(first, &other))
            return rs_error(diag, RS_BAD_INPUT, layer->loc, NULL,
                            "layer '%s' (%s): bottom '%s' is %s and bottom '%s' is %s, expected the same sizes%s",
                            layer->name, rs_layer_type_name(layer->type), net->blobs[layer->bottoms[0]].name,
                            rs_shape_text(first, a, sizeof a), net->blobs[layer->bottoms[i]].name,
                            rs_shape_text(&given, b, sizeof b), axis >= 0 ? " but along the axis" : "");
    }
    return RS_OK;
}

static rs_status infer_concat(const rs_net *net, const rs_layer *layer, const rs_shape *in, rs_shape *out,
                              rs_diag *diag)
{
    const int axis = axis_of(layer, layer->concat.axis, in, diag);
    if (axis < 0 || same_but(net, layer, axis, diag) != RS_OK)
        return RS_BAD_INPUT;
    *out = *in;
    for (int i = 1; i < layer->n_bottoms; i++)
        out->dim[axis] += net->blobs[layer->bottoms[i]].shape.dim[axis];
    return RS_OK;
}

static rs_status infer_slice(const rs_net *net, const rs_layer *layer, const rs_shape *in, rs_diag *diag)
{
    const rs_slice_param *p = &layer->slice;
    const int axis = axis_of(layer, p->axis, in, diag);
    if (axis < 0)
        return RS_BAD_INPUT;
    const int64_t size = in->dim[axis];
    if (p->n_points == 0 && size % layer->n_tops != 0)
        return rs_error(diag, RS_BAD_INPUT, layer->loc, "slice_point gives other sizes",
                        "layer '%s' (Slice): %" PRId64 " along axis %d cannot be divided among %d tops", layer->name,
                        size, axis, layer->n_tops);
    if (p->n_points > 0 && p->n_points != layer->n_tops - 1)
        return rs_error(diag, RS_BAD_INPUT, layer->loc, NULL,
                        "layer '%s' (Slice): %d slice points for %d tops, expected %d", layer->name, p->n_points,
                        layer->n_tops, layer->n_tops - 1);
    int64_t from = 0;
    for (int i = 0; i < layer->n_tops; i++) {
        int64_t to = size;
        if (p->n_points == 0)
            to = from + size / layer->n_tops;
        else if (i < p->n_points)
            to = p->points[i];
        if (to <= from || to > size)
            return rs_error(diag, RS_BAD_INPUT, layer->loc, NULL,
                            "layer '%s' (Slice): its points must increase and lie within the %" PRId64 " of axis %d",
                            layer->name, size, axis);
        rs_shape *out = &net->blobs[layer->tops[i]].shape;
        *out = *in;
        out->dim[axis] = to - from;
        from = to;
    }
    return RS_OK;
}

static rs_status infer_flatten(const rs_layer *layer, const rs_shape *in, rs_shape *out, rs_diag *diag)
{
    const int from = axis_of(layer, layer->flatten.axis, in, diag);
    const int to = from < 0 ? -1 : axis_of(layer, layer->flatten.end_axis, in, diag);
    if (to < 0)
        return RS_BAD_INPUT;
    if (to < from)
        return rs_error(diag, RS_BAD_INPUT, layer->loc, NULL, "layer '%s' (Flatten): end_axis %d lies before axis %d",
                        layer->name, to, from);
    rs_shape flat = { .n_axes = in->n_axes - (to - from) };
    for (int i = 0; i < flat.n_axes; i++)
        flat.dim[i] = in->dim[i <= from ? i : i + (to - from)];
    for (int i = from + 1; i <= to; i++) {
        if (in->dim[i] > 0 && flat.dim[from] > RS_MAX_ELEMENTS / in->dim[i])
            return rs_error(diag, RS_BAD_INPUT, layer->loc, NULL, "layer '%s' (Flatten): the input is too large",
                            layer->name);
        flat.dim[from] *= in->dim[i];
    }
    *out = flat;
    return RS_OK;
}

static rs_status infer_reshape(const rs_layer *layer, const rs_shape *in, rs_shape *out, rs_diag *diag)
{
    const rs_reshape_param *p = &layer->reshape;
    char a[SHAPE_TEXT], b[SHAPE_TEXT];
    /* As in Caffe, -1 is the place behind the last axis. */
    const int64_t from = p->axis >= 0 ? p->axis : in->n_axes + p->axis + 1;
    const int64_t n = p->num_axes == -1 ? in->n_axes - from : p->num_axes;
    if (from < 0 || from > in->n_axes || n < 0 || from + n > in->n_axes ||
        in->n_axes - n + p->shape.n_axes > RS_MAX_AXES)
        return rs_error(diag, RS_BAD_INPUT, layer->loc, NULL,
                        "layer '%s' (Reshape): axis %" PRId64 " and num_axes %" PRId64 " do not fit an input of %s",
                        layer->name, p->axis, p->num_axes, rs_shape_text(in, a, sizeof a));
    rs_shape made = { 0, { 0 } };
    int free_axis = -1;
    for (int i = 0; i < from; i++)
        made.dim[made.n_axes++] = in->dim[i];
    for (int i = 0; i < p->shape.n_axes; i++) {
        int64_t d = p->shape.dim[i];
        if (d == 0 && from + i >= in->n_axes)
            return rs_error(diag, RS_BAD_INPUT, layer->loc, NULL,
                            "layer '%s' (Reshape): dim %d keeps an axis that an input of %s lacks", layer->name, i,
                            rs_shape_text(in, a, sizeof a));
        if (d == 0)
            d = in->dim[from + i];
        if (d == -1) {
            free_axis = made.n_axes;
            d = 1;
        }
        made.dim[made.n_axes++] = d;
    }
    for (int64_t i = from + n; i < in->n_axes; i++)
        made.dim[made.n_axes++] = in->dim[i];
    const int64_t count = rs_shape_count(in, 0), known = rs_shape_count(&made, 0);
    if (free_axis >= 0 && known > 0 && count % known == 0)
        made.dim[free_axis] = count / known;
    if (rs_shape_count(&made, 0) != count)
        return rs_error(diag, RS_BAD_INPUT, layer->loc, NULL, "layer '%s' (Reshape): an input of %s cannot become %s",
                        layer->name, rs_shape_text(in, a, sizeof a), rs_shape_text(&made, b, sizeof b));
    if (made.n_axes < 1 || made.dim[0] != in->dim[0])
        return rs_error(diag, RS_BAD_INPUT, layer->loc, "dim: 0 keeps an axis",
                        "layer '%s' (Reshape): an input of %s would become %s, expected the same batch", layer->name,
                        rs_shape_text(in, a, sizeof a), rs_shape_text(&made, b, sizeof b));
    *out = made;
    return RS_OK;
}

static rs_status infer_euclidean(const rs_net *net, const rs_layer *layer, const rs_shape *in, rs_shape *out,
                                 rs_diag *diag)
{
    char a[SHAPE_TEXT], b[SHAPE_TEXT];
    const rs_shape *other = &net->blobs[layer->bottoms[1]].shape;
    if (in->n_axes < 1 || other->n_axes < 1 || in->dim[0] != other->dim[0] ||
        rs_shape_count(in, 1) != rs_shape_count(other, 1))
        return rs_error(
            diag, RS_BAD_INPUT, layer->loc, NULL,
            "layer '%s' (EuclideanLoss): its bottoms are %s and %s, expected the same number of values an image",
            layer->name, rs_shape_text(in, a, sizeof a), rs_shape_text(other, b, sizeof b));
    *out = (rs_shape) { 0, { 0 } };
    return RS_OK;
}

static rs_status infer_layer(rs_net *net, rs_layer *layer, const rs_shape *input, rs_diag *diag)
{
    const rs_layer_rule *rule = rs_layer_rule_of(layer->type);
    if (layer->type == RS_LAYER_INPUT)
        return infer_input(net, layer, input, diag);
    if (!has(layer, "bottom", layer->n_bottoms, rule->least_bottoms, rule->most_bottoms, diag) ||
        !has(layer, "top", layer->n_tops, rule->least_tops, rule->most_tops, diag))
        return RS_BAD_INPUT;
    for (int b = 0; b < layer->n_bottoms; b++)
        if (net->blobs[layer->bottoms[b]].shape.n_axes == 0)
            return rs_error(
                diag, RS_BAD_INPUT, layer->loc, NULL,
                "layer '%s' (%s): bottom '%s' is one value for the whole batch, expected values of each image",
                layer->name, rule->name, net->blobs[layer->bottoms[b]].name);
    const rs_shape in = net->blobs[layer->bottoms[0]].shape;
    rs_shape *out = &net->blobs[layer->tops[0]].shape;
    char text[SHAPE_TEXT];

    switch (layer->type) {
    case RS_LAYER_CONVOLUTION:
        return infer_convolution(layer, &in, out, diag);
    case RS_LAYER_DECONVOLUTION:
        return infer_deconvolution(layer, &in, out, diag);
    case RS_LAYER_INNER_PRODUCT:
        return infer_inner_product(layer, &in, out, diag);
    case RS_LAYER_POOLING:
        return infer_pooling(layer, &in, out, diag);
    case RS_LAYER_SOFTMAX_LOSS:
    case RS_LAYER_ACCURACY:
        return infer_judge(layer, &in, &net->blobs[layer->bottoms[1]].shape, out, diag);
    case RS_LAYER_EUCLIDEAN_LOSS:
        return infer_euclidean(net, layer, &in, out, diag);
    case RS_LAYER_LRN:
        return infer_lrn(layer, &in, out, diag);
    case RS_LAYER_BATCH_NORM:
        return infer_batch_norm(layer, &in, out, diag);
    case RS_LAYER_PRELU:
        return infer_prelu(layer, &in, out, diag);
    case RS_LAYER_SCALE:
    case RS_LAYER_BIAS:
        return infer_scale(layer, &in, out, diag);
    case RS_LAYER_CONCAT:
        return infer_concat(net, layer, &in, out, diag);
    case RS_LAYER_SLICE:
        return infer_slice(net, layer, &in, diag);
    case RS_LAYER_FLATTEN:
        return infer_flatten(layer, &in, out, diag);
    case RS_LAYER_RESHAPE:
        return infer_reshape(layer, &in, out, diag);
    case RS_LAYER_SOFTMAX:
        if (in.n_axes < 2)
            return rs_error(diag, RS_BAD_INPUT, layer->loc, NULL,
                            "layer '%s' (Softmax): the input is %s, expected N x classes", layer->name,
                            rs_shape_text(&in, text, sizeof text));
        *out = in;
        return RS_OK;
    case RS_LAYER_ELTWISE:
        if (same_but(net, layer, -1, diag) != RS_OK)
            return RS_BAD_INPUT;
        *out = in;
        return RS_OK;
    case RS_LAYER_SPLIT:
        for (int t = 0; t < layer->n_tops; t++)
            net->blobs[layer->tops[t]].shape = in;
        return RS_OK;
    case RS_LAYER_RELU:
    case RS_LAYER_ELU:
    case RS_LAYER_CLIP:
    case RS_LAYER_QUANTIZE_LINEAR:
    case RS_LAYER_SIGMOID:
    case RS_LAYER_TANH:
    case RS_LAYER_DROPOUT:
        *out = in;
        return RS_OK;
    case RS_LAYER_INPUT:
    case RS_LAYER_TYPES:
        break;
    }
    return rs_error(diag, RS_INTERNAL, layer->loc, NULL, "layer '%s' has no known type", layer->name);
}

/* Lets the parameters of a layer that have the name of an earlier one point to its values. */
static rs_status share_params(rs_net *net, int index, rs_diag *diag)
{
    rs_layer *layer = &net->layers[index];
    for (int p = 0; p < layer->n_params; p++) {
        rs_param *param = &layer->params[p];
        int from, q;
        const rs_param *owner = rs_net_param_owner(net, index, p, &from, &q);
        if (owner == param || param->shared)
            continue;
        char a[SHAPE_TEXT], b[SHAPE_TEXT];
        const bool fits = param->permissive ? rs_shape_count(&param->shape, 0) == rs_shape_count(&owner->shape, 0)
                                            : rs_shape_equal(&param->shape, &owner->shape);
        if (!fits)
            return rs_error(diag, RS_BAD_INPUT, layer->loc, NULL,
                            "layer '%s': parameter %d is %s, but it shares '%s' with layer '%s', where it is %s",
                            layer->name, p, rs_shape_text(&param->shape, a, sizeof a), param->name,
                            net->layers[from].name, rs_shape_text(&owner->shape, b, sizeof b));
        rs_free(param->data);
        param->data = owner->data;
        param->shared = true;
    }
    return RS_OK;
}

rs_status rs_net_infer_layer(rs_net *net, int index, const rs_shape *input, rs_diag *diag)
{
    rs_layer *layer = &net->layers[index];
    rs_status st = infer_layer(net, layer, input, diag);
    if (st == RS_OK)
        st = share_params(net, index, diag);
    for (int t = 0; t < layer->n_tops && st == RS_OK; t++) {
        const rs_blob *blob = &net->blobs[layer->tops[t]];
        char text[SHAPE_TEXT];
        int64_t count = rs_shape_count(&blob->shape, 0);
        if (count < 0 || count > RS_MAX_ELEMENTS)
            st = rs_error(diag, RS_BAD_INPUT, layer->loc, NULL,
                          "layer '%s': its top '%s' of %s is too "
                          "large, expected at most %" PRId64 " elements",
                          layer->name, blob->name, rs_shape_text(&blob->shape, text, sizeof text), RS_MAX_ELEMENTS);
    }
    return st;
}

rs_status rs_net_infer_shapes(rs_net *net, const rs_shape *input, rs_diag *diag)
{
    if (input != NULL && rs_net_input(net) < 0)
        return rs_error(diag, RS_BAD_INPUT, RS_FILE(net->path), NULL, "the net has no input layer");
    rs_status st = RS_OK;
    /* Later layers have no input shape if one fails: one error, not a chain of them. */
    for (int i = 0; i < net->n_layers && st == RS_OK; i++)
        st = rs_net_infer_layer(net, i, input, diag);
    return st;
}
