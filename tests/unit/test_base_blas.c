/* OpenBLAS is loaded when it is needed, on one thread, with kernels by the processor and by what the user says. */
#include "base/blas.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/test.h"

/* Starts this program again, which loads OpenBLAS and reports; see main. */
static void report_of_child(const char *variable, char *text, size_t size)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    const pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        if (variable != NULL)
            setenv("OPENBLAS_CORETYPE", variable, 1);
        else
            unsetenv("OPENBLAS_CORETYPE");
        execl("/proc/self/exe", "name of the program", "report", (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    size_t n = 0;
    for (ssize_t got; n < size - 1 && (got = read(ends[0], text + n, size - 1 - n)) > 0;)
        n += (size_t)got;
    text[n] = '\0';
    close(ends[0]);
    int status;
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
}

static void *library(void)
{
    return dlopen("libopenblas.so.0", RTLD_NOW | RTLD_NOLOAD);
}

static void loaded_when_needed_on_one_thread(void **state)
{
    (void)state;
    char text[400];
    report_of_child(NULL, text, sizeof text);
    assert_non_null(strstr(text, "before: no\n"));
    assert_non_null(strstr(text, "threads: 1\n"));
}

static void avx512_is_used_where_it_is_there(void **state)
{
    (void)state;
#if defined(__x86_64__)
    char text[400];
    report_of_child(NULL, text, sizeof text);
    if (__builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw"))
        assert_true(strstr(text, "kernel: SkylakeX\n") != NULL || strstr(text, "kernel: Cooperlake\n") != NULL ||
                    strstr(text, "kernel: SapphireRapids\n") != NULL);
    else
        assert_non_null(strstr(text, "variable: unset\n"));
#else
    print_message("# this is not an x86\n");
    skip();
#endif
}

static void the_choice_of_the_user_wins(void **state)
{
    (void)state;
#if defined(__x86_64__)
    char text[400];
    report_of_child("Nehalem", text, sizeof text);
    assert_non_null(strstr(text, "kernel: Nehalem\n"));
    assert_non_null(strstr(text, "variable: Nehalem\n"));
    report_of_child("", text, sizeof text);
    assert_non_null(strstr(text, "variable: \n"));
#else
    print_message("# this is not an x86\n");
    skip();
#endif
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "report") == 0) {
        printf("before: %s\n", library() != NULL ? "yes" : "no");
        const rs_blas *blas = rs_blas_get();
        int (*threads)(void) = NULL;
        *(void **)&threads = dlsym(library(), "openblas_get_num_threads");
        const char *variable = getenv("OPENBLAS_CORETYPE");
        printf("kernel: %s\nthreads: %d\nvariable: %s\n", blas->kernel, threads(),
               variable != NULL ? variable : "unset");
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loaded_when_needed_on_one_thread),
        cmocka_unit_test(avx512_is_used_where_it_is_there),
        cmocka_unit_test(the_choice_of_the_user_wins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
