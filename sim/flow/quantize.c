/* The stage that quantizes: search, scores of the integers, files. */
#include "flow/quantize.h"

#include <stdio.h>

#include "base/file.h"
#include "emulate/score.h"
#include "flow/outputs.h"
#include "import/caffe/caffe.h"
#include "import/import.h"
#include "train/score.h"

rs_status rs_slice_score_both(const rs_net *net, const rs_qnet *qnet, const rs_dataset *set, rs_slice slice,
                              rs_slice_score *score, rs_diag *diag)
{
    const rs_dataset part = rs_dataset_slice(set, slice.first, slice.count);
    rs_engine *engine = NULL;
    rs_test_result f = { .hits = 0 };
    rs_score q = { .saturations = NULL };
    rs_status status = rs_engine_new(qnet, false, &engine, diag);
    if (status == RS_OK)
        status = rs_score_dataset(net, &part, NULL, &f, diag);
    if (status == RS_OK)
        status = rs_engine_score(engine, &part, 1, &q, diag);
    rs_engine_free(engine);
    score->slice = slice;
    score->float_hits = f.hits;
    score->float_ties = f.ties;
    score->hits = q.hits;
    score->ties = q.ties;
    score->seconds = q.seconds;
    return status;
}

static bool same_slice(rs_slice a, rs_slice b)
{
    return a.first == b.first && a.count == b.count;
}

/* The images of the search, those of the test where they are others, and all where neither is all. */
static rs_status score_slices(const rs_net *net, const rs_quantize_stage *stage, rs_quantize_outcome *o, rs_diag *diag)
{
    const rs_slice all = { 0, o->set->count };
    const bool apart = o->chosen_on != o->set;
    const struct {
        const char *name;
        const rs_dataset *set;
        rs_slice slice;
        bool wanted;
    } slices[RS_QUANTIZE_MAX_SCORES] = {
        { "search", o->chosen_on, stage->search, true },
        { "test", o->set, stage->test, apart || !same_slice(stage->test, stage->search) },
        { "all", o->set, all, !apart && !same_slice(stage->search, all) && !same_slice(stage->test, all) },
    };
    rs_status status = RS_OK;
    for (int i = 0; i < RS_QUANTIZE_MAX_SCORES && status == RS_OK; i++) {
        if (!slices[i].wanted)
            continue;
        rs_slice_score *score = &o->scores[o->n_scores++];
        score->name = slices[i].name;
        status = rs_slice_score_both(net, o->result->qnet, slices[i].set, slices[i].slice, score, diag);
    }
    return status;
}

/* The model's own formats and their widths: nothing to search, nothing to keep of a search. */
static rs_status take_formats(rs_net *net, rs_quantize_options *options, rs_formats **given, rs_diag *diag)
{
    if (rs_net_quantized(net)) {
        options->rounding = net->quantization.rounding;
        options->bias_rule = net->quantization.bias_rule;
    } else if (options->rules.scheme != RS_SCHEME_DYNAMIC) {
        return rs_error(diag, RS_BAD_INPUT, RS_NOWHERE, NULL,
                        "the formats of a model are dynamic fixed point, not of the scheme %s",
                        rs_scheme_name(options->rules.scheme));
    }
    const rs_status status = rs_formats_of_model(net, given, diag);
    if (status != RS_OK)
        return status;
    options->given = *given;
    options->adaptive_weights = options->rules.bias_correction = false;
    options->refine_images = 0;
    options->checkpoint = NULL;
    for (int g = 0; g < RS_GROUPS; g++)
        options->fixed_bits[g] = 1;
    for (int i = 0; i < net->n_layers; i++) {
        const rs_group g = net->layers[i].type == RS_LAYER_CONVOLUTION ? RS_GROUP_CONVOLUTION : RS_GROUP_INNER_PRODUCT;
        if ((*given)->weights[i].bits > options->fixed_bits[g])
            options->fixed_bits[g] = (*given)->weights[i].bits;
    }
    for (int b = 0; b < net->n_blobs; b++)
        if ((*given)->activations[b].bits > options->fixed_bits[RS_GROUP_ACTIVATIONS])
            options->fixed_bits[RS_GROUP_ACTIVATIONS] = (*given)->activations[b].bits;
    return RS_OK;
}

rs_status rs_stage_quantize(rs_net *net, const rs_dataset *set, const rs_quantize_stage *stage,
                            rs_quantize_outcome *outcome, rs_diag *diag)
{
    const rs_dataset *chosen_on = stage->chosen_on != NULL ? stage->chosen_on : set;
    const rs_dataset calibration = rs_dataset_slice(chosen_on, stage->calibration.first, stage->calibration.count);
    const rs_dataset search = rs_dataset_slice(chosen_on, stage->search.first, stage->search.count);
    *outcome = (rs_quantize_outcome) {
        .net = net, .set = set, .chosen_on = chosen_on, .calibration = stage->calibration, .options = stage->options
    };
    rs_quantize_options *options = &outcome->options;
    char *checkpoint = rs_path_join(stage->out, "search.json");
    int data_layer = 0;
    rs_status status = checkpoint == NULL ? rs_out_of_memory(diag) : rs_make_folder(stage->out, diag);
    options->checkpoint = checkpoint;
    options->stop_at_chance = true;
    options->calibration_images = options->search_images = 0;
    rs_formats *given = NULL;
    if (status == RS_OK && options->formats_of_model)
        status = take_formats(net, options, &given, diag);
    if (status == RS_OK && !options->formats_of_model && rs_net_quantized(net))
        rs_warn(diag, RS_FILE(stage->model), "--formats model takes them",
                "the formats of quantization_param are left out: others are chosen");
    const int quantized = rs_net_unquantize(net);
    if (quantized > 0)
        rs_warn(
            diag, RS_FILE(stage->model), "`test` and `forward` compute with the model's own",
            "%d QuantizeLinear layer%s of the net %s left out here: formats are chosen anew, from the values as floats",
            quantized, quantized == 1 ? "" : "s", quantized == 1 ? "is" : "are");
    if (status == RS_OK)
        status = rs_data_layer(net, &data_layer, diag);
    const rs_data_param *transform = &net->layers[data_layer].data;
    if (status == RS_OK)
        status = rs_quantize(net, transform, &calibration, &search, options, &outcome->result, diag);
    if (status == RS_OK)
        status = score_slices(net, stage, outcome, diag);
    if (status == RS_OK)
        status = rs_stage_write_quantized(net, stage->model, outcome->result->formats, outcome->result->qnet,
                                          stage->out, true, diag);
    if (status == RS_OK && stage->quantized != NULL)
        status = rs_import_write_quantized(stage->model, net, stage->quantized, diag);
    if (status == RS_OK)
        (void)remove(checkpoint); /* the search is over */
    if (status == RS_OK && !outcome->result->target_met)
        status = rs_error(diag, RS_MISMATCH, RS_NOWHERE, "allow wider words or a larger error margin",
                          "no widths up to %d bits keep the error margin of %g %%", options->max_bits,
                          options->error_margin);
    options->checkpoint = NULL;
    options->given = NULL;
    rs_formats_free(given);
    rs_free(checkpoint);
    return status;
}

void rs_quantize_outcome_clear(rs_quantize_outcome *outcome)
{
    rs_quantize_result_free(outcome->result);
    outcome->result = NULL;
}
