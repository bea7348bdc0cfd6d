/* Packing, tiles and the choice of kernels by what the processor has. */
#include "layers/weighted/gemm.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/blas.h"
#include "base/memory.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define JOIN2(a, b) a##b
#define JOIN(a, b) JOIN2(a, b)

/* ------------------------------------------------------------------------------------------------------ kernels */

/* The reference. fmaf rounds once on every machine; where there is no such instruction the C library emulates it. */
typedef struct four {
    float x[4];
} four;

static inline __attribute__((always_inline)) four four_load(const float *p)
{
    four v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline __attribute__((always_inline)) four four_splat(float x)
{
    return (four) { { x, x, x, x } };
}

static inline __attribute__((always_inline)) four four_fma(four a, four b, four c)
{
    for (int l = 0; l < 4; l++)
        c.x[l] = fmaf(a.x[l], b.x[l], c.x[l]);
    return c;
}

#define TILE tile_portable
#define TARGET
#define VECTOR four
#define LANES 4
#define ROWS 4
#define LOAD(p) four_load(p)
#define STORE(p, v) memcpy((p), &(v), sizeof(four))
#define SPLAT(x) four_splat(x)
#define FMA(a, b, c) four_fma((a), (b), (c))
#include "layers/weighted/gemm_tile.inc"

#if defined(__x86_64__)
#define TILE tile_avx2
#define TARGET __attribute__((target("avx2,fma")))
#define VECTOR __m256
#define LANES 8
#define ROWS 6
#define LOAD(p) _mm256_loadu_ps(p)
#define STORE(p, v) _mm256_storeu_ps((p), (v))
#define SPLAT(x) _mm256_set1_ps(x)
#define FMA(a, b, c) _mm256_fmadd_ps((a), (b), (c))
#include "layers/weighted/gemm_tile.inc"

#define TILE tile_avx512
#define TARGET __attribute__((target("avx512f,avx2,fma")))
#define VECTOR __m512
#define LANES 16
#define ROWS 14
#define LOAD(p) _mm512_loadu_ps(p)
#define STORE(p, v) _mm512_storeu_ps((p), (v))
#define SPLAT(x) _mm512_set1_ps(x)
#define FMA(a, b, c) _mm512_fmadd_ps((a), (b), (c))
#include "layers/weighted/gemm_tile.inc"
#endif

enum {
    MAX_ROWS = 14,
    MAX_COLUMNS = 32,
    /* Depth of a block: a block of B (DEPTH x columns of a tile) and one of A stay in the first-level cache. */
    DEPTH = 256,
    LINE = 16 /* floats of a cache line */
};

/* C (rows x columns of the tile) += A (packed: rows floats for each of the k steps) B (rows of ldb floats). Sums begin
 * with start[row] unless that is NULL, else with C if they accumulate, else with 0. */
typedef void tile_function(int rows, int64_t k, const float *a, const float *b, int64_t ldb, float *c, int64_t ldc,
                           bool accumulate, const float *start);

typedef struct gemm_kernel {
    const char *name;
    tile_function *tile; /* NULL: OpenBLAS */
    int rows, columns;
} gemm_kernel;

static const gemm_kernel KERNELS[] = {
#if defined(__x86_64__)
    { "avx512", tile_avx512, 14, 32 },
    { "avx2", tile_avx2, 6, 16 },
#endif
    { "portable", tile_portable, 4, 8 },
    { "openblas", NULL, 4, 8 },
};
enum { N_KERNELS = sizeof KERNELS / sizeof KERNELS[0] };

static bool supported(const gemm_kernel *k)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (strcmp(k->name, "avx512") == 0)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (strcmp(k->name, "avx2") == 0)
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
    return strcmp(k->name, "openblas") != 0 || rs_blas_get() != NULL;
}

static const gemm_kernel *find(const char *name)
{
    for (size_t i = 0; i < N_KERNELS; i++)
        if ((name == NULL || strcmp(KERNELS[i].name, name) == 0) && supported(&KERNELS[i]))
            return &KERNELS[i];
    return NULL;
}

/* Written before threads start (first use is on the calling thread) or by a test; the same value whoever writes it
 * first. */
static const gemm_kernel *in_use;

static const gemm_kernel *current(void)
{
    const gemm_kernel *k = __atomic_load_n(&in_use, __ATOMIC_ACQUIRE);
    if (k == NULL) {
        k = find(getenv("RISTRETTO_GEMM"));
        if (k == NULL)
            k = find(NULL);
        __atomic_store_n(&in_use, k, __ATOMIC_RELEASE);
    }
    return k;
}

