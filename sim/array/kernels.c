/* Integer inner products of the array model, for each level of vector instructions. */
#include "array/kernels.h"

#include <stddef.h>
#include <string.h>

#include "fxp/dispatch.h"
#include "fxp/fxp.h"

#if RS_X86
#include <immintrin.h>
#endif

/* ----------------------------------------------------------------------------------- plain C, any machine */

static void dot_s16_portable(const rs_dot_job *job)
{
    const int64_t channels = job->blocks * RS_LANE_BLOCK, pairs = job->length / RS_PACK_S16;
    for (int64_t p = 0; p < job->positions; p++)
        for (int64_t b = 0; b < job->blocks; b++) {
            uint32_t acc[RS_LANE_BLOCK];
            memcpy(acc, job->start + b * RS_LANE_BLOCK, sizeof acc);
            const int16_t *w = (const int16_t *)job->weights + b * job->n_segments * job->length * RS_LANE_BLOCK;
            for (int64_t s = 0; s < job->n_segments; s++) {
                const int16_t *a = (const int16_t *)job->activations + p * job->step + job->segments[s];
                for (int64_t k = 0; k < pairs; k++, a += RS_PACK_S16, w += RS_PACK_S16 * RS_LANE_BLOCK)
                    for (int l = 0; l < RS_LANE_BLOCK; l++)
                        acc[l] += (uint32_t)(a[0] * w[2 * l]) + (uint32_t)(a[1] * w[2 * l + 1]);
            }
            memcpy(job->sums + p * channels + b * RS_LANE_BLOCK, acc, sizeof acc);
        }
}

#if RS_X86

/* Positions and blocks that are held in registers together. The loops over them have constant bounds and unroll; a tail
 * of positions has a function of its own by the same template. */
enum { TILE_POSITIONS = 8, TILE_BLOCKS = 2 };

#define POSITIONS_SWITCH(call) \
    switch (left) {            \
    case 1:                    \
        call(1);               \
        break;                 \
    case 2:                    \
        call(2);               \
        break;                 \
    case 3:                    \
        call(3);               \
        break;                 \
    case 4:                    \
        call(4);               \
        break;                 \
    case 5:                    \
        call(5);               \
        break;                 \
    case 6:                    \
        call(6);               \
        break;                 \
    case 7:                    \
        call(7);               \
        break;                 \
    default:                   \
        call(8);               \
        break;                 \
    }

/* One tile: P positions times V blocks, all segments. */
#define DEFINE_TILE(name, target, vector, parts, element, pack, zero_load, broadcast, multiply, store)               \
    target RS_INLINE void name(const rs_dot_job *job, int64_t p0, int64_t b0, const int P, const int V)              \
    {                                                                                                                \
        enum { LANES = RS_LANE_BLOCK / (parts) };                                                                    \
        const int64_t channels = job->blocks * RS_LANE_BLOCK, block = job->n_segments * job->length * RS_LANE_BLOCK; \
        const element *w = (const element *)job->weights + b0 * block;                                               \
        vector acc[TILE_POSITIONS][TILE_BLOCKS * (parts)];                                                           \
        for (int v = 0; v < V * (parts); v++)                                                                        \
            for (int p = 0; p < P; p++)                                                                              \
                acc[p][v] = zero_load(job->start + b0 * RS_LANE_BLOCK + v * LANES);                                  \
        for (int64_t s = 0; s < job->n_segments; s++) {                                                              \
            const element *a = (const element *)job->activations + p0 * job->step + job->segments[s];                \
            for (int64_t k = 0; k < job->length; k += (pack), a += (pack), w += (pack)*RS_LANE_BLOCK) {              \
                vector weights[TILE_BLOCKS * (parts)];                                                               \
                for (int v = 0; v < V * (parts); v++)                                                                \
                    weights[v] = zero_load(w + v / (parts)*block + v % (parts)*LANES * (pack));                      \
                for (int p = 0; p < P; p++) {                                                                        \
                    int32_t four;                                                                                    \
                    memcpy(&four, a + p * job->step, sizeof four);                                                   \
                    const vector x = broadcast(four);                                                                \
                    for (int v = 0; v < V * (parts); v++)                                                            \
                        acc[p][v] = multiply(acc[p][v], x, weights[v]);                                              \
                }                                                                                                    \
            }                                                                                                        \
        }                                                                                                            \
        for (int p = 0; p < P; p++)                                                                                  \
            for (int v = 0; v < V * (parts); v++)                                                                    \
                store(job->sums + (p0 + p) * channels + b0 * RS_LANE_BLOCK + v * LANES, acc[p][v]);                  \
    }

