/* Sources of images that are not held in memory: each image is read, and decoded, when it is asked for. Used inside
 * data/. */
#ifndef RISTRETTO_DATA_SOURCE_H
#define RISTRETTO_DATA_SOURCE_H

#include "data/data.h"
#include "data/picture.h"

struct rs_source {
    /* Image `index`, by any thread. `color` holds for compressed images only. Errors are located. */
    rs_status (*read)(const rs_source *source, int64_t index, rs_color color, rs_picture *picture, rs_diag *diag);
    /* Where an image is declared (it lives as long as the source), and what it is called. */
    rs_loc (*where)(const rs_source *source, int64_t index, char *name, size_t size);
    void (*free)(rs_source *source);
    bool compressed; /* images are JPEG or PNG: rs_data_param.color applies */
};

/* How to open a data set; zeros are the defaults. */
typedef struct rs_open_options {
    bool train, list;        /* list: the file is a list, whatever its name */
    const char *root_folder; /* of the images of a list; or NULL */
    bool shuffle;
} rs_open_options;

/* Opens one file (or folder, for a database) that has been found. Each sets everything of *set but path. */
rs_status rs_cifar_read(const char *const *paths, int n_paths, rs_dataset *set, rs_diag *diag);
rs_status rs_list_open(const char *path, const rs_open_options *options, rs_dataset *set, rs_diag *diag);

rs_status rs_arrays_read(const char *images_path, const char *labels_path, rs_dataset *set, rs_diag *diag);

/* Count, height, width and channels from the first image of set->source, classes from the labels. */
rs_status rs_source_describe(rs_dataset *set, rs_diag *diag);

#endif
