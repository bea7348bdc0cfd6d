/* Shapes of a net, layer by layer, and what the layers' shape rules have in common. */
#include <inttypes.h>

#include "net/rule.h"

/* "expected 1", "expected at least 2" */
static bool has(const rs_layer *layer, const char *what, int n, rs_limits limits, rs_diag *diag)
{
    if (n >= limits.min && n <= limits.max)
        return true;
    rs_error(diag, RS_BAD_INPUT, layer->loc, NULL, "layer '%s' (%s) has %d %s%s, expected %s%d", layer->name,
             rs_layer_type_name(layer->type), n, what, n == 1 ? "" : "s", limits.min == limits.max ? "" : "at least ",
             limits.min);
    return false;
}

rs_status rs_layer_set_param(rs_layer *layer, int p, rs_shape shape, rs_diag *diag)
{
    rs_param *param = &layer->params[p];
    char now[RS_SHAPE_TEXT], then[RS_SHAPE_TEXT];
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

rs_status rs_layer_set_params(rs_layer *layer, rs_shape weights, bool bias, rs_shape bias_shape, rs_diag *diag)
{
    layer->n_params = bias ? 2 : 1;
    rs_status st = rs_layer_set_param(layer, 0, weights, diag);
    if (st == RS_OK && bias)
        st = rs_layer_set_param(layer, 1, bias_shape, diag);
    return st;
}

bool rs_layer_takes_images(const rs_layer *layer, const rs_shape *in, rs_diag *diag)
{
    char text[RS_SHAPE_TEXT];
    if (in->n_axes == 4 && in->dim[1] > 0 && in->dim[2] > 0 && in->dim[3] > 0)
        return true;
    rs_error(diag, RS_BAD_INPUT, layer->loc, NULL, "layer '%s' (%s): the input is %s, expected images (N x C x H x W)",
             layer->name, rs_layer_type_name(layer->type), rs_shape_text(in, text, sizeof text));
    return false;
}

bool rs_layer_takes_groups(const rs_layer *layer, const rs_shape *in, rs_diag *diag)
{
    const int64_t groups = layer->convolution.groups;
    if (!rs_layer_takes_images(layer, in, diag))
        return false;
    if (in->dim[1] % groups == 0)
        return true;
    rs_error(diag, RS_BAD_INPUT, layer->loc, NULL,
             "layer '%s': %" PRId64 " input channels cannot be divided into %" PRId64 " groups", layer->name,
             in->dim[1], groups);
    return false;
}

bool rs_layer_window_fits(const rs_layer *layer, const rs_shape *in, const int64_t window[2], const int64_t pad[2],
                          rs_diag *diag)
{
    const int64_t h = in->dim[2] + 2 * pad[0], w = in->dim[3] + 2 * pad[1];
    if (window[0] <= h && window[1] <= w)
        return true;
    rs_error(diag, RS_BAD_INPUT, layer->loc, NULL,
             "layer '%s': the kernel is %" PRId64 "x%" PRId64 ", larger than its input of %" PRId64 "x%" PRId64
             " (padding included)",
             layer->name, window[0], window[1], h, w);
    return false;
}

int rs_layer_axis(const rs_layer *layer, int64_t axis, const rs_shape *in, rs_diag *diag)
{
    char text[RS_SHAPE_TEXT];
    const int a = rs_axis(axis, in->n_axes);
    if (a > 0)
        return a;
    rs_error(diag, RS_BAD_INPUT, layer->loc, NULL, "layer '%s' (%s): axis %" PRId64 " of %s is %s, expected 1 to %d",
             layer->name, rs_layer_type_name(layer->type), axis, rs_shape_text(in, text, sizeof text),
             a == 0 ? "the batch" : "not there", in->n_axes - 1);
    return -1;
}

bool rs_layer_takes_channels(const rs_layer *layer, const rs_shape *in, rs_diag *diag)
{
    char text[RS_SHAPE_TEXT];
    if (in->n_axes >= 2 && in->dim[1] > 0)
        return true;
    rs_error(diag, RS_BAD_INPUT, layer->loc, NULL, "layer '%s' (%s): the input is %s, expected N x channels",
             layer->name, rs_layer_type_name(layer->type), rs_shape_text(in, text, sizeof text));
    return false;
}

bool rs_layer_takes_same(const rs_net *net, const rs_layer *layer, int axis, rs_diag *diag)
{
    const rs_shape *first = &net->blobs[layer->bottoms[0]].shape;
    char a[RS_SHAPE_TEXT], b[RS_SHAPE_TEXT];
    for (int i = 1; i < layer->n_bottoms; i++) {
        rs_shape other = net->blobs[layer->bottoms[i]].shape;
        const rs_shape given = other;
        if (axis >= 0 && axis < other.n_axes)
            other.dim[axis] = first->dim[axis];
        if (!rs_shape_equal(first, &other)) {
            rs_error(diag, RS_BAD_INPUT, layer->loc, NULL,
                     "layer '%s' (%s): bottom '%s' is %s and bottom '%s' is %s, expected the same sizes%s", layer->name,
                     rs_layer_type_name(layer->type), net->blobs[layer->bottoms[0]].name,
                     rs_shape_text(first, a, sizeof a), net->blobs[layer->bottoms[i]].name,
                     rs_shape_text(&given, b, sizeof b), axis >= 0 ? " but along the axis" : "");
            return false;
        }
    }
    return true;
}

rs_status rs_shape_same(rs_net *net, rs_layer *layer, const rs_shape *in, rs_shape *out, rs_diag *diag)
{
    (void)net;
    (void)layer;
    (void)diag;
    *out = *in;
    return RS_OK;
}

static rs_status infer_layer(rs_net *net, rs_layer *layer, rs_diag *diag)
{
    const rs_layer_rule *rule = rs_layer_rule_of(layer->type);
    if (!has(layer, "bottom", layer->n_bottoms, rule->bottoms, diag) ||
        !has(layer, "top", layer->n_tops, rule->tops, diag))
        return RS_BAD_INPUT;
    for (int b = 0; b < layer->n_bottoms; b++)
        if (net->blobs[layer->bottoms[b]].shape.n_axes == 0)
            return rs_error(
                diag, RS_BAD_INPUT, layer->loc, NULL,
                "layer '%s' (%s): bottom '%s' is one value for the whole batch, expected values of each image",
                layer->name, rule->name, net->blobs[layer->bottoms[b]].name);
    rs_shape *out = &net->blobs[layer->tops[0]].shape;
    if (layer->n_bottoms == 0)
        return rule->shape(net, layer, NULL, out, diag);
    const rs_shape in = net->blobs[layer->bottoms[0]].shape;
    return rule->shape(net, layer, &in, out, diag);
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
        char a[RS_SHAPE_TEXT], b[RS_SHAPE_TEXT];
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
    if (input != NULL && layer->type == RS_LAYER_INPUT && layer->n_tops > 0 && layer->tops[0] == rs_net_input(net))
        net->blobs[layer->tops[0]].shape = *input;
    rs_status st = infer_layer(net, layer, diag);
    if (st == RS_OK)
        st = share_params(net, index, diag);
    for (int t = 0; t < layer->n_tops && st == RS_OK; t++) {
        const rs_blob *blob = &net->blobs[layer->tops[t]];
        char text[RS_SHAPE_TEXT];
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
