/* Descriptors: the words that tell the array what to do with one tile. */
#include <inttypes.h>

#include "base/memory.h"
#include "base/text.h"
#include "program/tiling.h"

/* A descriptor before it is known that every number fits its field. */
typedef struct descriptor_values {
#define FIELD(name, bits, is_signed, meaning) int64_t name;
#include "program/descriptor.def"
#undef FIELD
} descriptor_values;

/* Descriptors that must be stored before rows below `end_row` of a tensor can be read, counted from the first of all.
 */
static int64_t producers(const rs_compiler *c, int tensor, int64_t end_row)
{
    int64_t count = 0;
    for (int i = 0; i < c->program->n_layers; i++) {
        const rs_program_layer *layer = &c->program->layers[i];
        if (layer->blob != tensor || layer->count == 0)
            continue;
        int d = layer->first; /* a layer that does not fit, which has been said, may end before the row */
        while (d < layer->first + layer->count - 1 && c->rows_done[d] < end_row)
            d++;
        count = rs_max64(count, d + 1);
    }
    return count;
}

static void check_fields(rs_compiler *c, const rs_program_layer *layer, const int64_t *values)
{
    static const struct {
        const char *name, *meaning;
        int bits;
        bool is_signed;
    } fields[] = {
#define FIELD(name, bits, is_signed, meaning) { #name, meaning, bits, is_signed },
#include "program/descriptor.def"
#undef FIELD
    };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        /* A 32-bit field is an int32_t in C. */
        const int bits = fields[i].is_signed || fields[i].bits == 32 ? fields[i].bits - 1 : fields[i].bits;
        const int64_t low = fields[i].is_signed ? -(INT64_C(1) << bits) : 0, high = (INT64_C(1) << bits) - 1;
        char a[RS_COUNT_TEXT], b[RS_COUNT_TEXT];
        if (values[i] < low || values[i] > high)
            rs_compiler_note(
                c, rs_error(c->diag, RS_BAD_INPUT, RS_NOWHERE, NULL,
                            "layer '%s' is too large for the array: %s (%s) would be %s; a descriptor holds at %s %s",
                            layer->name, fields[i].name, fields[i].meaning, rs_count_text(values[i], a),
                            values[i] < low ? "least" : "most", rs_count_text(values[i] < low ? low : high, b)));
    }
}

/* Scale and shift of an average pooling's windows: of those that are whole, and of the last ones of the map. */
static void average(const rs_compiler *c, const rs_geometry *g, bool last_row, bool last_column, int64_t *scale,
                    int64_t *shift)
{
    *scale = 1;
    *shift = g->op->shift;
    if (g->layer->kind == RS_KIND_COPY && g->op->type == RS_QOP_CONCAT)
        *shift = rs_qop_concat_shift(c->qnet, g->op, g->layer->part);
    if (c->config->pe == RS_PE_MINIFLOAT) /* products have twice the places of a number */
        *shift = rs_minifloat_fl(c->config->minifloat);
    if (g->layer->kind != RS_KIND_AVERAGE_POOL)
        return;
    const int64_t area = rs_qop_area(c->qnet, g->op, last_row ? g->out->height - 1 : 0,
                                     last_column ? g->out->width - 1 : 0);
    *scale = rs_average_factor(area);
    *shift += rs_average_shift(area);
}

static rs_status grow(rs_compiler *c)
{
    rs_program *program = c->program;
    if (program->n_descriptors < c->capacity)
        return RS_OK;
    const int capacity = c->capacity ? 2 * c->capacity : 16;
    rs_descriptor *grown = rs_recalloc(program->descriptors, (size_t)c->capacity, (size_t)capacity, sizeof *grown);
    if (grown)
        program->descriptors = grown;
    int32_t *rows = rs_recalloc(c->rows_done, (size_t)c->capacity, (size_t)capacity, sizeof *rows);
    if (rows)
        c->rows_done = rows;
    if (!grown || !rows)
        return rs_out_of_memory(c->diag);
    c->capacity = capacity;
    return RS_OK;
}

