/* Float emulation of minifloats (docs/arithmetic.md section 10) for arrays: the values of rs_minifloat_quantize,
 * element for element. */
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "fxp/dispatch.h"
#include "fxp/minifloat.h"

/* Nearest even in double: a + c - c with c = 1.5 * 2^(52 + exponent of a's step) rounds to that step. Below the lowest
 * binade the step stays as it is there; a format without subnormals has one wide step down to zero. */
static void emulate_nearest_even(float *x, size_t n, rs_minifloat f)
{
    const double largest = rs_minifloat_value(rs_minifloat_max_code(f), f), first = rs_minifloat_value(1, f);
    const double lowest = ldexp(1.0, (f.subnormals ? 1 : 0) - f.bias), middle = f.subnormals ? 0 : first / 2;
    const double floor_of_step = f.subnormals ? 0 : first;
    for (size_t i = 0; i < n; i++) {
        const double v = (double)x[i];
        double a = v < 0 ? -v : v;
        a = a < largest ? a : largest;
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
RS_INLINE void emulate_stochastic_body(float *x, size_t n, rs_minifloat f, uint64_t seed, uint64_t stream)
{
    const double largest = rs_minifloat_value(rs_minifloat_max_code(f), f), first = rs_minifloat_value(1, f);
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
            const double magnitude = fabs(v[i]), a = magnitude < largest ? magnitude : largest,
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
            result[i] = rounded < largest ? rounded : largest;
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

RS_DISPATCH_VOID(static, emulate_stochastic, (float *x, size_t n, rs_minifloat f, uint64_t seed, uint64_t stream),
                 (x, n, f, seed, stream))

void rs_minifloat_emulate_array(float *x, size_t n, rs_minifloat f, rs_rounding mode, uint64_t seed, uint64_t stream)
{
    if (mode == RS_ROUND_NEAREST_EVEN) {
        emulate_nearest_even(x, n, f);
        return;
    }
    if (mode == RS_ROUND_STOCHASTIC) {
        emulate_stochastic(x, n, f, seed, stream);
        return;
    }
    for (size_t i = 0; i < n; i++)
        if (x[i] != 0)
            x[i] = (float)rs_minifloat_value(rs_minifloat_quantize((double)x[i], f, mode, 0, NULL), f);
}
