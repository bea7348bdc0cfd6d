/* What happens to activations between the inner products: how they are stored. Loops are compiled for each
 * level of vector instructions; they give the same integers at all of them. */
#include <string.h>

#include "fxp/dispatch.h"
#include "engine/ops.h"

#if RS_X86
#include <immintrin.h>
#endif

RS_INLINE int32_t get(const void *data, rs_storage s, int64_t i)
{
    switch (s) {
    case RS_STORE_S8:
        return ((const uint8_t *)data)[i] - 128;
    case RS_STORE_U8:
        return ((const uint8_t *)data)[i];
    case RS_STORE_S16:
        return ((const int16_t *)data)[i];
    case RS_STORE_U16:
        return ((const int16_t *)data)[i] + 32768;
    case RS_STORE_S32:
        return ((const int32_t *)data)[i];
    case RS_STORE_F64:
    default:
        return (int32_t)((const double *)data)[i];
    }
}

RS_INLINE void put(void *data, rs_storage s, int64_t i, int32_t q)
{
    switch (s) {
    case RS_STORE_S8:
        ((uint8_t *)data)[i] = (uint8_t)(q + 128);
        break;
    case RS_STORE_U8:
        ((uint8_t *)data)[i] = (uint8_t)q;
        break;
    case RS_STORE_S16:
        ((int16_t *)data)[i] = (int16_t)q;
        break;
    case RS_STORE_U16:
        ((int16_t *)data)[i] = (int16_t)(q - 32768);
        break;
    case RS_STORE_S32:
        ((int32_t *)data)[i] = q;
        break;
    case RS_STORE_F64:
        ((double *)data)[i] = (double)q;
        break;
    }
}

/* Constants for both storages let the compiler vectorize each combination. */
RS_INLINE void rs_storage_convert_body(const void *restrict from, rs_storage a, void *restrict to, rs_storage b,
                                       int64_t n)
{
#define RS_CONVERT(A, B)                        \
    if (a == (A) && b == (B)) {                 \
        for (int64_t i = 0; i < n; i++)         \
            put(to, (B), i, get(from, (A), i)); \
        return;                                 \
    }
    RS_CONVERT(RS_STORE_S8, RS_STORE_S16)
    RS_CONVERT(RS_STORE_U8, RS_STORE_S16)
    RS_CONVERT(RS_STORE_S8, RS_STORE_F64)
    RS_CONVERT(RS_STORE_U8, RS_STORE_F64)
    RS_CONVERT(RS_STORE_S16, RS_STORE_F64)
    RS_CONVERT(RS_STORE_U16, RS_STORE_F64)
#undef RS_CONVERT
}
RS_DISPATCH_VOID(, rs_storage_convert, (const void *from, rs_storage a, void *to, rs_storage b, int64_t n),
                 (from, a, to, b, n))

RS_INLINE void rs_storage_unpack_body(const void *restrict from, rs_storage s, int32_t *restrict to, int64_t n)
{
#define RS_UNPACK(S)                    \
    case S:                             \
        for (int64_t i = 0; i < n; i++) \
            to[i] = get(from, (S), i);  \
        break;
    switch (s) {
        RS_UNPACK(RS_STORE_S8)
        RS_UNPACK(RS_STORE_U8)
        RS_UNPACK(RS_STORE_S16)
        RS_UNPACK(RS_STORE_U16)
        RS_UNPACK(RS_STORE_S32)
        RS_UNPACK(RS_STORE_F64)
    }
#undef RS_UNPACK
}
RS_DISPATCH_VOID(, rs_storage_unpack, (const void *from, rs_storage s, int32_t *to, int64_t n), (from, s, to, n))

static void rs_storage_pack_plain(const int32_t *from, int64_t rows, int64_t n, int64_t from_stride, void *to,
                                  rs_storage s, int64_t to_stride)
{
    const int64_t size = rs_storage_size(s);
    for (int64_t r = 0; r < rows; r++) {
        const int32_t *restrict q = from + r * from_stride;
        void *restrict out = (char *)to + r * to_stride * size;
        const int32_t zero = rs_storage_zero(s);
        if (size == 1)
            for (int64_t i = 0; i < n; i++)
                ((uint8_t *)out)[i] = (uint8_t)(q[i] + zero);
        else if (size == 2)
            for (int64_t i = 0; i < n; i++)
                ((int16_t *)out)[i] = (int16_t)(q[i] + zero);
        else
            memcpy(out, q, (size_t)n * sizeof *q);
    }
}

