/* What is fed with hostile bytes: one target for each format that a user may have downloaded. A target reads the bytes
 * as a file of its format and throws away what comes out; the sanitizers judge. tests/fuzz/fuzz.c gives it to
 * libFuzzer, tests/unit/test_fuzz_corpus.c replays the corpus. */
#ifndef RISTRETTO_TESTS_SUPPORT_FUZZ_TARGETS_H
#define RISTRETTO_TESTS_SUPPORT_FUZZ_TARGETS_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef struct rs_fuzz_target {
    const char *name; /* of the folder in tests/fuzz/corpus/ and of NAME.dict */
    rs_status (*run)(const char *path, const uint8_t *data, size_t size); /* path: a file that holds the bytes */
} rs_fuzz_target;

/* Ends with a NULL name. */
extern const rs_fuzz_target rs_fuzz_targets[];

/* Runs a target on bytes; files that it needs lie in memory. */
rs_status rs_fuzz_run(const rs_fuzz_target *target, const uint8_t *data, size_t size);

#endif
