/* Compiler: quantized network -> program of the array. Fuses, lays out memory, tiles, packs weights. */
#include <inttypes.h>
#include <stdio.h>

#include "base/memory.h"
#include "export/weight_order.h"
#include "program/program.h"

typedef struct compiler {
    const rs_qnet *qnet;
    const rs_array_config *config; /* &program->config, widths resolved */
    rs_program *program;
    int capacity; /* of program->descriptors */
    rs_diag *diag;
    rs_status status; /* of the first error */
} compiler;

/* A layer of the program as the compiler works on it. */
typedef struct geometry {
    const rs_qop *op;
    const rs_qtensor *in, *conv, *out;
    int pool_h, pool_w, pool_stride_h, pool_stride_w;
    rs_weight_order order;
    bool relu;
    int64_t row_elems, in_rows; /* of the ifmap as the array sees it */
    int64_t out_row;            /* elements of an ofmap row, all channels */
    int64_t align_out;          /* rows after which a row of the ofmap begins on a beat again */
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

static void note(compiler *c, rs_status status)
{
    if (c->status == RS_OK)
        c->status = status;
}

static int64_t divide_up(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static int64_t gcd(int64_t a, int64_t b)
{
    while (b) {
        const int64_t r = a % b;
        a = b;
        b = r;
    }
    return a;
}

/* ------------------------------------------------------------------------------------------------- widths */

/* `needed`: the widest group of numbers of the net; `what` and `name` say which it is. Sets *bits if it was
 * RS_BITS_AUTO. */
static void resolve_width(compiler *c, int *bits, int needed, const char *what, const char *be, const char *name,
                          const char *key)
{
    const rs_loc loc = RS_FILE(c->program->config.path);
    if (*bits == RS_BITS_AUTO)
        *bits = needed;
    if (needed > 16)
        note(c, rs_error(c->diag, RS_BAD_INPUT, loc, "quantize the net to at most 16 bits",
                         "%s '%s' %s %d bits wide; the array takes at most 16", what, name, be, needed));
    else if (needed > *bits)
        note(c, rs_error(c->diag, RS_BAD_INPUT, loc, NULL,
                         "%s '%s' %s %d bits wide, but %s is %d; expected at least %d, or auto", what, name, be, needed,
                         key, *bits, needed));
}

static void resolve_widths(compiler *c)
{
    rs_array_config *config = &c->program->config;
    const rs_loc loc = RS_FILE(config->path);
    const rs_qtensor *widest = &c->qnet->tensors[0];
    for (int i = 1; i < c->qnet->n_tensors; i++)
        if (c->qnet->tensors[i].format.bits > widest->format.bits)
            widest = &c->qnet->tensors[i];
    resolve_width(c, &config->activation_bits, widest->format.bits, "blob", "is", widest->name,
                  "array.activation_bits");

    const rs_qop *heaviest = NULL, *longest = NULL;
    int accumulator = 2;
    const bool from_weights = config->accumulator_bits == RS_BITS_WEIGHTS;
    for (int i = 0; i < c->qnet->n_ops; i++) {
        const rs_qop *op = &c->qnet->ops[i];
        if (!rs_qop_weighted(op))
            continue;
        if (!heaviest || op->weight_format.bits > heaviest->weight_format.bits)
            heaviest = op;
        const int bits = rs_qop_accumulator_bits(c->qnet, op, from_weights);
        if (bits > accumulator || !longest) {
            accumulator = bits > accumulator ? bits : accumulator;
            longest = op;
        }
    }
    if (!heaviest) {
        note(c, rs_error(c->diag, RS_BAD_INPUT, RS_NOWHERE, NULL,
                         "net '%s' has no convolution and no inner product: nothing to run",
                         c->qnet->name ? c->qnet->name : ""));
        return;
    }
    resolve_width(c, &config->weight_bits, heaviest->weight_format.bits, "the weights of layer", "are", heaviest->name,
                  "array.weight_bits");
    if (config->accumulator_bits == RS_BITS_AUTO || config->accumulator_bits == RS_BITS_WEIGHTS) {
        config->accumulator_bits = accumulator;
        if (accumulator > RS_ACCUMULATOR_MAX_BITS)
            note(c, rs_error(c->diag, RS_BAD_INPUT, loc, "narrower weights or activations need less",
                             "layer '%s': its sums need %d bits; accumulators have at most %d", longest->name,
                             accumulator, (int)RS_ACCUMULATOR_MAX_BITS));
    }
    if (config->rounding != c->qnet->rounding)
        note(c, rs_error(c->diag, RS_BAD_INPUT, loc, NULL,
                         "array.rounding is %s, but net '%s' rounds %s; expected the same",
                         rs_rounding_name(config->rounding), c->qnet->name ? c->qnet->name : "",
                         rs_rounding_name(c->qnet->rounding)));
}

/* ------------------------------------------------------------------------------------------------- fusing */

static int only_consumer(const rs_qnet *qnet, int tensor)
{
    int found = -1;
    if (tensor == qnet->n_tensors - 1)
        return -1; /* the scores are wanted in memory */
    for (int i = 0; i < qnet->n_ops; i++) {
        for (int k = 0; k < qnet->ops[i].n_inputs; k++) {
            if (qnet->ops[i].inputs[k] != tensor)
                continue;
            if (found >= 0)
                return -1;
            found = i;
        }
    }
    return found;
}

/* What the array cannot do, named; true if there is nothing. */
static bool runnable(compiler *c, const rs_qop *op)
{
    const rs_qtensor *out = &c->qnet->tensors[op->output];
    if (out->is_unsigned || c->qnet->tensors[op->input].is_unsigned || op->weight_fl || out->format.bits > RS_QNET_MAX_BITS) {
        note(c, rs_error(c->diag, RS_BAD_INPUT, RS_NOWHERE, NULL,
                         "layer '%s': %s cannot run on the array", op->name,
                         op->weight_fl                             ? "fractional lengths that differ by output channel"
                         : out->format.bits > RS_QNET_MAX_BITS ? "outputs of more than 16 bits"
                                                               : "unsigned activations"));
        return false;
    }
    if (rs_qop_weighted(op) && op->groups != 1) {
        note(c, rs_error(c->diag, RS_BAD_INPUT, RS_NOWHERE, NULL,
                         "layer '%s': a convolution in %d groups cannot run on the array; expected 1 group", op->name,
                         op->groups));
        return false;
    }
    if (op->type == RS_QOP_MAX_POOL && (op->pad_h || op->pad_w)) {
        note(c, rs_error(c->diag, RS_BAD_INPUT, RS_NOWHERE, NULL,
                         "layer '%s': pooling with padding (%d, %d) cannot run on the array; expected no padding",
                         op->name, op->pad_h, op->pad_w));
        return false;
    }
    return true;
}

static rs_status fuse(compiler *c)
{
    const rs_qnet *qnet = c->qnet;
    rs_program *program = c->program;
    bool *taken = RS_NEW_ARRAY(bool, (size_t)qnet->n_ops);
    program->layers = RS_NEW_ARRAY(rs_program_layer, (size_t)qnet->n_ops);
    program->tensors = RS_NEW_ARRAY(rs_region, (size_t)qnet->n_tensors);
    if (!taken || !program->layers || !program->tensors) {
        rs_free(taken);
        return rs_out_of_memory(c->diag);
    }
    for (int i = 0; i < qnet->n_ops; i++) {
        const rs_qop *op = &qnet->ops[i];
        if (!runnable(c, op) || taken[i])
            continue;
        if (!rs_qop_weighted(op)) {
            note(c, rs_error(c->diag, RS_BAD_INPUT, RS_NOWHERE,
                             "the array does these only right behind a convolution or inner product whose own output "
                             "nothing else uses",
                             "layer '%s': %s that cannot be fused with the layer before it cannot run on the array",
                             op->name, rs_qop_type_name(op->type)));
            continue;
        }
        rs_program_layer *layer = &program->layers[program->n_layers++];
        *layer = (rs_program_layer) { .op = i, .pool_op = -1, .relu_op = -1, .input = op->input, .output = op->output };
        if (!(layer->name = rs_strdup(op->name))) {
            rs_free(taken);
            return rs_out_of_memory(c->diag);
        }
        for (int next; (next = only_consumer(qnet, layer->output)) >= 0;) {
            const rs_qop *follower = &qnet->ops[next];
            if (follower->type == RS_QOP_MAX_POOL && layer->pool_op < 0)
                layer->pool_op = next;
            else if (follower->type == RS_QOP_RELU && layer->relu_op < 0)
                layer->relu_op = next;
            else
                break;
            taken[next] = true;
            layer->output = follower->output;
        }
    }
    rs_free(taken);
    return c->status;
}

static geometry geometry_of(const compiler *c, const rs_program_layer *layer)
{
    const rs_qnet *qnet = c->qnet;
    const rs_qop *op = &qnet->ops[layer->op];
    const int64_t elements = rs_array_elements_per_beat(c->config);
    geometry g = { .op = op,
                   .in = &qnet->tensors[op->input],
                   .conv = &qnet->tensors[op->output],
                   .out = &qnet->tensors[layer->output],
                   .pool_h = 1,
                   .pool_w = 1,
                   .pool_stride_h = 1,
                   .pool_stride_w = 1,
                   .relu = op->relu || layer->relu_op >= 0 };
    if (layer->pool_op >= 0) {
        const rs_qop *pool = &qnet->ops[layer->pool_op];
        g.pool_h = pool->kernel_h;
        g.pool_w = pool->kernel_w;
        g.pool_stride_h = pool->stride_h;
        g.pool_stride_w = pool->stride_w;
    }
    g.order = rs_weight_order_of(qnet, op, c->config->multipliers);
    const bool whole = g.order.kind == RS_WEIGHTS_WHOLE_MAP;
    g.in_rows = whole ? 1 : g.in->height;
    g.row_elems = (int64_t)g.in->width * g.in->channels * (whole ? g.in->height : 1);
    g.out_row = (int64_t)g.out->width * g.out->channels;
    g.align_out = elements / gcd(elements, g.out_row);
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
    const rs_qop *op = g->op;
    return inside(g->conv->height, g->in->height, op->kernel_h, op->stride_h, op->pad_h, op->dilation_h) *
           inside(g->conv->width, g->in->width, op->kernel_w, op->stride_w, op->pad_w, op->dilation_w) *
           g->order.channels * g->conv->channels;
}

/* ------------------------------------------------------------------------------------------------- tiling */

/* A band of output rows [first, first + rows) and what it needs. */
typedef struct band {
    int64_t first, rows;
    int64_t conv_first, conv_rows; /* rows of the convolution */
    int64_t in_first, in_rows;     /* rows of the ifmap that are loaded */
    int64_t in_offset;             /* elements before them in their first beat */
    int64_t in_beats, out_beats;
} band;

static band band_of(const compiler *c, const geometry *g, int64_t first, int64_t rows)
{
    const int64_t elements = rs_array_elements_per_beat(c->config);
    band b = { .first = first, .rows = rows };
    b.conv_first = first * g->pool_stride_h;
    b.conv_rows = (rows - 1) * g->pool_stride_h + g->pool_h;
    if (b.conv_rows > g->conv->height - b.conv_first)
        b.conv_rows = g->conv->height - b.conv_first;
    int64_t top = 0, bottom = g->in_rows;
    if (g->order.kind != RS_WEIGHTS_WHOLE_MAP) {
        const rs_qop *op = g->op;
        top = b.conv_first * op->stride_h - op->pad_h;
        bottom = (b.conv_first + b.conv_rows - 1) * op->stride_h - op->pad_h +
                 (int64_t)(op->kernel_h - 1) * op->dilation_h + 1;
        /* At least one row is loaded even for a band that lies in the padding as a whole. */
        top = top < 0 ? 0 : top >= g->in_rows ? g->in_rows - 1 : top;
        bottom = bottom <= top ? top + 1 : bottom > g->in_rows ? g->in_rows : bottom;
    }
    b.in_first = top;
    b.in_offset = top * g->row_elems % elements;
    b.in_rows = bottom - b.in_first;
    b.in_beats = divide_up(b.in_offset + b.in_rows * g->row_elems, elements);
    b.out_beats = divide_up(rows * g->out_row, elements);
    return b;
}

static bool fits(const compiler *c, const band *b)
{
    const int64_t elements = rs_array_elements_per_beat(c->config);
    return b->in_beats * elements <= c->config->activation_elements &&
           b->out_beats * elements <= c->config->output_elements;
}

/* The largest band from row `first` on that fits: all rows that are left, or else a multiple of align_out of them, so
 * that the next band begins on a beat. rows = 0: none fits. */
static band largest_band(const compiler *c, const geometry *g, int64_t first)
{
    const int64_t left = g->out->height - first;
    band b = band_of(c, g, first, left);
    if (fits(c, &b))
        return b;
    int64_t low = 0, high = divide_up(
                         left, g->align_out); /* in units of align_out: low fits (or is 0), high does not or is all */
    while (high - low > 1) {
        const int64_t middle = (low + high) / 2;
        b = band_of(c, g, first, middle * g->align_out);
        if (fits(c, &b))
            low = middle;
        else
            high = middle;
    }
    return low ? band_of(c, g, first, low * g->align_out) : (band) { .first = first };
}

static void too_small(compiler *c, const rs_program_layer *layer, const char *buffer, const char *key, int64_t holds,
                      const char *unit, const char *what, int64_t needs)
{
    char a[32], b[32], d[32];
    char *hint = rs_format("raise buffers.%s to %" PRId64, key, needs);
    note(c, rs_error(c->diag, RS_BAD_INPUT, RS_FILE(c->config->path), hint,
                     "layer '%s': %s buffer holds %s %s, %s needs %s: %s too few", layer->name, buffer,
                     thousands(holds, a), unit, what, thousands(needs, b), thousands(needs - holds, d)));
    rs_free(hint);
}

/* Says which buffers cannot take even the smallest band at row `first`. */
static void no_band(compiler *c, const rs_program_layer *layer, const geometry *g, int64_t first)
{
    const int64_t elements = rs_array_elements_per_beat(c->config);
    const int64_t left = g->out->height - first;
    const band b = band_of(c, g, first, g->align_out < left ? g->align_out : left);
    char what[96];
    if (b.rows == 1)
        snprintf(what, sizeof what, "one band of 1 output row");
    else
        snprintf(what, sizeof what, "one band of %" PRId64 " output rows (fewer do not end on a beat)", b.rows);
    if (b.in_beats * elements > c->config->activation_elements)
        too_small(c, layer, "activation", "activation_elements", c->config->activation_elements, "elements", what,
                  b.in_beats * elements);
    if (b.out_beats * elements > c->config->output_elements)
        too_small(c, layer, "output", "output_elements", c->config->output_elements, "elements", what,
                  b.out_beats * elements);
}

/* -------------------------------------------------------------------------------------------- descriptors */

/* Tiles of the layer that produces `tensor` which must be stored before rows below `end_row` of it can be read. */
static int64_t producers(const compiler *c, int tensor, int64_t end_row)
{
    for (int i = 0; i < c->program->n_layers; i++) {
        const rs_program_layer *layer = &c->program->layers[i];
        if (layer->output != tensor)
            continue;
        int64_t row = 0;
        int d = layer->first;
        while (row < end_row && d < layer->first + layer->count)
            row += c->program->descriptors[d++].out_h;
        return d;
    }
    return 0; /* the input */
}

static void check_fields(compiler *c, const rs_program_layer *layer, const int64_t *values)
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
            note(c, rs_error(c->diag, RS_BAD_INPUT, RS_NOWHERE, NULL,
                             "layer '%s' is too large for the array: %s (%s) would be %s; a descriptor holds at %s %s",
                             layer->name, fields[i].name, fields[i].meaning, thousands(values[i], a),
                             values[i] < low ? "least" : "most", thousands(values[i] < low ? low : high, b)));
    }
}

