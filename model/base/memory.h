/* Memory. Sizes are checked for overflow before anything is asked for. */
#ifndef RISTRETTO_BASE_MEMORY_H
#define RISTRETTO_BASE_MEMORY_H

#include <stdarg.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* count * size bytes, zeroed and aligned to 64 bytes (so that vector kernels may rely on it); NULL if the product
 * overflows or memory is short. rs_free releases it; rs_free(NULL) does nothing. An empty block is not NULL.
 * Environment variable RISTRETTO_FAIL_ALLOC=n makes the n-th call of the process fail (fault injection for tests). */
void *rs_calloc(size_t count, size_t size);
/* Grows or shrinks a block of rs_calloc; what is new is zeroed. The old block stays valid on failure. */
void *rs_recalloc(void *block, size_t old_count, size_t new_count, size_t size);
/* Room for one more element in an array of rs_calloc with *capacity elements of `size` bytes, `count` of them in use:
 * the array itself, or if it is full one of twice the length, *capacity raised. NULL: memory is short, the old array
 * stays valid. An empty array may be NULL with a capacity of 0. */
void *rs_grow(void *array, size_t count, size_t *capacity, size_t size);
char *rs_strdup(const char *text);
char *rs_strndup(const char *text, size_t n);
/* printf into a block of its own; NULL if memory is short. */
char *rs_format(const char *format, ...) __attribute__((format(printf, 1, 2)));
char *rs_vformat(const char *format, va_list arguments) __attribute__((format(printf, 1, 0)));
void rs_free(void *block);

#define RS_NEW(type) ((type *)rs_calloc(1, sizeof(type)))
#define RS_NEW_ARRAY(type, count) ((type *)rs_calloc((size_t)(count), sizeof(type))) /* count < 0: NULL */

/* An arena: many small blocks with one lifetime, zeroed and aligned to 16 bytes. Not for several threads at once. */
typedef struct rs_arena rs_arena;
rs_arena *rs_arena_new(void);
void rs_arena_free(rs_arena *arena);
void *rs_arena_calloc(rs_arena *arena, size_t count, size_t size);
char *rs_arena_strdup(rs_arena *arena, const char *text);

#ifdef __cplusplus
}
#endif
#endif
