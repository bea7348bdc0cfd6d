/* Tools that are run as processes. No shell is involved: arguments need no quoting. */
#ifndef RISTRETTO_VERILATE_PROCESS_H
#define RISTRETTO_VERILATE_PROCESS_H

#include "base/diag.h"

/* The path of a command by PATH, or `name` itself if it holds a slash and can be executed; NULL if there is none.
 * rs_free. */
char *rs_tool_find(const char *name);

/* Runs argv[0] (a path) until it ends, in `folder` (NULL: here), its output appended to the file `log` (NULL: dropped).
 * *exit_code: its exit status, or 128 + signal. RS_INTERRUPTED: ended while an interrupt came. */
rs_status rs_tool_run(const char *const *argv, const char *folder, const char *log, int *exit_code, rs_diag *diag);

#endif
