/* Shadow weights: float weights behind rounded ones, formats whose steps are learned, and gradients through both. */
#include "finetune/shadow.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "base/threads.h"
#include "layers/layer.h"
#include "emulate/emulate.h"

enum { PIECE = 8192 };

/* A run of weights of one layer. */
typedef struct shadow_piece {
    int layer;   /* of the training net */
    int channel; /* whose fractional length the weights have; -1: that of the layer */
    int64_t from, n;
    double slope; /* this piece's part of d loss / d log2 step */
} shadow_piece;

typedef struct shadow_place { /* per layer of the training net: where activations are rounded */
    int format;               /* index, or -1 */
    int blob;
    float *kept;    /* values before rounding, [batch][size] */
    double *slopes; /* per chunk */
} shadow_place;

struct rs_shadow {
    rs_net *net;
    rs_exec *exec;
    const rs_net *test_net;
    const rs_finetune_options *options;
    rs_plan *plan, *test_plan;
    int64_t batch, iteration;
    int n_layers, n_formats;
    rs_tuned_format *formats;
    int *of_weights; /* format of a layer's weights, or -1: they stay float in training */
    int *of_blob;    /* format of a blob in training, or -1 */
    shadow_place *places;
    float **rounded, **shadow; /* [layer * RS_MAX_PARAMS + param] */
    int64_t n_pieces;
    shadow_piece *pieces;
    double *slope;   /* per format, summed until the next update */
    int *channel_fl; /* room for one layer's */
};

/* ------------------------------------------------------------------------------------------------------ formats */

int rs_shadow_wider(const rs_finetune_options *o, int64_t iteration)
{
    const int64_t half = o->iterations / 2;
    if (o->gradual_bits <= 0 || iteration >= half)
        return 0;
    return o->gradual_bits - (int)((int64_t)o->gradual_bits * iteration / half);
}

static rs_fxp wider(rs_fxp format, int by)
{
    by = format.bits + by > RS_QNET_MAX_BITS ? RS_QNET_MAX_BITS - format.bits : by;
    const int fl = format.fl + by;
    return (rs_fxp) { format.bits + by, fl > RS_FL_MAX ? RS_FL_MAX : fl };
}

/* At an iteration that is `by` bits wider. */
static rs_number_format widened(const rs_tuned_format *f, int by)
{
    rs_number_format format = f->format;
    if (format.number == RS_NUMBER_FIXED)
        format = rs_number_of_fxp(wider(rs_number_fxp(format), by));
    return format;
}

static rs_number_format format_now(const rs_shadow *s, int i)
{
    rs_number_format format = widened(&s->formats[i], rs_shadow_wider(s->options, s->iteration));
    format.bits += s->formats[i].is_unsigned; /* after a ReLU: rounded as signed values of one bit more */
    return format;
}

static int channel_fl(const rs_tuned_format *f, int fl, int channel)
{
    return fl + f->finer[channel] < RS_FL_MAX ? fl + f->finer[channel] : RS_FL_MAX;
}

static rs_number_format piece_format(const rs_shadow *s, const shadow_piece *p)
{
    const int i = s->of_weights[p->layer];
    rs_number_format format = format_now(s, i);
    if (p->channel >= 0)
        format.fl = channel_fl(&s->formats[i], format.fl, p->channel);
    return format;
}

void rs_shadow_formats(const rs_shadow *s, int64_t iteration, rs_formats *formats)
{
    const int by = rs_shadow_wider(s->options, iteration);
    for (int i = 0; i < s->n_formats; i++) {
        const rs_tuned_format *t = &s->formats[i];
        const rs_number_format format = widened(t, by);
        if (t->weights) {
            formats->weights[t->index] = format;
            for (int c = 0; c < t->n_channels; c++)
                formats->weight_fl[t->index][c] = channel_fl(t, format.fl, c);
            continue;
        }
        for (int b = 0; b < s->test_net->n_blobs; b++)
            if (s->test_plan->format_class[b] == t->index)
                formats->activations[b] = format;
    }
}

