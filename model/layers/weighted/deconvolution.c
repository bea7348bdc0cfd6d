/* Deconvolution: the transpose of a convolution, whose outputs are the channels of the bottom and whose image is the
 * top. forward    dpatches[k][pos] = W^T[k][ic] bottom[ic][pos], added to the pixels of the top that each patch lies
 * on,
 *              + bias
 *   backward   dbottom[ic][pos] = W[ic][k] patches[k][pos] of dtop
 *              dW[ic][k]       += bottom[ic][pos] patches^T[pos][k] of dtop
 * with k = (channel, y, x) of the kernel and pos = (y, x) of the bottom, group by group. */
#include <inttypes.h>
#include <string.h>

#include "layers/functions.h"
#include "layers/weighted/gemm.h"
#include "layers/layer.h"
#include "layers/weighted/im2col.h"

/* Patches of the top, for one group. */
static rs_im2col_shape geometry_of(const rs_op *op)
{
    const rs_convolution_param *p = &op->layer->convolution;
    const rs_shape *out = &op->net->blobs[op->layer->tops[0]].shape;
    return rs_im2col_shape_of(p, p->out_channels / p->groups, out->dim[2], out->dim[3]);
}

static int64_t inputs_of(const rs_op *op)
{
    return op->net->blobs[op->layer->bottoms[0]].shape.dim[1] / op->layer->convolution.groups;
}

static rs_status plan(rs_op *op, rs_diag *diag)
{
    (void)diag;
    const rs_im2col_shape g = geometry_of(op);
    const size_t inputs = (size_t)inputs_of(op), groups = (size_t)g.p->groups,
                 weights = inputs * (size_t)g.depth * groups;
    /* Packed weights, transposed, and as they are. */
    op->prepared_size = weights * (op->training ? 2 : 1);
    op->scratch_size = rs_gemm_scratch() + (size_t)g.depth * (size_t)g.positions + RS_IM2COL_SLACK;
    if (op->training) {
        op->scratch_size += inputs * (size_t)g.positions;
        op->chunk_size = weights + (g.p->bias ? (size_t)g.p->out_channels : 0);
    }
    return RS_OK;
}

static void prepare(rs_op *op)
{
    const rs_im2col_shape g = geometry_of(op);
    const int64_t inputs = inputs_of(op), weights = inputs * g.depth, groups = g.p->groups;
    for (int64_t group = 0; group < groups; group++) {
        const float *w = op->layer->params[0].data + group * weights;
        rs_gemm_pack(g.depth, inputs, w, 1, g.depth, op->prepared + group * weights);
        if (op->training && op->backward_data[0])
            rs_gemm_pack(inputs, g.depth, w, g.depth, 1, op->prepared + (groups + group) * weights);
    }
}

static void forward(rs_op *op, int64_t first, int64_t n, float *scratch)
{
    const rs_im2col_shape g = geometry_of(op);
    const int64_t inputs = inputs_of(op), weights = inputs * g.depth, area = g.height * g.width;
    float *const patches = scratch + rs_gemm_scratch();
    for (int64_t i = first; i < first + n; i++)
        for (int64_t group = 0; group < g.p->groups; group++) {
            const float *in = op->bottom[0] + i * op->bottom_size[0] + group * inputs * g.positions;
            float *out = op->top[0] + i * op->top_size[0] + group * g.channels * area;
            for (int64_t c = 0; c < g.channels; c++)
                for (int64_t x = 0; x < area; x++)
                    out[c * area + x] = g.p->bias ? op->layer->params[1].data[group * g.channels + c] : 0.0f;
            rs_gemm(g.depth, g.positions, inputs, op->prepared + group * weights, in, g.positions, 1, patches,
                    g.positions, false, scratch);
            rs_col2im(&g, patches, out);
        }
}

