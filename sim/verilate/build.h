/* Building one model. Private to sim/verilate/: key.c (what it is made of, and its name in the cache), build.c (the
 * commands), cache.c (the files of the cache), model.c (loading). */
#ifndef RISTRETTO_VERILATE_BUILD_H
#define RISTRETTO_VERILATE_BUILD_H

#include "verilate/model.h"
#include "verilate/toolchain_private.h"
#include "verilate/words.h"

/* The compiler's option for a model that is run for a few cycles only; the runtime is the same. */
#define RS_QUICK_FLAG "-O0"

typedef struct rs_build {
    rs_toolchain *tools;
    const rs_model_recipe *recipe;
    const rs_model_options *options;
    rs_arena *arena;
    char *root;              /* Verilator's folder of headers and runtime */
    rs_words files;          /* paths whose contents count */
    rs_words design;         /* Verilator's arguments that name the design: parameters, folders, sources */
    rs_words flags;          /* of the compiler, for model and runtime alike */
    char *library, *runtime; /* files in the cache */
    char *folder, *log;      /* of the build; the folder is removed after it */
    struct timespec begin;   /* of the build */
} rs_build;

/* key.c: the arguments of the commands, and the names of the library and of the runtime that it needs. */
rs_status rs_build_prepare(rs_build *b, rs_diag *diag);
/* trust.c: refuses what in the text of a design would run programs or write files, unless the recipe trusts it. path:
 * of the file, or NULL. RS_BAD_INPUT. */
rs_status rs_build_check_trust(const rs_build *b, const char *path, const char *text, rs_diag *diag);
/* build.c: makes the library, and the runtime if there is none. */
rs_status rs_build_library(rs_build *b, rs_diag *diag);

#endif
