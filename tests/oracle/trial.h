/* A second opinion on one trial of the quantizer: ranges, formats and the score of a chain of layers in which some
 * groups are rounded, in double, written from docs/arithmetic.md with plain loops, one image at a time. It shares
 * nothing with model/emulate and model/fxp. Knows convolution without groups, max pooling, ReLU and inner product;
 * nearest rounding; both bias rules. */
#ifndef RISTRETTO_TESTS_ORACLE_TRIAL_H
#define RISTRETTO_TESTS_ORACLE_TRIAL_H

#include "data/data.h"

enum { RS_ORACLE_LAYERS = 32 };

typedef struct rs_oracle_trial {
    const rs_net *net; /* layer i + 1 reads what layer i writes; layer 0 is the input */
    const rs_dataset *set;
    double scale;
    bool bias_as_weights; /* the bias has the weights' format */
    double weight_max[RS_ORACLE_LAYERS];
    double value_max[RS_ORACLE_LAYERS]; /* of what layer i writes */
} rs_oracle_trial;

void rs_oracle_trial_measure(rs_oracle_trial *trial, int64_t images);
/* bits: of convolution weights, inner product weights, activations; 0: not rounded. */
void rs_oracle_trial_score(const rs_oracle_trial *trial, const int bits[3], int64_t images, int64_t *hits,
                           int64_t *ties);
/* The fractional length for magnitude a in `bits` bits. */
int rs_oracle_fraction(double a, int bits);

#endif
