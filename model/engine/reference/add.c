/* Addition: arithmetic.md section 6; minifloats: section 10. */
#include "engine/reference/reference.h"

static void fixed(const rs_qnet *qnet, const rs_qop *op, const int32_t *const *in, int32_t *out, uint64_t *saturations)
{
    const rs_qtensor *o = &qnet->tensors[op->output];
    const int64_t count = rs_reference_map(o) * o->channels;
    for (int64_t k = 0; k < count; k++) {
        int64_t sum = 0;
        for (int i = 0; i < op->n_inputs; i++)
            sum += in[i][k] * (INT64_C(1) << rs_qop_align(qnet, op, i));
        out[k] = rs_fxp_requantize(sum, op->relu, op->shift, rs_qtensor_signed_bits(o), qnet->rounding, 0, saturations);
    }
}

/* Sums in the order of the inputs, in binary64. */
static void minifloat(const rs_qnet *qnet, const rs_qop *op, const int32_t *const *in, int32_t *out,
                      uint64_t *saturations)
{
    const rs_qtensor *o = &qnet->tensors[op->output];
    for (int64_t k = 0; k < rs_reference_map(o) * o->channels; k++) {
        double sum = 0;
        for (int i = 0; i < op->n_inputs; i++)
            sum += rs_qtensor_value(&qnet->tensors[op->inputs[i]], in[i][k]);
        out[k] = op->relu && sum < 0 ? 0 : rs_qtensor_quantize(o, sum, qnet->rounding, saturations);
    }
}

void rs_reference_add(const rs_qnet *qnet, const rs_qop *op, const int32_t *const *inputs, int32_t *out,
                      uint64_t *saturations)
{
    if (rs_qnet_minifloat(qnet))
        minifloat(qnet, op, inputs, out, saturations);
    else
        fixed(qnet, op, inputs, out, saturations);
}
