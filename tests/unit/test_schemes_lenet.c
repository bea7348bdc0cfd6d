/* test-options: limit=240 */
/* The searches of every scheme on LeNet and the first digits in the tree, ranges and bias correction, and the original
 * program's rules. */
#include "support/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"
#include "search/quantize.h"
#include "support/lenet.h"
#include "emulate/score.h"

enum { IMAGES = 60 };

static int set_up(void **state)
{
    static rs_test_lenet f;
    rs_test_lenet_open(&f, IMAGES);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    rs_test_lenet_close(*state);
    return 0;
}

/* Searches, and scores what was found again on the plain loops. */
static rs_quantize_result *search(const rs_test_lenet *f, const rs_quantize_options *options, int64_t verified)
{
    rs_quantize_result *r = NULL;
    rs_assert_ok(rs_quantize(f->net, &rs_test_lenet_data, &f->set, &f->set, options, &r, f->diag), f->diag);
    rs_engine *fast = NULL, *plain = NULL;
    rs_score a = { .images = 0 }, b = { .images = 0 }, all = { .images = 0 };
    const rs_dataset some = rs_dataset_slice(&f->set, 0, verified);
    rs_assert_ok(rs_engine_new(r->qnet, false, &fast, f->diag), f->diag);
    rs_assert_ok(rs_engine_new(r->qnet, true, &plain, f->diag), f->diag);
    rs_assert_ok(rs_engine_score(fast, &some, 1, &a, f->diag), f->diag);
    rs_assert_ok(rs_engine_score(plain, &some, 1, &b, f->diag), f->diag);
    rs_assert_ok(rs_engine_score(fast, &f->set, 1, &all, f->diag), f->diag);
    assert_true(a.hits == b.hits && a.ties == b.ties);
    assert_true(all.hits == r->hits && all.ties == r->ties);
    rs_engine_free(fast);
    rs_engine_free(plain);
    print_message("# %s: %d/%d/%d, fl %d: %lld of %lld (float %lld), %d trials\n",
                  rs_scheme_name(options->rules.scheme), r->bits[0], r->bits[1], r->bits[2], r->fl, (long long)r->hits,
                  (long long)r->images, (long long)r->float_hits, r->n_trials);
    return r;
}

static void check_static(void **state)
{
    const rs_test_lenet *f = *state;
    rs_quantize_options o;
    rs_quantize_defaults(&o);
    o.rules.scheme = RS_SCHEME_STATIC;
    o.error_margin = 5;
    o.min_bits = 5;
    o.max_bits = 12;
    rs_quantize_result *r = search(f, &o, 5);
    assert_true(r->target_met && r->bits[0] == r->bits[1] && r->bits[1] == r->bits[2]);
    for (int t = 0; t < r->qnet->n_tensors; t++)
        assert_int_equal(r->qnet->tensors[t].format.fl, r->fl);
    for (int i = 0; i < r->qnet->n_ops; i++)
        assert_true(!rs_qop_weighted(&r->qnet->ops[i]) || r->qnet->ops[i].weight_format.fl == r->fl);
    rs_quantize_result_free(r);
    o.fixed_bits[0] = 8;
    rs_assert_error(rs_quantize(f->net, &rs_test_lenet_data, &f->set, &f->set, &o, &r, f->diag), RS_USAGE, f->diag,
                    "one width for everything");
}

