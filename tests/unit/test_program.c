/* The compiler: layouts, fusing, tiles, packed weights, widths, and every way in which it refuses. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "program/weight_order.h"
#include "program/program.h"
#include "support/array_cases.h"
#include "support/test.h"

static rs_program *compiled(const rs_qnet *net, const rs_array_config *config)
{
    rs_diag *diag = rs_diag_new();
    rs_program *program = NULL;
    rs_assert_ok(rs_program_compile(net, config, &program, diag), diag);
    rs_diag_free(diag);
    return program;
}

static void refused(const rs_qnet *net, const rs_array_config *config, const char *part)
{
    rs_diag *diag = rs_diag_new();
    rs_program *program = NULL;
    rs_assert_error(rs_program_compile(net, config, &program, diag), RS_BAD_INPUT, diag, part);
    assert_null(program);
    rs_diag_free(diag);
}

/* -------------------------------------------------------------------------------------------------- sizes */

static void test_derived_sizes(void **state)
{
    (void)state;
    rs_array_config c = rs_test_array(16, 16);
    c.activation_bits = 8;
    c.weight_bits = 8;
    const int levels[65] = {
        [1] = 0, [2] = 1, [3] = 2, [4] = 2, [5] = 3, [8] = 3, [9] = 4, [16] = 4, [25] = 5, [33] = 6, [64] = 6
    };
    int checked = 0;
    for (int x = 1; x <= 64; x++) {
        if (x > 1 && !levels[x])
            continue;
        c.multipliers = x;
        c.tree_registers = RS_TREE_NONE;
        assert_int_equal(rs_array_levels(&c), levels[x]);
        assert_int_equal(rs_array_tree_stages(&c), 0);
        c.tree_registers = RS_TREE_EVERY;
        assert_int_equal(rs_array_tree_stages(&c), levels[x]);
        c.tree_registers = RS_TREE_EVERY_SECOND;
        assert_int_equal(rs_array_tree_stages(&c), levels[x] / 2);
        checked++;
    }
    assert_int_equal(checked, 11);
    c.multipliers = 16;
    c.first_level = RS_FIRST_LEVEL_EXACT;
    assert_int_equal(rs_array_tree_bits(&c, 0), 16);
    assert_int_equal(rs_array_tree_bits(&c, 1), 17);
    assert_int_equal(rs_array_tree_bits(&c, 4), 20);
    c.first_level = RS_FIRST_LEVEL_PAPER;
    assert_int_equal(rs_array_tree_bits(&c, 0), 16);
    assert_int_equal(rs_array_tree_bits(&c, 1), 18);
    assert_int_equal(rs_array_tree_bits(&c, 4), 21);
    c.bus_bits = 128;
    assert_int_equal(rs_array_elements_per_beat(&c), 16);
    assert_int_equal(rs_array_activation_banks(&c), 16);
    c.activation_bits = 5; /* 25 elements per beat: 32 banks */
    assert_int_equal(rs_array_elements_per_beat(&c), 25);
    assert_int_equal(rs_array_activation_banks(&c), 32);
    assert_int_equal(rs_array_output_banks(&c), 32);
    c.lanes = 64;
    c.multipliers = 33;
    assert_int_equal(rs_array_activation_banks(&c), 64);
    assert_int_equal(rs_array_output_banks(&c), 64);
}

static void test_bits(void **state)
{
    (void)state;
    rs_rng rng = { rs_test_seed(), 21, 0 };
    uint8_t string[64];
    int compared = 0;
    for (int round = 0; round < 3000; round++) {
        for (size_t i = 0; i < sizeof string; i++)
            string[i] = (uint8_t)rs_rng_next(&rng);
        uint8_t before[64];
        memcpy(before, string, sizeof before);
        const int bits = 1 + (int)(rs_rng_next(&rng) % 64), first = (int)(rs_rng_next(&rng) % 440);
        const uint64_t value = rs_rng_next(&rng);
        rs_bits_put(string, first, bits, (int64_t)value);
        for (int i = 0; i < 512; i++) {
            const int got = string[i / 8] >> (i % 8) & 1;
            const int expected = i >= first && i < first + bits ? (int)(value >> (i - first) & 1)
                                                                : before[i / 8] >> (i % 8) & 1;
            assert_int_equal(got, expected);
            compared++;
        }
        if (bits <= 32)
            assert_int_equal(rs_bits_get(string, first, bits), (int64_t)(value << (64 - bits)) >> (64 - bits));
    }
    assert_int_equal(compared, 3000 * 512);
}

