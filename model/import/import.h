/* Networks of any supported form. */
#ifndef RISTRETTO_IMPORT_IMPORT_H
#define RISTRETTO_IMPORT_IMPORT_H

#include "import/caffe/caffe.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Whether a path names an ONNX model: it ends with ".onnx". */
bool rs_is_onnx(const char *path);

/* Reads a net: an ONNX model with its weights and shapes (import/onnx/onnx.h), or a prototxt (import/caffe/caffe.h),
 * which has no weights and whose shapes are not inferred yet. `state` NULL: the phase TEST without stages; an ONNX
 * model has no phases. `input`: a shape for an ONNX model, as rs_onnx_read takes it, or NULL. */
rs_status rs_import_net(const char *path, const rs_net_state *state, const rs_shape *input, rs_net **net,
                        rs_diag *diag);

/* The same in the phase TEST to compute one value: an ONNX model's keeps its name and what the model says of it, also
 * where layers work in place, are folded or flattened (rs_onnx_read). NULL: none. */
rs_status rs_import_to_compute(const char *path, const rs_shape *input, const char *value, rs_net **net, rs_diag *diag);

/* The shape that `given` means for the net's first input: as it is, or with a batch of 1 in front where the net has one
 * axis more, or has no shape and three axes (an image) are given. */
rs_shape rs_import_input(const rs_net *net, const rs_shape *given);

/* The same to train it, or to test what is trained. An ONNX model gets what a prototxt for training has: labels beside
 * the images (blob "label"), and a SoftmaxWithLoss on its scores. Its batch is what the model says, RS_ONNX_BATCH where
 * that is open or 1. */
enum { RS_ONNX_BATCH = 32 };
rs_status rs_import_trainable(const char *path, rs_phase phase, const rs_shape *input, rs_net **net, rs_diag *diag);

/* Gives a net that was read from `model`, with shapes inferred, its weights, by the names of its layers: from a
 * caffemodel, binary or HDF5, or from an ONNX model. weights NULL: those that the net has from an ONNX model of its
 * own, or none if it needs none; RS_USAGE otherwise. */
rs_status rs_import_weights(const char *model, const char *weights, rs_net *net, rs_diag *diag);
/* The same to start a training from: layers that the file lacks keep their values, with a warning; one at least must be
 * there. */
rs_status rs_import_some_weights(const char *weights, rs_net *net, rs_diag *diag);

/* Writes the quantized description of a net that was read from `model` (rs_caffe_write_quantized); of an ONNX model, as
 * a prototxt. */
rs_status rs_import_write_quantized(const char *model, const rs_net *net, const char *path, rs_diag *diag);

/* A number that stands for a net: for its layers, shapes and parameters' fields, as rs_caffe_write_net says them, and
 * for the values of its parameters. Shapes must have been inferred. RS_RESOURCE: memory. */
rs_status rs_import_hash(const rs_net *net, uint64_t *hash, rs_diag *diag);

#ifdef __cplusplus
}
#endif
#endif
