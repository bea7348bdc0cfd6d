/* The options of the quantizer: words, defaults, and whether they go together. */
#include "search/options.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* -------------------------------------------------------------------------------------------------------- words */

const rs_word rs_searched_word = { "auto", 0, "searched" };
const rs_word rs_rounding_auto_word = { "auto", RS_ROUNDING_AUTO,
                                        "nearest; of minifloats and of a model's formats nearest_even" };
const rs_word rs_formats_words[] = {
    { "search", 0, "chosen on images" },
    { "model", 1,
      "those of a quantized ONNX model (QDQ) whose scales are powers of two; of these options only rounding, "
      "bias format and error margin count" },
    { NULL, 0, NULL },
};
const rs_word rs_score_words[] = {
    { "format", 0, "in the format of a layer output" },
    { "accumulator", 1, "as wide as the last layer's accumulator, 32 bits at most" },
    { NULL, 0, NULL },
};
const rs_word rs_weight_rounding_words[] = {
    { "nearest", 0, "each weight to its nearest number" },
    { "adaptive", 1, "so that the layer's outputs on calibration images stay near" },
    { NULL, 0, NULL },
};
const rs_word rs_cost_kind_words[] = {
    { "none", RS_COST_NONE, "one width per group" },
    { "bits", RS_COST_BITS, "all weights, and all layer outputs of an image" },
    { "area", RS_COST_AREA, "of a multiply-accumulate unit; needs a technology" },
    { "energy", RS_COST_ENERGY, "of an image; needs a technology" },
    { NULL, 0, NULL },
};
const rs_word rs_compat_words[] = {
    { "none", 0, NULL },
    { "ristretto", 1, "the rules of the original Ristretto" },
    { NULL, 0, NULL },
};

/* -------------------------------------------------------------------------------------------------------- texts */

bool rs_option_minifloat(const char *text, void *minifloat)
{
    rs_minifloat format = { .exponent_bits = 0 };
    if (text[0] != '\0' && !rs_minifloat_parse(text, &format))
        return false;
    memcpy(minifloat, &format, sizeof format);
    return true;
}

bool rs_option_exponents(const char *text, void *power2)
{
    static const char digits[] = "0123456789";
    rs_power2 *format = power2;
    long ends[2];
    for (int i = 0; i < 2; i++) {
        const size_t sign = text[0] == '-' || text[0] == '+', n = strspn(text + sign, digits);
        if (n < 1 || n > 3 || text[sign + n] != (i == 0 ? ':' : '\0'))
            return false;
        ends[i] = strtol(text, NULL, 10);
        text += sign + n + 1;
    }
    if (ends[0] < RS_FL_MIN || ends[1] > RS_FL_MAX || ends[0] > ends[1] || ends[1] - ends[0] > RS_POWER2_MAX_RANGE)
        return false;
    format->min_exponent = (int)ends[0];
    format->max_exponent = (int)ends[1];
    return true;
}

/* ----------------------------------------------------------------------------------------------------- defaults */

/* Stores into a field of any width: a bool, an enumeration, an int64_t. */
static void put(void *field, size_t size, int64_t value)
{
    const bool flag = value != 0;
    const int32_t word = (int32_t)value;
    memcpy(field, size == sizeof flag ? (const void *)&flag : size == sizeof word ? (const void *)&word : &value, size);
}

static int64_t value_of_word(const rs_word *first, const rs_word *words, const char *name)
{
    const rs_word *word;
    for (size_t i = 0; (word = rs_word_nth(first, words, i)) != NULL; i++)
        if (strcmp(word->name, name) == 0)
            return word->value;
    return strtoll(name, NULL, 10); /* of a whole number */
}

void rs_quantize_defaults(rs_quantize_options *o)
{
    static const rs_option_names names = { .prefix = "", .separator = '-', .wrong = RS_INTERNAL };
    *o = (rs_quantize_options) { .given = NULL };
    rs_format_rules_defaults(&o->rules);
#define FLAG(use, name, field, ...) o->field = false;
#define WORD(use, name, value, field, first, words, text, ...) \
    put(&o->field, sizeof o->field, value_of_word(first, words, text));
#define WHOLE(use, name, value, field, min, max, word, text, ...) \
    put(&o->field, sizeof o->field, value_of_word(word, NULL, text));
#define REAL(use, name, value, field, min, max, text, ...) o->field = strtod(text, NULL);
#define TEXT(use, name, value, field, kind, words, text, ...) (void)rs_option_##kind(text, &o->field);
#include "search/options.def"
#undef FLAG
#undef WORD
#undef WHOLE
#undef REAL
#undef TEXT
    (void)rs_quantize_options_finish(o, &names, NULL);
}

/* ------------------------------------------------------------------------------------------------------- checks */

/* `name`: with dashes. rs_free. */
static char *full_name(const rs_option_names *names, const char *name)
{
    char *full = rs_format("%s%s", names->prefix, name);
    for (char *p = full != NULL ? full + strlen(names->prefix) : NULL; p != NULL && *p != '\0'; p++)
        *p = *p == '-' ? names->separator : *p;
    return full;
}

