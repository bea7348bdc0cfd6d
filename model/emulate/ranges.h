/* Ranges and samples of weights and activations over calibration images, from the float net. */
#ifndef RISTRETTO_EMULATE_RANGES_H
#define RISTRETTO_EMULATE_RANGES_H

#include "data/data.h"

/* What a range alone does not say. Per blob of the net; the mean of each element of the blobs that weighted layers
 * read. */
typedef struct rs_statistics {
    int n_blobs;
    int64_t samples_an_image;
    size_t *n_samples;
    float **samples; /* values of every image, at places drawn from the number of the blob and of the image */
    double **means;  /* NULL: no weighted layer reads it */
} rs_statistics;

/* Ranges over a calibration set, with the float net. */
typedef struct rs_ranges {
    int n_layers, n_blobs;
    rs_statistics *statistics; /* or NULL: not asked for */
    double *weight_max;        /* per layer: largest magnitude of its weights, biases apart; 0 without weights */
    double *blob_min,
        *blob_max; /* per blob, of what it holds in the end (after a ReLU in place); 0 and 0: not an activation */
} rs_ranges;

/* `net`: TEST phase or deploy, shapes and weights loaded. Runs the first `images` of the set (0, or more than there
 * are: all). RS_BAD_INPUT: a weight or activation that is NaN or infinite, images or labels that do not fit the net.
 * RS_INTERRUPTED. */
rs_status rs_ranges_measure(const rs_net *net, const rs_data_param *data, const rs_dataset *set, int64_t images,
                            rs_ranges **ranges, rs_diag *diag);
/* The same with statistics. */
rs_status rs_ranges_measure_all(const rs_net *net, const rs_data_param *data, const rs_dataset *set, int64_t images,
                                rs_ranges **ranges, rs_diag *diag);
void rs_ranges_free(rs_ranges *ranges);

#endif