static void backward(rs_op *op, int64_t first, int64_t n, float *scratch)
{
    const rs_im2col_shape g = geometry_of(op);
    const int64_t inputs = inputs_of(op), weights = inputs * g.depth, groups = g.p->groups, area = g.height * g.width;
    float *const patches = scratch + rs_gemm_scratch(), *const packed = patches + g.depth * g.positions +
                                                                        RS_IM2COL_SLACK;
    float *const d_weights = op->chunk_gradients + first / RS_CHUNK * (int64_t)op->chunk_size;
    float *const d_bias = d_weights + groups * weights;
    for (int64_t i = first; i < first + n; i++)
        for (int64_t group = 0; group < groups; group++) {
            const int64_t at = i * op->bottom_size[0] + group * inputs * g.positions;
            const float *d_out = op->top_gradient[0] + i * op->top_size[0] + group * g.channels * area;
            if (g.p->bias)
                for (int64_t c = 0; c < g.channels; c++) {
                    float *to = &d_bias[group * g.channels + c];
                    *to = (i == first ? 0.0f : *to) + rs_sum(d_out + c * area, area);
                }
            rs_gemm_pack(inputs, g.positions, op->bottom[0] + at, g.positions, 1, packed);
            rs_im2row(&g, d_out, patches);
            rs_gemm(inputs, g.depth, g.positions, packed, patches, g.depth, 1, d_weights + group * weights, g.depth,
                    i != first, scratch);
            if (!op->backward_data[0])
                continue;
            rs_im2col(&g, d_out, patches);
            rs_gemm(inputs, g.positions, g.depth, op->prepared + (groups + group) * weights, patches, g.positions, 1,
                    op->bottom_gradient[0] + at, g.positions, op->add[0], scratch);
        }
}

static const rs_layer_ops ops = { .plan = plan, .prepare = prepare, .forward = forward, .backward = backward };

/* The transpose of a convolution of the same geometry: its channels are a convolution's outputs. */
static rs_status shape(rs_net *net, rs_layer *layer, const rs_shape *in, rs_shape *out, rs_diag *diag)
{
    (void)net;
    const rs_convolution_param *c = &layer->convolution;
    if (!rs_layer_takes_groups(layer, in, diag))
        return RS_BAD_INPUT;
    *out = (rs_shape) { 4, { in->dim[0], c->out_channels } };
    const int64_t kernel[2] = { c->kernel_h, c->kernel_w }, stride[2] = { c->stride_h, c->stride_w };
    const int64_t pad[2] = { c->pad_h, c->pad_w }, dilation[2] = { c->dilation_h, c->dilation_w };
    for (int i = 0; i < 2; i++) {
        out->dim[2 + i] = stride[i] * (in->dim[2 + i] - 1) + dilation[i] * (kernel[i] - 1) + 1 - 2 * pad[i];
        if (out->dim[2 + i] < 1)
            return rs_error(diag, RS_BAD_INPUT, layer->loc, NULL,
                            "layer '%s': padding of %" PRId64 " leaves nothing of the output along axis %d",
                            layer->name, pad[i], 2 + i);
    }
    const rs_shape weights = { 4, { in->dim[1], c->out_channels / c->groups, c->kernel_h, c->kernel_w } };
    return rs_layer_set_params(layer, weights, c->bias, (rs_shape) { 1, { c->out_channels } }, diag);
}

static const rs_filler *filler(const rs_layer *layer, int param)
{
    return param == 0 ? &layer->convolution.weight_filler : &layer->convolution.bias_filler;
}

/* Every input value is multiplied with one filter. */
static int64_t macs(const rs_net *net, const rs_layer *layer)
{
    return rs_net_blob_values(net, layer->bottoms[0]) * rs_shape_count(&layer->params[0].shape, 1);
}

const rs_layer_rule rs_deconvolution_layer = {
    .name = "Deconvolution",
    .bottoms = { 1, 1 },
    .tops = { 1, 1 },
    .max_params = 2,
    .shape = shape,
    .filler = filler,
    .macs = macs,
    .ops = &ops,
};
