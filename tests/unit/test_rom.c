/* ROM files: the text of each format, reading back, damage; and what is in them: a small array that follows
 * docs/reference/array-data.md computes layers from the hex files alone and must get what the oracle gets. */
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/faults.h"
#include "base/file.h"
#include "base/memory.h"
#include "rom/rom.h"
#include "oracle/fxp.h"
#include "support/random_qnet.h"

/* ------------------------------------------------------------------------------------------------------ formats */

static const char *written(const rs_rom *rom, rs_rom_format format, const char *name)
{
    static char *text;
    const char *path = rs_test_path("rom");
    rs_diag *diag = rs_diag_new();
    uint32_t crc = 0, again = 0;
    rs_assert_ok(rs_rom_write(rom, format, name, path, &crc, diag), diag);
    rs_assert_ok(rs_rom_write(rom, format, name, path, &again, diag), diag);
    assert_int_equal(crc, again);
    rs_diag_free(diag);
    free(text);
    text = rs_test_read(path, NULL);
    return text;
}

static void check_texts(void **state)
{
    (void)state;
    int64_t values[] = { 1, -2, 3, -4, 0, 3, /* */ -1, -1, -1, -1, -1, -1, /* */ 0, 0, 0, 0, 0, -4 };
    const rs_rom rom = { 6, 3, 3, values }; /* 18 bits: five digits, the top one two bits */
    /* 011 000 100 011 110 001 */
    assert_string_equal(written(&rom, RS_ROM_HEX, "x"), "188F1\n3FFFF\n20000\n");
    assert_string_equal(written(&rom, RS_ROM_COE, "x"),
                        "memory_initialization_radix=16;\nmemory_initialization_vector=\n188F1,\n3FFFF,\n20000;\n");
    assert_string_equal(written(&rom, RS_ROM_MIF, "x"), "WIDTH=18;\nDEPTH=3;\nADDRESS_RADIX=HEX;\nDATA_RADIX=HEX;\n"
                                                        "CONTENT BEGIN\n0 : 188F1;\n1 : 3FFFF;\n2 : 20000;\nEND;\n");
    assert_string_equal(written(&rom, RS_ROM_IHEX, "x"), ":020000040000FA\n:09000000F18801FFFF03000002"
                                                         "7A\n:00000001FF\n");
    assert_string_equal(
        written(&rom, RS_ROM_C, "conv-1.lane00"),
        "/* Written by ristretto. */\n#include <stdint.h>\n\nstatic const int8_t conv_1_lane00[3][6] = {\n"
        "    { 1, -2, 3, -4, 0, 3 },\n    { -1, -1, -1, -1, -1, -1 },\n    { 0, 0, 0, 0, 0, -4 },\n};\n");
    int64_t wide[] = { INT64_MIN, INT64_MAX };
    assert_non_null(strstr(written(&(rs_rom) { 1, 64, 2, wide }, RS_ROM_C, "1st"),
                           "int64_t _1st[2][1] = {\n    { INT64_C(-9223372036854775807) - 1 },\n"
                           "    { INT64_C(9223372036854775807) },\n};\n"));
    assert_string_equal(written(&(rs_rom) { 1, 64, 2, wide }, RS_ROM_HEX, "x"), "8000000000000000\n7FFFFFFFFFFFFFFF\n");
    assert_string_equal(rs_rom_format_name(RS_ROM_IHEX), "ihex");
    assert_string_equal(rs_rom_format_name(RS_ROM_FORMATS), "?");
    assert_string_equal(rs_rom_extension(RS_ROM_FORMATS), "");
    rs_diag *diag = rs_diag_new();
    rs_assert_error(rs_rom_write(&rom, RS_ROM_FORMATS, "x", rs_test_path("rom"), NULL, diag), RS_USAGE, diag,
                    "unknown ROM format");
    rs_diag_free(diag);
}

