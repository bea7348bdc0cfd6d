/* Parses numbers and truth values. */
#include "config/scalar.h"

#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool rs_parse_int(const char *text, int64_t *value)
{
    const char *p = text + (text[0] == '-' || text[0] == '+');
    if (*p == '\0')
        return false;
    for (const char *q = p; *q != '\0'; q++)
        if (!is_digit(*q))
            return false;
    errno = 0;
    const long long v = strtoll(text, NULL, 10);
    if (errno != 0)
        return false;
    *value = v;
    return true;
}

bool rs_parse_real(const char *text, double *value)
{
    /* strtod alone would also take hexadecimal, "inf", "nan" and leading spaces. */
    if (text[0] == '\0' || text[strspn(text, "0123456789+-.eE")] != '\0' || strpbrk(text, "0123456789") == NULL)
        return false;
    char *end = NULL;
    const double v = strtod(text, &end);
    if (*end != '\0' || !isfinite(v))
        return false;
    *value = v;
    return true;
}

bool rs_parse_bool(const char *text, bool *value)
{
    static const char *const words[] = { "false", "true", "no", "yes", "off", "on" };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcasecmp(text, words[i]) == 0) {
            *value = i % 2 == 1;
            return true;
        }
    }
    return false;
}

const char *rs_real_text(double value, char *buffer, int size)
{
    if (fabs(value) <= 9007199254740992.0 && value == trunc(value)) {
        snprintf(buffer, (size_t)size, "%.0f", value);
        return buffer;
    }
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(buffer, (size_t)size, "%.*g", digits, value);
        if (strtod(buffer, NULL) == value)
            break;
    }
    return buffer;
}
