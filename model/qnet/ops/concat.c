/* Concatenation along the channels: arithmetic.md section 6. */
#include "qnet/builder.h"
#include "qnet/check.h"

static void check(rs_qnet_checker *c, const rs_qop *op)
{
    const rs_qtensor *out = &c->qnet->tensors[op->output];
    int64_t channels = 0;
    for (int i = 0; i < op->n_inputs; i++) {
        const rs_qtensor *in = &c->qnet->tensors[op->inputs[i]];
        channels += in->channels;
        if (in->height != out->height || in->width != out->width) {
            RS_QNET_WRONG(c, "op '%s' concatenates '%s' with maps of %dx%d to maps of %dx%d, expected the same size",
                          op->name, in->name, in->height, in->width, out->height, out->width);
            return;
        }
        if (!rs_qnet_shift_ok(c, op, rs_qop_concat_shift(c->qnet, op, i)))
            return;
    }
    if (channels != out->channels)
        RS_QNET_WRONG(c, "op '%s' concatenates %lld channels to %d", op->name, (long long)channels, out->channels);
}

static bool is_of(const rs_layer *layer)
{
    return layer->type == RS_LAYER_CONCAT;
}

static bool accepts(rs_qnet_builder *b, const rs_layer *layer)
{
    const int n_axes = b->net->blobs[layer->tops[0]].shape.n_axes;
    if (rs_axis(layer->concat.axis, n_axes) == 1)
        return true;
    RS_QNET_REFUSE(b, layer, "along the channels, axis 1, it has one",
                   "layer '%s' concatenates along axis %lld, which has no "
                   "integer rule",
                   layer->name, (long long)layer->concat.axis);
    return false;
}

const rs_qop_rule rs_qop_rule_concat = {
    .name = "concatenation", .word = "concat", .has = RS_QOP_SEVERAL, .check = check, .is_of = is_of, .accepts = accepts
};
