/* The table of commands and options. */
#include "cli/commands.h"

#define END          \
    {                \
        .name = NULL \
    }

/* Seeds and counts: what a double holds exactly. */
#define MOST 9007199254740991.0

const rs_option rs_common_options[] = {
    { .name = "help", .letter = 'h', .type = RS_OPTION_FLAG, .help = "show this help" },
    { .name = "json", .type = RS_OPTION_FLAG, .help = "print the result as JSON" },
    { .name = "quiet", .letter = 'q', .type = RS_OPTION_FLAG, .help = "print no result as text, and no progress" },
    { .name = "threads",
      .letter = 'j',
      .type = RS_OPTION_INT,
      .value = "N",
      .min = 0,
      .max = 1024,
      .fallback = "0",
      .help = "number of threads, 0: as many as there are processors; results do not depend on it" },
    END
};

#define MODEL                                                                                      \
    {                                                                                              \
        .name = "model", .letter = 'm', .type = RS_OPTION_FILE, .value = "FILE", .required = true, \
        .help = "Caffe prototxt or ONNX model of the network"                                      \
    }
#define WEIGHTS                                                                    \
    {                                                                              \
        .name = "weights", .letter = 'w', .type = RS_OPTION_FILE, .value = "FILE", \
        .help = "caffemodel, binary or HDF5; an ONNX model brings its own"         \
    }
#define DATA(is_required)                                                                                         \
    { .name = "data",                                                                                             \
      .letter = 'd',                                                                                              \
      .type = RS_OPTION_FILE,                                                                                     \
      .value = "PATH",                                                                                            \
      .required = is_required,                                                                                    \
      .help = "labelled images: IDX, CIFAR, NumPy or LMDB files, a list of JPEG and PNG files, or a folder "      \
              "(docs/user/data.md)" },                                                                            \
    {                                                                                                             \
        .name = "split", .type = RS_OPTION_CHOICE, .value = "WHICH", .choices = "test|train", .fallback = "test", \
        .help = "which files of a folder: for testing or for training"                                            \
    }
/* In place of what the data layer says; deploy files say nothing. */
#define TRANSFORM                                                                                    \
    { .name = "mean",                                                                                \
      .type = RS_OPTION_TEXT,                                                                        \
      .value = "V[,V...]",                                                                           \
      .help = "subtract these from the channels, in the order blue, green, red [as the net says]" }, \
        { .name = "mean-file",                                                                       \
          .type = RS_OPTION_FILE,                                                                    \
          .value = "FILE",                                                                           \
          .help = "subtract this mean image (binaryproto) [as the net says]" },                      \
        { .name = "scale",                                                                           \
          .type = RS_OPTION_REAL,                                                                    \
          .value = "X",                                                                              \
          .min = -1e9,                                                                               \
          .max = 1e9,                                                                                \
          .help = "multiply by this afterwards [as the net says]" },                                 \
        RESIZE,                                                                                      \
    {                                                                                                \
        .name = "crop", .type = RS_OPTION_INT, .value = "N", .min = 1, .max = 65535,                 \
        .help = "take N x N pixels, in the middle or, in training, anywhere [as the net says]"       \
    }
#define AUGMENT                                                                            \
    { .name = "mirror",                                                                    \
      .type = RS_OPTION_FLAG,                                                              \
      .help = "mirror every second image of the training, on average [as the net says]" }, \
    {                                                                                      \
        .name = "shuffle", .type = RS_OPTION_FLAG,                                         \
        .help = "train on the images in another order each epoch [as the net says]"        \
    }
#define RESIZE                                                                                  \
    { .name = "resize",                                                                         \
      .type = RS_OPTION_TEXT,                                                                   \
      .value = "HxW",                                                                           \
      .help = "resize images to H rows of W pixels first, such as 256x256 [as the net says]" }, \
    {                                                                                           \
        .name = "gray", .type = RS_OPTION_FLAG, .help = "read color images as gray"             \
    }
#define IMAGES(text)                                                                                 \
    { .name = "first",                                                                               \
      .type = RS_OPTION_INT,                                                                         \
      .value = "N",                                                                                  \
      .min = 0,                                                                                      \
      .max = MOST,                                                                                   \
      .fallback = "0",                                                                               \
      .help = "first image" },                                                                       \
    {                                                                                                \
        .name = "images", .letter = 'n', .type = RS_OPTION_INT, .value = "N", .min = 1, .max = MOST, \
        .help = text " [all from the first on]"                                                      \
    }
#define OUT(text)                                                                                                 \
    {                                                                                                             \
        .name = "out", .letter = 'o', .type = RS_OPTION_FOLDER, .value = "FOLDER", .required = true, .help = text \
    }
#define REPORT                                                                                   \
    {                                                                                            \
        .name = "report", .type = RS_OPTION_FILE, .value = "FILE",                               \
        .help = "put the result into this report.json as well, which is made if it is not there" \
    }
#define QNET QNET_OF(true)
#define QNET_OF(is_required)                                                                  \
    {                                                                                         \
        .name = "qnet", .type = RS_OPTION_FOLDER, .value = "FOLDER", .required = is_required, \
        .help = "quantized network, as 'ristretto quantize' writes it"                        \
    }
