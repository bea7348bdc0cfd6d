/* Execution of a network in float: forward and backward, any batch, on the pool of threads.
 *
 * The batch is cut into chunks of a fixed number of images, or (fully connected layers) into tiles of outputs; each is
 * computed by one thread, and gradients are reduced in the order of the chunks, so that results are the same bits
 * whatever the number of threads. Sums of products are chains in a fixed order (layers/weighted/gemm.h): the values of
 * an image do not depend on the batch that it is in, nor on its place there, nor on the processor. */
#ifndef RISTRETTO_LAYERS_EXEC_H
#define RISTRETTO_LAYERS_EXEC_H

#include "net/net.h"

typedef struct rs_exec rs_exec;

/* Called after layer `layer` has written its first top blob for images [first, first + n) of the batch: may change the
 * values in place (that is how formats are emulated in float). `data` is [n][per_image]. Called from several threads at
 * once, for different images. Not called for input layers, whose blobs the caller writes, nor for the scalar tops of
 * loss and accuracy layers. */
typedef void (*rs_exec_hook)(void *context, int layer, float *data, int64_t first, int64_t n, int64_t per_image);

/* Shapes of the net must have been inferred. The net's parameters are read at each run and must outlive the exec;
 * values and even pointers may change between runs. batch: images of a run at most, >= 1. backward: also allocate what
 * training needs. RS_BAD_INPUT, located at the layer: what execution does not support. RS_RESOURCE: memory. */
rs_status rs_exec_new(const rs_net *net, int64_t batch, bool backward, rs_exec **exec, rs_diag *diag);
/* The same for inference from the first layer to the last, in memory that blobs share: after a run, only blob `kept`
 * and the scalar tops hold what the net computed, and a layer's bottoms hold it until the layer has run. Where all
 * blobs of the batch fit RS_EXEC_BYTES nothing is shared, because layers then need not wait for one another. */
rs_status rs_exec_new_sharing(const rs_net *net, int64_t batch, int kept, rs_exec **exec, rs_diag *diag);
/* The batch, at most `most` images, whose blobs fit RS_EXEC_BYTES when they share memory. It is at least one image, and
 * two per thread if those fit twice as much: threads without an image would wait. */
#define RS_EXEC_BYTES ((int64_t)64 << 20)
rs_status rs_exec_sharing_batch(const rs_net *net, int kept, int64_t most, int64_t *batch, rs_diag *diag);
void rs_exec_free(rs_exec *exec);
void rs_exec_set_hook(rs_exec *exec, rs_exec_hook hook, void *context);
/* The same for the backward pass: called with the gradient of the layer's first top, complete, before the layer's own
 * backward. */
void rs_exec_set_backward_hook(rs_exec *exec, rs_exec_hook hook, void *context);
/* Seed and counter of random layers (dropout in the training phase) for the runs that follow; zero at first. */
void rs_exec_set_random(rs_exec *exec, uint64_t seed, uint64_t iteration);

/* Blob b for the whole batch, [batch][count per image]; input blobs are written by the caller. Labels are floats as in
 * Caffe. The tops of loss and accuracy layers are one float for the batch. rs_exec_blob_size: floats an image (1 for
 * those). */
float *rs_exec_blob(rs_exec *exec, int blob);
int64_t rs_exec_blob_size(const rs_exec *exec, int blob);

/* Runs layers [from, to) on the first n images of the batch, 1 <= n <= batch; blobs that earlier layers would have
 * written are taken as they are. Returns the summed weighted loss of loss layers in *loss (may be NULL). RS_BAD_INPUT:
 * a label that is not one of the classes. */
rs_status rs_exec_forward(rs_exec *exec, int from, int to, int64_t n, double *loss, rs_diag *diag);
/* Forward and backward over the whole net; gradients of parameter p of layer l, summed over the batch as Caffe does
 * (the loss is already divided by the batch), in rs_exec_gradient(exec, l, p). */
rs_status rs_exec_forward_backward(rs_exec *exec, int64_t n, double *loss, rs_diag *diag);
float *rs_exec_gradient(rs_exec *exec, int layer, int param);

/* Top-k hits among n images of `classes` scores each, labels in [0, classes): an image counts if fewer than k scores
 * are greater than or equal to its label's score, the label's own excepted, as Caffe's accuracy layer does: a tie with
 * the right class is wrong. *ties (may be NULL) counts the images that a tie made wrong. */
int64_t rs_count_hits(const float *scores, const int32_t *labels, int64_t n, int64_t classes, int top_k, int64_t *ties);

#endif
