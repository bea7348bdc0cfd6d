/* Folding: what follows a convolution and is a line in each of its outputs, y = f x + o by channel, becomes part of its
 * weights and bias. */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "net/net.h"

/* The line of a layer, or of several after each other, by channel. */
typedef struct fold_line {
    int64_t channels;
    double *factor, *offset;
} fold_line;

static bool weighted(const rs_layer *l)
{
    return l->type == RS_LAYER_CONVOLUTION || l->type == RS_LAYER_INNER_PRODUCT || l->type == RS_LAYER_DECONVOLUTION;
}

static bool shares(const rs_layer *l)
{
    for (int p = 0; p < l->n_params; p++)
        if (l->params[p].shared || l->params[p].name != NULL)
            return true;
    return false;
}

/* Channels that a layer's line has, or 0 if it is none. */
static int64_t line_channels(const rs_net *net, const rs_layer *l)
{
    if (l->n_params == 0 || l->params[0].data == NULL || l->n_bottoms != 1 || l->n_tops != 1 || shares(l))
        return 0;
    if (l->type == RS_LAYER_BATCH_NORM)
        return l->batch_norm.global_stats ? l->params[0].shape.dim[0] : 0;
    const int n_axes = net->blobs[l->bottoms[0]].shape.n_axes;
    const bool by_channel = (l->type == RS_LAYER_SCALE || l->type == RS_LAYER_BIAS) &&
                            rs_axis(l->scale.axis, n_axes) == 1 && l->params[0].shape.n_axes == 1;
    return by_channel ? l->params[0].shape.dim[0] : 0;
}

/* value = f value + o, then the layer's line. */
static rs_status compose(const rs_layer *l, const fold_line *sum, rs_diag *diag)
{
    const rs_param *p = l->params;
    const double scale = l->type == RS_LAYER_BATCH_NORM && p[2].data[0] != 0.0f ? 1.0 / (double)p[2].data[0] : 0.0;
    for (int64_t c = 0; c < sum->channels; c++) {
        double f = 1.0, o = 0.0;
        if (l->type == RS_LAYER_BATCH_NORM) {
            f = 1.0 / sqrt((double)p[1].data[c] * scale + (double)l->batch_norm.eps);
            o = -(double)p[0].data[c] * scale * f;
        } else if (l->type == RS_LAYER_SCALE) {
            f = (double)p[0].data[c];
            o = l->scale.bias ? (double)p[1].data[c] : 0.0;
        } else {
            o = (double)p[0].data[c];
        }
        if (!isfinite(f) || !isfinite(o))
            return rs_error(diag, RS_BAD_INPUT, l->loc, NULL,
                            "layer '%s' (%s): the variance %g of channel %lld gives no finite factor", l->name,
                            rs_layer_type_name(l->type), (double)p[1].data[c] * scale, (long long)c);
        sum->factor[c] *= f;
        sum->offset[c] = sum->offset[c] * f + o;
    }
    return RS_OK;
}

/* The only layer that reads what layer i writes, if it comes straight after it; -1 if there is none such. */
static int only_reader(const rs_net *net, int i)
{
    const int blob = net->layers[i].tops[0];
    int reader = -1;
    for (int k = i + 1; k < net->n_layers; k++) {
        const rs_layer *l = &net->layers[k];
        bool reads = false, writes = false;
        for (int b = 0; b < l->n_bottoms; b++)
            reads = reads || l->bottoms[b] == blob;
        for (int t = 0; t < l->n_tops; t++)
            writes = writes || l->tops[t] == blob;
        if (reads && reader >= 0)
            return -1;
        if (reads)
            reader = k;
        if (writes)
            return reader; /* what later layers read is another value */
    }
    return reader;
}

