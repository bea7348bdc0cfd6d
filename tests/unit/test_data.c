/* Data sets: IDX files right and wrong, where they are looked for, lists of images left out, transformations, the
 * digits. */
#include "support/test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "base/faults.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/rng.h"
#include "data/data.h"

/* ------------------------------------------------------------------------------------------------------- makers */

/* n random images of c x h x w, labels below `classes`; the caller frees. */
static rs_dataset *random_set(int64_t n, int c, int h, int w, int classes)
{
    const int64_t size = n * c * h * w;
    rs_dataset *set = RS_NEW(rs_dataset);
    assert_non_null(set);
    set->path = rs_strdup("random");
    set->count = n;
    set->channels = c;
    set->height = h;
    set->width = w;
    set->storage = set->pixels = RS_NEW_ARRAY(uint8_t, (size_t)size);
    set->labels = RS_NEW_ARRAY(int32_t, (size_t)n);
    for (int64_t i = 0; i < size; i++)
        set->pixels[i] = (uint8_t)rs_random_below(rs_test_seed(), 1, (uint64_t)i, 256);
    for (int64_t i = 0; i < n; i++) {
        set->labels[i] = (int32_t)rs_random_below(rs_test_seed(), 2, (uint64_t)i, (uint64_t)classes);
        set->classes = set->labels[i] >= set->classes ? set->labels[i] + 1 : set->classes;
    }
    return set;
}

static void check_same(const rs_dataset *a, const rs_dataset *b)
{
    assert_int_equal(a->count, b->count);
    assert_int_equal(a->channels, b->channels);
    assert_int_equal(a->height, b->height);
    assert_int_equal(a->width, b->width);
    assert_int_equal(a->classes, b->classes);
    assert_memory_equal(a->pixels, b->pixels, (size_t)(a->count * a->channels * a->height * a->width));
    assert_memory_equal(a->labels, b->labels, (size_t)a->count * sizeof(int32_t));
}

static rs_dataset *open_set(const char *path, bool train)
{
    rs_diag *diag = rs_diag_new();
    rs_dataset *set = NULL;
    rs_assert_ok(rs_dataset_open(path, NULL, train, &set, diag), diag);
    rs_diag_free(diag);
    return set;
}

static void expect(const char *path, const char *part)
{
    rs_diag *diag = rs_diag_new();
    rs_dataset *set = NULL;
    rs_assert_error(rs_dataset_open(path, NULL, true, &set, diag), RS_BAD_INPUT, diag, part);
    assert_null(set);
    rs_diag_free(diag);
}

/* An IDX file by hand: magic number, lengths of axes, and n bytes of content 7. */
static void write_idx(const char *path, uint32_t magic, int n_axes, const uint32_t *dim, size_t n)
{
    uint8_t *data = rs_calloc(4 + 4 * (size_t)n_axes + n, 1);
    for (int i = 0; i <= n_axes; i++) {
        const uint32_t v = i == 0 ? magic : dim[i - 1];
        for (int k = 0; k < 4; k++)
            data[4 * i + k] = (uint8_t)(v >> (24 - 8 * k));
    }
    memset(data + 4 + 4 * (size_t)n_axes, 7, n);
    rs_test_write(path, data, 4 + 4 * (size_t)n_axes + n);
    rs_free(data);
}

/* ---------------------------------------------------------------------------------------------------- IDX files */

