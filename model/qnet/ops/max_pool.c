/* Max pooling: arithmetic.md section 6. */
#include "qnet/builder.h"

static bool is_of(const rs_layer *layer)
{
    return layer->type == RS_LAYER_POOLING && layer->pooling.method == RS_POOL_MAX;
}

const rs_qop_rule rs_qop_rule_max_pool = { .name = "max pooling",
                                           .word = "max_pool",
                                           .has = RS_QOP_WINDOW | RS_QOP_POOLS | RS_QOP_KEEPS,
                                           .is_of = is_of,
                                           .accepts = rs_qnet_accepts_pooling,
                                           .build = rs_qnet_set_pooling };
