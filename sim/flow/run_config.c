/* Reads a run file: its schema, and the checks that span several keys. */
#include "flow/run_config.h"

#include "base/memory.h"
#include "fxp/fxp.h"
#include "search/quantize.h"

#define AT(field) offsetof(rs_run_config, field)
#define MOST 9007199254740991.0

const char *const rs_export_formats[] = { "memh", "coe", "mif", "ihex", "c", "npy", NULL };

static const rs_schema_word export_words[] = {
    { "none", -1, NULL },
    { "memh", 0, "$readmemh words" },
    { "coe", 1, "Xilinx coefficient file" },
    { "mif", 2, "Intel memory initialization file" },
    { "ihex", 3, "Intel HEX" },
    { "c", 4, "C header" },
    { "npy", 5, "NumPy array" },
    { NULL, 0, NULL },
};
static const rs_schema_word sets[] = {
    { "test", 0, "those for testing" },
    { "train", 1, "those for training" },
    { NULL, 0, NULL },
};
static const rs_schema_word searched[] = { { "auto", 0, "searched" }, { NULL, 0, NULL } };
static const rs_schema_word roundings[] = {
    { "auto", -1, "nearest; of minifloats nearest_even" },
    { "nearest", RS_ROUND_NEAREST, "ties away from zero" },
    { "nearest_even", RS_ROUND_NEAREST_EVEN, NULL },
    { "nearest_up", RS_ROUND_NEAREST_UP, NULL },
    { "truncate", RS_ROUND_TRUNCATE, "floor" },
    { NULL, 0, NULL },
};
static const rs_schema_word score_words[] = {
    { "format", 0, "in the format of a layer output" },
    { "accumulator", 1, "as wide as the last layer's accumulator, 32 bits at most" },
    { NULL, 0, NULL },
};

static const rs_schema_word bias_rules[] = {
    { "accumulator", RS_BIAS_ACCUMULATOR, "at the accumulator's least significant bit" },
    { "weights", RS_BIAS_WEIGHTS, "in the weights' format, as in the original Ristretto" },
    { NULL, 0, NULL },
};
static const rs_schema_word schemes[] = {
    { "dynamic", RS_SCHEME_DYNAMIC, "a fractional length for each layer's weights and each layer's outputs" },
    { "static", RS_SCHEME_STATIC, "one width and one fractional length for all numbers" },
    { "minifloat", RS_SCHEME_MINIFLOAT, NULL },
    { "power-of-two", RS_SCHEME_POWER2, "weights; layer outputs in dynamic fixed point" },
    { NULL, 0, NULL },
};
static const rs_schema_word range_rules[] = {
    { "max", RS_RANGE_MAX, "of the largest magnitude" },
    { "percentile", RS_RANGE_PERCENTILE, "of the magnitude that so many percent do not exceed" },
    { "squared_error", RS_RANGE_SQUARED_ERROR, "of the least sum of squared errors" },
    { NULL, 0, NULL },
};
static const rs_schema_word format_words[] = {
    { "search", 0, "chosen on images" },
    { "model", 1,
      "those of a quantized ONNX model whose scales are powers of two; of the rest of this section only rounding, "
      "bias_format and error_margin count" },
    { NULL, 0, NULL },
};
static const rs_schema_word weight_roundings[] = {
    { "nearest", 0, NULL },
    { "adaptive", 1, "so that the layer's outputs on calibration images stay near" },
    { NULL, 0, NULL },
};
static const rs_schema_word programs[] = {
    { "none", 0, NULL },
    { "ristretto", 1, "the rules of the original Ristretto" },
    { NULL, 0, NULL },
};
/* In the order of rs_cost_kind. */
static const rs_schema_word cost_words[] = {
    { "none", -1, "one width a group" },
    { "bits", 0, "all weights, and all layer outputs of an image" },
    { "area", 1, "of a multiply-accumulate unit; needs a technology" },
    { "energy", 2, "of an image; needs a technology" },
    { NULL, 0, NULL },
};
static const rs_schema_word yes_no[] = { { "false", 0, NULL }, { "true", 1, NULL }, { NULL, 0, NULL } };

static const rs_schema slice_fields[] = {
    { .key = "first",
      .type = RS_SCHEMA_INT64,
      .offset = offsetof(rs_slice, first),
      .min = 0,
      .max = MOST,
      .fallback = "0",
      .doc = "first image" },
    { .key = "count",
      .type = RS_SCHEMA_INT64,
      .offset = offsetof(rs_slice, count),
      .min = 0,
      .max = MOST,
      .fallback = "0",
      .doc = "number of images; 0: to the end" },
    { .key = NULL },
};