static void check_round_trip(void **state)
{
    (void)state;
    static const struct {
        int64_t n;
        int c, h, w;
        const char *images, *labels;
    } cases[] = {
        { 5, 1, 3, 4, "a-images-idx3-ubyte", "a-labels-idx1-ubyte" },
        { 300, 1, 28, 28, "b-images-idx3-ubyte.gz", "b-labels-idx1-ubyte.gz" },
        { 7, 3, 5, 6, "c-images-idx4-ubyte", "c-labels-idx1-ubyte.gz" },
        { 1, 1, 1, 1, "d-images.idx3-ubyte", "d-labels.idx1-ubyte" },
    };
    for (int i = 0; i < 4; i++) {
        rs_diag *diag = rs_diag_new();
        rs_dataset *set = random_set(cases[i].n, cases[i].c, cases[i].h, cases[i].w, 10);
        char *images = rs_path_join(rs_test_folder(), cases[i].images);
        char *labels = rs_path_join(rs_test_folder(), cases[i].labels);
        rs_assert_ok(rs_dataset_write_idx(set, images, labels, diag), diag);
        size_t size, size_again;
        char *bytes = rs_test_read(images, &size);
        rs_assert_ok(rs_dataset_write_idx(set, images, labels, diag), diag);
        char *again = rs_test_read(images, &size_again);
        assert_int_equal(size, size_again);
        assert_memory_equal(bytes, again, size);
        free(bytes);
        free(again);

        rs_dataset *back = open_set(images, true);
        assert_string_equal(back->path, images);
        check_same(set, back);
        rs_dataset_free(back);
        char *prefix = rs_strndup(images, strlen(rs_test_folder()) + 2); /* FOLDER/a */
        back = open_set(prefix, false);
        check_same(set, back);
        rs_dataset_free(back);
        rs_free(prefix);

        /* A full disk leaves the old files; labels that a byte cannot hold are refused. */
        rs_fault_arm(RS_FAULT_WRITE, 1);
        assert_int_equal(rs_dataset_write_idx(set, images, labels, NULL), RS_RESOURCE);
        rs_fault_arm(RS_FAULT_WRITE, 0);
        set->labels[0] = 256;
        rs_assert_error(rs_dataset_write_idx(set, images, labels, diag), RS_BAD_INPUT, diag,
                        "image 0 has the label 256");
        back = open_set(images, true);
        rs_dataset_free(back);
        rs_free(images);
        rs_free(labels);
        rs_dataset_free(set);
        rs_diag_free(diag);
    }
    rs_dataset_free(NULL);
}

static void check_wrong_files(void **state)
{
    (void)state;
    const char *images = rs_test_path("w-images-idx3-ubyte"), *labels = rs_test_path("w-labels-idx1-ubyte");
    const uint32_t good[3] = { 2, 3, 4 }, two = 2, three = 3;
    expect(images, "there is no data set of this name");
    write_idx(images, 0x803, 3, good, 24);
    expect(images, "there are no labels for");
    write_idx(labels, 0x801, 1, &two, 2);
    rs_dataset_free(open_set(images, true));

    write_idx(labels, 0x801, 1, &three, 3);
    expect(images, "3 labels (byte 4), but ");
    write_idx(labels, 0x801, 1, &two, 3);
    expect(images, "2 labels end at byte 10, but the file goes on to byte 11");
    write_idx(labels, 0x801, 1, &two, 1);
    expect(images, "2 labels need 10 bytes, but the file ends at byte 9");
    write_idx(labels, 0x803, 3, good, 24);
    expect(images, "the magic number at byte 0 is 0x00000803, expected 0x00000801 (labels in an IDX file)");
    write_idx(labels, 0x801, 1, &two, 2);

    write_idx(images, 0x801, 1, &two, 2);
    expect(images, "the magic number at byte 0 is 0x00000801, expected 0x00000803 (images in an IDX file)");
    write_idx(images, 0x903, 3, good, 24); /* signed bytes */
    expect(images, "the magic number at byte 0 is 0x00000903");
    write_idx(images, 0x01000803, 3, good, 24);
    expect(images, "the magic number at byte 0 is 0x01000803");
    write_idx(images, 0x803, 3, good, 23);
    expect(images, "2x3x4 images need 40 bytes, but the file ends at byte 39");
    write_idx(images, 0x803, 3, good, 25);
    expect(images, "2x3x4 images end at byte 40, but the file goes on to byte 41");
    write_idx(images, 0x803, 3, (const uint32_t[]) { 2, 0, 4 }, 24);
    expect(images, "axis 1 at byte 8 has the length 0, expected 1 to 2147483647");
    write_idx(images, 0x803, 3, (const uint32_t[]) { 2, 3, 0x80000000U }, 24);
    expect(images, "axis 2 at byte 12 has the length 2147483648");
    /* 28 bytes that claim a lot: no memory is asked for. */
    write_idx(images, 0x803, 3, (const uint32_t[]) { 30000, 1000, 1000 }, 12);
    expect(images, "30000x1000x1000 images need 30000000016 bytes, but the file ends at byte 28");
    write_idx(images, 0x804, 4, (const uint32_t[]) { 0x7fffffff, 0x7fffffff, 0x7fffffff, 0x7fffffff }, 12);
    expect(images, "but the file ends at byte 32");
    rs_test_write(images, "\0\0\x08\x03\0\0\0\2\0\0", 10);
    expect(images, "the file ends at byte 10, expected a header of 16 bytes");
    rs_test_write(images, "\0\0", 2);
    expect(images, "the file ends at byte 2, expected an IDX header");
    rs_test_write(images, "", 0);
    expect(images, "the file ends at byte 0, expected an IDX header");
    rs_test_write(images, "\x1f\x8b\x08\0garbage", 11);
    expect(images, "the gzip data is");
    const char *nameless = rs_test_path("pictures");
    write_idx(nameless, 0x803, 3, good, 24);
    expect(nameless, "no 'images' in the file's name");
    expect("/nonexistent/set", "there is no data set of this name");
}

