/* The stage that searches widths layer by layer, by what they cost (docs/user/quantizer.md). */
#ifndef RISTRETTO_FLOW_PARETO_H
#define RISTRETTO_FLOW_PARETO_H

#include "flow/quantize.h"
#include "search/pareto.h"

/* What a network costs: bits, area or energy of docs/user/quantizer.md. */
typedef enum rs_cost_kind { RS_COST_BITS, RS_COST_AREA, RS_COST_ENERGY, RS_COST_KINDS } rs_cost_kind;
const char *rs_cost_kind_name(rs_cost_kind kind); /* "bits", "area", "energy" */
const char *rs_cost_kind_unit(rs_cost_kind kind); /* "bits", "um2", "pJ" */
rs_cost_kind rs_cost_kind_named(const char *name);

typedef struct rs_pareto_stage {
    rs_cost_kind kind;
    double budget;          /* the most it may cost; 0: the cheapest that keeps the error margin */
    const char *technology; /* YAML file; NULL: none; area and energy need one */
} rs_pareto_stage;

typedef struct rs_pareto_outcome {
    const rs_net *net; /* the caller's, as is the set */
    const rs_dataset *set;
    rs_pareto_stage pareto;
    double error_margin;
    rs_pareto_result *result;
    rs_slice_score test;
} rs_pareto_outcome;

/* Writes pareto.csv beside the chosen point's files. RS_MISMATCH: as rs_stage_quantize, or no point is within the
 * budget; the outcome is there then as well. rs_pareto_outcome_clear, whatever the status. */
rs_status rs_stage_pareto(rs_net *net, const rs_dataset *set, const rs_quantize_stage *stage,
                          const rs_pareto_stage *pareto, rs_pareto_outcome *outcome, rs_diag *diag);
void rs_pareto_outcome_clear(rs_pareto_outcome *outcome);

#endif