/* ------------------------------------------------------------------------------------------------ layouts */

/* An image through memory and back, for widths that divide a beat and widths that do not. */
static void test_image(void **state)
{
    (void)state;
    for (int bits = 1; bits <= 16; bits++) {
        rs_qnet *net = rs_test_qnet_convolution(rs_test_seed() + (uint64_t)bits, 3, 7, 5, 4, 3, 1, 1, 0, bits);
        rs_array_config c = rs_test_array(3, 5);
        c.bus_bits = 16 << bits % 4;
        rs_program *program = compiled(net, &c);
        assert_int_equal(program->config.activation_bits, bits);
        uint8_t pixels[3 * 7 * 5];
        rs_rng rng = { rs_test_seed(), (uint64_t)bits, 0 };
        for (size_t i = 0; i < sizeof pixels; i++)
            pixels[i] = (uint8_t)rs_rng_next(&rng);
        uint8_t *memory = rs_calloc((size_t)(program->memory_beats * rs_program_beat_bytes(program)), 1);
        rs_program_load_image(program, pixels, memory);
        int32_t back[3 * 7 * 5];
        rs_program_read_tensor(program, memory, 0, back);
        const int per_beat = c.bus_bits / bits;
        for (int ch = 0; ch < 3; ch++)
            for (int y = 0; y < 7; y++)
                for (int x = 0; x < 5; x++) {
                    const int at = (ch * 7 + y) * 5 + x, e = (y * 5 + x) * 3 + ch;
                    const int32_t expected = net->pixel_table[ch * 256 + pixels[at]];
                    assert_int_equal(back[at], expected);
                    /* Section 2: element i of a beat at bits [i w, i w + w). */
                    assert_int_equal(
                        rs_bits_get(memory, (int64_t)(e / per_beat) * c.bus_bits + e % per_beat * bits, bits),
                        expected);
                }
        rs_free(memory);
        rs_program_free(program);
        rs_qnet_free(net);
    }
}

/* Section 1: the weight of a shifter's word; of a multiplier's the word itself. */
static int32_t weight_of(const rs_array_config *c, int32_t word)
{
    if (c->pe == RS_PE_MINIFLOAT) /* a sign and a magnitude; nets hold signed codes */
        return word < 0 ? -(word + (1 << (c->weight_bits - 1))) : word;
    if (c->pe != RS_PE_SHIFTER)
        return word;
    int code = word & ((1 << (c->weight_bits - 1)) - 1);
    if (c->zero_code == RS_YES && code-- == 0)
        return 0;
    return word < 0 ? -(1 << code) : 1 << code;
}

