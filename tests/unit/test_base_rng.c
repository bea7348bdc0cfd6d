/* Random numbers: published vectors, distributions, permutations. */
#include "base/rng.h"

#include <math.h>
#include <stdbool.h>

#include "support/test.h"

/* Known answers of philox4x32 with 10 rounds, from kat_vectors of Random123. Their four counter words and two key words
 * are our (counter, stream) and seed, low words first; of the four result words the first two are our 64 bits. */
static void known_answers(void **state)
{
    (void)state;
    assert_int_equal(rs_random_u64(0, 0, 0), UINT64_C(0xe169c58d6627e8d5));
    assert_int_equal(rs_random_u64(UINT64_MAX, UINT64_MAX, UINT64_MAX), UINT64_C(0x41c83b0e408f276d));
    /* The digits of pi: seed 299f31d0a4093822, stream 0370734413198a2e, counter 85a308d3243f6a88. */
    assert_int_equal(
        rs_random_u64(UINT64_C(0x299f31d0a4093822), UINT64_C(0x0370734413198a2e), UINT64_C(0x85a308d3243f6a88)),
        UINT64_C(0x94fdccebd16cfe09));
}

/* The other two words decide the angle of a normal number: 5001e420 24126ea1 and 9b00dbd8 bc57ac4c of the same vectors.
 */
static void normal_known_answers(void **state)
{
    (void)state;
    const struct {
        uint64_t seed, stream, counter, first, second;
    } cases[] = {
        { 0, 0, 0, UINT64_C(0xe169c58d6627e8d5), UINT64_C(0x9b00dbd8bc57ac4c) },
        { UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_C(0x41c83b0e408f276d), UINT64_C(0x6d5451fda20bc7c6) },
        { UINT64_C(0x299f31d0a4093822), UINT64_C(0x0370734413198a2e), UINT64_C(0x85a308d3243f6a88),
          UINT64_C(0x94fdccebd16cfe09), UINT64_C(0x24126ea15001e420) },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const double u = (double)(cases[i].first >> 11) * 0x1p-53, v = (double)(cases[i].second >> 11) * 0x1p-53;
        const double expected = sqrt(-2 * log1p(-u)) * cos(2 * 3.14159265358979323846 * v);
        const double got = rs_random_normal(cases[i].seed, cases[i].stream, cases[i].counter);
        assert_true(fabs(got - expected) < 4e-15);
    }
}

/* The portable logarithm and cosine against the C library's, through the whole range. */
static void normal_follows_box_muller(void **state)
{
    (void)state;
    const uint64_t seed = rs_test_seed();
    double worst = 0;
    for (uint64_t i = 0; i < 200000; i++) {
        /* The radius cannot be seen from outside; but |normal| <= radius, and the radius comes from a known uniform. */
        const double u = rs_random_unit(seed, 7, i);
        const double radius = sqrt(-2 * log1p(-u));
        const double n = rs_random_normal(seed, 7, i);
        if (fabs(n) > radius * (1 + 1e-15) + 1e-15)
            fail_msg("counter %llu: |%.17g| > %.17g", (unsigned long long)i, n, radius);
        worst = fabs(n) > worst ? fabs(n) : worst;
    }
    assert_true(worst > 4 && worst < 7);
}

static void moments_of_normal(void **state)
{
    (void)state;
    enum { N = 1000000 };
    const uint64_t seed = rs_test_seed();
    double sum = 0, squares = 0, cubes = 0, fourths = 0;
    for (uint64_t i = 0; i < N; i++) {
        const double x = rs_random_normal(seed, 1, i);
        sum += x;
        squares += x * x;
        cubes += x * x * x;
        fourths += x * x * x * x;
    }
    /* Six standard deviations of each estimate: 1, sqrt 2, sqrt 15, sqrt 96, over sqrt N. */
    assert_true(fabs(sum / N) < 6.0 / 1000);
    assert_true(fabs(squares / N - 1) < 8.5 / 1000);
    assert_true(fabs(cubes / N) < 24.0 / 1000);
    assert_true(fabs(fourths / N - 3) < 59.0 / 1000);
}

static void unit_is_uniform(void **state)
{
    (void)state;
    enum { N = 1000000, BINS = 64 };
    const uint64_t seed = rs_test_seed();
    int bins[BINS] = { 0 };
    for (uint64_t i = 0; i < N; i++) {
        const double u = rs_random_unit(seed, 2, i);
        assert_true(u >= 0 && u < 1);
        bins[(int)(u * BINS)]++;
    }
    double chi2 = 0;
    for (int b = 0; b < BINS; b++)
        chi2 += (bins[b] - (double)N / BINS) * (bins[b] - (double)N / BINS) / ((double)N / BINS);
    assert_true(chi2 < 63 + 7 * sqrt(2 * 63)); /* 63 degrees of freedom */
}

