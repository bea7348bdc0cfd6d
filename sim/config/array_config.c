#include "config/array_config.h"

#include <string.h>

#include "base/memory.h"
#include "config/array_schema.h"

#define AT(field) offsetof(rs_array_config, field)

static const rs_schema_word elements[] = {
    { "multiplier", RS_PE_MULTIPLIER, "two's complement weights" },
    { "shifter", RS_PE_SHIFTER, "weights are powers of two: a sign and a shift, 2 to 5 bits" },
    { "minifloat", RS_PE_MINIFLOAT, "activations and weights are minifloats; sums are exact fixed point" },
    { NULL, 0, NULL },
};
static const rs_schema_word overflows[] = {
    { "wrap", RS_OVERFLOW_WRAP, "two's complement; does not depend on the order" },
    { "saturate", RS_OVERFLOW_SATURATE, "after each accumulation, in the array's order" },
    { NULL, 0, NULL },
};
static const rs_schema_word first_levels[] = {
    { "exact", RS_FIRST_LEVEL_EXACT, "every level of the tree is one bit wider than the one before" },
    { "paper", RS_FIRST_LEVEL_PAPER, "one bit more behind every level, as Figure 1 of the paper draws it" },
    { NULL, 0, NULL },
};
static const rs_schema_word tree_registers[] = {
    { "none", RS_TREE_NONE, NULL },
    { "every", RS_TREE_EVERY, "behind every level" },
    { "every_second", RS_TREE_EVERY_SECOND, "behind levels 2, 4, ..." },
    { NULL, 0, NULL },
};
static const rs_schema_word roundings[] = { RS_ROUNDING_WORDS { NULL, 0, NULL } };
static const rs_schema_word auto_width[] = { { "auto", RS_BITS_AUTO, "as the net needs" }, { NULL, 0, NULL } };
static const rs_schema_word accumulator_width[] = {
    { "auto", RS_BITS_AUTO, "no sum of these widths can overflow" },
    { "weights", RS_BITS_WEIGHTS, "no sum of the actual weights can overflow" },
    { NULL, 0, NULL },
};

static const rs_schema_word auto_banks[] = { { "auto", RS_BANKS_AUTO, "as many elements as a cycle reads or writes" },
                                             { NULL, 0, NULL } };

static const rs_schema_word choices[] = {
    { "auto", RS_AUTO, "as the net needs" },
    { "no", RS_NO, NULL },
    { "yes", RS_YES, NULL },
    { NULL, 0, NULL },
};

static const rs_schema_word auto_format[] = { { "auto", 0, "as the net needs" }, { NULL, 0, NULL } };

static bool parse_minifloat(const char *text, void *slot)
{
    rs_minifloat format = { 0 };
    if (strcmp(text, "auto") != 0 && !rs_minifloat_parse(text, &format))
        return false;
    memcpy(slot, &format, sizeof format);
    return true;
}

