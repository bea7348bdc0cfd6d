/* A quantized network on GMP integers, output by output, from the text of docs/arithmetic.md. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "oracle/fxp.h"

/* The integer at (c, y, x) of a tensor, 0 outside of the map: padding. */
static int32_t at(const rs_qtensor *t, const int32_t *data, int c, int64_t y, int64_t x)
{
    if (y < 0 || y >= t->height || x < 0 || x >= t->width)
        return 0;
    return data[((int64_t)c * t->height + y) * t->width + x];
}

static void weighted_sum(mpz_t sum, const rs_qnet *q, const rs_qop *op, const int32_t *data, int o, int oy, int ox)
{
    const rs_qtensor *in = &q->tensors[op->input], *out = &q->tensors[op->output];
    const int channels = in->channels / op->groups; /* that one output sees */
    const int group = o / (out->channels / op->groups);
    mpz_set_si(sum, op->bias[o]);
    for (int ky = 0; ky < op->kernel_h; ky++)
        for (int kx = 0; kx < op->kernel_w; kx++)
            for (int c = 0; c < channels; c++) {
                const int64_t w = ((int64_t)(o * channels + c) * op->kernel_h + ky) * op->kernel_w + kx;
                const int32_t a = at(in, data, group * channels + c,
                                     (int64_t)oy * op->stride_h - op->pad_h + (int64_t)ky * op->dilation_h,
                                     (int64_t)ox * op->stride_w - op->pad_w + (int64_t)kx * op->dilation_w);
                const long product = (long)op->weights[w] * a;
                if (product >= 0)
                    mpz_add_ui(sum, sum, (unsigned long)product);
                else
                    mpz_sub_ui(sum, sum, (unsigned long)-product);
            }
}

static int32_t window_maximum(const rs_qtensor *in, const rs_qop *op, const int32_t *data, int c, int oy, int ox)
{
    /* Clipped to the map, as Caffe clips it. */
    int64_t y0 = (int64_t)oy * op->stride_h - op->pad_h, x0 = (int64_t)ox * op->stride_w - op->pad_w;
    int64_t y1 = y0 + op->kernel_h < in->height ? y0 + op->kernel_h : in->height;
    int64_t x1 = x0 + op->kernel_w < in->width ? x0 + op->kernel_w : in->width;
    y0 = y0 > 0 ? y0 : 0;
    x0 = x0 > 0 ? x0 : 0;
    if (y0 >= y1 || x0 >= x1)
        abort();
    int32_t most = at(in, data, c, y0, x0);
    for (int64_t y = y0; y < y1; y++)
        for (int64_t x = x0; x < x1; x++)
            most = at(in, data, c, y, x) > most ? at(in, data, c, y, x) : most;
    return most;
}

/* Section 6: the sum over the window, and the window's area with its padding, element by element. */
static void window_sum(mpz_t sum, long *area, const rs_qtensor *in, const rs_qop *op, const int32_t *data, int c,
                       int oy, int ox)
{
    mpz_set_ui(sum, 0);
    *area = 0;
    for (int ky = 0; ky < op->kernel_h; ky++)
        for (int kx = 0; kx < op->kernel_w; kx++) {
            const int64_t y = (int64_t)oy * op->stride_h - op->pad_h + ky;
            const int64_t x = (int64_t)ox * op->stride_w - op->pad_w + kx;
            *area += y < (int64_t)in->height + op->pad_h && x < (int64_t)in->width + op->pad_w;
            const int32_t q = at(in, data, c, y, x);
            if (q >= 0)
                mpz_add_ui(sum, sum, (unsigned long)q);
            else
                mpz_sub_ui(sum, sum, (unsigned long)-(long)q);
        }
}

/* The factor by the definition: the integer nearest to 2^R / a, for R = 14 + ceil(log2 a). */
static long average_factor(long area, int *r)
{
    *r = 14;
    for (long power = 1; power < area; power *= 2)
        ++*r;
    mpq_t y, half;
    mpz_t rounded;
    mpq_inits(y, half, NULL);
    mpz_init(rounded);
    mpq_set_si(half, 1, 2);
    mpq_set_si(y, 1, (unsigned long)area);
    mpq_mul_2exp(y, y, (mp_bitcnt_t)*r);
    rs_oracle_round(rounded, y, RS_ROUND_NEAREST, half);
    const long factor = mpz_get_si(rounded);
    mpq_clears(y, half, NULL);
    mpz_clear(rounded);
    return factor;
}

