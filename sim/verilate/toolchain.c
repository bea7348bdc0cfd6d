/* Finding what models are built with, and what the tools say of themselves. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "verilate/cache.h"
#include "verilate/process.h"
#include "verilate/toolchain_private.h"

const char rs_toolchain_hint[] = "run scripts/install-deps.sh, or install the Debian packages verilator and clang";

/* ------------------------------------------------------------------------------------------------------- places */

static bool is_home(const char *folder)
{
    char *probe = rs_format("%s/rtl/ristretto_array.sv", folder);
    char *shim = rs_format("%s/sim/verilate/shim/runtime.h", folder);
    const bool yes = probe != NULL && shim != NULL && rs_file_exists(probe) && rs_file_exists(shim);
    rs_free(probe);
    rs_free(shim);
    return yes;
}

/* Above the executable: build/VARIANT/ristretto, build/VARIANT/tests/NAME, an installed bin/ristretto. NULL: none. */
static char *home_beside_program(void)
{
    static const char *const relative[] = { "..", "../..", "../../..", "../share/ristretto" };
    char self[PATH_MAX], *home = NULL;
    const ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length <= 0)
        return NULL;
    self[length] = '\0';
    char *folder = rs_path_folder(self);
    for (size_t i = 0; folder != NULL && home == NULL && i < sizeof relative / sizeof relative[0]; i++) {
        char *candidate = rs_format("%s/%s", folder, relative[i]);
        if (candidate != NULL && is_home(candidate))
            home = candidate;
        else
            rs_free(candidate);
    }
    rs_free(folder);
    return home;
}

static rs_status find_home(rs_toolchain *t, rs_diag *diag)
{
    const char *given = getenv("RISTRETTO_HOME");
    if (given == NULL || *given == '\0') {
        t->home = home_beside_program();
        return t->home != NULL
                   ? RS_OK
                   : rs_error(diag, RS_RESOURCE, RS_NOWHERE, "set RISTRETTO_HOME to the root of the source tree",
                              "the RTL is not found beside this program");
    }
    if (!is_home(given))
        return rs_error(diag, RS_BAD_INPUT, RS_FILE(given),
                        "unset RISTRETTO_HOME, or point it to the root of the source tree",
                        "RISTRETTO_HOME has no rtl/ristretto_array.sv and sim/verilate/shim/runtime.h");
    char *absolute = realpath(given, NULL); /* commands are run in other folders */
    t->home = absolute != NULL ? rs_strdup(absolute) : NULL;
    free(absolute);
    return t->home != NULL ? RS_OK : rs_out_of_memory(diag);
}

static rs_status find_cache(rs_toolchain *t, rs_diag *diag)
{
    const char *own = getenv("RISTRETTO_CACHE"), *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (own != NULL && *own != '\0')
        t->cache = rs_strdup(own);
    else if (xdg != NULL && *xdg != '\0')
        t->cache = rs_format("%s/ristretto", xdg);
    else if (home != NULL && *home != '\0')
        t->cache = rs_format("%s/.cache/ristretto", home);
    else
        return rs_error(diag, RS_RESOURCE, RS_NOWHERE, "set RISTRETTO_CACHE",
                        "there is no folder for built models: HOME is not set");
    if (t->cache == NULL)
        return rs_out_of_memory(diag);
    rs_status status = rs_cache_make(t->cache, diag);
    if (status != RS_OK)
        return status;
    char *absolute = realpath(t->cache, NULL);
    if (absolute == NULL)
        return rs_error(diag, RS_RESOURCE, RS_FILE(t->cache), NULL, "the cache folder cannot be used: %s",
                        strerror(errno));
    rs_free(t->cache);
    t->cache = rs_strdup(absolute);
    free(absolute);
    return t->cache != NULL ? RS_OK : rs_out_of_memory(diag);
}

