/* The exact engine: chunks of images over the pool of threads, op by op through buffers that fit the cache. */
#include "engine/engine.h"

#include <string.h>

#include "base/progress.h"
#include "base/threads.h"
#include "engine/minifloat.h"
#include "engine/ops.h"
#include "engine/reference/reference.h"
#include "qnet/rule.h"
#include "base/memory.h"

/* How one weighted op is computed. A window is walked as n_segments runs of segment_length elements that lie side by
 * side in memory, as on the array (docs/reference/array-data.md, "Weight order"): a run is the whole window, a row of
 * it or a point of it. */
typedef struct plan {
    rs_engine_path path;
    const rs_kernel *kernel;
    bool gather; /* windows are copied together first: padding or groups */
    int n_segments;
    int64_t *segments;      /* offsets in bytes from the window's first element */
    int64_t segment_length; /* elements */
    int64_t steps;          /* groups of elements a segment */
    int blocks;             /* of output channels, in each of the op's groups */
    rs_storage operand;
    void *weights, *bias; /* packed, block after block */
    int32_t *shifts;      /* as the bias, of requantize */
} plan;

struct rs_engine {
    const rs_qnet *qnet;
    bool reference;
    plan *plans;         /* per op */
    rs_storage *storage; /* per tensor */
    void *pixel_table;   /* [channels][256] in the input's storage */
    rs_minifloat_engine
        *minifloat; /* of a minifloat network, which runs image by image like the reference; else NULL */
};

/* Memory of one worker. */
typedef struct scratch {
    void **tensors; /* [chunk][height][width][channels]; for the reference one image of int32, CHW */
    void *operand;  /* an op's input in its kernel's storage */
    void *gathered; /* windows, one after the other */
    void *sums;
    int32_t *integers;
    int32_t *chw[2];       /* one tensor; an op's inputs and output one after the other */
    double *room;          /* of the ops on doubles */
    uint64_t *saturations; /* per op */
} scratch;

const char *rs_engine_path_name(rs_engine_path path)
{
    static const char *const names[RS_PATHS] = { "int8", "int16", "double", "reference" };
    return (unsigned)path < RS_PATHS ? names[path] : "-";
}

static int64_t count_of(const rs_qtensor *t)
{
    return (int64_t)t->channels * t->height * t->width;
}

/* -------------------------------------------------------------------------------------------------------- plans */

/* A block of output channels: `vectors` vectors from channel `first` of its group on. Vectors are spread evenly over
 * the blocks. */
typedef struct block {
    int first, channels, vectors;
    int64_t vectors_before;
} block;

static block block_of(const plan *p, int outputs, int index)
{
    const int lanes = p->kernel->lanes, all = (outputs + lanes - 1) / lanes;
    const int each = all / p->blocks, extra = all % p->blocks;
    const int before = index * each + (index < extra ? index : extra);
    block b = { .first = before * lanes, .vectors = each + (index < extra), .vectors_before = before };
    b.channels = outputs - b.first < b.vectors * lanes ? outputs - b.first : b.vectors * lanes;
    return b;
}

static int sum_size(const rs_kernel *kernel)
{
    return kernel->size == 8 ? 8 : 4;
}

static int64_t vector_bytes(const rs_kernel *kernel)
{
    return (int64_t)kernel->lanes * kernel->group * kernel->size;
}

/* The storage of an op's operands: the input's own if the kernel takes elements of that size. */
static rs_storage operand_storage(const rs_kernel *kernel, rs_storage input)
{
    if (kernel->size == 8)
        return RS_STORE_F64;
    return kernel->size == rs_storage_size(input) ? input : RS_STORE_S16;
}

static rs_engine_path choose_path(const rs_qnet *q, const rs_qop *op, rs_engine_path fastest)
{
    /* A sum's magnitude is at most the bound: below 2^31 it fits 32 bits. rs_qnet_check keeps it below 2^47. */
    const bool fits_32 = rs_qop_bound(q, op, true) < INT64_C(1) << 31;
    const int64_t least = rs_qop_weight_min(op), most = rs_qop_weight_max(op);
    if (fastest <= RS_PATH_INT8 && fits_32 && q->tensors[op->input].format.bits <= 8 && least >= INT8_MIN &&
        most <= INT8_MAX && rs_engine_kernel(RS_PATH_INT8))
        return RS_PATH_INT8;
    return fastest <= RS_PATH_INT16 && fits_32 && least >= INT16_MIN && most <= INT16_MAX ? RS_PATH_INT16
                                                                                          : RS_PATH_DOUBLE;
}

static void put_weight(void *weights, int size, int64_t i, int32_t w)
{
    if (size == 1)
        ((int8_t *)weights)[i] = (int8_t)w;
    else if (size == 2)
        ((int16_t *)weights)[i] = (int16_t)w;
    else
        ((double *)weights)[i] = (double)w;
}

