#include "array/minifloat.h"

#include <string.h>

#include "base/memory.h"
#include "quant/number.h"

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
    int64_t largest = 0;
    for (uint32_t i = 0; i <= job->mask; i++)
        largest = job->numbers[i] > largest ? job->numbers[i] : largest;
    return largest < INT32_MAX && largest * largest < INT64_MAX / products;
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
