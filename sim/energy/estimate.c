/* Area, energy and time of a run: counts times the numbers of a technology (docs/reference/area-and-energy.md). */
#include "energy/estimate.h"

#include "base/memory.h"

/* Bits of the baseline's numbers. */
enum { FLOAT_BITS = 32 };

static const char *const part_names[RS_ENERGY_PARTS][2] = {
    [RS_ENERGY_MULTIPLY] = { "multiply", "products" },
    [RS_ENERGY_TREE] = { "adder tree", "additions" },
    [RS_ENERGY_ACCUMULATE] = { "accumulate", "additions" },
    [RS_ENERGY_OUTPUT] = { "requantize, pool", "values" },
    [RS_ENERGY_REGISTERS] = { "registers", "bits clocked" },
    [RS_ENERGY_ACTIVATION_BUFFER] = { "activation buffer", "bits" },
    [RS_ENERGY_WEIGHT_BUFFER] = { "weight buffer", "bits" },
    [RS_ENERGY_OUTPUT_BUFFER] = { "output buffer", "bits" },
    [RS_ENERGY_MEMORY] = { "off-chip memory", "bits" },
};

const char *rs_energy_part_name(rs_energy_part part)
{
    return part_names[part][0];
}

const char *rs_energy_part_unit(rs_energy_part part)
{
    return part_names[part][1];
}

/* -------------------------------------------------------------------------------------------- shape of the tree */

/* Values after level l of the tree: pairs are added, an odd one passes through. */
static int nodes_behind(const rs_array_config *c, int level)
{
    int n = c->multipliers;
    for (int l = 0; l < level; l++)
        n = (n + 1) / 2;
    return n;
}

static int adders_in(const rs_array_config *c, int level)
{
    return nodes_behind(c, level - 1) / 2;
}

static bool registered(const rs_array_config *c, int level)
{
    return c->tree_registers == RS_TREE_EVERY || (c->tree_registers == RS_TREE_EVERY_SECOND && level % 2 == 0);
}

/* Register bits of a lane that take a new value with each of its steps, from the operands to the accumulator. `bits` of
 * all of them in the baseline. */
static double lane_register_bits(const rs_array_config *c, bool is_float)
{
    const double x = c->multipliers;
    double bits = is_float ? x * 2 * FLOAT_BITS + FLOAT_BITS
                           : x * c->weight_bits + x * rs_array_tree_bits(c, 0) + c->accumulator_bits;
    for (int level = 1; level <= rs_array_levels(c); level++)
        if (registered(c, level))
            bits += nodes_behind(c, level) * (double)(is_float ? FLOAT_BITS : rs_array_tree_bits(c, level));
    return bits;
}

/* The window of activations, shared by the lanes. */
static double window_register_bits(const rs_array_config *c, bool is_float)
{
    return (double)c->multipliers * (is_float ? FLOAT_BITS : c->activation_bits);
}

/* A lane's result and the maximum of its pooling window. */
static double result_register_bits(const rs_array_config *c, bool is_float)
{
    return 2.0 * (is_float ? FLOAT_BITS : c->activation_bits);
}

/* A processing element. A shifter has a stage for each bit of the code, and an adder that negates. Minifloat: the
 * significands' multiplier, the exponents' adder, the shifter that puts the product into its place, and an adder that
 * negates. */
static rs_cost element_cost(const rs_array_config *c, const rs_technology *t)
{
    const int product = rs_array_tree_bits(c, 0);
    if (c->pe == RS_PE_MULTIPLIER)
        return rs_cost_multiplier(t, c->activation_bits, c->weight_bits);
    if (c->pe == RS_PE_MINIFLOAT) {
        const int significand = c->minifloat.mantissa_bits + 1, exponent = c->minifloat.exponent_bits + 1;
        const rs_cost multiply = rs_cost_multiplier(t, significand, significand),
                      add = rs_cost_linear(&t->adders, exponent), place = rs_cost_shifter(t, product, exponent),
                      sign = rs_cost_linear(&t->adders, product);
        return (rs_cost) { multiply.pj + add.pj + place.pj + sign.pj, multiply.um2 + add.um2 + place.um2 + sign.um2 };
    }
    const rs_cost shift = rs_cost_shifter(t, product, c->weight_bits - 1), negate = rs_cost_linear(&t->adders, product);
    return (rs_cost) { shift.pj + negate.pj, shift.um2 + negate.um2 };
}

