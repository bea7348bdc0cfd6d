/* Tiles of a layer: bands of output rows, or slices of their channels, that the buffers hold; and their descriptors. */
#include <inttypes.h>
#include <stdio.h>

#include "base/memory.h"
#include "program/compiler.h"

/* A layer as the tiling works on it. */
typedef struct geometry {
    const rs_program_layer *layer;
    const rs_qop *op;
    const rs_qtensor *in, *conv, *out;
    bool direct, whole, relu;
    /* The window of a position (of the kernel; 1x1 for what has none), and the pooling window over positions. */
    int64_t kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w;
    int64_t pool_h, pool_w, pool_stride_h, pool_stride_w, pool_pad_h, pool_pad_w;
    rs_weight_order order; /* not of direct layers */
    int64_t seg1_count, seg2_count, seg_len, chunks, steps;
    int64_t sets, groups_per_set, lanes_set, lanes_last, set_cols, groups;
    int64_t in_pixel, in_rows, row_elems; /* of the ifmap as the array sees it */
    int64_t width;                        /* elements of a pixel that the layer makes */
    int64_t offset, out_pixel;            /* where they lie in a pixel of the blob, and its elements */
    bool runs;                            /* a pixel at a time, since something else lies in between */
    int64_t align_out;                    /* rows after which a row of the ofmap begins on a beat again */
} geometry;

/* 1234567 -> "1,234,567". */
static const char *thousands(int64_t value, char text[32])
{
    char digits[24];
    const int n = snprintf(digits, sizeof digits, "%" PRId64, value);
    int length = 0;
    for (int i = 0; i < n; i++) {
        text[length++] = digits[i];
        if (digits[i] != '-' && (n - 1 - i) % 3 == 0 && i + 1 < n)
            text[length++] = ',';
    }
    text[length] = 0;
    return text;
}

static int64_t elements_of(const rs_compiler *c)
{
    return rs_array_elements_per_beat(c->config);
}

/* ------------------------------------------------------------------------------------------------ geometry */

rs_weight_order rs_compiler_order(const rs_compiler *c, int layer)
{
    const rs_program_layer *l = &c->program->layers[layer];
    return rs_weight_order_in(c->qnet, &c->qnet->ops[l->op], c->config->lanes, c->config->multipliers,
                              rs_array_weight_code(c->config), c->program->tensors[l->input].pixel, c->channels[layer]);
}

static void set_weights(geometry *g, const rs_compiler *c, int layer)
{
    g->order = rs_compiler_order(c, layer);
    g->kernel_h = g->op->kernel_h;
    g->kernel_w = g->op->kernel_w;
    g->seg1_count = g->order.seg1_count;
    g->seg2_count = g->order.seg2_count;
    g->seg_len = g->order.seg_len;
    g->chunks = g->order.chunks;
    g->sets = g->order.sets;
    g->groups_per_set = rs_weight_order_groups_per_set(&g->order);
    g->groups = rs_weight_order_groups(&g->order);
    g->lanes_set = g->lanes_last = rs_weight_order_lanes(&g->order, g->groups - 1);
    g->set_cols = g->sets > 1 ? g->order.pixel : 0;
    g->whole = g->order.kind == RS_WEIGHTS_WHOLE_MAP;
}

/* lanes and multipliers alike take one channel each. */
static void set_direct(geometry *g, const rs_compiler *c)
{
    const int64_t most = rs_min64(c->config->lanes, c->config->multipliers);
    g->direct = true;
    g->seg_len = g->set_cols = g->lanes_set = rs_min64(most, g->width);
    g->sets = g->groups = rs_divide_up(g->width, most);
    g->groups_per_set = 1;
    g->lanes_last = g->width - (g->groups - 1) * g->lanes_set;
    g->chunks = g->seg1_count = g->seg2_count = 1;
    if (g->layer->kind == RS_KIND_AVERAGE_POOL) {
        g->seg1_count = g->kernel_h = g->op->kernel_h;
        g->seg2_count = g->kernel_w = g->op->kernel_w;
    } else if (g->layer->kind == RS_KIND_ADD) {
        g->seg1_count = 2;
    }
}

