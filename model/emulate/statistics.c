/* Samples and means of blobs over the calibration images. */
#include "emulate/statistics.h"

#include <math.h>
#include <stdlib.h>

#include "base/rng.h"
#include "base/threads.h"
#include "emulate/ranges.h"

enum {
    SAMPLES_AN_IMAGE = 256,
    MAX_SAMPLES = 1 << 17, /* of a blob */
    STREAM = 0x5a3d        /* of the random numbers that place them */
};

static int64_t samples_an_image(int64_t images)
{
    const int64_t fair = MAX_SAMPLES / (images > 0 ? images : 1);
    return fair < 1 ? 1 : fair > SAMPLES_AN_IMAGE ? SAMPLES_AN_IMAGE : fair;
}

/* A weighted layer reads the blob, and nothing writes it again afterwards. */
static bool wants_means(const rs_net *net, const rs_plan *plan, int blob)
{
    for (int i = 0; i < plan->n_layers; i++) {
        const rs_layer *layer = &net->layers[i];
        if (rs_layer_group(layer) != RS_GROUPS && layer->n_bottoms == 1 && layer->bottoms[0] == blob &&
            plan->last_writer[blob] < i)
            return true;
    }
    return false;
}

rs_status rs_statistics_new(const rs_net *net, const rs_plan *plan, int64_t images, rs_statistics **statistics,
                            rs_diag *diag)
{
    *statistics = NULL;
    rs_statistics *s = RS_NEW(rs_statistics);
    bool ok = s != NULL;
    if (ok) {
        s->n_blobs = net->n_blobs;
        s->samples_an_image = samples_an_image(images);
        s->n_samples = RS_NEW_ARRAY(size_t, (size_t)net->n_blobs);
        s->samples = RS_NEW_ARRAY(float *, (size_t)net->n_blobs);
        s->means = RS_NEW_ARRAY(double *, (size_t)net->n_blobs);
        ok = s->n_samples != NULL && s->samples != NULL && s->means != NULL;
    }
    for (int b = 0; ok && b < net->n_blobs; b++) {
        if (plan->format_class[b] < 0)
            continue;
        s->n_samples[b] = (size_t)(images * s->samples_an_image);
        s->samples[b] = RS_NEW_ARRAY(float, s->n_samples[b]);
        ok = s->samples[b] != NULL;
        if (ok && wants_means(net, plan, b)) {
            s->means[b] = RS_NEW_ARRAY(double, (size_t)rs_plan_count(net, b));
            ok = s->means[b] != NULL;
        }
    }
    if (!ok) {
        rs_statistics_free(s);
        return rs_out_of_memory(diag);
    }
    *statistics = s;
    return RS_OK;
}

void rs_statistics_free(rs_statistics *s)
{
    if (s == NULL)
        return;
    for (int b = 0; b < s->n_blobs; b++) {
        if (s->samples != NULL)
            rs_free(s->samples[b]);
        if (s->means != NULL)
            rs_free(s->means[b]);
    }
    rs_free(s->n_samples);
    rs_free(s->samples);
    rs_free(s->means);
    rs_free(s);
}

typedef struct statistics_job {
    rs_statistics *statistics;
    const rs_net *net;
    const rs_emulator *emulator;
    int64_t first, n;
} statistics_job;

/* One blob: the order of the additions does not depend on threads. */
static void add_blob(void *context, size_t index, int worker)
{
    (void)worker;
    const statistics_job *job = context;
    rs_statistics *s = job->statistics;
    const int b = (int)index;
    if (s->samples[b] == NULL)
        return;
    const int64_t count = rs_plan_count(job->net, b);
    const float *values = rs_emulator_blob(job->emulator, b);
    const int64_t each = s->samples_an_image;
    for (int64_t i = 0; i < job->n; i++) {
        const float *image = values + i * count;
        for (int64_t k = 0; s->means[b] != NULL && k < count; k++)
            s->means[b][k] += (double)image[k];
        for (int64_t k = 0; k < each; k++) {
            const int64_t at = (job->first + i) * each + k;
            s->samples[b][at] = image[rs_random_u64(STREAM, (uint64_t)b, (uint64_t)at) % (uint64_t)count];
        }
    }
}

