/* im2col: the patches of an image that a convolution's kernel sees, as a matrix: depth k = (channel, y, x) of the
 * kernel by positions pos = (y, x) of the output; pixels in the padding are zero. For one group of channels. */
#ifndef RISTRETTO_LAYERS_WEIGHTED_IM2COL_H
#define RISTRETTO_LAYERS_WEIGHTED_IM2COL_H

#include "net/net.h"

/* Floats behind a matrix of patches that may be written as well. */
enum { RS_IM2COL_SLACK = 8 };

typedef struct rs_im2col_shape {
    int64_t channels, height, width; /* of the image */
    int64_t out_height, out_width;   /* positions of the kernel */
    int64_t depth, positions;        /* channels * kernel area, out_height * out_width */
    bool plain;                      /* 1 x 1 kernel on the image as it is: the patches are the image */
    const rs_convolution_param *p;
} rs_im2col_shape;

rs_im2col_shape rs_im2col_shape_of(const rs_convolution_param *p, int64_t channels, int64_t height, int64_t width);

/* patches[k][pos]. */
void rs_im2col(const rs_im2col_shape *g, const float *image, float *patches);

/* The same block by block, so that what one product reads stays in the cache: patches[k][i] for positions first + i, i
 * in [0, n). */
typedef struct rs_im2col_blocks {
    int64_t positions; /* of a block, at most */
    int64_t stride;    /* floats from one k to the next */
    int64_t room;      /* floats of room for rows of one channel with their padding */
} rs_im2col_blocks;
rs_im2col_blocks rs_im2col_blocks_of(const rs_im2col_shape *g);
/* Floats that a block takes, room and slack included. */
size_t rs_im2col_block_size(const rs_im2col_shape *g, const rs_im2col_blocks *b);
/* `patches` has rs_im2col_block_size floats. */
void rs_im2col_block(const rs_im2col_shape *g, const rs_im2col_blocks *b, const float *image, int64_t first, int64_t n,
                     float *patches);

/* The transpose, rows[pos][k]. */
void rs_im2row(const rs_im2col_shape *g, const float *image, float *rows);
/* Adds patches[k][pos] to the pixels that they came from. */
void rs_col2im(const rs_im2col_shape *g, const float *patches, float *image);

#endif
