/* Area and energy against figures worked out by hand from the numbers of configs/technologies/horowitz-45nm.yaml and
 * the formulas of docs/reference/area-and-energy.md; and the technology reader, which must not take a number without a
 * source. */
#include "support/test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "energy/estimate.h"

static rs_technology *technology;

static int load(void **state)
{
    (void)state;
    rs_diag *diag = rs_diag_new();
    rs_assert_ok(rs_technology_read("configs/technologies/horowitz-45nm.yaml", &technology, diag), diag);
    rs_diag_free(diag);
    return 0;
}

static int unload(void **state)
{
    (void)state;
    rs_technology_free(technology);
    return 0;
}

#define assert_near(got, expected)                                            \
    do {                                                                      \
        const double got_ = (got), expected_ = (expected);                    \
        if (fabs(got_ - expected_) > 1e-9 * (fabs(expected_) + 1e-12))        \
            fail_msg("%s: got %.12g, expected %.12g", #got, got_, expected_); \
    } while (0)

static void check_operators(void **state)
{
    (void)state;
    const rs_tech_operators *adders = &technology->adders;
    assert_near(rs_cost_linear(adders, 8).pj, 0.03);
    assert_near(rs_cost_linear(adders, 8).um2, 36);
    assert_near(rs_cost_linear(adders, 4).um2, 18);              /* through zero */
    assert_near(rs_cost_linear(adders, 17).um2, 67 + 70 / 16.0); /* between 16 and 32 */
    assert_near(rs_cost_linear(adders, 17).pj, 0.05 + 0.05 / 16);
    assert_near(rs_cost_linear(adders, 48).um2, 137 * 1.5); /* beyond the last: in proportion */
    /* Multipliers: m n = 64 and 1024 are given; 256 is their geometric mean, where a power law gives the geometric
     * mean. */
    assert_near(rs_cost_multiplier(technology, 8, 8).pj, 0.2);
    assert_near(rs_cost_multiplier(technology, 32, 32).um2, 3495);
    assert_near(rs_cost_multiplier(technology, 16, 16).um2, sqrt(282.0 * 3495.0));
    assert_near(rs_cost_multiplier(technology, 16, 16).pj, sqrt(0.2 * 3.1));
    assert_near(rs_cost_multiplier(technology, 4, 8).um2, 141); /* below: in proportion to m n */
    assert_near(rs_cost_multiplier(technology, 8, 4).pj, 0.1);
    assert_near(rs_cost_multiplier(technology, 1, 8).um2, 282 / 8.0);
    assert_near(rs_cost_multiplier(technology, 64, 32).pj, 6.2);
    assert_near(rs_cost_shifter(technology, 32, 5).pj, 0.417);
    assert_near(rs_cost_shifter(technology, 16, 3).pj, 0.417 * 48 / 160);
    assert_near(rs_cost_shifter(technology, 64, 6).um2, 249.6 * 384 / 160);
}

static void check_memories(void **state)
{
    (void)state;
    const double kb = 8192.0;
    assert_near(rs_sram_pj_per_bit(technology, 8 * kb), 10 / 64.0);
    assert_near(rs_sram_pj_per_bit(technology, 1 * kb), 10 / 64.0); /* not below the smallest that is given */
    assert_near(rs_sram_pj_per_bit(technology, 16 * kb), sqrt(2.0) * 10 / 64.0);
    assert_near(rs_sram_pj_per_bit(technology, 32 * kb), 20 / 64.0);
    assert_near(rs_sram_pj_per_bit(technology, 1024 * kb), 100 / 64.0);
    assert_near(rs_sram_pj_per_bit(technology, 32768 * kb),
                500 / 64.0); /* 32 times the last: 5 times its energy again */
    assert_near(rs_sram_um2(technology, 826), 1000);
    assert_near(rs_dram_pj_per_bit(technology), 1300 / 64.0);
}

static const rs_area_block *find(const rs_estimate *e, const char *name)
{
    for (int i = 0; i < e->n_blocks; i++)
        if (strcmp(e->blocks[i].name, name) == 0)
            return &e->blocks[i];
    fail_msg("no block '%s'", name);
    return NULL;
}

/* 2 lanes of 4 multipliers, 8 x 8 bits, 24-bit accumulators, a register behind both levels of the tree. */
static rs_array_config small_array(void)
{
    return (rs_array_config) {
        .lanes = 2,
        .multipliers = 4,
        .activation_bits = 8,
        .weight_bits = 8,
        .accumulator_bits = 24,
        .first_level = RS_FIRST_LEVEL_EXACT,
        .tree_registers = RS_TREE_EVERY,
        .program_depth = 16,
        .clock_mhz = 100,
        .activation_elements = 1024,
        .output_elements = 512,
        .weight_steps = 64,
        .bus_bits = 64,
        .latency = 4,
        .outstanding = 8,
    };
}

static const double adder17 = 67 + 70.0 / 16, adder18 = 67 + 2 * 70.0 / 16, adder19 = 67 + 3 * 70.0 / 16,
                    adder24 = 67 + 35;
static const double adder17_pj = 0.05 + 0.05 / 16, adder18_pj = 0.05 + 2 * 0.05 / 16, adder24_pj = 0.075;

static void check_area(void **state)
{
    (void)state;
    rs_array_config c = small_array();
    rs_estimate e = { 0 };
    rs_estimate_area(&c, technology, &e);
    assert_near(find(&e, "multipliers")->um2, 8 * 282);
    assert_near(find(&e, "multipliers")->float_um2, 8 * 7700);
    assert_int_equal(find(&e, "adder tree, level 1")->instances, 4);
    assert_int_equal(find(&e, "adder tree, level 1")->bits, 17);
    assert_near(find(&e, "adder tree, level 1")->um2, 4 * adder17);
    assert_near(find(&e, "adder tree, level 2")->um2, 2 * adder18);
    assert_near(find(&e, "adder tree, level 2")->float_um2, 2 * 4184);
    assert_near(find(&e, "accumulators")->um2, 2 * adder24);
    assert_near(find(&e, "requantize")->um2, 2 * (adder24 + 249.6 * 24 / 32));
    assert_near(find(&e, "max pooling")->um2, 2 * 36);
    /* Window 4 x 8; a lane: weights 4 x 8, products 4 x 16, tree 2 x 17 and 1 x 18, accumulator 24, result and maximum
     * 8 each. */
    const double registers = 32 + 2 * (32 + 64 + 34 + 18 + 24 + 16);
    assert_near(find(&e, "registers")->um2, registers * 4.522);
    assert_near(find(&e, "registers")->float_um2, (4 * 32 + 2 * (8 * 32 + 3 * 32 + 32 + 64)) * 4.522);
    /* 64 / 8 = 8 elements per beat, more than the 4 that are read at once: 8 banks, 3 stages of multiplexers. */
    assert_near(find(&e, "rotate network")->um2, 8 * 3 * 8 * 1.862);
    assert_near(find(&e, "activation buffer")->um2, 2 * 1024 * 8 / 0.826);
    assert_near(find(&e, "weight buffer")->um2, (2 * 64 * 8 * 8 + 2 * 2 * 24) / 0.826);
    assert_near(find(&e, "output buffer")->float_um2, 2 * 512 * 32 / 0.826);
    double sum = 0.0;
    for (int i = 0; i < e.n_blocks; i++)
        sum += e.blocks[i].um2;
    assert_near(e.um2, sum);

    /* The paper's tree: one bit more at every level. */
    c.first_level = RS_FIRST_LEVEL_PAPER;
    rs_estimate_area(&c, technology, &e);
    assert_near(find(&e, "adder tree, level 1")->um2, 4 * adder18);
    assert_near(find(&e, "adder tree, level 2")->um2, 2 * adder19);

    /* 5 multipliers: 2 adders and one value that passes, then 1 and one, then 1. */
    c.multipliers = 5;
    rs_estimate_area(&c, technology, &e);
    assert_int_equal(find(&e, "adder tree, level 1")->instances, 4);
    assert_int_equal(find(&e, "adder tree, level 2")->instances, 2);
    assert_int_equal(find(&e, "adder tree, level 3")->instances, 2);

    /* Shifters with 3 bits of shift: products of 8 + 8 bits, 3 stages of a shifter and an adder that negates. The tree
     * adds 17 bits. */
    rs_array_config shifting = small_array();
    shifting.pe = RS_PE_SHIFTER;
    shifting.weight_bits = 4;
    rs_estimate_area(&shifting, technology, &e);
    assert_near(find(&e, "shifters")->um2, 8 * (249.6 * 16 * 3 / (32 * 5) + 67));
    assert_near(find(&e, "adder tree, level 1")->um2, 4 * adder17);
    assert_near(find(&e, "weight buffer")->um2, (2 * 64 * 8 * 4 + 2 * 2 * 24) / 0.826);
    shifting.channel_shifts = RS_YES; /* 7 bits beside each bias */
    rs_estimate_area(&shifting, technology, &e);
    assert_near(find(&e, "weight buffer")->um2, (2 * 64 * 8 * 4 + 2 * 2 * 31) / 0.826);

    /* e4m3: significands of 4 bits, exponents of 4 and a carry, and products of 37 bits that a shifter of 5 stages
     * places. */
    rs_array_config floats = small_array();
    floats.pe = RS_PE_MINIFLOAT;
    assert_true(rs_minifloat_parse("e4m3", &floats.minifloat));
    floats.accumulator_bits = 48;
    rs_estimate_area(&floats, technology, &e);
    assert_near(find(&e, "minifloat multipliers")->um2,
                8 * (282 / 4.0 + 36 * 5 / 8.0 + 249.6 * 37 / 32 + 137 * 37 / 32.0));
    assert_int_equal(find(&e, "adder tree, level 2")->bits, 39);

    /* A single multiplier has no tree. */
    c.multipliers = 1;
    rs_estimate_area(&c, technology, &e);
    for (int i = 0; i < e.n_blocks; i++)
        assert_null(strstr(e.blocks[i].name, "tree"));
}

static void check_largest_array(void **state)
{
    (void)state;
    rs_array_config c = small_array();
    c.lanes = c.multipliers = 64;
    c.activation_bits = c.weight_bits = 16;
    c.accumulator_bits = 48;
    rs_estimate e = { 0 };
    rs_estimate_area(&c, technology, &e);
    assert_int_equal(find(&e, "adder tree, level 6")->instances, 64);
    assert_int_equal(find(&e, "program memory")->instances, 1); /* the last block: none was dropped */
}

static void check_energy(void **state)
{
    (void)state;
    char name[] = "conv1";
    rs_descriptor descriptor = { .steps = 5 };
    rs_program_layer layer = { .name = name, .pool_op = 1, .first = 0, .count = 1 };
    rs_program program = {
        .config = small_array(), .n_layers = 1, .n_descriptors = 1, .layers = &layer, .descriptors = &descriptor
    };
    rs_layer_stats counts = {
        .compute_cycles = 200,
        .macs = 1000,
        .accumulations = 300,
        .ifmap_beats = 10,
        .weight_beats = 20,
        .bias_beats = 3,
        .ofmap_beats = 7,
        .activation_buffer_reads = 800,
        .activation_buffer_writes = 80,
        .weight_buffer_reads = 1600,
        .weight_buffer_writes = 160,
        .output_buffer_reads = 56,
        .output_buffer_writes = 60,
    };
    const rs_run_stats stats = { .n_layers = 1, .layers = &counts };
    rs_estimate *e = NULL;
    rs_diag *diag = rs_diag_new();
    rs_assert_ok(rs_estimate_new(&program, &stats, technology, &e, diag), diag);
    const rs_energy_cost *p = e->layers[0].parts;
    assert_near(p[RS_ENERGY_MULTIPLY].pj, 1000 * 0.2);
    assert_near(p[RS_ENERGY_MULTIPLY].float_pj, 1000 * 3.7);
    assert_near(p[RS_ENERGY_TREE].count, 300 * 3);
    assert_near(p[RS_ENERGY_TREE].pj, 300 * (2 * adder17_pj + adder18_pj));
    assert_near(p[RS_ENERGY_TREE].float_pj, 300 * 3 * 0.9);
    assert_near(p[RS_ENERGY_ACCUMULATE].pj, 300 * adder24_pj);
    assert_near(p[RS_ENERGY_OUTPUT].count, 60);
    assert_near(p[RS_ENERGY_OUTPUT].pj, 60 * (adder24_pj + 0.417 * 24 / 32 + 0.03));
    assert_near(p[RS_ENERGY_OUTPUT].float_pj, 60 * 0.1);
    assert_near(p[RS_ENERGY_REGISTERS].count, 200 * 32 + 300 * (32 + 64 + 34 + 18 + 24) + 60 * 16);
    assert_near(p[RS_ENERGY_REGISTERS].pj, 0.009 * (200 * 32 + 300 * 172 + 60 * 16));
    assert_near(p[RS_ENERGY_ACTIVATION_BUFFER].count, 880 * 8);
    assert_near(p[RS_ENERGY_ACTIVATION_BUFFER].pj, 880 * 8 * 10 / 64.0); /* 16 Kbit: the smallest size's figure */
    assert_near(p[RS_ENERGY_WEIGHT_BUFFER].pj, 1760 * 8 * 10 / 64.0);
    assert_near(p[RS_ENERGY_WEIGHT_BUFFER].float_pj, 1760 * 32 * 10 / 64.0); /* 33 Kbit */
    assert_near(p[RS_ENERGY_OUTPUT_BUFFER].pj, 116 * 8 * 10 / 64.0);
    assert_near(p[RS_ENERGY_MEMORY].count, 40 * 64);
    assert_near(p[RS_ENERGY_MEMORY].pj, 40 * 1300);
    assert_near(p[RS_ENERGY_MEMORY].float_count, 64 * 32 * (17 / 8.0 + 20 / 8.0 + 3 / 24.0));
    double sum = 0.0, chip = 0.0;
    for (int i = 0; i < RS_ENERGY_PARTS; i++) {
        sum += p[i].pj;
        chip += i == RS_ENERGY_MEMORY ? 0.0 : p[i].pj;
    }
    assert_near(e->layers[0].pj, sum);
    assert_near(e->layers[0].chip_pj, chip);
    assert_near(e->total.pj, sum);
    rs_estimate_free(e);
    rs_diag_free(diag);
}

/* The text of the shipped file with one change. */
static void write_changed(const char *path, const char *from, const char *to)
{
    char *text = rs_test_read("configs/technologies/horowitz-45nm.yaml", NULL);
    char *at = strstr(text, from);
    assert_non_null(at);
    char *changed = rs_format("%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    assert_non_null(changed);
    rs_test_write(path, changed, strlen(changed));
    rs_free(changed);
    free(text);
}

/* The reference of a source's short name; the name itself if it is not listed. */
static const char *reference(const rs_technology *t, const char *id)
{
    for (size_t i = 0; i < t->n_sources; i++)
        if (strcmp(t->sources[i].id, id) == 0)
            return t->sources[i].reference;
    return id;
}

static void check_reader(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to, *message;
    } cases[] = {
        { "{bits: 16, energy_pj: 0.05, area_um2: 67, source: horowitz}", "{bits: 16, energy_pj: 0.05, area_um2: 67}",
          "the key 'adders[1].source' is missing" },
        { "{mbit_per_mm2: 0.826, source: openram}", "{mbit_per_mm2: 0.826}", "the key 'sram_area.source' is missing" },
        { "{energy_pj: 0.009, source: aladdin}", "{energy_pj: 0.009, source: me}",
          "the source 'me' is not listed in sources" },
        { "{energy_pj: 0.009, source: aladdin}", "{energy_pj: 0.009, source: ''}", "register_energy.source is empty" },
        { "{bits: 16, energy_pj: 0.05, area_um2: 67, source: horowitz}",
          "{bits: 8, energy_pj: 0.05, area_um2: 67, source: horowitz}",
          "bits must rise from entry to entry of adders" },
        { "{bits: 32, energy_pj: 3.7, area_um2: 7700, source: horowitz}",
          "{bits: 64, energy_pj: 3.7, area_um2: 7700, source: horowitz}",
          "float_multipliers needs an entry with bits: 32" },
        { "energy_pj: 0.2,", "energy_pj: -0.2,",
          "multipliers[0].energy_pj must be a number from 0 to 1000000, not '-0.2'" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *path = rs_test_path("technology.yaml");
        write_changed(path, cases[i].from, cases[i].to);
        rs_technology *t = NULL;
        rs_diag *diag = rs_diag_new();
        rs_assert_error(rs_technology_read(path, &t, diag), RS_BAD_INPUT, diag, cases[i].message);
        assert_null(t);
        rs_diag_free(diag);
    }
    /* Every number of the shipped file resolves to a reference of some length. */
    assert_true(strlen(reference(technology, technology->dram_source)) > 20);
    assert_true(strlen(reference(technology, technology->mux_source)) > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_operators), cmocka_unit_test(check_memories),      cmocka_unit_test(check_area),
        cmocka_unit_test(check_energy),    cmocka_unit_test(check_largest_array), cmocka_unit_test(check_reader),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
