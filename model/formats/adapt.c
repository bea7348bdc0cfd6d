/* Rounding of weights by what it does to the outputs of their layer, behind inputs that are rounded already. */
#include "formats/adapt.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/progress.h"
#include "base/threads.h"
#include "layers/exec.h"
#include "layers/weighted/gemm.h"
#include "layers/weighted/im2col.h"
#include "emulate/emulate.h"

enum {
    MAX_INPUTS = 2048,   /* of an output, whose covariance is taken; beyond that, weights are rounded to nearest */
    MAX_ROWS = 1 << 14,  /* inputs of outputs that are looked at, of a layer */
    ROWS_OF_PRODUCT = 64 /* of the covariance that one task computes */
};
static const double max_bytes = 256e6; /* of the blobs of one net, if each had memory of its own */
static const double damping = 0.01;    /* added to the diagonal, of its mean */

/* --------------------------------------------------------------------------------------------------- one output */

typedef struct cholesky_job {
    double *h;
    const double *column;
    int64_t n, k;
} cholesky_job;

enum { CHOLESKY_ROWS = 32 };

static void cholesky_task(void *context, size_t index, int worker)
{
    (void)worker;
    const cholesky_job *j = context;
    const int64_t from = (int64_t)index * CHOLESKY_ROWS, to = from + CHOLESKY_ROWS < j->k ? from + CHOLESKY_ROWS : j->k;
    for (int64_t i = from; i < to; i++) {
        double *row = j->h + i * j->n;
        const double c = j->column[i];
        for (int64_t k = 0; k <= i; k++)
            row[k] -= c * j->column[k];
    }
}

/* Works on the lower triangle, from the last column on; R's column k goes to the upper one. */
void rs_upper_cholesky(double *h, int64_t n, double min)
{
    for (int64_t k = n - 1; k >= 0; k--) {
        double *row = h + k * n;
        const double pivot = sqrt(row[k] > min ? row[k] : min);
        for (int64_t i = 0; i < k; i++)
            row[i] /= pivot;
        row[k] = pivot;
        cholesky_job job = { .h = h, .column = row, .n = n, .k = k };
        rs_parallel((size_t)((k + CHOLESKY_ROWS - 1) / CHOLESKY_ROWS), cholesky_task, &job);
    }
    /* Row k of the lower triangle is column k of R. */
    for (int64_t k = 0; k < n; k++)
        for (int64_t i = 0; i < k; i++)
            h[i * n + k] = h[k * n + i];
}

double rs_adapt_row(const double *w, const double *r, int64_t n, rs_number_format format, float *q, double *scratch)
{
    double error = 0;
    memset(scratch, 0, (size_t)n * sizeof *scratch);
    for (int64_t j = 0; j < n; j++) {
        const double *row = r + j * n;
        float x = (float)(w[j] + scratch[j] / row[j]);
        rs_number_emulate(&x, 1, format, rs_number_nearest(format), 0, 0);
        q[j] = x;
        const double e = w[j] - (double)x;
        for (int64_t k = j; k < n; k++)
            scratch[k] += e * row[k];
        error += scratch[j] * scratch[j];
    }
    return error;
}

/* ---------------------------------------------------------------------------------------------- what layers see */

typedef struct weight_adapter {
    const rs_net *net;
    const rs_plan *plan;
    rs_formats *formats;
    rs_bias_rule bias_rule;
    rs_rounding rounding;
    rs_net rounded;   /* the net with its own layers, whose weights are those of the formats as far as they are known */
    float **params;   /* [layer * RS_MAX_PARAMS + param] of `rounded` */
    rs_exec *exec[2]; /* float, rounded */
    int64_t images;
    rs_number_format *hook_format; /* per layer */
} weight_adapter;

static void hook(void *context, int layer, float *data, int64_t first, int64_t n, int64_t per_image)
{
    const weight_adapter *a = context;
    (void)first;
    if (layer < a->plan->n_layers && a->hook_format[layer].bits > 0)
        rs_number_emulate(data, (size_t)(n * per_image), a->hook_format[layer], a->rounding, 0, 0);
}

