/* Training by a solver: the loop, its state, snapshots. */
#include "train/train.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/progress.h"
#include "base/threads.h"
#include "import/import.h"
#include "net/rule.h"
#include "train/rule.h"
#include "train/score.h"

/* One learnable array of the training net. */
typedef struct train_slot {
    rs_param *param;
    float *gradient; /* the exec's, or an accumulator of ours when iter_size > 1 */
    float *from;     /* the exec's */
    float *history[2];
    int64_t count;
} train_slot;

/* A gradient of an array that another layer owns, and the owner's, to which it is added. */
typedef struct shared_gradient {
    const float *from;
    float *to;
    int64_t count;
} shared_gradient;

typedef struct trainer {
    const rs_solver_param *solver;
    const rs_train_options *options;
    rs_train_result *result;
    const rs_rule *rule;
    rs_net *net;
    int data_layer;
    rs_dataset *set;
    rs_train_net test; /* of the test phase, where it is tested in float */
    rs_feed *feed;
    rs_exec *exec, *test_exec;
    int64_t batch, test_images, iter_size, max_iter, iter;
    uint64_t seed;
    bool tests; /* at intervals */
    int n_slots, n_shared;
    train_slot *slots;
    shared_gradient *shared;
    double *losses; /* ring of the last average_loss losses */
    int64_t n_losses;
    double loss; /* their mean */
} trainer;

/* ------------------------------------------------------------------------------------------------------- set-up */

static bool is_description(const char *source)
{
    const char *dot = strrchr(source, '.');
    return dot != NULL && strcmp(dot, ".json") == 0;
}

static rs_status open_data(const rs_train_options *options, rs_train_net *n, bool train, rs_diag *diag)
{
    rs_status st = rs_data_layer(n->net, &n->layer, diag);
    if (st != RS_OK)
        return st;
    const rs_layer *l = &n->net->layers[n->layer];
    const char *source = l->data.source, *folder = options->data_folder;
    if (folder != NULL && !(source != NULL && is_description(source))) {
        char *inside = source != NULL && source[0] != '/' ? rs_path_join(folder, source) : NULL;
        st = rs_dataset_open(inside != NULL && rs_dataset_exists(inside, NULL, train) ? inside : folder, NULL, train,
                             &n->set, diag);
        rs_free(inside);
        return st;
    }
    if (source == NULL)
        return rs_error(diag, RS_BAD_INPUT, l->loc, "name images with --data", "layer '%s' names no source of images",
                        l->name);
    return rs_dataset_open_layer(&l->data, NULL, n->net->path, train, &n->set, diag);
}

rs_status rs_train_net_open(const rs_solver_param *solver, const rs_train_options *options, rs_phase phase,
                            rs_train_net *n, rs_diag *diag)
{
    *n = (rs_train_net) { .net = NULL };
    rs_status st = rs_import_trainable(solver->net_path, phase, NULL, &n->net, diag);
    if (st == RS_OK)
        st = open_data(options, n, phase == RS_TRAIN, diag);
    if (st != RS_OK)
        return st;
    const rs_layer *l = &n->net->layers[n->layer];
    n->batch = l->data.batch_size;
    if (n->batch < 1)
        return rs_error(diag, RS_BAD_INPUT, l->loc, NULL, "layer '%s': batch_size is %lld, expected at least 1",
                        l->name, (long long)n->batch);
    rs_data_override over = options->transform != NULL ? *options->transform : (rs_data_override) { .mirror = false };
    over.mirror = over.mirror && phase == RS_TRAIN;
    over.shuffle = over.shuffle && phase == RS_TRAIN;
    st = rs_fit_data(n->net, n->set, &over, n->batch, &n->layer, diag);
    if (st == RS_OK)
        st = rs_check_data(n->net, n->layer, n->set, &l->data, diag);
    return st;
}

void rs_train_net_close(rs_train_net *n)
{
    rs_net_free(n->net);
    rs_dataset_free(n->set);
    *n = (rs_train_net) { .net = NULL };
}

