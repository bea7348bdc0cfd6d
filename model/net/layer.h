/* A layer of a network: its type, its blobs, its parameters. */
#ifndef RISTRETTO_NET_LAYER_H
#define RISTRETTO_NET_LAYER_H

#include "base/diag.h"
#include "net/shape.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum rs_layer_type {
#define RS_LAYER_TYPE(name, symbol) RS_LAYER_##name,
#include "net/layer_types.def"
    RS_LAYER_TYPES
} rs_layer_type;

/* What a type is called in prototxt, or "unknown". */
const char *rs_layer_type_name(rs_layer_type type);

enum { RS_MAX_PARAMS = 4 };

/* Initial values of a parameter (Caffe's FillerParameter). constant: value; uniform in [min, max); Gaussian of mean and
 * std; xavier: uniform in +-sqrt(3 / n); msra: Gaussian of std sqrt(2 / n), where n by variance_norm is the fan in
 * (elements / dim[0]), the fan out (elements / dim[1]) or their average;
 * bilinear: weights of a deconvolution of k x k that interpolates: (1 - |y / f - c|) (1 - |x / f - c|), f = ceil(k /
 * 2), c = (2 f - 1 - f mod 2) / (2 f). */
typedef enum rs_filler_type {
    RS_FILL_CONSTANT,
    RS_FILL_UNIFORM,
    RS_FILL_GAUSSIAN,
    RS_FILL_XAVIER,
    RS_FILL_MSRA,
    RS_FILL_BILINEAR
} rs_filler_type;
typedef enum rs_variance_norm { RS_NORM_FAN_IN, RS_NORM_FAN_OUT, RS_NORM_AVERAGE } rs_variance_norm;
typedef struct rs_filler {
    rs_filler_type type;
    rs_variance_norm variance_norm;
    float value, min, max, mean, std;
} rs_filler;

/* Output size along an axis: floor((in + 2 pad - (dilation (kernel - 1) + 1)) / stride) + 1; of a deconvolution, whose
 * weights are [in_channels][out_channels / groups][kernel_h][kernel_w]: stride (in - 1) + dilation (kernel - 1) + 1 - 2
 * pad. */
typedef struct rs_convolution_param {
    int64_t out_channels, groups;
    int64_t kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w;
    bool bias;
    rs_filler weight_filler, bias_filler;
} rs_convolution_param;

typedef struct rs_inner_product_param {
    int64_t outputs;
    bool bias;
    rs_filler weight_filler, bias_filler;
} rs_inner_product_param;

typedef enum rs_pool_method { RS_POOL_MAX, RS_POOL_AVERAGE } rs_pool_method;

/* Caffe's output size: ceil((in + 2 pad - kernel) / stride) + 1, less one if the last window would start in the
 * padding. global: the kernel is the whole input; rs_net_infer_shapes sets kernel to the input's size, stride to 1, pad
 * to 0. */
typedef struct rs_pooling_param {
    rs_pool_method method;
    bool global;
    int64_t kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w;
    bool floor[2];        /* height, width: the output's size is rounded down (round_mode: FLOOR) */
    bool exclude_padding; /* an average divides by the pixels of the image in the window only; no Caffe has this, ONNX
                             and we do */
} rs_pooling_param;

/* Local response normalization: x * (k + alpha / n * sum of squares)^-beta. Across channels the sum runs over size
 * channels around each and n is size; within a channel over size x size pixels, n is size * size and k is 1. size is
 * odd. */
typedef struct rs_lrn_param {
    bool across;
    int64_t size;
    float alpha, beta, k;
} rs_lrn_param;

/* y = (x - mean) / sqrt(variance + eps) by channel (axis 1). Parameters: means and variances, both times a factor, and
 * the factor. global_stats: use them; otherwise those of the batch, which are averaged into them: old * fraction + new.
 */
typedef struct rs_batch_norm_param {
    bool global_stats;
    float fraction, eps;
} rs_batch_norm_param;

/* Scale: y = x * weight (+ bias); Bias: y = x + weight. The weights' shape is that of axes [axis, axis + num_axes) of
 * the input (num_axes -1: all from axis on). The batch axis is not among them. */
