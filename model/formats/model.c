/* The formats that a quantized model brings, as dynamic fixed point: docs/user/quantizer.md, "Formats of the model". */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "emulate/plan.h"
#include "formats/formats.h"

enum { WEIGHT_BITS = 8, MAX_BITS = 16, NO_FL = RS_FL_MIN - 1 };

/* What a QuantizeLinear layer says of its values. */
typedef struct model_format {
    rs_fxp format;
    bool is_unsigned;
} model_format;

static rs_status refuse(const rs_layer *layer, rs_diag *diag, const char *what)
{
    return rs_error(diag, RS_BAD_INPUT, layer->loc,
                    "formats of the model's own need scales that are powers of two and zero points of zero; "
                    "--formats search finds others",
                    "layer '%s': %s", layer->name, what);
}

static rs_status read_layer(const rs_layer *layer, model_format *g, rs_diag *diag)
{
    const rs_quantize_linear_param *q = &layer->quantize_linear;
    int exponent;
    if (frexpf(q->scale, &exponent) != 0.5f || 1 - exponent < RS_FL_MIN || 1 - exponent > RS_FL_MAX) {
        char text[64];
        snprintf(text, sizeof text, "the scale %.9g is no power of two", (double)q->scale);
        return refuse(layer, diag, text);
    }
    if (q->zero != 0) {
        char text[64];
        snprintf(text, sizeof text, "the zero point is %d", (int)q->zero);
        return refuse(layer, diag, text);
    }
    g->is_unsigned = q->min == 0;
    for (int bits = 2; bits <= MAX_BITS; bits++)
        if (g->is_unsigned ? q->max == (1 << bits) - 1
                           : q->min == -(1 << (bits - 1)) && q->max == (1 << (bits - 1)) - 1) {
            g->format = (rs_fxp) { bits, 1 - exponent };
            return RS_OK;
        }
    return refuse(layer, diag, "its range is not that of an integer type of 2 to 16 bits");
}

/* Gives the class of a layer's top its format; two layers of one class must agree. */
static rs_status give(const rs_net *net, const rs_plan *plan, int layer, const model_format *g, rs_formats *f, int *by,
                      rs_diag *diag)
{
    const int class = plan->format_class[net->layers[layer].tops[0]];
    if (class < 0)
        return RS_OK; /* after the scores */
    if (by[class] >= 0) {
        const rs_number_format old = f->activations[class];
        if (old.bits == g->format.bits && old.fl == g->format.fl && f->is_unsigned[class] == g->is_unsigned)
            return RS_OK;
        return rs_error(diag, RS_BAD_INPUT, net->layers[layer].loc,
                        "between them values are only chosen or copied, which has one format",
                        "layers '%s' and '%s' have different scales or types, expected the same",
                        net->layers[by[class]].name, net->layers[layer].name);
    }
    by[class] = layer;
    f->activations[class] = rs_number_of_fxp(g->format);
    f->is_unsigned[class] = g->is_unsigned;
    return RS_OK;
}

/* From the classes to their blobs. Scores without a format are as wide as the accumulator. */
static rs_status spread(const rs_net *net, const rs_plan *plan, const int *by, rs_formats *f, rs_diag *diag)
{
    const int scores = plan->format_class[plan->scores];
    rs_status st = RS_OK;
    for (int b = 0; b < net->n_blobs; b++) {
        const int class = plan->format_class[b], writer = plan->last_writer[b];
        if (class < 0)
            continue;
        if (by[class] >= 0) {
            f->activations[b] = f->activations[class];
            f->is_unsigned[b] = f->is_unsigned[class];
        } else if (class == scores) {
            f->activations[b] = rs_number_of_fxp((rs_fxp) { MAX_BITS, 0 });
            f->wide_scores = true;
        } else {
            st = rs_error(diag, RS_BAD_INPUT, writer < 0 ? RS_FILE(net->path) : net->layers[writer].loc,
                          "every value that a convolution, inner product, addition or average reads or makes needs a "
                          "QuantizeLinear",
                          "the model quantizes nothing of blob '%s'", net->blobs[b].name);
        }
    }
    return st;
}