/* Of one group of channels: rows of inputs of the float net and of the rounded one, less their means; and their
 * products. */
typedef struct adapt_sight {
    int64_t n, rows;   /* inputs of an output; rows that are kept */
    float *x[2];       /* [rows][n]: float, rounded */
    double *mean[2];   /* [n] */
    float *product[2]; /* [n][n]: X1^T X1, X0^T X1, divided by rows */
} adapt_sight;

static void sight_clear(adapt_sight *s)
{
    for (int k = 0; k < 2; k++) {
        rs_free(s->x[k]);
        rs_free(s->mean[k]);
        rs_free(s->product[k]);
    }
    *s = (adapt_sight) { .n = 0 };
}

static rs_status sight_new(adapt_sight *s, int64_t n, int64_t rows, rs_diag *diag)
{
    *s = (adapt_sight) { .n = n, .rows = rows };
    bool ok = true;
    for (int k = 0; k < 2; k++) {
        s->x[k] = RS_NEW_ARRAY(float, (size_t)(rows * n + RS_IM2COL_SLACK));
        s->mean[k] = RS_NEW_ARRAY(double, (size_t)n);
        s->product[k] = RS_NEW_ARRAY(float, (size_t)(n * n));
        ok = ok && s->x[k] != NULL && s->mean[k] != NULL && s->product[k] != NULL;
    }
    return ok ? RS_OK : rs_out_of_memory(diag);
}

typedef struct adapt_rows_job {
    const weight_adapter *a;
    const adapt_sight *s;
    const rs_im2col_shape *patches; /* NULL: fully connected */
    int blob, group;
    float **room; /* by worker: the patches of an image */
} adapt_rows_job;

/* Row r is position r * all / rows of all positions of all images. One image a task. */
static void rows_task(void *context, size_t image, int worker)
{
    const adapt_rows_job *j = context;
    const adapt_sight *s = j->s;
    const int64_t positions = j->patches != NULL ? j->patches->positions : 1, all = j->a->images * positions;
    const int64_t from = (int64_t)image * positions, to = from + positions;
    for (int k = 0; k < 2; k++) {
        const int64_t size = rs_exec_blob_size(j->a->exec[k], j->blob);
        const float *in = rs_exec_blob(j->a->exec[k], j->blob) + (int64_t)image * size, *rows = in;
        if (j->patches != NULL) {
            rs_im2row(j->patches,
                      in + (int64_t)j->group * j->patches->channels * j->patches->height * j->patches->width,
                      j->room[worker]);
            rows = j->room[worker];
        }
        for (int64_t r = (from * s->rows + all - 1) / all; r < s->rows && r * all / s->rows < to; r++)
            if (r * all / s->rows >= from)
                memcpy(s->x[k] + r * s->n, rows + (r * all / s->rows - from) * s->n, (size_t)s->n * sizeof(float));
    }
}

typedef struct adapt_product_job {
    const adapt_sight *s;
    int left;
    float **room; /* by worker: packed rows and gemm's scratch */
} adapt_product_job;

static void product_task(void *context, size_t index, int worker)
{
    const adapt_product_job *j = context;
    const adapt_sight *s = j->s;
    const int64_t from = (int64_t)index * ROWS_OF_PRODUCT,
                  m = s->n - from < ROWS_OF_PRODUCT ? s->n - from : ROWS_OF_PRODUCT;
    float *packed = j->room[worker], *scratch = packed + ROWS_OF_PRODUCT * s->rows + 1024;
    float *out = s->product[1 - j->left] + from * s->n;
    rs_gemm_pack(m, s->rows, s->x[j->left] + from, 1, s->n, packed);
    rs_gemm(m, s->n, s->rows, packed, s->x[1], s->n, 1, out, s->n, false, scratch);
    for (int64_t i = 0; i < m * s->n; i++)
        out[i] /= (float)s->rows;
}

