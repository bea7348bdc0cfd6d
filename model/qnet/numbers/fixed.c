/* Dynamic fixed point: arithmetic.md section 1. */
#include <stdio.h>

#include "qnet/number.h"

rs_number_format rs_number_of_fxp(rs_fxp format)
{
    return (rs_number_format) { .number = RS_NUMBER_FIXED, .bits = format.bits, .fl = format.fl };
}

/* Widths and fractional lengths have limits that depend on what has the format. */
static bool legal(const rs_number_format *f, char *flaw, size_t size)
{
    (void)f;
    (void)flaw;
    (void)size;
    return true;
}

static bool equal(const rs_number_format *a, const rs_number_format *b)
{
    return a->fl == b->fl;
}

static int bits(const rs_number_format *f)
{
    return f->bits;
}

static int64_t min(const rs_number_format *f)
{
    return rs_fxp_min(f->bits);
}

static int64_t max(const rs_number_format *f)
{
    return rs_fxp_max(f->bits);
}

static double value(const rs_number_format *f, int32_t integer)
{
    return rs_fxp_value(integer, f->fl);
}

static int32_t quantize(const rs_number_format *f, double x, rs_rounding mode, uint64_t *saturations)
{
    return rs_fxp_quantize(x, rs_number_fxp(*f), mode, 0, saturations);
}

static void quantize_array(const rs_number_format *f, const float *x, size_t n, int32_t *integers,
                           uint64_t *saturations)
{
    rs_fxp_quantize_array(x, n, rs_number_fxp(*f), RS_ROUND_NEAREST, 0, 0, integers, saturations);
}

static void emulate(const rs_number_format *f, float *x, size_t n, rs_rounding mode, uint64_t seed, uint64_t stream)
{
    rs_fxp_emulate_array(x, n, rs_number_fxp(*f), mode, seed, stream);
}

static int bias_fl(const rs_number_format *f, const rs_number_format *in, const float *bias, size_t n)
{
    (void)f;
    (void)in;
    (void)bias;
    (void)n;
    return 0;
}

static int64_t bias(const rs_number_format *f, const rs_number_format *in, int fl, double b, rs_bias_rule rule,
                    uint64_t *saturations)
{
    (void)fl;
    return rs_fxp_bias(b, rule, rs_number_fxp(*f), in->fl, RS_ROUND_NEAREST, saturations);
}

static void text(const rs_number_format *f, bool is_unsigned, bool by_channel, char *to, size_t size)
{
    snprintf(to, size, "%d bits%s, fl %d%s", f->bits, is_unsigned ? " unsigned" : "", f->fl,
             by_channel ? " and more" : "");
}

const rs_number_ops rs_number_fixed = { .name = "fixed_point",
                                        .word = "fixed",
                                        .may_differ = true,
                                        .nearest = RS_ROUND_NEAREST,
                                        .aligned_bias = true,
                                        .legal = legal,
                                        .equal = equal,
                                        .bits = bits,
                                        .min = min,
                                        .max = max,
                                        .value = value,
                                        .quantize = quantize,
                                        .quantize_array = quantize_array,
                                        .emulate = emulate,
                                        .bias_fl = bias_fl,
                                        .bias = bias,
                                        .text = text };
