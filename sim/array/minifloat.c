/* Sums of minifloats as the array takes them: exact, in 128 bits or in binary64. */
#include "array/minifloat.h"

#include <string.h>

#include "array/kernels.h"
#include "base/integer.h"
#include "base/memory.h"
#include "fxp/cpu.h"
#include "qnet/number.h"

#if RS_X86
#include <immintrin.h>
#endif

int64_t *rs_minifloat_numbers(rs_minifloat format)
{
    const uint32_t words = UINT32_C(1) << rs_minifloat_bits(format);
    int64_t *numbers = RS_NEW_ARRAY(int64_t, words);
    for (uint32_t word = 0; numbers && word < words; word++) {
        int32_t significand;
        const int exponent = rs_minifloat_significand(word, format, &significand);
        /* Codes that are no numbers never come out of requantize; their value here only has to be some value. */
        if (significand != 0)
            numbers[word] = (int64_t)significand * (INT64_C(1) << (exponent + rs_minifloat_fl(format)));
    }
    return numbers;
}

bool rs_minifloat_accumulate(rs_sum128 *sum, rs_sum128 addend, int bits, bool saturate)
{
    const rs_sum128 limit = (rs_sum128)1 << (bits - 1), exact = *sum + addend;
    if (exact >= -limit && exact < limit) {
        *sum = exact;
        return false;
    }
    if (saturate) {
        *sum = exact < 0 ? -limit : limit - 1;
    } else {
        const rs_sum128 rest = exact & (2 * limit - 1);
        *sum = rest >= limit ? rest - 2 * limit : rest;
    }
    return true;
}

static bool fits_64(const rs_minifloat_job *job, int64_t products)
{
    int64_t max = 0;
    for (uint32_t i = 0; i <= job->mask; i++)
        max = rs_max64(max, job->numbers[i]);
    return max < INT32_MAX && max * max < INT64_MAX / products;
}

void rs_minifloat_sum(const rs_minifloat_job *job)
{
    const int64_t x = job->multipliers, per_segment = job->chunks * x, products = job->n_segments * per_segment;
    for (int64_t s = 0; s < job->n_segments; s++)
        for (int64_t k = 0; k < per_segment; k++)
            job->window[s * per_segment + k] =
                k < job->length ? job->numbers[(uint16_t)job->activations[job->segments[s] + k] & job->mask] : 0;
    const bool narrow = fits_64(job, products);
    for (int64_t c = 0; c < job->channels; c++) {
        const int64_t *restrict w = job->weights + c * products, *restrict a = job->window;
        for (int64_t from = 0; from < products; from += job->checked ? x : products) {
            const int64_t end = job->checked ? from + x : products;
            rs_sum128 tree = 0;
            if (narrow) {
                int64_t sum = 0;
                for (int64_t i = from; i < end; i++)
                    sum += a[i] * w[i];
                tree = sum;
            } else {
                for (int64_t i = from; i < end; i++)
                    tree += (rs_sum128)a[i] * w[i];
            }
            if (job->checked)
                job->overflows[c] += rs_minifloat_accumulate(&job->sums[c], tree, job->bits, job->saturate);
            else
                job->sums[c] += tree;
        }
    }
}

static void dot_portable(const rs_real_job *job)
{
    const int64_t channels = job->blocks * RS_LANE_BLOCK;
    for (int64_t p = 0; p < job->positions; p++)
        for (int64_t b = 0; b < job->blocks; b++) {
            double acc[RS_LANE_BLOCK];
            memcpy(acc, job->start + b * RS_LANE_BLOCK, sizeof acc);
            const double *w = job->weights + b * job->n_segments * job->length * RS_LANE_BLOCK;
            for (int64_t s = 0; s < job->n_segments; s++) {
                const double *a = job->activations + p * job->step + job->segments[s];
                for (int64_t k = 0; k < job->length; k++, w += RS_LANE_BLOCK)
                    for (int l = 0; l < RS_LANE_BLOCK; l++)
                        acc[l] += a[k] * w[l];
            }
            memcpy(job->sums + p * channels + b * RS_LANE_BLOCK, acc, sizeof acc);
        }
}

#if RS_X86
enum { TILE = 8 }; /* positions that are held in registers together */

/* P positions of one block, from position p on. */
RS_TARGET_AVX512 static inline __attribute__((always_inline)) void tile_avx512(const rs_real_job *job, int64_t p0,
                                                                               int64_t b, const int P)
{
    const int64_t channels = job->blocks * RS_LANE_BLOCK;
    const double *w = job->weights + b * job->n_segments * job->length * RS_LANE_BLOCK;
    __m512d acc[TILE][2];
    for (int p = 0; p < P; p++)
        for (int v = 0; v < 2; v++)
            acc[p][v] = _mm512_loadu_pd(job->start + b * RS_LANE_BLOCK + 8 * v);
    for (int64_t s = 0; s < job->n_segments; s++) {
        const double *a = job->activations + p0 * job->step + job->segments[s];
        for (int64_t k = 0; k < job->length; k++, w += RS_LANE_BLOCK) {
            const __m512d low = _mm512_loadu_pd(w), high = _mm512_loadu_pd(w + 8);
            for (int p = 0; p < P; p++) {
                const __m512d x = _mm512_set1_pd(a[p * job->step + k]);
                acc[p][0] = _mm512_fmadd_pd(x, low, acc[p][0]); /* rounds nothing: all is exact */
                acc[p][1] = _mm512_fmadd_pd(x, high, acc[p][1]);
            }
        }
    }
    for (int p = 0; p < P; p++)
        for (int v = 0; v < 2; v++)
            _mm512_storeu_pd(job->sums + (p0 + p) * channels + b * RS_LANE_BLOCK + 8 * v, acc[p][v]);
}

RS_TARGET_AVX512 static void dot_avx512(const rs_real_job *job)
{
    for (int64_t b = 0; b < job->blocks; b++) {
        int64_t p = 0;
        for (; p + TILE <= job->positions; p += TILE)
            tile_avx512(job, p, b, TILE);
        for (; p < job->positions; p++)
            tile_avx512(job, p, b, 1);
    }
}
#endif

void rs_minifloat_dot(const rs_real_job *job)
{
    _Static_assert(RS_LANE_BLOCK == 16, "two vectors of eight");
#if RS_X86
    if (rs_cpu_level() >= RS_CPU_AVX512) {
        dot_avx512(job);
        return;
    }
#endif
    dot_portable(job);
}

int32_t rs_minifloat_of_sum(rs_sum128 sum, int fl, bool relu, rs_minifloat format, rs_rounding mode,
                            uint64_t *saturations)
{
    uint32_t code;
    if (sum >= INT64_MIN && sum <= INT64_MAX) {
        code = rs_minifloat_requantize((int64_t)sum, fl, relu, format, mode, saturations);
    } else {
        enum { PART = 32 };
        rs_wide wide = { { 0 } };
        const rs_sum128 part = (rs_sum128)1 << PART;
        rs_sum128 rest = sum;
        for (int shift = 0; shift < 128; shift += PART) {
            const rs_sum128 low = rest & (part - 1);
            rs_wide_add(&wide, (int64_t)low, shift);
            rest = (rest - low) / part;
        }
        if (sum < 0) /* what is left is -1 */
            rs_wide_add(&wide, -1, 128);
        code = rs_minifloat_requantize_wide(&wide, fl, relu, format, mode, saturations);
    }
    return rs_number_of_code(code, format);
}
