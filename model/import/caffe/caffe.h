/* Caffe's files. Prototxt is text (protobuf text format), caffemodel is binary; both forms of layers are read:
 * `layer` (LayerParameter) and the older V1 `layers`. */
#ifndef RISTRETTO_IMPORT_CAFFE_CAFFE_H
#define RISTRETTO_IMPORT_CAFFE_CAFFE_H

#include "net/net.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What include and exclude rules ask for, besides the file's own `state`: its stages are joined, its level gives way to
 * this one if that is not 0. */
typedef struct rs_net_state {
    rs_phase phase;
    int level;
    int n_stages;
    const char *const *stages;
} rs_net_state;

/* Reads a net description for one phase (include/exclude rules applied). All errors of the file are reported, each with
 * line and column, unknown fields with a did-you-mean; an unsupported layer or parameter is an error that names layer
 * and line. Shapes are not inferred yet. */
rs_status rs_caffe_read_net(const char *path, rs_phase phase, rs_net **net, rs_diag *diag);
/* The same for a phase, level and stages. */
rs_status rs_caffe_read_net_for(const char *path, const rs_net_state *state, rs_net **net, rs_diag *diag);

/* Copies weights of a caffemodel into the layers of the same name: binary with layers in any form (V0, V1, V2), or HDF5
 * with /data/LAYER/0, 1, .... Shapes must have been inferred. Legacy 4-axis shapes (1x1x1xn) match by their meaning as
 * in Caffe. A layer of the net that needs parameters and finds none is an error; an extra layer in the file is ignored
 * (noted). Shape errors name both shapes; NaN and infinity are errors. Parameters that layers share (param { name })
 * need stand in the file only once. */
rs_status rs_caffe_read_weights(const char *path, rs_net *net, rs_diag *diag);
/* The same to start a training from: as in Caffe, a layer that the file lacks keeps its values (noted); but one layer
 * at least must be there. */
rs_status rs_caffe_read_some_weights(const char *path, rs_net *net, rs_diag *diag);
/* Writes weights as binary NetParameter (V2 `layer`). */
rs_status rs_caffe_write_weights(const rs_net *net, const char *path, rs_diag *diag);

/* A mean image, as Caffe's compute_image_mean writes it: a binary BlobProto of 1 x channels x height x width (or
 * without the 1). *values is released by rs_free. */
rs_status rs_caffe_read_mean(const char *path, int64_t dim[3], float **values, rs_diag *diag);
rs_status rs_caffe_write_mean(const char *path, const int64_t dim[3], const float *values, rs_diag *diag);

/* Writes a net as it is used: data layers become Input layers with the shapes of their blobs, and losses and accuracy,
 * which need labels, are left out. Shapes must have been inferred. RS_BAD_INPUT, located at the layer: what prototxt
 * cannot say. */
rs_status rs_caffe_write_net(const rs_net *net, const char *path, rs_diag *diag);
/* The same as text, which rs_free releases. */
rs_status rs_caffe_net_text(const rs_net *net, char **text, rs_diag *diag);

/* A quantized description: the prototxt at `source` with each layer named in net->layers that has quantization.present
 * set given its type (ConvolutionRistretto, FcRistretto) and quantization_param, as the original Ristretto writes them;
 * layers in net->folded are left out, with the top of the layer that took them in, and its bias, changed accordingly;
 * everything else is kept as it is. */
rs_status rs_caffe_write_quantized(const char *source, const rs_net *net, const char *path, rs_diag *diag);

/* Caffe's solver file. Relative paths inside are resolved as written (against the current folder), and, failing that,
 * against the solver file's folder. */
typedef enum rs_lr_policy {
    RS_LR_FIXED,
    RS_LR_STEP,
    RS_LR_EXP,
    RS_LR_INV,
    RS_LR_MULTISTEP,
    RS_LR_POLY,
    RS_LR_SIGMOID
} rs_lr_policy;

typedef struct rs_solver_param {
    char *path;     /* of the solver file */
    char *net_path; /* field `net` (or train_net), resolved */
    char *type;     /* "SGD"; others as they are supported */
    rs_lr_policy policy;
    double base_lr, gamma, power, momentum, momentum2, delta, weight_decay, clip_gradients;
    bool l1_regularization;
    int64_t step_size, max_iter, iter_size, test_iter, test_interval, display, average_loss, snapshot;
    bool test_initialization, snapshot_after_train;
    char *snapshot_prefix;
    int n_step_values;
    int64_t *step_values;
    int64_t random_seed; /* -1: not given */
} rs_solver_param;

rs_status rs_caffe_read_solver(const char *path, rs_solver_param **solver, rs_diag *diag);
void rs_solver_param_free(rs_solver_param *solver);

/* Caffe's SolverState (iteration, learned_net, history), binary. history[i] matches the i-th parameter of the net in
 * order. */
typedef struct rs_solver_state {
    int64_t iter, current_step;
    char *learned_net;
    int n_history;
    rs_param *history;
} rs_solver_state;
rs_status rs_caffe_read_solver_state(const char *path, rs_solver_state **state, rs_diag *diag);
rs_status rs_caffe_write_solver_state(const rs_solver_state *state, const char *path, rs_diag *diag);
void rs_solver_state_free(rs_solver_state *state);

#ifdef __cplusplus
}
#endif
#endif
