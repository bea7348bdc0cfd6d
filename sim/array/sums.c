/* Sums of the array's values: one row of a convolution, by the method of its block. */
#include "array/values_private.h"

/* Where the sums of one set of output channels go: `sums` (kernels), or `wide` and `overflows` (steps). */
typedef struct set_results {
    int32_t *sums;
    int64_t *wide;
    uint32_t *overflows;
} set_results;

/* Offset in the plane of the window of position 0. */
static int64_t window_start(const rs_values_row *r)
{
    const rs_values_plane *p = &r->plane;
    return (r->d->origin_row + r->cy * r->d->step_row - p->top) * p->width + r->d->origin_col - p->left;
}

static void kernel_sums(const rs_values_row *r, int64_t set, int32_t *sums)
{
    const rs_values_block *b = r->block;
    const int64_t start = window_start(r) + set * r->d->set_cols,
                  weights = set * b->set_stride * b->segments * b->padded;
    const int8_t *narrow = b->weights;
    const int16_t *wide = b->weights;
    rs_dot_job job = { .step = r->d->step_col,
                       .positions = r->d->conv_w,
                       .segments = r->values->segment_offsets,
                       .n_segments = b->segments,
                       .length = b->padded,
                       .blocks = b->set_stride / RS_LANE_BLOCK,
                       .start = b->start + set * b->set_stride,
                       .sums = sums };
    if (b->how == RS_SUM_U8) {
        job.activations = (const uint8_t *)r->values->ifmap + start;
        job.weights = narrow + weights;
    } else {
        job.activations = (const int16_t *)r->values->ifmap + start;
        job.weights = wide + weights;
    }
    b->kernel(&job);
}

static void step_sums(const rs_values_row *r, int64_t set, const set_results *to)
{
    const rs_array_config *config = &r->values->program->config;
    const rs_values_block *b = r->block;
    const rs_descriptor *d = r->d;
    const int16_t *ifmap = r->values->ifmap, *weights = b->weights;
    const int64_t start = window_start(r) + set * d->set_cols, channels = b->set_stride;
    for (int64_t cx = 0; cx < d->conv_w; cx++) {
        const rs_step_job job = { .activations = ifmap + start + cx * d->step_col,
                                  .segments = r->values->segment_offsets,
                                  .n_segments = b->segments,
                                  .length = d->seg_len,
                                  .multipliers = config->multipliers,
                                  .weights = weights + set * channels * b->per_channel,
                                  .channels = channels,
                                  .narrow = b->narrow,
                                  .saturate = config->overflow == RS_OVERFLOW_SATURATE,
                                  .bits = b->checked ? config->accumulator_bits : 0,
                                  .tree = r->values->tree,
                                  .sums = to->wide + cx * channels,
                                  .overflows = to->overflows + cx * channels };
        memcpy(job.sums, b->bias + set * channels, (size_t)channels * sizeof *b->bias);
        memset(job.overflows, 0, (size_t)channels * sizeof *job.overflows);
        rs_sum_steps(&job);
    }
}

/* Sums with weights, set by set. */
static void weighted_sums(const rs_values_row *r)
{
    rs_values *values = r->values;
    const rs_values_block *b = r->block;
    const set_results all = { values->sums, values->wide, values->row_overflows },
                      one = { values->set_sums, values->set_wide, values->set_overflows };
    const bool steps = b->how == RS_SUM_STEPS;
    const size_t n = (size_t)b->set_outputs;
    for (int64_t set = 0; set < b->sets; set++) {
        const set_results *to = b->sets == 1 ? &all : &one;
        if (steps)
            step_sums(r, set, to);
        else
            kernel_sums(r, set, to->sums);
        for (int64_t cx = 0; b->sets > 1 && cx < r->d->conv_w; cx++) {
            const int64_t at = cx * b->stride + set * b->set_outputs, from = cx * b->set_stride;
            if (!steps) {
                memcpy(all.sums + at, one.sums + from, n * sizeof *all.sums);
                continue;
            }
            memcpy(all.wide + at, one.wide + from, n * sizeof *all.wide);
            memcpy(all.overflows + at, one.overflows + from, n * sizeof *all.overflows);
        }
    }
}

