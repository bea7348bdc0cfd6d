/* Fills a structure from a YAML tree by a table of keys, and prints the table as help. */
#include "config/schema.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/file.h"
#include "config/scalar.h"

enum { MOST_KEYS = 64, LONGEST_PATH = 200 };

typedef struct schema_context {
    const rs_schema *top;
    const char *folder; /* of the file, for RS_SCHEMA_PATH */
    rs_status wrong;    /* RS_BAD_INPUT in a file, RS_USAGE on the command line */
    rs_diag *diag;
} schema_context;

static void *at(void *target, size_t offset)
{
    return (char *)target + offset;
}

static void store_int(void *target, size_t offset, int value)
{
    memcpy(at(target, offset), &value, sizeof value); /* also enumerations: compilers that we support make them ints */
}

/* ----------------------------------------------------------------------------------------------------- messages */

static const rs_word *word_of(const rs_schema *s, size_t i)
{
    return rs_word_nth(s->first_word, s->words, i);
}

/* "a whole number from 1 to 64", "wrap or saturate", ... */
static const char *expected(const rs_schema *s, char *buffer, size_t size)
{
    char low[32], high[32], range[128] = "", words[256] = "";
    size_t used = 0;
    const rs_word *w;
    for (size_t i = 0; (w = word_of(s, i)) != NULL && used < sizeof words; i++) {
        const char *comma = i == 0 ? "" : word_of(s, i + 1) == NULL ? " or " : ", ";
        const int n = snprintf(words + used, sizeof words - used, "%s%s", comma, w->name);
        used += n > 0 ? (size_t)n : 0;
    }
    if (s->max > s->min)
        snprintf(range, sizeof range, " from %s to %s", rs_real_text(s->min, low, sizeof low),
                 rs_real_text(s->max, high, sizeof high));
    const char *what = "";
    switch (s->type) {
    case RS_SCHEMA_INT:
    case RS_SCHEMA_INT64:
        what = s->power_of_two ? "a power of two" : "a whole number";
        break;
    case RS_SCHEMA_REAL:
        what = "a number";
        break;
    case RS_SCHEMA_BOOL:
        what = "true or false";
        break;
    case RS_SCHEMA_ENUM:
        break;
    case RS_SCHEMA_STRING:
        what = "a text";
        break;
    case RS_SCHEMA_PATH:
        what = "a path";
        break;
    case RS_SCHEMA_VALUE:
        what = s->what;
        break;
    case RS_SCHEMA_MAP:
        what = "keys with values";
        break;
    case RS_SCHEMA_LIST:
        what = "a list";
        break;
    }
    const bool number = s->type == RS_SCHEMA_INT || s->type == RS_SCHEMA_INT64 || s->type == RS_SCHEMA_REAL;
    snprintf(buffer, size, "%s%s%s%s", what, number ? range : "", what[0] != '\0' && words[0] != '\0' ? ", or " : "",
             words);
    return buffer;
}

static rs_status not_expected(const schema_context *c, const rs_schema *s, rs_loc loc, const char *name,
                              const char *got)
{
    char buffer[512];
    const char *words[MOST_KEYS];
    size_t n = 0;
    const rs_word *w;
    while (n < MOST_KEYS && (w = word_of(s, n)) != NULL)
        words[n++] = w->name;
    const char *near = rs_nearest(got, words, n);
    char *hint = near != NULL ? rs_format("did you mean '%s'?", near) : NULL;
    rs_error(c->diag, c->wrong, loc, hint, "%s must be %s, not '%s'", name, expected(s, buffer, sizeof buffer), got);
    rs_free(hint);
    return c->wrong;
}

/* ------------------------------------------------------------------------------------------------------ scalars */

static bool find_word(const rs_schema *s, const char *text, int *value)
{
    const rs_word *w;
    for (size_t i = 0; (w = word_of(s, i)) != NULL; i++) {
        if (strcmp(w->name, text) == 0) {
            *value = w->value;
            return true;
        }
    }
    return false;
}

static bool in_range(const rs_schema *s, double v)
{
    return v >= s->min && v <= s->max;
}

