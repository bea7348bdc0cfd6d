/* Draws random arrays and nets for them. */
#include "support/array_cases.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "support/random_qnet.h"
#include "support/test.h"

static int pick(rs_rng *rng, int low, int high)
{
    return low + (int)(rs_rng_next(rng) % (uint64_t)(high - low + 1));
}

static bool one_in(rs_rng *rng, int n)
{
    return pick(rng, 1, n) == 1;
}

/* Rails, neighbours of the rails and of zero, or anything. */
static int64_t rail_biased(rs_rng *rng, int bits)
{
    const int64_t low = rs_fxp_min(bits), high = rs_fxp_max(bits);
    int64_t v;
    switch (pick(rng, 0, 7)) {
    case 0:
    case 1:
        v = low;
        break;
    case 2:
    case 3:
        v = high;
        break;
    case 4:
        v = pick(rng, -1, 1);
        break;
    case 5:
        v = one_in(rng, 2) ? low + 1 : high - 1;
        break;
    default:
        v = low + (int64_t)(rs_rng_next(rng) % (uint64_t)(high - low + 1));
    }
    return v < low ? low : v > high ? high : v;
}

/* --------------------------------------------------------------------------------------------------- nets */

static void *checked(void *p)
{
    assert_non_null(p);
    return p;
}

static rs_qnet *new_net(int channels, int height, int width, int bits)
{
    rs_qnet *q = checked(RS_NEW(rs_qnet));
    q->name = checked(rs_strdup("random"));
    q->n_tensors = 1;
    q->tensors = checked(RS_NEW_ARRAY(rs_qtensor, 16));
    q->ops = checked(RS_NEW_ARRAY(rs_qop, 16));
    q->tensors[0] = (rs_qtensor) { .name = checked(rs_strdup("data")),
                                   .channels = channels,
                                   .height = height,
                                   .width = width,
                                   .format = rs_number_of_fxp((rs_fxp) { bits, 0 }) };
    q->pixel_scale = 1;
    return q;
}

/* Bytes become numbers around zero, of which up to 7 in 8 saturate. */
static void fill_pixel_table(rs_qnet *q, rs_rng *rng)
{
    const rs_qtensor *in = &q->tensors[0];
    q->pixel_scale = ldexpf(1, in->format.bits - 8 - in->format.fl + pick(rng, 0, 3));
    q->pixel_table = checked(RS_NEW_ARRAY(int32_t, (size_t)in->channels * 256));
    for (int c = 0; c < in->channels; c++) {
        q->pixel_mean[c % 16] = (float)pick(rng, 100, 150);
        for (int i = 0; i < 256; i++)
            q->pixel_table[c * 256 + i] = rs_fxp_quantize((double)(((float)i - q->pixel_mean[c % 16]) * q->pixel_scale),
                                                          rs_number_fxp(in->format), RS_ROUND_NEAREST, 0, NULL);
    }
}

static rs_qtensor *last_tensor(rs_qnet *q)
{
    return &q->tensors[q->n_tensors - 1];
}

static rs_qop *add_op(rs_qnet *q, rs_qop_type type, int channels, int height, int width, rs_number_format format)
{
    char name[32];
    snprintf(name, sizeof name, "%s%d",
             type == RS_QOP_CONVOLUTION     ? "conv"
             : type == RS_QOP_INNER_PRODUCT ? "ip"
             : type == RS_QOP_MAX_POOL      ? "pool"
                                            : "relu",
             q->n_ops);
    rs_qop *op = &q->ops[q->n_ops++];
    *op = (rs_qop) { .name = checked(rs_strdup(name)),
                     .type = type,
                     .n_inputs = 1,
                     .input = q->n_tensors - 1,
                     .output = q->n_tensors,
                     .kernel_h = 1,
                     .kernel_w = 1,
                     .stride_h = 1,
                     .stride_w = 1,
                     .dilation_h = 1,
                     .dilation_w = 1,
                     .groups = 1 };
    q->tensors[q->n_tensors++] = (rs_qtensor) {
        .name = checked(rs_strdup(name)), .channels = channels, .height = height, .width = width, .format = format
    };
    return op;
}

