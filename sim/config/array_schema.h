/* The table of keys of the array's YAML, for the help and the documentation. */
#ifndef RISTRETTO_CONFIG_ARRAY_SCHEMA_H
#define RISTRETTO_CONFIG_ARRAY_SCHEMA_H

#include "config/array_config.h"
#include "config/schema.h"

extern const rs_schema rs_array_schema[];

#endif
