/* Weighted ops of minifloat networks at BLAS speed, with exact results. Private to model/engine.
 *
 * Sums are computed in binary64. Where every partial sum is exact there (docs/arithmetic.md section 9), that is the
 * sum. Elsewhere the sum is known within an error, and its code is taken if both ends of that interval give the same
 * one; if not, the sum is computed again in a wide fixed-point accumulator. So the order of additions never shows. */
#ifndef RISTRETTO_ENGINE_MINIFLOAT_H
#define RISTRETTO_ENGINE_MINIFLOAT_H

#include "qnet/qnet.h"

typedef struct rs_minifloat_engine rs_minifloat_engine;

rs_status rs_minifloat_engine_new(const rs_qnet *qnet, rs_minifloat_engine **engine, rs_diag *diag);
void rs_minifloat_engine_free(rs_minifloat_engine *engine);
/* Bytes of scratch memory, 64-byte aligned, that one call needs. */
size_t rs_minifloat_engine_room(const rs_minifloat_engine *engine);
/* Weighted op `index` on one image: CHW in, CHW out. Returns how many sums were computed twice. */
int64_t rs_minifloat_engine_run(const rs_minifloat_engine *engine, int index, const int32_t *in, int32_t *out,
                                void *scratch, uint64_t *saturations);

#endif
