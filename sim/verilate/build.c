/* Builds a model of RTL with Verilator into a cache, by the hash of what goes into it. */
#include "verilate/build.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/progress.h"
#include "verilate/shim/shim.h"
#include "verilate/process.h"

enum { MAX_FILES = 128, MAX_ARGUMENTS = 256, MAX_SOURCE_BYTES = 1 << 22 };

static const char install_hint[] = "run scripts/install-deps.sh, or install the Debian packages verilator and clang";

/* A list of strings of its own, in an arena. */
typedef struct list {
    rs_arena *arena;
    size_t n;
    const char *items[MAX_ARGUMENTS + 1]; /* terminated by NULL */
    bool failed;
} list;

static void add(list *l, const char *text)
{
    const char *copy = l->n < MAX_ARGUMENTS ? rs_arena_strdup(l->arena, text) : NULL;
    if (copy == NULL)
        l->failed = true;
    else
        l->items[l->n++] = copy;
    l->items[l->n] = NULL;
}

__attribute__((format(printf, 2, 3))) static void add_format(list *l, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *text = rs_vformat(format, arguments);
    va_end(arguments);
    if (text == NULL)
        l->failed = true;
    else
        add(l, text);
    rs_free(text);
}

typedef struct build {
    const rs_dut_recipe *recipe;
    rs_arena *arena;
    char *home;  /* holds rtl/ and sim/verilate/shim/ */
    char *cache; /* folder */
    char *verilator, *compiler;
    char *root; /* Verilator's folder of headers and runtime */
    bool clang, trace, quick, coverage;
    list rtl;    /* paths */
    list design; /* Verilator's arguments that name the design: parameters, folders, sources */
    list flags;  /* of the compiler, for model and runtime alike */
    uint64_t key, runtime_key;
    char *library, *runtime, *folder, *log;
} build;

/* ------------------------------------------------------------------------------------------------------- places */

static bool is_home(const char *folder)
{
    char *probe = rs_format("%s/rtl/ristretto_array.sv", folder);
    char *shim = rs_format("%s/sim/verilate/shim/shim.cc", folder);
    const bool yes = probe != NULL && shim != NULL && rs_file_exists(probe) && rs_file_exists(shim);
    rs_free(probe);
    rs_free(shim);
    return yes;
}

static rs_status find_home(build *b, rs_diag *diag)
{
    const char *given = getenv("RISTRETTO_HOME");
    if (given != NULL && *given != '\0') {
        if (!is_home(given))
            return rs_error(diag, RS_BAD_INPUT, RS_FILE(given),
                            "unset RISTRETTO_HOME, or point it to the root of the source tree",
                            "RISTRETTO_HOME has no rtl/ristretto_array.sv and sim/verilate/shim/shim.cc");
        char *absolute = realpath(given, NULL); /* commands are run in other folders */
        b->home = absolute != NULL ? rs_strdup(absolute) : NULL;
        free(absolute);
        return b->home != NULL ? RS_OK : rs_out_of_memory(diag);
    }
    /* From the executable: build/VARIANT/ristretto, build/VARIANT/tests/NAME, an installed bin/ristretto. */
    static const char *const relative[] = { "..", "../..", "../../..", "../share/ristretto" };
    char self[PATH_MAX];
    const ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length > 0) {
        self[length] = '\0';
        char *folder = rs_path_folder(self);
        for (size_t i = 0; folder != NULL && i < sizeof relative / sizeof relative[0]; i++) {
            char *candidate = rs_format("%s/%s", folder, relative[i]);
            if (candidate != NULL && is_home(candidate)) {
                rs_free(folder);
                b->home = candidate;
                return RS_OK;
            }
            rs_free(candidate);
        }
        rs_free(folder);
    }
    return rs_error(diag, RS_RESOURCE, RS_NOWHERE, "set RISTRETTO_HOME to the root of the source tree",
                    "the RTL is not found beside this program");
}

static rs_status find_cache(build *b, rs_diag *diag)
{
    const char *own = getenv("RISTRETTO_CACHE"), *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (own != NULL && *own != '\0')
        b->cache = rs_strdup(own);
    else if (xdg != NULL && *xdg != '\0')
        b->cache = rs_format("%s/ristretto", xdg);
    else if (home != NULL && *home != '\0')
        b->cache = rs_format("%s/.cache/ristretto", home);
    else
        return rs_error(diag, RS_RESOURCE, RS_NOWHERE, "set RISTRETTO_CACHE",
                        "there is no folder for built models: HOME is not set");
    if (b->cache == NULL)
        return rs_out_of_memory(diag);
    rs_status status = rs_make_folder(b->cache, diag);
    if (status != RS_OK)
        return status;
    char *absolute = realpath(b->cache, NULL);
    if (absolute == NULL)
        return rs_error(diag, RS_RESOURCE, RS_FILE(b->cache), NULL, "the cache folder cannot be used: %s",
                        strerror(errno));
    rs_free(b->cache);
    b->cache = rs_strdup(absolute);
    free(absolute);
    return b->cache != NULL ? RS_OK : rs_out_of_memory(diag);
}

