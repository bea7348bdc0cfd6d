/* Reads the YAML file of an adapter: its schema, and the checks that span several keys. */
#include "foreign/unit_config.h"

#include <string.h>

#include "base/memory.h"

#define AT(field) offsetof(rs_unit_config, field)

static const rs_word whens[] = {
    { "always", RS_UNIT_ALWAYS, NULL },
    { "operands", RS_UNIT_OPERANDS, "with every group of operands" },
    { "first", RS_UNIT_FIRST, "with the first group of a sum" },
    { "last", RS_UNIT_LAST, "with the last group of a sum" },
    { "before", RS_UNIT_BEFORE, "in a cycle of its own before the first group" },
    { NULL, 0, NULL },
};
static const rs_word edges[] = {
    { "rising", RS_UNIT_EDGE_RISING, NULL },
    { "falling", RS_UNIT_EDGE_FALLING, NULL },
    { NULL, 0, NULL },
};
static const rs_word any_groups[] = { { "any", 0, "a signal says where a sum begins or ends" }, { NULL, 0, NULL } };
static const rs_word orders[] = {
    { "low_first", RS_UNIT_LOW_FIRST, "element 0 lies in the lowest bits" },
    { "high_first", RS_UNIT_HIGH_FIRST, NULL },
    { NULL, 0, NULL },
};
static const rs_word overflows[] = {
    { "wrap", RS_OVERFLOW_WRAP, NULL },
    { "saturate", RS_OVERFLOW_SATURATE, NULL },
    { NULL, 0, NULL },
};
static const rs_word waits[] = {
    { "auto", RS_UNIT_WAIT_AUTO, "never; for the sum before, if a signal is active before the first group" },
    { "never", RS_UNIT_WAIT_NEVER, "operands follow each other without a gap" },
    { "sum", RS_UNIT_WAIT_SUM, "a sum begins when the results of the one before have come" },
    { "group", RS_UNIT_WAIT_GROUP, "a group is given when the result of the one before has come" },
    { NULL, 0, NULL },
};
static const rs_word valids[] = {
    { "high", RS_UNIT_VALID_HIGH, "a result in every cycle in which it is high" },
    { "low", RS_UNIT_VALID_LOW, NULL },
    { "rises", RS_UNIT_VALID_RISES, "a result when it becomes high" },
    { "falls", RS_UNIT_VALID_FALLS, NULL },
    { NULL, 0, NULL },
};
static const rs_word eaches[] = {
    { "auto", RS_UNIT_EACH_AUTO, "groups, but sums of a unit that accumulates and says when they are valid" },
    { "groups", RS_UNIT_EACH, "a result for every group" },
    { "sums", RS_UNIT_LAST_ONLY, "one for every sum" },
    { NULL, 0, NULL },
};
static const rs_word latencies[] = { { "auto", RS_UNIT_AUTO, "when `valid` says so" }, { NULL, 0, NULL } };
static const rs_word shift_delays[] = { { "auto", RS_UNIT_AUTO, "latency - 1" }, { NULL, 0, NULL } };
static const rs_word limits[] = { { "auto", RS_UNIT_WIDTH, "what the width holds" }, { NULL, 0, NULL } };
static const rs_word widths[] = { { "auto", 0, "the port's, divided by the elements in it" }, { NULL, 0, NULL } };

#define WORD(field) offsetof(rs_unit_word, field)
static const rs_schema file_fields[] = {
    { .key = "file",
      .type = RS_SCHEMA_PATH,
      .offset = WORD(text),
      .doc = "Verilog or SystemVerilog, in the order in which they are compiled" },
    { .key = NULL },
};
static const rs_schema folder_fields[] = {
    { .key = "folder",
      .type = RS_SCHEMA_PATH,
      .offset = WORD(text),
      .doc = "for `include and for modules in files of their name" },
    { .key = NULL },
};
static const rs_schema define_fields[] = {
    { .key = "macro", .type = RS_SCHEMA_STRING, .offset = WORD(text), .doc = "NAME or NAME=VALUE" },
    { .key = NULL },
};
static const rs_schema parameter_fields[] = {
    { .key = "name",
      .type = RS_SCHEMA_STRING,
      .offset = offsetof(rs_unit_parameter, name),
      .doc = "parameter of the module" },
    { .key = "value",
      .type = RS_SCHEMA_STRING,
      .offset = offsetof(rs_unit_parameter, value),
      .doc = "its value, as Verilog has it" },
    { .key = NULL },
};

