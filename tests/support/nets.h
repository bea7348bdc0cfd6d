/* Small nets made by hand, for tests that have no file to read. Blobs are named; a layer takes the name of its top. */
#ifndef RISTRETTO_TESTS_SUPPORT_NETS_H
#define RISTRETTO_TESTS_SUPPORT_NETS_H

#include "net/net.h"

/* A net with one input layer, blob "data" of 1 x channels x height x width. Memory that cannot be had ends the test. */
rs_net *rs_test_net(int64_t channels, int64_t height, int64_t width);
/* Appends a layer with one bottom and one top (the same name: in place). Its fields may be set in what is returned,
 * until the next layer is appended. */
rs_layer *rs_test_layer(rs_net *net, rs_layer_type type, const char *bottom, const char *top);
rs_layer *rs_test_convolution(rs_net *net, const char *bottom, const char *top, int64_t outputs, int64_t kernel,
                              int64_t stride, int64_t pad);
rs_layer *rs_test_pooling(rs_net *net, const char *bottom, const char *top, rs_pool_method method, int64_t kernel,
                          int64_t stride);
rs_layer *rs_test_inner_product(rs_net *net, const char *bottom, const char *top, int64_t outputs);
/* Infers the shapes; the parameters are zero. Fails the test if that is not possible. */
void rs_test_net_finish(rs_net *net);

#endif
