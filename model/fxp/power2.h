/* Weights that are powers of two, so that a product is a shift. The rules are those of docs/arithmetic.md section 11.
 */
#ifndef RISTRETTO_FXP_POWER2_H
#define RISTRETTO_FXP_POWER2_H

#include "fxp/fxp.h"

/* Numbers +-2^e, min_exponent <= e <= max_exponent, and 0 if there is a zero code. */
typedef struct rs_power2 {
    int min_exponent, max_exponent; /* within -64 to 64, at most RS_POWER2_MAX_RANGE apart */
    bool zero;
} rs_power2;

/* A product with an activation of 16 bits, shifted by that much, still leaves room in the accumulator; and the weight
 * as an integer at fl = -min_exponent fits 16 bits. */
enum { RS_POWER2_MAX_RANGE = 14 };

/* Gysel's Ristretto: -8 to -1, no zero. */
#define RS_POWER2_ORIGINAL ((rs_power2) { -8, -1, false })

bool rs_power2_legal(rs_power2 format);

/* Code: the sign above, then the exponent less min_exponent, one more if there is a zero code, which is 0. */
static inline int rs_power2_magnitude_bits(rs_power2 f)
{
    int bits = 0;
    while (1 << bits < f.max_exponent - f.min_exponent + 1 + f.zero)
        bits++;
    return bits;
}
static inline int rs_power2_bits(rs_power2 f)
{
    return 1 + rs_power2_magnitude_bits(f);
}

/* The format of the same weights as integers w * 2^-min_exponent: +-1 << (e - min_exponent), or 0. Bits include the
 * sign and hold the positive extreme too. */
static inline rs_fxp rs_power2_fxp(rs_power2 f)
{
    return (rs_fxp) { f.max_exponent - f.min_exponent + 2, -f.min_exponent };
}

/* Quantize: the nearest in the logarithm: e = the integer nearest to log2 |x| (never a tie), limited to the range;
 * without a zero code, zero becomes +2^min_exponent; with one, |x| below 2^(min_exponent - 1) becomes zero. A limit at
 * the upper end is counted as one saturation. x must not be NaN (the result is then some code). */
uint32_t rs_power2_quantize(double x, rs_power2 format, uint64_t *saturations);
/* The integer nearest to log2 of a magnitude, which is finite and above zero. */
int rs_power2_exponent(double magnitude);
/* The integer of a code at fl = -min_exponent. */
int32_t rs_power2_integer(uint32_t code, rs_power2 format);
/* The code of an integer; false: it is none of the format's. */
bool rs_power2_code(int32_t integer, rs_power2 format, uint32_t *code);
double rs_power2_value(uint32_t code, rs_power2 format);

/* Arrays. Integers at fl = -min_exponent; float emulation in place. */
void rs_power2_quantize_array(const float *x, size_t n, rs_power2 format, int32_t *integers, uint64_t *saturations);
void rs_power2_emulate_array(float *x, size_t n, rs_power2 format);
/* Stochastic: e = floor(log2 |x| + u), the logarithm in double; word i from (seed, stream, i). For training only. */
void rs_power2_emulate_stochastic(float *x, size_t n, rs_power2 format, uint64_t seed, uint64_t stream);

#endif
