/* Images to columns and rows of patches, and back. */
#include "layers/weighted/im2col.h"

#include <string.h>

rs_im2col_shape rs_im2col_shape_of(const rs_convolution_param *p, int64_t channels, int64_t height, int64_t width)
{
    rs_im2col_shape g = { .p = p, .channels = channels, .height = height, .width = width };
    g.out_height = rs_convolution_output(height, p->kernel_h, p->stride_h, p->pad_h, p->dilation_h);
    g.out_width = rs_convolution_output(width, p->kernel_w, p->stride_w, p->pad_w, p->dilation_w);
    g.depth = channels * p->kernel_h * p->kernel_w;
    g.positions = g.out_height * g.out_width;
    g.plain = p->kernel_h == 1 && p->kernel_w == 1 && p->stride_h == 1 && p->stride_w == 1 && p->pad_h == 0 &&
              p->pad_w == 0;
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

/* Short runs of floats are copied in whole blocks: up to BLOCK - 1 floats too many are written, which the next run
 * overwrites, and as many too many are read, but never beyond `end`. */
enum { BLOCK = RS_IM2COL_SLACK, MAX_BLOCKS = 4 };

/* runs times: copies n floats (n <= blocks * BLOCK), then goes on by from_step and to_step (>= n). */
static inline __attribute__((always_inline)) void copy_blocks(const int blocks, int64_t runs, int64_t n,
                                                              const float *from, int64_t from_step, const float *end,
                                                              float *to, int64_t to_step)
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

static void copy_runs(int64_t runs, int64_t n, const float *from, int64_t from_step, const float *end, float *to,
                      int64_t to_step)
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
    if (step == 1 && to - from > BLOCK) {
        memset(out, 0, (size_t)from * sizeof *out);
        memcpy(out + from, row + from, (size_t)(to - from) * sizeof *out);
        memset(out + to, 0, (size_t)(n - to) * sizeof *out);
        return;
    }
    for (int64_t i = 0; i < n; i++)
        out[i] = i >= from && i < to ? row[i * step] : 0.0f;
}

/* Floats of a padded plane, or a padded image, for which there is room on the stack. */
enum { PADDED_PLANE = 6144, PADDED_IMAGE = 16384 };

/* One channel with its padding, rows of width + 2 * pad_w. */
static void pad_plane(const rs_im2col_shape *g, const float *plane, float *padded)
{
    const int64_t pad_h = g->p->pad_h, pad_w = g->p->pad_w, width = g->width + 2 * pad_w;
    memset(padded, 0, (size_t)(pad_h * width) * sizeof *padded);
    padded += pad_h * width;
    for (int64_t y = 0; y < g->height; y++, plane += g->width, padded += width) {
        memset(padded, 0, (size_t)pad_w * sizeof *padded);
        memcpy(padded + pad_w, plane, (size_t)g->width * sizeof *padded);
        memset(padded + pad_w + g->width, 0, (size_t)pad_w * sizeof *padded);
    }
    memset(padded, 0, (size_t)(pad_h * width) * sizeof *padded);
}

/* rs_im2col for stride_w 1 and small padded planes: without a look at the edges of the image. */
static void padded_to_columns(const rs_im2col_shape *g, const float *image, float *patches)
{
    const rs_convolution_param *p = g->p;
    const int64_t width = g->width + 2 * p->pad_w;
    float padded[PADDED_PLANE + RS_IM2COL_SLACK];
    const float *const end = padded + sizeof padded / sizeof *padded;
    memset(padded + (g->height + 2 * p->pad_h) * width, 0, RS_IM2COL_SLACK * sizeof *padded);
    for (int64_t c = 0; c < g->channels; c++, image += g->height * g->width) {
        pad_plane(g, image, padded);
        for (int64_t ky = 0; ky < p->kernel_h; ky++)
            for (int64_t kx = 0; kx < p->kernel_w; kx++, patches += g->positions)
                copy_runs(g->out_height, g->out_width, padded + ky * p->dilation_h * width + kx * p->dilation_w,
                          p->stride_h * width, end, patches, g->out_width);
    }
}

/* Whether the edges of the image are better out of the way: there is padding, a row of patches is a row of pixels, and
 * a padded plane has room on the stack. */
static bool pads_on_the_stack(const rs_im2col_shape *g)
{
    const int64_t height = g->height + 2 * g->p->pad_h, width = g->width + 2 * g->p->pad_w;
    return g->p->stride_w == 1 && g->p->pad_h + g->p->pad_w > 0 && height <= PADDED_PLANE && width <= PADDED_PLANE &&
           height * width <= PADDED_PLANE;
}

void rs_im2col(const rs_im2col_shape *g, const float *image, float *patches)
{
    const rs_convolution_param *p = g->p;
    if (pads_on_the_stack(g)) {
        padded_to_columns(g, image, patches);
        return;
    }
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
                        copy_clipped(patches + y * g->out_width, image + (c * g->height + in_y) * g->width + origin,
                                     g->out_width, p->stride_w, from, to);
                }
            }
}

