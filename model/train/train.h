/* Training by Caffe's solver file, and scoring.
 *
 * As in Caffe: iteration i computes the gradient over iter_size batches of the training net's data, read in the order
 * of the file and from its beginning again at its end; then the parameters are updated by the solver's rule. Unlike
 * Caffe, the position in the data follows from the iteration, so that a resumed training goes on exactly where it was:
 * the weights are those of an uninterrupted run, bit for bit. The same solver, data and seed give the same weights on
 * any number of threads. */
#ifndef RISTRETTO_TRAIN_TRAIN_H
#define RISTRETTO_TRAIN_TRAIN_H

#include <stdio.h>

#include "data/data.h"
#include "import/caffe/caffe.h"
#include "layers/exec.h"

/* What happened, for a log. */
typedef enum rs_train_event_kind {
    RS_TRAIN_BEGIN,
    RS_TRAIN_DISPLAY,
    RS_TRAIN_TEST,
    RS_TRAIN_SNAPSHOT,
    RS_TRAIN_INTERRUPTED
} rs_train_event_kind;
typedef struct rs_train_event {
    rs_train_event_kind kind;
    int64_t iteration;
    double loss;          /* display: mean over average_loss iterations; test: of the test net */
    double learning_rate; /* display */
    double accuracy;      /* test: in [0, 1], negative if the test net has no scores to count */
    int64_t images;       /* begin: of the training set; test: scored */
    const char *path;     /* snapshot, interrupted: the solverstate; NULL if none was written. Valid during the call. */
} rs_train_event;

/* What another kind of training adds to the loop, on the calling thread: fine-tuning (finetune/finetune.h). Each may be
 * NULL. */
typedef struct rs_train_extension {
    void *context;
    /* Once, with the first weights or those of the snapshot; resume: the solverstate, or NULL. Images at the end of the
     * training set can be kept from training by a lower set->count. Pointers to the net's parameters may be replaced
     * between before and after. */
    rs_status (*begin)(void *context, rs_net *net, rs_exec *exec, rs_dataset *set, const char *resume, rs_diag *diag);
    /* Around forward and backward of one batch, whose number counts from the beginning of the training. `after` is
     * called if `before` succeeded, even if the pass between them failed. */
    rs_status (*before)(void *context, int64_t batch, rs_diag *diag);
    void (*after)(void *context, int64_t batch);
    /* After the update of an iteration, with its learning rate. */
    void (*updated)(void *context, int64_t iteration, double rate);
    /* In place of the test of the solver's test net: fills accuracy, loss and images of the event. */
    rs_status (*test)(void *context, rs_train_event *event, rs_diag *diag);
    /* A snapshot has been written to PREFIX.caffemodel and is about to be to PREFIX.solverstate. */
    rs_status (*save)(void *context, const char *prefix, rs_diag *diag);
} rs_train_extension;

typedef struct rs_train_options {
    /* Data in place of what the prototxt says: a source S of a data layer becomes FOLDER/S if there is such a data set,
     * else FOLDER itself. A source that is a description (.json: a set less a list of images) stays; what it names is
     * replaced likewise. NULL: as the prototxt says. */
    const char *data_folder;
    const char
        *weights; /* caffemodel or ONNX model: start from these instead of the fillers, or the net's own; or NULL */
    const rs_data_override *transform;   /* in place of what the data layers say; or NULL */
    const char *resume;                  /* a .solverstate; or NULL */
    const char *snapshot_prefix;         /* overrides the solver's; or NULL */
    uint64_t seed;                       /* used unless the solver file gives random_seed */
    int64_t max_iter;                    /* overrides the solver's if > 0 */
    const rs_train_extension *extension; /* or NULL */
    int64_t test_images;                 /* score this many test images at test intervals; 0: test_iter * batch */
    void (*log)(void *context, const rs_train_event *event); /* called on the calling thread; or NULL */
    void *log_context;
} rs_train_options;

typedef struct rs_train_result {
    int64_t iterations, images;        /* of this run (a resumed one counts from where it resumed) */
    double seconds, images_per_second; /* seconds of training alone, without tests and snapshots */
    double loss;                       /* smoothed, of the last iteration */
    double accuracy, test_loss;        /* of the last test, accuracy in [0, 1]; negative if there was none */
    char weights_path[4096];           /* last caffemodel written; empty if none */
    char state_path[4096];             /* last solverstate written; empty if none */
} rs_train_result;

/* Trains and writes snapshots: PREFIX_iter_N.caffemodel and .solverstate.
 * RS_BAD_INPUT: an unusable solver, net, data set or snapshot; the loss became infinite or not a number (nothing is
 * saved then). RS_INTERRUPTED: a signal came; a snapshot to resume from has been written. */
rs_status rs_train(const rs_solver_param *solver, const rs_train_options *options, rs_train_result *result,
                   rs_diag *diag);

/* A net that the solver file names, for one phase, with its data: what rs_train trains, or tests. */
typedef struct rs_train_net {
    rs_net *net;
    int layer;       /* that brings the images */
    rs_dataset *set; /* all of them */
    int64_t batch;
} rs_train_net;
/* For extensions that test by themselves. rs_train_net_close, whatever the status. */
rs_status rs_train_net_open(const rs_solver_param *solver, const rs_train_options *options, rs_phase phase,
                            rs_train_net *net, rs_diag *diag);
void rs_train_net_close(rs_train_net *net);

/* The usual log: one line an event, to the FILE that is the context. */
void rs_train_log(void *context, const rs_train_event *event);

/* The learning rate of an iteration (Caffe's GetLearningRate). */
double rs_learning_rate(const rs_solver_param *solver, int64_t iter);

typedef struct rs_test_options {
    int64_t batch;  /* images at a time; 0: 100. Does not change any result */
    int64_t images; /* the first so many of the data set; 0: all */
    int top_k;      /* 0: as the net's accuracy layer says, else 1 */
} rs_test_options;

typedef struct rs_test_result {
    int64_t images, hits, ties; /* ties: images that are wrong only because another class has the same score */
    int top_k;
    int64_t top5_hits;                 /* of the best five, by the same rule; -1: the net has five classes or fewer */
    double accuracy;                   /* hits / images */
    double loss;                       /* mean; NaN if the net has no loss layer */
    double seconds, images_per_second; /* of the whole pass, transformation of pixels included */
} rs_test_result;

/* Scores a net, whose shapes have been inferred and whose parameters are there, on a labelled data set. options may be
 * NULL. */
rs_status rs_score_dataset(const rs_net *net, const rs_dataset *set, const rs_test_options *options,
                           rs_test_result *result, rs_diag *diag);

#endif
