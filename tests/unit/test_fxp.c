/* Dynamic fixed point against the rules computed with GMP: values and saturation counts, exhaustive where small. */
#include "support/test.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/rng.h"
#include "fxp/cpu.h"
#include "oracle/fxp.h"

static const rs_cpu LEVELS[] = { RS_CPU_PORTABLE, RS_CPU_AVX2, RS_CPU_AVX512 };
enum { N_LEVELS = sizeof LEVELS / sizeof *LEVELS };

/* Calls body for each level that this machine has. */
static void for_each_level(void (*body)(void))
{
    int ran = 0;
    for (int i = 0; i < N_LEVELS; i++)
        if (rs_cpu_force(LEVELS[i]) == LEVELS[i]) {
            body();
            ran++;
        } else {
            printf("# %s: not on this machine\n", rs_cpu_name(LEVELS[i]));
        }
    rs_cpu_force(RS_CPUS);
    assert_true(ran >= 1);
}

static void check_names(void **state)
{
    (void)state;
    assert_string_equal(rs_rounding_name(RS_ROUND_NEAREST), "nearest");
    assert_string_equal(rs_rounding_name(RS_ROUND_NEAREST_EVEN), "nearest_even");
    assert_string_equal(rs_rounding_name(RS_ROUND_NEAREST_UP), "nearest_up");
    assert_string_equal(rs_rounding_name(RS_ROUND_TRUNCATE), "truncate");
    assert_string_equal(rs_rounding_name(RS_ROUND_STOCHASTIC), "stochastic");
    assert_string_equal(rs_rounding_name(RS_ROUNDINGS), "?");
    assert_string_equal(rs_cpu_name(RS_CPU_AVX512VNNI), "avx512vnni");
    assert_string_equal(rs_cpu_name(RS_CPUS), "?");
}

