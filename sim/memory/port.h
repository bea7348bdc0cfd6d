/* The memory port in time: which read or write is accepted in which cycle (docs/reference/array-timing.md section 5,
 * "Memory"). Nothing here moves data; the array's model does. */
#ifndef RISTRETTO_MEMORY_PORT_H
#define RISTRETTO_MEMORY_PORT_H

#include "config/array_config.h"

/* Section 5, memory: is it ready in this cycle? Shared with the test bench. */
bool rs_memory_ready(const rs_array_config *config, uint64_t run, uint64_t cycle);

enum { RS_READY_WORDS = 256, RS_OUTSTANDING_MAX = 256 };

/* Cycles [first, last] in which the storer presents a beat. */
typedef struct rs_write_span {
    uint64_t first, last;
} rs_write_span;

typedef struct rs_port {
    const rs_array_config *config;
    uint64_t run;
    /* `ready` of 64 cycles per word, computed when asked for. tags[i]: number of the word plus one; 0: none. */
    uint64_t words[RS_READY_WORDS], tags[RS_READY_WORDS];
    rs_write_span *spans; /* in order; given by the caller, one for each write of the run */
    int n_spans, next_span;
    uint64_t reads;                        /* accepted so far */
    uint64_t accepted[RS_OUTSTANDING_MAX]; /* cycles of the last `outstanding` reads, by number of the read modulo that;
                                              kept only where the limit can bind */
    uint64_t stalled;                      /* cycles in which a request was presented and the memory was not ready */
} rs_port;

void rs_port_init(rs_port *port, const rs_array_config *config, uint64_t run, rs_write_span *spans);

/* Called with the number of the beat and the cycle of its acceptance; false ends the calls. */
typedef bool (*rs_port_beat)(void *context, int64_t beat, uint64_t cycle);

/* Beats (>= 1) are written, the first presented in cycle `first`, which lies after every write before. Returns the
 * cycle of the last acceptance. beat may be NULL. */
uint64_t rs_port_write(rs_port *port, uint64_t first, int64_t beats, rs_port_beat beat, void *context);

/* Beats (>= 1) are read, the first requested in cycle `first` at the earliest, which lies after every read before. All
 * writes that can be presented before the last of these reads is accepted have been told to rs_port_write. Returns the
 * cycle of the last acceptance. */
uint64_t rs_port_read(rs_port *port, uint64_t first, int64_t beats, rs_port_beat beat, void *context);

#endif
