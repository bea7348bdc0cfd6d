/* What became of a network's weights and biases as integers. Private to sim/report/sections/. */
#ifndef RISTRETTO_REPORT_SECTIONS_CONSTANTS_H
#define RISTRETTO_REPORT_SECTIONS_CONSTANTS_H

#include <jansson.h>

#include "flow/quantize.h"

/* The section with `constants[]`, the layers whose constants clip or whose weights sums made coarser; as it is where
 * there are none. Takes the reference, which may be NULL; NULL: memory was short. `qnet` is made of `net` with
 * `formats`. */
json_t *rs_pack_constants(json_t *section, const rs_net *net, const rs_formats *formats, const rs_qnet *qnet);

#endif
