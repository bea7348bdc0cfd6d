/* Labelled images. */
#ifndef RISTRETTO_DATA_DATA_H
#define RISTRETTO_DATA_DATA_H

#include "net/net.h"

/* A data set in memory: pixels as bytes, [count][channels][height][width], one label an image. */
typedef struct rs_dataset {
    char *path; /* of the images file */
    int64_t count;
    int channels, height, width, classes; /* classes: largest label + 1 */
    uint8_t *pixels;
    int32_t *labels;
    uint8_t *storage; /* the memory that pixels lie in; NULL: not this set's own (a slice) */
} rs_dataset;

/* Opens IDX files (gzipped or not). `path` names one of:
 *     an images file      the labels are found beside it by name (images -> labels, idx3 -> idx1)
 *     a folder            `train` picks train-images-idx3-ubyte or t10k-images-idx3-ubyte; else
 * digits-images-idx3-ubyte a prefix            of PREFIX-images-idx3-ubyte a JSON file         {"source": PATH,
 * "exclude": LIST}: another source, less the images of a list (see rs_dataset_exclude); LIST is relative to the JSON
 * file, PATH is looked up from there A relative path is looked up as it is, then in the folder of the file `beside` (a
 * prototxt that names the source; NULL: none), then in the data folder. RS_BAD_INPUT, located to the byte: wrong magic
 * number, counts that differ, a file that is cut off or too long. */
rs_status rs_dataset_open(const char *path, const char *beside, bool train, rs_dataset **set, rs_diag *diag);

/* Whether rs_dataset_open would find something under this name. */
bool rs_dataset_exists(const char *path, const char *beside, bool train);

/* The data folder: as set, else RISTRETTO_DATA, else "data". A folder that was set (by a user, on the command line) comes first of
 * the places above, and stands itself for a source that is in none of them. NULL: not set. The string is not copied. */
void rs_set_data_folder(const char *path);
const char *rs_data_folder(void);

/* IDX (idx3, or idx4 for more than one channel), gzipped if the names end in .gz; the same set gives the same bytes. */
rs_status rs_dataset_write_idx(const rs_dataset *set, const char *images_path, const char *labels_path, rs_diag *diag);
void rs_dataset_free(rs_dataset *set);

/* A view of images [first, first + count), cut to what there is; it shares memory with its parent, which must outlive
 * it. */
rs_dataset rs_dataset_slice(const rs_dataset *set, int64_t first, int64_t count);

/* Takes the images of a list out of a set (not of a slice); the others keep their order. The list is a text file:
 *     # a comment
 *     images 60000 crc32 c1c5b5a7      the set that the list is for: number of images, CRC-32 of all pixels
 *     5                                an image by its index, from 0
 *     7-9                              images 7, 8 and 9; indices rise
 * RS_BAD_INPUT, located to the line: another set than the list's, an index out of range or out of order. */
rs_status rs_dataset_exclude(rs_dataset *set, const char *list_path, rs_diag *diag);

/* Whether a transformation fits the images: crop_size not larger than they are, one mean or one a channel.
 * RS_BAD_INPUT at `loc` (of the data layer) if not. */
rs_status rs_dataset_check(const rs_dataset *set, const rs_data_param *param, rs_loc loc, rs_diag *diag);

/* The shape of n transformed images: n x channels x height x width, cropped. */
rs_shape rs_dataset_shape(const rs_dataset *set, const rs_data_param *param, int64_t n);

/* (pixel - mean[c]) * scale in float, as Caffe's transform_param does it, for images [first, first + n) modulo count,
 * into NCHW. rs_dataset_transform is for testing: the centre is cropped, nothing is mirrored. rs_dataset_augment is for
 * training: where to crop and what to mirror (every second image on average) is drawn from (seed, index of the image
 * not taken modulo count), so that it depends neither on the cut into batches nor on threads. */
void rs_dataset_transform(const rs_dataset *set, const rs_data_param *param, int64_t first, int64_t n, float *out);
void rs_dataset_augment(const rs_dataset *set, const rs_data_param *param, uint64_t seed, int64_t first, int64_t n,
                        float *out);

#endif
