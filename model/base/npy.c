/* Arrays in NumPy's format (.npy). */
#include "base/npy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#include "base/memory.h"

static const char magic[6] = { '\x93', 'N', 'U', 'M', 'P', 'Y' };

/* ------------------------------------------------------------------------------------------------------ reading */

/* A cursor over the header, a Python dictionary literal. */
typedef struct npy_cursor {
    const char *path;
    const uint8_t *bytes; /* the whole file */
    size_t at, end;       /* the header's part of it */
    rs_diag *diag;
    rs_status status;
} npy_cursor;

static bool wrong(npy_cursor *c, const char *expected)
{
    if (c->status == RS_OK)
        c->status = rs_error(c->diag, RS_BAD_INPUT, RS_FILE(c->path), NULL, "byte %zu of the NumPy header: expected %s",
                             c->at, expected);
    return false;
}

static void skip_space(npy_cursor *c)
{
    while (c->at < c->end && (c->bytes[c->at] == ' ' || c->bytes[c->at] == '\n' || c->bytes[c->at] == '\t'))
        c->at++;
}

static bool accept(npy_cursor *c, char ch)
{
    skip_space(c);
    if (c->at >= c->end || c->bytes[c->at] != (uint8_t)ch)
        return false;
    c->at++;
    return true;
}

/* 'text' or "text", no escapes; cut to fit is an error. */
static bool string(npy_cursor *c, char *text, size_t size)
{
    skip_space(c);
    const char quote = accept(c, '\'') ? '\'' : accept(c, '"') ? '"' : 0;
    if (!quote)
        return wrong(c, "a string in quotes");
    size_t n = 0;
    while (c->at < c->end && c->bytes[c->at] != (uint8_t)quote) {
        if (n + 1 >= size)
            return wrong(c, "a shorter string");
        text[n++] = (char)c->bytes[c->at++];
    }
    text[n] = 0;
    return accept(c, quote) || wrong(c, "the end of the string");
}

static bool word(npy_cursor *c, const char *text)
{
    const size_t n = strlen(text);
    skip_space(c);
    if (c->end - c->at < n || memcmp(c->bytes + c->at, text, n) != 0)
        return false;
    c->at += n;
    return true;
}

static bool shape(npy_cursor *c, rs_npy *array)
{
    if (!accept(c, '('))
        return wrong(c, "'(' of a shape");
    array->n_axes = 0;
    while (!accept(c, ')')) {
        if (array->n_axes > 0 && !accept(c, ','))
            return wrong(c, "',' or ')' in the shape");
        if (array->n_axes > 0 && accept(c, ')'))
            break;
        if (array->n_axes == RS_NPY_MAX_AXES)
            return wrong(c, "at most 8 axes");
        skip_space(c);
        int64_t value = 0;
        size_t digits = 0;
        while (c->at < c->end && c->bytes[c->at] >= '0' && c->bytes[c->at] <= '9') {
            if (++digits > 15)
                return wrong(c, "a size below 10^15");
            value = value * 10 + (c->bytes[c->at++] - '0');
        }
        if (digits == 0)
            return wrong(c, "a size");
        array->dim[array->n_axes++] = value;
    }
    return true;
}

static bool type(npy_cursor *c, rs_npy *array)
{
    static const char *const known[] = { "i1", "i2", "i4", "i8", "u1", "u2", "u4", "f4", "f8" };
    char text[16] = ""; /* all of it, for text + 1 below when the string is empty */
    if (!string(c, text, sizeof text))
        return false;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const bool one_byte = known[i][1] == '1';
        if (strcmp(text + 1, known[i]) == 0 && (text[0] == '<' || (one_byte && text[0] == '|'))) {
            array->kind = known[i][0];
            array->size = known[i][1] - '0';
            return true;
        }
    }
    return wrong(c,
                 "a type of little-endian integers or floats: '|i1' '<i2' '<i4' '<i8' '|u1' '<u2' '<u4' '<f4' '<f8'");
}

