/* The state of one build, for the rules of operations. Private to model/qnet. */
#ifndef RISTRETTO_QNET_BUILDER_H
#define RISTRETTO_QNET_BUILDER_H

#include "qnet/build.h"
#include "qnet/rule.h"

typedef struct rs_qnet_builder {
    const rs_net *net;
    const rs_formats *formats;
    rs_qnet *qnet;
    int scores;   /* blob */
    int end;      /* layers [0, end) lead to the scores */
    bool *needed; /* per layer */
    bool *done;   /* per layer: fused into an earlier op, which has written its top */
    bool *passed; /* per layer: fused into an op before its input's: it gives what it is given */
    int *tensor;  /* per blob: the tensor that it holds at this point of the walk; -1: none */
    bool *wanted; /* per blob, scratch */
    rs_diag *diag;
    rs_status status;
} rs_qnet_builder;

#define RS_QNET_REFUSE(b, layer, hint, ...)                                                                    \
    ((b)->status = rs_error((b)->diag, RS_BAD_INPUT, (layer) ? (layer)->loc : RS_FILE((b)->net->path), (hint), \
                            __VA_ARGS__))

/* Kernel, stride, pad and dilation of an op, height before width; sizes have been checked by shape inference, this
 * guards the conversion. */
bool rs_qnet_set_window(rs_qnet_builder *b, const rs_layer *layer, rs_qop *op, const int64_t geometry[8]);
/* Of both poolings: their windows, and whether they have a rule. */
bool rs_qnet_set_pooling(rs_qnet_builder *b, const rs_layer *layer, rs_qop *op);
bool rs_qnet_accepts_pooling(rs_qnet_builder *b, const rs_layer *layer);
/* The input of an op, and its output. */
static inline const rs_qtensor *rs_qnet_input_of(const rs_qnet_builder *b, const rs_qop *op)
{
    return &b->qnet->tensors[op->input];
}
static inline const rs_qtensor *rs_qnet_output_of(const rs_qnet_builder *b, const rs_qop *op)
{
    return &b->qnet->tensors[op->output];
}

#endif
