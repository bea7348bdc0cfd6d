/* The table of commands and options. */
#include "cli/commands.h"
#include "flow/cosim.h"
#include "search/options.h"

/* Seeds and counts: what a double holds exactly. */
#define MAX_COUNT 9007199254740991.0

/* Rows of options, one macro per type: name, letter or 0, word for the value, ..., default or NULL, help. */
/* clang-format off */
#define FLAG(name_, letter, text) \
    { .name = name_, .short_name = letter, .type = RS_OPTION_FLAG, .help = text }
#define WHOLE(name_, letter, value_, low, high, default_, text) \
    { .name = name_, .short_name = letter, .type = RS_OPTION_INT, .value = value_, .min = low, .max = high, \
      .default_text = default_, .help = text }
#define REAL(name_, letter, value_, low, high, default_, text) \
    { .name = name_, .short_name = letter, .type = RS_OPTION_REAL, .value = value_, .min = low, .max = high, \
      .default_text = default_, .help = text }
#define TEXT(name_, letter, value_, text) \
    { .name = name_, .short_name = letter, .type = RS_OPTION_TEXT, .value = value_, .help = text }
#define TEXTS(name_, letter, value_, text) \
    { .name = name_, .short_name = letter, .type = RS_OPTION_TEXT, .value = value_, .repeated = true, .help = text }
#define INFILE(name_, letter, value_, text) \
    { .name = name_, .short_name = letter, .type = RS_OPTION_FILE, .value = value_, .help = text }
#define FOLDER(name_, letter, value_, text) \
    { .name = name_, .short_name = letter, .type = RS_OPTION_FOLDER, .value = value_, .help = text }
#define CHOICE(name_, letter, value_, choices_, default_, text) \
    { .name = name_, .short_name = letter, .type = RS_OPTION_CHOICE, .value = value_, .choices = choices_, \
      .default_text = default_, .help = text }
#define WORDS(name_, letter, value_, table, default_, text) \
    { .name = name_, .short_name = letter, .type = RS_OPTION_CHOICE, .value = value_, .words = table, \
      .default_text = default_, .help = text }
#define END { .name = NULL }
/* clang-format on */

static const rs_option common_options[] = {
    FLAG("help", 'h', "show this help"),
    FLAG("json", 0, "print the result as JSON"),
    FLAG("quiet", 'q', "print no result as text, and no progress"),
    FLAG("stamp", 0, "keep durations, speeds and absolute paths in the files of results"),
    WHOLE("threads", 'j', "N", 0, 1024, "0",
          "number of threads, 0: as many as there are processors; results do not depend on it"),
    END,
};

/* ------------------------------------------------------------------------------- groups that several commands have */

static const rs_option model_options[] = {
    INFILE("model", 'm', "FILE", "Caffe prototxt or ONNX model of the network"),
    END,
};

static const rs_option weights_options[] = {
    INFILE("weights", 'w', "FILE", "caffemodel, binary or HDF5; an ONNX model brings its own"),
    END,
};

static const rs_option data_options[] = {
    INFILE("data", 'd', "PATH",
           "labelled images: IDX, CIFAR, NumPy or LMDB files, a list of JPEG and PNG files, or a folder "
           "(docs/user/data.md)"),
    CHOICE("split", 0, "WHICH", "test|train", "test", "which files of a folder: for testing or for training"),
    END,
};

static const rs_option training_data_options[] = {
    FOLDER("data", 'd', "PATH", "labelled images, in place of those that the prototxt names"),
    END,
};

/* In place of what the data layer says; deploy files say nothing. */
static const rs_option mean_options[] = {
    TEXT("mean", 0, "V[,V...]", "subtract these from the channels, in the order blue, green, red [as the net says]"),
    INFILE("mean-file", 0, "FILE", "subtract this mean image (binaryproto) [as the net says]"),
    REAL("scale", 0, "X", -1e9, 1e9, NULL, "multiply by this afterwards [as the net says]"),
    END,
};

