/* Caffe's databases: LMDB files (data.mdb) of Datum records, raw or encoded.
 *
 * They are read by the code below, not by liblmdb, which trusts what it maps into memory: a database that is cut off or
 * wrong ends the process there. The format is that of LMDB 0.9 (http://www.lmdb.tech/doc, mdb.c): pages of a fixed
 * size; two meta pages, of which the one of the newer transaction holds; a B+ tree of branch pages and leaf pages,
 * whose large values lie in pages of their own. liblmdb writes them (rs_dataset_write_lmdb). */
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/faults.h"
#include "base/file.h"
#include "base/progress.h"
#include "data/datum.h"
#include "data/lmdb.h"
#include "data/source.h"

/* Numbers are little endian, as on every machine that this is built for. */
enum {
    PAGE_HEADER = 16,
    PAGE_FLAGS = 10,
    PAGE_LOWER = 12,
    NODE_HEADER = 8,
    BRANCH = 0x01,
    LEAF = 0x02,
    OVERFLOW_PAGE = 0x04,
    BIG_DATA = 0x01,
    META_MAGIC = PAGE_HEADER,
    META_VERSION = META_MAGIC + 4,
    META_DBS = META_VERSION + 4 + 16,
    DB_BYTES = 48,
    META_TRANSACTION = META_DBS + 2 * DB_BYTES + 8,
    META_BYTES = META_TRANSACTION + 8,
    DB_DEPTH = 6,
    DB_ENTRIES = 32,
    DB_ROOT = 40,
    MIN_PAGE = 512,
    MAX_PAGE = 65536,
    MAX_DEPTH = 32
};
#define MAGIC UINT32_C(0xbeefc0de)
#define EMPTY UINT64_MAX

typedef struct lmdb_record {
    uint64_t at, size; /* in the file */
} lmdb_record;

typedef struct lmdb_database {
    rs_source source;
    char *path;
    int fd;
    uint64_t size, page, pages_left; /* pages_left: of the walk, which sees none twice in a good file */
    lmdb_record *records;
    int64_t count;
    size_t capacity;
} lmdb_database;

