// What a system around the accelerator needs in a simulation: a memory that the RTL sees through AXI4 and the TLM model
// through a socket, and a master for the registers of each.
#ifndef RISTRETTO_TESTS_SYSTEMC_BENCH_H
#define RISTRETTO_TESTS_SYSTEMC_BENCH_H

#include <cstdint>
#include <cstring>
#include <deque>
#include <type_traits>
#include <vector>

#include <systemc>
#include <tlm>
#include <tlm_utils/simple_initiator_socket.h>
#include <tlm_utils/simple_target_socket.h>

namespace bench
{

// Ports of the Verilated model: up to 32 bits uint32_t, up to 64 uint64_t, else sc_bv.
template <typename Word, std::enable_if_t<std::is_integral_v<Word>, int> = 0>
Word to_word(const uint8_t *bytes, size_t n)
{
    Word word = 0;
    for (size_t i = 0; i < n; i++)
        word = static_cast<Word>(word | static_cast<Word>(bytes[i]) << (8 * i));
    return word;
}

template <typename Word, std::enable_if_t<!std::is_integral_v<Word>, int> = 0>
Word to_word(const uint8_t *bytes, size_t n)
{
    Word word;
    for (size_t i = 0; i < n / 4; i++) {
        uint32_t part = 0;
        std::memcpy(&part, bytes + 4 * i, 4);
        word.set_word(static_cast<int>(i), part);
    }
    return word;
}

template <typename Word> void to_bytes(const Word &word, uint8_t *bytes, size_t n)
{
    if constexpr (std::is_integral_v<Word>) {
        for (size_t i = 0; i < n; i++)
            bytes[i] = static_cast<uint8_t>(word >> (8 * i));
    } else {
        for (size_t i = 0; i < n / 4; i++) {
            const uint32_t part = word.get_word(static_cast<int>(i));
            std::memcpy(bytes + 4 * i, &part, 4);
        }
    }
}

// A memory from address 0. An access that leaves it is answered with an error.
struct storage {
    std::vector<uint8_t> bytes;

    bool holds(uint64_t address, uint64_t n) const
    {
        return address <= bytes.size() && n <= bytes.size() - address;
    }
};

// For the TLM model.
class tlm_memory : public sc_core::sc_module
{
  public:
    tlm_utils::simple_target_socket<tlm_memory> socket;
    storage content;

    explicit tlm_memory(sc_core::sc_module_name name) : sc_module(name), socket("socket")
    {
        socket.register_b_transport(this, &tlm_memory::b_transport);
    }

