/* A hash of 64 bits over a sequence of values: tells whether files and inputs are those of an earlier run. It does not
 * resist somebody who looks for collisions. The values depend on the byte order of the machine. */
#ifndef RISTRETTO_BASE_HASH_H
#define RISTRETTO_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* Each function continues from hash h and returns the hash of all that came before, followed by the value. Start from
 * any number. */
uint64_t rs_hash_number(uint64_t h, int64_t x);
uint64_t rs_hash_real(uint64_t h, double x);
/* Their number counts too: two texts one after the other differ from their concatenation. */
uint64_t rs_hash_bytes(uint64_t h, const void *data, size_t n);
uint64_t rs_hash_text(uint64_t h, const char *text);

#endif