static const rs_schema data_fields[] = {
    { .key = "path",
      .type = RS_SCHEMA_PATH,
      .offset = AT(data_path),
      .doc = "labelled images: a file, a list or a folder (docs/user/data.md)" },
    { .key = "set",
      .type = RS_SCHEMA_ENUM,
      .offset = AT(data_train),
      .words = sets,
      .fallback = "test",
      .doc = "which files of a folder" },
    { .key = "mean",
      .type = RS_SCHEMA_STRING,
      .offset = AT(data_mean),
      .fallback = "",
      .doc = "subtracted from the channels, such as 104,117,123 (blue, green, red); empty: as the net says" },
    { .key = "mean_file",
      .type = RS_SCHEMA_PATH,
      .offset = AT(data_mean_file),
      .fallback = "",
      .doc = "mean image that is subtracted; empty: as the net says" },
    { .key = "scale",
      .type = RS_SCHEMA_REAL,
      .offset = AT(data_scale),
      .min = 0,
      .max = 1e9,
      .fallback = "0",
      .doc = "factor of the pixels; 0: as the net says" },
    { .key = "resize",
      .type = RS_SCHEMA_STRING,
      .offset = AT(data_resize),
      .fallback = "",
      .doc = "ROWSxPIXELS that images are resized to, such as 256x256; empty: as the net says" },
    { .key = "crop",
      .type = RS_SCHEMA_INT,
      .offset = AT(data_crop),
      .min = 0,
      .max = 65535,
      .fallback = "0",
      .unit = "pixels",
      .doc = "side of the square in the middle that is taken; 0: as the net says" },
    { .key = "gray",
      .type = RS_SCHEMA_BOOL,
      .offset = AT(data_gray),
      .fallback = "false",
      .doc = "read color images as gray" },
    { .key = "calibration_path",
      .type = RS_SCHEMA_PATH,
      .offset = AT(calibration_path),
      .fallback = "",
      .doc = "labelled images (the training half of a folder) that formats are chosen on; calibration and search are "
             "counted in them; empty: path" },
    { .key = "calibration",
      .type = RS_SCHEMA_MAP,
      .offset = AT(calibration),
      .fields = slice_fields,
      .doc = "images that give the ranges" },
    { .key = "search",
      .type = RS_SCHEMA_MAP,
      .offset = AT(search),
      .fields = slice_fields,
      .doc = "images that score a trial" },
    { .key = "test",
      .type = RS_SCHEMA_MAP,
      .offset = AT(test),
      .fields = slice_fields,
      .doc = "images that the search does not see" },
    { .key = NULL },
};

#define WIDTH(name, member, text)                                                                         \
    {                                                                                                     \
        .key = name, .type = RS_SCHEMA_INT, .offset = AT(member), .min = 1, .max = 16, .words = searched, \
        .fallback = "auto", .unit = "bits", .doc = text                                                   \
    }

