/* The stage that searches widths layer by layer, by what they cost (docs/user/quantizer.md). */
#ifndef RISTRETTO_FLOW_PARETO_H
#define RISTRETTO_FLOW_PARETO_H

#include "flow/quantize.h"
#include "search/pareto.h"

const char *rs_cost_kind_unit(rs_cost_kind kind); /* "bits", "um2", "pJ" */

typedef struct rs_pareto_outcome {
    const rs_net *net; /* the caller's, as is the set */
    const rs_dataset *set;
    rs_cost_kind kind;
    double budget;
    double error_margin;
    rs_pareto_result *result;
    rs_slice_score test;
} rs_pareto_outcome;

/* By the pareto and the budget of the options. `technology`: a YAML file (NULL: none; area and energy need one). Writes
 * pareto.csv beside the chosen point's files. RS_MISMATCH: as rs_stage_quantize, or no point is within the
 * budget; the outcome is there then as well. rs_pareto_outcome_clear, whatever the status. */
rs_status rs_stage_pareto(rs_net *net, const rs_dataset *set, const rs_quantize_stage *stage, const char *technology,
                          rs_pareto_outcome *outcome, rs_diag *diag);
void rs_pareto_outcome_clear(rs_pareto_outcome *outcome);

#endif
