/* What a layer's tiles are made from. Private to sim/program/: geometry.c (the layer's windows, groups and rows),
 * tile.c (bands of rows that the buffers hold), descriptor.c (the words that the array gets). */
#ifndef RISTRETTO_PROGRAM_TILING_H
#define RISTRETTO_PROGRAM_TILING_H

#include "program/compiler.h"

/* A layer as the tiling works on it. */
typedef struct rs_geometry {
    const rs_program_layer *layer;
    const rs_qop *op;
    const rs_qtensor *in, *conv, *out;
    bool direct, whole, relu;
    /* The window of a position (of the kernel; 1x1 for what has none), and the pooling window over positions. */
    int64_t kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w;
    int64_t pool_h, pool_w, pool_stride_h, pool_stride_w, pool_pad_h, pool_pad_w;
    rs_weight_order order; /* not of direct layers */
    int64_t seg1_count, seg2_count, seg_len, chunks, steps;
    int64_t sets, groups_per_set, lanes_set, lanes_last, set_cols, groups;
    int64_t in_pixel, in_rows, row_elems; /* of the ifmap as the array sees it */
    int64_t width;                        /* elements of a pixel that the layer makes */
    int64_t offset, out_pixel;            /* where they lie in a pixel of the blob, and its elements */
    bool runs;                            /* a pixel at a time, since something else lies in between */
    int64_t align_out;                    /* rows after which a row of the ofmap begins on a beat again */
} rs_geometry;

/* A band of output rows [first, first + rows), or a slice of its channels, and what it needs. */
typedef struct rs_band {
    int64_t first, rows;
    int64_t channel, channels;     /* of the layer's own */
    int64_t conv_first, conv_rows; /* rows of the convolution; conv_first < 0 in the padding of a pooling */
    int64_t in_first, in_rows;     /* rows of the ifmap that are loaded */
    int64_t in_offset;             /* elements before them in their first beat */
    int64_t in_beats, second_beats, out_beats;
    int64_t tile_pixel; /* elements of a pixel in the output buffer */
} rs_band;

static inline int64_t rs_compiler_elements(const rs_compiler *c)
{
    return rs_array_elements_per_beat(c->config);
}

/* geometry.c */
rs_geometry rs_geometry_of(const rs_compiler *c, int layer);
/* Products that one image needs: rs_program_layer.macs. */
int64_t rs_geometry_macs(const rs_geometry *g);
/* Where the elements of a part of a concatenation begin. */
int64_t rs_compiler_part_offset(const rs_compiler *c, const rs_program_layer *layer);

/* descriptor.c: beats of the biases and weights of a group with so many lanes. */
int64_t rs_compiler_group_beats(const rs_compiler *c, const rs_geometry *g, int64_t lanes);
/* Adds the descriptor of a band. weight_address: of the layer's first weight. RS_BAD_INPUT, noted: a number does not
 * fit its field. */
rs_status rs_compiler_add_descriptor(rs_compiler *c, rs_program_layer *layer, const rs_geometry *g, const rs_band *b,
                                     int64_t weight_address);

#endif
