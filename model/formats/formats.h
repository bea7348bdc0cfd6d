/* How widths become formats: schemes, rules for ranges, and what improves formats of given widths. */
#ifndef RISTRETTO_FORMATS_FORMATS_H
#define RISTRETTO_FORMATS_FORMATS_H

#include "emulate/calibration.h"
#include "emulate/ranges.h"
#include "qnet/formats.h"

typedef enum rs_scheme {
#define SCHEME(name, rule, word, precision, meaning) RS_SCHEME_##name,
#include "formats/schemes.def"
#undef SCHEME
    RS_SCHEMES
} rs_scheme;
/* "dynamic", "static", "minifloat", "power-of-two" */
extern const rs_word rs_scheme_words[];
const char *rs_scheme_name(rs_scheme scheme);
/* The original program's word for what comes nearest: "DYNAMIC_FIXED_POINT", ... */
const char *rs_scheme_precision(rs_scheme scheme);

/* How the integer length of a group of numbers in fixed point is found. */
typedef enum rs_range_rule {
    RS_RANGE_MAX,           /* from the largest magnitude: arithmetic.md section 1 */
    RS_RANGE_PERCENTILE,    /* from the magnitude that a share of the values does not exceed */
    RS_RANGE_SQUARED_ERROR, /* the one with the smallest sum of squared errors, of this and the eight below it */
    RS_RANGE_RULES
} rs_range_rule;
/* "max", "percentile", "squared_error" */
extern const rs_word rs_range_rule_words[];
const char *rs_range_rule_name(rs_range_rule rule);

/* How a width becomes a format. */
typedef struct rs_format_rules {
    rs_scheme scheme;
    rs_range_rule weight_range,
        activation_range;  /* fixed point; rules other than RS_RANGE_MAX need statistics for activations */
    double percentile;     /* 99.99: of RS_RANGE_PERCENTILE */
    bool bias_correction;  /* biases take over the mean error that rounded weights make; needs statistics */
    bool original_lengths; /* activations: the integer length leaves out the sign bit, as in the original program */
    /* RS_SCHEME_MINIFLOAT. A format with exponent_bits > 0 is taken whatever the width; otherwise the plain format of
     * that width with exponent_bits of the next line, or (0) with as many as the ranges need, at least 4. */
    rs_minifloat weight_minifloat, activation_minifloat;
    int exponent_bits;
    /* RS_SCHEME_POWER2. by_layer: the exponents end at that of the layer's largest weight; the number of exponents
     * stays. */
    rs_power2 power2;
    bool power2_by_layer;
} rs_format_rules;
/* Dynamic fixed point from the largest magnitudes; 99.99; exponents -8 to -1 without zero. */
void rs_format_rules_defaults(rs_format_rules *rules);
/* RS_USAGE: an option out of range. */
rs_status rs_format_rules_check(const rs_format_rules *rules, rs_diag *diag);
/* The narrowest and widest words that the rules have for a group, for these ranges (which minifloat asks for the
 * exponent). */
void rs_format_rules_widths(const rs_format_rules *rules, const rs_net *net, const rs_ranges *ranges, rs_group group,
                            int *min, int *max);

/* Formats for the given widths (0: the group stays float, its formats have bits = 0) by arithmetic.md section 1. Blobs
 * that hold the same integers share a format: those around max pooling, ReLU, dropout, flatten and split, and a
 * concatenation's with those parts that nobody else reads. Behind a weighted layer with a ReLU the range is the one
 * after the ReLU, which is fused into its requantize. */
rs_status rs_formats_choose(const rs_net *net, const rs_ranges *ranges, const int bits[RS_GROUPS], rs_formats **formats,
                            rs_diag *diag);

/* The same by rules. Widths of each layer's weights and each blob (the widest of the blobs that share a format counts;
 * 0: float); `fl`: that of all numbers, for RS_SCHEME_STATIC only. */
typedef struct rs_widths {
    int *weights, *activations;
} rs_widths;
rs_status rs_formats_make(const rs_net *net, const rs_ranges *ranges, const rs_format_rules *rules,
                          const rs_widths *widths, int fl, rs_formats **formats, rs_diag *diag);
/* One width per group. */
rs_status rs_formats_make_groups(const rs_net *net, const rs_ranges *ranges, const rs_format_rules *rules,
                                 const int bits[RS_GROUPS], int fl, rs_formats **formats, rs_diag *diag);

