/* Concatenation, fast. */
#include <string.h>

#include "engine/parts.h"

/* Parts that have the output's format are copied, others requantized, row by row of a pixel's channels. */
static void run(const rs_engine *e, int index, int64_t images, rs_engine_scratch *w)
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
            memcpy(rs_engine_at(e, w, op->output, p * out->channels + first),
                   rs_engine_at(e, w, op->inputs[i], p * in->channels), bytes);
        for (int64_t p = 0; p < pixels && !same; p++) {
            rs_storage_unpack(rs_engine_at(e, w, op->inputs[i], p * in->channels), from, w->chw[0], in->channels);
            rs_fxp_requantize_array(w->chw[0], (size_t)in->channels, false, shift, rs_qtensor_signed_bits(out),
                                    q->rounding, w->chw[0], &w->saturations[index]);
            rs_storage_pack(w->chw[0], 1, in->channels, 0, rs_engine_at(e, w, op->output, p * out->channels + first),
                            to, 0);
        }
        first += in->channels;
    }
}

const rs_engine_fast rs_engine_fast_concat = { .run = run };
