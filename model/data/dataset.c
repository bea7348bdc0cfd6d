#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/file.h"
#include "data/data.h"
#include "data/idx.h"
#include "data/lmdb.h"
#include "data/source.h"
#include "import/caffe/caffe.h"

/* A description may name another one as its source; this many in a row are followed. */
#define MAX_DEPTH 4
#define MAX_DESCRIPTION ((size_t)1 << 20)
#define MAX_LIST ((size_t)1 << 28)

static const char *chosen_folder;

void rs_set_data_folder(const char *path)
{
    chosen_folder = path;
}

const char *rs_data_folder(void)
{
    if (chosen_folder != NULL)
        return chosen_folder;
    const char *folder = getenv("RISTRETTO_DATA");
    return folder != NULL && folder[0] != '\0' ? folder : "data";
}

void rs_dataset_free(rs_dataset *set)
{
    if (set == NULL)
        return;
    if (set->source != NULL)
        set->source->free(set->source);
    rs_free(set->path);
    rs_free(set->storage);
    rs_free(set->labels);
    rs_free(set);
}

rs_dataset rs_dataset_slice(const rs_dataset *set, int64_t first, int64_t count)
{
    rs_dataset slice = *set;
    if (first < 0)
        first = 0;
    if (first > set->count)
        first = set->count;
    if (count > set->count - first)
        count = set->count - first;
    slice.count = count < 0 ? 0 : count;
    if (set->pixels != NULL)
        slice.pixels = set->pixels + first * set->channels * set->height * set->width;
    slice.base = set->base + first;
    slice.labels = set->labels + first;
    slice.storage = NULL;
    return slice;
}

/* --------------------------------------------------------------------------------------------------- finding files
 */

static bool is_file(const char *path)
{
    return rs_file_exists(path) && !rs_folder_exists(path);
}

/* `start` with the first of the usual endings with which it is a file, in *path, NULL if there is none. */
static rs_status with_ending(const char *start, char **path, rs_diag *diag)
{
    static const char *const endings[] = { "-images-idx3-ubyte",    "-images-idx3-ubyte.gz", "-images.idx3-ubyte",
                                           "-images.idx3-ubyte.gz", "-images-idx4-ubyte",    "-images-idx4-ubyte.gz" };
    *path = NULL;
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        char *candidate = rs_format("%s%s", start, endings[i]);
        if (candidate == NULL)
            return rs_out_of_memory(diag);
        if (is_file(candidate)) {
            *path = candidate;
            return RS_OK;
        }
        rs_free(candidate);
    }
    return RS_OK;
}

/* Whether `folder` has a file of this name; *path is then "folder/name". */
static rs_status inside(const char *folder, const char *name, char **path, rs_diag *diag)
{
    char *candidate = rs_path_join(folder, name);
    *path = NULL;
    if (candidate == NULL)
        return rs_out_of_memory(diag);
    if (is_file(candidate))
        *path = candidate;
    else
        rs_free(candidate);
    return RS_OK;
}

/* What a folder may hold, other than IDX files: name for name, for training and for testing. */
static const struct {
    const char *train, *test;
    bool whole; /* the folder, not this file of it, is what is opened */
} in_folders[] = {
    { "data.mdb", "data.mdb", true },               /* LMDB */
    { "data_batch_1.bin", "test_batch.bin", true }, /* CIFAR-10 */
    { "train.bin", "test.bin", false },             /* CIFAR-100 */
    { "train-images.npy", "test-images.npy", false },
    { "x_train.npy", "x_test.npy", false },
    { "train.txt", "val.txt", false },
    { "train.txt", "test.txt", false },
    { "labels.txt", "labels.txt", false },
};

/* The file (or folder of files) that a path names: itself, or the images in a folder or with a prefix. *file is NULL if
 * there is none. */
