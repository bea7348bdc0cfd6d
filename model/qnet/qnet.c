/* A quantized network in memory: its sizes, ranges and bounds. */
#include "qnet/qnet.h"

#include "base/integer.h"
#include "base/memory.h"
#include "qnet/rule.h"

const rs_qop_rule *const rs_qop_rules[RS_QOPS] = {
#define OPERATION(name, word) &rs_qop_rule_##word,
#include "qnet/operations.def"
#undef OPERATION
};

const char *rs_qop_type_name(rs_qop_type type)
{
    return (unsigned)type < RS_QOPS ? rs_qop_rules[type]->name : "?";
}

bool rs_qop_has(const rs_qop *op, int what)
{
    return (rs_qop_rules[op->type]->has & what) != 0;
}

bool rs_qop_weighted(const rs_qop *op)
{
    return rs_qop_has(op, RS_QOP_WEIGHTS);
}

void rs_qnet_free(rs_qnet *qnet)
{
    if (qnet == NULL)
        return;
    for (int i = 0; qnet->tensors && i < qnet->n_tensors; i++)
        rs_free(qnet->tensors[i].name);
    for (int i = 0; qnet->ops && i < qnet->n_ops; i++) {
        rs_free(qnet->ops[i].name);
        rs_free(qnet->ops[i].weights);
        rs_free(qnet->ops[i].weight_fl);
        rs_free(qnet->ops[i].bias);
    }
    rs_free(qnet->tensors);
    rs_free(qnet->ops);
    rs_free(qnet->pixel_table);
    rs_free(qnet->mean_image);
    rs_free(qnet->name);
    rs_free(qnet);
}

int64_t rs_qop_terms(const rs_qnet *qnet, const rs_qop *op)
{
    if (!rs_qop_weighted(op))
        return 0;
    return (int64_t)(qnet->tensors[op->input].channels / op->groups) * op->kernel_h * op->kernel_w;
}

int64_t rs_qop_macs(const rs_qnet *qnet, const rs_qop *op)
{
    const rs_qtensor *out = &qnet->tensors[op->output];
    return rs_qop_terms(qnet, op) * out->channels * out->height * out->width;
}

/* ----------------------------------------------------------------------------------------------------- values */

int64_t rs_qtensor_min(const rs_qtensor *tensor)
{
    return tensor->is_unsigned ? 0 : rs_number_ops_of(&tensor->format)->min(&tensor->format);
}

int64_t rs_qtensor_max(const rs_qtensor *tensor)
{
    rs_number_format format = tensor->format;
    format.bits = rs_qtensor_signed_bits(tensor);
    return rs_number_ops_of(&format)->max(&format);
}

int64_t rs_qop_weight_min(const rs_qop *op)
{
    return rs_number_ops_of(&op->weight_format)->min(&op->weight_format);
}

int64_t rs_qop_weight_max(const rs_qop *op)
{
    return rs_number_ops_of(&op->weight_format)->max(&op->weight_format);
}

int64_t rs_qtensor_magnitude(const rs_qtensor *tensor)
{
    return tensor->is_unsigned ? rs_qtensor_max(tensor) : -rs_qtensor_min(tensor);
}

double rs_qtensor_value(const rs_qtensor *tensor, int32_t q)
{
    return rs_number_ops_of(&tensor->format)->value(&tensor->format, q);
}

int32_t rs_qtensor_quantize(const rs_qtensor *tensor, double x, rs_rounding mode, uint64_t *saturations)
{
    rs_number_format format = tensor->format;
    format.bits = rs_qtensor_signed_bits(tensor);
    const int32_t q = rs_number_ops_of(&format)->quantize(&format, x, mode, saturations);
    if (!tensor->is_unsigned || q >= 0)
        return q;
    if (saturations)
        ++*saturations;
    return 0;
}

/* Section 7. */
int32_t rs_qnet_pixel(const rs_qnet *qnet, int64_t at, uint8_t pixel)
{
    const rs_qtensor *t = &qnet->tensors[0];
    if (qnet->pixel_table)
        return qnet->pixel_table[at / ((int64_t)t->height * t->width) * 256 + pixel];
    const float value = ((float)pixel - qnet->mean_image[at]) * qnet->pixel_scale;
    return rs_qtensor_quantize(t, (double)value, rs_number_nearest(t->format), NULL);
}

