/* A net in float in which parts are rounded to formats (docs/arithmetic.md section 8), one batch of images at a time
 * and many trials a batch: what a trial does not change is kept from the trial before. Private to emulate, formats,
 * search and finetune. */
#ifndef RISTRETTO_EMULATE_EMULATE_H
#define RISTRETTO_EMULATE_EMULATE_H

#include "emulate/calibration.h"
#include "emulate/plan.h"
#include "layers/exec.h"

typedef struct rs_emulator rs_emulator;

/* At most `images` images per batch, fewer if the blobs would take too much memory. `formats` of the trials are read
 * until the emulator is freed, as are net and plan. */
rs_status rs_emulator_new(const rs_net *net, const rs_plan *plan, const rs_data_param *data, int64_t images,
                          rs_emulator **emulator, rs_diag *diag);
void rs_emulator_free(rs_emulator *emulator);
int64_t rs_emulator_batch(const rs_emulator *emulator);

/* Takes images [first, first + n) of the set, n <= the batch. What the set is made of must live until the next load.
 * Images that are not in memory are read ahead: batches in order, then the first one again, are fastest. RS_BAD_INPUT:
 * an image that cannot be read. */
rs_status rs_emulator_load(rs_emulator *emulator, const rs_dataset *set, int64_t first, int64_t n, rs_diag *diag);

/* Largest and smallest value of each blob, as order-preserving keys; see rs_key_of_float. Widened by each
 * rs_emulator_measure. */
typedef struct rs_extremes {
    int32_t min, max;
} rs_extremes;
/* Runs the float net on the batch and widens extremes[blob], one per blob of the net, for those that are activations.
 */
rs_status rs_emulator_measure(rs_emulator *emulator, rs_extremes *extremes, rs_diag *diag);

/* What blob `blob` holds after a run: [n][elements]. */
const float *rs_emulator_blob(const rs_emulator *emulator, int blob);

/* Runs the batch with the formats (NULL: float) and counts what is right; starts at the first layer that the formats
 * change. */
rs_status rs_emulator_run(rs_emulator *emulator, const rs_formats *formats, rs_bias_rule bias_rule,
                          rs_rounding rounding, int top_k, rs_counts *counts, rs_diag *diag);

/* The scores of the last run, [n][classes]; valid until the next one. */
const float *rs_emulator_scores(const rs_emulator *emulator);

/* -log softmax of the label's score. */
double rs_cross_entropy(const float *scores, int64_t classes, int32_t label);

/* Biases in float emulation. At the accumulator's LSB if the input's format is known; in float activations there is no
 * such LSB: then a bias stays as it is, unless it has the weights' format. That of a minifloat sum is finer than a
 * float. weight_fl: of the weights by output channel, or NULL. */
void rs_emulate_bias(const float *from, float *to, size_t n, rs_number_format weights, const int *weight_fl,
                     rs_number_format input, rs_bias_rule rule);

/* What a blob is rounded to in float emulation: unsigned values after their ReLU, as signed ones of one bit more;
 * scores as wide as their accumulator stay as they are (no bits). */
rs_number_format rs_emulated_activation(const rs_formats *formats, const rs_plan *plan, int blob);

/* A hash of the weights and biases as the formats round them: trials with the same hash and the same formats of
 * activations give the same scores. */
rs_status rs_emulator_hash_params(rs_emulator *emulator, const rs_formats *formats, rs_bias_rule bias_rule,
                                  rs_rounding rounding, uint64_t *hash, rs_diag *diag);

/* Keys compare as signed integers the way the floats do; -0 comes below +0, NaN at the ends beyond the infinities. */
static inline int32_t rs_key_of_bits(int32_t bits)
{
    return bits ^ (int32_t)((uint32_t)(bits >> 31) >> 1);
}
float rs_float_of_key(int32_t key);

#endif
