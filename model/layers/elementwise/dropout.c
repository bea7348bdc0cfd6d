/* Dropout: in training each value is zeroed with probability `ratio` and the rest is scaled by 1 / (1 - ratio); in
 * testing nothing happens. What is dropped depends on seed, layer, iteration, image and position alone. */
#include <string.h>

#include "base/rng.h"
#include "layers/layer.h"

static rs_status plan(rs_op *op, rs_diag *diag)
{
    const float ratio = op->layer->dropout_ratio;
    if (!(ratio >= 0.0f && ratio < 1.0f))
        return rs_error(diag, RS_BAD_INPUT, op->layer->loc, NULL,
                        "layer '%s': dropout_ratio is %g, expected 0 <= ratio < 1", op->layer->name, (double)ratio);
    if (op->net->phase == RS_TRAIN)
        op->record_size = (size_t)op->bottom_size[0];
    return RS_OK;
}

static void forward(rs_op *op, int64_t first, int64_t n, float *scratch)
{
    (void)scratch;
    const int64_t size = op->bottom_size[0];
    const float *in = op->bottom[0] + first * size;
    float *out = op->top[0] + first * size;
    if (op->net->phase != RS_TRAIN) {
        if (in != out)
            memcpy(out, in, (size_t)(n * size) * sizeof *out);
        return;
    }
    const uint64_t limit = (uint64_t)((double)op->layer->dropout_ratio * 4294967296.0);
    const float scale = 1.0f / (1.0f - op->layer->dropout_ratio);
    const uint64_t stream = rs_mix64(op->iteration) ^ ((uint64_t)op->index << 32) ^ UINT64_C(0x64726f70);
    uint8_t *keep = op->record + first * size;
    for (int64_t i = 0; i < n * size; i++) {
        keep[i] = (uint8_t)((rs_random_u64(op->seed, stream, (uint64_t)(first * size + i)) >> 32) >= limit);
        out[i] = keep[i] ? in[i] * scale : 0.0f;
    }
}

static void backward(rs_op *op, int64_t first, int64_t n, float *scratch)
{
    (void)scratch;
    if (!op->backward_data[0])
        return;
    const int64_t size = op->bottom_size[0];
    const float *d_out = op->top_gradient[0] + first * size;
    float *d_in = op->bottom_gradient[0] + first * size;
    const bool train = op->net->phase == RS_TRAIN;
    const float scale = train ? 1.0f / (1.0f - op->layer->dropout_ratio) : 1.0f;
    const uint8_t *keep = op->record + first * size;
    for (int64_t i = 0; i < n * size; i++) {
        const float d = train && !keep[i] ? 0.0f : d_out[i] * scale;
        d_in[i] = op->add[0] ? d_in[i] + d : d;
    }
}

static const rs_layer_ops ops = { .plan = plan, .forward = forward, .backward = backward };

const rs_layer_rule rs_dropout_layer = {
    .name = "Dropout",
    .bottoms = { 1, 1 },
    .tops = { 1, 1 },
    .in_place = true,
    .shape = rs_shape_same,
    .ops = &ops,
};
