/* test-options: limit=240
 * Fine-tuning: the same bits on any number of threads and across a resumed run, what rounding, straight-through
 * gradients and learned steps do, the best weights kept, messages about what cannot be done. */
#include "support/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/progress.h"
#include "base/threads.h"
#include "import/caffe/caffe.h"
#include "engine/engine.h"
#include "finetune/finetune.h"
#include "support/corners.h"
#include "emulate/score.h"

enum { IMAGES = 200, VALIDATION = 40 };

static const char SOLVER[] =
    "net: '%s'\nbase_lr: 0.05 lr_policy: 'fixed' momentum: 0.9 max_iter: 60 test_iter: 5 test_interval: 1000\n"
    "average_loss: 5 random_seed: 7 snapshot_prefix: '%s'\n";

static const char *folder;
static rs_solver_param *solver;
static char *weights; /* trained in float */

static int set_up(void **state)
{
    (void)state;
    folder = rs_test_folder();
    rs_test_corners("train", IMAGES, 300);
    rs_test_corners("t10k", IMAGES, 400);
    char *net = rs_format(rs_test_corners_net, folder, folder), *path = rs_strdup(rs_test_path("net.prototxt"));
    char *text = rs_format(SOLVER, path, rs_test_path("float"));
    assert_non_null(net);
    assert_non_null(path);
    assert_non_null(text);
    rs_test_write(path, net, strlen(net));
    rs_test_write(rs_test_path("solver.prototxt"), text, strlen(text));
    rs_diag *diag = rs_diag_new();
    rs_assert_ok(rs_caffe_read_solver(rs_test_path("solver.prototxt"), &solver, diag), diag);
    const rs_train_options options = { 0 };
    rs_train_result r;
    rs_assert_ok(rs_train(solver, &options, &r, diag), diag);
    weights = rs_strdup(r.weights_path);
    assert_non_null(weights);
    rs_diag_free(diag);
    rs_free(net);
    rs_free(path);
    rs_free(text);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rs_solver_param_free(solver);
    rs_free(weights);
    return 0;
}

static rs_finetune_options options_for(const char *out, int bits)
{
    rs_finetune_options o;
    rs_finetune_defaults(&o);
    o.weights = weights;
    o.out = rs_test_path(out);
    o.iterations = 30;
    o.validate_every = 10;
    o.validation_images = VALIDATION;
    o.learning_rate = 0.002;
    for (int g = 0; g < RS_GROUPS; g++)
        o.bits[g] = bits;
    return o;
}

static rs_finetune_result *tune(const rs_finetune_options *o)
{
    rs_diag *diag = rs_diag_new();
    rs_finetune_result *r = NULL;
    rs_assert_ok(rs_finetune(solver, o, &r, diag), diag);
    rs_diag_free(diag);
    return r;
}

static void same_integers(const rs_qnet *a, const rs_qnet *b)
{
    assert_int_equal(a->n_ops, b->n_ops);
    int64_t compared = 0;
    for (int i = 0; i < a->n_ops; i++) {
        assert_int_equal(a->tensors[i].format.fl, b->tensors[i].format.fl);
        if (!rs_qop_weighted(&a->ops[i]))
            continue;
        const int64_t out = a->tensors[a->ops[i].output].channels, n = out * rs_qop_terms(a, &a->ops[i]);
        assert_int_equal(a->ops[i].weight_format.fl, b->ops[i].weight_format.fl);
        assert_memory_equal(a->ops[i].weights, b->ops[i].weights, (size_t)n * sizeof(int32_t));
        assert_memory_equal(a->ops[i].bias, b->ops[i].bias, (size_t)out * sizeof(int64_t));
        compared += n;
    }
    assert_true(compared > 500);
}

static void same_file(const char *a, const char *b)
{
    size_t n, m;
    char *x = rs_test_read(a, &n), *y = rs_test_read(b, &m);
    assert_true(n > 1000);
    assert_int_equal(n, m);
    assert_memory_equal(x, y, n);
    free(x);
    free(y);
}

