/* Tables, printed as aligned text or as HTML. */
#include "report/table.h"

#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "report/svg.h"

enum { MAX_COLUMNS = 16 };

struct rs_table {
    int columns;
    char align[MAX_COLUMNS];
    const char *heads[MAX_COLUMNS]; /* the caller's */
    size_t n, capacity;             /* cells */
    char **cells;
    size_t n_rules;
    size_t rules[16]; /* rows before which a line is drawn */
    bool failed;
};

rs_table *rs_table_new(const char *const *heads, int n, const char *align)
{
    rs_table *t = n <= MAX_COLUMNS ? RS_NEW(rs_table) : NULL;
    if (t == NULL)
        return NULL;
    t->columns = n;
    for (int i = 0; i < n; i++) {
        t->align[i] = align[i];
        t->heads[i] = heads[i];
    }
    return t;
}

void rs_table_free(rs_table *t)
{
    if (t == NULL)
        return;
    for (size_t i = 0; i < t->n; i++)
        rs_free(t->cells[i]);
    rs_free(t->cells);
    rs_free(t);
}

void rs_table_cell(rs_table *t, const char *format, ...)
{
    if (t == NULL || t->failed)
        return;
    char **grown = rs_grow(t->cells, t->n, &t->capacity, sizeof *grown);
    if (grown == NULL) {
        t->failed = true;
        return;
    }
    t->cells = grown;
    va_list arguments;
    va_start(arguments, format);
    char *text = rs_vformat(format, arguments);
    va_end(arguments);
    if (text == NULL)
        t->failed = true;
    else
        t->cells[t->n++] = text;
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

static void print_row(const rs_table *t, const char *const *cells, const int *widths, FILE *stream)
{
    int spaces = 0; /* owed before the next text: none at the end of the line */
    for (int i = 0; i < t->columns; i++) {
        const int gap = widths[i] - width(cells[i]);
        const bool right = t->align[i] == 'r';
        spaces += 2 + (right ? gap : 0);
        if (cells[i][0] != '\0') {
            fprintf(stream, "%*s", spaces, "");
            rs_text_print(cells[i], 0, stream); /* names are strangers' */
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

/* Is there a line before row r? */
static bool has_rule(const rs_table *t, size_t r)
{
    for (size_t k = 0; k < t->n_rules; k++)
        if (t->rules[k] == r)
            return true;
    return false;
}

void rs_table_print(const rs_table *t, FILE *stream)
{
    if (t == NULL || t->failed) {
        fputs("  (out of memory)\n", stream);
        return;
    }
    int widths[MAX_COLUMNS] = { 0 };
    const size_t columns = (size_t)t->columns, rows = t->n / columns;
    for (size_t i = 0; i < columns; i++) {
        widths[i] = width(t->heads[i]);
        for (size_t r = 0; r < rows; r++) {
            const int w = width(t->cells[r * columns + i]);
            widths[i] = w > widths[i] ? w : widths[i];
        }
    }
    print_row(t, t->heads, widths, stream);
    print_line(t, widths, stream);
    for (size_t r = 0; r < rows; r++) {
        if (has_rule(t, r))
            print_line(t, widths, stream);
        print_row(t, (const char *const *)(t->cells + r * columns), widths, stream);
    }
}

bool rs_table_html(const rs_table *t, FILE *stream)
{
    if (t == NULL || t->failed) {
        fputs("<p>(out of memory)</p>\n", stream);
        return false;
    }
    const size_t columns = (size_t)t->columns, rows = t->n / columns;
    fputs("<div class=\"wide\"><table><thead><tr>", stream);
    for (size_t i = 0; i < columns; i++) {
        fputs(t->align[i] == 'l' ? "<th class=\"l\">" : "<th>", stream);
        rs_html_text(t->heads[i], stream);
        fputs("</th>", stream);
    }
    fputs("</tr></thead><tbody>\n", stream);
    for (size_t r = 0; r < rows; r++) {
        fputs(has_rule(t, r) ? "<tr class=\"sum\">" : "<tr>", stream);
        for (size_t i = 0; i < columns; i++) {
            const char *text = t->cells[r * columns + i];
            fputs(t->align[i] == 'l' ? "<td class=\"l\">" : "<td>", stream);
            rs_html_text(text, stream);
            fputs("</td>", stream);
        }
        fputs("</tr>\n", stream);
    }
    fputs("</tbody></table></div>\n", stream);
    return true;
}
