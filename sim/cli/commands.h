/* What the commands do. Each one is described in the table of commands.c. */
#ifndef RISTRETTO_CLI_COMMANDS_H
#define RISTRETTO_CLI_COMMANDS_H

#include "cli/options.h"

rs_status rs_command_help(const rs_args *args, rs_diag *diag);

#endif
