/* Opens data sets of every format, and descriptions of them. */
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "data/find.h"
#include "data/idx.h"
#include "data/lmdb.h"
#include "data/source.h"

/* A description may name another one as its source; this many in a row are followed. */
#define MAX_DEPTH 4
#define MAX_DESCRIPTION ((size_t)1 << 20)

static rs_status open_at_depth(const char *path, const char *beside, const rs_open_options *options, int depth,
                               rs_dataset **set, rs_diag *diag);

/* A value of a description: a string, in *text; NULL if the key is missing. */
static rs_status get_string(const char *path, const json_t *root, const char *key, const char **text, rs_diag *diag)
{
    const json_t *value = json_object_get(root, key);
    *text = json_string_value(value);
    if (value != NULL && *text == NULL)
        return rs_error(diag, RS_BAD_INPUT, RS_FILE(path), NULL, "'%s' is not a string", key);
    return RS_OK;
}

static rs_status open_description(const char *path, const rs_open_options *options, int depth, rs_dataset **set,
                                  rs_diag *diag)
{
    static const char *const keys[] = { "source", "exclude" };
    json_t *root = NULL;
    rs_status st = rs_json_read(path, MAX_DESCRIPTION, "", NULL, &root, diag);
    if (st != RS_OK)
        return st;

    const char *source = NULL, *exclude = NULL;
    if (!json_is_object(root))
        st = rs_error(diag, RS_BAD_INPUT, RS_FILE(path), NULL,
                      "expected an object with 'source' and, if need be, 'exclude'");
    const char *key;
    json_t *value;
    json_object_foreach(root, key, value)
    {
        const char *nearest = rs_nearest(key, keys, 2);
        if (strcmp(key, keys[0]) == 0 || strcmp(key, keys[1]) == 0)
            continue;
        char *hint = nearest != NULL ? rs_format("did you mean '%s'?", nearest) : NULL;
        st = rs_error(diag, RS_BAD_INPUT, RS_FILE(path), hint, "unknown key '%s'", key);
        rs_free(hint);
    }
    if (st == RS_OK)
        st = get_string(path, root, "source", &source, diag);
    if (st == RS_OK)
        st = get_string(path, root, "exclude", &exclude, diag);
    if (st == RS_OK && source == NULL)
        st = rs_error(diag, RS_BAD_INPUT, RS_FILE(path), NULL, "no 'source': the data set that is described");
    if (st == RS_OK && depth >= MAX_DEPTH)
        st = rs_error(diag, RS_BAD_INPUT, RS_FILE(path), NULL, "more than %d descriptions name one another", MAX_DEPTH);
    if (st == RS_OK)
        st = open_at_depth(source, path, options, depth + 1, set, diag);
    if (st == RS_OK && exclude != NULL) {
        char *folder = rs_path_folder(path);
        char *list = folder != NULL ? rs_path_join(folder, exclude) : NULL;
        st = list != NULL ? rs_dataset_exclude(*set, list, diag) : rs_out_of_memory(diag);
        rs_free(list);
        rs_free(folder);
    }
    json_decref(root);
    return st;
}

static bool ends(const char *path, const char *ending)
{
    const size_t n = strlen(path), m = strlen(ending);
    return n >= m && strcmp(path + n - m, ending) == 0;
}

typedef rs_status find_labels(const char *images, char **labels, rs_diag *diag);
typedef rs_status read_pair(const char *images, const char *labels, rs_dataset *set, rs_diag *diag);

/* A file of images, with the labels that `find` finds for it. */
static rs_status open_pair(const char *path, find_labels *find, read_pair *read, rs_dataset *set, rs_diag *diag)
{
    char *labels = NULL;
    rs_status st = find(path, &labels, diag);
    if (st == RS_OK)
        st = read(path, labels, set, diag);
    rs_free(labels);
    return st;
}

/* All the batches of a folder that has one. */
static rs_status open_cifar_folder(const char *folder, bool train, rs_dataset *set, rs_diag *diag)
{
    enum { MAX_BATCHES = 100 };
    char *paths[MAX_BATCHES];
    int n = 0;
    rs_status st = RS_OK;
    for (int i = 1; i <= (train ? MAX_BATCHES : 1) && st == RS_OK && n == i - 1; i++) {
        char *name = train ? rs_format("data_batch_%d.bin", i) : rs_strdup("test_batch.bin");
        char *path = NULL;
        st = name != NULL ? rs_find_inside(folder, name, &path, diag) : rs_out_of_memory(diag);
        rs_free(name);
        if (path != NULL)
            paths[n++] = path;
    }
    if (st == RS_OK)
        st = rs_cifar_read((const char *const *)paths, n, set, diag);
    for (int i = 0; i < n; i++)
        rs_free(paths[i]);
    return st;
}

static rs_status open_found(const char *path, const rs_open_options *options, rs_dataset *set, rs_diag *diag)
{
    if (ends(path, ".mdb"))
        return rs_lmdb_open(path, set, diag);
    if (rs_folder_exists(path)) {
        char *database = NULL;
        rs_status st = rs_find_inside(path, "data.mdb", &database, diag);
        if (st == RS_OK)
            st = database != NULL ? rs_lmdb_open(path, set, diag) : open_cifar_folder(path, options->train, set, diag);
        rs_free(database);
        return st;
    }
    if (options->list || ends(path, ".txt") || ends(path, ".lst"))
        return rs_list_open(path, options, set, diag);
    if (ends(path, ".npy"))
        return open_pair(path, rs_find_array_labels, rs_arrays_read, set, diag);
    if (ends(path, ".bin"))
        return rs_cifar_read(&path, 1, set, diag);
    return open_pair(path, rs_find_idx_labels, rs_idx_read, set, diag);
}

static rs_status open_at_depth(const char *path, const char *beside, const rs_open_options *options, int depth,
                               rs_dataset **set, rs_diag *diag)
{
    char *found = NULL;
    rs_status st = rs_find_dataset(path, beside, options->train, &found, diag);
    if (st != RS_OK)
        return st;
    if (ends(found, ".json") && !options->list) {
        st = open_description(found, options, depth, set, diag);
    } else if ((*set = RS_NEW(rs_dataset)) == NULL) {
        st = rs_out_of_memory(diag);
    } else {
        (*set)->path = found;
        found = NULL;
        st = open_found((*set)->path, options, *set, diag);
    }
    rs_free(found);
    return st;
}

static rs_status open_with(const char *path, const char *beside, const rs_open_options *options, rs_dataset **set,
                           rs_diag *diag)
{
    *set = NULL;
    rs_status st = open_at_depth(path, beside, options, 0, set, diag);
    if (st != RS_OK) {
        rs_dataset_free(*set);
        *set = NULL;
    }
    return st;
}

rs_status rs_dataset_open(const char *path, const char *beside, bool train, rs_dataset **set, rs_diag *diag)
{
    return open_with(path, beside, &(rs_open_options) { .train = train }, set, diag);
}

rs_status rs_dataset_open_layer(const rs_data_param *param, const char *path, const char *beside, bool train,
                                rs_dataset **set, rs_diag *diag)
{
    const rs_open_options options = { train, path == NULL && param->list, param->root_folder, param->shuffle };
    return open_with(path != NULL ? path : param->source, beside, &options, set, diag);
}