/* The largest fractional length at which n weights are integers of `bits` bits, or NO_FL if at none; RS_FL_MAX + 1 for
 * zeros alone. */
static int weight_fl(const float *w, int64_t n, int bits)
{
    float max = 0.0f;
    for (int64_t i = 0; i < n; i++)
        max = fmaxf(max, fabsf(w[i]));
    if (max == 0.0f)
        return RS_FL_MAX + 1;
    int fl = rs_fxp_fl_for_range((double)max, bits) + 1; /* the max is -2^(bits - 1), any number, or 2^(bits - 2) */
    for (int tries = 0; tries < 3; tries++, fl--) {
        bool whole = fl >= RS_FL_MIN && fl <= RS_FL_MAX;
        for (int64_t i = 0; i < n && whole; i++) {
            const double q = ldexp((double)w[i], fl);
            whole = q == nearbyint(q) && q >= -ldexp(1, bits - 1) && q <= ldexp(1, bits - 1) - 1;
        }
        if (whole)
            return fl;
    }
    return NO_FL;
}

static rs_status give_weights(const rs_net *net, int index, rs_formats *f, rs_diag *diag)
{
    const rs_layer *layer = &net->layers[index];
    const rs_param *p = &layer->params[0];
    const int64_t outputs = p->shape.dim[0], terms = rs_shape_count(&p->shape, 0) / outputs;
    int min = RS_FL_MAX + 1;
    int *fl = RS_NEW_ARRAY(int, (size_t)outputs);
    if (fl == NULL)
        return rs_out_of_memory(diag);
    f->weight_fl[index] = fl;
    for (int64_t o = 0; o < outputs; o++) {
        fl[o] = weight_fl(p->data + o * terms, terms, WEIGHT_BITS);
        if (fl[o] == NO_FL)
            return refuse(layer, diag, "its weights are not integers of 8 bits times a power of two");
        min = fl[o] < min ? fl[o] : min;
    }
    if (min > RS_FL_MAX)
        min = 0;
    bool same = true;
    for (int64_t o = 0; o < outputs; o++) {
        fl[o] = fl[o] > RS_FL_MAX ? min : fl[o];
        same = same && fl[o] == min;
    }
    f->weights[index] = rs_number_of_fxp((rs_fxp) { WEIGHT_BITS, min });
    if (!same) { /* one length if all weights have 8 bits at the finest that is needed */
        const int all = weight_fl(p->data, outputs * terms, WEIGHT_BITS);
        same = all != NO_FL;
        f->weights[index].fl = same ? all : min;
    }
    if (same) {
        rs_free(fl);
        f->weight_fl[index] = NULL;
    }
    return RS_OK;
}

static rs_status give_all(rs_net *net, const model_format *of, rs_formats *f, int *by, rs_diag *diag)
{
    rs_plan *plan = NULL;
    rs_status st = rs_plan_new(net, &plan, diag);
    for (int b = 0; b < net->n_blobs; b++)
        by[b] = -1;
    for (int i = 0; i < net->n_layers && st == RS_OK; i++)
        if (of[i].format.bits > 0)
            st = give(net, plan, i, &of[i], f, by, diag);
    if (st == RS_OK)
        st = spread(net, plan, by, f, diag);
    for (int i = 0; i < net->n_layers && st == RS_OK; i++)
        if (net->layers[i].type == RS_LAYER_CONVOLUTION || net->layers[i].type == RS_LAYER_INNER_PRODUCT)
            st = give_weights(net, i, f, diag);
    rs_plan_free(plan);
    return st;
}

/* Whether what a layer gives is never below zero, given that of its bottoms. */
static bool stays_above(const rs_layer *layer, const bool *above)
{
    bool all = layer->n_bottoms > 0;
    for (int k = 0; k < layer->n_bottoms; k++)
        all = all && above[layer->bottoms[k]];
    switch (layer->type) {
    case RS_LAYER_RELU:
        return all || layer->relu_slope == 0.0f;
    case RS_LAYER_CLIP:
        return layer->clip[0] >= 0.0f;
    case RS_LAYER_ELTWISE:
        return all && (layer->eltwise.method != RS_ELTWISE_SUM || layer->eltwise.coefficients == NULL);
    case RS_LAYER_POOLING:
    case RS_LAYER_CONCAT:
    case RS_LAYER_SPLIT:
    case RS_LAYER_FLATTEN:
    case RS_LAYER_RESHAPE:
    case RS_LAYER_DROPOUT:
    case RS_LAYER_QUANTIZE_LINEAR:
        return all;
    default:
        return false;
    }
}