static rs_status set_string(const schema_context *c, const rs_schema *s, const char *text, void *target)
{
    char *copy = s->type == RS_SCHEMA_PATH && text[0] != '\0' && c->folder != NULL ? rs_path_join(c->folder, text)
                                                                                   : rs_strdup(text);
    if (copy == NULL)
        return rs_out_of_memory(c->diag);
    char **slot = at(target, s->offset);
    rs_free(*slot);
    *slot = copy;
    return RS_OK;
}

static rs_status set_scalar(const schema_context *c, const rs_schema *s, const char *text, bool quoted, rs_loc loc,
                            const char *name, void *target)
{
    int word = 0;
    int64_t i = 0;
    double r = 0.0;
    bool b = false;
    switch (s->type) {
    case RS_SCHEMA_INT:
    case RS_SCHEMA_INT64:
        if (!quoted && find_word(s, text, &word)) {
            i = word;
        } else if (quoted || !rs_parse_int(text, &i) || !in_range(s, (double)i) ||
                   (s->power_of_two && (i & (i - 1)) != 0)) {
            return not_expected(c, s, loc, name, text);
        }
        if (s->type == RS_SCHEMA_INT)
            store_int(target, s->offset, (int)i);
        else
            memcpy(at(target, s->offset), &i, sizeof i);
        return RS_OK;
    case RS_SCHEMA_REAL:
        if (quoted || !rs_parse_real(text, &r) || !in_range(s, r))
            return not_expected(c, s, loc, name, text);
        memcpy(at(target, s->offset), &r, sizeof r);
        return RS_OK;
    case RS_SCHEMA_BOOL:
        if (quoted || !rs_parse_bool(text, &b))
            return not_expected(c, s, loc, name, text);
        memcpy(at(target, s->offset), &b, sizeof b);
        return RS_OK;
    case RS_SCHEMA_ENUM:
        if (!find_word(s, text, &word))
            return not_expected(c, s, loc, name, text);
        if (s->size == sizeof b) {
            b = word != 0;
            memcpy(at(target, s->offset), &b, sizeof b);
        } else {
            store_int(target, s->offset, word);
        }
        return RS_OK;
    case RS_SCHEMA_VALUE:
        return s->parse(text, at(target, s->offset)) ? RS_OK : not_expected(c, s, loc, name, text);
    case RS_SCHEMA_STRING:
    case RS_SCHEMA_PATH:
        /* An empty text stands for "none", which only a key with that default may say. */
        if (text[0] == '\0' && (s->default_text == NULL || s->default_text[0] != '\0'))
            return rs_error(c->diag, c->wrong, loc, NULL, "%s is empty", name);
        return set_string(c, s, text, target);
    case RS_SCHEMA_MAP:
    case RS_SCHEMA_LIST:
        break;
    }
    return not_expected(c, s, loc, name, text);
}

/* --------------------------------------------------------------------------------------------------------- tree */

static rs_status read_map(const schema_context *c, const rs_schema *fields, const rs_yaml *map, rs_loc loc,
                          const char *prefix, void *target);

static rs_status read_field(const schema_context *c, const rs_schema *s, const rs_yaml *node, const char *name,
                            void *target);
static rs_status set_default(const schema_context *c, const rs_schema *s, rs_loc loc, const char *name, void *target);

static void make_name(char *buffer, const char *prefix, const char *key)
{
    snprintf(buffer, LONGEST_PATH, "%s%s%s", prefix, prefix[0] != '\0' ? "." : "", key);
}

static rs_status read_list(const schema_context *c, const rs_schema *s, const rs_yaml *node, const char *name,
                           void *target)
{
    char buffer[512];
    if (node->kind != RS_YAML_LIST)
        return rs_error(c->diag, c->wrong, node->loc, "a list has a line with a dash for each entry",
                        "%s must be a list", name);
    if (!in_range(s, (double)node->n)) {
        char low[32], high[32];
        return rs_error(c->diag, c->wrong, node->loc, NULL, "%s must have %s to %s entries, not %zu", name,
                        rs_real_text(s->min, low, sizeof low), rs_real_text(s->max, high, sizeof high), node->n);
    }
    char *items = rs_calloc(node->n == 0 ? 1 : node->n, s->size);
    if (items == NULL)
        return rs_out_of_memory(c->diag);
    memcpy(at(target, s->offset), &items, sizeof items);
    memcpy(at(target, s->count_offset), &node->n, sizeof node->n);
    rs_status status = RS_OK;
    for (size_t i = 0; i < node->n; i++) {
        const rs_yaml *item = node->items[i];
        snprintf(buffer, sizeof buffer, "%.150s[%zu]", name, i);
        rs_status one = RS_OK;
        if (item->kind == RS_YAML_MAP) {
            one = read_map(c, s->fields, item, item->loc, buffer, items + i * s->size);
        } else if (item->kind == RS_YAML_SCALAR && s->plain_entries) {
            one = read_field(c, &s->fields[0], item, buffer, items + i * s->size);
            for (const rs_schema *f = &s->fields[1]; one == RS_OK && f->key != NULL; f++)
                one = set_default(c, f, item->loc, buffer, items + i * s->size);
        } else {
            one = rs_error(c->diag, c->wrong, item->loc, NULL, "%s must be %skeys with values", buffer,
                           s->plain_entries ? "a word, or " : "");
        }
        if (status == RS_OK)
            status = one;
    }
    return status;
}

