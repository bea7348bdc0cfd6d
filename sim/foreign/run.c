/* A unit in its cycles: operands and signals go in, results are compared as they come. */
#include <inttypes.h>
#include <string.h>

#include "base/memory.h"
#include "base/progress.h"
#include "foreign/unit_private.h"

enum { TAIL_CYCLES = 8 };

static rs_status compare(rs_unit_bench *e, int kind)
{
    rs_unit_queue *q = &e->queues[kind];
    const rs_unit_pending p = q->items[q->head];
    q->head = (q->head + 1) % q->capacity;
    q->n--;
    const int64_t got = rs_unit_value(e, kind);
    rs_status status = RS_OK;
    if (got != p.value)
        status = rs_unit_differs(e, RS_DIVERGENCE_VALUE, kind, &p, got, 0);
    else if (p.due != UINT64_MAX && p.due != e->cycle)
        status = rs_unit_differs(e, e->cycle > p.due ? RS_DIVERGENCE_LATE : RS_DIVERGENCE_EARLY, kind, &p, got,
                                 e->cycle > p.due ? e->cycle - p.due : p.due - e->cycle);
    if (kind == 0)
        e->result->sum_results++;
    else
        e->result->outputs++;
    return status;
}

/* The results that can be seen in this cycle. */
static rs_status look(rs_unit_bench *e, bool taken[2])
{
    const rs_unit *u = e->unit;
    for (int k = 0; k < 2; k++) {
        const rs_unit_result_port *o = &u->results[k];
        rs_unit_queue *q = &e->queues[k];
        rs_status status = RS_OK;
        if (o->port == RS_UNIT_NONE)
            continue;
        if (o->valid == RS_UNIT_NONE) {
            q->seen[e->cycle % RS_UNIT_HISTORY] = rs_unit_value(e, k);
            if (!e->guessing && q->n > 0 && q->items[q->head].due == e->cycle)
                status = compare(e, k);
        } else if (!e->guessing) {
            const bool high = (rs_unit_get(u, o->valid) & 1U) != 0;
            const bool now = o->config->valid_when == RS_UNIT_VALID_HIGH || o->config->valid_when == RS_UNIT_VALID_RISES
                                 ? high
                                 : !high;
            const bool edge = o->config->valid_when == RS_UNIT_VALID_RISES ||
                              o->config->valid_when == RS_UNIT_VALID_FALLS;
            const bool comes = now && !(edge && q->was_valid) && taken[k];
            q->was_valid = now;
            if (comes && q->n == 0) {
                status = rs_unit_differs(e, RS_DIVERGENCE_EXTRA, k, NULL, rs_unit_value(e, k), 0);
            } else if (comes) {
                const int latency = (int)(e->cycle - q->items[q->head].given);
                rs_unit_result *r = e->result;
                if (r->last_latency[k] == 0 || latency < r->first_latency[k])
                    r->first_latency[k] = latency;
                if (latency > r->last_latency[k])
                    r->last_latency[k] = latency;
                status = compare(e, k);
            } else if (q->n > 0 && e->cycle - q->items[q->head].given > (uint64_t)u->config->timeout) {
                status = rs_unit_differs(e, RS_DIVERGENCE_LOST, k, &q->items[q->head], 0, 0);
            }
        }
        if (status != RS_OK)
            return status;
    }
    return RS_OK;
}

/* What would be given in this cycle. */
static rs_unit_slot next_slot(rs_unit_bench *e)
{
    const rs_unit_config *c = e->unit->config;
    rs_unit_slot s = { .sum = NULL };
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
    if (gaps && e->waiting == 0 && e->sum % 2 == 1 && rs_unit_chance(e, c->idle_percent))
        return s;
    s.operands = true;
    s.sum = sum;
    s.group = e->group;
    s.first = e->group == 0;
    s.last = e->group + 1 == sum->groups;
    s.addend = s.first ? sum->bias : e->acc;
    return s;
}

static bool active(rs_unit_when when, const rs_unit_slot *s)
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

static const rs_unit_slot *slot_before(const rs_unit_bench *e, int delay)
{
    return &e->history[(e->cycle - (uint64_t)delay) % RS_UNIT_HISTORY];
}

