/* Datum records of Caffe's databases. */
#include "data/datum.h"

#include <string.h>

/* Fields and wire types of model/import/caffe/caffe.proto. */
enum { CHANNELS = 1, HEIGHT, WIDTH, DATA, LABEL, FLOATS, ENCODED };
enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

enum { WINDOW = 512, MAX_VARINT = 10 };

/* A window of the record that moves with the place. */
typedef struct datum_walker {
    rs_datum_reader *read;
    void *context;
    uint64_t at, size, window_at;
    size_t have;
    bool unreadable;
    uint8_t window[WINDOW];
} datum_walker;

static bool byte(datum_walker *w, uint8_t *value)
{
    if (w->at >= w->size)
        return false;
    if (w->at < w->window_at || w->at >= w->window_at + w->have) {
        w->window_at = w->at;
        w->have = w->size - w->at < WINDOW ? (size_t)(w->size - w->at) : WINDOW;
        if (!w->read(w->context, w->at, w->have, w->window)) {
            w->have = 0;
            w->unreadable = true;
            return false;
        }
    }
    *value = w->window[w->at++ - w->window_at];
    return true;
}

static bool varint(datum_walker *w, uint64_t *value)
{
    *value = 0;
    for (int i = 0; i < MAX_VARINT; i++) {
        uint8_t b;
        if (!byte(w, &b))
            return false;
        *value |= (uint64_t)(b & 0x7f) << (7 * i);
        if (b < 0x80)
            return true;
    }
    return false;
}

static const char *field(datum_walker *w, rs_datum *datum)
{
    uint64_t tag = 0, value = 0;
    if (!varint(w, &tag))
        return "a field with a wrong tag";
    const uint64_t number = tag >> 3;
    switch (tag & 7) {
    case VARINT:
        if (!varint(w, &value))
            return "a number that does not end";
        break;
    case FIXED64:
        value = 8;
        break;
    case FIXED32:
        value = 4;
        break;
    case BYTES:
        if (!varint(w, &value))
            return "a length that does not end";
        break;
    default:
        return "a field with a wrong tag";
    }
    if ((tag & 7) != VARINT) {
        if (value > w->size - w->at)
            return "a field that goes on behind the end of the record";
        if (number == DATA && (tag & 7) == BYTES) {
            datum->data = w->at;
            datum->bytes = value;
        }
        datum->has_floats = datum->has_floats || number == FLOATS;
        w->at += value;
        return NULL;
    }
    switch (number) {
    case CHANNELS:
        datum->channels = (int32_t)(uint32_t)value;
        break;
    case HEIGHT:
        datum->height = (int32_t)(uint32_t)value;
        break;
    case WIDTH:
        datum->width = (int32_t)(uint32_t)value;
        break;
    case LABEL:
        datum->label = (int32_t)(uint32_t)value;
        break;
    case ENCODED:
        datum->encoded = value != 0;
        break;
    default:
        break; /* a newer field */
    }
    return NULL;
}

const char *rs_datum_walk(rs_datum_reader *read, void *context, uint64_t size, rs_datum *datum, uint64_t *at)
{
    datum_walker w = { .read = read, .context = context, .size = size };
    *datum = (rs_datum) { 0 };
    while (w.at < w.size) {
        *at = w.at;
        const char *wrong = field(&w, datum);
        if (wrong != NULL)
            return w.unreadable ? "bytes that cannot be read" : wrong;
    }
    return NULL;
}

const char *rs_datum_check(const rs_datum *d)
{
    if (d->label < 0)
        return "a negative label";
    if (d->bytes == 0 && d->has_floats)
        return "float_data, which is not read: expected bytes";
    if (d->encoded)
        return d->bytes > 0 ? NULL : "no data";
    if (d->channels < 1 || d->height < 1 || d->width < 1)
        return "a size below 1 (channels, height, width)";
    /* Each factor is below 2^31: the first product fits 62 bits. */
    const uint64_t area = (uint64_t)d->height * (uint64_t)d->width;
    if (area > d->bytes || (uint64_t)d->channels > d->bytes / area || (uint64_t)d->channels * area != d->bytes)
        return "another number of bytes than channels x height x width";
    return NULL;
}

static size_t put(uint8_t *to, uint64_t value)
{
    size_t n = 0;
    for (; value > 0x7f; value >>= 7)
        to[n++] = (uint8_t)(value | 0x80);
    to[n++] = (uint8_t)value;
    return n;
}

size_t rs_datum_before(const rs_datum *d, uint8_t before[RS_DATUM_PART])
{
    const struct {
        int field;
        int32_t value;
    } sizes[] = { { CHANNELS, d->channels }, { HEIGHT, d->height }, { WIDTH, d->width } };
    size_t n = 0;
    for (int i = 0; i < 3; i++) {
        n += put(before + n, (uint64_t)sizes[i].field << 3 | VARINT);
        n += put(before + n, (uint64_t)sizes[i].value);
    }
    n += put(before + n, DATA << 3 | BYTES);
    return n + put(before + n, d->bytes);
}

size_t rs_datum_behind(const rs_datum *d, uint8_t behind[RS_DATUM_PART])
{
    size_t n = put(behind, LABEL << 3 | VARINT);
    n += put(behind + n, (uint64_t)d->label);
    if (d->encoded) {
        n += put(behind + n, ENCODED << 3 | VARINT);
        n += put(behind + n, 1);
    }
    return n;
}
