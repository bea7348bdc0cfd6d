/* Pooling as Caffe does it: output sizes rounded up, windows clipped to the padded image for the divisor of the average and to
 * the image for what is read. Of equal maxima the first (in row order) gets the gradient. */
#include <float.h>
#include <string.h>

#include "layers/layer.h"

typedef struct geometry {
    int64_t channels, height, width, out_height, out_width;
    int64_t kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w;
} geometry;

static geometry geometry_of(const rs_op *op)
{
    const rs_pooling_param *p = &op->layer->pooling;
    const rs_shape *in = &op->net->blobs[op->layer->bottoms[0]].shape;
    geometry g = { .channels = in->dim[1], .height = in->dim[2], .width = in->dim[3],
                   .kernel_h = p->kernel_h, .kernel_w = p->kernel_w, .stride_h = p->stride_h, .stride_w = p->stride_w,
                   .pad_h = p->pad_h, .pad_w = p->pad_w };
    if (p->global) {
        g.kernel_h = g.height;
        g.kernel_w = g.width;
        g.stride_h = g.stride_w = 1;
        g.pad_h = g.pad_w = 0;
    }
    g.out_height = rs_pooling_output(g.height, g.kernel_h, g.stride_h, g.pad_h);
    g.out_width = rs_pooling_output(g.width, g.kernel_w, g.stride_w, g.pad_w);
    return g;
}

/* Window `out` along one axis: [*from, *to) in the image, and its length in the padded image (for the average). */
static int64_t window(int64_t out, int64_t kernel, int64_t stride, int64_t pad, int64_t size, int64_t *from, int64_t *to)
{
    int64_t start = out * stride - pad, end = start + kernel;
    if (end > size + pad)
        end = size + pad;
    const int64_t length = end - start;
    *from = start < 0 ? 0 : start;
    *to = end > size ? size : end;
    return length;
}

static rs_status plan(rs_op *op, rs_diag *diag)
{
    (void)diag;
    if (op->training && op->layer->pooling.method == RS_POOL_MAX)
        op->record_size = (size_t)op->top_size[0] * sizeof(int32_t);
    return RS_OK;
}

/* 2 x 2 windows, stride 2, no padding, even sizes: the common case. `where` may be NULL. */
static void max_2x2(const geometry *g, const float *in, float *out, int32_t *where)
{
    const int32_t width = (int32_t)g->width;
    for (int64_t y = 0; y < g->out_height; y++) {
        const float *row = in + 2 * y * g->width;
        const int32_t base = (int32_t)(2 * y * g->width);
        for (int64_t x = 0; x < g->out_width; x++) {
            const float a = row[2 * x], b = row[2 * x + 1], c = row[width + 2 * x], d = row[width + 2 * x + 1];
            const float ab = b > a ? b : a, cd = d > c ? d : c;
            out[x] = cd > ab ? cd : ab;
            if (where != NULL)
                where[x] = base + 2 * (int32_t)x + (cd > ab ? width + (d > c ? 1 : 0) : b > a ? 1 : 0);
        }
        out += g->out_width;
        if (where != NULL)
            where += g->out_width;
    }
}

static void max_any(const geometry *g, const float *in, float *out, int32_t *where)
{
    for (int64_t y = 0; y < g->out_height; y++)
        for (int64_t x = 0; x < g->out_width; x++) {
            int64_t y0, y1, x0, x1, best = -1;
            window(y, g->kernel_h, g->stride_h, g->pad_h, g->height, &y0, &y1);
            window(x, g->kernel_w, g->stride_w, g->pad_w, g->width, &x0, &x1);
            float most = -FLT_MAX;
            for (int64_t iy = y0; iy < y1; iy++)
                for (int64_t ix = x0; ix < x1; ix++)
                    if (in[iy * g->width + ix] > most) {
                        most = in[iy * g->width + ix];
                        best = iy * g->width + ix;
                    }
            *out++ = most;
            if (where != NULL)
                *where++ = (int32_t)best;
        }
}

