/* A pool of threads for loops whose parts are independent. */
#include "base/threads.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAX_THREADS = 256 };

/* One job at a time. Sleeping helpers join a job only while it is open: the caller, who works too, closes it when no
 * index is left, and so never waits for a helper that was slow to wake. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t opened, left;
    unsigned long job; /* counts up */
    bool open, quit;
    int inside; /* helpers at work on the open job */
    size_t n;
    void (*task)(void *context, size_t i, int worker);
    void *context;
    atomic_size_t next;
    int helpers;
    pthread_t threads[MAX_THREADS];
} pool = { .lock = PTHREAD_MUTEX_INITIALIZER, .opened = PTHREAD_COND_INITIALIZER, .left = PTHREAD_COND_INITIALIZER };

/* Held by the thread whose job the pool runs. */
static pthread_mutex_t caller = PTHREAD_MUTEX_INITIALIZER;

static atomic_int chosen; /* by rs_set_threads; 0: none */
static atomic_int usual;  /* the default, once it is known */

static _Thread_local bool in_task;
static _Thread_local int this_worker;

/* Processors that a cgroup quota leaves us (containers), or INT_MAX. */
static int quota(void)
{
    long long limit = 0, period = 0;
    FILE *f = fopen("/sys/fs/cgroup/cpu.max", "re");
    if (f == NULL)
        return MAX_THREADS;
    const int fields = fscanf(f, "%lld %lld", &limit, &period); /* "max 100000" where there is none */
    fclose(f);
    if (fields != 2 || limit <= 0 || period <= 0 || limit / period >= MAX_THREADS)
        return MAX_THREADS;
    return limit < period ? 1 : (int)((limit + period - 1) / period);
}

static int default_threads(void)
{
    const char *text = getenv("RISTRETTO_THREADS");
    if (text != NULL) {
        char *end;
        const long n = strtol(text, &end, 10);
        if (*text != '\0' && *end == '\0' && n >= 1)
            return n < MAX_THREADS ? (int)n : MAX_THREADS;
    }
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    if (quota() < n)
        n = quota();
    return n < 1 ? 1 : n < MAX_THREADS ? n : MAX_THREADS;
}

void rs_set_threads(int n)
{
    atomic_store(&chosen, n < 0 ? 0 : n < MAX_THREADS ? n : MAX_THREADS);
    atomic_store(&usual, 0); /* RISTRETTO_THREADS is read again */
}

int rs_threads(void)
{
    int n = atomic_load(&chosen);
    if (n == 0)
        n = atomic_load(&usual);
    if (n == 0) {
        n = default_threads();
        atomic_store(&usual, n);
    }
    return n;
}

static void work(int worker)
{
    in_task = true;
    this_worker = worker;
    for (size_t i; (i = atomic_fetch_add_explicit(&pool.next, 1, memory_order_relaxed)) < pool.n;)
        pool.task(pool.context, i, worker);
    in_task = false;
}

static void *helper(void *argument)
{
    const int worker = (int)(intptr_t)argument;
    unsigned long seen = 0;
    pthread_mutex_lock(&pool.lock);
    for (;;) {
        while (!pool.quit && (!pool.open || pool.job == seen))
            pthread_cond_wait(&pool.opened, &pool.lock);
        if (pool.quit)
            break;
        seen = pool.job;
        pool.inside++;
        pthread_mutex_unlock(&pool.lock);
        work(worker);
        pthread_mutex_lock(&pool.lock);
        if (--pool.inside == 0)
            pthread_cond_signal(&pool.left);
    }
    pthread_mutex_unlock(&pool.lock);
    return NULL;
}

/* Makes the pool have n helpers, or fewer if the system gives no more threads: results do not depend on it. */
static void resize(int n)
{
    if (pool.helpers > n) {
        pthread_mutex_lock(&pool.lock);
        pool.quit = true;
        pthread_cond_broadcast(&pool.opened);
        pthread_mutex_unlock(&pool.lock);
        for (int i = 0; i < pool.helpers; i++)
            pthread_join(pool.threads[i], NULL);
        pool.helpers = 0;
        pool.quit = false;
    }
    if (pool.helpers == n)
        return;
    /* Signals are for the main thread. */
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    while (pool.helpers < n &&
           pthread_create(&pool.threads[pool.helpers], NULL, helper, (void *)(intptr_t)(pool.helpers + 1)) == 0)
        pool.helpers++;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

void rs_parallel(size_t n, void (*task)(void *context, size_t i, int worker), void *context)
{
    const int threads = rs_threads();
    /* From within a task, or while another thread's job has the pool: here, in order. */
    if (in_task || n <= 1 || threads == 1 || pthread_mutex_trylock(&caller) != 0) {
        for (size_t i = 0; i < n; i++)
            task(context, i, this_worker);
        return;
    }
    resize(threads - 1);

    pthread_mutex_lock(&pool.lock);
    pool.n = n;
    pool.task = task;
    pool.context = context;
    atomic_store_explicit(&pool.next, 0, memory_order_relaxed);
    pool.job++;
    pool.open = true;
    pthread_cond_broadcast(&pool.opened);
    pthread_mutex_unlock(&pool.lock);

    work(0);

    pthread_mutex_lock(&pool.lock);
    pool.open = false;
    while (pool.inside > 0)
        pthread_cond_wait(&pool.left, &pool.lock);
    pthread_mutex_unlock(&pool.lock);
    pthread_mutex_unlock(&caller);
}
