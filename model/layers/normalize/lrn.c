/* Local response normalization: y = x s^-beta with s = k + alpha / n * (sum of the squares around x).
 *   backward   dx[i] = dy[i] s[i]^-beta - 2 alpha beta / n * x[i] * (sum around i of dy[j] x[j] s[j]^(-beta - 1))
 * "Around" is a window of `size` channels, or of size x size pixels of one channel. */
#include "layers/functions.h"
#include "layers/layer.h"

/* Positions worked on at once across channels: few enough for all channels of them to stay in the cache. */
enum { BLOCK = 64 };

typedef struct lrn_geometry {
    int64_t channels, height, width, pixels, reach;
    float beta, weight, k; /* weight: alpha / n */
} lrn_geometry;

static lrn_geometry geometry_of(const rs_op *op)
{
    const rs_lrn_param *p = &op->layer->lrn;
    const rs_shape *in = &op->net->blobs[op->layer->bottoms[0]].shape;
    const double n = p->across ? (double)p->size : (double)p->size * (double)p->size;
    return (lrn_geometry) { .channels = in->dim[1],
                            .height = in->dim[2],
                            .width = in->dim[3],
                            .pixels = in->dim[2] * in->dim[3],
                            .reach = (p->size - 1) / 2,
                            .beta = p->beta,
                            .weight = (float)((double)p->alpha / n),
                            .k = p->across ? p->k : 1.0f };
}

static rs_status plan(rs_op *op, rs_diag *diag)
{
    (void)diag;
    const lrn_geometry g = geometry_of(op);
    op->scratch_size = op->layer->lrn.across ? (size_t)(g.channels + 2) * BLOCK : (size_t)g.pixels * 4;
    if (op->training)
        op->record_size = (size_t)op->bottom_size[0] * sizeof(float); /* s */
    return RS_OK;
}

static float *record_of(const rs_op *op, int64_t image)
{
    return op->record_size == 0 ? NULL : (float *)(void *)(op->record + (size_t)image * op->record_size);
}

/* to[i] = s[i]^-beta. The common 3/4 by square roots, which are exact to half a bit on every machine. */
static void negative_power(float beta, int64_t n, const float *restrict s, float *restrict to)
{
    if (beta == 0.75f) {
        for (int64_t i = 0; i < n; i++) {
            const float root = __builtin_sqrtf(s[i]);
            to[i] = 1.0f / (root * __builtin_sqrtf(root));
        }
        return;
    }
    for (int64_t i = 0; i < n; i++)
        to[i] = rs_power(s[i], -beta);
}

static void add(int64_t n, const float *restrict from, float *restrict to)
{
    for (int64_t i = 0; i < n; i++)
        to[i] += from[i];
}

/* total[i] = sum of the rows around row c, each n long and `stride` apart. */
static void sum_rows(const float *rows, int64_t n_rows, int64_t stride, int64_t c, int64_t reach, int64_t n,
                     float *total)
{
    const int64_t from = c - reach > 0 ? c - reach : 0, to = c + reach < n_rows - 1 ? c + reach : n_rows - 1;
    for (int64_t i = 0; i < n; i++)
        total[i] = rows[from * stride + i];
    for (int64_t r = from + 1; r <= to; r++)
        add(n, rows + r * stride, total);
}

/* total = sum over the square window around each pixel; `columns` is a plane of scratch. */
static void sum_square(const lrn_geometry *g, const float *plane, float *columns, float *total)
{
    for (int64_t y = 0; y < g->height; y++)
        sum_rows(plane, g->height, g->width, y, g->reach, g->width, columns + y * g->width);
    for (int64_t y = 0; y < g->height; y++) {
        const float *row = columns + y * g->width;
        float *out = total + y * g->width;
        for (int64_t x = 0; x < g->width; x++)
            out[x] = 0.0f;
        for (int64_t d = -g->reach; d <= g->reach; d++) {
            const int64_t from = d < 0 ? -d : 0, to = d > 0 ? g->width - d : g->width;
            if (to > from)
                add(to - from, row + from + d, out + from);
        }
    }
}

/* s from sums of squares, and y; s goes to `record` as well, unless NULL. */
static void normalize(const lrn_geometry *g, int64_t n, const float *restrict x, float *restrict sums,
                      float *restrict power, float *restrict y, float *restrict record)
{
    for (int64_t i = 0; i < n; i++)
        sums[i] = g->k + g->weight * sums[i];
    if (record != NULL)
        for (int64_t i = 0; i < n; i++)
            record[i] = sums[i];
    negative_power(g->beta, n, sums, power);
    for (int64_t i = 0; i < n; i++)
        y[i] = x[i] * power[i];
}

static void square(int64_t n, const float *restrict x, float *restrict to)
{
    for (int64_t i = 0; i < n; i++)
        to[i] = x[i] * x[i];
}

