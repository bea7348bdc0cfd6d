/* The data sets of an HDF5 file: shape, layout, filters, values (section IV). */
#include "import/hdf5/file.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "base/memory.h"

enum { MAX_FILTERS = 4 };

typedef enum h5_placing { UNKNOWN, COMPACT, CONTIGUOUS, SINGLE_CHUNK, CHUNK_TREE } h5_placing;

/* What the header of a data set says. */
typedef struct h5_set {
    rs_shape shape;
    int bytes; /* of a value: 4 or 8 */
    bool big_endian;
    h5_placing where;
    rs_h5_part values;        /* compact and contiguous */
    uint64_t address, stored; /* of the tree of chunks, or of the only one */
    uint32_t mask;            /* filters that the only chunk does without */
    uint64_t chunk[RS_MAX_AXES];
    int n_filters;
    struct {
        int id;
        uint64_t size;
    } filters[MAX_FILTERS];
} h5_set;

enum { DEFLATE = 1, SHUFFLE = 2, FLETCHER32 = 3 };

/* NULL, or what is wrong with it; *other: it is sound, but of a form that is not read. */
static const char *read_space(rs_h5_part p, rs_shape *shape, int *axes)
{
    const uint64_t version = rs_h5_number(&p, 1), rank = rs_h5_number(&p, 1);
    rs_h5_skip(&p, version == 1 ? 6 : 2);
    *axes = (int)rank;
    if (version < 1 || version > 2 || rank > 32)
        return "a dataspace of an unknown version";
    shape->n_axes = rank > RS_MAX_AXES ? RS_MAX_AXES : (int)rank;
    for (int i = 0; i < shape->n_axes; i++) {
        const uint64_t dim = rs_h5_number(&p, 8);
        shape->dim[i] = dim > (uint64_t)INT64_MAX ? -1 : (int64_t)dim;
    }
    return p.bad ? "a dataspace is cut off" : NULL;
}

/* Only IEEE floats, section IV.A.2.d. */
static bool read_float(rs_h5_part p, h5_set *s)
{
    const uint64_t head = rs_h5_number(&p, 4), size = rs_h5_number(&p, 4);
    const uint64_t offset = rs_h5_number(&p, 2), precision = rs_h5_number(&p, 2), exponent_at = rs_h5_number(&p, 1),
                   exponent = rs_h5_number(&p, 1);
    const uint64_t mantissa_at = rs_h5_number(&p, 1), mantissa = rs_h5_number(&p, 1), bias = rs_h5_number(&p, 4);
    const bool wide = size == 8;
    s->bytes = (int)size;
    s->big_endian = (head >> 8 & 1) != 0;
    /* Class 1; the mantissa's leading bit is implied; the sign is the highest bit. */
    return !p.bad && (head & 15) == 1 && (size == 4 || wide) && (head >> 8 & 0x40) == 0 && (head >> 12 & 3) == 2 &&
           head >> 16 == (wide ? 63u : 31u) && offset == 0 && precision == 8 * size &&
           exponent_at == (wide ? 52u : 23u) && exponent == (wide ? 11u : 8u) && mantissa_at == 0 &&
           mantissa == (wide ? 52u : 23u) && bias == (wide ? 1023u : 127u);
}

static const char *read_chunked(rs_h5_part *p, uint64_t version, h5_set *s)
{
    const uint64_t flags = version == 4 ? rs_h5_number(p, 1) : 0, axes = rs_h5_number(p, 1);
    if (axes < 2 || axes > RS_MAX_AXES + 1)
        return "chunks of too many axes";
    if (version == 3)
        s->address = rs_h5_number(p, 8);
    const int bytes = version == 4 ? (int)rs_h5_number(p, 1) : 4;
    if (bytes < 1 || bytes > 8)
        return "the layout of a data h5_set is damaged";
    for (uint64_t i = 0; i < axes - 1; i++)
        s->chunk[i] = rs_h5_number(p, bytes);
    rs_h5_skip(p, (uint64_t)bytes); /* of a value */
    s->where = CHUNK_TREE;
    if (version == 4) {
        if (rs_h5_number(p, 1) != 1)
            return "a data h5_set keeps its chunks in another form than a tree of version 1";
        s->where = SINGLE_CHUNK;
        s->stored = RS_H5_NOWHERE; /* all of it */
        if (flags & 2) {
            s->stored = rs_h5_number(p, 8);
            s->mask = (uint32_t)rs_h5_number(p, 4);
        }
        s->address = rs_h5_number(p, 8);
    }
    return p->bad ? "the layout of a data h5_set is cut off" : NULL;
}

