/* Parses a YAML file into a tree that knows the line and column of every node. */
#include "config/yaml.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/file.h"

enum { MOST_BYTES = 1 << 20, DEEPEST = 16 };

typedef struct yaml_reader {
    yaml_parser_t parser;
    rs_arena *arena;
    const char *file;
    const char *text; /* of the whole file, to count lines up to a byte */
    rs_diag *diag;
} yaml_reader;

static rs_loc place(const yaml_reader *r, yaml_mark_t mark)
{
    return (rs_loc) { r->file, (int)mark.line + 1, (int)mark.column + 1 };
}

/* Errors of the character level come with a byte offset only. */
static rs_loc place_of_byte(const yaml_reader *r, size_t offset)
{
    rs_loc loc = { r->file, 1, 1 };
    for (size_t i = 0; i < offset && r->text[i] != '\0'; i++) {
        loc.column++;
        if (r->text[i] == '\n') {
            loc.line++;
            loc.column = 1;
        }
    }
    return loc;
}

static rs_status syntax_error(yaml_reader *r)
{
    const yaml_parser_t *p = &r->parser;
    const char *problem = p->problem != NULL ? p->problem : "cannot be read";
    if (p->error == YAML_MEMORY_ERROR)
        return rs_out_of_memory(r->diag);
    if (p->error == YAML_READER_ERROR)
        return rs_error(r->diag, RS_BAD_INPUT, place_of_byte(r, p->problem_offset), "the file must be UTF-8 text",
                        "YAML: %s", problem);
    const bool tab = strstr(problem, "cannot start any token") != NULL;
    return rs_error(r->diag, RS_BAD_INPUT, place(r, p->problem_mark),
                    tab ? "YAML is indented with spaces, not tabs" : NULL, "YAML: %s%s%s",
                    p->context != NULL ? p->context : "", p->context != NULL ? ": " : "", problem);
}

static rs_status next(yaml_reader *r, yaml_event_t *event)
{
    return yaml_parser_parse(&r->parser, event) ? RS_OK : syntax_error(r);
}

static rs_status refuse(yaml_reader *r, const yaml_event_t *event, const char *what)
{
    return rs_error(r->diag, RS_BAD_INPUT, place(r, event->start_mark), "write the value out where it is needed",
                    "YAML: %s are not supported here", what);
}

static rs_status add(yaml_reader *r, rs_yaml *node, rs_yaml *key, rs_yaml *item)
{
    /* Doubling from 8 on; the arena keeps what is left behind. */
    if (node->n == 0 || (node->n >= 8 && (node->n & (node->n - 1)) == 0)) {
        const size_t capacity = node->n == 0 ? 8 : 2 * node->n;
        rs_yaml **items = rs_arena_calloc(r->arena, capacity, sizeof(rs_yaml *));
        rs_yaml **keys = rs_arena_calloc(r->arena, capacity, sizeof(rs_yaml *));
        if (items == NULL || keys == NULL)
            return rs_out_of_memory(r->diag);
        for (size_t i = 0; i < node->n; i++) {
            items[i] = node->items[i];
            keys[i] = node->keys[i];
        }
        node->items = items;
        node->keys = keys;
    }
    node->keys[node->n] = key;
    node->items[node->n++] = item;
    return RS_OK;
}

static rs_status read_node(yaml_reader *r, yaml_event_t *event, int depth, rs_yaml **result);

static rs_status read_children(yaml_reader *r, rs_yaml *node, yaml_event_type_t end, int depth)
{
    for (;;) {
        yaml_event_t event;
        rs_status status = next(r, &event);
        if (status != RS_OK)
            return status;
        if (event.type == end) {
            yaml_event_delete(&event);
            return RS_OK;
        }
        rs_yaml *key = NULL, *item = NULL;
        if (node->kind == RS_YAML_MAP) {
            status = read_node(r, &event, depth + 1, &key);
            if (status == RS_OK && key->kind != RS_YAML_SCALAR)
                status = rs_error(r->diag, RS_BAD_INPUT, key->loc, NULL, "YAML: a key must be a word");
            if (status == RS_OK)
                status = next(r, &event);
        }
        if (status == RS_OK)
            status = read_node(r, &event, depth + 1, &item);
        if (status == RS_OK)
            status = add(r, node, key, item);
        if (status != RS_OK)
            return status;
    }
}