#define DEFINE_KERNEL(name, tile, target)                                 \
    target static void name(const rs_dot_job *job)                        \
    {                                                                     \
        for (int64_t p0 = 0; p0 < job->positions; p0 += TILE_POSITIONS) { \
            const int64_t left = job->positions - p0;                     \
            int64_t b0 = 0;                                               \
            for (; b0 + 1 < job->blocks; b0 += 2) {                       \
                POSITIONS_SWITCH(tile##_2)                                \
            }                                                             \
            if (b0 < job->blocks) {                                       \
                POSITIONS_SWITCH(tile##_1)                                \
            }                                                             \
        }                                                                 \
    }

#define LOAD512(p) _mm512_loadu_si512((const void *)(p))
#define STORE512(p, x) _mm512_storeu_si512((void *)(p), (x))
#define LOAD256(p) _mm256_loadu_si256((const __m256i *)(const void *)(p))
#define STORE256(p, x) _mm256_storeu_si256((__m256i *)(void *)(p), (x))
#define MADD512(acc, x, w) _mm512_add_epi32((acc), _mm512_madd_epi16((x), (w)))
#define MADD256(acc, x, w) _mm256_add_epi32((acc), _mm256_madd_epi16((x), (w)))

DEFINE_TILE(tile_u8_vnni, RS_TARGET_AVX512VNNI, __m512i, 1, uint8_t, RS_PACK_U8, LOAD512, _mm512_set1_epi32,
            _mm512_dpbusd_epi32, STORE512)
#define tile_u8_vnni_2(n) tile_u8_vnni(job, p0, b0, n, 2)
#define tile_u8_vnni_1(n) tile_u8_vnni(job, p0, b0, n, 1)
DEFINE_KERNEL(dot_u8_vnni, tile_u8_vnni, RS_TARGET_AVX512VNNI)

DEFINE_TILE(tile_s16_vnni, RS_TARGET_AVX512VNNI, __m512i, 1, int16_t, RS_PACK_S16, LOAD512, _mm512_set1_epi32,
            _mm512_dpwssd_epi32, STORE512)
#define tile_s16_vnni_2(n) tile_s16_vnni(job, p0, b0, n, 2)
#define tile_s16_vnni_1(n) tile_s16_vnni(job, p0, b0, n, 1)
DEFINE_KERNEL(dot_s16_vnni, tile_s16_vnni, RS_TARGET_AVX512VNNI)

DEFINE_TILE(tile_s16_avx512, RS_TARGET_AVX512, __m512i, 1, int16_t, RS_PACK_S16, LOAD512, _mm512_set1_epi32, MADD512,
            STORE512)
#define tile_s16_avx512_2(n) tile_s16_avx512(job, p0, b0, n, 2)
#define tile_s16_avx512_1(n) tile_s16_avx512(job, p0, b0, n, 1)
DEFINE_KERNEL(dot_s16_avx512, tile_s16_avx512, RS_TARGET_AVX512)

DEFINE_TILE(tile_s16_avx2, RS_TARGET_AVX2, __m256i, 2, int16_t, RS_PACK_S16, LOAD256, _mm256_set1_epi32, MADD256,
            STORE256)
#define tile_s16_avx2_2(n) tile_s16_avx2(job, p0, b0, n, 2)
#define tile_s16_avx2_1(n) tile_s16_avx2(job, p0, b0, n, 1)
DEFINE_KERNEL(dot_s16_avx2, tile_s16_avx2, RS_TARGET_AVX2)

#endif

rs_dot_kernel *rs_dot_u8(void)
{
#if RS_X86
    if (rs_cpu_level() >= RS_CPU_AVX512VNNI)
        return dot_u8_vnni;
#endif
    return NULL;
}

rs_dot_kernel *rs_dot_s16(void)
{
#if RS_X86
    switch (rs_cpu_level()) {
    case RS_CPU_AVX512VNNI:
        return dot_s16_vnni;
    case RS_CPU_AVX512:
        return dot_s16_avx512;
    case RS_CPU_AVX2:
        return dot_s16_avx2;
    default:
        break;
    }
#endif
    return dot_s16_portable;
}

/* ------------------------------------------------------------------------------------------- step by step */

#define DEFINE_STEPS(name, type)                                                                                      \
    RS_INLINE void name##_body(const rs_step_job *job)                                                                \
    {                                                                                                                 \
        type *tree = job->tree;                                                                                       \
        const int16_t *weights = job->weights;                                                                        \
        for (int64_t s = 0; s < job->n_segments; s++)                                                                 \
            for (int64_t first = 0; first < job->length; first += job->multipliers) {                                 \
                const int16_t *a = job->activations + job->segments[s] + first;                                       \
                const int64_t here = job->length - first < job->multipliers ? job->length - first : job->multipliers; \
                memset(tree, 0, (size_t)job->channels * sizeof *tree);                                                \
                for (int64_t i = 0; i < here; i++) {                                                                  \
                    const int16_t *w = weights + i * job->channels;                                                   \
                    for (int64_t c = 0; c < job->channels; c++)                                                       \
                        tree[c] += (type)(a[i] * w[c]);                                                               \
                }                                                                                                     \
                weights += job->multipliers * job->channels;                                                          \
                if (job->bits == 0)                                                                                   \
                    for (int64_t c = 0; c < job->channels; c++)                                                       \
                        job->sums[c] += tree[c];                                                                      \
                else                                                                                                  \
                    ACCUMULATE_##type(job, tree);                                                                     \
            }                                                                                                         \
    }

/* One step's sums onto the accumulators: 64-bit addends, so narrow ones are widened block by block. */
static void accumulate_wide(const rs_step_job *job, const int64_t *addend)
{
    rs_fxp_accumulate_array(job->sums, addend, (size_t)job->channels, job->bits, job->saturate, job->overflows);
}

static void accumulate_narrow(const rs_step_job *job, const int32_t *tree)
{
    int64_t addend[RS_LANE_BLOCK];
    for (int64_t b = 0; b < job->channels; b += RS_LANE_BLOCK) {
        for (int l = 0; l < RS_LANE_BLOCK; l++)
            addend[l] = tree[b + l];
        rs_fxp_accumulate_array(job->sums + b, addend, RS_LANE_BLOCK, job->bits, job->saturate, job->overflows + b);
    }
}
#define ACCUMULATE_int32_t(job, tree) accumulate_narrow(job, tree)
#define ACCUMULATE_int64_t(job, tree) accumulate_wide(job, tree)

DEFINE_STEPS(steps_narrow, int32_t)
DEFINE_STEPS(steps_wide, int64_t)
RS_DISPATCH_VOID(static, steps_narrow, (const rs_step_job *job), (job))
RS_DISPATCH_VOID(static, steps_wide, (const rs_step_job *job), (job))

void rs_sum_steps(const rs_step_job *job)
{
    (job->narrow ? steps_narrow : steps_wide)(job);
}

/* ----------------------------------------------------------------------------------------------- bytes of words */

static void pack_portable(uint8_t *to, const int32_t *from, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        to[i] = (uint8_t)from[i];
}

#if RS_X86
RS_TARGET_AVX512 static void pack_avx512(uint8_t *to, const int32_t *from, int64_t n)
{
    int64_t i = 0;
    for (; i + 16 <= n; i += 16)
        _mm_storeu_si128((__m128i *)(void *)(to + i),
                         _mm512_cvtepi32_epi8(_mm512_loadu_si512((const void *)(from + i))));
    pack_portable(to + i, from + i, n - i);
}
#endif

void rs_pack_bytes(uint8_t *to, const int32_t *from, int64_t n)
{
#if RS_X86
    if (rs_cpu_level() >= RS_CPU_AVX512) {
        pack_avx512(to, from, n);
        return;
    }
#endif
    pack_portable(to, from, n);
}
