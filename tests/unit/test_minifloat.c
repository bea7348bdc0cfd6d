/* Minifloats against the list of their numbers in GMP: every code, every middle and its neighbours, sums of any width.
 */
#include "support/test.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "fxp/cpu.h"
#include "oracle/formats.h"

static const char *const NAMES[] = { "e4m3", "e5m2", "e3m2", "e2m3", "e2m1", "bfloat16", "binary16" };
enum { N_NAMES = sizeof NAMES / sizeof *NAMES };

static rs_minifloat named(const char *name)
{
    rs_minifloat f;
    assert_true(rs_minifloat_parse(name, &f));
    return f;
}

static double number(rs_minifloat f, uint32_t code)
{
    return rs_minifloat_value(code, f);
}

/* What the specifications print. */
static void check_known(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        double largest, least_normal, least;
        int bits;
    } TABLE[] = {
        { "e4m3", 448, 0x1p-6, 0x1p-9, 8 },
        { "e5m2", 57344, 0x1p-14, 0x1p-16, 8 },
        { "e3m2", 28, 0.25, 0.0625, 6 },
        { "e2m3", 7.5, 1, 0.125, 6 },
        { "e2m1", 6, 1, 0.5, 4 },
        { "bfloat16", 0x1.fep127, 0x1p-126, 0x1p-133, 16 },
        { "binary16", 65504, 0x1p-14, 0x1p-24, 16 },
    };
    for (size_t i = 0; i < sizeof TABLE / sizeof *TABLE; i++) {
        const rs_minifloat f = named(TABLE[i].name);
        assert_int_equal(rs_minifloat_bits(f), TABLE[i].bits);
        assert_true(number(f, rs_minifloat_max_code(f)) == TABLE[i].largest);
        assert_true(number(f, UINT32_C(1) << f.mantissa_bits) == TABLE[i].least_normal);
        assert_true(number(f, 1) == TABLE[i].least);
    }
    static const double FP4[] = { 0, 0.5, 1, 1.5, 2, 3, 4, 6 };
    for (uint32_t c = 0; c < 16; c++)
        assert_true(number(named("e2m1"), c) == (c < 8 ? FP4[c] : -FP4[c - 8]));
    const rs_minifloat e4m3 = named("e4m3"), e5m2 = named("e5m2"), plain = rs_minifloat_plain(4, 3);
    assert_true(isnan(number(e4m3, 0x7f)) && isnan(number(e4m3, 0xff)) && number(e4m3, 0xfe) == -448);
    assert_true(isinf(number(e5m2, 0x7c)) && number(e5m2, 0xfc) == -INFINITY && isnan(number(e5m2, 0x7d)));
    /* The original's: 2^-7 is the zero code's place, 2^8 * 1.875 the top. */
    assert_true(number(plain, 0) == 0 && number(plain, 1) == 0x1.2p-7 && number(plain, 127) == 480);
    assert_int_equal(rs_minifloat_quantize(0x1p-7, plain, RS_ROUND_NEAREST_EVEN, 0, NULL), 1);
    assert_int_equal(rs_minifloat_quantize(0x1.2p-8, plain, RS_ROUND_NEAREST_EVEN, 0, NULL), 0); /* the middle */
    assert_int_equal(rs_minifloat_quantize(0x1.2p-8, plain, RS_ROUND_NEAREST, 0, NULL), 1);
    uint64_t saturations = 0;
    assert_int_equal(rs_minifloat_quantize(1e30, plain, RS_ROUND_NEAREST_EVEN, 0, &saturations), 127);
    assert_int_equal(rs_minifloat_quantize(-INFINITY, plain, RS_ROUND_NEAREST_EVEN, 0, &saturations), 255);
    assert_int_equal(rs_minifloat_quantize(495, plain, RS_ROUND_NEAREST_EVEN, 0, &saturations), 127);
    assert_int_equal(saturations, 2);
    assert_int_equal(rs_minifloat_quantize(496, plain, RS_ROUND_NEAREST_EVEN, 0, &saturations), 127); /* 512 is even */
    assert_int_equal(saturations, 3);
    /* Where the original's mantissa rounds up to 512 and leaves the format. */
    assert_int_equal(rs_minifloat_quantize(511, plain, RS_ROUND_NEAREST, 0, NULL), 127);
    assert_int_equal(rs_minifloat_quantize(-0.0, plain, RS_ROUND_NEAREST, 0, NULL), 0);
    assert_int_equal(rs_minifloat_quantize((double)NAN, plain, RS_ROUND_NEAREST, 0, NULL), 0);
}

