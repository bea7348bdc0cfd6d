/* The inner products of the exact engine, for each processor. A kernel keeps `rows` positions times `vectors` vectors
 * of output channels in registers and walks the window once: each step broadcasts one group of activations a position
 * against one group of weights per channel.
 *
 * Why each is exact. int8: an instruction adds four products u8 * s8, each below 2^15, to a 32-bit sum, modulo 2^32;
 * the engine chooses it only if the true sum fits 32 bits, and the offset of 128 that makes activations unsigned is
 * taken off through the bias, modulo 2^32 too. int16: two products s16 * s16 are added modulo 2^32; the same bound.
 * double: products and partial sums are integers below 2^53, whether or not multiplication and addition are fused. */
#include <string.h>

#include "base/compiler.h"
#include "engine/ops.h"
#include "fxp/cpu.h"

/* ------------------------------------------------------------------------------------------------------ plain C */

enum { PLAIN_LANES = 8 };

static void plain_int16(const rs_rows *rows, const int16_t *weights, const int32_t *bias, int32_t *sums, int vectors)
{
    for (int p = 0; p < rows->n; p++)
        for (int v = 0; v < vectors; v++) {
            uint32_t sum[PLAIN_LANES]; /* unsigned: partial sums may wrap, the whole does not */
            for (int l = 0; l < PLAIN_LANES; l++)
                sum[l] = (uint32_t)bias[v * PLAIN_LANES + l];
            const int16_t *w = weights + v * PLAIN_LANES * 2;
            for (int s = 0; s < rows->n_segments; s++) {
                const uint8_t *a = rows->positions[p] + rows->segments[s];
                for (int64_t g = 0; g < rows->steps; g++, a += 4, w += vectors * PLAIN_LANES * 2) {
                    int16_t pair[2];
                    memcpy(pair, a, sizeof pair);
                    for (int l = 0; l < PLAIN_LANES; l++)
                        sum[l] += (uint32_t)(pair[0] * w[2 * l]) + (uint32_t)(pair[1] * w[2 * l + 1]);
                }
            }
            int32_t *out = sums + (p * vectors + v) * PLAIN_LANES;
            for (int l = 0; l < PLAIN_LANES; l++)
                out[l] = (int32_t)sum[l];
        }
}

static void plain_double(const rs_rows *rows, const double *weights, const double *bias, double *sums, int vectors)
{
    for (int p = 0; p < rows->n; p++)
        for (int v = 0; v < vectors; v++) {
            double sum[PLAIN_LANES];
            memcpy(sum, bias + v * PLAIN_LANES, sizeof sum);
            const double *w = weights + v * PLAIN_LANES;
            for (int s = 0; s < rows->n_segments; s++) {
                const double *a = (const double *)(const void *)(rows->positions[p] + rows->segments[s]);
                for (int64_t g = 0; g < rows->steps; g++, w += vectors * PLAIN_LANES)
                    for (int l = 0; l < PLAIN_LANES; l++)
                        sum[l] += a[g] * w[l];
            }
            memcpy(sums + (p * vectors + v) * PLAIN_LANES, sum, sizeof sum);
        }
}

#define RS_PLAIN(kind, W, S, vectors)                                                                            \
    static void plain_##kind##_##vectors(const rs_rows *rows, const void *weights, const void *bias, void *sums) \
    {                                                                                                            \
        plain_##kind(rows, (const W *)weights, (const S *)bias, (S *)sums, vectors);                             \
    }
RS_PLAIN(int16, int16_t, int32_t, 1)
RS_PLAIN(int16, int16_t, int32_t, 2)
RS_PLAIN(double, double, double, 1)
RS_PLAIN(double, double, double, 2)

static const rs_kernel plain_int16_kernel = { 2, 2, PLAIN_LANES, 2, { NULL, plain_int16_1, plain_int16_2 } };
static const rs_kernel plain_double_kernel = { 8, 1, PLAIN_LANES, 2, { NULL, plain_double_1, plain_double_2 } };

#if RS_X86
#include <immintrin.h>

/* --------------------------------------------------------------------------------------------------------- x86 */

/* One kernel: TARGET and vector type V; P positions, N vectors; LOAD, STORE of a vector from `S` (the type of sums); a
 * group of STEP bytes broadcast by SPLAT; DOT(sum, activations, weights). Loops over constants are unrolled, the sums
 * stay in registers. */
