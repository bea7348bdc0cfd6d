/* Rectified linear unit: max(x, 0) + slope min(x, 0). In place, the sign of the output stands for that of the input. */
#include "layers/layer.h"

static rs_status plan(rs_op *op, rs_diag *diag)
{
    const rs_layer *l = op->layer;
    if (op->training && l->relu_slope < 0.0f && l->bottoms[0] == l->tops[0])
        return rs_error(diag, RS_BAD_INPUT, l->loc, "give the layer a top of its own",
                        "layer '%s': a ReLU with negative slope %g cannot be trained in place", l->name, (double)l->relu_slope);
    return RS_OK;
}

static void forward(rs_op *op, int64_t first, int64_t n, float *scratch)
{
    (void)scratch;
    const int64_t size = op->bottom_size[0];
    const float *in = op->bottom[0] + first * size;
    float *out = op->top[0] + first * size;
    const float slope = op->layer->relu_slope;
    for (int64_t i = 0; i < n * size; i++)
        out[i] = in[i] > 0.0f ? in[i] : in[i] * slope;
}

static void backward(rs_op *op, int64_t first, int64_t n, float *scratch)
{
    (void)scratch;
    if (!op->backward_data[0])
        return;
    const int64_t size = op->bottom_size[0];
    const float *in = op->bottom[0] + first * size, *d_out = op->top_gradient[0] + first * size;
    float *d_in = op->bottom_gradient[0] + first * size;
    const float slope = op->layer->relu_slope;
    if (op->add[0])
        for (int64_t i = 0; i < n * size; i++)
            d_in[i] += in[i] > 0.0f ? d_out[i] : d_out[i] * slope;
    else
        for (int64_t i = 0; i < n * size; i++)
            d_in[i] = in[i] > 0.0f ? d_out[i] : d_out[i] * slope;
}

const rs_layer_ops rs_relu_ops = { .plan = plan, .forward = forward, .backward = backward };
