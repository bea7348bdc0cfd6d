/* test-options: limit=240
 * The Verilated array against plain loops: random chains of layers on several arrays, descriptors and memory packed
 * here by docs/reference/microarchitecture.md and by nothing that the compiler or the C model use. Values, saturation
 * and overflow counts, the contents of memory, and cycle numbers where a formula gives them. */
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "cosim/dut.h"
#include "fxp/fxp.h"

enum { MAX_LAYERS = 4, MAX_BEATS = 1 << 14, MAX_VALUES = 1 << 14 };

static rs_diag *diag;
static rs_rng rng;

static int pick(int low, int high)
{
    return low + (int)(rs_rng_next(&rng) % (uint64_t)(high - low + 1));
}

/* Biased to the rails. */
static int32_t value_of(int bits)
{
    const int64_t low = rs_fxp_min(bits), high = rs_fxp_max(bits);
    switch (pick(0, 5)) {
    case 0:
        return (int32_t)low;
    case 1:
        return (int32_t)high;
    case 2:
        return 0;
    default:
        return (int32_t)(low + (int64_t)(rs_rng_next(&rng) % (uint64_t)(high - low + 1)));
    }
}

typedef enum layer_kind { CONVOLUTION, AVERAGE, ADD, MAXIMUM, COPY, KINDS } layer_kind;

typedef struct layer {
    layer_kind kind;
    int h, w, c; /* ifmap */
    int kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w;
    int out_c, conv_h, conv_w;
    int pool_h, pool_w, pool_stride_h, pool_stride_w, out_h, out_w;
    int relu, shift, out_bits;
    int groups;                         /* of the convolution */
    int sets, set_in, set_out, per_set; /* channels of a set; groups of lanes in it */
    int align, align_second;
    int scales[4], shifts[4]; /* plain, right, bottom, corner */
    bool runs;                /* of whole beats for each pixel, with a gap between them */
    int skip;
    int seg1, seg2, seg_len, chunks, steps;
    bool whole;
    int32_t *weights; /* [out_c][kernel_h][kernel_w][c / groups] */
    int64_t *biases;
    int32_t *in, *second, *out; /* HWC */
    int64_t in_beat, second_beat, weight_beat, out_beat;
} layer;

/* What an output beat must be. */
typedef struct beat {
    int descriptor, n;
    int64_t address;
    uint32_t saturations, overflows;
    int32_t values[64];
} beat;

typedef struct scene {
    rs_array_config config;
    int n_layers;
    layer layers[MAX_LAYERS];
    rs_descriptor descriptors[MAX_LAYERS];
    uint8_t *memory;
    int64_t beats;
    beat *expected;
    int n_expected, n_seen;
    uint64_t compared, last_write, done, reads, writes;
    uint64_t first_output, last_output;
} scene;

static void put(scene *s, int64_t bit, int bits, int64_t value)
{
    for (int i = 0; i < bits; i++, bit++) {
        const uint8_t mask = (uint8_t)(1U << (bit % 8));
        if ((value >> i) & 1)
            s->memory[bit / 8] |= mask;
        else
            s->memory[bit / 8] &= (uint8_t)~mask;
    }
}

static int ceil_div(int a, int b)
{
    return (a + b - 1) / b;
}

/* Channels side by side: docs/reference/array-data.md, sets. */
static void set_sets(const rs_array_config *c, layer *l)
{
    if (l->kind == CONVOLUTION) {
        int together = 1;
        for (int s = 1; s <= l->groups; s++)
            if (l->groups % s == 0 && s * (l->out_c / l->groups) <= c->lanes &&
                s * (l->c / l->groups) <= c->multipliers)
                together = s;
        l->sets = l->groups / together;
        l->set_in = together * (l->c / l->groups);
        l->set_out = together * (l->out_c / l->groups);
    } else {
        l->set_in = c->lanes < c->multipliers ? c->lanes : c->multipliers;
        if (l->c < l->set_in)
            l->set_in = l->c;
        l->set_out = l->set_in;
        l->sets = ceil_div(l->c, l->set_in);
    }
    l->per_set = ceil_div(l->set_out, c->lanes);
}

/* Lanes of group g and its first output channel. */
static int lanes_of(const rs_array_config *c, const layer *l, int g, int *first)
{
    const int behind = g % l->per_set * c->lanes;
    *first = g / l->per_set * l->set_out + behind;
    int lanes = c->lanes;
    if (lanes > l->set_out - behind)
        lanes = l->set_out - behind;
    return lanes > l->out_c - *first ? l->out_c - *first : lanes;
}

/* A layer without weights. */
static bool draw_direct(const rs_array_config *c, layer *l)
{
    const int elements = c->bus_bits / c->activation_bits;
    l->kind = (layer_kind)pick(AVERAGE, COPY);
    l->out_c = l->c;
    l->groups = 1;
    l->kernel_h = l->kernel_w = 1;
    l->conv_h = l->h;
    l->conv_w = l->w;
    if (l->kind == AVERAGE) {
        l->kernel_h = pick(1, 4);
        l->kernel_w = pick(1, 4);
        l->stride_h = pick(1, 3);
        l->stride_w = pick(1, 3);
        l->pad_h = pick(0, l->kernel_h - 1);
        l->pad_w = pick(0, l->kernel_w - 1);
        l->conv_h = pick(1, ceil_div(l->h + l->pad_h, l->stride_h));
        l->conv_w = pick(1, ceil_div(l->w + l->pad_w, l->stride_w));
    } else if (l->kind == MAXIMUM) {
        l->pool_h = pick(1, 3);
        l->pool_w = pick(1, 3);
        l->pool_stride_h = pick(1, 3);
        l->pool_stride_w = pick(1, 3);
        l->pad_h = pick(0, l->pool_h - 1);
        l->pad_w = pick(0, l->pool_w - 1);
        l->conv_h += l->pad_h;
        l->conv_w += l->pad_w;
    }
    l->out_h = l->kind == MAXIMUM ? pick(1, ceil_div(l->conv_h, l->pool_stride_h)) : l->conv_h;
    l->out_w = l->kind == MAXIMUM ? pick(1, ceil_div(l->conv_w, l->pool_stride_w)) : l->conv_w;
    l->relu = pick(0, 1);
    l->out_bits = pick(0, 2) == 0 ? pick(1, c->activation_bits) : c->activation_bits;
    l->align = pick(0, c->weight_bits);
    l->align_second = l->kind == ADD ? pick(0, c->weight_bits) : l->align;
    for (int i = 0; i < 4; i++) {
        l->scales[i] = l->kind == AVERAGE ? pick(1 << 14, 1 << 15) : 1;
        l->shifts[i] = l->kind == AVERAGE ? pick(10, 20) : i > 0 ? l->shifts[0] : pick(-2, c->weight_bits + 1);
    }
    set_sets(c, l);
    l->seg1 = l->kind == ADD ? 2 : l->kernel_h;
    l->seg2 = l->kernel_w;
    l->seg_len = l->set_in;
    l->chunks = 1;
    l->steps = l->seg1 * l->seg2;
    return (1 + (l->kind == ADD)) * ceil_div(l->h * l->w * l->c, elements) * elements <= c->activation_elements &&
           ceil_div(l->out_h * l->out_w * l->out_c, elements) * elements <= c->output_elements;
}

