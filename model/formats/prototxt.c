/* Formats and the fields quantization_param of a prototxt, both ways: docs/user/quantizer.md, "Quantized prototxt". */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "emulate/plan.h"
#include "formats/formats.h"
#include "qnet/build.h"
#include "qnet/rule.h"

enum { MAX_STATED = 64 };

/* The format of a value, and whether it has no sign. */
typedef struct stated_format {
    rs_number_format format; /* bits 0: none */
    bool is_unsigned;
} stated_format;

static bool same(stated_format a, stated_format b)
{
    return rs_number_equal(a.format, b.format) && a.is_unsigned == b.is_unsigned;
}

/* ----------------------------------------------------------------------------------------------- net <- formats */

static void give_minifloat(rs_number_format format, const rs_quantization_param *q, char name[RS_MINIFLOAT_NAME])
{
    const rs_minifloat plain = rs_minifloat_plain(q->exp_bits, q->mant_bits);
    if (format.bits > 0 && !rs_minifloat_equal(format.minifloat, plain))
        rs_minifloat_name(format.minifloat, name, RS_MINIFLOAT_NAME);
}

/* What a layer says of its first bottom and its first top. */
static void give_values(const rs_formats *formats, const rs_layer *layer, rs_quantization_param *q)
{
    const int in = layer->bottoms[0], out = layer->tops[0];
    const rs_number_format a = formats->activations[in], b = formats->activations[out];
    if (q->precision == RS_PRECISION_MINIFLOAT) {
        give_minifloat(a, q, q->minifloat_layer_in);
        give_minifloat(b, q, q->minifloat_layer_out);
        return;
    }
    q->bw_layer_in = a.bits;
    q->fl_layer_in = a.fl;
    q->unsigned_layer_in = formats->is_unsigned[in];
    q->bw_layer_out = b.bits;
    q->fl_layer_out = b.fl;
    q->unsigned_layer_out = formats->is_unsigned[out];
}

static bool give_params(const rs_formats *formats, int index, const rs_layer *layer, rs_quantization_param *q)
{
    const rs_number_format w = formats->weights[index];
    if (w.number == RS_NUMBER_MINIFLOAT) {
        q->precision = RS_PRECISION_MINIFLOAT;
        q->mant_bits = w.minifloat.mantissa_bits;
        q->exp_bits = w.minifloat.exponent_bits;
        give_minifloat(w, q, q->minifloat_params);
    } else if (w.number == RS_NUMBER_POWER2) {
        q->precision = RS_PRECISION_POWER2_WEIGHTS;
        q->bw_params = rs_number_bits(w);
        q->exp_min = w.power2.min_exponent;
        q->exp_max = w.power2.max_exponent;
        q->zero_params = w.power2.zero;
    } else {
        q->bw_params = w.bits;
        q->fl_params = w.fl;
    }
    if (formats->weight_fl[index] == NULL)
        return true;
    const size_t n = (size_t)layer->params[0].shape.dim[0];
    q->fl_of_output = RS_NEW_ARRAY(int, n);
    if (q->fl_of_output == NULL)
        return false;
    memcpy(q->fl_of_output, formats->weight_fl[index], n * sizeof(int));
    q->n_outputs = (int)n;
    return true;
}

/* A layer without weights, for the format of what it reads or gives. */
static void give_plain(const rs_formats *formats, const rs_layer *layer, bool in, rs_quantization_param *q)
{
    const rs_number_format f = formats->activations[in ? layer->bottoms[0] : layer->tops[0]];
    rs_quantization_param all = { .present = true };
    if (f.number == RS_NUMBER_MINIFLOAT) {
        all.precision = RS_PRECISION_MINIFLOAT;
        all.mant_bits = f.minifloat.mantissa_bits;
        all.exp_bits = f.minifloat.exponent_bits;
    }
    give_values(formats, layer, &all);
    if (f.number != RS_NUMBER_MINIFLOAT && !in)
        all.bw_layer_in = 0, all.unsigned_layer_in = false;
    if (f.number != RS_NUMBER_MINIFLOAT && in)
        all.bw_layer_out = 0, all.unsigned_layer_out = false;
    *q = all;
}