/* Where the elements of a part of a concatenation begin. */
static int64_t part_offset(const rs_compiler *c, const rs_program_layer *layer)
{
    const int64_t elements = elements_of(c);
    const rs_qop *op = &c->qnet->ops[layer->blob - 1];
    int64_t offset = 0;
    for (int k = 0; op->type == RS_QOP_CONCAT && k < layer->part; k++)
        offset += rs_divide_up(c->widths[op->inputs[k]], elements) * elements;
    return offset;
}

static geometry geometry_of(const rs_compiler *c, int index)
{
    const rs_qnet *qnet = c->qnet;
    const rs_program_layer *layer = &c->program->layers[index];
    const rs_qop *op = &qnet->ops[layer->op];
    const rs_region *in = &c->program->tensors[layer->input], *blob = &c->program->tensors[layer->blob];
    geometry g = { .layer = layer,
                   .op = op,
                   .in = &qnet->tensors[layer->input],
                   .conv = &qnet->tensors[layer->kind == RS_KIND_MAX_POOL ? layer->input : op->output],
                   .out = &qnet->tensors[layer->output],
                   .relu = op->relu || op->type == RS_QOP_RELU || layer->relu_op >= 0,
                   .kernel_h = 1,
                   .kernel_w = 1,
                   .stride_h = 1,
                   .stride_w = 1,
                   .dilation_h = 1,
                   .dilation_w = 1,
                   .pool_h = 1,
                   .pool_w = 1,
                   .pool_stride_h = 1,
                   .pool_stride_w = 1,
                   .in_pixel = in->pixel,
                   .width = layer->kind == RS_KIND_WEIGHTS ? qnet->tensors[layer->output].channels : in->pixel,
                   .offset = part_offset(c, layer),
                   .out_pixel = blob->pixel };
    if (layer->kind == RS_KIND_WEIGHTS || layer->kind == RS_KIND_AVERAGE_POOL) {
        g.stride_h = op->stride_h;
        g.stride_w = op->stride_w;
        g.pad_h = op->pad_h;
        g.pad_w = op->pad_w;
        g.dilation_h = op->dilation_h;
        g.dilation_w = op->dilation_w;
    }
    const rs_qop *pool = layer->kind == RS_KIND_MAX_POOL ? op : layer->pool_op >= 0 ? &qnet->ops[layer->pool_op] : NULL;
    if (pool) {
        g.pool_h = pool->kernel_h;
        g.pool_w = pool->kernel_w;
        g.pool_stride_h = pool->stride_h;
        g.pool_stride_w = pool->stride_w;
        g.pool_pad_h = pool->pad_h;
        g.pool_pad_w = pool->pad_w;
    }
    if (layer->kind == RS_KIND_WEIGHTS)
        set_weights(&g, c, index);
    else
        set_direct(&g, c);
    g.steps = g.seg1_count * g.seg2_count * g.chunks;
    g.in_rows = g.whole ? 1 : g.in->height;
    g.row_elems = g.in->width * g.in_pixel * (g.whole ? g.in->height : 1);
    g.runs = g.out_pixel != g.width;
    g.align_out = g.runs ? 1 : elements_of(c) / rs_gcd(elements_of(c), g.out->width * g.out_pixel);
    return g;
}

/* Positions (output, kernel) along one axis whose input lies in the map. */
static int64_t inside(int64_t outputs, int64_t in, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation)
{
    int64_t count = 0;
    for (int64_t o = 0; o < outputs; o++)
        for (int64_t k = 0; k < kernel; k++) {
            const int64_t at = o * stride - pad + k * dilation;
            count += at >= 0 && at < in;
        }
    return count;
}

