#include "import/caffe_hdf5.h"

#include <hdf5.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"

enum { MAX_LAYERS = 100000, MAX_DEPTH = 8, MAX_NAME = 1024, MAX_BLOBS = 16 };

typedef struct h5_layer {
    char *name;
    int n_blobs;
} h5_layer;

struct rs_hdf5_weights {
    char *path;
    hid_t access, file, data;
    int n_layers, capacity;
    h5_layer *layers;
};

bool rs_is_hdf5(const uint8_t *data, size_t size)
{
    static const uint8_t magic[] = { 0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n' };
    return size >= sizeof magic && memcmp(data, magic, sizeof magic) == 0;
}

static rs_status corrupt(const rs_hdf5_weights *w, rs_diag *diag, const char *what)
{
    return rs_error(diag, RS_BAD_INPUT, RS_FILE(w->path), "the file is truncated or corrupt", "the HDF5 library cannot read %s", what);
}

static rs_status add_layer(rs_hdf5_weights *w, const char *name, rs_diag *diag)
{
    if (w->n_layers == MAX_LAYERS)
        return rs_error(diag, RS_BAD_INPUT, RS_FILE(w->path), NULL, "more than %d layers", MAX_LAYERS);
    if (w->n_layers == w->capacity) {
        const int more = w->capacity == 0 ? 64 : 2 * w->capacity;
        h5_layer *grown = (h5_layer *)rs_recalloc(w->layers, (size_t)w->capacity, (size_t)more, sizeof *grown);
        if (grown == NULL)
            return rs_out_of_memory(diag);
        w->layers = grown;
        w->capacity = more;
    }
    char *copy = rs_strdup(name);
    if (copy == NULL)
        return rs_out_of_memory(diag);
    w->layers[w->n_layers++] = (h5_layer){ copy, 0 };
    return RS_OK;
}

/* Walks through a group: a data set in it is a parameter of the layer that the group stands for, a group in it another layer. */
static rs_status scan(rs_hdf5_weights *w, hid_t group, const char *name, int depth, int *links, rs_diag *diag)
{
    H5G_info_t info;
    if (H5Gget_info(group, &info) < 0)
        return corrupt(w, diag, "a group");
    int self = -1; /* index of this group's layer */
    rs_status st = RS_OK;
    for (hsize_t i = 0; i < info.nlinks && st == RS_OK; i++) {
        char child[MAX_NAME], path[MAX_NAME];
        H5L_info_t link;
        const ssize_t length = H5Lget_name_by_idx(group, ".", H5_INDEX_NAME, H5_ITER_INC, i, child, sizeof child, H5P_DEFAULT);
        if (length < 0 || H5Lget_info(group, child, &link, H5P_DEFAULT) < 0)
            return corrupt(w, diag, "a group");
        const int n = snprintf(path, sizeof path, "%s%s%s", name, *name != '\0' ? "/" : "", child);
        if (length >= (ssize_t)sizeof child || n >= (int)sizeof path || depth > MAX_DEPTH || ++*links > 4 * MAX_LAYERS)
            return rs_error(diag, RS_BAD_INPUT, RS_FILE(w->path), NULL, "groups are nested too deep, or their names are too long");
        if (link.type != H5L_TYPE_HARD)
            return rs_error(diag, RS_BAD_INPUT, RS_FILE(w->path), NULL, "'%s' is a link, expected the values themselves", path);
        const hid_t object = H5Oopen(group, child, H5P_DEFAULT);
        if (object < 0)
            return corrupt(w, diag, "an object");
        const H5I_type_t type = H5Iget_type(object);
        if (type == H5I_GROUP) {
            st = scan(w, object, path, depth + 1, links, diag);
        } else if (type == H5I_DATASET && *name != '\0') {
            if (self < 0 && (st = add_layer(w, name, diag)) == RS_OK)
                self = w->n_layers - 1;
            if (st == RS_OK && w->layers[self].n_blobs++ == MAX_BLOBS)
                st = rs_error(diag, RS_BAD_INPUT, RS_FILE(w->path), NULL, "layer '%s' has more than %d blobs", name, MAX_BLOBS);
        }
        H5Oclose(object);
    }
    return st;
}

rs_status rs_hdf5_weights_open(const char *path, const uint8_t *data, size_t size, rs_hdf5_weights **weights, rs_diag *diag)
{
    *weights = NULL;
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL); /* the library would print to stderr by itself */
    rs_hdf5_weights *w = RS_NEW(rs_hdf5_weights);
    if (w == NULL)
        return rs_out_of_memory(diag);
    w->access = w->file = w->data = -1;
    w->path = rs_strdup(path);
    rs_status st = w->path == NULL ? rs_out_of_memory(diag) : RS_OK;
    if (st == RS_OK) {
        /* From memory: the library opens no file. It wants a pointer to what it could change, and takes a copy. */
        union { const uint8_t *read; void *write; } image = { .read = data };
        w->access = H5Pcreate(H5P_FILE_ACCESS);
        if (w->access < 0 || H5Pset_fapl_core(w->access, 1 << 16, 0) < 0 || H5Pset_file_image(w->access, image.write, size) < 0)
            st = rs_out_of_memory(diag);
    }
    /* Of a name that no file can have: the library would refuse an image for one that exists. */
    if (st == RS_OK && (w->file = H5Fopen("/dev/null/weights", H5F_ACC_RDONLY, w->access)) < 0)
        st = corrupt(w, diag, "it");
    if (st == RS_OK && (H5Lexists(w->file, "data", H5P_DEFAULT) <= 0 || (w->data = H5Gopen2(w->file, "data", H5P_DEFAULT)) < 0))
        st = rs_error(diag, RS_BAD_INPUT, RS_FILE(path), "Caffe writes weights into /data/LAYER/0, 1, ...",
                      "this HDF5 file has no group 'data', expected weights (caffemodel)");
    int links = 0;
    if (st == RS_OK)
        st = scan(w, w->data, "", 0, &links, diag);
    if (st == RS_OK && w->n_layers == 0)
        st = rs_error(diag, RS_BAD_INPUT, RS_FILE(path), NULL, "the file holds no layers, expected weights (caffemodel)");
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
    if (w->data >= 0)
        H5Gclose(w->data);
    if (w->file >= 0)
        H5Fclose(w->file);
    if (w->access >= 0)
        H5Pclose(w->access);
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

/* What a data set says of itself must hold before memory is taken: its values lie in this file, and are as many as it says. */
static rs_status check_set(const rs_hdf5_weights *w, hid_t set, hid_t type, hid_t plist, const rs_shape *shape, const char *who,
                           rs_diag *diag)
{
    const rs_loc loc = RS_FILE(w->path);
    char text[192];
    rs_shape_text(shape, text, sizeof text);
    const size_t bytes = H5Tget_size(type);
    if (H5Tget_class(type) != H5T_FLOAT || (bytes != 4 && bytes != 8))
        return rs_error(diag, RS_BAD_INPUT, loc, NULL, "%s holds other values than floats", who);
    if (H5Pget_layout(plist) == H5D_VIRTUAL || H5Pget_external_count(plist) != 0)
        return rs_error(diag, RS_BAD_INPUT, loc, NULL, "%s lies in another file, which is not read", who);
    const int64_t count = rs_shape_count(shape, 0);
    if (count < 1 || count > RS_MAX_ELEMENTS)
        return rs_error(diag, RS_BAD_INPUT, loc, NULL, "%s is %s, expected 1 to %lld values", who, text, (long long)RS_MAX_ELEMENTS);
    /* A compressed data set takes at least a thousandth of its size; an uncompressed one, all of it. */
    const int filters = H5Pget_nfilters(plist);
    const int64_t stored = (int64_t)H5Dget_storage_size(set);
    if (stored < count * (int64_t)bytes / (filters > 0 ? 1100 : 1))
        return rs_error(diag, RS_BAD_INPUT, loc, "the file is truncated or corrupt", "%s is %s, but only %lld bytes are stored", who, text,
                        (long long)stored);
    return RS_OK;
}

static rs_status read_set(const rs_hdf5_weights *w, hid_t set, const char *who, rs_param *param, rs_diag *diag)
{
    rs_shape shape = { 0, { 0 } };
    hsize_t dims[H5S_MAX_RANK] = { 0 };
    const hid_t space = H5Dget_space(set), type = H5Dget_type(set), plist = H5Dget_create_plist(set);
    rs_status st = RS_OK;
    const int axes = space >= 0 ? H5Sget_simple_extent_ndims(space) : -1;
    if (type < 0 || plist < 0 || axes < 0 || axes > H5S_MAX_RANK || H5Sget_simple_extent_dims(space, dims, NULL) < 0)
        st = corrupt(w, diag, who);
    else if (axes > RS_MAX_AXES)
        st = rs_error(diag, RS_BAD_INPUT, RS_FILE(w->path), NULL, "%s has %d axes, expected at most %d", who, axes, RS_MAX_AXES);
    if (st == RS_OK) {
        shape.n_axes = axes;
        for (int i = 0; i < axes; i++)
            shape.dim[i] = dims[i] > (hsize_t)INT64_MAX ? -1 : (int64_t)dims[i];
        st = check_set(w, set, type, plist, &shape, who, diag);
    }
    const size_t count = st == RS_OK ? (size_t)rs_shape_count(&shape, 0) : 0;
    float *data = NULL;
    if (st == RS_OK && (data = RS_NEW_ARRAY(float, count)) == NULL)
        st = rs_out_of_memory(diag);
    if (st == RS_OK && H5Dread(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) < 0)
        st = corrupt(w, diag, who);
    for (size_t i = 0; i < count && st == RS_OK; i++)
        if (!isfinite(data[i]))
            st = rs_error(diag, RS_BAD_INPUT, RS_FILE(w->path), NULL, "%s: value %zu is %s, expected a finite number", who, i,
                          isnan(data[i]) ? "not a number" : "infinite");
    if (space >= 0)
        H5Sclose(space);
    if (type >= 0)
        H5Tclose(type);
    if (plist >= 0)
        H5Pclose(plist);
    if (st != RS_OK) {
        rs_free(data);
        return st;
    }
    param->shape = shape;
    param->data = data;
    return RS_OK;
}

rs_status rs_hdf5_read_blob(const rs_hdf5_weights *w, int layer, int blob, const char *who, rs_param *param, rs_diag *diag)
{
    char *path = rs_format("%s/%d", w->layers[layer].name, blob);
    if (path == NULL)
        return rs_out_of_memory(diag);
    const hid_t set = H5Lexists(w->data, path, H5P_DEFAULT) > 0 ? H5Dopen2(w->data, path, H5P_DEFAULT) : -1;
    rs_free(path);
    if (set < 0)
        return rs_error(diag, RS_BAD_INPUT, RS_FILE(w->path), "data sets are named 0, 1, ...", "%s is not in the file", who);
    const rs_status st = read_set(w, set, who, param, diag);
    H5Dclose(set);
    return st;
}
