/* Pooling as Caffe does it: output sizes rounded up (or down, if asked), windows clipped to the padded image for the
 * divisor of the average (to the image, if the padding does not count) and to the image for what is read. Of equal
 * maxima the first (in row order) gets the gradient. */
#include <math.h>
#include <string.h>

#include "layers/layer.h"

typedef struct pooling_geometry {
    int64_t channels, height, width, out_height, out_width;
    int64_t kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w;
    bool exclude_padding;
} pooling_geometry;

static pooling_geometry geometry_of(const rs_op *op)
{
    const rs_pooling_param *p = &op->layer->pooling;
    const rs_shape *in = &op->net->blobs[op->layer->bottoms[0]].shape;
    pooling_geometry g = { .channels = in->dim[1],
                           .height = in->dim[2],
                           .width = in->dim[3],
                           .kernel_h = p->kernel_h,
                           .kernel_w = p->kernel_w,
                           .stride_h = p->stride_h,
                           .stride_w = p->stride_w,
                           .pad_h = p->pad_h,
                           .pad_w = p->pad_w,
                           .exclude_padding = p->exclude_padding };
    if (p->global) {
        g.kernel_h = g.height;
        g.kernel_w = g.width;
        g.stride_h = g.stride_w = 1;
        g.pad_h = g.pad_w = 0;
    }
    g.out_height = rs_pooling_output(g.height, g.kernel_h, g.stride_h, g.pad_h, p->floor[0]);
    g.out_width = rs_pooling_output(g.width, g.kernel_w, g.stride_w, g.pad_w, p->floor[1]);
    return g;
}

/* Window `out` along one axis: [*from, *to) in the image, and its length in the padded image (for the average). */
static int64_t window(int64_t out, int64_t kernel, int64_t stride, int64_t pad, int64_t size, int64_t *from,
                      int64_t *to)
{
    int64_t start = out * stride - pad, end = start + kernel;
    if (end > size + pad)
        end = size + pad;
    const int64_t length = end - start;
    *from = start < 0 ? 0 : start;
    *to = end > size ? size : end;
    return length;
}

/* Caffe's output size, taken at its word, has windows behind the image if the stride is larger than the kernel. */
static bool empty_window(int64_t out, int64_t stride, int64_t pad, int64_t size)
{
    return (out - 1) * stride - pad >= size;
}

static rs_status plan(rs_op *op, rs_diag *diag)
{
    const pooling_geometry g = geometry_of(op);
    if (empty_window(g.out_height, g.stride_h, g.pad_h, g.height) ||
        empty_window(g.out_width, g.stride_w, g.pad_w, g.width) || g.pad_h >= g.kernel_h || g.pad_w >= g.kernel_w)
        return rs_error(diag, RS_BAD_INPUT, op->layer->loc, "choose a smaller stride or padding",
                        "layer '%s': some pooling windows lie wholly outside of the %lldx%lld image", op->layer->name,
                        (long long)g.height, (long long)g.width);
    if (op->training && op->layer->pooling.method == RS_POOL_MAX)
        op->record_size = (size_t)op->top_size[0] * sizeof(int32_t);
    return RS_OK;
}

typedef float floats __attribute__((vector_size(16)));
typedef int32_t ints __attribute__((vector_size(16)));

/* b where mask is set, else a. */
static inline ints choose(ints mask, ints b, ints a)
{
    return (mask & b) | (~mask & a);
}

/* Rows of 2 x 2 windows, stride 2: the common case, four windows at a time. `where` may be NULL; base: index of row[0].
 */
static inline void max_2x2_row(int64_t n, const float *row, int64_t width, int32_t base, float *out, int32_t *where)
{
    int64_t x = 0;
    for (; x + 4 <= n; x += 4) {
        floats t0, t1, b0, b1;
        memcpy(&t0, row + 2 * x, sizeof t0);
        memcpy(&t1, row + 2 * x + 4, sizeof t1);
        memcpy(&b0, row + width + 2 * x, sizeof b0);
        memcpy(&b1, row + width + 2 * x + 4, sizeof b1);
        const floats a = __builtin_shufflevector(t0, t1, 0, 2, 4, 6), b = __builtin_shufflevector(t0, t1, 1, 3, 5, 7);
        const floats c = __builtin_shufflevector(b0, b1, 0, 2, 4, 6), d = __builtin_shufflevector(b0, b1, 1, 3, 5, 7);
        const ints right = b > a, low_right = d > c;
        const floats top = (floats)choose(right, (ints)b, (ints)a),
                     bottom = (floats)choose(low_right, (ints)d, (ints)c);
        const ints low = bottom > top;
        const floats max = (floats)choose(low, (ints)bottom, (ints)top);
        memcpy(out + x, &max, sizeof max);
        if (where != NULL) {
            const int32_t start = base + (int32_t)(2 * x), below = (int32_t)width;
            const ints corner = { start, start + 2, start + 4, start + 6 };
            /* A comparison gives -1 where it holds. */
            const ints index = corner - choose(low, low_right - (ints) { below, below, below, below }, right);
            memcpy(where + x, &index, sizeof index);
        }
    }
    for (; x < n; x++) {
        const float a = row[2 * x], b = row[2 * x + 1], c = row[width + 2 * x], d = row[width + 2 * x + 1];
        const float top = b > a ? b : a, bottom = d > c ? d : c;
        out[x] = bottom > top ? bottom : top;
        if (where != NULL)
            where[x] = base + (int32_t)(2 * x + (bottom > top ? width + (d > c) : b > a));
    }
}

