/* Concatenation along an axis and its reverse, slicing: runs of values copied from one place to another, image by
 * image. Also the copies: a blob given to several readers (Split), and another shape of the same values (Flatten,
 * Reshape). */
#include <string.h>

#include "layers/layer.h"

static rs_status plan(rs_op *op, rs_diag *diag)
{
    (void)op;
    (void)diag;
    return RS_OK;
}

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

const rs_layer_ops rs_concat_ops = { .plan = plan, .forward = concat_forward, .backward = concat_backward };

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

const rs_layer_ops rs_slice_ops = { .plan = plan, .forward = slice_forward, .backward = slice_backward };

static void copy_forward(rs_op *op, int64_t first, int64_t n, float *scratch)
{
    (void)scratch;
    const int64_t size = op->bottom_size[0];
    for (int t = 0; t < op->layer->n_tops; t++)
        memcpy(op->top[t] + first * size, op->bottom[0] + first * size, (size_t)(n * size) * sizeof(float));
}

static void copy_backward(rs_op *op, int64_t first, int64_t n, float *scratch)
{
    (void)scratch;
    if (!op->backward_data[0])
        return;
    const int64_t size = op->bottom_size[0];
    bool add = op->add[0];
    for (int t = 0; t < op->layer->n_tops; t++)
        if (op->top_gradient[t] != NULL) {
            copy(1, n * size, op->top_gradient[t] + first * size, 0, op->bottom_gradient[0] + first * size, 0, add);
            add = true;
        }
}

const rs_layer_ops rs_copy_ops = { .plan = plan, .forward = copy_forward, .backward = copy_backward };
