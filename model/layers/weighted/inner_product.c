/* Fully connected layer over the whole batch, so that the large matrix of weights is read once per batch, not once per
 * chunk.
 *   forward    top[n][o] = bias[o] + bottom[n][k] W^T[k][o]          tasks: columns o
 *   backward   dW[o][k] = dtop^T[o][n] bottom[n][k], dbias           tasks: rows o
 *              dbottom[n][k] = dtop[n][o] W[o][k]                    tasks: columns k */
#include <string.h>

#include "layers/weighted/gemm.h"
#include "layers/layer.h"

enum { TILE_OUTPUTS = 64, TILE_INPUTS = 128, TILE_ROWS = 56, TILE_PANELS = 2 };

static int64_t outputs(const rs_op *op)
{
    return op->layer->inner_product.outputs;
}

static int64_t inputs(const rs_op *op)
{
    return op->bottom_size[0];
}

static int64_t tiles(int64_t n, int64_t size)
{
    return (n + size - 1) / size;
}

static rs_status plan(rs_op *op, rs_diag *diag)
{
    (void)diag;
    const size_t batch = (size_t)op->batch, widest = (size_t)(inputs(op) > outputs(op) ? inputs(op) : outputs(op));
    op->scratch_size = rs_gemm_scratch() + (op->training ? TILE_ROWS * batch : 0);
    /* The batch of inputs, or of gradients of outputs, packed. */
    op->prepared_size = batch * widest;
    return RS_OK;
}

static int64_t tasks(const rs_op *op, bool backward, int step, int64_t n)
{
    if (step == 0)
        return tiles(rs_gemm_panels(n), TILE_PANELS);
    if (!backward)
        return tiles(outputs(op), TILE_OUTPUTS);
    return tiles(outputs(op), TILE_ROWS) + (op->backward_data[0] ? tiles(inputs(op), TILE_INPUTS) : 0);
}

static void forward_tile(rs_op *op, int64_t n, int64_t first, int64_t columns, float *scratch)
{
    const bool bias = op->layer->inner_product.bias;
    const int64_t ldc = outputs(op), k = inputs(op);
    float *out = op->top[0] + first;
    if (bias)
        for (int64_t i = 0; i < n; i++)
            memcpy(out + i * ldc, op->layer->params[1].data + first, (size_t)columns * sizeof *out);
    rs_gemm(n, columns, k, op->prepared, op->layer->params[0].data + first * k, 1, k, out, ldc, bias, scratch);
}

static void backward_weights_tile(rs_op *op, int64_t n, int64_t first, int64_t rows, float *scratch)
{
    const int64_t m = outputs(op), k = inputs(op);
    const float *d_out = op->top_gradient[0] + first;
    float *packed = scratch + rs_gemm_scratch();
    rs_gemm_pack(rows, n, d_out, 1, m, packed);
    rs_gemm(rows, k, n, packed, op->bottom[0], k, 1, op->gradients[0] + first * k, k, false, scratch);
    if (op->layer->inner_product.bias) {
        float *d_bias = op->gradients[1] + first;
        memset(d_bias, 0, (size_t)rows * sizeof *d_bias);
        for (int64_t i = 0; i < n; i++)
            for (int64_t o = 0; o < rows; o++)
                d_bias[o] += d_out[i * m + o];
    }
}

static void backward_data_tile(rs_op *op, int64_t n, int64_t first, int64_t columns, float *scratch)
{
    const int64_t m = outputs(op), k = inputs(op);
    rs_gemm(n, columns, m, op->prepared, op->layer->params[0].data + first, k, 1, op->bottom_gradient[0] + first, k,
            op->add[0], scratch);
}

static void task(rs_op *op, bool backward, int step, int64_t n, int64_t index, float *scratch)
{
    if (step == 0) {
        const int64_t k = backward ? outputs(op) : inputs(op), first = index * TILE_PANELS, panels = rs_gemm_panels(n);
        rs_gemm_pack_panels(n, k, backward ? op->top_gradient[0] : op->bottom[0], k, 1, op->prepared, first,
                            first + TILE_PANELS < panels ? first + TILE_PANELS : panels);
        return;
    }
    const int64_t o = outputs(op), weight_tiles = tiles(o, TILE_ROWS);
    if (!backward) {
        const int64_t first = index * TILE_OUTPUTS;
        forward_tile(op, n, first, o - first < TILE_OUTPUTS ? o - first : TILE_OUTPUTS, scratch);
    } else if (index < weight_tiles) {
        const int64_t first = index * TILE_ROWS;
        backward_weights_tile(op, n, first, o - first < TILE_ROWS ? o - first : TILE_ROWS, scratch);
    } else {
        const int64_t first = (index - weight_tiles) * TILE_INPUTS, left = inputs(op) - first;
        backward_data_tile(op, n, first, left < TILE_INPUTS ? left : TILE_INPUTS, scratch);
    }
}

static const rs_layer_ops ops = { .plan = plan, .forward_steps = 2, .backward_steps = 2, .tasks = tasks, .task = task };

static rs_status shape(rs_net *net, rs_layer *layer, const rs_shape *in, rs_shape *out, rs_diag *diag)
{
    (void)net;
    const rs_inner_product_param *ip = &layer->inner_product;
    char text[RS_SHAPE_TEXT];
    int64_t inputs = in->n_axes >= 1 ? rs_shape_count(in, 1) : 0;
    if (inputs <= 0)
        return rs_error(diag, RS_BAD_INPUT, layer->loc, NULL,
                        "layer '%s' (InnerProduct): the input is %s, expected "
                        "a batch of at least one value each",
                        layer->name, rs_shape_text(in, text, sizeof text));
    *out = (rs_shape) { 2, { in->dim[0], ip->outputs } };
    return rs_layer_set_params(layer, (rs_shape) { 2, { ip->outputs, inputs } }, ip->bias,
                               (rs_shape) { 1, { ip->outputs } }, diag);
}

static const rs_filler *filler(const rs_layer *layer, int param)
{
    return param == 0 ? &layer->inner_product.weight_filler : &layer->inner_product.bias_filler;
}

static int64_t macs(const rs_net *net, const rs_layer *layer)
{
    (void)net;
    return rs_shape_count(&layer->params[0].shape, 0);
}

const rs_layer_rule rs_inner_product_layer = {
    .name = "InnerProduct",
    .bottoms = { 1, 1 },
    .tops = { 1, 1 },
    .max_params = 2,
    .shape = shape,
    .filler = filler,
    .macs = macs,
    .ops = &ops,
};
