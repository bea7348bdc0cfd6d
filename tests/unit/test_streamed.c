/* Images that are read each time give the same as images that are held in memory: as bytes, as floats, in scores, in
 * searches. */
#include "support/test.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/progress.h"
#include "base/rng.h"
#include "base/threads.h"
#include "emulate/score.h"
#include "qnet/build.h"
#include "search/pareto.h"
#include "support/nets.h"

/* Images larger than what the net takes of them. */
enum { IMAGES = 150, CHANNELS = 2, HEIGHT = 9, WIDTH = 8, SIDE = 6, CLASSES = 4, PIXELS = CHANNELS * SIDE * SIDE };

typedef struct fixture {
    rs_net *net;
    rs_dataset set; /* whole images */
    rs_data_param data;
    rs_dataset *held, *streamed;
    float mean[CHANNELS * HEIGHT * WIDTH];
    rs_diag *diag;
} fixture;

static void make(fixture *f)
{
    rs_rng rng = { rs_test_seed(), 77, 0 };
    *f = (fixture) { .diag = rs_diag_new() };
    f->set = (rs_dataset) {
        .path = "images", .count = IMAGES, .channels = CHANNELS, .height = HEIGHT, .width = WIDTH, .classes = CLASSES
    };
    f->set.pixels = RS_NEW_ARRAY(uint8_t, IMAGES * CHANNELS * HEIGHT * WIDTH);
    f->set.labels = RS_NEW_ARRAY(int32_t, IMAGES);
    assert_true(f->set.pixels != NULL && f->set.labels != NULL);
    for (int i = 0; i < IMAGES * CHANNELS * HEIGHT * WIDTH; i++)
        f->set.pixels[i] = (uint8_t)rs_rng_next(&rng);
    for (int i = 0; i < IMAGES; i++)
        f->set.labels[i] = (int32_t)(rs_rng_next(&rng) % CLASSES);
    for (int i = 0; i < CHANNELS * HEIGHT * WIDTH; i++)
        f->mean[i] = (float)(rs_rng_next(&rng) % 200) * 0.5f;
    f->data = (rs_data_param) {
        .scale = 0.125f, .crop_size = SIDE, .mean_image = f->mean, .mean_dim = { CHANNELS, HEIGHT, WIDTH }
    };
    f->net = rs_test_net(CHANNELS, SIDE, SIDE);
    rs_test_convolution(f->net, "data", "conv", 5, 3, 1, 1);
    rs_test_layer(f->net, RS_LAYER_RELU, "conv", "conv");
    rs_test_pooling(f->net, "conv", "pool", RS_POOL_MAX, 2, 2);
    rs_test_inner_product(f->net, "pool", "ip1", 7);
    rs_test_layer(f->net, RS_LAYER_RELU, "ip1", "relu1");
    rs_test_inner_product(f->net, "relu1", "ip2", CLASSES);
    rs_test_net_finish(f->net);
    for (int i = 0; i < f->net->n_layers; i++)
        for (int p = 0; p < f->net->layers[i].n_params; p++) {
            rs_param *param = &f->net->layers[i].params[p];
            for (int64_t k = 0; k < rs_shape_count(&param->shape, 0); k++)
                param->data[k] = (float)rs_random_unit(rs_test_seed(), (uint64_t)(i * 8 + p), (uint64_t)k) - 0.5f;
        }
    rs_assert_ok(rs_dataset_prepare(&f->set, &f->data, RS_HELD_MAX_BYTES, &f->held, f->diag), f->diag);
    rs_assert_ok(rs_dataset_prepare(&f->set, &f->data, IMAGES * PIXELS - 1, &f->streamed, f->diag), f->diag);
    assert_non_null(f->held->pixels);
    assert_null(f->streamed->pixels);
}

static void unmake(fixture *f)
{
    rs_dataset_free(f->held);
    rs_dataset_free(f->streamed);
    rs_net_free(f->net);
    rs_free(f->set.pixels);
    rs_free(f->set.labels);
    rs_diag_free(f->diag);
}

/* ------------------------------------------------------------------------------------------------------- images */