/* Section IV.A.2.i. */
static const char *read_layout(const rs_hdf5_weights *w, rs_h5_part p, h5_set *s)
{
    const uint64_t version = rs_h5_number(&p, 1), kind = rs_h5_number(&p, 1);
    if (version < 3 || version > 4)
        return "the layout of a data h5_set is of an unknown version";
    if (kind == 0) {
        s->where = COMPACT;
        const uint64_t length = rs_h5_number(&p, 2);
        s->values = p;
        rs_h5_skip(&p, length);
        s->values.end = p.at;
        return p.bad ? "the layout of a data h5_set is cut off" : NULL;
    }
    if (kind == 1) {
        const uint64_t address = rs_h5_number(&p, 8), length = rs_h5_number(&p, 8);
        s->where = CONTIGUOUS;
        s->values = address == RS_H5_NOWHERE ? (rs_h5_part) { w->data, w->data, false }
                                             : rs_h5_part_at(w, address, length);
        return p.bad || s->values.bad ? "the values of a data h5_set lie behind the end" : NULL;
    }
    return kind == 2 ? read_chunked(&p, version, s) : "a data h5_set lies in another file";
}

/* Section IV.A.2.l. */
static const char *read_filters(rs_h5_part p, h5_set *s)
{
    const uint64_t version = rs_h5_number(&p, 1), n = rs_h5_number(&p, 1);
    rs_h5_skip(&p, version == 1 ? 6 : 0);
    if (version < 1 || version > 2 || n > MAX_FILTERS)
        return "the filters of a data h5_set are too many, or of an unknown version";
    for (uint64_t i = 0; i < n; i++) {
        const uint64_t id = rs_h5_number(&p, 2), name = version == 1 || id >= 256 ? rs_h5_number(&p, 2) : 0;
        rs_h5_skip(&p, 2);
        const uint64_t values = rs_h5_number(&p, 2);
        rs_h5_skip(&p, version == 1 ? (name + 7) / 8 * 8 : name);
        s->filters[i].id = (int)id;
        s->filters[i].size = values > 0 ? rs_h5_number(&p, 4) : 0;
        rs_h5_skip(&p, values > 1 ? 4 * (values - 1) : 0);
        rs_h5_skip(&p, version == 1 && values % 2 == 1 ? 4 : 0);
        if (id != DEFLATE && id != SHUFFLE && id != FLETCHER32)
            return "a data h5_set is compressed in another way than gzip";
    }
    s->n_filters = (int)n;
    return p.bad ? "the filters of a data h5_set are cut off" : NULL;
}

/* Everything that the header says. */
static rs_status read_header(rs_hdf5_weights *w, uint64_t address, const char *who, h5_set *s, rs_diag *diag)
{
    rs_h5_messages m;
    int type, axes = -1;
    rs_h5_part body;
    bool is_float = false, external = false;
    const char *wrong = NULL;
    rs_h5_header_open(&m, w, address);
    while (wrong == NULL && rs_h5_header_next(&m, &type, &body)) {
        if (type == RS_H5_DATASPACE)
            wrong = read_space(body, &s->shape, &axes);
        else if (type == RS_H5_DATATYPE)
            is_float = read_float(body, s);
        else if (type == RS_H5_LAYOUT)
            wrong = read_layout(w, body, s);
        else if (type == RS_H5_FILTERS)
            wrong = read_filters(body, s);
        else if (type == RS_H5_EXTERNAL_FILES)
            external = true;
    }
    if (m.wrong != NULL || (wrong == NULL && (axes < 0 || s->where == UNKNOWN)))
        return rs_h5_corrupt(w, diag, m.wrong != NULL ? m.wrong : "a data h5_set has no shape or no values");
    if (wrong != NULL && (axes < 0 || s->where == UNKNOWN))
        return rs_h5_unsupported(w, diag, wrong);
    if (axes > RS_MAX_AXES)
        return rs_error(diag, RS_BAD_INPUT, RS_FILE(w->path), NULL, "%s has %d axes, expected at most %d", who, axes,
                        RS_MAX_AXES);
    if (!is_float)
        return rs_error(diag, RS_BAD_INPUT, RS_FILE(w->path), NULL, "%s holds other values than floats", who);
    if (external)
        return rs_error(diag, RS_BAD_INPUT, RS_FILE(w->path), NULL, "%s lies in another file, which is not read", who);
    return wrong != NULL ? rs_h5_unsupported(w, diag, wrong) : RS_OK;
}

