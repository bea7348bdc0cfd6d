/* Layers that normalize an image by itself. A group is `n` values `step` apart:
 *   MVN        (x - mean) / (sqrt(variance) + eps) over the places of a channel, or over the image
 *   Normalize  w x / sqrt(sum of squares + eps) over the channels of a place, or over the image; w by channel, or one
 * backward     MVN        (d - mean(d)) / q - h mean(d h) / (q^2 s), with h = x - mean, s = sqrt(variance), q = s + eps
 *              Normalize  g / r - x sum(g x) / r^3, with g = d w, r = the root; dw = sum of d x / r */
#include <math.h>
#include <string.h>

#include "layers/layer.h"

typedef struct norm_groups {
    int64_t groups, n, step, next; /* of an image; `next`: from the start of a group to that of the next one */
} norm_groups;

static norm_groups groups_of(const rs_op *op)
{
    const rs_layer *l = op->layer;
    const int64_t size = op->bottom_size[0], channels = op->net->blobs[l->bottoms[0]].shape.dim[1];
    const int64_t area = size / channels;
    if (l->type == RS_LAYER_MVN ? l->mvn.across : l->normalize.across)
        return (norm_groups) { 1, size, 1, 0 };
    if (l->type == RS_LAYER_MVN)
        return (norm_groups) { channels, area, 1, area };
    return (norm_groups) { area, channels, area, 1 };
}

/* ---------------------------------------------------------------------------------------------------------- MVN */

static void moments(const float *x, int64_t n, double *mean, double *deviation)
{
    double sum = 0.0, squares = 0.0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)x[i];
    *mean = sum / (double)n;
    for (int64_t i = 0; i < n; i++)
        squares += ((double)x[i] - *mean) * ((double)x[i] - *mean);
    *deviation = sqrt(squares / (double)n);
}

static void mvn_forward(rs_op *op, int64_t first, int64_t n, float *scratch)
{
    (void)scratch;
    const rs_mvn_param *p = &op->layer->mvn;
    const norm_groups g = groups_of(op);
    for (int64_t k = first * g.groups; k < (first + n) * g.groups; k++) {
        const float *x = op->bottom[0] + k * g.n;
        float *y = op->top[0] + k * g.n;
        double mean = 0.0, deviation = 0.0;
        moments(x, g.n, &mean, &deviation);
        const double divisor = p->variance ? deviation + (double)p->eps : 1.0;
        for (int64_t i = 0; i < g.n; i++)
            y[i] = (float)(((double)x[i] - mean) / divisor);
    }
}

static void mvn_backward(rs_op *op, int64_t first, int64_t n, float *scratch)
{
    (void)scratch;
    if (!op->backward_data[0])
        return;
    const rs_mvn_param *p = &op->layer->mvn;
    const norm_groups g = groups_of(op);
    for (int64_t k = first * g.groups; k < (first + n) * g.groups; k++) {
        const float *x = op->bottom[0] + k * g.n, *d = op->top_gradient[0] + k * g.n;
        float *d_in = op->bottom_gradient[0] + k * g.n;
        double mean = 0.0, deviation = 0.0, d_sum = 0.0, along = 0.0;
        moments(x, g.n, &mean, &deviation);
        for (int64_t i = 0; i < g.n; i++) {
            d_sum += (double)d[i];
            along += (double)d[i] * ((double)x[i] - mean);
        }
        const double divisor = p->variance ? deviation + (double)p->eps : 1.0;
        const double slope = p->variance && deviation > 0.0 ? along / (double)g.n / (divisor * divisor * deviation)
                                                            : 0.0;
        for (int64_t i = 0; i < g.n; i++)
            d_in[i] = (op->add[0] ? d_in[i] : 0.0f) +
                      (float)(((double)d[i] - d_sum / (double)g.n) / divisor - slope * ((double)x[i] - mean));
    }
}

static rs_status channels_shape(rs_net *net, rs_layer *layer, const rs_shape *in, rs_shape *out, rs_diag *diag)
{
    (void)net;
    if (!rs_layer_takes_channels(layer, in, diag))
        return RS_BAD_INPUT;
    if (rs_shape_count(in, 1) < 1)
        return rs_error(diag, RS_BAD_INPUT, layer->loc, NULL, "layer '%s' (%s): the input has no values", layer->name,
                        rs_layer_type_name(layer->type));
    *out = *in;
    return RS_OK;
}

