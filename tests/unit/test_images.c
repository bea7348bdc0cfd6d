/* Pictures, and the data sets that are made of them or read record by record: lists, CIFAR, databases, arrays; mean
 * images; reading ahead. */
#include "support/test.h"

#include <lmdb.h>
#include <math.h>
#include <png.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <turbojpeg.h>

#include "base/faults.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/rng.h"
#include "base/threads.h"
#include "data/data.h"
#include "data/datum.h"
#include "data/picture.h"
#include "import/caffe/caffe.h"

static rs_rng rng;

static void fill(uint8_t *to, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = (uint8_t)rs_rng_next(&rng);
}

/* A PNG of interleaved bytes (`format`: libpng's) at a path of the test's folder. */
static void write_png(const char *name, uint32_t format, int height, int width, const uint8_t *pixels)
{
    png_image png = {
        .version = PNG_IMAGE_VERSION, .width = (png_uint_32)width, .height = (png_uint_32)height, .format = format
    };
    assert_int_not_equal(png_image_write_to_file(&png, rs_test_path(name), 0, pixels, 0, NULL), 0);
}

static rs_status decode_file(const char *name, rs_color color, rs_picture *picture, rs_diag *diag)
{
    size_t size = 0;
    char *bytes = rs_test_read(rs_test_path(name), &size);
    const rs_status st = rs_picture_decode((const uint8_t *)bytes, size, color, RS_FILE("list"), name, picture, diag);
    free(bytes);
    return st;
}

static void test_png(void **state)
{
    (void)state;
    enum { H = 5, W = 7 };
    uint8_t rgb[H * W * 3], gray[H * W], rgba[H * W * 4];
    rs_picture p;
    rs_diag *diag = rs_diag_new();
    fill(rgb, sizeof rgb);
    fill(gray, sizeof gray);
    for (int i = 0; i < H * W; i++) {
        memcpy(rgba + 4 * i, rgb + 3 * i, 3);
        rgba[4 * i + 3] = (uint8_t)(i * 7); /* alpha, which is dropped */
    }
    write_png("rgb.png", PNG_FORMAT_RGB, H, W, rgb);
    write_png("rgba.png", PNG_FORMAT_RGBA, H, W, rgba);
    write_png("gray.png", PNG_FORMAT_GRAY, H, W, gray);
    const char *const names[] = { "rgb.png", "rgba.png" };
    for (int f = 0; f < 2; f++) {
        rs_assert_ok(decode_file(names[f], RS_COLOR_AS_IS, &p, diag), diag);
        assert_int_equal(p.channels, 3);
        assert_int_equal(p.height * 100 + p.width, H * 100 + W);
        for (int i = 0; i < H * W; i++)
            for (int c = 0; c < 3; c++) /* blue first */
                assert_int_equal(p.pixels[c * H * W + i], rgb[3 * i + 2 - c]);
        rs_picture_free(&p);
    }
    rs_assert_ok(decode_file("rgb.png", RS_COLOR_GRAY, &p, diag), diag);
    assert_int_equal(p.channels, 1);
    for (int i = 0; i < H * W; i++) {
        const double y = 0.299 * rgb[3 * i] + 0.587 * rgb[3 * i + 1] + 0.114 * rgb[3 * i + 2];
        assert_true(fabs(p.pixels[i] - y) <= 0.52);
    }
    rs_picture_free(&p);
    rs_assert_ok(decode_file("gray.png", RS_COLOR_AS_IS, &p, diag), diag);
    assert_int_equal(p.channels, 1);
    assert_memory_equal(p.pixels, gray, sizeof gray);
    rs_picture_free(&p);
    rs_assert_ok(decode_file("gray.png", RS_COLOR_BGR, &p, diag), diag);
    assert_int_equal(p.channels, 3);
    for (int c = 0; c < 3; c++)
        assert_memory_equal(p.pixels + c * H * W, gray, sizeof gray);
    rs_picture_free(&p);
    rs_diag_free(diag);
}

