/* The options of the quantizer as keys. */
#include "flow/quantize_keys.h"

#include <string.h>

#define AT(field) offsetof(rs_quantize_options, field)
#define SIZE(field) sizeof(((rs_quantize_options *)NULL)->field)

/* One row per entry of options.def; KEEP_RULES and KEEP_SEARCH choose. */
#define ROW(use, name, field, ...) KEEP_##use({ .key = #name, .offset = AT(field), .size = SIZE(field), __VA_ARGS__ })
#define FLAG(use, name, field, ...) \
    ROW(use, name, field, .type = RS_SCHEMA_BOOL, .default_text = "false", .doc = __VA_ARGS__)
#define WORD(use, name, value, field, first, table, text, ...)                                               \
    ROW(use, name, field, .type = RS_SCHEMA_ENUM, .first_word = first, .words = table, .default_text = text, \
        .doc = __VA_ARGS__)
#define WHOLE(use, name, value, field, low, high, word, text, of, ...)                                          \
    ROW(use, name, field, .type = SIZE(field) == sizeof(int64_t) ? RS_SCHEMA_INT64 : RS_SCHEMA_INT, .min = low, \
        .max = high, .first_word = word, .default_text = text, .unit = of, .doc = __VA_ARGS__)
#define REAL(use, name, value, field, low, high, text, of, ...)                                              \
    ROW(use, name, field, .type = RS_SCHEMA_REAL, .min = low, .max = high, .default_text = text, .unit = of, \
        .doc = __VA_ARGS__)
#define TEXT(use, name, value, field, kind, table, text, takes, ...)                                                \
    ROW(use, name, field, .type = RS_SCHEMA_VALUE, .parse = rs_option_##kind, .words = table, .default_text = text, \
        .what = takes, .doc = __VA_ARGS__)
#define ALIAS(older) .alias = older,
#define SHORT(letter)
#define REPORT(key) .report = key,

#define KEEP_RULES(...) __VA_ARGS__,
#define KEEP_SEARCH(...) __VA_ARGS__,
const rs_schema rs_quantize_keys[] = {
#include "search/options.def"
    { .key = NULL },
};
#undef KEEP_SEARCH

#define KEEP_SEARCH(...)
const rs_schema rs_rules_keys[] = {
#include "search/options.def"
    { .key = NULL },
};

/* An int or a bool. */
static int word_value(const rs_schema *key, const void *slot)
{
    bool flag = false;
    int value = 0;
    if (key->size == sizeof value)
        memcpy(&value, slot, sizeof value);
    else
        memcpy(&flag, slot, sizeof flag);
    return value + flag;
}

static json_t *value_json(const rs_schema *key, const void *slot)
{
    int64_t whole = 0;
    double real = 0;
    switch (key->type) {
    case RS_SCHEMA_BOOL:
        return json_boolean(word_value(key, slot));
    case RS_SCHEMA_ENUM:
        return json_string(rs_word_name(key->words, word_value(key, slot)));
    case RS_SCHEMA_INT:
        return json_integer(word_value(key, slot));
    case RS_SCHEMA_INT64:
        memcpy(&whole, slot, sizeof whole);
        return json_integer((json_int_t)whole);
    case RS_SCHEMA_REAL:
        memcpy(&real, slot, sizeof real);
        return json_real(real);
    default:
        return NULL; /* no option of the others is reported */
    }
}

json_t *rs_quantize_options_json(const rs_quantize_options *options)
{
    json_t *object = json_object();
    for (const rs_schema *key = rs_quantize_keys; key->key != NULL; key++) {
        if (key->report == NULL)
            continue;
        if (json_object_set_new(object, key->report, value_json(key, (const char *)options + key->offset)) != 0) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}
