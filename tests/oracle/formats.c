/* Minifloats and powers of two on GMP's rationals. */
#include "oracle/formats.h"

#include <math.h>
#include <stdlib.h>

static void scale(mpq_t v, long e)
{
    if (e >= 0)
        mpq_mul_2exp(v, v, (mp_bitcnt_t)e);
    else
        mpq_div_2exp(v, v, (mp_bitcnt_t)-e);
}

void rs_oracle_minifloat_init(rs_oracle_minifloat *o, rs_minifloat f)
{
    const uint32_t mantissas = UINT32_C(1) << f.mantissa_bits, exponents = UINT32_C(1) << f.exponent_bits;
    o->format = f;
    o->n = mantissas * exponents;
    if (f.special == RS_MINIFLOAT_NAN)
        o->n -= 1;
    if (f.special == RS_MINIFLOAT_IEEE)
        o->n -= mantissas;
    o->numbers = calloc(o->n + 1, sizeof *o->numbers);
    if (o->numbers == NULL)
        abort();
    for (uint32_t code = 0; code <= o->n; code++) {
        const uint32_t field = code / mantissas, fraction = code % mantissas;
        mpq_init(o->numbers[code]);
        if (code == 0)
            continue;
        /* fraction / mantissas, with 1 before it unless subnormal, times 2^(field - bias). */
        const bool subnormal = f.subnormals && field == 0;
        mpq_set_ui(o->numbers[code], fraction + (subnormal ? 0 : mantissas), mantissas);
        mpq_canonicalize(o->numbers[code]);
        scale(o->numbers[code], (subnormal ? 1 : (long)field) - f.bias);
    }
}

void rs_oracle_minifloat_clear(rs_oracle_minifloat *o)
{
    for (uint32_t i = 0; i <= o->n; i++)
        mpq_clear(o->numbers[i]);
    free(o->numbers);
}

uint32_t rs_oracle_minifloat_round(const rs_oracle_minifloat *o, const mpq_t x, rs_rounding mode, uint64_t random,
                                   uint64_t *saturations)
{
    const bool negative = mpq_sgn(x) < 0;
    mpq_t a, low, high, part, u;
    mpq_inits(a, low, high, part, u, NULL);
    mpq_abs(a, x);
    uint32_t code;
    if (mpq_cmp(a, o->numbers[o->n]) >= 0) {
        code = o->n; /* beyond what would come next */
    } else {
        uint32_t least = 0, most = o->n; /* numbers[least] <= a < numbers[most] */
        while (most - least > 1) {
            const uint32_t middle = (least + most) / 2;
            if (mpq_cmp(o->numbers[middle], a) <= 0)
                least = middle;
            else
                most = middle;
        }
        code = least;
        /* part: the way from one to the next, 0 <= part < 1. */
        mpq_sub(part, a, o->numbers[least]);
        mpq_sub(high, o->numbers[most], o->numbers[least]);
        mpq_div(part, part, high);
        mpq_set_ui(low, 1, 2);
        const int middle = mpq_cmp(part, low);
        bool away = false; /* from zero */
        switch (mode) {
        case RS_ROUND_NEAREST:
            away = middle >= 0;
            break;
        case RS_ROUND_NEAREST_EVEN:
            away = middle > 0 || (middle == 0 && code % 2 == 1);
            break;
        case RS_ROUND_NEAREST_UP:
            away = middle > 0 || (middle == 0 && !negative);
            break;
        case RS_ROUND_TRUNCATE:
            away = negative && mpq_sgn(part) != 0;
            break;
        default: /* floor of the signed way plus u */
            mpq_set_ui(u, random >> 11, 1);
            mpq_div_2exp(u, u, 53);
            if (negative) {
                away = mpq_cmp(part, u) > 0;
            } else {
                mpq_add(part, part, u);
                mpq_set_ui(u, 1, 1);
                away = mpq_cmp(part, u) >= 0;
            }
        }
        code += away;
    }
    if (code >= o->n) {
        code = o->n - 1;
        *saturations += 1;
    }
    mpq_clears(a, low, high, part, u, NULL);
    const uint32_t sign = UINT32_C(1) << (o->format.exponent_bits + o->format.mantissa_bits);
    return code > 0 && negative ? code + sign : code;
}

uint32_t rs_oracle_minifloat_quantize(const rs_oracle_minifloat *o, double x, rs_rounding mode, uint64_t random,
                                      uint64_t *saturations)
{
    mpq_t v;
    mpq_init(v);
    if (isinf(x)) {
        mpq_set_si(v, x < 0 ? -1 : 1, 1);
        scale(v, 2000);
    } else {
        mpq_set_d(v, x);
    }
    const uint32_t code = rs_oracle_minifloat_round(o, v, mode, random, saturations);
    mpq_clear(v);
    return code;
}

uint32_t rs_oracle_minifloat_requantize(const rs_oracle_minifloat *o, const mpz_t sum, int fl, bool relu,
                                        rs_rounding mode, uint64_t *saturations)
{
    mpq_t v;
    mpq_init(v);
    if (!relu || mpz_sgn(sum) > 0)
        mpq_set_z(v, sum);
    scale(v, -(long)fl);
    const uint32_t code = rs_oracle_minifloat_round(o, v, mode, 0, saturations);
    mpq_clear(v);
    return code;
}

void rs_oracle_minifloat_number(const rs_oracle_minifloat *o, uint32_t code, mpq_t number)
{
    const uint32_t sign = UINT32_C(1) << (o->format.exponent_bits + o->format.mantissa_bits);
    mpq_set(number, o->numbers[code % sign]);
    if (code >= sign)
        mpq_neg(number, number);
}

double rs_oracle_power2(double x, rs_power2 f)
{
    /* x^2 against 2^(2e + 1), the square of the middle of 2^e and 2^(e + 1) in the logarithm. */
    mpq_t square, limit, lowest;
    mpq_inits(square, limit, lowest, NULL);
    int e = f.max_exponent;
    double result;
    mpq_set_ui(lowest, 1, 1);
    scale(lowest, 2L * f.min_exponent - 2);
    if (!isinf(x)) {
        mpq_set_d(square, x);
        mpq_mul(square, square, square);
        while (e > f.min_exponent) {
            mpq_set_ui(limit, 1, 1);
            scale(limit, 2L * (e - 1) + 1);
            if (mpq_cmp(square, limit) > 0)
                break;
            e--;
        }
    }
    if (!isinf(x) && f.zero && mpq_cmp(square, lowest) < 0)
        result = 0;
    else
        result = x < 0 ? -pow(2, e) : pow(2, e);
    mpq_clears(square, limit, lowest, NULL);
    return result;
}
