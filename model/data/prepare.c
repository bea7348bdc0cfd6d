/* Sets whose images are those that enter a net, resized and cropped: in memory, or read again each time. */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/progress.h"
#include "base/threads.h"
#include "data/source.h"
#include "data/window.h"

/* -------------------------------------------------------------------------------------------------- in memory */

/* A set of the images that enter the net, with labels and without pixels. */
static rs_status prepared_new(const rs_dataset *set, const rs_data_param *param, rs_dataset **prepared, rs_diag *diag)
{
    const rs_shape shape = rs_dataset_shape(set, param, 1);
    rs_dataset *s = RS_NEW(rs_dataset);
    *prepared = NULL;
    if (s == NULL)
        return rs_out_of_memory(diag);
    *s = (rs_dataset) { .path = rs_strdup(set->path),
                        .count = set->count,
                        .channels = (int)shape.dim[1],
                        .height = (int)shape.dim[2],
                        .width = (int)shape.dim[3],
                        .classes = set->classes,
                        .windowed = true };
    s->labels = RS_NEW_ARRAY(int32_t, (size_t)set->count);
    if (s->path == NULL || s->labels == NULL) {
        rs_dataset_free(s);
        return rs_out_of_memory(diag);
    }
    memcpy(s->labels, set->labels, (size_t)set->count * sizeof *s->labels);
    *prepared = s;
    return RS_OK;
}

typedef struct load_job {
    const rs_dataset *set;
    const rs_data_param *param;
    uint8_t *pixels;
    int64_t image;
    atomic_llong failed; /* the first image that did */
} load_job;

static void load_task(void *context, size_t i, int worker)
{
    (void)worker;
    load_job *job = context;
    rs_window at;
    if (rs_interrupted() || (long long)i > atomic_load(&job->failed) ||
        rs_window_read(job->set, job->param, NULL, (int64_t)i, job->pixels + (int64_t)i * job->image, &at, NULL) ==
            RS_OK)
        return;
    long long failed = atomic_load(&job->failed);
    while ((long long)i < failed && !atomic_compare_exchange_weak(&job->failed, &failed, (long long)i))
        ;
}

rs_status rs_dataset_load(const rs_dataset *set, const rs_data_param *param, rs_dataset **loaded, rs_diag *diag)
{
    *loaded = NULL;
    const rs_shape shape = rs_dataset_shape(set, param, 1);
    const int64_t image = rs_shape_count(&shape, 0);
    if (set->count < 1)
        return rs_error(diag, RS_BAD_INPUT, RS_FILE(set->path), NULL, "the data set holds no images");
    if (image < 1 || (uint64_t)set->count > RS_LOADED_MAX_BYTES / (uint64_t)image)
        return rs_error(diag, RS_RESOURCE, RS_FILE(set->path), "take fewer images",
                        "%lld images of %lld bytes do not fit %llu bytes, the most that is held in memory",
                        (long long)set->count, (long long)image, (unsigned long long)RS_LOADED_MAX_BYTES);
    rs_dataset *s = NULL;
    const rs_status made = prepared_new(set, param, &s, diag);
    if (made != RS_OK)
        return made;
    s->storage = rs_calloc((size_t)set->count, (size_t)image);
    s->pixels = s->storage;
    if (s->storage == NULL) {
        rs_dataset_free(s);
        return rs_out_of_memory(diag);
    }
    load_job job = { .set = set, .param = param, .pixels = s->storage, .image = image };
    atomic_init(&job.failed, set->count);
    rs_parallel((size_t)set->count, load_task, &job);
    const long long failed = atomic_load(&job.failed);
    if (rs_interrupted()) {
        rs_dataset_free(s);
        return rs_error(diag, RS_INTERRUPTED, RS_FILE(set->path), NULL, "interrupted while images were read");
    }
    if (failed < set->count) {
        /* Once more, for its message. A failure that does not come again was one of memory. */
        rs_window at;
        rs_status st = rs_window_read(set, param, NULL, failed, s->storage, &at, diag);
        rs_dataset_free(s);
        return st != RS_OK ? st : rs_out_of_memory(diag);
    }
    *loaded = s;
    return RS_OK;
}