/* Every weight and bias of a program, found again where section 2 says. */
static int64_t check_packing(const rs_qnet *net, const rs_program *program)
{
    const rs_array_config *c = &program->config;
    int64_t compared = 0;
    for (int i = 0; i < program->n_layers; i++) {
        if (program->layers[i].kind != RS_KIND_WEIGHTS)
            continue;
        const rs_descriptor *d = &program->descriptors[program->layers[i].first];
        const rs_qop *op = &net->ops[program->layers[i].op];
        const rs_qtensor *in = &net->tensors[op->input];
        const int channels = in->channels;
        const bool whole = op->kernel_h == in->height && op->kernel_w == in->width && !op->pad_h && !op->pad_w &&
                           op->dilation_h == 1 && op->dilation_w == 1;
        const int own_bits = c->accumulator_bits + (c->channel_shifts == RS_YES ? 7 : 0);
        const int places = c->pe == RS_PE_MINIFLOAT ? 2 * rs_minifloat_fl(c->minifloat) - op->bias_fl : 0;
        int64_t beat = d->weight_addr;
        for (int g = 0; g < d->groups; g++) {
            const int lanes = g + 1 == d->groups ? d->lanes_last : c->lanes;
            for (int lane = 0; lane < lanes; lane++) {
                const int64_t bit = beat * c->bus_bits + (int64_t)lane * own_bits;
                const int low = c->accumulator_bits > 32 ? 32 : c->accumulator_bits;
                const uint64_t mask = low == 32 ? 0xffffffffu : (1u << low) - 1;
                assert_int_equal((uint64_t)rs_bits_get(program->memory, bit, low) & mask,
                                 (uint64_t)op->bias[g * c->lanes + lane] << places & mask);
                if (own_bits > c->accumulator_bits)
                    assert_int_equal(d->shift + rs_bits_get(program->memory, bit + c->accumulator_bits, 7),
                                     op->weight_fl
                                         ? op->shift + op->weight_fl[g * c->lanes + lane] - op->weight_format.fl
                                         : op->shift);
            }
            beat += (lanes * own_bits + c->bus_bits - 1) / c->bus_bits;
            /* Steps in the order of the loop nest; a segment is a kernel row, a kernel point, or the whole kernel. */
            const int seg1 = whole ? 1 : op->kernel_h, seg2 = whole || op->dilation_w == 1 ? 1 : op->kernel_w;
            const int seg_len = whole                 ? op->kernel_h * op->kernel_w * channels
                                : op->dilation_w == 1 ? op->kernel_w * channels
                                                      : channels;
            for (int s1 = 0; s1 < seg1; s1++)
                for (int s2 = 0; s2 < seg2; s2++)
                    for (int first = 0; first < seg_len; first += c->multipliers) {
                        for (int lane = 0; lane < lanes; lane++)
                            for (int x = 0; x < c->multipliers; x++) {
                                const int k = first + x, o = g * c->lanes + lane;
                                int32_t expected = weight_of(c, 0); /* a word of zero bits */
                                if (k < seg_len) {
                                    const int ch = k % channels, point = k / channels;
                                    const int ky = whole ? point / op->kernel_w : s1;
                                    const int kx = whole ? point % op->kernel_w : op->dilation_w == 1 ? point : s2;
                                    expected =
                                        op->weights[((o * channels + ch) * op->kernel_h + ky) * op->kernel_w + kx];
                                }
                                const int64_t bit = beat * c->bus_bits +
                                                    ((int64_t)lane * c->multipliers + x) * c->weight_bits;
                                assert_int_equal(weight_of(c, rs_bits_get(program->memory, bit, c->weight_bits)),
                                                 expected);
                                compared++;
                            }
                        beat += (lanes * c->multipliers * c->weight_bits + c->bus_bits - 1) / c->bus_bits;
                    }
        }
    }
    return compared;
}

/* A program keeps what section 3 and 4 promise: every output row in one tile, rows that tiles need, fields that are
 * products. */
static void check_tiles(const rs_qnet *net, const rs_program *program)
{
    const rs_array_config *c = &program->config;
    const int per_beat = c->bus_bits / c->activation_bits;
    for (int i = 0; i < program->n_layers; i++) {
        const rs_program_layer *layer = &program->layers[i];
        const rs_qtensor *out = &net->tensors[layer->output];
        int row = 0, channel = 0; /* of a slice */
        for (int k = layer->first; k < layer->first + layer->count; k++) {
            const rs_descriptor *d = &program->descriptors[k];
            assert_int_equal((int64_t)d->ofmap_addr * per_beat, program->tensors[layer->output].address * per_beat +
                                                                    (int64_t)row * out->width * out->channels +
                                                                    channel);
            assert_true(d->out_h >= 1);
            const int width = (d->groups - 1) * (d->mode == RS_MODE_WEIGHTS ? c->lanes : d->lanes_set) + d->lanes_last;
            if (width < out->channels) {
                assert_int_equal(d->run_beats * per_beat, width);
                assert_int_equal((d->run_beats + d->run_skip) * per_beat, out->channels);
                channel += width;
            }
            if (width == out->channels || channel == out->channels) {
                channel = 0;
                row += d->out_h;
            }
            assert_true((int64_t)d->ifmap_beats * per_beat <= c->activation_elements);
            assert_true((int64_t)d->ofmap_beats * per_beat <= c->output_elements);
            assert_true((d->mode != RS_MODE_WEIGHTS || d->steps <= c->weight_steps) &&
                        d->steps == d->seg1_count * d->seg2_count * d->chunks);
            const int64_t offset = d->origin_elems - (int64_t)d->origin_row * d->row_elems;
            assert_true(offset >= 0 && offset < per_beat);
            assert_true(d->ifmap_beats * (int64_t)per_beat >= offset + (int64_t)d->in_rows * d->row_elems);
            assert_int_equal(d->step_row_elems, d->step_row * d->row_elems);
            assert_int_equal(d->seg1_elems, d->seg1_rows * d->row_elems);
            assert_int_equal(d->window_rows, d->pool_stride_h * d->step_row);
            assert_int_equal(d->window_row_elems, d->window_rows * d->row_elems);
            assert_int_equal(d->window_cols, d->pool_stride_w * d->step_col);
            if (width == out->channels)
                assert_int_equal(d->ofmap_last_elems + (d->ofmap_beats - 1) * per_beat,
                                 d->out_h * d->out_w * d->out_channels);
            assert_true(d->wait_stored <= k);
            assert_true((layer->input == 0) == (d->wait_stored == 0));
        }
        assert_int_equal(row, out->height);
    }
}