static void below_stays_below(void **state)
{
    (void)state;
    const uint64_t seed = rs_test_seed();
    const uint64_t limits[] = { 1, 2, 3, 10, 60000, UINT32_MAX, UINT64_C(1) << 40, UINT64_MAX };
    for (size_t k = 0; k < sizeof limits / sizeof *limits; k++) {
        for (uint64_t i = 0; i < 10000; i++)
            assert_true(rs_random_below(seed, k, i, limits[k]) < limits[k]);
    }
    int counts[10] = { 0 };
    for (uint64_t i = 0; i < 100000; i++)
        counts[rs_random_below(seed, 99, i, 10)]++;
    for (int d = 0; d < 10; d++)
        assert_in_range(counts[d], 9400, 10600);
    /* The definition: the high half of the 128-bit product. */
    assert_int_equal(rs_random_below(0, 0, 0, UINT64_C(1) << 32), 0xe169c58d);
    assert_int_equal(rs_random_below(0, 0, 0, 16), 0xe);
}

/* Each place once; another order for another stream; and an image goes to any tenth of the places as often as to
 * another. */
static void permutations_are_permutations(void **state)
{
    (void)state;
    enum { MOST = 50000 };
    static bool seen[MOST];
    const uint64_t seed = rs_test_seed(), sizes[] = { 1, 2, 3, 4, 5, 16, 17, 1000, 4096, MOST };
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        for (uint64_t i = 0; i < sizes[k]; i++)
            seen[i] = false;
        for (uint64_t i = 0; i < sizes[k]; i++) {
            const uint64_t at = rs_random_permuted(seed, k, i, sizes[k]);
            assert_true(at < sizes[k] && !seen[at]);
            seen[at] = true;
        }
    }
    int fixed = 0, follow = 0, tenths[10] = { 0 };
    for (uint64_t i = 0; i + 1 < 10000; i++) {
        const uint64_t at = rs_random_permuted(seed, 1, i, 10000);
        fixed += at == rs_random_permuted(seed, 2, i, 10000);
        follow += rs_random_permuted(seed, 1, i + 1, 10000) == at + 1;
        tenths[rs_random_permuted(seed, i, 77, 1000) / 100]++;
    }
    assert_true(fixed < 12 && follow < 12); /* one each is expected */
    for (int d = 0; d < 10; d++)
        assert_in_range(tenths[d], 800, 1200);
    assert_true(rs_random_permuted(seed, 0, UINT32_MAX, UINT64_C(1) << 32) < UINT64_C(1) << 32);
}

static void streams_and_seeds_differ(void **state)
{
    (void)state;
    assert_int_not_equal(rs_random_u64(1, 0, 0), rs_random_u64(0, 1, 0));
    assert_int_not_equal(rs_random_u64(1, 0, 0), rs_random_u64(0, 0, 1));
    assert_int_not_equal(rs_random_u64(0, 1, 0), rs_random_u64(0, 0, 1));
    assert_int_not_equal(rs_random_u64(UINT64_C(1) << 32, 0, 0), rs_random_u64(0, 0, 0));
    assert_int_not_equal(rs_random_u64(0, UINT64_C(1) << 32, 0), rs_random_u64(0, 0, 0));
    assert_int_not_equal(rs_random_u64(0, 0, UINT64_C(1) << 32), rs_random_u64(0, 0, 0));
}

static void sequential_is_the_same_function(void **state)
{
    (void)state;
    rs_rng rng = { .seed = 5, .stream = 6, .counter = 0 };
    for (uint64_t i = 0; i < 100; i++)
        assert_int_equal(rs_rng_next(&rng), rs_random_u64(5, 6, i));
    assert_int_equal(rng.counter, 100);
}

/* The first outputs of splitmix64 seeded with 0 and with 1234567, from its reference implementation. */
static void mix64_known_answers(void **state)
{
    (void)state;
    assert_int_equal(rs_mix64(0), UINT64_C(0xe220a8397b1dcdaf));
    assert_int_equal(rs_mix64(UINT64_C(0x9e3779b97f4a7c15)), UINT64_C(0x6e789e6aa1b965f4));
    assert_int_equal(rs_mix64(1234567), UINT64_C(6457827717110365317));
    assert_int_equal(rs_mix64(1234567 + UINT64_C(0x9e3779b97f4a7c15)), UINT64_C(3203168211198807973));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_answers),
        cmocka_unit_test(normal_known_answers),
        cmocka_unit_test(normal_follows_box_muller),
        cmocka_unit_test(moments_of_normal),
        cmocka_unit_test(unit_is_uniform),
        cmocka_unit_test(below_stays_below),
        cmocka_unit_test(permutations_are_permutations),
        cmocka_unit_test(streams_and_seeds_differ),
        cmocka_unit_test(sequential_is_the_same_function),
        cmocka_unit_test(mix64_known_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
