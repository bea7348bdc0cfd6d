/* Every kernel of the matrix product gives the chain of fused multiply-adds that gemm.h defines, bit for bit, for any
 * shape, stride and cut of the problem. OpenBLAS, whose order is its own, agrees to rounding. */
#include "support/test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "layers/weighted/gemm.h"

static const char *const KERNELS[] = { "avx512", "avx2", "portable", "openblas" };

typedef struct problem {
    int64_t m, n, k;
    bool a_transposed, b_transposed, accumulate;
    int64_t gap; /* extra elements between rows */
    bool from;   /* sums begin with a value for each row */
} problem;

static rs_rng rng;

static int64_t below(int64_t n)
{
    return (int64_t)(rs_rng_next(&rng) % (uint64_t)n);
}

static float value(void)
{
    return (float)((double)(int64_t)(rs_rng_next(&rng) >> 40) / 8388608.0 - 1.0);
}

static float *values(int64_t n)
{
    float *x = malloc((size_t)(n > 0 ? n : 1) * sizeof *x);
    assert_non_null(x);
    for (int64_t i = 0; i < n; i++)
        x[i] = value();
    return x;
}

static int64_t check(const char *kernel, const problem *p)
{
    assert_true(rs_gemm_select(kernel));
    assert_string_equal(rs_gemm_kernel(), kernel);
    const int64_t a_row = p->a_transposed ? 1 : p->k + p->gap, a_k = p->a_transposed ? p->m + p->gap : 1;
    const int64_t b_k = p->b_transposed ? 1 : p->n + p->gap, b_column = p->b_transposed ? p->k + p->gap : 1,
                  ldc = p->n + p->gap;
    float *a = values((p->m + p->gap) * (p->k + p->gap)), *b = values((p->n + p->gap) * (p->k + p->gap)),
          *c = values(p->m * ldc);
    float *start = malloc((size_t)(p->m * ldc) * sizeof *start),
          *packed = malloc((size_t)(p->m * p->k + 1) * sizeof *packed);
    float *scratch = malloc(rs_gemm_scratch() * sizeof *scratch);
    assert_non_null(start);
    assert_non_null(packed);
    assert_non_null(scratch);
    memcpy(start, c, (size_t)(p->m * ldc) * sizeof *start);

    const int64_t panels = rs_gemm_panels(p->m), middle = below(panels + 1);
    rs_gemm_pack_panels(p->m, p->k, a, a_row, a_k, packed, middle, panels);
    rs_gemm_pack_panels(p->m, p->k, a, a_row, a_k, packed, 0, middle);
    float *begin = values(p->m);
    if (p->from)
        rs_gemm_from(p->m, p->n, p->k, packed, b, b_k, b_column, begin, c, ldc, scratch);
    else
        rs_gemm(p->m, p->n, p->k, packed, b, b_k, b_column, c, ldc, p->accumulate, scratch);

    const bool exact = strcmp(kernel, "openblas") != 0;
    for (int64_t i = 0; i < p->m; i++)
        for (int64_t j = 0; j < ldc; j++) {
            float chain = p->from ? begin[i] : p->accumulate ? start[i * ldc + j] : 0.0f;
            for (int64_t q = 0; q < p->k && j < p->n; q++)
                chain = fmaf(a[i * a_row + q * a_k], b[q * b_k + j * b_column], chain);
            if (j >= p->n)
                chain = start[i * ldc + j]; /* what lies between the rows is left alone */
            const float got = c[i * ldc + j];
            if (exact || j >= p->n ? memcmp(&got, &chain, sizeof got) != 0 : !(fabsf(got - chain) <= 1e-4f))
                fail_msg("%s: m %d n %d k %d, A %s, B %s, %s, gap %d: c[%d][%d] is %.9g, expected %.9g", kernel,
                         (int)p->m, (int)p->n, (int)p->k, p->a_transposed ? "transposed" : "plain",
                         p->b_transposed ? "transposed" : "plain",
                         p->from         ? "from rows"
                         : p->accumulate ? "added"
                                         : "set",
                         (int)p->gap, (int)i, (int)j, (double)got, (double)chain);
        }
    const int64_t compared = p->m * p->n;
    free(a);
    free(b);
    free(c);
    free(start);
    free(begin);
    free(packed);
    free(scratch);
    return compared;
}

static void test_shapes(void **state)
{
    (void)state;
    rng = (rs_rng) { .seed = rs_test_seed(), .stream = 1 };
    /* Around the heights and widths of every kernel's tile, and the depth of a block (256). */
    static const int64_t corners[][3] = {
        { 1, 1, 1 },   { 14, 32, 8 }, { 15, 33, 256 }, { 13, 31, 257 }, { 6, 16, 3 },    { 7, 17, 511 },
        { 4, 8, 513 }, { 5, 9, 2 },   { 28, 64, 1 },   { 29, 65, 5 },   { 50, 64, 500 }, { 20, 72, 25 },
    };
    int64_t compared = 0;
    for (size_t k = 0; k < sizeof KERNELS / sizeof *KERNELS; k++) {
        if (!rs_gemm_select(KERNELS[k])) {
            print_message("this machine has no %s\n", KERNELS[k]);
            continue;
        }
        for (size_t i = 0; i < sizeof corners / sizeof *corners; i++)
            for (int form = 0; form < 8; form++) {
                const problem p = { corners[i][0], corners[i][1], corners[i][2],     form & 1,
                                    form & 2,      form & 4,      form == 7 ? 3 : 0, form == 1 || form == 2 };
                compared += check(KERNELS[k], &p);
            }
        for (int i = 0; i < 60; i++) {
            const problem p = { 1 + below(40), 1 + below(80), 1 + below(300), below(2),
                                below(2),      below(2),      below(4),       below(3) == 0 };
            compared += check(KERNELS[k], &p);
        }
    }
    rs_gemm_select(NULL);
    print_message("%lld elements compared\n", (long long)compared);
    assert_true(compared > 100000);
}

static void test_nothing_to_add(void **state)
{
    (void)state;
    float c[4] = { 1, 2, 3, 4 }, none = 0.0f, *scratch = malloc(rs_gemm_scratch() * sizeof *scratch);
    assert_non_null(scratch);
    rs_gemm(2, 2, 0, &none, &none, 1, 1, c, 2, true, scratch);
    assert_true(c[0] == 1.0f && c[3] == 4.0f);
    rs_gemm(2, 2, 0, &none, &none, 1, 1, c, 2, false, scratch);
    assert_true(c[0] == 0.0f && c[1] == 0.0f && c[2] == 0.0f && c[3] == 0.0f);
    rs_gemm_from(2, 2, 0, &none, &none, 1, 1, (const float[]) { 5, 6 }, c, 2, scratch);
    assert_true(c[0] == 5.0f && c[1] == 5.0f && c[2] == 6.0f && c[3] == 6.0f);
    free(scratch);
}

static void test_names(void **state)
{
    (void)state;
    assert_false(rs_gemm_select("no-such-kernel"));
    assert_true(rs_gemm_select("portable"));
    assert_string_equal(rs_gemm_kernel(), "portable");
    assert_true(rs_gemm_select(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_nothing_to_add),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
