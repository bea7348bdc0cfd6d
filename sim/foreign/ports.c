/* The ports of a unit: those that its adapter's keys name, their widths, and what follows from them. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "foreign/unit_private.h"

enum { MAX_KEYS = 4 * RS_UNIT_MAX_PRODUCTS + 128 /* that name a port */ };

/* Verilator writes what C++ does not allow in a name as __0 and two hexadecimal digits, and __SYM__ before words of
 * C++. */
static void port_name(const char *encoded, char *name, size_t size)
{
    static const char word[] = "__SYM__";
    static const char digits[] = "0123456789abcdef";
    if (strncmp(encoded, word, sizeof word - 1) == 0)
        encoded += sizeof word - 1;
    size_t n = 0;
    while (*encoded != '\0' && n + 1 < size) {
        const char *high = strncmp(encoded, "__0", 3) == 0 && encoded[3] != '\0' ? strchr(digits, encoded[3] | 0x20)
                                                                                 : NULL;
        const char *low = high != NULL && encoded[4] != '\0' ? strchr(digits, encoded[4] | 0x20) : NULL;
        if (low != NULL) {
            name[n++] = (char)((high - digits) * 16 + (low - digits));
            encoded += 5;
        } else {
            name[n++] = *encoded++;
        }
    }
    name[n] = '\0';
}

static const char *const directions[] = { "an input", "an output", "an inout" };

/* The places of the module's own ports. */
static rs_status list_places(rs_unit *u, rs_diag *diag)
{
    const rs_unit_shim_functions *f = u->functions;
    int widest = 64;
    u->places = RS_NEW_ARRAY(rs_unit_place, (size_t)f->n_ports + MAX_KEYS);
    for (int p = 0; u->places != NULL && p < f->n_ports; p++) {
        u->places[u->n_places++] =
            (rs_unit_place) { .port = p, .bits = f->ports[p].bits, .elements = f->ports[p].elements };
        if (f->ports[p].bits > widest)
            widest = f->ports[p].bits;
    }
    u->bytes = rs_calloc((size_t)widest / 8 + 8, 1);
    return u->places != NULL && u->bytes != NULL ? RS_OK : rs_out_of_memory(diag);
}

/* A number at *text, which is moved past it; -1: there is none. */
static int number_at(const char **text)
{
    int n = -1;
    for (; **text >= '0' && **text <= '9' && n < 1000000; (*text)++)
        n = (n < 0 ? 0 : n * 10) + (**text - '0');
    return n;
}

/* The place of "port[high:low]" or "port[bit]", whose port is known. */
static int find_bits(rs_unit *u, int port, const char *name, const char *bits, const char *key, rs_diag *diag)
{
    const char *at = bits + 1;
    const int high = number_at(&at), low = *at == ':' ? (at++, number_at(&at)) : high;
    const rs_unit_place *whole = &u->places[port];
    if (high < 0 || low < 0 || low > high || strcmp(at, "]") != 0) {
        rs_error(diag, RS_BAD_INPUT, rs_unit_config_place(u->config, key), "bits are counted from 0, the lowest",
                 "%s: '%s' is not understood, expected a port, port[high:low] or port[bit]", key, name);
        return RS_UNIT_NONE;
    }
    if (whole->elements > 0 || high >= whole->bits) {
        rs_error(diag, RS_BAD_INPUT, rs_unit_config_place(u->config, key), "bits are counted from 0, the lowest",
                 "%s: '%s' asks for bit %d of a port of %d bits%s", key, name, high, whole->bits,
                 whole->elements > 0 ? " in an array" : "");
        return RS_UNIT_NONE;
    }
    if (u->n_places == u->functions->n_ports + MAX_KEYS)
        return RS_UNIT_NONE;
    u->places[u->n_places] = (rs_unit_place) { .port = port, .low = low, .bits = high - low + 1 };
    return u->n_places++;
}