static rs_status add_descriptor(compiler *c, rs_program_layer *layer, const geometry *g, const band *b,
                                int64_t weight_address)
{
    const rs_array_config *config = c->config;
    rs_program *program = c->program;
    const rs_qop *op = g->op;
    const int64_t elements = rs_array_elements_per_beat(config), lanes = config->lanes;
    const int64_t groups = divide_up(g->out->channels, lanes), lanes_last = g->out->channels - (groups - 1) * lanes;
    const int64_t full = groups > 1 ? lanes
                                    : lanes_last; /* a single group is the last one; its fields are the last's */
    const bool whole = g->order.kind == RS_WEIGHTS_WHOLE_MAP;
    const int64_t channels = g->in->channels, in_first = b->in_first;
    const int64_t step_bits = (int64_t)config->multipliers * config->weight_bits;

    struct {
#define FIELD(name, bits, is_signed, meaning) int64_t name;
#include "program/descriptor.def"
#undef FIELD
    } v = {
        .groups = groups,
        .groups_per_set = groups,
        .lanes_set = lanes_last,
        .lanes_last = lanes_last,
        .out_channels = g->out->channels,
        .out_h = b->rows,
        .out_w = g->out->width,
        .conv_h = b->conv_rows,
        .conv_w = g->conv->width,
        .pool_h = g->pool_h,
        .pool_w = g->pool_w,
        .pool_stride_h = g->pool_stride_h,
        .pool_stride_w = g->pool_stride_w,
        .in_rows = b->in_rows,
        .row_elems = g->row_elems,
        .origin_row = whole ? 0 : b->conv_first * op->stride_h - op->pad_h - in_first,
        .origin_col = -(int64_t)op->pad_w * channels,
        .step_row = op->stride_h,
        .step_col = (int64_t)op->stride_w * channels,
        .seg1_count = g->order.seg1_count,
        .seg1_rows = op->dilation_h,
        .seg2_count = g->order.seg2_count,
        .seg2_cols = (int64_t)op->dilation_w * channels,
        .seg_len = g->order.seg_len,
        .chunks = g->order.chunks,
        .steps = g->order.steps,
        .scale = 1,
        .scale_right = 1,
        .scale_bottom = 1,
        .scale_corner = 1,
        .shift = op->shift,
        .shift_right = op->shift,
        .shift_bottom = op->shift,
        .shift_corner = op->shift,
        .relu = g->relu,
        .out_bits = g->out->format.bits,
        .wait_stored = producers(c, op->input, whole ? g->in->height : in_first + b->in_rows),
        .ifmap_addr = program->tensors[op->input].address + in_first * g->row_elems / elements,
        .ifmap_beats = b->in_beats,
        .weight_addr = weight_address,
        .bias_beats = divide_up(full * config->accumulator_bits, config->bus_bits),
        .bias_beats_last = divide_up(lanes_last * config->accumulator_bits, config->bus_bits),
        .step_beats = divide_up(full * step_bits, config->bus_bits),
        .step_beats_last = divide_up(lanes_last * step_bits, config->bus_bits),
        .ofmap_addr = program->tensors[layer->output].address + b->first * g->out_row / elements,
        .ofmap_beats = b->out_beats,
        .run_beats = b->out_beats,
    };
    v.origin_elems = v.origin_row * v.row_elems + b->in_offset;
    v.step_row_elems = v.step_row * v.row_elems;
    v.seg1_elems = v.seg1_rows * v.row_elems;
    v.window_rows = v.pool_stride_h * v.step_row;
    v.window_row_elems = v.window_rows * v.row_elems;
    v.window_cols = v.pool_stride_w * v.step_col;
    v.ofmap_last_elems = b->rows * g->out_row - (b->out_beats - 1) * elements;
    check_fields(c, layer, (const int64_t *)&v);
    if (program->n_descriptors == c->capacity) {
        const int capacity = c->capacity ? 2 * c->capacity : 16;
        rs_descriptor *grown = rs_recalloc(program->descriptors, (size_t)c->capacity, (size_t)capacity, sizeof *grown);
        if (!grown)
            return rs_out_of_memory(c->diag);
        program->descriptors = grown;
        c->capacity = capacity;
    }
    program->descriptors[program->n_descriptors++] = (rs_descriptor) {
#define FIELD(name, bits, is_signed, meaning) .name = (int32_t)v.name,
#include "program/descriptor.def"
#undef FIELD
    };
    layer->count++;
    return RS_OK;
}

