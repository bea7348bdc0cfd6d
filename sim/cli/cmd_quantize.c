/* ristretto quantize: its own options, and those of the original Ristretto. */
#include <string.h>

#include "base/memory.h"
#include "cli/commands.h"
#include "config/scalar.h"
#include "import/caffe.h"
#include "train/score.h"

static const struct { const char *name; rs_rounding mode; } roundings[] = {
    { "nearest", RS_ROUND_NEAREST }, { "nearest_even", RS_ROUND_NEAREST_EVEN }, { "nearest_up", RS_ROUND_NEAREST_UP }, { "truncate", RS_ROUND_TRUNCATE },
};

static rs_rounding rounding_named(const char *name)
{
    for (size_t i = 0; i < sizeof roundings / sizeof roundings[0]; i++)
        if (strcmp(roundings[i].name, name) == 0)
            return roundings[i].mode;
    return RS_ROUND_NEAREST; /* the option's choices are those above */
}

static rs_range_rule range_named(const char *name)
{
    int rule = 0;
    while (rule < RS_RANGE_RULES - 1 && strcmp(rs_range_rule_name((rs_range_rule)rule), name) != 0)
        rule++;
    return (rs_range_rule)rule; /* the option's choices are these */
}

/* --scheme, or --trimming_mode in the original's words. */
static rs_status read_scheme(const rs_args *args, rs_scheme *scheme, rs_diag *diag)
{
    static const char *const modes[RS_SCHEMES] = { "dynamic_fixed_point", "", "minifloat", "integer_power_of_2_weights" };
    const char *name = rs_args_text(args, "scheme"), *mode = rs_args_text(args, "trimming-mode");
    int named = -1, trimmed = -1;
    for (int i = 0; i < RS_SCHEMES; i++) {
        named = name != NULL && strcmp(rs_scheme_name((rs_scheme)i), name) == 0 ? i : named;
        trimmed = mode != NULL && strcmp(modes[i], mode) == 0 ? i : trimmed;
    }
    if (named >= 0 && trimmed >= 0 && named != trimmed)
        return rs_error(diag, RS_USAGE, RS_NOWHERE, NULL, "--scheme %s and --trimming-mode %s contradict each other", name, mode);
    *scheme = (rs_scheme)(named >= 0 ? named : trimmed >= 0 ? trimmed : RS_SCHEME_DYNAMIC);
    return RS_OK;
}

static rs_status read_minifloat(const rs_args *args, const char *option, rs_minifloat *format, rs_diag *diag)
{
    const char *text = rs_args_text(args, option);
    if (text == NULL || rs_minifloat_parse(text, format))
        return RS_OK;
    static const char *const names[] = { "e4m3", "e5m2", "e3m2", "e2m3", "e2m1", "bfloat16", "binary16" };
    const char *near = rs_nearest(text, names, sizeof names / sizeof *names);
    char *hint = near != NULL ? rs_format("did you mean '%s'?", near) : NULL;
    const rs_status status = rs_error(diag, RS_USAGE, RS_NOWHERE, hint,
                                      "--%s takes e4m3, e5m2, e3m2, e2m3, e2m1, bfloat16, binary16 or E:K with E from 1 to 8, K from 0 to 10 and "
                                      "E + K up to 15, not '%s'", option, text);
    rs_free(hint);
    return status;
}

static rs_status read_exponents(const rs_args *args, rs_power2 *format, rs_diag *diag)
{
    const char *text = rs_args_text(args, "exponents"), *colon = strchr(text, ':');
    char *first = rs_strndup(text, colon != NULL ? (size_t)(colon - text) : 0);
    int64_t low = 0, high = 0;
    if (first == NULL)
        return rs_out_of_memory(diag);
    const bool good = colon != NULL && rs_parse_int(first, &low) && rs_parse_int(colon + 1, &high) && low >= RS_FL_MIN && high <= RS_FL_MAX &&
                      low <= high && high - low <= RS_POWER2_MAX_RANGE;
    rs_free(first);
    *format = (rs_power2){ (int)low, (int)high, rs_args_flag(args, "zero-code") };
    return good ? RS_OK
                : rs_error(diag, RS_USAGE, RS_NOWHERE, NULL, "--exponents takes FIRST:LAST from %d to %d and at most %d of them, such as -8:-1, not '%s'",
                           RS_FL_MIN, RS_FL_MAX, RS_POWER2_MAX_RANGE + 1, text);
}

