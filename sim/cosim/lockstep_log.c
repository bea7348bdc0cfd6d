/* The model's events of one run, kept by kind; faults planted in them. */
#include "cosim/lockstep_log.h"

#include <string.h>

#include "base/memory.h"

void rs_log_clear(rs_log *log)
{
    for (int kind = 0; kind < RS_EVENT_KINDS; kind++)
        log->kinds[kind].count = log->kinds[kind].next = 0;
    log->n_values = log->n_data = 0;
}

void rs_log_free(rs_log *log)
{
    for (int kind = 0; kind < RS_EVENT_KINDS; kind++)
        rs_free(log->kinds[kind].records);
    rs_free(log->values);
    rs_free(log->data);
}

/* Room for `more` elements behind `count`. */
static bool reserve(void **block, int64_t count, int64_t more, int64_t *capacity, size_t size)
{
    if (count + more <= *capacity)
        return true;
    int64_t grown = *capacity ? 2 * *capacity : 4096;
    while (grown < count + more)
        grown *= 2;
    void *bigger = rs_recalloc(*block, (size_t)*capacity, (size_t)grown, size);
    if (!bigger)
        return false;
    *block = bigger;
    *capacity = grown;
    return true;
}

bool rs_log_add(void *context, const rs_event *event)
{
    rs_log *log = context;
    rs_log_kind *kind = &log->kinds[event->kind];
    const int64_t n_values = event->values ? event->n_values : 0, n_data = event->data ? log->beat_bytes : 0;
    void *records = kind->records, *values = log->values, *data = log->data;
    const bool fits = reserve(&records, kind->count, 1, &kind->capacity, sizeof(rs_log_record)) &&
                      reserve(&values, log->n_values, n_values, &log->values_capacity, sizeof(int32_t)) &&
                      reserve(&data, log->n_data, n_data, &log->data_capacity, 1);
    kind->records = records;
    log->values = values;
    log->data = data;
    if (!fits) {
        log->failed = true;
        return false;
    }
    kind->records[kind->count++] = (rs_log_record) {
        .cycle = event->cycle,
        .address = event->address,
        .payload = event->kind == RS_EVENT_WRITE ? log->n_data : log->n_values,
        .descriptor = event->descriptor,
        .n_values = event->n_values,
        .saturations = event->saturations,
        .overflows = event->overflows,
    };
    if (n_values)
        memcpy(log->values + log->n_values, event->values, (size_t)n_values * sizeof(int32_t));
    if (n_data)
        memcpy(log->data + log->n_data, event->data, (size_t)n_data);
    log->n_values += n_values;
    log->n_data += n_data;
    return true;
}

rs_event rs_log_event(const rs_log *log, rs_event_kind kind, int64_t i)
{
    const rs_log_record *r = &log->kinds[kind].records[i];
    return (rs_event) {
        .kind = kind,
        .cycle = r->cycle,
        .descriptor = r->descriptor,
        .address = r->address,
        .n_values = r->n_values,
        .saturations = r->saturations,
        .overflows = r->overflows,
        .values = kind == RS_EVENT_OUTPUT ? log->values + r->payload : NULL,
        .data = kind == RS_EVENT_WRITE ? log->data + r->payload : NULL,
    };
}

bool rs_log_plant(rs_log *log, rs_lockstep_fault fault, rs_event_kind kind, int64_t i)
{
    rs_log_kind *k = &log->kinds[kind];
    if (i >= k->count)
        return false;
    rs_log_record *r = &k->records[i];
    switch (fault) {
    case RS_LOCKSTEP_FAULT_NONE:
        break;
    case RS_LOCKSTEP_FAULT_FLIP:
        if (kind == RS_EVENT_OUTPUT)
            log->values[r->payload + r->n_values - 1] ^= 1;
        else if (kind == RS_EVENT_WRITE)
            log->data[r->payload + log->beat_bytes - 1] ^= 1;
        else
            r->address ^= 1;
        break;
    case RS_LOCKSTEP_FAULT_LATE:
        r->cycle++;
        break;
    case RS_LOCKSTEP_FAULT_DROP:
        memmove(r, r + 1, (size_t)(k->count - i - 1) * sizeof *r);
        k->count--;
        break;
    case RS_LOCKSTEP_FAULT_DOUBLE: {
        void *records = k->records;
        if (!reserve(&records, k->count, 1, &k->capacity, sizeof *r))
            return false;
        k->records = records;
        r = &k->records[i];
        memmove(r + 1, r, (size_t)(k->count - i) * sizeof *r);
        k->count++;
        break;
    }
    case RS_LOCKSTEP_FAULT_SILENT:
        k->count = 0;
        break;
    }
    return true;
}