#define ARRAY ARRAY_OF(true)
#define ARRAY_OF(is_required)                                                          \
    { .name = "array",                                                                 \
      .letter = 'a',                                                                   \
      .type = RS_OPTION_FILE,                                                          \
      .value = "FILE",                                                                 \
      .required = is_required,                                                         \
      .help = "YAML file of the array; 'ristretto help array' lists its keys" },       \
    {                                                                                  \
        .name = "set", .type = RS_OPTION_TEXT, .value = "KEY=VALUE", .repeated = true, \
        .help = "set a key of the array's file, such as array.lanes=8"                 \
    }

#define STATE                                                                                             \
    { .name = "phase",                                                                                    \
      .type = RS_OPTION_CHOICE,                                                                           \
      .value = "PHASE",                                                                                   \
      .choices = "test|train",                                                                            \
      .fallback = "test",                                                                                 \
      .help = "phase whose layers are meant (include and exclude rules)" },                               \
        { .name = "stage",                                                                                \
          .type = RS_OPTION_TEXT,                                                                         \
          .value = "NAME",                                                                                \
          .repeated = true,                                                                               \
          .help = "a stage that is on, for include and exclude rules" },                                  \
        { .name = "level",                                                                                \
          .type = RS_OPTION_INT,                                                                          \
          .value = "N",                                                                                   \
          .min = -1000000,                                                                                \
          .max = 1000000,                                                                                 \
          .fallback = "0",                                                                                \
          .help = "level, for rules with min_level and max_level" },                                      \
    {                                                                                                     \
        .name = "input", .type = RS_OPTION_TEXT, .value = "SHAPE",                                        \
        .help = "shape of the input, CHANNELSxHEIGHTxWIDTH or with the batch in front [as the file says]" \
    }

static const rs_option summary_options[] = { STATE, END };

static const rs_option convert_options[] = {
    WEIGHTS,
    { .name = "prototxt", .type = RS_OPTION_FILE, .value = "FILE", .help = "write the description of the network" },
    { .name = "caffemodel", .type = RS_OPTION_FILE, .value = "FILE", .help = "write the weights" },
    { .name = "onnx",
      .type = RS_OPTION_FILE,
      .value = "FILE",
      .help = "write both as an ONNX model (operator set 13)" },
    STATE,
    END
};

static const rs_option forward_options[] = {
    WEIGHTS,
    { .name = "data",
      .letter = 'd',
      .type = RS_OPTION_FILE,
      .value = "FILE",
      .required = true,
      .help = "NumPy array (.npy) of the inputs, as the network takes them: N x channels x height x width" },
    { .name = "blob",
      .type = RS_OPTION_TEXT,
      .value = "NAME",
      .help = "the values to write [the scores before a last softmax]" },
    { .name = "out",
      .letter = 'o',
      .type = RS_OPTION_FILE,
      .value = "FILE",
      .required = true,
      .help = "NumPy array to write, float32" },
    END
};
static const rs_option network_places[] = {
    { .name = "NET", .type = RS_OPTION_FILE, .required = true, .help = "Caffe prototxt or ONNX model" }, END
};

static const rs_option train_options[] = {
    { .name = "solver", .type = RS_OPTION_FILE, .value = "FILE", .required = true, .help = "Caffe solver file" },
    { .name = "data",
      .letter = 'd',
      .type = RS_OPTION_FOLDER,
      .value = "PATH",
      .help = "labelled images, in place of those that the prototxt names" },
    TRANSFORM,
    AUGMENT,
    { .name = "out",
      .letter = 'o',
      .type = RS_OPTION_FILE,
      .value = "PREFIX",
      .help = "prefix of snapshots, in place of the solver's" },
    { .name = "weights",
      .letter = 'w',
      .type = RS_OPTION_FILE,
      .value = "FILE",
      .help = "start from these weights: a caffemodel or ONNX model" },
    { .name = "resume", .type = RS_OPTION_FILE, .value = "FILE", .help = "go on from this solverstate" },
    { .name = "iterations",
      .type = RS_OPTION_INT,
      .value = "N",
      .min = 1,
      .max = MOST,
      .help = "train this many iterations, in place of the solver's max_iter" },
    { .name = "seed",
      .type = RS_OPTION_INT,
      .value = "N",
      .min = 0,
      .max = MOST,
      .fallback = "1",
      .help = "seed of the initial weights, unless the solver file has one" },
    END
};

static const rs_option test_options[] = { MODEL,
                                          WEIGHTS,
                                          DATA(true),
                                          TRANSFORM,
                                          IMAGES("number of images to score"),
                                          { .name = "top",
                                            .type = RS_OPTION_INT,
                                            .value = "K",
                                            .min = 1,
                                            .max = 1000,
                                            .fallback = "1",
                                            .help = "an image is right if its label is among the best K" },
                                          REPORT,
                                          END };

