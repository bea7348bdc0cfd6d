/* What a model is made of: the arguments that build it, and a hash of everything that counts as its name. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "verilate/build.h"

/* Verilator runs in a folder of its own: paths are absolute. */
static rs_status add_path(rs_words *words, const char *option, const char *path, rs_diag *diag)
{
    char *absolute = realpath(path, NULL);
    if (absolute == NULL)
        return rs_error(diag, RS_BAD_INPUT, RS_FILE(path), NULL, "cannot be read: %s", strerror(errno));
    rs_words_format(words, "%s%s", option, absolute);
    free(absolute);
    return RS_OK;
}

static rs_status set_design(rs_build *b, rs_diag *diag)
{
    const rs_model_recipe *r = b->recipe;
    rs_status status = RS_OK;
    for (size_t i = 0; r->parameters != NULL && r->parameters[i] != NULL; i++)
        rs_words_format(&b->design, "-G%s", r->parameters[i]);
    rs_words_add_all(&b->design, r->options);
    for (size_t i = 0; r->defines != NULL && r->defines[i] != NULL; i++)
        rs_words_format(&b->design, "-D%s", r->defines[i]);
    for (size_t i = 0; r->include != NULL && r->include[i] != NULL && status == RS_OK; i++) {
        status = add_path(&b->design, "-I", r->include[i], diag);
        if (status == RS_OK)
            status = rs_words_add_design(&b->files, r->include[i], diag);
    }
    for (size_t i = 0; r->sources != NULL && r->sources[i] != NULL && status == RS_OK; i++)
        status = add_path(&b->design, "", r->sources[i], diag);
    rs_words_add_all(&b->files, r->sources);
    if (r->code != NULL)
        rs_words_add(&b->files, r->code);
    rs_words_format(&b->files, "%s/%s", b->tools->home, r->shim);
    for (size_t i = 0; r->shim_parts != NULL && r->shim_parts[i] != NULL; i++)
        rs_words_format(&b->files, "%s/%s", b->tools->home, r->shim_parts[i]);
    if (status == RS_OK)
        status = rs_words_status(&b->design, diag);
    return status == RS_OK ? rs_words_status(&b->files, diag) : status;
}

static rs_status set_flags(rs_build *b, rs_diag *diag)
{
    static const char *const flags[] = {
        "-std=c++17", "-O3",           "-fPIC",     "-fvisibility=hidden", "-fvisibility-inlines-hidden",
        "-w",         "-DVERILATOR=1", "-DVM_SC=0", "-DVL_TIME_CONTEXT",   NULL
    };
    const rs_model_options *o = b->options;
    rs_words_add_all(&b->flags, flags);
    if (o->coverage)
        rs_words_add(&b->flags, "-O1"); /* counters make the model large and slow anyway */
    if (!b->tools->clang)
        rs_words_add(&b->flags, "-fno-gnu-unique");
    rs_words_add(&b->flags, o->coverage ? "-DVM_COVERAGE=1" : "-DVM_COVERAGE=0");
    rs_words_add(&b->flags, o->trace ? "-DVM_TRACE=1" : "-DVM_TRACE=0");
    rs_words_add(&b->flags, o->trace ? "-DVM_TRACE_FST=1" : "-DVM_TRACE_FST=0");
    rs_words_add(&b->flags, "-include");
    rs_words_format(&b->flags, "%s/sim/verilate/shim/runtime.h", b->tools->home);
    rs_words_add(&b->flags, "-isystem");
    rs_words_format(&b->flags, "%s/include", b->root);
    rs_words_add(&b->flags, "-isystem");
    rs_words_format(&b->flags, "%s/include/vltstd", b->root);
    return rs_words_status(&b->flags, diag);
}

static rs_status hash_file(rs_key *key, const char *path, rs_diag *diag)
{
    uint8_t *data = NULL;
    size_t size = 0;
    rs_status status = rs_read_file(path, RS_MAX_SOURCE_BYTES, false, &data, &size, diag);
    if (status == RS_OK)
        rs_key_add(key, data, size);
    rs_free(data);
    return status;
}

