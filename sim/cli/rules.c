/* How numbers are written in words, as options of `ristretto quantize` and as keys of a run's YAML file. */
#include <string.h>

#include "base/memory.h"
#include "cli/commands.h"
#include "config/scalar.h"

/* "--zero-code", "quantize.zero_code". NULL: no memory. */
static char *full_name(const rs_rule_texts *t, const char *option)
{
    char *name = rs_format("%s%s", t->prefix, option);
    for (char *p = name; p != NULL && t->status != RS_USAGE && *p != '\0'; p++)
        *p = *p == '-' ? '_' : *p;
    return name;
}

static rs_status wrong(const rs_rule_texts *t, const char *option, const char *hint, const char *what, rs_diag *diag)
{
    char *name = full_name(t, option);
    const rs_status status = name != NULL ? rs_error(diag, t->status, RS_NOWHERE, hint, "%s %s", name, what)
                                          : rs_out_of_memory(diag);
    rs_free(name);
    return status;
}

static rs_status read_minifloat(const rs_rule_texts *t, const char *option, const char *text, rs_minifloat *format,
                                rs_diag *diag)
{
    if (text == NULL || text[0] == '\0' || rs_minifloat_parse(text, format))
        return RS_OK;
    static const char *const names[] = { "e4m3", "e5m2", "e3m2", "e2m3", "e2m1", "bfloat16", "binary16" };
    const char *near = rs_nearest(text, names, sizeof names / sizeof *names);
    char *hint = near != NULL ? rs_format("did you mean '%s'?", near) : NULL;
    char *what = rs_format("takes e4m3, e5m2, e3m2, e2m3, e2m1, bfloat16, binary16 or E:K with E from 1 to 8, K from 0 "
                           "to 10 and E + K up to 15, not '%s'",
                           text);
    const rs_status status = what != NULL ? wrong(t, option, hint, what, diag) : rs_out_of_memory(diag);
    rs_free(hint);
    rs_free(what);
    return status;
}

static rs_status read_exponents(const char *text, bool zero, const rs_rule_texts *t, rs_power2 *format, rs_diag *diag)
{
    const char *colon = strchr(text, ':');
    char *first = rs_strndup(text, colon != NULL ? (size_t)(colon - text) : 0);
    int64_t low = 0, high = 0;
    if (first == NULL)
        return rs_out_of_memory(diag);
    const bool good = colon != NULL && rs_parse_int(first, &low) && rs_parse_int(colon + 1, &high) &&
                      low >= RS_FL_MIN && high <= RS_FL_MAX && low <= high && high - low <= RS_POWER2_MAX_RANGE;
    rs_free(first);
    *format = (rs_power2) { (int)low, (int)high, zero };
    if (good)
        return RS_OK;
    char *what = rs_format("takes FIRST:LAST from %d to %d and at most %d of them, such as -8:-1, not '%s'", RS_FL_MIN,
                           RS_FL_MAX, RS_POWER2_MAX_RANGE + 1, text);
    const rs_status status = what != NULL ? wrong(t, "exponents", NULL, what, diag) : rs_out_of_memory(diag);
    rs_free(what);
    return status;
}