/* Sums without weights: one activation per channel and step, aligned. */
static void direct_sums(const rs_values_row *r)
{
    rs_values *values = r->values;
    const rs_array_config *config = &values->program->config;
    const rs_values_block *b = r->block;
    const rs_descriptor *d = r->d;
    const int16_t *windows = (const int16_t *)values->ifmap + window_start(r);
    const size_t stride = (size_t)b->stride;
    for (int64_t cx = 0; cx < d->conv_w; cx++) {
        int32_t *restrict narrow = values->sums + cx * b->stride;
        int64_t *restrict wide = values->wide + cx * b->stride;
        uint32_t *overflows = values->row_overflows + cx * b->stride;
        if (b->narrow) {
            memset(narrow, 0, stride * sizeof *narrow);
        } else {
            memset(wide, 0, stride * sizeof *wide);
            memset(overflows, 0, stride * sizeof *overflows);
        }
        for (int64_t s = 0; s < b->segments; s++) {
            const int align = s < d->seg2_count ? d->align : d->align_second;
            const int16_t *restrict a = windows + cx * d->step_col + values->segment_offsets[s];
            if (b->narrow) {
                for (int64_t c = 0; c < b->outputs; c++)
                    narrow[c] += a[c] * (1 << align);
                continue;
            }
            for (int64_t c = 0; c < b->outputs; c++)
                values->tree[c] = a[c] * (INT64_C(1) << align);
            if (b->checked)
                rs_fxp_accumulate_array(wide, values->tree, (size_t)b->outputs, config->accumulator_bits,
                                        config->overflow == RS_OVERFLOW_SATURATE, overflows);
            else
                for (int64_t c = 0; c < b->outputs; c++)
                    wide[c] += values->tree[c];
        }
    }
}

/* Minifloats of one position without weights. */
static void minifloat_direct(const rs_values_row *r, const int16_t *words, rs_sum128 *sums, uint32_t *overflows)
{
    const rs_values *values = r->values;
    const rs_array_config *config = &values->program->config;
    const int32_t mask = (1 << config->activation_bits) - 1;
    for (int64_t s = 0; s < r->block->segments; s++)
        for (int64_t c = 0; c < r->block->outputs; c++) {
            const int64_t number = values->numbers[words[values->segment_offsets[s] + c] & mask];
            overflows[c] += rs_minifloat_accumulate(&sums[c], (rs_sum128)number * (INT64_C(1) << r->d->align),
                                                    config->accumulator_bits, config->overflow == RS_OVERFLOW_SATURATE);
        }
}

/* Minifloats of one position, set by set. */
static void minifloat_weighted(const rs_values_row *r, const int16_t *words, rs_sum128 *sums, uint32_t *overflows)
{
    const rs_values *values = r->values;
    const rs_array_config *config = &values->program->config;
    const rs_values_block *b = r->block;
    const int64_t *weights = b->weights;
    for (int64_t set = 0; set < b->sets; set++) {
        const rs_minifloat_job job = { .activations = words + set * r->d->set_cols,
                                       .segments = values->segment_offsets,
                                       .n_segments = b->segments,
                                       .length = r->d->seg_len,
                                       .chunks = b->chunks,
                                       .multipliers = config->multipliers,
                                       .numbers = values->numbers,
                                       .mask = (UINT32_C(1) << config->activation_bits) - 1,
                                       .weights = weights + set * b->set_outputs * b->per_channel,
                                       .channels = b->set_outputs,
                                       .checked = b->checked,
                                       .saturate = config->overflow == RS_OVERFLOW_SATURATE,
                                       .bits = config->accumulator_bits,
                                       .window = values->window,
                                       .sums = sums + set * b->set_outputs,
                                       .overflows = overflows + set * b->set_outputs };
        rs_minifloat_sum(&job);
    }
}

