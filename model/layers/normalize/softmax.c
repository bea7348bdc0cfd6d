/* Softmax over the classes, at each position of its own. */
#include "layers/functions.h"
#include "layers/layer.h"

void rs_softmax(const float *in, float *out, int64_t outer, int64_t classes, int64_t inner)
{
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < inner; i++) {
            const float *x = in + o * classes * inner + i;
            float *y = out + o * classes * inner + i;
            float max = x[0], total = 0.0f;
            for (int64_t c = 1; c < classes; c++)
                max = x[c * inner] > max ? x[c * inner] : max;
            for (int64_t c = 0; c < classes; c++) {
                y[c * inner] = rs_exp(x[c * inner] -
                                      max); /* NaN stays NaN, so that a diverged training shows in its loss */
                total += y[c * inner];
            }
            for (int64_t c = 0; c < classes; c++)
                y[c * inner] /= total;
        }
}

/* Classes along axis 1; what is behind it are positions of their own. */
static int64_t inner_size(const rs_op *op)
{
    return rs_shape_count(&op->net->blobs[op->layer->bottoms[0]].shape, 2);
}

static rs_status plan(rs_op *op, rs_diag *diag)
{
    (void)diag;
    rs_op_plan_output(op, RS_LAYER_TYPES);
    return RS_OK;
}

static void forward(rs_op *op, int64_t first, int64_t n, float *scratch)
{
    (void)scratch;
    const int64_t size = op->bottom_size[0], inner = inner_size(op);
    rs_softmax(op->bottom[0] + first * size, op->top[0] + first * size, n, size / inner, inner);
    rs_op_keep_output(op, first, n);
}

/* dx[c] = y[c] (dy[c] - sum over k of dy[k] y[k]) */
static void backward(rs_op *op, int64_t first, int64_t n, float *scratch)
{
    (void)scratch;
    if (!op->backward_data[0])
        return;
    const int64_t size = op->bottom_size[0], inner = inner_size(op), classes = size / inner;
    for (int64_t i = first; i < first + n; i++)
        for (int64_t x = 0; x < inner; x++) {
            const float *y = rs_op_output(op) + i * size + x, *d_out = op->top_gradient[0] + i * size + x;
            float *d_in = op->bottom_gradient[0] + i * size + x, dot = 0.0f;
            for (int64_t c = 0; c < classes; c++)
                dot += d_out[c * inner] * y[c * inner];
            for (int64_t c = 0; c < classes; c++) {
                const float d = y[c * inner] * (d_out[c * inner] - dot);
                d_in[c * inner] = op->add[0] ? d_in[c * inner] + d : d;
            }
        }
}

static const rs_layer_ops ops = { .plan = plan, .forward = forward, .backward = backward };

static rs_status shape(rs_net *net, rs_layer *layer, const rs_shape *in, rs_shape *out, rs_diag *diag)
{
    (void)net;
    char text[RS_SHAPE_TEXT];
    if (in->n_axes < 2)
        return rs_error(diag, RS_BAD_INPUT, layer->loc, NULL,
                        "layer '%s' (Softmax): the input is %s, expected N x classes", layer->name,
                        rs_shape_text(in, text, sizeof text));
    *out = *in;
    return RS_OK;
}

const rs_layer_rule rs_softmax_layer = {
    .name = "Softmax",
    .bottoms = { 1, 1 },
    .tops = { 1, 1 },
    .shape = shape,
    .ops = &ops,
};
