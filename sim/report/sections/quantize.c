/* The section "quantize". */
#include "report/sections/sections.h"

#include "flow/quantize_keys.h"
#include "report/sections/constants.h"
#include "report/sections/pack.h"

static json_t *layers_json(const rs_qnet *qnet, const rs_net *net, const rs_quantize_result *r)
{
    json_t *layers = json_array();
    bool failed = false;
    for (int i = 0; i < qnet->n_ops; i++) {
        const rs_qop *op = &qnet->ops[i];
        const rs_qtensor *out = &qnet->tensors[op->output];
        const bool weighted = rs_qop_weighted(op);
        const int layer = rs_net_layer(net, op->name);
        char weights[64] = "", output[64];
        if (weighted)
            rs_number_ops_of(&op->weight_format)
                ->text(&op->weight_format, false, op->weight_fl != NULL, weights, sizeof weights);
        rs_number_ops_of(&out->format)->text(&out->format, out->is_unsigned, false, output, sizeof output);
        rs_pack_append(layers,
                       json_pack("{s:s, s:s, s:s, s:s, s:b, s:i, s:i, s:f, s:i, s:s, s:i, s:i, s:[i,i,i], s:I}",
                                 "weight_format", weights, "output_format", output, "name", op->name, "type",
                                 rs_qop_type_name(op->type), "relu", op->relu, "weight_bits",
                                 weighted ? op->weight_format.bits : 0, "weight_fl",
                                 weighted ? op->weight_format.fl : 0, "weight_max",
                                 weighted && layer >= 0 ? r->weight_max[layer] : 0.0, "shift", weighted ? op->shift : 0,
                                 "output", out->name, "output_bits", out->format.bits, "output_fl", out->format.fl,
                                 "output_shape", out->channels, out->height, out->width, "macs",
                                 weighted ? (json_int_t)rs_qop_macs(qnet, op) : (json_int_t)0),
                       &failed);
    }
    return rs_pack_array(layers, failed);
}

static json_t *trials_json(const rs_quantize_result *r)
{
    json_t *trials = json_array();
    bool failed = false;
    for (int i = 0; i < r->n_trials; i++) {
        const rs_trial *t = &r->trials[i];
        rs_pack_append(trials,
                       json_pack("{s:i, s:s, s:[i,i,i], s:I, s:I, s:I, s:b}", "fl", t->fl, "group",
                                 t->group < RS_GROUPS ? rs_group_name(t->group) : "combination", "bits", t->bits[0],
                                 t->bits[1], t->bits[2], "images", (json_int_t)t->images, "hits", (json_int_t)t->hits,
                                 "ties", (json_int_t)t->ties, "exact", t->exact),
                       &failed);
    }
    return rs_pack_array(trials, failed);
}

static json_t *groups_json(const rs_quantize_result *r)
{
    json_t *groups = json_array();
    bool failed = false;
    for (int g = 0; g < RS_GROUPS; g++)
        rs_pack_append(groups,
                       json_pack("{s:s, s:i, s:i}", "name", rs_group_name((rs_group)g), "single_bits",
                                 r->single_bits[g], "bits", r->bits[g]),
                       &failed);
    return rs_pack_array(groups, failed);
}

static json_t *scores_json(const rs_quantize_outcome *o)
{
    json_t *scores = json_array();
    bool failed = false;
    for (int i = 0; i < o->n_scores; i++) {
        const rs_slice_score *s = &o->scores[i];
        rs_pack_append(scores,
                       json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:f}", "name", s->name, "first",
                                 (json_int_t)s->slice.first, "images", (json_int_t)s->slice.count, "float_hits",
                                 (json_int_t)s->float_hits, "float_ties", (json_int_t)s->float_ties, "hits",
                                 (json_int_t)s->hits, "ties", (json_int_t)s->ties, "seconds", s->seconds),
                       &failed);
    }
    return rs_pack_array(scores, failed);
}

rs_status rs_section_quantize(const rs_quantize_outcome *o, json_t **section, rs_diag *diag)
{
    const rs_quantize_result *r = o->result;
    const rs_qtensor *input = &r->qnet->tensors[0];
    json_t *options = rs_quantize_options_json(&o->options);
/* Options have their places among the results; others come last. */
#define OPTION(name) name, json_object_get(options, name)
    json_t *value = json_pack(
        "{s:O, s:s, s:O, s:O, s:O, s:O, s:b, s:i, s:s, s:s, s:s, s:O, s:O, s:O, s:I, s:I, s:I, s:I, s:I, s:I, s:I, "
        "s:I, "
        "s:b, s:f, s:O, s:O, s:O, s:O, s:O, s:i, s:i, s:o, s:o, s:o, s:o}",
        OPTION("scheme"), "precision", rs_scheme_precision(o->options.rules.scheme), OPTION("weight_range"),
        OPTION("activation_range"), OPTION("percentile"), OPTION("bias_correction"), "compat",
        o->options.original_search, "fl", r->fl, "network", o->net->name, "data", o->set->path, "calibration_data",
        o->chosen_on->path, OPTION("refine_images"), OPTION("weight_rounding"), OPTION("error_margin"),
        "calibration_first", (json_int_t)o->calibration.first, "calibration_images", (json_int_t)o->calibration.count,
        "images", (json_int_t)r->images, "float_hits", (json_int_t)r->float_hits, "float_ties",
        (json_int_t)r->float_ties, "needed_hits", (json_int_t)r->needed_hits, "hits", (json_int_t)r->hits, "ties",
        (json_int_t)r->ties, "target_met", r->target_met, "seconds", r->seconds, OPTION("rounding"),
        OPTION("bias_format"), OPTION("unsigned_activations"), OPTION("channel_weights"), OPTION("scores_width"),
        "input_bits", input->format.bits, "input_fl", input->format.fl, "groups", groups_json(r), "trials",
        trials_json(r), "layers", layers_json(r->qnet, o->net, r), "scores", scores_json(o));
#undef OPTION
    if (value != NULL && json_object_update_missing(value, options) != 0) {
        json_decref(value);
        value = NULL;
    }
    json_decref(options);
    value = rs_pack_with(value, "scored", rs_pack_scored(o->net));
    return rs_pack_finish(rs_pack_constants(value, o->net, r->formats, r->qnet), section, diag);
}
