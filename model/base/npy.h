/* NumPy arrays (.npy): https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html, versions 1.0, 2.0 and
 * 3.0. */
#ifndef RISTRETTO_BASE_NPY_H
#define RISTRETTO_BASE_NPY_H

#include "base/diag.h"
#include "base/file.h"

enum { RS_NPY_MAX_AXES = 8 };

/* Elements in C order, little endian. kind: 'i' signed, 'u' unsigned integer, 'f' float, as in NumPy; size: bytes of
 * an element. */
typedef struct rs_npy {
    char kind;
    int size;
    int n_axes;
    int64_t dim[RS_NPY_MAX_AXES];
    int64_t count; /* elements: the product of dim */
    uint8_t *data;
} rs_npy;

/* Reads i1 i2 i4 i8 u1 u2 u4 f4 f8, little endian, C order; anything else, a header that does not parse, and data that
 * is shorter or longer than the shape says is RS_BAD_INPUT, located at the byte. *crc (may be NULL): CRC-32 of the
 * file. */
rs_status rs_npy_read(const char *path, size_t max_bytes, rs_npy *array, uint32_t *crc, rs_diag *diag);
/* The same from memory; `path` names it in messages. */
rs_status rs_npy_parse(const char *path, const uint8_t *bytes, size_t size, rs_npy *array, rs_diag *diag);
void rs_npy_free(rs_npy *array);

/* An array that is read piece by piece, in order: it need not fit into memory. */
typedef struct rs_npy_reader rs_npy_reader;
/* Reads the header. *array says what the file holds, without data. Errors as above; a file whose size does not suit its
 * shape is found here, a pipe's when it ends. */
rs_status rs_npy_open(const char *path, rs_npy_reader **reader, rs_npy *array, rs_diag *diag);
/* The next n elements as floats: nearest, for types that hold more. RS_BAD_INPUT: the file ends before them. */
rs_status rs_npy_read_floats(rs_npy_reader *reader, float *values, int64_t n, rs_diag *diag);
void rs_npy_close(rs_npy_reader *reader);

/* Element i of an array of integers; of a float array the nearest is the caller's business: rs_npy_real. */
int64_t rs_npy_integer(const rs_npy *array, int64_t i);
double rs_npy_real(const rs_npy *array, int64_t i);

/* Bytes of the smallest signed integer type that holds `bits` bits: 1, 2, 4 or 8. */
int rs_npy_integer_size(int bits);
/* The header of a version 1.0 file; `type` as NumPy writes it ("<i4"). rs_free releases *bytes. */
rs_status rs_npy_header(const char *type, int n_axes, const int64_t *dim, uint8_t **bytes, size_t *n_bytes,
                        rs_diag *diag);
/* The bytes of a version 1.0 file of signed integers of `size` bytes; `values` must fit. The same values give the same
 * bytes. rs_free releases *bytes. */
rs_status rs_npy_encode(const int64_t *values, int size, int n_axes, const int64_t *dim, uint8_t **bytes,
                        size_t *n_bytes, rs_diag *diag);

#endif
