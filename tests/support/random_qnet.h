/* Quantized networks for tests. */
#ifndef RISTRETTO_TESTS_SUPPORT_RANDOM_QNET_H
#define RISTRETTO_TESTS_SUPPORT_RANDOM_QNET_H

#include "base/rng.h"
#include "qnet/qnet.h"

typedef struct rs_random_qnet {
    int max_ops;  /* 1 and more */
    int max_bits; /* of activations and weights: 1 to 16 */
    int max_size; /* of the input's height and width */
    int max_channels;
    bool branches; /* ops may read any earlier tensor, not only the last one */
    bool graph; /* with branches: ops of every type, unsigned tensors, weights with a format per channel, wide scores */
    bool plain; /* stride 1, no padding, no dilation, one group */
} rs_random_qnet;

/* A legal network drawn from rng: any geometry, formats, weights towards the rails, now and then sums that need 64
 * bits. Fails the test if memory is short. */
rs_qnet *rs_test_random_qnet(rs_rng *rng, const rs_random_qnet *options);
/* LeNet's shape for 28x28 images with random weights of the given widths; a realistic share of outputs saturates. */
rs_qnet *rs_test_lenet_qnet(rs_rng *rng, int activation_bits, int convolution_bits, int inner_product_bits);

/* The net at `path` (prototxt) with its own fillers' weights: 8 bits everywhere, fractional lengths at which most
 * values neither vanish nor saturate. Fails the test if it cannot be built. */
rs_qnet *rs_test_qnet_of(const char *path);

/* Elements of a tensor. */
int64_t rs_test_tensor_count(const rs_qtensor *t);
/* Room for every tensor of the network, one after the other; the test fails if memory is short. */
int32_t **rs_test_new_tensors(const rs_qnet *q);
void rs_test_free_tensors(const rs_qnet *q, int32_t **tensors);

#endif