/* Intel HEX, parsed by its own rules: every checksum, addresses without gaps, extended addresses beyond 64 KiB. */
static void check_intel_hex(void **state)
{
    (void)state;
    enum { WORDS = 30000 };
    rs_rng rng = { .seed = rs_test_seed() };
    int64_t *values = RS_NEW_ARRAY(int64_t, WORDS);
    assert_non_null(values);
    for (int i = 0; i < WORDS; i++)
        values[i] = rs_fxp_wrap((int64_t)rs_rng_next(&rng), 20);
    const char *at = written(&(rs_rom) { 1, 20, WORDS, values }, RS_ROM_IHEX, "x");
    uint64_t address = 0, high = 0, bytes = 0, word = 0;
    bool ended = false;
    while (*at) {
        assert_false(ended);
        assert_int_equal(*at++, ':');
        unsigned record[40], n = 0, sum = 0;
        for (; *at != '\n'; at += 2) {
            assert_true(n < 40 && sscanf(at, "%2x", &record[n]) == 1);
            sum += record[n++];
        }
        at++;
        assert_int_equal(sum & 255, 0);
        assert_int_equal(n, record[0] + 5);
        const unsigned type = record[3];
        if (type == 4)
            high = (uint64_t)record[4] << 24 | (uint64_t)record[5] << 16;
        else if (type == 1)
            ended = true;
        else
            for (unsigned i = 0; i < record[0]; i++, bytes++) {
                address = high + (record[1] << 8) + record[2] + i;
                assert_int_equal(address, bytes);
                word |= (uint64_t)record[4 + i] << (8 * (bytes % 3));
                if (bytes % 3 == 2) {
                    assert_int_equal(word, (uint64_t)values[bytes / 3] & 0xfffff);
                    word = 0;
                }
            }
    }
    assert_true(ended);
    assert_int_equal(bytes, WORDS * 3);
    rs_free(values);
}

static void check_read_back(void **state)
{
    (void)state;
    rs_diag *diag = rs_diag_new();
    uint64_t compared = 0;
    for (int i = 0; i < 60; i++) {
        rs_rng rng = { .seed = rs_test_seed(), .stream = 20 + (uint64_t)i };
        rs_rom rom = { 1 + (int)(rs_rng_next(&rng) % 64), 1 + (int)(rs_rng_next(&rng) % 64),
                       1 + (int)(rs_rng_next(&rng) % 40), NULL };
        const size_t count = (size_t)rom.elements * (size_t)rom.depth;
        rom.values = RS_NEW_ARRAY(int64_t, count);
        assert_non_null(rom.values);
        for (size_t k = 0; k < count; k++)
            rom.values[k] = rs_oracle_wrap((int64_t)rs_rng_next(&rng), rom.bits);
        for (int format = 0; format < RS_ROM_FORMATS; format++) {
            if (format != RS_ROM_HEX && format != RS_ROM_NPY)
                continue;
            rs_rom back = { rom.elements, rom.bits, rom.depth, NULL };
            uint32_t crc = 0, again = 1;
            rs_assert_ok(rs_rom_write(&rom, (rs_rom_format)format, "x", rs_test_path("back"), &crc, diag), diag);
            rs_assert_ok(rs_rom_read(&back, (rs_rom_format)format, rs_test_path("back"), &again, diag), diag);
            assert_int_equal(crc, again);
            assert_memory_equal(back.values, rom.values, count * sizeof *rom.values);
            compared += count;
            rs_rom_free(&back);
        }
        rs_rom_free(&rom);
    }
    assert_true(compared > 30000);
    rs_diag_free(diag);
}

