/* Fine-tuning: shadow weights are trained, and what does best on the validation images is kept. */
#include "finetune/finetune.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "import/import.h"
#include "engine/engine.h"
#include "finetune/state.h"
#include "train/score.h"
#include "qnet/build.h"
#include "emulate/score.h"
#include "formats/refine.h"

typedef struct tuner {
    const rs_finetune_options *options;
    const rs_solver_param *solver;
    rs_finetune_result *result;
    rs_net *net;      /* the training net, while it trains */
    rs_net *test_net; /* for ranges and for the integers */
    int test_layer;
    rs_dataset *named;     /* --validation, or NULL */
    rs_dataset validation; /* a slice of it, or of the training set, as it enters the net */
    rs_dataset *loaded;    /* what it is a slice of, if those were not in memory like that; or NULL */
    rs_shadow *shadow;
    rs_formats *formats; /* of the test net */
    rs_tuning state;
    int bits[RS_GROUPS]; /* target widths; 16 where training is in float */
    char *best_path;
} tuner;

void rs_finetune_defaults(rs_finetune_options *o)
{
    *o = (rs_finetune_options) { .weight_rounding = RS_ROUND_STOCHASTIC,
                                 .iterations = 5000,
                                 .validate_every = 500,
                                 .snapshot_every = 500,
                                 .display_every = 100,
                                 .step_rate = 0.01,
                                 .seed = 1 };
    rs_format_rules_defaults(&o->rules);
}

static rs_status check_options(const rs_finetune_options *o, rs_diag *diag)
{
    bool any = false;
    for (int g = 0; g < RS_GROUPS; g++) {
        if (o->bits[g] < 0 || o->bits[g] > RS_QNET_MAX_BITS)
            return rs_error(diag, RS_USAGE, RS_NOWHERE, NULL,
                            "%d bits for the group %s, expected 1 to %d, or 0 for float", o->bits[g],
                            rs_group_name((rs_group)g), RS_QNET_MAX_BITS);
        any = any || o->bits[g] > 0;
    }
    const rs_scheme scheme = o->rules.scheme;
    const rs_status st = rs_format_rules_check(&o->rules, diag);
    if (st != RS_OK)
        return st;
    if (scheme == RS_SCHEME_STATIC)
        return rs_error(diag, RS_USAGE, RS_NOWHERE, NULL,
                        "static fixed point cannot be fine-tuned, expected dynamic, minifloat or power-of-two");
    if (scheme == RS_SCHEME_POWER2 && (o->bits[RS_GROUP_CONVOLUTION] == 0 || o->bits[RS_GROUP_INNER_PRODUCT] == 0))
        return rs_error(diag, RS_USAGE, RS_NOWHERE, NULL,
                        "with weights that are powers of two, no group of them can stay float");
    if (scheme == RS_SCHEME_MINIFLOAT && (o->bits[RS_GROUP_CONVOLUTION] == 0 || o->bits[RS_GROUP_INNER_PRODUCT] == 0 ||
                                          o->bits[RS_GROUP_ACTIVATIONS] == 0))
        return rs_error(diag, RS_USAGE, RS_NOWHERE, NULL,
                        "with minifloats no group can stay float: the engine takes nets of one kind of numbers");
    if (scheme == RS_SCHEME_MINIFLOAT &&
        (o->learn_steps || o->gradual_bits > 0 || o->refine_images > 0 || o->unsigned_activations || o->wide_scores))
        return rs_error(
            diag, RS_USAGE, RS_NOWHERE, NULL,
            "minifloats have no fractional lengths, which learned steps, a gradual reduction, refined formats, "
            "unsigned outputs and scores as wide as the accumulator are about");
    if (o->channel_weights && scheme != RS_SCHEME_DYNAMIC)
        return rs_error(diag, RS_USAGE, RS_NOWHERE, NULL,
                        "only weights in dynamic fixed point have fractional lengths by channel");
    if (!any)
        return rs_error(diag, RS_USAGE, RS_NOWHERE, NULL, "no group has a width: there is nothing to tune for");
    if (o->quantized_activations && o->bits[RS_GROUP_ACTIVATIONS] == 0)
        return rs_error(diag, RS_USAGE, RS_NOWHERE, NULL, "quantized activations need a width of activations");
    if (o->iterations < 0 || o->validate_every < 1)
        return rs_error(diag, RS_USAGE, RS_NOWHERE, NULL,
                        "%" PRId64 " iterations, validation every %" PRId64 ", expected at least 0 and 1",
                        o->iterations, o->validate_every);
    if ((o->weights == NULL) == (o->resume == NULL))
        return rs_error(diag, RS_USAGE, RS_NOWHERE, NULL,
                        "expected either weights to start from or a solverstate to resume");
    return RS_OK;
}

