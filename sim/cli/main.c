/* The command: finds the subcommand, reads its options, runs it, prints messages. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/progress.h"
#include "base/threads.h"
#include "cli/commands.h"
#include "cli/manual.h"
#include "report/report.h"

static rs_status unknown_command(const char *name, rs_diag *diag)
{
    const char *names[64];
    size_t n = 0;
    for (const rs_command *c = rs_commands.commands; c->name != NULL && n < sizeof names / sizeof names[0]; c++)
        names[n++] = c->name;
    const char *near = rs_nearest(name, names, n);
    char *hint = near != NULL ? rs_format("did you mean 'ristretto %s'?", near) : NULL;
    rs_error(diag, RS_USAGE, RS_NOWHERE, hint != NULL ? hint : "'ristretto help' lists the commands",
             "unknown command '%s'", name);
    rs_free(hint);
    return RS_USAGE;
}

static rs_status run_command(int argc, char **argv, rs_diag *diag)
{
    const rs_command *command = rs_command_find(&rs_commands, argv[0]);
    if (command == NULL)
        return unknown_command(argv[0], diag);
    rs_args *args = NULL;
    rs_status status = rs_args_parse(&rs_commands, command, argc, argv, &args, diag);
    if (status != RS_OK)
        return status;
    if (rs_args_flag(args, "help")) {
        rs_manual_command(&rs_commands, command, stdout);
    } else {
        if (rs_args_flag(args, "quiet"))
            rs_progress_silence();
        if (rs_args_flag(args, "stamp"))
            rs_report_keep_stamps();
        rs_set_threads((int)rs_args_int(args, "threads"));
        rs_catch_interrupts();
        status = command->run(args, diag);
    }
    rs_args_free(args);
    return status;
}

static rs_status run(int argc, char **argv, rs_diag *diag)
{
    if (argc < 2) {
        rs_manual_overview(&rs_commands, stderr);
        return RS_USAGE;
    }
    const char *first = argv[1];
    if (strcmp(first, "--help") == 0 || strcmp(first, "-h") == 0) {
        rs_manual_overview(&rs_commands, stdout);
        return RS_OK;
    }
    if (strcmp(first, "--version") == 0) {
        puts("ristretto " RS_VERSION);
        return RS_OK;
    }
    if (first[0] == '-')
        return rs_error(diag, RS_USAGE, RS_NOWHERE, "ristretto COMMAND [OPTION...]",
                        "a command is expected first, not '%s'", first);
    return run_command(argc - 1, argv + 1, diag);
}

int main(int argc, char **argv)
{
    rs_diag *diag = rs_diag_new();
    rs_status status = run(argc, argv, diag);
    /* Results that did not reach their reader are not results: a full disk, a closed pipe. */
    if ((fflush(stdout) != 0 || ferror(stdout) != 0) && status != RS_INTERRUPTED)
        status = rs_error(diag, RS_RESOURCE, RS_NOWHERE, NULL, "cannot write to the standard output: %s",
                          strerror(errno));
    if (status != RS_OK && status != RS_MISMATCH && status != RS_INTERRUPTED && rs_diag_errors(diag) == 0 && argc >= 2)
        rs_error(diag, status, RS_NOWHERE, NULL, "failed with status %d and without a reason; please report this",
                 (int)status);
    if (status == RS_INTERRUPTED && rs_diag_errors(diag) == 0)
        rs_error(diag, status, RS_NOWHERE, NULL, "interrupted");
    rs_diag_print(diag, stderr);
    rs_diag_free(diag);
    return (int)status;
}