#define RS_KERNEL(name, TARGET, V, W, S, LANES, P, N, STEP, LOADS, STORES, LOADW, SPLAT, DOT)                      \
    TARGET static void name(const rs_rows *rows, const void *weights, const void *bias, void *sums)                \
    {                                                                                                              \
        for (int first = 0; first < rows->n; first += (P)) {                                                       \
            V sum[P][N];                                                                                           \
            _Pragma("GCC unroll 16") for (int p = 0; p < (P); p++)                                                 \
                _Pragma("GCC unroll 4") for (int v = 0; v < (N); v++)                                              \
                    sum[p][v] = LOADS((const S *)bias + v * (LANES));                                              \
            const W *w = (const W *)weights;                                                                       \
            for (int s = 0; s < rows->n_segments; s++) {                                                           \
                const uint8_t *a[P];                                                                               \
                _Pragma("GCC unroll 16") for (int p = 0; p < (P); p++)                                             \
                    a[p] = rows->positions[first + p] + rows->segments[s];                                         \
                const int64_t bytes = rows->steps * (STEP);                                                        \
                for (int64_t at = 0; at < bytes; at += (STEP), w += (N) * (int)(sizeof(V) / sizeof(W))) {          \
                    V b[N];                                                                                        \
                    _Pragma("GCC unroll 4") for (int v = 0; v < (N); v++)                                          \
                        b[v] = LOADW(w + v * (int)(sizeof(V) / sizeof(W)));                                        \
                    _Pragma("GCC unroll 16") for (int p = 0; p < (P); p++)                                         \
                    {                                                                                              \
                        const V x = SPLAT(a[p] + at);                                                              \
                        _Pragma("GCC unroll 4") for (int v = 0; v < (N); v++) sum[p][v] = DOT(sum[p][v], x, b[v]); \
                    }                                                                                              \
                }                                                                                                  \
            }                                                                                                      \
            _Pragma("GCC unroll 16") for (int p = 0; p < (P); p++)                                                 \
                _Pragma("GCC unroll 4") for (int v = 0; v < (N); v++)                                              \
                    STORES((S *)sums + ((first + p) * (N) + v) * (LANES), sum[p][v]);                              \
        }                                                                                                          \
    }

RS_INLINE int32_t word(const uint8_t *a)
{
    int32_t w;
    memcpy(&w, a, sizeof w);
    return w;
}

RS_INLINE double real(const uint8_t *a)
{
    double d;
    memcpy(&d, a, sizeof d);
    return d;
}

#define LOAD512(p) _mm512_load_si512((const void *)(p))
#define STORE512(p, v) _mm512_store_si512((void *)(p), (v))
#define SPLAT512(a) _mm512_set1_epi32(word(a))
#define DOT_VNNI8(sum, x, w) _mm512_dpbusd_epi32((sum), (x), (w))
#define DOT_VNNI16(sum, x, w) _mm512_dpwssd_epi32((sum), (x), (w))
#define DOT_MADD512(sum, x, w) _mm512_add_epi32((sum), _mm512_madd_epi16((x), (w)))
#define LOAD512D(p) _mm512_load_pd((p))
#define STORE512D(p, v) _mm512_store_pd((p), (v))
#define SPLAT512D(a) _mm512_set1_pd(real(a))
#define DOT_512D(sum, x, w) _mm512_fmadd_pd((x), (w), (sum))

#define LOAD256(p) _mm256_load_si256((const __m256i *)(const void *)(p))
#define STORE256(p, v) _mm256_store_si256((__m256i *)(void *)(p), (v))
#define SPLAT256(a) _mm256_set1_epi32(word(a))
#define DOT_MADD256(sum, x, w) _mm256_add_epi32((sum), _mm256_madd_epi16((x), (w)))
#define LOAD256D(p) _mm256_load_pd((p))
#define STORE256D(p, v) _mm256_store_pd((p), (v))
#define SPLAT256D(a) _mm256_set1_pd(real(a))
#define DOT_256D(sum, x, w) _mm256_add_pd((sum), _mm256_mul_pd((x), (w)))

