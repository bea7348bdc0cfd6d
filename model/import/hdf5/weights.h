/* Weights in HDF5 form (.caffemodel.h5), as Caffe writes them with snapshot_format: HDF5: a group /data, in it a group
 * for each layer, in it data sets named 0, 1, ... for its parameters. */
#ifndef RISTRETTO_IMPORT_HDF5_WEIGHTS_H
#define RISTRETTO_IMPORT_HDF5_WEIGHTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/net.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rs_hdf5_weights rs_hdf5_weights;

/* Whether a file starts as HDF5 files do. */
bool rs_is_hdf5(const uint8_t *data, size_t size);

/* Opens the content of a file; `path` names it in messages. The content must stay until the weights are freed. Links to
 * other files and data stored outside of this one are errors (RS_BAD_INPUT). */
rs_status rs_hdf5_weights_open(const char *path, const uint8_t *data, size_t size, rs_hdf5_weights **weights,
                               rs_diag *diag);
void rs_hdf5_weights_free(rs_hdf5_weights *weights);

/* The layers in the file's order; a layer's name may hold slashes (nested groups). Blobs are numbered from 0 without
 * gaps. */
int rs_hdf5_layers(const rs_hdf5_weights *weights);
const char *rs_hdf5_layer_name(const rs_hdf5_weights *weights, int layer);
int rs_hdf5_blobs(const rs_hdf5_weights *weights, int layer);

/* Reads a blob as floats; all must be finite. `who` names it in messages. On success param->data is allocated
 * (rs_free). */
rs_status rs_hdf5_read_blob(rs_hdf5_weights *weights, int layer, int blob, const char *who, rs_param *param,
                            rs_diag *diag);

#ifdef __cplusplus
}
#endif
#endif