static void check_minifloat(void **state)
{
    const rs_test_lenet *f = *state;
    static const char *const NAMES[] = { "4:3", "e5m2", "bfloat16" };
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        rs_quantize_options o;
        rs_quantize_defaults(&o);
        o.rules.scheme = RS_SCHEME_MINIFLOAT;
        o.rounding = RS_ROUND_NEAREST_EVEN;
        o.error_margin = 20;
        assert_true(rs_minifloat_parse(NAMES[i], &o.rules.weight_minifloat));
        o.rules.activation_minifloat = o.rules.weight_minifloat;
        rs_quantize_result *r = search(f, &o, 3);
        assert_true(r->target_met);
        assert_int_equal(r->n_trials, 4);
        for (int t = 0; t < r->qnet->n_tensors; t++)
            assert_true(rs_minifloat_equal(r->qnet->tensors[t].format.minifloat, o.rules.weight_minifloat));
        /* The original stops at the first zero of a tensor. Here what comes after one is rounded too: every weight is
         * one of the format. */
        const rs_qop *op = &r->qnet->ops[0];
        for (int64_t k = 0; k < rs_qop_terms(r->qnet, op) * 20; k++) {
            const float w = f->net->layers[rs_net_layer(f->net, op->name)].params[0].data[k];
            const uint32_t code = rs_minifloat_quantize((double)w, op->weight_format.minifloat, RS_ROUND_NEAREST_EVEN,
                                                        0, NULL);
            assert_int_equal(rs_number_of_code(code, op->weight_format.minifloat), op->weights[k]);
        }
        rs_quantize_result_free(r);
    }
    /* Widths are searched where no format is named. */
    rs_quantize_options o;
    rs_quantize_defaults(&o);
    o.rules.scheme = RS_SCHEME_MINIFLOAT;
    o.rounding = RS_ROUND_NEAREST_EVEN;
    o.error_margin = 10;
    o.max_bits = 9;
    rs_quantize_result *r = search(f, &o, 2);
    for (int g = 0; g < RS_GROUPS; g++)
        assert_true(r->bits[g] >= 5 && r->bits[g] <= 9);
    rs_quantize_result_free(r);
    o.max_bits = 4;
    rs_assert_error(rs_quantize(f->net, &rs_test_lenet_data, &f->set, &f->set, &o, &r, f->diag), RS_USAGE, f->diag,
                    "that is what the scheme 'minifloat' has here");
}

static void check_power2(void **state)
{
    const rs_test_lenet *f = *state;
    for (int i = 0; i < 3; i++) {
        rs_quantize_options o;
        rs_quantize_defaults(&o);
        o.rules.scheme = RS_SCHEME_POWER2;
        o.error_margin = 10;
        o.rules.power2 = i == 1 ? (rs_power2) { -7, -1, true } : RS_POWER2_ORIGINAL;
        o.rules.power2_by_layer = i == 2;
        rs_quantize_result *r = search(f, &o, 5);
        assert_true(r->target_met);
        assert_true(r->bits[0] == 4 && r->bits[1] == 4 && r->bits[2] == 8);
        for (int k = 0; k < r->qnet->n_ops; k++) {
            const rs_qop *op = &r->qnet->ops[k];
            if (!rs_qop_weighted(op))
                continue;
            /* Activations are integers of 8 bits on both sides: no layer is left in float, as the original's are. */
            assert_int_equal(r->qnet->tensors[op->input].format.bits, 8);
            assert_int_equal(r->qnet->tensors[op->output].format.bits, 8);
            for (int64_t n = 0; n < rs_qop_terms(r->qnet, op) * r->qnet->tensors[op->output].channels; n++) {
                uint32_t code;
                assert_true(rs_power2_code(op->weights[n], op->weight_format.power2, &code));
            }
            if (i == 2) { /* the largest weight is in reach */
                const double most = r->weight_max[rs_net_layer(f->net, op->name)];
                assert_int_equal(op->weight_format.power2.max_exponent, rs_power2_exponent(most));
            }
        }
        rs_assert_ok(rs_formats_apply(r->formats, RS_ROUND_NEAREST, RS_BIAS_ACCUMULATOR, f->net, f->diag), f->diag);
        const rs_quantization_param *q = &f->net->layers[rs_net_layer(f->net, "conv1")].quantization;
        assert_true(q->precision == RS_PRECISION_POWER2_WEIGHTS && q->bw_layer_in == 8);
        rs_quantize_result_free(r);
    }
}

