/* Formats for given widths, by the rules of a scheme. */
#include <string.h>

#include "base/memory.h"
#include "emulate/statistics.h"
#include "formats/schemes/scheme.h"
#include "qnet/qnet.h"

static const rs_scheme_rule *const schemes[RS_SCHEMES] = {
#define SCHEME(name, rule, word, precision, meaning) &rs_scheme_##rule,
#include "formats/schemes.def"
#undef SCHEME
};

const rs_word rs_scheme_words[] = {
#define SCHEME(name, rule, word, precision, meaning) { word, RS_SCHEME_##name, meaning },
#include "formats/schemes.def"
#undef SCHEME
    { NULL, 0, NULL },
};

const char *rs_scheme_precision(rs_scheme scheme)
{
    static const char *const precisions[RS_SCHEMES] = {
#define SCHEME(name, rule, word, precision, meaning) precision,
#include "formats/schemes.def"
#undef SCHEME
    };
    return precisions[scheme];
}

const char *rs_scheme_name(rs_scheme scheme)
{
    return rs_word_name(rs_scheme_words, (int)scheme);
}

const rs_word rs_range_rule_words[] = {
    { "max", RS_RANGE_MAX, "of the largest magnitude" },
    { "percentile", RS_RANGE_PERCENTILE, "of the magnitude that so many percent do not exceed" },
    { "squared_error", RS_RANGE_SQUARED_ERROR, "of the least sum of squared errors" },
    { NULL, 0, NULL },
};

const char *rs_range_rule_name(rs_range_rule rule)
{
    return rs_word_name(rs_range_rule_words, (int)rule);
}

void rs_format_rules_defaults(rs_format_rules *rules)
{
    *rules = (rs_format_rules) { .scheme = RS_SCHEME_DYNAMIC, .percentile = 99.99 };
    rules->power2 = RS_POWER2_ORIGINAL;
}

rs_status rs_format_rules_check(const rs_format_rules *r, rs_diag *diag)
{
    if ((unsigned)r->scheme >= RS_SCHEMES || (unsigned)r->weight_range >= RS_RANGE_RULES ||
        (unsigned)r->activation_range >= RS_RANGE_RULES)
        return rs_error(diag, RS_INTERNAL, RS_NOWHERE, NULL, "a scheme or range rule that does not exist");
    if (!(r->percentile > 0 && r->percentile <= 100))
        return rs_error(diag, RS_USAGE, RS_NOWHERE, NULL, "percentile %g, expected above 0 and at most 100",
                        r->percentile);
    return schemes[r->scheme]->check != NULL ? schemes[r->scheme]->check(r, diag) : RS_OK;
}

void rs_format_rules_widths(const rs_format_rules *rules, const rs_net *net, const rs_ranges *ranges, rs_group group,
                            int *min, int *max)
{
    const rs_chooser c = { .net = net, .ranges = ranges, .rules = rules };
    *min = 1;
    *max = RS_QNET_MAX_BITS;
    if (schemes[rules->scheme]->widths != NULL)
        schemes[rules->scheme]->widths(&c, group, min, max);
}

/* New biases, from which the mean error of the outputs is taken away that the rounded weights make. */
static rs_status correct_bias(const rs_net *net, int i, const rs_ranges *ranges, rs_formats *f, rs_diag *diag)
{
    const rs_layer *layer = &net->layers[i];
    const rs_param *w = &layer->params[0];
    const size_t n = (size_t)rs_shape_count(&w->shape, 0), outputs = (size_t)w->shape.dim[0], each = n / outputs;
    if (ranges->statistics == NULL || layer->n_params < 2)
        return RS_OK;
    float *rounded = RS_NEW_ARRAY(float, n), *bias = RS_NEW_ARRAY(float, outputs);
    double *error = RS_NEW_ARRAY(double, outputs);
    bool known = false;
    rs_status st = rounded != NULL && bias != NULL && error != NULL ? RS_OK : rs_out_of_memory(diag);
    if (st == RS_OK) {
        memcpy(rounded, w->data, n * sizeof *rounded);
        for (size_t o = 0; o < outputs; o++) {
            rs_number_format format = f->weights[i];
            if (f->weight_fl[i] != NULL)
                format.fl = f->weight_fl[i][o];
            rs_number_emulate(rounded + o * each, each, format, rs_number_nearest(format), 0, 0);
        }
        st = rs_statistics_output_error(ranges->statistics, net, i, rounded, error, &known, diag);
    }
    if (st == RS_OK && known) {
        for (size_t o = 0; o < outputs; o++)
            bias[o] = (float)((double)layer->params[1].data[o] - error[o]);
        f->bias[i] = bias;
        bias = NULL;
    }
    rs_free(rounded);
    rs_free(bias);
    rs_free(error);
    return st;
}