static void check_names(void **state)
{
    (void)state;
    char text[16];
    rs_minifloat f;
    for (int i = 0; i < N_NAMES; i++) {
        assert_string_equal(rs_minifloat_name(named(NAMES[i]), text, sizeof text), NAMES[i]);
        assert_string_equal(rs_minifloat_words[i].name, NAMES[i]);
    }
    assert_null(rs_minifloat_words[N_NAMES].name);
    assert_true(rs_minifloat_parse("5:10", &f) && f.exponent_bits == 5 && f.mantissa_bits == 10 && f.bias == 15);
    assert_string_equal(rs_minifloat_name(f, text, sizeof text), "5:10");
    f.bias = 3;
    assert_string_equal(rs_minifloat_name(f, text, sizeof text), "?");
    static const char *const WRONG[] = {
        "", "0:3", "9:3", "4:", "4:011", "8:8", "4:11", "e4m4", "4:3 ", "4.3", "1:01"
    };
    for (size_t i = 0; i < sizeof WRONG / sizeof *WRONG; i++)
        if (rs_minifloat_parse(WRONG[i], &f))
            fail_msg("'%s' was taken", WRONG[i]);
    assert_int_equal(rs_minifloat_exponent_bits_for_range(0, 4), 4);
    assert_int_equal(rs_minifloat_exponent_bits_for_range(511, 4), 4);
    assert_int_equal(rs_minifloat_exponent_bits_for_range(512, 4), 5);
    assert_int_equal(rs_minifloat_exponent_bits_for_range(1e300, 4), 8);
}

static void compare(const rs_oracle_minifloat *o, double x, uint64_t random, uint64_t *compared)
{
    for (int mode = 0; mode < RS_ROUNDINGS; mode++) {
        uint64_t a = 0, b = 0;
        const uint32_t got = rs_minifloat_quantize(x, o->format, (rs_rounding)mode, random, &a);
        const uint32_t want = rs_oracle_minifloat_quantize(o, x, (rs_rounding)mode, random, &b);
        if (got != want || a != b)
            fail_msg(
                "e %d, k %d, bias %d, subnormals %d: quantize(%a, %s, %llx) = %x (%d saturations), expected %x (%d)",
                o->format.exponent_bits, o->format.mantissa_bits, o->format.bias, o->format.subnormals, x,
                rs_rounding_name((rs_rounding)mode), (unsigned long long)random, (unsigned)got, (int)a, (unsigned)want,
                (int)b);
        ++*compared;
    }
}

