/* What may be wrong with an adapter, tried: one key changed, on the sums up to the wrong one and some after it. */
#include <string.h>

#include "base/memory.h"
#include "foreign/unit_private.h"

enum { MORE_SUMS = 64 /* that a changed adapter must get right after the one that was wrong */ };

/* A run that differed. */
typedef struct unit_trial {
    const rs_unit *unit;
    rs_unit_vectors vectors; /* the first of all */
    uint64_t seed;
    rs_unit_mismatch *mismatch;
} unit_trial;

/* Whether nothing differs with this adapter in place of the unit's. */
static bool fits(const unit_trial *t, const rs_unit_config *changed)
{
    rs_unit other = { .config = changed, .model = t->unit->model, .functions = t->unit->functions };
    rs_unit_result again = { .sums = 0 };
    const rs_unit_run_options options = { .seed = t->seed };
    const bool same = rs_unit_open_shim(&other, t->seed, NULL, NULL) == RS_OK &&
                      rs_unit_connect(&other, NULL) == RS_OK &&
                      rs_unit_run(&other, &t->vectors, &options, &again, NULL) == RS_OK;
    rs_unit_result_clear(&again);
    rs_unit_close_shim(&other);
    return same;
}

static void try_reset(const unit_trial *t)
{
    rs_unit_config changed = *t->unit->config;
    if (changed.reset[0] == '\0')
        return;
    changed.reset_value = !changed.reset_value;
    if (fits(t, &changed))
        rs_unit_suggest(t->mismatch, "it is held in reset: clock.reset_value: %d", changed.reset_value);
}

static void try_orders(const unit_trial *t)
{
    static const char *const keys[] = { "activations.order", "weights.order" };
    for (int k = 0; k < 2 && t->unit->config->products > 1; k++) {
        rs_unit_config changed = *t->unit->config;
        rs_unit_input *in = k == 0 ? &changed.activations : &changed.weights;
        in->order = in->order == RS_UNIT_LOW_FIRST ? RS_UNIT_HIGH_FIRST : RS_UNIT_LOW_FIRST;
        if (fits(t, &changed))
            rs_unit_suggest(t->mismatch, "it fits %s: %s", keys[k],
                            in->order == RS_UNIT_LOW_FIRST ? "low_first" : "high_first");
    }
}

/* A clear, an enable or another signal that is a cycle off. */
static void try_signal(const unit_trial *t, size_t i, rs_unit_signal *signals)
{
    rs_unit_config changed = *t->unit->config;
    const rs_unit_signal was = signals[i];
    changed.signals = signals;
    for (int by = -1; by <= 1; by += 2) {
        signals[i].delay = was.delay + by;
        if (signals[i].delay >= 0 && signals[i].delay <= RS_UNIT_MAX_DELAY && fits(t, &changed))
            rs_unit_suggest(t->mismatch, "it fits '%s' a cycle %s: signals[%zu].delay: %d", was.port,
                            by < 0 ? "earlier" : "later", i, signals[i].delay);
    }
    signals[i] = was;
    if (was.when == RS_UNIT_FIRST || was.when == RS_UNIT_BEFORE) {
        signals[i].when = was.when == RS_UNIT_FIRST ? RS_UNIT_BEFORE : RS_UNIT_FIRST;
        if (fits(t, &changed))
            rs_unit_suggest(t->mismatch, "it fits '%s' a cycle %s: signals[%zu].when: %s", was.port,
                            was.when == RS_UNIT_FIRST ? "earlier" : "later", i,
                            was.when == RS_UNIT_FIRST ? "before" : "first");
    }
    signals[i] = was;
}

static void try_signals(const unit_trial *t)
{
    const rs_unit_config *c = t->unit->config;
    rs_unit_signal *signals = RS_NEW_ARRAY(rs_unit_signal, c->n_signals + 1);
    if (signals == NULL)
        return;
    memcpy(signals, c->signals, c->n_signals * sizeof *signals);
    for (size_t i = 0; i < c->n_signals; i++)
        if (c->signals[i].when != RS_UNIT_ALWAYS)
            try_signal(t, i, signals);
    rs_free(signals);
}

void rs_unit_explain(const rs_unit *unit, const rs_unit_vectors *vectors, uint64_t seed, rs_unit_result *result)
{
    rs_unit_mismatch *first = &result->mismatches[0];
    unit_trial t = { .unit = unit, .vectors = *vectors, .seed = seed, .mismatch = first };
    const int64_t n = (first->sum != NULL ? first->sum_number : result->sums) + MORE_SUMS;
    if (t.vectors.n > n)
        t.vectors.n = n;
    try_reset(&t);
    try_orders(&t);
    try_signals(&t);
}
