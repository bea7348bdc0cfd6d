/* What happens to activations between the inner products: storage, max pooling, ReLU. Loops are compiled for each level of vector
 * instructions; they give the same integers at all of them. */
#include <string.h>

#include "fxp/cpu.h"
#include "quant/engine_ops.h"

#define RS_INLINE static inline __attribute__((always_inline))

/* Defines `name` as its body compiled for the processor at hand. DECL: parameters in parentheses, ARGS: their names. */
#if RS_X86
#define RS_DISPATCH(name, DECL, ARGS)                                                  \
    static void name##_portable DECL { name##_body ARGS; }                             \
    RS_TARGET_AVX2 static void name##_avx2 DECL { name##_body ARGS; }                  \
    RS_TARGET_AVX512 static void name##_avx512 DECL { name##_body ARGS; }              \
    void name DECL                                                                     \
    {                                                                                  \
        const rs_cpu cpu = rs_cpu_level();                                             \
        if (cpu >= RS_CPU_AVX512)                                                      \
            name##_avx512 ARGS;                                                        \
        else if (cpu >= RS_CPU_AVX2)                                                   \
            name##_avx2 ARGS;                                                          \
        else                                                                           \
            name##_portable ARGS;                                                      \
    }
#else
#define RS_DISPATCH(name, DECL, ARGS) \
    void name DECL { name##_body ARGS; }
#endif

RS_INLINE int32_t get(const void *data, rs_storage s, int64_t i)
{
    switch (s) {
    case RS_STORE_U8:
        return ((const uint8_t *)data)[i] - RS_STORE_U8_ZERO;
    case RS_STORE_S16:
        return ((const int16_t *)data)[i];
    case RS_STORE_F64:
    default:
        return (int32_t)((const double *)data)[i];
    }
}

RS_INLINE void put(void *data, rs_storage s, int64_t i, int32_t q)
{
    switch (s) {
    case RS_STORE_U8:
        ((uint8_t *)data)[i] = (uint8_t)(q + RS_STORE_U8_ZERO);
        break;
    case RS_STORE_S16:
        ((int16_t *)data)[i] = (int16_t)q;
        break;
    case RS_STORE_F64:
        ((double *)data)[i] = (double)q;
        break;
    }
}

/* Constants for both storages let the compiler vectorize each combination. */
RS_INLINE void rs_storage_convert_body(const void *restrict from, rs_storage a, void *restrict to, rs_storage b, int64_t n)
{
#define RS_CONVERT(A, B)                       \
    if (a == (A) && b == (B)) {                \
        for (int64_t i = 0; i < n; i++)        \
            put(to, (B), i, get(from, (A), i)); \
        return;                                \
    }
    RS_CONVERT(RS_STORE_U8, RS_STORE_U8)
    RS_CONVERT(RS_STORE_U8, RS_STORE_S16)
    RS_CONVERT(RS_STORE_U8, RS_STORE_F64)
    RS_CONVERT(RS_STORE_S16, RS_STORE_U8)
    RS_CONVERT(RS_STORE_S16, RS_STORE_S16)
    RS_CONVERT(RS_STORE_S16, RS_STORE_F64)
#undef RS_CONVERT
}
RS_DISPATCH(rs_storage_convert, (const void *from, rs_storage a, void *to, rs_storage b, int64_t n), (from, a, to, b, n))

RS_INLINE void rs_storage_pack_body(const int32_t *from, int64_t rows, int64_t n, int64_t from_stride, void *to, rs_storage s,
                                    int64_t to_stride)
{
    const int64_t size = rs_storage_size(s);
    for (int64_t r = 0; r < rows; r++) {
        const int32_t *restrict q = from + r * from_stride;
        void *restrict out = (char *)to + r * to_stride * size;
        if (s == RS_STORE_U8)
            for (int64_t i = 0; i < n; i++)
                put(out, RS_STORE_U8, i, q[i]);
        else
            for (int64_t i = 0; i < n; i++)
                put(out, RS_STORE_S16, i, q[i]);
    }
}
RS_DISPATCH(rs_storage_pack,
            (const int32_t *from, int64_t rows, int64_t n, int64_t from_stride, void *to, rs_storage s, int64_t to_stride),
            (from, rows, n, from_stride, to, s, to_stride))

/* The maximum is taken on stored values: both storages keep the order of the integers. Channels are done 16 at a time; what is read and
 * written behind the last one is overwritten by the next position, or lies in the slack behind the buffer. */
enum { POOL_BLOCK = 16 };

#define RS_MAX_POOL(T)                                                                                            \
    for (int oy = 0; oy < out->height; oy++) {                                                                    \
        const int64_t top = (int64_t)oy * op->stride_h - op->pad_h;                                               \
        const int64_t y0 = top > 0 ? top : 0, y1 = top + op->kernel_h < h ? top + op->kernel_h : h;               \
        for (int ox = 0; ox < out->width; ox++) {                                                                 \
            const int64_t left = (int64_t)ox * op->stride_w - op->pad_w;                                          \
            const int64_t x0 = left > 0 ? left : 0, x1 = left + op->kernel_w < w ? left + op->kernel_w : w;       \
            T *to_here = (T *)to + ((int64_t)oy * out->width + ox) * channels;                                    \
            for (int64_t c = 0; c < channels; c += POOL_BLOCK) {                                                  \
                T most[POOL_BLOCK];                                                                               \
                memcpy(most, (const T *)from + (y0 * w + x0) * channels + c, sizeof most);                        \
                for (int64_t y = y0; y < y1; y++)                                                                 \
                    for (int64_t x = x0; x < x1; x++) {                                                           \
                        const T *here = (const T *)from + (y * w + x) * channels + c;                             \
                        for (int i = 0; i < POOL_BLOCK; i++)                                                      \
                            most[i] = here[i] > most[i] ? here[i] : most[i];                                      \
                    }                                                                                             \
                memcpy(to_here + c, most, sizeof most);                                                           \
            }                                                                                                     \
        }                                                                                                         \
    }

RS_INLINE void rs_storage_max_pool_body(const rs_qop *op, const rs_qtensor *in, const rs_qtensor *out, const void *from, void *to,
                                        rs_storage s)
{
    const int64_t h = in->height, w = in->width, channels = in->channels;
    if (s == RS_STORE_U8) {
        RS_MAX_POOL(uint8_t)
    } else {
        RS_MAX_POOL(int16_t)
    }
}
RS_DISPATCH(rs_storage_max_pool,
            (const rs_qop *op, const rs_qtensor *in, const rs_qtensor *out, const void *from, void *to, rs_storage s),
            (op, in, out, from, to, s))

RS_INLINE void rs_storage_relu_body(const void *restrict from, void *restrict to, rs_storage s, int64_t n)
{
    if (s == RS_STORE_U8) {
        const uint8_t *a = from;
        uint8_t *b = to;
        for (int64_t i = 0; i < n; i++)
            b[i] = a[i] < RS_STORE_U8_ZERO ? RS_STORE_U8_ZERO : a[i];
    } else {
        const int16_t *a = from;
        int16_t *b = to;
        for (int64_t i = 0; i < n; i++)
            b[i] = a[i] < 0 ? 0 : a[i];
    }
}
RS_DISPATCH(rs_storage_relu, (const void *from, void *to, rs_storage s, int64_t n), (from, to, s, n))
