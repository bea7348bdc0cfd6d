/* Tiles of the array's values: row by row, pooled, counted, and stored; what belongs to all tiles of a program. */
#include "array/values_private.h"

/* ------------------------------------------------------------------------------------------------ pooling */

static bool is_pooled(const rs_descriptor *d)
{
    return d->pool_h > 1 || d->pool_w > 1 || d->pool_stride_h > 1 || d->pool_stride_w > 1;
}

/* Windows over position `at` along an axis: [*first, *end). */
static void windows(int64_t at, int64_t outputs, int64_t size, int64_t stride, int64_t *first, int64_t *end)
{
    *first = at < size ? 0 : (at - size) / stride + 1;
    *end = rs_min64(at / stride + 1, outputs);
}

/* What is counted in a tile. */
typedef struct tile_counts {
    uint32_t *saturations, *overflows; /* by output beat; NULL: in all only */
    rs_tile *tile;
} tile_counts;

/* Adds the counts of position cx and group to every window that it lies under. */
static void count(const rs_values_row *r, int64_t cx, int64_t group, uint32_t saturations, uint32_t overflows,
                  const tile_counts *to)
{
    const rs_descriptor *d = r->d;
    int64_t y0, y1, x0, x1;
    windows(r->cy, d->out_h, d->pool_h, d->pool_stride_h, &y0, &y1);
    windows(cx, d->out_w, d->pool_w, d->pool_stride_w, &x0, &x1);
    for (int64_t y = y0; y < y1; y++)
        for (int64_t x = x0; x < x1; x++) {
            to->tile->total_saturations += saturations;
            to->tile->total_overflows += overflows;
            if (to->saturations) {
                to->saturations[(y * d->out_w + x) * d->groups + group] += saturations;
                to->overflows[(y * d->out_w + x) * d->groups + group] += overflows;
            }
        }
}

/* The counts of a row in which something saturated or overflowed, position by position and group by group. */
static void count_row(const rs_values_row *r, const tile_counts *to)
{
    const rs_descriptor *d = r->d;
    for (int64_t cx = 0; cx < d->conv_w; cx++) {
        int64_t i = cx * r->block->stride;
        for (int g = 0; g < d->groups; g++) {
            const int64_t lanes = rs_descriptor_lanes(d, &r->values->program->config, g);
            const uint32_t saturations = (uint32_t)rs_values_requantize(r, i, lanes);
            uint32_t overflows = 0;
            if (r->block->checked)
                for (int64_t k = i; k < i + lanes; k++)
                    overflows += r->values->row_overflows[k];
            if (saturations || overflows)
                count(r, cx, g, saturations, overflows, to);
            i += lanes;
        }
    }
}

