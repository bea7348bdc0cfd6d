#include "array/values.h"

#include <math.h>
#include <string.h>

#include "array/kernels.h"
#include "array/minifloat.h"
#include "base/memory.h"

/* How a layer's sums are taken. All give the same values where they apply. */
typedef enum method {
    SUM_U8,        /* 32 bits, no overflow of the accumulator possible, at most 8-bit data */
    SUM_S16,       /* the same for 16-bit data */
    SUM_STEPS,     /* 64 bits, step by step */
    SUM_MINIFLOAT, /* 128 bits, with and without weights */
    SUM_DIRECT     /* no weights: an activation a step and channel */
} method;

/* What is prepared for a tile's layer: its weights, or how its sums are taken without any. */
typedef struct block {
    const rs_descriptor *first; /* the first that uses it; what is not a tile's own is alike in all of them */
    method how;
    rs_dot_kernel *kernel;
    bool checked, narrow;      /* the accumulator can overflow; a step's sum (direct: every sum) fits 32 bits */
    int64_t outputs, stride;   /* output channels; the same rounded up to RS_LANE_BLOCK */
    int64_t sets, set_outputs; /* output channels of a set */
    int64_t set_stride;        /* rounded up to RS_LANE_BLOCK */
    int64_t segments, chunks;
    int64_t padded;       /* elements of a segment in the kernel's weights */
    void *weights;        /* set after set */
    int32_t *start;       /* [sets][set_stride], kernels */
    int64_t *bias;        /* [sets][set_stride] */
    rs_sum128 *wide_bias; /* [outputs], minifloat */
    /* Minifloat whose sums are exact in binary64 (rs_real_job): weights by set, [parts][sets]..., and
     * [sets][set_stride]; or NULL. Two parts: those of 16 low bits, and the rest; the bias is not in real_start then.
     */
    double *real_weights, *real_start;
    int real_parts;
    int32_t *shifts; /* [stride], of requantize by channel; NULL: the descriptor's */
    /* The beats that all this was made from. */
    uint8_t *raw;
    int64_t raw_from, raw_bytes;
} block;

struct rs_values {
    const rs_program *program;
    block *blocks;
    int n_blocks;
    int *block_of; /* by descriptor */
    /* Scratch, as large as any tile needs. */
    void *ifmap;
    int64_t *segment_offsets;
    int32_t *sums, *row; /* one row of the convolution: sums, then values */
    int32_t *set_sums;   /* of one set */
    int64_t *wide, *set_wide, *tree;
    /* Minifloat: numbers by word, sums of a row, a window. */
    int64_t *numbers, *window;
    rs_sum128 *sums128;
    double *real_ifmap, *real_sums, *real_set_sums; /* the same in binary64, where some block takes its sums so */
    uint32_t *row_overflows, *set_overflows;
    int32_t *out;
    uint32_t *saturations, *overflows;
};

static int64_t min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t max64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t round_up(int64_t n, int64_t unit)
{
    return (n + unit - 1) / unit * unit;
}

/* Largest magnitude of an element of the ifmap. */
static int64_t largest_activation(const rs_array_config *config, const rs_descriptor *d)
{
    return d->in_unsigned ? (INT64_C(1) << config->activation_bits) - 1 : INT64_C(1) << (config->activation_bits - 1);
}

/* ------------------------------------------------------------------------------------------------ weights */

/* A weight from its word. */
static int16_t decode_weight(rs_weight_code code, int32_t word, int bits)
{
    if (code == RS_WEIGHT_INTEGER)
        return (int16_t)word;
    const int32_t sign = 1 << (bits - 1), places = (word & (sign - 1)) - (code == RS_WEIGHT_SHIFT_ZERO);
    const int32_t magnitude = places < 0 ? 0 : 1 << places;
    return (int16_t)(word < 0 ? -magnitude : magnitude);
}

/* The weights of a block out of its beats, [channel][segment][chunk * X + i], and the biases [channel] (with the
 * shifts). */
static void unpack_weights(const rs_program *program, const block *b, int16_t *weights, int64_t *bias)
{
    const rs_array_config *config = &program->config;
    const rs_descriptor *d = b->first;
    const int64_t per_channel = (int64_t)d->steps * config->multipliers, beat = config->bus_bits;
    const rs_weight_code code = rs_array_weight_code(config);
    int64_t at = 0, channel = 0; /* bits from raw */
    for (int g = 0; g < d->groups; g++) {
        const int64_t lanes = rs_descriptor_lanes(d, config, g);
        for (int64_t lane = 0; lane < lanes; lane++) {
            /* Up to 48 bits: low and high part. */
            const int64_t bit = at + lane * rs_array_bias_bits(config);
            const int low = config->accumulator_bits < 24 ? config->accumulator_bits : 24,
                      high = config->accumulator_bits - low;
            int64_t value = rs_bits_get(b->raw, bit, low);
            if (high)
                value = (value & 0xffffff) | (int64_t)((uint64_t)(int64_t)rs_bits_get(b->raw, bit + low, high) << low);
            bias[channel + lane] = value;
            if (b->shifts)
                b->shifts[channel + lane] = d->shift +
                                            rs_bits_get(b->raw, bit + config->accumulator_bits, RS_CHANNEL_SHIFT_BITS);
        }
        at += rs_descriptor_bias_beats(d, g) * beat;
        for (int64_t step = 0; step < d->steps; step++) {
            int64_t bit = at;
            for (int64_t lane = 0; lane < lanes; lane++) {
                int16_t *to = weights + (channel + lane) * per_channel + step * config->multipliers;
                for (int i = 0; i < config->multipliers; i++, bit += config->weight_bits)
                    to[i] = decode_weight(code, rs_bits_get(b->raw, bit, config->weight_bits), config->weight_bits);
            }
            at += rs_descriptor_step_beats(d, g) * beat;
        }
        channel += lanes;
    }
}

/* Whether every sum that the weights allow fits `bits` bits: sum of |w| times the largest |activation|, plus |bias|. */
static bool sums_fit(const rs_program *program, const block *b, const int16_t *weights, const int64_t *bias, int bits)
{
    const int64_t per_channel = (int64_t)b->first->steps * program->config.multipliers;
    const int64_t largest = largest_activation(&program->config, b->first), limit = rs_fxp_max(bits);
    for (int64_t c = 0; c < b->outputs; c++) {
        int64_t sum = 0;
        for (int64_t i = 0; i < per_channel; i++)
            sum += weights[c * per_channel + i] < 0 ? -weights[c * per_channel + i] : weights[c * per_channel + i];
        if (sum * largest + (bias[c] < 0 ? -bias[c] : bias[c]) > limit)
            return false;
    }
    return true;
}

