/* The search against a second opinion. The nets are small and their numbers dyadic, so that float, double and integers
 * all compute exactly and nothing depends on the order of sums. */
#include "support/test.h"

#include <jansson.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "base/faults.h"
#include "base/file.h"
#include "base/progress.h"
#include "base/rng.h"
#include "base/threads.h"
#include "oracle/trial.h"
#include "search/quantize.h"
#include "support/nets.h"
#include "emulate/score.h"

enum { IMAGES = 64, SIZE = 6, PIXELS = SIZE * SIZE, CLASSES = 4 };

typedef struct fixture {
    rs_net *net;
    rs_dataset set;
    rs_data_param data;
    rs_diag *diag;
} fixture;

static void fill(rs_net *net, rs_rng *rng, int largest)
{
    for (int i = 0; i < net->n_layers; i++)
        for (int p = 0; p < net->layers[i].n_params; p++) {
            rs_param *param = &net->layers[i].params[p];
            for (int64_t k = 0; k < rs_shape_count(&param->shape, 0); k++)
                param->data[k] = (float)((int)(rs_rng_next(rng) % (uint64_t)(2 * largest + 1)) - largest) / 8.0f;
        }
}

/* Labels: what the float net says, but for one in eight, which is drawn. */
static void label(fixture *f, rs_rng *rng)
{
    for (int64_t n = 0; n < f->set.count; n++) {
        const uint64_t draw = rs_rng_next(rng);
        int best = (int)(draw >> 8 & 0xff) % CLASSES;
        for (int c = 0; c < CLASSES && draw % 8 != 0; c++) {
            rs_counts counts;
            int32_t guess = c;
            rs_dataset one = f->set;
            one.pixels += n * PIXELS;
            one.labels = &guess;
            one.count = 1;
            const rs_calibration on = { .net = f->net, .data = &f->data, .set = &one };
            rs_assert_ok(rs_emulate_score(&on, NULL, 1, &counts, f->diag), f->diag);
            best = counts.hits == 1 ? c : best;
        }
        f->set.labels[n] = best;
    }
}

static fixture make_net(rs_net *net, uint64_t stream, int64_t images, int largest)
{
    rs_rng rng = { rs_test_seed(), stream, 0 };
    fixture f = { .net = net, .data = { .scale = 1.0f }, .diag = rs_diag_new() };
    f.set = (rs_dataset) {
        .path = "images", .count = images, .channels = 1, .height = SIZE, .width = SIZE, .classes = CLASSES
    };
    f.set.pixels = RS_NEW_ARRAY(uint8_t, (size_t)(images * PIXELS));
    f.set.labels = RS_NEW_ARRAY(int32_t, (size_t)images);
    assert_true(f.set.pixels != NULL && f.set.labels != NULL && f.diag != NULL);
    rs_test_net_finish(net);
    fill(net, &rng, largest);
    for (int64_t i = 0; i < images * PIXELS; i++)
        f.set.pixels[i] = (uint8_t)(rs_rng_next(&rng) % 8);
    label(&f, &rng);
    return f;
}

/* A convolution with ReLU in place, pooling, two inner products, a ReLU with a blob of its own. Sums stay below 2^23 /
 * 8^3. */
static fixture make(uint64_t stream, int64_t images)
{
    rs_net *net = rs_test_net(1, SIZE, SIZE);
    rs_test_convolution(net, "data", "conv", 3, 3, 1, 1);
    rs_test_layer(net, RS_LAYER_RELU, "conv", "conv");
    rs_test_pooling(net, "conv", "pool", RS_POOL_MAX, 2, 2);
    rs_test_inner_product(net, "pool", "ip1", 6);
    rs_test_layer(net, RS_LAYER_RELU, "ip1", "relu1");
    rs_test_inner_product(net, "relu1", "ip2", CLASSES);
    return make_net(net, stream, images, 7);
}

/* Pooling before the ReLU, which works in place on the pooled blob; uneven pooling; a dropout, which does nothing. */
static fixture make_pool_first(uint64_t stream, int64_t images)
{
    rs_net *net = rs_test_net(1, SIZE, SIZE);
    rs_test_convolution(net, "data", "conv", 2, 2, 1, 0);
    rs_test_pooling(net, "conv", "pool", RS_POOL_MAX, 2, 2);
    rs_test_layer(net, RS_LAYER_RELU, "pool", "pool");
    rs_test_layer(net, RS_LAYER_DROPOUT, "pool", "drop");
    rs_test_convolution(net, "drop", "conv2", 3, 2, 1, 0);
    rs_test_inner_product(net, "conv2", "ip", CLASSES);
    return make_net(net, stream, images, 5);
}

