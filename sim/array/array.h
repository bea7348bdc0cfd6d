/* The cycle-level model of the array: the same bits and the same cycles as the RTL, by docs/microarchitecture.md.
 * Event-driven: it computes when things happen instead of clocking through them. */
#ifndef RISTRETTO_ARRAY_ARRAY_H
#define RISTRETTO_ARRAY_ARRAY_H

#include "program/program.h"

/* What both the model and the RTL show to the outside, and what lockstep compares. */
typedef enum rs_event_kind {
    RS_EVENT_READ,   /* a read was accepted: address */
    RS_EVENT_OUTPUT, /* an output beat was written to the output buffer: values */
    RS_EVENT_WRITE,  /* a write was accepted: address, data */
    RS_EVENT_DONE,   /* the run is over; cycle = number of cycles */
    RS_EVENT_KINDS
} rs_event_kind;

typedef struct rs_event {
    rs_event_kind kind;
    uint64_t cycle;
    int32_t descriptor;
    int64_t address;        /* READ, WRITE: beat address. OUTPUT: element in the output buffer */
    int32_t n_values;       /* OUTPUT: lanes */
    uint32_t saturations;   /* OUTPUT: requantize saturations of all positions and lanes of this beat */
    uint32_t overflows;     /* OUTPUT: accumulator overflows, likewise */
    const int32_t *values;  /* OUTPUT: valid during the call */
    const uint8_t *data;    /* WRITE: bus_bits / 8 bytes, valid during the call */
} rs_event;

/* Receives events; within a kind in order of cycles. Returns false to stop the run. */
typedef bool (*rs_event_sink)(void *context, const rs_event *event);

/* What one layer did. Cycles are attributed to the layer whose descriptor the sequencer works on or waits for. */
typedef struct rs_layer_stats {
    uint64_t cycles;                        /* from the end of the layer before to the layer's last accepted write */
    uint64_t first_cycle, last_cycle;
    uint64_t compute_cycles;                /* steps */
    uint64_t wait_weights, wait_ifmap, wait_output, drain; /* the sequencer did not run because ... ; drain: pipeline and store at the end */
    uint64_t macs, mac_slots;               /* products that count; lanes * multipliers * compute_cycles */
    uint64_t ifmap_beats, weight_beats, bias_beats, ofmap_beats;
    uint64_t activation_buffer_reads, activation_buffer_writes; /* elements */
    uint64_t weight_buffer_reads, weight_buffer_writes;         /* weights */
    uint64_t output_buffer_reads, output_buffer_writes;         /* elements */
    uint64_t accumulations;                 /* lane updates */
    uint64_t saturations, overflows;
} rs_layer_stats;

typedef struct rs_run_stats {
    uint64_t cycles;
    uint64_t stalled_requests;              /* cycles in which a request was presented and the memory was not ready */
    int n_layers;
    rs_layer_stats *layers;                 /* by program layer; owned by the caller, n_layers entries */
} rs_run_stats;

typedef struct rs_array rs_array;
rs_status rs_array_new(const rs_program *program, rs_array **array, rs_diag *diag);
void rs_array_free(rs_array *array);

/* One image through the array. `memory` is laid out as program->memory with the image loaded; ofmaps are written to it.
 * run: number of this run, which varies the memory's stalls. sink and stats may be NULL. memory NULL: cycles only, no data. */
rs_status rs_array_run(rs_array *array, uint8_t *memory, uint64_t run, rs_event_sink sink, void *context, rs_run_stats *stats,
                       rs_diag *diag);

/* Section 5, memory: is it ready in this cycle? Shared with the test bench. */
bool rs_memory_ready(const rs_array_config *config, uint64_t run, uint64_t cycle);

#endif
