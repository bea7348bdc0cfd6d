/* A YAML file as a tree in which every node knows its place. The subset that configuration needs: block and flow maps
 * and lists of scalars, one document; anchors, aliases, tags and merge keys are refused. */
#ifndef RISTRETTO_CONFIG_YAML_H
#define RISTRETTO_CONFIG_YAML_H

#include <stdbool.h>
#include <stddef.h>

#include "base/diag.h"
#include "base/memory.h"

typedef enum rs_yaml_kind { RS_YAML_SCALAR, RS_YAML_LIST, RS_YAML_MAP } rs_yaml_kind;

typedef struct rs_yaml {
    rs_yaml_kind kind;
    rs_loc loc;
    char *text;            /* SCALAR; empty for "key:" without a value */
    bool quoted;           /* SCALAR in quotes or as a block: never a number */
    size_t n;              /* LIST, MAP */
    struct rs_yaml **keys; /* MAP: scalars, in the order of the file; duplicates are kept (the schema reports them) */
    struct rs_yaml **items;
} rs_yaml;

/* Reads a file of at most 1 MB. Everything is in `arena`, the file name of the locations too. RS_BAD_INPUT with line
 * and column. */
rs_status rs_yaml_read(const char *path, rs_arena *arena, rs_yaml **root, rs_diag *diag);

/* The node at a path such as "memory.bus_bits" or "adders[2].source"; NULL if there is none. */
const rs_yaml *rs_yaml_find(const rs_yaml *root, const char *path);

#endif
