/* Concatenation along an axis and its reverse, slicing: runs of values copied from one place to another, image by
 * image. */
#include <inttypes.h>
#include <string.h>

#include "layers/layer.h"

/* runs times n floats, the runs from_step and to_step apart. */
static void copy(int64_t runs, int64_t n, const float *from, int64_t from_step, float *to, int64_t to_step, bool add)
{
    for (int64_t r = 0; r < runs; r++, from += from_step, to += to_step) {
        if (!add)
            memcpy(to, from, (size_t)n * sizeof *to);
        else
            for (int64_t i = 0; i < n; i++)
                to[i] += from[i];
    }
}

/* Runs of an image: one for each place in the axes between the batch and the axis that is cut. */
static int64_t runs_of(const rs_op *op, int64_t axis)
{
    const rs_shape *in = &op->net->blobs[op->layer->bottoms[0]].shape;
    const int a = rs_axis(axis, in->n_axes);
    int64_t runs = 1;
    for (int i = 1; i < a; i++)
        runs *= in->dim[i];
    return runs;
}

static void concat_forward(rs_op *op, int64_t first, int64_t n, float *scratch)
{
    (void)scratch;
    const int64_t runs = runs_of(op, op->layer->concat.axis), whole = op->top_size[0] / runs;
    for (int64_t i = first; i < first + n; i++) {
        float *out = op->top[0] + i * op->top_size[0];
        for (int b = 0; b < op->layer->n_bottoms; b++) {
            const int64_t part = op->bottom_size[b] / runs;
            copy(runs, part, op->bottom[b] + i * op->bottom_size[b], part, out, whole, false);
            out += part;
        }
    }
}

static void concat_backward(rs_op *op, int64_t first, int64_t n, float *scratch)
{
    (void)scratch;
    const int64_t runs = runs_of(op, op->layer->concat.axis), whole = op->top_size[0] / runs;
    for (int64_t i = first; i < first + n; i++) {
        const float *d_out = op->top_gradient[0] + i * op->top_size[0];
        for (int b = 0; b < op->layer->n_bottoms; b++) {
            const int64_t part = op->bottom_size[b] / runs;
            if (op->backward_data[b])
                copy(runs, part, d_out, whole, op->bottom_gradient[b] + i * op->bottom_size[b], part, op->add[b]);
            d_out += part;
        }
    }
}

static const rs_layer_ops concat_ops = { .forward = concat_forward, .backward = concat_backward };

static void slice_forward(rs_op *op, int64_t first, int64_t n, float *scratch)
{
    (void)scratch;
    const int64_t runs = runs_of(op, op->layer->slice.axis), whole = op->bottom_size[0] / runs;
    for (int64_t i = first; i < first + n; i++) {
        const float *in = op->bottom[0] + i * op->bottom_size[0];
        for (int t = 0; t < op->layer->n_tops; t++) {
            const int64_t part = op->top_size[t] / runs;
            copy(runs, part, in, whole, op->top[t] + i * op->top_size[t], part, false);
            in += part;
        }
    }
}

/* A top that no loss depends on has no gradient, which counts as zero. */
static void slice_backward(rs_op *op, int64_t first, int64_t n, float *scratch)
{
    (void)scratch;
    if (!op->backward_data[0])
        return;
    const int64_t runs = runs_of(op, op->layer->slice.axis), whole = op->bottom_size[0] / runs;
    for (int64_t i = first; i < first + n; i++) {
        float *d_in = op->bottom_gradient[0] + i * op->bottom_size[0];
        if (!op->add[0])
            memset(d_in, 0, (size_t)op->bottom_size[0] * sizeof *d_in);
        for (int t = 0; t < op->layer->n_tops; t++) {
            const int64_t part = op->top_size[t] / runs;
            if (op->top_gradient[t] != NULL)
                copy(runs, part, op->top_gradient[t] + i * op->top_size[t], part, d_in, whole, true);
            d_in += part;
        }
    }
}

static const rs_layer_ops slice_ops = { .forward = slice_forward, .backward = slice_backward };

static rs_status concat_shape(rs_net *net, rs_layer *layer, const rs_shape *in, rs_shape *out, rs_diag *diag)
{
    const int axis = rs_layer_axis(layer, layer->concat.axis, in, diag);
    if (axis < 0 || !rs_layer_takes_same(net, layer, axis, diag))
        return RS_BAD_INPUT;
    *out = *in;
    for (int i = 1; i < layer->n_bottoms; i++)
        out->dim[axis] += net->blobs[layer->bottoms[i]].shape.dim[axis];
    return RS_OK;
}

static rs_status slice_shape(rs_net *net, rs_layer *layer, const rs_shape *in, rs_shape *out, rs_diag *diag)
{
    const rs_slice_param *p = &layer->slice;
    const int axis = rs_layer_axis(layer, p->axis, in, diag);
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
        out = &net->blobs[layer->tops[i]].shape;
        *out = *in;
        out->dim[axis] = to - from;
        from = to;
    }
    return RS_OK;
}

static void slice_clear(rs_layer *layer)
{
    rs_free(layer->slice.points);
}

const rs_layer_rule rs_concat_layer = {
    .name = "Concat",
    .bottoms = { 1, RS_ANY },
    .tops = { 1, 1 },
    .shape = concat_shape,
    .ops = &concat_ops,
};

const rs_layer_rule rs_slice_layer = {
    .name = "Slice",
    .bottoms = { 1, 1 },
    .tops = { 1, RS_ANY },
    .shape = slice_shape,
    .clear = slice_clear,
    .ops = &slice_ops,
};
