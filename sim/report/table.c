#include "report/table.h"

#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include "base/memory.h"

enum { MOST_COLUMNS = 16, CELL = 64 };

typedef struct table_cell {
    char text[CELL];
} table_cell;

struct rs_table {
    int columns;
    char align[MOST_COLUMNS];
    table_cell heads[MOST_COLUMNS];
    size_t n, room; /* cells */
    table_cell *cells;
    size_t n_rules;
    size_t rules[16]; /* rows before which a line is drawn */
    bool failed;
};

rs_table *rs_table_new(const char *const *heads, int n, const char *align)
{
    rs_table *t = n <= MOST_COLUMNS ? RS_NEW(rs_table) : NULL;
    if (t == NULL)
        return NULL;
    t->columns = n;
    for (int i = 0; i < n; i++) {
        t->align[i] = align[i];
        snprintf(t->heads[i].text, CELL, "%s", heads[i]);
    }
    return t;
}

void rs_table_free(rs_table *t)
{
    if (t == NULL)
        return;
    rs_free(t->cells);
    rs_free(t);
}

void rs_table_cell(rs_table *t, const char *format, ...)
{
    if (t == NULL || t->failed)
        return;
    if (t->n == t->room) {
        const size_t room = t->room == 0 ? 64 : 2 * t->room;
        table_cell *grown = rs_recalloc(t->cells, t->room, room, sizeof *grown);
        if (grown == NULL) {
            t->failed = true;
            return;
        }
        t->cells = grown;
        t->room = room;
    }
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(t->cells[t->n++].text, CELL, format, arguments);
    va_end(arguments);
}

void rs_table_rule(rs_table *t)
{
    if (t != NULL && t->n_rules < sizeof t->rules / sizeof t->rules[0])
        t->rules[t->n_rules++] = t->n / (size_t)t->columns;
}

/* Columns of a terminal that the text takes: bytes that go on a UTF-8 character take none. */
static int width(const char *text)
{
    int n = 0;
    for (; *text != '\0'; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

static void print_row(const rs_table *t, const table_cell *cells, const int *widths, FILE *stream)
{
    int spaces = 0; /* owed before the next text: none at the end of the line */
    for (int i = 0; i < t->columns; i++) {
        const int gap = widths[i] - width(cells[i].text);
        const bool right = t->align[i] == 'r';
        spaces += 2 + (right ? gap : 0);
        if (cells[i].text[0] != '\0') {
            fprintf(stream, "%*s%s", spaces, "", cells[i].text);
            spaces = 0;
        }
        spaces += right ? 0 : gap;
    }
    putc('\n', stream);
}

static void print_line(const rs_table *t, const int *widths, FILE *stream)
{
    fputs("  ", stream);
    for (int i = 0; i < t->columns; i++)
        for (int k = 0; k < widths[i] + (i > 0 ? 2 : 0); k++)
            putc('-', stream);
    putc('\n', stream);
}

void rs_table_print(const rs_table *t, FILE *stream)
{
    if (t == NULL || t->failed) {
        fputs("  (out of memory)\n", stream);
        return;
    }
    int widths[MOST_COLUMNS] = { 0 };
    const size_t columns = (size_t)t->columns, rows = t->n / columns;
    for (size_t i = 0; i < columns; i++) {
        widths[i] = width(t->heads[i].text);
        for (size_t r = 0; r < rows; r++) {
            const int w = width(t->cells[r * columns + i].text);
            widths[i] = w > widths[i] ? w : widths[i];
        }
    }
    print_row(t, t->heads, widths, stream);
    print_line(t, widths, stream);
    for (size_t r = 0; r < rows; r++) {
        for (size_t k = 0; k < t->n_rules; k++)
            if (t->rules[k] == r)
                print_line(t, widths, stream);
        print_row(t, t->cells + r * columns, widths, stream);
    }
}