void rs_qnet_load(const rs_qnet *qnet, const uint8_t *pixels, int32_t *input)
{
    const int64_t count = rs_qtensor_count(&qnet->tensors[0]);
    for (int64_t i = 0; i < count; i++)
        input[i] = rs_qnet_pixel(qnet, i, pixels[i]);
}

/* ----------------------------------------------------------------------------------------------- sections 3 to 6 */

int rs_qop_align(const rs_qnet *qnet, const rs_qop *op, int i)
{
    int fl = qnet->tensors[op->inputs[0]].format.fl;
    for (int k = 1; k < op->n_inputs; k++)
        fl = qnet->tensors[op->inputs[k]].format.fl > fl ? qnet->tensors[op->inputs[k]].format.fl : fl;
    return fl - qnet->tensors[op->inputs[i]].format.fl;
}

int rs_qop_concat_shift(const rs_qnet *qnet, const rs_qop *op, int i)
{
    return qnet->tensors[op->inputs[i]].format.fl - qnet->tensors[op->output].format.fl;
}

/* Length of a window that begins at `first` and ends where the padding behind the map does. */
static int64_t window_length(int64_t first, int kernel, int in, int pad)
{
    const int64_t end = (int64_t)in + pad;
    return first + kernel < end ? kernel : end - first;
}

int64_t rs_qop_area(const rs_qnet *qnet, const rs_qop *op, int y, int x)
{
    const rs_qtensor *in = &qnet->tensors[op->input];
    return window_length((int64_t)y * op->stride_h - op->pad_h, op->kernel_h, in->height, op->pad_h) *
           window_length((int64_t)x * op->stride_w - op->pad_w, op->kernel_w, in->width, op->pad_w);
}

int rs_average_shift(int64_t area)
{
    return RS_AVERAGE_BITS + rs_ceil_log2(area);
}

int32_t rs_average_factor(int64_t area)
{
    const int64_t one = INT64_C(1) << rs_average_shift(area);
    return (int32_t)((2 * one + area) / (2 * area));
}

int64_t rs_qop_bound(const rs_qnet *qnet, const rs_qop *op, bool from_weights)
{
    const rs_qop_rule *rule = rs_qop_rules[op->type];
    if (rs_qnet_minifloat(qnet))
        return INT64_MAX; /* of their sums rs_qop_accumulator_bits says more */
    return rule->bound ? rule->bound(qnet, op, from_weights) : 0;
}

/* The products of the two largest integers, the sum of so many, the bias, and the sign. */
static int minifloat_bits(const rs_qnet *qnet, const rs_qop *op)
{
    const rs_minifloat a = qnet->tensors[op->input].format.minifloat, w = op->weight_format.minifloat;
    int64_t biggest = 0;
    for (int o = 0; o < qnet->tensors[op->output].channels; o++)
        biggest = rs_max64(rs_magnitude(op->bias[o]), biggest);
    const int sum = rs_minifloat_integer_bits(a) + rs_minifloat_integer_bits(w) +
                    rs_fxp_bits_for_bound(rs_qop_terms(qnet, op)) - 1;
    const int bias = rs_fxp_bits_for_bound(biggest) - 1 + rs_minifloat_fl(a) + rs_minifloat_fl(w) - op->bias_fl;
    return (sum > bias ? sum : bias) + 2;
}

/* Of an activation as a product with one, and of the sum of so many. */
static int direct_minifloat_bits(const rs_qtensor *in, int inputs)
{
    return rs_minifloat_integer_bits(in->format.minifloat) + rs_minifloat_fl(in->format.minifloat) + 1 +
           rs_fxp_bits_for_bound(inputs) - 1;
}

int rs_qop_accumulator_bits(const rs_qnet *qnet, const rs_qop *op, bool from_weights)
{
    if (rs_qnet_minifloat(qnet))
        return rs_qop_weighted(op) ? minifloat_bits(qnet, op)
                                   : direct_minifloat_bits(&qnet->tensors[op->input], op->n_inputs);
    return rs_fxp_bits_for_bound(rs_qop_bound(qnet, op, from_weights));
}