/* -------------------------------------------------------------------------------------------------------- begin */

static rs_status open_validation(tuner *t, rs_dataset *set, rs_diag *diag)
{
    const rs_finetune_options *o = t->options;
    if (o->validation != NULL) {
        const rs_status st = rs_dataset_open(o->validation, NULL, true, &t->named, diag);
        if (st != RS_OK)
            return st;
        const int64_t left = t->named->count - o->validation_first,
                      count = o->validation_images > 0 ? o->validation_images : left;
        if (o->validation_first < 0 || left < 1 || count > left)
            return rs_error(diag, RS_USAGE, RS_FILE(t->named->path), NULL,
                            "validation images %" PRId64 " to %" PRId64 " are not there, the data set has %" PRId64,
                            o->validation_first,
                            o->validation_first > INT64_MAX - count ? INT64_MAX
                                                                    : o->validation_first + (count > 0 ? count : 1) - 1,
                            t->named->count);
        t->validation = rs_dataset_slice(t->named, o->validation_first, count);
        return RS_OK;
    }
    const int64_t count = o->validation_images > 0 ? o->validation_images : set->count / 10;
    if (count < 1 || count >= set->count)
        return rs_error(diag, RS_USAGE, RS_FILE(set->path), "name another data set to validate on",
                        "%" PRId64 " images are to be held out of training, but there are only %" PRId64, count,
                        set->count);
    t->validation = rs_dataset_slice(set, set->count - count, count);
    set->count -= count;
    return RS_OK;
}

/* Images that are taken again and again are read and decoded once, if they fit. *loaded, which may be NULL, must
 * outlive *set. */
static rs_status hold(rs_dataset *set, const rs_data_param *data, rs_dataset **loaded, rs_diag *diag)
{
    *loaded = NULL;
    if (rs_dataset_prepared(set, data))
        return RS_OK;
    const rs_status st = rs_dataset_prepare(set, data, RS_HELD_MAX_BYTES, loaded, diag);
    if (st == RS_OK)
        *set = rs_dataset_slice(*loaded, 0, (*loaded)->count);
    return st;
}

static rs_status open_test_net(tuner *t, const rs_dataset *set, rs_diag *diag)
{
    rs_data_override over = t->options->transform != NULL ? *t->options->transform
                                                          : (rs_data_override) { .mirror = false };
    over.mirror = over.shuffle = false;
    rs_status st = rs_fit_data(t->test_net, set, &over, 1, &t->test_layer, diag);
    if (st != RS_OK)
        return st;
    const rs_layer *l = &t->test_net->layers[t->test_layer];
    st = rs_net_choose_scores(t->test_net, t->options->score, diag);
    if (st == RS_OK)
        st = rs_copy_weights(t->net, t->test_net, diag);
    if (st == RS_OK)
        st = rs_check_data(t->test_net, t->test_layer, set, &l->data, diag);
    if (st == RS_OK)
        st = rs_check_data(t->test_net, t->test_layer, &t->validation, &l->data, diag);
    if (st == RS_OK)
        st = hold(&t->validation, &l->data, &t->loaded, diag);
    return st;
}

/* Subtracts the constant from the last layer's biases, in both nets. */
static void move_scores(tuner *t, float constant)
{
    const rs_layer *layer = &t->test_net->layers[rs_scores_layer(t->test_net, t->formats)];
    const int other = rs_net_layer(t->net, layer->name);
    for (int64_t i = 0; i < rs_shape_count(&layer->params[1].shape, 0) && other >= 0; i++) {
        layer->params[1].data[i] -= constant;
        t->net->layers[other].params[1].data[i] -= constant;
    }
}

