/* What became of a network's weights and biases as integers, and what was scored. Private to sim/report/sections/. */
#ifndef RISTRETTO_REPORT_SECTIONS_CONSTANTS_H
#define RISTRETTO_REPORT_SECTIONS_CONSTANTS_H

#include <jansson.h>

#include "flow/quantize.h"

/* The section with `constants[]`, the layers whose constants clip or whose weights sums made coarser; as it is where
 * there are none. Takes the reference, which may be NULL; NULL: memory was short. `qnet` is made of `net` with
 * `formats`. */
json_t *rs_pack_constants(json_t *section, const rs_net *net, const rs_formats *formats, const rs_qnet *qnet);

/* The name of the blob that holds the class scores. */
json_t *rs_pack_scored(const rs_net *net);

#endif
