/* The rules of fixed point on GMP's integers. */
#include "oracle/fxp.h"

#include <math.h>
#include <stdlib.h>

/* 2^e, e of any sign. */
static void power_of_two(mpq_t r, long e)
{
    mpq_set_ui(r, 1, 1);
    if (e >= 0)
        mpq_mul_2exp(r, r, (mp_bitcnt_t)e);
    else
        mpq_div_2exp(r, r, (mp_bitcnt_t)-e);
}

static void floor_of(mpz_t r, const mpq_t y)
{
    mpz_fdiv_q(r, mpq_numref(y), mpq_denref(y));
}

static int64_t to_int64(const mpz_t v)
{
    if (!mpz_fits_slong_p(v))
        abort();
    return mpz_get_si(v);
}

void rs_oracle_round(mpz_t rounded, const mpq_t y, rs_rounding mode, const mpq_t u)
{
    mpq_t half, sum, below, above, rounded_down;
    mpz_t lower;
    mpq_inits(half, sum, below, above, rounded_down, NULL);
    mpz_init(lower);
    mpq_set_ui(half, 1, 2);
    floor_of(lower, y);
    switch (mode) {
    case RS_ROUND_TRUNCATE:
        mpz_set(rounded, lower);
        break;
    case RS_ROUND_NEAREST_UP:
        mpq_add(sum, y, half);
        floor_of(rounded, sum);
        break;
    case RS_ROUND_STOCHASTIC:
        mpq_add(sum, y, u);
        floor_of(rounded, sum);
        break;
    default: {
        /* The two neighbours lower and lower + 1, and the distance to each. */
        mpq_set_z(rounded_down, lower);
        mpq_sub(below, y, rounded_down);
        mpq_set_ui(sum, 1, 1);
        mpq_sub(above, sum, below);
        const int nearer = mpq_cmp(below, above);
        bool up;
        if (nearer != 0)
            up = nearer > 0;
        else if (mode == RS_ROUND_NEAREST)
            up = mpq_sgn(y) > 0; /* away from zero */
        else
            up = mpz_odd_p(lower); /* to the even one */
        mpz_set(rounded, lower);
        if (up)
            mpz_add_ui(rounded, rounded, 1);
    }
    }
    mpq_clears(half, sum, below, above, rounded_down, NULL);
    mpz_clear(lower);
}

int64_t rs_oracle_saturate(const mpz_t v, int bits, uint64_t *saturations)
{
    mpz_t most, least;
    mpz_inits(most, least, NULL);
    mpz_ui_pow_ui(most, 2, (unsigned long)bits - 1);
    mpz_neg(least, most);
    mpz_sub_ui(most, most, 1);
    const bool over = mpz_cmp(v, most) > 0, under = mpz_cmp(v, least) < 0;
    const int64_t r = over ? to_int64(most) : under ? to_int64(least) : to_int64(v);
    if (saturations && (over || under))
        *saturations += 1;
    mpz_clears(most, least, NULL);
    return r;
}

int64_t rs_oracle_wrap(int64_t v, int bits)
{
    mpz_t r, period, half;
    mpz_inits(r, period, half, NULL);
    mpz_ui_pow_ui(period, 2, (unsigned long)bits);
    mpz_ui_pow_ui(half, 2, (unsigned long)bits - 1);
    mpz_set_si(r, v);
    mpz_mod(r, r, period);
    if (mpz_cmp(r, half) >= 0)
        mpz_sub(r, r, period);
    const int64_t result = to_int64(r);
    mpz_clears(r, period, half, NULL);
    return result;
}