static void unmake(fixture *f)
{
    rs_net_free(f->net);
    rs_free(f->set.pixels);
    rs_free(f->set.labels);
    rs_diag_free(f->diag);
}

static rs_quantize_result *search(fixture *f, const rs_quantize_options *options)
{
    rs_quantize_result *result = NULL;
    rs_assert_ok(rs_quantize(f->net, &f->data, &f->set, &f->set, options, &result, f->diag), f->diag);
    assert_non_null(result);
    return result;
}

static rs_quantize_options options_of(double margin)
{
    rs_quantize_options options;
    rs_quantize_defaults(&options);
    options.error_margin = margin;
    return options;
}

static rs_oracle_trial oracle_of(const fixture *f)
{
    rs_oracle_trial oracle = { .net = f->net, .set = &f->set, .scale = (double)f->data.scale };
    rs_oracle_trial_measure(&oracle, f->set.count);
    return oracle;
}

static const rs_trial *single(const rs_quantize_result *r, int group, int bits)
{
    for (int i = 0; i < r->n_trials; i++)
        if ((int)r->trials[i].group == group && r->trials[i].bits[group] == bits)
            return &r->trials[i];
    fail_msg("no trial of %s with %d bits", rs_group_name((rs_group)group), bits);
    return NULL;
}

/* ------------------------------------------------------------------------------------------------------- search */

/* Every trial of a search, and the rules by which widths are chosen. Returns how many trials were compared. */
static int compare_with_oracle(fixture *f, const rs_quantize_options *options, int *uneven)
{
    rs_oracle_trial oracle = oracle_of(f);
    oracle.bias_as_weights = options->bias_rule == RS_BIAS_WEIGHTS;
    const int64_t images = f->set.count;
    rs_quantize_result *r = search(f, options);
    int64_t hits, ties;
    rs_oracle_trial_score(&oracle, (const int[3]) { 0, 0, 0 }, images, &hits, &ties);
    assert_int_equal(r->images, images);
    assert_int_equal(r->float_hits, hits);
    assert_int_equal(r->float_ties, ties);
    const int64_t needed = rs_hits_needed(hits, images, options->error_margin);
    assert_int_equal(r->needed_hits, needed);

    bool passes[3][17] = { { false } };
    for (int i = 0; i < r->n_trials; i++) {
        const rs_trial *t = &r->trials[i];
        rs_oracle_trial_score(&oracle, t->bits, images, &hits, &ties);
        if (t->hits != hits || t->ties != ties)
            fail_msg("widths %d/%d/%d: %lld hits and %lld ties, the oracle has %lld and %lld", t->bits[0], t->bits[1],
                     t->bits[2], (long long)t->hits, (long long)t->ties, (long long)hits, (long long)ties);
        assert_int_equal(t->images, images);
        assert_int_equal(t->exact, t->group == RS_GROUPS);
        if (t->group != RS_GROUPS)
            passes[t->group][t->bits[t->group]] = hits >= needed;
    }
    for (int g = 0; g < 3; g++) {
        int chosen = 16, smallest = 16;
        while (chosen > 1 && passes[g][chosen - 1])
            chosen--;
        for (int b = 16; b >= 1; b--)
            smallest = passes[g][b] ? b : smallest;
        assert_int_equal(r->single_bits[g], chosen);
        *uneven += smallest < chosen;
        assert_true(r->bits[g] >= chosen && r->bits[g] <= 16);
    }
    /* Chosen: one of the combinations, the first if that is good enough. */
    const rs_trial *first = NULL;
    bool found = false;
    for (int i = 0; i < r->n_trials; i++) {
        const rs_trial *t = &r->trials[i];
        if (t->group != RS_GROUPS)
            continue;
        first = first != NULL ? first : t;
        found = found || (memcmp(t->bits, r->bits, sizeof t->bits) == 0 && t->hits == r->hits && t->ties == r->ties);
    }
    assert_true(found);
    assert_memory_equal(first->bits, r->single_bits, sizeof first->bits);
    if (first->hits >= needed)
        assert_memory_equal(r->bits, r->single_bits, sizeof r->bits);
    assert_int_equal(r->target_met, r->hits >= needed);
    if (!r->target_met)
        for (int g = 0; g < 3; g++)
            assert_int_equal(r->bits[g], options->max_bits);
    const int compared = r->n_trials;
    rs_quantize_result_free(r);
    return compared;
}

