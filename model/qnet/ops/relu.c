/* ReLU on its own: arithmetic.md section 6. */
#include "qnet/builder.h"

static bool is_of(const rs_layer *layer)
{
    return layer->type == RS_LAYER_RELU;
}

static bool accepts(rs_qnet_builder *b, const rs_layer *layer)
{
    if (layer->relu_slope == 0.0f)
        return true;
    RS_QNET_REFUSE(b, layer, "a slope of 0 has one", "layer '%s' is a ReLU with slope %g, which has no integer rule",
                   layer->name, (double)layer->relu_slope);
    return false;
}

const rs_qop_rule rs_qop_rule_relu = { .name = "ReLU",
                                       .word = "relu",
                                       .has = RS_QOP_SAME_SIZES | RS_QOP_KEEPS | RS_QOP_FLAT,
                                       .is_of = is_of,
                                       .accepts = accepts };