static void average(const geometry *g, const float *in, float *out)
{
    for (int64_t y = 0; y < g->out_height; y++)
        for (int64_t x = 0; x < g->out_width; x++) {
            int64_t y0, y1, x0, x1;
            const int64_t area = window(y, g->kernel_h, g->stride_h, g->pad_h, g->height, &y0, &y1) *
                                 window(x, g->kernel_w, g->stride_w, g->pad_w, g->width, &x0, &x1);
            float total = 0.0f;
            for (int64_t iy = y0; iy < y1; iy++)
                for (int64_t ix = x0; ix < x1; ix++)
                    total += in[iy * g->width + ix];
            *out++ = total / (float)area;
        }
}

static void forward(rs_op *op, int64_t first, int64_t n, float *scratch)
{
    (void)scratch;
    const geometry g = geometry_of(op);
    const int64_t in_plane = g.height * g.width, out_plane = g.out_height * g.out_width;
    const bool two = g.kernel_h == 2 && g.kernel_w == 2 && g.stride_h == 2 && g.stride_w == 2 && g.pad_h == 0 && g.pad_w == 0 &&
                     g.height % 2 == 0 && g.width % 2 == 0 && in_plane < INT32_MAX;
    for (int64_t i = first; i < first + n; i++) {
        const float *in = op->bottom[0] + i * op->bottom_size[0];
        float *out = op->top[0] + i * op->top_size[0];
        int32_t *where = op->record_size == 0 ? NULL : (int32_t *)(void *)(op->record + (size_t)i * op->record_size);
        for (int64_t c = 0; c < g.channels; c++, in += in_plane, out += out_plane, where = where ? where + out_plane : NULL) {
            if (op->layer->pooling.method == RS_POOL_AVERAGE)
                average(&g, in, out);
            else if (two)
                max_2x2(&g, in, out, where);
            else
                max_any(&g, in, out, where);
        }
    }
}

static void backward_average(const geometry *g, const float *d_out, float *d_in)
{
    for (int64_t y = 0; y < g->out_height; y++)
        for (int64_t x = 0; x < g->out_width; x++) {
            int64_t y0, y1, x0, x1;
            const int64_t area = window(y, g->kernel_h, g->stride_h, g->pad_h, g->height, &y0, &y1) *
                                 window(x, g->kernel_w, g->stride_w, g->pad_w, g->width, &x0, &x1);
            const float share = *d_out++ / (float)area;
            for (int64_t iy = y0; iy < y1; iy++)
                for (int64_t ix = x0; ix < x1; ix++)
                    d_in[iy * g->width + ix] += share;
        }
}

static void backward(rs_op *op, int64_t first, int64_t n, float *scratch)
{
    (void)scratch;
    if (!op->backward_data[0])
        return;
    const geometry g = geometry_of(op);
    const int64_t in_plane = g.height * g.width, out_plane = g.out_height * g.out_width;
    for (int64_t i = first; i < first + n; i++) {
        float *d_in = op->bottom_gradient[0] + i * op->bottom_size[0];
        const float *d_out = op->top_gradient[0] + i * op->top_size[0];
        if (!op->add[0])
            memset(d_in, 0, (size_t)op->bottom_size[0] * sizeof *d_in);
        const int32_t *where = (const int32_t *)(const void *)(op->record + (size_t)i * op->record_size);
        for (int64_t c = 0; c < g.channels; c++, d_in += in_plane, d_out += out_plane) {
            if (op->layer->pooling.method == RS_POOL_AVERAGE) {
                backward_average(&g, d_out, d_in);
                continue;
            }
            for (int64_t x = 0; x < out_plane; x++)
                if (where[x] >= 0)
                    d_in[where[x]] += d_out[x];
            where += out_plane;
        }
    }
}

const rs_layer_ops rs_pooling_ops = { .plan = plan, .forward = forward, .backward = backward };
