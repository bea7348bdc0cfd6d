/* A slow evaluator of networks in double, written from the definitions with plain loops. It shares nothing with
 * model/layers. */
#ifndef RISTRETTO_TESTS_ORACLE_LAYERS_H
#define RISTRETTO_TESTS_ORACLE_LAYERS_H

#include "net/net.h"

typedef struct rs_oracle {
    const rs_net *net;
    int64_t n;       /* images */
    double **blobs;  /* [n][count an image]; one value for loss and accuracy */
    double **params; /* [layer * RS_MAX_PARAMS + param], copied from the net; may be changed */
    double **kept;   /* by layer: what a dropout layer multiplies with, element by element; NULL: nothing is dropped */
} rs_oracle;

/* The shapes of the net must have been inferred; memory that is short ends the program. */
rs_oracle *rs_oracle_new(const rs_net *net, int64_t n);
void rs_oracle_free(rs_oracle *oracle);
/* Runs all layers; input blobs must be set. Returns the sum of the weighted losses. */
double rs_oracle_run(rs_oracle *oracle);

#endif