static const rs_schema array_fields[] = {
    { .key = "lanes",
      .type = RS_SCHEMA_INT,
      .offset = AT(lanes),
      .min = 1,
      .max = 64,
      .doc = "output channels computed at once (Tm)" },
    { .key = "multipliers",
      .type = RS_SCHEMA_INT,
      .offset = AT(multipliers),
      .min = 1,
      .max = 64,
      .doc = "multipliers a lane: products of one output summed in a cycle" },
    { .key = "pe",
      .type = RS_SCHEMA_ENUM,
      .offset = AT(pe),
      .words = elements,
      .fallback = "multiplier",
      .doc = "processing element: how a product is made" },
    { .key = "zero_code",
      .type = RS_SCHEMA_ENUM,
      .offset = AT(zero_code),
      .words = choices,
      .fallback = "auto",
      .doc = "of a shifter: whether a weight can be zero; its code then means that, and all others shift by one less" },
    { .key = "minifloat",
      .type = RS_SCHEMA_VALUE,
      .offset = AT(minifloat),
      .parse = parse_minifloat,
      .words = auto_format,
      .fallback = "auto",
      .what = RS_MINIFLOAT_NAMES ", exponent and mantissa bits such as 4:3",
      .doc = "with pe minifloat: the format of its numbers" },
    { .key = "activation_bits",
      .type = RS_SCHEMA_INT,
      .offset = AT(activation_bits),
      .min = 1,
      .max = 16,
      .words = auto_width,
      .fallback = "auto",
      .unit = "bits",
      .doc = "width of activations" },
    { .key = "weight_bits",
      .type = RS_SCHEMA_INT,
      .offset = AT(weight_bits),
      .min = 1,
      .max = 16,
      .words = auto_width,
      .fallback = "auto",
      .unit = "bits",
      .doc = "width of weights" },
    { .key = "accumulator_bits",
      .type = RS_SCHEMA_INT,
      .offset = AT(accumulator_bits),
      .min = 2,
      .max = RS_MINIFLOAT_ACCUMULATOR_MAX_BITS,
      .words = accumulator_width,
      .fallback = "auto",
      .unit = "bits",
      .doc = "width of the accumulators; more than 48 for minifloats only" },
    { .key = "overflow",
      .type = RS_SCHEMA_ENUM,
      .offset = AT(overflow),
      .words = overflows,
      .fallback = "wrap",
      .doc = "what an accumulator that is too narrow does" },
    { .key = "first_level",
      .type = RS_SCHEMA_ENUM,
      .offset = AT(first_level),
      .words = first_levels,
      .fallback = "exact",
      .doc = "widths in the adder tree; values never differ, area does" },
    { .key = "tree_registers",
      .type = RS_SCHEMA_ENUM,
      .offset = AT(tree_registers),
      .words = tree_registers,
      .fallback = "none",
      .doc = "pipeline registers in the adder tree" },
    { .key = "rounding",
      .type = RS_SCHEMA_ENUM,
      .offset = AT(rounding),
      .words = roundings,
      .fallback = "nearest",
      .doc = "rounding of requantize; must be the net's" },
    { .key = "unsigned_activations",
      .type = RS_SCHEMA_ENUM,
      .offset = AT(unsigned_activations),
      .words = choices,
      .fallback = "auto",
      .doc = "blobs behind a ReLU may be unsigned: operands are one bit wider" },
    { .key = "average_pooling",
      .type = RS_SCHEMA_ENUM,
      .offset = AT(average_pooling),
      .words = choices,
      .fallback = "auto",
      .doc = "requantize multiplies by the reciprocal of a window's size" },
    { .key = "channel_shifts",
      .type = RS_SCHEMA_ENUM,
      .offset = AT(channel_shifts),
      .words = choices,
      .fallback = "auto",
      .doc =
          "weights may have a fractional length a channel: with each bias comes what its channel shifts more or less" },
    { .key = "program_depth",
      .type = RS_SCHEMA_INT,
      .offset = AT(program_depth),
      .min = 1,
      .max = 65535,
      .fallback = "64",
      .unit = "descriptors",
      .doc = "size of the program memory" },
    { .key = "clock_mhz",
      .type = RS_SCHEMA_REAL,
      .offset = AT(clock_mhz),
      .min = 0.001,
      .max = 100000,
      .fallback = "200",
      .unit = "MHz",
      .doc = "clock, for times and power" },
    { .key = NULL },
};

static const rs_schema buffer_fields[] = {
    { .key = "activation_elements",
      .type = RS_SCHEMA_INT64,
      .offset = AT(activation_elements),
      .min = 1,
      .max = 1 << 24,
      .unit = "activations",
      .doc = "one half of the activation buffer" },
    { .key = "weight_steps",
      .type = RS_SCHEMA_INT,
      .offset = AT(weight_steps),
      .min = 1,
      .max = 65535,
      .unit = "steps",
      .doc = "one half of the weight buffer, in words of `multipliers` weights a lane" },
    { .key = "output_elements",
      .type = RS_SCHEMA_INT64,
      .offset = AT(output_elements),
      .min = 1,
      .max = 1 << 24,
      .unit = "activations",
      .doc = "one half of the output buffer" },
    { .key = "activation_banks",
      .type = RS_SCHEMA_INT,
      .offset = AT(activation_banks),
      .min = 1,
      .max = 1024,
      .power_of_two = true,
      .words = auto_banks,
      .fallback = "auto",
      .unit = "banks",
      .doc = "of the activation buffer, each as wide as one activation" },
    { .key = "output_banks",
      .type = RS_SCHEMA_INT,
      .offset = AT(output_banks),
      .min = 1,
      .max = 1024,
      .power_of_two = true,
      .words = auto_banks,
      .fallback = "auto",
      .unit = "banks",
      .doc = "of the output buffer" },
    { .key = NULL },
};