/* Every length and every bit of a small set, gzipped or not. */
static void check_damage(void **state)
{
    (void)state;
    rs_dataset *set = random_set(4, 1, 5, 5, 4);
    int cut = 0, flipped = 0;
    for (int gzip = 0; gzip < 2; gzip++) {
        const char *images = rs_test_path(gzip ? "x-images-idx3-ubyte.gz" : "x-images-idx3-ubyte");
        const char *labels = rs_test_path(gzip ? "x-labels-idx1-ubyte.gz" : "x-labels-idx1-ubyte");
        assert_int_equal(rs_dataset_write_idx(set, images, labels, NULL), RS_OK);
        for (int which = 0; which < 2; which++) {
            const char *path = which ? labels : images;
            size_t size;
            char *data = rs_test_read(path, &size);
            const int fd = open(path, O_WRONLY);
            rs_dataset *back = NULL;
            for (size_t bit = 0; bit < 8 * size; bit++, flipped++) {
                const char wrong = (char)(data[bit / 8] ^ 1 << bit % 8);
                assert_int_equal(pwrite(fd, &wrong, 1, (off_t)(bit / 8)), 1);
                const rs_status st = rs_dataset_open(images, NULL, true, &back, NULL);
                assert_true(st == RS_OK || st == RS_BAD_INPUT);
                rs_dataset_free(back);
                assert_int_equal(pwrite(fd, &data[bit / 8], 1, (off_t)(bit / 8)), 1);
            }
            for (size_t n = size; n-- > 0; cut++) {
                assert_int_equal(ftruncate(fd, (off_t)n), 0);
                assert_int_equal(rs_dataset_open(images, NULL, true, &back, NULL), RS_BAD_INPUT);
                assert_null(back);
            }
            assert_int_equal(pwrite(fd, data, size, 0), size);
            close(fd);
            free(data);
            back = open_set(images, true);
            check_same(set, back);
            rs_dataset_free(back);
        }
    }
    print_message("# %d lengths, %d bits\n", cut, flipped);
    assert_true(cut > 200 && flipped > 2000);
    rs_dataset_free(set);
}

static void check_allocation_failures(void **state)
{
    (void)state;
    rs_dataset *set = random_set(40, 1, 5, 5, 4);
    const char *images = rs_test_path("f-images-idx3-ubyte.gz"), *labels = rs_test_path("f-labels-idx1-ubyte.gz");
    const char *json = rs_test_path("f.json"), *list = rs_test_path("f.txt");
    assert_int_equal(rs_dataset_write_idx(set, images, labels, NULL), RS_OK);
    char *text = rs_format("images 40 crc32 %08lx\n3-5\n", crc32(0, set->pixels, 1000));
    rs_test_write(list, text, strlen(text));
    rs_free(text);
    rs_test_write(json, "{\"source\": \"f\", \"exclude\": \"f.txt\"}", 35);
    int failed = 0;
    for (uint64_t n = 1;; n++) {
        rs_dataset *back = NULL;
        rs_fault_arm(RS_FAULT_ALLOC, n);
        const rs_status st = rs_dataset_open(json, NULL, true, &back, NULL);
        const bool struck = rs_fault_count(RS_FAULT_ALLOC) >= n;
        rs_fault_arm(RS_FAULT_ALLOC, 0);
        assert_true(st == RS_OK ? back != NULL && back->count == 37 : st == RS_RESOURCE && back == NULL);
        failed += st != RS_OK;
        rs_dataset_free(back);
        if (!struck)
            break;
    }
    print_message("# %d failures injected\n", failed);
    assert_true(failed > 20);
    rs_dataset_free(set);
}