static void center(const adapt_sight *s, bool means)
{
    for (int k = 0; k < 2; k++) {
        memset(s->mean[k], 0, (size_t)s->n * sizeof(double));
        for (int64_t r = 0; r < s->rows && means; r++)
            for (int64_t i = 0; i < s->n; i++)
                s->mean[k][i] += (double)s->x[k][r * s->n + i];
        for (int64_t i = 0; i < s->n; i++)
            s->mean[k][i] /= (double)s->rows;
        for (int64_t r = 0; r < s->rows && means; r++)
            for (int64_t i = 0; i < s->n; i++)
                s->x[k][r * s->n + i] -= (float)s->mean[k][i];
    }
}

/* Scratch for every worker. */
static float **rooms_new(size_t floats)
{
    const size_t workers = (size_t)rs_threads();
    float **rooms = RS_NEW_ARRAY(float *, workers + 1);
    for (size_t i = 0; rooms != NULL && i < workers; i++) {
        rooms[i] = RS_NEW_ARRAY(float, floats);
        if (rooms[i] == NULL) {
            for (size_t k = 0; k < i; k++)
                rs_free(rooms[k]);
            rs_free((void *)rooms);
            return NULL;
        }
    }
    return rooms;
}

static void rooms_free(float **rooms)
{
    for (size_t i = 0; rooms != NULL && rooms[i] != NULL; i++)
        rs_free(rooms[i]);
    rs_free((void *)rooms);
}

static rs_status look(const weight_adapter *a, int layer, int group, const rs_im2col_shape *patches, bool means,
                      adapt_sight *s, rs_diag *diag)
{
    const int blob = a->net->layers[layer].bottoms[0];
    const int64_t n = patches != NULL ? patches->depth : rs_exec_blob_size(a->exec[0], blob),
                  positions = patches != NULL ? patches->positions : 1;
    const int64_t all = a->images * positions;
    rs_status st = sight_new(s, n, all < MAX_ROWS ? all : MAX_ROWS, diag);
    float **patch_room = rooms_new((size_t)(n * positions + RS_IM2COL_SLACK));
    float **room = rooms_new((size_t)(ROWS_OF_PRODUCT * s->rows + 1024) + rs_gemm_scratch());
    if (st == RS_OK && (patch_room == NULL || room == NULL))
        st = rs_out_of_memory(diag);
    if (st == RS_OK) {
        adapt_rows_job rows = { .a = a, .s = s, .patches = patches, .blob = blob, .group = group, .room = patch_room };
        rs_parallel((size_t)a->images, rows_task, &rows);
        center(s, means);
        for (int left = 0; left < 2; left++) {
            adapt_product_job product = { .s = s, .left = left, .room = room };
            rs_parallel((size_t)((n + ROWS_OF_PRODUCT - 1) / ROWS_OF_PRODUCT), product_task, &product);
        }
        for (int k = 0; k < 2; k++) { /* a layer may have a thousand groups: their products are all that is needed */
            rs_free(s->x[k]);
            s->x[k] = NULL;
        }
    }
    rooms_free(patch_room);
    rooms_free(room);
    return st;
}

/* ------------------------------------------------------------------------------------------------------ a layer */

typedef struct adapt_row_job {
    const adapt_sight *s;
    const double *r; /* R of the inputs in `order` */
    const int64_t *order;
    double damped;        /* what was added to the diagonal */
    const float *weights; /* the group's outputs */
    int64_t first;        /* of the group among all outputs */
    double *wanted;       /* [outputs][n] in order: the weights that fit the rounded inputs best */
    rs_number_format format;
    int by;                /* added to the fractional length */
    const int *channel_fl; /* or NULL */
    float *rounded;        /* [outputs][n] */
    double *errors;
    double **room;
    bool *failed;
} adapt_row_job;

/* Least squares: W' (H + d) = W (C + d), C = X0^T X1, by H + d = R R^T. */
static void wanted_task(void *context, size_t o, int worker)
{
    const adapt_row_job *j = context;
    const int64_t n = j->s->n;
    const float *w = j->weights + (int64_t)o * n, *c = j->s->product[1];
    double *z = j->wanted + (int64_t)o * n, *b = j->room[worker];
    memset(b, 0, (size_t)n * sizeof *b);
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = 0; k < n; k++)
            b[k] += (double)w[i] * (double)c[i * n + k];
    for (int64_t k = 0; k < n; k++)
        z[k] = b[j->order[k]] + j->damped * (double)w[j->order[k]];
    for (int64_t k = n - 1; k >= 0; k--) { /* Z R^T = B */
        const double *row = j->r + k * n;
        double sum = z[k];
        for (int64_t i = k + 1; i < n; i++)
            sum -= z[i] * row[i];
        z[k] = sum / row[k];
    }
    for (int64_t k = 0; k < n; k++) { /* X R = Z */
        const double *row = j->r + k * n;
        z[k] /= row[k];
        for (int64_t i = k + 1; i < n; i++)
            z[i] -= z[k] * row[i];
    }
}