static rs_status refine(tuner *t, const rs_data_param *data, rs_diag *diag)
{
    enum { PASSES = 3 };
    const rs_finetune_options *o = t->options;
    const rs_calibration on = { .net = t->test_net,
                                .data = data,
                                .set = &t->validation,
                                .images = o->refine_images,
                                .bias_rule = o->bias_rule,
                                .rounding = o->rounding };
    rs_status st = rs_formats_refine(&on, false, PASSES, t->formats, NULL, diag);
    float constant = 0.0f;
    if (st == RS_OK)
        st = rs_formats_place_scores(&on, t->formats, &constant, diag);
    if (st != RS_OK || constant == 0.0f)
        return st;
    move_scores(t, constant);
    return rs_formats_refine(&on, false, PASSES, t->formats, NULL, diag);
}

/* The widths by group; those of minifloats must leave a mantissa. */
static rs_status find_widths(tuner *t, const rs_ranges *ranges, rs_diag *diag)
{
    const rs_finetune_options *o = t->options;
    int *bits = t->bits;
    for (int g = 0; g < RS_GROUPS; g++) {
        int least, most;
        bits[g] = o->bits[g] > 0 ? o->bits[g] : RS_QNET_MAX_BITS;
        rs_format_rules_widths(&o->rules, t->test_net, ranges, (rs_group)g, &least, &most);
        if (least == most)
            bits[g] = least;
        if (bits[g] < least || bits[g] > most)
            return rs_error(diag, RS_USAGE, RS_NOWHERE, "fewer exponent bits may do, or a format by name",
                            "%d bits for the group %s, expected %d to %d", bits[g], rs_group_name((rs_group)g), least,
                            most);
    }
    return RS_OK;
}

static rs_status choose_formats(tuner *t, const rs_dataset *set, rs_diag *diag)
{
    const rs_finetune_options *o = t->options;
    const rs_data_param *data = &t->test_net->layers[t->test_layer].data;
    rs_ranges *ranges = NULL;
    rs_dataset calibration = rs_dataset_slice(set, 0, o->calibration_images > 0 ? o->calibration_images : set->count),
               *loaded;
    rs_status st = hold(&calibration, data, &loaded, diag);
    if (st == RS_OK)
        st = o->rules.activation_range != RS_RANGE_MAX
                 ? rs_ranges_measure_all(t->test_net, data, &calibration, 0, &ranges, diag)
                 : rs_ranges_measure(t->test_net, data, &calibration, 0, &ranges, diag);
    rs_dataset_free(loaded);
    if (st == RS_OK)
        st = find_widths(t, ranges, diag);
    if (st == RS_OK)
        st = rs_formats_make_groups(t->test_net, ranges, &o->rules, t->bits, 0, &t->formats, diag);
    if (st == RS_OK && o->unsigned_activations)
        st = rs_formats_use_unsigned(t->test_net, data, t->formats, diag);
    if (st == RS_OK)
        t->formats->wide_scores = o->wide_scores;
    if (st == RS_OK && o->channel_weights)
        st = rs_formats_use_channels(t->test_net, t->formats, diag);
    if (st == RS_OK && o->refine_images > 0 && o->resume == NULL)
        st = refine(t, data, diag);
    if (st == RS_OK)
        st = rs_formats_fit_sums(t->test_net, o->bias_rule, t->formats, diag);
    rs_ranges_free(ranges);
    return st;
}

/* The loss sees the rounded scores: steps that are large against a nat leave no gradient between right and wrong.
 * Scores, weights and biases of the last layer are divided by a power of two, so that a step is at most 1/2; the
 * integers stay what they are. */
static void scale_scores(tuner *t)
{
    const int scores = rs_net_scores(t->test_net);
    const int k = 1 - t->formats->activations[scores].fl;
    for (int i = 0; i < t->test_net->n_layers && k > 0; i++) {
        rs_layer *l = &t->test_net->layers[i];
        const int other = rs_net_layer(t->net, l->name);
        if (rs_layer_group(l) == RS_GROUPS || l->tops[0] != scores || other < 0 ||
            t->formats->weights[i].fl + k > RS_FL_MAX)
            continue;
        const rs_layer *m = &t->net->layers[other];
        for (int p = 0; p < m->n_params; p++)
            for (int64_t j = 0; j < rs_shape_count(&m->params[p].shape, 0); j++)
                m->params[p].data[j] = ldexpf(m->params[p].data[j], -k);
        t->formats->weights[i].fl += k;
        for (int64_t c = 0; t->formats->weight_fl[i] != NULL && c < l->params[0].shape.dim[0]; c++)
            t->formats->weight_fl[i][c] += k;
        for (int64_t c = 0;
             t->formats->wanted_fl[i] != NULL && c < (t->formats->weight_fl[i] != NULL ? l->params[0].shape.dim[0] : 1);
             c++)
            t->formats->wanted_fl[i][c] += k;
        t->formats->activations[scores].fl += k;
    }
}

