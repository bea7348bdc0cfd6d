/* The patches of an image that a convolution's kernel sees, as a matrix: depth k = (channel, y, x) of the kernel by positions
 * pos = (y, x) of the output; pixels in the padding are zero. For one group of channels. */
#ifndef RISTRETTO_LAYERS_PATCHES_H
#define RISTRETTO_LAYERS_PATCHES_H

#include "net/net.h"

/* Floats behind a matrix of patches that may be written as well. */
enum { RS_PATCH_SLACK = 8 };

typedef struct rs_patches {
    int64_t channels, height, width; /* of the image */
    int64_t out_height, out_width;   /* positions of the kernel */
    int64_t depth, positions;        /* channels * kernel area, out_height * out_width */
    bool plain;                      /* 1 x 1 kernel on the image as it is: the patches are the image */
    const rs_convolution_param *p;
} rs_patches;

rs_patches rs_patches_of(const rs_convolution_param *p, int64_t channels, int64_t height, int64_t width);

/* patches[k][pos]. */
void rs_image_to_columns(const rs_patches *g, const float *image, float *patches);
/* The transpose, rows[pos][k]. */
void rs_image_to_rows(const rs_patches *g, const float *image, float *rows);
/* Adds patches[k][pos] to the pixels that they came from. */
void rs_columns_to_image(const rs_patches *g, const float *patches, float *image);

#endif
