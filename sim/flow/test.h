/* The stage that scores the float network. */
#ifndef RISTRETTO_FLOW_TEST_H
#define RISTRETTO_FLOW_TEST_H

#include "flow/load.h"
#include "train/score.h"

/* What it found; net and set are the caller's. */
typedef struct rs_test_outcome {
    const rs_net *net;
    const rs_dataset *set;
    rs_slice slice;
    rs_test_result result;
} rs_test_outcome;

/* The images of a resolved slice; an image is right if its label is among the best top_k. */
rs_status rs_stage_test(const rs_net *net, const rs_dataset *set, rs_slice slice, int top_k, rs_test_outcome *outcome,
                        rs_diag *diag);

#endif
