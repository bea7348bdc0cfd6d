/* Rounding of weights by what it does to the outputs. Private to model/formats, but for rs_formats_adapt of
 * formats.h. */
#ifndef RISTRETTO_FORMATS_ADAPT_H
#define RISTRETTO_FORMATS_ADAPT_H

#include "formats/formats.h"

/* H = R R^T with R upper triangular, in place (row-major, n x n; the lower triangle of the result is not used). H
 * symmetric; a pivot that is not positive counts as one of `min`. Runs on the pool of threads; the result does not
 * depend on them. */
void rs_upper_cholesky(double *h, int64_t n, double min);

/* Rounds w[n] (one output's weights, in the order of R) one after the other so that the error of the sum, |(w - q)
 * R|^2, stays small: what the errors of those before make of element j is taken over by element j (Babai's nearest
 * plane; Frantar et al. 2023). `format` has one fractional length. scratch: 2 n doubles. Returns the squared error. */
double rs_adapt_row(const double *w, const double *r, int64_t n, rs_number_format format, float *q, double *scratch);

#endif
