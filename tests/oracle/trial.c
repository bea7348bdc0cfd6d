/* One trial of the quantizer in double, by plain loops. */
#include "oracle/trial.h"

#include <math.h>
#include <stdlib.h>

enum { LARGEST = 1 << 16 };

static int64_t dim(const rs_shape *shape, int axis)
{
    return axis < shape->n_axes ? shape->dim[axis] : 1;
}

int rs_oracle_fraction(double a, int bits)
{
    if (a == 0)
        return bits - 1;
    int il = -200;
    while (a > pow(2, il - 1))
        il++;
    return bits - il;
}

static double rounded(double x, int bits, int fl)
{
    const double y = x * pow(2, fl), away = y < 0 ? -floor(-y + 0.5) : floor(y + 0.5);
    const double least = -pow(2, bits - 1), most = pow(2, bits - 1) - 1;
    return (away < least ? least : away > most ? most : away) * pow(2, -fl);
}

static bool weighted(const rs_layer *layer)
{
    return layer->type == RS_LAYER_CONVOLUTION || layer->type == RS_LAYER_INNER_PRODUCT;
}

/* Bias as it enters the sum. fl_in is known if `known`. */
static double bias_of(const rs_oracle_trial *t, double b, int bits, int fl, bool known, int fl_in)
{
    if (bits == 0)
        return b;
    if (!t->bias_as_weights)
        return known ? rounded(b, 48, fl_in + fl) : b;
    const double q = rounded(b, bits, fl);
    return known && fl_in < 0 ? rounded(q, 60, fl_in + fl) : q;
}

/* out = what layer i gives for the one image in `in`. */
static void compute(const rs_oracle_trial *t, int i, const double *in, double *out, int bits, bool known, int fl_in)
{
    const rs_layer *layer = &t->net->layers[i];
    const rs_shape *from = &t->net->blobs[layer->bottoms[0]].shape, *to = &t->net->blobs[layer->tops[0]].shape;
    const int64_t ci = dim(from, 1), hi = dim(from, 2), wi = dim(from, 3), co = dim(to, 1), ho = dim(to, 2),
                  wo = dim(to, 3);
    const int fl = bits > 0 ? rs_oracle_fraction(t->weight_max[i], bits) : 0;
    const float *w = layer->params[0].data, *b = layer->n_params > 1 ? layer->params[1].data : NULL;
    for (int64_t o = 0; o < co; o++)
        for (int64_t y = 0; y < ho; y++)
            for (int64_t x = 0; x < wo; x++) {
                double v = b != NULL ? bias_of(t, (double)b[o], bits, fl, known, fl_in) : 0;
                if (layer->type == RS_LAYER_CONVOLUTION) {
                    const rs_convolution_param *c = &layer->convolution;
                    for (int64_t k = 0; k < ci; k++)
                        for (int64_t ky = 0; ky < c->kernel_h; ky++)
                            for (int64_t kx = 0; kx < c->kernel_w; kx++) {
                                const int64_t iy = y * c->stride_h - c->pad_h + ky,
                                              ix = x * c->stride_w - c->pad_w + kx;
                                const double weight = (double)w[((o * ci + k) * c->kernel_h + ky) * c->kernel_w + kx];
                                if (iy >= 0 && iy < hi && ix >= 0 && ix < wi)
                                    v += (bits > 0 ? rounded(weight, bits, fl) : weight) * in[(k * hi + iy) * wi + ix];
                            }
                } else if (layer->type == RS_LAYER_INNER_PRODUCT) {
                    for (int64_t k = 0; k < ci * hi * wi; k++) {
                        const double weight = (double)w[o * ci * hi * wi + k];
                        v += (bits > 0 ? rounded(weight, bits, fl) : weight) * in[k];
                    }
                } else if (layer->type == RS_LAYER_POOLING) {
                    const rs_pooling_param *p = &layer->pooling;
                    v = -HUGE_VAL;
                    for (int64_t iy = y * p->stride_h; iy < y * p->stride_h + p->kernel_h && iy < hi; iy++)
                        for (int64_t ix = x * p->stride_w; ix < x * p->stride_w + p->kernel_w && ix < wi; ix++)
                            v = fmax(v, in[(o * hi + iy) * wi + ix]);
                } else {
                    v = in[(o * hi + y) * wi + x];
                    v = layer->type == RS_LAYER_RELU && v < 0 ? 0 : v;
                }
                out[(o * ho + y) * wo + x] = v;
            }
}

