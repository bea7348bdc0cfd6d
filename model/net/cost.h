/* What a layer costs: learnt values, multiply-accumulates, output values. */
#ifndef RISTRETTO_NET_COST_H
#define RISTRETTO_NET_COST_H

#include "net/net.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rs_layer_cost {
    int64_t params; /* learnt values; those that an earlier layer owns (shared parameters) are counted there */
    int64_t macs;   /* multiply-accumulates for one image: of convolutions and inner products, as is usual; others count
                       none */
    int64_t outputs; /* values of all tops for one image; none for a layer that works in place */
} rs_layer_cost;

/* Shapes of the net must have been inferred. */
rs_layer_cost rs_net_cost(const rs_net *net, int layer);

#ifdef __cplusplus
}
#endif
#endif
