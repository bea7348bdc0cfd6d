/* Weights that are powers of two, kept as integers at fl = -min_exponent: arithmetic.md section 11. */
#include <stdio.h>

#include "qnet/json.h"

rs_number_format rs_number_of_power2(rs_power2 format)
{
    const rs_fxp integers = rs_power2_fxp(format);
    return (
        rs_number_format) { .number = RS_NUMBER_POWER2, .bits = integers.bits, .fl = integers.fl, .power2 = format };
}

static bool legal(const rs_number_format *f, char *flaw, size_t size)
{
    const rs_fxp integers = rs_power2_fxp(f->power2);
    if (rs_power2_legal(f->power2) && f->bits == integers.bits && f->fl == integers.fl)
        return true;
    snprintf(flaw, size, "illegal exponents from %d to %d, or other bits than they need", f->power2.min_exponent,
             f->power2.max_exponent);
    return false;
}

static bool equal(const rs_number_format *a, const rs_number_format *b)
{
    return a->power2.min_exponent == b->power2.min_exponent && a->power2.max_exponent == b->power2.max_exponent &&
           a->power2.zero == b->power2.zero;
}

static int bits(const rs_number_format *f)
{
    return rs_power2_bits(f->power2);
}

static int64_t max(const rs_number_format *f)
{
    return INT64_C(1) << (f->power2.max_exponent - f->power2.min_exponent);
}

static int64_t min(const rs_number_format *f)
{
    return -max(f);
}

static bool holds(const rs_number_format *f, int32_t integer)
{
    uint32_t code;
    return rs_power2_code(integer, f->power2, &code);
}

static double value(const rs_number_format *f, int32_t integer)
{
    return rs_fxp_value(integer, f->fl);
}

static int32_t quantize(const rs_number_format *f, double x, rs_rounding mode, uint64_t *saturations)
{
    (void)mode; /* there are no ties, and no other mode than nearest */
    return rs_power2_integer(rs_power2_quantize(x, f->power2, saturations), f->power2);
}

static void quantize_array(const rs_number_format *f, const float *x, size_t n, int32_t *integers,
                           uint64_t *saturations)
{
    rs_power2_quantize_array(x, n, f->power2, integers, saturations);
}

static void emulate(const rs_number_format *f, float *x, size_t n, rs_rounding mode, uint64_t seed, uint64_t stream)
{
    if (mode == RS_ROUND_STOCHASTIC)
        rs_power2_emulate_stochastic(x, n, f->power2, seed, stream);
    else
        rs_power2_emulate_array(x, n, f->power2);
}

static int bias_fl(const rs_number_format *f, const rs_number_format *in, const float *bias, size_t n)
{
    (void)f;
    (void)in;
    (void)bias;
    (void)n;
    return 0;
}

/* RS_BIAS_WEIGHTS makes the bias a power of two as well. */
static int64_t bias(const rs_number_format *f, const rs_number_format *in, int fl, double b, rs_bias_rule rule,
                    uint64_t *saturations)
{
    (void)fl;
    if (rule == RS_BIAS_WEIGHTS) {
        b = rs_power2_value(rs_power2_quantize(b, f->power2, saturations), f->power2);
        rule = RS_BIAS_ACCUMULATOR;
    }
    return rs_fxp_bias(b, rule, rs_number_fxp(*f), in->fl, RS_ROUND_NEAREST, saturations);
}

static void write(rs_qnet_writer *w, json_t *object, const char *prefix, const rs_number_format *f)
{
    (void)prefix; /* only weights have it */
    rs_qnet_put_pair(w, object, "exponents", f->power2.min_exponent, f->power2.max_exponent);
    rs_qnet_put(w, object, "zero_code", json_boolean(f->power2.zero));
}

static void read(rs_qnet_reader *r, const json_t *object, const char *where, const char *prefix, rs_number_format *f)
{
    (void)prefix;
    const json_t *value = rs_qnet_get(r, object, where, "exponents", JSON_ARRAY, "an array of two integers");
    const json_t *a = json_array_get(value, 0), *b = json_array_get(value, 1);
    const json_int_t lo = json_integer_value(a), hi = json_integer_value(b);
    if (!value)
        return;
    if (json_array_size(value) != 2 || !json_is_integer(a) || !json_is_integer(b) || lo < RS_FL_MIN || hi > RS_FL_MAX ||
        lo > hi || hi - lo > RS_POWER2_MAX_RANGE) {
        RS_QNET_MISREAD(r, NULL,
                        "%s: 'exponents' must be two integers from %d to %d, the first at most %d below the second",
                        where, RS_FL_MIN, RS_FL_MAX, RS_POWER2_MAX_RANGE);
        return;
    }
    f->power2 = (rs_power2) { (int)lo, (int)hi, rs_qnet_get_boolean(r, object, where, "zero_code") };
}

static void text(const rs_number_format *f, bool is_unsigned, bool by_channel, char *to, size_t size)
{
    (void)is_unsigned;
    (void)by_channel;
    snprintf(to, size, "2^%d to 2^%d%s", f->power2.min_exponent, f->power2.max_exponent,
             f->power2.zero ? " and 0" : "");
}

const rs_number_ops rs_number_power2 = { .name = "power_of_two",
                                         .word = "power_of_two",
                                         .weights_only = true,
                                         .nearest = RS_ROUND_NEAREST,
                                         .aligned_bias = true,
                                         .legal = legal,
                                         .equal = equal,
                                         .bits = bits,
                                         .min = min,
                                         .max = max,
                                         .holds = holds,
                                         .holds_only = ", powers of two only",
                                         .value = value,
                                         .quantize = quantize,
                                         .quantize_array = quantize_array,
                                         .emulate = emulate,
                                         .bias_fl = bias_fl,
                                         .bias = bias,
                                         .write = write,
                                         .read = read,
                                         .text = text };