static void max_2x2(const pooling_geometry *g, const float *in, float *out, int32_t *where)
{
    for (int64_t y = 0; y < g->out_height; y++)
        max_2x2_row(g->out_width, in + 2 * y * g->width, g->width, (int32_t)(2 * y * g->width), out + y * g->out_width,
                    where != NULL ? where + y * g->out_width : NULL);
}

/* Outputs [*from, *to) along one axis whose windows lie wholly in the image. */
static void interior(int64_t out, int64_t kernel, int64_t stride, int64_t pad, int64_t size, int64_t *from, int64_t *to)
{
    const int64_t low = (pad + stride - 1) / stride, span = size + pad - kernel;
    *from = low < out ? low : out;
    *to = span < 0 ? 0 : span / stride + 1;
    if (*to > out)
        *to = out;
    if (*to < *from)
        *to = *from;
}

/* Four values of a row, `stride` apart: row[0], row[stride] ... Reads nothing behind the last of them. */
static inline __attribute__((always_inline)) floats four_of(const int64_t stride, const float *row)
{
    floats a, b;
    memcpy(&a, row, sizeof a);
    if (stride == 1)
        return a;
    memcpy(&b, row + 3, sizeof b);
    return __builtin_shufflevector(a, b, 0, 2, 5, 7);
}

/* Four neighbouring windows, `rows` rows of which are in the image, and all of their columns; the first begins at
 * row[0], whose place in the plane is base. Value by value of the window in row order, so that the result is what
 * max_window gives. */
static inline __attribute__((always_inline)) void max_four(const int64_t stride, int64_t rows,
                                                           const pooling_geometry *g, const float *row, int32_t base,
                                                           float *out, int32_t *where)
{
    const int32_t step = (int32_t)stride;
    floats max = four_of(stride, row);
    ints at = { 0, 0, 0, 0 };
    for (int64_t ky = 0; ky < rows; ky++)
        for (int64_t kx = ky == 0 ? 1 : 0; kx < g->kernel_w; kx++) {
            const int64_t offset = ky * g->width + kx;
            const floats value = four_of(stride, row + offset);
            const ints more = value > max;
            max = (floats)choose(more, (ints)value, (ints)max);
            at = choose(more, (ints) { 0, 0, 0, 0 } + (int32_t)offset, at);
        }
    memcpy(out, &max, sizeof max);
    at += (ints) { 0, step, 2 * step, 3 * step } + base;
    memcpy(where, &at, sizeof at);
}

/* n >= 4 windows of a row as in max_four; the last four may do some again. */
static inline __attribute__((always_inline)) void max_row(const int64_t stride, int64_t n, int64_t rows,
                                                          const pooling_geometry *g, const float *row, int32_t base,
                                                          float *out, int32_t *where)
{
    for (int64_t x = 0; x < n; x += 4) {
        if (x > n - 4)
            x = n - 4;
        max_four(stride, rows, g, row + x * stride, base + (int32_t)(x * stride), out + x, where + x);
    }
}

/* The place in the plane of a window's largest value. A value that is not a number stays if it is the first of its
 * window. */
static int64_t max_window(const pooling_geometry *g, const float *in, int64_t y, int64_t x)
{
    int64_t y0, y1, x0, x1;
    window(y, g->kernel_h, g->stride_h, g->pad_h, g->height, &y0, &y1);
    window(x, g->kernel_w, g->stride_w, g->pad_w, g->width, &x0, &x1);
    int64_t best = y0 * g->width + x0;
    for (int64_t iy = y0; iy < y1; iy++)
        for (int64_t ix = x0; ix < x1; ix++)
            if (in[iy * g->width + ix] > in[best])
                best = iy * g->width + ix;
    return best;
}

