/* Reading ahead: threads decode images into a ring of slots while the net works on those before. Slot i % size holds
 * the window of image i, so what comes out depends on nothing but the set. */
#include <pthread.h>
#include <string.h>

#include "base/threads.h"
#include "data/source.h"
#include "data/window.h"

enum { PIECE = 16, MAX_READERS = 16 };

typedef struct feed_slot {
    rs_window at;
    bool ready;
    rs_status status;
    rs_diag *diag; /* messages, if status is not RS_OK */
} feed_slot;

struct rs_feed {
    const rs_dataset *set;
    const rs_data_param *param;
    bool training;
    uint64_t seed;
    rs_shape shape; /* of one image */
    int64_t next;   /* the next image for rs_feed_next */
    /* For sets that are not ready in memory. */
    int readers;
    pthread_t threads[MAX_READERS];
    pthread_mutex_t lock;
    pthread_cond_t done, room;
    int64_t issued; /* the next image for a reader */
    bool quit;
    int64_t n_slots;
    feed_slot *slots;
    uint8_t *windows;
    int64_t batch;
    uint8_t *bytes; /* of rs_feed_bytes, for a batch; made when first needed */
};

static void *reader(void *argument)
{
    rs_feed *f = argument;
    const int64_t bytes = rs_shape_count(&f->shape, 0);
    pthread_mutex_lock(&f->lock);
    for (;;) {
        while (!f->quit && f->issued >= f->next + f->n_slots)
            pthread_cond_wait(&f->room, &f->lock);
        if (f->quit)
            break;
        const int64_t i = f->issued++;
        pthread_mutex_unlock(&f->lock);
        feed_slot *s = &f->slots[i % f->n_slots];
        rs_diag *diag = NULL;
        uint8_t *window = f->windows + i % f->n_slots * bytes;
        rs_status st = rs_window_read(f->set, f->param, f->training ? &f->seed : NULL, i, window, &s->at, NULL);
        if (st != RS_OK) {
            /* Once more, for its message: most images have none. */
            diag = rs_diag_new();
            const rs_status again = rs_window_read(f->set, f->param, f->training ? &f->seed : NULL, i, window, &s->at,
                                                   diag);
            st = again != RS_OK ? again : rs_out_of_memory(diag);
        }
        pthread_mutex_lock(&f->lock);
        s->status = st;
        s->diag = diag;
        s->ready = true;
        pthread_cond_signal(&f->done);
    }
    pthread_mutex_unlock(&f->lock);
    return NULL;
}

rs_status rs_feed_new(const rs_dataset *set, const rs_data_param *param, const uint64_t *seed, int64_t first,
                      int64_t batch, rs_feed **feed, rs_diag *diag)
{
    *feed = NULL;
    rs_feed *f = RS_NEW(rs_feed);
    if (f == NULL)
        return rs_out_of_memory(diag);
    f->set = set;
    f->param = param;
    f->training = seed != NULL;
    f->seed = seed != NULL ? *seed : 0;
    f->shape = rs_dataset_shape(set, param, 1);
    f->next = f->issued = first;
    f->batch = batch > 0 ? batch : 1;
    if (rs_dataset_ready(set, param)) {
        *feed = f;
        return RS_OK;
    }
    const int64_t bytes = rs_shape_count(&f->shape, 0);
    f->n_slots = 2 * f->batch;
    f->slots = RS_NEW_ARRAY(feed_slot, (size_t)f->n_slots);
    f->windows = bytes > 0 ? rs_calloc((size_t)f->n_slots, (size_t)bytes) : NULL;
    if (f->slots == NULL || f->windows == NULL) {
        rs_free(f->slots);
        rs_free(f->windows);
        rs_free(f);
        return rs_out_of_memory(diag);
    }
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->done, NULL);
    pthread_cond_init(&f->room, NULL);
    const int wanted = rs_threads() < MAX_READERS ? rs_threads() : MAX_READERS;
    while (f->readers < wanted && pthread_create(&f->threads[f->readers], NULL, reader, f) == 0)
        f->readers++;
    *feed = f;
    if (f->readers > 0)
        return RS_OK;
    rs_feed_free(f);
    *feed = NULL;
    return rs_error(diag, RS_RESOURCE, RS_NOWHERE, NULL, "the system gives no thread to read images");
}

void rs_feed_free(rs_feed *f)
{
    if (f == NULL)
        return;
    if (f->slots != NULL) {
        pthread_mutex_lock(&f->lock);
        f->quit = true;
        pthread_cond_broadcast(&f->room);
        pthread_mutex_unlock(&f->lock);
        for (int i = 0; i < f->readers; i++)
            pthread_join(f->threads[i], NULL);
        pthread_mutex_destroy(&f->lock);
        pthread_cond_destroy(&f->done);
        pthread_cond_destroy(&f->room);
        for (int64_t i = 0; i < f->n_slots; i++)
            rs_diag_free(f->slots[i].diag);
    }
    rs_free(f->slots);
    rs_free(f->windows);
    rs_free(f->bytes);
    rs_free(f);
}

