/* Initial values of parameters. */
#include <math.h>

#include "base/rng.h"
#include "net/rule.h"

/* A stream of random numbers of its own for each parameter, by the layer's name: the same for every phase of a net. */
static uint64_t param_stream(const char *name, int param)
{
    uint64_t h = rs_mix64((uint64_t)param);
    for (const char *c = name; *c != '\0'; c++)
        h = rs_mix64(h ^ (uint8_t)*c);
    return h;
}

static void fill(const rs_filler *filler, rs_param *param, uint64_t seed, uint64_t stream)
{
    const size_t count = (size_t)rs_shape_count(&param->shape, 0);
    const int64_t fan_in = (int64_t)count / param->shape.dim[0];
    const int64_t fan_out = param->shape.n_axes > 1 ? (int64_t)count / param->shape.dim[1] : (int64_t)count;
    double n = (double)fan_in;
    if (filler->variance_norm == RS_NORM_FAN_OUT)
        n = (double)fan_out;
    else if (filler->variance_norm == RS_NORM_AVERAGE)
        n = (double)(fan_in + fan_out) / 2;

    double low = filler->min, high = filler->max, mean = filler->mean, std = filler->std;
    switch (filler->type) {
    case RS_FILL_CONSTANT:
        for (size_t i = 0; i < count; i++)
            param->data[i] = filler->value;
        return;
    case RS_FILL_XAVIER:
        high = sqrt(3 / n);
        low = -high;
        /* fall through */
    case RS_FILL_UNIFORM:
        for (size_t i = 0; i < count; i++)
            param->data[i] = (float)(low + (high - low) * rs_random_unit(seed, stream, i));
        return;
    case RS_FILL_BILINEAR: {
        const int64_t k = param->shape.dim[param->shape.n_axes - 1], f = (k + 1) / 2;
        const double c = (double)(2 * f - 1 - f % 2) / (2.0 * (double)f);
        for (size_t i = 0; i < count; i++) {
            const double x = (double)((int64_t)i % k), y = (double)((int64_t)i / k % k);
            param->data[i] = (float)((1.0 - fabs(x / (double)f - c)) * (1.0 - fabs(y / (double)f - c)));
        }
        return;
    }
    case RS_FILL_MSRA:
        mean = 0;
        std = sqrt(2 / n);
        /* fall through */
    case RS_FILL_GAUSSIAN:
        for (size_t i = 0; i < count; i++)
            param->data[i] = (float)(mean + std * rs_random_normal(seed, stream, i));
        return;
    }
}

rs_status rs_net_fill(rs_net *net, uint64_t seed, rs_diag *diag)
{
    for (int i = 0; i < net->n_layers; i++) {
        rs_layer *layer = &net->layers[i];
        const rs_layer_rule *rule = rs_layer_rule_of(layer->type);
        for (int p = 0; p < layer->n_params; p++) {
            if (layer->params[p].shared)
                continue; /* the owner's */
            if (rule->filler == NULL || layer->params[p].data == NULL)
                return rs_error(diag, RS_INTERNAL, layer->loc, NULL,
                                "layer '%s': parameter %d cannot be filled "
                                "before its shape is known",
                                layer->name, p);
            fill(rule->filler(layer, p), &layer->params[p], seed, param_stream(layer->name, p));
        }
    }
    return RS_OK;
}
