/* Minifloats and powers of two a second time, on GMP's rationals: a list of all numbers of the format in their order,
 * and a search in it. Shares no code with model/; takes its types only. */
#ifndef RISTRETTO_TESTS_ORACLE_FORMATS_H
#define RISTRETTO_TESTS_ORACLE_FORMATS_H

#include <gmp.h>

#include "fxp/minifloat.h"
#include "fxp/power2.h"

/* The numbers of codes 0, 1, ..., n - 1, and as number n what would come next. */
typedef struct rs_oracle_minifloat {
    rs_minifloat format;
    uint32_t n;
    mpq_t *numbers;
} rs_oracle_minifloat;
void rs_oracle_minifloat_init(rs_oracle_minifloat *o, rs_minifloat format);
void rs_oracle_minifloat_clear(rs_oracle_minifloat *o);

/* Section 10. x: any rational. */
uint32_t rs_oracle_minifloat_round(const rs_oracle_minifloat *o, const mpq_t x, rs_rounding mode, uint64_t random,
                                   uint64_t *saturations);
/* x: finite or infinite. */
uint32_t rs_oracle_minifloat_quantize(const rs_oracle_minifloat *o, double x, rs_rounding mode, uint64_t random,
                                      uint64_t *saturations);
/* sum * 2^-fl behind a ReLU if asked. */
uint32_t rs_oracle_minifloat_requantize(const rs_oracle_minifloat *o, const mpz_t sum, int fl, bool relu,
                                        rs_rounding mode, uint64_t *saturations);
/* The number of a code, sign included. */
void rs_oracle_minifloat_number(const rs_oracle_minifloat *o, uint32_t code, mpq_t number);

/* Section 11: the weight that x becomes. */
double rs_oracle_power2(double x, rs_power2 format);

#endif
