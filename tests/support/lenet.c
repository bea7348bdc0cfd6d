/* Loads the zoo's LeNet and digits. */
#include "support/lenet.h"

#include <stdlib.h>

#include "import/caffe/caffe.h"
#include "support/test.h"

const rs_data_param rs_test_lenet_data = { .scale = 0.00390625f };

void rs_test_lenet_open(rs_test_lenet *lenet, int64_t images)
{
    *lenet = (rs_test_lenet) { .diag = rs_diag_new() };
    rs_diag *diag = lenet->diag;
    rs_assert_ok(rs_caffe_read_net("model/zoo/lenet/lenet.prototxt", RS_TEST, &lenet->net, diag), diag);
    rs_assert_ok(rs_net_infer_shapes(lenet->net, NULL, diag), diag);
    rs_assert_ok(rs_caffe_read_weights("model/zoo/lenet/lenet.caffemodel", lenet->net, diag), diag);
    rs_assert_ok(rs_dataset_open("model/zoo/lenet/digits", NULL, false, &lenet->digits, diag), diag);
    lenet->set = rs_dataset_slice(lenet->digits, 0, images);
    free(rs_test_messages(diag));
}

void rs_test_lenet_close(rs_test_lenet *lenet)
{
    rs_ranges_free(lenet->ranges);
    rs_net_free(lenet->net);
    rs_dataset_free(lenet->digits);
    rs_diag_free(lenet->diag);
}
