/* Weights of minifloats: as the integers that their words stand for, and in binary64 where sums are exact in it. */
#include "array/values_private.h"

/* What the sums of output channel c cannot exceed: sum |w| * max |a| + |bias|. */
static rs_sum128 sum_bound(const rs_values_block *b, int64_t c, int64_t max_activation)
{
    const int64_t *weights = (const int64_t *)b->weights + c * b->per_channel;
    rs_sum128 sum = b->wide_bias[c] < 0 ? -b->wide_bias[c] : b->wide_bias[c];
    for (int64_t i = 0; i < b->per_channel; i++)
        sum += (rs_sum128)max_activation * (weights[i] < 0 ? -weights[i] : weights[i]);
    return sum;
}

/* The maximum of all channels. */
static rs_sum128 max_sum_bound(const rs_values_block *b, int64_t max_activation)
{
    rs_sum128 max = 0;
    for (int64_t c = 0; c < b->outputs; c++) {
        const rs_sum128 bound = sum_bound(b, c, max_activation);
        max = bound > max ? bound : max;
    }
    return max;
}

/* Into how many parts numbers are taken for binary64 to hold every part of a sum, which is at most `bound`: one if that
 * is below 2^53; two if it fits 63 bits and numbers fit 32, since products of parts are below 2^32 then and there are
 * fewer than 2^21 of them; 0: neither. */
static int parts_for_binary64(const rs_values_block *b, rs_sum128 bound, int64_t max_activation)
{
    const rs_sum128 one = (rs_sum128)1 << 53, two = (rs_sum128)1 << 63;
    if (bound < one)
        return 1;
    return bound < two && max_activation < RS_REAL_PART * RS_REAL_PART && b->per_channel < INT64_C(1) << 21 ? 2 : 0;
}

/* A number of up to 128 bits. */
static rs_sum128 bits_128(const uint8_t *bytes, int64_t bit, int bits)
{
    enum { PART = 24 };
    rs_sum128 value = 0, place = 1;
    int at = 0;
    for (; at + PART < bits; at += PART, place *= 1 << PART)
        value += place * (rs_bits_get(bytes, bit + at, PART) & ((1 << PART) - 1));
    return value + place * rs_bits_get(bytes, bit + at, bits - at);
}

/* Weights and biases in the order of rs_real_job. */
static rs_status prepare_binary64(const rs_program *program, rs_values_block *b, rs_diag *diag)
{
    const int64_t per_segment = b->chunks * program->config.multipliers, length = b->first->seg_len,
                  slots = b->sets * b->set_stride, all = slots * b->segments * length;
    const int64_t *weights = b->weights;
    b->real_weights = RS_NEW_ARRAY(double, b->real_parts *all);
    b->real_start = RS_NEW_ARRAY(double, slots);
    if (!b->real_weights || !b->real_start)
        return rs_out_of_memory(diag);
    for (int64_t c = 0; c < b->outputs; c++) {
        const int64_t slot = rs_values_slot(b, c);
        b->real_start[slot] = b->real_parts == 1 ? (double)b->wide_bias[c] : 0.0;
        for (int64_t s = 0; s < b->segments; s++)
            for (int64_t k = 0; k < length; k++) {
                const int64_t to = ((slot / RS_LANE_BLOCK * b->segments + s) * length + k) * RS_LANE_BLOCK +
                                   slot % RS_LANE_BLOCK;
                for (int part = 0; part < b->real_parts; part++)
                    b->real_weights[part * all + to] = rs_real_part(weights[(c * b->segments + s) * per_segment + k],
                                                                    b->real_parts, part);
            }
    }
    return RS_OK;
}

/* Weights as integers, [channel][step * X + i], and biases, out of the block's beats. */
static void unpack_minifloat(const rs_program *program, rs_values_block *b, const int64_t *numbers)
{
    const rs_array_config *config = &program->config;
    const rs_descriptor *d = b->first;
    const int64_t beat = config->bus_bits;
    const int32_t mask = (1 << config->weight_bits) - 1;
    int64_t *weights = b->weights;
    int64_t at = 0, channel = 0;
    for (int g = 0; g < d->groups; g++) {
        const int64_t lanes = rs_descriptor_lanes(d, config, g);
        for (int64_t lane = 0; lane < lanes; lane++)
            b->wide_bias[channel + lane] = bits_128(b->raw, at + lane * rs_array_bias_bits(config),
                                                    config->accumulator_bits);
        at += rs_descriptor_bias_beats(d, g) * beat;
        for (int64_t step = 0; step < d->steps; step++, at += rs_descriptor_step_beats(d, g) * beat)
            for (int64_t i = 0; i < lanes * config->multipliers; i++) {
                const int64_t c = channel + i / config->multipliers;
                weights[c * b->per_channel + step * config->multipliers + i % config->multipliers] =
                    numbers[rs_bits_get(b->raw, at + i * config->weight_bits, config->weight_bits) & mask];
            }
        channel += lanes;
    }
}

rs_status rs_values_prepare_minifloat(const rs_program *program, rs_values_block *b, const int64_t *numbers,
                                      rs_diag *diag)
{
    const rs_array_config *config = &program->config;
    const rs_descriptor *d = b->first;
    const int64_t max_activation = numbers[rs_minifloat_max_code(config->minifloat)];
    rs_free(b->weights);
    rs_free(b->wide_bias);
    rs_free(b->real_weights);
    rs_free(b->real_start);
    b->real_weights = b->real_start = NULL;
    b->how = RS_SUM_MINIFLOAT;
    b->padded = d->seg_len;
    b->weights = RS_NEW_ARRAY(int64_t, b->outputs * b->per_channel);
    b->wide_bias = RS_NEW_ARRAY(rs_sum128, b->outputs);
    if (!b->weights || !b->wide_bias)
        return rs_out_of_memory(diag);
    const rs_sum128 limit = (rs_sum128)1 << (config->accumulator_bits - 1);
    if (d->mode != RS_MODE_WEIGHTS) {
        b->checked = (rs_sum128)max_activation * d->steps * (INT64_C(1) << d->align) >= limit;
        b->real_parts = 0;
        return RS_OK;
    }
    unpack_minifloat(program, b, numbers);
    const rs_sum128 bound = max_sum_bound(b, max_activation);
    b->checked = bound >= limit;
    b->real_parts = b->checked ? 0 : parts_for_binary64(b, bound, max_activation);
    return b->real_parts ? prepare_binary64(program, b, diag) : RS_OK;
}
