/* Runs model and RTL side by side and compares every event. */
#include "cosim/lockstep.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>

#include "base/memory.h"
#include "base/progress.h"
#include "base/threads.h"
#include "cosim/lockstep_log.h"
#include "engine/engine.h"

enum {
    WAVE_BEFORE = 200,
    WAVE_AFTER = 50,
    /* After the model's last cycle, and after a divergence, the RTL gets this many more: to see what comes late. */
    GRACE = 4096
};

/* ---------------------------------------------------------------------------------------------- one image */

/* What a thread has for itself. */
typedef struct worker {
    const rs_program *program;
    const rs_lockstep_options *options;
    rs_dut *dut;
    rs_array *array;
    rs_engine *engine;
    int32_t **tensors; /* of the engine */
    rs_layer_stats *layers;
    rs_log log;
    uint8_t *model_memory, *rtl_memory;
    rs_diag *diag;
    rs_status status; /* of the first image that could not be run */
    int64_t status_image;
    rs_lockstep_result counts;
} worker;

/* The comparison of one run. */
typedef struct check {
    worker *w;
    rs_lockstep_mismatch *mismatch; /* what is filled when the two differ */
    int64_t image;
    int segment;
    uint64_t earliest; /* least cycle of the model's next events of all kinds; UINT64_MAX: none is left */
    /* A ring of the RTL's last events. */
    rs_lockstep_event got[RS_LOCKSTEP_LAST];
    uint64_t n_got;
    /* For what comes after the first difference. */
    bool found;
    rs_event_kind awaited;
    bool came;
    rs_lockstep_event late;
} check;

static void find_earliest(check *c)
{
    c->earliest = UINT64_MAX;
    for (int kind = 0; kind < RS_EVENT_KINDS; kind++) {
        const rs_log_kind *k = &c->w->log.kinds[kind];
        if (k->next < k->count && k->records[k->next].cycle < c->earliest)
            c->earliest = k->records[k->next].cycle;
    }
}

static void keep(const rs_program *program, rs_lockstep_event *to, const rs_event *event)
{
    to->event = *event;
    if (event->values) {
        memcpy(to->values, event->values, (size_t)event->n_values * sizeof *to->values);
        to->event.values = to->values;
    }
    if (event->data) {
        memcpy(to->data, event->data, (size_t)rs_program_beat_bytes(program));
        to->event.data = to->data;
    }
}

/* The channel at an element of a pixel; -1: none, it is padding. */
static int channel_at(const rs_program *program, int tensor, int64_t element)
{
    const rs_region *region = &program->tensors[tensor];
    const int channels = program->qnet->tensors[tensor].channels;
    for (int c = 0; region->place && c < channels; c++)
        if (region->place[c] == element)
            return c;
    return region->place || element >= channels ? -1 : (int)element;
}

/* The place of element e of descriptor d's output buffer, in the blob that its layer makes (or in that which it is a
 * part of). */
static void locate_output(const rs_program *program, int descriptor, int64_t e, rs_lockstep_mismatch *m)
{
    const rs_descriptor *d = &program->descriptors[descriptor];
    const rs_program_layer *layer = &program->layers[rs_program_layer_of(program, descriptor)];
    const rs_region *blob = &program->tensors[layer->blob];
    const int64_t elements = rs_array_elements_per_beat(&program->config), pixel = e / d->out_channels,
                  in_run = e % d->out_channels,
                  beat = d->ofmap_addr - blob->address + (d->run_skip ? pixel * (d->run_beats + d->run_skip) : 0);
    const int64_t at = beat * elements + (d->run_skip ? in_run : e);
    const int width = program->qnet->tensors[layer->blob].width;
    m->c = channel_at(program, layer->blob, at % blob->pixel);
    m->x = (int)(at / blob->pixel % width);
    m->y = (int)(at / blob->pixel / width);
}

/* The element of the output buffer that beat `address` of memory begins with. */
static int64_t written_element(const rs_program *program, const rs_event *event)
{
    const rs_descriptor *d = &program->descriptors[event->descriptor];
    const int64_t elements = rs_array_elements_per_beat(&program->config), beat = event->address - d->ofmap_addr,
                  period = (int64_t)d->run_beats + d->run_skip;
    return (beat / period * d->run_beats + beat % period) * elements;
}

/* Of a beat that is read: in the ifmap, the first element that it holds. */
static void locate_read(const rs_program *program, int descriptor, int64_t address, rs_lockstep_mismatch *m)
{
    const rs_program_layer *layer = &program->layers[rs_program_layer_of(program, descriptor)];
    const int inputs[] = { layer->input, layer->second };
    for (int i = 0; i < 2; i++) {
        if (inputs[i] < 0)
            continue;
        const rs_region *region = &program->tensors[inputs[i]];
        if (address < region->address || address >= region->address + region->beats)
            continue;
        const int64_t e = (address - region->address) * rs_array_elements_per_beat(&program->config);
        const int width = program->qnet->tensors[inputs[i]].width;
        m->c = channel_at(program, inputs[i], e % region->pixel);
        m->x = (int)(e / region->pixel % width);
        m->y = (int)(e / region->pixel / width);
    }
}

