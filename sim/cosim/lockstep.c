/* Lockstep over many images on several threads, and what is said of the first that differs. */
#include "cosim/lockstep.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>

#include "base/memory.h"
#include "base/progress.h"
#include "base/threads.h"
#include "cosim/lockstep_private.h"

/* Many images on several threads. */
typedef struct lockstep_campaign {
    const rs_program *program;
    const uint8_t *pixels;
    const rs_lockstep_options *options;
    int32_t *scores;
    int64_t pixels_per_image, classes;
    rs_lockstep_worker *workers;
    atomic_llong failing; /* first image with a mismatch or an error so far */
    atomic_llong done;
    int64_t total;
    rs_lockstep_mismatch **mismatches; /* by worker: the one of its first image */
    rs_progress *progress;
} lockstep_campaign;

static void image_task(void *context, size_t i, int number)
{
    lockstep_campaign *c = context;
    rs_lockstep_worker *w = &c->workers[number];
    /* Images after one that failed need not run; those before it must, so that the first one is always found. */
    if ((long long)i > atomic_load(&c->failing))
        return;
    rs_lockstep_mismatch *m = RS_NEW(rs_lockstep_mismatch);
    rs_status status = m ? RS_OK : rs_out_of_memory(w->diag);
    if (status == RS_OK && rs_interrupted())
        status = RS_INTERRUPTED;
    if (status == RS_OK)
        status = rs_worker_run(w, c->pixels + (int64_t)i * c->pixels_per_image, c->options->first_image + (int64_t)i,
                               m);
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
        long long first = atomic_load(&c->failing);
        while ((long long)i < first && !atomic_compare_exchange_weak(&c->failing, &first, (long long)i)) {
        }
    }
    rs_free(m);
    const long long done = atomic_fetch_add(&c->done, 1) + 1;
    if (number == 0)
        rs_progress_update(c->progress, (uint64_t)done, NULL);
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
static rs_status conclude(lockstep_campaign *c, int n_workers, rs_lockstep_result *result, rs_diag *diag)
{
    int first = -1;
    for (int i = 0; i < n_workers; i++) {
        const rs_lockstep_worker *w = &c->workers[i];
        add_counts(result, &w->counts);
        if (w->status != RS_OK && (first < 0 || w->status_image < c->workers[first].status_image))
            first = i;
    }
    if (first >= 0) {
        rs_lockstep_worker *w = &c->workers[first];
        rs_lockstep_mismatch *m = c->mismatches[first];
        move_messages(w->diag, diag);
        if (w->status == RS_MISMATCH && m && m->what != RS_DIVERGENCE_NONE) {
            c->mismatches[first] = NULL;
            result->mismatch = m;
            report_mismatch(m, c->options, diag);
            if (c->options->wave) {
                /* A mismatch stays one, even if its wave cannot be written. */
                rs_diag *quiet = rs_diag_new();
                const uint8_t *pixels = c->pixels + (m->image - c->options->first_image) * c->pixels_per_image;
                if (rs_lockstep_record(c->program, c->options, pixels, m, w->rtl_memory, quiet) != RS_OK)
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
    rs_lockstep_options o = { .tools = NULL };
    rs_toolchain *own = NULL;
    const rs_qtensor *in = &program->qnet->tensors[0], *out = &program->qnet->tensors[program->qnet->n_tensors - 1];
    memset(result, 0, sizeof *result);
    lockstep_campaign c = { .program = program,
                            .pixels = pixels,
                            .options = &o,
                            .scores = scores,
                            .total = n,
                            .pixels_per_image = (int64_t)in->channels * in->height * in->width,
                            .classes = (int64_t)out->channels * out->height * out->width };
    if (n < 1)
        return rs_error(diag, RS_MISMATCH, RS_NOWHERE, NULL, "nothing was compared: no images");
    if (options)
        o = *options;
    atomic_init(&c.failing, INT64_MAX);
    atomic_init(&c.done, 0);
    c.workers = RS_NEW_ARRAY(rs_lockstep_worker, rs_threads());
    c.mismatches = RS_NEW_ARRAY(rs_lockstep_mismatch *, rs_threads());
    rs_status status = c.workers && c.mismatches ? RS_OK : rs_out_of_memory(diag);
    const double start = rs_seconds();
    if (status == RS_OK && !o.tools) { /* asked once for all workers */
        status = rs_toolchain_new(&own, diag);
        o.tools = own;
    }
    for (int i = 0; i < rs_threads() && status == RS_OK; i++) {
        status = rs_worker_open(&c.workers[i], program, c.options, diag);
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
            rs_worker_close(&c.workers[i]);
        if (c.mismatches)
            rs_free(c.mismatches[i]);
    }
    rs_free(c.workers);
    rs_free(c.mismatches);
    rs_toolchain_free(own);
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
