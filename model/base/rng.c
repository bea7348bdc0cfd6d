/* Random numbers from (seed, stream, counter): Philox4x32-10. */
#include "base/rng.h"

#include <math.h>

/* One block of Philox4x32-10: four 32-bit words from a counter (x) and a key (k). Constants from the SC 2011 paper. */
static void philox4x32_10(uint32_t x[4], uint32_t k0, uint32_t k1)
{
    for (int round = 0; round < 10; round++) {
        const uint64_t p0 = (uint64_t)x[0] * 0xD2511F53u;
        const uint64_t p1 = (uint64_t)x[2] * 0xCD9E8D57u;
        const uint32_t y0 = (uint32_t)(p1 >> 32) ^ x[1] ^ k0;
        const uint32_t y2 = (uint32_t)(p0 >> 32) ^ x[3] ^ k1;
        x[0] = y0;
        x[1] = (uint32_t)p1;
        x[2] = y2;
        x[3] = (uint32_t)p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
}

/* The counter block is (counter, stream), the key is the seed; low words first. */
static void random_block(uint64_t seed, uint64_t stream, uint64_t counter, uint64_t out[2])
{
    uint32_t x[4] = { (uint32_t)counter, (uint32_t)(counter >> 32), (uint32_t)stream, (uint32_t)(stream >> 32) };
    philox4x32_10(x, (uint32_t)seed, (uint32_t)(seed >> 32));
    out[0] = x[0] | (uint64_t)x[1] << 32;
    out[1] = x[2] | (uint64_t)x[3] << 32;
}

static double to_unit(uint64_t bits)
{
    return (double)(bits >> 11) * 0x1p-53;
}

uint64_t rs_random_u64(uint64_t seed, uint64_t stream, uint64_t counter)
{
    uint64_t out[2];
    random_block(seed, stream, counter, out);
    return out[0];
}

double rs_random_unit(uint64_t seed, uint64_t stream, uint64_t counter)
{
    return to_unit(rs_random_u64(seed, stream, counter));
}

uint64_t rs_random_below(uint64_t seed, uint64_t stream, uint64_t counter, uint64_t n)
{
    __extension__ typedef unsigned __int128 u128;
    return (uint64_t)(((u128)rs_random_u64(seed, stream, counter) * n) >> 64);
}

uint64_t rs_random_permuted(uint64_t seed, uint64_t stream, uint64_t i, uint64_t n)
{
    unsigned half = 1; /* bits of each side */
    while (half < 16 && (UINT64_C(1) << 2 * half) < n)
        half++;
    const uint64_t mask = (UINT64_C(1) << half) - 1;
    do {
        uint64_t left = i >> half, right = i & mask;
        for (uint64_t round = 0; round < 4; round++) {
            const uint64_t next = left ^ (rs_random_u64(seed, stream, round << half | right) & mask);
            left = right;
            right = next;
        }
        i = left << half | right;
    } while (i >= n);
    return i;
}

/* The C library's log and cos take other instructions, and give other last bits, on other processors. These use only
 * operations that IEEE 754 rounds in one way, so that a seed gives the same normals everywhere; error below 2e-16 + 1
 * ulp. */
static double portable_log(double x)
{
    int exponent;
    double m = frexp(x, &exponent); /* [0.5, 1) */
    if (m < 0.70710678118654752) {
        m *= 2;
        exponent--;
    }
    /* log m = 2 artanh s, |s| <= 0.1716 */
    const double s = (m - 1) / (m + 1);
    const double z = s * s;
    double sum = 0;
    for (int k = 23; k >= 1; k -= 2)
        sum = sum * z + 1.0 / k;
    return 2 * s * sum + exponent * 0.69314718055994531;
}

/* cos(2 pi u) for u in [0, 1): folded into an octant, then Taylor's series. */
static double portable_cos_turn(double u)
{
    if (u > 0.5)
        u = 1 - u;
    const double sign = u > 0.25 ? -1 : 1;
    if (u > 0.25)
        u = 0.5 - u; /* now in [0, 0.25]; the folds are exact */
    if (u <= 0.125) {
        const double x = 6.283185307179586 * u, z = x * x;
        double sum = 1;
        for (int k = 18; k >= 2; k -= 2)
            sum = 1 - sum * z / (k * (k - 1));
        return sign * sum;
    }
    const double x = 6.283185307179586 * (0.25 - u), z = x * x; /* cos(t) = sin(pi/2 - t) */
    double sum = 1;
    for (int k = 19; k >= 3; k -= 2)
        sum = 1 - sum * z / (k * (k - 1));
    return sign * x * sum;
}

double rs_random_normal(uint64_t seed, uint64_t stream, uint64_t counter)
{
    uint64_t out[2];
    random_block(seed, stream, counter, out);
    /* 1 - u lies in (0, 1], where the logarithm is finite. */
    return sqrt(-2 * portable_log(1 - to_unit(out[0]))) * portable_cos_turn(to_unit(out[1]));
}
