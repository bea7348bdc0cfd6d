#include "config/array_config.h"

int rs_array_parameters(const rs_array_config *c, rs_array_parameter parameters[RS_ARRAY_PARAMETERS_MAX])
{
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
        { "CHANNEL_SHIFT", c->channel_shifts == RS_YES },
        { "UNSIGNED", c->unsigned_activations == RS_YES },
        { "AVERAGE", c->average_pooling == RS_YES },
    };
    const int n = (int)(sizeof all / sizeof all[0]);
    _Static_assert(sizeof all <= RS_ARRAY_PARAMETERS_MAX * sizeof all[0], "room for all parameters");
    for (int i = 0; i < n; i++)
        parameters[i] = all[i];
    return n;
}
