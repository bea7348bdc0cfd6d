/* Average pooling, fast. */
#include <string.h>

#include "engine/parts.h"

/* Sums that fit 32 bits: all channels of an output window_position at once. */
static void run(const rs_engine *e, int index, int64_t images, rs_engine_scratch *w)
{
    const rs_qnet *q = e->qnet;
    const rs_qop *op = &q->ops[index];
    if (rs_qop_bound(q, op, false) >= INT32_MAX) {
        rs_engine_run_plain(e, index, images, w);
        return;
    }
    const rs_qtensor *in = &q->tensors[op->input], *out = &q->tensors[op->output];
    const int64_t channels = in->channels;
    int32_t *const sums = w->chw[0];
    double *const products = w->room;
    for (int64_t n = 0, k = 0; n < images; n++)
        for (int y = 0; y < out->height; y++)
            for (int x = 0; x < out->width; x++, k += channels) {
                const int64_t top = (int64_t)y * op->stride_h - op->pad_h, left = (int64_t)x * op->stride_w - op->pad_w;
                memset(sums, 0, (size_t)channels * sizeof *sums);
                for (int64_t v = top > 0 ? top : 0; v < top + op->kernel_h && v < in->height; v++)
                    for (int64_t u = left > 0 ? left : 0; u < left + op->kernel_w && u < in->width; u++)
                        rs_storage_accumulate(
                            rs_engine_at(e, w, op->input, ((n * in->height + v) * in->width + u) * channels),
                            e->storage[op->input], 0, sums, channels);
                const int64_t area = rs_qop_area(q, op, y, x);
                const double factor = (double)rs_average_factor(area);
                for (int64_t c = 0; c < channels; c++)
                    products[c] = sums[c] * factor; /* below 2^47, exact */
                rs_fxp_requantize_doubles(products, (size_t)channels, false, rs_average_shift(area) + op->shift,
                                          rs_qtensor_signed_bits(out), q->rounding, sums, &w->saturations[index]);
                rs_storage_pack(sums, 1, channels, 0, rs_engine_at(e, w, op->output, k), e->storage[op->output], 0);
            }
}

static int64_t doubles(const rs_qnet *qnet, const rs_qop *op)
{
    return qnet->tensors[op->output].channels;
}

const rs_engine_fast rs_engine_fast_average_pool = { .run = run, .doubles = doubles };