/* Shapes that fit the buffers; false: draw again. */
static bool draw_layer(const rs_array_config *c, const layer *before, layer *l)
{
    memset(l, 0, sizeof *l);
    const int elements = c->bus_bits / c->activation_bits;
    l->h = before != NULL ? before->out_h : pick(1, 9);
    l->w = before != NULL ? before->out_w : pick(1, 9);
    l->c = before != NULL ? before->out_c : pick(1, 6);
    l->stride_h = l->stride_w = l->dilation_h = l->dilation_w = 1;
    l->pool_h = l->pool_w = l->pool_stride_h = l->pool_stride_w = 1;
    if (pick(0, 2) == 0)
        return draw_direct(c, l);
    if (pick(0, 4) == 0) {
        l->whole = true;
        l->kernel_h = l->h;
        l->kernel_w = l->w;
    } else {
        l->kernel_h = pick(1, 4);
        l->kernel_w = pick(1, 4);
        l->stride_h = pick(1, 3);
        l->stride_w = pick(1, 3);
        l->pad_h = pick(0, l->kernel_h - 1);
        l->pad_w = pick(0, l->kernel_w - 1);
        if (pick(0, 2) == 0) {
            l->dilation_h = pick(1, 3);
            l->dilation_w = pick(1, 3);
        }
        if (pick(0, 1) == 0) {
            l->pool_h = pick(1, 3);
            l->pool_w = pick(1, 3);
            l->pool_stride_h = pick(1, 3);
            l->pool_stride_w = pick(1, 3);
        }
    }
    const int extent_h = (l->kernel_h - 1) * l->dilation_h + 1, extent_w = (l->kernel_w - 1) * l->dilation_w + 1;
    if (l->h + 2 * l->pad_h < extent_h || l->w + 2 * l->pad_w < extent_w)
        return false;
    l->groups = 1;
    if (!l->whole && pick(0, 2) == 0)
        l->groups = pick(0, 1) == 0 ? l->c : l->c % 2 == 0 ? 2 : 1;
    l->out_c = l->groups * pick(1, ceil_div(2 * c->lanes + 1, l->groups));
    set_sets(c, l);
    l->conv_h = (l->h + 2 * l->pad_h - extent_h) / l->stride_h + 1;
    l->conv_w = (l->w + 2 * l->pad_w - extent_w) / l->stride_w + 1;
    /* As Caffe rounds up, less the windows that begin outside. */
    l->out_h = l->conv_h <= l->pool_h ? 1 : ceil_div(l->conv_h - l->pool_h, l->pool_stride_h) + 1;
    l->out_w = l->conv_w <= l->pool_w ? 1 : ceil_div(l->conv_w - l->pool_w, l->pool_stride_w) + 1;
    if ((l->out_h - 1) * l->pool_stride_h >= l->conv_h)
        l->out_h--;
    if ((l->out_w - 1) * l->pool_stride_w >= l->conv_w)
        l->out_w--;
    l->relu = pick(0, 1);
    l->shift = pick(0, 3) == 0 ? pick(RS_SHIFT_MIN, RS_SHIFT_MAX) : pick(0, c->weight_bits + 3);
    for (int i = 0; i < 4; i++) {
        l->scales[i] = 1;
        l->shifts[i] = l->shift;
    }
    l->out_bits = pick(0, 2) == 0 ? pick(1, c->activation_bits) : c->activation_bits;
    if (l->whole) {
        l->seg1 = l->seg2 = 1;
        l->seg_len = l->h * l->w * l->c;
    } else if (l->dilation_w == 1 && l->groups == 1 && pick(0, 3) != 0) {
        l->seg1 = l->kernel_h;
        l->seg2 = 1;
        l->seg_len = l->kernel_w * l->c;
    } else { /* "points" serves every shape */
        l->seg1 = l->kernel_h;
        l->seg2 = l->kernel_w;
        l->seg_len = l->set_in;
    }
    l->chunks = ceil_div(l->seg_len, c->multipliers);
    l->steps = l->seg1 * l->seg2 * l->chunks;
    return l->steps <= c->weight_steps && ceil_div(l->h * l->w * l->c, elements) * elements <= c->activation_elements &&
           ceil_div(l->out_h * l->out_w * l->out_c, elements) * elements <= c->output_elements;
}

/* The weight of element k of segment (s1, s2), and which element of the ifmap it meets at position (cy, cx): index, or
 * -1. */
