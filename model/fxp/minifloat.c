/* docs/arithmetic.md section 10. The codes of the numbers >= 0 in their order are 0, 1, 2, ...: rounding finds the two
 * codes around a value and takes one. */
#include "fxp/minifloat.h"

#include <assert.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "fxp/cpu.h"

#define RS_INLINE static inline __attribute__((always_inline))

__extension__ typedef unsigned __int128 wide128;

/* ------------------------------------------------------------------------------------------------------ formats */

static const struct {
    const char *name;
    rs_minifloat format;
} presets[] = {
    { "e4m3", { 4, 3, 7, true, RS_MINIFLOAT_NAN } },        { "e5m2", { 5, 2, 15, true, RS_MINIFLOAT_IEEE } },
    { "e3m2", { 3, 2, 3, true, RS_MINIFLOAT_FINITE } },     { "e2m3", { 2, 3, 1, true, RS_MINIFLOAT_FINITE } },
    { "e2m1", { 2, 1, 1, true, RS_MINIFLOAT_FINITE } },     { "bfloat16", { 8, 7, 127, true, RS_MINIFLOAT_IEEE } },
    { "binary16", { 5, 10, 15, true, RS_MINIFLOAT_IEEE } },
};
enum { PRESETS = sizeof presets / sizeof *presets };

rs_minifloat rs_minifloat_plain(int exponent_bits, int mantissa_bits)
{
    return (rs_minifloat) { .exponent_bits = exponent_bits,
                            .mantissa_bits = mantissa_bits,
                            .bias = (1 << (exponent_bits - 1)) - 1 };
}

bool rs_minifloat_legal(rs_minifloat f)
{
    if (f.exponent_bits < 1 || f.exponent_bits > 8 || f.mantissa_bits < 0 || f.mantissa_bits > 10)
        return false;
    if (rs_minifloat_bits(f) > RS_MINIFLOAT_MAX_BITS || f.bias < -64 || f.bias > 127)
        return false;
    if ((unsigned)f.special > RS_MINIFLOAT_IEEE)
        return false;
    /* At least one number besides zero. */
    return rs_minifloat_sign(f) > 1 && rs_minifloat_max_code(f) >= 1 && rs_minifloat_max_code(f) < rs_minifloat_sign(f);
}

bool rs_minifloat_equal(rs_minifloat a, rs_minifloat b)
{
    return a.exponent_bits == b.exponent_bits && a.mantissa_bits == b.mantissa_bits && a.bias == b.bias &&
           a.subnormals == b.subnormals && a.special == b.special;
}

bool rs_minifloat_parse(const char *text, rs_minifloat *format)
{
    for (int i = 0; i < PRESETS; i++)
        if (strcmp(text, presets[i].name) == 0) {
            *format = presets[i].format;
            return true;
        }
    /* One digit for the exponent, one or two for the mantissa. */
    const char *k = text[0] >= '1' && text[0] <= '8' && text[1] == ':' ? text + 2 : "";
    const size_t digits = strspn(k, "0123456789");
    if (digits < 1 || digits > 2 || k[digits] != '\0' || (digits == 2 && k[0] == '0'))
        return false;
    const int mantissa = digits == 2 ? (k[0] - '0') * 10 + k[1] - '0' : k[0] - '0';
    *format = rs_minifloat_plain(text[0] - '0', mantissa);
    return rs_minifloat_legal(*format);
}

const char *rs_minifloat_name(rs_minifloat format, char *buffer, size_t size)
{
    const char *preset = "?";
    for (int i = 0; i < PRESETS; i++)
        if (rs_minifloat_equal(presets[i].format, format))
            preset = presets[i].name;
    if (rs_minifloat_legal(format) &&
        rs_minifloat_equal(format, rs_minifloat_plain(format.exponent_bits, format.mantissa_bits)))
        snprintf(buffer, size, "%d:%d", format.exponent_bits, format.mantissa_bits);
    else
        snprintf(buffer, size, "%s", preset);
    return buffer;
}

int rs_minifloat_fl(rs_minifloat f)
{
    return f.bias + f.mantissa_bits - f.subnormals;
}

int rs_minifloat_integer_bits(rs_minifloat f)
{
    const int top = (int)(rs_minifloat_max_code(f) >> f.mantissa_bits);
    return f.mantissa_bits + 1 + top - f.subnormals;
}