/* Batches of any size, round the end of the set, of slices, and on any number of threads. */
static void test_bytes(void **state)
{
    (void)state;
    fixture f;
    make(&f);
    int compared = 0;
    for (int batch = 1; batch <= 64; batch = batch * 3 + 1)
        for (int threads = 1; threads <= 3; threads++) {
            rs_set_threads(threads);
            const rs_dataset part = rs_dataset_slice(f.streamed, 5, 101);
            rs_feed *feed = NULL;
            rs_assert_ok(rs_feed_new(&part, &f.data, NULL, 95, batch, &feed, f.diag), f.diag);
            for (int64_t at = 95, step = 0; step < 12; step++) {
                const int64_t n = batch - step % 2 * (batch / 3);
                const uint8_t *bytes = NULL;
                assert_int_equal(rs_feed_position(feed), at % 101);
                rs_assert_ok(rs_feed_bytes(feed, n, &bytes, f.diag), f.diag);
                for (int64_t i = 0; i < n; i++, at++, compared++)
                    assert_memory_equal(bytes + i * PIXELS, f.held->pixels + (5 + at % 101) * PIXELS, PIXELS);
            }
            rs_feed_free(feed);
        }
    rs_set_threads(0);
    assert_true(compared > 1000);
    unmake(&f);
}

/* Bytes of a set in memory that must still be cropped; floats with a mean image, of sets of all three kinds. */
static void test_floats(void **state)
{
    (void)state;
    fixture f;
    make(&f);
    const rs_dataset *const sets[] = { &f.set, f.held, f.streamed };
    float values[3][40 * PIXELS], labels[3][40];
    for (int k = 0; k < 3; k++) {
        rs_feed *feed = NULL;
        rs_assert_ok(rs_feed_new(sets[k], &f.data, NULL, 130, 40, &feed, f.diag), f.diag);
        const uint8_t *bytes = NULL;
        rs_assert_ok(rs_feed_bytes(feed, 1, &bytes, f.diag), f.diag);
        assert_memory_equal(bytes, f.held->pixels + 130 * PIXELS, PIXELS);
        rs_assert_ok(rs_feed_next(feed, 40, values[k], labels[k], f.diag), f.diag);
        rs_feed_free(feed);
        assert_memory_equal(values[k], values[0], sizeof values[0]);
        assert_memory_equal(labels[k], labels[0], sizeof labels[0]);
    }
    assert_true(values[0][17] == ((float)f.set.pixels[131 * CHANNELS * HEIGHT * WIDTH + (1 + 2) * WIDTH + 1 + 5] -
                                  f.mean[(1 + 2) * WIDTH + 1 + 5]) *
                                     0.125f);
    unmake(&f);
}

/* A set is prepared once, and what it was made from goes with it. */
static void test_hold(void **state)
{
    (void)state;
    fixture f;
    make(&f);
    rs_dataset *set = RS_NEW(rs_dataset);
    assert_non_null(set);
    *set = rs_dataset_slice(&f.set, 0, IMAGES);
    set->path = rs_strdup("images");
    set->labels = RS_NEW_ARRAY(int32_t, IMAGES);
    assert_false(rs_dataset_prepared(set, &f.data));
    rs_assert_ok(rs_dataset_hold(&set, &f.data, 1, f.diag), f.diag);
    assert_true(set->windowed && set->pixels == NULL && rs_dataset_prepared(set, &f.data));
    const rs_dataset *before = set;
    rs_assert_ok(rs_dataset_hold(&set, &f.data, RS_HELD_MAX_BYTES, f.diag), f.diag);
    assert_ptr_equal(set, before);
    rs_dataset_free(set);
    rs_set_interrupted(true);
    rs_assert_error(rs_dataset_load(&f.set, &f.data, &set, f.diag), RS_INTERRUPTED, f.diag, "interrupted");
    rs_set_interrupted(false);
    unmake(&f);
}

/* ----------------------------------------------------------------------------------------------- what uses them */

static void assert_same_qnets(const rs_qnet *a, const rs_qnet *b)
{
    assert_int_equal(a->n_ops, b->n_ops);
    for (int i = 0; i < a->n_ops; i++) {
        const rs_qop *x = &a->ops[i], *y = &b->ops[i];
        assert_int_equal(x->shift, y->shift);
        if (!rs_qop_weighted(x))
            continue;
        const size_t outputs = (size_t)a->tensors[x->output].channels;
        assert_memory_equal(x->bias, y->bias, outputs * sizeof *x->bias);
        assert_memory_equal(x->weights, y->weights, outputs * (size_t)rs_qop_terms(a, x) * sizeof *x->weights);
    }
}