/* Every code (every `step`-th) of one format, the middles between them, and their neighbours. */
static void check_format(rs_minifloat f, uint32_t step, uint64_t *compared)
{
    rs_rng rng = { .seed = rs_test_seed(), .stream = 1 };
    assert_true(rs_minifloat_legal(f));
    rs_oracle_minifloat o;
    mpq_t exact;
    mpq_init(exact);
    rs_oracle_minifloat_init(&o, f);
    assert_int_equal(o.n, rs_minifloat_max_code(f) + 1);
    const double scale = ldexp(1.0, -rs_minifloat_fl(f));
    for (uint32_t c = 0; c<o.n; c += c> 40 && c + 40 < o.n ? step : 1) {
        for (int sign = 0; sign < 2; sign++) {
            const uint32_t code = sign && c > 0 ? c | rs_minifloat_sign(f) : c;
            const double v = rs_minifloat_value(code, f);
            rs_oracle_minifloat_number(&o, code, exact);
            assert_true(v == mpq_get_d(exact));
            /* An integer at fl, and as wide as said. */
            assert_true(v / scale == floor(v / scale));
            assert_true(fabs(v) < ldexp(scale, rs_minifloat_integer_bits(f)));
            compare(&o, v, rs_rng_next(&rng), compared);
            assert_int_equal(rs_minifloat_quantize(v, f, RS_ROUND_NEAREST_EVEN, 0, NULL), code);
            mpq_div_2exp(exact, o.numbers[c], 1);
            const double next = mpq_get_d(o.numbers[c + 1]), middle = (fabs(v) + next) / 2, s = sign ? -1 : 1;
            compare(&o, s * middle, rs_rng_next(&rng), compared);
            compare(&o, s * nextafter(middle, 0), rs_rng_next(&rng), compared);
            compare(&o, s * nextafter(middle, INFINITY), rs_rng_next(&rng), compared);
            compare(&o, s * nextafter(next, 0), UINT64_MAX, compared);
            compare(&o, s * nextafter(fabs(v), INFINITY), 0, compared);
            compare(&o, s * (fabs(v) + (next - fabs(v)) * (double)(rs_rng_next(&rng) >> 11) * 0x1p-53),
                    rs_rng_next(&rng), compared);
        }
    }
    /* The top bit of the widest integer is needed. */
    assert_true(number(f, rs_minifloat_max_code(f)) >= ldexp(scale, rs_minifloat_integer_bits(f) - 1));
    compare(&o, 5e-324, 0, compared);
    compare(&o, -5e-324, UINT64_MAX, compared);
    compare(&o, 1e308, 0, compared);
    compare(&o, -1e308, 0, compared);
    compare(&o, INFINITY, 0, compared);
    rs_oracle_minifloat_clear(&o);
    mpq_clear(exact);
}

static void check_presets(void **state)
{
    (void)state;
    uint64_t compared = 0;
    for (int i = 0; i < N_NAMES; i++) {
        const rs_minifloat f = named(NAMES[i]);
        check_format(f, rs_minifloat_bits(f) == 16 ? 23 : 1, &compared);
    }
    print_message("# %llu values compared\n", (unsigned long long)compared);
    assert_true(compared > 220000);
}

static void check_any(void **state)
{
    (void)state;
    uint64_t compared = 0;
    int formats = 0;
    for (int e = 1; e <= 8; e++)
        for (int k = 0; k <= 10 && 1 + e + k <= 16; k++) {
            rs_minifloat f = rs_minifloat_plain(e, k);
            check_format(f, e + k > 6 ? 1 + (UINT32_C(1) << (e + k - 6)) : 1, &compared);
            f.subnormals = true;
            f.bias += (e + k) % 5 - 2;
            if (rs_minifloat_legal(f))
                check_format(f, e + k > 5 ? 1 + (UINT32_C(1) << (e + k - 5)) : 1, &compared);
            formats++;
        }
    assert_int_equal(formats, 82);
    print_message("# %llu values compared\n", (unsigned long long)compared);
    assert_true(compared > 500000);
}

