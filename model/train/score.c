/* Scoring of a data set. */
#include <math.h>

#include "base/progress.h"
#include "layers/exec.h"
#include "net/rule.h"
#include "train/score.h"

static int accuracy_top_k(const rs_net *net)
{
    for (int i = 0; i < net->n_layers; i++)
        if (net->layers[i].type == RS_LAYER_ACCURACY)
            return net->layers[i].criterion.top_k;
    return 1;
}

static bool has_loss(const rs_net *net)
{
    for (int i = 0; i < net->n_layers; i++)
        if (rs_layer_rule_of(net->layers[i].type)->loss)
            return true;
    return false;
}

rs_status rs_score_net(rs_exec *exec, const rs_net *net, int layer, const rs_dataset *set, int64_t batch,
                       const rs_test_options *o, rs_test_result *r, rs_diag *diag)
{
    const int scores = rs_net_scores(net), label_blob = rs_label_blob(net);
    const rs_data_param *transform = &net->layers[layer].data;
    float *const pixels = rs_exec_blob(exec, rs_net_input(net)), *const labels = label_blob < 0
                                                                                     ? NULL
                                                                                     : rs_exec_blob(exec, label_blob);
    const int64_t classes = rs_exec_blob_size(exec, scores),
                  total = o->images > 0 && o->images < set->count ? o->images : set->count;
    const bool loss_layer = has_loss(net);
    enum { BEST = 5 };
    *r = (rs_test_result) { .images = total,
                            .top_k = o->top_k > 0 ? o->top_k : accuracy_top_k(net),
                            .top5_hits = classes > BEST ? 0 : -1,
                            .loss = loss_layer ? 0.0 : NAN };
    if (r->top_k > classes)
        return rs_error(diag, RS_USAGE, RS_NOWHERE, NULL, "the top %d of %lld classes were asked for", r->top_k,
                        (long long)classes);
    const double begin = rs_seconds();
    rs_feed *feed = NULL;
    rs_status st = rs_feed_new(set, transform, NULL, 0, batch, &feed, diag);
    rs_progress *progress = rs_progress_begin("test", (uint64_t)total, "images");
    for (int64_t first = 0; first < total && st == RS_OK; first += batch) {
        const int64_t n = total - first < batch ? total - first : batch;
        double loss = 0.0;
        int64_t ties = 0;
        st = rs_feed_next(feed, n, pixels, labels, diag);
        if (st == RS_OK)
            st = rs_exec_forward(exec, 0, net->n_layers, n, &loss, diag);
        if (st != RS_OK)
            break;
        r->hits += rs_count_hits(rs_exec_blob(exec, scores), set->labels + first, n, classes, r->top_k, &ties);
        r->ties += ties;
        if (classes > BEST)
            r->top5_hits += rs_count_hits(rs_exec_blob(exec, scores), set->labels + first, n, classes, BEST, &ties);
        if (loss_layer)
            r->loss += loss * (double)n;
        rs_progress_update(progress, (uint64_t)(first + n), NULL);
        if (rs_interrupted())
            st = RS_INTERRUPTED;
    }
    rs_progress_end(progress);
    rs_feed_free(feed);
    r->seconds = rs_seconds() - begin;
    r->accuracy = (double)r->hits / (double)total;
    r->loss /= (double)total;
    r->images_per_second = (double)total / (r->seconds > 0.0 ? r->seconds : 1e-9);
    return st;
}

rs_status rs_score_dataset(const rs_net *net, const rs_dataset *set, const rs_test_options *options,
                           rs_test_result *result, rs_diag *diag)
{
    enum { BATCH = 100 };
    const rs_test_options o = options != NULL ? *options : (rs_test_options) { 0 };
    int layer = 0;
    *result = (rs_test_result) { 0 };
    rs_status st = rs_data_layer(net, &layer, diag);
    if (st == RS_OK)
        st = rs_check_data(net, layer, set, &net->layers[layer].data, diag);
    if (st != RS_OK)
        return st;
    int64_t batch = o.batch > 0 ? o.batch : BATCH;
    const int scores = rs_net_scores(net);
    rs_exec *exec = NULL;
    st = rs_exec_sharing_batch(net, scores, batch < set->count ? batch : set->count, &batch, diag);
    if (st == RS_OK)
        st = rs_exec_new_sharing(net, batch, scores, &exec, diag);
    if (st == RS_OK)
        st = rs_score_net(exec, net, layer, set, batch, &o, result, diag);
    rs_exec_free(exec);
    return st;
}
