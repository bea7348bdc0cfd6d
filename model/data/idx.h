/* IDX files, the format of MNIST: a magic number (two zero bytes, the type, the number of axes), the length of each
 * axis as 32 bits big-endian, then the elements. Used inside data/. */
#ifndef RISTRETTO_DATA_IDX_H
#define RISTRETTO_DATA_IDX_H

#include "data/data.h"

/* Reads an images file (idx3 or idx4 of unsigned bytes) and its labels (idx1). Sets everything of *set but path. */
rs_status rs_idx_read(const char *images_path, const char *labels_path, rs_dataset *set, rs_diag *diag);

#endif