static rs_status begin(void *context, rs_net *net, rs_exec *exec, rs_dataset *set, const char *resume, rs_diag *diag)
{
    tuner *t = context;
    t->net = net;
    const int64_t batch = rs_shape_count(&net->blobs[rs_net_input(net)].shape, 0) /
                          rs_exec_blob_size(exec, rs_net_input(net));
    rs_status st = open_validation(t, set, diag);
    if (st == RS_OK)
        st = open_test_net(t, set, diag);
    if (st == RS_OK)
        st = choose_formats(t, set, diag);
    if (st == RS_OK && t->options->quantized_activations && resume == NULL &&
        t->options->rules.scheme == RS_SCHEME_DYNAMIC && !t->options->wide_scores)
        scale_scores(t);
    if (st == RS_OK)
        st = rs_shadow_new(net, exec, batch, t->test_net, t->formats, t->options, &t->shadow, diag);
    t->result->validation_images = t->validation.count;
    t->state.options = t->options;
    t->state.shadow = t->shadow;
    if (st == RS_OK)
        st = rs_tuning_new(&t->state, diag);
    if (st == RS_OK && resume != NULL && !rs_file_exists(t->best_path))
        st = rs_error(diag, RS_BAD_INPUT, RS_FILE(t->best_path), "resume into the folder of the snapshot",
                      "the best weights so far are missing");
    if (st == RS_OK && resume != NULL)
        st = rs_tuning_load(&t->state, resume, t->test_net, t->validation.count, diag);
    return st;
}

/* --------------------------------------------------------------------------------------------------- validation */

/* The integers of the test net's weights and `formats`; biases that have grown beyond what sums hold make the weights
 * coarser. */
static rs_status build(const tuner *t, rs_qnet **qnet, rs_diag *diag)
{
    const rs_status st = rs_formats_fit_sums(t->test_net, t->options->bias_rule, t->formats, diag);
    if (st != RS_OK)
        return st;
    return rs_qnet_build(t->test_net, t->formats, &t->test_net->layers[t->test_layer].data, t->options->bias_rule,
                         t->options->rounding, qnet, diag);
}

/* Those, scored on the validation images; into *kept unless kept is NULL. */
static rs_status score(const tuner *t, rs_qnet **kept, rs_tuning_score *result, rs_diag *diag)
{
    rs_qnet *qnet = NULL;
    rs_engine *engine = NULL;
    rs_score s = { .saturations = NULL };
    rs_status st = build(t, &qnet, diag);
    if (st != RS_OK)
        return st;
    s.saturations = RS_NEW_ARRAY(uint64_t, (size_t)qnet->n_ops);
    st = s.saturations == NULL ? rs_out_of_memory(diag) : rs_engine_new(qnet, false, &engine, diag);
    if (st == RS_OK)
        st = rs_engine_score(engine, &t->validation, 1, &s, diag);
    if (st == RS_OK) {
        *result = (rs_tuning_score) { .hits = s.hits, .ties = s.ties };
        for (int i = 0; i < qnet->n_ops; i++)
            result->saturations += (int64_t)s.saturations[i];
    }
    rs_engine_free(engine);
    if (kept != NULL)
        *kept = qnet;
    else
        rs_qnet_free(qnet);
    rs_free(s.saturations);
    return st;
}

