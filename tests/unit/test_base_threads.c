/* Parallel tasks: each is run once, and the first error wins. */
#include "base/threads.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/rng.h"
#include "support/test.h"

enum { N = 20000 };

typedef struct job {
    uint64_t result[N];
    atomic_int calls[N];
    atomic_int worst_worker;
    uint64_t seed;
} job;

static job the_job;

static void square(void *context, size_t i, int worker)
{
    job *j = context;
    j->calls[i]++;
    j->result[i] = rs_random_u64(j->seed, 0, i) * i;
    int worst = j->worst_worker;
    while (worker > worst && !atomic_compare_exchange_weak(&j->worst_worker, &worst, worker))
        ;
    if (worker < 0)
        j->calls[i] = 1000;
}

static void reset(void)
{
    for (int i = 0; i < N; i++) {
        the_job.result[i] = 0;
        the_job.calls[i] = 0;
    }
    the_job.worst_worker = 0;
    the_job.seed = rs_test_seed();
}

static void each_task_runs_once_on_any_number_of_threads(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 8; threads++) {
        rs_set_threads(threads);
        assert_int_equal(rs_threads(), threads);
        reset();
        rs_parallel(N, square, &the_job);
        for (size_t i = 0; i < N; i++) {
            assert_int_equal(the_job.calls[i], 1);
            assert_int_equal(the_job.result[i], rs_random_u64(the_job.seed, 0, i) * i);
        }
        assert_in_range(the_job.worst_worker, 0, threads - 1);
    }
    rs_set_threads(0);
}

static void small_numbers_of_tasks(void **state)
{
    (void)state;
    rs_set_threads(4);
    for (size_t n = 0; n < 10; n++) {
        reset();
        rs_parallel(n, square, &the_job);
        for (size_t i = 0; i < N; i++)
            assert_int_equal(the_job.calls[i], i < n);
    }
    rs_parallel(0, NULL, NULL);
    rs_set_threads(0);
}

/* Many short jobs in a row, with a change of the number of threads between: no job is lost, none runs into the next. */
static void many_short_jobs(void **state)
{
    (void)state;
    for (int round = 0; round < 3000; round++) {
        if (round % 100 == 0)
            rs_set_threads(1 + round / 100 % 5);
        for (int i = 0; i < 8; i++)
            the_job.calls[i] = 0;
        rs_parallel(8, square, &the_job);
        for (int i = 0; i < 8; i++)
            assert_int_equal(the_job.calls[i], 1);
    }
    rs_set_threads(0);
}

typedef struct meeting {
    atomic_int present;
    atomic_int most;
} meeting;

/* Waits until two workers are inside, or half a second. */
static void meet(void *context, size_t i, int worker)
{
    (void)i, (void)worker;
    meeting *m = context;
    m->present++;
    for (int k = 0; k < 500 && m->present < 2; k++)
        usleep(1000);
    if (m->present >= 2)
        m->most = 2;
}

static void tasks_do_run_at_the_same_time(void **state)
{
    (void)state;
    rs_set_threads(2);
    meeting m = { 0 };
    rs_parallel(2, meet, &m);
    assert_int_equal(m.most, 2);
    rs_set_threads(0);
}

typedef struct nested {
    atomic_int inner;
    atomic_int wrong_worker;
} nested;

typedef struct inner_context {
    nested *total;
    int outer_worker;
    size_t next;
} inner_context;

static void inner(void *context, size_t i, int worker)
{
    inner_context *c = context;
    if (worker != c->outer_worker || i != c->next++) /* serially, in order, under the number of the outer worker */
        c->total->wrong_worker++;
    c->total->inner++;
}

static void outer(void *context, size_t i, int worker)
{
    (void)i;
    inner_context c = { context, worker, 0 };
    rs_parallel(10, inner, &c);
}

static void a_job_within_a_job_runs_serially(void **state)
{
    (void)state;
    rs_set_threads(4);
    nested total = { 0 };
    rs_parallel(100, outer, &total);
    assert_int_equal(total.inner, 1000);
    assert_int_equal(total.wrong_worker, 0);
    rs_set_threads(0);
}

static void *caller(void *context)
{
    atomic_int *sum = context;
    for (int round = 0; round < 200; round++) {
        job *j = calloc(1, sizeof *j);
        if (j == NULL)
            return NULL;
        rs_parallel(50, square, j);
        for (int i = 0; i < 50; i++)
            *sum += j->calls[i];
        free(j);
    }
    return NULL;
}

static void several_threads_may_call(void **state)
{
    (void)state;
    rs_set_threads(3);
    pthread_t threads[3];
    atomic_int sum = 0;
    for (int t = 0; t < 3; t++)
        assert_int_equal(pthread_create(&threads[t], NULL, caller, &sum), 0);
    for (int t = 0; t < 3; t++)
        pthread_join(threads[t], NULL);
    assert_int_equal(sum, 3 * 200 * 50);
    rs_set_threads(0);
}

static void the_default_follows_the_environment(void **state)
{
    (void)state;
    setenv("RISTRETTO_THREADS", "3", 1);
    rs_set_threads(0);
    assert_int_equal(rs_threads(), 3);
    rs_set_threads(5); /* a choice in the program wins */
    assert_int_equal(rs_threads(), 5);
    rs_set_threads(0);
    assert_int_equal(rs_threads(), 3);
    setenv("RISTRETTO_THREADS", "100000", 1);
    rs_set_threads(0);
    assert_int_equal(rs_threads(), 256);
    const char *const nonsense[] = { "", "0", "-1", "two", "2x" };
    unsetenv("RISTRETTO_THREADS");
    rs_set_threads(0);
    const int usual = rs_threads();
    assert_in_range(usual, 1, sysconf(_SC_NPROCESSORS_CONF));
    for (size_t i = 0; i < sizeof nonsense / sizeof *nonsense; i++) {
        setenv("RISTRETTO_THREADS", nonsense[i], 1);
        rs_set_threads(0);
        assert_int_equal(rs_threads(), usual);
    }
    unsetenv("RISTRETTO_THREADS");
    rs_set_threads(-5);
    assert_int_equal(rs_threads(), usual);
    rs_set_threads(1000);
    assert_int_equal(rs_threads(), 256);
    rs_set_threads(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_task_runs_once_on_any_number_of_threads),
        cmocka_unit_test(small_numbers_of_tasks),
        cmocka_unit_test(many_short_jobs),
        cmocka_unit_test(tasks_do_run_at_the_same_time),
        cmocka_unit_test(a_job_within_a_job_runs_serially),
        cmocka_unit_test(several_threads_may_call),
        cmocka_unit_test(the_default_follows_the_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
