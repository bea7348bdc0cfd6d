/* Convolution: arithmetic.md sections 3 to 5. */
#include "qnet/ops/weighted.h"

static void write(rs_qnet_writer *w, json_t *object, const rs_qnet *qnet, int op)
{
    rs_weighted_write(w, object, qnet, op, false);
}

static void read(rs_qnet_reader *r, const json_t *object, const char *where, const rs_qnet *qnet, rs_qop *op)
{
    rs_weighted_read(r, object, where, qnet, op, false);
}

static bool is_of(const rs_layer *layer)
{
    return layer->type == RS_LAYER_CONVOLUTION;
}

static bool build(rs_qnet_builder *b, const rs_layer *layer, rs_qop *op)
{
    const rs_convolution_param *p = &layer->convolution;
    const rs_qtensor *input = rs_qnet_input_of(b, op);
    if (p->groups < 1 || p->groups > input->channels) {
        RS_QNET_REFUSE(b, layer, NULL, "layer '%s' has %lld groups, expected 1 to %d", layer->name,
                       (long long)p->groups, input->channels);
        return false;
    }
    op->groups = (int)p->groups;
    return rs_qnet_set_window(b, layer, op,
                              (const int64_t[8]) { p->kernel_h, p->kernel_w, p->stride_h, p->stride_w, p->pad_h,
                                                   p->pad_w, p->dilation_h, p->dilation_w }) &&
           rs_weighted_build(b, layer, op);
}

const rs_qop_rule rs_qop_rule_convolution = { .name = "convolution",
                                              .word = "convolution",
                                              .has = RS_QOP_WINDOW | RS_QOP_WEIGHTS | RS_QOP_RELU_FUSED | RS_QOP_SUMS,
                                              .check = rs_weighted_check,
                                              .bound = rs_weighted_bound,
                                              .keys = rs_weighted_keys,
                                              .write = write,
                                              .read = read,
                                              .is_of = is_of,
                                              .build = build,
                                              .widen = rs_weighted_widen };
