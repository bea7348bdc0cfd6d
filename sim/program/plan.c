/* Which op runs where: fusing, concatenation by address, segments between layers of the host, and the layout of a
 * pixel. */
#include "base/memory.h"
#include "program/compiler.h"

/* ------------------------------------------------------------------------------------------------- fusing */

/* The op that alone reads a tensor; -1: none, several, or the tensor is wanted in memory. */
static int only_consumer(const rs_qnet *qnet, int tensor)
{
    int found = -1;
    if (tensor == qnet->n_tensors - 1)
        return -1; /* the scores */
    for (int i = 0; i < qnet->n_ops; i++)
        for (int k = 0; k < qnet->ops[i].n_inputs; k++) {
            if (qnet->ops[i].inputs[k] != tensor)
                continue;
            if (found >= 0)
                return -1;
            found = i;
        }
    return found;
}

static bool same_format(const rs_qtensor *a, const rs_qtensor *b)
{
    return a->format.bits == b->format.bits && a->format.fl == b->format.fl && a->is_unsigned == b->is_unsigned &&
           a->format.number == b->format.number;
}

/* Convolution positions under pooling windows along an axis, over all windows. */
static int64_t under_windows(int64_t outputs, int64_t conv, int64_t size, int64_t stride)
{
    int64_t sum = 0;
    for (int64_t o = 0; o < outputs; o++) {
        const int64_t left = conv - o * stride;
        sum += left < size ? left : size;
    }
    return sum;
}

/* Whether a pooling takes less time fused into its convolution (whose positions under several windows are then computed
 * for each of them) than on its own. */
static bool fusing_pays(const rs_compiler *c, const rs_qop *op, const rs_qop *pool)
{
    const rs_qtensor *conv = &c->qnet->tensors[pool->input], *out = &c->qnet->tensors[pool->output];
    const rs_weight_order order = rs_weight_order_of(c->qnet, op, c->config->lanes, c->config->multipliers,
                                                     rs_array_weight_code(c->config));
    const int64_t direct = c->config->lanes < c->config->multipliers ? c->config->lanes : c->config->multipliers;
    const int64_t under = under_windows(out->height, conv->height, pool->kernel_h, pool->stride_h) *
                          under_windows(out->width, conv->width, pool->kernel_w, pool->stride_w);
    const int64_t fused = under * rs_weight_order_groups(&order) * order.steps,
                  alone = (int64_t)conv->height * conv->width * rs_weight_order_groups(&order) * order.steps +
                          under * rs_divide_up(conv->channels, direct);
    return fused <= alone;
}

static bool can_fuse_pool(const rs_compiler *c, const rs_program_layer *layer, const rs_qop *pool)
{
    const rs_qtensor *conv = &c->qnet->tensors[pool->input], *out = &c->qnet->tensors[pool->output];
    return pool->type == RS_QOP_MAX_POOL && layer->kind == RS_KIND_WEIGHTS && layer->pool_op < 0 && !pool->pad_h &&
           !pool->pad_w && (int64_t)(out->height - 1) * pool->stride_h < conv->height &&
           (int64_t)(out->width - 1) * pool->stride_w < conv->width && same_format(conv, out) &&
           fusing_pays(c, &c->qnet->ops[layer->op], pool);
}

static void refuse(rs_compiler *c, const rs_qop *op, const char *hint, const char *what)
{
    rs_compiler_note(c, rs_error(c->diag, RS_BAD_INPUT, RS_NOWHERE, hint, "layer '%s': %s", op->name, what));
}

static rs_status add_layer(rs_compiler *c, rs_program_kind kind, int op, const char *name, int input, int output,
                           rs_program_layer **layer)
{
    *layer = &c->program->layers[c->program->n_layers++];
    **layer = (rs_program_layer) { .kind = kind,
                                   .op = op,
                                   .pool_op = -1,
                                   .relu_op = -1,
                                   .input = input,
                                   .second = -1,
                                   .output = output,
                                   .blob = output };
    (*layer)->name = rs_strdup(name);
    return (*layer)->name ? RS_OK : rs_out_of_memory(c->diag);
}

