// For the C++ file that an adapter may name (design.code, docs/user/foreign-rtl.md): it defines `struct unit_adapter`,
// derived from this, and overrides what the YAML file cannot say.
#ifndef RISTRETTO_FOREIGN_SHIM_UNIT_ADAPTER_H
#define RISTRETTO_FOREIGN_SHIM_UNIT_ADAPTER_H

#include "Vdut.h"
#include "unit_shim.h"

struct rs_unit_adapter {
    virtual ~rs_unit_adapter() = default;

    // Words as they look at the ports; only as many low bits are taken as the port has.
    virtual uint64_t encode_activation(int64_t value)
    {
        return static_cast<uint64_t>(value);
    }
    virtual uint64_t encode_weight(int64_t value)
    {
        return static_cast<uint64_t>(value);
    }
    virtual uint64_t encode_bias(int64_t value)
    {
        return static_cast<uint64_t>(value);
    }
    // From the port's bits (the others are zero) to the number, already extended with its sign if the YAML file says
    // `signed`.
    virtual int64_t decode_sum(int64_t value)
    {
        return value;
    }
    virtual int64_t decode_output(int64_t value)
    {
        return value;
    }
    // In every cycle, after all ports are set and before the model is evaluated with the clock at rest: sets what is
    // still missing.
    virtual void drive(Vdut &dut, const rs_unit_cycle &cycle)
    {
        (void)dut, (void)cycle;
    }
};

#endif
