/* CIFAR-10 and CIFAR-100 in their binary versions (https://www.cs.toronto.edu/~kriz/cifar.html): records of one label
 * byte (CIFAR-100: coarse label, fine label; the fine one counts) and 3 x 32 x 32 bytes, the red plane first. The
 * planes stay in this order, as Caffe's convert_cifar_data leaves them. */
#include <string.h>

#include "base/file.h"
#include "data/source.h"

enum { SIDE = 32, PLANES = 3, IMAGE = PLANES * SIDE * SIDE, CLASSES_10 = 10, CLASSES_100 = 100, COARSE = 20 };
/* Far above any data set in this format. */
#define MAX_BYTES ((size_t)4 << 30)

/* Label bytes a record: 1 or 2, whichever divides the file and has labels in range throughout; 0: neither. */
static int label_bytes(const uint8_t *data, size_t size)
{
    for (int n = 1; n <= 2; n++) {
        const size_t record = (size_t)n + IMAGE;
        bool fits = size > 0 && size % record == 0;
        for (size_t at = 0; fits && at < size; at += record)
            fits = n == 1 ? data[at] < CLASSES_10 : data[at] < COARSE && data[at + 1] < CLASSES_100;
        if (fits)
            return n;
    }
    return 0;
}

/* What is wrong with a file that is of neither form. */
static rs_status neither(const char *path, const uint8_t *data, size_t size, rs_diag *diag)
{
    if (size == 0)
        return rs_error(diag, RS_BAD_INPUT, RS_FILE(path), NULL,
                        "the file is empty, expected records of %d bytes (CIFAR-10)", IMAGE + 1);
    for (int n = 1; n <= 2; n++) {
        const size_t record = (size_t)n + IMAGE;
        if (size % record != 0)
            continue;
        for (size_t at = 0; at < size; at += record) {
            const int label = data[at + (size_t)n - 1], classes = n == 1 ? CLASSES_10 : CLASSES_100;
            if (label >= classes)
                return rs_error(diag, RS_BAD_INPUT, RS_FILE(path), NULL,
                                "record %zu (byte %zu) has the label %d, expected 0 to %d", at / record, at, label,
                                classes - 1);
        }
    }
    return rs_error(diag, RS_BAD_INPUT, RS_FILE(path), "the file is cut off, or not one of CIFAR's",
                    "%zu bytes are no whole number of records of %d (CIFAR-10) or %d bytes (CIFAR-100)", size,
                    IMAGE + 1, IMAGE + 2);
}

rs_status rs_cifar_read(const char *const *paths, int n_paths, rs_dataset *set, rs_diag *diag)
{
    rs_status st = RS_OK;
    int form = 0;
    set->channels = PLANES;
    set->height = set->width = SIDE;
    for (int f = 0; f < n_paths; f++) {
        uint8_t *data = NULL;
        size_t size = 0;
        rs_status one = rs_read_file(paths[f], MAX_BYTES, false, &data, &size, diag);
        const int n = one == RS_OK ? label_bytes(data, size) : 0;
        if (one == RS_OK && n == 0)
            one = neither(paths[f], data, size, diag);
        if (one == RS_OK && form != 0 && n != form)
            one = rs_error(diag, RS_BAD_INPUT, RS_FILE(paths[f]), NULL,
                           "this file is of CIFAR-%d, but %s is of CIFAR-%d", n == 1 ? CLASSES_10 : CLASSES_100,
                           paths[0], form == 1 ? CLASSES_10 : CLASSES_100);
        if (st == RS_OK && one == RS_OK) {
            const size_t record = (size_t)n + IMAGE, more = size / record, have = (size_t)set->count;
            uint8_t *pixels = rs_recalloc(set->storage, have * IMAGE, (have + more) * IMAGE, 1);
            if (pixels != NULL)
                set->storage = pixels;
            int32_t *labels = pixels != NULL ? rs_recalloc(set->labels, have, have + more, sizeof *labels) : NULL;
            if (labels == NULL) {
                rs_free(data);
                return rs_out_of_memory(diag);
            }
            set->labels = labels;
            for (size_t i = 0; i < more; i++) {
                memcpy(pixels + (have + i) * IMAGE, data + i * record + n, IMAGE);
                labels[have + i] = data[i * record + (size_t)n - 1];
            }
            set->count += (int64_t)more;
            set->classes = n == 1 ? CLASSES_10 : CLASSES_100;
            form = n;
        }
        if (st == RS_OK)
            st = one;
        rs_free(data);
    }
    set->pixels = set->storage;
    return st;
}
