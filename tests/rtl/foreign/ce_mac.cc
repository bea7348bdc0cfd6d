// Weights as the unit takes them: a sign, and a magnitude of four bits.
struct unit_adapter : rs_unit_adapter {
    uint64_t encode_weight(int64_t value) override
    {
        return value < 0 ? 0x10U | static_cast<uint64_t>(-value) : static_cast<uint64_t>(value);
    }
};
