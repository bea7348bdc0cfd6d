/* Rectified linear unit: max(x, 0) + slope min(x, 0). In place, the sign of the output stands for that of the input; a
 * dropout after it, in place too, leaves the sign or makes the gradient zero. */
#include "layers/layer.h"

static rs_status plan(rs_op *op, rs_diag *diag)
{
    const rs_layer *l = op->layer;
    if (op->training && l->relu_slope < 0.0f && l->bottoms[0] == l->tops[0])
        return rs_error(diag, RS_BAD_INPUT, l->loc, "give the layer a top of its own",
                        "layer '%s': a ReLU with negative slope %g cannot be trained in place", l->name,
                        (double)l->relu_slope);
    if (l->bottoms[0] == l->tops[0])
        rs_op_plan_output(op, RS_LAYER_DROPOUT);
    return RS_OK;
}

/* Two loops of one body, because pointers that may be the same keep a compiler from vectorizing; two selections,
 * because a product in one of two branches does so too. NaN stays NaN. */
static void relu_in_place(float *x, int64_t n, float slope)
{
    for (int64_t i = 0; i < n; i++) {
        const float above = x[i] > 0.0f ? x[i] : 0.0f, below = x[i] > 0.0f ? 0.0f : x[i];
        x[i] = above + slope * below;
    }
}

static void relu(const float *restrict x, float *restrict y, int64_t n, float slope)
{
    for (int64_t i = 0; i < n; i++) {
        const float above = x[i] > 0.0f ? x[i] : 0.0f, below = x[i] > 0.0f ? 0.0f : x[i];
        y[i] = above + slope * below;
    }
}

static void forward(rs_op *op, int64_t first, int64_t n, float *scratch)
{
    (void)scratch;
    const int64_t size = op->bottom_size[0];
    const float *in = op->bottom[0] + first * size;
    float *out = op->top[0] + first * size;
    const float slope = op->layer->relu_slope;
    if (in == out)
        relu_in_place(out, n * size, slope);
    else
        relu(in, out, n * size, slope);
    rs_op_keep_output(op, first, n);
}

static void backward(rs_op *op, int64_t first, int64_t n, float *scratch)
{
    (void)scratch;
    if (!op->backward_data[0])
        return;
    const int64_t size = op->bottom_size[0];
    const float *in = (op->record_size > 0 ? rs_op_output(op) : op->bottom[0]) + first * size,
                *d_out = op->top_gradient[0] + first * size;
    float *d_in = op->bottom_gradient[0] + first * size;
    const float slope = op->layer->relu_slope;
    if (op->add[0])
        for (int64_t i = 0; i < n * size; i++)
            d_in[i] += in[i] > 0.0f ? d_out[i] : d_out[i] * slope;
    else
        for (int64_t i = 0; i < n * size; i++)
            d_in[i] = in[i] > 0.0f ? d_out[i] : d_out[i] * slope;
}

static const rs_layer_ops ops = { .plan = plan, .forward = forward, .backward = backward };

const rs_layer_rule rs_relu_layer = {
    .name = "ReLU",
    .bottoms = { 1, 1 },
    .tops = { 1, 1 },
    .in_place = true,
    .shape = rs_shape_same,
    .ops = &ops,
};
