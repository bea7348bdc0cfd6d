/* test-options: limit=14400
 * Random nets on random arrays, the C model against the RTL: every event and its cycle, memory, and the exact engine.
 * Each configuration is verilated once and kept in the cache.
 *
 * A case has three numbers: the seed, the array and the net on it; nothing else decides what it is.
 * scripts/rtl-campaign sets, through the environment, how many there are (RISTRETTO_CAMPAIGN_ARRAYS,
 * RISTRETTO_CAMPAIGN_NETS), that only one is run (RISTRETTO_CAMPAIGN_ARRAY, RISTRETTO_CAMPAIGN_NET), or that a campaign
 * goes on where it was stopped (RISTRETTO_CAMPAIGN_RESUME). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/progress.h"
#include "base/threads.h"
#include "cosim/lockstep.h"
#include "support/array_cases.h"
#include "support/test.h"

/* Widths, shapes, accumulators, trees: each is a Verilog build. What is not a parameter of the RTL varies from case to
 * case. */
static const rs_array_config configurations[] = {
    { .unsigned_activations = RS_NO,
      .channel_shifts = RS_NO,
      .average_pooling = RS_YES,
      .lanes = 1,
      .multipliers = 1,
      .activation_bits = 8,
      .weight_bits = 8,
      .accumulator_bits = 40,
      .bus_bits = 16,
      .outstanding = 1 },
    { .unsigned_activations = RS_YES,
      .channel_shifts = RS_YES,
      .average_pooling = RS_YES,
      .lanes = 4,
      .multipliers = 4,
      .activation_bits = 8,
      .weight_bits = 8,
      .accumulator_bits = 32,
      .bus_bits = 64,
      .outstanding = 16,
      .activation_banks = 16,
      .output_banks = 32,
      .tree_registers = RS_TREE_EVERY },
    { .unsigned_activations = RS_YES,
      .channel_shifts = RS_YES,
      .average_pooling = RS_NO,
      .lanes = 3,
      .multipliers = 5,
      .activation_bits = 5,
      .weight_bits = 3,
      .accumulator_bits = 14,
      .bus_bits = 32,
      .outstanding = 4,
      .overflow = RS_OVERFLOW_SATURATE,
      .first_level = RS_FIRST_LEVEL_PAPER,
      .tree_registers = RS_TREE_EVERY_SECOND,
      .rounding = RS_ROUND_NEAREST_EVEN },
    { .unsigned_activations = RS_NO,
      .channel_shifts = RS_NO,
      .average_pooling = RS_NO,
      .lanes = 8,
      .multipliers = 3,
      .activation_bits = 4,
      .weight_bits = 2,
      .accumulator_bits = 9,
      .bus_bits = 128,
      .outstanding = 7,
      .overflow = RS_OVERFLOW_WRAP,
      .rounding = RS_ROUND_NEAREST_UP },
    { .unsigned_activations = RS_NO,
      .channel_shifts = RS_NO,
      .average_pooling = RS_YES,
      .lanes = 2,
      .multipliers = 8,
      .activation_bits = 16,
      .weight_bits = 16,
      .accumulator_bits = 48,
      .bus_bits = 32,
      .outstanding = 40,
      .tree_registers = RS_TREE_EVERY_SECOND,
      .rounding = RS_ROUND_TRUNCATE },
    { .unsigned_activations = RS_YES,
      .channel_shifts = RS_YES,
      .average_pooling = RS_NO,
      .lanes = 5,
      .multipliers = 3,
      .activation_bits = 8,
      .weight_bits = 8,
      .accumulator_bits = 48,
      .bus_bits = 64,
      .outstanding = 8,
      .overflow = RS_OVERFLOW_SATURATE },
    { .unsigned_activations = RS_NO,
      .channel_shifts = RS_NO,
      .average_pooling = RS_YES,
      .lanes = 5,
      .multipliers = 2,
      .activation_bits = 1,
      .weight_bits = 1,
      .accumulator_bits = 12,
      .bus_bits = 16,
      .outstanding = 3 },
    { .unsigned_activations = RS_YES,
      .channel_shifts = RS_YES,
      .average_pooling = RS_YES,
      .lanes = 16,
      .multipliers = 7,
      .activation_bits = 6,
      .weight_bits = 9,
      .accumulator_bits = 24,
      .bus_bits = 256,
      .outstanding = 12,
      .overflow = RS_OVERFLOW_SATURATE,
      .tree_registers = RS_TREE_EVERY },
    { .unsigned_activations = RS_NO,
      .channel_shifts = RS_NO,
      .average_pooling = RS_YES,
      .lanes = 7,
      .multipliers = 16,
      .activation_bits = 10,
      .weight_bits = 5,
      .accumulator_bits = 20,
      .bus_bits = 512,
      .outstanding = 33,
      .first_level = RS_FIRST_LEVEL_PAPER,
      .tree_registers = RS_TREE_EVERY_SECOND },
    { .pe = RS_PE_SHIFTER,
      .zero_code = RS_YES,
      .channel_shifts = RS_NO,
      .unsigned_activations = RS_YES,
      .average_pooling = RS_YES,
      .lanes = 6,
      .multipliers = 5,
      .activation_bits = 8,
      .weight_bits = 4,
      .accumulator_bits = 28,
      .bus_bits = 64,
      .outstanding = 9,
      .tree_registers = RS_TREE_EVERY,
      .rounding = RS_ROUND_NEAREST_EVEN },
    { .pe = RS_PE_SHIFTER,
      .zero_code = RS_NO,
      .channel_shifts = RS_NO,
      .unsigned_activations = RS_NO,
      .average_pooling = RS_NO,
      .lanes = 3,
      .multipliers = 4,
      .activation_bits = 12,
      .weight_bits = 5,
      .accumulator_bits = 27,
      .bus_bits = 128,
      .outstanding = 20,
      .overflow = RS_OVERFLOW_SATURATE },
#define MINIFLOAT_ARRAY \
    .pe = RS_PE_MINIFLOAT, .unsigned_activations = RS_NO, .average_pooling = RS_NO, .channel_shifts = RS_NO
    { MINIFLOAT_ARRAY, .minifloat = { 4, 3, 7, true, RS_MINIFLOAT_NAN }, /* e4m3 */
      .lanes = 3, .multipliers = 4, .activation_bits = 8, .weight_bits = 8, .accumulator_bits = 48, .bus_bits = 64,
      .outstanding = 11, .rounding = RS_ROUND_NEAREST_EVEN },
    { MINIFLOAT_ARRAY, .minifloat = { 5, 2, 15, true, RS_MINIFLOAT_IEEE }, /* e5m2 */
      .lanes = 2, .multipliers = 3, .activation_bits = 8, .weight_bits = 8, .accumulator_bits = 80, .bus_bits = 128,
      .outstanding = 5, .tree_registers = RS_TREE_EVERY, .rounding = RS_ROUND_TRUNCATE },
    { MINIFLOAT_ARRAY, .minifloat = { 2, 1, 1, true, RS_MINIFLOAT_FINITE }, /* e2m1 */
      .lanes = 5, .multipliers = 6, .activation_bits = 4, .weight_bits = 4, .accumulator_bits = 14, .bus_bits = 32,
      .outstanding = 8, .overflow = RS_OVERFLOW_SATURATE, .first_level = RS_FIRST_LEVEL_PAPER,
      .tree_registers = RS_TREE_EVERY_SECOND, .rounding = RS_ROUND_NEAREST },
};
enum { CONFIGURATIONS = sizeof configurations / sizeof *configurations };

