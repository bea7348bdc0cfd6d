// ristretto_top as a TLM-2.0 module: registers behind a target socket, memory behind an initiator socket, an interrupt.
// Loosely timed: a job takes its cycles as the C model counts them (soc/job.h), its writes appear in memory when it
// ends. In a system whose memory is always ready, answers reads after the array's latency and writes in the next cycle,
// its cycles are the RTL's.
#ifndef RISTRETTO_SOC_SYSTEMC_ACCELERATOR_H
#define RISTRETTO_SOC_SYSTEMC_ACCELERATOR_H

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include <systemc>
#include <tlm>
#include <tlm_utils/simple_initiator_socket.h>
#include <tlm_utils/simple_target_socket.h>

struct rs_array_config;

namespace ristretto
{

class accelerator : public sc_core::sc_module
{
  public:
    tlm_utils::simple_target_socket<accelerator>
        registers; // 32-bit accesses at the addresses of docs/reference/registers.md
    tlm_utils::simple_initiator_socket<accelerator> memory;
    sc_core::sc_out<bool> irq;

    // config: every width resolved; must outlive the module. period: of the clock.
    accelerator(sc_core::sc_module_name name, const rs_array_config *config, sc_core::sc_time period);

    // Clock cycles from the beginning of an access to its end: an AXI4-Lite master that is never kept waiting needs as
    // many.
    static constexpr int write_cycles = 3, read_cycles = 2;
    // Of a write, those before it takes effect.
    static constexpr int effect_cycles = 2;

    // What went wrong in the model itself (a list that no compiler made); empty: nothing.
    const std::string &message() const
    {
        return message_;
    }

  private:
    const rs_array_config *config_;
    sc_core::sc_time period_;
    std::array<uint32_t, 1024> value_ {}; // of the registers, by word address
    bool busy_ = false;
    sc_core::sc_time started_;
    sc_core::sc_event start_, irq_change_;
    std::string message_;

    void b_transport(tlm::tlm_generic_payload &payload, sc_core::sc_time &delay);
    uint32_t read(unsigned address);
    bool write(unsigned address, uint32_t value);
    void run();
    void drive_irq();
    unsigned job();
    bool transfer(tlm::tlm_command command, uint64_t address, uint8_t *bytes, size_t n);
    uint64_t pair(unsigned low, unsigned high) const;
    void set_pair(unsigned low, unsigned high, uint64_t value);
};

} // namespace ristretto

#endif
