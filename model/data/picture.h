/* Pictures: JPEG and PNG to planar bytes, resizing, gray. Used inside data/.
 *
 * Colors are in Caffe's (OpenCV's) order: blue, green, red. */
#ifndef RISTRETTO_DATA_PICTURE_H
#define RISTRETTO_DATA_PICTURE_H

#include "net/net.h"

/* [channels][height][width]; pixels is a block of its own. */
typedef struct rs_picture {
    int channels, height, width;
    uint8_t *pixels;
} rs_picture;

/* The most pixels (height x width) that a picture may have. */
#define RS_PICTURE_MAX_PIXELS ((int64_t)1 << 26)
/* The largest file of one picture, in bytes. */
#define RS_PICTURE_MAX_BYTES ((size_t)1 << 28)

/* Decodes a JPEG (baseline or progressive; gray, YCbCr, RGB, CMYK, YCCK) or a PNG (every form; alpha is dropped), into
 * 3 channels, 1 channel or, with RS_COLOR_AS_IS, what the file has (CMYK: 3). Which of the two it is, the first bytes
 * say, not the name. `what` names the picture in errors. RS_BAD_INPUT at `loc`: another format, corrupt, cut off, more
 * pixels than RS_PICTURE_MAX_PIXELS, or far more than a file of this size can hold. */
rs_status rs_picture_decode(const uint8_t *bytes, size_t size, rs_color color, rs_loc loc, const char *what,
                            rs_picture *picture, rs_diag *diag);

/* Bilinear, as cv::resize(..., INTER_LINEAR) does it for bytes: 11-bit coefficients; halving both sides averages 2 x 2.
 */
rs_status rs_picture_resize(const rs_picture *from, int64_t height, int64_t width, rs_picture *to, rs_diag *diag);

void rs_picture_free(rs_picture *picture);

#endif
