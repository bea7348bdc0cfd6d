/* Forward passes of layers in double, by plain loops. */
#include "oracle/layers.h"
#include "oracle/layer_rules.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void *get(size_t count, size_t size)
{
    void *block = calloc(count > 0 ? count : 1, size);
    if (block == NULL)
        abort();
    return block;
}

static bool scalar(const rs_net *net, int blob)
{
    for (int i = 0; i < net->n_layers; i++)
        for (int t = 0; t < net->layers[i].n_tops; t++)
            if (net->layers[i].tops[t] == blob)
                return net->layers[i].type == RS_LAYER_SOFTMAX_LOSS || net->layers[i].type == RS_LAYER_ACCURACY ||
                       net->layers[i].type == RS_LAYER_EUCLIDEAN_LOSS;
    return false;
}

/* Dimension i of a shape for one image, 1 where there is none. */
static int64_t dim(const rs_shape *s, int i)
{
    return i < s->n_axes ? s->dim[i] : 1;
}

static int64_t size(const rs_shape *s)
{
    int64_t product = 1;
    for (int i = 1; i < s->n_axes; i++)
        product *= s->dim[i];
    return product;
}

rs_oracle *rs_oracle_new(const rs_net *net, int64_t n)
{
    rs_oracle *o = get(1, sizeof *o);
    o->net = net;
    o->n = n;
    o->blobs = get((size_t)net->n_blobs, sizeof *o->blobs);
    o->params = get((size_t)net->n_layers * RS_MAX_PARAMS, sizeof *o->params);
    o->kept = get((size_t)net->n_layers, sizeof *o->kept);
    for (int b = 0; b < net->n_blobs; b++)
        o->blobs[b] = get(scalar(net, b) ? 1 : (size_t)(n * size(&net->blobs[b].shape)), sizeof(double));
    for (int i = 0; i < net->n_layers; i++)
        for (int p = 0; p < net->layers[i].n_params; p++) {
            const rs_param *param = &net->layers[i].params[p];
            const int64_t count = param->shape.n_axes == 0 ? 1 : param->shape.dim[0] * size(&param->shape);
            double *copy = get((size_t)count, sizeof(double));
            for (int64_t j = 0; j < count; j++)
                copy[j] = (double)param->data[j];
            o->params[i * RS_MAX_PARAMS + p] = copy;
        }
    return o;
}

void rs_oracle_free(rs_oracle *o)
{
    if (o == NULL)
        return;
    for (int b = 0; b < o->net->n_blobs; b++)
        free(o->blobs[b]);
    for (int i = 0; i < o->net->n_layers * RS_MAX_PARAMS; i++)
        free(o->params[i]);
    free(o->blobs);
    free(o->params);
    free(o->kept);
    free(o);
}

static void convolution(const rs_convolution_param *p, const rs_shape *in_shape, const rs_shape *out_shape,
                        const double *weights, const double *bias, const double *in, double *out)
{
    const int64_t channels = in_shape->dim[1], height = in_shape->dim[2], width = in_shape->dim[3];
    const int64_t in_group = channels / p->groups, out_group = p->out_channels / p->groups;
    for (int64_t o = 0; o < p->out_channels; o++)
        for (int64_t y = 0; y < out_shape->dim[2]; y++)
            for (int64_t x = 0; x < out_shape->dim[3]; x++) {
                double sum = p->bias ? bias[o] : 0.0;
                for (int64_t c = 0; c < in_group; c++)
                    for (int64_t i = 0; i < p->kernel_h; i++)
                        for (int64_t j = 0; j < p->kernel_w; j++) {
                            const int64_t row = y * p->stride_h + i * p->dilation_h - p->pad_h;
                            const int64_t column = x * p->stride_w + j * p->dilation_w - p->pad_w;
                            if (row < 0 || row >= height || column < 0 || column >= width)
                                continue;
                            sum += weights[((o * in_group + c) * p->kernel_h + i) * p->kernel_w + j] *
                                   in[((o / out_group * in_group + c) * height + row) * width + column];
                        }
                out[(o * out_shape->dim[2] + y) * out_shape->dim[3] + x] = sum;
            }
}

