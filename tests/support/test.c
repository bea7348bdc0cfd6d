/* What every unit test has: a seed, a folder of its own, files, checks of messages. */
#include "support/test.h"

#include <dirent.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

uint64_t rs_test_seed(void)
{
    static uint64_t seed;
    static int known;
    if (!known) {
        const char *text = getenv("RISTRETTO_SEED");
        seed = text != NULL ? strtoull(text, NULL, 0) : 20160411;
        known = 1;
        print_message("# RISTRETTO_SEED=%llu\n", (unsigned long long)seed);
    }
    return seed;
}

static char folder[PATH_MAX];
static pid_t owner; /* a child that forks off the test must not remove the folder */

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static void remove_folder(void)
{
    if (getpid() == owner)
        nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

const char *rs_test_folder(void)
{
    if (folder[0] == '\0') {
        const char *parent = getenv("TMPDIR");
        snprintf(folder, sizeof folder, "%s/ristretto-XXXXXX", parent != NULL ? parent : "/tmp");
        if (mkdtemp(folder) == NULL)
            fail_msg("cannot make a folder like %s", folder);
        owner = getpid();
        atexit(remove_folder);
    }
    return folder;
}

/* Every path that was asked for, until the program ends. */
typedef struct known_path {
    struct known_path *next;
    char *path;
} known_path;
static known_path *known_paths;

const char *rs_test_path(const char *name)
{
    char path[PATH_MAX + 256];
    snprintf(path, sizeof path, "%s/%s", rs_test_folder(), name);
    for (known_path *k = known_paths; k != NULL; k = k->next)
        if (strcmp(k->path, path) == 0)
            return k->path;
    known_path *k = malloc(sizeof *k);
    assert_non_null(k);
    k->path = strdup(path);
    assert_non_null(k->path);
    k->next = known_paths;
    known_paths = k;
    return k->path;
}

void rs_test_write(const char *path, const void *data, size_t size)
{
    FILE *f = fopen(path, "wb");
    if (f == NULL)
        fail_msg("cannot write %s", path);
    const size_t written = size > 0 ? fwrite(data, 1, size, f) : 0;
    if (fclose(f) != 0 || written != size)
        fail_msg("cannot write %s", path);
}

char *rs_test_read(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        fail_msg("cannot read %s", path);
    char *text = NULL;
    size_t n = 0, got;
    do {
        text = realloc(text, n + 65536 + 1);
        assert_non_null(text);
        got = fread(text + n, 1, 65536, f);
        n += got;
    } while (got > 0);
    fclose(f);
    text[n] = '\0';
    if (size != NULL)
        *size = n;
    return text;
}

size_t rs_test_count_files(const char *path)
{
    DIR *d = opendir(path);
    if (d == NULL)
        fail_msg("cannot read the folder %s", path);
    size_t n = 0;
    for (struct dirent *entry; (entry = readdir(d)) != NULL;)
        n += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(d);
    return n;
}

char *rs_test_messages(rs_diag *diag)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    assert_non_null(f);
    rs_diag_print(diag, f);
    fclose(f);
    return text;
}

const char *rs_test_shared_data(void)
{
    const char *path = getenv("RISTRETTO_SHARED_DATA");
    if (path == NULL)
        path = "../shared/data";
    if (access(path, R_OK) == 0)
        return path;
    print_message("# the reference data is not at %s (RISTRETTO_SHARED_DATA)\n", path);
    return NULL;
}

void rs_test_assert_ok(rs_status status, rs_diag *diag, const char *file, int line)
{
    if (status == RS_OK)
        return;
    char *text = rs_test_messages(diag);
    print_error("# status %d where RS_OK was expected:\n# %s\n", (int)status, text);
    free(text);
    _fail(file, line);
}

void rs_test_assert_error(rs_status status, rs_status expected, rs_diag *diag, const char *part, const char *file,
                          int line)
{
    char *text = rs_test_messages(diag);
    const int good = status == expected && strstr(text, part) != NULL;
    if (!good)
        print_error("# expected status %d and a message with '%s'; got status %d and\n# %s\n", (int)expected, part,
                    (int)status, text);
    free(text);
    if (!good)
        _fail(file, line);
}