static rs_status validate(void *context, rs_train_event *event, rs_diag *diag)
{
    tuner *t = context;
    rs_tuning *state = &t->state;
    rs_tuning_score now = { .iteration = event->iteration };
    /* Before the first iteration the target widths are scored, whatever a gradual reduction begins with. */
    const int64_t iteration = event->iteration == 0 ? t->options->iterations : event->iteration;
    rs_shadow_formats(t->shadow, iteration, t->formats);
    rs_status st = rs_copy_weights(t->net, t->test_net, diag);
    if (st == RS_OK)
        st = score(t, event->iteration == 0 ? &t->result->first_qnet : NULL, &now, diag);
    if (st != RS_OK)
        return st;
    now.iteration = event->iteration;
    if (event->iteration == 0)
        state->first = now;
    const bool better = (t->options->keep_last || now.hits > state->best.hits) &&
                        rs_shadow_wider(t->options, event->iteration) == 0;
    if (event->iteration == 0 || better) {
        st = rs_caffe_write_weights(t->net, t->best_path, diag);
        state->best = now;
        for (int i = 0; i < rs_shadow_count(t->shadow); i++)
            state->best_fl[i] = rs_shadow_format(t->shadow, i)->format.fl;
    }
    state->last = now;
    event->accuracy = (double)now.hits / (double)t->validation.count;
    event->images = t->validation.count;
    event->loss = NAN;
    return st;
}

/* ------------------------------------------------------------------------------------------------- the training */

static rs_status before(void *context, int64_t batch, rs_diag *diag)
{
    (void)diag;
    rs_shadow_before(((tuner *)context)->shadow, batch);
    return RS_OK;
}

static void after(void *context, int64_t batch)
{
    (void)batch;
    rs_shadow_after(((tuner *)context)->shadow);
}

static void updated(void *context, int64_t iteration, double rate)
{
    (void)rate;
    rs_shadow_updated(((tuner *)context)->shadow, iteration);
}

static rs_status save(void *context, const char *prefix, rs_diag *diag)
{
    tuner *t = context;
    return rs_tuning_save(&t->state, prefix, t->test_net, t->validation.count, diag);
}

static void on_event(void *context, const rs_train_event *e)
{
    const tuner *t = context;
    static const rs_finetune_event_kind kinds[] = { [RS_TRAIN_BEGIN] = RS_FINETUNE_BEGIN,
                                                    [RS_TRAIN_DISPLAY] = RS_FINETUNE_DISPLAY,
                                                    [RS_TRAIN_TEST] = RS_FINETUNE_VALIDATE,
                                                    [RS_TRAIN_SNAPSHOT] = RS_FINETUNE_SNAPSHOT,
                                                    [RS_TRAIN_INTERRUPTED] = RS_FINETUNE_INTERRUPTED };
    rs_finetune_event event = { .kind = kinds[e->kind],
                                .iteration = e->iteration,
                                .loss = e->loss,
                                .learning_rate = e->learning_rate,
                                .images = e->images,
                                .path = e->path };
    if (e->kind == RS_TRAIN_TEST) {
        const int by = e->iteration == 0 ? 0 : rs_shadow_wider(t->options, e->iteration);
        const bool power2 = t->options->rules.scheme == RS_SCHEME_POWER2;
        event.hits = t->state.last.hits;
        event.ties = t->state.last.ties;
        event.best_hits = t->state.best.hits;
        event.best_iteration = t->state.best.iteration;
        for (int g = 0; g < RS_GROUPS; g++)
            event.bits[g] = t->bits[g] + (power2 && g != RS_GROUP_ACTIVATIONS  ? 0
                                          : t->bits[g] + by < RS_QNET_MAX_BITS ? by
                                                                               : RS_QNET_MAX_BITS - t->bits[g]);
    }
    if (t->options->log != NULL)
        t->options->log(t->options->log_context, &event);
}

/* The best weights and formats, built once more. */
static rs_status finish(tuner *t, rs_diag *diag)
{
    rs_finetune_result *r = t->result;
    for (int i = 0; i < rs_shadow_count(t->shadow); i++)
        rs_shadow_format(t->shadow, i)->format.fl = t->state.best_fl[i];
    rs_shadow_formats(t->shadow, t->options->iterations, t->formats);
    rs_status st = rs_caffe_read_weights(t->best_path, t->test_net, diag);
    if (st == RS_OK)
        st = build(t, &r->qnet, diag);
    if (st != RS_OK)
        return st;
    r->first_hits = t->state.first.hits;
    r->first_ties = t->state.first.ties;
    r->best_iteration = t->state.best.iteration;
    r->best_hits = t->state.best.hits;
    r->best_ties = t->state.best.ties;
    r->best_saturations = t->state.best.saturations;
    snprintf(r->weights_path, sizeof r->weights_path, "%s", t->best_path);
    r->net = t->test_net;
    r->formats = t->formats;
    t->test_net = NULL;
    t->formats = NULL;
    return RS_OK;
}