static bool header(npy_cursor *c, rs_npy *array)
{
    bool has_type = false, has_order = false, has_shape = false;
    if (!accept(c, '{'))
        return wrong(c, "'{'");
    while (!accept(c, '}')) {
        char key[32];
        bool fresh;
        if (!string(c, key, sizeof key))
            return false;
        if (!accept(c, ':'))
            return wrong(c, "':'");
        if (strcmp(key, "descr") == 0) {
            fresh = !has_type;
            has_type = true;
            if (!type(c, array))
                return false;
        } else if (strcmp(key, "fortran_order") == 0) {
            fresh = !has_order;
            has_order = true;
            if (!word(c, "False"))
                return wrong(c, "False: arrays in Fortran order are not read");
        } else if (strcmp(key, "shape") == 0) {
            fresh = !has_shape;
            has_shape = true;
            if (!shape(c, array))
                return false;
        } else {
            return wrong(c, "one of the keys 'descr', 'fortran_order', 'shape'");
        }
        if (!fresh)
            return wrong(c, "each key once");
        if (!accept(c, ',') && c->at < c->end && c->bytes[c->at] != '}')
            return wrong(c, "',' or '}'");
    }
    skip_space(c);
    if (c->at != c->end)
        return wrong(c, "nothing behind the dictionary");
    return (has_type && has_order && has_shape) || wrong(c, "the keys 'descr', 'fortran_order' and 'shape'");
}

/* The header at the start of `bytes`, of which there are `size`; where the data begins in *data. */
static rs_status parse_header(const char *path, const uint8_t *bytes, size_t size, rs_npy *array, size_t *data,
                              rs_diag *diag)
{
    *array = (rs_npy) { 0 };
    if (size < 10 || memcmp(bytes, magic, sizeof magic) != 0)
        return rs_error(diag, RS_BAD_INPUT, RS_FILE(path), NULL,
                        "not a NumPy array: expected the bytes 93 'NUMPY' at the start");
    const int version = bytes[6];
    const size_t prefix = version == 1 ? 10 : 12;
    if (version < 1 || version > 3 || size < prefix)
        return rs_error(diag, RS_BAD_INPUT, RS_FILE(path), NULL, "NumPy format version %d, expected 1, 2 or 3",
                        version);
    size_t length = bytes[8] | (size_t)bytes[9] << 8;
    if (version > 1)
        length |= (size_t)bytes[10] << 16 | (size_t)bytes[11] << 24;
    if (length > size - prefix)
        return rs_error(diag, RS_BAD_INPUT, RS_FILE(path), NULL,
                        "the NumPy header has %zu bytes, the file holds %zu more", length, size - prefix);
    npy_cursor c = { path, bytes, prefix, prefix + length, diag, RS_OK };
    if (!header(&c, array))
        return c.status;
    *data = prefix + length;
    int64_t count = 1;
    for (int a = 0; a < array->n_axes; a++)
        if (__builtin_mul_overflow(count, array->dim[a], &count))
            return rs_error(diag, RS_BAD_INPUT, RS_FILE(path), NULL, "the shape has too many elements");
    array->count = count;
    return RS_OK;
}

/* Whether `available` bytes are what the shape needs: they bound its product. */
static rs_status check_size(const char *path, const rs_npy *array, uint64_t available, rs_diag *diag)
{
    const uint64_t count = (uint64_t)array->count, size = (uint64_t)array->size;
    if (count > available / size || count * size != available)
        return rs_error(diag, RS_BAD_INPUT, RS_FILE(path), NULL,
                        "the shape needs %lld elements of %d bytes, the file holds %llu bytes", (long long)array->count,
                        array->size, (unsigned long long)available);
    return RS_OK;
}

rs_status rs_npy_parse(const char *path, const uint8_t *bytes, size_t size, rs_npy *array, rs_diag *diag)
{
    size_t data = 0;
    rs_status status = parse_header(path, bytes, size, array, &data, diag);
    if (status == RS_OK)
        status = check_size(path, array, size - data, diag);
    if (status != RS_OK)
        return status;
    array->data = rs_calloc(size - data, 1);
    if (!array->data)
        return rs_out_of_memory(diag);
    if (size > data)
        memcpy(array->data, bytes + data, size - data);
    return RS_OK;
}

