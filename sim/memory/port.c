/* The memory port in time: the cycles in which reads and writes are accepted and answered. */
#include "memory/port.h"

#include <string.h>

#include "base/rng.h"

/* All cycles of a run share the inner hash. */
static uint64_t stall_base(const rs_array_config *config, uint64_t run)
{
    return rs_mix64(config->stall_seed + run);
}

static bool ready_from(uint64_t base, unsigned percent, uint64_t cycle)
{
    return (rs_mix64(base + cycle) >> 32) % 100 >= percent;
}

bool rs_memory_ready(const rs_array_config *config, uint64_t run, uint64_t cycle)
{
    return config->stall_percent == 0 || ready_from(stall_base(config, run), (unsigned)config->stall_percent, cycle);
}

void rs_port_init(rs_port *port, const rs_array_config *config, uint64_t run, rs_write_span *spans)
{
    port->config = config;
    port->run = run;
    port->spans = spans;
    port->n_spans = port->next_span = 0;
    port->reads = port->stalled = 0;
    /* Nobody reads what is left of `words` without its tag, nor of `accepted` before `reads` has come that far: a short
     * run would spend most of its time on clearing them. */
    if (config->stall_percent)
        memset(port->tags, 0, sizeof port->tags);
}

/* Ready cycles among 64 number .. 64 number + 63, one bit each. */
static uint64_t ready_word(rs_port *port, uint64_t number)
{
    const size_t slot = number % RS_READY_WORDS;
    if (port->tags[slot] != number + 1) {
        const uint64_t base = stall_base(port->config, port->run);
        uint64_t word = 0;
        for (unsigned i = 0; i < 64; i++)
            word |= (uint64_t)ready_from(base, (unsigned)port->config->stall_percent, 64 * number + i) << i;
        port->words[slot] = word;
        port->tags[slot] = number + 1;
    }
    return port->words[slot];
}

/* Walks ready cycles from `from` on, before `end`: stops after the (*beats)-th one and returns its cycle, or at `end`
 * and returns that. Takes what it found off *beats. Not-ready cycles passed are counted as stalled requests. */
static uint64_t walk(rs_port *port, uint64_t from, uint64_t end, int64_t *beats)
{
    if (port->config->stall_percent == 0) {
        const uint64_t n = end - from < (uint64_t)*beats ? end - from : (uint64_t)*beats;
        *beats -= (int64_t)n;
        return *beats ? end : from + n - 1;
    }
    while (from < end) {
        uint64_t width = 64 - from % 64;
        width = width < end - from ? width : end - from;
        uint64_t word = ready_word(port, from / 64) >> from % 64;
        if (width < 64)
            word &= (UINT64_C(1) << width) - 1;
        const int found = __builtin_popcountll(word);
        if (found < *beats) {
            *beats -= found;
            port->stalled += width - (uint64_t)found;
            from += width;
            continue;
        }
        for (int64_t skip = *beats - 1; skip > 0; skip--)
            word &= word - 1;
        const uint64_t at = (uint64_t)__builtin_ctzll(word);
        port->stalled += at + 1 - (uint64_t)*beats;
        *beats = 0;
        return from + at;
    }
    return end;
}

uint64_t rs_port_write(rs_port *port, uint64_t first, int64_t beats, rs_port_beat beat, void *context)
{
    uint64_t at = first;
    if (!beat) {
        at = walk(port, first, UINT64_MAX, &beats);
    } else {
        for (int64_t i = 0; i < beats; i++) {
            int64_t one = 1;
            at = walk(port, i ? at + 1 : first, UINT64_MAX, &one);
            if (beat && !beat(context, i, at))
                beat = NULL;
        }
    }
    port->spans[port->n_spans++] = (rs_write_span) { first, at };
    return at;
}

/* The same as walk() for reads: cycles in which a write is presented are passed over. */
static uint64_t walk_reads(rs_port *port, uint64_t from, int64_t beats)
{
    for (;;) {
        while (port->next_span < port->n_spans && port->spans[port->next_span].last < from)
            port->next_span++;
        const rs_write_span *span = port->next_span < port->n_spans ? &port->spans[port->next_span] : NULL;
        if (span && span->first <= from) {
            from = span->last + 1;
            continue;
        }
        const uint64_t at = walk(port, from, span ? span->first : UINT64_MAX, &beats);
        if (beats == 0)
            return at;
        from = span ? span->last + 1 : UINT64_MAX;
    }
}

/* The outstanding limit binds with period `period`, nothing is in the way before the next write: passes over as many
 * whole periods as lie in between. Returns the number of beats passed over. */
static int64_t skip_periods(rs_port *port, uint64_t at, int64_t beats, uint64_t period)
{
    const int64_t outstanding = port->config->outstanding;
    uint64_t periods = (uint64_t)(beats / outstanding);
    if (port->next_span < port->n_spans) {
        const uint64_t first = port->spans[port->next_span].first; /* > at: the last read was accepted before it */
        const uint64_t free = first > at ? (first - 1 - at) / period : 0;
        periods = periods < free ? periods : free;
    }
    for (int64_t i = 0; i < outstanding; i++)
        port->accepted[i] += periods * period;
    port->reads += periods * (uint64_t)outstanding;
    return (int64_t)periods * outstanding;
}

uint64_t rs_port_read(rs_port *port, uint64_t first, int64_t beats, rs_port_beat beat, void *context)
{
    const uint64_t outstanding = (uint64_t)port->config->outstanding, latency = (uint64_t)port->config->latency;
    /* Read k waits for the answer to read k - O, accepted at least O cycles before it: with O > latency it has come. */
    const bool limited = outstanding <= latency;
    if (!limited && !beat)
        return walk_reads(port, first, beats);
    uint64_t at = first;
    uint64_t regular = 0; /* reads in a row that came latency + 1 cycles after read k - O */
    for (int64_t i = 0; i < beats; i++) {
        uint64_t from = i ? at + 1 : first;
        if (limited && port->reads >= outstanding) {
            const uint64_t answered = port->accepted[port->reads % outstanding] + latency + 1;
            from = from > answered ? from : answered;
        }
        at = walk_reads(port, from, 1);
        if (limited) {
            uint64_t *slot = &port->accepted[port->reads % outstanding];
            regular = port->reads >= outstanding && at == *slot + latency + 1 ? regular + 1 : 0;
            *slot = at;
        }
        port->reads++;
        if (beat && !beat(context, i, at))
            beat = NULL;
        if (!beat && regular >= outstanding && port->config->stall_percent == 0) {
            /* The last O reads are a period of latency + 1 cycles, which repeats itself. */
            const int64_t skipped = skip_periods(port, at, beats - 1 - i, latency + 1);
            i += skipped;
            at = port->accepted[(port->reads - 1) % outstanding];
            regular = 0;
        }
    }
    return at;
}
