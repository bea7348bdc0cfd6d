/* Compiler: quantized network -> program of the array. This file: widths, weights in memory, and the whole. */
#include "base/memory.h"
#include "program/compiler.h"

/* ------------------------------------------------------------------------------------------------- widths */

/* `needed`: the widest group of numbers of the net; `what` and `name` say which it is. Sets *bits if it was
 * RS_BITS_AUTO. */
static void resolve_width(rs_compiler *c, int *bits, int needed, const char *what, const char *be, const char *name,
                          const char *key)
{
    const rs_loc loc = rs_array_config_place(c->config, key);
    if (*bits == RS_BITS_AUTO)
        *bits = needed;
    if (needed > 16)
        rs_compiler_note(c, rs_error(c->diag, RS_BAD_INPUT, loc, "quantize the net to at most 16 bits",
                                     "%s '%s' %s %d bits wide; the array takes at most 16", what, name, be, needed));
    else if (needed > *bits)
        rs_compiler_note(c, rs_error(c->diag, RS_BAD_INPUT, loc, NULL,
                                     "%s '%s' %s %d bits wide, but %s is %d; expected at least %d, or auto", what, name,
                                     be, needed, key, *bits, needed));
}

/* Bits of the widest sum of all ops, and the op whose it is. */
static int accumulator_bits(const rs_compiler *c, bool from_weights, const char **name)
{
    int bits = 2;
    *name = "";
    for (int i = 0; i < c->qnet->n_ops; i++) {
        const rs_qop *op = &c->qnet->ops[i];
        if (rs_compiler_on_host(c, op))
            continue;
        /* Everything passes the accumulator, poolings too. */
        const rs_qtensor *in = &c->qnet->tensors[op->input];
        int here = rs_qtensor_signed_bits(in);
        if (rs_qop_has(op, RS_QOP_SUMS) || c->config->pe == RS_PE_MINIFLOAT) {
            const int sum = rs_qop_accumulator_bits(c->qnet, op, from_weights);
            here = sum > here ? sum : here;
        }
        if (here > bits) {
            bits = here;
            *name = op->name;
        }
    }
    return bits;
}

static void resolve_choice(rs_compiler *c, rs_choice *choice, bool needed, const char *key, const char *name,
                           const char *what)
{
    if (*choice == RS_AUTO)
        *choice = needed ? RS_YES : RS_NO;
    if (*choice == RS_NO && needed)
        rs_compiler_note(c, rs_error(c->diag, RS_BAD_INPUT, rs_array_config_place(c->config, key), NULL,
                                     "%s '%s' needs it, but %s is no; expected yes, or auto", what, name, key));
}

