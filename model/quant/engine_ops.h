/* The parts of the exact engine. Private to model/quant/engine*.c. */
#ifndef RISTRETTO_QUANT_ENGINE_OPS_H
#define RISTRETTO_QUANT_ENGINE_OPS_H

#include "quant/engine.h"

/* One op on one image, in and out in CHW order, by plain loops over 64-bit integers. Adds the op's saturations to *saturations. */
void rs_reference_op(const rs_qnet *qnet, const rs_qop *op, const int32_t *in, int32_t *out, uint64_t *saturations);

#endif