static const rs_schema quantize_fields[] = {
    { .key = "scheme",
      .type = RS_SCHEMA_ENUM,
      .offset = AT(scheme),
      .words = schemes,
      .fallback = "dynamic",
      .doc = "kind of numbers" },
    { .key = "formats",
      .type = RS_SCHEMA_ENUM,
      .offset = AT(formats_of_model),
      .words = format_words,
      .fallback = "search",
      .doc = "whose formats" },
    { .key = "error_margin",
      .type = RS_SCHEMA_REAL,
      .offset = AT(error_margin),
      .min = 0,
      .max = 100,
      .fallback = "1",
      .unit = "percentage points",
      .doc = "accuracy that may be lost" },
    { .key = "min_bits",
      .type = RS_SCHEMA_INT,
      .offset = AT(min_bits),
      .min = 1,
      .max = 16,
      .fallback = "1",
      .unit = "bits",
      .doc = "smallest width tried" },
    { .key = "max_bits",
      .type = RS_SCHEMA_INT,
      .offset = AT(max_bits),
      .min = 1,
      .max = 16,
      .fallback = "16",
      .unit = "bits",
      .doc = "largest width tried" },
    WIDTH("convolution_bits", convolution_bits, "width of convolution weights"),
    WIDTH("inner_product_bits", inner_product_bits, "width of fully connected weights"),
    WIDTH("activation_bits", activation_bits, "width of layer outputs"),
    { .key = "rounding",
      .type = RS_SCHEMA_ENUM,
      .offset = AT(rounding),
      .words = roundings,
      .fallback = "auto",
      .doc = "rounding of requantize" },
    { .key = "bias_format",
      .type = RS_SCHEMA_ENUM,
      .offset = AT(bias_format),
      .words = bias_rules,
      .fallback = "accumulator",
      .doc = "how biases become integers" },
    { .key = "unsigned_activations",
      .type = RS_SCHEMA_BOOL,
      .offset = AT(unsigned_activations),
      .fallback = "false",
      .doc = "layer outputs behind a ReLU, and bytes without a mean, are unsigned, with one more fractional bit" },
    { .key = "channel_weights",
      .type = RS_SCHEMA_BOOL,
      .offset = AT(channel_weights),
      .fallback = "false",
      .doc = "the weights of each output channel have a fractional length of their own" },
    { .key = "scores",
      .type = RS_SCHEMA_ENUM,
      .offset = AT(wide_scores),
      .words = score_words,
      .fallback = "format",
      .doc = "how wide the class scores are" },
    { .key = "weight_rounding",
      .type = RS_SCHEMA_ENUM,
      .offset = AT(adaptive_weights),
      .words = weight_roundings,
      .fallback = "nearest",
      .doc = "how weights become numbers" },
    { .key = "refine",
      .type = RS_SCHEMA_INT64,
      .offset = AT(refine_images),
      .min = 0,
      .max = MOST,
      .fallback = "0",
      .doc = "calibration images on which the fractional lengths of a combination are improved; 0: not" },
    { .key = "weight_range",
      .type = RS_SCHEMA_ENUM,
      .offset = AT(weight_range),
      .words = range_rules,
      .fallback = "max",
      .doc = "how the integer lengths of weights are found" },
    { .key = "activation_range",
      .type = RS_SCHEMA_ENUM,
      .offset = AT(activation_range),
      .words = range_rules,
      .fallback = "max",
      .doc = "how those of layer outputs are found" },
    { .key = "percentile",
      .type = RS_SCHEMA_REAL,
      .offset = AT(percentile),
      .min = 0.001,
      .max = 100,
      .fallback = "99.99",
      .doc = "share of the magnitudes that percentile ranges hold" },
    { .key = "bias_correction",
      .type = RS_SCHEMA_BOOL,
      .offset = AT(bias_correction),
      .fallback = "false",
      .doc = "take the mean error that rounded weights make out of the biases" },
    { .key = "minifloat",
      .type = RS_SCHEMA_STRING,
      .offset = AT(minifloat),
      .fallback = "",
      .doc = "e4m3, e5m2, e3m2, e2m3, e2m1, bfloat16, binary16 or E:K; empty: searched" },
    { .key = "minifloat_weights",
      .type = RS_SCHEMA_STRING,
      .offset = AT(minifloat_weights),
      .fallback = "",
      .doc = "that of weights; empty: the same" },
    { .key = "exponent_bits",
      .type = RS_SCHEMA_INT,
      .offset = AT(exponent_bits),
      .min = 0,
      .max = 8,
      .fallback = "0",
      .unit = "bits",
      .doc = "of the minifloats that are searched; 0: what the ranges need, at least 4" },
    { .key = "exponents",
      .type = RS_SCHEMA_STRING,
      .offset = AT(exponents),
      .fallback = "-8:-1",
      .doc = "FIRST:LAST of weights that are powers of two" },
    { .key = "exponents_by_layer",
      .type = RS_SCHEMA_BOOL,
      .offset = AT(exponents_by_layer),
      .fallback = "false",
      .doc = "as many exponents, ending at that of each layer's largest weight" },
    { .key = "zero_code",
      .type = RS_SCHEMA_BOOL,
      .offset = AT(zero_code),
      .fallback = "false",
      .doc = "weights that are powers of two can be zero as well" },
    { .key = "pareto",
      .type = RS_SCHEMA_ENUM,
      .offset = AT(pareto),
      .words = cost_words,
      .fallback = "none",
      .doc = "widths layer by layer, from max_bits down by what they cost; the chosen ones go on to the array" },
    { .key = "budget",
      .type = RS_SCHEMA_REAL,
      .offset = AT(budget),
      .min = 0,
      .max = 1e30,
      .fallback = "0",
      .doc = "with pareto: what the network may cost, in bits, square micrometres or picojoules; 0: the least that "
             "keeps the error margin" },
    { .key = "compat",
      .type = RS_SCHEMA_ENUM,
      .offset = AT(compat),
      .words = programs,
      .fallback = "none",
      .doc = "whose rules are followed (docs/user/quantizer.md)" },
    { .key = NULL },
};

static const rs_schema simulate_fields[] = {
    { .key = "images",
      .type = RS_SCHEMA_INT64,
      .offset = AT(simulate_images),
      .min = 0,
      .max = MOST,
      .fallback = "0",
      .doc = "images run through the array model and compared with the exact engine; 0: cycles only" },
    { .key = NULL },
};

static const rs_schema cosim_fields[] = {
    { .key = "images",
      .type = RS_SCHEMA_INT64,
      .offset = AT(cosim_images),
      .min = 0,
      .max = MOST,
      .fallback = "0",
      .doc = "images run through the Verilated RTL in lockstep with the array model; 0: none" },
    { .key = NULL },
};