rs_status rs_npy_read(const char *path, size_t max_bytes, rs_npy *array, uint32_t *crc, rs_diag *diag)
{
    *array = (rs_npy) { 0 };
    uint8_t *bytes = NULL;
    size_t size = 0;
    rs_status status = rs_read_file(path, max_bytes, false, &bytes, &size, diag);
    if (status != RS_OK)
        return status;
    if (crc)
        *crc = (uint32_t)crc32_z(0, bytes, size);
    status = rs_npy_parse(path, bytes, size, array, diag);
    rs_free(bytes);
    return status;
}

void rs_npy_free(rs_npy *array)
{
    rs_free(array->data);
    *array = (rs_npy) { 0 };
}

static uint64_t raw(const rs_npy *array, int64_t i)
{
    const uint8_t *p = array->data + (size_t)i * (size_t)array->size;
    uint64_t v = 0;
    for (int b = 0; b < array->size; b++)
        v |= (uint64_t)p[b] << (8 * b);
    return v;
}

int64_t rs_npy_integer(const rs_npy *array, int64_t i)
{
    const uint64_t v = raw(array, i);
    if (array->kind == 'u')
        return (int64_t)v;
    const int unused = 64 - 8 * array->size;
    return (int64_t)(v << unused) >> unused;
}

double rs_npy_real(const rs_npy *array, int64_t i)
{
    if (array->kind != 'f')
        return (double)rs_npy_integer(array, i);
    const uint64_t v = raw(array, i);
    if (array->size == 8) {
        double d;
        memcpy(&d, &v, sizeof d);
        return d;
    }
    const uint32_t w = (uint32_t)v;
    float f;
    memcpy(&f, &w, sizeof f);
    return (double)f;
}

/* ------------------------------------------------------------------------------------------------ piece by piece */

struct rs_npy_reader {
    char *path;
    FILE *stream;
    rs_npy array; /* whose data is `buffer` */
    int64_t done; /* elements that have been read */
    uint8_t buffer[65536];
};

/* As much of a stream as there is. */
static size_t read_up_to(FILE *stream, uint8_t *bytes, size_t size)
{
    size_t have = 0, n = 0;
    while (have < size && (n = fread(bytes + have, 1, size - have, stream)) > 0)
        have += n;
    return have;
}

/* The header, which fits the buffer with what NumPy makes of it, and the size of a file. */
static rs_status open_header(rs_npy_reader *r, rs_diag *diag)
{
    enum { PREFIX = 12 };
    size_t have = read_up_to(r->stream, r->buffer, PREFIX), data = 0;
    if (have == PREFIX) { /* version 1.0 begins the header two bytes earlier */
        const size_t length = r->buffer[8] | (size_t)r->buffer[9] << 8, most = sizeof r->buffer - PREFIX;
        const size_t end = r->buffer[6] == 1 ? length + 10 : length + PREFIX, rest = end > PREFIX ? end - PREFIX : 0;
        have += read_up_to(r->stream, r->buffer + PREFIX, rest < most ? rest : most);
    }
    const rs_status status = parse_header(r->path, r->buffer, have, &r->array, &data, diag);
    struct stat st;
    if (status != RS_OK || fstat(fileno(r->stream), &st) != 0 || !S_ISREG(st.st_mode))
        return status;
    return check_size(r->path, &r->array, (uint64_t)st.st_size - data, diag);
}

rs_status rs_npy_open(const char *path, rs_npy_reader **reader, rs_npy *array, rs_diag *diag)
{
    *reader = NULL;
    *array = (rs_npy) { 0 };
    rs_npy_reader *r = RS_NEW(rs_npy_reader);
    if (!r || (r->path = rs_strdup(path)) == NULL) {
        rs_npy_close(r);
        return rs_out_of_memory(diag);
    }
    rs_status status = rs_input_open(path, &r->stream, diag);
    if (status == RS_OK)
        status = open_header(r, diag);
    if (status != RS_OK) {
        rs_npy_close(r);
        return status;
    }
    *array = r->array;
    r->array.data = r->buffer;
    *reader = r;
    return RS_OK;
}