static void test_jpeg(void **state)
{
    (void)state;
    enum { H = 16, W = 24 };
    uint8_t rgb[H * W * 3];
    for (int i = 0; i < H * W; i++) { /* smooth: little is lost */
        rgb[3 * i] = (uint8_t)(200 + i % W);
        rgb[3 * i + 1] = (uint8_t)(100 - i / W);
        rgb[3 * i + 2] = 20;
    }
    tjhandle jpeg = tjInitCompress();
    unsigned char *bytes = NULL;
    unsigned long size = 0;
    rs_diag *diag = rs_diag_new();
    rs_picture p;
    assert_int_equal(tjCompress2(jpeg, rgb, W, 0, H, TJPF_RGB, &bytes, &size, TJSAMP_444, 100, 0), 0);
    rs_assert_ok(rs_picture_decode(bytes, size, RS_COLOR_AS_IS, RS_FILE("list"), "a.jpg", &p, diag), diag);
    assert_int_equal(p.channels, 3);
    for (int i = 0; i < H * W; i++)
        for (int c = 0; c < 3; c++)
            assert_true(abs(p.pixels[c * H * W + i] - rgb[3 * i + 2 - c]) <= 4);
    rs_picture_free(&p);
    rs_assert_ok(rs_picture_decode(bytes, size, RS_COLOR_GRAY, RS_FILE("list"), "a.jpg", &p, diag), diag);
    assert_int_equal(p.channels, 1);
    rs_picture_free(&p);

    /* Cut off, not one, far too large for its bytes. */
    rs_assert_error(rs_picture_decode(bytes, size / 2, RS_COLOR_BGR, RS_FILE("list"), "cut.jpg", &p, diag),
                    RS_BAD_INPUT, diag, "'cut.jpg' cannot be decoded");
    rs_assert_error(rs_picture_decode((const uint8_t *)"GIF89a", 6, RS_COLOR_BGR, RS_FILE("list"), "a.gif", &p, diag),
                    RS_BAD_INPUT, diag, "'a.gif' is neither a JPEG nor a PNG file");
    for (unsigned long i = 0; i + 9 < size; i++)
        if (bytes[i] == 0xff && bytes[i + 1] == 0xc0) {
            memset(bytes + i + 5, 0x3f, 4);
            break;
        }
    rs_assert_error(rs_picture_decode(bytes, size, RS_COLOR_BGR, RS_FILE("list"), "big.jpg", &p, diag), RS_BAD_INPUT,
                    diag, "'big.jpg'");
    tjFree(bytes);
    tjDestroy(jpeg);
    rs_diag_free(diag);
}

/* Against bilinear interpolation in double: the coefficients have 11 bits, so at most one step apart. */
static void test_resize(void **state)
{
    (void)state;
    rs_diag *diag = rs_diag_new();
    long compared = 0;
    for (int round = 0; round < 60; round++) {
        rs_picture p = { 1 + (int)(rs_rng_next(&rng) % 3), 1 + (int)(rs_rng_next(&rng) % 20),
                         1 + (int)(rs_rng_next(&rng) % 20), NULL },
                   q;
        p.pixels = rs_calloc((size_t)(p.channels * p.height * p.width), 1);
        fill(p.pixels, (size_t)(p.channels * p.height * p.width));
        const int height = round % 4 == 0 && p.height % 2 == 0 ? p.height / 2 : 1 + (int)(rs_rng_next(&rng) % 30);
        const int width = round % 4 == 0 && p.width % 2 == 0 ? p.width / 2 : 1 + (int)(rs_rng_next(&rng) % 30);
        rs_assert_ok(rs_picture_resize(&p, height, width, &q, diag), diag);
        for (int c = 0; c < p.channels; c++)
            for (int y = 0; y < height; y++)
                for (int x = 0; x < width; x++) {
                    const double v = fmin(fmax((y + 0.5) * p.height / height - 0.5, 0), p.height - 1);
                    const double u = fmin(fmax((x + 0.5) * p.width / width - 0.5, 0), p.width - 1);
                    const int y0 = (int)v, x0 = (int)u, y1 = y0 + 1 < p.height ? y0 + 1 : y0,
                              x1 = x0 + 1 < p.width ? x0 + 1 : x0;
                    const uint8_t *s = p.pixels + c * p.height * p.width;
                    const double top = s[y0 * p.width + x0] * (1 - (u - x0)) + s[y0 * p.width + x1] * (u - x0);
                    const double bottom = s[y1 * p.width + x0] * (1 - (u - x0)) + s[y1 * p.width + x1] * (u - x0);
                    const double expected = top * (1 - (v - y0)) + bottom * (v - y0);
                    assert_true(fabs(q.pixels[(c * height + y) * width + x] - expected) <= 1.0);
                    compared++;
                }
        rs_picture_free(&p);
        rs_picture_free(&q);
    }
    assert_true(compared > 1000);
    print_message("%ld pixels compared\n", compared);
    rs_diag_free(diag);
}

/* -------------------------------------------------------------------------------------------------------- lists */

enum { IMAGES = 5, SIDE = 6 };

