/* The files of the cache: sealed, checked, collected. */
#include "verilate/cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/lock.h"
#include "base/memory.h"

enum { CACHE_MAX_BYTES = 1 << 30, CACHE_MAX_SOURCE = 1 << 26, CACHE_OLD_SECONDS = 600 };

/* The last bytes of a file. */
typedef struct cache_seal {
    char magic[16];
    uint64_t object, records; /* bytes */
    uint64_t hash;            /* of the object, followed by each record */
} cache_seal;

/* Before the path of a file that was read. The path is relative to the home, or absolute. */
typedef struct cache_record {
    uint64_t hash, length;
} cache_record;

static const char seal_magic[16] = "ristretto seal\n";

/* -------------------------------------------------------------------------------------------------------- trust */

static rs_status trust(const char *path, const struct stat *file, rs_diag *diag)
{
    static const char hint[] = "remove it, or set RISTRETTO_CACHE to a folder of your own";
    if (file->st_uid != geteuid() && file->st_uid != 0)
        return rs_error(diag, RS_BAD_INPUT, RS_FILE(path), hint,
                        "belongs to another user: built models are programs, and this one is not run");
    if ((file->st_mode & (S_IWGRP | S_IWOTH)) != 0)
        return rs_error(diag, RS_BAD_INPUT, RS_FILE(path), hint,
                        "can be written by other users: built models are programs, and this one is not run");
    return RS_OK;
}

rs_status rs_cache_make(const char *path, rs_diag *diag)
{
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/')
        length--;
    char *folder = rs_strndup(path, length), *parent = folder != NULL ? rs_path_folder(folder) : NULL;
    struct stat file;
    rs_status status = parent != NULL ? RS_OK : rs_out_of_memory(diag);
    if (status == RS_OK && stat(folder, &file) != 0) {
        status = rs_make_folder(parent, diag);
        if (status == RS_OK && mkdir(folder, 0700) == 0)
            (void)!chmod(folder, 0700); /* the umask may have taken our own rights */
    }
    if (status == RS_OK)
        status = rs_make_folder(folder, diag); /* it is there, or cannot be, for the reason that this gives */
    if (status == RS_OK && stat(folder, &file) == 0)
        status = trust(folder, &file, diag);
    rs_free(folder);
    rs_free(parent);
    return status;
}

/* -------------------------------------------------------------------------------------------------------- check */

/* The hash of a file's content; *there: there is such a file. RS_BAD_INPUT: it cannot be read. */
static rs_status hash_source(const char *path, bool *there, uint64_t *hash, rs_diag *diag)
{
    uint8_t *data = NULL;
    size_t size = 0;
    *there = rs_file_is_regular(path);
    rs_status status = *there ? rs_read_file(path, CACHE_MAX_SOURCE, false, &data, &size, diag) : RS_OK;
    if (data != NULL)
        *hash = rs_hash_bytes(1, data, size);
    rs_free(data);
    return status;
}

static rs_status check_source(const char *name, const char *home, uint64_t hash, bool *same, rs_diag *diag)
{
    char *path = rs_path_join(home, name);
    uint64_t now = 0;
    bool there = false;
    rs_status status = path != NULL ? hash_source(path, &there, &now, diag) : rs_out_of_memory(diag);
    *same = status == RS_OK && there && now == hash;
    rs_free(path);
    return status;
}

/* The files that the records name, of a file that is whole: all the same, or not. */
static rs_status check_sources(const uint8_t *at, const uint8_t *end, const char *home, bool *same, rs_diag *diag)
{
    rs_status status = RS_OK;
    *same = true;
    while (at < end && status == RS_OK && *same) {
        cache_record record;
        memcpy(&record, at, sizeof record);
        at += sizeof record;
        char *name = rs_strndup((const char *)at, record.length);
        status = name != NULL ? check_source(name, home, record.hash, same, diag) : rs_out_of_memory(diag);
        rs_free(name);
        at += record.length;
    }
    return status;
}

/* Whether nothing of the file is lost or changed. */
static bool is_whole(const uint8_t *data, size_t size, cache_seal *seal)
{
    if (size < sizeof *seal)
        return false;
    size -= sizeof *seal;
    memcpy(seal, data + size, sizeof *seal);
    if (memcmp(seal->magic, seal_magic, sizeof seal_magic) != 0 || seal->object > size ||
        seal->records != size - seal->object)
        return false;
    uint64_t hash = rs_hash_bytes(1, data, seal->object);
    for (const uint8_t *at = data + seal->object, *const end = data + size; at < end;) {
        cache_record record;
        if ((size_t)(end - at) < sizeof record)
            return false;
        memcpy(&record, at, sizeof record);
        at += sizeof record;
        if (record.length > (size_t)(end - at))
            return false;
        hash = rs_hash_bytes(rs_hash_bytes(hash, &record, sizeof record), at, record.length);
        at += record.length;
    }
    return hash == seal->hash;
}

