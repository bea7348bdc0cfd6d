/* The parts of a unit under test. Private to sim/foreign/: open.c (its model), ports.c (what its adapter's keys name),
 * pins.c (words at the ports), expect.c (what should come), run.c (the cycles), guess.c (what may be wrong, by the
 * numbers), trial.c (the same, by other runs), warnings.c (Verilator's). */
#ifndef RISTRETTO_FOREIGN_UNIT_PRIVATE_H
#define RISTRETTO_FOREIGN_UNIT_PRIVATE_H

#include "foreign/shim/unit_shim.h"
#include "foreign/unit.h"
#include "verilate/wave.h"
#include "verilate/words.h"

enum {
    RS_UNIT_NONE = -1, /* no port */
    RS_UNIT_HISTORY = RS_UNIT_MAX_DELAY + 1,
    RS_UNIT_FAR = 8 /* cycles in which the right result is looked for, before and after a wrong one */
};

/* What a key names: a port of the module, or some bits of one. Everywhere below ports are numbers of these; the first
 * are the module's own, in their order. */
typedef struct rs_unit_place {
    int port, low, bits, elements;
} rs_unit_place;

/* An input word of n elements at the unit's ports. */
typedef struct rs_unit_operand {
    int n, n_ports;
    int port[RS_UNIT_MAX_PRODUCTS];
    int elements;  /* of an unpacked array; 0: none */
    int slot_bits; /* of one element at its port */
    int bits;      /* of its value */
    const rs_unit_input *config;
} rs_unit_operand;

/* A result at the unit's ports. */
typedef struct rs_unit_result_port {
    int port, valid, ready, bits, port_bits;
    const rs_unit_output *config;
    const char *name;
    bool each;
} rs_unit_result_port;

struct rs_unit {
    const rs_unit_config *config;
    rs_model *model;
    const rs_unit_shim_functions *functions;
    rs_unit_shim *shim;
    rs_wave_output *wave; /* NULL: none */
    rs_unit_place *places;
    int n_places;
    uint8_t *bytes; /* room for the widest port */
    int clock, reset, enable, operands_ready, shift, relu;
    int *signals; /* by config->signals */
    rs_unit_operand activations, weights, bias, addend;
    rs_unit_result_port results[2]; /* sum, output */
    rs_unit_ranges ranges;
    bool has_enable_signal, has_before;
    int shift_delay;
};

/* What is given to the unit in one cycle. */
typedef struct rs_unit_slot {
    bool operands, first, last, before;
    const rs_unit_sum *sum; /* that it belongs to; NULL: none */
    int group;
    int64_t addend;
} rs_unit_slot;

/* A result that has not come yet. */
typedef struct rs_unit_pending {
    const rs_unit_sum *sum;
    int64_t number;
    int group;
    uint64_t given, due; /* cycle of the operands; in which it is expected, if that is known */
    int64_t before, value;
} rs_unit_pending;

typedef struct rs_unit_queue {
    rs_unit_pending *items; /* ring */
    size_t capacity, head, n;
    bool was_valid;
    int64_t seen[RS_UNIT_HISTORY]; /* at the port, of a result without `valid` */
} rs_unit_queue;

/* A unit while vectors run through it. */
typedef struct rs_unit_bench {
    rs_unit *unit;
    const rs_unit_vectors *vectors;
    uint64_t seed, random;
    int64_t keep_going;
    uint64_t cycle, clocks, next_group, tail, waiting;
    int64_t sum; /* the next to be given */
    int group;
    int64_t acc; /* the exact rule's accumulator */
    bool before_done;
    rs_unit_slot history[RS_UNIT_HISTORY];
    rs_unit_slot held;
    rs_unit_queue queues[2];
    rs_unit_result *result;
    bool guessing;  /* nothing is compared any more */
    int64_t *words; /* of one group, as they are encoded: [products] */
} rs_unit_bench;

/* open.c: one more instance of a model that is there, and the end of it with what rs_unit_connect made. */
rs_status rs_unit_open_shim(rs_unit *u, uint64_t seed, const rs_wave *wave, rs_diag *diag);
void rs_unit_close_shim(rs_unit *u);

/* warnings.c: what Verilator warns of with these arguments, as warnings; at most 20, followed by how many more. */
void rs_unit_show_warnings(const rs_words *lint, rs_diag *diag);

/* ports.c: finds the ports that the adapter names, and what follows from their widths. RS_BAD_INPUT: what does not fit,
 * each at its place. */
rs_status rs_unit_connect(rs_unit *u, rs_diag *diag);

/* unit_vectors.c: a sum of so many groups, its operands zero. NULL: no memory. */
rs_unit_sum *rs_unit_add_sum(rs_unit_vectors *v, const char *layer, int groups, int32_t **activations,
                             int32_t **weights);

/* pins.c. Random numbers of the bench; true in so many of 100 cases. */
uint64_t rs_unit_draw(rs_unit_bench *e);
bool rs_unit_chance(rs_unit_bench *e, int percent);
/* A word at a port, or at some bits of one. */
void rs_unit_set(const rs_unit *u, int port, int element, uint64_t word);
uint64_t rs_unit_get(const rs_unit *u, int port);
/* Elements of an operand; what: as in the shim's `encode`; words NULL: anything. */
void rs_unit_set_operand(rs_unit_bench *e, const rs_unit_operand *in, int what, const int64_t *words);
/* The number at a result's port. kind: 0 sum, 1 output, here and below. */
int64_t rs_unit_value(const rs_unit_bench *e, int kind);

/* expect.c. A sum in the unit's width. */
int64_t rs_unit_limit(int64_t v, int bits, bool is_signed, rs_overflow overflow);
int64_t rs_unit_product(const rs_unit_config *c, int64_t a, int64_t w);
int64_t rs_unit_group_sum(const rs_unit *u, const rs_unit_sum *sum, int group);
int64_t rs_unit_requantized(const rs_unit *u, const rs_unit_sum *sum, int64_t acc);
/* A group has been given: what it leads to is queued. False: no memory. */
bool rs_unit_expect(rs_unit_bench *e, const rs_unit_slot *s);

/* guess.c: fills the mismatch of a result that is not what was expected, and guesses why. p: NULL if none was expected.
 * RS_MISMATCH: the run ends here; RS_OK: it goes on. */
rs_status rs_unit_differs(rs_unit_bench *e, rs_divergence what, int kind, const rs_unit_pending *p, int64_t got,
                          uint64_t off);
/* One more thing that may be wrong. */
void rs_unit_suggest(rs_unit_mismatch *m, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
