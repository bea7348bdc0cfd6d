/* Locks between processes. They end with the process that holds them, however it ends, and leave nothing behind. */
#ifndef RISTRETTO_BASE_LOCK_H
#define RISTRETTO_BASE_LOCK_H

#include <stdbool.h>

#include "base/diag.h"

/* Waits until no other process holds the lock of this file or folder, which must exist. *lock is -1 unless the status
 * is RS_OK. Where the file system has no locks, the status is RS_OK and nothing is locked. RS_BAD_INPUT: it cannot be
 * opened. RS_INTERRUPTED within a tenth of a second. */
rs_status rs_lock_take(const char *path, int *lock, rs_diag *diag);
/* Takes the lock if nobody holds it. False: somebody does, it cannot be opened, or the file system has no locks. */
bool rs_lock_try(const char *path, int *lock);
/* -1: does nothing. */
void rs_lock_release(int lock);

#endif