static int32_t tap(const layer *l, int o, int s1, int s2, int k, int cy, int cx, int *element)
{
    int ky = s1, kx = s2, ch = k;
    if (l->whole) {
        ky = k / (l->w * l->c);
        kx = k / l->c % l->w;
        ch = k % l->c;
    } else if (l->seg2 == 1 && l->seg_len == l->kernel_w * l->c) {
        kx = k / l->c;
        ch = k % l->c;
    } else {
        ch += o / l->set_out * l->set_in;
    }
    const int y = cy * l->stride_h - l->pad_h + ky * l->dilation_h,
              x = cx * l->stride_w - l->pad_w + kx * l->dilation_w;
    *element = y >= 0 && y < l->h && x >= 0 && x < l->w ? (y * l->w + x) * l->c + ch : -1;
    const int channels = l->c / l->groups;
    if (ch / channels != o / (l->out_c / l->groups))
        return 0;
    return l->weights[((o * l->kernel_h + ky) * l->kernel_w + kx) * channels + ch % channels];
}

static int64_t fit(const rs_array_config *c, int64_t acc, uint32_t *overflows)
{
    const int64_t fits = c->overflow == RS_OVERFLOW_WRAP ? rs_fxp_wrap(acc, c->accumulator_bits)
                                                         : rs_fxp_saturate(acc, c->accumulator_bits, NULL);
    *overflows += fits != acc;
    return fits;
}

/* Channel o of a layer without weights at position (cy, cx): the sum of a window, of two inputs, or one element. */
static int64_t direct_sum(const rs_array_config *c, const layer *l, int o, int cy, int cx, uint32_t *overflows)
{
    int64_t acc = 0;
    for (int ky = 0; ky < l->kernel_h; ky++)
        for (int kx = 0; kx < l->kernel_w; kx++) {
            const int y = cy * l->stride_h - l->pad_h + ky, x = cx * l->stride_w - l->pad_w + kx;
            const bool inside = y >= 0 && y < l->h && x >= 0 && x < l->w;
            acc = fit(c, acc + (inside ? (int64_t)l->in[(y * l->w + x) * l->c + o] * (1 << l->align) : 0), overflows);
        }
    if (l->kind == ADD)
        acc = fit(c, acc + (int64_t)l->second[(cy * l->w + cx) * l->c + o] * (1 << l->align_second), overflows);
    return acc;
}

/* The result of output o at position (cy, cx) of the convolution; which: of the four scales. */
static int32_t position(const rs_array_config *c, const layer *l, int o, int cy, int cx, int which,
                        uint32_t *saturations, uint32_t *overflows)
{
    uint64_t changed = 0;
    if (l->kind != CONVOLUTION) {
        if (l->kind == MAXIMUM && (cy < l->pad_h || cx < l->pad_w))
            return (int32_t)rs_fxp_min(l->out_bits);
        const int64_t sum = direct_sum(c, l, o, cy, cx, overflows) * l->scales[which];
        const int32_t result = rs_fxp_requantize(sum, l->relu != 0, l->shifts[which], l->out_bits, c->rounding, 0,
                                                 &changed);
        *saturations += (uint32_t)changed;
        return result;
    }
    int64_t acc = l->biases[o];
    for (int s1 = 0; s1 < l->seg1; s1++)
        for (int s2 = 0; s2 < l->seg2; s2++)
            for (int ch = 0; ch < l->chunks; ch++) {
                for (int i = 0; i < c->multipliers && ch * c->multipliers + i < l->seg_len; i++) {
                    int element = 0;
                    const int64_t weight = tap(l, o, s1, s2, ch * c->multipliers + i, cy, cx, &element);
                    acc += element >= 0 ? weight * l->in[element] : 0;
                }
                acc = fit(c, acc, overflows);
            }
    const int32_t q = rs_fxp_requantize(acc, l->relu != 0, l->shift, l->out_bits, c->rounding, 0, &changed);
    *saturations += (uint32_t)changed;
    return q;
}

static void compute(scene *s, int number)
{
    const rs_array_config *c = &s->config;
    layer *l = &s->layers[number];
    const int elements = c->bus_bits / c->activation_bits;
    const int channels = l->runs ? ceil_div(l->out_c, elements) * elements : l->out_c;
    for (int g = 0; g < l->sets * l->per_set; g++)
        for (int oy = 0; oy < l->out_h; oy++)
            for (int ox = 0; ox < l->out_w; ox++) {
                assert_true(s->n_expected < MAX_VALUES);
                beat *b = &s->expected[s->n_expected++];
                memset(b, 0, sizeof *b);
                b->descriptor = number;
                int first = 0;
                b->n = lanes_of(c, l, g, &first);
                b->address = (oy * l->out_w + ox) * channels + first;
                const int which = 2 * (oy == l->out_h - 1) + (ox == l->out_w - 1);
                for (int n = 0; n < b->n; n++) {
                    int32_t best = INT32_MIN;
                    for (int wy = 0; wy < l->pool_h; wy++)
                        for (int wx = 0; wx < l->pool_w; wx++) {
                            const int cy = oy * l->pool_stride_h + wy, cx = ox * l->pool_stride_w + wx;
                            if (cy >= l->conv_h || cx >= l->conv_w)
                                continue;
                            const int32_t q = position(c, l, first + n, cy, cx, which, &b->saturations, &b->overflows);
                            if (q > best)
                                best = q;
                        }
                    b->values[n] = best;
                    l->out[(oy * l->out_w + ox) * l->out_c + first + n] = best;
                }
            }
}

static int64_t place(scene *s, int64_t n)
{
    const int64_t at = s->beats;
    s->beats += n;
    assert_true(s->beats <= MAX_BEATS);
    return at;
}

