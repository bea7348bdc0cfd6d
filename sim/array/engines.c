/* The model of the array in time. Since the loader takes everything in a fixed order, and since the sequencer and the
 * storer depend on what has been loaded and on the memory's readiness but never on later loads, the whole run unrolls
 * in the loader's order: after each phase everything that it makes possible (groups, stores) is settled, and with that
 * all that later phases have to wait for. */
#include "array/array_private.h"

void rs_array_emit(rs_array_state *r, const rs_event *event)
{
    if (!r->sink || r->stopped)
        return;
    rs_event e = *event;
    e.cycle += r->base;
    if (!r->sink(r->context, &e))
        r->stopped = true;
}

static void watch(const rs_array_state *r, rs_array_engine engine, rs_activity_kind kind, int descriptor, int group,
                  uint64_t from, uint64_t to)
{
    if (!r->array->watch || to <= from)
        return;
    const rs_activity activity = { .engine = engine,
                                   .kind = kind,
                                   .layer = r->layer,
                                   .descriptor = descriptor,
                                   .group = group,
                                   .from = r->base + from,
                                   .to = r->base + to };
    r->array->watch(r->array->watch_context, &activity);
}

/* The half of the activation and output buffers that descriptor d uses. */
static int half_of(const rs_array_state *r, int d)
{
    return (d - r->first_descriptor) % 2;
}

/* -------------------------------------------------------------------------------------------- attribution */

uint64_t rs_array_drain(rs_array_state *r, uint64_t from, uint64_t to)
{
    for (; r->draining < r->layer; r->draining++) {
        const rs_program_layer *layer = &r->program->layers[r->draining];
        const uint64_t end = r->array->stored[layer->first + layer->count - 1];
        const uint64_t until = end < to ? end : to;
        if (until > from) {
            r->stats[r->draining].drain += until - from;
            from = until;
        }
        if (end > to)
            break;
    }
    return from;
}

/* Cycles [from, to) of *counter, as far as they are not drain. */
static void attribute(rs_array_state *r, uint64_t from, uint64_t to, uint64_t *counter)
{
    from = rs_array_drain(r, from, to);
    if (to > from)
        *counter += to - from;
}

/* ------------------------------------------------------------------------------------------------- storer */

typedef struct store_phase {
    rs_array_state *run;
    const rs_descriptor *descriptor;
    int index;
} store_phase;

static bool store_beat(void *context, int64_t beat, uint64_t cycle)
{
    const store_phase *s = context;
    const int64_t run_beats = s->descriptor->run_beats;
    const int64_t address = s->descriptor->ofmap_addr + beat / run_beats * (run_beats + s->descriptor->run_skip) +
                            beat % run_beats;
    const rs_event event = { .kind = RS_EVENT_WRITE,
                             .cycle = cycle,
                             .descriptor = s->index,
                             .address = address,
                             .data = s->run->memory ? s->run->memory + address * (s->run->config->bus_bits / 8)
                                                    : NULL };
    rs_array_emit(s->run, &event);
    return !s->run->stopped;
}

/* The ofmap of descriptor d is complete: ofull is seen from cycle full_from on. */
static void store(rs_array_state *r, int d, uint64_t full_from)
{
    store_phase context = { r, &r->program->descriptors[d], d };
    const uint64_t wait = r->storer + 1, seen = wait > full_from ? wait : full_from;
    const uint64_t last = rs_port_write(r->port, seen + 2, context.descriptor->ofmap_beats, r->sink ? store_beat : NULL,
                                        &context);
    watch(r, RS_ARRAY_STORER, RS_ACTIVITY_STORE, d, -1, seen + 2, last + 1);
    r->array->stored[d] = last + 1;
    r->output_free_from[half_of(r, d)] = last + 1;
    r->storer = last + 1;
    r->stats[r->layer].last_cycle = r->base + last;
}

/* ---------------------------------------------------------------------------------------------- sequencer */

