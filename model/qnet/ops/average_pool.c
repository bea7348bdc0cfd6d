/* Average pooling: arithmetic.md section 6. */
#include "base/integer.h"
#include "qnet/builder.h"
#include "qnet/check.h"

static void check(rs_qnet_checker *c, const rs_qop *op)
{
    const rs_qtensor *in = &c->qnet->tensors[op->input], *out = &c->qnet->tensors[op->output];
    if (op->shift != in->format.fl - out->format.fl) {
        RS_QNET_WRONG(c, "op '%s' has the shift %d, expected %d from its fractional lengths %d - %d", op->name,
                      op->shift, in->format.fl - out->format.fl, in->format.fl, out->format.fl);
        return;
    }
    /* Areas lie between 1 and the kernel's; the shift grows with them. */
    if (!rs_qnet_shift_ok(c, op, RS_AVERAGE_BITS + op->shift) ||
        !rs_qnet_shift_ok(c, op, rs_average_shift((int64_t)op->kernel_h * op->kernel_w) + op->shift))
        return;
    rs_qnet_check_accumulator(c, op, RS_ACCUMULATOR_MAX_BITS - RS_AVERAGE_BITS - 1);
}

/* Of the window's sum, before the factor. */
static int64_t bound(const rs_qnet *qnet, const rs_qop *op, bool from_weights)
{
    (void)from_weights;
    return rs_multiply_capped(rs_multiply_capped(op->kernel_h, op->kernel_w),
                              rs_qtensor_magnitude(&qnet->tensors[op->input]));
}

/* A sum of one summand, which changes nothing but the format (rs_net_add_copy): an average of one. */
static bool copies(const rs_layer *layer)
{
    return layer->type == RS_LAYER_ELTWISE && layer->n_bottoms == 1 && layer->eltwise.method == RS_ELTWISE_SUM &&
           layer->eltwise.coefficients == NULL;
}

static bool is_of(const rs_layer *layer)
{
    return (layer->type == RS_LAYER_POOLING && layer->pooling.method != RS_POOL_MAX) || copies(layer);
}

static bool accepts(rs_qnet_builder *b, const rs_layer *layer)
{
    return copies(layer) || rs_qnet_accepts_pooling(b, layer);
}

static bool build(rs_qnet_builder *b, const rs_layer *layer, rs_qop *op)
{
    op->shift = rs_qnet_input_of(b, op)->format.fl - rs_qnet_output_of(b, op)->format.fl;
    return copies(layer) || rs_qnet_set_pooling(b, layer, op);
}

/* With the bits that the factor has. */
static bool widen(const rs_qnet *qnet, const rs_qop *op, int *bits, int *shift)
{
    *bits = rs_qtensor_signed_bits(&qnet->tensors[op->input]) + RS_AVERAGE_BITS;
    *shift = -RS_AVERAGE_BITS;
    return true;
}

const rs_qop_rule rs_qop_rule_average_pool = { .name = "average pooling",
                                               .word = "average_pool",
                                               .has = RS_QOP_WINDOW | RS_QOP_POOLS | RS_QOP_SUMS,
                                               .check = check,
                                               .bound = bound,
                                               .is_of = is_of,
                                               .accepts = accepts,
                                               .build = build,
                                               .widen = widen };