static int pick(rs_rng *rng, int low, int high)
{
    return low + (int)(rs_rng_next(rng) % (uint64_t)(high - low + 1));
}

static bool one_in(rs_rng *rng, int n)
{
    return pick(rng, 1, n) == 1;
}

static const rs_test_limits limits = { .macs = 40000, .layers = 4 };

/* Lanes or multipliers: mostly few, since the model's build takes as long as the array is large. */
static int random_size(rs_rng *rng)
{
    const int kind = pick(rng, 0, 19);
    return kind < 13 ? pick(rng, 1, 8) : kind < 18 ? pick(rng, 9, 20) : pick(rng, 21, 64);
}

/* Everything that is a parameter of the RTL. */
static rs_array_config random_configuration(uint64_t seed, int array)
{
    enum { MOST_PRODUCTS = 320 };
    rs_rng rng = { seed, 10, (uint64_t)array << 32 };
    const int kind = pick(&rng, 0, 6);
    rs_array_config c = { .lanes = random_size(&rng),
                          .multipliers = random_size(&rng),
                          .activation_bits = one_in(&rng, 3) ? 8 : pick(&rng, 1, 16),
                          .weight_bits = one_in(&rng, 3) ? 8 : pick(&rng, 1, 16),
                          .pe = kind == 5   ? RS_PE_SHIFTER
                                : kind == 6 ? RS_PE_MINIFLOAT
                                            : RS_PE_MULTIPLIER,
                          .minifloat = rs_test_minifloat(&rng),
                          .zero_code = one_in(&rng, 2) ? RS_YES : RS_NO,
                          .channel_shifts = one_in(&rng, 2) ? RS_YES : RS_NO,
                          .unsigned_activations = one_in(&rng, 2) ? RS_YES : RS_NO,
                          .average_pooling = one_in(&rng, 2) ? RS_YES : RS_NO,
                          .bus_bits = 16 << pick(&rng, 0, one_in(&rng, 4) ? 6 : 4),
                          .outstanding = one_in(&rng, 3) ? pick(&rng, 1, 80) : pick(&rng, 1, 12),
                          .overflow = (rs_overflow)pick(&rng, 0, 1),
                          .first_level = (rs_first_level)pick(&rng, 0, 1),
                          .tree_registers = (rs_tree_registers)pick(&rng, 0, 2),
                          .rounding = (rs_rounding)pick(&rng, 0, 3),
                          .program_depth = 512,
                          .activation_elements = 2048,
                          .output_elements = 1500,
                          .weight_steps = 700,
                          .latency = 1,
                          .clock_mhz = 200 };
    while (c.lanes * c.multipliers > MOST_PRODUCTS) {
        c.lanes = random_size(&rng);
        c.multipliers = random_size(&rng);
    }
    if (c.unsigned_activations == RS_YES && c.activation_bits > 15)
        c.activation_bits = 15;
    if (c.pe == RS_PE_SHIFTER)
        c.weight_bits = pick(&rng, 2, RS_SHIFTER_MAX_BITS);
    if (c.pe == RS_PE_MINIFLOAT) {
        c.activation_bits = c.weight_bits = rs_minifloat_bits(c.minifloat);
        c.unsigned_activations = c.average_pooling = c.channel_shifts = RS_NO;
    }
    /* As wide as nearly any sum, or wide enough for most biases and not for every sum. */
    c.accumulator_bits = rs_array_tree_bits(&c, 0) + (one_in(&rng, 3) ? 14 : pick(&rng, 0, 8));
    if (c.accumulator_bits > rs_array_accumulator_max_bits(&c))
        c.accumulator_bits = rs_array_accumulator_max_bits(&c);
    if (one_in(&rng, 2)) { /* buffers that just fit one of the nets: those that need more are not drawn */
        rs_test_case c0 = rs_test_case_on(rs_rng_next(&rng), 0, &c, limits);
        rs_test_case_shrink(&c0, &c);
        c.program_depth = c0.program->n_descriptors + pick(&rng, 0, 3);
        if (c.program_depth < 8)
            c.program_depth = 8;
        rs_test_case_free(&c0);
    }
    if (one_in(&rng, 4))
        c.activation_banks = rs_array_activation_banks(&c) << pick(&rng, 0, 2);
    if (one_in(&rng, 4))
        c.output_banks = rs_array_output_banks(&c) << pick(&rng, 0, 2);
    return c;
}

