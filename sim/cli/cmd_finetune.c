/* ristretto finetune. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "cli/commands.h"
#include "cli/sections.h"
#include "import/import.h"
#include "engine/engine.h"
#include "finetune/finetune.h"
#include "flow/quantize_keys.h"
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
        st = rs_dataset_hold(set, &net->layers[layer].data, RS_HELD_MAX_BYTES, diag);
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
    rs_quantize_options q;
    int scheme = 0;
    rs_quantize_defaults(&q);
    rs_status status = rs_store_options(args, rs_rules_keys, &q, diag);
    if (rs_word_find(rs_scheme_words, rs_args_text(args, "scheme"), &scheme))
        q.rules.scheme = (rs_scheme)scheme;
    q.rounding = RS_ROUNDING_AUTO;
    q.refine_images = o->refine_images;
    if (status == RS_OK)
        status = rs_quantize_options_finish(&q, &rs_command_line_names, diag);
    o->rules = q.rules;
    o->channel_weights = q.channel_weights;
    o->unsigned_activations = q.unsigned_activations;
    o->wide_scores = q.wide_scores;
    o->bias_rule = q.bias_rule;
    o->rounding = q.rounding;
    return status;
}

static rs_status read_options(const rs_args *args, rs_finetune_options *o, rs_diag *diag)
{
    rs_finetune_defaults(o);
    o->data_folder = rs_args_text(args, "data");
    o->weights = rs_args_text(args, "weights");
    o->resume = rs_args_text(args, "resume");
    o->out = rs_args_text(args, "out");
    o->score = rs_args_text(args, "score");
    o->validation = rs_args_text(args, "validation");
    o->calibration_images = rs_args_int(args, "calibration");
    o->refine_images = rs_args_int(args, "refine");
    o->bits[RS_GROUP_CONVOLUTION] = (int)rs_args_int(args, "convolution-bits");
    o->bits[RS_GROUP_INNER_PRODUCT] = (int)rs_args_int(args, "inner-product-bits");
    o->bits[RS_GROUP_ACTIVATIONS] = (int)rs_args_int(args, "activation-bits");
    o->quantized_activations = strcmp(rs_args_text(args, "activations"), "quantized") == 0;
    o->learn_steps = rs_args_flag(args, "learn-steps");
    o->weight_rounding = strcmp(rs_args_text(args, "weight-rounding"), "nearest") == 0 ? RS_ROUND_NEAREST
                                                                                       : RS_ROUND_STOCHASTIC;
    o->gradual_bits = (int)rs_args_int(args, "gradual");
    o->learning_rate = rs_args_real(args, "learning-rate");
    o->linear_decay = strcmp(rs_args_text(args, "schedule"), "linear") == 0;
    o->weight_decay = rs_args_real(args, "weight-decay");
    o->iterations = rs_args_int(args, "iterations");
    o->validate_every = rs_args_int(args, "validate-every");
    o->snapshot_every = rs_args_int(args, "snapshot-every");
    o->seed = (uint64_t)rs_args_int(args, "seed");
    o->keep_last = strcmp(rs_args_text(args, "keep"), "last") == 0;
    const rs_status status = read_rules(args, o, diag);
    return status == RS_OK ? validation_slice(args, o, diag) : status;
}

rs_status rs_command_finetune(const rs_args *args, rs_diag *diag)
{
    rs_finetune_options o;
    rs_data_override transform;
    rs_status status = read_options(args, &o, diag);
    if (status == RS_OK)
        status = rs_transform_options(args, &transform, diag);
    o.transform = &transform;
    const bool quiet = rs_args_flag(args, "quiet");
    log_to to = { .out = rs_args_flag(args, "json") ? stderr : stdout };
    o.log = quiet ? NULL : print_event;
    o.log_context = &to;
    rs_solver_param *solver = NULL;
    rs_dataset *test_set = NULL;
    json_t *section = NULL;
    if (status == RS_OK)
        status = rs_caffe_read_solver(rs_args_text(args, "solver"), &solver, diag);
    if (status == RS_OK && o.weights == NULL && o.resume == NULL && rs_is_onnx(solver->net_path))
        o.weights = solver->net_path; /* its own */
    if (status == RS_OK && !rs_args_flag(args, "no-test"))
        status = open_test_set(args, solver, &test_set, diag);
    if (status == RS_OK && test_set != NULL)
        status = hold_test_set(solver, &transform, &test_set, diag);
    if (status == RS_OK)
        status = rs_run_finetune(solver, &o, test_set, &section, diag);
    rs_dataset_free(test_set);
    rs_solver_param_free(solver);
    return rs_show_section(args, "finetune", section, status, diag);
}
