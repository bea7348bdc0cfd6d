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
    /* "from": the first cycle in which the flag is seen. By half. */
    uint64_t weights_free_from[2], weights_full_from[2], ifmap_free_from[2], ifmap_full_from[2], output_free_from[2];
    uint64_t sequencer; /* first cycle that is not settled yet */
    uint64_t storer;    /* the storer's next FETCH */
    int64_t group;      /* groups so far, over all descriptors */
    int layer;          /* the sequencer's */
    int draining;       /* earliest layer whose ofmap may not be in memory yet */
} run;

static void emit(run *r, const rs_event *event)
{
    if (r->sink && !r->stopped && !r->sink(r->context, event))
        r->stopped = true;
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
    const int64_t address = s->descriptor->ofmap_addr + beat;
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
    r->array->stored[d] = last + 1;
    r->output_free_from[d % 2] = last + 1;
    r->storer = last + 1;
    rs_layer_stats *stats = &r->stats[r->layer];
    stats->ofmap_beats += (uint64_t)context.descriptor->ofmap_beats;
    stats->last_cycle = last;
}

/* ---------------------------------------------------------------------------------------------- sequencer */

/* Positions of the convolution under output window `at` of an axis. */
static int64_t under(int64_t at, int64_t conv, int64_t size, int64_t stride)
{
    const int64_t left = conv - at * stride;
    return left < size ? left : size;
}

