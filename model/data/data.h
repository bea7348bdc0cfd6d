/* Labelled images. */
#ifndef RISTRETTO_DATA_DATA_H
#define RISTRETTO_DATA_DATA_H

#include "net/net.h"

typedef struct rs_source rs_source;

/* A data set: labels in memory; images either in memory, as bytes [count][channels][height][width], or read and decoded
 * when they are asked for (pixels NULL). Images that are decoded may differ in size: height and width are those of the
 * first one. */
typedef struct rs_dataset {
    char *path;
    int64_t count;
    int channels, height, width, classes; /* classes: largest label + 1, or more if the format says so */
    uint8_t *pixels;
    int32_t *labels;
    uint8_t *storage;  /* the memory that pixels lie in; NULL: not this set's own (a slice) */
    rs_source *source; /* of images that are not in memory */
    int64_t base;      /* index of image 0 in the source */
    bool windowed;     /* images have been resized and cropped already (rs_dataset_load) */
} rs_dataset;

/* Opens labelled images; docs/user/data.md describes each format. `path` names one of:
 *     an IDX images file          the labels are found beside it by name (images -> labels, idx3 -> idx1); gzipped or
 * not a CIFAR binary file         *.bin a list of images            *.txt or *.lst: lines FILE LABEL a NumPy array
 * *.npy; the labels are found beside it by name (images -> labels, x_ -> y_) a database of Caffe's       a folder with
 * data.mdb, or that file a folder                    of IDX files (train-images-idx3-ubyte or t10k-..., by `train`;
 * else digits-images-idx3-ubyte), of CIFAR files (data_batch_*.bin or test_batch.bin), of arrays (train-images.npy or
 * x_train.npy, else test-images.npy or x_test.npy) or with a list (train.txt, or val.txt or test.txt; else labels.txt)
 *     a prefix                    of PREFIX-images-idx3-ubyte
 *     a JSON file                 {"source": PATH, "exclude": LIST}: another source, less the images of a list (see
 *                                 rs_dataset_exclude); LIST is relative to the JSON file, PATH is looked up from there
 * A relative path is looked up as it is, then in the folder of the file `beside` (a prototxt that names the source;
 * NULL: none), then in the data folder. RS_BAD_INPUT, located to the byte, line or record: what is wrong with a file.
 */
rs_status rs_dataset_open(const char *path, const char *beside, bool train, rs_dataset **set, rs_diag *diag);

/* The same for a data layer: `param` says where the images of a list are, and whether to shuffle it. path NULL: param's
 * source. */
rs_status rs_dataset_open_layer(const rs_data_param *param, const char *path, const char *beside, bool train,
                                rs_dataset **set, rs_diag *diag);

/* Whether rs_dataset_open would find something under this name. */
bool rs_dataset_exists(const char *path, const char *beside, bool train);

/* The data folder: as set, else RISTRETTO_DATA, else "data". A folder that was set (by a user, on the command line)
 * comes first of the places above, and stands itself for a source that is in none of them. NULL: not set. The string is
 * not copied. */
void rs_set_data_folder(const char *path);
const char *rs_data_folder(void);

/* IDX (idx3, or idx4 for more than one channel), gzipped if the names end in .gz; the same set gives the same bytes. */
rs_status rs_dataset_write_idx(const rs_dataset *set, const char *images_path, const char *labels_path, rs_diag *diag);
/* A database as Caffe's convert_imageset writes it: raw Datums, keys 00000000 and on. The folder must not hold one yet.
 */
rs_status rs_dataset_write_lmdb(const rs_dataset *set, const char *folder, rs_diag *diag);
/* Two arrays: images (count x channels x height x width, bytes) and labels (32 bits). */
rs_status rs_dataset_write_npy(const rs_dataset *set, const char *images_path, const char *labels_path, rs_diag *diag);
/* All three take sets in memory (rs_dataset_load). */
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

/* Reads the mean file of a data layer, if it names one, into mean_image: a mean image (Caffe's binaryproto), looked up
 * like a source of images. RS_BAD_INPUT at `loc` or in the file. */
rs_status rs_data_load_mean(rs_data_param *param, const char *beside, rs_loc loc, rs_diag *diag);

