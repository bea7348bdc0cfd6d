#include <string.h>

#include "base/rng.h"
#include "data/data.h"

rs_status rs_dataset_check(const rs_dataset *set, const rs_data_param *param, rs_loc loc, rs_diag *diag)
{
    rs_status st = RS_OK;
    if (param->n_mean > 1 && param->n_mean != set->channels)
        st = rs_error(diag, RS_BAD_INPUT, loc, NULL,
                      "%d values of mean_value for images of %d channel%s, expected one, or "
                      "one a channel",
                      param->n_mean, set->channels, set->channels == 1 ? "" : "s");
    if (param->crop_size > set->height || param->crop_size > set->width)
        st = rs_error(diag, RS_BAD_INPUT, loc, NULL, "crop_size is %lld, larger than the images of %dx%d",
                      (long long)param->crop_size, set->height, set->width);
    return st;
}

rs_shape rs_dataset_shape(const rs_dataset *set, const rs_data_param *param, int64_t n)
{
    const int64_t crop = param->crop_size;
    return (rs_shape){ 4, { n, set->channels, crop > 0 ? crop : set->height, crop > 0 ? crop : set->width } };
}

/* One image: the window at (top, left), mirrored or not. */
static void convert(const rs_dataset *set, const rs_data_param *param, const uint8_t *image, int64_t top, int64_t left,
                    bool mirror, float *out)
{
    const rs_shape shape = rs_dataset_shape(set, param, 1);
    const int64_t h = shape.dim[2], w = shape.dim[3];
    for (int c = 0; c < set->channels; c++) {
        const float mean = param->n_mean == 0 ? 0 : param->mean[param->n_mean > 1 ? c : 0];
        for (int64_t y = 0; y < h; y++) {
            const uint8_t *row = image + ((int64_t)c * set->height + top + y) * set->width + left;
            float *to = out + (c * h + y) * w;
            if (mirror)
                for (int64_t x = 0; x < w; x++)
                    to[w - 1 - x] = ((float)row[x] - mean) * param->scale;
            else
                for (int64_t x = 0; x < w; x++)
                    to[x] = ((float)row[x] - mean) * param->scale;
        }
    }
}

void rs_dataset_transform(const rs_dataset *set, const rs_data_param *param, int64_t first, int64_t n, float *out)
{
    const rs_shape shape = rs_dataset_shape(set, param, 1);
    const int64_t from = (int64_t)set->channels * set->height * set->width, to = rs_shape_count(&shape, 0);
    const int64_t top = (set->height - shape.dim[2]) / 2, left = (set->width - shape.dim[3]) / 2;
    for (int64_t i = 0; i < n; i++)
        convert(set, param, set->pixels + (first + i) % set->count * from, top, left, false, out + i * to);
}

void rs_dataset_augment(const rs_dataset *set, const rs_data_param *param, uint64_t seed, int64_t first, int64_t n,
                        float *out)
{
    enum { TOP, LEFT, MIRROR }; /* streams of random numbers */
    const rs_shape shape = rs_dataset_shape(set, param, 1);
    const int64_t from = (int64_t)set->channels * set->height * set->width, to = rs_shape_count(&shape, 0);
    const uint64_t tops = (uint64_t)(set->height - shape.dim[2]) + 1, lefts = (uint64_t)(set->width - shape.dim[3]) + 1;
    for (int64_t i = 0; i < n; i++) {
        const uint64_t k = (uint64_t)(first + i);
        const int64_t top = (int64_t)rs_random_below(seed, TOP, k, tops);
        const int64_t left = (int64_t)rs_random_below(seed, LEFT, k, lefts);
        const bool mirror = param->mirror && rs_random_below(seed, MIRROR, k, 2) == 1;
        convert(set, param, set->pixels + (first + i) % set->count * from, top, left, mirror, out + i * to);
    }
}