/* Formats that no layer with weights says are said by the layer that makes the value, else by one that reads it. */
static void give_others(const rs_formats *formats, const rs_plan *plan, bool *said, rs_net *net)
{
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < plan->n_layers; i++) {
            rs_layer *layer = &net->layers[i];
            const bool in = pass == 1;
            const int blob = in ? (layer->n_bottoms > 0 ? layer->bottoms[0] : -1)
                                : (layer->n_tops > 0 ? layer->tops[0] : -1);
            if (blob < 0 || layer->n_bottoms < 1 || layer->n_tops < 1 || layer->quantization.present)
                continue;
            const int class = plan->format_class[blob];
            if (class < 0 || said[class] || formats->activations[blob].bits == 0)
                continue;
            give_plain(formats, layer, in, &layer->quantization);
            said[class] = true;
        }
}

rs_status rs_formats_apply(const rs_formats *formats, rs_rounding rounding, rs_bias_rule bias_rule, rs_net *net,
                           rs_diag *diag)
{
    rs_plan *plan = NULL;
    rs_status st = rs_plan_new(net, &plan, diag);
    bool *said = RS_NEW_ARRAY(bool, (size_t)net->n_blobs);
    if (st == RS_OK && said == NULL)
        st = rs_out_of_memory(diag);
    for (int i = 0; st == RS_OK && i < net->n_layers; i++) {
        rs_layer *layer = &net->layers[i];
        rs_free(layer->quantization.fl_of_output);
        layer->quantization = (rs_quantization_param) { .present = false };
        if (rs_layer_group(layer) == RS_GROUPS || formats->weights[i].bits == 0 || layer->n_bottoms < 1 ||
            layer->n_tops < 1)
            continue;
        layer->quantization.present = true;
        if (!give_params(formats, i, layer, &layer->quantization))
            st = rs_out_of_memory(diag);
        give_values(formats, layer, &layer->quantization);
        const int classes[2] = { plan->format_class[layer->bottoms[0]], plan->format_class[layer->tops[0]] };
        for (int k = 0; k < 2; k++)
            if (classes[k] >= 0)
                said[classes[k]] = true;
    }
    if (st == RS_OK) {
        give_others(formats, plan, said, net);
        net->quantization =
            (rs_net_quantization) { .rounding = rounding, .bias_rule = bias_rule, .wide_scores = formats->wide_scores };
    }
    rs_free(said);
    rs_plan_free(plan);
    return st;
}

/* ----------------------------------------------------------------------------------------------- net -> formats */

/* A minifloat by its name, or the plain one; more bits than a format has are as good as float. */
static stated_format minifloat_stated(const rs_quantization_param *q, const char *name)
{
    stated_format s = { .format.bits = 0 };
    rs_minifloat format = rs_minifloat_plain(q->exp_bits, q->mant_bits);
    if (name[0] == '\0' || rs_minifloat_parse(name, &format))
        s.format = rs_minifloat_legal(format) ? rs_number_of_minifloat(format) : s.format;
    return s;
}

static stated_format stated_in(const rs_layer *layer)
{
    const rs_quantization_param *q = &layer->quantization;
    if (!q->present || layer->n_bottoms < 1)
        return (stated_format) { .format.bits = 0 };
    if (q->precision == RS_PRECISION_MINIFLOAT)
        return minifloat_stated(q, q->minifloat_layer_in);
    return (stated_format) { rs_number_of_fxp((rs_fxp) { q->bw_layer_in, q->fl_layer_in }), q->unsigned_layer_in };
}

static stated_format stated_out(const rs_layer *layer)
{
    const rs_quantization_param *q = &layer->quantization;
    if (!q->present || layer->n_tops < 1)
        return (stated_format) { .format.bits = 0 };
    if (q->precision == RS_PRECISION_MINIFLOAT)
        return minifloat_stated(q, q->minifloat_layer_out);
    return (stated_format) { rs_number_of_fxp((rs_fxp) { q->bw_layer_out, q->fl_layer_out }), q->unsigned_layer_out };
}

static bool keeps(const rs_layer *layer)
{
    const rs_qop_rule *rule = rs_qop_rule_of_layer(layer);
    return rs_layer_moves(layer) || (rule != NULL && (rule->has & RS_QOP_KEEPS) != 0);
}

/* What is said of the value that `blob` holds before layer `before`: by the layer that made it, through those that only
 * choose among values. */
