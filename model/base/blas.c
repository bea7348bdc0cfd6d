/* OpenBLAS, told how many threads to use. */
#include "base/blas.h"

#include <cblas.h>
#include <stdbool.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

/* Kernel sets of OpenBLAS that use AVX-512. */
static bool uses_avx512(const char *kernel)
{
    static const char *const names[] = { "SkylakeX", "Cooperlake", "SapphireRapids" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcasecmp(kernel, names[i]) == 0)
            return true;
    return false;
}

static bool has_avx512(void)
{
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512cd");
#else
    return false;
#endif
}

void rs_blas_select_kernel(char **argv)
{
    rs_blas_one_thread();
    if (getenv("OPENBLAS_CORETYPE") != NULL || !has_avx512() || uses_avx512(rs_blas_kernel()))
        return;
    /* The variable also stops the new process from coming here again. If it cannot be started, we go on as we are. */
    if (setenv("OPENBLAS_CORETYPE", "SkylakeX", 1) == 0)
        execv("/proc/self/exe", argv);
}

void rs_blas_one_thread(void)
{
    openblas_set_num_threads(1);
}

const char *rs_blas_kernel(void)
{
    return openblas_get_corename();
}
