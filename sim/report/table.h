/* Tables, printed as aligned text or as HTML. */
#ifndef RISTRETTO_REPORT_TABLE_H
#define RISTRETTO_REPORT_TABLE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/text.h"

typedef struct rs_table rs_table;

/* `heads`: the columns' headings, n of them, which outlive the table; `align`: 'l' or 'r' for each column. NULL: no
 * memory (the other functions accept that). */
rs_table *rs_table_new(const char *const *heads, int n, const char *align);
void rs_table_free(rs_table *table);
/* The next cell, row by row. */
void rs_table_cell(rs_table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A line across before the next row. */
void rs_table_rule(rs_table *table);
/* Indented by two spaces. A table for which memory was short says so. */
void rs_table_print(const rs_table *table, FILE *stream);
/* A row with a line before it is a sum. */
bool rs_table_html(const rs_table *table, FILE *stream); /* false: memory was short, and it is not all there */

#endif