/* ----------------------------------------------------------------------------------------------- where sets are */

static void write_set(const char *folder, const char *start, int64_t n)
{
    rs_dataset *set = random_set(n, 1, 2, 2, 3);
    char *images = rs_format("%s/%s-images-idx3-ubyte", folder, start);
    char *labels = rs_format("%s/%s-labels-idx1-ubyte", folder, start);
    assert_int_equal(rs_dataset_write_idx(set, images, labels, NULL), RS_OK);
    rs_free(images);
    rs_free(labels);
    rs_dataset_free(set);
}

static int64_t count_of(const char *path, const char *beside, bool train)
{
    rs_dataset *set = NULL;
    if (rs_dataset_open(path, beside, train, &set, NULL) != RS_OK)
        return -1;
    const int64_t n = set->count;
    rs_dataset_free(set);
    return n;
}

static void check_places(void **state)
{
    (void)state;
    char *beside = rs_path_join(rs_test_folder(), "beside"), *data = rs_path_join(rs_test_folder(), "data");
    char *both = rs_path_join(beside, "both"), *prototxt = rs_path_join(beside, "net.prototxt");
    char *digits = rs_path_join(data, "digits"), *shadowed = rs_path_join(data, "both");
    write_set(both, "train", 10);
    write_set(both, "t10k", 20);
    write_set(digits, "digits", 30);
    write_set(shadowed, "train", 40);
    assert_int_equal(setenv("RISTRETTO_DATA", data, 1), 0);
    assert_string_equal(rs_data_folder(), data);

    assert_int_equal(count_of(both, NULL, true), 10);
    assert_int_equal(count_of(both, NULL, false), 20);
    assert_int_equal(count_of(digits, NULL, true), 30);
    assert_int_equal(count_of(digits, NULL, false), 30);
    assert_int_equal(count_of("both", prototxt, true), 10); /* beside the prototxt comes first */
    assert_int_equal(count_of("both", NULL, true), 40);     /* then the data folder */
    assert_int_equal(count_of("both/train", prototxt, false), 10);
    assert_int_equal(count_of("both", NULL, false), -1);
    assert_int_equal(count_of("none", prototxt, true), -1);
    assert_true(rs_dataset_exists("digits", prototxt, false));
    assert_false(rs_dataset_exists("none", prototxt, false));

    rs_diag *diag = rs_diag_new();
    rs_dataset *set = NULL;
    assert_int_equal(rs_dataset_open("none", prototxt, true, &set, diag), RS_BAD_INPUT);
    const rs_message *m = rs_diag_message(diag, 0);
    assert_string_equal(m->text, "there is no data set of this name (train)");
    assert_non_null(strstr(m->hint, beside)); /* says where it looked */
    assert_non_null(strstr(m->hint, data));
    rs_diag_free(diag);

    /* A folder that a user chose comes first, and stands for a source that is nowhere. */
    rs_set_data_folder(digits);
    assert_string_equal(rs_data_folder(), digits);
    assert_int_equal(count_of("none", NULL, true), 30);
    rs_set_data_folder(data);
    assert_int_equal(count_of("both", prototxt, true), 40);
    rs_set_data_folder(NULL);
    assert_int_equal(unsetenv("RISTRETTO_DATA"), 0);
    assert_string_equal(rs_data_folder(), "data");

    rs_free(beside);
    rs_free(data);
    rs_free(both);
    rs_free(prototxt);
    rs_free(digits);
    rs_free(shadowed);
}

