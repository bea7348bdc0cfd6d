/* Minifloats: those that the rules name, or of as many exponent bits as the ranges need. */
#include <math.h>

#include "formats/schemes/scheme.h"
#include "qnet/qnet.h"

enum { MIN_EXPONENT_BITS = 4 }; /* where they follow from the ranges, as in the original program */

static rs_status check(const rs_format_rules *r, rs_diag *diag)
{
    if (r->exponent_bits < 0 || r->exponent_bits > 8)
        return rs_error(diag, RS_USAGE, RS_NOWHERE, NULL,
                        "%d exponent bits, expected 1 to 8, or 0 for what the ranges need", r->exponent_bits);
    const rs_minifloat *formats[2] = { &r->weight_minifloat, &r->activation_minifloat };
    for (int i = 0; i < 2; i++)
        if (formats[i]->exponent_bits > 0 && !rs_minifloat_legal(*formats[i]))
            return rs_error(diag, RS_USAGE, RS_NOWHERE, NULL,
                            "a minifloat of %d exponent and %d mantissa bits, expected 1 to 8 and 0 to 10, and "
                            "at most %d bits",
                            formats[i]->exponent_bits, formats[i]->mantissa_bits, RS_MINIFLOAT_MAX_BITS);
    return RS_OK;
}

/* What the largest number of the net needs; all layers and blobs have the same exponent. */
static int exponent_bits(const rs_chooser *c)
{
    if (c->rules->exponent_bits > 0)
        return c->rules->exponent_bits;
    double max = 0;
    for (int i = 0; i < c->net->n_layers; i++)
        max = fmax(max, c->ranges->weight_max[i]);
    for (int b = 0; b < c->net->n_blobs; b++)
        max = fmax(max, fmax(fabs(c->ranges->blob_min[b]), fabs(c->ranges->blob_max[b])));
    return rs_minifloat_exponent_bits_for_range(max, MIN_EXPONENT_BITS);
}

static void widths(const rs_chooser *c, rs_group group, int *min, int *max)
{
    const rs_minifloat given = group == RS_GROUP_ACTIVATIONS ? c->rules->activation_minifloat
                                                             : c->rules->weight_minifloat;
    if (given.exponent_bits > 0) {
        *min = *max = rs_minifloat_bits(given);
        return;
    }
    const int e = exponent_bits(c);
    *min = 1 + e;
    *max = e > 5 ? RS_MINIFLOAT_MAX_BITS : 11 + e;
}

static rs_number_format format_of(const rs_chooser *c, rs_minifloat given, int bits)
{
    const int e = exponent_bits(c);
    return rs_number_of_minifloat(given.exponent_bits > 0 ? given : rs_minifloat_plain(e, bits - 1 - e));
}

static rs_status weights(const rs_chooser *c, int layer, int bits, rs_number_format *format, rs_diag *diag)
{
    (void)layer;
    (void)diag;
    *format = format_of(c, c->rules->weight_minifloat, bits);
    return RS_OK;
}

static rs_status blobs(const rs_chooser *c, int class, int bits, rs_number_format *format, rs_diag *diag)
{
    (void)class;
    (void)diag;
    *format = format_of(c, c->rules->activation_minifloat, bits);
    return RS_OK;
}

const rs_scheme_rule rs_scheme_minifloat = { .check = check, .widths = widths, .weights = weights, .blobs = blobs };
