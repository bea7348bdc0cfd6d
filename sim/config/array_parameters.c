#include "config/array_config.h"

int rs_array_parameters(const rs_array_config *c, rs_array_parameter parameters[RS_ARRAY_PARAMETERS_MAX])
{
    /* Without minifloats they mean nothing, and are the same for all arrays. */
    const rs_minifloat none = {
        .exponent_bits = 4, .mantissa_bits = 3, .subnormals = true, .special = RS_MINIFLOAT_NAN
    };
    const rs_minifloat minifloat = c->pe == RS_PE_MINIFLOAT ? c->minifloat : none;
    const rs_array_parameter all[] = {
        { "LANES", c->lanes },
        { "MULS", c->multipliers },
        { "ACT_BITS", c->activation_bits },
        { "WGT_BITS", c->weight_bits },
        { "ACC_BITS", c->accumulator_bits },
        { "OVERFLOW", (int64_t)c->overflow },
        { "FIRST_LEVEL", (int64_t)c->first_level },
        { "TREE_REGS", (int64_t)c->tree_registers },
        { "ROUNDING", (int64_t)c->rounding },
        { "ACT_DEPTH", c->activation_elements },
        { "OUT_DEPTH", c->output_elements },
        { "WGT_DEPTH", c->weight_steps },
        { "BUS_BITS", c->bus_bits },
        { "OUTSTANDING", c->outstanding },
        { "PROG_DEPTH", c->program_depth },
        { "PE", (int64_t)c->pe },
        { "ZERO_CODE", c->pe == RS_PE_SHIFTER && c->zero_code == RS_YES },
        { "EXPONENT_BITS", minifloat.exponent_bits },
        { "MANTISSA_BITS", minifloat.mantissa_bits },
        { "SUBNORMALS", minifloat.subnormals },
        { "SPECIAL", (int64_t)minifloat.special },
        { "CHANNEL_SHIFT", c->channel_shifts == RS_YES },
        { "UNSIGNED", c->unsigned_activations == RS_YES },
        { "AVERAGE", c->average_pooling == RS_YES },
        { "ACT_BANKS", rs_array_activation_banks(c) },
        { "OUT_BANKS", rs_array_output_banks(c) },
    };
    const int n = (int)(sizeof all / sizeof all[0]);
    _Static_assert(sizeof all <= RS_ARRAY_PARAMETERS_MAX * sizeof all[0], "room for all parameters");
    for (int i = 0; i < n; i++)
        parameters[i] = all[i];
    return n;
}