/* How numbers become formats, where a net is quantized or tuned: rules.c reads them. */
#define RULES                                                                                                          \
    { .name = "channel-weights",                                                                                       \
      .type = RS_OPTION_FLAG,                                                                                          \
      .help = "the weights of each output channel have a fractional length of their own" },                            \
        { .name = "scores",                                                                                            \
          .type = RS_OPTION_CHOICE,                                                                                    \
          .value = "WIDTH",                                                                                            \
          .choices = "format|accumulator",                                                                             \
          .fallback = "format",                                                                                        \
          .help = "class scores in the format of a layer output, or as wide as the last accumulator" },                \
        { .name = "weight-range",                                                                                      \
          .type = RS_OPTION_CHOICE,                                                                                    \
          .value = "RULE",                                                                                             \
          .choices = "max|percentile|squared_error",                                                                   \
          .fallback = "max",                                                                                           \
          .help = "how the integer lengths of weights in dynamic fixed point are found" },                             \
        { .name = "activation-range",                                                                                  \
          .type = RS_OPTION_CHOICE,                                                                                    \
          .value = "RULE",                                                                                             \
          .choices = "max|percentile|squared_error",                                                                   \
          .fallback = "max",                                                                                           \
          .help = "the same of layer outputs" },                                                                       \
        { .name = "percentile",                                                                                        \
          .type = RS_OPTION_REAL,                                                                                      \
          .value = "PERCENT",                                                                                          \
          .min = 0.001,                                                                                                \
          .max = 100,                                                                                                  \
          .fallback = "99.99",                                                                                         \
          .help = "share of the magnitudes that percentile ranges hold" },                                             \
        { .name = "minifloat",                                                                                         \
          .type = RS_OPTION_TEXT,                                                                                      \
          .value = "FORMAT",                                                                                           \
          .help = "e4m3, e5m2, e3m2, e2m3, e2m1, bfloat16, binary16 or E:K (the original's, E exponent and K "         \
                  "mantissa bits) [by the widths]" },                                                                  \
        { .name = "minifloat-weights",                                                                                 \
          .type = RS_OPTION_TEXT,                                                                                      \
          .value = "FORMAT",                                                                                           \
          .help = "that of weights, if it is another one" },                                                           \
        { .name = "exponent-bits",                                                                                     \
          .type = RS_OPTION_INT,                                                                                       \
          .value = "N",                                                                                                \
          .min = 0,                                                                                                    \
          .max = 8,                                                                                                    \
          .fallback = "0",                                                                                             \
          .help = "of minifloats that no name gives; 0: what the ranges need, at least 4" },                           \
        { .name = "exponents",                                                                                         \
          .type = RS_OPTION_TEXT,                                                                                      \
          .value = "FIRST:LAST",                                                                                       \
          .fallback = "-8:-1",                                                                                         \
          .help = "exponents of weights that are powers of two" },                                                     \
        { .name = "exponents-by-layer",                                                                                \
          .type = RS_OPTION_FLAG,                                                                                      \
          .help = "as many exponents, ending at that of each layer's largest weight" },                                \
        { .name = "zero-code", .type = RS_OPTION_FLAG, .help = "weights that are powers of two can be zero as well" }, \
    {                                                                                                                  \
        .name = "bias-format", .type = RS_OPTION_CHOICE, .value = "RULE", .choices = "accumulator|weights",            \
        .fallback = "accumulator",                                                                                     \
        .help = "biases as fine as the accumulator, or in the weights' format as in the original Ristretto"            \
    }

