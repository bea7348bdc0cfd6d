/* ristretto quantize: its own options, and those of the original Ristretto. */
#include <string.h>

#include "base/memory.h"
#include "cli/commands.h"
#include "cli/sections.h"
#include "flow/quantize_keys.h"
#include "import/import.h"
#include "train/score.h"

/* The original's --trimming-mode, which names the scheme in other words. */
static rs_status read_trimming_mode(const rs_args *args, rs_scheme *scheme, rs_diag *diag)
{
    const char *mode = rs_args_text(args, "trimming-mode");
    int trimmed = 0;
    if (mode == NULL || !rs_word_find(rs_trimming_mode_words, mode, &trimmed))
        return RS_OK;
    if (rs_args_given(args, "scheme") && *scheme != (rs_scheme)trimmed)
        return rs_error(diag, RS_USAGE, RS_NOWHERE, NULL, "--scheme %s and --trimming-mode %s contradict each other",
                        rs_scheme_name(*scheme), mode);
    *scheme = (rs_scheme)trimmed;
    return RS_OK;
}

/* --formats model leaves nothing to choose but these. */
static rs_status check_formats(const rs_args *args, rs_diag *diag)
{
    static const char kept[] = "formats|error_margin|rounding|bias_format";
    for (const rs_option *o = rs_quantizer_options; o->name != NULL; o++) {
        char name[RS_OPTION_SPELLING];
        if (rs_args_given(args, o->name) && !rs_choice_has(kept, o->name))
            return rs_error(diag, RS_USAGE, RS_NOWHERE, NULL,
                            "--formats model takes the formats as they are; %s changes them",
                            rs_option_spelling(o, name));
    }
    if (rs_args_given(args, "trimming-mode"))
        return rs_error(diag, RS_USAGE, RS_NOWHERE, NULL,
                        "--formats model takes the formats as they are; --trimming-mode changes them");
    return RS_OK;
}

static rs_status read_options(const rs_args *args, rs_quantize_options *o, rs_diag *diag)
{
    rs_quantize_defaults(o);
    rs_status status = rs_store_options(args, rs_quantize_keys, o, diag);
    if (status == RS_OK)
        status = read_trimming_mode(args, &o->rules.scheme, diag);
    if (status == RS_OK && o->formats_of_model)
        status = check_formats(args, diag);
    if (status == RS_OK && o->pareto == RS_COST_NONE &&
        (rs_args_given(args, "budget") || rs_args_given(args, "technology")))
        status = rs_error(diag, RS_USAGE, RS_NOWHERE, NULL,
                          "--budget and --technology belong to --pareto bits, area or energy");
    return status == RS_OK ? rs_quantize_options_finish(o, &rs_command_line_names, diag) : status;
}

/* --data, or what the prototxt names; the batch size that the prototxt gives, for --iterations. */
static rs_status open_data(const rs_args *args, const char *model, rs_dataset **set, int64_t *batch, rs_diag *diag)
{
    rs_net *net = NULL;
    int layer = 0;
    *batch = 0;
    if (rs_args_given(args, "data") && !rs_args_given(args, "iterations"))
        return rs_open_data(args, set, diag);
    if (rs_is_onnx(model)) /* names no data, and no batches of it */
        return rs_args_given(args, "data")
                   ? rs_open_data(args, set, diag)
                   : rs_error(diag, RS_USAGE, RS_NOWHERE, NULL, "--data is missing: an ONNX model names no data");
    rs_status status = rs_caffe_read_net(model, RS_TEST, &net, diag);
    if (status == RS_OK)
        status = rs_data_layer(net, &layer, diag);
    const rs_data_param *data = status == RS_OK ? &net->layers[layer].data : NULL;
    if (status == RS_OK)
        *batch = data->batch_size;
    if (status == RS_OK && rs_args_given(args, "data"))
        status = rs_open_data(args, set, diag);
    else if (status == RS_OK && data->source != NULL)
        status = rs_dataset_open(data->source, net->path, false, set, diag);
    else if (status == RS_OK)
        status = rs_error(diag, RS_USAGE, RS_NOWHERE, NULL, "--data is missing, and '%s' names no data", model);
    rs_net_free(net);
    return status;
}

