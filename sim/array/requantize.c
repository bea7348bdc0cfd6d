/* Values of the array from its sums: requantize, by tile, by channel or as minifloats; what lies outside of the map. */
#include <math.h>

#include "array/values_private.h"

/* n of the row's sums from index i on, which are exact in binary64 or in two parts, become codes. */
static uint64_t requantize_reals(const rs_values_row *r, int64_t i, int64_t n)
{
    rs_values *values = r->values;
    const rs_values_block *b = r->block;
    const bool relu = r->d->relu;
    const rs_minifloat format = values->program->config.minifloat;
    const rs_rounding mode = values->program->config.rounding;
    const int fl = 2 * rs_minifloat_fl(format);
    const double unit = ldexp(1.0, -fl);
    uint64_t saturations = 0;
    int64_t channel = i % b->stride;
    const int64_t exact = INT64_C(1) << 53; /* integers up to here are doubles */
    for (int64_t k = i; k < i + n; k++) {
        const bool wide = b->real_parts == 2 && channel < b->outputs;
        const double sum = wide ? (double)values->wide[k] : values->real_sums[k];
        const bool none = channel >= b->outputs || sum == 0.0 || (relu && sum < 0.0);
        uint32_t code = 0;
        if (wide && !none && (values->wide[k] > exact || values->wide[k] < -exact))
            code = rs_minifloat_requantize(values->wide[k], fl, relu, format, mode, &saturations);
        else if (!none)
            code = rs_minifloat_quantize(sum * unit, format, mode, 0, &saturations);
        values->row[k] = none ? 0 : rs_number_of_code(code, format);
        channel = channel + 1 == b->stride ? 0 : channel + 1;
    }
    return saturations;
}

static uint64_t requantize_minifloats(const rs_values_row *r, int64_t i, int64_t n)
{
    rs_values *values = r->values;
    const rs_values_block *b = r->block;
    const rs_minifloat format = values->program->config.minifloat;
    const rs_rounding mode = values->program->config.rounding;
    uint64_t saturations = 0;
    for (int64_t k = i; k < i + n; k++)
        values->row[k] = k % b->stride < b->outputs
                             ? rs_minifloat_of_sum(values->sums128[k], 2 * rs_minifloat_fl(format), r->d->relu, format,
                                                   mode, &saturations)
                             : 0;
    return saturations;
}

/* Integers, by channel: n sums are whole positions, or lie within one. */
static uint64_t requantize_channels(const rs_values_row *r, int64_t i, int64_t n)
{
    rs_values *values = r->values;
    const rs_values_block *b = r->block;
    const rs_rounding mode = values->program->config.rounding;
    const int bits = r->d->out_bits + r->d->out_unsigned;
    const int32_t *shifts = b->shifts + i % b->stride;
    const int64_t channels = rs_min64(n, b->stride);
    uint64_t saturations = 0;
    if (b->how != RS_SUM_STEPS) {
        rs_fxp_requantize_channels(values->sums + i, (size_t)(n / channels), (size_t)channels, r->d->relu, shifts, bits,
                                   mode, values->row + i, &saturations);
        return saturations;
    }
    for (int64_t k = 0; k < n; k++)
        values->row[i + k] = rs_fxp_requantize(values->wide[i + k], r->d->relu, shifts[k % channels], bits, mode, 0,
                                               &saturations);
    return saturations;
}

/* Integers, with the scale and shift of a pooling window. */
static uint64_t requantize_scaled(const rs_values_row *r, int64_t i, int64_t n, int32_t scale, int shift)
{
    rs_values *values = r->values;
    const rs_values_block *b = r->block;
    const rs_rounding mode = values->program->config.rounding;
    const int bits = r->d->out_bits + r->d->out_unsigned;
    const bool relu = r->d->relu;
    const bool narrow = b->how == RS_SUM_U8 || b->how == RS_SUM_S16 || (b->how == RS_SUM_DIRECT && b->narrow);
    uint64_t saturations = 0;
    if (narrow && scale == 1)
        rs_fxp_requantize_array(values->sums + i, (size_t)n, relu, shift, bits, mode, values->row + i, &saturations);
    else
        for (int64_t k = i; k < i + n; k++)
            values->row[k] = rs_fxp_requantize((narrow ? values->sums[k] : values->wide[k]) * scale, relu, shift, bits,
                                               mode, 0, &saturations);
    return saturations;
}

/* n of the row's sums from index i on become values. */
static uint64_t requantize_part(const rs_values_row *r, int64_t i, int64_t n, int32_t scale, int shift)
{
    const rs_values_block *b = r->block;
    const rs_descriptor *d = r->d;
    int32_t *row = r->values->row;
    uint64_t saturations = b->real_weights              ? requantize_reals(r, i, n)
                           : b->how == RS_SUM_MINIFLOAT ? requantize_minifloats(r, i, n)
                           : b->shifts                  ? requantize_channels(r, i, n)
                                                        : requantize_scaled(r, i, n, scale, shift);
    if (d->out_unsigned && !d->relu) {
        const int64_t min = rs_fxp_min(d->out_bits + d->out_unsigned);
        for (int64_t k = i; k < i + n; k++)
            if (row[k] < 0) {
                saturations += row[k] != min; /* else it was counted */
                row[k] = 0;
            }
    }
    return saturations;
}

uint64_t rs_values_requantize(const rs_values_row *r, int64_t i, int64_t n)
{
    const rs_descriptor *d = r->d;
    const bool bottom = r->cy == d->out_h - 1;
    const int32_t scale = bottom ? d->scale_bottom : d->scale, last_scale = bottom ? d->scale_corner : d->scale_right;
    const int shift = bottom ? d->shift_bottom : d->shift, last_shift = bottom ? d->shift_corner : d->shift_right;
    const int64_t last = (d->out_w - 1) * r->block->stride; /* pooling windows: all four are the same */
    if (scale == last_scale && shift == last_shift)
        return requantize_part(r, i, n, scale, shift);
    /* Position by position where the last has a scale of its own. */
    const int64_t before = rs_max64(rs_min64(i + n, last) - i, 0);
    uint64_t saturations = 0;
    if (before)
        saturations += requantize_part(r, i, before, scale, shift);
    if (n > before)
        saturations += requantize_part(r, i + before, n - before, last_scale, last_shift);
    return saturations;
}

void rs_values_mask_outside(const rs_values_row *r)
{
    const rs_descriptor *d = r->d;
    const rs_values_block *b = r->block;
    const rs_array_config *config = &r->values->program->config;
    const int64_t row = d->origin_row + r->cy * d->step_row;
    const int32_t min = config->pe == RS_PE_MINIFLOAT ? -(int32_t)rs_minifloat_max_code(config->minifloat)
                        : d->out_unsigned             ? 0
                                                      : (int32_t)rs_fxp_min(d->out_bits);
    for (int64_t cx = 0; cx < d->conv_w; cx++) {
        const int64_t col = d->origin_col + cx * d->step_col;
        if (row < 0 || row >= d->in_rows || col < 0 || col >= d->row_elems)
            for (int64_t c = 0; c < b->stride; c++)
                r->values->row[cx * b->stride + c] = min;
    }
}
