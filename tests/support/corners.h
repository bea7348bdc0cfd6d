/* A small task that a small net learns: images of noise with a bright corner, which one is the label. */
#ifndef RISTRETTO_TESTS_SUPPORT_CORNERS_H
#define RISTRETTO_TESTS_SUPPORT_CORNERS_H

#include <stdint.h>

enum { RS_CORNERS_SIDE = 9, RS_CORNERS_CLASSES = 4 };

/* Writes PREFIX-images-idx3-ubyte and PREFIX-labels-idx1-ubyte of `count` < 256 images into the folder of the test;
 * another stream gives other images. */
void rs_test_corners(const char *prefix, int count, uint64_t stream);

/* A net for them in both phases, as a format with two %s: the source of images in training and in testing. Batches of
 * 10 and of 8. */
extern const char rs_test_corners_net[];

#endif