static uint8_t list_rgb[IMAGES][SIDE * SIDE * 3];

/* Five images of 6 x 6 with blanks in a name, and a list of them. */
static const char *write_list(const char *extra)
{
    char text[512];
    size_t n = 0;
    for (int i = 0; i < IMAGES; i++) {
        char name[32];
        snprintf(name, sizeof name, "image %d.png", i);
        fill(list_rgb[i], sizeof list_rgb[i]);
        write_png(name, PNG_FORMAT_RGB, SIDE, SIDE, list_rgb[i]);
        n += (size_t)snprintf(text + n, sizeof text - n, "%s %d\n", name, 10 * i);
    }
    n += (size_t)snprintf(text + n, sizeof text - n, "%s", extra);
    rs_test_write(rs_test_path("labels.txt"), text, n);
    return rs_test_path("labels.txt");
}

static float pixel(int image, int c, int y, int x)
{
    return (float)list_rgb[image][3 * (y * SIDE + x) + 2 - c];
}

static void test_list(void **state)
{
    (void)state;
    rs_diag *diag = rs_diag_new();
    rs_dataset *set = NULL, *loaded = NULL;
    const char *path = write_list("\n");
    rs_assert_ok(rs_dataset_open(path, NULL, false, &set, diag), diag);
    assert_int_equal(set->count, IMAGES);
    assert_int_equal(set->classes, 41);
    assert_int_equal(set->labels[4], 40);
    assert_null(set->pixels);

    /* Means by channel, the centre of 4 x 4. */
    const rs_data_param param = { .scale = 0.5f, .crop_size = 4, .n_mean = 3, .mean = { 104, 117, 123 } };
    rs_assert_ok(rs_dataset_check(set, &param, RS_NOWHERE, diag), diag);
    rs_feed *feed = NULL;
    float out[2][3][4][4], labels[2];
    int compared = 0;
    rs_assert_ok(rs_feed_new(set, &param, NULL, 3, 2, &feed, diag), diag);
    for (int b = 0; b < 4; b++) { /* goes round */
        rs_assert_ok(rs_feed_next(feed, 2, &out[0][0][0][0], labels, diag), diag);
        for (int i = 0; i < 2; i++) {
            const int image = (3 + 2 * b + i) % IMAGES;
            assert_int_equal((int)labels[i], 10 * image);
            for (int c = 0; c < 3; c++)
                for (int y = 0; y < 4; y++)
                    for (int x = 0; x < 4; x++) {
                        assert_true(out[i][c][y][x] == (pixel(image, c, y + 1, x + 1) - param.mean[c]) * 0.5f);
                        compared++;
                    }
        }
    }
    rs_feed_free(feed);
    assert_int_equal(compared, 8 * 48);

    /* In memory it is the same, of a slice as well. */
    const rs_dataset slice = rs_dataset_slice(set, 2, 2);
    float again[3][4][4];
    rs_assert_ok(rs_dataset_load(&slice, &param, &loaded, diag), diag);
    assert_int_equal(loaded->count, 2);
    rs_dataset_transform(loaded, &param, 1, 1, &again[0][0][0]);
    for (int c = 0; c < 3; c++)
        assert_true(again[c][2][1] == (pixel(3, c, 3, 2) - param.mean[c]) * 0.5f);
    rs_dataset_free(loaded);
    rs_dataset_free(set);

    /* As the data layer says: shuffled (each image once), gray, resized. */
    const rs_data_param layer = { .source = (char *)(uintptr_t)path,
                                  .scale = 1,
                                  .list = true,
                                  .shuffle = true,
                                  .color = RS_COLOR_GRAY,
                                  .new_height = 3,
                                  .new_width = 9 };
    rs_assert_ok(rs_dataset_open_layer(&layer, NULL, NULL, true, &set, diag), diag);
    int seen = 0;
    for (int i = 0; i < IMAGES; i++)
        seen |= 1 << set->labels[i] / 10;
    assert_int_equal(seen, (1 << IMAGES) - 1);
    const rs_shape shape = rs_dataset_shape(set, &layer, 7);
    assert_true(shape.dim[0] == 7 && shape.dim[1] == 1 && shape.dim[2] == 3 && shape.dim[3] == 9);
    rs_dataset_free(set);
    rs_diag_free(diag);
}

