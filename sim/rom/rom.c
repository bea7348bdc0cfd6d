/* The weights of a network as ROMs of the array: one file per layer and lane, in the order in which a lane takes them.
 */
#include "rom/rom.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "program/weight_order.h"
#include "base/memory.h"

#define FORMAT_NAME "ristretto rom"
enum { MINIFLOAT_BIAS_BITS = 32 }; /* arithmetic.md section 10 */
enum { VERSION = 1, MAX_LANES = 64, MAX_MULTIPLIERS = 64 };

/* One layer as the array sees it. */
typedef struct rom_layer {
    const rs_qnet *qnet;
    const rs_qop *op;
    char *base; /* of its file names */
    rs_weight_order order;
    int lanes, outputs;
    int64_t groups; /* of `lanes` output channels */
    rs_weight_code code;
    int weight_bits, bias_bits;
} rom_layer;

static rom_layer layer_of(const rs_qnet *qnet, int op, const rs_rom_options *options)
{
    rom_layer l = { .qnet = qnet, .op = &qnet->ops[op], .lanes = options->lanes, .code = options->code };
    l.base = rs_qnet_file_base(qnet, op);
    l.order = rs_weight_order_of(qnet, l.op, options->lanes, options->multipliers, l.code);
    l.outputs = qnet->tensors[l.op->output].channels;
    l.groups = rs_weight_order_groups(&l.order);
    l.weight_bits = options->weight_bits ? options->weight_bits : rs_weight_code_bits(l.code, l.op);
    l.bias_bits = l.code == RS_WEIGHT_MINIFLOAT ? (int)MINIFLOAT_BIAS_BITS
                  : options->bias_bits          ? options->bias_bits
                                                : rs_qop_accumulator_bits(qnet, l.op, true);
    return l;
}

/* What the ROM of a lane holds at a word and element; 0 where the array has no weight or no channel. */
static int64_t weight_at(const rom_layer *l, int lane, int64_t word, int multiplier)
{
    const int64_t group = word / l->order.steps, o = rs_weight_order_first(&l->order, group) + lane;
    if (lane >= rs_weight_order_lanes(&l->order, group))
        return 0;
    const int64_t index = rs_weight_order_index(&l->order, word % l->order.steps, multiplier, o);
    return index >= 0
               ? rs_weight_encode(l->code, l->op->weights[o * rs_qop_terms(l->qnet, l->op) + index], l->weight_bits)
               : 0;
}

static int64_t bias_at(const rom_layer *l, int lane, int64_t group)
{
    return lane < rs_weight_order_lanes(&l->order, group) ? l->op->bias[rs_weight_order_first(&l->order, group) + lane]
                                                          : 0;
}

/* Depth and shape of the ROM of weights (or biases) of one lane. */
static rs_rom shape_of(const rom_layer *l, bool bias)
{
    return bias ? (rs_rom) { 1, l->bias_bits, l->groups, NULL }
                : (rs_rom) { l->order.multipliers, l->weight_bits, l->groups * l->order.steps, NULL };
}

static int64_t value_at(const rom_layer *l, bool bias, int lane, int64_t word, int element)
{
    return bias ? bias_at(l, lane, word) : weight_at(l, lane, word, element);
}

/* "LAYER.lane07.hex", "LAYER.bias.lane07.hex" */
static char *file_name(const rom_layer *l, bool bias, int lane, rs_rom_format format)
{
    return rs_format("%s%s.lane%02d%s", l->base, bias ? ".bias" : "", lane, rs_rom_extension(format));
}

/* ------------------------------------------------------------------------------------------------------- export */

