/* Average pooling: arithmetic.md section 6; minifloats: section 10. */
#include "engine/reference/reference.h"

/* Of the part of a window that lies in the map. */
static int64_t window_sum(const rs_qop *op, const rs_qtensor *in, const int32_t *map, int oy, int ox)
{
    int64_t sum = 0;
    for (int ky = 0; ky < op->kernel_h; ky++)
        for (int kx = 0; kx < op->kernel_w; kx++) {
            const int64_t y = (int64_t)oy * op->stride_h - op->pad_h + ky;
            const int64_t x = (int64_t)ox * op->stride_w - op->pad_w + kx;
            if (y >= 0 && y < in->height && x >= 0 && x < in->width)
                sum += map[y * in->width + x];
        }
    return sum;
}

static void fixed(const rs_qnet *qnet, const rs_qop *op, const int32_t *in, int32_t *out, uint64_t *saturations)
{
    const rs_qtensor *i = &qnet->tensors[op->input], *o = &qnet->tensors[op->output];
    for (int c = 0; c < o->channels; c++, in += rs_reference_map(i))
        for (int oy = 0; oy < o->height; oy++)
            for (int ox = 0; ox < o->width; ox++) {
                const int64_t area = rs_qop_area(qnet, op, oy, ox);
                *out++ = rs_fxp_requantize(window_sum(op, i, in, oy, ox) * rs_average_factor(area), false,
                                           rs_average_shift(area) + op->shift, rs_qtensor_signed_bits(o),
                                           qnet->rounding, 0, saturations);
            }
}

/* Averages: the sum over the window, row by row, in binary64, divided by the window's area. */
static void minifloat(const rs_qnet *qnet, const rs_qop *op, const int32_t *in, int32_t *out, uint64_t *saturations)
{
    const rs_qtensor *i = &qnet->tensors[op->input], *o = &qnet->tensors[op->output];
    for (int c = 0; c < o->channels; c++, in += rs_reference_map(i))
        for (int oy = 0; oy < o->height; oy++)
            for (int ox = 0; ox < o->width; ox++) {
                double sum = 0;
                for (int ky = 0; ky < op->kernel_h; ky++)
                    for (int kx = 0; kx < op->kernel_w; kx++) {
                        const int64_t y = (int64_t)oy * op->stride_h - op->pad_h + ky;
                        const int64_t x = (int64_t)ox * op->stride_w - op->pad_w + kx;
                        if (y >= 0 && y < i->height && x >= 0 && x < i->width)
                            sum += rs_qtensor_value(i, in[y * i->width + x]);
                    }
                *out++ = rs_qtensor_quantize(o, sum / (double)rs_qop_area(qnet, op, oy, ox), qnet->rounding,
                                             saturations);
            }
}

void rs_reference_average_pool(const rs_qnet *qnet, const rs_qop *op, const int32_t *const *inputs, int32_t *out,
                               uint64_t *saturations)
{
    if (rs_qnet_minifloat(qnet))
        minifloat(qnet, op, inputs[0], out, saturations);
    else
        fixed(qnet, op, inputs[0], out, saturations);
}
