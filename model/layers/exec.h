/* Execution of a network in float: forward and backward, any batch, on the pool of threads.
 *
 * The batch is cut into chunks of a fixed number of images; each chunk is computed by one thread with a single-threaded BLAS and
 * gradients are reduced in the order of the chunks, so that results are the same bits whatever the number of threads. */
#ifndef RISTRETTO_LAYERS_EXEC_H
#define RISTRETTO_LAYERS_EXEC_H

#include "net/net.h"

typedef struct rs_exec rs_exec;

/* Called after layer `layer` has written its top blob for images [first, first + n) of the batch: may change the values in place
 * (that is how formats are emulated in float). `data` is [n][count per image]. Called from several threads. */
typedef void (*rs_exec_hook)(void *context, int layer, float *data, int64_t first, int64_t n, int64_t per_image);

/* Shapes of the net must have been inferred. The net's parameters are read at each run and must outlive the exec.
 * backward: also allocate what training needs. */
rs_status rs_exec_new(const rs_net *net, int64_t batch, bool backward, rs_exec **exec, rs_diag *diag);
void rs_exec_free(rs_exec *exec);
void rs_exec_set_hook(rs_exec *exec, rs_exec_hook hook, void *context);

/* Blob b for the whole batch, [batch][count per image]; input blobs are written by the caller. Labels are floats as in Caffe. */
float *rs_exec_blob(rs_exec *exec, int blob);

/* Runs layers [from, to) on the first n images of the batch. Returns the summed weighted loss of loss layers in *loss (may be NULL). */
rs_status rs_exec_forward(rs_exec *exec, int from, int to, int64_t n, double *loss, rs_diag *diag);
/* Forward and backward over the whole net; gradients of parameter p of layer l, summed over the batch as Caffe does
 * (the loss is already divided by the batch), in rs_exec_gradient(exec, l, p). */
rs_status rs_exec_forward_backward(rs_exec *exec, int64_t n, double *loss, rs_diag *diag);
float *rs_exec_gradient(rs_exec *exec, int layer, int param);

/* Top-k hits among n images: an image counts if fewer than k scores are greater than or equal to its label's score, the label's own
 * excepted, as Caffe's accuracy layer does: a tie with the right class is wrong. *ties (may be NULL) counts the images that a tie made wrong. */
int64_t rs_count_hits(const float *scores, const int32_t *labels, int64_t n, int64_t classes, int top_k, int64_t *ties);

#endif
