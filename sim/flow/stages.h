/* The steps that commands and runs are made of. Each one gives its section of the report
 * (docs/reference/report-format.md), a new reference. */
#ifndef RISTRETTO_FLOW_STAGES_H
#define RISTRETTO_FLOW_STAGES_H

#include <jansson.h>

#include "config/array_config.h"
#include "flow/run_config.h"
#include "cosim/lockstep.h"
#include "data/data.h"
#include "net/net.h"
#include "search/pareto.h"
#include "qnet/qnet.h"
#include "search/quantize.h"

/* A float network with shapes and weights (NULL: those of an ONNX model), ready to score `set`; `over` (NULL: nothing)
 * in place of what its data layer says. */
rs_status rs_stage_load(const char *model, const char *weights, const rs_dataset *set, const rs_data_override *over,
                        rs_net **net, rs_diag *diag);

/* Replaces the set by one whose images are in memory, as they enter the net, for stages that take them again and again.
 */
rs_status rs_stage_hold(const rs_net *net, rs_dataset **set, rs_diag *diag);

/* Checks a slice against the number of images and resolves count 0. `what` names the option or key, `wrong` is the
 * status of a failure. */
rs_status rs_slice_resolve(rs_slice *slice, const rs_dataset *set, const char *what, rs_status wrong, rs_diag *diag);

rs_status rs_stage_test(const rs_net *net, const rs_dataset *set, rs_slice slice, int top_k, json_t **section,
                        rs_diag *diag);

typedef struct rs_quantize_stage {
    const rs_dataset
        *chosen_on; /* formats are chosen on its images; NULL: on those of the set that is scored at the end */
    rs_slice calibration, search; /* of that set; resolved */
    rs_slice test;                /* resolved; may be the same as search */
    bool formats_of_model;        /* those of its QuantizeLinear layers instead of a search (rs_formats_of_model) */
    rs_quantize_options options;  /* checkpoint and image counts are set by the stage */
    const char *model;            /* prototxt or ONNX model whose quantized form is written */
    const char *quantized;        /* the quantized prototxt is also written here; or NULL */
    const char *out; /* folder: quantized.prototxt, qnet/, quantize.json, search.json while it runs; folded.caffemodel
                      * where the given weights are not those of quantized.prototxt */
} rs_quantize_stage;
/* RS_MISMATCH after writing everything: the margin is missed even with the largest widths. */
rs_status rs_stage_quantize(rs_net *net, const rs_dataset *set, const rs_quantize_stage *stage, json_t **section,
                            rs_diag *diag);

/* Widths layer by layer instead (docs/user/quantizer.md): what a network costs, the most it may cost (0: the cheapest
 * that keeps the error margin), and the YAML file of the technology (NULL: none; area and energy need one). Writes
 * pareto.csv and pareto.json beside the chosen point's files. RS_MISMATCH: as above, or no point is within the budget.
 */
typedef enum rs_cost_kind { RS_COST_BITS, RS_COST_AREA, RS_COST_ENERGY, RS_COST_KINDS } rs_cost_kind;
rs_cost_kind rs_cost_kind_named(const char *name);
typedef struct rs_pareto_stage {
    rs_cost_kind kind;
    double budget;
    const char *technology;
} rs_pareto_stage;
rs_status rs_stage_pareto(rs_net *net, const rs_dataset *set, const rs_quantize_stage *stage,
                          const rs_pareto_stage *pareto, json_t **section, rs_diag *diag);

/* The images of a slice, as the quantized network takes them, in memory. Images larger than the net's input are cropped
 * to it; `over` (NULL: nothing) may resize them before. */
rs_status rs_stage_images(const rs_qnet *qnet, const rs_dataset *set, rs_slice slice, const rs_data_override *over,
                          rs_dataset **held, rs_diag *diag);

/* Images as rs_stage_images takes them; set NULL: cycles only.
 * RS_MISMATCH: the array model's scores differ from the exact engine's. */
rs_status rs_stage_simulate(const rs_qnet *qnet, const rs_array_config *config, const rs_dataset *set, rs_slice slice,
                            const rs_data_override *over, json_t **section, rs_diag *diag);

/* What the units of the array do for one image: rs_timeline_write. */
rs_status rs_stage_timeline(const rs_qnet *qnet, const rs_array_config *config, const char *path, rs_diag *diag);

/* options: first_image is set by the stage. RS_MISMATCH: the RTL and the model differ; the report of it goes to stderr,
 * and the section says so. */
rs_status rs_stage_cosim(const rs_qnet *qnet, const rs_array_config *config, const rs_dataset *set, rs_slice slice,
                         const rs_data_override *over, const rs_lockstep_options *options, json_t **section,
                         rs_diag *diag);

/* A waveform of cycles from ... to of the RTL on the first image of the slice. */
rs_status rs_stage_trace(const rs_qnet *qnet, const rs_array_config *config, const rs_dataset *set, rs_slice slice,
                         const rs_data_override *over, const rs_lockstep_options *options, const char *path,
                         uint64_t from, uint64_t to, rs_diag *diag);

rs_status rs_stage_estimate(const rs_qnet *qnet, const rs_array_config *config, const char *technology,
                            json_t **section, rs_diag *diag);

/* Writes ROMs into `folder` and, if the format can be read, reads them back. format: index into rs_export_formats. */
rs_status rs_stage_export(const rs_qnet *qnet, const rs_array_config *config, int format, const char *folder,
                          json_t **section, rs_diag *diag);

#endif