static void check_bad_hex(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
        int line, column;
    } CASES[] = {
        { "12\n3\n44\n", "a word of 1 characters, expected 2 digits for 6 bits", 2, 0 },
        { "12\n333\n4\n", "a word of 3 characters", 2, 0 },
        { "12\n0x\n31\n", "hexadecimal digit", 2, 2 },
        { "12\n13\n14", "a word of 2 characters without a line feed", 3, 0 },
        { "12\n13\n", "ends after 2 words, expected 3", 3, 0 },
        { "12\n13\n14\n15\n", "more words than the 3", 4, 0 },
        { "12\n13\n4F\n", "wider than 6 bits", 3, 1 },
        { "12\r\n13\n4\n", "a word of 3 characters", 1, 0 },
        { "", "ends after 0 words", 1, 0 },
    };
    rs_diag *diag = rs_diag_new();
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        const char *path = rs_test_path("bad.hex");
        rs_test_write(path, CASES[i].text, strlen(CASES[i].text));
        rs_rom rom = { 2, 3, 3, NULL };
        const rs_status status = rs_rom_read(&rom, RS_ROM_HEX, path, NULL, diag);
        const rs_message *m = rs_diag_message(diag, 0);
        assert_non_null(m);
        assert_int_equal(m->loc.line, CASES[i].line);
        assert_int_equal(m->loc.column, CASES[i].column);
        rs_assert_error(status, RS_BAD_INPUT, diag, CASES[i].message);
        assert_null(rom.values);
    }
    rs_rom rom = { 2, 3, 3, NULL };
    rs_assert_error(rs_rom_read(&rom, RS_ROM_COE, rs_test_path("bad.hex"), NULL, diag), RS_USAGE, diag,
                    "cannot be read back");
    rs_assert_error(rs_rom_read(&rom, RS_ROM_HEX, rs_test_path("none.hex"), NULL, diag), RS_BAD_INPUT, diag,
                    "cannot open");
    /* A depth that the file does not have asks for no memory. */
    rom.depth = INT64_C(1) << 50;
    rs_test_write(rs_test_path("bad.hex"), "12\n", 3);
    rs_assert_error(rs_rom_read(&rom, RS_ROM_HEX, rs_test_path("bad.hex"), NULL, diag), RS_BAD_INPUT, diag,
                    "ends after 1 words");
    rs_diag_free(diag);
}

/* --------------------------------------------------------------------------------------- a network in ROMs */

/* Everything the toy array knows of a lane: the lines of its two files. */
typedef struct lane {
    char *weights, *bias;
} lane;

/* Bits [low, low + bits) of a hexadecimal word of `digits` digits, sign-extended. */
static int64_t field(const char *word, int digits, int low, int bits)
{
    uint64_t v = 0;
    for (int b = 0; b < bits; b++) {
        const int bit = low + b;
        const char ch = word[digits - 1 - bit / 4];
        const unsigned digit = (unsigned)(ch <= '9' ? ch - '0' : ch - 'A' + 10);
        v |= (uint64_t)(digit >> (bit % 4) & 1) << b;
    }
    return rs_oracle_wrap((int64_t)v, bits);
}

/* Element (row, col + i) of a map in HWC order whose rows have w * c elements; 0 outside. */
static int64_t map_element(const rs_qtensor *t, const int32_t *chw, int64_t row, int64_t col)
{
    if (row < 0 || row >= t->height || col < 0 || col >= (int64_t)t->width * t->channels)
        return 0;
    return chw[((col % t->channels) * t->height + row) * t->width + col / t->channels];
}

