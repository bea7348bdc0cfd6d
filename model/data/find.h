/* Finds the files of data sets by the names that users give. Used inside data/. */
#ifndef RISTRETTO_DATA_FIND_H
#define RISTRETTO_DATA_FIND_H

#include "data/data.h"

/* The file, or folder of files, that `path` names in the places where it may be (rs_dataset_open). rs_free releases
 * *file. RS_BAD_INPUT: there is none. */
rs_status rs_find_dataset(const char *path, const char *beside, bool train, char **file, rs_diag *diag);

/* "folder/name", if there is a file of this name; else *path is NULL. */
rs_status rs_find_inside(const char *folder, const char *name, char **path, rs_diag *diag);

/* The labels that belong to a file of images. IDX: "images" becomes "labels" in its name and idx3 idx1; gzipped or not.
 * Arrays: "images" becomes "labels", or x becomes y at its beginning. RS_BAD_INPUT: there are none. */
rs_status rs_find_idx_labels(const char *images, char **labels, rs_diag *diag);
rs_status rs_find_array_labels(const char *images, char **labels, rs_diag *diag);

#endif
