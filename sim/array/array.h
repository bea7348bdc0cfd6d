/* The cycle-level model of the array: the same bits and the same cycles as the RTL, by
 * docs/reference/microarchitecture.md. Event-driven: it computes when things happen instead of clocking through them.
 */
#ifndef RISTRETTO_ARRAY_ARRAY_H
#define RISTRETTO_ARRAY_ARRAY_H

#include "memory/port.h"
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
    int64_t address;       /* READ, WRITE: beat address. OUTPUT: element in the output buffer */
    int32_t n_values;      /* OUTPUT: lanes */
    uint32_t saturations;  /* OUTPUT: requantize saturations of all positions and lanes of this beat */
    uint32_t overflows;    /* OUTPUT: accumulator overflows, likewise */
    const int32_t *values; /* OUTPUT: valid during the call */
    const uint8_t *data;   /* WRITE: bus_bits / 8 bytes, valid during the call */
} rs_event;

/* Receives events; within a kind in order of cycles. Returns false to stop the run. */
typedef bool (*rs_event_sink)(void *context, const rs_event *event);
typedef struct rs_event_listener {
    rs_event_sink sink;
    void *context;
} rs_event_listener;

/* What one layer did. Every cycle of a run belongs to one layer and one of the six kinds below; `cycles` is their sum,
 * and the sum over the layers is the cycles of the run. While the sequencer runs, a cycle is the running layer's. While
 * it does not, a cycle is `drain` of the earliest layer whose ofmap is not in memory yet, if that layer comes before
 * the one that the sequencer waits for; else the latter's. In a chain of layers a layer's cycles are therefore those
 * from the end of the layer before to its own last accepted write. */
typedef struct rs_layer_stats {
    uint64_t cycles;
    uint64_t first_cycle,
        last_cycle;           /* the sequencer fetches the layer's first descriptor; its last write is accepted */
    uint64_t compute_cycles;  /* steps */
    uint64_t wait_weights;    /* the group's weights are not in the buffer */
    uint64_t wait_ifmap;      /* they are, but the ifmap is not */
    uint64_t wait_output;     /* both are, but no half of the output buffer is free */
    uint64_t drain;           /* pipeline and store at the end */
    uint64_t control;         /* start, FETCH, and the one cycle of WAIT in which nothing is missing */
    uint64_t macs, mac_slots; /* products that count (rs_program_layer.macs); lanes * multipliers * compute_cycles */
    uint64_t ifmap_beats, weight_beats, bias_beats, ofmap_beats;
    uint64_t activation_buffer_reads;                   /* elements: multipliers, for each step */
    uint64_t activation_buffer_writes;                  /* elements: all that the ifmap's beats carry */
    uint64_t weight_buffer_reads;                       /* weights: lanes of the group * multipliers, for each step */
    uint64_t weight_buffer_writes;                      /* weights: the same for each step of a window and group */
    uint64_t output_buffer_reads, output_buffer_writes; /* elements of the ofmap */
    uint64_t accumulations;                             /* lanes of the group, for each step */
    uint64_t saturations, overflows;                    /* 0 without data */
} rs_layer_stats;

typedef struct rs_run_stats {
    uint64_t cycles;
    uint64_t stalled_requests; /* cycles in which a request was presented and the memory was not ready */
    int n_layers;              /* the program's; set by rs_array_run */
    rs_layer_stats *layers;    /* by program layer; owned by the caller, room for the program's n_layers */
} rs_run_stats;

/* What an engine of the array does over some cycles: for pictures of a run. */
typedef enum rs_array_engine { RS_ARRAY_LOADER, RS_ARRAY_SEQUENCER, RS_ARRAY_STORER, RS_ARRAY_ENGINES } rs_array_engine;
typedef enum rs_activity_kind {
    RS_ACTIVITY_COMPUTE,      /* sequencer */
    RS_ACTIVITY_LOAD_WEIGHTS, /* loader: from the first cycle that may ask for a beat to the last acceptance */
    RS_ACTIVITY_LOAD_IFMAP,
    RS_ACTIVITY_STORE,        /* storer, the same */
    RS_ACTIVITY_WAIT_WEIGHTS, /* sequencer */
    RS_ACTIVITY_WAIT_IFMAP,
    RS_ACTIVITY_WAIT_OUTPUT, /* sequencer: no half of the output buffer is free */
    RS_ACTIVITY_WAIT_BUFFER, /* loader: the half is in use */
    RS_ACTIVITY_WAIT_STORED, /* loader: the ifmap is not in memory yet */
    RS_ACTIVITIES
} rs_activity_kind;
typedef struct rs_activity {
    rs_array_engine engine;
    rs_activity_kind kind;
    int layer, descriptor, group; /* of the program; group: of the descriptor, -1: of all */
    uint64_t from, to;            /* cycles [from, to), counted over the segments */
} rs_activity;
typedef void (*rs_activity_sink)(void *context, const rs_activity *activity);

typedef struct rs_array rs_array;
rs_status rs_array_new(const rs_program *program, rs_array **array, rs_diag *diag);
void rs_array_free(rs_array *array);
/* From now on runs tell what the engines do, in the order of each engine. NULL: no more. */
void rs_array_watch(rs_array *array, rs_activity_sink sink, void *context);

/* One image through the array, and through the host between its segments: cycles of the segments are counted on, each
 * ends with a DONE, and the host's take none. `memory` is laid out as program->memory with the image loaded; ofmaps are
 * written to it. run: number of this run, which varies the memory's stalls. sink and stats may be NULL. memory NULL:
 * cycles only; OUTPUT and WRITE events then have no values and no data (NULL), and counts of 0. One thread at a time
 * may use an rs_array. */
rs_status rs_array_run(rs_array *array, uint8_t *memory, uint64_t run, rs_event_sink sink, void *context,
                       rs_run_stats *stats, rs_diag *diag);

/* The same for one segment of the program: counts of the layers of other segments are 0. listener may be NULL. */
rs_status rs_array_run_segment(rs_array *array, int segment, uint8_t *memory, uint64_t run,
                               const rs_event_listener *listener, rs_run_stats *stats, rs_diag *diag);

#endif