/* The average divides by the part of the window that lies in the image and its padding, as Caffe does. */
static void pooling(const rs_pooling_param *p, const rs_shape *in_shape, const rs_shape *out_shape, const double *in,
                    double *out)
{
    const int64_t height = in_shape->dim[2], width = in_shape->dim[3];
    const int64_t kernel_h = p->global ? height : p->kernel_h, kernel_w = p->global ? width : p->kernel_w;
    for (int64_t c = 0; c < in_shape->dim[1]; c++)
        for (int64_t y = 0; y < out_shape->dim[2]; y++)
            for (int64_t x = 0; x < out_shape->dim[3]; x++) {
                double most = -INFINITY, sum = 0.0;
                int64_t area = 0;
                for (int64_t i = 0; i < kernel_h; i++)
                    for (int64_t j = 0; j < kernel_w; j++) {
                        const int64_t row = (p->global ? 0 : y * p->stride_h - p->pad_h) + i;
                        const int64_t column = (p->global ? 0 : x * p->stride_w - p->pad_w) + j;
                        if (row >= height + p->pad_h || column >= width + p->pad_w)
                            continue;
                        area++;
                        if (row < 0 || row >= height || column < 0 || column >= width)
                            continue;
                        const double value = in[(c * height + row) * width + column];
                        most = fmax(most, value);
                        sum += value;
                    }
                out[(c * out_shape->dim[2] + y) * out_shape->dim[3] + x] = p->method == RS_POOL_MAX
                                                                               ? most
                                                                               : sum / (double)area;
            }
}

/* out[c][position] = e^in / sum over classes */
static void softmax(int64_t classes, int64_t positions, const double *in, double *out)
{
    for (int64_t i = 0; i < positions; i++) {
        double most = -INFINITY, sum = 0.0;
        for (int64_t c = 0; c < classes; c++)
            most = fmax(most, in[c * positions + i]);
        for (int64_t c = 0; c < classes; c++)
            sum += exp(in[c * positions + i] - most);
        for (int64_t c = 0; c < classes; c++)
            out[c * positions + i] = exp(in[c * positions + i] - most) / sum;
    }
}

static void lrn(const rs_lrn_param *p, const rs_shape *shape, const double *in, double *out)
{
    const int64_t channels = shape->dim[1], height = shape->dim[2], width = shape->dim[3], r = p->size / 2;
    for (int64_t c = 0; c < channels; c++)
        for (int64_t y = 0; y < height; y++)
            for (int64_t x = 0; x < width; x++) {
                double sum = 0.0;
                for (int64_t j = 0; j < channels; j++)
                    for (int64_t v = 0; v < height; v++)
                        for (int64_t u = 0; u < width; u++) {
                            const bool near = p->across ? llabs(j - c) <= r && v == y && u == x
                                                        : j == c && llabs(v - y) <= r && llabs(u - x) <= r;
                            const double value = in[(j * height + v) * width + u];
                            sum += near ? value * value : 0.0;
                        }
                const double n = p->across ? (double)p->size : (double)(p->size * p->size);
                const int64_t at = (c * height + y) * width + x;
                out[at] = in[at] / pow((p->across ? (double)p->k : 1.0) + (double)p->alpha * sum / n, (double)p->beta);
            }
}

/* Each input value spread over the outputs that its kernel lies on. */
static void deconvolution(const rs_convolution_param *p, const rs_shape *in_shape, const rs_shape *out_shape,
                          const double *weights, const double *bias, const double *in, double *out)
{
    const int64_t channels = in_shape->dim[1], in_group = channels / p->groups, out_group = p->out_channels / p->groups;
    const int64_t height = out_shape->dim[2], width = out_shape->dim[3];
    for (int64_t i = 0; i < p->out_channels * height * width; i++)
        out[i] = p->bias ? bias[i / (height * width)] : 0.0;
    for (int64_t c = 0; c < channels; c++)
        for (int64_t y = 0; y < in_shape->dim[2]; y++)
            for (int64_t x = 0; x < in_shape->dim[3]; x++)
                for (int64_t o = 0; o < out_group; o++)
                    for (int64_t i = 0; i < p->kernel_h; i++)
                        for (int64_t j = 0; j < p->kernel_w; j++) {
                            const int64_t row = y * p->stride_h + i * p->dilation_h - p->pad_h;
                            const int64_t column = x * p->stride_w + j * p->dilation_w - p->pad_w;
                            if (row < 0 || row >= height || column < 0 || column >= width)
                                continue;
                            out[((c / in_group * out_group + o) * height + row) * width + column] +=
                                weights[((c * out_group + o) * p->kernel_h + i) * p->kernel_w + j] *
                                in[(c * in_shape->dim[2] + y) * in_shape->dim[3] + x];
                        }
}