static const rs_schema design_fields[] = {
    { .key = "top", .type = RS_SCHEMA_STRING, .offset = AT(top), .doc = "name of the module" },
    { .key = "sources",
      .type = RS_SCHEMA_LIST,
      .offset = AT(sources),
      .count_offset = AT(n_sources),
      .size = sizeof(rs_unit_word),
      .fields = file_fields,
      .plain_entries = true,
      .min = 1,
      .max = 100,
      .doc = "files of the design" },
    { .key = "include",
      .type = RS_SCHEMA_LIST,
      .offset = AT(include),
      .count_offset = AT(n_include),
      .size = sizeof(rs_unit_word),
      .fields = folder_fields,
      .plain_entries = true,
      .min = 0,
      .max = 20,
      .doc = "folders of the design" },
    { .key = "defines",
      .type = RS_SCHEMA_LIST,
      .offset = AT(defines),
      .count_offset = AT(n_defines),
      .size = sizeof(rs_unit_word),
      .fields = define_fields,
      .plain_entries = true,
      .min = 0,
      .max = 100,
      .doc = "macros" },
    { .key = "parameters",
      .type = RS_SCHEMA_LIST,
      .offset = AT(parameters),
      .count_offset = AT(n_parameters),
      .size = sizeof(rs_unit_parameter),
      .fields = parameter_fields,
      .min = 0,
      .max = 50,
      .doc = "parameters of the module" },
    { .key = "language",
      .type = RS_SCHEMA_STRING,
      .offset = AT(language),
      .default_text = "",
      .doc = "of all sources, such as 1364-2005 for a design that uses words of SystemVerilog as names; else by the "
             "files' endings" },
    { .key = "code",
      .type = RS_SCHEMA_PATH,
      .offset = AT(code),
      .default_text = "",
      .doc = "C++ file for what the keys cannot say" },
    { .key = NULL },
};

static const rs_schema clock_fields[] = {
    { .key = "port",
      .type = RS_SCHEMA_STRING,
      .offset = AT(clock),
      .default_text = "",
      .doc = "clock; none: combinational" },
    { .key = "edge",
      .type = RS_SCHEMA_ENUM,
      .offset = AT(clock_edge),
      .words = edges,
      .default_text = "rising",
      .doc = "on which it works" },
    { .key = "reset", .type = RS_SCHEMA_STRING, .offset = AT(reset), .default_text = "", .doc = "port of the reset" },
    { .key = "reset_value",
      .type = RS_SCHEMA_INT,
      .offset = AT(reset_value),
      .min = 0,
      .max = 1,
      .default_text = "1",
      .doc = "its value while it resets: 0 for a port such as rst_n" },
    { .key = "reset_cycles",
      .type = RS_SCHEMA_INT,
      .offset = AT(reset_cycles),
      .min = 0,
      .max = 10000,
      .default_text = "4",
      .unit = "cycles",
      .doc = "how long it resets at the beginning; without a reset, how long nothing is looked at" },
    { .key = "enable",
      .type = RS_SCHEMA_STRING,
      .offset = AT(clock_enable),
      .default_text = "",
      .doc = "port that freezes the whole unit while it is low; cycles count only while it is high" },
    { .key = NULL },
};

#define SIGNAL(field) offsetof(rs_unit_signal, field)
static const rs_schema signal_fields[] = {
    { .key = "port",
      .type = RS_SCHEMA_STRING,
      .offset = SIGNAL(port),
      .doc = "an input of the unit, or port[bit] or port[high:low]" },
    { .key = "when",
      .type = RS_SCHEMA_ENUM,
      .offset = SIGNAL(when),
      .words = whens,
      .default_text = "always",
      .doc = "when it has the value" },
    { .key = "delay",
      .type = RS_SCHEMA_INT,
      .offset = SIGNAL(delay),
      .min = 0,
      .max = RS_UNIT_MAX_DELAY,
      .default_text = "0",
      .unit = "cycles",
      .doc = "so many cycles later" },
    { .key = "value",
      .type = RS_SCHEMA_INT64,
      .offset = SIGNAL(value),
      .min = -4294967296.0,
      .max = 4294967295.0,
      .default_text = "1",
      .doc = "its value then" },
    { .key = "otherwise",
      .type = RS_SCHEMA_INT64,
      .offset = SIGNAL(otherwise),
      .min = -4294967296.0,
      .max = 4294967295.0,
      .default_text = "0",
      .doc = "its value at other times" },
    { .key = NULL },
};