rs_status rs_cache_check(const char *path, const char *home, bool *good, rs_diag *diag)
{
    struct stat file;
    *good = false;
    if (lstat(path, &file) != 0)
        return errno == ENOENT
                   ? RS_OK
                   : rs_error(diag, RS_BAD_INPUT, RS_FILE(path), NULL, "cannot be read: %s", strerror(errno));
    if (!S_ISREG(file.st_mode))
        return rs_error(diag, RS_BAD_INPUT, RS_FILE(path), "remove it, so that the model is built anew",
                        "is no file, and no model");
    rs_status status = trust(path, &file, diag);
    uint8_t *data = NULL;
    size_t size = 0;
    if (status == RS_OK)
        status = rs_read_file(path, CACHE_MAX_BYTES, false, &data, &size, diag);
    cache_seal seal;
    if (status == RS_OK && is_whole(data, size, &seal)) {
        const uint8_t *records = data + seal.object;
        status = check_sources(records, records + seal.records, home, good, diag);
    }
    rs_free(data);
    return status;
}

/* ---------------------------------------------------------------------------------------------------------- put */

/* Whether a file has changed since the compiler began, so that nobody knows what the compiler saw. The clock of files
 * lags behind by some milliseconds. */
static bool is_in_doubt(const char *path, const struct timespec *begin)
{
    struct stat file;
    struct timespec now;
    if (stat(path, &file) != 0)
        return true;
    clock_gettime(CLOCK_REALTIME, &now);
    const double since = (double)(file.st_mtim.tv_sec - begin->tv_sec) +
                         1e-9 * (double)(file.st_mtim.tv_nsec - begin->tv_nsec);
    return since > -0.01 && file.st_mtim.tv_sec <= now.tv_sec;
}

/* Writes the record of a file, and adds it to the seal. */
static rs_status put_record(FILE *out, const rs_cache_entry *e, const char *path, cache_seal *seal, rs_diag *diag)
{
    const size_t home = strlen(e->home);
    const char *name = strncmp(path, e->home, home) == 0 && path[home] == '/' ? path + home + 1 : path;
    cache_record record = { .length = strlen(name) };
    bool there = false;
    const rs_status status = path[0] == '/' ? hash_source(path, &there, &record.hash, diag) : RS_OK;
    if (!there || status != RS_OK)
        return status;
    record.hash += is_in_doubt(path, &e->begin);
    fwrite(&record, 1, sizeof record, out);
    fwrite(name, 1, record.length, out);
    seal->records += sizeof record + record.length;
    seal->hash = rs_hash_bytes(rs_hash_bytes(seal->hash, &record, sizeof record), name, record.length);
    return RS_OK;
}

rs_status rs_cache_put(const rs_cache_entry *e, rs_diag *diag)
{
    uint8_t *data = NULL;
    size_t size = 0;
    rs_output *output = NULL;
    rs_status status = rs_read_file(e->built, CACHE_MAX_BYTES, false, &data, &size, diag);
    if (status == RS_OK)
        status = rs_output_open(e->path, &output, diag);
    if (status == RS_OK) {
        cache_seal seal = { .object = size, .hash = rs_hash_bytes(1, data, size) };
        FILE *out = rs_output_stream(output);
        memcpy(seal.magic, seal_magic, sizeof seal.magic);
        (void)!fchmod(fileno(out), 0600);
        fwrite(data, 1, size, out);
        for (size_t i = 0; e->files != NULL && i < e->files->n && status == RS_OK; i++)
            status = put_record(out, e, e->files->items[i], &seal, diag);
        fwrite(&seal, 1, sizeof seal, out);
        if (status == RS_OK)
            status = rs_output_commit(output, diag);
        else
            rs_output_discard(output);
    }
    rs_free(data);
    return status;
}

/* ----------------------------------------------------------------------------------------------------- leftovers */

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status;
    (void)kind;
    (void)walk;
    remove(path);
    return 0;
}

void rs_cache_remove(const char *folder)
{
    nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* A build's folder, or a file that was being written. */
static void collect(const char *path)
{
    struct stat file;
    int lock = -1;
    if (lstat(path, &file) != 0 || file.st_uid != geteuid() || time(NULL) - file.st_mtime < CACHE_OLD_SECONDS)
        return;
    if (S_ISREG(file.st_mode)) {
        unlink(path);
    } else if (S_ISDIR(file.st_mode) && rs_lock_try(path, &lock)) {
        rs_cache_remove(path);
        rs_lock_release(lock);
    }
}

void rs_cache_collect(const char *cache)
{
    DIR *dir = opendir(cache);
    const struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        const char *name = entry->d_name;
        if (strncmp(name, "build-", 6) != 0 && !(name[0] == '.' && rs_has_suffix(name, ".tmp")))
            continue;
        char *path = rs_path_join(cache, name);
        if (path != NULL)
            collect(path);
        rs_free(path);
    }
    if (dir != NULL)
        closedir(dir);
}
