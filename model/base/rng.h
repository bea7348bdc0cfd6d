/* Counter-based random numbers: the value depends on (seed, stream, counter) alone, so that results are the same on
 * every machine, whatever the number of threads or the order of evaluation. Philox4x32-10: Salmon, Moraes, Dror, Shaw,
 * "Parallel random numbers: as easy as 1, 2, 3", SC 2011. */
#ifndef RISTRETTO_BASE_RNG_H
#define RISTRETTO_BASE_RNG_H

#include <stdint.h>

#include "base/compiler.h"

uint64_t rs_random_u64(uint64_t seed, uint64_t stream, uint64_t counter);
/* Uniform in [0, 1) with 53 bits; uniform integer in [0, n), n > 0, without bias worth the name (n < 2^32: exact by
 * multiply-shift on 64 bits). */
double rs_random_unit(uint64_t seed, uint64_t stream, uint64_t counter);
uint64_t rs_random_below(uint64_t seed, uint64_t stream, uint64_t counter, uint64_t n);
/* Standard normal (Box-Muller on two uniforms of the same counter). */
double rs_random_normal(uint64_t seed, uint64_t stream, uint64_t counter);

/* Where i goes in the permutation of 0 to n - 1 that (seed, stream) picks; without a table, so that any place can be
 * asked for. A Feistel network of four rounds on as few bits as hold n, walked until it is below n: Black, Rogaway,
 * "Ciphers with arbitrary finite domains", CT-RSA 2002. i < n, n <= 2^32. */
uint64_t rs_random_permuted(uint64_t seed, uint64_t stream, uint64_t i, uint64_t n);

/* rs_random_u64 of RS_RANDOM_LANES counters from `counter` on, as a loop that a compiler turns into vector code of
 * whatever width the calling function is compiled for. The counters' upper halves must be the same: counter is a
 * multiple of RS_RANDOM_LANES. */
enum { RS_RANDOM_LANES = 32 };
RS_INLINE void rs_random_lanes(uint64_t seed, uint64_t stream, uint64_t counter, uint64_t out[RS_RANDOM_LANES])
{
    uint32_t a[RS_RANDOM_LANES], b[RS_RANDOM_LANES], c[RS_RANDOM_LANES], d[RS_RANDOM_LANES];
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    for (int i = 0; i < RS_RANDOM_LANES; i++) {
        a[i] = (uint32_t)counter + (uint32_t)i;
        b[i] = (uint32_t)(counter >> 32);
        c[i] = (uint32_t)stream;
        d[i] = (uint32_t)(stream >> 32);
    }
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < RS_RANDOM_LANES; i++) {
            const uint64_t p0 = (uint64_t)a[i] * 0xD2511F53u, p1 = (uint64_t)c[i] * 0xCD9E8D57u;
            a[i] = (uint32_t)(p1 >> 32) ^ b[i] ^ k0;
            b[i] = (uint32_t)p1;
            c[i] = (uint32_t)(p0 >> 32) ^ d[i] ^ k1;
            d[i] = (uint32_t)p0;
        }
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    for (int i = 0; i < RS_RANDOM_LANES; i++)
        out[i] = a[i] | (uint64_t)b[i] << 32;
}

/* A sequential generator over the same function, for code that draws one number after the other. */
typedef struct rs_rng {
    uint64_t seed, stream, counter;
} rs_rng;
static inline uint64_t rs_rng_next(rs_rng *rng)
{
    return rs_random_u64(rng->seed, rng->stream, rng->counter++);
}

/* 64-bit mix of splitmix64 (Steele, Lea, Flood 2014): the hash that decides memory stalls in C model and test bench
 * alike. */
static inline uint64_t rs_mix64(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

#endif