static const rs_schema memory_fields[] = {
    { .key = "bus_bits",
      .type = RS_SCHEMA_INT,
      .offset = AT(bus_bits),
      .min = 16,
      .max = 1024,
      .power_of_two = true,
      .fallback = "64",
      .unit = "bits",
      .doc = "width of the port to the off-chip memory: one beat" },
    { .key = "latency",
      .type = RS_SCHEMA_INT,
      .offset = AT(latency),
      .min = 1,
      .max = 100000,
      .fallback = "20",
      .unit = "cycles",
      .doc = "from the acceptance of a read to its answer" },
    { .key = "outstanding",
      .type = RS_SCHEMA_INT,
      .offset = AT(outstanding),
      .min = 1,
      .max = 256,
      .fallback = "32",
      .unit = "reads",
      .doc = "reads in flight, at most; less than the latency throttles the port" },
    { .key = "stall_percent",
      .type = RS_SCHEMA_INT,
      .offset = AT(stall_percent),
      .min = 0,
      .max = 99,
      .fallback = "0",
      .unit = "%",
      .doc = "share of cycles, picked at random, in which the memory accepts nothing" },
    { .key = "stall_seed",
      .type = RS_SCHEMA_INT64,
      .offset = AT(stall_seed),
      .min = 0,
      .max = 9007199254740991.0,
      .fallback = "1",
      .doc = "seed of these cycles" },
    { .key = NULL },
};

const rs_schema rs_array_schema[] = {
    { .key = "name",
      .type = RS_SCHEMA_STRING,
      .offset = AT(name),
      .fallback = "",
      .doc = "shown in reports; the file's name if it is not given" },
    { .key = "array", .type = RS_SCHEMA_MAP, .fields = array_fields, .doc = "the datapath" },
    { .key = "buffers", .type = RS_SCHEMA_MAP, .fields = buffer_fields, .doc = "on-chip buffers, one half of each" },
    { .key = "memory", .type = RS_SCHEMA_MAP, .fields = memory_fields, .doc = "the off-chip memory" },
    { .key = NULL },
};

const char *rs_pe_name(rs_pe pe)
{
    const rs_schema_word *word = elements;
    while (word->name != NULL && word->value != (int)pe)
        word++;
    return word->name;
}

rs_status rs_array_config_read(const char *path, rs_array_config **result, rs_diag *diag)
{
    *result = NULL;
    rs_array_config *config = RS_NEW(rs_array_config);
    if (config == NULL)
        return rs_out_of_memory(diag);
    config->arena = rs_arena_new();
    rs_status status = config->arena == NULL ? rs_out_of_memory(diag) : RS_OK;
    if (status == RS_OK)
        status = rs_schema_read(rs_array_schema, path, config, config->arena, &config->tree, diag);
    if (status == RS_OK) {
        config->path = rs_strdup(path);
        if (config->name[0] == '\0') {
            const char *slash = strrchr(path, '/');
            const char *base = slash != NULL ? slash + 1 : path;
            rs_free(config->name);
            config->name = rs_strndup(base, strcspn(base, "."));
        }
        if (config->path == NULL || config->name == NULL)
            status = rs_out_of_memory(diag);
    }
    if (status != RS_OK) {
        rs_array_config_free(config);
        return status;
    }
    *result = config;
    return RS_OK;
}

rs_status rs_array_config_set(rs_array_config *config, const char *assignment, rs_diag *diag)
{
    config->tree = NULL;
    return rs_schema_set(rs_array_schema, assignment, config, diag);
}

rs_loc rs_array_config_place(const rs_array_config *config, const char *key)
{
    const rs_yaml *node = config->tree != NULL ? rs_yaml_find(config->tree, key) : NULL;
    return node != NULL ? node->loc : RS_FILE(config->path);
}

void rs_array_config_free(rs_array_config *config)
{
    if (config == NULL)
        return;
    rs_schema_free(rs_array_schema, config);
    rs_free(config->path);
    rs_arena_free(config->arena);
    rs_free(config);
}
