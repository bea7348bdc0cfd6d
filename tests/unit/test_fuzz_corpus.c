/* Replays tests/fuzz/corpus: every seed, and every input that once did harm. Nothing may crash, leak or ask for far more memory than the
 * file holds; the sanitizers' build judges the former, this program the latter. Seeds called ok-* are whole files and must be read. */
#include "support/test.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/memory.h"
#include "support/fuzz_targets.h"

#define CORPUS "tests/fuzz/corpus/"

static void replay(void **state)
{
    const rs_fuzz_target *target = *state;
    char folder[256];
    snprintf(folder, sizeof folder, CORPUS "%s", target->name);
    DIR *d = opendir(folder);
    if (d == NULL)
        fail_msg("%s is not there", folder);
    int files = 0, whole = 0;
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
        files++;
        free(data);
    }
    closedir(d);
    print_message("%s: %d files, %d of them whole\n", target->name, files, whole);
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
        tests[n++] = (struct CMUnitTest){ t->name, replay, NULL, NULL, (void *)(uintptr_t)t };
    return _cmocka_run_group_tests("fuzz corpus", tests, n, NULL, NULL);
}
