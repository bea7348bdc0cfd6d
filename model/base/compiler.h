/* What the compiler is told besides the language: functions that must be inlined. */
#ifndef RISTRETTO_BASE_COMPILER_H
#define RISTRETTO_BASE_COMPILER_H

/* Inlined even where that looks too large: the body of a kernel is compiled anew for each caller's vector instructions
 * and for each of its constant arguments. */
#define RS_INLINE static inline __attribute__((always_inline))

#endif
