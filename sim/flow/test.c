/* The stage that scores a network as it is. */
#include "flow/test.h"

#include <math.h>

#include "base/progress.h"
#include "emulate/score.h"
#include "flow/integers.h"

static void take_counts(int64_t images, int64_t hits, int64_t ties, double seconds, rs_test_result *r)
{
    *r = (rs_test_result) { .images = images,
                            .hits = hits,
                            .ties = ties,
                            .top5_hits = -1,
                            .accuracy = images > 0 ? (double)hits / (double)images : 0.0,
                            .loss = NAN,
                            .seconds = seconds,
                            .images_per_second = seconds > 0.0 ? (double)images / seconds : 0.0 };
}

/* On the exact integers. */
static rs_status score_integers(rs_net *net, const rs_data_param *data, const rs_dataset *part, int top_k,
                                rs_test_result *result, rs_diag *diag)
{
    rs_qnet *qnet = NULL;
    rs_engine *engine = NULL;
    rs_dataset *images = NULL;
    rs_score score = { .saturations = NULL };
    rs_status st = rs_stage_integers(net, &qnet, diag);
    if (st == RS_OK)
        st = rs_dataset_prepare(part, data, RS_HELD_MAX_BYTES, &images, diag);
    if (st == RS_OK)
        st = rs_engine_new(qnet, false, &engine, diag);
    if (st == RS_OK)
        st = rs_engine_score(engine, images, top_k, &score, diag);
    take_counts(score.images, score.hits, score.ties, score.seconds, result);
    result->top_k = top_k;
    rs_engine_free(engine);
    rs_dataset_free(images);
    rs_qnet_free(qnet);
    return st;
}

/* In float, rounded to the same formats. */
static rs_status score_emulated(rs_net *net, const rs_data_param *data, const rs_dataset *part, rs_test_result *result,
                                rs_diag *diag)
{
    rs_formats *formats = NULL;
    rs_dataset *images = NULL;
    rs_counts counts = { 0, 0 };
    const double begin = rs_seconds();
    rs_status st = rs_formats_of_prototxt(net, &formats, diag);
    if (st == RS_OK)
        st = rs_dataset_prepare(part, data, RS_HELD_MAX_BYTES, &images, diag);
    if (st == RS_OK) {
        const rs_calibration on = { .net = net,
                                    .data = data,
                                    .set = images,
                                    .bias_rule = net->quantization.bias_rule,
                                    .rounding = net->quantization.rounding };
        st = rs_emulate_score(&on, formats, 1, &counts, diag);
    }
    take_counts(part->count, counts.hits, counts.ties, rs_seconds() - begin, result);
    result->top_k = 1;
    rs_dataset_free(images);
    rs_formats_free(formats);
    return st;
}

rs_status rs_stage_test(rs_net *net, const rs_dataset *set, const rs_test_stage *stage, rs_test_outcome *outcome,
                        rs_diag *diag)
{
    const rs_dataset part = rs_dataset_slice(set, stage->slice.first, stage->slice.count);
    const rs_test_options options = { .top_k = stage->top_k };
    const bool quantized = rs_net_quantized(net);
    int layer = 0;
    *outcome = (rs_test_outcome) { .numbers = !quantized       ? "float"
                                              : stage->emulate ? "emulated"
                                                               : "integers",
                                   .net = net,
                                   .set = set,
                                   .slice = stage->slice };
    if (stage->emulate && !quantized)
        return rs_error(diag, RS_USAGE, RS_NOWHERE, "a quantized prototxt has quantization_param",
                        "--emulate: the network '%s' has no formats to emulate", net->name);
    if (stage->emulate && stage->top_k > 1)
        return rs_error(diag, RS_USAGE, RS_NOWHERE, NULL, "--emulate and --top exclude each other");
    rs_status st = quantized ? rs_data_layer(net, &layer, diag)
                             : rs_score_dataset(net, &part, &options, &outcome->result, diag);
    if (st == RS_OK && !quantized)
        st = rs_check_chance(net, &part, outcome->result.hits, outcome->result.top_k, diag);
    if (st != RS_OK || !quantized)
        return st;
    /* The data layer's own, which stays where it is when layers are added to the net. */
    const rs_data_param data = net->layers[layer].data;
    return stage->emulate ? score_emulated(net, &data, &part, &outcome->result, diag)
                          : score_integers(net, &data, &part, stage->top_k, &outcome->result, diag);
}
