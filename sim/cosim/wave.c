/* Waveforms of the RTL: around a mismatch, and of cycles that the user names. */
#include <inttypes.h>
#include <string.h>

#include "base/memory.h"
#include "cosim/lockstep_private.h"

enum { WAVE_BEFORE = 200, WAVE_AFTER = 50 };

/* One segment of the RTL up to the end of the trace. memory: as the segments before have left it. */
static rs_status run_traced(const rs_program *program, int index, int64_t image, uint8_t *memory,
                            const rs_dut_options *options, rs_diag *diag)
{
    const rs_program_segment *segment = &program->segments[index];
    rs_dut *dut = NULL;
    bool finished = false;
    rs_status status = rs_dut_open(&program->config, options, &dut, diag);
    if (status == RS_OK)
        status = rs_dut_start(dut, program->descriptors + segment->first, segment->count, memory, program->memory_beats,
                              (uint64_t)image, diag);
    if (status == RS_OK)
        status = rs_dut_advance(dut, options->wave.to + 1, NULL, NULL, &finished, diag);
    if (status == RS_OK || status == RS_MISMATCH) { /* of an assertion, too */
        const rs_status kept = rs_dut_keep_wave(dut, diag);
        status = kept != RS_OK ? kept : status;
    }
    rs_dut_close(dut);
    return status;
}

rs_status rs_lockstep_record(const rs_program *program, const rs_lockstep_options *o, const uint8_t *pixels,
                             rs_lockstep_mismatch *m, uint8_t *memory, rs_diag *diag)
{
    const uint64_t before = o->wave_before || o->wave_after ? o->wave_before : WAVE_BEFORE;
    const uint64_t after = o->wave_before || o->wave_after ? o->wave_after : WAVE_AFTER;
    const rs_dut_options options = {
        .tools = o->tools,
        .x_seed = o->x_seed,
        .quick = o->quick,
        .all_checks = o->all_checks,
        .wave = { .path = o->wave, .from = m->cycle > before ? m->cycle - before : 0, .to = m->cycle + after }
    };
    rs_array *array = NULL;
    rs_lockstep_prepare(program, pixels, memory);
    /* What comes before, in the model: it was equal there. */
    rs_status status = m->segment > 0 ? rs_array_new(program, &array, diag) : RS_OK;
    for (int i = 0; i < m->segment && status == RS_OK; i++)
        status = rs_array_run_segment(array, i, memory, (uint64_t)m->image, NULL, NULL, diag);
    rs_array_free(array);
    if (status == RS_OK)
        status = run_traced(program, m->segment, m->image, memory, &options, diag);
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
                            const rs_wave *wave, rs_diag *diag)
{
    uint8_t *memory = rs_calloc((size_t)program->memory_beats, (size_t)rs_program_beat_bytes(program));
    uint8_t *before = rs_calloc((size_t)program->memory_beats, (size_t)rs_program_beat_bytes(program));
    const size_t bytes = (size_t)(program->memory_beats * rs_program_beat_bytes(program));
    rs_array *array = NULL;
    rs_status status = memory && before ? rs_array_new(program, &array, diag) : rs_out_of_memory(diag);
    if (status == RS_OK)
        rs_lockstep_prepare(program, pixels, memory);
    /* The segment in which the window begins: its memory comes from the model. */
    uint64_t base = 0;
    int found = -1;
    for (int i = 0; i < program->n_segments && status == RS_OK && found < 0; i++) {
        uint64_t end = 0;
        memcpy(before, memory, bytes);
        const rs_event_listener listener = { note_end, &end };
        status = rs_array_run_segment(array, i, memory, (uint64_t)image, &listener, NULL, diag);
        if (wave->from < base + end)
            found = i;
        else
            base += end;
    }
    if (status == RS_OK && found < 0)
        status = rs_error(diag, RS_USAGE, RS_NOWHERE, NULL,
                          "a waveform from cycle %" PRIu64 " on is empty: the image takes %" PRIu64 " cycles",
                          wave->from, base);
    if (status == RS_OK) {
        const rs_dut_options options = { .x_seed = x_seed, .wave = { wave->path, wave->from - base, wave->to - base } };
        status = run_traced(program, found, image, before, &options, diag);
    }
    rs_array_free(array);
    rs_free(memory);
    rs_free(before);
    return status;
}
