/* ristretto help */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "cli/commands.h"
#include "cli/manual.h"

rs_status rs_command_help(const rs_args *args, rs_diag *diag)
{
    const char *topic = rs_args_text(args, "TOPIC");
    const char *format = rs_args_text(args, "format");
    const rs_command *command = topic != NULL ? rs_command_find(topic) : NULL;
    if (topic != NULL && command == NULL)
        return rs_error(diag, RS_USAGE, RS_NOWHERE, "'ristretto help' lists the commands", "there is no help about '%s'", topic);
    if (strcmp(format, "man") == 0)
        rs_manual_page(command, stdout);
    else if (strcmp(format, "bash") == 0)
        rs_manual_bash(stdout);
    else if (command != NULL)
        rs_manual_command(command, stdout);
    else
        rs_manual_overview(stdout);
    return RS_OK;
}
