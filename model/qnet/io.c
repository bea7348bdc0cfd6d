/* The exact integer form on disk: docs/reference/formats.md, "Quantized network". */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/file.h"
#include "base/npy.h"
#include "qnet/qnet.h"
#include "base/memory.h"

#define FORMAT_NAME "ristretto qnet"
enum { VERSION = 2 };

static const char *const type_names[] = { "convolution", "inner_product", "max_pool", "relu", "average_pool",
                                          "add",         "concat",        "lrn",      "clip" };
static const char *const number_names[] = { "fixed", "minifloat", "power_of_two" };
static const char *const special_names[] = { "none", "nan", "ieee" };
static const char *const bias_names[] = { "accumulator", "weights" };
enum { TYPES = sizeof type_names / sizeof *type_names, BIAS_RULES = sizeof bias_names / sizeof *bias_names };
_Static_assert((int)TYPES == (int)RS_QOPS && sizeof number_names / sizeof *number_names == RS_NUMBERS,
               "a name for each");

/* --------------------------------------------------------------------------------------------------- writing */

/* Output files of one folder. All of them are complete on disk under temporary names before the first takes its own. */
typedef struct outputs {
    const char *folder;
    int n;
    rs_output **file;
    rs_diag *diag;
    rs_status status;
} outputs;

static FILE *add_output(outputs *o, const char *name)
{
    char *path = rs_path_join(o->folder, name);
    if (!path) {
        o->status = rs_out_of_memory(o->diag);
        return NULL;
    }
    o->status = rs_output_open(path, &o->file[o->n], o->diag);
    rs_free(path);
    return o->status == RS_OK ? rs_output_stream(o->file[o->n++]) : NULL;
}

/* Writes an array of integers as NAME; returns {"file": NAME, "crc32": ...}. */
static json_t *add_array(outputs *o, const char *name, const int64_t *values, int size, int n_axes, const int64_t *dim)
{
    uint8_t *bytes;
    size_t n_bytes;
    o->status = rs_npy_encode(values, size, n_axes, dim, &bytes, &n_bytes, o->diag);
    if (o->status != RS_OK)
        return NULL;
    FILE *f = add_output(o, name);
    if (f && fwrite(bytes, 1, n_bytes, f) == n_bytes)
        fflush(f); /* an error sticks to the stream and is reported at commit */
    char crc[16];
    snprintf(crc, sizeof crc, "%08lx", crc32_z(0, bytes, n_bytes));
    rs_free(bytes);
    return f ? json_pack("{s:s, s:s}", "file", name, "crc32", crc) : NULL;
}

/* A copy of `text` with everything that is unusual in a file name replaced. */
static char *plain(const char *text)
{
    char *copy = rs_strdup(text);
    for (char *p = copy; p && *p; p++)
        if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-", *p))
            *p = '_';
    return copy;
}

char *rs_qnet_file_base(const rs_qnet *qnet, int op)
{
    char *mine = plain(qnet->ops[op].name);
    bool meets = false;
    for (int n = 0; mine && n < op && !meets; n++) {
        char *other = plain(qnet->ops[n].name);
        if (!other) {
            rs_free(mine);
            return NULL;
        }
        meets = strcmp(other, mine) == 0;
        rs_free(other);
    }
    char *base = !mine ? NULL : meets ? rs_format("%s.%d", mine, op) : rs_strdup(mine);
    rs_free(mine);
    return base;
}

static json_t *pair(int h, int w)
{
    return json_pack("[i, i]", h, w);
}

/* Takes the reference to value. A value that could not be made, NULL, is a failure too. */
static void put(outputs *o, json_t *object, const char *key, json_t *value)
{
    if (json_object_set_new(object, key, value) != 0 && o->status == RS_OK)
        o->status = rs_out_of_memory(o->diag);
}

static void append(outputs *o, json_t *list, json_t *value)
{
    if (json_array_append_new(list, value) != 0 && o->status == RS_OK)
        o->status = rs_out_of_memory(o->diag);
}

static bool has_window(const rs_qop *op)
{
    return rs_qop_weighted(op) || op->type == RS_QOP_MAX_POOL || op->type == RS_QOP_AVERAGE_POOL;
}

/* Ops with an accumulator and a shift. */
static bool sums(const rs_qop *op)
{
    return rs_qop_weighted(op) || op->type == RS_QOP_AVERAGE_POOL || op->type == RS_QOP_ADD;
}

/* Bytes of the smallest integer type that holds every weight of the op's format. */
static int weight_size(const rs_qop *op)
{
    const int64_t below = -(rs_qop_weight_min(op) + 1), most = rs_qop_weight_max(op);
    return rs_npy_integer_size(rs_fxp_bits_for_bound(below > most ? below : most));
}

static json_t *minifloat_json(rs_minifloat f)
{
    return json_pack("{s:i, s:i, s:i, s:b, s:s}", "exponent_bits", f.exponent_bits, "mantissa_bits", f.mantissa_bits,
                     "bias", f.bias, "subnormals", f.subnormals, "special", special_names[f.special]);
}