static uint64_t number(const uint8_t *p, int bytes)
{
    uint64_t v = 0;
    for (int i = 0; i < bytes; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

static bool read_at(const lmdb_database *d, uint64_t at, size_t n, uint8_t *to)
{
    if (at > d->size || n > d->size - at || rs_fault_strikes(RS_FAULT_READ))
        return false;
    while (n > 0) {
        const ssize_t got = pread(d->fd, to, n, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        to += got;
        at += (uint64_t)got;
        n -= (size_t)got;
    }
    return true;
}

static rs_status wrong(const lmdb_database *d, uint64_t at, const char *what, rs_diag *diag)
{
    return rs_error(diag, RS_BAD_INPUT, RS_FILE(d->path), "the database is cut off or corrupt", "byte %llu: %s",
                    (unsigned long long)at, what);
}

/* ----------------------------------------------------------------------------------------------------- the tree */

static rs_status add_record(lmdb_database *d, uint64_t at, uint64_t size, rs_diag *diag)
{
    lmdb_record *grown = rs_grow(d->records, (size_t)d->count, &d->capacity, sizeof *grown);
    if (grown == NULL)
        return rs_out_of_memory(diag);
    d->records = grown;
    d->records[d->count++] = (lmdb_record) { at, size };
    return RS_OK;
}

static rs_status leaf(lmdb_database *d, uint64_t at, const uint8_t *page, uint64_t node, rs_diag *diag)
{
    const uint64_t size = number(page + node, 2) | number(page + node + 2, 2) << 16, flags = number(page + node + 4, 2);
    const uint64_t value = node + NODE_HEADER + number(page + node + 6, 2);
    if ((flags & ~(uint64_t)BIG_DATA) != 0)
        return wrong(d, at + node, "a node of a kind that Caffe does not write", diag);
    if ((flags & BIG_DATA) == 0)
        return value <= d->page && size <= d->page - value
                   ? add_record(d, at + value, size, diag)
                   : wrong(d, at + node, "a value that goes on behind its page", diag);
    if (value + 8 > d->page)
        return wrong(d, at + node, "a value that goes on behind its page", diag);
    const uint64_t big = number(page + value, 8);
    uint8_t header[PAGE_HEADER];
    if (big >= d->size / d->page || !read_at(d, big * d->page, PAGE_HEADER, header) ||
        number(header + PAGE_FLAGS, 2) != OVERFLOW_PAGE)
        return wrong(d, at + node, "a large value in a page that is none", diag);
    if (size > d->size - big * d->page - PAGE_HEADER)
        return wrong(d, at + node, "a large value that goes on behind the end of the file", diag);
    return add_record(d, big * d->page + PAGE_HEADER, size, diag);
}

/* All records below a page, in the order of their keys. */
static rs_status walk(lmdb_database *d, uint64_t number_of_page, int depth, rs_diag *diag)
{
    const uint64_t at = number_of_page * d->page;
    if (number_of_page >= d->size / d->page)
        return rs_error(diag, RS_BAD_INPUT, RS_FILE(d->path), "the database is cut off or corrupt",
                        "page %llu is not there", (unsigned long long)number_of_page);
    if (depth == MAX_DEPTH || d->pages_left-- == 0)
        return wrong(d, at, "a page that is met twice", diag);
    uint8_t *page = rs_calloc((size_t)d->page, 1);
    if (page == NULL)
        return rs_out_of_memory(diag);
    rs_status st = read_at(d, at, (size_t)d->page, page) ? RS_OK : wrong(d, at, "a page that cannot be read", diag);
    const uint64_t flags = number(page + PAGE_FLAGS, 2), lower = number(page + PAGE_LOWER, 2);
    if (st == RS_OK && ((flags != BRANCH && flags != LEAF) || lower < PAGE_HEADER || lower > d->page || lower % 2 != 0))
        st = wrong(d, at, "neither a branch page nor a leaf page", diag);
    for (uint64_t slot = PAGE_HEADER; slot < lower && st == RS_OK; slot += 2) {
        const uint64_t node = number(page + slot, 2);
        if (node < lower || node + NODE_HEADER > d->page)
            st = wrong(d, at + slot, "a node outside of its page", diag);
        else if (flags == LEAF)
            st = leaf(d, at, page, node, diag);
        else
            st = walk(d, number(page + node, 6), depth + 1, diag);
        if (st == RS_OK && rs_interrupted())
            st = RS_INTERRUPTED;
    }
    rs_free(page);
    return st;
}

/* The newer of the two meta pages: page size and root. */
static rs_status read_meta(lmdb_database *d, uint64_t *root, uint64_t *entries, rs_diag *diag)
{
    uint8_t meta[2][META_BYTES];
    if (!read_at(d, 0, META_BYTES, meta[0]) || number(meta[0] + META_MAGIC, 4) != MAGIC)
        return rs_error(diag, RS_BAD_INPUT, RS_FILE(d->path), NULL, "this is not an LMDB database");
    d->page = number(meta[0] + META_DBS, 4);
    if (d->page < MIN_PAGE || d->page > MAX_PAGE || (d->page & (d->page - 1)) != 0)
        return wrong(d, META_DBS, "a page size that LMDB does not have", diag);
    if (!read_at(d, d->page, META_BYTES, meta[1]) || number(meta[1] + META_MAGIC, 4) != MAGIC)
        return wrong(d, d->page, "no second meta page", diag);
    const uint8_t *m = number(meta[1] + META_TRANSACTION, 8) > number(meta[0] + META_TRANSACTION, 8) ? meta[1]
                                                                                                     : meta[0];
    if (number(m + META_VERSION, 4) != 1)
        return rs_error(diag, RS_BAD_INPUT, RS_FILE(d->path), NULL, "LMDB data version %llu, expected 1",
                        (unsigned long long)number(m + META_VERSION, 4));
    *root = number(m + META_DBS + DB_BYTES + DB_ROOT, 8);
    *entries = number(m + META_DBS + DB_BYTES + DB_ENTRIES, 8);
    return RS_OK;
}

/* ------------------------------------------------------------------------------------------------------ records */

typedef struct lmdb_view {
    const lmdb_database *d;
    uint64_t at;
} lmdb_view;

static bool read_record(void *context, uint64_t offset, size_t n, uint8_t *to)
{
    const lmdb_view *v = context;
    return read_at(v->d, v->at + offset, n, to);
}

static rs_status read_datum(const lmdb_database *d, int64_t index, rs_datum *datum, rs_diag *diag)
{
    lmdb_view v = { d, d->records[index].at };
    uint64_t at = 0;
    const char *problem = rs_datum_walk(read_record, &v, d->records[index].size, datum, &at);
    if (problem == NULL) {
        problem = rs_datum_check(datum);
        at = 0;
    }
    return problem == NULL ? RS_OK
                           : rs_error(diag, RS_BAD_INPUT, RS_FILE(d->path), NULL,
                                      "record %lld (byte %llu) is no image: byte %llu of the Datum: %s",
                                      (long long)index, (unsigned long long)v.at, (unsigned long long)at, problem);
}

static rs_loc where(const rs_source *source, int64_t index, char *name, size_t size)
{
    const lmdb_database *d = (const lmdb_database *)source;
    snprintf(name, size, "record %lld", (long long)index);
    return RS_FILE(d->path);
}

static rs_status read_image(const rs_source *source, int64_t index, rs_color color, rs_picture *picture, rs_diag *diag)
{
    const lmdb_database *d = (const lmdb_database *)source;
    rs_datum datum;
    *picture = (rs_picture) { 0 };
    rs_status st = read_datum(d, index, &datum, diag);
    if (st != RS_OK)
        return st;
    char name[64];
    const rs_loc loc = where(source, index, name, sizeof name);
    if (datum.bytes > RS_PICTURE_MAX_BYTES)
        return rs_error(diag, RS_BAD_INPUT, loc, NULL, "%s has an image of %llu bytes, expected at most %zu", name,
                        (unsigned long long)datum.bytes, RS_PICTURE_MAX_BYTES);
    uint8_t *bytes = rs_calloc((size_t)datum.bytes, 1);
    if (bytes == NULL)
        return rs_out_of_memory(diag);
    if (!read_at(d, d->records[index].at + datum.data, (size_t)datum.bytes, bytes)) {
        rs_free(bytes);
        return rs_error(diag, RS_BAD_INPUT, loc, NULL, "%s cannot be read", name);
    }
    if (!datum.encoded) {
        *picture = (rs_picture) { datum.channels, datum.height, datum.width, bytes };
        return RS_OK;
    }
    st = rs_picture_decode(bytes, (size_t)datum.bytes, color, loc, name, picture, diag);
    rs_free(bytes);
    return st;
}

static void close_database(rs_source *source)
{
    lmdb_database *d = (lmdb_database *)source;
    if (d->fd >= 0)
        close(d->fd);
    rs_free(d->path);
    rs_free(d->records);
    rs_free(d);
}

static rs_status read_labels(lmdb_database *d, rs_dataset *set, rs_diag *diag)
{
    set->labels = RS_NEW_ARRAY(int32_t, (size_t)d->count);
    if (set->labels == NULL)
        return rs_out_of_memory(diag);
    rs_progress *progress = rs_progress_begin("labels", (uint64_t)d->count, "records");
    rs_status st = RS_OK;
    for (int64_t i = 0; i < d->count && st == RS_OK; i++) {
        rs_datum datum;
        st = read_datum(d, i, &datum, diag);
        if (st == RS_OK && datum.label == INT32_MAX)
            st = rs_error(diag, RS_BAD_INPUT, RS_FILE(d->path), NULL, "record %lld: the label is too large",
                          (long long)i);
        set->labels[i] = datum.label;
        if (i == 0)
            d->source.compressed = datum.encoded;
        if ((i & 1023) == 0)
            rs_progress_update(progress, (uint64_t)i, NULL);
        if (st == RS_OK && rs_interrupted())
            st = RS_INTERRUPTED;
    }
    rs_progress_end(progress);
    set->count = d->count;
    return st;
}

rs_status rs_lmdb_open(const char *path, rs_dataset *set, rs_diag *diag)
{
    lmdb_database *d = RS_NEW(lmdb_database);
    if (d == NULL)
        return rs_out_of_memory(diag);
    d->fd = -1;
    d->source = (rs_source) { read_image, where, close_database, false };
    set->source = &d->source; /* freed with the set */
    d->path = rs_folder_exists(path) ? rs_path_join(path, "data.mdb") : rs_strdup(path);
    if (d->path == NULL)
        return rs_out_of_memory(diag);
    struct stat info;
    d->fd = open(d->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (d->fd < 0 || fstat(d->fd, &info) != 0 || !S_ISREG(info.st_mode))
        return rs_error(diag, RS_BAD_INPUT, RS_FILE(d->path), NULL, "cannot read the database: %s",
                        d->fd < 0 ? strerror(errno) : "not a file");
    d->size = (uint64_t)info.st_size;
    uint64_t root = EMPTY, entries = 0;
    rs_status st = read_meta(d, &root, &entries, diag);
    if (st != RS_OK)
        return st;
    d->pages_left = d->size / d->page;
    if (root != EMPTY)
        st = walk(d, root, 0, diag);
    if (st == RS_OK && (uint64_t)d->count != entries)
        st = rs_error(diag, RS_BAD_INPUT, RS_FILE(d->path), "the database is cut off or corrupt",
                      "the tree holds %lld records, the header says %llu", (long long)d->count,
                      (unsigned long long)entries);
    if (st == RS_OK && d->count == 0)
        st = rs_error(diag, RS_BAD_INPUT, RS_FILE(d->path), NULL, "the database holds no records");
    if (st == RS_OK)
        st = read_labels(d, set, diag);
    return st == RS_OK ? rs_source_describe(set, diag) : st;
}

/* ------------------------------------------------------------------------------------------------------ writing */

static rs_status refused(const char *path, int code, rs_diag *diag)
{
    return rs_error(diag, code == ENOMEM || code == ENOSPC || code == MDB_MAP_FULL ? RS_RESOURCE : RS_BAD_INPUT,
                    RS_FILE(path), NULL, "cannot write the database: %s", mdb_strerror(code));
}

static int put_record(MDB_txn *txn, MDB_dbi dbi, const rs_dataset *set, int64_t i, uint8_t *buffer)
{
    char key[32];
    const size_t image = (size_t)set->channels * (size_t)set->height * (size_t)set->width;
    const rs_datum datum = {
        .channels = set->channels, .height = set->height, .width = set->width, .label = set->labels[i], .bytes = image
    };
    size_t n = rs_datum_before(&datum, buffer);
    memcpy(buffer + n, set->pixels + (size_t)i * image, image);
    n += image;
    n += rs_datum_behind(&datum, buffer + n);
    snprintf(key, sizeof key, "%08lld", (long long)i);
    MDB_val k = { strlen(key), key }, v = { n, buffer };
    return mdb_put(txn, dbi, &k, &v, MDB_APPEND);
}

rs_status rs_dataset_write_lmdb(const rs_dataset *set, const char *folder, rs_diag *diag)
{
    enum { TOGETHER = 1000 };
    const size_t image = (size_t)set->channels * (size_t)set->height * (size_t)set->width,
                 room = image + 2 * RS_DATUM_PART;
    if (set->count > 99999999)
        return rs_error(diag, RS_BAD_INPUT, RS_FILE(set->path), NULL,
                        "%lld images, a database as Caffe's holds at most 99999999", (long long)set->count);
    char *file = rs_path_join(folder, "data.mdb"), *lock = rs_path_join(folder, "lock.mdb");
    uint8_t *buffer = rs_calloc(room, 1);
    rs_status st = file == NULL || lock == NULL || buffer == NULL ? rs_out_of_memory(diag) : RS_OK;
    if (st == RS_OK && rs_file_exists(file))
        st = rs_error(diag, RS_BAD_INPUT, RS_FILE(file), "remove it, or name another folder",
                      "there is a database already");
    if (st == RS_OK)
        st = rs_make_folder(folder, diag);
    MDB_env *env = NULL;
    MDB_txn *txn = NULL;
    MDB_dbi dbi = 0;
    bool begun = false;
    int code = 0;
    rs_progress *progress = rs_progress_begin("write", (uint64_t)set->count, "images");
    if (st == RS_OK) {
        code = mdb_env_create(&env);
        /* Room for every record in pages of its own, twice over: a sparse file costs nothing. */
        if (code == 0)
            code = mdb_env_set_mapsize(env, 2 * ((room + 2 * 4096) * (size_t)set->count) + ((size_t)1 << 24));
        if (code == 0) {
            begun = true;
            code = mdb_env_open(env, folder, MDB_NOTLS, 0664);
        }
    }
    for (int64_t i = 0; i < set->count && st == RS_OK && code == 0; i++) {
        if (txn == NULL)
            code = mdb_txn_begin(env, NULL, 0, &txn);
        if (code == 0 && i == 0)
            code = mdb_dbi_open(txn, NULL, 0, &dbi);
        if (code == 0)
            code = put_record(txn, dbi, set, i, buffer);
        if (code == 0 && (i % TOGETHER == TOGETHER - 1 || i == set->count - 1)) {
            code = rs_fault_strikes(RS_FAULT_WRITE) ? ENOSPC : mdb_txn_commit(txn);
            txn = code == ENOSPC ? txn : NULL;
            rs_progress_update(progress, (uint64_t)i + 1, NULL);
            if (rs_interrupted())
                st = RS_INTERRUPTED;
        }
    }
    rs_progress_end(progress);
    if (txn != NULL)
        mdb_txn_abort(txn);
    if (env != NULL)
        mdb_env_close(env);
    if (st == RS_OK && code != 0)
        st = refused(folder, code, diag);
    if (begun) {
        (void)unlink(lock);
        if (st != RS_OK)
            (void)unlink(file);
    }
    rs_free(file);
    rs_free(lock);
    rs_free(buffer);
    return st;
}
