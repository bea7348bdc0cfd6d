/* A result that is not what was expected: what differs, and which keys of the adapter would explain it. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "foreign/unit_private.h"

void rs_unit_suggest(rs_unit_mismatch *m, const char *format, ...)
{
    char text[96];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    const size_t used = strlen(m->guess);
    (void)snprintf(m->guess + used, sizeof m->guess - used, "%s%s", used > 0 ? "; or " : "", text);
}

static void guess_output(const rs_unit *u, const rs_unit_pending *p, int64_t got, rs_unit_mismatch *m)
{
    const rs_unit_config *c = u->config;
    const int64_t acc = rs_unit_limit(p->before + rs_unit_group_sum(u, p->sum, p->group), u->ranges.sum_bits,
                                      c->sum.is_signed, c->overflow);
    for (int mode = 0; mode < 2 * RS_ROUND_STOCHASTIC; mode++) {
        rs_unit other = *u;
        rs_unit_config changed = *c;
        changed.rounding = (rs_rounding)(mode / 2);
        if (mode % 2 == 1)
            changed.output_overflow = c->output_overflow == RS_OVERFLOW_WRAP ? RS_OVERFLOW_SATURATE : RS_OVERFLOW_WRAP;
        other.config = &changed;
        if (rs_unit_requantized(&other, p->sum, acc) != got)
            continue;
        if (mode % 2 == 1)
            rs_unit_suggest(m, "it fits output.overflow: %s",
                            changed.output_overflow == RS_OVERFLOW_WRAP ? "wrap" : "saturate");
        else
            rs_unit_suggest(m, "it fits output.rounding: %s", rs_rounding_name(changed.rounding));
        return;
    }
}

static void guess_sum(const rs_unit *u, const rs_unit_pending *p, int64_t got, rs_unit_mismatch *m)
{
    const rs_unit_config *c = u->config;
    const int64_t sum = rs_unit_group_sum(u, p->sum, p->group);
    const int bits = u->ranges.sum_bits;
    const bool sign = c->sum.is_signed;
    const int64_t other = rs_unit_limit(p->before + sum, bits, sign,
                                        c->overflow == RS_OVERFLOW_WRAP ? RS_OVERFLOW_SATURATE : RS_OVERFLOW_WRAP);
    if (other == got)
        rs_unit_suggest(m, "it fits unit.overflow: %s", c->overflow == RS_OVERFLOW_WRAP ? "saturate" : "wrap");
    if (bits <= 62 && ((got ^ p->value) & rs_fxp_max(bits + 1)) == 0)
        rs_unit_suggest(m, "the same bits: sum.signed should be %s", sign ? "false" : "true");
    const size_t at = (size_t)p->group * (size_t)c->products;
    int64_t a_unsigned = 0, w_unsigned = 0;
    for (int i = 0; i < c->products; i++) {
        const int64_t a = p->sum->activations[at + (size_t)i], w = p->sum->weights[at + (size_t)i];
        a_unsigned += rs_unit_product(c, a & rs_fxp_max(u->ranges.activation_bits + 1), w);
        w_unsigned += rs_unit_product(c, a, w & rs_fxp_max(u->ranges.weight_bits + 1));
    }
    if (a_unsigned != sum && rs_unit_limit(p->before + a_unsigned, bits, sign, c->overflow) == got)
        rs_unit_suggest(m, "it fits activations that are unsigned");
    if (w_unsigned != sum && rs_unit_limit(p->before + w_unsigned, bits, sign, c->overflow) == got)
        rs_unit_suggest(m, "it fits weights that are unsigned");
    for (int i = 0; i < c->products; i++) {
        const int64_t one = rs_unit_product(c, p->sum->activations[at + (size_t)i], p->sum->weights[at + (size_t)i]);
        if (one != 0 && p->value - got == one) {
            rs_unit_suggest(m, "it fits a sum without product %d of this group", i);
            break;
        }
    }
    if (p->before != 0 && got == rs_unit_limit(sum, bits, sign, c->overflow))
        rs_unit_suggest(m, p->group == 0 ? "it fits a sum without the bias"
                                         : "it fits a sum that begins anew with this group");
}

/* A result without `valid` that is wrong: was the right one there before? */
static void look_back(const rs_unit_bench *e, int kind, const rs_unit_pending *p, rs_unit_mismatch *m)
{
    const rs_unit_result_port *o = &e->unit->results[kind];
    for (int k = 1; k <= RS_UNIT_FAR && k <= o->config->latency; k++)
        if (e->queues[kind].seen[(e->cycle - (uint64_t)k) % RS_UNIT_HISTORY] == p->value) {
            rs_unit_suggest(m, "the right one was there %d cycle%s before: %s.latency: %d?", k, k > 1 ? "s" : "",
                            o->name, o->config->latency - k);
            return;
        }
}

rs_status rs_unit_differs(rs_unit_bench *e, rs_divergence what, int kind, const rs_unit_pending *p, int64_t got,
                          uint64_t off)
{
    const rs_unit_result_port *o = &e->unit->results[kind];
    rs_unit_result *r = e->result;
    rs_unit_mismatch *grown = rs_grow(r->mismatches, r->n_mismatches, &r->capacity, sizeof *grown), *m;
    if (grown == NULL)
        return rs_out_of_memory(NULL);
    r->mismatches = grown;
    m = &grown[r->n_mismatches++];
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
        if (what == RS_DIVERGENCE_VALUE && o->valid == RS_UNIT_NONE)
            look_back(e, kind, p, m);
        if (what == RS_DIVERGENCE_VALUE && kind == 0)
            guess_sum(e->unit, p, got, m);
        else if (what == RS_DIVERGENCE_VALUE)
            guess_output(e->unit, p, got, m);
    }
    r->differs = true;
    const bool ends = what == RS_DIVERGENCE_LOST || what == RS_DIVERGENCE_HANG;
    return ends || (int64_t)r->n_mismatches >= e->keep_going ? RS_MISMATCH : RS_OK;
}