const char *rs_gemm_kernel(void)
{
    return current()->name;
}

bool rs_gemm_select(const char *name)
{
    const gemm_kernel *k = name == NULL ? NULL : find(name);
    if (name != NULL && k == NULL)
        return false;
    __atomic_store_n(&in_use, k, __ATOMIC_RELEASE);
    return true;
}

/* ------------------------------------------------------------------------------------------------------ packing */

/* to[p * to_stride + i] = from[i * from_stride + p] for i in [0, columns), p in [0, rows): 4 x 4 blocks in registers.
 */
static void transpose(int64_t rows, int64_t columns, const float *from, int64_t from_stride, float *to,
                      int64_t to_stride)
{
    typedef float vector __attribute__((vector_size(16)));
    int64_t i = 0;
    for (; i + 4 <= columns; i += 4) {
        const float *source = from + i * from_stride;
        int64_t p = 0;
        for (; p + 4 <= rows; p += 4) {
            vector a, b, c, d;
            if (p % LINE == 0) /* what the next block of the same rows will read */
                for (int64_t row = 0; row < 4; row++)
                    __builtin_prefetch(
                        (const void *)((uintptr_t)(source + p + row * from_stride) + (uintptr_t)rows * sizeof *from));
            memcpy(&a, source + p, sizeof a);
            memcpy(&b, source + p + from_stride, sizeof b);
            memcpy(&c, source + p + 2 * from_stride, sizeof c);
            memcpy(&d, source + p + 3 * from_stride, sizeof d);
            const vector ab0 = __builtin_shufflevector(a, b, 0, 4, 1, 5),
                         ab1 = __builtin_shufflevector(a, b, 2, 6, 3, 7);
            const vector cd0 = __builtin_shufflevector(c, d, 0, 4, 1, 5),
                         cd1 = __builtin_shufflevector(c, d, 2, 6, 3, 7);
            a = __builtin_shufflevector(ab0, cd0, 0, 1, 4, 5);
            b = __builtin_shufflevector(ab0, cd0, 2, 3, 6, 7);
            c = __builtin_shufflevector(ab1, cd1, 0, 1, 4, 5);
            d = __builtin_shufflevector(ab1, cd1, 2, 3, 6, 7);
            float *target = to + p * to_stride + i;
            memcpy(target, &a, sizeof a);
            memcpy(target + to_stride, &b, sizeof b);
            memcpy(target + 2 * to_stride, &c, sizeof c);
            memcpy(target + 3 * to_stride, &d, sizeof d);
        }
        for (; p < rows; p++)
            for (int64_t j = 0; j < 4; j++)
                to[p * to_stride + i + j] = source[j * from_stride + p];
    }
    for (; i < columns; i++)
        for (int64_t p = 0; p < rows; p++)
            to[p * to_stride + i] = from[i * from_stride + p];
}

/* Panels of nearly equal height: panel i of `panels` begins at row i * m / panels. */
int64_t rs_gemm_panels(int64_t m)
{
    const int rows = current()->rows;
    return (m + rows - 1) / rows;
}

void rs_gemm_pack_panels(int64_t m, int64_t k, const float *a, int64_t row_stride, int64_t k_stride, float *packed,
                         int64_t from, int64_t to)
{
    const bool row_major = current()->tile == NULL;
    const int64_t panels = rs_gemm_panels(m);
    for (int64_t panel = from; panel < to; panel++) {
        const int64_t first = panel * m / panels, rows = (panel + 1) * m / panels - first;
        float *target = packed + first * k;
        const float *source = a + first * row_stride;
        if (row_major) {
            for (int64_t i = 0; i < rows; i++)
                for (int64_t p = 0; p < k; p++)
                    target[i * k + p] = source[i * row_stride + p * k_stride];
        } else if (k_stride == 1) {
            transpose(k, rows, source, row_stride, target, rows);
        } else {
            for (int64_t p = 0; p < k; p++)
                for (int64_t i = 0; i < rows; i++)
                    target[p * rows + i] = source[i * row_stride + p * k_stride];
        }
    }
}

void rs_gemm_pack(int64_t m, int64_t k, const float *a, int64_t row_stride, int64_t k_stride, float *packed)
{
    rs_gemm_pack_panels(m, k, a, row_stride, k_stride, packed, 0, rs_gemm_panels(m));
}

size_t rs_gemm_scratch(void)
{
    return (size_t)DEPTH * MAX_COLUMNS + (size_t)MAX_ROWS * MAX_COLUMNS;
}

/* ------------------------------------------------------------------------------------------------------ product */

