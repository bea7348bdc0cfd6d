/* A technology: what an operation costs in energy and area. Every number comes with its source; the reader refuses one
 * without. */
#ifndef RISTRETTO_ENERGY_TECHNOLOGY_H
#define RISTRETTO_ENERGY_TECHNOLOGY_H

#include "base/diag.h"
#include "config/schema.h"

/* Where numbers come from: a short name and the reference that it stands for. */
typedef struct rs_tech_source {
    char *id, *reference;
} rs_tech_source;

/* An operator of one width. */
typedef struct rs_tech_operator {
    int bits;
    double energy_pj; /* an operation */
    double area_um2;
    char *source;
} rs_tech_operator;

/* An on-chip memory of one size. */
typedef struct rs_tech_sram {
    double kbytes;
    int word_bits;
    double energy_pj; /* an access of a word */
    char *source;
} rs_tech_sram;

typedef struct rs_tech_operators {
    size_t n;
    rs_tech_operator *at; /* by rising width */
} rs_tech_operators;

typedef struct rs_technology {
    rs_schema_file file;
    char *name;
    double process_nm, supply_v;
    size_t n_sources;
    rs_tech_source *sources;
    rs_tech_operators adders, multipliers, shifters, float_adders, float_multipliers;
    size_t n_srams;
    rs_tech_sram *srams; /* by rising size */
    double sram_mbit_per_mm2;
    char *sram_area_source;
    double register_pj;  /* a bit that is clocked once */
    double register_um2; /* a bit */
    char *register_energy_source, *register_area_source;
    double mux_um2; /* a bit of a 2:1 multiplexer */
    char *mux_source;
    int dram_word_bits;
    double dram_pj, dram_high_pj; /* an access of a word: the low and the high end of the range */
    char *dram_source;
} rs_technology;

extern const rs_schema rs_technology_schema[];

rs_status rs_technology_read(const char *path, rs_technology **technology, rs_diag *diag);
void rs_technology_free(rs_technology *technology);

/* An operator's cost at any width; docs/reference/area-and-energy.md gives the rules.
 * Linear operators (adders, shifters): piecewise linear through zero and the given widths, in proportion to the width
 * beyond the last. Shifters of w bits with k stages: in proportion to w k, their multiplexers; the given ones have as
 * many stages as their width needs. Multipliers, m x n bits: s = m n; between two given (square) widths a power law of
 * s, elsewhere in proportion to s. */
typedef struct rs_cost {
    double pj, um2;
} rs_cost;
rs_cost rs_cost_linear(const rs_tech_operators *operators, int bits);
rs_cost rs_cost_shifter(const rs_technology *technology, int bits, int stages);
rs_cost rs_cost_multiplier(const rs_technology *technology, int m, int n);

/* Energy of one bit read from or written to an on-chip memory of `bits` bits, pJ: a power law of the size between two
 * given sizes and beyond the last; below the first its value (an upper bound). */
double rs_sram_pj_per_bit(const rs_technology *technology, double bits);
double rs_sram_um2(const rs_technology *technology, double bits);
double rs_dram_pj_per_bit(const rs_technology *technology);

#endif
