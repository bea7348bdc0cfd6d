/* Batch normalization by channel: y = (x - mean) / sqrt(variance + eps).
 * With the stored statistics it is a line in x, image by image. With those of the batch (training), a task per channel:
 *   backward   dx = (dy - mean(dy) - y mean(dy y)) / sqrt(variance + eps), means over images and positions
 * and the stored ones, kept as sums with a factor that they are divided by, are updated at the end of the run:
 *   factor = fraction factor + 1, mean = fraction mean + mean of the batch, variance alike, times m / (m - 1) */
#include <math.h>
#include <string.h>

#include "layers/functions.h"
#include "layers/layer.h"

typedef struct batch_statistics {
    float *mean, *deviation, *variance; /* by channel; deviation: sqrt(variance + eps) */
} batch_statistics;

static int64_t channels_of(const rs_op *op)
{
    return op->net->blobs[op->layer->bottoms[0]].shape.dim[1];
}

static batch_statistics statistics_of(const rs_op *op)
{
    const int64_t channels = channels_of(op);
    return (batch_statistics) { op->prepared, op->prepared + channels, op->prepared + 2 * channels };
}

static float deviation(const rs_op *op, double variance)
{
    return (float)sqrt(variance + (double)op->layer->batch_norm.eps);
}

static rs_status plan(rs_op *op, rs_diag *diag)
{
    (void)diag;
    op->prepared_size = 3 * (size_t)channels_of(op);
    rs_op_plan_output(op, RS_LAYER_TYPES);
    return RS_OK;
}

/* -------------------------------------------------------------------------------------------- stored statistics */

static void stored_prepare(rs_op *op)
{
    const batch_statistics s = statistics_of(op);
    const rs_param *p = op->layer->params;
    const double factor = p[2].data[0] == 0.0f ? 0.0 : 1.0 / (double)p[2].data[0];
    for (int64_t c = 0; c < channels_of(op); c++) {
        s.mean[c] = (float)((double)p[0].data[c] * factor);
        s.deviation[c] = deviation(op, (double)p[1].data[c] * factor);
    }
}

static void stored_forward(rs_op *op, int64_t first, int64_t n, float *scratch)
{
    (void)scratch;
    const batch_statistics s = statistics_of(op);
    const int64_t channels = channels_of(op), inner = op->bottom_size[0] / channels;
    for (int64_t r = first * channels; r < (first + n) * channels; r++) {
        const float *x = op->bottom[0] + r * inner, mean = s.mean[r % channels], d = s.deviation[r % channels];
        float *y = op->top[0] + r * inner;
        for (int64_t i = 0; i < inner; i++)
            y[i] = (x[i] - mean) / d;
    }
    rs_op_keep_output(op, first, n);
}

static void stored_backward(rs_op *op, int64_t first, int64_t n, float *scratch)
{
    (void)scratch;
    if (!op->backward_data[0])
        return;
    const batch_statistics s = statistics_of(op);
    const int64_t channels = channels_of(op), inner = op->bottom_size[0] / channels;
    for (int64_t r = first * channels; r < (first + n) * channels; r++) {
        const float *d_out = op->top_gradient[0] + r * inner, d = s.deviation[r % channels];
        float *d_in = op->bottom_gradient[0] + r * inner;
        for (int64_t i = 0; i < inner; i++)
            d_in[i] = (op->add[0] ? d_in[i] : 0.0f) + d_out[i] / d;
    }
}

static const rs_layer_ops stored_ops = {
    .plan = plan, .prepare = stored_prepare, .forward = stored_forward, .backward = stored_backward
};

/* -------------------------------------------------------------------------------------- statistics of the batch */

static int64_t tasks(const rs_op *op, bool backward, int step, int64_t n)
{
    (void)step;
    (void)n;
    return backward && !op->backward_data[0] ? 0 : channels_of(op);
}