static const rs_schema export_fields[] = {
    { .key = "format",
      .type = RS_SCHEMA_ENUM,
      .offset = AT(export_format),
      .words = export_words,
      .fallback = "memh",
      .doc = "form of the ROMs" },
    { .key = NULL },
};

static const rs_schema report_fields[] = {
    { .key = "html",
      .type = RS_SCHEMA_ENUM,
      .offset = AT(html),
      .words = yes_no,
      .fallback = "true",
      .doc = "write report.html" },
    { .key = "csv",
      .type = RS_SCHEMA_ENUM,
      .offset = AT(csv),
      .words = yes_no,
      .fallback = "false",
      .doc = "write report.csv" },
    { .key = NULL },
};

const rs_schema rs_run_schema[] = {
    { .key = "name", .type = RS_SCHEMA_STRING, .offset = AT(name), .doc = "shown in the report" },
    { .key = "model", .type = RS_SCHEMA_PATH, .offset = AT(model), .doc = "prototxt or ONNX model of the network" },
    { .key = "weights",
      .type = RS_SCHEMA_PATH,
      .offset = AT(weights),
      .fallback = "",
      .doc = "caffemodel; an ONNX model brings its own" },
    { .key = "out", .type = RS_SCHEMA_PATH, .offset = AT(out), .doc = "folder for everything that is written" },
    { .key = "data", .type = RS_SCHEMA_MAP, .fields = data_fields, .doc = "labelled images" },
    { .key = "quantize", .type = RS_SCHEMA_MAP, .fields = quantize_fields, .doc = "the search" },
    { .key = "array", .type = RS_SCHEMA_PATH, .offset = AT(array), .doc = "YAML file of the array" },
    { .key = "technology",
      .type = RS_SCHEMA_PATH,
      .offset = AT(technology),
      .fallback = "",
      .doc = "YAML file of the technology; none: no estimate" },
    { .key = "simulate", .type = RS_SCHEMA_MAP, .fields = simulate_fields, .doc = "the array model" },
    { .key = "cosim", .type = RS_SCHEMA_MAP, .fields = cosim_fields, .doc = "the RTL" },
    { .key = "export", .type = RS_SCHEMA_MAP, .fields = export_fields, .doc = "ROMs" },
    { .key = "report", .type = RS_SCHEMA_MAP, .fields = report_fields, .doc = "what is written beside report.json" },
    { .key = NULL },
};

rs_status rs_run_config_read(const char *path, rs_run_config **result, rs_diag *diag)
{
    *result = NULL;
    rs_run_config *c = RS_NEW(rs_run_config);
    rs_arena *arena = rs_arena_new();
    const rs_yaml *root = NULL;
    rs_status status = c == NULL || arena == NULL ? rs_out_of_memory(diag) : RS_OK;
    if (status == RS_OK)
        status = rs_schema_read(rs_run_schema, path, c, arena, &root, diag);
    if (status == RS_OK && c->min_bits > c->max_bits) {
        const rs_yaml *node = rs_yaml_find(root, "quantize.min_bits");
        status = rs_error(diag, RS_BAD_INPUT, node != NULL ? node->loc : RS_FILE(path), NULL,
                          "quantize.min_bits must not be above quantize.max_bits, %d", c->max_bits);
    }
    const bool technology = c != NULL && c->technology != NULL && c->technology[0] != '\0';
    if (status == RS_OK && c->pareto > 0 && !technology) {
        const rs_yaml *node = rs_yaml_find(root, "quantize.pareto");
        status = rs_error(diag, RS_BAD_INPUT, node != NULL ? node->loc : RS_FILE(path), "add the key technology",
                          "quantize.pareto %s needs a technology", cost_words[c->pareto + 1].name);
    }
    if (status == RS_OK && c->pareto < 0 && c->budget > 0) {
        const rs_yaml *node = rs_yaml_find(root, "quantize.budget");
        status = rs_error(diag, RS_BAD_INPUT, node != NULL ? node->loc : RS_FILE(path), NULL,
                          "quantize.budget belongs to quantize.pareto bits, area or energy");
    }
    if (status == RS_OK && (c->path = rs_strdup(path)) == NULL)
        status = rs_out_of_memory(diag);
    rs_arena_free(arena);
    if (status != RS_OK) {
        rs_run_config_free(c);
        return status;
    }
    *result = c;
    return RS_OK;
}

rs_status rs_run_config_set(rs_run_config *config, const char *assignment, rs_diag *diag)
{
    return rs_schema_set(rs_run_schema, assignment, config, diag);
}

void rs_run_config_free(rs_run_config *c)
{
    if (c == NULL)
        return;
    rs_schema_free(rs_run_schema, c);
    rs_free(c->path);
    rs_free(c);
}
