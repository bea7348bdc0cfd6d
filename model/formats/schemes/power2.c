/* Weights that are powers of two; activations in dynamic fixed point. */
#include "formats/schemes/scheme.h"

static rs_status check(const rs_format_rules *r, rs_diag *diag)
{
    if (rs_power2_legal(r->power2))
        return RS_OK;
    return rs_error(diag, RS_USAGE, RS_NOWHERE, NULL,
                    "exponents from %d to %d, expected %d <= first <= last <= %d and at most %d of them",
                    r->power2.min_exponent, r->power2.max_exponent, RS_FL_MIN, RS_FL_MAX, RS_POWER2_MAX_RANGE + 1);
}

static void widths(const rs_chooser *c, rs_group group, int *min, int *max)
{
    if (group != RS_GROUP_ACTIVATIONS)
        *min = *max = rs_power2_bits(c->rules->power2);
}

/* The exponents that end at the one nearest to the largest weight. */
static rs_power2 power2_for(const rs_format_rules *rules, double largest)
{
    rs_power2 f = rules->power2;
    if (!rules->power2_by_layer || largest <= 0)
        return f;
    const int range = f.max_exponent - f.min_exponent, top = rs_power2_exponent(largest);
    f.max_exponent = top > RS_FL_MAX ? RS_FL_MAX : top < RS_FL_MIN + range ? RS_FL_MIN + range : top;
    f.min_exponent = f.max_exponent - range;
    return f;
}

static rs_status weights(const rs_chooser *c, int layer, int bits, rs_number_format *format, rs_diag *diag)
{
    (void)bits;
    (void)diag;
    *format = rs_number_of_power2(power2_for(c->rules, c->ranges->weight_max[layer]));
    return RS_OK;
}

const rs_scheme_rule rs_scheme_power2 = {
    .check = check, .widths = widths, .weights = weights, .blobs = rs_scheme_dynamic_blobs
};
