/* Progress of long loops on a terminal, and the clock. */
#include "base/progress.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/status.h"
#include "base/temporary.h"

double rs_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* --------------------------------------------------------------------------------------------------- interrupts */

static atomic_bool interrupted;
_Static_assert(ATOMIC_BOOL_LOCK_FREE == 2, "a signal handler sets it");

static void on_signal(int signal)
{
    (void)signal;
    if (atomic_exchange(&interrupted, true)) {
        rs_temporary_remove_all();
        _exit(RS_INTERRUPTED);
    }
}

/* The reader of a pipe is gone: the process ends as others do, but leaves nothing half-written. */
static void on_broken_pipe(int number)
{
    rs_temporary_remove_all();
    signal(number, SIG_DFL);
    raise(number);
}

static void catch (int number, void (*handler)(int))
{
    struct sigaction action = { .sa_handler = handler, .sa_flags = SA_RESTART }, old;
    sigfillset(&action.sa_mask);
    if (sigaction(number, NULL, &old) == 0 && old.sa_handler != SIG_IGN) /* as nohup wants it */
        sigaction(number, &action, NULL);
}

void rs_catch_interrupts(void)
{
    catch (SIGINT, on_signal);
    catch (SIGTERM, on_signal);
    catch (SIGHUP, on_signal);
    catch (SIGPIPE, on_broken_pipe);
    catch (SIGXFSZ, SIG_IGN); /* the write fails, and is reported */
}

bool rs_interrupted(void)
{
    return atomic_load_explicit(&interrupted, memory_order_relaxed);
}

void rs_set_interrupted(bool value)
{
    atomic_store(&interrupted, value);
}

/* ----------------------------------------------------------------------------------------------------- progress */

static const double interval = 0.1; /* seconds between two drawings */

struct rs_progress {
    char *what, *unit;
    uint64_t total;
    double begin, drawn;
    bool visible;
};

static atomic_bool silent;

void rs_progress_silence(void)
{
    atomic_store(&silent, true);
}

static bool on_terminal(void)
{
    const char *terminal = getenv("TERM");
    return isatty(STDERR_FILENO) && terminal != NULL && strcmp(terminal, "dumb") != 0;
}

rs_progress *rs_progress_begin(const char *what, uint64_t total, const char *unit)
{
    if (atomic_load(&silent) || !on_terminal())
        return NULL;
    rs_progress *progress = RS_NEW(rs_progress);
    if (progress == NULL)
        return NULL;
    *progress = (rs_progress) {
        .what = rs_strdup(what), .unit = rs_strdup(unit), .total = total, .begin = rs_seconds(), .drawn = 0
    };
    if (progress->what == NULL || progress->unit == NULL) {
        rs_progress_end(progress);
        return NULL;
    }
    return progress;
}

static int columns(void)
{
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 20 ? size.ws_col : 80;
}

void rs_progress_update(rs_progress *progress, uint64_t done, const char *detail)
{
    if (progress == NULL)
        return;
    const double now = rs_seconds();
    if (progress->visible && now - progress->drawn < interval)
        return;
    enum { BAR = 24, MAX_LINE = 512 };
    const uint64_t total = progress->total > 0 ? progress->total : 1;
    const uint64_t shown = done < total ? done : total;
    const double part = (double)shown / (double)total, elapsed = now - progress->begin;

    char bar[BAR + 1];
    for (int i = 0; i < BAR; i++)
        bar[i] = i < (int)(part * BAR) ? '=' : i == (int)(part * BAR) ? '>' : ' ';
    bar[BAR] = '\0';
    char rate[96] = "";
    if (elapsed >= interval && shown > 0) {
        const double left = elapsed * ((double)total / (double)shown - 1);
        const unsigned long long s = left < 360000 ? (unsigned long long)(left + 0.5) : 360000;
        snprintf(rate, sizeof rate, "  %.4g %s/s  %llu:%02llu left", (double)shown / elapsed, progress->unit, s / 60,
                 s % 60);
    }
    char line[MAX_LINE];
    snprintf(line, sizeof line, "%s [%s] %3d %%  %llu/%llu%s%s%s", progress->what, bar, (int)(part * 100),
             (unsigned long long)shown, (unsigned long long)progress->total, rate, detail != NULL ? "  " : "",
             detail != NULL ? detail : "");
    /* One column less than there are: a full line would wrap. \033[K clears what a longer line left behind. */
    fprintf(stderr, "\r%.*s\033[K", columns() - 1, line);
    fflush(stderr);
    progress->visible = true;
    progress->drawn = now;
}

void rs_progress_end(rs_progress *progress)
{
    if (progress == NULL)
        return;
    if (progress->visible) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
    }
    rs_free(progress->what);
    rs_free(progress->unit);
    rs_free(progress);
}
