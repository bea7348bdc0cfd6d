/* Rounding and saturating of one number (docs/arithmetic.md sections 1 and 2): the only code that decides which way a
 * number is rounded. All of it is inlined, so that the loops of the kernels turn into vector instructions. */
#ifndef RISTRETTO_FXP_ROUND_H
#define RISTRETTO_FXP_ROUND_H

#include "base/compiler.h"
#include "fxp/fxp.h"

/* Where a number lies between two neighbours of its format, seen from one of them, the origin. */
typedef struct rs_round_gap {
    bool past, tie; /* past the middle, as seen from the origin; in the middle */
    bool off;       /* it is not the origin itself */
    int odd;        /* the origin's last bit is set */
    bool outward;   /* the other neighbour is the one farther from zero */
    bool upward;    /* the other neighbour is the larger one */
} rs_round_gap;

/* The table of section 2, deterministic modes: does the number become the other neighbour? */
RS_INLINE int rs_round_crosses(rs_rounding mode, rs_round_gap g)
{
    switch (mode) {
    case RS_ROUND_NEAREST:
        return g.past | (g.tie & g.outward);
    case RS_ROUND_NEAREST_EVEN:
        return g.past ? 1 : g.tie ? g.odd : 0;
    case RS_ROUND_NEAREST_UP:
        return g.past | (g.tie & g.upward);
    default: /* truncate: the lower one */
        return g.off & !g.upward;
    }
}

/* name(v, shift, mode, random) rounds v / 2^shift for integers of type T, shift from 1 to the bits of T less 2. It
 * looks up from the floor. `random`: a uniform word, for RS_ROUND_STOCHASTIC only. */
#define RS_DEFINE_ROUND_SHIFT(name, T, U)                                                                   \
    RS_INLINE T name(T v, int shift, rs_rounding mode, uint64_t random)                                     \
    {                                                                                                       \
        const T half = (T)((U)1 << (shift - 1)), mask = (T)(((U)1 << shift) - 1);                           \
        const T floor_v = v >> shift, rest = v & mask; /* v = floor_v * 2^shift + rest */                   \
        if (mode == RS_ROUND_STOCHASTIC)                                                                    \
            return floor_v + (rest + (T)((U)random & (U)mask) > mask);                                      \
        const rs_round_gap gap = { rest > half, rest == half, rest > 0, (int)(floor_v & 1), v >= 0, true }; \
        return floor_v + rs_round_crosses(mode, gap);                                                       \
    }
RS_DEFINE_ROUND_SHIFT(rs_round_shift_32, int32_t, uint32_t)
RS_DEFINE_ROUND_SHIFT(rs_round_shift_64, int64_t, uint64_t)

/* name(y, mode, random) rounds a number of type R that the integers of type T hold. It looks both ways from the integer
 * next to y on the side of zero; the distance d is exact, and comparing it with constants avoids forming y + 1/2, which
 * is not always representable. Stochastic: floor(d + u), u = random / 2^64 cut to 53 bits; 1 - u is exact too. */
#define RS_DEFINE_ROUND_REAL(name, R, T)                                                        \
    RS_INLINE T name(R y, rs_rounding mode, uint64_t random)                                    \
    {                                                                                           \
        const R half = (R)0.5;                                                                  \
        const T t = (T)y;                                                                       \
        const R d = y - (R)t;                                                                   \
        if (mode == RS_ROUND_STOCHASTIC) {                                                      \
            const double u = (double)(int64_t)(random >> 11) * 0x1p-53;                         \
            return t + (d >= 1.0 - u) - (u < -d);                                               \
        }                                                                                       \
        const rs_round_gap above = { d > half, d == half, d > 0, (int)(t & 1), true, true },    \
                           below = { d < -half, d == -half, d < 0, (int)(t & 1), true, false }; \
        return t + rs_round_crosses(mode, above) - rs_round_crosses(mode, below);               \
    }
RS_DEFINE_ROUND_REAL(rs_round_float, float, int32_t)
RS_DEFINE_ROUND_REAL(rs_round_double, double, int32_t)
RS_DEFINE_ROUND_REAL(rs_round_wide, double, int64_t)

/* v within [lo, hi]; adds 1 to *changed if that is not v. */
RS_INLINE int32_t rs_limit_32(int32_t v, int32_t lo, int32_t hi, uint32_t *changed)
{
    const int32_t r = v < lo ? lo : v > hi ? hi : v;
    *changed += r != v;
    return r;
}
RS_INLINE int64_t rs_limit_64(int64_t v, int64_t lo, int64_t hi, uint64_t *changed)
{
    const int64_t r = v < lo ? lo : v > hi ? hi : v;
    *changed += r != v;
    return r;
}

/* `call` with a mode that is a constant: the compiler then specializes and vectorizes each loop. `call` is a macro of
 * one argument, an expression; mode is a deterministic one. */
#define RS_ROUND_BY_MODE(mode, call)                                 \
    ((mode) == RS_ROUND_NEAREST        ? call(RS_ROUND_NEAREST)      \
     : (mode) == RS_ROUND_NEAREST_EVEN ? call(RS_ROUND_NEAREST_EVEN) \
     : (mode) == RS_ROUND_NEAREST_UP   ? call(RS_ROUND_NEAREST_UP)   \
                                       : call(RS_ROUND_TRUNCATE))

#endif
