/* The order in which the array consumes the weights of a layer: docs/microarchitecture.md, "Weight order". The one
 * definition, used by the compiler that packs weights into memory and by the exporter that writes them into ROMs. */
#ifndef RISTRETTO_EXPORT_WEIGHT_ORDER_H
#define RISTRETTO_EXPORT_WEIGHT_ORDER_H

#include "quant/qnet.h"

typedef enum rs_weight_case {
    RS_WEIGHTS_WHOLE_MAP, /* the kernel is the whole ifmap: one segment */
    RS_WEIGHTS_ROWS,      /* one segment for each kernel row */
    RS_WEIGHTS_POINTS     /* one segment for each kernel position */
} rs_weight_case;

typedef struct rs_weight_order {
    rs_weight_case kind;
    int multipliers; /* X */
    int channels;    /* input channels of a group: C / groups */
    int kernel_h, kernel_w;
    int64_t seg1_count, seg2_count, seg_len, chunks;
    int64_t steps; /* of a window: seg1_count * seg2_count * chunks */
} rs_weight_order;

/* `op` must be a weighted op of `qnet`; multipliers >= 1. */
static inline rs_weight_order rs_weight_order_of(const rs_qnet *qnet, const rs_qop *op, int multipliers)
{
    const rs_qtensor *in = &qnet->tensors[op->input];
    rs_weight_order order = { .multipliers = multipliers,
                              .channels = in->channels / op->groups,
                              .kernel_h = op->kernel_h,
                              .kernel_w = op->kernel_w,
                              .seg1_count = 1,
                              .seg2_count = 1 };
    const bool one_group = op->groups == 1;
    if (one_group && op->kernel_h == in->height && op->kernel_w == in->width && op->pad_h == 0 && op->pad_w == 0 &&
        op->dilation_h == 1 && op->dilation_w == 1) {
        order.kind = RS_WEIGHTS_WHOLE_MAP;
        order.seg_len = (int64_t)op->kernel_h * op->kernel_w * order.channels;
    } else if (one_group && op->dilation_w == 1) {
        order.kind = RS_WEIGHTS_ROWS;
        order.seg1_count = op->kernel_h;
        order.seg_len = (int64_t)op->kernel_w * order.channels;
    } else {
        order.kind = RS_WEIGHTS_POINTS;
        order.seg1_count = op->kernel_h;
        order.seg2_count = op->kernel_w;
        order.seg_len = order.channels;
    }
    order.chunks = (order.seg_len + multipliers - 1) / multipliers;
    order.steps = order.seg1_count * order.seg2_count * order.chunks;
    return order;
}

/* The weight that multiplier `multiplier` holds in step `step` of any output channel o: its index in
 * weights[o * channels * kernel_h * kernel_w + index]; -1 where there is none and the array holds 0. */
static inline int64_t rs_weight_order_index(const rs_weight_order *order, int64_t step, int multiplier)
{
    const int64_t k = step % order->chunks * order->multipliers + multiplier;
    const int64_t segment = step / order->chunks;
    const int64_t s1 = segment / order->seg2_count, s2 = segment % order->seg2_count;
    if (k >= order->seg_len)
        return -1;
    int64_t ky = s1, kx = s2;
    if (order->kind == RS_WEIGHTS_WHOLE_MAP) {
        ky = k / ((int64_t)order->kernel_w * order->channels);
        kx = k / order->channels % order->kernel_w;
    } else if (order->kind == RS_WEIGHTS_ROWS) {
        kx = k / order->channels;
    }
    return (k % order->channels * order->kernel_h + ky) * order->kernel_w + kx;
}

#endif