static void pack_weights(scene *s, layer *l)
{
    const rs_array_config *c = &s->config;
    int64_t at = l->weight_beat;
    for (int g = 0; g < l->sets * l->per_set; g++) {
        int first = 0;
        const int lanes = lanes_of(c, l, g, &first);
        for (int n = 0; n < lanes; n++)
            put(s, at * c->bus_bits + n * c->accumulator_bits, c->accumulator_bits, l->biases[first + n]);
        at += ceil_div(lanes * c->accumulator_bits, c->bus_bits);
        for (int s1 = 0; s1 < l->seg1; s1++)
            for (int s2 = 0; s2 < l->seg2; s2++)
                for (int ch = 0; ch < l->chunks; ch++) {
                    for (int n = 0; n < lanes; n++)
                        for (int i = 0; i < c->multipliers; i++) {
                            const int k = ch * c->multipliers + i;
                            int element = 0;
                            const int32_t weight = k < l->seg_len ? tap(l, first + n, s1, s2, k, 0, 0, &element) : 0;
                            put(s, at * c->bus_bits + (n * c->multipliers + i) * c->weight_bits, c->weight_bits,
                                weight);
                        }
                    at += ceil_div(lanes * c->multipliers * c->weight_bits, c->bus_bits);
                }
    }
    assert_int_equal(at, s->beats);
}

static void describe(scene *s, int number)
{
    const rs_array_config *c = &s->config;
    layer *l = &s->layers[number];
    const int elements = c->bus_bits / c->activation_bits, groups = l->sets * l->per_set;
    int first = 0;
    const int last = lanes_of(c, l, groups - 1, &first);
    const int full_step = ceil_div(c->lanes * c->multipliers * c->weight_bits, c->bus_bits);
    const int last_step = ceil_div(last * c->multipliers * c->weight_bits, c->bus_bits);
    const int full_bias = ceil_div(c->lanes * c->accumulator_bits, c->bus_bits);
    const int last_bias = ceil_div(last * c->accumulator_bits, c->bus_bits);
    if (l->kind == CONVOLUTION) {
        l->weight_beat = place(s, (groups - l->sets) * (full_bias + l->steps * full_step) +
                                      l->sets * (last_bias + l->steps * last_step));
        pack_weights(s, l);
    }
    const int pixels = l->out_h * l->out_w, out_elements = l->runs ? l->out_c : pixels * l->out_c;
    const int run_beats = ceil_div(out_elements, elements);
    l->out_beat = place(s, l->runs ? pixels * (run_beats + l->skip) : run_beats);

    rs_descriptor *d = &s->descriptors[number];
    memset(d, 0, sizeof *d);
    d->mode = l->kind == CONVOLUTION ? 0 : l->kind == MAXIMUM ? 2 : 1;
    d->groups = groups;
    d->groups_per_set = l->per_set;
    d->lanes_set = l->set_out - (l->per_set - 1) * c->lanes;
    d->set_cols = l->set_in;
    d->lanes_last = last;
    d->out_channels = l->runs ? run_beats * elements : l->out_c;
    d->out_h = l->out_h;
    d->out_w = l->out_w;
    d->conv_h = l->conv_h;
    d->conv_w = l->conv_w;
    d->pool_h = l->pool_h;
    d->pool_w = l->pool_w;
    d->pool_stride_h = l->pool_stride_h;
    d->pool_stride_w = l->pool_stride_w;
    d->in_rows = l->whole ? 1 : l->h;
    d->row_elems = l->whole ? l->h * l->w * l->c : l->w * l->c;
    d->origin_row = -l->pad_h;
    d->origin_col = -l->pad_w * l->c;
    d->step_row = l->stride_h;
    d->step_col = l->stride_w * l->c;
    d->seg1_count = l->seg1;
    d->seg1_rows = l->dilation_h;
    d->seg2_count = l->seg2;
    d->seg2_cols = l->dilation_w * l->c;
    d->seg_len = l->seg_len;
    d->chunks = l->chunks;
    d->steps = l->steps;
    d->align = l->align;
    d->align_second = l->align_second;
    d->scale = l->scales[0];
    d->scale_right = l->scales[1];
    d->scale_bottom = l->scales[2];
    d->scale_corner = l->scales[3];
    d->shift = l->shifts[0];
    d->shift_right = l->shifts[1];
    d->shift_bottom = l->shifts[2];
    d->shift_corner = l->shifts[3];
    d->relu = l->relu;
    d->out_bits = l->out_bits;
    d->wait_stored = number;
    d->ifmap_addr = (int32_t)l->in_beat;
    d->ifmap_beats = ceil_div(l->h * l->w * l->c, elements);
    d->weight_addr = (int32_t)l->weight_beat;
    d->bias_beats = full_bias;
    d->bias_beats_last = last_bias;
    d->step_beats = full_step;
    d->step_beats_last = last_step;
    d->ofmap_addr = (int32_t)l->out_beat;
    d->run_beats = run_beats;
    d->run_skip = l->runs ? l->skip : 0;
    d->ofmap_beats = l->runs ? pixels * run_beats : run_beats;
    d->origin_elems = d->origin_row * d->row_elems;
    d->step_row_elems = d->step_row * d->row_elems;
    d->seg1_elems = d->seg1_rows * d->row_elems;
    if (l->kind == ADD) {
        d->seg1_rows = 0;
        d->seg1_elems = d->ifmap_beats * elements;
        d->second_addr = (int32_t)l->second_beat;
        d->second_beats = d->ifmap_beats;
    }
    d->window_rows = d->pool_stride_h * d->step_row;
    d->window_row_elems = d->window_rows * d->row_elems;
    d->window_cols = d->pool_stride_w * d->step_col;
    d->ofmap_last_elems = out_elements - (run_beats - 1) * elements;
}

static void put_blob(scene *s, int64_t at, const int32_t *values, int n)
{
    const int bits = s->config.activation_bits, elements = s->config.bus_bits / bits;
    for (int e = 0; e < n; e++)
        put(s, (at + e / elements) * s->config.bus_bits + e % elements * bits, bits, values[e]);
}

