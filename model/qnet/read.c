/* A quantized network from disk: docs/reference/formats.md, "Quantized network". */
#include <string.h>

#include "base/json.h"
#include "base/file.h"
#include "base/memory.h"
#include "qnet/json.h"

void rs_qnet_read_number(rs_qnet_reader *r, const json_t *object, const char *where, const char *key,
                         rs_number_format *format)
{
    const char *words[RS_NUMBERS];
    for (int i = 0; i < RS_NUMBERS; i++)
        words[i] = rs_number_table[i]->word;
    format->number = (rs_number)rs_qnet_get_choice(r, object, where, key, words, RS_NUMBERS);
}

static void read_tensor(rs_qnet_reader *r, const json_t *j, int index, rs_qtensor *t)
{
    static const char *const keys[] = { "name", "channels", "height", "width",    "number",
                                        "bits", "fl",       "signed", "minifloat" };
    char where[48];
    snprintf(where, sizeof where, "tensors[%d]", index);
    if (!json_is_object(j)) {
        RS_QNET_MISREAD(r, NULL, "%s is not an object", where);
        return;
    }
    rs_qnet_check_keys(r, j, where, keys, sizeof keys / sizeof *keys);
    t->name = rs_qnet_get_text(r, j, where, "name");
    t->channels = rs_qnet_get_integer(r, j, where, "channels", 1, (int)RS_QNET_MAX_ELEMENTS);
    t->height = rs_qnet_get_integer(r, j, where, "height", 1, (int)RS_QNET_MAX_ELEMENTS);
    t->width = rs_qnet_get_integer(r, j, where, "width", 1, (int)RS_QNET_MAX_ELEMENTS);
    rs_qnet_read_number(r, j, where, "number", &t->format);
    t->format.bits = rs_qnet_get_integer(r, j, where, "bits", 1, RS_QNET_MAX_SCORE_BITS);
    t->format.fl = rs_qnet_get_integer(r, j, where, "fl", RS_FL_MIN, RS_FL_MAX);
    t->is_unsigned = !rs_qnet_get_boolean(r, j, where, "signed");
    const rs_number_ops *number = rs_number_ops_of(&t->format);
    if (number->read && !number->weights_only)
        number->read(r, j, where, "", &t->format);
}

static void read_inputs(rs_qnet_reader *r, const json_t *j, const char *where, int index, rs_qop *op)
{
    const json_t *inputs = rs_qnet_get(r, j, where, "inputs", JSON_ARRAY, "an array of tensor numbers");
    const size_t n = json_array_size(inputs);
    if (n < 1 || n > RS_QOP_MAX_INPUTS) {
        if (inputs)
            RS_QNET_MISREAD(r, NULL, "%s: %zu inputs, expected 1 to %d", where, n, RS_QOP_MAX_INPUTS);
        return;
    }
    op->n_inputs = (int)n;
    for (size_t i = 0; i < n; i++) {
        const json_t *value = json_array_get(inputs, i);
        const json_int_t v = json_integer_value(value);
        if (!json_is_integer(value) || v < 0 || v > index) {
            RS_QNET_MISREAD(r, NULL, "%s: inputs[%zu] must be the number of a tensor from 0 to %d", where, i, index);
            return;
        }
        op->inputs[i] = (int)v;
    }
}

/* Keys of an op: of all, of those that have something, and its own. */
static void check_op_keys(rs_qnet_reader *r, const json_t *j, const char *where, const rs_qop_rule *rule)
{
    static const struct {
        const char *key;
        int of; /* 0: all */
    } shared[] = { { "name", 0 },
                   { "type", 0 },
                   { "inputs", 0 },
                   { "output", 0 },
                   { "kernel", RS_QOP_WINDOW },
                   { "stride", RS_QOP_WINDOW },
                   { "pad", RS_QOP_WINDOW },
                   { "relu", RS_QOP_RELU_FUSED },
                   { "shift", RS_QOP_SUMS },
                   { "accumulator_bits", RS_QOP_SUMS } };
    enum { SHARED = sizeof shared / sizeof *shared, MAX_OWN = 24 };
    const char *keys[SHARED + MAX_OWN];
    size_t n = 0;
    for (size_t k = 0; k < SHARED; k++)
        if (shared[k].of == 0 || (rule->has & shared[k].of))
            keys[n++] = shared[k].key;
    for (int k = 0; rule->keys && rule->keys[k] && k < MAX_OWN; k++)
        keys[n++] = rule->keys[k];
    rs_qnet_check_keys(r, j, where, keys, n);
}

