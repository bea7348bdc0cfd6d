#include "ristretto_driver.h"

#define IDENTITY 0x52495354u /* 'RIST' */
#define MAP_VERSION 1u

static uint32_t mmio_read(void *context, uint32_t address)
{
    return ((volatile uint32_t *)context)[address / 4];
}

static void mmio_write(void *context, uint32_t address, uint32_t value)
{
    ((volatile uint32_t *)context)[address / 4] = value;
}

ristretto_bus ristretto_mmio(volatile void *base)
{
    const ristretto_bus bus = { mmio_read, mmio_write, 0, (void *)(uintptr_t)base };
    return bus;
}

static uint32_t get(const ristretto_bus *bus, uint32_t address)
{
    return bus->read(bus->context, address);
}

static void set(const ristretto_bus *bus, uint32_t address, uint32_t value)
{
    bus->write(bus->context, address, value);
}

static void set64(const ristretto_bus *bus, uint32_t low, uint32_t high, uint64_t value)
{
    set(bus, low, (uint32_t)value);
    set(bus, high, (uint32_t)(value >> 32));
}

static uint64_t get64(const ristretto_bus *bus, uint32_t low, uint32_t high)
{
    const uint32_t l = get(bus, low);
    return (uint64_t)get(bus, high) << 32 | l; /* counters stand still while the accelerator is idle */
}

#define FIELD(value, name) (((value) & name##_MASK) >> name##_SHIFT)

int ristretto_probe(const ristretto_bus *bus, ristretto_info *info)
{
    uint32_t widths;
    if (get(bus, RISTRETTO_ID) != IDENTITY)
        return RISTRETTO_ABSENT;
    info->version = get(bus, RISTRETTO_VERSION);
    if (info->version != MAP_VERSION)
        return RISTRETTO_ABSENT;
    widths = get(bus, RISTRETTO_WIDTHS);
    info->activation_bits = FIELD(widths, RISTRETTO_WIDTHS_ACTIVATION);
    info->weight_bits = FIELD(widths, RISTRETTO_WIDTHS_WEIGHT);
    info->accumulator_bits = FIELD(widths, RISTRETTO_WIDTHS_ACCUMULATOR);
    info->lanes = get(bus, RISTRETTO_LANES);
    info->multipliers = get(bus, RISTRETTO_MULS);
    info->bus_bits = get(bus, RISTRETTO_BUS_BITS);
    info->program_depth = get(bus, RISTRETTO_PROG_DEPTH);
    info->activation_elements = get(bus, RISTRETTO_ACT_DEPTH);
    info->output_elements = get(bus, RISTRETTO_OUT_DEPTH);
    info->weight_steps = get(bus, RISTRETTO_WGT_DEPTH);
    return RISTRETTO_OK;
}

int ristretto_start(const ristretto_bus *bus, const ristretto_job *job)
{
    if (get(bus, RISTRETTO_STATUS) & RISTRETTO_STATUS_BUSY_MASK)
        return RISTRETTO_BUSY;
    set64(bus, RISTRETTO_LIST_LO, RISTRETTO_LIST_HI, job->list);
    set(bus, RISTRETTO_LIST_COUNT, job->count);
    set64(bus, RISTRETTO_MEMORY_LO, RISTRETTO_MEMORY_HI, job->memory);
    set(bus, RISTRETTO_IRQ_STATUS, RISTRETTO_IRQ_STATUS_DONE_MASK | RISTRETTO_IRQ_STATUS_ERROR_MASK);
    set(bus, RISTRETTO_IRQ_ENABLE, RISTRETTO_IRQ_ENABLE_DONE_MASK | RISTRETTO_IRQ_ENABLE_ERROR_MASK);
    set(bus, RISTRETTO_CONTROL, RISTRETTO_CONTROL_START_MASK);
    return RISTRETTO_OK;
}

int ristretto_finish(const ristretto_bus *bus, ristretto_result *result)
{
    uint32_t status;
    if (bus->wait != 0)
        bus->wait(bus->context);
    do
        status = get(bus, RISTRETTO_STATUS);
    while ((status & RISTRETTO_STATUS_DONE_MASK) == 0);
    set(bus, RISTRETTO_IRQ_STATUS, RISTRETTO_IRQ_STATUS_DONE_MASK | RISTRETTO_IRQ_STATUS_ERROR_MASK);
    result->cycles = get64(bus, RISTRETTO_CYCLES_LO, RISTRETTO_CYCLES_HI);
    result->run_cycles = get64(bus, RISTRETTO_RUN_CYCLES_LO, RISTRETTO_RUN_CYCLES_HI);
    result->saturations = get(bus, RISTRETTO_SATURATIONS);
    result->overflows = get(bus, RISTRETTO_OVERFLOWS);
    return (int)FIELD(status, RISTRETTO_STATUS_ERROR);
}
