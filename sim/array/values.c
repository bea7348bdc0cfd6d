#include "array/values.h"

#include <string.h>

#include "array/kernels.h"
#include "base/memory.h"

/* How a layer's sums are taken. All give the same values where they apply. */
typedef enum method {
    SUM_U8,   /* 32 bits, no overflow of the accumulator possible, at most 8-bit data */
    SUM_S16,  /* the same for 16-bit data */
    SUM_STEPS /* 64 bits, step by step */
} method;

typedef struct layer_values {
    method how;
    rs_dot_kernel *kernel;
    int64_t channels; /* rounded up to RS_LANE_BLOCK */
    int64_t segments, chunks;
    int64_t padded;       /* elements of a segment in the kernel's weights */
    bool checked, narrow; /* SUM_STEPS */
    void *weights;
    int32_t *start; /* [channels], kernels */
    int64_t *bias;  /* [channels] */
    /* The beats that all this was made from. */
    uint8_t *raw;
    int64_t raw_from, raw_bytes;
} layer_values;

struct rs_values {
    const rs_program *program;
    layer_values *layers;
    /* Scratch, as large as any tile needs. */
    void *ifmap;
    int64_t *segment_offsets;
    int32_t *sums, *row; /* one row of the convolution: sums, then values */
    int64_t *wide, *tree;
    uint32_t *row_overflows;
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

static int64_t out_lanes(const rs_program *program, const rs_descriptor *d, int group)
{
    return group + 1 == d->groups ? d->lanes_last : program->config.lanes;
}

/* ------------------------------------------------------------------------------------------------ weights */

/* The weights of a layer out of its beats, [channel][segment][chunk * X + i], and the biases. */
static void unpack_weights(const rs_program *program, const rs_descriptor *d, const layer_values *v, int16_t *weights,
                           int64_t *bias)
{
    const rs_array_config *config = &program->config;
    const int64_t per_channel = (int64_t)d->steps * config->multipliers, beat = config->bus_bits;
    int64_t at = 0; /* bits from raw */
    for (int g = 0; g < d->groups; g++) {
        const bool last = g + 1 == d->groups;
        const int64_t lanes = out_lanes(program, d, g);
        for (int64_t lane = 0; lane < lanes; lane++) {
            /* Up to 48 bits: low and high part. */
            const int64_t bit = at + lane * config->accumulator_bits;
            const int low = config->accumulator_bits < 24 ? config->accumulator_bits : 24,
                      high = config->accumulator_bits - low;
            int64_t value = rs_bits_get(v->raw, bit, low);
            if (high)
                value = (value & 0xffffff) | (int64_t)((uint64_t)(int64_t)rs_bits_get(v->raw, bit + low, high) << low);
            bias[g * config->lanes + lane] = value;
        }
        at += (last ? d->bias_beats_last : d->bias_beats) * beat;
        for (int64_t step = 0; step < d->steps; step++) {
            int64_t bit = at;
            for (int64_t lane = 0; lane < lanes; lane++) {
                int16_t *to = weights + (g * config->lanes + lane) * per_channel + step * config->multipliers;
                for (int i = 0; i < config->multipliers; i++, bit += config->weight_bits)
                    to[i] = (int16_t)rs_bits_get(v->raw, bit, config->weight_bits);
            }
            at += (last ? d->step_beats_last : d->step_beats) * beat;
        }
    }
}

/* Whether every sum that the weights allow fits `bits` bits: sum of |w| times the largest |activation|, plus |bias|. */
static bool sums_fit(const rs_program *program, const rs_descriptor *d, const int16_t *weights, const int64_t *bias,
                     int bits)
{
    const int64_t per_channel = (int64_t)d->steps * program->config.multipliers;
    const int64_t largest = -rs_fxp_min(program->config.activation_bits), limit = rs_fxp_max(bits);
    for (int64_t c = 0; c < d->out_channels; c++) {
        int64_t sum = 0;
        for (int64_t i = 0; i < per_channel; i++)
            sum += weights[c * per_channel + i] < 0 ? -weights[c * per_channel + i] : weights[c * per_channel + i];
        if (sum * largest + (bias[c] < 0 ? -bias[c] : bias[c]) > limit)
            return false;
    }
    return true;
}

/* Weights in the order of the kernels: [block][segment][padded / pack][RS_LANE_BLOCK][pack]. */
static void pack_for_kernel(const rs_program *program, const rs_descriptor *d, layer_values *v, const int16_t *weights,
                            int64_t pack)
{
    const int64_t x = program->config.multipliers, per_segment = v->chunks * x, per_channel = v->segments * per_segment;
    int8_t *narrow = v->weights;
    int16_t *wide = v->weights;
    for (int64_t c = 0; c < d->out_channels; c++) {
        int64_t sum = 0;
        for (int64_t s = 0; s < v->segments; s++)
            for (int64_t k = 0; k < d->seg_len; k++) {
                const int64_t to = (((c / RS_LANE_BLOCK * v->segments + s) * (v->padded / pack) + k / pack) *
                                        RS_LANE_BLOCK +
                                    c % RS_LANE_BLOCK) *
                                       pack +
                                   k % pack;
                const int16_t w = weights[c * per_channel + s * per_segment + k];
                if (pack == RS_PACK_U8)
                    narrow[to] = (int8_t)w;
                else
                    wide[to] = w;
                sum += w;
            }
        /* Activations are raised by 128 for the 8-bit kernel; 32-bit sums are exact modulo 2^32 on the way. */
        v->start[c] = (int32_t)(uint32_t)(uint64_t)(v->bias[c] - (pack == RS_PACK_U8 ? 128 * sum : 0));
    }
}

/* Weights step by step: [segment][chunk][multiplier][channels]. */
static void pack_for_steps(const rs_program *program, const rs_descriptor *d, layer_values *v, const int16_t *weights)
{
    const int64_t per_channel = (int64_t)d->steps * program->config.multipliers;
    int16_t *to = v->weights;
    for (int64_t i = 0; i < per_channel; i++)
        for (int64_t c = 0; c < d->out_channels; c++)
            to[i * v->channels + c] = weights[c * per_channel + i];
}

static rs_status prepare_layer(const rs_program *program, const rs_descriptor *d, layer_values *v, rs_diag *diag)
{
    const rs_array_config *config = &program->config;
    const int64_t per_channel = (int64_t)d->steps * config->multipliers;
    v->channels = round_up(d->out_channels, RS_LANE_BLOCK);
    v->segments = (int64_t)d->seg1_count * d->seg2_count;
    v->chunks = d->chunks;
    int16_t *weights = RS_NEW_ARRAY(int16_t, (size_t)(d->out_channels * per_channel));
    rs_free(v->weights);
    rs_free(v->start);
    rs_free(v->bias);
    v->start = RS_NEW_ARRAY(int32_t, (size_t)v->channels);
    v->bias = RS_NEW_ARRAY(int64_t, (size_t)v->channels);
    v->weights = NULL;
    if (weights && v->start && v->bias) {
        unpack_weights(program, d, v, weights, v->bias);
        v->checked = !sums_fit(program, d, weights, v->bias, config->accumulator_bits);
        v->how = SUM_STEPS;
        if (!v->checked && sums_fit(program, d, weights, v->bias, 32)) {
            v->how = SUM_S16;
            v->kernel = rs_dot_s16();
            if (config->activation_bits <= 8 && config->weight_bits <= 8 && rs_dot_u8()) {
                v->how = SUM_U8;
                v->kernel = rs_dot_u8();
            }
        }
        v->narrow = config->activation_bits + config->weight_bits + rs_array_levels(config) <= 32;
        const int64_t pack = v->how == SUM_U8 ? RS_PACK_U8 : RS_PACK_S16;
        v->padded = round_up(d->seg_len, pack);
        if (v->how == SUM_STEPS) {
            v->weights = rs_calloc((size_t)(per_channel * v->channels), sizeof(int16_t));
            if (v->weights)
                pack_for_steps(program, d, v, weights);
        } else {
            v->weights = rs_calloc((size_t)(v->channels * v->segments * v->padded),
                                   v->how == SUM_U8 ? sizeof(int8_t) : sizeof(int16_t));
            if (v->weights)
                pack_for_kernel(program, d, v, weights, pack);
        }
    }
    rs_free(weights);
    return v->weights ? RS_OK : rs_out_of_memory(diag);
}

/* -------------------------------------------------------------------------------------------------- ifmap */

/* The part of the plane that steps reach, rows from `top` and elements from `left` on, with zeros around the tile's
 * ifmap. */
typedef struct plane {
    int64_t top, left, rows, width;
} plane;

static plane plane_of(const rs_descriptor *d, int64_t padded)
{
    const int64_t last_row = d->origin_row + (int64_t)(d->conv_h - 1) * d->step_row +
                             (int64_t)(d->seg1_count - 1) * d->seg1_rows;
    const int64_t last_col = d->origin_col + (int64_t)(d->conv_w - 1) * d->step_col +
                             (int64_t)(d->seg2_count - 1) * d->seg2_cols + padded;
    plane p = { .top = min64(d->origin_row, 0), .left = min64(d->origin_col, 0) };
    p.rows = max64(last_row + 1, d->in_rows) - p.top;
    p.width = max64(last_col, d->row_elems) - p.left;
    return p;
}

/* n elements of `bits` bits, `per_beat` in a beat of `beat_bits`, from element `first` on of a dense blob at `beats`.
 */
static void unpack_elements(const uint8_t *beats, int64_t beat_bits, int64_t per_beat, int bits, int64_t first,
                            int64_t n, int16_t *out)
{
    for (int64_t i = 0; i < n;) {
        const int64_t in_beat = (first + i) % per_beat, run = min64(per_beat - in_beat, n - i);
        int64_t bit = (first + i) / per_beat * beat_bits + in_beat * bits;
        if (bits == 8) {
            const uint8_t *from = beats + bit / 8;
            for (int64_t k = 0; k < run; k++)
                out[i + k] = (int16_t)(from[k] < 128 ? from[k] : from[k] - 256);
        } else {
            for (int64_t k = 0; k < run; k++, bit += bits)
                out[i + k] = (int16_t)rs_bits_get(beats, bit, bits);
        }
        i += run;
    }
}

static void unpack_bytes(const uint8_t *beats, int64_t beat_bits, int64_t per_beat, int bits, int64_t first, int64_t n,
                         uint8_t *out)
{
    if (bits == 8) { /* bytes side by side, whatever the beats */
        for (int64_t i = 0; i < n; i++)
            out[i] = beats[first + i] ^ 0x80;
        return;
    }
    for (int64_t i = 0; i < n;) {
        const int64_t in_beat = (first + i) % per_beat, run = min64(per_beat - in_beat, n - i);
        int64_t bit = (first + i) / per_beat * beat_bits + in_beat * bits;
        for (int64_t k = 0; k < run; k++, bit += bits)
            out[i + k] = (uint8_t)(rs_bits_get(beats, bit, bits) + 128);
        i += run;
    }
}

static void load_ifmap(const rs_program *program, const rs_descriptor *d, const plane *p, method how,
                       const uint8_t *memory, void *to)
{
    const int64_t beat_bits = program->config.bus_bits, per_beat = rs_array_elements_per_beat(&program->config);
    const int64_t offset = d->origin_elems - (int64_t)d->origin_row * d->row_elems;
    const uint8_t *beats = memory + d->ifmap_addr * (beat_bits / 8);
    const size_t size = how == SUM_U8 ? sizeof(uint8_t) : sizeof(int16_t);
    memset(to, how == SUM_U8 ? 0x80 : 0, (size_t)(p->rows * p->width) * size);
    for (int64_t r = 0; r < d->in_rows; r++) {
        const int64_t at = (r - p->top) * p->width - p->left, first = offset + r * d->row_elems;
        if (how == SUM_U8)
            unpack_bytes(beats, beat_bits, per_beat, program->config.activation_bits, first, d->row_elems,
                         (uint8_t *)to + at);
        else
            unpack_elements(beats, beat_bits, per_beat, program->config.activation_bits, first, d->row_elems,
                            (int16_t *)to + at);
    }
}

/* --------------------------------------------------------------------------------------------------- sums */

/* Sums of row cy of the convolution: in values->sums (kernels) or values->wide, values->row_overflows (steps). */
static void row_sums(rs_values *values, const layer_values *v, const rs_descriptor *d, const plane *p, int64_t cy)
{
    const rs_array_config *config = &values->program->config;
    const int64_t start = (d->origin_row + cy * d->step_row - p->top) * p->width + d->origin_col - p->left;
    if (v->how != SUM_STEPS) {
        const rs_dot_job job = { .activations = v->how == SUM_U8
                                                    ? (const void *)((const uint8_t *)values->ifmap + start)
                                                    : (const void *)((const int16_t *)values->ifmap + start),
                                 .step = d->step_col,
                                 .positions = d->conv_w,
                                 .segments = values->segment_offsets,
                                 .n_segments = v->segments,
                                 .length = v->padded,
                                 .weights = v->weights,
                                 .blocks = v->channels / RS_LANE_BLOCK,
                                 .start = v->start,
                                 .sums = values->sums };
        v->kernel(&job);
        return;
    }
    for (int64_t cx = 0; cx < d->conv_w; cx++) {
        const rs_step_job job = { .activations = (const int16_t *)values->ifmap + start + cx * d->step_col,
                                  .segments = values->segment_offsets,
                                  .n_segments = v->segments,
                                  .length = d->seg_len,
                                  .multipliers = config->multipliers,
                                  .weights = v->weights,
                                  .channels = v->channels,
                                  .narrow = v->narrow,
                                  .saturate = config->overflow == RS_OVERFLOW_SATURATE,
                                  .bits = v->checked ? config->accumulator_bits : 0,
                                  .tree = values->tree,
                                  .sums = values->wide + cx * v->channels,
                                  .overflows = values->row_overflows + cx * v->channels };
        memcpy(job.sums, v->bias, (size_t)v->channels * sizeof *v->bias);
        memset(job.overflows, 0, (size_t)v->channels * sizeof *job.overflows);
        rs_sum_steps(&job);
    }
}

/* n of the row's sums from index i on become values. */
static uint64_t requantize(rs_values *values, const layer_values *v, const rs_descriptor *d, int64_t i, int64_t n)
{
    const rs_rounding mode = values->program->config.rounding;
    uint64_t saturations = 0;
    if (v->how != SUM_STEPS) {
        rs_fxp_requantize_array(values->sums + i, (size_t)n, d->relu, d->shift, d->out_bits, mode, values->row + i,
                                &saturations);
    } else {
        for (int64_t k = i; k < i + n; k++)
            values->row[k] = rs_fxp_requantize(values->wide[k], d->relu, d->shift, d->out_bits, mode, 0, &saturations);
    }
    return saturations;
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
static void count_row(rs_values *values, const layer_values *v, const rs_descriptor *d, int64_t cy, bool per_beat,
                      rs_tile *tile)
{
    for (int64_t cx = 0; cx < d->conv_w; cx++)
        for (int g = 0; g < d->groups; g++) {
            const int64_t i = cx * v->channels + (int64_t)g * values->program->config.lanes,
                          lanes = out_lanes(values->program, d, g);
            const uint32_t saturations = (uint32_t)requantize(values, v, d, i, lanes);
            uint32_t overflows = 0;
            if (v->checked)
                for (int64_t k = i; k < i + lanes; k++)
                    overflows += values->row_overflows[k];
            if (saturations || overflows)
                count(values, d, cy, cx, g, saturations, overflows, per_beat, tile);
        }
}

static void pool_row(rs_values *values, const layer_values *v, const rs_descriptor *d, int64_t cy)
{
    int64_t y0, y1, x0, x1;
    windows(cy, d->out_h, d->pool_h, d->pool_stride_h, &y0, &y1);
    for (int64_t y = y0; y < y1; y++)
        for (int64_t cx = 0; cx < d->conv_w; cx++) {
            windows(cx, d->out_w, d->pool_w, d->pool_stride_w, &x0, &x1);
            for (int64_t x = x0; x < x1; x++) {
                int32_t *restrict out = values->out + (y * d->out_w + x) * v->channels;
                const int32_t *restrict in = values->row + cx * v->channels;
                if (cy == y * d->pool_stride_h && cx == x * d->pool_stride_w)
                    memcpy(out, in, (size_t)v->channels * sizeof *out);
                else
                    for (int64_t c = 0; c < v->channels; c++)
                        out[c] = in[c] > out[c] ? in[c] : out[c];
            }
        }
}

rs_status rs_values_tile(rs_values *values, const uint8_t *memory, int layer, int index, bool per_beat, rs_tile *tile,
                         rs_diag *diag)
{
    const rs_descriptor *d = &values->program->descriptors[index];
    layer_values *v = &values->layers[layer];
    /* Weights seldom change: they are unpacked anew only if they did. */
    if (index == values->program->layers[layer].first &&
        memcmp(v->raw, memory + v->raw_from, (size_t)v->raw_bytes) != 0) {
        memcpy(v->raw, memory + v->raw_from, (size_t)v->raw_bytes);
        const rs_status status = prepare_layer(values->program, d, v, diag);
        if (status != RS_OK)
            return status;
    }
    const plane p = plane_of(d, max64(v->padded, d->seg_len));
    load_ifmap(values->program, d, &p, v->how, memory, values->ifmap);
    for (int64_t s = 0; s < v->segments; s++)
        values->segment_offsets[s] = s / d->seg2_count * d->seg1_rows * p.width + s % d->seg2_count * d->seg2_cols;

    const int64_t outputs = (int64_t)d->out_h * d->out_w;
    *tile = (rs_tile) { .out = values->out, .stride = v->channels };
    if (per_beat) {
        memset(values->saturations, 0, (size_t)(outputs * d->groups) * sizeof(uint32_t));
        memset(values->overflows, 0, (size_t)(outputs * d->groups) * sizeof(uint32_t));
        tile->saturations = values->saturations;
        tile->overflows = values->overflows;
    }
    const bool pooled = d->pool_h > 1 || d->pool_w > 1 || d->pool_stride_h > 1 || d->pool_stride_w > 1;
    int32_t *const row = values->row;
    for (int64_t cy = 0; cy < d->conv_h; cy++) {
        int64_t y0, y1;
        windows(cy, d->out_h, d->pool_h, d->pool_stride_h, &y0, &y1);
        if (y0 >= y1)
            continue;
        if (!pooled)
            values->row = values->out + cy * d->conv_w * v->channels;
        row_sums(values, v, d, &p, cy);
        const uint64_t saturations = requantize(values, v, d, 0, d->conv_w * v->channels);
        if (saturations || v->checked)
            count_row(values, v, d, cy, per_beat, tile);
        if (pooled)
            pool_row(values, v, d, cy);
        values->row = row;
    }
    return RS_OK;
}

void rs_values_store(const rs_values *values, const rs_tile *tile, int index, uint8_t *memory)
{
    const rs_array_config *config = &values->program->config;
    const rs_descriptor *d = &values->program->descriptors[index];
    const int64_t per_beat = rs_array_elements_per_beat(config), beat_bytes = config->bus_bits / 8;
    uint8_t *to = memory + d->ofmap_addr * beat_bytes;
    memset(to, 0, (size_t)(d->ofmap_beats * beat_bytes));
    int64_t e = 0;
    for (int64_t o = 0; o < (int64_t)d->out_h * d->out_w; o++) {
        const int32_t *from = tile->out + o * tile->stride;
        if (config->activation_bits == 8) {
            for (int64_t c = 0; c < d->out_channels; c++)
                to[e + c] = (uint8_t)from[c];
            e += d->out_channels;
        } else {
            for (int64_t c = 0; c < d->out_channels; c++, e++)
                rs_bits_put(to, e / per_beat * config->bus_bits + e % per_beat * config->activation_bits,
                            config->activation_bits, from[c]);
        }
    }
}

/* ----------------------------------------------------------------------------------------------- lifetime */

rs_status rs_values_new(const rs_program *program, rs_values **values, rs_diag *diag)
{
    *values = NULL;
    rs_values *v = RS_NEW(rs_values);
    if (!v)
        return rs_out_of_memory(diag);
    v->program = program;
    v->layers = RS_NEW_ARRAY(layer_values, (size_t)program->n_layers);
    rs_status status = v->layers ? RS_OK : rs_out_of_memory(diag);
    int64_t ifmap = 0, segments = 0, row = 0, channels = 0, out = 0, beats = 0;
    for (int i = 0; i < program->n_layers && status == RS_OK; i++) {
        layer_values *layer = &v->layers[i];
        const rs_descriptor *d = &program->descriptors[program->layers[i].first];
        const int64_t group = d->bias_beats + (int64_t)d->steps * d->step_beats,
                      last = d->bias_beats_last + (int64_t)d->steps * d->step_beats_last;
        layer->raw_from = d->weight_addr * rs_program_beat_bytes(program);
        layer->raw_bytes = ((d->groups - 1) * group + last) * rs_program_beat_bytes(program);
        layer->raw = rs_calloc((size_t)layer->raw_bytes, 1);
        if (!layer->raw) {
            status = rs_out_of_memory(diag);
            break;
        }
        memcpy(layer->raw, program->memory + layer->raw_from, (size_t)layer->raw_bytes);
        status = prepare_layer(program, d, layer, diag);
        for (int k = 0; k < program->layers[i].count; k++, d++) {
            const plane p = plane_of(d, round_up(d->seg_len, RS_PACK_U8));
            ifmap = max64(ifmap, p.rows * p.width);
            segments = max64(segments, (int64_t)d->seg1_count * d->seg2_count);
            channels = max64(channels, layer->channels);
            row = max64(row, d->conv_w * layer->channels);
            out = max64(out, (int64_t)d->out_h * d->out_w * layer->channels);
            beats = max64(beats, (int64_t)d->out_h * d->out_w * d->groups);
        }
    }
    if (status == RS_OK) {
        v->ifmap = rs_calloc((size_t)ifmap, sizeof(int16_t));
        v->segment_offsets = RS_NEW_ARRAY(int64_t, (size_t)segments);
        v->sums = RS_NEW_ARRAY(int32_t, (size_t)row);
        v->row = RS_NEW_ARRAY(int32_t, (size_t)row);
        v->wide = RS_NEW_ARRAY(int64_t, (size_t)row);
        v->tree = RS_NEW_ARRAY(int64_t, (size_t)channels);
        v->row_overflows = RS_NEW_ARRAY(uint32_t, (size_t)row);
        v->out = RS_NEW_ARRAY(int32_t, (size_t)out);
        v->saturations = RS_NEW_ARRAY(uint32_t, (size_t)beats);
        v->overflows = RS_NEW_ARRAY(uint32_t, (size_t)beats);
        if (!v->ifmap || !v->segment_offsets || !v->sums || !v->row || !v->wide || !v->tree || !v->row_overflows ||
            !v->out || !v->saturations || !v->overflows)
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
    for (int i = 0; values->layers && i < values->program->n_layers; i++) {
        rs_free(values->layers[i].weights);
        rs_free(values->layers[i].start);
        rs_free(values->layers[i].bias);
        rs_free(values->layers[i].raw);
    }
    rs_free(values->layers);
    rs_free(values->ifmap);
    rs_free(values->segment_offsets);
    rs_free(values->sums);
    rs_free(values->row);
    rs_free(values->wide);
    rs_free(values->tree);
    rs_free(values->row_overflows);
    rs_free(values->out);
    rs_free(values->saturations);
    rs_free(values->overflows);
    rs_free(values);
}
