/* Requantize (docs/arithmetic.md section 5) for arrays of sums, with vector instructions: the integers of
 * rs_fxp_requantize, element for element. Deterministic modes. */
#include <assert.h>

#include "fxp/dispatch.h"
#include "fxp/round.h"

/* Block length for which a 32-bit count of saturations per vector lane cannot overflow. */
enum { BLOCK = 1 << 20, MAX_SHIFT_32 = 30 };

/* What becomes of a sum. shifts: one per channel, the sums are then those of a row of channels; NULL: `shift` for all.
 */
typedef struct requantize_rule {
    bool relu;
    int shift;
    const int32_t *shifts;
    int bits;
    rs_rounding mode;
} requantize_rule;

/* 32-bit arithmetic, shifts from 1 to MAX_SHIFT_32: no step can overflow. n <= BLOCK. */
RS_INLINE uint32_t shift_right_32(const int32_t *sum, size_t n, requantize_rule rule, int32_t *q)
{
    const int32_t lo = (int32_t)rs_fxp_min(rule.bits), hi = (int32_t)rs_fxp_max(rule.bits);
    uint32_t saturated = 0;
    for (size_t i = 0; i < n; i++) {
        const int32_t v = rule.relu && sum[i] < 0 ? 0 : sum[i];
        const int32_t y = rs_round_shift_32(v, rule.shifts ? rule.shifts[i] : rule.shift, rule.mode, 0);
        q[i] = rs_limit_32(y, lo, hi, &saturated);
    }
    return saturated;
}

/* shift = -left <= 0: what exceeds the range divided by 2^left saturates, the rest is multiplied without overflow. */
RS_INLINE uint32_t shift_left_32(const int32_t *sum, size_t n, requantize_rule rule, int32_t *q)
{
    const int left = -rule.shift;
    const int32_t lo = (int32_t)rs_fxp_min(rule.bits), hi = (int32_t)rs_fxp_max(rule.bits);
    const int32_t min = left < rule.bits ? lo / (INT32_C(1) << left) : 0, max = hi >> left;
    const int32_t factor = INT32_C(1) << left;
    uint32_t saturated = 0;
    for (size_t i = 0; i < n; i++) {
        const int32_t v = rule.relu && sum[i] < 0 ? 0 : sum[i];
        const bool under = v<min, over = v> max;
        saturated += under | over;
        const int32_t inside = (under | over) ? 0 : v;
        q[i] = under ? lo : over ? hi : inside * factor;
    }
    return saturated;
}

/* `call` with the rule in which ReLU and mode are constants; the left shifts don't look at the mode. */
#define BY_RELU(call, mode)                                                                   \
    (rule.relu ? call(((requantize_rule) { true, rule.shift, rule.shifts, rule.bits, mode })) \
               : call(((requantize_rule) { false, rule.shift, rule.shifts, rule.bits, mode })))

#define CALL_LEFT_32(rule) shift_left_32(sum, n, rule, q)
#define CALL_RIGHT_32(rule) shift_right_32(sum, n, rule, q)
#define SHIFT_RIGHT_32(mode) BY_RELU(CALL_RIGHT_32, mode)
RS_INLINE uint32_t requantize_32_body(const int32_t *sum, size_t n, requantize_rule rule, int32_t *q)
{
    return rule.shift <= 0 ? BY_RELU(CALL_LEFT_32, rule.mode) : RS_ROUND_BY_MODE(rule.mode, SHIFT_RIGHT_32);
}
RS_DISPATCH(static, uint32_t, requantize_32, (const int32_t *sum, size_t n, requantize_rule rule, int32_t *q),
            (sum, n, rule, q))

void rs_fxp_requantize_array(const int32_t *sum, size_t n, bool relu, int shift, int bits, rs_rounding mode, int32_t *q,
                             uint64_t *saturations)
{
    assert(mode != RS_ROUND_STOCHASTIC);
    const requantize_rule rule = { relu, shift, NULL, bits, mode };
    uint64_t saturated = 0;
    if (shift > MAX_SHIFT_32)
        for (size_t i = 0; i < n; i++)
            q[i] = rs_fxp_requantize(sum[i], relu, shift, bits, mode, 0, &saturated);
    else
        for (size_t i = 0; i < n; i += BLOCK)
            saturated += requantize_32(sum + i, n - i < BLOCK ? n - i : BLOCK, rule, q + i);
    if (saturations)
        *saturations += saturated;
}

