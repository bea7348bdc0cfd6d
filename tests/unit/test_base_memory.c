/* Allocation: zeroed, aligned, checked for overflow, and failing when asked to. */
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

#include "base/faults.h"
#include "support/test.h"

static void blocks_are_zeroed_and_aligned(void **state)
{
    (void)state;
    for (size_t size = 0; size < 300; size++) {
        unsigned char *block = rs_calloc(size, 1);
        assert_non_null(block);
        assert_int_equal((uintptr_t)block % 64, 0);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(block[i], 0);
        memset(block, 0xff, size);
        rs_free(block);
    }
    rs_free(NULL);
}

static void sizes_that_overflow_are_refused(void **state)
{
    (void)state;
    volatile size_t huge = SIZE_MAX; /* volatile: gcc would warn that the request cannot succeed */
    assert_null(rs_calloc(huge, 1));
    assert_null(rs_calloc(1, huge));
    assert_null(rs_calloc(huge / 2 + 2, 2)); /* the product wraps to a small number */
    assert_null(rs_calloc((size_t)1 << 33, (size_t)1 << 33));
    assert_null(rs_calloc(huge / 2, 1));
    assert_null(rs_calloc((size_t)PTRDIFF_MAX - 10, 1));
    char *block = rs_calloc(4, 1);
    assert_non_null(block);
    memcpy(block, "abc", 4);
    assert_null(rs_recalloc(block, 4, huge, 16));
    assert_string_equal(block, "abc"); /* the old block stays valid */
    rs_free(block);

    rs_arena *arena = rs_arena_new();
    assert_null(rs_arena_calloc(arena, huge, 1));
    assert_null(rs_arena_calloc(arena, huge, huge));
    assert_null(rs_arena_calloc(arena, huge / 2 + 2, 2));
    assert_null(rs_arena_calloc(arena, (size_t)PTRDIFF_MAX - 100, 1));
    assert_non_null(rs_arena_calloc(arena, 1, 1));
    rs_arena_free(arena);
}

static void recalloc_keeps_and_zeroes(void **state)
{
    (void)state;
    uint32_t *block = RS_NEW_ARRAY(uint32_t, 3);
    for (uint32_t i = 0; i < 3; i++)
        block[i] = i + 1;
    block = rs_recalloc(block, 3, 1000, sizeof *block);
    assert_non_null(block);
    assert_int_equal((uintptr_t)block % 64, 0);
    for (uint32_t i = 0; i < 1000; i++)
        assert_int_equal(block[i], i < 3 ? i + 1 : 0);
    block = rs_recalloc(block, 1000, 2, sizeof *block);
    assert_int_equal(block[0], 1);
    assert_int_equal(block[1], 2);
    block = rs_recalloc(block, 2, 0, sizeof *block);
    assert_non_null(block);
    rs_free(block);
    block = rs_recalloc(NULL, 0, 2, sizeof *block);
    assert_int_equal(block[1], 0);
    rs_free(block);
}

static void strings(void **state)
{
    (void)state;
    char *text = rs_strdup("");
    assert_string_equal(text, "");
    rs_free(text);
    text = rs_strdup("conv1");
    assert_string_equal(text, "conv1");
    rs_free(text);
    text = rs_strndup("conv1", 3);
    assert_string_equal(text, "con");
    rs_free(text);
    text = rs_strndup("conv1", 99);
    assert_string_equal(text, "conv1");
    rs_free(text);
    const char unterminated[3] = { 'a', 'b', 'c' };
    text = rs_strndup(unterminated, 3);
    assert_string_equal(text, "abc");
    rs_free(text);
    text = rs_format("%s:%d", "file", 12);
    assert_string_equal(text, "file:12");
    rs_free(text);
    text = rs_format("%*d", 5000, 1);
    assert_int_equal(strlen(text), 5000);
    rs_free(text);
}

static void arena_blocks_do_not_overlap(void **state)
{
    (void)state;
    enum { N = 2000 };
    rs_arena *arena = rs_arena_new();
    assert_non_null(arena);
    unsigned char *blocks[N];
    for (size_t i = 0; i < N; i++) {
        const size_t size = i % 50 == 49 ? 100000 : i % 97;
        blocks[i] = rs_arena_calloc(arena, size, 1);
        assert_non_null(blocks[i]);
        assert_int_equal((uintptr_t)blocks[i] % 16, 0);
        for (size_t j = 0; j < size; j++)
            assert_int_equal(blocks[i][j], 0);
        memset(blocks[i], (int)(i & 0xff), size);
    }
    for (size_t i = 0; i < N; i++) {
        const size_t size = i % 50 == 49 ? 100000 : i % 97;
        for (size_t j = 0; j < size; j++)
            assert_int_equal(blocks[i][j], i & 0xff);
    }
    char *text = rs_arena_strdup(arena, "conv1");
    assert_string_equal(text, "conv1");
    rs_arena_free(arena);
    rs_arena_free(NULL);
}

/* An arena of many small blocks asks the system seldom. */
static void arena_is_cheap(void **state)
{
    (void)state;
    rs_fault_arm(RS_FAULT_ALLOC, 0);
    rs_arena *arena = rs_arena_new();
    for (int i = 0; i < 100000; i++)
        assert_non_null(rs_arena_calloc(arena, 1, 24));
    assert_true(rs_fault_count(RS_FAULT_ALLOC) < 20);
    rs_arena_free(arena);
}

/* Several allocations in a row, as any code of ours does them; true if all succeeded. */
static int five_allocations(void)
{
    char *a = rs_strdup("a"), *b = rs_format("%d", 1), *c = rs_calloc(3, 3);
    rs_arena *arena = rs_arena_new();
    char *d = arena != NULL ? rs_arena_strdup(arena, "d") : NULL;
    const int good = a != NULL && b != NULL && c != NULL && d != NULL;
    rs_free(a);
    rs_free(b);
    rs_free(c);
    rs_arena_free(arena);
    return good;
}

static void the_nth_allocation_fails(void **state)
{
    (void)state;
    for (uint64_t n = 1; n <= 5; n++) {
        rs_fault_arm(RS_FAULT_ALLOC, n);
        assert_false(five_allocations());
        assert_true(five_allocations()); /* only the n-th */
    }
    rs_fault_arm(RS_FAULT_ALLOC, 6);
    assert_true(five_allocations());
    assert_int_equal(rs_fault_count(RS_FAULT_ALLOC), 5);
    rs_fault_arm(RS_FAULT_ALLOC, 0);

    rs_fault_arm(RS_FAULT_ALLOC, 2);
    char *block = rs_calloc(4, 1);
    memcpy(block, "abc", 4);
    assert_null(rs_recalloc(block, 4, 8, 1));
    assert_string_equal(block, "abc");
    rs_free(block);
    rs_fault_arm(RS_FAULT_ALLOC, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_zeroed_and_aligned), cmocka_unit_test(sizes_that_overflow_are_refused),
        cmocka_unit_test(recalloc_keeps_and_zeroes),     cmocka_unit_test(strings),
        cmocka_unit_test(arena_blocks_do_not_overlap),   cmocka_unit_test(arena_is_cheap),
        cmocka_unit_test(the_nth_allocation_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