static void test_list_errors(void **state)
{
    (void)state;
    rs_diag *diag = rs_diag_new();
    rs_dataset *set = NULL, *loaded = NULL;
    rs_assert_error(rs_dataset_open(write_list("x.png\ny.png nine\n"), NULL, false, &set, diag), RS_BAD_INPUT, diag,
                    "expected the file of an image, a blank and its label");
    rs_assert_error(rs_dataset_open(write_list("x.png 4294967296\n"), NULL, false, &set, diag), RS_BAD_INPUT, diag,
                    "is too large");
    rs_test_write(rs_test_path("labels.txt"), "", 0);
    rs_assert_error(rs_dataset_open(rs_test_path("labels.txt"), NULL, false, &set, diag), RS_BAD_INPUT, diag,
                    "names no images");

    /* An image that is not there, or of another size: the list's line is named; so it is by the threads that read
     * ahead. */
    const rs_data_param whole = { .scale = 1 }, large = { .scale = 1, .crop_size = 7 };
    rs_assert_ok(rs_dataset_open(write_list("gone.png 1\n"), NULL, false, &set, diag), diag);
    rs_assert_error(rs_dataset_load(set, &whole, &loaded, diag), RS_BAD_INPUT, diag, "gone.png'");
    float out[6 * 3 * SIDE * SIDE];
    for (int threads = 1; threads <= 3; threads++) {
        rs_feed *feed = NULL;
        rs_set_threads(threads);
        rs_assert_ok(rs_feed_new(set, &whole, NULL, 0, 6, &feed, diag), diag);
        const rs_status st = rs_feed_next(feed, 6, out, NULL, diag);
        assert_int_equal(rs_diag_message(diag, 0)->loc.line, IMAGES + 1);
        rs_assert_error(st, RS_BAD_INPUT, diag, "there is no image");
        rs_feed_free(feed);
    }
    rs_set_threads(0);
    rs_assert_error(rs_dataset_check(set, &large, RS_NOWHERE, diag), RS_BAD_INPUT, diag,
                    "crop_size is 7, larger than the images of 6x6");
    rs_dataset_free(set);
    const uint8_t small[3] = { 1, 2, 3 };
    write_png("small.png", PNG_FORMAT_RGB, 1, 1, small);
    rs_assert_ok(rs_dataset_open(write_list("small.png 1\n"), NULL, false, &set, diag), diag);
    rs_assert_error(rs_dataset_load(set, &whole, &loaded, diag), RS_BAD_INPUT, diag,
                    "'small.png' has 1x1 pixels (height x width), expected 6x6");
    rs_assert_error(rs_dataset_exclude(set, "list", diag), RS_BAD_INPUT, diag, "none can be excluded by its index");
    rs_dataset_free(set);
    rs_diag_free(diag);
}

/* Each allocation and each read fails in turn: an error, no leak, no hang of the threads. */
static void test_faults(void **state)
{
    (void)state;
    rs_diag *diag = rs_diag_new();
    const char *path = write_list("");
    const rs_data_param param = { .scale = 1, .new_height = 4, .new_width = 4 };
    float out[IMAGES * 3 * 16];
    for (int kind = RS_FAULT_ALLOC; kind <= RS_FAULT_READ; kind++) {
        uint64_t n = 1, failed = 0;
        for (;; n++) {
            rs_dataset *set = NULL;
            rs_feed *feed = NULL;
            rs_fault_arm((rs_fault)kind, n);
            rs_status st = rs_dataset_open(path, NULL, false, &set, diag);
            if (st == RS_OK)
                st = rs_feed_new(set, &param, NULL, 0, IMAGES, &feed, diag);
            if (st == RS_OK)
                st = rs_feed_next(feed, IMAGES, out, NULL, diag);
            rs_feed_free(feed);
            const uint64_t count = rs_fault_count((rs_fault)kind);
            rs_fault_arm((rs_fault)kind, 0);
            rs_dataset_free(set);
            if (st == RS_OK && count < n)
                break;
            failed += st != RS_OK;
            if (st != RS_OK)
                rs_assert_error(st, kind == RS_FAULT_ALLOC ? RS_RESOURCE : st, diag,
                                kind == RS_FAULT_ALLOC ? "memory" : "");
        }
        print_message("%llu faults, %llu errors\n", (unsigned long long)n - 1, (unsigned long long)failed);
        assert_true(failed > 5);
    }
    rs_diag_free(diag);
}

/* --------------------------------------------------------------------------------------------- CIFAR and others */

