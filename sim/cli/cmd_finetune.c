/* ristretto finetune. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "cli/commands.h"
#include "config/scalar.h"
#include "import/import.h"
#include "engine/engine.h"
#include "finetune/finetune.h"
#include "report/report.h"
#include "train/score.h"
#include "emulate/score.h"

static double percent(int64_t part, int64_t whole)
{
    return whole > 0 ? 100.0 * (double)part / (double)whole : 0.0;
}

typedef struct log_to {
    FILE *out;
    int64_t images; /* of the validation */
} log_to;

static void print_event(void *context, const rs_finetune_event *e)
{
    const log_to *to = context;
    switch (e->kind) {
    case RS_FINETUNE_BEGIN:
        fprintf(to->out, "fine-tuning on %" PRId64 " images from iteration %" PRId64 "\n", e->images, e->iteration);
        break;
    case RS_FINETUNE_DISPLAY:
        fprintf(to->out, "iteration %" PRId64 ", loss %.6g, learning rate %.6g\n", e->iteration, e->loss,
                e->learning_rate);
        break;
    case RS_FINETUNE_VALIDATE:
        fprintf(to->out,
                "iteration %" PRId64 ", %d/%d/%d bits on integers: %" PRId64 " of %" PRId64 " right (%.2f %%), %" PRId64
                " lost to a tie; best %.2f %% at %" PRId64 "\n",
                e->iteration, e->bits[RS_GROUP_ACTIVATIONS], e->bits[RS_GROUP_CONVOLUTION],
                e->bits[RS_GROUP_INNER_PRODUCT], e->hits, e->images, percent(e->hits, e->images), e->ties,
                percent(e->best_hits, e->images), e->best_iteration);
        break;
    case RS_FINETUNE_SNAPSHOT:
        fprintf(to->out, "iteration %" PRId64 ", snapshot %s\n", e->iteration, e->path);
        break;
    case RS_FINETUNE_INTERRUPTED:
        fprintf(to->out, "interrupted at iteration %" PRId64 "; resume from %s\n", e->iteration,
                e->path != NULL ? e->path : "the start");
        break;
    }
    fflush(to->out);
}

/* ------------------------------------------------------------------------------------------------------ outputs */

static rs_status write_outputs(const rs_solver_param *solver, const rs_finetune_result *r, const char *folder,
                               const json_t *section, rs_diag *diag)
{
    char *qnet = rs_path_join(folder, "qnet"), *prototxt = rs_path_join(folder, "quantized.prototxt"),
         *json = rs_path_join(folder, "finetune.json");
    rs_status st = qnet == NULL || prototxt == NULL || json == NULL ? rs_out_of_memory(diag) : RS_OK;
    if (st == RS_OK)
        st = rs_qnet_write(r->qnet, qnet, diag);
    if (st == RS_OK) {
        rs_formats_apply(r->formats, r->net);
        st = rs_import_write_quantized(solver->net_path, r->net, prototxt, diag);
    }
    if (st == RS_OK)
        st = rs_json_write(section, json, diag);
    rs_free(qnet);
    rs_free(prototxt);
    rs_free(json);
    return st;
}

static rs_status score_qnet(const rs_qnet *qnet, const rs_dataset *set, rs_score *score, rs_diag *diag)
{
    rs_engine *engine = NULL;
    *score = (rs_score) { .saturations = NULL };
    rs_status st = rs_engine_new(qnet, false, &engine, diag);
    if (st == RS_OK)
        st = rs_engine_score(engine, set, 1, score, diag);
    rs_engine_free(engine);
    return st;
}