static stated_format made(const rs_net *net, int blob, int before)
{
    for (int i = before - 1; i >= 0; i--) {
        const rs_layer *layer = &net->layers[i];
        bool writes = false;
        for (int t = 0; t < layer->n_tops; t++)
            writes = writes || layer->tops[t] == blob;
        if (!writes)
            continue;
        const stated_format out = stated_out(layer);
        if (out.format.bits > 0 || !keeps(layer) || layer->n_bottoms < 1)
            return out;
        blob = layer->bottoms[0];
    }
    return (stated_format) { .format.bits = 0 };
}

/* Formats that values are wanted in. */
typedef struct wanted_formats {
    int n;
    stated_format list[MAX_STATED];
    bool others; /* somebody reads them who says no format */
} wanted_formats;

static void add_wanted(wanted_formats *w, stated_format s)
{
    for (int i = 0; i < w->n; i++)
        if (same(w->list[i], s))
            return;
    if (w->n < MAX_STATED)
        w->list[w->n++] = s;
}

/* What is said by those that read the value which `blob` holds after layer `after`. */
static void readers(const rs_net *net, int blob, int after, wanted_formats *w)
{
    for (int i = after + 1; i < net->n_layers; i++) {
        const rs_layer *layer = &net->layers[i];
        bool reads = false, writes = false;
        for (int k = 0; k < layer->n_bottoms; k++)
            reads = reads || layer->bottoms[k] == blob;
        for (int t = 0; t < layer->n_tops; t++)
            writes = writes || layer->tops[t] == blob;
        if (reads) {
            const stated_format in = stated_in(layer);
            if (in.format.bits > 0 && layer->bottoms[0] == blob)
                add_wanted(w, in);
            else if (keeps(layer))
                for (int t = 0; t < layer->n_tops; t++)
                    readers(net, layer->tops[t], i, w);
            else
                w->others = true;
        }
        if (writes)
            return;
    }
}

/* The format that holds all of these, as far as 16 bits go; bits 0: there is none. */
static stated_format join(const wanted_formats *w)
{
    if (w->n == 0)
        return (stated_format) { .format.bits = 0 };
    stated_format all = w->list[0];
    int fl = all.format.fl, length = all.format.bits - all.format.fl;
    for (int i = 1; i < w->n; i++) {
        const stated_format s = w->list[i];
        if (s.format.number != RS_NUMBER_FIXED || all.format.number != RS_NUMBER_FIXED)
            return (stated_format) { .format.bits = 0 };
        /* One with a sign has a bit less for the integer part. */
        if (all.is_unsigned && !s.is_unsigned)
            length++;
        const int own = s.format.bits - s.format.fl + (s.is_unsigned && !(all.is_unsigned && s.is_unsigned));
        all.is_unsigned = all.is_unsigned && s.is_unsigned;
        length = own > length ? own : length;
        fl = s.format.fl > fl ? s.format.fl : fl;
    }
    if (w->n > 1) {
        const int bits = length + fl < RS_QNET_MAX_BITS ? length + fl : RS_QNET_MAX_BITS;
        all.format = rs_number_of_fxp((rs_fxp) { bits, bits - length });
    }
    return all;
}

/* A concatenation in one format: a part that is said to have another is copied into it. */
static rs_status part_concats(rs_net *net, rs_diag *diag)
{
    rs_status st = RS_OK;
    for (int i = 0; i < net->n_layers && st == RS_OK; i++) {
        if (net->layers[i].type != RS_LAYER_CONCAT || net->layers[i].n_tops != 1)
            continue;
        wanted_formats w = { .n = 0 };
        stated_format whole = stated_out(&net->layers[i]);
        readers(net, net->layers[i].tops[0], i, &w);
        if (w.n == 0)
            for (int k = 0; k < net->layers[i].n_bottoms; k++) {
                const stated_format part = made(net, net->layers[i].bottoms[k], i);
                if (part.format.bits > 0)
                    add_wanted(&w, part);
            }
        whole = whole.format.bits > 0 ? whole : join(&w);
        for (int k = 0; k < net->layers[i].n_bottoms && st == RS_OK && whole.format.bits > 0; k++) {
            const stated_format part = made(net, net->layers[i].bottoms[k], i);
            if (part.format.bits > 0 && !same(part, whole)) {
                st = rs_net_add_copy(net, i, k, diag);
                i++;
            }
        }
    }
    return st;
}