static rs_status check_widths(const rom_layer *l, rs_diag *diag)
{
    const int64_t terms = rs_qop_terms(l->qnet, l->op);
    if ((l->code == RS_WEIGHT_MINIFLOAT) != (l->op->weight_format.number == RS_NUMBER_MINIFLOAT))
        return rs_error(diag, RS_BAD_INPUT, RS_NOWHERE, NULL,
                        "layer '%s': its weights are%s minifloats, the array's are%s", l->op->name,
                        l->code == RS_WEIGHT_MINIFLOAT ? " no" : "", l->code == RS_WEIGHT_MINIFLOAT ? "" : " not");
    if (l->code == RS_WEIGHT_MINIFLOAT && rs_weight_code_bits(l->code, l->op) != l->weight_bits)
        return rs_error(diag, RS_BAD_INPUT, RS_NOWHERE, NULL, "layer '%s': its weights are codes of %d bits, not %d",
                        l->op->name, rs_weight_code_bits(l->code, l->op), l->weight_bits);
    const bool shifts = l->code == RS_WEIGHT_SHIFT || l->code == RS_WEIGHT_SHIFT_ZERO;
    if (shifts && l->op->weight_format.number != RS_NUMBER_POWER2)
        return rs_error(
            diag, RS_BAD_INPUT, RS_NOWHERE, "quantize it with the scheme power-of-two, or use an array of multipliers",
            "layer '%s': its weights are no powers of two, as an array of shifters takes them", l->op->name);
    if (shifts && rs_weight_code_bits(l->code, l->op) > l->weight_bits)
        return rs_error(diag, RS_BAD_INPUT, RS_NOWHERE, NULL, "layer '%s': its weights need %d bits as shifts, not %d",
                        l->op->name, rs_weight_code_bits(l->code, l->op), l->weight_bits);
    for (int64_t i = 0; l->code == RS_WEIGHT_INTEGER && i < l->outputs * terms; i++)
        if (rs_fxp_saturate(l->op->weights[i], l->weight_bits, NULL) != l->op->weights[i])
            return rs_error(diag, RS_BAD_INPUT, RS_NOWHERE, "the array's weights must be as wide as the network's",
                            "layer '%s': weight %d does not fit %d bits", l->op->name, (int)l->op->weights[i],
                            l->weight_bits);
    for (int o = 0; o < l->outputs; o++)
        if (rs_fxp_saturate(l->op->bias[o], l->bias_bits, NULL) != l->op->bias[o])
            return rs_error(diag, RS_BAD_INPUT, RS_NOWHERE, "a wider accumulator holds it",
                            "layer '%s': the bias of output channel %d, %lld, does not fit %d bits", l->op->name, o,
                            (long long)l->op->bias[o], l->bias_bits);
    return RS_OK;
}

/* Writes the ROMs of all lanes; returns a JSON object that describes them, or NULL and the status. */
static json_t *export_lanes(const rom_layer *l, bool bias, rs_rom_format format, const char *folder, int64_t *words,
                            rs_status *status, rs_diag *diag)
{
    rs_rom rom = shape_of(l, bias);
    json_t *files = json_array();
    rom.values = RS_NEW_ARRAY(int64_t, (size_t)rom.depth * (size_t)rom.elements);
    if (!rom.values || !files)
        *status = rs_out_of_memory(diag);
    for (int lane = 0; lane < l->lanes && *status == RS_OK; lane++) {
        for (int64_t w = 0; w < rom.depth; w++)
            for (int e = 0; e < rom.elements; e++)
                rom.values[w * rom.elements + e] = value_at(l, bias, lane, w, e);
        char *name = file_name(l, bias, lane, format), *path = name ? rs_path_join(folder, name) : NULL;
        char *symbol = name ? rs_strndup(name, strlen(name) - strlen(rs_rom_extension(format))) : NULL;
        uint32_t crc = 0;
        if (path && symbol)
            *status = rs_rom_write(&rom, format, symbol, path, &crc, diag);
        char text[16];
        snprintf(text, sizeof text, "%08lx", (unsigned long)crc);
        if (!path || !symbol ||
            (*status == RS_OK &&
             json_array_append_new(files, json_pack("{s:s, s:s}", "file", name, "crc32", text)) != 0))
            *status = rs_out_of_memory(diag);
        rs_free(symbol);
        rs_free(path);
        rs_free(name);
        *words += rom.depth;
    }
    rs_rom_free(&rom);
    if (*status != RS_OK) {
        json_decref(files);
        return NULL;
    }
    return json_pack("{s:i, s:I, s:i, s:i, s:o}", "width", rom.elements * rom.bits, "depth", (json_int_t)rom.depth,
                     "elements", rom.elements, "element_bits", rom.bits, "lanes", files);
}

/* In the order of rs_weight_code. */
static const char *const code_names[] = { "integer", "shift", "shift_zero", "minifloat" };
enum { CODES = sizeof code_names / sizeof *code_names };

static json_t *describe_tensor(const rs_qtensor *t)
{
    return json_pack("{s:s, s:i, s:i, s:i, s:i, s:i}", "name", t->name, "channels", t->channels, "height", t->height,
                     "width", t->width, "bits", t->format.bits, "fl", t->format.fl);
}

