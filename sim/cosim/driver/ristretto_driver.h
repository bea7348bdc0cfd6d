/* A driver for ristretto_top as it would run on a processor without an operating system: C99, no heap, no library. It needs to
 * know how registers are read and written; ristretto_mmio is that for a processor whose bus has them at an address. */
#ifndef RISTRETTO_DRIVER_H
#define RISTRETTO_DRIVER_H

#include <stdint.h>

#include "ristretto_regs.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How to reach the registers, and how to wait for the interrupt. */
typedef struct ristretto_bus {
    uint32_t (*read)(void *context, uint32_t address);               /* address: of docs/registers.md */
    void (*write)(void *context, uint32_t address, uint32_t value);
    void (*wait)(void *context);                                     /* until the interrupt line is high; NULL: poll STATUS */
    void *context;
} ristretto_bus;

/* Registers at `base` of the processor's address space; polls. */
ristretto_bus ristretto_mmio(volatile void *base);

/* What the accelerator was built as. */
typedef struct ristretto_info {
    uint32_t version;
    uint32_t lanes, multipliers;
    uint32_t activation_bits, weight_bits, accumulator_bits;
    uint32_t bus_bits, program_depth;
    uint32_t activation_elements, output_elements, weight_steps;
} ristretto_info;

enum {
    RISTRETTO_OK = 0,
    RISTRETTO_EMPTY = 1,       /* these four: register STATUS.ERROR */
    RISTRETTO_ALIGNMENT = 2,
    RISTRETTO_READ_ERROR = 3,
    RISTRETTO_WRITE_ERROR = 4,
    RISTRETTO_ABSENT = 100,    /* no accelerator of this version answers */
    RISTRETTO_BUSY = 101
};

typedef struct ristretto_job {
    uint64_t list;             /* byte address of the descriptors, a multiple of 256 */
    uint32_t count;            /* of them */
    uint64_t memory;           /* byte address of the program's memory */
} ristretto_job;

typedef struct ristretto_result {
    uint64_t cycles, run_cycles;
    uint32_t saturations, overflows;
} ristretto_result;

int ristretto_probe(const ristretto_bus *bus, ristretto_info *info);
/* Starts a job and returns; one at a time. */
int ristretto_start(const ristretto_bus *bus, const ristretto_job *job);
/* Waits for its end. */
int ristretto_finish(const ristretto_bus *bus, ristretto_result *result);

#ifdef __cplusplus
}
#endif

#endif
