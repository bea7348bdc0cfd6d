/* What a snapshot of a fine-tuning keeps beside weights and solver state: PREFIX.json. Private to
 * model/finetune.
 *
 * {"format": "ristretto-finetune", "version": 2, "options": text of what the numbers depend on, "iteration": n,
 * "validation_images": n, "first": {"iteration", "hits", "ties", "saturations"}, "best": {the same}, "formats":
 * [{"name", "of": "weights" | "activations", "bits", "exponents", "fl", "best_fl", "channels", "step_log", "step_mean",
 * "step_square"}, ...]} */
#ifndef RISTRETTO_FINETUNE_STATE_H
#define RISTRETTO_FINETUNE_STATE_H

#include "finetune/shadow.h"

typedef struct rs_tuning_score {
    int64_t iteration, hits, ties, saturations;
} rs_tuning_score;

typedef struct rs_tuning {
    const rs_finetune_options *options;
    rs_shadow *shadow;
    rs_tuning_score first, best, last;
    int *best_fl; /* of the shadow's formats, with the best weights */
} rs_tuning;

/* options and shadow are set. */
rs_status rs_tuning_new(rs_tuning *tuning, rs_diag *diag);
void rs_tuning_free(rs_tuning *tuning);

rs_status rs_tuning_save(const rs_tuning *tuning, const char *prefix, const rs_net *test_net, int64_t validation_images,
                         rs_diag *diag);
/* From beside a solverstate. RS_BAD_INPUT: none is there, or of another run: other options, net or number of images. */
rs_status rs_tuning_load(rs_tuning *tuning, const char *solverstate, const rs_net *test_net, int64_t validation_images,
                         rs_diag *diag);

#endif
