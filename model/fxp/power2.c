/* Weights that are powers of two (docs/arithmetic.md section 11). */
#include "fxp/power2.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "fxp/dispatch.h"

bool rs_power2_legal(rs_power2 f)
{
    return f.min_exponent >= RS_FL_MIN && f.max_exponent <= RS_FL_MAX && f.min_exponent <= f.max_exponent &&
           f.max_exponent - f.min_exponent <= RS_POWER2_MAX_RANGE;
}

/* The code of sign and exponent; limits the exponent. */
static uint32_t code_of(bool negative, int exponent, rs_power2 f, uint64_t *saturations)
{
    if (exponent > f.max_exponent) {
        exponent = f.max_exponent;
        if (saturations != NULL)
            *saturations += 1;
    }
    if (exponent < f.min_exponent)
        exponent = f.min_exponent;
    const uint32_t magnitude = (uint32_t)(exponent - f.min_exponent + f.zero);
    return magnitude | (negative ? UINT32_C(1) << rs_power2_magnitude_bits(f) : 0);
}

int rs_power2_exponent(double magnitude)
{
    int e;
    const double m = 2 * frexp(magnitude, &e); /* magnitude = m * 2^(e-1), 1 <= m < 2 */
    /* The root of 2 lies below this number and above the one before it: no double is a tie. */
    return e - 1 + (m >= 0x1.6a09e667f3bcdp+0);
}

uint32_t rs_power2_quantize(double x, rs_power2 f, uint64_t *saturations)
{
    if (isinf(x))
        return code_of(x < 0, f.max_exponent + 1, f, saturations);
    const double a = fabs(x);
    /* Compared as >= so that NaN takes the other way. */
    if (!(a >= ldexp(1.0, f.min_exponent - 1)))
        return f.zero ? 0 : code_of(x < 0, f.min_exponent, f, NULL);
    return code_of(x < 0, rs_power2_exponent(a), f, saturations);
}

int32_t rs_power2_integer(uint32_t code, rs_power2 f)
{
    const uint32_t sign = UINT32_C(1) << rs_power2_magnitude_bits(f), magnitude = code & (sign - 1);
    if (f.zero && magnitude == 0)
        return 0;
    const int32_t v = INT32_C(1) << (magnitude - (f.zero ? 1U : 0U));
    return code & sign ? -v : v;
}

bool rs_power2_code(int32_t integer, rs_power2 f, uint32_t *code)
{
    *code = 0;
    if (integer == 0)
        return f.zero;
    const uint32_t a = integer < 0 ? (uint32_t) - (int64_t)integer : (uint32_t)integer;
    const int step = __builtin_ctz(a);
    if (a != UINT32_C(1) << step || step > f.max_exponent - f.min_exponent)
        return false;
    *code = code_of(integer < 0, f.min_exponent + step, f, NULL);
    return true;
}

double rs_power2_value(uint32_t code, rs_power2 f)
{
    return ldexp((double)rs_power2_integer(code, f), f.min_exponent);
}

void rs_power2_quantize_array(const float *x, size_t n, rs_power2 f, int32_t *integers, uint64_t *saturations)
{
    for (size_t i = 0; i < n; i++)
        integers[i] = rs_power2_integer(rs_power2_quantize((double)x[i], f, saturations), f);
}

/* ------------------------------------------------------------------------------------------------------- arrays */

/* A format in the terms of binary32's exponent field. */
typedef struct power2_limits {
    int32_t min, max;
    uint32_t zero_below; /* magnitudes, as bits, that are zero */
} power2_limits;

static const uint32_t INFINITE = UINT32_C(0x7f800000), FRACTION = UINT32_C(0x7fffff);
enum { EXPONENT_BIAS = 127, FRACTION_BITS = 23 };

static power2_limits limits_of(rs_power2 f)
{
    return (power2_limits) { f.min_exponent + EXPONENT_BIAS, f.max_exponent + EXPONENT_BIAS,
                             f.zero ? (uint32_t)(f.min_exponent - 1 + EXPONENT_BIAS) << FRACTION_BITS : 0 };
}

