/* Dynamic fixed point: rounding, shifting and saturating by the rules of docs/arithmetic.md. */
#ifndef RISTRETTO_FXP_FXP_H
#define RISTRETTO_FXP_FXP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/words.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Section 1: bits in [1, 32], fl in [-64, 64]; value = q * 2^-fl. */
typedef struct rs_fxp {
    int bits;
    int fl;
} rs_fxp;

/* Section 2. The numbers are those of the RTL's parameter Rounding. */
typedef enum rs_rounding {
    RS_ROUND_NEAREST = 0, /* ties away from zero */
    RS_ROUND_NEAREST_EVEN = 1,
    RS_ROUND_NEAREST_UP = 2,
    RS_ROUND_TRUNCATE = 3, /* floor */
    RS_ROUND_STOCHASTIC = 4,
    RS_ROUNDINGS
} rs_rounding;

/* "nearest", "nearest_even", ...; the table has no word for RS_ROUND_STOCHASTIC, which no file and no array takes. */
const char *rs_rounding_name(rs_rounding mode);
extern const rs_word rs_rounding_words[];

enum { RS_SHIFT_MIN = -15, RS_SHIFT_MAX = 48, RS_ACCUMULATOR_MAX_BITS = 48, RS_FL_MIN = -64, RS_FL_MAX = 64 };

/* Range of a two's complement integer of `bits` bits, 1 to 63. */
static inline int64_t rs_fxp_min(int bits)
{
    return -(INT64_C(1) << (bits - 1));
}
static inline int64_t rs_fxp_max(int bits)
{
    return (INT64_C(1) << (bits - 1)) - 1;
}

/* Saturates v to `bits` bits; adds 1 to *saturations if that changes it (saturations may be NULL). */
int64_t rs_fxp_saturate(int64_t v, int bits, uint64_t *saturations);
/* The low `bits` bits of v, sign-extended. */
int64_t rs_fxp_wrap(int64_t v, int bits);

/* Section 1, quantize. x must not be NaN (the result is then some integer of the format). `random` is a uniform 64-bit
 * word, used by RS_ROUND_STOCHASTIC only. */
int32_t rs_fxp_quantize(double x, rs_fxp format, rs_rounding mode, uint64_t random, uint64_t *saturations);
double rs_fxp_value(int64_t q, int fl);

/* Section 2, shift-round; shift in [RS_SHIFT_MIN, RS_SHIFT_MAX], |v| < 2^48 (so that no left shift can overflow). */
int64_t rs_fxp_shift_round(int64_t v, int shift, rs_rounding mode, uint64_t random);

/* Section 5: ReLU if asked, shift-round, saturate to `bits`. */
int32_t rs_fxp_requantize(int64_t sum, bool relu, int shift, int bits, rs_rounding mode, uint64_t random,
                          uint64_t *saturations);

/* Section 1: fractional length for the largest magnitude `a` (finite, >= 0) in `bits` bits; at the limits of the legal
 * range for values too small or too large for it. */
int rs_fxp_fl_for_range(double a, int bits);

/* Section 3: the accumulator width that holds every sum of magnitude <= bound (>= 0): smallest A with 2^(A-1) > bound,
 * 1 to 64. */
int rs_fxp_bits_for_bound(int64_t bound);

/* Section 3, narrower accumulators: acc[i] += addend[i], wrapped or saturated to `bits` bits (2 to 48), for each i
 * below n; overflows[i] is raised by 1 where the exact sum did not fit. |acc[i]|, |addend[i]| < 2^62. */
void rs_fxp_accumulate_array(int64_t *acc, const int64_t *addend, size_t n, int bits, bool saturate,
                             uint32_t *overflows);

/* Section 4: the aligned bias at the accumulator's LSB. b must not be NaN; mode: a deterministic one. A result of 2^62
 * and beyond (only with RS_BIAS_WEIGHTS and fl_in > 31) is given as +-2^62, which no accumulator holds. */
typedef enum rs_bias_rule { RS_BIAS_ACCUMULATOR, RS_BIAS_WEIGHTS } rs_bias_rule;
extern const rs_word rs_bias_rule_words[]; /* "accumulator", "weights" */
int64_t rs_fxp_bias(double b, rs_bias_rule rule, rs_fxp weights, int fl_in, rs_rounding mode, uint64_t *saturations);

/* Arrays, the same results element for element. Stochastic rounding draws word i from (seed, stream, i). */
void rs_fxp_quantize_array(const float *x, size_t n, rs_fxp format, rs_rounding mode, uint64_t seed, uint64_t stream,
                           int32_t *q, uint64_t *saturations);
/* The same from doubles, for deterministic modes and 31 bits at most. */
void rs_fxp_quantize_doubles(const double *x, size_t n, rs_fxp format, rs_rounding mode, int32_t *q,
                             uint64_t *saturations);
/* Float emulation (section 8), in place: x = value(quantize(x)). */
void rs_fxp_emulate_array(float *x, size_t n, rs_fxp format, rs_rounding mode, uint64_t seed, uint64_t stream);
/* The affine quantization of other frameworks, and back (ONNX's QuantizeLinear and DequantizeLinear), in binary32:
 * q = saturate(round(x / scale) + zero) to [min, max], to the nearest, ties to even; y = (q - zero) * scale. scale > 0
 * and finite; zero, min, max of at most 24 bits. A NaN becomes the smallest value. x and y may be the same array. */
void rs_fxp_affine(const float *x, size_t n, float scale, int32_t zero, int32_t min, int32_t max, float *y);
/* Deterministic modes only. sum and q may be the same array. */
void rs_fxp_requantize_array(const int32_t *sum, size_t n, bool relu, int shift, int bits, rs_rounding mode, int32_t *q,
                             uint64_t *saturations);
/* The same for rows of `channels` sums, one after the other; the sums of channel c are shifted by shifts[c]. */
void rs_fxp_requantize_channels(const int32_t *sum, size_t rows, size_t channels, bool relu, const int32_t *shifts,
                                int bits, rs_rounding mode, int32_t *q, uint64_t *saturations);
/* The same for sums that are integers in double, |sum| < 2^48. */
void rs_fxp_requantize_doubles(const double *sum, size_t n, bool relu, int shift, int bits, rs_rounding mode,
                               int32_t *q, uint64_t *saturations);

#ifdef __cplusplus
}
#endif
#endif
