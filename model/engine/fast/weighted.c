/* Convolutions and inner products, fast: windows of a block of positions against packed weights. */
#include <string.h>

#include "engine/parts.h"

/* One op on one chunk. */
typedef struct weighted_job {
    const rs_qnet *qnet;
    const rs_qop *op;
    const rs_engine_plan *plan;
    const rs_qtensor *in, *out;
    const char *from; /* the input in the kernel's storage */
    rs_engine_scratch *scratch;
    uint64_t *saturations;
} weighted_job;

/* Where a window lies. */
typedef struct window_position {
    int64_t image, y, x;
} window_position;

static window_position next_position(window_position at, const rs_qtensor *out)
{
    if (++at.x == out->width) {
        at.x = 0;
        if (++at.y == out->height) {
            at.y = 0;
            at.image++;
        }
    }
    return at;
}

/* Copies the window at a position for group g to `to`: in the order (ky, kx, c), the padding zero. */
static void gather(const weighted_job *j, window_position at, int g, char *to)
{
    const rs_qop *op = j->op;
    const rs_qtensor *in = j->in;
    const rs_storage s = j->plan->operand;
    const int channels = in->channels / op->groups, first = g * channels;
    const int64_t size = rs_storage_size(s), run = channels * size;
    const int32_t zero = rs_storage_zero(s);
    for (int ky = 0; ky < op->kernel_h; ky++) {
        const int64_t y = at.y * op->stride_h - op->pad_h + (int64_t)ky * op->dilation_h;
        for (int kx = 0; kx < op->kernel_w; kx++, to += run) {
            const int64_t x = at.x * op->stride_w - op->pad_w + (int64_t)kx * op->dilation_w;
            if (y >= 0 && y < in->height && x >= 0 && x < in->width)
                memcpy(to, j->from + (((at.image * in->height + y) * in->width + x) * in->channels + first) * size,
                       (size_t)run);
            else if (s != RS_STORE_U16)
                memset(to, zero, (size_t)run); /* the same byte again and again */
            else
                for (int64_t i = 0; i < channels; i++)
                    memcpy(to + 2 * i, &(int16_t) { (int16_t)zero }, 2);
        }
    }
}

/* Where the windows of n positions from `at` on begin, for group g; gathered if need be. Gives the next position. */
static window_position find_windows(const weighted_job *j, window_position at, int n, int g, const uint8_t **starts)
{
    const rs_engine_plan *p = j->plan;
    const rs_qtensor *in = j->in;
    const int64_t size = p->kernel->size, row = p->steps * p->kernel->group * size; /* bytes of a gathered window */
    for (int i = 0; i < RS_BLOCK; i++) {
        if (i >= n) {
            starts[i] = starts[i - 1];
            continue;
        }
        if (p->gather) {
            char *to = (char *)j->scratch->gathered + i * row;
            gather(j, at, g, to);
            starts[i] = (const uint8_t *)to;
        } else {
            starts[i] = (const uint8_t *)j->from +
                        ((at.image * in->height + at.y * j->op->stride_h) * in->width + at.x * j->op->stride_w) *
                            in->channels * size;
        }
        at = next_position(at, j->out);
    }
    return at;
}

/* Shifts that differ by channel, of sums in double. */
static void requantize_double_channels(const weighted_job *j, int64_t rows, int64_t lanes, const int32_t *shifts)
{
    const double *sums = j->scratch->sums;
    for (int64_t i = 0; i < rows * lanes; i++)
        j->scratch->integers[i] = rs_fxp_requantize((int64_t)sums[i], j->op->relu, shifts[i % lanes],
                                                    rs_qtensor_signed_bits(j->out), j->qnet->rounding, 0,
                                                    j->saturations);
}

/* Lanes past the last channel hold 0 = bias + products with zero weights: they never saturate. */
static void requantize(const weighted_job *j, int64_t rows, int64_t lanes, const int32_t *shifts)
{
    const rs_qop *op = j->op;
    const rs_engine_scratch *w = j->scratch;
    const rs_rounding rounding = j->qnet->rounding;
    const int bits = rs_qtensor_signed_bits(j->out);
    const bool doubles = j->plan->kernel->size == 8;
    if (op->weight_fl && doubles)
        requantize_double_channels(j, rows, lanes, shifts);
    else if (op->weight_fl)
        rs_fxp_requantize_channels(w->sums, (size_t)rows, (size_t)lanes, op->relu, shifts, bits, rounding, w->integers,
                                   j->saturations);
    else if (doubles)
        rs_fxp_requantize_doubles(w->sums, (size_t)(rows * lanes), op->relu, op->shift, bits, rounding, w->integers,
                                  j->saturations);
    else
        rs_fxp_requantize_array(w->sums, (size_t)(rows * lanes), op->relu, op->shift, bits, rounding, w->integers,
                                j->saturations);
}

/* All output channels of group g at the positions of `rows`, whose outputs are stored from `to` on. */
static void run_group(const weighted_job *j, const rs_rows *rows, int g, char *to, rs_storage storage)
{
    const rs_engine_plan *p = j->plan;
    const rs_kernel *k = p->kernel;
    const rs_engine_scratch *w = j->scratch;
    const int outputs = j->out->channels / j->op->groups;
    const int64_t vectors_before = (int64_t)g * ((outputs + k->lanes - 1) / k->lanes);
    for (int i = 0; i < p->blocks; i++) {
        const rs_engine_block b = rs_engine_block_of(p, outputs, i);
        const int64_t first = vectors_before + b.vectors_before, lanes = (int64_t)b.vectors * k->lanes;
        k->dot[b.vectors](rows, (const char *)p->weights + first * p->n_segments * p->steps * rs_kernel_vector_bytes(k),
                          (const char *)p->bias + first * k->lanes * rs_kernel_sum_size(k), w->sums);
        requantize(j, rows->n, lanes, p->shifts + first * k->lanes);
        rs_storage_pack(w->integers, rows->n, b.channels, lanes,
                        to + (g * outputs + b.first) * rs_storage_size(storage), storage, j->out->channels);
    }
}

static void run(const rs_engine *e, int index, int64_t images, rs_engine_scratch *w)
{
    const rs_qop *op = &e->qnet->ops[index];
    const rs_engine_plan *p = &e->plans[index];
    weighted_job job = { .qnet = e->qnet,
                         .op = op,
                         .plan = p,
                         .in = &e->qnet->tensors[op->input],
                         .out = &e->qnet->tensors[op->output],
                         .from = w->tensors[op->input],
                         .scratch = w,
                         .saturations = &w->saturations[index] };
    if (e->storage[op->input] != p->operand) {
        rs_storage_convert(job.from, e->storage[op->input], w->operand, p->operand, images * rs_qtensor_count(job.in));
        job.from = w->operand;
    }
    const uint8_t *starts[RS_BLOCK];
    window_position at = { 0, 0, 0 };
    const int64_t positions = images * job.out->height * job.out->width;
    for (int64_t m = 0; m < positions; m += RS_BLOCK) {
        const rs_rows rows = { .positions = starts,
                               .n = positions - m < RS_BLOCK ? (int)(positions - m) : RS_BLOCK,
                               .segments = p->segments,
                               .n_segments = p->n_segments,
                               .steps = p->steps };
        const window_position begin = at;
        for (int g = 0; g < op->groups; g++) {
            at = find_windows(&job, begin, rows.n, g, starts);
            run_group(&job, &rows, g, rs_engine_at(e, w, op->output, m * job.out->channels), e->storage[op->output]);
        }
    }
}

const rs_engine_fast rs_engine_fast_weighted = { .run = run };
