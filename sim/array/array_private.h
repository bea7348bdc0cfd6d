/* The state of one run of the array's model. Private to sim/array/: engines.c (loader, sequencer, storer), array.c (the
 * segments, and what belongs to all runs). */
#ifndef RISTRETTO_ARRAY_ARRAY_PRIVATE_H
#define RISTRETTO_ARRAY_ARRAY_PRIVATE_H

#include "array/array.h"
#include "array/values.h"

struct rs_array {
    const rs_program *program;
    rs_values *values;
    rs_port port;
    rs_write_span *spans;   /* by descriptor */
    uint64_t *stored;       /* by descriptor: cycle from which it counts as stored */
    int64_t *positions;     /* by descriptor: convolution positions of a group */
    rs_layer_stats *layers; /* used when the caller wants none, so that there is one way */
    rs_layer_stats *counts; /* by layer: what every run counts, whatever the memory does; the rest is 0 */
    rs_activity_sink watch;
    void *watch_context;
};

typedef struct rs_array_state {
    rs_array *array;
    const rs_program *program;
    const rs_array_config *config;
    rs_port *port;
    uint8_t *memory;
    rs_event_sink sink;
    void *context;
    bool stopped; /* the sink wants no more */
    rs_layer_stats *stats;
    int tree_stages;
    int first_descriptor; /* of the segment */
    uint64_t base;        /* cycles of the segments before; events and statistics count on */
    /* "from": the first cycle in which the flag is seen. By half. */
    uint64_t weights_free_from[2], weights_full_from[2], ifmap_free_from[2], ifmap_full_from[2], output_free_from[2];
    uint64_t sequencer; /* first cycle that is not settled yet */
    uint64_t storer;    /* the storer's next FETCH */
    int64_t group;      /* groups with weights so far, over all descriptors */
    int layer;          /* the sequencer's */
    int draining;       /* earliest layer whose ofmap may not be in memory yet */
} rs_array_state;

/* Positions of the convolution under output window `at` of an axis. */
static inline int64_t rs_array_under(int64_t at, int64_t conv, int64_t size, int64_t stride)
{
    const int64_t left = conv - at * stride;
    return left < size ? left : size;
}

/* Gives the sink an event, with the cycles of the segments before. */
void rs_array_emit(rs_array_state *r, const rs_event *event);
/* Cycles [from, to) in which the sequencer does not run belong first to the drain of earlier layers that are not
 * stored; returns where that ends. */
uint64_t rs_array_drain(rs_array_state *r, uint64_t from, uint64_t to);
/* All descriptors of a segment, in the loader's order. */
rs_status rs_array_run_descriptors(rs_array_state *r, const rs_program_segment *segment, rs_diag *diag);

#endif
