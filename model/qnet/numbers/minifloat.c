/* Minifloats, kept as signed codes: arithmetic.md section 10. */
#include <math.h>
#include <stdio.h>

#include "qnet/json.h"

rs_number_format rs_number_of_minifloat(rs_minifloat format)
{
    return (rs_number_format) { .number = RS_NUMBER_MINIFLOAT, .bits = rs_minifloat_bits(format), .minifloat = format };
}

static bool legal(const rs_number_format *f, char *flaw, size_t size)
{
    if (rs_minifloat_legal(f->minifloat) && f->bits == rs_minifloat_bits(f->minifloat) && f->fl == 0)
        return true;
    snprintf(flaw, size, "an illegal minifloat of %d exponent and %d mantissa bits, or other bits than it",
             f->minifloat.exponent_bits, f->minifloat.mantissa_bits);
    return false;
}

static bool equal(const rs_number_format *a, const rs_number_format *b)
{
    return rs_minifloat_equal(a->minifloat, b->minifloat);
}

static int bits(const rs_number_format *f)
{
    return f->bits;
}

static int64_t max(const rs_number_format *f)
{
    return (int64_t)rs_minifloat_max_code(f->minifloat);
}

static int64_t min(const rs_number_format *f)
{
    return -max(f);
}

static double value(const rs_number_format *f, int32_t integer)
{
    return rs_minifloat_value(rs_number_code(integer, f->minifloat), f->minifloat);
}

static int32_t quantize(const rs_number_format *f, double x, rs_rounding mode, uint64_t *saturations)
{
    return rs_number_of_code(rs_minifloat_quantize(x, f->minifloat, mode, 0, saturations), f->minifloat);
}

static void quantize_array(const rs_number_format *f, const float *x, size_t n, int32_t *integers,
                           uint64_t *saturations)
{
    for (size_t i = 0; i < n; i++)
        integers[i] = quantize(f, (double)x[i], RS_ROUND_NEAREST_EVEN, saturations);
}

static void emulate(const rs_number_format *f, float *x, size_t n, rs_rounding mode, uint64_t seed, uint64_t stream)
{
    rs_minifloat_emulate_array(x, n, f->minifloat, mode, seed, stream);
}

/* At most that of the sums. */
static int bias_fl(const rs_number_format *f, const rs_number_format *in, const float *bias, size_t n)
{
    const int fl_acc = rs_minifloat_fl(f->minifloat) + rs_minifloat_fl(in->minifloat);
    double largest = 0;
    for (size_t i = 0; bias != NULL && i < n; i++)
        largest = fmax(largest, fabs((double)bias[i]));
    /* One step shorter than what the range asks for: the positive extreme must not saturate. */
    const int fl = largest > 0 ? rs_fxp_fl_for_range(largest, 32) - 1 : RS_FL_MAX;
    return fl < fl_acc ? fl : fl_acc;
}

static int64_t bias(const rs_number_format *f, const rs_number_format *in, int fl, double b, rs_bias_rule rule,
                    uint64_t *saturations)
{
    (void)in;
    if (rule == RS_BIAS_WEIGHTS)
        b = value(f, quantize(f, b, RS_ROUND_NEAREST_EVEN, saturations));
    return rs_fxp_quantize(b, (rs_fxp) { 32, fl }, RS_ROUND_NEAREST, 0, saturations);
}

static const char *const special_words[] = { "none", "nan", "ieee" };

static void write(rs_qnet_writer *w, json_t *object, const char *prefix, const rs_number_format *format)
{
    const rs_minifloat f = format->minifloat;
    char key[32];
    snprintf(key, sizeof key, "%sminifloat", prefix);
    rs_qnet_put(w, object, key,
                json_pack("{s:i, s:i, s:i, s:b, s:s}", "exponent_bits", f.exponent_bits, "mantissa_bits",
                          f.mantissa_bits, "bias", f.bias, "subnormals", f.subnormals, "special",
                          special_words[f.special]));
}

static void read(rs_qnet_reader *r, const json_t *object, const char *where, const char *prefix,
                 rs_number_format *format)
{
    static const char *const keys[] = { "exponent_bits", "mantissa_bits", "bias", "subnormals", "special" };
    rs_minifloat *f = &format->minifloat;
    char key[32];
    snprintf(key, sizeof key, "%sminifloat", prefix);
    const json_t *own = rs_qnet_get(r, object, where, key, JSON_OBJECT, "an object");
    if (!own)
        return;
    rs_qnet_check_keys(r, own, where, keys, sizeof keys / sizeof *keys);
    f->exponent_bits = rs_qnet_get_integer(r, own, where, "exponent_bits", 1, 8);
    f->mantissa_bits = rs_qnet_get_integer(r, own, where, "mantissa_bits", 0, 10);
    f->bias = rs_qnet_get_integer(r, own, where, "bias", -64, 127);
    f->subnormals = rs_qnet_get_boolean(r, own, where, "subnormals");
    f->special = (rs_minifloat_special)rs_qnet_get_choice(r, own, where, "special", special_words, 3);
    if (r->status == RS_OK && !rs_minifloat_legal(*f))
        RS_QNET_MISREAD(r, NULL, "%s: '%s' is a format of %d bits, expected at most %d, and a number besides zero",
                        where, key, rs_minifloat_bits(*f), RS_MINIFLOAT_MAX_BITS);
}

static void text(const rs_number_format *f, bool is_unsigned, bool by_channel, char *to, size_t size)
{
    (void)is_unsigned;
    (void)by_channel;
    rs_minifloat_name(f->minifloat, to, size);
}

const rs_number_ops rs_number_minifloat = { .name = "minifloat",
                                            .word = "minifloat",
                                            .nearest = RS_ROUND_NEAREST_EVEN,
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
                                            .write = write,
                                            .read = read,
                                            .text = text };