#define RS_KERNELS_512(kind, TARGET, V, W, S, LANES, STEP, LOADS, STORES, LOADW, SPLAT, DOT)   \
    RS_KERNEL(kind##_1, TARGET, V, W, S, LANES, 12, 1, STEP, LOADS, STORES, LOADW, SPLAT, DOT) \
    RS_KERNEL(kind##_2, TARGET, V, W, S, LANES, 8, 2, STEP, LOADS, STORES, LOADW, SPLAT, DOT)  \
    RS_KERNEL(kind##_3, TARGET, V, W, S, LANES, 8, 3, STEP, LOADS, STORES, LOADW, SPLAT, DOT)  \
    RS_KERNEL(kind##_4, TARGET, V, W, S, LANES, 6, 4, STEP, LOADS, STORES, LOADW, SPLAT, DOT)

RS_KERNELS_512(vnni8, RS_TARGET_AVX512VNNI, __m512i, int8_t, int32_t, 16, 4, LOAD512, STORE512, LOAD512, SPLAT512,
               DOT_VNNI8)
RS_KERNELS_512(vnni16, RS_TARGET_AVX512VNNI, __m512i, int16_t, int32_t, 16, 4, LOAD512, STORE512, LOAD512, SPLAT512,
               DOT_VNNI16)
RS_KERNELS_512(madd512, RS_TARGET_AVX512, __m512i, int16_t, int32_t, 16, 4, LOAD512, STORE512, LOAD512, SPLAT512,
               DOT_MADD512)
RS_KERNELS_512(double512, RS_TARGET_AVX512, __m512d, double, double, 8, 8, LOAD512D, STORE512D, LOAD512D, SPLAT512D,
               DOT_512D)

RS_KERNEL(madd256_1, RS_TARGET_AVX2, __m256i, int16_t, int32_t, 8, 8, 1, 4, LOAD256, STORE256, LOAD256, SPLAT256,
          DOT_MADD256)
RS_KERNEL(madd256_2, RS_TARGET_AVX2, __m256i, int16_t, int32_t, 8, 5, 2, 4, LOAD256, STORE256, LOAD256, SPLAT256,
          DOT_MADD256)
RS_KERNEL(double256_1, RS_TARGET_AVX2, __m256d, double, double, 4, 8, 1, 8, LOAD256D, STORE256D, LOAD256D, SPLAT256D,
          DOT_256D)
RS_KERNEL(double256_2, RS_TARGET_AVX2, __m256d, double, double, 4, 5, 2, 8, LOAD256D, STORE256D, LOAD256D, SPLAT256D,
          DOT_256D)

static const rs_kernel vnni8_kernel = { 1, 4, 16, 4, { NULL, vnni8_1, vnni8_2, vnni8_3, vnni8_4 } };
static const rs_kernel vnni16_kernel = { 2, 2, 16, 4, { NULL, vnni16_1, vnni16_2, vnni16_3, vnni16_4 } };
static const rs_kernel madd512_kernel = { 2, 2, 16, 4, { NULL, madd512_1, madd512_2, madd512_3, madd512_4 } };
static const rs_kernel double512_kernel = { 8, 1, 8, 4, { NULL, double512_1, double512_2, double512_3, double512_4 } };
static const rs_kernel madd256_kernel = { 2, 2, 8, 2, { NULL, madd256_1, madd256_2 } };
static const rs_kernel double256_kernel = { 8, 1, 4, 2, { NULL, double256_1, double256_2 } };
#endif

const rs_kernel *rs_engine_kernel(rs_engine_path path)
{
    const rs_cpu cpu = rs_cpu_level();
    (void)cpu;
    switch (path) {
    case RS_PATH_INT8:
#if RS_X86
        if (cpu >= RS_CPU_AVX512VNNI)
            return &vnni8_kernel;
#endif
        return NULL;
    case RS_PATH_INT16:
#if RS_X86
        if (cpu >= RS_CPU_AVX512VNNI)
            return &vnni16_kernel;
        if (cpu >= RS_CPU_AVX512)
            return &madd512_kernel;
        if (cpu >= RS_CPU_AVX2)
            return &madd256_kernel;
#endif
        return &plain_int16_kernel;
    case RS_PATH_DOUBLE:
#if RS_X86
        if (cpu >= RS_CPU_AVX512)
            return &double512_kernel;
        if (cpu >= RS_CPU_AVX2)
            return &double256_kernel;
#endif
        return &plain_double_kernel;
    case RS_PATH_REFERENCE:
    case RS_PATHS:
        break;
    }
    return NULL;
}
