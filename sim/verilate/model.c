/* The cache of models, and loading them. */
#include "verilate/model.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/lock.h"
#include "base/memory.h"
#include "base/progress.h"
#include "verilate/build.h"
#include "verilate/cache.h"

struct rs_model {
    char *path;
    double build_seconds;
    void *library;
    const void *functions;
};

/* Waits until no other process builds the same library. */
static rs_status lock(const rs_build *b, int *held, rs_diag *diag)
{
    char *path = rs_format("%s.lock", b->library);
    if (path == NULL)
        return rs_out_of_memory(diag);
    const int file = open(path, O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    rs_status status = RS_OK;
    if (file < 0)
        status = rs_error(diag, RS_RESOURCE, RS_FILE(b->tools->cache),
                          "set RISTRETTO_CACHE to a folder that can be written",
                          "the cache folder cannot be written: %s", strerror(errno));
    else
        (void)!fchmod(file, 0600); /* whatever the umask */
    if (file >= 0)
        close(file);
    if (status == RS_OK)
        status = rs_lock_take(path, held, diag);
    rs_free(path);
    return status;
}

/* Builds the library unless it is in the cache; again: even if it is there. */
static rs_status build_locked(rs_build *b, bool again, double *seconds, rs_diag *diag)
{
    const double start = rs_seconds();
    int held = -1;
    bool good = false;
    rs_status status = lock(b, &held, diag);
    if (status == RS_OK && !again)
        status = rs_cache_check(b->library, b->tools->home, &good, diag);
    if (status == RS_OK && !good) {
        status = rs_build_library(b, diag);
        *seconds = rs_seconds() - start;
    }
    rs_lock_release(held);
    return status;
}

static rs_status load(rs_model *m, const rs_model_recipe *recipe, rs_diag *diag)
{
    static const char hint[] = "delete it, so that it is built anew";
    m->library = dlopen(m->path, RTLD_NOW | RTLD_LOCAL);
    if (m->library == NULL)
        return rs_error(diag, RS_INTERNAL, RS_FILE(m->path), hint, "cannot be loaded: %s", dlerror());
    /* The cast of an object pointer to a function's, as POSIX has it. */
    const void *(*table)(void) = NULL;
    *(void **)&table = dlsym(m->library, "rs_model_table");
    m->functions = table != NULL ? table() : NULL;
    if (m->functions == NULL || *(const int32_t *)m->functions != recipe->interface_number)
        return rs_error(diag, RS_INTERNAL, RS_FILE(m->path), hint, "is not a model of this version");
    return RS_OK;
}

static rs_status build_and_load(rs_build *b, rs_model *m, rs_diag *diag)
{
    bool good = false;
    rs_status status = rs_cache_check(b->library, b->tools->home, &good, diag);
    if (status == RS_OK && !good)
        status = build_locked(b, false, &m->build_seconds, diag);
    if (status != RS_OK)
        return status;
    m->path = rs_strdup(b->library);
    if (m->path == NULL)
        return rs_out_of_memory(diag);
    if (load(m, b->recipe, NULL) == RS_OK)
        return RS_OK;
    /* Whole, and yet of no use here, such as another version's: once more. */
    if (m->library != NULL)
        dlclose(m->library);
    m->library = NULL;
    status = build_locked(b, true, &m->build_seconds, diag);
    return status == RS_OK ? load(m, b->recipe, diag) : status;
}

rs_status rs_model_open(rs_toolchain *toolchain, const rs_model_recipe *recipe, const rs_model_options *options,
                        rs_model **model, rs_diag *diag)
{
    *model = NULL;
    rs_model *m = RS_NEW(rs_model);
    rs_arena *arena = rs_arena_new();
    rs_build b = { .tools = toolchain,
                   .recipe = recipe,
                   .options = options,
                   .arena = arena,
                   .files = { .arena = arena },
                   .design = { .arena = arena },
                   .flags = { .arena = arena } };
    rs_status status = m != NULL && arena != NULL ? rs_build_prepare(&b, diag) : rs_out_of_memory(diag);
    if (status == RS_OK)
        status = build_and_load(&b, m, diag);
    rs_free(b.library);
    rs_free(b.runtime);
    rs_free(b.folder);
    rs_free(b.log);
    rs_free(b.root);
    if (arena != NULL)
        rs_arena_free(arena);
    if (status != RS_OK) {
        rs_model_close(m);
        return status;
    }
    *model = m;
    return RS_OK;
}

void rs_model_close(rs_model *model)
{
    if (model == NULL)
        return;
    if (model->library != NULL)
        dlclose(model->library);
    rs_free(model->path);
    rs_free(model);
}

const void *rs_model_functions(const rs_model *model)
{
    return model->functions;
}

const char *rs_model_path(const rs_model *model)
{
    return model->path;
}

double rs_model_build_seconds(const rs_model *model)
{
    return model->build_seconds;
}
