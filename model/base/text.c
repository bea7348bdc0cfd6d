/* Numbers as people read them. */
#include "base/text.h"

#include <stdbool.h>
#include <string.h>

#include <inttypes.h>
#include <stdio.h>

const char *rs_count_text(int64_t n, char *buffer)
{
    char digits[24];
    const int length = snprintf(digits, sizeof digits, "%" PRId64, n);
    int out = 0;
    for (int i = 0; i < length; i++) {
        buffer[out++] = digits[i];
        const int left = length - 1 - i;
        if (left > 0 && left % 3 == 0 && digits[i] != '-')
            buffer[out++] = ',';
    }
    buffer[out] = '\0';
    return buffer;
}

void rs_text_print(const char *text, size_t max, FILE *stream)
{
    size_t n = 0;
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
        if (max > 0 && ++n > max && (*p & 0xc0) != 0x80) {
            fputs("...", stream);
            return;
        }
        const bool c1 = p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0;
        if (c1)
            fprintf(stream, "\\x%02x", *++p);
        else if ((*p < 0x20 && *p != '\n' && *p != '\t') || *p == 0x7f)
            fprintf(stream, "\\x%02x", *p);
        else
            putc(*p, stream);
    }
}

void rs_text_csv(const char *text, FILE *stream)
{
    const bool formula = text[0] != '\0' && strchr("=+-@\t\r", text[0]) != NULL;
    if (!formula && text[strcspn(text, ",\"\r\n")] == '\0') {
        fputs(text, stream);
        return;
    }
    fputs(formula ? "\"'" : "\"", stream);
    for (; *text != '\0'; text++) {
        if (*text == '"')
            putc('"', stream);
        putc(*text, stream);
    }
    putc('"', stream);
}