static const rs_option quantize_options[] = {
    MODEL,
    WEIGHTS,
    DATA(false),
    TRANSFORM,
    { .name = "out",
      .letter = 'o',
      .type = RS_OPTION_FOLDER,
      .value = "FOLDER",
      .help = "writes quantized.prototxt, qnet/ and quantize.json here [--model-quantized without its suffix]" },
    { .name = "scheme",
      .type = RS_OPTION_CHOICE,
      .value = "SCHEME",
      .choices = "dynamic|static|minifloat|power-of-two",
      .help = "kind of numbers: dynamic or static fixed point, minifloat, weights that are powers of two [dynamic]" },
    { .name = "error-margin",
      .letter = 'e',
      .type = RS_OPTION_REAL,
      .value = "POINTS",
      .min = 0,
      .max = 100,
      .fallback = "1",
      .help = "accuracy that may be lost, in percentage points" },
    { .name = "calibration-data",
      .type = RS_OPTION_FILE,
      .value = "PATH",
      .help = "choose formats on these labelled images (the training half of a folder), and score --data at the end "
              "alone [--data]" },
    { .name = "calibration",
      .type = RS_OPTION_TEXT,
      .value = "FIRST:COUNT",
      .help = "images of --calibration-data whose activations give the ranges [all]" },
    { .name = "search",
      .type = RS_OPTION_TEXT,
      .value = "FIRST:COUNT",
      .help = "images of --calibration-data that score a trial [all]" },
    { .name = "test",
      .type = RS_OPTION_TEXT,
      .value = "FIRST:COUNT",
      .help = "images that the search does not see, scored at the end [all]" },
    { .name = "min-bits",
      .type = RS_OPTION_INT,
      .value = "N",
      .min = 1,
      .max = 16,
      .fallback = "1",
      .help = "smallest width tried" },
    { .name = "max-bits",
      .type = RS_OPTION_INT,
      .value = "N",
      .min = 1,
      .max = 16,
      .fallback = "16",
      .help = "largest width tried" },
    { .name = "convolution-bits",
      .type = RS_OPTION_INT,
      .value = "N",
      .min = 0,
      .max = 16,
      .fallback = "0",
      .help = "width of convolution weights; 0: searched" },
    { .name = "inner-product-bits",
      .type = RS_OPTION_INT,
      .value = "N",
      .min = 0,
      .max = 16,
      .fallback = "0",
      .help = "width of fully connected weights; 0: searched" },
    { .name = "activation-bits",
      .type = RS_OPTION_INT,
      .value = "N",
      .min = 0,
      .max = 16,
      .fallback = "0",
      .help = "width of layer outputs; 0: searched" },
    { .name = "formats",
      .type = RS_OPTION_CHOICE,
      .value = "WHOSE",
      .choices = "search|model",
      .fallback = "search",
      .help = "search formats, or take those of a quantized ONNX model (QDQ) whose scales are powers of two" },
    { .name = "rounding",
      .type = RS_OPTION_CHOICE,
      .value = "MODE",
      .choices = "nearest|nearest_even|nearest_up|truncate",
      .help = "rounding of requantize [nearest; minifloat and --formats model: nearest_even]" },
    { .name = "unsigned",
      .type = RS_OPTION_FLAG,
      .help = "layer outputs behind a ReLU, and bytes without a mean, are unsigned, with one more fractional bit" },
    { .name = "weight-rounding",
      .type = RS_OPTION_CHOICE,
      .value = "HOW",
      .choices = "nearest|adaptive",
      .fallback = "nearest",
      .help = "each weight to its nearest number, or so that the layer's outputs on calibration images stay near "
              "(docs/user/quantizer.md)" },
    { .name = "refine",
      .type = RS_OPTION_INT,
      .value = "N",
      .min = 0,
      .max = MOST,
      .fallback = "0",
      .help = "calibration images on which the fractional lengths of a combination and the place of the scores are "
              "improved; 0: not" },
    RULES,
    { .name = "bias-correction",
      .type = RS_OPTION_FLAG,
      .help = "take the mean error that rounded weights make out of the biases" },
    { .name = "pareto",
      .type = RS_OPTION_CHOICE,
      .value = "COST",
      .choices = "bits|area|energy",
      .help = "widths layer by layer: from --max-bits on, bits are taken away where they matter least for what they "
              "cost; a table of accuracy against cost" },
    { .name = "budget",
      .type = RS_OPTION_REAL,
      .value = "X",
      .min = 0,
      .max = 1e30,
      .fallback = "0",
      .help = "with --pareto: what the network may cost, in bits, square micrometres or picojoules; 0: the least that "
              "keeps the error margin" },
    { .name = "technology",
      .letter = 't',
      .type = RS_OPTION_FILE,
      .value = "FILE",
      .help = "YAML file of the technology, for --pareto area and energy" },
    { .name = "compat",
      .type = RS_OPTION_CHOICE,
      .value = "PROGRAM",
      .choices = "none|ristretto",
      .fallback = "none",
      .help = "follow the rules of the original Ristretto: docs/user/quantizer.md" },
    { .name = "model-quantized",
      .type = RS_OPTION_FILE,
      .value = "FILE",
      .help = "also writes the quantized prototxt here (the original's option)" },
    { .name = "trimming-mode",
      .type = RS_OPTION_CHOICE,
      .value = "MODE",
      .choices = "dynamic_fixed_point|minifloat|integer_power_of_2_weights",
      .help = "the original's name of --scheme" },
    { .name = "iterations",
      .type = RS_OPTION_INT,
      .value = "N",
      .min = 1,
      .max = MOST,
      .help = "calibrate and score on the first N batches of the prototxt's batch size (the original's option)" },
    REPORT,
    END
};