static int64_t bias_beats(const rs_compiler *c, int64_t lanes)
{
    return rs_divide_up(lanes * rs_array_bias_bits(c->config), c->config->bus_bits);
}

static int64_t step_beats(const rs_compiler *c, int64_t lanes)
{
    return rs_divide_up(lanes * c->config->multipliers * c->config->weight_bits, c->config->bus_bits);
}

int64_t rs_compiler_group_beats(const rs_compiler *c, const rs_geometry *g, int64_t lanes)
{
    return bias_beats(c, lanes) + g->steps * step_beats(c, lanes);
}

/* Windows and groups, of the layer and of all its tiles. */
static void set_layer(descriptor_values *v, const rs_geometry *g)
{
    const bool add = g->layer->kind == RS_KIND_ADD;
    v->mode = g->layer->kind == RS_KIND_MAX_POOL ? RS_MODE_MAX : g->direct ? RS_MODE_DIRECT : RS_MODE_WEIGHTS;
    v->groups = g->groups;
    v->groups_per_set = g->groups_per_set;
    v->lanes_set = g->lanes_set;
    v->lanes_last = g->lanes_last;
    v->set_cols = g->set_cols;
    v->out_w = g->out->width;
    v->conv_w = g->conv->width + g->pool_pad_w;
    v->pool_h = g->pool_h;
    v->pool_w = g->pool_w;
    v->pool_stride_h = g->pool_stride_h;
    v->pool_stride_w = g->pool_stride_w;
    v->row_elems = g->row_elems;
    v->origin_col = -(g->pad_w + g->pool_pad_w * g->stride_w) * g->in_pixel;
    v->step_row = g->stride_h;
    v->step_col = g->stride_w * g->in_pixel;
    v->seg1_count = g->seg1_count;
    v->seg1_rows = add ? 0 : g->dilation_h;
    v->seg2_count = g->seg2_count;
    v->seg2_cols = g->dilation_w * g->in_pixel;
    v->seg_len = g->seg_len;
    v->chunks = g->chunks;
    v->steps = g->steps;
    v->relu = g->relu;
    v->out_bits = g->out->format.bits;
    v->in_unsigned = g->in->is_unsigned;
    v->out_unsigned = g->out->is_unsigned;
}

/* Rows of a band, and where they lie in memory. */
static void set_band(descriptor_values *v, const rs_compiler *c, const rs_geometry *g, const rs_band *b)
{
    const int64_t elements = rs_compiler_elements(c);
    const rs_region *in = &c->program->tensors[g->layer->input], *blob = &c->program->tensors[g->layer->blob];
    v->out_channels = b->tile_pixel;
    v->out_h = b->rows;
    v->conv_h = b->conv_rows;
    v->in_rows = b->in_rows;
    /* Origin of the row under the window of position 0; pool_pad is that of a pooling on its own. */
    v->origin_row = g->whole ? 0 : b->conv_first * g->stride_h - g->pad_h - b->in_first;
    v->ifmap_addr = in->address + b->in_first * g->row_elems / elements;
    v->ifmap_beats = b->in_beats;
    v->second_beats = b->second_beats;
    v->ofmap_addr = blob->address + (b->first * g->out->width * g->out_pixel + g->offset + b->channel) / elements;
    v->ofmap_beats = b->out_beats;
    v->run_beats = b->out_beats;
    v->ofmap_last_elems = b->rows * g->out->width * b->tile_pixel - (b->out_beats - 1) * elements;
    if (g->runs || b->channels < g->width) {
        v->run_beats = b->tile_pixel / elements;
        v->run_skip = (g->out_pixel - b->tile_pixel) / elements;
        v->ofmap_last_elems = b->channels - (v->run_beats - 1) * elements;
    }
}

