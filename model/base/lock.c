/* Locks between processes. */
#include "base/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/progress.h"

rs_status rs_lock_take(const char *path, int *lock, rs_diag *diag)
{
    *lock = -1;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return rs_error(diag, RS_BAD_INPUT, RS_FILE(path), NULL, "cannot open: %s", strerror(errno));
    /* Asked again and again: a signal between a look at the flag and a call that waits would be lost. */
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            break;
        if (rs_interrupted()) {
            close(fd);
            return rs_error(diag, RS_INTERRUPTED, RS_FILE(path), NULL,
                            "interrupted while another process had it locked");
        }
        (void)nanosleep(&(struct timespec) { .tv_nsec = 20 * 1000 * 1000 }, NULL);
    }
    *lock = fd;
    return RS_OK;
}

bool rs_lock_try(const char *path, int *lock)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    const bool taken = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0;
    if (fd >= 0 && !taken)
        close(fd);
    *lock = taken ? fd : -1;
    return taken;
}

void rs_lock_release(int lock)
{
    if (lock >= 0)
        close(lock);
}
