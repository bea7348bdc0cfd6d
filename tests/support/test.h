/* Included by every unit test, in place of cmocka.h (which wants four other headers before it). */
#ifndef RISTRETTO_TESTS_SUPPORT_TEST_H
#define RISTRETTO_TESTS_SUPPORT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/diag.h"

/* The seed of random tests: RISTRETTO_SEED, else a fixed one. Printed the first time, so that a failure can be run
 * again. */
uint64_t rs_test_seed(void);

/* A folder for the files of this program, removed when it ends; and "FOLDER/name", valid until then. */
const char *rs_test_folder(void);
const char *rs_test_path(const char *name);

/* Writes or reads a small file; a failure fails the test. rs_test_read gives a string that free() releases. */
void rs_test_write(const char *path, const void *data, size_t size);
char *rs_test_read(const char *path, size_t *size /* or NULL */);
/* Number of entries in a folder, "." and ".." left out. */
size_t rs_test_count_files(const char *folder);

/* What rs_diag_print writes, as a string that free() releases. The messages are forgotten. */
char *rs_test_messages(rs_diag *diag);

/* The folder of the reference data that lies outside the project, or NULL if it is not there: then print why and
 * skip(). */
const char *rs_test_shared_data(void);

/* Fails the test if `status` is not RS_OK, after printing the messages of `diag`. */
#define rs_assert_ok(status, diag) rs_test_assert_ok((status), (diag), __FILE__, __LINE__)
void rs_test_assert_ok(rs_status status, rs_diag *diag, const char *file, int line);

/* Fails unless `status` is `expected`, and one message of `diag` contains `part`. Forgets the messages. */
#define rs_assert_error(status, expected, diag, part) \
    rs_test_assert_error((status), (expected), (diag), (part), __FILE__, __LINE__)
void rs_test_assert_error(rs_status status, rs_status expected, rs_diag *diag, const char *part, const char *file,
                          int line);

#endif
