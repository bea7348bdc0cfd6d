/* Files: whole reads under a limit, and outputs that appear complete or not at all. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

#include "base/faults.h"
#include "base/memory.h"
#include "base/temporary.h"
#include "support/test.h"

static rs_diag *diag;

static int set_up(void **state)
{
    (void)state;
    diag = rs_diag_new();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rs_fault_arm(RS_FAULT_ALLOC, 0);
    rs_fault_arm(RS_FAULT_READ, 0);
    rs_fault_arm(RS_FAULT_WRITE, 0);
    rs_diag_free(diag);
    return 0;
}

/* -------------------------------------------------------------------------------------------------------- input */

static void reads_whole_files(void **state)
{
    (void)state;
    const size_t sizes[] = { 0, 1, 2, 4095, 4096, 4097, 100000 };
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        uint8_t *content = rs_calloc(sizes[k], 1), *data;
        for (size_t i = 0; i < sizes[k]; i++)
            content[i] = (uint8_t)(i * 7 + 1);
        const char *path = rs_test_path("in");
        rs_test_write(path, content, sizes[k]);
        size_t size;
        rs_assert_ok(rs_read_file(path, sizes[k], false, &data, &size, diag), diag); /* exactly the limit */
        assert_int_equal(size, sizes[k]);
        assert_memory_equal(data, content, size > 0 ? size : 1); /* with no bytes: the zero behind them */
        assert_int_equal(data[size], 0);
        rs_free(data);
        if (sizes[k] > 0) {
            rs_assert_error(rs_read_file(path, sizes[k] - 1, false, &data, &size, diag), RS_BAD_INPUT, diag,
                            "in: error: the file is larger than");
            assert_null(data);
            assert_int_equal(size, 0);
        }
        rs_free(content);
    }
}

/* A pipe has no size to ask for. */
static void reads_pipes(void **state)
{
    (void)state;
    const char *path = rs_test_path("pipe");
    assert_int_equal(mkfifo(path, 0600), 0);
    for (size_t limit = 199999; limit <= 200000; limit++) {
        const pid_t child = fork();
        if (child == 0) {
            signal(SIGPIPE, SIG_IGN);
            const int fd = open(path, O_WRONLY);
            char block[1000];
            memset(block, 'x', sizeof block);
            for (int i = 0; i < 200; i++)
                if (write(fd, block, sizeof block) < 0)
                    break;
            _exit(0);
        }
        uint8_t *data;
        size_t size;
        const rs_status status = rs_read_file(path, limit, false, &data, &size, diag);
        if (limit < 200000) {
            rs_assert_error(status, RS_BAD_INPUT, diag, "larger than 199999 bytes");
        } else {
            rs_assert_ok(status, diag);
            assert_int_equal(size, 200000);
            assert_int_equal(data[199999], 'x');
            rs_free(data);
        }
        waitpid(child, NULL, 0);
    }
    unlink(path);
}

static void a_large_limit_asks_for_little(void **state)
{
    (void)state;
    const char *path = rs_test_path("small");
    rs_test_write(path, "hello", 5);
    uint8_t *data;
    size_t size;
    rs_assert_ok(rs_read_file(path, SIZE_MAX, true, &data, &size, diag), diag);
    assert_int_equal(size, 5);
    rs_free(data);
}

