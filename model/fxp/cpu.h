/* Which vector instructions the fast kernels may use. Every level gives the same results; only speed differs.
 * RISTRETTO_CPU=portable|avx2|avx512|avx512vnni lowers the level that was detected (it cannot raise it). */
#ifndef RISTRETTO_FXP_CPU_H
#define RISTRETTO_FXP_CPU_H

typedef enum rs_cpu {
    RS_CPU_PORTABLE, /* what the compiler makes of plain C */
    RS_CPU_AVX2,
    RS_CPU_AVX512,     /* F, BW, DQ, VL */
    RS_CPU_AVX512VNNI, /* and VNNI */
    RS_CPUS
} rs_cpu;

rs_cpu rs_cpu_level(void);
/* Sets the level for tests and benchmarks; returns the level in force (at most what the machine has). RS_CPUS: the
 * default again. */
rs_cpu rs_cpu_force(rs_cpu level);
/* "portable", "avx2", ... */
const char *rs_cpu_name(rs_cpu level);

#if defined(__x86_64__) && defined(__GNUC__)
#define RS_X86 1
#define RS_TARGET_AVX2 __attribute__((target("avx2")))
#define RS_TARGET_AVX512 __attribute__((target("avx2,avx512f,avx512bw,avx512dq,avx512vl")))
#define RS_TARGET_AVX512VNNI __attribute__((target("avx2,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")))
#else
#define RS_X86 0
#endif

#endif