int64_t rs_shadow_iteration(const rs_shadow *s)
{
    return s->iteration;
}

void rs_shadow_resume(rs_shadow *s, int64_t iteration)
{
    s->iteration = iteration;
}

int rs_shadow_count(const rs_shadow *s)
{
    return s->n_formats;
}

rs_tuned_format *rs_shadow_format(rs_shadow *s, int i)
{
    return &s->formats[i];
}

/* -------------------------------------------------------------------------------------------------- activations */

/* What becomes of the gradient of a value that saturates. */
typedef enum saturated { PASSES, STOPS, RETURNS /* passes if it leads back into the range */ } saturated;

/* Straight through: the gradient of a rounded value is that of the value, but for those that saturate. Steps are
 * learned in fixed point only. */
static double pass_through(const float *kept, float *gradient, size_t n, rs_number_format format, saturated rule,
                           bool learn)
{
    const bool minifloat = format.number == RS_NUMBER_MINIFLOAT;
    const rs_number_format f = format;
    const float scale = minifloat ? 1.0f : (float)ldexp(1, f.fl);
    const float most = minifloat ? (float)rs_minifloat_value(rs_minifloat_max_code(format.minifloat), format.minifloat)
                                 : 0.0f;
    const float low = minifloat ? -most : (float)rs_fxp_min(f.bits) - 0.5f,
                high = minifloat ? most : (float)rs_fxp_max(f.bits) + 0.5f;
    double slope = 0.0;
    if (learn)
        for (size_t i = 0; i < n; i++) {
            const float y = kept[i] * scale;
            const float d = y < low ? low + 0.5f : y > high ? high - 0.5f : nearbyintf(y) - y;
            slope += (double)gradient[i] * (double)d;
        }
    for (size_t i = 0; i < n && rule == STOPS; i++) {
        const float y = kept[i] * scale;
        gradient[i] = ((y < low) | (y > high)) ? 0.0f : gradient[i];
    }
    for (size_t i = 0; i < n && rule == RETURNS; i++) {
        const float y = kept[i] * scale, g = gradient[i];
        gradient[i] = (((y < low) & (g > 0.0f)) | ((y > high) & (g < 0.0f))) ? 0.0f : g;
    }
    return slope * ldexp(log(2.0), -f.fl);
}

static void forward_hook(void *context, int layer, float *data, int64_t first, int64_t n, int64_t per_image)
{
    const rs_shadow *s = context;
    const shadow_place *p = &s->places[layer];
    if (p->format < 0)
        return;
    memcpy(p->kept + first * per_image, data, (size_t)(n * per_image) * sizeof(float));
    rs_number_emulate(data, (size_t)(n * per_image), format_now(s, p->format), s->options->rounding, 0, 0);
}

static void backward_hook(void *context, int layer, float *gradient, int64_t first, int64_t n, int64_t per_image)
{
    const rs_shadow *s = context;
    const shadow_place *p = &s->places[layer];
    if (p->format < 0)
        return;
    /* Everything that read the rounded values has done so. A ReLU in place looks at the sign of its output, which
     * rounding to zero hides. */
    const float *kept = p->kept + first * per_image;
    memcpy(rs_exec_blob(s->exec, p->blob) + first * per_image, kept, (size_t)(n * per_image) * sizeof(float));
    /* Two scores that saturate tie, and only their gradients can part them. */
    const saturated rule = p->blob == s->plan->scores ? RETURNS : STOPS;
    p->slopes[first / RS_CHUNK] = pass_through(kept, gradient, (size_t)(n * per_image), format_now(s, p->format), rule,
                                               s->options->learn_steps);
}

