/* Samples and means of blobs over the calibration images. Private to emulate and formats. */
#ifndef RISTRETTO_EMULATE_STATISTICS_H
#define RISTRETTO_EMULATE_STATISTICS_H

#include "emulate/emulate.h"
#include "emulate/ranges.h"

/* For `images` images; blobs that are no activations get neither samples nor means. */
rs_status rs_statistics_new(const rs_net *net, const rs_plan *plan, int64_t images, rs_statistics **statistics,
                            rs_diag *diag);
void rs_statistics_free(rs_statistics *statistics);
/* Takes images [first, first + n) that the emulator has just run in float, batch after batch. */
void rs_statistics_add(rs_statistics *statistics, const rs_net *net, const rs_emulator *emulator, int64_t first,
                       int64_t n);
/* After the last batch. */
void rs_statistics_finish(rs_statistics *statistics, const rs_net *net, int64_t images);

/* The largest magnitude that at most (100 - percentile) percent of the samples exceed. */
rs_status rs_statistics_percentile(const float *x, size_t n, double percentile, double *magnitude, rs_diag *diag);

/* The mean error of each output of weighted layer `layer` if its weights are `rounded` instead of its own, from the
 * means of its bottom; RS_OK and *known false if that bottom has none. */
rs_status rs_statistics_output_error(const rs_statistics *statistics, const rs_net *net, int layer,
                                     const float *rounded, double *error, bool *known, rs_diag *diag);

#endif
