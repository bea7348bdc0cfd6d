/* A network: a graph of layers over named blobs, in topological order, with its parameters.
 *
 * Terms and meaning are Caffe's. Blobs are dense float arrays in NCHW order; parameters are in Caffe's order:
 * convolution weights [out_channels][in_channels / groups][kernel_h][kernel_w], inner product weights
 * [outputs][inputs], bias [outputs]. */
#ifndef RISTRETTO_NET_NET_H
#define RISTRETTO_NET_NET_H

#include "base/memory.h"
#include "base/window.h"
#include "fxp/fxp.h"
#include "net/layer.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum rs_phase { RS_TRAIN, RS_TEST } rs_phase;

typedef struct rs_blob {
    char *name;
    rs_shape shape; /* with the batch as declared; execution may use any batch */
} rs_blob;

/* What a quantized prototxt says of all layers. Without it, the original's: to nearest, biases in the weights' format.
 */
typedef struct rs_net_quantization {
    rs_rounding rounding;
    rs_bias_rule bias_rule;
    bool wide_scores;
} rs_net_quantization;

typedef struct rs_net {
    char *name;
    char *path; /* the prototxt; rs_loc.file of all its layers */
    rs_phase phase;
    int n_layers, n_blobs;
    rs_layer *layers;
    rs_blob *blobs;
    int n_folded;
    char **folded; /* names of the layers that rs_net_fold has taken out */
    rs_net_quantization quantization;
    int scored; /* the blob whose values rs_net_choose_scores was told to score, plus 1; 0: as rs_net_scores finds it */
} rs_net;

void rs_net_free(rs_net *net);
/* Frees what a layer owns, not the layer itself. */
void rs_layer_clear(rs_layer *layer);
/* The parameter that owns the values of parameter `param` of layer `layer`: the first of its name, or itself; then its
 * layer and index in *owner_layer and *owner_param. */
rs_param *rs_net_param_owner(const rs_net *net, int layer, int param, int *owner_layer, int *owner_param);
/* Index of a layer or blob by name; -1 if there is none. */
int rs_net_layer(const rs_net *net, const char *name);
int rs_net_blob(const rs_net *net, const char *name);
/* Values of a blob for one image; 1 of a scalar. Shapes must have been inferred. */
int64_t rs_net_blob_values(const rs_net *net, int blob);

/* Computes every blob's and parameter's shape from the input shapes, and allocates parameters that are not there yet
 * (zeros). `input` overrides the shape of the first input blob if not NULL (a net whose data layer has no shape of its
 * own needs it); the second top of a data layer (labels) has one element an image. Loss and accuracy are scalars
 * (n_axes 0). Errors are located at the layer: wrong number of bottoms, kernel larger than its input, inconsistent
 * parameter shape, more than RS_MAX_ELEMENTS in a blob or parameter. May be called again with another input. */
rs_status rs_net_infer_shapes(rs_net *net, const rs_shape *input, rs_diag *diag);

/* The same for one layer, when the shapes of its bottoms are known: for a net that is built layer by layer. */
rs_status rs_net_infer_layer(rs_net *net, int layer, const rs_shape *input, rs_diag *diag);

/* Fills the parameters from their fillers; the same seed gives the same values. */
rs_status rs_net_fill(rs_net *net, uint64_t seed, rs_diag *diag);

/* Folds BatchNorm layers with stored statistics, and Scale and Bias layers by channel, into the weights and bias of the
 * convolution, deconvolution or inner product right before them, if nothing else reads what lies between; a bias is
 * added where there is none. The layers go, their names stay in net->folded, and what they wrote is written by the
 * layer that took them in. Shapes must have been inferred and weights be there. Layers whose parameters have names, to
 * be shared, are left as they are, and so are others that cannot be folded: no error. RS_BAD_INPUT: a variance that
 * makes no finite factor. */
rs_status rs_net_fold(rs_net *net, rs_diag *diag);

/* Puts a layer in front of layer `layer` that gives its bottom `bottom` unchanged, as a sum of one summand, in a blob
 * of its own, which can have another number format. The layer is then one later. RS_RESOURCE. */
rs_status rs_net_add_copy(rs_net *net, int layer, int bottom, rs_diag *diag);

/* Whether a layer has quantization_param. */
bool rs_net_quantized(const rs_net *net);
/* Turns QuantizeLinear layers into Identity: values of layers are floats again. Returns how many there were. */
int rs_net_unquantize(rs_net *net);

/* The blob that holds the class scores (the bottom of the last softmax, loss or accuracy layer, a softmax's own bottom
 * where that is its output, so that auxiliary classifiers do not count; else the last top), and the first input blob;
 * -1 if there is none. */
int rs_net_scores(const rs_net *net);
/* Makes the blob of this name (before a softmax) the class scores from now on. NULL: checks that those which
 * rs_net_scores finds are one value per class, and the only output of the net. RS_BAD_INPUT. */
rs_status rs_net_choose_scores(rs_net *net, const char *name, rs_diag *diag);
int rs_net_input(const rs_net *net);

#ifdef __cplusplus
}
#endif
#endif
