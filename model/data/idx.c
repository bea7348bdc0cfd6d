/* IDX files, the format of MNIST. */
#include "data/idx.h"

#include <inttypes.h>
#include <string.h>
#include <zlib.h>

#include "base/file.h"

/* Far above any data set in this format; bounds what a gzipped file may unfold to. */
#define MAX_BYTES ((size_t)4 << 30)

enum { IDX_U8 = 8, IDX_MAGIC_BYTES = 4, IDX_AXIS_BYTES = 4 };

static uint32_t big_endian(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void put_big_endian(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 24);
    p[1] = (uint8_t)(v >> 16);
    p[2] = (uint8_t)(v >> 8);
    p[3] = (uint8_t)v;
}

/* Checks the header, with min_axes to max_axes axes, and that the elements fill the rest of the file exactly. */
static rs_status check(const char *path, const char *what, const uint8_t *data, size_t size, int min_axes, int max_axes,
                       int64_t dim[4], size_t *header, rs_diag *diag)
{
    const rs_loc loc = RS_FILE(path);
    if (size < IDX_MAGIC_BYTES)
        return rs_error(diag, RS_BAD_INPUT, loc, NULL, "the file ends at byte %zu, expected an IDX header", size);
    const uint32_t magic = big_endian(data);
    const int axes = (int)(magic & 0xff);
    if (magic >> 16 != 0 || (magic >> 8 & 0xff) != IDX_U8 || axes < min_axes || axes > max_axes)
        return rs_error(diag, RS_BAD_INPUT, loc, NULL,
                        "the magic number at byte 0 is 0x%08" PRIx32 ", expected 0x%08x "
                        "(%s in an IDX file)",
                        magic, (unsigned)(IDX_U8 << 8 | min_axes), what);
    *header = IDX_MAGIC_BYTES + (size_t)axes * IDX_AXIS_BYTES;
    if (size < *header)
        return rs_error(diag, RS_BAD_INPUT, loc, "the file is cut off",
                        "the file ends at byte %zu, expected a header of %zu "
                        "bytes",
                        size, *header);
    rs_shape shape = { axes, { 0 } };
    for (int i = 0; i < axes; i++) {
        const size_t at = IDX_MAGIC_BYTES + (size_t)i * IDX_AXIS_BYTES;
        dim[i] = shape.dim[i] = big_endian(data + at);
        if (dim[i] == 0 || dim[i] > INT32_MAX)
            return rs_error(diag, RS_BAD_INPUT, loc, NULL,
                            "axis %d at byte %zu has the length %" PRId64 ", expected 1 to %d", i, at, dim[i],
                            INT32_MAX);
    }
    char text[96];
    rs_shape_text(&shape, text, sizeof text);
    const int64_t count = rs_shape_count(&shape, 0);
    if (count < 0 || (uint64_t)count > size - *header)
        return rs_error(diag, RS_BAD_INPUT, loc, "the file is cut off, or its header is wrong",
                        "%s %s need %" PRId64 " bytes, but the file ends at byte %zu", text, what,
                        count < 0 ? INT64_MAX : (int64_t)*header + count, size);
    if ((uint64_t)count < size - *header)
        return rs_error(diag, RS_BAD_INPUT, loc, NULL,
                        "%s %s end at byte %" PRId64 ", but the file goes on to byte %zu", text, what,
                        (int64_t)*header + count, size);
    return RS_OK;
}

rs_status rs_idx_read(const char *images_path, const char *labels_path, rs_dataset *set, rs_diag *diag)
{
    uint8_t *labels = NULL;
    size_t size = 0, labels_size = 0, header = 0, labels_header = 0;
    int64_t dim[4] = { 0 }, labels_dim[4] = { 0 };

    rs_status st = rs_read_file(images_path, MAX_BYTES, true, &set->storage, &size, diag);
    if (st == RS_OK)
        st = check(images_path, "images", set->storage, size, 3, 4, dim, &header, diag);
    /* Both files are looked at, so that the errors of both are seen. */
    rs_status labels_st = rs_read_file(labels_path, MAX_BYTES, true, &labels, &labels_size, diag);
    if (labels_st == RS_OK)
        labels_st = check(labels_path, "labels", labels, labels_size, 1, 1, labels_dim, &labels_header, diag);
    if (st == RS_OK)
        st = labels_st;
    if (st == RS_OK && dim[0] != labels_dim[0])
        st = rs_error(diag, RS_BAD_INPUT, RS_FILE(labels_path), NULL,
                      "%" PRId64 " labels (byte 4), but %s holds %" PRId64 " images", labels_dim[0], images_path,
                      dim[0]);
    if (st == RS_OK) {
        set->labels = RS_NEW_ARRAY(int32_t, (size_t)dim[0]);
        if (set->labels == NULL)
            st = rs_out_of_memory(diag);
    }
    if (st == RS_OK) {
        const bool planes = set->storage[3] == 4;
        set->count = dim[0];
        set->channels = planes ? (int)dim[1] : 1;
        set->height = (int)dim[planes ? 2 : 1];
        set->width = (int)dim[planes ? 3 : 2];
        set->pixels = set->storage + header;
        for (int64_t i = 0; i < set->count; i++) {
            set->labels[i] = labels[labels_header + (size_t)i];
            if (set->labels[i] >= set->classes)
                set->classes = set->labels[i] + 1;
        }
    }
    rs_free(labels);
    return st;
}

