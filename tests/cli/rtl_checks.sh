#!/bin/sh
# test-options: limit=300
# The modules' own assertions (rtl/checks/*_check.svh): proven with Yosys where induction reaches them, and for each module a
# fault that its assertions must find, in the proof or in Icarus Verilog's run of tests/rtl/smoke_tb.sv. Verilator has them
# in every model (test_dut, test_lockstep*, rtl_leaves, systemc).
# shellcheck source=tests/lib/checks.sh
. "$(dirname "$0")/../lib/checks.sh"
cd "$RISTRETTO_ROOT" || exit 1

# A copy of the RTL in which the first text of one line stands for the second: MODULE OLD NEW.
plant() {
    rm -rf "$scratch/rtl"
    cp -r rtl "$scratch/rtl"
    OLD=$2 NEW=$3 awk '
        { at = index($0, ENVIRON["OLD"]) }
        at && !found { $0 = substr($0, 1, at - 1) ENVIRON["NEW"] substr($0, at + length(ENVIRON["OLD"])); found = 1 }
        { print }
        END { exit !found }' "rtl/$1.sv" >"$scratch/rtl/$1.sv" || echo "not ok - $1 has no line with: $2"
}

# What induction proves, with -b N what the first N cycles show.
proven() {
    check "proven: assertions of $*" scripts/formal/prove-checks "$@"
}

# The proof of a module with a fault fails: OLD NEW MODULE PARAMETERS.
refuted() {
    old=$1 new=$2
    shift 2
    name=$1
    [ "$1" != -b ] || name=$3
    plant "$name" "$old" "$new"
    check_status 1 "$name: a proof finds '$new'" env RISTRETTO_RTL="$scratch/rtl" scripts/formal/prove-checks "$@"
}

# The simulation of a fault ends with the assertion: ASSERTION MODULE OLD NEW.
found() {
    plant "$2" "$3" "$4"
    sources=$(sed "s,^rtl,$scratch/rtl," rtl/ristretto.f | tr '\n' ' ')
    # shellcheck disable=SC2086
    iverilog -g2012 -I"$scratch/rtl" -s smoke_tb -o "$scratch/smoke.vvp" $sources tests/rtl/smoke_tb.sv >"$out" 2>"$err" &&
        vvp "$scratch/smoke.vvp" >"$out" 2>>"$err"
    check_grep "$2: $1 finds '$4'" "Assertion failed in .*[.]$1\$" "$out"
}

