/* Lockstep: the C model and the Verilated RTL run the same images side by side, and every event of the one is compared
 * with that of the other: reads, output beats (values, saturations, overflows), writes (data) and the end, each with
 * its cycle. After that, the memory is compared whole, and the tensors in it with the exact engine's. */
#ifndef RISTRETTO_COSIM_LOCKSTEP_H
#define RISTRETTO_COSIM_LOCKSTEP_H

#include <stdio.h>

#include "array/array.h"
#include "cosim/dut.h"
#include "verilate/divergence.h"

/* Fault injected into the model's event stream at event `fault_event` (counted from 0 within its kind) of image
 * `fault_image`, to test that the comparison finds it. */
typedef enum rs_lockstep_fault {
    RS_LOCKSTEP_FAULT_NONE,
    RS_LOCKSTEP_FAULT_FLIP,   /* OUTPUT: the lowest bit of the last lane's value. WRITE: of the last byte. READ: of the
                                 address */
    RS_LOCKSTEP_FAULT_LATE,   /* a cycle later */
    RS_LOCKSTEP_FAULT_DROP,   /* left out */
    RS_LOCKSTEP_FAULT_DOUBLE, /* the event is duplicated */
    RS_LOCKSTEP_FAULT_SILENT  /* all events of this kind are suppressed: a missing log */
} rs_lockstep_fault;

/* All zero is a sensible choice. */
typedef struct rs_lockstep_options {
    rs_toolchain *tools; /* that the RTL is built with; NULL: found for this run */
    int64_t first_image; /* number of the first image, for messages; an image's number is that of its run */
    uint64_t x_seed;     /* of what RTL registers without a reset wake up with */
    bool quick;          /* few cycles: an RTL model that is built in less time and runs slower */
    bool all_checks;     /* also the assertions inside of the arithmetic and the memories, which cost time */
    const char *command; /* what the user would type to run this again, for messages: " --first N --images 1 --seed
                            S" is appended; NULL: no such line */
    const char *wave;    /* FST file to write on a mismatch; NULL: none */
    uint64_t wave_before, wave_after; /* cycles around it; both 0: 200 and 50 */
    bool rtl_only;                    /* no model: what the RTL computes, and its cycles */
    rs_dut_fault dut_fault;           /* planted on the RTL's side, in each worker */
    uint64_t dut_fault_beat;
    rs_lockstep_fault fault;
    rs_event_kind fault_kind;
    int64_t fault_image, fault_event;
} rs_lockstep_options;

enum { RS_LOCKSTEP_LAST = 8 };

/* An event as it is remembered. */
typedef struct rs_lockstep_event {
    rs_event event; /* values and data: NULL or into the arrays below */
    int32_t values[64];
    uint8_t data[128];
} rs_lockstep_event;

/* "expected" is the model's, "got" is the RTL's. */
typedef struct rs_lockstep_mismatch {
    rs_divergence what;
    rs_event_kind kind;
    int64_t image;
    const char *layer; /* the program's */
    int descriptor;
    int segment;          /* of the program; cycles are its own */
    int n, c, y, x;       /* of the value in the layer's ofmap (READ: the ifmap); n: the image; c = -1: not one value */
    uint64_t cycle;       /* in which the two first differ */
    uint64_t other_cycle; /* LATE, EARLY: in which the RTL's came */
    char signal[80];      /* what differs, such as "output value of lane 3" */
    bool has_expected, has_got;
    int64_t expected, got;
    int bits; /* width of the two, for hexadecimal numbers */
    int n_last_expected, n_last_got;
    rs_lockstep_event last_expected[RS_LOCKSTEP_LAST], last_got[RS_LOCKSTEP_LAST]; /* oldest first */
    char *command, *wave;                                                          /* NULL: none */
} rs_lockstep_mismatch;

typedef struct rs_lockstep_result {
    int64_t images;                  /* that were run to their end */
    uint64_t cycles;                 /* of the RTL */
    uint64_t events[RS_EVENT_KINDS]; /* that were compared and equal, by kind */
    uint64_t values;                 /* in output beats */
    uint64_t write_bytes, memory_bytes;
    uint64_t engine_values; /* compared with the exact engine; none for images in which accumulators overflow */
    uint64_t saturations, overflows; /* in output beats */
    double seconds, build_seconds;   /* wall clock without and of building the RTL model */
    rs_lockstep_mismatch *mismatch;  /* of the first image that has one; NULL: none */
} rs_lockstep_result;

/* Runs n images ([n][channels][height][width] bytes) on rs_threads() instances of both. scores: [n][classes] from the
 * RTL's memory, or NULL. RS_MISMATCH: see result->mismatch and the message; also if nothing was compared. Results do
 * not depend on the number of threads (seconds apart; faults of the RTL's side are counted by instance). */
rs_status rs_lockstep_run(const rs_program *program, const uint8_t *pixels, int64_t n,
                          const rs_lockstep_options *options, int32_t *scores, rs_lockstep_result *result,
                          rs_diag *diag);
void rs_lockstep_result_clear(rs_lockstep_result *result);

/* The RTL alone on one image, with a waveform whose cycles are counted over the program's segments as in the model's
 * statistics. A window ends with the segment that it begins in. RS_USAGE: the image takes fewer cycles. */
rs_status rs_lockstep_trace(const rs_program *program, const uint8_t *pixels, int64_t image, uint64_t x_seed,
                            const rs_wave *wave, rs_diag *diag);

/* The report of a mismatch, several lines. */
void rs_lockstep_print(const rs_lockstep_mismatch *mismatch, FILE *stream);

/* "read", "output beat", ... */
const char *rs_event_kind_name(rs_event_kind kind);

#endif