static const rs_option finetune_options[] = {
    { .name = "solver",
      .type = RS_OPTION_FILE,
      .value = "FILE",
      .required = true,
      .help = "Caffe solver file that the net was trained with: its net, batch size and last learning rate" },
    { .name = "weights",
      .letter = 'w',
      .type = RS_OPTION_FILE,
      .value = "FILE",
      .help = "caffemodel or ONNX model of the trained net [an ONNX model's own]" },
    { .name = "resume",
      .type = RS_OPTION_FILE,
      .value = "FILE",
      .help = "go on from this solverstate of a fine-tuning with the same options" },
    OUT("writes tuned.caffemodel, qnet/, quantized.prototxt, finetune.json and snapshots here"),
    { .name = "data",
      .letter = 'd',
      .type = RS_OPTION_FOLDER,
      .value = "PATH",
      .help = "labelled images, in place of those that the prototxt names" },
    TRANSFORM,
    AUGMENT,
    { .name = "validation",
      .type = RS_OPTION_FILE,
      .value = "PATH",
      .help = "validate on this data set (its training half) [held out of the training set]" },
    { .name = "validation-images",
      .type = RS_OPTION_TEXT,
      .value = "FIRST:COUNT",
      .help =
          "images of --validation [all]; without it, 0:COUNT holds the last COUNT images out of training [a tenth]" },
    { .name = "test",
      .type = RS_OPTION_FILE,
      .value = "PATH",
      .help = "labelled images to score at the end [those of the solver's test net]" },
    { .name = "no-test", .type = RS_OPTION_FLAG, .help = "score no test images" },
    { .name = "scheme",
      .type = RS_OPTION_CHOICE,
      .value = "SCHEME",
      .choices = "dynamic|minifloat|power-of-two",
      .fallback = "dynamic",
      .help = "kind of numbers: dynamic fixed point, minifloat, or weights that are powers of two with layer outputs "
              "in dynamic fixed point" },
    RULES,
    { .name = "activation-bits",
      .type = RS_OPTION_INT,
      .value = "N",
      .min = 0,
      .max = 16,
      .fallback = "8",
      .help = "width of layer outputs; 0: float" },
    { .name = "convolution-bits",
      .type = RS_OPTION_INT,
      .value = "N",
      .min = 0,
      .max = 16,
      .fallback = "8",
      .help = "width of convolution weights; 0: float" },
    { .name = "inner-product-bits",
      .type = RS_OPTION_INT,
      .value = "N",
      .min = 0,
      .max = 16,
      .fallback = "8",
      .help = "width of fully connected weights; 0: float" },
    { .name = "calibration",
      .type = RS_OPTION_INT,
      .value = "N",
      .min = 0,
      .max = MOST,
      .fallback = "5000",
      .help = "training images whose activations give the ranges; 0: all" },
    { .name = "refine",
      .type = RS_OPTION_INT,
      .value = "N",
      .min = 0,
      .max = MOST,
      .fallback = "0",
      .help = "validation images on which fractional lengths and the place of the scores are improved before training; "
              "0: they follow from the ranges" },
    { .name = "unsigned",
      .type = RS_OPTION_FLAG,
      .help = "layer outputs behind a ReLU are unsigned, with one more fractional bit" },
    { .name = "activations",
      .type = RS_OPTION_CHOICE,
      .value = "HOW",
      .choices = "float|quantized",
      .fallback = "float",
      .help = "in training: float as in the paper, or quantized with a straight-through estimator" },
    { .name = "weight-rounding",
      .type = RS_OPTION_CHOICE,
      .value = "MODE",
      .choices = "stochastic|nearest",
      .fallback = "stochastic",
      .help = "of the shadow weights, for each batch" },
    { .name = "learn-steps",
      .type = RS_OPTION_FLAG,
      .help = "learn the fractional lengths, over the first half of the iterations" },
    { .name = "gradual",
      .type = RS_OPTION_INT,
      .value = "N",
      .min = 0,
      .max = 15,
      .fallback = "0",
      .help = "begin N bits wider and lose a bit at a time, over the first half of the iterations" },
    { .name = "learning-rate",
      .type = RS_OPTION_REAL,
      .value = "RATE",
      .min = 0,
      .max = 1,
      .fallback = "0",
      .help = "of Adam; 0: a tenth of that of the solver's last iteration" },
    { .name = "schedule",
      .type = RS_OPTION_CHOICE,
      .value = "WHICH",
      .choices = "fixed|linear",
      .fallback = "fixed",
      .help = "the learning rate stays, or falls to zero" },
    { .name = "weight-decay",
      .type = RS_OPTION_REAL,
      .value = "RATE",
      .min = 0,
      .max = 1,
      .fallback = "0",
      .help = "of the shadow weights" },
    { .name = "keep",
      .type = RS_OPTION_CHOICE,
      .value = "WHICH",
      .choices = "best|last",
      .fallback = "best",
      .help = "the result: the weights with the most hits in a validation, or the last ones" },
    { .name = "iterations",
      .type = RS_OPTION_INT,
      .value = "N",
      .min = 0,
      .max = MOST,
      .fallback = "5000",
      .help = "batches to train on; 0: formats are chosen and scored, nothing is trained" },
    { .name = "validate-every",
      .type = RS_OPTION_INT,
      .value = "N",
      .min = 1,
      .max = MOST,
      .fallback = "500",
      .help = "iterations between validations" },
    { .name = "snapshot-every",
      .type = RS_OPTION_INT,
      .value = "N",
      .min = 0,
      .max = MOST,
      .fallback = "1000",
      .help = "iterations between snapshots; 0: only the last" },
    { .name = "seed",
      .type = RS_OPTION_INT,
      .value = "N",
      .min = 0,
      .max = MOST,
      .fallback = "1",
      .help = "seed of stochastic rounding" },
    REPORT,
    END
};

static const rs_option simulate_options[] = {
    QNET,
    ARRAY,
    DATA(false),
    RESIZE,
    IMAGES("number of images to run through the array model"),
    { .name = "timeline",
      .type = RS_OPTION_FILE,
      .value = "FILE",
      .help = "draw what loader, sequencer and storer do, and what they wait for: a picture (.svg), or a trace for "
              "Chrome or Perfetto (.json)" },
    REPORT,
    END
};