static const rs_option resize_options[] = {
    TEXT("resize", 0, "HxW", "resize images to H rows of W pixels first, such as 256x256 [as the net says]"),
    FLAG("gray", 0, "read color images as gray"),
    END,
};

static const rs_option crop_options[] = {
    WHOLE("crop", 0, "N", 1, 65535, NULL,
          "take N x N pixels, in the middle or, in training, anywhere [as the net says]"),
    END,
};

static const rs_option augment_options[] = {
    FLAG("mirror", 0, "mirror every second image of the training, on average [as the net says]"),
    FLAG("shuffle", 0, "train on the images in another order each epoch [as the net says]"),
    END,
};

static const rs_option first_options[] = {
    WHOLE("first", 0, "N", 0, MAX_COUNT, "0", "first image"),
    END,
};

static const rs_option score_options[] = {
    TEXT("score", 0, "NAME",
         "the blob to score, one value per class, whatever it gets right [the scores before a last softmax]"),
    END,
};

static const rs_option report_options[] = {
    INFILE("report", 0, "FILE", "put the result into this report.json as well, which is made if it is not there"),
    END,
};

static const rs_option array_options[] = {
    FOLDER("qnet", 0, "PATH", "quantized network: the folder qnet/ of 'ristretto quantize', or a quantized prototxt"),
    INFILE("weights", 'w', "FILE", "caffemodel of a quantized prototxt"),
    INFILE("array", 'a', "FILE", "YAML file of the array; 'ristretto help array' lists its keys"),
    TEXTS("set", 0, "KEY=VALUE", "set a key of the array's file, such as array.lanes=8"),
    END,
};

static const rs_option phase_options[] = {
    CHOICE("phase", 0, "PHASE", "test|train", "test", "phase whose layers are meant (include and exclude rules)"),
    TEXTS("stage", 0, "NAME", "a stage that is on, for include and exclude rules"),
    WHOLE("level", 0, "N", -1000000, 1000000, "0", "level, for rules with min_level and max_level"),
    TEXT("input", 0, "SHAPE",
         "shape of the input, CHANNELSxHEIGHTxWIDTH or with the batch in front [as the file says]"),
    END,
};

static const rs_option network_positionals[] = {
    INFILE("NET", 0, NULL, "Caffe prototxt or ONNX model"),
    END,
};

/* ----------------------------------------------------------------------------------------------- float networks */

static const rs_option convert_options[] = {
    INFILE("prototxt", 0, "FILE", "write the description of the network"),
    INFILE("caffemodel", 0, "FILE", "write the weights"),
    INFILE("onnx", 0, "FILE", "write both as an ONNX model (operator set 13)"),
    END,
};

static const rs_option forward_options[] = {
    INFILE("data", 'd', "FILE",
           "NumPy array (.npy) of the inputs, as the network takes them: N x channels x height x width"),
    TEXT("input", 0, "SHAPE", "shape of the input, where the network is to have another one [as the file says]"),
    TEXT("blob", 0, "NAME", "the values to write [the scores before a last softmax]"),
    INFILE("out", 'o', "FILE", "NumPy array to write, float32"),
    END,
};

static const rs_option solver_options[] = {
    INFILE("solver", 0, "FILE", "Caffe solver file"),
    END,
};

static const rs_option train_options[] = {
    INFILE("out", 'o', "PREFIX", "prefix of snapshots, in place of the solver's"),
    INFILE("weights", 'w', "FILE", "start from these weights: a caffemodel or ONNX model"),
    INFILE("resume", 0, "FILE", "go on from this solverstate"),
    WHOLE("iterations", 0, "N", 1, MAX_COUNT, NULL, "train this many iterations, in place of the solver's max_iter"),
    WHOLE("seed", 0, "N", 0, MAX_COUNT, "1", "seed of the initial weights, unless the solver file has one"),
    END,
};

