/* The kinds of numbers that a tensor or a layer's weights can have, behind one type. */
#ifndef RISTRETTO_QNET_NUMBER_H
#define RISTRETTO_QNET_NUMBER_H

#include "fxp/fxp.h"
#include "fxp/minifloat.h"
#include "fxp/power2.h"

/* How an integer stands for a number. The integer is what all engines compute with, whatever the kind is. */
typedef enum rs_number {
#define NUMBER(name, table) RS_NUMBER_##name,
#include "qnet/numbers.def"
#undef NUMBER
    RS_NUMBERS
} rs_number;

/* A kind with its format; bits == 0: none, the values are float. */
typedef struct rs_number_format {
    rs_number number;
    /* Of the integers: those of fixed point, and of powers of two rs_power2_fxp; minifloat: all bits of a code, and 0.
     */
    int bits, fl;
    union {
        rs_minifloat minifloat; /* RS_NUMBER_MINIFLOAT only */
        rs_power2 power2;       /* RS_NUMBER_POWER2 only */
    };
} rs_number_format;

struct json_t;
struct rs_qnet_reader;
struct rs_qnet_writer;

/* What is particular to one kind of numbers; every function takes a format of that kind. */
typedef struct rs_number_ops {
    const char *name;    /* "fixed_point", "minifloat", "power_of_two" */
    const char *word;    /* in qnet.json: "fixed", "minifloat", "power_of_two" */
    bool weights_only;   /* no tensor can have it */
    bool may_differ;     /* a tensor can be unsigned, and output channels of weights differ in fl */
    rs_rounding nearest; /* the mode in which weights, biases and the input are rounded */
    /* Sums lie at fl_in + fl, where a bias is an integer that float emulation knows; false: finer than a float. */
    bool aligned_bias;
    /* Bits, fl and the kind's own fields go together; if not, `flaw` says what is wrong: "illegal ...". */
    bool (*legal)(const rs_number_format *format, char *flaw, size_t size);
    bool (*equal)(const rs_number_format *a, const rs_number_format *b); /* of the same bits */
    int (*bits)(const rs_number_format *format);                         /* that a value takes in memory */
    int64_t (*min)(const rs_number_format *format);                      /* smallest and largest integer, signed */
    int64_t (*max)(const rs_number_format *format);
    /* Whether an integer between them is a number of the format, and what a message says of one that is not: ", powers
     * of two only". NULL: all are. */
    bool (*holds)(const rs_number_format *format, int32_t integer);
    const char *holds_only;
    double (*value)(const rs_number_format *format, int32_t integer);
    int32_t (*quantize)(const rs_number_format *format, double x, rs_rounding mode, uint64_t *saturations);
    void (*quantize_array)(const rs_number_format *format, const float *x, size_t n, int32_t *integers,
                           uint64_t *saturations);
    void (*emulate)(const rs_number_format *format, float *x, size_t n, rs_rounding mode, uint64_t seed,
                    uint64_t stream);
    /* *saturations here and above, unless NULL, is raised by one for each value beyond the format. */
    /* Of weights in this format, with activations of format `in`: the fractional length that n biases (or NULL) are
     * kept with, 0 for the accumulator's; and the integer of one of them. */
    int (*bias_fl)(const rs_number_format *format, const rs_number_format *in, const float *bias, size_t n);
    int64_t (*bias)(const rs_number_format *format, const rs_number_format *in, int bias_fl, double bias,
                    rs_bias_rule rule, uint64_t *saturations);
    /* Members of qnet.json beside bits and fl; `prefix`, "" or "weight_", begins their keys. NULL: none. */
    void (*write)(struct rs_qnet_writer *w, struct json_t *object, const char *prefix, const rs_number_format *format);
    void (*read)(struct rs_qnet_reader *r, const struct json_t *object, const char *where, const char *prefix,
                 rs_number_format *format);
    /* For results: "8 bits, fl 5", "e4m3", "2^-8 to 2^-1 and 0". */
    void (*text)(const rs_number_format *format, bool is_unsigned, bool by_channel, char *text, size_t size);
} rs_number_ops;

#define NUMBER(name, table) extern const rs_number_ops rs_number_##table;
#include "qnet/numbers.def"
#undef NUMBER
extern const rs_number_ops *const rs_number_table[RS_NUMBERS];

static inline const rs_number_ops *rs_number_ops_of(const rs_number_format *format)
{
    return rs_number_table[format->number];
}
/* "fixed_point", "minifloat", "power_of_two"; "?" for others. */
const char *rs_number_name(rs_number number);

rs_number_format rs_number_of_fxp(rs_fxp format);
rs_number_format rs_number_of_minifloat(rs_minifloat format);
rs_number_format rs_number_of_power2(rs_power2 format);
static inline rs_fxp rs_number_fxp(rs_number_format format)
{
    return (rs_fxp) { format.bits, format.fl };
}
bool rs_number_equal(rs_number_format a, rs_number_format b);
/* Bits that a value takes in memory. */
int rs_number_bits(rs_number_format format);

/* The mode in which weights, biases and the input are rounded, whatever that of requantize is. */
rs_rounding rs_number_nearest(rs_number_format format);

/* Float emulation (arithmetic.md section 8), in place. Powers of two round to nearest unless mode is stochastic. */
void rs_number_emulate(float *x, size_t n, rs_number_format format, rs_rounding mode, uint64_t seed, uint64_t stream);
/* The integers of n values, rounded to nearest: q of fixed point and powers of two, signed codes of minifloat. Raises
 * *saturations (may be NULL) by one for each value beyond the format. */
void rs_number_quantize_array(const float *x, size_t n, rs_number_format format, int32_t *integers,
                              uint64_t *saturations);
/* A minifloat's signed code, and back. */
static inline int32_t rs_number_of_code(uint32_t code, rs_minifloat format)
{
    const uint32_t sign = rs_minifloat_sign(format);
    return code & sign ? -(int32_t)(code & (sign - 1)) : (int32_t)code;
}
static inline uint32_t rs_number_code(int32_t integer, rs_minifloat format)
{
    return integer < 0 ? (uint32_t)-integer | rs_minifloat_sign(format) : (uint32_t)integer;
}

/* Sum of the squared errors of the n values in this format, rounded to nearest. */
double rs_number_squared_error(const float *x, size_t n, rs_number_format format);

#endif
