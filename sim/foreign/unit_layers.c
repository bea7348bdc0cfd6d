/* Vectors for a foreign unit from a network: the operands of a layer's output values. */
#include <string.h>

#include "base/integer.h"
#include "base/memory.h"
#include "base/rng.h"
#include "foreign/unit_private.h"

/* A layer whose values are taken, and the unit that takes them. */
typedef struct layer_source {
    rs_unit_vectors *vectors;
    const rs_unit_config *config;
    const rs_unit_ranges *ranges;
    const rs_unit_image *image;
    const rs_qop *op;
    const char *name; /* in the vectors' arena */
} layer_source;

typedef struct operands {
    int32_t *activations, *weights;
} operands;

/* Values of a layer, from min to max. */
typedef struct layer_values {
    const char *what;
    int64_t min, max;
} layer_values;

/* What the unit must be able to hold of a layer: key says it, unit_min and unit_max are what it holds. */
static rs_status check_range(const layer_source *s, const char *key, const layer_values *values, int64_t unit_min,
                             int64_t unit_max, rs_diag *diag)
{
    if (values->min >= unit_min && values->max <= unit_max)
        return RS_OK;
    return rs_error(diag, RS_BAD_INPUT, rs_unit_config_place(s->config, key),
                    "quantize the network to the unit's widths, or choose other layers with --layer",
                    "the %s of layer '%s' go from %lld to %lld, the unit's from %lld to %lld", values->what,
                    s->op->name, (long long)values->min, (long long)values->max, (long long)unit_min,
                    (long long)unit_max);
}

static rs_status check_operands(const layer_source *s, rs_diag *diag)
{
    const rs_unit_ranges *r = s->ranges;
    const rs_qtensor *in = &s->image->qnet->tensors[s->op->input];
    const layer_values a = { "activations", rs_qtensor_min(in), rs_qtensor_max(in) },
                       w = { "weights", rs_qop_weight_min(s->op), rs_qop_weight_max(s->op) };
    if (s->config->weights.port[0] == '\0') {
        layer_values products = { "products", a.min * w.min, a.min * w.min };
        const int64_t others[] = { a.min * w.max, a.max * w.min, a.max * w.max };
        for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
            products.min = others[i] < products.min ? others[i] : products.min;
            products.max = others[i] > products.max ? others[i] : products.max;
        }
        return check_range(s, "activations.bits", &products, r->activation_min, r->activation_max, diag);
    }
    const rs_status status = check_range(s, "activations.bits", &a, r->activation_min, r->activation_max, diag);
    const rs_status weights = check_range(s, "weights.bits", &w, r->weight_min, r->weight_max, diag);
    return status != RS_OK ? status : weights;
}

/* The bias and the shift of each channel. */
static rs_status check_channels(const layer_source *s, rs_diag *diag)
{
    const rs_unit_config *config = s->config;
    const rs_unit_ranges *r = s->ranges;
    const char *key = config->bias.port[0] != '\0' ? "bias.bits" : "addend.bits";
    for (int c = 0; c < s->image->qnet->tensors[s->op->output].channels; c++) {
        const layer_values bias = { "biases", s->op->bias[c], s->op->bias[c] };
        const int shift = rs_qop_shift(s->op, c);
        const rs_status status = r->bias_bits > 0 ? check_range(s, key, &bias, r->bias_min, r->bias_max, diag) : RS_OK;
        if (status != RS_OK)
            return status;
        if (config->shift_port[0] != '\0' && (shift < r->shift_min || shift > r->shift_max))
            return rs_error(diag, RS_BAD_INPUT, rs_unit_config_place(config, "output.shift_port"),
                            "choose other layers with --layer",
                            "the shift of layer '%s' is %d, the unit's go from %d to %d", s->op->name, shift,
                            r->shift_min, r->shift_max);
    }
    return RS_OK;
}

static bool is_skipped(const rs_unit_vectors *v, const char *layer)
{
    for (size_t i = 0; i < v->n_skipped; i++)
        if (strcmp(v->skipped[i].layer, layer) == 0)
            return true;
    return false;
}

/* Whether the unit takes the layer. One that it does not take is listed, or, if it was asked for, an error. */
static rs_status check_layer(const layer_source *s, bool *fits, rs_diag *diag)
{
    rs_unit_vectors *v = s->vectors;
    rs_diag *told = s->image->layer != NULL ? NULL : rs_diag_new();
    *fits = !is_skipped(v, s->name);
    rs_status status = *fits ? check_operands(s, told != NULL ? told : diag) : RS_OK;
    if (*fits && status == RS_OK)
        status = check_channels(s, told != NULL ? told : diag);
    if (status == RS_BAD_INPUT && told != NULL) {
        rs_unit_skipped *grown = rs_grow(v->skipped, v->n_skipped, &v->skipped_capacity, sizeof *grown);
        const char *why = grown != NULL ? rs_arena_strdup(v->arena, rs_diag_message(told, 0)->text) : NULL;
        if (grown != NULL)
            v->skipped = grown;
        if (why != NULL)
            v->skipped[v->n_skipped++] = (rs_unit_skipped) { .layer = s->name, .why = why };
        *fits = false;
        status = why != NULL ? RS_OK : rs_out_of_memory(diag);
    }
    rs_diag_free(told);
    return status;
}

