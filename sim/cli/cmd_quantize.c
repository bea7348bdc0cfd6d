/* ristretto quantize: its own options, and those of the original Ristretto. */
#include <string.h>

#include "base/memory.h"
#include "cli/commands.h"
#include "cli/sections.h"
#include "config/scalar.h"
#include "import/import.h"
#include "train/score.h"

static const struct {
    const char *name;
    rs_rounding mode;
} roundings[] = {
    { "nearest", RS_ROUND_NEAREST },
    { "nearest_even", RS_ROUND_NEAREST_EVEN },
    { "nearest_up", RS_ROUND_NEAREST_UP },
    { "truncate", RS_ROUND_TRUNCATE },
};

static rs_rounding rounding_named(const char *name)
{
    for (size_t i = 0; i < sizeof roundings / sizeof roundings[0]; i++)
        if (strcmp(roundings[i].name, name) == 0)
            return roundings[i].mode;
    return RS_ROUND_NEAREST; /* the option's choices are those above */
}

/* --scheme, or --trimming_mode in the original's words. */
static rs_status read_scheme(const rs_args *args, rs_scheme *scheme, rs_diag *diag)
{
    static const char *const modes[RS_SCHEMES] = { "dynamic_fixed_point", "", "minifloat",
                                                   "integer_power_of_2_weights" };
    const char *name = rs_args_text(args, "scheme"), *mode = rs_args_text(args, "trimming-mode");
    int named = -1, trimmed = -1;
    for (int i = 0; i < RS_SCHEMES; i++) {
        named = name != NULL && strcmp(rs_scheme_name((rs_scheme)i), name) == 0 ? i : named;
        trimmed = mode != NULL && strcmp(modes[i], mode) == 0 ? i : trimmed;
    }
    if (named >= 0 && trimmed >= 0 && named != trimmed)
        return rs_error(diag, RS_USAGE, RS_NOWHERE, NULL, "--scheme %s and --trimming-mode %s contradict each other",
                        name, mode);
    *scheme = (rs_scheme)(named >= 0 ? named : trimmed >= 0 ? trimmed : RS_SCHEME_DYNAMIC);
    return RS_OK;
}

static rs_status read_rules(const rs_args *args, rs_quantize_options *o, rs_diag *diag)
{
    rs_format_rules *rules = &o->rules;
    const rs_status status = read_scheme(args, &rules->scheme, diag);
    rules->bias_correction = rs_args_flag(args, "bias-correction");
    const char *rounding = rs_args_text(args, "rounding");
    o->rounding = rounding != NULL ? rounding_named(rounding)
                  : rules->scheme == RS_SCHEME_MINIFLOAT || strcmp(rs_args_text(args, "formats"), "model") == 0
                      ? RS_ROUND_NEAREST_EVEN
                      : RS_ROUND_NEAREST;
    return status == RS_OK ? rs_rules_options(args, strcmp(rs_args_text(args, "compat"), "ristretto") == 0, o, diag)
                           : status;
}

/* --formats model leaves nothing to choose. */
static rs_status check_formats(const rs_args *args, rs_quantize_stage *stage, rs_diag *diag)
{
    static const char *const others[] = {
        "scheme",   "min-bits",        "max-bits", "convolution-bits", "inner-product-bits", "activation-bits",
        "unsigned", "channel-weights", "scores",   "weight-range",     "activation-range",   "weight-rounding",
        "refine",   "bias-correction", "pareto",   "compat",           "trimming-mode"
    };
    stage->formats_of_model = strcmp(rs_args_text(args, "formats"), "model") == 0;
    for (size_t i = 0; stage->formats_of_model && i < sizeof others / sizeof *others; i++)
        if (rs_args_given(args, others[i]))
            return rs_error(diag, RS_USAGE, RS_NOWHERE, NULL,
                            "--formats model takes the formats as they are; --%s changes them", others[i]);
    return RS_OK;
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
    rs_quantize_defaults(&stage.options);
    stage.options.adaptive_weights = strcmp(rs_args_text(args, "weight-rounding"), "adaptive") == 0;
    stage.options.refine_images = rs_args_int(args, "refine");
    stage.options.error_margin = rs_args_real(args, "error-margin");
    stage.options.min_bits = (int)rs_args_int(args, "min-bits");
    stage.options.max_bits = (int)rs_args_int(args, "max-bits");
    stage.options.fixed_bits[RS_GROUP_CONVOLUTION] = (int)rs_args_int(args, "convolution-bits");
    stage.options.fixed_bits[RS_GROUP_INNER_PRODUCT] = (int)rs_args_int(args, "inner-product-bits");
    stage.options.fixed_bits[RS_GROUP_ACTIVATIONS] = (int)rs_args_int(args, "activation-bits");
    if (stage.options.min_bits > stage.options.max_bits)
        return rs_error(diag, RS_USAGE, RS_NOWHERE, NULL, "--min-bits %d is above --max-bits %d",
                        stage.options.min_bits, stage.options.max_bits);
    rs_data_override over;
    rs_status status = read_rules(args, &stage.options, diag);
    if (status == RS_OK)
        status = check_formats(args, &stage, diag);
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
    const char *cost = rs_args_text(args, "pareto");
    const rs_pareto_stage pareto = { .kind = cost != NULL ? rs_cost_kind_named(cost) : RS_COST_BITS,
                                     .budget = rs_args_real(args, "budget"),
                                     .technology = rs_args_text(args, "technology") };
    if (status == RS_OK && cost == NULL && (rs_args_given(args, "budget") || rs_args_given(args, "technology")))
        status = rs_error(diag, RS_USAGE, RS_NOWHERE, NULL,
                          "--budget and --technology belong to --pareto bits, area or energy");
    if (status == RS_OK && cost != NULL)
        status = rs_run_pareto(net, set, &stage, &pareto, &section, diag);
    else if (status == RS_OK)
        status = rs_run_quantize(net, set, &stage, &section, diag);
    rs_net_free(net);
    rs_dataset_free(set);
    rs_dataset_free(chosen_on);
    rs_free(out);
    return rs_show_section(args, cost != NULL ? "pareto" : "quantize", section, status, diag);
}