/* The ReLU and the pooling that follow a layer that nothing else sees. */
static void fuse_followers(rs_compiler *c, rs_program_layer *layer, bool *taken)
{
    const rs_qnet *qnet = c->qnet;
    for (int next; (next = only_consumer(qnet, layer->output)) >= 0;) {
        const rs_qop *follower = &qnet->ops[next];
        if (can_fuse_pool(c, layer, follower))
            layer->pool_op = next;
        else if (follower->type == RS_QOP_RELU && layer->relu_op < 0 &&
                 same_format(&qnet->tensors[follower->input], &qnet->tensors[follower->output]))
            layer->relu_op = next;
        else
            break;
        taken[next] = true;
        layer->output = layer->blob = follower->output;
    }
}

/* The layer so far that makes a tensor; NULL: the input. */
static rs_program_layer *maker(const rs_compiler *c, int tensor)
{
    for (int i = 0; i < c->program->n_layers; i++)
        if (c->program->layers[i].output == tensor)
            return &c->program->layers[i];
    return NULL;
}

/* The parts of a concatenation: written where they belong by their makers, or copied. */
static rs_status plan_concat(rs_compiler *c, int index)
{
    const rs_qop *op = &c->qnet->ops[index];
    rs_status status = RS_OK;
    for (int k = 0; k < op->n_inputs && status == RS_OK; k++) {
        const int part = op->inputs[k];
        rs_program_layer *by = maker(c, part);
        if (by && c->qnet->ops[part - 1].type != RS_QOP_CONCAT && by->kind != RS_KIND_HOST &&
            only_consumer(c->qnet, part) == index &&
            same_format(&c->qnet->tensors[part], &c->qnet->tensors[op->output])) {
            by->blob = op->output;
            by->part = k;
            c->parts[part] = op->output;
            continue;
        }
        rs_program_layer *copy;
        char *name = rs_format("%s/%s", op->name, c->qnet->tensors[part].name);
        status = name ? add_layer(c, RS_KIND_COPY, index, name, part, op->output, &copy) : rs_out_of_memory(c->diag);
        if (name)
            copy->part = k;
        rs_free(name);
    }
    return status;
}

/* ------------------------------------------------------------------------------------------------ layouts */

/* places[c] of `to` from those of `from` (or none), `channels` of them, moved by `offset`. */
static rs_status place(rs_compiler *c, rs_region *to, int first, int64_t channels, const int32_t *from, int64_t offset,
                       int total)
{
    if (!to->place && !(to->place = RS_NEW_ARRAY(int32_t, (size_t)total)))
        return rs_out_of_memory(c->diag);
    for (int64_t k = 0; k < channels; k++)
        to->place[first + k] = (int32_t)(offset + (from ? from[k] : k));
    return RS_OK;
}

/* Without places where element and channel are the same. */
static void simplify(rs_region *region, int channels)
{
    for (int i = 0; region->place && i < channels; i++)
        if (region->place[i] != i)
            return;
    rs_free(region->place);
    region->place = NULL;
}

/* A concatenation: its parts, each on whole beats of every pixel. */
static rs_status lay_out_concat(rs_compiler *c, const rs_qop *op)
{
    const int64_t elements = rs_array_elements_per_beat(c->config);
    rs_region *whole = &c->program->tensors[op->output];
    const int channels = c->qnet->tensors[op->output].channels;
    int64_t offset = 0;
    int first = 0;
    for (int k = 0; k < op->n_inputs; k++) {
        const int part = op->inputs[k];
        const rs_status status = place(c, whole, first, c->qnet->tensors[part].channels,
                                       c->program->tensors[part].place, offset, channels);
        if (status != RS_OK)
            return status;
        first += c->qnet->tensors[part].channels;
        offset += rs_divide_up(c->widths[part], elements) * elements;
    }
    whole->pixel = c->widths[op->output] = offset;
    simplify(whole, channels);
    return RS_OK;
}

static bool same_places(const rs_region *a, const rs_region *b, int channels)
{
    if (a->pixel != b->pixel)
        return false;
    for (int i = 0; i < channels; i++)
        if ((a->place ? a->place[i] : i) != (b->place ? b->place[i] : i))
            return false;
    return true;
}

/* A layer with weights makes a dense pixel. */
static rs_status lay_out_weights(rs_compiler *c, const rs_qop *op)
{
    if (op->groups > 1 && c->program->tensors[op->input].place)
        refuse(c, op, "parts that fill whole beats are not padded",
               "the array cannot run a convolution in groups on a concatenation whose parts are padded to whole beats");
    return RS_OK;
}

