/* What holds for numbers of all kinds, and the table of the kinds. */
#include "qnet/number.h"

#include <string.h>

const rs_number_ops *const rs_number_table[RS_NUMBERS] = {
#define NUMBER(name, table) &rs_number_##table,
#include "qnet/numbers.def"
#undef NUMBER
};

const char *rs_number_name(rs_number number)
{
    return (unsigned)number < RS_NUMBERS ? rs_number_table[number]->name : "?";
}

bool rs_number_equal(rs_number_format a, rs_number_format b)
{
    return a.number == b.number && a.bits == b.bits && rs_number_ops_of(&a)->equal(&a, &b);
}

int rs_number_bits(rs_number_format format)
{
    return format.bits > 0 ? rs_number_ops_of(&format)->bits(&format) : 0;
}

rs_rounding rs_number_nearest(rs_number_format format)
{
    return rs_number_ops_of(&format)->nearest;
}

void rs_number_emulate(float *x, size_t n, rs_number_format format, rs_rounding mode, uint64_t seed, uint64_t stream)
{
    if (format.bits > 0)
        rs_number_ops_of(&format)->emulate(&format, x, n, mode, seed, stream);
}

void rs_number_quantize_array(const float *x, size_t n, rs_number_format format, int32_t *integers,
                              uint64_t *saturations)
{
    rs_number_ops_of(&format)->quantize_array(&format, x, n, integers, saturations);
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