static json_t *write_op(outputs *o, const rs_qnet *qnet, int index)
{
    const rs_qop *op = &qnet->ops[index];
    json_t *j = json_pack("{s:s, s:s}", "name", op->name, "type", type_names[op->type]), *inputs = json_array();
    for (int i = 0; i < op->n_inputs; i++)
        append(o, inputs, json_integer(op->inputs[i]));
    put(o, j, "inputs", inputs);
    put(o, j, "output", json_integer(op->output));
    if (has_window(op)) {
        put(o, j, "kernel", pair(op->kernel_h, op->kernel_w));
        put(o, j, "stride", pair(op->stride_h, op->stride_w));
        put(o, j, "pad", pair(op->pad_h, op->pad_w));
    }
    if (op->type == RS_QOP_LRN) {
        put(o, j, "region", json_string(op->lrn.within ? "within_channel" : "across_channels"));
        put(o, j, "size", json_integer(op->lrn.size));
        put(o, j, "alpha", json_real((double)op->lrn.alpha));
        put(o, j, "beta", json_real((double)op->lrn.beta));
        put(o, j, "k", json_real((double)op->lrn.k));
    }
    if (op->type == RS_QOP_CLIP) {
        put(o, j, "least", json_integer(op->least));
        put(o, j, "most", json_integer(op->most));
    }
    if (rs_qop_weighted(op) || op->type == RS_QOP_ADD)
        put(o, j, "relu", json_boolean(op->relu));
    if (sums(op)) {
        put(o, j, "shift", json_integer(op->shift));
        put(o, j, "accumulator_bits", json_integer(rs_qop_accumulator_bits(qnet, op, true)));
    }
    if (!rs_qop_weighted(op))
        return j;
    const rs_qtensor *in = &qnet->tensors[op->input], *out = &qnet->tensors[op->output];
    const int64_t terms = rs_qop_terms(qnet, op), count = terms * out->channels;
    put(o, j, "dilation", pair(op->dilation_h, op->dilation_w));
    put(o, j, "groups", json_integer(op->groups));
    put(o, j, "weight_number", json_string(number_names[op->weight_format.number]));
    put(o, j, "weight_bits", json_integer(op->weight_format.bits));
    put(o, j, "weight_fl", json_integer(op->weight_format.fl));
    if (op->weight_format.number == RS_NUMBER_MINIFLOAT) {
        put(o, j, "weight_minifloat", minifloat_json(op->weight_format.minifloat));
        put(o, j, "bias_fl", json_integer(op->bias_fl));
    }
    if (op->weight_format.number == RS_NUMBER_POWER2) {
        put(o, j, "exponents", pair(op->weight_format.power2.min_exponent, op->weight_format.power2.max_exponent));
        put(o, j, "zero_code", json_boolean(op->weight_format.power2.zero));
    }
    if (op->weight_fl) {
        json_t *fl = json_array();
        for (int c = 0; c < out->channels; c++)
            append(o, fl, json_integer(op->weight_fl[c]));
        put(o, j, "channel_fl", fl);
    }
    char *base = rs_qnet_file_base(qnet, index);
    char *weights_name = base ? rs_format("%s.weights.npy", base) : NULL,
         *bias_name = base ? rs_format("%s.bias.npy", base) : NULL;
    int64_t *wide = RS_NEW_ARRAY(int64_t, (size_t)count);
    if (!weights_name || !bias_name || !wide) {
        o->status = rs_out_of_memory(o->diag);
    } else {
        for (int64_t i = 0; i < count; i++)
            wide[i] = op->weights[i];
        const bool flat = op->type == RS_QOP_INNER_PRODUCT;
        const int64_t dim[4] = { out->channels, flat ? terms : in->channels / op->groups, op->kernel_h, op->kernel_w };
        json_t *weights = add_array(o, weights_name, wide, weight_size(op), flat ? 2 : 4, dim);
        json_t *bias = o->status == RS_OK ? add_array(o, bias_name, op->bias, 8, 1, dim) : NULL;
        put(o, j, "weights", weights);
        put(o, j, "bias", bias);
    }
    rs_free(wide);
    rs_free(weights_name);
    rs_free(bias_name);
    rs_free(base);
    return j;
}

/* The mean image's floats go out as the integers that their bits are: every value comes back the same. */
static json_t *write_mean_image(outputs *o, const rs_qnet *qnet)
{
    const rs_qtensor *input = &qnet->tensors[0];
    const int64_t dim[3] = { input->channels, input->height, input->width }, count = dim[0] * dim[1] * dim[2];
    int64_t *wide = RS_NEW_ARRAY(int64_t, (size_t)count);
    if (!wide) {
        o->status = rs_out_of_memory(o->diag);
        return NULL;
    }
    for (int64_t i = 0; i < count; i++) {
        int32_t bits;
        memcpy(&bits, &qnet->mean_image[i], sizeof bits);
        wide[i] = bits;
    }
    json_t *j = add_array(o, "mean_image_bits.npy", wide, 4, 3, dim);
    rs_free(wide);
    return j;
}

