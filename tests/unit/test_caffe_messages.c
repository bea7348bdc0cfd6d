/* What is said about wrong prototxt and solver files: tests/golden/caffe/NAME.prototxt is read, and every message
 * compared with NAME.expected. RISTRETTO_UPDATE=1 writes the expected files anew (then read what has changed). */
#include "support/test.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "import/caffe/caffe.h"

#define FOLDER "tests/golden/caffe/"

static int is_prototxt(const struct dirent *entry)
{
    const char *end = strrchr(entry->d_name, '.');
    return end != NULL && strcmp(end, ".prototxt") == 0;
}

/* Reads one file; the status, and the messages without the folder in them. */
static char *read_one(const char *name)
{
    rs_diag *diag = rs_diag_new();
    char path[512];
    snprintf(path, sizeof path, FOLDER "%s", name);
    rs_status st;
    if (strncmp(name, "solver-", 7) == 0) {
        rs_solver_param *solver = NULL;
        st = rs_caffe_read_solver(path, &solver, diag);
        assert_true((st == RS_OK) == (solver != NULL));
        rs_solver_param_free(solver);
    } else {
        rs_net *net = NULL;
        st = rs_caffe_read_net(path, RS_TEST, &net, diag);
        assert_true((st == RS_OK) == (net != NULL));
        if (st == RS_OK)
            st = rs_net_infer_shapes(net, NULL, diag);
        rs_net_free(net);
    }
    assert_int_equal(st, rs_diag_status(diag));
    char *messages = rs_test_messages(diag);
    rs_diag_free(diag);
    for (char *at; (at = strstr(messages, FOLDER)) != NULL;)
        memmove(at, at + strlen(FOLDER), strlen(at + strlen(FOLDER)) + 1);
    char *text = rs_format("%sstatus %d\n", messages, (int)st);
    free(messages);
    return text;
}

static void check_goldens(void **state)
{
    (void)state;
    struct dirent **entries;
    const int n = scandir(FOLDER, &entries, is_prototxt, alphasort);
    assert_true(n > 30);
    int wrong = 0, errors = 0;
    for (int i = 0; i < n; i++) {
        char *text = read_one(entries[i]->d_name);
        char path[512];
        snprintf(path, sizeof path, FOLDER "%.*s.expected", (int)(strlen(entries[i]->d_name) - 9), entries[i]->d_name);
        if (getenv("RISTRETTO_UPDATE") != NULL)
            rs_test_write(path, text, strlen(text));
        char *expected = rs_test_read(path, NULL);
        if (strcmp(text, expected) != 0) {
            wrong++;
            print_message("%s, expected:\n%sgot:\n%s", entries[i]->d_name, expected, text);
        }
        for (const char *at = text; (at = strstr(at, ": error: ")) != NULL; at++)
            errors++;
        free(expected);
        rs_free(text);
        free(entries[i]);
    }
    free(entries);
    print_message("# %d files, %d errors\n", n, errors);
    assert_int_equal(wrong, 0);
    assert_true(errors > 100);
}

static void check_missing_and_binary(void **state)
{
    (void)state;
    rs_diag *diag = rs_diag_new();
    rs_net *net = NULL;
    rs_solver_param *solver = NULL;
    rs_assert_error(rs_caffe_read_net(rs_test_path("none.prototxt"), RS_TEST, &net, diag), RS_BAD_INPUT, diag,
                    "cannot open: No such file or directory");
    rs_assert_error(rs_caffe_read_solver(rs_test_folder(), &solver, diag), RS_BAD_INPUT, diag, "cannot open");
    const char *path = rs_test_path("binary.prototxt");
    rs_test_write(path, "\n\5LeNet\0", 8);
    rs_assert_error(rs_caffe_read_net(path, RS_TEST, &net, diag), RS_BAD_INPUT, diag,
                    "this is a binary file, expected text (prototxt)");
    assert_null(net);
    assert_null(solver);
    rs_diag_free(diag);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_goldens),
        cmocka_unit_test(check_missing_and_binary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