static rs_status find_images(const char *path, bool train, char **file, rs_diag *diag)
{
    *file = NULL;
    if (is_file(path)) {
        *file = rs_strdup(path);
        return *file != NULL ? RS_OK : rs_out_of_memory(diag);
    }
    if (!rs_folder_exists(path))
        return with_ending(path, file, diag);
    const char *const names[] = { train ? "train" : "t10k", "digits" };
    rs_status st = RS_OK;
    for (int i = 0; i < 2 && st == RS_OK && *file == NULL; i++) {
        char *start = rs_path_join(path, names[i]);
        st = start != NULL ? with_ending(start, file, diag) : rs_out_of_memory(diag);
        rs_free(start);
    }
    for (size_t i = 0; i < sizeof in_folders / sizeof in_folders[0] && st == RS_OK && *file == NULL; i++) {
        st = inside(path, train ? in_folders[i].train : in_folders[i].test, file, diag);
        if (st == RS_OK && *file != NULL && in_folders[i].whole) {
            rs_free(*file);
            *file = rs_strdup(path);
            st = *file != NULL ? RS_OK : rs_out_of_memory(diag);
        }
    }
    return st;
}

/* The places where a relative path is looked up: what `find` finds first. */
static rs_status search(const char *path, const char *beside, bool train,
                        rs_status (*find)(const char *, bool, char **, rs_diag *), char **file, rs_diag *diag)
{
    *file = NULL;
    rs_status st = RS_OK;
    if (chosen_folder != NULL && path[0] != '/') {
        char *in_chosen = rs_path_join(chosen_folder, path);
        st = in_chosen != NULL ? find(in_chosen, train, file, diag) : rs_out_of_memory(diag);
        rs_free(in_chosen);
    }
    if (st == RS_OK && *file == NULL)
        st = find(path, train, file, diag);
    if (st != RS_OK || *file != NULL || path[0] == '/')
        return st;
    char *beside_folder = beside != NULL ? rs_path_folder(beside) : NULL;
    if (beside != NULL && beside_folder == NULL)
        return rs_out_of_memory(diag);
    const char *const folders[] = { beside_folder, rs_data_folder() };
    for (int i = 0; i < 2 && st == RS_OK && *file == NULL; i++) {
        if (folders[i] == NULL)
            continue;
        char *candidate = rs_path_join(folders[i], path);
        st = candidate != NULL ? find(candidate, train, file, diag) : rs_out_of_memory(diag);
        rs_free(candidate);
    }
    rs_free(beside_folder);
    return st;
}

/* Where `search` looked, for a hint; NULL for an absolute path or without memory. */
static char *places(const char *path, const char *beside)
{
    if (path[0] == '/')
        return NULL;
    char *folder = beside != NULL ? rs_path_folder(beside) : NULL;
    char *hint = rs_format("looked here%s%s and in %s (RISTRETTO_DATA); scripts/fetch-data.sh fetches the public sets",
                           folder != NULL ? ", in " : "", folder != NULL ? folder : "", rs_data_folder());
    rs_free(folder);
    return hint;
}

/* Looks a source up in the places where it may be. */
static rs_status look_up(const char *path, const char *beside, bool train, char **file, rs_diag *diag)
{
    rs_status st = search(path, beside, train, find_images, file, diag);
    if (st == RS_OK && *file == NULL && chosen_folder != NULL)
        st = find_images(chosen_folder, train, file, diag);
    if (st != RS_OK || *file != NULL)
        return st;
    const bool folder = rs_folder_exists(path);
    char *hint = folder ? rs_format("the formats: %s-images-idx3-ubyte; %s; %s; data.mdb", train ? "train" : "t10k",
                                    train ? "data_batch_1.bin ..." : "test_batch.bin",
                                    train ? "train.txt, labels.txt" : "val.txt, labels.txt")
                        : places(path, beside);
    st = rs_error(diag, RS_BAD_INPUT, RS_FILE(path), hint,
                  folder ? "the folder holds no %s data in a format that is known"
                         : "there is no data set of this name (%s)",
                  train ? "train" : "test");
    rs_free(hint);
    return st;
}

static rs_status find_file(const char *path, bool train, char **file, rs_diag *diag)
{
    (void)train;
    *file = is_file(path) ? rs_strdup(path) : NULL;
    return *file != NULL || !is_file(path) ? RS_OK : rs_out_of_memory(diag);
}