static const rs_schema unit_fields[] = {
    { .key = "products",
      .type = RS_SCHEMA_INT,
      .offset = AT(products),
      .min = 1,
      .max = RS_UNIT_MAX_PRODUCTS,
      .default_text = "1",
      .doc = "pairs of operands that it takes at once: a group" },
    { .key = "groups",
      .type = RS_SCHEMA_INT,
      .offset = AT(groups),
      .min = 1,
      .max = 4096,
      .words = any_groups,
      .default_text = "any",
      .doc =
          "of every sum, of a unit that counts them itself; shorter sums are filled up with zeros, longer ones cut" },
    { .key = "accumulates",
      .type = RS_SCHEMA_BOOL,
      .offset = AT(accumulates),
      .default_text = "true",
      .doc = "it adds groups up; else each group is a result of its own" },
    { .key = "overflow",
      .type = RS_SCHEMA_ENUM,
      .offset = AT(overflow),
      .words = overflows,
      .default_text = "wrap",
      .doc = "what a sum does that is too large, after each group" },
    { .key = "product_shift",
      .type = RS_SCHEMA_INT,
      .offset = AT(product_shift),
      .min = 0,
      .max = 32,
      .default_text = "0",
      .unit = "bits",
      .doc = "it cuts so many low bits off each product" },
    { .key = "product_rounding",
      .type = RS_SCHEMA_ENUM,
      .offset = AT(product_rounding),
      .words = rs_rounding_words,
      .default_text = "truncate",
      .doc = "how" },
    { .key = "interval",
      .type = RS_SCHEMA_INT,
      .offset = AT(interval),
      .min = 1,
      .max = 10000,
      .default_text = "1",
      .unit = "cycles",
      .doc = "from one group to the next, at least" },
    { .key = "ready",
      .type = RS_SCHEMA_STRING,
      .offset = AT(operands_ready),
      .default_text = "",
      .doc = "output of the unit: a group is taken in a cycle in which it has the ready_value" },
    { .key = "ready_value",
      .type = RS_SCHEMA_INT,
      .offset = AT(ready_value),
      .min = 0,
      .max = 1,
      .default_text = "1",
      .doc = "0 for a port such as busy" },
    { .key = "hold",
      .type = RS_SCHEMA_BOOL,
      .offset = AT(hold),
      .default_text = "false",
      .doc = "operands stay until the next group" },
    { .key = "wait",
      .type = RS_SCHEMA_ENUM,
      .offset = AT(wait),
      .words = waits,
      .default_text = "auto",
      .doc = "for results" },
    { .key = "idle_percent",
      .type = RS_SCHEMA_INT,
      .offset = AT(idle_percent),
      .min = 0,
      .max = 90,
      .default_text = "25",
      .unit = "%",
      .doc = "cycles without operands, at random, in every second sum, with anything on the operands' ports" },
    { .key = "timeout",
      .type = RS_SCHEMA_INT,
      .offset = AT(timeout),
      .min = 1,
      .max = 1000000,
      .default_text = "1000",
      .unit = "cycles",
      .doc = "in which a result must have come" },
    { .key = NULL },
};

#define INPUT(prefix, port_fallback, max_bits, signed_doc)                                                     \
    { .key = "port",                                                                                           \
      .type = RS_SCHEMA_STRING,                                                                                \
      .offset = AT(prefix.port),                                                                               \
      .default_text = port_fallback,                                                                           \
      .doc = "port, or port[high:low] for some of its bits; a{} stands for ports a0, a1, ..." },               \
        { .key = "bits",                                                                                       \
          .type = RS_SCHEMA_INT,                                                                               \
          .offset = AT(prefix.bits),                                                                           \
          .min = 1,                                                                                            \
          .max = max_bits,                                                                                     \
          .words = widths,                                                                                     \
          .default_text = "auto",                                                                              \
          .unit = "bits",                                                                                      \
          .doc = "width of one; a wider port gets it extended" },                                              \
        { .key = "signed",                                                                                     \
          .type = RS_SCHEMA_BOOL,                                                                              \
          .offset = AT(prefix.is_signed),                                                                      \
          .default_text = "true",                                                                              \
          .doc = signed_doc },                                                                                 \
    {                                                                                                          \
        .key = "delay", .type = RS_SCHEMA_INT, .offset = AT(prefix.delay), .min = 0, .max = RS_UNIT_MAX_DELAY, \
        .default_text = "0", .unit = "cycles", .doc = "so many cycles after the group"                         \
    }
