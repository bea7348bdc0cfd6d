/* The keys of an array's YAML file. */
#include "config/array_config.h"

#include <string.h>

#include "base/memory.h"
#include "config/array_schema.h"

#define AT(field) offsetof(rs_array_config, field)

#define ROW(constant, rtl, value, word, meaning) { word, value, meaning },
#define WORDS(name, LIST) static const rs_word name[] = { LIST(ROW) { NULL, 0, NULL } }
WORDS(pe_words, RS_PE_WORDS);
WORDS(overflow_words, RS_OVERFLOW_WORDS);
WORDS(first_level_words, RS_FIRST_LEVEL_WORDS);
WORDS(tree_registers_words, RS_TREE_REGISTERS_WORDS);
WORDS(choice_words, RS_CHOICE_WORDS);
WORDS(width_words, RS_WIDTH_WORDS);
WORDS(accumulator_words, RS_ACCUMULATOR_WORDS);
WORDS(banks_words, RS_BANKS_WORDS);

static const rs_word minifloat_auto = { "auto", 0, "as the net needs" };
static const char what_minifloat[] = "exponent and mantissa bits such as 4:3";

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
    { .key = #name, .offset = AT(name), .words = list, .default_text = standard, .unit = measure, .doc = meaning, \
      KEY_##kind(name, lowest, highest) },
#define KEY_INT(name, lowest, highest) .type = RS_SCHEMA_INT, .min = lowest, .max = highest
#define KEY_POWER(name, lowest, highest) KEY_INT(name, lowest, highest), .power_of_two = true
#define KEY_INT64(name, lowest, highest) .type = RS_SCHEMA_INT64, .min = lowest, .max = highest
#define KEY_REAL(name, lowest, highest) .type = RS_SCHEMA_REAL, .min = lowest, .max = highest
#define KEY_ENUM(name, lowest, highest) .type = RS_SCHEMA_ENUM
#define KEY_VALUE(name, lowest, highest) \
    .type = RS_SCHEMA_VALUE, .first_word = &name##_auto, .parse = parse_##name, .what = what_##name
/* clang-format on */

static const rs_schema array_fields[] = { RS_ARRAY_KEYS(KEY, NO_ROW, NO_ROW) { .key = NULL } };
static const rs_schema buffer_fields[] = { RS_BUFFER_KEYS(KEY, NO_ROW, NO_ROW) { .key = NULL } };
static const rs_schema memory_fields[] = { RS_MEMORY_KEYS(KEY, NO_ROW, NO_ROW) { .key = NULL } };

const rs_schema rs_array_schema[] = {
    { .key = "name",
      .type = RS_SCHEMA_STRING,
      .offset = AT(name),
      .default_text = "",
      .doc = "shown in reports; the file's name if it is not given" },
    { .key = "array", .type = RS_SCHEMA_MAP, .fields = array_fields, .doc = "the datapath" },
    { .key = "buffers", .type = RS_SCHEMA_MAP, .fields = buffer_fields, .doc = "on-chip buffers, one half of each" },
    { .key = "memory", .type = RS_SCHEMA_MAP, .fields = memory_fields, .doc = "the off-chip memory" },
    { .key = NULL },
};

const char *rs_pe_name(rs_pe pe)
{
    return rs_word_name(pe_words, (int)pe);
}

rs_status rs_array_config_read(const char *path, rs_array_config **result, rs_diag *diag)
{
    void *opened = NULL;
    const rs_status status = rs_schema_open(rs_array_schema, path, sizeof **result, &opened, diag);
    rs_array_config *config = opened;
    *result = config;
    if (status != RS_OK || config->name[0] != '\0')
        return status;
    const char *slash = strrchr(path, '/');
    const char *base = slash != NULL ? slash + 1 : path;
    rs_free(config->name);
    config->name = rs_strndup(base, strcspn(base, "."));
    if (config->name != NULL)
        return RS_OK;
    rs_array_config_free(config);
    *result = NULL;
    return rs_out_of_memory(diag);
}

rs_status rs_array_config_set(rs_array_config *config, const char *assignment, rs_diag *diag)
{
    config->file.tree = NULL;
    return rs_schema_set(rs_array_schema, assignment, config, diag);
}

rs_loc rs_array_config_place(const rs_array_config *config, const char *key)
{
    return rs_schema_place(&config->file, key);
}

void rs_array_config_free(rs_array_config *config)
{
    rs_schema_close(rs_array_schema, config);
}