/* One output from the ROMs, as docs/reference/array-data.md walks a window; X multipliers. */
static int64_t toy_output(const rs_qnet *q, const rs_qop *op, const lane *lanes, int L, int X, int bias_bits, int o,
                          int oy, int ox, const int32_t *input, uint64_t *saturations)
{
    const rs_qtensor *in = &q->tensors[op->input], *out = &q->tensors[op->output];
    const int n = op->weight_format.bits, digits = (n * X + 3) / 4, bias_digits = (bias_bits + 3) / 4;
    const int64_t c = in->channels / op->groups;
    const bool plain = op->groups == 1;
    const bool whole = plain && op->kernel_h == in->height && op->kernel_w == in->width && op->pad_h == 0 &&
                       op->pad_w == 0 && op->dilation_h == 1 && op->dilation_w == 1;
    const bool rows = !whole && plain && op->dilation_w == 1;
    const int64_t seg1 = whole ? 1 : op->kernel_h, seg2 = whole || rows ? 1 : op->kernel_w;
    /* Convolution groups side by side that fit the lanes and multipliers share steps. */
    const int per_group = out->channels / op->groups;
    int shared = op->groups;
    while (shared > 1 && (op->groups % shared || shared * per_group > L || shared * c > X))
        shared--;
    const int per_set = shared * per_group, set = o / per_set, within = o % per_set;
    const int64_t turn = (int64_t)set * ((per_set + L - 1) / L) + within / L;
    const int64_t seg_len = whole ? (int64_t)in->height * in->width * c : rows ? op->kernel_w * c : shared * c;
    const int64_t chunks = (seg_len + X - 1) / X, steps = seg1 * seg2 * chunks;
    const char *bias_word = lanes[within % L].bias + turn * (bias_digits + 1);
    mpz_t sum;
    mpz_init_set_si(sum, field(bias_word, bias_digits, 0, bias_bits));
    for (int64_t s1 = 0; s1 < seg1; s1++)
        for (int64_t s2 = 0; s2 < seg2; s2++)
            for (int64_t ch = 0; ch < chunks; ch++) {
                const int64_t step = (s1 * seg2 + s2) * chunks + ch;
                const char *word = lanes[within % L].weights + (turn * steps + step) * (digits + 1);
                for (int i = 0; i < X; i++) {
                    const int64_t k = ch * X + i;
                    const int64_t w = field(word, digits, i * n, n);
                    if (k >= seg_len) {
                        assert_int_equal(w, 0);
                        continue;
                    }
                    int64_t row = (int64_t)oy * op->stride_h - op->pad_h + s1 * op->dilation_h;
                    int64_t x = (int64_t)ox * op->stride_w - op->pad_w + s2 * op->dilation_w;
                    int64_t col = x * in->channels + set * shared * c + k;
                    if (whole) { /* the map is one row */
                        row = k / (in->width * c);
                        col = k % (in->width * c);
                    }
                    const int64_t product = w * map_element(in, input, row, col);
                    if (product >= 0)
                        mpz_add_ui(sum, sum, (unsigned long)product);
                    else
                        mpz_sub_ui(sum, sum, (unsigned long)-product);
                }
            }
    const int64_t r = rs_oracle_requantize(sum, op->relu, op->shift, out->format.bits, q->rounding, 0, saturations);
    mpz_clear(sum);
    return r;
}

static char *read_lane(const char *folder, const char *base, const char *kind, int number)
{
    char *name = rs_format("%s/%s%s.lane%02d.hex", folder, base, kind, number);
    char *text = rs_test_read(name, NULL);
    rs_free(name);
    return text;
}

static uint64_t check_op(const rs_qnet *q, int index, const char *folder, int L, int X, int bias_bits,
                         int32_t *const *tensors, uint64_t expected_saturations)
{
    const rs_qop *op = &q->ops[index];
    const rs_qtensor *out = &q->tensors[op->output];
    char *base = rs_qnet_file_base(q, index);
    lane lanes[64];
    uint64_t compared = 0, saturations = 0;
    for (int l = 0; l < L; l++)
        lanes[l] = (lane) { read_lane(folder, base, "", l), read_lane(folder, base, ".bias", l) };
    for (int o = 0; o < out->channels; o++)
        for (int y = 0; y < out->height; y++)
            for (int x = 0; x < out->width; x++, compared++)
                assert_int_equal(toy_output(q, op, lanes, L, X,
                                            bias_bits ? bias_bits : rs_qop_accumulator_bits(q, op, true), o, y, x,
                                            tensors[op->input], &saturations),
                                 tensors[op->output][((int64_t)o * out->height + y) * out->width + x]);
    assert_int_equal(saturations, expected_saturations);
    for (int l = 0; l < L; l++) {
        free(lanes[l].weights);
        free(lanes[l].bias);
    }
    rs_free(base);
    return compared;
}

