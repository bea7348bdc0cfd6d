/* An HDF5 file as its readers see it: parts of its bytes, and the messages of its object headers. Internal to this
 * folder. */
#ifndef RISTRETTO_IMPORT_HDF5_FILE_H
#define RISTRETTO_IMPORT_HDF5_FILE_H

#include "import/hdf5/weights.h"

enum { RS_H5_MAX_BLOBS = 16, RS_H5_MAX_CHUNKS_OF_HEADER = 256 };

#define RS_H5_NOWHERE UINT64_MAX /* the address of what is not there */

/* Message types, section IV.A.2. */
enum {
    RS_H5_DATASPACE = 0x01,
    RS_H5_LINK_INFO = 0x02,
    RS_H5_DATATYPE = 0x03,
    RS_H5_LINK = 0x06,
    RS_H5_LAYOUT = 0x08,
    RS_H5_FILTERS = 0x0b,
    RS_H5_CONTINUATION = 0x10,
    RS_H5_SYMBOL_TABLE = 0x11,
    RS_H5_EXTERNAL_FILES = 0x07
};

typedef struct rs_h5_layer {
    char *name;
    int n_blobs;
    uint64_t blob[RS_H5_MAX_BLOBS]; /* addresses of the headers of the data sets 0, 1, ...; RS_H5_NOWHERE: none of that
                                       name */
} rs_h5_layer;

struct rs_hdf5_weights {
    char *path;
    const uint8_t *data;
    size_t size;
    int visits;
    int n_layers;
    size_t capacity;
    rs_h5_layer *layers;
};

/* A part of the file. Reading past its end gives zeros and makes it bad. */
typedef struct rs_h5_part {
    const uint8_t *at, *end;
    bool bad;
} rs_h5_part;

size_t rs_h5_left(const rs_h5_part *p);
void rs_h5_skip(rs_h5_part *p, uint64_t n);
/* The next `bytes` bytes, little-endian. */
uint64_t rs_h5_number(rs_h5_part *p, int bytes);
/* Whether the next four bytes are these. */
bool rs_h5_sign(rs_h5_part *p, const char *signature);
/* The file from an address on, `length` bytes of it; RS_H5_NOWHERE as length: to its end. */
rs_h5_part rs_h5_part_at(const rs_hdf5_weights *w, uint64_t address, uint64_t length);
/* Counts a message or entry that is looked at. False: there were too many, the file points at itself. */
bool rs_h5_visit(rs_hdf5_weights *w);

/* Walking through the messages of an object header (IV.A). */
typedef struct rs_h5_messages {
    rs_hdf5_weights *file;
    int version;
    bool order;       /* version 2: messages have a creation order */
    rs_h5_part chunk; /* what is left of the present one */
    int n_next;
    rs_h5_part next[RS_H5_MAX_CHUNKS_OF_HEADER];
    const char *wrong; /* after the last message: NULL, or what is wrong */
} rs_h5_messages;

void rs_h5_header_open(rs_h5_messages *m, rs_hdf5_weights *w, uint64_t address);
/* The next message but continuations, which are followed. False: there is none, or m->wrong says why not. */
bool rs_h5_header_next(rs_h5_messages *m, int *type, rs_h5_part *body);

/* Errors: the file is damaged; it is sound, but of a form that is not read. Both return RS_BAD_INPUT. */
rs_status rs_h5_corrupt(const rs_hdf5_weights *w, rs_diag *diag, const char *what);
rs_status rs_h5_unsupported(const rs_hdf5_weights *w, rs_diag *diag, const char *what);

#endif
