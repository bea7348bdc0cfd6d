/* Every op of a network of minifloats by plain loops (docs/arithmetic.md section 10): any formats; slow. */
#include <math.h>
#include <stdlib.h>

#include "qnet/qnet.h"

static int64_t map_of(const rs_qtensor *t)
{
    return (int64_t)t->height * t->width;
}

int rs_qop_sum_minifloat(const rs_qnet *qnet, const rs_qop *op, const int32_t *in, int oc, int oy, int ox, rs_wide *sum)
{
    const rs_qtensor *i = &qnet->tensors[op->input], *o = &qnet->tensors[op->output];
    const int in_channels = i->channels / op->groups, out_channels = o->channels / op->groups;
    const int32_t *maps = in + oc / out_channels * in_channels * map_of(i);
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
                const int32_t q = maps[c * map_of(i) + y * i->width + x];
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

static void weighted(const rs_qnet *qnet, const rs_qop *op, const int32_t *in, int32_t *out, uint64_t *saturations)
{
    const rs_qtensor *o = &qnet->tensors[op->output];
    for (int oc = 0; oc < o->channels; oc++)
        for (int oy = 0; oy < o->height; oy++)
            for (int ox = 0; ox < o->width; ox++) {
                rs_wide sum;
                const int fl = rs_qop_sum_minifloat(qnet, op, in, oc, oy, ox, &sum);
                *out++ = rs_number_of_code(
                    rs_minifloat_requantize_wide(&sum, fl, op->relu, o->format.minifloat, qnet->rounding, saturations),
                    o->format.minifloat);
            }
}

/* Averages: the sum over the window, row by row, in binary64, divided by the window's area. */
static void average(const rs_qnet *qnet, const rs_qop *op, const int32_t *in, int32_t *out, uint64_t *saturations)
{
    const rs_qtensor *i = &qnet->tensors[op->input], *o = &qnet->tensors[op->output];
    for (int c = 0; c < o->channels; c++, in += map_of(i))
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

/* Sums in the order of the inputs, in binary64. */
static void add(const rs_qnet *qnet, const rs_qop *op, const int32_t *const *in, int32_t *out, uint64_t *saturations)
{
    const rs_qtensor *o = &qnet->tensors[op->output];
    for (int64_t k = 0; k < map_of(o) * o->channels; k++) {
        double sum = 0;
        for (int i = 0; i < op->n_inputs; i++)
            sum += rs_qtensor_value(&qnet->tensors[op->inputs[i]], in[i][k]);
        out[k] = op->relu && sum < 0 ? 0 : rs_qtensor_quantize(o, sum, qnet->rounding, saturations);
    }
}

static void concat(const rs_qnet *qnet, const rs_qop *op, const int32_t *const *in, int32_t *out, uint64_t *saturations)
{
    const rs_qtensor *o = &qnet->tensors[op->output];
    for (int i = 0; i < op->n_inputs; i++) {
        const rs_qtensor *t = &qnet->tensors[op->inputs[i]];
        const bool same = rs_minifloat_equal(t->format.minifloat, o->format.minifloat);
        for (int64_t k = 0; k < map_of(o) * t->channels; k++)
            *out++ = same ? in[i][k]
                          : rs_qtensor_quantize(o, rs_qtensor_value(t, in[i][k]), qnet->rounding, saturations);
    }
}

/* The squares are added in binary64, in the order of the channels, or of the window's rows. */
static void normalize(const rs_qnet *qnet, const rs_qop *op, const int32_t *in, int32_t *out, uint64_t *saturations)
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
                        const double v = rs_qtensor_value(t, in[cc * map_of(t) + (int64_t)yy * t->width + xx]);
                        sum += v * v;
                    }
                const double scale = (double)p->k + alpha * sum;
                const double v = rs_qtensor_value(t, in[c * map_of(t) + (int64_t)y * t->width + x]);
                *out++ = rs_qtensor_quantize(o, v / rs_qop_power(scale, beta), qnet->rounding, saturations);
            }
}

const rs_qop_arithmetic rs_qop_minifloat = { weighted, average, add, concat, normalize };
