// What every shim of a Verilated model needs: the model in its context, its waveform and its coverage, and what it
// says, kept for a message (see runtime.h). Included once by each shim.
#ifndef RISTRETTO_VERILATE_SHIM_DRIVER_H
#define RISTRETTO_VERILATE_SHIM_DRIVER_H

#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>

#include "Vdut.h"
#include "verilated.h"
#include "wave.h"
#if VM_COVERAGE
#include "verilated_cov.h"
#endif
#if VM_TRACE
#include "verilated_fst_c.h"
#endif

namespace
{
thread_local std::string printed;
constexpr size_t max_printed = 4096;

// Names for a waveform: the files to be written, and how the first will be known. NULL: none.
struct wave_files {
    const char *fst, *save, *title;
};

struct model_stopped : std::runtime_error {
    using std::runtime_error::runtime_error;
};

[[noreturn]] void stop(const char *file, int line, const char *text)
{
    std::string what = printed;
    if (what.empty())
        what = std::string(file != nullptr ? file : "") + ":" + std::to_string(line) + ": " +
               (text != nullptr ? text : "");
    while (!what.empty() && (what.back() == '\n' || what.back() == ' '))
        what.pop_back();
    throw model_stopped(what);
}

// A new Shim, or NULL and why not; the text stays until the thread's next one.
template <typename Shim, typename Options> Shim *open_shim(const Options &options, const char **message)
{
    try {
        return new Shim(options);
    } catch (const std::exception &e) {
        static thread_local char text[512];
        std::snprintf(text, sizeof text, "%s", e.what());
        *message = text;
        return nullptr;
    }
}
} // namespace

// The model in a context of its own. A shim derives from it.
struct verilated_driver {
    VerilatedContext context;
    std::unique_ptr<Vdut> model;
#if VM_TRACE
    std::unique_ptr<VerilatedFstC> trace;
    bool trace_open = false;
    std::string trace_path, save_path, trace_title;
#endif
#if VM_COVERAGE
    std::string coverage_path;
#endif

    // x_seed: of the random values in registers without a reset. extra: one more argument of the model, or NULL.
    // A waveform needs a model built for it.
    verilated_driver(const char *name, uint64_t x_seed, const char *extra, const wave_files &wave)
    {
        enter();
        const std::string seed = "+verilator+seed+" + std::to_string(x_seed % 0x7fffffff + 1);
        const char *arguments[] = { "dut", "+verilator+rand+reset+2", seed.c_str(), extra };
        context.commandArgs(extra != nullptr ? 4 : 3, arguments);
#if VM_TRACE
        context.traceEverOn(true);
#endif
        model.reset(new Vdut(&context, name));
#if VM_TRACE
        if (wave.fst != nullptr) {
            trace_path = wave.fst;
            save_path = wave.save;
            trace_title = wave.title;
            trace.reset(new VerilatedFstC);
            model->trace(trace.get(), 99);
        }
#else
        (void)wave;
#endif
    }

    ~verilated_driver()
    {
        enter();
#if VM_TRACE
        if (trace_open) {
            trace->close();
            write_save_file(trace_path, save_path, trace_title);
        }
#endif
        model->final();
#if VM_COVERAGE
        if (!coverage_path.empty())
            context.coveragep()->write(coverage_path.c_str());
#endif
    }

    // Verilator finds the context of what it does, and of what it destroys, in a variable of the thread.
    void enter()
    {
        Verilated::threadContextp(&context);
        printed.clear();
    }

    // The values of all signals go into the waveform, if there is one.
    void dump(uint64_t time)
    {
#if VM_TRACE
        if (!trace)
            return;
        if (!trace_open) {
            trace->open(trace_path.c_str());
            trace_open = true;
        }
        trace->dump(time);
#else
        (void)time;
#endif
    }
};

int rs_shim_printf(const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    const int n = std::vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (printed.size() < max_printed)
        printed += text;
    return n;
}

void vl_stop(const char *filename, int linenum, const char *hier) VL_MT_UNSAFE
{
    stop(filename, linenum, hier);
}

void vl_fatal(const char *filename, int linenum, const char *, const char *msg) VL_MT_UNSAFE
{
    stop(filename, linenum, msg);
}

#endif