static rs_status find_tools(build *b, rs_diag *diag)
{
    b->verilator = rs_tool_find("verilator");
    if (b->verilator == NULL)
        return rs_error(diag, RS_RESOURCE, RS_NOWHERE, install_hint,
                        "verilator is not installed; it is needed to simulate the RTL");
    const char *wanted = getenv("RISTRETTO_CXX");
    if (wanted != NULL && *wanted != '\0') {
        b->compiler = rs_tool_find(wanted);
        if (b->compiler == NULL)
            return rs_error(diag, RS_RESOURCE, RS_NOWHERE, NULL, "the compiler '%s' of RISTRETTO_CXX is not found",
                            wanted);
    } else {
        b->compiler = rs_tool_find("clang++"); /* builds faster, and builds faster code, than g++ */
        if (b->compiler == NULL)
            b->compiler = rs_tool_find("g++");
    }
    if (b->compiler == NULL)
        return rs_error(diag, RS_RESOURCE, RS_NOWHERE, install_hint,
                        "neither clang++ nor g++ is installed; the RTL model needs one");
    b->clang = strstr(b->compiler, "clang") != NULL;
    return RS_OK;
}

/* ---------------------------------------------------------------------------------------------------------- key */

static rs_status hash_file(uint64_t *key, const char *path, rs_diag *diag)
{
    uint8_t *data = NULL;
    size_t size = 0;
    rs_status status = rs_read_file(path, MAX_SOURCE_BYTES, false, &data, &size, diag);
    if (status == RS_OK)
        *key = rs_hash_bytes(*key, data, size);
    rs_free(data);
    return status;
}

static char *tail_of(const char *path);

/* What a command prints, through a file in the cache folder; rs_free releases it. A command that fails is an error with
 * `wrong`; what it printed is shown if that is RS_BAD_INPUT. */
static rs_status run_and_read(build *b, const char *const *argv, rs_status wrong, char **text, size_t *n, rs_diag *diag)
{
    char *log = rs_format("%s/output-XXXXXX", b->cache);
    if (log == NULL)
        return rs_out_of_memory(diag);
    const int file = mkstemp(log); /* banned-ok: another program writes it */
    if (file < 0) {
        rs_status status = rs_error(diag, RS_RESOURCE, RS_FILE(log), NULL, "cannot be written: %s", strerror(errno));
        rs_free(log);
        return status;
    }
    close(file);
    int code = 0;
    rs_status status = rs_tool_run(argv, NULL, log, &code, diag);
    if (status == RS_OK && code != 0 && wrong == RS_BAD_INPUT) {
        char *tail = tail_of(log);
        status = rs_error(diag, wrong, RS_NOWHERE, NULL, "%s ended with status %d on %s:\n%s", argv[0], code,
                          b->recipe->what, tail != NULL ? tail : "(it printed nothing)");
        rs_free(tail);
    } else if (status == RS_OK && code != 0) {
        status = rs_error(diag, wrong, RS_FILE(argv[0]), install_hint, "'%s' ended with status %d", argv[1], code);
    }
    uint8_t *data = NULL;
    if (status == RS_OK)
        status = rs_read_file(log, MAX_SOURCE_BYTES, false, &data, n, diag);
    *text = (char *)data;
    unlink(log);
    rs_free(log);
    return status;
}

/* Adds a text; the first line of it can be had, too. */
static rs_status hash_answer(uint64_t *key, const char *text, size_t n, char **line, rs_diag *diag)
{
    *key = rs_hash_bytes(*key, text, n);
    size_t length = 0;
    while (length < n && text[length] != '\r' && text[length] != '\n')
        length++;
    return line == NULL || (*line = rs_strndup(text, length)) != NULL ? RS_OK : rs_out_of_memory(diag);
}

/* What a tool says of itself. The same file gives the same answer, and starting Verilator's script and a compiler takes
 * longer than a small net on a small array: a thread remembers what it was told. A tool that has changed on disk is
 * asked again. */