static rs_cost float_operator(const rs_tech_operators *operators)
{
    return rs_cost_linear(operators, FLOAT_BITS); /* the reader asks for an entry of this width */
}

/* --------------------------------------------------------------------------------------------------------- area */

static void add_block(rs_estimate *e, const char *name, int64_t instances, int bits, double um2, double float_um2)
{
    if (e->n_blocks == RS_MOST_AREA_BLOCKS)
        return; /* 64 multipliers have 6 levels: 18 blocks at most */
    rs_area_block *b = &e->blocks[e->n_blocks++];
    snprintf(b->name, sizeof b->name, "%s", name);
    b->instances = instances;
    b->bits = bits;
    b->um2 = um2;
    b->float_um2 = float_um2;
    e->um2 += um2;
    e->float_um2 += float_um2;
}

static int log2_exact(int power_of_two)
{
    int n = 0;
    while (power_of_two >> n > 1)
        n++;
    return n;
}

static int descriptor_bits(void)
{
    int sum = 0;
#define FIELD(name, bits, is_signed, meaning) sum += (bits);
#include "program/descriptor.def"
#undef FIELD
    return sum;
}

void rs_estimate_area(const rs_array_config *c, const rs_technology *t, rs_estimate *e)
{
    const int m = c->activation_bits, n = c->weight_bits, a = c->accumulator_bits;
    const int64_t lanes = c->lanes, products = lanes * c->multipliers;
    const rs_cost fadd = float_operator(&t->float_adders), fmul = float_operator(&t->float_multipliers);
    const double l = (double)lanes;
    e->n_blocks = 0;
    e->um2 = e->float_um2 = 0.0;

    add_block(e,
              c->pe == RS_PE_SHIFTER     ? "shifters"
              : c->pe == RS_PE_MINIFLOAT ? "minifloat multipliers"
                                         : "multipliers",
              products, m, (double)products * element_cost(c, t).um2, (double)products * fmul.um2);
    for (int level = 1; level <= rs_array_levels(c); level++) {
        char name[40];
        const int64_t adders = lanes * adders_in(c, level);
        const int bits = rs_array_tree_bits(c, level);
        snprintf(name, sizeof name, "adder tree, level %d", level);
        add_block(e, name, adders, bits, (double)adders * rs_cost_linear(&t->adders, bits).um2,
                  (double)adders * fadd.um2);
    }
    add_block(e, "accumulators", lanes, a, l * rs_cost_linear(&t->adders, a).um2, l * fadd.um2);
    add_block(e, "requantize", lanes, a, l * (rs_cost_linear(&t->adders, a).um2 + rs_cost_linear(&t->shifters, a).um2),
              0.0);
    add_block(e, "max pooling", lanes, m, l * rs_cost_linear(&t->adders, m).um2,
              l * rs_cost_linear(&t->adders, FLOAT_BITS).um2);

    const double registers = window_register_bits(c, false) +
                             l * (lane_register_bits(c, false) + result_register_bits(c, false));
    const double fregisters = window_register_bits(c, true) +
                              l * (lane_register_bits(c, true) + result_register_bits(c, true));
    add_block(e, "registers", (int64_t)registers, 1, registers * t->register_um2, fregisters * t->register_um2);

    const int banks = rs_array_activation_banks(c);
    const double muxes = (double)banks *
                         log2_exact(banks); /* log2 stages of rotation, a multiplexer a bank and stage */
    add_block(e, "rotate network", banks, m, muxes * m * t->mux_um2, muxes * FLOAT_BITS * t->mux_um2);

    /* Both halves. */
    const double activations = 2.0 * (double)c->activation_elements, outputs = 2.0 * (double)c->output_elements;
    const double weights = 2.0 * c->weight_steps * (double)products, biases = 2.0 * l;
    e->buffer_bits[0] = activations * m;
    e->buffer_bits[1] = weights * n + biases * rs_array_bias_bits(c);
    e->buffer_bits[2] = outputs * m;
    add_block(e, "activation buffer", 2, m, rs_sram_um2(t, e->buffer_bits[0]),
              rs_sram_um2(t, activations * FLOAT_BITS));
    add_block(e, "weight buffer", 2, n, rs_sram_um2(t, e->buffer_bits[1]),
              rs_sram_um2(t, (weights + biases) * FLOAT_BITS));
    add_block(e, "output buffer", 2, m, rs_sram_um2(t, e->buffer_bits[2]), rs_sram_um2(t, outputs * FLOAT_BITS));
    const double program = (double)c->program_depth * descriptor_bits();
    add_block(e, "program memory", 1, descriptor_bits(), rs_sram_um2(t, program), rs_sram_um2(t, program));
}

