/* Random layers on random arrays, biased to the rails and to the edges; and what is needed to compare two tellings of
 * one run. */
#ifndef RISTRETTO_TESTS_SUPPORT_ARRAY_CASES_H
#define RISTRETTO_TESTS_SUPPORT_ARRAY_CASES_H

#include "array/array.h"
#include "base/rng.h"

typedef struct rs_test_case {
    uint64_t seed, number;
    rs_qnet *qnet;
    rs_array_config config;
    rs_program *program;
    uint8_t *pixels; /* one image */
    uint8_t *memory; /* the program's, with the image loaded */
} rs_test_case;

/* Limits of the random choice. */
typedef struct rs_test_limits {
    int lanes, multipliers; /* at most */
    int64_t macs;           /* of a whole net, about */
    int layers;
    bool chains; /* no graphs: convolutions, inner products, pooling and ReLU behind one another */
} rs_test_limits;

/* Case `number` of `seed`; buffers are as small as they can be in a third of them. Fails the test if it cannot be made.
 */
rs_test_case rs_test_case_make(uint64_t seed, uint64_t number, rs_test_limits limits);
/* The same nets on a given array (its widths are the most that the net has). config's strings are not touched. */
rs_test_case rs_test_case_on(uint64_t seed, uint64_t number, const rs_array_config *config, rs_test_limits limits);
/* Makes the buffers of `config` as small as they can be for this net. */
void rs_test_case_shrink(const rs_test_case *c, rs_array_config *config);
void rs_test_case_free(rs_test_case *c);
/* The case in one line, for messages. */
const char *rs_test_case_text(const rs_test_case *c, char *text, size_t size);

/* A net of one convolution, made by hand: weights and pixels are random. Pooling none if pool is 0. */
rs_qnet *rs_test_qnet_convolution(uint64_t seed, int channels, int height, int width, int outputs, int kernel,
                                  int stride, int pad, int pool, int bits);
/* Appends an inner product. */
void rs_test_qnet_inner_product(rs_qnet *qnet, uint64_t seed, int outputs, bool relu);
/* Caffe's LeNet with random weights. */
rs_qnet *rs_test_qnet_lenet(uint64_t seed, int bits);
/* An array that is large enough for small nets. */
rs_array_config rs_test_array(int lanes, int multipliers);

/* A format of at most 8 bits. */
rs_minifloat rs_test_minifloat(rs_rng *rng);

/* Events, kept. */
typedef struct rs_test_events {
    rs_event *events; /* values and data point into blocks of their own */
    int64_t count, capacity;
    int beat_bytes;
} rs_test_events;
bool rs_test_keep_event(void *events, const rs_event *event);
void rs_test_events_free(rs_test_events *events);
/* Fails the test at the first difference, kind by kind; returns the number of events that were compared. */
int64_t rs_test_events_equal(const rs_test_events *a, const rs_test_events *b, const char *what);

#endif
