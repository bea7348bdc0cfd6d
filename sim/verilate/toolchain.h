/* What models are built with: Verilator, a C++ compiler, the sources beside this program, and a folder for what has
 * been built: $RISTRETTO_CACHE, else $XDG_CACHE_HOME/ristretto, else ~/.cache/ristretto. */
#ifndef RISTRETTO_VERILATE_TOOLCHAIN_H
#define RISTRETTO_VERILATE_TOOLCHAIN_H

#include "base/diag.h"

/* It remembers what its tools say of themselves: starting them takes longer than a small net on a small array. One
 * thread at a time may use it. */
typedef struct rs_toolchain rs_toolchain;

/* RS_RESOURCE: a tool, the sources or a folder for the cache is missing. RS_BAD_INPUT: $RISTRETTO_HOME is not the root
 * of a source tree, or the cache cannot be made. */
rs_status rs_toolchain_new(rs_toolchain **toolchain, rs_diag *diag);
void rs_toolchain_free(rs_toolchain *toolchain);
/* The folder that holds rtl/ and sim/: $RISTRETTO_HOME, or by the place of the executable. */
const char *rs_toolchain_home(const rs_toolchain *toolchain);

#endif