static void round_input(void *context, size_t index, int worker)
{
    (void)worker;
    const rs_shadow *s = context;
    const int64_t count = s->batch * rs_exec_blob_size(s->exec, s->plan->input), from = (int64_t)index * PIECE,
                  left = count - from;
    const rs_number_format format = format_now(s, s->of_blob[s->plan->input]);
    rs_number_emulate(rs_exec_blob(s->exec, s->plan->input) + from, (size_t)(left < PIECE ? left : PIECE), format,
                      rs_number_nearest(format), 0, 0);
}

/* ------------------------------------------------------------------------------------------------------ weights */

static size_t param_at(int layer, int param)
{
    return (size_t)layer * RS_MAX_PARAMS + (size_t)param;
}

typedef struct batch_job {
    rs_shadow *shadow;
    int64_t batch;
} batch_job;

static void round_piece(void *context, size_t index, int worker)
{
    (void)worker;
    const batch_job *j = context;
    const rs_shadow *s = j->shadow;
    const shadow_piece *p = &s->pieces[index];
    float *to = s->rounded[param_at(p->layer, 0)] + p->from;
    memcpy(to, s->shadow[param_at(p->layer, 0)] + p->from, (size_t)p->n * sizeof(float));
    /* A stream for each piece of each batch. */
    const uint64_t stream = rs_mix64(rs_mix64((uint64_t)j->batch) + (uint64_t)index);
    const rs_number_format format = piece_format(s, p);
    const rs_rounding mode = s->options->weight_rounding == RS_ROUND_STOCHASTIC ? RS_ROUND_STOCHASTIC
                                                                                : rs_number_nearest(format);
    rs_number_emulate(to, (size_t)p->n, format, mode, s->options->seed, stream);
}

void rs_shadow_before(rs_shadow *s, int64_t batch)
{
    batch_job job = { s, batch };
    for (int i = 0; i < s->net->n_layers; i++)
        for (int p = 0; p < s->net->layers[i].n_params; p++)
            s->shadow[param_at(i, p)] = s->net->layers[i].params[p].data;
    rs_parallel((size_t)s->n_pieces, round_piece, &job);
    for (int i = 0; i < s->net->n_layers; i++) {
        rs_layer *layer = &s->net->layers[i];
        for (int p = 0; s->of_weights[i] >= 0 && p < layer->n_params; p++) {
            float *to = s->rounded[param_at(i, p)];
            if (p > 0) {
                const int input = s->of_blob[layer->bottoms[0]];
                const rs_number_format in = input >= 0 ? format_now(s, input) : rs_number_of_fxp((rs_fxp) { 0, 0 });
                const rs_number_format weights = format_now(s, s->of_weights[i]);
                const rs_tuned_format *f = &s->formats[s->of_weights[i]];
                for (int c = 0; c < f->n_channels; c++)
                    s->channel_fl[c] = channel_fl(f, weights.fl, c);
                rs_emulate_bias(layer->params[p].data, to, (size_t)rs_shape_count(&layer->params[p].shape, 0), weights,
                                f->n_channels > 0 ? s->channel_fl : NULL, in, s->options->bias_rule);
            }
            layer->params[p].data = to;
        }
    }
    if (s->of_blob[s->plan->input] >= 0) {
        const int64_t count = s->batch * rs_exec_blob_size(s->exec, s->plan->input);
        rs_parallel((size_t)((count + PIECE - 1) / PIECE), round_input, s);
    }
}

static void slope_piece(void *context, size_t index, int worker)
{
    (void)worker;
    rs_shadow *s = context;
    shadow_piece *p = &s->pieces[index];
    /* Weights that saturate keep their gradient: they are clipped instead. */
    p->slope = pass_through(s->shadow[param_at(p->layer, 0)] + p->from,
                            rs_exec_gradient(s->exec, p->layer, 0) + p->from, (size_t)p->n, piece_format(s, p), PASSES,
                            true);
}

