/* The YAML file that describes other people's multiply-accumulate unit to the co-simulation: docs/user/foreign-rtl.md.
 */
#ifndef RISTRETTO_FOREIGN_UNIT_CONFIG_H
#define RISTRETTO_FOREIGN_UNIT_CONFIG_H

#include <limits.h>

#include "config/array_config.h"
#include "config/schema.h"

/* When a signal is active. A group is the operands of one cycle, a sum one or more groups. */
typedef enum rs_unit_when {
    RS_UNIT_ALWAYS,
    RS_UNIT_OPERANDS, /* with every group */
    RS_UNIT_FIRST,    /* with the first group of a sum */
    RS_UNIT_LAST,     /* with the last one */
    RS_UNIT_BEFORE,   /* in a cycle of its own before the first */
    RS_UNIT_WHENS
} rs_unit_when;

typedef enum rs_unit_wait { RS_UNIT_WAIT_AUTO, RS_UNIT_WAIT_NEVER, RS_UNIT_WAIT_SUM, RS_UNIT_WAIT_GROUP } rs_unit_wait;
typedef enum rs_unit_valid {
    RS_UNIT_VALID_HIGH,
    RS_UNIT_VALID_LOW,
    RS_UNIT_VALID_RISES,
    RS_UNIT_VALID_FALLS
} rs_unit_valid;
typedef enum rs_unit_each { RS_UNIT_EACH_AUTO, RS_UNIT_EACH, RS_UNIT_LAST_ONLY } rs_unit_each;
typedef enum rs_unit_edge { RS_UNIT_EDGE_RISING, RS_UNIT_EDGE_FALLING } rs_unit_edge;
typedef enum rs_unit_order { RS_UNIT_LOW_FIRST, RS_UNIT_HIGH_FIRST } rs_unit_order;

enum { RS_UNIT_MAX_PRODUCTS = 256, RS_UNIT_MAX_BITS = 24 /* of operands */, RS_UNIT_MAX_DELAY = 63, RS_UNIT_AUTO = -1 };
enum { RS_UNIT_WIDTH = INT_MIN /* a limit of a range: what the width gives */ };

typedef struct rs_unit_word {
    char *text;
} rs_unit_word;

typedef struct rs_unit_parameter {
    char *name, *value;
} rs_unit_parameter;

typedef struct rs_unit_signal {
    char *port;
    rs_unit_when when;
    int delay;
    int64_t value, otherwise;
} rs_unit_signal;

/* Words that go in. port "": the unit has none. */
typedef struct rs_unit_input {
    char *port; /* "{}" in it stands for the number of the element: ports a0, a1, ... */
    int bits;   /* of one element; 0: the port's width, divided by the elements in it */
    bool is_signed;
    int delay; /* cycles after the group's other operands */
    rs_unit_order order;
    rs_unit_when when; /* bias: FIRST, BEFORE or ALWAYS */
    int min, max;      /* of a value, or RS_UNIT_WIDTH; activations and weights only */
} rs_unit_input;

/* Words that come out. */
typedef struct rs_unit_output {
    char *port;
    int bits;
    bool is_signed;
    int latency; /* cycles after the group's operands; RS_UNIT_AUTO: valid says it */
    char *valid;
    rs_unit_valid valid_when;
    char *ready; /* input of the unit: the result is taken */
    rs_unit_each each;
} rs_unit_output;

typedef struct rs_unit_config {
    rs_schema_file file;
    char *name;
    bool is_trusted; /* not a key: whoever runs it says so */
    /* design: */
    char *top, *language, *code;
    rs_unit_word *sources, *include, *defines;
    size_t n_sources, n_include, n_defines;
    rs_unit_parameter *parameters;
    size_t n_parameters;
    /* clock: */
    char *clock, *reset, *clock_enable;
    rs_unit_edge clock_edge;
    int reset_value, reset_cycles;
    /* signals: */
    rs_unit_signal *signals;
    size_t n_signals;
    /* unit: */
    int products, groups /* of every sum; 0: any number */, interval, idle_percent, timeout;
    bool accumulates, hold;
    char *operands_ready;
    int ready_value;
    rs_unit_wait wait;
    rs_overflow overflow;
    int product_shift;
    rs_rounding product_rounding;
    /* operands and results */
    rs_unit_input activations, weights, bias, addend;
    rs_unit_output sum, output;
    /* requantize: */
    char *shift_port, *relu_port;
    int shift, shift_delay;
    bool relu;
    rs_rounding rounding;
    rs_overflow output_overflow;
} rs_unit_config;

extern const rs_schema rs_unit_schema[];

/* RS_BAD_INPUT, with the place of everything that is wrong. */
rs_status rs_unit_config_read(const char *path, rs_unit_config **config, rs_diag *diag);
void rs_unit_config_free(rs_unit_config *config);
/* The place of a key such as "sum.port"; of the file if it is not given. */
rs_loc rs_unit_config_place(const rs_unit_config *config, const char *key);

#endif