static void missing_files_are_named(void **state)
{
    (void)state;
    uint8_t *data;
    size_t size;
    rs_test_write(rs_test_path("lenet.yaml"), "x", 1);
    rs_test_write(rs_test_path(".lenet.yml"), "x", 1);
    rs_assert_error(rs_read_file(rs_test_path("lenet.yml"), 100, false, &data, &size, diag), RS_BAD_INPUT, diag,
                    "lenet.yml: error: cannot open: No such file or directory\nhint: did you mean '");
    rs_read_file(rs_test_path("lnet.yaml"), 100, false, &data, &size, diag);
    const char *hint = rs_diag_message(diag, 0)->hint;
    char *expected = rs_format("did you mean '%s'?", rs_test_path("lenet.yaml"));
    assert_string_equal(hint, expected);
    rs_free(expected);
    rs_assert_error(rs_read_file("no/such/folder/file", 100, false, &data, &size, diag), RS_BAD_INPUT, diag,
                    "cannot open");
    rs_assert_error(rs_read_file(rs_test_folder(), 100, false, &data, &size, diag), RS_BAD_INPUT, diag,
                    "Is a directory");
    rs_assert_error(rs_read_file("", 100, false, &data, &size, diag), RS_BAD_INPUT, diag, "cannot open");
    unlink(rs_test_path("lenet.yaml"));
    unlink(rs_test_path(".lenet.yml"));
}

/* content, gzipped in one piece; the caller frees. */
static uint8_t *gzip(const uint8_t *content, size_t n, size_t *size)
{
    z_stream z = { 0 };
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 16 + 15, 9, Z_DEFAULT_STRATEGY), Z_OK);
    const size_t bound = n + n / 1000 + 200;
    uint8_t *out = rs_calloc(bound, 1);
    z.next_in = (Bytef *)(uintptr_t)content;
    z.avail_in = (uInt)n;
    z.next_out = out;
    z.avail_out = (uInt)bound;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    *size = bound - z.avail_out;
    deflateEnd(&z);
    return out;
}

static void inflates_gzip(void **state)
{
    (void)state;
    enum { N = 300000 };
    uint8_t *content = rs_calloc(N, 1), *data;
    for (size_t i = 0; i < N; i++)
        content[i] = (uint8_t)((i * i) >> 9);
    const char *path = rs_test_path("in.gz");
    size_t size, packed_size;
    const size_t sizes[] = { 0, 1, 5000, N };
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        uint8_t *packed = gzip(content, sizes[k], &packed_size);
        rs_test_write(path, packed, packed_size);
        const size_t limit = sizes[k] > packed_size ? sizes[k] : packed_size;
        rs_assert_ok(rs_read_file(path, limit, true, &data, &size, diag), diag);
        assert_int_equal(size, sizes[k]);
        assert_memory_equal(data, content, size > 0 ? size : 1);
        assert_int_equal(data[size], 0);
        rs_free(data);
        /* Without `inflate` the bytes come as they are. */
        rs_assert_ok(rs_read_file(path, limit, false, &data, &size, diag), diag);
        assert_int_equal(size, packed_size);
        rs_free(data);
        rs_free(packed);
    }

    /* Two members, one after the other, are one file. */
    uint8_t *packed = gzip(content, 1000, &packed_size);
    uint8_t *twice = rs_calloc(2 * packed_size, 1);
    memcpy(twice, packed, packed_size);
    memcpy(twice + packed_size, packed, packed_size);
    rs_test_write(path, twice, 2 * packed_size);
    rs_assert_ok(rs_read_file(path, N, true, &data, &size, diag), diag);
    assert_int_equal(size, 2000);
    assert_memory_equal(data, content, 1000);
    assert_memory_equal(data + 1000, content, 1000);
    rs_free(data);
    rs_free(twice);
    rs_free(packed);
    rs_free(content);
}