static int64_t group_beats(const compiler *c, const geometry *g, int64_t lanes)
{
    return divide_up(lanes * c->config->accumulator_bits, c->config->bus_bits) +
           g->order.steps * divide_up(lanes * c->config->multipliers * c->config->weight_bits, c->config->bus_bits);
}

static rs_status tile_layer(compiler *c, rs_program_layer *layer)
{
    const geometry g = geometry_of(c, layer);
    const int64_t elements = rs_array_elements_per_beat(c->config), lanes = c->config->lanes;
    layer->first = c->program->n_descriptors;
    layer->macs = useful_macs(&g);
    if ((g.out->height - 1) * (int64_t)g.pool_stride_h >= g.conv->height ||
        (g.out->width - 1) * (int64_t)g.pool_stride_w >= g.conv->width) {
        note(c, rs_error(c->diag, RS_BAD_INPUT, RS_NOWHERE, NULL,
                         "layer '%s': its last window lies outside the map; expected strides of at most "
                         "the kernel's size, or a map that they divide",
                         c->qnet->ops[layer->pool_op].name));
        return RS_OK;
    }
    if (g.order.steps > c->config->weight_steps) {
        char what[64];
        snprintf(what, sizeof what, "one group of %d output channels",
                 (int)(g.out->channels < lanes ? g.out->channels : lanes));
        too_small(c, layer, "weight", "weight_steps", c->config->weight_steps, "steps", what, g.order.steps);
    }
    for (int o = 0; o < g.conv->channels; o++) {
        const int64_t bias = g.op->bias[o];
        if (bias < rs_fxp_min(c->config->accumulator_bits) || bias > rs_fxp_max(c->config->accumulator_bits)) {
            note(c, rs_error(c->diag, RS_BAD_INPUT, RS_FILE(c->config->path),
                             "array.accumulator_bits: auto derives a width that holds every sum",
                             "layer '%s': the bias of output channel %d, %" PRId64
                             ", does not fit the accumulator's %d bits",
                             layer->name, o, bias, c->config->accumulator_bits));
            break;
        }
    }
    const int64_t weight_address = c->program->memory_beats;
    const int64_t groups = divide_up(g.out->channels, lanes), lanes_last = g.out->channels - (groups - 1) * lanes;
    c->program->memory_beats += (groups - 1) * group_beats(c, &g, lanes) + group_beats(c, &g, lanes_last);
    c->program->tensors[layer->output] = (rs_region) { c->program->memory_beats,
                                                       divide_up(g.out->height * g.out_row, elements) };
    c->program->memory_beats += c->program->tensors[layer->output].beats;
    for (int64_t first = 0; first < g.out->height;) {
        const band b = largest_band(c, &g, first);
        if (!b.rows) {
            no_band(c, layer, &g, first);
            break;
        }
        const rs_status status = add_descriptor(c, layer, &g, &b, weight_address);
        if (status != RS_OK)
            return status;
        first += b.rows;
    }
    return RS_OK;
}

