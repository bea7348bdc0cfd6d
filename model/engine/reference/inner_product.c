/* Inner product: a convolution whose kernel is its whole input. */
#include "engine/reference/reference.h"

void rs_reference_inner_product(const rs_qnet *qnet, const rs_qop *op, const int32_t *const *inputs, int32_t *out,
                                uint64_t *saturations)
{
    rs_reference_convolution(qnet, op, inputs, out, saturations);
}