/* LAYER.json. Takes the references to weights and bias. */
static rs_status describe(const rom_layer *l, rs_rom_format format, const char *folder, json_t *weights, json_t *bias,
                          rs_diag *diag)
{
    static const char *const ORDER =
        "word group * steps + step; multiplier i at bits [i * element_bits +: element_bits]; "
        "steps: docs/reference/array-data.md, Weight order";
    static const char *const CASES[] = { "whole map", "rows", "points" };
    const rs_qop *op = l->op;
    const rs_qtensor *in = &l->qnet->tensors[op->input], *out = &l->qnet->tensors[op->output];
    json_t *root = json_pack("{s:s, s:i, s:s, s:s, s:s, s:i, s:i, s:I, s:I}", "format", FORMAT_NAME, "version", VERSION,
                             "layer", op->name, "type",
                             op->type == RS_QOP_CONVOLUTION ? "convolution" : "inner_product", "files",
                             rs_rom_format_name(format), "lanes", l->lanes, "multipliers", l->order.multipliers,
                             "groups", (json_int_t)l->groups, "steps", (json_int_t)l->order.steps);
    json_t *order = json_pack("{s:s, s:s, s:I, s:I, s:I, s:I}", "text", ORDER, "case", CASES[l->order.kind],
                              "seg1_count", (json_int_t)l->order.seg1_count, "seg2_count",
                              (json_int_t)l->order.seg2_count, "seg_len", (json_int_t)l->order.seg_len, "chunks",
                              (json_int_t)l->order.chunks);
    json_t *kernel = json_pack("{s:[i,i], s:[i,i], s:[i,i], s:[i,i], s:i}", "size", op->kernel_h, op->kernel_w,
                               "stride", op->stride_h, op->stride_w, "pad", op->pad_h, op->pad_w, "dilation",
                               op->dilation_h, op->dilation_w, "groups", op->groups);
    json_t *requantize = json_pack("{s:b, s:i, s:s}", "relu", op->relu, "shift", op->shift, "rounding",
                                   rs_rounding_name(l->qnet->rounding));
    int bad = 0;
    if (op->weight_fl) {
        json_t *shifts = json_array();
        for (int o = 0; o < out->channels; o++)
            bad |= json_array_append_new(shifts, json_integer(rs_qop_shift(op, o)));
        bad |= json_object_set_new(requantize, "shifts", shifts);
    }
    bad |= json_object_set_new(root, "order", order);
    bad |= json_object_set_new(root, "kernel", kernel);
    bad |= json_object_set_new(root, "input", describe_tensor(in));
    bad |= json_object_set_new(root, "output", describe_tensor(out));
    bad |= json_object_set_new(root, "requantize", requantize);
    bad |= json_object_set_new(weights, "encoding", json_string(code_names[l->code]));
    char format_name[16];
    if (l->code == RS_WEIGHT_MINIFLOAT)
        bad |= json_object_set_new(
            weights, "number",
            json_string(rs_minifloat_name(op->weight_format.minifloat, format_name, sizeof format_name)));
    else
        bad |= json_object_set_new(weights, "fl", json_integer(op->weight_format.fl));
    bad |= json_object_set_new(
        bias, "fl", json_integer(l->code == RS_WEIGHT_MINIFLOAT ? op->bias_fl : in->format.fl + op->weight_format.fl));
    bad |= json_object_set_new(root, "weights", weights);
    bad |= json_object_set_new(root, "bias", bias);
    char *text = bad ? NULL : json_dumps(root, JSON_INDENT(2));
    char *name = rs_format("%s.json", l->base), *path = name ? rs_path_join(folder, name) : NULL;
    json_decref(root);
    rs_status status = text && path ? RS_OK : rs_out_of_memory(diag);
    rs_output *out_file = NULL;
    if (status == RS_OK)
        status = rs_output_open(path, &out_file, diag);
    if (status == RS_OK) {
        fputs(text, rs_output_stream(out_file));
        fputc('\n', rs_output_stream(out_file));
        status = rs_output_commit(out_file, diag);
    }
    free(text);
    rs_free(path);
    rs_free(name);
    return status;
}