rs_status rs_npy_read_floats(rs_npy_reader *r, float *values, int64_t n, rs_diag *diag)
{
    const size_t size = (size_t)r->array.size;
    while (n > 0) {
        const int64_t room = (int64_t)(sizeof r->buffer / size), piece = n < room ? n : room;
        if (read_up_to(r->stream, r->buffer, (size_t)piece * size) < (size_t)piece * size)
            return rs_error(diag, RS_BAD_INPUT, RS_FILE(r->path), NULL,
                            "the array ends before its element %lld of %lld", (long long)(r->done + piece),
                            (long long)r->array.count);
        for (int64_t i = 0; i < piece; i++)
            values[i] = r->array.kind == 'f' ? (float)rs_npy_real(&r->array, i) : (float)rs_npy_integer(&r->array, i);
        r->done += piece;
        values += piece;
        n -= piece;
    }
    return RS_OK;
}

void rs_npy_close(rs_npy_reader *r)
{
    if (!r)
        return;
    if (r->stream)
        fclose(r->stream);
    rs_free(r->path);
    rs_free(r);
}

/* ------------------------------------------------------------------------------------------------------ writing */

int rs_npy_integer_size(int bits)
{
    return bits <= 8 ? 1 : bits <= 16 ? 2 : bits <= 32 ? 4 : 8;
}

rs_status rs_npy_header(const char *type, int n_axes, const int64_t *dim, uint8_t **bytes, size_t *n_bytes,
                        rs_diag *diag)
{
    *bytes = NULL;
    *n_bytes = 0;
    char *sizes = rs_strdup("");
    for (int a = 0; sizes && a < n_axes; a++) {
        char *longer = rs_format("%s%s%lld%s", sizes, a > 0 ? ", " : "", (long long)dim[a], n_axes == 1 ? "," : "");
        rs_free(sizes);
        sizes = longer;
    }
    char *text = sizes ? rs_format("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", type, sizes) : NULL;
    rs_free(sizes);
    /* Magic, version, length and header together take a multiple of 64 bytes; the last one is a line feed. */
    const size_t prefix = 10, length = text ? strlen(text) : 0, whole = (prefix + length + 1 + 63) / 64 * 64;
    uint8_t *out = text ? rs_calloc(whole, 1) : NULL;
    if (!out) {
        rs_free(text);
        return rs_out_of_memory(diag);
    }
    memcpy(out, magic, sizeof magic);
    out[6] = 1;
    out[8] = (uint8_t)((whole - prefix) & 255);
    out[9] = (uint8_t)((whole - prefix) >> 8);
    memcpy(out + prefix, text, length);
    memset(out + prefix + length, ' ', whole - prefix - length - 1);
    out[whole - 1] = '\n';
    rs_free(text);
    *bytes = out;
    *n_bytes = whole;
    return RS_OK;
}

rs_status rs_npy_encode(const int64_t *values, int size, int n_axes, const int64_t *dim, uint8_t **bytes,
                        size_t *n_bytes, rs_diag *diag)
{
    char type[8];
    uint8_t *header = NULL;
    size_t whole = 0, count = 1;
    *bytes = NULL;
    *n_bytes = 0;
    snprintf(type, sizeof type, "%ci%d", size == 1 ? '|' : '<', size);
    const rs_status status = rs_npy_header(type, n_axes, dim, &header, &whole, diag);
    if (status != RS_OK)
        return status;
    for (int a = 0; a < n_axes; a++)
        count *= (size_t)dim[a];
    uint8_t *out = rs_recalloc(header, whole, whole + count * (size_t)size, 1);
    if (!out) {
        rs_free(header);
        return rs_out_of_memory(diag);
    }
    uint8_t *p = out + whole;
    for (size_t i = 0; i < count; i++)
        for (int b = 0; b < size; b++)
            *p++ = (uint8_t)((uint64_t)values[i] >> (8 * b));
    *bytes = out;
    *n_bytes = whole + count * (size_t)size;
    return RS_OK;
}