/* v^beta as the text has it: whole units, then the bits of the fraction. */
static double power(double v, float beta)
{
    long units = lrint((double)beta * 16777216.0); /* exact for the betas of tests: no ties */
    volatile double p = 1, r = v;
    for (; units >= 16777216; units -= 16777216)
        p = p * v;
    for (long bit = 8388608; units != 0; bit /= 2) {
        r = sqrt(r);
        if (units >= bit) {
            p = p * r;
            units -= bit;
        }
    }
    return p;
}

static int32_t normalized(const rs_qnet *q, const rs_qop *op, const int32_t *data, int c, int y, int x,
                          uint64_t *saturations)
{
    const rs_qtensor *in = &q->tensors[op->input], *out = &q->tensors[op->output];
    const int half = op->lrn.size / 2;
    mpz_t sum, square;
    mpz_inits(sum, square, NULL);
    for (int a = -half; a <= half; a++)
        for (int b = op->lrn.within ? -half : 0; b <= (op->lrn.within ? half : 0); b++) {
            if (!op->lrn.within && (c + a < 0 || c + a >= in->channels))
                continue;
            mpz_set_si(square, op->lrn.within ? at(in, data, c, y + a, x + b) : at(in, data, c + a, y, x));
            mpz_addmul(sum, square, square);
        }
    volatile double alpha = (double)op->lrn.alpha;
    alpha = alpha / (double)(op->lrn.within ? op->lrn.size * op->lrn.size : op->lrn.size);
    volatile double v = mpz_get_d(sum) * exp2(-2.0 * in->format.fl);
    mpz_clears(sum, square, NULL);
    v = alpha * v;
    v = (double)op->lrn.k + v;
    volatile double result = (double)at(in, data, c, y, x) * exp2(-in->format.fl);
    result = result / power(v, op->lrn.beta);
    return (int32_t)rs_oracle_quantize(result, out->format.bits + out->is_unsigned, out->format.fl, q->rounding, 0,
                                       saturations);
}

static int largest_fl(const rs_qnet *q, const rs_qop *op)
{
    int fl = RS_FL_MIN;
    for (int i = 0; i < op->n_inputs; i++)
        fl = q->tensors[op->inputs[i]].format.fl > fl ? q->tensors[op->inputs[i]].format.fl : fl;
    return fl;
}

static void aligned_sum(mpz_t sum, const rs_qnet *q, const rs_qop *op, int32_t *const *tensors, int64_t k)
{
    mpz_t term;
    mpz_init(term);
    mpz_set_ui(sum, 0);
    for (int i = 0; i < op->n_inputs; i++) {
        mpz_set_si(term, tensors[op->inputs[i]][k]);
        mpz_mul_2exp(term, term, (mp_bitcnt_t)(largest_fl(q, op) - q->tensors[op->inputs[i]].format.fl));
        mpz_add(sum, sum, term);
    }
    mpz_clear(term);
}

