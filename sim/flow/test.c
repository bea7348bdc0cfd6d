/* The stage that scores the float network. */
#include "flow/test.h"

rs_status rs_stage_test(const rs_net *net, const rs_dataset *set, rs_slice slice, int top_k, rs_test_outcome *outcome,
                        rs_diag *diag)
{
    const rs_dataset part = rs_dataset_slice(set, slice.first, slice.count);
    const rs_test_options options = { .top_k = top_k };
    *outcome = (rs_test_outcome) { .net = net, .set = set, .slice = slice };
    return rs_score_dataset(net, &part, &options, &outcome->result, diag);
}
