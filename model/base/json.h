/* Reading JSON files. */
#ifndef RISTRETTO_BASE_JSON_H
#define RISTRETTO_BASE_JSON_H

#include <jansson.h>
#include <stddef.h>

#include "base/diag.h"

/* The value in a file of at most max_bytes; json_decref. RS_BAD_INPUT where it is not JSON, or has a key twice: at its
 * line and column, as "WHAT: why", or "why" if what is "", with the hint (NULL: none). */
rs_status rs_json_read(const char *path, size_t max_bytes, const char *what, const char *hint, json_t **value,
                       rs_diag *diag);

#endif