/* Says that the module has no port of this name, and what it has of that direction. */
static void no_port(const rs_unit *u, const char *name, int direction, const char *key, rs_diag *diag)
{
    enum { MAX_NAMES = 512, SHOWN = 24 };
    const rs_unit_shim_functions *f = u->functions;
    char *copies[MAX_NAMES] = { NULL }, decoded[128];
    int n = 0;
    for (int p = 0; p < f->n_ports && n < MAX_NAMES; p++) {
        port_name(f->ports[p].name, decoded, sizeof decoded);
        if (f->ports[p].direction == direction && (copies[n] = rs_strdup(decoded)) != NULL)
            n++;
    }
    const char *near = rs_nearest(name, (const char *const *)copies, (size_t)n);
    char *all = rs_strdup("");
    for (int i = 0; i < n && i < SHOWN; i++) {
        char *longer = rs_format("%s%s%s", all != NULL ? all : "", i > 0 ? ", " : "", copies[i]);
        rs_free(all);
        all = longer;
    }
    char *hint = near != NULL ? rs_format("did you mean '%s'?", near)
                              : rs_format("its %s ports: %s", direction == RS_UNIT_PORT_IN ? "input" : "output",
                                          all != NULL ? all : "");
    rs_error(diag, RS_BAD_INPUT, rs_unit_config_place(u->config, key), hint, "%s: the module '%s' has no port '%s'",
             key, u->config->top, name);
    rs_free(hint);
    rs_free(all);
    for (int i = 0; i < n; i++)
        rs_free(copies[i]);
}

/* The place of a port; RS_UNIT_NONE with a message if there is none of that name and direction, without one for "". */
static int find_port(rs_unit *u, const char *wanted, int direction, const char *key, rs_diag *diag)
{
    const rs_unit_shim_functions *f = u->functions;
    if (wanted[0] == '\0')
        return RS_UNIT_NONE;
    char decoded[128], name[128];
    const char *bits = strchr(wanted, '[');
    snprintf(name, sizeof name, "%.*s", bits != NULL ? (int)(bits - wanted) : (int)strlen(wanted), wanted);
    int found = RS_UNIT_NONE;
    for (int p = 0; p < f->n_ports; p++) {
        port_name(f->ports[p].name, decoded, sizeof decoded);
        if (strcmp(decoded, name) == 0)
            found = p;
    }
    if (found == RS_UNIT_NONE) {
        no_port(u, name, direction, key, diag);
        return RS_UNIT_NONE;
    }
    if (f->ports[found].direction != direction) {
        rs_error(diag, RS_BAD_INPUT, rs_unit_config_place(u->config, key), NULL,
                 "%s: the port '%s' of '%s' is %s, expected %s", key, name, u->config->top,
                 directions[f->ports[found].direction], directions[direction]);
        return RS_UNIT_NONE;
    }
    return bits != NULL ? find_bits(u, found, wanted, bits, key, diag) : found;
}

static int one_bit(rs_unit *u, const char *name, int direction, const char *key, rs_diag *diag)
{
    const int port = find_port(u, name, direction, key, diag);
    if (port != RS_UNIT_NONE && (u->places[port].bits != 1 || u->places[port].elements > 0))
        rs_error(diag, RS_BAD_INPUT, rs_unit_config_place(u->config, key), NULL,
                 "%s: the port '%s' has %d bits, expected 1", key, name, u->places[port].bits);
    return port;
}

/* An operand as its adapter names it. */
typedef struct operand_key {
    const rs_unit_input *config;
    const char *section; /* of the adapter */
    int n;               /* elements */
    int max_bits;        /* of a value, where the adapter does not say */
} operand_key;

/* The ports of an operand, one or one per element. False: they are not there, or differ. */
static bool find_operand_ports(rs_unit *u, const operand_key *k, const char *key, rs_unit_operand *in, rs_diag *diag)
{
    const char *name = k->config->port, *open = strchr(name, '{'), *close = open != NULL ? strchr(open, '}') : NULL;
    const bool many = close != NULL && (close == open + 1 || (close == open + 2 && (open[1] == '0' || open[1] == '1')));
    const int start = many && open[1] == '1' ? 1 : 0;
    for (int i = 0; i < (many ? k->n : 1); i++) {
        char *one = many ? rs_format("%.*s%d%s", (int)(open - name), name, i + start, close + 1) : rs_strdup(name);
        in->port[i] = one != NULL ? find_port(u, one, RS_UNIT_PORT_IN, key, diag) : RS_UNIT_NONE;
        rs_free(one);
        if (in->port[i] == RS_UNIT_NONE)
            return false;
        in->n_ports++;
        if (u->places[in->port[i]].bits != u->places[in->port[0]].bits) {
            rs_error(diag, RS_BAD_INPUT, rs_unit_config_place(u->config, key), NULL, "the ports '%s' differ in width",
                     name);
            return false;
        }
    }
    const rs_unit_place *port = &u->places[in->port[0]];
    in->elements = port->elements;
    in->slot_bits = many || port->elements > 0 ? port->bits : port->bits / k->n;
    if (port->elements > 0 && port->elements < k->n)
        rs_error(diag, RS_BAD_INPUT, rs_unit_config_place(u->config, key), NULL,
                 "the port '%s' is an array of %d, expected %d (unit.products)", name, port->elements, k->n);
    else if (port->elements == 0 && !many && port->bits % k->n != 0)
        rs_error(diag, RS_BAD_INPUT, rs_unit_config_place(u->config, key), "is unit.products right?",
                 "the %d bits of the port '%s' do not divide into %d words", port->bits, name, k->n);
    return true;
}

