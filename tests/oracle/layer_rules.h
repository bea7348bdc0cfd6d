/* Layers of the oracle that have files of their own: each function computes one image, and says whether the layer is of
 * its kind. */
#ifndef RISTRETTO_TESTS_ORACLE_LAYER_RULES_H
#define RISTRETTO_TESTS_ORACLE_LAYER_RULES_H

#include "net/net.h"

/* Functions of each value. */
bool rs_oracle_function(const rs_layer *l, const double *in, double *out, int64_t n);
/* Sums, means, deviations and norms; `weights`: of a Normalize. */
bool rs_oracle_statistic(const rs_layer *l, const rs_shape *in_shape, const rs_shape *out_shape, const double *weights,
                         const double *in, double *out);
/* Values in another order. */
bool rs_oracle_view(const rs_layer *l, const rs_shape *in_shape, const rs_shape *out_shape, const double *in,
                    double *out);

#endif