int64_t rs_oracle_quantize(double x, int bits, int fl, rs_rounding mode, uint64_t random, uint64_t *saturations)
{
    mpz_t v;
    mpz_init(v);
    if (isinf(x)) { /* larger than every format */
        mpz_ui_pow_ui(v, 2, 100);
        if (x < 0)
            mpz_neg(v, v);
    } else {
        mpq_t y, scale, u;
        mpq_inits(y, scale, u, NULL);
        mpq_set_d(y, x);
        power_of_two(scale, fl);
        mpq_mul(y, y, scale);
        mpq_set_ui(u, random >> 11, 1); /* 53 bits */
        mpq_div_2exp(u, u, 53);
        rs_oracle_round(v, y, mode, u);
        mpq_clears(y, scale, u, NULL);
    }
    const int64_t r = rs_oracle_saturate(v, bits, saturations);
    mpz_clear(v);
    return r;
}

/* v / 2^shift, rounded. */
static void shift_round(mpz_t r, const mpz_t v, int shift, rs_rounding mode, uint64_t random)
{
    mpq_t y, scale, u;
    mpz_t word;
    mpq_inits(y, scale, u, NULL);
    mpz_init(word);
    mpq_set_z(y, v);
    power_of_two(scale, -shift);
    mpq_mul(y, y, scale);
    if (shift > 0) {
        mpz_set_ui(word, random);
        mpz_fdiv_r_2exp(word, word, (mp_bitcnt_t)shift);
        mpq_set_z(u, word);
        mpq_div_2exp(u, u, (mp_bitcnt_t)shift);
    }
    rs_oracle_round(r, y, mode, u);
    mpq_clears(y, scale, u, NULL);
    mpz_clear(word);
}

int64_t rs_oracle_shift_round(int64_t v, int shift, rs_rounding mode, uint64_t random)
{
    mpz_t z;
    mpz_init_set_si(z, v);
    shift_round(z, z, shift, mode, random);
    const int64_t r = to_int64(z);
    mpz_clear(z);
    return r;
}

int64_t rs_oracle_requantize(const mpz_t sum, bool relu, int shift, int bits, rs_rounding mode, uint64_t random,
                             uint64_t *saturations)
{
    mpz_t v;
    mpz_init_set(v, sum);
    if (relu && mpz_sgn(v) < 0)
        mpz_set_ui(v, 0);
    shift_round(v, v, shift, mode, random);
    const int64_t r = rs_oracle_saturate(v, bits, saturations);
    mpz_clear(v);
    return r;
}

int rs_oracle_fl_for_range(double a, int bits)
{
    if (a == 0)
        return bits - 1;
    mpq_t range, limit;
    mpq_inits(range, limit, NULL);
    mpq_set_d(range, a);
    int il = -1200;
    for (;; il++) {
        power_of_two(limit, il - 1);
        if (mpq_cmp(range, limit) <= 0)
            break;
    }
    mpq_clears(range, limit, NULL);
    const int fl = bits - il;
    return fl > 64 ? 64 : fl < -64 ? -64 : fl;
}

int rs_oracle_bits_for_bound(int64_t bound)
{
    mpz_t b, limit;
    mpz_init_set_si(b, bound);
    mpz_init_set_ui(limit, 1);
    int bits = 1;
    for (; mpz_cmp(limit, b) <= 0; bits++)
        mpz_mul_ui(limit, limit, 2);
    mpz_clears(b, limit, NULL);
    return bits;
}

int64_t rs_oracle_bias(double b, rs_bias_rule rule, int bits, int fl_w, int fl_in, rs_rounding mode,
                       uint64_t *saturations)
{
    if (rule == RS_BIAS_ACCUMULATOR)
        return rs_oracle_quantize(b, 48, fl_in + fl_w, mode, 0, saturations);
    mpz_t q;
    mpz_init_set_si(q, rs_oracle_quantize(b, bits, fl_w, mode, 0, saturations));
    shift_round(q, q, -fl_in, mode, 0);
    const int64_t r = to_int64(q);
    mpz_clear(q);
    return r;
}

double rs_oracle_value(int64_t q, int fl)
{
    mpq_t v, scale;
    mpq_inits(v, scale, NULL);
    mpq_set_si(v, q, 1);
    power_of_two(scale, -fl);
    mpq_mul(v, v, scale);
    const double r = mpq_get_d(v);
    mpq_clears(v, scale, NULL);
    return r;
}