/* ------------------------------------------------------------------------------------------------------- energy */

static void set_part(rs_layer_energy *layer, rs_energy_part part, double count, double pj, double float_count,
                     double float_pj)
{
    layer->parts[part] = (rs_energy_cost) { count, pj, float_count, float_pj };
    layer->pj += pj;
    layer->float_pj += float_pj;
    if (part != RS_ENERGY_MEMORY) {
        layer->chip_pj += pj;
        layer->chip_float_pj += float_pj;
    }
}

/* Bits moved into and out of an on-chip memory of `capacity` bits. */
static void set_buffer(rs_layer_energy *layer, rs_energy_part part, const rs_technology *t, double moved_bits,
                       double capacity_bits, double moved_float_bits, double float_capacity_bits)
{
    set_part(layer, part, moved_bits, moved_bits * rs_sram_pj_per_bit(t, capacity_bits), moved_float_bits,
             moved_float_bits * rs_sram_pj_per_bit(t, float_capacity_bits));
}

static void estimate_layer(const rs_program *program, int index, const rs_layer_stats *s, const rs_technology *t,
                           const rs_estimate *e, rs_layer_energy *layer)
{
    const rs_array_config *c = &program->config;
    const rs_program_layer *p = &program->layers[index];
    const int m = c->activation_bits, n = c->weight_bits, a = c->accumulator_bits;
    const rs_cost fadd = float_operator(&t->float_adders), fmul = float_operator(&t->float_multipliers);
    const double macs = (double)s->macs, updates = (double)s->accumulations, steps = (double)s->compute_cycles;
    /* A lane requantizes once for the steps of a window. */
    const double values = p->count ? updates / program->descriptors[p->first].steps : 0.0;
    layer->name = p->name;

    set_part(layer, RS_ENERGY_MULTIPLY, macs, macs * element_cost(c, t).pj, macs, macs * fmul.pj);

    double adders = 0.0, tree_pj = 0.0;
    for (int level = 1; level <= rs_array_levels(c); level++) {
        adders += adders_in(c, level);
        tree_pj += adders_in(c, level) * rs_cost_linear(&t->adders, rs_array_tree_bits(c, level)).pj;
    }
    set_part(layer, RS_ENERGY_TREE, updates * adders, updates * tree_pj, updates * adders, updates * adders * fadd.pj);
    set_part(layer, RS_ENERGY_ACCUMULATE, updates, updates * rs_cost_linear(&t->adders, a).pj, updates,
             updates * fadd.pj);

    const double requantize_pj = rs_cost_linear(&t->adders, a).pj + rs_cost_linear(&t->shifters, a).pj;
    const bool pooled = p->pool_op >= 0;
    set_part(layer, RS_ENERGY_OUTPUT, values,
             values * (requantize_pj + (pooled ? rs_cost_linear(&t->adders, m).pj : 0.0)), values,
             pooled ? values * rs_cost_linear(&t->adders, FLOAT_BITS).pj : 0.0);

    const double clocked = steps * window_register_bits(c, false) + updates * lane_register_bits(c, false) +
                           values * result_register_bits(c, false);
    const double fclocked = steps * window_register_bits(c, true) + updates * lane_register_bits(c, true) +
                            values * result_register_bits(c, true);
    set_part(layer, RS_ENERGY_REGISTERS, clocked, clocked * t->register_pj, fclocked, fclocked * t->register_pj);

    const double activations = (double)(s->activation_buffer_reads + s->activation_buffer_writes);
    const double weights = (double)(s->weight_buffer_reads + s->weight_buffer_writes);
    const double outputs = (double)(s->output_buffer_reads + s->output_buffer_writes);
    const double float_capacity[3] = {
        e->buffer_bits[0] / m * FLOAT_BITS,
        (2.0 * c->weight_steps * c->lanes * c->multipliers + 2.0 * c->lanes) * FLOAT_BITS,
        e->buffer_bits[2] / m * FLOAT_BITS,
    };
    set_buffer(layer, RS_ENERGY_ACTIVATION_BUFFER, t, activations * m, e->buffer_bits[0], activations * FLOAT_BITS,
               float_capacity[0]);
    set_buffer(layer, RS_ENERGY_WEIGHT_BUFFER, t, weights * n, e->buffer_bits[1], weights * FLOAT_BITS,
               float_capacity[1]);
    set_buffer(layer, RS_ENERGY_OUTPUT_BUFFER, t, outputs * m, e->buffer_bits[2], outputs * FLOAT_BITS,
               float_capacity[2]);

    const double bus = c->bus_bits;
    const double moved = bus * (double)(s->ifmap_beats + s->weight_beats + s->bias_beats + s->ofmap_beats);
    const double fmoved = bus * FLOAT_BITS *
                          ((double)(s->ifmap_beats + s->ofmap_beats) / m + (double)s->weight_beats / n +
                           (double)s->bias_beats / a);
    set_part(layer, RS_ENERGY_MEMORY, moved, moved * rs_dram_pj_per_bit(t), fmoved, fmoved * rs_dram_pj_per_bit(t));
}