/* Without values below zero, a type without them is a ReLU, unless there are none anyway. What else the layers do is
 * said by the formats. */
static void take_out(rs_net *net, const model_format *of, bool *above)
{
    memset(above, 0, (size_t)net->n_blobs * sizeof *above);
    for (int i = 0; i < net->n_layers; i++) {
        rs_layer *layer = &net->layers[i];
        bool stays = stays_above(layer, above);
        if (of[i].is_unsigned && !stays) {
            layer->type = RS_LAYER_RELU;
            layer->relu_slope = 0.0f;
            stays = true;
        }
        for (int t = 0; t < layer->n_tops; t++)
            above[layer->tops[t]] = stays;
    }
    (void)rs_net_unquantize(net);
}

rs_status rs_formats_of_model(rs_net *net, rs_formats **formats, rs_diag *diag)
{
    *formats = NULL;
    if (rs_net_quantized(net))
        return rs_formats_of_prototxt(net, formats, diag);
    model_format *of = RS_NEW_ARRAY(model_format, (size_t)net->n_layers);
    int *by = RS_NEW_ARRAY(int, (size_t)net->n_blobs), found = 0;
    bool *above = RS_NEW_ARRAY(bool, (size_t)net->n_blobs);
    rs_formats *f = NULL;
    rs_status st = of == NULL || by == NULL || above == NULL ? rs_out_of_memory(diag) : rs_formats_new(net, &f, diag);
    for (int i = 0; i < net->n_layers && st == RS_OK; i++)
        if (net->layers[i].type == RS_LAYER_QUANTIZE_LINEAR) {
            st = read_layer(&net->layers[i], &of[i], diag);
            found++;
        }
    if (st == RS_OK && found == 0)
        st = rs_error(diag, RS_BAD_INPUT, RS_FILE(net->path), "--formats search chooses formats on images",
                      "net '%s' has no quantization_param and no QuantizeLinear layers, expected a quantized model",
                      net->name != NULL ? net->name : "");
    if (st == RS_OK) {
        take_out(net, of, above);
        st = give_all(net, of, f, by, diag);
    }
    rs_free(of);
    rs_free(by);
    rs_free(above);
    if (st != RS_OK)
        rs_formats_free(f);
    else
        *formats = f;
    return st;
}

/* b becomes what a is; both are of one net, and b is new. */
static rs_status copy_channels(const rs_net *net, const rs_formats *a, rs_formats *b, rs_diag *diag)
{
    for (int i = 0; i < a->n_layers; i++)
        if (a->weight_fl[i] != NULL) {
            const size_t outputs = (size_t)net->layers[i].params[0].shape.dim[0];
            b->weight_fl[i] = RS_NEW_ARRAY(int, outputs);
            if (b->weight_fl[i] == NULL)
                return rs_out_of_memory(diag);
            memcpy(b->weight_fl[i], a->weight_fl[i], outputs * sizeof(int));
        }
    return RS_OK;
}

rs_status rs_formats_copy_fixed(const rs_net *net, const rs_formats *from, rs_formats **copy, rs_diag *diag)
{
    rs_formats *f = NULL;
    rs_status st = rs_formats_new(net, &f, diag);
    if (st == RS_OK) {
        memcpy(f->weights, from->weights, (size_t)from->n_layers * sizeof *f->weights);
        memcpy(f->activations, from->activations, (size_t)from->n_blobs * sizeof *f->activations);
        memcpy(f->is_unsigned, from->is_unsigned, (size_t)from->n_blobs * sizeof *f->is_unsigned);
        f->wide_scores = from->wide_scores;
        st = copy_channels(net, from, f, diag);
    }
    if (st != RS_OK) {
        rs_formats_free(f);
        f = NULL;
    }
    *copy = f;
    return st;
}