static rs_status make_slots(trainer *t, rs_diag *diag)
{
    int n = 0;
    for (int i = 0; i < t->net->n_layers; i++)
        n += t->net->layers[i].n_params;
    if (n == 0)
        return rs_error(diag, RS_BAD_INPUT, RS_FILE(t->net->path), NULL, "the net has no parameters to train");
    t->slots = RS_NEW_ARRAY(train_slot, (size_t)n);
    t->shared = RS_NEW_ARRAY(shared_gradient, (size_t)n);
    if (t->slots == NULL || t->shared == NULL)
        return rs_out_of_memory(diag);
    for (int i = 0; i < t->net->n_layers; i++)
        for (int p = 0; p < t->net->layers[i].n_params; p++) {
            rs_param *param = &t->net->layers[i].params[p];
            int layer, index;
            if (rs_net_param_owner(t->net, i, p, &layer, &index) != param) {
                t->shared[t->n_shared++] = (shared_gradient) { rs_exec_gradient(t->exec, i, p),
                                                               rs_exec_gradient(t->exec, layer, index),
                                                               rs_shape_count(&param->shape, 0) };
                continue;
            }
            train_slot *s = &t->slots[t->n_slots++];
            s->param = param;
            s->count = rs_shape_count(&s->param->shape, 0);
            s->from = s->gradient = rs_exec_gradient(t->exec, i, p);
            for (int h = 0; h < t->rule->histories; h++) {
                s->history[h] = RS_NEW_ARRAY(float, (size_t)s->count + 1);
                if (s->history[h] == NULL)
                    return rs_out_of_memory(diag);
            }
            if (t->iter_size > 1) {
                s->gradient = RS_NEW_ARRAY(float, (size_t)s->count + 1);
                if (s->gradient == NULL)
                    return rs_out_of_memory(diag);
            }
        }
    return RS_OK;
}

static bool has_loss(const rs_net *net)
{
    for (int i = 0; i < net->n_layers; i++)
        if (rs_layer_rule_of(net->layers[i].type)->loss)
            return true;
    return false;
}

static rs_status set_up(trainer *t, rs_diag *diag)
{
    const rs_solver_param *s = t->solver;
    rs_status st = rs_rule_of(s, &t->rule, diag);
    if (st == RS_OK && t->max_iter < (t->options->extension != NULL ? 0 : 1))
        st = rs_error(diag, RS_BAD_INPUT, RS_FILE(s->path), NULL, "max_iter is %lld, expected at least 1",
                      (long long)t->max_iter);
    if (st == RS_OK && t->options->weights != NULL && t->options->resume != NULL)
        st = rs_error(diag, RS_USAGE, RS_NOWHERE, "a solverstate names its weights itself",
                      "both weights to start from and a solverstate to resume were given");
    rs_train_net training = { .net = NULL };
    if (st == RS_OK)
        st = rs_train_net_open(s, t->options, RS_TRAIN, &training, diag);
    t->net = training.net;
    t->set = training.set;
    t->data_layer = training.layer;
    t->batch = training.batch;
    if (st == RS_OK && !has_loss(t->net))
        st = rs_error(diag, RS_BAD_INPUT, RS_FILE(t->net->path), "add a SoftmaxWithLoss layer",
                      "the net has no loss in the training phase");
    if (st == RS_OK)
        st = rs_exec_new(t->net, t->batch, true, &t->exec, diag);
    if (st == RS_OK)
        st = make_slots(t, diag);
    if (st != RS_OK)
        return st;
    const int64_t window = s->average_loss > 1 ? s->average_loss : 1;
    t->losses = RS_NEW_ARRAY(double, (size_t)window);
    if (t->losses == NULL)
        return rs_out_of_memory(diag);
    const rs_train_extension *x = t->options->extension;
    t->tests = x != NULL && x->test != NULL && s->test_interval > 0;
    if (!t->tests && s->test_interval > 0 && (s->test_iter > 0 || t->options->test_images > 0)) {
        st = rs_train_net_open(s, t->options, RS_TEST, &t->test, diag);
        if (st == RS_OK)
            st = rs_exec_new(t->test.net, t->test.batch, false, &t->test_exec, diag);
        t->test_images = t->options->test_images > 0 ? t->options->test_images : s->test_iter * t->test.batch;
        t->tests = st == RS_OK;
    }
    return st;
}

static void tear_down(trainer *t)
{
    for (int i = 0; i < t->n_slots; i++) {
        rs_free(t->slots[i].history[0]);
        rs_free(t->slots[i].history[1]);
        if (t->slots[i].gradient != t->slots[i].from)
            rs_free(t->slots[i].gradient);
    }
    rs_free(t->slots);
    rs_free(t->shared);
    rs_free(t->losses);
    rs_feed_free(t->feed);
    rs_exec_free(t->exec);
    rs_exec_free(t->test_exec);
    rs_net_free(t->net);
    rs_dataset_free(t->set);
    rs_train_net_close(&t->test);
}