enum { MOST_BIAS_BITS = 46 }; /* with products beside it, a sum of 48 bits holds it */

/* Weights, biases and formats of a weighted op whose geometry is set. The shift brings about one standard deviation of
 * the sums to a quarter of the range, so that some values saturate and some do not. */
static void fill_weights(rs_qnet *q, rs_qop *op, rs_rng *rng, int weight_bits)
{
    rs_qtensor *in = &q->tensors[op->input], *out = &q->tensors[op->output];
    const int64_t terms = (int64_t)in->channels * op->kernel_h * op->kernel_w;
    op->weights = checked(RS_NEW_ARRAY(int32_t, (size_t)(terms * out->channels)));
    op->bias = checked(RS_NEW_ARRAY(int64_t, (size_t)out->channels));
    op->weight_format = rs_number_of_fxp((rs_fxp) { weight_bits, 0 });
    for (int64_t i = 0; i < terms * out->channels; i++)
        op->weights[i] = (int32_t)rail_biased(rng, weight_bits);
    int size = in->format.bits + weight_bits - 3;
    for (int64_t t = terms; t > 3; t /= 4)
        size++;
    if (one_in(rng, 4)) /* biases beyond what the products reach, up to what accumulators hold */
        size = pick(rng, size, MOST_BIAS_BITS);
    for (int i = 0; i < out->channels; i++)
        op->bias[i] = rail_biased(rng, size < 2 ? 2 : size > MOST_BIAS_BITS ? MOST_BIAS_BITS : size);
    op->shift = size - out->format.bits + pick(rng, -1, 2);
    op->shift = op->shift < RS_SHIFT_MIN ? RS_SHIFT_MIN : op->shift > RS_SHIFT_MAX ? RS_SHIFT_MAX : op->shift;
    out->format.fl = pick(rng, -8, 8); /* whatever the depth of the net, all fractional lengths stay legal */
    op->weight_format.fl = op->shift + out->format.fl - in->format.fl;
    op->relu = one_in(rng, 3);
}

static int pooled(int in, int kernel, int stride)
{
    return (in - kernel + stride - 1) / stride + 1;
}

static void add_pool(rs_qnet *q, int kernel_h, int kernel_w, int stride_h, int stride_w)
{
    const rs_qtensor t = *last_tensor(q);
    rs_qop *op = add_op(q, RS_QOP_MAX_POOL, t.channels, pooled(t.height, kernel_h, stride_h),
                        pooled(t.width, kernel_w, stride_w), t.format);
    op->kernel_h = kernel_h;
    op->kernel_w = kernel_w;
    op->stride_h = stride_h;
    op->stride_w = stride_w;
}

static int convolved(int in, int kernel, int stride, int pad, int dilation)
{
    return (in + 2 * pad - (dilation * (kernel - 1) + 1)) / stride + 1;
}