/* ------------------------------------------------------------------------------------------------ read again */

/* Images of another set, resized and cropped. */
typedef struct window_source {
    rs_source source;
    rs_dataset from;   /* shares what it has with the set that the images come from */
    rs_dataset *owned; /* that set, if it is this source's own; or NULL */
    rs_data_param param;
} window_source;

static rs_status window_read(const rs_source *source, int64_t index, rs_color color, rs_picture *picture, rs_diag *diag)
{
    (void)color; /* the param has it */
    const window_source *w = (const window_source *)source;
    const rs_shape shape = rs_dataset_shape(&w->from, &w->param, 1);
    *picture = (rs_picture) { (int)shape.dim[1], (int)shape.dim[2], (int)shape.dim[3], NULL };
    picture->pixels = rs_calloc((size_t)rs_shape_count(&shape, 0), 1);
    if (picture->pixels == NULL)
        return rs_out_of_memory(diag);
    rs_window at;
    const rs_status st = rs_window_read(&w->from, &w->param, NULL, index, picture->pixels, &at, diag);
    if (st != RS_OK)
        rs_picture_free(picture);
    return st;
}

static rs_loc window_where(const rs_source *source, int64_t index, char *name, size_t size)
{
    const window_source *w = (const window_source *)source;
    if (w->from.source != NULL)
        return w->from.source->where(w->from.source, w->from.base + index, name, size);
    const int64_t at = w->from.base + index;
    snprintf(name, size, "image %lld", (long long)at);
    return RS_FILE(w->from.path);
}

static void window_free(rs_source *source)
{
    window_source *w = (window_source *)source;
    rs_dataset_free(w->owned);
    rs_free(w);
}

static rs_status read_again(const rs_dataset *set, const rs_data_param *param, rs_dataset **prepared, rs_diag *diag)
{
    rs_dataset *s = NULL;
    rs_status st = prepared_new(set, param, &s, diag);
    window_source *w = st == RS_OK ? RS_NEW(window_source) : NULL;
    if (st == RS_OK && w == NULL)
        st = rs_out_of_memory(diag);
    if (st != RS_OK) {
        rs_dataset_free(s);
        return st;
    }
    *w = (window_source) { .source = { window_read, window_where, window_free, false }, .from = *set, .param = *param };
    s->source = &w->source;
    *prepared = s;
    return RS_OK;
}

rs_status rs_dataset_prepare(const rs_dataset *set, const rs_data_param *param, uint64_t max_bytes,
                             rs_dataset **prepared, rs_diag *diag)
{
    const rs_shape shape = rs_dataset_shape(set, param, 1);
    const int64_t image = rs_shape_count(&shape, 0);
    *prepared = NULL;
    const bool fits = image < 1 || (uint64_t)set->count <= max_bytes / (uint64_t)image;
    return fits ? rs_dataset_load(set, param, prepared, diag) : read_again(set, param, prepared, diag);
}

bool rs_dataset_prepared(const rs_dataset *set, const rs_data_param *param)
{
    const rs_shape shape = rs_dataset_shape(set, param, 1);
    /* Resized and cropped again, images of the right size are still others. */
    const bool resized = (param->new_height > 0 && param->new_height != set->height) ||
                         (param->new_width > 0 && param->new_width != set->width);
    return set->windowed || (set->pixels != NULL && !resized && shape.dim[1] == set->channels &&
                             shape.dim[2] == set->height && shape.dim[3] == set->width);
}

rs_status rs_dataset_hold(rs_dataset **set, const rs_data_param *param, uint64_t max_bytes, rs_diag *diag)
{
    if (rs_dataset_prepared(*set, param))
        return RS_OK;
    rs_dataset *prepared = NULL;
    const rs_status st = rs_dataset_prepare(*set, param, max_bytes, &prepared, diag);
    if (st != RS_OK)
        return st;
    if (prepared->source != NULL)
        ((window_source *)prepared->source)->owned = *set;
    else
        rs_dataset_free(*set);
    *set = prepared;
    return RS_OK;
}