/* Limits of a value, where the unit does not take all that its width holds. */
#define LIMIT(prefix, field, what)                                                                                \
    {                                                                                                             \
        .key = #field, .type = RS_SCHEMA_INT, .offset = AT(prefix.field), .min = -(1 << RS_UNIT_MAX_BITS),        \
        .max = 1 << RS_UNIT_MAX_BITS, .words = limits, .default_text = "auto", .doc = what " that the unit takes" \
    }
#define ORDER(prefix)                                                                        \
    {                                                                                        \
        .key = "order", .type = RS_SCHEMA_ENUM, .offset = AT(prefix.order), .words = orders, \
        .default_text = "low_first", .doc = "of elements in one port"                        \
    }
static const rs_schema activation_fields[] = { INPUT(activations, NULL, RS_UNIT_MAX_BITS, "two's complement"),
                                               LIMIT(activations, min, "lowest value"),
                                               LIMIT(activations, max, "highest value"),
                                               ORDER(activations),
                                               { .key = NULL } };
static const rs_schema weight_fields[] = { INPUT(weights, "", RS_UNIT_MAX_BITS, "two's complement"),
                                           LIMIT(weights, min, "lowest value"),
                                           LIMIT(weights, max, "highest value"),
                                           ORDER(weights),
                                           { .key = NULL } };
static const rs_word bias_whens[] = {
    { "first", RS_UNIT_FIRST, NULL },
    { "before", RS_UNIT_BEFORE, NULL },
    { "always", RS_UNIT_ALWAYS, "during the whole sum" },
    { NULL, 0, NULL },
};
static const rs_schema bias_fields[] = {
    INPUT(bias, "", RS_ACCUMULATOR_MAX_BITS, "two's complement"),
    { .key = "when",
      .type = RS_SCHEMA_ENUM,
      .offset = AT(bias.when),
      .words = bias_whens,
      .default_text = "first",
      .doc = "when it is given" },
    { .key = NULL },
};
static const rs_schema addend_fields[] = { INPUT(addend, "", 64, "two's complement"), { .key = NULL } };

#define OUTPUT(prefix)                                                                                           \
    { .key = "port",                                                                                             \
      .type = RS_SCHEMA_STRING,                                                                                  \
      .offset = AT(prefix.port),                                                                                 \
      .default_text = "",                                                                                        \
      .doc = "port, or port[high:low]" },                                                                        \
        { .key = "bits",                                                                                         \
          .type = RS_SCHEMA_INT,                                                                                 \
          .offset = AT(prefix.bits),                                                                             \
          .min = 1,                                                                                              \
          .max = 64,                                                                                             \
          .words = widths,                                                                                       \
          .default_text = "auto",                                                                                \
          .unit = "bits",                                                                                        \
          .doc = "width, if not all of the port's bits count" },                                                 \
        { .key = "signed",                                                                                       \
          .type = RS_SCHEMA_BOOL,                                                                                \
          .offset = AT(prefix.is_signed),                                                                        \
          .default_text = "true",                                                                                \
          .doc = "two's complement" },                                                                           \
        { .key = "latency",                                                                                      \
          .type = RS_SCHEMA_INT,                                                                                 \
          .offset = AT(prefix.latency),                                                                          \
          .min = 0,                                                                                              \
          .max = 10000,                                                                                          \
          .words = latencies,                                                                                    \
          .default_text = "auto",                                                                                \
          .unit = "cycles",                                                                                      \
          .doc = "from the cycle of the operands to that in which the result can be seen; 0: the same cycle" },  \
        { .key = "valid",                                                                                        \
          .type = RS_SCHEMA_STRING,                                                                              \
          .offset = AT(prefix.valid),                                                                            \
          .default_text = "",                                                                                    \
          .doc = "output of the unit that says when there is one" },                                             \
        { .key = "valid_when",                                                                                   \
          .type = RS_SCHEMA_ENUM,                                                                                \
          .offset = AT(prefix.valid_when),                                                                       \
          .words = valids,                                                                                       \
          .default_text = "high",                                                                                \
          .doc = "how it says so" },                                                                             \
        { .key = "ready",                                                                                        \
          .type = RS_SCHEMA_STRING,                                                                              \
          .offset = AT(prefix.ready),                                                                            \
          .default_text = "",                                                                                    \
          .doc = "input of the unit: the result is taken in a cycle in which it is high; low at random" },       \
    {                                                                                                            \
        .key = "of", .type = RS_SCHEMA_ENUM, .offset = AT(prefix.each), .words = eaches, .default_text = "auto", \
        .doc = "what has a result"                                                                               \
    }
