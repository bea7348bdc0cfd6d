/* Building and caching Verilated models: of the array for one set of parameters (dut.c), of other people's units
 * (unit.c). */
#ifndef RISTRETTO_VERILATE_BUILD_H
#define RISTRETTO_VERILATE_BUILD_H

#include "config/array_config.h"

/* What a library is made of. All members but `what`, `top`, `shim` and `header` may be NULL. */
typedef struct rs_dut_recipe {
    const char *what; /* for messages: "the RTL model, 16 x 16" */
    const char *top;  /* module */
    const char *shim; /* what drives it, and the interface to that: files in sim/verilate/shim/ */
    const char *header;
    const char *const *parameters; /* "Lanes=16", ends with NULL */
    /* Other people's design; NULL: the array's own, rtl/ and rtl/checks/. Each list ends with NULL. A failure of
     * Verilator or the compiler is then RS_BAD_INPUT. */
    const char *const *sources;
    const char *const *include; /* folders */
    const char *const *defines; /* "NAME" or "NAME=VALUE" */
    const char *language;       /* such as "1364-2005": of all sources */
    const char *code;           /* C++ that the shim includes: "rs_unit_code.h" */
} rs_dut_recipe;

typedef struct rs_dut_build_options {
    bool trace; /* it can write waveforms */
    bool quick; /* compiled without optimization: in a third of the time, and about a tenth as fast */
    bool again; /* build even if it is there (it could not be loaded) */
} rs_dut_build_options;

/* The path of the shared object in the cache, built first if it is not there. *seconds: what the build took, 0 if none.
 * rs_free releases *path. */
rs_status rs_dut_build(const rs_array_config *config, const rs_dut_build_options *options, char **path, double *seconds,
                       rs_diag *diag);
rs_status rs_dut_build_recipe(const rs_dut_recipe *recipe, const rs_dut_build_options *options, char **path,
                              double *seconds, rs_diag *diag);

/* $RISTRETTO_RTL_COVERAGE, for scripts/rtl-coverage: models count lines and toggles, and each one leaves its counts in
 * this folder when it is closed. NULL: not set. */
const char *rs_dut_coverage_folder(void);

#endif
