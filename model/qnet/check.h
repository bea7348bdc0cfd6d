/* The parts of rs_qnet_check. Private to model/qnet. */
#ifndef RISTRETTO_QNET_CHECK_H
#define RISTRETTO_QNET_CHECK_H

#include "qnet/rule.h"

/* Where messages of the check go. */
typedef struct rs_qnet_checker {
    const rs_qnet *qnet;
    rs_loc loc;
    rs_diag *diag;
    rs_status status;
} rs_qnet_checker;

#define RS_QNET_WRONG(c, ...) ((c)->status = rs_error((c)->diag, RS_BAD_INPUT, (c)->loc, NULL, __VA_ARGS__))

/* Each says what is wrong, and returns false then. A format: of its kind, within limits. `kind`: "tensor" or "op". */
bool rs_qnet_format_ok(rs_qnet_checker *c, const rs_number_format *format, int max_bits, const char *kind,
                       const char *name);
/* The geometry of a sliding window, and the output's height and width. */
bool rs_qnet_window_ok(rs_qnet_checker *c, const rs_qop *op);
/* A shift of requantize; of minifloats there is none. */
bool rs_qnet_shift_ok(rs_qnet_checker *c, const rs_qop *op, int shift);
/* Sums fit an accumulator of so many bits; those of minifloats always do. */
void rs_qnet_check_accumulator(rs_qnet_checker *c, const rs_qop *op, int max_bits);
/* For RS_QOP_KEEPS. */
void rs_qnet_check_same_format(rs_qnet_checker *c, const rs_qop *op);

#endif
