/* Layers that pass their values on as they are: to several readers (Split), in another shape (Flatten, Reshape), or
 * merely under another name (Identity, which may work in place). */
#include <inttypes.h>
#include <string.h>

#include "layers/layer.h"

static void add_or_copy(int64_t n, const float *from, float *to, bool add)
{
    if (!add && to != from) /* else: in place */
        memcpy(to, from, (size_t)n * sizeof *to);
    for (int64_t i = 0; i < n && add; i++)
        to[i] += from[i];
}

static void forward(rs_op *op, int64_t first, int64_t n, float *scratch)
{
    (void)scratch;
    const int64_t size = op->bottom_size[0];
    for (int t = 0; t < op->layer->n_tops; t++)
        add_or_copy(n * size, op->bottom[0] + first * size, op->top[t] + first * size, false);
}

static void backward(rs_op *op, int64_t first, int64_t n, float *scratch)
{
    (void)scratch;
    if (!op->backward_data[0])
        return;
    const int64_t size = op->bottom_size[0];
    bool add = op->add[0];
    for (int t = 0; t < op->layer->n_tops; t++)
        if (op->top_gradient[t] != NULL) {
            add_or_copy(n * size, op->top_gradient[t] + first * size, op->bottom_gradient[0] + first * size, add);
            add = true;
        }
}

static const rs_layer_ops ops = { .forward = forward, .backward = backward };

static rs_status split_shape(rs_net *net, rs_layer *layer, const rs_shape *in, rs_shape *out, rs_diag *diag)
{
    (void)out;
    (void)diag;
    for (int t = 0; t < layer->n_tops; t++)
        net->blobs[layer->tops[t]].shape = *in;
    return RS_OK;
}

static rs_status flatten_shape(rs_net *net, rs_layer *layer, const rs_shape *in, rs_shape *out, rs_diag *diag)
{
    (void)net;
    const int from = rs_layer_axis(layer, layer->flatten.axis, in, diag);
    const int to = from < 0 ? -1 : rs_layer_axis(layer, layer->flatten.end_axis, in, diag);
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

static rs_status reshape_shape(rs_net *net, rs_layer *layer, const rs_shape *in, rs_shape *out, rs_diag *diag)
{
    (void)net;
    const rs_reshape_param *p = &layer->reshape;
    char a[RS_SHAPE_TEXT], b[RS_SHAPE_TEXT];
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

const rs_layer_rule rs_split_layer = {
    .name = "Split",
    .bottoms = { 1, 1 },
    .tops = { 1, RS_ANY },
    .shape = split_shape,
    .ops = &ops,
};

const rs_layer_rule rs_flatten_layer = {
    .name = "Flatten",
    .bottoms = { 1, 1 },
    .tops = { 1, 1 },
    .shape = flatten_shape,
    .ops = &ops,
};

const rs_layer_rule rs_reshape_layer = {
    .name = "Reshape",
    .bottoms = { 1, 1 },
    .tops = { 1, 1 },
    .shape = reshape_shape,
    .ops = &ops,
};

const rs_layer_rule rs_identity_layer = {
    .name = "Identity",
    .bottoms = { 1, 1 },
    .tops = { 1, 1 },
    .in_place = true,
    .shape = rs_shape_same,
    .ops = &ops,
};
