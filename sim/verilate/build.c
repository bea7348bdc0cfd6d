/* The commands that build a model: Verilator, then the compiler for Verilator's runtime and for the model with its
 * shim, in a folder that is removed after it. */
#include "verilate/build.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/lock.h"
#include "base/memory.h"
#include "base/progress.h"
#include "verilate/cache.h"
#include "verilate/process.h"

static rs_status run_step(rs_build *b, const rs_words *command, const char *what, rs_diag *diag)
{
    int code = 0;
    rs_status status = rs_words_status(command, diag);
    if (status == RS_OK) {
        const int log = open(b->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        status = rs_tool_run(command->items, b->folder, (rs_tool_output) { log, log }, &code, diag);
        if (log >= 0)
            close(log);
    }
    if (status != RS_OK || code == 0)
        return status;
    char *kept = rs_format("%s.log", b->library);
    if (kept != NULL && rename(b->log, kept) != 0) {
        rs_free(kept);
        kept = NULL;
    }
    char *tail = rs_log_tail(kept != NULL ? kept : b->log);
    char *hint = rs_format("the whole output is in %s", kept != NULL ? kept : b->log);
    status = rs_error(diag, b->recipe->is_own ? RS_INTERNAL : RS_BAD_INPUT, RS_NOWHERE, hint,
                      "%s ended with status %d while %s was built:\n%s", what, code, b->recipe->what,
                      tail != NULL ? tail : "(it printed nothing)");
    rs_free(hint);
    rs_free(tail);
    rs_free(kept);
    return status;
}

/* A file of the build's folder becomes one of the cache. */
static rs_status put(const rs_build *b, const char *name, const char *to, const rs_words *files, rs_diag *diag)
{
    char *built = rs_format("%s/%s", b->folder, name);
    const rs_cache_entry entry = {
        .built = built, .path = to, .home = b->tools->home, .files = files, .begin = b->begin
    };
    rs_status status = built != NULL ? rs_cache_put(&entry, diag) : rs_out_of_memory(diag);
    rs_free(built);
    return status;
}

/* Takes the next prerequisite of a rule of make out of its text, in place; NULL: there is none. */
static char *next_prerequisite(char **text)
{
    char *at = *text;
    while (*at == ' ' || *at == '\n' || (at[0] == '\\' && at[1] == '\n'))
        at += *at == '\\' ? 2 : 1;
    char *const word = at, *to = at;
    while (*at != '\0' && *at != ' ' && *at != '\n' && !(at[0] == '\\' && at[1] == '\n')) {
        if ((at[0] == '\\' && (at[1] == ' ' || at[1] == '#')) || (at[0] == '$' && at[1] == '$'))
            at++;
        *to++ = *at++;
    }
    *text = *at != '\0' ? at + 1 : at;
    if (at[0] == '\\')
        *text = at + 2;
    *to = '\0';
    return to > word ? word : NULL;
}

/* Adds what a tool has read, by the rule that it wrote for make. Its own parts are known by its version. */
static rs_status add_read(const rs_build *b, const char *rule, rs_words *files, rs_diag *diag)
{
    char *path = rs_format("%s/%s", b->folder, rule), *word;
    uint8_t *data = NULL;
    size_t size = 0;
    rs_status status = path != NULL ? rs_read_file(path, RS_MAX_SOURCE_BYTES, false, &data, &size, diag)
                                    : rs_out_of_memory(diag);
    const size_t root = strlen(b->root);
    char *text = status == RS_OK ? strstr((char *)data, ": ") : NULL;
    text = text != NULL ? text + 2 : NULL;
    while (text != NULL && (word = next_prerequisite(&text)) != NULL) {
        const char *name = strrchr(word, '/');
        if ((strncmp(word, b->root, root) != 0 || word[root] != '/') &&
            (name == NULL || strncmp(name, "/verilator", 10) != 0))
            rs_words_add(files, word);
    }
    rs_free(data);
    rs_free(path);
    return status == RS_OK ? rs_words_status(files, diag) : status;
}

/* ---------------------------------------------------------------------------------------------------- verilator */

static rs_status verilate(rs_build *b, rs_diag *diag)
{
    static const char *const options[] = { "--cc",   "-O3",         "-Wno-fatal", "--assert", "--x-assign",
                                           "unique", "--x-initial", "unique",     "--prefix", "Vdut",
                                           "-Mdir",  "model",       NULL };
    rs_words command = { .arena = b->arena };
    rs_words_add(&command, b->tools->verilator);
    rs_words_add_all(&command, options);
    rs_words_add(&command, "--top-module");
    rs_words_add(&command, b->recipe->top);
    if (b->options->trace)
        rs_words_add(&command, "--trace-fst");
    if (b->options->coverage) {
        rs_words_add(&command, "--coverage-line");
        rs_words_add(&command, "--coverage-toggle");
    }
    rs_words_add_all(&command, b->design.items);
    return run_step(b, &command, "verilator", diag);
}

/* The files that Verilator found by itself, in folders of includes; those that were given are checked in key.c, when
 * they are preprocessed. */
static rs_status check_found(rs_build *b, rs_diag *diag)
{
    rs_words found = { .arena = b->arena };
    rs_status status = add_read(b, "model/Vdut__ver.d", &found, diag);
    for (size_t i = 0; i < found.n && status == RS_OK; i++) {
        bool given = false;
        for (size_t k = 0; k < b->design.n && !given; k++)
            given = strcmp(b->design.items[k], found.items[i]) == 0;
        uint8_t *text = NULL;
        size_t size = 0;
        if (!given && found.items[i][0] == '/')
            status = rs_read_file(found.items[i], RS_MAX_SOURCE_BYTES, false, &text, &size, diag);
        if (status == RS_OK && text != NULL)
            status = rs_build_check_trust(b, found.items[i], (const char *)text, diag);
        rs_free(text);
    }
    return status;
}

/* One line of the model's header: a port, or not. */
static void write_port(const char *line, FILE *out)
{
    static const struct {
        const char *macro, *direction;
    } kinds[] = { { "VL_INOUT", "INOUT" }, { "VL_IN", "IN" }, { "VL_OUT", "OUT" } };
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        if (strncmp(line, kinds[k].macro, strlen(kinds[k].macro)) != 0)
            continue;
        char name[256];
        int elements = 0, high = 0, low = 0;
        const char *at = strchr(line, '(');
        /* Verilator wrote what is scanned here: one port, then an array of ports. */
        const char *const one = "(&%255[A-Za-z0-9_$],%d,%d", *const many = "((&%255[A-Za-z0-9_$])[%d],%d,%d";
        if (at == NULL)
            return;
        int found = sscanf(at, one, name, &high, &low) == 3;                  /* banned-ok: as said above */
        found = found || sscanf(at, many, name, &elements, &high, &low) == 4; /* banned-ok: as said above */
        if (found)
            fprintf(out, "RS_PORT(%s, %s, %d, %d)\n", name, kinds[k].direction, elements, high - low + 1);
        return;
    }
}

