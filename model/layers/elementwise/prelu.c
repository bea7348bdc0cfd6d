/* Parametric ReLU: x for x > 0, else slope x, with a learnt slope a channel, or one for all channels. */
#include <string.h>

#include "layers/functions.h"
#include "layers/layer.h"

static bool in_place(const rs_op *op)
{
    return op->layer->bottoms[0] == op->layer->tops[0];
}

static rs_status plan(rs_op *op, rs_diag *diag)
{
    (void)diag;
    if (!op->training)
        return RS_OK;
    if (in_place(op))
        op->record_size = (size_t)op->bottom_size[0] * sizeof(float); /* the input */
    op->chunk_size = (size_t)rs_shape_count(&op->layer->params[0].shape, 0);
    return RS_OK;
}

static void forward(rs_op *op, int64_t first, int64_t n, float *scratch)
{
    (void)scratch;
    const int64_t channels = op->net->blobs[op->layer->bottoms[0]].shape.dim[1], inner = op->bottom_size[0] / channels;
    const float *slopes = op->layer->params[0].data;
    if (op->record_size > 0)
        memcpy(op->record + (size_t)first * op->record_size, op->bottom[0] + first * op->bottom_size[0],
               (size_t)n * op->record_size);
    for (int64_t r = first * channels; r < (first + n) * channels; r++) {
        const float slope = slopes[op->layer->prelu.shared ? 0 : r % channels];
        const float *x = op->bottom[0] + r * inner;
        float *y = op->top[0] + r * inner;
        for (int64_t i = 0; i < inner; i++)
            y[i] = x[i] > 0.0f ? x[i] : slope * x[i];
    }
}

static void backward(rs_op *op, int64_t first, int64_t n, float *scratch)
{
    (void)scratch;
    const int64_t channels = op->net->blobs[op->layer->bottoms[0]].shape.dim[1], inner = op->bottom_size[0] / channels;
    const float *slopes = op->layer->params[0].data;
    const float *in = op->record_size > 0 ? (const float *)(const void *)op->record : op->bottom[0];
    float *const d_slopes = op->chunk_gradients + first / RS_CHUNK * (int64_t)op->chunk_size;
    memset(d_slopes, 0, op->chunk_size * sizeof *d_slopes);
    for (int64_t r = first * channels; r < (first + n) * channels; r++) {
        const int64_t c = op->layer->prelu.shared ? 0 : r % channels;
        const float *x = in + r * inner, *d_out = op->top_gradient[0] + r * inner;
        float total = 0.0f;
        for (int64_t i = 0; i < inner; i++)
            total += x[i] > 0.0f ? 0.0f : d_out[i] * x[i];
        d_slopes[c] += total;
        if (!op->backward_data[0])
            continue;
        float *d_in = op->bottom_gradient[0] + r * inner;
        for (int64_t i = 0; i < inner; i++) {
            const float d = x[i] > 0.0f ? d_out[i] : slopes[c] * d_out[i];
            d_in[i] = op->add[0] ? d_in[i] + d : d;
        }
    }
}

static const rs_layer_ops ops = { .plan = plan, .forward = forward, .backward = backward };

static rs_status shape(rs_net *net, rs_layer *layer, const rs_shape *in, rs_shape *out, rs_diag *diag)
{
    (void)net;
    if (!rs_layer_takes_channels(layer, in, diag))
        return RS_BAD_INPUT;
    *out = *in;
    layer->n_params = 1;
    return rs_layer_set_param(layer, 0, (rs_shape) { layer->prelu.shared ? 0 : 1, { in->dim[1] } }, diag);
}

static const rs_filler *filler(const rs_layer *layer, int param)
{
    (void)param;
    return &layer->prelu.filler;
}

const rs_layer_rule rs_prelu_layer = {
    .name = "PReLU",
    .bottoms = { 1, 1 },
    .tops = { 1, 1 },
    .max_params = 1,
    .in_place = true,
    .shape = shape,
    .filler = filler,
    .ops = &ops,
};