static void forward_channel(rs_op *op, int64_t n, int64_t c)
{
    const batch_statistics s = statistics_of(op);
    const int64_t size = op->bottom_size[0], inner = size / channels_of(op);
    const double count = (double)n * (double)inner;
    double sum = 0.0, squares = 0.0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)rs_sum(op->bottom[0] + i * size + c * inner, inner);
    const float mean = (float)(sum / count);
    for (int64_t i = 0; i < n; i++) {
        const float *x = op->bottom[0] + i * size + c * inner;
        float *y = op->top[0] + i * size + c * inner;
        for (int64_t j = 0; j < inner; j++)
            y[j] = x[j] - mean;
        squares += (double)rs_dot(y, y, inner);
    }
    s.mean[c] = mean;
    s.variance[c] = (float)(squares / count);
    s.deviation[c] = deviation(op, squares / count);
    for (int64_t i = 0; i < n; i++) {
        float *y = op->top[0] + i * size + c * inner;
        for (int64_t j = 0; j < inner; j++)
            y[j] /= s.deviation[c];
        if (op->record_size > 0)
            memcpy((float *)(void *)(op->record + (size_t)i * op->record_size) + c * inner, y,
                   (size_t)inner * sizeof *y);
    }
}

static void backward_channel(rs_op *op, int64_t n, int64_t c)
{
    const batch_statistics s = statistics_of(op);
    const int64_t size = op->bottom_size[0], inner = size / channels_of(op);
    const double count = (double)n * (double)inner;
    const float *outputs = rs_op_output(op);
    double sum = 0.0, dot = 0.0;
    for (int64_t i = 0; i < n; i++) {
        const float *d_out = op->top_gradient[0] + i * size + c * inner;
        sum += (double)rs_sum(d_out, inner);
        dot += (double)rs_dot(d_out, outputs + i * size + c * inner, inner);
    }
    const float mean = (float)(sum / count), slope = (float)(dot / count);
    for (int64_t i = 0; i < n; i++) {
        const int64_t at = i * size + c * inner;
        const float *d_out = op->top_gradient[0] + at, *y = outputs + at;
        float *d_in = op->bottom_gradient[0] + at;
        for (int64_t j = 0; j < inner; j++)
            d_in[j] = (op->add[0] ? d_in[j] : 0.0f) + (d_out[j] - mean - y[j] * slope) / s.deviation[c];
    }
}

static void task(rs_op *op, bool backward, int step, int64_t n, int64_t index, float *scratch)
{
    (void)step;
    (void)scratch;
    if (backward)
        backward_channel(op, n, index);
    else
        forward_channel(op, n, index);
}

static void finish(rs_op *op, int64_t n)
{
    if (op->net->phase != RS_TRAIN || !op->training)
        return;
    const batch_statistics s = statistics_of(op);
    const rs_param *p = op->layer->params;
    const float fraction = op->layer->batch_norm.fraction;
    const int64_t inner = op->bottom_size[0] / channels_of(op);
    const double count = (double)n * (double)inner;
    const float correction = count > 1.0 ? (float)(count / (count - 1.0)) : 1.0f;
    p[2].data[0] = p[2].data[0] * fraction + 1.0f;
    for (int64_t c = 0; c < channels_of(op); c++) {
        p[0].data[c] = fraction * p[0].data[c] + s.mean[c];
        p[1].data[c] = fraction * p[1].data[c] + correction * s.variance[c];
    }
}

static const rs_layer_ops ops = {
    .plan = plan, .forward_steps = 1, .backward_steps = 1, .tasks = tasks, .task = task, .finish = finish
};

static rs_status shape(rs_net *net, rs_layer *layer, const rs_shape *in, rs_shape *out, rs_diag *diag)
{
    (void)net;
    if (!rs_layer_takes_channels(layer, in, diag))
        return RS_BAD_INPUT;
    const rs_shape channels = { 1, { in->dim[1] } };
    *out = *in;
    layer->n_params = 3;
    rs_status st = rs_layer_set_param(layer, 0, channels, diag);
    if (st == RS_OK)
        st = rs_layer_set_param(layer, 1, channels, diag);
    return st == RS_OK ? rs_layer_set_param(layer, 2, (rs_shape) { 1, { 1 } }, diag) : st;
}

static const rs_filler *filler(const rs_layer *layer, int param)
{
    (void)layer;
    (void)param;
    static const rs_filler zero = { .type = RS_FILL_CONSTANT };
    return &zero;
}

static const rs_layer_ops *choose_ops(const rs_layer *layer)
{
    return layer->batch_norm.global_stats ? &stored_ops : &ops;
}

const rs_layer_rule rs_batch_norm_layer = {
    .name = "BatchNorm",
    .bottoms = { 1, 1 },
    .tops = { 1, 1 },
    .max_params = 3,
    .in_place = true,
    .shape = shape,
    .filler = filler,
    .choose_ops = choose_ops,
};
