/* Concatenation: arithmetic.md section 6; minifloats: section 10. */
#include "engine/reference/reference.h"

static void fixed(const rs_qnet *qnet, const rs_qop *op, const int32_t *const *in, int32_t *out, uint64_t *saturations)
{
    const rs_qtensor *o = &qnet->tensors[op->output];
    for (int i = 0; i < op->n_inputs; i++) {
        const int64_t count = rs_reference_map(o) * qnet->tensors[op->inputs[i]].channels;
        const int shift = rs_qop_concat_shift(qnet, op, i);
        for (int64_t k = 0; k < count; k++)
            *out++ = rs_fxp_requantize(in[i][k], false, shift, rs_qtensor_signed_bits(o), qnet->rounding, 0,
                                       saturations);
    }
}

static void minifloat(const rs_qnet *qnet, const rs_qop *op, const int32_t *const *in, int32_t *out,
                      uint64_t *saturations)
{
    const rs_qtensor *o = &qnet->tensors[op->output];
    for (int i = 0; i < op->n_inputs; i++) {
        const rs_qtensor *t = &qnet->tensors[op->inputs[i]];
        const bool same = rs_minifloat_equal(t->format.minifloat, o->format.minifloat);
        for (int64_t k = 0; k < rs_reference_map(o) * t->channels; k++)
            *out++ = same ? in[i][k]
                          : rs_qtensor_quantize(o, rs_qtensor_value(t, in[i][k]), qnet->rounding, saturations);
    }
}

void rs_reference_concat(const rs_qnet *qnet, const rs_qop *op, const int32_t *const *inputs, int32_t *out,
                         uint64_t *saturations)
{
    if (rs_qnet_minifloat(qnet))
        minifloat(qnet, op, inputs, out, saturations);
    else
        fixed(qnet, op, inputs, out, saturations);
}
