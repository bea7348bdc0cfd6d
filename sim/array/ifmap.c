/* Activations of the array's values: a tile's ifmap out of the beats of memory, with the padding that steps reach. */
#include "array/values_private.h"

/* A dense blob in memory: elements of `bits` bits (with a sign, or without one), `per_beat` in a beat of `beat_bits`.
 */
typedef struct ifmap_source {
    const uint8_t *beats;
    int64_t beat_bits, per_beat;
    int bits;
    bool is_unsigned;
} ifmap_source;

int64_t rs_values_padded(const rs_values_block *b, const rs_descriptor *d)
{
    /* Of a direct layer the channels of all sets lie in one vector. */
    return b->how == RS_SUM_DIRECT ? d->seg_len : rs_max64(b->padded, d->seg_len);
}

rs_values_plane rs_values_plane_of(const rs_descriptor *d, int64_t padded)
{
    const int64_t sets = d->groups / d->groups_per_set;
    const int64_t last_row = d->origin_row + (int64_t)(d->conv_h - 1) * d->step_row +
                             (int64_t)(d->seg1_count - 1) * d->seg1_rows;
    const int64_t last_col = d->origin_col + (int64_t)(d->conv_w - 1) * d->step_col +
                             (int64_t)(d->seg2_count - 1) * d->seg2_cols + (sets - 1) * d->set_cols + padded;
    rs_values_plane p = { .top = rs_min64(d->origin_row, 0), .left = rs_min64(d->origin_col, 0) };
    p.rows = rs_max64(last_row + 1, d->in_rows) - p.top;
    p.width = rs_max64(last_col, d->row_elems) - p.left;
    return p;
}

/* n elements from element `first` on. */
static void unpack_elements(const ifmap_source *s, int64_t first, int64_t n, int16_t *out)
{
    const uint32_t mask = s->is_unsigned ? (UINT32_C(1) << s->bits) - 1 : UINT32_MAX;
    for (int64_t i = 0; i < n;) {
        const int64_t in_beat = (first + i) % s->per_beat, run = rs_min64(s->per_beat - in_beat, n - i);
        int64_t bit = (first + i) / s->per_beat * s->beat_bits + in_beat * s->bits;
        if (s->bits == 8 && s->is_unsigned) {
            const uint8_t *from = s->beats + bit / 8;
            for (int64_t k = 0; k < run; k++)
                out[i + k] = from[k];
        } else if (s->bits == 8) {
            const uint8_t *from = s->beats + bit / 8;
            for (int64_t k = 0; k < run; k++)
                out[i + k] = (int16_t)(from[k] < 128 ? from[k] : from[k] - 256);
        } else {
            for (int64_t k = 0; k < run; k++, bit += s->bits)
                out[i + k] = (int16_t)(int32_t)((uint32_t)rs_bits_get(s->beats, bit, s->bits) & mask);
        }
        i += run;
    }
}

/* The same as bytes, signed ones raised by 128. */
static void unpack_bytes(const ifmap_source *s, int64_t first, int64_t n, uint8_t *out)
{
    if (s->bits == 8 && s->is_unsigned) {
        memcpy(out, s->beats + first, (size_t)n);
        return;
    }
    if (s->bits == 8) { /* bytes side by side, whatever the beats */
        const uint8_t *from = s->beats + first;
        for (int64_t i = 0; i < n; i++)
            out[i] = from[i] ^ 0x80;
        return;
    }
    for (int64_t i = 0; i < n;) {
        const int64_t in_beat = (first + i) % s->per_beat, run = rs_min64(s->per_beat - in_beat, n - i);
        int64_t bit = (first + i) / s->per_beat * s->beat_bits + in_beat * s->bits;
        for (int64_t k = 0; k < run; k++, bit += s->bits)
            out[i + k] = (uint8_t)(s->is_unsigned ? rs_bits_get(s->beats, bit, s->bits) & ((1 << s->bits) - 1)
                                                  : rs_bits_get(s->beats, bit, s->bits) + 128);
        i += run;
    }
}

/* Rows of an ifmap at `address` into the plane at element `to` of values->ifmap. */
static void load_ifmap(const rs_values_row *row, int64_t address, const uint8_t *memory, int64_t to)
{
    rs_values *values = row->values;
    const rs_array_config *config = &values->program->config;
    const rs_descriptor *d = row->d;
    const rs_values_plane *p = &row->plane;
    const ifmap_source source = { .beats = memory + address * (config->bus_bits / 8),
                                  .beat_bits = config->bus_bits,
                                  .per_beat = rs_array_elements_per_beat(config),
                                  .bits = config->activation_bits,
                                  .is_unsigned = d->in_unsigned };
    const int64_t offset = d->origin_elems - (int64_t)d->origin_row * d->row_elems;
    const bool bytes = row->block->how == RS_SUM_U8;
    uint8_t *narrow = (uint8_t *)values->ifmap + to;
    int16_t *wide = (int16_t *)values->ifmap + to;
    if (bytes)
        memset(narrow, d->in_unsigned ? 0 : 0x80, (size_t)(p->rows * p->width));
    else
        memset(wide, 0, (size_t)(p->rows * p->width) * sizeof *wide);
    for (int64_t r = 0; r < d->in_rows; r++) {
        const int64_t at = (r - p->top) * p->width - p->left, first = offset + r * d->row_elems;
        if (bytes)
            unpack_bytes(&source, first, d->row_elems, narrow + at);
        else
            unpack_elements(&source, first, d->row_elems, wide + at);
    }
}

/* Numbers of minifloats in binary64, part after part. */
static void load_reals(const rs_values_row *row)
{
    rs_values *values = row->values;
    const int64_t n = row->plane.rows * row->plane.width;
    const int32_t mask = (1 << values->program->config.activation_bits) - 1;
    const int16_t *words = values->ifmap;
    for (int part = 0; part < row->block->real_parts; part++)
        for (int64_t i = 0; i < n; i++)
            values->real_ifmap[part * n + i] = rs_real_part(values->numbers[words[i] & mask], row->block->real_parts,
                                                            part);
}

void rs_values_load(const rs_values_row *row, const uint8_t *memory)
{
    rs_values *values = row->values;
    const rs_descriptor *d = row->d;
    const rs_values_plane *p = &row->plane;
    const int64_t elements = p->rows * p->width;
    load_ifmap(row, d->ifmap_addr, memory, 0);
    if (d->second_beats)
        load_ifmap(row, d->second_addr, memory, elements);
    if (row->block->real_weights)
        load_reals(row);
    const int64_t seg1 = d->second_beats ? elements : d->seg1_rows * p->width;
    for (int64_t s = 0; s < row->block->segments; s++)
        values->segment_offsets[s] = s / d->seg2_count * seg1 + s % d->seg2_count * d->seg2_cols;
}
