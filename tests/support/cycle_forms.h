/* The closed forms of docs/reference/array-timing.md section 6, from a layer's sizes and the array's: nothing here
 * looks at a descriptor. */
#ifndef RISTRETTO_TESTS_SUPPORT_CYCLE_FORMS_H
#define RISTRETTO_TESTS_SUPPORT_CYCLE_FORMS_H

#include "program/program.h"

typedef struct rs_test_form {
    bool direct; /* no weights */
    int64_t groups, positions, steps;
    int64_t run;                   /* D = positions * steps: cycles of a group */
    int64_t weights, weights_last; /* W: beats of a group, and of the last one */
    bool alike;                    /* all groups but the last take `weights` beats */
    int64_t ifmap, ofmap;          /* I, O: beats */
    int64_t latency, stages;       /* of the memory; T */
} rs_test_form;

/* Of a layer whose tensors are not padded, as one tile. */
rs_test_form rs_test_form_of(const rs_program *program, const rs_program_layer *layer);
static inline int64_t rs_test_form_compute(const rs_test_form *f)
{
    return f->groups * f->run;
}
/* From the first step of the first group to the first one of the last. */
int64_t rs_test_form_between(const rs_test_form *f);
/* A run of this layer alone: cycles. */
int64_t rs_test_form_alone(const rs_test_form *f);
/* The same behind a layer whose ofmap is its ifmap: from the end of that layer to its own. */
int64_t rs_test_form_behind(const rs_test_form *f);

#endif