/* Takes the event over. */
static rs_status read_node(yaml_reader *r, yaml_event_t *event, int depth, rs_yaml **result)
{
    rs_status status = RS_OK;
    rs_yaml *node = rs_arena_calloc(r->arena, 1, sizeof *node);
    yaml_event_type_t end = YAML_NO_EVENT;
    const yaml_char_t *anchor = NULL, *tag = NULL;
    if (node == NULL) {
        status = rs_out_of_memory(r->diag);
    } else if (depth > DEEPEST) {
        status = rs_error(r->diag, RS_BAD_INPUT, place(r, event->start_mark), NULL,
                          "YAML: nested more than %d levels deep", DEEPEST);
    } else {
        node->loc = place(r, event->start_mark);
        switch (event->type) {
        case YAML_SCALAR_EVENT:
            anchor = event->data.scalar.anchor;
            tag = event->data.scalar.tag;
            node->kind = RS_YAML_SCALAR;
            node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
            node->text = rs_arena_strdup(r->arena, (const char *)event->data.scalar.value);
            if (node->text == NULL)
                status = rs_out_of_memory(r->diag);
            else if (strlen(node->text) != event->data.scalar.length)
                status = rs_error(r->diag, RS_BAD_INPUT, node->loc, NULL, "YAML: a text must not hold a zero byte");
            break;
        case YAML_SEQUENCE_START_EVENT:
            anchor = event->data.sequence_start.anchor;
            tag = event->data.sequence_start.tag;
            node->kind = RS_YAML_LIST;
            end = YAML_SEQUENCE_END_EVENT;
            break;
        case YAML_MAPPING_START_EVENT:
            anchor = event->data.mapping_start.anchor;
            tag = event->data.mapping_start.tag;
            node->kind = RS_YAML_MAP;
            end = YAML_MAPPING_END_EVENT;
            break;
        case YAML_ALIAS_EVENT:
            status = refuse(r, event, "aliases (*name)");
            break;
        default:
            status = rs_error(r->diag, RS_INTERNAL, node->loc, NULL, "YAML: event %d where a node begins",
                              (int)event->type);
            break;
        }
    }
    if (status == RS_OK && anchor != NULL)
        status = refuse(r, event, "anchors (&name)");
    if (status == RS_OK && tag != NULL)
        status = refuse(r, event, "tags (!name)");
    yaml_event_delete(event);
    if (status == RS_OK && end != YAML_NO_EVENT)
        status = read_children(r, node, end, depth);
    *result = node;
    return status;
}

static rs_status read_stream(yaml_reader *r, rs_yaml **root)
{
    bool done = false;
    while (!done) {
        yaml_event_t event;
        rs_status status = next(r, &event);
        if (status != RS_OK)
            return status;
        switch (event.type) {
        case YAML_STREAM_START_EVENT:
        case YAML_DOCUMENT_END_EVENT:
            yaml_event_delete(&event);
            break;
        case YAML_DOCUMENT_START_EVENT:
            if (*root != NULL)
                status = rs_error(r->diag, RS_BAD_INPUT, place(r, event.start_mark), NULL,
                                  "YAML: one document is expected, here begins another");
            yaml_event_delete(&event);
            break;
        case YAML_STREAM_END_EVENT:
            yaml_event_delete(&event);
            done = true;
            break;
        default:
            status = read_node(r, &event, 0, root);
            break;
        }
        if (status != RS_OK)
            return status;
    }
    if (*root == NULL)
        return rs_error(r->diag, RS_BAD_INPUT, RS_FILE(r->file), NULL, "the file is empty");
    return RS_OK;
}

rs_status rs_yaml_read(const char *path, rs_arena *arena, rs_yaml **root, rs_diag *diag)
{
    *root = NULL;
    uint8_t *data = NULL;
    size_t size = 0;
    rs_status status = rs_read_file(path, MOST_BYTES, false, &data, &size, diag);
    if (status != RS_OK)
        return status;
    yaml_reader r = { .arena = arena, .file = rs_arena_strdup(arena, path), .text = (const char *)data, .diag = diag };
    if (r.file == NULL || !yaml_parser_initialize(&r.parser)) {
        rs_free(data);
        return rs_out_of_memory(diag);
    }
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, data, size);
    status = read_stream(&r, root);
    yaml_parser_delete(&r.parser);
    rs_free(data);
    return status;
}

const rs_yaml *rs_yaml_find(const rs_yaml *root, const char *path)
{
    const rs_yaml *node = root;
    while (node != NULL && *path != '\0') {
        if (*path == '[') {
            char *end = NULL;
            const unsigned long index = strtoul(path + 1, &end, 10);
            node = node->kind == RS_YAML_LIST && index < node->n ? node->items[index] : NULL;
            path = *end == ']' ? end + 1 : end;
        } else {
            const size_t length = strcspn(path, ".[");
            const rs_yaml *found = NULL;
            for (size_t i = 0; node->kind == RS_YAML_MAP && i < node->n && found == NULL; i++)
                if (strlen(node->keys[i]->text) == length && strncmp(node->keys[i]->text, path, length) == 0)
                    found = node->items[i];
            node = found;
            path += length;
        }
        if (*path == '.')
            path++;
    }
    return node;
}