static rs_status find_tools(rs_toolchain *t, rs_diag *diag)
{
    t->verilator = rs_tool_find("verilator");
    if (t->verilator == NULL)
        return rs_error(diag, RS_RESOURCE, RS_NOWHERE, rs_toolchain_hint,
                        "verilator is not installed; it is needed to simulate the RTL");
    const char *wanted = getenv("RISTRETTO_CXX");
    if (wanted != NULL && *wanted != '\0') {
        t->compiler = rs_tool_find(wanted);
        if (t->compiler == NULL)
            return rs_error(diag, RS_RESOURCE, RS_NOWHERE, NULL, "the compiler '%s' of RISTRETTO_CXX is not found",
                            wanted);
    } else {
        t->compiler = rs_tool_find("clang++"); /* builds faster, and builds faster code, than g++ */
        if (t->compiler == NULL)
            t->compiler = rs_tool_find("g++");
    }
    if (t->compiler == NULL)
        return rs_error(diag, RS_RESOURCE, RS_NOWHERE, rs_toolchain_hint,
                        "neither clang++ nor g++ is installed; the RTL model needs one");
    t->clang = strstr(t->compiler, "clang") != NULL;
    return RS_OK;
}

rs_status rs_toolchain_new(rs_toolchain **toolchain, rs_diag *diag)
{
    *toolchain = NULL;
    rs_toolchain *t = RS_NEW(rs_toolchain);
    if (t == NULL)
        return rs_out_of_memory(diag);
    rs_status status = find_home(t, diag);
    if (status == RS_OK)
        status = find_tools(t, diag);
    if (status == RS_OK)
        status = find_cache(t, diag);
    if (status != RS_OK) {
        rs_toolchain_free(t);
        return status;
    }
    *toolchain = t;
    return RS_OK;
}

void rs_toolchain_free(rs_toolchain *t)
{
    if (t == NULL)
        return;
    rs_free(t->home);
    rs_free(t->cache);
    rs_free(t->verilator);
    rs_free(t->compiler);
    rs_free(t);
}

const char *rs_toolchain_home(const rs_toolchain *toolchain)
{
    return toolchain->home;
}

/* ------------------------------------------------------------------------------------------- what the tools say */

char *rs_log_tail(const char *path)
{
    enum { LINES = 15 };
    static const char *const marks[] = { "%Error", " error: " };
    uint8_t *data = NULL;
    size_t size = 0;
    if (rs_read_file(path, (size_t)1 << 26, false, &data, &size, NULL) != RS_OK)
        return NULL;
    char *text = rs_strndup((const char *)data, size), *first = NULL;
    rs_free(data);
    if (text == NULL)
        return NULL;
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
        char *mark = strstr(text, marks[i]);
        if (mark != NULL && (first == NULL || mark < first))
            first = mark;
    }
    size_t start = strlen(text), end = start;
    int lines = 0;
    if (first != NULL) {
        for (start = (size_t)(first - text); start > 0 && text[start - 1] != '\n'; start--)
            ;
        for (end = start; text[end] != '\0' && lines < LINES; end++)
            lines += text[end] == '\n';
    } else {
        while (start > 0 && (lines < LINES || text[start - 1] != '\n')) {
            start--;
            lines += text[start] == '\n';
        }
    }
    while (end > start && (text[end - 1] == '\n' || text[end - 1] == '\r'))
        end--;
    char *part = rs_strndup(text + start, end - start);
    rs_free(text);
    return part;
}

/* The path of a file that has none. */
static char *path_of(int file)
{
    return rs_format("/proc/self/fd/%d", file);
}