/* An option of another scheme is a mistake, not something to be passed over. */
static rs_status check_scheme_options(const rs_args *args, rs_scheme scheme, rs_diag *diag)
{
    static const struct { const char *option; rs_scheme scheme; } own[] = {
        { "minifloat", RS_SCHEME_MINIFLOAT },   { "minifloat-weights", RS_SCHEME_MINIFLOAT }, { "exponent-bits", RS_SCHEME_MINIFLOAT },
        { "exponents", RS_SCHEME_POWER2 },      { "exponents-by-layer", RS_SCHEME_POWER2 },   { "zero-code", RS_SCHEME_POWER2 },
        { "weight-range", RS_SCHEME_DYNAMIC },  { "channel-weights", RS_SCHEME_DYNAMIC },
    };
    rs_status status = RS_OK;
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (rs_args_given(args, own[i].option) && own[i].scheme != scheme)
            status = rs_error(diag, RS_USAGE, RS_NOWHERE, NULL, "--%s belongs to --scheme %s, not to %s", own[i].option, rs_scheme_name(own[i].scheme),
                              rs_scheme_name(scheme));
    if (scheme == RS_SCHEME_MINIFLOAT && (rs_args_flag(args, "unsigned") || strcmp(rs_args_text(args, "scores"), "accumulator") == 0))
        status = rs_error(diag, RS_USAGE, RS_NOWHERE, NULL, "--unsigned and --scores accumulator belong to fixed point, not to minifloat");
    return status;
}

static rs_status read_rules(const rs_args *args, rs_quantize_options *o, rs_diag *diag)
{
    rs_format_rules *rules = &o->rules;
    rs_status status = read_scheme(args, &rules->scheme, diag);
    if (status == RS_OK)
        status = check_scheme_options(args, rules->scheme, diag);
    rules->weight_range = range_named(rs_args_text(args, "weight-range"));
    rules->activation_range = range_named(rs_args_text(args, "activation-range"));
    rules->percentile = rs_args_real(args, "percentile");
    rules->bias_correction = rs_args_flag(args, "bias-correction");
    rules->exponent_bits = (int)rs_args_int(args, "exponent-bits");
    rules->power2_by_layer = rs_args_flag(args, "exponents-by-layer");
    if (status == RS_OK)
        status = read_minifloat(args, "minifloat", &rules->activation_minifloat, diag);
    rules->weight_minifloat = rules->activation_minifloat;
    if (status == RS_OK)
        status = read_minifloat(args, "minifloat-weights", &rules->weight_minifloat, diag);
    if (status == RS_OK)
        status = read_exponents(args, &rules->power2, diag);
    const char *rounding = rs_args_text(args, "rounding");
    o->rounding = rounding != NULL                        ? rounding_named(rounding)
                  : rules->scheme == RS_SCHEME_MINIFLOAT ? RS_ROUND_NEAREST_EVEN
                                                          : RS_ROUND_NEAREST;
    o->bias_rule = strcmp(rs_args_text(args, "bias-format"), "weights") == 0 ? RS_BIAS_WEIGHTS : RS_BIAS_ACCUMULATOR;
    if (strcmp(rs_args_text(args, "compat"), "ristretto") == 0) {
        o->original_search = true;
        o->bias_rule = RS_BIAS_WEIGHTS;
        rules->original_lengths = true;
    }
    return status;
}

