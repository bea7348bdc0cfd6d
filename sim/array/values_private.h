/* The parts of values.c. Private to sim/array/: prepare.c and prepare_minifloat.c (weights), ifmap.c (activations),
 * sums.c, requantize.c. Counts, offsets and indices are int64_t in all of them. */
#ifndef RISTRETTO_ARRAY_VALUES_PRIVATE_H
#define RISTRETTO_ARRAY_VALUES_PRIVATE_H

#include <string.h>

#include "array/kernels.h"
#include "array/minifloat.h"
#include "array/values.h"
#include "base/integer.h"
#include "base/memory.h"

/* How a layer's sums are taken. All give the same values where they apply. */
typedef enum rs_sum_method {
    RS_SUM_U8,        /* 32 bits, no overflow of the accumulator possible, at most 8-bit data */
    RS_SUM_S16,       /* the same for 16-bit data */
    RS_SUM_STEPS,     /* 64 bits, step by step */
    RS_SUM_MINIFLOAT, /* 128 bits, with and without weights */
    RS_SUM_DIRECT     /* no weights: one activation per step and channel */
} rs_sum_method;

/* What is prepared for a tile's layer: its weights, or how its sums are taken without any. */
typedef struct rs_values_block {
    const rs_descriptor *first; /* the first that uses it; what is not a tile's own is alike in all of them */
    rs_sum_method how;
    rs_dot_kernel *kernel;
    bool checked, narrow;      /* the accumulator can overflow; a step's sum (direct: every sum) fits 32 bits */
    int64_t outputs, stride;   /* output channels; the same rounded up to RS_LANE_BLOCK */
    int64_t sets, set_outputs; /* output channels of a set */
    int64_t set_stride;        /* rounded up to RS_LANE_BLOCK */
    int64_t segments, chunks;
    int64_t per_channel;  /* weights of an output channel with those that fill the chunks: steps * multipliers */
    int64_t padded;       /* elements of a segment in the kernel's weights */
    void *weights;        /* set after set */
    int32_t *start;       /* [sets][set_stride], kernels */
    int64_t *bias;        /* [sets][set_stride] */
    rs_sum128 *wide_bias; /* [outputs], minifloat */
    /* Minifloat whose sums are exact in binary64 (rs_real_job): weights by set, [parts][sets]..., and
     * [sets][set_stride]; or NULL. Two parts: those of 16 low bits, and the rest; the bias is not in real_start then.
     */
    double *real_weights, *real_start;
    int real_parts;
    int32_t *shifts; /* [stride], of requantize by channel; NULL: the descriptor's */
    /* The beats that all this was made from. */
    uint8_t *raw;
    int64_t raw_from, raw_bytes;
} rs_values_block;

struct rs_values {
    const rs_program *program;
    rs_values_block *blocks;
    int n_blocks;
    int *block_of; /* by descriptor */
    /* Scratch, as large as any tile needs. */
    void *ifmap;
    int64_t *segment_offsets;
    int32_t *sums, *row; /* one row of the convolution: sums, then values */
    int32_t *set_sums;   /* of one set */
    int64_t *wide, *set_wide, *tree;
    /* Minifloat: numbers by word, sums of a row, a window. */
    int64_t *numbers, *window;
    rs_sum128 *sums128;
    double *real_ifmap, *real_sums, *real_set_sums; /* the same in binary64, where some block takes its sums so */
    uint32_t *row_overflows, *set_overflows;
    int32_t *out;
    uint32_t *saturations, *overflows;
};

/* The part of a tile's ifmap that steps reach, rows from `top` and elements from `left` on, with zeros around it. */
typedef struct rs_values_plane {
    int64_t top, left, rows, width;
} rs_values_plane;

/* A row of a tile's convolution. */
typedef struct rs_values_row {
    rs_values *values;
    const rs_values_block *block;
    const rs_descriptor *d;
    rs_values_plane plane;
    int64_t cy;
} rs_values_row;

/* Index of output channel c among the rounded-up sets. */
static inline int64_t rs_values_slot(const rs_values_block *b, int64_t c)
{
    return c / b->set_outputs * b->set_stride + c % b->set_outputs;
}

enum { RS_REAL_PART_BITS = 16 };
#define RS_REAL_PART (INT64_C(1) << RS_REAL_PART_BITS)

/* Part i of a number: number = part 1 * 2^16 + part 0, where there are two. */
static inline double rs_real_part(int64_t number, int parts, int i)
{
    return (double)(parts == 1 ? number : i ? number / RS_REAL_PART : number % RS_REAL_PART);
}

/* prepare.c: a block's weights and how its sums are taken, from block->raw; without weights, from its descriptor. */
rs_status rs_values_prepare(const rs_program *program, rs_values_block *block, const int64_t *numbers, rs_diag *diag);
/* prepare_minifloat.c: the same for minifloats. numbers: by word. */
rs_status rs_values_prepare_minifloat(const rs_program *program, rs_values_block *block, const int64_t *numbers,
                                      rs_diag *diag);

/* ifmap.c: elements after position 0's first one that a step of a tile may touch, and its plane if it is so many. */
int64_t rs_values_padded(const rs_values_block *block, const rs_descriptor *d);
rs_values_plane rs_values_plane_of(const rs_descriptor *d, int64_t padded);
/* The tile's ifmap from memory into values->ifmap, and the offsets of its segments. The row's cy does not matter. */
void rs_values_load(const rs_values_row *row, const uint8_t *memory);

/* sums.c: the sums of a row, where its method puts them. */
void rs_values_sum_row(const rs_values_row *row);

/* requantize.c: n of the row's sums from index i on become values->row[i ...]. Returns how many saturated. */
uint64_t rs_values_requantize(const rs_values_row *row, int64_t i, int64_t n);
/* RS_MODE_MAX: the positions of a row that lie outside of the map get the minimum, and lose against all others. */
void rs_values_mask_outside(const rs_values_row *row);

#endif