void rs_shadow_after(rs_shadow *s)
{
    for (int i = 0; i < s->net->n_layers; i++)
        for (int p = 0; p < s->net->layers[i].n_params; p++)
            s->net->layers[i].params[p].data = s->shadow[param_at(i, p)];
    if (!s->options->learn_steps)
        return;
    rs_parallel((size_t)s->n_pieces, slope_piece, s);
    for (int64_t i = 0; i < s->n_pieces; i++)
        s->slope[s->of_weights[s->pieces[i].layer]] += s->pieces[i].slope;
    const int64_t chunks = (s->batch + RS_CHUNK - 1) / RS_CHUNK;
    for (int i = 0; i < s->net->n_layers; i++)
        for (int64_t c = 0; c < chunks && s->places[i].format >= 0; c++)
            s->slope[s->places[i].format] += s->places[i].slopes[c];
}

static void clip(float *w, int64_t n, float low, float high)
{
    for (int64_t i = 0; i < n; i++) {
        const float above = w[i] > low ? w[i] : low;
        w[i] = above < high ? above : high;
    }
}

static void clip_piece(void *context, size_t index, int worker)
{
    (void)worker;
    const rs_shadow *s = context;
    const shadow_piece *p = &s->pieces[index];
    const rs_number_format f = piece_format(s, p);
    const rs_number_ops *number = rs_number_ops_of(&f);
    const double low = number->value(&f, (int32_t)number->min(&f)), high = number->value(&f, (int32_t)number->max(&f));
    clip(s->net->layers[p->layer].params[0].data + p->from, p->n, (float)low, (float)high);
}

/* Adam on log2 of the step; the format follows to the nearest power of two (trained thresholds: Jain et al., 2020). */
static void learn(rs_shadow *s, int64_t iteration)
{
    enum { LIMIT = RS_FL_MAX };
    const double first = 0.9, second = 0.999, tiny = 1e-8, t = (double)iteration + 1.0;
    const double correction = sqrt(1.0 - pow(second, t)) / (1.0 - pow(first, t));
    for (int i = 0; i < s->n_formats; i++) {
        rs_tuned_format *f = &s->formats[i];
        if (f->format.number != RS_NUMBER_FIXED)
            continue; /* the exponents are given */
        const double g = s->slope[i];
        f->step_mean = first * f->step_mean + (1.0 - first) * g;
        f->step_square = second * f->step_square + (1.0 - second) * g * g;
        if (f->step_square > 0.0)
            f->step_log -= s->options->step_rate * correction * f->step_mean / (sqrt(f->step_square) + tiny);
        f->step_log = f->step_log > LIMIT ? LIMIT : f->step_log < -LIMIT ? -LIMIT : f->step_log;
        f->format.fl = -(int)lround(f->step_log);
    }
}

void rs_shadow_updated(rs_shadow *s, int64_t iteration)
{
    if (s->options->learn_steps) {
        if (iteration < s->options->iterations / 2)
            learn(s, iteration);
        memset(s->slope, 0, (size_t)s->n_formats * sizeof *s->slope);
    }
    rs_parallel((size_t)s->n_pieces, clip_piece, s);
    s->iteration = iteration + 1;
}

/* ------------------------------------------------------------------------------------------------- construction */

