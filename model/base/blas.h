/* OpenBLAS, set up as Ristretto needs it. */
#ifndef RISTRETTO_BASE_BLAS_H
#define RISTRETTO_BASE_BLAS_H

/* Called first in main. On some processors with AVX-512 OpenBLAS takes its AVX2 kernels, at about half the speed; it
 * can be told otherwise only by OPENBLAS_CORETYPE before it is loaded. If that variable is unset and this is such a
 * case, sets it and starts the program anew, once; otherwise returns. argv is main's, terminated by NULL. The variable,
 * set by the user (to anything), is left alone. */
void rs_blas_select_kernel(char **argv);

/* From now on every BLAS call runs on the thread that makes it: the cores belong to rs_parallel, and sums do not depend
 * on the number of threads. Done by rs_blas_select_kernel and by the first rs_parallel. */
void rs_blas_one_thread(void);

/* The name of the kernel set in use, as OpenBLAS calls it ("SkylakeX"), for reports. */
const char *rs_blas_kernel(void);

#endif