static int64_t useful_macs(const geometry *g)
{
    if (g->direct)
        return 0;
    return inside(g->conv->height, g->in->height, g->kernel_h, g->stride_h, g->pad_h, g->dilation_h) *
           inside(g->conv->width, g->in->width, g->kernel_w, g->stride_w, g->pad_w, g->dilation_w) * g->order.channels *
           g->conv->channels;
}

/* ------------------------------------------------------------------------------------------------- tiling */

/* A band of output rows [first, first + rows), or a slice of its channels, and what it needs. */
typedef struct band {
    int64_t first, rows;
    int64_t channel, channels;     /* of the layer's own */
    int64_t conv_first, conv_rows; /* rows of the convolution; conv_first < 0 in the padding of a pooling */
    int64_t in_first, in_rows;     /* rows of the ifmap that are loaded */
    int64_t in_offset;             /* elements before them in their first beat */
    int64_t in_beats, second_beats, out_beats;
    int64_t tile_pixel; /* elements of a pixel in the output buffer */
} band;

static band band_of(const rs_compiler *c, const geometry *g, int64_t first, int64_t rows, int64_t channels)
{
    const int64_t elements = elements_of(c);
    band b = { .first = first, .rows = rows, .channels = channels };
    b.conv_first = first * g->pool_stride_h - g->pool_pad_h;
    b.conv_rows = rs_min64((rows - 1) * g->pool_stride_h + g->pool_h, g->conv->height - b.conv_first);
    int64_t top = 0, bottom = g->in_rows;
    if (!g->whole) {
        top = b.conv_first * g->stride_h - g->pad_h;
        bottom = (b.conv_first + b.conv_rows - 1) * g->stride_h - g->pad_h + (g->kernel_h - 1) * g->dilation_h + 1;
        /* At least one row is loaded even for a band that lies in the padding as a whole. */
        top = top < 0 ? 0 : top >= g->in_rows ? g->in_rows - 1 : top;
        bottom = bottom <= top ? top + 1 : bottom > g->in_rows ? g->in_rows : bottom;
    }
    b.in_first = top;
    b.in_offset = top * g->row_elems % elements;
    b.in_rows = bottom - b.in_first;
    b.in_beats = rs_divide_up(b.in_offset + b.in_rows * g->row_elems, elements);
    b.second_beats = g->layer->kind == RS_KIND_ADD ? b.in_beats : 0;
    if (g->runs || channels < g->width) {
        b.tile_pixel = rs_divide_up(channels, elements) * elements;
        b.out_beats = rows * g->out->width * (b.tile_pixel / elements);
    } else {
        b.tile_pixel = g->width;
        b.out_beats = rs_divide_up(rows * g->out->width * g->width, elements);
    }
    return b;
}

static bool ifmap_fits(const rs_compiler *c, const band *b)
{
    return (b->in_beats + b->second_beats) * elements_of(c) <= c->config->activation_elements;
}

static bool fits(const rs_compiler *c, const band *b)
{
    return ifmap_fits(c, b) && b->out_beats * elements_of(c) <= c->config->output_elements;
}

/* The largest band from row `first` on that fits: all rows that are left, or else a multiple of align_out of them, so
 * that the next band begins on a beat. rows = 0: none fits. */
static band largest_band(const rs_compiler *c, const geometry *g, int64_t first)
{
    const int64_t left = g->out->height - first;
    band b = band_of(c, g, first, left, g->width);
    if (fits(c, &b))
        return b;
    int64_t low = 0, high = rs_divide_up(
                         left, g->align_out); /* in units of align_out: low fits (or is 0), high does not or is all */
    while (high - low > 1) {
        const int64_t middle = (low + high) / 2;
        b = band_of(c, g, first, middle * g->align_out, g->width);
        if (fits(c, &b))
            low = middle;
        else
            high = middle;
    }
    return low ? band_of(c, g, first, low * g->align_out, g->width) : (band) { .first = first };
}