/* ---------------------------------------------------------------------------------------------------- snapshots */

static void log_event(const trainer *t, rs_train_event event)
{
    event.iteration = t->iter;
    if (t->options->log != NULL)
        t->options->log(t->options->log_context, &event);
}

static const char *prefix_of(const trainer *t)
{
    return t->options->snapshot_prefix != NULL ? t->options->snapshot_prefix : t->solver->snapshot_prefix;
}

/* Histories in Caffe's order: the first one of every array, then the second. */
static rs_status write_state(const trainer *t, const char *weights, const char *path, rs_diag *diag)
{
    const int n = t->n_slots * t->rule->histories;
    rs_param *history = RS_NEW_ARRAY(rs_param, (size_t)n);
    if (history == NULL)
        return rs_out_of_memory(diag);
    for (int i = 0; i < n; i++) {
        history[i].shape = t->slots[i % t->n_slots].param->shape;
        history[i].data = t->slots[i % t->n_slots].history[i / t->n_slots];
    }
    int64_t step = 0;
    while (step < t->solver->n_step_values && t->iter >= t->solver->step_values[step])
        step++;
    /* They lie beside the state: it need not say where that was. */
    char *learned = rs_strdup(weights[0] == '/' ? strrchr(weights, '/') + 1 : weights);
    rs_status st = learned == NULL ? rs_out_of_memory(diag) : RS_OK;
    const rs_solver_state state = {
        .iter = t->iter, .current_step = step, .learned_net = learned, .n_history = n, .history = history
    };
    if (st == RS_OK)
        st = rs_caffe_write_solver_state(&state, path, diag);
    rs_free(learned);
    rs_free(history);
    return st;
}

static void keep_path(char *to, size_t size, const char *path)
{
    snprintf(to, size, "%s", path);
}

/* The weights first: a state without its weights would be of no use. */
static rs_status snapshot(trainer *t, rs_train_event_kind kind, rs_diag *diag)
{
    const char *prefix = prefix_of(t);
    if (prefix == NULL || prefix[0] == '\0')
        return RS_OK;
    char *weights = rs_format("%s_iter_%" PRId64 ".caffemodel", prefix, t->iter);
    char *state = rs_format("%s_iter_%" PRId64 ".solverstate", prefix, t->iter);
    rs_status st = weights == NULL || state == NULL ? rs_out_of_memory(diag) : RS_OK;
    if (st == RS_OK)
        st = rs_caffe_write_weights(t->net, weights, diag);
    if (st == RS_OK && t->options->extension != NULL && t->options->extension->save != NULL) {
        char *base = rs_strndup(state, strlen(state) - strlen(".solverstate"));
        st = base == NULL ? rs_out_of_memory(diag)
                          : t->options->extension->save(t->options->extension->context, base, diag);
        rs_free(base);
    }
    if (st == RS_OK)
        st = write_state(t, weights, state, diag);
    if (st == RS_OK) {
        keep_path(t->result->weights_path, sizeof t->result->weights_path, weights);
        keep_path(t->result->state_path, sizeof t->result->state_path, state);
        log_event(t, (rs_train_event) { .kind = kind, .path = state });
    }
    rs_free(weights);
    rs_free(state);
    return st;
}

/* The weights that a state names: as written, or of the same name beside the state (a moved folder). A bare name is one
 * beside the state first. */
static char *find_learned(const char *state_path, const char *learned)
{
    const char *slash = strrchr(learned, '/');
    if (slash != NULL && rs_file_exists(learned))
        return rs_strdup(learned);
    char *folder = rs_path_folder(state_path);
    char *beside = folder == NULL ? NULL : rs_path_join(folder, slash != NULL ? slash + 1 : learned);
    rs_free(folder);
    if (slash == NULL && beside != NULL && !rs_file_exists(beside) && rs_file_exists(learned)) {
        rs_free(beside);
        return rs_strdup(learned);
    }
    return beside;
}

