#include "qnet/number.h"

#include <math.h>
#include <string.h>

const char *rs_number_name(rs_number number)
{
    static const char *const names[RS_NUMBERS] = { "fixed_point", "minifloat", "power_of_two" };
    return (unsigned)number < RS_NUMBERS ? names[number] : "?";
}

rs_number_format rs_number_of_fxp(rs_fxp format)
{
    return (rs_number_format) { .number = RS_NUMBER_FIXED, .fixed = format };
}

rs_number_format rs_number_of_minifloat(rs_minifloat format)
{
    return (rs_number_format) { .number = RS_NUMBER_MINIFLOAT,
                                .fixed = { rs_minifloat_bits(format), 0 },
                                .minifloat = format };
}

rs_number_format rs_number_of_power2(rs_power2 format)
{
    return (rs_number_format) { .number = RS_NUMBER_POWER2, .fixed = rs_power2_fxp(format), .power2 = format };
}

bool rs_number_equal(rs_number_format a, rs_number_format b)
{
    if (a.number != b.number || a.fixed.bits != b.fixed.bits)
        return false;
    switch (a.number) {
    case RS_NUMBER_MINIFLOAT:
        return rs_minifloat_equal(a.minifloat, b.minifloat);
    case RS_NUMBER_POWER2:
        return a.power2.min_exponent == b.power2.min_exponent && a.power2.max_exponent == b.power2.max_exponent &&
               a.power2.zero == b.power2.zero;
    case RS_NUMBER_FIXED:
    case RS_NUMBERS:
        break;
    }
    return a.fixed.fl == b.fixed.fl;
}

int rs_number_bits(rs_number_format format)
{
    return format.number == RS_NUMBER_POWER2 && format.fixed.bits > 0 ? rs_power2_bits(format.power2)
                                                                      : format.fixed.bits;
}

rs_rounding rs_number_nearest(rs_number_format format)
{
    return format.number == RS_NUMBER_MINIFLOAT ? RS_ROUND_NEAREST_EVEN : RS_ROUND_NEAREST;
}

void rs_number_emulate(float *x, size_t n, rs_number_format format, rs_rounding mode, uint64_t seed, uint64_t stream)
{
    if (format.fixed.bits == 0)
        return;
    switch (format.number) {
    case RS_NUMBER_MINIFLOAT:
        rs_minifloat_emulate_array(x, n, format.minifloat, mode, seed, stream);
        break;
    case RS_NUMBER_POWER2:
        if (mode == RS_ROUND_STOCHASTIC)
            rs_power2_emulate_stochastic(x, n, format.power2, seed, stream);
        else
            rs_power2_emulate_array(x, n, format.power2);
        break;
    case RS_NUMBER_FIXED:
    case RS_NUMBERS:
        rs_fxp_emulate_array(x, n, format.fixed, mode, seed, stream);
        break;
    }
}

void rs_number_quantize_array(const float *x, size_t n, rs_number_format format, int32_t *integers)
{
    switch (format.number) {
    case RS_NUMBER_MINIFLOAT:
        for (size_t i = 0; i < n; i++)
            integers[i] = rs_number_of_code(
                rs_minifloat_quantize((double)x[i], format.minifloat, RS_ROUND_NEAREST_EVEN, 0, NULL),
                format.minifloat);
        break;
    case RS_NUMBER_POWER2:
        rs_power2_quantize_array(x, n, format.power2, integers, NULL);
        break;
    case RS_NUMBER_FIXED:
    case RS_NUMBERS:
        rs_fxp_quantize_array(x, n, format.fixed, RS_ROUND_NEAREST, 0, 0, integers, NULL);
        break;
    }
}

int64_t rs_number_bias(double bias, rs_bias_rule rule, rs_number_format weights, int fl_in)
{
    if (weights.number == RS_NUMBER_POWER2 && rule == RS_BIAS_WEIGHTS) {
        const double power = rs_power2_value(rs_power2_quantize(bias, weights.power2, NULL), weights.power2);
        return rs_fxp_bias(power, RS_BIAS_ACCUMULATOR, weights.fixed, fl_in, RS_ROUND_NEAREST, NULL);
    }
    return rs_fxp_bias(bias, rule, weights.fixed, fl_in, RS_ROUND_NEAREST, NULL);
}

int rs_number_bias_fl(const float *bias, size_t n, int fl_acc)
{
    double most = 0;
    for (size_t i = 0; i < n; i++)
        most = fmax(most, fabs((double)bias[i]));
    /* One step shorter than what the range asks for: the positive extreme must not saturate. */
    const int fl = most > 0 ? rs_fxp_fl_for_range(most, 32) - 1 : RS_FL_MAX;
    return fl < fl_acc ? fl : fl_acc;
}

double rs_number_squared_error(const float *x, size_t n, rs_number_format format)
{
    enum { PIECE = 1024 };
    float rounded[PIECE];
    double sum = 0;
    for (size_t from = 0; from < n; from += PIECE) {
        const size_t some = n - from < PIECE ? n - from : PIECE;
        memcpy(rounded, x + from, some * sizeof *rounded);
        rs_number_emulate(rounded, some, format, rs_number_nearest(format), 0, 0);
        for (size_t i = 0; i < some; i++) {
            const double d = (double)rounded[i] - (double)x[from + i];
            sum += d * d;
        }
    }
    return sum;
}
