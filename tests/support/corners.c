/* Makes the images of the small task, and a net that learns it. */
#include "support/corners.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "support/test.h"

void rs_test_corners(const char *prefix, int count, uint64_t stream)
{
    char name[64];
    uint8_t *bytes = calloc(1, 16 + (size_t)count * RS_CORNERS_SIDE * RS_CORNERS_SIDE),
            *labels = calloc(1, 8 + (size_t)count);
    assert_non_null(bytes);
    assert_non_null(labels);
    memcpy(
        bytes,
        (const uint8_t[]) { 0, 0, 8, 3, 0, 0, 0, (uint8_t)count, 0, 0, 0, RS_CORNERS_SIDE, 0, 0, 0, RS_CORNERS_SIDE },
        16);
    memcpy(labels, (const uint8_t[]) { 0, 0, 8, 1, 0, 0, 0, (uint8_t)count }, 8);
    for (int i = 0; i < count; i++) {
        const int label = (int)rs_random_below(rs_test_seed(), stream, (uint64_t)i, RS_CORNERS_CLASSES);
        labels[8 + i] = (uint8_t)label;
        for (int y = 0; y < RS_CORNERS_SIDE; y++)
            for (int x = 0; x < RS_CORNERS_SIDE; x++) {
                const bool here = (y > RS_CORNERS_SIDE / 2) == (label / 2 == 1) &&
                                  (x > RS_CORNERS_SIDE / 2) == (label % 2 == 1);
                const uint64_t noise = rs_random_below(
                    rs_test_seed(), stream + 1, (uint64_t)((i * RS_CORNERS_SIDE + y) * RS_CORNERS_SIDE + x), 200);
                bytes[16 + (i * RS_CORNERS_SIDE + y) * RS_CORNERS_SIDE + x] = (uint8_t)(noise + (here ? 55 : 0));
            }
    }
    snprintf(name, sizeof name, "%s-images-idx3-ubyte", prefix);
    rs_test_write(rs_test_path(name), bytes, 16 + (size_t)count * RS_CORNERS_SIDE * RS_CORNERS_SIDE);
    snprintf(name, sizeof name, "%s-labels-idx1-ubyte", prefix);
    rs_test_write(rs_test_path(name), labels, 8 + (size_t)count);
    free(bytes);
    free(labels);
}

const char rs_test_corners_net[] =
    "name: 'corners'\n"
    "layer { name: 'd' type: 'Data' top: 'data' top: 'label' include { phase: TRAIN } transform_param { scale: "
    "0.00390625 }\n"
    "        data_param { source: '%s' batch_size: 10 } }\n"
    "layer { name: 'd' type: 'Data' top: 'data' top: 'label' include { phase: TEST } transform_param { scale: "
    "0.00390625 }\n"
    "        data_param { source: '%s' batch_size: 8 } }\n"
    "layer { name: 'c1' type: 'Convolution' bottom: 'data' top: 'c1' param { lr_mult: 1 } param { lr_mult: 2 "
    "decay_mult: 0 }\n"
    "        convolution_param { num_output: 6 kernel_size: 4 weight_filler { type: 'xavier' } } }\n"
    "layer { name: 'p1' type: 'Pooling' bottom: 'c1' top: 'p1' pooling_param { pool: MAX kernel_size: 2 stride: 2 } }\n"
    "layer { name: 'i1' type: 'InnerProduct' bottom: 'p1' top: 'i1'\n"
    "        inner_product_param { num_output: 20 weight_filler { type: 'xavier' } } }\n"
    "layer { name: 'r1' type: 'ReLU' bottom: 'i1' top: 'i1' }\n"
    "layer { name: 'drop' type: 'Dropout' bottom: 'i1' top: 'i1' dropout_param { dropout_ratio: 0.1 } }\n"
    "layer { name: 'i2' type: 'InnerProduct' bottom: 'i1' top: 'i2'\n"
    "        inner_product_param { num_output: 4 weight_filler { type: 'xavier' } } }\n"
    "layer { name: 'hits' type: 'Accuracy' bottom: 'i2' bottom: 'label' top: 'hits' include { phase: TEST } }\n"
    "layer { name: 'loss' type: 'SoftmaxWithLoss' bottom: 'i2' bottom: 'label' top: 'loss' }\n";