static json_t *write_all(outputs *o, const rs_qnet *qnet)
{
    const rs_qtensor *input = &qnet->tensors[0];
    json_t *mean = json_array(), *tensors = json_array(), *ops = json_array();
    for (int c = 0; c < input->channels; c++)
        append(o, mean, json_real((double)qnet->pixel_mean[c]));
    for (int i = 0; i < qnet->n_tensors; i++) {
        const rs_qtensor *t = &qnet->tensors[i];
        json_t *tensor = json_pack("{s:s, s:i, s:i, s:i, s:s, s:i, s:i, s:b}", "name", t->name, "channels", t->channels,
                                   "height", t->height, "width", t->width, "number", number_names[t->format.number],
                                   "bits", t->format.bits, "fl", t->format.fl, "signed", !t->is_unsigned);
        if (t->format.number == RS_NUMBER_MINIFLOAT && tensor != NULL)
            put(o, tensor, "minifloat", minifloat_json(t->format.minifloat));
        append(o, tensors, tensor);
    }
    int64_t table[RS_QNET_MAX_CHANNELS * 256];
    for (int i = 0; qnet->pixel_table && i < input->channels * 256; i++)
        table[i] = qnet->pixel_table[i];
    json_t *pixels = qnet->pixel_table
                         ? add_array(o, "pixel_table.npy", table, rs_npy_integer_size(rs_qtensor_signed_bits(input)), 2,
                                     (const int64_t[2]) { input->channels, 256 })
                         : write_mean_image(o, qnet);
    for (int i = 0; i < qnet->n_ops && o->status == RS_OK; i++)
        append(o, ops, write_op(o, qnet, i));
    return json_pack("{s:s, s:i, s:s, s:s, s:s, s:{s:f, s:o, s:o}, s:o, s:o}", "format", FORMAT_NAME, "version",
                     VERSION, "name", qnet->name, "rounding", rs_rounding_name(qnet->rounding), "bias_rule",
                     bias_names[qnet->bias_rule], "input", "scale", (double)qnet->pixel_scale, "mean", mean,
                     qnet->pixel_table ? "pixel_table" : "mean_image_bits", pixels, "tensors", tensors, "ops", ops);
}

rs_status rs_qnet_write(const rs_qnet *qnet, const char *folder, rs_diag *diag)
{
    outputs o = { .folder = folder, .diag = diag, .status = RS_OK };
    o.file = RS_NEW_ARRAY(rs_output *, 2 * (size_t)qnet->n_ops + 2);
    if (!o.file)
        return rs_out_of_memory(diag);
    json_t *root = write_all(&o, qnet);
    char *text = o.status == RS_OK && root ? json_dumps(root, JSON_INDENT(2) | JSON_REAL_PRECISION(17)) : NULL;
    json_decref(root);
    if (o.status == RS_OK && !text)
        o.status = rs_out_of_memory(diag);
    if (o.status == RS_OK) {
        FILE *f = add_output(&o, "qnet.json");
        if (f) {
            fputs(text, f);
            fputc('\n', f);
            fflush(f);
        }
    }
    free(text);
    /* The description comes last: with it the folder is complete. */
    for (int i = 0; i < o.n; i++) {
        if (o.status == RS_OK)
            o.status = rs_output_commit(o.file[i], diag);
        else
            rs_output_discard(o.file[i]);
    }
    rs_free(o.file);
    return o.status;
}

/* --------------------------------------------------------------------------------------------------- reading */

typedef struct reader {
    const char *folder;
    const char *path; /* of qnet.json */
    rs_diag *diag;
    rs_status status;
} reader;

#define WRONG(r, hint, ...) ((r)->status = rs_error((r)->diag, RS_BAD_INPUT, RS_FILE((r)->path), (hint), __VA_ARGS__))

/* Every key of object `where` must be one of `keys`. */
static void check_keys(reader *r, const json_t *object, const char *where, const char *const *keys, size_t n)
{
    for (void *i = json_object_iter((json_t *)(uintptr_t)object); i;
         i = json_object_iter_next((json_t *)(uintptr_t)object, i)) {
        const char *key = json_object_iter_key(i);
        bool known = false;
        for (size_t k = 0; k < n; k++)
            known |= strcmp(keys[k], key) == 0;
        if (known)
            continue;
        const char *near = rs_nearest(key, keys, n);
        char *hint = near ? rs_format("did you mean '%s'?", near) : NULL;
        WRONG(r, hint, "%s: unknown key '%s'", where, key);
        rs_free(hint);
    }
}

static const json_t *member(reader *r, const json_t *object, const char *where, const char *key, json_type type,
                            const char *expected)
{
    const json_t *value = json_object_get(object, key);
    if (value && json_typeof(value) == type)
        return value;
    WRONG(r, NULL, "%s: '%s' %s, expected %s", where, key, value ? "has the wrong type" : "is missing", expected);
    return NULL;
}

