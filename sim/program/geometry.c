/* The geometry of a layer: its windows, segments, groups and rows as the array sees them. */
#include "program/tiling.h"

rs_weight_order rs_compiler_order(const rs_compiler *c, int layer)
{
    const rs_program_layer *l = &c->program->layers[layer];
    return rs_weight_order_in(c->qnet, &c->qnet->ops[l->op], c->config->lanes, c->config->multipliers,
                              rs_array_weight_code(c->config), c->program->tensors[l->input].pixel, c->channels[layer]);
}

static void set_weights(rs_geometry *g, const rs_compiler *c, int layer)
{
    g->order = rs_compiler_order(c, layer);
    g->kernel_h = g->op->kernel_h;
    g->kernel_w = g->op->kernel_w;
    g->seg1_count = g->order.seg1_count;
    g->seg2_count = g->order.seg2_count;
    g->seg_len = g->order.seg_len;
    g->chunks = g->order.chunks;
    g->sets = g->order.sets;
    g->groups_per_set = rs_weight_order_groups_per_set(&g->order);
    g->groups = rs_weight_order_groups(&g->order);
    g->lanes_set = g->lanes_last = rs_weight_order_lanes(&g->order, g->groups - 1);
    g->set_cols = g->sets > 1 ? g->order.pixel : 0;
    g->whole = g->order.kind == RS_WEIGHTS_WHOLE_MAP;
}

/* lanes and multipliers alike take one channel each. */
static void set_direct(rs_geometry *g, const rs_compiler *c)
{
    const int64_t channels = rs_min64(c->config->lanes, c->config->multipliers);
    g->direct = true;
    g->seg_len = g->set_cols = g->lanes_set = rs_min64(channels, g->width);
    g->sets = g->groups = rs_divide_up(g->width, channels);
    g->groups_per_set = 1;
    g->lanes_last = g->width - (g->groups - 1) * g->lanes_set;
    g->chunks = g->seg1_count = g->seg2_count = 1;
    if (g->layer->kind == RS_KIND_AVERAGE_POOL) {
        g->seg1_count = g->kernel_h = g->op->kernel_h;
        g->seg2_count = g->kernel_w = g->op->kernel_w;
    } else if (g->layer->kind == RS_KIND_ADD) {
        g->seg1_count = 2;
    }
}

int64_t rs_compiler_part_offset(const rs_compiler *c, const rs_program_layer *layer)
{
    const int64_t elements = rs_compiler_elements(c);
    const rs_qop *op = &c->qnet->ops[layer->blob - 1];
    int64_t offset = 0;
    for (int k = 0; op->type == RS_QOP_CONCAT && k < layer->part; k++)
        offset += rs_divide_up(c->widths[op->inputs[k]], elements) * elements;
    return offset;
}

rs_geometry rs_geometry_of(const rs_compiler *c, int index)
{
    const rs_qnet *qnet = c->qnet;
    const rs_program_layer *layer = &c->program->layers[index];
    const rs_qop *op = &qnet->ops[layer->op];
    const rs_region *in = &c->program->tensors[layer->input], *blob = &c->program->tensors[layer->blob];
    rs_geometry g = { .layer = layer,
                      .op = op,
                      .in = &qnet->tensors[layer->input],
                      .conv = &qnet->tensors[layer->kind == RS_KIND_MAX_POOL ? layer->input : op->output],
                      .out = &qnet->tensors[layer->output],
                      .relu = op->relu || op->type == RS_QOP_RELU || layer->relu_op >= 0,
                      .kernel_h = 1,
                      .kernel_w = 1,
                      .stride_h = 1,
                      .stride_w = 1,
                      .dilation_h = 1,
                      .dilation_w = 1,
                      .pool_h = 1,
                      .pool_w = 1,
                      .pool_stride_h = 1,
                      .pool_stride_w = 1,
                      .in_pixel = in->pixel,
                      .width = layer->kind == RS_KIND_WEIGHTS ? qnet->tensors[layer->output].channels : in->pixel,
                      .offset = rs_compiler_part_offset(c, layer),
                      .out_pixel = blob->pixel };
    if (layer->kind == RS_KIND_WEIGHTS || layer->kind == RS_KIND_AVERAGE_POOL) {
        g.stride_h = op->stride_h;
        g.stride_w = op->stride_w;
        g.pad_h = op->pad_h;
        g.pad_w = op->pad_w;
        g.dilation_h = op->dilation_h;
        g.dilation_w = op->dilation_w;
    }
    const rs_qop *pool = layer->kind == RS_KIND_MAX_POOL ? op : layer->pool_op >= 0 ? &qnet->ops[layer->pool_op] : NULL;
    if (pool) {
        g.pool_h = pool->kernel_h;
        g.pool_w = pool->kernel_w;
        g.pool_stride_h = pool->stride_h;
        g.pool_stride_w = pool->stride_w;
        g.pool_pad_h = pool->pad_h;
        g.pool_pad_w = pool->pad_w;
    }
    if (layer->kind == RS_KIND_WEIGHTS)
        set_weights(&g, c, index);
    else
        set_direct(&g, c);
    g.steps = g.seg1_count * g.seg2_count * g.chunks;
    g.in_rows = g.whole ? 1 : g.in->height;
    g.row_elems = g.in->width * g.in_pixel * (g.whole ? g.in->height : 1);
    g.runs = g.out_pixel != g.width;
    g.align_out = g.runs ? 1 : rs_compiler_elements(c) / rs_gcd(rs_compiler_elements(c), g.out->width * g.out_pixel);
    return g;
}

/* Positions (output, kernel) along one axis whose input lies in the map. */
static int64_t inside(int64_t outputs, int64_t in, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation)
{
    int64_t count = 0;
    for (int64_t o = 0; o < outputs; o++)
        for (int64_t k = 0; k < kernel; k++) {
            const int64_t at = o * stride - pad + k * dilation;
            count += at >= 0 && at < in;
        }
    return count;
}

int64_t rs_geometry_macs(const rs_geometry *g)
{
    if (g->direct)
        return 0;
    return inside(g->conv->height, g->in->height, g->kernel_h, g->stride_h, g->pad_h, g->dilation_h) *
           inside(g->conv->width, g->in->width, g->kernel_w, g->stride_w, g->pad_w, g->dilation_w) * g->order.channels *
           g->conv->channels;
}
