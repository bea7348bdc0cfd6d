/* Caffe's Datum, the record of its databases (a protocol buffer message). Used inside data/. */
#ifndef RISTRETTO_DATA_DATUM_H
#define RISTRETTO_DATA_DATUM_H

#include "net/net.h"

typedef struct rs_datum {
    int32_t channels, height, width, label;
    bool encoded;         /* data is a JPEG or PNG file */
    bool has_floats;      /* pixels are floats, which are not read here */
    uint64_t data, bytes; /* where the pixels lie in the record, and how many bytes they take */
} rs_datum;

/* Copies bytes [offset, offset + n) of a record; false: they cannot be had. */
typedef bool rs_datum_reader(void *context, uint64_t offset, size_t n, uint8_t *to);

/* Walks through the fields of a record of `size` bytes; pixels are passed over, not read. NULL, or what is wrong, with
 * the byte at which it is in *at. Whether the sizes agree is rs_datum_check's business. */
const char *rs_datum_walk(rs_datum_reader *read, void *context, uint64_t size, rs_datum *datum, uint64_t *at);

/* NULL, or what is wrong with the sizes. */
const char *rs_datum_check(const rs_datum *datum);

/* The fields before and behind the pixels of a raw Datum; the record is `before`, the pixels, `behind`. Lengths are
 * returned. */
enum { RS_DATUM_PART = 64 };
size_t rs_datum_before(const rs_datum *datum, uint8_t before[RS_DATUM_PART]);
size_t rs_datum_behind(const rs_datum *datum, uint8_t behind[RS_DATUM_PART]);

#endif