/* Channels of the largest slice of one row that fits: groups of lanes on whole beats. 0: none, or none is possible. */
static int64_t largest_slice(const rs_compiler *c, const geometry *g, int64_t first)
{
    const int64_t elements = elements_of(c), lanes = c->config->lanes;
    const int64_t unit = lanes / rs_gcd(lanes, elements) * elements;
    if (g->direct || g->sets > 1 || g->out_pixel % elements != 0)
        return 0;
    int64_t channels = 0;
    for (int64_t more = unit; more < g->width; more += unit) {
        const band b = band_of(c, g, first, 1, more);
        if (!fits(c, &b))
            break;
        channels = more;
    }
    return channels;
}

static void too_small(rs_compiler *c, const rs_program_layer *layer, const char *buffer, const char *key, int64_t holds,
                      const char *unit, const char *what, int64_t needs)
{
    char a[32], b[32], d[32];
    char *hint = rs_format("raise %s to %" PRId64, key, needs);
    rs_compiler_note(c, rs_error(c->diag, RS_BAD_INPUT, rs_array_config_place(c->config, key), hint,
                                 "layer '%s': %s buffer holds %s %s, %s needs %s: %s too few", layer->name, buffer,
                                 thousands(holds, a), unit, what, thousands(needs, b), thousands(needs - holds, d)));
    rs_free(hint);
}

/* Says which buffers cannot take even the smallest bands, and what the largest of those needs: bands at the map's edge,
 * and those that begin on a beat, need less than others. */
static void no_band(rs_compiler *c, const geometry *g)
{
    const int64_t elements = elements_of(c);
    int64_t ifmap = 0, ofmap = 0;
    for (int64_t first = 0; first < g->out->height; first += g->align_out) {
        const band b = band_of(c, g, first, rs_min64(g->align_out, g->out->height - first), g->width);
        const int64_t in = (b.in_beats + b.second_beats) * elements, out = b.out_beats * elements;
        ifmap = in > ifmap ? in : ifmap;
        ofmap = out > ofmap ? out : ofmap;
    }
    const int64_t rows = rs_min64(g->align_out, g->out->height);
    char what[96];
    if (rows == 1)
        snprintf(what, sizeof what, "one band of 1 output row");
    else
        snprintf(what, sizeof what, "one band of %" PRId64 " output rows (fewer do not end on a beat)", rows);
    if (ifmap > c->config->activation_elements)
        too_small(c, g->layer, "activation", "buffers.activation_elements", c->config->activation_elements, "elements",
                  what, ifmap);
    if (ofmap > c->config->output_elements)
        too_small(c, g->layer, "output", "buffers.output_elements", c->config->output_elements, "elements", what,
                  ofmap);
}

/* -------------------------------------------------------------------------------------------- descriptors */

/* Descriptors that must be stored before rows below `end_row` of a tensor can be read, counted from the first of all.
 */
static int64_t producers(const rs_compiler *c, int tensor, int64_t end_row)
{
    int64_t most = 0;
    for (int i = 0; i < c->program->n_layers; i++) {
        const rs_program_layer *layer = &c->program->layers[i];
        if (layer->blob != tensor || layer->count == 0)
            continue;
        int d = layer->first; /* a layer that does not fit, which has been said, may end before the row */
        while (d < layer->first + layer->count - 1 && c->rows_done[d] < end_row)
            d++;
        most = d + 1 > most ? d + 1 : most;
    }
    return most;
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
        char a[32], b[32];
        if (values[i] < low || values[i] > high)
            rs_compiler_note(
                c, rs_error(c->diag, RS_BAD_INPUT, RS_NOWHERE, NULL,
                            "layer '%s' is too large for the array: %s (%s) would be %s; a descriptor holds at %s %s",
                            layer->name, fields[i].name, fields[i].meaning, thousands(values[i], a),
                            values[i] < low ? "least" : "most", thousands(values[i] < low ? low : high, b)));
    }
}

