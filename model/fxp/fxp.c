/* The rules of docs/arithmetic.md that round, shift or saturate, one function a rule. */
#include "fxp/fxp.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "fxp/cpu.h"

#define RS_INLINE static inline __attribute__((always_inline))

const char *rs_rounding_name(rs_rounding mode)
{
    static const char *const names[RS_ROUNDINGS] = { "nearest", "nearest_even", "nearest_up", "truncate",
                                                     "stochastic" };
    return (unsigned)mode < RS_ROUNDINGS ? names[mode] : "?";
}

/* ------------------------------------------------------------------------------------------ section 1: saturate */

int64_t rs_fxp_saturate(int64_t v, int bits, uint64_t *saturations)
{
    const int64_t lo = rs_fxp_min(bits), hi = rs_fxp_max(bits);
    const int64_t r = v < lo ? lo : v > hi ? hi : v;
    if (saturations)
        *saturations += r != v;
    return r;
}

int64_t rs_fxp_wrap(int64_t v, int bits)
{
    assert(bits >= 1 && bits <= 64);
    return (int64_t)((uint64_t)v << (64 - bits)) >> (64 - bits);
}

/* ------------------------------------------------------------------------------------------ section 2: rounding */

/* Rounds t + d, where t = trunc(y) and d = y - t, both exact: -1 < d < 1, d has the sign of y. Comparing d with
 * constants avoids forming y + 1/2, which is not always representable. These expressions are the table of section 2. */
#define RS_ROUND_STEP(mode, t_is_odd, d, half)                                                                     \
    ((mode) == RS_ROUND_NEAREST      ? ((d) >= (half)) - ((d) <= -(half))                                          \
     : (mode) == RS_ROUND_NEAREST_UP ? ((d) >= (half)) - ((d) < -(half))                                           \
     : (mode) == RS_ROUND_NEAREST_EVEN                                                                             \
         ? (((d) > (half)) | (((d) == (half)) & (t_is_odd))) - (((d) < -(half)) | (((d) == -(half)) & (t_is_odd))) \
         : -((d) < 0)) /* truncate: floor */

/* floor(d + u) with u = random / 2^64 cut to 53 bits. 1 - u is exact; so is the comparison on either side of zero. */
RS_INLINE int stochastic_step(double d, uint64_t random)
{
    const double u = (double)(random >> 11) * 0x1p-53;
    return d >= 0 ? d >= 1.0 - u : -(u < -d);
}

int32_t rs_fxp_quantize(double x, rs_fxp format, rs_rounding mode, uint64_t random, uint64_t *saturations)
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
    const int64_t t = (int64_t)y;
    const double d = y - (double)t;
    const int step = mode == RS_ROUND_STOCHASTIC ? stochastic_step(d, random)
                                                 : RS_ROUND_STEP(mode, (int)(t & 1), d, 0.5);
    return (int32_t)rs_fxp_saturate(t + step, format.bits, saturations);
}

double rs_fxp_value(int64_t q, int fl)
{
    return ldexp((double)q, -fl);
}

int64_t rs_fxp_shift_round(int64_t v, int shift, rs_rounding mode, uint64_t random)
{
    assert(shift >= RS_SHIFT_MIN && shift <= RS_SHIFT_MAX);
    if (shift <= 0)
        return v * (INT64_C(1) << -shift);
    const int64_t one = INT64_C(1) << shift, half = one / 2;
    const int64_t floor_v = v >> shift, rest = v & (one - 1); /* v = floor_v * 2^shift + rest, 0 <= rest < 2^shift */
    switch (mode) {
    case RS_ROUND_NEAREST:
        return floor_v + (rest > half || (rest == half && v >= 0));
    case RS_ROUND_NEAREST_EVEN:
        return floor_v + (rest > half || (rest == half && (floor_v & 1)));
    case RS_ROUND_NEAREST_UP:
        return floor_v + (rest >= half);
    case RS_ROUND_STOCHASTIC:
        return floor_v + (rest + ((int64_t)(random & (uint64_t)(one - 1))) >= one);
    case RS_ROUND_TRUNCATE:
    case RS_ROUNDINGS:
        break;
    }
    return floor_v;
}

