/* Convolution as matrix products over patches, image by image.
 *   forward    top[oc][pos]  = bias[oc] + W[oc][k] patches[k][pos]
 *   backward   dW[oc][k]    += dtop[oc][pos] patches^T[pos][k]
 *              dpatches[k][pos] = W^T[k][oc] dtop[oc][pos], added back to the pixels that each patch came from
 * with k = (channel, y, x) of the kernel and pos = (y, x) of the output, group by group. */
#include <string.h>

#include "layers/functions.h"
#include "layers/weighted/gemm.h"
#include "layers/layer.h"
#include "layers/weighted/im2col.h"

/* Patches and outputs of one group. */
static rs_im2col_shape geometry_of(const rs_op *op)
{
    const rs_convolution_param *p = &op->layer->convolution;
    const rs_shape *in = &op->net->blobs[op->layer->bottoms[0]].shape;
    return rs_im2col_shape_of(p, in->dim[1] / p->groups, in->dim[2], in->dim[3]);
}

static int64_t outputs_of(const rs_im2col_shape *g)
{
    return g->p->out_channels / g->p->groups;
}

static rs_status plan(rs_op *op, rs_diag *diag)
{
    (void)diag;
    const rs_im2col_shape g = geometry_of(op);
    const int64_t outputs = outputs_of(&g), groups = g.p->groups;
    const size_t patches = (size_t)g.depth * (size_t)g.positions, weights = (size_t)(g.depth * outputs * groups);
    /* Packed weights, and the same transposed. */
    op->prepared_size = weights * (op->training ? 2 : 1);
    const rs_im2col_blocks blocks = rs_im2col_blocks_of(&g);
    const size_t block = rs_im2col_block_size(&g, &blocks);
    op->scratch_size = block;
    if (op->training) {
        const size_t whole = patches + RS_IM2COL_SLACK + (size_t)outputs * (size_t)g.positions;
        if (whole > block)
            op->scratch_size = whole;
        op->chunk_size = weights + (g.p->bias ? (size_t)(outputs * groups) : 0);
    }
    op->scratch_size += rs_gemm_scratch();
    return RS_OK;
}

static void prepare(rs_op *op)
{
    const rs_im2col_shape g = geometry_of(op);
    const int64_t outputs = outputs_of(&g), groups = g.p->groups;
    const int64_t weights = outputs * g.depth;
    for (int64_t group = 0; group < groups; group++) {
        const float *w = op->layer->params[0].data + group * weights;
        rs_gemm_pack(outputs, g.depth, w, g.depth, 1, op->prepared + group * weights);
        if (op->training && op->backward_data[0])
            rs_gemm_pack(g.depth, outputs, w, 1, g.depth, op->prepared + (groups + group) * weights);
    }
}

/* Outputs of one group of an image. A plain convolution with few outputs reads the image where it is: a copy would not
 * pay. */
static void forward_group(const rs_im2col_shape *g, const rs_im2col_blocks *b, const float *weights, const float *bias,
                          const float *in, float *out, float *scratch)
{
    enum { FEW = 48 };
    const int64_t outputs = outputs_of(g);
    float *const patches = scratch + rs_gemm_scratch();
    for (int64_t first = 0; first < g->positions; first += b->positions) {
        const int64_t n = g->positions - first < b->positions ? g->positions - first : b->positions;
        const bool copy = !g->plain || outputs > FEW;
        if (copy)
            rs_im2col_block(g, b, in, first, n, patches);
        rs_gemm_from(outputs, n, g->depth, weights, copy ? patches : in + first, copy ? b->stride : g->positions, 1,
                     bias, out + first, g->positions, scratch);
    }
}

static void forward(rs_op *op, int64_t first, int64_t n, float *scratch)
{
    const rs_im2col_shape g = geometry_of(op);
    const rs_im2col_blocks blocks = rs_im2col_blocks_of(&g);
    const int64_t outputs = outputs_of(&g), groups = g.p->groups;
    for (int64_t i = first; i < first + n; i++)
        for (int64_t group = 0; group < groups; group++)
            forward_group(&g, &blocks, op->prepared + group * outputs * g.depth,
                          g.p->bias ? op->layer->params[1].data + group * outputs : NULL,
                          op->bottom[0] + i * op->bottom_size[0] + group * g.channels * g.height * g.width,
                          op->top[0] + i * op->top_size[0] + group * outputs * g.positions, scratch);
}