static rs_status resume(trainer *t, const char *path, rs_diag *diag)
{
    rs_solver_state *state = NULL;
    rs_status st = rs_caffe_read_solver_state(path, &state, diag);
    if (st != RS_OK)
        return st;
    const int expected = t->n_slots * t->rule->histories;
    if (state->n_history != expected)
        st = rs_error(diag, RS_BAD_INPUT, RS_FILE(path), "resume with the solver and the net that wrote the snapshot",
                      "the snapshot holds %d histories, but this net and solver (%s) have %d", state->n_history,
                      t->rule->type, expected);
    if (st == RS_OK && state->iter < 0)
        st = rs_error(diag, RS_BAD_INPUT, RS_FILE(path), NULL, "the iteration is %" PRId64 ", expected at least 0",
                      state->iter);
    for (int i = 0; i < expected && st == RS_OK; i++) {
        const train_slot *s = &t->slots[i % t->n_slots];
        const rs_param *h = &state->history[i];
        char a[96], b[96];
        if (rs_shape_count(&h->shape, 0) != s->count)
            st = rs_error(diag, RS_BAD_INPUT, RS_FILE(path),
                          "resume with the solver and the net that wrote the snapshot",
                          "history %d has the shape %s, but the parameter that it belongs to has %s", i,
                          rs_shape_text(&h->shape, a, sizeof a), rs_shape_text(&s->param->shape, b, sizeof b));
        else
            memcpy(s->history[i / t->n_slots], h->data, (size_t)s->count * sizeof(float));
    }
    if (st == RS_OK && (state->learned_net == NULL || state->learned_net[0] == '\0'))
        st = rs_error(diag, RS_BAD_INPUT, RS_FILE(path), NULL, "the snapshot does not name its weights (learned_net)");
    if (st == RS_OK) {
        char *weights = find_learned(path, state->learned_net);
        st = weights == NULL ? rs_out_of_memory(diag) : rs_caffe_read_weights(weights, t->net, diag);
        rs_free(weights);
    }
    t->iter = state->iter;
    rs_solver_state_free(state);
    return st;
}

/* --------------------------------------------------------------------------------------------------- iterations */

enum { UPDATE_PIECE = 8192 };

typedef struct update_job {
    const trainer *t;
    double rate;
    float scale;
    bool accumulate, first; /* add the exec's gradients to ours, instead of updating */
    double *squares;        /* sums of squares by piece, instead of updating */
} update_job;

static int64_t pieces_of(const train_slot *s)
{
    return (s->count + UPDATE_PIECE - 1) / UPDATE_PIECE;
}

static void update_piece(void *context, size_t index, int worker)
{
    (void)worker;
    const update_job *j = context;
    const trainer *t = j->t;
    int64_t piece = (int64_t)index;
    const train_slot *s = t->slots;
    for (; piece >= pieces_of(s); s++)
        piece -= pieces_of(s);
    const int64_t from = piece * UPDATE_PIECE, left = s->count - from, n = left < UPDATE_PIECE ? left : UPDATE_PIECE;
    float *g = s->gradient + from;
    if (j->accumulate) {
        for (int64_t i = 0; i < n; i++)
            g[i] = j->first ? s->from[from + i] : g[i] + s->from[from + i];
        return;
    }
    if (j->squares != NULL) {
        double sum = 0.0;
        for (int64_t i = 0; i < n; i++)
            sum += (double)g[i] * (double)g[i];
        j->squares[index] = sum;
        return;
    }
    const rs_solver_param *p = t->solver;
    const double step = (double)t->iter + 1.0;
    const rs_update u = {
        .rate = (float)(j->rate * (double)s->param->lr_mult),
        .decay = (float)(p->weight_decay * (double)s->param->decay_mult),
        .scale = j->scale,
        .l1 = p->l1_regularization,
        .momentum = (float)p->momentum,
        .momentum2 = (float)p->momentum2,
        .delta = (float)p->delta,
        .correction = (float)(sqrt(1.0 - pow(p->momentum2, step)) / (1.0 - pow(p->momentum, step))),
    };
    t->rule->apply(&u, n, s->param->data + from, g, s->history[0] + from,
                   s->history[1] != NULL ? s->history[1] + from : NULL);
}

static int64_t all_pieces(const trainer *t)
{
    int64_t n = 0;
    for (int i = 0; i < t->n_slots; i++)
        n += pieces_of(&t->slots[i]);
    return n;
}

static rs_status update(trainer *t, rs_diag *diag)
{
    update_job job = { .t = t, .rate = rs_learning_rate(t->solver, t->iter), .scale = 1.0f / (float)t->iter_size };
    const int64_t pieces = all_pieces(t);
    if (t->solver->clip_gradients > 0.0) {
        job.squares = RS_NEW_ARRAY(double, (size_t)pieces);
        if (job.squares == NULL)
            return rs_out_of_memory(diag);
        rs_parallel((size_t)pieces, update_piece, &job);
        double sum = 0.0;
        for (int64_t i = 0; i < pieces; i++)
            sum += job.squares[i];
        const double norm = sqrt(sum);
        if (norm > t->solver->clip_gradients)
            job.scale *= (float)(t->solver->clip_gradients / norm);
        rs_free(job.squares);
        job.squares = NULL;
    }
    rs_parallel((size_t)pieces, update_piece, &job);
    return RS_OK;
}

