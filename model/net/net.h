/* A network: a graph of layers over named blobs, in topological order, with its parameters.
 *
 * Terms and meaning are Caffe's. Blobs are dense float arrays in NCHW order; parameters are in Caffe's order:
 * convolution weights [out_channels][in_channels / groups][kernel_h][kernel_w], inner product weights
 * [outputs][inputs], bias [outputs]. */
#ifndef RISTRETTO_NET_NET_H
#define RISTRETTO_NET_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/diag.h"
#include "base/memory.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { RS_MAX_AXES = 8, RS_MAX_PARAMS = 4 };

/* Elements of one blob or parameter, as in Caffe, whose counts are 32-bit. */
#define RS_MAX_ELEMENTS INT64_C(0x7fffffff)

/* n_axes dimensions, each >= 0. A blob's first axis is the batch. */
typedef struct rs_shape {
    int n_axes;
    int64_t dim[RS_MAX_AXES];
} rs_shape;

/* Number of elements from axis `from` on (from = 0: all of them); -1 if it does not fit 2^62. */
int64_t rs_shape_count(const rs_shape *shape, int from);
bool rs_shape_equal(const rs_shape *a, const rs_shape *b);
/* "64x1x28x28" into buffer, as much as fits; returns buffer. */
const char *rs_shape_text(const rs_shape *shape, char *buffer, size_t size);

typedef enum rs_layer_type {
    RS_LAYER_INPUT,         /* blobs given from outside: Input, Data, MemoryData, ImageData, old net-level inputs */
    RS_LAYER_CONVOLUTION,   /* also ConvolutionRistretto */
    RS_LAYER_INNER_PRODUCT, /* also FcRistretto */
    RS_LAYER_POOLING,
    RS_LAYER_RELU,
    RS_LAYER_SOFTMAX,
    RS_LAYER_SOFTMAX_LOSS,
    RS_LAYER_ACCURACY,
    RS_LAYER_DROPOUT,
    RS_LAYER_TYPES
} rs_layer_type;

/* The name in prototxt, such as "Convolution". */
const char *rs_layer_type_name(rs_layer_type type);

typedef enum rs_phase { RS_TRAIN, RS_TEST } rs_phase;

/* Initial values of a parameter (Caffe's FillerParameter). constant: value; uniform in [min, max); Gaussian of mean and
 * std; xavier: uniform in +-sqrt(3 / n); msra: Gaussian of std sqrt(2 / n), where n by variance_norm is the fan in
 * (elements / dim[0]), the fan out (elements / dim[1]) or their average. */
typedef enum rs_filler_type {
    RS_FILL_CONSTANT,
    RS_FILL_UNIFORM,
    RS_FILL_GAUSSIAN,
    RS_FILL_XAVIER,
    RS_FILL_MSRA
} rs_filler_type;
typedef enum rs_variance_norm { RS_NORM_FAN_IN, RS_NORM_FAN_OUT, RS_NORM_AVERAGE } rs_variance_norm;
typedef struct rs_filler {
    rs_filler_type type;
    rs_variance_norm variance_norm;
    float value, min, max, mean, std;
} rs_filler;

/* Output size along an axis: floor((in + 2 pad - (dilation (kernel - 1) + 1)) / stride) + 1. */
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

/* Caffe's output size: ceil((in + 2 pad - kernel) / stride) + 1, less one if the last window would start in the padding.
 * global: the kernel is the whole input; rs_net_infer_shapes sets kernel to the input's size, stride to 1, pad to 0. */
typedef struct rs_pooling_param {
    rs_pool_method method;
    bool global;
    int64_t kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w;
} rs_pooling_param;

/* What a data layer says of its source (path as written) and its transformation: value = (pixel - mean) * scale. */
typedef struct rs_data_param {
    char *source; /* or NULL */
    int64_t batch_size;
    float scale;
    int64_t crop_size;
    bool mirror;
    int n_mean;
    float mean[16];
} rs_data_param;

/* Ristretto's quantization_param (fields and meaning as in the original's caffe.proto), dynamic fixed point. */
typedef struct rs_quantization_param {
    bool present;
    int bw_layer_in, bw_layer_out, bw_params;
    int fl_layer_in, fl_layer_out, fl_params;
} rs_quantization_param;

/* One learnable array of a layer. data has rs_shape_count elements; NULL until shapes are known. */
typedef struct rs_param {
    rs_shape shape;
    float *data;
    float lr_mult, decay_mult;
} rs_param;

typedef struct rs_layer {
    char *name;
    rs_layer_type type;
    rs_loc loc; /* where the layer is declared */
    int n_bottoms, n_tops;
    int *bottoms, *tops; /* indices into rs_net.blobs; ReLU and Dropout may work in place: bottom == top */
    float loss_weight;
    union {
        rs_convolution_param convolution;
        rs_inner_product_param inner_product;
        rs_pooling_param pooling;
        rs_data_param data;
        float relu_slope;
        int accuracy_top_k;
        float dropout_ratio;
    };
    rs_quantization_param quantization;
    int n_params; /* 0, 1 (weights) or 2 (weights, bias) */
    rs_param params[RS_MAX_PARAMS];
} rs_layer;

typedef struct rs_blob {
    char *name;
    rs_shape shape; /* with the batch as declared; execution may use any batch */
} rs_blob;

typedef struct rs_net {
    char *name;
    char *path; /* the prototxt; rs_loc.file of all its layers */
    rs_phase phase;
    int n_layers, n_blobs;
    rs_layer *layers;
    rs_blob *blobs;
} rs_net;

void rs_net_free(rs_net *net);
/* Index of a layer or blob by name; -1 if there is none. */
int rs_net_layer(const rs_net *net, const char *name);
int rs_net_blob(const rs_net *net, const char *name);

/* Computes every blob's and parameter's shape from the input shapes, and allocates parameters that are not there yet
 * (zeros). `input` overrides the shape of the first input blob if not NULL (a net whose data layer has no shape of its
 * own needs it); the second top of a data layer (labels) has one element an image. Loss and accuracy are scalars
 * (n_axes 0). Errors are located at the layer: wrong number of bottoms, kernel larger than its input, inconsistent
 * parameter shape, more than RS_MAX_ELEMENTS in a blob or parameter. May be called again with another input. */
rs_status rs_net_infer_shapes(rs_net *net, const rs_shape *input, rs_diag *diag);

/* Fills the parameters from their fillers; the same seed gives the same values. */
rs_status rs_net_fill(rs_net *net, uint64_t seed, rs_diag *diag);

/* Output length of a convolution or (Caffe's ceil rule) pooling along one axis. Defined once, used by every engine. */
int64_t rs_convolution_output(int64_t in, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation);
int64_t rs_pooling_output(int64_t in, int64_t kernel, int64_t stride, int64_t pad);

/* The blob that holds the class scores (the bottom of the first softmax, loss or accuracy layer; else the last top),
 * and the first input blob; -1 if there is none. */
int rs_net_scores(const rs_net *net);
int rs_net_input(const rs_net *net);

#ifdef __cplusplus
}
#endif
#endif