/* ------------------------------------------------------------------------------------------------- memory */

static void pack_weights(const rs_program *program, const rs_program_layer *layer)
{
    const rs_array_config *config = &program->config;
    const rs_descriptor *d = &program->descriptors[layer->first];
    const rs_qop *op = &program->qnet->ops[layer->op];
    const rs_weight_order order = rs_weight_order_of(program->qnet, op, config->multipliers);
    const int64_t terms = (int64_t)order.channels * order.kernel_h * order.kernel_w, beat = config->bus_bits;
    int64_t at = (int64_t)d->weight_addr * beat; /* in bits */
    for (int group = 0; group < d->groups; group++) {
        const bool last = group + 1 == d->groups;
        const int lanes = last ? d->lanes_last : config->lanes;
        for (int lane = 0; lane < lanes; lane++)
            rs_bits_put(program->memory, at + (int64_t)lane * config->accumulator_bits, config->accumulator_bits,
                        op->bias[group * config->lanes + lane]);
        at += (last ? d->bias_beats_last : d->bias_beats) * beat;
        for (int64_t step = 0; step < order.steps; step++) {
            int64_t bit = at;
            for (int lane = 0; lane < lanes; lane++) {
                const int32_t *weights = op->weights + (group * config->lanes + lane) * terms;
                for (int i = 0; i < config->multipliers; i++, bit += config->weight_bits) {
                    const int64_t index = rs_weight_order_index(&order, step, i);
                    if (index >= 0)
                        rs_bits_put(program->memory, bit, config->weight_bits, weights[index]);
                }
            }
            at += (last ? d->step_beats_last : d->step_beats) * beat;
        }
    }
}

