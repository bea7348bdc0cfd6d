/* Training by Caffe's solver file. */
#ifndef RISTRETTO_TRAIN_TRAIN_H
#define RISTRETTO_TRAIN_TRAIN_H

#include "data/data.h"
#include "import/caffe.h"

typedef struct rs_train_options {
    const char *data_folder; /* overrides the source of the data layers; NULL: as the prototxt says */
    const char *weights;     /* start from these instead of the fillers; or NULL */
    const char *resume;      /* a .solverstate; or NULL */
    uint64_t seed;           /* used unless the solver file gives random_seed */
    int64_t max_iter;        /* overrides the solver's if > 0 */
    int64_t test_images;     /* score this many test images at test intervals; 0: test_iter * batch */
} rs_train_options;

typedef struct rs_train_result {
    int64_t iterations, images;
    double seconds, images_per_second, loss;
    double accuracy;         /* of the last test, in [0, 1] */
    char weights_path[4096]; /* last caffemodel written; empty if none */
} rs_train_result;

rs_status rs_train(const rs_solver_param *solver, const rs_train_options *options, rs_train_result *result, rs_diag *diag);

/* The learning rate of an iteration (Caffe's GetLearningRate). */
double rs_learning_rate(const rs_solver_param *solver, int64_t iter);

#endif
