/* Better formats of the same widths, by what they do to the scores of labelled images. */
#ifndef RISTRETTO_FORMATS_REFINE_H
#define RISTRETTO_FORMATS_REFINE_H

#include "formats/formats.h"

/* Improves fractional lengths (those of bits > 0; of activations alone, if weights are kept): one format after the
 * other is moved up and down by one, and what scores more images right in float emulation is kept (of as many hits:
 * the smaller cross-entropy), until nothing improves or `passes` is over. Blobs that share a format move together.
 * *trials: candidates that were scored; may be NULL. */
rs_status rs_formats_refine(const rs_calibration *on, bool keep_weights, int passes, rs_formats *formats, int *trials,
                            rs_diag *diag);

/* The scores' format where only their order counts: a constant that is subtracted from all of them (from the last
 * layer's biases) changes no order, but lets narrow words be fine where the best scores lie, while hopeless ones
 * saturate. Gives the constant (0: no better one) and sets the scores' fractional length to what scores the most
 * images right, everything before the scores rounded as `formats` say. Nothing changes unless a layer with biases
 * writes the scores and they have a format of their own. */
rs_status rs_formats_place_scores(const rs_calibration *on, rs_formats *formats, float *constant, rs_diag *diag);

#endif