/* Where the weights of its groups lie, and how many beats they are. */
static void set_weights(descriptor_values *v, const rs_compiler *c, const rs_geometry *g, const rs_band *b,
                        int64_t weight_address)
{
    const int64_t lanes = c->config->lanes;
    v->weight_addr = g->direct ? 0 : weight_address;
    if (b->channels < g->width) { /* a slice: some groups of the only set */
        v->groups = v->groups_per_set = rs_divide_up(b->channels, lanes);
        v->lanes_set = v->lanes_last = b->channels - (v->groups - 1) * lanes;
        v->weight_addr += b->channel / lanes * rs_compiler_group_beats(c, g, lanes);
    }
    if (!g->direct) { /* the only group of a set is its last one */
        const int64_t full = v->groups_per_set > 1 ? lanes : v->lanes_set;
        v->bias_beats = bias_beats(c, full);
        v->bias_beats_last = bias_beats(c, v->lanes_set);
        v->step_beats = step_beats(c, full);
        v->step_beats_last = step_beats(c, v->lanes_set);
    }
}

/* The second input and what the tile must wait for. */
static void set_inputs(descriptor_values *v, const rs_compiler *c, const rs_geometry *g, const rs_band *b)
{
    const rs_program *program = c->program;
    const rs_program_layer *layer = g->layer;
    const int64_t end_row = g->whole ? g->in->height : b->in_first + b->in_rows;
    int64_t wait = producers(c, layer->input, end_row);
    if (layer->kind == RS_KIND_ADD) {
        wait = rs_max64(wait, producers(c, layer->second, end_row));
        v->second_addr = program->tensors[layer->second].address + b->in_first * g->row_elems / rs_compiler_elements(c);
        v->align = rs_qop_align(c->qnet, g->op, 0);
        v->align_second = rs_qop_align(c->qnet, g->op, 1);
    }
    if (c->config->pe == RS_PE_MINIFLOAT && g->direct)
        v->align = v->align_second = rs_minifloat_fl(c->config->minifloat);
    v->wait_stored = rs_max64(wait - program->segments[c->segment].first, 0);
}

/* Products of other fields, so that the array only adds. */
static void set_products(descriptor_values *v, const rs_compiler *c, const rs_geometry *g, const rs_band *b)
{
    v->origin_elems = v->origin_row * v->row_elems + b->in_offset;
    v->step_row_elems = v->step_row * v->row_elems;
    v->seg1_elems = g->layer->kind == RS_KIND_ADD ? b->in_beats * rs_compiler_elements(c) : v->seg1_rows * v->row_elems;
    v->window_rows = v->pool_stride_h * v->step_row;
    v->window_row_elems = v->window_rows * v->row_elems;
    v->window_cols = v->pool_stride_w * v->step_col;
}

rs_status rs_compiler_add_descriptor(rs_compiler *c, rs_program_layer *layer, const rs_geometry *g, const rs_band *b,
                                     int64_t weight_address)
{
    rs_program *program = c->program;
    const bool last_row = b->first + b->rows == g->out->height;
    descriptor_values v = { .mode = 0 };
    set_layer(&v, g);
    set_band(&v, c, g, b);
    set_weights(&v, c, g, b, weight_address);
    average(c, g, false, false, &v.scale, &v.shift);
    average(c, g, false, true, &v.scale_right, &v.shift_right);
    average(c, g, last_row, false, &v.scale_bottom, &v.shift_bottom);
    average(c, g, last_row, true, &v.scale_corner, &v.shift_corner);
    set_inputs(&v, c, g, b);
    set_products(&v, c, g, b);
    check_fields(c, layer, (const int64_t *)&v);
    const rs_status status = grow(c);
    if (status != RS_OK)
        return status;
    c->rows_done[program->n_descriptors] = (int32_t)(b->channel + b->channels == g->width ? b->first + b->rows
                                                                                          : b->first);
    program->descriptors[program->n_descriptors++] = (rs_descriptor) {
#define FIELD(name, bits, is_signed, meaning) .name = (int32_t)v.name,
#include "program/descriptor.def"
#undef FIELD
    };
    layer->count++;
    return RS_OK;
}
