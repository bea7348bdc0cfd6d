/* Takes the images of a list out of a data set. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/file.h"
#include "data/data.h"

#define MAX_LIST ((size_t)1 << 28)

/* A whole number at *p, which is moved past it; -1 if there is none, or it is too large. */
static int64_t number(const char **p)
{
    char *end;
    if (**p < '0' || **p > '9')
        return -1;
    const unsigned long long v = strtoull(*p, &end, 10);
    if (end == *p || v > INT64_MAX / 2)
        return -1;
    *p = end;
    return (int64_t)v;
}

/* "images 60000 crc32 c1c5b5a7" at `line`. */
static rs_status check_identity(const rs_dataset *set, const char *line, rs_loc loc, rs_diag *diag)
{
    static const char images[] = "images ", crc[] = " crc32 ";
    int64_t count = -1, expected = -1;
    const char *p = line;
    if (strncmp(p, images, sizeof images - 1) == 0) {
        p += sizeof images - 1;
        count = number(&p);
        if (count >= 0 && strncmp(p, crc, sizeof crc - 1) == 0 && strspn(p + sizeof crc - 1, "0123456789abcdef") == 8) {
            char *end;
            p += sizeof crc - 1;
            expected = (int64_t)strtoull(p, &end, 16);
            p = end;
        }
    }
    if (expected < 0 || *p != '\0')
        return rs_error(diag, RS_BAD_INPUT, loc, NULL,
                        "expected the set that the list is for, as in: images 60000 crc32 0123abcd");
    if (count != set->count)
        return rs_error(diag, RS_BAD_INPUT, loc, NULL,
                        "the list is for a set of %" PRId64 " images, but %s holds %" PRId64, count, set->path,
                        set->count);
    const size_t size = (size_t)(set->count * set->channels * set->height * set->width);
    const int64_t is = (int64_t)crc32_z(crc32_z(0, NULL, 0), set->pixels, size);
    if (is != expected)
        return rs_error(diag, RS_BAD_INPUT, loc, "the images, or their order, are not those that the list was made for",
                        "the list is for images of the CRC-32 %08" PRIx64 ", but that of %s is %08" PRIx64, expected,
                        set->path, is);
    return RS_OK;
}

/* What a list has said so far. */
typedef struct exclusion {
    const rs_dataset *set;
    bool *out; /* per image of the set */
    bool identified;
    int64_t last, left; /* the last image that goes, and how many stay */
} exclusion;

/* One line; a zero byte stands at `stop`. */
static rs_status read_line(exclusion *e, const char *line, const char *stop, rs_loc loc, rs_diag *diag)
{
    if (line[0] == '#' || line[0] == '\0')
        return RS_OK;
    if (!e->identified) {
        e->identified = true;
        return check_identity(e->set, line, loc, diag);
    }
    const char *p = line;
    const int64_t from = number(&p);
    int64_t to = from;
    if (from >= 0 && *p == '-') {
        p++;
        to = number(&p);
    }
    if (from < 0 || to < from || p != stop)
        return rs_error(diag, RS_BAD_INPUT, loc, NULL, "expected the index of an image, or a range FIRST-LAST");
    if (to >= e->set->count)
        return rs_error(diag, RS_BAD_INPUT, loc, NULL, "image %" PRId64 ", expected at most %" PRId64, to,
                        e->set->count - 1);
    if (from <= e->last)
        return rs_error(diag, RS_BAD_INPUT, loc, NULL, "image %" PRId64 " follows %" PRId64 ", expected rising indices",
                        from, e->last);
    memset(e->out + from, true, (size_t)(to - from + 1));
    e->left -= to - from + 1;
    e->last = to;
    return RS_OK;
}

/* `text` has a byte to spare at its end. */
static rs_status read_list(exclusion *e, char *text, size_t size, const char *path, rs_diag *diag)
{
    rs_loc loc = { path, 0, 1 };
    char *const end = text + size;
    for (char *line = text; line < end;) {
        char *stop = memchr(line, '\n', (size_t)(end - line));
        if (stop == NULL)
            stop = end;
        *stop = '\0';
        loc.line++;
        const rs_status st = read_line(e, line, stop, loc, diag);
        if (st != RS_OK)
            return st;
        line = stop + 1;
    }
    if (!e->identified)
        return rs_error(diag, RS_BAD_INPUT, RS_FILE(path), NULL, "the list does not say which set it is for");
    return e->left > 0 ? RS_OK : rs_error(diag, RS_BAD_INPUT, RS_FILE(path), NULL, "the list leaves no images");
}

static void take_out(rs_dataset *set, const bool *out)
{
    const size_t image = (size_t)set->channels * (size_t)set->height * (size_t)set->width;
    int64_t to = 0;
    set->classes = 0;
    for (int64_t i = 0; i < set->count; i++) {
        if (out[i])
            continue;
        memmove(set->pixels + (size_t)to * image, set->pixels + (size_t)i * image, image);
        set->labels[to] = set->labels[i];
        if (set->labels[to] >= set->classes)
            set->classes = set->labels[to] + 1;
        to++;
    }
    set->count = to;
}

rs_status rs_dataset_exclude(rs_dataset *set, const char *list_path, rs_diag *diag)
{
    if (set->pixels == NULL)
        return rs_error(diag, RS_BAD_INPUT, RS_FILE(list_path), "take the lines out of the list of images itself",
                        "images of '%s' are read one by one: none can be excluded by its index", set->path);
    uint8_t *text = NULL;
    size_t size = 0;
    rs_status st = rs_read_file(list_path, MAX_LIST, false, &text, &size, diag);
    if (st != RS_OK)
        return st;
    exclusion e = { .set = set, .out = RS_NEW_ARRAY(bool, (size_t)set->count), .last = -1, .left = set->count };
    st = e.out != NULL ? read_list(&e, (char *)text, size, list_path, diag) : rs_out_of_memory(diag);
    if (st == RS_OK)
        take_out(set, e.out);
    rs_free(e.out);
    rs_free(text);
    return st;
}
