/* The table of the reference's operations. */
#include "engine/reference/reference.h"

void rs_qop_run(const rs_qnet *qnet, const rs_qop *op, const int32_t *const *inputs, int32_t *out,
                uint64_t *saturations)
{
    static rs_reference *const references[RS_QOPS] = {
#define OPERATION(name, word) rs_reference_##word,
#include "qnet/operations.def"
#undef OPERATION
    };
    references[op->type](qnet, op, inputs, out, saturations);
}
