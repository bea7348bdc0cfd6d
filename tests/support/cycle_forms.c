/* The closed forms of cycle counts, from sizes alone. */
#include "support/cycle_forms.h"

static int64_t ceil_of(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t most(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* The pooling whose windows a layer's positions lie under, or NULL. */
static const rs_qop *pooling(const rs_qnet *q, const rs_program_layer *layer)
{
    return layer->kind == RS_KIND_MAX_POOL ? &q->ops[layer->op] : layer->pool_op >= 0 ? &q->ops[layer->pool_op] : NULL;
}

/* Positions under windows of one axis. Those in front of the map take their cycle, those behind it are skipped. */
static int64_t under(int64_t outputs, int64_t in, int64_t kernel, int64_t stride, int64_t pad)
{
    int64_t n = 0;
    for (int64_t o = 0; o < outputs; o++)
        for (int64_t k = 0; k < kernel; k++)
            n += o * stride - pad + k < in;
    return n;
}

static int64_t positions(const rs_qnet *q, const rs_program_layer *layer)
{
    const rs_qtensor *out = &q->tensors[layer->output];
    const rs_qop *pool = pooling(q, layer);
    if (!pool)
        return (int64_t)out->height * out->width;
    const rs_qtensor *in = &q->tensors[pool->input];
    return under(out->height, in->height, pool->kernel_h, pool->stride_h, pool->pad_h) *
           under(out->width, in->width, pool->kernel_w, pool->stride_w, pool->pad_w);
}

/* Rows of the ifmap that any window reaches. */
static int64_t rows(const rs_qnet *q, const rs_program_layer *layer)
{
    const rs_qop *op = &q->ops[layer->op], *pool = pooling(q, layer);
    const rs_qtensor *in = &q->tensors[layer->input], *out = &q->tensors[layer->output];
    int64_t last = out->height - 1;
    if (pool)
        last = least(last * pool->stride_h - pool->pad_h + pool->kernel_h - 1, q->tensors[pool->input].height - 1);
    if (layer->kind == RS_KIND_WEIGHTS || layer->kind == RS_KIND_AVERAGE_POOL)
        last = last * op->stride_h - op->pad_h + (op->kernel_h - 1) * op->dilation_h;
    return least(last + 1, in->height);
}

/* Groups, steps and beats of weights. */
static void weighted(const rs_program *program, const rs_program_layer *layer, rs_test_form *f)
{
    const rs_array_config *c = &program->config;
    const rs_qnet *q = program->qnet;
    const rs_qop *op = &q->ops[layer->op];
    const rs_qtensor *in = &q->tensors[layer->input];
    const int64_t L = c->lanes, X = c->multipliers, N = in->channels, M = q->tensors[op->output].channels,
                  G = op->groups;
    int64_t S = 1; /* convolution groups side by side */
    for (int64_t s = 2; s <= G && rs_array_weight_code(c) != RS_WEIGHT_SHIFT; s++)
        if (G % s == 0 && s * M / G <= L && s * N / G <= X)
            S = s;
    const bool whole = G == 1 && op->kernel_h == in->height && op->kernel_w == in->width && !op->pad_h && !op->pad_w &&
                       op->dilation_h == 1 && op->dilation_w == 1;
    if (whole)
        f->steps = ceil_of((int64_t)op->kernel_h * op->kernel_w * N, X);
    else if (G == 1 && op->dilation_w == 1)
        f->steps = op->kernel_h * ceil_of(op->kernel_w * N, X);
    else
        f->steps = (int64_t)op->kernel_h * op->kernel_w * ceil_of(S * N / G, X);
    const int64_t outputs = S * M / G, per_set = ceil_of(outputs, L), rest = outputs - (per_set - 1) * L;
    f->groups = G / S * per_set;
    const int64_t lanes[2] = { per_set > 1 ? L : rest, rest };
    int64_t beats[2];
    for (int i = 0; i < 2; i++)
        beats[i] = ceil_of(lanes[i] * rs_array_bias_bits(c), c->bus_bits) +
                   f->steps * ceil_of(lanes[i] * X * c->weight_bits, c->bus_bits);
    f->weights = beats[0];
    f->weights_last = beats[1];
    f->alike = beats[0] == beats[1] || f->groups == per_set;
}

rs_test_form rs_test_form_of(const rs_program *program, const rs_program_layer *layer)
{
    const rs_array_config *c = &program->config;
    const rs_qnet *q = program->qnet;
    const rs_qop *op = &q->ops[layer->op];
    const rs_qtensor *in = &q->tensors[layer->input], *out = &q->tensors[layer->output];
    const int64_t E = c->bus_bits / c->activation_bits, N = in->channels, P = least(c->lanes, c->multipliers);
    rs_test_form f = { .direct = layer->kind != RS_KIND_WEIGHTS,
                       .groups = ceil_of(N, P),
                       .positions = positions(q, layer),
                       .steps = 1,
                       .alike = true,
                       .latency = c->latency,
                       .stages = rs_array_tree_stages(c) };
    if (layer->kind == RS_KIND_WEIGHTS)
        weighted(program, layer, &f);
    if (layer->kind == RS_KIND_AVERAGE_POOL)
        f.steps = (int64_t)op->kernel_h * op->kernel_w;
    if (layer->kind == RS_KIND_ADD)
        f.steps = 2;
    f.run = f.positions * f.steps;
    f.ifmap = ceil_of(rows(q, layer) * in->width * N, E) * (layer->kind == RS_KIND_ADD ? 2 : 1);
    f.ofmap = layer->blob == layer->output ? ceil_of((int64_t)out->height * out->width * out->channels, E)
                                           : (int64_t)out->height * out->width * ceil_of(out->channels, E);
    return f;
}

/* n groups on, if all are alike. */
static int64_t uniform(const rs_test_form *f, int64_t n)
{
    const int64_t a = f->run + 1, b = f->weights + 1, h = f->latency + f->stages + 3;
    return most(n * most(a, b), n / 2 * (a + b + h) + n % 2 * most(a, b));
}

int64_t rs_test_form_between(const rs_test_form *f)
{
    const int64_t n = f->groups - 1, a = f->run + 1, b = f->weights + 1, h = f->latency + f->stages + 3;
    if (f->direct || n == 0)
        return n * a;
    /* When the last group's phase may begin, and when it has come. */
    const int64_t phase = n == 1 ? 0 : most((n - 1) * b, uniform(f, n - 2) + a + h);
    return most(phase + f->weights_last + 1, uniform(f, n - 1) + a);
}

int64_t rs_test_form_alone(const rs_test_form *f)
{
    const int64_t first = f->direct ? f->ifmap + f->latency + 4
                                    : (f->groups > 1 ? f->weights : f->weights_last) + f->ifmap + f->latency + 5;
    return first + rs_test_form_between(f) + f->run + 8 + f->stages + f->ofmap;
}

int64_t rs_test_form_behind(const rs_test_form *f)
{
    return f->ifmap + f->latency + 2 + rs_test_form_between(f) + f->run + 8 + f->stages + f->ofmap;
}
