/* NumPy arrays as data sets: images (count x height x width, count x channels x height x width, or with the channels
 * last), and labels beside them. */
#include <string.h>

#include "base/file.h"
#include "base/npy.h"
#include "data/source.h"

#define MAX_BYTES ((size_t)16 << 30)

/* Channels first or last: the axis of 1, 3 or 4; if both could be, the first. */
static bool is_depth(int64_t n)
{
    return n == 1 || n == 3 || n == 4;
}

static rs_status take_images(const char *path, const rs_npy *a, rs_dataset *set, rs_diag *diag)
{
    const bool last = a->n_axes == 4 && !is_depth(a->dim[1]) && is_depth(a->dim[3]);
    if ((a->n_axes != 3 && a->n_axes != 4) || a->count == 0)
        return rs_error(
            diag, RS_BAD_INPUT, RS_FILE(path), NULL,
            "an array of %d axes and %lld values, expected images: count x height x width, or with 1, 3 or 4 channels",
            a->n_axes, (long long)a->count);
    const int64_t channels = a->n_axes == 3 ? 1 : a->dim[last ? 3 : 1], height = a->dim[last || a->n_axes == 3 ? 1 : 2];
    const int64_t width = a->dim[last || a->n_axes == 3 ? 2 : 3], area = height * width;
    if (channels > INT16_MAX || height > INT32_MAX || width > INT32_MAX)
        return rs_error(diag, RS_BAD_INPUT, RS_FILE(path), NULL,
                        "images of %lldx%lldx%lld (channels x height x width) are too large", (long long)channels,
                        (long long)height, (long long)width);
    set->storage = rs_calloc((size_t)a->count, 1);
    if (set->storage == NULL)
        return rs_out_of_memory(diag);
    set->pixels = set->storage;
    set->count = a->dim[0];
    set->channels = (int)channels;
    set->height = (int)height;
    set->width = (int)width;
    for (int64_t i = 0; i < a->count; i++) {
        const double v = rs_npy_real(a, i);
        if (!(v >= 0 && v <= 255) || v != (double)(uint8_t)v)
            return rs_error(diag, RS_BAD_INPUT, RS_FILE(path),
                            "pixels are bytes; mean and scale are for the net's data layer, or --mean and --scale",
                            "element %lld is %g, expected a whole number from 0 to 255", (long long)i, v);
        const int64_t image = i / (channels * area), k = i % (channels * area);
        const int64_t to = last ? image * channels * area + k % channels * area + k / channels : i;
        set->pixels[to] = (uint8_t)v;
    }
    return RS_OK;
}

static rs_status take_labels(const char *path, const rs_npy *a, const char *images, rs_dataset *set, rs_diag *diag)
{
    if (a->kind == 'f' || a->n_axes < 1 || a->count != a->dim[0])
        return rs_error(diag, RS_BAD_INPUT, RS_FILE(path), NULL, "expected labels: whole numbers, one an image");
    if (a->count != set->count)
        return rs_error(diag, RS_BAD_INPUT, RS_FILE(path), NULL, "%lld labels, but %s holds %lld images",
                        (long long)a->count, images, (long long)set->count);
    set->labels = RS_NEW_ARRAY(int32_t, (size_t)a->count);
    if (set->labels == NULL)
        return rs_out_of_memory(diag);
    for (int64_t i = 0; i < a->count; i++) {
        const int64_t v = rs_npy_integer(a, i);
        if (v < 0 || v >= INT32_MAX)
            return rs_error(diag, RS_BAD_INPUT, RS_FILE(path), NULL, "label %lld is %lld, expected 0 to %d",
                            (long long)i, (long long)v, INT32_MAX - 1);
        set->labels[i] = (int32_t)v;
        if (set->labels[i] >= set->classes)
            set->classes = set->labels[i] + 1;
    }
    return RS_OK;
}

rs_status rs_arrays_read(const char *images_path, const char *labels_path, rs_dataset *set, rs_diag *diag)
{
    rs_npy a;
    rs_status st = rs_npy_read(images_path, MAX_BYTES, &a, NULL, diag);
    if (st != RS_OK)
        return st;
    st = take_images(images_path, &a, set, diag);
    rs_npy_free(&a);
    if (st == RS_OK)
        st = rs_npy_read(labels_path, MAX_BYTES, &a, NULL, diag);
    if (st != RS_OK)
        return st;
    st = take_labels(labels_path, &a, images_path, set, diag);
    rs_npy_free(&a);
    return st;
}

/* ------------------------------------------------------------------------------------------------------ writing */

static rs_status write_array(const char *path, const char *type, int n_axes, const int64_t *dim, const void *data,
                             size_t size, rs_diag *diag)
{
    uint8_t *header = NULL;
    size_t n = 0;
    rs_status st = rs_npy_header(type, n_axes, dim, &header, &n, diag);
    rs_output *out = NULL;
    if (st == RS_OK)
        st = rs_output_open(path, &out, diag);
    if (st == RS_OK) {
        fwrite(header, 1, n, rs_output_stream(out));
        fwrite(data, 1, size, rs_output_stream(out));
        st = rs_output_commit(out, diag);
    }
    rs_free(header);
    return st;
}

rs_status rs_dataset_write_npy(const rs_dataset *set, const char *images_path, const char *labels_path, rs_diag *diag)
{
    const int64_t dim[4] = { set->count, set->channels, set->height, set->width };
    rs_status st = write_array(images_path, "|u1", 4, dim, set->pixels, (size_t)(dim[0] * dim[1] * dim[2] * dim[3]),
                               diag);
    if (st == RS_OK)
        st = write_array(labels_path, "<i4", 1, dim, set->labels, (size_t)set->count * sizeof *set->labels, diag);
    return st;
}