/* Of a magnitude, also of the one that would follow the largest. */
static int significand_of(uint32_t magnitude, rs_minifloat f, int32_t *significand)
{
    *significand = 0;
    if (magnitude == 0)
        return 0;
    const int field = (int)(magnitude >> f.mantissa_bits);
    const bool hidden = field > 0 || !f.subnormals;
    const int32_t mantissa = (int32_t)(magnitude & ((UINT32_C(1) << f.mantissa_bits) - 1));
    *significand = mantissa + (hidden ? INT32_C(1) << f.mantissa_bits : 0);
    return (hidden ? field : 1) - f.bias - f.mantissa_bits;
}

int rs_minifloat_significand(uint32_t code, rs_minifloat f, int32_t *significand)
{
    const int exponent = significand_of(code & (rs_minifloat_sign(f) - 1), f, significand);
    if (code & rs_minifloat_sign(f))
        *significand = -*significand;
    return exponent;
}

double rs_minifloat_value(uint32_t code, rs_minifloat f)
{
    const uint32_t magnitude = code & (rs_minifloat_sign(f) - 1);
    if (magnitude > rs_minifloat_max_code(f)) {
        const bool infinite = f.special == RS_MINIFLOAT_IEEE && magnitude == rs_minifloat_max_code(f) + 1;
        return infinite ? (code & rs_minifloat_sign(f) ? -INFINITY : INFINITY) : NAN;
    }
    int32_t significand;
    const int exponent = rs_minifloat_significand(code, f, &significand);
    return ldexp((double)significand, exponent);
}

/* ----------------------------------------------------------------------------------------------------- rounding */

/* A real number that is not zero: (m + a little more if `sticky`) * 2^e, m > 0; "a little" is above 0 and below 1.
 * `sticky` only with m >= 2^63. */
typedef struct real {
    bool negative, sticky;
    uint64_t m;
    int e;
} real;

/* Where a value lies between the numbers of codes c and c + 1: -1, 0, 1 below, at, above the middle. */
typedef struct place {
    uint32_t code;
    bool exact; /* it is the number of `code` */
    int middle;
} place;

static int top_of(const real *x)
{
    return x->e + 63 - __builtin_clzll(x->m);
}

/* x / 2^exponent against v, v < 2^32. */
static int compare(const real *x, uint64_t v, int exponent)
{
    const int top = top_of(x) - exponent; /* x / 2^exponent in [2^top, 2^(top+1)) */
    if (top < 0 || top > 40)
        return top < 0 ? (v > 0 ? -1 : 1) : 1;
    const int shift = x->e - exponent;
    if (shift >= 0)
        return x->m << shift > v ? 1 : x->m << shift < v ? -1 : x->sticky;
    const uint64_t whole = shift > -64 ? x->m >> -shift : 0;
    const bool rest = x->sticky || whole << -shift != x->m;
    return whole > v ? 1 : whole < v ? -1 : rest;
}

/* The codes around x, beyond the largest number as if the exponent went on. */
static place find(const real *x, rs_minifloat f)
{
    const int k = f.mantissa_bits, least = f.subnormals ? 1 : 0;
    int field = top_of(x) + f.bias;
    if (!f.subnormals) {
        /* Between zero and the first number there is one wide step. */
        int32_t first;
        const int exponent = rs_minifloat_significand(1, f, &first);
        if (compare(x, (uint64_t)first, exponent) < 0)
            return (place) { .code = 0, .middle = compare(x, (uint64_t)first, exponent - 1) };
    }
    if (field < least)
        field = least;
    if (field > 300) /* far beyond every format */
        return (place) { .code = UINT32_C(1) << 20, .exact = true };
    const int shift = field - f.bias - k - x->e; /* of m, down to steps of this binade */
    uint64_t steps, rest = 0, half = 0;
    bool sticky = x->sticky;
    if (shift <= 0) {
        steps = x->m << -shift;
    } else if (shift < 64) {
        steps = x->m >> shift;
        rest = x->m & ((UINT64_C(1) << shift) - 1);
        half = UINT64_C(1) << (shift - 1);
    } else {
        /* Less than one step; at 64 the half is 2^63, from 65 on everything lies below it. */
        steps = 0;
        rest = shift == 64 ? x->m : 1;
        half = UINT64_C(1) << 63;
    }
    return (place) { .code = (uint32_t)(((uint64_t)field << k) + steps) - (UINT32_C(1) << k),
                     .exact = rest == 0 && !sticky,
                     .middle = rest > half   ? 1
                               : rest < half ? -1
                                             : sticky };
}

