/* Layers of Caffe and of its forks: forward against the oracle, backward against differences of the oracle's loss, in
 * place and not, on random sizes. */
#include "support/test.h"

#include "base/memory.h"
#include "support/layer_check.h"

/* A layer between a convolution and a classifier, with a top of its own, and in place behind a TanH. */
static void check_function(const char *type, const char *fields, bool positive)
{
    const char *shape = positive ? "layer { name: 's' type: 'Sigmoid' bottom: 'a' top: 't' }"
                                 : "layer { name: 's' type: 'TanH' bottom: 'a' top: 't' }";
    for (int in_place = 0; in_place < 2; in_place++) {
        char *text = rs_format("%s layer { name: 'f' type: '%s' bottom: 't' top: '%s' %s }\n%s", shape, type,
                               in_place ? "t" : "b", fields,
                               in_place ? "layer { name: 'c' type: 'Split' bottom: 't' top: 'b' }" : "");
        assert_non_null(text);
        check_middle(text, 1 + below(5), 2, 1 + below(4), 1 + below(5), 1 + below(5));
        rs_free(text);
    }
}

static void test_functions(void **state)
{
    (void)state;
    rng = (rs_rng) { .seed = rs_test_seed(), .stream = 31 };
    compared = 0;
    static const struct {
        const char *type, *fields;
        bool positive;
    } CASES[] = {
        { "Power", "power_param { scale: -0.5 shift: 0.25 }", false },
        { "Power", "power_param { power: 2 scale: 3 shift: 0.5 }", false },
        { "Power", "power_param { power: 3 }", false },
        { "Power", "power_param { power: 0.5 shift: 0.5 }", true },
        { "Power", "power_param { power: -1.5 scale: 2 shift: 0.1 }", true },
        { "Power", "power_param { power: 0 }", false },
        { "Exp", "", false },
        { "Exp", "exp_param { base: 2 scale: 0.5 shift: -1 }", false },
        { "Log", "log_param { shift: 0.5 }", true },
        { "Log", "log_param { base: 10 scale: 2 shift: 0.25 }", true },
        { "AbsVal", "", false },
        { "BNLL", "", false },
        { "Swish", "", false },
        { "Swish", "swish_param { beta: 2.5 }", false },
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++)
        check_function(CASES[i].type, CASES[i].fields, CASES[i].positive);
    print_message("%lld values compared\n", (long long)compared);
    assert_true(compared > 2000);
}

static void check_fields(const char *type, int64_t channels, int64_t height, int64_t width, const char *fields)
{
    char *text = rs_format("layer { name: 'u' type: 'Pooling' bottom: 'a' top: 'p' pooling_param { kernel_size: 2 "
                           "stride: 2 pad: 1 } }\n"
                           "layer { name: 'v' type: '%s' bottom: 'a' top: 'b' %s }",
                           type, fields);
    assert_non_null(text);
    check_middle(text, 1 + below(5), 2, channels, height, width);
    rs_free(text);
}

static void test_views(void **state)
{
    (void)state;
    rng = (rs_rng) { .seed = rs_test_seed(), .stream = 32 };
    compared = 0;
    for (int i = 0; i < 6; i++) {
        const int64_t h = 1 + below(4), w = 1 + below(4), c = 1 + below(4);
        check_fields("Permute", c, h, w, "permute_param { order: [0, 2, 3, 1] }");
        check_fields("Permute", c, h, w, "permute_param { order: [0, 3, 1] }");
        check_fields("Tile", c, h, w, "tile_param { tiles: 3 }");
        check_fields("Tile", c, h, w, "tile_param { axis: -1 tiles: 2 }");
        check_fields("ShuffleChannel", 3 * c, h, w, "shuffle_channel_param { group: 3 }");
        check_fields("Reorg", 4 * c, 2 * h, 2 * w, "reorg_param { stride: 2 }");
        check_fields("Reorg", 9 * c, h, w, "reorg_param { stride: 3 reverse: true }");
        check_fields("Crop", c, h + 3, w + 2, "crop_param { axis: -1 offset: 1 size: 2 }");
        check_fields("Crop", c, h + 3, w + 3, "bottom: 'p' crop_param { offset: [1, 0] }");
    }
    print_message("%lld values compared\n", (long long)compared);
    assert_true(compared > 2000);
}

