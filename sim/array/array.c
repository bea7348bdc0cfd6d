/* The model of the array: its segments one after the other, what each run counts, and its lifetime. */
#include <assert.h>
#include <string.h>

#include "array/array_private.h"
#include "base/memory.h"

/* One segment; *cycles is moved on by its cycles. */
static rs_status run_segment(rs_array_state *r, const rs_program_segment *segment, uint64_t run_number, rs_diag *diag)
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
    const rs_status status = rs_array_run_descriptors(r, segment, diag);
    if (status != RS_OK || r->stopped)
        return status;
    const uint64_t end = array->stored[segment->first + segment->count - 1];
    r->layer = segment->first_layer + segment->count_layers; /* after the last group everything is drain */
    const uint64_t drained = rs_array_drain(r, r->sequencer, end);
    assert(drained == end);
    (void)drained;
    const rs_event done = { .kind = RS_EVENT_DONE, .cycle = end, .descriptor = segment->first + segment->count - 1 };
    rs_array_emit(r, &done);
    r->base += end;
    return RS_OK;
}

static rs_status run_segments(rs_array_state *r, int first, int count, uint64_t run_number, rs_run_stats *stats,
                              rs_diag *diag)
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

static rs_array_state begin(rs_array *array, uint8_t *memory, rs_event_sink sink, void *context)
{
    return (rs_array_state) { .array = array,
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
    rs_array_state r = begin(array, memory, sink, context);
    return run_segments(&r, 0, array->program->n_segments, run_number, stats, diag);
}

rs_status rs_array_run_segment(rs_array *array, int segment, uint8_t *memory, uint64_t run_number,
                               const rs_event_listener *listener, rs_run_stats *stats, rs_diag *diag)
{
    static const rs_event_listener nobody = { NULL, NULL };
    const rs_event_listener *to = listener ? listener : &nobody;
    rs_array_state r = begin(array, memory, to->sink, to->context);
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
            rows += rs_array_under(y, d->conv_h, d->pool_h, d->pool_stride_h);
        for (int64_t x = 0; x < d->out_w; x++)
            columns += rs_array_under(x, d->conv_w, d->pool_w, d->pool_stride_w);
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
