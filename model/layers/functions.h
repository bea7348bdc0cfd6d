/* Functions of floats with the same bits on every machine and at any vector width, which the C library's do not promise. Errors are
 * below 1 unit in the last place of a float unless said otherwise. */
#ifndef RISTRETTO_LAYERS_FUNCTIONS_H
#define RISTRETTO_LAYERS_FUNCTIONS_H

/* e^x; 0 far below zero, infinity far above; NaN for NaN. */
float rs_exp(float x);
/* x^y for x > 0; NaN for x < 0 or NaN; 0^y as pow does. */
float rs_power(float x, float y);
/* 1 / (1 + e^-x) and the hyperbolic tangent. */
float rs_sigmoid(float x);
float rs_tanh(float x);

#endif
