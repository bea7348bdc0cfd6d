/* Layers that take the values of an image in another order, some several times, some not at all: Permute, Tile, Crop,
 * ShuffleChannel and Reorg. Each is a view: value (i0, i1, ...) of the output is value first + sum of i * step of the
 * input. */
#include <inttypes.h>
#include <string.h>

#include "layers/layer.h"

enum { MAX_VIEW = 2 * RS_MAX_AXES };

typedef struct shape_view {
    int n_axes;
    int64_t dim[MAX_VIEW], step[MAX_VIEW];
    int64_t first;
} shape_view;

static void push(shape_view *v, int64_t dim, int64_t step)
{
    v->dim[v->n_axes] = dim;
    v->step[v->n_axes++] = step;
}

/* Values of the input from one place of an axis to the next. */
static int64_t step_of(const rs_shape *in, int axis)
{
    int64_t step = 1;
    for (int i = axis + 1; i < in->n_axes; i++)
        step *= in->dim[i];
    return step;
}

static void tile_view(const rs_shape *in, const rs_tile_param *p, shape_view *v)
{
    const int axis = rs_axis(p->axis, in->n_axes);
    for (int i = 1; i < in->n_axes; i++) {
        if (i == axis)
            push(v, p->tiles, 0);
        push(v, in->dim[i], step_of(in, i));
    }
}

static void crop_view(const rs_shape *in, const rs_shape *out, const rs_crop_param *p, shape_view *v)
{
    const int axis = rs_axis(p->axis, in->n_axes);
    for (int i = 1; i < in->n_axes; i++) {
        push(v, out->dim[i], step_of(in, i));
        if (i >= axis)
            v->first += p->offset[p->n_offsets > 1 ? i - axis : 0] * step_of(in, i);
    }
}

/* Channels (g, k) become (k, g). */
static void shuffle_view(const rs_shape *in, int64_t groups, shape_view *v)
{
    const int64_t area = step_of(in, 1), each = in->dim[1] / groups;
    push(v, each, area);
    push(v, groups, each * area);
    push(v, area, 1);
}

/* As YOLO's layer does it. Reverse: channel (a, b, c) at (y, x) becomes channel c at (y stride + a, x stride + b).
 * Else the inverse of this on the same memory: the input is taken for an array of channels / stride^2 and larger maps,
 * whatever its own shape. */
static void reorg_view(const rs_shape *in, const rs_reorg_param *p, shape_view *v)
{
    const int64_t channels = in->dim[1], height = in->dim[2], width = in->dim[3], s = p->stride;
    if (p->reverse) {
        const int64_t part = channels / (s * s) * height * width;
        push(v, channels / (s * s), height * width);
        push(v, height, width);
        push(v, s, s * part);
        push(v, width, 1);
        push(v, s, part);
        return;
    }
    push(v, s, width * s);
    push(v, s, 1);
    push(v, channels / (s * s), height * width * s * s);
    push(v, height, width * s * s);
    push(v, width, s);
}

static shape_view view_of(const rs_op *op)
{
    const rs_layer *l = op->layer;
    const rs_shape *in = &op->net->blobs[l->bottoms[0]].shape, *out = &op->net->blobs[l->tops[0]].shape;
    shape_view v = { 0 };
    switch (l->type) {
    case RS_LAYER_PERMUTE:
        for (int i = 1; i < in->n_axes; i++)
            push(&v, out->dim[i], step_of(in, (int)l->permute.dim[i]));
        break;
    case RS_LAYER_TILE:
        tile_view(in, &l->tile, &v);
        break;
    case RS_LAYER_CROP:
        crop_view(in, out, &l->crop, &v);
        break;
    case RS_LAYER_SHUFFLE_CHANNEL:
        shuffle_view(in, l->shuffle_groups, &v);
        break;
    default:
        reorg_view(in, &l->reorg, &v);
        break;
    }
    return v;
}

