/* Every op of a quantized network by plain loops over 64-bit integers in CHW order: any network, any width; slow. Each
 * function reads like its rule in docs/arithmetic.md. */
#include <math.h>

#include "qnet/qnet.h"

/* Section 7. */
int32_t rs_qnet_pixel(const rs_qnet *qnet, int64_t at, uint8_t pixel)
{
    const rs_qtensor *t = &qnet->tensors[0];
    if (qnet->pixel_table)
        return qnet->pixel_table[at / ((int64_t)t->height * t->width) * 256 + pixel];
    const float value = ((float)pixel - qnet->mean_image[at]) * qnet->pixel_scale;
    return rs_qtensor_quantize(t, (double)value, rs_number_nearest(t->format), NULL);
}

void rs_qnet_load(const rs_qnet *qnet, const uint8_t *pixels, int32_t *input)
{
    const rs_qtensor *t = &qnet->tensors[0];
    const int64_t count = (int64_t)t->channels * t->height * t->width;
    for (int64_t i = 0; i < count; i++)
        input[i] = rs_qnet_pixel(qnet, i, pixels[i]);
}

double rs_qtensor_value(const rs_qtensor *tensor, int32_t q)
{
    return rs_number_ops_of(&tensor->format)->value(&tensor->format, q);
}

int32_t rs_qtensor_quantize(const rs_qtensor *tensor, double x, rs_rounding mode, uint64_t *saturations)
{
    rs_number_format format = tensor->format;
    format.bits = rs_qtensor_signed_bits(tensor);
    const int32_t q = rs_number_ops_of(&format)->quantize(&format, x, mode, saturations);
    if (!tensor->is_unsigned || q >= 0)
        return q;
    if (saturations)
        ++*saturations;
    return 0;
}

static int64_t map_of(const rs_qtensor *t)
{
    return (int64_t)t->height * t->width;
}

static void weighted(const rs_qnet *qnet, const rs_qop *op, const int32_t *in, int32_t *out, uint64_t *saturations)
{
    const rs_qtensor *i = &qnet->tensors[op->input], *o = &qnet->tensors[op->output];
    const int in_channels = i->channels / op->groups, out_channels = o->channels / op->groups;
    const int64_t terms = rs_qop_terms(qnet, op);
    for (int oc = 0; oc < o->channels; oc++) {
        const int32_t *maps = in + oc / out_channels * in_channels * map_of(i);
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
                                sum += (int64_t)*w * maps[c * map_of(i) + y * i->width + x];
                        }
                *out++ = rs_fxp_requantize(sum, op->relu, rs_qop_shift(op, oc), rs_qtensor_signed_bits(o),
                                           qnet->rounding, 0, saturations);
            }
    }
}

/* Maximum or sum of the part of a window that lies in the map. */
static int64_t window(const rs_qop *op, const rs_qtensor *in, const int32_t *map, int oy, int ox, bool maximum)
{
    int64_t most = INT64_MIN, sum = 0;
    for (int ky = 0; ky < op->kernel_h; ky++)
        for (int kx = 0; kx < op->kernel_w; kx++) {
            const int64_t y = (int64_t)oy * op->stride_h - op->pad_h + ky;
            const int64_t x = (int64_t)ox * op->stride_w - op->pad_w + kx;
            if (y < 0 || y >= in->height || x < 0 || x >= in->width)
                continue;
            const int64_t q = map[y * in->width + x];
            most = q > most ? q : most;
            sum += q;
        }
    return maximum ? most : sum;
}

/* Integers of minifloats are in the order of the numbers too (section 10). */
static void max_pool(const rs_qnet *qnet, const rs_qop *op, const int32_t *in, int32_t *out)
{
    const rs_qtensor *i = &qnet->tensors[op->input], *o = &qnet->tensors[op->output];
    for (int c = 0; c < o->channels; c++, in += map_of(i))
        for (int oy = 0; oy < o->height; oy++)
            for (int ox = 0; ox < o->width; ox++)
                *out++ = (int32_t)window(op, i, in, oy, ox, true);
}

static void average(const rs_qnet *qnet, const rs_qop *op, const int32_t *in, int32_t *out, uint64_t *saturations)
{
    const rs_qtensor *i = &qnet->tensors[op->input], *o = &qnet->tensors[op->output];
    for (int c = 0; c < o->channels; c++, in += map_of(i))
        for (int oy = 0; oy < o->height; oy++)
            for (int ox = 0; ox < o->width; ox++) {
                const int64_t area = rs_qop_area(qnet, op, oy, ox);
                *out++ = rs_fxp_requantize(window(op, i, in, oy, ox, false) * rs_average_factor(area), false,
                                           rs_average_shift(area) + op->shift, rs_qtensor_signed_bits(o),
                                           qnet->rounding, 0, saturations);
            }
}