typedef struct rs_scale_param {
    int64_t axis, num_axes;
    bool bias;
    rs_filler filler, bias_filler;
} rs_scale_param;

/* Slopes for negative values: one per channel, or one for all. */
typedef struct rs_prelu_param {
    bool shared;
    rs_filler filler;
} rs_prelu_param;

/* An axis of 0 is the batch; a negative one counts from behind, -1 being the last (see rs_axis). */
typedef struct rs_concat_param {
    int64_t axis;
} rs_concat_param;

/* points: where along the axis a new top begins, one less than there are tops; none: equal parts. */
typedef struct rs_slice_param {
    int64_t axis;
    int n_points;
    int64_t *points;
} rs_slice_param;

typedef enum rs_eltwise_method { RS_ELTWISE_PRODUCT, RS_ELTWISE_SUM, RS_ELTWISE_MAX } rs_eltwise_method;

/* coefficients: of a sum, one a bottom; NULL: all 1. */
typedef struct rs_eltwise_param {
    rs_eltwise_method method;
    float *coefficients;
} rs_eltwise_param;

/* Power, Exp and Log of shift + scale x; base: of the latter two, below 0 for e. */
typedef struct rs_power_param {
    float power, base, scale, shift;
} rs_power_param;

/* `tiles` copies of the input along an axis. */
typedef struct rs_tile_param {
    int64_t axis, tiles;
} rs_tile_param;

/* The axes from `axis` on get the sizes of the second bottom, from an offset on: one for all, or one each. Without a
 * second bottom, the sizes are given here, one each. */
typedef struct rs_crop_param {
    int64_t axis;
    int n_offsets, n_sizes;
    int64_t offset[RS_MAX_AXES], size[RS_MAX_AXES];
} rs_crop_param;

/* Squares of stride x stride pixels become channels, or the reverse. */
typedef struct rs_reorg_param {
    int64_t stride;
    bool reverse;
} rs_reorg_param;

/* Sums from an axis on, times a coefficient: of values, absolute values or squares, or their mean. */
typedef enum rs_reduction_method {
    RS_REDUCE_SUM,
    RS_REDUCE_ABSOLUTE,
    RS_REDUCE_SQUARES,
    RS_REDUCE_MEAN
} rs_reduction_method;
typedef struct rs_reduction_param {
    rs_reduction_method method;
    int64_t axis;
    float coefficient;
} rs_reduction_param;

/* The top_k largest along an axis: where they are, or (values) themselves. Without an axis of all values of an image:
 * where they are, and (values) then themselves. */
typedef struct rs_argmax_param {
    int64_t top_k, axis;
    bool has_axis, values;
} rs_argmax_param;

/* across: over all channels; variance: divides by the deviation as well. */
typedef struct rs_mvn_param {
    bool across, variance;
    float eps;
} rs_mvn_param;

/* across: over the whole image, else over the channels of each place; shared: one weight for all channels. */
typedef struct rs_normalize_param {
    bool across, shared;
    float eps;
    rs_filler filler;
} rs_normalize_param;

/* y = (q - zero) * scale, q = x / scale rounded to the nearest even, plus zero, limited to [min, max]:
 * rs_fxp_affine. */
typedef struct rs_quantize_linear_param {
    float scale;
    int32_t zero, min, max;
} rs_quantize_linear_param;

/* Axes [axis, end_axis] become one. */
typedef struct rs_flatten_param {
    int64_t axis, end_axis;
} rs_flatten_param;

/* Axes [axis, axis + num_axes) (num_axes -1: all from axis on) are replaced by `shape`, in which 0 keeps the axis at
 * its place and -1 (one at most) takes what is left. The batch axis keeps its size. */
typedef struct rs_reshape_param {
    int64_t axis, num_axes;
    rs_shape shape;
} rs_reshape_param;

/* What a loss divides by. VALID: labels that are not ignored; FULL: all; BATCH_SIZE: images; NONE: nothing. */
typedef enum rs_normalization { RS_NORM_VALID, RS_NORM_FULL, RS_NORM_BATCH_SIZE, RS_NORM_NONE } rs_normalization;

