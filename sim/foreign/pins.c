/* Words at the ports of a unit, in its code and its order. */
#include <string.h>

#include "base/rng.h"
#include "foreign/unit_private.h"

uint64_t rs_unit_draw(rs_unit_bench *e)
{
    return rs_random_u64(e->seed, 1, e->random++);
}

bool rs_unit_chance(rs_unit_bench *e, int percent)
{
    return percent > 0 && rs_unit_draw(e) % 100 < (uint64_t)percent;
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
    const rs_unit_place *p = &u->places[port];
    const int all = u->functions->ports[p->port].bits;
    memset(u->bytes, 0, (size_t)all / 8 + 8);
    if (p->bits < all) {
        u->functions->get(u->shim, p->port, 0, u->bytes);
        for (int i = p->low; i < p->low + p->bits; i++)
            u->bytes[i / 8] &= (uint8_t) ~(1U << (i % 8));
    }
    return u->bytes;
}

void rs_unit_set(const rs_unit *u, int port, int element, uint64_t word)
{
    const rs_unit_place *p = &u->places[port];
    uint8_t *bytes = begin_port(u, port);
    put_bits(bytes, p->low, p->bits < 64 ? p->bits : 64, word);
    u->functions->set(u->shim, p->port, element, bytes);
}

uint64_t rs_unit_get(const rs_unit *u, int port)
{
    const rs_unit_place *p = &u->places[port];
    u->functions->get(u->shim, p->port, 0, u->bytes);
    uint64_t word = 0;
    for (int i = 0; i < 64 && i < p->bits; i++)
        word |= (uint64_t)((unsigned)u->bytes[(p->low + i) / 8] >> ((p->low + i) % 8) & 1U) << i;
    return word;
}

void rs_unit_set_operand(rs_unit_bench *e, const rs_unit_operand *in, int what, const int64_t *words)
{
    const rs_unit *u = e->unit;
    const bool packed = in->n_ports == 1 && in->elements == 0;
    uint8_t *bytes = packed ? begin_port(u, in->port[0]) : NULL;
    const int low = u->places[in->port[0]].low;
    for (int i = 0; i < in->n; i++) {
        const int at = in->config->order == RS_UNIT_HIGH_FIRST ? in->n - 1 - i : i;
        uint64_t word = words != NULL ? (uint64_t)words[i] : rs_unit_draw(e);
        if (words != NULL && u->functions->coded)
            word = u->functions->encode(u->shim, what, words[i]);
        if (packed)
            put_bits(bytes, low + at * in->slot_bits, in->slot_bits, word);
        else
            rs_unit_set(u, in->port[in->elements > 0 ? 0 : at], in->elements > 0 ? at : 0, word);
    }
    if (packed)
        u->functions->set(u->shim, u->places[in->port[0]].port, 0, bytes);
}

int64_t rs_unit_value(const rs_unit_bench *e, int kind)
{
    const rs_unit_result_port *o = &e->unit->results[kind];
    uint64_t word = rs_unit_get(e->unit, o->port);
    if (o->bits < 64)
        word &= (UINT64_C(1) << o->bits) - 1;
    int64_t v = (int64_t)word;
    if (o->config->is_signed && o->bits < 64)
        v = (int64_t)(word ^ (UINT64_C(1) << (o->bits - 1))) - (int64_t)(UINT64_C(1) << (o->bits - 1));
    return e->unit->functions->coded ? e->unit->functions->decode(e->unit->shim, kind, (uint64_t)v) : v;
}
