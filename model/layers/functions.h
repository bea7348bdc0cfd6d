/* Functions of floats with the same bits on every machine and at any vector width, which the C library's do not
 * promise. Errors are below 1 unit in the last place of a float unless said otherwise. */
#ifndef RISTRETTO_LAYERS_FUNCTIONS_H
#define RISTRETTO_LAYERS_FUNCTIONS_H

#include <stdint.h>

/* e^x; 0 far below zero, infinity far above; NaN for NaN. */
float rs_exp(float x);
/* ln x; -infinity for 0, NaN for x < 0. ln(1 + e^x). */
float rs_log(float x);
float rs_softplus(float x);
/* x^y for x > 0; NaN for x < 0 or NaN; 0^y as pow does. */
float rs_power(float x, float y);
/* e^x - 1 for x <= 0. */
float rs_expm1(float x);
/* 1 / (1 + e^-x) and the hyperbolic tangent. */
float rs_sigmoid(float x);
float rs_tanh(float x);

/* Sum of n values, and of n products: 16 interleaved partial sums, then those in a tree. */
float rs_sum(const float *x, int64_t n);
float rs_dot(const float *x, const float *y, int64_t n);

#endif