static void test_against_oracle(void **state)
{
    (void)state;
    int compared = 0, uneven = 0, nets = 0;
    for (uint64_t stream = 0; stream < 16; stream++, nets++) {
        fixture f = stream % 2 == 0 ? make(stream, IMAGES) : make_pool_first(stream, IMAGES);
        rs_quantize_options options = options_of(stream % 3 == 0 ? 0.0 : 3.0 * (double)(stream % 5));
        options.bias_rule = stream % 4 < 2 ? RS_BIAS_ACCUMULATOR : RS_BIAS_WEIGHTS;
        compared += compare_with_oracle(&f, &options, &uneven);
        unmake(&f);
    }
    print_message("# %d trials of %d nets compared\n", compared, nets);
    assert_true(compared >= nets * 49);
}

/* A width that passes below one that does not is not taken. Nets are drawn until this has been seen. */
static void test_curve_not_monotone(void **state)
{
    (void)state;
    int uneven = 0;
    uint64_t stream = 100;
    for (; uneven == 0 && stream < 400; stream++) {
        fixture f = make(stream, IMAGES);
        const rs_quantize_options options = options_of(2.0);
        compare_with_oracle(&f, &options, &uneven);
        unmake(&f);
    }
    print_message("# found after %llu nets\n", (unsigned long long)(stream - 100));
    assert_true(uneven > 0);
}

static void test_hits_needed(void **state)
{
    (void)state;
    assert_int_equal(rs_hits_needed(990, 1000, 1.0), 980);
    assert_int_equal(rs_hits_needed(990, 1000, 0.0), 990);
    assert_int_equal(rs_hits_needed(990, 1000, 0.3), 987);
    assert_int_equal(rs_hits_needed(990, 1000, 0.29), 988);
    assert_int_equal(rs_hits_needed(5, 1000, 1.0), 0);
    assert_int_equal(rs_hits_needed(1000, 1000, 100.0), 0);
    for (int64_t images = 1; images <= 20000; images = images * 3 + 1)
        for (int64_t lost = 0; lost <= images; lost += images / 7 + 1)
            assert_int_equal(rs_hits_needed(images, images, 100.0 * (double)lost / (double)images), images - lost);
}

/* The accuracy of a width is made the margin's edge: exactly there it passes, an image closer it does not. */
static void test_margin_edge(void **state)
{
    (void)state;
    fixture f = make(1, IMAGES);
    rs_quantize_options options = options_of(0.0);
    rs_quantize_result *r = search(&f, &options);
    int edges = 0;
    for (int g = 0; g < 3; g++) {
        int64_t worst = 0; /* images lost by any width that is at least as wide */
        for (int bits = 16; bits >= 1; bits--) {
            const int64_t lost = r->float_hits - single(r, g, bits)->hits;
            if (lost > worst) {
                options.error_margin = 100.0 * (double)lost / IMAGES;
                rs_quantize_result *at = search(&f, &options);
                assert_true(at->single_bits[g] <= bits);
                rs_quantize_result_free(at);
                options.error_margin = 100.0 * ((double)lost - 0.5) / IMAGES;
                rs_quantize_result *inside = search(&f, &options);
                assert_int_equal(inside->single_bits[g], bits < 16 ? bits + 1 : 16);
                rs_quantize_result_free(inside);
                worst = lost;
                edges++;
            }
        }
    }
    assert_true(edges >= 3);
    rs_quantize_result_free(r);
    unmake(&f);
}

static void test_fixed_bits(void **state)
{
    (void)state;
    fixture f = make(2, IMAGES);
    rs_quantize_options options = options_of(5.0);
    rs_quantize_result *all = search(&f, &options);
    options.fixed_bits[RS_GROUP_CONVOLUTION] = 7;
    options.fixed_bits[RS_GROUP_ACTIVATIONS] = 12;
    rs_quantize_result *r = search(&f, &options);
    assert_int_equal(r->bits[RS_GROUP_CONVOLUTION], 7);
    assert_int_equal(r->bits[RS_GROUP_ACTIVATIONS], 12);
    assert_int_equal(r->single_bits[RS_GROUP_INNER_PRODUCT], all->single_bits[RS_GROUP_INNER_PRODUCT]);
    for (int i = 0; i < r->n_trials; i++)
        assert_true(r->trials[i].group == RS_GROUP_INNER_PRODUCT || r->trials[i].group == RS_GROUPS);
    rs_quantize_result_free(r);

    /* With everything fixed there is one combination and nothing to widen. */
    options.fixed_bits[RS_GROUP_INNER_PRODUCT] = 1;
    options.fixed_bits[RS_GROUP_CONVOLUTION] = 1;
    options.fixed_bits[RS_GROUP_ACTIVATIONS] = 1;
    options.error_margin = 0;
    r = search(&f, &options);
    assert_int_equal(r->n_trials, 1);
    assert_false(r->target_met);
    for (int g = 0; g < 3; g++)
        assert_int_equal(r->bits[g], 1);
    rs_quantize_result_free(r);
    rs_quantize_result_free(all);
    unmake(&f);
}