static void test_statistics(void **state)
{
    (void)state;
    rng = (rs_rng) { .seed = rs_test_seed(), .stream = 33 };
    compared = 0;
    for (int i = 0; i < 4; i++) {
        const int64_t h = 1 + below(4), w = 2 + below(3), c = 1 + below(4);
        check_fields("Reduction", c, h, w, "reduction_param { axis: 2 }");
        check_fields("Reduction", c, h, w, "reduction_param { axis: 1 operation: ASUM coeff: 0.5 }");
        check_fields("Reduction", c, h, w, "reduction_param { axis: -1 operation: SUMSQ }");
        check_fields("Reduction", c, h, w, "reduction_param { axis: 2 operation: MEAN coeff: -2 }");
        check_fields("MVN", c, h, w, "mvn_param { eps: 0.01 }");
        check_fields("MVN", c, h, w, "mvn_param { across_channels: true eps: 0.01 }");
        check_fields("MVN", c, h, w, "mvn_param { normalize_variance: false }");
        check_fields("Normalize", c, h, w, "norm_param { eps: 0.01 }");
        check_fields("Normalize", c, h, w, "norm_param { across_spatial: false channel_shared: false eps: 0.01 }");
        check_fields("Normalize", c, h, w, "norm_param { across_spatial: true channel_shared: false eps: 0.01 }");
    }
    print_message("%lld values compared\n", (long long)compared);
    assert_true(compared > 2000);
}

/* Factors from a pooling, with and without further axes. */
static void test_broadcast(void **state)
{
    (void)state;
    rng = (rs_rng) { .seed = rs_test_seed(), .stream = 34 };
    compared = 0;
    static const char *const LAYERS[] = {
        "layer { name: 'v' type: 'Scale' bottom: 'a' bottom: 'r' top: 'b' scale_param { axis: 0 } }",
        "layer { name: 'v' type: 'Scale' bottom: 'a' bottom: 'g' top: 'b' scale_param { axis: 0 } }",
        "layer { name: 'v' type: 'Bias' bottom: 'a' bottom: 'r' top: 'b' bias_param { axis: 0 } }",
        "layer { name: 'v' type: 'Axpy' bottom: 'g' bottom: 'a' bottom: 'a' top: 'b' }",
        "layer { name: 't' type: 'TanH' bottom: 'a' top: 't' } "
        "layer { name: 'v' type: 'Axpy' bottom: 'r' bottom: 't' bottom: 'a' top: 'b' }",
        "layer { name: 't' type: 'TanH' bottom: 'a' top: 't' } "
        "layer { name: 'v' type: 'Scale' bottom: 't' bottom: 'r' top: 't' scale_param { axis: 0 } } "
        "layer { name: 'c' type: 'Split' bottom: 't' top: 'b' }",
    };
    for (size_t i = 0; i < sizeof LAYERS / sizeof LAYERS[0]; i++)
        for (int k = 0; k < 3; k++) {
            char *text = rs_format(
                "layer { name: 'g' type: 'Pooling' bottom: 'a' top: 'g' pooling_param { pool: AVE global_pooling: true "
                "} } layer { name: 'r' type: 'Flatten' bottom: 'g' top: 'r' } %s",
                LAYERS[i]);
            assert_non_null(text);
            check_middle(text, 1 + below(5), 2, 1 + below(4), 1 + below(4), 1 + below(4));
            rs_free(text);
        }
    print_message("%lld values compared\n", (long long)compared);
    assert_true(compared > 2000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_functions),
        cmocka_unit_test(test_views),
        cmocka_unit_test(test_statistics),
        cmocka_unit_test(test_broadcast),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
