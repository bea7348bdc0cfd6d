/* Finds the files of data sets by the names that users give. */
#include "data/find.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "import/caffe/caffe.h"

/* ------------------------------------------------------------------------------------------------- data folder */

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

/* ---------------------------------------------------------------------------------------------------- images */

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

rs_status rs_find_inside(const char *folder, const char *name, char **path, rs_diag *diag)
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
        st = rs_find_inside(path, train ? in_folders[i].train : in_folders[i].test, file, diag);
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

rs_status rs_find_dataset(const char *path, const char *beside, bool train, char **file, rs_diag *diag)
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
    const bool found = rs_find_dataset(path, beside, train, &file, NULL) == RS_OK && file != NULL;
    rs_free(file);
    return found;
}

rs_status rs_find_array_labels(const char *images, char **labels, rs_diag *diag)
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

rs_status rs_find_idx_labels(const char *images, char **labels, rs_diag *diag)
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