static void find_operand(rs_unit *u, const operand_key *k, rs_unit_operand *in, rs_diag *diag)
{
    const rs_unit_input *c = k->config;
    char key[32];
    snprintf(key, sizeof key, "%s.port", k->section);
    *in = (rs_unit_operand) { .n = k->n, .config = c, .port = { RS_UNIT_NONE } };
    if (!find_operand_ports(u, k, key, in, diag))
        return;
    in->bits = c->bits > 0 ? c->bits : in->slot_bits < k->max_bits ? in->slot_bits : k->max_bits;
    if (in->slot_bits > 64)
        rs_error(diag, RS_BAD_INPUT, rs_unit_config_place(u->config, key),
                 k->n > 1 ? NULL : "does it take several at once? See unit.products",
                 "a word of the port '%s' has %d bits, expected at most 64", c->port, in->slot_bits);
    else if (in->bits > in->slot_bits)
        rs_error(diag, RS_BAD_INPUT, rs_unit_config_place(u->config, key), NULL,
                 "%s.bits is %d, but a word of the port '%s' has %d", k->section, in->bits, c->port, in->slot_bits);
}

static void find_output(rs_unit *u, const rs_unit_output *c, const char *section, rs_unit_result_port *out,
                        rs_diag *diag)
{
    char key[32], valid[32], ready[32];
    snprintf(key, sizeof key, "%s.port", section);
    snprintf(valid, sizeof valid, "%s.valid", section);
    snprintf(ready, sizeof ready, "%s.ready", section);
    *out = (rs_unit_result_port) { .config = c, .name = section };
    out->port = find_port(u, c->port, RS_UNIT_PORT_OUT, key, diag);
    out->valid = one_bit(u, c->valid, RS_UNIT_PORT_OUT, valid, diag);
    out->ready = one_bit(u, c->ready, RS_UNIT_PORT_IN, ready, diag);
    out->bits = c->bits;
    if (out->port == RS_UNIT_NONE)
        return;
    out->port_bits = u->places[out->port].bits;
    if (out->bits == 0)
        out->bits = out->port_bits;
    if (out->port_bits > 64 || u->places[out->port].elements > 0)
        rs_error(diag, RS_BAD_INPUT, rs_unit_config_place(u->config, key), NULL,
                 "the port '%s' has %d bits%s, expected one word of at most 64", c->port, out->port_bits,
                 u->places[out->port].elements > 0 ? " in an array" : "");
    else if (out->bits > out->port_bits)
        rs_error(diag, RS_BAD_INPUT, rs_unit_config_place(u->config, key), NULL,
                 "%s.bits is %d, but the port '%s' has %d", section, out->bits, c->port, out->port_bits);
}

/* A limit of activations or weights: the adapter's if it gives one, which must lie between the width's ends, 0 between
 * it and the other end. */
static int64_t limit_of(const rs_unit *u, const char *key, int given, int64_t from, int64_t to, int64_t otherwise,
                        rs_diag *diag)
{
    if (given == RS_UNIT_WIDTH)
        return otherwise;
    if (given < from || given > to)
        rs_error(diag, RS_BAD_INPUT, rs_unit_config_place(u->config, key), NULL,
                 "%s is %d, expected %lld to %lld: 0 is always given, and the width has an end", key, given,
                 (long long)from, (long long)to);
    return given;
}