/* Random sums at random fractional lengths, in 64 bits and wide. */
static void check_requantize(void **state)
{
    (void)state;
    rs_rng rng = { .seed = rs_test_seed(), .stream = 2 };
    uint64_t compared = 0;
    mpz_t sum;
    mpz_init(sum);
    for (int i = 0; i < N_NAMES + 3; i++) {
        const rs_minifloat f = i < N_NAMES ? named(NAMES[i]) : rs_minifloat_plain(3 + i - N_NAMES, 2 + i - N_NAMES);
        rs_oracle_minifloat o;
        rs_oracle_minifloat_init(&o, f);
        const int fl = 2 * rs_minifloat_fl(f);
        for (int n = 0; n < 4000; n++) {
            const rs_rounding mode = (rs_rounding)(n % RS_ROUND_STOCHASTIC);
            const bool relu = n % 3 == 0;
            const int bits = 1 + (int)(rs_rng_next(&rng) % 63);
            int64_t v = (int64_t)(rs_rng_next(&rng) >> (64 - bits));
            if (n % 4 == 0 && bits > 3) /* few bits at the top: numbers and middles */
                v &= -(INT64_C(1) << (bits - 1 - (int)(rs_rng_next(&rng) % 3)));
            v = n & 1 ? -v : v;
            uint64_t a = 0, b = 0, c = 0;
            mpz_set_si(sum, v);
            const uint32_t want = rs_oracle_minifloat_requantize(&o, sum, fl - n % 9, relu, mode, &b);
            assert_int_equal(rs_minifloat_requantize(v, fl - n % 9, relu, f, mode, &a), want);
            rs_wide wide = { { 0 } };
            rs_wide_add(&wide, v, 0);
            assert_int_equal(rs_minifloat_requantize_wide(&wide, fl - n % 9, relu, f, mode, &c), want);
            assert_true(a == b && b == c);
            compared++;
        }
        /* Wide sums: several addends at random places, often cancelling to a number or a middle and a little more. */
        for (int n = 0; n < 3000; n++) {
            rs_wide wide = { { 0 } };
            mpz_set_ui(sum, 0);
            mpz_t addend;
            mpz_init(addend);
            for (int t = 0; t < 1 + n % 5; t++) {
                const uint64_t r = rs_rng_next(&rng);
                const int shift = (int)(r % (64 * RS_WIDE_LIMBS - 64 - 2));
                int64_t v = (int64_t)rs_rng_next(&rng) >> (r >> 32) % 64;
                if (r >> 62 == 0)
                    v = 1;
                rs_wide_add(&wide, v, shift);
                mpz_set_si(addend, v);
                mpz_mul_2exp(addend, addend, (mp_bitcnt_t)shift);
                mpz_add(sum, sum, addend);
            }
            mpz_clear(addend);
            const int top = (int)mpz_sizeinbase(sum, 2);
            const int at = top - (int)(rs_rng_next(&rng) % 40) - f.bias; /* near the format's numbers */
            const rs_rounding mode = (rs_rounding)(n % RS_ROUND_STOCHASTIC);
            uint64_t a = 0, b = 0;
            const uint32_t want = rs_oracle_minifloat_requantize(&o, sum, at, n % 3 == 0, mode, &b);
            assert_int_equal(rs_minifloat_requantize_wide(&wide, at, n % 3 == 0, f, mode, &a), want);
            assert_int_equal(a, b);
            compared++;
        }
        rs_oracle_minifloat_clear(&o);
    }
    mpz_clear(sum);
    print_message("# %llu sums compared\n", (unsigned long long)compared);
    assert_int_equal(compared, 10 * 7000);
}

/* Conversion as IEEE 754 and OCP specify it, from what quantize gives: the sign of zero is kept, overflow gives
 * infinity (IEEE) or NaN (E4M3), NaN stays NaN. Formats without such codes saturate, NaN gives zero. */
static uint32_t ieee_convert(double x, rs_minifloat f)
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

/* bfloat16 is the upper half of binary32, rounded to even. */
static void check_convert(void **state)
{
    (void)state;
    const rs_minifloat bf = named("bfloat16"), half = named("binary16"), e4m3 = named("e4m3"), e2m1 = named("e2m1");
    uint64_t compared = 0;
    for (uint32_t high = 0; high < 65536; high++)
        for (int i = 0; i < 5; i++) {
            static const uint32_t LOW[] = { 0, 1, 0x7fff, 0x8000, 0x8001 };
            const uint32_t word = high << 16 | LOW[i];
            float x;
            memcpy(&x, &word, sizeof x);
            if (isnan(x)) {
                assert_true(isnan(number(bf, ieee_convert((double)x, bf))));
                continue;
            }
            const uint32_t want = (word + 0x7fff + (word >> 16 & 1)) >> 16;
            assert_int_equal(ieee_convert((double)x, bf), want);
            compared++;
        }
    assert_true(compared > 320000);
    assert_int_equal(ieee_convert(65519.9, half), 0x7bff);
    assert_int_equal(ieee_convert(65520, half), 0x7c00);
    assert_int_equal(ieee_convert(-65520, half), 0xfc00);
    assert_int_equal(ieee_convert(-0.0, half), 0x8000);
    assert_int_equal(ieee_convert(0x1p-24, half), 1);
    assert_int_equal(ieee_convert(0x1p-25, half), 0);
    assert_int_equal(ieee_convert(1.0 / 3, half), 0x3555);
    assert_int_equal(ieee_convert(464, e4m3), 0x7e); /* the middle goes to the even 448 */
    assert_int_equal(ieee_convert(464.1, e4m3), 0x7f);
    assert_int_equal(ieee_convert(-INFINITY, e4m3), 0xff);
    assert_int_equal(ieee_convert(INFINITY, e2m1), 7);
    assert_int_equal(ieee_convert((double)NAN, e2m1), 0);
}