/* Stochastic rounding: does a magnitude go up from `code`? x has at most 53 bits. d is how far x has gone from one
 * number to the next: d >= 1 - u for x > 0, d > u for x < 0; u = word / 2^53. All in integers. */
static bool goes_up(const real *x, rs_minifloat f, uint32_t code, uint64_t random)
{
    const uint64_t word = random >> 11, threshold = x->negative ? word : (UINT64_C(1) << 53) - word;
    int32_t low, high;
    int low_exponent = significand_of(code, f, &low);
    const int high_exponent = significand_of(code + 1, f, &high);
    if (low == 0)
        low_exponent = high_exponent;
    /* Numbers in steps of 2^exponent: low, low + step; x - low = (m * 2^a - low) of those. */
    const int exponent = low_exponent;
    const uint64_t step = (uint64_t)high * (UINT64_C(1) << (high_exponent - exponent)) - (uint64_t)low;
    const int shift = x->e - exponent;
    /* (m * 2^shift - low) * 2^53 against threshold * step. */
    const wide128 limit = (wide128)threshold * step;
    wide128 distance;
    bool beyond = false;
    if (shift >= 0) {
        distance = (((wide128)x->m << shift) - (wide128)low) << 53;
    } else if (shift > -54) {
        distance = ((wide128)x->m << (53 + shift)) - ((wide128)low << 53);
    } else {
        /* low is zero or m has its bits below the steps: what is lost counts as a little more. */
        const int down = -shift - 53;
        distance = (down < 64 ? (wide128)(x->m >> down) : 0) - ((wide128)low << 53);
        beyond = down >= 64 || (x->m & ((UINT64_C(1) << down) - 1)) != 0;
    }
    return x->negative ? distance > limit || (distance == limit && beyond) : distance >= limit;
}

static uint32_t round_real(const real *x, rs_minifloat f, rs_rounding mode, uint64_t random, uint64_t *saturations)
{
    const place p = find(x, f);
    uint32_t code = p.code;
    if (!p.exact)
        switch (mode) {
        case RS_ROUND_NEAREST:
            code += p.middle >= 0;
            break;
        case RS_ROUND_NEAREST_UP:
            code += p.middle > 0 || (p.middle == 0 && !x->negative);
            break;
        case RS_ROUND_TRUNCATE:
            code += x->negative;
            break;
        case RS_ROUND_STOCHASTIC:
            code += p.code <= rs_minifloat_max_code(f) && goes_up(x, f, p.code, random);
            break;
        case RS_ROUND_NEAREST_EVEN:
        default:
            code += p.middle > 0 || (p.middle == 0 && (p.code & 1));
            break;
        }
    if (code > rs_minifloat_max_code(f)) {
        code = rs_minifloat_max_code(f);
        if (saturations != NULL)
            *saturations += 1;
    }
    return code == 0 || !x->negative ? code : code | rs_minifloat_sign(f);
}

static real real_of_double(double x)
{
    int e;
    const double fraction = frexp(fabs(x), &e); /* 53 bits */
    return (real) { .negative = x < 0, .m = (uint64_t)ldexp(fraction, 53), .e = e - 53 };
}

