/* Files are downloaded, and the HDF5 library is not made for hostile ones: this reads what Caffe, h5py and the library
 * write of such files, and nothing outside of the file's bytes. The numbers of sections are those of the HDF5 File
 * Format Specification, version 3.0. */
#include "import/hdf5/file.h"

#include <string.h>

/* Messages and entries looked at: a few bytes can stand for many by pointing at each other. */
enum { MAX_VISITS = 1 << 22 };

rs_status rs_h5_corrupt(const rs_hdf5_weights *w, rs_diag *diag, const char *what)
{
    return rs_error(diag, RS_BAD_INPUT, RS_FILE(w->path), "the file is truncated or corrupt",
                    "this HDF5 file cannot be read: %s", what);
}

rs_status rs_h5_unsupported(const rs_hdf5_weights *w, rs_diag *diag, const char *what)
{
    return rs_error(diag, RS_BAD_INPUT, RS_FILE(w->path),
                    "write the weights as Caffe or h5py do by default: old-style groups, contiguous or chunked values, "
                    "at most gzip and shuffle",
                    "this HDF5 file cannot be read: %s", what);
}

size_t rs_h5_left(const rs_h5_part *p)
{
    return (size_t)(p->end - p->at);
}

void rs_h5_skip(rs_h5_part *p, uint64_t n)
{
    if (n > rs_h5_left(p)) {
        p->bad = true;
        p->at = p->end;
    } else {
        p->at += n;
    }
}

uint64_t rs_h5_number(rs_h5_part *p, int bytes)
{
    uint64_t v = 0;
    if ((size_t)bytes > rs_h5_left(p)) {
        p->bad = true;
        p->at = p->end;
        return 0;
    }
    for (int i = bytes; i > 0; i--)
        v = v << 8 | p->at[i - 1];
    p->at += bytes;
    return v;
}

bool rs_h5_sign(rs_h5_part *p, const char *signature)
{
    const bool good = rs_h5_left(p) >= 4 && memcmp(p->at, signature, 4) == 0;
    rs_h5_skip(p, 4);
    return good;
}

rs_h5_part rs_h5_part_at(const rs_hdf5_weights *w, uint64_t address, uint64_t length)
{
    rs_h5_part p = { w->data + w->size, w->data + w->size, true };
    if (address > w->size || (length != RS_H5_NOWHERE && length > w->size - address))
        return p;
    p.at = w->data + address;
    p.end = length == RS_H5_NOWHERE ? p.end : p.at + length;
    p.bad = false;
    return p;
}

bool rs_h5_visit(rs_hdf5_weights *w)
{
    return w->visits++ < MAX_VISITS;
}

void rs_h5_header_open(rs_h5_messages *m, rs_hdf5_weights *w, uint64_t address)
{
    rs_h5_part p = rs_h5_part_at(w, address, RS_H5_NOWHERE);
    m->file = w;
    m->n_next = 0;
    m->wrong = NULL;
    m->order = false;
    uint64_t length;
    if (rs_h5_left(&p) >= 4 && memcmp(p.at, "OHDR", 4) == 0) {
        rs_h5_skip(&p, 4);
        m->version = (int)rs_h5_number(&p, 1);
        const uint64_t flags = rs_h5_number(&p, 1);
        rs_h5_skip(&p, (flags & 0x20 ? 16 : 0) + (flags & 0x10 ? 4 : 0));
        length = rs_h5_number(&p, 1 << (flags & 3));
        m->order = (flags & 4) != 0;
        if (m->version != 2)
            m->wrong = "an object header of an unknown version";
    } else {
        m->version = (int)rs_h5_number(&p, 1);
        rs_h5_skip(&p, 7);
        length = rs_h5_number(&p, 4);
        rs_h5_skip(&p, 4);
        if (m->version != 1)
            m->wrong = "there is no object header where one should be";
    }
    m->chunk = p;
    if (p.bad || length > rs_h5_left(&p))
        m->wrong = "an object header lies behind the end";
    else
        m->chunk.end = p.at + length;
}

static void add_continuation(rs_h5_messages *m, rs_h5_part body)
{
    const uint64_t address = rs_h5_number(&body, 8), length = rs_h5_number(&body, 8);
    rs_h5_part p = rs_h5_part_at(m->file, address, length);
    if (m->version == 2) {
        if (!rs_h5_sign(&p, "OCHK") || rs_h5_left(&p) < 4)
            p.bad = true;
        else
            p.end -= 4; /* the checksum */
    }
    if (body.bad || p.bad)
        m->wrong = "the continuation of an object header lies behind the end";
    else if (m->n_next == RS_H5_MAX_CHUNKS_OF_HEADER)
        m->wrong = "an object header of too many parts";
    else
        m->next[m->n_next++] = p;
}

bool rs_h5_header_next(rs_h5_messages *m, int *type, rs_h5_part *body)
{
    const size_t head = m->version == 2 ? 4u + (m->order ? 2u : 0u) : 8u;
    while (m->wrong == NULL) {
        if (rs_h5_left(&m->chunk) < head) { /* less is a gap */
            if (m->n_next == 0)
                return false;
            m->chunk = m->next[--m->n_next];
            continue;
        }
        const int kind = (int)rs_h5_number(&m->chunk, m->version == 2 ? 1 : 2);
        const uint64_t length = rs_h5_number(&m->chunk, 2), flags = rs_h5_number(&m->chunk, 1);
        rs_h5_skip(&m->chunk, head - (m->version == 2 ? 4 : 5));
        *body = m->chunk;
        rs_h5_skip(&m->chunk, length);
        body->end = m->chunk.at;
        if (m->chunk.bad || !rs_h5_visit(m->file)) {
            m->wrong = m->chunk.bad ? "a message of an object header is longer than the header"
                                    : "its parts point at each other again and again";
        } else if (kind == RS_H5_CONTINUATION) {
            add_continuation(m, *body);
        } else {
            if (flags & 2 && (kind == RS_H5_DATASPACE || kind == RS_H5_DATATYPE || kind == RS_H5_LAYOUT ||
                              kind == RS_H5_FILTERS || kind == RS_H5_LINK))
                m->wrong = "a message that is shared between objects";
            *type = kind;
            return m->wrong == NULL;
        }
    }
    return false;
}