static rs_status apply(rs_layer *l, const fold_line *sum, rs_diag *diag)
{
    const bool inner_product = l->type == RS_LAYER_INNER_PRODUCT;
    const int64_t outputs = sum->channels, count = rs_shape_count(&l->params[0].shape, 0);
    if (l->n_params == 1) {
        float *bias = RS_NEW_ARRAY(float, (size_t)outputs);
        if (bias == NULL)
            return rs_out_of_memory(diag);
        l->params[1] = (rs_param) { .shape = { 1, { outputs } }, .data = bias, .lr_mult = 1.0f, .decay_mult = 1.0f };
        l->n_params = 2;
        *(inner_product ? &l->inner_product.bias : &l->convolution.bias) = true;
    }
    /* The output that a weight belongs to: along the first axis, or, of a deconvolution, the second, group by group. */
    const int64_t deconvolution_outputs = l->type == RS_LAYER_DECONVOLUTION ? l->params[0].shape.dim[1] : 0;
    const int64_t groups = inner_product ? 1 : l->convolution.groups;
    for (int64_t i = 0; i < count; i++) {
        int64_t output = i / (count / outputs);
        if (deconvolution_outputs > 0) {
            const int64_t area = l->convolution.kernel_h * l->convolution.kernel_w;
            output = i / (count / groups) * deconvolution_outputs + i / area % deconvolution_outputs;
        }
        l->params[0].data[i] = (float)((double)l->params[0].data[i] * sum->factor[output]);
    }
    for (int64_t c = 0; c < outputs; c++)
        l->params[1].data[c] = (float)((double)l->params[1].data[c] * sum->factor[c] + sum->offset[c]);
    return RS_OK;
}

static void remove_blob(rs_net *net, int blob)
{
    rs_free(net->blobs[blob].name);
    memmove(&net->blobs[blob], &net->blobs[blob + 1], (size_t)(net->n_blobs - blob - 1) * sizeof *net->blobs);
    net->n_blobs--;
    for (int i = 0; i < net->n_layers; i++) {
        rs_layer *l = &net->layers[i];
        for (int b = 0; b < l->n_bottoms; b++)
            l->bottoms[b] -= l->bottoms[b] > blob;
        for (int t = 0; t < l->n_tops; t++)
            l->tops[t] -= l->tops[t] > blob;
    }
}

/* Takes layer `index` out; layer `into` then writes its top. */
static rs_status remove_layer(rs_net *net, int index, int into, rs_diag *diag)
{
    char **names = rs_recalloc(net->folded, (size_t)net->n_folded, (size_t)net->n_folded + 1, sizeof *names);
    if (names == NULL)
        return rs_out_of_memory(diag);
    net->folded = names;
    rs_layer *l = &net->layers[index], *target = &net->layers[into];
    names[net->n_folded++] = l->name;
    const int old = target->tops[0];
    target->tops[0] = l->tops[0];
    l->name = NULL;
    const bool unused = l->tops[0] != old;
    rs_layer_clear(l);
    memmove(l, l + 1, (size_t)(net->n_layers - index - 1) * sizeof *l);
    net->n_layers--;
    if (unused)
        remove_blob(net, old);
    return RS_OK;
}

static rs_status fold_into(rs_net *net, int i, rs_diag *diag)
{
    rs_layer *l = &net->layers[i];
    const int64_t outputs = l->type == RS_LAYER_INNER_PRODUCT ? l->inner_product.outputs : l->convolution.out_channels;
    double *lines = RS_NEW_ARRAY(double, 2 * (size_t)outputs);
    if (lines == NULL)
        return rs_out_of_memory(diag);
    const fold_line sum = { outputs, lines, lines + outputs };
    for (int64_t c = 0; c < outputs; c++)
        sum.factor[c] = 1.0;
    bool any = false;
    rs_status st = RS_OK;
    for (int next;
         st == RS_OK && (next = only_reader(net, i)) >= 0 && line_channels(net, &net->layers[next]) == outputs;) {
        st = compose(&net->layers[next], &sum, diag);
        if (st == RS_OK)
            st = remove_layer(net, next, i, diag);
        any = true;
    }
    if (st == RS_OK && any)
        st = apply(&net->layers[i], &sum, diag);
    rs_free(lines);
    return st;
}

rs_status rs_net_fold(rs_net *net, rs_diag *diag)
{
    rs_status st = RS_OK;
    for (int i = 0; i < net->n_layers && st == RS_OK; i++)
        if (weighted(&net->layers[i]) && net->layers[i].params[0].data != NULL && !shares(&net->layers[i]))
            st = fold_into(net, i, diag);
    return st;
}
