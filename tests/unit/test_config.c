/* YAML by tables: every kind of error, its text and its place; defaults; assignments from the command line. */
#include "support/test.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "config/array_schema.h"
#include "config/scalar.h"

static const char *path;

static void write_file(const char *text, size_t size)
{
    path = rs_test_path("wide.yaml");
    rs_test_write(path, text, size);
}

static const char minimal[] = "array: {lanes: 4, multipliers: 8}\n"
                              "buffers: {activation_elements: 1024, weight_steps: 64, output_elements: 512}\n";

static void check_defaults(void **state)
{
    (void)state;
    write_file(minimal, strlen(minimal));
    rs_diag *diag = rs_diag_new();
    rs_array_config *c = NULL;
    assert_int_equal(rs_array_config_read(path, &c, diag), RS_OK);
    assert_int_equal(c->lanes, 4);
    assert_int_equal(c->multipliers, 8);
    assert_int_equal(c->activation_bits, RS_BITS_AUTO);
    assert_int_equal(c->accumulator_bits, RS_BITS_AUTO);
    assert_int_equal(c->overflow, RS_OVERFLOW_WRAP);
    assert_int_equal(c->first_level, RS_FIRST_LEVEL_EXACT);
    assert_int_equal(c->rounding, RS_ROUND_NEAREST);
    assert_int_equal(c->activation_elements, 1024);
    assert_int_equal(c->bus_bits, 64);
    assert_int_equal(c->stall_seed, 1);
    assert_true(c->clock_mhz == 200.0);
    assert_string_equal(c->file.path, path);
    assert_string_equal(c->name, "wide");
    rs_array_config_free(c);
    rs_diag_free(diag);
}

/* One wrong file, one message. `column` 0: not checked. */
typedef struct wrong {
    const char *text;
    size_t size;
    int line, column;
    const char *message, *hint;
} wrong;

#define TEXT(s) s, sizeof(s) - 1
#define BUFFERS "buffers: {activation_elements: 1024, weight_steps: 64, output_elements: 512}\n"

static const wrong cases[] = {
    { TEXT("array: {lanse: 4, lanes: 4, multipliers: 8}\n" BUFFERS), 1, 9, "unknown key 'lanse' in 'array'",
      "did you mean 'lanes'?" },
    { TEXT("array: {lanes: 4, multipliers: 8, latency: 3}\n" BUFFERS), 1, 35, "unknown key 'latency' in 'array'",
      "'latency' belongs under 'memory:'" },
    { TEXT("arrray: {}\narray: {lanes: 4, multipliers: 8}\n" BUFFERS), 1, 1, "unknown key 'arrray'",
      "did you mean 'array'?" },
    { TEXT("array:\n  lanes: 4\n  lanes: 5\n  multipliers: 8\n" BUFFERS), 3, 3, "the key 'lanes' is given twice",
      NULL },
    { TEXT("array: {lanes: 65, multipliers: 8}\n" BUFFERS), 1, 16,
      "array.lanes must be a whole number from 1 to 64, not '65'", NULL },
    { TEXT("array: {lanes: 4.5, multipliers: 8}\n" BUFFERS), 1, 16,
      "array.lanes must be a whole number from 1 to 64, not '4.5'", NULL },
    { TEXT("array: {lanes: '4', multipliers: 8}\n" BUFFERS), 1, 16,
      "array.lanes must be a whole number from 1 to 64, not '4'", NULL },
    { TEXT("array: {lanes: 0x10, multipliers: 8}\n" BUFFERS), 1, 16,
      "array.lanes must be a whole number from 1 to 64, not '0x10'", NULL },
    { TEXT("array: {lanes: 99999999999999999999, multipliers: 8}\n" BUFFERS), 1, 16,
      "array.lanes must be a whole number from 1 to 64, not '99999999999999999999'", NULL },
    { TEXT("array: {lanes: , multipliers: 8}\n" BUFFERS), 1, 16,
      "array.lanes is empty, expected a whole number from 1 to 64", NULL },
    { TEXT("array: {lanes: [1, 2], multipliers: 8}\n" BUFFERS), 1, 16,
      "array.lanes must be a whole number from 1 to 64, not a list", NULL },
    { TEXT("array: {lanes: 4, multipliers: 8, accumulator_bits: wieghts}\n" BUFFERS), 1, 53,
      "array.accumulator_bits must be a whole number from 2 to 112, or auto or weights, not 'wieghts'",
      "did you mean 'weights'?" },
    { TEXT("array: {lanes: 4, multipliers: 8, overflow: clip}\n" BUFFERS), 1, 45,
      "array.overflow must be wrap or saturate, not 'clip'", NULL },
    { TEXT("array: {lanes: 4, multipliers: 8, rounding: stochastic}\n" BUFFERS), 1, 45,
      "array.rounding must be nearest, nearest_even, nearest_up or truncate, not 'stochastic'", NULL },
    { TEXT("array: {lanes: 4, multipliers: 8}\nmemory: {bus_bits: 48}\n" BUFFERS), 2, 20,
      "memory.bus_bits must be a power of two from 16 to 1024, not '48'", NULL },
    { TEXT("array: {lanes: 4, multipliers: 8, clock_mhz: nan}\n" BUFFERS), 1, 46,
      "array.clock_mhz must be a number from 0.001 to 100000, not 'nan'", NULL },
    { TEXT("array: {multipliers: 8}\n" BUFFERS), 1, 8,
      "the key 'array.lanes' is missing, expected a whole number from 1 to 64: output channels computed at once (Tm)",
      NULL },
    { TEXT("array: 3\n" BUFFERS), 1, 8, "array must be keys with values", NULL },
    { TEXT("3\n"), 1, 1, "the file must hold keys with values, such as 'name: ...'", NULL },
    { TEXT(""), 0, 0, "the file is empty", NULL },
    { TEXT("# only a comment\n"), 0, 0, "the file is empty", NULL },
    { TEXT("array: &a {lanes: 4}\n"), 1, 8, "YAML: anchors (&name) are not supported here",
      "write the value out where it is needed" },
    { TEXT("array: *a\n"), 1, 8, "YAML: aliases (*name) are not supported here",
      "write the value out where it is needed" },
    { TEXT("array: !x {}\n"), 1, 8, "YAML: tags (!name) are not supported here",
      "write the value out where it is needed" },
    { TEXT("array:\n\tlanes: 4\n"), 2, 1,
      "YAML: while scanning for the next token: found character that cannot start any token",
      "YAML is indented with spaces, not tabs" },
    { TEXT("array: {lanes: 4\nname: x\n"), 2, 0, NULL, NULL },
    { TEXT("name: x\n--- \nname: y\n"), 2, 1, "YAML: one document is expected, here begins another", NULL },
    { TEXT("name: a\nx\xff\xfe: 3\n"), 2, 2, "YAML: invalid leading UTF-8 octet", "the file must be UTF-8 text" },
    { TEXT("name: [[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]\n"), 1, 23, "YAML: nested more than 16 levels deep",
      NULL },
    { TEXT("? [a, b]\n: c\n"), 1, 3, "YAML: a key must be a word", NULL },
    { TEXT("name: \"a\\0b\"\n"), 1, 7, "YAML: a text must not hold a zero byte", NULL },
};