static void check_descriptions(void **state)
{
    (void)state;
    static const struct {
        const char *text, *part;
    } wrong[] = {
        { "{", "wrong.json:1:1: error: " },
        { "{\n \"source\": \"a\",\n \"source\": \"b\" }", "wrong.json:3:" },
        { "[]", "expected an object with 'source'" },
        { "{\"suorce\": \"a\"}", "unknown key 'suorce'" },
        { "{\"suorce\": \"a\"}", "did you mean 'source'?" },
        { "{\"source\": 3}", "'source' is not a string" },
        { "{\"exclude\": \"a\"}", "no 'source'" },
        { "{\"source\": \"wrong.json\"}", "more than 4 descriptions name one another" },
        { "{\"source\": \"nowhere\"}", "there is no data set of this name" },
        { "{\"source\": \"s\", \"exclude\": \"nowhere.txt\"}", "nowhere.txt: error: cannot open" },
    };
    write_set(rs_test_folder(), "s", 10);
    const char *path = rs_test_path("wrong.json");
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        rs_test_write(path, wrong[i].text, strlen(wrong[i].text));
        rs_diag *diag = rs_diag_new();
        rs_dataset *set = NULL;
        assert_int_equal(rs_dataset_open(path, NULL, true, &set, diag), RS_BAD_INPUT);
        assert_null(set);
        char *messages = rs_test_messages(diag);
        if (strstr(messages, wrong[i].part) == NULL)
            fail_msg("%s: expected '%s', got: %s", wrong[i].text, wrong[i].part, messages);
        free(messages);
        rs_diag_free(diag);
    }
}

/* ---------------------------------------------------------------------------------------------- images left out */

static void check_exclude(void **state)
{
    (void)state;
    const char *path = rs_test_path("list.txt");
    rs_dataset *set = random_set(10, 1, 2, 2, 5), *whole = random_set(10, 1, 2, 2, 5);
    char *identity = rs_format("images 10 crc32 %08lx", crc32(0, set->pixels, 40));
    char *text = rs_format("# comment\n\n%s\n0\n# another\n3-5\n9", identity); /* no newline at the end */
    rs_test_write(path, text, strlen(text));
    rs_free(text);
    rs_diag *diag = rs_diag_new();
    rs_assert_ok(rs_dataset_exclude(set, path, diag), diag);
    static const int64_t kept[] = { 1, 2, 6, 7, 8 };
    assert_int_equal(set->count, 5);
    int classes = 0;
    for (int64_t i = 0; i < 5; i++) {
        assert_memory_equal(set->pixels + 4 * i, whole->pixels + 4 * kept[i], 4);
        assert_int_equal(set->labels[i], whole->labels[kept[i]]);
        classes = set->labels[i] >= classes ? set->labels[i] + 1 : classes;
    }
    assert_int_equal(set->classes, classes);
    rs_assert_error(rs_dataset_exclude(set, path, diag), RS_BAD_INPUT, diag, "the list is for a set of 10 images");
    rs_dataset_free(set);

    static const struct {
        const char *text; /* behind the line of identity, if it starts with a newline */
        int line;
        const char *message;
    } wrong[] = {
        { "images 10 crc32 00000000\n", 1, "the list is for images of the CRC-32 00000000, but that of random is " },
        { "images 10\n", 1, "expected the set that the list is for" },
        { "images 10 crc32 0123456\n", 1, "expected the set that the list is for" },
        { "images 10 crc32 012345678\n", 1, "expected the set that the list is for" },
        { "5\n", 1, "expected the set that the list is for" },
        { "\n5\nx\n", 3, "expected the index of an image" },
        { "\n5\n\n-6\n", 4, "expected the index of an image" },
        { "\n5 6\n", 2, "expected the index of an image" },
        { "\n5-\n", 2, "expected the index of an image" },
        { "\n5-4\n", 2, "expected the index of an image" },
        { "\n99999999999999999999\n", 2, "expected the index of an image" },
        { "\n10\n", 2, "image 10, expected at most 9" },
        { "\n3-10\n", 2, "image 10, expected at most 9" },
        { "\n5\n5\n", 3, "image 5 follows 5, expected rising indices" },
        { "\n5-7\n6\n", 3, "image 6 follows 7, expected rising indices" },
        { "# nothing\n", 0, "the list does not say which set it is for" },
        { "\n0-9\n", 0, "the list leaves no images" },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        set = random_set(10, 1, 2, 2, 5);
        text = rs_format("%s%s", wrong[i].text[0] == '\n' ? identity : "", wrong[i].text);
        rs_test_write(path, text, strlen(text));
        assert_int_equal(rs_dataset_exclude(set, path, diag), RS_BAD_INPUT);
        const rs_message *m = rs_diag_message(diag, 0);
        assert_non_null(strstr(m->text, wrong[i].message));
        assert_int_equal(m->loc.line, wrong[i].line);
        check_same(set, whole); /* nothing was taken out */
        free(rs_test_messages(diag));
        rs_free(text);
        rs_dataset_free(set);
    }
    rs_assert_error(rs_dataset_exclude(whole, rs_test_path("none.txt"), diag), RS_BAD_INPUT, diag, "cannot open");
    rs_free(identity);
    rs_dataset_free(whole);
    rs_diag_free(diag);
}

