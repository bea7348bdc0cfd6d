/* Shapes of blobs and parameters. */
#ifndef RISTRETTO_NET_SHAPE_H
#define RISTRETTO_NET_SHAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { RS_MAX_AXES = 8 };

/* Elements of one blob or parameter, as in Caffe, whose counts are 32-bit. */
#define RS_MAX_ELEMENTS INT64_C(0x7fffffff)

/* n_axes dimensions, each >= 0. A blob's first axis is the batch. */
typedef struct rs_shape {
    int n_axes;
    int64_t dim[RS_MAX_AXES];
} rs_shape;

/* Number of elements from axis `from` on (from = 0: all of them); -1 if it does not fit 2^62. */
int64_t rs_shape_count(const rs_shape *shape, int from);
bool rs_shape_equal(const rs_shape *a, const rs_shape *b);
/* "64x1x28x28" into buffer, as much as fits; returns buffer. */
const char *rs_shape_text(const rs_shape *shape, char *buffer, size_t size);

/* The axis meant by `axis` of a shape with n_axes: itself if not negative, else counted from behind; -1 if there is no
 * such axis. */
int rs_axis(int64_t axis, int n_axes);

#ifdef __cplusplus
}
#endif
#endif