/* An integer within [lo, hi]; lo if it is not there (and the reader has failed). */
static int integer(reader *r, const json_t *object, const char *where, const char *key, int lo, int hi)
{
    const json_t *value = member(r, object, where, key, JSON_INTEGER, "an integer");
    if (!value)
        return lo;
    const json_int_t v = json_integer_value(value);
    if (v < lo || v > hi) {
        if (lo == hi)
            WRONG(r, NULL, "%s: '%s' is %lld, expected %d", where, key, (long long)v, lo);
        else
            WRONG(r, NULL, "%s: '%s' is %lld, expected %d to %d", where, key, (long long)v, lo, hi);
        return lo;
    }
    return (int)v;
}

static bool boolean(reader *r, const json_t *object, const char *where, const char *key)
{
    const json_t *value = json_object_get(object, key);
    if (!value || !json_is_boolean(value))
        WRONG(r, NULL, "%s: '%s' %s, expected true or false", where, key, value ? "has the wrong type" : "is missing");
    return value && json_is_true(value);
}

static float number(reader *r, const json_t *object, const char *where, const char *key)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_number(value))
        WRONG(r, NULL, "%s: '%s' %s, expected a number", where, key, value ? "has the wrong type" : "is missing");
    return (float)json_number_value(value);
}

static char *name(reader *r, const json_t *object, const char *where, const char *key)
{
    const json_t *value = member(r, object, where, key, JSON_STRING, "a string");
    if (!value)
        return NULL;
    char *copy = rs_strdup(json_string_value(value));
    if (!copy)
        r->status = rs_out_of_memory(r->diag);
    return copy;
}

static int choice(reader *r, const json_t *object, const char *where, const char *key, const char *const *names, int n)
{
    const json_t *value = member(r, object, where, key, JSON_STRING, "a string");
    if (!value)
        return 0;
    for (int i = 0; i < n; i++)
        if (strcmp(json_string_value(value), names[i]) == 0)
            return i;
    const char *near = rs_nearest(json_string_value(value), names, (size_t)n);
    char *hint = near ? rs_format("did you mean '%s'?", near) : NULL;
    WRONG(r, hint, "%s: '%s' is '%s', which is not known", where, key, json_string_value(value));
    rs_free(hint);
    return 0;
}

/* [h, w] */
static void two(reader *r, const json_t *object, const char *where, const char *key, int lo, int *h, int *w)
{
    const json_t *value = member(r, object, where, key, JSON_ARRAY, "an array of two integers");
    *h = *w = lo;
    if (!value)
        return;
    const json_t *a = json_array_get(value, 0), *b = json_array_get(value, 1);
    if (json_array_size(value) != 2 || !json_is_integer(a) || !json_is_integer(b) || json_integer_value(a) < lo ||
        json_integer_value(b) < lo || json_integer_value(a) > 1 << 20 || json_integer_value(b) > 1 << 20) {
        WRONG(r, NULL, "%s: '%s' must be two integers from %d to %d", where, key, lo, 1 << 20);
        return;
    }
    *h = (int)json_integer_value(a);
    *w = (int)json_integer_value(b);
}

/* The array that member `key` names; its shape must be the given one and its values lie within [lo, hi]. */
static bool array(reader *r, const json_t *object, const char *where, const char *key, int n_axes, const int64_t *dim,
                  int64_t lo, int64_t hi, rs_npy *out)
{
    static const char *const keys[] = { "file", "crc32" };
    *out = (rs_npy) { 0 };
    const json_t *entry = member(r, object, where, key, JSON_OBJECT, "an object with 'file' and 'crc32'");
    if (!entry)
        return false;
    check_keys(r, entry, where, keys, 2);
    const json_t *file = member(r, entry, where, "file", JSON_STRING, "a file name");
    const json_t *sum = member(r, entry, where, "crc32", JSON_STRING, "eight hexadecimal digits");
    if (!file || !sum)
        return false;
    const char *file_name = json_string_value(file);
    if (strchr(file_name, '/') || file_name[0] == '.' || file_name[0] == 0) {
        WRONG(r, NULL, "%s: the file name '%s' must name a file in the same folder", where, file_name);
        return false;
    }
    char *path = rs_path_join(r->folder, file_name);
    if (!path) {
        r->status = rs_out_of_memory(r->diag);
        return false;
    }
    uint32_t crc = 0;
    bool ok = false;
    rs_status status = rs_npy_read(path, (size_t)RS_QNET_MAX_ELEMENTS * 8 + 65536, out, &crc, r->diag);
    char text[16];
    snprintf(text, sizeof text, "%08lx", (unsigned long)crc);
    if (status != RS_OK) {
        r->status = status;
    } else if (strcmp(text, json_string_value(sum)) != 0) {
        r->status = rs_error(r->diag, RS_BAD_INPUT, RS_FILE(path),
                             "the files of the folder were not written together, or one was changed",
                             "the checksum is %s, expected %s as %s says", text, json_string_value(sum), r->path);
    } else if (out->kind == 'f' || out->n_axes != n_axes || memcmp(out->dim, dim, (size_t)n_axes * sizeof *dim) != 0) {
        char *want = rs_strdup("");
        for (int a = 0; want && a < n_axes; a++) {
            char *longer = rs_format("%s%s%lld", want, a > 0 ? " x " : "", (long long)dim[a]);
            rs_free(want);
            want = longer;
        }
        r->status = rs_error(r->diag, RS_BAD_INPUT, RS_FILE(path), NULL,
                             "the array has another shape or type, expected %s integers", want ? want : "");
        rs_free(want);
    } else {
        ok = true;
        for (int64_t i = 0; i < out->count && ok; i++) {
            const int64_t v = rs_npy_integer(out, i);
            if (v < lo || v > hi) {
                r->status = rs_error(r->diag, RS_BAD_INPUT, RS_FILE(path), NULL,
                                     "element %lld is %lld, expected %lld to %lld", (long long)i, (long long)v,
                                     (long long)lo, (long long)hi);
                ok = false;
            }
        }
    }
    rs_free(path);
    if (!ok)
        rs_npy_free(out);
    return ok;
}