static rs_status test(trainer *t, rs_diag *diag)
{
    const rs_train_extension *x = t->options->extension;
    if (x != NULL && x->test != NULL) {
        rs_train_event event = { .kind = RS_TRAIN_TEST, .iteration = t->iter };
        const rs_status st = x->test(x->context, &event, diag);
        if (st != RS_OK)
            return st;
        t->result->accuracy = event.accuracy;
        t->result->test_loss = event.loss;
        log_event(t, event);
        return RS_OK;
    }
    const rs_test_options o = { .images = t->test_images };
    rs_test_result r;
    rs_status st = rs_copy_weights(t->net, t->test.net, diag);
    if (st == RS_OK)
        st = rs_score_net(t->test_exec, t->test.net, t->test.layer, t->test.set, t->test.batch, &o, &r, diag);
    if (st != RS_OK)
        return st;
    t->result->accuracy = r.accuracy;
    t->result->test_loss = r.loss;
    log_event(t,
              (rs_train_event) { .kind = RS_TRAIN_TEST, .loss = r.loss, .accuracy = r.accuracy, .images = r.images });
    return RS_OK;
}

static void smooth(trainer *t, double loss)
{
    const int64_t window = t->solver->average_loss > 1 ? t->solver->average_loss : 1;
    t->losses[t->n_losses++ % window] = loss;
    const int64_t n = t->n_losses < window ? t->n_losses : window;
    double sum = 0.0;
    for (int64_t i = 0; i < n; i++)
        sum += t->losses[i];
    t->loss = sum / (double)n;
}

/* One iteration: gradients of iter_size batches, then the update. */
static rs_status iterate(trainer *t, rs_diag *diag)
{
    double total = 0.0;
    float *pixels = rs_exec_blob(t->exec, rs_net_input(t->net));
    const int label_blob = rs_label_blob(t->net);
    for (int64_t k = 0; k < t->iter_size; k++) {
        const int64_t batch_index = t->iter * t->iter_size + k;
        rs_status st = RS_OK;
        if (t->feed == NULL) /* from here on, batch after batch */
            st = rs_feed_new(t->set, &t->net->layers[t->data_layer].data, &t->seed, batch_index * t->batch, t->batch,
                             &t->feed, diag);
        if (st == RS_OK)
            st = rs_feed_next(t->feed, t->batch, pixels, rs_exec_blob(t->exec, label_blob), diag);
        if (st != RS_OK)
            return st;
        rs_exec_set_random(t->exec, t->seed, (uint64_t)batch_index);
        double loss = 0.0;
        const rs_train_extension *x = t->options->extension;
        st = x != NULL && x->before != NULL ? x->before(x->context, batch_index, diag) : RS_OK;
        if (st != RS_OK)
            return st;
        st = rs_exec_forward_backward(t->exec, t->batch, &loss, diag);
        if (x != NULL && x->after != NULL)
            x->after(x->context, batch_index);
        if (st != RS_OK)
            return st;
        total += loss;
        for (int i = 0; i < t->n_shared; i++)
            for (int64_t j = 0; j < t->shared[i].count; j++)
                t->shared[i].to[j] += t->shared[i].from[j];
        if (t->iter_size > 1) {
            update_job job = { .t = t, .accumulate = true, .first = k == 0 };
            rs_parallel((size_t)all_pieces(t), update_piece, &job);
        }
    }
    total /= (double)t->iter_size;
    if (!isfinite(total))
        return rs_error(diag, RS_BAD_INPUT, RS_FILE(t->solver->path), "lower base_lr, or check the scale of the data",
                        "the training diverged: the loss of iteration %" PRId64 " is %s", t->iter,
                        isnan(total) ? "not a number" : "infinite");
    smooth(t, total);
    if (t->solver->display > 0 && t->iter % t->solver->display == 0)
        log_event(t, (rs_train_event) { .kind = RS_TRAIN_DISPLAY,
                                        .loss = t->loss,
                                        .learning_rate = rs_learning_rate(t->solver, t->iter) });
    const rs_status st = update(t, diag);
    if (t->options->extension != NULL && t->options->extension->updated != NULL)
        t->options->extension->updated(t->options->extension->context, t->iter, rs_learning_rate(t->solver, t->iter));
    t->iter++;
    return st;
}

