/* The stage that fine-tunes: training, scores on test images, files. */
#ifndef RISTRETTO_FLOW_FINETUNE_H
#define RISTRETTO_FLOW_FINETUNE_H

#include "emulate/score.h"
#include "finetune/finetune.h"
#include "flow/load.h"
#include "train/score.h"

/* The test images on integers after and before, and on the float weights as given. What a resumed run does not know,
 * since the first weights are gone, is -1. */
typedef struct rs_finetune_test {
    const rs_dataset *set; /* the caller's; NULL: not tested */
    int64_t hits, ties, first_hits, first_ties, float_hits, float_ties;
} rs_finetune_test;

typedef struct rs_finetune_outcome {
    const rs_finetune_options *options; /* the caller's */
    rs_finetune_result *result;
    rs_finetune_test test;
} rs_finetune_outcome;

/* Writes quantized.prototxt and qnet/ into options->out, beside what rs_finetune writes. test: held images, or NULL.
 * rs_finetune_outcome_clear, whatever the status. */
rs_status rs_stage_finetune(const rs_solver_param *solver, const rs_finetune_options *options, const rs_dataset *test,
                            rs_finetune_outcome *outcome, rs_diag *diag);
void rs_finetune_outcome_clear(rs_finetune_outcome *outcome);

#endif
