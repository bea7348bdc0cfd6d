// Other people's unit, Verilated: ports by number. Compiled at run time together with the model (see foreign/open.c);
// ports.inc is made from the model's header.
#include "unit_shim.h"

#include <cstring>
#include <string>

#include "driver.h"
#include "unit_adapter.h"

#ifdef RS_MODEL_CODE_FILE
#include RS_MODEL_CODE_FILE
#else
struct unit_adapter : rs_unit_adapter {
};
#endif

namespace
{
#define IN RS_UNIT_PORT_IN
#define OUT RS_UNIT_PORT_OUT
#define INOUT RS_UNIT_PORT_INOUT
const rs_unit_port ports[] = {
#define RS_PORT(name, direction, elements, bits) { #name, direction, elements, bits },
#include "ports.inc"
#undef RS_PORT
    { nullptr, 0, 0, 0 }
};
#undef IN
#undef OUT
#undef INOUT

// An element of a port lies in little-endian order in memory, as a scalar or as an array of 32-bit words.
template <typename T> void *element_of(T &port, int32_t elements, int32_t element)
{
    const size_t size = elements > 0 ? sizeof port / static_cast<size_t>(elements) : 0;
    return reinterpret_cast<unsigned char *>(&port) + size * static_cast<size_t>(element);
}

void *place(Vdut &dut, int32_t port, int32_t element)
{
    static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "a big-endian host needs conversions here");
    int32_t number = 0;
#define RS_PORT(name, direction, elements, bits) \
    if (number++ == port)                        \
        return element_of(dut.name, elements, element);
#include "ports.inc"
#undef RS_PORT
    return nullptr;
}

// What no key of the adapter names stays 0, in place of the random values that the model wakes up with.
void clear_inputs(Vdut &dut)
{
    int32_t number = 0;
#define RS_PORT(port, way, elements, bits)            \
    if (ports[number++].direction == RS_UNIT_PORT_IN) \
        std::memset(static_cast<void *>(&dut.port), 0, sizeof dut.port);
#include "ports.inc"
#undef RS_PORT
}
} // namespace

struct rs_unit_shim : verilated_driver {
    unit_adapter adapter;
    uint64_t half_cycles = 0, trace_from = 0, trace_to = 0;
    uint8_t at_rest = 0; // level of the clock before its edge
    void *places[sizeof ports / sizeof ports[0]][256];
    std::string message;

    explicit rs_unit_shim(const rs_unit_shim_options &given)
        : verilated_driver("unit", given.x_seed, nullptr, { given.trace, given.trace_save, given.trace_title }),
          trace_from(given.trace_from), trace_to(given.trace_to), at_rest(given.falling_edge ? 1 : 0)
    {
        clear_inputs(*model);
        for (int32_t p = 0; ports[p].name != nullptr; p++)
            for (int32_t e = 0; e < 256 && (e == 0 || e < ports[p].elements); e++)
                places[p][e] = place(*model, p, e);
    }

    void set_clock(int32_t clock, uint8_t value)
    {
        if (clock >= 0)
            std::memcpy(places[clock][0], &value, 1);
    }

    void evaluate()
    {
        model->eval();
        context.time(half_cycles);
        if (half_cycles / 2 >= trace_from && half_cycles / 2 <= trace_to)
            dump(half_cycles);
        half_cycles++;
    }

    template <typename Do> const char *guarded(Do what)
    {
        enter();
        try {
            what();
            return nullptr;
        } catch (const std::exception &e) {
            message = e.what();
            return message.c_str();
        }
    }
};

namespace
{
size_t bytes_of(int32_t port)
{
    return (static_cast<size_t>(ports[port].bits) + 7) / 8;
}

rs_unit_shim *unit_open(const rs_unit_shim_options *options, const char **message)
{
    return open_shim<rs_unit_shim>(*options, message);
}

void unit_close(rs_unit_shim *shim)
{
    delete shim;
}

void unit_set(rs_unit_shim *shim, int32_t port, int32_t element, const uint8_t *bytes)
{
    std::memcpy(shim->places[port][element], bytes, bytes_of(port));
}

void unit_get(rs_unit_shim *shim, int32_t port, int32_t element, uint8_t *bytes)
{
    std::memcpy(bytes, shim->places[port][element], bytes_of(port));
}

uint64_t unit_encode(rs_unit_shim *shim, int32_t what, int64_t value)
{
    return what == 0   ? shim->adapter.encode_activation(value)
           : what == 1 ? shim->adapter.encode_weight(value)
                       : shim->adapter.encode_bias(value);
}

int64_t unit_decode(rs_unit_shim *shim, int32_t what, uint64_t bits)
{
    const int64_t value = static_cast<int64_t>(bits);
    return what == 0 ? shim->adapter.decode_sum(value) : shim->adapter.decode_output(value);
}

const char *unit_settle(rs_unit_shim *shim, int32_t clock, const rs_unit_cycle *cycle)
{
    return shim->guarded([&] {
        shim->set_clock(clock, shim->at_rest);
        shim->adapter.drive(*shim->model, *cycle);
        shim->evaluate();
    });
}

const char *unit_edge(rs_unit_shim *shim, int32_t clock)
{
    return shim->guarded([&] {
        shim->set_clock(clock, shim->at_rest ^ 1U);
        shim->evaluate();
    });
}
} // namespace

extern "C" __attribute__((visibility("default"))) const void *rs_model_table()
{
    static const rs_unit_shim_functions functions = {
        RS_UNIT_INTERFACE,
        static_cast<int32_t>(sizeof ports / sizeof ports[0]) - 1,
        ports,
        unit_open,
        unit_close,
        unit_set,
        unit_get,
        unit_encode,
        unit_decode,
#ifdef RS_MODEL_CODE_FILE
        1,
#else
        0,
#endif
        unit_settle,
        unit_edge,
    };
    return &functions;
}