/* --calibration-data; the slices are counted in it. */
static rs_status open_calibration(const rs_args *args, const rs_net *net, rs_dataset **set, rs_diag *diag)
{
    const char *path = rs_args_text(args, "calibration-data");
    if (path == NULL)
        return RS_OK;
    if (rs_args_given(args, "iterations"))
        return rs_error(
            diag, RS_USAGE, RS_NOWHERE, NULL,
            "--iterations counts batches of --data; with --calibration-data use --calibration and --search");
    const rs_status status = rs_dataset_open(path, NULL, true, set, diag);
    return status == RS_OK ? rs_stage_hold(net, set, diag) : status;
}

/* The first --iterations batches, for calibration and search. */
static rs_status take_iterations(const rs_args *args, int64_t batch, const rs_dataset *set, rs_quantize_stage *stage,
                                 rs_diag *diag)
{
    if (!rs_args_given(args, "iterations"))
        return RS_OK;
    if (rs_args_given(args, "calibration") || rs_args_given(args, "search"))
        return rs_error(diag, RS_USAGE, RS_NOWHERE, NULL,
                        "--iterations says which images are used; leave out --calibration and --search");
    if (batch < 1)
        return rs_error(diag, RS_USAGE, RS_NOWHERE, "use --calibration and --search instead",
                        "--iterations counts batches, but the data layer of the prototxt gives no batch size");
    const int64_t asked = rs_args_int(args, "iterations"),
                  images = asked > set->count / batch ? set->count : asked * batch;
    stage->calibration = stage->search = (rs_slice) { 0, images };
    return RS_OK;
}

/* --out, or the name of --model-quantized without its suffix. */
static rs_status choose_out(const rs_args *args, char **out, rs_diag *diag)
{
    const char *folder = rs_args_text(args, "out"), *file = rs_args_text(args, "model-quantized");
    *out = NULL;
    if (folder == NULL && file == NULL)
        return rs_error(diag, RS_USAGE, RS_NOWHERE, NULL, "--out is missing");
    const char *slash = file != NULL ? strrchr(file, '/') : NULL,
               *dot = file != NULL ? strrchr(slash != NULL ? slash : file, '.') : NULL;
    if (folder != NULL)
        *out = rs_strdup(folder);
    else if (dot != NULL && dot != file && dot != slash + 1)
        *out = rs_strndup(file, (size_t)(dot - file));
    else
        *out = rs_format("%s.d", file);
    return *out != NULL ? RS_OK : rs_out_of_memory(diag);
}

rs_status rs_command_quantize(const rs_args *args, rs_diag *diag)
{
    rs_dataset *set = NULL, *chosen_on = NULL;
    rs_net *net = NULL;
    json_t *section = NULL;
    char *out = NULL;
    int64_t batch = 0;
    rs_quantize_stage stage = { .model = rs_args_text(args, "model"),
                                .quantized = rs_args_text(args, "model-quantized") };
    rs_data_override over;
    rs_status status = read_options(args, &stage.options, diag);
    if (status == RS_OK)
        status = choose_out(args, &out, diag);
    stage.out = out;
    if (status == RS_OK)
        status = rs_transform_options(args, &over, diag);
    if (status == RS_OK)
        status = open_data(args, stage.model, &set, &batch, diag);
    if (status == RS_OK)
        status = rs_stage_load(stage.model, rs_args_text(args, "weights"), set, &over, &net, diag);
    if (status == RS_OK)
        status = rs_net_choose_scores(net, rs_args_text(args, "score"), diag);
    if (status == RS_OK)
        status = open_calibration(args, net, &chosen_on, diag);
    stage.chosen_on = chosen_on;
    const rs_dataset *counted = chosen_on != NULL ? chosen_on : set;
    if (status == RS_OK)
        status = rs_slice_option(args, "calibration", counted, &stage.calibration, diag);
    if (status == RS_OK)
        status = rs_slice_option(args, "search", counted, &stage.search, diag);
    if (status == RS_OK)
        status = rs_slice_option(args, "test", set, &stage.test, diag);
    if (status == RS_OK)
        status = take_iterations(args, batch, set, &stage, diag);
    if (status == RS_OK)
        status = rs_stage_hold(net, &set, diag);
    const bool by_cost = stage.options.pareto != RS_COST_NONE;
    if (status == RS_OK && by_cost)
        status = rs_run_pareto(net, set, &stage, rs_args_text(args, "technology"), &section, diag);
    else if (status == RS_OK)
        status = rs_run_quantize(net, set, &stage, &section, diag);
    rs_net_free(net);
    rs_dataset_free(set);
    rs_dataset_free(chosen_on);
    rs_free(out);
    return rs_show_section(args, by_cost ? "pareto" : "quantize", section, status, diag);
}