/* Runs of the last axis, one after the other; `add`: from the output into the input, else the other way. */
static void walk(const shape_view *v, const float *from, float *to, bool add)
{
    int64_t at[MAX_VIEW] = { 0 }, offset = v->first, out = 0;
    const int last = v->n_axes - 1;
    if (last < 0) {
        *to = add ? *to + *from : *from;
        return;
    }
    const int64_t n = v->dim[last], step = v->step[last];
    for (int i = 0; i <= last; i++)
        if (v->dim[i] == 0)
            return;
    for (;;) {
        if (add)
            for (int64_t i = 0; i < n; i++)
                to[offset + i * step] += from[out + i];
        else if (step == 1)
            memcpy(to + out, from + offset, (size_t)n * sizeof *to);
        else
            for (int64_t i = 0; i < n; i++)
                to[out + i] = from[offset + i * step];
        out += n;
        int a = last - 1;
        while (a >= 0 && at[a] == v->dim[a] - 1) {
            offset -= at[a] * v->step[a];
            at[a--] = 0;
        }
        if (a < 0)
            return;
        at[a]++;
        offset += v->step[a];
    }
}

static void forward(rs_op *op, int64_t first, int64_t n, float *scratch)
{
    (void)scratch;
    const shape_view v = view_of(op);
    for (int64_t i = first; i < first + n; i++)
        walk(&v, op->bottom[0] + i * op->bottom_size[0], op->top[0] + i * op->top_size[0], false);
}

static void backward(rs_op *op, int64_t first, int64_t n, float *scratch)
{
    (void)scratch;
    if (!op->backward_data[0])
        return;
    const shape_view v = view_of(op);
    for (int64_t i = first; i < first + n; i++) {
        float *d_in = op->bottom_gradient[0] + i * op->bottom_size[0];
        if (!op->add[0])
            memset(d_in, 0, (size_t)op->bottom_size[0] * sizeof *d_in);
        walk(&v, op->top_gradient[0] + i * op->top_size[0], d_in, true);
    }
}

/* The second bottom of a Crop only has a shape to give: it has no gradient. */
static void crop_backward(rs_op *op, int64_t first, int64_t n, float *scratch)
{
    const bool like = op->layer->n_bottoms > 1 && op->backward_data[1] && !op->add[1];
    for (int64_t i = first; i < first + n && like; i++)
        memset(op->bottom_gradient[1] + i * op->bottom_size[1], 0, (size_t)op->bottom_size[1] * sizeof(float));
    backward(op, first, n, scratch);
}

static const rs_layer_ops ops = { .forward = forward, .backward = backward };
static const rs_layer_ops crop_ops = { .forward = forward, .backward = crop_backward };

static rs_status wrong(const rs_layer *layer, const rs_shape *in, const char *expected, rs_diag *diag)
{
    char text[RS_SHAPE_TEXT];
    return rs_error(diag, RS_BAD_INPUT, layer->loc, NULL, "layer '%s' (%s): the input is %s, expected %s", layer->name,
                    rs_layer_type_name(layer->type), rs_shape_text(in, text, sizeof text), expected);
}

static rs_status permute_shape(rs_net *net, rs_layer *layer, const rs_shape *in, rs_shape *out, rs_diag *diag)
{
    (void)net;
    rs_shape *order = &layer->permute;
    bool seen[RS_MAX_AXES] = { false };
    for (int i = 0; i < order->n_axes; i++) {
        if (order->dim[i] < 0 || order->dim[i] >= in->n_axes || seen[order->dim[i]])
            return wrong(layer, in, "an order that names each of its axes once", diag);
        seen[order->dim[i]] = true;
    }
    for (int i = 0; i < in->n_axes; i++) /* axes that are not named follow in their order */
        if (!seen[i])
            order->dim[order->n_axes++] = i;
    if (order->dim[0] != 0)
        return wrong(layer, in, "an order that leaves the batch in front", diag);
    *out = *in;
    for (int i = 0; i < in->n_axes; i++)
        out->dim[i] = in->dim[order->dim[i]];
    return RS_OK;
}

static rs_status tile_shape(rs_net *net, rs_layer *layer, const rs_shape *in, rs_shape *out, rs_diag *diag)
{
    (void)net;
    const int axis = rs_layer_axis(layer, layer->tile.axis, in, diag);
    if (axis < 0)
        return RS_BAD_INPUT;
    *out = *in;
    if (in->dim[axis] > 0 && layer->tile.tiles > RS_MAX_ELEMENTS / in->dim[axis])
        return wrong(layer, in, "less than 2^31 values along the axis", diag);
    out->dim[axis] *= layer->tile.tiles;
    return RS_OK;
}

