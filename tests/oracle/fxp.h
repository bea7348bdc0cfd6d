/* The rules of docs/arithmetic.md a second time, with the integers and rationals of GMP: slow and obvious. Shares no
 * code with model/; takes its types only. Results come back as int64_t, which every legal result fits. */
#ifndef RISTRETTO_TESTS_ORACLE_FXP_H
#define RISTRETTO_TESTS_ORACLE_FXP_H

#include <gmp.h>

#include "fxp/fxp.h"
#include "qnet/qnet.h"

/* Section 2. u: the number that stochastic rounding adds; not looked at otherwise. */
void rs_oracle_round(mpz_t rounded, const mpq_t y, rs_rounding mode, const mpq_t u);
int64_t rs_oracle_saturate(const mpz_t v, int bits, uint64_t *saturations);
int64_t rs_oracle_wrap(int64_t v, int bits);
int64_t rs_oracle_quantize(double x, int bits, int fl, rs_rounding mode, uint64_t random, uint64_t *saturations);
int64_t rs_oracle_shift_round(int64_t v, int shift, rs_rounding mode, uint64_t random);
int64_t rs_oracle_requantize(const mpz_t sum, bool relu, int shift, int bits, rs_rounding mode, uint64_t random,
                             uint64_t *saturations);
int rs_oracle_fl_for_range(double a, int bits);
int rs_oracle_bits_for_bound(int64_t bound);
/* Section 4 as written; the caller keeps within what int64_t holds. */
int64_t rs_oracle_bias(double b, rs_bias_rule rule, int bits, int fl_w, int fl_in, rs_rounding mode,
                       uint64_t *saturations);
/* q * 2^-fl as a double, if that is exact. */
double rs_oracle_value(int64_t q, int fl);

/* Sections 3, 5, 6, 7: one image through a whole quantized network. tensors[i] receives every integer of tensor i,
 * CHW; saturations[i] is increased by those of op i. The pixel table is computed again from the network's scale and
 * mean. */
void rs_oracle_qnet_run(const rs_qnet *qnet, const uint8_t *pixels, int32_t *const *tensors, uint64_t *saturations);

/* Section 10: the same for a network of minifloats without LRN. */
void rs_oracle_minifloat_net_run(const rs_qnet *qnet, const uint8_t *pixels, int32_t *const *tensors,
                                 uint64_t *saturations);
/* Section 11: a sum of products with powers of two, by doubling, adding and subtracting. */
int64_t rs_oracle_shift_sum(const rs_qnet *qnet, const rs_qop *op, const int32_t *data, int o, int oy, int ox);

/* Section 3: the largest magnitude of any sum of an op, taken from its weights and biases. */
void rs_oracle_qop_bound(const rs_qnet *qnet, int op, mpz_t bound);

/* Section 6: is the image right among the top k, and is it wrong only because of ties? */
bool rs_oracle_hit(const int32_t *scores, int classes, int label, int top_k, bool *tie);

#endif
