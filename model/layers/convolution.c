/* Convolution as matrix products over patches, image by image.
 *   forward    top[oc][pos]  = bias[oc] + W[oc][k] patches[k][pos]
 *   backward   dW[oc][k]    += dtop[oc][pos] patches^T[pos][k]
 *              dpatches[k][pos] = W^T[k][oc] dtop[oc][pos], added back to the pixels that each patch came from
 * with k = (channel, y, x) of the kernel and pos = (y, x) of the output, group by group. */
#include <string.h>

#include "layers/gemm.h"
#include "layers/layer.h"

typedef struct geometry {
    int64_t channels, height, width, out_channels, out_height, out_width; /* of one group: channels, out_channels */
    int64_t groups, depth, positions;                                     /* depth: channels * kernel area, of one group */
    bool plain;                                                           /* 1 x 1 kernel on the image as it is: patches are the image */
    const rs_convolution_param *p;
} geometry;

static geometry geometry_of(const rs_op *op)
{
    const rs_convolution_param *p = &op->layer->convolution;
    const rs_shape *in = &op->net->blobs[op->layer->bottoms[0]].shape;
    geometry g = { .p = p, .groups = p->groups };
    g.channels = in->dim[1] / p->groups;
    g.height = in->dim[2];
    g.width = in->dim[3];
    g.out_channels = p->out_channels / p->groups;
    g.out_height = rs_convolution_output(g.height, p->kernel_h, p->stride_h, p->pad_h, p->dilation_h);
    g.out_width = rs_convolution_output(g.width, p->kernel_w, p->stride_w, p->pad_w, p->dilation_w);
    g.depth = g.channels * p->kernel_h * p->kernel_w;
    g.positions = g.out_height * g.out_width;
    g.plain = p->kernel_h == 1 && p->kernel_w == 1 && p->stride_h == 1 && p->stride_w == 1 && p->pad_h == 0 && p->pad_w == 0;
    return g;
}

/* Output columns [*from, *to) whose input column x * stride - pad + offset lies in the image. */
static void inside(int64_t out, int64_t in, int64_t stride, int64_t origin, int64_t *from, int64_t *to)
{
    if (origin >= 0 && origin + (out - 1) * stride < in) { /* the usual case, without divisions */
        *from = 0;
        *to = out;
        return;
    }
    int64_t low = origin >= 0 ? 0 : (-origin + stride - 1) / stride;
    int64_t high = in - 1 - origin < 0 ? 0 : (in - 1 - origin) / stride + 1;
    if (low > out)
        low = out;
    if (high > out)
        high = out;
    *from = low;
    *to = high > low ? high : low;
}

/* Short runs of floats are copied in whole blocks: up to BLOCK - 1 floats too many are written, which the next run overwrites,
 * and as many too many are read, but never beyond `end`. */
enum { BLOCK = 8, MAX_BLOCKS = 4 };

/* runs times: copies n floats (n <= blocks * BLOCK), then goes on by from_step and to_step (>= n). */
static inline __attribute__((always_inline)) void copy_blocks(const int blocks, int64_t runs, int64_t n, const float *from,
                                                              int64_t from_step, const float *end, float *to, int64_t to_step)
{
    int64_t whole = runs;
    while (whole > 0 && end - (from + (whole - 1) * from_step) < blocks * BLOCK)
        whole--;
    for (int64_t r = 0; r < whole; r++, from += from_step, to += to_step)
        memcpy(to, from, (size_t)blocks * BLOCK * sizeof *to);
    for (int64_t r = whole; r < runs; r++, from += from_step, to += to_step)
        for (int64_t i = 0; i < n; i++)
            to[i] = from[i];
}

static void copy_runs(int64_t runs, int64_t n, const float *from, int64_t from_step, const float *end, float *to, int64_t to_step)
{
    switch ((n + BLOCK - 1) / BLOCK) {
    case 1:
        copy_blocks(1, runs, n, from, from_step, end, to, to_step);
        break;
    case 2:
        copy_blocks(2, runs, n, from, from_step, end, to, to_step);
        break;
    case 3:
        copy_blocks(3, runs, n, from, from_step, end, to, to_step);
        break;
    case MAX_BLOCKS:
        copy_blocks(MAX_BLOCKS, runs, n, from, from_step, end, to, to_step);
        break;
    default:
        for (int64_t r = 0; r < runs; r++, from += from_step, to += to_step)
            memcpy(to, from, (size_t)n * sizeof *to);
        break;
    }
}

/* n values of an image row at x = i * step, zero outside of [from, to). */
static void copy_clipped(float *out, const float *row, int64_t n, int64_t step, int64_t from, int64_t to)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = i >= from && i < to ? row[i * step] : 0.0f;
}

