/* Inner product: a convolution whose kernel is its whole input. */
#include "qnet/ops/weighted.h"

static void check(rs_qnet_checker *c, const rs_qop *op)
{
    const rs_qtensor *in = &c->qnet->tensors[op->input];
    if (op->kernel_h != in->height || op->kernel_w != in->width || op->stride_h != 1 || op->stride_w != 1 ||
        op->pad_h != 0 || op->pad_w != 0 || op->dilation_h != 1 || op->dilation_w != 1 || op->groups != 1)
        RS_QNET_WRONG(
            c, "inner product '%s' must have its whole input as kernel, stride 1, no padding, no dilation, one group",
            op->name);
    else
        rs_weighted_check(c, op);
}

static void write(rs_qnet_writer *w, json_t *object, const rs_qnet *qnet, int op)
{
    rs_weighted_write(w, object, qnet, op, true);
}

static void read(rs_qnet_reader *r, const json_t *object, const char *where, const rs_qnet *qnet, rs_qop *op)
{
    rs_weighted_read(r, object, where, qnet, op, true);
}

static bool is_of(const rs_layer *layer)
{
    return layer->type == RS_LAYER_INNER_PRODUCT;
}

static bool build(rs_qnet_builder *b, const rs_layer *layer, rs_qop *op)
{
    const rs_qtensor *input = rs_qnet_input_of(b, op);
    return rs_qnet_set_window(b, layer, op, (const int64_t[8]) { input->height, input->width, 1, 1, 0, 0, 1, 1 }) &&
           rs_weighted_build(b, layer, op);
}

const rs_qop_rule rs_qop_rule_inner_product = { .name = "inner product",
                                                .word = "inner_product",
                                                .has = RS_QOP_WINDOW | RS_QOP_WEIGHTS | RS_QOP_RELU_FUSED |
                                                       RS_QOP_SUMS | RS_QOP_FLAT,
                                                .check = check,
                                                .bound = rs_weighted_bound,
                                                .keys = rs_weighted_keys,
                                                .write = write,
                                                .read = read,
                                                .is_of = is_of,
                                                .build = build,
                                                .widen = rs_weighted_widen };
