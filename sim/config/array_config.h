/* The array's YAML, checked. One file sets the C model and the RTL's parameters. */
#ifndef RISTRETTO_CONFIG_ARRAY_CONFIG_H
#define RISTRETTO_CONFIG_ARRAY_CONFIG_H

#include "base/diag.h"
#include "config/array_parameters.def"
#include "config/schema.h"
#include "config/weight_code.h"
#include "fxp/fxp.h"
#include "fxp/minifloat.h"

#define RS_ENUMERATOR(constant, rtl, value, word, meaning) constant = (value),
typedef enum rs_first_level { RS_FIRST_LEVEL_WORDS(RS_ENUMERATOR) } rs_first_level;
typedef enum rs_tree_registers { RS_TREE_REGISTERS_WORDS(RS_ENUMERATOR) } rs_tree_registers;
typedef enum rs_pe { RS_PE_WORDS(RS_ENUMERATOR) } rs_pe;
typedef enum rs_overflow { RS_OVERFLOW_WORDS(RS_ENUMERATOR) } rs_overflow;
/* Whether the array has something that not every net needs. */
typedef enum rs_choice { RS_CHOICE_WORDS(RS_ENUMERATOR) } rs_choice;
/* What activation_bits, weight_bits and accumulator_bits can be beside a width, and a number of banks. */
enum { RS_ACCUMULATOR_WORDS(RS_ENUMERATOR) };
enum { RS_BANKS_WORDS(RS_ENUMERATOR) };

/* A field per key, with its name; units and ranges are in config/array_parameters.def. Of a minifloat that the net is
 * to choose, exponent_bits is 0. */
#define RS_NO_FIELD(...)
#define RS_FIELD(kind, type, name, lowest, highest, words, fallback, unit, meaning) type name;
typedef struct rs_array_config {
    rs_schema_file file;
    char *name;
    RS_ARRAY_KEYS(RS_FIELD, RS_NO_FIELD, RS_NO_FIELD)
    RS_BUFFER_KEYS(RS_FIELD, RS_NO_FIELD, RS_NO_FIELD)
    RS_MEMORY_KEYS(RS_FIELD, RS_NO_FIELD, RS_NO_FIELD)
} rs_array_config;

/* "multiplier", "shifter", "minifloat": the words of array.pe. */
const char *rs_pe_name(rs_pe pe);

rs_status rs_array_config_read(const char *path, rs_array_config **config, rs_diag *diag);
/* Sets one key after reading, as `--set array.lanes=8` does; the same checks. */
rs_status rs_array_config_set(rs_array_config *config, const char *assignment, rs_diag *diag);
/* The place of a key such as "array.lanes" in the file; that of the file if the key is not in it, or if
 * rs_array_config_set changed one. */
rs_loc rs_array_config_place(const rs_array_config *config, const char *key);
void rs_array_config_free(rs_array_config *config);

/* The parameters of the RTL (ristretto_array, ristretto_top) for this array; every width resolved. Returns how many. */
typedef struct rs_array_parameter {
    const char *name;
    const char *prefix; /* of the value in SystemVerilog: "1'b" for a bit, else "" */
    int64_t value;
} rs_array_parameter;
enum { RS_ARRAY_PARAMETERS_MAX = 32 };
int rs_array_parameters(const rs_array_config *config, rs_array_parameter parameters[RS_ARRAY_PARAMETERS_MAX]);

/* Derived sizes, defined once for model, compiler, RTL parameters and area. */
int rs_array_levels(const rs_array_config *config);               /* of the tree: ceil(log2 multipliers) */
int rs_array_tree_stages(const rs_array_config *config);          /* T */
int rs_array_tree_bits(const rs_array_config *config, int level); /* width after level 1..levels; level 0: products */
static inline int rs_array_accumulator_max_bits(const rs_array_config *config)
{
    return config->pe == RS_PE_MINIFLOAT ? RS_MINIFLOAT_ACCUMULATOR_MAX_BITS : RS_ACCUMULATOR_MAX_BITS;
}
enum { RS_CHANNEL_SHIFT_BITS = 7, RS_SHIFTER_MAX_BITS = 5 /* of weight_bits; at least 2 */ };
/* Width of a lane's bias in memory: the bias and, with channel_shifts, its channel's shift offset above it. */
int rs_array_bias_bits(const rs_array_config *config);
rs_weight_code rs_array_weight_code(const rs_array_config *config);
int rs_array_elements_per_beat(const rs_array_config *config); /* E */
/* Elements that a cycle reads or writes side by side, as a power of two: the fewest banks. */
int rs_array_least_activation_banks(const rs_array_config *config);
int rs_array_least_output_banks(const rs_array_config *config);
int rs_array_activation_banks(const rs_array_config *config);
int rs_array_output_banks(const rs_array_config *config);

#endif
