// The leaf modules of the array (tests/rtl/leaves.sv) against the oracle of GMP, the C functions and plain integers:
// exhaustive where small, random and biased to the rails where not. Prints the lines that tests/run counts.
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <vector>

#include <gmp.h>

extern "C" {
#include "base/rng.h"
#include "fxp/fxp.h"
#include "oracle/fxp.h"
}

#include "Vleaves.h"
#include "verilated.h"

namespace
{
VerilatedContext context;
Vleaves *dut;
rs_rng rng;
int failures, failed_tests;

uint64_t draw()
{
    return rs_rng_next(&rng);
}

int pick(int low, int high)
{
    return low + static_cast<int>(draw() % static_cast<uint64_t>(high - low + 1));
}

// A signed integer of `bits` bits, biased to the rails and to zero.
int64_t value_of(int bits)
{
    switch (pick(0, 7)) {
    case 0:
        return rs_fxp_min(bits);
    case 1:
        return rs_fxp_max(bits);
    case 2:
        return 0;
    case 3:
        return rs_fxp_wrap(pick(-3, 3), bits);
    case 4: // near a power of two, where ties are
        return rs_fxp_wrap((INT64_C(1) << pick(0, bits - 1)) + pick(-1, 1), bits);
    default:
        return rs_fxp_wrap(static_cast<int64_t>(draw()), bits);
    }
}

void clock()
{
    dut->clk_i = 0;
    dut->eval();
    dut->clk_i = 1;
    dut->eval();
}

template <typename Port> int64_t word_of(const Port &port, int number)
{
    int64_t value;
    std::memcpy(&value, reinterpret_cast<const char *>(&port) + 8 * number, 8);
    return value;
}

template <typename Port> bool bit_of(const Port &port, int number)
{
    return (reinterpret_cast<const unsigned char *>(&port)[number / 8] >> (number % 8) & 1) != 0;
}

bool expect(const char *what, int64_t got, int64_t wanted, const char *where)
{
    if (got == wanted)
        return true;
    if (failures++ < 10)
        std::printf("# %s: expected %" PRId64 ", got %" PRId64 " (%s)\n", what, wanted, got, where);
    return false;
}

// Ends one test with its result line.
void result(const char *name, uint64_t compared)
{
    const bool good = failures == 0 && compared > 0;
    std::printf("%s - %s: %" PRIu64 " values compared\n", good ? "ok" : "not ok", name, compared);
    failed_tests += !good;
    failures = 0;
    std::fflush(stdout);
}

// ------------------------------------------------------------------------------------------------------ requantize
constexpr int acc_bits[] = { 6, 10, 17, 32, 48, 12 }, act_bits[] = { 4, 5, 7, 8, 16, 1 };

// The same with a scale and an unsigned range, in 128-bit integers.
int64_t requantize_scaled(int64_t acc, bool relu, int scale, int shift, int out_bits, bool is_unsigned, int rounding,
                          bool *saturated)
{
    __int128 value = static_cast<__int128>(relu && acc < 0 ? 0 : acc) * scale;
    if (shift <= 0) {
        value *= INT64_C(1) << -shift;
    } else {
        const __int128 unit = static_cast<__int128>(1) << shift;
        __int128 floor = value / unit, rest = value % unit;
        if (rest < 0) {
            floor--;
            rest += unit;
        }
        const bool up = rounding == RS_ROUND_TRUNCATE       ? false
                        : 2 * rest != unit                  ? 2 * rest > unit
                        : rounding == RS_ROUND_NEAREST      ? value > 0
                        : rounding == RS_ROUND_NEAREST_EVEN ? floor % 2 != 0
                                                            : true;
        value = floor + up;
    }
    const __int128 low = is_unsigned ? 0 : -(INT64_C(1) << (out_bits - 1));
    const __int128 high = (INT64_C(1) << (is_unsigned ? out_bits : out_bits - 1)) - 1;
    *saturated = value < low || value > high;
    return static_cast<int64_t>(value < low ? low : value > high ? high : value);
}

uint64_t requantize_one(int64_t acc, bool relu, int shift, int out_bits, int only_row, bool with_oracle, int scale = 1,
                        bool is_unsigned = false, bool lowest = false)
{
    dut->rq_scale_i = static_cast<uint16_t>(scale);
    dut->rq_unsigned_i = is_unsigned;
    dut->rq_lowest_i = lowest;
    dut->rq_acc_i = static_cast<uint64_t>(acc) & UINT64_C(0xffffffffffff);
    dut->rq_relu_i = relu;
    dut->rq_shift_i = static_cast<uint8_t>(shift & 0x7f);
    dut->rq_out_bits_i = static_cast<uint8_t>(out_bits);
    dut->eval();
    uint64_t compared = 0;
    for (int row = 0; row < 6; row++) {
        if (out_bits > act_bits[row] || (only_row >= 0 && row != only_row))
            continue;
        const int64_t own = rs_fxp_wrap(acc, acc_bits[row]);
        for (int r = 0; r < 4; r++) {
            char where[128];
            std::snprintf(where, sizeof where, "acc %" PRId64 " of %d bits, relu %d, shift %d, %d bits, rounding %d",
                          own, acc_bits[row], relu, shift, out_bits, r);
            uint64_t saturated = 0;
            const int64_t c = rs_fxp_requantize(own, relu, shift, out_bits, static_cast<rs_rounding>(r), 0, &saturated);
            const int plain = (4 * row + r) * 2;
            if (lowest) {
                expect("lowest", word_of(dut->rq_out_o, plain), rs_fxp_min(out_bits), where);
                expect("lowest", word_of(dut->rq_out_o, plain + 1), is_unsigned ? 0 : rs_fxp_min(out_bits), where);
                expect("saturation", bit_of(dut->rq_sat_o, plain) || bit_of(dut->rq_sat_o, plain + 1), 0, where);
                compared += 3;
                continue;
            }
            expect("requantize", word_of(dut->rq_out_o, plain), c, where);
            expect("saturation", bit_of(dut->rq_sat_o, plain), static_cast<int64_t>(saturated), where);
            bool scaled_saturated = false;
            const int64_t scaled = requantize_scaled(own, relu, scale, shift, out_bits, is_unsigned, r,
                                                     &scaled_saturated);
            expect("scaled", word_of(dut->rq_out_o, plain + 1), scaled, where);
            expect("scaled saturation", bit_of(dut->rq_sat_o, plain + 1), scaled_saturated, where);
            if (scale == 1 && !is_unsigned)
                expect("the two specifications", scaled, c, where);
            compared += 4;
            if (with_oracle) {
                mpz_t sum;
                mpz_init_set_si(sum, own);
                uint64_t oracle_saturated = 0;
                expect(
                    "oracle", c,
                    rs_oracle_requantize(sum, relu, shift, out_bits, static_cast<rs_rounding>(r), 0, &oracle_saturated),
                    where);
                expect("oracle's saturation", static_cast<int64_t>(saturated), static_cast<int64_t>(oracle_saturated),
                       where);
                mpz_clear(sum);
            }
        }
    }
    return compared;
}

void requantize()
{
    uint64_t compared = 0;
    for (int row = 0; row < 2; row++)
        for (int64_t acc = rs_fxp_min(acc_bits[row]); acc <= rs_fxp_max(acc_bits[row]); acc++)
            for (int shift = RS_SHIFT_MIN; shift <= RS_SHIFT_MAX; shift++)
                for (int out_bits = 1; out_bits <= act_bits[row]; out_bits++)
                    for (int relu = 0; relu < 2; relu++)
                        compared += requantize_one(acc, relu != 0, shift, out_bits, row, row == 0);
    result("requantize, every input of 6 and 10 bits", compared);
    compared = 0;
    for (int i = 0; i < 60000; i++)
        compared += requantize_one(value_of(48), pick(0, 3) == 0, pick(RS_SHIFT_MIN, RS_SHIFT_MAX), pick(1, 16), -1,
                                   i % 4 == 0);
    for (int row = 0; row < 6; row++)
        for (int i = 0; i < 20000; i++)
            compared += requantize_one(value_of(acc_bits[row]), pick(0, 3) == 0, pick(RS_SHIFT_MIN, RS_SHIFT_MAX),
                                       pick(1, act_bits[row]), row, i % 4 == 0);
    result("requantize, random inputs of 6 to 48 bits", compared);
    compared = 0;
    for (int row = 0; row < 6; row++)
        for (int i = 0; i < 20000; i++) {
            const int scale = i % 3 == 0 ? pick(0, 3) : i % 3 == 1 ? pick(1 << 14, 1 << 15) : pick(0, 65535);
            compared += requantize_one(value_of(acc_bits[row]), pick(0, 3) == 0, pick(RS_SHIFT_MIN, RS_SHIFT_MAX),
                                       pick(1, act_bits[row]), row, false, scale, pick(0, 1) != 0, pick(0, 20) == 0);
        }
    result("requantize, scaled and unsigned", compared);
}

// --------------------------------------------------------------------------------------------- processing elements
void elements()
{
    static constexpr int sizes[7][4] = { { 0, 8, 8, 0 }, { 0, 1, 1, 0 }, { 0, 5, 11, 0 }, { 1, 8, 4, 0 },
                                         { 1, 7, 3, 1 }, { 0, 9, 2, 0 }, { 1, 16, 5, 1 } };
    uint64_t compared = 0;
    for (int act = 0; act < 65536; act++)
        for (int wgt = 0; wgt < 2048; wgt += act < 512 ? 1 : 1 + (act + wgt) % 251) {
            dut->pe_act_i = static_cast<uint16_t>(act);
            dut->pe_wgt_i = static_cast<uint16_t>(wgt);
            dut->eval();
            for (int e = 0; e < 7; e++) {
                const bool shifter = sizes[e][0] == 1;
                const int bits = sizes[e][2];
                const int64_t a = rs_fxp_wrap(act, sizes[e][1]);
                int64_t w = rs_fxp_wrap(wgt, bits);
                if (shifter) {
                    const int code = wgt & ((1 << (bits - 1)) - 1);
                    w = sizes[e][3] == 0 ? INT64_C(1) << code : code == 0 ? 0 : INT64_C(1) << (code - 1);
                    if (wgt >> (bits - 1) & 1)
                        w = -w;
                }
                if (word_of(dut->pe_out_o, e) != a * w) {
                    char where[64];
                    std::snprintf(where, sizeof where, "element %d, activation %d, weight code %d", e, act, wgt);
                    expect("product", word_of(dut->pe_out_o, e), a * w, where);
                }
                compared++;
            }
        }
    result("processing elements, multiplier and shifter", compared);
}

// ------------------------------------------------------------------------------------------------------ accumulate
uint64_t accumulate_one(int row, int64_t acc, int64_t add)
{
    static constexpr int sum_bits[] = { 4, 7, 48, 20 };
    dut->ac_acc_i = static_cast<uint64_t>(acc) & UINT64_C(0xffffffffffff);
    dut->ac_add_i = static_cast<uint64_t>(add) & UINT64_C(0xffffffffffff);
    dut->eval();
    const int64_t exact = acc + add, wrapped = rs_fxp_wrap(exact, sum_bits[row]);
    const int64_t saturated = rs_fxp_saturate(exact, sum_bits[row], nullptr);
    char where[96];
    std::snprintf(where, sizeof where, "%" PRId64 " + %" PRId64 " in %d bits", acc, add, sum_bits[row]);
    expect("wrapped sum", word_of(dut->ac_out_o, 2 * row), wrapped, where);
    expect("saturated sum", word_of(dut->ac_out_o, 2 * row + 1), saturated, where);
    expect("overflow", bit_of(dut->ac_ovf_o, 2 * row), wrapped != exact, where);
    expect("overflow", bit_of(dut->ac_ovf_o, 2 * row + 1), saturated != exact, where);
    return 4;
}

void accumulate()
{
    static constexpr int sum_bits[] = { 4, 7, 48, 20 }, add_bits[] = { 6, 3, 38, 38 };
    uint64_t compared = 0;
    for (int row = 0; row < 2; row++)
        for (int64_t acc = rs_fxp_min(sum_bits[row]); acc <= rs_fxp_max(sum_bits[row]); acc++)
            for (int64_t add = rs_fxp_min(add_bits[row]); add <= rs_fxp_max(add_bits[row]); add++)
                compared += accumulate_one(row, acc, add);
    for (int row = 2; row < 4; row++)
        for (int i = 0; i < 20000; i++)
            compared += accumulate_one(row, value_of(sum_bits[row]), value_of(add_bits[row]));
    result("accumulate, wrap and saturate", compared);
}

// ------------------------------------------------------------------------------------------------------------ tree
void tree()
{
    static constexpr int inputs[] = { 1, 2, 3, 5, 7, 12, 33, 64 }, widths[] = { 3, 32 };
    enum { CYCLES = 400, DEEPEST = 6 };
    uint64_t compared = 0;
    // Exact sums of the last inputs, newest first, for each size and width.
    std::deque<std::vector<int64_t>> history;
    dut->tr_en_i = 0x3f;
    for (int cycle = 0; cycle < CYCLES; cycle++) {
        std::vector<int64_t> values(64), sums;
        const int kind = cycle < 3 ? cycle : pick(0, 8); // all at one rail, or mixed
        for (int i = 0; i < 64; i++) {
            // Kind 0: the lowest value of 32 bits, 1: the highest, 2: the lowest of 3 bits.
            values[static_cast<size_t>(i)] = kind == 0   ? rs_fxp_min(32)
                                             : kind == 1 ? rs_fxp_max(32)
                                             : kind == 2 ? 4
                                                         : value_of(32);
            const uint32_t word = static_cast<uint32_t>(values[static_cast<size_t>(i)]);
            std::memcpy(reinterpret_cast<char *>(&dut->tr_data_i) + 4 * i, &word, 4);
        }
        for (int n : inputs)
            for (int w : widths) {
                int64_t sum = 0;
                for (int i = 0; i < n; i++)
                    sum += rs_fxp_wrap(values[static_cast<size_t>(i)], w);
                sums.push_back(sum);
            }
        dut->eval();
        history.push_front(sums);
        for (int n = 0; n < 8; n++) {
            int levels = 0;
            while (1 << levels < inputs[n])
                levels++;
            for (int w = 0; w < 2; w++)
                for (int kind_of = 0; kind_of < 6; kind_of++) {
                    const int regs = kind_of / 2, paper = kind_of % 2, number = (2 * n + w) * 6 + kind_of;
                    const int stages = regs == 0 ? 0 : regs == 1 ? levels : levels / 2;
                    char where[96];
                    std::snprintf(where, sizeof where, "%d inputs of %d bits, first level %d, registers %d, cycle %d",
                                  inputs[n], widths[w], paper, regs, cycle);
                    if (static_cast<int>(history.size()) > stages) {
                        expect("sum", word_of(dut->tr_sum_o, number),
                               history[static_cast<size_t>(stages)][static_cast<size_t>(2 * n + w)], where);
                        compared++;
                    }
                    if (cycle == 0)
                        expect("width", reinterpret_cast<const uint8_t *>(&dut->tr_bits_o)[number],
                               widths[w] + levels + (levels > 0 ? paper : 0), where);
                }
        }
        if (history.size() > DEEPEST)
            history.pop_back();
        clock();
    }
    result("adder tree, sums, latencies and widths", compared);

    // A stage that is not enabled holds its sums.
    compared = 0;
    dut->tr_en_i = 0;
    clock();
    std::vector<int64_t> held;
    for (int k = 0; k < 96; k++)
        held.push_back(word_of(dut->tr_sum_o, k));
    for (int i = 0; i < 64; i++)
        dut->tr_data_i[i] = static_cast<uint32_t>(draw());
    for (int i = 0; i < 4; i++)
        clock();
    for (int n = 0; n < 8; n++)
        for (int w = 0; w < 2; w++)
            for (int kind_of = 2; kind_of < 6; kind_of++) {
                int levels = 0;
                while (1 << levels < inputs[n])
                    levels++;
                // Registers at the root: behind the last level.
                if (levels == 0 || (kind_of / 2 == 2 && levels % 2 != 0))
                    continue;
                const int number = (2 * n + w) * 6 + kind_of;
                expect("held sum", word_of(dut->tr_sum_o, number), held[static_cast<size_t>(number)], "no enable");
                compared++;
            }
    result("adder tree, stages that hold", compared);
}

// ---------------------------------------------------------------------------------------------------------- buffer
void banked_buffer()
{
    static constexpr int sizes[5][4] = {
        { 8, 64, 16, 16 }, { 5, 77, 7, 12 }, { 1, 9, 1, 1 }, { 16, 40, 3, 8 }, { 3, 5, 11, 2 }
    };
    uint64_t compared = 0;
    for (int b = 0; b < 5; b++) {
        const int width = sizes[b][0], depth = sizes[b][1], reads = sizes[b][2], writes = sizes[b][3];
        std::vector<int> contents[2] = { std::vector<int>(static_cast<size_t>(depth), -1),
                                         std::vector<int>(static_cast<size_t>(depth), -1) };
        std::vector<int> wanted;
        for (int cycle = 0; cycle < 5000; cycle++) {
            uint32_t data[8];
            for (uint32_t &word : data)
                word = static_cast<uint32_t>(draw());
            std::memcpy(&dut->bf_wdata_i, data, sizeof data);
            // Reads stay on the other half, as in the array; they may begin before the buffer and end behind it.
            const int half = pick(0, 1), count = pick(0, writes), at = pick(0, depth - 1),
                      from = pick(-reads, depth - 1);
            const bool write = pick(0, 2) != 0 && at + count <= depth, read = pick(0, 2) != 0;
            dut->bf_we_i = write;
            dut->bf_whalf_i = static_cast<uint8_t>(half);
            dut->bf_waddr_i = static_cast<uint16_t>(at);
            dut->bf_wcount_i = static_cast<uint8_t>(count);
            dut->bf_re_i = read;
            dut->bf_rhalf_i = static_cast<uint8_t>(1 - half);
            dut->bf_raddr_i = static_cast<uint16_t>(from);
            if (read) {
                wanted.assign(static_cast<size_t>(reads), -1);
                for (int i = 0; i < reads; i++)
                    if (from + i >= 0 && from + i < depth)
                        wanted[static_cast<size_t>(i)] = contents[1 - half][static_cast<size_t>(from + i)];
            }
            clock();
            for (int i = 0; write && i < count; i++) {
                int value = 0;
                for (int k = 0; k < width; k++)
                    value |= static_cast<int>(data[(i * width + k) / 32] >> ((i * width + k) % 32) & 1) << k;
                contents[half][static_cast<size_t>(at + i)] = value;
            }
            // What was read last stays at the output.
            for (int i = 0; i < static_cast<int>(wanted.size()); i++) {
                if (wanted[static_cast<size_t>(i)] < 0)
                    continue;
                int got = 0;
                for (int k = 0; k < width; k++)
                    got |= bit_of(dut->bf_rdata_o, 256 * b + i * width + k) << k;
                char where[96];
                std::snprintf(where, sizeof where, "buffer %d, cycle %d, read from %d, element %d", b, cycle, from, i);
                expect("element", got, wanted[static_cast<size_t>(i)], where);
                compared++;
            }
        }
    }
    dut->bf_we_i = dut->bf_re_i = 0;
    result("banked buffer, unaligned reads and writes", compared);
}

// ------------------------------------------------------------------------------------------------------------ lane
void lane()
{
    uint64_t compared = 0, overflows = 0;
    int64_t accs[3] = { 0, 0, 0 };
    for (int step = 0; step < 20000; step++) {
        uint32_t act = 0, wgt = 0;
        int64_t sum = 0, inputs[5];
        for (int i = 0; i < 5; i++) {
            const int64_t a = value_of(4), w = value_of(3);
            act |= static_cast<uint32_t>(a & 15) << (4 * i);
            wgt |= static_cast<uint32_t>(w & 7) << (3 * i);
            sum += a * w;
            inputs[i] = a;
        }
        const bool is_direct = pick(0, 3) == 0;
        const int align = pick(0, 3);
        const bool first = step == 0 || pick(0, 20) == 0;
        const int64_t bias = value_of(12);

        // One stage after the other; what is not enabled must hold, whatever its inputs do.
        dut->ln_wgt_i = static_cast<uint16_t>(wgt);
        dut->ln_operand_en_i = 1;
        clock();
        dut->ln_operand_en_i = 0;
        dut->ln_wgt_i = static_cast<uint16_t>(draw() & 0x7fff);
        dut->ln_act_i = act;
        dut->ln_direct_i = is_direct;
        dut->ln_align_i = static_cast<uint8_t>(align);
        dut->ln_product_en_i = 1;
        clock();
        dut->ln_product_en_i = 0;
        dut->ln_act_i = static_cast<uint32_t>(draw() & 0xfffff);
        dut->ln_direct_i = !is_direct;
        for (int stage = 0; stage < 3; stage++) {
            dut->ln_tree_en_i = static_cast<uint8_t>(1 << stage);
            clock();
        }
        dut->ln_tree_en_i = 0;
        dut->ln_bias_i = static_cast<uint16_t>(bias & 0xfff);
        dut->ln_acc_first_i = first;
        dut->ln_acc_en_i = 1;
        clock();
        dut->ln_acc_en_i = 0;
        dut->ln_result_en_i = 1;
        clock();
        dut->ln_result_en_i = 0;
        for (int t = 0; t < 3; t++) {
            // Lane number 2 t passes its own activation on.
            const int64_t exact = (first ? bias : accs[t]) + (is_direct ? inputs[2 * t] * (1 << align) : sum);
            const int64_t acc = accs[t] = rs_fxp_saturate(exact, 12, nullptr);
            uint64_t saturated = 0;
            const int64_t wanted = rs_fxp_requantize(acc, false, 4, 4, RS_ROUND_NEAREST, 0, &saturated);
            overflows += acc != exact;
            char where[64];
            std::snprintf(where, sizeof where, "step %d, tree registers %d", step, t);
            expect("overflow", bit_of(dut->ln_ovf_o, t), acc != exact, where);
            expect("result", word_of(dut->ln_out_o, t), wanted, where);
            expect("saturation", bit_of(dut->ln_sat_o, t), static_cast<int64_t>(saturated), where);
            compared += 3;
        }
    }
    if (overflows == 0)
        expect("overflows", 0, 1, "none came up");
    result("lane, stage by stage", compared);
}

// -------------------------------------------------------------------------------------------------- pool and count
void pool_and_count()
{
    uint64_t compared = 0;
    int64_t best = 0, best_unsigned = 0;
    uint32_t count = 0, narrow = 0;
    for (int i = 0; i < 20000; i++) {
        const bool first = i == 0 || pick(0, 5) == 0, en = i == 0 || pick(0, 3) != 0;
        const int64_t value = value_of(16);
        const uint64_t flags = draw() & draw();
        const int lanes = pick(1, 64);
        if (en) {
            best = first || value > best ? value : best;
            const int64_t code = static_cast<uint16_t>(value);
            best_unsigned = first || code > best_unsigned ? code : best_unsigned;
            const uint64_t counted = lanes == 64 ? flags : flags & ((UINT64_C(1) << lanes) - 1);
            count = (first ? 0 : count) + static_cast<uint32_t>(__builtin_popcountll(counted));
            narrow = (first ? 0 : narrow) + static_cast<uint32_t>(__builtin_popcountll(counted & 31));
        }
        dut->pm_en_i = dut->fc_en_i = en;
        dut->pm_first_i = dut->fc_first_i = first;
        dut->pm_data_i = static_cast<uint16_t>(value);
        dut->fc_flags_i = flags;
        dut->fc_lanes_i = static_cast<uint8_t>(lanes);
        clock();
        expect("maximum", static_cast<int16_t>(dut->pm_max_o), best, "");
        expect("unsigned maximum", dut->pm_max_unsigned_o, best_unsigned, "");
        expect("count", dut->fc_count_o, count, "64 lanes");
        expect("count", dut->fc_count_narrow_o, narrow, "5 lanes");
        compared += 3;
    }
    result("maximum pooling and flag counts", compared);
}
} // namespace

int main(int argc, char **argv)
{
    context.commandArgs(argc, argv);
    const char *seed = std::getenv("RISTRETTO_SEED");
    rng.seed = seed != nullptr ? std::strtoull(seed, nullptr, 0) : 20160411;
    std::printf("# RISTRETTO_SEED=%" PRIu64 "\n", rng.seed);
    dut = new Vleaves(&context, "leaves");
    dut->clk_i = 0;
    dut->eval();
    requantize();
    elements();
    accumulate();
    tree();
    banked_buffer();
    lane();
    pool_and_count();
    delete dut;
    return failed_tests == 0 ? 0 : 1;
}
