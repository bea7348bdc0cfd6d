/* The search for the smallest formats (Gysel et al. 2016, section 4). */
#ifndef RISTRETTO_SEARCH_QUANTIZE_H
#define RISTRETTO_SEARCH_QUANTIZE_H

#include "formats/formats.h"
#include "qnet/qnet.h"

typedef struct rs_quantize_options {
    double error_margin;        /* absolute accuracy that may be lost, in percentage points, 0 to 100: 1.0 */
    int64_t calibration_images; /* images whose activations give the ranges; 0: all of the set */
    int64_t search_images;      /* images that score a trial; 0: all of the set */
    int min_bits, max_bits;     /* 1 and 16; 1 <= min_bits <= max_bits <= 16 */
    int fixed_bits[RS_GROUPS];  /* > 0: this width, up to 16, no search for the group */
    bool unsigned_activations;  /* after ReLUs */
    bool channel_weights;       /* a fractional length for the weights of each output channel */
    bool wide_scores;           /* the last layer's outputs as wide as its accumulator */
    /* Of the calibration images: combinations are improved on so many before they are scored (rs_formats_improve); 0:
     * not at all. */
    int64_t refine_images;
    bool adaptive_weights; /* weights of combinations are rounded by rs_formats_adapt, on up to 1,024 calibration images
                            */
    rs_bias_rule bias_rule;
    rs_rounding rounding; /* of requantize; minifloat: nearest_even is what its standards have */
    rs_format_rules rules;
    bool original_search; /* the original program's: widths 16, 8, 4, 2, 1; the single widths are combined and not
                             widened */
    /* Formats that are taken as they are (dynamic fixed point, from rs_formats_of_model), with the widths in
     * fixed_bits: nothing is searched. NULL: none. */
    const rs_formats *given;
    const char *checkpoint; /* file that keeps finished trials so that an interrupted search resumes; or NULL */
} rs_quantize_options;

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

/* Fill in what most callers want: margin 1.0, all images, widths 1 to 16, no fixed widths, nearest, bias at the
 * accumulator's LSB. */
void rs_quantize_defaults(rs_quantize_options *options);

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
