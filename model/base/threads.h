/* A pool of threads that runs indexed tasks. Work is cut by the caller, not by the number of threads, so that a result
 * never depends on it: task i must write only to places of its own, and the caller reduces them in order. */
#ifndef RISTRETTO_BASE_THREADS_H
#define RISTRETTO_BASE_THREADS_H

#include <stddef.h>

/* Number of threads: rs_set_threads(n), else RISTRETTO_THREADS, else the processors this process may use. n = 0
 * restores the default. */
void rs_set_threads(int n);
int rs_threads(void);

/* Calls task(context, i, worker) for each i in [0, n), on rs_threads() threads, the caller's among them; returns when
 * all are done. worker in [0, rs_threads()) names scratch space, never results. From within a task it runs serially,
 * under the number of the worker that it is called from; so it does (as worker 0) on a second thread while a first one
 * has the pool. BLAS runs on one thread, inside a task and elsewhere. A task must not end by longjmp. At most 256
 * threads. */
void rs_parallel(size_t n, void (*task)(void *context, size_t i, int worker), void *context);

#endif
