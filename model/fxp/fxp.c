/* The rules of docs/arithmetic.md for one number of dynamic fixed point, one function per rule; round.h decides. */
#include "fxp/fxp.h"

#include <assert.h>
#include <math.h>

#include "fxp/round.h"

/* ------------------------------------------------------------------------------------------ section 1: saturate */

int64_t rs_fxp_saturate(int64_t v, int bits, uint64_t *saturations)
{
    uint64_t ignored = 0;
    return rs_limit_64(v, rs_fxp_min(bits), rs_fxp_max(bits), saturations ? saturations : &ignored);
}

int64_t rs_fxp_wrap(int64_t v, int bits)
{
    assert(bits >= 1 && bits <= 64);
    return (int64_t)((uint64_t)v << (64 - bits)) >> (64 - bits);
}

/* ------------------------------------------------------------------------------------------ section 1: quantize */

/* Of 1 to 48 bits: all of them, and the steps beyond, are exact in a double. */
static int64_t quantize_wide(double x, rs_fxp format, rs_rounding mode, uint64_t random, uint64_t *saturations)
{
    const int64_t lo = rs_fxp_min(format.bits), hi = rs_fxp_max(format.bits);
    double y = ldexp(x, format.fl);
    /* Underflow would lose the sign that floor looks at; nothing else depends on how small a tiny value is. */
    if (y == 0 && x != 0)
        y = copysign(0x1p-1022, x);
    /* Beyond one step outside the range every value rounds to something that saturates: the conversion below stays
     * defined. The comparisons also give NaN, which callers refuse, a defined result. */
    y = y > (double)(lo - 1) ? y : (double)(lo - 1);
    y = y < (double)(hi + 1) ? y : (double)(hi + 1);
    return rs_fxp_saturate(rs_round_wide(y, mode, random), format.bits, saturations);
}

int32_t rs_fxp_quantize(double x, rs_fxp format, rs_rounding mode, uint64_t random, uint64_t *saturations)
{
    return (int32_t)quantize_wide(x, format, mode, random, saturations);
}

double rs_fxp_value(int64_t q, int fl)
{
    return ldexp((double)q, -fl);
}

int rs_fxp_fl_for_range(double a, int bits)
{
    if (!(a > 0))
        return bits - 1;
    int e;
    const double m = frexp(a, &e); /* a = m * 2^e, 1/2 <= m < 1 */
    const int il = (m == 0.5 ? e - 1 : e) + 1;
    const int fl = bits - il;
    return fl < RS_FL_MIN ? RS_FL_MIN : fl > RS_FL_MAX ? RS_FL_MAX : fl;
}

/* --------------------------------------------------------------------------------------- section 2: shift-round */

int64_t rs_fxp_shift_round(int64_t v, int shift, rs_rounding mode, uint64_t random)
{
    assert(shift >= RS_SHIFT_MIN && shift <= RS_SHIFT_MAX);
    return shift <= 0 ? v * (INT64_C(1) << -shift) : rs_round_shift_64(v, shift, mode, random);
}

/* --------------------------------------------------------------------------------- section 3: accumulator width */

int rs_fxp_bits_for_bound(int64_t bound)
{
    int bits = 1;
    while (bits < 63 && bound >= INT64_C(1) << (bits - 1))
        bits++;
    return bound > rs_fxp_max(63) ? 64 : bits;
}

/* ---------------------------------------------------------------------------------------------- section 4: bias */

int64_t rs_fxp_bias(double b, rs_bias_rule rule, rs_fxp weights, int fl_in, rs_rounding mode, uint64_t *saturations)
{
    if (rule == RS_BIAS_ACCUMULATOR)
        return quantize_wide(b, (rs_fxp) { RS_ACCUMULATOR_MAX_BITS, weights.fl + fl_in }, mode, 0, saturations);
    const int64_t q = rs_fxp_quantize(b, weights, mode, 0, saturations);
    if (fl_in < 0) {
        /* |q| < 2^31: beyond RS_SHIFT_MAX bits nothing is left to round but the sign. */
        return rs_fxp_shift_round(q, -fl_in < RS_SHIFT_MAX ? -fl_in : RS_SHIFT_MAX, mode, 0);
    }
    /* No accumulator holds what is larger than 2^62: the caller's check of the width refuses it. */
    if (fl_in > 31)
        return q == 0 ? 0 : q < 0 ? -(INT64_C(1) << 62) : INT64_C(1) << 62;
    return q * (INT64_C(1) << fl_in);
}

/* ---------------------------------------------------------------------------------------- section 5: requantize */

int32_t rs_fxp_requantize(int64_t sum, bool relu, int shift, int bits, rs_rounding mode, uint64_t random,
                          uint64_t *saturations)
{
    const int64_t v = relu && sum < 0 ? 0 : sum;
    return (int32_t)rs_fxp_saturate(rs_fxp_shift_round(v, shift, mode, random), bits, saturations);
}

/* -------------------------------------------------------------------------------- other frameworks' quantization */

void rs_fxp_affine(const float *x, size_t n, float scale, int32_t zero, int32_t min, int32_t max, float *y)
{
    /* q - zero is limited instead of q: the same values, whole numbers that a float holds exactly. */
    const float low = (float)(min - zero), high = (float)(max - zero);
    for (size_t i = 0; i < n; i++) {
        const float r = rintf(x[i] / scale);
        y[i] = (r >= low ? (r <= high ? r : high) : low) * scale;
    }
}