static int64_t values(const rs_oracle_trial *t, int layer)
{
    return rs_shape_count(&t->net->blobs[t->net->layers[layer].tops[0]].shape, 1);
}

/* Image n through the net into `result`; the largest magnitudes into value_max if `widen`. */
static void run(const rs_oracle_trial *t, int64_t n, const int bits[3], double *widen, double *result)
{
    static double a[LARGEST], b[LARGEST];
    double *in = a, *out = b;
    const int m = bits[2], last = t->net->n_layers - 1;
    int fl = 0; /* of the values in `in` */
    for (int64_t k = 0; k < values(t, 0); k++)
        in[k] = (double)((float)t->set->pixels[n * values(t, 0) + k] * (float)t->scale);
    for (int i = 0; i <= last; i++) {
        const rs_layer *layer = &t->net->layers[i];
        if (i > 0) {
            compute(t, i, in, out,
                    layer->type == RS_LAYER_CONVOLUTION     ? bits[0]
                    : layer->type == RS_LAYER_INNER_PRODUCT ? bits[1]
                                                            : 0,
                    m > 0, fl);
            double *const other = in;
            in = out;
            out = other;
        }
        for (int64_t k = 0; k < values(t, i) && widen != NULL; k++)
            widen[i] = fmax(widen[i], fabs(in[k]));
        /* The value is complete behind the ReLU of a weighted layer; max pooling may lie between them. */
        int next = i + 1, before = i - 1;
        while (next <= last && t->net->layers[next].type == RS_LAYER_POOLING)
            next++;
        while (before > 0 && t->net->layers[before].type == RS_LAYER_POOLING)
            before--;
        const bool relu_follows = next <= last && t->net->layers[next].type == RS_LAYER_RELU;
        const bool complete = i == 0 || (weighted(layer) && !relu_follows) ||
                              (layer->type == RS_LAYER_RELU && weighted(&t->net->layers[before]));
        if (m > 0 && complete) {
            fl = rs_oracle_fraction(t->value_max[i], m);
            for (int64_t k = 0; k < values(t, i); k++)
                in[k] = rounded(in[k], m, fl);
        }
    }
    for (int64_t k = 0; k < values(t, last); k++)
        result[k] = in[k];
}

void rs_oracle_trial_measure(rs_oracle_trial *trial, int64_t images)
{
    if (trial->net->n_layers > RS_ORACLE_LAYERS)
        abort();
    for (int i = 0; i < trial->net->n_layers; i++) {
        const rs_param *w = &trial->net->layers[i].params[0];
        trial->weight_max[i] = trial->value_max[i] = 0;
        if (values(trial, i) > LARGEST)
            abort();
        for (int64_t k = 0; weighted(&trial->net->layers[i]) && k < rs_shape_count(&w->shape, 0); k++)
            trial->weight_max[i] = fmax(trial->weight_max[i], fabs((double)w->data[k]));
    }
    static double scores[LARGEST];
    for (int64_t n = 0; n < images; n++)
        run(trial, n, (const int[3]) { 0, 0, 0 }, trial->value_max, scores);
}

void rs_oracle_trial_score(const rs_oracle_trial *trial, const int bits[3], int64_t images, int64_t *hits,
                           int64_t *ties)
{
    static double scores[LARGEST];
    const int64_t classes = values(trial, trial->net->n_layers - 1);
    *hits = *ties = 0;
    for (int64_t n = 0; n < images; n++) {
        run(trial, n, bits, NULL, scores);
        bool above = false, equal = false;
        for (int64_t c = 0; c < classes; c++) {
            above = above || scores[c] > scores[trial->set->labels[n]];
            equal = equal || (c != trial->set->labels[n] && scores[c] == scores[trial->set->labels[n]]);
        }
        *hits += !above && !equal;
        *ties += !above && equal;
    }
}