/* What a user says of the transformation, in place of the data layer. Zeros change nothing. */
typedef struct rs_data_override {
    bool has_scale;
    float scale;
    int n_mean; /* of a mean that replaces the layer's mean_value and mean_file */
    float mean[16];
    const char *mean_file; /* likewise */
    int64_t crop_size, new_height, new_width;
    bool gray, mirror, shuffle; /* the last two: of training */
} rs_data_override;
rs_status rs_data_override_apply(const rs_data_override *over, rs_data_param *param, rs_diag *diag);

/* Whether a transformation fits the images: crop_size not larger than they are, one mean or one per channel, a mean
 * image of their size. RS_BAD_INPUT at `loc` (of the data layer) if not. */
rs_status rs_dataset_check(const rs_dataset *set, const rs_data_param *param, rs_loc loc, rs_diag *diag);

/* The shape of n transformed images: n x channels x height x width, resized and cropped. */
rs_shape rs_dataset_shape(const rs_dataset *set, const rs_data_param *param, int64_t n);

/* Of a set in memory that need not be resized (rs_dataset_ready): (pixel - mean) * scale in float, as Caffe's
 * transform_param does it, for images [first, first + n) modulo count, into NCHW. rs_dataset_transform is for testing:
 * the centre is cropped, nothing is mirrored. rs_dataset_augment is for training: where to crop, what to mirror (every
 * second image on average) and, if the param says shuffle, the order of each epoch are drawn from (seed, index of the
 * image not taken modulo count), so that they depend neither on the cut into batches nor on threads. */
bool rs_dataset_ready(const rs_dataset *set, const rs_data_param *param);
void rs_dataset_transform(const rs_dataset *set, const rs_data_param *param, int64_t first, int64_t n, float *out);
void rs_dataset_augment(const rs_dataset *set, const rs_data_param *param, uint64_t seed, int64_t first, int64_t n,
                        float *out);

/* The images of a set as they enter a net for testing, read, decoded, resized and cropped, in memory, on all threads;
 * so that they can be taken again and again, and as bytes. The result is a set of its own. With it go the same `param`:
 * resizing and cropping then change nothing more, the means still apply. RS_RESOURCE: it would take more than
 * RS_LOADED_MAX_BYTES. RS_INTERRUPTED. */
#define RS_LOADED_MAX_BYTES ((uint64_t)16 << 30)
rs_status rs_dataset_load(const rs_dataset *set, const rs_data_param *param, rs_dataset **loaded, rs_diag *diag);

/* The same if it takes at most max_bytes. Else a set without pixels, whose images are read from `set` each time that
 * they are taken: then `set`, and the mean image of `param`, must outlive it. What it gives is the same. */
#define RS_HELD_MAX_BYTES ((uint64_t)96 << 20) /* what a command holds of one set: docs/user/data.md */
rs_status rs_dataset_prepare(const rs_dataset *set, const rs_data_param *param, uint64_t max_bytes,
                             rs_dataset **prepared, rs_diag *diag);
/* Whether a set gives images as they enter the net already; and: prepares a set in its own place if it does not. */
bool rs_dataset_prepared(const rs_dataset *set, const rs_data_param *param);
rs_status rs_dataset_hold(rs_dataset **set, const rs_data_param *param, uint64_t max_bytes, rs_diag *diag);

/* Images one batch after the other, of any set: those that are not in memory are read and decoded ahead by threads of
 * the feed's own, in order. seed NULL: for testing (as rs_dataset_transform), else for training (as
 * rs_dataset_augment). The set and the param must outlive the feed. */
typedef struct rs_feed rs_feed;
rs_status rs_feed_new(const rs_dataset *set, const rs_data_param *param, const uint64_t *seed, int64_t first,
                      int64_t batch, rs_feed **feed, rs_diag *diag);
/* The next n images (at most `batch`), modulo the set's size, and labels (may be NULL). The error of the first image
 * that cannot be had, whatever the number of threads. */
rs_status rs_feed_next(rs_feed *feed, int64_t n, float *pixels, float *labels, rs_diag *diag);
/* The next n images as bytes, resized and cropped, for testing: [n][channels][height][width], valid until the next call
 * and as long as the set. */
rs_status rs_feed_bytes(rs_feed *feed, int64_t n, const uint8_t **pixels, rs_diag *diag);
/* The index of the next image, modulo the set's size. */
int64_t rs_feed_position(const rs_feed *feed);
void rs_feed_free(rs_feed *feed);

#endif
