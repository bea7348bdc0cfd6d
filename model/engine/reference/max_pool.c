/* Max pooling: arithmetic.md section 6. Integers of minifloats are in the order of the numbers too (section 10). */
#include "engine/reference/reference.h"

/* Of the part of a window that lies in the map. */
static int32_t window_max(const rs_qop *op, const rs_qtensor *in, const int32_t *map, int oy, int ox)
{
    int32_t max = INT32_MIN;
    for (int ky = 0; ky < op->kernel_h; ky++)
        for (int kx = 0; kx < op->kernel_w; kx++) {
            const int64_t y = (int64_t)oy * op->stride_h - op->pad_h + ky;
            const int64_t x = (int64_t)ox * op->stride_w - op->pad_w + kx;
            if (y >= 0 && y < in->height && x >= 0 && x < in->width && map[y * in->width + x] > max)
                max = map[y * in->width + x];
        }
    return max;
}

void rs_reference_max_pool(const rs_qnet *qnet, const rs_qop *op, const int32_t *const *inputs, int32_t *out,
                           uint64_t *saturations)
{
    (void)saturations;
    const rs_qtensor *i = &qnet->tensors[op->input], *o = &qnet->tensors[op->output];
    for (int c = 0; c < o->channels; c++)
        for (int oy = 0; oy < o->height; oy++)
            for (int ox = 0; ox < o->width; ox++)
                *out++ = window_max(op, i, inputs[0] + c * rs_reference_map(i), oy, ox);
}
