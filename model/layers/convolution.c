/* Convolution as matrix products over patches, image by image.
 *   forward    top[oc][pos]  = bias[oc] + W[oc][k] patches[k][pos]
 *   backward   dW[oc][k]    += dtop[oc][pos] patches^T[pos][k]
 *              dpatches[k][pos] = W^T[k][oc] dtop[oc][pos], added back to the pixels that each patch came from
 * with k = (channel, y, x) of the kernel and pos = (y, x) of the output, group by group. */
#include <string.h>

#include "layers/functions.h"
#include "layers/gemm.h"
#include "layers/layer.h"
#include "layers/patches.h"

/* Patches and outputs of one group. */
static rs_patches geometry_of(const rs_op *op)
{
    const rs_convolution_param *p = &op->layer->convolution;
    const rs_shape *in = &op->net->blobs[op->layer->bottoms[0]].shape;
    return rs_patches_of(p, in->dim[1] / p->groups, in->dim[2], in->dim[3]);
}

static int64_t outputs_of(const rs_patches *g)
{
    return g->p->out_channels / g->p->groups;
}

static rs_status plan(rs_op *op, rs_diag *diag)
{
    (void)diag;
    const rs_patches g = geometry_of(op);
    const int64_t outputs = outputs_of(&g), groups = g.p->groups;
    const size_t patches = (size_t)g.depth * (size_t)g.positions, weights = (size_t)(g.depth * outputs * groups);
    /* Packed weights, and the same transposed. */
    op->prepared_size = weights * (op->training ? 2 : 1);
    op->scratch_size = rs_gemm_scratch() + (g.plain && !op->training ? 0 : patches + RS_PATCH_SLACK);
    if (op->training) {
        op->scratch_size += (size_t)outputs * (size_t)g.positions;
        op->chunk_size = weights + (g.p->bias ? (size_t)(outputs * groups) : 0);
    }
    return RS_OK;
}

static void prepare(rs_op *op)
{
    const rs_patches g = geometry_of(op);
    const int64_t outputs = outputs_of(&g), groups = g.p->groups;
    const int64_t weights = outputs * g.depth;
    for (int64_t group = 0; group < groups; group++) {
        const float *w = op->layer->params[0].data + group * weights;
        rs_gemm_pack(outputs, g.depth, w, g.depth, 1, op->prepared + group * weights);
        if (op->training && op->backward_data[0])
            rs_gemm_pack(g.depth, outputs, w, 1, g.depth, op->prepared + (groups + group) * weights);
    }
}

static void forward(rs_op *op, int64_t first, int64_t n, float *scratch)
{
    const rs_patches g = geometry_of(op);
    const int64_t outputs = outputs_of(&g), groups = g.p->groups;
    const float *bias = g.p->bias ? op->layer->params[1].data : NULL;
    float *const patches = scratch + rs_gemm_scratch();
    for (int64_t i = first; i < first + n; i++)
        for (int64_t group = 0; group < groups; group++) {
            const float *in = op->bottom[0] + i * op->bottom_size[0] + group * g.channels * g.height * g.width;
            float *out = op->top[0] + i * op->top_size[0] + group * outputs * g.positions;
            if (bias != NULL)
                for (int64_t c = 0; c < outputs; c++)
                    for (int64_t x = 0; x < g.positions; x++)
                        out[c * g.positions + x] = bias[group * outputs + c];
            if (!g.plain)
                rs_image_to_columns(&g, in, patches);
            rs_gemm(outputs, g.positions, g.depth, op->prepared + group * outputs * g.depth,
                    g.plain ? in : patches, g.positions, 1, out, g.positions, bias != NULL, scratch);
        }
}

static void backward(rs_op *op, int64_t first, int64_t n, float *scratch)
{
    const rs_patches g = geometry_of(op);
    const int64_t outputs = outputs_of(&g), groups = g.p->groups;
    float *const patches = scratch + rs_gemm_scratch(), *const packed = patches + g.depth * g.positions + RS_PATCH_SLACK;
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
                rs_image_to_rows(&g, in, patches);
            rs_gemm(outputs, g.depth, g.positions, packed, g.plain ? in : patches, g.plain ? 1 : g.depth,
                    g.plain ? g.positions : 1, d_weights + group * weights, g.depth, i != first, scratch);
            if (op->backward_data[0]) {
                float *d_in = op->bottom_gradient[0] + i * op->bottom_size[0] + group * pixels;
                if (!op->add[0] && !g.plain)
                    memset(d_in, 0, (size_t)pixels * sizeof *d_in);
                rs_gemm(g.depth, g.positions, outputs, op->prepared + (groups + group) * weights, d_out, g.positions, 1,
                        g.plain ? d_in : patches, g.positions, g.plain && op->add[0], scratch);
                if (!g.plain)
                    rs_columns_to_image(&g, patches, d_in);
            }
        }
}

const rs_layer_ops rs_convolution_ops = { .plan = plan, .prepare = prepare, .forward = forward, .backward = backward };
