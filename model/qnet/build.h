/* From a float net and its formats to the quantized network. */
#ifndef RISTRETTO_QNET_BUILD_H
#define RISTRETTO_QNET_BUILD_H

#include "qnet/formats.h"
#include "qnet/qnet.h"

/* Builds the integers from a float net (a TEST-phase or deploy net with shapes and weights) and formats. Softmax, loss
 * and accuracy layers are left to the host. A layer that has no integer rule is an error that names it and its line.
 * ReLU after a weighted layer or an addition is fused, also through max pooling, with which it commutes. pixel
 * transform: from `data`, NULL for scale 1 and no mean. */
rs_status rs_qnet_build(const rs_net *net, const rs_formats *formats, const rs_data_param *data, rs_bias_rule bias_rule,
                        rs_rounding rounding, rs_qnet **qnet, rs_diag *diag);
/* The rule of the operation that a layer becomes, if it becomes one; NULL: none. */
const rs_qop_rule *rs_qop_rule_of_layer(const rs_layer *layer);
/* Layers that only move values or their shape: Dropout, Split, Flatten, Reshape. */
bool rs_layer_moves(const rs_layer *layer);

#endif
