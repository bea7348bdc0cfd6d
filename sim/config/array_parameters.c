/* The values of the RTL's parameters for a configuration. */
#include "config/array_config.h"

#define SAME(constant, rtl, value, meaning) _Static_assert((int)(constant) == (value), #rtl);
RS_ROUNDING_VALUES(SAME)
RS_SPECIAL_VALUES(SAME)

#define PREFIX_int ""
#define PREFIX_bit "1'b"
#define NO_ROW(...)
#define ROW(name, type, fallback, value, taken_by) { #name, PREFIX_##type, (int64_t)(value) },
#define ROW_IN(name, type, fallback, value, ...) ROW(name, type, fallback, value, )

int rs_array_parameters(const rs_array_config *c, rs_array_parameter parameters[RS_ARRAY_PARAMETERS_MAX])
{
    /* Without minifloats they mean nothing, and are the same for all arrays. */
    const rs_minifloat none = {
        .exponent_bits = 4, .mantissa_bits = 3, .subnormals = true, .special = RS_MINIFLOAT_NAN
    };
    const rs_minifloat minifloat = c->pe == RS_PE_MINIFLOAT ? c->minifloat : none;
    const rs_array_parameter all[] = { RS_ARRAY_KEYS(NO_ROW, ROW, ROW_IN) RS_BUFFER_KEYS(NO_ROW, ROW, ROW_IN)
                                           RS_MEMORY_KEYS(NO_ROW, ROW, ROW_IN) };
    const int n = (int)(sizeof all / sizeof all[0]);
    _Static_assert(sizeof all <= RS_ARRAY_PARAMETERS_MAX * sizeof all[0], "room for all parameters");
    for (int i = 0; i < n; i++)
        parameters[i] = all[i];
    return n;
}
