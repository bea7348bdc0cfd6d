/* What convolutions and inner products share. Private to model/qnet. */
#ifndef RISTRETTO_QNET_OPS_WEIGHTED_H
#define RISTRETTO_QNET_OPS_WEIGHTED_H

#include "qnet/builder.h"
#include "qnet/check.h"
#include "qnet/json.h"

extern const char *const rs_weighted_keys[];
void rs_weighted_check(rs_qnet_checker *c, const rs_qop *op);
int64_t rs_weighted_bound(const rs_qnet *qnet, const rs_qop *op, bool from_weights);
/* flat: weights are [outputs][inputs], else [outputs][channels][height][width]. */
void rs_weighted_write(rs_qnet_writer *w, json_t *object, const rs_qnet *qnet, int index, bool flat);
void rs_weighted_read(rs_qnet_reader *r, const json_t *object, const char *where, const rs_qnet *qnet, rs_qop *op,
                      bool flat);
/* Formats, weights, biases and the shift of an op whose geometry is set. */
bool rs_weighted_build(rs_qnet_builder *b, const rs_layer *layer, rs_qop *op);
bool rs_weighted_widen(const rs_qnet *qnet, const rs_qop *op, int *bits, int *shift);

#endif
