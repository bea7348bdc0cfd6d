/* The stage that estimates area and energy. */
#include "flow/estimate.h"

rs_status rs_stage_estimate(const rs_qnet *qnet, const rs_array_config *config, const char *technology,
                            rs_estimation *e, rs_diag *diag)
{
    *e = (rs_estimation) { .technology = NULL };
    rs_status status = rs_technology_read(technology, &e->technology, diag);
    if (status == RS_OK)
        status = rs_machine_open(qnet, config, &e->machine, diag);
    if (status == RS_OK)
        status = rs_machine_count(&e->machine, diag);
    if (status == RS_OK)
        status = rs_estimate_new(e->machine.program, &e->machine.stats, e->technology, &e->estimate, diag);
    return status;
}

void rs_estimation_clear(rs_estimation *e)
{
    rs_estimate_free(e->estimate);
    rs_technology_free(e->technology);
    rs_machine_close(&e->machine);
}
