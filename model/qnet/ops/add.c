/* Addition of tensors of one shape: arithmetic.md section 6. */
#include "base/integer.h"
#include "qnet/builder.h"
#include "qnet/check.h"

static void check(rs_qnet_checker *c, const rs_qop *op)
{
    const rs_qtensor *out = &c->qnet->tensors[op->output];
    for (int i = 0; i < op->n_inputs; i++) {
        const rs_qtensor *in = &c->qnet->tensors[op->inputs[i]];
        if (in->channels != out->channels || in->height != out->height || in->width != out->width) {
            RS_QNET_WRONG(c, "op '%s' adds '%s' of %dx%dx%d to an output of %dx%dx%d, expected the same shape",
                          op->name, in->name, in->channels, in->height, in->width, out->channels, out->height,
                          out->width);
            return;
        }
    }
    const int fl = c->qnet->tensors[op->input].format.fl + rs_qop_align(c->qnet, op, 0);
    if (op->shift != fl - out->format.fl) {
        RS_QNET_WRONG(c, "op '%s' has the shift %d, expected %d from its fractional lengths %d - %d", op->name,
                      op->shift, fl - out->format.fl, fl, out->format.fl);
        return;
    }
    if (rs_qnet_shift_ok(c, op, op->shift))
        rs_qnet_check_accumulator(c, op, RS_ACCUMULATOR_MAX_BITS);
}

static int64_t bound(const rs_qnet *qnet, const rs_qop *op, bool from_weights)
{
    (void)from_weights;
    int64_t sum = 0;
    for (int i = 0; i < op->n_inputs; i++) {
        const int align = rs_qop_align(qnet, op, i);
        const int64_t max = rs_qtensor_magnitude(&qnet->tensors[op->inputs[i]]);
        sum = rs_add_capped(sum, align > 46 ? INT64_MAX : rs_multiply_capped(max, INT64_C(1) << align));
    }
    return sum;
}

static bool is_of(const rs_layer *layer)
{
    return layer->type == RS_LAYER_ELTWISE;
}

static bool accepts(rs_qnet_builder *b, const rs_layer *layer)
{
    bool plain = layer->eltwise.method == RS_ELTWISE_SUM;
    for (int i = 0; plain && layer->eltwise.coefficients && i < layer->n_bottoms; i++)
        plain = layer->eltwise.coefficients[i] == 1.0f;
    if (!plain)
        RS_QNET_REFUSE(b, layer, "sums with coefficients of 1 have one",
                       "layer '%s' of type Eltwise has no integer rule for its operation or coefficients", layer->name);
    return plain;
}

static bool build(rs_qnet_builder *b, const rs_layer *layer, rs_qop *op)
{
    (void)layer;
    op->shift = rs_qnet_input_of(b, op)->format.fl + rs_qop_align(b->qnet, op, 0) - rs_qnet_output_of(b, op)->format.fl;
    return true;
}

static bool widen(const rs_qnet *qnet, const rs_qop *op, int *bits, int *shift)
{
    *bits = rs_qop_accumulator_bits(qnet, op, true);
    *shift = *bits > RS_QNET_MAX_SCORE_BITS ? *bits - RS_QNET_MAX_SCORE_BITS : 0;
    return true;
}

const rs_qop_rule rs_qop_rule_add = { .name = "addition",
                                      .word = "add",
                                      .has = RS_QOP_SEVERAL | RS_QOP_RELU_FUSED | RS_QOP_SUMS,
                                      .check = check,
                                      .bound = bound,
                                      .is_of = is_of,
                                      .accepts = accepts,
                                      .build = build,
                                      .widen = widen };