typedef struct answer {
    char tool[PATH_MAX], option[16];
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec changed;
    size_t n; /* bytes of the text; 0: a place that is free */
    char text[2048];
} answer;

static _Thread_local answer answers[4]; /* there are three questions */
static _Thread_local size_t oldest;

static bool is_answer(const answer *a, const char *tool, const char *option, const struct stat *file)
{
    return a->n > 0 && strcmp(a->tool, tool) == 0 && strcmp(a->option, option) == 0 && a->device == file->st_dev &&
           a->inode == file->st_ino && a->size == file->st_size && a->changed.tv_sec == file->st_mtim.tv_sec &&
           a->changed.tv_nsec == file->st_mtim.tv_nsec;
}

/* Remembers an answer in place of the one of the same question, or in a free place; one that is too long is asked for
 * each time. */
static void remember(const char *tool, const char *option, const struct stat *file, const char *text, size_t n)
{
    if (strlen(tool) >= sizeof answers->tool || strlen(option) >= sizeof answers->option || n > sizeof answers->text)
        return;
    answer *place = NULL;
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++)
        if (answers[i].n == 0 || (strcmp(answers[i].tool, tool) == 0 && strcmp(answers[i].option, option) == 0)) {
            place = &answers[i];
            break;
        }
    if (place == NULL) {
        place = &answers[oldest];
        oldest = (oldest + 1) % (sizeof answers / sizeof answers[0]);
    }
    *place = (answer) {
        .device = file->st_dev, .inode = file->st_ino, .size = file->st_size, .changed = file->st_mtim, .n = n
    };
    memcpy(place->tool, tool, strlen(tool));
    memcpy(place->option, option, strlen(option));
    memcpy(place->text, text, n);
}

static rs_status hash_output(build *b, uint64_t *key, const char *tool, const char *option, const char *argument,
                             char **line, rs_diag *diag)
{
    struct stat file;
    const bool there = getenv("VERILATOR_ROOT") == NULL &&
                       stat(tool, &file) == 0; /* what it says is then its own affair */
    for (size_t i = 0; there && i < sizeof answers / sizeof answers[0]; i++)
        if (is_answer(&answers[i], tool, option, &file))
            return hash_answer(key, answers[i].text, answers[i].n, line, diag);
    const char *argv[] = { tool, option, argument, NULL };
    char *text = NULL;
    size_t n = 0;
    rs_status status = run_and_read(b, argv, RS_RESOURCE, &text, &n, diag);
    if (status == RS_OK)
        status = hash_answer(key, text, n, line, diag);
    if (status == RS_OK && there)
        remember(tool, option, &file, text, n);
    rs_free(text);
    return status;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool has_suffix(const char *name, const char *suffix)
{
    const size_t n = strlen(name), m = strlen(suffix);
    return n > m && strcmp(name + n - m, suffix) == 0;
}

/* Adds the design's files in a folder. */
static rs_status list_folder(list *l, const char *folder, rs_diag *diag)
{
    static const char *const endings[] = { ".sv", ".svh", ".vlt", ".v", ".vh" };
    rs_status status = RS_OK;
    DIR *dir = opendir(folder);
    if (dir == NULL) {
        status = rs_error(diag, RS_BAD_INPUT, RS_FILE(folder), NULL, "cannot be read: %s", strerror(errno));
    } else {
        const size_t first = l->n;
        const struct dirent *entry;
        while ((entry = readdir(dir)) != NULL)
            for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++)
                if (has_suffix(entry->d_name, endings[i]))
                    add_format(l, "%s/%s", folder, entry->d_name);
        closedir(dir);
        qsort(&l->items[first], l->n - first, sizeof l->items[0], by_name);
        if (l->failed || l->n > MAX_FILES)
            status = rs_out_of_memory(diag);
    }
    return status;
}

/* The array's own sources, the package first. */
static rs_status set_array(build *b, rs_diag *diag)
{
    static const char *const folders[] = { "rtl", "rtl/checks", "rtl/coverage" };
    rs_status status = RS_OK;
    for (size_t i = 0; i < (b->coverage ? 3U : 2U) && status == RS_OK; i++) {
        char *folder = rs_format("%s/%s", b->home, folders[i]);
        status = folder != NULL ? list_folder(&b->rtl, folder, diag) : rs_out_of_memory(diag);
        rs_free(folder);
    }
    add_format(&b->design, "-I%s/rtl", b->home);
    for (size_t i = 0; i < b->rtl.n; i++) /* before what they speak of */
        if (has_suffix(b->rtl.items[i], ".vlt"))
            add(&b->design, b->rtl.items[i]);
    add_format(&b->design, "%s/rtl/ristretto_pkg.sv", b->home);
    for (size_t i = 0; i < b->rtl.n; i++)
        if (has_suffix(b->rtl.items[i], ".sv") && !has_suffix(b->rtl.items[i], "/ristretto_pkg.sv"))
            add(&b->design, b->rtl.items[i]);
    return status;
}