/* `where` is the place in the plane. */
static void max_any(const pooling_geometry *g, const float *in, float *out, int32_t *where)
{
    int64_t left, right;
    interior(g->out_width, g->kernel_w, g->stride_w, g->pad_w, g->width, &left, &right);
    const bool fours = where != NULL && right - left >= 4 && g->stride_w <= 2;
    for (int64_t y = 0; y < g->out_height;
         y++, out += g->out_width, where = where != NULL ? where + g->out_width : NULL) {
        if (fours) {
            int64_t top, bottom;
            window(y, g->kernel_h, g->stride_h, g->pad_h, g->height, &top, &bottom);
            const int64_t n = right - left, rows = bottom - top, first = top * g->width + left * g->stride_w - g->pad_w;
            if (g->stride_w == 1)
                max_row(1, n, rows, g, in + first, (int32_t)first, out + left, where + left);
            else
                max_row(2, n, rows, g, in + first, (int32_t)first, out + left, where + left);
        }
        for (int64_t x = 0; x < g->out_width; x++) {
            if (fours && x == left)
                x = right;
            if (x >= g->out_width)
                break;
            const int64_t best = max_window(g, in, y, x);
            out[x] = in[best];
            if (where != NULL)
                where[x] = (int32_t)best;
        }
    }
}

/* Most values of a row with its padding for which there is room on the stack. */
enum { PADDED_ROW = 8192 };

/* Values a row of padded input needs, so that every window of an output row lies in it. */
static int64_t padded_row(const pooling_geometry *g)
{
    return (g->out_width - 1) * g->stride_w + g->kernel_w;
}

static inline __attribute__((always_inline)) void max_across(const int64_t stride, const pooling_geometry *g,
                                                             const float *restrict row, float *restrict out)
{
    for (int64_t x = 0; x < g->out_width; x++) {
        float max = row[x * stride];
        for (int64_t kx = 1; kx < g->kernel_w; kx++)
            max = row[x * stride + kx] > max ? row[x * stride + kx] : max;
        out[x] = max;
    }
}

static inline __attribute__((always_inline)) void max_across_3(const int64_t stride, const pooling_geometry *g,
                                                               const float *restrict row, float *restrict out)
{
    for (int64_t x = 0; x < g->out_width; x++) {
        const float a = row[x * stride], b = row[x * stride + 1], c = row[x * stride + 2], max = b > a ? b : a;
        out[x] = c > max ? c : max;
    }
}

/* Values alone, for a padded row of at most PADDED_ROW: the largest of each column of the windows, then across the
 * columns. The same values as max_any's as long as all are numbers. */
static void max_values(const pooling_geometry *g, const float *in, float *out)
{
    float row[PADDED_ROW];
    const int64_t length = padded_row(g), used = g->width < length - g->pad_w ? g->width : length - g->pad_w;
    for (int64_t x = 0; x < length; x++)
        row[x] = -INFINITY; /* the padding loses against everything */
    float *restrict max = row + g->pad_w;
    for (int64_t y = 0; y < g->out_height; y++, out += g->out_width) {
        int64_t y0, y1;
        window(y, g->kernel_h, g->stride_h, g->pad_h, g->height, &y0, &y1);
        memcpy(max, in + y0 * g->width, (size_t)used * sizeof *max);
        for (int64_t iy = y0 + 1; iy < y1; iy++) {
            const float *restrict next = in + iy * g->width;
            for (int64_t x = 0; x < used; x++)
                max[x] = next[x] > max[x] ? next[x] : max[x];
        }
        if (g->kernel_w == 3 && g->stride_w == 1)
            max_across_3(1, g, row, out);
        else if (g->kernel_w == 3 && g->stride_w == 2)
            max_across_3(2, g, row, out);
        else
            max_across(g->stride_w, g, row, out);
    }
}

static float average_window(const pooling_geometry *g, const float *in, int64_t y, int64_t x)
{
    int64_t y0, y1, x0, x1;
    int64_t area = window(y, g->kernel_h, g->stride_h, g->pad_h, g->height, &y0, &y1) *
                   window(x, g->kernel_w, g->stride_w, g->pad_w, g->width, &x0, &x1);
    if (g->exclude_padding)
        area = (y1 - y0) * (x1 - x0);
    float total = 0.0f;
    for (int64_t iy = y0; iy < y1; iy++)
        for (int64_t ix = x0; ix < x1; ix++)
            total += in[iy * g->width + ix];
    return total / (float)area;
}

/* n windows of a row, all of them in the image, the first at row[0], with the order of additions of average_window.
 * With `stride` constant the loops are vectors. */
static inline __attribute__((always_inline)) void
average_row(const int64_t stride, int64_t n, const pooling_geometry *g, const float *restrict row, float *restrict out)
{
    const float area = (float)(g->kernel_h * g->kernel_w);
    for (int64_t x = 0; x < n; x++)
        out[x] = 0.0f;
    for (int64_t ky = 0; ky < g->kernel_h; ky++)
        for (int64_t kx = 0; kx < g->kernel_w; kx++) {
            const float *restrict in = row + ky * g->width + kx;
            for (int64_t x = 0; x < n; x++)
                out[x] += in[x * stride];
        }
    for (int64_t x = 0; x < n; x++)
        out[x] /= area;
}

