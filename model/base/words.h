/* Words that stand for values of an enumeration, said once: options, keys of files and messages use the same table. */
#ifndef RISTRETTO_BASE_WORDS_H
#define RISTRETTO_BASE_WORDS_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rs_word {
    const char *name; /* a table ends with NULL */
    int value;
    const char *doc; /* what it means, or NULL */
} rs_word;

/* The word for a value; "?" if the table has none. */
const char *rs_word_name(const rs_word *words, int value);
/* The value of a word. False: the table does not hold it, and *value stays. */
bool rs_word_find(const rs_word *words, const char *name, int *value);

/* Word i of `first` (one word, or NULL) followed by `words` (a table, or NULL); NULL past the end. So that a word such
 * as "auto" can stand in front of a table that others use without it. */
const rs_word *rs_word_nth(const rs_word *first, const rs_word *words, size_t i);

#ifdef __cplusplus
}
#endif
#endif