/* The output beats of a group that runs from cycle `start` on. */
static void emit_outputs(run *r, const rs_descriptor *d, int index, int group, uint64_t start, const rs_tile *tile)
{
    const int lanes = group + 1 == d->groups ? d->lanes_last : r->config->lanes;
    const int64_t first = (int64_t)group * r->config->lanes;
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

static void run_group(run *r, const rs_descriptor *d, int index, int group, const rs_tile *tile)
{
    const int half = (int)(r->group % 2);
    rs_layer_stats *stats = &r->stats[r->layer];
    /* FETCH before the first group, then WAIT from cycle `wait` on. */
    const uint64_t wait = r->sequencer + (group == 0);
    if (group == 0) {
        if (index == r->program->layers[r->layer].first)
            stats->first_cycle = r->sequencer;
        attribute(r, r->sequencer, wait, &stats->control);
    }
    uint64_t weights = r->weights_full_from[half] > wait ? r->weights_full_from[half] : wait;
    uint64_t ifmap = weights, output = weights;
    if (group == 0) {
        ifmap = r->ifmap_full_from[index % 2] > weights ? r->ifmap_full_from[index % 2] : weights;
        output = r->output_free_from[index % 2] > ifmap ? r->output_free_from[index % 2] : ifmap;
    }
    attribute(r, wait, weights, &stats->wait_weights);
    attribute(r, weights, ifmap, &stats->wait_ifmap);
    attribute(r, ifmap, output, &stats->wait_output);
    attribute(r, output, output + 1, &stats->control);

    const uint64_t start = output + 1, steps = (uint64_t)(r->array->positions[index] * d->steps),
                   last = start + steps - 1;
    const uint64_t lanes = (uint64_t)(group + 1 == d->groups ? d->lanes_last : r->config->lanes),
                   multipliers = (uint64_t)r->config->multipliers;
    stats->compute_cycles += steps;
    stats->activation_buffer_reads += steps * multipliers;
    stats->weight_buffer_reads += steps * lanes * multipliers;
    stats->accumulations += steps * lanes;
    stats->output_buffer_writes += (uint64_t)d->out_h * (uint64_t)d->out_w * lanes;
    if (r->sink)
        emit_outputs(r, d, index, group, start, tile);

    r->weights_free_from[half] = last + 4 + (uint64_t)r->tree_stages;
    r->sequencer = last + 1;
    r->group++;
    if (group + 1 == d->groups) {
        r->ifmap_free_from[index % 2] = last + 1;
        stats->output_buffer_reads += (uint64_t)d->out_h * (uint64_t)d->out_w * (uint64_t)d->out_channels;
        store(r, index, last + 6 + (uint64_t)r->tree_stages + 1);
    }
}

/* ------------------------------------------------------------------------------------------------- loader */

typedef struct load_context {
    run *run;
    int64_t address;
    int index;
} load_context;

static bool load_beat(void *context, int64_t beat, uint64_t cycle)
{
    const load_context *l = context;
    const rs_event event = {
        .kind = RS_EVENT_READ, .cycle = cycle, .descriptor = l->index, .address = l->address + beat
    };
    emit(l->run, &event);
    return !l->run->stopped;
}

/* A phase that is in GUARD from `from` on and may leave it in cycle `holds_from` at the earliest. Returns the next
 * phase's first cycle; *full_from: when the data is seen to be there. */
static uint64_t load(run *r, int index, uint64_t from, uint64_t holds_from, int64_t address, int64_t beats,
                     uint64_t *full_from)
{
    load_context context = { r, address, index };
    const uint64_t left = from > holds_from ? from : holds_from;
    const uint64_t last = rs_port_read(r->port, left + 1, beats, r->sink ? load_beat : NULL, &context);
    *full_from = last + (uint64_t)r->config->latency + 1;
    return last + 1;
}

static rs_status run_descriptors(run *r, rs_diag *diag)
{
    const rs_program *program = r->program;
    const uint64_t lanes = (uint64_t)r->config->lanes, multipliers = (uint64_t)r->config->multipliers;
    uint64_t loader = 1; /* FETCH of the next descriptor */
    for (int i = 0; i < program->n_descriptors && !r->stopped; i++) {
        const rs_descriptor *d = &program->descriptors[i];
        while (i >= program->layers[r->layer].first + program->layers[r->layer].count)
            r->layer++;
        rs_layer_stats *stats = &r->stats[r->layer];
        int64_t address = d->weight_addr;
        rs_tile tile;
        loader++;
        for (int g = 0; g < d->groups; g++) {
            const bool last = g + 1 == d->groups;
            const int half = (int)(r->group %
                                   2); /* the group that is loaded is the one that the sequencer takes next */
            const int64_t bias = last ? d->bias_beats_last : d->bias_beats,
                          weights = (int64_t)d->steps * (last ? d->step_beats_last : d->step_beats);
            loader = load(r, i, loader, r->weights_free_from[half], address, bias + weights,
                          &r->weights_full_from[half]);
            address += bias + weights;
            stats->bias_beats += (uint64_t)bias;
            stats->weight_beats += (uint64_t)weights;
            stats->weight_buffer_writes += (uint64_t)d->steps * (last ? (uint64_t)d->lanes_last : lanes) * multipliers;
            if (g == 0) {
                uint64_t holds = r->ifmap_free_from[i % 2];
                if (d->wait_stored && r->array->stored[d->wait_stored - 1] > holds)
                    holds = r->array->stored[d->wait_stored - 1];
                loader = load(r, i, loader, holds, d->ifmap_addr, d->ifmap_beats, &r->ifmap_full_from[i % 2]);
                stats->ifmap_beats += (uint64_t)d->ifmap_beats;
                stats->activation_buffer_writes += (uint64_t)d->ifmap_beats *
                                                   (uint64_t)rs_array_elements_per_beat(r->config);
                if (r->memory) {
                    const rs_status status = rs_values_tile(r->array->values, r->memory, r->layer, i, r->sink != NULL,
                                                            &tile, diag);
                    if (status != RS_OK)
                        return status;
                    stats->saturations += tile.total_saturations;
                    stats->overflows += tile.total_overflows;
                    /* Nobody reads these beats before their descriptor is stored, so that they can be written early. */
                    rs_values_store(r->array->values, &tile, i, r->memory);
                }
            }
            run_group(r, d, i, g, r->memory ? &tile : NULL);
        }
    }
    return RS_OK;
}

rs_status rs_array_run(rs_array *array, uint8_t *memory, uint64_t run_number, rs_event_sink sink, void *context,
                       rs_run_stats *stats, rs_diag *diag)
{
    const rs_program *program = array->program;
    run r = { .array = array,
              .program = program,
              .config = &program->config,
              .port = &array->port,
              .memory = memory,
              .sink = sink,
              .context = context,
              .tree_stages = rs_array_tree_stages(&program->config),
              .sequencer = 1,
              .storer = 1 };
    r.stats = stats ? stats->layers : array->layers;
    memset(r.stats, 0, (size_t)program->n_layers * sizeof *r.stats);
    rs_port_init(&array->port, &program->config, run_number, array->spans);
    r.stats[0].control = 1; /* cycle 0 */
    const rs_status status = run_descriptors(&r, diag);
    if (status != RS_OK || r.stopped)
        return status;

    const uint64_t end = array->stored[program->n_descriptors - 1];
    r.layer = program->n_layers; /* behind the last group everything is drain */
    const uint64_t drained = drain_before(&r, r.sequencer, end);
    assert(drained == end);
    (void)drained;
    const rs_event done = { .kind = RS_EVENT_DONE, .cycle = end, .descriptor = program->n_descriptors - 1 };
    emit(&r, &done);
    for (int i = 0; i < program->n_layers; i++) {
        rs_layer_stats *s = &r.stats[i];
        s->cycles = s->compute_cycles + s->wait_weights + s->wait_ifmap + s->wait_output + s->drain + s->control;
        s->macs = (uint64_t)program->layers[i].macs;
        s->mac_slots = s->compute_cycles * (uint64_t)program->config.lanes * (uint64_t)program->config.multipliers;
    }
    if (stats) {
        stats->cycles = end;
        stats->stalled_requests = array->port.stalled;
        stats->n_layers = program->n_layers;
    }
    return RS_OK;
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
    rs_status status = a->spans && a->stored && a->positions && a->layers ? rs_values_new(program, &a->values, diag)
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
    *array = a;
    return RS_OK;
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
    rs_free(array);
}
