#include "config/array_config.h"

int rs_array_parameters(const rs_array_config *c, rs_array_parameter parameters[RS_ARRAY_PARAMETERS_MAX])
{
    /* Without minifloats they mean nothing, and are the same for all arrays. */
    const rs_minifloat none = {
        .exponent_bits = 4, .mantissa_bits = 3, .subnormals = true, .special = RS_MINIFLOAT_NAN
    };
    const rs_minifloat minifloat = c->pe == RS_PE_MINIFLOAT ? c->minifloat : none;
    const rs_array_parameter all[] = {
        { "Lanes", "", c->lanes },
        { "Muls", "", c->multipliers },
        { "ActBits", "", c->activation_bits },
        { "WgtBits", "", c->weight_bits },
        { "AccBits", "", c->accumulator_bits },
        { "Overflow", "", (int64_t)c->overflow },
        { "FirstLevel", "", (int64_t)c->first_level },
        { "TreeRegisters", "", (int64_t)c->tree_registers },
        { "Rounding", "", (int64_t)c->rounding },
        { "ActDepth", "", c->activation_elements },
        { "OutDepth", "", c->output_elements },
        { "WgtDepth", "", c->weight_steps },
        { "BusBits", "", c->bus_bits },
        { "Outstanding", "", c->outstanding },
        { "ProgDepth", "", c->program_depth },
        { "Pe", "", (int64_t)c->pe },
        { "ZeroCode", "1'b", c->pe == RS_PE_SHIFTER && c->zero_code == RS_YES },
        { "ExponentBits", "", minifloat.exponent_bits },
        { "MantissaBits", "", minifloat.mantissa_bits },
        { "Subnormals", "1'b", minifloat.subnormals },
        { "Special", "", (int64_t)minifloat.special },
        { "ChannelShifts", "1'b", c->channel_shifts == RS_YES },
        { "UnsignedActivations", "1'b", c->unsigned_activations == RS_YES },
        { "AveragePooling", "1'b", c->average_pooling == RS_YES },
        { "ActBanks", "", rs_array_activation_banks(c) },
        { "OutBanks", "", rs_array_output_banks(c) },
    };
    const int n = (int)(sizeof all / sizeof all[0]);
    _Static_assert(sizeof all <= RS_ARRAY_PARAMETERS_MAX * sizeof all[0], "room for all parameters");
    for (int i = 0; i < n; i++)
        parameters[i] = all[i];
    return n;
}