static void test_random_programs(void **state)
{
    (void)state;
    int64_t compared = 0;
    int tiled = 0;
    for (uint64_t i = 0; i < 300; i++) {
        rs_test_case c = rs_test_case_make(
            rs_test_seed() + 5, i,
            (rs_test_limits) { .lanes = 20, .multipliers = 20, .macs = 20000, .layers = 3, .chains = true });
        compared += check_packing(c.qnet, c.program);
        check_tiles(c.qnet, c.program);
        tiled += c.program->n_descriptors > c.program->n_layers;
        rs_test_case_free(&c);
    }
    print_message("# compared %lld weights; %d of 300 programs are tiled\n", (long long)compared, tiled);
    assert_true(compared > 100000 && tiled > 10);
}

static void test_lenet(void **state)
{
    (void)state;
    rs_qnet *net = rs_test_qnet_lenet(1, 8);
    for (int i = 0; i < net->n_ops; i++)
        for (int o = 0; rs_qop_weighted(&net->ops[i]) && o < net->tensors[net->ops[i].output].channels; o++)
            net->ops[i].bias[o] %= 1 << 18; /* that do not decide about the accumulators */
    rs_array_config c = rs_test_array(16, 16);
    c.bus_bits = 128;
    rs_program *p = compiled(net, &c);
    assert_int_equal(p->n_layers, 4);
    assert_int_equal(p->n_descriptors, 4);
    const int64_t macs[4] = { 288000, 1600000, 400000, 5000 };
    const int steps[4] = { 5, 35, 50, 32 }, waits[4] = { 0, 1, 2, 3 }, groups[4] = { 2, 4, 32, 1 };
    for (int i = 0; i < 4; i++) {
        assert_int_equal(p->layers[i].macs, macs[i]);
        assert_int_equal(p->descriptors[i].steps, steps[i]);
        assert_int_equal(p->descriptors[i].wait_stored, waits[i]);
        assert_int_equal(p->descriptors[i].groups, groups[i]);
    }
    /* The convolutions' own outputs are pooled away. */
    assert_int_equal(p->layers[0].pool_op, 1);
    assert_int_equal(p->tensors[1].beats, 0);
    assert_int_equal(p->tensors[2].beats, 2880 / 16);
    /* 500 products of 2^14 and a bias below: 24 or 25 bits; 800 products: 25 or 26. */
    assert_true(p->config.accumulator_bits >= 24 && p->config.accumulator_bits <= 26);
    rs_array_config weights = c;
    weights.accumulator_bits = RS_BITS_WEIGHTS;
    rs_program *narrow = compiled(net, &weights);
    assert_true(narrow->config.accumulator_bits <= p->config.accumulator_bits);
    rs_program_free(narrow);
    rs_program_free(p);
    rs_qnet_free(net);
}