static void round_task(void *context, size_t o, int worker)
{
    const adapt_row_job *j = context;
    const int64_t n = j->s->n;
    rs_number_format format = j->format;
    double *room = j->room[worker];
    float *q = (float *)(room + n);
    format.fl = (j->channel_fl != NULL ? j->channel_fl[j->first + (int64_t)o] : format.fl) + j->by;
    j->errors[o] = rs_adapt_row(j->wanted + (int64_t)o * n, j->r, n, format, q, room);
    for (int64_t k = 0; k < n; k++)
        j->rounded[(int64_t)o * n + j->order[k]] = q[k];
}

static int by_diagonal(const void *a, const void *b)
{
    const double *const x = *(const double *const *)a, *const y = *(const double *const *)b;
    return *x > *y ? -1 : *x < *y ? 1 : (x > y) - (x < y);
}

/* Inputs of much power first: their errors can be taken over by all others. */
static rs_status order_inputs(const adapt_sight *s, int64_t *order, double *damped, rs_diag *diag)
{
    double *diagonal = RS_NEW_ARRAY(double, (size_t)s->n);
    const double **sorted = RS_NEW_ARRAY(const double *, (size_t)s->n);
    const rs_status st = diagonal != NULL && sorted != NULL ? RS_OK : rs_out_of_memory(diag);
    double sum = 0;
    for (int64_t i = 0; i < s->n && st == RS_OK; i++) {
        diagonal[i] = (double)s->product[0][i * s->n + i];
        sum += diagonal[i];
        sorted[i] = &diagonal[i];
    }
    *damped = damping * sum / (double)s->n;
    *damped = *damped > 1e-12 ? *damped : 1e-12;
    if (st == RS_OK) {
        qsort((void *)sorted, (size_t)s->n, sizeof *sorted, by_diagonal);
        for (int64_t i = 0; i < s->n; i++)
            order[i] = sorted[i] - diagonal;
    }
    rs_free(diagonal);
    rs_free((void *)sorted);
    return st;
}

/* The group's weights, as wanted; then rounded with the fractional lengths moved by `by`. */
static rs_status prepare_group(adapt_row_job *j, int64_t outputs, double **r, rs_diag *diag)
{
    const int64_t n = j->s->n;
    int64_t *order = RS_NEW_ARRAY(int64_t, (size_t)n);
    *r = RS_NEW_ARRAY(double, (size_t)(n * n));
    j->wanted = RS_NEW_ARRAY(double, (size_t)(outputs * n));
    rs_status st = order != NULL && *r != NULL && j->wanted != NULL ? RS_OK : rs_out_of_memory(diag);
    j->order = order;
    if (st == RS_OK)
        st = order_inputs(j->s, order, &j->damped, diag);
    if (st == RS_OK) {
        for (int64_t i = 0; i < n; i++)
            for (int64_t k = 0; k < n; k++)
                (*r)[i * n + k] = (double)j->s->product[0][order[i] * n + order[k]] + (i == k ? j->damped : 0.0);
        rs_upper_cholesky(*r, n, j->damped);
        j->r = *r;
        rs_parallel((size_t)outputs, wanted_task, j);
    }
    return st;
}

typedef struct adapt_layer_state {
    int groups;
    int64_t outputs, n; /* of a group; inputs of an output */
    adapt_sight *sights;
    adapt_row_job *jobs;
    double **factors;
    float *rounded, *best;
    double *errors;
} adapt_layer_state;

