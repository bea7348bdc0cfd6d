/* Tiles of a layer: bands of output rows, or slices of their channels, that the buffers hold. */
#include <inttypes.h>
#include <stdio.h>

#include "base/memory.h"
#include "base/text.h"
#include "program/tiling.h"

static rs_band band_of(const rs_compiler *c, const rs_geometry *g, int64_t first, int64_t rows, int64_t channels)
{
    const int64_t elements = rs_compiler_elements(c);
    rs_band b = { .first = first, .rows = rows, .channels = channels };
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

static bool ifmap_fits(const rs_compiler *c, const rs_band *b)
{
    return (b->in_beats + b->second_beats) * rs_compiler_elements(c) <= c->config->activation_elements;
}

static bool fits(const rs_compiler *c, const rs_band *b)
{
    return ifmap_fits(c, b) && b->out_beats * rs_compiler_elements(c) <= c->config->output_elements;
}

/* The largest band from row `first` on that fits: all rows that are left, or else a multiple of align_out of them, so
 * that the next band begins on a beat. rows = 0: none fits. */
static rs_band largest_band(const rs_compiler *c, const rs_geometry *g, int64_t first)
{
    const int64_t left = g->out->height - first;
    rs_band b = band_of(c, g, first, left, g->width);
    if (fits(c, &b))
        return b;
    /* In units of align_out: low fits (or is 0), high does not or is all. */
    int64_t low = 0, high = rs_divide_up(left, g->align_out);
    while (high - low > 1) {
        const int64_t middle = (low + high) / 2;
        b = band_of(c, g, first, middle * g->align_out, g->width);
        if (fits(c, &b))
            low = middle;
        else
            high = middle;
    }
    return low ? band_of(c, g, first, low * g->align_out, g->width) : (rs_band) { .first = first };
}

/* Channels of the largest slice of one row that fits: groups of lanes on whole beats. 0: none, or none is possible. */
static int64_t largest_slice(const rs_compiler *c, const rs_geometry *g, int64_t first)
{
    const int64_t elements = rs_compiler_elements(c), lanes = c->config->lanes;
    const int64_t unit = lanes / rs_gcd(lanes, elements) * elements;
    if (g->direct || g->sets > 1 || g->out_pixel % elements != 0)
        return 0;
    int64_t channels = 0;
    for (int64_t more = unit; more < g->width; more += unit) {
        const rs_band b = band_of(c, g, first, 1, more);
        if (!fits(c, &b))
            break;
        channels = more;
    }
    return channels;
}

/* A buffer of the array, for messages. */
typedef struct buffer_size {
    const char *name, *key;
    int64_t holds;
    const char *unit;
} buffer_size;

/* `what` needs more of it than there is. */
static void too_small(rs_compiler *c, const rs_program_layer *layer, const buffer_size *buffer, const char *what,
                      int64_t needs)
{
    char a[RS_COUNT_TEXT], b[RS_COUNT_TEXT], d[RS_COUNT_TEXT];
    char *hint = rs_format("raise %s to %" PRId64, buffer->key, needs);
    rs_compiler_note(c, rs_error(c->diag, RS_BAD_INPUT, rs_array_config_place(c->config, buffer->key), hint,
                                 "layer '%s': %s buffer holds %s %s, %s needs %s: %s too few", layer->name,
                                 buffer->name, rs_count_text(buffer->holds, a), buffer->unit, what,
                                 rs_count_text(needs, b), rs_count_text(needs - buffer->holds, d)));
    rs_free(hint);
}

/* Says which buffers cannot take even the smallest bands, and what the largest of those needs: bands at the map's edge,
 * and those that begin on a beat, need less than others. */
static void no_band(rs_compiler *c, const rs_geometry *g)
{
    const int64_t elements = rs_compiler_elements(c);
    int64_t ifmap = 0, ofmap = 0;
    for (int64_t first = 0; first < g->out->height; first += g->align_out) {
        const rs_band b = band_of(c, g, first, rs_min64(g->align_out, g->out->height - first), g->width);
        ifmap = rs_max64(ifmap, (b.in_beats + b.second_beats) * elements);
        ofmap = rs_max64(ofmap, b.out_beats * elements);
    }
    const int64_t rows = rs_min64(g->align_out, g->out->height);
    char what[96];
    if (rows == 1)
        snprintf(what, sizeof what, "one band of 1 output row");
    else
        snprintf(what, sizeof what, "one band of %" PRId64 " output rows (fewer do not end on a beat)", rows);
    const buffer_size in = { "activation", "buffers.activation_elements", c->config->activation_elements, "elements" };
    const buffer_size out = { "output", "buffers.output_elements", c->config->output_elements, "elements" };
    if (ifmap > in.holds)
        too_small(c, g->layer, &in, what, ifmap);
    if (ofmap > out.holds)
        too_small(c, g->layer, &out, what, ofmap);
}

static void check_layer(rs_compiler *c, const rs_geometry *g)
{
    const rs_array_config *config = c->config;
    const rs_program_layer *layer = g->layer;
    if (layer->kind == RS_KIND_ADD && config->pe != RS_PE_MINIFLOAT) {
        const int max_align = rs_array_tree_bits(config, 0) - config->activation_bits -
                              (config->unsigned_activations == RS_YES);
        for (int i = 0; i < 2; i++)
            if (rs_qop_align(c->qnet, g->op, i) > max_align)
                rs_compiler_note(
                    c,
                    rs_error(c->diag, RS_BAD_INPUT, RS_FILE(config->file.path), NULL,
                             "layer '%s': the fractional lengths of its inputs differ by %d bits; products of "
                             "%d bits align at most %d",
                             layer->name, rs_qop_align(c->qnet, g->op, i), rs_array_tree_bits(config, 0), max_align));
    }
    if (g->direct)
        return;
    if (g->steps > config->weight_steps) {
        char what[64];
        snprintf(what, sizeof what, "one group of %d output channels",
                 (int)(g->groups_per_set > 1 ? config->lanes : g->lanes_set));
        const buffer_size weights = { "weight", "buffers.weight_steps", config->weight_steps, "steps" };
        too_small(c, layer, &weights, what, g->steps);
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
    const int64_t elements = rs_compiler_elements(c);
    rs_region *blob = &program->tensors[layer->blob];
    const rs_qtensor *t = &c->qnet->tensors[layer->blob];
    if (blob->beats == 0) {
        blob->address = program->memory_beats;
        blob->beats = rs_divide_up((int64_t)t->height * t->width * blob->pixel, elements);
        program->memory_beats += blob->beats;
    }
    if (layer->output != layer->blob) {
        const int64_t offset = rs_compiler_part_offset(c, layer) / elements;
        program->tensors[layer->output].address = blob->address + offset;
        program->tensors[layer->output].beats = blob->beats - offset;
    }
}

static rs_status tile_band(rs_compiler *c, rs_program_layer *layer, const rs_geometry *g, rs_band b, int64_t slice,
                           int64_t weight_address)
{
    if (!slice)
        return rs_compiler_add_descriptor(c, layer, g, &b, weight_address);
    rs_status status = RS_OK;
    for (int64_t channel = 0; channel < g->width && status == RS_OK; channel += slice) {
        b = band_of(c, g, b.first, b.rows, rs_min64(slice, g->width - channel));
        b.channel = channel;
        status = rs_compiler_add_descriptor(c, layer, g, &b, weight_address);
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
    const rs_geometry g = rs_geometry_of(c, index);
    layer->macs = rs_geometry_macs(&g);
    check_layer(c, &g);
    const int64_t weight_address = c->program->memory_beats;
    if (!g.direct)
        c->program->memory_beats += g.sets *
                                    ((g.groups_per_set - 1) * rs_compiler_group_beats(c, &g, c->config->lanes) +
                                     rs_compiler_group_beats(c, &g, g.lanes_set));
    allocate_blob(c, layer);
    for (int64_t first = 0; first < g.out->height;) {
        rs_band b = largest_band(c, &g, first);
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