static rs_status crop_shape(rs_net *net, rs_layer *layer, const rs_shape *in, rs_shape *out, rs_diag *diag)
{
    const rs_crop_param *p = &layer->crop;
    const int axis = rs_layer_axis(layer, p->axis, in, diag);
    if (axis < 0)
        return RS_BAD_INPUT;
    const bool sizes = layer->n_bottoms == 1;
    if (sizes && p->n_sizes != in->n_axes - axis)
        return rs_error(diag, RS_BAD_INPUT, layer->loc, NULL,
                        "layer '%s' (Crop): %d sizes, expected a second bottom, or one for each of %d axes",
                        layer->name, p->n_sizes, in->n_axes - axis);
    rs_shape like = sizes ? *in : net->blobs[layer->bottoms[1]].shape;
    for (int i = axis; i < in->n_axes && sizes; i++)
        like.dim[i] = p->size[i - axis];
    if (p->n_offsets > 1 && p->n_offsets != in->n_axes - axis)
        return rs_error(diag, RS_BAD_INPUT, layer->loc, NULL,
                        "layer '%s' (Crop): %d values of offset, expected one, or one for each of %d axes", layer->name,
                        p->n_offsets, in->n_axes - axis);
    *out = *in;
    if (like.n_axes != in->n_axes)
        return wrong(layer, in, "as many axes as the second bottom has", diag);
    for (int i = axis; i < in->n_axes; i++) {
        out->dim[i] = like.dim[i];
        if (p->offset[p->n_offsets > 1 ? i - axis : 0] + like.dim[i] > in->dim[i])
            return wrong(layer, in, "at least the offset and the size of what is kept", diag);
    }
    return RS_OK;
}

static rs_status shuffle_shape(rs_net *net, rs_layer *layer, const rs_shape *in, rs_shape *out, rs_diag *diag)
{
    (void)net;
    if (!rs_layer_takes_channels(layer, in, diag))
        return RS_BAD_INPUT;
    if (in->dim[1] % layer->shuffle_groups != 0)
        return wrong(layer, in, "channels that can be divided into the groups", diag);
    *out = *in;
    return RS_OK;
}

static rs_status reorg_shape(rs_net *net, rs_layer *layer, const rs_shape *in, rs_shape *out, rs_diag *diag)
{
    (void)net;
    const int64_t s = layer->reorg.stride, area = s * s;
    if (!rs_layer_takes_images(layer, in, diag))
        return RS_BAD_INPUT;
    if (in->dim[1] % area != 0 || (!layer->reorg.reverse && (in->dim[2] % s != 0 || in->dim[3] % s != 0)))
        return wrong(layer, in, "channels that can be divided by the stride's square, and sizes by the stride", diag);
    *out = layer->reorg.reverse ? (rs_shape) { 4, { in->dim[0], in->dim[1] / area, in->dim[2] * s, in->dim[3] * s } }
                                : (rs_shape) { 4, { in->dim[0], in->dim[1] * area, in->dim[2] / s, in->dim[3] / s } };
    return RS_OK;
}

#define VIEW_LAYER(symbol, caffe_name, max_bottoms, shape_rule, table) \
    const rs_layer_rule rs_##symbol##_layer = {                        \
        .name = caffe_name,                                            \
        .bottoms = { 1, max_bottoms },                                 \
        .tops = { 1, 1 },                                              \
        .shape = shape_rule,                                           \
        .ops = &table,                                                 \
    }

VIEW_LAYER(permute, "Permute", 1, permute_shape, ops);
VIEW_LAYER(tile, "Tile", 1, tile_shape, ops);
VIEW_LAYER(crop, "Crop", 2, crop_shape, crop_ops);
VIEW_LAYER(shuffle_channel, "ShuffleChannel", 1, shuffle_shape, ops);
VIEW_LAYER(reorg, "Reorg", 1, reorg_shape, ops);
