/* Progress of a long command, and its interruption. */
#ifndef RISTRETTO_BASE_PROGRESS_H
#define RISTRETTO_BASE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

/* A bar with rate and time left on stderr, drawn only if stderr is a terminal and not more than ten times a second. */
typedef struct rs_progress rs_progress;
rs_progress *rs_progress_begin(const char *what, uint64_t total, const char *unit);
void rs_progress_update(rs_progress *progress, uint64_t done, const char *detail /* or NULL */);
void rs_progress_end(rs_progress *progress);
/* No bars from now on (--quiet). */
void rs_progress_silence(void);

/* Installs handlers for SIGINT, SIGTERM and SIGHUP that only set a flag; a second signal ends the process at once
 * (temporary output files are removed first). Long loops ask rs_interrupted() and return RS_INTERRUPTED. SIGPIPE ends
 * the process as ever, but removes temporary files; SIGXFSZ is a write that fails. What is ignored already stays so. */
void rs_catch_interrupts(void);
bool rs_interrupted(void);
/* For tests: as if a signal had come (true), or none (false). */
void rs_set_interrupted(bool value);

/* Seconds from a monotonic clock. */
double rs_seconds(void);

#endif