/* Packs the weights and biases of one block of group g. */
static void pack_block(const rs_qnet *q, const rs_qop *op, const plan *p, int g, block b)
{
    const rs_kernel *k = p->kernel;
    const int channels = q->tensors[op->input].channels / op->groups,
              outputs = q->tensors[op->output].channels / op->groups;
    const int lanes = b.vectors * k->lanes;
    const int64_t vectors_before = (int64_t)g * ((outputs + k->lanes - 1) / k->lanes) + b.vectors_before;
    char *const weights = (char *)p->weights + vectors_before * p->n_segments * p->steps * vector_bytes(k);
    char *const bias = (char *)p->bias + vectors_before * k->lanes * sum_size(k);
    for (int l = 0; l < b.channels; l++) {
        const int64_t o = (int64_t)g * outputs + b.first + l;
        const int32_t *w = op->weights + o * rs_qop_terms(q, op);
        int64_t total = 0;
        for (int64_t t = 0; t < p->n_segments * p->segment_length; t++) {
            /* Element t of the window in the order (ky, kx, c). */
            const int64_t c = t % channels, kx = t / channels % op->kernel_w, ky = t / channels / op->kernel_w;
            const int64_t s = t / p->segment_length, e = t % p->segment_length;
            const int32_t value = w[(c * op->kernel_h + ky) * op->kernel_w + kx];
            put_weight(weights, k->size, ((s * p->steps + e / k->group) * lanes + l) * k->group + e % k->group, value);
            total += value;
        }
        if (k->size == 8)
            ((double *)(void *)bias)[l] = (double)op->bias[o];
        else /* modulo 2^32, as the kernel adds */
            ((int32_t *)(void *)bias)[l] = (int32_t)rs_fxp_wrap(op->bias[o] - rs_storage_zero(p->operand) * total, 32);
        p->shifts[vectors_before * k->lanes + l] = rs_qop_shift(op, o);
    }
}

static rs_status make_plan(const rs_qnet *q, const rs_qop *op, rs_storage input, plan *p, rs_diag *diag)
{
    const rs_qtensor *in = &q->tensors[op->input];
    const int channels = in->channels / op->groups, outputs = q->tensors[op->output].channels / op->groups;
    p->operand = operand_storage(p->kernel, input);
    p->gather = op->groups > 1 || op->pad_h > 0 || op->pad_w > 0;
    const bool rows = op->dilation_w == 1;
    const bool whole = rows && op->kernel_w == in->width && (op->dilation_h == 1 || op->kernel_h == 1);
    const int per_column = p->gather || whole ? 1 : op->kernel_h, per_row = p->gather || rows ? 1 : op->kernel_w;
    p->n_segments = per_column * per_row;
    p->segment_length = rs_qop_terms(q, op) / p->n_segments;
    p->steps = (p->segment_length + p->kernel->group - 1) / p->kernel->group;
    p->segments = RS_NEW_ARRAY(int64_t, (size_t)p->n_segments);
    const int vectors = (outputs + p->kernel->lanes - 1) / p->kernel->lanes;
    p->blocks = (vectors + p->kernel->vectors - 1) / p->kernel->vectors;
    const size_t all_vectors = (size_t)vectors * (size_t)op->groups;
    p->weights = rs_calloc(all_vectors * (size_t)p->n_segments, (size_t)p->steps * (size_t)vector_bytes(p->kernel));
    p->bias = rs_calloc(all_vectors, (size_t)p->kernel->lanes * (size_t)sum_size(p->kernel));
    p->shifts = RS_NEW_ARRAY(int32_t, all_vectors * (size_t)p->kernel->lanes);
    if (!p->segments || !p->weights || !p->bias || !p->shifts)
        return rs_out_of_memory(diag);
    for (int s = 0; s < p->n_segments; s++)
        p->segments[s] =
            (((int64_t)(s / per_row) * op->dilation_h * in->width + (int64_t)(s % per_row) * op->dilation_w) *
             channels) *
            p->kernel->size;
    for (int g = 0; g < op->groups; g++)
        for (int b = 0; b < p->blocks; b++)
            pack_block(q, op, p, g, block_of(p, outputs, b));
    return RS_OK;
}

/* Whether the op gives what it is given: its output has its input's storage. */
static bool keeps_storage(const rs_qop *op)
{
    return rs_qop_has(op, RS_QOP_KEEPS);
}

static rs_storage natural_storage(const rs_qtensor *t)
{
    const int bits = t->format.bits;
    if (t->is_unsigned)
        return bits <= 8 ? RS_STORE_U8 : bits <= 15 ? RS_STORE_S16 : RS_STORE_U16;
    return bits <= 8 ? RS_STORE_S8 : bits <= 16 ? RS_STORE_S16 : RS_STORE_S32;
}

