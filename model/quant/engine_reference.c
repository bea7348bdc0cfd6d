/* The reference: plain loops over 64-bit integers in CHW order. Any network, any width; slow. */
#include "quant/engine_ops.h"

static void weighted(const rs_qnet *qnet, const rs_qop *op, const int32_t *in, int32_t *out, uint64_t *saturations)
{
    const rs_qtensor *i = &qnet->tensors[op->input], *o = &qnet->tensors[op->output];
    const int in_channels = i->channels / op->groups, out_channels = o->channels / op->groups;
    const int64_t terms = rs_qop_terms(qnet, op);
    for (int oc = 0; oc < o->channels; oc++) {
        const int32_t *maps = in + (int64_t)(oc / out_channels) * in_channels * i->height * i->width;
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
                                sum += (int64_t)*w * maps[((int64_t)c * i->height + y) * i->width + x];
                        }
                *out++ = rs_fxp_requantize(sum, op->relu, op->shift, o->format.bits, qnet->rounding, 0, saturations);
            }
    }
}

static void max_pool(const rs_qnet *qnet, const rs_qop *op, const int32_t *in, int32_t *out)
{
    const rs_qtensor *i = &qnet->tensors[op->input], *o = &qnet->tensors[op->output];
    for (int c = 0; c < o->channels; c++, in += (int64_t)i->height * i->width)
        for (int oy = 0; oy < o->height; oy++)
            for (int ox = 0; ox < o->width; ox++) {
                int32_t most = INT32_MIN;
                for (int ky = 0; ky < op->kernel_h; ky++)
                    for (int kx = 0; kx < op->kernel_w; kx++) {
                        const int64_t y = (int64_t)oy * op->stride_h - op->pad_h + ky;
                        const int64_t x = (int64_t)ox * op->stride_w - op->pad_w + kx;
                        if (y >= 0 && y < i->height && x >= 0 && x < i->width && in[y * i->width + x] > most)
                            most = in[y * i->width + x];
                    }
                *out++ = most;
            }
}

void rs_reference_op(const rs_qnet *qnet, const rs_qop *op, const int32_t *in, int32_t *out, uint64_t *saturations)
{
    switch (op->type) {
    case RS_QOP_CONVOLUTION:
    case RS_QOP_INNER_PRODUCT:
        weighted(qnet, op, in, out, saturations);
        break;
    case RS_QOP_MAX_POOL:
        max_pool(qnet, op, in, out);
        break;
    case RS_QOP_RELU: {
        const rs_qtensor *t = &qnet->tensors[op->output];
        const int64_t count = (int64_t)t->channels * t->height * t->width;
        for (int64_t k = 0; k < count; k++)
            out[k] = in[k] < 0 ? 0 : in[k];
        break;
    }
    }
}