/* The ports of the model, which verilator declares in its header as VL_IN8(&name,7,0) or VL_OUT8((&name)[4],7,0), as
 * lines RS_PORT(name, IN, elements, bits). */
static rs_status write_ports(rs_build *b, rs_diag *diag)
{
    char *from = rs_format("%s/model/Vdut.h", b->folder), *to = rs_format("%s/ports.inc", b->folder);
    uint8_t *text = NULL;
    size_t size = 0;
    rs_output *out = NULL;
    rs_status status = from != NULL && to != NULL ? rs_read_file(from, RS_MAX_SOURCE_BYTES, false, &text, &size, diag)
                                                  : rs_out_of_memory(diag);
    if (status == RS_OK)
        status = rs_output_open(to, &out, diag);
    for (char *line = (char *)text, *next; status == RS_OK && line != NULL && *line != '\0'; line = next) {
        next = line + strcspn(line, "\n");
        if (*next != '\0')
            *next++ = '\0';
        write_port(line + strspn(line, " "), rs_output_stream(out));
    }
    if (out != NULL)
        status = rs_output_commit(out, diag);
    rs_free(text);
    rs_free(from);
    rs_free(to);
    return status;
}

/* ----------------------------------------------------------------------------------------------------- compiler */

static rs_status build_runtime(rs_build *b, rs_diag *diag)
{
    bool good = false;
    rs_status status = rs_cache_check(b->runtime, b->tools->home, &good, diag);
    if (status != RS_OK || good)
        return status;
    char *unity = rs_format("%s/runtime.cc", b->folder);
    rs_output *out = NULL;
    status = unity != NULL ? rs_output_open(unity, &out, diag) : rs_out_of_memory(diag);
    if (status == RS_OK) {
        FILE *file = rs_output_stream(out);
        fputs("#include \"verilated.cpp\"\n#include \"verilated_threads.cpp\"\n", file);
        if (b->options->trace)
            fputs("#include \"verilated_fst_c.cpp\"\n", file);
        if (b->options->coverage)
            fputs("#include \"verilated_cov.cpp\"\n", file);
        status = rs_output_commit(out, diag);
    }
    if (status == RS_OK) {
        const char *const rest[] = { "-O1", "-c", unity, "-o", "runtime.o", NULL };
        rs_words command = { .arena = b->arena };
        rs_words_add(&command, b->tools->compiler);
        rs_words_add_all(&command, b->flags.items);
        rs_words_add_all(&command, rest);
        status = run_step(b, &command, b->tools->compiler, diag);
    }
    if (status == RS_OK)
        status = put(b, "runtime.o", b->runtime, NULL, diag);
    rs_free(unity);
    return status;
}