static rs_status read_field(const schema_context *c, const rs_schema *s, const rs_yaml *node, const char *name,
                            void *target)
{
    char buffer[512];
    if (s->type == RS_SCHEMA_LIST)
        return read_list(c, s, node, name, target);
    if (s->type == RS_SCHEMA_MAP) {
        if (node->kind == RS_YAML_MAP)
            return read_map(c, s->fields, node, node->loc, name, at(target, s->offset));
        return rs_error(c->diag, c->wrong, node->loc, NULL, "%s must be keys with values", name);
    }
    if (node->kind != RS_YAML_SCALAR)
        return rs_error(c->diag, c->wrong, node->loc, NULL, "%s must be %s, not a %s", name,
                        expected(s, buffer, sizeof buffer), node->kind == RS_YAML_LIST ? "list" : "map");
    if (node->text[0] == '\0' && !node->quoted && (s->default_text == NULL || s->default_text[0] != '\0'))
        return rs_error(c->diag, c->wrong, node->loc, NULL, "%s is empty, expected %s", name,
                        expected(s, buffer, sizeof buffer));
    return set_scalar(c, s, node->text, node->quoted, node->loc, name, target);
}

static rs_status set_default(const schema_context *c, const rs_schema *s, rs_loc loc, const char *name, void *target)
{
    switch (s->type) {
    case RS_SCHEMA_MAP:
        return read_map(c, s->fields, NULL, loc, name, at(target, s->offset));
    case RS_SCHEMA_LIST:
        if (s->min <= 0.0)
            return RS_OK;
        break;
    default:
        if (s->default_text != NULL)
            return set_scalar(c, s, s->default_text, false, loc, name, target);
        break;
    }
    char buffer[512];
    return rs_error(c->diag, c->wrong, loc, NULL, "the key '%s' is missing, expected %s: %s", name,
                    expected(s, buffer, sizeof buffer), s->doc);
}

const rs_schema *rs_schema_find(const rs_schema *fields, const char *key)
{
    for (const rs_schema *s = fields; s->key != NULL; s++)
        if (strcmp(s->key, key) == 0 || (s->alias != NULL && strcmp(s->alias, key) == 0))
            return s;
    return NULL;
}

/* The section that knows `key`, for the hint "belongs under". */
static const char *other_section(const rs_schema *top, const char *key)
{
    for (const rs_schema *s = top; s->key != NULL; s++)
        for (const rs_schema *f = s->type == RS_SCHEMA_MAP ? s->fields : NULL; f != NULL && f->key != NULL; f++)
            if (strcmp(f->key, key) == 0)
                return s->key;
    return NULL;
}

static rs_status unknown_key(const schema_context *c, const rs_schema *fields, rs_loc loc, const char *prefix,
                             const char *key)
{
    const char *keys[MOST_KEYS];
    size_t n = 0;
    for (const rs_schema *s = fields; s->key != NULL && n < MOST_KEYS; s++)
        keys[n++] = s->key;
    char *hint = NULL;
    const char *section = other_section(c->top, key);
    const char *near = rs_nearest(key, keys, n);
    if (section != NULL)
        hint = rs_format("'%s' belongs under '%s:'", key, section);
    else if (near != NULL)
        hint = rs_format("did you mean '%s'?", near);
    rs_error(c->diag, c->wrong, loc, hint, "unknown key '%s'%s%s%s", key, prefix[0] != '\0' ? " in '" : "", prefix,
             prefix[0] != '\0' ? "'" : "");
    rs_free(hint);
    return c->wrong;
}

