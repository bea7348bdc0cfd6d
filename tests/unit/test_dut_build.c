/* test-options: limit=240
 * How the Verilated model comes into being: the cache, its key, what goes wrong with tools and folders, two builders at
 * once, traces. One small array, in cache folders of its own. */
#include "support/test.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "cosim/dut.h"
#include "verilate/process.h"

static const rs_array_config small = {
    .lanes = 1,
    .multipliers = 1,
    .activation_bits = 4,
    .weight_bits = 2,
    .accumulator_bits = 12,
    .program_depth = 2,
    .activation_elements = 32,
    .output_elements = 32,
    .weight_steps = 8,
    .bus_bits = 16,
    .latency = 3,
    .outstanding = 2,
};

static rs_diag *diag;
static char *old_path;
static char root[4096];

/* The library of an array's model, built if it is not in the cache, by these tools or by its own. */
static rs_status build_with(const rs_array_config *config, rs_toolchain *tools, char **path, double *seconds)
{
    const rs_dut_options options = { .tools = tools };
    rs_dut *dut = NULL;
    *path = NULL;
    const rs_status status = rs_dut_open(config, &options, &dut, diag);
    if (status == RS_OK) {
        *path = rs_strdup(rs_dut_library(dut));
        *seconds = rs_dut_build_seconds(dut);
    }
    rs_dut_close(dut);
    return status;
}

static rs_status build(char **path, double *seconds)
{
    return build_with(&small, NULL, path, seconds);
}

/* A 1x1 convolution of one value: 3 * 1 + 2 = 5. */
static void make_program(rs_descriptor *d, uint8_t *memory)
{
    *d = (rs_descriptor) { .groups = 1,
                           .groups_per_set = 1,
                           .lanes_set = 1,
                           .lanes_last = 1,
                           .scale = 1,
                           .scale_right = 1,
                           .scale_bottom = 1,
                           .scale_corner = 1,
                           .run_beats = 1,
                           .out_channels = 1,
                           .out_h = 1,
                           .out_w = 1,
                           .conv_h = 1,
                           .conv_w = 1,
                           .pool_h = 1,
                           .pool_w = 1,
                           .pool_stride_h = 1,
                           .pool_stride_w = 1,
                           .in_rows = 1,
                           .row_elems = 1,
                           .step_row = 1,
                           .step_col = 1,
                           .seg1_count = 1,
                           .seg1_rows = 1,
                           .seg2_count = 1,
                           .seg2_cols = 1,
                           .seg_len = 1,
                           .chunks = 1,
                           .steps = 1,
                           .out_bits = 4,
                           .ifmap_addr = 0,
                           .ifmap_beats = 1,
                           .weight_addr = 1,
                           .bias_beats = 1,
                           .bias_beats_last = 1,
                           .step_beats = 1,
                           .step_beats_last = 1,
                           .ofmap_addr = 3,
                           .ofmap_beats = 1,
                           .step_row_elems = 1,
                           .seg1_elems = 1,
                           .window_rows = 1,
                           .window_row_elems = 1,
                           .window_cols = 1,
                           .ofmap_last_elems = 1 };
    memset(memory, 0, 8);
    memory[0] = 3; /* ifmap */
    memory[2] = 2; /* bias */
    memory[4] = 1; /* weight */
    memory[6] = 0xff;
    memory[7] = 0xff;
}

static void run_once(rs_dut *dut)
{
    rs_descriptor d;
    uint8_t memory[8];
    make_program(&d, memory);
    bool finished = false;
    rs_assert_ok(rs_dut_start(dut, &d, 1, memory, 4, 0, diag), diag);
    rs_assert_ok(rs_dut_advance(dut, 1000, NULL, NULL, &finished, diag), diag);
    assert_true(finished);
    assert_int_equal(memory[6], 5);
    assert_int_equal(memory[7], 0);
}

