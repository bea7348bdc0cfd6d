/* ONNX models (operator sets 7 to 17 of the default domain), in one file with their weights. */
#ifndef RISTRETTO_IMPORT_ONNX_ONNX_H
#define RISTRETTO_IMPORT_ONNX_ONNX_H

#include "net/net.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Reads a model as a net in the phase TEST, with shapes inferred and weights set; docs/user/networks.md lists the
 * operators and what becomes of them. `input` gives the first input another shape (NULL: the model's; an open batch is
 * 1), where a model of one axis more has a batch of 1 in front of it; with a batch of 0, only what the model leaves
 * open is taken from it, by the last axes. `value` names a value that the caller asks for (or NULL): it is computed as
 * the model says, as if it were an output, and the blob that holds it has its name.
 * RS_BAD_INPUT: an operator, attribute or type that is not supported, by node, operator and index, all of them at once;
 * weights in other files; a file that is damaged; a value that no layer computes. */
rs_status rs_onnx_read(const char *path, const rs_shape *input, const char *value, rs_net **net, rs_diag *diag);

/* Writes a net with its weights as a model of operator set 13. Shapes must have been inferred. Data layers become
 * inputs; losses and accuracy are left out, and dropout too. RS_BAD_INPUT, located at the layer: what operator set 13
 * cannot say. */
rs_status rs_onnx_write(const rs_net *net, const char *path, rs_diag *diag);

#ifdef __cplusplus
}
#endif
#endif
