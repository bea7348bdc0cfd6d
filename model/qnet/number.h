/* The kinds of numbers that a tensor or a layer's weights can have, behind one type. */
#ifndef RISTRETTO_QNET_NUMBER_H
#define RISTRETTO_QNET_NUMBER_H

#include "fxp/fxp.h"
#include "fxp/minifloat.h"
#include "fxp/power2.h"

/* How an integer stands for a number. The integer is what all engines compute with, whatever the kind is. */
typedef enum rs_number {
    RS_NUMBER_FIXED,     /* arithmetic.md section 1: q * 2^-fl */
    RS_NUMBER_MINIFLOAT, /* section 10: signed codes */
    RS_NUMBER_POWER2,    /* section 11: 0 and +-2^i, which are q * 2^-fl with fl = -min_exponent; weights only */
    RS_NUMBERS
} rs_number;
/* "fixed_point", "minifloat", "power_of_two" */
const char *rs_number_name(rs_number number);

/* One of them with its format; fixed.bits == 0: none, the values are float. */
typedef struct rs_number_format {
    rs_number number;
    rs_fxp fixed;           /* power of two: rs_power2_fxp; minifloat: all bits, fl 0 */
    rs_minifloat minifloat; /* RS_NUMBER_MINIFLOAT only */
    rs_power2 power2;       /* RS_NUMBER_POWER2 only */
} rs_number_format;

rs_number_format rs_number_of_fxp(rs_fxp format);
rs_number_format rs_number_of_minifloat(rs_minifloat format);
rs_number_format rs_number_of_power2(rs_power2 format);
bool rs_number_equal(rs_number_format a, rs_number_format b);
/* Bits that a value takes in memory. */
int rs_number_bits(rs_number_format format);

/* The mode in which weights, biases and the input are rounded, whatever that of requantize is. */
rs_rounding rs_number_nearest(rs_number_format format);

/* Float emulation (arithmetic.md section 8), in place. Powers of two round to nearest unless mode is stochastic. */
void rs_number_emulate(float *x, size_t n, rs_number_format format, rs_rounding mode, uint64_t seed, uint64_t stream);
/* The integers of n values, rounded to nearest: q of fixed point and powers of two, signed codes of minifloat. */
void rs_number_quantize_array(const float *x, size_t n, rs_number_format format, int32_t *integers);
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
/* Section 4 for fixed point and powers of two, whose RS_BIAS_WEIGHTS makes the bias a power of two as well: the integer
 * at fl_in + the weights' fl. */
int64_t rs_number_bias(double bias, rs_bias_rule rule, rs_number_format weights, int fl_in);
/* Section 10 for minifloat weights: the fractional length of the biases of a layer, at most fl_acc. */
int rs_number_bias_fl(const float *bias, size_t n, int fl_acc);

/* Sum of the squared errors of the n values in this format, rounded to nearest. */
double rs_number_squared_error(const float *x, size_t n, rs_number_format format);

#endif
