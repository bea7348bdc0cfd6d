/* How many positions a window takes along one axis. */
#include "base/window.h"

int64_t rs_convolution_output(int64_t in, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation)
{
    int64_t span = in + 2 * pad - (dilation * (kernel - 1) + 1);
    return span < 0 ? 0 : span / stride + 1;
}

int64_t rs_pooling_output(int64_t in, int64_t kernel, int64_t stride, int64_t pad, bool floor)
{
    int64_t span = in + 2 * pad - kernel;
    if (span < 0)
        return 0;
    int64_t out = (span + (floor ? 0 : stride - 1)) / stride + 1;
    if (pad > 0 && (out - 1) * stride >= in + pad)
        out--;
    return out;
}
