/* The model of the array in time. Since the loader takes everything in a fixed order, and since the sequencer and the
 * storer depend on what has been loaded and on the memory's readiness but never on later loads, the whole run unrolls
 * in the loader's order: after each phase everything that it makes possible (groups, stores) is settled, and with that
 * all that later phases have to wait for. */
#include "array/array.h"

#include <assert.h>
#include <string.h>

#include "array/values.h"
#include "base/memory.h"

struct rs_array {
    const rs_program *program;
    rs_values *values;
    rs_port port;
    rs_write_span *spans;   /* by descriptor */
    uint64_t *stored;       /* by descriptor: cycle from which it counts as stored */
    int64_t *positions;     /* by descriptor: convolution positions of a group */
    rs_layer_stats *layers; /* used when the caller wants none, so that there is one way */
    rs_layer_stats *counts; /* by layer: what every run counts, whatever the memory does; the rest is 0 */
    rs_activity_sink watch;
    void *watch_context;
};

typedef struct run {
    rs_array *array;
    const rs_program *program;
    const rs_array_config *config;
    rs_port *port;
    uint8_t *memory;
    rs_event_sink sink;
    void *context;
    bool stopped; /* the sink wants no more */
    rs_layer_stats *stats;
    int tree_stages;
    int first_descriptor; /* of the segment */
    uint64_t base;        /* cycles of the segments before; events and statistics count on */
    /* "from": the first cycle in which the flag is seen. By half. */
    uint64_t weights_free_from[2], weights_full_from[2], ifmap_free_from[2], ifmap_full_from[2], output_free_from[2];
    uint64_t sequencer; /* first cycle that is not settled yet */
    uint64_t storer;    /* the storer's next FETCH */
    int64_t group;      /* groups with weights so far, over all descriptors */
    int layer;          /* the sequencer's */
    int draining;       /* earliest layer whose ofmap may not be in memory yet */
} run;

static void emit(run *r, const rs_event *event)
{
    if (!r->sink || r->stopped)
        return;
    rs_event e = *event;
    e.cycle += r->base;
    if (!r->sink(r->context, &e))
        r->stopped = true;
}

static void watch(const run *r, rs_array_engine engine, rs_activity_kind kind, int descriptor, int group, uint64_t from,
                  uint64_t to)
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
static int half_of(const run *r, int d)
{
    return (d - r->first_descriptor) % 2;
}

/* -------------------------------------------------------------------------------------------- attribution */

/* Cycles [from, to) in which the sequencer does not run belong first to the drain of earlier layers that are not
 * stored; returns where that ends. */
static uint64_t drain_before(run *r, uint64_t from, uint64_t to)
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
static void attribute(run *r, uint64_t from, uint64_t to, uint64_t *counter)
{
    from = drain_before(r, from, to);
    if (to > from)
        *counter += to - from;
}

/* ------------------------------------------------------------------------------------------------- storer */

typedef struct store_context {
    run *run;
    const rs_descriptor *descriptor;
    int index;
} store_context;

static bool store_beat(void *context, int64_t beat, uint64_t cycle)
{
    const store_context *s = context;
    const int64_t run_beats = s->descriptor->run_beats;
    const int64_t address = s->descriptor->ofmap_addr + beat / run_beats * (run_beats + s->descriptor->run_skip) +
                            beat % run_beats;
    const rs_event event = { .kind = RS_EVENT_WRITE,
                             .cycle = cycle,
                             .descriptor = s->index,
                             .address = address,
                             .data = s->run->memory ? s->run->memory + address * (s->run->config->bus_bits / 8)
                                                    : NULL };
    emit(s->run, &event);
    return !s->run->stopped;
}

