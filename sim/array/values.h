/* What the array computes, apart from when: a tile's ofmap with its saturations and overflows, by
 * docs/reference/array-timing.md section 4. */
#ifndef RISTRETTO_ARRAY_VALUES_H
#define RISTRETTO_ARRAY_VALUES_H

#include "array/array.h"

typedef struct rs_values rs_values;

/* The ofmap of one tile, before it is written to memory. */
typedef struct rs_tile {
    const int32_t
        *out;       /* [out_h * out_w][stride]; NULL: in memory already, which is so only where not asked for by beat */
    int64_t stride; /* channels rounded up */
    /* Of each output beat, [out_h * out_w][groups]; NULL unless asked for. */
    const uint32_t *saturations, *overflows;
    uint64_t total_saturations, total_overflows;
} rs_tile;

rs_status rs_values_new(const rs_program *program, rs_values **values, rs_diag *diag);
void rs_values_free(rs_values *values);

/* Computes descriptor d from the ifmap and the weights in `memory`. The tile is valid until the next
 * call. Nothing but its own ofmap in memory is written. */
rs_status rs_values_tile(rs_values *values, uint8_t *memory, int d, bool per_beat, rs_tile *tile, rs_diag *diag);

/* Writes the tile's beats to memory, if they are not there yet. */
void rs_values_store(const rs_values *values, const rs_tile *tile, int d, uint8_t *memory);

#endif