/* The format of each class of blobs, from what makes its values, else from what reads them. */
typedef struct class_formats {
    stated_format *of; /* per class */
    int *by;           /* per class: the layer that says it, -1: its readers */
} class_formats;

static rs_status find_made(const rs_net *net, const rs_plan *plan, class_formats *c, rs_diag *diag)
{
    for (int i = 0; i < plan->n_layers; i++) {
        const rs_layer *layer = &net->layers[i];
        const stated_format out = stated_out(layer);
        const int class = out.format.bits > 0 ? plan->format_class[layer->tops[0]] : -1;
        if (class < 0)
            continue;
        if (c->of[class].format.bits == 0) {
            c->of[class] = out;
            c->by[class] = i;
        } else if (!same(c->of[class], out)) {
            return rs_error(diag, RS_BAD_INPUT, layer->loc,
                            "between them values are only chosen or copied, which has one format",
                            "layers '%s' and '%s' say different formats of the same values, expected the same",
                            net->layers[c->by[class]].name, layer->name);
        }
    }
    return RS_OK;
}

static int first_writer(const rs_net *net, int blob)
{
    for (int i = 0; i < net->n_layers; i++)
        for (int t = 0; t < net->layers[i].n_tops; t++)
            if (net->layers[i].tops[t] == blob)
                return i;
    return -1;
}

static void find_read(const rs_net *net, const rs_plan *plan, class_formats *c, int *derived, const char **example)
{
    for (int b = 0; b < net->n_blobs; b++) {
        if (plan->format_class[b] != b || c->of[b].format.bits > 0)
            continue;
        wanted_formats w = { .n = 0 };
        for (int k = 0; k < net->n_blobs; k++)
            if (plan->format_class[k] == b)
                readers(net, k, first_writer(net, k), &w);
        c->of[b] = join(&w);
        if (c->of[b].format.bits > 0 && (w.others || w.n > 1)) {
            *example = (*derived)++ == 0 ? net->blobs[b].name : *example;
        }
    }
}

/* Layers that say another format of what they read than it has get a copy of it. */
static rs_status part_readers(rs_net *net, const rs_plan *plan, const class_formats *c, bool *any, rs_diag *diag)
{
    rs_status st = RS_OK;
    const int n_blobs = net->n_blobs; /* new ones have no class yet, and nothing to be said of them */
    for (int i = 0; i < net->n_layers && st == RS_OK; i++) {
        const stated_format in = stated_in(&net->layers[i]);
        if (in.format.bits == 0 || net->layers[i].bottoms[0] >= n_blobs)
            continue;
        const int class = plan->format_class[net->layers[i].bottoms[0]];
        if (class < 0 || c->of[class].format.bits == 0 || same(c->of[class], in))
            continue;
        st = rs_net_add_copy(net, i, 0, diag);
        *any = true;
        i++;
    }
    return st;
}

static rs_status give_weights(const rs_net *net, int i, rs_formats *f, rs_diag *diag)
{
    const rs_layer *layer = &net->layers[i];
    const rs_quantization_param *q = &layer->quantization;
    if (!q->present)
        return RS_OK;
    if (q->precision == RS_PRECISION_MINIFLOAT)
        f->weights[i] = minifloat_stated(q, q->minifloat_params).format;
    else if (q->precision == RS_PRECISION_POWER2_WEIGHTS)
        f->weights[i] = rs_number_of_power2((rs_power2) { q->exp_min, q->exp_max, q->zero_params });
    else
        f->weights[i] = rs_number_of_fxp((rs_fxp) { q->bw_params, q->fl_params });
    if (q->precision == RS_PRECISION_POWER2_WEIGHTS && !rs_power2_legal(f->weights[i].power2))
        return rs_error(diag, RS_BAD_INPUT, layer->loc, NULL,
                        "layer '%s': exponents from %d to %d, expected at most %d apart", layer->name, q->exp_min,
                        q->exp_max, RS_POWER2_MAX_RANGE);
    if (q->n_outputs == 0)
        return RS_OK;
    const int64_t outputs = layer->params[0].shape.dim[0];
    if (outputs != q->n_outputs)
        return rs_error(diag, RS_BAD_INPUT, layer->loc, NULL,
                        "layer '%s': %d values of fl_params_of_output, expected one per output channel, %lld",
                        layer->name, q->n_outputs, (long long)outputs);
    f->weight_fl[i] = RS_NEW_ARRAY(int, (size_t)outputs);
    if (f->weight_fl[i] == NULL)
        return rs_out_of_memory(diag);
    memcpy(f->weight_fl[i], q->fl_of_output, (size_t)outputs * sizeof(int));
    return RS_OK;
}

