// What a Verilated model says, kept for a message; included once by each shim. See runtime.h.
#ifndef RISTRETTO_VERILATE_SHIM_MODEL_H
#define RISTRETTO_VERILATE_SHIM_MODEL_H

#include <cstdarg>
#include <cstdio>
#include <stdexcept>
#include <string>

#include "verilated.h"

namespace
{
thread_local std::string printed;
constexpr size_t max_printed = 4096;

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