/* Mean and variance (about the mean) of a channel over the batch. */
static void moments(const rs_oracle *o, const rs_layer *l, int64_t c, double *mean, double *variance)
{
    const rs_shape *s = &o->net->blobs[l->bottoms[0]].shape;
    const int64_t positions = size(s) / s->dim[1];
    *mean = *variance = 0.0;
    for (int pass = 0; pass < 2; pass++)
        for (int64_t i = 0; i < o->n; i++)
            for (int64_t p = 0; p < positions; p++) {
                const double x = o->blobs[l->bottoms[0]][(i * s->dim[1] + c) * positions + p];
                if (pass == 0)
                    *mean += x / (double)(o->n * positions);
                else
                    *variance += (x - *mean) * (x - *mean) / (double)(o->n * positions);
            }
}

/* Over the whole batch at once. */
static void batch_norm(rs_oracle *o, int index)
{
    const rs_layer *l = &o->net->layers[index];
    const rs_shape *s = &o->net->blobs[l->bottoms[0]].shape;
    const int64_t channels = s->dim[1], positions = size(s) / channels;
    double *const *p = &o->params[index * RS_MAX_PARAMS];
    double *means = get((size_t)channels, sizeof(double)), *variances = get((size_t)channels, sizeof(double));
    for (int64_t c = 0; c < channels; c++) {
        if (l->batch_norm.global_stats) {
            means[c] = p[2][0] == 0.0 ? 0.0 : p[0][c] / p[2][0];
            variances[c] = p[2][0] == 0.0 ? 0.0 : p[1][c] / p[2][0];
        } else {
            moments(o, l, c, &means[c], &variances[c]);
        }
    }
    for (int64_t i = 0; i < o->n * channels * positions; i++) {
        const int64_t c = i / positions % channels;
        o->blobs[l->tops[0]][i] = (o->blobs[l->bottoms[0]][i] - means[c]) /
                                  sqrt(variances[c] + (double)l->batch_norm.eps);
    }
    free(means);
    free(variances);
}

/* Values before and from an axis of a shape, the batch left out. */
static int64_t before(const rs_shape *s, int64_t axis)
{
    int64_t product = 1;
    for (int i = 1; i < (axis < 0 ? s->n_axes + axis : axis); i++)
        product *= s->dim[i];
    return product;
}

/* Part `which` of those that lie side by side along an axis, to or from its place in the whole. */
static void part(const rs_net *net, const int *blobs, int n, int which, int64_t axis, int64_t image, double *whole,
                 double *piece, bool join)
{
    const int64_t runs = before(&net->blobs[blobs[0]].shape, axis);
    int64_t all = 0, start = 0;
    for (int i = 0; i < n; i++) {
        const int64_t length = size(&net->blobs[blobs[i]].shape) / runs;
        start += i < which ? length : 0;
        all += length;
    }
    const int64_t length = size(&net->blobs[blobs[which]].shape) / runs;
    for (int64_t r = 0; r < runs; r++)
        for (int64_t i = 0; i < length; i++) {
            double *a = &whole[image * runs * all + r * all + start + i], *b = &piece[(image * runs + r) * length + i];
            if (join)
                *a = *b;
            else
                *b = *a;
        }
}

