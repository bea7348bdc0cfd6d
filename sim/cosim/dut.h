/* The RTL of the array, Verilated, as a device under test: the same runs and the same events as the C model
 * (array/array.h), from program words and a memory image alone. Its model is built for one set of
 * parameters (verilate/model.h). */
#ifndef RISTRETTO_COSIM_DUT_H
#define RISTRETTO_COSIM_DUT_H

#include "array/array.h"
#include "verilate/model.h"

/* Planted in what is reported of one output beat, or in what the memory does, to test whoever listens. */
typedef enum rs_dut_fault {
    RS_DUT_FAULT_NONE,
    RS_DUT_FAULT_FLIP,      /* the lowest bit of lane 0's value is inverted */
    RS_DUT_FAULT_LATE,      /* the beat comes one cycle late */
    RS_DUT_FAULT_DROP,      /* the beat is missing */
    RS_DUT_FAULT_DUPLICATE, /* the beat comes twice */
    RS_DUT_FAULT_ANSWER     /* from the beat on, the memory answers in every cycle: more than was asked */
} rs_dut_fault;

/* All zero: no waveform, no faults. */
typedef struct rs_dut_options {
    rs_toolchain *tools; /* that the model is built with; NULL: found for this call */
    uint64_t x_seed;     /* of the values that registers without a reset wake up with */
    bool no_overflow;    /* assert that no accumulation overflows: for a derived accumulator width */
    bool quick;          /* for a few cycles only: compiled without optimization, in a third of the time */
    bool all_checks;     /* also the assertions inside of the arithmetic and the memories, which cost time */
    rs_wave wave;        /* cycles of each run */
    rs_dut_fault fault;
    uint64_t fault_beat; /* output beats counted from 0 over all runs */
} rs_dut_options;

typedef struct rs_dut rs_dut;

/* config: every width resolved, as in rs_program. options may be NULL. Errors: those of rs_toolchain_new and
 * rs_model_open. With $RISTRETTO_RTL_COVERAGE, for scripts/rtl-coverage, models count lines and toggles, and each one
 * leaves its counts in that folder when it is closed. */
rs_status rs_dut_open(const rs_array_config *config, const rs_dut_options *options, rs_dut **dut, rs_diag *diag);
/* Ends the waveform, which appears under its name; of a DUT that is closed without this there is none. Nothing but the
 * close may follow. RS_RESOURCE: the disk is full. RS_USAGE: no cycle lay in its window. */
rs_status rs_dut_keep_wave(rs_dut *dut, rs_diag *diag);
void rs_dut_close(rs_dut *dut);

/* Begins a run of n descriptors. `memory` (beats * bus_bits / 8 bytes, laid out as program->memory with the image
 * loaded) is read and written until the run is over; run varies the memory's stalls. A run that is not over is given
 * up. */
rs_status rs_dut_start(rs_dut *dut, const rs_descriptor *descriptors, int n, uint8_t *memory, int64_t beats,
                       uint64_t run, rs_diag *diag);

/* Clocks every cycle before `limit` that has not been clocked, and reports what happens, cycle by cycle; within a cycle
 * READ, OUTPUT, WRITE, DONE. *finished: the run is over and DONE was reported. A sink that returns false ends the call
 * after that cycle; the run can go on. RS_MISMATCH: an assertion of the RTL failed, or it left the memory; the message
 * says where. */
rs_status rs_dut_advance(rs_dut *dut, uint64_t limit, rs_event_sink sink, void *context, bool *finished, rs_diag *diag);

/* The next cycle to be clocked. */
uint64_t rs_dut_cycle(const rs_dut *dut);
/* The shared object in use, and whether it was built by this rs_dut_open and in how many seconds. */
const char *rs_dut_library(const rs_dut *dut);
double rs_dut_build_seconds(const rs_dut *dut); /* 0: taken from the cache */

#endif
