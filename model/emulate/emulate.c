/* Trials on one batch of images: the float net with parts rounded. */
#include "emulate/emulate.h"

#include <stdatomic.h>
#include <string.h>

#include "base/hash.h"
#include "base/threads.h"

enum {
    SLICE = 32,           /* images that one task prepares */
    MAX_IMAGES = 1024,    /* a batch */
    PARAM_SLICE = 1 << 14 /* weights that one task rounds */
};
static const double max_bytes = 256e6; /* of blobs */
static const rs_number_format no_format;

struct rs_emulator {
    const rs_net *source;
    const rs_plan *plan;
    rs_data_param data;
    rs_net net;      /* the source's blobs and layers, but params[].data point to the source's or to rounded[] */
    float **rounded; /* [layer * RS_MAX_PARAMS + param]: room for rounded parameters, made when first needed */
    rs_exec *exec;
    int64_t batch;

    /* The images that are loaded, and those that follow. */
    rs_dataset set; /* a view of the one that they come from */
    rs_feed *feed;
    float *input; /* as floats, [batch][count] */
    const int32_t *labels;
    int64_t n;

    int valid;          /* layers [0, valid) hold what the float net gives for these images */
    bool input_rounded; /* the exec's input blob differs from `input` */

    /* What the hook does. */
    rs_number_format *hook_format; /* per layer; no bits: nothing */
    rs_rounding rounding;
    _Atomic int32_t *low, *high; /* per blob, while ranges are measured; else NULL */
};

