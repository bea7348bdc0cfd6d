/* Local response normalization: arithmetic.md section 6; minifloats: section 10. */
#include <math.h>

#include "engine/reference/reference.h"

/* v^beta for beta in multiples of 2^-24, by multiplications and square roots only, which every machine
 * with IEEE 754 arithmetic rounds the same way. */
static double power(double v, uint32_t beta)
{
    double p = 1, root = v;
    for (uint32_t whole = beta >> 24; whole > 0; whole--)
        p *= v;
    for (uint32_t fraction = beta & 0xffffff; fraction != 0; fraction = fraction << 1 & 0xffffff) {
        root = sqrt(root);
        if (fraction & 0x800000)
            p *= root;
    }
    return p;
}

/* Sum of squares over the square of side 2 reach + 1 around (y, x) of one map. */
static int64_t squares_within(const rs_qtensor *t, const int32_t *map, int reach, int y, int x)
{
    int64_t sum = 0;
    for (int v = y - reach < 0 ? 0 : y - reach; v <= y + reach && v < t->height; v++)
        for (int u = x - reach < 0 ? 0 : x - reach; u <= x + reach && u < t->width; u++) {
            const int64_t q = map[(int64_t)v * t->width + u];
            sum += q * q;
        }
    return sum;
}

static int64_t squares_across(const rs_qtensor *t, const int32_t *in, int reach, int c, int64_t at)
{
    int64_t sum = 0;
    for (int n = c - reach < 0 ? 0 : c - reach; n <= c + reach && n < t->channels; n++) {
        const int64_t q = in[n * rs_reference_map(t) + at];
        sum += q * q;
    }
    return sum;
}

static void fixed(const rs_qnet *qnet, const rs_qop *op, const int32_t *in, int32_t *out, uint64_t *saturations)
{
    const rs_qtensor *t = &qnet->tensors[op->input], *o = &qnet->tensors[op->output];
    const rs_qlrn *p = &op->lrn;
    const int reach = (p->size - 1) / 2;
    const double alpha = (double)p->alpha / (p->within ? (double)p->size * p->size : (double)p->size);
    const uint32_t beta = (uint32_t)floor((double)p->beta * 0x1p24 + 0.5);
    for (int c = 0; c < t->channels; c++)
        for (int64_t at = 0; at < rs_reference_map(t); at++) {
            const int64_t sum = p->within ? squares_within(t, in + c * rs_reference_map(t), reach, (int)(at / t->width),
                                                           (int)(at % t->width))
                                          : squares_across(t, in, reach, c, at);
            const double product = alpha * rs_fxp_value(sum, 2 * t->format.fl);
            const double scale = (double)p->k + product;
            const double x = rs_fxp_value(in[c * rs_reference_map(t) + at], t->format.fl);
            *out++ = rs_qtensor_quantize(o, x / power(scale, beta), qnet->rounding, saturations);
        }
}

/* The squares are added in binary64, in the order of the channels, or of the window's rows. */
static void minifloat(const rs_qnet *qnet, const rs_qop *op, const int32_t *in, int32_t *out, uint64_t *saturations)
{
    const rs_qtensor *t = &qnet->tensors[op->input], *o = &qnet->tensors[op->output];
    const rs_qlrn *p = &op->lrn;
    const int reach = (p->size - 1) / 2;
    const double alpha = (double)p->alpha / (p->within ? (double)p->size * p->size : (double)p->size);
    const uint32_t beta = (uint32_t)floor((double)p->beta * 0x1p24 + 0.5);
    for (int c = 0; c < t->channels; c++)
        for (int y = 0; y < t->height; y++)
            for (int x = 0; x < t->width; x++) {
                double sum = 0;
                for (int a = -reach; a <= reach; a++)
                    for (int b = p->within ? -reach : 0; b <= (p->within ? reach : 0); b++) {
                        const int cc = p->within ? c : c + a, yy = p->within ? y + a : y, xx = x + b;
                        if (cc < 0 || cc >= t->channels || yy < 0 || yy >= t->height || xx < 0 || xx >= t->width)
                            continue;
                        const double v = rs_qtensor_value(t,
                                                          in[cc * rs_reference_map(t) + (int64_t)yy * t->width + xx]);
                        sum += v * v;
                    }
                const double scale = (double)p->k + alpha * sum;
                const double v = rs_qtensor_value(t, in[c * rs_reference_map(t) + (int64_t)y * t->width + x]);
                *out++ = rs_qtensor_quantize(o, v / power(scale, beta), qnet->rounding, saturations);
            }
}

void rs_reference_lrn(const rs_qnet *qnet, const rs_qop *op, const int32_t *const *inputs, int32_t *out,
                      uint64_t *saturations)
{
    if (rs_qnet_minifloat(qnet))
        minifloat(qnet, op, inputs[0], out, saturations);
    else
        fixed(qnet, op, inputs[0], out, saturations);
}
