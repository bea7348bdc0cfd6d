/* Minifloats: sign, exponent and mantissa in at most 16 bits. The rules are those of docs/arithmetic.md section 10. */
#ifndef RISTRETTO_FXP_MINIFLOAT_H
#define RISTRETTO_FXP_MINIFLOAT_H

#include "fxp/fxp.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Which codes are no numbers. The numbers are those of the RTL parameter SPECIAL. */
typedef enum rs_minifloat_special {
    RS_MINIFLOAT_FINITE = 0, /* none */
    RS_MINIFLOAT_NAN = 1,    /* exponent and mantissa all ones: NaN (OCP FP8 E4M3) */
    RS_MINIFLOAT_IEEE = 2    /* exponent all ones: infinity (mantissa 0) and NaN, as in IEEE 754 */
} rs_minifloat_special;

typedef struct rs_minifloat {
    int exponent_bits; /* 1 to 8 */
    int mantissa_bits; /* 0 to 10; 1 + exponent_bits + mantissa_bits <= 16 */
    int bias;          /* a number with exponent field E lies in [2^(E - bias), 2^(E - bias + 1)); -64 to 127 */
    bool subnormals;   /* exponent field 0 has no hidden one; false: it has, and only the code 0 is zero */
    rs_minifloat_special special;
} rs_minifloat;

enum { RS_MINIFLOAT_MAX_BITS = 16 };

/* The format of Gysel's Ristretto: no subnormals, no infinity or NaN, every exponent used, bias 2^(e-1) - 1. */
rs_minifloat rs_minifloat_plain(int exponent_bits, int mantissa_bits);
/* Formats that standards name: "e4m3", ..., "binary16". */
extern const rs_word rs_minifloat_words[];
/* One of rs_minifloat_words, or "E:K" such as "4:3" for rs_minifloat_plain. False: none of them. */
bool rs_minifloat_parse(const char *text, rs_minifloat *format);
/* The name that rs_minifloat_parse takes, into `buffer` (as much as fits); "?" for a format that has none. */
const char *rs_minifloat_name(rs_minifloat format, char *buffer, size_t size);
/* Within the limits that are stated above. */
bool rs_minifloat_legal(rs_minifloat format);
bool rs_minifloat_equal(rs_minifloat a, rs_minifloat b);

static inline int rs_minifloat_bits(rs_minifloat f)
{
    return 1 + f.exponent_bits + f.mantissa_bits;
}
/* The sign's place in a code, and the code of the largest number. */
static inline uint32_t rs_minifloat_sign(rs_minifloat f)
{
    return UINT32_C(1) << (f.exponent_bits + f.mantissa_bits);
}
static inline uint32_t rs_minifloat_max_code(rs_minifloat f)
{
    const uint32_t all = rs_minifloat_sign(f) - 1;
    return f.special == RS_MINIFLOAT_FINITE ? all
           : f.special == RS_MINIFLOAT_NAN  ? all - 1
                                            : all - (UINT32_C(1) << f.mantissa_bits);
}

/* The fractional length at which every number of the format is an integer, and bits of the largest such integer's
 * magnitude. Products of two formats are exact integers at the sum of their fractional lengths. */
int rs_minifloat_fl(rs_minifloat format);
int rs_minifloat_integer_bits(rs_minifloat format);
/* value = *significand * 2^exponent of a code that is a number; the sign is the significand's. Both are 0 for zero.
 * |significand| < 2^(mantissa_bits + 1). */
int rs_minifloat_significand(uint32_t code, rs_minifloat format, int32_t *significand);
/* The value of a code: exact in double; infinity or NaN for codes that are no numbers. */
double rs_minifloat_value(uint32_t code, rs_minifloat format);

/* Quantize: the code of the nearest number by `mode`; beyond the largest number: that number, counted as one
 * saturation. Zero always has the sign 0. x must not be NaN (the result is then a code of the format). `random` as in
 * rs_fxp_quantize. */
uint32_t rs_minifloat_quantize(double x, rs_minifloat format, rs_rounding mode, uint64_t random, uint64_t *saturations);
/* The same for sum * 2^-fl, after ReLU if asked; deterministic modes. fl: any that keeps 2^-fl within +-2^1000. */
uint32_t rs_minifloat_requantize(int64_t sum, int fl, bool relu, rs_minifloat format, rs_rounding mode,
                                 uint64_t *saturations);

/* A two's complement fixed-point sum that holds every sum of 2^31 products of two minifloats of any legal format. */
enum { RS_WIDE_LIMBS = 12 };
typedef struct rs_wide {
    uint64_t limb[RS_WIDE_LIMBS]; /* least significant first */
} rs_wide;
/* sum += v * 2^shift, shift from 0 to 64 * RS_WIDE_LIMBS - 64. */
void rs_wide_add(rs_wide *sum, int64_t v, int shift);
/* rs_minifloat_requantize of a wide sum. */
uint32_t rs_minifloat_requantize_wide(const rs_wide *sum, int fl, bool relu, rs_minifloat format, rs_rounding mode,
                                      uint64_t *saturations);

/* Float emulation of an array, in place: the value of rs_minifloat_quantize, exact in binary32. Stochastic rounding
 * draws word i from (seed, stream, i). */
void rs_minifloat_emulate_array(float *x, size_t n, rs_minifloat format, rs_rounding mode, uint64_t seed,
                                uint64_t stream);
/* The fewest exponent bits, at least `min`, with which the plain format holds a number of the binade of `a` (finite,
 * >= 0); at most 8. */
int rs_minifloat_exponent_bits_for_range(double a, int min);

#ifdef __cplusplus
}
#endif
#endif