/* Floats of a block, which so stays in the second-level cache; fewest positions of one, so that weights are not read
 * too often; and at most so many floats of room: what takes more (huge images, far dilations) is done pixel by pixel.
 */
enum { BLOCK_FLOATS = 1 << 16, MIN_POSITIONS = 256, MAX_ROOM = 1 << 18, LINE = 16, TILE_POSITIONS = 32 };

/* Rows of one channel that n positions from `first` need, padding included. */
static int64_t rows_of(const rs_im2col_shape *g, int64_t first, int64_t n)
{
    const int64_t rows = (first + n - 1) / g->out_width - first / g->out_width;
    return rows * g->p->stride_h + (g->p->kernel_h - 1) * (int64_t)g->p->dilation_h + 1;
}

/* Values of a padded row with the same x modulo the stride, which stand side by side in the room. */
static int64_t phase_width(const rs_im2col_shape *g)
{
    return g->out_width + (g->p->kernel_w - 1) * (int64_t)g->p->dilation_w / g->p->stride_w;
}

rs_im2col_blocks rs_im2col_blocks_of(const rs_im2col_shape *g)
{
    rs_im2col_blocks b = { .positions = BLOCK_FLOATS / g->depth / TILE_POSITIONS * TILE_POSITIONS };
    if (b.positions < MIN_POSITIONS)
        b.positions = MIN_POSITIONS;
    if (b.positions > g->positions)
        b.positions = g->positions;
    /* An odd number of cache lines: the rows of a tile lie in different sets. Few positions take no more than they are.
     */
    b.stride = b.positions < LINE ? b.positions : ((b.positions + LINE - 1) / LINE | 1) * LINE;
    /* As many rows as any block of this length can touch: one that begins at the end of a row. */
    const double rows = (double)rows_of(g, g->out_width - 1, b.positions);
    const double room = g->plain ? 0.0 : rows * (double)g->p->stride_w * (double)phase_width(g);
    b.room = room > MAX_ROOM ? -1 : (int64_t)room;
    return b;
}

size_t rs_im2col_block_size(const rs_im2col_shape *g, const rs_im2col_blocks *b)
{
    return (size_t)(g->depth * b->stride + (b->room > 0 ? b->room : 0)) + 2 * RS_IM2COL_SLACK;
}

/* out[i] = padded row at i * step + phase, in [0, n); `row` is the image's. */
static inline __attribute__((always_inline)) void one_phase(const int64_t step, int64_t phase, const rs_im2col_shape *g,
                                                            const float *row, int64_t n, float *restrict out)
{
    const int64_t origin = phase - g->p->pad_w;
    int64_t from, to;
    inside(n, g->width, step, origin, &from, &to);
    for (int64_t i = 0; i < from; i++)
        out[i] = 0.0f;
    const float *restrict in = row + origin;
    for (int64_t i = from; i < to; i++)
        out[i] = in[i * step];
    for (int64_t i = to; i < n; i++)
        out[i] = 0.0f;
}

static void pad_row(const rs_im2col_shape *g, const float *row, int64_t n, float *out)
{
    const int64_t step = g->p->stride_w;
    for (int64_t phase = 0; phase < step; phase++, out += n)
        if (step == 1)
            one_phase(1, phase, g, row, n, out);
        else if (step == 2)
            one_phase(2, phase, g, row, n, out);
        else if (step == 4)
            one_phase(4, phase, g, row, n, out);
        else
            one_phase(step, phase, g, row, n, out);
}

/* One row of the matrix: n positions from `first` on, `from` being what position (first row of the block, 0) sees. */
static void block_row(const rs_im2col_shape *g, int64_t first, int64_t n, const float *from, int64_t from_step,
                      const float *end, float *to)
{
    const int64_t x = first % g->out_width;
    int64_t run = g->out_width - x < n ? g->out_width - x : n;
    copy_runs(1, run, from + x, from_step, end, to, run);
    to += run;
    n -= run;
    from += from_step;
    run = n / g->out_width;
    copy_runs(run, g->out_width, from, from_step, end, to, g->out_width);
    to += run * g->out_width;
    n -= run * g->out_width;
    from += run * from_step;
    copy_runs(n > 0, n, from, from_step, end, to, n);
}

/* Value by value: what has no room. */
static float patch_value(const rs_im2col_shape *g, const float *plane, int64_t ky, int64_t kx, int64_t position)
{
    const rs_convolution_param *p = g->p;
    const int64_t y = position / g->out_width * p->stride_h - p->pad_h + ky * p->dilation_h;
    const int64_t x = position % g->out_width * p->stride_w - p->pad_w + kx * p->dilation_w;
    return y >= 0 && y < g->height && x >= 0 && x < g->width ? plane[y * g->width + x] : 0.0f;
}