/* Fills the mismatch; expected or got may be NULL. */
static void differ(check *c, rs_divergence what, const rs_event *expected, const rs_event *got, uint64_t cycle)
{
    rs_lockstep_mismatch *m = c->mismatch;
    const rs_program *program = c->w->program;
    const rs_event *event = expected ? expected : got;
    const int last = program->n_descriptors - 1;
    m->what = what;
    m->image = c->image;
    m->n = (int)c->image;
    m->segment = c->segment;
    m->kind = event->kind;
    m->cycle = cycle;
    m->descriptor = event->descriptor < 0 || event->descriptor > last ? last : event->descriptor;
    m->layer = program->layers[rs_program_layer_of(program, m->descriptor)].name;
    m->c = m->y = m->x = -1;
    if (event->kind == RS_EVENT_OUTPUT)
        locate_output(program, m->descriptor, event->address, m);
    else if (event->kind == RS_EVENT_WRITE)
        locate_output(program, m->descriptor, written_element(program, event), m);
    else if (event->kind == RS_EVENT_READ)
        locate_read(program, m->descriptor, event->address, m);

    /* The model's last events, of all kinds: those with the greatest cycles before the difference. */
    int64_t at[RS_EVENT_KINDS];
    for (int kind = 0; kind < RS_EVENT_KINDS; kind++)
        at[kind] = c->w->log.kinds[kind].next;
    if (expected)
        at[expected->kind]++;
    int n = 0;
    for (; n < RS_LOCKSTEP_LAST; n++) {
        int latest = -1;
        for (int kind = 0; kind < RS_EVENT_KINDS; kind++)
            if (at[kind] > 0 && (latest < 0 || c->w->log.kinds[kind].records[at[kind] - 1].cycle >=
                                                   c->w->log.kinds[latest].records[at[latest] - 1].cycle))
                latest = kind;
        if (latest < 0)
            break;
        const rs_event e = rs_log_event(&c->w->log, (rs_event_kind)latest, --at[latest]);
        keep(program, &m->last_expected[RS_LOCKSTEP_LAST - 1 - n], &e);
    }
    m->n_last_expected = n;
    for (int i = 0; i < n && n < RS_LOCKSTEP_LAST; i++)
        keep(program, &m->last_expected[i], &m->last_expected[RS_LOCKSTEP_LAST - n + i].event);
    m->n_last_got = (int)(c->n_got < RS_LOCKSTEP_LAST ? c->n_got : RS_LOCKSTEP_LAST);
    for (int i = 0; i < m->n_last_got; i++)
        keep(program, &m->last_got[i],
             &c->got[(c->n_got - (uint64_t)m->n_last_got + (uint64_t)i) % RS_LOCKSTEP_LAST].event);
    c->found = true;
}

static bool differ_in(check *c, const rs_event *expected, const rs_event *got, const char *signal, int64_t e, int64_t g,
                      int bits)
{
    differ(c, RS_DIVERGENCE_VALUE, expected, got, got->cycle);
    rs_lockstep_mismatch *m = c->mismatch;
    snprintf(m->signal, sizeof m->signal, "%s", signal);
    m->has_expected = m->has_got = true;
    m->expected = e;
    m->got = g;
    m->bits = bits;
    return false;
}

/* Two events of one kind and cycle. */
static bool same(check *c, const rs_event *expected, const rs_event *got)
{
    const rs_program *program = c->w->program;
    const int bits = program->config.activation_bits;
    if (expected->descriptor != got->descriptor)
        return differ_in(c, expected, got, "descriptor", expected->descriptor, got->descriptor, 32);
    if (expected->address != got->address)
        return differ_in(c, expected, got, got->kind == RS_EVENT_OUTPUT ? "element in the output buffer" : "address",
                         expected->address, got->address, 32);
    if (expected->n_values != got->n_values)
        return differ_in(c, expected, got, "number of lanes", expected->n_values, got->n_values, 8);
    char signal[48];
    if (got->kind == RS_EVENT_OUTPUT) {
        for (int lane = 0; lane < got->n_values; lane++)
            if (expected->values[lane] != got->values[lane]) {
                snprintf(signal, sizeof signal, "output value of lane %d", lane);
                differ_in(c, expected, got, signal, expected->values[lane], got->values[lane], bits);
                locate_output(program, got->descriptor, got->address + lane, c->mismatch);
                return false;
            }
        if (expected->saturations != got->saturations)
            return differ_in(c, expected, got, "saturations", expected->saturations, got->saturations, 32);
        if (expected->overflows != got->overflows)
            return differ_in(c, expected, got, "accumulator overflows", expected->overflows, got->overflows, 32);
    }
    if (got->kind == RS_EVENT_WRITE && memcmp(expected->data, got->data, (size_t)rs_program_beat_bytes(program)) != 0) {
        const int elements = rs_array_elements_per_beat(&program->config);
        for (int i = 0; i < elements; i++) {
            const int32_t e = rs_bits_get(expected->data, (int64_t)i * bits, bits);
            const int32_t g = rs_bits_get(got->data, (int64_t)i * bits, bits);
            if (e == g)
                continue;
            snprintf(signal, sizeof signal, "write data, element %d", i);
            differ_in(c, expected, got, signal, e, g, bits);
            locate_output(program, got->descriptor, written_element(program, got) + i, c->mismatch);
            return false;
        }
        /* Bits that hold no element. */
        for (int64_t i = 0; i < rs_program_beat_bytes(program); i++)
            if (expected->data[i] != got->data[i]) {
                snprintf(signal, sizeof signal, "write data, byte %" PRId64, i);
                return differ_in(c, expected, got, signal, expected->data[i], got->data[i], 8);
            }
    }
    return true;
}

