/* The driver of ristretto_top, on any system: registers through two functions of the caller's. */
#include "soc/driver/driver.h"

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

rs_driver_bus rs_driver_mmio(volatile void *base)
{
    const rs_driver_bus bus = { mmio_read, mmio_write, 0, (void *)(uintptr_t)base };
    return bus;
}

static uint32_t get(const rs_driver_bus *bus, uint32_t address)
{
    return bus->read(bus->context, address);
}

static void set(const rs_driver_bus *bus, uint32_t address, uint32_t value)
{
    bus->write(bus->context, address, value);
}

static void set64(const rs_driver_bus *bus, uint32_t low, uint32_t high, uint64_t value)
{
    set(bus, low, (uint32_t)value);
    set(bus, high, (uint32_t)(value >> 32));
}

static uint64_t get64(const rs_driver_bus *bus, uint32_t low, uint32_t high)
{
    const uint32_t l = get(bus, low);
    return (uint64_t)get(bus, high) << 32 | l; /* counters stand still while the accelerator is idle */
}

#define FIELD(value, name) (((value)&name##_MASK) >> name##_SHIFT)

int rs_driver_probe(const rs_driver_bus *bus, rs_driver_info *info)
{
    uint32_t widths;
    if (get(bus, RS_REG_ID) != IDENTITY)
        return RS_DRIVER_ABSENT;
    info->version = get(bus, RS_REG_VERSION);
    if (info->version != MAP_VERSION)
        return RS_DRIVER_ABSENT;
    widths = get(bus, RS_REG_WIDTHS);
    info->activation_bits = FIELD(widths, RS_REG_WIDTHS_ACTIVATION);
    info->weight_bits = FIELD(widths, RS_REG_WIDTHS_WEIGHT);
    info->accumulator_bits = FIELD(widths, RS_REG_WIDTHS_ACCUMULATOR);
    info->lanes = get(bus, RS_REG_LANES);
    info->multipliers = get(bus, RS_REG_MULS);
    info->bus_bits = get(bus, RS_REG_BUS_BITS);
    info->program_depth = get(bus, RS_REG_PROG_DEPTH);
    info->activation_elements = get(bus, RS_REG_ACT_DEPTH);
    info->output_elements = get(bus, RS_REG_OUT_DEPTH);
    info->weight_steps = get(bus, RS_REG_WGT_DEPTH);
    return RS_DRIVER_OK;
}

int rs_driver_start(const rs_driver_bus *bus, const rs_driver_job *job)
{
    if (get(bus, RS_REG_STATUS) & RS_REG_STATUS_BUSY_MASK)
        return RS_DRIVER_BUSY;
    set64(bus, RS_REG_LIST_LO, RS_REG_LIST_HI, job->list);
    set(bus, RS_REG_LIST_COUNT, job->count);
    set64(bus, RS_REG_MEMORY_LO, RS_REG_MEMORY_HI, job->memory);
    set(bus, RS_REG_IRQ_STATUS, RS_REG_IRQ_STATUS_DONE_MASK | RS_REG_IRQ_STATUS_ERROR_MASK);
    set(bus, RS_REG_IRQ_ENABLE, RS_REG_IRQ_ENABLE_DONE_MASK | RS_REG_IRQ_ENABLE_ERROR_MASK);
    set(bus, RS_REG_CONTROL, RS_REG_CONTROL_START_MASK);
    return RS_DRIVER_OK;
}

int rs_driver_finish(const rs_driver_bus *bus, rs_driver_result *result)
{
    uint32_t status;
    if (bus->wait != 0)
        bus->wait(bus->context);
    do
        status = get(bus, RS_REG_STATUS);
    while ((status & RS_REG_STATUS_DONE_MASK) == 0);
    set(bus, RS_REG_IRQ_STATUS, RS_REG_IRQ_STATUS_DONE_MASK | RS_REG_IRQ_STATUS_ERROR_MASK);
    result->cycles = get64(bus, RS_REG_CYCLES_LO, RS_REG_CYCLES_HI);
    result->run_cycles = get64(bus, RS_REG_RUN_CYCLES_LO, RS_REG_RUN_CYCLES_HI);
    result->saturations = get(bus, RS_REG_SATURATIONS);
    result->overflows = get(bus, RS_REG_OVERFLOWS);
    return (int)FIELD(status, RS_REG_STATUS_ERROR);
}
