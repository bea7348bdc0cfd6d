/* The options of the quantizer, entry by entry: defaults, aliases, the hash of checkpoints, reports, what goes
 * together. */
#include "support/test.h"

#include <stdio.h>
#include <string.h>

#include "flow/quantize_keys.h"
#include "search/checkpoint.h"

static uint64_t key_of(const rs_quantize_options *options)
{
    static const rs_dataset set;
    uint64_t key = 0;
    assert_int_equal(rs_search_key(0, NULL, &set, &set, options, &key, NULL), RS_OK);
    return key;
}

/* A value that is not the default. */
static const char *other_value(const rs_schema *key, char buffer[32])
{
    switch (key->type) {
    case RS_SCHEMA_BOOL:
        return "true";
    case RS_SCHEMA_ENUM:
        return key->words[1].name;
    case RS_SCHEMA_VALUE:
        return key->parse("4:3", &(rs_minifloat) { 0 }) ? "4:3" : "-9:-2";
    default:
        snprintf(buffer, 32, "%d", (int)(key->min + 3));
        return buffer;
    }
}

static void check_defaults(void **state)
{
    (void)state;
    rs_quantize_options got, stored;
    rs_quantize_defaults(&got);
    assert_true(got.error_margin == 1.0 && got.rules.percentile == 99.99 && got.budget == 0.0);
    assert_int_equal(got.min_bits, 1);
    assert_int_equal(got.max_bits, 16);
    assert_int_equal(got.rounding, RS_ROUND_NEAREST);
    assert_int_equal(got.rules.power2.min_exponent, -8);
    assert_int_equal(got.rules.power2.max_exponent, -1);
    assert_int_equal(got.pareto, RS_COST_NONE);
    /* The keys' defaults are the same, except for the rounding, which stays open. */
    stored = got;
    for (const rs_schema *k = rs_quantize_keys; k->key != NULL; k++)
        assert_int_equal(rs_schema_store(k, k->default_text, &stored, NULL), RS_OK);
    assert_int_equal(stored.rounding, RS_ROUNDING_AUTO);
    stored.rounding = got.rounding;
    assert_true(key_of(&got) == key_of(&stored));
}

static void check_entries(void **state)
{
    (void)state;
    rs_quantize_options defaults;
    rs_quantize_defaults(&defaults);
    int entries = 0, reported = 0, shared = 0;
    for (const rs_schema *k = rs_quantize_keys; k->key != NULL; k++, entries++) {
        char buffer[32];
        rs_quantize_options o = defaults;
        const char *text = other_value(k, buffer);
        assert_int_equal(rs_schema_store(k, text, &o, NULL), RS_OK);
        if (key_of(&o) == key_of(&defaults))
            fail_msg("a checkpoint does not notice %s %s", k->key, text);
        json_t *before = rs_quantize_options_json(&defaults), *after = rs_quantize_options_json(&o);
        assert_non_null(after);
        if (k->report != NULL && json_equal(json_object_get(before, k->report), json_object_get(after, k->report)))
            fail_msg("a report does not show %s %s", k->key, text);
        json_decref(before);
        json_decref(after);
        reported += k->report != NULL;
        shared += rs_schema_find(rs_rules_keys, k->key) != NULL;
    }
    assert_true(entries >= 28 && reported >= 13 && shared >= 13);
}

static void check_alias(void **state)
{
    (void)state;
    assert_string_equal(rs_schema_find(rs_quantize_keys, "unsigned")->key, "unsigned_activations");
    assert_null(rs_schema_find(rs_quantize_keys, "unsign"));
}

static void check_texts(void **state)
{
    (void)state;
    static const char *const wrong[] = { "",        "-8",    "-8:",   ":-1",    "-8:-1:", "-1:-8", "-8:-1 ",
                                         "-65:-60", "60:65", "-15:0", "8:1000", "a:b",    "--8:-1" };
    rs_power2 p = { .zero = true };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (rs_option_exponents(wrong[i], &p))
            fail_msg("'%s' is taken", wrong[i]);
    assert_true(rs_option_exponents("-14:0", &p) && p.min_exponent == -14 && p.max_exponent == 0 && p.zero);
    assert_true(rs_option_exponents("-64:-64", &p) && rs_option_exponents("+50:64", &p));
    rs_minifloat f = { .exponent_bits = 9 };
    assert_true(rs_option_minifloat("", &f) && f.exponent_bits == 0);
    assert_true(rs_option_minifloat("e5m2", &f) && f.exponent_bits == 5 && f.special == RS_MINIFLOAT_IEEE);
    assert_false(rs_option_minifloat("e4m4", &f));
}

/* What must go together; `message` NULL: it does. */
static void check_finish(void **state)
{
    (void)state;
    static const rs_option_names names = { .prefix = "quantize.", .separator = '_', .wrong = RS_BAD_INPUT };
    static const struct {
        const char *texts[3][2];
        const char *message;
    } cases[] = {
        { { { "scheme", "minifloat" }, { "minifloat", "e4m3" } }, NULL },
        { { { "scheme", "power-of-two" }, { "zero_code", "true" }, { "refine", "5" } }, NULL },
        { { { "minifloat", "e4m3" } }, "quantize.minifloat belongs to the scheme minifloat, not to dynamic" },
        { { { "exponents", "-9:-2" } }, "quantize.exponents belongs to the scheme power-of-two, not to dynamic" },
        { { { "scheme", "static" }, { "weight_range", "percentile" } },
          "quantize.weight_range belongs to the scheme dynamic, not to static" },
        { { { "min_bits", "9" }, { "max_bits", "8" } }, "quantize.min_bits must not be above quantize.max_bits" },
        { { { "budget", "9" } }, "quantize.budget belongs to quantize.pareto bits, area or energy" },
        { { { "scheme", "static" }, { "weight_rounding", "adaptive" } },
          "quantize.weight_rounding adaptive moves fractional lengths, but the scheme static has one for all numbers" },
        { { { "scheme", "minifloat" }, { "scores", "accumulator" } },
          "unsigned values and scores as wide as the accumulator belong to fixed point, not to minifloat" },
        { { { "scheme", "static" }, { "refine", "1" } },
          "quantize.refine moves fractional lengths, which only the schemes dynamic and power-of-two can have moved" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rs_diag *diag = rs_diag_new();
        rs_quantize_options o;
        rs_quantize_defaults(&o);
        o.rounding = RS_ROUNDING_AUTO;
        for (int k = 0; k < 3 && cases[i].texts[k][0] != NULL; k++)
            assert_int_equal(
                rs_schema_store(rs_schema_find(rs_quantize_keys, cases[i].texts[k][0]), cases[i].texts[k][1], &o, diag),
                RS_OK);
        assert_int_equal(rs_quantize_options_finish(&o, &names, diag), cases[i].message != NULL ? RS_BAD_INPUT : RS_OK);
        assert_int_equal(o.rounding, o.rules.scheme == RS_SCHEME_MINIFLOAT ? RS_ROUND_NEAREST_EVEN : RS_ROUND_NEAREST);
        assert_true(rs_minifloat_equal(o.rules.weight_minifloat, o.rules.activation_minifloat));
        if (cases[i].message != NULL)
            assert_string_equal(rs_diag_message(diag, 0)->text, cases[i].message);
        rs_diag_free(diag);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_defaults), cmocka_unit_test(check_entries), cmocka_unit_test(check_alias),
        cmocka_unit_test(check_texts),    cmocka_unit_test(check_finish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
