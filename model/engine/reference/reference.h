/* The executable specification: every operation by plain loops over CHW tensors, any network, any width; slow. Each
 * file reads like its rule in docs/arithmetic.md: sections 3 to 6 for fixed point, section 10 for
 * minifloats. */
#ifndef RISTRETTO_ENGINE_REFERENCE_REFERENCE_H
#define RISTRETTO_ENGINE_REFERENCE_REFERENCE_H

#include "qnet/qnet.h"

/* One op on one image: inputs[i] is the op's input i, out its output, all CHW. Adds the op's saturations to
 * *saturations (may be NULL). The engines use it for what runs on the host. */
void rs_qop_run(const rs_qnet *qnet, const rs_qop *op, const int32_t *const *inputs, int32_t *out,
                uint64_t *saturations);

/* The same for ops of one type: rs_reference_convolution, ... */
typedef void rs_reference(const rs_qnet *qnet, const rs_qop *op, const int32_t *const *inputs, int32_t *out,
                          uint64_t *saturations);
#define OPERATION(name, word) rs_reference rs_reference_##word;
#include "qnet/operations.def"
#undef OPERATION

/* Weighted op of minifloats: the exact sum of output channel oc at (oy, ox), at the fractional length that comes back.
 */
int rs_reference_minifloat_sum(const rs_qnet *qnet, const rs_qop *op, const int32_t *in, int oc, int oy, int ox,
                               rs_wide *sum);

/* Elements of one map. */
static inline int64_t rs_reference_map(const rs_qtensor *t)
{
    return (int64_t)t->height * t->width;
}

#endif
