/* A quantized network: integers and formats only. It is what the exact engine runs, what the array program is compiled
 * from and what is exported. A graph of ops over tensors; tensors are CHW for one image, and each has one format. The
 * rules of every op are in docs/arithmetic.md. */
#ifndef RISTRETTO_QNET_QNET_H
#define RISTRETTO_QNET_QNET_H

#include "base/diag.h"
#include "fxp/fxp.h"
#include "qnet/number.h"

typedef struct rs_qtensor {
    char *name; /* the blob's name */
    int channels, height, width;
    rs_number_format format;
    /* Integers from 0 to 2^bits - 1 instead of two's complement: after a ReLU, or of an input that is never below
     * zero. */
    bool is_unsigned;
} rs_qtensor;

typedef enum rs_qop_type {
#define OPERATION(name, word) RS_QOP_##name,
#include "qnet/operations.def"
#undef OPERATION
    RS_QOPS
} rs_qop_type;

/* "convolution", "inner product", "max pooling", ... */
const char *rs_qop_type_name(rs_qop_type type);
/* What is particular to each, by type: qnet/rule.h. */
typedef struct rs_qop_rule rs_qop_rule;
extern const rs_qop_rule *const rs_qop_rules[RS_QOPS];

enum { RS_QOP_MAX_INPUTS = 64 };

/* Local response normalization, section 6. */
typedef struct rs_qlrn {
    bool within; /* over a size x size window of one map; else over `size` channels */
    int size;    /* odd */
    float alpha, beta, k;
} rs_qlrn;

typedef struct rs_qop {
    char *name; /* the layer's name */
    rs_qop_type type;
    int n_inputs; /* 1 but for RS_QOP_ADD and RS_QOP_CONCAT */
    /* Tensor indices: op i writes tensor i + 1 and reads earlier ones; the first of its inputs is also called `input`.
     */
    union {
        int input;
        int inputs[RS_QOP_MAX_INPUTS];
    };
    int output;
    /* Convolution and pooling: geometry; 1 and, for pads, 0 elsewhere. An inner product has kernel = the input's height
     * and width, stride 1, no padding: weights [out][in_channels][kernel_h][kernel_w] are the same memory as
     * [outputs][inputs]. */
    int kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w, groups;
    bool relu; /* fused before requantize: of weighted ops and RS_QOP_ADD */
    rs_number_format weight_format;
    int bias_fl; /* minifloat: a bias is bias * 2^-bias_fl; else 0 */
    /* [out_channels]: fractional lengths of the weights by output channel, or NULL: weight_format.fl for all of them */
    int *weight_fl;
    int32_t *weights; /* [out_channels][in_channels / groups][kernel_h][kernel_w], in Caffe's order */
    /* [out_channels], aligned to the accumulator's LSB (arithmetic.md section 4); never NULL for weighted ops */
    int64_t *bias;
    /* Made from floats: how many weights and biases lay beyond their formats and became the nearest there is. Not kept
     * on disk: 0. */
    int64_t clipped_weights, clipped_biases;
    /* Of requantize, fl_acc - fl_out. Weighted ops: fl_in + weight_format.fl - fl_out (rs_qop_shift for a channel);
     * RS_QOP_ADD: largest fl of the inputs - fl_out; RS_QOP_AVERAGE_POOL: fl_in - fl_out; elsewhere 0. */
    int shift;
    rs_qlrn lrn;
    int32_t min, max; /* RS_QOP_CLIP: integers of the tensor */
} rs_qop;

typedef struct rs_qnet {
    char *name;
    rs_rounding rounding; /* of requantize: a deterministic mode */
    rs_bias_rule bias_rule;
    int n_tensors, n_ops;
    rs_qtensor *tensors; /* 0 is the input, n_tensors - 1 the scores */
    rs_qop *ops;
    float pixel_scale, pixel_mean[16]; /* as in the data layer; pixel_table is made from them */
    /* [channels][256], arithmetic.md section 7; NULL with a mean image */
    int32_t *pixel_table;
    float *mean_image; /* [channels][height][width], instead of pixel_mean; or NULL */
} rs_qnet;

void rs_qnet_free(rs_qnet *qnet);

/* Limits that a quantized network keeps, so that no product of sizes overflows. */
enum {
    RS_QNET_MAX_CHANNELS = 16, /* of the input */
    RS_QNET_MAX_BITS = 16,
    RS_QNET_MAX_SCORE_BITS = 32 /* of the last tensor, signed: scores as wide as the accumulator */
};
#define RS_QNET_MAX_ELEMENTS (INT64_C(1) << 28) /* of a tensor, and of the weights of an op */

/* All numbers of a quantized network are minifloats, or none: then it runs by section 10. */
static inline bool rs_qnet_minifloat(const rs_qnet *qnet)
{
    return qnet->tensors[0].format.number == RS_NUMBER_MINIFLOAT;
}

