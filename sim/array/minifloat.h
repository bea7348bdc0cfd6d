/* Sums of minifloats as the array takes them: every product is an integer at one fractional length, so that sums are
 * exact (docs/arithmetic.md section 10). 128 bits hold what the widest accumulator does. */
#ifndef RISTRETTO_ARRAY_MINIFLOAT_H
#define RISTRETTO_ARRAY_MINIFLOAT_H

#include "config/array_config.h"

__extension__ typedef __int128 rs_sum128;

/* The integers that the words of an array's numbers stand for: [2^bits], NULL without memory. rs_free. */
int64_t *rs_minifloat_numbers(rs_minifloat format);

/* One position: sums of many output channels, chunk by chunk. */
typedef struct rs_minifloat_job {
    const int16_t *activations; /* words of the position; segment s begins at segments[s] */
    const int64_t *segments;
    int64_t n_segments, length, chunks; /* elements and chunks of a segment */
    int multipliers;
    const int64_t *numbers;
    uint32_t mask;          /* of a word */
    const int64_t *weights; /* [channels][segments * chunks * multipliers] */
    int64_t channels;
    bool checked, saturate; /* the accumulator of `bits` bits can overflow; then it saturates, or wraps */
    int bits;
    int64_t *window;     /* room for segments * chunks * multipliers */
    rs_sum128 *sums;     /* [channels], the bias before */
    uint32_t *overflows; /* [channels], added to */
} rs_minifloat_job;
void rs_minifloat_sum(const rs_minifloat_job *job);

/* Sums that stay below 2^53, and so all of their parts, are exact in binary64 in any order. Positions of a row: sums of
 * many output channels. */
typedef struct rs_real_job {
    const double *activations; /* of position 0; step elements to the next position */
    int64_t step, positions;
    const int64_t *segments; /* offsets from a position's activations */
    int64_t n_segments, length;
    const double *weights; /* [blocks][n_segments][length][RS_LANE_BLOCK] */
    int64_t blocks;
    const double *start; /* [blocks * RS_LANE_BLOCK] */
    double *sums;        /* [positions][blocks * RS_LANE_BLOCK] */
} rs_real_job;
void rs_minifloat_dot(const rs_real_job *job);

/* One accumulation: keeps `bits` bits of *sum + addend; true if that changed the value. */
bool rs_minifloat_accumulate(rs_sum128 *sum, rs_sum128 addend, int bits, bool saturate);

/* The signed code that a sum at 2^-fl becomes. */
int32_t rs_minifloat_of_sum(rs_sum128 sum, int fl, bool relu, rs_minifloat format, rs_rounding mode,
                            uint64_t *saturations);

#endif
