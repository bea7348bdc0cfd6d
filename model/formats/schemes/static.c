/* Static fixed point: one width and one fractional length for all numbers. */
#include "formats/schemes/scheme.h"

static rs_status choose(const rs_chooser *c, int index, int bits, rs_number_format *format, rs_diag *diag)
{
    (void)index;
    (void)diag;
    *format = rs_number_of_fxp((rs_fxp) { bits, c->fl });
    return RS_OK;
}

const rs_scheme_rule rs_scheme_static = { .weights = choose, .blobs = choose };