static const rs_option test_options[] = {
    WHOLE("images", 'n', "N", 1, MAX_COUNT, NULL, "number of images to score [all from the first on]"),
    WHOLE("top", 0, "K", 1, 1000, "1", "an image is right if its label is among the best K"),
    FLAG("emulate", 0, "a quantized prototxt in float with values rounded, not on integers"),
    END,
};

/* --------------------------------------------------------------------------------------------------- quantizing */

static const rs_option quantize_options[] = {
    FOLDER("out", 'o', "FOLDER",
           "writes quantized.prototxt, quantized.caffemodel, qnet/ and quantize.json here [--model-quantized without "
           "its suffix]"),
    INFILE("calibration-data", 0, "PATH",
           "choose formats on these labelled images (the training half of a folder), and score --data at the end "
           "alone [--data]"),
    TEXT("calibration", 0, "FIRST:COUNT", "images of --calibration-data whose activations give the ranges [all]"),
    TEXT("search", 0, "FIRST:COUNT", "images of --calibration-data that score a trial [all]"),
    TEXT("test", 0, "FIRST:COUNT", "images that the search does not see, scored at the end [all]"),
    END,
};

static const rs_option pareto_options[] = {
    INFILE("technology", 't', "FILE", "YAML file of the technology, for --pareto area and energy"),
    END,
};

const rs_word rs_trimming_mode_words[] = {
    { "dynamic_fixed_point", RS_SCHEME_DYNAMIC, NULL },
    { "minifloat", RS_SCHEME_MINIFLOAT, NULL },
    { "integer_power_of_2_weights", RS_SCHEME_POWER2, NULL },
    { NULL, 0, NULL },
};

/* Of the original Ristretto. */
static const rs_option original_options[] = {
    INFILE("model-quantized", 0, "FILE", "also writes the quantized prototxt here (the original's option)"),
    WORDS("trimming-mode", 0, "MODE", rs_trimming_mode_words, NULL, "the original's name of --scheme"),
    WHOLE("iterations", 0, "N", 1, MAX_COUNT, NULL,
          "calibrate and score on the first N batches of the prototxt's batch size (the original's option)"),
    END,
};

static const rs_option tune_files_options[] = {
    INFILE("solver", 0, "FILE",
           "Caffe solver file that the net was trained with: its net, batch size and last learning rate"),
    INFILE("weights", 'w', "FILE", "caffemodel or ONNX model of the trained net [an ONNX model's own]"),
    INFILE("resume", 0, "FILE", "go on from this solverstate of a fine-tuning with the same options"),
    FOLDER("out", 'o', "FOLDER",
           "writes tuned.caffemodel, qnet/, quantized.prototxt, finetune.json and snapshots here"),
    END,
};

static const rs_option tune_images_options[] = {
    INFILE("validation", 0, "PATH", "validate on this data set (its training half) [held out of the training set]"),
    TEXT("validation-images", 0, "FIRST:COUNT",
         "images of --validation [all]; without it, 0:COUNT holds the last COUNT images out of training [a tenth]"),
    INFILE("test", 0, "PATH", "labelled images to score at the end [those of the solver's test net]"),
    FLAG("no-test", 0, "score no test images"),
    CHOICE("scheme", 0, "SCHEME", "dynamic|minifloat|power-of-two", "dynamic",
           "kind of numbers: dynamic fixed point, minifloat, or weights that are powers of two with layer outputs "
           "in dynamic fixed point"),
    END,
};