/* patches[k][pos] of one group. Up to BLOCK floats behind them are written as well. */
static void image_to_columns(const geometry *g, const float *image, float *patches)
{
    const rs_convolution_param *p = g->p;
    const float *const end = image + g->channels * g->height * g->width;
    for (int64_t c = 0; c < g->channels; c++)
        for (int64_t ky = 0; ky < p->kernel_h; ky++)
            for (int64_t kx = 0; kx < p->kernel_w; kx++, patches += g->positions) {
                const int64_t origin = kx * p->dilation_w - p->pad_w;
                int64_t from, to;
                inside(g->out_width, g->width, p->stride_w, origin, &from, &to);
                const int64_t first_y = ky * p->dilation_h - p->pad_h;
                if (p->stride_w == 1 && from == 0 && to == g->out_width && p->pad_h == 0) {
                    copy_runs(g->out_height, g->out_width, image + (c * g->height + first_y) * g->width + origin,
                              p->stride_h * g->width, end, patches, g->out_width);
                    continue;
                }
                for (int64_t y = 0; y < g->out_height; y++) {
                    const int64_t in_y = y * p->stride_h + first_y;
                    if (in_y < 0 || in_y >= g->height)
                        memset(patches + y * g->out_width, 0, (size_t)g->out_width * sizeof *patches);
                    else
                        copy_clipped(patches + y * g->out_width, image + (c * g->height + in_y) * g->width + origin, g->out_width,
                                     p->stride_w, from, to);
                }
            }
}

/* patches^T[pos][k] of one group. Up to BLOCK floats behind them are written as well. */
static void image_to_rows(const geometry *g, const float *image, float *rows)
{
    const rs_convolution_param *p = g->p;
    const float *const end = image + g->channels * g->height * g->width;
    const int64_t area = p->kernel_h * p->kernel_w;
    for (int64_t y = 0; y < g->out_height; y++)
        for (int64_t x = 0; x < g->out_width; x++) {
            const int64_t top = y * p->stride_h - p->pad_h, left = x * p->stride_w - p->pad_w;
            int64_t from, to;
            inside(p->kernel_w, g->width, p->dilation_w, left, &from, &to);
            const bool whole = p->dilation_w == 1 && p->dilation_h == 1 && from == 0 && to == p->kernel_w && top >= 0 &&
                               top + p->kernel_h <= g->height;
            for (int64_t c = 0; c < g->channels; c++, rows += area) {
                const float *plane = image + c * g->height * g->width + left;
                if (whole) {
                    copy_runs(p->kernel_h, p->kernel_w, plane + top * g->width, g->width, end, rows, p->kernel_w);
                    continue;
                }
                for (int64_t ky = 0; ky < p->kernel_h; ky++) {
                    const int64_t in_y = top + ky * p->dilation_h;
                    if (in_y < 0 || in_y >= g->height)
                        memset(rows + ky * p->kernel_w, 0, (size_t)p->kernel_w * sizeof *rows);
                    else
                        copy_clipped(rows + ky * p->kernel_w, plane + in_y * g->width, p->kernel_w, p->dilation_w, from, to);
                }
            }
        }
}

static inline void add(int64_t n, const float *from, float *to)
{
    typedef float vector __attribute__((vector_size(16)));
    enum { LANES = 4 };
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        vector a, b;
        memcpy(&a, from + i, sizeof a);
        memcpy(&b, to + i, sizeof b);
        b += a;
        memcpy(to + i, &b, sizeof b);
    }
    for (; i < n; i++)
        to[i] += from[i];
}

/* Adds patches[k][pos] of one group to the pixels that they came from. */
static void columns_to_image(const geometry *g, const float *patches, float *image)
{
    const rs_convolution_param *p = g->p;
    for (int64_t c = 0; c < g->channels; c++)
        for (int64_t ky = 0; ky < p->kernel_h; ky++)
            for (int64_t kx = 0; kx < p->kernel_w; kx++) {
                const int64_t origin = kx * p->dilation_w - p->pad_w;
                int64_t from, to;
                inside(g->out_width, g->width, p->stride_w, origin, &from, &to);
                for (int64_t y = 0; y < g->out_height; y++, patches += g->out_width) {
                    const int64_t in_y = y * p->stride_h - p->pad_h + ky * p->dilation_h;
                    if (in_y < 0 || in_y >= g->height)
                        continue;
                    float *row = image + (c * g->height + in_y) * g->width + origin;
                    if (p->stride_w == 1)
                        add(to - from, patches + from, row + from);
                    else
                        for (int64_t x = from; x < to; x++)
                            row[x * p->stride_w] += patches[x];
                }
            }
}

/* Sum of n values: 16 interleaved partial sums, then those in a tree, so that vectors of any width give the same bits. */
static float sum(const float *x, int64_t n)
{
    typedef float vector __attribute__((vector_size(16)));
    enum { LANES = 16, PARTS = 4 };
    vector part[PARTS] = { { 0 } };
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int v = 0; v < PARTS; v++) {
            vector next;
            memcpy(&next, x + i + 4 * v, sizeof next);
            part[v] += next;
        }
    for (int l = 0; i < n; i++, l++)
        part[l / 4][l % 4] += x[i];
    const vector s = (part[0] + part[2]) + (part[1] + part[3]);
    return (s[0] + s[2]) + (s[1] + s[3]);
}

