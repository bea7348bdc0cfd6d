/* The groups of an HDF5 file: which layers it has, and where their data sets are (sections II and III). */
#include "import/hdf5/file.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"

enum { MAX_LAYERS = 100000, MAX_DEPTH = 8, MAX_NAME = 1024 };

bool rs_is_hdf5(const uint8_t *data, size_t size)
{
    static const uint8_t magic[] = { 0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n' };
    return size >= sizeof magic && memcmp(data, magic, sizeof magic) == 0;
}

static rs_status add_layer(rs_hdf5_weights *w, const char *name, rs_diag *diag)
{
    if (w->n_layers == MAX_LAYERS)
        return rs_error(diag, RS_BAD_INPUT, RS_FILE(w->path), NULL, "more than %d layers", MAX_LAYERS);
    rs_h5_layer *grown = rs_grow(w->layers, (size_t)w->n_layers, &w->capacity, sizeof *grown);
    if (grown == NULL)
        return rs_out_of_memory(diag);
    w->layers = grown;
    char *copy = rs_strdup(name);
    if (copy == NULL)
        return rs_out_of_memory(diag);
    rs_h5_layer *layer = &w->layers[w->n_layers++];
    *layer = (rs_h5_layer) { .name = copy };
    for (int i = 0; i < RS_H5_MAX_BLOBS; i++)
        layer->blob[i] = RS_H5_NOWHERE;
    return RS_OK;
}

/* A h5_group in which children are looked at, or one child of it that is looked for. */
typedef struct h5_group {
    const char *name; /* path below /data */
    int depth;
    int self;           /* its layer; -1: none so far */
    const char *wanted; /* only the child of this name: its address is put into `found` */
    uint64_t found;
} h5_group;

static rs_status scan(rs_hdf5_weights *w, uint64_t address, h5_group *g, rs_diag *diag);

/* A data set, which has a layout, or a group. */
static rs_status kind_of(rs_hdf5_weights *w, uint64_t address, bool *set, rs_diag *diag)
{
    rs_h5_messages m;
    int type;
    rs_h5_part body;
    *set = false;
    rs_h5_header_open(&m, w, address);
    while (rs_h5_header_next(&m, &type, &body))
        *set = *set || type == RS_H5_LAYOUT;
    return m.wrong != NULL ? rs_h5_corrupt(w, diag, m.wrong) : RS_OK;
}

static rs_status child_set(rs_hdf5_weights *w, h5_group *g, const char *name, uint64_t address, rs_diag *diag)
{
    rs_status st = RS_OK;
    if (g->self < 0 && (st = add_layer(w, g->name, diag)) == RS_OK)
        g->self = w->n_layers - 1;
    if (st != RS_OK)
        return st;
    rs_h5_layer *layer = &w->layers[g->self];
    if (layer->n_blobs++ == RS_H5_MAX_BLOBS)
        return rs_error(diag, RS_BAD_INPUT, RS_FILE(w->path), NULL, "layer '%s' has more than %d blobs", g->name,
                        RS_H5_MAX_BLOBS);
    for (int i = 0; i < RS_H5_MAX_BLOBS; i++) {
        char expected[16];
        snprintf(expected, sizeof expected, "%d", i);
        if (strcmp(name, expected) == 0)
            layer->blob[i] = address;
    }
    return RS_OK;
}

/* link: 0 an object of this file. */
static rs_status child(rs_hdf5_weights *w, h5_group *g, const uint8_t *name, size_t length, int link, uint64_t address,
                       rs_diag *diag)
{
    char own[MAX_NAME], path[MAX_NAME];
    if (!rs_h5_visit(w))
        return rs_h5_corrupt(w, diag, "its parts point at each other again and again");
    if (length == 0 || length >= sizeof own || memchr(name, 0, length) != NULL)
        return rs_h5_corrupt(w, diag, "a name is empty or too long");
    memcpy(own, name, length);
    own[length] = '\0';
    if (g->wanted != NULL) {
        if (strcmp(own, g->wanted) == 0)
            g->found = link == 0 ? address : RS_H5_NOWHERE;
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
    h5_group inner = { .name = path, .depth = g->depth + 1, .self = -1, .found = RS_H5_NOWHERE };
    return scan(w, address, &inner, diag);
}

/* A leaf of a group's tree, section III.C; names lie in the group's heap. */
static rs_status scan_symbols(rs_hdf5_weights *w, uint64_t address, rs_h5_part heap, h5_group *g, rs_diag *diag)
{
    rs_h5_part p = rs_h5_part_at(w, address, RS_H5_NOWHERE);
    const bool good = rs_h5_sign(&p, "SNOD");
    rs_h5_skip(&p, 2);
    const uint64_t n = rs_h5_number(&p, 2);
    if (!good || p.bad || n * 40 > rs_h5_left(&p))
        return rs_h5_corrupt(w, diag, "a symbol table node lies behind the end");
    rs_status st = RS_OK;
    for (uint64_t i = 0; i < n && st == RS_OK; i++) {
        const uint64_t name = rs_h5_number(&p, 8), object = rs_h5_number(&p, 8), cache = rs_h5_number(&p, 4);
        rs_h5_skip(&p, 20);
        const uint8_t *end = name < rs_h5_left(&heap) ? memchr(heap.at + name, 0, rs_h5_left(&heap) - (size_t)name)
                                                      : NULL;
        if (end == NULL)
            return rs_h5_corrupt(w, diag, "a name lies outside of its heap");
        st = child(w, g, heap.at + name, (size_t)(end - heap.at) - (size_t)name, cache == 2, object, diag);
    }
    return st;
}

/* A node of a group's tree, section III.A.1; level: what its parent says it must be, -1: any. */
static rs_status scan_tree(rs_hdf5_weights *w, uint64_t address, int level, rs_h5_part heap, h5_group *g, rs_diag *diag)
{
    rs_h5_part p = rs_h5_part_at(w, address, RS_H5_NOWHERE);
    const bool good = rs_h5_sign(&p, "TREE") && rs_h5_number(&p, 1) == 0;
    const int own = (int)rs_h5_number(&p, 1);
    const uint64_t n = rs_h5_number(&p, 2);
    rs_h5_skip(&p, 16);
    if (!good || p.bad || (level >= 0 && own != level) || own > 32 || n * 16 > rs_h5_left(&p) || !rs_h5_visit(w))
        return rs_h5_corrupt(w, diag, "a node of a group's tree is damaged");
    rs_status st = RS_OK;
    for (uint64_t i = 0; i < n && st == RS_OK; i++) {
        rs_h5_skip(&p, 8); /* the key */
        const uint64_t below = rs_h5_number(&p, 8);
        st = own > 0 ? scan_tree(w, below, own - 1, heap, g, diag) : scan_symbols(w, below, heap, g, diag);
    }
    return st;
}

static rs_status scan_old_group(rs_hdf5_weights *w, rs_h5_part body, h5_group *g, rs_diag *diag)
{
    const uint64_t tree = rs_h5_number(&body, 8), heap_address = rs_h5_number(&body, 8);
    rs_h5_part p = rs_h5_part_at(w, heap_address, RS_H5_NOWHERE);
    const bool good = rs_h5_sign(&p, "HEAP");
    rs_h5_skip(&p, 4);
    const uint64_t length = rs_h5_number(&p, 8);
    rs_h5_skip(&p, 8);
    const rs_h5_part heap = rs_h5_part_at(w, rs_h5_number(&p, 8), length);
    if (!good || body.bad || p.bad || heap.bad)
        return rs_h5_corrupt(w, diag, "a group's heap of names lies behind the end");
    return scan_tree(w, tree, -1, heap, g, diag);
}

/* A link message, section IV.A.2.g. */
static rs_status scan_link(rs_hdf5_weights *w, rs_h5_part body, h5_group *g, rs_diag *diag)
{
    const uint64_t version = rs_h5_number(&body, 1), flags = rs_h5_number(&body, 1);
    const int kind = flags & 8 ? (int)rs_h5_number(&body, 1) : 0;
    rs_h5_skip(&body, (flags & 4 ? 8 : 0) + (flags & 16 ? 1 : 0));
    const uint64_t length = rs_h5_number(&body, 1 << (flags & 3));
    const uint8_t *name = body.at;
    rs_h5_skip(&body, length);
    const uint64_t address = kind == 0 ? rs_h5_number(&body, 8) : RS_H5_NOWHERE;
    if (version != 1 || body.bad)
        return rs_h5_corrupt(w, diag, "a link is damaged");
    return child(w, g, name, (size_t)length, kind, address, diag);
}

static rs_status scan(rs_hdf5_weights *w, uint64_t address, h5_group *g, rs_diag *diag)
{
    rs_h5_messages m;
    int type;
    rs_h5_part body;
    rs_status st = RS_OK;
    rs_h5_header_open(&m, w, address);
    while (st == RS_OK && rs_h5_header_next(&m, &type, &body)) {
        if (type == RS_H5_SYMBOL_TABLE) {
            st = scan_old_group(w, body, g, diag);
        } else if (type == RS_H5_LINK) {
            st = scan_link(w, body, g, diag);
        } else if (type == RS_H5_LINK_INFO) {
            rs_h5_skip(&body, 1);
            rs_h5_skip(&body, rs_h5_number(&body, 1) & 1 ? 8 : 0);
            if (rs_h5_number(&body, 8) != RS_H5_NOWHERE)
                st = rs_h5_unsupported(w, diag, "a h5_group keeps its links in a fractal heap");
        }
    }
    return st == RS_OK && m.wrong != NULL ? rs_h5_corrupt(w, diag, m.wrong) : st;
}

/* Superblock, section II.A: where the root group is. */
static rs_status read_superblock(rs_hdf5_weights *w, uint64_t *root, rs_diag *diag)
{
    rs_h5_part p = rs_h5_part_at(w, 8, RS_H5_NOWHERE);
    const uint64_t version = rs_h5_number(&p, 1);
    uint64_t base, end;
    if (version <= 1) {
        rs_h5_skip(&p, 4);
        const uint64_t offsets = rs_h5_number(&p, 1), lengths = rs_h5_number(&p, 1);
        rs_h5_skip(&p, 1 + 2 + 2 + 4 + (version == 1 ? 4 : 0));
        base = rs_h5_number(&p, 8);
        rs_h5_skip(&p, 8);
        end = rs_h5_number(&p, 8);
        rs_h5_skip(&p, 8 + 8);
        *root = rs_h5_number(&p, 8);
        if (!p.bad && (offsets != 8 || lengths != 8))
            return rs_h5_unsupported(w, diag, "its addresses have other sizes than 8 bytes");
    } else if (version <= 3) {
        const uint64_t offsets = rs_h5_number(&p, 1), lengths = rs_h5_number(&p, 1);
        rs_h5_skip(&p, 1);
        base = rs_h5_number(&p, 8);
        rs_h5_skip(&p, 8);
        end = rs_h5_number(&p, 8);
        *root = rs_h5_number(&p, 8);
        if (!p.bad && (offsets != 8 || lengths != 8))
            return rs_h5_unsupported(w, diag, "its addresses have other sizes than 8 bytes");
    } else {
        return p.bad ? rs_h5_corrupt(w, diag, "it ends in its superblock")
                     : rs_h5_unsupported(w, diag, "its superblock is of an unknown version");
    }
    if (p.bad || end > w->size)
        return rs_h5_corrupt(w, diag, "it is shorter than it says");
    return base != 0 ? rs_h5_unsupported(w, diag, "it does not begin with its superblock") : RS_OK;
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
    h5_group top = { .name = "", .self = -1, .wanted = "data", .found = RS_H5_NOWHERE };
    if (st == RS_OK)
        st = scan(w, root, &top, diag);
    if (st == RS_OK && top.found == RS_H5_NOWHERE)
        st = rs_error(diag, RS_BAD_INPUT, RS_FILE(path), "Caffe writes weights into /data/LAYER/0, 1, ...",
                      "this HDF5 file has no group 'data', expected weights (caffemodel)");
    h5_group layers = { .name = "", .self = -1, .found = RS_H5_NOWHERE };
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
