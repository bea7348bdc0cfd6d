/* What ristretto_top does with a descriptor list (docs/user/integration.md), by the C model of the array: bits and
 * cycles. The list and the program's memory are what the RTL would find in its memory. */
#ifndef RISTRETTO_SOC_JOB_H
#define RISTRETTO_SOC_JOB_H

#include <stdint.h>

#include "base/diag.h"

#ifdef __cplusplus
extern "C" {
#endif

struct rs_array_config;
struct rs_program;

enum { RS_JOB_DESCRIPTOR_BYTES = 256, RS_JOB_LIST_MAX = 65535 };

/* The descriptors of a program as a list in memory: word i of descriptor d, little endian, at byte 256 d + 4 i.
 * list: n_descriptors * 256 bytes. */
void rs_job_write_list(const struct rs_program *program, uint8_t *list);

typedef struct rs_job_result {
    uint64_t cycles;     /* register CYCLES: from the cycle after START to the end */
    uint64_t run_cycles; /* register RUN_CYCLES */
    uint32_t saturations, overflows;
} rs_job_result;

/* Runs `count` (1 to RS_JOB_LIST_MAX) descriptors on `memory` of `beats` beats. config: every width resolved. The
 * memory is always ready, answers reads after config->latency cycles and writes in the next one. RS_BAD_INPUT: a
 * descriptor that leaves the memory or the buffers. */
rs_status rs_job_run(const struct rs_array_config *config, const uint8_t *list, int count, uint8_t *memory,
                     int64_t beats, rs_job_result *result, rs_diag *diag);

/* Beats of memory that the list's descriptors reach. */
int64_t rs_job_beats(const uint8_t *list, int count);

#ifdef __cplusplus
}
#endif

#endif
