/* Accumulators narrower than their sums (docs/arithmetic.md section 3). */
#include "fxp/dispatch.h"
#include "fxp/fxp.h"

RS_INLINE void rs_fxp_accumulate_array_body(int64_t *acc, const int64_t *addend, size_t n, int bits, bool saturate,
                                            uint32_t *overflows)
{
    const int64_t lo = rs_fxp_min(bits), hi = rs_fxp_max(bits);
    if (saturate) {
        for (size_t i = 0; i < n; i++) {
            const int64_t v = acc[i] + addend[i], low = v < lo ? lo : v, r = low > hi ? hi : low;
            overflows[i] += r != v;
            acc[i] = r;
        }
    } else {
        /* The low bits, of which the sign bit counts negative: (v mod 2^bits ^ 2^(bits-1)) - 2^(bits-1). */
        for (size_t i = 0; i < n; i++) {
            const int64_t v = acc[i] + addend[i], r = ((v & (2 * hi + 1)) ^ -lo) + lo;
            overflows[i] += r != v;
            acc[i] = r;
        }
    }
}

RS_DISPATCH_VOID(, rs_fxp_accumulate_array,
                 (int64_t * acc, const int64_t *addend, size_t n, int bits, bool saturate, uint32_t *overflows),
                 (acc, addend, n, bits, saturate, overflows))