static void check_networks(void **state)
{
    (void)state;
    rs_diag *diag = rs_diag_new();
    uint64_t values = 0;
    int64_t all_words = 0;
    for (int i = 0; i < 40; i++) {
        rs_rng rng = { .seed = rs_test_seed(), .stream = 400 + (uint64_t)i };
        const rs_random_qnet options = {
            .max_ops = 4, .max_bits = 16, .max_size = 7, .max_channels = 9, .branches = true
        };
        rs_qnet *q = rs_test_random_qnet(&rng, &options);
        const rs_rom_options rom = { .format = RS_ROM_HEX,
                                     .lanes = 1 + (int)(rs_rng_next(&rng) % 5),
                                     .multipliers = 1 + (int)(rs_rng_next(&rng) % 9),
                                     .bias_bits = i % 2 ? 48 : 0 };
        char *folder = rs_format("%s/roms%d", rs_test_folder(), i);
        int64_t words = 0, compared = 0, npy_compared = 0;
        rs_assert_ok(rs_rom_export(q, &rom, folder, &words, diag), diag);
        rs_assert_ok(rs_rom_verify(q, folder, &compared, diag), diag);
        int32_t **tensors = RS_NEW_ARRAY(int32_t *, (size_t)q->n_tensors);
        for (int t = 0; t < q->n_tensors; t++)
            tensors[t] = RS_NEW_ARRAY(int32_t, (size_t)q->tensors[t].channels * (size_t)q->tensors[t].height *
                                                   (size_t)q->tensors[t].width);
        uint8_t pixels[4 * 7 * 7];
        for (size_t k = 0; k < sizeof pixels; k++)
            pixels[k] = (uint8_t)rs_rng_next(&rng);
        uint64_t saturations[4] = { 0 };
        rs_oracle_qnet_run(q, pixels, tensors, saturations);
        for (int k = 0; k < q->n_ops; k++)
            if (rs_qop_weighted(&q->ops[k]))
                values += check_op(q, k, folder, rom.lanes, rom.multipliers, rom.bias_bits, tensors, saturations[k]);
        for (int t = 0; t < q->n_tensors; t++)
            rs_free(tensors[t]);
        rs_free(tensors);
        /* The same words as NumPy arrays. */
        if (i % 8 == 0) {
            rs_rom_options npy = rom;
            npy.format = RS_ROM_NPY;
            rs_assert_ok(rs_rom_export(q, &npy, folder, NULL, diag), diag);
            rs_assert_ok(rs_rom_verify(q, folder, &npy_compared, diag), diag);
            assert_int_equal(compared, npy_compared);
        }
        assert_true(compared >= words);
        all_words += words;
        rs_free(folder);
        rs_qnet_free(q);
    }
    print_message("# %llu outputs computed from %lld ROM words\n", (unsigned long long)values, (long long)all_words);
    assert_true(values > 1000);
    assert_true(all_words > 5000);
    rs_diag_free(diag);
}