static void set_operands(rs_unit_bench *e, const rs_unit_operand *in, int what)
{
    const rs_unit_config *c = e->unit->config;
    const rs_unit_slot *s = slot_before(e, in->config->delay);
    if (!s->operands && c->hold && e->held.operands)
        s = &e->held;
    const bool anything = e->unit->has_enable_signal || !c->accumulates;
    if (!s->operands && anything && c->idle_percent > 0) {
        rs_unit_set_operand(e, in, what, NULL);
        return;
    }
    memset(e->words, 0, (size_t)c->products * sizeof *e->words);
    if (s->operands) {
        const int32_t *from = (what == 0 ? s->sum->activations : s->sum->weights) +
                              (size_t)s->group * (size_t)c->products;
        for (int i = 0; i < c->products; i++)
            e->words[i] = from[i];
    }
    rs_unit_set_operand(e, in, what, e->words);
}

static void set_inputs(rs_unit_bench *e, bool resetting)
{
    const rs_unit *u = e->unit;
    const rs_unit_config *c = u->config;
    set_operands(e, &u->activations, 0);
    if (u->weights.n_ports > 0)
        set_operands(e, &u->weights, 1);
    if (u->bias.n_ports > 0) {
        const rs_unit_slot *s = slot_before(e, c->bias.delay);
        const bool given = s->sum != NULL && (c->bias.when == RS_UNIT_ALWAYS || active(c->bias.when, s));
        const int64_t word = given ? s->sum->bias : 0;
        rs_unit_set_operand(e, &u->bias, 2, &word);
    }
    if (u->addend.n_ports > 0) {
        const rs_unit_slot *s = slot_before(e, c->addend.delay);
        const int64_t word = s->operands ? s->addend : 0;
        rs_unit_set_operand(e, &u->addend, 2, &word);
    }
    if (u->reset != RS_UNIT_NONE)
        rs_unit_set(u, u->reset, 0, (uint64_t)(resetting ? c->reset_value : !c->reset_value));
    if (u->enable != RS_UNIT_NONE)
        rs_unit_set(u, u->enable, 0, 1);
    for (size_t i = 0; i < c->n_signals; i++) {
        /* The reset may also be what begins a sum. */
        if (resetting && u->signals[i] == u->reset)
            continue;
        const bool on = active(c->signals[i].when, slot_before(e, c->signals[i].delay));
        rs_unit_set(u, u->signals[i], 0, (uint64_t)(on ? c->signals[i].value : c->signals[i].otherwise));
    }
    /* These go with the last group of a sum, and stay until the next. */
    const rs_unit_slot *s = slot_before(e, u->shift_delay);
    if (s->operands && (s->last || !c->accumulates)) {
        if (u->shift != RS_UNIT_NONE)
            rs_unit_set(u, u->shift, 0, (uint64_t)(int64_t)s->sum->shift);
        if (u->relu != RS_UNIT_NONE)
            rs_unit_set(u, u->relu, 0, s->sum->relu ? 1 : 0);
    }
}