rs_status rs_data_load_mean(rs_data_param *param, const char *beside, rs_loc loc, rs_diag *diag)
{
    if (param->mean_file == NULL || param->mean_image != NULL)
        return RS_OK;
    char *file = NULL;
    rs_status st = search(param->mean_file, beside, false, find_file, &file, diag);
    if (st == RS_OK && file == NULL) {
        char *hint = places(param->mean_file, beside);
        st = rs_error(diag, RS_BAD_INPUT, loc, hint, "there is no mean file '%s'; 'ristretto data mean' makes one",
                      param->mean_file);
        rs_free(hint);
    }
    if (st == RS_OK)
        st = rs_caffe_read_mean(file, param->mean_dim, &param->mean_image, diag);
    rs_free(file);
    return st;
}

bool rs_dataset_exists(const char *path, const char *beside, bool train)
{
    char *file = NULL;
    const bool found = look_up(path, beside, train, &file, NULL) == RS_OK && file != NULL;
    rs_free(file);
    return found;
}

/* The labels of an array: "images" becomes "labels" in its name, or x y at its beginning. */
static rs_status find_array_labels(const char *images, char **labels, rs_diag *diag)
{
    const char *slash = strrchr(images, '/'), *name = slash != NULL ? slash + 1 : images,
               *word = strstr(name, "images");
    if (word != NULL)
        *labels = rs_format("%.*slabels%s", (int)(word - images), images, word + strlen("images"));
    else if (name[0] == 'x' || name[0] == 'X')
        *labels = rs_format("%.*s%c%s", (int)(name - images), images, name[0] + 1, name + 1);
    else
        return rs_error(
            diag, RS_BAD_INPUT, RS_FILE(images),
            "name the files like train-images.npy and train-labels.npy, or x_train.npy and y_train.npy",
            "neither 'images' in the file's name nor x at its beginning, by which its labels would be found");
    if (*labels == NULL)
        return rs_out_of_memory(diag);
    return is_file(*labels)
               ? RS_OK
               : rs_error(diag, RS_BAD_INPUT, RS_FILE(*labels), NULL, "there are no labels for %s", images);
}

static rs_status open_arrays(const char *path, rs_dataset *set, rs_diag *diag)
{
    char *labels = NULL;
    rs_status st = find_array_labels(path, &labels, diag);
    if (st == RS_OK)
        st = rs_arrays_read(path, labels, set, diag);
    rs_free(labels);
    return st;
}

/* The labels file for an images file: "images" becomes "labels" in its name and idx3 idx1; gzipped or not. */
static rs_status find_labels(const char *images, char **labels, rs_diag *diag)
{
    *labels = NULL;
    const char *slash = strrchr(images, '/');
    const char *name = slash != NULL ? slash + 1 : images;
    const char *word = strstr(name, "images");
    if (word == NULL)
        return rs_error(diag, RS_BAD_INPUT, RS_FILE(images),
                        "name the files like train-images-idx3-ubyte and "
                        "train-labels-idx1-ubyte",
                        "no 'images' in the file's name, by which its labels would be found");
    char *path = rs_format("%.*slabels%s", (int)(word - images), images, word + strlen("images"));
    if (path == NULL)
        return rs_out_of_memory(diag);
    char *idx = strstr(path + (word - images), "idx");
    if (idx != NULL && (idx[3] == '3' || idx[3] == '4'))
        idx[3] = '1';
    if (is_file(path)) {
        *labels = path;
        return RS_OK;
    }
    const size_t n = strlen(path);
    const bool gzip = n > 3 && strcmp(path + n - 3, ".gz") == 0;
    char *other = gzip ? rs_strndup(path, n - 3) : rs_format("%s.gz", path);
    rs_status st = RS_OK;
    if (other == NULL)
        st = rs_out_of_memory(diag);
    else if (is_file(other))
        *labels = other;
    else
        st = rs_error(diag, RS_BAD_INPUT, RS_FILE(path), NULL, "there are no labels for %s", images);
    if (*labels == NULL)
        rs_free(other);
    rs_free(path);
    return st;
}