static void test_cifar(void **state)
{
    (void)state;
    enum { RECORD = 3073, N = 3 };
    static uint8_t bytes[N * RECORD + 1];
    rs_diag *diag = rs_diag_new();
    rs_dataset *set = NULL;
    for (int i = 0; i < N; i++) {
        fill(bytes + i * RECORD, RECORD);
        bytes[i * RECORD] = (uint8_t)(3 * i);
    }
    rs_test_write(rs_test_path("data_batch_1.bin"), bytes, 2 * RECORD);
    rs_test_write(rs_test_path("data_batch_2.bin"), bytes + 2 * RECORD, RECORD);
    rs_test_write(rs_test_path("test_batch.bin"), bytes, RECORD);
    rs_assert_ok(rs_dataset_open(rs_test_folder(), NULL, true, &set, diag), diag);
    assert_true(set->count == N && set->channels == 3 && set->height == 32 && set->width == 32 && set->classes == 10);
    for (int i = 0; i < N; i++) {
        assert_int_equal(set->labels[i], 3 * i);
        assert_memory_equal(set->pixels + i * (RECORD - 1), bytes + i * RECORD + 1, RECORD - 1);
    }
    rs_dataset_free(set);
    rs_assert_ok(rs_dataset_open(rs_test_folder(), NULL, false, &set, diag), diag);
    assert_int_equal(set->count, 1);
    rs_dataset_free(set);
    rs_assert_ok(rs_dataset_open(rs_test_path("data_batch_2.bin"), NULL, false, &set, diag), diag);
    assert_int_equal(set->labels[0], 6);
    rs_dataset_free(set);

    bytes[RECORD] = 10;
    rs_test_write(rs_test_path("wrong.bin"), bytes, N * RECORD);
    rs_assert_error(rs_dataset_open(rs_test_path("wrong.bin"), NULL, false, &set, diag), RS_BAD_INPUT, diag,
                    "record 1 (byte 3073) has the label 10, expected 0 to 9");
    rs_test_write(rs_test_path("wrong.bin"), bytes, N * RECORD - 1);
    rs_assert_error(rs_dataset_open(rs_test_path("wrong.bin"), NULL, false, &set, diag), RS_BAD_INPUT, diag,
                    "no whole number of records");
    rs_test_write(rs_test_path("wrong.bin"), bytes, 0);
    rs_assert_error(rs_dataset_open(rs_test_path("wrong.bin"), NULL, false, &set, diag), RS_BAD_INPUT, diag,
                    "the file is empty");
    for (int i = 1; i <= 2; i++)
        (void)remove(rs_test_path(i == 1 ? "data_batch_1.bin" : "data_batch_2.bin"));
    (void)remove(rs_test_path("test_batch.bin"));
    rs_diag_free(diag);
}

/* A set in memory of random bytes. */
static rs_dataset *random_set(int64_t count, int channels, int height, int width)
{
    rs_dataset *set = RS_NEW(rs_dataset);
    const size_t n = (size_t)(count * channels * height * width);
    *set = (rs_dataset) { .path = rs_strdup("random"),
                          .count = count,
                          .channels = channels,
                          .height = height,
                          .width = width,
                          .classes = 1000 };
    set->storage = set->pixels = rs_calloc(n, 1);
    set->labels = RS_NEW_ARRAY(int32_t, (size_t)count);
    fill(set->pixels, n);
    for (int64_t i = 0; i < count; i++)
        set->labels[i] = (int32_t)(rs_rng_next(&rng) % 1000);
    return set;
}

static void assert_same(const rs_dataset *set, const rs_dataset *other, const char *path)
{
    rs_diag *diag = rs_diag_new();
    rs_dataset *loaded = NULL;
    const rs_data_param plain = { .scale = 1 };
    (void)path;
    rs_assert_ok(rs_dataset_load(other, &plain, &loaded, diag), diag);
    assert_true(loaded->count == set->count && loaded->channels == set->channels && loaded->height == set->height &&
                loaded->width == set->width);
    assert_memory_equal(loaded->labels, set->labels, (size_t)set->count * sizeof *set->labels);
    assert_memory_equal(loaded->pixels, set->pixels, (size_t)(set->count * set->channels * set->height * set->width));
    rs_dataset_free(loaded);
    rs_diag_free(diag);
}

/* What liblmdb writes, our reader reads: values inside pages and beside them, one page and a tree. */
static void test_database(void **state)
{
    (void)state;
    static const int sizes[][4] = { { 1, 1, 1, 1 }, { 3, 3, 5, 7 }, { 40, 3, 40, 50 }, { 1200, 1, 4, 6 } };
    rs_diag *diag = rs_diag_new();
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        char name[32];
        snprintf(name, sizeof name, "db%zu", s);
        const char *folder = rs_test_path(name);
        rs_dataset *set = random_set(sizes[s][0], sizes[s][1], sizes[s][2], sizes[s][3]), *read = NULL;
        rs_assert_ok(rs_dataset_write_lmdb(set, folder, diag), diag);
        rs_assert_ok(rs_dataset_open(folder, NULL, false, &read, diag), diag);
        assert_same(set, read, folder);
        rs_dataset_free(read);
        rs_assert_error(rs_dataset_write_lmdb(set, folder, diag), RS_BAD_INPUT, diag, "there is a database already");
        rs_dataset_free(set);
    }
    rs_diag_free(diag);
}

