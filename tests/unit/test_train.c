/* test-options: limit=240
 * Training: the same weights on any number of threads and across a resumed run, snapshots, interrupts, iter_size,
 * clipping, tests, and messages about what cannot be trained. */
#include "support/test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/faults.h"
#include "base/file.h"
#include "base/progress.h"
#include "base/rng.h"
#include "base/threads.h"
#include "import/caffe/caffe.h"
#include "layers/exec.h"
#include "support/corners.h"
#include "support/score_files.h"
#include "train/train.h"

enum { IMAGES = 150, TEST_IMAGES = 40 };

static const char SOLVER[] =
    "net: '%s'\nbase_lr: 0.05 lr_policy: 'inv' gamma: 0.001 power: 0.75 momentum: 0.9 weight_decay: 0.001\n"
    "max_iter: 60 test_iter: 5 test_interval: 20 display: 10 average_loss: 5 random_seed: 7\n"
    "snapshot_prefix: '%s' %s\n";

static const char *folder;
static char *net_path;

static int set_up(void **state)
{
    (void)state;
    folder = rs_test_folder();
    rs_test_corners("train", IMAGES, 100);
    rs_test_corners("t10k", TEST_IMAGES, 200);
    char *text = rs_format(rs_test_corners_net, folder, folder);
    assert_non_null(text);
    net_path = rs_strdup(rs_test_path("net.prototxt"));
    assert_non_null(net_path);
    rs_test_write(net_path, text, strlen(text));
    rs_free(text);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rs_free(net_path);
    return 0;
}

static rs_solver_param *solver(const char *prefix, const char *more, rs_diag *diag)
{
    char *text = rs_format(SOLVER, net_path, rs_test_path(prefix), more);
    assert_non_null(text);
    const char *path = rs_test_path("solver.prototxt");
    rs_test_write(path, text, strlen(text));
    rs_free(text);
    rs_solver_param *s = NULL;
    rs_assert_ok(rs_caffe_read_solver(path, &s, diag), diag);
    return s;
}

