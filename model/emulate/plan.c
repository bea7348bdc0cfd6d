/* Which blobs share a format, and where a float net is rounded as its integers will be. */
#include "emulate/plan.h"

#include "qnet/build.h"
#include "qnet/rule.h"

/* One value is what one layer writes into its top; a blob that is worked on in place holds several, one after the
 * other. */
typedef struct plan_value {
    int writer; /* layer; -1: from outside */
    int blob;
    int consumers; /* layers that read it; the host counts as one for the scores */
    int consumer;  /* the last of them */
} plan_value;

static bool max_pooling(const rs_layer *layer)
{
    return layer->type == RS_LAYER_POOLING && layer->pooling.method == RS_POOL_MAX;
}

static bool plain_relu(const rs_layer *layer)
{
    return layer->type == RS_LAYER_RELU && layer->relu_slope == 0.0f;
}

/* Layers whose outputs hold values of their input, or zero: a rounded input gives a rounded output. All of them are
 * monotone and keep zero, so that rounding before and after them is the same. */
static bool selects(const rs_layer *layer)
{
    return max_pooling(layer) || plain_relu(layer) || rs_layer_moves(layer);
}

/* Layers whose output has the format of their input. */
static bool keeps_format(const rs_layer *layer)
{
    const rs_qop_rule *rule = rs_qop_rule_of_layer(layer);
    return rule == NULL ? rs_layer_moves(layer)
                        : (rule->has & RS_QOP_KEEPS) != 0 && (layer->type != RS_LAYER_RELU || plain_relu(layer));
}

static bool activation_layer(const rs_layer *layer)
{
    return rs_qop_rule_of_layer(layer) != NULL || rs_layer_moves(layer);
}

static int class_of(const rs_plan *plan, int blob)
{
    while (plan->format_class[blob] >= 0 && plan->format_class[blob] != blob) {
        blob = plan->format_class[blob];
    }
    return blob;
}

static void share_format(rs_plan *plan, int a, int b)
{
    int x = class_of(plan, a), y = class_of(plan, b);
    /* The earlier blob represents the class. */
    plan->format_class[x > y ? x : y] = x > y ? y : x;
}

/* Layers that read a blob, those apart that work on it in place. */
static int readers_of(const rs_net *net, int n_layers, int blob)
{
    int readers = 0;
    for (int i = 0; i < n_layers; i++) {
        const rs_layer *layer = &net->layers[i];
        for (int k = 0; k < layer->n_bottoms; k++)
            readers += layer->bottoms[k] == blob && (layer->n_tops < 1 || layer->tops[0] != blob);
    }
    return readers;
}

/* Classes of blobs, and who reads which value. `current` is per blob, `value_in` and `value_out` per layer. */
static void connect(const rs_net *net, rs_plan *plan, plan_value *values, int *current, int *value_in, int *value_out)
{
    int n_values = 0;
    for (int b = 0; b < net->n_blobs; b++) {
        values[n_values] = (plan_value) { .writer = -1, .blob = b, .consumers = 0, .consumer = -1 };
        current[b] = n_values++;
        plan->format_class[b] = -1;
        plan->in_range[b] = true;
        plan->last_writer[b] = -1;
    }
    plan->format_class[plan->input] = plan->input;
    for (int i = 0; i < plan->n_layers; i++) {
        const rs_layer *layer = &net->layers[i];
        value_in[i] = layer->n_bottoms > 0 ? current[layer->bottoms[0]] : -1;
        for (int k = 0; k < layer->n_bottoms; k++) {
            plan_value *v = &values[current[layer->bottoms[k]]];
            v->consumers++;
            v->consumer = i;
        }
        for (int k = 0; k < layer->n_tops; k++) {
            int top = layer->tops[k];
            values[n_values] = (plan_value) { .writer = i, .blob = top, .consumers = 0, .consumer = -1 };
            current[top] = n_values++;
            plan->last_writer[top] = layer->type == RS_LAYER_INPUT ? -1 : i;
            if (activation_layer(layer) && plan->format_class[top] < 0) {
                plan->format_class[top] = top;
            }
        }
        value_out[i] = layer->n_tops > 0 ? current[layer->tops[0]] : -1;
    }
    values[current[plan->scores]].consumers++;
    for (int i = 0; i < plan->n_layers; i++) {
        const rs_layer *layer = &net->layers[i];
        for (int k = 0; k < layer->n_bottoms; k++) {
            const int bottom = layer->bottoms[k];
            const bool shares = keeps_format(layer) ||
                                (layer->type == RS_LAYER_CONCAT && readers_of(net, plan->n_layers, bottom) == 1);
            for (int t = 0; t < layer->n_tops && shares && plan->format_class[bottom] >= 0; t++)
                share_format(plan, bottom, layer->tops[t]);
        }
    }
    for (int b = 0; b < net->n_blobs; b++) {
        if (plan->format_class[b] >= 0) {
            plan->format_class[b] = class_of(plan, b);
        }
    }
}

