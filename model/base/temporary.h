/* The names of temporary files, where a signal handler can reach them. Used by what writes files: rs_output, and
 * the waveforms' library. */
#ifndef RISTRETTO_BASE_TEMPORARY_H
#define RISTRETTO_BASE_TEMPORARY_H

/* Remembers a path (which must live until it is forgotten) and returns a slot for rs_temporary_forget; -1 if all slots
 * are taken: the file then is not removed when the process is ended by force. Files that are still remembered when the
 * process calls exit() are removed. */
int rs_temporary_remember(const char *path);
void rs_temporary_forget(int slot); /* -1: nothing */

/* Removes all remembered files. May be called from a signal handler. */
void rs_temporary_remove_all(void);

#endif