static void test_target_missed(void **state)
{
    (void)state;
    int missed = 0;
    for (uint64_t stream = 500; missed < 3; stream++) {
        assert_true(stream < 600);
        fixture f = make(stream, IMAGES);
        rs_quantize_options options = options_of(0.0);
        options.max_bits = 2;
        rs_quantize_result *r = search(&f, &options);
        assert_int_equal(r->target_met, r->hits >= r->needed_hits);
        assert_true(r->n_trials > 3 * 2);
        assert_non_null(r->qnet);
        for (int g = 0; g < 3 && !r->target_met; g++)
            assert_int_equal(r->bits[g], 2);
        missed += !r->target_met;
        rs_quantize_result_free(r);
        unmake(&f);
    }
}

/* With scores of one bit that a ReLU has made zero, every class ties: all images are wrong, and counted as ties. */
static void test_one_bit_ties(void **state)
{
    (void)state;
    rs_net *net = rs_test_net(1, SIZE, SIZE);
    rs_test_inner_product(net, "data", "ip", CLASSES);
    rs_test_layer(net, RS_LAYER_RELU, "ip", "ip");
    fixture f = make_net(net, 4, IMAGES, 7);
    const rs_quantize_options options = options_of(1.0);
    rs_quantize_result *r = search(&f, &options);
    const rs_trial *t = single(r, RS_GROUP_ACTIVATIONS, 1);
    assert_int_equal(t->hits, 0);
    assert_int_equal(t->ties, IMAGES);
    assert_int_equal(r->bits[RS_GROUP_CONVOLUTION], 0);
    assert_int_equal(r->single_bits[RS_GROUP_CONVOLUTION], 0);
    rs_quantize_result_free(r);

    /* One-bit weights are 0 or the lowest power: compared with the oracle. */
    rs_oracle_trial oracle = oracle_of(&f);
    rs_quantize_options fixed = options_of(1.0);
    for (int g = 0; g < 3; g++)
        fixed.fixed_bits[g] = 1;
    r = search(&f, &fixed);
    int64_t hits, ties;
    rs_oracle_trial_score(&oracle, (const int[3]) { 1, 1, 1 }, IMAGES, &hits, &ties);
    assert_int_equal(r->hits, hits);
    assert_int_equal(r->ties, ties);
    rs_quantize_result_free(r);
    unmake(&f);
}

static void test_zero_layer(void **state)
{
    (void)state;
    fixture f = make(5, IMAGES);
    const int conv = rs_net_layer(f.net, "conv");
    for (int p = 0; p < 2; p++)
        memset(f.net->layers[conv].params[p].data, 0,
               (size_t)rs_shape_count(&f.net->layers[conv].params[p].shape, 0) * sizeof(float));
    int uneven = 0;
    const rs_quantize_options options = options_of(1.0);
    assert_true(compare_with_oracle(&f, &options, &uneven) > 48);
    rs_quantize_result *r = search(&f, &options);
    assert_int_equal(r->single_bits[RS_GROUP_CONVOLUTION], 1);
    assert_int_equal(r->formats->weights[conv].fl, r->bits[RS_GROUP_CONVOLUTION] - 1);
    rs_quantize_result_free(r);
    unmake(&f);
}

/* -------------------------------------------------------------------------------------------------------- reuse */

static void random_weights(rs_net *net, uint64_t stream)
{
    for (int i = 0; i < net->n_layers; i++)
        for (int p = 0; p < net->layers[i].n_params; p++) {
            const rs_param *param = &net->layers[i].params[p];
            for (int64_t k = 0; k < rs_shape_count(&param->shape, 0); k++)
                param->data[k] = (float)(0.3 * rs_random_normal(rs_test_seed(), stream + (uint64_t)(10 * i + p),
                                                                (uint64_t)k));
        }
}

/* Trials take over what trials before them left; alone, each gives the same. Numbers are arbitrary here, and there are
 * several batches. */