/* The output beats of a group that runs from cycle `start` on; its channels begin at `first`. */
static void emit_outputs(rs_array_state *r, const rs_descriptor *d, int index, int group, int64_t first, uint64_t start,
                         const rs_tile *tile)
{
    const int lanes = rs_descriptor_lanes(d, r->config, group);
    uint64_t positions = 0;
    int64_t o = 0;
    for (int64_t y = 0; y < d->out_h; y++)
        for (int64_t x = 0; x < d->out_w && !r->stopped; x++, o++) {
            positions += (uint64_t)(rs_array_under(y, d->conv_h, d->pool_h, d->pool_stride_h) *
                                    rs_array_under(x, d->conv_w, d->pool_w, d->pool_stride_w));
            rs_event event = { .kind = RS_EVENT_OUTPUT,
                               .descriptor = index,
                               .address = o * d->out_channels + first,
                               .n_values = lanes,
                               .cycle = start + positions * (uint64_t)d->steps - 1 + 6 + (uint64_t)r->tree_stages };
            if (tile) {
                event.values = tile->out + o * tile->stride + first;
                event.saturations = tile->saturations[o * d->groups + group];
                event.overflows = tile->overflows[o * d->groups + group];
            }
            rs_array_emit(r, &event);
        }
}

static void run_group(rs_array_state *r, const rs_descriptor *d, int index, int group, int64_t first,
                      const rs_tile *tile)
{
    const int half = (int)(r->group % 2), buffers = half_of(r, index);
    const bool direct = d->mode != RS_MODE_WEIGHTS;
    rs_layer_stats *stats = &r->stats[r->layer];
    /* FETCH before the first group, then WAIT from cycle `wait` on. */
    const uint64_t wait = r->sequencer + (group == 0);
    if (group == 0) {
        if (index == r->program->layers[r->layer].first)
            stats->first_cycle = r->base + r->sequencer;
        attribute(r, r->sequencer, wait, &stats->control);
    }
    uint64_t weights = !direct && r->weights_full_from[half] > wait ? r->weights_full_from[half] : wait;
    uint64_t ifmap = weights, output = weights;
    if (group == 0) {
        ifmap = r->ifmap_full_from[buffers] > weights ? r->ifmap_full_from[buffers] : weights;
        output = r->output_free_from[buffers] > ifmap ? r->output_free_from[buffers] : ifmap;
    }
    watch(r, RS_ARRAY_SEQUENCER, RS_ACTIVITY_WAIT_WEIGHTS, index, group, wait, weights);
    watch(r, RS_ARRAY_SEQUENCER, RS_ACTIVITY_WAIT_IFMAP, index, group, weights, ifmap);
    watch(r, RS_ARRAY_SEQUENCER, RS_ACTIVITY_WAIT_OUTPUT, index, group, ifmap, output);
    attribute(r, wait, weights, &stats->wait_weights);
    attribute(r, weights, ifmap, &stats->wait_ifmap);
    attribute(r, ifmap, output, &stats->wait_output);
    attribute(r, output, output + 1, &stats->control);

    const uint64_t start = output + 1, last = start + (uint64_t)(r->array->positions[index] * d->steps) - 1;
    watch(r, RS_ARRAY_SEQUENCER, RS_ACTIVITY_COMPUTE, index, group, start, last + 1);
    if (r->sink)
        emit_outputs(r, d, index, group, first, start, tile);

    if (!direct) {
        r->weights_free_from[half] = last + 4 + (uint64_t)r->tree_stages;
        r->group++;
    }
    r->sequencer = last + 1;
    if (group + 1 == d->groups) {
        r->ifmap_free_from[buffers] = last + 1;
        store(r, index, last + 6 + (uint64_t)r->tree_stages + 1);
    }
}

/* ------------------------------------------------------------------------------------------------- loader */

/* A phase: beats from `address` on, the last of them from `second` on. */
typedef struct load_phase {
    rs_array_state *run;
    int64_t address, beats, second;
    int index, group; /* group -1: the ifmap */
    rs_activity_kind waits_for;
} load_phase;

static bool load_beat(void *context, int64_t beat, uint64_t cycle)
{
    const load_phase *l = context;
    const rs_event event = { .kind = RS_EVENT_READ,
                             .cycle = cycle,
                             .descriptor = l->index,
                             .address = beat < l->beats ? l->address + beat : l->second + beat - l->beats };
    rs_array_emit(l->run, &event);
    return !l->run->stopped;
}