/* All numbers of the net and of the array are minifloats of one format. */
static void resolve_minifloat(rs_compiler *c)
{
    rs_array_config *config = &c->program->config;
    const rs_qnet *qnet = c->qnet;
    if (config->minifloat.exponent_bits == 0)
        config->minifloat = qnet->tensors[0].format.minifloat;
    char ours[16], other[16];
    rs_minifloat_name(config->minifloat, ours, sizeof ours);
    const int places = rs_minifloat_fl(config->minifloat);
    if (places < 0 || places > 31 || places > rs_minifloat_integer_bits(config->minifloat)) {
        rs_compiler_note(c,
                         rs_error(c->diag, RS_BAD_INPUT, rs_array_config_place(config, "array.minifloat"), NULL,
                                  "array.minifloat: the bias %d is out of the array's reach", config->minifloat.bias));
        return;
    }
    for (int i = 0; i < qnet->n_tensors + qnet->n_ops; i++) {
        const bool tensor = i < qnet->n_tensors;
        const rs_qop *op = tensor ? NULL : &qnet->ops[i - qnet->n_tensors];
        const rs_minifloat format = tensor ? qnet->tensors[i].format.minifloat : op->weight_format.minifloat;
        if ((!tensor && !rs_qop_weighted(op)) || rs_minifloat_equal(format, config->minifloat))
            continue;
        for (int k = 0; tensor && op == NULL && k < qnet->n_ops; k++)
            if (qnet->ops[k].output == i)
                op = &qnet->ops[k];
        char *what = op == NULL ? rs_format("the input '%s' is", qnet->tensors[i].name)
                                : rs_format(tensor ? "the output of layer '%s' is" : "the weights of layer '%s' are",
                                            op->name);
        rs_compiler_note(c, what == NULL
                                ? rs_out_of_memory(c->diag)
                                : rs_error(c->diag, RS_BAD_INPUT, rs_array_config_place(config, "array.minifloat"),
                                           "an array of minifloats has one format for everything: quantize the net "
                                           "with --scheme minifloat and one "
                                           "format, such as --minifloat e4m3",
                                           "%s %s, but the numbers of the array are %s", what,
                                           rs_minifloat_name(format, other, sizeof other), ours));
        rs_free(what);
        return;
    }
    const int bits = rs_minifloat_bits(config->minifloat);
    int *const widths[] = { &config->activation_bits, &config->weight_bits };
    for (int i = 0; i < 2; i++) {
        if (*widths[i] == RS_BITS_AUTO)
            *widths[i] = bits;
        if (*widths[i] != bits)
            rs_compiler_note(c,
                             rs_error(c->diag, RS_BAD_INPUT,
                                      rs_array_config_place(config, i ? "array.weight_bits" : "array.activation_bits"),
                                      NULL, "array.%s_bits is %d, but the array's numbers are %s; expected %d, or auto",
                                      i ? "weight" : "activation", *widths[i], ours, bits));
    }
    const struct {
        rs_choice *choice;
        const char *key;
    } choices[] = { { &config->unsigned_activations, "array.unsigned_activations" },
                    { &config->average_pooling, "array.average_pooling" },
                    { &config->channel_shifts, "array.channel_shifts" } };
    for (int i = 0; i < 3; i++) {
        if (*choices[i].choice == RS_YES)
            rs_compiler_note(c, rs_error(c->diag, RS_BAD_INPUT, rs_array_config_place(config, choices[i].key), NULL,
                                         "%s is yes, which an array of minifloats does not have; expected no, or auto",
                                         choices[i].key));
        *choices[i].choice = RS_NO;
    }
    config->zero_code = RS_NO;
}

/* Weights: of an array of shifters, powers of two only. On multipliers these are integers as all others are. */
static void resolve_weights(rs_compiler *c)
{
    rs_array_config *config = &c->program->config;
    const rs_qop *other = NULL, *zero = NULL, *channels = NULL, *heaviest = NULL;
    for (int i = 0; i < c->qnet->n_ops; i++) {
        const rs_qop *op = &c->qnet->ops[i];
        if (!rs_qop_weighted(op))
            continue;
        if (op->weight_format.number == RS_NUMBER_POWER2 && op->weight_format.power2.zero)
            zero = op;
        if (op->weight_format.number != RS_NUMBER_POWER2 && !other)
            other = op;
        if (op->weight_fl)
            channels = op;
        heaviest = heaviest ? heaviest : op;
    }
    resolve_choice(c, &config->channel_shifts, channels, "array.channel_shifts", channels ? channels->name : "",
                   "with a fractional length for each channel, the layer");
    if (config->pe != RS_PE_SHIFTER) {
        config->zero_code = RS_NO;
    } else if (other) {
        rs_compiler_note(c,
                         rs_error(c->diag, RS_BAD_INPUT, rs_array_config_place(config, "array.pe"),
                                  "quantize the net with --scheme power-of-two, or set array.pe: multiplier",
                                  "the weights of layer '%s' are %d-bit integers, but array.pe is shifter, which takes "
                                  "powers of two only",
                                  other->name, other->weight_format.bits));
        return;
    } else {
        resolve_choice(c, &config->zero_code, zero, "array.zero_code", zero ? zero->name : "",
                       "with weights of zero, the layer");
        if (config->weight_bits != RS_BITS_AUTO &&
            (config->weight_bits < 2 || config->weight_bits > RS_SHIFTER_MAX_BITS))
            rs_compiler_note(c,
                             rs_error(c->diag, RS_BAD_INPUT, rs_array_config_place(config, "array.weight_bits"), NULL,
                                      "array.weight_bits is %d, but array.pe is shifter; expected 2 to %d, or auto",
                                      config->weight_bits, RS_SHIFTER_MAX_BITS));
    }
    const rs_weight_code code = rs_array_weight_code(config);
    for (int i = 0; i < c->qnet->n_ops; i++)
        if (rs_qop_weighted(&c->qnet->ops[i]) &&
            rs_weight_code_bits(code, &c->qnet->ops[i]) > rs_weight_code_bits(code, heaviest))
            heaviest = &c->qnet->ops[i];
    resolve_width(c, &config->weight_bits, rs_weight_code_bits(code, heaviest), "the weights of layer", "are",
                  heaviest->name, "array.weight_bits");
}