/* What each tensor's format fits, but 16 bits where every kernel that reads it wants more than 8. */
static void choose_storage(rs_engine *e)
{
    const rs_qnet *q = e->qnet;
    for (int t = 0; t < q->n_tensors; t++) {
        if (t > 0 && keeps_storage(&q->ops[t - 1])) {
            e->storage[t] = e->storage[q->ops[t - 1].input];
            continue;
        }
        e->storage[t] = natural_storage(&q->tensors[t]);
        if (rs_storage_size(e->storage[t]) > 1)
            continue;
        bool wide = false, narrow = false;
        /* Op i reads tensor t, or what pooling and ReLU made of it. */
        for (int i = t; i < q->n_ops; i++) {
            for (int k = 0; k < q->ops[i].n_inputs; k++) {
                int from = q->ops[i].inputs[k];
                while (from > t && keeps_storage(&q->ops[from - 1]))
                    from = q->ops[from - 1].input;
                if (from != t || keeps_storage(&q->ops[i]))
                    continue;
                const bool wants_more = rs_qop_weighted(&q->ops[i]) && e->plans[i].path != RS_PATH_INT8;
                wide |= wants_more;
                narrow |= !wants_more;
            }
        }
        if (wide && !narrow)
            e->storage[t] = RS_STORE_S16;
    }
}

static rs_status prepare(rs_engine *e, rs_engine_path fastest, rs_diag *diag)
{
    const rs_qnet *q = e->qnet;
    e->plans = RS_NEW_ARRAY(plan, (size_t)q->n_ops);
    e->storage = RS_NEW_ARRAY(rs_storage, (size_t)q->n_tensors);
    const int64_t entries = (int64_t)q->tensors[0].channels * 256;
    int16_t *table = RS_NEW_ARRAY(int16_t, (size_t)entries);
    e->pixel_table = table;
    if (!e->plans || !e->storage || !table)
        return rs_out_of_memory(diag);
    for (int i = 0; i < q->n_ops; i++)
        if (rs_qop_weighted(&q->ops[i])) {
            e->plans[i].path = choose_path(q, &q->ops[i], fastest);
            e->plans[i].kernel = rs_engine_kernel(e->plans[i].path);
        }
    choose_storage(e);
    rs_status status = RS_OK;
    for (int i = 0; i < q->n_ops && status == RS_OK; i++)
        if (rs_qop_weighted(&q->ops[i]))
            status = make_plan(q, &q->ops[i], e->storage[q->ops[i].input], &e->plans[i], diag);
    if (status == RS_OK && q->pixel_table)
        rs_storage_pack(q->pixel_table, 1, entries, 0, table, e->storage[0], 0);
    return status;
}

rs_status rs_engine_new_path(const rs_qnet *qnet, rs_engine_path fastest, rs_engine **engine, rs_diag *diag)
{
    *engine = NULL;
    rs_engine *e = RS_NEW(rs_engine);
    if (!e)
        return rs_out_of_memory(diag);
    e->qnet = qnet;
    const bool minifloat = rs_qnet_minifloat(qnet), fast = fastest < RS_PATH_REFERENCE;
    e->reference = !fast || minifloat;
    const rs_status status = !fast       ? RS_OK
                             : minifloat ? rs_minifloat_engine_new(qnet, &e->minifloat, diag)
                                         : prepare(e, fastest, diag);
    if (status != RS_OK)
        rs_engine_free(e);
    else
        *engine = e;
    return status;
}

rs_status rs_engine_new(const rs_qnet *qnet, bool force_reference, rs_engine **engine, rs_diag *diag)
{
    return rs_engine_new_path(qnet, force_reference ? RS_PATH_REFERENCE : RS_PATH_INT8, engine, diag);
}

void rs_engine_free(rs_engine *engine)
{
    if (!engine)
        return;
    for (int i = 0; engine->plans && i < engine->qnet->n_ops; i++) {
        rs_free(engine->plans[i].segments);
        rs_free(engine->plans[i].weights);
        rs_free(engine->plans[i].bias);
        rs_free(engine->plans[i].shifts);
    }
    rs_free(engine->plans);
    rs_free(engine->storage);
    rs_free(engine->pixel_table);
    rs_minifloat_engine_free(engine->minifloat);
    rs_free(engine);
}

const rs_qnet *rs_engine_qnet(const rs_engine *engine)
{
    return engine->qnet;
}

rs_engine_path rs_engine_op_path(const rs_engine *engine, int op)
{
    if (!rs_qop_weighted(&engine->qnet->ops[op]))
        return RS_PATHS;
    return engine->minifloat ? RS_PATH_DOUBLE : engine->reference ? RS_PATH_REFERENCE : engine->plans[op].path;
}

/* ------------------------------------------------------------------------------------------------------ a chunk */

/* Where a window lies. */
typedef struct position {
    int64_t image, y, x;
} position;

static position next_position(position at, const rs_qtensor *out)
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

/* Copies the window at a position for channels [first, first + channels) to `to`: in the order (ky, kx, c), the
 * padding zero. */
