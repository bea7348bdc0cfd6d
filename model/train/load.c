#include "base/threads.h"
#include "train/score.h"

enum { PIECE = 16 };

typedef struct job {
    const rs_dataset *set;
    const rs_data_param *transform;
    int64_t first, n, image;
    float *pixels;
} job;

static void load_piece(void *context, size_t index, int worker)
{
    (void)worker;
    const job *j = context;
    const int64_t from = (int64_t)index * PIECE, left = j->n - from;
    rs_dataset_transform(j->set, j->transform, j->first + from, left < PIECE ? left : PIECE, j->pixels + from * j->image);
}

void rs_load_batch(const rs_dataset *set, const rs_data_param *transform, int64_t first, int64_t n, float *pixels, float *labels)
{
    job j = { set, transform, first, n, (int64_t)set->channels * set->height * set->width, pixels };
    rs_parallel((size_t)((n + PIECE - 1) / PIECE), load_piece, &j);
    for (int64_t i = 0; i < n && labels != NULL; i++)
        labels[i] = (float)set->labels[(first + i) % set->count];
}
