/* One kernel for every processor: its body is compiled for each level of vector instructions, and a call takes the
 * instance for the processor at hand. All of them give the same results.
 *
 *     RS_INLINE uint64_t sum_body(const int32_t *x, size_t n) { ... }
 *     RS_DISPATCH(static, uint64_t, sum, (const int32_t *x, size_t n), (x, n))
 *
 * defines `static uint64_t sum(const int32_t *x, size_t n)`. RS_DISPATCH_VOID is for bodies that return nothing. */
#ifndef RISTRETTO_FXP_DISPATCH_H
#define RISTRETTO_FXP_DISPATCH_H

#include "base/compiler.h"
#include "fxp/cpu.h"

#define RS_DISPATCH(SCOPE, TYPE, name, PARAMETERS, ARGUMENTS) \
    RS_DISPATCH_WITH(SCOPE, TYPE, return, name, PARAMETERS, ARGUMENTS)
#define RS_DISPATCH_VOID(SCOPE, name, PARAMETERS, ARGUMENTS) \
    RS_DISPATCH_WITH(SCOPE, void, , name, PARAMETERS, ARGUMENTS)

/* CALL: what stands before a call, `return` or nothing. */
#if RS_X86
#define RS_DISPATCH_WITH(SCOPE, TYPE, CALL, name, PARAMETERS, ARGUMENTS) \
    static TYPE name##_portable PARAMETERS                               \
    {                                                                    \
        CALL name##_body ARGUMENTS;                                      \
    }                                                                    \
    RS_TARGET_AVX2 static TYPE name##_avx2 PARAMETERS                    \
    {                                                                    \
        CALL name##_body ARGUMENTS;                                      \
    }                                                                    \
    RS_TARGET_AVX512 static TYPE name##_avx512 PARAMETERS                \
    {                                                                    \
        CALL name##_body ARGUMENTS;                                      \
    }                                                                    \
    SCOPE TYPE name PARAMETERS                                           \
    {                                                                    \
        const rs_cpu cpu = rs_cpu_level();                               \
        if (cpu >= RS_CPU_AVX512)                                        \
            CALL name##_avx512 ARGUMENTS;                                \
        else if (cpu >= RS_CPU_AVX2)                                     \
            CALL name##_avx2 ARGUMENTS;                                  \
        else                                                             \
            CALL name##_portable ARGUMENTS;                              \
    }
#else
#define RS_DISPATCH_WITH(SCOPE, TYPE, CALL, name, PARAMETERS, ARGUMENTS) \
    SCOPE TYPE name PARAMETERS                                           \
    {                                                                    \
        CALL name##_body ARGUMENTS;                                      \
    }
#endif

#endif
