/* NumPy arrays: bytes that NumPy itself wrote, what is refused, and damage at every byte. */
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/rng.h"
#include "base/npy.h"

/* A file of version 1.0 with the given header text and data. Returns its size. */
static size_t make(uint8_t *out, int version, const char *header, const void *data, size_t size)
{
    const size_t length = strlen(header), prefix = version == 1 ? 10 : 12;
    memcpy(out, "\x93NUMPY", 6);
    out[6] = (uint8_t)version;
    out[7] = 0;
    for (size_t i = 8; i < prefix; i++)
        out[i] = (uint8_t)(length >> (8 * (i - 8)));
    memcpy(out + prefix, header, length);
    if (size > 0)
        memcpy(out + prefix + length, data, size);
    return prefix + length + size;
}

/* numpy.save of numpy.array([[1, -2, 300], [-400, 5, 32767]], numpy.int16), NumPy 1.24. */
static void check_from_numpy(void **state)
{
    (void)state;
    static const char HEADER[] =
        "{'descr': '<i2', 'fortran_order': False, 'shape': (2, 3), }                                    "
        "                      \n";
    static const uint8_t DATA[] = { 1, 0, 0xfe, 0xff, 0x2c, 1, 0x70, 0xfe, 5, 0, 0xff, 0x7f };
    static const int64_t EXPECTED[] = { 1, -2, 300, -400, 5, 32767 };
    uint8_t bytes[256];
    rs_diag *diag = rs_diag_new();
    assert_int_equal(sizeof HEADER - 1, 118);
    const size_t size = make(bytes, 1, HEADER, DATA, sizeof DATA);
    rs_npy a;
    rs_assert_ok(rs_npy_parse("a.npy", bytes, size, &a, diag), diag);
    assert_int_equal(a.kind, 'i');
    assert_int_equal(a.size, 2);
    assert_int_equal(a.n_axes, 2);
    assert_int_equal(a.dim[0], 2);
    assert_int_equal(a.dim[1], 3);
    for (int i = 0; i < 6; i++)
        assert_int_equal(rs_npy_integer(&a, i), EXPECTED[i]);
    rs_npy_free(&a);
    /* The same bytes come out of the writer. */
    uint8_t *encoded;
    size_t n;
    rs_assert_ok(rs_npy_encode(EXPECTED, 2, 2, (const int64_t[2]) { 2, 3 }, &encoded, &n, diag), diag);
    assert_int_equal(n, size);
    assert_memory_equal(encoded, bytes, size);
    rs_free(encoded);
    rs_diag_free(diag);
}

static void check_types(void **state)
{
    (void)state;
    static const struct {
        const char *descr;
        char kind;
        int size;
        double first, second; /* of the bytes ff .. ff 7f and 01 00 .. 00 */
    } CASES[] = {
        { "|i1", 'i', 1, 127, 1 },
        { "<i1", 'i', 1, 127, 1 },
        { "<i2", 'i', 2, 32767, 1 },
        { "<i4", 'i', 4, 2147483647, 1 },
        { "<i8", 'i', 8, 9223372036854775807.0, 1 },
        { "|u1", 'u', 1, 127, 1 },
        { "<u2", 'u', 2, 32767, 1 },
        { "<u4", 'u', 4, 2147483647, 1 },
    };
    rs_diag *diag = rs_diag_new();
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        uint8_t bytes[200], data[16] = { 0 };
        const size_t s = (size_t)CASES[i].size;
        memset(data, 0xff, s);
        data[s - 1] = 0x7f;
        data[s] = 1;
        char *header = rs_format("{\"shape\" : (2,), 'descr':'%s','fortran_order':False}\n", CASES[i].descr);
        for (int version = 1; version <= 3; version++) {
            rs_npy a;
            const size_t size = make(bytes, version, header, data, 2 * s);
            rs_assert_ok(rs_npy_parse("a.npy", bytes, size, &a, diag), diag);
            assert_int_equal(a.kind, CASES[i].kind);
            assert_int_equal(a.size, CASES[i].size);
            assert_true(rs_npy_real(&a, 0) == CASES[i].first);
            assert_true(rs_npy_real(&a, 1) == CASES[i].second);
            rs_npy_free(&a);
        }
        rs_free(header);
    }
    /* Floats, and an array without axes. */
    const float f = -1.5f;
    const double d = 1e300;
    uint8_t bytes[200];
    rs_npy a;
    size_t size = make(bytes, 1, "{'descr': '<f4', 'fortran_order': False, 'shape': ()}", &f, sizeof f);
    rs_assert_ok(rs_npy_parse("a.npy", bytes, size, &a, diag), diag);
    assert_int_equal(a.n_axes, 0);
    assert_int_equal(a.count, 1);
    assert_true(rs_npy_real(&a, 0) == -1.5);
    rs_npy_free(&a);
    size = make(bytes, 1, "{'descr': '<f8', 'fortran_order': False, 'shape': (1, 1)}", &d, sizeof d);
    rs_assert_ok(rs_npy_parse("a.npy", bytes, size, &a, diag), diag);
    assert_true(rs_npy_real(&a, 0) == 1e300);
    rs_npy_free(&a);
    size = make(bytes, 1, "{'descr': '<f8', 'fortran_order': False, 'shape': (3, 0)}", NULL, 0);
    rs_assert_ok(rs_npy_parse("a.npy", bytes, size, &a, diag), diag);
    assert_int_equal(a.count, 0);
    rs_npy_free(&a);
    rs_diag_free(diag);
}