/* SoftmaxWithLoss and Accuracy: places whose label is `ignored` do not count. */
typedef struct rs_criterion_param {
    rs_normalization normalization;
    bool ignores;
    int32_t ignored;
    int top_k; /* of Accuracy */
} rs_criterion_param;

/* Channels of a compressed image (JPEG, PNG): what the file has, blue-green-red, or gray. */
typedef enum rs_color { RS_COLOR_AS_IS, RS_COLOR_BGR, RS_COLOR_GRAY } rs_color;

/* What a data layer says of its source (paths as written) and its transformation: resized, cropped, mirrored
 * (docs/user/data.md), then value = (pixel - mean) * scale. */
typedef struct rs_data_param {
    char *source; /* or NULL */
    int64_t batch_size;
    float scale;
    int64_t crop_size;
    bool mirror;
    int n_mean;
    float mean[16];
    int64_t new_height, new_width; /* 0: as they are */
    rs_color color;
    bool list;    /* ImageData: the source is a list of images, whatever its name */
    bool shuffle; /* another order each epoch of training; a list that is tested on keeps one order, by a fixed seed */
    char *root_folder; /* of the images of a list; or NULL */
    char *mean_file;   /* or NULL */
    /* The mean of each pixel, channels x height x width before cropping, once rs_data_load_mean has read mean_file;
     * else NULL. Then n_mean is 0. */
    float *mean_image;
    int64_t mean_dim[3];
} rs_data_param;

/* Ristretto's quantization_param (fields and meaning as in the original's caffe.proto; the numbers of its enum). */
typedef enum rs_precision {
    RS_PRECISION_DYNAMIC_FIXED_POINT,
    RS_PRECISION_MINIFLOAT,     /* of layer and weights: mant_bits, exp_bits */
    RS_PRECISION_POWER2_WEIGHTS /* exp_min, exp_max; activations as in dynamic fixed point */
} rs_precision;
enum { RS_MINIFLOAT_NAME = 16 };
typedef struct rs_quantization_param {
    bool present;
    rs_precision precision;
    bool stochastic; /* rounding_scheme STOCHASTIC */
    /* 0: the file does not say it, and the values stay in float, as do those of more than 24 bits. */
    int bw_layer_in, bw_layer_out, bw_params;
    int fl_layer_in, fl_layer_out, fl_params;
    int mant_bits, exp_bits, exp_min, exp_max;
    /* Ours, which the original reads as comments. */
    bool unsigned_layer_in, unsigned_layer_out, zero_params;
    int n_outputs, *fl_of_output; /* in place of fl_params, by output channel; or 0 and NULL */
    /* Names of formats in place of mant_bits and exp_bits; or "" */
    char minifloat_layer_in[RS_MINIFLOAT_NAME], minifloat_layer_out[RS_MINIFLOAT_NAME],
        minifloat_params[RS_MINIFLOAT_NAME];
} rs_quantization_param;

/* One learnable array of a layer. data has rs_shape_count elements; NULL until shapes are known.
 * Parameters with the same `name` are one: the first in the net owns the values, and the others point to them
 * (`shared`). */
typedef struct rs_param {
    rs_shape shape;
    float *data;
    float lr_mult, decay_mult;
    char *name;      /* param { name } in the prototxt; or NULL */
    bool permissive; /* share_mode PERMISSIVE: only the number of elements must be the owner's */
    bool shared;     /* data belongs to an earlier layer; set by rs_net_infer_shapes */
} rs_param;

typedef struct rs_layer {
    char *name;
    rs_layer_type type;
    rs_loc loc; /* where the layer is declared */
    int n_bottoms, n_tops;
    int *bottoms, *tops; /* indices into rs_net.blobs; some types may work in place: bottom == top */
    float loss_weight;
    union {
#define RS_LAYER_PARAM(type, field) type field;
#include "net/layer_types.def"
    };
    rs_quantization_param quantization;
    int n_params; /* most often 0, 1 (weights) or 2 (weights, bias) */
    rs_param params[RS_MAX_PARAMS];
} rs_layer;

#ifdef __cplusplus
}
#endif
#endif
