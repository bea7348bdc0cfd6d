/* Sizes that follow from an array's parameters (docs/reference/microarchitecture.md section 1). Widths are resolved
 * ones. */
#include "base/integer.h"
#include "config/array_config.h"

int rs_array_levels(const rs_array_config *config)
{
    return rs_ceil_log2(config->multipliers);
}

int rs_array_tree_stages(const rs_array_config *config)
{
    const int levels = rs_array_levels(config);
    switch (config->tree_registers) {
    case RS_TREE_NONE:
        return 0;
    case RS_TREE_EVERY:
        return levels;
    case RS_TREE_EVERY_SECOND:
        return levels / 2;
    }
    return 0;
}

int rs_array_tree_bits(const rs_array_config *config, int level)
{
    const int products = config->activation_bits + (config->unsigned_activations == RS_YES) +
                         (config->pe == RS_PE_SHIFTER ? 1 << (config->weight_bits - 1) : config->weight_bits);
    const int bits = config->pe == RS_PE_MINIFLOAT ? 2 * rs_minifloat_integer_bits(config->minifloat) + 1 : products;
    if (level == 0)
        return bits;
    return bits + level + (config->first_level == RS_FIRST_LEVEL_PAPER);
}

int rs_array_bias_bits(const rs_array_config *config)
{
    return config->accumulator_bits + (config->channel_shifts == RS_YES ? RS_CHANNEL_SHIFT_BITS : 0);
}

rs_weight_code rs_array_weight_code(const rs_array_config *config)
{
    return config->pe == RS_PE_MULTIPLIER  ? RS_WEIGHT_INTEGER
           : config->pe == RS_PE_MINIFLOAT ? RS_WEIGHT_MINIFLOAT
           : config->zero_code == RS_YES   ? RS_WEIGHT_SHIFT_ZERO
                                           : RS_WEIGHT_SHIFT;
}

int rs_array_elements_per_beat(const rs_array_config *config)
{
    return config->bus_bits / config->activation_bits;
}

static int banks(int reads, int writes)
{
    return 1 << rs_ceil_log2(reads > writes ? reads : writes);
}

int rs_array_least_activation_banks(const rs_array_config *config)
{
    return banks(config->multipliers, rs_array_elements_per_beat(config));
}

int rs_array_least_output_banks(const rs_array_config *config)
{
    return banks(rs_array_elements_per_beat(config), config->lanes);
}

int rs_array_activation_banks(const rs_array_config *config)
{
    return config->activation_banks != RS_BANKS_AUTO ? config->activation_banks
                                                     : rs_array_least_activation_banks(config);
}

int rs_array_output_banks(const rs_array_config *config)
{
    return config->output_banks != RS_BANKS_AUTO ? config->output_banks : rs_array_least_output_banks(config);
}
