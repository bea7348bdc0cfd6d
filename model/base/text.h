/* Numbers as people read them. */
#ifndef RISTRETTO_BASE_TEXT_H
#define RISTRETTO_BASE_TEXT_H

#include <stdint.h>

/* 1234567 as "1,234,567"; `buffer` has 32 bytes. */
enum { RS_COUNT_TEXT = 32 };
const char *rs_count_text(int64_t n, char *buffer);

#endif