rs_status rs_formats_make(const rs_net *net, const rs_ranges *ranges, const rs_format_rules *rules,
                          const rs_widths *widths, int fl, rs_formats **formats, rs_diag *diag)
{
    *formats = NULL;
    const rs_scheme_rule *scheme = schemes[rules->scheme];
    rs_plan *plan = NULL;
    rs_formats *f = NULL;
    rs_status st = rs_plan_new(net, &plan, diag);
    const rs_chooser c = { .net = net, .plan = plan, .ranges = ranges, .rules = rules, .fl = fl };
    if (st == RS_OK)
        st = rs_formats_new(net, &f, diag);
    for (int class = 0; class < net->n_blobs && st == RS_OK; class ++) {
        if (plan->format_class[class] != class)
            continue;
        int bits = 0;
        for (int b = 0; b < net->n_blobs; b++)
            if (plan->format_class[b] == class && widths->activations[b] > bits)
                bits = widths->activations[b];
        rs_number_format format = { .bits = 0 };
        if (bits > 0)
            st = scheme->blobs(&c, class, bits, &format, diag);
        for (int b = 0; b < net->n_blobs; b++)
            if (plan->format_class[b] == class)
                f->activations[b] = format;
    }
    for (int i = 0; i < net->n_layers && st == RS_OK; i++) {
        if (rs_layer_group(&net->layers[i]) == RS_GROUPS || widths->weights[i] == 0)
            continue;
        st = scheme->weights(&c, i, widths->weights[i], &f->weights[i], diag);
        if (st == RS_OK && rules->bias_correction)
            st = correct_bias(net, i, ranges, f, diag);
    }
    if (st == RS_OK) {
        *formats = f;
        f = NULL;
    }
    rs_formats_free(f);
    rs_plan_free(plan);
    return st;
}

rs_status rs_formats_make_groups(const rs_net *net, const rs_ranges *ranges, const rs_format_rules *rules,
                                 const int bits[RS_GROUPS], int fl, rs_formats **formats, rs_diag *diag)
{
    *formats = NULL;
    rs_widths widths = { RS_NEW_ARRAY(int, (size_t)net->n_layers), RS_NEW_ARRAY(int, (size_t)net->n_blobs) };
    rs_status st = widths.weights != NULL && widths.activations != NULL ? RS_OK : rs_out_of_memory(diag);
    if (st == RS_OK) {
        for (int i = 0; i < net->n_layers; i++) {
            const rs_group group = rs_layer_group(&net->layers[i]);
            widths.weights[i] = group != RS_GROUPS ? bits[group] : 0;
        }
        for (int b = 0; b < net->n_blobs; b++)
            widths.activations[b] = bits[RS_GROUP_ACTIVATIONS];
        st = rs_formats_make(net, ranges, rules, &widths, fl, formats, diag);
    }
    rs_free(widths.weights);
    rs_free(widths.activations);
    return st;
}

rs_status rs_formats_choose(const rs_net *net, const rs_ranges *ranges, const int bits[RS_GROUPS], rs_formats **formats,
                            rs_diag *diag)
{
    rs_format_rules rules;
    rs_format_rules_defaults(&rules);
    return rs_formats_make_groups(net, ranges, &rules, bits, 0, formats, diag);
}
