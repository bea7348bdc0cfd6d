/* Located messages. A function that can fail takes an rs_diag and returns an rs_status;
 * it adds one message for each thing that is wrong, so that a user sees all errors of a file at once.
 *
 * Printed form (color on a terminal unless NO_COLOR is set):
 *     file:line:column: error: what is wrong, what was expected
 *     hint: what to do about it
 */
#ifndef RISTRETTO_BASE_DIAG_H
#define RISTRETTO_BASE_DIAG_H

#include <stddef.h>
#include <stdio.h>

#include "base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A place in a file. line and column count from 1; 0 means unknown and is not printed. file NULL: no place. */
typedef struct rs_loc {
    const char *file;
    int line;
    int column;
} rs_loc;

#define RS_NOWHERE ((rs_loc) { NULL, 0, 0 })
#define RS_FILE(path) ((rs_loc) { (path), 0, 0 })

typedef enum rs_severity { RS_NOTE, RS_WARNING, RS_ERROR } rs_severity;

typedef struct rs_diag rs_diag;

/* Messages are kept until printed. NULL is accepted by every function below and drops the message.
 * One thread at a time may use an rs_diag. rs_diag_new never gives NULL: without memory it gives an object that keeps
 * no more than a fixed "out of memory". At most 200 messages are kept; the rest is counted ("... and 17 more errors").
 */
rs_diag *rs_diag_new(void);
void rs_diag_free(rs_diag *diag);

/* Adds an error and returns `status`, so that a caller can write `return rs_error(...)`.
 * `hint` may be NULL. The strings are copied. If memory for the message cannot be had,
 * a fixed text takes its place: an error is never lost. */
rs_status rs_error(rs_diag *diag, rs_status status, rs_loc loc, const char *hint, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
void rs_warn(rs_diag *diag, rs_loc loc, const char *hint, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* RS_RESOURCE with the standard out-of-memory message. */
rs_status rs_out_of_memory(rs_diag *diag);

/* clang's analyzer looks into one file at a time: it would follow paths on which an error returns RS_OK. For it alone,
 * macros of the functions' names show that they return what was passed; a compiler never sees them. */
#ifdef __clang_analyzer__
#define rs_error(diag, status, ...) ((void)rs_error((diag), (status), __VA_ARGS__), (status))
#define rs_out_of_memory(diag) ((void)rs_out_of_memory(diag), RS_RESOURCE)
#endif

/* Number of errors so far, and the status of the first one (RS_OK if none). */
size_t rs_diag_errors(const rs_diag *diag);
rs_status rs_diag_status(const rs_diag *diag);

/* Message i in the order in which they were added; NULL past the end. For tests and for --json. */
typedef struct rs_message {
    rs_severity severity;
    rs_status status;
    rs_loc loc;
    const char *text;
    const char *hint; /* or NULL */
} rs_message;
const rs_message *rs_diag_message(const rs_diag *diag, size_t i);

/* Prints every message to `stream` and forgets them. */
void rs_diag_print(rs_diag *diag, FILE *stream);

/* The candidate nearest to `word` by edit distance, for a did-you-mean; NULL if none is near.
 * `candidates` has n entries. */
const char *rs_nearest(const char *word, const char *const *candidates, size_t n);

#ifdef __cplusplus
}
#endif
#endif
