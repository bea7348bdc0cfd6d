/* The array a second time, cycle by cycle: registers and state machines written straight from
 * docs/reference/array-timing.md section 5. Slow; shares no code with sim/array/ and sim/memory/, takes their
 * types only. */
#ifndef RISTRETTO_TESTS_ORACLE_ARRAY_CLOCK_H
#define RISTRETTO_TESTS_ORACLE_ARRAY_CLOCK_H

#include "array/array.h"

/* What the sequencer did in a cycle, by layer: for the statistics. */
typedef struct rs_oracle_activity {
    uint64_t run, wait_weights, wait_ifmap, wait_output, drain, control;
} rs_oracle_activity;

typedef struct rs_oracle_run {
    uint64_t cycles, stalled, saturations, overflows;
    rs_oracle_activity *layers; /* given by the caller, zeroed, one a program layer; or NULL */
} rs_oracle_run;

/* Clocks one run; aborts the program if the array has not finished after `limit` cycles, or if it reads what was never
 * written. */
void rs_oracle_array_run(const rs_program *program, int segment, uint8_t *memory, uint64_t run, uint64_t limit,
                         rs_event_sink sink, void *context, rs_oracle_run *result);

#endif