/* Direct layers keep what lies in a pixel. */
static rs_status lay_out_direct(rs_compiler *c, const rs_qop *op)
{
    const rs_region *in = &c->program->tensors[op->input];
    rs_region *out = &c->program->tensors[op->output];
    const int channels = c->qnet->tensors[op->output].channels;
    out->pixel = c->widths[op->output] = in->pixel;
    return in->place ? place(c, out, 0, channels, in->place, 0, channels) : RS_OK;
}

static rs_status lay_out_add(rs_compiler *c, const rs_qop *op)
{
    const rs_region *tensors = c->program->tensors;
    const rs_status status = lay_out_direct(c, op);
    if (op->n_inputs == 2 &&
        !same_places(&tensors[op->input], &tensors[op->inputs[1]], c->qnet->tensors[op->output].channels))
        refuse(c, op, "concatenations whose parts fill whole beats lie as other blobs do",
               "the array cannot add a concatenation whose parts are padded to whole beats and a blob that is not");
    return status;
}

/* -------------------------------------------------------------------------------------------------- operations */

static void check_add(rs_compiler *c, const rs_qop *op)
{
    const rs_qtensor *tensors = c->qnet->tensors;
    if (op->n_inputs != 2)
        refuse(c, op, "add two at a time", "the array adds two blobs, not more");
    else if (tensors[op->inputs[0]].is_unsigned != tensors[op->inputs[1]].is_unsigned)
        refuse(c, op, NULL, "the array cannot add a signed and an unsigned blob");
}

static void check_pooling(rs_compiler *c, const rs_qop *op)
{
    const rs_qtensor *in = &c->qnet->tensors[op->input], *out = &c->qnet->tensors[op->output];
    if ((int64_t)(out->height - 1) * op->stride_h - op->pad_h >= in->height ||
        (int64_t)(out->width - 1) * op->stride_w - op->pad_w >= in->width)
        refuse(
            c, op, NULL,
            "its last window lies outside the map; expected strides of at most the kernel's size, or a map that they "
            "divide");
}

/* How the array runs a type of ops. */
typedef struct array_step {
    rs_program_kind kind;                                   /* of the layer that it becomes */
    bool integers_only;                                     /* of minifloats the host runs it */
    void (*check)(rs_compiler *c, const rs_qop *op);        /* what the array cannot do; NULL: nothing */
    rs_status (*plan)(rs_compiler *c, int op);              /* NULL: one layer */
    rs_status (*lay_out)(rs_compiler *c, const rs_qop *op); /* its output, which is dense so far */
} array_step;

/* By type; without `lay_out` the array does not have it. Averages of minifloats are taken in binary64. */
static const array_step steps[RS_QOPS] = {
    [RS_QOP_CONVOLUTION] = { .kind = RS_KIND_WEIGHTS, .lay_out = lay_out_weights },
    [RS_QOP_INNER_PRODUCT] = { .kind = RS_KIND_WEIGHTS, .lay_out = lay_out_weights },
    [RS_QOP_MAX_POOL] = { .kind = RS_KIND_MAX_POOL, .check = check_pooling, .lay_out = lay_out_direct },
    [RS_QOP_RELU] = { .kind = RS_KIND_COPY, .lay_out = lay_out_direct },
    [RS_QOP_AVERAGE_POOL] = { .kind = RS_KIND_AVERAGE_POOL,
                              .integers_only = true,
                              .check = check_pooling,
                              .lay_out = lay_out_direct },
    [RS_QOP_ADD] = { .kind = RS_KIND_ADD, .check = check_add, .lay_out = lay_out_add },
    [RS_QOP_CONCAT] = { .plan = plan_concat, .lay_out = lay_out_concat },
};

bool rs_compiler_on_host(const rs_compiler *c, const rs_qop *op)
{
    return rs_qop_has(op, RS_QOP_HOST) || (steps[op->type].integers_only && c->config->pe == RS_PE_MINIFLOAT);
}

/* What the array cannot do, named. */
static void check_op(rs_compiler *c, const rs_qop *op)
{
    if (rs_compiler_on_host(c, op))
        return;
    if (c->config->unsigned_activations == RS_YES && c->config->activation_bits > 15)
        refuse(c, op, "15 bits are enough for unsigned ones",
               "an array of 16-bit activations cannot take unsigned ones");
    if (c->qnet->tensors[op->output].format.bits > RS_QNET_MAX_BITS)
        refuse(c, op, "quantize the scores to at most 16 bits", "outputs of more than 16 bits cannot run on the array");
    if (steps[op->type].check)
        steps[op->type].check(c, op);
}