/* An event that the model has in a cycle that has passed. */
static void missing(check *c)
{
    for (int kind = 0; kind < RS_EVENT_KINDS; kind++) {
        rs_log_kind *k = &c->w->log.kinds[kind];
        if (k->next >= k->count || k->records[k->next].cycle != c->earliest)
            continue;
        const rs_event expected = rs_log_event(&c->w->log, (rs_event_kind)kind, k->next);
        differ(c, RS_DIVERGENCE_LOST, &expected, NULL, expected.cycle);
        c->awaited = (rs_event_kind)kind;
        return;
    }
}

static bool take_event(check *c, const rs_event *got)
{
    if (c->found) { /* what comes after the first difference */
        if (!c->came && got->kind == c->awaited && got->cycle >= c->mismatch->cycle) {
            c->came = true;
            keep(c->w->program, &c->late, got);
        }
        return !c->came;
    }
    if (c->earliest < got->cycle) {
        missing(c);
        return take_event(c, got);
    }
    keep(c->w->program, &c->got[c->n_got++ % RS_LOCKSTEP_LAST], got);
    rs_log_kind *k = &c->w->log.kinds[got->kind];
    if (k->next >= k->count || k->records[k->next].cycle > got->cycle) {
        const bool early = k->next < k->count;
        rs_event expected = { .cycle = 0 };
        if (early)
            expected = rs_log_event(&c->w->log, got->kind, k->next);
        differ(c, RS_DIVERGENCE_EXTRA, NULL, got, got->cycle);
        if (early && expected.address == got->address && expected.descriptor == got->descriptor) {
            c->mismatch->what = RS_DIVERGENCE_EARLY;
            c->mismatch->other_cycle = expected.cycle;
        }
        return false;
    }
    const rs_event expected = rs_log_event(&c->w->log, got->kind, k->next);
    if (!same(c, &expected, got))
        return false;
    k->next++;
    find_earliest(c);
    rs_lockstep_result *counts = &c->w->counts;
    counts->events[got->kind]++;
    if (got->kind == RS_EVENT_OUTPUT) {
        counts->values += (uint64_t)got->n_values;
        counts->saturations += got->saturations;
        counts->overflows += got->overflows;
    } else if (got->kind == RS_EVENT_WRITE) {
        counts->write_bytes += (uint64_t)rs_program_beat_bytes(c->w->program);
    }
    return true;
}

/* The RTL counts the descriptors of its run. */
static bool take_rtl_event(void *context, const rs_event *got)
{
    check *c = context;
    rs_event event = *got;
    event.descriptor += c->w->program->segments[c->segment].first;
    return take_event(c, &event);
}

/* LOST so far: does it come later? An early event told first, is it one too many? Names the signal. */
static rs_status name_divergence(check *c)
{
    rs_lockstep_mismatch *m = c->mismatch;
    const char *kind = rs_event_kind_name(m->kind);
    rs_status status = RS_OK;
    if (m->what == RS_DIVERGENCE_LOST) {
        bool finished = false;
        if (!c->came)
            status = rs_dut_advance(c->w->dut, m->cycle + GRACE, take_rtl_event, c, &finished, c->w->diag);
        const rs_log_kind *k = &c->w->log.kinds[m->kind];
        const rs_log_record *expected = &k->records[k->next];
        if (c->came && c->late.event.address == expected->address && c->late.event.descriptor == expected->descriptor) {
            m->what = RS_DIVERGENCE_LATE;
            m->other_cycle = c->late.event.cycle;
        } else if (!c->came && !finished) {
            m->what = RS_DIVERGENCE_HANG;
        }
    }
    switch (m->what) {
    case RS_DIVERGENCE_LOST:
        snprintf(m->signal, sizeof m->signal, "%s: the RTL has none in this cycle, and no such one later", kind);
        break;
    case RS_DIVERGENCE_HANG:
        snprintf(m->signal, sizeof m->signal, "%s: the RTL has none in the %d cycles from here on", kind, (int)GRACE);
        break;
    case RS_DIVERGENCE_LATE:
        snprintf(m->signal, sizeof m->signal, "cycle of the %s", kind);
        m->has_expected = m->has_got = true;
        m->expected = (int64_t)m->cycle;
        m->got = (int64_t)m->other_cycle;
        m->bits = 63;
        break;
    case RS_DIVERGENCE_EARLY:
        snprintf(m->signal, sizeof m->signal, "cycle of the %s", kind);
        m->has_expected = m->has_got = true;
        m->expected = (int64_t)m->other_cycle;
        m->got = (int64_t)m->cycle;
        m->bits = 63;
        break;
    case RS_DIVERGENCE_EXTRA:
        snprintf(m->signal, sizeof m->signal, "%s: the RTL has one too many", kind);
        break;
    default:
        break;
    }
    return status;
}