/* From the classes to their blobs. Scores without a format are as wide as the accumulator. */
static rs_status spread(const rs_net *net, const rs_plan *plan, const class_formats *c, rs_formats *f, rs_diag *diag)
{
    rs_status st = RS_OK;
    f->wide_scores = net->quantization.wide_scores;
    for (int b = 0; b < net->n_blobs; b++) {
        const int class = plan->format_class[b], writer = plan->last_writer[b];
        if (class < 0)
            continue;
        if (c->of[class].format.bits > 0) {
            f->activations[b] = c->of[class].format;
            f->is_unsigned[b] = c->of[class].is_unsigned;
        } else if (class == plan->format_class[plan->scores]) {
            f->activations[b] = rs_number_of_fxp((rs_fxp) { RS_QNET_MAX_BITS, 0 });
            f->wide_scores = true;
        } else if (class == b) {
            st = rs_error(diag, RS_BAD_INPUT, writer < 0 ? RS_FILE(net->path) : net->layers[writer].loc,
                          "quantization_param { bw_layer_out fl_layer_out } of the layer that gives it, or bw_layer_in "
                          "and fl_layer_in of one that reads it, say one",
                          "the file gives blob '%s' no number format", net->blobs[b].name);
        }
    }
    for (int i = 0; i < net->n_layers && st == RS_OK; i++)
        if (rs_layer_group(&net->layers[i]) != RS_GROUPS)
            st = give_weights(net, i, f, diag);
    return st;
}

/* One round: classes, their formats, and copies where readers want others. *again: there are new copies. */
static rs_status resolve(rs_net *net, rs_formats **f, bool *again, rs_diag *diag)
{
    rs_plan *plan = NULL;
    int derived = 0;
    const char *example = "";
    *again = false;
    class_formats c = { RS_NEW_ARRAY(stated_format, (size_t)net->n_blobs), RS_NEW_ARRAY(int, (size_t)net->n_blobs) };
    rs_status st = c.of == NULL || c.by == NULL ? rs_out_of_memory(diag) : rs_plan_new(net, &plan, diag);
    if (st == RS_OK)
        st = find_made(net, plan, &c, diag);
    if (st == RS_OK) {
        find_read(net, plan, &c, &derived, &example);
        st = part_readers(net, plan, &c, again, diag);
    }
    if (st == RS_OK && !*again) {
        st = rs_formats_new(net, f, diag);
        if (st == RS_OK)
            st = spread(net, plan, &c, *f, diag);
        if (st == RS_OK && derived > 0)
            rs_warn(diag, RS_FILE(net->path), "quantization_param of the layer that gives it says another",
                    "%d value%s that the file leaves in float %s the format in which others read %s: '%s'%s", derived,
                    derived == 1 ? "" : "s", derived == 1 ? "gets" : "get", derived == 1 ? "it" : "them", example,
                    derived > 1 ? ", ..." : "");
    }
    rs_free(c.of);
    rs_free(c.by);
    rs_plan_free(plan);
    return st;
}

rs_status rs_formats_of_prototxt(rs_net *net, rs_formats **formats, rs_diag *diag)
{
    *formats = NULL;
    rs_formats *f = NULL;
    int stochastic = 0;
    for (int i = 0; i < net->n_layers; i++)
        stochastic += net->layers[i].quantization.stochastic;
    if (stochastic > 0)
        rs_warn(diag, RS_FILE(net->path), "training rounds weights stochastically, whatever the file says",
                "%d layer%s rounding_scheme STOCHASTIC: the integers are rounded to nearest", stochastic,
                stochastic == 1 ? " says" : "s say");
    rs_status st = part_concats(net, diag);
    for (bool again = true; again && st == RS_OK;)
        st = resolve(net, &f, &again, diag);
    if (st != RS_OK) {
        rs_formats_free(f);
        f = NULL;
    }
    *formats = f;
    return st;
}
