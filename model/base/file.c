/* Files: paths, whole files in and out, gzip. */
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "base/faults.h"
#include "base/memory.h"
#include "base/progress.h"
#include "base/temporary.h"

/* -------------------------------------------------------------------------------------------------------- paths */

bool rs_folder_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

bool rs_file_exists(const char *path)
{
    return access(path, F_OK) == 0 || errno == EACCES; /* whoever opens it says why that cannot be */
}

bool rs_file_is_regular(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

rs_status rs_check_regular(const char *path, rs_diag *diag)
{
    struct stat st;
    if (stat(path, &st) != 0 || S_ISREG(st.st_mode) || S_ISDIR(st.st_mode))
        return RS_OK;
    return rs_error(diag, RS_BAD_INPUT, RS_FILE(path), NULL, "this is a device or a pipe, and no file");
}

char *rs_path_join(const char *folder, const char *name)
{
    if (name[0] == '/')
        return rs_strdup(name);
    const size_t length = strlen(folder);
    return rs_format("%s%s%s", folder, length == 0 || folder[length - 1] == '/' ? "" : "/", name);
}

char *rs_path_folder(const char *path)
{
    size_t length = strlen(path);
    while (length > 0 && path[length - 1] != '/')
        length--;
    if (length == 0)
        return rs_strdup(".");
    while (length > 1 && path[length - 1] == '/') /* "a//b" lies in "a", "/b" in "/" */
        length--;
    return rs_strndup(path, length);
}

rs_status rs_make_folder(const char *path, rs_diag *diag)
{
    char *copy = rs_strdup(path);
    if (copy == NULL)
        return rs_out_of_memory(diag);
    rs_status status = RS_OK;
    for (char *p = copy; status == RS_OK; p++) {
        if (*p != '/' && *p != '\0')
            continue;
        const char end = *p;
        *p = '\0';
        const int why = copy[0] != '\0' && mkdir(copy, 0777) != 0 ? errno : 0;
        if (why != 0 && !rs_folder_exists(copy)) {
            status = rs_error(diag, why == ENOSPC || why == EDQUOT || why == EROFS ? RS_RESOURCE : RS_BAD_INPUT,
                              RS_FILE(path), NULL, "cannot make the folder '%s': %s", copy,
                              why == EEXIST ? "a file of this name is in the way" : strerror(why));
        }
        *p = end;
        if (end == '\0')
            break;
    }
    rs_free(copy);
    return status;
}

/* "did you mean 'lenet.yaml'?" from what lies in the folder, or NULL; rs_free releases it. */
static char *similar_file(const char *path)
{
    enum { MAX_ENTRIES = 1000 };
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    char *folder = rs_path_folder(path);
    DIR *d = folder != NULL ? opendir(folder) : NULL;
    rs_free(folder);
    if (d == NULL)
        return NULL;
    char *best = NULL;
    struct dirent *entry;
    for (int i = 0; i < MAX_ENTRIES && (entry = readdir(d)) != NULL; i++) {
        /* The nearest of this one and the best so far: in the end, of all. */
        const char *const pair[] = { entry->d_name, best };
        if (entry->d_name[0] == '.' || rs_nearest(name, pair, best != NULL ? 2 : 1) != entry->d_name)
            continue;
        char *copy = rs_strdup(entry->d_name);
        if (copy == NULL)
            break;
        rs_free(best);
        best = copy;
    }
    closedir(d);
    char *hint = best != NULL ? rs_format("did you mean '%.*s%s'?", (int)(name - path), path, best) : NULL;
    rs_free(best);
    return hint;
}

/* -------------------------------------------------------------------------------------------------------- input */

/* A buffer that grows up to a limit, with room for one zero byte behind it. */
typedef struct file_buffer {
    uint8_t *data;
    size_t size, capacity, limit;
} file_buffer;

/* Makes room for at least one more byte, or `wanted` in all. False: no memory. Never asks for much more than the limit.
 */
static bool grow(file_buffer *b, size_t wanted)
{
    if (wanted <= b->capacity)
        return true;
    size_t capacity = b->capacity * 2;
    if (capacity < wanted)
        capacity = wanted;
    if (capacity > b->limit)
        capacity = b->limit;
    uint8_t *grown = rs_recalloc(b->data, b->size, capacity + 1, 1);
    if (grown == NULL)
        return false;
    b->data = grown;
    b->capacity = capacity;
    return true;
}

static rs_status too_large(const char *path, size_t max_bytes, const char *what, rs_diag *diag)
{
    return rs_error(diag, RS_BAD_INPUT, RS_FILE(path), NULL,
                    "the %s is larger than %zu bytes, the most that is accepted here", what, max_bytes);
}

static ssize_t read_some(int fd, void *to, size_t n)
{
    if (rs_fault_strikes(RS_FAULT_READ)) {
        errno = EIO;
        return -1;
    }
    ssize_t got;
    do
        got = read(fd, to, n);
    while (got < 0 && errno == EINTR);
    return got;
}

/* Waits for what comes through a pipe. A signal between a look at the flag and a call that waits would be lost: each
 * wait is short. */
static rs_status wait_readable(int fd, const char *path, rs_diag *diag)
{
    enum { PAUSE_MS = 100 };
    struct pollfd wanted = { .fd = fd, .events = POLLIN };
    int ready = 0;
    while (!rs_interrupted() && (ready = poll(&wanted, 1, PAUSE_MS)) <= 0)
        if (ready < 0 && errno != EINTR)
            return RS_OK; /* the read will say why */
    return ready > 0 ? RS_OK : rs_error(diag, RS_INTERRUPTED, RS_FILE(path), NULL, "interrupted while it was read");
}

static rs_status read_all(int fd, const char *path, file_buffer *b, rs_diag *diag)
{
    struct stat st;
    size_t expected = 4096;
    const bool regular = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    if (regular) {
        if ((uintmax_t)st.st_size > b->limit)
            return too_large(path, b->limit, "file", diag);
        expected = (size_t)st.st_size;
    }
    if (expected > b->limit)
        expected = b->limit;
    if (!grow(b, expected > 0 ? expected : 1)) /* an empty file has a buffer too, for the zero byte */
        return rs_out_of_memory(diag);
    for (;;) {
        /* When the buffer is full, one more byte tells a file that ends here from one that goes on. */
        uint8_t extra;
        const bool full = b->size == b->capacity;
        if (!regular && wait_readable(fd, path, diag) != RS_OK)
            return RS_INTERRUPTED;
        const ssize_t got = full ? read_some(fd, &extra, 1) : read_some(fd, b->data + b->size, b->capacity - b->size);
        if (got < 0)
            return rs_error(diag, RS_BAD_INPUT, RS_FILE(path), NULL, "cannot read: %s", strerror(errno));
        if (got == 0)
            return RS_OK;
        if (full) {
            if (b->size == b->limit)
                return too_large(path, b->limit, "file", diag);
            if (!grow(b, b->size + 1))
                return rs_out_of_memory(diag);
            b->data[b->size] = extra;
        }
        b->size += (size_t)got;
    }
}

static voidpf zlib_alloc(voidpf opaque, uInt items, uInt size)
{
    (void)opaque;
    return rs_calloc(items, size);
}

static void zlib_free(voidpf opaque, voidpf block)
{
    (void)opaque;
    rs_free(block);
}

/* Inflates all members of a gzip file. */
static rs_status inflate_all(const char *path, const uint8_t *data, size_t size, file_buffer *b, rs_diag *diag)
{
    z_stream z = { .zalloc = zlib_alloc, .zfree = zlib_free };
    if (inflateInit2(&z, 16 + MAX_WBITS) != Z_OK) /* 16: gzip framing only */
        return rs_out_of_memory(diag);
    size_t at = 0; /* of data, handed to zlib so far */
    rs_status status = RS_OK;
    for (;;) {
        if (z.avail_in == 0 && at < size) {
            const size_t n = size - at < UINT_MAX ? size - at : UINT_MAX;
            z.next_in = (Bytef *)(uintptr_t)(data + at);
            z.avail_in = (uInt)n;
            at += n;
        }
        uint8_t extra;
        const bool full = b->size == b->capacity;
        const size_t room = full ? 1 : b->capacity - b->size < UINT_MAX ? b->capacity - b->size : UINT_MAX;
        z.next_out = full ? &extra : b->data + b->size;
        z.avail_out = (uInt)room;
        const int result = inflate(&z, Z_NO_FLUSH);
        const size_t got = room - z.avail_out;
        if (full && got > 0) {
            if (b->size == b->limit) {
                status = too_large(path, b->limit, "inflated file", diag);
                break;
            }
            if (!grow(b, b->size + 1)) {
                status = rs_out_of_memory(diag);
                break;
            }
            b->data[b->size] = extra;
        }
        b->size += got;
        if (result == Z_STREAM_END) {
            if (z.avail_in == 0 && at == size)
                break;
            inflateReset(&z); /* another member follows */
        } else if (result == Z_MEM_ERROR) {
            status = rs_out_of_memory(diag);
            break;
        } else if (result != Z_OK || (z.avail_in == 0 && at == size && z.avail_out > 0)) {
            const bool truncated = (result == Z_OK || result == Z_BUF_ERROR) && z.avail_in == 0 && at == size;
            status = rs_error(diag, RS_BAD_INPUT, RS_FILE(path), "fetch or write the file again",
                              "the gzip data is %s at byte %zu", truncated ? "cut off" : "corrupt", at - z.avail_in);
            break;
        }
    }
    inflateEnd(&z);
    return status;
}

/* Opens without waiting, so that an interrupt is seen while a pipe has no writer. */
static rs_status open_input(const char *path, int *result, rs_diag *diag)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;
    if (fd < 0 || rs_folder_exists(path)) {
        const int why = fd < 0 ? errno : EISDIR;
        if (fd >= 0)
            close(fd);
        char *hint = why == ENOENT ? similar_file(path) : NULL;
        rs_error(diag, RS_BAD_INPUT, RS_FILE(path), hint, "cannot open: %s", strerror(why));
        rs_free(hint);
        return RS_BAD_INPUT;
    }
    if (fstat(fd, &st) == 0 && !S_ISREG(st.st_mode)) {
        const rs_status status = wait_readable(fd, path, diag);
        if (status != RS_OK) {
            close(fd);
            return status;
        }
    }
    (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    *result = fd;
    return RS_OK;
}

rs_status rs_input_open(const char *path, FILE **stream, rs_diag *diag)
{
    int fd = -1;
    *stream = NULL;
    const rs_status status = open_input(path, &fd, diag);
    if (status != RS_OK)
        return status;
    *stream = fdopen(fd, "rb");
    if (*stream == NULL) {
        close(fd);
        return rs_out_of_memory(diag);
    }
    return RS_OK;
}

rs_status rs_read_file(const char *path, size_t max_bytes, bool inflate, uint8_t **data, size_t *size, rs_diag *diag)
{
    *data = NULL;
    *size = 0;
    if (max_bytes > PTRDIFF_MAX - 4096)
        max_bytes = PTRDIFF_MAX - 4096;
    int fd = -1;
    rs_status status = open_input(path, &fd, diag);
    if (status != RS_OK)
        return status;
    file_buffer raw = { .limit = max_bytes };
    status = read_all(fd, path, &raw, diag);
    close(fd);
    if (status == RS_OK && inflate && raw.size >= 2 && raw.data[0] == 0x1f && raw.data[1] == 0x8b) {
        file_buffer plain = { .limit = max_bytes };
        /* Deflate saves more than 3/4 seldom: start there, and grow for the rest. */
        const size_t guess = raw.size < max_bytes / 4 ? raw.size * 4 : max_bytes;
        status = grow(&plain, guess > 0 ? guess : 1) ? inflate_all(path, raw.data, raw.size, &plain, diag)
                                                     : rs_out_of_memory(diag);
        rs_free(raw.data);
        raw = plain;
    }
    if (status != RS_OK) {
        rs_free(raw.data);
        return status;
    }
    raw.data[raw.size] = 0;
    *data = raw.data;
    *size = raw.size;
    return RS_OK;
}

/* ------------------------------------------------------------------------------------------------------- output */

struct rs_output {
    char *path;      /* where it will appear, as the user gave it */
    char *target;    /* the same behind symbolic links */
    char *temporary; /* NULL: written directly, for devices and pipes */
    int slot;
    bool named; /* a library writes it: the stream is not used */
    FILE *stream;
};

/* A disk that is full or gone is the machine's fault; a path that cannot be is the user's. */
static rs_status output_status(int why)
{
    switch (why) {
    case EACCES:
    case EPERM:
    case EISDIR:
    case ENOENT:
    case ENOTDIR:
    case ELOOP:
    case ENAMETOOLONG:
    case ENXIO:
        return RS_BAD_INPUT;
    case EINTR:
        return RS_INTERRUPTED;
    default:
        return RS_RESOURCE;
    }
}

static const char *output_hint(int why)
{
    return why == ENOSPC || why == EDQUOT ? "free some space, or write to another disk" : NULL;
}

static void release(rs_output *out)
{
    if (out == NULL)
        return;
    if (out->stream != NULL)
        fclose(out->stream);
    if (out->temporary != NULL) {
        unlink(out->temporary);
        rs_temporary_forget(out->slot);
    }
    rs_free(out->path);
    rs_free(out->target);
    rs_free(out->temporary);
    rs_free(out);
}

/* A device, or a pipe once it has a reader. NULL: errno says why; EINTR: an interrupt. */
static FILE *open_device(const char *path, bool pipe)
{
    int fd;
    while ((fd = open(path, O_WRONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)) < 0 && pipe && errno == ENXIO &&
           !rs_interrupted())
        (void)nanosleep(&(struct timespec) { .tv_nsec = 20 * 1000 * 1000 }, NULL);
    if (fd < 0) {
        errno = errno == ENXIO && pipe ? EINTR : errno;
        return NULL;
    }
    (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    FILE *stream = fdopen(fd, "w");
    if (stream == NULL)
        close(fd);
    return stream;
}

static rs_status open_output(const char *path, bool named, rs_output **result, rs_diag *diag)
{
    static _Atomic unsigned serial;
    *result = NULL;
    rs_output *out = RS_NEW(rs_output);
    char *folder = NULL;
    rs_status status = RS_OK;
    if (out == NULL || (out->path = rs_strdup(path)) == NULL) {
        status = rs_out_of_memory(diag);
        goto fail;
    }

    out->named = named;
    struct stat st;
    const bool exists = stat(path, &st) == 0;
    if (path[0] == '\0' || path[strlen(path) - 1] == '/' || (exists && S_ISDIR(st.st_mode))) {
        status = rs_error(diag, RS_BAD_INPUT, RS_FILE(path), "give the name of a file",
                          "cannot write: this is a folder");
        goto fail;
    }
    if (exists && named && !S_ISREG(st.st_mode)) {
        status = rs_error(diag, RS_BAD_INPUT, RS_FILE(path), "give the name of a file",
                          "cannot write: this is a device or a pipe");
        goto fail;
    }
    if (exists && !S_ISREG(st.st_mode)) {
        out->stream = open_device(path, S_ISFIFO(st.st_mode));
    } else {
        /* A symbolic link stays, and what it points to is replaced. */
        char *real = exists ? realpath(path, NULL) : NULL;
        out->target = rs_strdup(real != NULL ? real : path);
        free(real);
        folder = out->target != NULL ? rs_path_folder(out->target) : NULL;
        if (folder == NULL) {
            status = rs_out_of_memory(diag);
            goto fail;
        }
        status = rs_make_folder(folder, diag);
        if (status != RS_OK)
            goto fail;
        const char *slash = strrchr(out->target, '/');
        /* A long name is cut, so that the temporary one is not too long for the file system where the final one is not.
         */
        out->temporary = rs_format("%s/.%.200s.%ld-%u.tmp", folder, slash != NULL ? slash + 1 : out->target,
                                   (long)getpid(), atomic_fetch_add(&serial, 1));
        if (out->temporary == NULL) {
            status = rs_out_of_memory(diag);
            goto fail;
        }
        out->slot = rs_temporary_remember(out->temporary);
        const int fd = open(out->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0 && exists)
            (void)!fchmod(fd, st.st_mode & 07777); /* the new file is as open as the old one was */
        out->stream = fd >= 0 ? fdopen(fd, "w") : NULL;
        if (out->stream == NULL && fd >= 0)
            close(fd);
    }
    if (out->stream == NULL) {
        const int why = errno;
        status = rs_error(diag, output_status(why), RS_FILE(path), output_hint(why), "cannot write: %s", strerror(why));
        goto fail;
    }
    rs_free(folder);
    *result = out;
    return RS_OK;

fail:
    rs_free(folder);
    release(out);
    return status;
}

rs_status rs_output_open(const char *path, rs_output **out, rs_diag *diag)
{
    return open_output(path, false, out, diag);
}

rs_status rs_output_open_named(const char *path, rs_output **out, rs_diag *diag)
{
    return open_output(path, true, out, diag);
}

const char *rs_output_name(const rs_output *out)
{
    return out->temporary;
}

FILE *rs_output_stream(rs_output *out)
{
    return out->stream;
}

/* The file that has the name now, which need not be the one that was opened. */
static int finish_named(const rs_output *out)
{
    const int fd = open(out->temporary, O_RDONLY | O_CLOEXEC);
    int why = fd < 0 || fsync(fd) != 0 ? errno : 0;
    if (fd >= 0)
        close(fd);
    if (why == 0 && rename(out->temporary, out->target) != 0)
        why = errno;
    return why;
}

/* 0, or the errno of what kept the data from the disk. */
static int finish(rs_output *out)
{
    if (rs_fault_strikes(RS_FAULT_WRITE))
        return ENOSPC;
    if (out->named)
        return finish_named(out);
    const bool failed = ferror(out->stream) != 0; /* of an earlier write, whose errno is gone */
    if (fflush(out->stream) != 0)
        return errno;
    if (failed) {
        /* Another byte probably fails for the same reason; the file is thrown away anyhow. */
        return write(fileno(out->stream), "", 1) < 0 ? errno : EIO;
    }
    if (out->temporary != NULL && fsync(fileno(out->stream)) != 0)
        return errno;
    const int closed = fclose(out->stream);
    out->stream = NULL;
    if (closed != 0)
        return errno;
    return out->temporary == NULL || rename(out->temporary, out->target) == 0 ? 0 : errno;
}

rs_status rs_output_commit(rs_output *out, rs_diag *diag)
{
    const int why = finish(out);
    rs_status status = RS_OK;
    if (why != 0) {
        status = rs_error(diag, output_status(why), RS_FILE(out->path), output_hint(why), "cannot write: %s",
                          strerror(why));
    } else if (out->temporary != NULL) {
        rs_temporary_forget(out->slot);
        rs_free(out->temporary);
        out->temporary = NULL;
    }
    release(out);
    return status;
}

void rs_output_discard(rs_output *out)
{
    release(out);
}
