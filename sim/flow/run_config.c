/* The keys of a run's YAML file, and what must hold between them. */
#include "flow/run_config.h"

#include "base/memory.h"
#include "flow/quantize_keys.h"
#include "rom/rom.h"

#define AT(field) offsetof(rs_run_config, field)
#define MAX_COUNT 9007199254740991.0 /* what a double holds exactly */

const rs_word rs_export_words[] = {
    { "memh", RS_ROM_HEX, "$readmemh words" },
    { "coe", RS_ROM_COE, "Xilinx coefficient file" },
    { "mif", RS_ROM_MIF, "Intel memory initialization file" },
    { "ihex", RS_ROM_IHEX, "Intel HEX" },
    { "c", RS_ROM_C, "C header" },
    { "npy", RS_ROM_NPY, "NumPy array" },
    { NULL, 0, NULL },
};
static const rs_word no_export = { "none", -1, NULL };
static const rs_word set_words[] = {
    { "test", 0, "those for testing" },
    { "train", 1, "those for training" },
    { NULL, 0, NULL },
};

/* Rows of the tables: key, place in the structure, ..., default (NULL: the key is required), meaning. */
#define TEXT(name, slot, text, meaning)                                                             \
    {                                                                                               \
        .key = name, .type = RS_SCHEMA_STRING, .offset = slot, .default_text = text, .doc = meaning \
    }
#define PATH(name, slot, text, meaning)                                                           \
    {                                                                                             \
        .key = name, .type = RS_SCHEMA_PATH, .offset = slot, .default_text = text, .doc = meaning \
    }
#define FLAG(name, slot, text, meaning)                                                           \
    {                                                                                             \
        .key = name, .type = RS_SCHEMA_BOOL, .offset = slot, .default_text = text, .doc = meaning \
    }
#define COUNT(name, slot, meaning)                                                                                  \
    {                                                                                                               \
        .key = name, .type = RS_SCHEMA_INT64, .offset = slot, .max = MAX_COUNT, .default_text = "0", .doc = meaning \
    }
#define WORD(name, slot, bytes, table, text, meaning)                                                             \
    {                                                                                                             \
        .key = name, .type = RS_SCHEMA_ENUM, .offset = slot, .size = bytes, .words = table, .default_text = text, \
        .doc = meaning                                                                                            \
    }
#define SECTION(name, slot, rows, meaning)                                                 \
    {                                                                                      \
        .key = name, .type = RS_SCHEMA_MAP, .offset = slot, .fields = rows, .doc = meaning \
    }

static const rs_schema slice_keys[] = {
    COUNT("first", offsetof(rs_slice, first), "first image"),
    COUNT("count", offsetof(rs_slice, count), "number of images; 0: to the end"),
    { .key = NULL },
};

static const rs_schema data_keys[] = {
    PATH("path", AT(data_path), NULL, "labelled images: a file, a list or a folder (docs/user/data.md)"),
    WORD("set", AT(data_train), sizeof(bool), set_words, "test", "which files of a folder"),
    TEXT("mean", AT(data_mean), "",
         "subtracted from the channels, such as 104,117,123 (blue, green, red); empty: as the net says"),
    PATH("mean_file", AT(data_mean_file), "", "mean image that is subtracted; empty: as the net says"),
    { .key = "scale",
      .type = RS_SCHEMA_REAL,
      .offset = AT(data_scale),
      .max = 1e9,
      .default_text = "0",
      .doc = "factor of the pixels; 0: as the net says" },
    TEXT("resize", AT(data_resize), "",
         "ROWSxPIXELS that images are resized to, such as 256x256; empty: as the net says"),
    { .key = "crop",
      .type = RS_SCHEMA_INT,
      .offset = AT(data_crop),
      .max = 65535,
      .default_text = "0",
      .unit = "pixels",
      .doc = "side of the square in the middle that is taken; 0: as the net says" },
    FLAG("gray", AT(data_gray), "false", "read color images as gray"),
    PATH("calibration_path", AT(calibration_path), "",
         "labelled images (the training half of a folder) that formats are chosen on; calibration and search are "
         "counted in them; empty: path"),
    SECTION("calibration", AT(calibration), slice_keys, "images that give the ranges"),
    SECTION("search", AT(search), slice_keys, "images that score a trial"),
    SECTION("test", AT(test), slice_keys, "images that the search does not see"),
    { .key = NULL },
};

