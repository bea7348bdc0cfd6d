/* Data sets in memory: views, descriptions, release. */
#include "data/data.h"
#include "data/source.h"

void rs_dataset_free(rs_dataset *set)
{
    if (set == NULL)
        return;
    if (set->source != NULL)
        set->source->free(set->source);
    rs_free(set->path);
    rs_free(set->storage);
    rs_free(set->labels);
    rs_free(set);
}

rs_dataset rs_dataset_slice(const rs_dataset *set, int64_t first, int64_t count)
{
    rs_dataset slice = *set;
    if (first < 0)
        first = 0;
    if (first > set->count)
        first = set->count;
    if (count > set->count - first)
        count = set->count - first;
    slice.count = count < 0 ? 0 : count;
    if (set->pixels != NULL)
        slice.pixels = set->pixels + first * set->channels * set->height * set->width;
    slice.base = set->base + first;
    slice.labels = set->labels + first;
    slice.storage = NULL;
    return slice;
}

rs_status rs_source_describe(rs_dataset *set, rs_diag *diag)
{
    rs_picture first;
    for (int64_t i = 0; i < set->count; i++)
        if (set->labels[i] >= set->classes)
            set->classes = set->labels[i] + 1;
    const rs_status st = set->source->read(set->source, 0, RS_COLOR_AS_IS, &first, diag);
    if (st != RS_OK)
        return st;
    set->channels = first.channels;
    set->height = first.height;
    set->width = first.width;
    rs_picture_free(&first);
    return RS_OK;
}