/* Widths of what is not minifloat. */
static void resolve_integers(rs_compiler *c)
{
    rs_array_config *config = &c->program->config;
    const rs_qtensor *widest = &c->qnet->tensors[0], *is_unsigned = NULL;
    for (int i = 0; i < c->qnet->n_tensors; i++) {
        const rs_qtensor *t = &c->qnet->tensors[i];
        if (t->format.bits > widest->format.bits)
            widest = t;
        if (t->is_unsigned)
            is_unsigned = t;
    }
    resolve_width(c, &config->activation_bits, widest->format.bits, "blob", "is", widest->name,
                  "array.activation_bits");
    resolve_choice(c, &config->unsigned_activations, is_unsigned, "array.unsigned_activations",
                   is_unsigned ? is_unsigned->name : "", "the unsigned blob");

    const rs_qop *average = NULL;
    for (int i = 0; i < c->qnet->n_ops; i++)
        if (c->qnet->ops[i].type == RS_QOP_AVERAGE_POOL)
            average = &c->qnet->ops[i];
    resolve_choice(c, &config->average_pooling, average, "array.average_pooling", average ? average->name : "",
                   "average pooling");
    resolve_weights(c);
}

static void resolve_widths(rs_compiler *c)
{
    rs_array_config *config = &c->program->config;
    int weighted = 0;
    for (int i = 0; i < c->qnet->n_ops; i++)
        weighted += rs_qop_weighted(&c->qnet->ops[i]);
    if (weighted == 0) {
        rs_compiler_note(c, rs_error(c->diag, RS_BAD_INPUT, RS_NOWHERE, NULL,
                                     "net '%s' has no convolution and no inner product: nothing to run",
                                     c->qnet->name ? c->qnet->name : ""));
        return;
    }
    if (config->pe == RS_PE_MINIFLOAT)
        resolve_minifloat(c);
    else
        resolve_integers(c);
    if (c->status != RS_OK)
        return;
    if (config->accumulator_bits == RS_BITS_AUTO || config->accumulator_bits == RS_BITS_WEIGHTS) {
        const char *name;
        config->accumulator_bits = accumulator_bits(c, config->accumulator_bits == RS_BITS_WEIGHTS, &name);
        if (config->accumulator_bits > rs_array_accumulator_max_bits(config))
            rs_compiler_note(c, rs_error(c->diag, RS_BAD_INPUT, rs_array_config_place(config, "array.accumulator_bits"),
                                         config->pe == RS_PE_MINIFLOAT ? "formats of fewer exponent bits need less"
                                                                       : "narrower weights or activations need less",
                                         "layer '%s': its sums need %d bits; accumulators have at most %d", name,
                                         config->accumulator_bits, rs_array_accumulator_max_bits(config)));
    } else if (config->accumulator_bits > rs_array_accumulator_max_bits(config)) {
        rs_compiler_note(c,
                         rs_error(c->diag, RS_BAD_INPUT, rs_array_config_place(config, "array.accumulator_bits"), NULL,
                                  "array.accumulator_bits is %d; only an array of minifloats may have more than %d",
                                  config->accumulator_bits, rs_array_accumulator_max_bits(config)));
    }
    if (config->rounding != c->qnet->rounding)
        rs_compiler_note(c, rs_error(c->diag, RS_BAD_INPUT, rs_array_config_place(config, "array.rounding"),
                                     "set array.rounding, or quantize with another --rounding",
                                     "array.rounding is %s, but net '%s' rounds %s; expected the same",
                                     rs_rounding_name(config->rounding), c->qnet->name ? c->qnet->name : "",
                                     rs_rounding_name(c->qnet->rounding)));
}

/* ------------------------------------------------------------------------------------------------- memory */

