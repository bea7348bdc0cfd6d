/* Lists of words: arguments of commands, files of a design. */
#include "verilate/words.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Makes room for one more, and for the NULL after it. */
static bool make_room(rs_words *words)
{
    if (words->n >= RS_MAX_WORDS)
        return false;
    if (words->n + 1 < words->capacity)
        return true;
    const size_t capacity = words->capacity > 0 ? 2 * words->capacity : 32;
    const char **items = rs_arena_calloc(words->arena, capacity, sizeof *items);
    if (items == NULL)
        return false;
    if (words->n > 0)
        memcpy(items, words->items, words->n * sizeof *items);
    words->items = items;
    words->capacity = capacity;
    return true;
}

void rs_words_add(rs_words *words, const char *text)
{
    const char *copy = make_room(words) ? rs_arena_strdup(words->arena, text) : NULL;
    if (copy == NULL)
        words->failed = true;
    else
        words->items[words->n++] = copy;
}

void rs_words_format(rs_words *words, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *text = rs_vformat(format, arguments);
    va_end(arguments);
    if (text == NULL)
        words->failed = true;
    else
        rs_words_add(words, text);
    rs_free(text);
}

void rs_words_add_all(rs_words *words, const char *const *texts)
{
    for (size_t i = 0; texts != NULL && texts[i] != NULL; i++)
        rs_words_add(words, texts[i]);
}

rs_status rs_words_status(const rs_words *words, rs_diag *diag)
{
    if (words->failed && words->n >= RS_MAX_WORDS)
        return rs_error(diag, RS_BAD_INPUT, RS_NOWHERE, NULL, "a design has more than %d files and options",
                        (int)RS_MAX_WORDS);
    return words->failed ? rs_out_of_memory(diag) : RS_OK;
}

static int order(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void rs_words_sort(rs_words *words, size_t first)
{
    if (words->n > first)
        qsort(&words->items[first], words->n - first, sizeof words->items[0], order);
}

bool rs_has_suffix(const char *name, const char *suffix)
{
    const size_t n = strlen(name), m = strlen(suffix);
    return n > m && strcmp(name + n - m, suffix) == 0;
}

rs_status rs_words_add_design(rs_words *words, const char *folder, rs_diag *diag)
{
    static const char *const endings[] = { ".sv", ".svh", ".vlt", ".v", ".vh" };
    DIR *dir = opendir(folder);
    if (dir == NULL)
        return rs_error(diag, RS_BAD_INPUT, RS_FILE(folder), NULL, "cannot be read: %s", strerror(errno));
    const size_t first = words->n;
    const struct dirent *entry;
    while ((entry = readdir(dir)) != NULL)
        for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++)
            if (rs_has_suffix(entry->d_name, endings[i]))
                rs_words_format(words, "%s/%s", folder, entry->d_name);
    closedir(dir);
    rs_words_sort(words, first);
    return rs_words_status(words, diag);
}
