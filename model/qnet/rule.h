/* What is particular to one operation. Each has its rule in ops/, entered in operations.def; everybody else asks the
 * rule. Only model/qnet fills rules in. */
#ifndef RISTRETTO_QNET_RULE_H
#define RISTRETTO_QNET_RULE_H

#include "qnet/qnet.h"

struct json_t;
struct rs_layer;
struct rs_qnet_builder;
struct rs_qnet_checker;
struct rs_qnet_reader;
struct rs_qnet_writer;

/* What an operation has; sets of these. */
enum {
    RS_QOP_WINDOW = 1,      /* kernel, stride and padding, from which the output's sizes follow */
    RS_QOP_POOLS = 2,       /* a window on each map: clipped to it, and its last one may be rounded up */
    RS_QOP_WEIGHTS = 4,     /* weights and biases */
    RS_QOP_RELU_FUSED = 8,  /* a ReLU before requantize, if asked */
    RS_QOP_SUMS = 16,       /* an accumulator and a shift */
    RS_QOP_SEVERAL = 32,    /* up to RS_QOP_MAX_INPUTS inputs; else one */
    RS_QOP_SAME_SIZES = 64, /* the output's sizes are the input's */
    RS_QOP_KEEPS = 128,     /* chooses among integers of its input, whose format the output has */
    RS_QOP_FLAT = 256,      /* does not see how elements lie: takes maps that have been reshaped */
    RS_QOP_HOST = 512       /* the array does not run it */
};

struct rs_qop_rule {
    const char *name; /* in messages: "max pooling" */
    const char *word; /* in qnet.json: "max_pool" */
    int has;
    /* What else must hold before an engine may run it, once sizes and inputs have been checked; NULL: nothing. */
    void (*check)(struct rs_qnet_checker *c, const rs_qop *op);
    /* The largest magnitude of a sum (rs_qop_bound), not of minifloats; NULL: it does not sum. */
    int64_t (*bound)(const rs_qnet *qnet, const rs_qop *op, bool from_weights);
    /* Its own members of qnet.json, after those that several operations have; keys end with NULL. NULL: none. */
    const char *const *keys;
    void (*write)(struct rs_qnet_writer *w, struct json_t *object, const rs_qnet *qnet, int op);
    void (*read)(struct rs_qnet_reader *r, const struct json_t *object, const char *where, const rs_qnet *qnet,
                 rs_qop *op);
    /* The float layer that it is made from. `accepts` (NULL: all of them) says what has no rule and returns false;
     * `build` fills in the op, whose inputs, output and unit window are set, and returns false after an error. */
    bool (*is_of)(const struct rs_layer *layer);
    bool (*accepts)(struct rs_qnet_builder *b, const struct rs_layer *layer);
    bool (*build)(struct rs_qnet_builder *b, const struct rs_layer *layer, rs_qop *op);
    /* Bits and shift of scores as wide as the accumulator (section 5); false: they keep their format. NULL: so do all.
     */
    bool (*widen)(const rs_qnet *qnet, const rs_qop *op, int *bits, int *shift);
};

#define OPERATION(name, word) extern const rs_qop_rule rs_qop_rule_##word;
#include "qnet/operations.def"
#undef OPERATION

#endif