/* Whether sums of minifloats can leave the accumulator. */
static bool minifloat_overflows(const rs_program *program, const block *b, const int64_t *numbers)
{
    const rs_array_config *config = &program->config;
    const rs_sum128 limit = (rs_sum128)1 << (config->accumulator_bits - 1);
    const int64_t largest = numbers[rs_minifloat_max_code(config->minifloat)], *weights = b->weights;
    const int64_t per_channel = (int64_t)b->first->steps * config->multipliers;
    if (b->first->mode != RS_MODE_WEIGHTS)
        return (rs_sum128)largest * b->first->steps * (INT64_C(1) << b->first->align) >= limit;
    for (int64_t c = 0; c < b->outputs; c++) {
        rs_sum128 sum = b->wide_bias[c] < 0 ? -b->wide_bias[c] : b->wide_bias[c];
        for (int64_t i = 0; i < per_channel; i++)
            sum += (rs_sum128)largest *
                   (weights[c * per_channel + i] < 0 ? -weights[c * per_channel + i] : weights[c * per_channel + i]);
        if (sum >= limit)
            return true;
    }
    return false;
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

/* Index of output channel c among the rounded-up sets. */
static int64_t slot_of(const block *b, int64_t c)
{
    return c / b->set_outputs * b->set_stride + c % b->set_outputs;
}

enum { PART_BITS = 16 };
static const int64_t part_size = INT64_C(1) << PART_BITS;

/* Part i of a number: number = part 1 * 2^16 + part 0, where there are two. */
static double part_of(int64_t number, int parts, int i)
{
    return (double)(parts == 1 ? number : i ? number / part_size : number % part_size);
}

/* Into how many parts numbers are taken for binary64 to hold every part of a sum, which is below the bound sum |w| *
 * largest |a| + |bias|: one if that is below 2^53; two if it fits 63 bits and numbers fit 32, since products of parts
 * are below 2^32 then and there are fewer than 2^21 of them; 0: neither. */
static int parts_for_binary64(const rs_program *program, const block *b, const int64_t *numbers)
{
    const rs_sum128 one = (rs_sum128)1 << 53, two = (rs_sum128)1 << 63;
    rs_sum128 most = 0;
    const int64_t largest = numbers[rs_minifloat_max_code(program->config.minifloat)], *weights = b->weights;
    const int64_t per_channel = (int64_t)b->first->steps * program->config.multipliers;
    for (int64_t c = 0; c < b->outputs; c++) {
        rs_sum128 sum = b->wide_bias[c] < 0 ? -b->wide_bias[c] : b->wide_bias[c];
        for (int64_t i = 0; i < per_channel; i++)
            sum += (rs_sum128)largest *
                   (weights[c * per_channel + i] < 0 ? -weights[c * per_channel + i] : weights[c * per_channel + i]);
        most = sum > most ? sum : most;
    }
    return most < one ? 1 : most < two && largest < part_size * part_size && per_channel < INT64_C(1) << 21 ? 2 : 0;
}

/* Weights and biases in the order of rs_real_job. */
static rs_status prepare_binary64(const rs_program *program, block *b, rs_diag *diag)
{
    const int64_t x = program->config.multipliers, per_segment = b->chunks * x, length = b->first->seg_len,
                  slots = b->sets * b->set_stride;
    const int64_t *weights = b->weights;
    const int64_t all = slots * b->segments * length;
    b->real_weights = RS_NEW_ARRAY(double, (size_t)(b->real_parts * all));
    b->real_start = RS_NEW_ARRAY(double, (size_t)slots);
    if (!b->real_weights || !b->real_start)
        return rs_out_of_memory(diag);
    for (int64_t c = 0; c < b->outputs; c++) {
        const int64_t slot = slot_of(b, c);
        b->real_start[slot] = b->real_parts == 1 ? (double)b->wide_bias[c] : 0.0;
        for (int64_t s = 0; s < b->segments; s++)
            for (int64_t k = 0; k < length; k++)
                for (int part = 0; part < b->real_parts; part++)
                    b->real_weights[part * all +
                                    ((slot / RS_LANE_BLOCK * b->segments + s) * length + k) * RS_LANE_BLOCK +
                                    slot % RS_LANE_BLOCK] = part_of(weights[(c * b->segments + s) * per_segment + k],
                                                                    b->real_parts, part);
    }
    return RS_OK;
}

/* Weights as integers, [channel][step * X + i]. */
static rs_status prepare_minifloat(const rs_program *program, block *b, const int64_t *numbers, rs_diag *diag)
{
    const rs_array_config *config = &program->config;
    const rs_descriptor *d = b->first;
    const int64_t per_channel = (int64_t)d->steps * config->multipliers, beat = config->bus_bits;
    const uint32_t mask = (UINT32_C(1) << config->weight_bits) - 1;
    rs_free(b->weights);
    rs_free(b->wide_bias);
    rs_free(b->real_weights);
    rs_free(b->real_start);
    b->real_weights = b->real_start = NULL;
    b->how = SUM_MINIFLOAT;
    b->padded = d->seg_len;
    int64_t *weights = b->weights = RS_NEW_ARRAY(int64_t, (size_t)(b->outputs * per_channel));
    b->wide_bias = RS_NEW_ARRAY(rs_sum128, (size_t)b->outputs);
    if (!weights || !b->wide_bias)
        return rs_out_of_memory(diag);
    int64_t at = 0, channel = 0;
    for (int g = 0; d->mode == RS_MODE_WEIGHTS && g < d->groups; g++) {
        const int64_t lanes = rs_descriptor_lanes(d, config, g);
        for (int64_t lane = 0; lane < lanes; lane++)
            b->wide_bias[channel + lane] = bits_128(b->raw, at + lane * rs_array_bias_bits(config),
                                                    config->accumulator_bits);
        at += rs_descriptor_bias_beats(d, g) * beat;
        for (int64_t step = 0; step < d->steps; step++, at += rs_descriptor_step_beats(d, g) * beat)
            for (int64_t i = 0; i < lanes * config->multipliers; i++)
                weights[(channel + i / config->multipliers) * per_channel + step * config->multipliers +
                        i % config->multipliers] =
                    numbers[(uint32_t)rs_bits_get(b->raw, at + i * config->weight_bits, config->weight_bits) & mask];
        channel += lanes;
    }
    b->checked = minifloat_overflows(program, b, numbers);
    b->real_parts = d->mode == RS_MODE_WEIGHTS && !b->checked ? parts_for_binary64(program, b, numbers) : 0;
    return b->real_parts ? prepare_binary64(program, b, diag) : RS_OK;
}

/* Weights in the order of the kernels: by set [block][segment][padded / pack][RS_LANE_BLOCK][pack]. */
static void pack_for_kernel(const rs_program *program, block *b, const int16_t *weights, int64_t pack)
{
    const int64_t x = program->config.multipliers, per_segment = b->chunks * x, per_channel = b->segments * per_segment;
    int8_t *narrow = b->weights;
    int16_t *wide = b->weights;
    for (int64_t c = 0; c < b->outputs; c++) {
        const int64_t slot = slot_of(b, c);
        int64_t sum = 0;
        for (int64_t s = 0; s < b->segments; s++)
            for (int64_t k = 0; k < b->first->seg_len; k++) {
                const int64_t to = (((slot / RS_LANE_BLOCK * b->segments + s) * (b->padded / pack) + k / pack) *
                                        RS_LANE_BLOCK +
                                    slot % RS_LANE_BLOCK) *
                                       pack +
                                   k % pack;
                const int16_t w = weights[c * per_channel + s * per_segment + k];
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
static void pack_for_steps(const rs_program *program, block *b, const int16_t *weights)
{
    const int64_t per_channel = (int64_t)b->first->steps * program->config.multipliers;
    int16_t *to = b->weights;
    for (int64_t c = 0; c < b->outputs; c++)
        for (int64_t i = 0; i < per_channel; i++)
            to[(c / b->set_outputs * per_channel + i) * b->set_stride + c % b->set_outputs] =
                weights[c * per_channel + i];
}

/* Whether all weights fit 8 bits. */
static bool weights_narrow(const rs_program *program, const block *b, const int16_t *weights)
{
    const int64_t n = b->outputs * b->first->steps * program->config.multipliers;
    if (program->config.pe == RS_PE_MULTIPLIER)
        return program->config.weight_bits <= 8;
    for (int64_t i = 0; i < n; i++)
        if (weights[i] < INT8_MIN || weights[i] > INT8_MAX)
            return false;
    return true;
}

static method choose_method(const rs_program *program, block *b, const int16_t *weights, const int64_t *bias)
{
    const rs_array_config *config = &program->config;
    b->checked = !sums_fit(program, b, weights, bias, config->accumulator_bits);
    b->narrow = rs_array_tree_bits(config, 0) + rs_array_levels(config) <= 32;
    if (b->checked || !sums_fit(program, b, weights, bias, 32))
        return SUM_STEPS;
    if (config->activation_bits <= 8 && rs_dot_u8() && weights_narrow(program, b, weights)) {
        b->kernel = rs_dot_u8();
        return SUM_U8;
    }
    b->kernel = rs_dot_s16();
    return SUM_S16;
}

static rs_status prepare_weights(const rs_program *program, block *b, const int64_t *numbers, rs_diag *diag)
{
    if (program->config.pe == RS_PE_MINIFLOAT)
        return prepare_minifloat(program, b, numbers, diag);
    const int64_t per_channel = (int64_t)b->first->steps * program->config.multipliers, slots = b->sets * b->set_stride;
    int16_t *weights = RS_NEW_ARRAY(int16_t, (size_t)(b->outputs * per_channel));
    int64_t *bias = RS_NEW_ARRAY(int64_t, (size_t)b->outputs);
    rs_free(b->weights);
    rs_free(b->start);
    rs_free(b->bias);
    rs_free(b->shifts);
    b->shifts = NULL;
    if (program->config.channel_shifts == RS_YES) {
        b->shifts = RS_NEW_ARRAY(int32_t, (size_t)b->stride);
        for (int64_t c = 0; b->shifts && c < b->stride; c++)
            b->shifts[c] = b->first->shift;
    }
    b->start = RS_NEW_ARRAY(int32_t, (size_t)slots);
    b->bias = RS_NEW_ARRAY(int64_t, (size_t)slots);
    b->weights = NULL;
    if (weights && bias && b->start && b->bias && (b->shifts || program->config.channel_shifts != RS_YES)) {
        unpack_weights(program, b, weights, bias);
        for (int64_t c = 0; c < b->outputs; c++)
            b->bias[slot_of(b, c)] = bias[c];
        b->how = choose_method(program, b, weights, bias);
        const int64_t pack = b->how == SUM_U8 ? RS_PACK_U8 : RS_PACK_S16;
        b->padded = round_up(b->first->seg_len, pack);
        if (b->how == SUM_STEPS) {
            b->weights = rs_calloc((size_t)(per_channel * slots), sizeof(int16_t));
            if (b->weights)
                pack_for_steps(program, b, weights);
        } else {
            b->weights = rs_calloc((size_t)(slots * b->segments * b->padded),
                                   b->how == SUM_U8 ? sizeof(int8_t) : sizeof(int16_t));
            if (b->weights)
                pack_for_kernel(program, b, weights, pack);
        }
    }
    rs_free(weights);
    rs_free(bias);
    return b->weights ? RS_OK : rs_out_of_memory(diag);
}

/* Direct modes: no weights, a plane of 16-bit elements. */
static void prepare_direct(const rs_program *program, block *b)
{
    const rs_descriptor *d = b->first;
    const int align = d->align > d->align_second ? d->align : d->align_second;
    const int64_t bound = (largest_activation(&program->config, d) << align) * d->steps;
    b->how = SUM_DIRECT;
    b->padded = d->seg_len;
    b->checked = bound > rs_fxp_max(program->config.accumulator_bits);
    b->narrow = !b->checked && bound <= INT32_MAX;
}

/* -------------------------------------------------------------------------------------------------- ifmap */

/* The part of the plane that steps reach, rows from `top` and elements from `left` on, with zeros around the tile's
 * ifmap. */
typedef struct plane {
    int64_t top, left, rows, width;
} plane;

static plane plane_of(const rs_descriptor *d, int64_t padded)
{
    const int64_t sets = d->groups / d->groups_per_set;
    const int64_t last_row = d->origin_row + (int64_t)(d->conv_h - 1) * d->step_row +
                             (int64_t)(d->seg1_count - 1) * d->seg1_rows;
    const int64_t last_col = d->origin_col + (int64_t)(d->conv_w - 1) * d->step_col +
                             (int64_t)(d->seg2_count - 1) * d->seg2_cols + (sets - 1) * d->set_cols + padded;
    plane p = { .top = min64(d->origin_row, 0), .left = min64(d->origin_col, 0) };
    p.rows = max64(last_row + 1, d->in_rows) - p.top;
    p.width = max64(last_col, d->row_elems) - p.left;
    return p;
}

/* n elements of `bits` bits (with a sign, or without one), `per_beat` in a beat of `beat_bits`, from element `first` on
 * of a dense blob at `beats`.
 */
static void unpack_elements(const uint8_t *beats, int64_t beat_bits, int64_t per_beat, int bits, bool is_unsigned,
                            int64_t first, int64_t n, int16_t *out)
{
    const uint32_t mask = is_unsigned ? (UINT32_C(1) << bits) - 1 : UINT32_MAX;
    for (int64_t i = 0; i < n;) {
        const int64_t in_beat = (first + i) % per_beat, run = min64(per_beat - in_beat, n - i);
        int64_t bit = (first + i) / per_beat * beat_bits + in_beat * bits;
        if (bits == 8 && is_unsigned) {
            const uint8_t *from = beats + bit / 8;
            for (int64_t k = 0; k < run; k++)
                out[i + k] = from[k];
        } else if (bits == 8) {
            const uint8_t *from = beats + bit / 8;
            for (int64_t k = 0; k < run; k++)
                out[i + k] = (int16_t)(from[k] < 128 ? from[k] : from[k] - 256);
        } else {
            for (int64_t k = 0; k < run; k++, bit += bits)
                out[i + k] = (int16_t)(int32_t)((uint32_t)rs_bits_get(beats, bit, bits) & mask);
        }
        i += run;
    }
}

/* The same as bytes, signed ones raised by 128. */
static void unpack_bytes(const uint8_t *beats, int64_t beat_bits, int64_t per_beat, int bits, bool is_unsigned,
                         int64_t first, int64_t n, uint8_t *out)
{
    if (bits == 8 && is_unsigned) {
        memcpy(out, beats + first, (size_t)n);
        return;
    }
    if (bits == 8) { /* bytes side by side, whatever the beats */
        for (int64_t i = 0; i < n; i++)
            out[i] = beats[first + i] ^ 0x80;
        return;
    }
    for (int64_t i = 0; i < n;) {
        const int64_t in_beat = (first + i) % per_beat, run = min64(per_beat - in_beat, n - i);
        int64_t bit = (first + i) / per_beat * beat_bits + in_beat * bits;
        for (int64_t k = 0; k < run; k++, bit += bits)
            out[i + k] = (uint8_t)(is_unsigned ? rs_bits_get(beats, bit, bits) & ((1 << bits) - 1)
                                               : rs_bits_get(beats, bit, bits) + 128);
        i += run;
    }
}

/* Rows of an ifmap at `address` into the plane. */
static void load_ifmap(const rs_program *program, const rs_descriptor *d, int64_t address, const plane *p, method how,
                       const uint8_t *memory, void *to)
{
    const int64_t beat_bits = program->config.bus_bits, per_beat = rs_array_elements_per_beat(&program->config);
    const int64_t offset = d->origin_elems - (int64_t)d->origin_row * d->row_elems;
    const int bits = program->config.activation_bits;
    const uint8_t *beats = memory + address * (beat_bits / 8);
    const size_t size = how == SUM_U8 ? sizeof(uint8_t) : sizeof(int16_t);
    memset(to, how == SUM_U8 && !d->in_unsigned ? 0x80 : 0, (size_t)(p->rows * p->width) * size);
    for (int64_t r = 0; r < d->in_rows; r++) {
        const int64_t at = (r - p->top) * p->width - p->left, first = offset + r * d->row_elems;
        if (how == SUM_U8)
            unpack_bytes(beats, beat_bits, per_beat, bits, d->in_unsigned, first, d->row_elems, (uint8_t *)to + at);
        else
            unpack_elements(beats, beat_bits, per_beat, bits, d->in_unsigned, first, d->row_elems, (int16_t *)to + at);
    }
}

/* Elements behind position 0's first one that a step may touch: of a direct layer the channels of all sets lie in one
 * vector. */
static int64_t direct_width(const block *b, const rs_descriptor *d)
{
    return b->how == SUM_DIRECT ? d->seg_len : max64(b->padded, d->seg_len);
}

/* --------------------------------------------------------------------------------------------------- sums */

/* Sums of row cy of the convolution for one set: in `sums` (kernels) or `wide` and `overflows` (steps). */
static void set_sums(rs_values *values, const block *b, const rs_descriptor *d, const plane *p, int64_t cy, int64_t set,
                     int32_t *sums, int64_t *wide, uint32_t *overflows)
{
    const rs_array_config *config = &values->program->config;
    const int64_t start = (d->origin_row + cy * d->step_row - p->top) * p->width + d->origin_col + set * d->set_cols -
                          p->left;
    if (b->how != SUM_STEPS) {
        const size_t weights = (size_t)(set * b->set_stride * b->segments * b->padded);
        const bool bytes = b->how == SUM_U8;
        const rs_dot_job job = { .activations = bytes ? (const void *)((const uint8_t *)values->ifmap + start)
                                                      : (const void *)((const int16_t *)values->ifmap + start),
                                 .step = d->step_col,
                                 .positions = d->conv_w,
                                 .segments = values->segment_offsets,
                                 .n_segments = b->segments,
                                 .length = b->padded,
                                 .weights = bytes ? (const void *)((const int8_t *)b->weights + weights)
                                                  : (const void *)((const int16_t *)b->weights + weights),
                                 .blocks = b->set_stride / RS_LANE_BLOCK,
                                 .start = b->start + set * b->set_stride,
                                 .sums = sums };
        b->kernel(&job);
        return;
    }
    for (int64_t cx = 0; cx < d->conv_w; cx++) {
        const rs_step_job job = { .activations = (const int16_t *)values->ifmap + start + cx * d->step_col,
                                  .segments = values->segment_offsets,
                                  .n_segments = b->segments,
                                  .length = d->seg_len,
                                  .multipliers = config->multipliers,
                                  .weights = (const int16_t *)b->weights +
                                             set * b->set_stride * d->steps * config->multipliers,
                                  .channels = b->set_stride,
                                  .narrow = b->narrow,
                                  .saturate = config->overflow == RS_OVERFLOW_SATURATE,
                                  .bits = b->checked ? config->accumulator_bits : 0,
                                  .tree = values->tree,
                                  .sums = wide + cx * b->set_stride,
                                  .overflows = overflows + cx * b->set_stride };
        memcpy(job.sums, b->bias + set * b->set_stride, (size_t)b->set_stride * sizeof *b->bias);
        memset(job.overflows, 0, (size_t)b->set_stride * sizeof *job.overflows);
        rs_sum_steps(&job);
    }
}

/* Sums without weights: one activation a channel and step, aligned. */
static void direct_sums(rs_values *values, const block *b, const rs_descriptor *d, const plane *p, int64_t cy)
{
    const rs_array_config *config = &values->program->config;
    const int64_t start = (d->origin_row + cy * d->step_row - p->top) * p->width + d->origin_col - p->left;
    for (int64_t cx = 0; cx < d->conv_w; cx++) {
        int32_t *restrict narrow = values->sums + cx * b->stride;
        int64_t *restrict wide = values->wide + cx * b->stride;
        uint32_t *overflows = values->row_overflows + cx * b->stride;
        if (b->narrow) {
            memset(narrow, 0, (size_t)b->stride * sizeof *narrow);
        } else {
            memset(wide, 0, (size_t)b->stride * sizeof *wide);
            memset(overflows, 0, (size_t)b->stride * sizeof *overflows);
        }
        for (int64_t s = 0; s < b->segments; s++) {
            const int align = s < d->seg2_count ? d->align : d->align_second;
            const int16_t *restrict a = (const int16_t *)values->ifmap + start + cx * d->step_col +
                                        values->segment_offsets[s];
            if (b->narrow) {
                for (int64_t c = 0; c < b->outputs; c++)
                    narrow[c] += a[c] * (1 << align);
            } else {
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
}

/* Sums of minifloats of row cy, with and without weights. */
static void minifloat_sums(rs_values *values, const block *b, const rs_descriptor *d, const plane *p, int64_t cy)
{
    const rs_array_config *config = &values->program->config;
    const int64_t start = (d->origin_row + cy * d->step_row - p->top) * p->width + d->origin_col - p->left;
    const int64_t per_channel = (int64_t)d->steps * config->multipliers;
    const uint32_t mask = (UINT32_C(1) << config->activation_bits) - 1;
    const bool direct = d->mode != RS_MODE_WEIGHTS, saturate = config->overflow == RS_OVERFLOW_SATURATE;
    for (int64_t cx = 0; cx < d->conv_w; cx++) {
        const int16_t *words = (const int16_t *)values->ifmap + start + cx * d->step_col;
        rs_sum128 *sums = values->sums128 + cx * b->stride;
        uint32_t *overflows = values->row_overflows + cx * b->stride;
        memset(overflows, 0, (size_t)b->outputs * sizeof *overflows);
        for (int64_t c = 0; c < b->outputs; c++)
            sums[c] = direct ? 0 : b->wide_bias[c];
        for (int64_t s = 0; direct && s < b->segments; s++)
            for (int64_t c = 0; c < b->outputs; c++) {
                const int64_t number = values->numbers[(uint16_t)words[values->segment_offsets[s] + c] & mask];
                const rs_sum128 product = (rs_sum128)number * (INT64_C(1) << d->align);
                overflows[c] += rs_minifloat_accumulate(&sums[c], product, config->accumulator_bits, saturate);
            }
        for (int64_t set = 0; !direct && set < b->sets; set++) {
            const rs_minifloat_job job = { .activations = words + set * d->set_cols,
                                           .segments = values->segment_offsets,
                                           .n_segments = b->segments,
                                           .length = d->seg_len,
                                           .chunks = b->chunks,
                                           .multipliers = config->multipliers,
                                           .numbers = values->numbers,
                                           .mask = mask,
                                           .weights = (const int64_t *)b->weights + set * b->set_outputs * per_channel,
                                           .channels = b->set_outputs,
                                           .checked = b->checked,
                                           .saturate = saturate,
                                           .bits = config->accumulator_bits,
                                           .window = values->window,
                                           .sums = sums + set * b->set_outputs,
                                           .overflows = overflows + set * b->set_outputs };
            rs_minifloat_sum(&job);
        }
    }
}

/* Sums of part `a` of the activations and part `w` of the weights, in values->real_sums. */
static void real_part_sums(rs_values *values, const block *b, const rs_descriptor *d, const plane *p, int64_t cy, int a,
                           int w)
{
    const int64_t start = (d->origin_row + cy * d->step_row - p->top) * p->width + d->origin_col - p->left +
                          a * p->rows * p->width;
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
static void real_sums(rs_values *values, const block *b, const rs_descriptor *d, const plane *p, int64_t cy)
{
    if (b->real_parts == 1) {
        real_part_sums(values, b, d, p, cy, 0, 0);
        return;
    }
    for (int64_t cx = 0; cx < d->conv_w; cx++)
        for (int64_t c = 0; c < b->outputs; c++)
            values->wide[cx * b->stride + c] = (int64_t)b->wide_bias[c];
    for (int a = 0; a < 2; a++)
        for (int w = 0; w < 2; w++) {
            real_part_sums(values, b, d, p, cy, a, w);
            const int64_t unit = a + w == 2 ? part_size * part_size : a + w == 1 ? part_size : 1;
            for (int64_t cx = 0; cx < d->conv_w; cx++)
                for (int64_t k = cx * b->stride; k < cx * b->stride + b->outputs; k++)
                    values->wide[k] += (int64_t)values->real_sums[k] * unit;
        }
}

/* n of the row's sums from index i on become codes. */
static uint64_t requantize_reals(rs_values *values, const block *b, const rs_descriptor *d, int64_t i, int64_t n)
{
    const rs_minifloat format = values->program->config.minifloat;
    const rs_rounding mode = values->program->config.rounding;
    const double unit = ldexp(1.0, -2 * rs_minifloat_fl(format));
    uint64_t saturations = 0;
    int64_t channel = i % b->stride;
    const int64_t exact = INT64_C(1) << 53; /* integers up to here are doubles */
    for (int64_t k = i; k < i + n; k++) {
        const bool wide = b->real_parts == 2 && channel < b->outputs;
        const double sum = wide ? (double)values->wide[k] : values->real_sums[k];
        const bool none = channel >= b->outputs || sum == 0.0 || (d->relu && sum < 0.0);
        if (wide && !none && (values->wide[k] > exact || values->wide[k] < -exact))
            values->row[k] = rs_number_of_code(rs_minifloat_requantize(values->wide[k], 2 * rs_minifloat_fl(format),
                                                                       d->relu, format, mode, &saturations),
                                               format);
        else
            values->row[k] =
                none ? 0 : rs_number_of_code(rs_minifloat_quantize(sum * unit, format, mode, 0, &saturations), format);
        channel = channel + 1 == b->stride ? 0 : channel + 1;
    }
    return saturations;
}

static void row_sums(rs_values *values, const block *b, const rs_descriptor *d, const plane *p, int64_t cy)
{
    if (b->real_weights) {
        real_sums(values, b, d, p, cy);
        return;
    }
    if (b->how == SUM_MINIFLOAT) {
        minifloat_sums(values, b, d, p, cy);
        return;
    }
    if (b->how == SUM_DIRECT) {
        direct_sums(values, b, d, p, cy);
        return;
    }
    if (b->sets == 1) {
        set_sums(values, b, d, p, cy, 0, values->sums, values->wide, values->row_overflows);
        return;
    }
    for (int64_t set = 0; set < b->sets; set++) {
        set_sums(values, b, d, p, cy, set, values->set_sums, values->set_wide, values->set_overflows);
        for (int64_t cx = 0; cx < d->conv_w; cx++) {
            const int64_t to = cx * b->stride + set * b->set_outputs, from = cx * b->set_stride;
            if (b->how != SUM_STEPS) {
                memcpy(values->sums + to, values->set_sums + from, (size_t)b->set_outputs * sizeof *values->sums);
                continue;
            }
            memcpy(values->wide + to, values->set_wide + from, (size_t)b->set_outputs * sizeof *values->wide);
            memcpy(values->row_overflows + to, values->set_overflows + from,
                   (size_t)b->set_outputs * sizeof *values->row_overflows);
        }
    }
}

/* requantize_part by channel: n sums are whole positions, or lie within one. */
static uint64_t requantize_channels(rs_values *values, const block *b, const rs_descriptor *d, int64_t i, int64_t n)
{
    const rs_rounding mode = values->program->config.rounding;
    const int bits = d->out_bits + d->out_unsigned;
    const int32_t *shifts = b->shifts + i % b->stride;
    const int64_t channels = min64(n, b->stride);
    uint64_t saturations = 0;
    if (b->how != SUM_STEPS) {
        rs_fxp_requantize_channels(values->sums + i, (size_t)(n / channels), (size_t)channels, d->relu, shifts, bits,
                                   mode, values->row + i, &saturations);
        return saturations;
    }
    for (int64_t k = 0; k < n; k++)
        values->row[i + k] = rs_fxp_requantize(values->wide[i + k], d->relu, shifts[k % channels], bits, mode, 0,
                                               &saturations);
    return saturations;
}

/* n of the row's sums from index i on become values. */
static uint64_t requantize_part(rs_values *values, const block *b, const rs_descriptor *d, int64_t i, int64_t n,
                                int32_t scale, int shift)
{
    const rs_rounding mode = values->program->config.rounding;
    const int bits = d->out_bits + d->out_unsigned;
    const bool narrow = b->how == SUM_U8 || b->how == SUM_S16 || (b->how == SUM_DIRECT && b->narrow);
    uint64_t saturations = 0;
    const rs_array_config *config = &values->program->config;
    if (b->real_weights)
        saturations = requantize_reals(values, b, d, i, n);
    else if (b->how == SUM_MINIFLOAT)
        for (int64_t k = i; k < i + n; k++)
            values->row[k] = k % b->stride < b->outputs
                                 ? rs_minifloat_of_sum(values->sums128[k], 2 * rs_minifloat_fl(config->minifloat),
                                                       d->relu, config->minifloat, mode, &saturations)
                                 : 0;
    else if (b->shifts)
        saturations = requantize_channels(values, b, d, i, n);
    else if (narrow && scale == 1)
        rs_fxp_requantize_array(values->sums + i, (size_t)n, d->relu, shift, bits, mode, values->row + i, &saturations);
    else
        for (int64_t k = i; k < i + n; k++)
            values->row[k] = rs_fxp_requantize((narrow ? values->sums[k] : values->wide[k]) * scale, d->relu, shift,
                                               bits, mode, 0, &saturations);
    if (d->out_unsigned && !d->relu)
        for (int64_t k = i; k < i + n; k++)
            if (values->row[k] < 0) {
                saturations += values->row[k] != rs_fxp_min(bits); /* else it was counted */
                values->row[k] = 0;
            }
    return saturations;
}

/* The same; position by position where the last has a scale of its own. */
static uint64_t requantize(rs_values *values, const block *b, const rs_descriptor *d, int64_t cy, int64_t i, int64_t n)
{
    const bool bottom = cy == d->out_h - 1;
    const int32_t scale = bottom ? d->scale_bottom : d->scale, last_scale = bottom ? d->scale_corner : d->scale_right;
    const int shift = bottom ? d->shift_bottom : d->shift, last_shift = bottom ? d->shift_corner : d->shift_right;
    const int64_t last = (int64_t)(d->out_w - 1) * b->stride; /* pooling windows: all four are the same */
    if (scale == last_scale && shift == last_shift)
        return requantize_part(values, b, d, i, n, scale, shift);
    const int64_t before = max64(min64(i + n, last) - i, 0);
    uint64_t saturations = 0;
    if (before)
        saturations += requantize_part(values, b, d, i, before, scale, shift);
    if (n > before)
        saturations += requantize_part(values, b, d, i + before, n - before, last_scale, last_shift);
    return saturations;
}

/* Mode 2: the positions of a row that lie outside of the map lose against all others. */
static void lose_outside(rs_values *values, const block *b, const rs_descriptor *d, int64_t cy)
{
    const int64_t row = d->origin_row + cy * d->step_row;
    const rs_array_config *config = &values->program->config;
    const int32_t least = config->pe == RS_PE_MINIFLOAT ? -(int32_t)rs_minifloat_max_code(config->minifloat)
                          : d->out_unsigned             ? 0
                                                        : (int32_t)rs_fxp_min(d->out_bits);
    for (int64_t cx = 0; cx < d->conv_w; cx++) {
        const int64_t col = d->origin_col + cx * d->step_col;
        if (row < 0 || row >= d->in_rows || col < 0 || col >= d->row_elems)
            for (int64_t c = 0; c < b->stride; c++)
                values->row[cx * b->stride + c] = least;
    }
}

/* ------------------------------------------------------------------------------------------------ pooling */

/* Windows over position `at` along an axis: [*first, *end). */
static void windows(int64_t at, int64_t outputs, int64_t size, int64_t stride, int64_t *first, int64_t *end)
{
    *first = at < size ? 0 : (at - size) / stride + 1;
    *end = min64(at / stride + 1, outputs);
}

/* Adds the counts of one position and group to every window that it lies under. */
static void count(rs_values *values, const rs_descriptor *d, int64_t cy, int64_t cx, int64_t group,
                  uint32_t saturations, uint32_t overflows, bool per_beat, rs_tile *tile)
{
    int64_t y0, y1, x0, x1;
    windows(cy, d->out_h, d->pool_h, d->pool_stride_h, &y0, &y1);
    windows(cx, d->out_w, d->pool_w, d->pool_stride_w, &x0, &x1);
    for (int64_t y = y0; y < y1; y++)
        for (int64_t x = x0; x < x1; x++) {
            tile->total_saturations += saturations;
            tile->total_overflows += overflows;
            if (per_beat) {
                values->saturations[(y * d->out_w + x) * d->groups + group] += saturations;
                values->overflows[(y * d->out_w + x) * d->groups + group] += overflows;
            }
        }
}

/* The counts of a row in which something saturated or overflowed, position by position and group by group. */
static void count_row(rs_values *values, const block *b, const rs_descriptor *d, int64_t cy, bool per_beat,
                      rs_tile *tile)
{
    for (int64_t cx = 0; cx < d->conv_w; cx++) {
        int64_t i = cx * b->stride;
        for (int g = 0; g < d->groups; g++) {
            const int64_t lanes = rs_descriptor_lanes(d, &values->program->config, g);
            const uint32_t saturations = (uint32_t)requantize(values, b, d, cy, i, lanes);
            uint32_t overflows = 0;
            if (b->checked)
                for (int64_t k = i; k < i + lanes; k++)
                    overflows += values->row_overflows[k];
            if (saturations || overflows)
                count(values, d, cy, cx, g, saturations, overflows, per_beat, tile);
            i += lanes;
        }
    }
}

static void pool_row(rs_values *values, const block *b, const rs_descriptor *d, int64_t cy)
{
    int64_t y0, y1, x0, x1;
    windows(cy, d->out_h, d->pool_h, d->pool_stride_h, &y0, &y1);
    for (int64_t y = y0; y < y1; y++)
        for (int64_t cx = 0; cx < d->conv_w; cx++) {
            windows(cx, d->out_w, d->pool_w, d->pool_stride_w, &x0, &x1);
            for (int64_t x = x0; x < x1; x++) {
                int32_t *restrict out = values->out + (y * d->out_w + x) * b->stride;
                const int32_t *restrict in = values->row + cx * b->stride;
                if (cy == y * d->pool_stride_h && cx == x * d->pool_stride_w)
                    memcpy(out, in, (size_t)b->stride * sizeof *out);
                else
                    for (int64_t c = 0; c < b->stride; c++)
                        out[c] = in[c] > out[c] ? in[c] : out[c];
            }
        }
}

/* -------------------------------------------------------------------------------------------------- store */

static bool whole_bytes(const rs_array_config *config)
{
    return config->activation_bits == 8 && config->pe != RS_PE_MINIFLOAT;
}

/* Elements of the ofmap are `from` on: n of them, from element e of the beats `to` on. */
static void store_elements(const rs_array_config *config, uint8_t *to, int64_t e, const int32_t *from, int64_t n)
{
    const int64_t per_beat = rs_array_elements_per_beat(config);
    if (whole_bytes(config)) {
        rs_pack_bytes(to + e, from, n);
        return;
    }
    if (config->activation_bits == 8) { /* minifloats */
        for (int64_t c = 0; c < n; c++)
            to[e + c] = (uint8_t)rs_program_word(config, from[c]);
        return;
    }
    for (int64_t c = 0; c < n; c++, e++)
        rs_bits_put(to, e / per_beat * config->bus_bits + e % per_beat * config->activation_bits,
                    config->activation_bits, rs_program_word(config, from[c]));
}

/* Dense bytes, a pixel behind the other without anything between them. */
static bool dense_bytes(const rs_values *values, const block *b, const rs_descriptor *d)
{
    return d->run_skip == 0 && whole_bytes(&values->program->config) && d->out_channels == b->stride &&
           b->outputs == b->stride;
}

/* What lies behind the last element of a dense ofmap, up to the end of its last beat. */
static void clear_rest(const rs_values *values, const block *b, const rs_descriptor *d, uint8_t *memory)
{
    const int64_t beat_bytes = values->program->config.bus_bits / 8, n = (int64_t)d->out_h * d->out_w * b->stride;
    memset(memory + d->ofmap_addr * beat_bytes + n, 0, (size_t)(d->ofmap_beats * beat_bytes - n));
}

void rs_values_store(const rs_values *values, const rs_tile *tile, int index, uint8_t *memory)
{
    const rs_array_config *config = &values->program->config;
    const rs_descriptor *d = &values->program->descriptors[index];
    const block *b = &values->blocks[values->block_of[index]];
    const int64_t beat_bytes = config->bus_bits / 8, pixels = (int64_t)d->out_h * d->out_w;
    uint8_t *to = memory + d->ofmap_addr * beat_bytes;
    if (!tile->out) /* done row by row */
        return;
    if (dense_bytes(values, b, d)) {
        rs_pack_bytes(to, tile->out, pixels * tile->stride);
        clear_rest(values, b, d, memory);
        return;
    }
    if (d->run_skip == 0) { /* pixels are out_channels apart */
        memset(to, 0, (size_t)(d->ofmap_beats * beat_bytes));
        for (int64_t o = 0; o < pixels; o++)
            store_elements(config, to, o * d->out_channels, tile->out + o * tile->stride, b->outputs);
        return;
    }
    for (int64_t o = 0; o < pixels; o++, to += (d->run_beats + d->run_skip) * beat_bytes) {
        memset(to, 0, (size_t)(d->run_beats * beat_bytes));
        store_elements(config, to, 0, tile->out + o * tile->stride, b->outputs);
    }
}

/* --------------------------------------------------------------------------------------------------- tile */

rs_status rs_values_tile(rs_values *values, uint8_t *memory, int index, bool per_beat, rs_tile *tile, rs_diag *diag)
{
    const rs_descriptor *d = &values->program->descriptors[index];
    block *b = &values->blocks[values->block_of[index]];
    /* Weights seldom change: they are unpacked anew only if they did. */
    if (d == b->first && b->raw && memcmp(b->raw, memory + b->raw_from, (size_t)b->raw_bytes) != 0) {
        memcpy(b->raw, memory + b->raw_from, (size_t)b->raw_bytes);
        const rs_status status = prepare_weights(values->program, b, values->numbers, diag);
        if (status != RS_OK)
            return status;
    }
    const plane p = plane_of(d, direct_width(b, d));
    load_ifmap(values->program, d, d->ifmap_addr, &p, b->how, memory, values->ifmap);
    if (d->second_beats)
        load_ifmap(values->program, d, d->second_addr, &p, b->how, memory, (int16_t *)values->ifmap + p.rows * p.width);
    for (int part = 0; b->real_weights && part < b->real_parts; part++)
        for (int64_t i = 0; i < p.rows * p.width; i++)
            values->real_ifmap[part * p.rows * p.width + i] = part_of(
                values->numbers[(uint16_t)((const int16_t *)values->ifmap)[i] &
                                ((UINT32_C(1) << values->program->config.activation_bits) - 1)],
                b->real_parts, part);
    for (int64_t s = 0; s < b->segments; s++)
        values->segment_offsets[s] = s / d->seg2_count * (d->second_beats ? p.rows * p.width : d->seg1_rows * p.width) +
                                     s % d->seg2_count * d->seg2_cols;

    const int64_t outputs = (int64_t)d->out_h * d->out_w;
    *tile = (rs_tile) { .out = values->out, .stride = b->stride };
    if (per_beat) {
        memset(values->saturations, 0, (size_t)(outputs * d->groups) * sizeof(uint32_t));
        memset(values->overflows, 0, (size_t)(outputs * d->groups) * sizeof(uint32_t));
        tile->saturations = values->saturations;
        tile->overflows = values->overflows;
    }
    const bool pooled = d->pool_h > 1 || d->pool_w > 1 || d->pool_stride_h > 1 || d->pool_stride_w > 1;
    /* Each position of a row is under one window, and what lies behind the last channel is zero (that of several sets
     * is what happens to be there): what saturates counts once. */
    const bool once = d->pool_h == d->pool_stride_h && d->pool_w == d->pool_stride_w &&
                      d->conv_w <= d->out_w * d->pool_stride_w && (b->sets == 1 || b->outputs == b->stride);
    /* Where nobody asks for the values themselves, rows go to memory while they are in the cache. */
    const bool by_row = !pooled && !per_beat && dense_bytes(values, b, d);
    uint8_t *to = memory + d->ofmap_addr * (values->program->config.bus_bits / 8);
    int32_t *const row = values->row;
    for (int64_t cy = 0; cy < d->conv_h; cy++) {
        int64_t y0, y1;
        windows(cy, d->out_h, d->pool_h, d->pool_stride_h, &y0, &y1);
        if (y0 >= y1)
            continue;
        if (!pooled && !by_row)
            values->row = values->out + cy * d->conv_w * b->stride;
        row_sums(values, b, d, &p, cy);
        const uint64_t saturations = requantize(values, b, d, cy, 0, d->conv_w * b->stride);
        if (once && !per_beat && !b->checked)
            tile->total_saturations += saturations;
        else if (saturations || b->checked)
            count_row(values, b, d, cy, per_beat, tile);
        if (d->mode == RS_MODE_MAX)
            lose_outside(values, b, d, cy);
        if (pooled)
            pool_row(values, b, d, cy);
        if (by_row)
            rs_pack_bytes(to + cy * d->conv_w * b->stride, values->row, d->conv_w * b->stride);
        values->row = row;
    }
    if (by_row) {
        clear_rest(values, b, d, memory);
        tile->out = NULL;
    }
    return RS_OK;
}

/* ----------------------------------------------------------------------------------------------- lifetime */

/* Two tiles that differ in rows only. */
static bool alike(const rs_descriptor *a, const rs_descriptor *b)
{
    return a->mode == b->mode && a->weight_addr == b->weight_addr && a->groups == b->groups && a->steps == b->steps &&
           a->lanes_last == b->lanes_last && a->lanes_set == b->lanes_set && a->groups_per_set == b->groups_per_set &&
           a->seg_len == b->seg_len && a->seg1_count == b->seg1_count && a->seg2_count == b->seg2_count &&
           a->align == b->align && a->align_second == b->align_second && a->in_unsigned == b->in_unsigned;
}

static rs_status new_block(rs_values *values, const rs_descriptor *d, rs_diag *diag)
{
    const rs_program *program = values->program;
    block *b = &values->blocks[values->n_blocks++];
    *b = (block) { .first = d,
                   .segments = (int64_t)d->seg1_count * d->seg2_count,
                   .chunks = d->chunks,
                   .sets = d->groups / d->groups_per_set };
    int64_t beats = 0;
    for (int g = 0; g < d->groups; g++) {
        b->outputs += rs_descriptor_lanes(d, &program->config, g);
        beats += rs_descriptor_bias_beats(d, g) + d->steps * rs_descriptor_step_beats(d, g);
        if (g < d->groups_per_set)
            b->set_outputs = b->outputs;
    }
    b->stride = round_up(b->outputs, RS_LANE_BLOCK);
    b->set_stride = round_up(b->set_outputs, RS_LANE_BLOCK);
    if (d->mode != RS_MODE_WEIGHTS) {
        if (program->config.pe == RS_PE_MINIFLOAT)
            return prepare_minifloat(program, b, values->numbers, diag);
        prepare_direct(program, b);
        return RS_OK;
    }
    b->raw_from = d->weight_addr * rs_program_beat_bytes(program);
    b->raw_bytes = beats * rs_program_beat_bytes(program);
    b->raw = rs_calloc((size_t)b->raw_bytes, 1);
    if (!b->raw)
        return rs_out_of_memory(diag);
    memcpy(b->raw, program->memory + b->raw_from, (size_t)b->raw_bytes);
    return prepare_weights(program, b, values->numbers, diag);
}

static rs_status find_blocks(rs_values *v, rs_diag *diag)
{
    const rs_program *program = v->program;
    for (int l = 0; l < program->n_layers; l++) {
        const int start = v->n_blocks; /* tiles of different layers share nothing */
        for (int i = program->layers[l].first; i < program->layers[l].first + program->layers[l].count; i++) {
            int k = start;
            while (k < v->n_blocks && !alike(v->blocks[k].first, &program->descriptors[i]))
                k++;
            v->block_of[i] = k;
            const rs_status status = k == v->n_blocks ? new_block(v, &program->descriptors[i], diag) : RS_OK;
            if (status != RS_OK)
                return status;
        }
    }
    return RS_OK;
}

rs_status rs_values_new(const rs_program *program, rs_values **values, rs_diag *diag)
{
    *values = NULL;
    rs_values *v = RS_NEW(rs_values);
    if (!v)
        return rs_out_of_memory(diag);
    v->program = program;
    v->blocks = RS_NEW_ARRAY(block, (size_t)program->n_descriptors);
    v->block_of = RS_NEW_ARRAY(int, (size_t)program->n_descriptors);
    if (program->config.pe == RS_PE_MINIFLOAT)
        v->numbers = rs_minifloat_numbers(program->config.minifloat);
    rs_status status = v->blocks && v->block_of && (v->numbers || program->config.pe != RS_PE_MINIFLOAT)
                           ? find_blocks(v, diag)
                           : rs_out_of_memory(diag);
    int64_t window = 1, ifmap = 1, segments = 1, row = 1, channels = 1, out = 1, beats = 1, set_row = 1;
    for (int i = 0; i < program->n_descriptors && status == RS_OK; i++) {
        const rs_descriptor *d = &program->descriptors[i];
        const block *b = &v->blocks[v->block_of[i]];
        /* Weights may change, and with them the padding. */
        const plane p = plane_of(d, max64(direct_width(b, d), round_up(d->seg_len, RS_PACK_U8)));
        ifmap = max64(ifmap, p.rows * p.width * (d->second_beats ? 2 : 1));
        window = max64(window, (int64_t)d->steps * program->config.multipliers);
        segments = max64(segments, (int64_t)d->seg1_count * d->seg2_count);
        channels = max64(channels, b->stride);
        row = max64(row, d->conv_w * b->stride);
        set_row = max64(set_row, b->sets > 1 && b->how != SUM_DIRECT ? d->conv_w * b->set_stride : 1);
        out = max64(out, (int64_t)d->out_h * d->out_w * b->stride);
        beats = max64(beats, (int64_t)d->out_h * d->out_w * d->groups);
    }
    if (status == RS_OK) {
        v->ifmap = rs_calloc((size_t)ifmap, sizeof(int16_t));
        v->segment_offsets = RS_NEW_ARRAY(int64_t, (size_t)segments);
        v->sums = RS_NEW_ARRAY(int32_t, (size_t)row);
        v->row = RS_NEW_ARRAY(int32_t, (size_t)row);
        v->wide = RS_NEW_ARRAY(int64_t, (size_t)row);
        v->set_sums = RS_NEW_ARRAY(int32_t, (size_t)set_row);
        v->set_wide = RS_NEW_ARRAY(int64_t, (size_t)set_row);
        v->set_overflows = RS_NEW_ARRAY(uint32_t, (size_t)set_row);
        v->tree = RS_NEW_ARRAY(int64_t, (size_t)channels);
        v->row_overflows = RS_NEW_ARRAY(uint32_t, (size_t)row);
        v->out = RS_NEW_ARRAY(int32_t, (size_t)out);
        v->saturations = RS_NEW_ARRAY(uint32_t, (size_t)beats);
        v->overflows = RS_NEW_ARRAY(uint32_t, (size_t)beats);
        if (v->numbers) {
            v->window = RS_NEW_ARRAY(int64_t, (size_t)window);
            v->sums128 = RS_NEW_ARRAY(rs_sum128, (size_t)row);
            /* Weights may change, and with them how sums are taken. */
            v->real_ifmap = RS_NEW_ARRAY(double, (size_t)(2 * ifmap));
            v->real_sums = RS_NEW_ARRAY(double, (size_t)row);
            v->real_set_sums = RS_NEW_ARRAY(double, (size_t)set_row);
        }
        const bool minifloats = v->window && v->sums128 && v->real_ifmap && v->real_sums && v->real_set_sums;
        if ((v->numbers && !minifloats) || !v->ifmap || !v->segment_offsets || !v->sums || !v->row || !v->wide ||
            !v->tree || !v->row_overflows || !v->out || !v->saturations || !v->overflows || !v->set_sums ||
            !v->set_wide || !v->set_overflows)
            status = rs_out_of_memory(diag);
    }
    if (status != RS_OK) {
        rs_values_free(v);
        return status;
    }
    *values = v;
    return RS_OK;
}

void rs_values_free(rs_values *values)
{
    if (!values)
        return;
    for (int i = 0; i < values->n_blocks; i++) {
        rs_free(values->blocks[i].weights);
        rs_free(values->blocks[i].start);
        rs_free(values->blocks[i].bias);
        rs_free(values->blocks[i].shifts);
        rs_free(values->blocks[i].wide_bias);
        rs_free(values->blocks[i].real_weights);
        rs_free(values->blocks[i].real_start);
        rs_free(values->blocks[i].raw);
    }
    rs_free(values->blocks);
    rs_free(values->block_of);
    rs_free(values->ifmap);
    rs_free(values->segment_offsets);
    rs_free(values->sums);
    rs_free(values->row);
    rs_free(values->set_sums);
    rs_free(values->set_wide);
    rs_free(values->set_overflows);
    rs_free(values->wide);
    rs_free(values->tree);
    rs_free(values->numbers);
    rs_free(values->window);
    rs_free(values->sums128);
    rs_free(values->real_ifmap);
    rs_free(values->real_sums);
    rs_free(values->real_set_sums);
    rs_free(values->row_overflows);
    rs_free(values->out);
    rs_free(values->saturations);
    rs_free(values->overflows);
    rs_free(values);
}
