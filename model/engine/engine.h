/* The exact engine: a quantized network on integers, from pixels to class scores, by docs/arithmetic.md, as fast as
 * the machine allows. Sums are exact (accumulators as wide as needed). Results depend on nothing but the network and
 * the image. */
#ifndef RISTRETTO_ENGINE_ENGINE_H
#define RISTRETTO_ENGINE_ENGINE_H

#include "qnet/qnet.h"

typedef struct rs_engine rs_engine;

/* How a weighted op is computed. Every path gives the same integers (arithmetic.md section 9). */
typedef enum rs_engine_path {
    RS_PATH_INT8,      /* 8-bit products, 32-bit sums: AVX-512 VNNI only */
    RS_PATH_INT16,     /* 16-bit products, 32-bit sums */
    RS_PATH_DOUBLE,    /* in double: exact up to 2^53 */
    RS_PATH_REFERENCE, /* plain loops over 64-bit integers */
    RS_PATHS
} rs_engine_path;
/* "int8", "int16", "double", "reference" */
const char *rs_engine_path_name(rs_engine_path path);

/* Chooses for each op the fastest path that is exact for its widths, weights and biases. force_reference: plain 64-bit
 * integer loops everywhere. The qnet must outlive the engine and not change. */
rs_status rs_engine_new(const rs_qnet *qnet, bool force_reference, rs_engine **engine, rs_diag *diag);
/* The same without the paths before `fastest`: for tests and benchmarks. */
rs_status rs_engine_new_path(const rs_qnet *qnet, rs_engine_path fastest, rs_engine **engine, rs_diag *diag);
void rs_engine_free(rs_engine *engine);
/* The network that it runs. */
const rs_qnet *rs_engine_qnet(const rs_engine *engine);
/* The path that an op takes; RS_PATHS for an op without weights. */
rs_engine_path rs_engine_op_path(const rs_engine *engine, int op);

/* Runs n images ([n][channels][height][width] bytes). scores: [n][classes]. saturations: one counter per op, added to;
 * may be NULL. One run at a time on an engine. RS_RESOURCE, RS_INTERRUPTED (the scores are then incomplete). */
rs_status rs_engine_run(rs_engine *engine, const uint8_t *pixels, int64_t n, int32_t *scores, uint64_t *saturations,
                        rs_diag *diag);
/* The same for one image, giving every tensor: tensors[i] receives channels * height * width integers (NULL: not
 * wanted). */
rs_status rs_engine_trace(rs_engine *engine, const uint8_t *pixels, int32_t *const *tensors, uint64_t *saturations,
                          rs_diag *diag);

#endif
