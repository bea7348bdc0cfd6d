/* The files of the cache: who may have written them, whether they are whole, and whether what they were made of is
 * still the same. Private to sim/verilate/.
 *
 * A file in the cache is what a compiler wrote, followed by records of the files that the compiler read, followed by a
 * seal: lengths and a hash. Linkers and loaders do not look at what comes after the end of an object. */
#ifndef RISTRETTO_VERILATE_CACHE_H
#define RISTRETTO_VERILATE_CACHE_H

#include <stdbool.h>
#include <time.h>

#include "base/diag.h"
#include "verilate/words.h"

/* Makes the folder, for its owner alone, whatever the umask. RS_BAD_INPUT: it cannot be made, or is no folder;
 * RS_BAD_INPUT also where it belongs to another user but root, or others can write to it: what lies in it is run. */
rs_status rs_cache_make(const char *path, rs_diag *diag);

/* *good: the file is there and whole, and the files that it was made of are what they were; those that were below the
 * home of its builder are looked for below `home`. RS_BAD_INPUT: it is somebody else's, as above, or cannot be read. */
rs_status rs_cache_check(const char *path, const char *home, bool *good, rs_diag *diag);

typedef struct rs_cache_entry {
    const char *built;     /* what the compiler wrote */
    const char *path;      /* in the cache */
    const char *home;      /* as for rs_cache_check */
    const rs_words *files; /* what it read; NULL: its name says it all. One that is relative, or gone, is left out. */
    struct timespec begin; /* when it began; a file that has changed since then makes the entry good for one use only */
} rs_cache_entry;

/* RS_RESOURCE: it cannot be written. */
rs_status rs_cache_put(const rs_cache_entry *entry, rs_diag *diag);

/* Removes a folder and what is in it, as well as that can be done. */
void rs_cache_remove(const char *folder);
/* Removes what builds have left in the cache that were killed: what is ours, old, and locked by nobody. */
void rs_cache_collect(const char *cache);

#endif