static void read_minifloat(reader *r, const json_t *j, const char *where, const char *key, rs_minifloat *f)
{
    static const char *const keys[] = { "exponent_bits", "mantissa_bits", "bias", "subnormals", "special" };
    const json_t *object = member(r, j, where, key, JSON_OBJECT, "an object");
    if (!object)
        return;
    check_keys(r, object, where, keys, sizeof keys / sizeof *keys);
    f->exponent_bits = integer(r, object, where, "exponent_bits", 1, 8);
    f->mantissa_bits = integer(r, object, where, "mantissa_bits", 0, 10);
    f->bias = integer(r, object, where, "bias", -64, 127);
    f->subnormals = boolean(r, object, where, "subnormals");
    f->special = (rs_minifloat_special)choice(r, object, where, "special", special_names, 3);
    if (r->status == RS_OK && !rs_minifloat_legal(*f))
        WRONG(r, NULL, "%s: '%s' is a format of %d bits, expected at most %d, and a number besides zero", where, key,
              rs_minifloat_bits(*f), RS_MINIFLOAT_MAX_BITS);
}

static void read_tensor(reader *r, const json_t *j, int index, rs_qtensor *t)
{
    static const char *const keys[] = { "name", "channels", "height", "width",    "number",
                                        "bits", "fl",       "signed", "minifloat" };
    char where[48];
    snprintf(where, sizeof where, "tensors[%d]", index);
    if (!json_is_object(j)) {
        WRONG(r, NULL, "%s is not an object", where);
        return;
    }
    check_keys(r, j, where, keys, sizeof keys / sizeof *keys);
    t->name = name(r, j, where, "name");
    t->channels = integer(r, j, where, "channels", 1, (int)RS_QNET_MAX_ELEMENTS);
    t->height = integer(r, j, where, "height", 1, (int)RS_QNET_MAX_ELEMENTS);
    t->width = integer(r, j, where, "width", 1, (int)RS_QNET_MAX_ELEMENTS);
    t->format.number = (rs_number)choice(r, j, where, "number", number_names, RS_NUMBERS);
    t->format.bits = integer(r, j, where, "bits", 1, RS_QNET_MAX_SCORE_BITS);
    t->format.fl = integer(r, j, where, "fl", RS_FL_MIN, RS_FL_MAX);
    t->is_unsigned = !boolean(r, j, where, "signed");
    if (t->format.number == RS_NUMBER_MINIFLOAT)
        read_minifloat(r, j, where, "minifloat", &t->format.minifloat);
}

static void read_weights(reader *r, const json_t *j, const char *where, const rs_qnet *qnet, rs_qop *op)
{
    const rs_qtensor *in = &qnet->tensors[op->input], *out = &qnet->tensors[op->output];
    if (op->groups > in->channels || in->channels % op->groups != 0) {
        WRONG(r, NULL, "%s: %d groups, expected a divisor of the %d input channels", where, op->groups, in->channels);
        return;
    }
    const bool flat = op->type == RS_QOP_INNER_PRODUCT;
    /* No product of dimensions is formed here: the file's own size bounds what is read. */
    const int64_t per_map = (int64_t)op->kernel_h * op->kernel_w;
    if (per_map > RS_QNET_MAX_ELEMENTS) {
        WRONG(r, NULL, "%s: the kernel is too large", where);
        return;
    }
    const int64_t dim[4] = { out->channels, flat ? in->channels * per_map : in->channels / op->groups, op->kernel_h,
                             op->kernel_w };
    rs_npy weights, bias;
    if (array(r, j, where, "weights", flat ? 2 : 4, dim, rs_qop_weight_min(op), rs_qop_weight_max(op), &weights)) {
        op->weights = RS_NEW_ARRAY(int32_t, (size_t)weights.count);
        if (!op->weights)
            r->status = rs_out_of_memory(r->diag);
        for (int64_t i = 0; op->weights && i < weights.count; i++)
            op->weights[i] = (int32_t)rs_npy_integer(&weights, i);
        rs_npy_free(&weights);
    }
    const int64_t most = INT64_C(1) << (RS_ACCUMULATOR_MAX_BITS - 1);
    if (array(r, j, where, "bias", 1, dim, -most, most - 1, &bias)) {
        op->bias = RS_NEW_ARRAY(int64_t, (size_t)bias.count);
        if (!op->bias)
            r->status = rs_out_of_memory(r->diag);
        for (int64_t i = 0; op->bias && i < bias.count; i++)
            op->bias[i] = rs_npy_integer(&bias, i);
        rs_npy_free(&bias);
    }
}