static rs_status plan_op(rs_compiler *c, int index, bool *taken)
{
    const rs_qop *op = &c->qnet->ops[index];
    const array_step *step = &steps[op->type];
    rs_program_layer *layer;
    if (rs_compiler_on_host(c, op))
        return add_layer(c, RS_KIND_HOST, index, op->name, op->input, op->output, &layer);
    if (!step->lay_out)
        return rs_error(c->diag, RS_BAD_INPUT, RS_NOWHERE, NULL, "layer '%s': %s cannot run on the array", op->name,
                        rs_qop_type_name(op->type));
    if (step->plan)
        return step->plan(c, index);
    const rs_status status = add_layer(c, step->kind, index, op->name, op->input, op->output, &layer);
    if (step->kind == RS_KIND_ADD)
        layer->second = op->inputs[1];
    if (status == RS_OK)
        fuse_followers(c, layer, taken);
    return status;
}

static rs_status lay_out(rs_compiler *c)
{
    const rs_qnet *qnet = c->qnet;
    rs_region *tensors = c->program->tensors;
    tensors[0].pixel = c->widths[0] = qnet->tensors[0].channels;
    rs_status status = RS_OK;
    for (int i = 0; i < qnet->n_ops && status == RS_OK; i++) {
        const rs_qop *op = &qnet->ops[i];
        tensors[op->output].pixel = c->widths[op->output] = qnet->tensors[op->output].channels;
        if (!rs_compiler_on_host(c, op))
            status = steps[op->type].lay_out(c, op);
    }
    return status;
}

/* A part's elements lie in the whole. */
static void place_parts(rs_compiler *c)
{
    for (int t = c->qnet->n_tensors - 1; t >= 0; t--) /* wholes come after their parts */
        if (c->parts[t] >= 0)
            c->program->tensors[t].pixel = c->program->tensors[c->parts[t]].pixel;
}

static rs_status plan_segments(rs_compiler *c)
{
    rs_program *program = c->program;
    program->segments = RS_NEW_ARRAY(rs_program_segment, (size_t)program->n_layers + 1);
    if (!program->segments)
        return rs_out_of_memory(c->diag);
    for (int i = 0; i < program->n_layers; i++) {
        const bool host = program->layers[i].kind == RS_KIND_HOST;
        if (i == 0 || host || program->layers[i - 1].kind == RS_KIND_HOST)
            program->segments[program->n_segments++] = (rs_program_segment) { .first_layer = i };
        program->segments[program->n_segments - 1].count_layers++;
    }
    return RS_OK;
}

rs_status rs_compiler_plan(rs_compiler *c)
{
    const rs_qnet *qnet = c->qnet;
    rs_program *program = c->program;
    int max_layers = 0;
    for (int i = 0; i < qnet->n_ops; i++)
        max_layers += qnet->ops[i].n_inputs;
    bool *taken = RS_NEW_ARRAY(bool, (size_t)qnet->n_ops);
    program->layers = RS_NEW_ARRAY(rs_program_layer, max_layers);
    program->tensors = RS_NEW_ARRAY(rs_region, (size_t)qnet->n_tensors);
    c->parts = RS_NEW_ARRAY(int, (size_t)qnet->n_tensors);
    c->widths = RS_NEW_ARRAY(int64_t, (size_t)qnet->n_tensors);
    rs_status status = taken && program->layers && program->tensors && c->parts && c->widths
                           ? RS_OK
                           : rs_out_of_memory(c->diag);
    for (int i = 0; i < qnet->n_tensors && status == RS_OK; i++)
        c->parts[i] = -1;
    for (int i = 0; i < qnet->n_ops && status == RS_OK; i++) {
        check_op(c, &qnet->ops[i]);
        if (!taken[i])
            status = plan_op(c, i, taken);
    }
    rs_free(taken);
    if (status == RS_OK)
        status = c->status;
    if (status == RS_OK)
        status = lay_out(c);
    if (status == RS_OK)
        place_parts(c);
    if (status == RS_OK)
        status = plan_segments(c);
    return status == RS_OK ? c->status : status;
}