/* The ways to tune; each is tested for threads and resuming. */
static void vary(rs_finetune_options *o, int way)
{
    o->quantized_activations = way >= 1;
    o->weight_rounding = way == 2 ? RS_ROUND_NEAREST : RS_ROUND_STOCHASTIC;
    o->learn_steps = way >= 2;
    o->step_rate = 0.1;
    o->gradual_bits = way == 3 ? 3 : 0;
    o->linear_decay = way == 1;
    o->rules.scheme = way == 4 ? RS_SCHEME_POWER2 : way == 6 ? RS_SCHEME_MINIFLOAT : RS_SCHEME_DYNAMIC;
    o->rules.power2_by_layer = way == 4;
    o->channel_weights = way == 5;
    o->unsigned_activations = way >= 3;
    o->wide_scores = way == 4;
    o->rules.activation_range = way == 5 ? RS_RANGE_SQUARED_ERROR : RS_RANGE_MAX;
    o->keep_last = way == 5;
    if (way != 6)
        return;
    o->rounding = RS_ROUND_NEAREST_EVEN;
    o->learn_steps = o->unsigned_activations = false;
    for (int g = 0; g < RS_GROUPS; g++)
        o->bits[g] = 6;
}

static void test_threads_and_resume(void **state)
{
    (void)state;
    for (int way = 0; way < 7; way++) {
        char *one_path = rs_strdup(rs_test_path("one")), *two_path = rs_strdup(rs_test_path("two"));
        rs_finetune_options o = options_for("one", 4);
        vary(&o, way);
        o.out = one_path;
        o.snapshot_every = 13;
        rs_set_threads(1);
        rs_finetune_result *one = tune(&o);
        o.out = two_path;
        rs_set_threads(3);
        rs_finetune_result *two = tune(&o);
        rs_set_threads(0);
        assert_int_equal(one->iterations, 30);
        assert_int_equal(one->validation_images, VALIDATION);
        same_file(rs_test_path("one/finetune_iter_30.caffemodel"), rs_test_path("two/finetune_iter_30.caffemodel"));
        same_integers(one->qnet, two->qnet);
        /* From the middle, with an older best file in the way. */
        o.weights = NULL;
        o.resume = rs_test_path("one/finetune_iter_13.solverstate");
        o.out = two_path;
        rs_finetune_result *rest = tune(&o);
        assert_int_equal(rest->iterations, 17);
        same_file(rs_test_path("one/finetune_iter_30.caffemodel"), rs_test_path("two/finetune_iter_30.caffemodel"));
        same_file(rs_test_path("one/finetune_iter_30.json"), rs_test_path("two/finetune_iter_30.json"));
        assert_int_equal(rest->best_iteration, one->best_iteration);
        assert_int_equal(rest->best_hits, one->best_hits);
        assert_int_equal(rest->first_hits, one->first_hits);
        same_integers(one->qnet, rest->qnet);
        rs_finetune_result_free(one);
        rs_finetune_result_free(two);
        rs_finetune_result_free(rest);
        rs_free(one_path);
        rs_free(two_path);
    }
}

static void on_event(void *context, const rs_finetune_event *e)
{
    int64_t *stop_at = context;
    if (e->kind == RS_FINETUNE_VALIDATE)
        assert_true(e->best_hits >= e->hits || e->bits[0] > 3);
    if (e->kind == RS_FINETUNE_VALIDATE && e->iteration == *stop_at)
        rs_set_interrupted(true);
}

/* The result is the best one seen, its integers give its hits, and what was written is what was returned. */
static void test_best(void **state)
{
    (void)state;
    rs_finetune_options o = options_for("best", 3);
    int64_t never = -1;
    o.quantized_activations = true;
    o.iterations = 60;
    o.refine_images = VALIDATION;
    o.log = on_event;
    o.log_context = &never;
    rs_finetune_result *r = tune(&o);
    assert_true(r->best_hits >= r->first_hits);
    rs_diag *diag = rs_diag_new();
    rs_dataset *set = NULL;
    rs_assert_ok(rs_dataset_open(folder, NULL, true, &set, diag), diag);
    const rs_dataset held_out = rs_dataset_slice(set, IMAGES - VALIDATION, VALIDATION);
    rs_engine *engine = NULL;
    rs_score score = { .saturations = NULL };
    rs_assert_ok(rs_engine_new(r->qnet, false, &engine, diag), diag);
    rs_assert_ok(rs_engine_score(engine, &held_out, 1, &score, diag), diag);
    assert_int_equal(score.hits, r->best_hits);
    assert_int_equal(score.ties, r->best_ties);
    rs_engine_free(engine);
    rs_assert_ok(rs_engine_new(r->first_qnet, false, &engine, diag), diag);
    rs_assert_ok(rs_engine_score(engine, &held_out, 1, &score, diag), diag);
    assert_int_equal(score.hits, r->first_hits);
    rs_engine_free(engine);
    rs_dataset_free(set);
    rs_finetune_result_free(r);
    rs_diag_free(diag);
}