static const rs_option tune_options[] = {
    WHOLE("activation-bits", 0, "N", 0, 16, "8", "width of layer outputs; 0: float"),
    WHOLE("convolution-bits", 0, "N", 0, 16, "8", "width of convolution weights; 0: float"),
    WHOLE("inner-product-bits", 0, "N", 0, 16, "8", "width of fully connected weights; 0: float"),
    WHOLE("calibration", 0, "N", 0, MAX_COUNT, "5000", "training images whose activations give the ranges; 0: all"),
    WHOLE("refine", 0, "N", 0, MAX_COUNT, "0",
          "validation images on which fractional lengths and the place of the scores are improved before training; "
          "0: they follow from the ranges"),
    CHOICE("activations", 0, "HOW", "float|quantized", "float",
           "in training: float as in the paper, or quantized with a straight-through estimator"),
    CHOICE("weight-rounding", 0, "MODE", "stochastic|nearest", "stochastic", "of the shadow weights, for each batch"),
    FLAG("learn-steps", 0, "learn the fractional lengths, over the first half of the iterations"),
    WHOLE("gradual", 0, "N", 0, 15, "0",
          "begin N bits wider and lose a bit at a time, over the first half of the iterations"),
    REAL("learning-rate", 0, "RATE", 0, 1, "0", "of Adam; 0: a tenth of that of the solver's last iteration"),
    CHOICE("schedule", 0, "WHICH", "fixed|linear", "fixed", "the learning rate stays, or falls to zero"),
    REAL("weight-decay", 0, "RATE", 0, 1, "0", "of the shadow weights"),
    CHOICE("keep", 0, "WHICH", "best|last", "best",
           "the result: the weights with the most hits in a validation, or the last ones"),
    WHOLE("iterations", 0, "N", 0, MAX_COUNT, "5000",
          "batches to train on; 0: formats are chosen and scored, nothing is trained"),
    WHOLE("validate-every", 0, "N", 1, MAX_COUNT, "500", "iterations between validations"),
    WHOLE("snapshot-every", 0, "N", 0, MAX_COUNT, "1000", "iterations between snapshots; 0: only the last"),
    WHOLE("seed", 0, "N", 0, MAX_COUNT, "1", "seed of stochastic rounding"),
    END,
};

/* ---------------------------------------------------------------------------------------------------- the array */

static const rs_option simulate_options[] = {
    WHOLE("images", 'n', "N", 1, MAX_COUNT, NULL,
          "number of images to run through the array model [all from the first on]"),
    INFILE("timeline", 0, "FILE",
           "draw what loader, sequencer and storer do, and what they wait for: a picture (.svg), or a trace for "
           "Chrome or Perfetto (.json)"),
    END,
};

static const rs_word fault_words[] = {
    { "flip", RS_DUT_FAULT_FLIP, "the lowest bit of lane 0's value is inverted" },
    { "late", RS_DUT_FAULT_LATE, "the beat comes one cycle late" },
    { "drop", RS_DUT_FAULT_DROP, "the beat is missing" },
    { "duplicate", RS_DUT_FAULT_DUPLICATE, "the beat comes twice" },
    { NULL, 0, NULL },
};

static const rs_option cosim_options[] = {
    WHOLE("images", 'n', "N", 1, MAX_COUNT, NULL, "number of images to run [all from the first on]"),
    INFILE("dut", 0, "FILE",
           "try a multiply-accumulate unit that is not ours: YAML file of its adapter; 'ristretto help adapter' "
           "lists its keys"),
    FLAG("trust", 0, "with --dut: the design may hold what runs programs or writes files, such as $system and $c"),
    TEXT("layer", 0, "NAME", "with --dut: operands of this layer only [all layers with weights]"),
    WHOLE("vectors", 0, "N", 0, MAX_COUNT, "200", "with --dut: output values of each layer and image; 0: all of them"),
    WHOLE("random", 0, "N", 0, 10000000, "1000", "with --dut: random sums"),
    WHOLE("keep-going", 0, "N", 1, 1000, "1", "with --dut: differences after which it stops"),
    WHOLE("seed", 0, "N", 0, MAX_COUNT, "1",
          "seed of the values that RTL registers without a reset wake up with, and of random operands"),
    INFILE("trace", 0, "FILE",
           "write a waveform (FST) of the first image, and beside it a save file for GTKWave with the signals "
           "grouped by unit"),
    WHOLE("trace-from", 0, "CYCLE", 0, MAX_COUNT, "0", "first cycle in the waveform"),
    WHOLE("trace-to", 0, "CYCLE", 0, MAX_COUNT, "9999", "last cycle in it"),
    INFILE("wave", 0, "FILE", "on a mismatch, write a waveform (FST) of the cycles around it"),
    WORDS("plant", 0, "FAULT", fault_words, NULL, "plant a fault in one output beat of the RTL, to see it caught"),
    WHOLE("plant-beat", 0, "N", 0, MAX_COUNT, "100", "the output beat of the fault"),
    END,
};

