/* How the engine computes each op: paths, packed weights, and the storage of tensors. */
#include "base/memory.h"
#include "engine/parts.h"
#include "qnet/rule.h"

rs_engine_block rs_engine_block_of(const rs_engine_plan *p, int outputs, int index)
{
    const int lanes = p->kernel->lanes, all = (outputs + lanes - 1) / lanes;
    const int each = all / p->blocks, extra = all % p->blocks;
    const int before = index * each + (index < extra ? index : extra);
    rs_engine_block b = { .first = before * lanes, .vectors = each + (index < extra), .vectors_before = before };
    b.channels = outputs - b.first < b.vectors * lanes ? outputs - b.first : b.vectors * lanes;
    return b;
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
    /* A sum's magnitude is at max the bound: below 2^31 it fits 32 bits. rs_qnet_check keeps it below 2^47. */
    const bool fits_32 = rs_qop_bound(q, op, true) < INT64_C(1) << 31;
    const int64_t min = rs_qop_weight_min(op), max = rs_qop_weight_max(op);
    if (fastest <= RS_PATH_INT8 && fits_32 && q->tensors[op->input].format.bits <= 8 && min >= INT8_MIN &&
        max <= INT8_MAX && rs_engine_kernel(RS_PATH_INT8))
        return RS_PATH_INT8;
    return fastest <= RS_PATH_INT16 && fits_32 && min >= INT16_MIN && max <= INT16_MAX ? RS_PATH_INT16 : RS_PATH_DOUBLE;
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
static void pack_block(const rs_qnet *q, const rs_qop *op, const rs_engine_plan *p, int g, rs_engine_block b)
{
    const rs_kernel *k = p->kernel;
    const int channels = q->tensors[op->input].channels / op->groups,
              outputs = q->tensors[op->output].channels / op->groups;
    const int lanes = b.vectors * k->lanes;
    const int64_t vectors_before = (int64_t)g * ((outputs + k->lanes - 1) / k->lanes) + b.vectors_before;
    char *const weights = (char *)p->weights + vectors_before * p->n_segments * p->steps * rs_kernel_vector_bytes(k);
    char *const bias = (char *)p->bias + vectors_before * k->lanes * rs_kernel_sum_size(k);
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

static rs_status make_plan(const rs_qnet *q, const rs_qop *op, rs_storage input, rs_engine_plan *p, rs_diag *diag)
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
    p->weights = rs_calloc(all_vectors * (size_t)p->n_segments,
                           (size_t)p->steps * (size_t)rs_kernel_vector_bytes(p->kernel));
    p->bias = rs_calloc(all_vectors, (size_t)p->kernel->lanes * (size_t)rs_kernel_sum_size(p->kernel));
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
            pack_block(q, op, p, g, rs_engine_block_of(p, outputs, b));
    return RS_OK;
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
        if (t > 0 && rs_qop_has(&q->ops[t - 1], RS_QOP_KEEPS)) {
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
                while (from > t && rs_qop_has(&q->ops[from - 1], RS_QOP_KEEPS))
                    from = q->ops[from - 1].input;
                if (from != t || rs_qop_has(&q->ops[i], RS_QOP_KEEPS))
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

rs_status rs_engine_prepare(rs_engine *e, rs_engine_path fastest, rs_diag *diag)
{
    const rs_qnet *q = e->qnet;
    e->plans = RS_NEW_ARRAY(rs_engine_plan, (size_t)q->n_ops);
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