static void gather(const rs_qop *op, const rs_qtensor *in, position at, int first, int channels, const char *from,
                   char *to, rs_storage s)
{
    const int64_t size = rs_storage_size(s), run = channels * size;
    const int32_t zero = rs_storage_zero(s);
    for (int ky = 0; ky < op->kernel_h; ky++) {
        const int64_t y = at.y * op->stride_h - op->pad_h + (int64_t)ky * op->dilation_h;
        for (int kx = 0; kx < op->kernel_w; kx++, to += run) {
            const int64_t x = at.x * op->stride_w - op->pad_w + (int64_t)kx * op->dilation_w;
            if (y >= 0 && y < in->height && x >= 0 && x < in->width)
                memcpy(to, from + (((at.image * in->height + y) * in->width + x) * in->channels + first) * size,
                       (size_t)run);
            else if (s != RS_STORE_U16)
                memset(to, zero, (size_t)run); /* the same byte again and again */
            else
                for (int64_t i = 0; i < channels; i++)
                    memcpy(to + 2 * i, &(int16_t) { (int16_t)zero }, 2);
        }
    }
}

/* Shifts that differ by channel. */
static void requantize_channels(const void *sums, bool doubles, int64_t rows, int64_t lanes, const rs_qop *op,
                                const int32_t *shifts, int bits, rs_rounding rounding, int32_t *q,
                                uint64_t *saturations)
{
    if (!doubles) {
        rs_fxp_requantize_channels(sums, (size_t)rows, (size_t)lanes, op->relu, shifts, bits, rounding, q, saturations);
        return;
    }
    for (int64_t i = 0; i < rows * lanes; i++)
        q[i] = rs_fxp_requantize((int64_t)((const double *)sums)[i], op->relu, shifts[i % lanes], bits, rounding, 0,
                                 saturations);
}

static void run_weighted(const rs_engine *e, int index, int64_t images, scratch *w)
{
    const rs_qnet *q = e->qnet;
    const rs_qop *op = &q->ops[index];
    const plan *p = &e->plans[index];
    const rs_kernel *k = p->kernel;
    const rs_qtensor *in = &q->tensors[op->input], *out = &q->tensors[op->output];
    const int channels = in->channels / op->groups, outputs = out->channels / op->groups;
    const int64_t size = k->size, out_size = rs_storage_size(e->storage[op->output]);
    const int out_bits = rs_qtensor_signed_bits(out);
    const char *from = w->tensors[op->input];
    if (e->storage[op->input] != p->operand) {
        rs_storage_convert(from, e->storage[op->input], w->operand, p->operand, images * count_of(in));
        from = w->operand;
    }
    const int64_t row = p->steps * k->group * size; /* bytes of a gathered window */
    const uint8_t *starts[RS_BLOCK];
    position at = { 0, 0, 0 };
    const int64_t positions = images * out->height * out->width;
    for (int64_t m = 0; m < positions; m += RS_BLOCK) {
        const rs_rows rows = { .positions = starts,
                               .n = positions - m < RS_BLOCK ? (int)(positions - m) : RS_BLOCK,
                               .segments = p->segments,
                               .n_segments = p->n_segments,
                               .steps = p->steps };
        const position begin = at;
        for (int g = 0; g < op->groups; g++) {
            at = begin;
            for (int i = 0; i < RS_BLOCK; i++) {
                if (i >= rows.n) {
                    starts[i] = starts[i - 1];
                    continue;
                }
                if (p->gather) {
                    char *to = (char *)w->gathered + i * row;
                    gather(op, in, at, g * channels, channels, from, to, p->operand);
                    starts[i] = (const uint8_t *)to;
                } else {
                    starts[i] = (const uint8_t *)from +
                                ((at.image * in->height + at.y * op->stride_h) * in->width + at.x * op->stride_w) *
                                    in->channels * size;
                }
                at = next_position(at, out);
            }
            const int64_t vectors_before = (int64_t)g * ((outputs + k->lanes - 1) / k->lanes);
            for (int i = 0; i < p->blocks; i++) {
                const block b = block_of(p, outputs, i);
                const int64_t first = vectors_before + b.vectors_before, lanes = (int64_t)b.vectors * k->lanes;
                k->dot[b.vectors](&rows, (const char *)p->weights + first * p->n_segments * p->steps * vector_bytes(k),
                                  (const char *)p->bias + first * k->lanes * sum_size(k), w->sums);
                /* Lanes past the last channel hold 0 = bias + products with zero weights: they never saturate. */
                if (op->weight_fl)
                    requantize_channels(w->sums, k->size == 8, rows.n, lanes, op, p->shifts + first * k->lanes,
                                        out_bits, q->rounding, w->integers, &w->saturations[index]);
                else if (k->size == 8)
                    rs_fxp_requantize_doubles(w->sums, (size_t)(rows.n * lanes), op->relu, op->shift, out_bits,
                                              q->rounding, w->integers, &w->saturations[index]);
                else
                    rs_fxp_requantize_array(w->sums, (size_t)(rows.n * lanes), op->relu, op->shift, out_bits,
                                            q->rounding, w->integers, &w->saturations[index]);
                rs_storage_pack(w->integers, rows.n, b.channels, lanes,
                                (char *)w->tensors[op->output] + (m * out->channels + g * outputs + b.first) * out_size,
                                e->storage[op->output], out->channels);
            }
        }
    }
}

