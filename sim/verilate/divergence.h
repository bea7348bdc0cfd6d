/* How a model of RTL differs first from what is expected of it. */
#ifndef RISTRETTO_VERILATE_DIVERGENCE_H
#define RISTRETTO_VERILATE_DIVERGENCE_H

typedef enum rs_divergence {
    RS_DIVERGENCE_NONE,
    RS_DIVERGENCE_VALUE,    /* a value, an address, a count or a beat of data, in the right cycle */
    RS_DIVERGENCE_LATE,     /* the same event, in a later cycle */
    RS_DIVERGENCE_EARLY,    /* in an earlier cycle */
    RS_DIVERGENCE_LOST,     /* the RTL left one out */
    RS_DIVERGENCE_EXTRA,    /* the RTL had one too many */
    RS_DIVERGENCE_HANG,     /* the RTL does nothing any more */
    RS_DIVERGENCE_MEMORY,   /* events agree, memory does not */
    RS_DIVERGENCE_ENGINE,   /* RTL and array model agree with each other, and not with the exact engine */
    RS_DIVERGENCE_ASSERTION /* an assertion of the RTL failed; the rs_diag has its message */
} rs_divergence;

/* "differs", "late", ... */
const char *rs_divergence_name(rs_divergence what);

#endif