/* Memory at the end of a run in which every event was equal. */
static bool memory_differs(check *c)
{
    worker *w = c->w;
    const rs_program *program = w->program;
    const int64_t beat_bytes = rs_program_beat_bytes(program), bytes = program->memory_beats * beat_bytes;
    w->counts.memory_bytes += (uint64_t)bytes;
    if (memcmp(w->model_memory, w->rtl_memory, (size_t)bytes) == 0)
        return false;
    int64_t i = 0;
    while (w->model_memory[i] == w->rtl_memory[i])
        i++;
    rs_lockstep_mismatch *m = c->mismatch;
    const rs_event done = rs_log_event(&w->log, RS_EVENT_DONE, 0);
    differ(c, RS_DIVERGENCE_MEMORY, &done, NULL, done.cycle);
    snprintf(m->signal, sizeof m->signal, "memory at the end, byte %" PRId64 " of beat %" PRId64, i % beat_bytes,
             i / beat_bytes);
    m->has_expected = m->has_got = true;
    m->expected = w->model_memory[i];
    m->got = w->rtl_memory[i];
    m->bits = 8;
    return true;
}

/* The tensors in memory against the exact engine, which knows nothing of accumulators that are too narrow. */
static rs_status compare_engine(check *c, const uint8_t *pixels)
{
    worker *w = c->w;
    const rs_qnet *qnet = w->program->qnet;
    rs_status status = rs_engine_trace(w->engine, pixels, w->tensors, NULL, w->diag);
    for (int t = 1; t < qnet->n_tensors && status == RS_OK; t++) {
        if (w->program->tensors[t].beats == 0)
            continue;
        const rs_qtensor *tensor = &qnet->tensors[t];
        const int64_t area = (int64_t)tensor->height * tensor->width, n = tensor->channels * area;
        int32_t *values = RS_NEW_ARRAY(int32_t, (size_t)n);
        if (!values)
            return rs_out_of_memory(w->diag);
        rs_program_read_tensor(w->program, w->rtl_memory, t, values);
        for (int64_t i = 0; i < n && status == RS_OK; i++) {
            if (values[i] == w->tensors[t][i])
                continue;
            const rs_event done = rs_log_event(&w->log, RS_EVENT_DONE, 0);
            differ(c, RS_DIVERGENCE_ENGINE, &done, NULL, done.cycle);
            rs_lockstep_mismatch *m = c->mismatch;
            for (int l = 0; l < w->program->n_layers; l++)
                if (w->program->layers[l].output == t) {
                    m->layer = w->program->layers[l].name;
                    m->descriptor = w->program->layers[l].first;
                }
            m->c = (int)(i / area);
            m->y = (int)(i % area / tensor->width);
            m->x = (int)(i % tensor->width);
            snprintf(m->signal, sizeof m->signal, "value of the exact engine (expected) and of the array (got)");
            m->has_expected = m->has_got = true;
            m->expected = w->tensors[t][i];
            m->got = values[i];
            m->bits = w->program->config.activation_bits;
            status = RS_MISMATCH;
        }
        rs_free(values);
        w->counts.engine_values += (uint64_t)n;
    }
    return status;
}

static void prepare_memory(const rs_program *program, const uint8_t *pixels, uint8_t *memory)
{
    memcpy(memory, program->memory, (size_t)(program->memory_beats * rs_program_beat_bytes(program)));
    rs_program_load_image(program, pixels, memory);
}

static rs_status start_rtl(worker *w, const rs_program_segment *segment, int64_t image)
{
    return rs_dut_start(w->dut, w->program->descriptors + segment->first, segment->count, w->rtl_memory,
                        w->program->memory_beats, (uint64_t)image, w->diag);
}

static rs_status unfinished(worker *w, int64_t image)
{
    return rs_error(w->diag, RS_INTERNAL, RS_NOWHERE, NULL, "image %" PRId64 ": the RTL did not finish", image);
}

static rs_status run_rtl_only(worker *w, int64_t image)
{
    rs_status status = RS_OK;
    for (int i = 0; i < w->program->n_segments && status == RS_OK; i++) {
        const rs_program_segment *segment = &w->program->segments[i];
        bool finished = false;
        if (segment->count == 0) {
            status = rs_program_run_host(w->program, segment->first_layer, w->rtl_memory, w->diag);
            continue;
        }
        status = start_rtl(w, segment, image);
        if (status == RS_OK)
            status = rs_dut_advance(w->dut, UINT64_MAX, NULL, NULL, &finished, w->diag);
        if (status == RS_OK && !finished)
            status = unfinished(w, image);
        w->counts.cycles += status == RS_OK ? rs_dut_cycle(w->dut) : 0;
    }
    return status;
}

