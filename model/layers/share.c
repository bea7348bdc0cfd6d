/* Places of blobs in shared memory: the largest blob first, each at the lowest place that is free while it is needed.
 */
#include "layers/share.h"

#include <stdlib.h>

#include "base/memory.h"
#include "net/rule.h"

enum { ALIGNMENT = 16 }; /* floats: a line of the cache */

/* A blob is needed from layer `first` to layer `last`. */
typedef struct share_span {
    int blob, first, last;
    int64_t offset, size;
} share_span;

static void touch(share_span *span, int layer)
{
    span->first = layer < span->first ? layer : span->first;
    span->last = layer > span->last ? layer : span->last;
}

/* Blobs that the caller writes are needed from the beginning, before layer 0. */
static void find_spans(const rs_net *net, const int64_t *sizes, int kept, share_span *spans)
{
    for (int b = 0; b < net->n_blobs; b++) {
        const int64_t size = (sizes[b] + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        spans[b] = (share_span) { .blob = b, .first = net->n_layers, .last = -1, .size = size };
    }
    for (int i = 0; i < net->n_layers; i++) {
        const rs_layer *l = &net->layers[i];
        /* Losses and accuracies are totalled, from their bottoms, when all layers have run. */
        const int until = rs_layer_rule_of(l->type)->scalar ? net->n_layers : i;
        for (int t = 0; t < l->n_tops; t++) {
            touch(&spans[l->tops[t]], l->type == RS_LAYER_INPUT ? -1 : i);
            touch(&spans[l->tops[t]], until);
        }
        for (int k = 0; k < l->n_bottoms; k++) {
            touch(&spans[l->bottoms[k]], i);
            touch(&spans[l->bottoms[k]], until);
        }
    }
    if (kept >= 0 && kept < net->n_blobs)
        touch(&spans[kept], net->n_layers);
}

static int by_size(const void *a, const void *b)
{
    const share_span *x = a, *y = b;
    return x->size != y->size ? (x->size < y->size) - (x->size > y->size) : (x->blob > y->blob) - (x->blob < y->blob);
}

/* The lowest place of spans[k] beside spans [0, k), which have theirs. Each of those is stepped over until none is in
 * the way. */
static int64_t place(const share_span *spans, int k)
{
    const share_span *mine = &spans[k];
    int64_t offset = 0;
    for (bool moved = true; moved;) {
        moved = false;
        for (int i = 0; i < k; i++) {
            const share_span *other = &spans[i];
            if (other->last < mine->first || mine->last < other->first || offset + mine->size <= other->offset ||
                other->offset + other->size <= offset)
                continue;
            offset = other->offset + other->size;
            moved = true;
        }
    }
    return offset;
}

rs_status rs_share_blobs(const rs_net *net, const int64_t *sizes, int kept, int64_t *offsets, int64_t *total,
                         rs_diag *diag)
{
    share_span *spans = RS_NEW_ARRAY(share_span, (size_t)net->n_blobs + 1);
    if (spans == NULL)
        return rs_out_of_memory(diag);
    find_spans(net, sizes, kept, spans);
    qsort(spans, (size_t)net->n_blobs, sizeof *spans, by_size);
    *total = 1;
    for (int k = 0; k < net->n_blobs; k++) {
        spans[k].offset = place(spans, k);
        offsets[spans[k].blob] = spans[k].offset;
        const int64_t end = spans[k].offset + spans[k].size;
        *total = end > *total ? end : *total;
    }
    rs_free(spans);
    return RS_OK;
}