static void add(const rs_qnet *qnet, const rs_qop *op, const int32_t *const *in, int32_t *out, uint64_t *saturations)
{
    const rs_qtensor *o = &qnet->tensors[op->output];
    const int64_t count = map_of(o) * o->channels;
    for (int64_t k = 0; k < count; k++) {
        int64_t sum = 0;
        for (int i = 0; i < op->n_inputs; i++)
            sum += in[i][k] * (INT64_C(1) << rs_qop_align(qnet, op, i));
        out[k] = rs_fxp_requantize(sum, op->relu, op->shift, rs_qtensor_signed_bits(o), qnet->rounding, 0, saturations);
    }
}

static void concat(const rs_qnet *qnet, const rs_qop *op, const int32_t *const *in, int32_t *out, uint64_t *saturations)
{
    const rs_qtensor *o = &qnet->tensors[op->output];
    for (int i = 0; i < op->n_inputs; i++) {
        const int64_t count = map_of(o) * qnet->tensors[op->inputs[i]].channels;
        const int shift = rs_qop_concat_shift(qnet, op, i);
        for (int64_t k = 0; k < count; k++)
            *out++ = rs_fxp_requantize(in[i][k], false, shift, rs_qtensor_signed_bits(o), qnet->rounding, 0,
                                       saturations);
    }
}

/* Section 6, LRN: v^beta for beta in multiples of 2^-24, by multiplications and square roots only, which every machine
 * with IEEE 754 arithmetic rounds the same way. */
double rs_qop_power(double v, uint32_t beta)
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
        const int64_t q = in[n * map_of(t) + at];
        sum += q * q;
    }
    return sum;
}

static void normalize(const rs_qnet *qnet, const rs_qop *op, const int32_t *in, int32_t *out, uint64_t *saturations)
{
    const rs_qtensor *t = &qnet->tensors[op->input], *o = &qnet->tensors[op->output];
    const rs_qlrn *p = &op->lrn;
    const int reach = (p->size - 1) / 2;
    const double alpha = (double)p->alpha / (p->within ? (double)p->size * p->size : (double)p->size);
    const uint32_t beta = (uint32_t)floor((double)p->beta * 0x1p24 + 0.5);
    for (int c = 0; c < t->channels; c++)
        for (int64_t at = 0; at < map_of(t); at++) {
            const int64_t sum = p->within ? squares_within(t, in + c * map_of(t), reach, (int)(at / t->width),
                                                           (int)(at % t->width))
                                          : squares_across(t, in, reach, c, at);
            const double product = alpha * rs_fxp_value(sum, 2 * t->format.fl);
            const double scale = (double)p->k + product;
            const double x = rs_fxp_value(in[c * map_of(t) + at], t->format.fl);
            *out++ = rs_qtensor_quantize(o, x / rs_qop_power(scale, beta), qnet->rounding, saturations);
        }
}

void rs_qop_run(const rs_qnet *qnet, const rs_qop *op, const int32_t *const *inputs, int32_t *out,
                uint64_t *saturations)
{
    static const rs_qop_arithmetic fixed = { weighted, average, add, concat, normalize };
    const rs_qop_arithmetic *by = rs_qnet_minifloat(qnet) ? &rs_qop_minifloat : &fixed;
    switch (op->type) {
    case RS_QOP_CONVOLUTION:
    case RS_QOP_INNER_PRODUCT:
        by->weighted(qnet, op, inputs[0], out, saturations);
        break;
    case RS_QOP_MAX_POOL:
        max_pool(qnet, op, inputs[0], out);
        break;
    case RS_QOP_AVERAGE_POOL:
        by->average(qnet, op, inputs[0], out, saturations);
        break;
    case RS_QOP_RELU: {
        const rs_qtensor *t = &qnet->tensors[op->output];
        for (int64_t k = 0; k < map_of(t) * t->channels; k++)
            out[k] = inputs[0][k] < 0 ? 0 : inputs[0][k];
        break;
    }
    case RS_QOP_CLIP: {
        const rs_qtensor *t = &qnet->tensors[op->output];
        for (int64_t k = 0; k < map_of(t) * t->channels; k++)
            out[k] = inputs[0][k] < op->least ? op->least : inputs[0][k] > op->most ? op->most : inputs[0][k];
        break;
    }
    case RS_QOP_ADD:
        by->add(qnet, op, inputs, out, saturations);
        break;
    case RS_QOP_CONCAT:
        by->concat(qnet, op, inputs, out, saturations);
        break;
    case RS_QOP_LRN:
        by->normalize(qnet, op, inputs[0], out, saturations);
        break;
    case RS_QOPS:
        break;
    }
}