/* Between HWC, as tensors lie here, and CHW. */
static void to_chw(const rs_qtensor *t, const int32_t *hwc, int32_t *chw)
{
    const int64_t map = (int64_t)t->height * t->width;
    for (int64_t k = 0; k < map; k++)
        for (int c = 0; c < t->channels; c++)
            chw[c * map + k] = *hwc++;
}

static void to_hwc(const rs_qtensor *t, const int32_t *chw, int32_t *hwc)
{
    const int64_t map = (int64_t)t->height * t->width;
    for (int64_t k = 0; k < map; k++)
        for (int c = 0; c < t->channels; c++)
            *hwc++ = chw[c * map + k];
}

/* Bytes to the input's storage, HWC. */
static void load_pixels(const rs_engine *e, const uint8_t *pixels, int64_t images, scratch *w)
{
    const rs_qtensor *t = &e->qnet->tensors[0];
    const int64_t map = (int64_t)t->height * t->width;
    char *const to = w->tensors[0];
    for (int64_t i = 0; i < images && !e->qnet->pixel_table; i++, pixels += count_of(t)) {
        rs_qnet_load(e->qnet, pixels, w->chw[0]);
        to_hwc(t, w->chw[0], w->chw[1]);
        rs_storage_pack(w->chw[1], 1, count_of(t), 0, to + i * count_of(t) * rs_storage_size(e->storage[0]),
                        e->storage[0], 0);
    }
    for (int64_t i = 0; i < images && e->qnet->pixel_table; i++)
        for (int c = 0; c < t->channels; c++, pixels += map) {
            if (rs_storage_size(e->storage[0]) == 1) {
                const uint8_t *table = (const uint8_t *)e->pixel_table + c * 256;
                uint8_t *out = (uint8_t *)to + i * map * t->channels + c;
                for (int64_t k = 0; k < map; k++)
                    out[k * t->channels] = table[pixels[k]];
            } else {
                const int16_t *table = (const int16_t *)e->pixel_table + c * 256;
                int16_t *out = (int16_t *)(void *)to + i * map * t->channels + c;
                for (int64_t k = 0; k < map; k++)
                    out[k * t->channels] = table[pixels[k]];
            }
        }
}

/* Tensor t of image i as integers, CHW. */
static void take_tensor(const rs_engine *e, const scratch *w, int t, int64_t i, int32_t *hwc, int32_t *chw)
{
    const rs_qtensor *tensor = &e->qnet->tensors[t];
    const rs_storage s = e->storage[t];
    rs_storage_unpack((const char *)w->tensors[t] + i * count_of(tensor) * rs_storage_size(s), s, hwc,
                      count_of(tensor));
    to_chw(tensor, hwc, chw);
}

/* An op by the plain loops, image by image. */
static void run_plain(const rs_engine *e, int index, int64_t images, scratch *w)
{
    const rs_qnet *q = e->qnet;
    const rs_qop *op = &q->ops[index];
    const rs_qtensor *out = &q->tensors[op->output];
    const rs_storage s = e->storage[op->output];
    for (int64_t i = 0; i < images; i++) {
        const int32_t *inputs[RS_QOP_MAX_INPUTS];
        int32_t *room = w->chw[1];
        for (int k = 0; k < op->n_inputs; k++) {
            take_tensor(e, w, op->inputs[k], i, w->chw[0], room);
            inputs[k] = room;
            room += count_of(&q->tensors[op->inputs[k]]);
        }
        rs_qop_run(q, op, inputs, room, &w->saturations[index]);
        to_hwc(out, room, w->chw[0]);
        rs_storage_pack(w->chw[0], 1, count_of(out), 0,
                        (char *)w->tensors[op->output] + i * count_of(out) * rs_storage_size(s), s, 0);
    }
}

static char *tensor_at(const rs_engine *e, const scratch *w, int tensor, int64_t element)
{
    return (char *)w->tensors[tensor] + element * rs_storage_size(e->storage[tensor]);
}

/* Parts that have the output's format are copied, others requantized, row by row of a pixel's channels. */
static void run_concat(const rs_engine *e, int index, int64_t images, scratch *w)
{
    const rs_qnet *q = e->qnet;
    const rs_qop *op = &q->ops[index];
    const rs_qtensor *out = &q->tensors[op->output];
    const rs_storage to = e->storage[op->output];
    const int64_t pixels = images * out->height * out->width;
    int64_t first = 0;
    for (int i = 0; i < op->n_inputs; i++) {
        const rs_qtensor *in = &q->tensors[op->inputs[i]];
        const rs_storage from = e->storage[op->inputs[i]];
        const int shift = rs_qop_concat_shift(q, op, i);
        const bool same = shift == 0 && from == to && rs_qtensor_min(in) >= rs_qtensor_min(out) &&
                          rs_qtensor_max(in) <= rs_qtensor_max(out);
        const size_t bytes = (size_t)in->channels * (size_t)rs_storage_size(from);
        for (int64_t p = 0; p < pixels && same; p++)
            memcpy(tensor_at(e, w, op->output, p * out->channels + first),
                   tensor_at(e, w, op->inputs[i], p * in->channels), bytes);
        for (int64_t p = 0; p < pixels && !same; p++) {
            rs_storage_unpack(tensor_at(e, w, op->inputs[i], p * in->channels), from, w->chw[0], in->channels);
            rs_fxp_requantize_array(w->chw[0], (size_t)in->channels, false, shift, rs_qtensor_signed_bits(out),
                                    q->rounding, w->chw[0], &w->saturations[index]);
            rs_storage_pack(w->chw[0], 1, in->channels, 0, tensor_at(e, w, op->output, p * out->channels + first), to,
                            0);
        }
        first += in->channels;
    }
}

