/* Located messages: kept, printed, and words that were meant. */
#include "base/diag.h"

#include <assert.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/text.h"

/* A hostile file can be wrong in a million places, or hold a name of a megabyte: what is kept and printed is bounded.
 */
enum { MAX_MESSAGES = 200, MAX_TEXT = 4000 };

struct rs_diag {
    rs_message *messages;
    size_t n, capacity;
    size_t errors;        /* all of them, also those that are not kept */
    size_t warnings_lost; /* beyond MAX_MESSAGES */
    size_t errors_lost;
    rs_status first;
    bool short_of_memory; /* a message could not be stored: `fallback` stands for it */
    rs_message fallback;
};

static const char fallback_text[] = "out of memory";

/* What rs_diag_new gives when there is no memory even for an rs_diag: it keeps no message but the fixed one. */
static rs_diag emergency;

rs_diag *rs_diag_new(void)
{
    rs_diag *diag = RS_NEW(rs_diag);
    return diag != NULL ? diag : &emergency;
}

static void forget(rs_diag *diag)
{
    assert(diag->n == 0 || diag->messages != NULL);
    for (size_t i = 0; i < diag->n; i++) {
        rs_free((char *)diag->messages[i].loc.file);
        rs_free((char *)diag->messages[i].text);
        rs_free((char *)diag->messages[i].hint);
    }
    diag->n = 0;
    diag->errors_lost = diag->warnings_lost = 0;
    diag->short_of_memory = false;
}

void rs_diag_free(rs_diag *diag)
{
    if (diag == NULL)
        return;
    forget(diag);
    if (diag == &emergency) {
        diag->errors = 0;
        diag->first = RS_OK;
        return;
    }
    rs_free(diag->messages);
    rs_free(diag);
}

static bool store(rs_diag *diag, rs_severity severity, rs_status status, rs_loc loc, const char *hint,
                  const char *format, va_list arguments)
{
    if (diag == &emergency)
        return false;
    rs_message *grown = rs_grow(diag->messages, diag->n, &diag->capacity, sizeof *grown);
    if (grown == NULL)
        return false;
    diag->messages = grown;
    char *text = rs_vformat(format, arguments);
    char *file = loc.file != NULL ? rs_strdup(loc.file) : NULL;
    char *hint_copy = hint != NULL ? rs_strdup(hint) : NULL;
    if (text == NULL || (loc.file != NULL && file == NULL) || (hint != NULL && hint_copy == NULL)) {
        rs_free(text);
        rs_free(file);
        rs_free(hint_copy);
        return false;
    }
    diag->messages[diag->n++] = (rs_message) {
        .severity = severity,
        .status = status,
        .loc = { file, loc.line, loc.column },
        .text = text,
        .hint = hint_copy,
    };
    return true;
}

/* The name in brackets: see the end of these declarations in diag.h. */
rs_status(rs_error)(rs_diag *diag, rs_status status, rs_loc loc, const char *hint, const char *format, ...)
{
    if (diag == NULL)
        return status;
    if (diag->errors++ == 0)
        diag->first = status;
    if (diag->n >= MAX_MESSAGES) {
        diag->errors_lost++;
        return status;
    }
    va_list arguments;
    va_start(arguments, format);
    if (!store(diag, RS_ERROR, status, loc, hint, format, arguments) && !diag->short_of_memory) {
        diag->short_of_memory = true;
        diag->fallback = (rs_message) { RS_ERROR, status, RS_NOWHERE, fallback_text, NULL };
    }
    va_end(arguments);
    return status;
}