static void test_reuse(void **state)
{
    (void)state;
    int compared = 0;
    for (int kind = 0; kind < 2; kind++) {
        fixture f = kind == 0 ? make(6, 1500) : make_pool_first(7, 1500);
        f.data.scale = 0.125f;
        random_weights(f.net, (uint64_t)kind * 1000);
        rs_quantize_options options = options_of(50.0);
        options.calibration_images = 100;
        rs_quantize_result *r = search(&f, &options);
        const rs_ranges ranges = { .n_layers = f.net->n_layers,
                                   .n_blobs = f.net->n_blobs,
                                   .weight_max = r->weight_max,
                                   .blob_min = r->blob_min,
                                   .blob_max = r->blob_max };
        for (int i = 0; i < r->n_trials; i++) {
            const rs_trial *t = &r->trials[i];
            rs_formats *formats = NULL;
            rs_counts counts;
            if (t->group == RS_GROUPS)
                continue;
            rs_assert_ok(rs_formats_choose(f.net, &ranges, t->bits, &formats, f.diag), f.diag);
            const rs_calibration on = { .net = f.net, .data = &f.data, .set = &f.set };
            rs_assert_ok(rs_emulate_score(&on, formats, 1, &counts, f.diag), f.diag);
            assert_int_equal(t->hits, counts.hits);
            assert_int_equal(t->ties, counts.ties);
            rs_formats_free(formats);
            compared++;
        }
        rs_quantize_result_free(r);
        unmake(&f);
    }
    assert_int_equal(compared, 2 * 48);
}

static void assert_same(const rs_quantize_result *a, const rs_quantize_result *b, const fixture *f)
{
    assert_int_equal(a->n_trials, b->n_trials);
    assert_int_equal(a->float_hits, b->float_hits);
    for (int i = 0; i < a->n_trials; i++) {
        assert_int_equal(a->trials[i].group, b->trials[i].group);
        assert_memory_equal(a->trials[i].bits, b->trials[i].bits, sizeof a->trials[i].bits);
        assert_int_equal(a->trials[i].hits, b->trials[i].hits);
        assert_int_equal(a->trials[i].ties, b->trials[i].ties);
    }
    assert_memory_equal(a->bits, b->bits, sizeof a->bits);
    assert_int_equal(a->hits, b->hits);
    assert_int_equal(a->target_met, b->target_met);
    assert_memory_equal(a->blob_min, b->blob_min, (size_t)f->net->n_blobs * sizeof *a->blob_min);
    assert_memory_equal(a->blob_max, b->blob_max, (size_t)f->net->n_blobs * sizeof *a->blob_max);
    assert_memory_equal(a->weight_max, b->weight_max, (size_t)f->net->n_layers * sizeof *a->weight_max);
    for (int i = 0; i < f->net->n_layers; i++)
        assert_true(rs_number_equal(a->formats->weights[i], b->formats->weights[i]));
    for (int i = 0; i < f->net->n_blobs; i++)
        assert_true(rs_number_equal(a->formats->activations[i], b->formats->activations[i]));
}

static void test_threads(void **state)
{
    (void)state;
    fixture f = make(8, 700);
    random_weights(f.net, 5000);
    const rs_quantize_options options = options_of(2.0);
    rs_set_threads(1);
    rs_quantize_result *one = search(&f, &options);
    for (int threads = 2; threads <= 5; threads += 3) {
        rs_set_threads(threads);
        rs_quantize_result *more = search(&f, &options);
        assert_same(one, more, &f);
        rs_quantize_result_free(more);
    }
    rs_set_threads(0);
    rs_quantize_result_free(one);
    unmake(&f);
}

/* --------------------------------------------------------------------------------------------------- checkpoint */

static void on_alarm(int signal)
{
    (void)signal;
    rs_set_interrupted(true);
}

/* A search that is interrupted after `pause` microseconds, if it takes that long. */
static rs_status search_for(fixture *f, const rs_quantize_options *options, double pause, rs_quantize_result **result)
{
    const struct sigaction action = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
    const struct itimerval timer = { .it_value = { (long)(pause / 1e6), (long)fmod(pause, 1e6) + 1 } },
                           never = { .it_value = { 0, 0 } };
    struct sigaction old;
    sigaction(SIGALRM, &action, &old);
    setitimer(ITIMER_REAL, &timer, NULL);
    const rs_status st = rs_quantize(f->net, &f->data, &f->set, &f->set, options, result, f->diag);
    setitimer(ITIMER_REAL, &never, NULL);
    sigaction(SIGALRM, &old, NULL);
    rs_set_interrupted(false);
    return st;
}

