/* The stage that runs the C model of the array. */
#ifndef RISTRETTO_FLOW_SIMULATE_H
#define RISTRETTO_FLOW_SIMULATE_H

#include "flow/load.h"
#include "flow/machine.h"

typedef struct rs_simulation {
    rs_machine machine;    /* with the counts of the first image, or of one without data */
    const rs_dataset *set; /* the caller's; NULL: cycles only, and then the rest is zero */
    rs_slice slice;
    int64_t images, hits, ties;
    int64_t compared, different; /* scores, against the exact engine's */
    double seconds;              /* of the model */
} rs_simulation;

/* Images as rs_stage_images takes them; set NULL: cycles only. RS_MISMATCH: the array model's scores differ from the
 * exact engine's; the simulation is there then as well. rs_simulation_clear, whatever the status. */
rs_status rs_stage_simulate(const rs_qnet *qnet, const rs_array_config *config, const rs_dataset *set, rs_slice slice,
                            const rs_data_override *over, rs_simulation *simulation, rs_diag *diag);
void rs_simulation_clear(rs_simulation *simulation);

#endif
