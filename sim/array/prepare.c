/* Weights of the array's values: out of the beats of memory, and into the order of the kernel that takes the sums. */
#include "array/values_private.h"

/* Magnitude of the lowest element of the ifmap, or the highest one if that is larger. */
static int64_t activation_bound(const rs_array_config *config, const rs_descriptor *d)
{
    return d->in_unsigned ? (INT64_C(1) << config->activation_bits) - 1 : INT64_C(1) << (config->activation_bits - 1);
}

/* A weight from its word. */
static int16_t decode_weight(rs_weight_code code, int32_t word, int bits)
{
    if (code == RS_WEIGHT_INTEGER)
        return (int16_t)word;
    const int32_t sign = 1 << (bits - 1), places = (word & (sign - 1)) - (code == RS_WEIGHT_SHIFT_ZERO);
    const int32_t magnitude = places < 0 ? 0 : 1 << places;
    return (int16_t)(word < 0 ? -magnitude : magnitude);
}

/* A bias of up to 48 bits, from its low and its high part. */
static int64_t bias_at(const uint8_t *raw, int64_t bit, int bits)
{
    enum { PART = 24 };
    if (bits <= PART)
        return rs_bits_get(raw, bit, bits);
    return (rs_bits_get(raw, bit, PART) & 0xffffff) + rs_bits_get(raw, bit + PART, bits - PART) * (INT64_C(1) << PART);
}

/* The weights of a block out of its beats, [channel][segment][chunk * X + i], and the biases [channel] (with the
 * shifts). */
static void unpack_weights(const rs_program *program, const rs_values_block *b, int16_t *weights, int64_t *bias)
{
    const rs_array_config *config = &program->config;
    const rs_descriptor *d = b->first;
    const int64_t beat = config->bus_bits;
    const rs_weight_code code = rs_array_weight_code(config);
    int64_t at = 0, channel = 0; /* bits from raw */
    for (int g = 0; g < d->groups; g++) {
        const int64_t lanes = rs_descriptor_lanes(d, config, g);
        for (int64_t lane = 0; lane < lanes; lane++) {
            const int64_t bit = at + lane * rs_array_bias_bits(config);
            bias[channel + lane] = bias_at(b->raw, bit, config->accumulator_bits);
            if (b->shifts)
                b->shifts[channel + lane] = d->shift +
                                            rs_bits_get(b->raw, bit + config->accumulator_bits, RS_CHANNEL_SHIFT_BITS);
        }
        at += rs_descriptor_bias_beats(d, g) * beat;
        for (int64_t step = 0; step < d->steps; step++) {
            int64_t bit = at;
            for (int64_t lane = 0; lane < lanes; lane++) {
                int16_t *to = weights + (channel + lane) * b->per_channel + step * config->multipliers;
                for (int i = 0; i < config->multipliers; i++, bit += config->weight_bits)
                    to[i] = decode_weight(code, rs_bits_get(b->raw, bit, config->weight_bits), config->weight_bits);
            }
            at += rs_descriptor_step_beats(d, g) * beat;
        }
        channel += lanes;
    }
}

/* Whether every sum that the weights allow fits `bits` bits: sum of |w| times the activations' bound, plus |bias|. */
static bool sums_fit(const rs_program *program, const rs_values_block *b, const int16_t *weights, const int64_t *bias,
                     int bits)
{
    const int64_t bound = activation_bound(&program->config, b->first), limit = rs_fxp_max(bits);
    for (int64_t c = 0; c < b->outputs; c++) {
        int64_t sum = 0;
        for (int64_t i = 0; i < b->per_channel; i++)
            sum += weights[c * b->per_channel + i] < 0 ? -weights[c * b->per_channel + i]
                                                       : weights[c * b->per_channel + i];
        if (sum * bound + (bias[c] < 0 ? -bias[c] : bias[c]) > limit)
            return false;
    }
    return true;
}

/* Weights in the order of the kernels: by set [block][segment][padded / pack][RS_LANE_BLOCK][pack]. */
static void pack_for_kernel(const rs_program *program, rs_values_block *b, const int16_t *weights, int64_t pack)
{
    const int64_t per_segment = b->chunks * program->config.multipliers;
    int8_t *narrow = b->weights;
    int16_t *wide = b->weights;
    for (int64_t c = 0; c < b->outputs; c++) {
        const int64_t slot = rs_values_slot(b, c);
        int64_t sum = 0;
        for (int64_t s = 0; s < b->segments; s++)
            for (int64_t k = 0; k < b->first->seg_len; k++) {
                const int64_t packs = (slot / RS_LANE_BLOCK * b->segments + s) * (b->padded / pack) + k / pack;
                const int64_t to = (packs * RS_LANE_BLOCK + slot % RS_LANE_BLOCK) * pack + k % pack;
                const int16_t w = weights[c * b->per_channel + s * per_segment + k];
                if (pack == RS_PACK_U8)
                    narrow[to] = (int8_t)w;
                else
                    wide[to] = w;
                sum += w;
            }
        /* Signed activations are raised by 128 for the 8-bit kernel; 32-bit sums are exact modulo 2^32 on the way. */
        const int64_t raised = pack == RS_PACK_U8 && !b->first->in_unsigned ? 128 * sum : 0;
        b->start[slot] = (int32_t)(uint32_t)(uint64_t)(b->bias[slot] - raised);
    }
}

