/* What is particular to one scheme: how a width becomes a format. Private to model/formats. */
#ifndef RISTRETTO_FORMATS_SCHEMES_SCHEME_H
#define RISTRETTO_FORMATS_SCHEMES_SCHEME_H

#include "emulate/plan.h"
#include "formats/formats.h"

/* What the formats of one net are chosen from. */
typedef struct rs_chooser {
    const rs_net *net;
    const rs_plan *plan;
    const rs_ranges *ranges;
    const rs_format_rules *rules;
    int fl; /* of all numbers, for RS_SCHEME_STATIC */
} rs_chooser;

typedef struct rs_scheme_rule {
    /* RS_USAGE: an option of the scheme is out of range. NULL: it has none. */
    rs_status (*check)(const rs_format_rules *rules, rs_diag *diag);
    /* rs_format_rules_widths; NULL: 1 to RS_QNET_MAX_BITS. `ranges` of this net. */
    void (*widths)(const rs_chooser *c, rs_group group, int *min, int *max);
    /* The format, `bits` wide, of a layer's weights, and of the blobs of one class. */
    rs_status (*weights)(const rs_chooser *c, int layer, int bits, rs_number_format *format, rs_diag *diag);
    rs_status (*blobs)(const rs_chooser *c, int class, int bits, rs_number_format *format, rs_diag *diag);
} rs_scheme_rule;

#define SCHEME(name, rule, word, precision, meaning) extern const rs_scheme_rule rs_scheme_##rule;
#include "formats/schemes.def"
#undef SCHEME

/* Blobs in dynamic fixed point, which other schemes have as well. */
rs_status rs_scheme_dynamic_blobs(const rs_chooser *c, int class, int bits, rs_number_format *format, rs_diag *diag);

#endif
