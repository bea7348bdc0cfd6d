/* Opening a unit: its model is built from the adapter's design, and what goes wrong is said at the adapter's keys. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/memory.h"
#include "foreign/unit_private.h"
#include "verilate/words.h"

/* The name in the sources that is nearest to the module that they lack; NULL: none is near. rs_free. */
static char *nearest_module(const rs_unit_config *c)
{
    enum { MAX_NAMES = 256, MAX_BYTES = 1 << 22 };
    char *names[MAX_NAMES] = { NULL };
    size_t n = 0;
    for (size_t i = 0; i < c->n_sources; i++) {
        uint8_t *data = NULL;
        size_t size = 0;
        if (rs_read_file(c->sources[i].text, MAX_BYTES, false, &data, &size, NULL) != RS_OK)
            continue;
        static const char blanks[] = " \t\r\n", word[] = "module";
        char *text = rs_strndup((const char *)data, size);
        for (char *at = text; at != NULL && (at = strstr(at, word)) != NULL && n < MAX_NAMES;) {
            const bool begins = at == text || strchr(" \t\r\n;/", at[-1]) != NULL;
            at += sizeof word - 1;
            const size_t gap = strspn(at, blanks),
                         length = strspn(at + gap, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_$");
            if (begins && gap > 0 && length > 0 && (names[n] = rs_strndup(at + gap, length)) != NULL)
                n++;
        }
        rs_free(text);
        rs_free(data);
    }
    const char *near = rs_nearest(c->top, (const char *const *)names, n);
    char *copy = near != NULL ? rs_strdup(near) : NULL;
    while (n > 0)
        rs_free(names[--n]);
    return copy;
}

/* Why the unit could not be built, at the place in the adapter that it comes from. */
static rs_status say_why(const rs_unit_config *c, rs_status status, const rs_diag *told, rs_diag *diag)
{
    static const char no_top[] = "Specified --top-module '",
                      no_parameter[] = "Parameters from the command line were not found in the design: ";
    const rs_message *m = rs_diag_message(told, 0);
    if (m == NULL)
        return status;
    const char *unknown = strstr(m->text, no_parameter), *code = strrchr(c->code, '/');
    code = code != NULL ? code + 1 : c->code;
    if (strstr(m->text, no_top) != NULL) {
        char *near = nearest_module(c), *hint = near != NULL ? rs_format("did you mean '%s'?", near) : NULL;
        rs_error(diag, status, rs_unit_config_place(c, "design.top"),
                 hint != NULL ? hint : "is its file missing in design.sources?",
                 "design.top: the sources have no module '%s'", c->top);
        rs_free(hint);
        rs_free(near);
        return status;
    }
    for (size_t i = 0; unknown != NULL && i < c->n_parameters; i++) {
        const char *name = unknown + sizeof no_parameter - 1;
        const size_t length = strlen(c->parameters[i].name);
        if (strncmp(name, c->parameters[i].name, length) != 0 || strchr(", \n", name[length]) == NULL)
            continue;
        char key[64];
        snprintf(key, sizeof key, "design.parameters[%zu].name", i);
        return rs_error(diag, status, rs_unit_config_place(c, key), NULL, "%s: the module '%s' has no parameter '%s'",
                        key, c->top, c->parameters[i].name);
    }
    if (status == RS_BAD_INPUT && code[0] != '\0' &&
        (strstr(m->text, code) != NULL || strstr(m->text, "unit_adapter") != NULL))
        return rs_error(
            diag, status, rs_unit_config_place(c, "design.code"),
            strstr(m->text, "unknown type name 'unit_adapter'") != NULL ||
                    strstr(m->text, "'unit_adapter' does not name a type") != NULL
                ? "the file must define struct unit_adapter, derived from rs_unit_adapter: docs/user/foreign-rtl.md"
                : m->hint,
            "design.code: %s", m->text);
    if (status == RS_BAD_INPUT && m->loc.file == NULL)
        return rs_error(diag, status, rs_unit_config_place(c, "design.sources"), m->hint, "design.sources: %s",
                        m->text);
    return rs_error(diag, status, m->loc, m->hint, "%s", m->text);
}

/* Files that the adapter names must be there; all that are not are said. */
static void check_file(const rs_unit_config *c, const char *path, const char *key, rs_diag *diag)
{
    struct stat file;
    if (stat(path, &file) != 0)
        rs_error(diag, RS_BAD_INPUT, rs_unit_config_place(c, key), "paths begin at the folder of this file",
                 "%s: '%s' cannot be read: %s", key, path, strerror(errno));
    else if (S_ISDIR(file.st_mode) != (strncmp(key, "design.include", 14) == 0))
        rs_error(diag, RS_BAD_INPUT, rs_unit_config_place(c, key), NULL, "%s: '%s' is %s", key, path,
                 S_ISDIR(file.st_mode) ? "a folder, expected a file" : "a file, expected a folder");
}

static rs_status check_files(const rs_unit_config *c, rs_diag *diag)
{
    const size_t errors = rs_diag_errors(diag);
    char key[64];
    for (size_t i = 0; i < c->n_sources; i++) {
        snprintf(key, sizeof key, "design.sources[%zu]", i);
        check_file(c, c->sources[i].text, key, diag);
    }
    for (size_t i = 0; i < c->n_include; i++) {
        snprintf(key, sizeof key, "design.include[%zu]", i);
        check_file(c, c->include[i].text, key, diag);
    }
    if (c->code[0] != '\0')
        check_file(c, c->code, "design.code", diag);
    return rs_diag_errors(diag) > errors ? RS_BAD_INPUT : RS_OK;
}

/* Lists of the adapter as the recipe wants them. */
typedef struct unit_words {
    rs_words parameters, sources, include, defines, options;
} unit_words;

static rs_status list_words(const rs_unit_config *c, rs_arena *arena, unit_words *w, rs_diag *diag)
{
    rs_words *all[] = { &w->parameters, &w->sources, &w->include, &w->defines, &w->options };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        *all[i] = (rs_words) { .arena = arena };
    for (size_t i = 0; i < c->n_parameters; i++)
        rs_words_format(&w->parameters, "%s=%s", c->parameters[i].name, c->parameters[i].value);
    for (size_t i = 0; i < c->n_sources; i++)
        rs_words_add(&w->sources, c->sources[i].text);
    for (size_t i = 0; i < c->n_include; i++)
        rs_words_add(&w->include, c->include[i].text);
    for (size_t i = 0; i < c->n_defines; i++)
        rs_words_add(&w->defines, c->defines[i].text);
    rs_words_add(&w->options, "--no-timing");
    rs_words_add(&w->options, "--relative-includes");
    if (c->language[0] != '\0') {
        rs_words_add(&w->options, "--default-language");
        rs_words_add(&w->options, c->language);
    }
    rs_status status = RS_OK;
    for (size_t i = 0; i < sizeof all / sizeof all[0] && status == RS_OK; i++)
        status = rs_words_status(all[i], diag);
    return status;
}

/* Verilator's warnings about a design that has just been built: they are shown once. */
static void show_warnings(const rs_unit_config *c, const unit_words *w, rs_arena *arena, rs_diag *diag)
{
    rs_words lint = { .arena = arena };
    rs_words_add(&lint, "--top-module");
    rs_words_add(&lint, c->top);
    rs_words_add_all(&lint, w->options.items);
    for (size_t i = 0; i < w->parameters.n; i++)
        rs_words_format(&lint, "-G%s", w->parameters.items[i]);
    for (size_t i = 0; i < w->defines.n; i++)
        rs_words_format(&lint, "-D%s", w->defines.items[i]);
    for (size_t i = 0; i < w->include.n; i++)
        rs_words_format(&lint, "-I%s", w->include.items[i]);
    rs_words_add_all(&lint, w->sources.items);
    if (!lint.failed)
        rs_unit_show_warnings(&lint, diag);
}

static rs_status open_model(rs_unit *u, rs_toolchain *tools, bool trace, rs_diag *diag)
{
    static const char *const parts[] = { "sim/foreign/shim/unit_shim.h", "sim/foreign/shim/unit_adapter.h", NULL };
    const rs_unit_config *c = u->config;
    rs_arena *arena = rs_arena_new();
    char *what = rs_format("the unit '%s'", c->top),
         *notice = rs_format("note: building '%s'%s%s, which then runs as a program of yours (docs/user/security.md)",
                             c->file.path, c->code[0] != '\0' ? " with the C++ of " : "", c->code);
    unit_words words;
    rs_status status = arena != NULL && what != NULL && notice != NULL ? list_words(c, arena, &words, diag)
                                                                       : rs_out_of_memory(diag);
    if (status == RS_OK) {
        const rs_model_recipe recipe = { .what = what,
                                         .top = c->top,
                                         .shim = "sim/foreign/shim/unit_shim.cc",
                                         .shim_parts = parts,
                                         .interface_number = RS_UNIT_INTERFACE,
                                         .options = words.options.items,
                                         .parameters = words.parameters.items,
                                         .sources = words.sources.items,
                                         .include = words.include.items,
                                         .defines = words.defines.items,
                                         .code = c->code[0] != '\0' ? c->code : NULL,
                                         .is_trusted = c->is_trusted,
                                         .notice = notice,
                                         .list_ports = true };
        const rs_model_options options = { .trace = trace };
        rs_diag *told = rs_diag_new();
        status = rs_model_open(tools, &recipe, &options, &u->model, told);
        if (status != RS_OK)
            status = say_why(c, status, told, diag);
        else if (!trace && rs_model_build_seconds(u->model) > 0.0)
            show_warnings(c, &words, arena, diag);
        rs_diag_free(told);
    }
    if (status == RS_OK)
        u->functions = rs_model_functions(u->model);
    rs_free(what);
    rs_free(notice);
    rs_arena_free(arena);
    return status;
}

rs_status rs_unit_open_shim(rs_unit *u, uint64_t seed, const rs_wave *wave, rs_diag *diag)
{
    rs_status status = wave != NULL && wave->path != NULL ? rs_wave_open(wave->path, &u->wave, diag) : RS_OK;
    if (status != RS_OK)
        return status;
    const rs_wave_output *files = u->wave;
    const rs_unit_shim_options given = { .x_seed = seed,
                                         .falling_edge = u->config->clock_edge == RS_UNIT_EDGE_FALLING,
                                         .trace = files != NULL ? rs_wave_file(files) : NULL,
                                         .trace_save = files != NULL ? rs_wave_save(files) : NULL,
                                         .trace_title = files != NULL ? rs_wave_title(files) : NULL,
                                         .trace_from = wave != NULL ? wave->from : 0,
                                         .trace_to = wave != NULL ? wave->to : 0 };
    const char *message = "";
    u->shim = u->functions->open(&given, &message);
    return u->shim != NULL ? RS_OK
                           : rs_error(diag, RS_RESOURCE, RS_FILE(rs_model_path(u->model)), NULL,
                                      "the model cannot be started: %s", message);
}

rs_status rs_unit_open(const rs_unit_config *config, uint64_t seed, const rs_wave *wave, rs_unit **result,
                       rs_diag *diag)
{
    *result = NULL;
    rs_unit *u = RS_NEW(rs_unit);
    if (u == NULL)
        return rs_out_of_memory(diag);
    u->config = config;
    rs_toolchain *tools = NULL;
    rs_status status = check_files(config, diag);
    if (status == RS_OK)
        status = rs_toolchain_new(&tools, diag);
    if (status == RS_OK)
        status = open_model(u, tools, wave != NULL && wave->path != NULL, diag);
    rs_toolchain_free(tools);
    if (status == RS_OK)
        status = rs_unit_open_shim(u, seed, wave, diag);
    if (status == RS_OK)
        status = rs_unit_connect(u, diag);
    if (status != RS_OK) {
        rs_unit_close(u);
        return status;
    }
    *result = u;
    return RS_OK;
}

void rs_unit_close_shim(rs_unit *u)
{
    if (u->shim != NULL)
        u->functions->close(u->shim);
    rs_free(u->signals);
    rs_free(u->places);
    rs_free(u->bytes);
    rs_wave_discard(u->wave);
    u->wave = NULL;
}

rs_status rs_unit_keep_wave(rs_unit *u, rs_diag *diag)
{
    u->functions->close(u->shim);
    u->shim = NULL;
    rs_wave_output *wave = u->wave;
    u->wave = NULL;
    return wave != NULL ? rs_wave_commit(wave, diag) : RS_OK;
}

void rs_unit_close(rs_unit *u)
{
    if (u == NULL)
        return;
    rs_unit_close_shim(u);
    rs_model_close(u->model);
    rs_free(u);
}

const rs_unit_ranges *rs_unit_get_ranges(const rs_unit *unit)
{
    return &unit->ranges;
}
