/* Tables of words. */
#include "base/words.h"

#include <string.h>

const char *rs_word_name(const rs_word *words, int value)
{
    while (words->name != NULL && words->value != value)
        words++;
    return words->name != NULL ? words->name : "?";
}

bool rs_word_find(const rs_word *words, const char *name, int *value)
{
    while (words->name != NULL && strcmp(words->name, name) != 0)
        words++;
    if (words->name == NULL)
        return false;
    *value = words->value;
    return true;
}

const rs_word *rs_word_nth(const rs_word *first, const rs_word *words, size_t i)
{
    if (first != NULL && i-- == 0)
        return first;
    for (; words != NULL && words->name != NULL; words++)
        if (i-- == 0)
            return words;
    return NULL;
}