/* ---------------------------------------------------------------------------------------------------- campaigns */

typedef struct totals {
    rs_lockstep_result sum;
    int64_t nets, layers;
    int arrays;
} totals;

static void print_totals(const char *what, const totals *t)
{
    print_message("# %s: %d arrays, %" PRId64 " nets with %" PRId64 " layers: compared %" PRIu64 " reads, %" PRIu64
                  " output beats with %" PRIu64 " values, %" PRIu64 " writes in %" PRIu64 " cycles; %" PRIu64
                  " saturations, %" PRIu64 " overflows; %" PRIu64 " values with the engine\n",
                  what, t->arrays, t->nets, t->layers, t->sum.events[RS_EVENT_READ], t->sum.events[RS_EVENT_OUTPUT],
                  t->sum.values, t->sum.events[RS_EVENT_WRITE], t->sum.cycles, t->sum.saturations, t->sum.overflows,
                  t->sum.engine_values);
}

/* Net `net` of array `array`; `config` is the array. */
static void run_net(rs_array_config config, uint64_t seed, int array, int net, totals *to)
{
    static const int stalls[] = { 0, 50, 90, 20 };
    rs_rng rng = { seed, 9, ((uint64_t)array << 32) + ((uint64_t)net << 8) };
    config.latency = one_in(&rng, 4) ? 1 : pick(&rng, 1, 40);
    config.stall_percent = stalls[net % 4];
    config.stall_seed = rs_rng_next(&rng);
    rs_test_case c = rs_test_case_on(rs_mix64(seed + (uint64_t)array), (uint64_t)net, &config, limits);
    rs_diag *diag = rs_diag_new();
    rs_lockstep_result result;
    /* One multiplier takes millions of cycles, many take a model that is long in building. */
    const bool quick = config.lanes * config.multipliers >= 8;
    const rs_lockstep_options options = {
        .first_image = net, .x_seed = rs_rng_next(&rng), .quick = quick, .all_checks = true
    };
    const rs_status status = rs_lockstep_run(c.program, c.pixels, 1, &options, NULL, &result, diag);
    if (status != RS_OK) {
        char text[2048];
        print_message("# %s\n", rs_test_case_text(&c, text, sizeof text));
        if (result.mismatch)
            rs_lockstep_print(result.mismatch, stderr);
        if (array < 0)
            print_message("# again: RISTRETTO_SEED=%" PRIu64 " build/release/tests/test_lockstep_random\n", seed);
        else
            print_message("# again: scripts/rtl-campaign --seed %" PRIu64 " --array %d --net %d\n", seed, array, net);
    }
    rs_assert_ok(status, diag);
    for (int kind = 0; kind < RS_EVENT_KINDS; kind++)
        to->sum.events[kind] += result.events[kind];
    to->nets++;
    to->layers += c.program->n_layers;
    to->sum.cycles += result.cycles;
    to->sum.build_seconds += result.build_seconds;
    to->sum.values += result.values;
    to->sum.engine_values += result.engine_values;
    to->sum.saturations += result.saturations;
    to->sum.overflows += result.overflows;
    rs_lockstep_result_clear(&result);
    rs_diag_free(diag);
    rs_test_case_free(&c);
}

