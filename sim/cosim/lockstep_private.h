/* The parts of lockstep.c. Private to sim/cosim/: compare.c (events of the model and the RTL), image.c (one image),
 * wave.c (waveforms), lockstep_log.c (the model's events). */
#ifndef RISTRETTO_COSIM_LOCKSTEP_PRIVATE_H
#define RISTRETTO_COSIM_LOCKSTEP_PRIVATE_H

#include "cosim/lockstep.h"
#include "cosim/lockstep_log.h"
#include "engine/engine.h"

/* After the model's last cycle, and after a divergence, the RTL gets this many more: to see what comes late. */
enum { RS_LOCKSTEP_GRACE = 4096 };

/* What a thread has for itself. */
typedef struct rs_lockstep_worker {
    const rs_program *program;
    const rs_lockstep_options *options;
    rs_dut *dut;
    rs_array *array;
    rs_engine *engine;
    int32_t **tensors; /* of the engine */
    rs_layer_stats *layers;
    rs_log log;
    uint8_t *model_memory, *rtl_memory;
    rs_diag *diag;
    rs_status status; /* of the first image that could not be run */
    int64_t status_image;
    rs_lockstep_result counts;
} rs_lockstep_worker;

/* The comparison of one run. */
typedef struct rs_lockstep_check {
    rs_lockstep_worker *w;
    rs_lockstep_mismatch *mismatch; /* what is filled when the two differ */
    int64_t image;
    int segment;
    uint64_t earliest; /* first cycle of the model's next events of all kinds; UINT64_MAX: none is left */
    /* A ring of the RTL's last events. */
    rs_lockstep_event got[RS_LOCKSTEP_LAST];
    uint64_t n_got;
    /* For what comes after the first difference. */
    bool found;
    rs_event_kind awaited;
    bool came;
    rs_lockstep_event late;
} rs_lockstep_check;

/* What was expected and what came, and how many bits the two have. */
static inline void rs_mismatch_values(rs_lockstep_mismatch *m, int64_t expected, int64_t got, int bits)
{
    m->has_expected = m->has_got = true;
    m->expected = expected;
    m->got = got;
    m->bits = bits;
}

/* compare.c. The model has its events in the worker's log when a run is begun. */
void rs_check_begin(rs_lockstep_check *c, int segment);
/* An rs_event_sink for the RTL's events; the context is the check. False: the two differ, or the awaited event came. */
bool rs_check_rtl_event(void *check, const rs_event *got);
/* The RTL is done: an event that the model alone has is a difference. */
void rs_check_end(rs_lockstep_check *c);
/* Fills the mismatch; expected or got may be NULL. */
void rs_check_differ(rs_lockstep_check *c, rs_divergence what, const rs_event *expected, const rs_event *got,
                     uint64_t cycle);
/* Names what was found, for which the RTL is clocked on. */
rs_status rs_check_name(rs_lockstep_check *c);

/* image.c */
rs_status rs_worker_open(rs_lockstep_worker *w, const rs_program *program, const rs_lockstep_options *options,
                         rs_diag *diag);
void rs_worker_close(rs_lockstep_worker *w);
/* One image; RS_MISMATCH with *m filled. */
rs_status rs_worker_run(rs_lockstep_worker *w, const uint8_t *pixels, int64_t image, rs_lockstep_mismatch *m);
/* The program's memory with an image in it. */
void rs_lockstep_prepare(const rs_program *program, const uint8_t *pixels, uint8_t *memory);

/* wave.c: runs the image of the mismatch again, with a waveform around it. memory: scratch of the program's size. */
rs_status rs_lockstep_record(const rs_program *program, const rs_lockstep_options *options, const uint8_t *pixels,
                             rs_lockstep_mismatch *m, uint8_t *memory, rs_diag *diag);

#endif