static const rs_option estimate_options[] = {
    INFILE("technology", 't', "FILE", "YAML file of the technology; 'ristretto help technology' lists its keys"),
    END,
};

static const rs_option export_options[] = {
    FOLDER("out", 'o', "FOLDER", "writes a ROM per layer and lane, and a JSON per layer, here"),
    WORDS("format", 'f', "FORM", rs_export_words, "memh", "form of the ROMs"),
    END,
};

/* ------------------------------------------------------------------------------------ data, reports, runs, help */

static const rs_option data_form_options[] = {
    CHOICE("split", 0, "WHICH", "test|train", "test", "which files of a folder: for testing or for training"),
    CHOICE("format", 'f', "FORM", "idx|lmdb|npy", "lmdb",
           "what convert writes: a Caffe database (a folder), or a pair of files whose names begin with OUT"),
    END,
};
static const rs_option data_crop_options[] = {
    WHOLE("crop", 0, "N", 1, 65535, NULL, "take the N x N pixels in the middle"),
    END,
};
static const rs_option data_positionals[] = {
    CHOICE("ACTION", 0, NULL, "info|convert|mean", NULL, "what to do: info, convert or mean"),
    INFILE("PATH", 0, NULL,
           "labelled images: IDX, CIFAR, NumPy or LMDB files, a list of JPEG and PNG files, or a folder"),
    INFILE("OUT", 0, NULL, "what convert and mean write"),
    END,
};

static const rs_option report_form_options[] = {
    INFILE("html", 0, "FILE", "write one self-contained HTML file with plots"),
    INFILE("csv", 0, "FILE", "write every number as section,row,column,value"),
    END,
};
static const rs_option report_positionals[] = {
    INFILE("FILE", 0, NULL, "report.json"),
    END,
};

static const rs_option run_options[] = {
    TEXTS("set", 0, "KEY=VALUE", "set a key of the file, such as quantize.error_margin=0.5"),
    END,
};
static const rs_option run_positionals[] = {
    INFILE("FILE", 0, NULL, "YAML file of the run; 'ristretto help run-file' lists its keys"),
    END,
};

static const rs_option help_options[] = {
    CHOICE("format", 0, "FORM", "text|man|bash|markdown|names", "text",
           "as text, as a man page, as Markdown (files); without a topic, also as a completion script for bash, or "
           "only the names"),
    END,
};
static const rs_option help_positionals[] = {
    TEXT("TOPIC", 0, NULL, "a command, or a file: array, adapter, technology, run-file"),
    END,
};

/* ----------------------------------------------------------------------------------------------------- commands */

#define GROUPS(...)            \
    (const rs_option *const[]) \
    {                          \
        __VA_ARGS__, NULL      \
    }
#define LIST(...)         \
    (const char *const[]) \
    {                     \
        __VA_ARGS__, NULL \
    }

