/* The model's events of one run, kept until the RTL has had its own. Private to sim/cosim/. */
#ifndef RISTRETTO_COSIM_LOCKSTEP_LOG_H
#define RISTRETTO_COSIM_LOCKSTEP_LOG_H

#include "cosim/lockstep.h"

typedef struct rs_log_record {
    uint64_t cycle;
    int64_t address;
    int64_t payload; /* OUTPUT: index of its values; WRITE: of its bytes */
    int32_t descriptor, n_values;
    uint32_t saturations, overflows;
} rs_log_record;

typedef struct rs_log_kind {
    rs_log_record *records;
    int64_t count, capacity, next; /* next: the first that has not been compared */
} rs_log_kind;

typedef struct rs_log {
    int beat_bytes;
    rs_log_kind kinds[RS_EVENT_KINDS];
    int32_t *values;
    int64_t n_values, values_capacity;
    uint8_t *data;
    int64_t n_data, data_capacity;
    bool failed; /* memory ran short */
} rs_log;

void rs_log_clear(rs_log *log); /* empty again, memory kept */
void rs_log_free(rs_log *log);
/* An rs_event_sink; the context is the log. */
bool rs_log_add(void *log, const rs_event *event);
/* Record i of a kind as an event; values and data lie in the log. */
rs_event rs_log_event(const rs_log *log, rs_event_kind kind, int64_t i);
/* Plants a fault; false: there is no such event. */
bool rs_log_plant(rs_log *log, rs_lockstep_fault fault, rs_event_kind kind, int64_t i);

#endif