rs_status rs_toolchain_read(const char *const *argv, const char *what, char **text, size_t *n, rs_diag *diag)
{
    *text = NULL;
    const rs_tool_output printed = { memfd_create("output", MFD_CLOEXEC), memfd_create("errors", MFD_CLOEXEC) };
    char *out = path_of(printed.out), *errors = path_of(printed.errors);
    int code = 0;
    rs_status status = printed.out >= 0 && printed.errors >= 0 && out != NULL && errors != NULL
                           ? rs_tool_run(argv, NULL, printed, &code, diag)
                           : rs_out_of_memory(diag);
    if (status == RS_OK && code != 0 && what != NULL) {
        char *tail = rs_log_tail(errors);
        status = rs_error(diag, RS_BAD_INPUT, RS_NOWHERE, NULL, "%s ended with status %d on %s:\n%s", argv[0], code,
                          what, tail != NULL && *tail != '\0' ? tail : "(it printed nothing)");
        rs_free(tail);
    } else if (status == RS_OK && code != 0) {
        status = rs_error(diag, RS_RESOURCE, RS_FILE(argv[0]), rs_toolchain_hint, "'%s' ended with status %d", argv[1],
                          code);
    }
    uint8_t *data = NULL;
    if (status == RS_OK)
        status = rs_read_file(out, RS_MAX_SOURCE_BYTES, false, &data, n, diag);
    *text = (char *)data;
    if (printed.out >= 0)
        close(printed.out);
    if (printed.errors >= 0)
        close(printed.errors);
    rs_free(out);
    rs_free(errors);
    return status;
}

static bool is_answer(const rs_tool_answer *a, const char *const *argv, const struct stat *file)
{
    return a->n > 0 && strcmp(a->tool, argv[0]) == 0 && strcmp(a->option, argv[1]) == 0 && a->device == file->st_dev &&
           a->inode == file->st_ino && a->size == file->st_size && a->changed.tv_sec == file->st_mtim.tv_sec &&
           a->changed.tv_nsec == file->st_mtim.tv_nsec;
}

/* Remembers an answer in place of the one of the same question, or in a free place; one that is too long is asked for
 * each time. */
static void remember(rs_toolchain *t, const char *const *argv, const struct stat *file, const char *text, size_t n)
{
    enum { ANSWERS = sizeof t->answers / sizeof t->answers[0] };
    if (strlen(argv[0]) >= sizeof t->answers->tool || strlen(argv[1]) >= sizeof t->answers->option ||
        n > sizeof t->answers->text)
        return;
    rs_tool_answer *place = NULL;
    for (size_t i = 0; i < ANSWERS && place == NULL; i++)
        if (t->answers[i].n == 0 ||
            (strcmp(t->answers[i].tool, argv[0]) == 0 && strcmp(t->answers[i].option, argv[1]) == 0))
            place = &t->answers[i];
    if (place == NULL) {
        place = &t->answers[t->oldest];
        t->oldest = (t->oldest + 1) % ANSWERS;
    }
    *place = (rs_tool_answer) {
        .device = file->st_dev, .inode = file->st_ino, .size = file->st_size, .changed = file->st_mtim, .n = n
    };
    memcpy(place->tool, argv[0], strlen(argv[0]));
    memcpy(place->option, argv[1], strlen(argv[1]));
    memcpy(place->text, text, n);
}

/* Adds a text; the first line of it can be had, too. */
static rs_status add_answer(rs_key *key, const char *text, size_t n, char **line, rs_diag *diag)
{
    rs_key_add(key, text, n);
    size_t length = 0;
    while (length < n && text[length] != '\r' && text[length] != '\n')
        length++;
    return line == NULL || (*line = rs_strndup(text, length)) != NULL ? RS_OK : rs_out_of_memory(diag);
}

rs_status rs_toolchain_ask(rs_toolchain *t, const char *const argv[3], rs_key *key, char **line, rs_diag *diag)
{
    struct stat file;
    /* With VERILATOR_ROOT set, what a tool says is not its own affair. */
    const bool known = getenv("VERILATOR_ROOT") == NULL && stat(argv[0], &file) == 0;
    for (size_t i = 0; known && i < sizeof t->answers / sizeof t->answers[0]; i++)
        if (is_answer(&t->answers[i], argv, &file))
            return add_answer(key, t->answers[i].text, t->answers[i].n, line, diag);
    const char *const command[] = { argv[0], argv[1], argv[2], NULL };
    char *text = NULL;
    size_t n = 0;
    rs_status status = rs_toolchain_read(command, NULL, &text, &n, diag);
    if (status == RS_OK)
        status = add_answer(key, text, n, line, diag);
    if (status == RS_OK && known)
        remember(t, argv, &file, text, n);
    rs_free(text);
    return status;
}