static void read_op(rs_qnet_reader *r, const json_t *j, int index, const rs_qnet *qnet, rs_qop *op)
{
    static const char *const words[RS_QOPS] = {
#define OPERATION(name, word) #word,
#include "qnet/operations.def"
#undef OPERATION
    };
    char where[48];
    snprintf(where, sizeof where, "ops[%d]", index);
    if (!json_is_object(j)) {
        RS_QNET_MISREAD(r, NULL, "%s is not an object", where);
        return;
    }
    op->name = rs_qnet_get_text(r, j, where, "name");
    op->type = (rs_qop_type)rs_qnet_get_choice(r, j, where, "type", words, RS_QOPS);
    const rs_qop_rule *rule = rs_qop_rules[op->type];
    check_op_keys(r, j, where, rule);
    read_inputs(r, j, where, index, op);
    op->output = rs_qnet_get_integer(r, j, where, "output", index + 1, index + 1);
    op->kernel_h = op->kernel_w = op->stride_h = op->stride_w = op->dilation_h = op->dilation_w = op->groups = 1;
    if (rule->has & RS_QOP_WINDOW) {
        rs_qnet_get_pair(r, j, where, "kernel", 1, &op->kernel_h, &op->kernel_w);
        rs_qnet_get_pair(r, j, where, "stride", 1, &op->stride_h, &op->stride_w);
        rs_qnet_get_pair(r, j, where, "pad", 0, &op->pad_h, &op->pad_w);
    }
    if (rule->has & RS_QOP_RELU_FUSED)
        op->relu = rs_qnet_get_boolean(r, j, where, "relu");
    int bits = 0;
    if (rule->has & RS_QOP_SUMS) {
        op->shift = rs_qnet_get_integer(r, j, where, "shift", -RS_FL_MAX * 3, RS_FL_MAX * 3);
        bits = rs_qnet_get_integer(r, j, where, "accumulator_bits", 1,
                                   rs_qnet_minifloat(qnet) ? 64 * RS_WIDE_LIMBS : RS_ACCUMULATOR_MAX_BITS);
    }
    if (rule->read)
        rule->read(r, j, where, qnet, op);
    if (r->status == RS_OK && (rule->has & RS_QOP_SUMS) && rs_qop_accumulator_bits(qnet, op, true) != bits)
        RS_QNET_MISREAD(r, NULL, "%s: 'accumulator_bits' is %d, expected %d from the %s", where, bits,
                        rs_qop_accumulator_bits(qnet, op, true), rule->has & RS_QOP_WEIGHTS ? "weights" : "formats");
}

static void read_mean_image(rs_qnet_reader *r, const json_t *input, rs_qnet *qnet)
{
    const rs_qtensor *t = &qnet->tensors[0];
    rs_npy image;
    const rs_qnet_array expected = { 3, (const int64_t[3]) { t->channels, t->height, t->width }, INT32_MIN, INT32_MAX };
    if (!rs_qnet_get_array(r, input, "input", "mean_image_bits", &expected, &image))
        return;
    qnet->mean_image = RS_NEW_ARRAY(float, (size_t)image.count);
    if (!qnet->mean_image)
        r->status = rs_out_of_memory(r->diag);
    for (int64_t i = 0; qnet->mean_image && i < image.count; i++) {
        const int32_t bits = (int32_t)rs_npy_integer(&image, i);
        memcpy(&qnet->mean_image[i], &bits, sizeof bits);
    }
    rs_npy_free(&image);
}

static void read_input(rs_qnet_reader *r, const json_t *root, rs_qnet *qnet)
{
    static const char *const keys[] = { "scale", "mean", "pixel_table", "mean_image_bits" };
    const json_t *input = rs_qnet_get(r, root, "qnet", "input", JSON_OBJECT, "an object");
    if (!input)
        return;
    rs_qnet_check_keys(r, input, "input", keys, sizeof keys / sizeof *keys);
    const int channels = qnet->tensors[0].channels;
    const json_t *scale = json_object_get(input, "scale");
    if (!json_is_number(scale))
        RS_QNET_MISREAD(r, NULL, "input: 'scale' is missing or no number");
    qnet->pixel_scale = (float)json_number_value(scale);
    const json_t *mean = rs_qnet_get(r, input, "input", "mean", JSON_ARRAY, "an array of numbers, one a channel");
    if (channels > RS_QNET_MAX_CHANNELS || (mean && json_array_size(mean) != (size_t)channels)) {
        RS_QNET_MISREAD(
            r, NULL, "input: %d channels and %zu mean values, expected at most %d channels and a mean value for each",
            channels, mean ? json_array_size(mean) : 0, RS_QNET_MAX_CHANNELS);
        return;
    }
    for (int c = 0; mean && c < channels; c++) {
        const json_t *value = json_array_get(mean, (size_t)c);
        if (!json_is_number(value))
            RS_QNET_MISREAD(r, NULL, "input: mean[%d] is no number", c);
        qnet->pixel_mean[c] = (float)json_number_value(value);
    }
    rs_npy table;
    const rs_qtensor *t = &qnet->tensors[0];
    if (json_object_get(input, "mean_image_bits")) {
        read_mean_image(r, input, qnet);
        return;
    }
    const rs_qnet_array expected = { 2, (const int64_t[2]) { channels, 256 }, rs_qtensor_min(t), rs_qtensor_max(t) };
    if (!rs_qnet_get_array(r, input, "input", "pixel_table", &expected, &table))
        return;
    qnet->pixel_table = RS_NEW_ARRAY(int32_t, (size_t)table.count);
    if (!qnet->pixel_table)
        r->status = rs_out_of_memory(r->diag);
    for (int64_t i = 0; qnet->pixel_table && i < table.count; i++)
        qnet->pixel_table[i] = (int32_t)rs_npy_integer(&table, i);
    rs_npy_free(&table);
}