/* Whether all inputs of a layer have been rounded to the format of its output. */
static bool inputs_share(const rs_plan *plan, const rs_layer *layer)
{
    for (int k = 0; k < layer->n_bottoms; k++)
        if (plan->format_class[layer->bottoms[k]] < 0 ||
            plan->format_class[layer->bottoms[k]] != plan->format_class[layer->tops[0]])
            return false;
    return true;
}

/* Whether layer k is `from`, or one of the layers in a row after it that lead to layer `to`. */
static bool chain_holds(const rs_net *net, int from, int k, int to)
{
    int blob = net->layers[from].tops[0];
    bool on = k == from;
    for (int i = from + 1; i < to; i++) {
        const rs_layer *layer = &net->layers[i];
        if (layer->n_bottoms != 1 || layer->n_tops != 1 || layer->bottoms[0] != blob)
            continue;
        blob = layer->tops[0];
        on = on || k == i;
    }
    return on && blob == net->layers[to].bottoms[0];
}

/* The values of layer `from` on its way to layer `to` are not seen by anybody else: their range does not count. */
static void hide(const rs_net *net, rs_plan *plan, int from, int to)
{
    for (int k = from; k < to; k++)
        if (net->layers[k].n_tops == 1 && chain_holds(net, from, k, to) &&
            net->layers[k].tops[0] != net->layers[to].tops[0])
            plan->in_range[net->layers[k].tops[0]] = false;
}

/* A value is rounded by the layer that makes it, or, where nobody else reads it, after the pooling and ReLU that
 * follow: there are fewer values after a pooling, and they come out the same. */
static void place_rounding(const rs_net *net, rs_plan *plan, const plan_value *values, const int *value_in,
                           const int *value_out)
{
    for (int i = 0; i < plan->n_layers; i++) {
        plan->rounded[i] = -1;
    }
    for (int i = 0; i < plan->n_layers; i++) {
        const rs_layer *layer = &net->layers[i];
        if (!activation_layer(layer) || layer->n_tops != 1) {
            continue;
        }
        bool from_activation = value_in[i] >= 0 && plan->format_class[values[value_in[i]].blob] >= 0;
        if ((selects(layer) && from_activation) || (layer->type == RS_LAYER_CONCAT && inputs_share(plan, layer))) {
            continue; /* its input has been rounded, or the layer that made the input placed its rounding further down
                       */
        }
        int at = i;
        const plan_value *v = &values[value_out[i]];
        /* A ReLU that follows such a layer is fused into it, also through max pooling: what lies before the ReLU is
         * never seen. */
        bool fuses = rs_layer_group(layer) != RS_GROUPS || layer->type == RS_LAYER_ELTWISE;
        while (v->consumers == 1 && v->consumer >= 0 && selects(&net->layers[v->consumer]) &&
               net->layers[v->consumer].n_tops == 1) {
            const rs_layer *next = &net->layers[v->consumer];
            fuses = fuses && (max_pooling(next) || plain_relu(next));
            if (fuses && plain_relu(next)) {
                fuses = false;
                hide(net, plan, i, v->consumer);
            }
            at = v->consumer;
            v = &values[value_out[at]];
        }
        /* What only a clip reads is clipped as well if the format does not hold it. */
        if (fuses && v->consumers == 1 && v->consumer >= 0 && net->layers[v->consumer].type == RS_LAYER_CLIP)
            hide(net, plan, i, v->consumer);
        plan->rounded[at] = plan->format_class[net->layers[at].tops[0]];
    }
}