/* The model's C++ files by name: those that run in every cycle, and those that run once. */
static rs_status list_model(rs_build *b, rs_words *fast, rs_words *slow, rs_diag *diag)
{
    char *folder = rs_format("%s/model", b->folder);
    DIR *dir = folder != NULL ? opendir(folder) : NULL;
    rs_free(folder);
    if (dir == NULL)
        return rs_error(diag, RS_INTERNAL, RS_FILE(b->folder), NULL, "verilator wrote no model");
    const struct dirent *entry;
    while ((entry = readdir(dir)) != NULL)
        if (rs_has_suffix(entry->d_name, ".cpp")) {
            const bool once = strstr(entry->d_name, "Slow") != NULL || strstr(entry->d_name, "__Syms") != NULL;
            rs_words_add(once ? slow : fast, entry->d_name);
        }
    closedir(dir);
    rs_words_sort(fast, 0);
    rs_words_sort(slow, 0);
    const rs_status status = rs_words_status(fast, diag);
    return status == RS_OK ? rs_words_status(slow, diag) : status;
}

/* All of it as one source; what runs only once is not optimized, which halves the time of the compiler. */
static rs_status write_unity(rs_build *b, const char *path, rs_diag *diag)
{
    rs_words fast = { .arena = b->arena }, slow = { .arena = b->arena };
    rs_output *out = NULL;
    rs_status status = list_model(b, &fast, &slow, diag);
    if (status == RS_OK)
        status = rs_output_open(path, &out, diag);
    if (status != RS_OK)
        return status;
    FILE *file = rs_output_stream(out);
    if (b->recipe->code != NULL) {
        char *code = realpath(b->recipe->code, NULL);
        fprintf(file, "#define RS_MODEL_CODE_FILE \"%s\"\n", code != NULL ? code : b->recipe->code);
        free(code);
    }
    fprintf(file, "#include \"%s/%s\"\n", b->tools->home, b->recipe->shim);
    for (size_t i = 0; i < fast.n; i++)
        fprintf(file, "#include \"model/%s\"\n", fast.items[i]);
    fprintf(file, "#ifdef __clang__\n#pragma clang optimize off\n#else\n#pragma GCC optimize(\"O0\")\n#endif\n");
    for (size_t i = 0; i < slow.n; i++)
        fprintf(file, "#include \"model/%s\"\n", slow.items[i]);
    return rs_output_commit(out, diag);
}

