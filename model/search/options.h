/* The options of the quantizer. The table is options.def. */
#ifndef RISTRETTO_SEARCH_OPTIONS_H
#define RISTRETTO_SEARCH_OPTIONS_H

#include "base/diag.h"
#include "formats/formats.h"

/* What a front of widths, layer by layer, goes by. */
typedef enum rs_cost_kind { RS_COST_NONE, RS_COST_BITS, RS_COST_AREA, RS_COST_ENERGY, RS_COST_KINDS } rs_cost_kind;

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
    rs_rounding rounding; /* of requantize; RS_ROUNDING_AUTO until rs_quantize_options_finish */
    rs_format_rules rules;
    bool original_search;  /* the original program's: widths 16, 8, 4, 2, 1; the single widths are combined and not
                              widened */
    bool formats_of_model; /* those of the net's QuantizeLinear layers, which the caller puts into `given` */
    rs_cost_kind pareto;   /* the caller takes rs_pareto by this cost in place of rs_quantize */
    double budget;         /* of that cost; 0: the least that keeps the error margin */
    /* Formats that are taken as they are (dynamic fixed point, from rs_formats_of_model), with the widths in
     * fixed_bits: nothing is searched. NULL: none. */
    const rs_formats *given;
    bool stop_at_chance;    /* rs_check_chance of the float net ends the search with RS_BAD_INPUT */
    const char *checkpoint; /* file that keeps finished trials so that an interrupted search resumes; or NULL */
} rs_quantize_options;

/* As the scheme has it: nearest_even, which the standards have, for minifloats and formats of a model; else nearest. */
#define RS_ROUNDING_AUTO RS_ROUNDINGS

/* Words of options.def that no format has. */
extern const rs_word rs_searched_word, rs_rounding_auto_word;
extern const rs_word rs_formats_words[], rs_score_words[], rs_weight_rounding_words[], rs_cost_kind_words[],
    rs_compat_words[];

/* Read the texts of options.def. "": exponent_bits 0, none. False: the text is no such thing. */
bool rs_option_minifloat(const char *text, void *minifloat);
/* "-8:-1"; leaves the zero code as it is. */
bool rs_option_exponents(const char *text, void *power2);
/* What they take, for messages. */
#define RS_MINIFLOAT_TEXT "E:K with E from 1 to 8, K from 0 to 10 and E + K up to 15"
#define RS_EXPONENTS_TEXT "FIRST:LAST from -64 to 64 and at most 15 of them, such as -8:-1"

/* The defaults of options.def, finished; all images; no checkpoint. */
void rs_quantize_defaults(rs_quantize_options *options);

/* How messages name an option, "--min-bits" or "quantize.min_bits", and where it stands in a file. */
typedef struct rs_option_names {
    const char *prefix;
    char separator; /* '-' or '_' */
    rs_status wrong;
    rs_loc (*place)(const void *context, const char *name); /* NULL: nowhere */
    const void *context;
} rs_option_names;

/* Fills in what follows from other options (the rounding, the weights' minifloat, what compat asks for) and checks that
 * the options go together: an option of another scheme is a mistake, not something to be passed over. The status of
 * `names`. */
rs_status rs_quantize_options_finish(rs_quantize_options *options, const rs_option_names *names, rs_diag *diag);

#endif