uint32_t rs_minifloat_quantize(double x, rs_minifloat format, rs_rounding mode, uint64_t random, uint64_t *saturations)
{
    if (mode != RS_ROUND_STOCHASTIC) {
        /* A normal number: what is added to the bits of the double carries into the code exactly where rounding goes
         * up. To the nearest: half a step of the format; less one where a tie does not go up. To the lower: a step less
         * one, of negative numbers. */
        uint64_t bits;
        memcpy(&bits, &x, sizeof bits);
        const int down = 52 - format.mantissa_bits, exponent = (int)(bits >> 52 & 0x7ff) - 1023 + format.bias;
        const uint64_t magnitude = bits & (UINT64_MAX >> 1);
        if (exponent >= 1 && exponent < 1 << format.exponent_bits) {
            const uint64_t offset = (uint64_t)(1023 - format.bias) << format.mantissa_bits;
            const uint64_t odd = ((magnitude >> down) - offset) & 1, half = UINT64_C(1) << (down - 1),
                           negative = bits >> 63;
            const uint64_t add = mode == RS_ROUND_NEAREST        ? half
                                 : mode == RS_ROUND_NEAREST_UP   ? half - negative
                                 : mode == RS_ROUND_NEAREST_EVEN ? half - 1 + odd
                                 : negative                      ? 2 * half - 1
                                                                 : 0;
            const uint64_t code = ((magnitude + add) >> down) - offset;
            if (code <= rs_minifloat_max_code(format))
                return (uint32_t)code | (bits >> 63 ? rs_minifloat_sign(format) : 0);
        }
    }
    if (x == 0 || isnan(x))
        return 0;
    const real r = real_of_double(isinf(x) ? copysign(0x1p1000, x) : x);
    return round_real(&r, format, mode, random, saturations);
}

uint32_t rs_minifloat_requantize(int64_t sum, int fl, bool relu, rs_minifloat format, rs_rounding mode,
                                 uint64_t *saturations)
{
    if (sum == 0 || (relu && sum < 0))
        return 0;
    const real r = { .negative = sum < 0, .m = sum < 0 ? -(uint64_t)sum : (uint64_t)sum, .e = -fl };
    return round_real(&r, format, mode, 0, saturations);
}

uint32_t rs_minifloat_convert(double x, rs_minifloat f)
{
    const uint32_t sign = signbit(x) ? rs_minifloat_sign(f) : 0;
    if (isnan(x))
        return f.special == RS_MINIFLOAT_FINITE ? 0 : sign | (rs_minifloat_sign(f) - 1);
    uint64_t saturated = 0;
    const uint32_t code = rs_minifloat_quantize(x, f, RS_ROUND_NEAREST_EVEN, 0, &saturated);
    if (code == 0)
        return sign;
    return saturated > 0 && f.special != RS_MINIFLOAT_FINITE ? code + 1 : code;
}

/* ---------------------------------------------------------------------------------------------------- wide sums */

void rs_wide_add(rs_wide *sum, int64_t v, int shift)
{
    assert(shift >= 0 && shift <= 64 * RS_WIDE_LIMBS - 64);
    const int limb = shift / 64, bits = shift % 64;
    const uint64_t extension = v < 0 ? UINT64_MAX : 0, low = (uint64_t)v;
    uint64_t carry = 0;
    for (int i = limb; i < RS_WIDE_LIMBS; i++) {
        uint64_t addend = extension;
        if (i == limb)
            addend = low << bits;
        else if (i == limb + 1 && bits > 0)
            addend = low >> (64 - bits) | extension << bits;
        const wide128 total = (wide128)sum->limb[i] + addend + carry;
        sum->limb[i] = (uint64_t)total;
        carry = (uint64_t)(total >> 64);
    }
}

uint32_t rs_minifloat_requantize_wide(const rs_wide *sum, int fl, bool relu, rs_minifloat format, rs_rounding mode,
                                      uint64_t *saturations)
{
    uint64_t magnitude[RS_WIDE_LIMBS];
    const bool negative = sum->limb[RS_WIDE_LIMBS - 1] >> 63;
    uint64_t carry = negative;
    int top = -1; /* the highest limb that is not zero */
    for (int i = 0; i < RS_WIDE_LIMBS; i++) {
        const wide128 total = (wide128)(negative ? ~sum->limb[i] : sum->limb[i]) + carry;
        magnitude[i] = (uint64_t)total;
        carry = (uint64_t)(total >> 64);
        if (magnitude[i] != 0)
            top = i;
    }
    if (top < 0 || (relu && negative))
        return 0;
    /* The 64 bits from the first one on, and whether there is anything below them. */
    const int zeros = __builtin_clzll(magnitude[top]);
    real r = { .negative = negative, .m = magnitude[top], .e = 64 * top - fl };
    if (top > 0) {
        r.m = magnitude[top] << zeros | (zeros > 0 ? magnitude[top - 1] >> (64 - zeros) : 0);
        r.e -= zeros;
        r.sticky = zeros < 64 && (zeros > 0 ? magnitude[top - 1] << zeros : magnitude[top - 1]) != 0;
        for (int i = 0; i < top - 1; i++)
            r.sticky |= magnitude[i] != 0;
    }
    return round_real(&r, format, mode, 0, saturations);
}