static void check_every_format(void **state)
{
    (void)state;
    rs_rng rng = { .seed = rs_test_seed() };
    rs_diag *diag = rs_diag_new();
    rs_qnet *q = rs_test_lenet_qnet(&rng, 8, 4, 4);
    int64_t expected = 0;
    for (int f = 0; f < RS_ROM_FORMATS; f++) {
        char *folder = rs_format("%s/lenet-%s", rs_test_folder(), rs_rom_format_name((rs_rom_format)f));
        const rs_rom_options options = { (rs_rom_format)f, 5, 16, 8, 32, RS_WEIGHT_INTEGER };
        int64_t words = 0, compared = 0;
        rs_assert_ok(rs_rom_export(q, &options, folder, &words, diag), diag);
        assert_true(f == 0 || words == expected);
        expected = words;
        assert_int_equal(rs_test_count_files(folder), 4 * (1 + 2 * 5));
        if (f == RS_ROM_HEX || f == RS_ROM_NPY)
            rs_assert_ok(rs_rom_verify(q, folder, &compared, diag), diag);
        else
            rs_assert_error(rs_rom_verify(q, folder, &compared, diag), RS_USAGE, diag, "cannot be read back");
        rs_free(folder);
    }
    /* conv1: 4 groups * 5 rows * 1 chunk, conv2: 10 * 5 * 7, ip1: 100 * 50, ip2: 2 * 32 words per lane, and a bias a
     * group. */
    assert_int_equal(expected, 5 * (4 * 5 + 10 * 5 * 7 + 100 * 50 + 2 * 32 + 4 + 10 + 100 + 2));
    rs_qnet_free(q);
    rs_diag_free(diag);
}

static void check_errors(void **state)
{
    (void)state;
    rs_rng rng = { .seed = rs_test_seed() };
    rs_diag *diag = rs_diag_new();
    rs_qnet *q = rs_test_lenet_qnet(&rng, 8, 8, 4);
    const char *folder = rs_test_path("errors");
    int64_t n;
    static const struct {
        rs_rom_options options;
        rs_status status;
        const char *message;
    } CASES[] = {
        { { RS_ROM_HEX, 0, 4, 0, 0, RS_WEIGHT_INTEGER }, RS_USAGE, "lanes: 0, expected 1 to 64" },
        { { RS_ROM_HEX, 65, 4, 0, 0, RS_WEIGHT_INTEGER }, RS_USAGE, "lanes: 65" },
        { { RS_ROM_HEX, 4, 65, 0, 0, RS_WEIGHT_INTEGER }, RS_USAGE, "multipliers: 65" },
        { { RS_ROM_HEX, 4, 4, 17, 0, RS_WEIGHT_INTEGER }, RS_USAGE, "weight bits: 17" },
        { { RS_ROM_HEX, 4, 4, 0, 49, RS_WEIGHT_INTEGER }, RS_USAGE, "bias bits: 49" },
        { { RS_ROM_FORMATS, 4, 4, 0, 0, RS_WEIGHT_INTEGER }, RS_USAGE, "format" },
        { { RS_ROM_HEX, 4, 4, 7, 0, RS_WEIGHT_INTEGER }, RS_BAD_INPUT, "layer 'conv1': weight" },
        { { RS_ROM_HEX, 4, 4, 0, 8, RS_WEIGHT_INTEGER }, RS_BAD_INPUT, "layer 'conv1': the bias of output channel" },
    };
    q->ops[0].weights[3] = 127;
    q->ops[0].bias[2] = 1000;
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        rs_assert_error(rs_rom_export(q, &CASES[i].options, folder, NULL, diag), CASES[i].status, diag,
                        CASES[i].message);
    const rs_rom_options options = { RS_ROM_HEX, 4, 8, 0, 0, RS_WEIGHT_INTEGER };
    rs_assert_error(rs_rom_verify(q, folder, &n, diag), RS_BAD_INPUT, diag, "cannot open");
    rs_assert_ok(rs_rom_export(q, &options, folder, NULL, diag), diag);
    rs_assert_ok(rs_rom_verify(q, folder, &n, diag), diag);

    /* One weight differs: where it is, is said. */
    q->ops[2].weights[0] ^= 1;
    rs_assert_error(rs_rom_verify(q, folder, &n, diag), RS_MISMATCH, diag,
                    "layer 'conv2', lane 0, word 0, element 0 is");
    q->ops[2].weights[0] ^= 1;
    q->ops[2].bias[49] ^= 1; /* group 12, lane 1 */
    rs_assert_error(rs_rom_verify(q, folder, &n, diag), RS_MISMATCH, diag,
                    "layer 'conv2', lane 1, word 12, element 0 is");
    q->ops[2].bias[49] ^= 1;

    char *path = rs_path_join(folder, "conv2.json");
    size_t size;
    char *text = rs_test_read(path, &size);
    for (size_t cut = 0; cut + 3 < size; cut += 41) {
        rs_test_write(path, text, cut);
        assert_int_equal(rs_rom_verify(q, folder, &n, diag), RS_BAD_INPUT);
        free(rs_test_messages(diag));
    }
    static const char *const CHANGES[][2] = { { "ristretto rom", "ristretto ram" },
                                              { "\"version\": 1", "\"version\": 2" },
                                              { "\"lanes\": 4", "\"lanes\": 5" },
                                              { "\"lanes\": 4", "\"lanes\": 400" },
                                              { "\"multipliers\": 8", "\"multipliers\": 4" },
                                              { "\"hex\"", "\"hax\"" },
                                              { "conv2.lane01.hex", "conv2.lane00.hex" },
                                              { "\"crc32\": \"", "\"crc32\": \"0" },
                                              { "\"depth\": ", "\"depth\": 1" } };
    for (size_t i = 0; i < sizeof CHANGES / sizeof *CHANGES; i++) {
        const char *at = strstr(text, CHANGES[i][0]);
        assert_non_null(at);
        char *bad = rs_format("%.*s%s%s", (int)(at - text), text, CHANGES[i][1], at + strlen(CHANGES[i][0]));
        rs_test_write(path, bad, strlen(bad));
        assert_int_equal(rs_rom_verify(q, folder, &n, diag), RS_BAD_INPUT);
        free(rs_test_messages(diag));
        rs_free(bad);
    }
    free(text);
    rs_free(path);
    rs_qnet_free(q);
    rs_diag_free(diag);
}