/* Tools, flags, and the files that every model is compiled with. */
static rs_status hash_runtime(rs_build *b, rs_key *key, rs_diag *diag)
{
    static const char *const common[] = { "runtime.h", "driver.h", "wave.h" };
    const char *const version[] = { b->tools->verilator, "--version", NULL },
                      *const root[] = { b->tools->verilator, "--getenv", "VERILATOR_ROOT" },
                      *const compiler[] = { b->tools->compiler, "--version", NULL };
    rs_status status = rs_toolchain_ask(b->tools, version, key, NULL, diag);
    if (status == RS_OK)
        status = rs_toolchain_ask(b->tools, root, key, &b->root, diag);
    if (status == RS_OK)
        status = rs_toolchain_ask(b->tools, compiler, key, NULL, diag);
    if (status == RS_OK)
        status = set_flags(b, diag);
    /* Flags name folders, which do not matter: two copies of the same sources share their models. */
    for (size_t i = 0; status == RS_OK && i < b->flags.n; i++)
        if (b->flags.items[i][0] == '-')
            rs_key_text(key, b->flags.items[i]);
    for (size_t i = 0; status == RS_OK && i < sizeof common / sizeof common[0]; i++) {
        char *path = rs_format("%s/sim/verilate/shim/%s", b->tools->home, common[i]);
        status = path != NULL ? hash_file(key, path, diag) : rs_out_of_memory(diag);
        rs_free(path);
    }
    return status;
}

/* A design that is not ours includes files of which nobody told us: its preprocessed text holds them. */
static rs_status hash_preprocessed(rs_build *b, rs_key *key, rs_diag *diag)
{
    rs_words command = { .arena = b->arena };
    rs_words_add(&command, b->tools->verilator);
    rs_words_add(&command, "-E");
    rs_words_add(&command, "-P");
    for (size_t i = 0; i < b->design.n; i++)
        if (strncmp(b->design.items[i], "-G", 2) != 0)
            rs_words_add(&command, b->design.items[i]);
    char *text = NULL;
    size_t n = 0;
    rs_status status = rs_words_status(&command, diag);
    if (status == RS_OK)
        status = rs_toolchain_read(command.items, b->recipe->what, &text, &n, diag);
    if (status == RS_OK)
        status = rs_build_check_trust(b, NULL, text, diag);
    if (status == RS_OK)
        rs_key_add(key, text, n);
    rs_free(text);
    return status;
}

static void hash_words(rs_key *key, const char *const *texts)
{
    for (size_t i = 0; texts != NULL && texts[i] != NULL; i++)
        rs_key_text(key, texts[i]);
}

static rs_status hash_model(rs_build *b, rs_key *key, rs_diag *diag)
{
    const rs_model_recipe *r = b->recipe;
    rs_status status = RS_OK;
    rs_key_add(key, &r->interface_number, sizeof r->interface_number);
    if (b->options->quick)
        rs_key_text(key, RS_QUICK_FLAG);
    rs_key_text(key, r->top);
    hash_words(key, r->options);
    hash_words(key, r->parameters);
    hash_words(key, r->defines);
    if (r->is_trusted)
        rs_key_text(key, "trusted");
    /* What it includes lies beside it: equal files in two folders are two models. */
    char *code = r->code != NULL ? realpath(r->code, NULL) : NULL;
    if (code != NULL)
        rs_key_text(key, code);
    free(code);
    for (size_t i = 0; status == RS_OK && i < b->files.n; i++)
        status = hash_file(key, b->files.items[i], diag);
    return status == RS_OK && !r->is_own ? hash_preprocessed(b, key, diag) : status;
}

rs_status rs_build_prepare(rs_build *b, rs_diag *diag)
{
    rs_key runtime = { { 1, 2 } };
    rs_status status = set_design(b, diag);
    if (status == RS_OK)
        status = hash_runtime(b, &runtime, diag);
    rs_key model = runtime;
    if (status == RS_OK)
        status = hash_model(b, &model, diag);
    if (status != RS_OK)
        return status;
    b->library = rs_format("%s/dut-%016" PRIx64 "%016" PRIx64 ".so", b->tools->cache, model.half[0], model.half[1]);
    b->runtime = rs_format("%s/runtime-%016" PRIx64 "%016" PRIx64 ".o", b->tools->cache, runtime.half[0],
                           runtime.half[1]);
    return b->library != NULL && b->runtime != NULL ? RS_OK : rs_out_of_memory(diag);
}