/* An encoded Datum, as convert_imageset --encoded writes it, put by liblmdb. */
static void test_encoded(void **state)
{
    (void)state;
    enum { H = 4, W = 5 };
    uint8_t rgb[H * W * 3], record[4096];
    size_t size = 0;
    rs_diag *diag = rs_diag_new();
    fill(rgb, sizeof rgb);
    write_png("datum.png", PNG_FORMAT_RGB, H, W, rgb);
    char *png = rs_test_read(rs_test_path("datum.png"), &size);
    const rs_datum datum = { .channels = 3, .height = H, .width = W, .label = 42, .encoded = true, .bytes = size };
    size_t n = rs_datum_before(&datum, record);
    memcpy(record + n, png, size);
    n += size;
    n += rs_datum_behind(&datum, record + n);
    free(png);
    const char *folder = rs_test_path("encoded");
    assert_int_equal(mkdir(folder, 0777), 0);
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
    assert_int_equal(mdb_env_create(&env), 0);
    assert_int_equal(mdb_env_open(env, folder, 0, 0664), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_dbi_open(txn, NULL, 0, &dbi), 0);
    char key[] = "00000000_datum.png";
    MDB_val k = { strlen(key), key }, v = { n, record };
    assert_int_equal(mdb_put(txn, dbi, &k, &v, 0), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
    mdb_env_close(env);

    rs_dataset *set = NULL, *loaded = NULL;
    rs_assert_ok(rs_dataset_open(folder, NULL, false, &set, diag), diag);
    assert_true(set->count == 1 && set->channels == 3 && set->height == H && set->width == W);
    assert_int_equal(set->labels[0], 42);
    const rs_data_param plain = { .scale = 1 }, gray = { .scale = 1, .color = RS_COLOR_GRAY };
    rs_assert_ok(rs_dataset_load(set, &plain, &loaded, diag), diag);
    for (int i = 0; i < H * W; i++)
        for (int c = 0; c < 3; c++)
            assert_int_equal(loaded->pixels[c * H * W + i], rgb[3 * i + 2 - c]);
    rs_dataset_free(loaded);
    rs_assert_ok(rs_dataset_load(set, &gray, &loaded, diag), diag);
    assert_int_equal(loaded->channels, 1);
    rs_dataset_free(loaded);
    rs_dataset_free(set);
    rs_diag_free(diag);
}

/* Every byte of a database in turn is another: read or refused, nothing else (the sanitizers' build judges). */
static void test_damaged_database(void **state)
{
    (void)state;
    rs_diag *diag = rs_diag_new();
    rs_dataset *set = random_set(3, 1, 3, 5);
    rs_assert_ok(rs_dataset_write_lmdb(set, rs_test_path("damaged"), diag), diag);
    rs_dataset_free(set);
    size_t size = 0;
    char *whole = rs_test_read(rs_test_path("damaged/data.mdb"), &size);
    int refused = 0, read = 0;
    for (size_t i = 0; i < size; i++) {
        if (whole[i] == 0 && i % 64 != 0)
            continue; /* most of the file is empty */
        const char kept = whole[i];
        whole[i] = (char)(kept ^ (1 << i % 8));
        rs_test_write(rs_test_path("damaged.mdb"), whole, size);
        whole[i] = kept;
        rs_dataset *damaged = NULL, *loaded = NULL;
        const rs_data_param plain = { .scale = 1 };
        rs_status st = rs_dataset_open(rs_test_path("damaged.mdb"), NULL, false, &damaged, diag);
        if (st == RS_OK)
            st = rs_dataset_load(damaged, &plain, &loaded, diag);
        assert_true(st == RS_OK || st == RS_BAD_INPUT);
        refused += st != RS_OK;
        read += st == RS_OK;
        rs_dataset_free(loaded);
        rs_dataset_free(damaged);
        rs_diag_free(diag);
        diag = rs_diag_new();
    }
    free(whole);
    print_message("%d refused, %d read\n", refused, read);
    assert_true(refused > 20 && read > 20);
    rs_diag_free(diag);
}

static void test_arrays(void **state)
{
    (void)state;
    rs_diag *diag = rs_diag_new();
    rs_dataset *set = random_set(4, 3, 5, 6), *read = NULL;
    rs_assert_ok(rs_dataset_write_npy(set, rs_test_path("train-images.npy"), rs_test_path("train-labels.npy"), diag),
                 diag);
    rs_assert_ok(rs_dataset_open(rs_test_path("train-images.npy"), NULL, false, &read, diag), diag);
    assert_same(set, read, "npy");
    rs_dataset_free(read);
    rs_dataset_free(set);

    /* Channels last, in floats. */
    static const char header[] = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2, 2, 3), }\n";
    static const char labels[] = "{'descr': '<i8', 'fortran_order': False, 'shape': (1, 1), }\n";
    uint8_t file[256] = { 0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, sizeof header - 1, 0 };
    float values[12];
    for (int i = 0; i < 12; i++)
        values[i] = (float)(20 * i);
    memcpy(file + 10, header, sizeof header - 1);
    memcpy(file + 10 + sizeof header - 1, values, sizeof values);
    rs_test_write(rs_test_path("x_test.npy"), file, 10 + sizeof header - 1 + sizeof values);
    uint8_t label_file[128] = { 0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, sizeof labels - 1, 0 };
    memcpy(label_file + 10, labels, sizeof labels - 1);
    label_file[10 + sizeof labels - 1] = 9;
    rs_test_write(rs_test_path("y_test.npy"), label_file, 10 + sizeof labels - 1 + 8);
    rs_assert_ok(rs_dataset_open(rs_test_path("x_test.npy"), NULL, false, &read, diag), diag);
    assert_true(read->channels == 3 && read->height == 2 && read->width == 2 && read->labels[0] == 9);
    for (int c = 0; c < 3; c++)
        for (int i = 0; i < 4; i++)
            assert_int_equal(read->pixels[c * 4 + i], 20 * (3 * i + c));
    rs_dataset_free(read);
    values[7] = 0.5f;
    memcpy(file + 10 + sizeof header - 1, values, sizeof values);
    rs_test_write(rs_test_path("x_test.npy"), file, 10 + sizeof header - 1 + sizeof values);
    rs_assert_error(rs_dataset_open(rs_test_path("x_test.npy"), NULL, false, &read, diag), RS_BAD_INPUT, diag,
                    "element 7 is 0.5");
    (void)remove(rs_test_path("y_test.npy"));
    rs_assert_error(rs_dataset_open(rs_test_path("x_test.npy"), NULL, false, &read, diag), RS_BAD_INPUT, diag,
                    "there are no labels for");
    rs_diag_free(diag);
}