static void bad_gzip_is_refused(void **state)
{
    (void)state;
    enum { N = 3000 };
    uint8_t content[N], *data;
    for (size_t i = 0; i < N; i++)
        content[i] = (uint8_t)((i * i) >> 5) & 15;
    const char *path = rs_test_path("bad.gz");
    size_t size, packed_size;
    uint8_t *packed = gzip(content, N, &packed_size);
    size_t compared = 0;
    for (size_t cut = 2; cut < packed_size; cut++, compared++) { /* cut off at every byte */
        rs_test_write(path, packed, cut);
        rs_assert_error(rs_read_file(path, 100000, true, &data, &size, diag), RS_BAD_INPUT, diag, "cut off");
    }
    for (size_t i = 2; i < packed_size; i++, compared++) { /* every byte wrong, once */
        packed[i] ^= 0x55;
        rs_test_write(path, packed, packed_size);
        const rs_status status = rs_read_file(path, 100000, true, &data, &size, diag);
        /* The header's time, flags and system are not covered by the checksum. */
        if (i >= 10 || status != RS_OK)
            rs_assert_error(status, RS_BAD_INPUT, diag, "bad.gz: error: the gzip data is ");
        rs_free(data);
        packed[i] ^= 0x55;
    }
    assert_int_equal(compared, 2 * (packed_size - 2));
    rs_test_write(path, packed, packed_size);
    rs_assert_error(rs_read_file(path, N - 1, true, &data, &size, diag), RS_BAD_INPUT, diag,
                    "inflated file is larger than 2999");
    packed[packed_size] = 'x'; /* rubbish behind the end; gzip() leaves room */
    rs_test_write(path, packed, packed_size + 1);
    assert_int_equal(rs_read_file(path, 100000, true, &data, &size, diag), RS_BAD_INPUT);
    rs_free(packed);
}

/* A file of 30 KB that inflates to 30 MB takes no more memory than the limit allows. */
static void gzip_bombs_are_refused(void **state)
{
    (void)state;
    const size_t n = 30000000;
    uint8_t *zeros = rs_calloc(n, 1), *data;
    size_t size, packed_size;
    uint8_t *packed = gzip(zeros, n, &packed_size);
    rs_free(zeros);
    rs_test_write(rs_test_path("bomb.gz"), packed, packed_size);
    rs_free(packed);
    assert_true(packed_size < 40000);
    rs_assert_error(rs_read_file(rs_test_path("bomb.gz"), 1000000, true, &data, &size, diag), RS_BAD_INPUT, diag,
                    "inflated file is larger than 1000000 bytes");
}

/* Every allocation and every read made to fail, one after the other, until the file is read. */
static void faults_while_reading(void **state)
{
    (void)state;
    uint8_t content[20000], *data;
    for (size_t i = 0; i < sizeof content; i++)
        content[i] = (uint8_t)(i >> 8);
    size_t size, packed_size;
    uint8_t *packed = gzip(content, sizeof content, &packed_size);
    rs_test_write(rs_test_path("f.gz"), packed, packed_size);
    rs_free(packed);
    for (rs_fault kind = RS_FAULT_ALLOC; kind <= RS_FAULT_READ; kind++) {
        uint64_t n = 0;
        for (;;) {
            assert_true(++n < 100);
            rs_fault_arm(kind, n);
            const rs_status status = rs_read_file(rs_test_path("f.gz"), 100000, true, &data, &size, diag);
            const uint64_t used = rs_fault_count(kind);
            rs_fault_arm(kind, 0);
            if (used < n) { /* the fault was not reached */
                rs_assert_ok(status, diag);
                assert_int_equal(size, sizeof content);
                assert_memory_equal(data, content, sizeof content);
                rs_free(data);
                break;
            }
            assert_null(data);
            assert_int_equal(status, kind == RS_FAULT_READ ? RS_BAD_INPUT : RS_RESOURCE);
            rs_assert_error(status, status, diag,
                            kind == RS_FAULT_READ ? "cannot read: Input/output error" : "out of memory");
        }
        assert_true(n >= 3);
    }
}

/* ------------------------------------------------------------------------------------------------------- output */

static void expect_content(const char *path, const char *expected)
{
    char *text = rs_test_read(path, NULL);
    assert_string_equal(text, expected);
    free(text);
}

static rs_status write_text(const char *path, const char *text)
{
    rs_output *out;
    rs_status status = rs_output_open(path, &out, diag);
    if (status != RS_OK)
        return status;
    fputs(text, rs_output_stream(out));
    return rs_output_commit(out, diag);
}

