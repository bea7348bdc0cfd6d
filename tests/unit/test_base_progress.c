/* Progress, interruption, and durations. */
#include "base/progress.h"

#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/status.h"
#include "support/test.h"

/* What `child` writes to its stderr, which is a terminal of the given width (0: a pipe). Returns its exit status. */
static int captured(void (*child)(void), unsigned short columns, char *text, size_t size)
{
    int from, to;
    if (columns > 0) {
        struct winsize window = { .ws_row = 24, .ws_col = columns };
        assert_int_equal(openpty(&from, &to, NULL, NULL, &window), 0);
    } else {
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        from = ends[0];
        to = ends[1];
    }
    fflush(NULL);
    const pid_t pid = fork();
    if (pid == 0) {
        setenv("TERM", "xterm", 1);
        dup2(to, STDERR_FILENO);
        close(to);
        close(from);
        child();
        _exit(0);
    }
    close(to);
    size_t n = 0;
    for (ssize_t got; n < size - 1 && (got = read(from, text + n, size - 1 - n)) > 0;)
        n += (size_t)got;
    text[n] = '\0';
    close(from);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void draw(void)
{
    rs_progress *progress = rs_progress_begin("testing", 200, "images");
    rs_progress_update(progress, 0, NULL);
    usleep(250000);
    rs_progress_update(progress, 100, "accuracy 99 %");
    for (uint64_t i = 101; i <= 200; i++)
        rs_progress_update(progress, i, NULL); /* at once: none of these is drawn */
    rs_progress_end(progress);
}

static void draws_on_a_terminal(void **state)
{
    (void)state;
    char text[4000];
    assert_int_equal(captured(draw, 120, text, sizeof text), 0);
    assert_non_null(strstr(text, "\rtesting [>                       ]   0 %  0/200\033[K"));
    assert_non_null(strstr(text, "\rtesting [============>           ]  50 %  100/200  "));
    assert_non_null(strstr(text, " images/s  0:00 left  accuracy 99 %\033[K"));
    size_t drawings = 0;
    for (const char *p = text; (p = strstr(p, "testing")) != NULL; p++)
        drawings++;
    assert_int_equal(drawings, 2);
    const size_t n = strlen(text); /* the line is cleared at the end */
    assert_true(n > 4);
    assert_string_equal(text + n - 4, "\r\033[K");
}

static void a_narrow_terminal_does_not_wrap(void **state)
{
    (void)state;
    char text[4000];
    assert_int_equal(captured(draw, 40, text, sizeof text), 0);
    assert_true(strlen(text) > 40);
    char *save;
    for (char *line = strtok_r(text, "\r", &save); line != NULL; line = strtok_r(NULL, "\r", &save)) {
        char *clear = strstr(line, "\033[K");
        assert_non_null(clear);
        assert_true(clear - line < 40);
    }
}

static void nothing_into_a_pipe(void **state)
{
    (void)state;
    char text[4000];
    assert_int_equal(captured(draw, 0, text, sizeof text), 0);
    assert_string_equal(text, "");
}

static void draw_silenced(void)
{
    rs_progress_silence();
    draw();
}

static void draw_dumb(void)
{
    setenv("TERM", "dumb", 1);
    draw();
}

static void nothing_when_silent(void **state)
{
    (void)state;
    char text[4000];
    assert_int_equal(captured(draw_silenced, 80, text, sizeof text), 0);
    assert_string_equal(text, "");
    assert_int_equal(captured(draw_dumb, 80, text, sizeof text), 0);
    assert_string_equal(text, "");
}

static void draw_extremes(void)
{
    rs_progress *progress = rs_progress_begin("", 0, "");
    rs_progress_update(progress, UINT64_MAX, NULL);
    rs_progress_end(progress);
    progress = rs_progress_begin("x", UINT64_MAX, "y");
    usleep(150000);
    rs_progress_update(progress, 1, NULL); /* 10^18 years left */
    rs_progress_end(progress);
    rs_progress_end(NULL);
    rs_progress_update(NULL, 1, NULL);
}

static void extremes(void **state)
{
    (void)state;
    char text[4000];
    assert_int_equal(captured(draw_extremes, 80, text, sizeof text), 0);
    assert_non_null(strstr(text, "100 %"));
    assert_non_null(strstr(text, "0 %  1/18446744073709551615"));
}

/* --------------------------------------------------------------------------------------------------- interrupts */

static void the_flag(void **state)
{
    (void)state;
    assert_false(rs_interrupted());
    rs_set_interrupted(true);
    assert_true(rs_interrupted());
    rs_set_interrupted(false);
    assert_false(rs_interrupted());
}

/* A child that writes two files in `folder`, says "ready" and works until it is interrupted, or for ever. */
static pid_t start_worker(const char *folder, bool listens, int *ready)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    const pid_t pid = fork();
    if (pid == 0) {
        rs_catch_interrupts();
        rs_output *a, *b;
        char path[4200];
        snprintf(path, sizeof path, "%s/a", folder);
        if (rs_output_open(path, &a, NULL) != RS_OK)
            _exit(1);
        snprintf(path, sizeof path, "%s/b", folder);
        if (rs_output_open(path, &b, NULL) != RS_OK)
            _exit(1);
        fputs("half", rs_output_stream(a));
        fflush(rs_output_stream(a));
        if (write(ends[1], "r", 1) != 1)
            _exit(1);
        for (int told = 0;;) {
            usleep(1000);
            if (!rs_interrupted())
                continue;
            if (!told && write(ends[1], "i", 1) != 1)
                _exit(1);
            told = 1;
            if (listens) {
                rs_output_discard(a);
                rs_output_discard(b);
                _exit(RS_INTERRUPTED);
            }
        }
    }
    close(ends[1]);
    *ready = ends[0];
    return pid;
}