/* Plants the fault of the options if it lies in this segment; *left counts down to its event. */
static void plant(worker *w, int64_t image, int64_t *left)
{
    const rs_lockstep_options *o = w->options;
    if (o->fault == RS_LOCKSTEP_FAULT_NONE || o->fault_image != image || *left < 0)
        return;
    const int64_t events = w->log.kinds[o->fault_kind].count;
    if (rs_log_plant(&w->log, o->fault, o->fault_kind, *left))
        *left = -1;
    else
        *left -= events;
}

/* One segment of the array, model and RTL. */
static rs_status run_segment(check *c, int index, int64_t *fault, uint64_t *cycles, uint64_t *overflows)
{
    worker *w = c->w;
    const rs_program_segment *segment = &w->program->segments[index];
    rs_run_stats stats = { .layers = w->layers };
    c->segment = index;
    c->n_got = 0;
    rs_log_clear(&w->log);
    const rs_event_listener log = { rs_log_add, &w->log };
    rs_status status = rs_array_run_segment(w->array, index, w->model_memory, (uint64_t)c->image, &log, &stats,
                                            w->diag);
    if (status == RS_OK && w->log.failed)
        status = rs_out_of_memory(w->diag);
    if (status == RS_OK)
        status = start_rtl(w, segment, c->image);
    if (status != RS_OK)
        return status;
    plant(w, c->image, fault);
    find_earliest(c);
    bool finished = false;
    status = rs_dut_advance(w->dut, stats.cycles + GRACE, take_rtl_event, c, &finished, w->diag);
    if (status == RS_MISMATCH) { /* an assertion */
        const rs_event here = { .kind = RS_EVENT_DONE, .cycle = rs_dut_cycle(w->dut), .descriptor = segment->first };
        if (!c->found)
            differ(c, RS_DIVERGENCE_ASSERTION, NULL,
                   c->n_got ? &c->got[(c->n_got - 1) % RS_LOCKSTEP_LAST].event : &here, rs_dut_cycle(w->dut));
        snprintf(c->mismatch->signal, sizeof c->mismatch->signal, "an assertion of the RTL");
        return status;
    }
    if (status != RS_OK)
        return status;
    if (!c->found && c->earliest != UINT64_MAX) /* the model has events left over */
        missing(c);
    if (c->found) {
        status = name_divergence(c);
        return status == RS_OK ? RS_MISMATCH : status;
    }
    if (!finished) /* all events were equal, DONE among them, and the RTL goes on: cannot be, but must not pass */
        return unfinished(w, c->image);
    if (memory_differs(c))
        return RS_MISMATCH;
    *cycles += stats.cycles;
    for (int i = 0; i < stats.n_layers; i++)
        *overflows += w->layers[i].overflows;
    return RS_OK;
}

/* One image; RS_MISMATCH with *m filled. */
static rs_status run_image(worker *w, const uint8_t *pixels, int64_t image, rs_lockstep_mismatch *m)
{
    const rs_program *program = w->program;
    const rs_lockstep_options *o = w->options;
    prepare_memory(program, pixels, w->rtl_memory);
    rs_status status = RS_OK;
    if (o->rtl_only) {
        status = run_rtl_only(w, image);
        w->counts.images += status == RS_OK;
        return status;
    }
    prepare_memory(program, pixels, w->model_memory);
    check c = { .w = w, .mismatch = m, .image = image };
    int64_t fault = o->fault_event;
    uint64_t cycles = 0, overflows = 0;
    for (int i = 0; i < program->n_segments && status == RS_OK; i++) {
        if (program->segments[i].count) {
            status = run_segment(&c, i, &fault, &cycles, &overflows);
            continue;
        }
        const int layer = program->segments[i].first_layer;
        status = rs_program_run_host(program, layer, w->model_memory, w->diag);
        if (status == RS_OK)
            status = rs_program_run_host(program, layer, w->rtl_memory, w->diag);
    }
    if (status != RS_OK)
        return status;
    if (o->fault != RS_LOCKSTEP_FAULT_NONE && o->fault_image == image && fault >= 0)
        return rs_error(w->diag, RS_USAGE, RS_NOWHERE, NULL,
                        "image %" PRId64 " has no %s %" PRId64 " to plant a fault in", image,
                        rs_event_kind_name(o->fault_kind), o->fault_event);
    if (overflows == 0 && (status = compare_engine(&c, pixels)) != RS_OK)
        return status;
    w->counts.images++;
    w->counts.cycles += cycles;
    return RS_OK;
}

/* -------------------------------------------------------------------------------------------- many images */

typedef struct campaign {
    const rs_program *program;
    const uint8_t *pixels;
    const rs_lockstep_options *options;
    int32_t *scores;
    int64_t pixels_per_image, classes;
    worker *workers;
    atomic_llong failing; /* least image with a mismatch or an error so far */
    atomic_llong done;
    int64_t total;
    rs_lockstep_mismatch **mismatches; /* by worker: the one of its least image */
    rs_progress *progress;
} campaign;

