/* test-options: limit=9000
 * Random nets on random arrays, the C model against the RTL: every event and its cycle, memory, and the exact engine.
 * Each configuration is verilated once and kept in the cache. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
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
#define MINIFLOAT_ARRAY .pe = RS_PE_MINIFLOAT, .unsigned_activations = RS_NO, .average_pooling = RS_NO, .channel_shifts = RS_NO
    { MINIFLOAT_ARRAY,
      .minifloat = { 4, 3, 7, true, RS_MINIFLOAT_NAN }, /* e4m3 */
      .lanes = 3,
      .multipliers = 4,
      .activation_bits = 8,
      .weight_bits = 8,
      .accumulator_bits = 48,
      .bus_bits = 64,
      .outstanding = 11,
      .rounding = RS_ROUND_NEAREST_EVEN },
    { MINIFLOAT_ARRAY,
      .minifloat = { 5, 2, 15, true, RS_MINIFLOAT_IEEE }, /* e5m2 */
      .lanes = 2,
      .multipliers = 3,
      .activation_bits = 8,
      .weight_bits = 8,
      .accumulator_bits = 80,
      .bus_bits = 128,
      .outstanding = 5,
      .tree_registers = RS_TREE_EVERY,
      .rounding = RS_ROUND_TRUNCATE },
    { MINIFLOAT_ARRAY,
      .minifloat = { 2, 1, 1, true, RS_MINIFLOAT_FINITE }, /* e2m1 */
      .lanes = 5,
      .multipliers = 6,
      .activation_bits = 4,
      .weight_bits = 4,
      .accumulator_bits = 14,
      .bus_bits = 32,
      .outstanding = 8,
      .overflow = RS_OVERFLOW_SATURATE,
      .first_level = RS_FIRST_LEVEL_PAPER,
      .tree_registers = RS_TREE_EVERY_SECOND,
      .rounding = RS_ROUND_NEAREST },
};
enum { CONFIGURATIONS = sizeof configurations / sizeof *configurations };

static int pick(rs_rng *rng, int low, int high)
{
    return low + (int)(rs_rng_next(rng) % (uint64_t)(high - low + 1));
}

static bool one_in_two(rs_rng *rng)
{
    return pick(rng, 0, 1);
}

static rs_array_config random_configuration(rs_rng *rng)
{
    const int kind = pick(rng, 0, 5);
    rs_array_config c = { .lanes = pick(rng, 1, 20),
                          .multipliers = pick(rng, 1, 20),
                          .activation_bits = pick(rng, 1, 16),
                          .weight_bits = pick(rng, 1, 16),
                          .pe = kind == 4 ? RS_PE_SHIFTER : kind == 5 ? RS_PE_MINIFLOAT : RS_PE_MULTIPLIER,
                          .minifloat = rs_test_minifloat(rng),
                          .zero_code = one_in_two(rng) ? RS_YES : RS_NO,
                          .channel_shifts = one_in_two(rng) ? RS_YES : RS_NO,
                          .unsigned_activations = one_in_two(rng) ? RS_YES : RS_NO,
                          .average_pooling = one_in_two(rng) ? RS_YES : RS_NO,
                          .bus_bits = 16 << pick(rng, 0, 5),
                          .outstanding = pick(rng, 1, 48),
                          .overflow = (rs_overflow)pick(rng, 0, 1),
                          .first_level = (rs_first_level)pick(rng, 0, 1),
                          .tree_registers = (rs_tree_registers)pick(rng, 0, 2),
                          .rounding = (rs_rounding)pick(rng, 0, 3) };
    if (c.unsigned_activations == RS_YES && c.activation_bits > 15)
        c.activation_bits = 15;
    if (c.pe == RS_PE_SHIFTER)
        c.weight_bits = pick(rng, 2, RS_SHIFTER_MAX_BITS);
    if (c.pe == RS_PE_MINIFLOAT) {
        c.activation_bits = c.weight_bits = rs_minifloat_bits(c.minifloat);
        c.unsigned_activations = c.average_pooling = c.channel_shifts = RS_NO;
    }
    /* Wide enough for most biases, not for every sum. */
    c.accumulator_bits = rs_array_tree_bits(&c, 0) + pick(rng, 0, 8);
    if (c.accumulator_bits > rs_array_accumulator_max_bits(&c))
        c.accumulator_bits = rs_array_accumulator_max_bits(&c);
    return c;
}