static void check_refused(void **state)
{
    (void)state;
    static const struct {
        const char *header, *message;
        size_t data;
    } CASES[] = {
        { "", "byte 10 of the NumPy header: expected '{'", 0 },
        { "{'descr': '<i2', 'fortran_order': False, 'shape': (2,)", "expected", 4 },
        { "{'descr': '>i2', 'fortran_order': False, 'shape': (2,)}", "little-endian", 4 },
        { "{'descr': '<i3', 'fortran_order': False, 'shape': (2,)}", "little-endian", 6 },
        { "{'descr': '|O', 'fortran_order': False, 'shape': (2,)}", "little-endian", 6 },
        { "{'descr': '', 'fortran_order': False, 'shape': (2,)}", "little-endian", 4 },
        { "{'descr': '|i2', 'fortran_order': False, 'shape': (2,)}", "little-endian", 4 },
        { "{'descr': [('a', '<i2')], 'fortran_order': False, 'shape': (2,)}", "a string in quotes", 4 },
        { "{'descr': '<i2', 'fortran_order': True, 'shape': (2,)}", "Fortran", 4 },
        { "{'descr': '<i2', 'fortran_order': False, 'shape': 2}", "'(' of a shape", 4 },
        { "{'descr': '<i2', 'fortran_order': False, 'shape': (-2,)}", "a size", 4 },
        { "{'descr': '<i2', 'fortran_order': False, 'shape': (2 3)}", "',' or ')'", 4 },
        { "{'descr': '<i2', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,2)}", "8 axes", 4 },
        { "{'descr': '<i2', 'fortran_order': False, 'shape': (9999999999999999,)}", "below 10^15", 4 },
        { "{'descr': '<i2', 'fortran_order': False, 'shape': (99999999999999,99999999999999)}", "too many elements",
          4 },
        { "{'descr': '<i2', 'fortran_order': False, 'shape': (3,)}",
          "the shape needs 3 elements of 2 bytes, the file holds 4", 4 },
        { "{'descr': '<i2', 'fortran_order': False, 'shape': (1,)}", "the shape needs 1", 4 },
        { "{'descr': '<i2', 'fortran_order': False, 'shape': (2,), 'descr': '<i2'}", "each key once", 4 },
        { "{'descr': '<i2', 'fortran_order': False, 'shape': (2,), 'more': 1}", "one of the keys", 4 },
        { "{'descr': '<i2', 'fortran_order': False}", "and 'shape'", 4 },
        { "{'descr': '<i2', 'fortran_order': False, 'shape': (2,)} x", "nothing behind", 4 },
        { "{'descr': 'this is far too long for any type', 'fortran_order': False, 'shape': (2,)}", "shorter string",
          4 },
        { "{'descr' '<i2'}", "':'", 4 },
    };
    rs_diag *diag = rs_diag_new();
    rs_npy a;
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        uint8_t bytes[300];
        const uint8_t data[16] = { 0 };
        const size_t size = make(bytes, 1, CASES[i].header, data, CASES[i].data);
        rs_assert_error(rs_npy_parse("a.npy", bytes, size, &a, diag), RS_BAD_INPUT, diag, CASES[i].message);
        assert_null(a.data);
    }
    uint8_t bytes[32] = "\x93NUMPZ\x01";
    rs_assert_error(rs_npy_parse("a.npy", bytes, 20, &a, diag), RS_BAD_INPUT, diag, "not a NumPy array");
    memcpy(bytes, "\x93NUMPY\x04", 7);
    rs_assert_error(rs_npy_parse("a.npy", bytes, 20, &a, diag), RS_BAD_INPUT, diag, "version 4");
    memcpy(bytes, "\x93NUMPY\x01\x00\x64\x00", 10);
    rs_assert_error(rs_npy_parse("a.npy", bytes, 20, &a, diag), RS_BAD_INPUT, diag, "header has 100 bytes");
    rs_assert_error(rs_npy_read(rs_test_path("none.npy"), 100, &a, NULL, diag), RS_BAD_INPUT, diag, "cannot open");
    rs_diag_free(diag);
}