static rs_qnet *random_net(rs_rng *rng, int activation_bits, int weight_bits, rs_test_limits limits)
{
    static const int primes[] = { 1, 2, 3, 5, 7, 11, 13, 17, 19, 23 };
    const int widest = one_in(rng, 6) ? 40 : 12;
    rs_qnet *q = new_net(one_in(rng, 3) ? 1 : primes[pick(rng, 0, 5)], pick(rng, 1, widest), pick(rng, 1, widest),
                         activation_bits);
    const int layers = pick(rng, 1, limits.layers);
    int64_t budget = limits.macs;
    for (int i = 0; i < layers && budget > 0; i++) {
        const rs_qtensor in = *last_tensor(q);
        const rs_number_format format = rs_number_of_fxp(
            (rs_fxp) { one_in(rng, 3) ? pick(rng, 1, activation_bits) : activation_bits, 0 });
        const int outputs = one_in(rng, 2) ? primes[pick(rng, 0, 9)] : pick(rng, 1, 40),
                  n = one_in(rng, 3) ? pick(rng, 1, weight_bits) : weight_bits;
        rs_qop *op;
        if (one_in(rng, 4)) {
            op = add_op(q, RS_QOP_INNER_PRODUCT, outputs, 1, 1, format);
            op->kernel_h = in.height;
            op->kernel_w = in.width;
        } else {
            rs_qop g = { .kernel_h = pick(rng, 1, 5),
                         .kernel_w = pick(rng, 1, 5),
                         .stride_h = pick(rng, 1, 3),
                         .stride_w = pick(rng, 1, 3),
                         .dilation_h = one_in(rng, 4) ? 2 : 1,
                         .dilation_w = one_in(rng, 4) ? pick(rng, 2, 3) : 1 };
            if (one_in(rng, 4))
                g.kernel_h = g.kernel_w = 1;
            if (one_in(rng, 3)) {
                g.pad_h = pick(rng, 0, g.kernel_h);
                g.pad_w = pick(rng, 0, g.kernel_w + 1);
            }
            while (g.dilation_h * (g.kernel_h - 1) + 1 > in.height + 2 * g.pad_h)
                g.kernel_h--;
            while (g.dilation_w * (g.kernel_w - 1) + 1 > in.width + 2 * g.pad_w)
                g.kernel_w--;
            op = add_op(q, RS_QOP_CONVOLUTION, outputs,
                        convolved(in.height, g.kernel_h, g.stride_h, g.pad_h, g.dilation_h),
                        convolved(in.width, g.kernel_w, g.stride_w, g.pad_w, g.dilation_w), format);
            op->kernel_h = g.kernel_h;
            op->kernel_w = g.kernel_w;
            op->stride_h = g.stride_h;
            op->stride_w = g.stride_w;
            op->pad_h = g.pad_h;
            op->pad_w = g.pad_w;
            op->dilation_h = g.dilation_h;
            op->dilation_w = g.dilation_w;
        }
        fill_weights(q, op, rng, n);
        budget -= (int64_t)in.channels * op->kernel_h * op->kernel_w * last_tensor(q)->channels *
                  last_tensor(q)->height * last_tensor(q)->width;
        const bool relu_first = one_in(rng, 6);
        if (relu_first)
            add_op(q, RS_QOP_RELU, last_tensor(q)->channels, last_tensor(q)->height, last_tensor(q)->width,
                   last_tensor(q)->format);
        if (one_in(rng, 2)) {
            const rs_qtensor *t = last_tensor(q);
            const int kernel_h = pick(rng, 1, t->height < 4 ? t->height : 4),
                      kernel_w = pick(rng, 1, t->width < 4 ? t->width : 4);
            add_pool(q, kernel_h, kernel_w, pick(rng, 1, kernel_h), pick(rng, 1, kernel_w));
            if (!relu_first && one_in(rng, 4))
                add_op(q, RS_QOP_RELU, last_tensor(q)->channels, last_tensor(q)->height, last_tensor(q)->width,
                       last_tensor(q)->format);
        }
    }
    fill_pixel_table(q, rng);
    return q;
}

/* A graph of ops of every kind, as the engine's tests draw them, less what no array runs. */
static rs_qnet *random_graph(rs_rng *rng, int activation_bits, int weight_bits, rs_test_limits limits)
{
    const rs_random_qnet options = { .max_ops = 2 * limits.layers < 8 ? 2 * limits.layers : 8,
                                     .max_bits = activation_bits < weight_bits ? activation_bits : weight_bits,
                                     .max_size = one_in(rng, 5) ? 20 : 10,
                                     .max_channels = 12,
                                     .branches = true,
                                     .graph = true };
    rs_qnet *q = rs_test_random_qnet(rng, &options);
    return q;
}

