/* Tools that are run as processes, in the C locale. No shell is involved: arguments need no quoting. */
#ifndef RISTRETTO_VERILATE_PROCESS_H
#define RISTRETTO_VERILATE_PROCESS_H

#include "base/diag.h"

/* The path of a command by PATH, or `name` itself if it holds a slash and can be executed; NULL if there is none.
 * rs_free. */
char *rs_tool_find(const char *name);

/* File descriptors of what a tool prints; -1: dropped. The two may be the same. */
typedef struct rs_tool_output {
    int out, errors;
} rs_tool_output;

/* Runs argv[0] (a path) until it ends, in `folder`, which also takes its temporary files (NULL: here). *exit_code: its
 * exit status, or 128 + signal. What it makes is its owner's alone. RS_INTERRUPTED within a twentieth of a second: it
 * was ended, with all that it had started; so it is when this process ends, however that happens. */
rs_status rs_tool_run(const char *const *argv, const char *folder, rs_tool_output output, int *exit_code,
                      rs_diag *diag);

#endif
