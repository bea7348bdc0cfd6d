/* A quantized network to disk: docs/reference/formats.md, "Quantized network". */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "qnet/json.h"

const char *const rs_qnet_bias_words[2] = { "accumulator", "weights" };

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

static json_t *write_op(rs_qnet_writer *w, const rs_qnet *qnet, int index)
{
    const rs_qop *op = &qnet->ops[index];
    const rs_qop_rule *rule = rs_qop_rules[op->type];
    json_t *j = json_pack("{s:s, s:s}", "name", op->name, "type", rule->word), *inputs = json_array();
    for (int i = 0; i < op->n_inputs; i++)
        rs_qnet_append(w, inputs, json_integer(op->inputs[i]));
    rs_qnet_put(w, j, "inputs", inputs);
    rs_qnet_put(w, j, "output", json_integer(op->output));
    if (rule->has & RS_QOP_WINDOW) {
        rs_qnet_put_pair(w, j, "kernel", op->kernel_h, op->kernel_w);
        rs_qnet_put_pair(w, j, "stride", op->stride_h, op->stride_w);
        rs_qnet_put_pair(w, j, "pad", op->pad_h, op->pad_w);
    }
    if (rule->has & RS_QOP_RELU_FUSED)
        rs_qnet_put(w, j, "relu", json_boolean(op->relu));
    if (rule->has & RS_QOP_SUMS) {
        rs_qnet_put(w, j, "shift", json_integer(op->shift));
        rs_qnet_put(w, j, "accumulator_bits", json_integer(rs_qop_accumulator_bits(qnet, op, true)));
    }
    if (rule->write)
        rule->write(w, j, qnet, index);
    return j;
}

static json_t *write_tensor(rs_qnet_writer *w, const rs_qtensor *t)
{
    const rs_number_ops *number = rs_number_ops_of(&t->format);
    json_t *j = json_pack("{s:s, s:i, s:i, s:i, s:s, s:i, s:i, s:b}", "name", t->name, "channels", t->channels,
                          "height", t->height, "width", t->width, "number", number->word, "bits", t->format.bits, "fl",
                          t->format.fl, "signed", !t->is_unsigned);
    if (number->write && j)
        number->write(w, j, "", &t->format);
    return j;
}

/* The mean image's floats go out as the integers that their bits are: every value comes back the same. */
static json_t *write_mean_image(rs_qnet_writer *w, const rs_qnet *qnet)
{
    const rs_qtensor *input = &qnet->tensors[0];
    const int64_t dim[3] = { input->channels, input->height, input->width }, count = dim[0] * dim[1] * dim[2];
    int64_t *wide = RS_NEW_ARRAY(int64_t, (size_t)count);
    if (!wide) {
        w->status = rs_out_of_memory(w->diag);
        return NULL;
    }
    for (int64_t i = 0; i < count; i++) {
        int32_t bits;
        memcpy(&bits, &qnet->mean_image[i], sizeof bits);
        wide[i] = bits;
    }
    json_t *j = rs_qnet_array_json(w, "mean_image_bits.npy", wide, 4, 3, dim);
    rs_free(wide);
    return j;
}

static json_t *write_all(rs_qnet_writer *w, const rs_qnet *qnet)
{
    const rs_qtensor *input = &qnet->tensors[0];
    json_t *mean = json_array(), *tensors = json_array(), *ops = json_array();
    for (int c = 0; c < input->channels; c++)
        rs_qnet_append(w, mean, json_real((double)qnet->pixel_mean[c]));
    for (int i = 0; i < qnet->n_tensors; i++)
        rs_qnet_append(w, tensors, write_tensor(w, &qnet->tensors[i]));
    int64_t table[RS_QNET_MAX_CHANNELS * 256];
    for (int i = 0; qnet->pixel_table && i < input->channels * 256; i++)
        table[i] = qnet->pixel_table[i];
    json_t *pixels = qnet->pixel_table ? rs_qnet_array_json(w, "pixel_table.npy", table,
                                                            rs_npy_integer_size(rs_qtensor_signed_bits(input)), 2,
                                                            (const int64_t[2]) { input->channels, 256 })
                                       : write_mean_image(w, qnet);
    for (int i = 0; i < qnet->n_ops && w->status == RS_OK; i++)
        rs_qnet_append(w, ops, write_op(w, qnet, i));
    return json_pack("{s:s, s:i, s:s, s:s, s:s, s:{s:f, s:o, s:o}, s:o, s:o}", "format", RS_QNET_FORMAT, "version",
                     RS_QNET_VERSION, "name", qnet->name, "rounding", rs_rounding_name(qnet->rounding), "bias_rule",
                     rs_qnet_bias_words[qnet->bias_rule], "input", "scale", (double)qnet->pixel_scale, "mean", mean,
                     qnet->pixel_table ? "pixel_table" : "mean_image_bits", pixels, "tensors", tensors, "ops", ops);
}

rs_status rs_qnet_write(const rs_qnet *qnet, const char *folder, rs_diag *diag)
{
    rs_qnet_writer w = { .folder = folder, .diag = diag, .status = RS_OK };
    w.file = RS_NEW_ARRAY(rs_output *, 2 * (size_t)qnet->n_ops + 2);
    if (!w.file)
        return rs_out_of_memory(diag);
    json_t *root = write_all(&w, qnet);
    char *text = w.status == RS_OK && root ? json_dumps(root, JSON_INDENT(2) | JSON_REAL_PRECISION(17)) : NULL;
    json_decref(root);
    if (w.status == RS_OK && !text)
        w.status = rs_out_of_memory(diag);
    if (w.status == RS_OK) {
        FILE *f = rs_qnet_add_output(&w, "qnet.json");
        if (f) {
            fputs(text, f);
            fputc('\n', f);
            fflush(f);
        }
    }
    free(text);
    /* The description comes last: with it the folder is complete. */
    for (int i = 0; i < w.n; i++) {
        if (w.status == RS_OK)
            w.status = rs_output_commit(w.file[i], diag);
        else
            rs_output_discard(w.file[i]);
    }
    rs_free(w.file);
    return w.status;
}