/* The files of configs/arrays can be read, and take LeNet. */
static void test_shipped_arrays(void **state)
{
    (void)state;
    rs_diag *diag = rs_diag_new();
    rs_qnet *net = rs_test_qnet_lenet(1, 8);
    DIR *folder = opendir("configs/arrays");
    assert_non_null(folder);
    int found = 0;
    for (struct dirent *entry; (entry = readdir(folder));) {
        if (!strstr(entry->d_name, ".yaml"))
            continue;
        char path[512];
        snprintf(path, sizeof path, "configs/arrays/%s", entry->d_name);
        rs_array_config *config = NULL;
        rs_assert_ok(rs_array_config_read(path, &config, diag), diag);
        rs_program *program = NULL;
        rs_assert_ok(rs_program_compile(net, config, &program, diag), diag);
        print_message("# %s: %d descriptors\n", path, program->n_descriptors);
        check_tiles(net, program);
        rs_program_free(program);
        rs_array_config_free(config);
        found++;
    }
    closedir(folder);
    assert_true(found >= 6);
    rs_qnet_free(net);
    rs_diag_free(diag);
}

/* ------------------------------------------------------------------------------------------------- errors */

static void test_buffers_too_small(void **state)
{
    (void)state;
    rs_qnet *net = rs_test_qnet_convolution(1, 20, 12, 12, 50, 5, 1, 0, 2, 8);
    rs_array_config c = rs_test_array(16, 16);
    c.file.path = "array.yaml";
    /* A pooled row takes 6 ifmap rows of 240 elements; two take 8. A row of the ofmap has 200 elements: 12.5 beats
     * of 16. */
    c.bus_bits = 128;
    c.activation_elements = 1024;
    refused(net, &c,
            "layer 'conv0': activation buffer holds 1,024 elements, one band of 2 output rows (fewer do not end on a "
            "beat) needs 1,920: 896 too few");
    c.activation_elements = 1 << 20;
    c.output_elements = 100;
    refused(net, &c,
            "layer 'conv0': output buffer holds 100 elements, one band of 2 output rows (fewer do not end on a beat) "
            "needs 400: 300 too few");
    c.bus_bits = 64;
    c.activation_elements = 1024;
    refused(net, &c, "activation buffer holds 1,024 elements, one band of 1 output row needs 1,440: 416 too few");
    refused(net, &c, "output buffer holds 100 elements, one band of 1 output row needs 200: 100 too few");
    c = rs_test_array(16, 16);
    c.weight_steps = 34;
    refused(net, &c,
            "layer 'conv0': weight buffer holds 34 steps, one group of 16 output channels needs 35: 1 too few");
    /* All at once, with hints. */
    c.activation_elements = c.output_elements = 64;
    rs_diag *diag = rs_diag_new();
    rs_program *program = NULL;
    assert_int_equal(rs_program_compile(net, &c, &program, diag), RS_BAD_INPUT);
    assert_int_equal(rs_diag_errors(diag), 3);
    char *text = rs_test_messages(diag);
    assert_non_null(strstr(text, "raise buffers.weight_steps to 35"));
    assert_non_null(strstr(text, "raise buffers.activation_elements to 1440"));
    assert_non_null(strstr(text, "raise buffers.output_elements to 200"));
    free(text);
    rs_diag_free(diag);
    /* What was asked for is enough. */
    c.weight_steps = 35;
    c.activation_elements = 1440;
    c.output_elements = 200;
    rs_program_free(compiled(net, &c));
    c.program_depth = 3;
    refused(net, &c, "needs 4 descriptors, array.program_depth is 3");
    rs_qnet_free(net);
}

/* The largest number that messages ask a buffer for. */
static int64_t asked_for(const char *messages, const char *key)
{
    int64_t most = 1;
    for (const char *at = messages; (at = strstr(at, key)) != NULL;) {
        at += strlen(key);
        const long long n = strtoll(at, NULL, 10);
        most = n > most ? n : most;
    }
    return most;
}

/* Random nets on random arrays whose buffers hold next to nothing: what the messages ask for is enough, and nearly
 * always no less is. */