/* A phase that is in GUARD from `from` on and may leave it in cycle `holds_from` at the earliest. Returns the next
 * phase's first cycle; *full_from: when the data is seen to be there. */
static uint64_t load(load_phase *context, uint64_t from, uint64_t holds_from, int64_t second_beats, uint64_t *full_from)
{
    rs_array_state *r = context->run;
    const uint64_t left = from > holds_from ? from : holds_from;
    const uint64_t last = rs_port_read(r->port, left + 1, context->beats + second_beats, r->sink ? load_beat : NULL,
                                       context);
    watch(r, RS_ARRAY_LOADER, context->waits_for, context->index, context->group, from, left);
    watch(r, RS_ARRAY_LOADER, context->group < 0 ? RS_ACTIVITY_LOAD_IFMAP : RS_ACTIVITY_LOAD_WEIGHTS, context->index,
          context->group, left + 1, last + 1);
    *full_from = last + (uint64_t)r->config->latency + 1;
    return last + 1;
}

static uint64_t load_weights(rs_array_state *r, const rs_descriptor *d, int index, int group, uint64_t loader,
                             int64_t *address)
{
    const int half = (int)(r->group % 2); /* the group that is loaded is the one that the sequencer takes next */
    const int64_t bias = rs_descriptor_bias_beats(d, group), weights = d->steps * rs_descriptor_step_beats(d, group);
    load_phase context = { .run = r,
                           .address = *address,
                           .beats = bias + weights,
                           .index = index,
                           .group = group,
                           .waits_for = RS_ACTIVITY_WAIT_BUFFER };
    loader = load(&context, loader, r->weights_free_from[half], 0, &r->weights_full_from[half]);
    *address += bias + weights;
    return loader;
}

static uint64_t load_ifmap(rs_array_state *r, const rs_descriptor *d, int index, uint64_t loader)
{
    const int half = half_of(r, index);
    uint64_t holds = r->ifmap_free_from[half];
    if (d->wait_stored && r->array->stored[r->first_descriptor + d->wait_stored - 1] > holds)
        holds = r->array->stored[r->first_descriptor + d->wait_stored - 1];
    load_phase context = { .run = r,
                           .address = d->ifmap_addr,
                           .beats = d->ifmap_beats,
                           .second = d->second_addr,
                           .index = index,
                           .group = -1,
                           .waits_for = holds > r->ifmap_free_from[half] ? RS_ACTIVITY_WAIT_STORED
                                                                         : RS_ACTIVITY_WAIT_BUFFER };
    return load(&context, loader, holds, d->second_beats, &r->ifmap_full_from[half]);
}

rs_status rs_array_run_descriptors(rs_array_state *r, const rs_program_segment *segment, rs_diag *diag)
{
    const rs_program *program = r->program;
    uint64_t loader = 1; /* FETCH of the next descriptor */
    for (int i = segment->first; i < segment->first + segment->count && !r->stopped; i++) {
        const rs_descriptor *d = &program->descriptors[i];
        while (i >= program->layers[r->layer].first + program->layers[r->layer].count)
            r->layer++;
        int64_t address = d->weight_addr, first = 0;
        rs_tile tile;
        loader++;
        for (int g = 0; g < d->groups; g++) {
            if (d->mode == RS_MODE_WEIGHTS)
                loader = load_weights(r, d, i, g, loader, &address);
            if (g == 0) {
                loader = load_ifmap(r, d, i, loader);
                if (r->memory) {
                    const rs_status status = rs_values_tile(r->array->values, r->memory, i, r->sink != NULL, &tile,
                                                            diag);
                    if (status != RS_OK)
                        return status;
                    r->stats[r->layer].saturations += tile.total_saturations;
                    r->stats[r->layer].overflows += tile.total_overflows;
                    /* Nobody reads these beats before their descriptor is stored, so that they can be written early. */
                    rs_values_store(r->array->values, &tile, i, r->memory);
                }
            }
            run_group(r, d, i, g, first, r->memory ? &tile : NULL);
            first += rs_descriptor_lanes(d, r->config, g);
        }
    }
    return RS_OK;
}
