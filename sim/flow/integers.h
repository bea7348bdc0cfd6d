/* A quantized network from what names one: the folder of its integers, or a quantized prototxt with its weights. */
#ifndef RISTRETTO_FLOW_INTEGERS_H
#define RISTRETTO_FLOW_INTEGERS_H

#include "formats/formats.h"
#include "qnet/qnet.h"

/* The integers of a float net that quantization_param says (rs_formats_of_prototxt, which may add layers), shapes and
 * weights there. Warns of weights and biases beyond their formats. */
rs_status rs_stage_integers(rs_net *net, rs_qnet **qnet, rs_diag *diag);

/* The quantized network that `path` names: a folder (qnet/), or a prototxt with quantization_param, whose weights
 * `weights` has; for a folder it is NULL. RS_USAGE: weights missing, or too many. */
rs_status rs_stage_qnet(const char *path, const char *weights, rs_qnet **qnet, rs_diag *diag);

#endif
