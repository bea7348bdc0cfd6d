/* What a layer is to the executor: one table of functions per type, one file per type.
 *
 * Work is cut without regard to the number of threads: a pass over images in chunks of RS_CHUNK, any other pass in the
 * tasks that the layer asks for. A function is given what it may write: the images of its chunk, its own task's part,
 * and `scratch`, which is the worker's and holds nothing from one call to the next. */
#ifndef RISTRETTO_LAYERS_LAYER_H
#define RISTRETTO_LAYERS_LAYER_H

#include "net/rule.h"

/* Images of a chunk. Part of the definition of gradients: sums run over a chunk's images in order, then over chunks in
 * order. */
enum { RS_CHUNK = 4 };

typedef struct rs_op rs_op;

typedef struct rs_layer_ops {
    /* Checks what the layer supports and sizes its buffers (the fields of rs_op marked "plan"); called once. NULL: it
     * takes all and needs none. */
    rs_status (*plan)(rs_op *op, rs_diag *diag);
    /* Once a run, before the first image: what depends on parameters alone. NULL: nothing. */
    void (*prepare)(rs_op *op);

    /* Images [first, first + n) forward. NULL: the layer works on the whole batch (below), or has nothing to compute.
     */
    void (*forward)(rs_op *op, int64_t first, int64_t n, float *scratch);
    /* The same backward: gradients of bottoms (if op->backward_data) for these images, and this chunk's part of the
     * gradients of parameters in op->chunk_gradients + chunk * op->chunk_size, overwritten. */
    void (*backward)(rs_op *op, int64_t first, int64_t n, float *scratch);

    /* A layer whose parameters are large against its blobs: the whole batch at once, tasks of its own. A pass of
     * several steps finishes one step before the next begins. */
    int forward_steps, backward_steps;
    int64_t (*tasks)(const rs_op *op, bool backward, int step, int64_t n);
    void (*task)(rs_op *op, bool backward, int step, int64_t n, int64_t task, float *scratch);

    /* After all images of a forward run, on one thread: totals of the batch. NULL: none. */
    void (*finish)(rs_op *op, int64_t n);
} rs_layer_ops;

struct rs_op {
    const rs_layer_ops *ops;
    const rs_net *net;
    const rs_layer *layer;
    int index;     /* of the layer in the net */
    int64_t batch; /* images of a run at most */
    bool training; /* gradients will be asked for */
    /* Arrays over the layer's bottoms and tops: values and gradients ([batch][per image]; gradients NULL when not
     * training, and for a top that no loss depends on). */
    const float **bottom;
    float **top, **bottom_gradient, **top_gradient;
    int64_t *bottom_size, *top_size; /* floats per image; 1 for a scalar top */
    /* Whether the gradient of bottom i is wanted, and whether it is added to what another layer has left there. */
    bool *backward_data, *add;
    float *gradients[RS_MAX_PARAMS]; /* of the parameters, for the whole batch */

    /* Set by plan; the buffers are allocated after it. */
    size_t scratch_size;  /* floats of scratch for one task */
    size_t prepared_size; /* floats that prepare fills, read by all tasks */
    size_t record_size;   /* bytes per image that forward leaves for backward */
    size_t chunk_size;    /* floats of parameter gradients per chunk */
    float *prepared;
    uint8_t *record;        /* [batch][record_size] */
    float *chunk_gradients; /* [chunks][chunk_size], the parameters' one after the other */
    double *image_loss;     /* [batch], for layers that compute a loss */
    double loss, divisor;   /* of the last run, weighted, and what it was divided by; set by finish */

    int64_t n;                /* images of the current run */
    uint64_t seed, iteration; /* for random layers */
    /* The first image with a label outside [0, classes), or -1; set by any thread through rs_op_bad_label. */
    int64_t bad_image;
};

/* Whether a layer after this one writes this one's first top in place; its backward pass then finds other values
 * there. Layers of type `but` do not count. */
bool rs_op_overwritten(const rs_op *op, rs_layer_type but);

/* Records that the label of `image` is unusable. */
void rs_op_bad_label(rs_op *op, int64_t image);

/* For layers whose backward pass reads what they gave: plan asks for a copy of it if another layer (of a type but
 * `but`) overwrites it, forward makes the copy, and backward finds it, or the top itself. The record is theirs alone.
 */
void rs_op_plan_output(rs_op *op, rs_layer_type but);
void rs_op_keep_output(rs_op *op, int64_t first, int64_t n);
const float *rs_op_output(const rs_op *op);

/* The rules (net/rule.h), which rules.c puts into a table. */
#define RS_LAYER_TYPE(name, symbol) extern const rs_layer_rule rs_##symbol##_layer;
#include "net/layer_types.def"

/* NULL for a type that the executor only passes over (input). */
const rs_layer_ops *rs_layer_ops_of(const rs_layer *layer);

/* The shape rule of layers that compare scores, N x C (x H x W), with labels, one for each place but the class axis:
 * a scalar. */
rs_status rs_criterion_shape(rs_net *net, rs_layer *layer, const rs_shape *in, rs_shape *out, rs_diag *diag);

/* Softmax of `outer` x classes x inner values over the classes, in the same place or another; used by softmax and its
 * loss. */
void rs_softmax(const float *in, float *out, int64_t outer, int64_t classes, int64_t inner);

#endif