/* The test images: float weights as given, integers before and after. */
static rs_status score_test(const rs_finetune_result *r, const rs_finetune_options *o, const rs_dataset *set,
                            json_t **test, rs_diag *diag)
{
    rs_score before = { .hits = -1, .ties = -1 }, after;
    rs_test_result f = { .hits = -1, .ties = -1 };
    rs_net *net = NULL;
    rs_status st = score_qnet(r->qnet, set, &after, diag);
    if (st == RS_OK && r->first_qnet != NULL)
        st = score_qnet(r->first_qnet, set, &before, diag);
    if (st == RS_OK && o->weights != NULL)
        st = rs_stage_load(r->net->path, o->weights, set, o->transform, &net, diag);
    if (st == RS_OK && net != NULL)
        st = rs_test_net(net, set, NULL, &f, diag);
    rs_net_free(net);
    if (st != RS_OK)
        return st;
    /* What a resumed run does not know, since the first weights are gone, is left out. */
    *test = json_pack("{s:s, s:I, s:I, s:I}", "data", set->path, "images", (json_int_t)set->count, "hits",
                      (json_int_t)after.hits, "ties", (json_int_t)after.ties);
    bool ok = *test != NULL;
    if (ok && r->first_qnet != NULL)
        ok = json_object_set_new(*test, "first_hits", json_integer((json_int_t)before.hits)) == 0 &&
             json_object_set_new(*test, "first_ties", json_integer((json_int_t)before.ties)) == 0;
    if (ok && o->weights != NULL)
        ok = json_object_set_new(*test, "float_hits", json_integer((json_int_t)f.hits)) == 0 &&
             json_object_set_new(*test, "float_ties", json_integer((json_int_t)f.ties)) == 0;
    return ok ? RS_OK : rs_out_of_memory(diag);
}

/* As stored; 0: float in training. */
static int bits_of(const rs_finetune_options *o, const rs_finetune_result *r, rs_group group)
{
    if (o->bits[group] == 0)
        return 0;
    for (int i = 0; i < r->net->n_layers && group != RS_GROUP_ACTIVATIONS; i++)
        if (rs_layer_group(&r->net->layers[i]) == group)
            return rs_number_bits(rs_formats_weight(r->formats, i));
    return group == RS_GROUP_ACTIVATIONS ? rs_number_bits(rs_formats_activation(r->formats, rs_net_input(r->net)))
                                         : o->bits[group];
}

static rs_status make_section(const rs_finetune_options *o, const rs_finetune_result *r, const rs_dataset *test_set,
                              json_t **section, rs_diag *diag)
{
    json_t *layers = json_array(), *test = NULL;
    bool failed = layers == NULL;
    for (int i = 0; i < r->qnet->n_ops && !failed; i++) {
        const rs_qop *op = &r->qnet->ops[i];
        const rs_qtensor *out = &r->qnet->tensors[op->output];
        const bool weighted = rs_qop_weighted(op);
        failed = json_array_append_new(layers,
                                       json_pack("{s:s, s:i, s:i, s:s, s:i, s:i}", "name", op->name, "weight_bits",
                                                 weighted ? op->weight_format.bits : 0, "weight_fl",
                                                 weighted ? op->weight_format.fl : 0, "output", out->name,
                                                 "output_bits", out->format.bits, "output_fl", out->format.fl)) != 0;
    }
    rs_status st = failed ? rs_out_of_memory(diag) : RS_OK;
    if (st == RS_OK && test_set != NULL)
        st = score_test(r, o, test_set, &test, diag);
    if (st == RS_OK) {
        *section = json_pack("{s:s, s:[i,i,i], s:s, s:s, s:s, s:b, s:i, s:I, s:I, s:f, s:f, s:f, s:I, s:I, s:I, s:I, "
                             "s:I, s:I, s:I, s:O}",
                             "network", r->net->name, "bits", bits_of(o, r, RS_GROUP_CONVOLUTION),
                             bits_of(o, r, RS_GROUP_INNER_PRODUCT), bits_of(o, r, RS_GROUP_ACTIVATIONS), "scheme",
                             rs_scheme_name(o->rules.scheme), "weight_rounding", rs_rounding_name(o->weight_rounding),
                             "activations", o->quantized_activations ? "quantized" : "float", "learn_steps",
                             (int)o->learn_steps, "gradual_bits", o->gradual_bits, "iterations",
                             (json_int_t)r->iterations, "images", (json_int_t)r->trained_images, "seconds", r->seconds,
                             "images_per_second", r->images_per_second, "loss", r->loss, "validation_images",
                             (json_int_t)r->validation_images, "first_hits", (json_int_t)r->first_hits, "first_ties",
                             (json_int_t)r->first_ties, "best_iteration", (json_int_t)r->best_iteration, "hits",
                             (json_int_t)r->best_hits, "ties", (json_int_t)r->best_ties, "saturations",
                             (json_int_t)r->best_saturations, "layers", layers);
        if (*section == NULL || (test != NULL && json_object_set(*section, "test", test) != 0))
            st = rs_out_of_memory(diag);
    }
    json_decref(layers);
    json_decref(test);
    return st;
}