/* The ofmap of descriptor d is complete: ofull is seen from cycle full_from on. */
static void store(run *r, int d, uint64_t full_from)
{
    store_context context = { r, &r->program->descriptors[d], d };
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

/* Positions of the convolution under output window `at` of an axis. */
static int64_t under(int64_t at, int64_t conv, int64_t size, int64_t stride)
{
    const int64_t left = conv - at * stride;
    return left < size ? left : size;
}

/* The output beats of a group that runs from cycle `start` on; its channels begin at `first`. */
static void emit_outputs(run *r, const rs_descriptor *d, int index, int group, int64_t first, uint64_t start,
                         const rs_tile *tile)
{
    const int lanes = rs_descriptor_lanes(d, r->config, group);
    uint64_t positions = 0;
    int64_t o = 0;
    for (int64_t y = 0; y < d->out_h; y++)
        for (int64_t x = 0; x < d->out_w && !r->stopped; x++, o++) {
            positions += (uint64_t)(under(y, d->conv_h, d->pool_h, d->pool_stride_h) *
                                    under(x, d->conv_w, d->pool_w, d->pool_stride_w));
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
            emit(r, &event);
        }
}

static void run_group(run *r, const rs_descriptor *d, int index, int group, int64_t first, const rs_tile *tile)
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
typedef struct load_context {
    run *run;
    int64_t address, beats, second;
    int index, group; /* group -1: the ifmap */
    rs_activity_kind waits_for;
} load_context;

static bool load_beat(void *context, int64_t beat, uint64_t cycle)
{
    const load_context *l = context;
    const rs_event event = { .kind = RS_EVENT_READ,
                             .cycle = cycle,
                             .descriptor = l->index,
                             .address = beat < l->beats ? l->address + beat : l->second + beat - l->beats };
    emit(l->run, &event);
    return !l->run->stopped;
}

/* A phase that is in GUARD from `from` on and may leave it in cycle `holds_from` at the earliest. Returns the next
 * phase's first cycle; *full_from: when the data is seen to be there. */
static uint64_t load(load_context *context, uint64_t from, uint64_t holds_from, int64_t second_beats,
                     uint64_t *full_from)
{
    run *r = context->run;
    const uint64_t left = from > holds_from ? from : holds_from;
    const uint64_t last = rs_port_read(r->port, left + 1, context->beats + second_beats, r->sink ? load_beat : NULL,
                                       context);
    watch(r, RS_ARRAY_LOADER, context->waits_for, context->index, context->group, from, left);
    watch(r, RS_ARRAY_LOADER, context->group < 0 ? RS_ACTIVITY_LOAD_IFMAP : RS_ACTIVITY_LOAD_WEIGHTS, context->index,
          context->group, left + 1, last + 1);
    *full_from = last + (uint64_t)r->config->latency + 1;
    return last + 1;
}

static uint64_t load_weights(run *r, const rs_descriptor *d, int index, int group, uint64_t loader, int64_t *address)
{
    const int half = (int)(r->group % 2); /* the group that is loaded is the one that the sequencer takes next */
    const int64_t bias = rs_descriptor_bias_beats(d, group), weights = d->steps * rs_descriptor_step_beats(d, group);
    load_context context = { .run = r,
                             .address = *address,
                             .beats = bias + weights,
                             .index = index,
                             .group = group,
                             .waits_for = RS_ACTIVITY_WAIT_BUFFER };
    loader = load(&context, loader, r->weights_free_from[half], 0, &r->weights_full_from[half]);
    *address += bias + weights;
    return loader;
}

static uint64_t load_ifmap(run *r, const rs_descriptor *d, int index, uint64_t loader)
{
    const int half = half_of(r, index);
    uint64_t holds = r->ifmap_free_from[half];
    if (d->wait_stored && r->array->stored[r->first_descriptor + d->wait_stored - 1] > holds)
        holds = r->array->stored[r->first_descriptor + d->wait_stored - 1];
    load_context context = { .run = r,
                             .address = d->ifmap_addr,
                             .beats = d->ifmap_beats,
                             .second = d->second_addr,
                             .index = index,
                             .group = -1,
                             .waits_for = holds > r->ifmap_free_from[half] ? RS_ACTIVITY_WAIT_STORED
                                                                           : RS_ACTIVITY_WAIT_BUFFER };
    return load(&context, loader, holds, d->second_beats, &r->ifmap_full_from[half]);
}

static rs_status run_descriptors(run *r, const rs_program_segment *segment, rs_diag *diag)
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

/* One segment; *cycles is moved on by its cycles. */
static rs_status run_segment(run *r, const rs_program_segment *segment, uint64_t run_number, rs_diag *diag)
{
    rs_array *array = r->array;
    const rs_program *program = array->program;
    for (int h = 0; h < 2; h++)
        r->weights_free_from[h] = r->weights_full_from[h] = r->ifmap_free_from[h] = r->ifmap_full_from[h] =
            r->output_free_from[h] = 0;
    r->sequencer = r->storer = 1;
    r->group = 0;
    r->first_descriptor = segment->first;
    r->layer = r->draining = segment->first_layer;
    rs_port_init(&array->port, &program->config, run_number, array->spans);
    r->stats[segment->first_layer].control++; /* cycle 0 */
    const rs_status status = run_descriptors(r, segment, diag);
    if (status != RS_OK || r->stopped)
        return status;
    const uint64_t end = array->stored[segment->first + segment->count - 1];
    r->layer = segment->first_layer + segment->count_layers; /* behind the last group everything is drain */
    const uint64_t drained = drain_before(r, r->sequencer, end);
    assert(drained == end);
    (void)drained;
    const rs_event done = { .kind = RS_EVENT_DONE, .cycle = end, .descriptor = segment->first + segment->count - 1 };
    emit(r, &done);
    r->base += end;
    return RS_OK;
}

static rs_status run_segments(run *r, int first, int count, uint64_t run_number, rs_run_stats *stats, rs_diag *diag)
{
    rs_array *array = r->array;
    const rs_program *program = array->program;
    uint64_t stalled = 0;
    r->stats = stats ? stats->layers : array->layers;
    if (count == program->n_segments) {
        memcpy(r->stats, array->counts, (size_t)program->n_layers * sizeof *r->stats);
    } else {
        memset(r->stats, 0, (size_t)program->n_layers * sizeof *r->stats);
        memcpy(r->stats + program->segments[first].first_layer, array->counts + program->segments[first].first_layer,
               (size_t)program->segments[first].count_layers * sizeof *r->stats);
    }
    for (int i = first; i < first + count && !r->stopped; i++) {
        const rs_program_segment *segment = &program->segments[i];
        rs_status status = RS_OK;
        if (segment->count) {
            status = run_segment(r, segment, run_number, diag);
            stalled += array->port.stalled;
        } else if (r->memory) {
            status = rs_program_run_host(program, segment->first_layer, r->memory, diag);
        }
        if (status != RS_OK)
            return status;
    }
    if (r->stopped)
        return RS_OK;
    for (int i = 0; i < program->n_layers; i++) {
        rs_layer_stats *s = &r->stats[i];
        s->cycles = s->compute_cycles + s->wait_weights + s->wait_ifmap + s->wait_output + s->drain + s->control;
    }
    if (stats) {
        stats->cycles = r->base;
        stats->stalled_requests = stalled;
        stats->n_layers = program->n_layers;
    }
    return RS_OK;
}

static run begin(rs_array *array, uint8_t *memory, rs_event_sink sink, void *context)
{
    return (run) { .array = array,
                   .program = array->program,
                   .config = &array->program->config,
                   .port = &array->port,
                   .memory = memory,
                   .sink = sink,
                   .context = context,
                   .tree_stages = rs_array_tree_stages(&array->program->config) };
}

rs_status rs_array_run(rs_array *array, uint8_t *memory, uint64_t run_number, rs_event_sink sink, void *context,
                       rs_run_stats *stats, rs_diag *diag)
{
    run r = begin(array, memory, sink, context);
    return run_segments(&r, 0, array->program->n_segments, run_number, stats, diag);
}

rs_status rs_array_run_segment(rs_array *array, int segment, uint8_t *memory, uint64_t run_number, rs_event_sink sink,
                               void *context, rs_run_stats *stats, rs_diag *diag)
{
    run r = begin(array, memory, sink, context);
    return run_segments(&r, segment, 1, run_number, stats, diag);
}

/* Adds what descriptor d counts in every run. */
static void count(const rs_array *a, const rs_descriptor *d, int64_t positions, rs_layer_stats *s)
{
    const rs_array_config *config = &a->program->config;
    const uint64_t multipliers = (uint64_t)config->multipliers, steps = (uint64_t)(positions * d->steps),
                   outputs = (uint64_t)d->out_h * (uint64_t)d->out_w;
    for (int g = 0; g < d->groups; g++) {
        const uint64_t lanes = (uint64_t)rs_descriptor_lanes(d, config, g);
        s->compute_cycles += steps;
        s->activation_buffer_reads += steps * multipliers;
        s->accumulations += steps * lanes;
        s->output_buffer_writes += outputs * lanes;
        s->output_buffer_reads += outputs * lanes;
        if (d->mode != RS_MODE_WEIGHTS)
            continue;
        s->weight_buffer_reads += steps * lanes * multipliers;
        s->weight_buffer_writes += (uint64_t)d->steps * lanes * multipliers;
        s->bias_beats += (uint64_t)rs_descriptor_bias_beats(d, g);
        s->weight_beats += (uint64_t)(d->steps * rs_descriptor_step_beats(d, g));
    }
    s->ifmap_beats += (uint64_t)d->ifmap_beats + (uint64_t)d->second_beats;
    s->activation_buffer_writes += ((uint64_t)d->ifmap_beats + (uint64_t)d->second_beats) *
                                   (uint64_t)rs_array_elements_per_beat(config);
    s->ofmap_beats += (uint64_t)d->ofmap_beats;
}

rs_status rs_array_new(const rs_program *program, rs_array **array, rs_diag *diag)
{
    *array = NULL;
    rs_array *a = RS_NEW(rs_array);
    if (!a)
        return rs_out_of_memory(diag);
    const size_t n = (size_t)program->n_descriptors;
    a->program = program;
    a->spans = RS_NEW_ARRAY(rs_write_span, n);
    a->stored = RS_NEW_ARRAY(uint64_t, n);
    a->positions = RS_NEW_ARRAY(int64_t, n);
    a->layers = RS_NEW_ARRAY(rs_layer_stats, (size_t)program->n_layers);
    a->counts = RS_NEW_ARRAY(rs_layer_stats, (size_t)program->n_layers);
    rs_status status = a->spans && a->stored && a->positions && a->layers && a->counts
                           ? rs_values_new(program, &a->values, diag)
                           : rs_out_of_memory(diag);
    if (status != RS_OK) {
        rs_array_free(a);
        return status;
    }
    for (int i = 0; i < program->n_descriptors; i++) {
        const rs_descriptor *d = &program->descriptors[i];
        int64_t rows = 0, columns = 0;
        for (int64_t y = 0; y < d->out_h; y++)
            rows += under(y, d->conv_h, d->pool_h, d->pool_stride_h);
        for (int64_t x = 0; x < d->out_w; x++)
            columns += under(x, d->conv_w, d->pool_w, d->pool_stride_w);
        a->positions[i] = rows * columns;
    }
    for (int l = 0; l < program->n_layers; l++) {
        rs_layer_stats *s = &a->counts[l];
        for (int i = program->layers[l].first; i < program->layers[l].first + program->layers[l].count; i++)
            count(a, &program->descriptors[i], a->positions[i], s);
        s->macs = (uint64_t)program->layers[l].macs;
        s->mac_slots = s->compute_cycles * (uint64_t)program->config.lanes * (uint64_t)program->config.multipliers;
    }
    *array = a;
    return RS_OK;
}

void rs_array_watch(rs_array *array, rs_activity_sink sink, void *context)
{
    array->watch = sink;
    array->watch_context = context;
}

void rs_array_free(rs_array *array)
{
    if (!array)
        return;
    rs_values_free(array->values);
    rs_free(array->spans);
    rs_free(array->stored);
    rs_free(array->positions);
    rs_free(array->layers);
    rs_free(array->counts);
    rs_free(array);
}