/* Weights of powers of two, about as large as they were; at most `exponents` of them, 1 to 15. */
static void make_powers(rs_rng *rng, rs_qnet *q, rs_qop *op, int exponents, bool zero)
{
    const int64_t terms = (int64_t)q->tensors[op->input].channels / op->groups * op->kernel_h * op->kernel_w;
    int range = op->weight_format.bits - 2;
    range = range > exponents - 1 ? exponents - 1 : range < 0 ? 0 : range;
    if (range > RS_FL_MAX + op->weight_format.fl)
        range = RS_FL_MAX + op->weight_format.fl;
    const int least = -op->weight_format.fl;
    op->weight_format = rs_number_of_power2((rs_power2) { least, least + range, zero });
    for (int64_t i = 0; i < terms * q->tensors[op->output].channels; i++) {
        const int kind = pick(rng, 0, 3), places = kind == 0 ? range : kind == 1 ? 0 : pick(rng, 0, range);
        op->weights[i] = zero && one_in(rng, 4) ? 0 : one_in(rng, 2) ? 1 << places : -(1 << places);
    }
}

/* All numbers become minifloats of one format; sums are about as large as its largest number. */
static void make_minifloat(rs_rng *rng, rs_qnet *q, rs_minifloat f)
{
    for (int t = 0; t < q->n_tensors; t++) {
        q->tensors[t].format = rs_number_of_minifloat(f);
        q->tensors[t].is_unsigned = false;
    }
    const double largest = rs_minifloat_value(rs_minifloat_max_code(f), f);
    q->pixel_scale = ldexpf(1, ilogb(largest) - pick(rng, 5, 12));
    for (int i = 0; q->pixel_table && i < q->tensors[0].channels * 256; i++)
        q->pixel_table[i] = rs_qtensor_quantize(&q->tensors[0],
                                                (double)(((float)(i % 256) - q->pixel_mean[i / 256]) * q->pixel_scale),
                                                RS_ROUND_NEAREST_EVEN, NULL);
    for (int i = 0; i < q->n_ops; i++) {
        rs_qop *op = &q->ops[i];
        op->shift = 0;
        if (op->type == RS_QOP_CLIP) {
            op->max = pick(rng, 0, (int)rs_qtensor_max(&q->tensors[op->output]));
            op->min = pick(rng, (int)rs_qtensor_min(&q->tensors[op->output]), op->max);
        }
        if (!rs_qop_weighted(op))
            continue;
        const int channels = q->tensors[op->output].channels;
        const int64_t terms = (int64_t)q->tensors[op->input].channels / op->groups * op->kernel_h * op->kernel_w;
        const uint32_t codes = rs_minifloat_max_code(f) + 1;
        const bool small = !one_in(rng, 4); /* else most sums saturate */
        op->weight_format = rs_number_of_minifloat(f);
        op->bias_fl = 2 * rs_minifloat_fl(f) < 24 ? 2 * rs_minifloat_fl(f) : 24;
        for (int64_t k = 0; k < terms * channels; k++) {
            const int32_t code = (int32_t)(rs_rng_next(rng) % (small ? codes / 2 + 1 : codes));
            op->weights[k] = one_in(rng, 8) ? (int32_t)codes - 1 : one_in(rng, 2) ? code : -code;
        }
        for (int o = 0; o < channels; o++)
            op->bias[o] = (one_in(rng, 2) ? 1 : -1) * (int64_t)(rs_rng_next(rng) >> 33 >> (rs_rng_next(rng) % 31));
    }
}

/* Fractional lengths by channel around the layer's. */
static void make_channel_fl(rs_rng *rng, rs_qop *op, int channels)
{
    op->weight_fl = checked(RS_NEW_ARRAY(int, (size_t)channels));
    for (int o = 0; o < channels; o++) {
        const int by = pick(rng, -3, 3), shift = op->shift + by, fl = op->weight_format.fl + by;
        op->weight_fl[o] = shift < RS_SHIFT_MIN || shift > RS_SHIFT_MAX || fl < RS_FL_MIN || fl > RS_FL_MAX
                               ? op->weight_format.fl
                               : fl;
    }
}