static void read_inputs(reader *r, const json_t *j, const char *where, int index, rs_qop *op)
{
    const json_t *inputs = member(r, j, where, "inputs", JSON_ARRAY, "an array of tensor numbers");
    const size_t n = json_array_size(inputs);
    if (n < 1 || n > RS_QOP_MAX_INPUTS) {
        if (inputs)
            WRONG(r, NULL, "%s: %zu inputs, expected 1 to %d", where, n, RS_QOP_MAX_INPUTS);
        return;
    }
    op->n_inputs = (int)n;
    for (size_t i = 0; i < n; i++) {
        const json_t *value = json_array_get(inputs, i);
        const json_int_t v = json_integer_value(value);
        if (!json_is_integer(value) || v < 0 || v > index) {
            WRONG(r, NULL, "%s: inputs[%zu] must be the number of a tensor from 0 to %d", where, i, index);
            return;
        }
        op->inputs[i] = (int)v;
    }
}

static void read_lrn(reader *r, const json_t *j, const char *where, rs_qlrn *lrn)
{
    static const char *const regions[] = { "across_channels", "within_channel" };
    lrn->within = choice(r, j, where, "region", regions, 2) == 1;
    lrn->size = integer(r, j, where, "size", 1, 1 << 10);
    lrn->alpha = number(r, j, where, "alpha");
    lrn->beta = number(r, j, where, "beta");
    lrn->k = number(r, j, where, "k");
}

static void read_channel_fl(reader *r, const json_t *j, const char *where, const rs_qnet *qnet, rs_qop *op)
{
    const json_t *fl = json_object_get(j, "channel_fl");
    const size_t n = (size_t)qnet->tensors[op->output].channels;
    if (!fl)
        return;
    if (!json_is_array(fl) || json_array_size(fl) != n) {
        WRONG(r, NULL, "%s: 'channel_fl' must be an array of %zu integers, one an output channel", where, n);
        return;
    }
    op->weight_fl = RS_NEW_ARRAY(int, n);
    if (!op->weight_fl) {
        r->status = rs_out_of_memory(r->diag);
        return;
    }
    for (size_t c = 0; c < n; c++) {
        const json_t *value = json_array_get(fl, c);
        const json_int_t v = json_integer_value(value);
        if (!json_is_integer(value) || v < RS_FL_MIN || v > RS_FL_MAX) {
            WRONG(r, NULL, "%s: channel_fl[%zu] must be an integer from %d to %d", where, c, RS_FL_MIN, RS_FL_MAX);
            return;
        }
        op->weight_fl[c] = (int)v;
    }
}

static void read_power2(reader *r, const json_t *j, const char *where, rs_power2 *f)
{
    const json_t *value = member(r, j, where, "exponents", JSON_ARRAY, "an array of two integers");
    const json_t *a = json_array_get(value, 0), *b = json_array_get(value, 1);
    const json_int_t lo = json_integer_value(a), hi = json_integer_value(b);
    if (!value)
        return;
    if (json_array_size(value) != 2 || !json_is_integer(a) || !json_is_integer(b) || lo < RS_FL_MIN || hi > RS_FL_MAX ||
        lo > hi || hi - lo > RS_POWER2_MAX_RANGE) {
        WRONG(r, NULL, "%s: 'exponents' must be two integers from %d to %d, the first at most %d below the second",
              where, RS_FL_MIN, RS_FL_MAX, RS_POWER2_MAX_RANGE);
        return;
    }
    *f = (rs_power2) { (int)lo, (int)hi, boolean(r, j, where, "zero_code") };
}

