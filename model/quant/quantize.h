/* The search for the smallest formats (Gysel et al. 2016, section 4). */
#ifndef RISTRETTO_QUANT_QUANTIZE_H
#define RISTRETTO_QUANT_QUANTIZE_H

#include "data/data.h"
#include "quant/qnet.h"

typedef enum rs_group { RS_GROUP_CONVOLUTION, RS_GROUP_INNER_PRODUCT, RS_GROUP_ACTIVATIONS, RS_GROUPS } rs_group;
const char *rs_group_name(rs_group group);

typedef struct rs_quantize_options {
    double error_margin;         /* absolute accuracy that may be lost, in percent points: 1.0 */
    int64_t calibration_images;  /* images whose activations give the ranges; 0: all of the set */
    int64_t search_images;       /* images that score a trial; 0: all of the set */
    int min_bits, max_bits;      /* 1 and 16 */
    int fixed_bits[RS_GROUPS];   /* > 0: this width, no search for the group */
    rs_bias_rule bias_rule;
    rs_rounding rounding;
    const char *checkpoint;      /* file that keeps finished trials so that an interrupted search resumes; or NULL */
} rs_quantize_options;

typedef struct rs_trial {
    rs_group group;              /* RS_GROUPS: a combination */
    int bits[RS_GROUPS];         /* 0: float */
    int64_t images, hits, ties;
    bool exact;                  /* scored by the integer engine */
} rs_trial;

typedef struct rs_quantize_result {
    int64_t images;              /* scored by each trial */
    int64_t float_hits;
    int n_trials;
    rs_trial *trials;            /* in the order in which they were run */
    int bits[RS_GROUPS];         /* chosen */
    int64_t hits, ties;          /* of the chosen combination, on the integer engine */
    bool target_met;
    double *weight_max, *blob_max, *blob_min; /* measured ranges: per layer, per blob */
    rs_formats *formats;
    rs_qnet *qnet;
    double seconds;
} rs_quantize_result;

/* `net`: TEST phase or deploy, shapes and weights loaded. `calibration` and `search` may be the same set. */
rs_status rs_quantize(const rs_net *net, const rs_data_param *data, const rs_dataset *calibration, const rs_dataset *search,
                      const rs_quantize_options *options, rs_quantize_result **result, rs_diag *diag);
void rs_quantize_result_free(rs_quantize_result *result);

/* Sets each weighted layer's quantization field from the formats, for rs_caffe_write_quantized. */
void rs_formats_apply(const rs_formats *formats, rs_net *net);

#endif