static void average(const pooling_geometry *g, const float *in, float *out)
{
    int64_t top, bottom, left, right;
    interior(g->out_height, g->kernel_h, g->stride_h, g->pad_h, g->height, &top, &bottom);
    interior(g->out_width, g->kernel_w, g->stride_w, g->pad_w, g->width, &left, &right);
    for (int64_t y = 0; y < g->out_height; y++, out += g->out_width) {
        const bool whole = y >= top && y < bottom && right > left + 3;
        if (whole) {
            const float *row = in + (y * g->stride_h - g->pad_h) * g->width + left * g->stride_w - g->pad_w;
            if (g->stride_w == 1)
                average_row(1, right - left, g, row, out + left);
            else if (g->stride_w == 2)
                average_row(2, right - left, g, row, out + left);
            else
                average_row(g->stride_w, right - left, g, row, out + left);
        }
        for (int64_t x = 0; x < g->out_width; x++) {
            if (whole && x == left)
                x = right;
            if (x < g->out_width)
                out[x] = average_window(g, in, y, x);
        }
    }
}

static void forward(rs_op *op, int64_t first, int64_t n, float *scratch)
{
    (void)scratch;
    const pooling_geometry g = geometry_of(op);
    const int64_t in_plane = g.height * g.width, out_plane = g.out_height * g.out_width;
    const bool two = g.kernel_h == 2 && g.kernel_w == 2 && g.stride_h == 2 && g.stride_w == 2 && g.pad_h == 0 &&
                     g.pad_w == 0 && g.height % 2 == 0 && g.width % 2 == 0;
    for (int64_t i = first; i < first + n; i++) {
        const float *in = op->bottom[0] + i * op->bottom_size[0];
        float *out = op->top[0] + i * op->top_size[0];
        int32_t *where = op->record_size == 0 ? NULL : (int32_t *)(void *)(op->record + (size_t)i * op->record_size);
        for (int64_t c = 0; c < g.channels;
             c++, in += in_plane, out += out_plane, where = where ? where + out_plane : NULL) {
            if (op->layer->pooling.method == RS_POOL_AVERAGE)
                average(&g, in, out);
            else if (two)
                max_2x2(&g, in, out, where);
            else if (where == NULL && padded_row(&g) <= PADDED_ROW)
                max_values(&g, in, out);
            else
                max_any(&g, in, out, where);
        }
    }
}

static void backward_average(const pooling_geometry *g, const float *d_out, float *d_in)
{
    for (int64_t y = 0; y < g->out_height; y++)
        for (int64_t x = 0; x < g->out_width; x++) {
            int64_t y0, y1, x0, x1;
            int64_t area = window(y, g->kernel_h, g->stride_h, g->pad_h, g->height, &y0, &y1) *
                           window(x, g->kernel_w, g->stride_w, g->pad_w, g->width, &x0, &x1);
            if (g->exclude_padding)
                area = (y1 - y0) * (x1 - x0);
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
    const pooling_geometry g = geometry_of(op);
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
                d_in[where[x]] += d_out[x];
            where += out_plane;
        }
    }
}

static const rs_layer_ops ops = { .plan = plan, .forward = forward, .backward = backward };

static rs_status shape(rs_net *net, rs_layer *layer, const rs_shape *in, rs_shape *out, rs_diag *diag)
{
    (void)net;
    rs_pooling_param *p = &layer->pooling;
    if (!rs_layer_takes_images(layer, in, diag))
        return RS_BAD_INPUT;
    if (p->global) {
        p->kernel_h = in->dim[2];
        p->kernel_w = in->dim[3];
        p->stride_h = p->stride_w = 1;
        p->pad_h = p->pad_w = 0;
    }
    if (!rs_layer_window_fits(layer, in, (int64_t[2]) { p->kernel_h, p->kernel_w }, (int64_t[2]) { p->pad_h, p->pad_w },
                              diag))
        return RS_BAD_INPUT;
    *out = (rs_shape) { 4,
                        { in->dim[0], in->dim[1],
                          rs_pooling_output(in->dim[2], p->kernel_h, p->stride_h, p->pad_h, p->floor[0]),
                          rs_pooling_output(in->dim[3], p->kernel_w, p->stride_w, p->pad_w, p->floor[1]) } };
    return RS_OK;
}

const rs_layer_rule rs_pooling_layer = {
    .name = "Pooling",
    .bottoms = { 1, 1 },
    .tops = { 1, 1 },
    .shape = shape,
    .ops = &ops,
};