float rs_float_of_key(int32_t key)
{
    const int32_t bits = rs_key_of_bits(key); /* its own inverse */
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static void extremes_of(const float *x, size_t n, int32_t *low, int32_t *high)
{
    int32_t min = INT32_MAX, max = INT32_MIN;
    for (size_t i = 0; i < n; i++) {
        int32_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        const int32_t key = rs_key_of_bits(bits);
        min = key < min ? key : min;
        max = key > max ? key : max;
    }
    *low = min;
    *high = max;
}

static void widen(rs_emulator *e, int blob, const float *x, size_t n)
{
    int32_t low, high;
    extremes_of(x, n, &low, &high);
    int32_t seen = atomic_load(&e->low[blob]);
    while (low < seen && !atomic_compare_exchange_weak(&e->low[blob], &seen, low))
        ;
    seen = atomic_load(&e->high[blob]);
    while (high > seen && !atomic_compare_exchange_weak(&e->high[blob], &seen, high))
        ;
}

static void hook(void *context, int layer, float *data, int64_t first, int64_t n, int64_t per_image)
{
    rs_emulator *e = context;
    (void)first;
    const size_t count = (size_t)(n * per_image);
    const rs_layer *l = &e->net.layers[layer];
    if (l->type == RS_LAYER_INPUT || l->n_tops != 1 || layer >= e->plan->n_layers)
        return;
    if (e->low != NULL) {
        const int blob = l->tops[0];
        if (e->plan->format_class[blob] >= 0 && e->plan->last_writer[blob] == layer)
            widen(e, blob, data, count);
    } else {
        rs_number_emulate(data, count, e->hook_format[layer], e->rounding, 0, 0);
    }
}

rs_status rs_emulator_new(const rs_net *net, const rs_plan *plan, const rs_data_param *data, int64_t images,
                          rs_emulator **emulator, rs_diag *diag)
{
    *emulator = NULL;
    rs_emulator *e = RS_NEW(rs_emulator);
    if (e == NULL)
        return rs_out_of_memory(diag);
    e->source = net;
    e->plan = plan;
    e->data = data != NULL ? *data : (rs_data_param) { .scale = 1.0f };
    double bytes = 0;
    for (int b = 0; b < net->n_blobs; b++)
        bytes += (double)sizeof(float) * (double)rs_plan_count(net, b);
    const double room = max_bytes / (bytes > 1 ? bytes : 1);
    e->batch = room >= MAX_IMAGES ? MAX_IMAGES : room < 1 ? 1 : (int64_t)room;
    e->batch = e->batch > SLICE ? e->batch - e->batch % SLICE : e->batch;
    e->batch = images < e->batch ? images : e->batch;

    e->net = *net;
    e->net.layers = RS_NEW_ARRAY(rs_layer, (size_t)net->n_layers);
    e->rounded = RS_NEW_ARRAY(float *, (size_t)net->n_layers *RS_MAX_PARAMS);
    e->hook_format = RS_NEW_ARRAY(rs_number_format, (size_t)net->n_layers);
    e->input = RS_NEW_ARRAY(float, (size_t)(e->batch * rs_plan_count(net, plan->input)));
    if (e->net.layers == NULL || e->rounded == NULL || e->hook_format == NULL || e->input == NULL) {
        rs_emulator_free(e);
        return rs_out_of_memory(diag);
    }
    memcpy(e->net.layers, net->layers, (size_t)net->n_layers * sizeof *net->layers);
    const rs_status st = rs_exec_new(&e->net, e->batch, false, &e->exec, diag);
    if (st != RS_OK) {
        rs_emulator_free(e);
        return st;
    }
    rs_exec_set_hook(e->exec, hook, e);
    *emulator = e;
    return RS_OK;
}

void rs_emulator_free(rs_emulator *emulator)
{
    if (emulator == NULL)
        return;
    rs_exec_free(emulator->exec);
    rs_feed_free(emulator->feed);
    for (size_t i = 0; emulator->rounded != NULL && i < (size_t)emulator->net.n_layers * RS_MAX_PARAMS; i++)
        rs_free(emulator->rounded[i]);
    rs_free(emulator->rounded);
    rs_free(emulator->net.layers);
    rs_free(emulator->hook_format);
    rs_free(emulator->input);
    rs_free(emulator);
}

int64_t rs_emulator_batch(const rs_emulator *emulator)
{
    return emulator->batch;
}

const float *rs_emulator_blob(const rs_emulator *emulator, int blob)
{
    return blob == emulator->plan->input ? emulator->input : rs_exec_blob(emulator->exec, blob);
}

/* -------------------------------------------------------------------------------------------------------- input */

typedef struct emulate_input_job {
    rs_emulator *e;
    rs_number_format format; /* round to it if it has bits */
    atomic_bool changed;     /* rounding changed something */
} emulate_input_job;

static void input_task(void *context, size_t i, int worker)
{
    (void)worker;
    emulate_input_job *job = context;
    rs_emulator *e = job->e;
    const int64_t from = (int64_t)i * SLICE, left = e->n - from, n = left < SLICE ? left : SLICE;
    const int64_t count = rs_plan_count(e->source, e->plan->input);
    float *const kept = e->input + from * count, *const blob = rs_exec_blob(e->exec, e->plan->input) + from * count;
    const size_t bytes = (size_t)(n * count) * sizeof(float);
    memcpy(blob, kept, bytes);
    if (job->format.bits > 0) {
        /* arithmetic.md section 7 */
        rs_number_emulate(blob, (size_t)(n * count), job->format, rs_number_nearest(job->format), 0, 0);
        if (memcmp(blob, kept, bytes) != 0)
            atomic_store(&job->changed, true);
    }
}

/* The loaded images into the exec's input, rounded to the format if it has bits. Whether that changed something. */
static bool set_input(rs_emulator *e, rs_number_format format)
{
    emulate_input_job job = { .e = e, .format = format };
    rs_parallel((size_t)((e->n + SLICE - 1) / SLICE), input_task, &job);
    return atomic_load(&job.changed);
}

/* A feed that gives image `first` of the set next: the one there is, if it is at that image. */
static rs_status aim_feed(rs_emulator *e, const rs_dataset *set, int64_t first, rs_diag *diag)
{
    const rs_dataset *old = &e->set;
    const bool same = e->feed != NULL && old->pixels == set->pixels && old->source == set->source &&
                      old->base == set->base && old->count == set->count && old->labels == set->labels;
    if (same && rs_feed_position(e->feed) == first)
        return RS_OK;
    rs_feed_free(e->feed);
    e->set = *set;
    return rs_feed_new(&e->set, &e->data, NULL, first, e->batch, &e->feed, diag);
}

rs_status rs_emulator_load(rs_emulator *emulator, const rs_dataset *set, int64_t first, int64_t n, rs_diag *diag)
{
    emulator->n = n;
    emulator->labels = set->labels + first;
    emulator->valid = 0;
    rs_status st = aim_feed(emulator, set, first, diag);
    if (st == RS_OK)
        st = rs_feed_next(emulator->feed, n, emulator->input, NULL, diag);
    emulator->input_rounded = st == RS_OK && set_input(emulator, no_format);
    return st;
}

/* --------------------------------------------------------------------------------------------------- parameters */

typedef struct emulate_param_job {
    const float *from;
    float *to;
    size_t n, slice; /* elements, and of one task */
    rs_number_format format;
    const int *fl; /* by slice, instead of the format's; or NULL */
} emulate_param_job;

static void param_task(void *context, size_t i, int worker)
{
    (void)worker;
    const emulate_param_job *job = context;
    const size_t from = i * job->slice, n = job->n - from < job->slice ? job->n - from : job->slice;
    rs_number_format format = job->format;
    if (job->fl != NULL)
        format.fl = job->fl[i];
    memcpy(job->to + from, job->from + from, n * sizeof(float));
    rs_number_emulate(job->to + from, n, format, rs_number_nearest(format), 0, 0);
}

void rs_emulate_bias(const float *from, float *to, size_t n, rs_number_format weights, const int *weight_fl,
                     rs_number_format input, rs_bias_rule rule)
{
    if (to != from)
        memcpy(to, from, n * sizeof(float));
    const bool aligned = rs_number_ops_of(&weights)->aligned_bias && rs_number_ops_of(&input)->aligned_bias;
    for (size_t i = 0; i < n; i++) {
        const rs_fxp w = { weights.bits, weight_fl != NULL ? weight_fl[i] : weights.fl };
        const int fl = w.fl + input.fl;
        if (aligned && input.bits > 0 && fl >= -64 && fl <= 64) {
            to[i] = (float)rs_fxp_value(rs_fxp_bias((double)from[i], rule, w, input.fl, RS_ROUND_NEAREST, NULL), fl);
        } else if (rule == RS_BIAS_WEIGHTS) {
            rs_number_format format = weights;
            format.fl = w.fl;
            rs_number_emulate(&to[i], 1, format, rs_number_nearest(format), 0, 0);
        }
    }
}

static rs_status set_params(rs_emulator *e, const rs_formats *formats, rs_bias_rule rule, rs_diag *diag)
{
    for (int i = 0; i < e->plan->n_layers; i++) {
        const rs_layer *source = &e->source->layers[i];
        rs_layer *layer = &e->net.layers[i];
        const rs_number_format format = formats != NULL ? formats->weights[i] : no_format;
        const int *fl = formats != NULL ? formats->weight_fl[i] : NULL;
        if (format.bits > 24)
            return rs_error(diag, RS_USAGE, source->loc, NULL,
                            "layer '%s': %d-bit weights, expected at most 24 bits in float emulation", source->name,
                            format.bits);
        for (int p = 0; p < source->n_params; p++) {
            layer->params[p].data = source->params[p].data;
            if (format.bits == 0)
                continue;
            const size_t n = (size_t)rs_shape_count(&source->params[p].shape, 0);
            float **room = &e->rounded[i * RS_MAX_PARAMS + p];
            if (*room == NULL)
                *room = RS_NEW_ARRAY(float, n);
            if (*room == NULL)
                return rs_out_of_memory(diag);
            if (p == 0) {
                const size_t slice = fl != NULL ? (size_t)rs_shape_count(&source->params[0].shape, 1) : PARAM_SLICE;
                const float *from = formats->rounded[i] != NULL ? formats->rounded[i] : source->params[p].data;
                emulate_param_job job = {
                    .from = from, .to = *room, .n = n, .slice = slice, .format = format, .fl = fl
                };
                rs_parallel((n + slice - 1) / slice, param_task, &job);
            } else {
                const float *from = formats->bias[i] != NULL ? formats->bias[i] : source->params[p].data;
                rs_emulate_bias(from, *room, n, format, fl, formats->activations[source->bottoms[0]], rule);
            }
            layer->params[p].data = *room;
        }
    }
    return RS_OK;
}

rs_status rs_emulator_hash_params(rs_emulator *emulator, const rs_formats *formats, rs_bias_rule bias_rule,
                                  rs_rounding rounding, uint64_t *hash, rs_diag *diag)
{
    emulator->rounding = rounding;
    const rs_status st = set_params(emulator, formats, bias_rule, diag);
    uint64_t h = 0;
    for (int i = 0; st == RS_OK && i < emulator->plan->n_layers; i++) {
        const rs_layer *layer = &emulator->net.layers[i];
        for (int p = 0; p < layer->n_params; p++) {
            const size_t n = (size_t)rs_shape_count(&layer->params[p].shape, 0);
            for (size_t k = 0; k < n; k++) {
                uint32_t bits;
                const float x = layer->params[p].data[k] + 0.0f; /* -0 becomes 0, the same number */
                memcpy(&bits, &x, sizeof bits);
                h = rs_hash_number(h, bits);
            }
        }
    }
    *hash = h;
    return st;
}

/* --------------------------------------------------------------------------------------------------------- runs */

rs_number_format rs_emulated_activation(const rs_formats *formats, const rs_plan *plan, int blob)
{
    rs_number_format format = formats->activations[blob];
    if (formats->wide_scores && plan->format_class[blob] == plan->format_class[plan->scores])
        return no_format;
    format.bits += format.bits > 0 && formats->is_unsigned[blob];
    return format;
}

/* Where a run may start if layers [0, layer) need not be computed. */
static int restart_at(const rs_emulator *e, int layer)
{
    while (layer > 0 && layer < e->plan->n_layers && !e->plan->restart[layer])
        layer--;
    return layer;
}

rs_status rs_emulator_measure(rs_emulator *emulator, rs_extremes *extremes, rs_diag *diag)
{
    rs_emulator *e = emulator;
    const int blobs = e->net.n_blobs, input = e->plan->input;
    e->low = RS_NEW_ARRAY(_Atomic int32_t, (size_t)blobs);
    e->high = RS_NEW_ARRAY(_Atomic int32_t, (size_t)blobs);
    rs_status st = e->low != NULL && e->high != NULL ? set_params(e, NULL, RS_BIAS_ACCUMULATOR, diag)
                                                     : rs_out_of_memory(diag);
    if (st == RS_OK) {
        for (int b = 0; b < blobs; b++) {
            atomic_init(&e->low[b], extremes[b].min);
            atomic_init(&e->high[b], extremes[b].max);
        }
        if (e->input_rounded)
            e->input_rounded = set_input(e, no_format);
        if (e->plan->last_writer[input] < 0)
            widen(e, input, e->input, (size_t)(e->n * rs_plan_count(e->source, input)));
        st = rs_exec_forward(e->exec, 0, e->plan->n_layers, e->n, NULL, diag);
        e->valid = st == RS_OK ? e->plan->n_layers : 0;
        for (int b = 0; b < blobs; b++)
            extremes[b] = (rs_extremes) { atomic_load(&e->low[b]), atomic_load(&e->high[b]) };
    }
    rs_free((void *)e->low);
    rs_free((void *)e->high);
    e->low = e->high = NULL;
    return st;
}

rs_status rs_emulator_run(rs_emulator *emulator, const rs_formats *formats, rs_bias_rule bias_rule,
                          rs_rounding rounding, int top_k, rs_counts *counts, rs_diag *diag)
{
    rs_emulator *e = emulator;
    const rs_plan *plan = e->plan;
    e->rounding = rounding;
    rs_status st = set_params(e, formats, bias_rule, diag);
    if (st != RS_OK)
        return st;

    int changed = plan->n_layers; /* the first layer that gives other values than in float */
    for (int i = plan->n_layers - 1; i >= 0; i--) {
        e->hook_format[i] = formats != NULL && plan->rounded[i] >= 0
                                ? rs_emulated_activation(formats, plan, plan->rounded[i])
                                : no_format;
        if (e->hook_format[i].bits > 0 || (formats != NULL && formats->weights[i].bits > 0))
            changed = i;
    }
    const rs_number_format input = formats != NULL ? rs_emulated_activation(formats, plan, plan->input) : no_format;
    if (e->input_rounded || input.bits > 0) {
        if (e->input_rounded)
            e->valid = 0;
        e->input_rounded = set_input(e, input);
        if (e->input_rounded)
            e->valid = changed = 0;
    }
    const int start = restart_at(e, changed < e->valid ? changed : e->valid);
    st = start < plan->n_layers ? rs_exec_forward(e->exec, start, plan->n_layers, e->n, NULL, diag) : RS_OK;
    e->valid = st == RS_OK ? changed : 0;
    if (st == RS_OK)
        counts->hits = rs_count_hits(rs_exec_blob(e->exec, plan->scores), e->labels, e->n,
                                     rs_plan_count(e->source, plan->scores), top_k, &counts->ties);
    return st;
}

const float *rs_emulator_scores(const rs_emulator *emulator)
{
    return rs_exec_blob(emulator->exec, emulator->plan->scores);
}