/* Any byte changed or cut: an error or an array that is consistent with its size; never more memory than the file has.
 */
static void check_damage(void **state)
{
    (void)state;
    rs_rng rng = { .seed = rs_test_seed() };
    int64_t values[12] = { 0 };
    uint8_t *bytes;
    size_t size;
    rs_diag *diag = rs_diag_new();
    rs_assert_ok(rs_npy_encode(values, 4, 3, (const int64_t[3]) { 2, 3, 2 }, &bytes, &size, diag), diag);
    uint64_t accepted = 0, refused = 0;
    for (int i = 0; i < 20000; i++) {
        uint8_t *copy = malloc(size); /* its own size, so that a read past the end is found */
        assert_non_null(copy);
        memcpy(copy, bytes, size);
        const size_t length = i % 3 == 0 ? rs_rng_next(&rng) % (size + 1) : size;
        for (uint64_t k = rs_rng_next(&rng) % 3; k > 0 && length > 0; k--)
            copy[rs_rng_next(&rng) % (length < 100 ? length : 100)] = (uint8_t)rs_rng_next(&rng);
        uint8_t *exact = malloc(length > 0 ? length : 1);
        assert_non_null(exact);
        memcpy(exact, copy, length);
        rs_npy a;
        const rs_status status = rs_npy_parse("a.npy", exact, length, &a, NULL);
        if (status == RS_OK) {
            assert_true(a.count * a.size <= (int64_t)length);
            for (int64_t k = 0; k < a.count; k++)
                (void)rs_npy_real(&a, k);
            rs_npy_free(&a);
            accepted++;
        } else {
            assert_int_equal(status, RS_BAD_INPUT);
            refused++;
        }
        free(exact);
        free(copy);
    }
    assert_true(accepted > 1000 && refused > 1000);
    rs_free(bytes);
    rs_diag_free(diag);
}

/* Piece by piece, from a file: the values are those of the array as a whole. */
static void check_pieces(void **state)
{
    (void)state;
    enum { COUNT = 50000, PIECE = 777 };
    static int64_t numbers[COUNT];
    static float values[COUNT];
    rs_diag *diag = rs_diag_new();
    for (int i = 0; i < COUNT; i++)
        numbers[i] = i * 3 - 70000;
    uint8_t *bytes;
    size_t size;
    rs_assert_ok(rs_npy_encode(numbers, 4, 2, (const int64_t[2]) { 2, COUNT / 2 }, &bytes, &size, diag), diag);
    const char *folder = getenv("TMPDIR");
    char path[512];
    snprintf(path, sizeof path, "%s/pieces.npy", folder != NULL ? folder : "/tmp");
    for (size_t cut = 0; cut < 2; cut++) {
        FILE *file = fopen(path, "wb");
        assert_non_null(file);
        assert_int_equal(fwrite(bytes, 1, size - cut, file), size - cut);
        fclose(file);
        rs_npy_reader *reader = NULL;
        rs_npy array;
        const rs_status status = rs_npy_open(path, &reader, &array, diag);
        assert_int_equal(status, cut == 0 ? RS_OK : RS_BAD_INPUT);
        if (status != RS_OK)
            continue;
        assert_int_equal(array.n_axes, 2);
        assert_int_equal(array.count, COUNT);
        for (int64_t at = 0; at < COUNT; at += PIECE)
            rs_assert_ok(rs_npy_read_floats(reader, values + at, COUNT - at < PIECE ? COUNT - at : PIECE, diag), diag);
        for (int i = 0; i < COUNT; i++)
            assert_true(values[i] == (float)numbers[i]);
        assert_int_equal(rs_npy_read_floats(reader, values, 1, NULL), RS_BAD_INPUT);
        rs_npy_close(reader);
    }
    remove(path);
    rs_free(bytes);
    rs_diag_free(diag);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_from_numpy), cmocka_unit_test(check_types),  cmocka_unit_test(check_refused),
        cmocka_unit_test(check_damage),     cmocka_unit_test(check_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