static void run_array(const rs_array_config *config, uint64_t seed, int array, int first, int nets, totals *to)
{
    const double build = to->sum.build_seconds;
    const uint64_t cycles = to->sum.cycles;
    const int64_t layers = to->layers;
    for (int i = first; i < first + nets; i++)
        run_net(*config, seed, array, i, to);
    to->arrays++;
    print_message("# array %d: %dx%d, %s, %dx%d bits, accumulator %d %s, tree %d, bus %d, buffers %" PRId64
                  "/%d/%" PRId64 ": %d nets, %" PRId64 " layers, %" PRIu64 " cycles equal; model built in %.1f s\n",
                  array, config->lanes, config->multipliers, rs_pe_name(config->pe), config->activation_bits,
                  config->weight_bits, config->accumulator_bits,
                  config->overflow == RS_OVERFLOW_WRAP ? "wraps" : "saturates", (int)config->tree_registers,
                  config->bus_bits, config->activation_elements, config->weight_steps, config->output_elements, nets,
                  to->layers - layers, to->sum.cycles - cycles, to->sum.build_seconds - build);
    fflush(stdout);
}

static bool full(void)
{
    const char *level = getenv("RISTRETTO_LEVEL");
    return level && strcmp(level, "full") == 0;
}

static bool asan(void)
{
    const char *variant = getenv("RISTRETTO_VARIANT");
    return variant && strcmp(variant, "asan") == 0;
}

/* A number of the environment; -1: not set. */
static int setting(const char *name)
{
    const char *text = getenv(name);
    if (!text || !*text)
        return -1;
    char *end = NULL;
    const long value = strtol(text, &end, 10);
    if (*end || value < 0 || value > 1000000)
        fail_msg("%s is '%s', expected a number up to 1000000", name, text);
    return (int)value;
}

static void test_fixed_configurations(void **state)
{
    (void)state;
    if (setting("RISTRETTO_CAMPAIGN_ARRAYS") >= 0 || setting("RISTRETTO_CAMPAIGN_ARRAY") >= 0)
        return; /* only the campaign was asked for */
    const int nets = full() ? 125 : asan() ? 5 : 30;
    totals t = { .nets = 0 };
    for (int i = 0; i < CONFIGURATIONS; i++) {
        rs_array_config config = configurations[i];
        config.program_depth = 512;
        config.activation_elements = 2048;
        config.output_elements = 1500;
        config.weight_steps = 700;
        config.clock_mhz = 200;
        run_array(&config, rs_test_seed(), -1 - i, 0, nets, &t);
    }
    print_totals("fixed", &t);
    assert_true(t.sum.values > 100 && t.sum.engine_values > 100 && t.sum.saturations > 0);
    assert_true(nets < 30 || (t.sum.overflows > 0 && t.layers >= 200)); /* rare: a few nets may have none */
}

/* What stands for this campaign: the programs and the RTL that it compares, so that nothing is resumed that has
 * changed. */
