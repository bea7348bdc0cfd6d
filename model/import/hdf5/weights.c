/* Files are downloaded, and the HDF5 library is not made for hostile ones: this reads what Caffe, h5py and the library
 * write of such files, and nothing outside of the file's bytes. The numbers of sections are those of the HDF5 File
 * Format Specification, version 3.0. */
#include "import/hdf5/weights.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "base/memory.h"

enum {
    MAX_LAYERS = 100000,
    MAX_DEPTH = 8,
    MAX_NAME = 1024,
    MAX_BLOBS = 16,
    MAX_CHUNKS_OF_HEADER = 256,
    MAX_FILTERS = 4,
    MAX_VISITS = 1 << 22 /* messages and entries looked at: a few bytes can stand for many by pointing at each other */
};

#define NOWHERE UINT64_MAX /* the address of what is not there */

/* Message types, section IV.A.2. */
enum {
    DATASPACE = 0x01,
    LINK_INFO = 0x02,
    DATATYPE = 0x03,
    LINK = 0x06,
    LAYOUT = 0x08,
    FILTERS = 0x0b,
    CONTINUATION = 0x10,
    SYMBOL_TABLE = 0x11,
    EXTERNAL_FILES = 0x07
};

typedef struct h5_layer {
    char *name;
    int n_blobs;
    uint64_t blob[MAX_BLOBS]; /* addresses of the headers of the data sets 0, 1, ...; NOWHERE: none of that name */
} h5_layer;

struct rs_hdf5_weights {
    char *path;
    const uint8_t *data;
    size_t size;
    int visits;
    int n_layers;
    size_t capacity;
    h5_layer *layers;
};