/* ------------------------------------------------------------------------------------------------------ options */

/* --test, or what the test phase of the solver's net names. */
static rs_status open_test_set(const rs_args *args, const rs_solver_param *solver, rs_dataset **set, rs_diag *diag)
{
    const char *path = rs_args_text(args, "test"), *folder = rs_args_text(args, "data");
    if (path == NULL && folder != NULL)
        path = folder;
    if (path != NULL)
        return rs_dataset_open(path, NULL, false, set, diag);
    rs_net *net = NULL;
    int layer = 0;
    rs_status st = rs_import_net(solver->net_path, NULL, NULL, &net, diag);
    if (st == RS_OK)
        st = rs_data_layer(net, &layer, diag);
    if (st == RS_OK && net->layers[layer].data.source == NULL)
        st = rs_error(diag, RS_USAGE, net->layers[layer].loc, "name labelled images with --test",
                      "the test net names no source of images");
    if (st == RS_OK)
        st = rs_dataset_open_layer(&net->layers[layer].data, NULL, net->path, false, set, diag);
    rs_net_free(net);
    return st;
}

/* The test images are scored more than once. Before the training, so that an image that cannot be read does not end it.
 */
static rs_status hold_test_set(const rs_solver_param *solver, const rs_data_override *over, rs_dataset **set,
                               rs_diag *diag)
{
    rs_net *net = NULL;
    int layer = 0;
    rs_status st = rs_import_net(solver->net_path, NULL, NULL, &net, diag);
    if (st == RS_OK)
        st = rs_fit_data(net, *set, over, 1, &layer, diag);
    if (st == RS_OK)
        st = rs_dataset_hold(set, &net->layers[layer].data, diag);
    rs_net_free(net);
    return st;
}

/* FIRST:COUNT; the images are checked once they are there. */
static rs_status validation_slice(const rs_args *args, rs_finetune_options *o, rs_diag *diag)
{
    const char *text = rs_args_text(args, "validation-images");
    if (text == NULL)
        return RS_OK;
    rs_slice slice;
    const rs_status st = rs_slice_parse(text, "validation-images", &slice, diag);
    o->validation_first = slice.first;
    o->validation_images = slice.count;
    if (st == RS_OK && o->validation == NULL && slice.first != 0)
        return rs_error(diag, RS_USAGE, RS_NOWHERE, "--validation names the set that they are counted in",
                        "without --validation the images are the last of the training set: expected 0:COUNT, not '%s'",
                        text);
    return st;
}

/* What quantize has as well. */
static rs_status read_rules(const rs_args *args, rs_finetune_options *o, rs_diag *diag)
{
    const char *name = rs_args_text(args, "scheme");
    rs_quantize_options q;
    rs_quantize_defaults(&q);
    for (int i = 0; i < RS_SCHEMES; i++)
        if (strcmp(name, rs_scheme_name((rs_scheme)i)) == 0)
            q.rules.scheme = (rs_scheme)i;
    q.refine_images = o->refine_images;
    const rs_status status = rs_rules_options(args, false, &q, diag);
    o->rules = q.rules;
    o->channel_weights = q.channel_weights;
    o->unsigned_activations = q.unsigned_activations;
    o->wide_scores = q.wide_scores;
    o->bias_rule = q.bias_rule;
    o->rounding = q.rules.scheme == RS_SCHEME_MINIFLOAT ? RS_ROUND_NEAREST_EVEN : RS_ROUND_NEAREST;
    return status;
}

