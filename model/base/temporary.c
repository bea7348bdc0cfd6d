/* Files that a process makes for a while. */
#include "base/temporary.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

enum { SLOTS = 256 };

static const char *_Atomic slots[SLOTS];
_Static_assert(ATOMIC_POINTER_LOCK_FREE == 2, "a signal handler reads the slots");

static void at_exit(void)
{
    if (atexit(rs_temporary_remove_all) != 0)
        return; /* then only an interrupt removes them */
}

int rs_temporary_remember(const char *path)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, at_exit);
    for (int i = 0; i < SLOTS; i++) {
        const char *none = NULL;
        if (atomic_compare_exchange_strong(&slots[i], &none, path))
            return i;
    }
    return -1;
}

void rs_temporary_forget(int slot)
{
    if (slot >= 0)
        atomic_store(&slots[slot], NULL);
}

void rs_temporary_remove_all(void)
{
    for (int i = 0; i < SLOTS; i++) {
        const char *path = atomic_exchange(&slots[i], NULL);
        if (path != NULL)
            unlink(path);
    }
}
