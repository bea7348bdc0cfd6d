/* A network of minifloats on GMP rationals, output by output, from the text of docs/arithmetic.md section 10; and sums
 * of weights that are powers of two by shifts alone (section 11). */
#include <stdlib.h>

#include "oracle/formats.h"
#include "oracle/fxp.h"

static int32_t at(const rs_qtensor *t, const int32_t *data, int c, int64_t y, int64_t x)
{
    if (y < 0 || y >= t->height || x < 0 || x >= t->width)
        return 0;
    return data[((int64_t)c * t->height + y) * t->width + x];
}

/* The number of a signed code. */
static void number(const rs_oracle_minifloat *o, int32_t q, mpq_t v)
{
    mpq_set(v, o->numbers[q < 0 ? -q : q]);
    if (q < 0)
        mpq_neg(v, v);
}

static int32_t signed_code(const rs_oracle_minifloat *o, const mpq_t v, rs_rounding mode, uint64_t *saturations)
{
    const uint32_t code = rs_oracle_minifloat_round(o, v, mode, 0, saturations);
    const uint32_t sign = UINT32_C(1) << (o->format.exponent_bits + o->format.mantissa_bits);
    return code >= sign ? -(int32_t)(code - sign) : (int32_t)code;
}

static void weighted_sum(mpq_t sum, const rs_qnet *q, const rs_qop *op, const rs_oracle_minifloat *activations,
                         const rs_oracle_minifloat *weights, const int32_t *data, int o, int oy, int ox)
{
    const rs_qtensor *in = &q->tensors[op->input], *out = &q->tensors[op->output];
    const int channels = in->channels / op->groups, group = o / (out->channels / op->groups);
    mpq_t a, w;
    mpq_inits(a, w, NULL);
    mpq_set_si(sum, op->bias[o], 1);
    if (op->bias_fl >= 0)
        mpq_div_2exp(sum, sum, (mp_bitcnt_t)op->bias_fl);
    else
        mpq_mul_2exp(sum, sum, (mp_bitcnt_t)-op->bias_fl);
    for (int ky = 0; ky < op->kernel_h; ky++)
        for (int kx = 0; kx < op->kernel_w; kx++)
            for (int c = 0; c < channels; c++) {
                const int64_t i = ((int64_t)(o * channels + c) * op->kernel_h + ky) * op->kernel_w + kx;
                number(weights, op->weights[i], w);
                number(activations,
                       at(in, data, group * channels + c,
                          (int64_t)oy * op->stride_h - op->pad_h + (int64_t)ky * op->dilation_h,
                          (int64_t)ox * op->stride_w - op->pad_w + (int64_t)kx * op->dilation_w),
                       a);
                mpq_mul(a, a, w);
                mpq_add(sum, sum, a);
            }
    mpq_clears(a, w, NULL);
}

/* Windows: the largest code, or the average in binary64. */
static int32_t window(const rs_qnet *q, const rs_qop *op, const rs_oracle_minifloat *from,
                      const rs_oracle_minifloat *to, const int32_t *data, int c, int oy, int ox, uint64_t *saturations)
{
    const rs_qtensor *in = &q->tensors[op->input];
    int32_t most = INT32_MIN;
    volatile double sum = 0;
    long area = 0;
    mpq_t v;
    mpq_init(v);
    for (int ky = 0; ky < op->kernel_h; ky++)
        for (int kx = 0; kx < op->kernel_w; kx++) {
            const int64_t y = (int64_t)oy * op->stride_h - op->pad_h + ky,
                          x = (int64_t)ox * op->stride_w - op->pad_w + kx;
            area += y < (int64_t)in->height + op->pad_h && x < (int64_t)in->width + op->pad_w;
            if (y < 0 || y >= in->height || x < 0 || x >= in->width)
                continue;
            const int32_t code = at(in, data, c, y, x);
            most = code > most ? code : most;
            number(from, code, v);
            sum = sum + mpq_get_d(v);
        }
    if (op->type == RS_QOP_AVERAGE_POOL) {
        sum = sum / (double)area;
        mpq_set_d(v, sum);
        most = signed_code(to, v, q->rounding, saturations);
    }
    mpq_clear(v);
    return most;
}

static int32_t added(const rs_qnet *q, const rs_qop *op, const rs_oracle_minifloat *formats, int32_t *const *tensors,
                     int64_t k, uint64_t *saturations)
{
    volatile double sum = 0;
    mpq_t v;
    mpq_init(v);
    for (int i = 0; i < op->n_inputs; i++) {
        number(&formats[op->inputs[i]], tensors[op->inputs[i]][k], v);
        sum = sum + mpq_get_d(v);
    }
    mpq_set_d(v, op->relu && sum < 0 ? 0 : sum);
    const int32_t code = signed_code(&formats[op->output], v, q->rounding, saturations);
    mpq_clear(v);
    return code;
}