static float value_of(const h5_set *s, const uint8_t *at)
{
    uint8_t bytes[8];
    for (int i = 0; i < s->bytes; i++)
        bytes[i] = at[s->big_endian ? s->bytes - 1 - i : i];
    float narrow;
    double wide;
    if (s->bytes == 4) {
        memcpy(&narrow, bytes, sizeof narrow);
        return narrow;
    }
    memcpy(&wide, bytes, sizeof wide);
    return (float)wide;
}

static void values_of(const h5_set *s, const uint8_t *from, uint64_t n, float *to)
{
    if (s->bytes == (int)sizeof *to && !s->big_endian) { /* as they are on x86 */
        memcpy(to, from, (size_t)n * sizeof *to);
        return;
    }
    for (uint64_t i = 0; i < n; i++)
        to[i] = value_of(s, from + i * (uint64_t)s->bytes);
}

/* The most that a chunk takes between two filters: what does not compress grows a little, and has a checksum. */
static size_t room_of(size_t bytes)
{
    return bytes + bytes / 256 + 64;
}

/* One chunk undone: `stored` through the filters, last one first, to `bytes` bytes. a and b have room_of(bytes);
 * returns the one that holds the result, NULL if it is damaged. */
static uint8_t *unfilter(const h5_set *s, uint32_t mask, rs_h5_part stored, size_t bytes, uint8_t *a, uint8_t *b)
{
    enum { CHECKSUM = 4 };
    size_t n = rs_h5_left(&stored);
    const uint8_t *from = stored.at;
    uint8_t *to = a;
    for (int i = s->n_filters - 1; i >= 0; i--) {
        if (mask >> i & 1)
            continue;
        if (s->filters[i].id == DEFLATE) {
            uLongf length = (uLongf)room_of(bytes);
            if (uncompress(to, &length, from, (uLong)n) != Z_OK)
                return NULL;
            n = (size_t)length;
        } else if (s->filters[i].id == FLETCHER32) {
            if (n < CHECKSUM || n > room_of(bytes))
                return NULL;
            n -= CHECKSUM;
            memcpy(to, from, n);
        } else {
            const size_t size = (size_t)s->filters[i].size, count = size == 0 ? 0 : n / size;
            if (size == 0 || n > room_of(bytes))
                return NULL;
            for (size_t k = 0; k < size; k++)
                for (size_t j = 0; j < count; j++)
                    to[j * size + k] = from[k * count + j];
            memcpy(to + count * size, from + count * size, n - count * size);
        }
        from = to;
        to = to == a ? b : a;
    }
    if (n != bytes)
        return NULL;
    if (from == stored.at)
        memcpy(to = a, from, n);
    else
        to = to == a ? b : a;
    return to;
}

/* A h5_walk through chunks: their sizes are added up first, then they are read. */
typedef struct h5_walk {
    rs_hdf5_weights *file;
    const h5_set *s;
    uint64_t total; /* bytes stored */
    float *out;     /* NULL: only add up */
    size_t bytes;   /* of a chunk */
    uint8_t *room[2];
} h5_walk;