static rs_status check_options(const rs_rom_options *o, rs_diag *diag)
{
    const struct {
        const char *name;
        int value, lo, hi;
    } ranges[] = {
        { "lanes", o->lanes, 1, MAX_LANES },
        { "multipliers", o->multipliers, 1, MAX_MULTIPLIERS },
        { "weight bits", o->weight_bits, 0, RS_QNET_MAX_BITS },
        { "bias bits", o->bias_bits, 0, RS_ACCUMULATOR_MAX_BITS },
        { "format", (int)o->format, 0, RS_ROM_FORMATS - 1 },
    };
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (ranges[i].value < ranges[i].lo || ranges[i].value > ranges[i].hi)
            return rs_error(diag, RS_USAGE, RS_NOWHERE, NULL, "ROM %s: %d, expected %d to %d", ranges[i].name,
                            ranges[i].value, ranges[i].lo, ranges[i].hi);
    return RS_OK;
}

rs_status rs_rom_export(const rs_qnet *qnet, const rs_rom_options *options, const char *folder, int64_t *words,
                        rs_diag *diag)
{
    int64_t written = 0;
    rs_status status = check_options(options, diag);
    for (int i = 0; i < qnet->n_ops && status == RS_OK; i++) {
        if (!rs_qop_weighted(&qnet->ops[i]))
            continue;
        rom_layer l = layer_of(qnet, i, options);
        status = l.base ? check_widths(&l, diag) : rs_out_of_memory(diag);
        json_t *weights = NULL, *bias = NULL;
        if (status == RS_OK)
            weights = export_lanes(&l, false, options->format, folder, &written, &status, diag);
        if (status == RS_OK)
            bias = export_lanes(&l, true, options->format, folder, &written, &status, diag);
        if (status == RS_OK)
            status = describe(&l, options->format, folder, weights, bias, diag);
        else
            json_decref(weights);
        rs_free(l.base);
    }
    if (words)
        *words = written;
    return status;
}

/* ------------------------------------------------------------------------------------------------------- verify */

/* Where the verification stands. */
typedef struct rom_verifier {
    const char *folder, *path; /* of LAYER.json */
    rs_diag *diag;
    int64_t compared;
} rom_verifier;

static rs_status wrong(const rom_verifier *v, const char *what)
{
    return rs_error(v->diag, RS_BAD_INPUT, RS_FILE(v->path), "'ristretto export' writes such a file",
                    "%s is missing, or not what this network needs", what);
}

static bool is_integer(const json_t *object, const char *key, int64_t expected)
{
    const json_t *value = json_object_get(object, key);
    return json_is_integer(value) && json_integer_value(value) == expected;
}

static rs_status compare_lane(rom_verifier *v, const rom_layer *l, bool bias, int lane, rs_rom_format format,
                              const json_t *entry)
{
    const char *file = json_string_value(json_object_get(entry, "file"));
    const char *expected_crc = json_string_value(json_object_get(entry, "crc32"));
    char *name = file_name(l, bias, lane, format), *path = name ? rs_path_join(v->folder, name) : NULL;
    rs_rom rom = shape_of(l, bias);
    uint32_t crc = 0;
    rs_status status = RS_OK;
    if (!path)
        status = rs_out_of_memory(v->diag);
    else if (!file || !expected_crc || strcmp(file, name) != 0)
        status = wrong(v, bias ? "a file of the bias" : "a file of the weights");
    else
        status = rs_rom_read(&rom, format, path, &crc, v->diag);
    char text[16];
    snprintf(text, sizeof text, "%08lx", (unsigned long)crc);
    for (int64_t w = 0; w < rom.depth && status == RS_OK; w++)
        for (int e = 0; e < rom.elements; e++, v->compared++) {
            const int64_t expected = value_at(l, bias, lane, w, e), got = rom.values[w * rom.elements + e];
            if (got == expected)
                continue;
            status = rs_error(v->diag, RS_MISMATCH, RS_FILE(path), NULL,
                              "layer '%s', lane %d, word %lld, element %d is %lld, expected %lld", l->op->name, lane,
                              (long long)w, e, (long long)got, (long long)expected);
            break;
        }
    if (status == RS_OK && strcmp(text, expected_crc) != 0)
        status = rs_error(v->diag, RS_BAD_INPUT, RS_FILE(path), NULL, "the checksum is %s, expected %s as %s says",
                          text, expected_crc, v->path);
    rs_rom_free(&rom);
    rs_free(path);
    rs_free(name);
    return status;
}

