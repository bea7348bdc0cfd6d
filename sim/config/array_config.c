/* Reads the YAML file of an array: its schema, and the checks that span several keys. */
#include "config/array_config.h"

#include <string.h>

#include "base/memory.h"
#include "config/array_schema.h"

#define AT(field) offsetof(rs_array_config, field)

#define ROW(constant, rtl, value, word, meaning) { word, value, meaning },
#define WORDS(name, LIST) static const rs_schema_word name[] = { LIST(ROW) { NULL, 0, NULL } }
WORDS(pe_words, RS_PE_WORDS);
WORDS(overflow_words, RS_OVERFLOW_WORDS);
WORDS(first_level_words, RS_FIRST_LEVEL_WORDS);
WORDS(tree_registers_words, RS_TREE_REGISTERS_WORDS);
WORDS(choice_words, RS_CHOICE_WORDS);
WORDS(width_words, RS_WIDTH_WORDS);
WORDS(accumulator_words, RS_ACCUMULATOR_WORDS);
WORDS(format_words, RS_FORMAT_WORDS);
WORDS(banks_words, RS_BANKS_WORDS);
static const rs_schema_word rounding_words[] = { RS_ROUNDING_WORDS { NULL, 0, NULL } };

static const char what_minifloat[] = RS_MINIFLOAT_NAMES ", exponent and mantissa bits such as 4:3";

static bool parse_minifloat(const char *text, void *slot)
{
    rs_minifloat format = { 0 };
    if (strcmp(text, "auto") != 0 && !rs_minifloat_parse(text, &format))
        return false;
    memcpy(slot, &format, sizeof format);
    return true;
}

/* clang-format off */
#define NO_ROW(...)
#define KEY(kind, c_type, name, lowest, highest, list, standard, measure, meaning) \
    { .key = #name, .offset = AT(name), .words = list, .fallback = standard, .unit = measure, .doc = meaning, \
      KEY_##kind(name, lowest, highest) },
#define KEY_INT(name, lowest, highest) .type = RS_SCHEMA_INT, .min = lowest, .max = highest
#define KEY_POWER(name, lowest, highest) KEY_INT(name, lowest, highest), .power_of_two = true
#define KEY_INT64(name, lowest, highest) .type = RS_SCHEMA_INT64, .min = lowest, .max = highest
#define KEY_REAL(name, lowest, highest) .type = RS_SCHEMA_REAL, .min = lowest, .max = highest
#define KEY_ENUM(name, lowest, highest) .type = RS_SCHEMA_ENUM
#define KEY_VALUE(name, lowest, highest) .type = RS_SCHEMA_VALUE, .parse = parse_##name, .what = what_##name
/* clang-format on */

static const rs_schema array_fields[] = { RS_ARRAY_KEYS(KEY, NO_ROW, NO_ROW) { .key = NULL } };
static const rs_schema buffer_fields[] = { RS_BUFFER_KEYS(KEY, NO_ROW, NO_ROW) { .key = NULL } };
static const rs_schema memory_fields[] = { RS_MEMORY_KEYS(KEY, NO_ROW, NO_ROW) { .key = NULL } };

const rs_schema rs_array_schema[] = {
    { .key = "name",
      .type = RS_SCHEMA_STRING,
      .offset = AT(name),
      .fallback = "",
      .doc = "shown in reports; the file's name if it is not given" },
    { .key = "array", .type = RS_SCHEMA_MAP, .fields = array_fields, .doc = "the datapath" },
    { .key = "buffers", .type = RS_SCHEMA_MAP, .fields = buffer_fields, .doc = "on-chip buffers, one half of each" },
    { .key = "memory", .type = RS_SCHEMA_MAP, .fields = memory_fields, .doc = "the off-chip memory" },
    { .key = NULL },
};

const char *rs_pe_name(rs_pe pe)
{
    const rs_schema_word *word = pe_words;
    while (word->name != NULL && word->value != (int)pe)
        word++;
    return word->name;
}

rs_status rs_array_config_read(const char *path, rs_array_config **result, rs_diag *diag)
{
    *result = NULL;
    rs_array_config *config = RS_NEW(rs_array_config);
    if (config == NULL)
        return rs_out_of_memory(diag);
    config->arena = rs_arena_new();
    rs_status status = config->arena == NULL ? rs_out_of_memory(diag) : RS_OK;
    if (status == RS_OK)
        status = rs_schema_read(rs_array_schema, path, config, config->arena, &config->tree, diag);
    if (status == RS_OK) {
        config->path = rs_strdup(path);
        if (config->name[0] == '\0') {
            const char *slash = strrchr(path, '/');
            const char *base = slash != NULL ? slash + 1 : path;
            rs_free(config->name);
            config->name = rs_strndup(base, strcspn(base, "."));
        }
        if (config->path == NULL || config->name == NULL)
            status = rs_out_of_memory(diag);
    }
    if (status != RS_OK) {
        rs_array_config_free(config);
        return status;
    }
    *result = config;
    return RS_OK;
}

rs_status rs_array_config_set(rs_array_config *config, const char *assignment, rs_diag *diag)
{
    config->tree = NULL;
    return rs_schema_set(rs_array_schema, assignment, config, diag);
}

rs_loc rs_array_config_place(const rs_array_config *config, const char *key)
{
    const rs_yaml *node = config->tree != NULL ? rs_yaml_find(config->tree, key) : NULL;
    return node != NULL ? node->loc : RS_FILE(config->path);
}

void rs_array_config_free(rs_array_config *config)
{
    if (config == NULL)
        return;
    rs_schema_free(rs_array_schema, config);
    rs_free(config->path);
    rs_arena_free(config->arena);
    rs_free(config);
}