static void pool_row(const rs_values_row *r)
{
    const rs_descriptor *d = r->d;
    const int64_t stride = r->block->stride;
    int64_t y0, y1, x0, x1;
    windows(r->cy, d->out_h, d->pool_h, d->pool_stride_h, &y0, &y1);
    for (int64_t y = y0; y < y1; y++)
        for (int64_t cx = 0; cx < d->conv_w; cx++) {
            windows(cx, d->out_w, d->pool_w, d->pool_stride_w, &x0, &x1);
            for (int64_t x = x0; x < x1; x++) {
                int32_t *restrict out = r->values->out + (y * d->out_w + x) * stride;
                const int32_t *restrict in = r->values->row + cx * stride;
                if (r->cy == y * d->pool_stride_h && cx == x * d->pool_stride_w)
                    memcpy(out, in, (size_t)stride * sizeof *out);
                else
                    for (int64_t c = 0; c < stride; c++)
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

/* Dense bytes, one pixel after the other without anything between them. */
static bool dense_bytes(const rs_values *values, const rs_values_block *b, const rs_descriptor *d)
{
    return d->run_skip == 0 && whole_bytes(&values->program->config) && d->out_channels == b->stride &&
           b->outputs == b->stride;
}

/* What lies behind the last element of a dense ofmap, up to the end of its last beat. */
static void clear_rest(const rs_values *values, const rs_values_block *b, const rs_descriptor *d, uint8_t *memory)
{
    const int64_t beat_bytes = values->program->config.bus_bits / 8, n = (int64_t)d->out_h * d->out_w * b->stride;
    memset(memory + d->ofmap_addr * beat_bytes + n, 0, (size_t)(d->ofmap_beats * beat_bytes - n));
}

void rs_values_store(const rs_values *values, const rs_tile *tile, int index, uint8_t *memory)
{
    const rs_array_config *config = &values->program->config;
    const rs_descriptor *d = &values->program->descriptors[index];
    const rs_values_block *b = &values->blocks[values->block_of[index]];
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

/* Weights seldom change: they are unpacked anew only if they did. */
static rs_status refresh_weights(rs_values *values, rs_values_block *b, const uint8_t *memory, rs_diag *diag)
{
    const uint8_t *now = memory + b->raw_from;
    if (!b->raw || memcmp(b->raw, now, (size_t)b->raw_bytes) == 0)
        return RS_OK;
    memcpy(b->raw, now, (size_t)b->raw_bytes);
    return rs_values_prepare(values->program, b, values->numbers, diag);
}

/* The rows of a tile, into values->out or, by_row, into memory. */
static void tile_rows(rs_values_row *r, uint8_t *memory, bool by_row, const tile_counts *counts)
{
    rs_values *values = r->values;
    const rs_values_block *b = r->block;
    const rs_descriptor *d = r->d;
    const int64_t elements = d->conv_w * b->stride;
    const bool pooled = is_pooled(d);
    /* Each position of a row is under one window, and what lies behind the last channel is zero (that of several sets
     * is what happens to be there): what saturates counts once. */
    const bool once = d->pool_h == d->pool_stride_h && d->pool_w == d->pool_stride_w &&
                      d->conv_w <= d->out_w * d->pool_stride_w && (b->sets == 1 || b->outputs == b->stride);
    uint8_t *to = memory + d->ofmap_addr * (values->program->config.bus_bits / 8);
    int32_t *const row = values->row;
    for (r->cy = 0; r->cy < d->conv_h; r->cy++) {
        int64_t y0, y1;
        windows(r->cy, d->out_h, d->pool_h, d->pool_stride_h, &y0, &y1);
        if (y0 >= y1)
            continue;
        if (!pooled && !by_row)
            values->row = values->out + r->cy * elements;
        rs_values_sum_row(r);
        const uint64_t saturations = rs_values_requantize(r, 0, elements);
        if (once && !counts->saturations && !b->checked)
            counts->tile->total_saturations += saturations;
        else if (saturations || b->checked)
            count_row(r, counts);
        if (d->mode == RS_MODE_MAX)
            rs_values_mask_outside(r);
        if (pooled)
            pool_row(r);
        if (by_row)
            rs_pack_bytes(to + r->cy * elements, values->row, elements);
        values->row = row;
    }
}

rs_status rs_values_tile(rs_values *values, uint8_t *memory, int index, bool per_beat, rs_tile *tile, rs_diag *diag)
{
    const rs_descriptor *d = &values->program->descriptors[index];
    rs_values_block *b = &values->blocks[values->block_of[index]];
    const rs_status status = d == b->first ? refresh_weights(values, b, memory, diag) : RS_OK;
    if (status != RS_OK)
        return status;
    rs_values_row row = {
        .values = values, .block = b, .d = d, .plane = rs_values_plane_of(d, rs_values_padded(b, d))
    };
    rs_values_load(&row, memory);

    *tile = (rs_tile) { .out = values->out, .stride = b->stride };
    tile_counts counts = { .tile = tile };
    if (per_beat) {
        const size_t beats = (size_t)((int64_t)d->out_h * d->out_w * d->groups);
        memset(values->saturations, 0, beats * sizeof *values->saturations);
        memset(values->overflows, 0, beats * sizeof *values->overflows);
        tile->saturations = counts.saturations = values->saturations;
        tile->overflows = counts.overflows = values->overflows;
    }
    /* Where nobody asks for the values themselves, rows go to memory while they are in the cache. */
    const bool by_row = !is_pooled(d) && !per_beat && dense_bytes(values, b, d);
    tile_rows(&row, memory, by_row, &counts);
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
    rs_values_block *b = &values->blocks[values->n_blocks++];
    *b = (rs_values_block) { .first = d,
                             .segments = (int64_t)d->seg1_count * d->seg2_count,
                             .chunks = d->chunks,
                             .per_channel = (int64_t)d->steps * program->config.multipliers,
                             .sets = d->groups / d->groups_per_set };
    int64_t beats = 0;
    for (int g = 0; g < d->groups; g++) {
        b->outputs += rs_descriptor_lanes(d, &program->config, g);
        beats += rs_descriptor_bias_beats(d, g) + d->steps * rs_descriptor_step_beats(d, g);
        if (g < d->groups_per_set)
            b->set_outputs = b->outputs;
    }
    b->stride = rs_round_up(b->outputs, RS_LANE_BLOCK);
    b->set_stride = rs_round_up(b->set_outputs, RS_LANE_BLOCK);
    if (d->mode == RS_MODE_WEIGHTS) {
        b->raw_from = d->weight_addr * rs_program_beat_bytes(program);
        b->raw_bytes = beats * rs_program_beat_bytes(program);
        b->raw = RS_NEW_ARRAY(uint8_t, b->raw_bytes);
        if (!b->raw)
            return rs_out_of_memory(diag);
        memcpy(b->raw, program->memory + b->raw_from, (size_t)b->raw_bytes);
    }
    return rs_values_prepare(program, b, values->numbers, diag);
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

/* What the largest tile needs. */
typedef struct scratch_sizes {
    int64_t window, ifmap, segments, row, channels, out, beats, set_row;
} scratch_sizes;

static scratch_sizes measure(const rs_values *v)
{
    scratch_sizes s = { 1, 1, 1, 1, 1, 1, 1, 1 };
    for (int i = 0; i < v->program->n_descriptors; i++) {
        const rs_descriptor *d = &v->program->descriptors[i];
        const rs_values_block *b = &v->blocks[v->block_of[i]];
        /* Weights may change, and with them the padding. */
        const int64_t padded = rs_max64(rs_values_padded(b, d), rs_round_up(d->seg_len, RS_PACK_U8));
        const rs_values_plane p = rs_values_plane_of(d, padded);
        s.ifmap = rs_max64(s.ifmap, p.rows * p.width * (d->second_beats ? 2 : 1));
        s.window = rs_max64(s.window, b->per_channel);
        s.segments = rs_max64(s.segments, b->segments);
        s.channels = rs_max64(s.channels, b->stride);
        s.row = rs_max64(s.row, d->conv_w * b->stride);
        s.set_row = rs_max64(s.set_row, b->sets > 1 && b->how != RS_SUM_DIRECT ? d->conv_w * b->set_stride : 1);
        s.out = rs_max64(s.out, (int64_t)d->out_h * d->out_w * b->stride);
        s.beats = rs_max64(s.beats, (int64_t)d->out_h * d->out_w * d->groups);
    }
    return s;
}

static rs_status allocate_scratch(rs_values *v, rs_diag *diag)
{
    const scratch_sizes s = measure(v);
    v->ifmap = RS_NEW_ARRAY(int16_t, s.ifmap);
    v->segment_offsets = RS_NEW_ARRAY(int64_t, s.segments);
    v->sums = RS_NEW_ARRAY(int32_t, s.row);
    v->row = RS_NEW_ARRAY(int32_t, s.row);
    v->wide = RS_NEW_ARRAY(int64_t, s.row);
    v->set_sums = RS_NEW_ARRAY(int32_t, s.set_row);
    v->set_wide = RS_NEW_ARRAY(int64_t, s.set_row);
    v->set_overflows = RS_NEW_ARRAY(uint32_t, s.set_row);
    v->tree = RS_NEW_ARRAY(int64_t, s.channels);
    v->row_overflows = RS_NEW_ARRAY(uint32_t, s.row);
    v->out = RS_NEW_ARRAY(int32_t, s.out);
    v->saturations = RS_NEW_ARRAY(uint32_t, s.beats);
    v->overflows = RS_NEW_ARRAY(uint32_t, s.beats);
    bool complete = v->ifmap && v->segment_offsets && v->sums && v->row && v->wide && v->tree && v->row_overflows &&
                    v->out && v->saturations && v->overflows && v->set_sums && v->set_wide && v->set_overflows;
    if (v->numbers) {
        v->window = RS_NEW_ARRAY(int64_t, s.window);
        v->sums128 = RS_NEW_ARRAY(rs_sum128, s.row);
        /* Weights may change, and with them how sums are taken. */
        v->real_ifmap = RS_NEW_ARRAY(double, 2 * s.ifmap);
        v->real_sums = RS_NEW_ARRAY(double, s.row);
        v->real_set_sums = RS_NEW_ARRAY(double, s.set_row);
        complete = complete && v->window && v->sums128 && v->real_ifmap && v->real_sums && v->real_set_sums;
    }
    return complete ? RS_OK : rs_out_of_memory(diag);
}

rs_status rs_values_new(const rs_program *program, rs_values **values, rs_diag *diag)
{
    *values = NULL;
    rs_values *v = RS_NEW(rs_values);
    if (!v)
        return rs_out_of_memory(diag);
    v->program = program;
    v->blocks = RS_NEW_ARRAY(rs_values_block, program->n_descriptors);
    v->block_of = RS_NEW_ARRAY(int, program->n_descriptors);
    if (program->config.pe == RS_PE_MINIFLOAT)
        v->numbers = rs_minifloat_numbers(program->config.minifloat);
    rs_status status = v->blocks && v->block_of && (v->numbers || program->config.pe != RS_PE_MINIFLOAT)
                           ? find_blocks(v, diag)
                           : rs_out_of_memory(diag);
    if (status == RS_OK)
        status = allocate_scratch(v, diag);
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
