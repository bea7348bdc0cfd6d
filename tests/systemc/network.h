/* A quantized network in the memory of a simulated system: what the SystemC programs need of the C library. */
#ifndef RISTRETTO_TESTS_SYSTEMC_NETWORK_H
#define RISTRETTO_TESTS_SYSTEMC_NETWORK_H

#include <stdint.h>

#include "base/diag.h"

#ifdef __cplusplus
extern "C" {
#endif

struct rs_array_config;

typedef struct rs_network rs_network;

/* qnet: a folder that `ristretto quantize` wrote. array: YAML. data: images, as for `ristretto test`. assignments: n
 * "key=value"; of them top.program_depth=N is the top level's. */
rs_status rs_network_open(const char *qnet, const char *array, const char *const *assignments, int n, const char *data,
                          rs_network **network, rs_diag *diag);
void rs_network_close(rs_network *network);

const struct rs_array_config *rs_network_config(const rs_network *network); /* every width resolved */
int rs_network_latency(const rs_network *network);
int rs_network_beat_bytes(const rs_network *network);
double rs_network_clock_mhz(const rs_network *network);
int rs_network_descriptors(const rs_network *network);
void rs_network_write_list(const rs_network *network, uint8_t *list); /* descriptors * RS_JOB_DESCRIPTOR_BYTES */

int64_t rs_network_images(const rs_network *network);
int64_t rs_network_memory_bytes(const rs_network *network);
/* The program's memory with an image loaded. */
void rs_network_load(const rs_network *network, int64_t image, uint8_t *memory);
int rs_network_outputs(const rs_network *network);
/* The scores that a run left in memory, and those of the exact engine. */
void rs_network_scores(const rs_network *network, const uint8_t *memory, int32_t *scores);
rs_status rs_network_expected(rs_network *network, int64_t image, int32_t *scores, rs_diag *diag);

#ifdef __cplusplus
}
#endif

#endif
