/* Lists of words: arguments of commands, files of a design. */
#include "verilate/words.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

void rs_words_add(rs_words *words, const char *text)
{
    const char *copy = words->n < RS_MAX_WORDS ? rs_arena_strdup(words->arena, text) : NULL;
    if (copy == NULL)
        words->failed = true;
    else
        words->items[words->n++] = copy;
    words->items[words->n] = NULL;
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
    return words->failed ? rs_out_of_memory(diag) : RS_OK;
}

int rs_words_order(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
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
    qsort(&words->items[first], words->n - first, sizeof words->items[0], rs_words_order);
    return rs_words_status(words, diag);
}