/* --------------------------------------------------------------------------------------------------------- opening
 */

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
    uint8_t *text = NULL;
    size_t size = 0;
    rs_status st = rs_read_file(path, MAX_DESCRIPTION, false, &text, &size, diag);
    if (st != RS_OK)
        return st;
    json_error_t error;
    json_t *root = json_loadb((const char *)text, size, JSON_REJECT_DUPLICATES, &error);
    rs_free(text);
    if (root == NULL && json_error_code(&error) == json_error_out_of_memory)
        return rs_out_of_memory(diag);
    if (root == NULL)
        return rs_error(diag, RS_BAD_INPUT, (rs_loc) { path, error.line, error.column }, NULL, "%s", error.text);

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

static rs_status open_idx(const char *path, rs_dataset *set, rs_diag *diag)
{
    char *labels = NULL;
    rs_status st = find_labels(path, &labels, diag);
    if (st == RS_OK)
        st = rs_idx_read(path, labels, set, diag);
    rs_free(labels);
    return st;
}

/* All the batches of a folder that has one. */
static rs_status open_cifar_folder(const char *folder, bool train, rs_dataset *set, rs_diag *diag)
{
    enum { MOST = 100 };
    char *paths[MOST];
    int n = 0;
    rs_status st = RS_OK;
    for (int i = 1; i <= (train ? MOST : 1) && st == RS_OK && n == i - 1; i++) {
        char *name = train ? rs_format("data_batch_%d.bin", i) : rs_strdup("test_batch.bin");
        char *path = NULL;
        st = name != NULL ? inside(folder, name, &path, diag) : rs_out_of_memory(diag);
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
        rs_status st = inside(path, "data.mdb", &database, diag);
        if (st == RS_OK)
            st = database != NULL ? rs_lmdb_open(path, set, diag) : open_cifar_folder(path, options->train, set, diag);
        rs_free(database);
        return st;
    }
    if (options->list || ends(path, ".txt") || ends(path, ".lst"))
        return rs_list_open(path, options, set, diag);
    if (ends(path, ".npy"))
        return open_arrays(path, set, diag);
    if (ends(path, ".bin"))
        return rs_cifar_read(&path, 1, set, diag);
    return open_idx(path, set, diag);
}