/* The bias of an output channel, and what the channel shifts more than the layer does. */
static void put_bias(const rs_program *program, const rs_qop *op, int64_t channel, int64_t bit)
{
    const rs_array_config *config = &program->config;
    /* Minifloats: shifted to the accumulator's lowest bit; the memory is zero so far. */
    const int places = config->pe == RS_PE_MINIFLOAT ? 2 * rs_minifloat_fl(config->minifloat) - op->bias_fl : 0;
    for (int at = places; at < config->accumulator_bits; at += 32) {
        const int bits = config->accumulator_bits - at < 32 ? config->accumulator_bits - at : 32;
        const int64_t part = op->bias[channel] >> (at - places < 63 ? at - places : 63);
        rs_bits_put(program->memory, bit + at, bits, part);
    }
    if (config->channel_shifts == RS_YES)
        rs_bits_put(program->memory, bit + config->accumulator_bits, RS_CHANNEL_SHIFT_BITS,
                    rs_qop_shift(op, channel) - op->shift);
}

void rs_compiler_pack(const rs_compiler *c, int index)
{
    const rs_program *program = c->program;
    const rs_array_config *config = &program->config;
    const rs_program_layer *layer = &program->layers[index];
    if (layer->kind != RS_KIND_WEIGHTS)
        return;
    const rs_qop *op = &program->qnet->ops[layer->op];
    const rs_weight_order order = rs_compiler_order(c, index);
    const rs_weight_code code = rs_array_weight_code(config);
    const int64_t terms = (int64_t)order.channels * order.kernel_h * order.kernel_w, beat = config->bus_bits;
    int64_t at = (int64_t)program->descriptors[layer->first].weight_addr * beat; /* in bits */
    for (int64_t group = 0; group < rs_weight_order_groups(&order); group++) {
        const int64_t first = rs_weight_order_first(&order, group), lanes = rs_weight_order_lanes(&order, group);
        for (int64_t lane = 0; lane < lanes; lane++)
            put_bias(program, op, first + lane, at + lane * rs_array_bias_bits(config));
        at += rs_divide_up(lanes * rs_array_bias_bits(config), beat) * beat;
        for (int64_t step = 0; step < order.steps; step++) {
            int64_t bit = at;
            for (int64_t lane = 0; lane < lanes; lane++) {
                const int32_t *weights = op->weights + (first + lane) * terms;
                for (int i = 0; i < config->multipliers; i++, bit += config->weight_bits) {
                    const int64_t w = rs_weight_order_index(&order, step, i, first + lane);
                    if (w >= 0)
                        rs_bits_put(program->memory, bit, config->weight_bits,
                                    rs_weight_encode(code, weights[w], config->weight_bits));
                }
            }
            at += rs_divide_up(lanes * config->multipliers * config->weight_bits, beat) * beat;
        }
    }
}

static rs_status copy_config(rs_program *program, const rs_array_config *config, rs_diag *diag)
{
    program->config = *config;
    program->config.file.path = program->config.name = NULL;
    program->config.file.arena = NULL; /* the tree stays another's */
    if ((config->file.path && !(program->config.file.path = rs_strdup(config->file.path))) ||
        (config->name && !(program->config.name = rs_strdup(config->name))))
        return rs_out_of_memory(diag);
    return RS_OK;
}

static rs_status tile_segment(rs_compiler *c, int index)
{
    rs_program *program = c->program;
    rs_program_segment *segment = &program->segments[index];
    c->segment = index;
    segment->first = program->n_descriptors;
    rs_status status = RS_OK;
    for (int k = 0; k < segment->count_layers && status == RS_OK; k++)
        status = rs_compiler_tile(c, segment->first_layer + k);
    segment->count = program->n_descriptors - segment->first;
    if (status == RS_OK && c->status == RS_OK && segment->count > c->config->program_depth)
        rs_compiler_note(c, rs_error(c->diag, RS_BAD_INPUT, rs_array_config_place(c->config, "array.program_depth"),
                                     "raise array.program_depth, or the buffers: larger bands need fewer descriptors",
                                     "net '%s' needs %d descriptors%s, array.program_depth is %d",
                                     c->qnet->name ? c->qnet->name : "", segment->count,
                                     program->n_segments > 1 ? " between two layers of the host" : "",
                                     c->config->program_depth));
    return status;
}