static void image_task(void *context, size_t i, int number)
{
    campaign *c = context;
    worker *w = &c->workers[number];
    /* Images after one that failed need not run; those before it must, so that the first one is always found. */
    if ((long long)i > atomic_load(&c->failing))
        return;
    rs_lockstep_mismatch *m = RS_NEW(rs_lockstep_mismatch);
    rs_status status = m ? RS_OK : rs_out_of_memory(w->diag);
    if (status == RS_OK && rs_interrupted())
        status = RS_INTERRUPTED;
    if (status == RS_OK)
        status = run_image(w, c->pixels + (int64_t)i * c->pixels_per_image, c->options->first_image + (int64_t)i, m);
    if (status == RS_OK && c->scores)
        rs_program_read_tensor(c->program, w->rtl_memory, c->program->qnet->n_tensors - 1,
                               c->scores + (int64_t)i * c->classes);
    if (status != RS_OK) {
        if (w->status == RS_OK || (int64_t)i < w->status_image) {
            w->status = status;
            w->status_image = (int64_t)i;
            rs_lockstep_mismatch *old = c->mismatches[number];
            c->mismatches[number] = m;
            m = old;
        }
        long long least = atomic_load(&c->failing);
        while ((long long)i < least && !atomic_compare_exchange_weak(&c->failing, &least, (long long)i)) {
        }
    }
    rs_free(m);
    const long long done = atomic_fetch_add(&c->done, 1) + 1;
    if (number == 0)
        rs_progress_update(c->progress, (uint64_t)done, NULL);
}

static rs_status open_worker(worker *w, const rs_program *program, const rs_lockstep_options *options, rs_diag *diag)
{
    const rs_qnet *qnet = program->qnet;
    const int64_t bytes = program->memory_beats * rs_program_beat_bytes(program);
    bool wide = true; /* accumulators that no sum can overflow */
    for (int i = 0; i < qnet->n_ops; i++)
        if (rs_qop_weighted(&qnet->ops[i]) &&
            rs_qop_accumulator_bits(qnet, &qnet->ops[i], true) > program->config.accumulator_bits)
            wide = false;
    const rs_dut_options dut = { .x_seed = options->x_seed,
                                 .no_overflow = wide,
                                 .quick = options->quick,
                                 .fault = options->dut_fault,
                                 .fault_beat = options->dut_fault_beat };
    w->program = program;
    w->options = options;
    w->log.beat_bytes = (int)rs_program_beat_bytes(program);
    w->diag = rs_diag_new();
    rs_status status = rs_dut_open(&program->config, &dut, &w->dut, diag);
    if (status != RS_OK)
        return status;
    w->rtl_memory = rs_calloc((size_t)bytes, 1);
    if (!w->rtl_memory)
        return rs_out_of_memory(diag);
    if (options->rtl_only)
        return RS_OK;
    w->model_memory = rs_calloc((size_t)bytes, 1);
    w->layers = RS_NEW_ARRAY(rs_layer_stats, (size_t)program->n_layers);
    w->tensors = RS_NEW_ARRAY(int32_t *, (size_t)qnet->n_tensors);
    if (!w->model_memory || !w->layers || !w->tensors)
        return rs_out_of_memory(diag);
    for (int i = 0; i < qnet->n_tensors; i++) {
        const rs_qtensor *t = &qnet->tensors[i];
        if (program->tensors[i].beats == 0)
            continue;
        w->tensors[i] = RS_NEW_ARRAY(int32_t, (size_t)t->channels * (size_t)t->height * (size_t)t->width);
        if (!w->tensors[i])
            return rs_out_of_memory(diag);
    }
    status = rs_array_new(program, &w->array, diag);
    return status == RS_OK ? rs_engine_new(qnet, false, &w->engine, diag) : status;
}

static void close_worker(worker *w)
{
    rs_dut_close(w->dut);
    rs_array_free(w->array);
    rs_engine_free(w->engine);
    for (int i = 0; w->tensors && i < w->program->qnet->n_tensors; i++)
        rs_free(w->tensors[i]);
    rs_free(w->tensors);
    rs_free(w->layers);
    rs_log_free(&w->log);
    rs_free(w->model_memory);
    rs_free(w->rtl_memory);
    rs_diag_free(w->diag);
}

