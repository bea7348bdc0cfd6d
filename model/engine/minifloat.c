/* Weighted ops of minifloat networks in binary64, the inexact sums again in wide fixed point. */
#include "engine/minifloat.h"
#include "base/blas.h"
#include "base/memory.h"
#include "engine/reference/reference.h"

#include <math.h>

typedef struct minifloat_plan {
    double *weights;   /* [out_channels][terms] */
    double *bias;      /* [out_channels] */
    double *magnitude; /* [out_channels]: the sum of the weights' magnitudes */
} minifloat_plan;

struct rs_minifloat_engine {
    const rs_qnet *qnet;
    const rs_blas *blas;
    minifloat_plan *plans; /* per op */
    double **values; /* per tensor: of the integers from the smallest to the largest; shared by tensors of one format */
    size_t scratch;  /* doubles */
};

static bool shares_values(const rs_qnet *q, int tensor, int *with)
{
    for (*with = 0; *with < tensor; ++*with)
        if (rs_minifloat_equal(q->tensors[*with].format.minifloat, q->tensors[tensor].format.minifloat))
            return true;
    return false;
}

static bool make_plan(rs_minifloat_engine *e, int index)
{
    const rs_qnet *q = e->qnet;
    const rs_qop *op = &q->ops[index];
    const rs_qtensor *in = &q->tensors[op->input], *out = &q->tensors[op->output];
    const int64_t terms = rs_qop_terms(q, op);
    minifloat_plan *p = &e->plans[index];
    p->weights = RS_NEW_ARRAY(double, (size_t)(terms * out->channels));
    p->bias = RS_NEW_ARRAY(double, (size_t)out->channels);
    p->magnitude = RS_NEW_ARRAY(double, (size_t)out->channels);
    if (p->weights == NULL || p->bias == NULL || p->magnitude == NULL)
        return false;
    for (int64_t o = 0; o < out->channels; o++) {
        for (int64_t k = 0; k < terms; k++) {
            const double w = rs_minifloat_value(rs_number_code(op->weights[o * terms + k], op->weight_format.minifloat),
                                                op->weight_format.minifloat);
            p->weights[o * terms + k] = w;
            p->magnitude[o] += fabs(w);
        }
        p->bias[o] = rs_fxp_value(op->bias[o], op->bias_fl);
    }
    const int64_t positions = (int64_t)out->height * out->width;
    const size_t scratch = (size_t)(rs_qtensor_count(in) + terms * positions + out->channels / op->groups * positions);
    e->scratch = scratch > e->scratch ? scratch : e->scratch;
    return true;
}

rs_status rs_minifloat_engine_new(const rs_qnet *qnet, rs_minifloat_engine **engine, rs_diag *diag)
{
    *engine = NULL;
    const rs_blas *blas = rs_blas_get();
    if (blas == NULL)
        return rs_error(diag, RS_RESOURCE, RS_NOWHERE, "install the Debian package libopenblas0",
                        "OpenBLAS cannot be loaded; minifloat networks are computed with it");
    rs_minifloat_engine *e = RS_NEW(rs_minifloat_engine);
    bool ok = e != NULL;
    if (ok) {
        e->qnet = qnet;
        e->blas = blas;
        e->plans = RS_NEW_ARRAY(minifloat_plan, (size_t)qnet->n_ops);
        e->values = RS_NEW_ARRAY(double *, (size_t)qnet->n_tensors);
        ok = e->plans != NULL && e->values != NULL;
    }
    for (int t = 0; ok && t < qnet->n_tensors; t++) {
        const rs_qtensor *tensor = &qnet->tensors[t];
        const int64_t min = rs_qtensor_min(tensor), max = rs_qtensor_max(tensor);
        int with;
        if (shares_values(qnet, t, &with)) {
            e->values[t] = e->values[with];
            continue;
        }
        e->values[t] = RS_NEW_ARRAY(double, (size_t)(max - min + 1));
        ok = e->values[t] != NULL;
        for (int64_t v = min; ok && v <= max; v++)
            e->values[t][v - min] = rs_qtensor_value(tensor, (int32_t)v);
    }
    for (int i = 0; ok && i < qnet->n_ops; i++)
        if (rs_qop_weighted(&qnet->ops[i]))
            ok = make_plan(e, i);
    if (!ok) {
        rs_minifloat_engine_free(e);
        return rs_out_of_memory(diag);
    }
    *engine = e;
    return RS_OK;
}

void rs_minifloat_engine_free(rs_minifloat_engine *e)
{
    if (e == NULL)
        return;
    for (int i = 0; e->plans != NULL && i < e->qnet->n_ops; i++) {
        rs_free(e->plans[i].weights);
        rs_free(e->plans[i].bias);
        rs_free(e->plans[i].magnitude);
    }
    for (int t = 0, with; e->values != NULL && t < e->qnet->n_tensors; t++)
        if (!shares_values(e->qnet, t, &with))
            rs_free(e->values[t]);
    rs_free(e->plans);
    rs_free(e->values);
    rs_free(e);
}