static void layer_state_clear(adapt_layer_state *s)
{
    for (int g = 0; g < s->groups; g++) {
        if (s->sights != NULL)
            sight_clear(&s->sights[g]);
        if (s->jobs != NULL) {
            rs_free(s->jobs[g].wanted);
            rs_free((void *)s->jobs[g].order);
        }
        if (s->factors != NULL)
            rs_free(s->factors[g]);
    }
    rs_free(s->sights);
    rs_free(s->jobs);
    rs_free((void *)s->factors);
    rs_free(s->rounded);
    rs_free(s->best);
    rs_free(s->errors);
}

/* Rounds the layer with its fractional lengths moved by `by`; the squared error of all outputs together. */
static double round_layer(adapt_layer_state *s, int by)
{
    double error = 0;
    for (int g = 0; g < s->groups; g++) {
        s->jobs[g].by = by;
        s->jobs[g].rounded = s->rounded + g * s->outputs * s->n;
        s->jobs[g].errors = s->errors + g * s->outputs;
        rs_parallel((size_t)s->outputs, round_task, &s->jobs[g]);
    }
    for (int64_t o = 0; o < s->groups * s->outputs; o++)
        error += s->errors[o];
    return error;
}

static void keep_rounded(adapt_layer_state *s)
{
    float *swap = s->best;
    s->best = s->rounded;
    s->rounded = swap;
}

/* Fixed point: also with finer and coarser fractional lengths, as long as the error falls. */
static int round_best(adapt_layer_state *s, const rs_formats *f, int layer)
{
    double min = round_layer(s, 0);
    int by = 0;
    keep_rounded(s);
    const int fl = f->weights[layer].fl;
    for (int step = 1; step >= -1 && f->weights[layer].number == RS_NUMBER_FIXED && by == 0; step -= 2)
        while (fl + by + step <= RS_FL_MAX && fl + by + step >= RS_FL_MIN && abs(by + step) <= 4) {
            const double error = round_layer(s, by + step);
            if (!(error < min))
                break;
            min = error;
            by += step;
            keep_rounded(s);
        }
    return by;
}

/* What the outputs lose on average, into the biases. */
static void correct(const adapt_layer_state *s, const rs_layer *l, float *bias)
{
    for (int64_t o = 0; o < s->groups * s->outputs; o++) {
        const adapt_sight *view = &s->sights[o / s->outputs];
        double b = (double)l->params[1].data[o];
        for (int64_t k = 0; k < s->n; k++)
            b += (double)l->params[0].data[o * s->n + k] * view->mean[0][k] -
                 (double)s->best[o * s->n + k] * view->mean[1][k];
        bias[o] = (float)b;
    }
}