static const rs_schema sum_fields[] = { OUTPUT(sum), { .key = NULL } };
static const rs_schema output_fields[] = {
    OUTPUT(output),
    { .key = "shift",
      .type = RS_SCHEMA_INT,
      .offset = AT(shift),
      .min = RS_SHIFT_MIN,
      .max = RS_SHIFT_MAX,
      .default_text = "0",
      .unit = "bits",
      .doc = "to the right; of a unit that has no port for it" },
    { .key = "shift_port",
      .type = RS_SCHEMA_STRING,
      .offset = AT(shift_port),
      .default_text = "",
      .doc = "input of the unit: the layer's shift" },
    { .key = "shift_delay",
      .type = RS_SCHEMA_INT,
      .offset = AT(shift_delay),
      .min = 0,
      .max = RS_UNIT_MAX_DELAY,
      .words = shift_delays,
      .default_text = "auto",
      .unit = "cycles",
      .doc = "of shift_port and relu_port after the last group" },
    { .key = "relu",
      .type = RS_SCHEMA_BOOL,
      .offset = AT(relu),
      .default_text = "false",
      .doc = "of a unit that has no port for it" },
    { .key = "relu_port",
      .type = RS_SCHEMA_STRING,
      .offset = AT(relu_port),
      .default_text = "",
      .doc = "input of the unit: 1 for a layer with ReLU" },
    { .key = "rounding",
      .type = RS_SCHEMA_ENUM,
      .offset = AT(rounding),
      .words = rs_rounding_words,
      .default_text = "nearest",
      .doc = "of the shift" },
    { .key = "overflow",
      .type = RS_SCHEMA_ENUM,
      .offset = AT(output_overflow),
      .words = overflows,
      .default_text = "saturate",
      .doc = "of the result" },
    { .key = NULL },
};

const rs_schema rs_unit_schema[] = {
    { .key = "name",
      .type = RS_SCHEMA_STRING,
      .offset = AT(name),
      .default_text = "",
      .doc = "shown in reports; the file's name if it is not given" },
    { .key = "design", .type = RS_SCHEMA_MAP, .fields = design_fields, .doc = "its sources" },
    { .key = "clock", .type = RS_SCHEMA_MAP, .fields = clock_fields, .doc = "clock and reset" },
    { .key = "unit", .type = RS_SCHEMA_MAP, .fields = unit_fields, .doc = "what it does" },
    { .key = "activations", .type = RS_SCHEMA_MAP, .fields = activation_fields, .doc = "one operand of each product" },
    { .key = "weights",
      .type = RS_SCHEMA_MAP,
      .fields = weight_fields,
      .doc = "the other one; a unit without them only adds" },
    { .key = "bias", .type = RS_SCHEMA_MAP, .fields = bias_fields, .doc = "what a sum begins with" },
    { .key = "addend",
      .type = RS_SCHEMA_MAP,
      .fields = addend_fields,
      .doc = "the sum so far, of a unit that does not accumulate" },
    { .key = "signals",
      .type = RS_SCHEMA_LIST,
      .offset = AT(signals),
      .count_offset = AT(n_signals),
      .size = sizeof(rs_unit_signal),
      .fields = signal_fields,
      .min = 0,
      .max = 64,
      .doc = "its other inputs" },
    { .key = "sum", .type = RS_SCHEMA_MAP, .fields = sum_fields, .doc = "the sum of products" },
    { .key = "output",
      .type = RS_SCHEMA_MAP,
      .fields = output_fields,
      .doc = "the sum after ReLU, shift and rounding, of each sum" },
    { .key = NULL },
};

rs_loc rs_unit_config_place(const rs_unit_config *config, const char *key)
{
    return rs_schema_place(&config->file, key);
}

