/* Single-precision matrix product with one defined result.
 *
 * Every element of C is a chain of fused multiply-adds in the order of k:
 *     c = fma(a[k-1], b[k-1], ... fma(a[1], b[1], fma(a[0], b[0], start)) ...)
 * where start is 0, or the old element with `accumulate`. The chain does not depend on the size of the other two
 * dimensions, on blocking, threads or the width of the machine's vectors, so a result is the same bits for any batch,
 * any number of threads and any processor. (The kernel "openblas" is the exception: its order is OpenBLAS's own.)
 *
 * The kernel is chosen once: the widest that the processor has, or the one that RISTRETTO_GEMM names
 * (avx512, avx2, portable, openblas), if the processor can run it. */
#ifndef RISTRETTO_LAYERS_WEIGHTED_GEMM_H
#define RISTRETTO_LAYERS_WEIGHTED_GEMM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Name of the kernel in use. */
const char *rs_gemm_kernel(void);
/* For tests and benchmarks: uses the named kernel from now on; false (and no change) if this machine lacks it.
 * NULL: the default again. Not while a product runs. */
bool rs_gemm_select(const char *name);

/* A (m x k, element (i, p) at a[i * row_stride + p * k_stride]) in the order that the kernel reads; packed has m * k
 * floats. */
void rs_gemm_pack(int64_t m, int64_t k, const float *a, int64_t row_stride, int64_t k_stride, float *packed);

/* The same for the panels [from, to) of rows alone, of the rs_gemm_panels(m) that the matrix has; for packing on
 * several threads. */
int64_t rs_gemm_panels(int64_t m);
void rs_gemm_pack_panels(int64_t m, int64_t k, const float *a, int64_t row_stride, int64_t k_stride, float *packed,
                         int64_t from, int64_t to);

/* Floats of scratch that rs_gemm needs. */
size_t rs_gemm_scratch(void);

/* C (m x n, row-major, rows ldc apart) = A B, or C + A B with `accumulate`. A is packed; element (p, j) of B is at
 * b[p * k_stride + j * column_stride], one of the two strides being 1. scratch has rs_gemm_scratch() floats. */
void rs_gemm(int64_t m, int64_t n, int64_t k, const float *packed, const float *b, int64_t k_stride,
             int64_t column_stride, float *c, int64_t ldc, bool accumulate, float *scratch);
/* The same with start[i] as the start of row i's sums, or 0 if start is NULL. */
void rs_gemm_from(int64_t m, int64_t n, int64_t k, const float *packed, const float *b, int64_t k_stride,
                  int64_t column_stride, const float *start, float *c, int64_t ldc, float *scratch);

#endif
