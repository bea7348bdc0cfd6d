/* The executor: plans the buffers of a net for a batch, cuts the batch into chunks, and runs the layers' passes over
 * them on the pool of threads. Every loop over layers goes through rs_layer_ops (layers/layer.h); no layer type is
 * named. */
#include "layers/exec.h"

#include <string.h>

#include "base/integer.h"
#include "base/threads.h"
#include "layers/layer.h"
#include "layers/share.h"

struct rs_exec {
    const rs_net *net;
    int64_t batch;
    bool training;
    rs_exec_hook hook;
    void *hook_context;
    rs_exec_hook backward_hook;
    void *backward_context;
    float **values, **gradients; /* by blob */
    float *shared;               /* the memory of all values, if blobs share it; else NULL */
    int kept;                    /* the blob that a run must leave, if blobs share memory */
    int64_t *sizes;              /* floats an image, by blob; 1 for a scalar */
    bool *scalar;                /* blobs without a batch */
    rs_op *ops;                  /* by layer */
    bool *backward;              /* layers that the gradient reaches */
    size_t scratch_size;         /* floats a worker */
    float *scratch;
    int workers;
};

const rs_layer_ops *rs_layer_ops_of(const rs_layer *layer)
{
    const rs_layer_rule *rule = rs_layer_rule_of(layer->type);
    return rule->choose_ops != NULL ? rule->choose_ops(layer) : rule->ops;
}

bool rs_op_overwritten(const rs_op *op, rs_layer_type but)
{
    for (int i = op->index + 1; i < op->net->n_layers; i++) {
        const rs_layer *l = &op->net->layers[i];
        for (int t = 0; t < l->n_tops && l->type != but; t++)
            if (l->tops[t] == op->layer->tops[0])
                return true;
    }
    return false;
}

void rs_op_plan_output(rs_op *op, rs_layer_type but)
{
    if (op->training && rs_op_overwritten(op, but))
        op->record_size = (size_t)op->top_size[0] * sizeof(float);
}

void rs_op_keep_output(rs_op *op, int64_t first, int64_t n)
{
    if (op->record_size > 0)
        memcpy(op->record + (size_t)first * op->record_size, op->top[0] + first * op->top_size[0],
               (size_t)n * op->record_size);
}

const float *rs_op_output(const rs_op *op)
{
    return op->record_size > 0 ? (const float *)(const void *)op->record : op->top[0];
}