/* Ctrl-C: a snapshot, from which the run goes on to the same weights. */
static void test_interrupt(void **state)
{
    (void)state;
    char *whole_path = rs_strdup(rs_test_path("whole"));
    rs_finetune_options o = options_for("cut", 4);
    int64_t stop_at = 20;
    o.log = on_event;
    o.log_context = &stop_at;
    rs_diag *diag = rs_diag_new();
    rs_finetune_result *r = NULL;
    assert_int_equal(rs_finetune(solver, &o, &r, diag), RS_INTERRUPTED);
    rs_set_interrupted(false);
    assert_null(r);
    char *cut = rs_strdup(rs_test_path("cut/finetune_iter_20.solverstate"));
    o.log = NULL;
    o.weights = NULL;
    o.resume = cut;
    rs_finetune_result *rest = tune(&o);
    o = options_for("whole", 4);
    o.out = whole_path;
    rs_finetune_result *whole = tune(&o);
    same_integers(whole->qnet, rest->qnet);
    same_file(rs_test_path("cut/finetune_iter_30.caffemodel"), rs_test_path("whole/finetune_iter_30.caffemodel"));
    /* Other options are refused. */
    o.weights = NULL;
    o.resume = cut;
    o.bits[0] = 5;
    rs_assert_error(rs_finetune(solver, &o, &r, diag), RS_BAD_INPUT, diag, "but those of the snapshot");
    rs_finetune_result_free(rest);
    rs_finetune_result_free(whole);
    rs_free(cut);
    rs_free(whole_path);
    rs_diag_free(diag);
}

static void test_messages(void **state)
{
    (void)state;
    rs_diag *diag = rs_diag_new();
    rs_finetune_result *r = NULL;
    rs_finetune_options o = options_for("bad", 0);
    rs_assert_error(rs_finetune(solver, &o, &r, diag), RS_USAGE, diag, "no group has a width");
    o.bits[RS_GROUP_CONVOLUTION] = 4;
    o.quantized_activations = true;
    rs_assert_error(rs_finetune(solver, &o, &r, diag), RS_USAGE, diag, "need a width of activations");
    o = options_for("bad", 17);
    rs_assert_error(rs_finetune(solver, &o, &r, diag), RS_USAGE, diag, "17 bits");
    o = options_for("bad", 4);
    o.rules.scheme = RS_SCHEME_STATIC;
    rs_assert_error(rs_finetune(solver, &o, &r, diag), RS_USAGE, diag, "static fixed point cannot be fine-tuned");
    o.rules.scheme = RS_SCHEME_MINIFLOAT;
    rs_assert_error(rs_finetune(solver, &o, &r, diag), RS_USAGE, diag,
                    "4 bits for the group convolution, expected 5 to");
    o.gradual_bits = 1;
    rs_assert_error(rs_finetune(solver, &o, &r, diag), RS_USAGE, diag, "minifloats have no fractional lengths");
    o = options_for("bad", 4);
    o.validation_images = IMAGES;
    rs_assert_error(rs_finetune(solver, &o, &r, diag), RS_USAGE, diag, "held out of training");
    o.validation = folder;
    o.validation_first = IMAGES - 5;
    rs_assert_error(rs_finetune(solver, &o, &r, diag), RS_USAGE, diag, "are not there");
    o = options_for("bad", 4);
    o.resume = o.weights;
    rs_assert_error(rs_finetune(solver, &o, &r, diag), RS_USAGE, diag, "either weights");
    o.weights = NULL;
    o.resume = rs_test_path("nothing.solverstate");
    rs_assert_error(rs_finetune(solver, &o, &r, diag), RS_BAD_INPUT, diag, "nothing.solverstate");
    assert_null(r);
    rs_diag_free(diag);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads_and_resume),
        cmocka_unit_test(test_best),
        cmocka_unit_test(test_interrupt),
        cmocka_unit_test(test_messages),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
