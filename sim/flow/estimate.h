/* The stage that estimates area and energy. */
#ifndef RISTRETTO_FLOW_ESTIMATE_H
#define RISTRETTO_FLOW_ESTIMATE_H

#include "energy/estimate.h"
#include "flow/machine.h"

typedef struct rs_estimation {
    rs_machine machine; /* with the counts of one image */
    rs_technology *technology;
    rs_estimate *estimate;
} rs_estimation;

/* technology: a YAML file. rs_estimation_clear, whatever the status. */
rs_status rs_stage_estimate(const rs_qnet *qnet, const rs_array_config *config, const char *technology,
                            rs_estimation *e, rs_diag *diag);
void rs_estimation_clear(rs_estimation *e);

#endif
