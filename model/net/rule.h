/* What holds for all layers of a type: one rule per type, defined beside its passes in layers/. Everything that depends
 * on the type of a layer asks its rule; what Caffe and ONNX call it is in the rules of import/layers/. */
#ifndef RISTRETTO_NET_RULE_H
#define RISTRETTO_NET_RULE_H

#include <limits.h>

#include "net/net.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { RS_ANY = INT_MAX }; /* no upper limit */

/* How many there may be. */
typedef struct rs_limits {
    int min, max;
} rs_limits;

typedef struct rs_layer_rule {
    const char *name; /* in prototxt, such as "Convolution" */
    rs_limits bottoms, tops;
    int max_params; /* learnable arrays; 0: it learns nothing */
    bool in_place;  /* may write the blob that it reads */
    bool loss;      /* its top is a scalar that training makes small */
    bool scalar;    /* its top is one value for the whole batch: losses and accuracy */
    bool labels;    /* its second bottom holds labels, which have no gradient */

    /* Shapes of the tops and parameters. `in` is a copy of the first bottom's shape (NULL without bottoms), `out` the
     * first top's; numbers of bottoms and tops have been checked. Errors are located at the layer. */
    rs_status (*shape)(rs_net *net, rs_layer *layer, const rs_shape *in, rs_shape *out, rs_diag *diag);
    /* Initial values of parameter `param`. NULL: there are no parameters. */
    const rs_filler *(*filler)(const rs_layer *layer, int param);
    /* Multiply-accumulates for one image, as usual of convolutions and inner products only. NULL: none are counted. */
    int64_t (*macs)(const rs_net *net, const rs_layer *layer);
    /* Frees what the layer's parameters own. NULL: nothing. */
    void (*clear)(rs_layer *layer);
    /* Passes of the executor (layers/layer.h), or what chooses among several. Both NULL: passed over. */
    const struct rs_layer_ops *ops;
    const struct rs_layer_ops *(*choose_ops)(const rs_layer *layer);
} rs_layer_rule;

const rs_layer_rule *rs_layer_rule_of(rs_layer_type type);

/* ---- For shape rules */

enum { RS_SHAPE_TEXT = 192 }; /* characters that rs_shape_text needs at most */

/* The top has the shape of the bottom. */
rs_status rs_shape_same(rs_net *net, rs_layer *layer, const rs_shape *in, rs_shape *out, rs_diag *diag);

/* Gives parameter `param` its shape, and memory if it has none. */
rs_status rs_layer_set_param(rs_layer *layer, int param, rs_shape shape, rs_diag *diag);
/* Weights, and a bias if there is one. Sets n_params. */
rs_status rs_layer_set_params(rs_layer *layer, rs_shape weights, bool bias, rs_shape bias_shape, rs_diag *diag);

/* These say what is wrong if it is not so: N x C x H x W; channels along axis 1; shapes of all bottoms that agree but
 * for one axis (-1: altogether). */
bool rs_layer_takes_images(const rs_layer *layer, const rs_shape *in, rs_diag *diag);
bool rs_layer_takes_channels(const rs_layer *layer, const rs_shape *in, rs_diag *diag);
bool rs_layer_takes_same(const rs_net *net, const rs_layer *layer, int axis, rs_diag *diag);
/* Convolution and deconvolution: images whose channels can be divided into the groups. */
bool rs_layer_takes_groups(const rs_layer *layer, const rs_shape *in, rs_diag *diag);
/* A window of these sizes (height, width) fits into the padded input. */
bool rs_layer_window_fits(const rs_layer *layer, const rs_shape *in, const int64_t window[2], const int64_t pad[2],
                          rs_diag *diag);
/* An axis as a file gives it, which must exist and not be the batch: 1 or more, or -1 and an error. */
int rs_layer_axis(const rs_layer *layer, int64_t axis, const rs_shape *in, rs_diag *diag);

#ifdef __cplusplus
}
#endif
#endif
