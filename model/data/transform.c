/* From pixels to the numbers that enter a net: resized, cropped, mirrored bytes, then (pixel - mean) * scale. */
#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "data/data.h"
#include "data/source.h"
#include "data/window.h"

/* Size before cropping. */
static int64_t full_height(const rs_dataset *set, const rs_data_param *param)
{
    return param->new_height > 0 && !set->windowed ? param->new_height : set->height;
}

static int64_t full_width(const rs_dataset *set, const rs_data_param *param)
{
    return param->new_width > 0 && !set->windowed ? param->new_width : set->width;
}

rs_status rs_data_override_apply(const rs_data_override *over, rs_data_param *param, rs_diag *diag)
{
    if (over->has_scale)
        param->scale = over->scale;
    if (over->crop_size > 0)
        param->crop_size = over->crop_size;
    if (over->new_height > 0) {
        param->new_height = over->new_height;
        param->new_width = over->new_width;
    }
    if (over->gray)
        param->color = RS_COLOR_GRAY;
    if (over->mirror)
        param->mirror = true;
    if (over->shuffle)
        param->shuffle = true;
    if (over->n_mean == 0 && over->mean_file == NULL)
        return RS_OK;
    rs_free(param->mean_file);
    rs_free(param->mean_image);
    param->mean_file = NULL;
    param->mean_image = NULL;
    param->n_mean = over->n_mean;
    memcpy(param->mean, over->mean, sizeof param->mean);
    if (over->mean_file != NULL && (param->mean_file = rs_strdup(over->mean_file)) == NULL)
        return rs_out_of_memory(diag);
    return RS_OK;
}

rs_status rs_dataset_check(const rs_dataset *set, const rs_data_param *param, rs_loc loc, rs_diag *diag)
{
    rs_status st = RS_OK;
    const rs_shape shape = rs_dataset_shape(set, param, 1);
    const int64_t channels = shape.dim[1], height = full_height(set, param), width = full_width(set, param);
    if (param->n_mean > 1 && param->n_mean != channels)
        st = rs_error(diag, RS_BAD_INPUT, loc, NULL,
                      "%d values of mean_value for images of %lld channel%s, expected one, or "
                      "one a channel",
                      param->n_mean, (long long)channels, channels == 1 ? "" : "s");
    if (param->crop_size > height || param->crop_size > width)
        st = rs_error(diag, RS_BAD_INPUT, loc, NULL, "crop_size is %lld, larger than the images of %lldx%lld",
                      (long long)param->crop_size, (long long)height, (long long)width);
    const int64_t *mean = param->mean_dim;
    if (param->mean_image != NULL && !set->windowed && (mean[0] != channels || mean[1] != height || mean[2] != width))
        st = rs_error(
            diag, RS_BAD_INPUT, loc, "a mean image is of the size that images have before they are cropped",
            "the mean image is %lldx%lldx%lld (channels x height x width), but the images of '%s' are %lldx%lldx%lld",
            (long long)mean[0], (long long)mean[1], (long long)mean[2], set->path, (long long)channels,
            (long long)height, (long long)width);
    return st;
}

rs_shape rs_dataset_shape(const rs_dataset *set, const rs_data_param *param, int64_t n)
{
    const int64_t crop = set->windowed ? 0 : param->crop_size;
    const int64_t channels = set->source == NULL || !set->source->compressed || param->color == RS_COLOR_AS_IS
                                 ? set->channels
                             : param->color == RS_COLOR_BGR ? 3
                                                            : 1;
    return (rs_shape) {
        4, { n, channels, crop > 0 ? crop : full_height(set, param), crop > 0 ? crop : full_width(set, param) }
    };
}

bool rs_dataset_ready(const rs_dataset *set, const rs_data_param *param)
{
    return set->pixels != NULL && full_height(set, param) == set->height && full_width(set, param) == set->width;
}

/* ------------------------------------------------------------------------------------------------------ windows */

