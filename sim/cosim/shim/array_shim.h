/* The C side of a Verilated array: what sim/cosim/dut.c finds in the shared object that is built for it.
 * Self-contained, because the object is compiled at run time from an installed copy of this folder. */
#ifndef RISTRETTO_COSIM_SHIM_ARRAY_SHIM_H
#define RISTRETTO_COSIM_SHIM_ARRAY_SHIM_H

#include <stdbool.h>
#include <stdint.h>

/* Raised when anything below changes; a library that reports another number is built anew. */
enum { RS_SHIM_INTERFACE = 5 };

/* In the order of rs_event_kind (array/array.h). */
enum { RS_SHIM_READ, RS_SHIM_OUTPUT, RS_SHIM_WRITE, RS_SHIM_DONE };

/* The fields of rs_event. */
typedef struct rs_shim_event {
    int32_t kind;
    uint64_t cycle;
    int32_t descriptor;
    int64_t address;
    int32_t n_values;
    uint32_t saturations;
    uint32_t overflows;
    const int32_t *values;
    const uint8_t *data;
} rs_shim_event;

typedef bool (*rs_shim_sink)(void *context, const rs_shim_event *event);

/* Faults in the order of rs_dut_fault (cosim/dut.h). They change what is reported of an output beat, not what the
 * array does. */
enum {
    RS_SHIM_FAULT_NONE,
    RS_SHIM_FAULT_FLIP,
    RS_SHIM_FAULT_LATE,
    RS_SHIM_FAULT_DROP,
    RS_SHIM_FAULT_DUPLICATE,
    RS_SHIM_FAULT_ANSWER
};

typedef struct rs_shim_options {
    int32_t lanes, act_bits, bus_bits;    /* of the model, for unpacking */
    uint64_t x_seed;                      /* of the random values in registers without a reset */
    bool no_overflow;                     /* assert that no accumulation overflows */
    const char *trace;                    /* FST file; NULL: none. Needs a model built with tracing */
    const char *trace_save, *trace_title; /* GTKWave's save file for it, and the name that this gives it */
    uint64_t trace_from, trace_to;        /* first and last cycle in the file, counted over all runs */
    const char *coverage; /* file of coverage counts, written at the end; NULL: none. Needs a model built for it */
    int32_t fault;
    uint64_t fault_beat; /* output beats counted from 0 over all runs */
} rs_shim_options;

typedef struct rs_shim_memory {
    uint8_t *bytes;
    uint64_t beats;
    uint32_t latency;
    uint32_t stall_percent;
    uint64_t stall_key; /* mix64(seed + run) */
} rs_shim_memory;

typedef enum rs_shim_state {
    RS_SHIM_RUNNING, /* the limit is reached */
    RS_SHIM_FINISHED,
    RS_SHIM_STOPPED, /* the sink said so; the run can go on */
    RS_SHIM_BROKEN   /* see `message`; the run cannot go on */
} rs_shim_state;

typedef struct rs_shim rs_shim;

#ifdef __cplusplus
extern "C" {
#endif

/* The functions of the library: what rs_model_table returns. */
typedef struct rs_shim_functions {
    int32_t interface_number;
    rs_shim *(*open)(const rs_shim_options *options, const char **message); /* NULL: message says why */
    void (*close)(rs_shim *shim);
    /* These two give up a run that is not over. */
    void (*write_program)(rs_shim *shim, uint32_t address, uint32_t word);
    bool (*start)(rs_shim *shim, const rs_shim_memory *memory, uint32_t n_descriptors); /* false: no memory */
    /* Clocks the cycles before `limit` that have not been clocked. */
    rs_shim_state (*advance)(rs_shim *shim, uint64_t limit, rs_shim_sink sink, void *context);
    uint64_t (*cycle)(const rs_shim *shim);      /* the next to be clocked */
    const char *(*message)(const rs_shim *shim); /* what broke */
} rs_shim_functions;

#ifdef __cplusplus
}
#endif

#endif
