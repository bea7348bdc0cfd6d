/* Small functions of integers that many rooms need. */
#ifndef RISTRETTO_BASE_INTEGER_H
#define RISTRETTO_BASE_INTEGER_H

#include <stdint.h>

static inline int64_t rs_min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t rs_max64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* |v|; sums and products of integers from 0 on. All of them: INT64_MAX where the result does not fit. */
static inline int64_t rs_magnitude(int64_t v)
{
    return v < 0 ? (v == INT64_MIN ? INT64_MAX : -v) : v;
}
static inline int64_t rs_add_capped(int64_t a, int64_t b)
{
    int64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}
static inline int64_t rs_multiply_capped(int64_t a, int64_t b)
{
    int64_t product;
    return __builtin_mul_overflow(a, b, &product) ? INT64_MAX : product;
}

/* a / b rounded up; a >= 0, b > 0, a + b fits. */
static inline int64_t rs_divide_up(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

/* The least multiple of `unit` that is at least a; as rs_divide_up. */
static inline int64_t rs_round_up(int64_t a, int64_t unit)
{
    return rs_divide_up(a, unit) * unit;
}

/* ceil(log2 n), 1 <= n <= 2^62. */
static inline int rs_ceil_log2(int64_t n)
{
    int bits = 0;
    while ((INT64_C(1) << bits) < n)
        bits++;
    return bits;
}

/* Greatest common divisor of two positive numbers. */
static inline int64_t rs_gcd(int64_t a, int64_t b)
{
    while (b) {
        const int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

#endif
