/* The exact engine: a quantized network on integers, from pixels to class scores, by docs/arithmetic.md, as fast as the machine allows.
 * Sums are exact (accumulators as wide as needed). Results depend on nothing but the network and the image. */
#ifndef RISTRETTO_QUANT_ENGINE_H
#define RISTRETTO_QUANT_ENGINE_H

#include "data/data.h"
#include "quant/qnet.h"

typedef struct rs_engine rs_engine;

/* The path each weighted op takes (arithmetic.md section 9): chosen from the actual weights; `force_reference` takes plain
 * 64-bit integer loops everywhere. */
rs_status rs_engine_new(const rs_qnet *qnet, bool force_reference, rs_engine **engine, rs_diag *diag);
void rs_engine_free(rs_engine *engine);
/* "sgemm", "dgemm", "int8", ...: for reports and tests. */
const char *rs_engine_path(const rs_engine *engine, int op);

/* Runs n images ([n][channels][height][width] bytes). scores: [n][classes]. saturations: one counter an op, added to; may be NULL. */
rs_status rs_engine_run(rs_engine *engine, const uint8_t *pixels, int64_t n, int32_t *scores, uint64_t *saturations, rs_diag *diag);
/* The same for one image, giving every tensor: tensors[i] receives channels * height * width integers (NULL: not wanted). */
rs_status rs_engine_trace(rs_engine *engine, const uint8_t *pixels, int32_t *const *tensors, uint64_t *saturations, rs_diag *diag);

typedef struct rs_score {
    int64_t images, hits, ties; /* ties: images wrong only because of a tie with the right class */
    uint64_t *saturations;      /* per op; or NULL */
    double seconds;
} rs_score;
rs_status rs_engine_score(rs_engine *engine, const rs_dataset *set, int top_k, rs_score *score, rs_diag *diag);

#endif
