/* Vectors of their own for a foreign unit: corners of its ranges, and random ones. */
#include <string.h>

#include "base/memory.h"
#include "base/rng.h"
#include "foreign/unit_private.h"

rs_status rs_unit_vectors_new(int products, rs_unit_vectors **result, rs_diag *diag)
{
    rs_unit_vectors *v = RS_NEW(rs_unit_vectors);
    *result = v;
    if (v == NULL || (v->arena = rs_arena_new()) == NULL) {
        rs_free(v);
        *result = NULL;
        return rs_out_of_memory(diag);
    }
    v->products = products;
    return RS_OK;
}

void rs_unit_vectors_free(rs_unit_vectors *v)
{
    if (v == NULL)
        return;
    rs_arena_free(v->arena);
    rs_free(v->sums);
    rs_free(v->skipped);
    rs_free(v);
}

rs_unit_sum *rs_unit_add_sum(rs_unit_vectors *v, const char *layer, int groups, int32_t **activations,
                             int32_t **weights)
{
    rs_unit_sum *sums = rs_grow(v->sums, (size_t)v->n, &v->capacity, sizeof *sums);
    if (sums == NULL)
        return NULL;
    v->sums = sums;
    const size_t n = (size_t)groups * (size_t)v->products;
    *activations = rs_arena_calloc(v->arena, n, sizeof **activations);
    *weights = rs_arena_calloc(v->arena, n, sizeof **weights);
    if (*activations == NULL || *weights == NULL)
        return NULL;
    rs_unit_sum *sum = &v->sums[v->n++];
    *sum = (rs_unit_sum) {
        .layer = layer, .image = -1, .groups = groups, .activations = *activations, .weights = *weights
    };
    return sum;
}

/* The fewest groups that a sum may have: 1, or as many as every sum of this unit has. */
static int whole_sum(const rs_unit_config *config)
{
    return config->groups > 0 ? config->groups : 1;
}

/* ------------------------------------------------------------------------------------------------------ corners */

static int64_t nearest_to(int64_t value, int64_t min, int64_t max)
{
    return value < min ? min : value > max ? max : value;
}

/* Groups that a corner may have at most. */
static int longest_corner(const rs_unit_config *config)
{
    const bool grows = config->accumulates || config->addend.port[0] != '\0';
    return config->groups > 0 || !grows ? whole_sum(config) : 70;
}

/* A sum of exactly `target`: by its bias where that can hold it, else by products, the largest first; none where
 * neither can. */
static rs_status add_target(rs_unit_vectors *v, const rs_unit_config *config, const rs_unit_ranges *r, int64_t target,
                            int shift, rs_diag *diag)
{
    const int64_t a = target < 0 && r->activation_min < 0 ? r->activation_min : r->activation_max;
    const int64_t w = r->weight_max, whole = a * w;
    const bool by_bias = r->bias_bits > 0 && target >= r->bias_min && target <= r->bias_max;
    const bool by_products = config->product_shift == 0 && w >= 1 && a != 0 && (target < 0) == (a < 0);
    const int64_t full = by_products ? target / whole : 0, rest = by_products ? target % whole / a : 0,
                  last = by_products ? target - full * whole - rest * a : 0;
    const int64_t pairs = by_bias ? 0 : full + 2;
    int64_t groups = (pairs + v->products - 1) / v->products;
    groups = groups < whole_sum(config) ? whole_sum(config) : groups;
    if (!(by_bias || by_products) || groups > longest_corner(config))
        return RS_OK;
    int32_t *activations, *weights;
    rs_unit_sum *sum = rs_unit_add_sum(v, "corners", (int)groups, &activations, &weights);
    if (sum == NULL)
        return rs_out_of_memory(diag);
    sum->shift = shift;
    sum->bias = by_bias ? target : 0;
    for (int64_t i = 0; i < pairs; i++) {
        activations[i] = (int32_t)(i < full || (i == full && rest > 0) ? a : i == full ? 0 : last);
        weights[i] = (int32_t)(i < full ? w : i == full ? rest : 1);
    }
    return RS_OK;
}

/* Sums whose rounding decides whether the output saturates: half a step from its ends, after the shift, and next to
 * that. */
static rs_status add_rounding(rs_unit_vectors *v, const rs_unit_config *config, const rs_unit_ranges *r, rs_diag *diag)
{
    const bool has_sign = config->output.is_signed;
    const int64_t top = has_sign ? rs_fxp_max(r->output_bits) : rs_fxp_max(r->output_bits + 1),
                  bottom = has_sign ? rs_fxp_min(r->output_bits) : 0;
    rs_status status = RS_OK;
    for (int shift = r->shift_min > 1 ? r->shift_min : 1; shift <= r->shift_max && status == RS_OK; shift++) {
        if (r->output_bits + shift > r->sum_bits)
            break;
        const int64_t half = (int64_t)1 << (shift - 1),
                      targets[] = { (top << shift) + half, -((-bottom) << shift) - half };
        for (int k = 0; k < 2; k++)
            for (int64_t near = -1; near <= 1 && status == RS_OK; near++)
                status = add_target(v, config, r, targets[k] + near, shift, diag);
    }
    return status;
}

