/* Accumulators narrower than their sums (docs/arithmetic.md section 3). */
#include "fxp/cpu.h"
#include "fxp/fxp.h"

#define RS_INLINE static inline __attribute__((always_inline))

RS_INLINE void accumulate(int64_t *acc, const int64_t *addend, size_t n, int bits, bool saturate, uint32_t *overflows)
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

#if RS_X86
RS_TARGET_AVX2 static void accumulate_avx2(int64_t *acc, const int64_t *addend, size_t n, int bits, bool saturate,
                                           uint32_t *overflows)
{
    accumulate(acc, addend, n, bits, saturate, overflows);
}

RS_TARGET_AVX512 static void accumulate_avx512(int64_t *acc, const int64_t *addend, size_t n, int bits, bool saturate,
                                               uint32_t *overflows)
{
    accumulate(acc, addend, n, bits, saturate, overflows);
}
#endif

void rs_fxp_accumulate_array(int64_t *acc, const int64_t *addend, size_t n, int bits, bool saturate,
                             uint32_t *overflows)
{
#if RS_X86
    if (rs_cpu_level() >= RS_CPU_AVX512) {
        accumulate_avx512(acc, addend, n, bits, saturate, overflows);
        return;
    }
    if (rs_cpu_level() == RS_CPU_AVX2) {
        accumulate_avx2(acc, addend, n, bits, saturate, overflows);
        return;
    }
#endif
    accumulate(acc, addend, n, bits, saturate, overflows);
}
