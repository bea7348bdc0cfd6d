/* Drives somebody else's multiply-accumulate unit by its adapter, and compares its sums and outputs. */
#include "foreign/unit.h"

#include <dlfcn.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/progress.h"
#include "base/rng.h"
#include "verilate/shim/unit_shim.h"
#include "verilate/build.h"

enum {
    NONE = -1,
    HISTORY = RS_UNIT_MAX_DELAY + 1,
    TAIL_CYCLES = 8,
    FAR = 8,
    MAX_KEYS = 4 * RS_UNIT_MAX_PRODUCTS + 128 /* that name a port */
};

/* What a key names: a port of the module, or some bits of one. Everywhere below ports are numbers of these; the first
 * are the module's own, in their order. */
typedef struct place {
    int port, low, bits, elements;
} place;

/* An input word of n elements at the unit's ports. */
typedef struct input {
    int n, n_ports;
    int port[RS_UNIT_MAX_PRODUCTS];
    int elements;  /* of an unpacked array; 0: none */
    int slot_bits; /* of one element at its port */
    int bits;      /* of its value */
    const rs_unit_input *config;
} input;

typedef struct output {
    int port, valid, ready, bits, port_bits;
    const rs_unit_output *config;
    const char *name;
    bool each;
} output;

struct rs_unit {
    const rs_unit_config *config;
    char *path;
    double build_seconds;
    void *library;
    const rs_unit_shim_functions *functions;
    rs_unit_shim *shim;
    place *places;
    int n_places;
    uint8_t *bytes; /* room for the widest port */
    int clock, reset, enable, operands_ready, shift, relu;
    int *signals; /* by config->signals */
    input activations, weights, bias, addend;
    output results[2]; /* sum, output */
    rs_unit_ranges ranges;
    bool has_enable_signal, has_before;
    int shift_delay;
};

/* -------------------------------------------------------------------------------------------------------- ports */

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
    u->places = RS_NEW_ARRAY(place, (size_t)f->n_ports + MAX_KEYS);
    for (int p = 0; u->places != NULL && p < f->n_ports; p++) {
        u->places[u->n_places++] = (place) { .port = p, .bits = f->ports[p].bits, .elements = f->ports[p].elements };
        if (f->ports[p].bits > widest)
            widest = f->ports[p].bits;
    }
    u->bytes = rs_calloc((size_t)widest / 8 + 8, 1);
    return u->places != NULL && u->bytes != NULL ? RS_OK : rs_out_of_memory(diag);
}

/* A number at *text, which is moved behind it; -1: there is none. */
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
    const place *whole = &u->places[port];
    if (high < 0 || low < 0 || low > high || strcmp(at, "]") != 0) {
        rs_error(diag, RS_BAD_INPUT, rs_unit_config_place(u->config, key), "bits are counted from 0, the lowest",
                 "%s: '%s' is not understood, expected a port, port[high:low] or port[bit]", key, name);
        return NONE;
    }
    if (whole->elements > 0 || high >= whole->bits) {
        rs_error(diag, RS_BAD_INPUT, rs_unit_config_place(u->config, key), "bits are counted from 0, the lowest",
                 "%s: '%s' asks for bit %d of a port of %d bits%s", key, name, high, whole->bits,
                 whole->elements > 0 ? " in an array" : "");
        return NONE;
    }
    if (u->n_places == u->functions->n_ports + MAX_KEYS)
        return NONE;
    u->places[u->n_places] = (place) { .port = port, .low = low, .bits = high - low + 1 };
    return u->n_places++;
}

