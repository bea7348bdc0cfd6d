/* The sections of a report, made of what the stages found (docs/reference/report-format.md). */
#ifndef RISTRETTO_REPORT_SECTIONS_SECTIONS_H
#define RISTRETTO_REPORT_SECTIONS_SECTIONS_H

#include <jansson.h>

#include "flow/cosim.h"
#include "flow/estimate.h"
#include "flow/export.h"
#include "flow/finetune.h"
#include "flow/pareto.h"
#include "flow/quantize.h"
#include "flow/simulate.h"
#include "flow/test.h"
#include "foreign/unit.h"

/* Each gives a new reference. RS_RESOURCE. */
rs_status rs_section_test(const rs_test_outcome *outcome, json_t **section, rs_diag *diag);
rs_status rs_section_quantize(const rs_quantize_outcome *outcome, json_t **section, rs_diag *diag);
rs_status rs_section_pareto(const rs_pareto_outcome *outcome, json_t **section, rs_diag *diag);
rs_status rs_section_finetune(const rs_finetune_outcome *outcome, json_t **section, rs_diag *diag);
rs_status rs_section_simulate(const rs_simulation *simulation, json_t **section, rs_diag *diag);
rs_status rs_section_cosim(const rs_cosimulation *cosimulation, json_t **section, rs_diag *diag);
rs_status rs_section_estimate(const rs_estimation *estimation, json_t **section, rs_diag *diag);
rs_status rs_section_export(const rs_export_outcome *outcome, json_t **section, rs_diag *diag);

/* Of a unit that is not ours. network: where operands came from, or NULL. */
typedef struct rs_unit_outcome {
    const rs_unit_config *config;
    const rs_unit_ranges *ranges;
    const rs_unit_vectors *vectors;
    const rs_unit_result *result;
    const char *network;
} rs_unit_outcome;
rs_status rs_section_unit(const rs_unit_outcome *outcome, json_t **section, rs_diag *diag);

#endif
