/* Reading and writing the members of qnet.json, for the rules of operations and kinds of numbers. Private to
 * model/qnet. A failure stays in `status`; what comes after it does no harm. */
#ifndef RISTRETTO_QNET_JSON_H
#define RISTRETTO_QNET_JSON_H

#include <jansson.h>
#include <stdio.h>

#include "base/file.h"
#include "base/npy.h"
#include "qnet/rule.h"

#define RS_QNET_FORMAT "ristretto qnet"
enum { RS_QNET_VERSION = 2 };
extern const char *const rs_qnet_bias_words[2]; /* by rs_bias_rule */

/* Output files of one folder. All of them are complete on disk under temporary names before the first takes its own. */
typedef struct rs_qnet_writer {
    const char *folder;
    int n;
    rs_output **file;
    rs_diag *diag;
    rs_status status;
} rs_qnet_writer;

/* Takes the reference to value. A value that could not be made, NULL, is a failure too. */
void rs_qnet_put(rs_qnet_writer *w, json_t *object, const char *key, json_t *value);
void rs_qnet_append(rs_qnet_writer *w, json_t *list, json_t *value);
void rs_qnet_put_pair(rs_qnet_writer *w, json_t *object, const char *key, int a, int b);
/* Opens file NAME. NULL: a failure. */
FILE *rs_qnet_add_output(rs_qnet_writer *w, const char *name);
/* Writes an array of integers of `size` bytes as file NAME; gives {"file": NAME, "crc32": ...}. */
json_t *rs_qnet_array_json(rs_qnet_writer *w, const char *name, const int64_t *values, int size, int n_axes,
                           const int64_t *dim);

typedef struct rs_qnet_reader {
    const char *folder;
    const char *path; /* of qnet.json */
    rs_diag *diag;
    rs_status status;
} rs_qnet_reader;

#define RS_QNET_MISREAD(r, hint, ...) \
    ((r)->status = rs_error((r)->diag, RS_BAD_INPUT, RS_FILE((r)->path), (hint), __VA_ARGS__))

/* `where` names the object in messages. Every key of the object must be one of `keys`. */
void rs_qnet_check_keys(rs_qnet_reader *r, const json_t *object, const char *where, const char *const *keys, size_t n);
/* A member of this type; NULL: it is missing or of another one. */
const json_t *rs_qnet_get(rs_qnet_reader *r, const json_t *object, const char *where, const char *key, json_type type,
                          const char *expected);
/* An integer within [min, max]; min if it is not there. */
int rs_qnet_get_integer(rs_qnet_reader *r, const json_t *object, const char *where, const char *key, int min, int max);
bool rs_qnet_get_boolean(rs_qnet_reader *r, const json_t *object, const char *where, const char *key);
float rs_qnet_get_real(rs_qnet_reader *r, const json_t *object, const char *where, const char *key);
/* A copy of a string; rs_free releases it. */
char *rs_qnet_get_text(rs_qnet_reader *r, const json_t *object, const char *where, const char *key);
/* The index of one of n words; 0 if it is none. */
int rs_qnet_get_choice(rs_qnet_reader *r, const json_t *object, const char *where, const char *key,
                       const char *const *words, int n);
/* Two integers from min on. */
void rs_qnet_get_pair(rs_qnet_reader *r, const json_t *object, const char *where, const char *key, int min, int *a,
                      int *b);
/* What an array of integers must be. */
typedef struct rs_qnet_array {
    int n_axes;
    const int64_t *dim;
    int64_t min, max;
} rs_qnet_array;
/* The array that the member names; rs_npy_free releases it if true is returned. */
bool rs_qnet_get_array(rs_qnet_reader *r, const json_t *object, const char *where, const char *key,
                       const rs_qnet_array *expected, rs_npy *array);
/* The kind of numbers that the member names. */
void rs_qnet_read_number(rs_qnet_reader *r, const json_t *object, const char *where, const char *key,
                         rs_number_format *format);

#endif
