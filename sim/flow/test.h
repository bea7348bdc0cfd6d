/* The stage that scores a network as it is: in float, or, where quantization_param says how, on its integers. */
#ifndef RISTRETTO_FLOW_TEST_H
#define RISTRETTO_FLOW_TEST_H

#include "flow/load.h"
#include "train/score.h"

typedef struct rs_test_stage {
    rs_slice slice; /* resolved */
    int top_k;      /* an image is right if its label is among the best top_k */
    bool emulate;   /* a quantized network in float, with values rounded, as the original does; top_k 1 only */
} rs_test_stage;

/* What it found; net and set are the caller's. */
typedef struct rs_test_outcome {
    const char *numbers; /* that were scored: "float", "integers" or "emulated" */
    const rs_net *net;
    const rs_dataset *set;
    rs_slice slice;
    rs_test_result result;
} rs_test_outcome;

/* Scores the images of the slice. A quantized network (rs_net_quantized) may have more layers afterwards. RS_USAGE:
 * there is nothing to emulate, or more than the best is asked for. */
rs_status rs_stage_test(rs_net *net, const rs_dataset *set, const rs_test_stage *stage, rs_test_outcome *outcome,
                        rs_diag *diag);

#endif
