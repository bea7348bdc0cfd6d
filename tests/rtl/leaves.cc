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

namespace {
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

// ---------------------------------------------------------------------------------------------------------- requantize
constexpr int acc_bits[] = { 6, 10, 17, 32, 48, 12 }, act_bits[] = { 4, 5, 7, 8, 16, 1 };

uint64_t requantize_one(int64_t acc, bool relu, int shift, int out_bits, int only_row, bool with_oracle)
{
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
            std::snprintf(where, sizeof where, "acc %" PRId64 " of %d bits, relu %d, shift %d, %d bits, rounding %d", own,
                          acc_bits[row], relu, shift, out_bits, r);
            uint64_t saturated = 0;
            const int64_t c = rs_fxp_requantize(own, relu, shift, out_bits, static_cast<rs_rounding>(r), 0, &saturated);
            expect("requantize", word_of(dut->rq_out_o, 4 * row + r), c, where);
            expect("saturation", bit_of(dut->rq_sat_o, 4 * row + r), static_cast<int64_t>(saturated), where);
            compared += 2;
            if (with_oracle) {
                mpz_t sum;
                mpz_init_set_si(sum, own);
                uint64_t oracle_saturated = 0;
                expect("oracle", c,
                       rs_oracle_requantize(sum, relu, shift, out_bits, static_cast<rs_rounding>(r), 0, &oracle_saturated), where);
                expect("oracle's saturation", static_cast<int64_t>(saturated), static_cast<int64_t>(oracle_saturated), where);
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
        compared += requantize_one(value_of(48), pick(0, 3) == 0, pick(RS_SHIFT_MIN, RS_SHIFT_MAX), pick(1, 16), -1, i % 4 == 0);
    for (int row = 0; row < 6; row++)
        for (int i = 0; i < 20000; i++)
            compared += requantize_one(value_of(acc_bits[row]), pick(0, 3) == 0, pick(RS_SHIFT_MIN, RS_SHIFT_MAX),
                                       pick(1, act_bits[row]), row, i % 4 == 0);
    result("requantize, random inputs of 6 to 48 bits", compared);
}

// ---------------------------------------------------------------------------------------------------------- accumulate
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

// ---------------------------------------------------------------------------------------------------------------- tree
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
            values[static_cast<size_t>(i)] = kind == 0 ? rs_fxp_min(32) : kind == 1 ? rs_fxp_max(32) : kind == 2 ? 4 : value_of(32);
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
                    std::snprintf(where, sizeof where, "%d inputs of %d bits, first level %d, registers %d, cycle %d", inputs[n],
                                  widths[w], paper, regs, cycle);
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

// -------------------------------------------------------------------------------------------------------------- buffer
void banked_buffer()
{
    static constexpr int sizes[5][4] = { { 8, 64, 16, 16 }, { 5, 77, 7, 12 }, { 1, 9, 1, 1 }, { 16, 40, 3, 8 }, { 3, 5, 11, 2 } };
    uint64_t compared = 0;
    for (int b = 0; b < 5; b++) {
        const int width = sizes[b][0], depth = sizes[b][1], reads = sizes[b][2], writes = sizes[b][3];
        std::vector<int> contents[2] = { std::vector<int>(static_cast<size_t>(depth), -1), std::vector<int>(static_cast<size_t>(depth), -1) };
        std::vector<int> wanted;
        for (int cycle = 0; cycle < 5000; cycle++) {
            uint32_t data[8];
            for (uint32_t &word : data)
                word = static_cast<uint32_t>(draw());
            std::memcpy(&dut->bf_wdata_i, data, sizeof data);
            // Reads stay on the other half, as in the array; they may begin before the buffer and end behind it.
            const int half = pick(0, 1), count = pick(0, writes), at = pick(0, depth - 1), from = pick(-reads, depth - 1);
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

// ---------------------------------------------------------------------------------------------------------------- lane
void lane()
{
    uint64_t compared = 0, overflows = 0;
    int64_t acc = 0;
    for (int step = 0; step < 20000; step++) {
        uint32_t act = 0, wgt = 0;
        int64_t sum = 0;
        for (int i = 0; i < 5; i++) {
            const int64_t a = value_of(4), w = value_of(3);
            act |= static_cast<uint32_t>(a & 15) << (4 * i);
            wgt |= static_cast<uint32_t>(w & 7) << (3 * i);
            sum += a * w;
        }
        const bool first = step == 0 || pick(0, 20) == 0;
        const int64_t bias = value_of(12), exact = (first ? bias : acc) + sum;
        acc = rs_fxp_saturate(exact, 12, nullptr);
        uint64_t saturated = 0;
        const int64_t wanted = rs_fxp_requantize(acc, false, 4, 4, RS_ROUND_NEAREST, 0, &saturated);
        overflows += acc != exact;

        // One stage after the other; what is not enabled must hold, whatever its inputs do.
        dut->ln_wgt_i = static_cast<uint16_t>(wgt);
        dut->ln_operand_en_i = 1;
        clock();
        dut->ln_operand_en_i = 0;
        dut->ln_wgt_i = static_cast<uint16_t>(draw() & 0x7fff);
        dut->ln_act_i = act;
        dut->ln_product_en_i = 1;
        clock();
        dut->ln_product_en_i = 0;
        dut->ln_act_i = static_cast<uint32_t>(draw() & 0xfffff);
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

// ------------------------------------------------------------------------------------------------------- pool and count
void pool_and_count()
{
    uint64_t compared = 0;
    int64_t best = 0;
    uint32_t count = 0, narrow = 0;
    for (int i = 0; i < 20000; i++) {
        const bool first = i == 0 || pick(0, 5) == 0, en = i == 0 || pick(0, 3) != 0;
        const int64_t value = value_of(16);
        const uint64_t flags = draw() & draw();
        const int lanes = pick(1, 64);
        if (en) {
            best = first || value > best ? value : best;
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
    accumulate();
    tree();
    banked_buffer();
    lane();
    pool_and_count();
    delete dut;
    return failed_tests == 0 ? 0 : 1;
}