/* ---------------------------------------------------------------------------------------------- transformations */

static void check_slice(void **state)
{
    (void)state;
    rs_dataset *set = random_set(10, 2, 3, 4, 5);
    const rs_dataset slice = rs_dataset_slice(set, 4, 3);
    assert_int_equal(slice.count, 3);
    assert_ptr_equal(slice.pixels, set->pixels + 4 * 24);
    assert_ptr_equal(slice.labels, set->labels + 4);
    assert_null(slice.storage);
    assert_int_equal(rs_dataset_slice(set, 8, 100).count, 2);
    assert_int_equal(rs_dataset_slice(set, 100, 1).count, 0);
    assert_int_equal(rs_dataset_slice(set, -1, 2).count, 2);
    assert_int_equal(rs_dataset_slice(set, 0, -2).count, 0);
    rs_dataset_free(set);
}

static void check_transform(void **state)
{
    (void)state;
    rs_dataset *set = random_set(5, 3, 7, 9, 5);
    const rs_data_param params[] = {
        { .scale = 1 },
        { .scale = 0.00390625F },
        { .scale = 0.5F, .n_mean = 1, .mean = { 33.5F } },
        { .scale = 2, .n_mean = 3, .mean = { 104, 117, 123 }, .crop_size = 4 },
        { .scale = 1, .crop_size = 7, .mirror = true }, /* mirrored in training only */
    };
    float out[12 * 3 * 63];
    int compared = 0;
    for (int p = 0; p < 5; p++) {
        const rs_data_param *d = &params[p];
        assert_int_equal(rs_dataset_check(set, d, RS_NOWHERE, NULL), RS_OK);
        const rs_shape s = rs_dataset_shape(set, d, 12);
        assert_int_equal(s.dim[0], 12);
        assert_int_equal(s.dim[2], d->crop_size > 0 ? d->crop_size : 7);
        rs_dataset_transform(set, d, 3, 12, out); /* from image 3, twice around and more */
        const int64_t h = s.dim[2], w = s.dim[3], top = (7 - h) / 2, left = (9 - w) / 2;
        for (int64_t n = 0; n < 12; n++)
            for (int64_t c = 0; c < 3; c++)
                for (int64_t y = 0; y < h; y++)
                    for (int64_t x = 0; x < w; x++, compared++) {
                        const float pixel = set->pixels[(((3 + n) % 5 * 3 + c) * 7 + top + y) * 9 + left + x];
                        const float mean = d->n_mean == 0 ? 0 : d->mean[d->n_mean == 1 ? 0 : c];
                        assert_true(out[((n * 3 + c) * h + y) * w + x] == (pixel - mean) * d->scale);
                    }
    }
    assert_true(compared > 5000);
    rs_diag *diag = rs_diag_new();
    const rs_data_param two = { .scale = 1, .n_mean = 2 }, large = { .scale = 1, .crop_size = 8 };
    const rs_loc loc = { "net.prototxt", 3, 4 };
    rs_assert_error(rs_dataset_check(set, &two, loc, diag), RS_BAD_INPUT, diag,
                    "2 values of mean_value for images of 3 channels, expected one, or one a channel");
    rs_assert_error(rs_dataset_check(set, &large, loc, diag), RS_BAD_INPUT, diag,
                    "crop_size is 8, larger than the images of 7x9");
    rs_diag_free(diag);
    rs_dataset_free(set);
}