static void read_op(reader *r, const json_t *j, int index, const rs_qnet *qnet, rs_qop *op)
{
    /* Sets of keys, each of the ops that have them. */
    enum { ANY = 1, WINDOW = 2, RELU = 4, SUM = 8, WEIGHTS = 16, LRN = 32, CLIP = 64 };
    static const struct {
        const char *key;
        int of;
    } table[] = { { "name", ANY },
                  { "type", ANY },
                  { "inputs", ANY },
                  { "output", ANY },
                  { "kernel", WINDOW },
                  { "stride", WINDOW },
                  { "pad", WINDOW },
                  { "relu", RELU },
                  { "shift", SUM },
                  { "accumulator_bits", SUM },
                  { "dilation", WEIGHTS },
                  { "groups", WEIGHTS },
                  { "weight_number", WEIGHTS },
                  { "weight_bits", WEIGHTS },
                  { "weight_fl", WEIGHTS },
                  { "weight_minifloat", WEIGHTS },
                  { "bias_fl", WEIGHTS },
                  { "exponents", WEIGHTS },
                  { "zero_code", WEIGHTS },
                  { "channel_fl", WEIGHTS },
                  { "weights", WEIGHTS },
                  { "bias", WEIGHTS },
                  { "region", LRN },
                  { "size", LRN },
                  { "alpha", LRN },
                  { "beta", LRN },
                  { "k", LRN },
                  { "least", CLIP },
                  { "most", CLIP } };
    enum { KEYS = sizeof table / sizeof *table };
    char where[48];
    snprintf(where, sizeof where, "ops[%d]", index);
    if (!json_is_object(j)) {
        WRONG(r, NULL, "%s is not an object", where);
        return;
    }
    op->name = name(r, j, where, "name");
    op->type = (rs_qop_type)choice(r, j, where, "type", type_names, TYPES);
    const bool weights = rs_qop_weighted(op);
    const int has = ANY | (has_window(op) ? WINDOW : 0) | (weights || op->type == RS_QOP_ADD ? RELU : 0) |
                    (sums(op) ? SUM : 0) | (weights ? WEIGHTS : 0) | (op->type == RS_QOP_LRN ? LRN : 0) |
                    (op->type == RS_QOP_CLIP ? CLIP : 0);
    const char *keys[KEYS];
    size_t n_keys = 0;
    for (size_t k = 0; k < KEYS; k++)
        if (table[k].of & has)
            keys[n_keys++] = table[k].key;
    check_keys(r, j, where, keys, n_keys);
    read_inputs(r, j, where, index, op);
    op->output = integer(r, j, where, "output", index + 1, index + 1);
    op->kernel_h = op->kernel_w = op->stride_h = op->stride_w = op->dilation_h = op->dilation_w = op->groups = 1;
    if (has & WINDOW) {
        two(r, j, where, "kernel", 1, &op->kernel_h, &op->kernel_w);
        two(r, j, where, "stride", 1, &op->stride_h, &op->stride_w);
        two(r, j, where, "pad", 0, &op->pad_h, &op->pad_w);
    }
    if (has & LRN)
        read_lrn(r, j, where, &op->lrn);
    if (has & CLIP) {
        op->least = integer(r, j, where, "least", -(1 << RS_QNET_MAX_BITS), 1 << RS_QNET_MAX_BITS);
        op->most = integer(r, j, where, "most", -(1 << RS_QNET_MAX_BITS), 1 << RS_QNET_MAX_BITS);
    }
    if (has & RELU)
        op->relu = boolean(r, j, where, "relu");
    int bits = 0;
    if (has & SUM) {
        op->shift = integer(r, j, where, "shift", -RS_FL_MAX * 3, RS_FL_MAX * 3);
        bits = integer(r, j, where, "accumulator_bits", 1,
                       rs_qnet_minifloat(qnet) ? 64 * RS_WIDE_LIMBS : RS_ACCUMULATOR_MAX_BITS);
    }
    if (weights) {
        two(r, j, where, "dilation", 1, &op->dilation_h, &op->dilation_w);
        op->groups = integer(r, j, where, "groups", 1, (int)RS_QNET_MAX_ELEMENTS);
        op->weight_format.number = (rs_number)choice(r, j, where, "weight_number", number_names, RS_NUMBERS);
        op->weight_format.bits = integer(r, j, where, "weight_bits", 1, RS_QNET_MAX_BITS);
        op->weight_format.fl = integer(r, j, where, "weight_fl", RS_FL_MIN, RS_FL_MAX);
        if (op->weight_format.number == RS_NUMBER_MINIFLOAT) {
            read_minifloat(r, j, where, "weight_minifloat", &op->weight_format.minifloat);
            op->bias_fl = integer(r, j, where, "bias_fl", RS_FL_MIN, RS_FL_MAX);
        }
        if (op->weight_format.number == RS_NUMBER_POWER2)
            read_power2(r, j, where, &op->weight_format.power2);
        if (r->status == RS_OK)
            read_channel_fl(r, j, where, qnet, op);
        if (r->status == RS_OK)
            read_weights(r, j, where, qnet, op);
    }
    if (r->status == RS_OK && (has & SUM) && rs_qop_accumulator_bits(qnet, op, true) != bits)
        WRONG(r, NULL, "%s: 'accumulator_bits' is %d, expected %d from the %s", where, bits,
              rs_qop_accumulator_bits(qnet, op, true), weights ? "weights" : "formats");
}