#if RS_X86
/* Rows are short and seldom a multiple of a vector: masked stores take the tails. */
RS_TARGET_AVX512
static void rs_storage_pack_avx512(const int32_t *from, int64_t rows, int64_t n, int64_t from_stride, void *to,
                                   rs_storage s, int64_t to_stride)
{
    const __m512i zero = _mm512_set1_epi32(rs_storage_zero(s));
    for (int64_t r = 0; r < rows; r++, from += from_stride)
        for (int64_t i = 0; i < n; i += 16) {
            const int64_t left = n - i < 16 ? n - i : 16;
            const __mmask16 mask = (__mmask16)((UINT32_C(1) << left) - 1);
            const __m512i q = _mm512_add_epi32(_mm512_maskz_loadu_epi32(mask, from + i), zero);
            if (rs_storage_size(s) == 1)
                _mm_mask_storeu_epi8((uint8_t *)to + r * to_stride + i, mask, _mm512_cvtepi32_epi8(q));
            else
                _mm256_mask_storeu_epi16((int16_t *)to + r * to_stride + i, mask, _mm512_cvtepi32_epi16(q));
        }
}
#endif

void rs_storage_pack(const int32_t *from, int64_t rows, int64_t n, int64_t from_stride, void *to, rs_storage s,
                     int64_t to_stride)
{
#if RS_X86
    if (rs_cpu_level() >= RS_CPU_AVX512 && rs_storage_size(s) < 4) {
        rs_storage_pack_avx512(from, rows, n, from_stride, to, s, to_stride);
        return;
    }
#endif
    rs_storage_pack_plain(from, rows, n, from_stride, to, s, to_stride);
}

/* An integer as it is stored, or the closest that can be. */
static int32_t stored(int32_t q, rs_storage s)
{
    const int64_t value = (int64_t)q + rs_storage_zero(s), min = rs_storage_size(s) == 1 ? 0 : INT16_MIN,
                  max = rs_storage_size(s) == 1 ? UINT8_MAX : INT16_MAX;
    return (int32_t)(value < min ? min : value > max ? max : value);
}

RS_INLINE void rs_storage_clip_body(const void *restrict from, void *restrict to, rs_storage s, int32_t min,
                                    int32_t max, int64_t n)
{
    if (rs_storage_size(s) == 1) {
        const uint8_t *a = from, low = (uint8_t)stored(min, s), high = (uint8_t)stored(max, s);
        uint8_t *b = to;
        for (int64_t i = 0; i < n; i++) {
            const uint8_t q = a[i] < low ? low : a[i];
            b[i] = q > high ? high : q;
        }
    } else {
        const int16_t *a = from, low = (int16_t)stored(min, s), high = (int16_t)stored(max, s);
        int16_t *b = to;
        for (int64_t i = 0; i < n; i++) {
            const int16_t q = a[i] < low ? low : a[i];
            b[i] = q > high ? high : q;
        }
    }
}
RS_DISPATCH_VOID(, rs_storage_clip, (const void *from, void *to, rs_storage s, int32_t min, int32_t max, int64_t n),
                 (from, to, s, min, max, n))

RS_INLINE void rs_storage_accumulate_body(const void *restrict from, rs_storage s, int shift, int32_t *restrict sums,
                                          int64_t n)
{
#define RS_ACCUMULATE(S)                                          \
    case S:                                                       \
        for (int64_t i = 0; i < n; i++)                           \
            sums[i] += get(from, (S), i) * (INT32_C(1) << shift); \
        break;
    switch (s) {
        RS_ACCUMULATE(RS_STORE_S8)
        RS_ACCUMULATE(RS_STORE_U8)
        RS_ACCUMULATE(RS_STORE_S16)
        RS_ACCUMULATE(RS_STORE_U16)
        RS_ACCUMULATE(RS_STORE_S32)
        RS_ACCUMULATE(RS_STORE_F64)
    }
#undef RS_ACCUMULATE
}
RS_DISPATCH_VOID(, rs_storage_accumulate, (const void *from, rs_storage s, int shift, int32_t *sums, int64_t n),
                 (from, s, shift, sums, n))
