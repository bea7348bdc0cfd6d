/* Softmax and multinomial logistic loss: the mean over images (and positions) of -log p[label], times the loss weight.
 * Places whose label is to be ignored add nothing; what the sum is divided by is the layer's choice. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "layers/layer.h"

static int64_t inner_size(const rs_op *op)
{
    return rs_shape_count(&op->net->blobs[op->layer->bottoms[0]].shape, 2);
}

static rs_status plan(rs_op *op, rs_diag *diag)
{
    const rs_layer *l = op->layer;
    const int64_t inner = inner_size(op);
    if (op->bottom_size[1] != inner)
        return rs_error(diag, RS_BAD_INPUT, l->loc, NULL, "layer '%s': %lld labels an image, expected %lld", l->name,
                        (long long)op->bottom_size[1], (long long)inner);
    op->record_size = (size_t)op->bottom_size[0] * sizeof(float); /* the probabilities */
    return RS_OK;
}

static float *probabilities(const rs_op *op, int64_t image)
{
    return (float *)(void *)(op->record + (size_t)image * op->record_size);
}

static bool ignored(const rs_op *op, float label)
{
    return op->layer->criterion.ignores && label == (float)op->layer->criterion.ignored;
}

static void forward(rs_op *op, int64_t first, int64_t n, float *scratch)
{
    (void)scratch;
    const int64_t size = op->bottom_size[0], inner = inner_size(op), classes = size / inner;
    for (int64_t i = first; i < first + n; i++) {
        float *p = probabilities(op, i);
        rs_softmax(op->bottom[0] + i * size, p, 1, classes, inner);
        op->image_loss[i] = 0.0;
        for (int64_t x = 0; x < inner; x++) {
            const float label = op->bottom[1][i * inner + x];
            if (ignored(op, label))
                continue;
            if (!(label >= 0.0f && label < (float)classes)) {
                rs_op_bad_label(op, i);
                return;
            }
            const float q = p[(int64_t)label * inner + x];
            op->image_loss[i] -= isnan(q) ? (double)q : log(q > FLT_MIN ? (double)q : (double)FLT_MIN);
        }
    }
}

static void finish(rs_op *op, int64_t n)
{
    double total = 0.0;
    for (int64_t i = 0; i < n; i++)
        total += op->image_loss[i];
    const int64_t places = n * inner_size(op);
    int64_t counted = places;
    switch (op->layer->criterion.normalization) {
    case RS_NORM_VALID:
        for (int64_t i = 0; i < places; i++)
            counted -= ignored(op, op->bottom[1][i]);
        break;
    case RS_NORM_FULL:
        break;
    case RS_NORM_BATCH_SIZE:
        counted = n;
        break;
    case RS_NORM_NONE:
        counted = 1;
        break;
    }
    op->divisor = (double)(counted > 0 ? counted : 1);
    total /= op->divisor;
    if (op->layer->n_tops > 0)
        op->top[0][0] = (float)total;
    op->loss = total * (double)op->layer->loss_weight;
}

static void backward(rs_op *op, int64_t first, int64_t n, float *scratch)
{
    (void)scratch;
    if (!op->backward_data[0])
        return;
    const int64_t size = op->bottom_size[0], inner = inner_size(op);
    const float scale = op->layer->loss_weight / (float)op->divisor;
    for (int64_t i = first; i < first + n; i++) {
        float *p = probabilities(op, i), *d_in = op->bottom_gradient[0] + i * size;
        for (int64_t x = 0; x < inner; x++) {
            const float label = op->bottom[1][i * inner + x];
            if (!ignored(op, label))
                p[(int64_t)label * inner + x] -= 1.0f;
            else
                for (int64_t j = x; j < size; j += inner)
                    p[j] = 0.0f;
        }
        for (int64_t j = 0; j < size; j++)
            d_in[j] = op->add[0] ? d_in[j] + p[j] * scale : p[j] * scale;
    }
}

static const rs_layer_ops ops = { .plan = plan, .forward = forward, .backward = backward, .finish = finish };

rs_status rs_criterion_shape(rs_net *net, rs_layer *layer, const rs_shape *in, rs_shape *out, rs_diag *diag)
{
    const rs_shape *scores = in, *labels = &net->blobs[layer->bottoms[1]].shape;
    char a[RS_SHAPE_TEXT], b[RS_SHAPE_TEXT];
    int64_t places = scores->n_axes >= 2 ? scores->dim[0] * rs_shape_count(scores, 2) : -1;
    if (places < 0 || scores->dim[1] < 1)
        return rs_error(diag, RS_BAD_INPUT, layer->loc, NULL,
                        "layer '%s' (%s): the scores are %s, expected "
                        "N x classes",
                        layer->name, rs_layer_type_name(layer->type), rs_shape_text(scores, a, sizeof a));
    if (rs_shape_count(labels, 0) != places)
        return rs_error(diag, RS_BAD_INPUT, layer->loc, NULL,
                        "layer '%s' (%s): labels are %s, expected one for each "
                        "of the scores' %s",
                        layer->name, rs_layer_type_name(layer->type), rs_shape_text(labels, b, sizeof b),
                        rs_shape_text(scores, a, sizeof a));
    *out = (rs_shape) { 0, { 0 } };
    return RS_OK;
}

const rs_layer_rule rs_softmax_loss_layer = {
    .name = "SoftmaxWithLoss",
    .bottoms = { 2, 2 },
    .tops = { 1, 1 },
    .loss = true,
    .scalar = true,
    .labels = true,
    .shape = rs_criterion_shape,
    .ops = &ops,
};