static void test_what_messages_ask_for(void **state)
{
    (void)state;
    enum { CASES = 60 };
    int asked = 0, tight = 0;
    for (int i = 0; i < CASES; i++) {
        rs_test_case c = rs_test_case_make(
            rs_test_seed(), (uint64_t)i, (rs_test_limits) { .lanes = 8, .multipliers = 8, .macs = 60000, .layers = 4 });
        rs_array_config config = c.config;
        config.program_depth = 65535;
        config.activation_elements = config.output_elements = config.weight_steps = 1;
        rs_diag *diag = rs_diag_new();
        rs_program *program = NULL;
        if (rs_program_compile(c.qnet, &config, &program, diag) != RS_OK) {
            char *text = rs_test_messages(diag), what[2048];
            config.activation_elements = asked_for(text, "raise buffers.activation_elements to ");
            config.output_elements = asked_for(text, "raise buffers.output_elements to ");
            config.weight_steps = (int)asked_for(text, "raise buffers.weight_steps to ");
            free(text);
            if (rs_program_compile(c.qnet, &config, &program, diag) != RS_OK)
                fail_msg("%s does not fit buffers of %lld, %d and %lld, which was asked for: %s",
                         rs_test_case_text(&c, what, sizeof what), (long long)config.activation_elements,
                         config.weight_steps, (long long)config.output_elements, rs_test_messages(diag));
            asked++;
            rs_program_free(program);
            program = NULL;
            rs_array_config less = config;
            less.activation_elements--;
            tight += less.activation_elements == 0 || rs_program_compile(c.qnet, &less, &program, NULL) != RS_OK;
        }
        rs_program_free(program);
        rs_diag_free(diag);
        rs_test_case_free(&c);
    }
    print_message("# %d of %d nets were given what the messages asked for; %d of them could not do with less\n", asked,
                  (int)CASES, tight);
    assert_true(asked > CASES / 2 && tight > asked / 2);
}

static void test_banks(void **state)
{
    (void)state;
    rs_qnet *net = rs_test_qnet_convolution(1, 3, 6, 6, 4, 3, 1, 0, 0, 8);
    rs_array_config c = rs_test_array(4, 6);
    c.file.path = "array.yaml"; /* a beat has 8 elements */
    c.activation_banks = 4;
    refused(
        net, &c,
        "buffers.activation_banks is 4, but a cycle reads or writes up to 8 elements side by side: 4 banks too few");
    c.activation_banks = 32;
    c.output_banks = 2;
    refused(net, &c,
            "buffers.output_banks is 2, but a cycle reads or writes up to 8 elements side by side: 6 banks too few");
    c.output_banks = RS_BANKS_AUTO;
    rs_program *program = compiled(net, &c);
    assert_int_equal(rs_array_activation_banks(&program->config), 32);
    assert_int_equal(rs_array_output_banks(&program->config), 8);
    rs_program_free(program);
    rs_qnet_free(net);
}

static void test_widths(void **state)
{
    (void)state;
    rs_qnet *net = rs_test_qnet_convolution(1, 3, 6, 6, 4, 3, 1, 0, 0, 8);
    rs_array_config c = rs_test_array(4, 4);
    c.file.path = "array.yaml";
    c.activation_bits = 7;
    refused(net, &c, "blob 'data' is 8 bits wide, but array.activation_bits is 7; expected at least 8, or auto");
    c.activation_bits = 9;
    c.weight_bits = 7;
    refused(net, &c, "the weights of layer 'conv0' are 8 bits wide, but array.weight_bits is 7");
    c.weight_bits = 12;
    rs_program *p = compiled(net, &c);
    assert_int_equal(p->config.activation_bits, 9);
    assert_int_equal(p->config.weight_bits, 12);
    assert_int_equal(p->descriptors[0].out_bits, 8);
    rs_program_free(p);
    c.rounding = RS_ROUND_TRUNCATE;
    refused(net, &c, "array.rounding is truncate, but net 'random' rounds nearest");
    c.rounding = RS_ROUND_NEAREST;
    net->ops[0].bias[2] = 1000;
    c.accumulator_bits = 10;
    refused(net, &c, "layer 'conv0': the bias of output channel");
    net->ops[0].bias[2] = INT64_C(1) << 50;
    c.accumulator_bits = RS_BITS_AUTO;
    refused(net, &c, "accumulators have at most 48");
    rs_qnet_free(net);
}