static void check_errors(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const wrong *w = &cases[i];
        write_file(w->text, w->size);
        rs_diag *diag = rs_diag_new();
        rs_array_config *c = NULL;
        assert_int_equal(rs_array_config_read(path, &c, diag), RS_BAD_INPUT);
        assert_null(c);
        const rs_message *m = rs_diag_message(diag, 0);
        assert_non_null(m);
        if (w->message != NULL)
            assert_string_equal(m->text, w->message);
        assert_string_equal(m->loc.file, path);
        assert_int_equal(m->loc.line, w->line);
        if (w->column > 0)
            assert_int_equal(m->loc.column, w->column);
        if (w->hint != NULL)
            assert_string_equal(m->hint, w->hint);
        if (w->message != NULL)
            assert_int_equal(rs_diag_errors(diag), 1);
        rs_diag_free(diag);
    }
}

static void check_all_errors_at_once(void **state)
{
    (void)state;
    static const char text[] =
        "array:\n  lanes: 0\n  multiplier: 8\n  overflow: no\nbuffers: {weight_steps: 4}\nmemory: {latency: 0}\n";
    write_file(text, sizeof text - 1);
    rs_diag *diag = rs_diag_new();
    rs_array_config *c = NULL;
    assert_int_equal(rs_array_config_read(path, &c, diag), RS_BAD_INPUT);
    assert_int_equal(rs_diag_errors(diag),
                     7); /* lanes, multiplier, overflow, multipliers missing, two buffers missing, latency */
    rs_diag_free(diag);
}

static void check_missing_file(void **state)
{
    (void)state;
    rs_diag *diag = rs_diag_new();
    rs_array_config *c = NULL;
    assert_int_equal(rs_array_config_read("/nonexistent/a.yaml", &c, diag), RS_BAD_INPUT);
    assert_int_equal(rs_diag_errors(diag), 1);
    rs_diag_free(diag);
}

