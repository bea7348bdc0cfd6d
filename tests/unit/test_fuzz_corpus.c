/* Replays tests/fuzz/corpus: every seed, every input that once did harm, and all of them with a few bytes changed or
 * cut off. Nothing may crash, leak or ask for far more memory than the file holds; the sanitizers' build judges the
 * former, this program the latter. Seeds called ok-* are whole files and must be read. */
#include "support/test.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/memory.h"
#include "base/rng.h"
#include "support/fuzz_targets.h"

#define CORPUS "tests/fuzz/corpus/"
enum { MOST_BYTES = 1 << 16 }; /* of a file that is damaged */

/* Some damage to one file, from the seed: nothing but an error may come of it. */
static int damage(const rs_fuzz_target *target, const char *path, const uint8_t *data, size_t size)
{
    enum { TIMES = 100, MOST_CHANGES = 4 };
    rs_rng rng = { .seed = rs_test_seed(), .stream = size };
    uint8_t *copy = malloc(size);
    assert_non_null(copy);
    for (int i = 0; i < TIMES; i++) {
        memcpy(copy, data, size);
        const size_t n = i % 8 == 0 ? (size_t)(rs_rng_next(&rng) % size) : size;
        for (int k = 0; n > 0 && k <= i % MOST_CHANGES; k++) {
            const uint64_t draw = rs_rng_next(&rng);
            copy[(size_t)(draw >> 16) % n] = draw & 1 ? (uint8_t)(draw >> 1) : draw & 2 ? 0xff : 0;
        }
        const rs_status st = rs_fuzz_run(target, copy, n);
        if (st != RS_OK && st != RS_BAD_INPUT && st != RS_RESOURCE)
            fail_msg("%s, damage %d: status %d, expected 0, 3 or 4", path, i, (int)st);
    }
    free(copy);
    return TIMES;
}

static void replay(void **state)
{
    const rs_fuzz_target *target = *state;
    char folder[256];
    snprintf(folder, sizeof folder, CORPUS "%s", target->name);
    DIR *d = opendir(folder);
    if (d == NULL)
        fail_msg("%s is not there", folder);
    int files = 0, whole = 0, damaged = 0;
    for (struct dirent *entry; (entry = readdir(d)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        char path[1024];
        size_t size = 0;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        char *data = rs_test_read(path, &size);
        const rs_status st = rs_fuzz_run(target, (const uint8_t *)data, size);
        const bool is_ok = strncmp(entry->d_name, "ok-", 3) == 0;
        if (st != RS_OK && st != RS_BAD_INPUT)
            fail_msg("%s: status %d, expected 0 or 3", path, (int)st);
        if (is_ok && st != RS_OK)
            fail_msg("%s: status %d, expected 0", path, (int)st);
        whole += is_ok;
        if (size > 0 && size < MOST_BYTES)
            damaged += damage(target, path, (const uint8_t *)data, size);
        files++;
        free(data);
    }
    closedir(d);
    print_message("%s: %d files, %d of them whole, %d damaged\n", target->name, files, whole, damaged);
    assert_true(files > 0);
    struct rusage usage;
    assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
    assert_true(usage.ru_maxrss < 1L << 20); /* KiB: 1 GiB, sanitizers included */
}

int main(void)
{
    enum { MOST = 64 };
    static struct CMUnitTest tests[MOST];
    size_t n = 0;
    for (const rs_fuzz_target *t = rs_fuzz_targets; t->name != NULL && n < MOST; t++)
        tests[n++] = (struct CMUnitTest) { t->name, replay, NULL, NULL, (void *)(uintptr_t)t };
    return _cmocka_run_group_tests("fuzz corpus", tests, n, NULL, NULL);
}
