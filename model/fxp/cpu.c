/* The level of vector instructions in force: what the processor has, unless the environment or a test lowers it. */
#include "fxp/cpu.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[RS_CPUS] = { "portable", "avx2", "avx512", "avx512vnni" };

const char *rs_cpu_name(rs_cpu level)
{
    return (unsigned)level < RS_CPUS ? names[level] : "?";
}

static rs_cpu detect(void)
{
#if RS_X86
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2"))
        return RS_CPU_PORTABLE;
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
        !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl"))
        return RS_CPU_AVX2;
    return __builtin_cpu_supports("avx512vnni") ? RS_CPU_AVX512VNNI : RS_CPU_AVX512;
#else
    return RS_CPU_PORTABLE;
#endif
}

static rs_cpu from_environment(void)
{
    rs_cpu level = detect();
    const char *wanted = getenv("RISTRETTO_CPU");
    for (int i = 0; wanted && i < (int)level; i++)
        if (strcmp(wanted, names[i]) == 0)
            return (rs_cpu)i;
    return level;
}

/* -1: not asked yet. Threads that race here store the same value. */
static atomic_int current = -1;

rs_cpu rs_cpu_level(void)
{
    int level = atomic_load_explicit(&current, memory_order_relaxed);
    if (level < 0) {
        level = (int)from_environment();
        atomic_store_explicit(&current, level, memory_order_relaxed);
    }
    return (rs_cpu)level;
}

rs_cpu rs_cpu_force(rs_cpu level)
{
    rs_cpu max = level == RS_CPUS ? from_environment() : detect();
    rs_cpu now = level < max ? level : max;
    atomic_store_explicit(&current, (int)now, memory_order_relaxed);
    return now;
}