typedef struct feed_job {
    const rs_feed *feed;
    int64_t n;
    float *pixels;
} feed_job;

static void convert(void *context, size_t index, int worker)
{
    (void)worker;
    const feed_job *j = context;
    const rs_feed *f = j->feed;
    const int64_t values = rs_shape_count(&f->shape, 0), from = (int64_t)index * PIECE,
                  to = from + PIECE < j->n ? from + PIECE : j->n;
    float *out = j->pixels + from * values;
    if (f->slots != NULL)
        for (int64_t i = from; i < to; i++) {
            const int64_t s = (f->next + i) % f->n_slots;
            rs_window_convert(f->param, &f->shape, f->windows + s * values, f->shape.dim[2] * f->shape.dim[3],
                              f->shape.dim[3], f->slots[s].at, j->pixels + i * values);
        }
    else if (f->training)
        rs_dataset_augment(f->set, f->param, f->seed, f->next + from, to - from, out);
    else
        rs_dataset_transform(f->set, f->param, f->next + from, to - from, out);
}

/* Waits until the next n images are in their slots. The error of the first one that has one. */
static rs_status wait_for(rs_feed *f, int64_t n, rs_diag *diag)
{
    rs_status st = RS_OK;
    if (f->slots == NULL)
        return RS_OK;
    pthread_mutex_lock(&f->lock);
    for (int64_t i = 0; i < n && st == RS_OK; i++) {
        feed_slot *s = &f->slots[(f->next + i) % f->n_slots];
        while (!s->ready)
            pthread_cond_wait(&f->done, &f->lock);
        st = s->status;
        if (st != RS_OK)
            rs_messages_move(s->diag, diag);
    }
    pthread_mutex_unlock(&f->lock);
    return st;
}

/* Makes room for the n images after those that are read already. */
static void advance(rs_feed *f, int64_t n)
{
    if (f->slots == NULL) {
        f->next += n;
        return;
    }
    pthread_mutex_lock(&f->lock);
    for (int64_t i = 0; i < n; i++)
        f->slots[(f->next + i) % f->n_slots].ready = false;
    f->next += n;
    pthread_cond_broadcast(&f->room);
    pthread_mutex_unlock(&f->lock);
}

rs_status rs_feed_next(rs_feed *f, int64_t n, float *pixels, float *labels, rs_diag *diag)
{
    const rs_status st = wait_for(f, n, diag);
    if (st != RS_OK)
        return st;
    feed_job j = { f, n, pixels };
    rs_parallel((size_t)((n + PIECE - 1) / PIECE), convert, &j);
    for (int64_t i = 0; i < n && labels != NULL; i++)
        labels[i] =
            (float)f->set->labels[rs_window_image(f->set, f->param, f->training ? &f->seed : NULL, f->next + i)];
    advance(f, n);
    return RS_OK;
}

/* The window of the i-th of the next images: of one that a thread has read, or of the set in memory. */
static rs_status copy_window(const rs_feed *f, int64_t i, uint8_t *to, rs_diag *diag)
{
    const int64_t image = rs_shape_count(&f->shape, 0);
    rs_window at;
    if (f->slots == NULL)
        return rs_window_read(f->set, f->param, NULL, f->next + i, to, &at, diag);
    memcpy(to, f->windows + (f->next + i) % f->n_slots * image, (size_t)image);
    return RS_OK;
}

rs_status rs_feed_bytes(rs_feed *f, int64_t n, const uint8_t **pixels, rs_diag *diag)
{
    const int64_t image = rs_shape_count(&f->shape, 0), first = f->next % f->set->count;
    rs_status st = wait_for(f, n, diag);
    if (st == RS_OK && f->slots == NULL && first + n <= f->set->count && rs_dataset_prepared(f->set, f->param)) {
        *pixels = f->set->pixels + first * image;
        advance(f, n);
        return RS_OK;
    }
    if (st == RS_OK && f->bytes == NULL && (f->bytes = rs_calloc((size_t)f->batch, (size_t)image)) == NULL)
        st = rs_out_of_memory(diag);
    for (int64_t i = 0; i < n && st == RS_OK; i++)
        st = copy_window(f, i, f->bytes + i * image, diag);
    if (st == RS_OK)
        advance(f, n);
    *pixels = f->bytes;
    return st;
}

int64_t rs_feed_position(const rs_feed *f)
{
    return f->next % f->set->count;
}