/* map NULL: an absent section, all defaults. */
static rs_status read_map(const schema_context *c, const rs_schema *fields, const rs_yaml *map, rs_loc loc,
                          const char *prefix, void *target)
{
    bool seen[MOST_KEYS] = { false };
    rs_status status = RS_OK;
    for (size_t i = 0; map != NULL && i < map->n; i++) {
        const char *key = map->keys[i]->text;
        const rs_schema *s = rs_schema_find(fields, key);
        rs_status one = RS_OK;
        if (s == NULL) {
            one = unknown_key(c, fields, map->keys[i]->loc, prefix, key);
        } else if (seen[s - fields]) {
            one = rs_error(c->diag, c->wrong, map->keys[i]->loc, NULL, "the key '%s' is given twice", key);
        } else {
            char name[LONGEST_PATH];
            seen[s - fields] = true;
            make_name(name, prefix, key);
            one = read_field(c, s, map->items[i], name, target);
        }
        if (status == RS_OK)
            status = one;
    }
    for (const rs_schema *s = fields; s->key != NULL; s++) {
        if (seen[s - fields])
            continue;
        char name[LONGEST_PATH];
        make_name(name, prefix, s->key);
        const rs_status one = set_default(c, s, loc, name, target);
        if (status == RS_OK)
            status = one;
    }
    return status;
}

rs_status rs_schema_read(const rs_schema *schema, const char *path, void *target, rs_arena *arena, const rs_yaml **root,
                         rs_diag *diag)
{
    rs_yaml *tree = NULL;
    rs_status status = rs_yaml_read(path, arena, &tree, diag);
    if (status != RS_OK)
        return status;
    if (tree->kind != RS_YAML_MAP)
        return rs_error(diag, RS_BAD_INPUT, tree->loc, NULL, "the file must hold keys with values, such as '%s: ...'",
                        schema[0].key);
    char *folder = rs_path_folder(path);
    if (folder == NULL)
        return rs_out_of_memory(diag);
    const schema_context c = { .top = schema, .folder = folder, .wrong = RS_BAD_INPUT, .diag = diag };
    status = read_map(&c, schema, tree, RS_FILE(tree->loc.file), "", target);
    rs_free(folder);
    if (root != NULL)
        *root = tree;
    return status;
}

rs_status rs_schema_store(const rs_schema *key, const char *text, void *target, rs_diag *diag)
{
    const schema_context c = { .wrong = RS_USAGE, .diag = diag };
    return set_scalar(&c, key, text, false, RS_NOWHERE, key->key, target);
}

rs_status rs_schema_set(const rs_schema *schema, const char *assignment, void *target, rs_diag *diag)
{
    const schema_context c = { .top = schema, .wrong = RS_USAGE, .diag = diag };
    const char *equals = strchr(assignment, '=');
    if (equals == NULL || equals - assignment >= LONGEST_PATH)
        return rs_error(diag, RS_USAGE, RS_NOWHERE, NULL, "'%s' is no assignment, expected SECTION.KEY=VALUE",
                        assignment);
    char name[LONGEST_PATH] = "", prefix[LONGEST_PATH] = "";
    memcpy(name, assignment, (size_t)(equals - assignment));
    const rs_schema *fields = schema;
    char *key = name;
    for (;;) {
        char *dot = strchr(key, '.');
        if (dot != NULL)
            *dot = '\0';
        const rs_schema *s = rs_schema_find(fields, key);
        if (s == NULL || (dot != NULL && s->type != RS_SCHEMA_MAP))
            return unknown_key(&c, fields, RS_NOWHERE, prefix, key);
        char full[LONGEST_PATH];
        make_name(full, prefix, key);
        if (dot == NULL) {
            if (s->type == RS_SCHEMA_MAP || s->type == RS_SCHEMA_LIST)
                return rs_error(diag, RS_USAGE, RS_NOWHERE, NULL, "'%s' holds keys, expected SECTION.KEY=VALUE", full);
            return set_scalar(&c, s, equals + 1, false, RS_NOWHERE, full, target);
        }
        memcpy(prefix, full, sizeof prefix);
        target = at(target, s->offset);
        fields = s->fields;
        key = dot + 1;
    }
}

