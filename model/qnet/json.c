/* The members of qnet.json: written, and read with what they must be. */
#include "qnet/json.h"

#include <string.h>
#include <zlib.h>

#include "base/file.h"
#include "base/memory.h"

/* --------------------------------------------------------------------------------------------------- writing */

FILE *rs_qnet_add_output(rs_qnet_writer *w, const char *name)
{
    char *path = rs_path_join(w->folder, name);
    if (!path) {
        w->status = rs_out_of_memory(w->diag);
        return NULL;
    }
    w->status = rs_output_open(path, &w->file[w->n], w->diag);
    rs_free(path);
    return w->status == RS_OK ? rs_output_stream(w->file[w->n++]) : NULL;
}

void rs_qnet_put(rs_qnet_writer *w, json_t *object, const char *key, json_t *value)
{
    if (json_object_set_new(object, key, value) != 0 && w->status == RS_OK)
        w->status = rs_out_of_memory(w->diag);
}

void rs_qnet_append(rs_qnet_writer *w, json_t *list, json_t *value)
{
    if (json_array_append_new(list, value) != 0 && w->status == RS_OK)
        w->status = rs_out_of_memory(w->diag);
}

void rs_qnet_put_pair(rs_qnet_writer *w, json_t *object, const char *key, int a, int b)
{
    rs_qnet_put(w, object, key, json_pack("[i, i]", a, b));
}

json_t *rs_qnet_array_json(rs_qnet_writer *w, const char *name, const int64_t *values, int size, int n_axes,
                           const int64_t *dim)
{
    uint8_t *bytes;
    size_t n_bytes;
    w->status = rs_npy_encode(values, size, n_axes, dim, &bytes, &n_bytes, w->diag);
    if (w->status != RS_OK)
        return NULL;
    FILE *f = rs_qnet_add_output(w, name);
    if (f && fwrite(bytes, 1, n_bytes, f) == n_bytes)
        fflush(f); /* an error sticks to the stream and is reported at commit */
    char crc[16];
    snprintf(crc, sizeof crc, "%08lx", crc32_z(0, bytes, n_bytes));
    rs_free(bytes);
    return f ? json_pack("{s:s, s:s}", "file", name, "crc32", crc) : NULL;
}

/* --------------------------------------------------------------------------------------------------- reading */

void rs_qnet_check_keys(rs_qnet_reader *r, const json_t *object, const char *where, const char *const *keys, size_t n)
{
    for (void *i = json_object_iter((json_t *)(uintptr_t)object); i;
         i = json_object_iter_next((json_t *)(uintptr_t)object, i)) {
        const char *key = json_object_iter_key(i);
        bool known = false;
        for (size_t k = 0; k < n; k++)
            known |= strcmp(keys[k], key) == 0;
        if (known)
            continue;
        const char *near = rs_nearest(key, keys, n);
        char *hint = near ? rs_format("did you mean '%s'?", near) : NULL;
        RS_QNET_MISREAD(r, hint, "%s: unknown key '%s'", where, key);
        rs_free(hint);
    }
}

const json_t *rs_qnet_get(rs_qnet_reader *r, const json_t *object, const char *where, const char *key, json_type type,
                          const char *expected)
{
    const json_t *value = json_object_get(object, key);
    if (value && json_typeof(value) == type)
        return value;
    RS_QNET_MISREAD(r, NULL, "%s: '%s' %s, expected %s", where, key, value ? "has the wrong type" : "is missing",
                    expected);
    return NULL;
}

int rs_qnet_get_integer(rs_qnet_reader *r, const json_t *object, const char *where, const char *key, int min, int max)
{
    const json_t *value = rs_qnet_get(r, object, where, key, JSON_INTEGER, "an integer");
    if (!value)
        return min;
    const json_int_t v = json_integer_value(value);
    if (v < min || v > max) {
        if (min == max)
            RS_QNET_MISREAD(r, NULL, "%s: '%s' is %lld, expected %d", where, key, (long long)v, min);
        else
            RS_QNET_MISREAD(r, NULL, "%s: '%s' is %lld, expected %d to %d", where, key, (long long)v, min, max);
        return min;
    }
    return (int)v;
}

bool rs_qnet_get_boolean(rs_qnet_reader *r, const json_t *object, const char *where, const char *key)
{
    const json_t *value = json_object_get(object, key);
    if (!value || !json_is_boolean(value))
        RS_QNET_MISREAD(r, NULL, "%s: '%s' %s, expected true or false", where, key,
                        value ? "has the wrong type" : "is missing");
    return value && json_is_true(value);
}

float rs_qnet_get_real(rs_qnet_reader *r, const json_t *object, const char *where, const char *key)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_number(value))
        RS_QNET_MISREAD(r, NULL, "%s: '%s' %s, expected a number", where, key,
                        value ? "has the wrong type" : "is missing");
    return (float)json_number_value(value);
}

char *rs_qnet_get_text(rs_qnet_reader *r, const json_t *object, const char *where, const char *key)
{
    const json_t *value = rs_qnet_get(r, object, where, key, JSON_STRING, "a string");
    if (!value)
        return NULL;
    char *copy = rs_strdup(json_string_value(value));
    if (!copy)
        r->status = rs_out_of_memory(r->diag);
    return copy;
}

