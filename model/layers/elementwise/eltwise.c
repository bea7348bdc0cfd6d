/* Element by element over several blobs of one shape: weighted sum, product or largest value. */
#include <string.h>

#include "layers/layer.h"

static float coefficient(const rs_op *op, int bottom)
{
    const float *c = op->layer->eltwise.coefficients;
    return c == NULL ? 1.0f : c[bottom];
}

static void forward(rs_op *op, int64_t first, int64_t n, float *scratch)
{
    (void)scratch;
    const int64_t at = first * op->top_size[0], count = n * op->top_size[0];
    float *restrict out = op->top[0] + at;
    for (int b = 0; b < op->layer->n_bottoms; b++) {
        const float *restrict in = op->bottom[b] + at;
        const float c = coefficient(op, b);
        if (op->layer->eltwise.method == RS_ELTWISE_SUM) {
            for (int64_t i = 0; i < count; i++)
                out[i] = b == 0 ? c * in[i] : out[i] + c * in[i];
        } else if (b == 0) {
            memcpy(out, in, (size_t)count * sizeof *out);
        } else if (op->layer->eltwise.method == RS_ELTWISE_PRODUCT) {
            for (int64_t i = 0; i < count; i++)
                out[i] *= in[i];
        } else {
            for (int64_t i = 0; i < count; i++)
                out[i] = in[i] > out[i] ? in[i] : out[i];
        }
    }
}

/* Which bottom gave the largest value. As in Caffe, of two equal first ones it is the second, of later ones the
 * earliest. */
static int largest(const rs_op *op, int64_t i)
{
    int best = op->bottom[0][i] > op->bottom[1][i] ? 0 : 1;
    for (int b = 2; b < op->layer->n_bottoms; b++)
        if (op->bottom[b][i] > op->bottom[best][i])
            best = b;
    return best;
}

static float product_of_others(const rs_op *op, int bottom, int64_t i)
{
    float product = 1.0f;
    for (int b = 0; b < op->layer->n_bottoms; b++)
        if (b != bottom)
            product *= op->bottom[b][i];
    return product;
}

static void backward(rs_op *op, int64_t first, int64_t n, float *scratch)
{
    (void)scratch;
    const int64_t from = first * op->top_size[0], to = from + n * op->top_size[0];
    const float *d_out = op->top_gradient[0];
    for (int b = 0; b < op->layer->n_bottoms; b++) {
        if (!op->backward_data[b])
            continue;
        float *d_in = op->bottom_gradient[b];
        const float c = coefficient(op, b);
        const bool add = op->add[b];
        switch (op->layer->eltwise.method) {
        case RS_ELTWISE_SUM:
            for (int64_t i = from; i < to; i++)
                d_in[i] = add ? d_in[i] + c * d_out[i] : c * d_out[i];
            break;
        case RS_ELTWISE_PRODUCT:
            for (int64_t i = from; i < to; i++) {
                const float d = d_out[i] * product_of_others(op, b, i);
                d_in[i] = add ? d_in[i] + d : d;
            }
            break;
        case RS_ELTWISE_MAX:
            for (int64_t i = from; i < to; i++) {
                const float d = largest(op, i) == b ? d_out[i] : 0.0f;
                d_in[i] = add ? d_in[i] + d : d;
            }
            break;
        }
    }
}

static const rs_layer_ops ops = { .forward = forward, .backward = backward };

static rs_status shape(rs_net *net, rs_layer *layer, const rs_shape *in, rs_shape *out, rs_diag *diag)
{
    if (!rs_layer_takes_same(net, layer, -1, diag))
        return RS_BAD_INPUT;
    *out = *in;
    return RS_OK;
}

static void clear(rs_layer *layer)
{
    rs_free(layer->eltwise.coefficients);
}

const rs_layer_rule rs_eltwise_layer = {
    .name = "Eltwise",
    .bottoms = { 2, RS_ANY },
    .tops = { 1, 1 },
    .shape = shape,
    .clear = clear,
    .ops = &ops,
};
