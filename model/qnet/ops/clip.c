/* Clip between two integers: arithmetic.md section 6. */
#include "qnet/builder.h"
#include "qnet/check.h"
#include "qnet/json.h"

static const char *const keys[] = { "least", "most", NULL };

static void check(rs_qnet_checker *c, const rs_qop *op)
{
    const rs_qtensor *out = &c->qnet->tensors[op->output];
    if (op->min > op->max || op->min < rs_qtensor_min(out) || op->max > rs_qtensor_max(out))
        RS_QNET_WRONG(
            c, "op '%s' clips to %d to %d, expected integers of its format, from %lld to %lld, the smaller one first",
            op->name, (int)op->min, (int)op->max, (long long)rs_qtensor_min(out), (long long)rs_qtensor_max(out));
}

static void write(rs_qnet_writer *w, json_t *object, const rs_qnet *qnet, int index)
{
    rs_qnet_put(w, object, "least", json_integer(qnet->ops[index].min));
    rs_qnet_put(w, object, "most", json_integer(qnet->ops[index].max));
}

static void read(rs_qnet_reader *r, const json_t *object, const char *where, const rs_qnet *qnet, rs_qop *op)
{
    (void)qnet;
    op->min = rs_qnet_get_integer(r, object, where, "least", -(1 << RS_QNET_MAX_BITS), 1 << RS_QNET_MAX_BITS);
    op->max = rs_qnet_get_integer(r, object, where, "most", -(1 << RS_QNET_MAX_BITS), 1 << RS_QNET_MAX_BITS);
}

static bool is_of(const rs_layer *layer)
{
    return layer->type == RS_LAYER_CLIP;
}

/* Bounds as integers of the output; what lies beyond the format's range does not clip. */
static bool build(rs_qnet_builder *b, const rs_layer *layer, rs_qop *op)
{
    const rs_qtensor *out = rs_qnet_output_of(b, op);
    const rs_rounding rounding = rs_number_nearest(out->format);
    op->min = rs_qtensor_quantize(out, (double)layer->clip[0], rounding, NULL);
    op->max = rs_qtensor_quantize(out, (double)layer->clip[1], rounding, NULL);
    return true;
}

const rs_qop_rule rs_qop_rule_clip = { .name = "clip",
                                       .word = "clip",
                                       .has = RS_QOP_SAME_SIZES | RS_QOP_KEEPS | RS_QOP_FLAT | RS_QOP_HOST,
                                       .check = check,
                                       .keys = keys,
                                       .write = write,
                                       .read = read,
                                       .is_of = is_of,
                                       .build = build };
