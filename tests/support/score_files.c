/* Scores a net from its files. */
#include "support/score_files.h"

#include "import/import.h"
#include "train/score.h"

rs_status rs_test_score_files(const char *net_path, const char *weights_path, const rs_dataset *set,
                              const rs_test_options *options, rs_test_result *result, rs_diag *diag)
{
    *result = (rs_test_result) { 0 };
    rs_net *net = NULL;
    rs_status st = rs_import_net(net_path, NULL, NULL, &net, diag);
    int layer = 0;
    if (st == RS_OK)
        st = rs_fit_data(net, set, NULL, 1, &layer, diag);
    if (st == RS_OK)
        st = rs_import_weights(net_path, weights_path, net, diag);
    if (st == RS_OK)
        st = rs_score_dataset(net, set, options, result, diag);
    rs_net_free(net);
    return st;
}