rs_status rs_command_finetune(const rs_args *args, rs_diag *diag)
{
    rs_finetune_options o;
    rs_finetune_defaults(&o);
    o.data_folder = rs_args_text(args, "data");
    o.weights = rs_args_text(args, "weights");
    o.resume = rs_args_text(args, "resume");
    o.out = rs_args_text(args, "out");
    o.validation = rs_args_text(args, "validation");
    o.calibration_images = rs_args_int(args, "calibration");
    o.refine_images = rs_args_int(args, "refine");
    o.bits[RS_GROUP_CONVOLUTION] = (int)rs_args_int(args, "convolution-bits");
    o.bits[RS_GROUP_INNER_PRODUCT] = (int)rs_args_int(args, "inner-product-bits");
    o.bits[RS_GROUP_ACTIVATIONS] = (int)rs_args_int(args, "activation-bits");
    o.quantized_activations = strcmp(rs_args_text(args, "activations"), "quantized") == 0;
    o.learn_steps = rs_args_flag(args, "learn-steps");
    o.weight_rounding = strcmp(rs_args_text(args, "weight-rounding"), "nearest") == 0 ? RS_ROUND_NEAREST
                                                                                      : RS_ROUND_STOCHASTIC;
    o.gradual_bits = (int)rs_args_int(args, "gradual");
    o.learning_rate = rs_args_real(args, "learning-rate");
    o.linear_decay = strcmp(rs_args_text(args, "schedule"), "linear") == 0;
    o.weight_decay = rs_args_real(args, "weight-decay");
    o.iterations = rs_args_int(args, "iterations");
    o.validate_every = rs_args_int(args, "validate-every");
    o.snapshot_every = rs_args_int(args, "snapshot-every");
    o.seed = (uint64_t)rs_args_int(args, "seed");
    o.keep_last = strcmp(rs_args_text(args, "keep"), "last") == 0;
    const bool quiet = rs_args_flag(args, "quiet");
    log_to to = { .out = rs_args_flag(args, "json") ? stderr : stdout };
    o.log = quiet ? NULL : print_event;
    o.log_context = &to;
    rs_solver_param *solver = NULL;
    rs_dataset *test_set = NULL;
    rs_finetune_result *r = NULL;
    json_t *section = NULL;
    rs_data_override transform;
    rs_status status = read_rules(args, &o, diag);
    if (status == RS_OK)
        status = rs_transform_options(args, &transform, diag);
    o.transform = &transform;
    if (status == RS_OK)
        status = validation_slice(args, &o, diag);
    if (status == RS_OK)
        status = rs_caffe_read_solver(rs_args_text(args, "solver"), &solver, diag);
    if (status == RS_OK && o.weights == NULL && o.resume == NULL && rs_is_onnx(solver->net_path))
        o.weights = solver->net_path; /* its own */
    if (status == RS_OK && !rs_args_flag(args, "no-test"))
        status = open_test_set(args, solver, &test_set, diag);
    if (status == RS_OK && test_set != NULL)
        status = hold_test_set(solver, &transform, &test_set, diag);
    if (status == RS_OK)
        status = rs_finetune(solver, &o, &r, diag);
    if (status == RS_OK)
        status = make_section(&o, r, test_set, &section, diag);
    if (status == RS_OK)
        status = write_outputs(solver, r, o.out, section, diag);
    rs_finetune_result_free(r);
    rs_dataset_free(test_set);
    rs_solver_param_free(solver);
    return rs_show_section(args, "finetune", section, status, diag);
}
