/* The words for roundings, bias rules and minifloats, as options, files and messages use them. */
#include "fxp/minifloat.h"

const rs_word rs_rounding_words[] = {
    { "nearest", RS_ROUND_NEAREST, "ties away from zero" },
    { "nearest_even", RS_ROUND_NEAREST_EVEN, "ties to the even neighbor" },
    { "nearest_up", RS_ROUND_NEAREST_UP, "half of the last place is added, then cut" },
    { "truncate", RS_ROUND_TRUNCATE, "floor" },
    { NULL, 0, NULL },
};

const rs_word rs_bias_rule_words[] = {
    { "accumulator", RS_BIAS_ACCUMULATOR, "at the accumulator's least significant bit" },
    { "weights", RS_BIAS_WEIGHTS, "in the weights' format, as in the original Ristretto" },
    { NULL, 0, NULL },
};

const char *rs_rounding_name(rs_rounding mode)
{
    return mode == RS_ROUND_STOCHASTIC ? "stochastic" : rs_word_name(rs_rounding_words, (int)mode);
}