/* Scale and shift of an average pooling's windows: of those that are whole, and of the last ones of the map. */
static void average(const rs_compiler *c, const geometry *g, bool last_row, bool last_column, int64_t *scale,
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

static int64_t group_beats(const rs_compiler *c, const geometry *g, int64_t lanes)
{
    return bias_beats(c, lanes) + g->steps * step_beats(c, lanes);
}

static rs_status add_descriptor(rs_compiler *c, rs_program_layer *layer, const geometry *g, const band *b,
                                int64_t weight_address)
{
    const rs_array_config *config = c->config;
    rs_program *program = c->program;
    const rs_qop *op = g->op;
    const int64_t elements = elements_of(c), lanes = config->lanes, in_first = b->in_first;
    const rs_region *in = &program->tensors[layer->input], *blob = &program->tensors[layer->blob];
    const bool runs = g->runs || b->channels < g->width, last_row = b->first + b->rows == g->out->height;
    /* Origin of the row under the window of position 0; pool_pad is that of a pooling on its own. */
    struct {
#define FIELD(name, bits, is_signed, meaning) int64_t name;
#include "program/descriptor.def"
#undef FIELD
    } v = {
        .mode = layer->kind == RS_KIND_MAX_POOL ? RS_MODE_MAX
                : g->direct                     ? RS_MODE_DIRECT
                                                : RS_MODE_WEIGHTS,
        .groups = g->groups,
        .groups_per_set = g->groups_per_set,
        .lanes_set = g->lanes_set,
        .lanes_last = g->lanes_last,
        .set_cols = g->set_cols,
        .out_channels = b->tile_pixel,
        .out_h = b->rows,
        .out_w = g->out->width,
        .conv_h = b->conv_rows,
        .conv_w = g->conv->width + g->pool_pad_w,
        .pool_h = g->pool_h,
        .pool_w = g->pool_w,
        .pool_stride_h = g->pool_stride_h,
        .pool_stride_w = g->pool_stride_w,
        .in_rows = b->in_rows,
        .row_elems = g->row_elems,
        .origin_row = g->whole ? 0 : b->conv_first * g->stride_h - g->pad_h - in_first,
        .origin_col = -(g->pad_w + g->pool_pad_w * g->stride_w) * g->in_pixel,
        .step_row = g->stride_h,
        .step_col = g->stride_w * g->in_pixel,
        .seg1_count = g->seg1_count,
        .seg1_rows = layer->kind == RS_KIND_ADD ? 0 : g->dilation_h,
        .seg2_count = g->seg2_count,
        .seg2_cols = g->dilation_w * g->in_pixel,
        .seg_len = g->seg_len,
        .chunks = g->chunks,
        .steps = g->steps,
        .relu = g->relu,
        .out_bits = g->out->format.bits,
        .in_unsigned = g->in->is_unsigned,
        .out_unsigned = g->out->is_unsigned,
        .ifmap_addr = in->address + in_first * g->row_elems / elements,
        .ifmap_beats = b->in_beats,
        .second_beats = b->second_beats,
        .weight_addr = g->direct ? 0 : weight_address,
        .ofmap_addr = blob->address + (b->first * g->out->width * g->out_pixel + g->offset + b->channel) / elements,
        .ofmap_beats = b->out_beats,
        .run_beats = b->out_beats,
        .ofmap_last_elems = b->rows * g->out->width * b->tile_pixel - (b->out_beats - 1) * elements,
    };
    if (b->channels < g->width) { /* a slice: some groups of the only set */
        const int64_t first = b->channel / lanes;
        v.groups = v.groups_per_set = rs_divide_up(b->channels, lanes);
        v.lanes_set = v.lanes_last = b->channels - (v.groups - 1) * lanes;
        v.weight_addr += first * group_beats(c, g, lanes);
    }
    if (runs) {
        v.run_beats = b->tile_pixel / elements;
        v.run_skip = (g->out_pixel - b->tile_pixel) / elements;
        v.ofmap_last_elems = b->channels - (v.run_beats - 1) * elements;
    }
    if (!g->direct) { /* the only group of a set is its last one */
        const int64_t full = v.groups_per_set > 1 ? lanes : v.lanes_set;
        v.bias_beats = bias_beats(c, full);
        v.bias_beats_last = bias_beats(c, v.lanes_set);
        v.step_beats = step_beats(c, full);
        v.step_beats_last = step_beats(c, v.lanes_set);
    }
    average(c, g, false, false, &v.scale, &v.shift);
    average(c, g, false, true, &v.scale_right, &v.shift_right);
    average(c, g, last_row, false, &v.scale_bottom, &v.shift_bottom);
    average(c, g, last_row, true, &v.scale_corner, &v.shift_corner);
    const int64_t end_row = g->whole ? g->in->height : in_first + b->in_rows;
    int64_t wait = producers(c, layer->input, end_row);
    if (layer->kind == RS_KIND_ADD) {
        const int64_t other = producers(c, layer->second, end_row);
        wait = other > wait ? other : wait;
        v.second_addr = program->tensors[layer->second].address + in_first * g->row_elems / elements;
        v.align = rs_qop_align(c->qnet, op, 0);
        v.align_second = rs_qop_align(c->qnet, op, 1);
    }
    if (config->pe == RS_PE_MINIFLOAT && g->direct)
        v.align = v.align_second = rs_minifloat_fl(config->minifloat);
    const int first = program->segments[c->segment].first;
    v.wait_stored = wait > first ? wait - first : 0;
    v.origin_elems = v.origin_row * v.row_elems + b->in_offset;
    v.step_row_elems = v.step_row * v.row_elems;
    v.seg1_elems = layer->kind == RS_KIND_ADD ? b->in_beats * elements : v.seg1_rows * v.row_elems;
    v.window_rows = v.pool_stride_h * v.step_row;
    v.window_row_elems = v.window_rows * v.row_elems;
    v.window_cols = v.pool_stride_w * v.step_col;
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

/* -------------------------------------------------------------------------------------------------- layers */

static void check_layer(rs_compiler *c, const geometry *g)
{
    const rs_array_config *config = c->config;
    const rs_program_layer *layer = g->layer;
    if (layer->kind == RS_KIND_ADD && config->pe != RS_PE_MINIFLOAT) {
        const int most = rs_array_tree_bits(config, 0) - config->activation_bits -
                         (config->unsigned_activations == RS_YES);
        for (int i = 0; i < 2; i++)
            if (rs_qop_align(c->qnet, g->op, i) > most)
                rs_compiler_note(
                    c, rs_error(c->diag, RS_BAD_INPUT, RS_FILE(config->path), NULL,
                                "layer '%s': the fractional lengths of its inputs differ by %d bits; products of "
                                "%d bits align at most %d",
                                layer->name, rs_qop_align(c->qnet, g->op, i), rs_array_tree_bits(config, 0), most));
    }
    if (g->direct)
        return;
    if (g->steps > config->weight_steps) {
        char what[64];
        snprintf(what, sizeof what, "one group of %d output channels",
                 (int)(g->groups_per_set > 1 ? config->lanes : g->lanes_set));
        too_small(c, layer, "weight", "buffers.weight_steps", config->weight_steps, "steps", what, g->steps);
    }
    for (int o = 0; o < g->conv->channels; o++) {
        const int64_t bias = g->op->bias[o];
        const int places = config->pe == RS_PE_MINIFLOAT ? 2 * rs_minifloat_fl(config->minifloat) - g->op->bias_fl : 0;
        if (bias != 0 && rs_fxp_bits_for_bound(bias < 0 ? -(bias + 1) : bias) + places > config->accumulator_bits) {
            rs_compiler_note(c, rs_error(c->diag, RS_BAD_INPUT, rs_array_config_place(config, "array.accumulator_bits"),
                                         "array.accumulator_bits: auto derives a width that holds every sum",
                                         "layer '%s': the bias of output channel %d, %" PRId64
                                         ", does not fit the accumulator's %d bits",
                                         layer->name, o, bias, config->accumulator_bits));
            break;
        }
    }
}

/* The inverse of an ifmap's places. */
static rs_status find_channels(rs_compiler *c, int index)
{
    const rs_program_layer *layer = &c->program->layers[index];
    const rs_region *in = &c->program->tensors[layer->input];
    if (layer->kind != RS_KIND_WEIGHTS || (!in->place && in->pixel == c->qnet->tensors[layer->input].channels))
        return RS_OK;
    int32_t *channel = RS_NEW_ARRAY(int32_t, (size_t)in->pixel);
    if (!channel)
        return rs_out_of_memory(c->diag);
    for (int64_t i = 0; i < in->pixel; i++)
        channel[i] = -1;
    for (int k = 0; k < c->qnet->tensors[layer->input].channels; k++)
        channel[in->place ? in->place[k] : k] = k;
    c->channels[index] = channel;
    return RS_OK;
}

/* Memory for the blob of a layer, once. */
static void allocate_blob(rs_compiler *c, const rs_program_layer *layer)
{
    rs_program *program = c->program;
    const int64_t elements = elements_of(c);
    rs_region *blob = &program->tensors[layer->blob];
    const rs_qtensor *t = &c->qnet->tensors[layer->blob];
    if (blob->beats == 0) {
        blob->address = program->memory_beats;
        blob->beats = rs_divide_up((int64_t)t->height * t->width * blob->pixel, elements);
        program->memory_beats += blob->beats;
    }
    if (layer->output != layer->blob) {
        const int64_t offset = part_offset(c, layer) / elements;
        program->tensors[layer->output].address = blob->address + offset;
        program->tensors[layer->output].beats = blob->beats - offset;
    }
}

static rs_status tile_band(rs_compiler *c, rs_program_layer *layer, const geometry *g, band b, int64_t slice,
                           int64_t weight_address)
{
    if (!slice)
        return add_descriptor(c, layer, g, &b, weight_address);
    rs_status status = RS_OK;
    for (int64_t channel = 0; channel < g->width && status == RS_OK; channel += slice) {
        b = band_of(c, g, b.first, b.rows, rs_min64(slice, g->width - channel));
        b.channel = channel;
        status = add_descriptor(c, layer, g, &b, weight_address);
    }
    return status;
}

rs_status rs_compiler_tile(rs_compiler *c, int index)
{
    rs_program_layer *layer = &c->program->layers[index];
    layer->first = c->program->n_descriptors;
    if (layer->kind == RS_KIND_HOST) {
        allocate_blob(c, layer);
        return RS_OK;
    }
    rs_status status = find_channels(c, index);
    if (status != RS_OK)
        return status;
    const geometry g = geometry_of(c, index);
    layer->macs = useful_macs(&g);
    check_layer(c, &g);
    const int64_t weight_address = c->program->memory_beats;
    if (!g.direct)
        c->program->memory_beats += g.sets * ((g.groups_per_set - 1) * group_beats(c, &g, c->config->lanes) +
                                              group_beats(c, &g, g.lanes_set));
    allocate_blob(c, layer);
    for (int64_t first = 0; first < g.out->height;) {
        band b = largest_band(c, &g, first);
        const int64_t slice = b.rows ? 0 : largest_slice(c, &g, first);
        if (slice)
            b = band_of(c, &g, first, 1, slice);
        if (!b.rows) {
            no_band(c, &g);
            break;
        }
        status = tile_band(c, layer, &g, b, slice, weight_address);
        if (status != RS_OK)
            return status;
        first += b.rows;
    }
    return RS_OK;
}