static void check_arrays(void **state)
{
    (void)state;
    enum { N = 3000 };
    rs_rng rng = { .seed = rs_test_seed(), .stream = 3 };
    uint64_t compared = 0;
    for (int i = 0; i < N_NAMES + 4; i++)
        for (int mode = 0; mode < RS_ROUNDINGS; mode++) {
            const rs_minifloat f = i < N_NAMES ? named(NAMES[i]) : rs_minifloat_plain(1 + i - N_NAMES, i - N_NAMES);
            static float x[N], emulated[N];
            for (int n = 0; n < N; n++) {
                const uint64_t r = rs_rng_next(&rng);
                const int e = (int)(r % ((UINT64_C(1) << f.exponent_bits) + 6)) - f.bias - 3;
                x[n] = (float)ldexp(1 + (double)(r >> 40) * 0x1p-24, e < -140 ? -140 : e > 126 ? 126 : e);
                if (r >> 20 & 1) /* a number or a middle */
                    x[n] = (float)ldexp((double)(r >> 45 << (r >> 32 & 3)), e < -140 ? -140 : e > 100 ? 100 : e - 10);
                x[n] = r >> 21 & 1 ? -x[n] : x[n];
                x[n] = n == 0 ? 0.0f : n == 1 ? INFINITY : n == 2 ? -INFINITY : x[n];
            }
            for (int level = 0; level < RS_CPUS; level++) {
                if (rs_cpu_force((rs_cpu)level) != (rs_cpu)level)
                    continue;
                memcpy(emulated, x, sizeof x);
                rs_minifloat_emulate_array(emulated, N, f, (rs_rounding)mode, 9, 4);
                for (uint64_t n = 0; n < N; n++) {
                    const uint32_t want = rs_minifloat_quantize((double)x[n], f, (rs_rounding)mode,
                                                                rs_random_u64(9, 4, n), NULL);
                    if (emulated[n] != (float)rs_minifloat_value(want, f))
                        fail_msg("%s: emulate(%a) = %a, expected %a", rs_cpu_name((rs_cpu)level), (double)x[n],
                                 (double)emulated[n], number(f, want));
                    compared++;
                }
            }
            (void)rs_cpu_force(RS_CPUS);
        }
    assert_true(compared >= UINT64_C(3000) * 11 * RS_ROUNDINGS);
}

/* ------------------------------------------------------------------------------------------------ powers of two */