/* --data, or what the prototxt names; the batch size that the prototxt gives, for --iterations. */
static rs_status open_data(const rs_args *args, const char *model, rs_dataset **set, int64_t *batch, rs_diag *diag)
{
    rs_net *net = NULL;
    int layer = 0;
    *batch = 0;
    if (rs_args_given(args, "data") && !rs_args_given(args, "iterations"))
        return rs_open_data(args, set, diag);
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

/* The first --iterations batches, for calibration and search. */
static rs_status take_iterations(const rs_args *args, int64_t batch, const rs_dataset *set, rs_quantize_stage *stage, rs_diag *diag)
{
    if (!rs_args_given(args, "iterations"))
        return RS_OK;
    if (rs_args_given(args, "calibration") || rs_args_given(args, "search"))
        return rs_error(diag, RS_USAGE, RS_NOWHERE, NULL, "--iterations says which images are used; leave out --calibration and --search");
    if (batch < 1)
        return rs_error(diag, RS_USAGE, RS_NOWHERE, "use --calibration and --search instead",
                        "--iterations counts batches, but the data layer of the prototxt gives no batch size");
    const int64_t asked = rs_args_int(args, "iterations"), images = asked > set->count / batch ? set->count : asked * batch;
    stage->calibration = stage->search = (rs_slice){ 0, images };
    return RS_OK;
}

/* --out, or the name of --model-quantized without its suffix. */
static rs_status choose_out(const rs_args *args, char **out, rs_diag *diag)
{
    const char *folder = rs_args_text(args, "out"), *file = rs_args_text(args, "model-quantized");
    *out = NULL;
    if (folder == NULL && file == NULL)
        return rs_error(diag, RS_USAGE, RS_NOWHERE, NULL, "--out is missing");
    const char *slash = file != NULL ? strrchr(file, '/') : NULL, *dot = file != NULL ? strrchr(slash != NULL ? slash : file, '.') : NULL;
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
    rs_dataset *set = NULL;
    rs_net *net = NULL;
    json_t *section = NULL;
    char *out = NULL;
    int64_t batch = 0;
    rs_quantize_stage stage = { .model = rs_args_text(args, "model"), .quantized = rs_args_text(args, "model-quantized") };
    rs_quantize_defaults(&stage.options);
    stage.options.unsigned_activations = rs_args_flag(args, "unsigned");
    stage.options.channel_weights = rs_args_flag(args, "channel-weights");
    stage.options.wide_scores = strcmp(rs_args_text(args, "scores"), "accumulator") == 0;
    stage.options.error_margin = rs_args_real(args, "error-margin");
    stage.options.min_bits = (int)rs_args_int(args, "min-bits");
    stage.options.max_bits = (int)rs_args_int(args, "max-bits");
    stage.options.fixed_bits[RS_GROUP_CONVOLUTION] = (int)rs_args_int(args, "convolution-bits");
    stage.options.fixed_bits[RS_GROUP_INNER_PRODUCT] = (int)rs_args_int(args, "inner-product-bits");
    stage.options.fixed_bits[RS_GROUP_ACTIVATIONS] = (int)rs_args_int(args, "activation-bits");
    if (stage.options.min_bits > stage.options.max_bits)
        return rs_error(diag, RS_USAGE, RS_NOWHERE, NULL, "--min-bits %d is above --max-bits %d", stage.options.min_bits, stage.options.max_bits);
    rs_data_override over;
    rs_status status = read_rules(args, &stage.options, diag);
    if (status == RS_OK)
        status = choose_out(args, &out, diag);
    stage.out = out;
    if (status == RS_OK)
        status = rs_transform_options(args, &over, diag);
    if (status == RS_OK)
        status = open_data(args, stage.model, &set, &batch, diag);
    if (status == RS_OK)
        status = rs_slice_option(args, "calibration", set, &stage.calibration, diag);
    if (status == RS_OK)
        status = rs_slice_option(args, "search", set, &stage.search, diag);
    if (status == RS_OK)
        status = rs_slice_option(args, "test", set, &stage.test, diag);
    if (status == RS_OK)
        status = take_iterations(args, batch, set, &stage, diag);
    if (status == RS_OK)
        status = rs_stage_load(stage.model, rs_args_text(args, "weights"), set, &over, &net, diag);
    if (status == RS_OK)
        status = rs_stage_hold(net, &set, diag);
    if (status == RS_OK)
        status = rs_stage_quantize(net, set, &stage, &section, diag);
    rs_net_free(net);
    rs_dataset_free(set);
    rs_free(out);
    return rs_show_section(args, "quantize", section, status, diag);
}
