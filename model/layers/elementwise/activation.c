/* Sigmoid, TanH, ELU (x for x > 0, else alpha (e^x - 1)), Clip and QuantizeLinear. Their derivatives are functions of
 * what they gave:
 *   sigmoid   y (1 - y)
 *   tanh      1 - y^2
 *   ELU       1 for y > 0, else y + alpha
 *   clip      1 between the limits, else 0
 * QuantizeLinear passes the gradient on as if it did not round (the straight-through estimate), as Clip does. */
#include <string.h>

#include "fxp/fxp.h"
#include "layers/functions.h"
#include "layers/layer.h"

static rs_status plan(rs_op *op, rs_diag *diag)
{
    (void)diag;
    rs_op_plan_output(op, RS_LAYER_TYPES);
    return RS_OK;
}

static void forward(rs_op *op, int64_t first, int64_t n, float *scratch)
{
    (void)scratch;
    const int64_t from = first * op->bottom_size[0], to = from + n * op->bottom_size[0];
    const float *x = op->bottom[0], alpha = op->layer->elu_alpha, min = op->layer->clip[0], max = op->layer->clip[1];
    const rs_quantize_linear_param *q = &op->layer->quantize_linear;
    float *y = op->top[0];
    switch (op->layer->type) {
    case RS_LAYER_SIGMOID:
        for (int64_t i = from; i < to; i++)
            y[i] = rs_sigmoid(x[i]);
        break;
    case RS_LAYER_TANH:
        for (int64_t i = from; i < to; i++)
            y[i] = rs_tanh(x[i]);
        break;
    case RS_LAYER_CLIP: /* NaN stays NaN */
        for (int64_t i = from; i < to; i++)
            y[i] = x[i] < min ? min : x[i] > max ? max : x[i];
        break;
    case RS_LAYER_QUANTIZE_LINEAR:
        rs_fxp_affine(x + from, (size_t)(to - from), q->scale, q->zero, q->min, q->max, y + from);
        break;
    default:
        for (int64_t i = from; i < to; i++)
            y[i] = x[i] > 0.0f ? x[i] : alpha * rs_expm1(x[i]);
        break;
    }
    rs_op_keep_output(op, first, n);
}

static void backward(rs_op *op, int64_t first, int64_t n, float *scratch)
{
    (void)scratch;
    if (!op->backward_data[0])
        return;
    const int64_t from = first * op->bottom_size[0], to = from + n * op->bottom_size[0];
    const float *y = rs_op_output(op), *d_out = op->top_gradient[0], alpha = op->layer->elu_alpha;
    float *d_in = op->bottom_gradient[0];
    const rs_layer_type type = op->layer->type;
    const rs_quantize_linear_param *q = &op->layer->quantize_linear;
    const bool clips = type == RS_LAYER_CLIP || type == RS_LAYER_QUANTIZE_LINEAR;
    const float min = type == RS_LAYER_CLIP ? op->layer->clip[0] : (float)(q->min - q->zero) * q->scale;
    const float max = type == RS_LAYER_CLIP ? op->layer->clip[1] : (float)(q->max - q->zero) * q->scale;
    for (int64_t i = from; i < to; i++) {
        const float slope = type == RS_LAYER_SIGMOID ? y[i] * (1.0f - y[i])
                            : type == RS_LAYER_TANH  ? 1.0f - y[i] * y[i]
                            : clips                  ? (y[i] > min && y[i] < max ? 1.0f : 0.0f)
                            : y[i] > 0.0f            ? 1.0f
                                                     : y[i] + alpha;
        d_in[i] = (op->add[0] ? d_in[i] : 0.0f) + d_out[i] * slope;
    }
}

static const rs_layer_ops ops = { .plan = plan, .forward = forward, .backward = backward };

const rs_layer_rule rs_elu_layer = {
    .name = "ELU",
    .bottoms = { 1, 1 },
    .tops = { 1, 1 },
    .in_place = true,
    .shape = rs_shape_same,
    .ops = &ops,
};

const rs_layer_rule rs_sigmoid_layer = {
    .name = "Sigmoid",
    .bottoms = { 1, 1 },
    .tops = { 1, 1 },
    .in_place = true,
    .shape = rs_shape_same,
    .ops = &ops,
};

const rs_layer_rule rs_tanh_layer = {
    .name = "TanH",
    .bottoms = { 1, 1 },
    .tops = { 1, 1 },
    .in_place = true,
    .shape = rs_shape_same,
    .ops = &ops,
};

const rs_layer_rule rs_clip_layer = {
    .name = "Clip",
    .bottoms = { 1, 1 },
    .tops = { 1, 1 },
    .in_place = true,
    .shape = rs_shape_same,
    .ops = &ops,
};

const rs_layer_rule rs_quantize_linear_layer = {
    .name = "QuantizeLinear",
    .bottoms = { 1, 1 },
    .tops = { 1, 1 },
    .in_place = true,
    .shape = rs_shape_same,
    .ops = &ops,
};