/* Verilator runs in a folder of its own. */
static rs_status add_path(list *l, const char *option, const char *path, rs_diag *diag)
{
    char *absolute = realpath(path, NULL);
    if (absolute == NULL)
        return rs_error(diag, RS_BAD_INPUT, RS_FILE(path), NULL, "cannot be read: %s", strerror(errno));
    add_format(l, "%s%s", option, absolute);
    free(absolute);
    return RS_OK;
}

static rs_status set_foreign(build *b, rs_diag *diag)
{
    const rs_dut_recipe *r = b->recipe;
    rs_status status = RS_OK;
    add(&b->design, "--no-timing");
    add(&b->design, "--relative-includes");
    if (r->language != NULL) {
        add(&b->design, "--default-language");
        add(&b->design, r->language);
    }
    for (size_t i = 0; r->defines != NULL && r->defines[i] != NULL; i++)
        add_format(&b->design, "-D%s", r->defines[i]);
    for (size_t i = 0; r->include != NULL && r->include[i] != NULL && status == RS_OK; i++) {
        status = add_path(&b->design, "-I", r->include[i], diag);
        if (status == RS_OK)
            status = list_folder(&b->rtl, r->include[i], diag);
    }
    for (size_t i = 0; r->sources[i] != NULL && status == RS_OK; i++) {
        status = add_path(&b->design, "", r->sources[i], diag);
        if (status == RS_OK)
            add(&b->rtl, r->sources[i]);
    }
    return status;
}

static rs_status set_design(build *b, rs_diag *diag)
{
    for (size_t i = 0; b->recipe->parameters != NULL && b->recipe->parameters[i] != NULL; i++)
        add_format(&b->design, "-G%s", b->recipe->parameters[i]);
    const rs_status status = b->recipe->sources != NULL ? set_foreign(b, diag) : set_array(b, diag);
    return status == RS_OK && (b->design.failed || b->rtl.failed) ? rs_out_of_memory(diag) : status;
}

/* Of a model that is run for a few cycles only; the runtime is the same. */
static const char quick_flag[] = "-O0";

static rs_status set_flags(build *b, rs_diag *diag)
{
    static const char *const flags[] = {
        "-std=c++17", "-O3",           "-fPIC",     "-fvisibility=hidden", "-fvisibility-inlines-hidden",
        "-w",         "-DVERILATOR=1", "-DVM_SC=0", "-DVL_TIME_CONTEXT"
    };
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
        add(&b->flags, flags[i]);
    if (b->coverage)
        add(&b->flags, "-O1"); /* counters make the model large and slow anyway */
    if (!b->clang)
        add(&b->flags, "-fno-gnu-unique");
    add(&b->flags, b->coverage ? "-DVM_COVERAGE=1" : "-DVM_COVERAGE=0");
    add(&b->flags, b->trace ? "-DVM_TRACE=1" : "-DVM_TRACE=0");
    add(&b->flags, b->trace ? "-DVM_TRACE_FST=1" : "-DVM_TRACE_FST=0");
    add(&b->flags, "-include");
    add_format(&b->flags, "%s/sim/verilate/shim/runtime.h", b->home);
    add(&b->flags, "-isystem");
    add_format(&b->flags, "%s/include", b->root);
    add(&b->flags, "-isystem");
    add_format(&b->flags, "%s/include/vltstd", b->root);
    return b->flags.failed ? rs_out_of_memory(diag) : RS_OK;
}

/* A file of sim/verilate/shim/. */
static rs_status hash_part(build *b, uint64_t *key, const char *name, rs_diag *diag)
{
    char *path = rs_format("%s/sim/verilate/shim/%s", b->home, name);
    const rs_status status = path != NULL ? hash_file(key, path, diag) : rs_out_of_memory(diag);
    rs_free(path);
    return status;
}

