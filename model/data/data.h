/* Labelled images. */
#ifndef RISTRETTO_DATA_DATA_H
#define RISTRETTO_DATA_DATA_H

#include "net/net.h"

/* A data set in memory: pixels as bytes, [count][channels][height][width], one label an image. */
typedef struct rs_dataset {
    char *path;
    int64_t count;
    int channels, height, width, classes; /* classes: largest label + 1 */
    uint8_t *pixels;
    int32_t *labels;
} rs_dataset;

/* Opens IDX files (gzipped or not). `path` names the images file, a folder, or a prefix; for a folder, `train` picks
 * train-images-idx3-ubyte / train-labels-idx1-ubyte or t10k-* (also digits-*), with or without .gz. The labels file is found beside the
 * images file by name. Errors: magic number, counts that differ, truncated, left-over bytes, label out of range: located at the byte offset. */
rs_status rs_dataset_open(const char *path, bool train, rs_dataset **set, rs_diag *diag);
/* IDX, gzipped when the names end in .gz. */
rs_status rs_dataset_write_idx(const rs_dataset *set, const char *images_path, const char *labels_path, rs_diag *diag);
void rs_dataset_free(rs_dataset *set);
/* A view of count images from `first` on (shares memory with the parent, which must outlive it). */
rs_dataset rs_dataset_slice(const rs_dataset *set, int64_t first, int64_t count);

/* (pixel - mean[c]) * scale in float, as Caffe's transform_param does it, for images [first, first + n) modulo count, into NCHW. */
void rs_dataset_transform(const rs_dataset *set, const rs_data_param *param, int64_t first, int64_t n, float *out);

#endif