/* A few values by hand, so that oracle and implementation cannot be wrong together. */
static void check_known(void **state)
{
    (void)state;
    static const struct {
        double x;
        int expected[4]; /* nearest, even, up, truncate, at fl 0 and 8 bits */
    } CASES[] = {
        { 0.5, { 1, 0, 1, 0 } },
        { 1.5, { 2, 2, 2, 1 } },
        { 2.5, { 3, 2, 3, 2 } },
        { -0.5, { -1, 0, 0, -1 } },
        { -1.5, { -2, -2, -1, -2 } },
        { -2.5, { -3, -2, -2, -3 } },
        { 0.49999999999999994, { 0, 0, 0, 0 } },
        { -0.49999999999999994, { 0, 0, 0, -1 } },
        { 127.4, { 127, 127, 127, 127 } },
        { 127.5, { 127, 127, 127, 127 } },
        { -128.5, { -128, -128, -128, -128 } },
        { 1e300, { 127, 127, 127, 127 } },
        { -1e300, { -128, -128, -128, -128 } },
        { INFINITY, { 127, 127, 127, 127 } },
        { -INFINITY, { -128, -128, -128, -128 } },
        { -5e-324, { 0, 0, 0, -1 } },
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        for (int mode = 0; mode < RS_ROUND_STOCHASTIC; mode++) {
            assert_int_equal(rs_fxp_quantize(CASES[i].x, (rs_fxp) { 8, 0 }, (rs_rounding)mode, 0, NULL),
                             CASES[i].expected[mode]);
            assert_int_equal(rs_oracle_quantize(CASES[i].x, 8, 0, (rs_rounding)mode, 0, NULL), CASES[i].expected[mode]);
        }
    uint64_t saturations = 0;
    assert_int_equal(rs_fxp_saturate(128, 8, &saturations), 127);
    assert_int_equal(rs_fxp_saturate(-129, 8, &saturations), -128);
    assert_int_equal(rs_fxp_saturate(127, 8, &saturations), 127);
    assert_int_equal(rs_fxp_saturate(0, 1, &saturations), 0);
    assert_int_equal(rs_fxp_saturate(1, 1, &saturations), 0);
    assert_int_equal(saturations, 3);
    assert_int_equal(rs_fxp_wrap(128, 8), -128);
    assert_int_equal(rs_fxp_fl_for_range(1.0, 8), 7);
    assert_int_equal(rs_fxp_fl_for_range(1.0001, 8), 6);
    assert_int_equal(rs_fxp_fl_for_range(0.25, 4), 5);
    assert_int_equal(rs_fxp_fl_for_range(300, 8), -2);
    assert_int_equal(rs_fxp_fl_for_range(0, 8), 7);
    assert_int_equal(rs_fxp_bits_for_bound(0), 1);
    assert_int_equal(rs_fxp_bits_for_bound(127), 8);
    assert_int_equal(rs_fxp_bits_for_bound(128), 9);
    assert_int_equal(rs_fxp_bits_for_bound(INT64_MAX), 64);
    assert_true(rs_fxp_value(-3, 1) == -1.5);
    assert_true(rs_fxp_value(3, -2) == 12);
}

/* Every sum of 10 bits x every shift x mode x width 1 to 9 x ReLU. */
static void check_requantize_exhaustive(void **state)
{
    (void)state;
    uint64_t compared = 0;
    mpz_t sum;
    mpz_init(sum);
    for (int shift = RS_SHIFT_MIN; shift <= 12; shift++)
        for (int mode = 0; mode < RS_ROUNDINGS; mode++)
            for (int v = -512; v < 512; v++) {
                const uint64_t random = rs_random_u64(1, (uint64_t)(v + 512), (uint64_t)(shift + 15));
                mpz_set_si(sum, v);
                const int64_t expected = rs_oracle_shift_round(v, shift, (rs_rounding)mode, random);
                if (rs_fxp_shift_round(v, shift, (rs_rounding)mode, random) != expected)
                    fail_msg("shift_round(%d, %d, %s, %llx)", v, shift, rs_rounding_name((rs_rounding)mode),
                             (unsigned long long)random);
                compared++;
                for (int bits = 1; bits <= 9; bits += 2)
                    for (int relu = 0; relu < 2; relu++) {
                        uint64_t a = 0, b = 0;
                        const int64_t want = rs_oracle_requantize(sum, relu, shift, bits, (rs_rounding)mode, random,
                                                                  &a);
                        const int64_t got = rs_fxp_requantize(v, relu, shift, bits, (rs_rounding)mode, random, &b);
                        if (want != got || a != b)
                            fail_msg("requantize(%d, relu %d, shift %d, bits %d, %s)", v, relu, shift, bits,
                                     rs_rounding_name((rs_rounding)mode));
                        compared++;
                    }
            }
    mpz_clear(sum);
    assert_int_equal(compared, 28 * RS_ROUNDINGS * 1024 * 11);
}

/* Values around which something changes: powers of two, their halves, and neighbours. */
static int64_t corner(uint64_t i)
{
    const int64_t power = INT64_C(1) << (i / 6 % 48);
    static const int STEP[3] = { -1, 0, 1 };
    const int64_t v = power + STEP[i % 3];
    const int64_t limited = v >= INT64_C(1) << 47 ? (INT64_C(1) << 47) - 1 : v;
    return i / 3 % 2 ? -limited : limited;
}
enum { CORNERS = 6 * 48 };

static void check_shift_round_corners(void **state)
{
    (void)state;
    static const uint64_t RANDOM[] = { 0, 1, UINT64_MAX, UINT64_C(1) << 63, 0x0000800000000000, 0x00007fffffffffff };
    uint64_t compared = 0;
    mpz_t sum;
    mpz_init(sum);
    for (int shift = RS_SHIFT_MIN; shift <= RS_SHIFT_MAX; shift++)
        for (int mode = 0; mode < RS_ROUNDINGS; mode++)
            for (uint64_t c = 0; c < CORNERS; c++) {
                const int64_t v = corner(c);
                const uint64_t random = RANDOM[(c + (uint64_t)shift) % 6];
                assert_int_equal(rs_fxp_shift_round(v, shift, (rs_rounding)mode, random),
                                 rs_oracle_shift_round(v, shift, (rs_rounding)mode, random));
                mpz_set_si(sum, v);
                const int bits = 1 + (int)(c * 7 % 32);
                uint64_t a = 0, b = 0;
                assert_int_equal(rs_fxp_requantize(v, c & 1, shift, bits, (rs_rounding)mode, random, &a),
                                 rs_oracle_requantize(sum, c & 1, shift, bits, (rs_rounding)mode, random, &b));
                assert_int_equal(a, b);
                compared++;
            }
    mpz_clear(sum);
    assert_int_equal(compared, 64 * RS_ROUNDINGS * CORNERS);
}

/* A double with any exponent that matters for the format, or exactly on, next to or half way between its integers. */
static double random_real(rs_rng *rng, rs_fxp format)
{
    const uint64_t r = rs_rng_next(rng);
    const double sign = r & 1 ? -1 : 1;
    const int64_t most = rs_fxp_max(format.bits);
    const int64_t q = (int64_t)(rs_rng_next(rng) % (2 * (uint64_t)most + 3)) - most - 1;
    double x;
    switch (r >> 1 & 7) {
    case 0: /* the rails and their surroundings */
        x = (double)(most + (int64_t)(r >> 8 & 3) - 1) + (r >> 10 & 1 ? 0.5 : 0) + (r >> 11 & 1 ? 1 : 0);
        break;
    case 1:
    case 2:
        x = (double)q + 0.5; /* ties */
        break;
    case 3:
        x = (double)q;
        break;
    case 4: { /* next to a tie */
        const double tie = (double)q + 0.5;
        x = nextafter(tie, r >> 8 & 1 ? INFINITY : -INFINITY);
        break;
    }
    case 5:
        x = ldexp((double)(rs_rng_next(rng) >> 11) * 0x1p-53, (int)(r >> 8 & 63) - 20);
        break;
    case 6:
        return sign * ldexp(1, (int)(r >> 8 & 2047) - 1074); /* any power of two, subnormals too */
    default:
        x = (double)q + (double)(rs_rng_next(rng) >> 11) * 0x1p-53;
        break;
    }
    return sign * ldexp(x, -format.fl);
}

static void check_quantize_random(void **state)
{
    (void)state;
    rs_rng rng = { .seed = rs_test_seed(), .stream = 1 };
    uint64_t compared = 0;
    for (int bits = 1; bits <= 32; bits++)
        for (int fl = -64; fl <= 64; fl += 1 + (bits % 3))
            for (int i = 0; i < 60; i++) {
                const rs_fxp format = { bits, fl };
                const rs_rounding mode = (rs_rounding)(i % RS_ROUNDINGS);
                const double x = random_real(&rng, format);
                const uint64_t random = i % 7 == 0 ? UINT64_MAX : i % 11 == 0 ? 0 : rs_rng_next(&rng);
                uint64_t a = 0, b = 0;
                const int64_t got = rs_fxp_quantize(x, format, mode, random, &a);
                const int64_t want = rs_oracle_quantize(x, bits, fl, mode, random, &b);
                if (got != want || a != b)
                    fail_msg("quantize(%a, %d bits, fl %d, %s, %llx) = %lld, expected %lld", x, bits, fl,
                             rs_rounding_name(mode), (unsigned long long)random, (long long)got, (long long)want);
                assert_true(rs_fxp_value(got, fl) == rs_oracle_value(want, fl));
                compared++;
            }
    print_message("# %llu values compared\n", (unsigned long long)compared);
    assert_int_equal(compared, 148680);
}

/* u and y chosen so that y + u lies on or next to an integer, where forming the sum in floating point goes wrong. */
static void check_stochastic_edges(void **state)
{
    (void)state;
    static const double SIZES[] = { 0x1p-53, 0x1.8p-53, 0x1p-54, 0x1.8p-54, 0x1p-52, 0x1p-60, 0.5, 0x1p-300 };
    static const uint64_t WORDS[] = { 0, UINT64_C(1) << 11, UINT64_MAX, UINT64_MAX - (UINT64_C(1) << 11),
                                      UINT64_C(1) << 63 };
    uint64_t compared = 0;
    for (size_t s = 0; s < sizeof SIZES / sizeof *SIZES; s++)
        for (size_t w = 0; w < sizeof WORDS / sizeof *WORDS; w++)
            for (int base = -3; base <= 3; base++)
                for (int sign = -1; sign <= 1; sign += 2) {
                    const double x = base + sign * SIZES[s];
                    assert_int_equal(rs_fxp_quantize(x, (rs_fxp) { 8, 0 }, RS_ROUND_STOCHASTIC, WORDS[w], NULL),
                                     rs_oracle_quantize(x, 8, 0, RS_ROUND_STOCHASTIC, WORDS[w], NULL));
                    compared++;
                }
    assert_int_equal(compared, 8 * 5 * 7 * 2);
}

static void check_ranges_and_bounds(void **state)
{
    (void)state;
    rs_rng rng = { .seed = rs_test_seed(), .stream = 2 };
    uint64_t compared = 0;
    for (int e = -1074; e < 1024; e++)
        for (int i = 0; i < 4; i++) {
            const double power = ldexp(1, e);
            const double a = i == 0   ? power
                             : i == 1 ? nextafter(power, 0)
                             : i == 2 ? nextafter(power, INFINITY)
                                      : power * (1 + (double)(rs_rng_next(&rng) >> 12) * 0x1p-52);
            if (isinf(a))
                continue;
            const int bits = 1 + (int)(rs_rng_next(&rng) % 32);
            assert_int_equal(rs_fxp_fl_for_range(a, bits), rs_oracle_fl_for_range(a, bits));
            compared++;
        }
    assert_true(compared > 8000);
    for (int e = 0; e < 63; e++)
        for (int d = -1; d <= 1; d++) {
            const int64_t bound = (INT64_C(1) << e) + d;
            assert_int_equal(rs_fxp_bits_for_bound(bound), rs_oracle_bits_for_bound(bound));
        }
    assert_int_equal(rs_fxp_bits_for_bound(INT64_MAX), rs_oracle_bits_for_bound(INT64_MAX));
    for (int bits = 1; bits <= 64; bits++)
        for (uint64_t c = 0; c < CORNERS; c++)
            assert_int_equal(rs_fxp_wrap(corner(c), bits), rs_oracle_wrap(corner(c), bits));
}

/* What the format promises: everything in the range, its positive extreme apart, fits without saturation. */
static void check_range_fits(void **state)
{
    (void)state;
    rs_rng rng = { .seed = rs_test_seed(), .stream = 3 };
    for (int i = 0; i < 20000; i++) {
        const int bits = 2 + (int)(rs_rng_next(&rng) % 23);
        const double a = ldexp(1 + (double)(rs_rng_next(&rng) >> 12) * 0x1p-52, (int)(rs_rng_next(&rng) % 60) - 30);
        const int fl = rs_fxp_fl_for_range(a, bits);
        const double step = ldexp(1, -fl);
        uint64_t saturations = 0;
        rs_fxp_quantize(-a, (rs_fxp) { bits, fl }, RS_ROUND_NEAREST, 0, &saturations);
        assert_int_equal(saturations, 0);
        rs_fxp_quantize(a - step, (rs_fxp) { bits, fl }, RS_ROUND_NEAREST, 0, &saturations);
        assert_int_equal(saturations, 0);
        /* One bit less of integer length does not hold it. */
        rs_fxp_quantize(-a, (rs_fxp) { bits, fl + 1 }, RS_ROUND_TRUNCATE, 0, &saturations);
        if (a != ldexp(1, ilogb(a)))
            assert_int_equal(saturations, 1);
    }
}

static void check_bias(void **state)
{
    (void)state;
    rs_rng rng = { .seed = rs_test_seed(), .stream = 4 };
    for (int i = 0; i < 40000; i++) {
        const rs_fxp weights = { 1 + (int)(rs_rng_next(&rng) % 16), (int)(rs_rng_next(&rng) % 129) - 64 };
        const int fl_in = (int)(rs_rng_next(&rng) % 96) - 64;
        const rs_bias_rule rule = i & 1 ? RS_BIAS_WEIGHTS : RS_BIAS_ACCUMULATOR;
        const rs_rounding mode = (rs_rounding)(rs_rng_next(&rng) % RS_ROUND_STOCHASTIC);
        const double b = random_real(&rng, rule == RS_BIAS_WEIGHTS ? weights : (rs_fxp) { 48, weights.fl + fl_in });
        uint64_t x = 0, y = 0;
        if (!isfinite(b))
            continue;
        assert_int_equal(rs_fxp_bias(b, rule, weights, fl_in, mode, &x),
                         rs_oracle_bias(b, rule, weights.bits, weights.fl, fl_in, mode, &y));
        assert_int_equal(x, y);
    }
    /* Where no accumulator can hold it. */
    assert_true(rs_fxp_bias(1, RS_BIAS_WEIGHTS, (rs_fxp) { 8, 6 }, 64, RS_ROUND_NEAREST, NULL) == INT64_C(1) << 62);
    assert_true(rs_fxp_bias(-1, RS_BIAS_WEIGHTS, (rs_fxp) { 8, 6 }, 32, RS_ROUND_NEAREST, NULL) == -(INT64_C(1) << 62));
    assert_int_equal(rs_fxp_bias(0, RS_BIAS_WEIGHTS, (rs_fxp) { 8, 6 }, 64, RS_ROUND_NEAREST, NULL), 0);
}

/* ---------------------------------------------------------------------------------------------------- arrays */

enum { LONGEST = 1000 };

static void quantize_arrays(void)
{
    rs_rng rng = { .seed = rs_test_seed(), .stream = 5 };
    static float x[LONGEST], emulated[LONGEST];
    static int32_t q[LONGEST + 8];
    uint64_t compared = 0;
    for (int bits = 1; bits <= 32; bits++)
        for (int i = 0; i < 40; i++) {
            const rs_fxp format = { bits, i < 4 ? -64 + 128 * (i & 1) : (int)(rs_rng_next(&rng) % 129) - 64 };
            const rs_rounding mode = (rs_rounding)(i % RS_ROUNDINGS);
            const size_t n = i % 5 == 0 ? (size_t)i : rs_rng_next(&rng) % LONGEST;
            for (size_t k = 0; k < n; k++) {
                x[k] = (float)random_real(&rng, format);
                emulated[k] = x[k];
            }
            if (n > 3) {
                x[n / 2] = INFINITY;
                x[n / 3] = -INFINITY;
                x[n / 4] = -1e-45f; /* the smallest there is: floor sees its sign */
                memcpy(emulated, x, n * sizeof *x);
            }
            for (size_t k = 0; k < LONGEST + 8; k++)
                q[k] = 0x5a5a5a5a;
            uint64_t want = 0, got = 7;
            const uint64_t seed = rs_rng_next(&rng);
            rs_fxp_quantize_array(x, n, format, mode, seed, 3, q, &got);
            rs_fxp_emulate_array(emulated, n, format, mode, seed, 3);
            for (size_t k = 0; k < n; k++) {
                const int64_t expected = rs_fxp_quantize((double)x[k], format, mode, rs_random_u64(seed, 3, k), &want);
                if (q[k] != expected)
                    fail_msg("quantize_array at %s: %a, %d bits, fl %d, %s: %d, expected %lld",
                             rs_cpu_name(rs_cpu_level()), (double)x[k], bits, format.fl, rs_rounding_name(mode),
                             (int)q[k], (long long)expected);
                assert_true(emulated[k] == (float)rs_oracle_value(expected, format.fl));
                compared++;
            }
            assert_int_equal(got, want + 7);
            for (size_t k = n; k < n + 8; k++)
                assert_int_equal(q[k], 0x5a5a5a5a);
        }
    assert_true(compared > 300000);
}

static void requantize_arrays(void)
{
    rs_rng rng = { .seed = rs_test_seed(), .stream = 6 };
    static int32_t sum[LONGEST], q[LONGEST + 8];
    uint64_t compared = 0;
    for (int shift = RS_SHIFT_MIN; shift <= RS_SHIFT_MAX; shift++)
        for (int i = 0; i < 96; i++) {
            const int bits = 1 + i % 32;
            const bool relu = i & 1;
            const rs_rounding mode = (rs_rounding)(i / 3 % RS_ROUND_STOCHASTIC);
            const size_t n = i < 20 ? (size_t)i : rs_rng_next(&rng) % LONGEST;
            for (size_t k = 0; k < n; k++) {
                const uint64_t r = rs_rng_next(&rng);
                /* Any 32 bits, small numbers, ties of this shift, the rails. */
                const uint32_t tie = shift > 0 ? (uint32_t)(UINT64_C(1) << (shift - 1)) : 0;
                const uint32_t any = (uint32_t)(r >> 32);
                uint32_t v;
                switch (r & 7) {
                case 0:
                    v = any;
                    break;
                case 1:
                    v = any % 257 - 128;
                    break;
                case 2:
                    v = (uint32_t)INT32_MIN + (any & 1);
                    break;
                case 3:
                    v = (uint32_t)INT32_MAX - (any & 1);
                    break;
                case 4:
                    v = (uint32_t)rs_fxp_max(bits) + (any & 3) - 1;
                    break;
                default:
                    v = tie * (any % 64 - 32) + (uint32_t)(r >> 3) % 3 - 1;
                    break;
                }
                sum[k] = (int32_t)v;
            }
            for (size_t k = 0; k < LONGEST + 8; k++)
                q[k] = 0x5a5a5a5a;
            uint64_t want = 0, got = 5;
            rs_fxp_requantize_array(sum, n, relu, shift, bits, mode, q, &got);
            for (size_t k = 0; k < n; k++) {
                const int32_t expected = rs_fxp_requantize(sum[k], relu, shift, bits, mode, 0, &want);
                if (q[k] != expected)
                    fail_msg("requantize_array at %s: %d, relu %d, shift %d, %d bits, %s: %d, expected %d",
                             rs_cpu_name(rs_cpu_level()), (int)sum[k], relu, shift, bits, rs_rounding_name(mode),
                             (int)q[k], (int)expected);
                compared++;
            }
            assert_int_equal(got, want + 5);
            for (size_t k = n; k < n + 8; k++)
                assert_int_equal(q[k], 0x5a5a5a5a);
            /* In place. */
            rs_fxp_requantize_array(sum, n, relu, shift, bits, mode, sum, NULL);
            assert_memory_equal(sum, q, n * sizeof *sum);
        }
    assert_true(compared > 1000000);
}

/* Sums of up to 48 bits, as doubles. */
static void requantize_doubles(void)
{
    rs_rng rng = { .seed = rs_test_seed(), .stream = 7 };
    static double sum[LONGEST];
    static int32_t q[LONGEST + 8];
    uint64_t compared = 0;
    for (int shift = RS_SHIFT_MIN; shift <= RS_SHIFT_MAX; shift++)
        for (int i = 0; i < 64; i++) {
            const int bits = 1 + i % 32;
            const bool relu = i & 1;
            const rs_rounding mode = (rs_rounding)(i / 3 % RS_ROUND_STOCHASTIC);
            const size_t n = i < 20 ? (size_t)i : rs_rng_next(&rng) % LONGEST;
            for (size_t k = 0; k < n; k++) {
                const uint64_t r = rs_rng_next(&rng);
                const int64_t tie = shift > 0 ? INT64_C(1) << (shift - 1) : 1;
                const int64_t any = (int64_t)(r >> 17) - (INT64_C(1) << 46);
                const int64_t v = (r & 3) == 0 ? corner(r >> 2) : (r & 3) == 1 ? any : tie * (any % 64) + any % 3;
                sum[k] = (double)v;
            }
            for (size_t k = 0; k < LONGEST + 8; k++)
                q[k] = 0x5a5a5a5a;
            uint64_t want = 0, got = 3;
            rs_fxp_requantize_doubles(sum, n, relu, shift, bits, mode, q, &got);
            for (size_t k = 0; k < n; k++) {
                const int32_t expected = rs_fxp_requantize((int64_t)sum[k], relu, shift, bits, mode, 0, &want);
                if (q[k] != expected)
                    fail_msg("requantize_doubles at %s: %.0f, relu %d, shift %d, %d bits, %s: %d, expected %d",
                             rs_cpu_name(rs_cpu_level()), sum[k], relu, shift, bits, rs_rounding_name(mode), (int)q[k],
                             (int)expected);
                compared++;
            }
            assert_int_equal(got, want + 3);
            for (size_t k = n; k < n + 8; k++)
                assert_int_equal(q[k], 0x5a5a5a5a);
        }
    assert_true(compared > 1000000);
}

static void check_requantize_doubles(void **state)
{
    (void)state;
    for_each_level(requantize_doubles);
}

static void check_quantize_arrays(void **state)
{
    (void)state;
    for_each_level(quantize_arrays);
}

static void check_requantize_arrays(void **state)
{
    (void)state;
    for_each_level(requantize_arrays);
}

static void check_long_array(void **state)
{
    (void)state;
    /* More than one block of the counter. */
    const size_t n = (1 << 20) + 77;
    float *x = RS_NEW_ARRAY(float, n);
    int32_t *q = RS_NEW_ARRAY(int32_t, n);
    assert_non_null(x);
    assert_non_null(q);
    for (size_t i = 0; i < n; i++)
        x[i] = 1000;
    uint64_t saturations = 0;
    rs_fxp_quantize_array(x, n, (rs_fxp) { 8, 0 }, RS_ROUND_NEAREST, 0, 0, q, &saturations);
    assert_int_equal(saturations, n);
    assert_int_equal(q[n - 1], 127);
    saturations = 0;
    rs_fxp_requantize_array(q, n, false, 0, 4, RS_ROUND_NEAREST, q, &saturations);
    assert_int_equal(saturations, n);
    assert_int_equal(q[n - 1], 7);
    rs_free(x);
    rs_free(q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_names),
        cmocka_unit_test(check_known),
        cmocka_unit_test(check_requantize_exhaustive),
        cmocka_unit_test(check_shift_round_corners),
        cmocka_unit_test(check_quantize_random),
        cmocka_unit_test(check_stochastic_edges),
        cmocka_unit_test(check_ranges_and_bounds),
        cmocka_unit_test(check_range_fits),
        cmocka_unit_test(check_bias),
        cmocka_unit_test(check_quantize_arrays),
        cmocka_unit_test(check_requantize_arrays),
        cmocka_unit_test(check_requantize_doubles),
        cmocka_unit_test(check_long_array),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
