/* The inside of a toolchain. Private to sim/verilate/. */
#ifndef RISTRETTO_VERILATE_TOOLCHAIN_PRIVATE_H
#define RISTRETTO_VERILATE_TOOLCHAIN_PRIVATE_H

#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "base/hash.h"
#include "verilate/toolchain.h"

enum { RS_MAX_SOURCE_BYTES = 1 << 22 };

/* A hash of 128 bits: the name of a file in the cache. */
typedef struct rs_key {
    uint64_t half[2];
} rs_key;

static inline void rs_key_add(rs_key *key, const void *data, size_t n)
{
    for (int i = 0; i < 2; i++)
        key->half[i] = rs_hash_bytes(key->half[i], data, n);
}

static inline void rs_key_text(rs_key *key, const char *text)
{
    rs_key_add(key, text, strlen(text));
}

/* What a tool says of itself. A tool that has changed on disk is asked again. */
typedef struct rs_tool_answer {
    char tool[PATH_MAX], option[16];
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec changed;
    size_t n; /* bytes of the text; 0: a place that is free */
    char text[2048];
} rs_tool_answer;

struct rs_toolchain {
    char *home;  /* holds rtl/ and sim/ */
    char *cache; /* folder */
    char *verilator, *compiler;
    bool clang;
    rs_tool_answer answers[4]; /* there are three questions */
    size_t oldest;
};

/* What to do where a tool is missing or does not work. */
extern const char rs_toolchain_hint[];

/* Adds what `tool option argument` prints to the key. *line, if wanted: the first line of it; rs_free. */
rs_status rs_toolchain_ask(rs_toolchain *t, const char *const argv[3], rs_key *key, char **line, rs_diag *diag);

/* What a command prints, without its warnings; rs_free releases it. A command that fails is an error about the design
 * `what`, with what it said to stderr; or of the tool, if `what` is NULL. */
rs_status rs_toolchain_read(const char *const *argv, const char *what, char **text, size_t *n, rs_diag *diag);

/* The lines of a tool's output in a file that matter: from its first error on, or its last ones. rs_free. */
char *rs_log_tail(const char *path);

#endif