/* Interrupted again and again, wherever it happens to be, the search ends with the result of one that was not. */
static void test_resume(void **state)
{
    (void)state;
    fixture f = make(9, 9000);
    random_weights(f.net, 6000);
    rs_quantize_options options = options_of(2.0);
    rs_quantize_result *whole = search(&f, &options), *parts = NULL;
    options.checkpoint = rs_test_path("search.checkpoint");
    int interruptions = 0, resumed = 0;
    double pause = whole->seconds * 1e6 / 20;
    for (rs_status st = RS_INTERRUPTED; st != RS_OK; pause *= 1.1) {
        resumed += rs_file_exists(options.checkpoint);
        st = search_for(&f, &options, pause, &parts);
        if (st != RS_OK) {
            assert_null(parts);
            rs_assert_error(st, RS_INTERRUPTED, f.diag, "interrupted");
            interruptions++;
            assert_true(interruptions < 200);
        }
    }
    assert_true(interruptions > 0);
    print_message("# %d interruptions, %d resumed\n", interruptions, resumed);
    assert_same(whole, parts, &f);
    assert_false(rs_file_exists(options.checkpoint)); /* done: nothing to resume */
    rs_quantize_result_free(whole);
    rs_quantize_result_free(parts);
    unmake(&f);
}

/* What a checkpoint says is believed: a count is changed in it, and the result of the resumed search shows that. */
static void test_checkpoint_is_used(void **state)
{
    (void)state;
    fixture f = make(10, 9000);
    random_weights(f.net, 7000);
    rs_quantize_options options = options_of(2.0);
    rs_quantize_result *honest = search(&f, &options), *r = NULL;
    options.checkpoint = rs_test_path("used.checkpoint");
    json_t *kept = NULL;
    int64_t done = 0;
    for (double pause = honest->seconds * 1e6 / 20; done == 0; pause *= 1.1) {
        if (search_for(&f, &options, pause, &r) == RS_OK) { /* too late: begin again */
            rs_quantize_result_free(r);
            r = NULL;
            pause /= 10;
        } else if (rs_file_exists(options.checkpoint)) {
            json_decref(kept);
            kept = json_load_file(options.checkpoint, 0, NULL);
            assert_non_null(kept);
            done = json_integer_value(json_object_get(kept, "images_done"));
        }
        free(rs_test_messages(f.diag));
    }
    json_t *first = json_array_get(json_array_get(json_object_get(kept, "trials"), 1), 0);
    const int64_t hits = json_integer_value(first);
    assert_true(done > 0 && hits > 0 && hits <= done);
    json_integer_set(first, hits - 1);
    assert_int_equal(json_dump_file(kept, options.checkpoint, 0), 0);
    rs_assert_ok(rs_quantize(f.net, &f.data, &f.set, &f.set, &options, &r, f.diag), f.diag);
    assert_int_equal(r->trials[0].hits, honest->trials[0].hits - 1);
    rs_quantize_result_free(r);

    /* Impossible counts are not believed. */
    r = NULL;
    json_integer_set(first, done + 1);
    assert_int_equal(json_dump_file(kept, options.checkpoint, 0), 0);
    rs_assert_error(rs_quantize(f.net, &f.data, &f.set, &f.set, &options, &r, f.diag), RS_BAD_INPUT, f.diag,
                    "not a checkpoint");
    json_integer_set(first, hits);

    /* A checkpoint of another search is left alone until this one has something to save; the result is this one's own.
     */
    assert_int_equal(json_dump_file(kept, options.checkpoint, 0), 0);
    options.error_margin = 3.0;
    assert_int_equal(rs_quantize(f.net, &f.data, &f.set, &f.set, &options, &r, f.diag), RS_OK);
    char *messages = rs_test_messages(f.diag);
    assert_non_null(strstr(messages, "other weights, data or options"));
    free(messages);
    assert_int_equal(r->trials[0].hits, honest->trials[0].hits);
    json_decref(kept);
    rs_quantize_result_free(r);
    rs_quantize_result_free(honest);
    unmake(&f);
}

static void test_interrupted_ranges(void **state)
{
    (void)state;
    fixture f = make(15, IMAGES);
    rs_ranges *ranges = NULL;
    rs_set_interrupted(true);
    rs_assert_error(rs_ranges_measure(f.net, &f.data, &f.set, 0, &ranges, f.diag), RS_INTERRUPTED, f.diag,
                    "interrupted");
    rs_set_interrupted(false);
    assert_null(ranges);
    unmake(&f);
}

static void test_bad_checkpoint(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "{",
        "[1, 2]",
        "{}",
        "{\"format\": \"something else\", \"version\": 1, \"key\": \"0\"}",
        "\x01\x02",
        "{\"format\": \"ristretto-search\", \"version\": 1}",
        "{\"format\": \"ristretto-search\", \"key\": \"12\"}",
    };
    fixture f = make(11, IMAGES);
    const char *path = rs_test_path("bad.checkpoint");
    rs_quantize_options options = options_of(2.0);
    options.checkpoint = path;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        rs_quantize_result *r = NULL;
        rs_test_write(path, texts[i], strlen(texts[i]));
        rs_assert_error(rs_quantize(f.net, &f.data, &f.set, &f.set, &options, &r, f.diag), RS_BAD_INPUT, f.diag,
                        "not a checkpoint");
        assert_null(r);
        size_t size = 0;
        char *kept = rs_test_read(path, &size);
        assert_int_equal(size, strlen(texts[i]));
        free(kept);
    }
    unmake(&f);
}

