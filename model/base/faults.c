/* Faults injected for tests: the n-th allocation or the like fails. */
#include "base/faults.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const struct {
    const char *variable, *name;
} kinds[RS_FAULT_KINDS] = {
    [RS_FAULT_ALLOC] = { "RISTRETTO_FAIL_ALLOC", "alloc" },
    [RS_FAULT_READ] = { "RISTRETTO_FAIL_READ", "read" },
    [RS_FAULT_WRITE] = { "RISTRETTO_FAIL_WRITE", "write" },
};

static _Atomic uint64_t count[RS_FAULT_KINDS];
static _Atomic uint64_t victim[RS_FAULT_KINDS]; /* 0: none */
static atomic_bool announced[RS_FAULT_KINDS];   /* came from the environment */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void read_environment(void)
{
    for (int k = 0; k < RS_FAULT_KINDS; k++) {
        const char *text = getenv(kinds[k].variable);
        if (text == NULL)
            continue;
        victim[k] = strtoull(text, NULL, 10);
        announced[k] = true;
    }
}

bool rs_fault_strikes(rs_fault kind)
{
    pthread_once(&once, read_environment);
    const uint64_t n = atomic_fetch_add_explicit(&count[kind], 1, memory_order_relaxed) + 1;
    if (n != atomic_load_explicit(&victim[kind], memory_order_relaxed))
        return false;
    if (announced[kind]) {
        char line[80];
        const int length = snprintf(line, sizeof line, "ristretto: injected fault: %s %llu\n", kinds[kind].name,
                                    (unsigned long long)n);
        if (write(STDERR_FILENO, line, (size_t)length) < 0)
            return true; /* nobody reads it: the fault strikes all the same */
    }
    return true;
}

void rs_fault_arm(rs_fault kind, uint64_t nth)
{
    pthread_once(&once, read_environment);
    announced[kind] = false;
    victim[kind] = nth;
    count[kind] = 0;
}

uint64_t rs_fault_count(rs_fault kind)
{
    return count[kind];
}
