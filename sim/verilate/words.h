/* A list of words, such as the arguments of a command; terminated by NULL, its texts in an arena. */
#ifndef RISTRETTO_VERILATE_WORDS_H
#define RISTRETTO_VERILATE_WORDS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/diag.h"
#include "base/memory.h"

enum { RS_MAX_WORDS = 1 << 16 };

/* Begins as { .arena = ... }. */
typedef struct rs_words {
    rs_arena *arena;
    size_t n, capacity;
    const char **items; /* NULL as long as there is none; moves when a word is added */
    bool failed;        /* memory ran short, or there were more than RS_MAX_WORDS: to be seen before the list is used */
} rs_words;

void rs_words_add(rs_words *words, const char *text);
void rs_words_format(rs_words *words, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A list that ends with NULL, or NULL. */
void rs_words_add_all(rs_words *words, const char *const *texts);
/* The design files in a folder (.sv, .svh, .v, .vh, .vlt), by name. RS_BAD_INPUT: it cannot be read, or holds more than
 * there can be. */
rs_status rs_words_add_design(rs_words *words, const char *folder, rs_diag *diag);
/* Sorts the words from number `first` on. */
void rs_words_sort(rs_words *words, size_t first);
/* RS_OK, or the error that `failed` stands for. */
rs_status rs_words_status(const rs_words *words, rs_diag *diag);

/* Whether a name is longer than its ending. */
bool rs_has_suffix(const char *name, const char *suffix);

#endif