void rs_schema_free(const rs_schema *schema, void *target)
{
    for (const rs_schema *s = schema; s->key != NULL; s++) {
        if (s->type == RS_SCHEMA_STRING || s->type == RS_SCHEMA_PATH) {
            char **slot = at(target, s->offset);
            rs_free(*slot);
            *slot = NULL;
        } else if (s->type == RS_SCHEMA_MAP) {
            rs_schema_free(s->fields, at(target, s->offset));
        } else if (s->type == RS_SCHEMA_LIST) {
            char *items = NULL;
            size_t n = 0;
            memcpy(&items, at(target, s->offset), sizeof items);
            memcpy(&n, at(target, s->count_offset), sizeof n);
            for (size_t i = 0; items != NULL && i < n; i++)
                rs_schema_free(s->fields, items + i * s->size);
            rs_free(items);
            memset(at(target, s->offset), 0, sizeof items);
            memset(at(target, s->count_offset), 0, sizeof n);
        }
    }
}

rs_status rs_schema_open(const rs_schema *schema, const char *path, size_t size, void **target, rs_diag *diag)
{
    *target = NULL;
    rs_schema_file *file = rs_calloc(1, size);
    if (file == NULL)
        return rs_out_of_memory(diag);
    file->arena = rs_arena_new();
    file->path = rs_strdup(path);
    rs_status status = file->arena == NULL || file->path == NULL ? rs_out_of_memory(diag) : RS_OK;
    if (status == RS_OK)
        status = rs_schema_read(schema, path, file, file->arena, &file->tree, diag);
    if (status != RS_OK) {
        rs_schema_close(schema, file);
        return status;
    }
    *target = file;
    return RS_OK;
}

void rs_schema_close(const rs_schema *schema, void *target)
{
    rs_schema_file *file = target;
    if (file == NULL)
        return;
    rs_schema_free(schema, target);
    rs_free(file->path);
    rs_arena_free(file->arena);
    rs_free(file);
}

rs_loc rs_schema_place(const rs_schema_file *file, const char *key)
{
    const rs_yaml *node = file->tree != NULL ? rs_yaml_find(file->tree, key) : NULL;
    return node != NULL ? node->loc : RS_FILE(file->path);
}

/* ------------------------------------------------------------------------------------------------ documentation */

static void document(const rs_schema *fields, const char *prefix, bool markdown, FILE *stream)
{
    for (const rs_schema *s = fields; s->key != NULL; s++) {
        char name[LONGEST_PATH], what[512], def[128] = "required";
        make_name(name, prefix, s->key);
        if (s->type == RS_SCHEMA_MAP) {
            document(s->fields, name, markdown, stream);
            continue;
        }
        expected(s, what, sizeof what);
        if (s->default_text != NULL)
            snprintf(def, sizeof def, "%s", s->default_text[0] != '\0' ? s->default_text : "none");
        else if (s->type == RS_SCHEMA_LIST && s->min <= 0.0)
            snprintf(def, sizeof def, "none");
        const char *unit = s->unit != NULL ? s->unit : "";
        if (markdown)
            fprintf(stream, "| `%s` | %s%s%s | %s%s%s | %s |\n", name, what, unit[0] != '\0' ? ", " : "", unit,
                    s->default_text != NULL && s->default_text[0] != '\0' ? "`" : "", def,
                    s->default_text != NULL && s->default_text[0] != '\0' ? "`" : "", s->doc);
        else
            fprintf(stream, "  %s: %s%s%s [%s]\n      %s\n", name, what, unit[0] != '\0' ? ", " : "", unit, def,
                    s->doc);
        const rs_word *w;
        for (size_t i = 0; (w = word_of(s, i)) != NULL; i++) {
            if (w->doc == NULL)
                continue;
            if (markdown)
                fprintf(stream, "| | | `%s` | %s |\n", w->name, w->doc);
            else
                fprintf(stream, "      %s: %s\n", w->name, w->doc);
        }
        if (s->type == RS_SCHEMA_LIST) {
            snprintf(what, sizeof what, "%s[]", name);
            document(s->fields, what, markdown, stream);
        }
    }
}

void rs_schema_document(const rs_schema *schema, bool markdown, FILE *stream)
{
    if (markdown)
        fputs("| key | value | default | meaning |\n|---|---|---|---|\n", stream);
    document(schema, "", markdown, stream);
}