static rs_status list_formats(rs_shadow *s, const rs_formats *formats, rs_diag *diag)
{
    s->formats = RS_NEW_ARRAY(rs_tuned_format, (size_t)(s->test_net->n_layers + s->test_net->n_blobs) + 1);
    s->slope = RS_NEW_ARRAY(double, (size_t)(s->test_net->n_layers + s->test_net->n_blobs) + 1);
    if (s->formats == NULL || s->slope == NULL)
        return rs_out_of_memory(diag);
    for (int i = 0; i < s->test_net->n_layers; i++)
        if (formats->weights[i].bits > 0)
            s->formats[s->n_formats++] =
                (rs_tuned_format) { .weights = true, .index = i, .format = formats->weights[i] };
    for (int b = 0; b < s->test_net->n_blobs; b++)
        if (formats->activations[b].bits > 0 && s->test_plan->format_class[b] == b)
            s->formats[s->n_formats++] = (rs_tuned_format) { .index = b,
                                                             .format = formats->activations[b],
                                                             .is_unsigned = formats->is_unsigned[b] };
    int most = 0;
    for (int i = 0; i < s->n_formats; i++) {
        rs_tuned_format *f = &s->formats[i];
        f->step_log = -f->format.fl;
        if (!f->weights || formats->weight_fl[f->index] == NULL)
            continue;
        f->n_channels = (int)s->test_net->layers[f->index].params[0].shape.dim[0];
        f->finer = RS_NEW_ARRAY(int, (size_t)f->n_channels + 1);
        if (f->finer == NULL)
            return rs_out_of_memory(diag);
        for (int c = 0; c < f->n_channels; c++)
            f->finer[c] = formats->weight_fl[f->index][c] - f->format.fl;
        most = f->n_channels > most ? f->n_channels : most;
    }
    s->channel_fl = RS_NEW_ARRAY(int, (size_t)most + 1);
    return s->channel_fl != NULL ? RS_OK : rs_out_of_memory(diag);
}

/* Which formats the training net uses, by the names of layers and blobs. */
static rs_status assign(rs_shadow *s, rs_diag *diag)
{
    const size_t layers = (size_t)s->net->n_layers, blobs = (size_t)s->net->n_blobs;
    s->of_weights = RS_NEW_ARRAY(int, layers);
    s->of_blob = RS_NEW_ARRAY(int, blobs);
    s->places = RS_NEW_ARRAY(shadow_place, layers);
    s->rounded = RS_NEW_ARRAY(float *, layers *RS_MAX_PARAMS);
    s->shadow = RS_NEW_ARRAY(float *, layers *RS_MAX_PARAMS);
    if (s->of_weights == NULL || s->of_blob == NULL || s->places == NULL || s->rounded == NULL || s->shadow == NULL)
        return rs_out_of_memory(diag);
    for (int i = 0; i < s->net->n_layers; i++)
        s->of_weights[i] = s->places[i].format = -1;
    for (int b = 0; b < s->net->n_blobs; b++)
        s->of_blob[b] = -1;
    const bool activations = s->options->quantized_activations && s->options->bits[RS_GROUP_ACTIVATIONS] > 0;
    for (int k = 0; k < s->n_formats; k++) {
        const rs_tuned_format *f = &s->formats[k];
        if (f->weights) {
            const rs_layer *test = &s->test_net->layers[f->index];
            const int i = rs_net_layer(s->net, test->name);
            if (i >= 0 && s->options->bits[rs_layer_group(test)] > 0)
                s->of_weights[i] = k;
            continue;
        }
        for (int b = 0; b < s->test_net->n_blobs && activations; b++) {
            const int blob = rs_net_blob(s->net, s->test_net->blobs[b].name);
            if (blob >= 0 && s->test_plan->format_class[b] == f->index)
                s->of_blob[blob] = k;
        }
    }
    for (int i = 0; i < s->plan->n_layers && activations; i++)
        if (s->plan->rounded[i] >= 0)
            s->places[i].format = s->options->wide_scores && s->plan->rounded[i] == s->plan->scores
                                      ? -1
                                      : s->of_blob[s->plan->rounded[i]];
    return RS_OK;
}

/* A layer's weights in pieces, of one channel each where channels have formats of their own; into `to`, unless that is
 * NULL. Their number. */
static int64_t pieces_of(const rs_shadow *s, int layer, shadow_piece *to)
{
    const rs_shape *shape = &s->net->layers[layer].params[0].shape;
    const bool channels = s->formats[s->of_weights[layer]].n_channels > 0;
    const int64_t count = rs_shape_count(shape, 0), run = channels ? rs_shape_count(shape, 1) : count;
    int64_t n = 0;
    for (int64_t from = 0; from < count; n++) {
        const int64_t left = run - from % run, some = left < PIECE ? left : PIECE;
        if (to != NULL)
            to[n] = (shadow_piece) {
                .layer = layer, .channel = channels ? (int)(from / run) : -1, .from = from, .n = some
            };
        from += some;
    }
    return n;
}