static rs_status run(trainer *t, rs_diag *diag)
{
    const rs_solver_param *s = t->solver;
    rs_train_result *r = t->result;
    const int64_t begin = t->iter;
    bool tested = false, saved = false; /* at this iteration */
    rs_progress *progress = rs_progress_begin("train", (uint64_t)(t->max_iter - begin > 0 ? t->max_iter - begin : 0),
                                              "iterations");
    rs_status st = RS_OK;
    if (t->tests && begin == 0 && s->test_initialization) {
        st = test(t, diag);
        tested = true;
    } else if (t->tests && begin > 0 && t->options->extension != NULL && begin % s->test_interval == 0) {
        /* The snapshot was written before this test, whose result the extension keeps. */
        st = test(t, diag);
        tested = true;
    }
    while (st == RS_OK && t->iter < t->max_iter) {
        const double start = rs_seconds();
        st = iterate(t, diag);
        r->seconds += rs_seconds() - start;
        if (st != RS_OK)
            break;
        tested = saved = false;
        char detail[64];
        snprintf(detail, sizeof detail, "loss %.4g", t->loss);
        rs_progress_update(progress, (uint64_t)(t->iter - begin), detail);
        if (s->snapshot > 0 && t->iter % s->snapshot == 0) {
            st = snapshot(t, RS_TRAIN_SNAPSHOT, diag);
            saved = true;
        }
        if (st == RS_OK && t->tests && t->iter % s->test_interval == 0) {
            st = test(t, diag);
            tested = st == RS_OK;
        }
        if (st == RS_OK && rs_interrupted())
            st = RS_INTERRUPTED;
    }
    /* A signal during a test interrupts as well; everything up to this iteration is whole. */
    if (st == RS_INTERRUPTED && !saved) {
        const rs_status written = snapshot(t, RS_TRAIN_INTERRUPTED, diag);
        st = written == RS_OK ? st : written;
    } else if (st == RS_INTERRUPTED) {
        log_event(t, (rs_train_event) { .kind = RS_TRAIN_INTERRUPTED,
                                        .path = r->state_path[0] != '\0' ? r->state_path : NULL });
    }
    if (st == RS_OK && s->snapshot_after_train && !saved)
        st = snapshot(t, RS_TRAIN_SNAPSHOT, diag);
    if (st == RS_OK && t->tests && !tested)
        st = test(t, diag);
    rs_progress_end(progress);
    r->iterations = t->iter - begin;
    r->images = r->iterations * t->iter_size * t->batch;
    r->images_per_second = r->seconds > 0.0 ? (double)r->images / r->seconds : 0.0;
    r->loss = t->loss;
    return st;
}

rs_status rs_train(const rs_solver_param *solver, const rs_train_options *options, rs_train_result *result,
                   rs_diag *diag)
{
    *result = (rs_train_result) { .accuracy = -1.0, .test_loss = NAN };
    rs_solver_param param = *solver; /* with another max_iter the policies that depend on it follow */
    if (options->max_iter > 0)
        param.max_iter = options->max_iter;
    trainer t = { .solver = &param, .options = options, .result = result, .max_iter = param.max_iter };
    t.iter_size = solver->iter_size > 1 ? solver->iter_size : 1;
    t.seed = solver->random_seed >= 0 ? (uint64_t)solver->random_seed : options->seed;
    rs_set_data_folder(options->data_folder);
    rs_status st = set_up(&t, diag);
    rs_set_data_folder(NULL);
    if (st == RS_OK && !rs_is_onnx(t.net->path)) /* which has its weights already */
        st = rs_net_fill(t.net, t.seed, diag);
    if (st == RS_OK && options->weights != NULL)
        st = rs_import_some_weights(options->weights, t.net, diag);
    if (st == RS_OK && options->resume != NULL)
        st = resume(&t, options->resume, diag);
    if (st == RS_OK && options->extension != NULL && options->extension->begin != NULL)
        st = options->extension->begin(options->extension->context, t.net, t.exec, t.set, options->resume, diag);
    if (st == RS_OK) {
        log_event(&t, (rs_train_event) { .kind = RS_TRAIN_BEGIN, .images = t.set->count });
        st = run(&t, diag);
    }
    tear_down(&t);
    return st;
}