/* What an integer of the tensor stands for; exact. */
double rs_qtensor_value(const rs_qtensor *tensor, int32_t q);
/* A real number in a tensor's format, section 1 or 10; x must not be NaN. */
int32_t rs_qtensor_quantize(const rs_qtensor *tensor, double x, rs_rounding mode, uint64_t *saturations);
/* Section 7: the integer that byte `pixel` becomes at element `at` of the input (CHW); a whole image,
 * [channels][height][width]. */
int32_t rs_qnet_pixel(const rs_qnet *qnet, int64_t at, uint8_t pixel);
void rs_qnet_load(const rs_qnet *qnet, const uint8_t *pixels, int32_t *input);
/* Checks everything that the engines rely on: op i writes tensor i + 1 and reads an earlier one; sizes follow from the
 * geometry; formats are legal (1 to 16 bits); weights, biases and pixel table fit theirs; shifts are as section 2
 * says; accumulators need at most 48 bits. `path` (or NULL) is named in messages. RS_BAD_INPUT, one message for each
 * thing that is wrong. */
rs_status rs_qnet_check(const rs_qnet *qnet, const char *path, rs_diag *diag);

/* Whether the rule of the op has one of `what` (RS_QOP_WINDOW, ...); convolutions and inner products have weights. */
bool rs_qop_has(const rs_qop *op, int what);
bool rs_qop_weighted(const rs_qop *op);
/* Smallest and largest integer of a tensor, and of an op's weights. */
int64_t rs_qtensor_min(const rs_qtensor *tensor);
int64_t rs_qtensor_max(const rs_qtensor *tensor);
/* The larger magnitude of the two, and the number of integers. */
int64_t rs_qtensor_magnitude(const rs_qtensor *tensor);
static inline int64_t rs_qtensor_count(const rs_qtensor *tensor)
{
    return (int64_t)tensor->channels * tensor->height * tensor->width;
}
int64_t rs_qop_weight_min(const rs_qop *op);
int64_t rs_qop_weight_max(const rs_qop *op);
/* Bits of a two's complement integer that holds every value of a tensor: requantize after a ReLU saturates to them,
 * which for an unsigned tensor is its own range. */
static inline int rs_qtensor_signed_bits(const rs_qtensor *tensor)
{
    return tensor->format.bits + tensor->is_unsigned;
}
/* The shift of a weighted op's requantize for output channel o. */
static inline int rs_qop_shift(const rs_qop *op, int64_t o)
{
    return op->weight_fl ? op->shift + op->weight_fl[o] - op->weight_format.fl : op->shift;
}
/* RS_QOP_ADD: bits by which input i is shifted to the left, to the largest fractional length of all inputs. */
int rs_qop_align(const rs_qnet *qnet, const rs_qop *op, int i);
/* RS_QOP_CONCAT: by how much the integers of input i are shifted to the right; 0: taken as they are. */
int rs_qop_concat_shift(const rs_qnet *qnet, const rs_qop *op, int i);
/* RS_QOP_AVERAGE_POOL: elements that the window at (y, x) of the output counts, those of its padding included (Caffe's
 * pool_size), and what their sum is multiplied with: round(2^R / area), R = RS_AVERAGE_BITS + ceil(log2 area). */
enum { RS_AVERAGE_BITS = 14 };
int64_t rs_qop_area(const rs_qnet *qnet, const rs_qop *op, int y, int x);
int rs_average_shift(int64_t area);
int32_t rs_average_factor(int64_t area);

/* Products summed per output value: in_channels / groups * kernel_h * kernel_w. */
int64_t rs_qop_terms(const rs_qnet *qnet, const rs_qop *op);
int64_t rs_qop_macs(const rs_qnet *qnet, const rs_qop *op);
/* The largest magnitude that a sum of this op, or a partial sum in any order, can have: from widths alone or from the
 * actual weights and biases (section 3). Average pooling: of the window's sum, before the factor. Addition: of the
 * aligned sum. 0 for ops that do not sum. */
int64_t rs_qop_bound(const rs_qnet *qnet, const rs_qop *op, bool from_weights);
/* Section 3: bits that hold every sum of this op, 1 to 64; of minifloats more: up to 64 * RS_WIDE_LIMBS. */
int rs_qop_accumulator_bits(const rs_qnet *qnet, const rs_qop *op, bool from_weights);

/* What the names of an op's files begin with: its name with '_' for what is unusual in a file name, and its number
 * where two ops would meet. NULL: no memory; rs_free releases it. */
char *rs_qnet_file_base(const rs_qnet *qnet, int op);
/* The exact integer form on disk: FOLDER/qnet.json (formats, geometry, scheme, file names, checksums) and one NumPy
 * array a layer and kind (FOLDER/conv1.weights.npy, int8/int16/int32 as the width needs; conv1.bias.npy, int64).
 * Reading checks everything. */
rs_status rs_qnet_write(const rs_qnet *qnet, const char *folder, rs_diag *diag);
rs_status rs_qnet_read(const char *folder, rs_qnet **qnet, rs_diag *diag);

#endif
