/* Other people's multiply-accumulate unit under test: Verilated, driven as its adapter (foreign/unit_config.h) says,
 * and compared with what the arithmetic of docs/arithmetic.md expects, sum by sum, group by group, each result in its
 * cycle. */
#ifndef RISTRETTO_FOREIGN_UNIT_H
#define RISTRETTO_FOREIGN_UNIT_H

#include "foreign/unit_config.h"
#include "qnet/qnet.h"
#include "verilate/divergence.h"
#include "verilate/model.h"

/* One sum of products, cut into groups of as many as the unit takes at once. */
typedef struct rs_unit_sum {
    const char *layer; /* "corners", "random", or the net's */
    int64_t image;     /* of a layer's sum: whose value it is */
    int c, y, x;
    int groups;
    const int32_t *activations, *weights; /* [groups][products] */
    int64_t bias;
    int shift; /* of requantize */
    bool relu;
} rs_unit_sum;

/* A layer of a network whose operands the unit cannot take. */
typedef struct rs_unit_skipped {
    const char *layer, *why;
} rs_unit_skipped;

typedef struct rs_unit_vectors {
    rs_arena *arena;
    int products;
    int64_t n;
    size_t capacity;
    rs_unit_sum *sums;
    rs_unit_skipped *skipped;
    size_t n_skipped, skipped_capacity;
} rs_unit_vectors;

/* The unit's widths and ranges, by its adapter and its ports. */
typedef struct rs_unit_ranges {
    int activation_bits, weight_bits, bias_bits, sum_bits, output_bits; /* bias, output: 0 if it has none */
    int64_t activation_min, activation_max, weight_min, weight_max, bias_min, bias_max;
    int shift_min, shift_max; /* that it can be told */
} rs_unit_ranges;

typedef struct rs_unit_mismatch {
    rs_divergence what;
    const char *result; /* "sum" or "output" */
    const char *port;
    const rs_unit_sum *sum; /* NULL: a result that belongs to none */
    int64_t sum_number;     /* counted from 0 */
    int group;
    uint64_t cycle; /* of the clock, in which it differs */
    uint64_t off;   /* LATE, EARLY: by so many cycles */
    int64_t before; /* the sum before this group */
    int64_t expected, got;
    int bits;
    char guess[256]; /* what may be wrong, or "" */
} rs_unit_mismatch;

typedef struct rs_unit_result {
    int64_t sums, groups, products, sum_results, outputs;
    uint64_t cycles; /* since the reset */
    double seconds, build_seconds;
    int first_latency[2],
        last_latency[2]; /* minimum and maximum seen, of sum and output; 0 of none that says when it is valid */
    bool differs;
    rs_unit_mismatch *mismatches; /* in the order in which they were seen */
    size_t n_mismatches, capacity;
} rs_unit_result;

/* How vectors run through a unit. */
typedef struct rs_unit_run_options {
    uint64_t seed;      /* of gaps, and of what lies at the ports in them */
    int64_t keep_going; /* ends at so many differences; 0: at the first. One that is lost, or a unit that hangs, ends it
                           in any case */
} rs_unit_run_options;

typedef struct rs_unit rs_unit;

/* wave: of cycles counted from power-on, or NULL. RS_BAD_INPUT: what does not fit the module's ports, each at its place
 * in the adapter; or Verilator refuses the design. */
rs_status rs_unit_open(const rs_unit_config *config, uint64_t seed, const rs_wave *wave, rs_unit **unit, rs_diag *diag);
/* Ends the waveform, which appears under its name; of a unit that is closed without this there is none. Nothing but the
 * close may follow. RS_RESOURCE: the disk is full. RS_USAGE: no cycle lay in its window. */
rs_status rs_unit_keep_wave(rs_unit *unit, rs_diag *diag);
void rs_unit_close(rs_unit *unit);
const rs_unit_ranges *rs_unit_get_ranges(const rs_unit *unit);

/* Runs all sums through a unit that has just been opened. RS_MISMATCH: see result->mismatches, which point into
 * `vectors`. */
rs_status rs_unit_run(rs_unit *unit, const rs_unit_vectors *vectors, const rs_unit_run_options *options,
                      rs_unit_result *result, rs_diag *diag);
void rs_unit_result_clear(rs_unit_result *result);
/* After a difference: tries on new instances whether one changed key of the adapter explains it, and adds to the first
 * mismatch's guess what does. seed: that of the unit and of the run. */
void rs_unit_explain(const rs_unit *unit, const rs_unit_vectors *vectors, uint64_t seed, rs_unit_result *result);

/* Vectors. Corners: each operand alone, the ends of the ranges, sums that overflow. Random: ends of the ranges more
 * often than other values. */
rs_status rs_unit_vectors_new(int products, rs_unit_vectors **vectors, rs_diag *diag);
void rs_unit_vectors_free(rs_unit_vectors *vectors);
rs_status rs_unit_corners(rs_unit_vectors *vectors, const rs_unit_config *config, const rs_unit_ranges *ranges,
                          rs_diag *diag);
rs_status rs_unit_random(rs_unit_vectors *vectors, const rs_unit_config *config, const rs_unit_ranges *ranges,
                         int64_t n, uint64_t seed, rs_diag *diag);
/* What is taken from a network: `per_layer` output values of each weighted layer (0: all of them), the map's corners
 * among them. */
typedef struct rs_unit_image {
    const rs_qnet *qnet;
    int32_t *const *tensors; /* every tensor of the image, as rs_engine_trace gives them */
    int64_t image;           /* its number */
    const char *layer;       /* this one alone, or NULL */
    int64_t per_layer;
    uint64_t seed;
} rs_unit_image;

/* Operands in the order in which an array with as many multipliers takes them; of a unit that only adds, the products.
 * Layers that the unit cannot represent are listed in vectors->skipped. RS_BAD_INPUT: all of them, or the one that is
 * asked for. */
rs_status rs_unit_layers(rs_unit_vectors *vectors, const rs_unit_config *config, const rs_unit_ranges *ranges,
                         const rs_unit_image *image, rs_diag *diag);

#endif
