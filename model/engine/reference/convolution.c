/* Convolution: arithmetic.md sections 3 and 5; minifloats: section 10. */
#include "engine/reference/reference.h"

static void fixed(const rs_qnet *qnet, const rs_qop *op, const int32_t *in, int32_t *out, uint64_t *saturations)
{
    const rs_qtensor *i = &qnet->tensors[op->input], *o = &qnet->tensors[op->output];
    const int in_channels = i->channels / op->groups, out_channels = o->channels / op->groups;
    const int64_t terms = rs_qop_terms(qnet, op);
    for (int oc = 0; oc < o->channels; oc++) {
        const int32_t *maps = in + oc / out_channels * in_channels * rs_reference_map(i);
        for (int oy = 0; oy < o->height; oy++)
            for (int ox = 0; ox < o->width; ox++) {
                const int32_t *w = op->weights + oc * terms;
                int64_t sum = op->bias[oc];
                for (int c = 0; c < in_channels; c++)
                    for (int ky = 0; ky < op->kernel_h; ky++)
                        for (int kx = 0; kx < op->kernel_w; kx++, w++) {
                            const int64_t y = (int64_t)oy * op->stride_h - op->pad_h + (int64_t)ky * op->dilation_h;
                            const int64_t x = (int64_t)ox * op->stride_w - op->pad_w + (int64_t)kx * op->dilation_w;
                            if (y >= 0 && y < i->height && x >= 0 && x < i->width)
                                sum += (int64_t)*w * maps[c * rs_reference_map(i) + y * i->width + x];
                        }
                *out++ = rs_fxp_requantize(sum, op->relu, rs_qop_shift(op, oc), rs_qtensor_signed_bits(o),
                                           qnet->rounding, 0, saturations);
            }
    }
}

int rs_reference_minifloat_sum(const rs_qnet *qnet, const rs_qop *op, const int32_t *in, int oc, int oy, int ox,
                               rs_wide *sum)
{
    const rs_qtensor *i = &qnet->tensors[op->input], *o = &qnet->tensors[op->output];
    const int in_channels = i->channels / op->groups, out_channels = o->channels / op->groups;
    const int32_t *maps = in + oc / out_channels * in_channels * rs_reference_map(i);
    const int32_t *w = op->weights + oc * rs_qop_terms(qnet, op);
    const int fl = rs_minifloat_fl(i->format.minifloat) + rs_minifloat_fl(op->weight_format.minifloat);
    *sum = (rs_wide) { { 0 } };
    rs_wide_add(sum, op->bias[oc], fl - op->bias_fl);
    for (int c = 0; c < in_channels; c++)
        for (int ky = 0; ky < op->kernel_h; ky++)
            for (int kx = 0; kx < op->kernel_w; kx++, w++) {
                const int64_t y = (int64_t)oy * op->stride_h - op->pad_h + (int64_t)ky * op->dilation_h;
                const int64_t x = (int64_t)ox * op->stride_w - op->pad_w + (int64_t)kx * op->dilation_w;
                if (y < 0 || y >= i->height || x < 0 || x >= i->width)
                    continue;
                const int32_t q = maps[c * rs_reference_map(i) + y * i->width + x];
                int32_t a, b;
                const int e = rs_minifloat_significand(rs_number_code(q, i->format.minifloat), i->format.minifloat,
                                                       &a) +
                              rs_minifloat_significand(rs_number_code(*w, op->weight_format.minifloat),
                                                       op->weight_format.minifloat, &b);
                if (a != 0 && b != 0)
                    rs_wide_add(sum, (int64_t)a * b, e + fl);
            }
    return fl;
}

static void minifloat(const rs_qnet *qnet, const rs_qop *op, const int32_t *in, int32_t *out, uint64_t *saturations)
{
    const rs_qtensor *o = &qnet->tensors[op->output];
    for (int oc = 0; oc < o->channels; oc++)
        for (int oy = 0; oy < o->height; oy++)
            for (int ox = 0; ox < o->width; ox++) {
                rs_wide sum;
                const int fl = rs_reference_minifloat_sum(qnet, op, in, oc, oy, ox, &sum);
                *out++ = rs_number_of_code(
                    rs_minifloat_requantize_wide(&sum, fl, op->relu, o->format.minifloat, qnet->rounding, saturations),
                    o->format.minifloat);
            }
}

void rs_reference_convolution(const rs_qnet *qnet, const rs_qop *op, const int32_t *const *inputs, int32_t *out,
                              uint64_t *saturations)
{
    if (rs_qnet_minifloat(qnet))
        minifloat(qnet, op, inputs[0], out, saturations);
    else
        fixed(qnet, op, inputs[0], out, saturations);
}