/* -------------------------------------------------------------------------------------------------- mean images */

static void test_mean_image(void **state)
{
    (void)state;
    enum { C = 2, H = 5, W = 6, N = 40, CROP = 3 };
    rs_diag *diag = rs_diag_new();
    rs_dataset *set = random_set(N, C, H, W);
    float mean[C * H * W];
    for (int i = 0; i < C * H * W; i++)
        mean[i] = (float)(i * 3) + 0.25f;
    const int64_t dim[3] = { C, H, W };
    rs_assert_ok(rs_caffe_write_mean(rs_test_path("mean.binaryproto"), dim, mean, diag), diag);
    rs_data_param param = {
        .scale = 0.125f, .crop_size = CROP, .mirror = true, .mean_file = (char *)(uintptr_t) "mean.binaryproto"
    };
    rs_assert_error(rs_data_load_mean(&param, NULL, (rs_loc) { "net", 3, 4 }, diag), RS_BAD_INPUT, diag,
                    "there is no mean file 'mean.binaryproto'");
    rs_assert_ok(rs_data_load_mean(&param, rs_test_path("net.prototxt"), RS_NOWHERE, diag), diag);
    rs_assert_ok(rs_dataset_check(set, &param, RS_NOWHERE, diag), diag);

    /* The mean of a pixel goes with it, whatever is cropped and mirrored: each window is searched for. */
    const uint64_t seed = 5;
    float out[C][CROP][CROP];
    int found = 0, mirrored = 0;
    for (int i = 0; i < N; i++) {
        bool hit = false;
        rs_dataset_augment(set, &param, seed, i, 1, &out[0][0][0]);
        for (int top = 0; top <= H - CROP && !hit; top++)
            for (int left = 0; left <= W - CROP && !hit; left++)
                for (int flip = 0; flip < 2 && !hit; flip++) {
                    hit = true;
                    for (int c = 0; c < C; c++)
                        for (int y = 0; y < CROP; y++)
                            for (int x = 0; x < CROP; x++) {
                                const int at = (c * H + top + y) * W + left + x;
                                hit = hit && out[c][y][flip ? CROP - 1 - x : x] ==
                                                 ((float)set->pixels[i * C * H * W + at] - mean[at]) * 0.125f;
                            }
                    mirrored += hit && flip;
                }
        found += hit;
    }
    assert_int_equal(found, N);
    assert_true(mirrored > 5 && mirrored < N - 5);

    /* For testing: the centre; the same of a set that was cropped before. */
    rs_dataset *loaded = NULL;
    float direct[N][C][CROP][CROP], later[N][C][CROP][CROP];
    rs_dataset_transform(set, &param, 0, N, &direct[0][0][0][0]);
    assert_true(direct[7][1][2][0] ==
                ((float)set->pixels[7 * C * H * W + (H + 1 + 2) * W + 1] - mean[(H + 1 + 2) * W + 1]) * 0.125f);
    rs_assert_ok(rs_dataset_load(set, &param, &loaded, diag), diag);
    rs_assert_ok(rs_dataset_check(loaded, &param, RS_NOWHERE, diag), diag);
    rs_dataset_transform(loaded, &param, 0, N, &later[0][0][0][0]);
    assert_memory_equal(direct, later, sizeof direct);
    rs_dataset_free(loaded);

    rs_dataset *other = random_set(1, C, H, W + 1);
    rs_assert_error(rs_dataset_check(other, &param, RS_NOWHERE, diag), RS_BAD_INPUT, diag, "the mean image is 2x5x6");
    rs_dataset_free(other);
    rs_free(param.mean_image);
    rs_dataset_free(set);
    rs_diag_free(diag);
}

