/* How the words of the array's weights are written: docs/reference/microarchitecture.md section 1, "Processing
 * elements". */
#ifndef RISTRETTO_CONFIG_WEIGHT_CODE_H
#define RISTRETTO_CONFIG_WEIGHT_CODE_H

#include <stdint.h>

/* How a weight is written in a word of so many bits. */
typedef enum rs_weight_code {
    RS_WEIGHT_INTEGER,    /* two's complement */
    RS_WEIGHT_SHIFT,      /* of +-2^c: the sign in the highest bit, c below; there is no zero */
    RS_WEIGHT_SHIFT_ZERO, /* the same with c + 1, and 0 for zero */
    RS_WEIGHT_MINIFLOAT   /* of a signed code: its sign in the highest bit, its magnitude below */
} rs_weight_code;

/* What the word of `bits` bits holds for a weight, as a two's complement number. Shifts: the weight is +-2^c, or 0 if
 * there is a code for it. */
static inline int64_t rs_weight_encode(rs_weight_code code, int32_t weight, int bits)
{
    if (code == RS_WEIGHT_INTEGER)
        return weight;
    if (code == RS_WEIGHT_MINIFLOAT)
        return weight < 0 ? -(int64_t)weight - (INT64_C(1) << (bits - 1)) : weight;
    int64_t c = 0;
    for (int64_t m = weight < 0 ? -(int64_t)weight : weight; m > 1; m /= 2)
        c++;
    if (code == RS_WEIGHT_SHIFT_ZERO)
        c = weight == 0 ? 0 : c + 1;
    return weight < 0 ? c - (INT64_C(1) << (bits - 1)) : c;
}

#endif