  private:
    void b_transport(tlm::tlm_generic_payload &payload, sc_core::sc_time &)
    {
        const uint64_t address = payload.get_address(), n = payload.get_data_length();
        if (!content.holds(address, n)) {
            payload.set_response_status(tlm::TLM_ADDRESS_ERROR_RESPONSE);
            return;
        }
        if (payload.is_read())
            std::memcpy(payload.get_data_ptr(), &content.bytes[address], n);
        else
            std::memcpy(&content.bytes[address], payload.get_data_ptr(), n);
        payload.set_response_status(tlm::TLM_OK_RESPONSE);
    }
};

// For the RTL: an AXI4 slave. Always ready unless `slow` makes it refuse by a pseudo-random sequence, or
// `address_every` makes it take an address in every so many cycles only; reads are answered after `latency` cycles,
// writes after `write_latency`.
template <typename Data, typename Address> class axi_memory : public sc_core::sc_module
{
  public:
    sc_core::sc_in<bool> clk;
    sc_core::sc_signal<bool> arvalid, arready, rvalid, rready, rlast, awvalid, awready, wvalid, wready, wlast, bvalid,
        bready;
    sc_core::sc_signal<Address> araddr, awaddr;
    sc_core::sc_signal<uint32_t> arlen, awlen, rresp, bresp;
    sc_core::sc_signal<Data> rdata, wdata;
    storage content;
    size_t beat_bytes;
    unsigned latency, write_latency = 1;
    bool slow = false;
    unsigned address_every = 1;
    // Of the protocol: a valid that was withdrawn; an address, a length or data that changed while they waited; a burst
    // across 4 KiB; a last beat that is not the last.
    uint64_t violations = 0;
    uint64_t read_bursts = 0, write_bursts = 0, read_beats = 0, write_beats = 0; // since they were set to 0

    void count_from_here()
    {
        read_bursts = write_bursts = read_beats = write_beats = 0;
    }

    axi_memory(sc_core::sc_module_name name, size_t bytes, unsigned read_latency)
        : sc_module(name), clk("clk"), beat_bytes(bytes), latency(read_latency)
    {
        SC_HAS_PROCESS(axi_memory);
        SC_METHOD(edge);
        sensitive << clk.pos();
        dont_initialize();
    }

  private:
    struct answer {
        uint64_t due;
        std::vector<uint8_t> bytes;
        bool error, last;
    };
    uint64_t cycle_ = 0; // that ends with this edge
    uint64_t random_ = 1;
    std::deque<answer> reads_;
    struct request {
        bool valid = false;
        uint64_t address = 0, length = 0; // beats less one
        bool operator==(const request &o) const
        {
            return valid == o.valid && address == o.address && length == o.length;
        }
    };
    struct beat {
        std::vector<uint8_t> bytes;
        bool last = false;
        bool operator==(const beat &o) const
        {
            return bytes == o.bytes && last == o.last;
        }
    };
    std::deque<request> addresses_;
    std::deque<beat> data_;
    std::deque<answer> writes_;
    uint64_t written_ = 0; // beats of the first of addresses_
    bool written_good_ = true;
    request ar_waits_, aw_waits_; // valid: was not taken
    beat w_waits_;
    bool w_waiting_ = false;

    bool chance()
    {
        random_ = random_ * UINT64_C(6364136223846793005) + 1442695040888963407;
        return !slow || (random_ >> 40) % 3 != 0;
    }

    void edge()
    {
        // Channels as they were in the cycle that ends here.
        const request ar = { arvalid.read(), static_cast<uint64_t>(araddr.read()), arlen.read() };
        const request aw = { awvalid.read(), static_cast<uint64_t>(awaddr.read()), awlen.read() };
        beat w = { std::vector<uint8_t>(beat_bytes), wlast.read() };
        to_bytes(wdata.read(), w.bytes.data(), beat_bytes);
        violations += (ar_waits_.valid && !(ar == ar_waits_)) + (aw_waits_.valid && !(aw == aw_waits_)) +
                      (w_waiting_ && !(wvalid.read() && w == w_waits_));
        for (const request *r : { &ar, &aw })
            violations += r->valid && r->address / 4096 != (r->address + r->length * beat_bytes) / 4096;
        ar_waits_ = ar;
        aw_waits_ = aw;
        w_waits_ = w;
        ar_waits_.valid = ar.valid && !arready.read();
        aw_waits_.valid = aw.valid && !awready.read();
        w_waiting_ = wvalid.read() && !wready.read();
        if (rvalid.read() && rready.read())
            reads_.pop_front();
        if (bvalid.read() && bready.read())
            writes_.pop_front();
        if (ar.valid && arready.read()) {
            read_bursts++;
            for (uint64_t i = 0; i <= ar.length; i++) {
                const uint64_t address = ar.address + i * beat_bytes;
                const bool good = content.holds(address, beat_bytes);
                answer a = { cycle_ + latency + i, std::vector<uint8_t>(beat_bytes), !good, i == ar.length };
                if (good)
                    std::memcpy(a.bytes.data(), &content.bytes[address], beat_bytes);
                reads_.push_back(std::move(a));
                read_beats++;
            }
        }
        if (aw.valid && awready.read()) {
            addresses_.push_back(aw);
            write_bursts++;
        }
        if (wvalid.read() && wready.read())
            data_.push_back(std::move(w));
        while (!addresses_.empty() && !data_.empty()) {
            const request &burst = addresses_.front();
            const uint64_t address = burst.address + written_ * beat_bytes;
            const bool good = content.holds(address, beat_bytes), last = written_ == burst.length;
            violations += data_.front().last != last;
            if (good)
                std::memcpy(&content.bytes[address], data_.front().bytes.data(), beat_bytes);
            written_good_ = written_good_ && good;
            data_.pop_front();
            written_++;
            write_beats++;
            if (last) {
                writes_.push_back({ cycle_ + write_latency, {}, !written_good_, true });
                addresses_.pop_front();
                written_ = 0;
                written_good_ = true;
            }
        }
        // The next cycle.
        cycle_++;
        const bool read = !reads_.empty() && reads_.front().due <= cycle_;
        rvalid.write(read);
        if (read) {
            rdata.write(to_word<Data>(reads_.front().bytes.data(), beat_bytes));
            rresp.write(reads_.front().error ? 2 : 0);
            rlast.write(reads_.front().last);
        }
        const bool written = !writes_.empty() && writes_.front().due <= cycle_;
        bvalid.write(written);
        if (written)
            bresp.write(writes_.front().error ? 2 : 0);
        const bool addresses = cycle_ % address_every == 0;
        arready.write(addresses && chance());
        awready.write(addresses && chance());
        wready.write(chance());
    }
};

// An AXI4-Lite master that a thread drives.
class axil_master : public sc_core::sc_module
{
  public:
    sc_core::sc_in<bool> clk;
    // Driven by whatever thread calls.
    sc_core::sc_signal<bool, sc_core::SC_MANY_WRITERS> awvalid, wvalid, bready, arvalid, rready;
    sc_core::sc_signal<uint32_t, sc_core::SC_MANY_WRITERS> awaddr, wdata, wstrb, araddr;
    sc_core::sc_signal<bool> awready, wready, bvalid, arready, rvalid;
    sc_core::sc_signal<uint32_t> bresp, rdata, rresp;
    uint64_t errors = 0; // answers that were not OKAY

    explicit axil_master(sc_core::sc_module_name name) : sc_module(name), clk("clk")
    {
    }

    void begin()
    {
        bready.write(true);
        rready.write(true);
        wstrb.write(0xf);
    }

    // Called right behind a rising edge; both return right behind one.
    void write(uint32_t address, uint32_t value)
    {
        awaddr.write(address);
        wdata.write(value);
        awvalid.write(true);
        wvalid.write(true);
        bool address_taken = false, data_taken = false;
        for (;;) {
            wait(clk.posedge_event());
            address_taken = address_taken || awready.read();
            data_taken = data_taken || wready.read();
            awvalid.write(!address_taken);
            wvalid.write(!data_taken);
            if (bvalid.read())
                break;
        }
        errors += bresp.read() != 0;
    }

    uint32_t read(uint32_t address)
    {
        araddr.write(address);
        arvalid.write(true);
        bool taken = false;
        for (;;) {
            wait(clk.posedge_event());
            taken = taken || arready.read();
            arvalid.write(!taken);
            if (rvalid.read())
                break;
        }
        errors += rresp.read() != 0;
        return rdata.read();
    }
};

} // namespace bench

#endif
