/* test-options: limit=240
 * The zoo's LeNet on the embedded digits: 200 iterations on 1,500 of them score well on the other 500; the trained
 * weights score 2,000 unseen digits as they should. */
#include "support/test.h"

#include <stdlib.h>
#include <string.h>

#include "support/score_files.h"

static const char ZOO[] = "model/zoo/lenet/";

static char *zoo(const char *name)
{
    const char *root = getenv("RISTRETTO_ROOT");
    char *path = rs_format("%s/%s%s", root != NULL ? root : ".", ZOO, name);
    assert_non_null(path);
    return path;
}

static void test_two_hundred_iterations(void **state)
{
    (void)state;
    rs_diag *diag = rs_diag_new();
    char *digits = zoo("digits"), *solver_path = zoo("lenet_solver.prototxt"), *net = zoo("lenet_train_test.prototxt");
    rs_dataset *set = NULL;
    rs_assert_ok(rs_dataset_open(digits, NULL, false, &set, diag), diag);
    assert_int_equal(set->count, 2000);
    const rs_dataset train = rs_dataset_slice(set, 0, 1500), rest = rs_dataset_slice(set, 1500, 500);
    rs_assert_ok(rs_dataset_write_idx(&train, rs_test_path("train-images-idx3-ubyte"),
                                      rs_test_path("train-labels-idx1-ubyte"), diag),
                 diag);
    rs_assert_ok(rs_dataset_write_idx(&rest, rs_test_path("t10k-images-idx3-ubyte"),
                                      rs_test_path("t10k-labels-idx1-ubyte"), diag),
                 diag);

    /* The zoo's net with its training data replaced. */
    char *text = rs_test_read(net, NULL), *source = strstr(text, "\"train-data.json\"");
    assert_non_null(source);
    memcpy(source, "\"mnist\"          ", strlen("\"train-data.json\""));
    const char *copy = rs_test_path("net.prototxt");
    rs_test_write(copy, text, strlen(text));
    free(text);

    rs_solver_param *solver = NULL;
    rs_assert_ok(rs_caffe_read_solver(solver_path, &solver, diag), diag);
    rs_free(solver->net_path);
    solver->net_path = rs_strdup(copy);
    const rs_train_options options = { .data_folder = rs_test_folder(),
                                       .snapshot_prefix = rs_test_path("lenet"),
                                       .max_iter = 200 };
    rs_train_result r;
    rs_assert_ok(rs_train(solver, &options, &r, diag), diag);
    print_message("200 iterations: %.1f %%, loss %.3f\n", 100.0 * r.accuracy, r.loss);
    assert_int_equal(r.iterations, 200);
    assert_true(r.accuracy >= 0.93);
    assert_true(r.loss < 0.2);
    rs_solver_param_free(solver);
    rs_dataset_free(set);
    rs_free(digits);
    rs_free(solver_path);
    rs_free(net);
    rs_diag_free(diag);
}

static void test_trained_weights(void **state)
{
    (void)state;
    rs_diag *diag = rs_diag_new();
    char *digits = zoo("digits"), *weights = zoo("lenet.caffemodel"), *net = zoo("lenet_train_test.prototxt");
    rs_dataset *set = NULL;
    rs_test_result r;
    rs_assert_ok(rs_dataset_open(digits, NULL, false, &set, diag), diag);
    rs_assert_ok(rs_test_score_files(net, weights, set, NULL, &r, diag), diag);
    print_message("%lld of %lld embedded digits, %lld ties, loss %.4f\n", (long long)r.hits, (long long)r.images,
                  (long long)r.ties, r.loss);
    assert_int_equal(r.images, 2000);
    assert_true(r.accuracy > 0.98 && r.accuracy < 1.0); /* all right would mean that the weights have seen them */
    rs_dataset_free(set);
    rs_free(digits);
    rs_free(weights);
    rs_free(net);
    rs_diag_free(diag);
}

/* MNIST's own test set, where the reference data is at hand: the number that the zoo's README states, and that of
 * weights which Caffe trained (in the old V1 form), known from another framework. */
static void test_mnist(void **state)
{
    (void)state;
    const char *shared = rs_test_shared_data(), *variant = getenv("RISTRETTO_VARIANT");
    if (variant != NULL && strcmp(variant, "asan") == 0) {
        print_message("20,000 images take too long with sanitizers; test_trained_weights runs the same code\n");
        skip();
    }
    if (shared == NULL)
        skip();
    rs_diag *diag = rs_diag_new();
    char *folder = rs_format("%s/mnist", shared), *net = zoo("lenet_train_test.prototxt");
    char *ours = zoo("lenet.caffemodel"), *caffe = rs_format("%s/caffe-v1/lenet_v1layers.caffemodel", shared);
    rs_dataset *set = NULL;
    rs_test_result r;
    rs_assert_ok(rs_dataset_open(folder, NULL, false, &set, diag), diag);
    rs_assert_ok(rs_test_score_files(net, ours, set, NULL, &r, diag), diag);
    assert_int_equal(r.images, 10000);
    assert_int_equal(r.hits, 9903);
    rs_assert_ok(rs_test_score_files(net, caffe, set, NULL, &r, diag), diag);
    assert_int_equal(r.hits, 9905);
    rs_dataset_free(set);
    rs_free(folder);
    rs_free(ours);
    rs_free(caffe);
    rs_free(net);
    rs_diag_free(diag);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_hundred_iterations),
        cmocka_unit_test(test_trained_weights),
        cmocka_unit_test(test_mnist),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
