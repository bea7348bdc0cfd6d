/* One image as it enters a net: the part of it that is taken, and its values. Used inside data/. */
#ifndef RISTRETTO_DATA_WINDOW_H
#define RISTRETTO_DATA_WINDOW_H

#include "data/data.h"

/* Which image of the set is the index-th that a net takes. seed NULL, or no shuffling: they follow one another, and
 * begin anew. */
int64_t rs_window_image(const rs_dataset *set, const rs_data_param *param, const uint64_t *seed, int64_t index);

/* Where a window lies in an image of height x width, and whether it is mirrored on its way into the net. */
typedef struct rs_window {
    int64_t top, left, height, width;
    bool mirror;
} rs_window;

/* seed NULL: the centre. `shape`: of one image as it enters the net (rs_dataset_shape). */
rs_window rs_window_place(const rs_data_param *param, const rs_shape *shape, int64_t height, int64_t width,
                          const uint64_t *seed, int64_t index);

/* Bytes to values. `image`: the window's first byte; channels are `plane` bytes apart, rows `pitch`. */
void rs_window_convert(const rs_data_param *param, const rs_shape *shape, const uint8_t *image, int64_t plane,
                       int64_t pitch, rs_window at, float *out);

/* Reads the index-th image (rs_window_image), resizes it and copies its window, not mirrored, to `pixels`. By any
 * thread, with a diag of its own. */
rs_status rs_window_read(const rs_dataset *set, const rs_data_param *param, const uint64_t *seed, int64_t index,
                         uint8_t *pixels, rs_window *at, rs_diag *diag);

/* Errors of one diag added to another. */
void rs_messages_move(rs_diag *from, rs_diag *to);

#endif