static const rs_schema simulate_keys[] = {
    COUNT("images", AT(simulate_images),
          "images run through the array model and compared with the exact engine; 0: cycles only"),
    { .key = NULL },
};

static const rs_schema cosim_keys[] = {
    COUNT("images", AT(cosim_images), "images run through the Verilated RTL in lockstep with the array model; 0: none"),
    { .key = NULL },
};

static const rs_schema export_keys[] = {
    { .key = "format",
      .type = RS_SCHEMA_ENUM,
      .offset = AT(export_format),
      .first_word = &no_export,
      .words = rs_export_words,
      .default_text = "memh",
      .doc = "form of the ROMs" },
    { .key = NULL },
};

static const rs_schema report_keys[] = {
    FLAG("html", AT(html), "true", "write report.html"),
    FLAG("csv", AT(csv), "false", "write report.csv"),
    { .key = NULL },
};

const rs_schema rs_run_schema[] = {
    TEXT("name", AT(name), NULL, "shown in the report"),
    PATH("model", AT(model), NULL, "prototxt or ONNX model of the network"),
    PATH("weights", AT(weights), "", "caffemodel; an ONNX model brings its own"),
    TEXT("score", AT(score), "", "blob that is scored, one value per class; empty: the scores before a last softmax"),
    PATH("out", AT(out), NULL, "folder for everything that is written"),
    SECTION("data", 0, data_keys, "labelled images"),
    SECTION("quantize", AT(quantize), rs_quantize_keys, "the search"),
    PATH("array", AT(array), NULL, "YAML file of the array"),
    PATH("technology", AT(technology), "", "YAML file of the technology; none: no estimate"),
    SECTION("simulate", 0, simulate_keys, "the array model"),
    SECTION("cosim", 0, cosim_keys, "the RTL"),
    SECTION("export", 0, export_keys, "ROMs"),
    SECTION("report", 0, report_keys, "what is written beside report.json"),
    { .key = NULL },
};

rs_status rs_run_config_read(const char *path, rs_run_config **result, rs_diag *diag)
{
    void *config = NULL;
    const rs_status status = rs_schema_open(rs_run_schema, path, sizeof **result, &config, diag);
    *result = config;
    return status;
}

rs_status rs_run_config_set(rs_run_config *config, const char *assignment, rs_diag *diag)
{
    config->file.tree = NULL;
    return rs_schema_set(rs_run_schema, assignment, config, diag);
}

static rs_loc place(const void *file, const char *name)
{
    return rs_schema_place(file, name);
}

rs_status rs_run_config_quantize(const rs_run_config *c, rs_quantize_options *options, rs_diag *diag)
{
    const rs_option_names names = {
        .prefix = "quantize.", .separator = '_', .wrong = RS_BAD_INPUT, .place = place, .context = &c->file
    };
    *options = c->quantize;
    if (c->quantize.pareto != RS_COST_NONE && c->technology[0] == '\0')
        return rs_error(diag, RS_BAD_INPUT, rs_schema_place(&c->file, "quantize.pareto"), "add the key technology",
                        "quantize.pareto %s needs a technology",
                        rs_word_name(rs_cost_kind_words, (int)c->quantize.pareto));
    return rs_quantize_options_finish(options, &names, diag);
}

void rs_run_config_free(rs_run_config *config)
{
    rs_schema_close(rs_run_schema, config);
}