/* ------------------------------------------------------------------------------------------- formats and errors */

static void test_formats(void **state)
{
    (void)state;
    fixture f = make(12, IMAGES);
    rs_oracle_trial oracle = oracle_of(&f);
    rs_ranges *ranges = NULL;
    rs_formats *formats = NULL;
    rs_assert_ok(rs_ranges_measure(f.net, &f.data, &f.set, 0, &ranges, f.diag), f.diag);
    const int bits[RS_GROUPS] = { 5, 6, 9 };
    rs_assert_ok(rs_formats_choose(f.net, ranges, bits, &formats, f.diag), f.diag);
    const rs_net *net = f.net;
    const int conv = rs_net_blob(net, "conv"), pool = rs_net_blob(net, "pool"), ip1 = rs_net_blob(net, "ip1"),
              relu1 = rs_net_blob(net, "relu1"), ip2 = rs_net_blob(net, "ip2"), data = rs_net_blob(net, "data");
    assert_int_equal(formats->activations[data].fl, rs_oracle_fraction(oracle.value_max[0], 9));
    assert_int_equal(formats->activations[conv].fl, rs_oracle_fraction(oracle.value_max[2], 9)); /* behind the ReLU */
    assert_int_equal(formats->activations[pool].fl, formats->activations[conv].fl);
    assert_int_equal(formats->activations[relu1].fl, rs_oracle_fraction(oracle.value_max[5], 9));
    assert_int_equal(formats->activations[ip1].fl, formats->activations[relu1].fl);
    assert_int_equal(formats->activations[ip2].fl, rs_oracle_fraction(oracle.value_max[6], 9));
    assert_true(ranges->blob_min[ip1] < 0 && ranges->blob_min[relu1] == 0 && ranges->blob_min[conv] == 0);
    assert_true(ranges->blob_max[conv] == oracle.value_max[2]);
    for (int b = 0; b < net->n_blobs; b++)
        assert_int_equal(formats->activations[b].bits, 9);
    for (int i = 0; i < net->n_layers; i++) {
        const rs_group group = rs_layer_group(&net->layers[i]);
        assert_int_equal(formats->weights[i].bits, group == RS_GROUPS ? 0 : bits[group]);
        if (group != RS_GROUPS)
            assert_int_equal(formats->weights[i].fl, rs_oracle_fraction(oracle.weight_max[i], bits[group]));
    }

    rs_assert_ok(rs_formats_apply(formats, RS_ROUND_NEAREST, RS_BIAS_ACCUMULATOR, f.net, f.diag), f.diag);
    const rs_quantization_param *q = &net->layers[rs_net_layer(net, "ip1")].quantization;
    assert_true(q->present);
    assert_int_equal(q->bw_layer_in, 9);
    assert_int_equal(q->bw_layer_out, 9);
    assert_int_equal(q->bw_params, 6);
    assert_int_equal(q->fl_layer_in, formats->activations[pool].fl);
    assert_int_equal(q->fl_layer_out, formats->activations[relu1].fl);
    assert_int_equal(q->fl_params, formats->weights[rs_net_layer(net, "ip1")].fl);
    assert_false(net->layers[rs_net_layer(net, "pool")].quantization.present);
    rs_formats_free(formats);
    rs_ranges_free(ranges);
    unmake(&f);
}

