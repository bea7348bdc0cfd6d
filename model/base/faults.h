/* Fault injection: the n-th allocation, read or write of a process is made to fail, so that tests can walk through
 * every one of them (n = 1, 2, 3, ... until the command succeeds). Off unless asked for by an environment variable:
 *     RISTRETTO_FAIL_ALLOC=n   RISTRETTO_FAIL_READ=n   RISTRETTO_FAIL_WRITE=n
 * A fault that strikes says so in one line on stderr ("ristretto: injected fault: alloc 12"), by which a campaign knows
 * that it has not yet come to the end. */
#ifndef RISTRETTO_BASE_FAULTS_H
#define RISTRETTO_BASE_FAULTS_H

#include <stdbool.h>
#include <stdint.h>

typedef enum rs_fault {
    RS_FAULT_ALLOC, /* rs_calloc and what is built on it */
    RS_FAULT_READ,  /* one read(2) of rs_read_file */
    RS_FAULT_WRITE, /* one rs_output_commit */
    RS_FAULT_KINDS
} rs_fault;

/* Counts one event of this kind; true if it must fail. Thread-safe. */
bool rs_fault_strikes(rs_fault kind);

/* For tests in the same process: the nth event from now fails (1: the next one), silently; 0: none. Starts the count
 * anew. */
void rs_fault_arm(rs_fault kind, uint64_t nth);
/* Events since the start of the process or since rs_fault_arm. */
uint64_t rs_fault_count(rs_fault kind);

#endif