/* ---------------------------------------------------------------------------------------------------- Normalize */

static double root_of(const rs_op *op, const norm_groups *g, const float *x)
{
    double sum = (double)op->layer->normalize.eps;
    for (int64_t i = 0; i < g->n; i++)
        sum += (double)x[i * g->step] * (double)x[i * g->step];
    return sqrt(sum);
}

/* The channel of value `i` of an image, or 0 if all have one weight. */
static int64_t weight_of(const rs_op *op, int64_t i)
{
    const rs_shape *in = &op->net->blobs[op->layer->bottoms[0]].shape;
    return op->layer->normalize.shared ? 0 : i / (op->bottom_size[0] / in->dim[1]);
}

static rs_status normalize_plan(rs_op *op, rs_diag *diag)
{
    (void)diag;
    if (op->training)
        op->chunk_size = (size_t)rs_shape_count(&op->layer->params[0].shape, 0);
    return RS_OK;
}

static void normalize_forward(rs_op *op, int64_t first, int64_t n, float *scratch)
{
    (void)scratch;
    const norm_groups g = groups_of(op);
    const float *w = op->layer->params[0].data;
    for (int64_t k = 0; k < n * g.groups; k++) {
        const int64_t image = first + k / g.groups, start = k % g.groups * g.next;
        const float *x = op->bottom[0] + image * op->bottom_size[0];
        float *y = op->top[0] + image * op->bottom_size[0];
        const double root = root_of(op, &g, x + start);
        for (int64_t i = start; i < start + g.n * g.step; i += g.step)
            y[i] = (float)((double)x[i] / root * (double)w[weight_of(op, i)]);
    }
}

static void normalize_backward(rs_op *op, int64_t first, int64_t n, float *scratch)
{
    (void)scratch;
    const norm_groups g = groups_of(op);
    const float *w = op->layer->params[0].data;
    float *d_w = op->chunk_gradients + first / RS_CHUNK * (int64_t)op->chunk_size;
    memset(d_w, 0, op->chunk_size * sizeof *d_w);
    for (int64_t k = 0; k < n * g.groups; k++) {
        const int64_t image = first + k / g.groups, start = k % g.groups * g.next, end = start + g.n * g.step;
        const float *x = op->bottom[0] + image * op->bottom_size[0],
                    *d = op->top_gradient[0] + image * op->bottom_size[0];
        const double root = root_of(op, &g, x + start);
        double along = 0.0;
        for (int64_t i = start; i < end; i += g.step) {
            along += (double)d[i] * (double)w[weight_of(op, i)] * (double)x[i];
            d_w[weight_of(op, i)] += (float)((double)d[i] * (double)x[i] / root);
        }
        for (int64_t i = start; i < end && op->backward_data[0]; i += g.step) {
            float *d_in = op->bottom_gradient[0] + image * op->bottom_size[0] + i;
            *d_in = (op->add[0] ? *d_in : 0.0f) + (float)((double)d[i] * (double)w[weight_of(op, i)] / root -
                                                          (double)x[i] * along / (root * root * root));
        }
    }
}

static rs_status normalize_shape(rs_net *net, rs_layer *layer, const rs_shape *in, rs_shape *out, rs_diag *diag)
{
    const rs_status st = channels_shape(net, layer, in, out, diag);
    if (st != RS_OK)
        return st;
    const rs_shape none = { 0, { 0 } };
    const rs_shape weights = layer->normalize.shared ? none : (rs_shape) { 1, { in->dim[1] } };
    return rs_layer_set_params(layer, weights, false, none, diag);
}

static const rs_filler *normalize_filler(const rs_layer *layer, int param)
{
    (void)param;
    return &layer->normalize.filler;
}

static const rs_layer_ops mvn_ops = { .forward = mvn_forward, .backward = mvn_backward };
static const rs_layer_ops normalize_ops = { .plan = normalize_plan,
                                            .forward = normalize_forward,
                                            .backward = normalize_backward };

const rs_layer_rule rs_mvn_layer = {
    .name = "MVN",
    .bottoms = { 1, 1 },
    .tops = { 1, 1 },
    .shape = channels_shape,
    .ops = &mvn_ops,
};

const rs_layer_rule rs_normalize_layer = {
    .name = "Normalize",
    .bottoms = { 1, 1 },
    .tops = { 1, 1 },
    .max_params = 1,
    .shape = normalize_shape,
    .filler = normalize_filler,
    .ops = &normalize_ops,
};