static const rs_option cosim_options[] = {
    QNET_OF(false),
    ARRAY_OF(false),
    DATA(false),
    RESIZE,
    IMAGES("number of images to run"),
    { .name = "dut",
      .type = RS_OPTION_FILE,
      .value = "FILE",
      .help = "try a multiply-accumulate unit that is not ours: YAML file of its adapter; 'ristretto help adapter' "
              "lists its keys" },
    { .name = "layer",
      .type = RS_OPTION_TEXT,
      .value = "NAME",
      .help = "with --dut: operands of this layer only [all layers with weights]" },
    { .name = "vectors",
      .type = RS_OPTION_INT,
      .value = "N",
      .min = 0,
      .max = MOST,
      .fallback = "200",
      .help = "with --dut: output values of each layer and image; 0: all of them" },
    { .name = "random",
      .type = RS_OPTION_INT,
      .value = "N",
      .min = 0,
      .max = 10000000,
      .fallback = "1000",
      .help = "with --dut: random sums" },
    { .name = "seed",
      .type = RS_OPTION_INT,
      .value = "N",
      .min = 0,
      .max = MOST,
      .fallback = "1",
      .help = "seed of the values that RTL registers without a reset wake up with, and of random operands" },
    { .name = "trace",
      .type = RS_OPTION_FILE,
      .value = "FILE",
      .help = "write a waveform (FST) of the first image, and beside it a save file for GTKWave with the signals "
              "grouped by unit" },
    { .name = "trace-from",
      .type = RS_OPTION_INT,
      .value = "CYCLE",
      .min = 0,
      .max = MOST,
      .fallback = "0",
      .help = "first cycle in the waveform" },
    { .name = "trace-to",
      .type = RS_OPTION_INT,
      .value = "CYCLE",
      .min = 0,
      .max = MOST,
      .fallback = "9999",
      .help = "last cycle in it" },
    { .name = "wave",
      .type = RS_OPTION_FILE,
      .value = "FILE",
      .help = "on a mismatch, write a waveform (FST) of the cycles around it" },
    { .name = "plant",
      .type = RS_OPTION_CHOICE,
      .value = "FAULT",
      .choices = "flip|late|drop|duplicate",
      .help = "plant a fault in one output beat of the RTL, to see it caught" },
    { .name = "plant-beat",
      .type = RS_OPTION_INT,
      .value = "N",
      .min = 0,
      .max = MOST,
      .fallback = "100",
      .help = "the output beat of the fault" },
    REPORT,
    END
};

static const rs_option estimate_options[] = {
    QNET,
    ARRAY,
    { .name = "technology",
      .letter = 't',
      .type = RS_OPTION_FILE,
      .value = "FILE",
      .required = true,
      .help = "YAML file of the technology; 'ristretto help technology' lists its keys" },
    REPORT,
    END
};

static const rs_option export_options[] = {
    QNET,
    ARRAY,
    OUT("writes a ROM a layer and lane, and a JSON a layer, here"),
    { .name = "format",
      .letter = 'f',
      .type = RS_OPTION_CHOICE,
      .value = "FORM",
      .choices = "memh|coe|mif|ihex|c|npy",
      .fallback = "memh",
      .help = "words for $readmemh, Xilinx .coe, Intel .mif, Intel HEX, a C header, NumPy" },
    REPORT,
    END
};

static const rs_option data_options[] = {
    { .name = "split",
      .type = RS_OPTION_CHOICE,
      .value = "WHICH",
      .choices = "test|train",
      .fallback = "test",
      .help = "which files of a folder: for testing or for training" },
    { .name = "format",
      .letter = 'f',
      .type = RS_OPTION_CHOICE,
      .value = "FORM",
      .choices = "idx|lmdb|npy",
      .fallback = "lmdb",
      .help = "what convert writes: a Caffe database (a folder), or a pair of files whose names begin with OUT" },
    RESIZE,
    { .name = "crop",
      .type = RS_OPTION_INT,
      .value = "N",
      .min = 1,
      .max = 65535,
      .help = "take the N x N pixels in the middle" },
    END
};
static const rs_option data_places[] = {
    { .name = "ACTION",
      .type = RS_OPTION_CHOICE,
      .required = true,
      .choices = "info|convert|mean",
      .help = "what to do: info, convert or mean" },
    { .name = "PATH",
      .type = RS_OPTION_FILE,
      .required = true,
      .help = "labelled images: IDX, CIFAR, NumPy or LMDB files, a list of JPEG and PNG files, or a folder" },
    { .name = "OUT", .type = RS_OPTION_FILE, .help = "what convert and mean write" },
    END
};

static const rs_option report_options[] = { { .name = "html",
                                              .type = RS_OPTION_FILE,
                                              .value = "FILE",
                                              .help = "write one self-contained HTML file with plots" },
                                            { .name = "csv",
                                              .type = RS_OPTION_FILE,
                                              .value = "FILE",
                                              .help = "write every number as section,row,column,value" },
                                            END };
static const rs_option report_places[] = {
    { .name = "FILE", .type = RS_OPTION_FILE, .required = true, .help = "report.json" }, END
};

static const rs_option run_options[] = { { .name = "set",
                                           .type = RS_OPTION_TEXT,
                                           .value = "KEY=VALUE",
                                           .repeated = true,
                                           .help = "set a key of the file, such as quantize.error_margin=0.5" },
                                         END };
static const rs_option run_places[] = { { .name = "FILE",
                                          .type = RS_OPTION_FILE,
                                          .required = true,
                                          .help = "YAML file of the run; 'ristretto help run-file' lists its keys" },
                                        END };

static const rs_option help_options[] = { { .name = "format",
                                            .type = RS_OPTION_CHOICE,
                                            .value = "FORM",
                                            .choices = "text|man|bash|markdown|names",
                                            .fallback = "text",
                                            .help = "as text, as a man page, as Markdown (files); without a topic, "
                                                    "also as a completion script for bash, or only the names" },
                                          END };