/* Weights step by step: by set [segment][chunk][multiplier][set_stride]. */
static void pack_for_steps(rs_values_block *b, const int16_t *weights)
{
    int16_t *to = b->weights;
    for (int64_t c = 0; c < b->outputs; c++)
        for (int64_t i = 0; i < b->per_channel; i++)
            to[(c / b->set_outputs * b->per_channel + i) * b->set_stride + c % b->set_outputs] =
                weights[c * b->per_channel + i];
}

/* Whether all weights fit 8 bits. */
static bool weights_narrow(const rs_program *program, const rs_values_block *b, const int16_t *weights)
{
    if (program->config.pe == RS_PE_MULTIPLIER)
        return program->config.weight_bits <= 8;
    for (int64_t i = 0; i < b->outputs * b->per_channel; i++)
        if (weights[i] < INT8_MIN || weights[i] > INT8_MAX)
            return false;
    return true;
}

static rs_sum_method choose_method(const rs_program *program, rs_values_block *b, const int16_t *weights,
                                   const int64_t *bias)
{
    const rs_array_config *config = &program->config;
    b->checked = !sums_fit(program, b, weights, bias, config->accumulator_bits);
    b->narrow = rs_array_tree_bits(config, 0) + rs_array_levels(config) <= 32;
    if (b->checked || !sums_fit(program, b, weights, bias, 32))
        return RS_SUM_STEPS;
    if (config->activation_bits <= 8 && rs_dot_u8() && weights_narrow(program, b, weights)) {
        b->kernel = rs_dot_u8();
        return RS_SUM_U8;
    }
    b->kernel = rs_dot_s16();
    return RS_SUM_S16;
}

/* Weights and biases, decoded and with the biases and shifts of the block in place, go where the block's method wants
 * them. b->weights stays NULL without memory. */
static void pack_weights(const rs_program *program, rs_values_block *b, const int16_t *weights, const int64_t *bias)
{
    const int64_t slots = b->sets * b->set_stride;
    for (int64_t c = 0; c < b->outputs; c++)
        b->bias[rs_values_slot(b, c)] = bias[c];
    b->how = choose_method(program, b, weights, bias);
    const int64_t pack = b->how == RS_SUM_U8 ? RS_PACK_U8 : RS_PACK_S16;
    b->padded = rs_round_up(b->first->seg_len, pack);
    if (b->how == RS_SUM_STEPS) {
        b->weights = RS_NEW_ARRAY(int16_t, b->per_channel * slots);
        if (b->weights)
            pack_for_steps(b, weights);
    } else {
        b->weights = rs_calloc((size_t)(slots * b->segments * b->padded),
                               b->how == RS_SUM_U8 ? sizeof(int8_t) : sizeof(int16_t));
        if (b->weights)
            pack_for_kernel(program, b, weights, pack);
    }
}

static rs_status prepare_integers(const rs_program *program, rs_values_block *b, rs_diag *diag)
{
    const int64_t slots = b->sets * b->set_stride;
    int16_t *weights = RS_NEW_ARRAY(int16_t, b->outputs * b->per_channel);
    int64_t *bias = RS_NEW_ARRAY(int64_t, b->outputs);
    rs_free(b->weights);
    rs_free(b->start);
    rs_free(b->bias);
    rs_free(b->shifts);
    b->shifts = NULL;
    if (program->config.channel_shifts == RS_YES) {
        b->shifts = RS_NEW_ARRAY(int32_t, b->stride);
        for (int64_t c = 0; b->shifts && c < b->stride; c++)
            b->shifts[c] = b->first->shift;
    }
    b->start = RS_NEW_ARRAY(int32_t, slots);
    b->bias = RS_NEW_ARRAY(int64_t, slots);
    b->weights = NULL;
    if (weights && bias && b->start && b->bias && (b->shifts || program->config.channel_shifts != RS_YES)) {
        unpack_weights(program, b, weights, bias);
        pack_weights(program, b, weights, bias);
    }
    rs_free(weights);
    rs_free(bias);
    return b->weights ? RS_OK : rs_out_of_memory(diag);
}

/* Direct modes: no weights, a plane of 16-bit elements. */
static void prepare_direct(const rs_program *program, rs_values_block *b)
{
    const rs_descriptor *d = b->first;
    const int align = d->align > d->align_second ? d->align : d->align_second;
    const int64_t bound = (activation_bound(&program->config, d) << align) * d->steps;
    b->how = RS_SUM_DIRECT;
    b->padded = d->seg_len;
    b->checked = bound > rs_fxp_max(program->config.accumulator_bits);
    b->narrow = !b->checked && bound <= INT32_MAX;
}

rs_status rs_values_prepare(const rs_program *program, rs_values_block *block, const int64_t *numbers, rs_diag *diag)
{
    if (program->config.pe == RS_PE_MINIFLOAT)
        return rs_values_prepare_minifloat(program, block, numbers, diag);
    if (block->first->mode == RS_MODE_WEIGHTS)
        return prepare_integers(program, block, diag);
    prepare_direct(program, block);
    return RS_OK;
}