/* All that takes the images again and again: ranges, statistics, trials, adaptive rounding, refinement, scores. */
static void test_search(void **state)
{
    (void)state;
    fixture f;
    make(&f);
    rs_quantize_options options;
    rs_quantize_defaults(&options);
    options.error_margin = 5;
    options.adaptive_weights = true;
    options.refine_images = 40;
    options.rules.bias_correction = true;
    options.rules.activation_range = RS_RANGE_PERCENTILE;
    rs_quantize_result *r[2] = { NULL, NULL };
    for (int k = 0; k < 2; k++) {
        const rs_dataset *set = k == 0 ? f.held : f.streamed;
        const rs_dataset calibration = rs_dataset_slice(set, 10, 90);
        options.checkpoint = rs_test_path(k == 0 ? "held.json" : "streamed.json");
        rs_assert_ok(rs_quantize(f.net, &f.data, &calibration, set, &options, &r[k], f.diag), f.diag);
    }
    assert_int_equal(r[0]->n_trials, r[1]->n_trials);
    for (int i = 0; i < r[0]->n_trials; i++) {
        assert_int_equal(r[0]->trials[i].hits, r[1]->trials[i].hits);
        assert_int_equal(r[0]->trials[i].ties, r[1]->trials[i].ties);
    }
    assert_true(r[0]->n_trials > 20);
    assert_same_qnets(r[0]->qnet, r[1]->qnet);

    rs_engine *engine = NULL;
    rs_score scores[2];
    uint64_t saturations[2][16] = { { 0 } };
    rs_assert_ok(rs_engine_new(r[0]->qnet, false, &engine, f.diag), f.diag);
    assert_true(r[0]->qnet->n_ops <= 16);
    for (int k = 0; k < 2; k++) {
        scores[k] = (rs_score) { .saturations = saturations[k] };
        rs_assert_ok(rs_engine_score(engine, k == 0 ? f.held : f.streamed, 1, &scores[k], f.diag), f.diag);
        assert_int_equal(scores[k].images, IMAGES);
    }
    assert_true(scores[0].hits == scores[1].hits && scores[0].ties == scores[1].ties);
    assert_memory_equal(saturations[0], saturations[1], sizeof saturations[0]);
    rs_engine_free(engine);
    rs_quantize_result_free(r[0]);
    rs_quantize_result_free(r[1]);
    unmake(&f);
}

static double bits_of(const void *context, const rs_net *net, const rs_widths *widths)
{
    (void)context;
    double bits = 0;
    for (int i = 0; i < net->n_layers; i++)
        bits += widths->weights[i];
    for (int b = 0; b < net->n_blobs; b++)
        bits += widths->activations[b];
    return bits;
}

static void test_pareto(void **state)
{
    (void)state;
    fixture f;
    make(&f);
    rs_quantize_options options;
    rs_quantize_defaults(&options);
    options.max_bits = 5;
    const rs_pareto_options pareto = { .cost = bits_of, .stop_margin = 10 };
    rs_pareto_result *r[2] = { NULL, NULL };
    for (int k = 0; k < 2; k++) {
        const rs_dataset *set = k == 0 ? f.held : f.streamed;
        rs_assert_ok(rs_pareto(f.net, &f.data, set, set, &options, &pareto, &r[k], f.diag), f.diag);
    }
    assert_int_equal(r[0]->n_points, r[1]->n_points);
    assert_true(r[0]->n_points > 1);
    for (int i = 0; i < r[0]->n_points; i++)
        assert_int_equal(r[0]->points[i].hits, r[1]->points[i].hits);
    assert_same_qnets(r[0]->qnet, r[1]->qnet);
    rs_pareto_result_free(r[0]);
    rs_pareto_result_free(r[1]);
    unmake(&f);
}

/* Images that have the net's size, and would have it again when resized and cropped, are not those that enter it. */
static void test_resized(void **state)
{
    (void)state;
    fixture f;
    make(&f);
    rs_data_param param = { .scale = 1.0f, .crop_size = SIDE, .new_height = HEIGHT, .new_width = WIDTH };
    rs_dataset *resized = NULL;
    assert_true(rs_dataset_prepared(f.held, &param)); /* which it says itself */
    rs_dataset plain = *f.held;
    plain.windowed = false;
    assert_false(rs_dataset_prepared(&plain, &param));
    rs_assert_ok(rs_dataset_prepare(&plain, &param, RS_HELD_MAX_BYTES, &resized, f.diag), f.diag);
    assert_true(rs_dataset_prepared(resized, &param));
    assert_int_equal(resized->height, plain.height);
    assert_int_equal(resized->width, plain.width);
    assert_memory_not_equal(resized->pixels, plain.pixels, IMAGES * PIXELS);
    param.new_height = param.new_width = SIDE; /* as they are */
    assert_true(rs_dataset_prepared(&plain, &param));
    rs_dataset_free(resized);
    unmake(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes),  cmocka_unit_test(test_floats), cmocka_unit_test(test_hold),
        cmocka_unit_test(test_search), cmocka_unit_test(test_pareto), cmocka_unit_test(test_resized),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