static rs_status compare_roms(rom_verifier *v, const rom_layer *l, bool bias, rs_rom_format format,
                              const json_t *object)
{
    const rs_rom shape = shape_of(l, bias);
    const json_t *lanes = json_object_get(object, "lanes");
    if (!is_integer(object, "width", shape.elements * shape.bits) || !is_integer(object, "depth", shape.depth) ||
        !json_is_array(lanes) || json_array_size(lanes) != (size_t)l->lanes)
        return wrong(v, bias ? "the description of the bias" : "the description of the weights");
    rs_status status = RS_OK;
    for (int lane = 0; lane < l->lanes && status == RS_OK; lane++)
        status = compare_lane(v, l, bias, lane, format, json_array_get(lanes, (size_t)lane));
    return status;
}

/* The options with which a layer was written, from its JSON. */
static bool read_options(const json_t *root, rs_rom_options *o)
{
    const json_t *weights = json_object_get(root, "weights"), *bias = json_object_get(root, "bias");
    const json_t *values[] = { json_object_get(root, "lanes"), json_object_get(root, "multipliers"),
                               json_object_get(weights, "element_bits"), json_object_get(bias, "element_bits") };
    static const int limits[] = { MAX_LANES, MAX_MULTIPLIERS, RS_QNET_MAX_BITS, RS_ACCUMULATOR_MAX_BITS };
    int *const to[] = { &o->lanes, &o->multipliers, &o->weight_bits, &o->bias_bits };
    for (int i = 0; i < 4; i++) {
        if (!json_is_integer(values[i]) || json_integer_value(values[i]) < 1 ||
            json_integer_value(values[i]) > limits[i])
            return false;
        *to[i] = (int)json_integer_value(values[i]);
    }
    const char *code = json_string_value(json_object_get(weights, "encoding"));
    int known = 0;
    while (code && known < CODES && strcmp(code, code_names[known]) != 0)
        known++;
    if (!code || known == CODES)
        return false;
    o->code = (rs_weight_code)known;
    const char *name = json_string_value(json_object_get(root, "files"));
    for (int f = 0; name && f < RS_ROM_FORMATS; f++)
        if (strcmp(name, rs_rom_format_name((rs_rom_format)f)) == 0) {
            o->format = (rs_rom_format)f;
            return true;
        }
    return false;
}

static rs_status verify_layer(rom_verifier *v, const rs_qnet *qnet, int op)
{
    json_t *root = NULL;
    rs_status status = rs_check_regular(v->path, v->diag);
    if (status == RS_OK)
        status = rs_json_read(v->path, (size_t)64 << 20, "not valid JSON", NULL, &root, v->diag);
    if (status != RS_OK)
        return status;
    rs_rom_options options = { 0 };
    const char *format = json_string_value(json_object_get(root, "format"));
    if (!format || strcmp(format, FORMAT_NAME) != 0 || !is_integer(root, "version", VERSION) ||
        !read_options(root, &options)) {
        status = wrong(v, "the description of the ROMs");
    } else {
        rom_layer l = layer_of(qnet, op, &options);
        if (!l.base)
            status = rs_out_of_memory(v->diag);
        if (status == RS_OK)
            status = check_widths(&l, v->diag);
        if (status == RS_OK)
            status = compare_roms(v, &l, false, options.format, json_object_get(root, "weights"));
        if (status == RS_OK)
            status = compare_roms(v, &l, true, options.format, json_object_get(root, "bias"));
        rs_free(l.base);
    }
    json_decref(root);
    return status;
}

rs_status rs_rom_verify(const rs_qnet *qnet, const char *folder, int64_t *compared, rs_diag *diag)
{
    rs_status status = RS_OK;
    rom_verifier v = { .folder = folder, .diag = diag };
    for (int i = 0; i < qnet->n_ops && status == RS_OK; i++) {
        if (!rs_qop_weighted(&qnet->ops[i]))
            continue;
        char *base = rs_qnet_file_base(qnet, i), *name = base ? rs_format("%s.json", base) : NULL;
        char *path = name ? rs_path_join(folder, name) : NULL;
        v.path = path;
        status = path ? verify_layer(&v, qnet, i) : rs_out_of_memory(diag);
        rs_free(path);
        rs_free(name);
        rs_free(base);
    }
    *compared = v.compared;
    return status;
}
