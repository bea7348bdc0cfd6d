/* The stages that run the Verilated RTL: lockstep with the model, and waveforms. */
#ifndef RISTRETTO_FLOW_COSIM_H
#define RISTRETTO_FLOW_COSIM_H

#include "cosim/lockstep.h"
#include "flow/load.h"

typedef struct rs_cosimulation {
    rs_program *program;
    rs_lockstep_result result;
    int64_t hits, ties; /* of the RTL's scores, where all is equal */
} rs_cosimulation;

/* options: first_image is set by the stage. RS_MISMATCH with result.mismatch: the RTL and the model differ.
 * rs_cosimulation_clear, whatever the status. */
rs_status rs_stage_cosim(const rs_qnet *qnet, const rs_array_config *config, const rs_dataset *set, rs_slice slice,
                         const rs_data_override *over, const rs_lockstep_options *options, rs_cosimulation *c,
                         rs_diag *diag);
void rs_cosimulation_clear(rs_cosimulation *c);

/* A waveform of the RTL on the first image of the slice. */
rs_status rs_stage_trace(const rs_qnet *qnet, const rs_array_config *config, const rs_dataset *set, rs_slice slice,
                         const rs_data_override *over, uint64_t x_seed, const rs_wave *wave, rs_diag *diag);

#endif