/* --------------------------------------------------------------------------------------------------------- writing
 */

static bool is_gzip_name(const char *path)
{
    const size_t n = strlen(path);
    return n >= 3 && strcmp(path + n - 3, ".gz") == 0;
}

/* Writes a header and elements; errors of writing show at commit. zlib's default gzip header has no name and no time.
 */
static rs_status write_gzip(FILE *stream, const uint8_t *header, size_t header_size, const uint8_t *data, size_t size,
                            rs_diag *diag)
{
    enum { CHUNK = 1 << 16, GZIP_FRAMING = 16 };
    uint8_t *buffer = RS_NEW_ARRAY(uint8_t, CHUNK);
    z_stream z = { 0 };
    if (buffer == NULL ||
        deflateInit2(&z, Z_BEST_COMPRESSION, Z_DEFLATED, GZIP_FRAMING + MAX_WBITS, 9, Z_DEFAULT_STRATEGY) != Z_OK) {
        rs_free(buffer);
        return rs_out_of_memory(diag);
    }
    const struct {
        const uint8_t *data;
        size_t size;
    } parts[] = { { header, header_size }, { data, size } };
    for (int p = 0; p < 2; p++) {
        size_t at = 0;
        do {
            const size_t n = parts[p].size - at < CHUNK ? parts[p].size - at : CHUNK;
            z.next_in = (Bytef *)(uintptr_t)(parts[p].data + at);
            z.avail_in = (uInt)n;
            at += n;
            const int flush = p == 1 && at == parts[p].size ? Z_FINISH : Z_NO_FLUSH;
            do {
                z.next_out = buffer;
                z.avail_out = CHUNK;
                deflate(&z, flush);
                fwrite(buffer, 1, CHUNK - z.avail_out, stream);
            } while (z.avail_out == 0);
        } while (at < parts[p].size);
    }
    deflateEnd(&z);
    rs_free(buffer);
    return RS_OK;
}

static rs_status write_idx(const char *path, const rs_shape *shape, const uint8_t *data, rs_diag *diag)
{
    uint8_t header[IDX_MAGIC_BYTES + RS_MAX_AXES * IDX_AXIS_BYTES];
    const size_t header_size = IDX_MAGIC_BYTES + (size_t)shape->n_axes * IDX_AXIS_BYTES;
    const size_t size = (size_t)rs_shape_count(shape, 0);
    put_big_endian(header, (uint32_t)(IDX_U8 << 8 | shape->n_axes));
    for (int i = 0; i < shape->n_axes && i < RS_MAX_AXES; i++)
        put_big_endian(header + IDX_MAGIC_BYTES + i * IDX_AXIS_BYTES, (uint32_t)shape->dim[i]);

    rs_output *out = NULL;
    rs_status st = rs_output_open(path, &out, diag);
    if (st != RS_OK)
        return st;
    if (is_gzip_name(path)) {
        st = write_gzip(rs_output_stream(out), header, header_size, data, size, diag);
    } else {
        fwrite(header, 1, header_size, rs_output_stream(out));
        fwrite(data, 1, size, rs_output_stream(out));
    }
    if (st == RS_OK)
        return rs_output_commit(out, diag);
    rs_output_discard(out);
    return st;
}

rs_status rs_dataset_write_idx(const rs_dataset *set, const char *images_path, const char *labels_path, rs_diag *diag)
{
    for (int64_t i = 0; i < set->count; i++)
        if (set->labels[i] < 0 || set->labels[i] > UINT8_MAX)
            return rs_error(diag, RS_BAD_INPUT, RS_FILE(labels_path), NULL,
                            "image %" PRId64 " has the label %" PRId32 ", IDX labels are 0 to 255", i, set->labels[i]);
    rs_shape images = { 3, { set->count, set->height, set->width } };
    if (set->channels != 1)
        images = (rs_shape) { 4, { set->count, set->channels, set->height, set->width } };
    const rs_shape shape = { 1, { set->count } };

    uint8_t *labels = RS_NEW_ARRAY(uint8_t, (size_t)set->count);
    if (labels == NULL)
        return rs_out_of_memory(diag);
    for (int64_t i = 0; i < set->count; i++)
        labels[i] = (uint8_t)set->labels[i];
    rs_status st = write_idx(images_path, &images, set->pixels, diag);
    if (st == RS_OK)
        st = write_idx(labels_path, &shape, labels, diag);
    rs_free(labels);
    return st;
}