/* The place of a port; NONE with a message if there is none of that name and direction. "" gives NONE without one. */
static int find_port(rs_unit *u, const char *wanted, int direction, const char *key, rs_diag *diag)
{
    enum { MOST = 512 };
    const rs_unit_shim_functions *f = u->functions;
    if (wanted[0] == '\0')
        return NONE;
    char names[128], name[128];
    const char *bits = strchr(wanted, '[');
    snprintf(name, sizeof name, "%.*s", bits != NULL ? (int)(bits - wanted) : (int)strlen(wanted), wanted);
    char *copies[MOST] = { NULL };
    int n = 0, found = NONE;
    for (int p = 0; p < f->n_ports; p++) {
        port_name(f->ports[p].name, names, sizeof names);
        if (strcmp(names, name) == 0)
            found = p;
        if (n < MOST && f->ports[p].direction == direction && (copies[n] = rs_strdup(names)) != NULL)
            n++;
    }
    if (found == NONE) {
        const char *near = rs_nearest(name, (const char *const *)copies, (size_t)n);
        char *all = rs_strdup("");
        for (int i = 0; i < n && i < 24; i++) {
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
    } else if (f->ports[found].direction != direction) {
        rs_error(diag, RS_BAD_INPUT, rs_unit_config_place(u->config, key), NULL,
                 "%s: the port '%s' of '%s' is %s, expected %s", key, name, u->config->top,
                 directions[f->ports[found].direction], directions[direction]);
        found = NONE;
    }
    for (int i = 0; i < n; i++)
        rs_free(copies[i]);
    return found != NONE && bits != NULL ? find_bits(u, found, wanted, bits, key, diag) : found;
}

static int one_bit(rs_unit *u, const char *name, int direction, const char *key, rs_diag *diag)
{
    const int port = find_port(u, name, direction, key, diag);
    if (port != NONE && (u->places[port].bits != 1 || u->places[port].elements > 0))
        rs_error(diag, RS_BAD_INPUT, rs_unit_config_place(u->config, key), NULL,
                 "%s: the port '%s' has %d bits, expected 1", key, name, u->places[port].bits);
    return port;
}

/* An input of n elements. */
static void find_input(rs_unit *u, const rs_unit_input *c, int n, const char *section, int most, input *in,
                       rs_diag *diag)
{
    char key[32];
    snprintf(key, sizeof key, "%s.port", section);
    *in = (input) { .n = n, .config = c, .port = { NONE } };
    const char *open = strchr(c->port, '{'), *close = open != NULL ? strchr(open, '}') : NULL;
    const bool many = close != NULL && (close == open + 1 || (close == open + 2 && (open[1] == '0' || open[1] == '1')));
    const int start = many && open[1] == '1' ? 1 : 0;
    for (int i = 0; i < (many ? n : 1); i++) {
        char *name = many ? rs_format("%.*s%d%s", (int)(open - c->port), c->port, i + start, close + 1)
                          : rs_strdup(c->port);
        in->port[i] = name != NULL ? find_port(u, name, RS_UNIT_PORT_IN, key, diag) : NONE;
        rs_free(name);
        if (in->port[i] == NONE)
            return;
        in->n_ports++;
        if (u->places[in->port[i]].bits != u->places[in->port[0]].bits) {
            rs_error(diag, RS_BAD_INPUT, rs_unit_config_place(u->config, key), NULL, "the ports '%s' differ in width",
                     c->port);
            return;
        }
    }
    const place *port = &u->places[in->port[0]];
    in->elements = port->elements;
    in->slot_bits = many || port->elements > 0 ? port->bits : port->bits / n;
    if (port->elements > 0 && port->elements < n)
        rs_error(diag, RS_BAD_INPUT, rs_unit_config_place(u->config, key), NULL,
                 "the port '%s' is an array of %d, expected %d (unit.products)", c->port, port->elements, n);
    else if (port->elements == 0 && !many && port->bits % n != 0)
        rs_error(diag, RS_BAD_INPUT, rs_unit_config_place(u->config, key), "is unit.products right?",
                 "the %d bits of the port '%s' do not divide into %d words", port->bits, c->port, n);
    in->bits = c->bits > 0 ? c->bits : in->slot_bits < most ? in->slot_bits : most;
    if (in->slot_bits > 64)
        rs_error(diag, RS_BAD_INPUT, rs_unit_config_place(u->config, key),
                 n > 1 ? NULL : "does it take several at once? See unit.products",
                 "a word of the port '%s' has %d bits, expected at most 64", c->port, in->slot_bits);
    else if (in->bits > in->slot_bits)
        rs_error(diag, RS_BAD_INPUT, rs_unit_config_place(u->config, key), NULL,
                 "%s.bits is %d, but a word of the port '%s' has %d", section, in->bits, c->port, in->slot_bits);
}

static void find_output(rs_unit *u, const rs_unit_output *c, const char *section, output *out, rs_diag *diag)
{
    char key[32], valid[32], ready[32];
    snprintf(key, sizeof key, "%s.port", section);
    snprintf(valid, sizeof valid, "%s.valid", section);
    snprintf(ready, sizeof ready, "%s.ready", section);
    *out = (output) { .config = c, .name = section };
    out->port = find_port(u, c->port, RS_UNIT_PORT_OUT, key, diag);
    out->valid = one_bit(u, c->valid, RS_UNIT_PORT_OUT, valid, diag);
    out->ready = one_bit(u, c->ready, RS_UNIT_PORT_IN, ready, diag);
    out->bits = c->bits;
    if (out->port == NONE)
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

static void range_of(const input *in, int64_t *least, int64_t *largest)
{
    *least = in->config->is_signed ? rs_fxp_min(in->bits) : 0;
    *largest = in->config->is_signed ? rs_fxp_max(in->bits) : rs_fxp_max(in->bits + 1);
}

/* Inputs that no key names are constant: a warning, because a design may need them. */
static void warn_unused(const rs_unit *u, const bool *used, rs_diag *diag)
{
    for (int p = 0; p < u->functions->n_ports; p++) {
        char name[128];
        port_name(u->functions->ports[p].name, name, sizeof name);
        if (!used[p] && u->functions->ports[p].direction == RS_UNIT_PORT_IN && u->config->code[0] == '\0')
            rs_warn(diag, RS_FILE(u->config->path), "list it under 'signals:'",
                    "the input '%s' is named nowhere: it stays 0", name);
    }
}

static rs_status connect_ports(rs_unit *u, rs_diag *diag)
{
    const rs_unit_config *c = u->config;
    const size_t errors = rs_diag_errors(diag);
    u->clock = one_bit(u, c->clock, RS_UNIT_PORT_IN, "clock.port", diag);
    u->reset = one_bit(u, c->reset, RS_UNIT_PORT_IN, "clock.reset", diag);
    u->enable = one_bit(u, c->clock_enable, RS_UNIT_PORT_IN, "clock.enable", diag);
    u->operands_ready = one_bit(u, c->operands_ready, RS_UNIT_PORT_OUT, "unit.ready", diag);
    u->shift = find_port(u, c->shift_port, RS_UNIT_PORT_IN, "output.shift_port", diag);
    u->relu = one_bit(u, c->relu_port, RS_UNIT_PORT_IN, "output.relu_port", diag);
    u->bias.port[0] = u->addend.port[0] = NONE;
    find_input(u, &c->activations, c->products, "activations", RS_UNIT_MAX_BITS, &u->activations, diag);
    find_input(u, &c->weights, c->products, "weights", RS_UNIT_MAX_BITS, &u->weights, diag);
    if (c->bias.port[0] != '\0')
        find_input(u, &c->bias, 1, "bias", RS_ACCUMULATOR_MAX_BITS, &u->bias, diag);
    if (c->addend.port[0] != '\0')
        find_input(u, &c->addend, 1, "addend", 64, &u->addend, diag);
    find_output(u, &c->sum, "sum", &u->results[0], diag);
    find_output(u, &c->output, "output", &u->results[1], diag);
    u->signals = RS_NEW_ARRAY(int, c->n_signals + 1);
    bool *used = RS_NEW_ARRAY(bool, (size_t)u->functions->n_ports + 1);
    if (u->signals == NULL || used == NULL) {
        rs_free(used);
        return rs_out_of_memory(diag);
    }
    for (size_t i = 0; i < c->n_signals; i++) {
        char key[64];
        snprintf(key, sizeof key, "signals[%zu].port", i);
        u->signals[i] = find_port(u, c->signals[i].port, RS_UNIT_PORT_IN, key, diag);
        if (u->signals[i] != NONE && u->places[u->signals[i]].bits > 64)
            rs_error(diag, RS_BAD_INPUT, rs_unit_config_place(c, key), NULL, "the port '%s' is wider than 64 bits",
                     c->signals[i].port);
        if (c->signals[i].when == RS_UNIT_OPERANDS)
            u->has_enable_signal = true;
        if (c->signals[i].when == RS_UNIT_BEFORE)
            u->has_before = true;
    }
    if (c->bias.port[0] != '\0' && c->bias.when == RS_UNIT_BEFORE)
        u->has_before = true;
    if (rs_diag_errors(diag) > errors) {
        rs_free(used);
        return RS_BAD_INPUT;
    }
    const input *inputs[] = { &u->activations, &u->weights, &u->bias, &u->addend };
    for (size_t k = 0; k < sizeof inputs / sizeof inputs[0]; k++)
        for (int i = 0; i < inputs[k]->n_ports; i++)
            used[u->places[inputs[k]->port[i]].port] = true;
    const int singles[] = {
        u->clock, u->reset, u->enable, u->shift, u->relu, u->results[0].ready, u->results[1].ready
    };
    for (size_t k = 0; k < sizeof singles / sizeof singles[0]; k++)
        if (singles[k] != NONE)
            used[u->places[singles[k]].port] = true;
    for (size_t i = 0; i < c->n_signals; i++)
        used[u->places[u->signals[i]].port] = true;
    warn_unused(u, used, diag);
    rs_free(used);

    for (int k = 0; k < 2; k++) {
        output *o = &u->results[k];
        o->each = !c->accumulates || (k == 0 && (o->config->each == RS_UNIT_EACH ||
                                                 (o->config->each == RS_UNIT_EACH_AUTO && o->valid == NONE)));
    }
    rs_unit_ranges *r = &u->ranges;
    range_of(&u->activations, &r->activation_min, &r->activation_max);
    range_of(&u->weights, &r->weight_min, &r->weight_max);
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
    r->output_bits = u->results[1].port != NONE ? u->results[1].bits : 0;
    r->shift_min = r->shift_max = c->shift;
    if (u->shift != NONE) {
        const int bits = u->places[u->shift].bits;
        r->shift_min = 0;
        r->shift_max = bits >= 6 ? RS_SHIFT_MAX : (1 << bits) - 1;
    }
    u->shift_delay = c->shift_delay;
    if (u->shift_delay == RS_UNIT_AUTO)
        u->shift_delay = c->output.latency > RS_UNIT_MAX_DELAY ? RS_UNIT_MAX_DELAY
                         : c->output.latency > 1               ? c->output.latency - 1
                                                               : 0;
    return RS_OK;
}

/* --------------------------------------------------------------------------------------------------------- open */

static rs_status load(rs_unit *u, rs_diag *diag)
{
    u->library = dlopen(u->path, RTLD_NOW | RTLD_LOCAL);
    if (u->library == NULL)
        return rs_error(diag, RS_INTERNAL, RS_FILE(u->path), "delete it, so that it is built anew",
                        "cannot be loaded: %s", dlerror());
    /* The cast of an object pointer to a function's, as POSIX has it. */
    rs_unit_shim_table_function table = NULL;
    *(void **)&table = dlsym(u->library, "rs_unit_shim_table");
    u->functions = table != NULL ? table() : NULL;
    if (u->functions == NULL || u->functions->interface_number != RS_UNIT_INTERFACE)
        return rs_error(diag, RS_INTERNAL, RS_FILE(u->path), "delete it, so that it is built anew",
                        "is not a model of this version");
    return RS_OK;
}

/* The name in the sources that is nearest to the module that they lack; NULL: none is near. rs_free. */
static char *nearest_module(const rs_unit_config *c)
{
    enum { MOST = 256, MOST_BYTES = 1 << 22 };
    char *names[MOST] = { NULL };
    size_t n = 0;
    for (size_t i = 0; i < c->n_sources; i++) {
        uint8_t *data = NULL;
        size_t size = 0;
        if (rs_read_file(c->sources[i].text, MOST_BYTES, false, &data, &size, NULL) != RS_OK)
            continue;
        static const char blanks[] = " \t\r\n", word[] = "module";
        char *text = rs_strndup((const char *)data, size);
        for (char *at = text; at != NULL && (at = strstr(at, word)) != NULL && n < MOST;) {
            const bool begins = at == text || strchr(" \t\r\n;/", at[-1]) != NULL;
            at += sizeof word - 1;
            const size_t gap = strspn(at, blanks),
                         length = strspn(at + gap, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_$");
            if (begins && gap > 0 && length > 0 && (names[n] = rs_strndup(at + gap, length)) != NULL)
                n++;
        }
        rs_free(text);
        rs_free(data);
    }
    const char *near = rs_nearest(c->top, (const char *const *)names, n);
    char *copy = near != NULL ? rs_strdup(near) : NULL;
    while (n > 0)
        rs_free(names[--n]);
    return copy;
}

/* Why the unit could not be built, at the place in the adapter that it comes from. */
static rs_status say_why(const rs_unit_config *c, rs_status status, const rs_diag *told, rs_diag *diag)
{
    static const char no_top[] = "Specified --top-module '",
                      no_parameter[] = "Parameters from the command line were not found in the design: ";
    const rs_message *m = rs_diag_message(told, 0);
    if (m == NULL)
        return status;
    const char *unknown = strstr(m->text, no_parameter), *code = strrchr(c->code, '/');
    code = code != NULL ? code + 1 : c->code;
    if (strstr(m->text, no_top) != NULL) {
        char *near = nearest_module(c), *hint = near != NULL ? rs_format("did you mean '%s'?", near) : NULL;
        rs_error(diag, status, rs_unit_config_place(c, "design.top"),
                 hint != NULL ? hint : "is its file missing in design.sources?",
                 "design.top: the sources have no module '%s'", c->top);
        rs_free(hint);
        rs_free(near);
        return status;
    }
    for (size_t i = 0; unknown != NULL && i < c->n_parameters; i++) {
        const char *name = unknown + sizeof no_parameter - 1;
        const size_t length = strlen(c->parameters[i].name);
        if (strncmp(name, c->parameters[i].name, length) != 0 || strchr(", \n", name[length]) == NULL)
            continue;
        char key[64];
        snprintf(key, sizeof key, "design.parameters[%zu].name", i);
        return rs_error(diag, status, rs_unit_config_place(c, key), NULL, "%s: the module '%s' has no parameter '%s'",
                        key, c->top, c->parameters[i].name);
    }
    if (status == RS_BAD_INPUT && code[0] != '\0' &&
        (strstr(m->text, code) != NULL || strstr(m->text, "unit_adapter") != NULL))
        return rs_error(
            diag, status, rs_unit_config_place(c, "design.code"),
            strstr(m->text, "unknown type name 'unit_adapter'") != NULL ||
                    strstr(m->text, "'unit_adapter' does not name a type") != NULL
                ? "the file must define struct unit_adapter, derived from rs_unit_adapter: docs/user/foreign-rtl.md"
                : m->hint,
            "design.code: %s", m->text);
    if (status == RS_BAD_INPUT && m->loc.file == NULL)
        return rs_error(diag, status, rs_unit_config_place(c, "design.sources"), m->hint, "design.sources: %s",
                        m->text);
    return rs_error(diag, status, m->loc, m->hint, "%s", m->text);
}

/* Files that the adapter names must be there; all that are not are said. */
static void check_file(const rs_unit_config *c, const char *path, const char *key, rs_diag *diag)
{
    struct stat file;
    if (stat(path, &file) != 0)
        rs_error(diag, RS_BAD_INPUT, rs_unit_config_place(c, key), "paths begin at the folder of this file",
                 "%s: '%s' cannot be read: %s", key, path, strerror(errno));
    else if (S_ISDIR(file.st_mode) != (strncmp(key, "design.include", 14) == 0))
        rs_error(diag, RS_BAD_INPUT, rs_unit_config_place(c, key), NULL, "%s: '%s' is %s", key, path,
                 S_ISDIR(file.st_mode) ? "a folder, expected a file" : "a file, expected a folder");
}

static rs_status check_files(const rs_unit_config *c, rs_diag *diag)
{
    const size_t errors = rs_diag_errors(diag);
    char key[64];
    for (size_t i = 0; i < c->n_sources; i++) {
        snprintf(key, sizeof key, "design.sources[%zu]", i);
        check_file(c, c->sources[i].text, key, diag);
    }
    for (size_t i = 0; i < c->n_include; i++) {
        snprintf(key, sizeof key, "design.include[%zu]", i);
        check_file(c, c->include[i].text, key, diag);
    }
    if (c->code[0] != '\0')
        check_file(c, c->code, "design.code", diag);
    return rs_diag_errors(diag) > errors ? RS_BAD_INPUT : RS_OK;
}

static rs_status build(rs_unit *u, bool trace, rs_diag *diag)
{
    const rs_unit_config *c = u->config;
    rs_arena *arena = rs_arena_new();
    if (arena == NULL)
        return rs_out_of_memory(diag);
    const char **sources = rs_arena_calloc(arena, c->n_sources + 1, sizeof *sources);
    const char **include = rs_arena_calloc(arena, c->n_include + 1, sizeof *include);
    const char **defines = rs_arena_calloc(arena, c->n_defines + 1, sizeof *defines);
    const char **parameters = rs_arena_calloc(arena, c->n_parameters + 1, sizeof *parameters);
    char *what = rs_format("the unit '%s'", c->top);
    rs_status status = sources != NULL && include != NULL && defines != NULL && parameters != NULL && what != NULL
                           ? RS_OK
                           : rs_out_of_memory(diag);
    for (size_t i = 0; i < c->n_sources && status == RS_OK; i++)
        sources[i] = c->sources[i].text;
    for (size_t i = 0; i < c->n_include && status == RS_OK; i++)
        include[i] = c->include[i].text;
    for (size_t i = 0; i < c->n_defines && status == RS_OK; i++)
        defines[i] = c->defines[i].text;
    for (size_t i = 0; i < c->n_parameters && status == RS_OK; i++) {
        char *text = rs_format("%s=%s", c->parameters[i].name, c->parameters[i].value);
        parameters[i] = text != NULL ? rs_arena_strdup(arena, text) : NULL;
        rs_free(text);
        if (parameters[i] == NULL)
            status = rs_out_of_memory(diag);
    }
    if (status == RS_OK) {
        const rs_dut_recipe recipe = { .what = what,
                                       .top = c->top,
                                       .shim = "unit_shim.cc",
                                       .header = "unit_shim.h",
                                       .parameters = parameters,
                                       .sources = sources,
                                       .include = include,
                                       .defines = defines,
                                       .language = c->language[0] != '\0' ? c->language : NULL,
                                       .code = c->code[0] != '\0' ? c->code : NULL };
        const rs_dut_build_options options = { .trace = trace };
        rs_diag *told = rs_diag_new();
        status = rs_dut_build_recipe(&recipe, &options, &u->path, &u->build_seconds, told);
        if (status != RS_OK)
            status = say_why(c, status, told, diag);
        rs_diag_free(told);
    }
    rs_free(what);
    rs_arena_free(arena);
    return status;
}

rs_status rs_unit_open(const rs_unit_config *config, uint64_t seed, const char *trace, uint64_t trace_from,
                       uint64_t trace_to, rs_unit **result, rs_diag *diag)
{
    *result = NULL;
    rs_unit *u = RS_NEW(rs_unit);
    if (u == NULL)
        return rs_out_of_memory(diag);
    u->config = config;
    rs_status status = check_files(config, diag);
    if (status == RS_OK)
        status = build(u, trace != NULL, diag);
    if (status == RS_OK)
        status = load(u, diag);
    if (status == RS_OK) {
        const rs_unit_shim_options given = { .x_seed = seed,
                                             .falling_edge = config->clock_edge == RS_UNIT_EDGE_FALLING,
                                             .trace = trace,
                                             .trace_from = trace_from,
                                             .trace_to = trace_to };
        const char *message = "";
        u->shim = u->functions->open(&given, &message);
        if (u->shim == NULL)
            status = rs_error(diag, RS_RESOURCE, RS_FILE(u->path), NULL, "the model cannot be started: %s", message);
    }
    if (status == RS_OK)
        status = list_places(u, diag);
    if (status == RS_OK)
        status = connect_ports(u, diag);
    if (status != RS_OK) {
        rs_unit_close(u);
        return status;
    }
    *result = u;
    return RS_OK;
}

void rs_unit_close(rs_unit *u)
{
    if (u == NULL)
        return;
    if (u->shim != NULL)
        u->functions->close(u->shim);
    if (u->library != NULL)
        dlclose(u->library);
    rs_free(u->signals);
    rs_free(u->places);
    rs_free(u->bytes);
    rs_free(u->path);
    rs_free(u);
}

const rs_unit_ranges *rs_unit_get_ranges(const rs_unit *unit)
{
    return &unit->ranges;
}

/* ---------------------------------------------------------------------------------------------------------- run */

/* What is given to the unit in one cycle. */
typedef struct slot {
    bool operands, first, last, before;
    const rs_unit_sum *sum; /* that it belongs to; NULL: none */
    int group;
    int64_t addend;
} slot;

/* A result that has not come yet. */
typedef struct pending {
    const rs_unit_sum *sum;
    int64_t number;
    int group;
    uint64_t given, due; /* cycle of the operands; in which it is expected, if that is known */
    int64_t before, value;
} pending;

typedef struct queue {
    pending *items; /* ring */
    size_t room, head, n;
    bool was_valid;
    int64_t seen[HISTORY]; /* at the port, of a result without `valid` */
} queue;

typedef struct engine {
    rs_unit *unit;
    const rs_unit_vectors *vectors;
    uint64_t seed, random;
    uint64_t cycle, clocks, next_group, tail, waiting;
    int64_t sum; /* the next to be given */
    int group;
    int64_t acc; /* the exact rule's accumulator */
    bool before_done;
    slot history[HISTORY];
    slot held;
    queue queues[2];
    rs_unit_result *result;
    bool guessing;  /* nothing is compared any more */
    int64_t *words; /* of one group, as they are encoded: [products] */
} engine;

static uint64_t draw(engine *e)
{
    return rs_random_u64(e->seed, 1, e->random++);
}

static bool chance(engine *e, int percent)
{
    return percent > 0 && draw(e) % 100 < (uint64_t)percent;
}

/* Puts `bits` bits of a word into a string of bits. */
static void put_bits(uint8_t *bytes, int at, int bits, uint64_t word)
{
    for (int i = 0; i < bits; i++, at++)
        if (word >> i & 1U)
            bytes[at / 8] |= (uint8_t)(1U << (at % 8));
}

/* The bytes of a port, to be changed and set; those of a whole one are zero. */
static uint8_t *begin_port(const rs_unit *u, int port)
{
    const place *p = &u->places[port];
    const int all = u->functions->ports[p->port].bits;
    memset(u->bytes, 0, (size_t)all / 8 + 8);
    if (p->bits < all) {
        u->functions->get(u->shim, p->port, 0, u->bytes);
        for (int i = p->low; i < p->low + p->bits; i++)
            u->bytes[i / 8] &= (uint8_t) ~(1U << (i % 8));
    }
    return u->bytes;
}

static void set_port(const rs_unit *u, int port, int element, uint64_t word)
{
    const place *p = &u->places[port];
    uint8_t *bytes = begin_port(u, port);
    put_bits(bytes, p->low, p->bits < 64 ? p->bits : 64, word);
    u->functions->set(u->shim, p->port, element, bytes);
}

static uint64_t get_port(const rs_unit *u, int port)
{
    const place *p = &u->places[port];
    u->functions->get(u->shim, p->port, 0, u->bytes);
    uint64_t word = 0;
    for (int i = 0; i < 64 && i < p->bits; i++)
        word |= (uint64_t)((unsigned)u->bytes[(p->low + i) / 8] >> ((p->low + i) % 8) & 1U) << i;
    return word;
}

/* what: as in `encode`; NULL words: anything. */
static void set_input(engine *e, const input *in, int what, const int64_t *words)
{
    const rs_unit *u = e->unit;
    const bool packed = in->n_ports == 1 && in->elements == 0;
    uint8_t *bytes = packed ? begin_port(u, in->port[0]) : NULL;
    const int low = u->places[in->port[0]].low;
    for (int i = 0; i < in->n; i++) {
        const int at = in->config->order == RS_UNIT_HIGH_FIRST ? in->n - 1 - i : i;
        uint64_t word = words != NULL ? (uint64_t)words[i] : draw(e);
        if (words != NULL && u->functions->coded)
            word = u->functions->encode(u->shim, what, words[i]);
        if (packed)
            put_bits(bytes, low + at * in->slot_bits, in->slot_bits, word);
        else
            set_port(u, in->port[in->elements > 0 ? 0 : at], in->elements > 0 ? at : 0, word);
    }
    if (packed)
        u->functions->set(u->shim, u->places[in->port[0]].port, 0, bytes);
}

/* --------------------------------------------------------------------------------------------- what is expected */

/* A sum in the unit's width. */
static int64_t limit(int64_t v, int bits, bool is_signed, rs_overflow overflow)
{
    if (is_signed) {
        if (bits > 62)
            return v;
        return overflow == RS_OVERFLOW_SATURATE ? rs_fxp_saturate(v, bits, NULL) : rs_fxp_wrap(v, bits);
    }
    if (overflow == RS_OVERFLOW_SATURATE)
        return v < 0 ? 0 : bits > 61 ? v : rs_fxp_saturate(v, bits + 1, NULL);
    return bits > 62 ? v : v & rs_fxp_max(bits + 1);
}

static int64_t product(const rs_unit_config *c, int64_t a, int64_t w)
{
    return c->product_shift > 0 ? rs_fxp_shift_round(a * w, c->product_shift, c->product_rounding, 0) : a * w;
}

static int64_t group_sum(const rs_unit *u, const rs_unit_sum *sum, int group)
{
    const size_t at = (size_t)group * (size_t)u->config->products;
    int64_t total = 0;
    for (int i = 0; i < u->config->products; i++)
        total += product(u->config, sum->activations[at + (size_t)i], sum->weights[at + (size_t)i]);
    return total;
}

static int64_t requantized(const rs_unit *u, const rs_unit_sum *sum, int64_t acc)
{
    const rs_unit_config *c = u->config;
    const bool relu = u->relu != NONE ? sum->relu : c->relu;
    const int shift = u->shift != NONE ? sum->shift : c->shift;
    /* No left shift can overflow 64 bits: sums have at most 48. */
    const int64_t v = rs_fxp_shift_round(relu && acc < 0 ? 0 : rs_fxp_saturate(acc, RS_ACCUMULATOR_MAX_BITS, NULL),
                                         shift, c->rounding, 0);
    return limit(v, u->ranges.output_bits, c->output.is_signed, c->output_overflow);
}

static bool push(engine *e, int kind, const pending *p)
{
    queue *q = &e->queues[kind];
    if (q->n == q->room) {
        const size_t room = q->room > 0 ? 2 * q->room : 64;
        pending *items = RS_NEW_ARRAY(pending, room);
        if (items == NULL)
            return false;
        for (size_t i = 0; i < q->n; i++)
            items[i] = q->items[(q->head + i) % q->room];
        rs_free(q->items);
        q->items = items;
        q->room = room;
        q->head = 0;
    }
    q->items[(q->head + q->n++) % q->room] = *p;
    return true;
}

/* A group has been given: what it leads to. */
static bool expect(engine *e, const slot *s)
{
    const rs_unit *u = e->unit;
    const rs_unit_config *c = u->config;
    const int64_t start = s->sum->bias;
    const bool keeps = c->accumulates || u->addend.n_ports > 0;
    const int64_t before = s->first || !keeps ? (u->ranges.bias_bits > 0 ? start : 0) : e->acc;
    e->acc = limit(before + group_sum(u, s->sum, s->group), u->ranges.sum_bits, c->sum.is_signed, c->overflow);
    e->result->groups++;
    e->result->products += c->products;
    for (int k = 0; k < 2; k++) {
        const output *o = &u->results[k];
        if (o->port == NONE || !(o->each || s->last))
            continue;
        const pending p = {
            .sum = s->sum,
            .number = e->sum,
            .group = s->group,
            .given = e->cycle,
            .due = o->config->latency == RS_UNIT_AUTO ? UINT64_MAX : e->cycle + (uint64_t)o->config->latency,
            .before = before,
            .value = k == 0 ? e->acc : requantized(u, s->sum, e->acc),
        };
        if (!push(e, k, &p))
            return false;
    }
    return true;
}

/* ------------------------------------------------------------------------------------------------ what is wrong */

typedef struct guesses {
    char *text;
    size_t size, used;
} guesses;

__attribute__((format(printf, 2, 3))) static void suggest(guesses *g, const char *format, ...)
{
    char text[96];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    const int n = snprintf(g->text + g->used, g->size - g->used, "%s%s", g->used > 0 ? "; or " : "", text);
    g->used = n > 0 && g->used + (size_t)n < g->size ? g->used + (size_t)n : g->size - 1;
}

static void guess_output(const rs_unit *u, const pending *p, int64_t got, guesses *g)
{
    const rs_unit_config *c = u->config;
    const int64_t acc = limit(p->before + group_sum(u, p->sum, p->group), u->ranges.sum_bits, c->sum.is_signed,
                              c->overflow);
    for (int mode = 0; mode < 2 * RS_ROUND_STOCHASTIC; mode++) {
        rs_unit other = *u;
        rs_unit_config changed = *c;
        changed.rounding = (rs_rounding)(mode / 2);
        if (mode % 2 == 1)
            changed.output_overflow = c->output_overflow == RS_OVERFLOW_WRAP ? RS_OVERFLOW_SATURATE : RS_OVERFLOW_WRAP;
        other.config = &changed;
        if (requantized(&other, p->sum, acc) != got)
            continue;
        if (mode % 2 == 1)
            suggest(g, "it fits output.overflow: %s",
                    changed.output_overflow == RS_OVERFLOW_WRAP ? "wrap" : "saturate");
        else
            suggest(g, "it fits output.rounding: %s", rs_rounding_name(changed.rounding));
        return;
    }
}

static void guess_sum(const rs_unit *u, const pending *p, int64_t got, guesses *g)
{
    const rs_unit_config *c = u->config;
    const int64_t sum = group_sum(u, p->sum, p->group);
    const int bits = u->ranges.sum_bits;
    const bool sign = c->sum.is_signed;
    const int64_t other = limit(p->before + sum, bits, sign,
                                c->overflow == RS_OVERFLOW_WRAP ? RS_OVERFLOW_SATURATE : RS_OVERFLOW_WRAP);
    if (other == got)
        suggest(g, "it fits unit.overflow: %s", c->overflow == RS_OVERFLOW_WRAP ? "saturate" : "wrap");
    if (bits <= 62 && ((got ^ p->value) & rs_fxp_max(bits + 1)) == 0)
        suggest(g, "the same bits: sum.signed should be %s", sign ? "false" : "true");
    const size_t at = (size_t)p->group * (size_t)c->products;
    int64_t a_unsigned = 0, w_unsigned = 0;
    for (int i = 0; i < c->products; i++) {
        const int64_t a = p->sum->activations[at + (size_t)i], w = p->sum->weights[at + (size_t)i];
        a_unsigned += product(c, a & rs_fxp_max(u->ranges.activation_bits + 1), w);
        w_unsigned += product(c, a, w & rs_fxp_max(u->ranges.weight_bits + 1));
    }
    if (a_unsigned != sum && limit(p->before + a_unsigned, bits, sign, c->overflow) == got)
        suggest(g, "it fits activations that are unsigned");
    if (w_unsigned != sum && limit(p->before + w_unsigned, bits, sign, c->overflow) == got)
        suggest(g, "it fits weights that are unsigned");
    for (int i = 0; i < c->products; i++) {
        const int64_t one = product(c, p->sum->activations[at + (size_t)i], p->sum->weights[at + (size_t)i]);
        if (one != 0 && p->value - got == one) {
            suggest(g, "it fits a sum without product %d of this group", i);
            break;
        }
    }
    if (p->before != 0 && got == limit(sum, bits, sign, c->overflow))
        suggest(g, p->group == 0 ? "it fits a sum without the bias" : "it fits a sum that begins anew with this group");
}

/* A result without `valid` that is wrong: was the right one there before? */
static void look_back(const engine *e, int kind, const pending *p, guesses *g)
{
    const output *o = &e->unit->results[kind];
    for (int k = 1; k <= FAR && k <= o->config->latency; k++)
        if (e->queues[kind].seen[(e->cycle - (uint64_t)k) % HISTORY] == p->value) {
            suggest(g, "the right one was there %d cycle%s before: %s.latency: %d?", k, k > 1 ? "s" : "", o->name,
                    o->config->latency - k);
            return;
        }
}

static rs_status differs(engine *e, rs_divergence what, int kind, const pending *p, int64_t got, uint64_t off)
{
    const output *o = &e->unit->results[kind];
    rs_unit_mismatch *m = &e->result->mismatch;
    *m = (rs_unit_mismatch) { .what = what,
                              .result = o->name,
                              .port = o->config->port,
                              .cycle = e->clocks,
                              .off = off,
                              .got = got,
                              .bits = o->bits };
    if (p != NULL) {
        m->sum = p->sum;
        m->sum_number = p->number;
        m->group = p->group;
        m->before = p->before;
        m->expected = p->value;
        guesses g = { .text = m->guess, .size = sizeof m->guess };
        if (what == RS_DIVERGENCE_VALUE && o->valid == NONE)
            look_back(e, kind, p, &g);
        if (what == RS_DIVERGENCE_VALUE && kind == 0)
            guess_sum(e->unit, p, got, &g);
        else if (what == RS_DIVERGENCE_VALUE)
            guess_output(e->unit, p, got, &g);
    }
    e->result->differs = true;
    return RS_MISMATCH;
}

static int64_t value_of(const engine *e, int kind)
{
    const output *o = &e->unit->results[kind];
    uint64_t word = get_port(e->unit, o->port);
    if (o->bits < 64)
        word &= (UINT64_C(1) << o->bits) - 1;
    int64_t v = (int64_t)word;
    if (o->config->is_signed && o->bits < 64)
        v = (int64_t)(word ^ (UINT64_C(1) << (o->bits - 1))) - (int64_t)(UINT64_C(1) << (o->bits - 1));
    return e->unit->functions->coded ? e->unit->functions->decode(e->unit->shim, kind, (uint64_t)v) : v;
}

static rs_status compare(engine *e, int kind)
{
    queue *q = &e->queues[kind];
    const pending p = q->items[q->head];
    q->head = (q->head + 1) % q->room;
    q->n--;
    const int64_t got = value_of(e, kind);
    rs_status status = RS_OK;
    if (got != p.value)
        status = differs(e, RS_DIVERGENCE_VALUE, kind, &p, got, 0);
    else if (p.due != UINT64_MAX && p.due != e->cycle)
        status = differs(e, e->cycle > p.due ? RS_DIVERGENCE_LATE : RS_DIVERGENCE_EARLY, kind, &p, got,
                         e->cycle > p.due ? e->cycle - p.due : p.due - e->cycle);
    if (kind == 0)
        e->result->sum_results++;
    else
        e->result->outputs++;
    return status;
}

/* The results that can be seen in this cycle. */
static rs_status look(engine *e, bool taken[2])
{
    const rs_unit *u = e->unit;
    for (int k = 0; k < 2; k++) {
        const output *o = &u->results[k];
        queue *q = &e->queues[k];
        rs_status status = RS_OK;
        if (o->port == NONE)
            continue;
        if (o->valid == NONE) {
            q->seen[e->cycle % HISTORY] = value_of(e, k);
            if (!e->guessing && q->n > 0 && q->items[q->head].due == e->cycle)
                status = compare(e, k);
        } else if (!e->guessing) {
            const bool high = (get_port(u, o->valid) & 1U) != 0;
            const bool now = o->config->valid_when == RS_UNIT_VALID_HIGH || o->config->valid_when == RS_UNIT_VALID_RISES
                                 ? high
                                 : !high;
            const bool edge = o->config->valid_when == RS_UNIT_VALID_RISES ||
                              o->config->valid_when == RS_UNIT_VALID_FALLS;
            const bool comes = now && !(edge && q->was_valid) && taken[k];
            q->was_valid = now;
            if (comes && q->n == 0) {
                status = differs(e, RS_DIVERGENCE_EXTRA, k, NULL, value_of(e, k), 0);
            } else if (comes) {
                const int latency = (int)(e->cycle - q->items[q->head].given);
                rs_unit_result *r = e->result;
                if (r->last_latency[k] == 0 || latency < r->first_latency[k])
                    r->first_latency[k] = latency;
                if (latency > r->last_latency[k])
                    r->last_latency[k] = latency;
                status = compare(e, k);
            } else if (q->n > 0 && e->cycle - q->items[q->head].given > (uint64_t)u->config->timeout) {
                status = differs(e, RS_DIVERGENCE_LOST, k, &q->items[q->head], 0, 0);
            }
        }
        if (status != RS_OK)
            return status;
    }
    return RS_OK;
}

/* --------------------------------------------------------------------------------------------------- the cycles */

/* What would be given in this cycle. */
static slot next_slot(engine *e)
{
    const rs_unit_config *c = e->unit->config;
    slot s = { .sum = NULL };
    if (e->sum == e->vectors->n || e->cycle < e->next_group)
        return s;
    const rs_unit_sum *sum = &e->vectors->sums[e->sum];
    const size_t waiting = e->queues[0].n + e->queues[1].n;
    const rs_unit_wait wait = c->wait == RS_UNIT_WAIT_AUTO
                                  ? (e->unit->has_before ? RS_UNIT_WAIT_SUM : RS_UNIT_WAIT_NEVER)
                                  : c->wait;
    if (waiting > 0 && (wait == RS_UNIT_WAIT_GROUP || (wait == RS_UNIT_WAIT_SUM && e->group == 0)))
        return s;
    if (e->group == 0 && e->unit->has_before && !e->before_done) {
        s.before = true;
        s.sum = sum;
        e->before_done = true;
        return s;
    }
    /* Gaps in a sum only where the unit is told of them. */
    const bool gaps = e->unit->has_enable_signal || !c->accumulates;
    if (gaps && e->waiting == 0 && e->sum % 2 == 1 && chance(e, c->idle_percent))
        return s;
    s.operands = true;
    s.sum = sum;
    s.group = e->group;
    s.first = e->group == 0;
    s.last = e->group + 1 == sum->groups;
    s.addend = s.first ? sum->bias : e->acc;
    return s;
}

static bool active(rs_unit_when when, const slot *s)
{
    switch (when) {
    case RS_UNIT_ALWAYS:
        return true;
    case RS_UNIT_OPERANDS:
        return s->operands;
    case RS_UNIT_FIRST:
        return s->operands && s->first;
    case RS_UNIT_LAST:
        return s->operands && s->last;
    case RS_UNIT_BEFORE:
        return s->before;
    case RS_UNIT_WHENS:
        break;
    }
    return false;
}

static const slot *behind(const engine *e, int delay)
{
    return &e->history[(e->cycle - (uint64_t)delay) % HISTORY];
}

static void set_operands(engine *e, const input *in, int what)
{
    const rs_unit_config *c = e->unit->config;
    const slot *s = behind(e, in->config->delay);
    if (!s->operands && c->hold && e->held.operands)
        s = &e->held;
    const bool anything = e->unit->has_enable_signal || !c->accumulates;
    if (!s->operands && anything && c->idle_percent > 0) {
        set_input(e, in, what, NULL);
        return;
    }
    memset(e->words, 0, (size_t)c->products * sizeof *e->words);
    if (s->operands) {
        const int32_t *from = (what == 0 ? s->sum->activations : s->sum->weights) +
                              (size_t)s->group * (size_t)c->products;
        for (int i = 0; i < c->products; i++)
            e->words[i] = from[i];
    }
    set_input(e, in, what, e->words);
}

static void set_inputs(engine *e, bool resetting)
{
    const rs_unit *u = e->unit;
    const rs_unit_config *c = u->config;
    set_operands(e, &u->activations, 0);
    set_operands(e, &u->weights, 1);
    if (u->bias.n_ports > 0) {
        const slot *s = behind(e, c->bias.delay);
        const bool given = s->sum != NULL && (c->bias.when == RS_UNIT_ALWAYS || active(c->bias.when, s));
        const int64_t word = given ? s->sum->bias : 0;
        set_input(e, &u->bias, 2, &word);
    }
    if (u->addend.n_ports > 0) {
        const slot *s = behind(e, c->addend.delay);
        const int64_t word = s->operands ? s->addend : 0;
        set_input(e, &u->addend, 2, &word);
    }
    if (u->reset != NONE)
        set_port(u, u->reset, 0, (uint64_t)(resetting ? c->reset_value : !c->reset_value));
    if (u->enable != NONE)
        set_port(u, u->enable, 0, 1);
    for (size_t i = 0; i < c->n_signals; i++) {
        /* The reset may also be what begins a sum. */
        if (resetting && u->signals[i] == u->reset)
            continue;
        const bool on = active(c->signals[i].when, behind(e, c->signals[i].delay));
        set_port(u, u->signals[i], 0, (uint64_t)(on ? c->signals[i].value : c->signals[i].otherwise));
    }
    /* These go with the last group of a sum, and stay until the next. */
    const slot *s = behind(e, u->shift_delay);
    if (s->operands && (s->last || !c->accumulates)) {
        if (u->shift != NONE)
            set_port(u, u->shift, 0, (uint64_t)(int64_t)s->sum->shift);
        if (u->relu != NONE)
            set_port(u, u->relu, 0, s->sum->relu ? 1 : 0);
    }
}

static rs_status settle(engine *e, rs_diag *diag)
{
    const rs_unit *u = e->unit;
    const slot *s = &e->history[e->cycle % HISTORY];
    int64_t *a = e->words, *w = e->words + u->config->products;
    rs_unit_cycle now = { .cycle = e->clocks,
                          .operands = s->operands,
                          .first = s->operands && s->first,
                          .last = s->operands && s->last,
                          .before = s->before,
                          .products = u->config->products };
    if (s->operands && u->functions->coded) {
        const size_t at = (size_t)s->group * (size_t)u->config->products;
        for (int i = 0; i < u->config->products; i++) {
            a[i] = s->sum->activations[at + (size_t)i];
            w[i] = s->sum->weights[at + (size_t)i];
        }
        now.activations = a;
        now.weights = w;
    }
    if (s->sum != NULL) {
        now.bias = s->sum->bias;
        now.shift = s->sum->shift;
        now.relu = s->sum->relu;
    }
    const char *broken = u->functions->settle(u->shim, u->clock, &now);
    return broken == NULL ? RS_OK
                          : rs_error(diag, RS_MISMATCH, RS_NOWHERE, NULL, "the unit stopped in cycle %" PRIu64 ": %s",
                                     e->clocks, broken);
}

static rs_status edge(engine *e, rs_diag *diag)
{
    const char *broken = e->unit->functions->edge(e->unit->shim, e->unit->clock);
    e->clocks++;
    return broken == NULL ? RS_OK
                          : rs_error(diag, RS_MISMATCH, RS_NOWHERE, NULL, "the unit stopped in cycle %" PRIu64 ": %s",
                                     e->clocks - 1, broken);
}

/* One cycle in which the unit is not frozen. */
static rs_status step(engine *e, rs_diag *diag)
{
    const rs_unit *u = e->unit;
    slot *s = &e->history[e->cycle % HISTORY];
    bool taken[2] = { true, true };
    *s = next_slot(e);
    set_inputs(e, false);
    for (int k = 0; k < 2; k++)
        if (u->results[k].ready != NONE) {
            taken[k] = !chance(e, u->config->idle_percent);
            set_port(u, u->results[k].ready, 0, taken[k] ? 1 : 0);
        }
    rs_status status = settle(e, diag);
    if (status != RS_OK)
        return status;
    if (s->operands && u->operands_ready != NONE &&
        (get_port(u, u->operands_ready) & 1U) != (unsigned)u->config->ready_value) {
        s->operands = false;
        if (++e->waiting > (uint64_t)u->config->timeout) {
            const pending p = { .sum = s->sum, .number = e->sum, .group = s->group };
            return differs(e, RS_DIVERGENCE_HANG, 0, &p, 0, 0);
        }
    }
    if (s->operands) {
        e->waiting = 0;
        if (!expect(e, s))
            return rs_out_of_memory(diag);
        e->held = *s;
        e->next_group = e->cycle + (uint64_t)u->config->interval;
        if (s->last) {
            e->sum++;
            e->group = 0;
            e->before_done = false;
            e->result->sums++;
        } else {
            e->group++;
        }
    }
    status = look(e, taken);
    if (status == RS_OK)
        status = edge(e, diag);
    e->cycle++;
    return status;
}

/* The unit is told to stand still, whatever its inputs do. */
static rs_status freeze(engine *e, rs_diag *diag)
{
    const rs_unit *u = e->unit;
    set_input(e, &u->activations, 0, NULL);
    set_input(e, &u->weights, 1, NULL);
    set_port(u, u->enable, 0, 0);
    const rs_status status = settle(e, diag);
    return status == RS_OK ? edge(e, diag) : status;
}

/* Behind a wrong result: does the right one come later? */
static void look_ahead(engine *e)
{
    rs_unit_mismatch *m = &e->result->mismatch;
    const int kind = strcmp(m->result, "sum") == 0 ? 0 : 1;
    const output *o = &e->unit->results[kind];
    if (m->what != RS_DIVERGENCE_VALUE || o->valid != NONE || edge(e, NULL) != RS_OK)
        return;
    e->cycle++;
    e->guessing = true;
    for (int k = 1; k <= FAR && step(e, NULL) == RS_OK; k++)
        if (e->queues[kind].seen[(e->cycle - 1) % HISTORY] == m->expected) {
            guesses g = { .text = m->guess, .size = sizeof m->guess, .used = strlen(m->guess) };
            suggest(&g, "the right one is there %d cycle%s later: %s.latency: %d?", k, k > 1 ? "s" : "", o->name,
                    o->config->latency + k);
            return;
        }
}

static rs_status run(engine *e, rs_diag *diag)
{
    const rs_unit_config *c = e->unit->config;
    rs_status status = RS_OK;
    for (int i = 0; i < c->reset_cycles && status == RS_OK; i++) {
        set_inputs(e, true);
        status = settle(e, diag);
        if (status == RS_OK)
            status = edge(e, diag);
    }
    for (int k = 0; k < 2; k++)
        e->queues[k].was_valid = false;
    e->cycle = HISTORY; /* so that what lies behind is there, and empty */
    const uint64_t begin = e->cycle;
    while (status == RS_OK && e->tail < TAIL_CYCLES) {
        if (e->unit->enable != NONE && chance(e, c->idle_percent))
            status = freeze(e, diag);
        else
            status = step(e, diag);
        if (e->sum == e->vectors->n && e->queues[0].n + e->queues[1].n == 0)
            e->tail++;
        if (e->cycle % 65536 == 0 && rs_interrupted())
            status = RS_INTERRUPTED;
    }
    e->result->cycles = e->cycle - begin;
    if (status == RS_MISMATCH && e->result->differs)
        look_ahead(e);
    return status;
}

rs_status rs_unit_run(rs_unit *unit, const rs_unit_vectors *vectors, uint64_t seed, rs_unit_result *result,
                      rs_diag *diag)
{
    *result = (rs_unit_result) { .build_seconds = unit->build_seconds };
    engine *e = RS_NEW(engine);
    if (e == NULL)
        return rs_out_of_memory(diag);
    *e = (engine) { .unit = unit, .vectors = vectors, .seed = seed, .result = result };
    e->words = RS_NEW_ARRAY(int64_t, 2 * (size_t)unit->config->products);
    const double start = rs_seconds();
    rs_status status = e->words != NULL ? run(e, diag) : rs_out_of_memory(diag);
    result->seconds = rs_seconds() - start;
    if (status == RS_OK && result->sum_results + result->outputs == 0)
        status = rs_error(diag, RS_MISMATCH, RS_NOWHERE, NULL, "nothing was compared");
    if (status == RS_MISMATCH && result->differs) {
        const rs_unit_mismatch *m = &result->mismatch;
        rs_error(diag, RS_MISMATCH, RS_NOWHERE, NULL,
                 "the unit '%s' is not what its adapter says: %s at '%s', vectors of '%s'", unit->config->name,
                 m->result, m->port, m->sum != NULL ? m->sum->layer : "none");
    }
    rs_free(e->queues[0].items);
    rs_free(e->queues[1].items);
    rs_free(e->words);
    rs_free(e);
    return status;
}

/* -------------------------------------------------------------------------------------------------------- print */

void rs_unit_print(const rs_unit_config *config, const rs_unit_mismatch *m, FILE *stream)
{
    const int n = config->products;
    fprintf(stream, "The unit '%s' differs in clock cycle %" PRIu64 ": ", config->name, m->cycle);
    switch (m->what) {
    case RS_DIVERGENCE_LOST:
        fprintf(stream, "no %s has come in %d cycles\n", m->result, config->timeout);
        break;
    case RS_DIVERGENCE_EXTRA:
        fprintf(stream, "a %s that nothing was given for\n", m->result);
        break;
    case RS_DIVERGENCE_HANG:
        fprintf(stream, "it takes no operands for %d cycles\n", config->timeout);
        break;
    case RS_DIVERGENCE_LATE:
    case RS_DIVERGENCE_EARLY:
        fprintf(stream, "the %s is right, but %" PRIu64 " cycles too %s\n", m->result, m->off,
                m->what == RS_DIVERGENCE_LATE ? "late" : "early");
        break;
    default:
        fprintf(stream, "the %s at '%s' is wrong\n", m->result, m->port);
        break;
    }
    if (m->sum != NULL) {
        fprintf(stream, "  vector    sum %" PRId64 ", group %d of %d, of %s", m->sum_number, m->group, m->sum->groups,
                m->sum->layer);
        if (m->sum->image >= 0)
            fprintf(stream, ": image %" PRId64 ", channel %d, row %d, column %d", m->sum->image, m->sum->c, m->sum->y,
                    m->sum->x);
        fputs("\n  operands ", stream);
        const size_t at = (size_t)m->group * (size_t)n;
        for (int i = 0; i < n && i < 16; i++)
            fprintf(stream, " %" PRId32 " x %" PRId32 "%s", m->sum->activations[at + (size_t)i],
                    m->sum->weights[at + (size_t)i], i + 1 < n ? "," : "");
        if (n > 16)
            fprintf(stream, " ... (%d in all)", n);
        fprintf(stream, "\n  before    %" PRId64 "%s\n", m->before,
                m->group == 0 && m->before != 0 ? " (the bias)" : "");
        if (strcmp(m->result, "output") == 0)
            fprintf(stream, "  shift     %d%s\n", config->shift_port[0] != '\0' ? m->sum->shift : config->shift,
                    (config->relu_port[0] != '\0' ? m->sum->relu : config->relu) ? ", ReLU" : "");
    }
    const uint64_t mask = m->bits < 64 ? (UINT64_C(1) << m->bits) - 1 : UINT64_MAX;
    const int digits = (m->bits + 3) / 4;
    if (m->sum != NULL && m->what != RS_DIVERGENCE_HANG)
        fprintf(stream, "  expected  %" PRId64 " (0x%0*" PRIx64 ")\n", m->expected, digits,
                (uint64_t)m->expected & mask);
    if (m->what != RS_DIVERGENCE_HANG && m->what != RS_DIVERGENCE_LOST)
        fprintf(stream, "  got       %" PRId64 " (0x%0*" PRIx64 ")\n", m->got, digits, (uint64_t)m->got & mask);
    if (m->guess[0] != '\0')
        fprintf(stream, "  perhaps   %s\n", m->guess);
}
