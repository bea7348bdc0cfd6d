/* Local response normalization with vector instructions: each element goes through the operations of the reference in
 * their order (docs/arithmetic.md section 6), only many elements at a time. Sums of squares are integers below 2^53,
 * exact in double in any order. */
#include <math.h>

#include "fxp/dispatch.h"
#include "engine/parts.h"

/* n values: from x (integers) and their sums of squares to y = x * 2^-fl / (k + alpha * sum * 2^-2fl)^beta. */
RS_INLINE void normalize_body(const int32_t *restrict x, const double *restrict sums, int64_t n, const rs_qlrn *p,
                              int fl, double *restrict power, double *restrict root, double *restrict y)
{
    const double alpha = (double)p->alpha / (p->within ? (double)p->size * p->size : (double)p->size);
    const double one = rs_fxp_value(1, fl), square = rs_fxp_value(1, 2 * fl), k = (double)p->k;
    const uint32_t beta = (uint32_t)floor((double)p->beta * 0x1p24 + 0.5);
    for (int64_t i = 0; i < n; i++) {
        const double product = alpha * (sums[i] * square);
        root[i] = k + product;
        power[i] = 1;
    }
    for (uint32_t whole = beta >> 24; whole > 0; whole--)
        for (int64_t i = 0; i < n; i++)
            power[i] *= root[i];
    for (uint32_t fraction = beta & 0xffffff; fraction != 0; fraction = fraction << 1 & 0xffffff) {
        for (int64_t i = 0; i < n; i++)
            root[i] = sqrt(root[i]);
        if (fraction & 0x800000)
            for (int64_t i = 0; i < n; i++)
                power[i] *= root[i];
    }
    for (int64_t i = 0; i < n; i++)
        y[i] = (double)x[i] * one / power[i];
}

RS_DISPATCH_VOID(static, normalize,
                 (const int32_t *x, const double *sums, int64_t n, const rs_qlrn *p, int fl, double *power,
                  double *root, double *y),
                 (x, sums, n, p, fl, power, root, y))

static void add(double *restrict sums, const double *restrict squares, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        sums[i] += squares[i];
}

/* The sums of squares of pixel (y, x), one per channel. */
static void sum_squares(const rs_qtensor *t, const rs_qlrn *p, const double *squares, int y, int x, double *sums)
{
    const int reach = (p->size - 1) / 2;
    const int64_t channels = t->channels;
    for (int64_t c = 0; c < channels; c++)
        sums[c] = 0;
    for (int d = -reach; !p->within && d <= reach; d++) { /* channel c takes channel c + d, if there is one */
        const int64_t first = d < 0 ? -d : 0, n = channels - (d < 0 ? -d : d);
        if (n > 0)
            add(sums + first, squares + ((int64_t)y * t->width + x) * channels + first + d, n);
    }
    for (int v = y - reach; p->within && v <= y + reach; v++)
        for (int u = x - reach; u <= x + reach; u++)
            if (v >= 0 && v < t->height && u >= 0 && u < t->width)
                add(sums, squares + ((int64_t)v * t->width + u) * channels, channels);
}

/* One image in HWC order. squares: a double per integer of the image; scratch: 4 doubles per channel. */
static void normalize_image(const rs_qnet *qnet, const rs_qop *op, const int32_t *in, double *squares, double *scratch,
                            int32_t *out, uint64_t *saturations)
{
    const rs_qtensor *t = &qnet->tensors[op->input], *o = &qnet->tensors[op->output];
    const int64_t channels = t->channels, count = channels * t->height * t->width;
    double *const sums = scratch, *const power = sums + channels, *const root = power + channels,
                  *const y = root + channels;
    for (int64_t i = 0; i < count; i++)
        squares[i] = (double)in[i] * (double)in[i];
    const rs_fxp format = { rs_qtensor_signed_bits(o), o->format.fl };
    for (int64_t at = 0; at < count; at += channels) {
        const int64_t pixel = at / channels;
        sum_squares(t, &op->lrn, squares, (int)(pixel / t->width), (int)(pixel % t->width), sums);
        normalize(in + at, sums, channels, &op->lrn, t->format.fl, power, root, y);
        /* An unsigned output has unsigned inputs, and is never below zero. */
        rs_fxp_quantize_doubles(y, (size_t)channels, format, qnet->rounding, out + at, saturations);
    }
}

static void run(const rs_engine *e, int index, int64_t images, rs_engine_scratch *w)
{
    const rs_qop *op = &e->qnet->ops[index];
    const int64_t count = rs_qtensor_count(&e->qnet->tensors[op->output]);
    for (int64_t n = 0; n < images; n++) {
        rs_storage_unpack(rs_engine_at(e, w, op->input, n * count), e->storage[op->input], w->chw[0], count);
        normalize_image(e->qnet, op, w->chw[0], w->room, w->room + count, w->chw[1], &w->saturations[index]);
        rs_storage_pack(w->chw[1], 1, count, 0, rs_engine_at(e, w, op->output, n * count), e->storage[op->output], 0);
    }
}

static int64_t doubles(const rs_qnet *qnet, const rs_qop *op)
{
    const rs_qtensor *out = &qnet->tensors[op->output];
    return rs_qtensor_count(out) + 4 * out->channels;
}

const rs_engine_fast rs_engine_fast_lrn = { .run = run, .doubles = doubles };
