/* Files. Input is read whole under a size cap; output is written beside its target and renamed. */
#ifndef RISTRETTO_BASE_FILE_H
#define RISTRETTO_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/diag.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Reads a whole file of at most max_bytes. *data has one extra zero byte behind *size; rs_free releases it.
 * Gzipped files (magic 1f 8b) are inflated when `inflate` is set; max_bytes then bounds the inflated size.
 * RS_BAD_INPUT: missing, unreadable, too large, corrupt. RISTRETTO_FAIL_READ=n makes the n-th read fail. */
rs_status rs_read_file(const char *path, size_t max_bytes, bool inflate, uint8_t **data, size_t *size, rs_diag *diag);

/* A file to be read piece by piece; fclose closes it. RS_BAD_INPUT: missing, unreadable, a folder. */
rs_status rs_input_open(const char *path, FILE **stream, rs_diag *diag);

/* An output file that appears under its name only when it is complete.
 *     rs_output *out = NULL;
 *     rs_status st = rs_output_open("report.json", &out, diag);
 *     ... fprintf(rs_output_stream(out), ...) ...
 *     st = rs_output_commit(out, diag);     // flush, fsync, rename; or rs_output_discard(out)
 * Writes are checked at commit (a full disk is RS_RESOURCE and leaves the old file as it was). Missing parent folders
 * are made. Files open when the process is interrupted are removed. RISTRETTO_FAIL_WRITE=n makes the n-th commit fail.
 */
typedef struct rs_output rs_output;
rs_status rs_output_open(const char *path, rs_output **out, rs_diag *diag);
/* The same for a file that a library writes, under the name that rs_output_name gives: beside its target, there until
 * the commit or the discard. The caller checks what it holds. Devices and pipes are RS_BAD_INPUT. */
rs_status rs_output_open_named(const char *path, rs_output **out, rs_diag *diag);
const char *rs_output_name(const rs_output *out);
FILE *rs_output_stream(rs_output *out);
rs_status rs_output_commit(rs_output *out, rs_diag *diag);
void rs_output_discard(rs_output *out);

/* mkdir -p. */
rs_status rs_make_folder(const char *path, rs_diag *diag);
bool rs_file_exists(const char *path);     /* a folder is one, too; true where nobody may look */
bool rs_file_is_regular(const char *path); /* or a link to one: neither folder nor device nor pipe */
bool rs_folder_exists(const char *path);
/* For files that a folder or a list names, not the user: RS_BAD_INPUT where it is a device or a pipe, which may never
 * end or never begin. RS_OK also where there is nothing: opening it says so. */
rs_status rs_check_regular(const char *path, rs_diag *diag);
/* `folder`/`name`, or `name` itself if it is absolute; rs_free releases it. */
char *rs_path_join(const char *folder, const char *name);
/* The folder part of a path ("." if none); rs_free releases it. */
char *rs_path_folder(const char *path);

#ifdef __cplusplus
}
#endif
#endif