void rs_im2col_block(const rs_im2col_shape *g, const rs_im2col_blocks *b, const float *image, int64_t first, int64_t n,
                     float *patches)
{
    const rs_convolution_param *p = g->p;
    const int64_t plane = g->height * g->width;
    if (g->plain) {
        for (int64_t k = 0; k < g->depth; k++)
            memcpy(patches + k * b->stride, image + k * plane + first, (size_t)n * sizeof *patches);
        return;
    }
    if (b->room < 0) {
        for (int64_t c = 0; c < g->channels; c++, image += plane)
            for (int64_t ky = 0; ky < p->kernel_h; ky++)
                for (int64_t kx = 0; kx < p->kernel_w; kx++, patches += b->stride)
                    for (int64_t i = 0; i < n; i++)
                        patches[i] = patch_value(g, image, ky, kx, first + i);
        return;
    }
    const int64_t width = phase_width(g), row = width * p->stride_w, rows = rows_of(g, first, n);
    const int64_t top = first / g->out_width * p->stride_h - p->pad_h;
    float *const room = patches + g->depth * b->stride + RS_IM2COL_SLACK;
    const float *const end = room + b->room + RS_IM2COL_SLACK;
    for (int64_t c = 0; c < g->channels; c++, image += plane) {
        for (int64_t r = 0; r < rows; r++)
            if (top + r < 0 || top + r >= g->height)
                memset(room + r * row, 0, (size_t)row * sizeof *room);
            else
                pad_row(g, image + (top + r) * g->width, width, room + r * row);
        for (int64_t ky = 0; ky < p->kernel_h; ky++)
            for (int64_t kx = 0; kx < p->kernel_w; kx++, patches += b->stride) {
                const int64_t x = kx * p->dilation_w;
                block_row(g, first, n, room + ky * p->dilation_h * row + x % p->stride_w * width + x / p->stride_w,
                          p->stride_h * row, end, patches);
            }
    }
}

/* Patches of an image whose padding, if it has one, is part of it. */
static void image_to_rows(const rs_im2col_shape *g, int64_t pad_h, int64_t pad_w, const float *image, float *rows)
{
    const rs_convolution_param *p = g->p;
    const float *const end = image + g->channels * g->height * g->width;
    const int64_t area = p->kernel_h * p->kernel_w;
    for (int64_t y = 0; y < g->out_height; y++)
        for (int64_t x = 0; x < g->out_width; x++) {
            const int64_t top = y * p->stride_h - pad_h, left = x * p->stride_w - pad_w;
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
                        copy_clipped(rows + ky * p->kernel_w, plane + in_y * g->width, p->kernel_w, p->dilation_w, from,
                                     to);
                }
            }
        }
}

void rs_im2row(const rs_im2col_shape *g, const float *image, float *rows)
{
    const int64_t pad_h = g->p->pad_h, pad_w = g->p->pad_w, height = g->height + 2 * pad_h,
                  width = g->width + 2 * pad_w;
    if (pad_h + pad_w == 0 || height > PADDED_IMAGE || width > PADDED_IMAGE ||
        height * width > PADDED_IMAGE / g->channels) {
        image_to_rows(g, pad_h, pad_w, image, rows);
        return;
    }
    float padded[PADDED_IMAGE];
    for (int64_t c = 0; c < g->channels; c++)
        pad_plane(g, image + c * g->height * g->width, padded + c * height * width);
    rs_im2col_shape whole = *g;
    whole.height = height;
    whole.width = width;
    image_to_rows(&whole, 0, 0, padded, rows);
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

/* The padding of one channel taken off again: what pad_plane has put on. */
static void crop_plane(const rs_im2col_shape *g, const float *padded, float *plane)
{
    const int64_t width = g->width + 2 * g->p->pad_w;
    padded += g->p->pad_h * width + g->p->pad_w;
    for (int64_t y = 0; y < g->height; y++, plane += g->width, padded += width)
        memcpy(plane, padded, (size_t)g->width * sizeof *plane);
}

/* rs_col2im for stride_w 1 and small padded planes: pixels in the padding are added to as well, and dropped
 * in the end. */
static void columns_to_padded(const rs_im2col_shape *g, const float *patches, float *image)
{
    const rs_convolution_param *p = g->p;
    const int64_t width = g->width + 2 * p->pad_w;
    float padded[PADDED_PLANE];
    for (int64_t c = 0; c < g->channels; c++, image += g->height * g->width) {
        pad_plane(g, image, padded);
        for (int64_t ky = 0; ky < p->kernel_h; ky++)
            for (int64_t kx = 0; kx < p->kernel_w; kx++)
                for (int64_t y = 0; y < g->out_height; y++, patches += g->out_width)
                    add(g->out_width, patches,
                        padded + (y * p->stride_h + ky * p->dilation_h) * width + kx * p->dilation_w);
        crop_plane(g, padded, image);
    }
}

void rs_col2im(const rs_im2col_shape *g, const float *patches, float *image)
{
    const rs_convolution_param *p = g->p;
    if (pads_on_the_stack(g)) {
        columns_to_padded(g, patches, image);
        return;
    }
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