bool rs_is_hdf5(const uint8_t *data, size_t size)
{
    static const uint8_t magic[] = { 0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n' };
    return size >= sizeof magic && memcmp(data, magic, sizeof magic) == 0;
}

static rs_status corrupt(const rs_hdf5_weights *w, rs_diag *diag, const char *what)
{
    return rs_error(diag, RS_BAD_INPUT, RS_FILE(w->path), "the file is truncated or corrupt",
                    "this HDF5 file cannot be read: %s", what);
}

static rs_status unsupported(const rs_hdf5_weights *w, rs_diag *diag, const char *what)
{
    return rs_error(diag, RS_BAD_INPUT, RS_FILE(w->path),
                    "write the weights as Caffe or h5py do by default: old-style groups, contiguous or chunked values, "
                    "at most gzip and shuffle",
                    "this HDF5 file cannot be read: %s", what);
}

/* -------------------------------------------------------------------------------------------------------- bytes */

/* A part of the file. Reading behind its end gives zeros and makes it bad. */
typedef struct part {
    const uint8_t *at, *end;
    bool bad;
} part;

static size_t left(const part *p)
{
    return (size_t)(p->end - p->at);
}

static void skip(part *p, uint64_t n)
{
    if (n > left(p)) {
        p->bad = true;
        p->at = p->end;
    } else {
        p->at += n;
    }
}

static uint64_t number(part *p, int bytes)
{
    uint64_t v = 0;
    if ((size_t)bytes > left(p)) {
        p->bad = true;
        p->at = p->end;
        return 0;
    }
    for (int i = bytes; i > 0; i--)
        v = v << 8 | p->at[i - 1];
    p->at += bytes;
    return v;
}

static bool sign(part *p, const char *signature)
{
    const bool good = left(p) >= 4 && memcmp(p->at, signature, 4) == 0;
    skip(p, 4);
    return good;
}

/* The file from an address on, `length` bytes of it; NOWHERE as length: to its end. */
static part part_at(const rs_hdf5_weights *w, uint64_t address, uint64_t length)
{
    part p = { w->data + w->size, w->data + w->size, true };
    if (address > w->size || (length != NOWHERE && length > w->size - address))
        return p;
    p.at = w->data + address;
    p.end = length == NOWHERE ? p.end : p.at + length;
    p.bad = false;
    return p;
}

static bool visit(rs_hdf5_weights *w)
{
    return w->visits++ < MAX_VISITS;
}

/* ---------------------------------------------------------------------------------------- object headers (IV.A) */

typedef struct messages {
    rs_hdf5_weights *file;
    int version;
    bool order; /* version 2: messages have a creation order */
    part chunk; /* what is left of the present one */
    int n_next;
    part next[MAX_CHUNKS_OF_HEADER];
    const char *wrong; /* after the last message: NULL, or what is wrong */
} messages;

static void header_open(messages *m, rs_hdf5_weights *w, uint64_t address)
{
    part p = part_at(w, address, NOWHERE);
    m->file = w;
    m->n_next = 0;
    m->wrong = NULL;
    m->order = false;
    uint64_t length;
    if (left(&p) >= 4 && memcmp(p.at, "OHDR", 4) == 0) {
        skip(&p, 4);
        m->version = (int)number(&p, 1);
        const uint64_t flags = number(&p, 1);
        skip(&p, (flags & 0x20 ? 16 : 0) + (flags & 0x10 ? 4 : 0));
        length = number(&p, 1 << (flags & 3));
        m->order = (flags & 4) != 0;
        if (m->version != 2)
            m->wrong = "an object header of an unknown version";
    } else {
        m->version = (int)number(&p, 1);
        skip(&p, 7);
        length = number(&p, 4);
        skip(&p, 4);
        if (m->version != 1)
            m->wrong = "there is no object header where one should be";
    }
    m->chunk = p;
    if (p.bad || length > left(&p))
        m->wrong = "an object header lies behind the end";
    else
        m->chunk.end = p.at + length;
}

static void add_continuation(messages *m, part body)
{
    const uint64_t address = number(&body, 8), length = number(&body, 8);
    part p = part_at(m->file, address, length);
    if (m->version == 2) {
        if (!sign(&p, "OCHK") || left(&p) < 4)
            p.bad = true;
        else
            p.end -= 4; /* the checksum */
    }
    if (body.bad || p.bad)
        m->wrong = "the continuation of an object header lies behind the end";
    else if (m->n_next == MAX_CHUNKS_OF_HEADER)
        m->wrong = "an object header of too many parts";
    else
        m->next[m->n_next++] = p;
}

/* The next message but continuations, which are followed. False: there is none, or m->wrong says why not. */
static bool header_next(messages *m, int *type, part *body)
{
    const size_t head = m->version == 2 ? 4u + (m->order ? 2u : 0u) : 8u;
    while (m->wrong == NULL) {
        if (left(&m->chunk) < head) { /* less is a gap */
            if (m->n_next == 0)
                return false;
            m->chunk = m->next[--m->n_next];
            continue;
        }
        const int kind = (int)number(&m->chunk, m->version == 2 ? 1 : 2);
        const uint64_t length = number(&m->chunk, 2), flags = number(&m->chunk, 1);
        skip(&m->chunk, head - (m->version == 2 ? 4 : 5));
        *body = m->chunk;
        skip(&m->chunk, length);
        body->end = m->chunk.at;
        if (m->chunk.bad || !visit(m->file)) {
            m->wrong = m->chunk.bad ? "a message of an object header is longer than the header"
                                    : "its parts point at each other again and again";
        } else if (kind == CONTINUATION) {
            add_continuation(m, *body);
        } else {
            if (flags & 2 &&
                (kind == DATASPACE || kind == DATATYPE || kind == LAYOUT || kind == FILTERS || kind == LINK))
                m->wrong = "a message that is shared between objects";
            *type = kind;
            return m->wrong == NULL;
        }
    }
    return false;
}

/* ------------------------------------------------------------------------------------------------------- groups */

static rs_status add_layer(rs_hdf5_weights *w, const char *name, rs_diag *diag)
{
    if (w->n_layers == MAX_LAYERS)
        return rs_error(diag, RS_BAD_INPUT, RS_FILE(w->path), NULL, "more than %d layers", MAX_LAYERS);
    h5_layer *grown = rs_grow(w->layers, (size_t)w->n_layers, &w->capacity, sizeof *grown);
    if (grown == NULL)
        return rs_out_of_memory(diag);
    w->layers = grown;
    char *copy = rs_strdup(name);
    if (copy == NULL)
        return rs_out_of_memory(diag);
    h5_layer *layer = &w->layers[w->n_layers++];
    *layer = (h5_layer) { .name = copy };
    for (int i = 0; i < MAX_BLOBS; i++)
        layer->blob[i] = NOWHERE;
    return RS_OK;
}

/* A group in which children are looked at, or one child of it that is looked for. */
typedef struct group {
    const char *name; /* path below /data */
    int depth;
    int self;           /* its layer; -1: none so far */
    const char *wanted; /* only the child of this name: its address is put into `found` */
    uint64_t found;
} group;

static rs_status scan(rs_hdf5_weights *w, uint64_t address, group *g, rs_diag *diag);

/* A data set, which has a layout, or a group. */
static rs_status kind_of(rs_hdf5_weights *w, uint64_t address, bool *set, rs_diag *diag)
{
    messages m;
    int type;
    part body;
    *set = false;
    header_open(&m, w, address);
    while (header_next(&m, &type, &body))
        *set = *set || type == LAYOUT;
    return m.wrong != NULL ? corrupt(w, diag, m.wrong) : RS_OK;
}

static rs_status child_set(rs_hdf5_weights *w, group *g, const char *name, uint64_t address, rs_diag *diag)
{
    rs_status st = RS_OK;
    if (g->self < 0 && (st = add_layer(w, g->name, diag)) == RS_OK)
        g->self = w->n_layers - 1;
    if (st != RS_OK)
        return st;
    h5_layer *layer = &w->layers[g->self];
    if (layer->n_blobs++ == MAX_BLOBS)
        return rs_error(diag, RS_BAD_INPUT, RS_FILE(w->path), NULL, "layer '%s' has more than %d blobs", g->name,
                        MAX_BLOBS);
    for (int i = 0; i < MAX_BLOBS; i++) {
        char expected[16];
        snprintf(expected, sizeof expected, "%d", i);
        if (strcmp(name, expected) == 0)
            layer->blob[i] = address;
    }
    return RS_OK;
}

/* link: 0 an object of this file. */
static rs_status child(rs_hdf5_weights *w, group *g, const uint8_t *name, size_t length, int link, uint64_t address,
                       rs_diag *diag)
{
    char own[MAX_NAME], path[MAX_NAME];
    if (!visit(w))
        return corrupt(w, diag, "its parts point at each other again and again");
    if (length == 0 || length >= sizeof own || memchr(name, 0, length) != NULL)
        return corrupt(w, diag, "a name is empty or too long");
    memcpy(own, name, length);
    own[length] = '\0';
    if (g->wanted != NULL) {
        if (strcmp(own, g->wanted) == 0)
            g->found = link == 0 ? address : NOWHERE;
        return RS_OK;
    }
    const int n = snprintf(path, sizeof path, "%s%s%s", g->name, *g->name != '\0' ? "/" : "", own);
    if (n >= (int)sizeof path || g->depth > MAX_DEPTH)
        return rs_error(diag, RS_BAD_INPUT, RS_FILE(w->path), NULL,
                        "groups are nested too deep, or their names are too long");
    if (link != 0)
        return rs_error(diag, RS_BAD_INPUT, RS_FILE(w->path), NULL, "'%s' is a link, expected the values themselves",
                        path);
    bool set = false;
    const rs_status st = kind_of(w, address, &set, diag);
    if (st != RS_OK)
        return st;
    if (set)
        return *g->name != '\0' ? child_set(w, g, own, address, diag) : RS_OK;
    group inner = { .name = path, .depth = g->depth + 1, .self = -1, .found = NOWHERE };
    return scan(w, address, &inner, diag);
}

/* A leaf of a group's tree, section III.C; names lie in the group's heap. */
static rs_status scan_symbols(rs_hdf5_weights *w, uint64_t address, part heap, group *g, rs_diag *diag)
{
    part p = part_at(w, address, NOWHERE);
    const bool good = sign(&p, "SNOD");
    skip(&p, 2);
    const uint64_t n = number(&p, 2);
    if (!good || p.bad || n * 40 > left(&p))
        return corrupt(w, diag, "a symbol table node lies behind the end");
    rs_status st = RS_OK;
    for (uint64_t i = 0; i < n && st == RS_OK; i++) {
        const uint64_t name = number(&p, 8), object = number(&p, 8), cache = number(&p, 4);
        skip(&p, 20);
        const uint8_t *end = name < left(&heap) ? memchr(heap.at + name, 0, left(&heap) - (size_t)name) : NULL;
        if (end == NULL)
            return corrupt(w, diag, "a name lies outside of its heap");
        st = child(w, g, heap.at + name, (size_t)(end - heap.at) - (size_t)name, cache == 2, object, diag);
    }
    return st;
}

/* A node of a group's tree, section III.A.1; level: what its parent says it must be, -1: any. */
static rs_status scan_tree(rs_hdf5_weights *w, uint64_t address, int level, part heap, group *g, rs_diag *diag)
{
    part p = part_at(w, address, NOWHERE);
    const bool good = sign(&p, "TREE") && number(&p, 1) == 0;
    const int own = (int)number(&p, 1);
    const uint64_t n = number(&p, 2);
    skip(&p, 16);
    if (!good || p.bad || (level >= 0 && own != level) || own > 32 || n * 16 > left(&p) || !visit(w))
        return corrupt(w, diag, "a node of a group's tree is damaged");
    rs_status st = RS_OK;
    for (uint64_t i = 0; i < n && st == RS_OK; i++) {
        skip(&p, 8); /* the key */
        const uint64_t below = number(&p, 8);
        st = own > 0 ? scan_tree(w, below, own - 1, heap, g, diag) : scan_symbols(w, below, heap, g, diag);
    }
    return st;
}

static rs_status scan_old_group(rs_hdf5_weights *w, part body, group *g, rs_diag *diag)
{
    const uint64_t tree = number(&body, 8), heap_address = number(&body, 8);
    part p = part_at(w, heap_address, NOWHERE);
    const bool good = sign(&p, "HEAP");
    skip(&p, 4);
    const uint64_t length = number(&p, 8);
    skip(&p, 8);
    const part heap = part_at(w, number(&p, 8), length);
    if (!good || body.bad || p.bad || heap.bad)
        return corrupt(w, diag, "a group's heap of names lies behind the end");
    return scan_tree(w, tree, -1, heap, g, diag);
}

/* A link message, section IV.A.2.g. */
static rs_status scan_link(rs_hdf5_weights *w, part body, group *g, rs_diag *diag)
{
    const uint64_t version = number(&body, 1), flags = number(&body, 1);
    const int kind = flags & 8 ? (int)number(&body, 1) : 0;
    skip(&body, (flags & 4 ? 8 : 0) + (flags & 16 ? 1 : 0));
    const uint64_t length = number(&body, 1 << (flags & 3));
    const uint8_t *name = body.at;
    skip(&body, length);
    const uint64_t address = kind == 0 ? number(&body, 8) : NOWHERE;
    if (version != 1 || body.bad)
        return corrupt(w, diag, "a link is damaged");
    return child(w, g, name, (size_t)length, kind, address, diag);
}

static rs_status scan(rs_hdf5_weights *w, uint64_t address, group *g, rs_diag *diag)
{
    messages m;
    int type;
    part body;
    rs_status st = RS_OK;
    header_open(&m, w, address);
    while (st == RS_OK && header_next(&m, &type, &body)) {
        if (type == SYMBOL_TABLE) {
            st = scan_old_group(w, body, g, diag);
        } else if (type == LINK) {
            st = scan_link(w, body, g, diag);
        } else if (type == LINK_INFO) {
            skip(&body, 1);
            skip(&body, number(&body, 1) & 1 ? 8 : 0);
            if (number(&body, 8) != NOWHERE)
                st = unsupported(w, diag, "a group keeps its links in a fractal heap");
        }
    }
    return st == RS_OK && m.wrong != NULL ? corrupt(w, diag, m.wrong) : st;
}

/* Superblock, section II.A: where the root group is. */
static rs_status read_superblock(rs_hdf5_weights *w, uint64_t *root, rs_diag *diag)
{
    part p = part_at(w, 8, NOWHERE);
    const uint64_t version = number(&p, 1);
    uint64_t base, end;
    if (version <= 1) {
        skip(&p, 4);
        const uint64_t offsets = number(&p, 1), lengths = number(&p, 1);
        skip(&p, 1 + 2 + 2 + 4 + (version == 1 ? 4 : 0));
        base = number(&p, 8);
        skip(&p, 8);
        end = number(&p, 8);
        skip(&p, 8 + 8);
        *root = number(&p, 8);
        if (!p.bad && (offsets != 8 || lengths != 8))
            return unsupported(w, diag, "its addresses have other sizes than 8 bytes");
    } else if (version <= 3) {
        const uint64_t offsets = number(&p, 1), lengths = number(&p, 1);
        skip(&p, 1);
        base = number(&p, 8);
        skip(&p, 8);
        end = number(&p, 8);
        *root = number(&p, 8);
        if (!p.bad && (offsets != 8 || lengths != 8))
            return unsupported(w, diag, "its addresses have other sizes than 8 bytes");
    } else {
        return p.bad ? corrupt(w, diag, "it ends in its superblock")
                     : unsupported(w, diag, "its superblock is of an unknown version");
    }
    if (p.bad || end > w->size)
        return corrupt(w, diag, "it is shorter than it says");
    return base != 0 ? unsupported(w, diag, "it does not begin with its superblock") : RS_OK;
}

rs_status rs_hdf5_weights_open(const char *path, const uint8_t *data, size_t size, rs_hdf5_weights **weights,
                               rs_diag *diag)
{
    *weights = NULL;
    rs_hdf5_weights *w = RS_NEW(rs_hdf5_weights);
    if (w == NULL)
        return rs_out_of_memory(diag);
    w->data = data;
    w->size = size;
    w->path = rs_strdup(path);
    uint64_t root = 0;
    rs_status st = w->path == NULL ? rs_out_of_memory(diag) : read_superblock(w, &root, diag);
    group top = { .name = "", .self = -1, .wanted = "data", .found = NOWHERE };
    if (st == RS_OK)
        st = scan(w, root, &top, diag);
    if (st == RS_OK && top.found == NOWHERE)
        st = rs_error(diag, RS_BAD_INPUT, RS_FILE(path), "Caffe writes weights into /data/LAYER/0, 1, ...",
                      "this HDF5 file has no group 'data', expected weights (caffemodel)");
    group layers = { .name = "", .self = -1, .found = NOWHERE };
    if (st == RS_OK)
        st = scan(w, top.found, &layers, diag);
    if (st == RS_OK && w->n_layers == 0)
        st = rs_error(diag, RS_BAD_INPUT, RS_FILE(path), NULL,
                      "the file holds no layers, expected weights (caffemodel)");
    if (st != RS_OK) {
        rs_hdf5_weights_free(w);
        return st;
    }
    *weights = w;
    return RS_OK;
}

void rs_hdf5_weights_free(rs_hdf5_weights *w)
{
    if (w == NULL)
        return;
    for (int i = 0; i < w->n_layers; i++)
        rs_free(w->layers[i].name);
    rs_free(w->layers);
    rs_free(w->path);
    rs_free(w);
}

int rs_hdf5_layers(const rs_hdf5_weights *w)
{
    return w->n_layers;
}

const char *rs_hdf5_layer_name(const rs_hdf5_weights *w, int layer)
{
    return w->layers[layer].name;
}

int rs_hdf5_blobs(const rs_hdf5_weights *w, int layer)
{
    return w->layers[layer].n_blobs;
}

/* ---------------------------------------------------------------------------------------------------- data sets */

typedef enum placing { UNKNOWN, COMPACT, CONTIGUOUS, SINGLE_CHUNK, CHUNK_TREE } placing;

/* What the header of a data set says. */
typedef struct set {
    rs_shape shape;
    int bytes; /* of a value: 4 or 8 */
    bool big_endian;
    placing where;
    part values;              /* compact and contiguous */
    uint64_t address, stored; /* of the tree of chunks, or of the only one */
    uint32_t mask;            /* filters that the only chunk does without */
    uint64_t chunk[RS_MAX_AXES];
    int n_filters;
    struct {
        int id;
        uint64_t size;
    } filters[MAX_FILTERS];
} set;

enum { DEFLATE = 1, SHUFFLE = 2, FLETCHER32 = 3 };

/* NULL, or what is wrong with it; *other: it is sound, but of a form that is not read. */
static const char *read_space(part p, rs_shape *shape, int *axes)
{
    const uint64_t version = number(&p, 1), rank = number(&p, 1);
    skip(&p, version == 1 ? 6 : 2);
    *axes = (int)rank;
    if (version < 1 || version > 2 || rank > 32)
        return "a dataspace of an unknown version";
    shape->n_axes = rank > RS_MAX_AXES ? RS_MAX_AXES : (int)rank;
    for (int i = 0; i < shape->n_axes; i++) {
        const uint64_t dim = number(&p, 8);
        shape->dim[i] = dim > (uint64_t)INT64_MAX ? -1 : (int64_t)dim;
    }
    return p.bad ? "a dataspace is cut off" : NULL;
}

/* Only IEEE floats, section IV.A.2.d. */
static bool read_float(part p, set *s)
{
    const uint64_t head = number(&p, 4), size = number(&p, 4);
    const uint64_t offset = number(&p, 2), precision = number(&p, 2), exponent_at = number(&p, 1),
                   exponent = number(&p, 1);
    const uint64_t mantissa_at = number(&p, 1), mantissa = number(&p, 1), bias = number(&p, 4);
    const bool wide = size == 8;
    s->bytes = (int)size;
    s->big_endian = (head >> 8 & 1) != 0;
    /* Class 1; the mantissa's leading bit is implied; the sign is the highest bit. */
    return !p.bad && (head & 15) == 1 && (size == 4 || wide) && (head >> 8 & 0x40) == 0 && (head >> 12 & 3) == 2 &&
           head >> 16 == (wide ? 63u : 31u) && offset == 0 && precision == 8 * size &&
           exponent_at == (wide ? 52u : 23u) && exponent == (wide ? 11u : 8u) && mantissa_at == 0 &&
           mantissa == (wide ? 52u : 23u) && bias == (wide ? 1023u : 127u);
}

static const char *read_chunked(part *p, uint64_t version, set *s)
{
    const uint64_t flags = version == 4 ? number(p, 1) : 0, axes = number(p, 1);
    if (axes < 2 || axes > RS_MAX_AXES + 1)
        return "chunks of too many axes";
    if (version == 3)
        s->address = number(p, 8);
    const int bytes = version == 4 ? (int)number(p, 1) : 4;
    if (bytes < 1 || bytes > 8)
        return "the layout of a data set is damaged";
    for (uint64_t i = 0; i < axes - 1; i++)
        s->chunk[i] = number(p, bytes);
    skip(p, (uint64_t)bytes); /* of a value */
    s->where = CHUNK_TREE;
    if (version == 4) {
        if (number(p, 1) != 1)
            return "a data set keeps its chunks in another form than a tree of version 1";
        s->where = SINGLE_CHUNK;
        s->stored = NOWHERE; /* all of it */
        if (flags & 2) {
            s->stored = number(p, 8);
            s->mask = (uint32_t)number(p, 4);
        }
        s->address = number(p, 8);
    }
    return p->bad ? "the layout of a data set is cut off" : NULL;
}

/* Section IV.A.2.i. */
static const char *read_layout(const rs_hdf5_weights *w, part p, set *s)
{
    const uint64_t version = number(&p, 1), kind = number(&p, 1);
    if (version < 3 || version > 4)
        return "the layout of a data set is of an unknown version";
    if (kind == 0) {
        s->where = COMPACT;
        const uint64_t length = number(&p, 2);
        s->values = p;
        skip(&p, length);
        s->values.end = p.at;
        return p.bad ? "the layout of a data set is cut off" : NULL;
    }
    if (kind == 1) {
        const uint64_t address = number(&p, 8), length = number(&p, 8);
        s->where = CONTIGUOUS;
        s->values = address == NOWHERE ? (part) { w->data, w->data, false } : part_at(w, address, length);
        return p.bad || s->values.bad ? "the values of a data set lie behind the end" : NULL;
    }
    return kind == 2 ? read_chunked(&p, version, s) : "a data set lies in another file";
}

/* Section IV.A.2.l. */
static const char *read_filters(part p, set *s)
{
    const uint64_t version = number(&p, 1), n = number(&p, 1);
    skip(&p, version == 1 ? 6 : 0);
    if (version < 1 || version > 2 || n > MAX_FILTERS)
        return "the filters of a data set are too many, or of an unknown version";
    for (uint64_t i = 0; i < n; i++) {
        const uint64_t id = number(&p, 2), name = version == 1 || id >= 256 ? number(&p, 2) : 0;
        skip(&p, 2);
        const uint64_t values = number(&p, 2);
        skip(&p, version == 1 ? (name + 7) / 8 * 8 : name);
        s->filters[i].id = (int)id;
        s->filters[i].size = values > 0 ? number(&p, 4) : 0;
        skip(&p, values > 1 ? 4 * (values - 1) : 0);
        skip(&p, version == 1 && values % 2 == 1 ? 4 : 0);
        if (id != DEFLATE && id != SHUFFLE && id != FLETCHER32)
            return "a data set is compressed in another way than gzip";
    }
    s->n_filters = (int)n;
    return p.bad ? "the filters of a data set are cut off" : NULL;
}

/* Everything that the header says. */
static rs_status read_header(rs_hdf5_weights *w, uint64_t address, const char *who, set *s, rs_diag *diag)
{
    messages m;
    int type, axes = -1;
    part body;
    bool is_float = false, external = false;
    const char *wrong = NULL;
    header_open(&m, w, address);
    while (wrong == NULL && header_next(&m, &type, &body)) {
        if (type == DATASPACE)
            wrong = read_space(body, &s->shape, &axes);
        else if (type == DATATYPE)
            is_float = read_float(body, s);
        else if (type == LAYOUT)
            wrong = read_layout(w, body, s);
        else if (type == FILTERS)
            wrong = read_filters(body, s);
        else if (type == EXTERNAL_FILES)
            external = true;
    }
    if (m.wrong != NULL || (wrong == NULL && (axes < 0 || s->where == UNKNOWN)))
        return corrupt(w, diag, m.wrong != NULL ? m.wrong : "a data set has no shape or no values");
    if (wrong != NULL && (axes < 0 || s->where == UNKNOWN))
        return unsupported(w, diag, wrong);
    if (axes > RS_MAX_AXES)
        return rs_error(diag, RS_BAD_INPUT, RS_FILE(w->path), NULL, "%s has %d axes, expected at most %d", who, axes,
                        RS_MAX_AXES);
    if (!is_float)
        return rs_error(diag, RS_BAD_INPUT, RS_FILE(w->path), NULL, "%s holds other values than floats", who);
    if (external)
        return rs_error(diag, RS_BAD_INPUT, RS_FILE(w->path), NULL, "%s lies in another file, which is not read", who);
    return wrong != NULL ? unsupported(w, diag, wrong) : RS_OK;
}

static float value_of(const set *s, const uint8_t *at)
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

static void values_of(const set *s, const uint8_t *from, uint64_t n, float *to)
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
static uint8_t *unfilter(const set *s, uint32_t mask, part stored, size_t bytes, uint8_t *a, uint8_t *b)
{
    enum { CHECKSUM = 4 };
    size_t n = left(&stored);
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

/* A walk through chunks: their sizes are added up first, then they are read. */
typedef struct walk {
    rs_hdf5_weights *file;
    const set *s;
    uint64_t total; /* bytes stored */
    float *out;     /* NULL: only add up */
    size_t bytes;   /* of a chunk */
    uint8_t *room[2];
} walk;

/* Puts the values of a chunk where they belong; what hangs over is dropped. */
static void place_chunk(const walk *k, const uint64_t *offset, const uint8_t *values)
{
    const set *s = k->s;
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

static const char *one_chunk(walk *k, uint64_t address, uint64_t stored, uint32_t mask, const uint64_t *offset)
{
    const part p = part_at(k->file, address, stored);
    if (p.bad)
        return "the values of a data set lie behind the end";
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
static const char *walk_tree(walk *k, uint64_t address, int level)
{
    const int axes = k->s->shape.n_axes;
    part p = part_at(k->file, address, NOWHERE);
    const bool good = sign(&p, "TREE") && number(&p, 1) == 1;
    const int own = (int)number(&p, 1);
    const uint64_t n = number(&p, 2);
    skip(&p, 16);
    if (!good || p.bad || (level >= 0 && own != level) || own > 32 || n * (8 + 8 * ((uint64_t)axes + 1) + 8) > left(&p))
        return "a node of a tree of chunks is damaged";
    const char *wrong = NULL;
    for (uint64_t i = 0; i < n && wrong == NULL; i++) {
        uint64_t offset[RS_MAX_AXES];
        const uint64_t stored = number(&p, 4);
        const uint32_t mask = (uint32_t)number(&p, 4);
        for (int a = 0; a < axes; a++)
            offset[a] = number(&p, 8);
        skip(&p, 8);
        const uint64_t below = number(&p, 8);
        if (!visit(k->file))
            return "its parts point at each other again and again";
        wrong = own > 0 ? walk_tree(k, below, own - 1) : one_chunk(k, below, stored, mask, offset);
    }
    return wrong;
}

static const char *walk_chunks(walk *k)
{
    static const uint64_t zero[RS_MAX_AXES] = { 0 };
    const set *s = k->s;
    k->total = 0;
    if (s->address == NOWHERE)
        return NULL; /* nothing is stored */
    return s->where == CHUNK_TREE
               ? walk_tree(k, s->address, -1)
               : one_chunk(k, s->address, s->stored == NOWHERE ? k->bytes : s->stored, s->mask, zero);
}

/* Bytes of a chunk; 0: none, or far more than there could be. */
static size_t chunk_bytes(const set *s)
{
    uint64_t n = (uint64_t)s->bytes;
    for (int i = 0; i < s->shape.n_axes; i++) {
        if (s->chunk[i] == 0 || s->chunk[i] > (UINT64_C(1) << 40) / n)
            return 0;
        n *= s->chunk[i];
    }
    return (size_t)n;
}

static rs_status read_chunks(rs_hdf5_weights *w, walk *k, float *out, rs_diag *diag)
{
    k->room[0] = rs_calloc(2, room_of(k->bytes));
    if (k->room[0] == NULL)
        return rs_out_of_memory(diag);
    k->room[1] = k->room[0] + room_of(k->bytes);
    k->out = out;
    const char *wrong = walk_chunks(k);
    rs_free(k->room[0]);
    return wrong != NULL ? corrupt(w, diag, wrong) : RS_OK;
}

/* What a data set says of itself must hold before memory is taken: its values lie in this file, and are as many as it
 * says. */
static rs_status check_size(rs_hdf5_weights *w, const set *s, uint64_t stored, size_t chunk, const char *who,
                            rs_diag *diag)
{
    enum { MOST_COMPRESSED = 1100 }; /* times that deflate makes anything smaller */
    const bool chunked = s->where == CHUNK_TREE || s->where == SINGLE_CHUNK;
    char text[192];
    rs_shape_text(&s->shape, text, sizeof text);
    const int64_t count = rs_shape_count(&s->shape, 0);
    if (count < 1 || count > RS_MAX_ELEMENTS)
        return rs_error(diag, RS_BAD_INPUT, RS_FILE(w->path), NULL, "%s is %s, expected 1 to %lld values", who, text,
                        (long long)RS_MAX_ELEMENTS);
    const uint64_t smaller = s->n_filters > 0 && chunked ? MOST_COMPRESSED : 1;
    if (stored < (uint64_t)count * (uint64_t)s->bytes / smaller)
        return rs_error(diag, RS_BAD_INPUT, RS_FILE(w->path), "the file is truncated or corrupt",
                        "%s is %s, but only %llu bytes are stored", who, text, (unsigned long long)stored);
    if (chunked && (chunk == 0 || chunk / smaller > stored))
        return corrupt(w, diag, "the chunks of a data set are larger than what is stored of it");
    return RS_OK;
}

static rs_status read_values(rs_hdf5_weights *w, const set *s, const char *who, float **values, rs_diag *diag)
{
    const bool chunked = s->where == CHUNK_TREE || s->where == SINGLE_CHUNK;
    walk k = { .file = w, .s = s, .bytes = chunked && s->shape.n_axes > 0 ? chunk_bytes(s) : 0 };
    const char *wrong = chunked && k.bytes > 0 ? walk_chunks(&k) : NULL;
    if (wrong != NULL)
        return corrupt(w, diag, wrong);
    rs_status st = check_size(w, s, chunked ? k.total : left(&s->values), k.bytes, who, diag);
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
    if (blob >= MAX_BLOBS || w->layers[layer].blob[blob] == NOWHERE)
        return rs_error(diag, RS_BAD_INPUT, RS_FILE(w->path), "data sets are named 0, 1, ...", "%s is not in the file",
                        who);
    set s = { .where = UNKNOWN };
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
