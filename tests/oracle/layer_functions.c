/* Functions of each value, in double. */
#include <math.h>

#include "oracle/layer_rules.h"

bool rs_oracle_function(const rs_layer *l, const double *in, double *out, int64_t n)
{
    const double scale = (double)l->power.scale, shift = (double)l->power.shift, power = (double)l->power.power;
    const double base = l->power.base < 0.0f ? exp(1.0) : (double)l->power.base;
    for (int64_t i = 0; i < n; i++)
        switch (l->type) {
        case RS_LAYER_POWER:
            out[i] = pow(shift + scale * in[i], power);
            break;
        case RS_LAYER_EXP:
            out[i] = pow(base, shift + scale * in[i]);
            break;
        case RS_LAYER_LOG:
            out[i] = log(shift + scale * in[i]) / log(base);
            break;
        case RS_LAYER_ABSVAL:
            out[i] = in[i] < 0.0 ? -in[i] : in[i];
            break;
        case RS_LAYER_BNLL:
            out[i] = in[i] > 0.0 ? in[i] + log1p(exp(-in[i])) : log1p(exp(in[i]));
            break;
        case RS_LAYER_THRESHOLD:
            out[i] = in[i] > (double)l->threshold ? 1.0 : 0.0;
            break;
        case RS_LAYER_SWISH:
            out[i] = in[i] / (1.0 + exp(-(double)l->swish_beta * in[i]));
            break;
        default:
            return false;
        }
    return n > 0;
}
