/* Whether a float net does better than guessing: docs/user/quantizer.md, "What is scored". */
#include <math.h>

#include "base/memory.h"
#include "emulate/score.h"

enum { MIN_IMAGES = 100 };        /* fewer say nothing */
static const double LEVEL = 0.01; /* so likely guessing does as well */

/* Probability of at least `hits` of n, each with probability p: 0 < p < 1. */
static double tail(int64_t n, int64_t hits, double p)
{
    if (hits <= 0)
        return 1.0;
    const double k = (double)hits, all = (double)n;
    double term = exp(lgamma(all + 1) - lgamma(k + 1) - lgamma(all - k + 1) + k * log(p) + (all - k) * log1p(-p));
    double sum = 0.0;
    for (int64_t i = hits; i <= n; i++) {
        sum += term;
        term *= (double)(n - i) / (double)(i + 1) * p / (1 - p);
    }
    return fmin(sum, 1.0);
}

/* The share that always naming the top_k most frequent labels gets right; *first: the smallest label. */
static rs_status frequent_share(const rs_dataset *set, int64_t classes, int top_k, double *share, int32_t *first,
                                rs_diag *diag)
{
    int64_t *counts = RS_NEW_ARRAY(int64_t, (size_t)classes), named = 0;
    if (counts == NULL)
        return rs_out_of_memory(diag);
    *first = (int32_t)classes;
    for (int64_t i = 0; i < set->count; i++) {
        const int32_t label = set->labels[i];
        counts[label >= 0 && label < classes ? label : 0]++;
        *first = label < *first ? label : *first;
    }
    for (int k = 0; k < top_k; k++) {
        int64_t best = 0;
        for (int64_t c = 1; c < classes; c++)
            best = counts[c] > counts[best] ? c : best;
        named += counts[best];
        counts[best] = 0;
    }
    *share = fmax((double)named / (double)set->count, (double)top_k / (double)classes);
    rs_free(counts);
    return RS_OK;
}

rs_status rs_check_chance(const rs_net *net, const rs_dataset *set, int64_t hits, int top_k, rs_diag *diag)
{
    const int scores = rs_net_scores(net);
    const int64_t classes = rs_net_blob_values(net, scores);
    double share = 1.0;
    int32_t first = 0;
    if (net->scored > 0 || set->count < MIN_IMAGES || classes <= top_k)
        return RS_OK;
    const rs_status st = frequent_share(set, classes, top_k, &share, &first, diag);
    if (st != RS_OK || share >= 1.0 || tail(set->count, hits, share) <= LEVEL)
        return st;
    return rs_error(diag, RS_BAD_INPUT, RS_FILE(net->path),
                    first > 0
                        ? "no label is 0: labels count from 0 on; else the mean, the scale, the order of the colors "
                          "or the weights are wrong; --score NAME scores it all the same"
                        : "a wrong mean or scale, colors in another order, other labels, weights that are not "
                          "trained, or another output: --score NAME names it, or scores this one all the same",
                    "the float network gets %lld of %lld images right by the output '%s', no better than guessing, "
                    "which gets about %.0f",
                    (long long)hits, (long long)set->count, net->blobs[scores].name, share * (double)set->count);
}
