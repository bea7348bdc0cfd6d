/* What the quantizer needs to know of a net's graph. Private to emulate, formats, search and finetune. */
#ifndef RISTRETTO_EMULATE_PLAN_H
#define RISTRETTO_EMULATE_PLAN_H

#include "data/data.h"
#include "qnet/formats.h"

typedef struct rs_plan {
    int input, scores; /* blobs */
    int n_layers;      /* layers [0, n_layers) lead to the scores; softmax, loss and accuracy after them do not count */
    int n_blobs;
    int first_layer;   /* the first one that computes: before it there are only layers that take data from outside */
    int *last_writer;  /* per blob: the last layer that writes it, -1: none below n_layers */
    int *format_class; /* per blob: the blob whose format it shares (itself perhaps); -1: not an activation */
    bool *in_range;    /* per blob: its values count for the range of its class; false for values that only a fused ReLU
                          sees */
    bool *never_below; /* per blob: an integer of its class is never below zero, whatever the weights are; not so for
                          the input */
    int *rounded;  /* per layer: the blob whose format its output is rounded to in emulation; -1: not rounded here */
    bool *restart; /* per layer: a run may start here with everything before it kept from an earlier run */
} rs_plan;

/* RS_BAD_INPUT: the net has no input or no scores. */
rs_status rs_plan_new(const rs_net *net, rs_plan **plan, rs_diag *diag);
void rs_plan_free(rs_plan *plan);

/* Elements of a blob for one image. */
static inline int64_t rs_plan_count(const rs_net *net, int blob)
{
    return rs_shape_count(&net->blobs[blob].shape, 1);
}

/* Images and labels must fit the net: channels, height, width, number of classes. */
rs_status rs_plan_check_set(const rs_plan *plan, const rs_net *net, const rs_dataset *set, rs_diag *diag);

#endif
