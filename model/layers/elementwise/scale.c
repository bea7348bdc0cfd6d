/* Scale: y = x weight (+ bias); Bias: y = x + weight. An image is outer x weights x inner values.
 *   backward   dx = dy weight, dweight = sum of dy x, dbias = sum of dy over images, outer and inner */
#include <inttypes.h>
#include <string.h>

#include "layers/functions.h"
#include "layers/layer.h"

typedef struct scale_geometry {
    int64_t outer, weights, inner;
    const float *weight, *bias; /* NULL: 1 or 0 */
    int bias_param;             /* -1: none */
} scale_geometry;

static scale_geometry geometry_of(const rs_op *op)
{
    const rs_layer *l = op->layer;
    const rs_shape *in = &op->net->blobs[l->bottoms[0]].shape;
    const int axis = rs_axis(l->scale.axis, in->n_axes);
    scale_geometry g = { .outer = 1, .weights = rs_shape_count(&l->params[0].shape, 0), .bias_param = -1 };
    for (int i = 1; i < axis; i++)
        g.outer *= in->dim[i];
    const int64_t rest = g.outer * g.weights;
    g.inner = rest > 0 ? op->bottom_size[0] / rest : 0;
    if (l->type == RS_LAYER_BIAS) {
        g.bias_param = 0;
    } else {
        g.weight = l->params[0].data;
        g.bias_param = l->scale.bias ? 1 : -1;
    }
    g.bias = g.bias_param >= 0 ? l->params[g.bias_param].data : NULL;
    return g;
}

static rs_status plan(rs_op *op, rs_diag *diag)
{
    (void)diag;
    if (!op->training)
        return RS_OK;
    const scale_geometry g = geometry_of(op);
    if (g.weight != NULL && op->layer->bottoms[0] == op->layer->tops[0])
        op->record_size = (size_t)op->bottom_size[0] * sizeof(float); /* the input */
    op->chunk_size = (size_t)g.weights * (g.weight != NULL && g.bias != NULL ? 2 : 1);
    return RS_OK;
}

static void forward(rs_op *op, int64_t first, int64_t n, float *scratch)
{
    (void)scratch;
    const scale_geometry g = geometry_of(op);
    if (op->record_size > 0)
        memcpy(op->record + (size_t)first * op->record_size, op->bottom[0] + first * op->bottom_size[0],
               (size_t)n * op->record_size);
    for (int64_t r = first * g.outer * g.weights; r < (first + n) * g.outer * g.weights; r++) {
        const float w = g.weight != NULL ? g.weight[r % g.weights] : 1.0f,
                    b = g.bias != NULL ? g.bias[r % g.weights] : 0.0f;
        const float *x = op->bottom[0] + r * g.inner;
        float *y = op->top[0] + r * g.inner;
        for (int64_t i = 0; i < g.inner; i++)
            y[i] = x[i] * w + b;
    }
}

static void backward(rs_op *op, int64_t first, int64_t n, float *scratch)
{
    (void)scratch;
    const scale_geometry g = geometry_of(op);
    const float *in = op->record_size > 0 ? (const float *)(const void *)op->record : op->bottom[0];
    float *const d_params = op->chunk_gradients + first / RS_CHUNK * (int64_t)op->chunk_size;
    float *const d_bias = g.bias == NULL ? NULL : g.weight == NULL ? d_params : d_params + g.weights;
    memset(d_params, 0, op->chunk_size * sizeof *d_params);
    for (int64_t r = first * g.outer * g.weights; r < (first + n) * g.outer * g.weights; r++) {
        const int64_t c = r % g.weights;
        const float *x = in + r * g.inner, *d_out = op->top_gradient[0] + r * g.inner,
                    w = g.weight != NULL ? g.weight[c] : 1.0f;
        if (g.weight != NULL)
            d_params[c] += rs_dot(x, d_out, g.inner);
        if (d_bias != NULL)
            d_bias[c] += rs_sum(d_out, g.inner);
        if (!op->backward_data[0])
            continue;
        float *d_in = op->bottom_gradient[0] + r * g.inner;
        for (int64_t i = 0; i < g.inner; i++)
            d_in[i] = (op->add[0] ? d_in[i] : 0.0f) + d_out[i] * w;
    }
}

static const rs_layer_ops ops = { .plan = plan, .forward = forward, .backward = backward };

static rs_status shape(rs_net *net, rs_layer *layer, const rs_shape *in, rs_shape *out, rs_diag *diag)
{
    (void)net;
    const rs_scale_param *p = &layer->scale;
    const int axis = rs_layer_axis(layer, p->axis, in, diag);
    if (axis < 0)
        return RS_BAD_INPUT;
    const int64_t n = p->num_axes == -1 ? in->n_axes - axis : p->num_axes;
    if (n < 0 || n > in->n_axes - axis)
        return rs_error(diag, RS_BAD_INPUT, layer->loc, NULL,
                        "layer '%s' (%s): num_axes is %" PRId64 ", expected -1 to %d", layer->name,
                        rs_layer_type_name(layer->type), n, in->n_axes - axis);
    rs_shape weights = { (int)n, { 0 } };
    for (int i = 0; i < (int)n; i++)
        weights.dim[i] = in->dim[axis + i];
    *out = *in;
    return rs_layer_set_params(layer, weights, p->bias, weights, diag);
}

static const rs_filler *filler(const rs_layer *layer, int param)
{
    return param == 0 ? &layer->scale.filler : &layer->scale.bias_filler;
}

const rs_layer_rule rs_scale_layer = {
    .name = "Scale",
    .bottoms = { 1, 1 },
    .tops = { 1, 1 },
    .max_params = 2,
    .in_place = true,
    .shape = shape,
    .filler = filler,
    .ops = &ops,
};

const rs_layer_rule rs_bias_layer = {
    .name = "Bias",
    .bottoms = { 1, 1 },
    .tops = { 1, 1 },
    .max_params = 1,
    .in_place = true,
    .shape = shape,
    .filler = filler,
    .ops = &ops,
};