void rs_oracle_minifloat_net_run(const rs_qnet *q, const uint8_t *pixels, int32_t *const *tensors,
                                 uint64_t *saturations)
{
    rs_oracle_minifloat *formats = calloc((size_t)q->n_tensors, sizeof *formats);
    if (formats == NULL)
        abort();
    for (int t = 0; t < q->n_tensors; t++)
        rs_oracle_minifloat_init(&formats[t], q->tensors[t].format.minifloat);
    const rs_qtensor *input = &q->tensors[0];
    const int64_t map = (int64_t)input->height * input->width;
    mpq_t v;
    mpq_init(v);
    for (int64_t i = 0; i < map * input->channels; i++) {
        uint64_t ignored = 0;
        volatile float value = (float)pixels[i];
        value = value - (q->mean_image ? q->mean_image[i] : q->pixel_mean[i / map]);
        value = value * q->pixel_scale;
        mpq_set_d(v, (double)value);
        tensors[0][i] = signed_code(&formats[0], v, RS_ROUND_NEAREST_EVEN, &ignored);
    }
    for (int n = 0; n < q->n_ops; n++) {
        const rs_qop *op = &q->ops[n];
        const rs_qtensor *t = &q->tensors[op->output];
        const rs_oracle_minifloat *from = &formats[op->input], *to = &formats[op->output];
        rs_oracle_minifloat weights = { .n = 0 };
        if (rs_qop_weighted(op))
            rs_oracle_minifloat_init(&weights, op->weight_format.minifloat);
        for (int64_t k = 0; k < (int64_t)t->channels * t->height * t->width; k++) {
            const int c = (int)(k / t->width / t->height), y = (int)(k / t->width % t->height), x = (int)(k % t->width);
            int32_t *value = &tensors[op->output][k];
            switch (op->type) {
            case RS_QOP_CONVOLUTION:
            case RS_QOP_INNER_PRODUCT:
                weighted_sum(v, q, op, from, &weights, tensors[op->input], c, y, x);
                if (op->relu && mpq_sgn(v) < 0)
                    mpq_set_ui(v, 0, 1);
                *value = signed_code(to, v, q->rounding, &saturations[n]);
                break;
            case RS_QOP_MAX_POOL:
            case RS_QOP_AVERAGE_POOL:
                *value = window(q, op, from, to, tensors[op->input], c, y, x, &saturations[n]);
                break;
            case RS_QOP_RELU:
                *value = tensors[op->input][k] > 0 ? tensors[op->input][k] : 0;
                break;
            case RS_QOP_CLIP:
                *value = tensors[op->input][k] > op->max   ? op->max
                         : tensors[op->input][k] < op->min ? op->min
                                                           : tensors[op->input][k];
                break;
            case RS_QOP_ADD:
                *value = added(q, op, formats, tensors, k, &saturations[n]);
                break;
            case RS_QOP_CONCAT: {
                int part = 0, first = 0;
                while (c >= first + q->tensors[op->inputs[part]].channels)
                    first += q->tensors[op->inputs[part++]].channels;
                number(&formats[op->inputs[part]],
                       at(&q->tensors[op->inputs[part]], tensors[op->inputs[part]], c - first, y, x), v);
                *value = signed_code(to, v, q->rounding, &saturations[n]);
                break;
            }
            case RS_QOP_LRN:
            case RS_QOPS:
                abort(); /* not drawn */
            }
        }
        if (rs_qop_weighted(op))
            rs_oracle_minifloat_clear(&weights);
    }
    mpq_clear(v);
    for (int t = 0; t < q->n_tensors; t++)
        rs_oracle_minifloat_clear(&formats[t]);
    free(formats);
}

int64_t rs_oracle_shift_sum(const rs_qnet *q, const rs_qop *op, const int32_t *data, int o, int oy, int ox)
{
    const rs_qtensor *in = &q->tensors[op->input], *out = &q->tensors[op->output];
    const int channels = in->channels / op->groups, group = o / (out->channels / op->groups);
    int64_t sum = op->bias[o];
    for (int ky = 0; ky < op->kernel_h; ky++)
        for (int kx = 0; kx < op->kernel_w; kx++)
            for (int c = 0; c < channels; c++) {
                const int32_t w = op->weights[((int64_t)(o * channels + c) * op->kernel_h + ky) * op->kernel_w + kx];
                int64_t a = at(in, data, group * channels + c,
                               (int64_t)oy * op->stride_h - op->pad_h + (int64_t)ky * op->dilation_h,
                               (int64_t)ox * op->stride_w - op->pad_w + (int64_t)kx * op->dilation_w);
                if (w == 0)
                    continue;
                for (int32_t power = w < 0 ? -w : w; power > 1; power /= 2)
                    a = a + a; /* one place to the left */
                sum = w < 0 ? sum - a : sum + a;
            }
    return sum;
}