static rs_train_result train(const char *prefix, const char *more, const rs_train_options *options)
{
    rs_diag *diag = rs_diag_new();
    rs_solver_param *s = solver(prefix, more, diag);
    rs_train_result r;
    rs_assert_ok(rs_train(s, options, &r, diag), diag);
    rs_solver_param_free(s);
    rs_diag_free(diag);
    return r;
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

static bool files_differ(const char *a, const char *b)
{
    size_t n, m;
    char *x = rs_test_read(a, &n), *y = rs_test_read(b, &m);
    const bool differ = n != m || memcmp(x, y, n) != 0;
    free(x);
    free(y);
    return differ;
}

typedef struct event_log {
    int count[RS_TRAIN_INTERRUPTED + 1];
    int64_t stop_at; /* acts as if a signal came at the display of this iteration */
    double first_loss, last_loss;
} event_log;

static void on_event(void *context, const rs_train_event *e)
{
    event_log *l = context;
    l->count[e->kind]++;
    if (e->kind == RS_TRAIN_DISPLAY) {
        if (l->count[e->kind] == 1)
            l->first_loss = e->loss;
        l->last_loss = e->loss;
        if (l->stop_at > 0 && e->iteration == l->stop_at)
            rs_set_interrupted(true);
    }
}

static void test_threads(void **state)
{
    (void)state;
    event_log log = { 0 };
    const rs_train_options o = { .log = on_event, .log_context = &log };
    rs_set_threads(1);
    const rs_train_result one = train("one", "", &o);
    rs_set_threads(2);
    const rs_train_result two = train("two", "", &o);
    rs_set_threads(3);
    const rs_train_result three = train("three", "", &o);
    rs_set_threads(0);
    assert_int_equal(one.iterations, 60);
    assert_int_equal(one.images, 600);
    assert_true(one.accuracy > 0.8);
    assert_true(one.accuracy == two.accuracy && one.loss == two.loss && one.test_loss == two.test_loss);
    same_file(one.weights_path, two.weights_path);
    same_file(one.weights_path, three.weights_path);
    /* 60 iterations: displayed at 0, 10, ... 50; tested at 0, 20, 40 and 60. */
    assert_int_equal(log.count[RS_TRAIN_BEGIN], 3);
    assert_int_equal(log.count[RS_TRAIN_DISPLAY], 3 * 6);
    assert_int_equal(log.count[RS_TRAIN_TEST], 3 * 4);
    assert_int_equal(log.count[RS_TRAIN_SNAPSHOT], 3);
    assert_true(log.last_loss < 0.7 * log.first_loss);
}

static void test_seed(void **state)
{
    (void)state;
    const rs_train_options none = { 0 };
    const rs_train_result a = train("seed", "", &none);
    rs_diag *diag = rs_diag_new();
    rs_solver_param *s = solver("other", "", diag);
    s->random_seed = -1;
    const rs_train_options seven = { .seed = 7, .snapshot_prefix = rs_test_path("seven") };
    rs_train_result r;
    rs_assert_ok(rs_train(s, &seven, &r, diag), diag);
    same_file(r.weights_path, a.weights_path); /* the seed of the file or of the options: the same */
    const rs_train_options eight = { .seed = 8 };
    rs_assert_ok(rs_train(s, &eight, &r, diag), diag);
    assert_true(files_differ(r.weights_path, a.weights_path));
    rs_solver_param_free(s);
    rs_diag_free(diag);
}

static void check_resume(const char *name, const char *more)
{
    char whole_name[64], part_name[64];
    snprintf(whole_name, sizeof whole_name, "whole-%s", name);
    snprintf(part_name, sizeof part_name, "part-%s", name);
    const rs_train_options none = { 0 };
    const rs_train_result whole = train(whole_name, more, &none);
    const rs_train_options short_run = { .max_iter = 33 };
    const rs_train_result part = train(part_name, more, &short_run);
    assert_int_equal(part.iterations, 33);
    assert_true(strstr(part.state_path, "_iter_33.solverstate") != NULL);
    const rs_train_options rest = { .resume = part.state_path };
    const rs_train_result resumed = train(part_name, more, &rest);
    assert_int_equal(resumed.iterations, 27);
    same_file(whole.weights_path, resumed.weights_path);
    assert_true(resumed.accuracy == whole.accuracy && resumed.test_loss == whole.test_loss);
}

static void test_resume(void **state)
{
    (void)state;
    check_resume("sgd", "");
    check_resume("nesterov", "type: 'Nesterov'");
    check_resume("adam", "type: 'Adam' momentum2: 0.99 delta: 0.00001 clip_gradients: 0.5");
    check_resume("adadelta", "type: 'AdaDelta' delta: 0.00001");
    check_resume("several", "iter_size: 2 clip_gradients: 1 regularization_type: 'L1'");
}

/* A moved folder: the state's weights are found beside it. */
static void test_resume_elsewhere(void **state)
{
    (void)state;
    const rs_train_options short_run = { .max_iter = 20 }, none = { 0 };
    const rs_train_result whole = train("stay", "", &none);
    const rs_train_result part = train("move", "", &short_run);
    rs_assert_ok(rs_make_folder(rs_test_path("moved"), NULL), NULL);
    const char *weights = rs_test_path("moved/move_iter_20.caffemodel"),
               *moved = rs_test_path("moved/move_iter_20.solverstate");
    assert_int_equal(rename(part.weights_path, weights), 0);
    assert_int_equal(rename(part.state_path, moved), 0);
    char *state_path = rs_strdup(moved);
    assert_non_null(state_path);
    const rs_train_options rest = { .resume = state_path };
    const rs_train_result resumed = train("moved-on", "", &rest);
    rs_free(state_path);
    same_file(whole.weights_path, resumed.weights_path);
}

static void test_interrupt(void **state)
{
    (void)state;
    rs_diag *diag = rs_diag_new();
    rs_solver_param *s = solver("interrupted", "", diag);
    event_log log = { .stop_at = 30 };
    const rs_train_options o = { .log = on_event, .log_context = &log };
    rs_train_result r;
    assert_int_equal(rs_train(s, &o, &r, diag), RS_INTERRUPTED);
    rs_set_interrupted(false);
    assert_int_equal(rs_diag_errors(diag), 0);
    assert_int_equal(r.iterations, 31); /* the iteration that the signal hit is finished */
    assert_int_equal(log.count[RS_TRAIN_INTERRUPTED], 1);
    assert_true(strstr(r.state_path, "interrupted_iter_31.solverstate") != NULL);
    const rs_train_options rest = { .resume = r.state_path };
    rs_train_result resumed;
    rs_assert_ok(rs_train(s, &rest, &resumed, diag), diag);
    rs_solver_param_free(s);
    rs_diag_free(diag);
    const rs_train_options none = { 0 };
    const rs_train_result whole = train("not-interrupted", "", &none);
    same_file(whole.weights_path, resumed.weights_path);
}

/* Two batches of five are one batch of ten: the same gradient but for rounding. */
static void test_iter_size(void **state)
{
    (void)state;
    char *text = rs_test_read(net_path, NULL);
    char *ten = strstr(text, "batch_size: 10");
    assert_non_null(ten);
    memcpy(ten, "batch_size: 5 ", 14);
    char *drop = strstr(text, "dropout_ratio: 0.1");
    assert_non_null(drop);
    memcpy(drop, "dropout_ratio: 0.0", 18); /* what is dropped depends on the place in the batch */
    char *half = rs_strdup(rs_test_path("half.prototxt")), *whole = rs_strdup(rs_test_path("whole.prototxt"));
    assert_non_null(half);
    assert_non_null(whole);
    rs_test_write(half, text, strlen(text));
    memcpy(ten, "batch_size: 10", 14);
    rs_test_write(whole, text, strlen(text));
    free(text);
    rs_diag *diag = rs_diag_new();
    rs_train_result r[2];
    for (int i = 0; i < 2; i++) {
        rs_solver_param *s = solver(i == 0 ? "iter-one" : "iter-two", i == 0 ? "" : "iter_size: 2", diag);
        rs_free(s->net_path);
        s->net_path = rs_strdup(i == 0 ? whole : half);
        const rs_train_options o = { .max_iter = 5 };
        rs_assert_ok(rs_train(s, &o, &r[i], diag), diag);
        assert_int_equal(r[i].images, 50);
        rs_solver_param_free(s);
    }
    assert_true(fabs(r[0].loss - r[1].loss) < 1e-4 * r[0].loss);
    assert_true(fabs(r[0].test_loss - r[1].test_loss) < 1e-4 * r[0].test_loss);
    rs_free(half);
    rs_free(whole);
    rs_diag_free(diag);
}

static void count_images(void *context, const rs_train_event *e)
{
    if (e->kind == RS_TRAIN_BEGIN)
        *(int64_t *)context = e->images;
}

/* A folder on the command line takes the place of the sources, but what a description leaves out stays left out. */
static void test_data_folder(void **state)
{
    (void)state;
    size_t size;
    char *images = rs_test_read(rs_test_path("train-images-idx3-ubyte"), &size);
    const unsigned long crc = crc32(0, (const unsigned char *)images + 16, (uInt)(size - 16));
    free(images);
    char *list = rs_format("images %d crc32 %08lx\n3\n7\n100\n", IMAGES, crc);
    static const char description[] = "{\"source\": \"nowhere\", \"exclude\": \"list.txt\"}\n";
    assert_non_null(list);
    rs_test_write(rs_test_path("list.txt"), list, strlen(list));
    rs_test_write(rs_test_path("less.json"), description, strlen(description));
    rs_free(list);
    static const char *const sources[] = { "less.json", "/an/lmdb" };
    static const int64_t expected[] = { IMAGES - 3, IMAGES };
    for (int i = 0; i < 2; i++) {
        char *text = rs_format(rs_test_corners_net, sources[i], "/an/lmdb");
        assert_non_null(text);
        char *path = rs_strdup(rs_test_path("elsewhere.prototxt"));
        assert_non_null(path);
        rs_test_write(path, text, strlen(text));
        rs_free(text);
        rs_diag *diag = rs_diag_new();
        rs_solver_param *s = solver("elsewhere", "", diag);
        rs_free(s->net_path);
        s->net_path = path;
        int64_t trained_on = 0;
        const rs_train_options o = {
            .data_folder = folder, .max_iter = 1, .log = count_images, .log_context = &trained_on
        };
        rs_train_result r;
        rs_assert_ok(rs_train(s, &o, &r, diag), diag);
        assert_int_equal(trained_on, expected[i]);
        rs_solver_param_free(s);
        rs_diag_free(diag);
    }
}

static void fails(const char *more, const rs_train_options *options, rs_status status, const char *message)
{
    rs_diag *diag = rs_diag_new();
    rs_solver_param *s = solver("failing", more, diag);
    rs_train_result r;
    rs_assert_error(rs_train(s, options, &r, diag), status, diag, message);
    assert_string_equal(r.weights_path, "");
    rs_solver_param_free(s);
    rs_diag_free(diag);
}

static void test_errors(void **state)
{
    (void)state;
    const rs_train_options none = { 0 };
    rs_diag *diag = rs_diag_new();
    rs_solver_param *s = solver("failing", "", diag);
    s->base_lr = 1e18;
    rs_train_result r;
    rs_assert_error(rs_train(s, &none, &r, diag), RS_BAD_INPUT, diag, "the training diverged: the loss of iteration");
    assert_string_equal(r.weights_path, "");
    s->base_lr = 0.01;
    s->max_iter = 0;
    rs_assert_error(rs_train(s, &none, &r, diag), RS_BAD_INPUT, diag, "max_iter is 0");
    rs_solver_param_free(s);
    rs_diag_free(diag);

    const rs_train_options missing_folder = { .data_folder = "/no/such/folder" };
    fails("", &missing_folder, RS_BAD_INPUT, "/no/such/folder");
    const rs_train_options both = { .weights = "a.caffemodel", .resume = "a.solverstate" };
    fails("", &both, RS_USAGE, "both weights to start from and a solverstate");
    const rs_train_options missing_state = { .resume = "/no/such.solverstate" };
    fails("", &missing_state, RS_BAD_INPUT, "/no/such.solverstate");

    /* A snapshot of another solver. */
    const rs_train_options short_run = { .max_iter = 2 };
    const rs_train_result sgd = train("sgd", "", &short_run);
    const rs_train_options rest = { .resume = sgd.state_path };
    fails("type: 'Adam'", &rest, RS_BAD_INPUT,
          "the snapshot holds 6 histories, but this net and solver (Adam) have 12");
}

/* Each allocation in turn fails: out of memory, no leak (the sanitizers' build sees it), no snapshot half written. */
static void test_memory(void **state)
{
    (void)state;
    rs_diag *diag = rs_diag_new();
    rs_solver_param *s = solver("memory", "iter_size: 2 clip_gradients: 1 type: 'Adam' delta: 0.00001", diag);
    const rs_train_options o = { .max_iter = 1 };
    rs_train_result r;
    uint64_t n = 1;
    for (;; n++) {
        (void)remove(rs_test_path("memory_iter_1.solverstate"));
        rs_fault_arm(RS_FAULT_ALLOC, n);
        const rs_status st = rs_train(s, &o, &r, diag);
        const uint64_t count = rs_fault_count(RS_FAULT_ALLOC);
        rs_fault_arm(RS_FAULT_ALLOC, 0);
        if (st == RS_OK) {
            if (count < n)
                break;
            continue; /* what is for show may fail without harm */
        }
        rs_assert_error(st, RS_RESOURCE, diag, "memory");
        /* The test behind the last iteration may fail: the snapshot is there by then, and is said to be. */
        assert_int_equal(r.state_path[0] != '\0', rs_file_exists(rs_test_path("memory_iter_1.solverstate")));
    }
    print_message("%llu allocations\n", (unsigned long long)n - 1);
    assert_true(n > 200);
    assert_true(rs_file_exists(rs_test_path("memory_iter_1.solverstate")));
    rs_solver_param_free(s);
    rs_diag_free(diag);
}

static void test_scores(void **state)
{
    (void)state;
    const rs_train_options none = { 0 };
    const rs_train_result trained = train("scored", "", &none);
    rs_diag *diag = rs_diag_new();
    rs_dataset *set = NULL;
    rs_assert_ok(rs_dataset_open(folder, NULL, false, &set, diag), diag);
    rs_test_result r, again;
    rs_assert_ok(rs_test_score_files(net_path, trained.weights_path, set, NULL, &r, diag), diag);
    assert_int_equal(r.images, TEST_IMAGES);
    assert_int_equal(r.top_k, 1);
    assert_true(r.accuracy == (double)r.hits / TEST_IMAGES);
    assert_true(r.accuracy == trained.accuracy &&
                fabs(r.loss - trained.test_loss) < 1e-6); /* 5 batches of 8 are all of them */
    for (int64_t batch = 1; batch < 50; batch += 13) {
        const rs_test_options o = { .batch = batch };
        rs_assert_ok(rs_test_score_files(net_path, trained.weights_path, set, &o, &again, diag), diag);
        assert_true(again.hits == r.hits && again.ties == r.ties && fabs(again.loss - r.loss) < 1e-6);
    }
    const rs_test_options all = { .top_k = RS_CORNERS_CLASSES, .images = 17 };
    rs_assert_ok(rs_test_score_files(net_path, trained.weights_path, set, &all, &again, diag), diag);
    assert_int_equal(again.hits, 17);
    const rs_test_options many = { .top_k = RS_CORNERS_CLASSES + 1 };
    rs_assert_error(rs_test_score_files(net_path, trained.weights_path, set, &many, &again, diag), RS_USAGE, diag,
                    "top 5 of 4 classes");
    rs_assert_error(rs_test_score_files(net_path, "/no/such.caffemodel", set, NULL, &again, diag), RS_BAD_INPUT, diag,
                    "/no/such.caffemodel");
    rs_dataset_free(set);
    rs_diag_free(diag);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads),          cmocka_unit_test(test_seed),      cmocka_unit_test(test_resume),
        cmocka_unit_test(test_resume_elsewhere), cmocka_unit_test(test_interrupt), cmocka_unit_test(test_iter_size),
        cmocka_unit_test(test_data_folder),      cmocka_unit_test(test_errors),    cmocka_unit_test(test_memory),
        cmocka_unit_test(test_scores),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
