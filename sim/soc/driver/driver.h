/* A driver for ristretto_top as it would run on a processor without an operating system: C99, no heap, no library. It
 * needs to know how registers are read and written; rs_driver_mmio is that for a processor whose bus has them at an
 * address. */
#ifndef RISTRETTO_SOC_DRIVER_DRIVER_H
#define RISTRETTO_SOC_DRIVER_DRIVER_H

#include <stdint.h>

#include "soc/driver/registers.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How to reach the registers, and how to wait for the interrupt. */
typedef struct rs_driver_bus {
    uint32_t (*read)(void *context, uint32_t address); /* address: of docs/reference/registers.md */
    void (*write)(void *context, uint32_t address, uint32_t value);
    void (*wait)(void *context); /* until the interrupt line is high; NULL: poll STATUS */
    void *context;
} rs_driver_bus;

/* Registers at `base` of the processor's address space; polls. */
rs_driver_bus rs_driver_mmio(volatile void *base);

/* What the accelerator was built as. */
typedef struct rs_driver_info {
    uint32_t version;
    uint32_t lanes, multipliers;
    uint32_t activation_bits, weight_bits, accumulator_bits;
    uint32_t bus_bits, program_depth;
    uint32_t activation_elements, output_elements, weight_steps;
} rs_driver_info;

enum {
    RS_DRIVER_OK = 0,
    RS_DRIVER_EMPTY = 1, /* these four: register STATUS.ERROR */
    RS_DRIVER_ALIGNMENT = 2,
    RS_DRIVER_READ_ERROR = 3,
    RS_DRIVER_WRITE_ERROR = 4,
    RS_DRIVER_ABSENT = 100, /* no accelerator of this version answers */
    RS_DRIVER_BUSY = 101
};

typedef struct rs_driver_job {
    uint64_t list;   /* byte address of the descriptors, a multiple of 256 */
    uint32_t count;  /* of them */
    uint64_t memory; /* byte address of the program's memory */
} rs_driver_job;

typedef struct rs_driver_result {
    uint64_t cycles, run_cycles;
    uint32_t saturations, overflows;
} rs_driver_result;

int rs_driver_probe(const rs_driver_bus *bus, rs_driver_info *info);
/* Starts a job and returns; one at a time. */
int rs_driver_start(const rs_driver_bus *bus, const rs_driver_job *job);
/* Waits for its end. */
int rs_driver_finish(const rs_driver_bus *bus, rs_driver_result *result);

#ifdef __cplusplus
}
#endif

#endif
