// Drives a Verilated ristretto_array: clock, memory, events. Compiled at run time together with the model (see
// cosim/dut.c).
#include "array_shim.h"

#include <cinttypes>
#include <cstring>
#include <new>
#include <string>
#include <vector>

#include "driver.h"

// --------------------------------------------------------------------------------------------------------- helpers
namespace
{
// splitmix64, as model/base/rng.h; the test bench shares no code with the C model.
uint64_t mix64(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

// Ports of any width lie in little-endian order in memory, as scalars or as an array of 32-bit words.
template <typename Port> void put_bytes(Port &port, const uint8_t *bytes, size_t n)
{
    static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "a big-endian host needs conversions here");
    std::memcpy(static_cast<void *>(&port), bytes, n);
}

template <typename Port> void get_bytes(const Port &port, uint8_t *bytes, size_t n)
{
    std::memcpy(bytes, static_cast<const void *>(&port), n);
}

} // namespace

struct rs_shim : verilated_driver {
    rs_shim_options options {};
    uint64_t trace_base = 0, trace_time = 0;
    rs_shim_memory memory {};
    uint32_t n_descriptors = 0;
    size_t beat_bytes = 0;
    uint64_t cycle = 0;        // of the run
    uint64_t total_cycles = 0; // of all runs and between them
    uint64_t output_beats = 0; // of all runs
    bool started = false, finished = false, broken = false;
    std::string message;

    std::vector<uint8_t> slots_valid;
    std::vector<uint8_t> slots_data;
    size_t slot = 0;

    std::vector<uint8_t> output_bytes; // padded, so that any value can be read as a 64-bit word
    std::vector<int32_t> values;
    std::vector<uint8_t> write_bytes;

    // An output beat that is reported a cycle late.
    bool held = false;
    rs_shim_event held_event {};
    std::vector<int32_t> held_values;

    explicit rs_shim(const rs_shim_options &given)
        : verilated_driver("ristretto_array", given.x_seed, given.no_overflow ? "+no_overflow" : "+none",
                           { given.trace, given.trace_save, given.trace_title }),
          options(given)
    {
#if VM_COVERAGE
        if (given.coverage != nullptr)
            coverage_path = given.coverage;
#endif
        options.trace = options.trace_save = options.trace_title = options.coverage = nullptr; // the caller's
        beat_bytes = static_cast<size_t>(given.bus_bits) / 8;
        output_bytes.resize((static_cast<size_t>(given.lanes * given.act_bits) + 7) / 8 + 8);
        values.resize(static_cast<size_t>(given.lanes));
        write_bytes.resize(beat_bytes);

        model->clk_i = 0;
        model->rst_ni = 1;
        model->n_desc_i = 1;
        model->eval();
        reset();
#if VM_COVERAGE
        // What registers wake up with is no work of the design. Verilator counts a combinational block at its first
        // evaluation only, so that those counts are kept apart.
        if (!coverage_path.empty())
            context.coveragep()->write((coverage_path + ".start").c_str());
        context.coveragep()->zero();
        reset(); // its lines count
#endif
    }

    void reset()
    {
        started = false;
        model->prog_we_i = 0;
        model->start_i = 0;
        model->mem_ready_i = 0;
        model->rsp_valid_i = 0;
        model->rst_ni = 0; // asynchronous: before the next clock edge
        model->eval();
        clock();
        model->rst_ni = 1;
        clock();
    }

    void give_up()
    {
        if (started && !finished)
            reset();
    }

    // The inputs of a cycle are set; its outputs, which depend on registers only, were read. Goes to the next cycle.
    void clock()
    {
        model->clk_i = 0;
        model->eval();
        dump_half(0);
        model->clk_i = 1;
        model->eval();
        dump_half(1);
        total_cycles++;
    }

    // Cycle t of the first run lies at time 2 t; those of later runs come after it.
    void dump_half(unsigned half)
    {
#if VM_TRACE
        if (!trace || cycle < options.trace_from || cycle > options.trace_to || !started)
            return;
        trace_time = trace_base + 2 * cycle + half;
        dump(trace_time);
#else
        (void)half;
#endif
    }

