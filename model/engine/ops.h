/* The parts of the exact engine. Private to model/engine.
 *
 * Between ops a tensor lies in HWC order, image after image, in one of two storages. Each weighted op runs on a kernel
 * that multiplies rows of activations with packed weights; all kernels are exact and give the same sums. */
#ifndef RISTRETTO_ENGINE_OPS_H
#define RISTRETTO_ENGINE_OPS_H

#include "engine/engine.h"

typedef enum rs_storage {
    RS_STORE_S8,  /* q + 128 as an unsigned byte: two's complement of 8 bits and less */
    RS_STORE_U8,  /* q: unsigned, 8 bits and less */
    RS_STORE_S16, /* q */
    RS_STORE_U16, /* q - 2^15: unsigned, 16 bits */
    RS_STORE_S32, /* q: scores wider than 16 bits */
    RS_STORE_F64  /* q as a double: operands of a kernel only */
} rs_storage;

enum {
    RS_SLACK = 64,     /* bytes behind every buffer of activations: kernels read whole groups */
    RS_BLOCK = 120,    /* output positions computed at once: a multiple of every kernel's rows */
    RS_MAX_VECTORS = 4 /* vectors of output channels a kernel takes at once */
};

static inline int rs_storage_size(rs_storage s)
{
    return s <= RS_STORE_U8 ? 1 : s <= RS_STORE_U16 ? 2 : s == RS_STORE_S32 ? 4 : 8;
}
/* What is stored for 0. */
static inline int32_t rs_storage_zero(rs_storage s)
{
    return s == RS_STORE_S8 ? 128 : s == RS_STORE_U16 ? -32768 : 0;
}

/* What a kernel multiplies: for each position p and segment s, `steps` groups of elements from positions[p] +
 * segments[s] (bytes) on. */
typedef struct rs_rows {
    const uint8_t *const *positions; /* RS_BLOCK pointers; those past n repeat the last one */
    int n;                           /* 1 to RS_BLOCK */
    const int64_t *segments;
    int n_segments;
    int64_t steps;
} rs_rows;

/* Kernels multiply stored codes; the caller folds the storage offset (+128 or -2^15) into the bias.
 * sums[position][lane] = bias[lane] + sum of products, for vectors * lanes lanes. Rows of sums past n are scratch.
 * weights: [segment][step][lane][element of the group]. bias and sums: int32, or double for kernels of doubles. All
 * 64-byte aligned. */
typedef void rs_dot(const rs_rows *rows, const void *weights, const void *bias, void *sums);

typedef struct rs_kernel {
    int size;                        /* bytes of an activation and a weight: 1, 2, or 8 for double */
    int group;                       /* elements summed by one instruction */
    int lanes;                       /* output channels of a vector */
    int vectors;                     /* max vectors per call */
    rs_dot *dot[RS_MAX_VECTORS + 1]; /* by number of vectors, from 1 */
} rs_kernel;

/* The kernel of this kind for the processor (fxp/cpu.h); NULL if it has none. */
const rs_kernel *rs_engine_kernel(rs_engine_path path);

/* Elements from the storage of a tensor to that of a kernel's operands, RS_STORE_S16, RS_STORE_U16 or RS_STORE_F64. */
void rs_storage_convert(const void *from, rs_storage a, void *to, rs_storage b, int64_t n);
/* Elements of a tensor as integers. */
void rs_storage_unpack(const void *from, rs_storage s, int32_t *to, int64_t n);
/* Requantized rows of 32-bit integers into storage: rows of `n` integers, `from_stride` apart, to rows `to_stride`
 * elements apart. */
void rs_storage_pack(const int32_t *from, int64_t rows, int64_t n, int64_t from_stride, void *to, rs_storage s,
                     int64_t to_stride);
/* n elements cut to [min, max]. */
void rs_storage_clip(const void *from, void *to, rs_storage s, int32_t min, int32_t max, int64_t n);
/* sums[i] += integer i, shifted to the left. */
void rs_storage_accumulate(const void *from, rs_storage s, int shift, int32_t *sums, int64_t n);

#endif