static void forward(rs_op *op, int64_t first, int64_t n, float *scratch)
{
    const lrn_geometry g = geometry_of(op);
    for (int64_t i = first; i < first + n; i++) {
        const float *in = op->bottom[0] + i * op->bottom_size[0];
        float *out = op->top[0] + i * op->top_size[0], *record = record_of(op, i);
        if (!op->layer->lrn.across) {
            float *const squares = scratch, *const columns = scratch + g.pixels, *const sums = scratch + 2 * g.pixels;
            for (int64_t c = 0; c < g.channels; c++) {
                square(g.pixels, in + c * g.pixels, squares);
                sum_square(&g, squares, columns, sums);
                normalize(&g, g.pixels, in + c * g.pixels, sums, columns, out + c * g.pixels,
                          record != NULL ? record + c * g.pixels : NULL);
            }
            continue;
        }
        float *const sums = scratch, *const power = scratch + BLOCK, *const squares = scratch + 2 * BLOCK;
        for (int64_t x = 0; x < g.pixels; x += BLOCK) {
            const int64_t width = g.pixels - x < BLOCK ? g.pixels - x : BLOCK;
            for (int64_t c = 0; c < g.channels; c++)
                square(width, in + c * g.pixels + x, squares + c * BLOCK);
            for (int64_t c = 0; c < g.channels; c++) {
                sum_rows(squares, g.channels, BLOCK, c, g.reach, width, sums);
                normalize(&g, width, in + c * g.pixels + x, sums, power, out + c * g.pixels + x,
                          record != NULL ? record + c * g.pixels + x : NULL);
            }
        }
    }
}

/* power = s^-beta, ratio = dy x s^(-beta - 1) */
static void ratios(const lrn_geometry *g, int64_t n, const float *restrict x, const float *restrict s,
                   const float *restrict d_out, float *restrict power, float *restrict ratio)
{
    negative_power(g->beta, n, s, power);
    for (int64_t i = 0; i < n; i++)
        ratio[i] = d_out[i] * x[i] * power[i] / s[i];
}

static void gradient(const lrn_geometry *g, bool add_to, int64_t n, const float *restrict x,
                     const float *restrict power, const float *restrict sums, const float *restrict d_out,
                     float *restrict d_in)
{
    const float factor = 2.0f * g->weight * g->beta;
    if (add_to)
        for (int64_t i = 0; i < n; i++)
            d_in[i] += d_out[i] * power[i] - factor * x[i] * sums[i];
    else
        for (int64_t i = 0; i < n; i++)
            d_in[i] = d_out[i] * power[i] - factor * x[i] * sums[i];
}

static void backward(rs_op *op, int64_t first, int64_t n, float *scratch)
{
    if (!op->backward_data[0])
        return;
    const lrn_geometry g = geometry_of(op);
    for (int64_t i = first; i < first + n; i++) {
        const float *in = op->bottom[0] + i * op->bottom_size[0], *s = record_of(op, i);
        const float *d_out = op->top_gradient[0] + i * op->top_size[0];
        float *d_in = op->bottom_gradient[0] + i * op->bottom_size[0];
        if (!op->layer->lrn.across) {
            float *const power = scratch, *const ratio = power + g.pixels, *const columns = ratio + g.pixels,
                         *const sums = columns + g.pixels;
            for (int64_t c = 0; c < g.channels; c++) {
                const int64_t at = c * g.pixels;
                ratios(&g, g.pixels, in + at, s + at, d_out + at, power, ratio);
                sum_square(&g, ratio, columns, sums);
                gradient(&g, op->add[0], g.pixels, in + at, power, sums, d_out + at, d_in + at);
            }
            continue;
        }
        float *const sums = scratch, *const power = scratch + BLOCK, *const ratio = scratch + 2 * BLOCK;
        for (int64_t x = 0; x < g.pixels; x += BLOCK) {
            const int64_t width = g.pixels - x < BLOCK ? g.pixels - x : BLOCK;
            for (int64_t c = 0; c < g.channels; c++)
                ratios(&g, width, in + c * g.pixels + x, s + c * g.pixels + x, d_out + c * g.pixels + x, power,
                       ratio + c * BLOCK);
            for (int64_t c = 0; c < g.channels; c++) {
                const int64_t at = c * g.pixels + x;
                sum_rows(ratio, g.channels, BLOCK, c, g.reach, width, sums);
                negative_power(g.beta, width, s + at, power);
                gradient(&g, op->add[0], width, in + at, power, sums, d_out + at, d_in + at);
            }
        }
    }
}

static const rs_layer_ops ops = { .plan = plan, .forward = forward, .backward = backward };

static rs_status shape(rs_net *net, rs_layer *layer, const rs_shape *in, rs_shape *out, rs_diag *diag)
{
    (void)net;
    if (!rs_layer_takes_images(layer, in, diag))
        return RS_BAD_INPUT;
    *out = *in;
    return RS_OK;
}

const rs_layer_rule rs_lrn_layer = {
    .name = "LRN",
    .bottoms = { 1, 1 },
    .tops = { 1, 1 },
    .shape = shape,
    .ops = &ops,
};
