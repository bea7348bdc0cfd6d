/* docs/arithmetic.md section 11. */
#include "fxp/power2.h"

#include <math.h>

#include "base/rng.h"

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
    const uint32_t a = integer < 0 ? (uint32_t)-(int64_t)integer : (uint32_t)integer;
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

void rs_power2_emulate_array(float *x, size_t n, rs_power2 f)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (float)rs_power2_value(rs_power2_quantize((double)x[i], f, NULL), f);
}

void rs_power2_emulate_stochastic(float *x, size_t n, rs_power2 f, uint64_t seed, uint64_t stream)
{
    for (size_t i = 0; i < n; i++) {
        const double a = fabs((double)x[i]);
        uint32_t code;
        if (a >= ldexp(1.0, f.min_exponent)) {
            const double u = (double)(rs_random_u64(seed, stream, i) >> 11) * 0x1p-53;
            code = code_of(x[i] < 0, (int)floor(log2(a) + u), f, NULL);
        } else {
            code = rs_power2_quantize((double)x[i], f, NULL);
        }
        x[i] = (float)rs_power2_value(code, f);
    }
}
