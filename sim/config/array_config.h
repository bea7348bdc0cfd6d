/* The array's YAML, checked. One file sets the C model and the RTL's parameters. */
#ifndef RISTRETTO_CONFIG_ARRAY_CONFIG_H
#define RISTRETTO_CONFIG_ARRAY_CONFIG_H

#include "base/diag.h"
#include "config/yaml.h"
#include "config/weight_code.h"
#include "fxp/fxp.h"
#include "fxp/minifloat.h"

typedef enum rs_first_level { RS_FIRST_LEVEL_EXACT = 0, RS_FIRST_LEVEL_PAPER = 1 } rs_first_level;
typedef enum rs_tree_registers { RS_TREE_NONE = 0, RS_TREE_EVERY = 1, RS_TREE_EVERY_SECOND = 2 } rs_tree_registers;
typedef enum rs_pe { RS_PE_MULTIPLIER = 0, RS_PE_SHIFTER = 1, RS_PE_MINIFLOAT = 2 } rs_pe;
typedef enum rs_overflow { RS_OVERFLOW_WRAP = 0, RS_OVERFLOW_SATURATE = 1 } rs_overflow;

/* Whether the array has something that not every net needs. */
typedef enum rs_choice { RS_AUTO = 0 /* as the net needs */, RS_NO, RS_YES } rs_choice;

enum {
    RS_BITS_AUTO = 0, /* activation_bits, weight_bits: as the net needs; accumulator_bits: derived from the widths */
    RS_BITS_WEIGHTS = -1, /* accumulator_bits: derived from the actual weights */
    RS_BANKS_AUTO = 0
};

/* Names are those of the YAML keys; units and ranges as in docs/reference/microarchitecture.md section 1. */
typedef struct rs_array_config {
    char *path, *name;
    /* array: */
    int lanes, multipliers;           /* 1 to 64 */
    rs_pe pe;                         /* what multiplies */
    rs_choice zero_code;              /* of a shifter: a code for the weight zero */
    rs_minifloat minifloat;           /* numbers of RS_PE_MINIFLOAT; exponent_bits 0: as the net needs */
    int activation_bits, weight_bits; /* 1 to 16, or RS_BITS_AUTO */
    int accumulator_bits; /* 2 to 48 (minifloat: RS_MINIFLOAT_ACCUMULATOR_MAX_BITS), RS_BITS_AUTO or RS_BITS_WEIGHTS */
    rs_overflow overflow;
    rs_first_level first_level;
    rs_tree_registers tree_registers;
    rs_rounding rounding;           /* not stochastic */
    rs_choice unsigned_activations; /* descriptors say which blobs are unsigned */
    rs_choice average_pooling;      /* requantize has a multiplier */
    rs_choice channel_shifts;       /* requantize shifts by channel */
    int program_depth;              /* descriptors */
    double clock_mhz;
    /* buffers: one half of each */
    int64_t activation_elements, output_elements;
    int weight_steps;
    int activation_banks,
        output_banks; /* of one element each, a power of two; RS_BANKS_AUTO: as many as a cycle needs */
    /* memory: */
    int bus_bits;      /* power of two, 16 to 1024 */
    int latency;       /* cycles, >= 1 */
    int outstanding;   /* reads in flight, 1 to 256 */
    int stall_percent; /* 0 to 99 */
    uint64_t stall_seed;
    rs_arena *arena;     /* of the tree */
    const rs_yaml *tree; /* for the places of keys; NULL: none, or no longer what the file says */
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
int rs_array_tree_bits(const rs_array_config *config, int level); /* width behind level 1..levels; level 0: products */
/* What a lane has of a group's biases: the bias, and what its channel adds to the shift. */
/* Sums of minifloats may be wider than others. */
enum { RS_MINIFLOAT_ACCUMULATOR_MAX_BITS = 112 };
static inline int rs_array_accumulator_max_bits(const rs_array_config *config)
{
    return config->pe == RS_PE_MINIFLOAT ? RS_MINIFLOAT_ACCUMULATOR_MAX_BITS : (int)RS_ACCUMULATOR_MAX_BITS;
}
enum { RS_CHANNEL_SHIFT_BITS = 7, RS_SHIFTER_MAX_BITS = 5 /* of weight_bits; at least 2 */ };
int rs_array_bias_bits(const rs_array_config *config);
rs_weight_code rs_array_weight_code(const rs_array_config *config);
int rs_array_elements_per_beat(const rs_array_config *config); /* E */
/* Elements that a cycle reads or writes side by side, as a power of two: the fewest banks. */
int rs_array_least_activation_banks(const rs_array_config *config);
int rs_array_least_output_banks(const rs_array_config *config);
int rs_array_activation_banks(const rs_array_config *config);
int rs_array_output_banks(const rs_array_config *config);

#endif