static rs_status compile(rs_build *b, rs_diag *diag)
{
    const char *const rest[] = {
        "-Imodel", "-I.", "-shared", "unity.cc", b->runtime, "-o",          "dut.so",
        "-MMD",    "-MF", "unity.d", "-pthread", "-latomic", "-Wl,-z,defs", b->options->trace ? "-lz" : NULL,
        NULL
    };
    char *unity = rs_format("%s/unity.cc", b->folder), *shim = rs_path_folder(b->recipe->shim);
    rs_status status = unity != NULL && shim != NULL ? write_unity(b, unity, diag) : rs_out_of_memory(diag);
    if (status == RS_OK) {
        rs_words command = { .arena = b->arena };
        rs_words_add(&command, b->tools->compiler);
        rs_words_add_all(&command, b->flags.items);
        if (b->options->quick)
            rs_words_add(&command, RS_QUICK_FLAG);
        rs_words_format(&command, "-I%s/sim/verilate/shim", b->tools->home);
        rs_words_format(&command, "-I%s/%s", b->tools->home, shim);
        rs_words_add_all(&command, rest);
        status = run_step(b, &command, b->tools->compiler, diag);
    }
    rs_words files = { .arena = b->arena };
    if (status == RS_OK)
        status = add_read(b, "unity.d", &files, diag);
    if (status == RS_OK && !b->recipe->is_own)
        status = add_read(b, "model/Vdut__ver.d", &files, diag);
    if (status == RS_OK)
        status = put(b, "dut.so", b->library, &files, diag);
    rs_free(unity);
    rs_free(shim);
    return status;
}

/* -------------------------------------------------------------------------------------------------------- build */

static rs_status run_steps(rs_build *b, rs_progress *progress, rs_diag *diag)
{
    rs_progress_update(progress, 0, "verilator");
    rs_status status = verilate(b, diag);
    if (status == RS_OK && !b->recipe->is_own && !b->recipe->is_trusted)
        status = check_found(b, diag);
    if (status == RS_OK && b->recipe->list_ports)
        status = write_ports(b, diag);
    if (status == RS_OK) {
        rs_progress_update(progress, 1, "runtime");
        status = build_runtime(b, diag);
    }
    if (status == RS_OK) {
        rs_progress_update(progress, 2, b->tools->clang ? "clang++" : "g++");
        status = compile(b, diag);
    }
    return status;
}

rs_status rs_build_library(rs_build *b, rs_diag *diag)
{
    int held = -1;
    rs_cache_collect(b->tools->cache);
    clock_gettime(CLOCK_REALTIME, &b->begin);
    rs_free(b->folder);
    rs_free(b->log);
    b->log = NULL;
    b->folder = rs_format("%s/build-XXXXXX", b->tools->cache);
    if (b->folder == NULL)
        return rs_out_of_memory(diag);
    if (mkdtemp(b->folder) == NULL) {
        rs_status status = rs_error(diag, RS_RESOURCE, RS_FILE(b->tools->cache), NULL,
                                    "no folder can be made in it: %s", strerror(errno));
        b->folder[0] = '\0';
        return status;
    }
    (void)rs_lock_try(b->folder, &held); /* so that nobody takes it for a leftover */
    b->log = rs_format("%s/log", b->folder);
    char *what = rs_format("building %s", b->recipe->what);
    rs_status status = b->log != NULL && what != NULL ? RS_OK : rs_out_of_memory(diag);
    if (status == RS_OK) {
        if (b->recipe->notice != NULL)
            fprintf(stderr, "%s\n", b->recipe->notice);
        rs_progress *progress = rs_progress_begin(what, 3, "steps");
        status = run_steps(b, progress, diag);
        rs_progress_end(progress);
    }
    rs_free(what);
    rs_cache_remove(b->folder);
    rs_lock_release(held);
    return status;
}
