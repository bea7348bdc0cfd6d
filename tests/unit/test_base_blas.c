/* Which kernels BLAS takes: by the processor, and by what the user says. */
#include "base/blas.h"

#include <cblas.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/test.h"

/* Starts this program again, which calls rs_blas_select_kernel and then reports; see main. */
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
        execl("/proc/self/exe", "name of the program", "report", "an argument", "", (char *)NULL);
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

static void arguments_survive(void **state)
{
    (void)state;
    char text[400];
    report_of_child(NULL, text, sizeof text);
    assert_non_null(strstr(text, "argv: [name of the program] [report] [an argument] []\n"));
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
        rs_blas_select_kernel(argv);
        printf("argv:");
        for (int i = 0; i < argc; i++)
            printf(" [%s]", argv[i]);
        const char *variable = getenv("OPENBLAS_CORETYPE");
        printf("\nkernel: %s\nthreads: %d\nvariable: %s\n", rs_blas_kernel(), openblas_get_num_threads(),
               variable != NULL ? variable : "unset");
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arguments_survive),
        cmocka_unit_test(avx512_is_used_where_it_is_there),
        cmocka_unit_test(the_choice_of_the_user_wins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