/* A foreign design includes files of which nobody told us: its preprocessed text holds them. */
static rs_status hash_foreign(build *b, rs_diag *diag)
{
    list command = { .arena = b->arena };
    add(&command, b->verilator);
    add(&command, "-E");
    add(&command, "-P");
    for (size_t i = 0; i < b->design.n; i++)
        if (strncmp(b->design.items[i], "-G", 2) != 0)
            add(&command, b->design.items[i]);
    if (command.failed)
        return rs_out_of_memory(diag);
    if (b->recipe->language != NULL)
        b->key = rs_hash_text(b->key, b->recipe->language);
    char *text = NULL;
    size_t n = 0;
    rs_status status = run_and_read(b, command.items, RS_BAD_INPUT, &text, &n, diag);
    if (status == RS_OK)
        status = hash_answer(&b->key, text, n, NULL, diag);
    rs_free(text);
    if (status == RS_OK)
        status = hash_part(b, &b->key, "unit_adapter.h", diag);
    if (status == RS_OK && b->recipe->code != NULL)
        status = hash_file(&b->key, b->recipe->code, diag);
    return status;
}

static rs_status make_keys(build *b, rs_diag *diag)
{
    uint64_t *key = &b->runtime_key;
    *key = rs_hash_number(0, RS_SHIM_INTERFACE);
    rs_status status = hash_output(b, key, b->verilator, "--version", NULL, NULL, diag);
    if (status == RS_OK)
        status = hash_output(b, key, b->verilator, "--getenv", "VERILATOR_ROOT", &b->root, diag);
    if (status == RS_OK)
        status = hash_output(b, key, b->compiler, "--version", NULL, NULL, diag);
    if (status == RS_OK)
        status = set_flags(b, diag);
    if (status != RS_OK)
        return status;
    /* Flags name folders, which do not matter: two copies of the same sources share their models. */
    for (size_t i = 0; i < b->flags.n; i++)
        if (b->flags.items[i][0] == '-')
            *key = rs_hash_text(*key, b->flags.items[i]);
    static const char *const common[] = { "runtime.h", "model.h", "wave.h" };
    const char *const shim[] = { b->recipe->header, b->recipe->shim };
    for (size_t i = 0; status == RS_OK && i < sizeof common / sizeof common[0]; i++)
        status = hash_part(b, key, common[i], diag);
    b->key = *key;
    if (b->quick)
        b->key = rs_hash_text(b->key, quick_flag);
    b->key = rs_hash_text(b->key, b->recipe->top);
    for (size_t i = 0; b->recipe->parameters != NULL && b->recipe->parameters[i] != NULL; i++)
        b->key = rs_hash_text(b->key, b->recipe->parameters[i]);
    for (size_t i = 0; status == RS_OK && i < sizeof shim / sizeof shim[0]; i++)
        status = hash_part(b, &b->key, shim[i], diag);
    for (size_t i = 0; status == RS_OK && i < b->rtl.n; i++)
        status = hash_file(&b->key, b->rtl.items[i], diag);
    if (status == RS_OK && b->recipe->sources != NULL)
        status = hash_foreign(b, diag);
    return status;
}

/* -------------------------------------------------------------------------------------------------------- build */

const char *rs_dut_coverage_folder(void)
{
    const char *folder = getenv("RISTRETTO_RTL_COVERAGE");
    return folder != NULL && *folder != '\0' ? folder : NULL;
}

/* The lines of a tool's output that matter: from its first error on, or its last ones. rs_free. */
static char *tail_of(const char *path)
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

static rs_status run_step(build *b, const list *command, const char *what, rs_diag *diag)
{
    if (command->failed)
        return rs_out_of_memory(diag);
    int code = 0;
    rs_status status = rs_tool_run(command->items, b->folder, b->log, &code, diag);
    if (status != RS_OK || code == 0)
        return status;
    char *kept = rs_format("%s.log", b->library);
    if (kept != NULL && rename(b->log, kept) != 0) {
        rs_free(kept);
        kept = NULL;
    }
    char *tail = tail_of(kept != NULL ? kept : b->log);
    char *hint = rs_format("the whole output is in %s", kept != NULL ? kept : b->log);
    status = rs_error(diag, b->recipe->sources != NULL ? RS_BAD_INPUT : RS_INTERNAL, RS_NOWHERE, hint,
                      "%s ended with status %d while %s was built:\n%s", what, code, b->recipe->what,
                      tail != NULL ? tail : "(it printed nothing)");
    rs_free(hint);
    rs_free(tail);
    rs_free(kept);
    return status;
}