static void check_power2(void **state)
{
    (void)state;
    static const rs_power2 FORMATS[] = { { -8, -1, false }, { -8, -1, true },   { -7, -1, true }, { 0, 0, false },
                                         { 0, 0, true },    { -64, -50, true }, { 50, 64, false } };
    rs_rng rng = { .seed = rs_test_seed(), .stream = 5 };
    uint64_t compared = 0;
    assert_int_equal(rs_power2_bits(RS_POWER2_ORIGINAL), 4);
    assert_int_equal(rs_power2_bits((rs_power2) { -8, -1, true }), 5);
    assert_int_equal(rs_power2_bits((rs_power2) { -7, -1, true }), 4);
    for (size_t i = 0; i < sizeof FORMATS / sizeof *FORMATS; i++) {
        const rs_power2 f = FORMATS[i];
        assert_true(rs_power2_legal(f));
        const rs_fxp integers = rs_power2_fxp(f);
        for (uint32_t code = 0; code < UINT32_C(1) << rs_power2_bits(f); code++) {
            const int magnitude = (int)(code & ((UINT32_C(1) << rs_power2_magnitude_bits(f)) - 1));
            if (magnitude > f.max_exponent - f.min_exponent + f.zero)
                continue; /* not used */
            const double v = rs_power2_value(code, f);
            const int32_t q = rs_power2_integer(code, f);
            assert_true(v == rs_fxp_value(q, integers.fl));
            assert_true(q >= rs_fxp_min(integers.bits) && q <= rs_fxp_max(integers.bits));
            uint32_t back;
            assert_true(rs_power2_code(q, f, &back));
            assert_int_equal(back, q == 0 ? 0 : code);
            assert_int_equal(rs_power2_quantize(v, f, NULL), q == 0 ? 0 : code);
        }
        uint32_t none;
        assert_false(rs_power2_code(3, f, &none));
        assert_int_equal(rs_power2_code(0, f, &none), f.zero);
        assert_false(rs_power2_code(INT32_C(1) << (f.max_exponent - f.min_exponent + 1), f, &none));
        for (int e = f.min_exponent - 4; e <= f.max_exponent + 4; e++)
            for (int n = 0; n < 60; n++) {
                const double root = 0x1.6a09e667f3bcdp+0; /* the first double above the root of 2 */
                const double m = n == 0   ? 1
                                 : n == 1 ? root
                                 : n == 2 ? nextafter(root, 0)
                                 : n == 3 ? nextafter(2, 0)
                                          : 1 + (double)(rs_rng_next(&rng) >> 11) * 0x1p-53;
                for (int sign = -1; sign <= 1; sign += 2) {
                    const double x = sign * ldexp(m, e);
                    uint64_t saturations = 0;
                    const double got = rs_power2_value(rs_power2_quantize(x, f, &saturations), f);
                    if (got != rs_oracle_power2(x, f))
                        fail_msg("[%d, %d] zero %d: %a became %a, expected %a", f.min_exponent, f.max_exponent, f.zero,
                                 x, got, rs_oracle_power2(x, f));
                    const bool over = fabs(x) > ldexp(root, f.max_exponent) || fabs(x) == ldexp(root, f.max_exponent);
                    assert_int_equal(saturations, over);
                    float single = (float)x;
                    const double rounded = rs_oracle_power2((double)single, f);
                    int32_t q;
                    rs_power2_quantize_array(&single, 1, f, &q, NULL);
                    assert_true(rs_fxp_value(q, integers.fl) == rounded);
                    rs_power2_emulate_array(&single, 1, f);
                    assert_true((double)single == rounded);
                    compared++;
                }
            }
        assert_true(rs_power2_value(rs_power2_quantize(0, f, NULL), f) == (f.zero ? 0 : ldexp(1, f.min_exponent)));
        assert_true(rs_power2_value(rs_power2_quantize(-INFINITY, f, NULL), f) == -ldexp(1, f.max_exponent));
        assert_true(rs_power2_value(rs_power2_quantize(-5e-324, f, NULL), f) ==
                    (f.zero ? 0 : -ldexp(1, f.min_exponent)));
    }
    assert_false(rs_power2_legal((rs_power2) { -1, -2, false }));
    assert_false(rs_power2_legal((rs_power2) { -15, 0, false }));
    assert_false(rs_power2_legal((rs_power2) { -65, -60, false }));
    print_message("# %llu values compared\n", (unsigned long long)compared);
    assert_true(compared > 8000);
}