/* Additions whose sums fit 32 bits. */
static void run_add(const rs_engine *e, int index, int64_t images, scratch *w)
{
    enum { MOST = 4096 };
    const rs_qnet *q = e->qnet;
    const rs_qop *op = &q->ops[index];
    const rs_qtensor *out = &q->tensors[op->output];
    const int64_t count = images * count_of(out);
    int32_t sums[MOST];
    for (int64_t k = 0; k < count; k += MOST) {
        const int64_t n = count - k < MOST ? count - k : MOST;
        memset(sums, 0, sizeof sums);
        for (int i = 0; i < op->n_inputs; i++)
            rs_storage_accumulate(tensor_at(e, w, op->inputs[i], k), e->storage[op->inputs[i]], rs_qop_align(q, op, i),
                                  sums, n);
        rs_fxp_requantize_array(sums, (size_t)n, op->relu, op->shift, rs_qtensor_signed_bits(out), q->rounding, sums,
                                &w->saturations[index]);
        rs_storage_pack(sums, 1, n, 0, tensor_at(e, w, op->output, k), e->storage[op->output], 0);
    }
}

/* Average pooling whose sums fit 32 bits: all channels of an output position at once. */
static void run_average(const rs_engine *e, int index, int64_t images, scratch *w)
{
    const rs_qnet *q = e->qnet;
    const rs_qop *op = &q->ops[index];
    const rs_qtensor *in = &q->tensors[op->input], *out = &q->tensors[op->output];
    const int64_t channels = in->channels;
    int32_t *const sums = w->chw[0];
    double *const products = w->room;
    for (int64_t n = 0, k = 0; n < images; n++)
        for (int y = 0; y < out->height; y++)
            for (int x = 0; x < out->width; x++, k += channels) {
                const int64_t top = (int64_t)y * op->stride_h - op->pad_h, left = (int64_t)x * op->stride_w - op->pad_w;
                memset(sums, 0, (size_t)channels * sizeof *sums);
                for (int64_t v = top > 0 ? top : 0; v < top + op->kernel_h && v < in->height; v++)
                    for (int64_t u = left > 0 ? left : 0; u < left + op->kernel_w && u < in->width; u++)
                        rs_storage_accumulate(
                            tensor_at(e, w, op->input, ((n * in->height + v) * in->width + u) * channels),
                            e->storage[op->input], 0, sums, channels);
                const int64_t area = rs_qop_area(q, op, y, x);
                const double factor = (double)rs_average_factor(area);
                for (int64_t c = 0; c < channels; c++)
                    products[c] = sums[c] * factor; /* below 2^47, exact */
                rs_fxp_requantize_doubles(products, (size_t)channels, false, rs_average_shift(area) + op->shift,
                                          rs_qtensor_signed_bits(out), q->rounding, sums, &w->saturations[index]);
                rs_storage_pack(sums, 1, channels, 0, tensor_at(e, w, op->output, k), e->storage[op->output], 0);
            }
}

static void run_lrn(const rs_engine *e, int index, int64_t images, scratch *w)
{
    const rs_qop *op = &e->qnet->ops[index];
    const int64_t count = count_of(&e->qnet->tensors[op->output]);
    for (int64_t n = 0; n < images; n++) {
        rs_storage_unpack(tensor_at(e, w, op->input, n * count), e->storage[op->input], w->chw[0], count);
        rs_engine_lrn(e->qnet, op, w->chw[0], w->room, w->room + count, w->chw[1], &w->saturations[index]);
        rs_storage_pack(w->chw[1], 1, count, 0, tensor_at(e, w, op->output, n * count), e->storage[op->output], 0);
    }
}