/* A net for an array whose kind of element is given; its widths are at most those. */
static rs_qnet *any_net(rs_rng *rng, const rs_array_config *config, int activation_bits, int weight_bits,
                        rs_test_limits limits)
{
    const bool shifter = config->pe == RS_PE_SHIFTER;
    const bool zero = shifter ? config->zero_code != RS_NO && one_in(rng, 2) : one_in(rng, 2);
    const int magnitudes = shifter && config->weight_bits ? 1 << (config->weight_bits - 1) : 16;
    const int codes = magnitudes - (shifter && (zero || config->zero_code == RS_YES));
    const int widest = shifter ? 16 : weight_bits; /* a shift of 14 places is an integer of 16 bits */
    rs_qnet *q = limits.chains || one_in(rng, 2) ? random_net(rng, activation_bits, widest, limits)
                                                 : random_graph(rng, activation_bits, widest, limits);
    if (config->pe == RS_PE_MINIFLOAT) {
        for (int i = 0; i < q->n_ops; i++) {
            rs_free(q->ops[i].weight_fl);
            q->ops[i].weight_fl = NULL;
        }
        make_minifloat(rng, q, config->minifloat);
        return q;
    }
    const bool powers = shifter || one_in(rng, 8);
    for (int i = 0; i < q->n_ops; i++) {
        rs_qop *op = &q->ops[i];
        if (!rs_qop_weighted(op))
            continue;
        if (powers || config->channel_shifts == RS_NO) {
            rs_free(op->weight_fl);
            op->weight_fl = NULL;
        }
        if (powers && (shifter || op->weight_format.bits >= 2))
            make_powers(rng, q, op, codes < 15 ? codes : 15, zero);
        else if (!op->weight_fl && config->channel_shifts != RS_NO && one_in(rng, 4))
            make_channel_fl(rng, op, q->tensors[op->output].channels);
    }
    return q;
}

rs_qnet *rs_test_qnet_convolution(uint64_t seed, int channels, int height, int width, int outputs, int kernel,
                                  int stride, int pad, int pool, int bits)
{
    rs_rng rng = { seed, 1, 0 };
    rs_qnet *q = new_net(channels, height, width, bits);
    rs_qop *op = add_op(q, RS_QOP_CONVOLUTION, outputs, convolved(height, kernel, stride, pad, 1),
                        convolved(width, kernel, stride, pad, 1), rs_number_of_fxp((rs_fxp) { bits, 0 }));
    op->kernel_h = op->kernel_w = kernel;
    op->stride_h = op->stride_w = stride;
    op->pad_h = op->pad_w = pad;
    fill_weights(q, op, &rng, bits);
    if (pool)
        add_pool(q, pool, pool, pool, pool);
    fill_pixel_table(q, &rng);
    return q;
}

void rs_test_qnet_inner_product(rs_qnet *qnet, uint64_t seed, int outputs, bool relu)
{
    rs_rng rng = { seed, 2, 0 };
    const rs_qtensor in = *last_tensor(qnet);
    rs_qop *op = add_op(qnet, RS_QOP_INNER_PRODUCT, outputs, 1, 1, in.format);
    op->kernel_h = in.height;
    op->kernel_w = in.width;
    fill_weights(qnet, op, &rng, in.format.bits);
    op->relu = relu;
}

rs_qnet *rs_test_qnet_lenet(uint64_t seed, int bits)
{
    rs_rng rng = { seed, 3, 0 };
    rs_qnet *q = rs_test_qnet_convolution(seed, 1, 28, 28, 20, 5, 1, 0, 2, bits);
    rs_qop *op = add_op(q, RS_QOP_CONVOLUTION, 50, 8, 8, rs_number_of_fxp((rs_fxp) { bits, 0 }));
    op->kernel_h = op->kernel_w = 5;
    fill_weights(q, op, &rng, bits);
    add_pool(q, 2, 2, 2, 2);
    rs_test_qnet_inner_product(q, seed + 1, 500, true);
    rs_test_qnet_inner_product(q, seed + 2, 10, false);
    return q;
}

/* ------------------------------------------------------------------------------------------------- arrays */

rs_array_config rs_test_array(int lanes, int multipliers)
{
    return (rs_array_config) { .lanes = lanes,
                               .multipliers = multipliers,
                               .program_depth = 1024,
                               .clock_mhz = 200,
                               .activation_elements = 1 << 20,
                               .output_elements = 1 << 20,
                               .weight_steps = 1 << 16,
                               .bus_bits = 64,
                               .latency = 20,
                               .outstanding = 32 };
}