int64_t rs_window_image(const rs_dataset *set, const rs_data_param *param, const uint64_t *seed, int64_t index)
{
    enum { ORDER = 3 }; /* of an epoch: a stream of random numbers, see rs_window_place */
    const uint64_t n = (uint64_t)set->count, epoch = (uint64_t)index / n, i = (uint64_t)index % n;
    return (int64_t)(seed != NULL && param->shuffle ? rs_random_permuted(*seed, rs_mix64(epoch) << 2 | ORDER, i, n)
                                                    : i);
}

rs_window rs_window_place(const rs_data_param *param, const rs_shape *shape, int64_t height, int64_t width,
                          const uint64_t *seed, int64_t index)
{
    enum { TOP, LEFT, MIRROR }; /* streams of random numbers */
    const int64_t down = height - shape->dim[2], right = width - shape->dim[3];
    if (seed == NULL)
        return (rs_window) { down / 2, right / 2, height, width, false };
    const uint64_t k = (uint64_t)index;
    return (rs_window) { (int64_t)rs_random_below(*seed, TOP, k, (uint64_t)down + 1),
                         (int64_t)rs_random_below(*seed, LEFT, k, (uint64_t)right + 1), height, width,
                         param->mirror && rs_random_below(*seed, MIRROR, k, 2) == 1 };
}

void rs_window_convert(const rs_data_param *param, const rs_shape *shape, const uint8_t *image, int64_t plane,
                       int64_t pitch, rs_window at, float *out)
{
    const int64_t h = shape->dim[2], w = shape->dim[3];
    /* Where the window lies in the mean image: as in the image, or, if that has been cropped before, in the middle. */
    const bool cropped = param->mean_image != NULL &&
                         (param->mean_dim[1] != at.height || param->mean_dim[2] != at.width);
    const int64_t mean_top = cropped ? (param->mean_dim[1] - h) / 2 : at.top,
                  mean_left = cropped ? (param->mean_dim[2] - w) / 2 : at.left;
    for (int64_t c = 0; c < shape->dim[1]; c++) {
        const float value = param->n_mean == 0 ? 0 : param->mean[param->n_mean > 1 ? c : 0];
        for (int64_t y = 0; y < h; y++) {
            const uint8_t *row = image + c * plane + y * pitch;
            float *to = out + (c * h + y) * w;
            if (param->mean_image != NULL) {
                const float *mean = param->mean_image + (c * param->mean_dim[1] + mean_top + y) * param->mean_dim[2] +
                                    mean_left;
                if (at.mirror)
                    for (int64_t x = 0; x < w; x++)
                        to[w - 1 - x] = ((float)row[x] - mean[x]) * param->scale;
                else
                    for (int64_t x = 0; x < w; x++)
                        to[x] = ((float)row[x] - mean[x]) * param->scale;
            } else if (at.mirror) {
                for (int64_t x = 0; x < w; x++)
                    to[w - 1 - x] = ((float)row[x] - value) * param->scale;
            } else {
                for (int64_t x = 0; x < w; x++)
                    to[x] = ((float)row[x] - value) * param->scale;
            }
        }
    }
}

/* Images of a set that is ready. */
static void convert(const rs_dataset *set, const rs_data_param *param, const uint64_t *seed, int64_t first, int64_t n,
                    float *out)
{
    const rs_shape shape = rs_dataset_shape(set, param, 1);
    const int64_t plane = (int64_t)set->height * set->width, image = set->channels * plane,
                  values = rs_shape_count(&shape, 0);
    for (int64_t i = 0; i < n; i++) {
        const rs_window at = rs_window_place(param, &shape, set->height, set->width, seed, first + i);
        const uint8_t *pixels = set->pixels + rs_window_image(set, param, seed, first + i) * image;
        rs_window_convert(param, &shape, pixels + at.top * set->width + at.left, plane, set->width, at,
                          out + i * values);
    }
}

void rs_dataset_transform(const rs_dataset *set, const rs_data_param *param, int64_t first, int64_t n, float *out)
{
    convert(set, param, NULL, first, n, out);
}