/* An option of another scheme is a mistake, not something to be passed over. */
static rs_status check_scheme(const rs_rule_texts *t, const rs_quantize_options *o, rs_diag *diag)
{
    static const char default_exponents[] = "-8:-1";
    const rs_scheme scheme = o->rules.scheme;
    const struct {
        const char *option;
        bool given;
        rs_scheme scheme;
    } own[] = {
        { "minifloat", t->minifloat != NULL && t->minifloat[0] != '\0', RS_SCHEME_MINIFLOAT },
        { "minifloat-weights", t->minifloat_weights != NULL && t->minifloat_weights[0] != '\0', RS_SCHEME_MINIFLOAT },
        { "exponent-bits", o->rules.exponent_bits > 0, RS_SCHEME_MINIFLOAT },
        { "exponents", strcmp(t->exponents, default_exponents) != 0, RS_SCHEME_POWER2 },
        { "exponents-by-layer", o->rules.power2_by_layer, RS_SCHEME_POWER2 },
        { "zero-code", t->zero_code, RS_SCHEME_POWER2 },
        { "weight-range", o->rules.weight_range != RS_RANGE_MAX, RS_SCHEME_DYNAMIC },
        { "channel-weights", o->channel_weights, RS_SCHEME_DYNAMIC },
    };
    rs_status status = RS_OK;
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        if (!own[i].given || own[i].scheme == scheme)
            continue;
        char *what = rs_format("belongs to the scheme %s, not to %s", rs_scheme_name(own[i].scheme),
                               rs_scheme_name(scheme));
        status = what != NULL ? wrong(t, own[i].option, NULL, what, diag) : rs_out_of_memory(diag);
        rs_free(what);
    }
    if (scheme == RS_SCHEME_MINIFLOAT && (o->unsigned_activations || o->wide_scores))
        status = rs_error(
            diag, t->status, RS_NOWHERE, NULL,
            "unsigned values and scores as wide as the accumulator belong to fixed point, not to minifloat");
    if (o->refine_images > 0 && (scheme == RS_SCHEME_MINIFLOAT || scheme == RS_SCHEME_STATIC))
        status = wrong(t, "refine", NULL,
                       "moves fractional lengths, which only the schemes dynamic and power-of-two can have moved",
                       diag);
    if (o->adaptive_weights && scheme == RS_SCHEME_STATIC)
        status = wrong(t, "weight-rounding", NULL,
                       "adaptive moves fractional lengths, but the scheme static has one for all numbers", diag);
    return status;
}

rs_status rs_read_rules(const rs_rule_texts *t, rs_quantize_options *o, rs_diag *diag)
{
    rs_format_rules *rules = &o->rules;
    rs_status status = read_minifloat(t, "minifloat", t->minifloat, &rules->activation_minifloat, diag);
    rules->weight_minifloat = rules->activation_minifloat;
    if (status == RS_OK)
        status = read_minifloat(t, "minifloat-weights", t->minifloat_weights, &rules->weight_minifloat, diag);
    if (status == RS_OK)
        status = read_exponents(t->exponents, t->zero_code, t, &rules->power2, diag);
    if (status == RS_OK)
        status = check_scheme(t, o, diag);
    if (t->original) {
        o->original_search = true;
        o->bias_rule = RS_BIAS_WEIGHTS;
        rules->original_lengths = true;
    }
    return status;
}

static rs_range_rule range_named(const char *name)
{
    int rule = 0;
    while (rule < RS_RANGE_RULES - 1 && strcmp(rs_range_rule_name((rs_range_rule)rule), name) != 0)
        rule++;
    return (rs_range_rule)rule; /* the option's choices are these */
}

rs_status rs_rules_options(const rs_args *args, bool original, rs_quantize_options *o, rs_diag *diag)
{
    const rs_rule_texts texts = { .prefix = "--",
                                  .status = RS_USAGE,
                                  .minifloat = rs_args_text(args, "minifloat"),
                                  .minifloat_weights = rs_args_text(args, "minifloat-weights"),
                                  .exponents = rs_args_text(args, "exponents"),
                                  .zero_code = rs_args_flag(args, "zero-code"),
                                  .original = original };
    rs_format_rules *rules = &o->rules;
    rules->weight_range = range_named(rs_args_text(args, "weight-range"));
    rules->activation_range = range_named(rs_args_text(args, "activation-range"));
    rules->percentile = rs_args_real(args, "percentile");
    rules->exponent_bits = (int)rs_args_int(args, "exponent-bits");
    rules->power2_by_layer = rs_args_flag(args, "exponents-by-layer");
    o->channel_weights = rs_args_flag(args, "channel-weights");
    o->unsigned_activations = rs_args_flag(args, "unsigned");
    o->wide_scores = strcmp(rs_args_text(args, "scores"), "accumulator") == 0;
    o->bias_rule = strcmp(rs_args_text(args, "bias-format"), "weights") == 0 ? RS_BIAS_WEIGHTS : RS_BIAS_ACCUMULATOR;
    return rs_read_rules(&texts, o, diag);
}