static void fill_layer(scene *s, int number)
{
    const rs_array_config *c = &s->config;
    layer *l = &s->layers[number];
    const int n_weights = l->out_c * l->kernel_h * l->kernel_w * (l->c / l->groups);
    l->weights = calloc((size_t)n_weights, sizeof *l->weights);
    l->biases = calloc((size_t)l->out_c, sizeof *l->biases);
    const int n_out = l->out_h * l->out_w * l->out_c;
    l->out = calloc((size_t)n_out, sizeof *l->out);
    assert_non_null(l->weights);
    assert_non_null(l->biases);
    assert_non_null(l->out);
    for (int i = 0; i < n_weights; i++)
        l->weights[i] = value_of(c->weight_bits);
    for (int i = 0; i < l->out_c; i++)
        l->biases[i] = rs_fxp_wrap((int64_t)rs_rng_next(&rng), pick(1, c->accumulator_bits));
    if (number > 0) {
        l->in = s->layers[number - 1].out;
        l->in_beat = s->layers[number - 1].out_beat;
    } else {
        const int elements = c->bus_bits / c->activation_bits, n = l->h * l->w * l->c;
        l->in = calloc((size_t)n, sizeof *l->in);
        assert_non_null(l->in);
        for (int i = 0; i < n; i++)
            l->in[i] = value_of(c->activation_bits);
        l->in_beat = place(s, ceil_div(n, elements));
        put_blob(s, l->in_beat, l->in, n);
    }
    if (l->kind == ADD) {
        const int n = l->h * l->w * l->c;
        l->second = calloc((size_t)n, sizeof *l->second);
        assert_non_null(l->second);
        for (int i = 0; i < n; i++)
            l->second[i] = value_of(c->activation_bits);
        l->second_beat = place(s, ceil_div(n, c->bus_bits / c->activation_bits));
        put_blob(s, l->second_beat, l->second, n);
    }
    describe(s, number);
    compute(s, number);
}

static void new_scene(scene *s, const rs_array_config *config)
{
    memset(s, 0, sizeof *s);
    s->config = *config;
    s->beats = pick(0, 3);
    s->memory = calloc(MAX_BEATS, (size_t)config->bus_bits / 8);
    s->expected = calloc(MAX_VALUES, sizeof *s->expected);
    assert_non_null(s->memory);
    assert_non_null(s->expected);
}

static void draw_scene(scene *s, const rs_array_config *config)
{
    new_scene(s, config);
    s->n_layers = pick(1, MAX_LAYERS);
    for (int i = 0; i < s->n_layers; i++) {
        int tries = 0;
        while (!draw_layer(config, i > 0 ? &s->layers[i - 1] : NULL, &s->layers[i]) && ++tries < 100)
            ;
        if (tries == 100) {
            s->n_layers = i;
            break;
        }
        /* The last ofmap may lie between others. */
        layer *l = &s->layers[i];
        const int elements = config->bus_bits / config->activation_bits;
        if (i == s->n_layers - 1 && pick(0, 1) == 0 &&
            l->out_h * l->out_w * ceil_div(l->out_c, elements) * elements <= config->output_elements) {
            l->runs = true;
            l->skip = pick(0, 3);
        }
        fill_layer(s, i);
    }
    assert_true(s->n_layers > 0);
}

static void free_scene(scene *s)
{
    for (int i = 0; i < s->n_layers; i++) {
        free(s->layers[i].weights);
        free(s->layers[i].biases);
        free(s->layers[i].second);
        free(s->layers[i].out);
    }
    free(s->layers[0].in);
    free(s->memory);
    free(s->expected);
}

static bool check_event(void *context, const rs_event *event)
{
    scene *s = context;
    switch (event->kind) {
    case RS_EVENT_READ:
        s->reads++;
        break;
    case RS_EVENT_OUTPUT: {
        assert_true(s->n_seen < s->n_expected);
        const beat *b = &s->expected[s->n_seen++];
        assert_int_equal(event->descriptor, b->descriptor);
        assert_int_equal(event->n_values, b->n);
        assert_int_equal(event->address, b->address);
        for (int i = 0; i < b->n; i++)
            if (event->values[i] != b->values[i]) {
                printf("layer %d, beat %d, lane %d, cycle %llu: expected %d, got %d\n", b->descriptor, s->n_seen - 1, i,
                       (unsigned long long)event->cycle, b->values[i], event->values[i]);
                fail();
            }
        assert_int_equal(event->saturations, b->saturations);
        assert_int_equal(event->overflows, b->overflows);
        if (s->n_seen == 1)
            s->first_output = event->cycle;
        s->last_output = event->cycle;
        s->compared += (uint64_t)b->n;
        break;
    }
    case RS_EVENT_WRITE: {
        const layer *l = &s->layers[event->descriptor];
        assert_true(event->address >= l->out_beat);
        s->writes++;
        s->last_write = event->cycle;
        break;
    }
    case RS_EVENT_DONE:
        s->done = event->cycle;
        assert_int_equal(event->descriptor, s->n_layers - 1);
        break;
    case RS_EVENT_KINDS:
        fail();
    }
    return true;
}

