/* The update rules of Caffe's solvers. */
#ifndef RISTRETTO_TRAIN_RULE_H
#define RISTRETTO_TRAIN_RULE_H

#include "import/caffe/caffe.h"

/* What one update of one array needs. */
typedef struct rs_update {
    float rate;  /* learning rate of the array */
    float decay; /* weight decay of the array */
    float scale; /* of the gradient: 1 / iter_size, clipping */
    bool l1;
    float momentum, momentum2, delta;
    float correction; /* Adam's bias correction for this iteration */
} rs_update;

typedef struct rs_rule {
    const char *type; /* in the solver file */
    int histories;    /* arrays of the parameter's size that the rule remembers */
    /* weights, gradient, first and second history (NULL if the rule has fewer): n values each; element by element. */
    void (*apply)(const rs_update *u, int64_t n, float *w, const float *g, float *h1, float *h2);
} rs_rule;

/* The rule of a solver; an error located at the solver file that names the types there are. */
rs_status rs_rule_of(const rs_solver_param *solver, const rs_rule **rule, rs_diag *diag);

#endif
