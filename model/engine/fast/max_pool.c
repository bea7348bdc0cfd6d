/* Max pooling, fast. */
#include <string.h>

#include "base/compiler.h"
#include "engine/parts.h"
#include "fxp/cpu.h"

#if RS_X86
#include <immintrin.h>
#endif

/* The maximum is taken on stored values: both storages keep the order of the integers. Channels are done 16 bytes at a
 * time; what is read and written after the last one is overwritten by the next position, or lies in the slack behind
 * the buffer. */
#if defined(__SSE2__)
typedef __m128i bytes16;
RS_INLINE bytes16 load16(const char *p)
{
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}
RS_INLINE void store16(char *p, bytes16 v)
{
    _mm_storeu_si128((__m128i *)(void *)p, v);
}
RS_INLINE bytes16 maximum(bytes16 a, bytes16 b, rs_storage s)
{
    return rs_storage_size(s) == 1 ? _mm_max_epu8(a, b) : _mm_max_epi16(a, b);
}
#else
typedef union bytes16 {
    uint8_t u8[16];
    int16_t s16[8];
} bytes16;
RS_INLINE bytes16 load16(const char *p)
{
    bytes16 v;
    memcpy(&v, p, sizeof v);
    return v;
}
RS_INLINE void store16(char *p, bytes16 v)
{
    memcpy(p, &v, sizeof v);
}
RS_INLINE bytes16 maximum(bytes16 a, bytes16 b, rs_storage s)
{
    if (rs_storage_size(s) == 1)
        for (int i = 0; i < 16; i++)
            a.u8[i] = b.u8[i] > a.u8[i] ? b.u8[i] : a.u8[i];
    else
        for (int i = 0; i < 8; i++)
            a.s16[i] = b.s16[i] > a.s16[i] ? b.s16[i] : a.s16[i];
    return a;
}
#endif

RS_INLINE void max_pool(const rs_qop *op, const rs_qtensor *in, const rs_qtensor *out, const char *from, char *to,
                        rs_storage s)
{
    const int64_t h = in->height, w = in->width, pixel = (int64_t)in->channels * rs_storage_size(s);
    for (int oy = 0; oy < out->height; oy++) {
        const int64_t top = (int64_t)oy * op->stride_h - op->pad_h;
        const int64_t y0 = top > 0 ? top : 0, y1 = top + op->kernel_h < h ? top + op->kernel_h : h;
        for (int ox = 0; ox < out->width; ox++, to += pixel) {
            const int64_t left = (int64_t)ox * op->stride_w - op->pad_w;
            const int64_t x0 = left > 0 ? left : 0, x1 = left + op->kernel_w < w ? left + op->kernel_w : w;
            for (int64_t c = 0; c < pixel; c += (int64_t)sizeof(bytes16)) {
                const char *row = from + (y0 * w + x0) * pixel + c;
                bytes16 max = load16(row);
                for (int64_t y = y0; y < y1; y++, row += w * pixel)
                    for (int64_t x = 0; x < x1 - x0; x++)
                        max = maximum(max, load16(row + x * pixel), s);
                store16(to + c, max);
            }
        }
    }
}

static void run(const rs_engine *e, int index, int64_t images, rs_engine_scratch *w)
{
    const rs_qnet *q = e->qnet;
    const rs_qop *op = &q->ops[index];
    const rs_qtensor *in = &q->tensors[op->input], *out = &q->tensors[op->output];
    const bool bytes = rs_storage_size(e->storage[op->input]) == 1;
    for (int64_t n = 0; n < images; n++) {
        const char *from = rs_engine_at(e, w, op->input, n * rs_qtensor_count(in));
        char *to = rs_engine_at(e, w, op->output, n * rs_qtensor_count(out));
        if (bytes)
            max_pool(op, in, out, from, to, RS_STORE_U8);
        else
            max_pool(op, in, out, from, to, RS_STORE_S16);
    }
}

const rs_engine_fast rs_engine_fast_max_pool = { .run = run };