static rs_status wrong(const rs_option_names *names, const char *name, const char *what, rs_diag *diag)
{
    char *full = full_name(names, name);
    rs_status status = names->wrong;
    if (full == NULL || what == NULL)
        status = rs_out_of_memory(diag);
    else
        rs_error(diag, status, names->place != NULL ? names->place(names->context, full) : RS_NOWHERE, NULL, "%s %s",
                 full, what);
    rs_free(full);
    return status;
}

/* A mistake that `name` makes with another option: "`name` `verb` `other` `rest`". */
static rs_status wrong_pair(const rs_option_names *names, const char *name, const char *verb, const char *other,
                            const char *rest, rs_diag *diag)
{
    char *full = full_name(names, other);
    char *what = full != NULL ? rs_format("%s %s%s", verb, full, rest) : NULL;
    const rs_status status = wrong(names, name, what, diag);
    rs_free(what);
    rs_free(full);
    return status;
}

/* An option that only one scheme has. */
static rs_status check_owner(const rs_quantize_options *o, const rs_option_names *names, rs_diag *diag)
{
    rs_format_rules defaults;
    rs_format_rules_defaults(&defaults);
    const rs_format_rules *r = &o->rules;
    const struct {
        const char *name;
        bool given;
        rs_scheme scheme;
    } own[] = {
        { "minifloat", r->activation_minifloat.exponent_bits > 0, RS_SCHEME_MINIFLOAT },
        { "minifloat-weights", r->weight_minifloat.exponent_bits > 0, RS_SCHEME_MINIFLOAT },
        { "exponent-bits", r->exponent_bits > 0, RS_SCHEME_MINIFLOAT },
        { "exponents",
          r->power2.min_exponent != defaults.power2.min_exponent ||
              r->power2.max_exponent != defaults.power2.max_exponent,
          RS_SCHEME_POWER2 },
        { "exponents-by-layer", r->power2_by_layer, RS_SCHEME_POWER2 },
        { "zero-code", r->power2.zero, RS_SCHEME_POWER2 },
        { "weight-range", r->weight_range != RS_RANGE_MAX, RS_SCHEME_DYNAMIC },
        { "channel-weights", o->channel_weights, RS_SCHEME_DYNAMIC },
    };
    rs_status status = RS_OK;
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        if (!own[i].given || own[i].scheme == r->scheme)
            continue;
        char *what = rs_format("belongs to the scheme %s, not to %s", rs_scheme_name(own[i].scheme),
                               rs_scheme_name(r->scheme));
        status = wrong(names, own[i].name, what, diag);
        rs_free(what);
    }
    return status;
}

static rs_status check_scheme(const rs_quantize_options *o, const rs_option_names *names, rs_diag *diag)
{
    const rs_scheme scheme = o->rules.scheme;
    rs_status status = check_owner(o, names, diag);
    if (scheme == RS_SCHEME_MINIFLOAT && (o->unsigned_activations || o->wide_scores))
        status = rs_error(
            diag, names->wrong, RS_NOWHERE, NULL,
            "unsigned values and scores as wide as the accumulator belong to fixed point, not to minifloat");
    if (o->refine_images > 0 && (scheme == RS_SCHEME_MINIFLOAT || scheme == RS_SCHEME_STATIC))
        status = wrong(names, "refine",
                       "moves fractional lengths, which only the schemes dynamic and power-of-two can have moved",
                       diag);
    if (o->adaptive_weights && scheme == RS_SCHEME_STATIC)
        status = wrong(names, "weight-rounding",
                       "adaptive moves fractional lengths, but the scheme static has one for all numbers", diag);
    return status;
}

rs_status rs_quantize_options_finish(rs_quantize_options *o, const rs_option_names *names, rs_diag *diag)
{
    rs_format_rules *rules = &o->rules;
    rs_status status = RS_OK;
    if (o->min_bits > o->max_bits)
        status = wrong_pair(names, "min-bits", "must not be above", "max-bits", "", diag);
    const rs_status scheme = check_scheme(o, names, diag);
    status = status == RS_OK ? scheme : status;
    if (status == RS_OK && o->budget > 0 && o->pareto == RS_COST_NONE)
        status = wrong_pair(names, "budget", "belongs to", "pareto", " bits, area or energy", diag);
    if (rules->weight_minifloat.exponent_bits == 0)
        rules->weight_minifloat = rules->activation_minifloat;
    if (o->rounding == RS_ROUNDING_AUTO)
        o->rounding = rules->scheme == RS_SCHEME_MINIFLOAT || o->formats_of_model ? RS_ROUND_NEAREST_EVEN
                                                                                  : RS_ROUND_NEAREST;
    if (o->original_search) {
        o->bias_rule = RS_BIAS_WEIGHTS;
        rules->original_lengths = true;
    }
    return status;
}
