/* What a float net is tried on, and how many images came out right. */
#ifndef RISTRETTO_EMULATE_CALIBRATION_H
#define RISTRETTO_EMULATE_CALIBRATION_H

#include "data/data.h"
#include "qnet/formats.h"

/* Images on which formats of a net are tried, and how biases and values are rounded. */
typedef struct rs_calibration {
    const rs_net *net;         /* TEST phase or deploy, shapes and weights loaded */
    const rs_data_param *data; /* transform of the images; NULL: scale 1, no mean */
    const rs_dataset *set;
    int64_t images; /* the first of the set; 0, or more than there are: all */
    rs_bias_rule bias_rule;
    rs_rounding rounding;
} rs_calibration;

static inline int64_t rs_calibration_images(const rs_calibration *on)
{
    return on->images > 0 && on->images < on->set->count ? on->images : on->set->count;
}

typedef struct rs_counts {
    int64_t hits, ties; /* ties: images wrong only because of a tie with the right class */
} rs_counts;

#endif