static uint64_t fingerprint(uint64_t seed, int nets)
{
    uint64_t hash = rs_mix64(seed) ^ (uint64_t)nets;
    char path[256];
    snprintf(path, sizeof path, "/proc/self/exe");
    rs_array_config config = configurations[0];
    config.program_depth = config.weight_steps = 8;
    config.activation_elements = config.output_elements = 64;
    rs_dut *dut = NULL;
    rs_diag *diag = rs_diag_new();
    rs_assert_ok(rs_dut_open(&config, NULL, &dut, diag), diag);
    for (const char *p = rs_dut_library(dut); *p; p++) /* its name is a hash of the RTL */
        hash = (hash ^ (uint8_t)*p) * UINT64_C(0x100000001b3);
    rs_dut_close(dut);
    uint8_t *data = NULL;
    size_t size = 0;
    rs_assert_ok(rs_read_file(path, (size_t)1 << 30, false, &data, &size, diag), diag);
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ data[i]) * UINT64_C(0x100000001b3);
    rs_free(data);
    rs_diag_free(diag);
    return hash;
}

static void test_random_configurations(void **state)
{
    (void)state;
    const uint64_t seed = rs_test_seed();
    const int one = setting("RISTRETTO_CAMPAIGN_ARRAY"), net = setting("RISTRETTO_CAMPAIGN_NET"),
              asked = setting("RISTRETTO_CAMPAIGN_ARRAYS"), asked_nets = setting("RISTRETTO_CAMPAIGN_NETS");
    const int arrays = asked >= 0 ? asked : !full() ? 1 : asan() ? 12 : 100;
    const int nets = asked_nets > 0 ? asked_nets : full() ? 40 : asan() ? 5 : 20;
    totals t = { .nets = 0 };
    if (one >= 0) {
        const rs_array_config config = random_configuration(seed, one);
        run_array(&config, seed, one, net >= 0 ? net : 0, net >= 0 ? 1 : nets, &t);
        print_totals("campaign", &t);
        return;
    }
    /* The list of the arrays that are done, for a campaign that is stopped. */
    FILE *list = NULL;
    char path[64];
    int done = 0;
    totals earlier = { .nets = 0 };
    if (asked >= 0) {
        rs_diag *diag = rs_diag_new();
        rs_assert_ok(rs_make_folder("build/campaign", diag), diag);
        rs_diag_free(diag);
        snprintf(path, sizeof path, "build/campaign/%016" PRIx64 ".txt", fingerprint(seed, nets));
        const bool resume = setting("RISTRETTO_CAMPAIGN_RESUME") > 0;
        list = fopen(path, resume ? "a+" : "w"); /* banned-ok: grows line by line while the campaign runs */
        assert_non_null(list);
        char line[256];
        rewind(list);
        while (resume && fgets(line, sizeof line, list)) {
            int array;
            int64_t n, layers;
            uint64_t cycles;
            if (sscanf(line, "%d %" SCNd64 " %" SCNd64 " %" SCNu64, &array, &n, &layers, &cycles) != 4 || array != done)
                fail_msg("%s: the line of array %d is spoilt; delete the file", path, done);
            earlier.nets += n;
            earlier.layers += layers;
            earlier.sum.cycles += cycles;
            done++;
        }
        if (done)
            print_message("# resumed behind array %d: %" PRId64 " nets with %" PRId64 " layers in %" PRIu64
                          " cycles were equal already\n",
                          done - 1, earlier.nets, earlier.layers, earlier.sum.cycles);
    }
    const double start = rs_seconds();
    for (int i = done; i < arrays; i++) {
        const rs_array_config config = random_configuration(seed, i);
        const totals before = t;
        run_array(&config, seed, i, 0, nets, &t);
        if (list) {
            fprintf(list, "%d %" PRId64 " %" PRId64 " %" PRIu64 "\n", i, t.nets - before.nets, t.layers - before.layers,
                    t.sum.cycles - before.sum.cycles);
            fflush(list);
        }
        if (arrays > 1)
            print_message("# %d of %d arrays, about %.0f s left\n", i + 1, arrays,
                          (rs_seconds() - start) / (i + 1 - done) * (arrays - i - 1));
    }
    if (list)
        fclose(list);
    print_totals("campaign", &t);
    if (arrays > done)
        assert_true(t.sum.values > 100 && t.sum.engine_values > 100);
    if (full())
        assert_true(asan() || t.layers >= 5000);
    print_message("# in all: %d arrays, %" PRId64 " nets with %" PRId64 " layers\n", arrays, t.nets + earlier.nets,
                  t.layers + earlier.layers);
    assert_true(t.nets + earlier.nets > 0);
}

int main(void)
{
    setenv("RISTRETTO_CACHE", "build/cache", 0);
    rs_set_threads(1); /* one image at a time */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fixed_configurations),
        cmocka_unit_test(test_random_configurations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