static void run_scene(rs_dut *dut, scene *s, uint64_t run)
{
    uint8_t *wanted = malloc((size_t)s->beats * (size_t)s->config.bus_bits / 8);
    assert_non_null(wanted);
    rs_assert_ok(rs_dut_start(dut, s->descriptors, s->n_layers, s->memory, s->beats, run, diag), diag);
    /* What the array must leave: nothing changed but the ofmaps, whose last beats are filled with zeros. */
    uint8_t *initial = s->memory;
    memcpy(wanted, initial, (size_t)s->beats * (size_t)s->config.bus_bits / 8);
    for (int i = 0; i < s->n_layers; i++) {
        const layer *l = &s->layers[i];
        const int runs = l->runs ? l->out_h * l->out_w : 1, beats = s->descriptors[i].run_beats;
        for (int r = 0; r < runs; r++) {
            const int64_t at = l->out_beat + (int64_t)r * (beats + (l->runs ? l->skip : 0));
            s->memory = wanted;
            put_blob(s, at, l->out + r * l->out_c, l->runs ? l->out_c : l->out_h * l->out_w * l->out_c);
            s->memory = initial;
            /* Rubbish where the array must write, its zeros included. */
            memset(initial + at * s->config.bus_bits / 8, 0xa5, (size_t)beats * (size_t)s->config.bus_bits / 8);
        }
    }
    bool finished = false;
    while (!finished) {
        rs_assert_ok(rs_dut_advance(dut, rs_dut_cycle(dut) + (uint64_t)pick(1, 1000), check_event, s, &finished, diag),
                     diag);
        assert_true(rs_dut_cycle(dut) < 4000000);
    }
    assert_int_equal(s->n_seen, s->n_expected);
    assert_memory_equal(initial, wanted, (size_t)s->beats * (size_t)s->config.bus_bits / 8);
    assert_int_equal(s->done, s->last_write + 1);
    uint64_t writes = 0, reads = 0;
    for (int i = 0; i < s->n_layers; i++) {
        const rs_descriptor *d = &s->descriptors[i];
        writes += (uint64_t)d->ofmap_beats;
        reads += (uint64_t)(d->ifmap_beats + d->second_beats);
        const int sets = s->layers[i].sets;
        if (d->mode == 0)
            reads += (uint64_t)((d->groups - sets) * (d->bias_beats + d->steps * d->step_beats) +
                                sets * (d->bias_beats_last + d->steps * d->step_beats_last));
    }
    assert_int_equal(s->writes, writes);
    assert_int_equal(s->reads, reads);
    free(wanted);
}

static const rs_array_config arrays[] = {
    { .lanes = 2,
      .multipliers = 3,
      .activation_bits = 8,
      .weight_bits = 8,
      .accumulator_bits = 24,
      .program_depth = 4,
      .average_pooling = RS_YES,
      .activation_elements = 600,
      .output_elements = 700,
      .weight_steps = 120,
      .bus_bits = 32,
      .latency = 5,
      .outstanding = 3 },
    { .lanes = 5,
      .multipliers = 7,
      .activation_bits = 5,
      .weight_bits = 3,
      .accumulator_bits = 10,
      .overflow = RS_OVERFLOW_SATURATE,
      .first_level = RS_FIRST_LEVEL_PAPER,
      .tree_registers = RS_TREE_EVERY,
      .rounding = RS_ROUND_NEAREST_EVEN,
      .program_depth = 5,
      .activation_elements = 800,
      .output_elements = 1000,
      .weight_steps = 100,
      .bus_bits = 64,
      .latency = 1,
      .outstanding = 1,
      .stall_percent = 50,
      .stall_seed = 7,
      .average_pooling = RS_YES },
    { .lanes = 8,
      .multipliers = 16,
      .activation_bits = 7,
      .weight_bits = 11,
      .accumulator_bits = 17,
      .overflow = RS_OVERFLOW_WRAP,
      .tree_registers = RS_TREE_EVERY_SECOND,
      .rounding = RS_ROUND_TRUNCATE,
      .program_depth = 16,
      .activation_elements = 1024,
      .output_elements = 1024,
      .weight_steps = 128,
      .bus_bits = 256,
      .latency = 20,
      .outstanding = 16,
      .stall_percent = 90,
      .average_pooling = RS_YES },
    { .lanes = 1,
      .multipliers = 1,
      .activation_bits = 16,
      .weight_bits = 16,
      .accumulator_bits = 48,
      .rounding = RS_ROUND_NEAREST_UP,
      .program_depth = 4,
      .activation_elements = 600,
      .output_elements = 400,
      .weight_steps = 300,
      .bus_bits = 16,
      .latency = 2,
      .outstanding = 2,
      .average_pooling = RS_YES },
};
enum { ARRAYS = sizeof arrays / sizeof arrays[0] };

static rs_dut *open_dut(const rs_array_config *config, const rs_dut_options *options)
{
    rs_dut *dut = NULL;
    rs_dut_options quick = options != NULL ? *options : (rs_dut_options) { .tools = NULL };
    quick.quick = quick.all_checks = true; /* chains of few cycles */
    rs_assert_ok(rs_dut_open(config, &quick, &dut, diag), diag);
    return dut;
}

static void random_chains(void **state)
{
    (void)state;
    enum { CHAINS = 40 };
    for (int a = 0; a < ARRAYS; a++) {
        rng = (rs_rng) { .seed = rs_test_seed(), .stream = (uint64_t)a };
        const rs_dut_options options = { .x_seed = rs_test_seed() };
        rs_dut *dut = open_dut(&arrays[a], &options);
        uint64_t compared = 0, cycles = 0, saturations = 0, overflows = 0;
        int kinds[KINDS] = { 0 }, sets = 0, runs = 0;
        for (int i = 0; i < CHAINS; i++) {
            scene s;
            draw_scene(&s, &arrays[a]);
            run_scene(dut, &s, (uint64_t)i);
            compared += s.compared;
            cycles += s.done;
            for (int k = 0; k < s.n_layers; k++) {
                kinds[s.layers[k].kind]++;
                sets += s.layers[k].kind == CONVOLUTION && s.layers[k].sets > 1;
                runs += s.layers[k].runs;
            }
            for (int b = 0; b < s.n_expected; b++) {
                saturations += s.expected[b].saturations;
                overflows += s.expected[b].overflows;
            }
            free_scene(&s);
        }
        assert_true(compared > 0 && saturations > 0 && sets > 0 && runs > 0);
        for (int k = 0; k < KINDS; k++)
            assert_true(kinds[k] > 0);
        printf("# layers: %d convolutions (%d in sets of channels), %d averages, %d additions, %d maxima, %d copies; "
               "%d in runs\n",
               kinds[CONVOLUTION], sets, kinds[AVERAGE], kinds[ADD], kinds[MAXIMUM], kinds[COPY], runs);
        printf("# array %d x %d: %llu values and %llu cycles compared, %llu saturations, %llu overflows\n",
               arrays[a].lanes, arrays[a].multipliers, (unsigned long long)compared, (unsigned long long)cycles,
               (unsigned long long)saturations, (unsigned long long)overflows);
        rs_dut_close(dut);
    }
}