static rs_status open_at_depth(const char *path, const char *beside, const rs_open_options *options, int depth,
                               rs_dataset **set, rs_diag *diag)
{
    char *found = NULL;
    rs_status st = look_up(path, beside, options->train, &found, diag);
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

rs_status rs_source_describe(rs_dataset *set, rs_diag *diag)
{
    rs_picture first;
    for (int64_t i = 0; i < set->count; i++)
        if (set->labels[i] >= set->classes)
            set->classes = set->labels[i] + 1;
    const rs_status st = set->source->read(set->source, 0, RS_COLOR_AS_IS, &first, diag);
    if (st != RS_OK)
        return st;
    set->channels = first.channels;
    set->height = first.height;
    set->width = first.width;
    rs_picture_free(&first);
    return RS_OK;
}

/* ---------------------------------------------------------------------------------------------- leaving images out
 */

/* A whole number at *p, which is moved behind it; -1 if there is none, or it is too large. */
static int64_t number(const char **p)
{
    char *end;
    if (**p < '0' || **p > '9')
        return -1;
    const unsigned long long v = strtoull(*p, &end, 10);
    if (end == *p || v > INT64_MAX / 2)
        return -1;
    *p = end;
    return (int64_t)v;
}

/* "images 60000 crc32 c1c5b5a7" at `line`. */
static rs_status check_identity(const rs_dataset *set, const char *line, rs_loc loc, rs_diag *diag)
{
    static const char images[] = "images ", crc[] = " crc32 ";
    int64_t count = -1, expected = -1;
    const char *p = line;
    if (strncmp(p, images, sizeof images - 1) == 0) {
        p += sizeof images - 1;
        count = number(&p);
        if (count >= 0 && strncmp(p, crc, sizeof crc - 1) == 0 && strspn(p + sizeof crc - 1, "0123456789abcdef") == 8) {
            char *end;
            p += sizeof crc - 1;
            expected = (int64_t)strtoull(p, &end, 16);
            p = end;
        }
    }
    if (expected < 0 || *p != '\0')
        return rs_error(diag, RS_BAD_INPUT, loc, NULL,
                        "expected the set that the list is for, as in: images 60000 crc32 0123abcd");
    if (count != set->count)
        return rs_error(diag, RS_BAD_INPUT, loc, NULL,
                        "the list is for a set of %" PRId64 " images, but %s holds %" PRId64, count, set->path,
                        set->count);
    const size_t size = (size_t)(set->count * set->channels * set->height * set->width);
    const int64_t is = (int64_t)crc32_z(crc32_z(0, NULL, 0), set->pixels, size);
    if (is != expected)
        return rs_error(diag, RS_BAD_INPUT, loc, "the images, or their order, are not those that the list was made for",
                        "the list is for images of the CRC-32 %08" PRIx64 ", but that of %s is %08" PRIx64, expected,
                        set->path, is);
    return RS_OK;
}

rs_status rs_dataset_exclude(rs_dataset *set, const char *list_path, rs_diag *diag)
{
    if (set->pixels == NULL)
        return rs_error(diag, RS_BAD_INPUT, RS_FILE(list_path), "take the lines out of the list of images itself",
                        "images of '%s' are read one by one: none can be excluded by its index", set->path);
    uint8_t *text = NULL;
    size_t size = 0;
    rs_status st = rs_read_file(list_path, MAX_LIST, false, &text, &size, diag);
    if (st != RS_OK)
        return st;
    bool *out = RS_NEW_ARRAY(bool, (size_t)set->count);
    if (out == NULL) {
        rs_free(text);
        return rs_out_of_memory(diag);
    }

    bool identified = false;
    int64_t last = -1, left = set->count;
    rs_loc loc = { list_path, 0, 1 };
    char *line = (char *)text, *const end = (char *)text + size;
    for (; st == RS_OK && line < end; line++) {
        loc.line++;
        char *stop = line;
        while (stop < end && *stop != '\n')
            stop++;
        *stop = '\0'; /* rs_read_file leaves a byte behind the last */
        const char *p = line;
        if (line[0] == '#' || line[0] == '\0') {
            ;
        } else if (!identified) {
            st = check_identity(set, line, loc, diag);
            identified = true;
        } else {
            const int64_t from = number(&p);
            int64_t to = from;
            if (from >= 0 && *p == '-') {
                p++;
                to = number(&p);
            }
            if (from < 0 || to < from || p != stop)
                st = rs_error(diag, RS_BAD_INPUT, loc, NULL, "expected the index of an image, or a range FIRST-LAST");
            else if (to >= set->count)
                st = rs_error(diag, RS_BAD_INPUT, loc, NULL, "image %" PRId64 ", expected at most %" PRId64, to,
                              set->count - 1);
            else if (from <= last)
                st = rs_error(diag, RS_BAD_INPUT, loc, NULL,
                              "image %" PRId64 " follows %" PRId64 ", expected rising indices", from, last);
            else {
                memset(out + from, true, (size_t)(to - from + 1));
                left -= to - from + 1;
                last = to;
            }
        }
        line = stop;
    }
    if (st == RS_OK && !identified)
        st = rs_error(diag, RS_BAD_INPUT, RS_FILE(list_path), NULL, "the list does not say which set it is for");
    if (st == RS_OK && left == 0)
        st = rs_error(diag, RS_BAD_INPUT, RS_FILE(list_path), NULL, "the list leaves no images");
    if (st == RS_OK) {
        const size_t image = (size_t)set->channels * (size_t)set->height * (size_t)set->width;
        int64_t to = 0;
        set->classes = 0;
        for (int64_t i = 0; i < set->count; i++) {
            if (out[i])
                continue;
            memmove(set->pixels + (size_t)to * image, set->pixels + (size_t)i * image, image);
            set->labels[to] = set->labels[i];
            if (set->labels[to] >= set->classes)
                set->classes = set->labels[to] + 1;
            to++;
        }
        set->count = to;
    }
    rs_free(out);
    rs_free(text);
    return st;
}
