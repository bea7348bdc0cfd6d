/* A quantized network on GMP integers, output by output, from the text of docs/arithmetic.md. */
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

static void run_op(const rs_qnet *q, const rs_qop *op, const int32_t *in, int32_t *out, uint64_t *saturations)
{
    const rs_qtensor *t = &q->tensors[op->output];
    const int shift = q->tensors[op->input].format.fl + op->weight_format.fl - t->format.fl;
    mpz_t sum;
    mpz_init(sum);
    for (int c = 0; c < t->channels; c++)
        for (int y = 0; y < t->height; y++)
            for (int x = 0; x < t->width; x++) {
                int32_t *value = &out[((int64_t)c * t->height + y) * t->width + x];
                switch (op->type) {
                case RS_QOP_CONVOLUTION:
                case RS_QOP_INNER_PRODUCT:
                    weighted_sum(sum, q, op, in, c, y, x);
                    *value = (int32_t)rs_oracle_requantize(sum, op->relu, shift, t->format.bits, q->rounding, 0,
                                                           saturations);
                    break;
                case RS_QOP_MAX_POOL:
                    *value = window_maximum(&q->tensors[op->input], op, in, c, y, x);
                    break;
                case RS_QOP_RELU:
                    *value = at(t, in, c, y, x) > 0 ? at(t, in, c, y, x) : 0;
                    break;
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
            value = value - qnet->pixel_mean[c];
            value = value * qnet->pixel_scale;
            tensors[0][c * map + i] = (int32_t)rs_oracle_quantize((double)value, input->format.bits, input->format.fl,
                                                                  RS_ROUND_NEAREST, 0, NULL);
        }
    for (int i = 0; i < qnet->n_ops; i++)
        run_op(qnet, &qnet->ops[i], tensors[qnet->ops[i].input], tensors[qnet->ops[i].output], &saturations[i]);
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
        mpz_mul_2exp(sum, sum, (mp_bitcnt_t)in->format.bits - 1);
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