static rs_status adapt_layer(weight_adapter *a, int layer, rs_diag *diag)
{
    const rs_layer *l = &a->net->layers[layer];
    const bool convolution = l->type == RS_LAYER_CONVOLUTION, biased = l->n_params > 1;
    const rs_shape *in = &a->net->blobs[l->bottoms[0]].shape;
    adapt_layer_state s = { .groups = convolution ? (int)l->convolution.groups : 1 };
    s.outputs = l->params[0].shape.dim[0] / s.groups;
    s.n = rs_shape_count(&l->params[0].shape, 1);
    if (s.n > MAX_INPUTS)
        return RS_OK;
    const int64_t all = s.groups * s.outputs;
    rs_im2col_shape patches = { 0 };
    if (convolution)
        patches = rs_im2col_shape_of(&l->convolution, in->dim[1] / s.groups, in->n_axes > 2 ? in->dim[2] : 1,
                                     in->n_axes > 3 ? in->dim[3] : 1);
    s.sights = RS_NEW_ARRAY(adapt_sight, (size_t)s.groups);
    s.jobs = RS_NEW_ARRAY(adapt_row_job, (size_t)s.groups);
    s.factors = RS_NEW_ARRAY(double *, (size_t)s.groups);
    s.rounded = RS_NEW_ARRAY(float, (size_t)(all * s.n));
    s.best = RS_NEW_ARRAY(float, (size_t)(all * s.n));
    s.errors = RS_NEW_ARRAY(double, (size_t)all);
    float *bias = biased ? RS_NEW_ARRAY(float, (size_t)all) : NULL;
    float **room = rooms_new((size_t)(4 * s.n + 8)); /* n doubles and n floats, and more */
    rs_status st = s.sights != NULL && s.jobs != NULL && s.factors != NULL && s.rounded != NULL && s.best != NULL &&
                           s.errors != NULL && (!biased || bias != NULL) && room != NULL
                       ? RS_OK
                       : rs_out_of_memory(diag);
    for (int g = 0; g < s.groups && st == RS_OK; g++) {
        st = look(a, layer, g, convolution ? &patches : NULL, biased, &s.sights[g], diag);
        s.jobs[g] = (adapt_row_job) { .s = &s.sights[g],
                                      .weights = l->params[0].data + g * s.outputs * s.n,
                                      .first = g * s.outputs,
                                      .format = a->formats->weights[layer],
                                      .channel_fl = a->formats->weight_fl[layer],
                                      .room = (double **)(void *)room };
        if (st == RS_OK)
            st = prepare_group(&s.jobs[g], s.outputs, &s.factors[g], diag);
    }
    if (st == RS_OK) {
        const int by = round_best(&s, a->formats, layer);
        a->formats->weights[layer].fl += by;
        for (int64_t o = 0; o < all && a->formats->weight_fl[layer] != NULL; o++)
            a->formats->weight_fl[layer][o] += by;
        if (biased)
            correct(&s, l, bias);
        rs_free(a->formats->rounded[layer]);
        rs_free(a->formats->bias[layer]);
        a->formats->rounded[layer] = s.best;
        a->formats->bias[layer] = bias;
        s.best = bias = NULL;
    }
    rs_free(bias);
    rooms_free(room);
    layer_state_clear(&s);
    return st;
}

/* ------------------------------------------------------------------------------------------------ the whole net */

static void adapter_clear(weight_adapter *a)
{
    rs_exec_free(a->exec[0]);
    rs_exec_free(a->exec[1]);
    for (size_t i = 0; a->params != NULL && i < (size_t)a->net->n_layers * RS_MAX_PARAMS; i++)
        rs_free(a->params[i]);
    rs_free((void *)a->params);
    rs_free(a->rounded.layers);
    rs_free(a->hook_format);
}

/* Images whose blobs take no more memory than is meant for them. */
static int64_t images_that_fit(const rs_net *net, int64_t images)
{
    double bytes = 1;
    for (int b = 0; b < net->n_blobs; b++)
        bytes += (double)sizeof(float) * (double)rs_plan_count(net, b);
    const double room = max_bytes / bytes;
    return room >= (double)images ? images : room < 1 ? 1 : (int64_t)room;
}

static rs_status adapter_init(weight_adapter *a, rs_diag *diag)
{
    const size_t layers = (size_t)a->net->n_layers;
    a->rounded = *a->net;
    a->rounded.layers = RS_NEW_ARRAY(rs_layer, layers);
    a->params = RS_NEW_ARRAY(float *, layers *RS_MAX_PARAMS);
    a->hook_format = RS_NEW_ARRAY(rs_number_format, layers);
    if (a->rounded.layers == NULL || a->params == NULL || a->hook_format == NULL)
        return rs_out_of_memory(diag);
    memcpy(a->rounded.layers, a->net->layers, layers * sizeof *a->net->layers);
    for (int i = 0; i < a->plan->n_layers; i++)
        if (a->plan->rounded[i] >= 0)
            a->hook_format[i] = rs_emulated_activation(a->formats, a->plan, a->plan->rounded[i]);
    rs_status st = rs_exec_new_sharing(a->net, a->images, a->plan->scores, &a->exec[0], diag);
    if (st == RS_OK)
        st = rs_exec_new_sharing(&a->rounded, a->images, a->plan->scores, &a->exec[1], diag);
    if (st == RS_OK)
        rs_exec_set_hook(a->exec[1], hook, a);
    return st;
}

