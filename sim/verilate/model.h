/* Models of RTL: built with Verilator and a C++ compiler, kept in the toolchain's cache, loaded as shared objects. The
 * name of a model holds a hash of what is known before it is built, and the file says what else the compiler read: a
 * stale one is never used, nor one that is damaged or that somebody else could have written. Two processes that
 * need the same one build it once. What drives a model from inside, its shim, is its owner's. */
#ifndef RISTRETTO_VERILATE_MODEL_H
#define RISTRETTO_VERILATE_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "verilate/toolchain.h"

/* A waveform, FST, with a save file for GTKWave beside it. path NULL: none. */
typedef struct rs_wave {
    const char *path;
    uint64_t from, to; /* first and last cycle in it */
} rs_wave;

/* What a model is made of. Lists end with NULL; all members but `what`, `top`, `shim` and `sources` may be NULL. */
typedef struct rs_model_recipe {
    const char *what; /* for messages: "the RTL model, 16 x 16" */
    const char *top;  /* module */
    /* C++ that drives it: a file below the toolchain's home, which is compiled together with the model, and what it
     * includes besides the runtime of sim/verilate/shim/. It exports `const void *rs_model_table(void)`: a table whose
     * first member is an int32_t, the number of its interface. */
    const char *shim;
    const char *const *shim_parts;
    int32_t interface_number;
    const char *const *options;    /* of Verilator */
    const char *const *parameters; /* "Lanes=16" */
    const char *const *sources;
    const char *const *include; /* folders: of includes, and of modules in files of their name */
    const char *const *defines; /* "NAME" or "NAME=VALUE" */
    const char *code;           /* C++ that the shim includes as RS_MODEL_CODE_FILE */
    /* The design is this program's: its sources and include folders hold all of it, and a failure to build it is
     * RS_INTERNAL. Else files may be included from anywhere, and the failure is RS_BAD_INPUT. */
    bool is_own;
    bool is_trusted;    /* a design that is not ours may run programs and write files */
    const char *notice; /* said on stderr before it is built; NULL: nothing */
    bool list_ports; /* its ports are not known: the shim finds them in ports.inc, as RS_PORT(name, IN, elements, bits)
                      */
} rs_model_recipe;

typedef struct rs_model_options {
    bool trace;    /* it can write waveforms */
    bool quick;    /* compiled without optimization: in a third of the time, and about a tenth as fast */
    bool coverage; /* it counts lines and toggles */
} rs_model_options;

typedef struct rs_model rs_model;

/* Takes the model from the cache, where it is built first if it is not there or cannot be loaded. RS_RESOURCE: the
 * cache cannot be written. RS_INTERNAL or RS_BAD_INPUT: it cannot be built; the message shows the end of the tool's
 * output. RS_INTERRUPTED. */
rs_status rs_model_open(rs_toolchain *toolchain, const rs_model_recipe *recipe, const rs_model_options *options,
                        rs_model **model, rs_diag *diag);
void rs_model_close(rs_model *model);
/* The shim's table. */
const void *rs_model_functions(const rs_model *model);
/* The shared object in use, and in how many seconds it was built by this rs_model_open; 0: taken from the cache. */
const char *rs_model_path(const rs_model *model);
double rs_model_build_seconds(const rs_model *model);

#endif
