/* Clip between two integers: arithmetic.md section 6. */
#include "engine/reference/reference.h"

void rs_reference_clip(const rs_qnet *qnet, const rs_qop *op, const int32_t *const *inputs, int32_t *out,
                       uint64_t *saturations)
{
    (void)saturations;
    const int64_t count = rs_qtensor_count(&qnet->tensors[op->output]);
    for (int64_t k = 0; k < count; k++)
        out[k] = inputs[0][k] < op->min ? op->min : inputs[0][k] > op->max ? op->max : inputs[0][k];
}