/* ------------------------------------------------------------------------------------------------------- arrays */

void rs_minifloat_quantize_array(const float *x, size_t n, rs_minifloat format, rs_rounding mode, uint64_t seed,
                                 uint64_t stream, uint16_t *codes, uint64_t *saturations)
{
    const bool stochastic = mode == RS_ROUND_STOCHASTIC;
    for (size_t i = 0; i < n; i++)
        codes[i] = (uint16_t)rs_minifloat_quantize((double)x[i], format, mode,
                                                   stochastic ? rs_random_u64(seed, stream, i) : 0, saturations);
}

/* Nearest even in double: a + c - c with c = 1.5 * 2^(52 + exponent of a's step) rounds to that step. Below the lowest
 * binade the step stays as it is there; a format without subnormals has one wide step down to zero. */
static void emulate_nearest_even(float *x, size_t n, rs_minifloat f)
{
    const double most = rs_minifloat_value(rs_minifloat_max_code(f), f), first = rs_minifloat_value(1, f);
    const double lowest = ldexp(1.0, (f.subnormals ? 1 : 0) - f.bias), middle = f.subnormals ? 0 : first / 2;
    const double floor_of_step = f.subnormals ? 0 : first;
    for (size_t i = 0; i < n; i++) {
        const double v = (double)x[i];
        double a = v < 0 ? -v : v;
        a = a < most ? a : most;
        const double binade = a > lowest ? a : lowest;
        uint64_t bits;
        memcpy(&bits, &binade, sizeof bits);
        bits = (bits & UINT64_C(0x7ff0000000000000)) + ((uint64_t)(52 - f.mantissa_bits) << 52);
        double magic;
        memcpy(&magic, &bits, sizeof magic);
        magic *= 1.5;
        const double stepped = (a + magic) - magic, low = a > middle ? first : 0;
        const double rounded = a < floor_of_step ? low : stepped;
        x[i] = (float)(v < 0 ? 0.0 - rounded : rounded) + 0.0f; /* no -0 */
    }
}

/* Stochastic in double: how far |x| has gone in its step is exact, since steps are powers of two. The one wide step
 * from zero to the first number is not; where its quotient is too close to the threshold, integers decide. */
RS_INLINE void emulate_stochastic(float *x, size_t n, rs_minifloat f, uint64_t seed, uint64_t stream)
{
    const double most = rs_minifloat_value(rs_minifloat_max_code(f), f), first = rs_minifloat_value(1, f);
    const double lowest = ldexp(1.0, (f.subnormals ? 1 : 0) - f.bias), wide_below = f.subnormals ? 0 : first,
                 tolerance = 1e-12;
    const double magic = 0x1.8p+52, to_share = 1.0 / first;
    const uint64_t exponent_field = UINT64_C(0x7ff0000000000000), down = (uint64_t)f.mantissa_bits << 52,
                   reciprocal = UINT64_C(2046) << 52;
    for (size_t from = 0; from < n; from += RS_RANDOM_LANES) {
        const size_t some = n - from < RS_RANDOM_LANES ? n - from : RS_RANDOM_LANES;
        uint64_t words[RS_RANDOM_LANES];
        float in[RS_RANDOM_LANES] = { 0 }, out[RS_RANDOM_LANES];
        double v[RS_RANDOM_LANES], u[RS_RANDOM_LANES], result[RS_RANDOM_LANES], distance[RS_RANDOM_LANES];
        memcpy(in, x + from, some * sizeof *in);
        rs_random_lanes(seed, stream, from, words);
        for (int i = 0; i < RS_RANDOM_LANES; i++)
            v[i] = (double)in[i];
        for (int i = 0; i < RS_RANDOM_LANES; i++)
            u[i] = (double)(int64_t)(words[i] >> 11) * 0x1p-53;
        for (int i = 0; i < RS_RANDOM_LANES; i++) {
            const double magnitude = fabs(v[i]), a = magnitude < most ? magnitude : most,
                         binade = a > lowest ? a : lowest;
            uint64_t bits;
            memcpy(&bits, &binade, sizeof bits);
            bits = (bits & exponent_field) - down;
            const uint64_t inverse_bits = reciprocal - bits;
            double step, inverse;
            memcpy(&step, &bits, sizeof step);
            memcpy(&inverse, &inverse_bits, sizeof inverse);
            /* Below 2^51 the sum has whole steps. */
            const double steps = a * inverse, near = (steps + magic) - magic, whole = near > steps ? near - 1.0 : near;
            const double share = a * to_share, gone = a < wide_below ? share : steps - whole;
            const double below = a < wide_below ? 0.0 : whole * step, size = a < wide_below ? first : step;
            /* x > 0: up for gone >= 1 - u; x < 0: for gone > u. */
            const double over = v[i] < 0 ? gone - u[i] : gone - (1.0 - u[i]);
            const double equal = v[i] < 0 ? 0.0 : size, add = over > 0 ? size : over < 0 ? 0.0 : equal;
            const double rounded = below + add;
            result[i] = rounded < most ? rounded : most;
            distance[i] = a < wide_below ? fabs(over) : 1.0;
        }
        for (int i = 0; i < RS_RANDOM_LANES; i++)
            out[i] = (float)(v[i] < 0 ? 0.0 - result[i] : result[i]) + 0.0f; /* no -0 */
        double nearest = 1.0;
        for (int i = 0; i < RS_RANDOM_LANES; i++)
            nearest = distance[i] < nearest ? distance[i] : nearest;
        for (size_t i = 0; i < some && nearest < tolerance; i++)
            if (distance[i] < tolerance)
                out[i] = (float)rs_minifloat_value(
                    rs_minifloat_quantize((double)in[i], f, RS_ROUND_STOCHASTIC, words[i], NULL), f);
        memcpy(x + from, out, some * sizeof *out);
    }
}

