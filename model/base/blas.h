/* OpenBLAS, loaded when it is first needed: its start takes memory and threads that most commands have no use for. */
#ifndef RISTRETTO_BASE_BLAS_H
#define RISTRETTO_BASE_BLAS_H

#include <cblas.h>

/* Products of matrices, on the thread that calls: the cores belong to rs_parallel, and sums do not depend on the number
 * of threads. */
typedef struct rs_blas {
    __typeof__(cblas_sgemm) *sgemm;
    __typeof__(cblas_dgemm) *dgemm;
    const char *kernel; /* the kernel set in use, as OpenBLAS calls it ("SkylakeX"), for reports */
} rs_blas;

/* Loads it, once. On some processors with AVX-512 OpenBLAS takes its AVX2 kernels, at about half the speed: then it is
 * loaded again with OPENBLAS_CORETYPE set, unless the user has set that (to anything). NULL: it cannot be loaded. */
const rs_blas *rs_blas_get(void);

#endif