rs_minifloat rs_test_minifloat(rs_rng *rng)
{
    static const char *const names[] = { "e4m3", "e5m2", "e2m1", "e3m2", "e2m3", "4:3", "3:0", "2:2", "1:4", "5:2" };
    rs_minifloat format;
    assert_true(rs_minifloat_parse(names[pick(rng, 0, sizeof names / sizeof *names - 1)], &format));
    return format;
}

static rs_array_config random_array(rs_rng *rng, rs_test_limits limits)
{
    static const int stalls[] = { 0, 0, 50, 90 };
    rs_array_config c = rs_test_array(one_in(rng, 3) ? limits.lanes : pick(rng, 1, limits.lanes),
                                      pick(rng, 1, limits.multipliers));
    c.overflow = one_in(rng, 2) ? RS_OVERFLOW_WRAP : RS_OVERFLOW_SATURATE;
    c.first_level = one_in(rng, 2) ? RS_FIRST_LEVEL_EXACT : RS_FIRST_LEVEL_PAPER;
    c.tree_registers = (rs_tree_registers)pick(rng, 0, 2);
    c.rounding = (rs_rounding)pick(rng, 0, 3);
    c.bus_bits = 16 << pick(rng, 0, 6);
    c.latency = pick(rng, 1, 40);
    c.outstanding = one_in(rng, 3) ? pick(rng, 1, 80) : pick(rng, 1, 16);
    c.stall_percent = stalls[pick(rng, 0, 3)];
    c.stall_seed = rs_rng_next(rng);
    if (one_in(rng, 3))
        c.accumulator_bits = RS_BITS_WEIGHTS;
    if (one_in(rng, 5)) {
        c.pe = RS_PE_MINIFLOAT;
        c.minifloat = rs_test_minifloat(rng);
    } else if (one_in(rng, 4)) {
        c.pe = RS_PE_SHIFTER;
        c.zero_code = (rs_choice)pick(rng, RS_AUTO, RS_YES);
    }
    return c;
}

static bool compiles(const rs_test_case *c, const rs_array_config *config)
{
    rs_program *program = NULL;
    const rs_status status = rs_program_compile(c->qnet, config, &program, NULL);
    rs_program_free(program);
    return status == RS_OK;
}

/* The least value of *field for which the net still compiles. */
static void shrink(const rs_test_case *c, rs_array_config *config, int64_t *elements, int *steps)
{
    int64_t low = 0, high = elements ? *elements : *steps;
    while (high - low > 1) {
        const int64_t middle = (low + high) / 2;
        if (elements)
            *elements = middle;
        else
            *steps = (int)middle;
        if (compiles(c, config))
            high = middle;
        else
            low = middle;
    }
    if (elements)
        *elements = high;
    else
        *steps = (int)high;
}

void rs_test_case_shrink(const rs_test_case *c, rs_array_config *config)
{
    shrink(c, config, NULL, &config->weight_steps);
    shrink(c, config, &config->activation_elements, NULL);
    shrink(c, config, &config->output_elements, NULL);
}

static void finish(rs_test_case *c, rs_rng *rng, const rs_array_config *config)
{
    rs_diag *diag = rs_diag_new();
    rs_assert_ok(rs_qnet_check(c->qnet, "random", diag), diag);
    rs_assert_ok(rs_program_compile(c->qnet, config, &c->program, diag), diag);
    rs_diag_free(diag);
    c->config = *config;
    const rs_qtensor *in = &c->qnet->tensors[0];
    const size_t pixels = (size_t)in->channels * (size_t)in->height * (size_t)in->width;
    c->pixels = checked(rs_calloc(pixels, 1));
    for (size_t i = 0; i < pixels; i++)
        c->pixels[i] = (uint8_t)rs_rng_next(rng);
    const size_t bytes = (size_t)(c->program->memory_beats * rs_program_beat_bytes(c->program));
    c->memory = checked(rs_calloc(bytes, 1));
    memcpy(c->memory, c->program->memory, bytes);
    rs_program_load_image(c->program, c->pixels, c->memory);
}

