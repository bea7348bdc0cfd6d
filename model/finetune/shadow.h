/* The training net of a fine-tuning: its parameters are the shadow weights, and rounded ones take their place for each
 * batch. Private to model/finetune. */
#ifndef RISTRETTO_FINETUNE_SHADOW_H
#define RISTRETTO_FINETUNE_SHADOW_H

#include "layers/exec.h"
#include "finetune/finetune.h"
#include "emulate/plan.h"

/* One format: of a layer's weights, or of a class of blobs that share it. */
typedef struct rs_tuned_format {
    bool weights;
    int index;               /* in the test net: the layer, or the blob that stands for its class */
    rs_number_format format; /* at the target width */
    bool is_unsigned;
    int n_channels, *finer; /* weights by output channel: how much longer than the format's each channel's fractional
                               length is; or none, NULL */
    double step_log, step_mean,
        step_square; /* log2 of the step as it is learned, and Adam's averages of its gradient */
} rs_tuned_format;

typedef struct rs_shadow rs_shadow;

/* Formats of the test net for all groups; net and exec are the training net's and its. Sets the exec's hooks. test_net
 * and options must outlive the shadow; it is not used, but freed, after net and exec are gone. RS_RESOURCE. */
rs_status rs_shadow_new(rs_net *net, rs_exec *exec, int64_t batch, const rs_net *test_net, const rs_formats *formats,
                        const rs_finetune_options *options, rs_shadow **shadow, rs_diag *diag);
void rs_shadow_free(rs_shadow *shadow);

/* Those of rs_train_extension. */
void rs_shadow_before(rs_shadow *shadow, int64_t batch);
void rs_shadow_after(rs_shadow *shadow);
void rs_shadow_updated(rs_shadow *shadow, int64_t iteration);

/* How many bits wider than the target iteration `iteration` is. */
int rs_shadow_wider(const rs_finetune_options *options, int64_t iteration);
/* The formats at an iteration, into `formats` of the test net. */
void rs_shadow_formats(const rs_shadow *shadow, int64_t iteration, rs_formats *formats);

int64_t rs_shadow_iteration(const rs_shadow *shadow);
/* The next iteration is this one. */
void rs_shadow_resume(rs_shadow *shadow, int64_t iteration);

/* All formats, weights first; a snapshot keeps them. */
int rs_shadow_count(const rs_shadow *shadow);
rs_tuned_format *rs_shadow_format(rs_shadow *shadow, int i);

#endif