/* Blobs whose integers cannot be below zero, class by class: what a ReLU gives, and what is made of that. */
static void find_unsigned(const rs_net *net, rs_plan *plan, bool *below)
{
    /* below[b]: what blob b holds at this point of the walk may be below zero. */
    for (int b = 0; b < net->n_blobs; b++) {
        below[b] = true;
        plan->never_below[b] = plan->format_class[b] >= 0;
    }
    for (int i = 0; i < plan->n_layers; i++) {
        const rs_layer *layer = &net->layers[i];
        bool some = layer->n_bottoms < 1 || !activation_layer(layer) || rs_layer_group(layer) != RS_GROUPS;
        for (int k = 0; k < layer->n_bottoms; k++)
            some = some || below[layer->bottoms[k]];
        for (int t = 0; t < layer->n_tops; t++)
            below[layer->tops[t]] = some && !plain_relu(layer) &&
                                    !(layer->type == RS_LAYER_CLIP && layer->clip[0] >= 0.0f);
        for (int t = 0; t < layer->n_tops; t++)
            if (below[layer->tops[t]] && plan->last_writer[layer->tops[t]] == i && plan->in_range[layer->tops[t]] &&
                plan->format_class[layer->tops[t]] >= 0)
                plan->never_below[plan->format_class[layer->tops[t]]] = false;
    }
    if (plan->last_writer[plan->input] < 0)
        plan->never_below[plan->format_class[plan->input]] = false;
    for (int b = 0; b < net->n_blobs; b++)
        if (plan->format_class[b] >= 0)
            plan->never_below[b] = plan->never_below[plan->format_class[b]];
}

/* Layer k can start a run if no layer from k on works in place on what a layer before k made. */
static void place_restarts(const rs_net *net, rs_plan *plan)
{
    for (int k = 0; k < plan->n_layers; k++) {
        plan->restart[k] = true;
    }
    for (int i = 0; i < plan->n_layers; i++) {
        const rs_layer *layer = &net->layers[i];
        for (int t = 0; t < layer->n_tops; t++) {
            for (int b = 0; b < layer->n_bottoms; b++) {
                if (layer->tops[t] != layer->bottoms[b]) {
                    continue;
                }
                int made = -1; /* the layer that wrote the blob before layer i did; -1: the caller */
                for (int j = 0; j < i; j++) {
                    for (int u = 0; u < net->layers[j].n_tops; u++) {
                        made = net->layers[j].tops[u] == layer->tops[t] ? j : made;
                    }
                }
                for (int k = made + 1; k <= i; k++) {
                    plan->restart[k] = false;
                }
            }
        }
    }
}

