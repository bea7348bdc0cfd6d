/* Lockstep of one image: the model's run and the RTL's, segment by segment, then memory and the exact engine's tensors.
 */
#include <inttypes.h>
#include <string.h>

#include "base/memory.h"
#include "cosim/lockstep_private.h"

/* Memory at the end of a run in which every event was equal. */
static bool memory_differs(rs_lockstep_check *c)
{
    rs_lockstep_worker *w = c->w;
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
    rs_check_differ(c, RS_DIVERGENCE_MEMORY, &done, NULL, done.cycle);
    snprintf(m->signal, sizeof m->signal, "memory at the end, byte %" PRId64 " of beat %" PRId64, i % beat_bytes,
             i / beat_bytes);
    rs_mismatch_values(m, w->model_memory[i], w->rtl_memory[i], 8);
    return true;
}

/* The tensors in memory against the exact engine, which knows nothing of accumulators that are too narrow. */
static rs_status compare_engine(rs_lockstep_check *c, const uint8_t *pixels)
{
    rs_lockstep_worker *w = c->w;
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
            rs_check_differ(c, RS_DIVERGENCE_ENGINE, &done, NULL, done.cycle);
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
            rs_mismatch_values(m, w->tensors[t][i], values[i], w->program->config.activation_bits);
            status = RS_MISMATCH;
        }
        rs_free(values);
        w->counts.engine_values += (uint64_t)n;
    }
    return status;
}

void rs_lockstep_prepare(const rs_program *program, const uint8_t *pixels, uint8_t *memory)
{
    memcpy(memory, program->memory, (size_t)(program->memory_beats * rs_program_beat_bytes(program)));
    rs_program_load_image(program, pixels, memory);
}

static rs_status start_rtl(rs_lockstep_worker *w, const rs_program_segment *segment, int64_t image)
{
    return rs_dut_start(w->dut, w->program->descriptors + segment->first, segment->count, w->rtl_memory,
                        w->program->memory_beats, (uint64_t)image, w->diag);
}

static rs_status unfinished(rs_lockstep_worker *w, int64_t image)
{
    return rs_error(w->diag, RS_INTERNAL, RS_NOWHERE, NULL, "image %" PRId64 ": the RTL did not finish", image);
}

static rs_status run_rtl_only(rs_lockstep_worker *w, int64_t image)
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
static void plant(rs_lockstep_worker *w, int64_t image, int64_t *left)
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
static rs_status run_segment(rs_lockstep_check *c, int index, int64_t *fault, uint64_t *cycles, uint64_t *overflows)
{
    rs_lockstep_worker *w = c->w;
    const rs_program_segment *segment = &w->program->segments[index];
    rs_run_stats stats = { .layers = w->layers };
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
    rs_check_begin(c, index);
    bool finished = false;
    status = rs_dut_advance(w->dut, stats.cycles + RS_LOCKSTEP_GRACE, rs_check_rtl_event, c, &finished, w->diag);
    if (status == RS_MISMATCH) { /* an assertion */
        const rs_event here = { .kind = RS_EVENT_DONE, .cycle = rs_dut_cycle(w->dut), .descriptor = segment->first };
        if (!c->found)
            rs_check_differ(c, RS_DIVERGENCE_ASSERTION, NULL,
                            c->n_got ? &c->got[(c->n_got - 1) % RS_LOCKSTEP_LAST].event : &here, rs_dut_cycle(w->dut));
        snprintf(c->mismatch->signal, sizeof c->mismatch->signal, "an assertion of the RTL");
        return status;
    }
    if (status != RS_OK)
        return status;
    rs_check_end(c);
    if (c->found) {
        status = rs_check_name(c);
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

rs_status rs_worker_run(rs_lockstep_worker *w, const uint8_t *pixels, int64_t image, rs_lockstep_mismatch *m)
{
    const rs_program *program = w->program;
    const rs_lockstep_options *o = w->options;
    rs_lockstep_prepare(program, pixels, w->rtl_memory);
    rs_status status = RS_OK;
    if (o->rtl_only) {
        status = run_rtl_only(w, image);
        w->counts.images += status == RS_OK;
        return status;
    }
    rs_lockstep_prepare(program, pixels, w->model_memory);
    rs_lockstep_check c = { .w = w, .mismatch = m, .image = image };
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

rs_status rs_worker_open(rs_lockstep_worker *w, const rs_program *program, const rs_lockstep_options *options,
                         rs_diag *diag)
{
    const rs_qnet *qnet = program->qnet;
    const int64_t bytes = program->memory_beats * rs_program_beat_bytes(program);
    bool wide = true; /* accumulators that no sum can overflow */
    for (int i = 0; i < qnet->n_ops; i++)
        if (rs_qop_weighted(&qnet->ops[i]) &&
            rs_qop_accumulator_bits(qnet, &qnet->ops[i], true) > program->config.accumulator_bits)
            wide = false;
    const rs_dut_options dut = { .tools = options->tools,
                                 .x_seed = options->x_seed,
                                 .no_overflow = wide,
                                 .quick = options->quick,
                                 .all_checks = options->all_checks,
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

void rs_worker_close(rs_lockstep_worker *w)
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