/* Runs the image of the mismatch again, with a trace around it. */
static rs_status write_wave(const campaign *c, rs_lockstep_mismatch *m, uint8_t *memory, rs_diag *diag)
{
    const rs_lockstep_options *o = c->options;
    const uint64_t before = o->wave_before || o->wave_after ? o->wave_before : WAVE_BEFORE;
    const uint64_t after = o->wave_before || o->wave_after ? o->wave_after : WAVE_AFTER;
    const rs_dut_options options = { .x_seed = o->x_seed,
                                     .quick = o->quick,
                                     .trace = o->wave,
                                     .trace_from = m->cycle > before ? m->cycle - before : 0,
                                     .trace_to = m->cycle + after };
    rs_dut *dut = NULL;
    const rs_program_segment *segment = &c->program->segments[m->segment];
    rs_array *array = NULL;
    prepare_memory(c->program, c->pixels + (m->image - o->first_image) * c->pixels_per_image, memory);
    rs_status status = rs_dut_open(&c->program->config, &options, &dut, diag);
    /* What comes before, in the model: it was equal there. */
    if (status == RS_OK && m->segment > 0)
        status = rs_array_new(c->program, &array, diag);
    for (int i = 0; i < m->segment && status == RS_OK; i++)
        status = rs_array_run_segment(array, i, memory, (uint64_t)m->image, NULL, NULL, diag);
    rs_array_free(array);
    if (status == RS_OK)
        status = rs_dut_start(dut, c->program->descriptors + segment->first, segment->count, memory,
                              c->program->memory_beats, (uint64_t)m->image, diag);
    bool finished = false;
    if (status == RS_OK)
        status = rs_dut_advance(dut, options.trace_to + 1, NULL, NULL, &finished, diag);
    rs_dut_close(dut);
    if (status == RS_OK || status == RS_MISMATCH) { /* the same assertion again */
        m->wave = rs_strdup(o->wave);
        return m->wave ? RS_OK : rs_out_of_memory(diag);
    }
    return status;
}

/* DONE comes in the cycle after the last. */
static bool note_end(void *context, const rs_event *event)
{
    if (event->kind == RS_EVENT_DONE)
        *(uint64_t *)context = event->cycle;
    return true;
}

rs_status rs_lockstep_trace(const rs_program *program, const uint8_t *pixels, int64_t image, uint64_t x_seed,
                            const char *path, uint64_t from, uint64_t to, rs_diag *diag)
{
    uint8_t *memory = rs_calloc((size_t)program->memory_beats, (size_t)rs_program_beat_bytes(program));
    uint8_t *before = rs_calloc((size_t)program->memory_beats, (size_t)rs_program_beat_bytes(program));
    const size_t bytes = (size_t)(program->memory_beats * rs_program_beat_bytes(program));
    rs_array *array = NULL;
    rs_dut *dut = NULL;
    rs_status status = memory && before ? rs_array_new(program, &array, diag) : rs_out_of_memory(diag);
    if (status == RS_OK)
        prepare_memory(program, pixels, memory);
    /* The segment in which the window begins: its memory comes from the model. */
    uint64_t base = 0;
    int found = -1;
    for (int i = 0; i < program->n_segments && status == RS_OK && found < 0; i++) {
        uint64_t end = 0;
        memcpy(before, memory, bytes);
        const rs_event_listener listener = { note_end, &end };
        status = rs_array_run_segment(array, i, memory, (uint64_t)image, &listener, NULL, diag);
        if (from < base + end)
            found = i;
        else
            base += end;
    }
    if (status == RS_OK && found < 0)
        status = rs_error(diag, RS_USAGE, RS_NOWHERE, NULL,
                          "a waveform from cycle %" PRIu64 " on is empty: the image takes %" PRIu64 " cycles", from,
                          base);
    if (status == RS_OK) {
        const rs_program_segment *segment = &program->segments[found];
        const rs_dut_options options = {
            .x_seed = x_seed, .trace = path, .trace_from = from - base, .trace_to = to - base
        };
        status = rs_dut_open(&program->config, &options, &dut, diag);
        if (status == RS_OK)
            status = rs_dut_start(dut, program->descriptors + segment->first, segment->count, before,
                                  program->memory_beats, (uint64_t)image, diag);
        bool finished = false;
        if (status == RS_OK)
            status = rs_dut_advance(dut, options.trace_to + 1, NULL, NULL, &finished, diag);
        rs_dut_close(dut);
    }
    rs_array_free(array);
    rs_free(memory);
    rs_free(before);
    return status;
}

static void move_messages(rs_diag *from, rs_diag *to)
{
    for (size_t i = 0; rs_diag_message(from, i); i++) {
        const rs_message *message = rs_diag_message(from, i);
        if (message->severity == RS_ERROR)
            rs_error(to, message->status, message->loc, message->hint, "%s", message->text);
        else
            rs_warn(to, message->loc, message->hint, "%s", message->text);
    }
}

static void report_mismatch(rs_lockstep_mismatch *m, const rs_lockstep_options *o, rs_diag *diag)
{
    if (o->command)
        m->command = rs_format("%s --first %" PRId64 " --images 1 --seed %" PRIu64, o->command, m->image, o->x_seed);
    char place[96], values[96] = "";
    if (m->c >= 0)
        snprintf(place, sizeof place, "(n %d, c %d, y %d, x %d)", m->n, m->c, m->y, m->x);
    else
        snprintf(place, sizeof place, "(n %d)", m->n);
    if (m->has_expected && m->has_got)
        snprintf(values, sizeof values, ", expected %" PRId64 ", got %" PRId64, m->expected, m->got);
    rs_error(diag, RS_MISMATCH, RS_NOWHERE, m->command, "layer '%s' %s, cycle %" PRIu64 ", %s %s: %s%s",
             m->layer ? m->layer : "", place, m->cycle, rs_event_kind_name(m->kind), rs_divergence_name(m->what),
             m->signal, values);
}

