/* Building and caching the Verilated model of one set of parameters. Used by dut.c. */
#ifndef RISTRETTO_COSIM_DUT_BUILD_H
#define RISTRETTO_COSIM_DUT_BUILD_H

#include "config/array_config.h"

/* The path of the shared object in the cache, built first if it is not there. *seconds: what the build took, 0 if none.
 * again: build even if it is there (it could not be loaded). rs_free releases *path. */
rs_status rs_dut_build(const rs_array_config *config, bool trace, bool again, char **path, double *seconds, rs_diag *diag);

#endif