/* One convolution whose cycles can be told by hand, on array 0: no stalls. */
static void draw_plain(scene *s, int pool)
{
    rng = (rs_rng) { .seed = 1 };
    new_scene(s, &arrays[0]);
    s->n_layers = 1;
    layer *l = &s->layers[0];
    *l = (layer) { .h = 4,
                   .w = 4,
                   .c = 3,
                   .kernel_h = 3,
                   .kernel_w = 3,
                   .stride_h = 1,
                   .stride_w = 1,
                   .pad_h = 1,
                   .pad_w = 1,
                   .dilation_h = 1,
                   .dilation_w = 1,
                   .out_c = 2,
                   .conv_h = 4,
                   .conv_w = 4,
                   .pool_h = pool,
                   .pool_w = pool,
                   .pool_stride_h = pool,
                   .pool_stride_w = pool,
                   .out_h = 4 / pool,
                   .out_w = 4 / pool,
                   .relu = 1,
                   .shift = 6,
                   .out_bits = 8,
                   .seg1 = 3,
                   .seg2 = 1,
                   .seg_len = 9,
                   .chunks = 3,
                   .steps = 9,
                   .groups = 1,
                   .sets = 1,
                   .set_in = 3,
                   .set_out = 2,
                   .per_set = 1,
                   .scales = { 1, 1, 1, 1 },
                   .shifts = { 6, 6, 6, 6 } };
    fill_layer(s, 0);
}

/* Section 5 by hand. Biases: 2 * 24 bits in 2 beats of 32; a step: 2 * 3 * 8 bits in 2 beats; weights 2 + 9 * 2 = 20
 * beats; ifmap 48 / 4 = 12 beats. Cycle 1 FETCH, 2 GUARD, 3 ISSUE. With latency 5 and 3 outstanding, 3 beats in 6
 * cycles: a response in cycle t frees a place in t + 1. */
static void cycles_by_hand(void **state)
{
    (void)state;
    rs_dut *dut = open_dut(&arrays[0], NULL);
    for (int pool = 1; pool <= 2; pool++) {
        scene s;
        draw_plain(&s, pool);
        run_scene(dut, &s, 0);
        /* Request i of the first phase is accepted in cycle 3 + 6 (i / 3) + i mod 3; the phase's last, 19, in 3 + 36 +
         * 1 = 40. Then GUARD in 41, and the ifmap's from 42 on: 18 and 19 were accepted in 39, 40 and are answered in
         * 44, 45. So one place is free: 42; then 45 and 46 (two answers), 48 (the answer of 42 came in 47), and so on,
         * 3 in 6 cycles: the last of 12 is request 11. */
        uint64_t accepted[32], answered = 0;
        uint64_t cycle = 3;
        for (int i = 0; i < 32; i++) {
            if (i == 20)
                cycle++; /* GUARD */
            if (i >= 3 && cycle < accepted[i - 3] + 6)
                cycle = accepted[i - 3] + 6;
            accepted[i] = cycle++;
            answered = accepted[i] + 5;
        }
        assert_int_equal(accepted[19], 40);
        /* WAIT sees afull in the cycle behind the last answer; the first step is one later. */
        const uint64_t first_step = answered + 2;
        const int positions = pool * pool;
        assert_int_equal(s.first_output, first_step + (uint64_t)(9 * positions - 1) + 6);
        const uint64_t last_step = first_step + 9 * 16 - 1;
        assert_int_equal(s.last_output, last_step + 6);
        /* WAIT in the cycle behind, the buffer read, then a beat a cycle. */
        const uint64_t beats = pool == 1 ? 8 : 2;
        assert_int_equal(s.last_write, s.last_output + 3 + beats - 1);
        printf("# compared the cycles of %d output beats, %llu cycles in all\n", s.n_seen, (unsigned long long)s.done);
        free_scene(&s);
    }
    rs_dut_close(dut);
}

typedef struct tally {
    int outputs, stop_after;
    uint64_t cycles[64];
    int32_t first[64];
} tally;

static bool count(void *context, const rs_event *event)
{
    tally *t = context;
    if (event->kind == RS_EVENT_OUTPUT && t->outputs < 64) {
        t->cycles[t->outputs] = event->cycle;
        t->first[t->outputs++] = event->values[0];
    }
    return t->stop_after == 0 || t->outputs < t->stop_after;
}

static tally run_with(rs_dut_fault fault)
{
    const rs_dut_options options = { .fault = fault, .fault_beat = 5 };
    rs_dut *dut = open_dut(&arrays[0], &options);
    scene s;
    draw_plain(&s, 1);
    tally t = { .outputs = 0 };
    bool finished = false;
    rs_assert_ok(rs_dut_start(dut, s.descriptors, 1, s.memory, s.beats, 0, diag), diag);
    rs_assert_ok(rs_dut_advance(dut, UINT64_MAX, count, &t, &finished, diag), diag);
    assert_true(finished);
    free_scene(&s);
    rs_dut_close(dut);
    return t;
}

static void planted_faults(void **state)
{
    (void)state;
    const tally good = run_with(RS_DUT_FAULT_NONE), flip = run_with(RS_DUT_FAULT_FLIP),
                late = run_with(RS_DUT_FAULT_LATE), drop = run_with(RS_DUT_FAULT_DROP),
                twice = run_with(RS_DUT_FAULT_DUPLICATE);
    assert_int_equal(good.outputs, 16);
    for (int i = 0; i < 16; i++) {
        assert_int_equal(flip.first[i], good.first[i] ^ (i == 5));
        assert_int_equal(late.cycles[i], good.cycles[i] + (i == 5));
        assert_int_equal(late.first[i], good.first[i]);
        if (i < 15)
            assert_int_equal(drop.cycles[i], good.cycles[i + (i >= 5)]);
        assert_int_equal(twice.cycles[i], good.cycles[i - (i > 5)]);
    }
    assert_int_equal(flip.outputs, 16);
    assert_int_equal(late.outputs, 16);
    assert_int_equal(drop.outputs, 15);
    assert_int_equal(twice.outputs, 17);
}