void rs_warn(rs_diag *diag, rs_loc loc, const char *hint, const char *format, ...)
{
    if (diag == NULL)
        return;
    if (diag->n >= MAX_MESSAGES) {
        diag->warnings_lost++;
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    if (!store(diag, RS_WARNING, RS_OK, loc, hint, format, arguments))
        diag->warnings_lost++;
    va_end(arguments);
}

rs_status(rs_out_of_memory)(rs_diag *diag)
{
    return rs_error(diag, RS_RESOURCE, RS_NOWHERE, NULL, "%s", fallback_text);
}

size_t rs_diag_errors(const rs_diag *diag)
{
    return diag != NULL ? diag->errors : 0;
}

rs_status rs_diag_status(const rs_diag *diag)
{
    return diag != NULL ? diag->first : RS_OK;
}

const rs_message *rs_diag_message(const rs_diag *diag, size_t i)
{
    if (diag == NULL)
        return NULL;
    if (i < diag->n)
        return &diag->messages[i];
    return i == diag->n && diag->short_of_memory ? &diag->fallback : NULL;
}

static bool wants_color(FILE *stream)
{
    const char *no_color = getenv("NO_COLOR");
    const char *terminal = getenv("TERM");
    const int fd = fileno(stream);
    return (no_color == NULL || no_color[0] == '\0') && terminal != NULL && strcmp(terminal, "dumb") != 0 && fd >= 0 &&
           isatty(fd);
}

static void print_message(const rs_message *m, bool color, FILE *stream)
{
    static const char *const names[] = { [RS_NOTE] = "note", [RS_WARNING] = "warning", [RS_ERROR] = "error" };
    static const char *const colors[] = {
        [RS_NOTE] = "\033[1;36m", [RS_WARNING] = "\033[1;35m", [RS_ERROR] = "\033[1;31m"
    };
    if (m->loc.file != NULL) {
        rs_text_print(m->loc.file, MAX_TEXT, stream);
        if (m->loc.line > 0)
            fprintf(stream, ":%d", m->loc.line);
        if (m->loc.line > 0 && m->loc.column > 0)
            fprintf(stream, ":%d", m->loc.column);
        fputs(": ", stream);
    }
    fprintf(stream, "%s%s:%s ", color ? colors[m->severity] : "", names[m->severity], color ? "\033[0m" : "");
    rs_text_print(m->text, MAX_TEXT, stream);
    putc('\n', stream);
    if (m->hint != NULL) {
        fprintf(stream, "%shint:%s ", color ? "\033[1;32m" : "", color ? "\033[0m" : "");
        rs_text_print(m->hint, MAX_TEXT, stream);
        putc('\n', stream);
    }
}

void rs_diag_print(rs_diag *diag, FILE *stream)
{
    if (diag == NULL)
        return;
    const bool color = wants_color(stream);
    const rs_message *m;
    for (size_t i = 0; (m = rs_diag_message(diag, i)) != NULL; i++)
        print_message(m, color, stream);
    if (diag->errors_lost > 0)
        fprintf(stream, "... and %zu more errors\n", diag->errors_lost);
    if (diag->warnings_lost > 0)
        fprintf(stream, "... and %zu more warnings\n", diag->warnings_lost);
    forget(diag);
}

/* Distance with insertions, deletions, substitutions and swaps of neighbours ("optimal string alignment"), without
 * case. Words longer than MAX_WORD are never near. */
enum { MAX_WORD = 63 };

static int lower(char c)
{
    return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c;
}

static size_t edit_distance(const char *a, size_t na, const char *b, size_t nb)
{
    size_t rows[3][MAX_WORD + 1];
    size_t *before = rows[0], *last = rows[1], *row = rows[2];
    for (size_t j = 0; j <= nb; j++)
        last[j] = j;
    for (size_t i = 1; i <= na; i++) {
        row[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            const bool same = lower(a[i - 1]) == lower(b[j - 1]);
            size_t best = last[j - 1] + (same ? 0 : 1);
            if (last[j] + 1 < best)
                best = last[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) && lower(a[i - 2]) == lower(b[j - 1]) &&
                before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            row[j] = best;
        }
        size_t *oldest = before;
        before = last;
        last = row;
        row = oldest;
    }
    return last[nb];
}

const char *rs_nearest(const char *word, const char *const *candidates, size_t n)
{
    const size_t length = strnlen(word, MAX_WORD + 1);
    if (length > MAX_WORD)
        return NULL;
    const char *nearest = NULL;
    size_t best = length / 3 + 1; /* a word of 3 letters may have one wrong, of 6 two, ... */
    for (size_t i = 0; i < n; i++) {
        const size_t other = strnlen(candidates[i], MAX_WORD + 1);
        if (other > MAX_WORD)
            continue;
        const size_t distance = edit_distance(word, length, candidates[i], other);
        /* Something must be left of the word: 'x' is not near 'y'. */
        if (distance <= best && distance < length && (nearest == NULL || distance < best)) {
            nearest = candidates[i];
            best = distance;
        }
    }
    return nearest;
}