/* Puts the values of a chunk where they belong; what hangs over is dropped. */
static void place_chunk(const h5_walk *k, const uint64_t *offset, const uint8_t *values)
{
    const h5_set *s = k->s;
    const int axes = s->shape.n_axes, last = axes - 1;
    uint64_t at[RS_MAX_AXES] = { 0 };
    const uint64_t row = s->chunk[last];
    for (;;) {
        bool inside = true;
        uint64_t target = 0;
        for (int i = 0; i < last; i++) {
            inside = inside && offset[i] + at[i] < (uint64_t)s->shape.dim[i];
            target = target * (uint64_t)s->shape.dim[i] + offset[i] + at[i];
        }
        const uint64_t width = (uint64_t)s->shape.dim[last], room = offset[last] < width ? width - offset[last] : 0;
        if (inside)
            values_of(s, values, row < room ? row : room, k->out + target * width + offset[last]);
        values += row * (uint64_t)s->bytes;
        int axis = last - 1;
        while (axis >= 0 && ++at[axis] == s->chunk[axis])
            at[axis--] = 0;
        if (axis < 0)
            return;
    }
}

static const char *one_chunk(h5_walk *k, uint64_t address, uint64_t stored, uint32_t mask, const uint64_t *offset)
{
    const rs_h5_part p = rs_h5_part_at(k->file, address, stored);
    if (p.bad)
        return "the values of a data h5_set lie behind the end";
    k->total += stored;
    if (k->total > k->file->size)
        return "its chunks take more than the file";
    if (k->out == NULL)
        return NULL;
    for (int i = 0; i < k->s->shape.n_axes; i++)
        if (offset[i] >= (uint64_t)k->s->shape.dim[i])
            return "a chunk lies outside of its data set";
    const uint8_t *values = unfilter(k->s, mask, p, k->bytes, k->room[0], k->room[1]);
    if (values == NULL)
        return "a chunk is damaged";
    place_chunk(k, offset, values);
    return NULL;
}

/* A node of the tree of chunks, section III.A.1. */
static const char *walk_tree(h5_walk *k, uint64_t address, int level)
{
    const int axes = k->s->shape.n_axes;
    rs_h5_part p = rs_h5_part_at(k->file, address, RS_H5_NOWHERE);
    const bool good = rs_h5_sign(&p, "TREE") && rs_h5_number(&p, 1) == 1;
    const int own = (int)rs_h5_number(&p, 1);
    const uint64_t n = rs_h5_number(&p, 2);
    rs_h5_skip(&p, 16);
    if (!good || p.bad || (level >= 0 && own != level) || own > 32 ||
        n * (8 + 8 * ((uint64_t)axes + 1) + 8) > rs_h5_left(&p))
        return "a node of a tree of chunks is damaged";
    const char *wrong = NULL;
    for (uint64_t i = 0; i < n && wrong == NULL; i++) {
        uint64_t offset[RS_MAX_AXES];
        const uint64_t stored = rs_h5_number(&p, 4);
        const uint32_t mask = (uint32_t)rs_h5_number(&p, 4);
        for (int a = 0; a < axes; a++)
            offset[a] = rs_h5_number(&p, 8);
        rs_h5_skip(&p, 8);
        const uint64_t below = rs_h5_number(&p, 8);
        if (!rs_h5_visit(k->file))
            return "its parts point at each other again and again";
        wrong = own > 0 ? walk_tree(k, below, own - 1) : one_chunk(k, below, stored, mask, offset);
    }
    return wrong;
}

static const char *walk_chunks(h5_walk *k)
{
    static const uint64_t zero[RS_MAX_AXES] = { 0 };
    const h5_set *s = k->s;
    k->total = 0;
    if (s->address == RS_H5_NOWHERE)
        return NULL; /* nothing is stored */
    return s->where == CHUNK_TREE
               ? walk_tree(k, s->address, -1)
               : one_chunk(k, s->address, s->stored == RS_H5_NOWHERE ? k->bytes : s->stored, s->mask, zero);
}

/* Bytes of a chunk; 0: none, or far more than there could be. */
static size_t chunk_bytes(const h5_set *s)
{
    uint64_t n = (uint64_t)s->bytes;
    for (int i = 0; i < s->shape.n_axes; i++) {
        if (s->chunk[i] == 0 || s->chunk[i] > (UINT64_C(1) << 40) / n)
            return 0;
        n *= s->chunk[i];
    }
    return (size_t)n;
}

