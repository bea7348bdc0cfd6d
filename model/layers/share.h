/* Memory that the blobs of a net share, because no layer needs all of them at once. Private to model/layers. */
#ifndef RISTRETTO_LAYERS_SHARE_H
#define RISTRETTO_LAYERS_SHARE_H

#include "net/net.h"

/* Where each blob lies, in floats per image: blobs of which one is still needed while the other holds values do not
 * overlap, if the layers run in order. sizes: floats per image of each blob. Blob `kept` is needed to the end. offsets
 * (n_blobs of them) are multiples of 16; *total, at least 1, is the end of the last blob. */
rs_status rs_share_blobs(const rs_net *net, const int64_t *sizes, int kept, int64_t *offsets, int64_t *total,
                         rs_diag *diag);

#endif
