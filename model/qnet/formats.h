/* The number formats of a float net's weights and activations. Kept apart from qnet.h, so that who only runs integers
 * does not see the float net. */
#ifndef RISTRETTO_QNET_FORMATS_H
#define RISTRETTO_QNET_FORMATS_H

#include "net/net.h"
#include "qnet/number.h"

typedef enum rs_group { RS_GROUP_CONVOLUTION, RS_GROUP_INNER_PRODUCT, RS_GROUP_ACTIVATIONS, RS_GROUPS } rs_group;
const char *rs_group_name(rs_group group);

/* The group a layer's weights belong to; RS_GROUPS for a layer that has none. */
rs_group rs_layer_group(const rs_layer *layer);

/* Formats chosen for one net: what the search decides. Index by layer and blob of the rs_net. */
typedef struct rs_formats {
    int n_layers, n_blobs;
    rs_number_format *weights;     /* per layer; bits = 0: not a weighted layer */
    rs_number_format *activations; /* per blob; bits = 0: not an activation */
    bool *is_unsigned;             /* per blob */
    int **weight_fl;               /* per layer: fractional lengths by output channel; NULL: all have the layer's */
    int **wanted_fl; /* per layer: those (or the layer's) that were chosen before sums made them coarser; NULL: as
                        chosen */
    /* The last op keeps its accumulator's width, section 5; the scores' own format is not looked at. */
    bool wide_scores;
    float **bias;    /* per layer: biases by output channel that replace the layer's (bias correction); NULL: its own */
    float **rounded; /* per layer: weights that replace the layer's, numbers of its format already; NULL: its own,
                        rounded to nearest */
} rs_formats;
rs_status rs_formats_new(const rs_net *net, rs_formats **formats, rs_diag *diag);
void rs_formats_free(rs_formats *formats);
/* The weighted layer with biases that writes the scores, if they have a format; -1: there is none. */
int rs_scores_layer(const rs_net *net, const rs_formats *formats);

#endif
