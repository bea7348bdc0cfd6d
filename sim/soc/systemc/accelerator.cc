// The TLM-2.0 module: registers, and a job that runs when it is started.
#include "soc/systemc/accelerator.h"

#include <algorithm>
#include <cstring>
#include <memory>

extern "C" {
#include "config/array_config.h"
}
#include "soc/driver/driver.h"
#include "soc/job.h"

namespace ristretto
{

using sc_core::sc_time;

namespace
{
constexpr uint32_t identity = 0x52495354, map_version = 1;

enum access : unsigned { readable = 1, writable = 2 };

// By word address; 0: there is no register.
std::array<unsigned, 1024> make_accesses()
{
    std::array<unsigned, 1024> table {};
#define RS_ACCESS(name, address, can_read, can_write)                            \
    table[(address) / 4] = ((can_read) ? static_cast<unsigned>(readable) : 0U) | \
                           ((can_write) ? static_cast<unsigned>(writable) : 0U);
    RS_REGISTERS(RS_ACCESS)
#undef RS_ACCESS
    return table;
}

unsigned access_of(unsigned address)
{
    static const std::array<unsigned, 1024> table = make_accesses();
    return address < 0x1000 ? table[address / 4] : 0;
}
} // namespace

accelerator::accelerator(sc_core::sc_module_name name, const rs_array_config *config, sc_time period)
    : sc_module(name), registers("registers"), memory("memory"), irq("irq"), config_(config), period_(period)
{
    registers.register_b_transport(this, &accelerator::b_transport);
    rs_array_parameter parameters[RS_ARRAY_PARAMETERS_MAX];
    const int n = rs_array_parameters(config, parameters);
    const auto parameter = [&](const char *wanted) -> uint32_t {
        for (int i = 0; i < n; i++)
            if (std::strcmp(parameters[i].name, wanted) == 0)
                return static_cast<uint32_t>(parameters[i].value);
        return 0;
    };
    value_[RS_REG_ID / 4] = identity;
    value_[RS_REG_VERSION / 4] = map_version;
    value_[RS_REG_LANES / 4] = parameter("Lanes");
    value_[RS_REG_MULS / 4] = parameter("Muls");
    value_[RS_REG_WIDTHS / 4] = parameter("ActBits") << RS_REG_WIDTHS_ACTIVATION_SHIFT |
                                parameter("WgtBits") << RS_REG_WIDTHS_WEIGHT_SHIFT |
                                parameter("AccBits") << RS_REG_WIDTHS_ACCUMULATOR_SHIFT;
    value_[RS_REG_RULES / 4] = parameter("Overflow") << RS_REG_RULES_OVERFLOW_SHIFT |
                               parameter("FirstLevel") << RS_REG_RULES_FIRST_LEVEL_SHIFT |
                               parameter("TreeRegisters") << RS_REG_RULES_TREE_REGISTERS_SHIFT |
                               parameter("Rounding") << RS_REG_RULES_ROUNDING_SHIFT |
                               parameter("Pe") << RS_REG_RULES_PE_SHIFT |
                               parameter("ZeroCode") << RS_REG_RULES_ZERO_CODE_SHIFT |
                               parameter("UnsignedActivations") << RS_REG_RULES_UNSIGNED_ACTIVATIONS_SHIFT |
                               parameter("AveragePooling") << RS_REG_RULES_AVERAGE_POOLING_SHIFT |
                               parameter("ChannelShifts") << RS_REG_RULES_CHANNEL_SHIFTS_SHIFT;
    value_[RS_REG_ACT_DEPTH / 4] = parameter("ActDepth");
    value_[RS_REG_OUT_DEPTH / 4] = parameter("OutDepth");
    value_[RS_REG_WGT_DEPTH / 4] = parameter("WgtDepth");
    value_[RS_REG_BUS_BITS / 4] = parameter("BusBits");
    value_[RS_REG_OUTSTANDING / 4] = parameter("Outstanding");
    if (config->pe == RS_PE_MINIFLOAT)
        value_[RS_REG_MINIFLOAT / 4] = parameter("ExponentBits") << RS_REG_MINIFLOAT_EXPONENT_SHIFT |
                                       parameter("MantissaBits") << RS_REG_MINIFLOAT_MANTISSA_SHIFT |
                                       parameter("Subnormals") << RS_REG_MINIFLOAT_SUBNORMALS_SHIFT |
                                       parameter("Special") << RS_REG_MINIFLOAT_SPECIAL_SHIFT;
    value_[RS_REG_PROG_DEPTH / 4] = parameter("ProgDepth");
    SC_HAS_PROCESS(accelerator);
    SC_THREAD(run);
    SC_METHOD(drive_irq);
    sensitive << irq_change_;
}

uint64_t accelerator::pair(unsigned low, unsigned high) const
{
    return static_cast<uint64_t>(value_[high / 4]) << 32 | value_[low / 4];
}

void accelerator::set_pair(unsigned low, unsigned high, uint64_t value)
{
    value_[low / 4] = static_cast<uint32_t>(value);
    value_[high / 4] = static_cast<uint32_t>(value >> 32);
}

void accelerator::drive_irq()
{
    irq.write((value_[RS_REG_IRQ_STATUS / 4] & value_[RS_REG_IRQ_ENABLE / 4]) != 0);
}

uint32_t accelerator::read(unsigned address)
{
    if (address == RS_REG_STATUS)
        return (busy_ ? RS_REG_STATUS_BUSY_MASK : 0U) | value_[RS_REG_STATUS / 4];
    if (busy_ && (address == RS_REG_CYCLES_LO || address == RS_REG_CYCLES_HI)) {
        const sc_time now = sc_core::sc_time_stamp();
        const uint64_t cycles = now > started_ ? static_cast<uint64_t>((now - started_) / period_) : 0;
        return static_cast<uint32_t>(address == RS_REG_CYCLES_LO ? cycles : cycles >> 32);
    }
    return value_[address / 4];
}

bool accelerator::write(unsigned address, uint32_t value)
{
    if (busy_ && address != RS_REG_IRQ_ENABLE && address != RS_REG_IRQ_STATUS)
        return false;
    switch (address) {
    case RS_REG_CONTROL:
        if ((value & RS_REG_CONTROL_START_MASK) != 0) {
            busy_ = true;
            value_[RS_REG_STATUS / 4] = 0;
            set_pair(RS_REG_CYCLES_LO, RS_REG_CYCLES_HI, 0);
            set_pair(RS_REG_RUN_CYCLES_LO, RS_REG_RUN_CYCLES_HI, 0);
            value_[RS_REG_SATURATIONS / 4] = value_[RS_REG_OVERFLOWS / 4] = 0;
            started_ = sc_core::sc_time_stamp() + effect_cycles * period_;
            start_.notify(effect_cycles * period_);
        }
        break;
    case RS_REG_IRQ_STATUS:
        value_[RS_REG_IRQ_STATUS / 4] &= ~value;
        irq_change_.notify(effect_cycles * period_);
        break;
    case RS_REG_IRQ_ENABLE:
        value_[RS_REG_IRQ_ENABLE / 4] = value & (RS_REG_IRQ_ENABLE_DONE_MASK | RS_REG_IRQ_ENABLE_ERROR_MASK);
        irq_change_.notify(effect_cycles * period_);
        break;
    case RS_REG_LIST_COUNT:
        value_[RS_REG_LIST_COUNT / 4] = value & 0xffffU;
        break;
    default:
        value_[address / 4] = value;
        break;
    }
    return true;
}

void accelerator::b_transport(tlm::tlm_generic_payload &payload, sc_time &delay)
{
    const uint64_t address = payload.get_address();
    const bool writes = payload.is_write();
    sc_core::wait(delay); // loosely timed, but registers are read and written in their turn
    delay = sc_core::SC_ZERO_TIME;
    if (payload.get_data_length() != 4 || address % 4 != 0 || payload.get_byte_enable_ptr() != nullptr) {
        payload.set_response_status(tlm::TLM_BURST_ERROR_RESPONSE);
        return;
    }
    bool good = address < 0x1000 && (access_of(static_cast<unsigned>(address)) & (writes ? writable : readable)) != 0;
    uint32_t word = 0;
    if (good && writes) {
        std::memcpy(&word, payload.get_data_ptr(), sizeof word);
        good = write(static_cast<unsigned>(address), word);
    } else if (good) {
        word = read(static_cast<unsigned>(address));
        std::memcpy(payload.get_data_ptr(), &word, sizeof word);
    }
    payload.set_response_status(good ? tlm::TLM_OK_RESPONSE : tlm::TLM_ADDRESS_ERROR_RESPONSE);
    delay = (writes ? write_cycles : read_cycles) * period_;
}

// Functional: the time of a job's transfers is part of its cycles.
bool accelerator::transfer(tlm::tlm_command command, uint64_t address, uint8_t *bytes, size_t n)
{
    constexpr size_t most = 4096;
    for (size_t done = 0; done < n; done += most) {
        const auto part = static_cast<unsigned>(std::min(most, n - done));
        tlm::tlm_generic_payload payload;
        sc_time delay = sc_core::SC_ZERO_TIME;
        payload.set_command(command);
        payload.set_address(address + done);
        payload.set_data_ptr(bytes + done);
        payload.set_data_length(part);
        payload.set_streaming_width(part);
        payload.set_response_status(tlm::TLM_INCOMPLETE_RESPONSE);
        memory->b_transport(payload, delay);
        if (!payload.is_response_ok())
            return false;
    }
    return true;
}

// Does the job and waits for its cycles; returns STATUS.ERROR.
unsigned accelerator::job()
{
    const uint64_t list_address = pair(RS_REG_LIST_LO, RS_REG_LIST_HI), base = pair(RS_REG_MEMORY_LO, RS_REG_MEMORY_HI);
    const uint32_t count = value_[RS_REG_LIST_COUNT / 4];
    rs_job_result result {};
    unsigned error = RS_DRIVER_OK;
    std::vector<uint8_t> before, after;
    if (count == 0)
        error = RS_DRIVER_EMPTY;
    else if (list_address % RS_JOB_DESCRIPTOR_BYTES != 0)
        error = RS_DRIVER_ALIGNMENT;
    if (error != RS_DRIVER_OK) {
        result.cycles = 1;
    } else {
        std::vector<uint8_t> list(static_cast<size_t>(count) * RS_JOB_DESCRIPTOR_BYTES);
        if (!transfer(tlm::TLM_READ_COMMAND, list_address, list.data(), list.size()))
            return RS_DRIVER_READ_ERROR;
        const int64_t beats = rs_job_beats(list.data(), static_cast<int>(count));
        const uint64_t size = static_cast<uint64_t>(beats) * static_cast<uint64_t>(config_->bus_bits / 8);
        uint8_t last = 0; // a list that reaches beyond the memory must not ask for room
        if (size == 0 || !transfer(tlm::TLM_READ_COMMAND, base + size - 1, &last, 1))
            return RS_DRIVER_READ_ERROR;
        before.resize(size);
        if (!transfer(tlm::TLM_READ_COMMAND, base, before.data(), before.size()))
            return RS_DRIVER_READ_ERROR;
        after = before;
        const std::unique_ptr<rs_diag, void (*)(rs_diag *)> diag(rs_diag_new(), rs_diag_free);
        if (rs_job_run(config_, list.data(), static_cast<int>(count), after.data(), beats, &result, diag.get()) !=
            RS_OK) {
            message_ = "the model cannot run this list";
            return RS_DRIVER_READ_ERROR;
        }
    }
    wait(static_cast<double>(result.cycles) * period_);
    // What was written, block by block.
    constexpr size_t block = 64;
    for (size_t i = 0; i < after.size(); i += block) {
        const size_t n = std::min(block, after.size() - i);
        if (std::memcmp(&before[i], &after[i], n) != 0 && !transfer(tlm::TLM_WRITE_COMMAND, base + i, &after[i], n))
            error = RS_DRIVER_WRITE_ERROR;
    }
    set_pair(RS_REG_CYCLES_LO, RS_REG_CYCLES_HI, result.cycles);
    set_pair(RS_REG_RUN_CYCLES_LO, RS_REG_RUN_CYCLES_HI, result.run_cycles);
    value_[RS_REG_SATURATIONS / 4] = result.saturations;
    value_[RS_REG_OVERFLOWS / 4] = result.overflows;
    return error;
}

void accelerator::run()
{
    for (;;) {
        wait(start_);
        const unsigned error = job();
        busy_ = false;
        value_[RS_REG_STATUS / 4] = RS_REG_STATUS_DONE_MASK | error << RS_REG_STATUS_ERROR_SHIFT;
        value_[RS_REG_IRQ_STATUS / 4] |= error == 0 ? RS_REG_IRQ_STATUS_DONE_MASK : RS_REG_IRQ_STATUS_ERROR_MASK;
        irq_change_.notify(sc_core::SC_ZERO_TIME);
    }
}

} // namespace ristretto