static void expect_byte(int fd, char expected)
{
    struct pollfd waiting = { .fd = fd, .events = POLLIN };
    assert_int_equal(poll(&waiting, 1, 20000), 1);
    char got = 0;
    assert_int_equal(read(fd, &got, 1), 1);
    assert_int_equal(got, expected);
}

static void interrupts(int signal, bool listens)
{
    const char *folder = rs_test_path("work");
    assert_int_equal(rs_make_folder(folder, NULL), RS_OK);
    int fd;
    const pid_t pid = start_worker(folder, listens, &fd);
    expect_byte(fd, 'r');
    assert_int_equal(rs_test_count_files(folder), 2);
    kill(pid, signal);
    expect_byte(fd, 'i');
    if (!listens) {
        assert_int_equal(rs_test_count_files(folder), 2); /* the first signal only sets the flag */
        kill(pid, signal);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    close(fd);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), RS_INTERRUPTED);
    assert_int_equal(rs_test_count_files(folder), 0);
}

static void one_signal_is_polite(void **state)
{
    (void)state;
    interrupts(SIGINT, true);
    interrupts(SIGTERM, true);
    interrupts(SIGHUP, true);
}

static void two_signals_end_at_once(void **state)
{
    (void)state;
    interrupts(SIGINT, false);
    interrupts(SIGTERM, false);
}

/* A pipe without a reader ends a process as ever, and leaves nothing half-written. */
static void a_broken_pipe_leaves_nothing(void **state)
{
    (void)state;
    const char *folder = rs_test_path("work");
    assert_int_equal(rs_make_folder(folder, NULL), RS_OK);
    int fd, status;
    const pid_t pid = start_worker(folder, false, &fd);
    expect_byte(fd, 'r');
    kill(pid, SIGPIPE);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    close(fd);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE);
    assert_int_equal(rs_test_count_files(folder), 0);
}

static void the_clock_advances(void **state)
{
    (void)state;
    const double before = rs_seconds();
    usleep(20000);
    const double passed = rs_seconds() - before;
    assert_true(passed >= 0.02 && passed < 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draws_on_a_terminal),
        cmocka_unit_test(a_narrow_terminal_does_not_wrap),
        cmocka_unit_test(nothing_into_a_pipe),
        cmocka_unit_test(nothing_when_silent),
        cmocka_unit_test(extremes),
        cmocka_unit_test(the_flag),
        cmocka_unit_test(one_signal_is_polite),
        cmocka_unit_test(two_signals_end_at_once),
        cmocka_unit_test(a_broken_pipe_leaves_nothing),
        cmocka_unit_test(the_clock_advances),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