/* Every crop and both directions come, each image is a window of its source, and the cut into batches does not matter.
 */
static void check_augment(void **state)
{
    (void)state;
    enum { N = 600, CROP = 3 };
    rs_dataset *set = random_set(7, 1, 5, 6, 5);
    const rs_data_param d = { .scale = 1, .crop_size = CROP, .mirror = true };
    static float whole[N * CROP * CROP], parts[N * CROP * CROP];
    rs_dataset_augment(set, &d, 11, 0, N, whole);
    for (int64_t n = 0; n < N; n += 100)
        rs_dataset_augment(set, &d, 11, n, 100, parts + n * CROP * CROP);
    assert_memory_equal(whole, parts, sizeof whole);
    rs_dataset_augment(set, &d, 12, 0, N, parts);
    assert_memory_not_equal(whole, parts, sizeof whole);

    int seen[2][3][4] = { 0 }, mirrored = 0;
    for (int64_t n = 0; n < N; n++) {
        const float *got = whole + n * CROP * CROP;
        int matches = 0;
        for (int m = 0; m < 2; m++)
            for (int top = 0; top < 3; top++)
                for (int left = 0; left < 4; left++) {
                    bool same = true;
                    for (int y = 0; y < CROP; y++)
                        for (int x = 0; x < CROP; x++) {
                            const int from = m ? CROP - 1 - x : x;
                            same = same && got[y * CROP + x] == set->pixels[(n % 7 * 5 + top + y) * 6 + left + from];
                        }
                    matches += same;
                    seen[m][top][left] += same;
                    mirrored += same && m;
                }
        assert_int_equal(matches, 1);
    }
    for (int i = 0; i < 24; i++)
        assert_true((&seen[0][0][0])[i] > 0);
    assert_true(mirrored > N / 3 && mirrored < 2 * N / 3);
    rs_dataset_free(set);
}

/* Shuffled, an epoch takes each image once, with its label, and no epoch the order of another; batches and resuming do
 * not matter. */
static void check_shuffle(void **state)
{
    (void)state;
    enum { COUNT = 50, EPOCHS = 4, N = COUNT * EPOCHS };
    rs_diag *diag = rs_diag_new();
    rs_dataset *set = random_set(COUNT, 1, 1, 1, COUNT);
    for (int i = 0; i < COUNT; i++) {
        set->storage[i] = (uint8_t)(2 * i);
        set->labels[i] = i;
    }
    const rs_data_param d = { .scale = 1, .shuffle = true };
    const uint64_t seed = rs_test_seed();
    float pixels[N], labels[N], part[7], part_labels[7];
    rs_feed *feed = NULL;
    rs_assert_ok(rs_feed_new(set, &d, &seed, 0, N, &feed, diag), diag);
    rs_assert_ok(rs_feed_next(feed, N, pixels, labels, diag), diag);
    rs_feed_free(feed);
    for (int e = 0; e < EPOCHS; e++) {
        bool seen[COUNT] = { false };
        int in_place = 0, as_before = 0;
        for (int i = 0; i < COUNT; i++) {
            const int at = e * COUNT + i, image = (int)labels[at];
            assert_true(image >= 0 && image < COUNT && !seen[image]);
            seen[image] = true;
            assert_true(pixels[at] == (float)(2 * image));
            in_place += image == i;
            as_before += e > 0 && image == (int)labels[at - COUNT];
        }
        assert_true(in_place < COUNT / 3 && as_before < COUNT / 3);
    }
    /* From the middle of an epoch on, in batches that cross its end. */
    rs_assert_ok(rs_feed_new(set, &d, &seed, 24, 7, &feed, diag), diag);
    for (int at = 24; at + 7 <= N; at += 7) {
        rs_assert_ok(rs_feed_next(feed, 7, part, part_labels, diag), diag);
        assert_memory_equal(part, pixels + at, sizeof part);
        assert_memory_equal(part_labels, labels + at, sizeof part_labels);
    }
    rs_feed_free(feed);
    /* For testing, one after the other. */
    rs_assert_ok(rs_feed_new(set, &d, NULL, 0, COUNT, &feed, diag), diag);
    rs_assert_ok(rs_feed_next(feed, COUNT, pixels, labels, diag), diag);
    for (int i = 0; i < COUNT; i++)
        assert_true(labels[i] == (float)i && pixels[i] == (float)(2 * i));
    rs_feed_free(feed);
    rs_dataset_free(set);
    rs_diag_free(diag);
}

