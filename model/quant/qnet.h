/* A quantized network: integers and formats only. It is what the exact engine runs, what the array program is compiled
 * from and what is exported. Tensors are CHW for one image; each has one dynamic fixed point format. */
#ifndef RISTRETTO_QUANT_QNET_H
#define RISTRETTO_QUANT_QNET_H

#include "base/diag.h"
#include "fxp/fxp.h"
#include "net/net.h"

typedef struct rs_qtensor {
    char *name; /* the blob's name */
    int channels, height, width;
    rs_fxp format;
} rs_qtensor;

typedef enum rs_qop_type { RS_QOP_CONVOLUTION, RS_QOP_INNER_PRODUCT, RS_QOP_MAX_POOL, RS_QOP_RELU } rs_qop_type;

typedef struct rs_qop {
    char *name; /* the layer's name */
    rs_qop_type type;
    int input, output; /* tensor indices; op i writes tensor i + 1 and reads an earlier one */
    /* Convolution and pooling: geometry. An inner product has kernel = the input's height and width, stride 1, no
     * padding: weights [out][in_channels][kernel_h][kernel_w] are the same memory as [outputs][inputs]. */
    int kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w, groups;
    bool relu; /* fused before requantize */
    rs_fxp weight_format;
    int32_t *weights; /* [out_channels][in_channels / groups][kernel_h][kernel_w], in Caffe's order */
    /* [out_channels], aligned to the accumulator's LSB (arithmetic.md section 4); never NULL for weighted ops */
    int64_t *bias;
    int shift; /* fl_in + fl_w - fl_out */
} rs_qop;

typedef struct rs_qnet {
    char *name;
    rs_rounding rounding; /* of requantize: a deterministic mode */
    rs_bias_rule bias_rule;
    int n_tensors, n_ops;
    rs_qtensor *tensors; /* 0 is the input, n_tensors - 1 the scores */
    rs_qop *ops;
    float pixel_scale, pixel_mean[16]; /* as in the data layer; pixel_table is made from them */
    int32_t *pixel_table;              /* [channels][256], arithmetic.md section 7 */
} rs_qnet;

void rs_qnet_free(rs_qnet *qnet);

/* Limits that a quantized network keeps, so that no product of sizes overflows. */
enum { RS_QNET_MAX_CHANNELS = 16 /* of the input */, RS_QNET_MAX_BITS = 16 };
#define RS_QNET_MAX_ELEMENTS (INT64_C(1) << 28) /* of a tensor, and of the weights of an op */

/* Checks everything that the engines rely on: op i writes tensor i + 1 and reads an earlier one; sizes follow from the
 * geometry; formats are legal (1 to 16 bits); weights, biases and pixel table fit theirs; shifts are as section 2
 * says; accumulators need at most 48 bits. `path` (or NULL) is named in messages. RS_BAD_INPUT, one message for each
 * thing that is wrong. */
rs_status rs_qnet_check(const rs_qnet *qnet, const char *path, rs_diag *diag);

static inline bool rs_qop_weighted(const rs_qop *op)
{
    return op->type == RS_QOP_CONVOLUTION || op->type == RS_QOP_INNER_PRODUCT;
}
/* Products summed per output value: in_channels / groups * kernel_h * kernel_w. */
int64_t rs_qop_terms(const rs_qnet *qnet, const rs_qop *op);
int64_t rs_qop_macs(const rs_qnet *qnet, const rs_qop *op);
/* The largest magnitude that a sum of this op, or a partial sum in any order, can have: from widths alone or from the
 * actual weights and biases (section 3). */
int64_t rs_qop_bound(const rs_qnet *qnet, const rs_qop *op, bool from_weights);
/* Section 3: bits that hold every sum of this op, 1 to 64. */
int rs_qop_accumulator_bits(const rs_qnet *qnet, const rs_qop *op, bool from_weights);

/* Formats chosen for one net: what the search decides. Index by layer and blob of the rs_net. */
typedef struct rs_formats {
    int n_layers, n_blobs;
    rs_fxp *weights;     /* per layer; bits = 0: not a weighted layer */
    rs_fxp *activations; /* per blob; bits = 0: not an activation */
} rs_formats;
rs_status rs_formats_new(const rs_net *net, rs_formats **formats, rs_diag *diag);
void rs_formats_free(rs_formats *formats);

/* Builds the integers from a float net (a TEST-phase or deploy net with shapes and weights) and formats. Softmax, loss
 * and accuracy layers are left to the host. A layer that has no integer rule is an error that names it and its line.
 * ReLU behind a weighted layer is fused. pixel transform: from `data`, NULL for scale 1 and no mean. */
rs_status rs_qnet_build(const rs_net *net, const rs_formats *formats, const rs_data_param *data, rs_bias_rule bias_rule,
                        rs_rounding rounding, rs_qnet **qnet, rs_diag *diag);

/* What the names of an op's files begin with: its name with '_' for what is unusual in a file name, and its number
 * where two ops would meet. NULL: no memory; rs_free releases it. */
char *rs_qnet_file_base(const rs_qnet *qnet, int op);
/* The exact integer form on disk: FOLDER/qnet.json (formats, geometry, scheme, file names, checksums) and one NumPy
 * array a layer and kind (FOLDER/conv1.weights.npy, int8/int16/int32 as the width needs; conv1.bias.npy, int64).
 * Reading checks everything. */
rs_status rs_qnet_write(const rs_qnet *qnet, const char *folder, rs_diag *diag);
rs_status rs_qnet_read(const char *folder, rs_qnet **qnet, rs_diag *diag);

#endif
