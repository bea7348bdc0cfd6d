/* OpenBLAS, loaded when it is first needed. */
#include "base/blas.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <strings.h>

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

static rs_blas blas;
static bool loaded;

/* A function of the library: POSIX's cast of an object pointer to a function's. */
static bool find(void *library, const char *name, void *function)
{
    *(void **)function = dlsym(library, name);
    return *(void **)function != NULL;
}

/* Its handle, or NULL. */
static void *open_library(void)
{
    char *(*kernel)(void) = NULL;
    void *library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
    if (library == NULL)
        return NULL;
    if (find(library, "cblas_sgemm", &blas.sgemm) && find(library, "cblas_dgemm", &blas.dgemm) &&
        find(library, "openblas_get_corename", &kernel)) {
        blas.kernel = kernel();
        return library;
    }
    dlclose(library);
    return NULL;
}

static void load(void)
{
    setenv("OPENBLAS_NUM_THREADS", "1", 1); /* it looks when it is loaded */
    void *library = open_library();
    if (library != NULL && getenv("OPENBLAS_CORETYPE") == NULL && has_avx512() && !uses_avx512(blas.kernel) &&
        setenv("OPENBLAS_CORETYPE", "SkylakeX", 1) == 0) {
        dlclose(library);
        library = open_library();
    }
    loaded = library != NULL;
}

const rs_blas *rs_blas_get(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load);
    return loaded ? &blas : NULL;
}
