/* The order in which the array consumes the weights of a layer: docs/reference/array-data.md, "Weight order". The one
 * definition, used by the compiler that packs weights into memory and by the exporter that writes them into ROMs. */
#ifndef RISTRETTO_PROGRAM_WEIGHT_ORDER_H
#define RISTRETTO_PROGRAM_WEIGHT_ORDER_H

#include "config/weight_code.h"
#include "qnet/qnet.h"

typedef enum rs_weight_case {
    RS_WEIGHTS_WHOLE_MAP, /* the kernel is the whole ifmap: one segment */
    RS_WEIGHTS_ROWS,      /* one segment for each kernel row */
    RS_WEIGHTS_POINTS     /* one segment for each kernel position */
} rs_weight_case;

typedef struct rs_weight_order {
    rs_weight_case kind;
    int lanes, multipliers; /* L, X */
    int channels;           /* input channels of a convolution group: C / G */
    int outputs;            /* output channels of a convolution group: O / G */
    int kernel_h, kernel_w;
    int sets;      /* G / S */
    int per_set;   /* S: convolution groups that share steps */
    int64_t pixel; /* elements of the ifmap from one pixel to the next, of one set's part: the channels, padded ones
                      included */
    const int32_t *channel; /* [pixel]: the channel at an element of a pixel, -1: none; NULL: element = channel. Only
                               for one convolution group. */
    int64_t seg1_count, seg2_count, seg_len, chunks;
    int64_t steps; /* of a window: seg1_count * seg2_count * chunks */
} rs_weight_order;

/* S of "Sets": the largest divisor of `groups` of which so many convolution groups fit the lanes and multipliers. */
static inline int rs_weight_order_per_set(int groups, int channels, int outputs, int lanes, int multipliers)
{
    for (int s = groups; s > 1; s--)
        if (groups % s == 0 && (int64_t)s * outputs <= lanes && (int64_t)s * channels <= multipliers)
            return s;
    return 1;
}

/* `op` must be a weighted op of `qnet`; lanes, multipliers >= 1. A set of several convolution groups needs weights of
 * zero, so that without them (code) a set is one group. `pixel`: elements from one pixel of the ifmap to the next, at
 * least its channels; `channel` as above (kept). */
static inline rs_weight_order rs_weight_order_in(const rs_qnet *qnet, const rs_qop *op, int lanes, int multipliers,
                                                 rs_weight_code code, int64_t pixel, const int32_t *channel)
{
    const rs_qtensor *in = &qnet->tensors[op->input], *out = &qnet->tensors[op->output];
    rs_weight_order order = { .lanes = lanes,
                              .multipliers = multipliers,
                              .channels = in->channels / op->groups,
                              .outputs = out->channels / op->groups,
                              .kernel_h = op->kernel_h,
                              .kernel_w = op->kernel_w,
                              .per_set = 1,
                              .pixel = pixel,
                              .channel = channel,
                              .seg1_count = 1,
                              .seg2_count = 1 };
    const bool one_group = op->groups == 1;
    if (!one_group) {
        if (code != RS_WEIGHT_SHIFT)
            order.per_set = rs_weight_order_per_set(op->groups, order.channels, order.outputs, lanes, multipliers);
        order.pixel = (int64_t)order.per_set * order.channels;
    }
    order.sets = op->groups / order.per_set;
    if (one_group && op->kernel_h == in->height && op->kernel_w == in->width && op->pad_h == 0 && op->pad_w == 0 &&
        op->dilation_h == 1 && op->dilation_w == 1) {
        order.kind = RS_WEIGHTS_WHOLE_MAP;
        order.seg_len = (int64_t)op->kernel_h * op->kernel_w * order.pixel;
    } else if (one_group && op->dilation_w == 1) {
        order.kind = RS_WEIGHTS_ROWS;
        order.seg1_count = op->kernel_h;
        order.seg_len = (int64_t)op->kernel_w * order.pixel;
    } else {
        order.kind = RS_WEIGHTS_POINTS;
        order.seg1_count = op->kernel_h;
        order.seg2_count = op->kernel_w;
        order.seg_len = order.pixel;
    }
    order.chunks = (order.seg_len + multipliers - 1) / multipliers;
    order.steps = order.seg1_count * order.seg2_count * order.chunks;
    return order;
}

/* The same for an ifmap that is dense. */
static inline rs_weight_order rs_weight_order_of(const rs_qnet *qnet, const rs_qop *op, int lanes, int multipliers,
                                                 rs_weight_code code)
{
    return rs_weight_order_in(qnet, op, lanes, multipliers, code, qnet->tensors[op->input].channels, NULL);
}

/* Bits of the word for weights of a format. */
static inline int rs_weight_code_bits(rs_weight_code code, const rs_qop *op)
{
    rs_power2 format = op->weight_format.power2;
    if (code == RS_WEIGHT_INTEGER || code == RS_WEIGHT_MINIFLOAT)
        return op->weight_format.bits;
    format.zero = code == RS_WEIGHT_SHIFT_ZERO;
    const int bits = rs_power2_bits(format);
    return bits > 2 ? bits : 2;
}

/* Output channels of a set, and the groups of lanes that it takes; groups of the whole layer. */
static inline int64_t rs_weight_order_set_outputs(const rs_weight_order *order)
{
    return (int64_t)order->per_set * order->outputs;
}
static inline int64_t rs_weight_order_groups_per_set(const rs_weight_order *order)
{
    return (rs_weight_order_set_outputs(order) + order->lanes - 1) / order->lanes;
}
static inline int64_t rs_weight_order_groups(const rs_weight_order *order)
{
    return order->sets * rs_weight_order_groups_per_set(order);
}
/* The first output channel of a group of lanes, and how many it has. */
static inline int64_t rs_weight_order_first(const rs_weight_order *order, int64_t group)
{
    const int64_t per_set = rs_weight_order_groups_per_set(order);
    return group / per_set * rs_weight_order_set_outputs(order) + group % per_set * order->lanes;
}
static inline int64_t rs_weight_order_lanes(const rs_weight_order *order, int64_t group)
{
    const int64_t left = rs_weight_order_set_outputs(order) -
                         group % rs_weight_order_groups_per_set(order) * order->lanes;
    return left < order->lanes ? left : order->lanes;
}

/* The weight that multiplier `multiplier` holds in step `step` of output channel o: its index in
 * weights[o * channels * kernel_h * kernel_w + index]; -1 where there is none and the array holds 0. */
static inline int64_t rs_weight_order_index(const rs_weight_order *order, int64_t step, int multiplier, int64_t o)
{
    const int64_t k = step % order->chunks * order->multipliers + multiplier;
    const int64_t segment = step / order->chunks;
    const int64_t s1 = segment / order->seg2_count, s2 = segment % order->seg2_count;
    if (k >= order->seg_len)
        return -1;
    int64_t ky = s1, kx = s2, c = k % order->pixel;
    if (order->kind == RS_WEIGHTS_WHOLE_MAP) {
        ky = k / (order->kernel_w * order->pixel);
        kx = k / order->pixel % order->kernel_w;
    } else if (order->kind == RS_WEIGHTS_ROWS) {
        kx = k / order->pixel;
    }
    if (order->per_set > 1) {
        if (c / order->channels != o / order->outputs % order->per_set)
            return -1;
        c %= order->channels;
    } else if (order->channel) {
        c = order->channel[c];
        if (c < 0)
            return -1;
    }
    return (c * order->kernel_h + ky) * order->kernel_w + kx;
}

#endif