static void output_appears_when_complete(void **state)
{
    (void)state;
    const char *path = rs_test_path("out1/report.json");
    rs_output *out;
    rs_assert_ok(rs_output_open(path, &out, diag), diag); /* makes the folder */
    fputs("hello\n", rs_output_stream(out));
    fflush(rs_output_stream(out));
    assert_false(rs_file_exists(path));
    rs_assert_ok(rs_output_commit(out, diag), diag);
    expect_content(path, "hello\n");
    assert_int_equal(rs_test_count_files(rs_test_path("out1")), 1);

    /* The old content stays until the new one is there, and for good if that is given up. */
    rs_assert_ok(rs_output_open(path, &out, diag), diag);
    fputs("other\n", rs_output_stream(out));
    fflush(rs_output_stream(out));
    expect_content(path, "hello\n");
    rs_output_discard(out);
    expect_content(path, "hello\n");
    assert_int_equal(rs_test_count_files(rs_test_path("out1")), 1);
    rs_output_discard(NULL);

    rs_assert_ok(write_text(path, "third\n"), diag);
    expect_content(path, "third\n");
}

static void output_keeps_mode_and_links(void **state)
{
    (void)state;
    const char *path = rs_test_path("mode"), *link = rs_test_path("link");
    rs_test_write(path, "x", 1);
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(symlink("mode", link), 0);
    rs_assert_ok(write_text(link, "through the link"), diag);
    struct stat st;
    assert_int_equal(lstat(link, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    expect_content(path, "through the link");

    /* A new file gets what the umask allows. */
    const mode_t old = umask(027);
    rs_assert_ok(write_text(rs_test_path("fresh"), "x"), diag);
    umask(old);
    assert_int_equal(stat(rs_test_path("fresh"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
}

static void output_to_impossible_places(void **state)
{
    (void)state;
    rs_output *out;
    rs_test_write(rs_test_path("plain"), "x", 1);
    rs_assert_error(rs_output_open(rs_test_folder(), &out, diag), RS_BAD_INPUT, diag, "this is a folder");
    assert_null(out);
    rs_assert_error(rs_output_open(rs_test_path("new/"), &out, diag), RS_BAD_INPUT, diag, "this is a folder");
    rs_assert_error(rs_output_open("", &out, diag), RS_BAD_INPUT, diag, "cannot write");
    rs_assert_error(rs_output_open(rs_test_path("plain/x"), &out, diag), RS_BAD_INPUT, diag,
                    "a file of this name is in the way");
    rs_assert_error(rs_output_open("/proc/nothing/x", &out, diag), RS_BAD_INPUT, diag, "cannot make the folder");
    if (geteuid() != 0) {
        mkdir(rs_test_path("locked"), 0500);
        rs_assert_error(rs_output_open(rs_test_path("locked/x"), &out, diag), RS_BAD_INPUT, diag,
                        "cannot write: Permission denied");
    }
    /* The longest name that a file system takes works too, although the temporary name has more to it. */
    char name[256];
    memset(name, 'n', 255);
    name[255] = '\0';
    rs_assert_ok(write_text(rs_test_path(name), "long"), diag);
    expect_content(rs_test_path(name), "long");
}

static void a_full_device(void **state)
{
    (void)state;
    rs_assert_error(write_text("/dev/full", "hello"), RS_RESOURCE, diag,
                    "/dev/full: error: cannot write: No space left on device\nhint: free some space");
    /* More than the stream's buffer: the error comes while writing, and is remembered. */
    rs_output *out;
    rs_assert_ok(rs_output_open("/dev/full", &out, diag), diag);
    for (int i = 0; i < 100000; i++)
        fputs("0123456789", rs_output_stream(out));
    rs_assert_error(rs_output_commit(out, diag), RS_RESOURCE, diag, "No space left on device");
    rs_assert_ok(write_text("/dev/null", "hello"), diag); /* a device is written directly */
    struct stat st;
    assert_int_equal(stat("/dev/null", &st), 0);
    assert_true(S_ISCHR(st.st_mode));
}

/* A limit on the size of files stands for a full disk: the old file stays, the temporary one goes. */
static void a_full_disk_leaves_the_old_file(void **state)
{
    (void)state;
    const char *path = rs_test_path("full/report.json");
    rs_assert_ok(write_text(path, "old"), diag);
    const pid_t child = fork();
    if (child == 0) {
        signal(SIGXFSZ, SIG_IGN);
        const struct rlimit limit = { 10000, 10000 };
        setrlimit(RLIMIT_FSIZE, &limit);
        rs_output *out;
        if (rs_output_open(path, &out, diag) != RS_OK)
            _exit(100);
        for (int i = 0; i < 100000; i++)
            fputs("0123456789", rs_output_stream(out));
        const rs_status status = rs_output_commit(out, diag);
        const rs_message *m = rs_diag_message(diag, 0);
        _exit(m != NULL && strstr(m->text, "File too large") != NULL ? (int)status : 101);
    }
    int ended;
    assert_int_equal(waitpid(child, &ended, 0), child);
    assert_true(WIFEXITED(ended));
    assert_int_equal(WEXITSTATUS(ended), RS_RESOURCE);
    expect_content(path, "old");
    assert_int_equal(rs_test_count_files(rs_test_path("full")), 1);
}

/* Every allocation and commit made to fail: no new file, no half file, and the old one stays. */
static void faults_while_writing(void **state)
{
    (void)state;
    const char *path = rs_test_path("faults/a/report.json");
    for (int old = 0; old < 2; old++) {
        for (rs_fault kind = RS_FAULT_ALLOC; kind < RS_FAULT_KINDS; kind++) {
            if (kind == RS_FAULT_READ)
                continue;
            if (old)
                rs_assert_ok(write_text(path, "old"), diag);
            uint64_t n = 0;
            for (;;) {
                assert_true(++n < 100);
                rs_fault_arm(kind, n);
                const rs_status status = write_text(path, "new");
                const uint64_t used = rs_fault_count(kind);
                rs_fault_arm(kind, 0);
                if (used < n) {
                    rs_assert_ok(status, diag);
                    break;
                }
                rs_assert_error(status, RS_RESOURCE, diag, kind == RS_FAULT_WRITE ? "No space left" : "out of memory");
                if (old)
                    expect_content(path, "old");
                if (rs_file_exists(rs_test_path("faults/a")))
                    assert_int_equal(rs_test_count_files(rs_test_path("faults/a")), old);
            }
            assert_true(n >= 2);
            expect_content(path, "new");
            assert_int_equal(rs_test_count_files(rs_test_path("faults/a")), 1);
            unlink(path);
        }
    }
}

/* Files that are open when a process exits, or is ended by its signal handler, leave nothing behind. */
static void open_files_are_removed(void **state)
{
    (void)state;
    mkdir(rs_test_path("left"), 0700);
    for (int by_exit = 0; by_exit < 2; by_exit++) {
        const pid_t child = fork();
        if (child == 0) {
            rs_output *a, *b, *c;
            if (rs_output_open(rs_test_path("left/a"), &a, diag) != RS_OK ||
                rs_output_open(rs_test_path("left/b"), &b, diag) != RS_OK ||
                rs_output_open(rs_test_path("left/c"), &c, diag) != RS_OK || rs_output_commit(c, diag) != RS_OK)
                _exit(1);
            if (rs_test_count_files(rs_test_path("left")) != 3)
                _exit(2);
            if (by_exit)
                exit(0);
            rs_temporary_remove_all(); /* what the handler does */
            _exit(0);
        }
        int ended;
        assert_int_equal(waitpid(child, &ended, 0), child);
        assert_int_equal(ended, 0);
        assert_int_equal(rs_test_count_files(rs_test_path("left")), 1); /* the one that was complete */
        unlink(rs_test_path("left/c"));
    }
}

static void many_outputs_at_once(void **state)
{
    (void)state;
    enum { N = 300 }; /* more than there are slots */
    rs_output *out[N];
    char name[32];
    for (int i = 0; i < N; i++) {
        snprintf(name, sizeof name, "many/%d", i);
        rs_assert_ok(rs_output_open(rs_test_path(name), &out[i], diag), diag);
        fprintf(rs_output_stream(out[i]), "%d", i);
    }
    for (int i = 0; i < N; i++)
        rs_assert_ok(rs_output_commit(out[i], diag), diag);
    assert_int_equal(rs_test_count_files(rs_test_path("many")), N);
    expect_content(rs_test_path("many/299"), "299");
}

/* -------------------------------------------------------------------------------------------------------- paths */

static void makes_folders(void **state)
{
    (void)state;
    rs_assert_ok(rs_make_folder(rs_test_path("x/y//z/"), diag), diag);
    assert_true(rs_file_exists(rs_test_path("x/y/z")));
    rs_assert_ok(rs_make_folder(rs_test_path("x/y"), diag), diag); /* there already */
    rs_assert_ok(rs_make_folder("/", diag), diag);
    rs_assert_ok(rs_make_folder(".", diag), diag);
    rs_test_write(rs_test_path("x/file"), "", 0);
    rs_assert_error(rs_make_folder(rs_test_path("x/file"), diag), RS_BAD_INPUT, diag,
                    "a file of this name is in the way");
    rs_assert_error(rs_make_folder(rs_test_path("x/file/y"), diag), RS_BAD_INPUT, diag,
                    "a file of this name is in the way");
    rs_assert_error(rs_make_folder("/proc/x", diag), RS_BAD_INPUT, diag,
                    "/proc/x: error: cannot make the folder '/proc/x'");
    rs_fault_arm(RS_FAULT_ALLOC, 1);
    assert_int_equal(rs_make_folder(rs_test_path("q"), diag), RS_RESOURCE);
    assert_false(rs_file_exists(rs_test_path("q")));
}

static void same_string(char *got, const char *expected)
{
    assert_string_equal(got, expected);
    rs_free(got);
}

static void joins_and_splits_paths(void **state)
{
    (void)state;
    same_string(rs_path_join("a", "b"), "a/b");
    same_string(rs_path_join("a/", "b"), "a/b");
    same_string(rs_path_join("/", "b"), "/b");
    same_string(rs_path_join("", "b"), "b");
    same_string(rs_path_join("a", "/b"), "/b");
    same_string(rs_path_folder("a/b"), "a");
    same_string(rs_path_folder("a/b/c"), "a/b");
    same_string(rs_path_folder("a//b"), "a");
    same_string(rs_path_folder("/b"), "/");
    same_string(rs_path_folder("b"), ".");
    same_string(rs_path_folder(""), ".");
    same_string(rs_path_folder("a/"), "a");
    rs_fault_arm(RS_FAULT_ALLOC, 1);
    assert_null(rs_path_join("a", "b"));
    rs_fault_arm(RS_FAULT_ALLOC, 1);
    assert_null(rs_path_folder("a/b"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(reads_whole_files),
        TEST(reads_pipes),
        TEST(a_large_limit_asks_for_little),
        TEST(missing_files_are_named),
        TEST(inflates_gzip),
        TEST(bad_gzip_is_refused),
        TEST(gzip_bombs_are_refused),
        TEST(faults_while_reading),
        TEST(output_appears_when_complete),
        TEST(output_keeps_mode_and_links),
        TEST(output_to_impossible_places),
        TEST(a_full_device),
        TEST(a_full_disk_leaves_the_old_file),
        TEST(faults_while_writing),
        TEST(open_files_are_removed),
        TEST(many_outputs_at_once),
        TEST(makes_folders),
        TEST(joins_and_splits_paths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