/* ---------------------------------------------------------------------------------------- section 5: requantize */

int32_t rs_fxp_requantize(int64_t sum, bool relu, int shift, int bits, rs_rounding mode, uint64_t random,
                          uint64_t *saturations)
{
    const int64_t v = relu && sum < 0 ? 0 : sum;
    return (int32_t)rs_fxp_saturate(rs_fxp_shift_round(v, shift, mode, random), bits, saturations);
}

/* ------------------------------------------------------------------------- sections 1, 3, 4: formats and widths */

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

int rs_fxp_bits_for_bound(int64_t bound)
{
    int bits = 1;
    while (bits < 63 && bound >= INT64_C(1) << (bits - 1))
        bits++;
    return bound > rs_fxp_max(63) ? 64 : bits;
}

int64_t rs_fxp_bias(double b, rs_bias_rule rule, rs_fxp weights, int fl_in, rs_rounding mode, uint64_t *saturations)
{
    if (rule == RS_BIAS_ACCUMULATOR)
        return rs_fxp_quantize(b, (rs_fxp) { 32, weights.fl + fl_in }, mode, 0, saturations);
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

/* ------------------------------------------------------------------------------------------------------- arrays */

/* A counter of 32 bits a lane cannot overflow within a block of this many elements. */
enum { BLOCK = 1 << 20 };

/* Quantizes in float, 24 bits at most: scaling by a power of two is exact but for underflow, which the nearest modes
 * round to zero either way; every integer in reach is a float; d = y - t is exact. */
RS_INLINE uint32_t quantize_float(const float *x, size_t n, rs_fxp format, rs_rounding mode, int32_t *q,
                                  float *emulated)
{
    const float scale = (float)ldexp(1, format.fl), back = (float)ldexp(1, -format.fl);
    const int32_t lo = (int32_t)rs_fxp_min(format.bits), hi = (int32_t)rs_fxp_max(format.bits);
    const float below = (float)(lo - 1), above = (float)(hi + 1);
    uint32_t saturated = 0;
    for (size_t i = 0; i < n; i++) {
        float y = x[i] * scale;
        y = y > below ? y : below;
        y = y < above ? y : above;
        const int32_t t = (int32_t)y;
        const float d = y - (float)t;
        const int32_t v = t + RS_ROUND_STEP(mode, t & 1, d, 0.5f);
        const int32_t r = v < lo ? lo : v > hi ? hi : v;
        saturated += r != v;
        if (q)
            q[i] = r;
        if (emulated)
            emulated[i] = (float)r * back;
    }
    return saturated;
}

/* The same in double, for 25 to 31 bits and for floor, which must see the sign of the smallest values. */
RS_INLINE uint32_t quantize_double(const float *x, size_t n, rs_fxp format, rs_rounding mode, int32_t *q,
                                   float *emulated)
{
    const double scale = ldexp(1, format.fl), back = ldexp(1, -format.fl);
    const int32_t lo = (int32_t)rs_fxp_min(format.bits), hi = (int32_t)rs_fxp_max(format.bits);
    const double below = (double)lo - 1, above = (double)hi + 1;
    uint32_t saturated = 0;
    for (size_t i = 0; i < n; i++) {
        double y = (double)x[i] * scale;
        y = y > below ? y : below;
        y = y < above ? y : above;
        const int32_t t = (int32_t)y;
        const double d = y - (double)t;
        const int32_t v = t + RS_ROUND_STEP(mode, t & 1, d, 0.5);
        const int32_t r = v < lo ? lo : v > hi ? hi : v;
        saturated += r != v;
        if (q)
            q[i] = r;
        if (emulated)
            emulated[i] = (float)((double)r * back);
    }
    return saturated;
}

/* Stochastic rounding of 31 bits at most, the words drawn in blocks: the same integers as rs_fxp_quantize, element for
 * element. In double nothing of a float underflows here. */
RS_INLINE uint32_t quantize_stochastic(const float *x, size_t n, rs_fxp format, uint64_t seed, uint64_t stream,
                                       uint64_t counter, int32_t *q, float *emulated)
{
    const double scale = ldexp(1, format.fl), back = ldexp(1, -format.fl);
    const int32_t lo = (int32_t)rs_fxp_min(format.bits), hi = (int32_t)rs_fxp_max(format.bits);
    const double below = (double)lo - 1, above = (double)hi + 1;
    uint32_t saturated = 0;
    for (size_t first = 0; first < n; first += RS_RANDOM_LANES) {
        uint64_t random[RS_RANDOM_LANES];
        float in[RS_RANDOM_LANES] = { 0 };
        int32_t out[RS_RANDOM_LANES];
        const size_t some = n - first < RS_RANDOM_LANES ? n - first : RS_RANDOM_LANES;
        rs_random_lanes(seed, stream, counter + first, random);
        memcpy(in, x + first, some * sizeof *in);
        for (int i = 0; i < RS_RANDOM_LANES; i++) {
            double y = (double)in[i] * scale;
            y = y > below ? y : below;
            y = y < above ? y : above;
            const int32_t t = (int32_t)y;
            const double d = y - (double)t, u = (double)(int64_t)(random[i] >> 11) * 0x1p-53;
            /* stochastic_step, without its branch: floor(d + u) */
            const int32_t v = t + (d >= 1.0 - u) - (u < -d);
            const int32_t r = v < lo ? lo : v > hi ? hi : v;
            saturated += r != v; /* what lies behind the end is zero, which never saturates */
            out[i] = r;
        }
        for (size_t i = 0; i < some; i++) {
            if (q)
                q[first + i] = out[i];
            else
                emulated[first + i] = (float)((double)out[i] * back);
        }
    }
    return saturated;
}

typedef uint32_t stochastic_function(const float *x, size_t n, rs_fxp format, uint64_t seed, uint64_t stream,
                                     uint64_t counter, int32_t *q, float *emulated);

static uint32_t stochastic_portable(const float *x, size_t n, rs_fxp format, uint64_t seed, uint64_t stream,
                                    uint64_t counter, int32_t *q, float *emulated)
{
    return q ? quantize_stochastic(x, n, format, seed, stream, counter, q, NULL)
             : quantize_stochastic(x, n, format, seed, stream, counter, NULL, emulated);
}

#if RS_X86
RS_TARGET_AVX2
static uint32_t stochastic_avx2(const float *x, size_t n, rs_fxp format, uint64_t seed, uint64_t stream,
                                uint64_t counter, int32_t *q, float *emulated)
{
    return q ? quantize_stochastic(x, n, format, seed, stream, counter, q, NULL)
             : quantize_stochastic(x, n, format, seed, stream, counter, NULL, emulated);
}

RS_TARGET_AVX512
static uint32_t stochastic_avx512(const float *x, size_t n, rs_fxp format, uint64_t seed, uint64_t stream,
                                  uint64_t counter, int32_t *q, float *emulated)
{
    return q ? quantize_stochastic(x, n, format, seed, stream, counter, q, NULL)
             : quantize_stochastic(x, n, format, seed, stream, counter, NULL, emulated);
}
#endif

typedef uint32_t quantize_function(const float *x, size_t n, rs_fxp format, rs_rounding mode, int32_t *q,
                                   float *emulated);

/* Constants for mode and destination let the compiler specialize and vectorize each loop. */
#define RS_QUANTIZE_MODE(mode)                                                   \
    case mode:                                                                   \
        if (format.bits <= 24 && mode != RS_ROUND_TRUNCATE)                      \
            return emulated ? quantize_float(x, n, format, mode, NULL, emulated) \
                            : quantize_float(x, n, format, mode, q, NULL);       \
        return emulated ? quantize_double(x, n, format, mode, NULL, emulated)    \
                        : quantize_double(x, n, format, mode, q, NULL);

RS_INLINE uint32_t quantize_any(const float *x, size_t n, rs_fxp format, rs_rounding mode, int32_t *q, float *emulated)
{
    switch (mode) {
        RS_QUANTIZE_MODE(RS_ROUND_NEAREST)
        RS_QUANTIZE_MODE(RS_ROUND_NEAREST_EVEN)
        RS_QUANTIZE_MODE(RS_ROUND_NEAREST_UP)
    default:
        RS_QUANTIZE_MODE(RS_ROUND_TRUNCATE)
    }
}

static uint32_t quantize_portable(const float *x, size_t n, rs_fxp format, rs_rounding mode, int32_t *q,
                                  float *emulated)
{
    return quantize_any(x, n, format, mode, q, emulated);
}

#if RS_X86
RS_TARGET_AVX2
static uint32_t quantize_avx2(const float *x, size_t n, rs_fxp format, rs_rounding mode, int32_t *q, float *emulated)
{
    return quantize_any(x, n, format, mode, q, emulated);
}

RS_TARGET_AVX512
static uint32_t quantize_avx512(const float *x, size_t n, rs_fxp format, rs_rounding mode, int32_t *q, float *emulated)
{
    return quantize_any(x, n, format, mode, q, emulated);
}
#endif

static void quantize_array(const float *x, size_t n, rs_fxp format, rs_rounding mode, uint64_t seed, uint64_t stream,
                           int32_t *q, float *emulated, uint64_t *saturations)
{
    uint64_t saturated = 0;
    if (mode == RS_ROUND_STOCHASTIC && format.bits <= 31) {
        stochastic_function *run = stochastic_portable;
#if RS_X86
        const rs_cpu cpu = rs_cpu_level();
        run = cpu >= RS_CPU_AVX512 ? stochastic_avx512 : cpu == RS_CPU_AVX2 ? stochastic_avx2 : stochastic_portable;
#endif
        for (size_t i = 0; i < n; i += BLOCK) {
            const size_t some = n - i < BLOCK ? n - i : BLOCK;
            saturated += run(x + i, some, format, seed, stream, i, q ? q + i : NULL, q ? NULL : emulated + i);
        }
    } else if (format.bits > 31) {
        const bool draw = mode == RS_ROUND_STOCHASTIC;
        for (size_t i = 0; i < n; i++) {
            const uint64_t random = draw ? rs_random_u64(seed, stream, i) : 0;
            const int32_t r = rs_fxp_quantize((double)x[i], format, mode, random, &saturated);
            if (q)
                q[i] = r;
            else
                emulated[i] = (float)rs_fxp_value(r, format.fl);
        }
    } else {
        quantize_function *run = quantize_portable;
#if RS_X86
        const rs_cpu cpu = rs_cpu_level();
        run = cpu >= RS_CPU_AVX512 ? quantize_avx512 : cpu == RS_CPU_AVX2 ? quantize_avx2 : quantize_portable;
#endif
        for (size_t i = 0; i < n; i += BLOCK) {
            const size_t some = n - i < BLOCK ? n - i : BLOCK;
            saturated += run(x + i, some, format, mode, q ? q + i : NULL, q ? NULL : emulated + i);
        }
    }
    if (saturations)
        *saturations += saturated;
}

void rs_fxp_quantize_array(const float *x, size_t n, rs_fxp format, rs_rounding mode, uint64_t seed, uint64_t stream,
                           int32_t *q, uint64_t *saturations)
{
    quantize_array(x, n, format, mode, seed, stream, q, NULL, saturations);
}

/* As rs_fxp_quantize, element by element. */
RS_INLINE uint32_t quantize_wide(const double *x, size_t n, rs_fxp format, rs_rounding mode, int32_t *q)
{
    const double scale = ldexp(1, format.fl);
    const int32_t lo = (int32_t)rs_fxp_min(format.bits), hi = (int32_t)rs_fxp_max(format.bits);
    const double below = (double)lo - 1, above = (double)hi + 1;
    uint32_t saturated = 0;
    for (size_t i = 0; i < n; i++) {
        double y = x[i] * scale;
        y = y == 0 && x[i] < 0 ? -0x1p-1022 : y; /* underflow: floor looks at the sign */
        y = y > below ? y : below;
        y = y < above ? y : above;
        const int32_t t = (int32_t)y;
        const double d = y - (double)t;
        const int32_t v = t + RS_ROUND_STEP(mode, t & 1, d, 0.5);
        const int32_t r = v < lo ? lo : v > hi ? hi : v;
        saturated += r != v;
        q[i] = r;
    }
    return saturated;
}

#define RS_WIDE_MODE(mode) \
    case mode:             \
        return quantize_wide(x, n, format, mode, q);

RS_INLINE uint32_t quantize_wide_any(const double *x, size_t n, rs_fxp format, rs_rounding mode, int32_t *q)
{
    switch (mode) {
        RS_WIDE_MODE(RS_ROUND_NEAREST)
        RS_WIDE_MODE(RS_ROUND_NEAREST_EVEN)
        RS_WIDE_MODE(RS_ROUND_NEAREST_UP)
    default:
        RS_WIDE_MODE(RS_ROUND_TRUNCATE)
    }
}

static uint32_t quantize_wide_portable(const double *x, size_t n, rs_fxp format, rs_rounding mode, int32_t *q)
{
    return quantize_wide_any(x, n, format, mode, q);
}

#if RS_X86
RS_TARGET_AVX2
static uint32_t quantize_wide_avx2(const double *x, size_t n, rs_fxp format, rs_rounding mode, int32_t *q)
{
    return quantize_wide_any(x, n, format, mode, q);
}

RS_TARGET_AVX512
static uint32_t quantize_wide_avx512(const double *x, size_t n, rs_fxp format, rs_rounding mode, int32_t *q)
{
    return quantize_wide_any(x, n, format, mode, q);
}
#endif

void rs_fxp_quantize_doubles(const double *x, size_t n, rs_fxp format, rs_rounding mode, int32_t *q,
                             uint64_t *saturations)
{
    assert(mode != RS_ROUND_STOCHASTIC && format.bits <= 31);
    uint64_t saturated = 0;
    uint32_t (*run)(const double *, size_t, rs_fxp, rs_rounding, int32_t *) = quantize_wide_portable;
#if RS_X86
    const rs_cpu cpu = rs_cpu_level();
    run = cpu >= RS_CPU_AVX512 ? quantize_wide_avx512
          : cpu == RS_CPU_AVX2 ? quantize_wide_avx2
                               : quantize_wide_portable;
#endif
    for (size_t i = 0; i < n; i += BLOCK)
        saturated += run(x + i, n - i < BLOCK ? n - i : BLOCK, format, mode, q + i);
    if (saturations)
        *saturations += saturated;
}

void rs_fxp_emulate_array(float *x, size_t n, rs_fxp format, rs_rounding mode, uint64_t seed, uint64_t stream)
{
    quantize_array(x, n, format, mode, seed, stream, NULL, x, NULL);
}

/* Requantize of 32-bit sums in 32-bit arithmetic: no step below can overflow. */
RS_INLINE uint32_t requantize_right(const int32_t *sum, size_t n, bool relu, int shift, int bits, rs_rounding mode,
                                    int32_t *q)
{
    const int32_t lo = (int32_t)rs_fxp_min(bits), hi = (int32_t)rs_fxp_max(bits);
    const int32_t half = INT32_C(1) << (shift - 1), mask = (int32_t)((UINT32_C(1) << shift) - 1);
    uint32_t saturated = 0;
    for (size_t i = 0; i < n; i++) {
        const int32_t v = relu && sum[i] < 0 ? 0 : sum[i];
        const int32_t floor_v = v >> shift, rest = v & mask;
        int32_t up = 0;
        if (mode == RS_ROUND_NEAREST)
            up = (rest > half) | ((rest == half) & (v >= 0));
        else if (mode == RS_ROUND_NEAREST_EVEN)
            up = (rest > half) | ((rest == half) & (floor_v & 1));
        else if (mode == RS_ROUND_NEAREST_UP)
            up = rest >= half;
        const int32_t y = floor_v + up;
        const int32_t r = y < lo ? lo : y > hi ? hi : y;
        saturated += r != y;
        q[i] = r;
    }
    return saturated;
}

/* shift = -left <= 0: what exceeds the range divided by 2^left saturates, the rest is multiplied without overflow. */
RS_INLINE uint32_t requantize_left(const int32_t *sum, size_t n, bool relu, int left, int bits, int32_t *q)
{
    const int32_t lo = (int32_t)rs_fxp_min(bits), hi = (int32_t)rs_fxp_max(bits);
    const int32_t least = left < bits ? lo / (INT32_C(1) << left) : 0, most = hi >> left, factor = INT32_C(1) << left;
    uint32_t saturated = 0;
    for (size_t i = 0; i < n; i++) {
        const int32_t v = relu && sum[i] < 0 ? 0 : sum[i];
        const bool under = v<least, over = v> most;
        saturated += under | over;
        const int32_t inside = (under | over) ? 0 : v;
        q[i] = under ? lo : over ? hi : inside * factor;
    }
    return saturated;
}

typedef uint32_t requantize_function(const int32_t *sum, size_t n, bool relu, int shift, int bits, rs_rounding mode,
                                     int32_t *q);

#define RS_REQUANTIZE_MODE(mode)                                           \
    case mode:                                                             \
        return relu ? requantize_right(sum, n, true, shift, bits, mode, q) \
                    : requantize_right(sum, n, false, shift, bits, mode, q);

RS_INLINE uint32_t requantize_any(const int32_t *sum, size_t n, bool relu, int shift, int bits, rs_rounding mode,
                                  int32_t *q)
{
    if (shift <= 0)
        return requantize_left(sum, n, relu, -shift, bits, q);
    switch (mode) {
        RS_REQUANTIZE_MODE(RS_ROUND_NEAREST)
        RS_REQUANTIZE_MODE(RS_ROUND_NEAREST_EVEN)
        RS_REQUANTIZE_MODE(RS_ROUND_NEAREST_UP)
    default:
        RS_REQUANTIZE_MODE(RS_ROUND_TRUNCATE)
    }
}

static uint32_t requantize_portable(const int32_t *sum, size_t n, bool relu, int shift, int bits, rs_rounding mode,
                                    int32_t *q)
{
    return requantize_any(sum, n, relu, shift, bits, mode, q);
}

#if RS_X86
RS_TARGET_AVX2
static uint32_t requantize_avx2(const int32_t *sum, size_t n, bool relu, int shift, int bits, rs_rounding mode,
                                int32_t *q)
{
    return requantize_any(sum, n, relu, shift, bits, mode, q);
}

RS_TARGET_AVX512
static uint32_t requantize_avx512(const int32_t *sum, size_t n, bool relu, int shift, int bits, rs_rounding mode,
                                  int32_t *q)
{
    return requantize_any(sum, n, relu, shift, bits, mode, q);
}
#endif

void rs_fxp_requantize_array(const int32_t *sum, size_t n, bool relu, int shift, int bits, rs_rounding mode, int32_t *q,
                             uint64_t *saturations)
{
    assert(mode != RS_ROUND_STOCHASTIC);
    uint64_t saturated = 0;
    if (shift > 30) {
        for (size_t i = 0; i < n; i++)
            q[i] = rs_fxp_requantize(sum[i], relu, shift, bits, mode, 0, &saturated);
    } else {
        requantize_function *run = requantize_portable;
#if RS_X86
        const rs_cpu cpu = rs_cpu_level();
        run = cpu >= RS_CPU_AVX512 ? requantize_avx512 : cpu == RS_CPU_AVX2 ? requantize_avx2 : requantize_portable;
#endif
        for (size_t i = 0; i < n; i += BLOCK)
            saturated += run(sum + i, n - i < BLOCK ? n - i : BLOCK, relu, shift, bits, mode, q + i);
    }
    if (saturations)
        *saturations += saturated;
}

/* The same with a shift a channel, all from 1 to 30. */
RS_INLINE uint32_t requantize_row(const int32_t *sum, size_t n, bool relu, const int32_t *shifts, int bits,
                                  rs_rounding mode, int32_t *q)
{
    const int32_t lo = (int32_t)rs_fxp_min(bits), hi = (int32_t)rs_fxp_max(bits);
    uint32_t saturated = 0;
    for (size_t i = 0; i < n; i++) {
        const int32_t half = (int32_t)(UINT32_C(1) << (shifts[i] - 1)),
                      mask = (int32_t)((UINT32_C(1) << shifts[i]) - 1);
        const int32_t v = relu && sum[i] < 0 ? 0 : sum[i];
        const int32_t floor_v = v >> shifts[i], rest = v & mask;
        int32_t up = 0;
        if (mode == RS_ROUND_NEAREST)
            up = (rest > half) | ((rest == half) & (v >= 0));
        else if (mode == RS_ROUND_NEAREST_EVEN)
            up = (rest > half) | ((rest == half) & (floor_v & 1));
        else if (mode == RS_ROUND_NEAREST_UP)
            up = rest >= half;
        const int32_t y = floor_v + up;
        const int32_t r = y < lo ? lo : y > hi ? hi : y;
        saturated += r != y;
        q[i] = r;
    }
    return saturated;
}

#define RS_ROW_MODE(mode) \
    case mode:            \
        return requantize_row(sum, n, relu, shifts, bits, mode, q);

RS_INLINE uint32_t requantize_row_any(const int32_t *sum, size_t n, bool relu, const int32_t *shifts, int bits,
                                      rs_rounding mode, int32_t *q)
{
    switch (mode) {
        RS_ROW_MODE(RS_ROUND_NEAREST)
        RS_ROW_MODE(RS_ROUND_NEAREST_EVEN)
        RS_ROW_MODE(RS_ROUND_NEAREST_UP)
    default:
        RS_ROW_MODE(RS_ROUND_TRUNCATE)
    }
}

typedef uint32_t row_function(const int32_t *sum, size_t n, bool relu, const int32_t *shifts, int bits,
                              rs_rounding mode, int32_t *q);

static uint32_t requantize_row_portable(const int32_t *sum, size_t n, bool relu, const int32_t *shifts, int bits,
                                        rs_rounding mode, int32_t *q)
{
    return requantize_row_any(sum, n, relu, shifts, bits, mode, q);
}

#if RS_X86
RS_TARGET_AVX2
static uint32_t requantize_row_avx2(const int32_t *sum, size_t n, bool relu, const int32_t *shifts, int bits,
                                    rs_rounding mode, int32_t *q)
{
    return requantize_row_any(sum, n, relu, shifts, bits, mode, q);
}

RS_TARGET_AVX512
static uint32_t requantize_row_avx512(const int32_t *sum, size_t n, bool relu, const int32_t *shifts, int bits,
                                      rs_rounding mode, int32_t *q)
{
    return requantize_row_any(sum, n, relu, shifts, bits, mode, q);
}
#endif

void rs_fxp_requantize_channels(const int32_t *sum, size_t rows, size_t channels, bool relu, const int32_t *shifts,
                                int bits, rs_rounding mode, int32_t *q, uint64_t *saturations)
{
    assert(mode != RS_ROUND_STOCHASTIC);
    uint64_t saturated = 0;
    bool within = true;
    for (size_t c = 0; c < channels; c++)
        within = within && shifts[c] >= 1 && shifts[c] <= 30;
    row_function *run = requantize_row_portable;
#if RS_X86
    const rs_cpu cpu = rs_cpu_level();
    run = cpu >= RS_CPU_AVX512 ? requantize_row_avx512
          : cpu == RS_CPU_AVX2 ? requantize_row_avx2
                               : requantize_row_portable;
#endif
    for (size_t r = 0; r < rows; r++, sum += channels, q += channels) {
        if (within)
            saturated += run(sum, channels, relu, shifts, bits, mode, q);
        else
            for (size_t c = 0; c < channels; c++)
                q[c] = rs_fxp_requantize(sum[c], relu, shifts[c], bits, mode, 0, &saturated);
    }
    if (saturations)
        *saturations += saturated;
}

/* 64-bit arithmetic throughout; shifts and products stay below 2^63 because |sum| < 2^48. The shift is to the right,
 * or there is none and the sums are multiplied by a factor. */
RS_INLINE uint64_t requantize_wide(const double *sum, size_t n, bool relu, int shift, int bits, rs_rounding mode,
                                   int32_t *q)
{
    const int64_t lo = rs_fxp_min(bits), hi = rs_fxp_max(bits);
    const int64_t one = INT64_C(1) << shift, half = one / 2;
    uint64_t saturated = 0;
    for (size_t i = 0; i < n; i++) {
        const int64_t s = (int64_t)sum[i], v = relu && s < 0 ? 0 : s;
        const int64_t floor_v = v >> shift, rest = v & (one - 1);
        int64_t up = 0;
        if (mode == RS_ROUND_NEAREST)
            up = (rest > half) | ((rest == half) & (v >= 0));
        else if (mode == RS_ROUND_NEAREST_EVEN)
            up = (rest > half) | ((rest == half) & (floor_v & 1));
        else if (mode == RS_ROUND_NEAREST_UP)
            up = rest >= half;
        const int64_t y = floor_v + up;
        const int64_t r = y < lo ? lo : y > hi ? hi : y;
        saturated += r != y;
        q[i] = (int32_t)r;
    }
    return saturated;
}

RS_INLINE uint64_t requantize_wide_left(const double *sum, size_t n, bool relu, int64_t factor, int bits, int32_t *q)
{
    const int64_t lo = rs_fxp_min(bits), hi = rs_fxp_max(bits);
    uint64_t saturated = 0;
    for (size_t i = 0; i < n; i++) {
        const int64_t s = (int64_t)sum[i], y = (relu && s < 0 ? 0 : s) * factor;
        const int64_t r = y < lo ? lo : y > hi ? hi : y;
        saturated += r != y;
        q[i] = (int32_t)r;
    }
    return saturated;
}

typedef uint64_t requantize_wide_function(const double *sum, size_t n, bool relu, int shift, int bits, rs_rounding mode,
                                          int32_t *q);

#define RS_REQUANTIZE_WIDE_MODE(mode)                                     \
    case mode:                                                            \
        return relu ? requantize_wide(sum, n, true, shift, bits, mode, q) \
                    : requantize_wide(sum, n, false, shift, bits, mode, q);

RS_INLINE uint64_t requantize_wide_any(const double *sum, size_t n, bool relu, int shift, int bits, rs_rounding mode,
                                       int32_t *q)
{
    if (shift <= 0)
        return requantize_wide_left(sum, n, relu, INT64_C(1) << -shift, bits, q);
    switch (mode) {
        RS_REQUANTIZE_WIDE_MODE(RS_ROUND_NEAREST)
        RS_REQUANTIZE_WIDE_MODE(RS_ROUND_NEAREST_EVEN)
        RS_REQUANTIZE_WIDE_MODE(RS_ROUND_NEAREST_UP)
    default:
        RS_REQUANTIZE_WIDE_MODE(RS_ROUND_TRUNCATE)
    }
}

static uint64_t requantize_wide_portable(const double *sum, size_t n, bool relu, int shift, int bits, rs_rounding mode,
                                         int32_t *q)
{
    return requantize_wide_any(sum, n, relu, shift, bits, mode, q);
}

#if RS_X86
RS_TARGET_AVX512
static uint64_t requantize_wide_avx512(const double *sum, size_t n, bool relu, int shift, int bits, rs_rounding mode,
                                       int32_t *q)
{
    return requantize_wide_any(sum, n, relu, shift, bits, mode, q);
}
#endif

void rs_fxp_requantize_doubles(const double *sum, size_t n, bool relu, int shift, int bits, rs_rounding mode,
                               int32_t *q, uint64_t *saturations)
{
    assert(mode != RS_ROUND_STOCHASTIC && shift >= RS_SHIFT_MIN && shift <= RS_SHIFT_MAX);
    requantize_wide_function *run = requantize_wide_portable;
#if RS_X86
    if (rs_cpu_level() >= RS_CPU_AVX512) /* AVX2 has no 64-bit arithmetic shift, nor the conversion */
        run = requantize_wide_avx512;
#endif
    uint64_t saturated = 0;
    for (size_t i = 0; i < n; i += BLOCK)
        saturated += run(sum + i, n - i < BLOCK ? n - i : BLOCK, relu, shift, bits, mode, q + i);
    if (saturations)
        *saturations += saturated;
}

void rs_fxp_affine(const float *x, size_t n, float scale, int32_t zero, int32_t least, int32_t most, float *y)
{
    /* q - zero is limited instead of q: the same values, whole numbers that a float holds exactly. */
    const float low = (float)(least - zero), high = (float)(most - zero);
    for (size_t i = 0; i < n; i++) {
        const float r = rintf(x[i] / scale);
        y[i] = (r >= low ? (r <= high ? r : high) : low) * scale;
    }
}