static void check_faults(void **state)
{
    (void)state;
    rs_rng rng = { .seed = rs_test_seed(), .stream = 3 };
    const rs_random_qnet random = { .max_ops = 1, .max_bits = 8, .max_size = 4, .max_channels = 3, .plain = true };
    rs_diag *diag = rs_diag_new();
    rs_qnet *q = rs_test_random_qnet(&rng, &random);
    while (!rs_qop_weighted(&q->ops[0])) {
        rs_qnet_free(q);
        q = rs_test_random_qnet(&rng, &random);
    }
    const rs_rom_options options = { RS_ROM_NPY, 1, 2, 0, 0, RS_WEIGHT_INTEGER };
    const char *folder = rs_test_path("rom-faults");
    int failures = 0;
    for (int kind = 0; kind < RS_FAULT_KINDS; kind++)
        for (uint64_t n = 1;; n++) {
            int64_t compared;
            rs_fault_arm((rs_fault)kind, n);
            /* What is read has been written for the kind before. */
            rs_status status = kind == RS_FAULT_READ ? RS_OK : rs_rom_export(q, &options, folder, NULL, diag);
            if (status == RS_OK)
                status = rs_rom_verify(q, folder, &compared, diag);
            const bool struck = rs_fault_count((rs_fault)kind) >= n;
            rs_fault_arm((rs_fault)kind, 0);
            if (!struck) {
                rs_assert_ok(status, diag);
                break;
            }
            failures++;
            assert_int_equal(status, kind == RS_FAULT_READ ? RS_BAD_INPUT : RS_RESOURCE);
            free(rs_test_messages(diag));
        }
    print_message("# %d faults\n", failures);
    assert_true(failures > 30);
    rs_qnet_free(q);
    rs_diag_free(diag);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_texts),   cmocka_unit_test(check_intel_hex), cmocka_unit_test(check_read_back),
        cmocka_unit_test(check_bad_hex), cmocka_unit_test(check_networks),  cmocka_unit_test(check_every_format),
        cmocka_unit_test(check_errors),  cmocka_unit_test(check_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