/* The weights and biases that the formats now say, in the rounded net. */
static rs_status take_params(weight_adapter *a, int layer, rs_diag *diag)
{
    rs_layer *l = &a->rounded.layers[layer];
    const rs_layer *source = &a->net->layers[layer];
    rs_number_format format = a->formats->weights[layer];
    const int *channel_fl = a->formats->weight_fl[layer];
    for (int p = 0; p < source->n_params && format.bits > 0; p++) {
        const size_t n = (size_t)rs_shape_count(&source->params[p].shape, 0),
                     each = (size_t)rs_shape_count(&source->params[p].shape, 1);
        float *to = RS_NEW_ARRAY(float, n);
        if (to == NULL)
            return rs_out_of_memory(diag);
        a->params[layer * RS_MAX_PARAMS + p] = to;
        l->params[p].data = to;
        const float *replaced = p == 0 ? a->formats->rounded[layer] : a->formats->bias[layer];
        const float *from = replaced != NULL ? replaced : source->params[p].data;
        if (p > 0) {
            rs_emulate_bias(from, to, n, format, channel_fl, a->formats->activations[source->bottoms[0]], a->bias_rule);
            continue;
        }
        memcpy(to, from, n * sizeof *to);
        for (size_t o = 0; o * each < n; o++) {
            format.fl = channel_fl != NULL ? channel_fl[o] : format.fl;
            rs_number_emulate(to + o * each, each, format, rs_number_nearest(format), 0, 0);
        }
    }
    return RS_OK;
}

static rs_status load(const weight_adapter *a, const rs_data_param *data, const rs_dataset *set, rs_diag *diag)
{
    const size_t n = (size_t)(a->images * rs_plan_count(a->net, a->plan->input));
    float *blob[2] = { rs_exec_blob(a->exec[0], a->plan->input), rs_exec_blob(a->exec[1], a->plan->input) };
    const rs_number_format format = rs_emulated_activation(a->formats, a->plan, a->plan->input);
    rs_feed *feed = NULL;
    rs_status st = rs_feed_new(set, data, NULL, 0, a->images, &feed, diag);
    if (st == RS_OK)
        st = rs_feed_next(feed, a->images, blob[0], NULL, diag);
    rs_feed_free(feed);
    if (st != RS_OK)
        return st;
    memcpy(blob[1], blob[0], n * sizeof(float));
    if (format.bits > 0)
        rs_number_emulate(blob[1], n, format, rs_number_nearest(format), 0, 0);
    return RS_OK;
}

rs_status rs_formats_adapt(const rs_calibration *on, rs_formats *formats, rs_diag *diag)
{
    const rs_net *net = on->net;
    const rs_data_param plain = { .scale = 1.0f };
    rs_plan *plan = NULL;
    rs_status st = rs_plan_new(net, &plan, diag);
    weight_adapter a = {
        .net = net, .plan = plan, .formats = formats, .bias_rule = on->bias_rule, .rounding = on->rounding
    };
    if (st == RS_OK)
        st = rs_plan_check_set(plan, net, on->set, diag);
    if (st == RS_OK) {
        a.images = images_that_fit(net, rs_calibration_images(on));
        st = adapter_init(&a, diag);
    }
    if (st == RS_OK)
        st = load(&a, on->data != NULL ? on->data : &plain, on->set, diag);
    rs_progress *progress = st == RS_OK ? rs_progress_begin("rounding", (uint64_t)plan->n_layers, "layers") : NULL;
    for (int i = 0; st == RS_OK && i < plan->n_layers; i++) {
        if (net->layers[i].type == RS_LAYER_INPUT)
            continue;
        if (rs_interrupted())
            st = rs_error(diag, RS_INTERRUPTED, RS_NOWHERE, NULL, "interrupted while weights were rounded");
        if (st == RS_OK && rs_layer_group(&net->layers[i]) != RS_GROUPS && formats->weights[i].bits > 0) {
            st = adapt_layer(&a, i, diag);
            if (st == RS_OK)
                st = take_params(&a, i, diag);
        }
        for (int k = 0; k < 2 && st == RS_OK; k++)
            st = rs_exec_forward(a.exec[k], i, i + 1, a.images, NULL, diag);
        rs_progress_update(progress, (uint64_t)i + 1, net->layers[i].name);
    }
    rs_progress_end(progress);
    adapter_clear(&a);
    rs_plan_free(plan);
    return st;
}
