/* The parts of the compiler. Private to sim/program/: plan.c (which op runs where), tile.c (tiles; see tiling.h),
 * compile.c (widths, weights in memory, and the whole). */
#ifndef RISTRETTO_PROGRAM_COMPILER_H
#define RISTRETTO_PROGRAM_COMPILER_H

#include "base/integer.h"
#include "qnet/rule.h"
#include "program/weight_order.h"
#include "program/program.h"

typedef struct rs_compiler {
    const rs_qnet *qnet;
    const rs_array_config *config; /* &program->config, widths resolved */
    rs_program *program;
    int capacity;    /* of program->descriptors */
    int segment;     /* that is being tiled */
    int *parts;      /* by tensor: the concatenation's tensor that it is written into, or -1 */
    int64_t *widths; /* by tensor: elements of a pixel that are its own, padded ones inside included */
    /* By descriptor: rows of the blob that are complete, as far as its layer's part goes, once it is stored. */
    int32_t *rows_done;
    int32_t **channels; /* by layer: rs_weight_order.channel, or NULL */
    rs_diag *diag;
    rs_status status; /* of the first error */
} rs_compiler;

/* Remembers the first error. */
static inline void rs_compiler_note(rs_compiler *c, rs_status status)
{
    if (c->status == RS_OK)
        c->status = status;
}

/* Whether the host runs an op of the net, rather than the array. */
bool rs_compiler_on_host(const rs_compiler *c, const rs_qop *op);

/* Layers, segments, and where the elements of a pixel lie in every tensor (regions without addresses). */
rs_status rs_compiler_plan(rs_compiler *c);
/* Tiles one layer: memory for its weights and its ofmap, and its descriptors. */
rs_status rs_compiler_tile(rs_compiler *c, int layer);
/* Puts the weights and biases of a layer into memory. */
void rs_compiler_pack(const rs_compiler *c, int layer);
/* The order of a layer's weights (RS_KIND_WEIGHTS). */
rs_weight_order rs_compiler_order(const rs_compiler *c, int layer);

#endif