static void range_of(const rs_unit_operand *in, int64_t *min, int64_t *max)
{
    *min = in->config->is_signed ? rs_fxp_min(in->bits) : 0;
    *max = in->config->is_signed ? rs_fxp_max(in->bits) : rs_fxp_max(in->bits + 1);
}

/* Inputs that no key names are constant: a warning, because a design may need them. */
static void warn_unused(const rs_unit *u, const bool *used, rs_diag *diag)
{
    for (int p = 0; p < u->functions->n_ports; p++) {
        char name[128];
        port_name(u->functions->ports[p].name, name, sizeof name);
        if (!used[p] && u->functions->ports[p].direction == RS_UNIT_PORT_IN && u->config->code[0] == '\0')
            rs_warn(diag, RS_FILE(u->config->file.path), "list it under 'signals:'",
                    "the input '%s' is named nowhere: it stays 0", name);
    }
}

static rs_status check_unused(const rs_unit *u, rs_diag *diag)
{
    bool *used = RS_NEW_ARRAY(bool, u->functions->n_ports + 1);
    if (used == NULL)
        return rs_out_of_memory(diag);
    const rs_unit_operand *inputs[] = { &u->activations, &u->weights, &u->bias, &u->addend };
    for (size_t k = 0; k < sizeof inputs / sizeof inputs[0]; k++)
        for (int i = 0; i < inputs[k]->n_ports; i++)
            used[u->places[inputs[k]->port[i]].port] = true;
    const int singles[] = {
        u->clock, u->reset, u->enable, u->shift, u->relu, u->results[0].ready, u->results[1].ready
    };
    for (size_t k = 0; k < sizeof singles / sizeof singles[0]; k++)
        if (singles[k] != RS_UNIT_NONE)
            used[u->places[singles[k]].port] = true;
    for (size_t i = 0; i < u->config->n_signals; i++)
        used[u->places[u->signals[i]].port] = true;
    warn_unused(u, used, diag);
    rs_free(used);
    return RS_OK;
}

static rs_status find_signals(rs_unit *u, rs_diag *diag)
{
    const rs_unit_config *c = u->config;
    u->signals = RS_NEW_ARRAY(int, c->n_signals + 1);
    if (u->signals == NULL)
        return rs_out_of_memory(diag);
    for (size_t i = 0; i < c->n_signals; i++) {
        char key[64];
        snprintf(key, sizeof key, "signals[%zu].port", i);
        u->signals[i] = find_port(u, c->signals[i].port, RS_UNIT_PORT_IN, key, diag);
        if (u->signals[i] != RS_UNIT_NONE && u->places[u->signals[i]].bits > 64)
            rs_error(diag, RS_BAD_INPUT, rs_unit_config_place(c, key), NULL, "the port '%s' is wider than 64 bits",
                     c->signals[i].port);
        if (c->signals[i].when == RS_UNIT_OPERANDS)
            u->has_enable_signal = true;
        if (c->signals[i].when == RS_UNIT_BEFORE)
            u->has_before = true;
    }
    if (c->bias.port[0] != '\0' && c->bias.when == RS_UNIT_BEFORE)
        u->has_before = true;
    return RS_OK;
}

static rs_status find_ports(rs_unit *u, rs_diag *diag)
{
    const rs_unit_config *c = u->config;
    u->clock = one_bit(u, c->clock, RS_UNIT_PORT_IN, "clock.port", diag);
    u->reset = one_bit(u, c->reset, RS_UNIT_PORT_IN, "clock.reset", diag);
    u->enable = one_bit(u, c->clock_enable, RS_UNIT_PORT_IN, "clock.enable", diag);
    u->operands_ready = one_bit(u, c->operands_ready, RS_UNIT_PORT_OUT, "unit.ready", diag);
    u->shift = find_port(u, c->shift_port, RS_UNIT_PORT_IN, "output.shift_port", diag);
    u->relu = one_bit(u, c->relu_port, RS_UNIT_PORT_IN, "output.relu_port", diag);
    u->weights.port[0] = u->bias.port[0] = u->addend.port[0] = RS_UNIT_NONE;
    const operand_key activations = { &c->activations, "activations", c->products, RS_UNIT_MAX_BITS },
                      weights = { &c->weights, "weights", c->products, RS_UNIT_MAX_BITS },
                      bias = { &c->bias, "bias", 1, RS_ACCUMULATOR_MAX_BITS }, addend = { &c->addend, "addend", 1, 64 };
    find_operand(u, &activations, &u->activations, diag);
    if (c->weights.port[0] != '\0')
        find_operand(u, &weights, &u->weights, diag);
    if (c->bias.port[0] != '\0')
        find_operand(u, &bias, &u->bias, diag);
    if (c->addend.port[0] != '\0')
        find_operand(u, &addend, &u->addend, diag);
    find_output(u, &c->sum, "sum", &u->results[0], diag);
    find_output(u, &c->output, "output", &u->results[1], diag);
    return find_signals(u, diag);
}

