/* Fine-tuning of a quantized network (Gysel et al. 2016, section 4 and Figure 3): float shadow weights are rounded to
 * the quantized weights for each batch; gradients, computed with those, update the shadow weights; validation runs on
 * integers. docs/user/fine-tuning.md. */
#ifndef RISTRETTO_FINETUNE_FINETUNE_H
#define RISTRETTO_FINETUNE_FINETUNE_H

#include "formats/formats.h"
#include "qnet/qnet.h"
#include "train/train.h"

/* What happened, for a log. */
typedef enum rs_finetune_event_kind {
    RS_FINETUNE_BEGIN,    /* formats are chosen */
    RS_FINETUNE_DISPLAY,  /* loss */
    RS_FINETUNE_VALIDATE, /* hits and ties of the integers */
    RS_FINETUNE_SNAPSHOT,
    RS_FINETUNE_INTERRUPTED
} rs_finetune_event_kind;
typedef struct rs_finetune_event {
    rs_finetune_event_kind kind;
    int64_t iteration;
    double loss, learning_rate;        /* display */
    int64_t images, hits, ties;        /* begin: images trained on; validate */
    int64_t best_iteration, best_hits; /* validate */
    int bits[RS_GROUPS];               /* validate: the widths now, which a gradual reduction changes */
    const char *path;                  /* snapshot, interrupted: the solverstate. Valid during the call */
} rs_finetune_event;

typedef struct rs_finetune_options {
    const char *data_folder;           /* as in rs_train_options */
    const char *weights;               /* trained in float, a caffemodel or ONNX model: the start */
    const rs_data_override *transform; /* in place of what the data layers say; or NULL */
    const char *score;                 /* the blob that is scored; NULL: as rs_net_scores finds it */
    const char *resume; /* a solverstate of an earlier run with the same options, instead of weights; or NULL */
    const char *out;    /* folder: tuned.caffemodel (the best so far) and snapshots finetune_iter_N.* */
    /* Images to validate on: [validation_first, + validation_images) of this data set's training half (0: all from the
     * first on). NULL: the last validation_images of the training set (0: a tenth of it), which are then not trained
     * on. */
    const char *validation;
    int64_t validation_first, validation_images;
    int64_t calibration_images; /* of the training set: ranges (0: all) */
    /* Of the validation set: fractional lengths and the place of the scores are improved on so many (rs_formats_refine,
     * rs_formats_place_scores); 0: not at all. */
    int64_t refine_images;
    int bits[RS_GROUPS]; /* target widths, 1 to 16; 0: the group stays float while training, and has 16 bits in
                            validation */
    /* How widths become formats; every scheme but RS_SCHEME_STATIC, without bias correction. Widths of weights that are
     * powers of two, and of minifloats that the rules name, are not looked at. */
    rs_format_rules rules;
    bool channel_weights;      /* a fractional length for the weights of each output channel: rs_formats_use_channels */
    bool unsigned_activations; /* after ReLUs: rs_formats_use_unsigned */
    bool wide_scores; /* the last layer's outputs as wide as its accumulator: not rounded, and no width of theirs counts
                       */
    bool quantized_activations; /* in training, with a straight-through estimator; false: float, as in the paper */
    bool learn_steps; /* learn the fractional lengths of weights, and of quantized activations; until half of the
                         iterations */
    rs_rounding weight_rounding; /* in training: RS_ROUND_STOCHASTIC as in the paper, or RS_ROUND_NEAREST */
    int gradual_bits; /* > 0: begin so many bits wider, and lose one at a time over the first half of the iterations */
    double learning_rate; /* 0: a tenth of that of the solver's last iteration */
    bool linear_decay;    /* of the learning rate, to zero; false: it stays */
    double weight_decay;
    bool keep_last;     /* the result: the weights of the last iteration, whatever was validated before */
    double step_rate;   /* learning rate of log2(step) when learn_steps */
    int64_t iterations; /* 0: formats are chosen and scored, nothing is trained */
    int64_t validate_every, snapshot_every, display_every; /* >= 1; snapshot_every 0: only at the end */
    uint64_t seed; /* of stochastic rounding and of what the solver's seed is used for */
    rs_bias_rule bias_rule;
    rs_rounding rounding;                                       /* of requantize */
    void (*log)(void *context, const rs_finetune_event *event); /* or NULL */
    void *log_context;
} rs_finetune_options;

typedef struct rs_finetune_result {
    int64_t iterations, trained_images; /* of this run */
    double seconds, images_per_second;  /* training alone */
    double loss;
    int64_t validation_images, first_hits, first_ties; /* before the first iteration */
    int64_t best_iteration, best_hits, best_ties;      /* of the weights that were kept */
    int64_t best_saturations;                          /* of the validation images, all layers */
    rs_net *net;                                       /* TEST phase, with the best weights */
    rs_formats *formats;                               /* of that net */
    rs_qnet *qnet;
    rs_qnet *first_qnet;                       /* as before the first iteration; NULL after a resumed run */
    char weights_path[4096], state_path[4096]; /* the best weights; the last solverstate, or empty */
} rs_finetune_result;

/* 5,000 iterations, validation and snapshots every 500, paper's method, rounding to nearest, bias at the accumulator's
 * LSB. */
void rs_finetune_defaults(rs_finetune_options *options);

/* RS_USAGE: an option out of range. RS_BAD_INPUT: as rs_train and rs_quantize; a layer without an integer rule.
 * RS_INTERRUPTED: a snapshot to resume from has been written; *result stays NULL. Result: the weights with the most
 * validation hits on the exact engine, the earliest of equals, or the last (keep_last). The same options, data and seed
 * give the same bits on any number of threads and across a resumed run. */
rs_status rs_finetune(const rs_solver_param *solver, const rs_finetune_options *options, rs_finetune_result **result,
                      rs_diag *diag);
void rs_finetune_result_free(rs_finetune_result *result);

#endif
