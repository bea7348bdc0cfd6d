/* Scale and Bias by a second bottom, and Axpy. An image's `few` values each go with a run of the many:
 *   Scale   y = x s, Bias   y = x + s     bottoms x, s
 *   Axpy    y = s x + z                   bottoms s, x, z
 * backward   dx = dy s (or dy), ds = sum of dy x (or dy) over the run, dz = dy */
#include <string.h>

#include "layers/functions.h"
#include "layers/layer.h"

typedef struct broadcast_roles {
    int x, few, term; /* bottoms; term -1: none */
    bool product;
} broadcast_roles;

static broadcast_roles roles_of(const rs_layer *l)
{
    if (l->type == RS_LAYER_AXPY)
        return (broadcast_roles) { .x = 1, .few = 0, .term = 2, .product = true };
    return (broadcast_roles) { .x = 0, .few = 1, .term = -1, .product = l->type == RS_LAYER_SCALE_BY };
}

static rs_status plan(rs_op *op, rs_diag *diag)
{
    (void)diag;
    if (op->training && op->layer->bottoms[0] == op->layer->tops[0])
        op->record_size = (size_t)op->bottom_size[0] * sizeof(float); /* the input */
    return RS_OK;
}

static void forward(rs_op *op, int64_t first, int64_t n, float *scratch)
{
    (void)scratch;
    const broadcast_roles r = roles_of(op->layer);
    const int64_t size = op->top_size[0], few = op->bottom_size[r.few], run = few > 0 ? size / few : 0;
    for (int64_t i = first; i < first + n; i++) {
        const float *x = op->bottom[r.x] + i * size, *s = op->bottom[r.few] + i * few;
        const float *z = r.term >= 0 ? op->bottom[r.term] + i * size : NULL;
        float *y = op->top[0] + i * size;
        if (op->record_size > 0)
            memcpy(op->record + (size_t)i * op->record_size, x, op->record_size);
        for (int64_t f = 0; f < few; f++)
            for (int64_t k = f * run; k < (f + 1) * run; k++)
                y[k] = (r.product ? x[k] * s[f] : x[k] + s[f]) + (z != NULL ? z[k] : 0.0f);
    }
}

static void backward(rs_op *op, int64_t first, int64_t n, float *scratch)
{
    (void)scratch;
    const broadcast_roles r = roles_of(op->layer);
    const int64_t size = op->top_size[0], few = op->bottom_size[r.few], run = few > 0 ? size / few : 0;
    for (int64_t i = first; i < first + n; i++) {
        const float *d = op->top_gradient[0] + i * size, *s = op->bottom[r.few] + i * few;
        const float *x = op->record_size > 0 ? (const float *)(const void *)op->record : op->bottom[r.x];
        x += i * size;
        /* Before the gradient of x, which in place overwrites dy. */
        for (int64_t f = 0; f < few && op->backward_data[r.few]; f++) {
            float *d_few = op->bottom_gradient[r.few] + i * few;
            const float sum = r.product ? rs_dot(d + f * run, x + f * run, run) : rs_sum(d + f * run, run);
            d_few[f] = (op->add[r.few] ? d_few[f] : 0.0f) + sum;
        }
        for (int64_t f = 0; f < few && op->backward_data[r.x]; f++) {
            float *d_x = op->bottom_gradient[r.x] + i * size;
            for (int64_t k = f * run; k < (f + 1) * run; k++)
                d_x[k] = (op->add[r.x] ? d_x[k] : 0.0f) + (r.product ? d[k] * s[f] : d[k]);
        }
        if (r.term >= 0 && op->backward_data[r.term]) {
            float *d_term = op->bottom_gradient[r.term] + i * size;
            for (int64_t k = 0; k < size; k++)
                d_term[k] = (op->add[r.term] ? d_term[k] : 0.0f) + d[k];
        }
    }
}

static const rs_layer_ops ops = { .plan = plan, .forward = forward, .backward = backward };

/* The few have the axes of x from the batch on; further axes of size 1 may follow. */
static bool goes_along(const rs_shape *x, const rs_shape *few)
{
    int axes = few->n_axes;
    while (axes > 1 && few->dim[axes - 1] == 1)
        axes--;
    bool good = few->n_axes <= x->n_axes && axes <= x->n_axes;
    for (int i = 1; i < axes && good; i++)
        good = few->dim[i] == x->dim[i];
    return good;
}

static rs_status shape(rs_net *net, rs_layer *layer, const rs_shape *in, rs_shape *out, rs_diag *diag)
{
    (void)in;
    const broadcast_roles r = roles_of(layer);
    const rs_shape x = net->blobs[layer->bottoms[r.x]].shape, few = net->blobs[layer->bottoms[r.few]].shape;
    const rs_shape *term = r.term >= 0 ? &net->blobs[layer->bottoms[r.term]].shape : &x;
    char a[RS_SHAPE_TEXT], b[RS_SHAPE_TEXT];
    const bool fits = goes_along(&x, &few) && rs_shape_count(&few, 1) > 0;
    if (!fits || layer->bottoms[0] == layer->bottoms[1])
        return rs_error(diag, RS_BAD_INPUT, layer->loc, NULL,
                        "layer '%s' (%s): bottom '%s' is %s, expected the first axes of bottom '%s', %s, from the "
                        "batch on",
                        layer->name, rs_layer_type_name(layer->type), net->blobs[layer->bottoms[r.few]].name,
                        rs_shape_text(&few, a, sizeof a), net->blobs[layer->bottoms[r.x]].name,
                        rs_shape_text(&x, b, sizeof b));
    if (!rs_shape_equal(&x, term))
        return rs_error(diag, RS_BAD_INPUT, layer->loc, NULL,
                        "layer '%s' (Axpy): the second bottom is %s, the third %s, expected the same sizes",
                        layer->name, rs_shape_text(&x, a, sizeof a), rs_shape_text(term, b, sizeof b));
    *out = x;
    return RS_OK;
}

#define BROADCAST_LAYER(symbol, caffe_name, n, works_in_place) \
    const rs_layer_rule rs_##symbol##_layer = {                \
        .name = caffe_name,                                    \
        .bottoms = { n, n },                                   \
        .tops = { 1, 1 },                                      \
        .in_place = works_in_place,                            \
        .shape = shape,                                        \
        .ops = &ops,                                           \
    }

BROADCAST_LAYER(scale_by, "Scale", 2, true);
BROADCAST_LAYER(bias_by, "Bias", 2, true);
BROADCAST_LAYER(axpy, "Axpy", 3, false);
