/* test-options: limit=240 */
/* The search on LeNet: the weights and digits in the tree, and, where the reference data is at hand, MNIST's test
 * images with the weights of Caffe's own example. */
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "import/caffe/caffe.h"
#include "engine/engine.h"
#include "search/quantize.h"
#include "emulate/score.h"

static const char *const net_path = "model/zoo/lenet/lenet.prototxt";
static const rs_data_param data = { .scale = 0.00390625f };

static bool full_level(void)
{
    const char *level = getenv("RISTRETTO_LEVEL");
    return level != NULL && strcmp(level, "full") == 0;
}

/* Instrumented builds are slow: a part of the images is enough for what they look for. */
static int64_t images_for(int64_t release)
{
    const char *variant = getenv("RISTRETTO_VARIANT");
    return variant != NULL && strcmp(variant, "release") != 0 ? 300 : release;
}

static rs_net *load(const char *weights, rs_diag *diag)
{
    rs_net *net = NULL;
    rs_assert_ok(rs_caffe_read_net(net_path, RS_TEST, &net, diag), diag);
    rs_assert_ok(rs_net_infer_shapes(net, NULL, diag), diag);
    rs_assert_ok(rs_caffe_read_weights(weights, net, diag), diag);
    free(rs_test_messages(diag));
    return net;
}

/* Searches on all images of the set; checks what must hold for any net. */
static rs_quantize_result *search(const rs_net *net, const rs_dataset *set, double margin, rs_diag *diag)
{
    rs_quantize_options options;
    rs_quantize_defaults(&options);
    options.error_margin = margin;
    rs_quantize_result *r = NULL;
    rs_assert_ok(rs_quantize(net, &data, set, set, &options, &r, diag), diag);
    for (int i = 0; i < r->n_trials; i++) {
        const rs_trial *t = &r->trials[i];
        if (t->group == RS_GROUPS || t->bits[t->group] % 4 == 0)
            print_message("# %s %d/%d/%d: %lld of %lld, %lld ties\n", t->exact ? "exact" : "float", t->bits[0],
                          t->bits[1], t->bits[2], (long long)t->hits, (long long)t->images, (long long)t->ties);
    }
    print_message("# float %lld; %d/%d/%d alone, %d/%d/%d together: %lld; %.2f s\n", (long long)r->float_hits,
                  r->single_bits[0], r->single_bits[1], r->single_bits[2], r->bits[0], r->bits[1], r->bits[2],
                  (long long)r->hits, r->seconds);
    assert_true(r->target_met);
    assert_true(r->hits >= r->needed_hits);
    assert_int_equal(r->needed_hits, rs_hits_needed(r->float_hits, set->count, margin));

    /* 16 bits lose nothing worth the name, and the chosen net gives the same score on plain integer loops. */
    for (int i = 0; i < r->n_trials; i++)
        if (r->trials[i].group != RS_GROUPS && r->trials[i].bits[r->trials[i].group] == 16)
            assert_true(r->trials[i].hits >= r->float_hits - set->count / 500 - 1);
    rs_engine *engine = NULL;
    rs_score score = { .images = 0 };
    const rs_dataset some = rs_dataset_slice(set, 0, 200);
    rs_score fast = { .images = 0 };
    rs_assert_ok(rs_engine_new(r->qnet, true, &engine, diag), diag);
    rs_assert_ok(rs_engine_score(engine, &some, 1, &score, diag), diag);
    rs_engine_free(engine);
    rs_assert_ok(rs_engine_new(r->qnet, false, &engine, diag), diag);
    rs_assert_ok(rs_engine_score(engine, &some, 1, &fast, diag), diag);
    assert_int_equal(score.hits, fast.hits);
    assert_int_equal(score.ties, fast.ties);
    rs_assert_ok(rs_engine_score(engine, set, 1, &fast, diag), diag);
    assert_int_equal(fast.hits, r->hits);
    assert_int_equal(fast.ties, r->ties);
    rs_engine_free(engine);
    return r;
}

static void test_embedded_digits(void **state)
{
    (void)state;
    rs_diag *diag = rs_diag_new();
    rs_net *net = load("model/zoo/lenet/lenet.caffemodel", diag);
    rs_dataset *set = NULL;
    rs_assert_ok(rs_dataset_open("model/zoo/lenet/digits", NULL, false, &set, diag), diag);
    assert_int_equal(set->count, 2000);
    const rs_dataset used = rs_dataset_slice(set, 0, images_for(2000));
    rs_quantize_result *r = search(net, &used, 1.0, diag);
    if (used.count == set->count)
        assert_true(r->float_hits >= 1970); /* 98.5 % */

    /* Emulated in float, the chosen formats score about what the integers do: sums that are rounded differ in few
     * places. */
    rs_counts counts;
    const rs_calibration on = { .net = net, .data = &data, .set = &used };
    rs_assert_ok(rs_emulate_score(&on, r->formats, 1, &counts, diag), diag);
    assert_true(llabs(counts.hits - r->hits) <= used.count / 500 + 1);
    rs_quantize_result_free(r);
    rs_dataset_free(set);
    rs_net_free(net);
    rs_diag_free(diag);
}

static void test_mnist(void **state)
{
    (void)state;
    const char *folder = rs_test_shared_data();
    if (folder == NULL)
        skip();
    rs_diag *diag = rs_diag_new();
    char weights[4096], images[4096];
    snprintf(weights, sizeof weights, "%s/caffe-v1/lenet_v1layers.caffemodel", folder);
    snprintf(images, sizeof images, "%s/mnist", folder);
    rs_net *net = load(weights, diag);
    rs_dataset *set = NULL;
    rs_assert_ok(rs_dataset_open(images, NULL, false, &set, diag), diag);
    assert_int_equal(set->count, 10000);
    rs_counts counts;
    const rs_dataset scored = rs_dataset_slice(set, 0, images_for(10000));
    const rs_calibration on = { .net = net, .data = &data, .set = &scored };
    rs_assert_ok(rs_emulate_score(&on, NULL, 1, &counts, diag), diag);
    if (scored.count == set->count)
        assert_in_range(counts.hits, 9904, 9906); /* 99.05 % elsewhere */
    const rs_dataset used = rs_dataset_slice(set, 0, images_for(full_level() ? 10000 : 2000));
    rs_quantize_result *r = search(net, &used, 1.0, diag);
    /* The program published with the paper ends at 2, 4 and 8 bits. */
    if (used.count >= 2000) {
        assert_true(r->bits[RS_GROUP_CONVOLUTION] <= 4 && r->bits[RS_GROUP_INNER_PRODUCT] <= 4);
        assert_true(r->bits[RS_GROUP_ACTIVATIONS] <= 8);
    }
    rs_quantize_result_free(r);
    rs_dataset_free(set);
    rs_net_free(net);
    rs_diag_free(diag);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_embedded_digits),
        cmocka_unit_test(test_mnist),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