static double run_layer(rs_oracle *o, int index)
{
    const rs_layer *l = &o->net->layers[index];
    if (l->type == RS_LAYER_INPUT)
        return 0.0;
    if (l->type == RS_LAYER_BATCH_NORM) {
        batch_norm(o, index);
        return 0.0;
    }
    const rs_shape *in_shape = &o->net->blobs[l->bottoms[0]].shape, *out_shape = &o->net->blobs[l->tops[0]].shape;
    const int64_t in_size = size(in_shape), out_size = scalar(o->net, l->tops[0]) ? 0 : size(out_shape);
    const double *weights = o->params[index * RS_MAX_PARAMS], *bias = o->params[index * RS_MAX_PARAMS + 1];
    double total = 0.0;
    for (int64_t image = 0; image < o->n; image++) {
        const double *in = o->blobs[l->bottoms[0]] + image * in_size;
        double *out = o->blobs[l->tops[0]] + image * out_size;
        const int64_t positions = in_size / dim(in_shape, 1);
        const double *labels = l->n_bottoms > 1 ? o->blobs[l->bottoms[1]] + image * positions : NULL;
        if (rs_oracle_function(l, in, out, in_size) || rs_oracle_view(l, in_shape, out_shape, in, out) ||
            rs_oracle_statistic(l, in_shape, out_shape, weights, in, out))
            continue;
        switch (l->type) {
        case RS_LAYER_CONVOLUTION:
            convolution(&l->convolution, in_shape, out_shape, weights, bias, in, out);
            break;
        case RS_LAYER_INNER_PRODUCT:
            for (int64_t i = 0; i < l->inner_product.outputs; i++) {
                double sum = l->inner_product.bias ? bias[i] : 0.0;
                for (int64_t k = 0; k < in_size; k++)
                    sum += weights[i * in_size + k] * in[k];
                out[i] = sum;
            }
            break;
        case RS_LAYER_POOLING:
            pooling(&l->pooling, in_shape, out_shape, in, out);
            break;
        case RS_LAYER_RELU:
            for (int64_t i = 0; i < in_size; i++)
                out[i] = in[i] > 0.0 ? in[i] : in[i] * (double)l->relu_slope;
            break;
        case RS_LAYER_DECONVOLUTION:
            deconvolution(&l->convolution, in_shape, out_shape, weights, bias, in, out);
            break;
        case RS_LAYER_SIGMOID:
            for (int64_t i = 0; i < in_size; i++)
                out[i] = 1.0 / (1.0 + exp(-in[i]));
            break;
        case RS_LAYER_TANH:
            for (int64_t i = 0; i < in_size; i++)
                out[i] = tanh(in[i]);
            break;
        case RS_LAYER_CLIP:
            for (int64_t i = 0; i < in_size; i++)
                out[i] = fmin(fmax(in[i], (double)l->clip[0]), (double)l->clip[1]);
            break;
        case RS_LAYER_QUANTIZE_LINEAR:
            for (int64_t i = 0; i < in_size; i++) {
                const rs_quantize_linear_param *q = &l->quantize_linear;
                const double v = (double)((float)in[i] / q->scale), down = floor(v), part = v - down;
                const double even = fmod(down, 2.0) == 0.0 ? down : down + 1.0;
                double whole = (part < 0.5 ? down : part > 0.5 ? down + 1.0 : even) + (double)q->zero;
                whole = whole < (double)q->min ? (double)q->min : whole > (double)q->max ? (double)q->max : whole;
                out[i] = (double)((float)(whole - (double)q->zero) * q->scale);
            }
            break;
        case RS_LAYER_ELU:
            for (int64_t i = 0; i < in_size; i++)
                out[i] = in[i] > 0.0 ? in[i] : (double)l->elu_alpha * expm1(in[i]);
            break;
        case RS_LAYER_PRELU:
            for (int64_t i = 0; i < in_size; i++)
                out[i] = in[i] > 0.0 ? in[i] : in[i] * weights[l->prelu.shared ? 0 : i / (in_size / in_shape->dim[1])];
            break;
        case RS_LAYER_SCALE:
        case RS_LAYER_BIAS: {
            const int64_t outer = before(in_shape, l->scale.axis),
                          count = l->params[0].shape.n_axes == 0
                                      ? 1
                                      : l->params[0].shape.dim[0] * size(&l->params[0].shape);
            for (int64_t i = 0; i < in_size; i++) {
                const int64_t w = i / (in_size / outer / count) % count;
                out[i] = l->type == RS_LAYER_BIAS ? in[i] + weights[w]
                                                  : in[i] * weights[w] + (l->scale.bias ? bias[w] : 0.0);
            }
            break;
        }
        case RS_LAYER_EUCLIDEAN_LOSS:
            for (int64_t i = 0; i < in_size; i++) {
                const double d = in[i] - o->blobs[l->bottoms[1]][image * in_size + i];
                total += d * d / 2.0 / (double)o->n;
            }
            break;
        case RS_LAYER_LRN:
            lrn(&l->lrn, in_shape, in, out);
            break;
        case RS_LAYER_CONCAT:
            for (int b = 0; b < l->n_bottoms; b++)
                part(o->net, l->bottoms, l->n_bottoms, b, l->concat.axis, image, o->blobs[l->tops[0]],
                     o->blobs[l->bottoms[b]], true);
            break;
        case RS_LAYER_SLICE:
            for (int t = 0; t < l->n_tops; t++)
                part(o->net, l->tops, l->n_tops, t, l->slice.axis, image, o->blobs[l->bottoms[0]], o->blobs[l->tops[t]],
                     false);
            break;
        case RS_LAYER_SPLIT:
        case RS_LAYER_FLATTEN:
        case RS_LAYER_RESHAPE:
            for (int t = 0; t < l->n_tops; t++)
                for (int64_t i = 0; i < in_size; i++)
                    o->blobs[l->tops[t]][image * in_size + i] = in[i];
            break;
        case RS_LAYER_ELTWISE:
            for (int64_t i = 0; i < in_size; i++) {
                double value = l->eltwise.method == RS_ELTWISE_PRODUCT ? 1.0
                               : l->eltwise.method == RS_ELTWISE_SUM   ? 0.0
                                                                       : -INFINITY;
                for (int b = 0; b < l->n_bottoms; b++) {
                    const double x = o->blobs[l->bottoms[b]][image * in_size + i];
                    if (l->eltwise.method == RS_ELTWISE_PRODUCT)
                        value *= x;
                    else if (l->eltwise.method == RS_ELTWISE_SUM)
                        value += l->eltwise.coefficients == NULL ? x : (double)l->eltwise.coefficients[b] * x;
                    else
                        value = fmax(value, x);
                }
                out[i] = value;
            }
            break;
        case RS_LAYER_SCALE_BY:
        case RS_LAYER_BIAS_BY:
        case RS_LAYER_AXPY: {
            const bool axpy = l->type == RS_LAYER_AXPY;
            const int few = axpy ? 0 : 1;
            const int64_t count = size(&o->net->blobs[l->bottoms[few]].shape);
            const double *s = o->blobs[l->bottoms[few]] + image * count;
            const double *x = o->blobs[l->bottoms[axpy ? 1 : 0]] + image * out_size;
            for (int64_t i = 0; i < out_size; i++) {
                out[i] = l->type == RS_LAYER_BIAS_BY ? x[i] + s[i * count / out_size] : x[i] * s[i * count / out_size];
                if (axpy)
                    out[i] += o->blobs[l->bottoms[2]][image * out_size + i];
            }
            break;
        }
        case RS_LAYER_DROPOUT:
            for (int64_t i = 0; i < in_size; i++)
                out[i] = o->kept[index] != NULL ? in[i] * o->kept[index][image * in_size + i] : in[i];
            break;
        case RS_LAYER_SOFTMAX:
            softmax(dim(in_shape, 1), positions, in, out);
            break;
        case RS_LAYER_SOFTMAX_LOSS: {
            double *p = get((size_t)in_size, sizeof *p);
            softmax(dim(in_shape, 1), positions, in, p);
            const rs_criterion_param *j = &l->criterion;
            int64_t counted = 0;
            for (int64_t i = 0; i < o->n * positions; i++)
                counted += !(j->ignores && (int32_t)o->blobs[l->bottoms[1]][i] == j->ignored);
            const int64_t divisor = j->normalization == RS_NORM_NONE         ? 1
                                    : j->normalization == RS_NORM_BATCH_SIZE ? o->n
                                    : j->normalization == RS_NORM_FULL       ? o->n * positions
                                                                             : counted;
            for (int64_t i = 0; i < positions; i++)
                if (!(j->ignores && (int32_t)labels[i] == j->ignored))
                    total -= log(p[(int64_t)labels[i] * positions + i]) / (double)divisor;
            free(p);
            break;
        }
        case RS_LAYER_ACCURACY: {
            int64_t counted = 0;
            for (int64_t i = 0; i < o->n * positions; i++)
                counted += !(l->criterion.ignores && (int32_t)o->blobs[l->bottoms[1]][i] == l->criterion.ignored);
            for (int64_t i = 0; i < positions; i++) {
                const int64_t label = (int64_t)labels[i];
                if (l->criterion.ignores && label == l->criterion.ignored)
                    continue;
                int64_t better = 0;
                for (int64_t c = 0; c < dim(in_shape, 1); c++)
                    better += c != label && in[c * positions + i] >= in[label * positions + i];
                total += better < l->criterion.top_k ? 1.0 / (double)counted : 0.0;
            }
            break;
        }
        default:
            abort();
        }
    }
    if (scalar(o->net, l->tops[0]))
        o->blobs[l->tops[0]][0] = total;
    return l->type == RS_LAYER_SOFTMAX_LOSS || l->type == RS_LAYER_EUCLIDEAN_LOSS ? total * (double)l->loss_weight
                                                                                  : 0.0;
}

double rs_oracle_run(rs_oracle *o)
{
    double loss = 0.0;
    for (int i = 0; i < o->net->n_layers; i++)
        loss += run_layer(o, i);
    return loss;
}
