/* The share of places (images, or positions of them) whose label is among the top k scores, counted by rs_count_hits.
 * Places whose label is to be ignored do not count. */
#include "layers/exec.h"
#include "layers/layer.h"

/* What an image adds. */
typedef struct accuracy_tally {
    int32_t hits, places;
} accuracy_tally;

static int64_t inner_size(const rs_op *op)
{
    return rs_shape_count(&op->net->blobs[op->layer->bottoms[0]].shape, 2);
}

static rs_status plan(rs_op *op, rs_diag *diag)
{
    const rs_layer *l = op->layer;
    const int64_t inner = inner_size(op), classes = inner > 0 ? op->bottom_size[0] / inner : 0;
    if (op->bottom_size[1] != inner)
        return rs_error(diag, RS_BAD_INPUT, l->loc, NULL, "layer '%s': %lld labels an image, expected %lld", l->name,
                        (long long)op->bottom_size[1], (long long)inner);
    if (l->criterion.top_k < 1 || l->criterion.top_k > classes)
        return rs_error(diag, RS_BAD_INPUT, l->loc, NULL,
                        "layer '%s': top_k is %d, expected 1 to %lld (the number of classes)", l->name,
                        l->criterion.top_k, (long long)classes);
    op->record_size = sizeof(accuracy_tally);
    op->scratch_size = (size_t)classes;
    return RS_OK;
}

static accuracy_tally *tally_of(const rs_op *op, int64_t image)
{
    return (accuracy_tally *)(void *)(op->record + (size_t)image * op->record_size);
}

static void forward(rs_op *op, int64_t first, int64_t n, float *scratch)
{
    const rs_criterion_param *p = &op->layer->criterion;
    const int64_t inner = inner_size(op), classes = op->bottom_size[0] / inner;
    for (int64_t i = first; i < first + n; i++) {
        accuracy_tally t = { 0, 0 };
        for (int64_t x = 0; x < inner; x++) {
            const float label = op->bottom[1][i * inner + x];
            if (p->ignores && label == (float)p->ignored)
                continue;
            if (!(label >= 0.0f && label < (float)classes)) {
                rs_op_bad_label(op, i);
                return;
            }
            const int32_t l = (int32_t)label;
            const float *scores = op->bottom[0] + i * op->bottom_size[0] + x;
            for (int64_t c = 0; c < classes; c++)
                scratch[c] = scores[c * inner];
            t.hits += (int32_t)rs_count_hits(scratch, &l, 1, classes, p->top_k, NULL);
            t.places++;
        }
        *tally_of(op, i) = t;
    }
}

static void finish(rs_op *op, int64_t n)
{
    int64_t hits = 0, places = 0;
    for (int64_t i = 0; i < n; i++) {
        hits += tally_of(op, i)->hits;
        places += tally_of(op, i)->places;
    }
    if (op->layer->n_tops > 0)
        op->top[0][0] = places > 0 ? (float)((double)hits / (double)places) : 0.0f;
}

static const rs_layer_ops ops = { .plan = plan, .forward = forward, .finish = finish };

const rs_layer_rule rs_accuracy_layer = {
    .name = "Accuracy",
    .bottoms = { 2, 2 },
    .tops = { 1, 1 },
    .scalar = true,
    .labels = true,
    .shape = rs_criterion_shape,
    .ops = &ops,
};