static void set_ranges(rs_unit *u, rs_diag *diag)
{
    const rs_unit_config *c = u->config;
    rs_unit_ranges *r = &u->ranges;
    range_of(&u->activations, &r->activation_min, &r->activation_max);
    r->weight_min = r->weight_max = 1; /* of a unit that only adds */
    if (u->weights.n_ports > 0)
        range_of(&u->weights, &r->weight_min, &r->weight_max);
    const int64_t a_min = r->activation_min, w_min = r->weight_min, a_max = r->activation_max, w_max = r->weight_max;
    r->activation_min = limit_of(u, "activations.min", c->activations.min, a_min, 0, a_min, diag);
    r->activation_max = limit_of(u, "activations.max", c->activations.max, 0, a_max, a_max, diag);
    if (u->weights.n_ports > 0) {
        r->weight_min = limit_of(u, "weights.min", c->weights.min, w_min, 0, w_min, diag);
        r->weight_max = limit_of(u, "weights.max", c->weights.max, 0, w_max, w_max, diag);
    }
    r->activation_bits = u->activations.bits;
    r->weight_bits = u->weights.bits;
    if (u->bias.n_ports > 0) {
        r->bias_bits = u->bias.bits;
        range_of(&u->bias, &r->bias_min, &r->bias_max);
    } else if (u->addend.n_ports > 0) {
        r->bias_bits = u->addend.bits < RS_ACCUMULATOR_MAX_BITS ? u->addend.bits : RS_ACCUMULATOR_MAX_BITS;
        r->bias_min = c->addend.is_signed ? rs_fxp_min(r->bias_bits) : 0;
        r->bias_max = rs_fxp_max(r->bias_bits);
    }
    r->sum_bits = u->results[0].bits > 0 ? u->results[0].bits : RS_ACCUMULATOR_MAX_BITS;
    r->output_bits = u->results[1].port != RS_UNIT_NONE ? u->results[1].bits : 0;
    r->shift_min = r->shift_max = c->shift;
    if (u->shift != RS_UNIT_NONE) {
        const int bits = u->places[u->shift].bits;
        r->shift_min = 0;
        r->shift_max = bits >= 6 ? RS_SHIFT_MAX : (1 << bits) - 1;
    }
}

rs_status rs_unit_connect(rs_unit *u, rs_diag *diag)
{
    const rs_unit_config *c = u->config;
    const size_t errors = rs_diag_errors(diag);
    rs_status status = list_places(u, diag);
    if (status == RS_OK)
        status = find_ports(u, diag);
    if (status == RS_OK && rs_diag_errors(diag) > errors)
        status = RS_BAD_INPUT;
    if (status == RS_OK)
        status = check_unused(u, diag);
    if (status != RS_OK)
        return status;
    for (int k = 0; k < 2; k++) {
        rs_unit_result_port *o = &u->results[k];
        o->each = !c->accumulates || (k == 0 && (o->config->each == RS_UNIT_EACH ||
                                                 (o->config->each == RS_UNIT_EACH_AUTO && o->valid == RS_UNIT_NONE)));
    }
    set_ranges(u, diag);
    if (rs_diag_errors(diag) > errors)
        return RS_BAD_INPUT;
    u->shift_delay = c->shift_delay;
    if (u->shift_delay == RS_UNIT_AUTO)
        u->shift_delay = c->output.latency > RS_UNIT_MAX_DELAY ? RS_UNIT_MAX_DELAY
                         : c->output.latency > 1               ? c->output.latency - 1
                                                               : 0;
    return RS_OK;
}
