/* Blocks of memory, zeroed and aligned; arenas. */
#include "base/memory.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/faults.h"

enum { ALIGNMENT = 64 };

/* False if count * size is more than any object may have (PTRDIFF_MAX). */
static bool byte_size(size_t count, size_t size, size_t *bytes)
{
    if (__builtin_mul_overflow(count, size, bytes) || *bytes > PTRDIFF_MAX - ALIGNMENT)
        return false;
    return true;
}

void *rs_calloc(size_t count, size_t size)
{
    size_t bytes;
    if (rs_fault_strikes(RS_FAULT_ALLOC) || !byte_size(count, size, &bytes))
        return NULL;
    void *block = NULL;
    /* An empty block is a block, so that NULL always means failure. */
    if (posix_memalign(&block, ALIGNMENT, bytes > 0 ? bytes : 1) != 0)
        return NULL;
    memset(block, 0, bytes > 0 ? bytes : 1);
    return block;
}

void *rs_recalloc(void *block, size_t old_count, size_t new_count, size_t size)
{
    void *grown = rs_calloc(new_count, size);
    if (grown == NULL)
        return NULL;
    const size_t kept = old_count < new_count ? old_count : new_count;
    if (block != NULL && kept * size > 0)
        memcpy(grown, block, kept * size);
    rs_free(block);
    return grown;
}

void *rs_grow(void *array, size_t count, size_t *capacity, size_t size)
{
    enum { FIRST = 64 };
    if (count < *capacity)
        return array;
    const size_t more = *capacity > 0 ? 2 * *capacity : FIRST;
    void *grown = rs_recalloc(array, *capacity, more, size);
    if (grown != NULL)
        *capacity = more;
    return grown;
}

char *rs_strdup(const char *text)
{
    return rs_strndup(text, SIZE_MAX);
}

char *rs_strndup(const char *text, size_t n)
{
    const size_t length = strnlen(text, n);
    char *copy = rs_calloc(length + 1, 1);
    if (copy != NULL)
        memcpy(copy, text, length);
    return copy;
}

char *rs_vformat(const char *format, va_list arguments)
{
    va_list again;
    va_copy(again, arguments);
    const int length = vsnprintf(NULL, 0, format, arguments);
    char *text = length < 0 ? NULL : rs_calloc((size_t)length + 1, 1);
    if (text != NULL)
        vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    return text;
}

char *rs_format(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *text = rs_vformat(format, arguments);
    va_end(arguments);
    return text;
}

void rs_free(void *block)
{
    free(block);
}

/* Blocks are cut from chunks that double in size, so that an arena costs few allocations whatever it holds. */
enum { FIRST_CHUNK = 4096, MAX_CHUNK = 1 << 20, ARENA_ALIGNMENT = 16 };

typedef struct memory_chunk {
    struct memory_chunk *next;
    size_t used, size;
    _Alignas(ARENA_ALIGNMENT) unsigned char bytes[];
} memory_chunk;

struct rs_arena {
    memory_chunk *chunks; /* the one that is being filled first */
    size_t next_size;
};

rs_arena *rs_arena_new(void)
{
    rs_arena *arena = RS_NEW(rs_arena);
    if (arena != NULL)
        arena->next_size = FIRST_CHUNK;
    return arena;
}

void rs_arena_free(rs_arena *arena)
{
    if (arena == NULL)
        return;
    for (memory_chunk *c = arena->chunks; c != NULL;) {
        memory_chunk *next = c->next;
        rs_free(c);
        c = next;
    }
    rs_free(arena);
}

void *rs_arena_calloc(rs_arena *arena, size_t count, size_t size)
{
    size_t bytes;
    if (!byte_size(count, size, &bytes))
        return NULL;
    /* Rounded up so that the next block is aligned; at least one unit, so that no two blocks share an address. */
    bytes = bytes == 0 ? ARENA_ALIGNMENT : (bytes + ARENA_ALIGNMENT - 1) / ARENA_ALIGNMENT * ARENA_ALIGNMENT;
    memory_chunk *c = arena->chunks;
    if (c == NULL || c->size - c->used < bytes) {
        const size_t room = bytes > arena->next_size ? bytes : arena->next_size;
        c = room > PTRDIFF_MAX - sizeof(memory_chunk) - ALIGNMENT ? NULL : rs_calloc(1, sizeof(memory_chunk) + room);
        if (c == NULL)
            return NULL;
        c->size = room;
        c->next = arena->chunks;
        arena->chunks = c;
        if (arena->next_size < MAX_CHUNK)
            arena->next_size *= 2;
    }
    void *block = c->bytes + c->used;
    c->used += bytes;
    return block;
}

char *rs_arena_strdup(rs_arena *arena, const char *text)
{
    const size_t length = strlen(text);
    char *copy = rs_arena_calloc(arena, length + 1, 1);
    if (copy != NULL)
        memcpy(copy, text, length);
    return copy;
}