static rs_status allocate(rs_shadow *s, rs_diag *diag)
{
    const size_t chunks = (size_t)((s->batch + RS_CHUNK - 1) / RS_CHUNK);
    for (int i = 0; i < s->net->n_layers; i++) {
        const rs_layer *layer = &s->net->layers[i];
        for (int p = 0; s->of_weights[i] >= 0 && p < layer->n_params; p++) {
            const int64_t count = rs_shape_count(&layer->params[p].shape, 0);
            s->rounded[param_at(i, p)] = RS_NEW_ARRAY(float, (size_t)count + 1);
            if (s->rounded[param_at(i, p)] == NULL)
                return rs_out_of_memory(diag);
            s->n_pieces += p == 0 ? pieces_of(s, i, NULL) : 0;
        }
        if (s->places[i].format >= 0) {
            s->places[i].blob = layer->tops[0];
            s->places[i].kept = RS_NEW_ARRAY(float,
                                             (size_t)(s->batch * rs_exec_blob_size(s->exec, layer->tops[0])) + 1);
            s->places[i].slopes = RS_NEW_ARRAY(double, chunks);
            if (s->places[i].kept == NULL || s->places[i].slopes == NULL)
                return rs_out_of_memory(diag);
        }
    }
    s->pieces = RS_NEW_ARRAY(shadow_piece, (size_t)s->n_pieces + 1);
    if (s->pieces == NULL)
        return rs_out_of_memory(diag);
    int64_t n = 0;
    for (int i = 0; i < s->net->n_layers; i++)
        n += s->of_weights[i] >= 0 && s->net->layers[i].n_params > 0 ? pieces_of(s, i, s->pieces + n) : 0;
    return RS_OK;
}

rs_status rs_shadow_new(rs_net *net, rs_exec *exec, int64_t batch, const rs_net *test_net, const rs_formats *formats,
                        const rs_finetune_options *options, rs_shadow **shadow, rs_diag *diag)
{
    *shadow = NULL;
    rs_shadow *s = RS_NEW(rs_shadow);
    if (s == NULL)
        return rs_out_of_memory(diag);
    s->net = net;
    s->n_layers = net->n_layers;
    s->exec = exec;
    s->test_net = test_net;
    s->options = options;
    s->batch = batch;
    rs_status st = rs_plan_new(net, &s->plan, diag);
    if (st == RS_OK)
        st = rs_plan_new(test_net, &s->test_plan, diag);
    if (st == RS_OK)
        st = list_formats(s, formats, diag);
    if (st == RS_OK)
        st = assign(s, diag);
    if (st == RS_OK)
        st = allocate(s, diag);
    if (st != RS_OK) {
        rs_shadow_free(s);
        return st;
    }
    rs_exec_set_hook(exec, forward_hook, s);
    rs_exec_set_backward_hook(exec, backward_hook, s);
    *shadow = s;
    return RS_OK;
}

void rs_shadow_free(rs_shadow *s)
{
    if (s == NULL)
        return;
    for (int i = 0; i < s->n_layers; i++) {
        for (int p = 0; s->rounded != NULL && p < RS_MAX_PARAMS; p++)
            rs_free(s->rounded[param_at(i, p)]);
        if (s->places != NULL) {
            rs_free(s->places[i].kept);
            rs_free(s->places[i].slopes);
        }
    }
    for (int i = 0; i < s->n_formats; i++)
        rs_free(s->formats[i].finer);
    rs_free(s->formats);
    rs_free(s->channel_fl);
    rs_free(s->slope);
    rs_free(s->of_weights);
    rs_free(s->of_blob);
    rs_free(s->places);
    rs_free(s->rounded);
    rs_free(s->shadow);
    rs_free(s->pieces);
    rs_plan_free(s->plan);
    rs_plan_free(s->test_plan);
    rs_free(s);
}
