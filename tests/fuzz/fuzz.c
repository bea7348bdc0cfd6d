/* libFuzzer's entry. The target is named by the program's name: build/fuzz/fuzz-NAME (links to one program). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/fuzz_targets.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const rs_fuzz_target *target;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    const char *name = strstr((*argv)[0], "fuzz-");
    for (const char *more = name; more != NULL; more = strstr(more + 1, "fuzz-"))
        name = more;
    for (const rs_fuzz_target *t = rs_fuzz_targets; name != NULL && t->name != NULL; t++)
        if (strcmp(t->name, name + 5) == 0)
            target = t;
    if (target == NULL) {
        fprintf(stderr, "%s: error: no target of this name\n", (*argv)[0]);
        exit(2);
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    (void)rs_fuzz_run(target, data, size);
    return 0;
}