static void read_root(rs_qnet_reader *r, const json_t *root, rs_qnet *qnet)
{
    static const char *const keys[] = {
        "format", "version", "name", "rounding", "bias_rule", "input", "tensors", "ops"
    };
    const json_t *format = json_object_get(root, "format");
    if (!json_is_string(format) || strcmp(json_string_value(format), RS_QNET_FORMAT) != 0) {
        RS_QNET_MISREAD(r, "'ristretto quantize' writes such a folder",
                        "not a quantized network: expected \"format\": \"%s\"", RS_QNET_FORMAT);
        return;
    }
    if (rs_qnet_get_integer(r, root, "qnet", "version", RS_QNET_VERSION, RS_QNET_VERSION) != RS_QNET_VERSION ||
        r->status != RS_OK)
        return;
    rs_qnet_check_keys(r, root, "qnet", keys, sizeof keys / sizeof *keys);
    const char *roundings[RS_ROUND_STOCHASTIC];
    for (int i = 0; i < RS_ROUND_STOCHASTIC; i++)
        roundings[i] = rs_rounding_name((rs_rounding)i);
    qnet->name = rs_qnet_get_text(r, root, "qnet", "name");
    qnet->rounding = (rs_rounding)rs_qnet_get_choice(r, root, "qnet", "rounding", roundings, RS_ROUND_STOCHASTIC);
    qnet->bias_rule = (rs_bias_rule)rs_qnet_get_choice(r, root, "qnet", "bias_rule", rs_qnet_bias_words, 2);
    const json_t *tensors = rs_qnet_get(r, root, "qnet", "tensors", JSON_ARRAY, "an array");
    const json_t *ops = rs_qnet_get(r, root, "qnet", "ops", JSON_ARRAY, "an array");
    if (!tensors || !ops)
        return;
    const size_t n_tensors = json_array_size(tensors), n_ops = json_array_size(ops);
    if (n_ops < 1 || n_tensors != n_ops + 1 || n_ops > 100000) {
        RS_QNET_MISREAD(r, NULL, "%zu ops and %zu tensors, expected at least one op and one tensor more than ops",
                        n_ops, n_tensors);
        return;
    }
    qnet->tensors = RS_NEW_ARRAY(rs_qtensor, n_tensors);
    qnet->ops = RS_NEW_ARRAY(rs_qop, n_ops);
    if (!qnet->tensors || !qnet->ops) {
        r->status = rs_out_of_memory(r->diag);
        return;
    }
    qnet->n_tensors = (int)n_tensors;
    qnet->n_ops = (int)n_ops;
    for (size_t i = 0; i < n_tensors; i++)
        read_tensor(r, json_array_get(tensors, i), (int)i, &qnet->tensors[i]);
    if (r->status == RS_OK)
        read_input(r, root, qnet);
    for (size_t i = 0; i < n_ops; i++)
        read_op(r, json_array_get(ops, i), (int)i, qnet, &qnet->ops[i]);
    if (r->status == RS_OK)
        r->status = rs_qnet_check(qnet, r->path, r->diag);
}

rs_status rs_qnet_read(const char *folder, rs_qnet **qnet, rs_diag *diag)
{
    *qnet = NULL;
    char *path = rs_path_join(folder, "qnet.json");
    if (!path)
        return rs_out_of_memory(diag);
    rs_qnet_reader r = { .folder = folder, .path = path, .diag = diag, .status = RS_OK };
    json_t *root = NULL;
    r.status = rs_check_regular(path, diag);
    if (r.status == RS_OK)
        r.status = rs_json_read(path, (size_t)64 << 20, "not valid JSON", NULL, &root, diag);
    if (r.status == RS_OK && !json_is_object(root))
        RS_QNET_MISREAD(&r, NULL, "expected a JSON object");
    rs_qnet *q = r.status == RS_OK ? RS_NEW(rs_qnet) : NULL;
    if (q)
        read_root(&r, root, q);
    else if (r.status == RS_OK)
        r.status = rs_out_of_memory(diag);
    json_decref(root);
    rs_free(path);
    if (r.status == RS_OK)
        *qnet = q;
    else
        rs_qnet_free(q);
    return r.status;
}
