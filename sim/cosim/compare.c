/* Lockstep's comparison: the RTL's events as they come against the model's of the same run, which are in the log. */
#include <inttypes.h>
#include <string.h>

#include "cosim/lockstep_private.h"

static void find_earliest(rs_lockstep_check *c)
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

/* The last events of both before the difference; the model's are those with the greatest cycles, of all kinds. */
static void keep_last(rs_lockstep_check *c, const rs_event *expected)
{
    rs_lockstep_mismatch *m = c->mismatch;
    const rs_program *program = c->w->program;
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
}

void rs_check_differ(rs_lockstep_check *c, rs_divergence what, const rs_event *expected, const rs_event *got,
                     uint64_t cycle)
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

    keep_last(c, expected);
    c->found = true;
}

static bool differ_in(rs_lockstep_check *c, const rs_event *expected, const rs_event *got, const char *signal,
                      int64_t e, int64_t g, int bits)
{
    rs_check_differ(c, RS_DIVERGENCE_VALUE, expected, got, got->cycle);
    rs_lockstep_mismatch *m = c->mismatch;
    snprintf(m->signal, sizeof m->signal, "%s", signal);
    rs_mismatch_values(m, e, g, bits);
    return false;
}

/* Two events of one kind and cycle. */
static bool same(rs_lockstep_check *c, const rs_event *expected, const rs_event *got)
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
static void missing(rs_lockstep_check *c)
{
    for (int kind = 0; kind < RS_EVENT_KINDS; kind++) {
        rs_log_kind *k = &c->w->log.kinds[kind];
        if (k->next >= k->count || k->records[k->next].cycle != c->earliest)
            continue;
        const rs_event expected = rs_log_event(&c->w->log, (rs_event_kind)kind, k->next);
        rs_check_differ(c, RS_DIVERGENCE_LOST, &expected, NULL, expected.cycle);
        c->awaited = (rs_event_kind)kind;
        return;
    }
}

static bool take_event(rs_lockstep_check *c, const rs_event *got)
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
        rs_check_differ(c, RS_DIVERGENCE_EXTRA, NULL, got, got->cycle);
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

void rs_check_begin(rs_lockstep_check *c, int segment)
{
    c->segment = segment;
    c->n_got = 0;
    find_earliest(c);
}

void rs_check_end(rs_lockstep_check *c)
{
    if (!c->found && c->earliest != UINT64_MAX)
        missing(c);
}

/* The RTL counts the descriptors of its run. */
bool rs_check_rtl_event(void *context, const rs_event *got)
{
    rs_lockstep_check *c = context;
    rs_event event = *got;
    event.descriptor += c->w->program->segments[c->segment].first;
    return take_event(c, &event);
}

/* LOST so far: does it come later? An early event told first, is it one too many? Names the signal. */
rs_status rs_check_name(rs_lockstep_check *c)
{
    rs_lockstep_mismatch *m = c->mismatch;
    const char *kind = rs_event_kind_name(m->kind);
    rs_status status = RS_OK;
    if (m->what == RS_DIVERGENCE_LOST) {
        bool finished = false;
        if (!c->came)
            status = rs_dut_advance(c->w->dut, m->cycle + RS_LOCKSTEP_GRACE, rs_check_rtl_event, c, &finished,
                                    c->w->diag);
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
        snprintf(m->signal, sizeof m->signal, "%s: the RTL has none in the %d cycles from here on", kind,
                 (int)RS_LOCKSTEP_GRACE);
        break;
    case RS_DIVERGENCE_LATE:
        snprintf(m->signal, sizeof m->signal, "cycle of the %s", kind);
        rs_mismatch_values(m, (int64_t)m->cycle, (int64_t)m->other_cycle, 63);
        break;
    case RS_DIVERGENCE_EARLY:
        snprintf(m->signal, sizeof m->signal, "cycle of the %s", kind);
        rs_mismatch_values(m, (int64_t)m->other_cycle, (int64_t)m->cycle, 63);
        break;
    case RS_DIVERGENCE_EXTRA:
        snprintf(m->signal, sizeof m->signal, "%s: the RTL has one too many", kind);
        break;
    default:
        break;
    }
    return status;
}
