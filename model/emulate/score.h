/* Scoring a data set: on the exact integers, or in float with parts rounded to formats. */
#ifndef RISTRETTO_EMULATE_SCORE_H
#define RISTRETTO_EMULATE_SCORE_H

#include "emulate/calibration.h"
#include "engine/engine.h"
#include "qnet/formats.h"

typedef struct rs_score {
    int64_t images, hits, ties; /* ties: images wrong only because of a tie with the right class */
    uint64_t *saturations;      /* n_ops counters of the caller's, added to; or NULL */
    double seconds;
} rs_score;
/* Scores every image of the set by arithmetic.md section 6. score->saturations is taken as it is given, everything
 * else is set. RS_BAD_INPUT: images or labels that do not fit the network. RS_USAGE: top_k below 1. */
rs_status rs_engine_score(rs_engine *engine, const rs_dataset *set, int top_k, rs_score *score, rs_diag *diag);

/* Scores images in float, with whatever has a format (bits > 0) rounded to it as arithmetic.md section 8 says; formats
 * NULL: plain float. Weights with 25 bits and more, which binary32 cannot hold, are refused. */
rs_status rs_emulate_score(const rs_calibration *on, const rs_formats *formats, int top_k, rs_counts *counts,
                           rs_diag *diag);

/* RS_BAD_INPUT: `hits` of the images of the set, by the float net, are no better than guessing: with a probability
 * above 1 %, naming the most frequent label (top_k: labels), or any class, gets as many right. Says nothing of fewer
 * than 100 images, of one label alone, and where rs_net_choose_scores was told what to score. */
rs_status rs_check_chance(const rs_net *net, const rs_dataset *set, int64_t hits, int top_k, rs_diag *diag);

#endif
