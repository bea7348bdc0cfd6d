/* Widths layer by layer: accuracy against what a network costs, as a front of points (docs/user/quantizer.md). */
#ifndef RISTRETTO_SEARCH_PARETO_H
#define RISTRETTO_SEARCH_PARETO_H

#include "search/quantize.h"

typedef struct rs_pareto_options {
    /* What a network with these widths costs, in any unit; never more for narrower widths. widths->activations: the
     * same for blobs that share a format. */
    double (*cost)(const void *context, const rs_net *net, const rs_widths *widths);
    const void *context;
    bool uniform;  /* all weights have one width and all layer outputs another: for costs of one multiplier that serves
                      all layers */
    double budget; /* the chosen point costs no more; 0: the cheapest point that keeps the error margin is chosen */
    double stop_margin; /* points that lose more accuracy than this end the search, in percentage points */
} rs_pareto_options;

typedef struct rs_pareto_point {
    rs_widths widths; /* per layer and per blob of the net; 0: none */
    double cost;
    int64_t hits, ties; /* on integers */
    bool front;         /* no other point has at least as many hits for less, or more for as much */
} rs_pareto_point;

typedef struct rs_pareto_result {
    int64_t images, float_hits, needed_hits; /* needed: for the error margin of the options */
    int n_points;
    rs_pareto_point *points; /* from the widest on, by falling cost */
    int chosen;              /* a point */
    bool met;                /* it costs no more than the budget, or keeps the error margin */
    int64_t trials;          /* that were scored in float emulation */
    rs_formats *formats;     /* of the chosen point */
    rs_qnet *qnet;
    double seconds;
} rs_pareto_result;

/* Starts with max_bits (but fixed_bits where given, which stay) for every layer's weights and outputs, and takes one
 * bit after the other away: always where float emulation loses least cross-entropy on the search images for the cost
 * that is saved. Each state is then scored on integers, its formats improved as those of combinations in rs_quantize.
 * Options as there; fixed point and powers of two alone. RS_USAGE, RS_BAD_INPUT, RS_INTERRUPTED as rs_quantize. */
rs_status rs_pareto(const rs_net *net, const rs_data_param *data, const rs_dataset *calibration,
                    const rs_dataset *search, const rs_quantize_options *options, const rs_pareto_options *pareto,
                    rs_pareto_result **result, rs_diag *diag);
void rs_pareto_result_free(rs_pareto_result *result);

#endif