static void product_openblas(int64_t m, int64_t n, int64_t k, const float *a, const float *b, int64_t k_stride,
                             int64_t column_stride, float *c, int64_t ldc, bool accumulate)
{
    const bool transposed = column_stride != 1;
    int64_t ldb = transposed ? column_stride : k_stride;
    const int64_t min = transposed ? k : n;
    if (ldb < min) /* a matrix of one row or column may come with any stride */
        ldb = min;
    rs_blas_get()->sgemm(CblasRowMajor, CblasNoTrans, transposed ? CblasTrans : CblasNoTrans, (blasint)m, (blasint)n,
                         (blasint)k, 1.0f, a, (blasint)k, b, (blasint)ldb, accumulate ? 1.0f : 0.0f, c, (blasint)ldc);
}

static void product(int64_t m, int64_t n, int64_t k, const float *packed, const float *b, int64_t k_stride,
                    int64_t column_stride, float *c, int64_t ldc, bool accumulate, const float *start, float *scratch)
{
    const gemm_kernel *kern = current();
    if (m <= 0 || n <= 0)
        return;
    if (start != NULL && (kern->tile == NULL || k == 0)) {
        for (int64_t i = 0; i < m; i++)
            for (int64_t j = 0; j < n; j++)
                c[i * ldc + j] = start[i];
        start = NULL;
        accumulate = true;
    }
    if (kern->tile == NULL) {
        product_openblas(m, n, k, packed, b, k_stride, column_stride, c, ldc, accumulate);
        return;
    }
    const int64_t panels = rs_gemm_panels(m), width = kern->columns;
    float *const copy = scratch, *const corner = scratch + (size_t)DEPTH * MAX_COLUMNS;
    if (k == 0 && !accumulate)
        for (int64_t i = 0; i < m; i++)
            memset(c + i * ldc, 0, (size_t)n * sizeof *c);
    const int64_t parts = (k + DEPTH - 1) / DEPTH,
                  part = parts > 0 ? (k + parts - 1) / parts : 0; /* nearly equal ones */
    for (int64_t p0 = 0; p0 < k; p0 += part) {
        const int64_t depth = k - p0 < part ? k - p0 : part;
        const bool add = accumulate || p0 > 0;
        for (int64_t j = 0; j < n; j += width) {
            const int64_t columns = n - j < width ? n - j : width;
            const float *block = b + p0 * k_stride + j * column_stride;
            int64_t ldb = k_stride;
            if (columns < width || column_stride != 1) {
                /* Columns that are not there count as zero; their sums are dropped. */
                if (column_stride != 1)
                    transpose(depth, columns, block, column_stride, copy, width);
                for (int64_t p = 0; p < depth; p++) {
                    if (column_stride == 1)
                        memcpy(copy + p * width, block + p * k_stride, (size_t)columns * sizeof *copy);
                    for (int64_t l = columns; l < width; l++)
                        copy[p * width + l] = 0.0f;
                }
                block = copy;
                ldb = width;
            }
            for (int64_t panel = 0; panel < panels; panel++) {
                const int64_t first = panel * m / panels, rows = (panel + 1) * m / panels - first;
                const float *a = packed + first * k + p0 * rows;
                float *to = c + first * ldc + j;
                const float *begin = start != NULL && p0 == 0 ? start + first : NULL;
                if (columns == width) {
                    kern->tile((int)rows, depth, a, block, ldb, to, ldc, add, begin);
                    continue;
                }
                if (add && begin == NULL)
                    for (int64_t i = 0; i < rows; i++)
                        memcpy(corner + i * width, to + i * ldc, (size_t)columns * sizeof *to);
                kern->tile((int)rows, depth, a, block, ldb, corner, width, add, begin);
                for (int64_t i = 0; i < rows; i++)
                    memcpy(to + i * ldc, corner + i * width, (size_t)columns * sizeof *to);
            }
        }
    }
}

void rs_gemm(int64_t m, int64_t n, int64_t k, const float *packed, const float *b, int64_t k_stride,
             int64_t column_stride, float *c, int64_t ldc, bool accumulate, float *scratch)
{
    product(m, n, k, packed, b, k_stride, column_stride, c, ldc, accumulate, NULL, scratch);
}

void rs_gemm_from(int64_t m, int64_t n, int64_t k, const float *packed, const float *b, int64_t k_stride,
                  int64_t column_stride, const float *start, float *c, int64_t ldc, float *scratch)
{
    product(m, n, k, packed, b, k_stride, column_stride, c, ldc, false, start, scratch);
}
