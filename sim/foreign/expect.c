/* What a unit should make of its operands, by the arithmetic of docs/arithmetic.md. */
#include "base/memory.h"
#include "foreign/unit_private.h"

int64_t rs_unit_limit(int64_t v, int bits, bool is_signed, rs_overflow overflow)
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

int64_t rs_unit_product(const rs_unit_config *c, int64_t a, int64_t w)
{
    return c->product_shift > 0 ? rs_fxp_shift_round(a * w, c->product_shift, c->product_rounding, 0) : a * w;
}

int64_t rs_unit_group_sum(const rs_unit *u, const rs_unit_sum *sum, int group)
{
    const size_t at = (size_t)group * (size_t)u->config->products;
    int64_t total = 0;
    for (int i = 0; i < u->config->products; i++)
        total += rs_unit_product(u->config, sum->activations[at + (size_t)i], sum->weights[at + (size_t)i]);
    return total;
}

int64_t rs_unit_requantized(const rs_unit *u, const rs_unit_sum *sum, int64_t acc)
{
    const rs_unit_config *c = u->config;
    const bool relu = u->relu != RS_UNIT_NONE ? sum->relu : c->relu;
    const int shift = u->shift != RS_UNIT_NONE ? sum->shift : c->shift;
    /* No left shift can overflow 64 bits: sums have at most 48. */
    const int64_t v = rs_fxp_shift_round(relu && acc < 0 ? 0 : rs_fxp_saturate(acc, RS_ACCUMULATOR_MAX_BITS, NULL),
                                         shift, c->rounding, 0);
    return rs_unit_limit(v, u->ranges.output_bits, c->output.is_signed, c->output_overflow);
}

static bool push(rs_unit_bench *e, int kind, const rs_unit_pending *p)
{
    rs_unit_queue *q = &e->queues[kind];
    if (q->n == q->capacity) {
        const size_t capacity = q->capacity > 0 ? 2 * q->capacity : 64;
        rs_unit_pending *items = RS_NEW_ARRAY(rs_unit_pending, capacity);
        if (items == NULL)
            return false;
        for (size_t i = 0; i < q->n; i++)
            items[i] = q->items[(q->head + i) % q->capacity];
        rs_free(q->items);
        q->items = items;
        q->capacity = capacity;
        q->head = 0;
    }
    q->items[(q->head + q->n++) % q->capacity] = *p;
    return true;
}

bool rs_unit_expect(rs_unit_bench *e, const rs_unit_slot *s)
{
    const rs_unit *u = e->unit;
    const rs_unit_config *c = u->config;
    const int64_t start = s->sum->bias;
    const bool keeps = c->accumulates || u->addend.n_ports > 0;
    const int64_t before = s->first || !keeps ? (u->ranges.bias_bits > 0 ? start : 0) : e->acc;
    e->acc = rs_unit_limit(before + rs_unit_group_sum(u, s->sum, s->group), u->ranges.sum_bits, c->sum.is_signed,
                           c->overflow);
    e->result->groups++;
    e->result->products += c->products;
    for (int k = 0; k < 2; k++) {
        const rs_unit_result_port *o = &u->results[k];
        if (o->port == RS_UNIT_NONE || !(o->each || s->last))
            continue;
        const rs_unit_pending p = {
            .sum = s->sum,
            .number = e->sum,
            .group = s->group,
            .given = e->cycle,
            .due = o->config->latency == RS_UNIT_AUTO ? UINT64_MAX : e->cycle + (uint64_t)o->config->latency,
            .before = before,
            .value = k == 0 ? e->acc : rs_unit_requantized(u, s->sum, e->acc),
        };
        if (!push(e, k, &p))
            return false;
    }
    return true;
}