/* Whether 3 x 4 x 4 values are some window of an image of the list, mirrored or not. */
static bool is_window_of(const float *values, int image)
{
    for (int where = 0; where < 2 * (SIDE - 3) * (SIDE - 3); where++) {
        const int top = where / 2 / (SIDE - 3), left = where / 2 % (SIDE - 3);
        bool same = true;
        for (int v = 0; v < 3 * 4 * 4 && same; v++)
            same = values[v] == pixel(image, v / 16, top + v / 4 % 4, left + (where % 2 == 1 ? 3 - v % 4 : v % 4));
        if (same)
            return true;
    }
    return false;
}

/* Crops and mirrors that are drawn, and the order: the same on any number of threads. */
static void test_threads(void **state)
{
    (void)state;
    rs_diag *diag = rs_diag_new();
    rs_dataset *set = NULL;
    const rs_data_param param = { .scale = 1, .crop_size = 4, .mirror = true, .shuffle = true };
    const uint64_t seed = rs_test_seed();
    enum { VALUES = 3 * 4 * 4 };
    float first[17 * VALUES], out[17 * VALUES], labels[17];
    rs_assert_ok(rs_dataset_open(write_list(""), NULL, false, &set, diag), diag);
    for (int threads = 1; threads <= 4; threads++) {
        rs_set_threads(threads);
        const int64_t batch = 5 - threads;
        rs_feed *feed = NULL;
        rs_assert_ok(rs_feed_new(set, &param, &seed, 2, batch, &feed, diag), diag);
        for (int64_t i = 0; i < 17; i += batch)
            rs_assert_ok(rs_feed_next(feed, i + batch < 17 ? batch : 17 - i, out + i * VALUES, labels + i, diag), diag);
        rs_feed_free(feed);
        if (threads == 1)
            memcpy(first, out, sizeof out);
        assert_memory_equal(first, out, sizeof out);
    }
    rs_set_threads(0);
    /* The labels are those of the images that came. */
    for (int i = 0; i < 17; i++)
        assert_true(is_window_of(out + i * VALUES, (int)labels[i] / 10));
    rs_dataset_free(set);
    rs_diag_free(diag);
}

int main(void)
{
    rng = (rs_rng) { rs_test_seed(), 1, 0 };
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_png),         cmocka_unit_test(test_jpeg),
        cmocka_unit_test(test_resize),      cmocka_unit_test(test_list),
        cmocka_unit_test(test_list_errors), cmocka_unit_test(test_faults),
        cmocka_unit_test(test_cifar),       cmocka_unit_test(test_database),
        cmocka_unit_test(test_encoded),     cmocka_unit_test(test_damaged_database),
        cmocka_unit_test(test_arrays),      cmocka_unit_test(test_mean_image),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