#if RS_X86
RS_TARGET_AVX2 static void stochastic_avx2(float *x, size_t n, rs_minifloat f, uint64_t seed, uint64_t stream)
{
    emulate_stochastic(x, n, f, seed, stream);
}

RS_TARGET_AVX512 static void stochastic_avx512(float *x, size_t n, rs_minifloat f, uint64_t seed, uint64_t stream)
{
    emulate_stochastic(x, n, f, seed, stream);
}
#endif

void rs_minifloat_emulate_array(float *x, size_t n, rs_minifloat f, rs_rounding mode, uint64_t seed, uint64_t stream)
{
    if (mode == RS_ROUND_NEAREST_EVEN) {
        emulate_nearest_even(x, n, f);
        return;
    }
    if (mode == RS_ROUND_STOCHASTIC) {
#if RS_X86
        const rs_cpu cpu = rs_cpu_level();
        if (cpu >= RS_CPU_AVX512)
            stochastic_avx512(x, n, f, seed, stream);
        else if (cpu == RS_CPU_AVX2)
            stochastic_avx2(x, n, f, seed, stream);
        else
#endif
            emulate_stochastic(x, n, f, seed, stream);
        return;
    }
    for (size_t i = 0; i < n; i++)
        if (x[i] != 0)
            x[i] = (float)rs_minifloat_value(rs_minifloat_quantize((double)x[i], f, mode, 0, NULL), f);
}

int rs_minifloat_exponent_bits_for_range(double a, int least)
{
    int bits = least;
    /* The largest binade is 2^(2^e - 1 - bias) up to twice that. */
    while (bits < 8 && a >= ldexp(1.0, (1 << bits) - ((1 << (bits - 1)) - 1)))
        bits++;
    return bits;
}

float rs_minifloat_original(float x, int exponent_bits, int mantissa_bits)
{
    const int bias = (1 << (exponent_bits - 1)) - 1, most = (1 << exponent_bits) - 1;
    if (x == 0 || !isnormal(x))
        return 0;
    int e;
    double fraction = 2 * frexp(fabs((double)x), &e); /* in [1, 2) */
    int exponent = e - 1 + bias;
    if (exponent < 0)
        return 0;
    const double steps = ldexp(1.0, mantissa_bits);
    if (exponent > most) {
        exponent = most;
        fraction = 1 + (steps - 1) / steps;
    } else {
        fraction = 1 + floor((fraction - 1) * steps + 0.5) / steps;
    }
    return (float)copysign(ldexp(fraction, exponent - bias), (double)x);
}
