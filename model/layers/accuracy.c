/* The share of images whose label is among the top k scores, counted by rs_count_hits. */
#include "layers/exec.h"
#include "layers/layer.h"

static rs_status plan(rs_op *op, rs_diag *diag)
{
    const rs_layer *l = op->layer;
    if (op->bottom_size[1] != 1)
        return rs_error(diag, RS_BAD_INPUT, l->loc, NULL, "layer '%s': %lld labels an image, expected 1", l->name,
                        (long long)op->bottom_size[1]);
    if (l->accuracy_top_k < 1 || l->accuracy_top_k > op->bottom_size[0])
        return rs_error(diag, RS_BAD_INPUT, l->loc, NULL, "layer '%s': top_k is %d, expected 1 to %lld (the number of classes)",
                        l->name, l->accuracy_top_k, (long long)op->bottom_size[0]);
    op->record_size = 1;
    return RS_OK;
}

static void forward(rs_op *op, int64_t first, int64_t n, float *scratch)
{
    (void)scratch;
    const int64_t classes = op->bottom_size[0];
    for (int64_t i = first; i < first + n; i++) {
        const float label = op->bottom[1][i];
        if (!(label >= 0.0f && label < (float)classes)) {
            rs_op_bad_label(op, i);
            return;
        }
        const int32_t l = (int32_t)label;
        op->record[i] = (uint8_t)rs_count_hits(op->bottom[0] + i * classes, &l, 1, classes, op->layer->accuracy_top_k, NULL);
    }
}

static void finish(rs_op *op, int64_t n)
{
    int64_t hits = 0;
    for (int64_t i = 0; i < n; i++)
        hits += op->record[i];
    if (op->layer->n_tops > 0)
        op->top[0][0] = (float)((double)hits / (double)n);
}

const rs_layer_ops rs_accuracy_ops = { .plan = plan, .forward = forward, .finish = finish };
