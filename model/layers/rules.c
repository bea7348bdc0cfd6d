/* The table of rules: the one place that knows all layers. */
#include "layers/layer.h"

static const rs_layer_rule *const RULES[RS_LAYER_TYPES] = {
#define RS_LAYER_TYPE(name, symbol) [RS_LAYER_##name] = &rs_##symbol##_layer,
#include "net/layer_types.def"
};

const rs_layer_rule *rs_layer_rule_of(rs_layer_type type)
{
    return RULES[type];
}