void rs_statistics_add(rs_statistics *statistics, const rs_net *net, const rs_emulator *emulator, int64_t first,
                       int64_t n)
{
    statistics_job job = { .statistics = statistics, .net = net, .emulator = emulator, .first = first, .n = n };
    rs_parallel((size_t)statistics->n_blobs, add_blob, &job);
}

void rs_statistics_finish(rs_statistics *s, const rs_net *net, int64_t images)
{
    for (int b = 0; b < s->n_blobs; b++)
        for (int64_t k = 0; s->means[b] != NULL && k < rs_plan_count(net, b); k++)
            s->means[b][k] /= (double)images;
}

static int compare_floats(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

rs_status rs_statistics_percentile(const float *x, size_t n, double percentile, double *magnitude, rs_diag *diag)
{
    *magnitude = 0;
    if (n == 0)
        return RS_OK;
    float *sorted = RS_NEW_ARRAY(float, n);
    if (sorted == NULL)
        return rs_out_of_memory(diag);
    for (size_t i = 0; i < n; i++)
        sorted[i] = fabsf(x[i]);
    qsort(sorted, n, sizeof *sorted, compare_floats);
    const size_t exceed = (size_t)floor((double)n * (100 - percentile) / 100 + 1e-9);
    *magnitude = (double)sorted[exceed < n ? n - 1 - exceed : 0];
    rs_free(sorted);
    return RS_OK;
}

/* Convolution: sum over the window's places of the weight's error times the mean, over all outputs, of the input that
 * it meets. */
rs_status rs_statistics_output_error(const rs_statistics *s, const rs_net *net, int index, const float *rounded,
                                     double *error, bool *known, rs_diag *diag)
{
    const rs_layer *layer = &net->layers[index];
    const double *means = s->means[layer->bottoms[0]];
    const rs_shape *in = &net->blobs[layer->bottoms[0]].shape, *out = &net->blobs[layer->tops[0]].shape;
    const rs_param *weights = &layer->params[0];
    const int64_t outputs = weights->shape.dim[0], each = rs_shape_count(&weights->shape, 1);
    *known = means != NULL && (layer->type == RS_LAYER_INNER_PRODUCT || (in->n_axes == 4 && out->n_axes == 4));
    if (!*known)
        return RS_OK;
    if (layer->type == RS_LAYER_INNER_PRODUCT) {
        for (int64_t o = 0; o < outputs; o++) {
            error[o] = 0;
            for (int64_t k = 0; k < each; k++)
                error[o] += ((double)rounded[o * each + k] - (double)weights->data[o * each + k]) * means[k];
        }
        return RS_OK;
    }
    const rs_convolution_param *c = &layer->convolution;
    const int64_t channels = in->dim[1], height = in->dim[2], width = in->dim[3], places = c->kernel_h * c->kernel_w;
    double *met = RS_NEW_ARRAY(double, (size_t)(channels * places)); /* the mean input of each place */
    if (met == NULL)
        return rs_out_of_memory(diag);
    for (int64_t k = 0; k < channels * places; k++) {
        const int64_t ky = k % places / c->kernel_w, kx = k % c->kernel_w;
        for (int64_t oy = 0; oy < out->dim[2]; oy++)
            for (int64_t ox = 0; ox < out->dim[3]; ox++) {
                const int64_t y = oy * c->stride_h - c->pad_h + ky * c->dilation_h,
                              x = ox * c->stride_w - c->pad_w + kx * c->dilation_w;
                if (y >= 0 && y < height && x >= 0 && x < width)
                    met[k] += means[(k / places * height + y) * width + x];
            }
        met[k] /= (double)(out->dim[2] * out->dim[3]);
    }
    for (int64_t o = 0; o < outputs; o++) {
        const double *of_group = met + o / (outputs / c->groups) * each;
        error[o] = 0;
        for (int64_t k = 0; k < each; k++)
            error[o] += ((double)rounded[o * each + k] - (double)weights->data[o * each + k]) * of_group[k];
    }
    rs_free(met);
    return RS_OK;
}