static void run_op(const rs_qnet *q, const rs_qop *op, int32_t *const *tensors, uint64_t *saturations)
{
    const rs_qtensor *in = &q->tensors[op->input], *t = &q->tensors[op->output];
    const int32_t *data = tensors[op->input];
    const int bits = t->format.bits + t->is_unsigned; /* section 1, unsigned */
    mpz_t sum;
    mpz_init(sum);
    for (int c = 0; c < t->channels; c++)
        for (int y = 0; y < t->height; y++)
            for (int x = 0; x < t->width; x++) {
                const int64_t k = ((int64_t)c * t->height + y) * t->width + x;
                int32_t *value = &tensors[op->output][k];
                long area;
                int r;
                switch (op->type) {
                case RS_QOP_CONVOLUTION:
                case RS_QOP_INNER_PRODUCT: {
                    const int fl_w = op->weight_fl ? op->weight_fl[c] : op->weight_format.fl;
                    weighted_sum(sum, q, op, data, c, y, x);
                    *value = (int32_t)rs_oracle_requantize(sum, op->relu, in->format.fl + fl_w - t->format.fl, bits,
                                                           q->rounding, 0, saturations);
                    break;
                }
                case RS_QOP_MAX_POOL:
                    *value = window_maximum(in, op, data, c, y, x);
                    break;
                case RS_QOP_RELU:
                    *value = at(t, data, c, y, x) > 0 ? at(t, data, c, y, x) : 0;
                    break;
                case RS_QOP_AVERAGE_POOL:
                    window_sum(sum, &area, in, op, data, c, y, x);
                    mpz_mul_si(sum, sum, average_factor(area, &r));
                    *value = (int32_t)rs_oracle_requantize(sum, false, r + in->format.fl - t->format.fl, bits,
                                                           q->rounding, 0, saturations);
                    break;
                case RS_QOP_ADD:
                    aligned_sum(sum, q, op, tensors, k);
                    *value = (int32_t)rs_oracle_requantize(sum, op->relu, largest_fl(q, op) - t->format.fl, bits,
                                                           q->rounding, 0, saturations);
                    break;
                case RS_QOP_CONCAT: {
                    int part = 0, first = 0; /* the input that channel c comes from, and its first channel */
                    while (c >= first + q->tensors[op->inputs[part]].channels)
                        first += q->tensors[op->inputs[part++]].channels;
                    const rs_qtensor *from = &q->tensors[op->inputs[part]];
                    mpz_set_si(sum, at(from, tensors[op->inputs[part]], c - first, y, x));
                    *value = (int32_t)rs_oracle_requantize(sum, false, from->format.fl - t->format.fl, bits,
                                                           q->rounding, 0, saturations);
                    break;
                }
                case RS_QOP_CLIP: {
                    const int32_t q_in = at(t, data, c, y, x), above = q_in > op->min ? q_in : op->min;
                    *value = above < op->max ? above : op->max;
                    break;
                }
                case RS_QOP_LRN:
                    *value = normalized(q, op, data, c, y, x, saturations);
                    break;
                case RS_QOPS:
                    abort();
                }
            }
    mpz_clear(sum);
}

void rs_oracle_qnet_run(const rs_qnet *qnet, const uint8_t *pixels, int32_t *const *tensors, uint64_t *saturations)
{
    const rs_qtensor *input = &qnet->tensors[0];
    const int64_t map = (int64_t)input->height * input->width;
    for (int c = 0; c < input->channels; c++)
        for (int64_t i = 0; i < map; i++) {
            /* Section 7: the float operations of the data layer, each rounded to float. */
            volatile float value = (float)pixels[c * map + i];
            value = value - (qnet->mean_image ? qnet->mean_image[c * map + i] : qnet->pixel_mean[c]);
            value = value * qnet->pixel_scale;
            const int64_t v = rs_oracle_quantize((double)value, input->format.bits + input->is_unsigned,
                                                 input->format.fl, RS_ROUND_NEAREST, 0, NULL);
            tensors[0][c * map + i] = input->is_unsigned && v < 0 ? 0 : (int32_t)v;
        }
    for (int i = 0; i < qnet->n_ops; i++)
        run_op(qnet, &qnet->ops[i], tensors, &saturations[i]);
}

void rs_oracle_qop_bound(const rs_qnet *qnet, int index, mpz_t bound)
{
    const rs_qop *op = &qnet->ops[index];
    const rs_qtensor *in = &qnet->tensors[op->input], *out = &qnet->tensors[op->output];
    const int64_t terms = (int64_t)in->channels / op->groups * op->kernel_h * op->kernel_w;
    mpz_t sum;
    mpz_init(sum);
    mpz_set_ui(bound, 0);
    for (int o = 0; o < out->channels; o++) {
        mpz_set_ui(sum, 0);
        for (int64_t i = 0; i < terms; i++)
            mpz_add_ui(sum, sum, (unsigned long)labs(op->weights[o * terms + i]));
        mpz_mul_ui(sum, sum, in->is_unsigned ? (1UL << in->format.bits) - 1 : 1UL << (in->format.bits - 1));
        mpz_add_ui(sum, sum, (unsigned long)labs(op->bias[o]));
        if (mpz_cmp(sum, bound) > 0)
            mpz_set(bound, sum);
    }
    mpz_clear(sum);
}

bool rs_oracle_hit(const int32_t *scores, int classes, int label, int top_k, bool *tie)
{
    int greater_or_equal = 0, greater = 0;
    for (int c = 0; c < classes; c++)
        if (c != label) {
            greater_or_equal += scores[c] >= scores[label];
            greater += scores[c] > scores[label];
        }
    *tie = greater < top_k && greater_or_equal >= top_k;
    return greater_or_equal < top_k;
}