/* Rows of n sums. */
RS_INLINE uint64_t requantize_rows(const int32_t *sum, size_t rows, size_t n, requantize_rule rule, int32_t *q)
{
    uint64_t saturated = 0;
    for (size_t r = 0; r < rows; r++)
        saturated += shift_right_32(sum + r * n, n, rule, q + r * n);
    return saturated;
}

#define CALL_ROWS(rule) requantize_rows(sum, rows, n, rule, q)
#define REQUANTIZE_ROWS(mode) BY_RELU(CALL_ROWS, mode)
RS_INLINE uint64_t requantize_channels_body(const int32_t *sum, size_t rows, size_t n, requantize_rule rule, int32_t *q)
{
    return RS_ROUND_BY_MODE(rule.mode, REQUANTIZE_ROWS);
}
RS_DISPATCH(static, uint64_t, requantize_channels,
            (const int32_t *sum, size_t rows, size_t n, requantize_rule rule, int32_t *q), (sum, rows, n, rule, q))

void rs_fxp_requantize_channels(const int32_t *sum, size_t rows, size_t channels, bool relu, const int32_t *shifts,
                                int bits, rs_rounding mode, int32_t *q, uint64_t *saturations)
{
    assert(mode != RS_ROUND_STOCHASTIC);
    const requantize_rule rule = { relu, 0, shifts, bits, mode };
    uint64_t saturated = 0;
    bool within = true;
    for (size_t c = 0; c < channels; c++)
        within = within && shifts[c] >= 1 && shifts[c] <= MAX_SHIFT_32;
    if (within)
        saturated = requantize_channels(sum, rows, channels, rule, q);
    else
        for (size_t i = 0; i < rows * channels; i++)
            q[i] = rs_fxp_requantize(sum[i], relu, shifts[i % channels], bits, mode, 0, &saturated);
    if (saturations)
        *saturations += saturated;
}

/* 64-bit arithmetic; shifts and products stay below 2^63 because |sum| < 2^48. */
RS_INLINE uint64_t shift_right_64(const double *sum, size_t n, requantize_rule rule, int32_t *q)
{
    const int64_t lo = rs_fxp_min(rule.bits), hi = rs_fxp_max(rule.bits);
    uint64_t saturated = 0;
    for (size_t i = 0; i < n; i++) {
        const int64_t s = (int64_t)sum[i], v = rule.relu && s < 0 ? 0 : s;
        q[i] = (int32_t)rs_limit_64(rs_round_shift_64(v, rule.shift, rule.mode, 0), lo, hi, &saturated);
    }
    return saturated;
}

RS_INLINE uint64_t shift_left_64(const double *sum, size_t n, requantize_rule rule, int32_t *q)
{
    const int64_t lo = rs_fxp_min(rule.bits), hi = rs_fxp_max(rule.bits), factor = INT64_C(1) << -rule.shift;
    uint64_t saturated = 0;
    for (size_t i = 0; i < n; i++) {
        const int64_t s = (int64_t)sum[i], v = rule.relu && s < 0 ? 0 : s;
        q[i] = (int32_t)rs_limit_64(v * factor, lo, hi, &saturated);
    }
    return saturated;
}

#define CALL_LEFT_64(rule) shift_left_64(sum, n, rule, q)
#define CALL_RIGHT_64(rule) shift_right_64(sum, n, rule, q)
#define SHIFT_RIGHT_64(mode) BY_RELU(CALL_RIGHT_64, mode)
RS_INLINE uint64_t requantize_64_body(const double *sum, size_t n, requantize_rule rule, int32_t *q)
{
    return rule.shift <= 0 ? BY_RELU(CALL_LEFT_64, rule.mode) : RS_ROUND_BY_MODE(rule.mode, SHIFT_RIGHT_64);
}
RS_DISPATCH(static, uint64_t, requantize_64, (const double *sum, size_t n, requantize_rule rule, int32_t *q),
            (sum, n, rule, q))

void rs_fxp_requantize_doubles(const double *sum, size_t n, bool relu, int shift, int bits, rs_rounding mode,
                               int32_t *q, uint64_t *saturations)
{
    assert(mode != RS_ROUND_STOCHASTIC && shift >= RS_SHIFT_MIN && shift <= RS_SHIFT_MAX);
    const uint64_t saturated = requantize_64(sum, n, (requantize_rule) { relu, shift, NULL, bits, mode }, q);
    if (saturations)
        *saturations += saturated;
}
