/* The options of the quantizer (search/options.def) as keys: of a run's YAML file, of the command line, of reports. */
#ifndef RISTRETTO_FLOW_QUANTIZE_KEYS_H
#define RISTRETTO_FLOW_QUANTIZE_KEYS_H

#include <jansson.h>

#include "config/schema.h"
#include "search/options.h"

/* Of an rs_quantize_options: all of them, and those that fine-tuning has as well. */
extern const rs_schema rs_quantize_keys[];
extern const rs_schema rs_rules_keys[];

/* What a report says of the options, a new reference; NULL: no memory. */
json_t *rs_quantize_options_json(const rs_quantize_options *options);

#endif