/* The bits of the number with this exponent field and the sign of x; NaN becomes the least positive number, or zero. */
RS_INLINE uint32_t power_of(uint32_t x, int32_t exponent, power2_limits l)
{
    const uint32_t magnitude = x & ~(UINT32_C(1) << 31);
    const bool number = magnitude <= INFINITE;
    const int32_t high = exponent < l.max ? exponent : l.max, any = high > l.min ? high : l.min,
                  e = number ? any : l.min;
    const uint32_t sign = number && magnitude > 0 ? x & (UINT32_C(1) << 31) : 0;
    const bool zero = (number ? magnitude : 0) < l.zero_below;
    return zero ? 0 : sign | (uint32_t)e << FRACTION_BITS;
}

RS_INLINE void emulate_nearest_body(float *x, size_t n, power2_limits l)
{
    /* The fraction of the first float above the root of 2, which no float is: from there on the exponent above is
     * nearer. */
    const uint32_t above_root = UINT32_C(0x3504f4);
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, x + i, sizeof bits);
        const int32_t exponent = (int32_t)(((bits & ~(UINT32_C(1) << 31)) + (FRACTION + 1 - above_root)) >>
                                           FRACTION_BITS);
        bits = power_of(bits, exponent, l);
        memcpy(x + i, &bits, sizeof bits);
    }
}

RS_DISPATCH_VOID(static, emulate_nearest, (float *x, size_t n, power2_limits l), (x, n, l))

/* floor(log2 |x| + u). With |x| = 2^e (1 + t), log2(1 + t) lies between t and t + 0.0861, so that t decides unless t +
 * u is close below 1. */
RS_INLINE void emulate_stochastic_body(float *x, size_t n, power2_limits l, uint64_t seed, uint64_t stream)
{
    const double reach = 0.0862;
    for (size_t from = 0; from < n; from += RS_RANDOM_LANES) {
        const size_t some = n - from < RS_RANDOM_LANES ? n - from : RS_RANDOM_LANES;
        uint64_t words[RS_RANDOM_LANES];
        uint32_t bits[RS_RANDOM_LANES] = { 0 };
        int32_t exponent[RS_RANDOM_LANES], close[RS_RANDOM_LANES];
        double u[RS_RANDOM_LANES];
        memcpy(bits, x + from, some * sizeof *bits);
        rs_random_lanes(seed, stream, from, words);
        for (int i = 0; i < RS_RANDOM_LANES; i++) {
            const uint32_t magnitude = bits[i] & ~(UINT32_C(1) << 31);
            u[i] = (double)(int64_t)(words[i] >> 11) * 0x1p-53;
            const double sum = (double)(int32_t)(magnitude & FRACTION) * 0x1p-23 + u[i];
            exponent[i] = (int32_t)(magnitude >> FRACTION_BITS) + (sum >= 1.0);
            close[i] = sum < 1.0 && sum >= 1.0 - reach;
        }
        for (size_t i = 0; i < some; i++)
            if (close[i] && exponent[i] >= l.min && exponent[i] <= l.max)
                exponent[i] = (int32_t)floor(log2(fabs((double)x[from + i])) + u[i]) + EXPONENT_BIAS;
        for (int i = 0; i < RS_RANDOM_LANES; i++)
            bits[i] = power_of(bits[i], exponent[i], l);
        memcpy(x + from, bits, some * sizeof *bits);
    }
}
RS_DISPATCH_VOID(static, emulate_stochastic, (float *x, size_t n, power2_limits l, uint64_t seed, uint64_t stream),
                 (x, n, l, seed, stream))

void rs_power2_emulate_array(float *x, size_t n, rs_power2 f)
{
    emulate_nearest(x, n, limits_of(f));
}

void rs_power2_emulate_stochastic(float *x, size_t n, rs_power2 f, uint64_t seed, uint64_t stream)
{
    emulate_stochastic(x, n, limits_of(f), seed, stream);
}