static void check_set(void **state)
{
    (void)state;
    write_file(minimal, strlen(minimal));
    rs_diag *diag = rs_diag_new();
    rs_array_config *c = NULL;
    assert_int_equal(rs_array_config_read(path, &c, diag), RS_OK);
    assert_int_equal(rs_array_config_set(c, "array.lanes=16", diag), RS_OK);
    assert_int_equal(rs_array_config_set(c, "memory.stall_seed=9007199254740991", diag), RS_OK);
    assert_int_equal(rs_array_config_set(c, "array.accumulator_bits=weights", diag), RS_OK);
    assert_int_equal(rs_array_config_set(c, "name=other", diag), RS_OK);
    assert_int_equal(c->lanes, 16);
    assert_int_equal(c->stall_seed, 9007199254740991);
    assert_int_equal(c->accumulator_bits, RS_BITS_WEIGHTS);
    assert_string_equal(c->name, "other");
    assert_int_equal(c->minifloat.exponent_bits, 0); /* auto */
    assert_int_equal(rs_array_config_set(c, "array.minifloat=e5m2", diag), RS_OK);
    assert_true(c->minifloat.exponent_bits == 5 && c->minifloat.bias == 15 &&
                c->minifloat.special == RS_MINIFLOAT_IEEE);
    assert_int_equal(rs_array_config_set(c, "array.minifloat=3:2", diag), RS_OK);
    assert_true(c->minifloat.mantissa_bits == 2 && !c->minifloat.subnormals);
    assert_int_equal(rs_array_config_set(c, "array.pe=minifloat", diag), RS_OK);
    assert_int_equal(c->pe, RS_PE_MINIFLOAT);
    static const struct {
        const char *assignment, *message;
    } bad[] = {
        { "array.pe=mulitplier", "array.pe must be multiplier, shifter or minifloat, not 'mulitplier'" },
        { "array.minifloat=3.2", "array.minifloat must be exponent and mantissa bits such as 4:3, or auto, e4m3, "
                                 "e5m2, e3m2, e2m3, e2m1, bfloat16 or binary16, not '3.2'" },
        { "array.lanes=65", "array.lanes must be a whole number from 1 to 64, not '65'" },
        { "array.lane=6", "unknown key 'lane' in 'array'" },
        { "aray.lanes=6", "unknown key 'aray'" },
        { "array=6", "'array' holds keys, expected SECTION.KEY=VALUE" },
        { "array.lanes", "'array.lanes' is no assignment, expected SECTION.KEY=VALUE" },
        { "array.lanes.x=3", "unknown key 'lanes' in 'array'" },
        { "=3", "unknown key ''" },
        { "array.lanes=", "array.lanes must be a whole number from 1 to 64, not ''" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        rs_diag *one = rs_diag_new();
        assert_int_equal(rs_array_config_set(c, bad[i].assignment, one), RS_USAGE);
        assert_string_equal(rs_diag_message(one, 0)->text, bad[i].message);
        rs_diag_free(one);
    }
    assert_int_equal(c->lanes, 16);
    rs_array_config_free(c);
    rs_diag_free(diag);
}

static void check_numbers(void **state)
{
    (void)state;
    int64_t i = 0;
    double r = 0;
    bool b = false;
    assert_true(rs_parse_int("-9223372036854775808", &i));
    assert_true(i == INT64_MIN);
    assert_false(rs_parse_int("9223372036854775808", &i));
    assert_false(rs_parse_int("", &i));
    assert_false(rs_parse_int("+", &i));
    assert_false(rs_parse_int(" 1", &i));
    assert_false(rs_parse_int("1 ", &i));
    assert_true(rs_parse_real("-1.5e-3", &r));
    assert_true(r == -1.5e-3);
    assert_false(rs_parse_real("inf", &r));
    assert_false(rs_parse_real("0x1p3", &r));
    assert_false(rs_parse_real("1e999", &r));
    assert_false(rs_parse_real("e", &r));
    assert_false(rs_parse_real("1.2.3", &r));
    assert_true(rs_parse_bool("Yes", &b));
    assert_true(b);
    assert_true(rs_parse_bool("off", &b));
    assert_false(b);
    assert_false(rs_parse_bool("1", &b));
    char text[32];
    assert_string_equal(rs_real_text(0.1, text, sizeof text), "0.1");
    assert_string_equal(rs_real_text(9007199254740991.0, text, sizeof text), "9007199254740991");
    assert_string_equal(rs_real_text(10000000.0, text, sizeof text), "10000000");
    assert_string_equal(rs_real_text(1.0 / 3.0, text, sizeof text), "0.3333333333333333");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_defaults),
        cmocka_unit_test(check_errors),
        cmocka_unit_test(check_all_errors_at_once),
        cmocka_unit_test(check_missing_file),
        cmocka_unit_test(check_set),
        cmocka_unit_test(check_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