rs_test_case rs_test_case_make(uint64_t seed, uint64_t number, rs_test_limits limits)
{
    rs_rng rng = { seed, number, 0 };
    rs_test_case c = { .seed = seed, .number = number };
    const bool eight = one_in(&rng, 2);
    rs_array_config config = random_array(&rng, limits);
    for (int attempt = 0;; attempt++) {
        assert_true(attempt < 1000);
        c.qnet = any_net(&rng, &config, eight ? pick(&rng, 7, 8) : pick(&rng, 1, 16),
                         eight ? pick(&rng, 7, 8) : pick(&rng, 1, 16), limits);
        c.qnet->rounding = config.rounding;
        if (compiles(&c, &config))
            break;
        rs_qnet_free(c.qnet);
    }
    if (one_in(&rng, 3)) { /* wider words than the net needs */
        config.activation_bits = pick(&rng, 0, 16);
        config.weight_bits = pick(&rng, 0, 16);
        if (!compiles(&c, &config))
            config.activation_bits = config.weight_bits = RS_BITS_AUTO;
    }
    if (one_in(&rng, 3)) { /* accumulators that may overflow, as narrow as the biases allow or a little wider */
        for (int bits = 2; bits <= rs_array_accumulator_max_bits(&config); bits++) {
            config.accumulator_bits = bits;
            if (compiles(&c, &config))
                break;
        }
        config.accumulator_bits += pick(&rng, 0, 5);
        if (config.accumulator_bits > rs_array_accumulator_max_bits(&config))
            config.accumulator_bits = rs_array_accumulator_max_bits(&config);
    }
    if (one_in(&rng, 3)) {
        rs_test_case_shrink(&c, &config);
    } else {
        config.activation_elements = config.output_elements = 1 << 16; /* what the oracle allocates */
    }
    finish(&c, &rng, &config);
    return c;
}

rs_test_case rs_test_case_on(uint64_t seed, uint64_t number, const rs_array_config *config, rs_test_limits limits)
{
    rs_test_case c = { .seed = seed, .number = number };
    for (uint64_t attempt = 0;;
         attempt++) { /* until a net fits the array: hardly one may, where the buffers are those of a small net */
        assert_true(attempt < 100000);
        rs_rng rng = { seed, number, attempt << 32 };
        c.qnet = any_net(&rng, config, config->activation_bits, config->weight_bits, limits);
        c.qnet->rounding = config->rounding;
        if (compiles(&c, config)) {
            finish(&c, &rng, config);
            return c;
        }
        rs_qnet_free(c.qnet);
    }
}

void rs_test_case_free(rs_test_case *c)
{
    rs_program_free(c->program);
    rs_qnet_free(c->qnet);
    rs_free(c->pixels);
    rs_free(c->memory);
}

const char *rs_test_case_text(const rs_test_case *c, char *text, size_t size)
{
    const rs_array_config *a = &c->program->config;
    int n = snprintf(
        text, size,
        "seed %llu case %llu: %dx%d, %s %d:%d, %dx%d bits, accumulator %d %s, tree %d, bus %d, latency %d, "
        "outstanding %d, stalls %d %%, "
        "buffers %lld/%d/%lld, %d descriptors:",
        (unsigned long long)c->seed, (unsigned long long)c->number, a->lanes, a->multipliers, rs_pe_name(a->pe),
        a->minifloat.exponent_bits, a->minifloat.mantissa_bits, a->activation_bits, a->weight_bits, a->accumulator_bits,
        a->overflow == RS_OVERFLOW_WRAP ? "wrap" : "saturate", (int)a->tree_registers, a->bus_bits, a->latency,
        a->outstanding, a->stall_percent, (long long)a->activation_elements, a->weight_steps,
        (long long)a->output_elements, c->program->n_descriptors);
    for (int i = 0; i < c->qnet->n_ops && n > 0 && (size_t)n < size; i++) {
        const rs_qop *op = &c->qnet->ops[i];
        const rs_qtensor *in = &c->qnet->tensors[op->input], *out = &c->qnet->tensors[op->output];
        n += snprintf(text + n, size - (size_t)n, " %s %dx%dx%d->%dx%dx%d k%dx%d s%dx%d p%dx%d d%dx%d", op->name,
                      in->channels, in->height, in->width, out->channels, out->height, out->width, op->kernel_h,
                      op->kernel_w, op->stride_h, op->stride_w, op->pad_h, op->pad_w, op->dilation_h, op->dilation_w);
    }
    return text;
}