assertions_included() {
    for file in rtl/checks/*_check.svh; do
        grep -q "include \"checks/$(basename "$file")\"" "rtl/$(basename "$file" _check.svh).sv" || echo "$file is not included"
    done | grep . && return 1
    for file in rtl/rst_*.sv; do
        [ -e "rtl/checks/$(basename "$file" .sv)_check.svh" ] || echo "$file has no assertions"
    done | grep . && return 1
    return 0
}
check 'each module includes its assertions' assertions_included

if command -v yosys >/dev/null; then
    proven rst_fifo Width=2
    proven rst_flags
    proven rst_step_pipe
    proven rst_banked_buffer Width=2 Depth=9 Reads=3 Writes=4
    proven rst_weight_buffer Lanes=2 Muls=2 WgtBits=4 LaneBits=12 Depth=5 BusBits=16
    proven rst_accumulate AccBits=8 AddBits=11 Overflow=1
    proven rst_accumulate AccBits=8 AddBits=5
    proven rst_adder_tree Inputs=5 InBits=3
    proven rst_pe ActBits=5 WgtBits=4
    proven rst_pe Pe=1 ActBits=8 WgtBits=4
    proven rst_pe Pe=1 ActBits=5 WgtBits=3 ZeroCode=1
    proven rst_minifloat_pe ExponentBits=2 MantissaBits=1 ProductBits=11
    proven rst_minifloat_round AccBits=12 ExponentBits=3 MantissaBits=2
    proven rst_requantize AccBits=10 ActBits=4
    proven rst_requantize AccBits=10 ActBits=4 UnsignedActivations=1
    proven rst_lane Muls=2 ActBits=3 WgtBits=3 AccBits=10 AveragePooling=0
    proven rst_pool_max ActBits=4 UnsignedActivations=1
    proven rst_pool_max ActBits=4 Magnitudes=1
    proven rst_flag_count Lanes=5
    proven rst_registers
    proven -b 7 rst_axi_port BusBits=16 AddrBits=32 Writes=2
    proven -b 7 rst_job ProgDepth=3 BusBits=32

    refuted 'tail_q + 1'\''b1' 'tail_q + 3'\''d3' rst_fifo Width=2
    refuted 'act_full_set_i) & ~act_clear_i' 'act_full_set_i)' rst_flags
    refuted '{taps_o[(Stages-1)*StepBits-1:0], step_i}' '{step_i, taps_o[Stages*StepBits-1:StepBits]}' rst_step_pipe
    refuted '32'\''(place) < 32' '32'\''(place) <= 32' rst_banked_buffer Width=2 Depth=9 Reads=3 Writes=4
    refuted ' && (32'\''(bank_wrow) < Rows)' '' rst_banked_buffer Width=2 Depth=9 Reads=3 Writes=4
    refuted '? RamBits'\''(Depth) :' '? RamBits'\''(Depth + 1) :' rst_weight_buffer Lanes=2 Muls=2 WgtBits=4 LaneBits=12 Depth=5 BusBits=16
    refuted '(AccBits-1){~sum' '(AccBits-1){sum' rst_accumulate AccBits=8 AddBits=11 Overflow=1
    refuted 'SumBits'\''(right)' '(SumBits'\''(right) << 1)' rst_adder_tree Inputs=5 InBits=3
    refuted 'wide <<< places' 'wide >>> places' rst_pe Pe=1 ActBits=8 WgtBits=4
    refuted '* ProductBits'\''(wgt)' '* ProductBits'\''(wgt_i)' rst_pe ActBits=5 WgtBits=4
    refuted '? -magnitude' '? ~magnitude' rst_minifloat_pe ExponentBits=2 MantissaBits=1 ProductBits=11
    refuted '(beyond || lowest_i) ?' 'lowest_i ?' rst_minifloat_round AccBits=12 ExponentBits=3 MantissaBits=2
    refuted 'result > highest' 'result > highest + 1' rst_requantize AccBits=10 ActBits=4
    refuted 'out_o = top' 'out_o = power' rst_requantize AccBits=10 ActBits=4
    refuted 'first_i || greater' 'first_i || !greater' rst_pool_max ActBits=4
    refuted ' & ~({Lanes{1'\''b1}} << lanes_i)' '' rst_flag_count Lanes=5
    refuted '(!busy_i ||' '(1'\''b1 ||' rst_registers
    refuted '(low_address != '\''0)' '1'\''b1' -b 7 rst_axi_port BusBits=16 AddrBits=32 Writes=2
    refuted '? !aw_taken_q :' '? !aw_taken_q && m_axi_wready_i :' -b 7 rst_axi_port BusBits=16 AddrBits=32 Writes=2
    refuted '(state_q == Unpack);' '(state_q == Unpack || state_q == Request);' -b 7 rst_job ProgDepth=3 BusBits=32
    refuted 'end else if (s_axil_rready_i) begin' 'end else begin' rst_registers
else
    skip 'proofs of assertions' 'yosys is not installed'
fi

if command -v iverilog >/dev/null; then
    found k_flags rst_flags 'out_busy_o <= ' 'out_busy_o <= out_busy_o; //'
    found a_group_range rst_descriptor_walk 'group_q + 16' '2 + group_q + 16'
    found a_beat_range rst_receiver 'beat_q + 24' '2 + beat_q + 24'
    found a_answer_phase rst_receiver 'unit_q == phase.steps' 'unit_q == 0'
    found a_beat_range rst_receiver '= beat_q[15:0]' '= beat_q[15:0] + 16'\''d64'
    found a_one_reserved rst_loader 'guard_ok && !ifmap && wgt_half_q,' 'guard_ok && wgt_half_q,'
    found a_answer_asked rst_loader '+ CountBits'\''(accept)' '+ 1'\''b0 * CountBits'\''(accept)'
    found a_segments rst_sequencer '? desc_i.chunks - 16' '? desc_i.chunks - 0 * 16'
    found a_steps rst_sequencer 'wgt_step_q + 16'\''d1' 'wgt_step_q + 16'\''d2'
    found a_windows rst_sequencer 'ox_left_q - 16' 'ox_left_q + 16'
    found a_beats rst_storer 'ofmap_beats - 24' 'ofmap_beats + 24'
    found a_read_full rst_storer 'if (out_full_i[half_q])' 'if (1)'
    found a_shift rst_sequencer 'shift = desc_i.shift_corner' 'shift = -7'\''sd16'
else
    skip 'faults in the simulation' 'iverilog is not installed'
fi
finish