static const rs_option help_places[] = {
    { .name = "TOPIC", .type = RS_OPTION_TEXT, .help = "a command, or a file: array, adapter, technology, run-file" },
    END
};

#define LIST(...)         \
    (const char *const[]) \
    {                     \
        __VA_ARGS__, NULL \
    }

const rs_command rs_commands[] = {
    { .name = "summary",
      .summary = "list a network's layers, shapes, parameters and multiply-accumulates",
      .description = "Prints for each layer its type, the shape of its output, learnt parameters, multiply-accumulates "
                     "of one image (of convolutions "
                     "and inner products), and the bytes that parameters and the outputs of one image take as 32-bit "
                     "floats; then the totals.",
      .options = summary_options,
      .places = network_places,
      .run = rs_command_summary,
      .examples = LIST(
          "ristretto summary model/zoo/lenet/lenet.prototxt",
          "ristretto summary model/zoo/googlenet/train_val.prototxt --phase train --input 3x224x224 --json") },
    { .name = "convert",
      .summary = "write a network as prototxt and caffemodel, or as ONNX",
      .description = "Reads a network in any form - prototxt and caffemodel of any age, also in HDF5, or ONNX - and "
                     "writes it in the present forms, as "
                     "it is used: data layers become inputs; losses and accuracy, which need labels, are left out. "
                     "Read back, it gives the same "
                     "scores, bit for bit. docs/user/networks.md says what can be read and written.",
      .options = convert_options,
      .places = network_places,
      .run = rs_command_convert,
      .examples = LIST("ristretto convert net.onnx --prototxt net.prototxt --caffemodel net.caffemodel",
                       "ristretto convert model/zoo/lenet/lenet.prototxt --weights model/zoo/lenet/lenet.caffemodel "
                       "--onnx lenet.onnx") },
    { .name = "forward",
      .summary = "run a float network on a NumPy array and write what one of its layers gives",
      .description = "The values of the array go into the network as they are, without any transformation; the batch "
                     "is the array's. This is how "
                     "scores can be compared with other programs'.",
      .options = forward_options,
      .places = network_places,
      .run = rs_command_forward,
      .examples = LIST("ristretto forward net.onnx --data images.npy --out scores.npy",
                       "ristretto forward model/zoo/lenet/lenet.prototxt --weights model/zoo/lenet/lenet.caffemodel "
                       "--data digits.npy --blob ip1 "
                       "--out ip1.npy") },
    { .name = "train",
      .summary = "train a network by Caffe's solver file",
      .description =
          "Trains the network that the solver file names, tests it at the intervals given there, and writes snapshots "
          "(PREFIX_iter_N.caffemodel and .solverstate). The same seed gives the same weights on any number of "
          "threads.\n\n"
          "Ctrl-C writes a snapshot and ends with status 130; --resume goes on from it, to the same weights as without "
          "the interruption.",
      .options = train_options,
      .run = rs_command_train,
      .examples = LIST("ristretto train --solver model/zoo/lenet/lenet_solver.prototxt --out build/lenet") },
    { .name = "test",
      .summary = "score a float network on labelled images",
      .description = "Runs the network in float and counts the images whose label has the highest score, and, for more "
                     "than five classes, those "
                     "whose label is among the best five. A tie with another class is wrong, as in Caffe.\n\n"
                     "Images are transformed as the data layer says; --mean and the like say it for a net that has "
                     "none (a deploy file). Images that are "
                     "larger than the input of such a net are cropped to it.",
      .options = test_options,
      .run = rs_command_test,
      .examples = LIST("ristretto test --model model/zoo/lenet/lenet_train_test.prototxt --weights "
                       "model/zoo/lenet/lenet.caffemodel --data model/zoo/lenet/digits") },
    { .name = "quantize",
      .summary = "find the smallest number formats within an error margin",
      .description = "Measures the ranges of weights and activations, then finds for each of three groups - "
                     "convolution weights, fully connected "
                     "weights, layer outputs - the smallest width that keeps the accuracy within the margin while the "
                     "rest stays in float, then all "
                     "together, widened again if the combination misses the margin. The accuracy printed at the end is "
                     "that of the integers.\n\n"
                     "Writes into --out: quantized.prototxt (with the original Ristretto's quantization_param), qnet/ "
                     "(the exact integers) and "
                     "quantize.json. An interrupted search is resumed by the same command.",
      .options = quantize_options,
      .run = rs_command_quantize,
      .examples = LIST("ristretto quantize --model model/zoo/lenet/lenet_train_test.prototxt --weights "
                       "model/zoo/lenet/lenet.caffemodel --data "
                       "model/zoo/lenet/digits --calibration 0:1000 --search 0:1000 --test 1000:1000 --error-margin 1 "
                       "--out build/lenet") },
    { .name = "finetune",
      .summary = "train the weights of a quantized network to their widths",
      .description = "Fine-tuning with shadow weights: float weights are rounded for each batch, stochastically, the "
                     "gradient of the rounded net updates "
                     "the float weights (Adam), and the integers are validated with the exact engine. The weights with "
                     "the most hits are kept.\n\n"
                     "Writes into --out: tuned.caffemodel (the best shadow weights), qnet/ (their integers), "
                     "quantized.prototxt, finetune.json, and "
                     "snapshots finetune_iter_N.*, from which --resume goes on to the same weights as without the "
                     "interruption. Ctrl-C writes one.",
      .options = finetune_options,
      .run = rs_command_finetune,
      .examples = LIST("ristretto finetune --solver model/zoo/lenet/lenet_solver.prototxt --weights "
                       "model/zoo/lenet/lenet.caffemodel --activation-bits 4 "
                       "--convolution-bits 4 --inner-product-bits 4 --out build/lenet_444") },
    { .name = "simulate",
      .summary = "run a quantized network on the array model: cycles, utilisation, traffic",
      .description = "Compiles the network for the array and counts cycles, stalls and traffic layer by layer. With "
                     "--data it also computes: the "
                     "images go through the array model bit by bit, and every score is compared with the exact "
                     "engine's (status 1 if one differs).",
      .options = simulate_options,
      .run = rs_command_simulate,
      .examples = LIST(
          "ristretto simulate --qnet build/lenet/qnet --array configs/arrays/lenet.yaml",
          "ristretto simulate --qnet build/lenet/qnet --array configs/arrays/lenet.yaml --set array.lanes=8 --json",
          "ristretto simulate --qnet build/lenet/qnet --array configs/arrays/lenet.yaml --timeline "
          "build/lenet/timeline.svg") },
    { .name = "cosim",
      .summary = "run images through the Verilated RTL in lockstep with the array model",
      .description =
          "Builds the RTL of the array with Verilator (once; the build is kept in a cache), runs whole "
          "images through it and through the C "
          "model side by side, and compares every read, every output beat, every write, and the cycle of "
          "each. It stops at the first "
          "difference, shows what differs where and how to run it again, and ends with status 1.\n\n"
          "With --dut it tries a unit that is not ours instead, a multiplier with an accumulator or a dot "
          "product in Verilog, of which a small "
          "adapter file says what its ports mean (docs/user/foreign-rtl.md): corner cases, random sums, and, "
          "with --qnet and --data, the operands "
          "of a network's layers. Every sum is compared, and every rounded output if the unit has one.",
      .options = cosim_options,
      .run = rs_command_cosim,
      .examples = LIST("ristretto cosim --qnet build/lenet/qnet --array configs/arrays/lenet.yaml --data "
                       "model/zoo/lenet/digits --images 100",
                       "ristretto cosim --dut configs/units/serial-mac.yaml") },
    { .name = "estimate",
      .summary = "area of the array, energy of the network on it, against 32-bit float",
      .description =
          "Multiplies what the array model counts - operations, bits moved in each memory, register bits "
          "clocked - with the numbers of a "
          "technology, each of which names its source. docs/reference/area-and-energy.md gives the formulas.",
      .options = estimate_options,
      .run = rs_command_estimate,
      .examples = LIST("ristretto estimate --qnet build/lenet/qnet --array configs/arrays/lenet.yaml --technology "
                       "configs/technologies/horowitz-45nm.yaml") },
    { .name = "export",
      .summary = "write the integers as ROMs for the array's weight buffers",
      .description = "Writes for every layer with weights and every lane a ROM with its weights, in the order in which "
                     "the array takes them, and one "
                     "with its biases; a JSON beside them says what they hold. memh and npy files are read back and "
                     "compared. docs/reference/formats.md "
                     "describes the files.",
      .options = export_options,
      .run = rs_command_export,
      .examples = LIST(
          "ristretto export --qnet build/lenet/qnet --array configs/arrays/lenet.yaml --out build/lenet/roms") },
    { .name = "data",
      .summary = "look at a data set, convert it, compute its mean image",
      .description = "info: number and size of images, labels. convert: writes them in another format, as bytes; "
                     "resized, cropped or as gray if the options "
                     "say so. mean: writes the mean of each pixel (Caffe's compute_image_mean: mean.binaryproto), and "
                     "prints that of each channel.\n\n"
                     "docs/user/data.md describes the formats.",
      .options = data_options,
      .places = data_places,
      .run = rs_command_data,
      .examples = LIST("ristretto data info cifar10",
                       "ristretto data mean cifar10 build/mean.binaryproto --split train",
                       "ristretto data convert photos/labels.txt build/photos_lmdb --resize 256x256") },
    { .name = "report",
      .summary = "show a report as text, CSV or HTML",
      .description = "Reads a report.json, to which the commands add their results with --report, and prints it; or "
                     "writes it in another form.",
      .options = report_options,
      .places = report_places,
      .run = rs_command_report,
      .examples = LIST("ristretto report build/lenet/report.json --html build/lenet/report.html") },
    { .name = "run",
      .summary = "do everything that a YAML file lists",
      .description = "Scores the float network, searches the formats, simulates the array, co-simulates the RTL, "
                     "estimates area and energy, exports "
                     "ROMs and writes the report, as far as the file asks for it.",
      .options = run_options,
      .places = run_places,
      .run = rs_command_run,
      .examples = LIST("ristretto run configs/runs/lenet.yaml") },
    { .name = "help",
      .summary = "show help about a command or the keys of a file",
      .description = "Without a topic: the list of commands.",
      .options = help_options,
      .places = help_places,
      .run = rs_command_help,
      .examples = LIST("ristretto help quantize", "ristretto help array") },
    { .name = NULL }
};
