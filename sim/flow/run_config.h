/* A run: one YAML file that names a network, its data, the search, the array and what to do with them. */
#ifndef RISTRETTO_FLOW_RUN_CONFIG_H
#define RISTRETTO_FLOW_RUN_CONFIG_H

#include <stddef.h>
#include <stdint.h>

#include "config/schema.h"
#include "flow/load.h"
#include "search/options.h"

/* Paths are resolved against the folder of the file. */
typedef struct rs_run_config {
    rs_schema_file file;
    char *name;
    char *model, *weights, *score, *out;
    char *data_path;
    bool data_train; /* which files of a folder: those for training */
    /* In place of what the net's data layer says; "" and 0: as it says. */
    char *data_mean, *data_mean_file, *data_resize;
    double data_scale;
    int data_crop;
    bool data_gray;
    char *calibration_path; /* formats are chosen on these images; "": on those of data_path */
    rs_slice calibration, search, test;
    rs_quantize_options quantize;          /* as the file has them: rs_run_config_quantize finishes them */
    char *array, *technology;              /* technology "": no estimate */
    int64_t simulate_images, cosim_images; /* 0: cycles only; no co-simulation */
    int export_format;                     /* rs_rom_format, or -1: no export */
    bool csv, html;
} rs_run_config;

extern const rs_schema rs_run_schema[];
extern const rs_word rs_export_words[]; /* of rs_rom_format: "memh", "coe", ... */

rs_status rs_run_config_read(const char *path, rs_run_config **config, rs_diag *diag);
rs_status rs_run_config_set(rs_run_config *config, const char *assignment, rs_diag *diag);
/* The options of the search, finished and checked with the other keys. RS_BAD_INPUT with the place of a key. */
rs_status rs_run_config_quantize(const rs_run_config *config, rs_quantize_options *options, rs_diag *diag);
void rs_run_config_free(rs_run_config *config);

#endif