static void run_chunk(const rs_engine *e, const uint8_t *pixels, int64_t images, int32_t *scores, scratch *w)
{
    const rs_qnet *q = e->qnet;
    load_pixels(e, pixels, images, w);
    for (int i = 0; i < q->n_ops; i++) {
        const rs_qop *op = &q->ops[i];
        const rs_qtensor *in = &q->tensors[op->input], *out = &q->tensors[op->output];
        const rs_storage s = e->storage[op->input];
        const int64_t size = rs_storage_size(s);
        char *from = w->tensors[op->input], *to = w->tensors[op->output];
        switch (op->type) {
        case RS_QOP_CONVOLUTION:
        case RS_QOP_INNER_PRODUCT:
            run_weighted(e, i, images, w);
            break;
        case RS_QOP_RELU:
            rs_storage_clip(from, to, s, 0, INT32_MAX, images * count_of(in));
            break;
        case RS_QOP_CLIP:
            rs_storage_clip(from, to, s, op->min, op->max, images * count_of(in));
            break;
        case RS_QOP_MAX_POOL:
            for (int64_t n = 0; n < images; n++)
                rs_storage_max_pool(op, in, out, from + n * count_of(in) * size, to + n * count_of(out) * size, s);
            break;
        case RS_QOP_AVERAGE_POOL:
            if (rs_qop_bound(q, op, false) < INT32_MAX)
                run_average(e, i, images, w);
            else
                run_plain(e, i, images, w);
            break;
        case RS_QOP_ADD:
            if (rs_qop_bound(q, op, false) < INT32_MAX)
                run_add(e, i, images, w);
            else
                run_plain(e, i, images, w);
            break;
        case RS_QOP_CONCAT:
            run_concat(e, i, images, w);
            break;
        case RS_QOP_LRN:
            run_lrn(e, i, images, w);
            break;
        case RS_QOPS:
            break;
        }
    }
    const int last = q->n_tensors - 1;
    for (int64_t n = 0; scores && n < images; n++)
        take_tensor(e, w, last, n, w->chw[0], scores + n * count_of(&q->tensors[last]));
}

static void run_image_reference(const rs_engine *e, const uint8_t *pixels, int32_t *scores, scratch *w)
{
    const rs_qnet *q = e->qnet;
    const rs_qtensor *last = &q->tensors[q->n_tensors - 1];
    rs_qnet_load(q, pixels, w->tensors[0]);
    for (int i = 0; i < q->n_ops; i++) {
        const int32_t *inputs[RS_QOP_MAX_INPUTS];
        for (int k = 0; k < q->ops[i].n_inputs; k++)
            inputs[k] = w->tensors[q->ops[i].inputs[k]];
        if (e->minifloat && rs_qop_weighted(&q->ops[i]))
            rs_minifloat_engine_run(e->minifloat, i, inputs[0], w->tensors[q->ops[i].output], w->operand,
                                    &w->saturations[i]);
        else
            rs_qop_run(q, &q->ops[i], inputs, w->tensors[q->ops[i].output], &w->saturations[i]);
    }
    if (scores)
        memcpy(scores, w->tensors[q->n_tensors - 1], (size_t)count_of(last) * sizeof *scores);
}

/* -------------------------------------------------------------------------------------------------------- a run */

typedef struct run {
    const rs_engine *engine;
    const uint8_t *pixels;
    int64_t n, chunk;
    int32_t *scores;
    scratch *workers;
    int worker; /* that ran chunk 0 */
} run;

static void run_task(void *context, size_t task, int worker)
{
    run *r = context;
    if (task == 0)
        r->worker = worker;
    if (rs_interrupted())
        return;
    const rs_qnet *q = r->engine->qnet;
    const int64_t first = (int64_t)task * r->chunk, left = r->n - first;
    const uint8_t *pixels = r->pixels + first * count_of(&q->tensors[0]);
    int32_t *scores = r->scores ? r->scores + first * count_of(&q->tensors[q->n_tensors - 1]) : NULL;
    if (r->engine->reference)
        run_image_reference(r->engine, pixels, scores, &r->workers[worker]);
    else
        run_chunk(r->engine, pixels, left < r->chunk ? left : r->chunk, scores, &r->workers[worker]);
}

/* Images that a worker takes at once: as many as keep its tensors in the second-level cache. The results do not depend
 * on it. */
static int64_t choose_chunk(const rs_engine *e, int64_t n)
{
    enum { CACHE = 640 * 1024, MOST = 48 };
    int64_t bytes = 1; /* never a division by zero */
    if (e->reference)
        return 1;
    for (int t = 0; t < e->qnet->n_tensors; t++)
        bytes += count_of(&e->qnet->tensors[t]) * rs_storage_size(e->storage[t]);
    int64_t chunk = CACHE / bytes < MOST ? CACHE / bytes : MOST;
    const int64_t share = (n + rs_threads() - 1) / rs_threads();
    chunk = chunk < share ? chunk : share;
    return chunk > 1 ? chunk : 1;
}

static void free_scratch(const rs_engine *e, scratch *w)
{
    for (int t = 0; w->tensors && t < e->qnet->n_tensors; t++)
        rs_free(w->tensors[t]);
    rs_free(w->tensors);
    rs_free(w->operand);
    rs_free(w->gathered);
    rs_free(w->sums);
    rs_free(w->integers);
    rs_free(w->chw[0]);
    rs_free(w->chw[1]);
    rs_free(w->room);
    rs_free(w->saturations);
}

