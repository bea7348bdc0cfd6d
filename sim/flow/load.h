/* What a run begins with: the float network, the images that it is scored on, slices of them. */
#ifndef RISTRETTO_FLOW_LOAD_H
#define RISTRETTO_FLOW_LOAD_H

#include "data/data.h"
#include "net/net.h"
#include "qnet/qnet.h"

/* Images [first, first + count) of the data set; count 0: to the end. */
typedef struct rs_slice {
    int64_t first, count;
} rs_slice;

/* Checks a slice against the number of images and resolves count 0. `what` names the option or key, `wrong` is the
 * status of a failure. */
rs_status rs_slice_resolve(rs_slice *slice, const rs_dataset *set, const char *what, rs_status wrong, rs_diag *diag);

/* A float network with shapes and weights (NULL: those of an ONNX model), ready to score `set`; `over` (NULL: nothing)
 * in place of what its data layer says. */
rs_status rs_stage_load(const char *model, const char *weights, const rs_dataset *set, const rs_data_override *over,
                        rs_net **net, rs_diag *diag);

/* Replaces the set by one of the images as they enter the net, for stages that take them again and again: in memory if
 * they take at most RS_HELD_MAX_BYTES, else read and decoded each time. */
rs_status rs_stage_hold(const rs_net *net, rs_dataset **set, rs_diag *diag);

/* The images of a slice, as the quantized network takes them: in memory if they take at most max_bytes, else read from
 * `set`, which must outlive them, when they are taken. Images larger than the net's input are cropped
 * to it; `over` (NULL: nothing) may resize them before. */
rs_status rs_stage_images(const rs_qnet *qnet, const rs_dataset *set, rs_slice slice, const rs_data_override *over,
                          uint64_t max_bytes, rs_dataset **images, rs_diag *diag);

#endif
