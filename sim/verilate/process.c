/* Runs a program without a shell, and keeps what it prints. */
#include "verilate/process.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/progress.h"

extern char **environ;

static bool is_command(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISREG(status.st_mode) && access(path, X_OK) == 0;
}

char *rs_tool_find(const char *name)
{
    if (strchr(name, '/') != NULL)
        return is_command(name) ? rs_strdup(name) : NULL;
    const char *folders = getenv("PATH");
    while (folders != NULL && *folders != '\0') {
        const size_t length = strcspn(folders, ":");
        if (length > 0) {
            char *path = rs_format("%.*s/%s", (int)length, folders, name);
            if (path != NULL && is_command(path))
                return path;
            rs_free(path);
        }
        folders += length;
        folders += *folders == ':';
    }
    return NULL;
}

rs_status rs_tool_run(const char *const *argv, const char *folder, const char *log, int *exit_code, rs_diag *diag)
{
    posix_spawn_file_actions_t actions;
    if (posix_spawn_file_actions_init(&actions) != 0)
        return rs_out_of_memory(diag);
    int failed = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (failed == 0)
        failed = posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log != NULL ? log : "/dev/null",
                                                  O_WRONLY | O_CREAT | O_APPEND, 0644);
    if (failed == 0)
        failed = posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
    if (failed == 0 && folder != NULL)
        failed = posix_spawn_file_actions_addchdir_np(&actions, folder);
    pid_t child = 0;
    if (failed == 0)
        failed = posix_spawn(&child, argv[0], &actions, NULL, (char *const *)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (failed != 0)
        return rs_error(diag, RS_RESOURCE, RS_FILE(argv[0]), NULL, "cannot be run: %s", strerror(failed));

    int status = 0;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return rs_error(diag, RS_INTERNAL, RS_FILE(argv[0]), NULL, "cannot wait for it: %s", strerror(errno));
    if (rs_interrupted())
        return RS_INTERRUPTED;
    *exit_code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    return RS_OK;
}