static void add_counts(rs_lockstep_result *to, const rs_lockstep_result *from)
{
    to->images += from->images;
    to->cycles += from->cycles;
    for (int kind = 0; kind < RS_EVENT_KINDS; kind++)
        to->events[kind] += from->events[kind];
    to->values += from->values;
    to->write_bytes += from->write_bytes;
    to->memory_bytes += from->memory_bytes;
    to->engine_values += from->engine_values;
    to->saturations += from->saturations;
    to->overflows += from->overflows;
}

/* What the first image that failed says; else what is wrong with counts that cannot be. */
static rs_status conclude(campaign *c, int n_workers, rs_lockstep_result *result, rs_diag *diag)
{
    int first = -1;
    for (int i = 0; i < n_workers; i++) {
        const worker *w = &c->workers[i];
        add_counts(result, &w->counts);
        if (w->status != RS_OK && (first < 0 || w->status_image < c->workers[first].status_image))
            first = i;
    }
    if (first >= 0) {
        worker *w = &c->workers[first];
        rs_lockstep_mismatch *m = c->mismatches[first];
        move_messages(w->diag, diag);
        if (w->status == RS_MISMATCH && m && m->what != RS_DIVERGENCE_NONE) {
            c->mismatches[first] = NULL;
            result->mismatch = m;
            report_mismatch(m, c->options, diag);
            if (c->options->wave) {
                /* A mismatch stays one, even if its wave cannot be written. */
                rs_diag *quiet = rs_diag_new();
                if (write_wave(c, m, w->rtl_memory, quiet) != RS_OK)
                    rs_warn(diag, RS_FILE(c->options->wave), NULL, "no wave was written: %s",
                            rs_diag_message(quiet, 0) ? rs_diag_message(quiet, 0)->text : "out of memory");
                rs_diag_free(quiet);
            }
        }
        return w->status;
    }
    if (c->options->rtl_only)
        return RS_OK;
    /* A comparison that compared nothing has not passed. */
    for (int kind = 0; kind < RS_EVENT_KINDS; kind++)
        if (result->events[kind] == 0)
            return rs_error(diag, RS_MISMATCH, RS_NOWHERE, NULL, "nothing was compared: no %s in %" PRId64 " images",
                            rs_event_kind_name((rs_event_kind)kind), c->total);
    int runs = 0;
    for (int i = 0; i < c->program->n_segments; i++)
        runs += c->program->segments[i].count > 0;
    if (result->images != c->total || result->events[RS_EVENT_DONE] != (uint64_t)c->total * (uint64_t)runs)
        return rs_error(diag, RS_INTERNAL, RS_NOWHERE, NULL, "%" PRId64 " of %" PRId64 " images were compared",
                        result->images, c->total);
    return RS_OK;
}

rs_status rs_lockstep_run(const rs_program *program, const uint8_t *pixels, int64_t n,
                          const rs_lockstep_options *options, int32_t *scores, rs_lockstep_result *result,
                          rs_diag *diag)
{
    static const rs_lockstep_options none = { .first_image = 0 };
    const rs_qtensor *in = &program->qnet->tensors[0], *out = &program->qnet->tensors[program->qnet->n_tensors - 1];
    memset(result, 0, sizeof *result);
    campaign c = { .program = program,
                   .pixels = pixels,
                   .options = options ? options : &none,
                   .scores = scores,
                   .total = n,
                   .pixels_per_image = (int64_t)in->channels * in->height * in->width,
                   .classes = (int64_t)out->channels * out->height * out->width };
    if (n < 1)
        return rs_error(diag, RS_MISMATCH, RS_NOWHERE, NULL, "nothing was compared: no images");
    atomic_init(&c.failing, INT64_MAX);
    atomic_init(&c.done, 0);
    c.workers = RS_NEW_ARRAY(worker, (size_t)rs_threads());
    c.mismatches = RS_NEW_ARRAY(rs_lockstep_mismatch *, (size_t)rs_threads());
    rs_status status = c.workers && c.mismatches ? RS_OK : rs_out_of_memory(diag);
    const double start = rs_seconds();
    for (int i = 0; i < rs_threads() && status == RS_OK; i++) {
        status = open_worker(&c.workers[i], program, c.options, diag);
        if (status == RS_OK)
            result->build_seconds += rs_dut_build_seconds(c.workers[i].dut);
    }
    if (status == RS_OK) {
        c.progress = rs_progress_begin("co-simulating", (uint64_t)n, "images");
        rs_parallel((size_t)n, image_task, &c);
        rs_progress_end(c.progress);
        status = conclude(&c, rs_threads(), result, diag);
    }
    result->seconds = rs_seconds() - start - result->build_seconds;
    for (int i = 0; i < rs_threads(); i++) {
        if (c.workers)
            close_worker(&c.workers[i]);
        if (c.mismatches)
            rs_free(c.mismatches[i]);
    }
    rs_free(c.workers);
    rs_free(c.mismatches);
    return status;
}

void rs_lockstep_result_clear(rs_lockstep_result *result)
{
    if (result->mismatch) {
        rs_free(result->mismatch->command);
        rs_free(result->mismatch->wave);
        rs_free(result->mismatch);
        result->mismatch = NULL;
    }
}
