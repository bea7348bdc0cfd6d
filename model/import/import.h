/* Networks of any supported form. */
#ifndef RISTRETTO_IMPORT_IMPORT_H
#define RISTRETTO_IMPORT_IMPORT_H

#include "import/caffe.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Whether a path names an ONNX model: it ends with ".onnx". */
bool rs_is_onnx(const char *path);

/* Reads a net: an ONNX model with its weights and shapes (import/onnx.h), or a prototxt (import/caffe.h), which has no weights and
 * whose shapes are not inferred yet. `state` NULL: the phase TEST without stages; an ONNX model has no phases.
 * `input`: a shape for an ONNX model that leaves it open, or NULL. */
rs_status rs_import_net(const char *path, const rs_net_state *state, const rs_shape *input, rs_net **net, rs_diag *diag);

#ifdef __cplusplus
}
#endif
#endif
