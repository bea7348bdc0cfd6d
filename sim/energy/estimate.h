/* Area of an array and energy of a network on it: what the cycle model counted, times a technology's numbers.
 * docs/reference/area-and-energy.md gives every formula.
 *
 * The baseline is the same array with 32-bit floating point multipliers, adders and storage, doing the same operations
 * and moving the same elements. */
#ifndef RISTRETTO_ENERGY_ESTIMATE_H
#define RISTRETTO_ENERGY_ESTIMATE_H

#include "array/array.h"
#include "energy/technology.h"
#include "program/program.h"

typedef enum rs_energy_part {
    RS_ENERGY_MULTIPLY,          /* products that count */
    RS_ENERGY_TREE,              /* additions in the adder trees */
    RS_ENERGY_ACCUMULATE,        /* lane updates */
    RS_ENERGY_OUTPUT,            /* values requantized and, with pooling, compared */
    RS_ENERGY_REGISTERS,         /* register bits clocked */
    RS_ENERGY_ACTIVATION_BUFFER, /* bits read and written */
    RS_ENERGY_WEIGHT_BUFFER,
    RS_ENERGY_OUTPUT_BUFFER,
    RS_ENERGY_MEMORY, /* bits moved to and from the off-chip memory, in whole beats */
    RS_ENERGY_PARTS
} rs_energy_part;

/* "multiply", "weight buffer", ...; and what is counted: "products", "bits", ... */
const char *rs_energy_part_name(rs_energy_part part);
const char *rs_energy_part_unit(rs_energy_part part);

typedef struct rs_energy_cost {
    double count;       /* measured: counted by the cycle model, or derived from its counts */
    double pj;          /* modelled */
    double float_count; /* of the baseline: the same operations; bits at 32 bits per element */
    double float_pj;
} rs_energy_cost;

typedef struct rs_layer_energy {
    const char *name; /* of the program layer; "total" */
    rs_energy_cost parts[RS_ENERGY_PARTS];
    double pj, float_pj;           /* sums */
    double chip_pj, chip_float_pj; /* without the off-chip memory */
} rs_layer_energy;

/* One kind of block of the array. */
typedef struct rs_area_block {
    char name[40];
    int64_t instances;
    int bits;         /* width: of a product's first operand, an adder's result, a memory's word */
    double um2;       /* all instances */
    double float_um2; /* the baseline's */
} rs_area_block;

enum { RS_MOST_AREA_BLOCKS = 24 };

typedef struct rs_estimate {
    int n_layers;
    rs_layer_energy *layers;
    rs_layer_energy total;
    int n_blocks;
    rs_area_block blocks[RS_MOST_AREA_BLOCKS];
    double um2, float_um2;
    double buffer_bits[3]; /* both halves of the activation, weight (with biases) and output buffer */
} rs_estimate;

/* stats: of one image, from rs_array_run. */
rs_status rs_estimate_new(const rs_program *program, const rs_run_stats *stats, const rs_technology *technology,
                          rs_estimate **estimate, rs_diag *diag);
void rs_estimate_free(rs_estimate *estimate);

/* The area alone, of an array whose widths are resolved. */
void rs_estimate_area(const rs_array_config *config, const rs_technology *technology, rs_estimate *estimate);

#endif