/* A run can be left, gone on with, and given up for another. */
static void stop_and_go(void **state)
{
    (void)state;
    rs_dut *dut = open_dut(&arrays[0], NULL);
    scene s;
    draw_plain(&s, 1);
    const tally whole = run_with(RS_DUT_FAULT_NONE);
    for (int stop = 1; stop < 16; stop += 4) {
        tally t = { .stop_after = stop };
        bool finished = false;
        rs_assert_ok(rs_dut_start(dut, s.descriptors, 1, s.memory, s.beats, 0, diag), diag);
        rs_assert_ok(rs_dut_advance(dut, UINT64_MAX, count, &t, &finished, diag), diag);
        assert_false(finished);
        assert_int_equal(t.outputs, stop);
        assert_int_equal(rs_dut_cycle(dut), t.cycles[stop - 1] + 1);
        if (stop == 5) {
            t.stop_after = 0;
            rs_assert_ok(rs_dut_advance(dut, UINT64_MAX, count, &t, &finished, diag), diag);
            assert_true(finished);
            assert_int_equal(t.outputs, 16);
            assert_memory_equal(t.cycles, whole.cycles, 16 * sizeof t.cycles[0]);
        }
    }
    free_scene(&s);
    rs_dut_close(dut);
}

static void broken_programs(void **state)
{
    (void)state;
    rs_dut *dut = open_dut(&arrays[0], NULL);
    scene s;
    draw_plain(&s, 1);
    bool finished = false;
    /* A read outside the memory. */
    rs_descriptor d = s.descriptors[0];
    d.ifmap_addr = (int32_t)s.beats;
    rs_assert_ok(rs_dut_start(dut, &d, 1, s.memory, s.beats, 0, diag), diag);
    rs_assert_error(rs_dut_advance(dut, UINT64_MAX, NULL, NULL, &finished, diag), RS_MISMATCH, diag, "reads beat");
    rs_dut_close(dut);
    /* A shift that requantize does not have: an assertion of the RTL. */
    dut = open_dut(&arrays[0], NULL);
    d = s.descriptors[0];
    d.shift = 49;
    rs_assert_ok(rs_dut_start(dut, &d, 1, s.memory, s.beats, 0, diag), diag);
    rs_assert_error(rs_dut_advance(dut, UINT64_MAX, NULL, NULL, &finished, diag), RS_MISMATCH, diag, "a_shift");
    rs_dut_close(dut);
    /* More descriptors than the program memory has. */
    dut = open_dut(&arrays[0], NULL);
    rs_assert_error(rs_dut_start(dut, s.descriptors, 5, s.memory, s.beats, 0, diag), RS_INTERNAL, diag,
                    "program memory");
    rs_dut_close(dut);
    free_scene(&s);
}

/* Each kind of assertion speaks when it should: the memory port's handshake, buffers that take more than they hold,
 * sums that do not fit. (The legal values of a step: broken_programs.) */
static void assertions(void **state)
{
    (void)state;
    scene s;
    draw_plain(&s, 1);
    bool finished = false;
    /* An answer that nobody asked for. */
    const rs_dut_options answers = { .fault = RS_DUT_FAULT_ANSWER };
    rs_dut *dut = open_dut(&arrays[0], &answers);
    rs_assert_ok(rs_dut_start(dut, s.descriptors, 1, s.memory, s.beats, 0, diag), diag);
    rs_assert_error(rs_dut_advance(dut, UINT64_MAX, NULL, NULL, &finished, diag), RS_MISMATCH, diag, "a_answer_");
    rs_dut_close(dut);
    /* A beat that would be lost: an ifmap larger than its half of the buffer. */
    enum { BEATS = 4096 };
    uint8_t *memory = rs_calloc(BEATS, 4);
    assert_non_null(memory);
    dut = open_dut(&arrays[0], NULL);
    rs_descriptor d = s.descriptors[0];
    d.ifmap_beats = (int32_t)arrays[0].activation_elements / 4 + 1;
    d.ifmap_addr = 0;
    rs_assert_ok(rs_dut_start(dut, &d, 1, memory, BEATS, 0, diag), diag);
    rs_assert_error(rs_dut_advance(dut, UINT64_MAX, NULL, NULL, &finished, diag), RS_MISMATCH, diag,
                    "a_act_write_range");
    rs_dut_close(dut);
    rs_free(memory);
    /* A sum that does not fit: biases at the rails. Without the option it is counted, not forbidden. */
    static const uint8_t rails[] = { 0xff, 0xff, 0x7f, 0x00, 0x00, 0x80 }; /* 2 lanes of 24 bits */
    memcpy(s.memory + (size_t)s.descriptors[0].weight_addr * 4, rails, sizeof rails);
    for (int forbidden = 0; forbidden < 2; forbidden++) {
        const rs_dut_options options = { .no_overflow = forbidden };
        dut = open_dut(&arrays[0], &options);
        rs_assert_ok(rs_dut_start(dut, s.descriptors, 1, s.memory, s.beats, 0, diag), diag);
        const rs_status status = rs_dut_advance(dut, UINT64_MAX, NULL, NULL, &finished, diag);
        if (forbidden)
            rs_assert_error(status, RS_MISMATCH, diag, "a_no_overflow");
        else
            rs_assert_ok(status, diag);
        rs_dut_close(dut);
    }
    free_scene(&s);
}

static int set_up(void **state)
{
    (void)state;
    setenv("RISTRETTO_CACHE", "build/cache", 0);
    diag = rs_diag_new();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rs_diag_free(diag);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cycles_by_hand), cmocka_unit_test(random_chains),   cmocka_unit_test(planted_faults),
        cmocka_unit_test(stop_and_go),    cmocka_unit_test(broken_programs), cmocka_unit_test(assertions),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