/* Has another process build the library, which this one has not loaded, and cuts it in half. */
static void build_spoilt(void)
{
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        char *path = NULL;
        double seconds = 0;
        const rs_status status = build(&path, &seconds);
        struct stat file;
        const bool built = status == RS_OK && seconds > 0 && stat(path, &file) == 0;
        _exit(built && truncate(path, file.st_size / 2) == 0 ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void built_once(void **state)
{
    (void)state;
    char *path = NULL, *again = NULL, *other = NULL;
    double seconds = 0;
    build_spoilt();
    /* A spoilt library is built anew. */
    rs_dut *dut = NULL;
    rs_assert_ok(rs_dut_open(&small, NULL, &dut, diag), diag);
    assert_true(rs_dut_build_seconds(dut) > 0);
    run_once(dut);
    rs_dut_close(dut);

    rs_assert_ok(build(&path, &seconds), diag);
    assert_true(seconds == 0);
    rs_assert_ok(build(&again, &seconds), diag);
    assert_true(seconds == 0);
    assert_string_equal(path, again);
    /* Nothing is left but the library, its lock and the runtime. */
    assert_int_equal(rs_test_count_files(getenv("RISTRETTO_CACHE")), 3);

    /* Another parameter or another source is another library; a copy of the tree elsewhere is not. */
    rs_array_config wider = small;
    wider.accumulator_bits++;
    rs_assert_ok(build_with(&wider, NULL, &other, &seconds), diag);
    assert_string_not_equal(path, other);
    rs_free(path);
    rs_free(again);
    rs_free(other);
}

/* Runs argv[0], found by PATH; it must succeed. */
static void tool(const char *const *argv)
{
    const char *command[8] = { NULL };
    int exit_code = -1;
    for (int i = 0; argv[i] != NULL && i < 7; i++)
        command[i] = argv[i];
    char *path = rs_tool_find(argv[0]);
    assert_non_null(path);
    command[0] = path;
    rs_assert_ok(rs_tool_run(command, NULL, (rs_tool_output) { -1, -1 }, &exit_code, diag), diag);
    assert_int_equal(exit_code, 0);
    rs_free(path);
}

/* A copy of what a build needs, without and with a mistake in it. */
static void copy_tree(const char *folder, const char *mistake)
{
    static const char *const parts[][2] = { { "rtl", "" },
                                            { "sim/verilate/shim", "sim/verilate" },
                                            { "sim/cosim/shim", "sim/cosim" } };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        char *from = rs_format("%s/%s", root, parts[i][0]), *to = rs_format("%s/%s", folder, parts[i][1]);
        tool((const char *const[]) { "mkdir", "-p", to, NULL });
        tool((const char *const[]) { "cp", "-r", from, to, NULL });
        rs_free(from);
        rs_free(to);
    }
    if (mistake != NULL) {
        char *path = rs_format("%s/rtl/rst_flags.sv", folder);
        FILE *file = fopen(path, "a");
        assert_non_null(file);
        fputs(mistake, file);
        fclose(file);
        rs_free(path);
    }
}

static void sources_elsewhere(void **state)
{
    (void)state;
    char *path = NULL, *same = NULL;
    double seconds = 0;
    rs_assert_ok(build(&path, &seconds), diag);
    copy_tree(rs_test_path("copy"), NULL);
    setenv("RISTRETTO_HOME", rs_test_path("copy"), 1);
    rs_assert_ok(build(&same, &seconds), diag);
    assert_true(seconds == 0);
    assert_string_equal(path, same);
    rs_free(path);
    rs_free(same);

    copy_tree(rs_test_path("broken"), "module rst_broken(input logic a_i;\nendmodule\n");
    setenv("RISTRETTO_HOME", rs_test_path("broken"), 1);
    rs_assert_error(build(&path, &seconds), RS_INTERNAL, diag, "rst_flags.sv");
    assert_null(path);
    setenv("RISTRETTO_HOME", rs_test_path("nowhere"), 1);
    rs_assert_error(build(&path, &seconds), RS_BAD_INPUT, diag, "rtl/ristretto_array.sv");
    unsetenv("RISTRETTO_HOME");
}

static void broken_tools(void **state)
{
    (void)state;
    char *path = NULL;
    double seconds = 0;
    setenv("PATH", rs_test_folder(), 1);
    rs_assert_error(build(&path, &seconds), RS_RESOURCE, diag, "verilator is not installed");

    /* Verilator alone. */
    setenv("PATH", old_path, 1);
    char *verilator = rs_tool_find("verilator");
    assert_non_null(verilator);
    assert_int_equal(symlink(verilator, rs_test_path("verilator")), 0);
    rs_free(verilator);
    setenv("PATH", rs_test_folder(), 1);
    rs_assert_error(build(&path, &seconds), RS_RESOURCE, diag, "neither clang++ nor g++");

    /* A compiler that fails. */
    rs_test_write(rs_test_path("clang++"),
                  "#!/bin/sh\n[ \"$1\" = --version ] || { echo 'no space left, for example'; exit 7; }\n", 81);
    assert_int_equal(chmod(rs_test_path("clang++"), 0755), 0);
    char *paths = rs_format("%s:%s", rs_test_folder(), old_path);
    setenv("PATH", paths, 1);
    rs_free(paths);
    rs_assert_error(build(&path, &seconds), RS_INTERNAL, diag, "no space left, for example");
    assert_null(path);
    setenv("PATH", old_path, 1);
    setenv("RISTRETTO_CXX", "no-such-compiler", 1);
    rs_assert_error(build(&path, &seconds), RS_RESOURCE, diag, "no-such-compiler");
    unsetenv("RISTRETTO_CXX");
}

/* A tool says its version once, until its file is another. */
static void tools_asked_once(void **state)
{
    (void)state;
    char *path = NULL, *folder = rs_strdup(rs_test_path("tools")), *real = rs_tool_find("clang++");
    double seconds = 0;
    if (real == NULL)
        real = rs_tool_find("g++");
    assert_non_null(real);
    tool((const char *const[]) { "mkdir", "-p", folder, NULL });
    char *compiler = rs_format("%s/clang++", folder), *asked = rs_format("%s/asked", folder),
         *paths = rs_format("%s:%s", folder, old_path);
    setenv("PATH", paths, 1);
    rs_toolchain *tools = NULL;
    for (size_t i = 1; i <= 2; i++) {
        char *script = rs_format("#!/bin/sh\n# %zu\n[ \"$1\" != --version ] || echo >>%s\nPATH='%s' exec %s \"$@\"%s\n",
                                 i, asked, old_path, real, i > 1 ? " " : "");
        rs_test_write(compiler, script, strlen(script));
        assert_int_equal(chmod(compiler, 0755), 0);
        rs_free(script);
        if (tools == NULL)
            rs_assert_ok(rs_toolchain_new(&tools, diag), diag);
        for (int k = 0; k < 3; k++) {
            rs_assert_ok(build_with(&small, tools, &path, &seconds), diag);
            rs_free(path);
        }
        size_t size = 0;
        free(rs_test_read(asked, &size));
        assert_int_equal(size, i); /* a line each */
    }
    setenv("PATH", old_path, 1);
    rs_toolchain_free(tools);
    rs_free(folder);
    rs_free(real);
    rs_free(compiler);
    rs_free(asked);
    rs_free(paths);
}

/* The tools speak the C locale, whatever the user's, and what they say to stderr is no part of their answer. */
static void tools_that_warn(void **state)
{
    (void)state;
    static const char *const variables[] = { "LANG", "LC_ALL" };
    char *path = NULL, *same = NULL, *verilator = rs_tool_find("verilator");
    double seconds = 0;
    assert_non_null(verilator);
    rs_assert_ok(build(&path, &seconds), diag);
    for (size_t i = 0; i < 2; i++) {
        setenv(variables[i], "xx_YY.UTF-8", 1);
        rs_assert_ok(build(&same, &seconds), diag);
        assert_string_equal(path, same);
        rs_free(same);
        unsetenv(variables[i]);
    }
    char *script = rs_format("#!/bin/sh\necho a warning >&2\n[ \"$LC_ALL\" = C ] || exit 9\nexec %s \"$@\"\n",
                             verilator),
         *folder = rs_strdup(rs_test_path("warning")), *paths = rs_format("%s:%s", folder, old_path),
         *tool_path = rs_format("%s/verilator", folder);
    tool((const char *const[]) { "mkdir", "-p", folder, NULL });
    rs_test_write(tool_path, script, strlen(script));
    assert_int_equal(chmod(tool_path, 0755), 0);
    setenv("PATH", paths, 1);
    rs_assert_ok(build(&same, &seconds), diag);
    assert_true(seconds == 0);
    assert_string_equal(path, same);
    setenv("PATH", old_path, 1);
    char *const all[] = { path, same, verilator, script, folder, paths, tool_path };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        rs_free(all[i]);
}

/* A model that is compiled without optimization is a library of its own, and computes the same. */
static void quick_model(void **state)
{
    (void)state;
    const rs_dut_options options = { .quick = true };
    rs_dut *dut = NULL;
    char *path = NULL;
    double seconds = 0;
    rs_assert_ok(rs_dut_open(&small, &options, &dut, diag), diag);
    rs_assert_ok(build(&path, &seconds), diag);
    assert_string_not_equal(rs_dut_library(dut), path);
    run_once(dut);
    rs_dut_close(dut);
    rs_free(path);
}

static mode_t mode_of(const char *path)
{
    struct stat file;
    assert_int_equal(stat(path, &file), 0);
    return file.st_mode & 07777;
}

/* The cache is its owner's alone, and what others could have written is not loaded. */
static void others_and_the_cache(void **state)
{
    (void)state;
    const char *cache = getenv("RISTRETTO_CACHE");
    char *path = NULL, *again = NULL;
    double seconds = 0;
    rs_assert_ok(build(&path, &seconds), diag);
    assert_int_equal(mode_of(cache), 0700);
    DIR *dir = opendir(cache);
    assert_non_null(dir);
    int files = 0;
    const struct dirent *entry;
    while ((entry = readdir(dir)) != NULL) {
        char *file = rs_path_join(cache, entry->d_name);
        if (entry->d_name[0] != '.') {
            assert_int_equal(mode_of(file), 0600);
            files++;
        }
        rs_free(file);
    }
    closedir(dir);
    assert_true(files >= 3);

    assert_int_equal(chmod(path, 0620), 0);
    rs_assert_error(build(&again, &seconds), RS_BAD_INPUT, diag, "can be written by other users");
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(chmod(cache, 0702), 0);
    rs_assert_error(build(&again, &seconds), RS_BAD_INPUT, diag, "can be written by other users");
    assert_int_equal(chmod(cache, 0700), 0);
    if (geteuid() == 0) {
        assert_int_equal(chown(path, 65534, 65534), 0);
        rs_assert_error(build(&again, &seconds), RS_BAD_INPUT, diag, "belongs to another user");
        assert_int_equal(chown(path, 0, 0), 0);
        assert_int_equal(chown(cache, 65534, 65534), 0);
        rs_assert_error(build(&again, &seconds), RS_BAD_INPUT, diag, "belongs to another user");
        assert_int_equal(chown(cache, 0, 0), 0);
    }
    rs_assert_ok(build(&again, &seconds), diag);
    assert_true(seconds == 0);
    rs_free(path);
    rs_free(again);
}

/* One bit in the middle, and one of the seal. */
static void damaged_library(void **state)
{
    (void)state;
    char *path = NULL, *again = NULL;
    double seconds = 0;
    for (int where = 0; where < 2; where++) {
        rs_assert_ok(build(&path, &seconds), diag);
        struct stat file;
        assert_int_equal(stat(path, &file), 0);
        const off_t at = where == 0 ? file.st_size / 2 : file.st_size - 3;
        const int fd = open(path, O_RDWR);
        uint8_t byte = 0;
        assert_int_equal(pread(fd, &byte, 1, at), 1);
        byte ^= 4;
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
        close(fd);
        rs_assert_ok(build(&again, &seconds), diag);
        assert_true(seconds > 0);
        assert_string_equal(path, again);
        rs_free(path);
        rs_free(again);
    }
}

/* Somebody who cannot write to a cache takes what is there; what is not there cannot be built. */
static void read_only_cache(void **state)
{
    (void)state;
    const char *cache = getenv("RISTRETTO_CACHE");
    char *path = NULL;
    double seconds = 0;
    rs_assert_ok(build(&path, &seconds), diag);
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(chmod(rs_test_folder(), 0755), 0);
    assert_int_equal(chmod(cache, 0555), 0);
    rs_free(path);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (geteuid() == 0 && (setresgid(65534, 65534, 65534) != 0 || setresuid(65534, 65534, 65534) != 0))
            _exit(3);
        if (access(root, R_OK | X_OK) != 0 || access(cache, X_OK) != 0)
            _exit(0); /* the sources are not this user's to read */
        rs_array_config wider = small;
        wider.accumulator_bits++;
        wider.latency = 7;
        wider.program_depth = 4;
        if (build(&path, &seconds) != RS_OK || seconds > 0)
            _exit(1);
        _exit(build_with(&wider, NULL, &path, &seconds) == RS_RESOURCE ? 0 : 2);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(chmod(cache, 0700), 0);
}

static void broken_cache(void **state)
{
    (void)state;
    char *path = NULL, *good = rs_strdup(getenv("RISTRETTO_CACHE"));
    double seconds = 0;
    rs_test_write(rs_test_path("file"), "x", 1);
    setenv("RISTRETTO_CACHE", rs_test_path("file"), 1);
    rs_assert_error(build(&path, &seconds), RS_BAD_INPUT, diag, "a file of this name is in the way");
    assert_null(path);
    setenv("RISTRETTO_CACHE", good, 1);
    rs_free(good);
}

static void two_builders(void **state)
{
    (void)state;
    char *cache = rs_strdup(getenv("RISTRETTO_CACHE"));
    setenv("RISTRETTO_CACHE", rs_test_path("cache2"), 1);
    enum { BUILDERS = 3 };
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t children[BUILDERS];
    for (int i = 0; i < BUILDERS; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0) {
            char *path = NULL;
            double seconds = 0;
            const rs_status status = build(&path, &seconds);
            const char built = status == RS_OK && path != NULL && rs_file_exists(path) ? (char)(seconds > 0 ? 'b' : 'c')
                                                                                       : 'x';
            _exit(write(ends[1], &built, 1) == 1 ? 0 : 1);
        }
    }
    close(ends[1]);
    char all[BUILDERS + 1] = "";
    size_t n = 0;
    while (n < BUILDERS && read(ends[0], all + n, 1) == 1)
        n++;
    close(ends[0]);
    for (int i = 0; i < BUILDERS; i++) {
        int status = 0;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    assert_int_equal(n, BUILDERS);
    assert_null(strchr(all, 'x'));
    /* Whoever waited for the lock found it built; no half-built folder is left. */
    assert_int_equal(rs_test_count_files(rs_test_path("cache2")), 3);
    setenv("RISTRETTO_CACHE", cache, 1);
    rs_free(cache);
}

static void trace_window(void **state)
{
    (void)state;
    char *file = rs_strdup(rs_test_path("wave.fst"));
    const rs_dut_options options = { .wave = { file, 4, 12 } };
    rs_dut *dut = NULL;
    rs_assert_ok(rs_dut_open(&small, &options, &dut, diag), diag);
    run_once(dut);
    assert_false(rs_file_exists(file)); /* not before it is whole */
    rs_assert_ok(rs_dut_keep_wave(dut, diag), diag);
    rs_dut_close(dut);
    size_t size = 0;
    char *data = rs_test_read(file, &size);
    assert_true(size > 100);
    assert_int_equal(data[0], 0); /* the header block of an FST file */
    free(data);
    rs_free(file);
}

static int set_up(void **state)
{
    (void)state;
    diag = rs_diag_new();
    old_path = rs_strdup(getenv("PATH"));
    assert_non_null(getcwd(root, sizeof root));
    setenv("RISTRETTO_CACHE", rs_test_path("cache"), 1);
    umask(0); /* modes are not the umask's */
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rs_diag_free(diag);
    rs_free(old_path);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(built_once),           cmocka_unit_test(sources_elsewhere), cmocka_unit_test(broken_tools),
        cmocka_unit_test(broken_cache),         cmocka_unit_test(two_builders),      cmocka_unit_test(trace_window),
        cmocka_unit_test(quick_model),          cmocka_unit_test(tools_asked_once),  cmocka_unit_test(tools_that_warn),
        cmocka_unit_test(others_and_the_cache), cmocka_unit_test(damaged_library),   cmocka_unit_test(read_only_cache),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
