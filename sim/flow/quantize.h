/* The stage that quantizes: search, scores of the integers, files. */
#ifndef RISTRETTO_FLOW_QUANTIZE_H
#define RISTRETTO_FLOW_QUANTIZE_H

#include "flow/load.h"
#include "search/quantize.h"

typedef struct rs_quantize_stage {
    const rs_dataset *chosen_on;  /* formats are chosen on its images; NULL: on those of the set that is scored at the
                                     end */
    rs_slice calibration, search; /* of that set; resolved */
    rs_slice test;                /* resolved; may be the same as search */
    rs_quantize_options options;  /* finished; given, checkpoint and image counts are set by the stage */
    const char *model;            /* prototxt or ONNX model whose quantized form is written */
    const char *quantized;        /* the quantized prototxt is also written here; or NULL */
    const char *out; /* folder: quantized.prototxt, quantized.caffemodel, qnet/, search.json while it runs */
} rs_quantize_stage;

/* Float and integers on the same images. */
typedef struct rs_slice_score {
    const char *name; /* "search", "test", "all" */
    rs_slice slice;
    int64_t float_hits, float_ties, hits, ties;
    double seconds; /* of the integers */
} rs_slice_score;

enum { RS_QUANTIZE_MAX_SCORES = 3 };

typedef struct rs_quantize_outcome {
    const rs_net *net; /* the caller's, as are the sets */
    const rs_dataset *set, *chosen_on;
    rs_slice calibration;
    rs_quantize_options options; /* as they were used */
    rs_quantize_result *result;
    int n_scores;
    rs_slice_score scores[RS_QUANTIZE_MAX_SCORES];
} rs_quantize_outcome;

/* RS_MISMATCH after writing everything: the margin is missed even with the largest widths; the outcome is there then as
 * well. It is cleared by rs_quantize_outcome_clear, whatever the status. */
rs_status rs_stage_quantize(rs_net *net, const rs_dataset *set, const rs_quantize_stage *stage,
                            rs_quantize_outcome *outcome, rs_diag *diag);
void rs_quantize_outcome_clear(rs_quantize_outcome *outcome);

/* Float network and integers on a resolved slice; `name` is kept. */
rs_status rs_slice_score_both(const rs_net *net, const rs_qnet *qnet, const rs_dataset *set, rs_slice slice,
                              rs_slice_score *score, rs_diag *diag);

#endif
