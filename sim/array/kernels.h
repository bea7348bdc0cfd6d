/* Inner products of the array's model: many positions of a row times many output channels at once. Every level of
 * instructions gives the same sums. */
#ifndef RISTRETTO_ARRAY_KERNELS_H
#define RISTRETTO_ARRAY_KERNELS_H

#include <stdbool.h>
#include <stdint.h>

enum { RS_LANE_BLOCK = 16 }; /* output channels side by side in a vector */

/* Weights and activations of a row of positions. Segment s of position p begins at activations + p * step + segments[s]
 * (in elements) and is `length` elements long, a multiple of `pack` (what lies behind the real segment meets weights of
 * 0, but must be readable). */
typedef struct rs_dot_job {
    const void *activations; /* uint8_t (value + 128) for u8, int16_t for s16 */
    int64_t step;
    int64_t positions;
    const int64_t *segments;
    int64_t n_segments, length;
    const void *weights;  /* [block][segment][length / pack][RS_LANE_BLOCK][pack] */
    int64_t blocks;       /* of RS_LANE_BLOCK output channels */
    const int32_t *start; /* [blocks * RS_LANE_BLOCK]: what the sum begins with */
    int32_t *sums;        /* [positions][blocks * RS_LANE_BLOCK]; exact where they fit 32 bits, else modulo 2^32 */
} rs_dot_job;

typedef void rs_dot_kernel(const rs_dot_job *job);

enum { RS_PACK_U8 = 4, RS_PACK_S16 = 2 };

/* The kernel for int8 data, or NULL where the 16-bit one is the best there is; the kernel for int16 data. */
rs_dot_kernel *rs_dot_u8(void);
rs_dot_kernel *rs_dot_s16(void);

/* Sums step by step, as the array takes them: weights [segment][chunk][multiplier][channels], channels a multiple of
 * RS_LANE_BLOCK. tree has room for `channels`; `narrow`: a step's sum fits 32 bits. bits = 0: the accumulator is as
 * wide as needed. */
typedef struct rs_step_job {
    const int16_t *activations; /* of one position */
    const int64_t *segments;
    int64_t n_segments, length; /* real length of a segment */
    int multipliers;
    const int16_t *weights;
    int64_t channels;
    bool narrow, saturate;
    int bits;
    void *tree;          /* int64_t[channels] */
    int64_t *sums;       /* [channels], the bias before */
    uint32_t *overflows; /* [channels], added to */
} rs_step_job;

void rs_sum_steps(const rs_step_job *job);

/* The low bytes of n words. */
void rs_pack_bytes(uint8_t *to, const int32_t *from, int64_t n);

#endif
