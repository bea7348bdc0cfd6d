/* Runs a program without a shell, and keeps what it prints.
 *
 * Between this process and the tool stands a keeper: a process that leads a group of its own, waits for the tool, and
 * ends the whole group when this process ends or is interrupted. Tools start others (perl starts Verilator, the
 * compiler's driver the compiler), which the death of the first would leave running. */
#include "verilate/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/progress.h"

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

/* What keeper and tool need, made before the fork: after it only functions that a signal handler may call are safe. */
typedef struct tool_start {
    const char *const *argv;
    const char *folder;
    char **environment;
    rs_tool_output output;
    int report; /* the end of a pipe: takes an errno, and closes when the tool runs */
    pid_t parent;
} tool_start;

/* ------------------------------------------------------------------------------------------------------ the keeper */

static void end_group(int signal)
{
    (void)signal;
    kill(0, SIGKILL);
}

static _Noreturn void give_up(int report)
{
    const int why = errno;
    (void)!write(report, &why, sizeof why);
    _exit(127);
}

static _Noreturn void become_tool(const tool_start *s, int report)
{
    static const int endings[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGXFSZ };
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++)
        signal(endings[i], SIG_DFL); /* banned-ok: of another process */
    umask(077);
    if (s->folder == NULL || chdir(s->folder) == 0)
        execve(s->argv[0], (char *const *)s->argv, s->environment);
    give_up(report);
}

/* Standard streams, the report as descriptor 3, and nothing else: no lock of this process is held on. */
static void take_streams(const tool_start *s)
{
    const int null = open("/dev/null", O_RDWR);
    const int out = s->output.out >= 0 ? s->output.out : null, errors = s->output.errors >= 0 ? s->output.errors : null;
    /* Above the places that are about to be taken. */
    const int from[] = { fcntl(null, F_DUPFD, 10), fcntl(out, F_DUPFD, 10), fcntl(errors, F_DUPFD, 10),
                         fcntl(s->report, F_DUPFD, 10) };
    for (int i = 0; i < 4; i++)
        if (from[i] < 0 || dup2(from[i], i) < 0)
            give_up(s->report);
    fcntl(3, F_SETFD, FD_CLOEXEC);
    (void)syscall(SYS_close_range, 4U, ~0U, 0U);
}

static _Noreturn void keep(const tool_start *s)
{
    const struct sigaction end = { .sa_handler = end_group };
    setpgid(0, 0);
    sigaction(SIGTERM, &end, NULL);
    signal(SIGINT, SIG_IGN); /* banned-ok: of another process */
    signal(SIGHUP, SIG_IGN); /* banned-ok: of another process */
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0 || getppid() != s->parent)
        _exit(127);
    take_streams(s);
    const pid_t tool = fork();
    if (tool < 0)
        give_up(3);
    if (tool == 0)
        become_tool(s, 3);
    close(3);
    int status = 0;
    while (waitpid(tool, &status, 0) < 0)
        if (errno != EINTR)
            _exit(127);
    _exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
}

/* --------------------------------------------------------------------------------------------------- this process */

/* Waits for the keeper, and looks for an interrupt meanwhile: the group is not the terminal's, and hears of none. */
static rs_status wait_for(pid_t keeper, int *status)
{
    long pause = 1000 * 1000; /* ns; grows up to a fiftieth of a second */
    pid_t ended;
    while ((ended = waitpid(keeper, status, WNOHANG)) == 0 && !rs_interrupted()) {
        (void)nanosleep(&(struct timespec) { .tv_nsec = pause }, NULL);
        pause = pause < 15 * 1000 * 1000 ? pause * 5 / 4 : 20 * 1000 * 1000;
    }
    if (ended == 0) {
        kill(-keeper, SIGKILL);
        kill(keeper, SIGKILL); /* if it leads no group yet */
        while (waitpid(keeper, status, 0) < 0 && errno == EINTR)
            ;
    }
    return rs_interrupted() ? RS_INTERRUPTED : RS_OK;
}

/* The environment of a tool: the C locale, whose messages we know and which every machine has, and a place for
 * temporary files that somebody cleans up. rs_free the list alone; its texts are the caller's or the environment's. */
static char **environment_of(char *locale, char *temporary)
{
    extern char **environ;
    size_t n = 0, kept = 0;
    while (environ[n] != NULL)
        n++;
    char **list = rs_calloc(n + 3, sizeof *list);
    for (size_t i = 0; list != NULL && i < n; i++)
        if (strncmp(environ[i], "LC_ALL=", 7) != 0 && (temporary == NULL || strncmp(environ[i], "TMPDIR=", 7) != 0))
            list[kept++] = environ[i];
    if (list != NULL)
        list[kept++] = locale;
    if (list != NULL && temporary != NULL)
        list[kept] = temporary;
    return list;
}

/* Starts the keeper. 0: the tool runs; else the errno of what went wrong. */
static int start(tool_start *s, pid_t *keeper)
{
    int ends[2], why = 0;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return errno;
    s->report = ends[1];
    s->parent = getpid();
    *keeper = fork();
    if (*keeper == 0)
        keep(s);
    if (*keeper < 0)
        why = errno;
    close(ends[1]);
    ssize_t got = 0;
    while (*keeper > 0 && (got = read(ends[0], &why, sizeof why)) < 0 && errno == EINTR)
        ;
    close(ends[0]);
    if (why != 0 && *keeper > 0)
        while (waitpid(*keeper, NULL, 0) < 0 && errno == EINTR)
            ;
    return why;
}

rs_status rs_tool_run(const char *const *argv, const char *folder, rs_tool_output output, int *exit_code, rs_diag *diag)
{
    static char locale[] = "LC_ALL=C";
    char *temporary = folder != NULL ? rs_format("TMPDIR=%s", folder) : NULL;
    tool_start s = {
        .argv = argv, .folder = folder, .environment = environment_of(locale, temporary), .output = output
    };
    pid_t keeper = 0;
    int status = 0;
    rs_status result = s.environment != NULL && (folder == NULL || temporary != NULL) ? RS_OK : rs_out_of_memory(diag);
    if (result == RS_OK) {
        const int why = start(&s, &keeper);
        if (why != 0)
            result = rs_error(diag, RS_RESOURCE, RS_FILE(argv[0]), NULL, "cannot be run: %s", strerror(why));
    }
    if (result == RS_OK)
        result = wait_for(keeper, &status);
    *exit_code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    rs_free(s.environment);
    rs_free(temporary);
    return result;
}