/* The operands of one output value: windows as docs/reference/array-data.md section 2 cuts them into segments, each
 * segment filled up with zeros to whole groups. */
typedef struct layer_window {
    const rs_qtensor *in;
    const rs_qop *op;
    bool whole; /* the window is the map */
    bool rows;  /* a segment is a row of the kernel; else one of its points */
    int segments, length, chunks;
} layer_window;

static layer_window window_of(const rs_qnet *qnet, const rs_qop *op, int products)
{
    layer_window w = { .in = &qnet->tensors[op->input], .op = op };
    const int channels = w.in->channels / op->groups;
    w.whole = op->groups == 1 && op->kernel_h == w.in->height && op->kernel_w == w.in->width && op->pad_h == 0 &&
              op->pad_w == 0 && op->dilation_h == 1 && op->dilation_w == 1;
    w.rows = op->groups == 1 && op->dilation_w == 1;
    w.segments = w.whole ? 1 : w.rows ? op->kernel_h : op->kernel_h * op->kernel_w;
    w.length = w.whole ? op->kernel_h * op->kernel_w * channels : w.rows ? op->kernel_w * channels : channels;
    w.chunks = (int)rs_divide_up(w.length, products);
    return w;
}

/* A unit that only adds is given products. */
static void multiply_out(operands *to, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        to->activations[i] *= to->weights[i];
        to->weights[i] = 1;
    }
}

/* The operands of output value (oc, oy, ox); tensor: the ifmap of its group. */
static void fill_window(const layer_window *w, const int32_t *tensor, const rs_unit_sum *at, int products,
                        const operands *to)
{
    const rs_qop *op = w->op;
    const int64_t channels = w->in->channels / op->groups, height = w->in->height, width = w->in->width;
    for (int s = 0; s < w->segments; s++)
        for (int k = 0; k < w->length; k++) {
            const int64_t c = k % channels, point = k / channels;
            const int64_t ky = w->whole ? point / op->kernel_w : w->rows ? s : s / op->kernel_w;
            const int64_t kx = w->whole ? point % op->kernel_w : w->rows ? point : s % op->kernel_w;
            const int64_t y = at->y * op->stride_h - op->pad_h + ky * op->dilation_h,
                          x = at->x * op->stride_w - op->pad_w + kx * op->dilation_w;
            const int64_t i = (int64_t)s * w->chunks * products + k;
            to->weights[i] = op->weights[((at->c * channels + c) * op->kernel_h + ky) * op->kernel_w + kx];
            if (y >= 0 && y < height && x >= 0 && x < width)
                to->activations[i] = tensor[(c * height + y) * width + x];
        }
}

/* The last vector is longer than the unit's sums: each part of it becomes a vector of its own. */
static rs_status split_sum(const layer_source *s, int part_groups, rs_diag *diag)
{
    rs_unit_vectors *v = s->vectors;
    const rs_unit_sum whole = v->sums[--v->n];
    const size_t n = (size_t)part_groups * (size_t)v->products;
    for (int g = 0; g < whole.groups; g += part_groups) {
        operands to;
        rs_unit_sum *part = rs_unit_add_sum(v, s->name, part_groups, &to.activations, &to.weights);
        if (part == NULL)
            return rs_out_of_memory(diag);
        *part = whole;
        part->groups = part_groups;
        part->activations = to.activations;
        part->weights = to.weights;
        memcpy(to.activations, whole.activations + (size_t)g * (size_t)v->products, n * sizeof *to.activations);
        memcpy(to.weights, whole.weights + (size_t)g * (size_t)v->products, n * sizeof *to.weights);
    }
    return RS_OK;
}