void rs_op_bad_label(rs_op *op, int64_t image)
{
    int64_t seen = __atomic_load_n(&op->bad_image, __ATOMIC_RELAXED);
    while ((seen < 0 || image < seen) &&
           !__atomic_compare_exchange_n(&op->bad_image, &seen, image, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        continue;
}

/* Images of a chunk. In inference the size of the chunks cannot change a result; for small batches a chunk is one
 * image, so that every thread has work. */
static int64_t chunk_of(const rs_exec *e, int64_t n)
{
    return !e->training && n <= 8 * RS_CHUNK ? 1 : RS_CHUNK;
}

static int64_t chunk_count(const rs_exec *e, int64_t n)
{
    return (n + chunk_of(e, n) - 1) / chunk_of(e, n);
}

/* ------------------------------------------------------------------------------------------------- construction */

static bool in_place(const rs_layer *l, int bottom)
{
    for (int t = 0; t < l->n_tops; t++)
        if (l->tops[t] == l->bottoms[bottom])
            return true;
    return false;
}

static bool differentiable(const rs_op *op, int bottom)
{
    return op->ops != NULL && (op->ops->backward != NULL || op->ops->backward_steps > 0) &&
           !(rs_layer_rule_of(op->layer->type)->labels && bottom == 1);
}

/* Sizes of all blobs. A scalar has one value for the whole batch. */
static rs_status size_blobs(rs_exec *e, rs_diag *diag)
{
    const rs_net *net = e->net;
    for (int i = 0; i < net->n_layers; i++) {
        const rs_layer *l = &net->layers[i];
        for (int t = 0; t < l->n_tops; t++)
            if (rs_layer_rule_of(l->type)->scalar)
                e->scalar[l->tops[t]] = true;
    }
    for (int b = 0; b < net->n_blobs; b++) {
        e->sizes[b] = e->scalar[b] ? 1 : rs_shape_count(&net->blobs[b].shape, 1);
        if (e->sizes[b] < 0)
            return rs_error(diag, RS_BAD_INPUT, RS_FILE(net->path), NULL, "blob '%s' is too large", net->blobs[b].name);
        if (e->sizes[b] > 0 && (size_t)e->batch > SIZE_MAX / sizeof(float) / (size_t)e->sizes[b])
            return rs_out_of_memory(diag);
    }
    return RS_OK;
}

/* Bytes of the blobs of one image, each with memory of its own. */
static double bytes_of_image(const rs_exec *e)
{
    double bytes = 0;
    for (int b = 0; b < e->net->n_blobs; b++)
        bytes += (double)sizeof(float) * (double)e->sizes[b];
    return bytes;
}

/* One block for all blobs: each has its share of it for the whole batch. */
static rs_status share_values(rs_exec *e, rs_diag *diag)
{
    int64_t total = 0, *offsets = RS_NEW_ARRAY(int64_t, (size_t)e->net->n_blobs + 1);
    rs_status st = offsets != NULL ? rs_share_blobs(e->net, e->sizes, e->kept, offsets, &total, diag)
                                   : rs_out_of_memory(diag);
    if (st == RS_OK && (e->shared = rs_calloc((size_t)e->batch, (size_t)total * sizeof(float))) == NULL)
        st = rs_out_of_memory(diag);
    for (int b = 0; b < e->net->n_blobs && st == RS_OK; b++)
        e->values[b] = e->shared + e->batch * offsets[b];
    rs_free(offsets);
    return st;
}

static rs_status allocate_values(rs_exec *e, rs_diag *diag)
{
    if (e->kept >= 0 && (double)e->batch * bytes_of_image(e) > (double)RS_EXEC_BYTES)
        return share_values(e, diag);
    for (int b = 0; b < e->net->n_blobs; b++) {
        const size_t count = (e->scalar[b] ? 1 : (size_t)e->batch) * (size_t)e->sizes[b];
        e->values[b] = RS_NEW_ARRAY(float, count > 0 ? count : 1);
        if (e->values[b] == NULL)
            return rs_out_of_memory(diag);
    }
    return RS_OK;
}

/* The arrays over the bottoms and tops of one layer. */
static rs_status size_op(rs_exec *e, rs_op *op, rs_diag *diag)
{
    const rs_layer *l = op->layer;
    const size_t bottoms = (size_t)l->n_bottoms, tops = (size_t)l->n_tops;
    /* One more of each, so that no count is zero. */
    op->bottom = RS_NEW_ARRAY(const float *, bottoms + 1);
    op->bottom_gradient = RS_NEW_ARRAY(float *, bottoms + 1);
    op->bottom_size = RS_NEW_ARRAY(int64_t, bottoms + 1);
    op->backward_data = RS_NEW_ARRAY(bool, bottoms + 1);
    op->add = RS_NEW_ARRAY(bool, bottoms + 1);
    op->top = RS_NEW_ARRAY(float *, tops + 1);
    op->top_gradient = RS_NEW_ARRAY(float *, tops + 1);
    op->top_size = RS_NEW_ARRAY(int64_t, tops + 1);
    if (op->bottom == NULL || op->bottom_gradient == NULL || op->bottom_size == NULL || op->backward_data == NULL ||
        op->add == NULL || op->top == NULL || op->top_gradient == NULL || op->top_size == NULL)
        return rs_out_of_memory(diag);
    for (int b = 0; b < l->n_bottoms; b++) {
        op->bottom[b] = e->values[l->bottoms[b]];
        op->bottom_size[b] = e->sizes[l->bottoms[b]];
    }
    for (int t = 0; t < l->n_tops; t++) {
        op->top[t] = e->values[l->tops[t]];
        op->top_size[t] = e->sizes[l->tops[t]];
    }
    return RS_OK;
}

/* Forward: which blobs depend on a parameter. Their gradients are worth computing, if a loss depends on them. */
static void find_learning(rs_exec *e, bool *learns)
{
    const rs_net *net = e->net;
    for (int i = 0; i < net->n_layers; i++) {
        const rs_layer *l = &net->layers[i];
        bool any = l->n_params > 0;
        for (int b = 0; b < l->n_bottoms; b++) {
            e->ops[i].backward_data[b] = learns[l->bottoms[b]] && differentiable(&e->ops[i], b);
            any = any || e->ops[i].backward_data[b];
        }
        for (int t = 0; t < l->n_tops; t++)
            learns[l->tops[t]] = any;
    }
}

/* The gradients of one layer's bottoms. The first reader of a blob that the backward pass visits writes its gradient,
 * the others add to it; `wanted` remembers which blobs have one. */
static rs_status plan_bottom_gradients(rs_exec *e, int layer, bool reached, bool *wanted, rs_diag *diag)
{
    const rs_layer *l = &e->net->layers[layer];
    rs_op *op = &e->ops[layer];
    for (int b = 0; b < l->n_bottoms; b++) {
        const int blob = l->bottoms[b];
        op->backward_data[b] = op->backward_data[b] && reached;
        if (!op->backward_data[b])
            continue;
        op->add[b] = wanted[blob] && !in_place(l, b);
        wanted[blob] = true;
        if (e->gradients[blob] == NULL)
            e->gradients[blob] = RS_NEW_ARRAY(float, (size_t)e->batch *(size_t)e->sizes[blob] + 1);
        if (e->gradients[blob] == NULL)
            return rs_out_of_memory(diag);
        op->bottom_gradient[b] = e->gradients[blob];
    }
    return RS_OK;
}

/* Decides where gradients flow: from the losses back to everything that depends on a parameter. */
static rs_status plan_gradients(rs_exec *e, rs_diag *diag)
{
    const rs_net *net = e->net;
    bool *flags = RS_NEW_ARRAY(bool, 2 * (size_t)net->n_blobs + 1);
    if (flags == NULL)
        return rs_out_of_memory(diag);
    bool *const learns = flags, *const wanted = flags + net->n_blobs;
    rs_status st = RS_OK;
    find_learning(e, learns);
    /* Backward. When a layer is visited, `wanted` marks the blobs whose gradient a later layer has produced. */
    for (int i = net->n_layers - 1; i >= 0 && st == RS_OK; i--) {
        const rs_layer *l = &net->layers[i];
        rs_op *op = &e->ops[i];
        bool reached = rs_layer_rule_of(l->type)->loss && l->loss_weight != 0.0f;
        for (int t = 0; t < l->n_tops; t++)
            reached = reached || wanted[l->tops[t]];
        e->backward[i] = reached && op->ops != NULL;
        st = plan_bottom_gradients(e, i, reached, wanted, diag);
        for (int t = 0; t < l->n_tops; t++)
            op->top_gradient[t] = e->gradients[l->tops[t]];
        for (int p = 0; p < l->n_params && st == RS_OK; p++) {
            op->gradients[p] = RS_NEW_ARRAY(float, (size_t)rs_shape_count(&l->params[p].shape, 0) + 1);
            if (op->gradients[p] == NULL)
                st = rs_out_of_memory(diag);
        }
    }
    rs_free(flags);
    return st;
}

/* The layer says what buffers it needs; it gets them here. */
static rs_status plan_op(rs_exec *e, rs_op *op, rs_diag *diag)
{
    rs_status st = op->ops->plan != NULL ? op->ops->plan(op, diag) : RS_OK;
    if (st != RS_OK)
        return st;
    if (op->scratch_size > e->scratch_size)
        e->scratch_size = op->scratch_size;
    op->prepared = RS_NEW_ARRAY(float, op->prepared_size + 1);
    op->record = op->record_size == 0 ? NULL : rs_calloc((size_t)e->batch, op->record_size);
    op->chunk_gradients = op->chunk_size == 0
                              ? NULL
                              : rs_calloc((size_t)chunk_count(e, e->batch), op->chunk_size * sizeof(float));
    const bool loss = rs_layer_rule_of(op->layer->type)->loss;
    op->image_loss = loss ? RS_NEW_ARRAY(double, (size_t)e->batch) : NULL;
    if (op->prepared == NULL || (op->record_size > 0 && op->record == NULL) ||
        (op->chunk_size > 0 && op->chunk_gradients == NULL) || (loss && op->image_loss == NULL))
        return rs_out_of_memory(diag);
    return RS_OK;
}

static rs_status construct(rs_exec *e, rs_diag *diag)
{
    const rs_net *net = e->net;
    const size_t blobs = (size_t)net->n_blobs + 1, layers = (size_t)net->n_layers + 1;
    e->values = RS_NEW_ARRAY(float *, blobs);
    e->gradients = RS_NEW_ARRAY(float *, blobs);
    e->sizes = RS_NEW_ARRAY(int64_t, blobs);
    e->scalar = RS_NEW_ARRAY(bool, blobs);
    e->ops = RS_NEW_ARRAY(rs_op, layers);
    e->backward = RS_NEW_ARRAY(bool, layers);
    if (e->values == NULL || e->gradients == NULL || e->sizes == NULL || e->scalar == NULL || e->ops == NULL ||
        e->backward == NULL)
        return rs_out_of_memory(diag);
    rs_status st = size_blobs(e, diag);
    if (st == RS_OK)
        st = allocate_values(e, diag);
    for (int i = 0; i < net->n_layers && st == RS_OK; i++) {
        rs_op *op = &e->ops[i];
        *op = (rs_op) { .ops = rs_layer_ops_of(&net->layers[i]),
                        .net = net,
                        .layer = &net->layers[i],
                        .index = i,
                        .batch = e->batch,
                        .training = e->training,
                        .bad_image = -1 };
        st = size_op(e, op, diag);
    }
    if (st == RS_OK && e->training)
        st = plan_gradients(e, diag);
    for (int i = 0; i < net->n_layers && st == RS_OK; i++)
        if (e->ops[i].ops != NULL)
            st = plan_op(e, &e->ops[i], diag);
    return st;
}

static rs_status create(const rs_net *net, int64_t batch, bool backward, int kept, rs_exec **exec, rs_diag *diag)
{
    *exec = NULL;
    if (batch < 1)
        return rs_error(diag, RS_INTERNAL, RS_NOWHERE, NULL, "a batch of %lld images was asked for", (long long)batch);
    rs_exec *e = RS_NEW(rs_exec);
    if (e == NULL)
        return rs_out_of_memory(diag);
    e->net = net;
    e->batch = batch;
    e->training = backward;
    e->kept = kept;
    const rs_status st = construct(e, diag);
    if (st != RS_OK) {
        rs_exec_free(e);
        return st;
    }
    *exec = e;
    return RS_OK;
}

rs_status rs_exec_new(const rs_net *net, int64_t batch, bool backward, rs_exec **exec, rs_diag *diag)
{
    return create(net, batch, backward, -1, exec, diag);
}

rs_status rs_exec_new_sharing(const rs_net *net, int64_t batch, int kept, rs_exec **exec, rs_diag *diag)
{
    return create(net, batch, false, kept, exec, diag);
}

rs_status rs_exec_sharing_batch(const rs_net *net, int kept, int64_t most, int64_t *batch, rs_diag *diag)
{
    const size_t blobs = (size_t)net->n_blobs + 1;
    int64_t *offsets = RS_NEW_ARRAY(int64_t, blobs), total = 0;
    rs_exec e = { .net = net, .batch = 1 };
    e.sizes = RS_NEW_ARRAY(int64_t, blobs);
    e.scalar = RS_NEW_ARRAY(bool, blobs);
    rs_status st = offsets != NULL && e.sizes != NULL && e.scalar != NULL ? size_blobs(&e, diag)
                                                                          : rs_out_of_memory(diag);
    if (st == RS_OK)
        st = rs_share_blobs(net, e.sizes, kept, offsets, &total, diag);
    if (st == RS_OK) {
        const int64_t fit = RS_EXEC_BYTES / (total * (int64_t)sizeof(float)), busy = 2 * (int64_t)rs_threads();
        const int64_t images = rs_max64(rs_max64(fit, rs_min64(2 * fit, busy)), 1);
        *batch = rs_min64(images, most);
    }
    rs_free(offsets);
    rs_free(e.sizes);
    rs_free(e.scalar);
    return st;
}

void rs_exec_free(rs_exec *e)
{
    if (e == NULL)
        return;
    for (int b = 0; b < e->net->n_blobs; b++) {
        if (e->values != NULL && e->shared == NULL)
            rs_free(e->values[b]);
        if (e->gradients != NULL)
            rs_free(e->gradients[b]);
    }
    for (int i = 0; e->ops != NULL && i < e->net->n_layers; i++) {
        rs_op *op = &e->ops[i];
        rs_free(op->bottom);
        rs_free(op->bottom_gradient);
        rs_free(op->bottom_size);
        rs_free(op->backward_data);
        rs_free(op->add);
        rs_free(op->top);
        rs_free(op->top_gradient);
        rs_free(op->top_size);
        for (int p = 0; p < RS_MAX_PARAMS; p++)
            rs_free(op->gradients[p]);
        rs_free(op->prepared);
        rs_free(op->record);
        rs_free(op->chunk_gradients);
        rs_free(op->image_loss);
    }
    rs_free(e->shared);
    rs_free(e->values);
    rs_free(e->gradients);
    rs_free(e->sizes);
    rs_free(e->scalar);
    rs_free(e->ops);
    rs_free(e->backward);
    rs_free(e->scratch);
    rs_free(e);
}

void rs_exec_set_hook(rs_exec *exec, rs_exec_hook hook, void *context)
{
    exec->hook = hook;
    exec->hook_context = context;
}

void rs_exec_set_backward_hook(rs_exec *exec, rs_exec_hook hook, void *context)
{
    exec->backward_hook = hook;
    exec->backward_context = context;
}

void rs_exec_set_random(rs_exec *exec, uint64_t seed, uint64_t iteration)
{
    for (int i = 0; i < exec->net->n_layers; i++) {
        exec->ops[i].seed = seed;
        exec->ops[i].iteration = iteration;
    }
}

float *rs_exec_blob(rs_exec *exec, int blob)
{
    return exec->values[blob];
}

int64_t rs_exec_blob_size(const rs_exec *exec, int blob)
{
    return exec->sizes[blob];
}

float *rs_exec_gradient(rs_exec *exec, int layer, int param)
{
    return exec->ops[layer].gradients[param];
}

/* ---------------------------------------------------------------------------------------------------------- run */

/* One pass for rs_parallel: chunks through layers [from, to), or the tasks of one step of layer `from`. */
typedef struct exec_pass {
    rs_exec *exec;
    int from, to, step;
    bool backward;
    int64_t n;
} exec_pass;

static float *scratch_of(rs_exec *e, int worker)
{
    return e->scratch + (size_t)worker * e->scratch_size;
}

static void call_hook(rs_exec *e, int layer, int64_t first, int64_t n)
{
    const rs_op *op = &e->ops[layer];
    if (e->hook != NULL && op->layer->n_tops > 0 && !e->scalar[op->layer->tops[0]])
        e->hook(e->hook_context, layer, op->top[0] + first * op->top_size[0], first, n, op->top_size[0]);
}

static void call_backward_hook(rs_exec *e, int layer, int64_t first, int64_t n)
{
    const rs_op *op = &e->ops[layer];
    if (e->backward_hook != NULL && op->layer->n_tops > 0 && !e->scalar[op->layer->tops[0]] &&
        op->top_gradient[0] != NULL)
        e->backward_hook(e->backward_context, layer, op->top_gradient[0] + first * op->top_size[0], first, n,
                         op->top_size[0]);
}

/* One chunk of images through the layers [from, to), forward or backward. */
static void run_chunk(void *context, size_t index, int worker)
{
    const exec_pass *p = context;
    rs_exec *e = p->exec;
    const int64_t size = chunk_of(e, p->n), first = (int64_t)index * size, left = p->n - first,
                  n = left < size ? left : size;
    float *scratch = scratch_of(e, worker);
    if (!p->backward) {
        for (int i = p->from; i < p->to; i++) {
            rs_op *op = &e->ops[i];
            if (op->ops == NULL)
                continue;
            if (op->ops->forward != NULL)
                op->ops->forward(op, first, n, scratch);
            call_hook(e, i, first, n);
        }
        return;
    }
    for (int i = p->to - 1; i >= p->from; i--)
        if (e->backward[i] && e->ops[i].ops->backward != NULL) {
            call_backward_hook(e, i, first, n);
            e->ops[i].ops->backward(&e->ops[i], first, n, scratch);
        }
}

/* One task of a layer that works on the whole batch. */
static void run_task(void *context, size_t index, int worker)
{
    const exec_pass *p = context;
    rs_op *op = &p->exec->ops[p->from];
    op->ops->task(op, p->backward, p->step, p->n, (int64_t)index, scratch_of(p->exec, worker));
}

/* Resets what one layer keeps from run to run, and lets it prepare its parameters. */
static void run_prepare(void *context, size_t index, int worker)
{
    (void)worker;
    const exec_pass *p = context;
    rs_op *op = &p->exec->ops[p->from + (int)index];
    op->n = p->n;
    op->loss = 0.0;
    op->bad_image = -1;
    if (op->ops != NULL && op->ops->prepare != NULL)
        op->ops->prepare(op);
}

/* Gradients of parameters are summed over the chunks in pieces of this many, one per task. */
enum { REDUCE_PIECE = 8192 };

static int64_t reduce_pieces(const rs_op *op)
{
    return ((int64_t)op->chunk_size + REDUCE_PIECE - 1) / REDUCE_PIECE;
}

/* Sums the chunks' gradients in the order of the chunks. */
static void run_reduce(void *context, size_t index, int worker)
{
    (void)worker;
    const exec_pass *p = context;
    int64_t piece = (int64_t)index;
    int layer = 0;
    for (; piece >= reduce_pieces(&p->exec->ops[layer]); layer++)
        piece -= reduce_pieces(&p->exec->ops[layer]);
    rs_op *op = &p->exec->ops[layer];
    int64_t from = piece * REDUCE_PIECE, to = from + REDUCE_PIECE, start = 0;
    for (int i = 0; i < op->layer->n_params; i++) {
        const int64_t count = rs_shape_count(&op->layer->params[i].shape, 0);
        const int64_t a = from > start ? from - start : 0, b = to < start + count ? to - start : count;
        float *total = op->gradients[i];
        const int64_t chunks = p->exec->backward[layer] ? chunk_count(p->exec, p->n) : 0;
        for (int64_t j = a; j < b; j++)
            total[j] = chunks > 0 ? op->chunk_gradients[start + j] : 0.0f;
        for (int64_t c = 1; c < chunks; c++) {
            const float *part = op->chunk_gradients + c * (int64_t)op->chunk_size + start;
            for (int64_t j = a; j < b; j++)
                total[j] += part[j];
        }
        start += count;
    }
}

/* Scratch for each worker; the number of threads may have grown since the last run. */
static rs_status make_scratch(rs_exec *e, rs_diag *diag)
{
    const int workers = rs_threads();
    if (workers > e->workers) {
        rs_free(e->scratch);
        e->workers = 0;
        e->scratch = rs_calloc((size_t)workers, (e->scratch_size + 1) * sizeof(float));
        if (e->scratch == NULL)
            return rs_out_of_memory(diag);
        e->workers = workers;
    }
    return RS_OK;
}

/* Layers without tasks of their own run chunk by chunk, several of them in a row. */
static bool by_chunks(const rs_exec *e, int layer)
{
    return e->ops[layer].ops == NULL || e->ops[layer].ops->task == NULL;
}

/* All steps of a layer that works on the whole batch: one is finished before the next begins. */
static void run_steps(rs_exec *e, int layer, bool backward, int64_t n)
{
    const rs_op *op = &e->ops[layer];
    exec_pass p = { .exec = e, .from = layer, .backward = backward, .n = n };
    for (p.step = 0; p.step < (backward ? op->ops->backward_steps : op->ops->forward_steps); p.step++)
        rs_parallel((size_t)op->ops->tasks(op, backward, p.step, n), run_task, &p);
}

/* The hook of such a layer, which has no chunks of its own. */
static void hook_chunk(void *context, size_t index, int worker)
{
    (void)worker;
    const exec_pass *p = context;
    const int64_t size = chunk_of(p->exec, p->n), first = (int64_t)index * size, left = p->n - first,
                  n = left < size ? left : size;
    if (p->backward)
        call_backward_hook(p->exec, p->from, first, n);
    else
        call_hook(p->exec, p->from, first, n);
}

/* The label that op->bad_image was found by. */
static float bad_label(const rs_op *op)
{
    const float *labels = op->bottom[1] + op->bad_image * op->bottom_size[1];
    const float classes = (float)op->net->blobs[op->layer->bottoms[0]].shape.dim[1];
    const rs_criterion_param *p = &op->layer->criterion;
    int64_t i = 0;
    while (i + 1 < op->bottom_size[1] &&
           ((labels[i] >= 0.0f && labels[i] < classes) || (p->ignores && labels[i] == (float)p->ignored)))
        i++;
    return labels[i];
}

static rs_status forward(rs_exec *e, int from, int to, int64_t n, double *loss, rs_diag *diag)
{
    if (n < 1 || n > e->batch || from < 0 || to > e->net->n_layers || from > to)
        return rs_error(diag, RS_INTERNAL, RS_NOWHERE, NULL,
                        "layers %d to %d of %d, %lld images of %lld, were asked for", from, to, e->net->n_layers,
                        (long long)n, (long long)e->batch);
    rs_status st = make_scratch(e, diag);
    if (st != RS_OK)
        return st;
    exec_pass p = { .exec = e, .from = from, .n = n };
    rs_parallel((size_t)(to - from), run_prepare, &p);
    /* As many layers in a row as run by chunks are one pass; a layer with tasks is one of its own. Where blobs share
     * memory, a layer is done with all images before the next one writes over what it has read. */
    for (int i = from; i < to;) {
        p.from = i;
        if (by_chunks(e, i)) {
            do
                i++;
            while (i < to && by_chunks(e, i) && e->shared == NULL);
            p.to = i;
            rs_parallel((size_t)chunk_count(e, n), run_chunk, &p);
            continue;
        }
        run_steps(e, i, false, n);
        if (e->hook != NULL)
            rs_parallel((size_t)chunk_count(e, n), hook_chunk, &p);
        i++;
    }
    /* Totals of the batch, on this thread, so that the order of the sums is fixed. */
    double total = 0.0;
    for (int i = from; i < to; i++) {
        rs_op *op = &e->ops[i];
        if (op->bad_image >= 0)
            return rs_error(diag, RS_BAD_INPUT, op->layer->loc,
                            "the network's number of outputs must cover every label of the data",
                            "layer '%s': the label %g of image %lld of the batch is not one of its %lld classes",
                            op->layer->name, (double)bad_label(op), (long long)op->bad_image,
                            (long long)e->net->blobs[op->layer->bottoms[0]].shape.dim[1]);
        if (op->ops != NULL && op->ops->finish != NULL)
            op->ops->finish(op, n);
        total += op->loss;
    }
    if (loss != NULL)
        *loss = total;
    return RS_OK;
}

rs_status rs_exec_forward(rs_exec *exec, int from, int to, int64_t n, double *loss, rs_diag *diag)
{
    return forward(exec, from, to, n, loss, diag);
}

rs_status rs_exec_forward_backward(rs_exec *e, int64_t n, double *loss, rs_diag *diag)
{
    if (!e->training)
        return rs_error(diag, RS_INTERNAL, RS_NOWHERE, NULL, "gradients were asked for without their buffers");
    rs_status st = forward(e, 0, e->net->n_layers, n, loss, diag);
    if (st != RS_OK)
        return st;
    exec_pass p = { .exec = e, .backward = true, .n = n };
    /* The same passes as forward, from the last layer to the first. */
    for (int i = e->net->n_layers; i > 0;) {
        p.to = i;
        if (by_chunks(e, i - 1)) {
            while (i > 0 && by_chunks(e, i - 1))
                i--;
            p.from = i;
            rs_parallel((size_t)chunk_count(e, n), run_chunk, &p);
            continue;
        }
        i--;
        p.from = i;
        if (e->backward[i] && e->backward_hook != NULL)
            rs_parallel((size_t)chunk_count(e, n), hook_chunk, &p);
        if (e->backward[i])
            run_steps(e, i, true, n);
    }
    int64_t pieces = 0;
    for (int i = 0; i < e->net->n_layers; i++)
        pieces += reduce_pieces(&e->ops[i]);
    rs_parallel((size_t)pieces, run_reduce, &p);
    return RS_OK;
}