rs_status rs_unit_corners(rs_unit_vectors *v, const rs_unit_config *config, const rs_unit_ranges *r, rs_diag *diag)
{
    const int n = v->products, min_groups = whole_sum(config);
    const int max_groups = longest_corner(config);
    const int shift = (int)nearest_to(config->shift, r->shift_min, r->shift_max);
    const int64_t a_ends[] = { r->activation_min, r->activation_max }, w_ends[] = { r->weight_min, r->weight_max };
    const int32_t one = (int32_t)nearest_to(1, r->activation_min, r->activation_max),
                  unit = (int32_t)nearest_to(1, r->weight_min, r->weight_max);
    int32_t *a, *w;
    /* Zeros; each place of a group alone. */
    for (int i = -1; i < n; i++) {
        rs_unit_sum *sum = rs_unit_add_sum(v, "corners", min_groups, &a, &w);
        if (sum == NULL)
            return rs_out_of_memory(diag);
        sum->shift = shift;
        if (i >= 0) {
            a[i] = one;
            w[i] = unit;
        }
    }
    /* The ends of the ranges, in sums that become longer, until narrow accumulators overflow; the biases' ends with
     * them. */
    for (int groups = min_groups; groups <= max_groups; groups = groups * 4 + 1)
        for (int k = 0; k < 12; k++) {
            rs_unit_sum *sum = rs_unit_add_sum(v, "corners", groups, &a, &w);
            if (sum == NULL)
                return rs_out_of_memory(diag);
            sum->shift = k % 2 == 0 ? shift : (int)nearest_to(r->sum_bits / 2, r->shift_min, r->shift_max);
            sum->bias = k >= 8 ? (k % 2 == 0 ? r->bias_min : r->bias_max) : 0;
            sum->relu = k % 3 == 0;
            for (int i = 0; i < groups * n; i++) {
                a[i] = (int32_t)a_ends[k & 1];
                w[i] = (int32_t)w_ends[k >> 1 & 1];
                if (k >= 4 && k < 8 && i % 2 == 1)
                    w[i] = (int32_t)w_ends[1 - (k >> 1 & 1)]; /* alternating */
            }
        }
    return r->output_bits > 0 ? add_rounding(v, config, r, diag) : RS_OK;
}

/* ------------------------------------------------------------------------------------------------------- random */

static int64_t between(rs_rng *rng, int64_t min, int64_t max)
{
    return min + (int64_t)(rs_rng_next(rng) % ((uint64_t)(max - min) + 1));
}

/* Ends of the range one time in four. */
static int64_t operand(rs_rng *rng, int64_t min, int64_t max)
{
    const uint64_t which = rs_rng_next(rng) % 8;
    return which == 0 ? min : which == 1 ? max : between(rng, min, max);
}

rs_status rs_unit_random(rs_unit_vectors *v, const rs_unit_config *config, const rs_unit_ranges *r, int64_t n,
                         uint64_t seed, rs_diag *diag)
{
    rs_rng rng = { .seed = seed, .stream = 2 };
    const bool grows = config->accumulates || config->addend.port[0] != '\0';
    for (int64_t i = 0; i < n; i++) {
        const int groups = !grows || config->groups > 0 ? whole_sum(config)
                                                        : (int)(1 + rs_rng_next(&rng) % (i % 16 == 0 ? 64 : 12));
        int32_t *a, *w;
        rs_unit_sum *sum = rs_unit_add_sum(v, "random", groups, &a, &w);
        if (sum == NULL)
            return rs_out_of_memory(diag);
        for (int k = 0; k < groups * v->products; k++) {
            a[k] = (int32_t)operand(&rng, r->activation_min, r->activation_max);
            w[k] = (int32_t)operand(&rng, r->weight_min, r->weight_max);
        }
        if (r->bias_bits > 0)
            sum->bias = i % 8 == 0 ? operand(&rng, r->bias_min, r->bias_max)
                                   : between(&rng, r->bias_min / 256, r->bias_max / 256);
        const int max = r->shift_max < r->sum_bits ? r->shift_max : r->sum_bits;
        sum->shift = (int)between(&rng, r->shift_min, max > r->shift_min ? max : r->shift_min);
        sum->relu = rs_rng_next(&rng) % 2 == 0;
    }
    return RS_OK;
}
