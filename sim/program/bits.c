/* Elements of arbitrary width in a string of bits, least significant bit first, as they lie in the beats of the memory.
 */
#include "program/program.h"

int32_t rs_bits_get(const uint8_t *memory, int64_t bit, int bits)
{
    const uint8_t *p = memory + (bit >> 3);
    const int offset = (int)(bit & 7);
    uint64_t word = 0;
    for (int i = 0; 8 * i < offset + bits; i++) /* at most five bytes */
        word |= (uint64_t)p[i] << (8 * i);
    return (int32_t)((int64_t)(word << (64 - offset - bits)) >> (64 - bits));
}

void rs_bits_put(uint8_t *memory, int64_t bit, int bits, int64_t value)
{
    uint8_t *p = memory + (bit >> 3);
    int offset = (int)(bit & 7);
    uint64_t rest = (uint64_t)value;
    while (bits > 0) {
        const int n = bits < 8 - offset ? bits : 8 - offset;
        const unsigned mask = ((1u << n) - 1) << offset;
        *p = (uint8_t)((*p & ~mask) | (((unsigned)(rest & 0xff) << offset) & mask));
        rest >>= n;
        bits -= n;
        offset = 0;
        p++;
    }
}