static rs_status train(tuner *t, rs_diag *diag)
{
    const rs_finetune_options *o = t->options;
    rs_solver_param solver = *t->solver;
    char type[] = "Adam";
    char *prefix = rs_path_join(o->out, "finetune");
    if (prefix == NULL)
        return rs_out_of_memory(diag);
    const int64_t last = solver.max_iter > 0 ? solver.max_iter - 1 : 0;
    solver.base_lr = o->learning_rate > 0.0 ? o->learning_rate : rs_learning_rate(&solver, last) / 10.0;
    solver.type = type;
    solver.policy = o->linear_decay ? RS_LR_POLY : RS_LR_FIXED;
    solver.power = 1.0;
    solver.momentum = 0.9; /* Kingma, Ba 2015 */
    solver.momentum2 = 0.999;
    solver.delta = 1e-8;
    solver.weight_decay = o->weight_decay;
    solver.clip_gradients = -1.0;
    solver.max_iter = o->iterations;
    solver.display = o->display_every;
    solver.average_loss = o->display_every;
    solver.test_interval = o->validate_every;
    solver.test_initialization = true;
    solver.snapshot = o->snapshot_every;
    solver.snapshot_after_train = o->iterations > 0;
    solver.random_seed = (int64_t)(o->seed & INT64_MAX);
    const rs_train_extension extension = { .context = t,
                                           .begin = begin,
                                           .before = before,
                                           .after = after,
                                           .updated = updated,
                                           .test = validate,
                                           .save = save };
    const rs_train_options options = { .data_folder = o->data_folder,
                                       .weights = o->weights,
                                       .transform = o->transform,
                                       .resume = o->resume,
                                       .snapshot_prefix = prefix,
                                       .seed = o->seed,
                                       .extension = &extension,
                                       .log = on_event,
                                       .log_context = t };
    rs_train_result r;
    const rs_status st = rs_train(&solver, &options, &r, diag);
    rs_finetune_result *to = t->result;
    to->iterations = r.iterations;
    to->trained_images = r.images;
    to->seconds = r.seconds;
    to->images_per_second = r.images_per_second;
    to->loss = r.loss;
    memcpy(to->state_path, r.state_path, sizeof to->state_path);
    t->net = NULL;
    rs_free(prefix);
    return st;
}

rs_status rs_finetune(const rs_solver_param *solver, const rs_finetune_options *options, rs_finetune_result **result,
                      rs_diag *diag)
{
    *result = NULL;
    rs_status st = check_options(options, diag);
    if (st != RS_OK)
        return st;
    tuner t = { .options = options, .solver = solver };
    t.result = RS_NEW(rs_finetune_result);
    t.best_path = rs_path_join(options->out, "tuned.caffemodel");
    if (t.result == NULL || t.best_path == NULL)
        st = rs_out_of_memory(diag);
    if (st == RS_OK)
        st = rs_import_net(solver->net_path, NULL, NULL, &t.test_net, diag);
    if (st == RS_OK)
        st = rs_make_folder(options->out, diag);
    if (st == RS_OK)
        st = train(&t, diag);
    if (st == RS_OK)
        st = finish(&t, diag);
    rs_shadow_free(t.shadow);
    rs_tuning_free(&t.state);
    rs_formats_free(t.formats);
    rs_net_free(t.test_net);
    rs_dataset_free(t.loaded);
    rs_dataset_free(t.named);
    rs_free(t.best_path);
    if (st == RS_OK)
        *result = t.result;
    else
        rs_finetune_result_free(t.result);
    return st;
}

void rs_finetune_result_free(rs_finetune_result *r)
{
    if (r == NULL)
        return;
    rs_net_free(r->net);
    rs_formats_free(r->formats);
    rs_qnet_free(r->qnet);
    rs_qnet_free(r->first_qnet);
    rs_free(r);
}
