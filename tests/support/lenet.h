/* The zoo's trained LeNet and the first embedded digits, for tests of what is done to a real network. */
#ifndef RISTRETTO_TESTS_SUPPORT_LENET_H
#define RISTRETTO_TESTS_SUPPORT_LENET_H

#include "data/data.h"
#include "net/net.h"
#include "search/quantize.h"

/* How LeNet takes pixels: divided by 256. */
extern const rs_data_param rs_test_lenet_data;

typedef struct rs_test_lenet {
    rs_diag *diag;
    rs_net *net;        /* with weights and shapes */
    rs_dataset *digits; /* all embedded ones */
    rs_dataset set;     /* the first `images` of them */
    rs_ranges *ranges;  /* NULL, or what the test measured: freed with the rest */
} rs_test_lenet;

/* Fails the test if something is missing. */
void rs_test_lenet_open(rs_test_lenet *lenet, int64_t images);
void rs_test_lenet_close(rs_test_lenet *lenet);

#endif
