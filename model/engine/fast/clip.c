/* Clip, fast: on stored values. */
#include "engine/parts.h"

static void run(const rs_engine *e, int index, int64_t images, rs_engine_scratch *w)
{
    const rs_qop *op = &e->qnet->ops[index];
    rs_storage_clip(w->tensors[op->input], w->tensors[op->output], e->storage[op->input], op->min, op->max,
                    images * rs_qtensor_count(&e->qnet->tensors[op->input]));
}

const rs_engine_fast rs_engine_fast_clip = { .run = run };