/* The model's C++ files as one source; what runs only once is not optimized, which halves the time of the compiler. */
static rs_status write_unity(build *b, const char *path, rs_diag *diag)
{
    char *folder = rs_format("%s/model", b->folder);
    DIR *dir = folder != NULL ? opendir(folder) : NULL;
    rs_free(folder);
    if (dir == NULL)
        return rs_error(diag, RS_INTERNAL, RS_FILE(b->folder), NULL, "verilator wrote no model");
    list fast = { .arena = b->arena }, slow = { .arena = b->arena };
    const struct dirent *entry;
    while ((entry = readdir(dir)) != NULL)
        if (has_suffix(entry->d_name, ".cpp"))
            add(strstr(entry->d_name, "Slow") != NULL || strstr(entry->d_name, "__Syms") != NULL ? &slow : &fast,
                entry->d_name);
    closedir(dir);
    if (fast.failed || slow.failed)
        return rs_out_of_memory(diag);
    qsort(fast.items, fast.n, sizeof fast.items[0], by_name);
    qsort(slow.items, slow.n, sizeof slow.items[0], by_name);

    rs_output *out = NULL;
    rs_status status = rs_output_open(path, &out, diag);
    if (status != RS_OK)
        return status;
    FILE *file = rs_output_stream(out);
    if (b->recipe->code != NULL) {
        char *code = realpath(b->recipe->code, NULL);
        fprintf(file, "#define RS_UNIT_CODE_FILE \"%s\"\n", code != NULL ? code : b->recipe->code);
        free(code);
    }
    fprintf(file, "#include \"%s/sim/verilate/shim/%s\"\n", b->home, b->recipe->shim);
    for (size_t i = 0; i < fast.n; i++)
        fprintf(file, "#include \"model/%s\"\n", fast.items[i]);
    fprintf(file, "#ifdef __clang__\n#pragma clang optimize off\n#else\n#pragma GCC optimize(\"O0\")\n#endif\n");
    for (size_t i = 0; i < slow.n; i++)
        fprintf(file, "#include \"model/%s\"\n", slow.items[i]);
    return rs_output_commit(out, diag);
}

static rs_status build_runtime(build *b, rs_diag *diag)
{
    if (rs_file_exists(b->runtime))
        return RS_OK;
    static const char *const plain[] = { "verilated.cpp", "verilated_threads.cpp" };
    static const char *const traced[] = { "verilated_fst_c.cpp" };
    static const char *const covered[] = { "verilated_cov.cpp" };
    char *unity = rs_format("%s/runtime.cc", b->folder);
    rs_output *out = NULL;
    rs_status status = unity != NULL ? rs_output_open(unity, &out, diag) : rs_out_of_memory(diag);
    if (status == RS_OK) {
        for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++)
            fprintf(rs_output_stream(out), "#include \"%s\"\n", plain[i]);
        for (size_t i = 0; b->trace && i < sizeof traced / sizeof traced[0]; i++)
            fprintf(rs_output_stream(out), "#include \"%s\"\n", traced[i]);
        for (size_t i = 0; b->coverage && i < sizeof covered / sizeof covered[0]; i++)
            fprintf(rs_output_stream(out), "#include \"%s\"\n", covered[i]);
        status = rs_output_commit(out, diag);
    }
    if (status == RS_OK) {
        list command = { .arena = b->arena };
        add(&command, b->compiler);
        for (size_t i = 0; i < b->flags.n; i++)
            add(&command, b->flags.items[i]);
        add(&command, "-O1");
        add(&command, "-c");
        add(&command, unity);
        add(&command, "-o");
        add(&command, "runtime.o");
        status = run_step(b, &command, b->compiler, diag);
    }
    if (status == RS_OK) {
        char *built = rs_format("%s/runtime.o", b->folder);
        if (built == NULL)
            status = rs_out_of_memory(diag);
        else if (rename(built, b->runtime) != 0)
            status = rs_error(diag, RS_RESOURCE, RS_FILE(b->runtime), NULL, "cannot be written: %s", strerror(errno));
        rs_free(built);
    }
    rs_free(unity);
    return status;
}

static rs_status verilate(build *b, rs_diag *diag)
{
    static const char *const options[] = { "--cc",        "-O3",    "-Wno-fatal", "--assert", "--x-assign", "unique",
                                           "--x-initial", "unique", "--prefix",   "Vdut",     "-Mdir",      "model" };
    list command = { .arena = b->arena };
    add(&command, b->verilator);
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
        add(&command, options[i]);
    add(&command, "--top-module");
    add(&command, b->recipe->top);
    if (b->trace)
        add(&command, "--trace-fst");
    if (b->coverage) {
        add(&command, "--coverage-line");
        add(&command, "--coverage-toggle");
    }
    for (size_t i = 0; i < b->design.n; i++)
        add(&command, b->design.items[i]);
    return run_step(b, &command, "verilator", diag);
}

