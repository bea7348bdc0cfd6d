/* Numbers as people read them, and strangers' text where people read it. */
#ifndef RISTRETTO_BASE_TEXT_H
#define RISTRETTO_BASE_TEXT_H

#include <stdint.h>
#include <stdio.h>

/* 1234567 as "1,234,567"; `buffer` has 32 bytes. */
enum { RS_COUNT_TEXT = 32 };
const char *rs_count_text(int64_t n, char *buffer);

/* Text that may hold names from a stranger's file, for a terminal: control characters other than newline and tab, C1 in
 * UTF-8 among them, are written as \\x1b. Cut after `max` characters, with "..." (0: never). */
void rs_text_print(const char *text, size_t max, FILE *stream);

/* A cell of a CSV file, quoted where it must be (RFC 4180). A text that a spreadsheet would take for a formula, because
 * it begins with = + - @, gets an apostrophe in front. */
void rs_text_csv(const char *text, FILE *stream);

#endif