/* A cycle reads and writes elements side by side, each from a bank of its own. */
static void check_banks(rs_compiler *c, const char *key, int has, int needs)
{
    if (has >= needs)
        return;
    char *hint = rs_format("raise %s to %d, or set it to auto", key, needs);
    rs_compiler_note(c,
                     rs_error(c->diag, RS_BAD_INPUT, rs_array_config_place(c->config, key), hint,
                              "%s is %d, but a cycle reads or writes up to %d elements side by side: %d banks too few",
                              key, has, needs, needs - has));
    rs_free(hint);
}

static rs_status compile(rs_compiler *c)
{
    rs_program *program = c->program;
    resolve_widths(c);
    if (c->status == RS_OK) {
        check_banks(c, "buffers.activation_banks", rs_array_activation_banks(c->config),
                    rs_array_least_activation_banks(c->config));
        check_banks(c, "buffers.output_banks", rs_array_output_banks(c->config),
                    rs_array_least_output_banks(c->config));
    }
    if (c->status != RS_OK)
        return c->status;
    rs_status status = rs_compiler_plan(c);
    if (status != RS_OK)
        return status;
    c->channels = RS_NEW_ARRAY(int32_t *, (size_t)program->n_layers);
    if (!c->channels)
        return rs_out_of_memory(c->diag);

    const rs_qtensor *input = &c->qnet->tensors[0];
    program->tensors[0].beats = rs_divide_up((int64_t)input->channels * input->height * input->width,
                                             rs_array_elements_per_beat(c->config));
    program->memory_beats = program->tensors[0].beats;
    for (int i = 0; i < program->n_segments; i++)
        if ((status = tile_segment(c, i)) != RS_OK)
            return status;
    if (c->status != RS_OK)
        return c->status;
    /* Addresses were checked against 31 bits, so that the product fits. */
    program->memory = rs_calloc((size_t)program->memory_beats, (size_t)rs_program_beat_bytes(program));
    if (!program->memory)
        return rs_out_of_memory(c->diag);
    for (int i = 0; i < program->n_layers; i++)
        rs_compiler_pack(c, i);
    return RS_OK;
}

rs_status rs_program_compile(const rs_qnet *qnet, const rs_array_config *config, rs_program **program, rs_diag *diag)
{
    *program = NULL;
    if (rs_qnet_minifloat(qnet) && config->pe != RS_PE_MINIFLOAT)
        return rs_error(diag, RS_BAD_INPUT, rs_array_config_place(config, "array.pe"),
                        "set array.pe: minifloat, or quantize it with the scheme dynamic, static or power-of-two",
                        "the numbers of network '%s' are minifloats, but array.pe is %s", qnet->name,
                        rs_pe_name(config->pe));
    if (!rs_qnet_minifloat(qnet) && config->pe == RS_PE_MINIFLOAT)
        return rs_error(diag, RS_BAD_INPUT, rs_array_config_place(config, "array.pe"),
                        "quantize it with --scheme minifloat, or set array.pe: multiplier",
                        "the numbers of network '%s' are integers, but array.pe is minifloat", qnet->name);
    rs_compiler c = { .qnet = qnet, .diag = diag, .program = RS_NEW(rs_program) };
    if (!c.program)
        return rs_out_of_memory(diag);
    c.program->qnet = qnet;
    c.config = &c.program->config;
    rs_status status = copy_config(c.program, config, diag);
    if (status == RS_OK)
        status = compile(&c);
    for (int i = 0; c.channels && i < c.program->n_layers; i++)
        rs_free(c.channels[i]);
    rs_free(c.channels);
    rs_free(c.parts);
    rs_free(c.widths);
    rs_free(c.rows_done);
    if (status != RS_OK) {
        rs_program_free(c.program);
        return status;
    }
    c.program->config.file.tree = NULL; /* nothing is reported from here on, and the caller may free it */
    *program = c.program;
    return RS_OK;
}

void rs_program_free(rs_program *program)
{
    if (!program)
        return;
    for (int i = 0; i < program->n_layers; i++)
        rs_free(program->layers[i].name);
    rs_free(program->layers);
    rs_free(program->descriptors);
    rs_free(program->segments);
    for (int i = 0; program->tensors && i < program->qnet->n_tensors; i++)
        rs_free(program->tensors[i].place);
    rs_free(program->tensors);
    rs_free(program->memory);
    rs_free(program->config.file.path);
    rs_free(program->config.name);
    rs_free(program);
}