/* The ports of the model, which verilator declares in its header as VL_IN8(&name,7,0) or VL_OUT8((&name)[4],7,0), as
 * lines RS_PORT(name, IN, elements, bits). The ports of the array are known; those of another unit are not. */
static rs_status write_ports(build *b, rs_diag *diag)
{
    char *from = rs_format("%s/model/Vdut.h", b->folder), *to = rs_format("%s/ports.inc", b->folder);
    uint8_t *text = NULL;
    size_t size = 0;
    rs_output *out = NULL;
    rs_status status = from != NULL && to != NULL ? rs_read_file(from, MAX_SOURCE_BYTES, false, &text, &size, diag)
                                                  : rs_out_of_memory(diag);
    if (status == RS_OK)
        status = rs_output_open(to, &out, diag);
    static const struct {
        const char *macro, *direction;
    } kinds[] = { { "VL_INOUT", "INOUT" }, { "VL_IN", "IN" }, { "VL_OUT", "OUT" } };
    for (char *line = (char *)text, *next; status == RS_OK && line != NULL && *line != '\0'; line = next) {
        next = line + strcspn(line, "\n");
        if (*next != '\0')
            *next++ = '\0';
        line += strspn(line, " ");
        for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
            if (strncmp(line, kinds[k].macro, strlen(kinds[k].macro)) != 0)
                continue;
            char name[256];
            int elements = 0, high = 0, low = 0;
            const char *at = strchr(line, '(');
            /* Verilator wrote what is scanned here: one port, then an array of ports. */
            const char *const one = "(&%255[A-Za-z0-9_$],%d,%d", *const many = "((&%255[A-Za-z0-9_$])[%d],%d,%d";
            if (at == NULL)
                break;
            int found = sscanf(at, one, name, &high, &low) == 3;                  /* banned-ok: as said above */
            found = found || sscanf(at, many, name, &elements, &high, &low) == 4; /* banned-ok: as said above */
            if (found)
                fprintf(rs_output_stream(out), "RS_PORT(%s, %s, %d, %d)\n", name, kinds[k].direction, elements,
                        high - low + 1);
            break;
        }
    }
    if (out != NULL)
        status = rs_output_commit(out, diag);
    rs_free(text);
    rs_free(from);
    rs_free(to);
    return status;
}

static rs_status compile(build *b, rs_diag *diag)
{
    char *unity = rs_format("%s/unity.cc", b->folder);
    rs_status status = unity != NULL ? write_unity(b, unity, diag) : rs_out_of_memory(diag);
    if (status == RS_OK) {
        list command = { .arena = b->arena };
        add(&command, b->compiler);
        for (size_t i = 0; i < b->flags.n; i++)
            add(&command, b->flags.items[i]);
        if (b->quick)
            add(&command, quick_flag);
        add_format(&command, "-I%s/sim/verilate/shim", b->home);
        add(&command, "-Imodel");
        add(&command, "-I.");
        add(&command, "-shared");
        add(&command, "unity.cc");
        add(&command, b->runtime);
        add(&command, "-o");
        add(&command, "dut.so");
        add(&command, "-pthread");
        add(&command, "-latomic");
        add(&command, "-Wl,-z,defs");
        if (b->trace)
            add(&command, "-lz");
        status = run_step(b, &command, b->compiler, diag);
    }
    if (status == RS_OK) {
        char *built = rs_format("%s/dut.so", b->folder);
        if (built == NULL)
            status = rs_out_of_memory(diag);
        else if (rename(built, b->library) != 0)
            status = rs_error(diag, RS_RESOURCE, RS_FILE(b->library), NULL, "cannot be written: %s", strerror(errno));
        rs_free(built);
    }
    rs_free(unity);
    return status;
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status;
    (void)kind;
    (void)walk;
    remove(path);
    return 0;
}

