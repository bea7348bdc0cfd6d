/* Scores a net from its files, as `ristretto test` does. */
#ifndef RISTRETTO_TESTS_SUPPORT_SCORE_FILES_H
#define RISTRETTO_TESTS_SUPPORT_SCORE_FILES_H

#include "train/train.h"

/* The net described at net_path (TEST phase) with the weights at weights_path on a labelled data set. options may be
 * NULL. */
rs_status rs_test_score_files(const char *net_path, const char *weights_path, const rs_dataset *set,
                              const rs_test_options *options, rs_test_result *result, rs_diag *diag);

#endif