int rs_qnet_get_choice(rs_qnet_reader *r, const json_t *object, const char *where, const char *key,
                       const char *const *names, int n)
{
    const json_t *value = rs_qnet_get(r, object, where, key, JSON_STRING, "a string");
    if (!value)
        return 0;
    for (int i = 0; i < n; i++)
        if (strcmp(json_string_value(value), names[i]) == 0)
            return i;
    const char *near = rs_nearest(json_string_value(value), names, (size_t)n);
    char *hint = near ? rs_format("did you mean '%s'?", near) : NULL;
    RS_QNET_MISREAD(r, hint, "%s: '%s' is '%s', which is not known", where, key, json_string_value(value));
    rs_free(hint);
    return 0;
}

void rs_qnet_get_pair(rs_qnet_reader *r, const json_t *object, const char *where, const char *key, int min, int *a,
                      int *b)
{
    const json_t *value = rs_qnet_get(r, object, where, key, JSON_ARRAY, "an array of two integers");
    *a = *b = min;
    if (!value)
        return;
    const json_t *x = json_array_get(value, 0), *y = json_array_get(value, 1);
    if (json_array_size(value) != 2 || !json_is_integer(x) || !json_is_integer(y) || json_integer_value(x) < min ||
        json_integer_value(y) < min || json_integer_value(x) > 1 << 20 || json_integer_value(y) > 1 << 20) {
        RS_QNET_MISREAD(r, NULL, "%s: '%s' must be two integers from %d to %d", where, key, min, 1 << 20);
        return;
    }
    *a = (int)json_integer_value(x);
    *b = (int)json_integer_value(y);
}

/* The path of the file that an entry names, and the checksum that it gives; NULL: it gives none. */
static char *array_path(rs_qnet_reader *r, const json_t *entry, const char *where, const char **checksum)
{
    static const char *const keys[] = { "file", "crc32" };
    rs_qnet_check_keys(r, entry, where, keys, 2);
    const json_t *file = rs_qnet_get(r, entry, where, "file", JSON_STRING, "a file name");
    const json_t *sum = rs_qnet_get(r, entry, where, "crc32", JSON_STRING, "eight hexadecimal digits");
    if (!file || !sum)
        return NULL;
    const char *name = json_string_value(file);
    if (strchr(name, '/') || name[0] == '.' || name[0] == 0) {
        RS_QNET_MISREAD(r, NULL, "%s: the file name '%s' must name a file in the same folder", where, name);
        return NULL;
    }
    *checksum = json_string_value(sum);
    char *path = rs_path_join(r->folder, name);
    if (!path)
        r->status = rs_out_of_memory(r->diag);
    return path;
}

static void refuse_shape(rs_qnet_reader *r, const char *path, const rs_qnet_array *expected)
{
    char *want = rs_strdup("");
    for (int a = 0; want && a < expected->n_axes; a++) {
        char *longer = rs_format("%s%s%lld", want, a > 0 ? " x " : "", (long long)expected->dim[a]);
        rs_free(want);
        want = longer;
    }
    r->status = rs_error(r->diag, RS_BAD_INPUT, RS_FILE(path), NULL,
                         "the array has another shape or type, expected %s integers", want ? want : "");
    rs_free(want);
}

/* The array in file `path`; false: the reader has failed, and `out` may hold something. */
static bool read_array(rs_qnet_reader *r, const char *path, const char *checksum, const rs_qnet_array *expected,
                       rs_npy *out)
{
    uint32_t crc = 0;
    rs_status status = rs_check_regular(path, r->diag);
    if (status == RS_OK)
        status = rs_npy_read(path, (size_t)RS_QNET_MAX_ELEMENTS * 8 + 65536, out, &crc, r->diag);
    char text[16];
    snprintf(text, sizeof text, "%08lx", (unsigned long)crc);
    if (status != RS_OK) {
        r->status = status;
        return false;
    }
    if (strcmp(text, checksum) != 0) {
        r->status = rs_error(r->diag, RS_BAD_INPUT, RS_FILE(path),
                             "the files of the folder were not written together, or one was changed",
                             "the checksum is %s, expected %s as %s says", text, checksum, r->path);
        return false;
    }
    if (out->kind == 'f' || out->n_axes != expected->n_axes ||
        memcmp(out->dim, expected->dim, (size_t)out->n_axes * sizeof *out->dim) != 0) {
        refuse_shape(r, path, expected);
        return false;
    }
    for (int64_t i = 0; i < out->count; i++) {
        const int64_t v = rs_npy_integer(out, i);
        if (v < expected->min || v > expected->max) {
            r->status = rs_error(r->diag, RS_BAD_INPUT, RS_FILE(path), NULL,
                                 "element %lld is %lld, expected %lld to %lld", (long long)i, (long long)v,
                                 (long long)expected->min, (long long)expected->max);
            return false;
        }
    }
    return true;
}

bool rs_qnet_get_array(rs_qnet_reader *r, const json_t *object, const char *where, const char *key,
                       const rs_qnet_array *expected, rs_npy *array)
{
    *array = (rs_npy) { 0 };
    const char *checksum = NULL;
    const json_t *entry = rs_qnet_get(r, object, where, key, JSON_OBJECT, "an object with 'file' and 'crc32'");
    char *path = entry ? array_path(r, entry, where, &checksum) : NULL;
    if (!path)
        return false;
    const bool ok = read_array(r, path, checksum, expected, array);
    rs_free(path);
    if (!ok)
        rs_npy_free(array);
    return ok;
}
