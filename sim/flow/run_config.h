/* A run: one YAML file that names a network, its data, the search, the array and what to do with them. */
#ifndef RISTRETTO_FLOW_RUN_CONFIG_H
#define RISTRETTO_FLOW_RUN_CONFIG_H

#include <stddef.h>
#include <stdint.h>

#include "config/schema.h"
#include "flow/load.h"

/* Paths are resolved against the folder of the file. */
typedef struct rs_run_config {
    char *path, *name;
    char *model, *weights, *out;
    char *data_path;
    int data_train; /* which files of a folder: 1 for training, 0 for testing */
    /* In place of what the net's data layer says; "" and 0: as it says. */
    char *data_mean, *data_mean_file, *data_resize;
    double data_scale;
    int data_crop;
    bool data_gray;
    char *calibration_path; /* formats are chosen on these images; "": on those of data_path */
    rs_slice calibration, search, test;
    double error_margin;
    int min_bits, max_bits;
    int convolution_bits, inner_product_bits, activation_bits; /* 0: searched */
    int rounding, bias_format;                  /* rs_rounding, or -1: as the scheme has it; rs_bias_rule */
    int scheme, weight_range, activation_range; /* rs_scheme, rs_range_rule */
    bool unsigned_activations, channel_weights, bias_correction, exponents_by_layer, zero_code;
    int adaptive_weights, compat, exponent_bits;
    int64_t refine_images;
    double percentile;
    char *minifloat, *minifloat_weights, *exponents;
    int formats_of_model;                  /* 1: nothing is searched */
    int pareto;                            /* rs_cost_kind: widths layer by layer; -1: one per group */
    double budget;                         /* of its cost; 0: the least that keeps the error margin */
    int wide_scores;                       /* 1: as wide as the accumulator */
    char *array, *technology;              /* technology "": no estimate */
    int64_t simulate_images, cosim_images; /* 0: cycles only; no co-simulation */
    int export_format;                     /* index into rs_export_formats, or -1: no export */
    int csv, html;
} rs_run_config;

extern const rs_schema rs_run_schema[];
/* "memh", "coe", ...; ends with NULL. */
extern const char *const rs_export_formats[];

rs_status rs_run_config_read(const char *path, rs_run_config **config, rs_diag *diag);
rs_status rs_run_config_set(rs_run_config *config, const char *assignment, rs_diag *diag);
void rs_run_config_free(rs_run_config *config);

#endif
