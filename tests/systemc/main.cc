// One network, image by image, on the TLM model and on the Verilated ristretto_top in one simulation, each in a system
// of its own, driven by the same driver (sim/soc/driver). Compared: every byte of memory, cycles, counts, and the
// time at which the driver is done.
//
//   systemc_test QNET ARRAY DATA IMAGES [KEY=VALUE...]
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <unistd.h>

#include "Vtop.h"
#include "verilated.h"
#if VM_COVERAGE
#include "verilated_cov.h"
#endif
#include "systemc/bench.h"

#include "soc/driver/driver.h"
#include "soc/job.h"
#include "soc/systemc/accelerator.h"
#include "systemc/network.h"

using sc_core::sc_time;

namespace
{
using data_word = std::remove_cv_t<std::remove_reference_t<decltype(std::declval<Vtop>().m_axi_rdata_i.read())>>;
using address_word = std::remove_cv_t<std::remove_reference_t<decltype(std::declval<Vtop>().m_axi_araddr_o.read())>>;

int passed, failed;

void check(const std::string &name, bool good)
{
    std::printf("%s - %s\n", good ? "ok" : "not ok", name.c_str());
    (good ? passed : failed)++;
}

// What a system offers a driver.
struct host {
    std::function<uint32_t(uint32_t)> read;
    std::function<void(uint32_t, uint32_t)> write;
    std::function<void()> wait;
    rs_driver_bus bus { [](void *h, uint32_t address) { return static_cast<host *>(h)->read(address); },
                        [](void *h, uint32_t address, uint32_t value) {
                            static_cast<host *>(h)->write(address, value);
                        },
                        [](void *h) { static_cast<host *>(h)->wait(); }, this };
};

struct outcome {
    int status = -1;
    rs_driver_result result {};
    sc_time began, ended;
};

// The RTL with its AXI memory and its register master.
SC_MODULE(rtl_system)
{
    sc_core::sc_in<bool> clk;
    sc_core::sc_signal<bool> reset_n, irq;
    Vtop top;
    bench::axi_memory<data_word, address_word> memory;
    bench::axil_master master;
    sc_core::sc_signal<uint32_t> zero { "zero" };
    sc_core::sc_signal<uint32_t> open_word[11];
    sc_core::sc_signal<bool> open_bit[3];

    rtl_system(sc_core::sc_module_name name, size_t beat_bytes, unsigned latency)
        : sc_module(name), clk("clk"), top("top"), memory("memory", beat_bytes, latency), master("master")
    {
        memory.clk(clk);
        master.clk(clk);
        top.clk_i(clk);
        top.rst_ni(reset_n);
        top.irq_o(irq);
        top.s_axil_awvalid_i(master.awvalid);
        top.s_axil_awready_o(master.awready);
        top.s_axil_awaddr_i(master.awaddr);
        top.s_axil_awprot_i(zero);
        top.s_axil_wvalid_i(master.wvalid);
        top.s_axil_wready_o(master.wready);
        top.s_axil_wdata_i(master.wdata);
        top.s_axil_wstrb_i(master.wstrb);
        top.s_axil_bvalid_o(master.bvalid);
        top.s_axil_bready_i(master.bready);
        top.s_axil_bresp_o(master.bresp);
        top.s_axil_arvalid_i(master.arvalid);
        top.s_axil_arready_o(master.arready);
        top.s_axil_araddr_i(master.araddr);
        top.s_axil_arprot_i(zero);
        top.s_axil_rvalid_o(master.rvalid);
        top.s_axil_rready_i(master.rready);
        top.s_axil_rdata_o(master.rdata);
        top.s_axil_rresp_o(master.rresp);
        top.m_axi_arvalid_o(memory.arvalid);
        top.m_axi_arready_i(memory.arready);
        top.m_axi_araddr_o(memory.araddr);
        top.m_axi_arlen_o(memory.arlen);
        top.m_axi_rvalid_i(memory.rvalid);
        top.m_axi_rready_o(memory.rready);
        top.m_axi_rdata_i(memory.rdata);
        top.m_axi_rresp_i(memory.rresp);
        top.m_axi_rlast_i(memory.rlast);
        top.m_axi_awvalid_o(memory.awvalid);
        top.m_axi_awready_i(memory.awready);
        top.m_axi_awaddr_o(memory.awaddr);
        top.m_axi_awlen_o(memory.awlen);
        top.m_axi_wlast_o(memory.wlast);
        top.m_axi_wvalid_o(memory.wvalid);
        top.m_axi_wready_i(memory.wready);
        top.m_axi_wdata_o(memory.wdata);
        top.m_axi_bvalid_i(memory.bvalid);
        top.m_axi_bready_o(memory.bready);
        top.m_axi_bresp_i(memory.bresp);
        // One ID, one size, one kind of burst: a memory of its own has no use for these.
        bind_rest();
    }

    void bind_rest();
};

// Ports whose C++ type depends on the parameters are bound to signals that fit.
template <typename Port> struct signal_of;
template <typename T> struct signal_of<sc_core::sc_in<T>> {
    using type = sc_core::sc_signal<T>;
};
template <typename T> struct signal_of<sc_core::sc_out<T>> {
    using type = sc_core::sc_signal<T>;
};

template <typename Port> void leave_open(Port &port)
{
    port(*new typename signal_of<Port>::type(sc_core::sc_gen_unique_name("open"))); // lives as long as the simulation
}

void rtl_system::bind_rest()
{
    leave_open(top.m_axi_arid_o);
    leave_open(top.m_axi_arsize_o);
    leave_open(top.m_axi_arburst_o);
    leave_open(top.m_axi_arlock_o);
    leave_open(top.m_axi_arcache_o);
    leave_open(top.m_axi_arprot_o);
    leave_open(top.m_axi_arqos_o);
    leave_open(top.m_axi_rid_i);
    leave_open(top.m_axi_awid_o);
    leave_open(top.m_axi_awsize_o);
    leave_open(top.m_axi_awburst_o);
    leave_open(top.m_axi_awlock_o);
    leave_open(top.m_axi_awcache_o);
    leave_open(top.m_axi_awprot_o);
    leave_open(top.m_axi_awqos_o);
    leave_open(top.m_axi_wstrb_o);
    leave_open(top.m_axi_bid_i);
}

// The TLM model with its memory and a processor's socket.
SC_MODULE(tlm_system)
{
    ristretto::accelerator accelerator;
    bench::tlm_memory memory;
    tlm_utils::simple_initiator_socket<tlm_system> processor;
    sc_core::sc_signal<bool> irq;
    uint64_t errors = 0;

    tlm_system(sc_core::sc_module_name name, const rs_array_config *config, sc_time period)
        : sc_module(name), accelerator("accelerator", config, period), memory("memory"), processor("processor")
    {
        processor.bind(accelerator.registers);
        accelerator.memory.bind(memory.socket);
        accelerator.irq(irq);
    }

    void access(tlm::tlm_command command, uint32_t address, uint32_t & value)
    {
        tlm::tlm_generic_payload payload;
        sc_time delay = sc_core::SC_ZERO_TIME;
        payload.set_command(command);
        payload.set_address(address);
        payload.set_data_ptr(reinterpret_cast<unsigned char *>(&value));
        payload.set_data_length(4);
        payload.set_streaming_width(4);
        payload.set_response_status(tlm::TLM_INCOMPLETE_RESPONSE);
        processor->b_transport(payload, delay);
        wait(delay);
        errors += !payload.is_response_ok();
    }
};

// Both systems, a processor for each.
SC_MODULE(test)
{
    rs_network *network;
    int64_t images;
    sc_time period;
    sc_core::sc_clock clock;
    rtl_system rtl;
    tlm_system tlm;
    host rtl_host, tlm_host;
    sc_core::sc_event rtl_go, tlm_go, rtl_done, tlm_done;
    rs_driver_job job {};
    outcome rtl_outcome, tlm_outcome;

    test(sc_core::sc_module_name name, rs_network * net, int64_t n)
        : sc_module(name), network(net), images(n), period(1000.0 / rs_network_clock_mhz(net), sc_core::SC_NS),
          clock("clock", period),
          rtl("rtl", static_cast<size_t>(rs_network_beat_bytes(net)), static_cast<unsigned>(rs_network_latency(net))),
          tlm("tlm", rs_network_config(net), period)
    {
        rtl.clk(clock);
        rtl_host.read = [this](uint32_t address) { return rtl.master.read(address); };
        rtl_host.write = [this](uint32_t address, uint32_t value) { rtl.master.write(address, value); };
        rtl_host.wait = [this] {
            if (!rtl.irq.read())
                sc_core::wait(rtl.irq.posedge_event());
        };
        tlm_host.read = [this](uint32_t address) {
            uint32_t value = 0;
            tlm.access(tlm::TLM_READ_COMMAND, address, value);
            return value;
        };
        tlm_host.write = [this](uint32_t address, uint32_t value) {
            tlm.access(tlm::TLM_WRITE_COMMAND, address, value);
        };
        tlm_host.wait = [this] {
            if (!tlm.irq.read())
                sc_core::wait(tlm.irq.posedge_event());
        };
        SC_HAS_PROCESS(test);
        SC_THREAD(run);
        SC_THREAD(rtl_processor);
        SC_THREAD(tlm_processor);
    }

    void processor(host & h, sc_core::sc_event & go, sc_core::sc_event & done, outcome & out)
    {
        for (;;) {
            wait(go);
            out = outcome();
            out.began = sc_core::sc_time_stamp();
            out.status = rs_driver_start(&h.bus, &job);
            if (out.status == RS_DRIVER_OK)
                out.status = rs_driver_finish(&h.bus, &out.result);
            out.ended = sc_core::sc_time_stamp();
            done.notify();
        }
    }
    void rtl_processor()
    {
        processor(rtl_host, rtl_go, rtl_done, rtl_outcome);
    }
    void tlm_processor()
    {
        processor(tlm_host, tlm_go, tlm_done, tlm_outcome);
    }

    void both()
    {
        wait(clock.posedge_event());
        rtl_go.notify();
        tlm_go.notify();
        wait(rtl_done & tlm_done);
    }

    bool same_result() const
    {
        const rs_driver_result &a = rtl_outcome.result, &b = tlm_outcome.result;
        return rtl_outcome.status == tlm_outcome.status && a.cycles == b.cycles && a.run_cycles == b.run_cycles &&
               a.saturations == b.saturations && a.overflows == b.overflows;
    }

    void print_results() const
    {
        for (const outcome *o : { &rtl_outcome, &tlm_outcome })
            std::printf("# %s: status %d, %llu cycles, %llu of them of the array, %u saturations, %u overflows, %s\n",
                        o == &rtl_outcome ? "RTL" : "TLM", o->status, static_cast<unsigned long long>(o->result.cycles),
                        static_cast<unsigned long long>(o->result.run_cycles), o->result.saturations,
                        o->result.overflows, (o->ended - o->began).to_string().c_str());
    }

    void run();
    void run_images();
    void run_errors();
};

void test::run_images()
{
    const auto list_bytes = static_cast<uint64_t>(rs_network_descriptors(network)) * RS_JOB_DESCRIPTOR_BYTES;
    const auto memory_bytes = static_cast<uint64_t>(rs_network_memory_bytes(network));
    const uint64_t list = 0x400; // somewhere, with the program's memory behind it
    const uint64_t base = (list + list_bytes + 4095) / 4096 * 4096;
    job = { list, static_cast<uint32_t>(rs_network_descriptors(network)), base };
    std::vector<int32_t> expected(static_cast<size_t>(rs_network_outputs(network))), got(expected.size());
    const std::unique_ptr<rs_diag, void (*)(rs_diag *)> diag(rs_diag_new(), rs_diag_free);
    uint64_t bytes = 0, cycles = 0;
    bool memories = true, results = true, times = true, scores = true;
    for (int64_t i = 0; i < images; i++) {
        std::vector<uint8_t> content(base + memory_bytes);
        rs_network_write_list(network, &content[list]);
        rs_network_load(network, i, &content[base]);
        rtl.memory.content.bytes = tlm.memory.content.bytes = content;
        both();
        memories = memories && rtl.memory.content.bytes == tlm.memory.content.bytes &&
                   rtl.memory.content.bytes != content;
        results = results && rtl_outcome.status == RS_DRIVER_OK && same_result();
        times = times && rtl_outcome.ended == tlm_outcome.ended && rtl_outcome.began == tlm_outcome.began;
        rs_network_scores(network, &rtl.memory.content.bytes[base], got.data());
        scores = scores && rs_network_expected(network, i, expected.data(), diag.get()) == RS_OK && got == expected;
        bytes += content.size();
        cycles += rtl_outcome.result.cycles;
        if (!results || !times) {
            print_results();
            break;
        }
    }
    std::printf("# compared %lld images, %llu bytes of memory, %llu cycles\n", static_cast<long long>(images),
                static_cast<unsigned long long>(bytes), static_cast<unsigned long long>(cycles));
    check("both leave the same bytes in memory", memories && bytes > 0);
    check("the same cycles, saturations and overflows", results && cycles > 0);
    check("both drivers are done at the same time", times);
    check("the scores are the exact engine's", scores);

    // A memory that refuses and answers late: other cycles, the same bytes.
    const std::vector<uint8_t> good = rtl.memory.content.bytes;
    rtl.memory.slow = true;
    rtl.memory.write_latency = 17;
    std::vector<uint8_t> content(base + memory_bytes);
    rs_network_write_list(network, &content[list]);
    rs_network_load(network, images - 1, &content[base]);
    rtl.memory.content.bytes = tlm.memory.content.bytes = content;
    both();
    check("a slow memory changes no byte", rtl_outcome.status == RS_DRIVER_OK && rtl.memory.content.bytes == good);
    check("and costs cycles", rtl_outcome.result.cycles > tlm_outcome.result.cycles);
    rtl.memory.slow = false;

    // One that takes few addresses: what follows one another comes in bursts.
    const uint64_t quick = tlm_outcome.result.cycles;
    rtl.memory.address_every = 8;
    rtl.memory.count_from_here();
    rtl.memory.content.bytes = tlm.memory.content.bytes = content;
    both();
    std::printf(
        "# an address in 8 cycles: %llu cycles instead of %llu; %llu beats read in %llu bursts, %llu written in %llu\n",
        static_cast<unsigned long long>(rtl_outcome.result.cycles), static_cast<unsigned long long>(quick),
        static_cast<unsigned long long>(rtl.memory.read_beats), static_cast<unsigned long long>(rtl.memory.read_bursts),
        static_cast<unsigned long long>(rtl.memory.write_beats),
        static_cast<unsigned long long>(rtl.memory.write_bursts));
    check("a memory that takes few addresses changes no byte",
          rtl_outcome.status == RS_DRIVER_OK && rtl.memory.content.bytes == good);
    check("and is read and written in bursts",
          rtl.memory.read_beats > 3 * rtl.memory.read_bursts && rtl.memory.write_beats > 3 * rtl.memory.write_bursts);
    check("no AXI request was withdrawn or changed, no burst crosses 4 KiB or ends elsewhere",
          rtl.memory.violations == 0);
    rtl.memory.address_every = 1;
    rtl.memory.write_latency = 1;
}

void test::run_errors()
{
    const rs_driver_job right = job;
    struct wrong {
        const char *name;
        rs_driver_job job;
        int status;
    };
    const wrong cases[] = {
        { "an empty list", { right.list, 0, right.memory }, RS_DRIVER_EMPTY },
        { "a list that is not aligned", { right.list + 4, right.count, right.memory }, RS_DRIVER_ALIGNMENT },
    };
    for (const wrong &w : cases) {
        job = w.job;
        both();
        check(std::string(w.name) + " is an error, in both at the same time",
              rtl_outcome.status == w.status && same_result() && rtl_outcome.ended == tlm_outcome.ended);
    }
    check("no access was refused so far", rtl.master.errors == 0 && tlm.errors == 0);
    wait(clock.posedge_event()); // this thread takes the ports over
    const uint32_t nowhere = 0xffc;
    (void)rtl_host.read(nowhere);
    (void)tlm_host.read(nowhere);
    rtl_host.write(RS_REG_ID, 1);
    tlm_host.write(RS_REG_ID, 1);
    check("an address without a register and a write to ID are refused by both",
          rtl.master.errors == 2 && tlm.errors == 2);
    bool same = true;
    int compared = 0;
#define RS_COMPARE(name, address, can_read, can_write)                         \
    if (can_read) {                                                            \
        const uint32_t a = rtl_host.read(address), b = tlm_host.read(address); \
        same = same && a == b;                                                 \
        compared++;                                                            \
        if (a != b)                                                            \
            std::printf("# %s: RTL 0x%08x, TLM 0x%08x\n", #name, a, b);        \
    }
    RS_REGISTERS(RS_COMPARE)
#undef RS_COMPARE
    check("all registers read the same", same && compared > 20);

    // The memory's end lies within the program's data: the RTL goes on with what it gets, and says so at the end; the
    // model stops.
    job = right;
    rtl.memory.content.bytes.resize(rtl.memory.content.bytes.size() / 2);
    tlm.memory.content.bytes.resize(rtl.memory.content.bytes.size());
    both();
    check("a memory that answers with an error fails the job",
          rtl_outcome.status >= RS_DRIVER_READ_ERROR && tlm_outcome.status >= RS_DRIVER_READ_ERROR);
}

void test::run()
{
    rtl.reset_n.write(false);
    rtl.master.begin();
    for (int i = 0; i < 4; i++)
        wait(clock.posedge_event());
    rtl.reset_n.write(true);
    wait(clock.posedge_event());
    rs_driver_info a {}, b {};
    const int found = rs_driver_probe(&rtl_host.bus, &a), found_too = rs_driver_probe(&tlm_host.bus, &b);
    check("both answer the driver as the same accelerator",
          found == RS_DRIVER_OK && found_too == RS_DRIVER_OK && a.lanes == b.lanes && a.multipliers == b.multipliers &&
              a.bus_bits == b.bus_bits && a.accumulator_bits == b.accumulator_bits);
    run_images();
    run_errors();
    sc_core::sc_stop();
}
} // namespace

int sc_main(int argc, char **argv)
{
    if (argc < 5) {
        std::fprintf(stderr, "usage: %s QNET ARRAY DATA IMAGES [KEY=VALUE...]\n", argv[0]);
        return RS_USAGE;
    }
    Verilated::commandArgs(argc, argv);
    sc_core::sc_report_handler::set_actions("/IEEE_Std_1666/deprecated", sc_core::SC_DO_NOTHING);
    rs_diag *diag = rs_diag_new();
    rs_network *network = nullptr;
    const rs_status status = rs_network_open(argv[1], argv[2], argv + 5, argc - 5, argv[3], &network, diag);
    if (status != RS_OK) {
        rs_diag_print(diag, stderr);
        rs_diag_free(diag);
        return status;
    }
    rs_diag_free(diag);
    {
        test bench("bench", network, std::strtoll(argv[4], nullptr, 10));
        sc_core::sc_start();
        check("the model had nothing to complain about", bench.tlm.accelerator.message().empty());
#if VM_COVERAGE
        if (const char *folder = std::getenv("RISTRETTO_RTL_COVERAGE")) {
            const std::string file = std::string(folder) + "/systemc-" + std::to_string(getpid()) + ".dat";
            Verilated::threadContextp()->coveragep()->write(file.c_str());
        }
#endif
    }
    rs_network_close(network);
    std::printf("# %d passed, %d failed\n", passed, failed);
    return failed == 0 && passed > 0 ? 0 : 1;
}