/* What a campaign has compared since `before`: a long one shows that it goes on. */
static void progress(const rs_array_config *c, const rs_lockstep_result *before, const rs_lockstep_result *sum)
{
    print_message("# %dx%d, %s, %dx%d bits: %lld nets, %llu events, model built in %.1f s\n", c->lanes, c->multipliers, rs_pe_name(c->pe),
                  c->activation_bits, c->weight_bits, (long long)(sum->images - before->images),
                  (unsigned long long)(sum->events[RS_EVENT_READ] + sum->events[RS_EVENT_OUTPUT] +
                                       sum->events[RS_EVENT_WRITE] - before->events[RS_EVENT_READ] -
                                       before->events[RS_EVENT_OUTPUT] - before->events[RS_EVENT_WRITE]),
                  sum->build_seconds - before->build_seconds);
}

static void campaign(rs_array_config config, uint64_t seed, int cases, rs_lockstep_result *sum)
{
    static const int stalls[] = { 0, 50, 90, 20 };
    const rs_lockstep_result before = *sum;
    rs_rng rng = { seed, 9, 0 };
    config.program_depth = 512;
    config.activation_elements = 2048;
    config.output_elements = 1500;
    config.weight_steps = 700;
    config.clock_mhz = 200;
    for (int i = 0; i < cases; i++) {
        config.latency = pick(&rng, 1, 40);
        config.stall_percent = stalls[i % 4];
        config.stall_seed = rs_rng_next(&rng);
        rs_test_case c = rs_test_case_on(seed, (uint64_t)i, &config, (rs_test_limits) { .macs = 40000, .layers = 4 });
        rs_diag *diag = rs_diag_new();
        rs_lockstep_result result;
        const rs_lockstep_options options = { .first_image = i, .x_seed = seed };
        const rs_status status = rs_lockstep_run(c.program, c.pixels, 1, &options, NULL, &result, diag);
        if (status != RS_OK) {
            char text[2048];
            print_message("# %s\n", rs_test_case_text(&c, text, sizeof text));
            if (result.mismatch)
                rs_lockstep_print(result.mismatch, stderr);
        }
        rs_assert_ok(status, diag);
        for (int kind = 0; kind < RS_EVENT_KINDS; kind++)
            sum->events[kind] += result.events[kind];
        sum->images++;
        sum->cycles += result.cycles;
        sum->build_seconds += result.build_seconds;
        sum->values += result.values;
        sum->engine_values += result.engine_values;
        sum->saturations += result.saturations;
        sum->overflows += result.overflows;
        rs_lockstep_result_clear(&result);
        rs_diag_free(diag);
        rs_test_case_free(&c);
    }
    progress(&config, &before, sum);
}

static void report(const rs_lockstep_result *sum, int configs)
{
    print_message("# %lld nets on %d arrays: compared %llu reads, %llu output beats, %llu values, %llu writes in %llu "
                  "cycles; %llu saturations, "
                  "%llu overflows; %llu values with the engine\n",
                  (long long)sum->images, configs, (unsigned long long)sum->events[RS_EVENT_READ],
                  (unsigned long long)sum->events[RS_EVENT_OUTPUT], (unsigned long long)sum->values,
                  (unsigned long long)sum->events[RS_EVENT_WRITE], (unsigned long long)sum->cycles,
                  (unsigned long long)sum->saturations, (unsigned long long)sum->overflows,
                  (unsigned long long)sum->engine_values);
    assert_true(sum->values > 100 && sum->engine_values > 100 && sum->saturations > 0);
}

static bool full(void)
{
    const char *level = getenv("RISTRETTO_LEVEL");
    return level && strcmp(level, "full") == 0;
}

static void test_fixed_configurations(void **state)
{
    (void)state;
    const char *variant = getenv("RISTRETTO_VARIANT");
    const int cases = full() ? 250 : variant && strcmp(variant, "asan") == 0 ? 5 : 30;
    rs_lockstep_result sum = { 0 };
    for (int i = 0; i < CONFIGURATIONS; i++)
        campaign(configurations[i], rs_test_seed() + (uint64_t)i, cases, &sum);
    report(&sum, CONFIGURATIONS);
    assert_true(cases < 30 || sum.overflows > 0); /* rare: a few nets may have none */
}

static void test_random_configurations(void **state)
{
    (void)state;
    rs_lockstep_result sum = { 0 };
    rs_rng rng = { rs_test_seed(), 10, 0 };
    const int arrays = full() ? 92 : 1;
    for (int i = 0; i < arrays; i++)
        campaign(random_configuration(&rng), rs_test_seed() + 100 + (uint64_t)i, full() ? 60 : 20, &sum);
    report(&sum, arrays);
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
