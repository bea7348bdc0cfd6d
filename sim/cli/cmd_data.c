/* ristretto data: what a data set holds, in another format, its mean. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/progress.h"
#include "cli/commands.h"
#include "import/caffe/caffe.h"
#include "report/report.h"

static rs_status info(const rs_args *args, const rs_dataset *set, rs_diag *diag)
{
    json_t *counts = json_array();
    bool failed = counts == NULL;
    int64_t *of_class = set->classes <= 65536 ? RS_NEW_ARRAY(int64_t, (size_t)set->classes) : NULL;
    int used = 0;
    for (int64_t i = 0; i < set->count && of_class != NULL; i++)
        used += of_class[set->labels[i]]++ == 0;
    for (int c = 0; c < set->classes && of_class != NULL && !failed; c++)
        failed = json_array_append_new(counts, json_integer((json_int_t)of_class[c])) != 0;
    rs_free(of_class);
    json_t *section = failed ? NULL
                             : json_pack("{s:s, s:I, s:i, s:i, s:i, s:i, s:i, s:b, s:O}", "data", set->path, "images",
                                         (json_int_t)set->count, "channels", set->channels, "height", set->height,
                                         "width", set->width, "classes", set->classes, "classes_used", used,
                                         "in_memory", set->pixels != NULL, "images_of_class", counts);
    json_decref(counts);
    if (section == NULL)
        return rs_out_of_memory(diag);
    if (rs_args_flag(args, "json")) {
        rs_json_print(section, stdout);
    } else if (!rs_args_flag(args, "quiet")) {
        printf("%s: %" PRId64 " images of %dx%dx%d (channels x height x width)%s, labels 0 to %d, %d of them used\n",
               set->path, set->count, set->channels, set->height, set->width,
               set->pixels != NULL ? "" : ", the first of them", set->classes - 1, used);
    }
    json_decref(section);
    return RS_OK;
}

/* PREFIX-images-idx3-ubyte and PREFIX-labels-idx1-ubyte, or PREFIX-images.npy and PREFIX-labels.npy. */
static rs_status write_pair(const rs_dataset *set, const char *prefix, bool idx, rs_diag *diag)
{
    char *images = idx ? rs_format("%s-images-idx%d-ubyte", prefix, set->channels == 1 ? 3 : 4)
                       : rs_format("%s-images.npy", prefix);
    char *labels = rs_format(idx ? "%s-labels-idx1-ubyte" : "%s-labels.npy", prefix);
    rs_status status = images == NULL || labels == NULL ? rs_out_of_memory(diag) : RS_OK;
    if (status == RS_OK)
        status = idx ? rs_dataset_write_idx(set, images, labels, diag)
                     : rs_dataset_write_npy(set, images, labels, diag);
    rs_free(images);
    rs_free(labels);
    return status;
}

static rs_status convert(const rs_args *args, rs_dataset **set, const rs_data_param *param, const char *out,
                         rs_diag *diag)
{
    const char *format = rs_args_text(args, "format");
    rs_status status = rs_dataset_hold(set, param, RS_LOADED_MAX_BYTES, diag);
    if (status == RS_OK)
        status = strcmp(format, "lmdb") == 0 ? rs_dataset_write_lmdb(*set, out, diag)
                                             : write_pair(*set, out, strcmp(format, "idx") == 0, diag);
    if (status == RS_OK && !rs_args_flag(args, "quiet") && !rs_args_flag(args, "json"))
        printf("wrote %" PRId64 " images of %dx%dx%d (channels x height x width) to %s\n", (*set)->count,
               (*set)->channels, (*set)->height, (*set)->width, out);
    return status;
}

/* The mean of each pixel: exact sums, one division. */
static rs_status mean(const rs_args *args, const rs_dataset *set, const rs_data_param *param, const char *out,
                      rs_diag *diag)
{
    const rs_shape shape = rs_dataset_shape(set, param, 1);
    const int64_t n = rs_shape_count(&shape, 0);
    rs_feed *feed = NULL;
    float *pixels = RS_NEW_ARRAY(float, (size_t)n), *values = RS_NEW_ARRAY(float, (size_t)n);
    uint64_t *sums = RS_NEW_ARRAY(uint64_t, (size_t)n);
    rs_status status = pixels == NULL || values == NULL || sums == NULL ? rs_out_of_memory(diag) : RS_OK;
    if (status == RS_OK)
        status = rs_feed_new(set, param, NULL, 0, 32, &feed, diag);
    rs_progress *progress = rs_progress_begin("mean", (uint64_t)set->count, "images");
    for (int64_t i = 0; i < set->count && status == RS_OK; i++) {
        status = rs_feed_next(feed, 1, pixels, NULL, diag);
        for (int64_t k = 0; k < n && status == RS_OK; k++)
            sums[k] += (uint64_t)pixels[k];
        rs_progress_update(progress, (uint64_t)i + 1, NULL);
        if (status == RS_OK && rs_interrupted())
            status = RS_INTERRUPTED;
    }
    rs_progress_end(progress);
    rs_feed_free(feed);
    if (status == RS_OK) {
        const bool show = !rs_args_flag(args, "quiet") && !rs_args_flag(args, "json");
        for (int64_t k = 0; k < n; k++)
            values[k] = (float)((double)sums[k] / (double)set->count);
        status = rs_caffe_write_mean(out, shape.dim + 1, values, diag);
        if (status == RS_OK && show)
            printf("wrote the mean of %" PRId64 " images to %s\nmean of each channel, for --mean and mean_value:",
                   set->count, out);
        const int64_t area = shape.dim[2] * shape.dim[3];
        for (int64_t c = 0; c < shape.dim[1] && status == RS_OK && show; c++) {
            uint64_t sum = 0;
            for (int64_t k = 0; k < area; k++)
                sum += sums[c * area + k];
            printf("%s%.6g", c == 0 ? " " : ",", (double)sum / ((double)set->count * (double)area));
        }
        if (status == RS_OK && show)
            putchar('\n');
    }
    rs_free(pixels);
    rs_free(values);
    rs_free(sums);
    return status;
}

rs_status rs_command_data(const rs_args *args, rs_diag *diag)
{
    const char *action = rs_args_text(args, "ACTION"), *out = rs_args_text(args, "OUT");
    const bool is_info = strcmp(action, "info") == 0;
    if (is_info != (out == NULL))
        return rs_error(diag, RS_USAGE, RS_NOWHERE, is_info ? NULL : "ristretto data ACTION PATH OUT",
                        "'ristretto data %s' takes %s", action,
                        is_info ? "one path" : "two paths: the data, and what is written");
    rs_dataset *set = NULL;
    rs_data_override over;
    rs_data_param param = { .scale = 1.0f };
    rs_status status = rs_transform_options(args, &over, diag);
    if (status == RS_OK)
        status = rs_data_override_apply(&over, &param, diag);
    param.crop_size = rs_args_int(args, "crop");
    if (status == RS_OK)
        status = rs_dataset_open(rs_args_text(args, "PATH"), NULL, strcmp(rs_args_text(args, "split"), "train") == 0,
                                 &set, diag);
    if (status == RS_OK)
        status = rs_dataset_check(set, &param, RS_FILE(set->path), diag);
    if (status == RS_OK)
        status = is_info                          ? info(args, set, diag)
                 : strcmp(action, "convert") == 0 ? convert(args, &set, &param, out, diag)
                                                  : mean(args, set, &param, out, diag);
    rs_dataset_free(set);
    return status;
}