static void minifloat_sums(const rs_values_row *r)
{
    rs_values *values = r->values;
    const rs_values_block *b = r->block;
    const bool direct = r->d->mode != RS_MODE_WEIGHTS;
    for (int64_t cx = 0; cx < r->d->conv_w; cx++) {
        const int16_t *words = (const int16_t *)values->ifmap + window_start(r) + cx * r->d->step_col;
        rs_sum128 *sums = values->sums128 + cx * b->stride;
        uint32_t *overflows = values->row_overflows + cx * b->stride;
        memset(overflows, 0, (size_t)b->outputs * sizeof *overflows);
        for (int64_t c = 0; c < b->outputs; c++)
            sums[c] = direct ? 0 : b->wide_bias[c];
        if (direct)
            minifloat_direct(r, words, sums, overflows);
        else
            minifloat_weighted(r, words, sums, overflows);
    }
}

/* Sums of part `a` of the activations and part `w` of the weights, in values->real_sums. */
static void real_part_sums(const rs_values_row *r, int a, int w)
{
    rs_values *values = r->values;
    const rs_values_block *b = r->block;
    const rs_descriptor *d = r->d;
    const int64_t start = window_start(r) + a * r->plane.rows * r->plane.width;
    for (int64_t set = 0; set < b->sets; set++) {
        const rs_real_job job = { .activations = values->real_ifmap + start + set * d->set_cols,
                                  .step = d->step_col,
                                  .positions = d->conv_w,
                                  .segments = values->segment_offsets,
                                  .n_segments = b->segments,
                                  .length = d->seg_len,
                                  .weights = b->real_weights +
                                             (w * b->sets + set) * b->set_stride * b->segments * d->seg_len,
                                  .blocks = b->set_stride / RS_LANE_BLOCK,
                                  .start = b->real_start + set * b->set_stride,
                                  .sums = b->sets == 1 ? values->real_sums : values->real_set_sums };
        rs_minifloat_dot(&job);
        for (int64_t cx = 0; b->sets > 1 && cx < d->conv_w; cx++)
            memcpy(values->real_sums + cx * b->stride + set * b->set_outputs, job.sums + cx * b->set_stride,
                   (size_t)b->set_outputs * sizeof *job.sums);
    }
}

/* The same in binary64: in values->real_sums, or, of two parts, in values->wide. */
static void real_sums(const rs_values_row *r)
{
    rs_values *values = r->values;
    const rs_values_block *b = r->block;
    if (b->real_parts == 1) {
        real_part_sums(r, 0, 0);
        return;
    }
    for (int64_t cx = 0; cx < r->d->conv_w; cx++)
        for (int64_t c = 0; c < b->outputs; c++)
            values->wide[cx * b->stride + c] = (int64_t)b->wide_bias[c];
    for (int a = 0; a < 2; a++)
        for (int w = 0; w < 2; w++) {
            real_part_sums(r, a, w);
            const int64_t unit = a + w == 2 ? RS_REAL_PART * RS_REAL_PART : a + w == 1 ? RS_REAL_PART : 1;
            for (int64_t cx = 0; cx < r->d->conv_w; cx++)
                for (int64_t k = cx * b->stride; k < cx * b->stride + b->outputs; k++)
                    values->wide[k] += (int64_t)values->real_sums[k] * unit;
        }
}

void rs_values_sum_row(const rs_values_row *r)
{
    if (r->block->real_weights)
        real_sums(r);
    else if (r->block->how == RS_SUM_MINIFLOAT)
        minifloat_sums(r);
    else if (r->block->how == RS_SUM_DIRECT)
        direct_sums(r);
    else
        weighted_sums(r);
}
