#include <string.h>

#include "base/threads.h"
#include "train/score.h"

enum { PIECE = 16 };

typedef struct job {
    const rs_dataset *set;
    const rs_data_param *transform;
    const uint64_t *seed;
    int64_t first, n, image;
    float *pixels;
} job;

static void load_piece(void *context, size_t index, int worker)
{
    (void)worker;
    const job *j = context;
    const int64_t from = (int64_t)index * PIECE, left = j->n - from;
    const int64_t n = left < PIECE ? left : PIECE;
    if (j->seed != NULL)
        rs_dataset_augment(j->set, j->transform, *j->seed, j->first + from, n, j->pixels + from * j->image);
    else
        rs_dataset_transform(j->set, j->transform, j->first + from, n, j->pixels + from * j->image);
}

void rs_load_batch(const rs_dataset *set, const rs_data_param *transform, const uint64_t *seed, int64_t first, int64_t n, float *pixels,
                   float *labels)
{
    const rs_shape one = rs_dataset_shape(set, transform, 1);
    job j = { set, transform, seed, first, n, rs_shape_count(&one, 0), pixels };
    rs_parallel((size_t)((n + PIECE - 1) / PIECE), load_piece, &j);
    for (int64_t i = 0; i < n && labels != NULL; i++)
        labels[i] = (float)set->labels[(first + i) % set->count];
}

rs_status rs_copy_weights(const rs_net *from, rs_net *to, rs_diag *diag)
{
    for (int i = 0; i < to->n_layers; i++) {
        rs_layer *layer = &to->layers[i];
        const int other = rs_net_layer(from, layer->name);
        for (int p = 0; p < layer->n_params; p++) {
            const rs_layer *l = other < 0 ? NULL : &from->layers[other];
            if (l == NULL || p >= l->n_params || !rs_shape_equal(&l->params[p].shape, &layer->params[p].shape))
                return rs_error(diag, RS_BAD_INPUT, layer->loc, NULL,
                                "layer '%s' of the test net has parameters that the training net does not have", layer->name);
            memcpy(layer->params[p].data, l->params[p].data, (size_t)rs_shape_count(&layer->params[p].shape, 0) * sizeof(float));
        }
    }
    return RS_OK;
}
