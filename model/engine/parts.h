/* The engine and what its parts share: plan.c (how each op is computed), fast/ (computing it), run.c (images over the
 * threads). Private to model/engine. */
#ifndef RISTRETTO_ENGINE_PARTS_H
#define RISTRETTO_ENGINE_PARTS_H

#include "engine/minifloat.h"
#include "engine/ops.h"

/* How one weighted op is computed. A window is walked as n_segments runs of segment_length elements that lie side by
 * side in memory, as on the array (docs/reference/array-data.md, "Weight order"): a run is the whole window, a row of
 * it or a point of it. */
typedef struct rs_engine_plan {
    rs_engine_path path;
    const rs_kernel *kernel;
    bool gather; /* windows are copied together first: padding or groups */
    int n_segments;
    int64_t *segments;      /* offsets in bytes from the window's first element */
    int64_t segment_length; /* elements */
    int64_t steps;          /* groups of elements per segment */
    int blocks;             /* of output channels, in each of the op's groups */
    rs_storage operand;
    void *weights, *bias; /* packed, block after block */
    int32_t *shifts;      /* as the bias, of requantize */
} rs_engine_plan;

typedef struct rs_engine_scratch rs_engine_scratch;

struct rs_engine {
    const rs_qnet *qnet;
    bool reference;
    rs_engine_plan *plans; /* per op */
    rs_storage *storage;   /* per tensor */
    void *pixel_table;     /* [channels][256] in the input's storage */
    rs_minifloat_engine
        *minifloat; /* of a minifloat network, which runs image by image like the reference; else NULL */
    /* Scratch stays from run to run: to make it anew costs more than a small network's run. */
    rs_engine_scratch *scratch; /* per worker */
    int workers;
    int64_t chunk; /* images that it has room for */
};

/* Memory of one worker. */
struct rs_engine_scratch {
    void **tensors; /* [chunk][height][width][channels]; for the reference one image of int32, CHW */
    void *operand;  /* an op's input in its kernel's storage */
    void *gathered; /* windows, one after the other */
    void *sums;
    int32_t *integers;
    int32_t *chw[2];       /* one tensor; an op's inputs and output one after the other */
    double *room;          /* of the ops on doubles */
    uint64_t *saturations; /* per op */
};

void rs_engine_free_scratch(rs_engine *engine);

/* A block of output channels: `vectors` vectors from channel `first` of its group on. Vectors are spread evenly over
 * the blocks. */
typedef struct rs_engine_block {
    int first, channels, vectors;
    int64_t vectors_before;
} rs_engine_block;

rs_engine_block rs_engine_block_of(const rs_engine_plan *plan, int outputs, int index);

static inline int rs_kernel_sum_size(const rs_kernel *kernel)
{
    return kernel->size == 8 ? 8 : 4;
}

static inline int64_t rs_kernel_vector_bytes(const rs_kernel *kernel)
{
    return (int64_t)kernel->lanes * kernel->group * kernel->size;
}

/* Plans, storages and the pixel table, without the paths before `fastest`. */
rs_status rs_engine_prepare(rs_engine *engine, rs_engine_path fastest, rs_diag *diag);

/* How a type of ops runs on a chunk of images whose tensors lie in HWC order. `op` is the op's index. */
typedef struct rs_engine_fast {
    void (*run)(const rs_engine *engine, int op, int64_t images, rs_engine_scratch *scratch);
    int64_t (*doubles)(const rs_qnet *qnet, const rs_qop *op); /* of scratch->room; NULL: none */
} rs_engine_fast;
/* By type; without `run` it runs by the plain loops. */
extern const rs_engine_fast rs_engine_fast_weighted, rs_engine_fast_max_pool, rs_engine_fast_relu,
    rs_engine_fast_average_pool, rs_engine_fast_add, rs_engine_fast_concat, rs_engine_fast_lrn, rs_engine_fast_clip;

/* An op by the reference, image by image. */
void rs_engine_run_plain(const rs_engine *engine, int op, int64_t images, rs_engine_scratch *scratch);

/* Element `element` of a tensor, counted over all images of the chunk. */
static inline char *rs_engine_at(const rs_engine *e, const rs_engine_scratch *w, int tensor, int64_t element)
{
    return (char *)w->tensors[tensor] + element * rs_storage_size(e->storage[tensor]);
}
/* Tensor t of image i as integers, CHW; hwc: room for as many. */
void rs_engine_take(const rs_engine *engine, const rs_engine_scratch *scratch, int tensor, int64_t image, int32_t *hwc,
                    int32_t *chw);
void rs_engine_to_hwc(const rs_qtensor *tensor, const int32_t *chw, int32_t *hwc);

#endif