rs_status rs_plan_new(const rs_net *net, rs_plan **plan, rs_diag *diag)
{
    *plan = NULL;
    int input = rs_net_input(net), scores = rs_net_scores(net);
    if (input < 0 || scores < 0) {
        return rs_error(diag, RS_BAD_INPUT, RS_FILE(net->path), "a net needs an input blob and a layer after it",
                        "net '%s' has no %s", net->name ? net->name : "", input < 0 ? "input" : "class scores");
    }
    size_t layers = (size_t)net->n_layers, blobs = (size_t)net->n_blobs, tops = 0;
    for (int i = 0; i < net->n_layers; i++) {
        tops += (size_t)net->layers[i].n_tops;
    }
    rs_plan *p = RS_NEW(rs_plan);
    plan_value *values = RS_NEW_ARRAY(plan_value, blobs + tops);
    int *current = RS_NEW_ARRAY(int, blobs);
    bool *below = NULL;
    int *value_in = RS_NEW_ARRAY(int, layers), *value_out = RS_NEW_ARRAY(int, layers);
    bool ok = p && values && current && value_in && value_out;
    if (ok) {
        p->last_writer = RS_NEW_ARRAY(int, blobs);
        p->format_class = RS_NEW_ARRAY(int, blobs);
        p->in_range = RS_NEW_ARRAY(bool, blobs);
        p->never_below = RS_NEW_ARRAY(bool, blobs);
        below = RS_NEW_ARRAY(bool, blobs);
        p->rounded = RS_NEW_ARRAY(int, layers);
        p->restart = RS_NEW_ARRAY(bool, layers);
        ok = p->last_writer && p->format_class && p->in_range && p->never_below && below && p->rounded && p->restart;
    }
    if (ok) {
        p->input = input;
        p->scores = scores;
        p->n_blobs = net->n_blobs;
        for (int i = 0; i < net->n_layers; i++) {
            const rs_layer *layer = &net->layers[i];
            for (int t = 0; t < layer->n_tops; t++) {
                p->n_layers = layer->tops[t] == scores ? i + 1 : p->n_layers;
            }
        }
        while (p->first_layer < p->n_layers && net->layers[p->first_layer].type == RS_LAYER_INPUT) {
            p->first_layer++;
        }
        connect(net, p, values, current, value_in, value_out);
        place_rounding(net, p, values, value_in, value_out);
        find_unsigned(net, p, below);
        place_restarts(net, p);
        *plan = p;
        p = NULL;
    }
    rs_plan_free(p);
    rs_free(values);
    rs_free(current);
    rs_free(below);
    rs_free(value_in);
    rs_free(value_out);
    return ok ? RS_OK : rs_out_of_memory(diag);
}

void rs_plan_free(rs_plan *plan)
{
    if (!plan) {
        return;
    }
    rs_free(plan->last_writer);
    rs_free(plan->format_class);
    rs_free(plan->in_range);
    rs_free(plan->never_below);
    rs_free(plan->rounded);
    rs_free(plan->restart);
    rs_free(plan);
}

rs_status rs_plan_check_set(const rs_plan *plan, const rs_net *net, const rs_dataset *set, rs_diag *diag)
{
    const rs_shape *shape = &net->blobs[plan->input].shape;
    int64_t channels = shape->n_axes > 1 ? shape->dim[1] : 1, height = shape->n_axes > 2 ? shape->dim[2] : 1;
    int64_t width = shape->n_axes > 3 ? shape->dim[3] : 1;
    if (set->count < 1) {
        return rs_error(diag, RS_BAD_INPUT, RS_FILE(set->path), NULL,
                        "the data set holds no images, expected at least one");
    }
    if (set->channels != channels || set->height != height || set->width != width) {
        return rs_error(diag, RS_BAD_INPUT, RS_FILE(set->path), "take the data set that the net was trained for",
                        "images are %dx%dx%d (channels x height x width), the net '%s' expects %lldx%lldx%lld",
                        set->channels, set->height, set->width, net->name ? net->name : "", (long long)channels,
                        (long long)height, (long long)width);
    }
    const int64_t classes = rs_plan_count(net, plan->scores);
    for (int64_t i = 0; i < set->count; i++)
        if (set->labels[i] < 0 || set->labels[i] >= classes)
            return rs_error(diag, RS_BAD_INPUT, RS_FILE(set->path), "take the data set that the net was trained for",
                            "image %lld has the label %d, expected 0 to %lld: the net '%s' scores %lld classes",
                            (long long)i, (int)set->labels[i], (long long)classes - 1,
                            net->name != NULL ? net->name : "", (long long)classes);
    return RS_OK;
}