/* The original's rules, and what is better without them. */
static void check_original(void **state)
{
    const rs_test_lenet *f = *state;
    rs_quantize_options o;
    rs_quantize_defaults(&o);
    o.error_margin = 5;
    rs_quantize_options compat = o;
    compat.original_search = true;
    compat.bias_rule = RS_BIAS_WEIGHTS;
    compat.rules.original_lengths = true;
    rs_quantize_result *r = search(f, &compat, 5);
    int widths = 0, combinations = 0;
    for (int i = 0; i < r->n_trials; i++) {
        const rs_trial *t = &r->trials[i];
        combinations += t->group == RS_GROUPS;
        if (t->group != RS_GROUPS) {
            const int bits = t->bits[t->group];
            assert_true(bits == 16 || bits == 8 || bits == 4 || bits == 2 || bits == 1);
            widths++;
        }
    }
    assert_int_equal(widths, 15);
    assert_int_equal(combinations, 1); /* it does not widen */
    assert_memory_equal(r->bits, r->single_bits, sizeof r->bits);
    /* One more fractional bit than ours, so that the upper half of the range saturates. */
    rs_ranges *ranges = NULL;
    rs_formats *ours = NULL, *theirs = NULL;
    const int bits[RS_GROUPS] = { 8, 8, 8 };
    rs_assert_ok(rs_ranges_measure(f->net, &rs_test_lenet_data, &f->set, 0, &ranges, f->diag), f->diag);
    rs_assert_ok(rs_formats_make_groups(f->net, ranges, &o.rules, bits, 0, &ours, f->diag), f->diag);
    rs_assert_ok(rs_formats_make_groups(f->net, ranges, &compat.rules, bits, 0, &theirs, f->diag), f->diag);
    for (int b = 0; b < f->net->n_blobs; b++)
        if (ours->activations[b].bits > 0)
            assert_int_equal(theirs->activations[b].fl, ours->activations[b].fl + 1);
    for (int i = 0; i < f->net->n_layers; i++)
        assert_int_equal(theirs->weights[i].fl, ours->weights[i].fl);
    rs_ranges_free(ranges);
    rs_formats_free(ours);
    rs_formats_free(theirs);
    rs_quantize_result_free(r);

    /* A large bias saturates at any width in the weights' format; at the accumulator's LSB it does not. */
    const rs_number_format weights = rs_number_of_fxp((rs_fxp) { 8, 7 }), in = rs_number_of_fxp((rs_fxp) { 8, 6 });
    assert_true(rs_fxp_value(rs_number_fixed.bias(&weights, &in, 0, 5.0, RS_BIAS_WEIGHTS, NULL), 13) < 1.0);
    assert_true(rs_fxp_value(rs_number_fixed.bias(&weights, &in, 0, 5.0, RS_BIAS_ACCUMULATOR, NULL), 13) == 5.0);
}