static rs_status build_library(build *b, rs_diag *diag)
{
    b->folder = rs_format("%s/build-XXXXXX", b->cache);
    if (b->folder == NULL)
        return rs_out_of_memory(diag);
    if (mkdtemp(b->folder) == NULL) {
        rs_status status = rs_error(diag, RS_RESOURCE, RS_FILE(b->cache), NULL, "no folder can be made in it: %s",
                                    strerror(errno));
        b->folder[0] = '\0';
        return status;
    }
    b->log = rs_format("%s/log", b->folder);
    char *what = rs_format("building %s", b->recipe->what);
    rs_status status = b->log != NULL && what != NULL ? RS_OK : rs_out_of_memory(diag);
    if (status == RS_OK) {
        rs_progress *progress = rs_progress_begin(what, 3, "steps");
        rs_progress_update(progress, 0, "verilator");
        status = verilate(b, diag);
        if (status == RS_OK && b->recipe->sources != NULL)
            status = write_ports(b, diag);
        if (status == RS_OK) {
            rs_progress_update(progress, 1, "runtime");
            status = build_runtime(b, diag);
        }
        if (status == RS_OK) {
            rs_progress_update(progress, 2, b->clang ? "clang++" : "g++");
            status = compile(b, diag);
        }
        rs_progress_end(progress);
    }
    rs_free(what);
    nftw(b->folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    return status;
}

/* Waits until no other process builds the same library. -1: cannot be locked; an interrupt is the caller's to see. */
static int lock(const build *b)
{
    char *path = rs_format("%s.lock", b->library);
    const int file = path != NULL ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644) : -1;
    rs_free(path);
    while (file >= 0 && flock(file, LOCK_EX) != 0 && errno == EINTR && !rs_interrupted())
        ;
    return file;
}

rs_status rs_dut_build(const rs_array_config *config, const rs_dut_build_options *options, char **path, double *seconds,
                       rs_diag *diag)
{
    rs_array_parameter parameters[RS_ARRAY_PARAMETERS_MAX];
    const int n = rs_array_parameters(config, parameters);
    rs_arena *arena = rs_arena_new();
    if (arena == NULL)
        return rs_out_of_memory(diag);
    list words = { .arena = arena };
    for (int i = 0; i < n; i++)
        add_format(&words, "%s=%s%" PRId64, parameters[i].name, parameters[i].prefix, parameters[i].value);
    char what[64];
    snprintf(what, sizeof what, "the RTL model, %d x %d", config->lanes, config->multipliers);
    const rs_dut_recipe recipe = {
        .what = what, .top = "ristretto_array", .shim = "shim.cc", .header = "shim.h", .parameters = words.items
    };
    const rs_status status = words.failed ? rs_out_of_memory(diag)
                                          : rs_dut_build_recipe(&recipe, options, path, seconds, diag);
    rs_arena_free(arena);
    return status;
}

rs_status rs_dut_build_recipe(const rs_dut_recipe *recipe, const rs_dut_build_options *options, char **path,
                              double *seconds, rs_diag *diag)
{
    *path = NULL;
    *seconds = 0;
    build b = { .recipe = recipe,
                .arena = rs_arena_new(),
                .trace = options->trace,
                .quick = options->quick,
                .coverage = rs_dut_coverage_folder() != NULL && recipe->sources == NULL };
    if (b.arena == NULL)
        return rs_out_of_memory(diag);
    b.design.arena = b.rtl.arena = b.flags.arena = b.arena;

    rs_status status = find_home(&b, diag);
    if (status == RS_OK)
        status = find_tools(&b, diag);
    if (status == RS_OK)
        status = find_cache(&b, diag);
    if (status == RS_OK)
        status = set_design(&b, diag);
    if (status == RS_OK)
        status = make_keys(&b, diag);
    if (status == RS_OK) {
        b.library = rs_format("%s/dut-%016" PRIx64 ".so", b.cache, b.key);
        b.runtime = rs_format("%s/runtime-%016" PRIx64 ".o", b.cache, b.runtime_key);
        if (b.library == NULL || b.runtime == NULL)
            status = rs_out_of_memory(diag);
    }
    if (status == RS_OK && (options->again || !rs_file_exists(b.library))) {
        const double start = rs_seconds();
        const int file = lock(&b);
        if (rs_interrupted()) {
            status = RS_INTERRUPTED;
        } else if (file < 0) {
            status = rs_error(diag, RS_RESOURCE, RS_FILE(b.cache),
                              "set RISTRETTO_CACHE to a folder that can be written",
                              "the cache folder cannot be written: %s", strerror(errno));
        } else if (options->again || !rs_file_exists(b.library)) {
            status = build_library(&b, diag);
            *seconds = rs_seconds() - start;
        }
        if (file >= 0)
            close(file);
    }
    if (status == RS_OK) {
        *path = b.library;
        b.library = NULL;
    }
    rs_free(b.library);
    rs_free(b.runtime);
    rs_free(b.folder);
    rs_free(b.log);
    rs_free(b.home);
    rs_free(b.cache);
    rs_free(b.verilator);
    rs_free(b.compiler);
    rs_free(b.root);
    rs_arena_free(b.arena);
    return status;
}
