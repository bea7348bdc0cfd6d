/* A hash of 64 bits over a sequence of values: splitmix64's mix, chained over words of eight bytes. */
#include "base/hash.h"

#include <string.h>

#include "base/rng.h"

uint64_t rs_hash_number(uint64_t h, int64_t x)
{
    return rs_mix64(h ^ (uint64_t)x);
}

uint64_t rs_hash_real(uint64_t h, double x)
{
    return rs_hash_bytes(h, &x, sizeof x);
}

uint64_t rs_hash_bytes(uint64_t h, const void *data, size_t n)
{
    const uint8_t *bytes = data;
    h = rs_mix64(h ^ n);
    for (; n >= sizeof h; n -= sizeof h, bytes += sizeof h) {
        uint64_t word;
        memcpy(&word, bytes, sizeof word);
        h = rs_mix64(h ^ word);
    }
    uint64_t last = 0;
    for (size_t i = 0; i < n; i++)
        last |= (uint64_t)bytes[i] << (8 * i);
    return rs_mix64(h ^ last);
}

uint64_t rs_hash_text(uint64_t h, const char *text)
{
    return rs_hash_bytes(h, text, strlen(text));
}