static rs_status copy_config(rs_program *program, const rs_array_config *config, rs_diag *diag)
{
    program->config = *config;
    program->config.path = program->config.name = NULL;
    if ((config->path && !(program->config.path = rs_strdup(config->path))) ||
        (config->name && !(program->config.name = rs_strdup(config->name))))
        return rs_out_of_memory(diag);
    return RS_OK;
}

static rs_status compile(compiler *c)
{
    rs_program *program = c->program;
    resolve_widths(c);
    if (c->status != RS_OK)
        return c->status;
    rs_status status = fuse(c);
    if (status != RS_OK)
        return status;

    const rs_qtensor *input = &c->qnet->tensors[0];
    const int64_t elements = rs_array_elements_per_beat(c->config);
    program->tensors[0].beats = divide_up((int64_t)input->channels * input->height * input->width, elements);
    program->memory_beats = program->tensors[0].beats;
    for (int i = 0; i < program->n_layers; i++)
        if ((status = tile_layer(c, &program->layers[i])) != RS_OK)
            return status;
    if (c->status != RS_OK)
        return c->status;
    if (program->n_descriptors > c->config->program_depth)
        return rs_error(c->diag, RS_BAD_INPUT, RS_FILE(c->config->path),
                        "raise array.program_depth, or the buffers: larger bands need fewer descriptors",
                        "net '%s' needs %d descriptors, array.program_depth is %d", c->qnet->name ? c->qnet->name : "",
                        program->n_descriptors, c->config->program_depth);
    /* Addresses were checked against 31 bits, so that the product fits. */
    program->memory = rs_calloc((size_t)program->memory_beats, (size_t)rs_program_beat_bytes(program));
    if (!program->memory)
        return rs_out_of_memory(c->diag);
    for (int i = 0; i < program->n_layers; i++)
        pack_weights(program, &program->layers[i]);
    return RS_OK;
}

rs_status rs_program_compile(const rs_qnet *qnet, const rs_array_config *config, rs_program **program, rs_diag *diag)
{
    *program = NULL;
    compiler c = { .qnet = qnet, .diag = diag, .program = RS_NEW(rs_program) };
    if (!c.program)
        return rs_out_of_memory(diag);
    c.program->qnet = qnet;
    c.config = &c.program->config;
    rs_status status = copy_config(c.program, config, diag);
    if (status == RS_OK)
        status = compile(&c);
    if (status != RS_OK) {
        rs_program_free(c.program);
        return status;
    }
    *program = c.program;
    return RS_OK;
}

void rs_program_free(rs_program *program)
{
    if (!program)
        return;
    for (int i = 0; i < program->n_layers; i++)
        rs_free(program->layers[i].name);
    rs_free(program->layers);
    rs_free(program->descriptors);
    rs_free(program->tensors);
    rs_free(program->memory);
    rs_free(program->config.path);
    rs_free(program->config.name);
    rs_free(program);
}
