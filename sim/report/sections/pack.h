/* Building JSON with jansson, which gives NULL when memory is short. Private to sim/report/sections/. */
#ifndef RISTRETTO_REPORT_SECTIONS_PACK_H
#define RISTRETTO_REPORT_SECTIONS_PACK_H

#include <stdbool.h>

#include <jansson.h>

#include "base/diag.h"

/* A section that is there, or the failure. */
static inline rs_status rs_pack_finish(json_t *value, json_t **section, rs_diag *diag)
{
    *section = value;
    return value != NULL ? RS_OK : rs_out_of_memory(diag);
}

/* Appends to an array that may be NULL because memory was short before. */
static inline void rs_pack_append(json_t *array, json_t *item, bool *failed)
{
    if (item == NULL || array == NULL || json_array_append_new(array, item) != 0)
        *failed = true;
}

/* The array, or NULL where something was not appended. */
static inline json_t *rs_pack_array(json_t *array, bool failed)
{
    if (!failed)
        return array;
    json_decref(array);
    return NULL;
}

/* The object with a member more, or NULL. Takes both references; the object may be NULL. */
static inline json_t *rs_pack_with(json_t *object, const char *key, json_t *value)
{
    if (json_object_set_new(object, key, value) == 0)
        return object;
    json_decref(object);
    return NULL;
}

#endif
