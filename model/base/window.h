/* The arithmetic of sliding windows, for float layers, quantized operations and the array alike. */
#ifndef RISTRETTO_BASE_WINDOW_H
#define RISTRETTO_BASE_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Output length of a convolution or pooling (rounded up by Caffe's rule, or down) along one axis. Defined once, used by
 * every engine. */
int64_t rs_convolution_output(int64_t in, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation);
int64_t rs_pooling_output(int64_t in, int64_t kernel, int64_t stride, int64_t pad, bool floor);

#ifdef __cplusplus
}
#endif
#endif