/* A result: one of latency and valid, at least. */
static void check_output(const rs_unit_config *c, const rs_unit_output *o, const char *name, rs_diag *diag)
{
    char key[64];
    snprintf(key, sizeof key, "%s.port", name);
    if (o->port[0] == '\0')
        return;
    if (o->latency == RS_UNIT_AUTO && o->valid[0] == '\0')
        rs_error(diag, RS_BAD_INPUT, rs_unit_config_place(c, key),
                 "a register after an adder: latency: 1; a wire: latency: 0",
                 "nothing says when '%s' is there: %s.latency or %s.valid is missing", o->port, name, name);
    if (o->ready[0] != '\0' && o->valid[0] == '\0')
        rs_error(diag, RS_BAD_INPUT, rs_unit_config_place(c, key), NULL, "%s.ready needs %s.valid", name, name);
    if (c->clock[0] == '\0' && (o->latency > 0 || o->valid[0] != '\0'))
        rs_error(diag, RS_BAD_INPUT, rs_unit_config_place(c, key), "give clock.port, or latency: 0",
                 "a unit without a clock has its results at once");
}

static void check(const rs_unit_config *c, rs_diag *diag)
{
    if (c->sum.port[0] == '\0' && c->output.port[0] == '\0')
        rs_error(diag, RS_BAD_INPUT, RS_FILE(c->file.path), NULL,
                 "there is nothing to compare: neither sum.port nor output.port is given");
    check_output(c, &c->sum, "sum", diag);
    check_output(c, &c->output, "output", diag);
    if (c->addend.port[0] != '\0' && c->accumulates)
        rs_error(diag, RS_BAD_INPUT, rs_unit_config_place(c, "addend.port"), "give unit.accumulates: false, or a bias",
                 "a unit that accumulates has no addend");
    if (c->addend.port[0] != '\0' && c->bias.port[0] != '\0')
        rs_error(diag, RS_BAD_INPUT, rs_unit_config_place(c, "bias.port"), "the first addend is the bias",
                 "a unit with an addend has no bias");
    if (c->groups > 0 && !c->accumulates && c->addend.port[0] == '\0')
        rs_error(diag, RS_BAD_INPUT, rs_unit_config_place(c, "unit.groups"), NULL,
                 "a unit that does not accumulate has sums of one group");
    if (c->clock[0] == '\0' && c->accumulates)
        rs_error(diag, RS_BAD_INPUT, rs_unit_config_place(c, "unit.accumulates"),
                 "give clock.port, or unit.accumulates: false", "a unit without a clock cannot accumulate");
    if (c->accumulates && c->output.port[0] != '\0' && c->output.each == RS_UNIT_EACH)
        rs_error(diag, RS_BAD_INPUT, rs_unit_config_place(c, "output.of"), NULL,
                 "a requantized output is one of a whole sum");
    bool starts = false;
    for (size_t i = 0; i < c->n_signals; i++)
        starts = starts || c->signals[i].when == RS_UNIT_FIRST || c->signals[i].when == RS_UNIT_BEFORE ||
                 c->signals[i].when == RS_UNIT_LAST;
    if (c->accumulates && !starts && c->groups == 0 && c->code[0] == '\0' && c->sum.valid[0] == '\0' &&
        c->output.valid[0] == '\0')
        rs_error(diag, RS_BAD_INPUT, rs_unit_config_place(c, "signals"),
                 "such as { port: clear, when: first }, the reset with when: before, or unit.groups if it counts",
                 "nothing tells the unit where a sum begins: no signal has 'when: first', 'before' or 'last'");
}

rs_status rs_unit_config_read(const char *path, rs_unit_config **result, rs_diag *diag)
{
    void *opened = NULL;
    rs_status status = rs_schema_open(rs_unit_schema, path, sizeof **result, &opened, diag);
    rs_unit_config *config = opened;
    *result = NULL;
    if (status != RS_OK)
        return status;
    if (config->name[0] == '\0') {
        rs_free(config->name);
        config->name = rs_strdup(config->top);
        status = config->name != NULL ? RS_OK : rs_out_of_memory(diag);
    }
    if (status == RS_OK) {
        const size_t errors = rs_diag_errors(diag);
        check(config, diag);
        status = rs_diag_errors(diag) > errors ? RS_BAD_INPUT : RS_OK;
    }
    if (status != RS_OK) {
        rs_unit_config_free(config);
        return status;
    }
    *result = config;
    return RS_OK;
}

void rs_unit_config_free(rs_unit_config *config)
{
    rs_schema_close(rs_unit_schema, config);
}