size_t rs_minifloat_engine_room(const rs_minifloat_engine *engine)
{
    return engine->scratch * sizeof(double);
}

/* Columns of the windows of one group: [terms][positions]. */
static void unfold(const rs_qop *op, const rs_qtensor *in, const rs_qtensor *out, const double *maps, double *columns)
{
    const int channels = in->channels / op->groups;
    for (int c = 0; c < channels; c++)
        for (int ky = 0; ky < op->kernel_h; ky++)
            for (int kx = 0; kx < op->kernel_w; kx++)
                for (int oy = 0; oy < out->height; oy++) {
                    const int64_t y = (int64_t)oy * op->stride_h - op->pad_h + (int64_t)ky * op->dilation_h;
                    for (int ox = 0; ox < out->width; ox++) {
                        const int64_t x = (int64_t)ox * op->stride_w - op->pad_w + (int64_t)kx * op->dilation_w;
                        const bool inside = y >= 0 && y < in->height && x >= 0 && x < in->width;
                        *columns++ = inside ? maps[((int64_t)c * in->height + y) * in->width + x] : 0;
                    }
                }
}

/* The code of a sum that lies within `error` of `sum`; false: it may be either of two. */
static bool encode(const rs_qnet *q, const rs_qop *op, double sum, double error, int32_t *out, uint64_t *saturations)
{
    const rs_qtensor *t = &q->tensors[op->output];
    double low = sum - error, high = sum + error;
    low = op->relu && low < 0 ? 0 : low;
    high = op->relu && high < 0 ? 0 : high;
    uint64_t a = 0, b = 0;
    const rs_minifloat format = t->format.minifloat;
    const uint32_t code = rs_minifloat_quantize(low, format, q->rounding, 0, &a);
    if (error > 0 && (rs_minifloat_quantize(high, format, q->rounding, 0, &b) != code || a != b))
        return false;
    *out = rs_number_of_code(code, format);
    *saturations += a;
    return true;
}

int64_t rs_minifloat_engine_run(const rs_minifloat_engine *e, int index, const int32_t *in, int32_t *out, void *scratch,
                                uint64_t *saturations)
{
    const rs_qnet *q = e->qnet;
    const rs_qop *op = &q->ops[index];
    const minifloat_plan *p = &e->plans[index];
    const rs_qtensor *from = &q->tensors[op->input], *to = &q->tensors[op->output];
    const int64_t terms = rs_qop_terms(q, op), positions = (int64_t)to->height * to->width;
    const int outputs = to->channels / op->groups;
    double *values = scratch, *columns = values + rs_qtensor_count(from), *sums = columns + terms * positions;
    const double *table = e->values[op->input] - rs_qtensor_min(from);
    double max = 0; /* magnitude of the image's activations */
    for (int64_t k = 0; k < rs_qtensor_count(from); k++) {
        values[k] = table[in[k]];
        max = fabs(values[k]) > max ? fabs(values[k]) : max;
    }
    /* Every number is a multiple of this one; up to 2^53 of it are exact. */
    const double exact = ldexp(0x1p53,
                               -rs_minifloat_fl(from->format.minifloat) - rs_minifloat_fl(op->weight_format.minifloat));
    int64_t twice = 0;
    for (int g = 0; g < op->groups; g++) {
        unfold(op, from, to, values + rs_qtensor_count(from) / op->groups * g, columns);
        e->blas->dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (blasint)outputs, (blasint)positions, (blasint)terms,
                       1, p->weights + (int64_t)g * outputs * terms, (blasint)terms, columns, (blasint)positions, 0,
                       sums, (blasint)positions);
        for (int o = 0; o < outputs; o++) {
            const int oc = g * outputs + o;
            /* terms + 1 additions, each of relative error 2^-53 of a partial sum that is at most `bound`; doubled for
             * what the bound itself has lost. */
            const double bound = max * p->magnitude[oc] + fabs(p->bias[oc]);
            const double error = bound <= exact ? 0 : (double)(terms + 2) * 0x1p-52 * bound;
            int32_t *row = out + oc * positions;
            for (int64_t i = 0; i < positions; i++) {
                if (encode(q, op, sums[o * positions + i] + p->bias[oc], error, &row[i], saturations))
                    continue;
                rs_wide sum;
                const int fl = rs_reference_minifloat_sum(q, op, in, oc, (int)(i / to->width), (int)(i % to->width),
                                                          &sum);
                row[i] = rs_number_of_code(
                    rs_minifloat_requantize_wide(&sum, fl, op->relu, to->format.minifloat, q->rounding, saturations),
                    to->format.minifloat);
                twice++;
            }
        }
    }
    return twice;
}