static const rs_command commands[] = {
    { .name = "summary",
      .summary = "list a network's layers, shapes, parameters and multiply-accumulates",
      .description = "Prints for each layer its type, the shape of its output, learnt parameters, multiply-accumulates "
                     "of one image (of convolutions and inner products), and the bytes that parameters and the outputs "
                     "of one image take as 32-bit floats; then the totals.",
      .groups = GROUPS(phase_options),
      .positionals = network_positionals,
      .required = "NET",
      .run = rs_command_summary,
      .examples = LIST(
          "ristretto summary model/zoo/lenet/lenet.prototxt",
          "ristretto summary model/zoo/googlenet/train_val.prototxt --phase train --input 3x224x224 --json") },
    { .name = "convert",
      .summary = "write a network as prototxt and caffemodel, or as ONNX",
      .description = "Reads a network in any form - prototxt and caffemodel of any age, also in HDF5, or ONNX - and "
                     "writes it in the present forms, as it is used: data layers become inputs; losses and accuracy, "
                     "which need labels, are left out. Read back, it gives the same scores, bit for bit. "
                     "docs/user/networks.md says what can be read and written.",
      .groups = GROUPS(weights_options, convert_options, phase_options),
      .positionals = network_positionals,
      .required = "NET",
      .run = rs_command_convert,
      .examples = LIST("ristretto convert net.onnx --prototxt net.prototxt --caffemodel net.caffemodel",
                       "ristretto convert model/zoo/lenet/lenet.prototxt --weights model/zoo/lenet/lenet.caffemodel "
                       "--onnx lenet.onnx") },
    { .name = "forward",
      .summary = "run a float network on a NumPy array and write what one of its layers gives",
      .description = "The values of the array go into the network as they are, without any transformation, as many "
                     "images as there are: the array's other axes are those of the network's input. This is how scores "
                     "can be compared with other programs'.",
      .groups = GROUPS(weights_options, forward_options),
      .positionals = network_positionals,
      .required = "NET|data|out",
      .run = rs_command_forward,
      .examples = LIST("ristretto forward net.onnx --data images.npy --out scores.npy",
                       "ristretto forward model/zoo/lenet/lenet.prototxt --weights model/zoo/lenet/lenet.caffemodel "
                       "--data digits.npy --blob ip1 "
                       "--out ip1.npy") },
    { .name = "train",
      .summary = "train a network by Caffe's solver file",
      .description = "Trains the network that the solver file names, tests it at the intervals given there, and writes "
                     "snapshots (PREFIX_iter_N.caffemodel and .solverstate). The same seed gives the same weights on "
                     "any number of threads.\n\n"
                     "A net with quantization_param is fine-tuned: float weights are rounded for each batch, "
                     "stochastically, and tests count hits on the exact integers.\n\n"
                     "Ctrl-C writes a snapshot and ends with status 130; --resume goes on from it, to the same weights "
                     "as without the interruption.",
      .groups = GROUPS(solver_options, training_data_options, mean_options, resize_options, crop_options,
                       augment_options, train_options),
      .required = "solver",
      .run = rs_command_train,
      .examples = LIST("ristretto train --solver model/zoo/lenet/lenet_solver.prototxt --out build/lenet") },
    { .name = "test",
      .summary = "score a network on labelled images",
      .description =
          "Runs the network in float and counts the images whose label has the highest score, and, for more "
          "than five classes, those whose label is among the best five. A tie with another class is wrong, "
          "as in Caffe.\n\n"
          "A quantized prototxt (quantization_param) is scored on its exact integers, or, with --emulate, in "
          "float with values rounded, as the original Ristretto does.\n\n"
          "Images are transformed as the data layer says; --mean and the like say it for a net that has "
          "none (a deploy file). Images that are larger than the input of such a net are cropped to it.",
      .groups = GROUPS(model_options, weights_options, data_options, mean_options, resize_options, crop_options,
                       first_options, test_options, score_options, report_options),
      .required = "model|data",
      .run = rs_command_test,
      .examples = LIST("ristretto test --model model/zoo/lenet/lenet_train_test.prototxt --weights "
                       "model/zoo/lenet/lenet.caffemodel --data model/zoo/lenet/digits") },
    { .name = "quantize",
      .summary = "find the smallest number formats within an error margin",
      .description = "Measures the ranges of weights and activations, then finds for each of three groups - "
                     "convolution weights, fully connected weights, layer outputs - the smallest width that keeps the "
                     "accuracy within the margin while the rest stays in float, then all together, widened again if "
                     "the combination misses the margin. The accuracy printed at the end is that of the integers.\n\n"
                     "Writes into --out: quantized.prototxt (with the original Ristretto's quantization_param) and "
                     "quantized.caffemodel, qnet/ (the exact integers, which these two files give again) and "
                     "quantize.json. An interrupted search is resumed by the same command.",
      .groups = GROUPS(model_options, weights_options, data_options, mean_options, resize_options, crop_options,
                       quantize_options, rs_quantizer_options, pareto_options, original_options, score_options,
                       report_options),
      .required = "model",
      .run = rs_command_quantize,
      .examples = LIST("ristretto quantize --model model/zoo/lenet/lenet_train_test.prototxt --weights "
                       "model/zoo/lenet/lenet.caffemodel --data "
                       "model/zoo/lenet/digits --calibration 0:1000 --search 0:1000 --test 1000:1000 --error-margin 1 "
                       "--out build/lenet") },
    { .name = "finetune",
      .summary = "train the weights of a quantized network to their widths",
      .description = "Fine-tuning with shadow weights: float weights are rounded for each batch, stochastically, the "
                     "gradient of the rounded net updates the float weights (Adam), and the integers are validated "
                     "with the exact engine. The weights with the most hits are kept.\n\n"
                     "Writes into --out: tuned.caffemodel (the best shadow weights), qnet/ (their integers), "
                     "quantized.prototxt, finetune.json, and snapshots finetune_iter_N.*, from which --resume goes on "
                     "to the same weights as without the interruption. Ctrl-C writes one.",
      .groups = GROUPS(tune_files_options, training_data_options, mean_options, resize_options, crop_options,
                       augment_options, tune_images_options, score_options, rs_rules_options, tune_options,
                       report_options),
      .required = "solver|out",
      .run = rs_command_finetune,
      .examples = LIST("ristretto finetune --solver model/zoo/lenet/lenet_solver.prototxt --weights "
                       "model/zoo/lenet/lenet.caffemodel --activation-bits 4 "
                       "--convolution-bits 4 --inner-product-bits 4 --out build/lenet_444") },
    { .name = "simulate",
      .summary = "run a quantized network on the array model: cycles, utilisation, traffic",
      .description = "Compiles the network for the array and counts cycles, stalls and traffic layer by layer. With "
                     "--data it also computes: the images go through the array model bit by bit, and every score is "
                     "compared with the exact engine's (status 1 if one differs).",
      .groups = GROUPS(array_options, data_options, resize_options, first_options, simulate_options, report_options),
      .required = "qnet|array",
      .run = rs_command_simulate,
      .examples = LIST(
          "ristretto simulate --qnet build/lenet/qnet --array configs/arrays/lenet.yaml",
          "ristretto simulate --qnet build/lenet/qnet --array configs/arrays/lenet.yaml --set array.lanes=8 --json",
          "ristretto simulate --qnet build/lenet/qnet --array configs/arrays/lenet.yaml --timeline "
          "build/lenet/timeline.svg") },
    { .name = "cosim",
      .summary = "run images through the Verilated RTL in lockstep with the array model",
      .description = "Builds the RTL of the array with Verilator (once; the build is kept in a cache), runs whole "
                     "images through it and through the C model side by side, and compares every read, every output "
                     "beat, every write, and the cycle of each. It stops at the first difference, shows what differs "
                     "where and how to run it again, and ends with status 1.\n\n"
                     "With --dut it tries a unit that is not ours instead, a multiplier with an accumulator or a dot "
                     "product in Verilog, of which a small adapter file says what its ports mean "
                     "(docs/user/foreign-rtl.md): corner cases, random sums, and, with --qnet and --data, the operands "
                     "of a network's layers. Every sum is compared, and every rounded output if the unit has one.",
      .groups = GROUPS(array_options, data_options, resize_options, first_options, cosim_options, report_options),
      .run = rs_command_cosim,
      .examples = LIST("ristretto cosim --qnet build/lenet/qnet --array configs/arrays/lenet.yaml --data "
                       "model/zoo/lenet/digits --images 100",
                       "ristretto cosim --dut configs/units/serial-mac.yaml") },
    { .name = "estimate",
      .summary = "area of the array, energy of the network on it, against 32-bit float",
      .description = "Multiplies what the array model counts - operations, bits moved in each memory, register bits "
                     "clocked - with the numbers of a technology, each of which names its source. "
                     "docs/reference/area-and-energy.md gives the formulas.",
      .groups = GROUPS(array_options, estimate_options, report_options),
      .required = "qnet|array|technology",
      .run = rs_command_estimate,
      .examples = LIST("ristretto estimate --qnet build/lenet/qnet --array configs/arrays/lenet.yaml --technology "
                       "configs/technologies/horowitz-45nm.yaml") },
    { .name = "export",
      .summary = "write the integers as ROMs for the array's weight buffers",
      .description = "Writes for every layer with weights and every lane a ROM with its weights, in the order in which "
                     "the array takes them, and one with its biases; a JSON beside them says what they hold. memh and "
                     "npy files are read back and compared. docs/reference/formats.md describes the files.",
      .groups = GROUPS(array_options, export_options, report_options),
      .required = "qnet|array|out",
      .run = rs_command_export,
      .examples = LIST(
          "ristretto export --qnet build/lenet/qnet --array configs/arrays/lenet.yaml --out build/lenet/roms") },
    { .name = "data",
      .summary = "look at a data set, convert it, compute its mean image",
      .description = "info: number and size of images, labels. convert: writes them in another format, as bytes; "
                     "resized, cropped or as gray if the options say so. mean: writes the mean of each pixel (Caffe's "
                     "compute_image_mean: mean.binaryproto), and prints that of each channel.\n\n"
                     "docs/user/data.md describes the formats.",
      .groups = GROUPS(data_form_options, resize_options, data_crop_options),
      .positionals = data_positionals,
      .required = "ACTION|PATH",
      .run = rs_command_data,
      .examples = LIST("ristretto data info cifar10",
                       "ristretto data mean cifar10 build/mean.binaryproto --split train",
                       "ristretto data convert photos/labels.txt build/photos_lmdb --resize 256x256") },
    { .name = "report",
      .summary = "show a report as text, CSV or HTML",
      .description = "Reads a report.json, to which the commands add their results with --report, and prints it; or "
                     "writes it in another form.",
      .groups = GROUPS(report_form_options),
      .positionals = report_positionals,
      .required = "FILE",
      .run = rs_command_report,
      .examples = LIST("ristretto report build/lenet/report.json --html build/lenet/report.html") },
    { .name = "run",
      .summary = "do everything that a YAML file lists",
      .description = "Scores the float network, searches the formats, simulates the array, co-simulates the RTL, "
                     "estimates area and energy, exports ROMs and writes the report, as far as the file asks for it.",
      .groups = GROUPS(run_options),
      .positionals = run_positionals,
      .required = "FILE",
      .run = rs_command_run,
      .examples = LIST("ristretto run configs/runs/lenet.yaml") },
    { .name = "help",
      .summary = "show help about a command or the keys of a file",
      .description = "Without a topic: the list of commands.",
      .groups = GROUPS(help_options),
      .positionals = help_positionals,
      .run = rs_command_help,
      .examples = LIST("ristretto help quantize", "ristretto help array") },
    { .name = NULL }
};

const rs_command_table rs_commands = { commands, common_options };
