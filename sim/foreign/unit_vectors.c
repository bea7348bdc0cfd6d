/* What a foreign unit is tried with. */
#include <string.h>

#include "base/memory.h"
#include "base/rng.h"
#include "foreign/unit.h"

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
    rs_free(v);
}

/* A sum of so many groups, its operands zero. NULL: no memory. */
static rs_unit_sum *add(rs_unit_vectors *v, const char *layer, int groups, int32_t **activations, int32_t **weights)
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

static int64_t nearest_to(int64_t value, int64_t least, int64_t largest)
{
    return value < least ? least : value > largest ? largest : value;
}

rs_status rs_unit_corners(rs_unit_vectors *v, const rs_unit_config *config, const rs_unit_ranges *r, rs_diag *diag)
{
    const int n = v->products, least = whole_sum(config);
    const int most_groups = config->groups > 0 || !(config->accumulates || config->addend.port[0] != '\0') ? least : 70;
    const int shift = (int)nearest_to(config->shift, r->shift_min, r->shift_max);
    const int64_t a_ends[] = { r->activation_min, r->activation_max }, w_ends[] = { r->weight_min, r->weight_max };
    const int32_t one = (int32_t)nearest_to(1, r->activation_min, r->activation_max),
                  unit = (int32_t)nearest_to(1, r->weight_min, r->weight_max);
    int32_t *a, *w;
    /* Zeros; each place of a group alone. */
    for (int i = -1; i < n; i++) {
        rs_unit_sum *sum = add(v, "corners", least, &a, &w);
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
    for (int groups = least; groups <= most_groups; groups = groups * 4 + 1)
        for (int k = 0; k < 12; k++) {
            rs_unit_sum *sum = add(v, "corners", groups, &a, &w);
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
    return RS_OK;
}

/* ------------------------------------------------------------------------------------------------------- random */

static int64_t between(rs_rng *rng, int64_t least, int64_t largest)
{
    return least + (int64_t)(rs_rng_next(rng) % ((uint64_t)(largest - least) + 1));
}

/* Ends of the range one time in four. */
static int64_t operand(rs_rng *rng, int64_t least, int64_t largest)
{
    const uint64_t which = rs_rng_next(rng) % 8;
    return which == 0 ? least : which == 1 ? largest : between(rng, least, largest);
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
        rs_unit_sum *sum = add(v, "random", groups, &a, &w);
        if (sum == NULL)
            return rs_out_of_memory(diag);
        for (int k = 0; k < groups * v->products; k++) {
            a[k] = (int32_t)operand(&rng, r->activation_min, r->activation_max);
            w[k] = (int32_t)operand(&rng, r->weight_min, r->weight_max);
        }
        if (r->bias_bits > 0)
            sum->bias = i % 8 == 0 ? operand(&rng, r->bias_min, r->bias_max)
                                   : between(&rng, r->bias_min / 256, r->bias_max / 256);
        const int most = r->shift_max < r->sum_bits ? r->shift_max : r->sum_bits;
        sum->shift = (int)between(&rng, r->shift_min, most > r->shift_min ? most : r->shift_min);
        sum->relu = rs_rng_next(&rng) % 2 == 0;
    }
    return RS_OK;
}

/* ------------------------------------------------------------------------------------------------------- layers */

/* What the unit must be able to hold of a layer. */
static rs_status check_range(const rs_unit_config *config, const char *key, const char *layer, const char *what,
                             int64_t least, int64_t largest, int64_t unit_least, int64_t unit_largest, rs_diag *diag)
{
    if (least >= unit_least && largest <= unit_largest)
        return RS_OK;
    return rs_error(diag, RS_BAD_INPUT, rs_unit_config_place(config, key),
                    "quantize the network to the unit's widths, or choose other layers with --layer",
                    "the %s of layer '%s' go from %lld to %lld, the unit's from %lld to %lld", what, layer,
                    (long long)least, (long long)largest, (long long)unit_least, (long long)unit_largest);
}

/* The operands of one output value: windows as docs/reference/array-data.md section 2 cuts them into segments, each
 * segment filled up with zeros to whole groups. */
typedef struct window {
    const rs_qtensor *in;
    const rs_qop *op;
    bool whole; /* the window is the map */
    bool rows;  /* a segment is a row of the kernel; else one of its points */
    int segments, length, chunks;
} window;

static window window_of(const rs_qnet *qnet, const rs_qop *op, int products)
{
    window w = { .in = &qnet->tensors[op->input], .op = op };
    const int channels = w.in->channels / op->groups;
    w.whole = op->groups == 1 && op->kernel_h == w.in->height && op->kernel_w == w.in->width && op->pad_h == 0 &&
              op->pad_w == 0 && op->dilation_h == 1 && op->dilation_w == 1;
    w.rows = op->groups == 1 && op->dilation_w == 1;
    w.segments = w.whole ? 1 : w.rows ? op->kernel_h : op->kernel_h * op->kernel_w;
    w.length = w.whole ? op->kernel_h * op->kernel_w * channels : w.rows ? op->kernel_w * channels : channels;
    w.chunks = (w.length + products - 1) / products;
    return w;
}

static void fill_window(const window *w, const int32_t *tensor, int oc, int oy, int ox, int products, int32_t *a,
                        int32_t *weights)
{
    const rs_qop *op = w->op;
    const int channels = w->in->channels / op->groups;
    for (int s = 0; s < w->segments; s++)
        for (int k = 0; k < w->length; k++) {
            const int c = k % channels, point = k / channels;
            const int ky = w->whole ? point / op->kernel_w : w->rows ? s : s / op->kernel_w;
            const int kx = w->whole ? point % op->kernel_w : w->rows ? point : s % op->kernel_w;
            const int y = oy * op->stride_h - op->pad_h + ky * op->dilation_h,
                      x = ox * op->stride_w - op->pad_w + kx * op->dilation_w;
            const size_t at = ((size_t)s * (size_t)w->chunks) * (size_t)products + (size_t)k;
            weights[at] =
                op->weights[(((size_t)oc * (size_t)channels + (size_t)c) * (size_t)op->kernel_h + (size_t)ky) *
                                (size_t)op->kernel_w +
                            (size_t)kx];
            if (y >= 0 && y < w->in->height && x >= 0 && x < w->in->width)
                a[at] = tensor[(size_t)c * (size_t)w->in->height * (size_t)w->in->width +
                               (size_t)y * (size_t)w->in->width + (size_t)x];
        }
}

static rs_status add_layer(rs_unit_vectors *v, const rs_unit_config *config, const rs_unit_ranges *r,
                           const rs_qnet *qnet, const rs_qop *op, const int32_t *tensor, int64_t image,
                           int64_t per_layer, uint64_t seed, rs_diag *diag)
{
    const rs_qtensor *in = &qnet->tensors[op->input], *out = &qnet->tensors[op->output];
    const window win = window_of(qnet, op, v->products);
    const int64_t all = (int64_t)out->channels * out->height * out->width;
    const int64_t wanted = per_layer == 0 || per_layer > all ? all : per_layer;
    const bool grows = config->accumulates || config->addend.port[0] != '\0';
    char *name = rs_arena_strdup(v->arena, op->name);
    if (name == NULL)
        return rs_out_of_memory(diag);
    rs_status status = check_range(config, "activations.bits", op->name, "activations", rs_qtensor_min(in),
                                   rs_qtensor_max(in), r->activation_min, r->activation_max, diag);
    const rs_status weights = check_range(config, "weights.bits", op->name, "weights", rs_qop_weight_min(op),
                                          rs_qop_weight_max(op), r->weight_min, r->weight_max, diag);
    if (status != RS_OK || weights != RS_OK)
        return status != RS_OK ? status : weights;
    const int groups_out = out->channels / op->groups;
    for (int64_t i = 0; i < wanted; i++) {
        /* The corners of the map come first: padding is there. */
        int64_t pick = i;
        if (wanted < all)
            pick = (int64_t)rs_random_below(seed, 3, (uint64_t)i, (uint64_t)all);
        int c = (int)(pick / ((int64_t)out->height * out->width)), y = (int)(pick / out->width % out->height),
            x = (int)(pick % out->width);
        if (wanted < all && i < 4) {
            y = i < 2 ? 0 : out->height - 1;
            x = i % 2 == 0 ? 0 : out->width - 1;
        }
        int32_t *a, *w;
        const int part_groups = !grows ? 1 : config->groups; /* 0: the whole sum */
        int groups = win.segments * win.chunks;
        if (part_groups > 0)
            groups = (groups + part_groups - 1) / part_groups * part_groups;
        const int32_t *map = tensor + (size_t)(c / groups_out) * (size_t)(in->channels / op->groups) *
                                          (size_t)in->height * (size_t)in->width;
        rs_unit_sum *sum = add(v, name, groups, &a, &w);
        if (sum == NULL)
            return rs_out_of_memory(diag);
        fill_window(&win, map, c, y, x, v->products, a, w);
        sum->image = image;
        sum->c = c;
        sum->y = y;
        sum->x = x;
        sum->bias = op->bias[c];
        sum->shift = rs_qop_shift(op, c);
        sum->relu = op->relu;
        if (r->bias_bits > 0)
            status = check_range(config, config->bias.port[0] != '\0' ? "bias.bits" : "addend.bits", op->name, "biases",
                                 sum->bias, sum->bias, r->bias_min, r->bias_max, diag);
        if (status == RS_OK && config->shift_port[0] != '\0' &&
            (sum->shift < r->shift_min || sum->shift > r->shift_max))
            status = rs_error(diag, RS_BAD_INPUT, rs_unit_config_place(config, "output.shift_port"),
                              "choose other layers with --layer",
                              "the shift of layer '%s' is %d, the unit's go from %d to %d", op->name, sum->shift,
                              r->shift_min, r->shift_max);
        if (status != RS_OK)
            return status;
        if (part_groups > 0 && groups > part_groups) {
            /* The unit's sums are shorter: each part is a vector of its own. */
            v->n--;
            for (int g = 0; g < groups; g += part_groups) {
                int32_t *ga, *gw;
                const size_t first = (size_t)g * (size_t)v->products,
                             bytes = (size_t)part_groups * (size_t)v->products * sizeof *a;
                rs_unit_sum *part = add(v, name, part_groups, &ga, &gw);
                if (part == NULL)
                    return rs_out_of_memory(diag);
                const rs_unit_sum whole = { .layer = name,
                                            .image = image,
                                            .c = c,
                                            .y = y,
                                            .x = x,
                                            .groups = part_groups,
                                            .activations = ga,
                                            .weights = gw,
                                            .bias = op->bias[c],
                                            .shift = rs_qop_shift(op, c),
                                            .relu = op->relu };
                *part = whole;
                memcpy(ga, a + first, bytes);
                memcpy(gw, w + first, bytes);
            }
        }
    }
    return RS_OK;
}

rs_status rs_unit_layers(rs_unit_vectors *v, const rs_unit_config *config, const rs_unit_ranges *r, const rs_qnet *qnet,
                         int32_t *const *tensors, int64_t image, const char *layer, int64_t per_layer, uint64_t seed,
                         rs_diag *diag)
{
    if (rs_qnet_minifloat(qnet))
        return rs_error(diag, RS_BAD_INPUT, RS_FILE(config->path), NULL,
                        "the network '%s' computes with minifloats; units for integers can be tried", qnet->name);
    rs_status status = RS_OK;
    bool found = false;
    for (int i = 0; i < qnet->n_ops && status == RS_OK; i++) {
        const rs_qop *op = &qnet->ops[i];
        if (!rs_qop_weighted(op) || (layer != NULL && strcmp(layer, op->name) != 0))
            continue;
        found = true;
        status = add_layer(v, config, r, qnet, op, tensors[op->input], image, per_layer,
                           seed + (uint64_t)image * 1000003U + (uint64_t)i, diag);
    }
    if (status == RS_OK && !found) {
        const char *names[512];
        size_t n = 0;
        for (int i = 0; i < qnet->n_ops && n < 512; i++)
            if (rs_qop_weighted(&qnet->ops[i]))
                names[n++] = qnet->ops[i].name;
        const char *near = layer != NULL ? rs_nearest(layer, names, n) : NULL;
        char *hint = near != NULL ? rs_format("did you mean '%s'?", near) : NULL;
        status = layer != NULL ? rs_error(diag, RS_USAGE, RS_NOWHERE, hint,
                                          "the network '%s' has no layer '%s' with weights", qnet->name, layer)
                               : rs_error(diag, RS_BAD_INPUT, RS_FILE(config->path), NULL,
                                          "the network '%s' has no layer with weights", qnet->name);
        rs_free(hint);
    }
    return status;
}
