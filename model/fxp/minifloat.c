/* Minifloats, one number at a time (docs/arithmetic.md section 10). The codes of the numbers >= 0 in their order are 0,
 * 1, 2, ...: rounding finds the two codes around a value and takes one. */
#include "fxp/minifloat.h"

#include <assert.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "fxp/round.h"

__extension__ typedef unsigned __int128 wide128;

/* ------------------------------------------------------------------------------------------------------ formats */

/* Name, exponent bits, mantissa bits, codes that are no numbers. The bias is 2^(e-1) - 1, and all have subnormals. */
#define PRESETS(P)          \
    P(e4m3, 4, 3, NAN)      \
    P(e5m2, 5, 2, IEEE)     \
    P(e3m2, 3, 2, FINITE)   \
    P(e2m3, 2, 3, FINITE)   \
    P(e2m1, 2, 1, FINITE)   \
    P(bfloat16, 8, 7, IEEE) \
    P(binary16, 5, 10, IEEE)

#define PLACE(name, ...) PRESET_##name,
enum { PRESETS(PLACE) N_PRESETS };
#define FORMAT(name, e, k, special) { e, k, (1 << (e - 1)) - 1, true, RS_MINIFLOAT_##special },
static const rs_minifloat presets[N_PRESETS] = { PRESETS(FORMAT) };
#define WORD(name, ...) { #name, PRESET_##name, NULL },
const rs_word rs_minifloat_words[] = { PRESETS(WORD) { NULL, 0, NULL } };

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
    int preset = 0;
    if (rs_word_find(rs_minifloat_words, text, &preset)) {
        *format = presets[preset];
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
    for (int i = 0; i < N_PRESETS; i++)
        if (rs_minifloat_equal(presets[i], format))
            preset = rs_word_name(rs_minifloat_words, i);
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

int rs_minifloat_exponent_bits_for_range(double a, int min)
{
    int bits = min;
    /* The largest binade is 2^(2^e - 1 - bias) up to twice that. */
    while (bits < 8 && a >= ldexp(1.0, (1 << bits) - ((1 << (bits - 1)) - 1)))
        bits++;
    return bits;
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

/* Where a magnitude lies between the numbers of codes c and c + 1: -1, 0, 1 below, at, above the middle. */
typedef struct code_place {
    uint32_t code;
    bool exact; /* it is the number of `code` */
    int middle;
} code_place;

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
static code_place find(const real *x, rs_minifloat f)
{
    const int k = f.mantissa_bits, first_field = f.subnormals ? 1 : 0;
    int field = top_of(x) + f.bias;
    if (!f.subnormals) {
        /* Between zero and the first number there is one wide step. */
        int32_t first;
        const int exponent = rs_minifloat_significand(1, f, &first);
        if (compare(x, (uint64_t)first, exponent) < 0)
            return (code_place) { .code = 0, .middle = compare(x, (uint64_t)first, exponent - 1) };
    }
    if (field < first_field)
        field = first_field;
    if (field > 300) /* far beyond every format */
        return (code_place) { .code = UINT32_C(1) << 20, .exact = true };
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
    return (code_place) { .code = (uint32_t)(((uint64_t)field << k) + steps) - (UINT32_C(1) << k),
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

/* An inexact magnitude as seen from the code below it. */
static rs_round_gap from_below(bool past, bool tie, uint32_t code, bool negative)
{
    return (rs_round_gap) { past, tie, .off = true, .odd = (int)(code & 1), .outward = true, .upward = !negative };
}

static uint32_t round_real(const real *x, rs_minifloat f, rs_rounding mode, uint64_t random, uint64_t *saturations)
{
    const code_place p = find(x, f);
    uint32_t code = p.code;
    if (mode == RS_ROUND_STOCHASTIC)
        code += !p.exact && p.code <= rs_minifloat_max_code(f) && goes_up(x, f, p.code, random);
    else if (!p.exact)
        code += (uint32_t)rs_round_crosses(mode, from_below(p.middle > 0, p.middle == 0, p.code, x->negative));
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
        /* A normal number: its leading bits are a code, the rest decides. A carry goes on into the exponent. */
        uint64_t bits;
        memcpy(&bits, &x, sizeof bits);
        const int down = 52 - format.mantissa_bits, exponent = (int)(bits >> 52 & 0x7ff) - 1023 + format.bias;
        const uint64_t magnitude = bits & (UINT64_MAX >> 1);
        if (exponent >= 1 && exponent < 1 << format.exponent_bits) {
            const uint64_t half = UINT64_C(1) << (down - 1), rest = magnitude & (2 * half - 1);
            const uint32_t below = (uint32_t)(magnitude >> down) -
                                   ((uint32_t)(1023 - format.bias) << format.mantissa_bits);
            rs_round_gap gap = from_below(rest > half, rest == half, below, bits >> 63);
            gap.off = rest > 0;
            const uint32_t code = below + (uint32_t)rs_round_crosses(mode, gap);
            if (code <= rs_minifloat_max_code(format))
                return code | (bits >> 63 ? rs_minifloat_sign(format) : 0);
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