static rs_status settle(rs_unit_bench *e, rs_diag *diag)
{
    const rs_unit *u = e->unit;
    const rs_unit_slot *s = &e->history[e->cycle % RS_UNIT_HISTORY];
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

static rs_status edge(rs_unit_bench *e, rs_diag *diag)
{
    const char *broken = e->unit->functions->edge(e->unit->shim, e->unit->clock);
    e->clocks++;
    return broken == NULL ? RS_OK
                          : rs_error(diag, RS_MISMATCH, RS_NOWHERE, NULL, "the unit stopped in cycle %" PRIu64 ": %s",
                                     e->clocks - 1, broken);
}

/* One cycle in which the unit is not frozen. */
static rs_status step(rs_unit_bench *e, rs_diag *diag)
{
    const rs_unit *u = e->unit;
    rs_unit_slot *s = &e->history[e->cycle % RS_UNIT_HISTORY];
    bool taken[2] = { true, true };
    *s = next_slot(e);
    set_inputs(e, false);
    for (int k = 0; k < 2; k++)
        if (u->results[k].ready != RS_UNIT_NONE) {
            taken[k] = !rs_unit_chance(e, u->config->idle_percent);
            rs_unit_set(u, u->results[k].ready, 0, taken[k] ? 1 : 0);
        }
    rs_status status = settle(e, diag);
    if (status != RS_OK)
        return status;
    if (s->operands && u->operands_ready != RS_UNIT_NONE &&
        (rs_unit_get(u, u->operands_ready) & 1U) != (unsigned)u->config->ready_value) {
        s->operands = false;
        if (++e->waiting > (uint64_t)u->config->timeout) {
            const rs_unit_pending p = { .sum = s->sum, .number = e->sum, .group = s->group };
            return rs_unit_differs(e, RS_DIVERGENCE_HANG, 0, &p, 0, 0);
        }
    }
    if (s->operands) {
        e->waiting = 0;
        if (!rs_unit_expect(e, s))
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
static rs_status freeze(rs_unit_bench *e, rs_diag *diag)
{
    const rs_unit *u = e->unit;
    rs_unit_set_operand(e, &u->activations, 0, NULL);
    if (u->weights.n_ports > 0)
        rs_unit_set_operand(e, &u->weights, 1, NULL);
    rs_unit_set(u, u->enable, 0, 0);
    const rs_status status = settle(e, diag);
    return status == RS_OK ? edge(e, diag) : status;
}

/* After a wrong result: does the right one come later? */
static void look_ahead(rs_unit_bench *e)
{
    rs_unit_mismatch *m = &e->result->mismatches[e->result->n_mismatches - 1];
    const int kind = strcmp(m->result, "sum") == 0 ? 0 : 1;
    const rs_unit_result_port *o = &e->unit->results[kind];
    if (m->what != RS_DIVERGENCE_VALUE || o->valid != RS_UNIT_NONE || edge(e, NULL) != RS_OK)
        return;
    e->cycle++;
    e->guessing = true;
    for (int k = 1; k <= RS_UNIT_FAR && step(e, NULL) == RS_OK; k++)
        if (e->queues[kind].seen[(e->cycle - 1) % RS_UNIT_HISTORY] == m->expected) {
            rs_unit_suggest(m, "the right one is there %d cycle%s later: %s.latency: %d?", k, k > 1 ? "s" : "", o->name,
                            o->config->latency + k);
            return;
        }
}

static rs_status run(rs_unit_bench *e, rs_diag *diag)
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
    e->cycle = RS_UNIT_HISTORY; /* so that the cycles before are there, and empty */
    const uint64_t begin = e->cycle;
    while (status == RS_OK && e->tail < TAIL_CYCLES) {
        if (e->unit->enable != RS_UNIT_NONE && rs_unit_chance(e, c->idle_percent))
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

void rs_unit_result_clear(rs_unit_result *result)
{
    rs_free(result->mismatches);
    *result = (rs_unit_result) { .sums = 0 };
}

rs_status rs_unit_run(rs_unit *unit, const rs_unit_vectors *vectors, const rs_unit_run_options *options,
                      rs_unit_result *result, rs_diag *diag)
{
    *result = (rs_unit_result) { .build_seconds = rs_model_build_seconds(unit->model) };
    rs_unit_bench *e = RS_NEW(rs_unit_bench);
    if (e == NULL)
        return rs_out_of_memory(diag);
    *e = (rs_unit_bench) {
        .unit = unit, .vectors = vectors, .seed = options->seed, .keep_going = options->keep_going, .result = result
    };
    e->words = RS_NEW_ARRAY(int64_t, 2 * (size_t)unit->config->products);
    const double start = rs_seconds();
    rs_status status = e->words != NULL ? run(e, diag) : rs_out_of_memory(diag);
    result->seconds = rs_seconds() - start;
    if (status == RS_OK && result->sum_results + result->outputs == 0)
        status = rs_error(diag, RS_MISMATCH, RS_NOWHERE, NULL, "nothing was compared");
    if (status == RS_OK && result->differs)
        status = RS_MISMATCH;
    if (status == RS_MISMATCH && result->differs) {
        const rs_unit_mismatch *m = &result->mismatches[0];
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
