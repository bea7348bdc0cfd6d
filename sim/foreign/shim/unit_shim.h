/* The C side of a Verilated unit that is not ours: its ports by number, and a clock. What the ports mean is
 * sim/foreign/'s to know. Self-contained, because the object is compiled at run time from an installed copy of
 * this folder. */
#ifndef RISTRETTO_FOREIGN_SHIM_UNIT_SHIM_H
#define RISTRETTO_FOREIGN_SHIM_UNIT_SHIM_H

#include <stdbool.h>
#include <stdint.h>

/* Raised when anything below changes; a library that reports another number is built anew. */
enum { RS_UNIT_INTERFACE = 4 };

enum { RS_UNIT_PORT_IN, RS_UNIT_PORT_OUT, RS_UNIT_PORT_INOUT };

typedef struct rs_unit_port {
    const char *name; /* as Verilator writes it in C++ */
    int32_t direction;
    int32_t elements; /* of an unpacked array; 0: none */
    int32_t bits;     /* of one element */
} rs_unit_port;

/* What code beside the YAML file may look at: what is given to the unit in one cycle, before any `delay` of a key. */
typedef struct rs_unit_cycle {
    uint64_t cycle;   /* of the clock, from power-on: 0 is the first cycle of the reset */
    bool operands;    /* a group is given */
    bool first;       /* and it is the first of its sum; false without a group */
    bool last;        /* and it is the last one */
    bool before;      /* the cycle of its own before a sum, of a unit with `when: before`; no group is given in it */
    int32_t products; /* pairs of operands in a group: unit.products */
    const int64_t *activations, *weights; /* of the group, `products` of each, as numbers; NULL without a group */
    int64_t bias;                         /* of the sum, in its groups and in `before`; else 0, as are the next two */
    int32_t shift;                        /* to the right, of the sum's output; negative: to the left */
    bool relu;                            /* of the sum's output */
} rs_unit_cycle;

typedef struct rs_unit_shim_options {
    uint64_t x_seed;                      /* of the random values in registers without a reset */
    const char *trace;                    /* FST file; NULL: none. Needs a model built with tracing */
    const char *trace_save, *trace_title; /* GTKWave's save file for it, and the name that this gives it */
    uint64_t trace_from, trace_to;
    bool falling_edge; /* the unit's registers take what they see when the clock falls */
} rs_unit_shim_options;

typedef struct rs_unit_shim rs_unit_shim;

#ifdef __cplusplus
extern "C" {
#endif

/* The functions of the library: what rs_model_table returns. */
typedef struct rs_unit_shim_functions {
    int32_t interface_number;
    int32_t n_ports;
    const rs_unit_port *ports;
    rs_unit_shim *(*open)(const rs_unit_shim_options *options, const char **message); /* NULL: message says why */
    void (*close)(rs_unit_shim *shim);
    /* An element of a port; (bits + 7) / 8 bytes, little endian, unused bits zero. */
    void (*set)(rs_unit_shim *shim, int32_t port, int32_t element, const uint8_t *bytes);
    void (*get)(rs_unit_shim *shim, int32_t port, int32_t element, uint8_t *bytes);
    /* What the operands and results look like at the ports, by the code beside the YAML file. */
    uint64_t (*encode)(rs_unit_shim *shim, int32_t what, int64_t value); /* 0 activation, 1 weight, 2 bias or addend */
    int64_t (*decode)(rs_unit_shim *shim, int32_t what, uint64_t bits);  /* 0 sum, 1 output */
    int32_t coded; /* there is such code: encode and decode are to be called */
    /* The inputs are set: evaluates with the clock at rest. clock: its port, or -1. NULL, or what broke. */
    const char *(*settle)(rs_unit_shim *shim, int32_t clock, const rs_unit_cycle *cycle);
    /* The edge. */
    const char *(*edge)(rs_unit_shim *shim, int32_t clock);
} rs_unit_shim_functions;

#ifdef __cplusplus
}
#endif

#endif