static void backward(rs_op *op, int64_t first, int64_t n, float *scratch)
{
    const rs_im2col_shape g = geometry_of(op);
    const int64_t outputs = outputs_of(&g), groups = g.p->groups;
    float *const patches = scratch + rs_gemm_scratch(), *const packed = patches + g.depth * g.positions +
                                                                        RS_IM2COL_SLACK;
    const int64_t weights = outputs * g.depth;
    float *const d_weights = op->chunk_gradients + first / RS_CHUNK * (int64_t)op->chunk_size;
    float *const d_bias = d_weights + groups * weights;
    for (int64_t i = first; i < first + n; i++)
        for (int64_t group = 0; group < groups; group++) {
            const int64_t pixels = g.channels * g.height * g.width;
            const float *in = op->bottom[0] + i * op->bottom_size[0] + group * pixels;
            const float *d_out = op->top_gradient[0] + i * op->top_size[0] + group * outputs * g.positions;
            if (g.p->bias)
                for (int64_t c = 0; c < outputs; c++) {
                    float *to = &d_bias[group * outputs + c];
                    *to = (i == first ? 0.0f : *to) + rs_sum(d_out + c * g.positions, g.positions);
                }
            rs_gemm_pack(outputs, g.positions, d_out, g.positions, 1, packed);
            if (!g.plain)
                rs_im2row(&g, in, patches);
            rs_gemm(outputs, g.depth, g.positions, packed, g.plain ? in : patches, g.plain ? 1 : g.depth,
                    g.plain ? g.positions : 1, d_weights + group * weights, g.depth, i != first, scratch);
            if (op->backward_data[0]) {
                float *d_in = op->bottom_gradient[0] + i * op->bottom_size[0] + group * pixels;
                if (!op->add[0] && !g.plain)
                    memset(d_in, 0, (size_t)pixels * sizeof *d_in);
                rs_gemm(g.depth, g.positions, outputs, op->prepared + (groups + group) * weights, d_out, g.positions, 1,
                        g.plain ? d_in : patches, g.positions, g.plain && op->add[0], scratch);
                if (!g.plain)
                    rs_col2im(&g, patches, d_in);
            }
        }
}

static const rs_layer_ops ops = { .plan = plan, .prepare = prepare, .forward = forward, .backward = backward };

static rs_status shape(rs_net *net, rs_layer *layer, const rs_shape *in, rs_shape *out, rs_diag *diag)
{
    (void)net;
    const rs_convolution_param *c = &layer->convolution;
    if (!rs_layer_takes_groups(layer, in, diag))
        return RS_BAD_INPUT;
    const int64_t window[2] = { c->dilation_h * (c->kernel_h - 1) + 1, c->dilation_w * (c->kernel_w - 1) + 1 };
    if (!rs_layer_window_fits(layer, in, window, (int64_t[2]) { c->pad_h, c->pad_w }, diag))
        return RS_BAD_INPUT;
    *out = (rs_shape) { 4,
                        { in->dim[0], c->out_channels,
                          rs_convolution_output(in->dim[2], c->kernel_h, c->stride_h, c->pad_h, c->dilation_h),
                          rs_convolution_output(in->dim[3], c->kernel_w, c->stride_w, c->pad_w, c->dilation_w) } };
    const rs_shape weights = { 4, { c->out_channels, in->dim[1] / c->groups, c->kernel_h, c->kernel_w } };
    return rs_layer_set_params(layer, weights, c->bias, (rs_shape) { 1, { c->out_channels } }, diag);
}

static const rs_filler *filler(const rs_layer *layer, int param)
{
    return param == 0 ? &layer->convolution.weight_filler : &layer->convolution.bias_filler;
}

/* Every output value is the sum of one filter's products. */
static int64_t macs(const rs_net *net, const rs_layer *layer)
{
    return rs_net_blob_values(net, layer->tops[0]) * rs_shape_count(&layer->params[0].shape, 1);
}

const rs_layer_rule rs_convolution_layer = {
    .name = "Convolution",
    .bottoms = { 1, 1 },
    .tops = { 1, 1 },
    .max_params = 2,
    .shape = shape,
    .filler = filler,
    .macs = macs,
    .ops = &ops,
};