static void test_errors(void **state)
{
    (void)state;
    fixture f = make(13, IMAGES);
    rs_quantize_result *r = NULL;
    rs_quantize_options options = options_of(-1.0);
    rs_assert_error(rs_quantize(f.net, &f.data, &f.set, &f.set, &options, &r, f.diag), RS_USAGE, f.diag,
                    "error margin -1");
    options = options_of((double)NAN);
    rs_assert_error(rs_quantize(f.net, &f.data, &f.set, &f.set, &options, &r, f.diag), RS_USAGE, f.diag,
                    "error margin");
    options = options_of(1.0);
    options.max_bits = 17;
    rs_assert_error(rs_quantize(f.net, &f.data, &f.set, &f.set, &options, &r, f.diag), RS_USAGE, f.diag,
                    "1 to 17 bits");
    options.max_bits = 4;
    options.min_bits = 5;
    rs_assert_error(rs_quantize(f.net, &f.data, &f.set, &f.set, &options, &r, f.diag), RS_USAGE, f.diag, "5 to 4 bits");
    options = options_of(1.0);
    options.fixed_bits[RS_GROUP_INNER_PRODUCT] = 33;
    rs_assert_error(rs_quantize(f.net, &f.data, &f.set, &f.set, &options, &r, f.diag), RS_USAGE, f.diag,
                    "33 bits for inner_product");
    options = options_of(1.0);
    options.rounding = RS_ROUND_STOCHASTIC;
    rs_assert_error(rs_quantize(f.net, &f.data, &f.set, &f.set, &options, &r, f.diag), RS_USAGE, f.diag, "stochastic");

    options = options_of(1.0);
    rs_dataset other = f.set;
    other.height = 4;
    other.width = 9;
    rs_assert_error(rs_quantize(f.net, &f.data, &f.set, &other, &options, &r, f.diag), RS_BAD_INPUT, f.diag, "1x4x9");
    rs_assert_error(rs_quantize(f.net, &f.data, &other, &f.set, &options, &r, f.diag), RS_BAD_INPUT, f.diag, "1x4x9");
    other = f.set;
    int32_t wrong[IMAGES] = { 0 };
    wrong[17] = CLASSES;
    other.labels = wrong;
    rs_assert_error(rs_quantize(f.net, &f.data, &f.set, &other, &options, &r, f.diag), RS_BAD_INPUT, f.diag,
                    "scores 4 classes");
    wrong[17] = -1;
    rs_assert_error(rs_quantize(f.net, &f.data, &f.set, &other, &options, &r, f.diag), RS_BAD_INPUT, f.diag,
                    "image 17");
    other = f.set;
    other.count = 0;
    rs_assert_error(rs_quantize(f.net, &f.data, &f.set, &other, &options, &r, f.diag), RS_BAD_INPUT, f.diag,
                    "no images");

    rs_param *weights = &f.net->layers[rs_net_layer(f.net, "ip1")].params[0];
    const float kept = weights->data[5];
    weights->data[5] = NAN;
    rs_assert_error(rs_quantize(f.net, &f.data, &f.set, &f.set, &options, &r, f.diag), RS_BAD_INPUT, f.diag,
                    "layer 'ip1'");
    weights->data[5] = kept;
    float *const finite = weights->data;
    float huge[27 * 6]; /* finite, but the sums are not */
    for (size_t k = 0; k < sizeof huge / sizeof *huge; k++)
        huge[k] = 3e38f;
    weights->data = huge;
    rs_assert_error(rs_quantize(f.net, &f.data, &f.set, &f.set, &options, &r, f.diag), RS_BAD_INPUT, f.diag,
                    "blob 'ip1'");
    weights->data = finite;
    assert_null(r);
    r = search(&f, &options);
    rs_quantize_result_free(r);
    unmake(&f);
}

/* Every allocation of a search fails once: a clean error each time, and the search as ever in the end. */
static void test_memory_short(void **state)
{
    (void)state;
    fixture f = make(14, 8);
    rs_quantize_options options = options_of(1.0);
    options.max_bits = 2;
    options.checkpoint = rs_test_path("faults.checkpoint");
    rs_quantize_result *whole = search(&f, &options), *r = NULL;
    uint64_t n = 1;
    for (rs_status st = RS_RESOURCE; st != RS_OK; n++) {
        rs_fault_arm(RS_FAULT_ALLOC, n);
        st = rs_quantize(f.net, &f.data, &f.set, &f.set, &options, &r, f.diag);
        rs_fault_arm(RS_FAULT_ALLOC, 0);
        if (st != RS_OK) {
            assert_int_equal(st, RS_RESOURCE);
            assert_null(r);
            assert_true(rs_diag_errors(f.diag) > 0);
            free(rs_test_messages(f.diag));
        }
        assert_true(n < 100000);
    }
    print_message("# %llu allocations failed in turn\n", (unsigned long long)(n - 2));
    assert_true(n > 100);
    assert_same(whole, r, &f);
    rs_quantize_result_free(r);
    rs_quantize_result_free(whole);
    unmake(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_oracle),
        cmocka_unit_test(test_curve_not_monotone),
        cmocka_unit_test(test_hits_needed),
        cmocka_unit_test(test_margin_edge),
        cmocka_unit_test(test_fixed_bits),
        cmocka_unit_test(test_target_missed),
        cmocka_unit_test(test_one_bit_ties),
        cmocka_unit_test(test_zero_layer),
        cmocka_unit_test(test_reuse),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_resume),
        cmocka_unit_test(test_checkpoint_is_used),
        cmocka_unit_test(test_bad_checkpoint),
        cmocka_unit_test(test_formats),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_memory_short),
        cmocka_unit_test(test_interrupted_ranges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
