/* Functions of each value: Power, AbsVal, Exp, Log, BNLL, Threshold and Swish. With s = shift + scale x:
 *   Power      s^power                derivative  power scale s^(power - 1)
 *   Exp, Log   base^s, log_base s                 y ln(base) scale, scale / (s ln(base))
 *   AbsVal     |x|                                the sign of x
 *   BNLL       ln(1 + e^x)                        1 / (1 + e^-x)
 *   Threshold  1 if x > threshold, else 0         0
 *   Swish      x / (1 + e^-(beta x))              beta y + (1 - beta y) / (1 + e^-(beta x)) */
#include <math.h>
#include <string.h>

#include "layers/functions.h"
#include "layers/layer.h"

static rs_status plan(rs_op *op, rs_diag *diag)
{
    (void)diag;
    if (op->training && op->layer->bottoms[0] == op->layer->tops[0])
        op->record_size = (size_t)op->bottom_size[0] * sizeof(float); /* the input */
    return RS_OK;
}

/* s^p, also of a negative s where p is a whole number. */
static float power_of(float s, float p)
{
    if (p == 1.0f)
        return s;
    if (p == 2.0f)
        return s * s;
    if (s >= 0.0f || isnan(s))
        return rs_power(s, p);
    if (p != floorf(p))
        return NAN;
    const float y = rs_power(-s, p);
    return fmodf(p, 2.0f) == 0.0f ? y : -y;
}

static float line(const rs_power_param *p, float x)
{
    return p->shift + p->scale * x;
}

/* ln(base): 1 where no base is given. */
static float log_base(const rs_power_param *p)
{
    return p->base < 0.0f ? 1.0f : rs_log(p->base);
}

static float value(const rs_layer *l, float x)
{
    const rs_power_param *p = &l->power;
    switch (l->type) {
    case RS_LAYER_POWER:
        return power_of(line(p, x), p->power);
    case RS_LAYER_EXP:
        return rs_exp(log_base(p) * line(p, x));
    case RS_LAYER_LOG:
        return rs_log(line(p, x)) / log_base(p);
    case RS_LAYER_ABSVAL:
        return fabsf(x);
    case RS_LAYER_BNLL:
        return rs_softplus(x);
    case RS_LAYER_THRESHOLD:
        return x > l->threshold ? 1.0f : 0.0f;
    default:
        return x * rs_sigmoid(l->swish_beta * x);
    }
}

static float derivative(const rs_layer *l, float x)
{
    const rs_power_param *p = &l->power;
    const float s = line(p, x), beta = l->swish_beta;
    switch (l->type) {
    case RS_LAYER_POWER:
        return p->power == 0.0f ? 0.0f : p->power * p->scale * power_of(s, p->power - 1.0f);
    case RS_LAYER_EXP:
        return value(l, x) * log_base(p) * p->scale;
    case RS_LAYER_LOG:
        return p->scale / (s * log_base(p));
    case RS_LAYER_ABSVAL:
        return x > 0.0f ? 1.0f : x < 0.0f ? -1.0f : 0.0f;
    case RS_LAYER_BNLL:
        return rs_sigmoid(x);
    case RS_LAYER_THRESHOLD:
        return 0.0f;
    default: {
        const float sigmoid = rs_sigmoid(beta * x), y = x * sigmoid;
        return beta * y + sigmoid * (1.0f - beta * y);
    }
    }
}

static void forward(rs_op *op, int64_t first, int64_t n, float *scratch)
{
    (void)scratch;
    const int64_t from = first * op->bottom_size[0], to = from + n * op->bottom_size[0];
    const float *x = op->bottom[0];
    if (op->record_size > 0)
        memcpy(op->record + (size_t)first * op->record_size, x + from, (size_t)n * op->record_size);
    for (int64_t i = from; i < to; i++)
        op->top[0][i] = value(op->layer, x[i]);
}

static void backward(rs_op *op, int64_t first, int64_t n, float *scratch)
{
    (void)scratch;
    if (!op->backward_data[0])
        return;
    const int64_t from = first * op->bottom_size[0], to = from + n * op->bottom_size[0];
    const float *x = op->record_size > 0 ? (const float *)(const void *)op->record : op->bottom[0];
    const float *d_out = op->top_gradient[0];
    float *d_in = op->bottom_gradient[0];
    for (int64_t i = from; i < to; i++)
        d_in[i] = (op->add[0] ? d_in[i] : 0.0f) + d_out[i] * derivative(op->layer, x[i]);
}

static const rs_layer_ops ops = { .plan = plan, .forward = forward, .backward = backward };

#define FUNCTION_LAYER(symbol, caffe_name)      \
    const rs_layer_rule rs_##symbol##_layer = { \
        .name = caffe_name,                     \
        .bottoms = { 1, 1 },                    \
        .tops = { 1, 1 },                       \
        .in_place = true,                       \
        .shape = rs_shape_same,                 \
        .ops = &ops,                            \
    }

FUNCTION_LAYER(power, "Power");
FUNCTION_LAYER(exp, "Exp");
FUNCTION_LAYER(log, "Log");
FUNCTION_LAYER(absval, "AbsVal");
FUNCTION_LAYER(bnll, "BNLL");
FUNCTION_LAYER(threshold, "Threshold");
FUNCTION_LAYER(swish, "Swish");
