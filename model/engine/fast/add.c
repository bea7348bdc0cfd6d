/* Addition, fast. */
#include <string.h>

#include "engine/parts.h"

/* Sums that fit 32 bits. */
static void run(const rs_engine *e, int index, int64_t images, rs_engine_scratch *w)
{
    enum { PIECE = 4096 };
    const rs_qnet *q = e->qnet;
    const rs_qop *op = &q->ops[index];
    if (rs_qop_bound(q, op, false) >= INT32_MAX) {
        rs_engine_run_plain(e, index, images, w);
        return;
    }
    const rs_qtensor *out = &q->tensors[op->output];
    const int64_t count = images * rs_qtensor_count(out);
    int32_t sums[PIECE];
    for (int64_t k = 0; k < count; k += PIECE) {
        const int64_t n = count - k < PIECE ? count - k : PIECE;
        memset(sums, 0, sizeof sums);
        for (int i = 0; i < op->n_inputs; i++)
            rs_storage_accumulate(rs_engine_at(e, w, op->inputs[i], k), e->storage[op->inputs[i]],
                                  rs_qop_align(q, op, i), sums, n);
        rs_fxp_requantize_array(sums, (size_t)n, op->relu, op->shift, rs_qtensor_signed_bits(out), q->rounding, sums,
                                &w->saturations[index]);
        rs_storage_pack(sums, 1, n, 0, rs_engine_at(e, w, op->output, k), e->storage[op->output], 0);
    }
}

const rs_engine_fast rs_engine_fast_add = { .run = run };