    bool ready() const
    {
        return memory.stall_percent == 0 || (mix64(memory.stall_key + cycle) >> 32) % 100 >= memory.stall_percent;
    }

    rs_shim_state fail(std::string text)
    {
        message = std::move(text);
        broken = true;
        return RS_SHIM_BROKEN;
    }

    void take_outputs(rs_shim_event &event)
    {
        const unsigned bits = static_cast<unsigned>(options.act_bits);
        get_bytes(model->obs_out_data_o, output_bytes.data(), output_bytes.size() - 8);
        size_t at = 0;
        for (int32_t &value : values) {
            uint64_t word = 0;
            std::memcpy(&word, &output_bytes[at / 8], 8);
            const uint32_t raw = static_cast<uint32_t>(word >> (at % 8)) & ((1U << bits) - 1U);
            const uint32_t sign = 1U << (bits - 1);
            value = static_cast<int32_t>(raw ^ sign) - static_cast<int32_t>(sign);
            at += bits;
        }
        event = rs_shim_event {};
        event.kind = RS_SHIM_OUTPUT;
        event.cycle = cycle;
        event.descriptor = model->obs_out_desc_o;
        event.address = static_cast<int64_t>(model->obs_out_addr_o);
        event.n_values = model->obs_out_lanes_o;
        event.saturations = model->obs_out_sat_o;
        event.overflows = model->obs_out_ovf_o;
        event.values = values.data();
    }

    // Reports an output beat, with the fault that is planted in it.
    bool report_output(rs_shim_sink sink, void *sink_context)
    {
        rs_shim_event event;
        take_outputs(event);
        const uint64_t number = output_beats++;
        if (options.fault != RS_SHIM_FAULT_NONE && number == options.fault_beat) {
            switch (options.fault) {
            case RS_SHIM_FAULT_FLIP:
                values[0] ^= 1;
                break;
            case RS_SHIM_FAULT_LATE:
                held_values = values;
                held_event = event;
                held_event.cycle++;
                held_event.values = held_values.data();
                held = true;
                return true;
            case RS_SHIM_FAULT_DROP:
                return true;
            case RS_SHIM_FAULT_DUPLICATE:
                if (!sink(sink_context, &event))
                    return false;
                break;
            default:
                break;
            }
        }
        return sink(sink_context, &event);
    }