/* Changes chosen formats: activations that are never below zero, because a ReLU came before or because they are bytes
 * (`data`: no mean and a scale above zero; NULL: unknown), become unsigned, with one more fractional bit; each output
 * channel's weights get a fractional length of their own, from their largest magnitude, but not those of scores as wide
 * as the accumulator. What has bits = 0 stays, and what is not fixed point. */
rs_status rs_formats_use_unsigned(const rs_net *net, const rs_data_param *data, rs_formats *formats, rs_diag *diag);
rs_status rs_formats_use_channels(const rs_net *net, rs_formats *formats, rs_diag *diag);

/* Coarser weights where sums with their biases would not fit an accumulator of 48 bits, or where requantize would shift
 * by more than it can: the layer's fractional length (or those of such output channels) becomes smaller until they do.
 * Of weights and activations in fixed point; what cannot be made to fit stays. `f->wanted_fl` tells what it was;
 * rounded weights are rounded again. To be called after whatever changes formats, weights or biases. */
rs_status rs_formats_fit_sums(const rs_net *net, rs_bias_rule bias_rule, rs_formats *f, rs_diag *diag);
/* By how many bits that made the weights of a layer coarser, at most, and those of how many output channels (1 where
 * all have one length); 0: they are as they were chosen. */
int rs_formats_coarser(const rs_net *net, const rs_formats *f, int layer, int *channels);

/* Rounds the weights layer by layer, in the order of the net, so that each layer's outputs on calibration images come
 * near to the float net's: one weight after the other is rounded, and those that follow take over what its error does
 * (Frantar, Ashkboos, Hoefler, Alistarh: GPTQ, 2023), on inputs that are rounded already; the mean that remains
 * goes into the biases. Labels are not looked at. Fills formats->rounded and ->bias, and moves the fractional lengths
 * of weights where others lose less. Takes fewer images if their blobs need more than 256 MB. Layers of more than 2,048
 * inputs an output stay as they are. The result depends on no number of threads. */
rs_status rs_formats_adapt(const rs_calibration *on, rs_formats *formats, rs_diag *diag);

/* Better formats of the same widths, from calibration images and their labels: weights by rs_formats_adapt, if asked
 * for; fractional lengths and the place of the scores by rs_formats_refine and rs_formats_place_scores
 * (formats/refine.h), on the first `refine` images (0: not at all); then rs_formats_fit_sums. How many images each
 * takes is said here alone. */
rs_status rs_formats_improve(const rs_calibration *on, bool adapt, int64_t refine, rs_formats *formats, rs_diag *diag);

/* The formats of a quantized model: those of a prototxt's quantization_param (rs_formats_of_prototxt), or of the
 * QuantizeLinear layers of `net`, shapes and weights there, whose scales are
 * powers of two and whose zero points are zero, and weights of 8 bits. The layers then leave the net: ReLUs stand for
 * unsigned types, Dropout for the others. RS_BAD_INPUT: other scales, values without a format; the message names the
 * layer. */
rs_status rs_formats_of_model(rs_net *net, rs_formats **formats, rs_diag *diag);
/* A copy of formats in fixed point, without weights and biases that replace the net's. */
rs_status rs_formats_copy_fixed(const rs_net *net, const rs_formats *from, rs_formats **copy, rs_diag *diag);

/* Sets the quantization fields of the net and its layers, for rs_caffe_write_quantized, so that rs_formats_of_prototxt
 * gives these formats again: all layers with weights, and of the others those whose values no such layer reads or
 * gives. RS_RESOURCE. */
rs_status rs_formats_apply(const rs_formats *formats, rs_rounding rounding, rs_bias_rule bias_rule, rs_net *net,
                           rs_diag *diag);
/* The formats that the quantization fields of a net say, shapes there; net->quantization says the rest.
 *
 * A value has the format that is said where it is made; what only chooses among values, or moves them, keeps it. Where
 * nothing is said, as of pooling by average and sums in the original's files, it has that in which it is read, or one
 * that holds all of them (warned about, if somebody reads it who says none). A layer that is said to read another
 * format than the value has gets a copy of the value, rounded once more, as in the original; so do parts of a
 * concatenation: the net may have more layers and blobs than before. Scores that nobody says are as wide as the
 * accumulator.
 *
 * Stochastic rounding is for training: it is warned about, and integers are rounded to nearest. RS_BAD_INPUT: two
 * formats for one value; a value without one. */
rs_status rs_formats_of_prototxt(rs_net *net, rs_formats **formats, rs_diag *diag);
/* Puts the weights and biases that replace a layer's (rounded, bias) into the net. */
void rs_formats_give_params(const rs_formats *formats, rs_net *net);

#endif
