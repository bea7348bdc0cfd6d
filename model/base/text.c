/* Numbers as people read them. */
#include "base/text.h"

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