static void read_mean_image(reader *r, const json_t *input, rs_qnet *qnet)
{
    const rs_qtensor *t = &qnet->tensors[0];
    rs_npy image;
    if (!array(r, input, "input", "mean_image_bits", 3, (const int64_t[3]) { t->channels, t->height, t->width },
               INT32_MIN, INT32_MAX, &image))
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

static void read_input(reader *r, const json_t *root, rs_qnet *qnet)
{
    static const char *const keys[] = { "scale", "mean", "pixel_table", "mean_image_bits" };
    const json_t *input = member(r, root, "qnet", "input", JSON_OBJECT, "an object");
    if (!input)
        return;
    check_keys(r, input, "input", keys, sizeof keys / sizeof *keys);
    const int channels = qnet->tensors[0].channels;
    const json_t *scale = json_object_get(input, "scale");
    if (!json_is_number(scale))
        WRONG(r, NULL, "input: 'scale' is missing or no number");
    qnet->pixel_scale = (float)json_number_value(scale);
    const json_t *mean = member(r, input, "input", "mean", JSON_ARRAY, "an array of numbers, one a channel");
    if (channels > RS_QNET_MAX_CHANNELS || (mean && json_array_size(mean) != (size_t)channels)) {
        WRONG(r, NULL, "input: %d channels and %zu mean values, expected at most %d channels and a mean value for each",
              channels, mean ? json_array_size(mean) : 0, RS_QNET_MAX_CHANNELS);
        return;
    }
    for (int c = 0; mean && c < channels; c++) {
        const json_t *value = json_array_get(mean, (size_t)c);
        if (!json_is_number(value))
            WRONG(r, NULL, "input: mean[%d] is no number", c);
        qnet->pixel_mean[c] = (float)json_number_value(value);
    }
    rs_npy table;
    const rs_qtensor *t = &qnet->tensors[0];
    if (json_object_get(input, "mean_image_bits")) {
        read_mean_image(r, input, qnet);
        return;
    }
    if (!array(r, input, "input", "pixel_table", 2, (const int64_t[2]) { channels, 256 }, rs_qtensor_min(t),
               rs_qtensor_max(t), &table))
        return;
    qnet->pixel_table = RS_NEW_ARRAY(int32_t, (size_t)table.count);
    if (!qnet->pixel_table)
        r->status = rs_out_of_memory(r->diag);
    for (int64_t i = 0; qnet->pixel_table && i < table.count; i++)
        qnet->pixel_table[i] = (int32_t)rs_npy_integer(&table, i);
    rs_npy_free(&table);
}

static void read_root(reader *r, const json_t *root, rs_qnet *qnet)
{
    static const char *const keys[] = {
        "format", "version", "name", "rounding", "bias_rule", "input", "tensors", "ops"
    };
    const json_t *format = json_object_get(root, "format");
    if (!json_is_string(format) || strcmp(json_string_value(format), FORMAT_NAME) != 0) {
        WRONG(r, "'ristretto quantize' writes such a folder", "not a quantized network: expected \"format\": \"%s\"",
              FORMAT_NAME);
        return;
    }
    if (integer(r, root, "qnet", "version", VERSION, VERSION) != VERSION || r->status != RS_OK)
        return;
    check_keys(r, root, "qnet", keys, sizeof keys / sizeof *keys);
    const char *roundings[RS_ROUND_STOCHASTIC];
    for (int i = 0; i < RS_ROUND_STOCHASTIC; i++)
        roundings[i] = rs_rounding_name((rs_rounding)i);
    qnet->name = name(r, root, "qnet", "name");
    qnet->rounding = (rs_rounding)choice(r, root, "qnet", "rounding", roundings, RS_ROUND_STOCHASTIC);
    qnet->bias_rule = (rs_bias_rule)choice(r, root, "qnet", "bias_rule", bias_names, BIAS_RULES);
    const json_t *tensors = member(r, root, "qnet", "tensors", JSON_ARRAY, "an array");
    const json_t *ops = member(r, root, "qnet", "ops", JSON_ARRAY, "an array");
    if (!tensors || !ops)
        return;
    const size_t n_tensors = json_array_size(tensors), n_ops = json_array_size(ops);
    if (n_ops < 1 || n_tensors != n_ops + 1 || n_ops > 100000) {
        WRONG(r, NULL, "%zu ops and %zu tensors, expected at least one op and one tensor more than ops", n_ops,
              n_tensors);
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
    reader r = { .folder = folder, .path = path, .diag = diag, .status = RS_OK };
    uint8_t *bytes = NULL;
    size_t size = 0;
    r.status = rs_read_file(path, (size_t)64 << 20, false, &bytes, &size, diag);
    json_t *root = NULL;
    if (r.status == RS_OK) {
        json_error_t error;
        root = json_loadb((const char *)bytes, size, JSON_REJECT_DUPLICATES, &error);
        if (!root)
            r.status = rs_error(diag, RS_BAD_INPUT,
                                (rs_loc) { path, error.line > 0 ? error.line : 0, error.column > 0 ? error.column : 0 },
                                NULL, "not valid JSON: %s", error.text);
        else if (!json_is_object(root))
            WRONG(&r, NULL, "expected a JSON object");
    }
    rs_qnet *q = r.status == RS_OK ? RS_NEW(rs_qnet) : NULL;
    if (q)
        read_root(&r, root, q);
    else if (r.status == RS_OK)
        r.status = rs_out_of_memory(diag);
    json_decref(root);
    rs_free(bytes);
    rs_free(path);
    if (r.status == RS_OK)
        *qnet = q;
    else
        rs_qnet_free(q);
    return r.status;
}
