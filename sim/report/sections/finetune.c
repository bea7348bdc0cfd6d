/* The section "finetune". */
#include "report/sections/sections.h"

#include "report/sections/constants.h"
#include "report/sections/pack.h"

/* As stored; 0: float in training. */
static int bits_of(const rs_finetune_options *o, const rs_finetune_result *r, rs_group group)
{
    if (o->bits[group] == 0)
        return 0;
    for (int i = 0; i < r->net->n_layers && group != RS_GROUP_ACTIVATIONS; i++)
        if (rs_layer_group(&r->net->layers[i]) == group)
            return rs_number_bits(r->formats->weights[i]);
    return group == RS_GROUP_ACTIVATIONS ? rs_number_bits(r->formats->activations[rs_net_input(r->net)])
                                         : o->bits[group];
}

static json_t *layers_json(const rs_qnet *qnet)
{
    json_t *layers = json_array();
    bool failed = false;
    for (int i = 0; i < qnet->n_ops; i++) {
        const rs_qop *op = &qnet->ops[i];
        const rs_qtensor *out = &qnet->tensors[op->output];
        const bool weighted = rs_qop_weighted(op);
        rs_pack_append(layers,
                       json_pack("{s:s, s:i, s:i, s:s, s:i, s:i}", "name", op->name, "weight_bits",
                                 weighted ? op->weight_format.bits : 0, "weight_fl",
                                 weighted ? op->weight_format.fl : 0, "output", out->name, "output_bits",
                                 out->format.bits, "output_fl", out->format.fl),
                       &failed);
    }
    return rs_pack_array(layers, failed);
}

static json_t *with_hits(json_t *object, const char *hits_key, int64_t hits, const char *ties_key, int64_t ties)
{
    return rs_pack_with(rs_pack_with(object, hits_key, json_integer((json_int_t)hits)), ties_key,
                        json_integer((json_int_t)ties));
}

static json_t *test_json(const rs_finetune_test *t)
{
    json_t *test = json_pack("{s:s, s:I, s:I, s:I}", "data", t->set->path, "images", (json_int_t)t->set->count, "hits",
                             (json_int_t)t->hits, "ties", (json_int_t)t->ties);
    if (t->first_hits >= 0)
        test = with_hits(test, "first_hits", t->first_hits, "first_ties", t->first_ties);
    if (t->float_hits >= 0)
        test = with_hits(test, "float_hits", t->float_hits, "float_ties", t->float_ties);
    return test;
}

rs_status rs_section_finetune(const rs_finetune_outcome *outcome, json_t **section, rs_diag *diag)
{
    const rs_finetune_options *o = outcome->options;
    const rs_finetune_result *r = outcome->result;
    json_t *value = json_pack(
        "{s:s, s:[i,i,i], s:s, s:s, s:s, s:b, s:i, s:I, s:I, s:f, s:f, s:f, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}",
        "network", r->net->name, "bits", bits_of(o, r, RS_GROUP_CONVOLUTION), bits_of(o, r, RS_GROUP_INNER_PRODUCT),
        bits_of(o, r, RS_GROUP_ACTIVATIONS), "scheme", rs_scheme_name(o->rules.scheme), "weight_rounding",
        rs_rounding_name(o->weight_rounding), "activations", o->quantized_activations ? "quantized" : "float",
        "learn_steps", (int)o->learn_steps, "gradual_bits", o->gradual_bits, "iterations", (json_int_t)r->iterations,
        "images", (json_int_t)r->trained_images, "seconds", r->seconds, "images_per_second", r->images_per_second,
        "loss", r->loss, "validation_images", (json_int_t)r->validation_images, "first_hits", (json_int_t)r->first_hits,
        "first_ties", (json_int_t)r->first_ties, "best_iteration", (json_int_t)r->best_iteration, "hits",
        (json_int_t)r->best_hits, "ties", (json_int_t)r->best_ties, "saturations", (json_int_t)r->best_saturations,
        "layers", layers_json(r->qnet));
    if (outcome->test.set != NULL)
        value = rs_pack_with(value, "test", test_json(&outcome->test));
    value = rs_pack_with(value, "scored", rs_pack_scored(r->net));
    return rs_pack_finish(rs_pack_constants(value, r->net, r->formats, r->qnet), section, diag);
}