    rs_shim_state advance(uint64_t limit, rs_shim_sink sink, void *sink_context)
    {
        if (broken)
            return RS_SHIM_BROKEN;
        if (finished || !started)
            return RS_SHIM_FINISHED;
        while (cycle < limit) {
            bool go_on = true;
            if (held) {
                held = false;
                go_on = sink(sink_context, &held_event) && go_on;
            }
            if (model->done_o) {
                finished = true;
                rs_shim_event event {};
                event.kind = RS_SHIM_DONE;
                event.cycle = cycle;
                event.descriptor = static_cast<int32_t>(n_descriptors) - 1;
                sink(sink_context, &event);
                clock();
                return RS_SHIM_FINISHED;
            }
            const bool is_ready = ready();
            const bool read = model->rd_valid_o && is_ready, write = model->wr_valid_o && is_ready;
            const bool output = model->obs_out_valid_o;

            // The inputs of this cycle.
            model->start_i = cycle == 0;
            model->mem_ready_i = is_ready;
            const bool answer = slots_valid[slot] != 0 ||
                                (options.fault == RS_SHIM_FAULT_ANSWER && output_beats > options.fault_beat);
            model->rsp_valid_i = answer;
            if (answer)
                put_bytes(model->rsp_data_i, &slots_data[slot * beat_bytes], beat_bytes);
            slots_valid[slot] = 0;

            if (read) {
                const uint64_t address = model->rd_addr_o;
                if (address >= memory.beats)
                    return fail("cycle " + std::to_string(cycle) + ": the array reads beat " + std::to_string(address) +
                                " of a memory of " + std::to_string(memory.beats) + " beats");
                slots_valid[slot] = 1;
                std::memcpy(&slots_data[slot * beat_bytes], memory.bytes + address * beat_bytes, beat_bytes);
                rs_shim_event event {};
                event.kind = RS_SHIM_READ;
                event.cycle = cycle;
                event.descriptor = model->obs_rd_desc_o;
                event.address = static_cast<int64_t>(address);
                go_on = sink(sink_context, &event) && go_on;
            }
            if (output)
                go_on = report_output(sink, sink_context) && go_on;
            if (write) {
                const uint64_t address = model->wr_addr_o;
                if (address >= memory.beats)
                    return fail("cycle " + std::to_string(cycle) + ": the array writes beat " +
                                std::to_string(address) + " of a memory of " + std::to_string(memory.beats) + " beats");
                get_bytes(model->wr_data_o, write_bytes.data(), beat_bytes);
                std::memcpy(memory.bytes + address * beat_bytes, write_bytes.data(), beat_bytes);
                rs_shim_event event {};
                event.kind = RS_SHIM_WRITE;
                event.cycle = cycle;
                event.descriptor = model->obs_wr_desc_o;
                event.address = static_cast<int64_t>(address);
                event.data = write_bytes.data();
                go_on = sink(sink_context, &event) && go_on;
            }
            clock();
            cycle++;
            if (++slot == slots_valid.size())
                slot = 0;
            if (!go_on)
                return RS_SHIM_STOPPED;
        }
        return RS_SHIM_RUNNING;
    }
};

// ------------------------------------------------------------------------------------------------- the C functions
namespace
{
rs_shim *shim_open(const rs_shim_options *options, const char **message)
{
    return open_shim<rs_shim>(*options, message);
}

void shim_close(rs_shim *shim)
{
    delete shim;
}

void shim_write_program(rs_shim *shim, uint32_t address, uint32_t word)
{
    shim->enter();
    shim->give_up();
    shim->started = false;
    shim->model->prog_we_i = 1;
    shim->model->prog_addr_i = static_cast<decltype(shim->model->prog_addr_i + 0)>(address);
    shim->model->prog_wdata_i = word;
    shim->clock();
    shim->model->prog_we_i = 0;
}

bool shim_start(rs_shim *shim, const rs_shim_memory *memory, uint32_t n_descriptors)
{
    shim->enter();
    shim->give_up();
    try {
        shim->slots_valid.assign(memory->latency, 0);
        shim->slots_data.resize(static_cast<size_t>(memory->latency) * shim->beat_bytes);
    } catch (const std::bad_alloc &) {
        return false;
    }
    shim->slot = 0;
#if VM_TRACE
    if (shim->trace_open)
        shim->trace_base = shim->trace_time + 1;
#endif
    shim->memory = *memory;
    shim->n_descriptors = n_descriptors;
    shim->model->n_desc_i = static_cast<uint16_t>(n_descriptors);
    shim->cycle = 0;
    shim->finished = false;
    shim->started = true;
    shim->held = false;
    return true;
}

rs_shim_state shim_advance(rs_shim *shim, uint64_t limit, rs_shim_sink sink, void *context)
{
    shim->enter();
    try {
        return shim->advance(limit, sink, context);
    } catch (const std::exception &e) {
        return shim->fail("cycle " + std::to_string(shim->cycle) + ": " + e.what());
    }
}

uint64_t shim_cycle(const rs_shim *shim)
{
    return shim->cycle;
}

const char *shim_message(const rs_shim *shim)
{
    return shim->message.c_str();
}
} // namespace

extern "C" __attribute__((visibility("default"))) const void *rs_model_table(void)
{
    static const rs_shim_functions functions = { RS_SHIM_INTERFACE, shim_open,    shim_close, shim_write_program,
                                                 shim_start,        shim_advance, shim_cycle, shim_message };
    return &functions;
}