static void test_what_cannot_run(void **state)
{
    (void)state;
    rs_array_config c = rs_test_array(4, 4);
    rs_qnet *net = rs_test_qnet_convolution(1, 4, 8, 8, 4, 3, 1, 0, 2, 8);
    net->ops[1].type = RS_QOP_ADD;
    net->ops[1].n_inputs = 3;
    net->ops[1].inputs[1] = net->ops[1].inputs[2] = 1;
    refused(net, &c, "layer 'pool1': the array adds two blobs, not more");
    net->ops[1].n_inputs = 1;
    net->ops[1].type = RS_QOP_MAX_POOL;
    int lengths[4] = { 1, 2, 3, 4 };
    net->ops[0].weight_fl = lengths;
    c.channel_shifts = RS_NO;
    refused(net, &c,
            "with a fractional length for each channel, the layer 'conv0' needs it, but array.channel_shifts is no");
    c.channel_shifts = RS_AUTO;
    net->ops[0].weight_fl = NULL;
    c.pe = RS_PE_SHIFTER;
    refused(net, &c,
            "the weights of layer 'conv0' are 8-bit integers, but array.pe is shifter, which takes powers of two only");
    for (int i = 0; i < 4 * 4 * 9; i++)
        net->ops[0].weights[i] = i % 3 ? i % 8 == 0 ? -128 : 1 : 0;
    net->ops[0].weight_format = rs_number_of_power2((rs_power2) { -7, 0, true });
    c.zero_code = RS_NO;
    refused(net, &c,
            "with weights of zero, the layer 'conv0' needs it, but array.zero_code is no; expected yes, or auto");
    c.zero_code = RS_AUTO;
    c.weight_bits = 4;
    refused(net, &c, "the weights of layer 'conv0' are 5 bits wide, but array.weight_bits is 4");
    c.weight_bits = 8;
    refused(net, &c, "array.weight_bits is 8, but array.pe is shifter; expected 2 to 5, or auto");
    c.weight_bits = RS_BITS_AUTO;
    rs_program *shifts = compiled(net, &c);
    assert_true(shifts->config.weight_bits == 5 && shifts->config.zero_code == RS_YES);
    rs_program_free(shifts);
    c.pe = RS_PE_MULTIPLIER;
    shifts = compiled(net, &c);
    assert_int_equal(shifts->config.weight_bits, 9);
    rs_program_free(shifts);
    net->tensors[2].format.bits = 17;
    refused(net, &c, "quantize the net to at most 16 bits");
    net->tensors[2].format.bits = 8;
    net->tensors[2].is_unsigned = true;
    c.unsigned_activations = RS_NO;
    refused(net, &c, "array.unsigned_activations is no; expected yes, or auto");
    c.unsigned_activations = RS_AUTO;
    net->tensors[2].is_unsigned = false;
    net->ops[1].type = RS_QOP_AVERAGE_POOL;
    c.average_pooling = RS_NO;
    refused(net, &c, "array.average_pooling is no; expected yes, or auto");
    c.average_pooling = RS_AUTO;
    net->ops[1].type = RS_QOP_MAX_POOL;
    net->ops[1].stride_h = net->ops[1].stride_w = 7;
    refused(net, &c, "layer 'pool1': its last window lies outside the map");
    net->ops[1].stride_h = net->ops[1].stride_w = 2;
    /* A second reader of the convolution's output: pooling cannot take it away. */
    net->n_ops = 1;
    net->n_tensors = 2;
    rs_program_free(compiled(net, &c));
    net->n_ops = 2;
    net->n_tensors = 3;
    rs_program_free(compiled(net, &c));
    /* Too large for a descriptor. */
    net->ops[1].stride_w = 300;
    net->tensors[2].width = 1;
    refused(net, &c,
            "layer 'conv0' is too large for the array: pool_stride_w (columns between pooling windows) would be 300; a "
            "descriptor holds "
            "at most 255");
    rs_qnet_free(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_derived_sizes),
        cmocka_unit_test(test_bits),
        cmocka_unit_test(test_image),
        cmocka_unit_test(test_random_programs),
        cmocka_unit_test(test_lenet),
        cmocka_unit_test(test_shipped_arrays),
        cmocka_unit_test(test_buffers_too_small),
        cmocka_unit_test(test_widths),
        cmocka_unit_test(test_what_cannot_run),
        cmocka_unit_test(test_what_messages_ask_for),
        cmocka_unit_test(test_banks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
