/* Layers that make few values of many: Reduction (sums and means from an axis on) and ArgMax (the largest values, or
 * where they are). */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "layers/layer.h"

/* ---------------------------------------------------------------------------------------------------- reduction */

static float reduce(const rs_reduction_param *p, const float *x, int64_t n)
{
    double sum = 0.0;
    for (int64_t i = 0; i < n; i++) {
        const double v = (double)x[i];
        sum += p->method == RS_REDUCE_ABSOLUTE ? fabs(v) : p->method == RS_REDUCE_SQUARES ? v * v : v;
    }
    return (float)(sum * (double)p->coefficient / (p->method == RS_REDUCE_MEAN ? (double)n : 1.0));
}

static void reduction_forward(rs_op *op, int64_t first, int64_t n, float *scratch)
{
    (void)scratch;
    const int64_t values = op->top_size[0], run = op->bottom_size[0] / values;
    for (int64_t i = first * values; i < (first + n) * values; i++)
        op->top[0][i] = reduce(&op->layer->reduction, op->bottom[0] + i * run, run);
}

static void reduction_backward(rs_op *op, int64_t first, int64_t n, float *scratch)
{
    (void)scratch;
    if (!op->backward_data[0])
        return;
    const rs_reduction_param *p = &op->layer->reduction;
    const int64_t values = op->top_size[0], run = op->bottom_size[0] / values;
    const float c = p->coefficient / (p->method == RS_REDUCE_MEAN ? (float)run : 1.0f);
    for (int64_t i = first * values * run; i < (first + n) * values * run; i++) {
        const float x = op->bottom[0][i], sign = x > 0.0f ? 1.0f : x < 0.0f ? -1.0f : 0.0f;
        const float slope = p->method == RS_REDUCE_ABSOLUTE ? sign : p->method == RS_REDUCE_SQUARES ? 2.0f * x : 1.0f;
        float *d_in = &op->bottom_gradient[0][i];
        *d_in = (op->add[0] ? *d_in : 0.0f) + op->top_gradient[0][i / run] * c * slope;
    }
}

static const rs_layer_ops reduction_ops = { .forward = reduction_forward, .backward = reduction_backward };

static rs_status reduction_shape(rs_net *net, rs_layer *layer, const rs_shape *in, rs_shape *out, rs_diag *diag)
{
    (void)net;
    const int axis = rs_layer_axis(layer, layer->reduction.axis, in, diag);
    if (axis < 0)
        return RS_BAD_INPUT;
    if (rs_shape_count(in, 1) < 1)
        return rs_error(diag, RS_BAD_INPUT, layer->loc, NULL, "layer '%s' (Reduction): the input has no values",
                        layer->name);
    *out = *in;
    out->n_axes = axis;
    return RS_OK;
}

/* ------------------------------------------------------------------------------------------------------- argmax */

/* Whether value i comes before value k: the larger one, or of equals the later one, as in Caffe. */
static bool comes_before(const float *x, int64_t step, int64_t i, int64_t k)
{
    return x[i * step] > x[k * step] || (x[i * step] == x[k * step] && i > k);
}

/* The top_k places among n values `step` apart, in order, into `best`. */
static void find_best(const float *x, int64_t n, int64_t step, int64_t top_k, float *best)
{
    for (int64_t t = 0; t < top_k; t++) {
        int64_t next = -1;
        for (int64_t i = 0; i < n; i++) {
            const bool later = t == 0 || comes_before(x, step, (int64_t)best[t - 1], i);
            if (later && (next < 0 || comes_before(x, step, i, next)))
                next = i;
        }
        best[t] = (float)(next < 0 ? 0 : next); /* none is found among NaN */
    }
}

static void argmax_forward(rs_op *op, int64_t first, int64_t n, float *scratch)
{
    const rs_argmax_param *p = &op->layer->argmax;
    const rs_shape *in = &op->net->blobs[op->layer->bottoms[0]].shape;
    int64_t classes = op->bottom_size[0], inner = 1;
    if (p->has_axis) {
        const int axis = rs_axis(p->axis, in->n_axes);
        classes = in->dim[axis];
        inner = rs_shape_count(in, axis + 1);
    }
    const int64_t outer = op->bottom_size[0] / (classes * inner);
    for (int64_t i = first; i < first + n; i++)
        for (int64_t k = 0; k < outer * inner; k++) {
            const float *x = op->bottom[0] + i * op->bottom_size[0] + k / inner * classes * inner + k % inner;
            float *y = op->top[0] + i * op->top_size[0] + k / inner * p->top_k * inner + k % inner;
            find_best(x, classes, inner, p->top_k, scratch);
            for (int64_t t = 0; t < p->top_k; t++) {
                const float value = x[(int64_t)scratch[t] * inner];
                y[t * inner] = p->values && p->has_axis ? value : scratch[t];
                if (p->values && !p->has_axis)
                    y[p->top_k + t] = value;
            }
        }
}

static rs_status argmax_plan(rs_op *op, rs_diag *diag)
{
    (void)diag;
    op->scratch_size = (size_t)op->layer->argmax.top_k;
    return RS_OK;
}

static const rs_layer_ops argmax_ops = { .plan = argmax_plan, .forward = argmax_forward };

static rs_status argmax_shape(rs_net *net, rs_layer *layer, const rs_shape *in, rs_shape *out, rs_diag *diag)
{
    (void)net;
    const rs_argmax_param *p = &layer->argmax;
    const int axis = p->has_axis ? rs_layer_axis(layer, p->axis, in, diag) : 0;
    if (axis < 0)
        return RS_BAD_INPUT;
    const int64_t n = p->has_axis ? in->dim[axis] : rs_shape_count(in, 1);
    if (p->top_k > n)
        return rs_error(diag, RS_BAD_INPUT, layer->loc, NULL,
                        "layer '%s' (ArgMax): top_k is %" PRId64 ", expected at most the %" PRId64 " values there are",
                        layer->name, p->top_k, n);
    *out = *in;
    if (p->has_axis)
        out->dim[axis] = p->top_k;
    else
        *out = (rs_shape) { 3, { in->dim[0], p->values ? 2 : 1, p->top_k } };
    return RS_OK;
}

const rs_layer_rule rs_reduction_layer = {
    .name = "Reduction",
    .bottoms = { 1, 1 },
    .tops = { 1, 1 },
    .shape = reduction_shape,
    .ops = &reduction_ops,
};

const rs_layer_rule rs_argmax_layer = {
    .name = "ArgMax",
    .bottoms = { 1, 1 },
    .tops = { 1, 1 },
    .shape = argmax_shape,
    .ops = &argmax_ops,
};