/* ------------------------------------------------------------------------------------------------- events */

bool rs_test_keep_event(void *context, const rs_event *event)
{
    rs_test_events *list = context;
    if (list->count == list->capacity) {
        list->capacity = list->capacity ? 2 * list->capacity : 1024;
        list->events = realloc(list->events, (size_t)list->capacity * sizeof *list->events);
        assert_non_null(list->events);
    }
    rs_event *e = &list->events[list->count++];
    *e = *event;
    if (event->values) {
        int32_t *values = malloc((size_t)event->n_values * sizeof *values);
        assert_non_null(values);
        memcpy(values, event->values, (size_t)event->n_values * sizeof *values);
        e->values = values;
    }
    if (event->data) {
        uint8_t *data = malloc((size_t)list->beat_bytes);
        assert_non_null(data);
        memcpy(data, event->data, (size_t)list->beat_bytes);
        e->data = data;
    }
    return true;
}

void rs_test_events_free(rs_test_events *list)
{
    for (int64_t i = 0; i < list->count; i++) {
        free((void *)(uintptr_t)list->events[i].values);
        free((void *)(uintptr_t)list->events[i].data);
    }
    free(list->events);
}

static bool same(const rs_event *a, const rs_event *b, int beat_bytes)
{
    return a->cycle == b->cycle && a->descriptor == b->descriptor && a->address == b->address &&
           a->n_values == b->n_values && a->saturations == b->saturations && a->overflows == b->overflows &&
           !a->values == !b->values && !a->data == !b->data &&
           (!a->values || memcmp(a->values, b->values, (size_t)a->n_values * sizeof *a->values) == 0) &&
           (!a->data || memcmp(a->data, b->data, (size_t)beat_bytes) == 0);
}

static const rs_event *next_of(const rs_test_events *list, int64_t *at, int kind)
{
    while (*at < list->count && (int)list->events[*at].kind != kind)
        ++*at;
    return *at < list->count ? &list->events[(*at)++] : NULL;
}

int64_t rs_test_events_equal(const rs_test_events *a, const rs_test_events *b, const char *what)
{
    static const char *const names[RS_EVENT_KINDS] = { "READ", "OUTPUT", "WRITE", "DONE" };
    int64_t compared = 0;
    for (int kind = 0; kind < RS_EVENT_KINDS; kind++) {
        int64_t i = 0, j = 0, n = 0;
        for (;; n++) {
            const rs_event *x = next_of(a, &i, kind), *y = next_of(b, &j, kind);
            if (!x && !y)
                break;
            if (!x || !y || !same(x, y, a->beat_bytes))
                fail_msg("%s: %s event %lld differs: cycle %lld, %lld; descriptor %d, %d; address %lld, %lld; values "
                         "%d, %d; saturations %u, %u; "
                         "overflows %u, %u; first value %d, %d",
                         what, names[kind], (long long)n, x ? (long long)x->cycle : -1, y ? (long long)y->cycle : -1,
                         x ? x->descriptor : -1, y ? y->descriptor : -1, x ? (long long)x->address : -1,
                         y ? (long long)y->address : -1, x ? x->n_values : -1, y ? y->n_values : -1,
                         x ? x->saturations : 0, y ? y->saturations : 0, x ? x->overflows : 0, y ? y->overflows : 0,
                         x && x->values ? x->values[0] : 0, y && y->values ? y->values[0] : 0);
        }
        assert_true(n > 0);
        compared += n;
    }
    return compared;
}
