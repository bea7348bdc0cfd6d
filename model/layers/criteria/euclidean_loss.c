/* Half the sum of squared differences, divided by the images of the batch, times the loss weight. */
#include "layers/functions.h"
#include "layers/layer.h"

static rs_status plan(rs_op *op, rs_diag *diag)
{
    (void)diag;
    op->record_size = (size_t)op->bottom_size[0] * sizeof(float); /* the differences */
    return RS_OK;
}

static void forward(rs_op *op, int64_t first, int64_t n, float *scratch)
{
    (void)scratch;
    const int64_t size = op->bottom_size[0];
    for (int64_t i = first; i < first + n; i++) {
        float *d = (float *)(void *)op->record + i * size;
        for (int64_t j = 0; j < size; j++)
            d[j] = op->bottom[0][i * size + j] - op->bottom[1][i * size + j];
        op->image_loss[i] = (double)rs_dot(d, d, size);
    }
}

static void finish(rs_op *op, int64_t n)
{
    double total = 0.0;
    for (int64_t i = 0; i < n; i++)
        total += op->image_loss[i];
    total /= 2.0 * (double)n;
    if (op->layer->n_tops > 0)
        op->top[0][0] = (float)total;
    op->loss = total * (double)op->layer->loss_weight;
}

static void backward(rs_op *op, int64_t first, int64_t n, float *scratch)
{
    (void)scratch;
    const int64_t from = first * op->bottom_size[0], to = from + n * op->bottom_size[0];
    const float *d = (const float *)(const void *)op->record;
    for (int b = 0; b < 2; b++) {
        if (!op->backward_data[b])
            continue;
        const float scale = (b == 0 ? 1.0f : -1.0f) * op->layer->loss_weight / (float)op->n;
        float *d_in = op->bottom_gradient[b];
        for (int64_t i = from; i < to; i++)
            d_in[i] = (op->add[b] ? d_in[i] : 0.0f) + scale * d[i];
    }
}

static const rs_layer_ops ops = { .plan = plan, .forward = forward, .backward = backward, .finish = finish };

static rs_status shape(rs_net *net, rs_layer *layer, const rs_shape *in, rs_shape *out, rs_diag *diag)
{
    char a[RS_SHAPE_TEXT], b[RS_SHAPE_TEXT];
    const rs_shape *other = &net->blobs[layer->bottoms[1]].shape;
    if (in->n_axes < 1 || other->n_axes < 1 || in->dim[0] != other->dim[0] ||
        rs_shape_count(in, 1) != rs_shape_count(other, 1))
        return rs_error(
            diag, RS_BAD_INPUT, layer->loc, NULL,
            "layer '%s' (EuclideanLoss): its bottoms are %s and %s, expected the same number of values an image",
            layer->name, rs_shape_text(in, a, sizeof a), rs_shape_text(other, b, sizeof b));
    *out = (rs_shape) { 0, { 0 } };
    return RS_OK;
}

const rs_layer_rule rs_euclidean_loss_layer = {
    .name = "EuclideanLoss",
    .bottoms = { 2, 2 },
    .tops = { 1, 1 },
    .loss = true,
    .scalar = true,
    .shape = shape,
    .ops = &ops,
};