void rs_dataset_augment(const rs_dataset *set, const rs_data_param *param, uint64_t seed, int64_t first, int64_t n,
                        float *out)
{
    convert(set, param, &seed, first, n, out);
}

/* ------------------------------------------------------------------------------------------------------ reading */

rs_status rs_window_read(const rs_dataset *set, const rs_data_param *param, const uint64_t *seed, int64_t index,
                         uint8_t *pixels, rs_window *at, rs_diag *diag)
{
    const rs_shape shape = rs_dataset_shape(set, param, 1);
    const int64_t k = rs_window_image(set, param, seed, index);
    rs_picture picture = { set->channels, set->height, set->width, NULL }, resized = { 0 };
    const uint8_t *from = NULL;
    char name[256];
    rs_loc loc = RS_FILE(set->path);
    snprintf(name, sizeof name, "image %lld", (long long)k);
    if (set->pixels != NULL) {
        from = set->pixels + k * set->channels * set->height * set->width;
    } else {
        loc = set->source->where(set->source, set->base + k, name, sizeof name);
        const rs_status st = set->source->read(set->source, set->base + k, param->color, &picture, diag);
        if (st != RS_OK)
            return st;
        from = picture.pixels;
    }
    rs_status st = RS_OK;
    const int64_t height = param->new_height > 0 && !set->windowed ? param->new_height : picture.height;
    const int64_t width = param->new_width > 0 && !set->windowed ? param->new_width : picture.width;
    if (height != picture.height || width != picture.width) {
        const rs_picture whole = { picture.channels, picture.height, picture.width, (uint8_t *)(uintptr_t)from };
        st = rs_picture_resize(&whole, height, width, &resized, diag);
        from = resized.pixels;
    }
    const bool cropped = param->crop_size > 0 && !set->windowed;
    const bool fits = cropped ? height >= shape.dim[2] && width >= shape.dim[3]
                              : height == shape.dim[2] && width == shape.dim[3];
    if (st == RS_OK && picture.channels != shape.dim[1])
        st = rs_error(diag, RS_BAD_INPUT, loc, NULL, "'%s' has %d channels, the images before it %lld", name,
                      picture.channels, (long long)shape.dim[1]);
    else if (st == RS_OK && !fits)
        st = rs_error(diag, RS_BAD_INPUT, loc, "resize the images (new_height and new_width, --resize)",
                      "'%s' has %lldx%lld pixels (height x width), expected %s%lldx%lld", name, (long long)height,
                      (long long)width, cropped ? "at least " : "", (long long)shape.dim[2], (long long)shape.dim[3]);
    else if (st == RS_OK && param->mean_image != NULL && !set->windowed &&
             (param->mean_dim[1] != height || param->mean_dim[2] != width))
        st = rs_error(
            diag, RS_BAD_INPUT, loc, NULL, "'%s' has %lldx%lld pixels (height x width), but the mean image %lldx%lld",
            name, (long long)height, (long long)width, (long long)param->mean_dim[1], (long long)param->mean_dim[2]);
    if (st == RS_OK) {
        *at = rs_window_place(param, &shape, height, width, seed, index);
        const int64_t h = shape.dim[2], w = shape.dim[3];
        for (int64_t c = 0; c < shape.dim[1]; c++)
            for (int64_t y = 0; y < h; y++)
                memcpy(pixels + (c * h + y) * w, from + (c * height + at->top + y) * width + at->left, (size_t)w);
    }
    rs_picture_free(&resized);
    rs_picture_free(&picture);
    return st;
}

/* Puts the messages of a thread's own diag into the caller's. */
void rs_messages_move(rs_diag *from, rs_diag *to)
{
    const rs_message *m;
    for (size_t i = 0; (m = rs_diag_message(from, i)) != NULL; i++)
        if (m->severity == RS_ERROR)
            (void)rs_error(to, m->status, m->loc, m->hint, "%s", m->text);
}
