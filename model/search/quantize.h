/* The search for the smallest formats (Gysel et al. 2016, section 4). */
#ifndef RISTRETTO_SEARCH_QUANTIZE_H
#define RISTRETTO_SEARCH_QUANTIZE_H

#include "qnet/qnet.h"
#include "search/options.h"

typedef struct rs_trial {
    rs_group group;      /* RS_GROUPS: a combination */
    int bits[RS_GROUPS]; /* 0: float */
    int fl;              /* RS_SCHEME_STATIC: of all numbers */
    int64_t images, hits, ties;
    bool exact; /* scored by the integer engine */
} rs_trial;

typedef struct rs_quantize_result {
    int64_t images; /* scored by each trial */
    int64_t float_hits, float_ties;
    int64_t needed_hits; /* float_hits less what the margin allows */
    int n_trials;
    rs_trial *trials;           /* in the order in which they were run */
    int single_bits[RS_GROUPS]; /* smallest width of each group with the rest in float */
    int bits[RS_GROUPS];        /* chosen; 0: the net has no layer of this group */
    int fl;                     /* RS_SCHEME_STATIC: chosen */
    int64_t hits, ties;         /* of the chosen combination, on the integer engine */
    bool target_met;
    double *weight_max, *blob_max, *blob_min; /* measured ranges: per layer, per blob */
    rs_formats *formats;
    rs_qnet *qnet;
    double seconds;
} rs_quantize_result;

/* Images that must be right: float_hits - floor(margin / 100 * images). Exactly as many is enough. */
int64_t rs_hits_needed(int64_t float_hits, int64_t images, double error_margin);

/* The search; docs/reference/quantizer-rules.md describes it. `net`: TEST phase or deploy, shapes and weights loaded.
 * `calibration` and `search` may be the same set. A target that is missed is not an error here: result->target_met says
 * so. RS_USAGE: an option out of range. RS_BAD_INPUT: as rs_ranges_measure and rs_qnet_build; a checkpoint that is no
 * checkpoint. RS_INTERRUPTED: *result stays NULL, the checkpoint holds what was done. */
rs_status rs_quantize(const rs_net *net, const rs_data_param *data, const rs_dataset *calibration,
                      const rs_dataset *search, const rs_quantize_options *options, rs_quantize_result **result,
                      rs_diag *diag);
void rs_quantize_result_free(rs_quantize_result *result);

#endif
