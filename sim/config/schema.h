/* The keys of a configuration file, described once: from such a table come the reader, its error messages, `--set
 * key=value` and the documentation. */
#ifndef RISTRETTO_CONFIG_SCHEMA_H
#define RISTRETTO_CONFIG_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/words.h"
#include "config/yaml.h"

typedef enum rs_schema_type {
    RS_SCHEMA_INT,    /* int: min to max, or one of `words` */
    RS_SCHEMA_INT64,  /* int64_t: min to max, |value| <= 2^53 */
    RS_SCHEMA_REAL,   /* double: min to max */
    RS_SCHEMA_BOOL,   /* bool */
    RS_SCHEMA_ENUM,   /* int, or a bool if size is its: one of `words` */
    RS_SCHEMA_STRING, /* char *, an allocation of its own */
    RS_SCHEMA_VALUE,  /* read by `parse`, or one of `words`, which `parse` takes as well */
    RS_SCHEMA_PATH,   /* char *: a relative one is taken from the folder of the file; "" stays "" */
    RS_SCHEMA_MAP,    /* a struct at `offset` with `fields` */
    RS_SCHEMA_LIST /* a pointer to structs of `size` bytes with `fields`, and their number, a size_t, at `count_offset`
                    */
} rs_schema_type;

typedef struct rs_schema {
    const char *key;
    rs_schema_type type;
    size_t offset;            /* in the structure of the table */
    const char *default_text; /* the default as it would be written; NULL: the key is required */
    double min, max;          /* numbers; LIST: least and largest number of entries */
    bool power_of_two;
    const rs_word *first_word;      /* stands in front of `words`; or NULL */
    const rs_word *words;           /* ends with a NULL name */
    const struct rs_schema *fields; /* ends with a NULL key */
    size_t size, count_offset;
    bool plain_entries; /* LIST: an entry may be a word alone, which is its first field */
    /* VALUE: reads a text into the slot, and what it must be. */
    bool (*parse)(const char *text, void *slot);
    const char *what;
    const char *unit;   /* or NULL */
    const char *doc;    /* one sentence, no full stop */
    const char *alias;  /* an older name, accepted and not shown; or NULL */
    const char *report; /* name in reports; NULL: not there */
} rs_schema;

/* What stands in front of a structure that is read from a file: where its keys are. */
typedef struct rs_schema_file {
    char *path;
    rs_arena *arena;     /* of the tree */
    const rs_yaml *tree; /* NULL: none, or no longer what the file says */
} rs_schema_file;

/* Reads a file into a new structure of `size` bytes, which begins with an rs_schema_file; *target is NULL on failure.
 * Status and messages as rs_schema_read; rs_schema_close frees the structure and all that is in it (NULL: nothing). */
rs_status rs_schema_open(const rs_schema *schema, const char *path, size_t size, void **target, rs_diag *diag);
void rs_schema_close(const rs_schema *schema, void *target);
/* The place of a key such as "array.lanes"; that of the file if the key is not in it or has been set since. */
rs_loc rs_schema_place(const rs_schema_file *file, const char *key);

/* Reads the file into `target`, which is zero. Every error of the file is reported, with its place: unknown key (with a
 * did-you-mean), duplicate key, wrong type, out of range, missing key. On failure `target` holds what was read and can
 * be freed. `root` (may be NULL) receives the tree for checks across keys. */
rs_status rs_schema_read(const rs_schema *schema, const char *path, void *target, rs_arena *arena, const rs_yaml **root,
                         rs_diag *diag);

/* One assignment "memory.latency=10" from the command line; the same checks. RS_USAGE. Not for lists. */
rs_status rs_schema_set(const rs_schema *schema, const char *assignment, void *target, rs_diag *diag);

/* Stores the value that `text` stands for, which the key takes, into `target`: for options of the command line that are
 * keys as well. RS_USAGE. */
rs_status rs_schema_store(const rs_schema *key, const char *text, void *target, rs_diag *diag);
/* The row of a key or of its alias; NULL: there is none. */
const rs_schema *rs_schema_find(const rs_schema *fields, const char *key);

/* Frees strings and lists in `target`, not `target` itself. */
void rs_schema_free(const rs_schema *schema, void *target);

/* The table as Markdown (for docs/reference/configuration.md) or as plain text (for the help). */
void rs_schema_document(const rs_schema *schema, bool markdown, FILE *stream);

#endif