/* The least squared error is no larger than that of the whole range; a percentile of 100 is the range. */
static void check_ranges(void **state)
{
    const rs_test_lenet *f = *state;
    rs_ranges *ranges = NULL;
    rs_assert_ok(rs_ranges_measure_all(f->net, &rs_test_lenet_data, &f->set, 0, &ranges, f->diag), f->diag);
    rs_format_rules max, least, all, few;
    rs_format_rules_defaults(&max);
    least = all = few = max;
    least.weight_range = least.activation_range = RS_RANGE_SQUARED_ERROR;
    all.weight_range = all.activation_range = few.weight_range = few.activation_range = RS_RANGE_PERCENTILE;
    all.percentile = 100;
    few.percentile = 90;
    int compared = 0, shorter = 0;
    for (int bits = 2; bits <= 8; bits += 2) {
        const int widths[RS_GROUPS] = { bits, bits, bits };
        rs_formats *a = NULL, *b = NULL, *c = NULL, *d = NULL;
        rs_assert_ok(rs_formats_make_groups(f->net, ranges, &max, widths, 0, &a, f->diag), f->diag);
        rs_assert_ok(rs_formats_make_groups(f->net, ranges, &least, widths, 0, &b, f->diag), f->diag);
        rs_assert_ok(rs_formats_make_groups(f->net, ranges, &all, widths, 0, &c, f->diag), f->diag);
        rs_assert_ok(rs_formats_make_groups(f->net, ranges, &few, widths, 0, &d, f->diag), f->diag);
        for (int i = 0; i < f->net->n_layers; i++) {
            if (a->weights[i].bits == 0)
                continue;
            const rs_param *w = &f->net->layers[i].params[0];
            const size_t n = (size_t)rs_shape_count(&w->shape, 0);
            const double whole = rs_number_squared_error(w->data, n, a->weights[i]);
            const double best = rs_number_squared_error(w->data, n, b->weights[i]);
            assert_true(best <= whole);
            rs_number_format other = b->weights[i];
            for (int by = -1; by <= 1; by += 2) {
                other.fl = b->weights[i].fl + by;
                assert_true(other.fl < a->weights[i].fl || best <= rs_number_squared_error(w->data, n, other));
            }
            assert_int_equal(c->weights[i].fl, a->weights[i].fl);
            assert_true(d->weights[i].fl >= a->weights[i].fl);
            shorter += d->weights[i].fl > a->weights[i].fl;
            compared++;
        }
        for (int k = 0; k < f->net->n_blobs; k++)
            if (a->activations[k].bits > 0) {
                assert_true(b->activations[k].fl >= a->activations[k].fl &&
                            d->activations[k].fl >= a->activations[k].fl);
                compared++;
            }
        rs_formats_free(a);
        rs_formats_free(b);
        rs_formats_free(c);
        rs_formats_free(d);
    }
    print_message("# %d formats compared\n", compared);
    assert_true(compared > 30 && shorter > 4);
    rs_ranges_free(ranges);
}

/* With corrected biases the means of the outputs come back to those of the float net: conv1's, whose input rounding
 * does not change. */
static void check_bias_correction(void **state)
{
    const rs_test_lenet *f = *state;
    rs_ranges *ranges = NULL;
    rs_assert_ok(rs_ranges_measure_all(f->net, &rs_test_lenet_data, &f->set, 0, &ranges, f->diag), f->diag);
    rs_format_rules rules;
    rs_format_rules_defaults(&rules);
    rules.bias_correction = true;
    const int widths[RS_GROUPS] = { 3, 3, 0 };
    rs_formats *formats = NULL;
    rs_assert_ok(rs_formats_make_groups(f->net, ranges, &rules, widths, 0, &formats, f->diag), f->diag);
    const int conv1 = rs_net_layer(f->net, "conv1"), ip2 = rs_net_layer(f->net, "ip2");
    assert_non_null(formats->bias[conv1]);
    assert_non_null(formats->bias[ip2]);
    const rs_param *w = &f->net->layers[conv1].params[0];
    int compared = 0;
    for (int64_t o = 0; o < 20; o++) {
        /* The mean over all images and places of the difference of the two sums, by plain loops. */
        double error = 0;
        float rounded[25];
        memcpy(rounded, w->data + o * 25, sizeof rounded);
        rs_number_emulate(rounded, 25, formats->weights[conv1], RS_ROUND_NEAREST, 0, 0);
        for (int64_t n = 0; n < IMAGES; n++)
            for (int y = 0; y < 24; y++)
                for (int x = 0; x < 24; x++)
                    for (int k = 0; k < 25; k++)
                        error += ((double)rounded[k] - (double)w->data[o * 25 + k]) *
                                 (double)((float)f->set.pixels[n * 784 + (y + k / 5) * 28 + x + k % 5] *
                                          rs_test_lenet_data.scale);
        error /= IMAGES * 576.0;
        const double expected = (double)f->net->layers[conv1].params[1].data[o] - error;
        assert_true(fabs((double)formats->bias[conv1][o] - expected) < 1e-6);
        compared++;
    }
    assert_int_equal(compared, 20);
    rs_formats_free(formats);
    rs_ranges_free(ranges);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_static),   cmocka_unit_test(check_minifloat), cmocka_unit_test(check_power2),
        cmocka_unit_test(check_original), cmocka_unit_test(check_ranges),    cmocka_unit_test(check_bias_correction),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