/* Arrays on every kind of machine: what one number after the other gives, at corners and anywhere. */
static void check_power2_arrays(void **state)
{
    (void)state;
    enum { N = 4099 };
    static float x[N], nearest[N], drawn[N];
    const rs_power2 formats[] = { RS_POWER2_ORIGINAL, { -7, -1, true }, { -64, -50, true },
                                  { 50, 64, false },  { 0, 0, true },   { -3, 4, false } };
    rs_rng rng = { rs_test_seed(), 77, 0 };
    uint64_t compared = 0;
    for (size_t k = 0; k < sizeof formats / sizeof *formats; k++) {
        const rs_power2 f = formats[k];
        const float corners[] = { 0.0f,
                                  -0.0f,
                                  NAN,
                                  INFINITY,
                                  -INFINITY,
                                  FLT_MIN,
                                  -FLT_TRUE_MIN,
                                  FLT_MAX,
                                  (float)ldexp(1, f.min_exponent),
                                  (float)ldexp(-0.5, f.min_exponent),
                                  nextafterf((float)ldexp(0.5, f.min_exponent), 0),
                                  (float)ldexp(1.5, f.max_exponent),
                                  (float)ldexp(0x1.6a09e6p0, f.min_exponent),
                                  (float)ldexp(-0x1.6a09e8p0, f.min_exponent) };
        for (int i = 0; i < N; i++) {
            const int e = f.min_exponent - 3 +
                          (int)rs_random_below(rng.seed, 78, (uint64_t)i,
                                               (uint64_t)(f.max_exponent - f.min_exponent + 6));
            const double m = ldexp(1 + (double)(rs_rng_next(&rng) >> 40) * 0x1p-24, e);
            x[i] = i < (int)(sizeof corners / sizeof *corners) ? corners[i] : (float)(i & 1 ? m : -m);
        }
        for (int level = 0; level < RS_CPUS; level++) {
            if (rs_cpu_force((rs_cpu)level) != (rs_cpu)level)
                continue;
            memcpy(nearest, x, sizeof x);
            memcpy(drawn, x, sizeof x);
            rs_power2_emulate_array(nearest, N, f);
            rs_power2_emulate_stochastic(drawn, N, f, 5, k);
            for (int i = 0; i < N; i++) {
                const double a = fabs((double)x[i]);
                const float expected = (float)rs_power2_value(rs_power2_quantize((double)x[i], f, NULL), f);
                const double u = (double)(rs_random_u64(5, k, (uint64_t)i) >> 11) * 0x1p-53;
                double floored = isinf(x[i]) ? f.max_exponent : a >= ldexp(1, f.min_exponent) ? floor(log2(a) + u) : 0;
                floored = floored > f.max_exponent ? f.max_exponent : floored;
                const float chance = a >= ldexp(1, f.min_exponent) ? (float)copysign(exp2(floored), (double)x[i])
                                                                   : expected;
                if (nearest[i] != expected || signbit(nearest[i]) != signbit(expected) || drawn[i] != chance ||
                    signbit(drawn[i]) != signbit(chance))
                    fail_msg("%s, [%d, %d] zero %d: %a became %a and %a, expected %a and %a",
                             rs_cpu_name((rs_cpu)level), f.min_exponent, f.max_exponent, f.zero, (double)x[i],
                             (double)nearest[i], (double)drawn[i], (double)expected, (double)chance);
                compared++;
            }
        }
        (void)rs_cpu_force(RS_CPUS);
    }
    assert_true(compared >= (uint64_t)N * 6);
}

/* Stochastic rounding of exponents gives a neighbour, and the right share of each. */
static void check_power2_stochastic(void **state)
{
    (void)state;
    enum { N = 20000 };
    static float x[N];
    for (int i = 0; i < N; i++)
        x[i] = i & 1 ? -0.3f : 0.3f;
    rs_power2_emulate_stochastic(x, N, RS_POWER2_ORIGINAL, rs_test_seed(), 3);
    int up = 0;
    for (int i = 0; i < N; i++) {
        const float a = i & 1 ? -x[i] : x[i];
        assert_true(a == 0.25f || a == 0.5f);
        up += a == 0.5f;
    }
    const double expected = N * (log2(0.3) + 2);
    assert_true(fabs(up - expected) < 5 * sqrt(expected));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_known),
        cmocka_unit_test(check_names),
        cmocka_unit_test(check_presets),
        cmocka_unit_test(check_any),
        cmocka_unit_test(check_requantize),
        cmocka_unit_test(check_convert),
        cmocka_unit_test(check_arrays),
        cmocka_unit_test(check_power2),
        cmocka_unit_test(check_power2_stochastic),
        cmocka_unit_test(check_power2_arrays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