/* The vector, or the vectors, of output value (c, y, x). */
static rs_status add_value(const layer_source *s, const layer_window *win, int c, int y, int x, rs_diag *diag)
{
    rs_unit_vectors *v = s->vectors;
    const rs_qop *op = s->op;
    const rs_qtensor *in = win->in, *out = &s->image->qnet->tensors[op->output];
    const bool grows = s->config->accumulates || s->config->addend.port[0] != '\0';
    const int part_groups = !grows ? 1 : s->config->groups; /* 0: the whole sum */
    const int groups = win->segments * win->chunks;
    const int64_t group = c / (out->channels / op->groups), map = (int64_t)in->channels / op->groups;
    operands to;
    rs_unit_sum *sum = rs_unit_add_sum(v, s->name, part_groups > 0 ? (int)rs_round_up(groups, part_groups) : groups,
                                       &to.activations, &to.weights);
    if (sum == NULL)
        return rs_out_of_memory(diag);
    sum->image = s->image->image;
    sum->c = c;
    sum->y = y;
    sum->x = x;
    sum->bias = op->bias[c];
    sum->shift = rs_qop_shift(op, c);
    sum->relu = op->relu;
    fill_window(win, s->image->tensors[op->input] + group * map * in->height * in->width, sum, v->products, &to);
    if (s->config->weights.port[0] == '\0')
        multiply_out(&to, (int64_t)sum->groups * v->products);
    return part_groups > 0 && sum->groups > part_groups ? split_sum(s, part_groups, diag) : RS_OK;
}

static rs_status add_layer(const layer_source *s, uint64_t seed, rs_diag *diag)
{
    const rs_qtensor *out = &s->image->qnet->tensors[s->op->output];
    const layer_window win = window_of(s->image->qnet, s->op, s->vectors->products);
    const int64_t all = (int64_t)out->channels * out->height * out->width, per_layer = s->image->per_layer;
    const int64_t wanted = per_layer == 0 || per_layer > all ? all : per_layer;
    rs_status status = RS_OK;
    for (int64_t i = 0; i < wanted && status == RS_OK; i++) {
        int64_t pick = i;
        if (wanted < all)
            pick = (int64_t)rs_random_below(seed, 3, (uint64_t)i, (uint64_t)all);
        int y = (int)(pick / out->width % out->height), x = (int)(pick % out->width);
        if (wanted < all && i < 4) { /* the corners of the map come first: padding is there */
            y = i < 2 ? 0 : out->height - 1;
            x = i % 2 == 0 ? 0 : out->width - 1;
        }
        status = add_value(s, &win, (int)(pick / ((int64_t)out->height * out->width)), y, x, diag);
    }
    return status;
}

/* Why there is no layer to take. */
static rs_status no_layer(const rs_unit_config *config, const rs_unit_image *image, rs_diag *diag)
{
    enum { MAX_NAMES = 512 };
    const rs_qnet *qnet = image->qnet;
    if (image->layer == NULL)
        return rs_error(diag, RS_BAD_INPUT, RS_FILE(config->file.path), NULL,
                        "the network '%s' has no layer with weights", qnet->name);
    const char *names[MAX_NAMES];
    size_t n = 0;
    for (int i = 0; i < qnet->n_ops && n < MAX_NAMES; i++)
        if (rs_qop_weighted(&qnet->ops[i]))
            names[n++] = qnet->ops[i].name;
    const char *near = rs_nearest(image->layer, names, n);
    char *hint = near != NULL ? rs_format("did you mean '%s'?", near) : NULL;
    const rs_status status = rs_error(diag, RS_USAGE, RS_NOWHERE, hint,
                                      "the network '%s' has no layer '%s' with weights", qnet->name, image->layer);
    rs_free(hint);
    return status;
}

rs_status rs_unit_layers(rs_unit_vectors *vectors, const rs_unit_config *config, const rs_unit_ranges *ranges,
                         const rs_unit_image *image, rs_diag *diag)
{
    const rs_qnet *qnet = image->qnet;
    if (rs_qnet_minifloat(qnet))
        return rs_error(diag, RS_BAD_INPUT, RS_FILE(config->file.path), NULL,
                        "the network '%s' computes with minifloats; units for integers can be tried", qnet->name);
    bool found = false, taken = false;
    for (int i = 0; i < qnet->n_ops; i++) {
        const rs_qop *op = &qnet->ops[i];
        if (!rs_qop_weighted(op) || (image->layer != NULL && strcmp(image->layer, op->name) != 0))
            continue;
        found = true;
        const layer_source source = { vectors, config, ranges, image, op, rs_arena_strdup(vectors->arena, op->name) };
        bool fits = false;
        rs_status status = source.name == NULL ? rs_out_of_memory(diag) : check_layer(&source, &fits, diag);
        if (status == RS_OK && fits)
            status = add_layer(&source, image->seed + (uint64_t)image->image * 1000003U + (uint64_t)i, diag);
        if (status != RS_OK)
            return status;
        taken = taken || fits;
    }
    if (found && !taken)
        return rs_error(diag, RS_BAD_INPUT, RS_FILE(config->file.path), "quantize the network to the unit's widths",
                        "no layer of the network '%s' fits the unit: %s", qnet->name, vectors->skipped[0].why);
    return found ? RS_OK : no_layer(config, image, diag);
}