rs_status rs_estimate_new(const rs_program *program, const rs_run_stats *stats, const rs_technology *technology,
                          rs_estimate **result, rs_diag *diag)
{
    *result = NULL;
    if (stats->n_layers != program->n_layers)
        return rs_error(diag, RS_INTERNAL, RS_NOWHERE, NULL, "counts of %d layers for a program of %d", stats->n_layers,
                        program->n_layers);
    rs_estimate *e = RS_NEW(rs_estimate);
    if (e == NULL || (e->layers = RS_NEW_ARRAY(rs_layer_energy, (size_t)program->n_layers)) == NULL) {
        rs_estimate_free(e);
        return rs_out_of_memory(diag);
    }
    e->n_layers = program->n_layers;
    e->total.name = "total";
    rs_estimate_area(&program->config, technology, e);
    for (int i = 0; i < e->n_layers; i++) {
        rs_layer_energy *layer = &e->layers[i];
        estimate_layer(program, i, &stats->layers[i], technology, e, layer);
        for (int part = 0; part < RS_ENERGY_PARTS; part++) {
            const rs_energy_cost *from = &layer->parts[part];
            rs_energy_cost *to = &e->total.parts[part];
            to->count += from->count;
            to->pj += from->pj;
            to->float_count += from->float_count;
            to->float_pj += from->float_pj;
        }
        e->total.pj += layer->pj;
        e->total.float_pj += layer->float_pj;
        e->total.chip_pj += layer->chip_pj;
        e->total.chip_float_pj += layer->chip_float_pj;
    }
    *result = e;
    return RS_OK;
}

void rs_estimate_free(rs_estimate *e)
{
    if (e == NULL)
        return;
    rs_free(e->layers);
    rs_free(e);
}
