/* Caffe's databases. Used inside data/. */
#ifndef RISTRETTO_DATA_LMDB_H
#define RISTRETTO_DATA_LMDB_H

#include "data/data.h"

/* Opens FOLDER/data.mdb, or the file itself: Datum records in the order of their keys. Labels are read at once, images
 * when they are asked for. Sets everything of *set but path. */
rs_status rs_lmdb_open(const char *path, rs_dataset *set, rs_diag *diag);

#endif
