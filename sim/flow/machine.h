/* An array with its program and the counts of one run. */
#ifndef RISTRETTO_FLOW_MACHINE_H
#define RISTRETTO_FLOW_MACHINE_H

#include "array/array.h"

typedef struct rs_machine {
    rs_program *program;
    rs_array *array;
    rs_run_stats stats; /* of one image; zero until it has run */
    uint8_t *memory;    /* the program's memory of one image */
} rs_machine;

/* Compiles the network for the array. On failure everything is released. */
rs_status rs_machine_open(const rs_qnet *qnet, const rs_array_config *config, rs_machine *machine, rs_diag *diag);
void rs_machine_close(rs_machine *machine);

/* One image without data: cycles and counts into machine->stats. */
rs_status rs_machine_count(rs_machine *machine, rs_diag *diag);

/* Loads image number `run` ([channels][height][width] bytes), runs it, gives the scores. stats: or NULL. */
rs_status rs_machine_run(rs_machine *machine, const uint8_t *pixels, uint64_t run, rs_run_stats *stats, int32_t *scores,
                         rs_diag *diag);

#endif