/* --------------------------------------------------------------------------------------------------- the digits */

static void check_digits(void **state)
{
    (void)state;
    rs_dataset *set = open_set("model/zoo/lenet/digits", false);
    assert_int_equal(set->count, 2000);
    assert_int_equal(set->classes, 10);
    assert_true(set->channels == 1 && set->height == 28 && set->width == 28);
    int of_class[10] = { 0 }, first[10] = { 0 };
    for (int64_t i = 0; i < 2000; i++) {
        of_class[set->labels[i]]++;
        first[set->labels[i]] += i < 200;
    }
    for (int c = 0; c < 10; c++) {
        assert_int_equal(of_class[c], 200);
        assert_true(first[c] > 5); /* the classes are mixed */
    }
    rs_dataset_free(set);
}

/* LeNet's training set holds none of the embedded digits, and MNIST's holds all of them. */
static void check_held_out(void **state)
{
    (void)state;
    const char *shared = rs_test_shared_data();
    if (shared == NULL)
        skip();
    assert_int_equal(setenv("RISTRETTO_DATA", shared, 1), 0);
    rs_diag *diag = rs_diag_new();
    rs_dataset *train = NULL, *mnist = NULL, *digits = open_set("model/zoo/lenet/digits", false);
    rs_assert_ok(rs_dataset_open("train-data.json", "model/zoo/lenet/lenet_train_test.prototxt", true, &train, diag),
                 diag);
    rs_assert_ok(rs_dataset_open("mnist", NULL, true, &mnist, diag), diag);
    assert_int_equal(train->count, 50000);
    assert_int_equal(mnist->count, 60000);
    assert_int_equal(unsetenv("RISTRETTO_DATA"), 0);

    /* By a hash of the pixels: images are found without comparing each with each. */
    enum { SLOTS = 1 << 18 };
    int32_t *table = RS_NEW_ARRAY(int32_t, SLOTS);
    for (int64_t i = 0; i < digits->count; i++) {
        size_t slot = crc32(0, digits->pixels + 784 * i, 784) % SLOTS;
        while (table[slot] != 0)
            slot = (slot + 1) % SLOTS;
        table[slot] = (int32_t)i + 1;
    }
    int found[2] = { 0, 0 };
    const rs_dataset *const sets[2] = { train, mnist };
    for (int s = 0; s < 2; s++)
        for (int64_t i = 0; i < sets[s]->count; i++) {
            const uint8_t *image = sets[s]->pixels + 784 * i;
            for (size_t slot = crc32(0, image, 784) % SLOTS; table[slot] != 0; slot = (slot + 1) % SLOTS)
                if (memcmp(digits->pixels + 784 * (table[slot] - 1), image, 784) == 0) {
                    assert_int_equal(digits->labels[table[slot] - 1], sets[s]->labels[i]);
                    found[s]++;
                }
        }
    assert_int_equal(found[0], 0);
    assert_int_equal(found[1], 2000);
    rs_free(table);
    rs_dataset_free(train);
    rs_dataset_free(mnist);
    rs_dataset_free(digits);
    rs_diag_free(diag);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_round_trip), cmocka_unit_test(check_wrong_files),
        cmocka_unit_test(check_damage),     cmocka_unit_test(check_allocation_failures),
        cmocka_unit_test(check_places),     cmocka_unit_test(check_descriptions),
        cmocka_unit_test(check_exclude),    cmocka_unit_test(check_slice),
        cmocka_unit_test(check_transform),  cmocka_unit_test(check_augment),
        cmocka_unit_test(check_shuffle),    cmocka_unit_test(check_digits),
        cmocka_unit_test(check_held_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