static bool new_scratch(const rs_engine *e, int64_t chunk, scratch *w)
{
    const rs_qnet *q = e->qnet;
    size_t operand = 0, gathered = 0, sums = 0;
    for (int i = 0; i < q->n_ops && !e->reference; i++) {
        const plan *p = &e->plans[i];
        if (!rs_qop_weighted(&q->ops[i]))
            continue;
        const size_t size = (size_t)p->kernel->size;
        const size_t in = (size_t)(chunk * count_of(&q->tensors[q->ops[i].input])) * size;
        const size_t windows = RS_BLOCK * (size_t)(p->steps * p->kernel->group) * size;
        const size_t lanes = RS_BLOCK * (size_t)p->kernel->vectors * (size_t)p->kernel->lanes;
        operand = e->storage[q->ops[i].input] != p->operand && in > operand ? in : operand;
        gathered = p->gather && windows > gathered ? windows : gathered;
        sums = lanes > sums ? lanes : sums;
    }
    operand = e->minifloat ? rs_minifloat_engine_room(e->minifloat) : operand;
    int64_t most = 0, most_together = count_of(&q->tensors[0]), room = 0;
    for (int t = 0; t < q->n_tensors && !e->reference; t++)
        most = count_of(&q->tensors[t]) > most ? count_of(&q->tensors[t]) : most;
    for (int i = 0; i < q->n_ops && !e->reference; i++) {
        const rs_qop *op = &q->ops[i];
        int64_t together = count_of(&q->tensors[op->output]);
        for (int k = 0; k < op->n_inputs && !rs_qop_weighted(op); k++)
            together += count_of(&q->tensors[op->inputs[k]]);
        most_together = together > most_together ? together : most_together;
        const int64_t channels = q->tensors[op->output].channels;
        const int64_t doubles = op->type == RS_QOP_LRN            ? count_of(&q->tensors[op->output]) + 4 * channels
                                : op->type == RS_QOP_AVERAGE_POOL ? channels
                                                                  : 0;
        room = doubles > room ? doubles : room;
    }
    w->room = RS_NEW_ARRAY(double, (size_t)room + 1);
    w->chw[0] = RS_NEW_ARRAY(int32_t, (size_t)most + 1);
    w->chw[1] = RS_NEW_ARRAY(int32_t, (size_t)most_together);
    w->tensors = RS_NEW_ARRAY(void *, (size_t)q->n_tensors);
    w->operand = rs_calloc(operand + RS_SLACK, 1);
    w->gathered = rs_calloc(gathered + RS_SLACK, 1);
    w->sums = rs_calloc(sums + 1, sizeof(double));
    w->integers = RS_NEW_ARRAY(int32_t, sums + 1);
    w->saturations = RS_NEW_ARRAY(uint64_t, (size_t)q->n_ops);
    bool ok = w->tensors && w->operand && w->gathered && w->sums && w->integers && w->saturations && w->chw[0] &&
              w->chw[1] && w->room;
    for (int t = 0; ok && t < q->n_tensors; t++) {
        const size_t size = e->reference ? sizeof(int32_t) : (size_t)rs_storage_size(e->storage[t]);
        w->tensors[t] = rs_calloc((size_t)(chunk * count_of(&q->tensors[t])) * size + RS_SLACK, 1);
        ok = w->tensors[t] != NULL;
    }
    return ok;
}

/* Runs n images; with `wanted`, for n = 1, copies its tensors out. */
static rs_status run_images(const rs_engine *e, const uint8_t *pixels, int64_t n, int32_t *scores,
                            int32_t *const *wanted, uint64_t *saturations, rs_diag *diag)
{
    const rs_qnet *q = e->qnet;
    const int workers = rs_threads();
    run r = { .engine = e, .pixels = pixels, .n = n, .chunk = choose_chunk(e, n), .scores = scores };
    r.workers = RS_NEW_ARRAY(scratch, (size_t)workers);
    bool ok = r.workers != NULL;
    for (int i = 0; ok && i < workers; i++)
        ok = new_scratch(e, r.chunk, &r.workers[i]);
    if (ok)
        rs_parallel((size_t)((n + r.chunk - 1) / r.chunk), run_task, &r);
    for (int i = 0; ok && saturations && i < workers; i++)
        for (int k = 0; k < q->n_ops; k++)
            saturations[k] += r.workers[i].saturations[k];
    for (int t = 0; ok && wanted && t < q->n_tensors; t++) {
        const scratch *w = &r.workers[r.worker];
        if (wanted[t] && e->reference)
            memcpy(wanted[t], w->tensors[t], (size_t)count_of(&q->tensors[t]) * sizeof(int32_t));
        else if (wanted[t])
            take_tensor(e, w, t, 0, w->chw[0], wanted[t]);
    }
    for (int i = 0; r.workers && i < workers; i++)
        free_scratch(e, &r.workers[i]);
    rs_free(r.workers);
    if (!ok)
        return rs_out_of_memory(diag);
    return rs_interrupted() ? RS_INTERRUPTED : RS_OK;
}

rs_status rs_engine_run(rs_engine *engine, const uint8_t *pixels, int64_t n, int32_t *scores, uint64_t *saturations,
                        rs_diag *diag)
{
    return run_images(engine, pixels, n, scores, NULL, saturations, diag);
}

rs_status rs_engine_trace(rs_engine *engine, const uint8_t *pixels, int32_t *const *tensors, uint64_t *saturations,
                          rs_diag *diag)
{
    return run_images(engine, pixels, 1, NULL, tensors, saturations, diag);
}