static rs_status read_chunks(rs_hdf5_weights *w, h5_walk *k, float *out, rs_diag *diag)
{
    k->room[0] = rs_calloc(2, room_of(k->bytes));
    if (k->room[0] == NULL)
        return rs_out_of_memory(diag);
    k->room[1] = k->room[0] + room_of(k->bytes);
    k->out = out;
    const char *wrong = walk_chunks(k);
    rs_free(k->room[0]);
    return wrong != NULL ? rs_h5_corrupt(w, diag, wrong) : RS_OK;
}

/* What a data h5_set says of itself must hold before memory is taken: its values lie in this file, and are as many as
 * it says. */
static rs_status check_size(rs_hdf5_weights *w, const h5_set *s, uint64_t stored, size_t chunk, const char *who,
                            rs_diag *diag)
{
    enum { MAX_COMPRESSION = 1100 }; /* times that deflate makes anything smaller */
    const bool chunked = s->where == CHUNK_TREE || s->where == SINGLE_CHUNK;
    char text[192];
    rs_shape_text(&s->shape, text, sizeof text);
    const int64_t count = rs_shape_count(&s->shape, 0);
    if (count < 1 || count > RS_MAX_ELEMENTS)
        return rs_error(diag, RS_BAD_INPUT, RS_FILE(w->path), NULL, "%s is %s, expected 1 to %lld values", who, text,
                        (long long)RS_MAX_ELEMENTS);
    const uint64_t smaller = s->n_filters > 0 && chunked ? MAX_COMPRESSION : 1;
    if (stored < (uint64_t)count * (uint64_t)s->bytes / smaller)
        return rs_error(diag, RS_BAD_INPUT, RS_FILE(w->path), "the file is truncated or corrupt",
                        "%s is %s, but only %llu bytes are stored", who, text, (unsigned long long)stored);
    if (chunked && (chunk == 0 || chunk / smaller > stored))
        return rs_h5_corrupt(w, diag, "the chunks of a data h5_set are larger than what is stored of it");
    return RS_OK;
}

static rs_status read_values(rs_hdf5_weights *w, const h5_set *s, const char *who, float **values, rs_diag *diag)
{
    const bool chunked = s->where == CHUNK_TREE || s->where == SINGLE_CHUNK;
    h5_walk k = { .file = w, .s = s, .bytes = chunked && s->shape.n_axes > 0 ? chunk_bytes(s) : 0 };
    const char *wrong = chunked && k.bytes > 0 ? walk_chunks(&k) : NULL;
    if (wrong != NULL)
        return rs_h5_corrupt(w, diag, wrong);
    rs_status st = check_size(w, s, chunked ? k.total : rs_h5_left(&s->values), k.bytes, who, diag);
    if (st != RS_OK)
        return st;
    const size_t count = (size_t)rs_shape_count(&s->shape, 0);
    float *out = RS_NEW_ARRAY(float, count);
    if (out == NULL)
        return rs_out_of_memory(diag);
    if (chunked)
        st = read_chunks(w, &k, out, diag);
    else
        values_of(s, s->values.at, count, out);
    for (size_t i = 0; i < count && st == RS_OK; i++)
        if (!isfinite(out[i]))
            st = rs_error(diag, RS_BAD_INPUT, RS_FILE(w->path), NULL, "%s: value %zu is %s, expected a finite number",
                          who, i, isnan(out[i]) ? "not a number" : "infinite");
    if (st != RS_OK) {
        rs_free(out);
        return st;
    }
    *values = out;
    return RS_OK;
}

rs_status rs_hdf5_read_blob(rs_hdf5_weights *w, int layer, int blob, const char *who, rs_param *param, rs_diag *diag)
{
    if (blob >= RS_H5_MAX_BLOBS || w->layers[layer].blob[blob] == RS_H5_NOWHERE)
        return rs_error(diag, RS_BAD_INPUT, RS_FILE(w->path), "data sets are named 0, 1, ...", "%s is not in the file",
                        who);
    h5_set s = { .where = UNKNOWN };
    float *values = NULL;
    rs_status st = read_header(w, w->layers[layer].blob[blob], who, &s, diag);
    if (st == RS_OK)
        st = read_values(w, &s, who, &values, diag);
    if (st != RS_OK)
        return st;
    param->shape = s.shape;
    param->data = values;
    return RS_OK;
}