static rs_status plan(rs_op *op, rs_diag *diag)
{
    (void)diag;
    const geometry g = geometry_of(op);
    const size_t patches = (size_t)g.depth * (size_t)g.positions, weights = (size_t)(g.depth * g.out_channels * g.groups);
    /* Packed weights, and the same transposed. */
    op->prepared_size = weights * (op->training ? 2 : 1);
    op->scratch_size = rs_gemm_scratch() + (g.plain && !op->training ? 0 : patches + BLOCK);
    if (op->training) {
        op->scratch_size += (size_t)g.out_channels * (size_t)g.positions;
        op->chunk_size = weights + (g.p->bias ? (size_t)(g.out_channels * g.groups) : 0);
    }
    return RS_OK;
}

static void prepare(rs_op *op)
{
    const geometry g = geometry_of(op);
    const int64_t weights = g.out_channels * g.depth;
    for (int64_t group = 0; group < g.groups; group++) {
        const float *w = op->layer->params[0].data + group * weights;
        rs_gemm_pack(g.out_channels, g.depth, w, g.depth, 1, op->prepared + group * weights);
        if (op->training && op->backward_data[0])
            rs_gemm_pack(g.depth, g.out_channels, w, 1, g.depth, op->prepared + (g.groups + group) * weights);
    }
}

static void forward(rs_op *op, int64_t first, int64_t n, float *scratch)
{
    const geometry g = geometry_of(op);
    const float *bias = g.p->bias ? op->layer->params[1].data : NULL;
    float *const patches = scratch + rs_gemm_scratch();
    for (int64_t i = first; i < first + n; i++)
        for (int64_t group = 0; group < g.groups; group++) {
            const float *in = op->bottom[0] + i * op->bottom_size[0] + group * g.channels * g.height * g.width;
            float *out = op->top[0] + i * op->top_size[0] + group * g.out_channels * g.positions;
            if (bias != NULL)
                for (int64_t c = 0; c < g.out_channels; c++)
                    for (int64_t x = 0; x < g.positions; x++)
                        out[c * g.positions + x] = bias[group * g.out_channels + c];
            if (!g.plain)
                image_to_columns(&g, in, patches);
            rs_gemm(g.out_channels, g.positions, g.depth, op->prepared + group * g.out_channels * g.depth,
                    g.plain ? in : patches, g.positions, 1, out, g.positions, bias != NULL, scratch);
        }
}

static void backward(rs_op *op, int64_t first, int64_t n, float *scratch)
{
    const geometry g = geometry_of(op);
    float *const patches = scratch + rs_gemm_scratch(), *const packed = patches + g.depth * g.positions + BLOCK;
    const int64_t weights = g.out_channels * g.depth;
    float *const d_weights = op->chunk_gradients + first / RS_CHUNK * (int64_t)op->chunk_size;
    float *const d_bias = d_weights + g.groups * weights;
    for (int64_t i = first; i < first + n; i++)
        for (int64_t group = 0; group < g.groups; group++) {
            const int64_t pixels = g.channels * g.height * g.width;
            const float *in = op->bottom[0] + i * op->bottom_size[0] + group * pixels;
            const float *d_out = op->top_gradient[0] + i * op->top_size[0] + group * g.out_channels * g.positions;
            if (g.p->bias)
                for (int64_t c = 0; c < g.out_channels; c++) {
                    float *to = &d_bias[group * g.out_channels + c];
                    *to = (i == first ? 0.0f : *to) + sum(d_out + c * g.positions, g.positions);
                }
            rs_gemm_pack(g.out_channels, g.positions, d_out, g.positions, 1, packed);
            if (!g.plain)
                image_to_rows(&g, in, patches);
            rs_gemm(g.out_channels, g.depth, g.positions, packed, g.plain ? in : patches, g.plain ? 1 : g.depth,
                    g.plain ? g.positions : 1, d_weights + group * weights, g.depth, i != first, scratch);
            if (op->backward_data[0]) {
                float *d_in = op->bottom_gradient[0] + i * op->bottom_size[0] + group * pixels;
                if (!op->add[0] && !g.plain)
                    memset(d_in, 0, (size_t)pixels * sizeof *d_in);
                rs_gemm(g.depth, g.positions, g.out_channels, op->prepared + (g.groups + group) * weights, d_out, g.positions, 1,
                        g.plain ? d_in : patches, g.positions, g.plain && op->add[0], scratch);
                if (!g.plain)
                    columns_to_image(&g, patches, d_in);
            }
        }
}

const rs_layer_ops rs_convolution_ops = { .plan = plan, .prepare = prepare, .forward = forward, .backward = backward };
