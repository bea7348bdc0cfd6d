/* Local response normalization: arithmetic.md section 6. */
#include "qnet/builder.h"
#include "qnet/check.h"
#include "qnet/json.h"

static const char *const regions[] = { "across_channels", "within_channel" };
static const char *const keys[] = { "region", "size", "alpha", "beta", "k", NULL };

static void check(rs_qnet_checker *c, const rs_qop *op)
{
    const rs_qlrn *p = &op->lrn;
    if (p->size < 1 || p->size > 1 << 10 || p->size % 2 == 0 || !(p->alpha >= 0 && p->alpha <= 0x1p64f) ||
        !(p->beta >= 0 && p->beta <= 4) || !(p->k >= 0x1p-64f && p->k <= 0x1p64f))
        RS_QNET_WRONG(
            c,
            "op '%s' has size %d, alpha %g, beta %g, k %g, expected an odd size up to 1023, alpha from 0, beta from 0 "
            "to 4, k above 0",
            op->name, p->size, (double)p->alpha, (double)p->beta, (double)p->k);
}

static void write(rs_qnet_writer *w, json_t *object, const rs_qnet *qnet, int index)
{
    const rs_qlrn *p = &qnet->ops[index].lrn;
    rs_qnet_put(w, object, "region", json_string(regions[p->within]));
    rs_qnet_put(w, object, "size", json_integer(p->size));
    rs_qnet_put(w, object, "alpha", json_real((double)p->alpha));
    rs_qnet_put(w, object, "beta", json_real((double)p->beta));
    rs_qnet_put(w, object, "k", json_real((double)p->k));
}

static void read(rs_qnet_reader *r, const json_t *object, const char *where, const rs_qnet *qnet, rs_qop *op)
{
    (void)qnet;
    rs_qlrn *p = &op->lrn;
    p->within = rs_qnet_get_choice(r, object, where, "region", regions, 2) == 1;
    p->size = rs_qnet_get_integer(r, object, where, "size", 1, 1 << 10);
    p->alpha = rs_qnet_get_real(r, object, where, "alpha");
    p->beta = rs_qnet_get_real(r, object, where, "beta");
    p->k = rs_qnet_get_real(r, object, where, "k");
}

static bool is_of(const rs_layer *layer)
{
    return layer->type == RS_LAYER_LRN;
}

static bool build(rs_qnet_builder *b, const rs_layer *layer, rs_qop *op)
{
    const rs_lrn_param *p = &layer->lrn;
    if (p->size < 1 || p->size > 1023) {
        RS_QNET_REFUSE(b, layer, NULL, "layer '%s' normalizes over %lld values, expected 1 to 1023", layer->name,
                       (long long)p->size);
        return false;
    }
    op->lrn = (rs_qlrn) {
        .within = !p->across, .size = (int)p->size, .alpha = p->alpha, .beta = p->beta, .k = p->across ? p->k : 1.0f
    };
    return true;
}

const rs_qop_rule rs_qop_rule_lrn = { .name = "LRN",
                                      .word = "lrn",
                                      .has = RS_QOP_SAME_SIZES | RS_QOP_HOST,
                                      .check = check,
                                      .keys = keys,
                                      .write = write,
                                      .read = read,
                                      .is_of = is_of,
                                      .build = build };
